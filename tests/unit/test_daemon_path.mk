# The user that the paths are asked for.
$(B)/tests/unit/test_daemon_path: TEST_LDFLAGS = -Wl,--wrap=geteuid
