# These stand in for VFIO.
$(B)/tests/unit/test_iommu $(B)/tests/unit/test_vfio_host $(B)/tests/unit/test_vm_limits: TEST_LDFLAGS = -Wl,--wrap=ioctl
