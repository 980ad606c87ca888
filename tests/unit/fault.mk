# test_fault stands in for KVM.
$(B)/tests/unit/test_fault: TEST_LDFLAGS = \
	-Wl,--wrap=kvm_cpu_page -Wl,--wrap=kvm_cpu_get_regs -Wl,--wrap=kvm_cpu_translate
