# These play the kernel (pci_kernel.h); they do not wait for it, either.
$(B)/tests/unit/test_pci_bind $(B)/tests/unit/test_pci_check: TEST_LDFLAGS = -Wl,--wrap=pci_files_write -Wl,--wrap=sleep
# The launcher without /dev/kvm, sysfs and the patience that drivers take.
$(B)/tests/unit/test_launch_pci: TEST_LDFLAGS = -Wl,--wrap=host_check_kvm -Wl,--wrap=host_pci_check \
	-Wl,--wrap=vfio_devices_open -Wl,--wrap=daemon_path_pci -Wl,--wrap=loop_add_timer \
	-Wl,--wrap=child_kill
