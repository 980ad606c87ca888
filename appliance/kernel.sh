#!/bin/bash
# kernel.sh: build/appliance/vmboot-linux from the source in build/appliance/linux and build/appliance/initramfs.cpio.
#
# Only what changed is built: after a change of the initramfs that is its folder, the last link and the packing. Nothing
# of this machine, of who builds and of when gets into the image. The configuration that came out is kept as
# appliance/kernel.config.full, with what it was made from, so that CI can hold the two against each other without a
# kernel's source.
set -euo pipefail
cd "$(dirname "$0")/.."

top=$PWD
source=$top/build/appliance/linux
full=appliance/kernel.config.full
# Without the flags of our own make, which is not meant.
make=(env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL make -C "$source" ARCH=x86_64 KBUILD_BUILD_USER=vmboot KBUILD_BUILD_HOST=vmboot KBUILD_BUILD_VERSION=1
	KBUILD_BUILD_TIMESTAMP="$(LC_ALL=C date -u -d "@$SOURCE_DATE_EPOCH")")
log=build/appliance/kernel.log

# What is changed in the source, once. A later source that it does not fit is built as it is, as nothing here but size depends
# on it. -f: patch asks nobody.
patch_linux()
{
	patch -d "$source" -p1 -f "$@" <appliance/linux.patch >>$log 2>&1
}

: >$log
if ! patch_linux -R --dry-run && ! { patch_linux --dry-run && patch_linux --no-backup-if-mismatch; }; then
	echo "kernel: appliance/linux.patch does not fit $(cat "$source/vmboot-version") in $source: it is built without, and is" \
		"larger. Remove that folder where the patch is another one than before, else adapt the patch." >&2
fi

append_line()
{
	grep -qxF "$2" "$1" || printf '\n# vmboot: appliance/kernel.sh\n%s\n' "$2" >>"$1"
}

# The kernel is built for size. Not so what is between a guest's exit and its disk and network, but for those parts of it
# that set things up, or are for a guest's own guests, for Windows, for real-time processes; the last -O counts.
for folder in arch/x86/kvm block drivers/nvme drivers/vhost io_uring kernel/sched; do
	append_line "$source/$folder/Makefile" 'subdir-ccflags-y += -O2'
done
while read -r folder files; do
	for file in $files; do
		append_line "$source/$folder/Makefile" "CFLAGS_$file.o += -Os"
	done
done <<'EOF'
arch/x86/kvm cpuid hyperv pmu svm/nested vmx/evmcs vmx/nested
block badblocks blk-mq-sysfs blk-sysfs disk-events elevator genhd ioctl
kernel/sched build_policy build_utility
EOF

"${make[@]}" KCONFIG_ALLCONFIG="$top/appliance/kernel.config" allnoconfig >$log 2>&1 || { tail $log >&2; exit 1; }
appliance/check-config.sh appliance/kernel.config "$source/.config"
{
	echo "# Made by 'make appliance'; not to be edited."
	echo "# fragment: $(sha256sum <appliance/kernel.config | cut -d' ' -f1)"
	echo "# source: $(cat "$source/vmboot-version")"
	echo "#"
	cat "$source/.config"
} >$full.new
if cmp -s $full.new $full; then
	rm $full.new
else
	mv $full.new $full
	echo "kernel: the configuration is another one now: $full"
fi

echo "kernel: building (log: $log)"
if ! "${make[@]}" -j"$(nproc)" bzImage >>$log 2>&1; then
	grep -nE 'error:|\*\*\*' $log | tail >&2
	exit 1
fi
cp "$source/System.map" build/appliance/System.map
cp "$source/arch/x86/boot/bzImage" build/appliance/vmboot-linux.new
mv build/appliance/vmboot-linux.new build/appliance/vmboot-linux
