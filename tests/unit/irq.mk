# test_irq stands in for KVM.
build/san/tests/unit/test_irq: TEST_LDFLAGS := -Wl,--wrap=kvm_set_line,--wrap=kvm_route_alloc \
	-Wl,--wrap=kvm_route_set,--wrap=kvm_route_free,--wrap=kvm_irqfd,--wrap=kvm_ioeventfd
