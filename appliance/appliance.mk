# The part of the Makefile about the appliance: what is flashed, put on a stick or installed. Included from the Makefile.
#
#   make appliance         build/appliance/vmboot-linux, vmboot.efi, vmboot.iso, and what each part costs
#   make check-appliance   boots all three in QEMU and uses them; builds once more elsewhere and compares
#
# APPLIANCE_OVERLAY=FOLDER adds a site's own files to the initramfs: etc/vmboot.trust, etc/vmboot/entries/...
# The kernel's source is built in its folder, so that no path gets into it; a change of the program or of the overlay
# costs its last link and packing only. appliance/kernel.config says what is in it.
#
# `make check` builds no kernel, which takes ten minutes of two quiet cores: it boots the initramfs with Debian's kernel,
# and holds kernel.config against kernel.config.full, the configuration of the last kernel that was built. What the
# appliance was made from when its images last passed their tests is in appliance/built. After a change of that, `make check`
# fails until it has been run again and all three are committed; .ci/run builds the appliance itself.

A := build/appliance
APPLIANCE_OVERLAY ?=

.PHONY: appliance check-appliance
appliance:
	$(Q)$(M)/deps.sh build run appliance
	$(Q)$(M)/fetch.sh firmware linux busybox dosfstools
	$(Q)$(MAKE) --no-print-directory $(A)/vmboot-linux $(A)/vmboot.efi $(A)/vmboot.iso
	$(Q)appliance/costs.py

# One date for everything that has one: the kernel source's, which changes when it does.
$(A)/%: export SOURCE_DATE_EPOCH ?= $(shell cat $(A)/linux/vmboot-date 2>/dev/null || echo 0)
$(A)/%: export VMBOOT_VERSION := $(VERSION)
$(A)/%: export PYTHONDONTWRITEBYTECODE := 1

# Written anew only when it is another one, so that nothing after it is done for nothing.
$(A)/initramfs.cpio: appliance/initramfs.list appliance/initramfs.py appliance/cpio.py appliance/udhcpc.script vmboot build/pci.names \
		$(A)/busybox $(A)/fsck.fat force-initramfs
	$(call say,CPIO,$@) mkdir -p $(A) && appliance/initramfs.py $@.tmp $(APPLIANCE_OVERLAY)
	$(Q)cmp -s $@.tmp $@ && rm $@.tmp || mv $@.tmp $@
.PHONY: force-initramfs
force-initramfs:

$(A)/busybox: appliance/busybox.sh appliance/busybox.config appliance/check-config.sh
	$(Q)appliance/busybox.sh

$(A)/fsck.fat: appliance/dosfstools.sh
	$(call say,CC,$@) appliance/dosfstools.sh

$(A)/vmboot-linux: $(A)/initramfs.cpio appliance/kernel.config appliance/kernel.sh appliance/linux.patch appliance/check-config.sh \
		$(A)/linux/vmboot-version
	$(Q)appliance/kernel.sh
	$(Q)appliance/inputs.sh >$(A)/inputs

$(A)/vmboot.efi: $(A)/vmboot-linux appliance/efi.sh
	$(call say,EFI,$@) appliance/efi.sh $< $@

$(A)/vmboot.iso: $(A)/vmboot-linux appliance/iso.sh
	$(call say,ISO,$@) appliance/iso.sh $< $@

# The images used in QEMU, then everything built once more in another folder and compared.
.PHONY: check-reproducible
check-appliance: appliance
	$(Q)$(M)/deps.sh build run test appliance
	$(Q)$(M)/fetch.sh firmware ovmf kernel
	$(Q)$(MAKE) --no-print-directory machine
	$(Q)$(M)/run-tests -k appliance
	$(Q)$(MAKE) --no-print-directory check-reproducible
	$(Q)printf '%s\n' "# Made by 'make check-appliance' when the images have passed their tests; not to be edited." \
		"inputs $$(appliance/inputs.sh)" "source $$(cat $(A)/linux/vmboot-version)" >appliance/built

check-reproducible:
	$(Q)appliance/again.sh
