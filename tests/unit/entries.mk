# Time that a test does not wait for.
$(B)/tests/unit/test_entries $(B)/tests/unit/test_autoboot: TEST_LDFLAGS = -Wl,--wrap=loop_add_timer
