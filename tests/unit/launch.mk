# The launcher is tested without /dev/kvm: what it would open is replaced.
$(B)/tests/unit/test_launch $(B)/tests/unit/test_launch_vars $(B)/tests/unit/test_daemon $(B)/tests/unit/test_ctl \
$(B)/tests/unit/test_daemon_wishes $(B)/tests/unit/test_daemon_console $(B)/tests/unit/test_daemon_ends \
$(B)/tests/unit/test_daemon_power $(B)/tests/unit/test_machine: TEST_LDFLAGS = -Wl,--wrap=host_check_kvm
$(B)/tests/unit/test_launch_vars: TEST_LDFLAGS += -Wl,--wrap=loop_add_timer
$(B)/tests/unit/test_launch: TEST_LDFLAGS += -Wl,--wrap=child_kill
# Nor does a test switch this computer off.
$(B)/tests/unit/test_daemon_power: TEST_LDFLAGS += -Wl,--wrap=power_do
$(B)/tests/unit/test_ctl: TEST_LDFLAGS += -Wl,--wrap=net_card_open -Wl,--wrap=host_pci_check -Wl,--wrap=vfio_devices_open \
	-Wl,--wrap=daemon_path_pci
