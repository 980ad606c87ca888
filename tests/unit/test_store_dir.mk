# Cuts the power, or fails, at every call that changes something.
$(B)/tests/unit/test_store_dir: TEST_LDFLAGS = -Wl,--wrap=openat,--wrap=write,--wrap=fsync \
	-Wl,--wrap=renameat,--wrap=unlinkat,--wrap=mkdirat,--wrap=close
