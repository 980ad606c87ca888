# These stand in for VFIO, and for KVM.
$(B)/tests/unit/test_iommu $(B)/tests/unit/test_vfio_host: TEST_LDFLAGS = -Wl,--wrap=ioctl
$(B)/tests/unit/test_vfio_devices: TEST_LDFLAGS = -Wl,--wrap=open
$(B)/tests/unit/test_vm_vfio: TEST_LDFLAGS = -Wl,--wrap=ioctl -Wl,--wrap=vcpus_stop -Wl,--wrap=vcpus_wait_stopped \
	-Wl,--wrap=vm_devices_reset -Wl,--wrap=irq_wires_reset -Wl,--wrap=kvm_route_count -Wl,--wrap=kvm_reset_irqchip
