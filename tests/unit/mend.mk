# Sees when what was written is synced.
$(B)/tests/unit/test_mend: TEST_LDFLAGS = -Wl,--wrap=fsync
# Says itself what cannot be mended.
$(B)/tests/unit/test_store: TEST_LDFLAGS = -Wl,--wrap=storage_mend_settings,--wrap=proto_recv
