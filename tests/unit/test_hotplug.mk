# Messages of the kernel are played by the test itself; see test_hotplug.c.
$(B)/tests/unit/test_hotplug: TEST_LDFLAGS = -Wl,--wrap=recvmsg
