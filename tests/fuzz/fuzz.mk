# make fuzz: every fuzz target for FUZZ_SECONDS each (default 60), two at a time; one figure a line. Needs clang.
# What an input found stays in build/fuzz/crash-*; run the target with that file to see it again.
# make fuzz-corpus: the same, then keeps of each target's inputs the fewest that reach as much, in tests/fuzz/corpora/.
# make fuzz-coverage: how much of the sources the inputs reach, those kept and those of the last make fuzz. Needs llvm.

FUZZ := build/fuzz
FUZZ_CHECKS := -fsanitize=address,undefined -fno-sanitize-recover=all
FUZZ_SECONDS ?= 60
FUZZ_TARGETS := virtqueue blk net console balloon rng pci vfio uart rtc board loaders varstore disks settings
# The vmm without KVM and threads: tests/fuzz/machine.c stands in for them.
FUZZ_SRCS := vmm/bus.c vmm/mem.c $(wildcard vmm/pci/*.c vmm/vfio/*.c vmm/virtio/*.c vmm/net/*.c vmm/platform/*.c vmm/boot/*.c lib/*.c storage/*.c) \
	tests/fuzz/machine.c
FUZZ_OBJS := $(FUZZ_SRCS:%.c=$(FUZZ)/%.o)
FUZZ_FLAGS := -std=c11 -g -O1 -fno-strict-aliasing -fno-omit-frame-pointer -MMD -MP \
	-fsanitize=fuzzer-no-link $(FUZZ_CHECKS) $(WARN)

.PHONY: fuzz fuzz-build fuzz-corpus fuzz-coverage
fuzz: fuzz-build
	$(Q)tests/fuzz/run $(FUZZ_SECONDS) $(FUZZ_TARGETS)

fuzz-corpus: fuzz
	$(Q)tests/fuzz/corpus merge $(FUZZ_TARGETS)

# The same programs built once more, to count instead of to check.
fuzz-coverage:
	$(Q)$(MAKE) --no-print-directory fuzz-build FUZZ=build/fuzz-cover \
		FUZZ_CHECKS='-fprofile-instr-generate -fcoverage-mapping'
	$(Q)tests/fuzz/coverage $(FUZZ_TARGETS)

fuzz-build: $(FUZZ_TARGETS:%=$(FUZZ)/fuzz_%)

$(FUZZ)/%.o: %.c | gen
	$(call say,FUZZCC,$<)
	$(Q)mkdir -p $(@D); command -v clang >/dev/null || \
		{ echo "make fuzz needs clang: apt-get install clang" >&2; exit 1; }
	$(Q)clang $(CPPFLAGS) $(FUZZ_FLAGS) -c -o $@ $<

$(FUZZ)/libvmm.a: $(FUZZ_OBJS)
	$(Q)rm -f $@; $(AR) rcs $@ $^

# Nothing may wait in a fuzz target: a vCPU's short wait for its disk becomes the I/O thread's turn.
$(FUZZ)/fuzz_%: $(FUZZ)/tests/fuzz/fuzz_%.o $(FUZZ)/libvmm.a
	$(call say,LINK,$@)
	$(Q)clang -fsanitize=fuzzer $(FUZZ_CHECKS) -Wl,--wrap=pthread_cond_timedwait \
		-o $@ $^ $(PKG) -pthread

.SECONDARY: $(FUZZ_TARGETS:%=$(FUZZ)/tests/fuzz/fuzz_%.o)
-include $(wildcard $(FUZZ)/*/*.d $(FUZZ)/*/*/*.d)
