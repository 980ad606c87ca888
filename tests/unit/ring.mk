$(B)/tests/unit/test_ring: TEST_LDFLAGS = \
	-Wl,--wrap=preadv -Wl,--wrap=io_uring_submit_and_wait
