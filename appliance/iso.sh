#!/bin/bash
# iso.sh KERNEL OUT: an image for CDs and, written to it as it is, sticks; starts by UEFI and by BIOS.
#
# The kernel is in it once, as EFI/BOOT/BOOTX64.EFI on the EFI system partition: with its EFI stub it is a UEFI program
# itself. For BIOS, GRUB reads it from there; it is one small image without any file, and asks nothing.
# No label is VMBOOT: that is the name of a partition with settings.
set -euo pipefail
cd "$(dirname "$0")/.."

kernel=$1 out=$2
grub=/usr/lib/grub/i386-pc
export PATH=$PATH:/usr/sbin:/sbin SOURCE_DATE_EPOCH LC_ALL=C TZ=UTC
tmp=$(mktemp -d build/appliance/.iso.XXXXXX)
trap 'rm -rf "$tmp"' EXIT
mkdir "$tmp/cd"

# The EFI system partition: the kernel, and room for the file system's own tables.
kib=$((($(stat -c %s "$kernel") + 1023) / 1024 + 256))
mkfs.fat --invariant -C -n VMBOOT-ESP "$tmp/cd/efi.img" $kib >/dev/null
cp "$kernel" "$tmp/kernel"
touch -d "@$SOURCE_DATE_EPOCH" "$tmp/kernel"
mmd -i "$tmp/cd/efi.img" ::/EFI ::/EFI/BOOT
mcopy -m -i "$tmp/cd/efi.img" "$tmp/kernel" ::/EFI/BOOT/BOOTX64.EFI

cat >"$tmp/grub.cfg" <<-'END'
	search.file /efi.img root
	loopback esp /efi.img
	linux (esp)/EFI/BOOT/BOOTX64.EFI
	boot
END
grub-mkimage -O i386-pc-eltorito -d $grub -p / -c "$tmp/grub.cfg" -o "$tmp/cd/bios.img" \
	biosdisk iso9660 part_msdos part_gpt fat loopback search_fs_file linux
find "$tmp/cd" -exec touch -d "@$SOURCE_DATE_EPOCH" {} +

xorriso -as mkisofs -quiet -V VMBOOT-CD -o "$tmp/vmboot.iso" \
	-b bios.img -no-emul-boot -boot-load-size 4 -boot-info-table \
	--grub2-boot-info --grub2-mbr $grub/boot_hybrid.img \
	--efi-boot efi.img -efi-boot-part --efi-boot-image --protective-msdos-label \
	"$tmp/cd" 2>"$tmp/log" || { cat "$tmp/log" >&2; exit 1; }
mv "$tmp/vmboot.iso" "$out"
