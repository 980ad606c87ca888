# Sees when what was written is synced.
$(B)/tests/unit/test_mend: TEST_LDFLAGS = -Wl,--wrap=fsync
