$(B)/tests/unit/test_net: TEST_LDFLAGS = -Wl,--wrap=pthread_cond_timedwait
