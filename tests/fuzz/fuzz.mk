# make fuzz: every fuzz target for FUZZ_SECONDS each (default 60), two at a time; one figure a line. Needs clang.
# What an input found stays in build/fuzz/crash-*; run the target with that file to see it again.
# make fuzz-corpus: the same, then keeps of each target's inputs the fewest that reach as much, in tests/fuzz/corpora/.

FUZZ := build/fuzz
FUZZ_SECONDS ?= 60
FUZZ_TARGETS := virtqueue blk net console balloon rng pci uart rtc board loaders varstore disks settings
# The vmm without KVM and threads: tests/fuzz/machine.c stands in for them.
FUZZ_SRCS := vmm/bus.c vmm/mem.c $(wildcard vmm/pci/*.c vmm/virtio/*.c vmm/net/*.c vmm/platform/*.c vmm/boot/*.c lib/*.c storage/*.c) \
	tests/fuzz/machine.c
FUZZ_OBJS := $(FUZZ_SRCS:%.c=$(FUZZ)/%.o)
FUZZ_FLAGS := -std=c11 -g -O1 -fno-strict-aliasing -fno-omit-frame-pointer -MMD -MP \
	-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all $(WARN)

.PHONY: fuzz fuzz-build fuzz-corpus
fuzz: fuzz-build
	$(Q)tests/fuzz/run $(FUZZ_SECONDS) $(FUZZ_TARGETS)

fuzz-corpus: fuzz
	$(Q)tests/fuzz/corpus merge $(FUZZ_TARGETS)

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
	$(Q)clang -fsanitize=fuzzer,address,undefined -Wl,--wrap=pthread_cond_timedwait \
		-o $@ $^ $(PKG) -pthread

.SECONDARY: $(FUZZ_TARGETS:%=$(FUZZ)/tests/fuzz/fuzz_%.o)
-include $(wildcard $(FUZZ)/*/*.d $(FUZZ)/*/*/*.d)
