#!/bin/bash
# Makes disk images to try vmboot with, without root and without mounting anything.
#
#   disks.sh                        build/disks/sample.img and build/disks/guest.img, when they are not there
#   disks.sh guest OUT STARTUP_NSH  a disk like guest.img whose UEFI shell runs the given script
#   disks.sh sample OUT             a disk like sample.img
#
# sample.img: GPT; an XFS partition labelled FIRMWARE that holds CLOUDHV.fd, and a FAT partition labelled GUEST that
#             holds the UEFI shell as EFI/BOOT/BOOTX64.EFI and a startup.nsh that greets.
# guest.img:  GPT; one FAT partition with the UEFI shell; its startup.nsh writes \written.txt and powers off.
set -euo pipefail
cd "$(dirname "$0")/../.."

FIRMWARE=build/firmware/CLOUDHV.fd
SHELL_EFI=build/firmware/shellx64.efi
FAT_MIB=64
XFS_MIB=320	# mkfs.xfs makes nothing below 300 MiB

for file in "$FIRMWARE" "$SHELL_EFI"; do
	if [ ! -e "$file" ]; then
		echo "disks: $file is missing; run 'make fetch' first" >&2
		exit 1
	fi
done
export PATH=$PATH:/usr/sbin:/sbin
mkdir -p build/disks
tmp=$(mktemp -d build/disks/.new.XXXXXX)
trap 'rm -rf "$tmp"' EXIT

# put FILE IMAGE OFFSET_MIB: copies a file system into its partition, leaving holes as holes
put()
{
	dd if="$1" of="$2" bs=1M seek="$3" conv=notrunc,sparse status=none
}

# fat IMAGE OFFSET_MIB STARTUP_NSH: formats and fills the FAT partition of IMAGE
fat()
{
	local part=$tmp/fat.img
	truncate -s ${FAT_MIB}M "$part"
	mkfs.fat -F 16 -n GUEST "$part" >/dev/null
	mmd -i "$part" ::/EFI ::/EFI/BOOT
	mcopy -i "$part" "$SHELL_EFI" ::/EFI/BOOT/BOOTX64.EFI
	mcopy -i "$part" "$3" ::/startup.nsh
	put "$part" "$1" "$2"
	rm -f "$part"
}

# The UEFI shell wants CRLF.
script()
{
	printf '%s\r\n' "$@" >"$tmp/startup.nsh"
}

guest()
{
	truncate -s $((FAT_MIB + 2))M "$tmp/guest.img"
	sgdisk --clear --disk-guid=6B8D4B1A-8D5B-4B57-9E0F-0C1D2E3F4A5B \
		--new=1:2048:+${FAT_MIB}M --typecode=1:ef00 --partition-guid=1:8DAF6D3C-AF7D-4D79-8021-2E3F4A5B6C7D \
		--change-name=1:guest "$tmp/guest.img" >/dev/null
	fat "$tmp/guest.img" 1 "$2"
	mv "$tmp/guest.img" "$1"
}

sample()
{
	local image=$tmp/sample.img xfs=$tmp/xfs.img
	truncate -s $((XFS_MIB + FAT_MIB + 2))M "$image"
	sgdisk --clear --disk-guid=7C9E5C2B-9E6C-4C68-AF10-1D2E3F4A5B6C \
		--new=1:2048:+${FAT_MIB}M --typecode=1:ef00 --partition-guid=1:9EB07E4D-B08E-4E8A-9132-3F4A5B6C7D8E \
		--change-name=1:guest \
		--new=2:0:+${XFS_MIB}M --typecode=2:8300 --partition-guid=2:AFC18F5E-C19F-4F9B-A243-4A5B6C7D8E9F \
		--change-name=2:firmware "$image" >/dev/null
	script '@echo -off' 'echo Hello from the UEFI shell of the sample disk.' \
		'echo Type "reset -s" to power this machine off.'
	fat "$image" 1 "$tmp/startup.nsh"

	printf '%s\n' none '0 0' 'd--755 0 0' "CLOUDHV.fd ---644 0 0 $FIRMWARE" '$' >"$tmp/proto"
	truncate -s ${XFS_MIB}M "$xfs"
	mkfs.xfs -q -L FIRMWARE -p "$tmp/proto" "$xfs"
	put "$xfs" "$image" $((FAT_MIB + 1))
	mv "$image" "$1"
}

case "${1:-}" in
guest)
	guest "$2" "$3"
	;;
sample)
	sample "$2"
	;;
"")
	[ -e build/disks/sample.img ] || sample build/disks/sample.img
	if [ ! -e build/disks/guest.img ]; then
		script '@echo -off' 'echo hello > fs0:\written.txt' 'reset -s'
		guest build/disks/guest.img "$tmp/startup.nsh"
	fi
	;;
*)
	echo "disks: usage: disks.sh [guest OUT STARTUP_NSH | sample OUT]" >&2
	exit 2
	;;
esac
