# make bench [ONLY="GROUP..."]: figures, one `name value unit` a line. Nothing is asserted here; CI gates the sizes.

BENCH := build/bench
BENCH_GUEST_FLAGS := -m64 -ffreestanding -fno-pic -mno-red-zone -mgeneral-regs-only \
	-fno-stack-protector -fno-asynchronous-unwind-tables -O2 $(WARN)

.PHONY: bench
bench: vmboot fetch machine $(BENCH)/vmbench $(BENCH)/vmwatch $(BENCH)/linux_guest $(BENCH)/hello.elf \
	$(BENCH)/blk.elf
	$(Q)tests/bench/bench $(ONLY)

$(BENCH)/%.o: tests/bench/guest/%.c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D); $(CC) $(BENCH_GUEST_FLAGS) -c -o $@ $<

$(BENCH)/%.o: tests/bench/guest/%.S
	$(call say,AS,$<)
	$(Q)mkdir -p $(@D); $(CC) -c -o $@ $<

$(BENCH)/hello.elf: $(BENCH)/hello.o
$(BENCH)/blk.elf: $(BENCH)/start64.o $(BENCH)/blk.o
$(BENCH)/%.elf: tests/bench/guest/guest.lds
	$(call say,LINK,$@)
	$(Q)$(LD) -n -nostdlib -z noexecstack --no-warn-rwx-segments -T $< -o $@ $(filter %.o,$^)

# The host's side takes the messages' format from the product itself.
VMBENCH_SRCS := tests/bench/vmbench.c $(wildcard lib/*.c)
$(BENCH)/vmbench: $(VMBENCH_SRCS) $(wildcard include/*.h)
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D); $(CC) $(CPPFLAGS) -std=c11 -O2 -g -Wall -Wextra -Werror -o $@ \
		$(VMBENCH_SRCS) $(shell pkg-config --libs inih libsodium 2>/dev/null) -pthread

# These run in the emulated machine and in a guest of it, which have no libraries.
$(BENCH)/vmwatch $(BENCH)/linux_guest: $(BENCH)/%: tests/bench/%.c
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D); $(CC) -D_GNU_SOURCE -std=c11 -O2 -Wall -Wextra -Werror -static -s -o $@ $< -lutil
