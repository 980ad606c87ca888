# Time that a test does not wait for.
$(B)/tests/unit/test_entries: TEST_LDFLAGS = -Wl,--wrap=loop_add_timer
