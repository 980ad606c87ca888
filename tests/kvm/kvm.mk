# Tests on the host's /dev/kvm: guests of a few instructions (tests/kvm/guests/*.S, each a PVH image),
# driven through the sanitized vmm process by cmocka programs (tests/kvm/test_*.c).
KVM_GUEST_SRCS := $(sort $(wildcard tests/kvm/guests/*.S))
KVM_GUESTS := $(KVM_GUEST_SRCS:%.S=$(GEN)/%)
KVM_SRCS := $(sort $(wildcard tests/kvm/test_*.c))
KVM_BINS := $(KVM_SRCS:%.c=build/san/%)

$(GEN)/tests/kvm/guests/%: tests/kvm/guests/%.S tests/kvm/guests/guest.inc tests/kvm/guests/irq.inc \
		tests/kvm/guests/guest.ld
	$(call say,GUEST,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -c -x assembler-with-cpp -Itests/kvm/guests -o $@.o $<
	$(Q)$(LD) -m elf_x86_64 -n --no-warn-rwx-segments -T tests/kvm/guests/guest.ld -o $@ $@.o

# Not PVH images but a bzImage, and what is in flash: flat binaries.
$(GEN)/tests/kvm/guests/bzimage $(GEN)/tests/kvm/guests/flash: $(GEN)/tests/kvm/guests/%: tests/kvm/guests/%.S
	$(call say,GUEST,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -c -x assembler-with-cpp -o $@.o $<
	$(Q)$(LD) -m elf_x86_64 -Ttext 0 -e 0 --oformat binary -o $@ $@.o

build/san/tests/kvm/%: build/san/tests/kvm/%.o build/san/tests/kvm/machine.o build/san/libvmb.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS) -lcmocka

# Guests, storms and data for as long as the figures ask for; tests/fuzz/fuzz.mk has the inputs.
.PHONY: reliability
reliability: $(KVM_GUESTS) fuzz-build
	$(Q)$(MAKE) --no-print-directory SAN=1 build/san/vmboot build/san/tests/kvm/test_hostile \
		build/san/tests/unit/test_storm build/san/tests/unit/test_verify \
		build/san/tests/unit/test_trust \
		build/san/tests/unit/test_ui_random build/san/tests/unit/test_ui_scrollback
	$(Q)$(MAKE) --no-print-directory SAN=thread build/tsan/tests/unit/test_storm
	$(Q)tests/reliability

.PHONY: check-kvm
# The guest of the bench reads a disk, which none of ours does.
check-kvm: vmboot $(KVM_GUESTS) build/bench/blk.elf
	$(Q)$(MAKE) --no-print-directory SAN=1 build/san/vmboot $(KVM_BINS)
	$(Q)tests/run-kvm $(KVM_BINS)
