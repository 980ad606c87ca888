# The part of the Makefile about the test machine, sample disks, and running everything. Included from the Makefile.

M := tests/machine

.PHONY: deps fetch disks machine machine-shell
deps:
	$(Q)$(M)/deps.sh

fetch:
	$(Q)$(M)/fetch.sh firmware ovmf kernel newest generic

disks:
	$(Q)$(M)/fetch.sh firmware
	$(Q)$(M)/disks.sh

# What boots in QEMU: Debian's kernel, and an initramfs to which each start adds ./vmboot.
machine: build/machine/base.cpio
build/machine/base.cpio: $(M)/init $(M)/initramfs.sh
	$(Q)$(M)/fetch.sh kernel
	$(call say,CPIO,$@) $(M)/initramfs.sh

# A shell in the test machine, with the sample disks; `exit` ends it.
machine-shell: vmboot machine disks
	$(Q)$(M)/run-in-machine -i --firmware --disk build/disks/sample.img --disk build/disks/guest.img

# Everything a newcomer needs, then the menu. Sub-makes, because packages may have come in between.
.PHONY: run
run:
	$(Q)$(M)/deps.sh build run
	$(Q)$(MAKE) -s vmboot disks machine
	$(Q)$(M)/run.sh

# Every test. tests/check adds the counts up and prints the one total line.
.PHONY: check check-host check-machine
check:
	$(Q)$(M)/deps.sh
	$(Q)tests/check

# What is installed and what is written about it, on this computer.
check-host: vmboot build/pci.names
	$(Q)$(M)/run-tests --folder tests/host

check-machine: vmboot build/pci.names fetch machine
	$(Q)$(M)/run-tests

# screenshots/*.png, from the test machine's VGA console, and a session on its serial line as an animated picture. The README
# shows them, so they are committed.
.PHONY: screenshots
screenshots: vmboot machine fetch
	$(Q)$(M)/deps.sh run test
	$(Q)$(M)/screenshots.py
	$(Q)$(M)/record.py

# A fresh machine has make and little else: say what to do rather than let the compiler fail.
ifneq ($(filter-out deps run check fetch disks clean appliance check-appliance,$(or $(MAKECMDGOALS),all)),)
MISSING := $(shell $(M)/deps.sh --missing build)
ifneq ($(strip $(MISSING)),)
$(error Debian packages are missing: $(strip $(MISSING)). 'make deps' installs them)
endif
endif
