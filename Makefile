# vmboot: one static binary, its tests, and a machine to try it in.
#
#   make          the static program ./vmboot
#   make run      install what is missing, build, fetch firmware, open the menu
#   make check    build with sanitizers, run every test, print one total line
#   make appliance     what is flashed, put on a stick, installed: kernel and vmboot in one file, 10 MiB at most
#   make install    prefix=/usr/local, DESTDIR; make uninstall; make deb: a Debian package in build/deb
#   make bench    figures, one `name value unit` a line
#   make reliability   how much was tried without a finding, in the same form
#   make fuzz     hostile guests and files for FUZZ_SECONDS (60) a target; needs clang
#
# V=1 shows the commands. SAN=1 builds with ASan and UBSan (into build/san), SAN=thread with TSan (into build/tsan).

SHELL := /bin/bash
.DEFAULT_GOAL := all
MAKEFLAGS += --no-builtin-rules

V ?= 0
ifeq ($(V),0)
Q := @
say = @printf '  %-7s %s\n' '$(1)' '$(2)';
else
Q :=
say =
endif

SAN ?= 0
COMMA := ,
B := $(if $(filter 1,$(SAN)),build/san,$(if $(filter thread,$(SAN)),build/tsan,build/release))
SANITIZERS := $(if $(filter 1,$(SAN)),address$(COMMA)undefined,$(filter thread,$(SAN)))
GEN := build/gen

CC ?= gcc
VERSION := 0.1

SRCS := $(sort $(wildcard cmd/*.c init/*.c ui/*.c daemon/*.c storage/*.c lib/*.c vmm/*.c vmm/*/*.c))
OBJS := $(SRCS:%.c=$(B)/%.o)
LIBOBJS := $(filter-out $(B)/cmd/main.o,$(OBJS))

WARN := -Wall -Wextra -Wshadow -Wmissing-prototypes -Wstrict-prototypes -Wformat=2 \
	-Wpointer-arith -Wcast-qual -Wvla -Werror
CPPFLAGS += -D_GNU_SOURCE -DVMBOOT_VERSION='"$(VERSION)"' -Iinclude -I. -I$(GEN)
CFLAGS_COMMON := -std=c11 -g -fno-strict-aliasing -fno-common -MMD -MP $(WARN)

ifneq ($(SANITIZERS),)
CFLAGS += $(CFLAGS_COMMON) -O1 -fsanitize=$(SANITIZERS) -fno-sanitize-recover=all \
	-fno-omit-frame-pointer $(if $(filter thread,$(SAN)),-Wno-tsan)
LDFLAGS += -fsanitize=$(SANITIZERS)
# Sanitizers need the dynamic loader; only the product is static.
PKG := $(shell pkg-config --libs ncursesw blkid liburing vterm inih jansson libsodium 2>/dev/null)
else
# It goes into a flash chip: tables for unwinding, which C does not need, and relocations in their long form stay out.
# So does the build id: it holds the folder's name, and the product must not depend on where it was built.
CFLAGS += $(CFLAGS_COMMON) -Os -fPIE -ffunction-sections -fdata-sections -fno-asynchronous-unwind-tables \
	-D_FORTIFY_SOURCE=3 -fstack-protector-strong -ftrivial-auto-var-init=zero \
	-fsanitize=bounds,integer-divide-by-zero -fsanitize-undefined-trap-on-error
LDFLAGS += -static-pie -Wl,--gc-sections -Wl,-z,relro,-z,now -Wl,-z,noexecstack \
	-Wl,-z,pack-relative-relocs -Wl,--build-id=none
PKG := $(shell pkg-config --static --libs ncursesw blkid liburing vterm inih jansson libsodium 2>/dev/null)
endif
LDLIBS += $(PKG) -pthread

.PHONY: all clean
all: vmboot build/pci.names

# The product. Debug information stays beside it in build/release for core files. The libraries' tables for unwinding
# are of no use in a C program that cancels no thread, and a twentieth of what it takes in flash.
vmboot: build/release/vmboot
	$(call say,STRIP,$@) strip -R .eh_frame -R .eh_frame_hdr -o $@ $<

$(B)/vmboot: $(OBJS)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(B)/%.o: %.c | gen
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

