#!/bin/bash
# busybox.sh: build/appliance/busybox from the source in build/appliance/busybox-source, for the appliance's initramfs.
#
# Debian's own is static with glibc and has twice the size. This one is of the same source with its patches, with musl,
# and without what a machine that only starts others has no use for: appliance/busybox.config.
set -euo pipefail
cd "$(dirname "$0")/.."

source=$PWD/build/appliance/busybox-source
log=build/appliance/busybox.log

# musl's compiler sees no header but musl's: the kernel's, which are no part of a C library, come from Debian's package.
headers=$source/vmboot-headers
mkdir -p "$headers"
ln -sfn /usr/include/linux "$headers/linux"
ln -sfn /usr/include/asm-generic "$headers/asm-generic"
ln -sfn /usr/include/mtd "$headers/mtd"
ln -sfn "/usr/include/$(gcc -print-multiarch)/asm" "$headers/asm"

# Of two lines about an option the first counts.
cat appliance/busybox.config "$source/debian/config/pkg/static" >"$source/.config"
make=(env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL make -C "$source" CC="musl-gcc -idirafter vmboot-headers" HOSTCC=gcc
	KCONFIG_NOTIMESTAMP=1)
{ yes '' || true; } | "${make[@]}" oldconfig >$log 2>&1 || { tail $log >&2; exit 1; }
appliance/check-config.sh appliance/busybox.config "$source/.config"

if ! "${make[@]}" -j"$(nproc)" busybox >>$log 2>&1; then
	grep -nE 'error:|\*\*\*' $log | tail >&2
	exit 1
fi
cp "$source/busybox" build/appliance/busybox.new
mv build/appliance/busybox.new build/appliance/busybox
