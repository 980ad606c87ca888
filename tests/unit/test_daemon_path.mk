# The user that the paths are asked for.
$(B)/tests/unit/test_daemon_path $(B)/tests/unit/test_vars_place: TEST_LDFLAGS = -Wl,--wrap=geteuid
