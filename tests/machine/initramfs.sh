#!/bin/bash
# Builds build/machine/base.cpio: busybox, the kernel modules the test machine needs, locale and terminfo, and
# tests/machine/init. The program under test is not in it: machine.py appends it in a second archive at every start
# (the kernel unpacks both), so a new ./vmboot needs no new base.
set -euo pipefail
cd "$(dirname "$0")/../.."

MODULES="irqbypass kvm kvm-amd evdev button virtio_pci virtio_blk xfs crc32c-intel vfat nls_cp437 nls_ascii nls_utf8 nls_iso8859-1
	loop tun virtio_scsi sd_mod btrfs exfat isofs udf squashfs bridge macvtap vhost_net virtio_net"
kernel=build/machine/kernel
out=build/machine/base.cpio
version=$(cat $kernel/version)
modules=$kernel/lib/modules/$version
root=$(mktemp -d build/machine/.root.XXXXXX)
trap 'rm -rf "$root"' EXIT
chmod 755 "$root"

# Path of each module and of everything it needs, from modules.dep ("path: needed needed...").
paths_of()
{
	local name=$1
	awk -v want="$name.ko:" '{
		n = split($1, part, "/")
		if (part[n] == want) { sub(/:$/, "", $1); print; found = 1; exit }
	} END { exit !found }' "$modules/modules.dep"
}

mkdir -p "$root"/{bin,lib/modules/"$version",usr/lib/locale,lib/terminfo,machine}
for m in $MODULES; do
	if ! paths=$(paths_of "$m"); then
		echo "initramfs: the kernel $version has no module $m" >&2
		exit 1
	fi
	for path in $paths; do
		mkdir -p "$root/lib/modules/$version/$(dirname "$path")"
		# Without signature and type information: checking those takes a third of the boot.
		objcopy --strip-debug --remove-section=.BTF "$modules/$path" "$root/lib/modules/$version/$path"
	done
done
busybox depmod -b "$root" "$version"

mkdir "$root/etc"
printf '%s\n' root:x:0:0:root:/root:/bin/sh nobody:x:65534:65534:nobody:/tmp:/bin/sh >"$root/etc/passwd"
printf '%s\n' root:x:0: nogroup:x:65534: >"$root/etc/group"
cp /bin/busybox "$root/bin/busybox"
mkdir -p "$root"/{sbin,usr/bin,usr/sbin}
for applet in $(busybox --list-full); do
	[ "$applet" = bin/busybox ] || ln -s /bin/busybox "$root/$applet"
done
cp tests/machine/init "$root/init"
chmod 755 "$root/init"
cp -r /usr/lib/locale/C.utf8 "$root/usr/lib/locale/"
for t in l/linux v/vt100 v/vt220 x/xterm-256color; do
	[ ! -e "/lib/terminfo/$t" ] || install -D -m 644 "/lib/terminfo/$t" "$root/lib/terminfo/$t"
done
(cd "$root" && find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0) >$out.new
mv $out.new $out