# ---- the DSDT: ACPI source -> AML as a C array --------------------------------------------------
DSDT_H := $(GEN)/vmm/platform/dsdt.h
GENERATED += $(DSDT_H)
$(DSDT_H): vmm/platform/dsdt.asl
	$(call say,IASL,$<)
	$(Q)mkdir -p $(@D)
	$(Q)iasl -vs -we -tc -p $(@D)/dsdt $< >$(@D)/dsdt.log 2>&1 || { cat $(@D)/dsdt.log; exit 1; }
	$(Q)sed -e 's/^unsigned char/static const unsigned char/' -e '/Compilation of/d' \
		$(@D)/dsdt.hex >$@.tmp && mv $@.tmp $@

# ---- names of PCI devices: a file beside the program, /usr/share/vmboot/pci.names where it is installed ---------
PCI_IDS := /usr/share/misc/pci.ids
build/pci.names: $(PCI_IDS) daemon/pci_names.awk
	$(call say,GEN,$@)
	$(Q)mkdir -p $(@D)
	$(Q)awk -f daemon/pci_names.awk $< >$@.tmp && mv $@.tmp $@

# ---- generated sources -------------------------------------------------------------------------
.PHONY: gen
gen: $(GENERATED)

# ---- terminal descriptions for machines without terminfo: ui/terminal.c ------------------------------
TERMINFO_NAMES := linux vt100 vt220 xterm xterm-256color screen screen-256color tmux tmux-256color
gen: $(GEN)/terminfo.h
# The comment line infocmp begins with would make ncurses refuse the whole text.
$(GEN)/terminfo.h: Makefile
	$(call say,GEN,$@)
	$(Q)mkdir -p $(@D)
	$(Q)set -e -o pipefail; { \
	echo '/* Made by the Makefile with infocmp -Q2. */'; \
	echo 'static const struct { const char *name, *data; } terminfo_table[] = {'; \
	for t in $(TERMINFO_NAMES); do \
		data=$$(infocmp -Q2 $$t | grep -v '^#' | tr -d '\n'); \
		printf '\t{"%s", "%s"},\n' "$$t" "$$data"; \
	done; \
	echo '};'; } > $@.tmp && mv $@.tmp $@

# ---- themes inside the program: ui/theme.c ------------------------------------------------------------
# In the order in which they are listed to the operator.
THEMES := default high-contrast mono light amber
gen: $(GEN)/themes.h
$(GEN)/themes.h: Makefile $(THEMES:%=themes/%.theme)
	$(call say,GEN,$@)
	$(Q)mkdir -p $(@D)
	$(Q)set -e; { \
	echo '/* Made by the Makefile from themes/. */'; \
	echo 'static const struct { const char *name, *text; } theme_table[] = {'; \
	for t in $(THEMES); do \
		printf '\t{"%s",\n' $$t; \
		sed -e 's/[\\"]/\\&/g' -e 's/^/\t "/' -e 's/$$/\\n"/' themes/$$t.theme; \
		printf '\t},\n'; \
	done; \
	echo '};'; } > $@.tmp && mv $@.tmp $@

# ---- unit tests: tests/unit/test_NAME.c, each one cmocka program, sanitized ----------------------
UNIT_SRCS := $(sort $(wildcard tests/unit/test_*.c))
UNIT_BINS := $(UNIT_SRCS:tests/unit/%.c=build/san/tests/unit/%)
.PHONY: unit unit-build
unit-build:
	$(Q)$(MAKE) --no-print-directory SAN=1 $(UNIT_BINS)

unit: unit-build
	$(Q)tests/run-unit $(UNIT_BINS)

ifneq ($(SANITIZERS),)
$(B)/libvmb.a: $(LIBOBJS)
	$(Q)rm -f $@; $(AR) rcs $@ $^

$(B)/tests/%: $(B)/tests/%.o $(B)/libvmb.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $< $(TEST_LDFLAGS) $(B)/libvmb.a $(LDLIBS) -lcmocka
.SECONDARY:
# What a test needs beyond this: tests/unit/*.mk, for example linker wraps for fault injection.
-include $(sort $(wildcard tests/unit/*.mk))
endif

# install, uninstall, deb
include packaging/install.mk

include tests/kvm/kvm.mk

# deps, fetch, disks, run, check, screenshots
include tests/machine/machine.mk

# appliance
include appliance/appliance.mk

# bench
include tests/bench/bench.mk

# fuzz
include tests/fuzz/fuzz.mk

clean:
	rm -rf build vmboot

-include $(wildcard $(patsubst %.o,%.d,$(OBJS)) $(B)/tests/*/*.d)
