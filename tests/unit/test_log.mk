# Ten seconds pass at once.
$(B)/tests/unit/test_log: TEST_LDFLAGS = -Wl,--wrap=clock_gettime
