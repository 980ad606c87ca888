$(B)/tests/unit/test_disk_faults: TEST_LDFLAGS = \
	-Wl,--wrap=ring_submit -Wl,--wrap=pread -Wl,--wrap=pwrite -Wl,--wrap=preadv -Wl,--wrap=pwritev
$(B)/tests/unit/test_disk_zero: TEST_LDFLAGS = -Wl,--wrap=ring_submit
$(B)/tests/unit/test_blk_mq: TEST_LDFLAGS = -Wl,--wrap=fdatasync
