$(B)/tests/unit/test_ring $(B)/tests/unit/test_ring_watch: TEST_LDFLAGS = \
	-Wl,--wrap=pread -Wl,--wrap=preadv -Wl,--wrap=io_uring_submit_and_wait
