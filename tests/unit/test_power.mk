# Nobody switches this computer off.
$(B)/tests/unit/test_power: TEST_LDFLAGS = -Wl,--wrap=access,--wrap=geteuid,--wrap=reboot,--wrap=kill
