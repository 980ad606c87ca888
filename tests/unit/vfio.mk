# test_iommu stands in for VFIO.
$(B)/tests/unit/test_iommu: TEST_LDFLAGS = -Wl,--wrap=ioctl
