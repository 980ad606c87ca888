#!/bin/bash
# efi.sh KERNEL OUT: the unified kernel image, one UEFI program of systemd's stub, the kernel and its command line.
#
# The initramfs is in the kernel. Whoever wants another command line replaces the section:
#   objcopy --remove-section .cmdline --add-section .cmdline=FILE --change-section-vma .cmdline=0x30000 vmboot.efi OUT
# Sections and their names: the UAPI group's specification of unified kernel images.
set -euo pipefail
cd "$(dirname "$0")/.."

kernel=$1 out=$2
stub=/usr/lib/systemd/boot/efi/linuxx64.efi.stub
tmp=$(mktemp -d build/appliance/.efi.XXXXXX)
trap 'rm -rf "$tmp"' EXIT

printf '%s\n' 'NAME=vmboot' 'ID=vmboot' "VERSION_ID=$VMBOOT_VERSION" "PRETTY_NAME=\"vmboot $VMBOOT_VERSION\"" >"$tmp/osrel"
# The kernel's own command line names the consoles; the stub wants the section all the same.
printf ' \0' >"$tmp/cmdline"
# Far enough apart for a kernel of 28 MiB, and above the stub's own sections, which end below 0x20000.
# The date in its head is the stub's (--preserve-dates), not the hour of the build; that of the file is for make.
objcopy --preserve-dates \
	--add-section .osrel="$tmp/osrel" --change-section-vma .osrel=0x20000 \
	--add-section .cmdline="$tmp/cmdline" --change-section-vma .cmdline=0x30000 \
	--add-section .linux="$kernel" --change-section-vma .linux=0x2000000 \
	"$stub" "$tmp/vmboot.efi"
touch "$tmp/vmboot.efi"
mv "$tmp/vmboot.efi" "$out"
