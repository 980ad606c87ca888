# Cuts the power, or fails, at every call that changes something: see cut.h.
$(B)/tests/unit/test_store_dir $(B)/tests/unit/test_vars_file: TEST_LDFLAGS = -Wl,--wrap=openat,--wrap=write,--wrap=fsync \
	-Wl,--wrap=renameat,--wrap=renameat2,--wrap=unlinkat,--wrap=mkdirat,--wrap=close
