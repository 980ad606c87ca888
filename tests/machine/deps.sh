#!/bin/bash
# Installs the Debian packages that vmboot needs and that are missing, saying which.
#
#   deps.sh [GROUP...]             install what is missing (default: build, run, test and package)
#   deps.sh --missing [GROUP...]   only print the names that are missing; never fails
#
# Groups: build (compile ./vmboot), run (the emulated machine and the sample disks), test, package (make deb), appliance
# (its kernel and images, and what they are tested with).
set -u

declare -A GROUP=(
	[build]="build-essential pkg-config libncurses-dev libblkid-dev liburing-dev libvterm-dev
		libinih-dev libjansson-dev libsodium-dev acpica-tools ncurses-bin ncurses-base xz-utils pci.ids"
	[run]="qemu-system-x86 mtools dosfstools xfsprogs e2fsprogs gdisk cpio busybox-static
		python3 python3-pexpect"
	[test]="libcmocka-dev python3-pyte python3-pil fonts-dejavu-core tmux clang
		libclang-rt-14-dev llvm-14 fio lz4 grub-efi-amd64-bin systemd-boot-efi
		mandoc man-db systemd
		fdisk btrfs-progs exfatprogs ntfs-3g squashfs-tools udftools xorriso htop whiptail"
	[appliance]="flex bison bc libelf-dev musl-tools systemd-boot-efi grub-pc-bin xorriso coreboot-utils"
	[package]="debhelper lintian fakeroot"
)

only_list=0
if [ "${1:-}" = --missing ]; then
	only_list=1
	shift
fi
[ $# -gt 0 ] || set -- build run test package

if ! command -v dpkg-query >/dev/null; then
	[ $only_list = 1 ] && exit 0
	echo "deps: this is not a Debian system (no dpkg-query), so nothing can be installed here." >&2
	echo "deps: install the counterparts of these packages by hand:" "${GROUP[@]}" >&2
	exit 1
fi

missing=()
for g in "$@"; do
	if [ -z "${GROUP[$g]:-}" ]; then
		echo "deps: there is no group '$g'; the groups are: ${!GROUP[*]}" >&2
		exit 2
	fi
	# shellcheck disable=SC2086
	set -- ${GROUP[$g]}
	installed=" $(dpkg-query -W -f '${db:Status-Abbrev}=${Package}\n' "$@" 2>/dev/null |
		sed -n 's/^ii *=//p' | tr '\n' ' ')"
	for p in "$@"; do
		case "$installed" in *" $p "*) ;; *) missing+=("$p") ;; esac
	done
done

if [ $only_list = 1 ]; then
	echo "${missing[*]}"
	exit 0
fi
[ ${#missing[@]} -gt 0 ] || exit 0

as_root=()
if [ "$(id -u)" != 0 ]; then
	if ! command -v sudo >/dev/null; then
		echo "deps: these packages are missing: ${missing[*]}" >&2
		echo "deps: installing them needs root and there is no sudo here; as root, run:" >&2
		echo "      apt-get install ${missing[*]}" >&2
		exit 1
	fi
	as_root=(sudo)
fi

echo "deps: installing ${missing[*]}"
apt_get()
{
	"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o Dpkg::Use-Pty=0 "$@"
}

# A source of somebody else's that is down must not stop us, so update may fail; install decides.
log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt_get update >"$log" 2>&1
if ! apt_get install -y --no-install-recommends "${missing[@]}" >>"$log" 2>&1 </dev/null; then
	grep -E '^(E|W|Err):' "$log" | tail -n 5 >&2
	echo "deps: apt-get could not install: ${missing[*]}" >&2
	echo "deps: is there a network, and does 'apt-get update' work here? Then run the same command again." >&2
	exit 1
fi
