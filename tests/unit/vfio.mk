# These stand in for VFIO.
$(B)/tests/unit/test_iommu $(B)/tests/unit/test_vfio_host: TEST_LDFLAGS = -Wl,--wrap=ioctl
