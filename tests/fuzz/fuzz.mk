# make fuzz: every fuzz target for FUZZ_SECONDS each (default 20), one figure a line. Needs clang. What an
# input found stays in build/fuzz/crash-*; run the target with that file to see it again.

FUZZ := build/fuzz
FUZZ_SECONDS ?= 20
FUZZ_TARGETS := virtqueue blk pci board loaders
FUZZ_SRCS := $(wildcard vmm/pci/*.c vmm/virtio/*.c) $(filter-out vmm/platform/acpi.c vmm/platform/smbios.c,$(wildcard vmm/platform/*.c)) \
	vmm/bus.c vmm/mem.c $(wildcard vmm/boot/*.c) lib/bzimage.c lib/pvh.c lib/varstore.c lib/log.c lib/err.c lib/text.c
# Nothing may wait in a fuzz target: a vCPU's short wait for its disk becomes the I/O thread's turn.
FUZZ_FLAGS := -std=c11 -g -O1 -fno-strict-aliasing -fsanitize=fuzzer,address,undefined \
	-fno-sanitize-recover=all $(WARN) -Wl,--wrap=pthread_cond_timedwait

.PHONY: fuzz
fuzz: $(FUZZ_TARGETS:%=$(FUZZ)/fuzz_%)
	$(Q)tests/fuzz/run $(FUZZ_SECONDS) $(FUZZ_TARGETS)

$(FUZZ)/fuzz_%: tests/fuzz/fuzz_%.c tests/fuzz/machine.c $(FUZZ_SRCS) $(wildcard tests/fuzz/*.h vmm/*.h vmm/*/*.h)
	$(call say,FUZZ,$@)
	$(Q)mkdir -p $(@D); command -v clang >/dev/null || \
		{ echo "make fuzz needs clang: apt-get install clang" >&2; exit 1; }
	$(Q)clang $(CPPFLAGS) $(FUZZ_FLAGS) -o $@ $(filter %.c,$^) -pthread
