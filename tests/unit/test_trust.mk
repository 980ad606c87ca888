# The hashes of passwords are compared with the system's own.
$(B)/tests/unit/test_trust: TEST_LDFLAGS = -lcrypt
