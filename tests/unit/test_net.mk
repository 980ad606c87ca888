$(B)/tests/unit/test_net_control: TEST_LDFLAGS = -Wl,--wrap=pthread_cond_timedwait
$(B)/tests/unit/test_vhost: TEST_LDFLAGS = -Wl,--wrap=ioctl
