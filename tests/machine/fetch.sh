#!/bin/bash
# Fetches from Debian's packages what vmboot boots and is tested with; does nothing when it is there.
#
#   fetch.sh [firmware] [ovmf] [kernel] [newest] [generic] [linux] [busybox] [dosfstools] [iommufd]      (default: firmware)
#
#   firmware  build/firmware/CLOUDHV.fd and shellx64.efi   (cloudhv-efi-x86-64, efi-shell-x64: unstable)
#   ovmf      build/firmware/ovmf/OVMF*.fd                 (flash images, for tests; ovmf of Debian 12)
#   kernel    build/machine/kernel/: vmlinuz, lib/modules  (Debian 12's cloud kernel, for the test machine)
#   newest    build/machine/kernel-newest/: the same        (unstable's, for guests)
#   generic   build/machine/kernel-generic/: the same       (Debian 12's with all drivers, for guests with real devices)
#   linux     build/appliance/linux: a kernel's source      (Debian 12's linux-source-6.1, for the appliance)
#   busybox   build/appliance/busybox-source: another's      (Debian 12's busybox with its patches, for the appliance)
#   dosfstools  build/appliance/dosfstools-source: fsck.fat's (Debian 12's dosfstools with its patches, for the appliance)
#   iommufd   build/machine/kernel-iommufd/vmlinuz          (built of Debian 13's source, in 10 minutes of two processors: only
#                                                             for the test that needs it, with deps.sh appliance's packages)
#
# The system's own package sources are only read, to learn which mirror it uses: the lists live in a
# folder of ours, and apt checks their signatures as always. Everything is unpacked and checked in a
# temporary folder and then renamed, so nothing half-written is ever seen.
set -euo pipefail
cd "$(dirname "$0")/../.."

KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg
mkdir -p build
exec 9>build/.fetch.lock
flock 9
tmp=$(mktemp -d "$PWD/build/.fetch.XXXXXX")
trap 'rm -rf "$tmp"' EXIT

fail()
{
	for line in "$@"; do
		echo "fetch: $line" >&2
	done
	exit 1
}

# The addresses of mirrors in the machine's own apt configuration that have SUITE, one a line: security updates have
# mirrors of their own, every other suite is where any is.
mirrors()
{
	local kind=
	case "$1" in *-security) kind=-security ;; esac
	apt-get indextargets --no-release-info \
		--format '$(CREATED_BY) $(COMPONENT) $(RELEASE) $(REPO_URI)' 2>/dev/null |
	awk -v kind="$kind" '$1 == "Packages" && $2 == "main" && $4 !~ /^cdrom:/ && sub(kind "$", "", $3) &&
		$3 ~ /^(oldstable|stable|testing|unstable|sid|bookworm|trixie|forky|duke)$/ && !seen[$4]++ { print $4 }'
}

# apt for one suite: private_apt SUITE apt-get|apt-cache ARGUMENT...
private_apt()
{
	local dir=$tmp/apt/$1 program=$2
	shift 2
	"$program" -q -o Dir::Etc::SourceList="$dir/sources.list" -o Dir::Etc::SourceParts=/dev/null \
		-o Dir::Etc::Preferences=/dev/null -o Dir::Etc::PreferencesParts=/dev/null \
		-o Dir::State::Lists="$dir/lists" -o Dir::Cache="$dir/cache" -o APT::Default-Release= \
		-o APT::Update::Error-Mode=any -o APT::Sandbox::User="$(id -un)" -o Acquire::Languages=none \
		-o Acquire::Retries=2 -o Acquire::http::Timeout=20 -o Acquire::https::Timeout=20 "$@"
}

# Downloads the package lists of SUITE once per run.
open_suite()
{
	local suite=$1 dir=$tmp/apt/$1 mirror options="arch=amd64"

	[ ! -e "$dir/ready" ] || return 0
	mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial"
	[ ! -e "$KEYRING" ] || options="$options signed-by=$KEYRING"
	for mirror in $(mirrors "$suite"); do
		echo "deb [$options] $mirror $suite main" >"$dir/sources.list"
		if private_apt "$suite" apt-get update >"$dir/log" 2>&1; then
			touch "$dir/ready"
			return 0
		fi
	done
	if [ -e "$dir/log" ]; then
		grep -E '^(E|W|Err):' "$dir/log" | head -n 4 >&2 || true
		fail "could not read the package list of Debian $suite from this machine's mirror." \
			"Is there a network? Nothing was changed; run the same command again when there is."
	fi
	fail "apt's configuration here names no Debian mirror (apt-get indextargets shows none)." \
		"Add a Debian mirror to the apt sources and run the same command again."
}

# Unpacks PACKAGE of SUITE into $tmp/PACKAGE; prints nothing when it works but one line of news.
unpack()
{
	local suite=$1 package=$2 deb

	open_suite "$suite"
	mkdir -p "$tmp/deb" "$tmp/$package"
	if ! (cd "$tmp/deb" && private_apt "$suite" apt-get download "$package") >"$tmp/log" 2>&1; then
		grep -E '^(E|W|Err):' "$tmp/log" | head -n 4 >&2 || true
		fail "could not download the package $package of Debian $suite." \
			"Is there a network? Nothing was changed; run the same command again when there is."
	fi
	deb=$(ls "$tmp/deb/${package}_"*.deb)
	dpkg-deb -x "$deb" "$tmp/$package"
	echo "fetch: $package $(dpkg-deb -f "$deb" Version) from Debian $suite"
	rm -f "$deb"
}

# Unpacks the source package PACKAGE of SUITE, with Debian's patches in it, into $tmp/PACKAGE-source.
unpack_source()
{
	local suite=$1 package=$2 list=$tmp/apt/$1/sources.list

	open_suite "$suite"
	sed -i '/^deb /{p;s/^deb /deb-src /}' "$list"
	mkdir "$tmp/source"
	if ! (private_apt "$suite" apt-get update && cd "$tmp/source" && private_apt "$suite" apt-get source "$package" &&
		mv "$package"-*/ "$tmp/$package-source") >"$tmp/log" 2>&1; then
		grep -E '^(E|W|Err):' "$tmp/log" | head -n 4 >&2 || true
		fail "could not download the source of $package of Debian $suite." \
			"Is there a network? Nothing was changed; run the same command again when there is."
	fi
	echo "fetch: source of $package $(sed -n '1s/.*(\(.*\)).*/\1/p' "$tmp/$package-source/debian/changelog") from Debian $suite"
}

# file_has OFFSET BYTES(as hex) FILE
file_has()
{
	[ "$(od -An -v -tx1 -j "$1" -N $((${#2} / 2)) "$3" 2>/dev/null | tr -d ' \n')" = "$2" ]
}

get_firmware()
{
	[ -e build/firmware/CLOUDHV.fd ] && [ -e build/firmware/shellx64.efi ] && return 0
	unpack unstable cloudhv-efi-x86-64
	unpack unstable efi-shell-x64
	local fd=$tmp/cloudhv-efi-x86-64/usr/share/cloudhv-efi-x86-64/CLOUDHV.fd
	local shell=$tmp/efi-shell-x64/usr/share/efi-shell-x64/shellx64.efi
	file_has 0 7f454c46 "$fd" || fail "the package's CLOUDHV.fd is not an ELF image any more."
	file_has 0 4d5a "$shell" || fail "the package's shellx64.efi is not a UEFI program any more."
	mkdir -p build/firmware
	mv "$fd" "$shell" build/firmware/
}

get_ovmf()
{
	[ ! -e build/firmware/ovmf ] || return 0
	unpack bookworm ovmf
	local dir=$tmp/ovmf/usr/share/OVMF
	file_has 40 5f465648 "$dir/OVMF_VARS_4M.fd" || fail "the package's OVMF_VARS_4M.fd is not a firmware volume."
	mkdir -p build/firmware
	mv "$dir" build/firmware/ovmf
}

# debian_kernel SUITE PACKAGE FOLDER
debian_kernel()
{
	[ ! -e "$3" ] || return 0
	open_suite "$1"
	local image version root
	image=$(private_apt "$1" apt-cache depends "$2" |
		awk '$1 == "Depends:" && $2 ~ /^linux-image-/ { print $2; exit }')
	[ -n "$image" ] || fail "Debian $1's $2 names no kernel."
	version=${image#linux-image-}
	# From 7.x on the package of the image is empty, and depends on one for the kernel and one for the modules.
	if private_apt "$1" apt-cache depends "$image" | grep -q " linux-binary-$version\$"; then
		image=linux-binary-$version
		unpack "$1" "linux-modules-$version"
	fi
	unpack "$1" "$image"
	root=$tmp/$image
	[ "$image" = "linux-image-$version" ] || cp -a "$tmp/linux-modules-$version/." "$root/"
	# Debian 12 has /lib, later ones /usr/lib, and compressed modules.
	[ -d "$root/lib/modules" ] || mv "$root/usr/lib" "$root/lib"
	mv "$(find "$root" -name 'vmlinuz*' -type f | head -n 1)" "$root/vmlinuz"
	file_has 514 48647253 "$root/vmlinuz" || fail "the kernel of $image is not a bzImage."
	rm -rf "$root/boot" "$root/usr"
	find "$root/lib" -name '*.ko.xz' -exec xz -d {} +
	echo "$version" >"$root/version"
	(cd "$root" && busybox depmod -b "$root" "$version") ||
		fail "busybox depmod failed on the modules of $image."
	mkdir -p build/machine
	mv "$root" "$3"
}

get_kernel()
{
	debian_kernel bookworm linux-image-cloud-amd64 build/machine/kernel
}

get_newest()
{
	debian_kernel unstable linux-image-cloud-amd64 build/machine/kernel-newest
}

get_generic()
{
	debian_kernel bookworm linux-image-amd64 build/machine/kernel-generic
}

# The newest of Debian 12 that this machine's sources have: the security updates' where they name those.
get_linux()
{
	[ ! -e build/appliance/linux ] || return 0
	local suite=bookworm package=linux-source-6.1 root
	[ -z "$(mirrors bookworm-security)" ] || suite=bookworm-security
	unpack "$suite" $package
	root=$tmp/$package/usr
	tar -xf "$root/src/$package.tar.xz" -C "$tmp/$package" ||
		fail "the source in $package could not be unpacked. Is there room (2 GB) in $PWD/build?"
	echo "$package $(zcat "$root/share/doc/$package/changelog.Debian.gz" | sed -n '1s/.*(\(.*\)).*/\1/p')" \
		>"$tmp/$package/$package/vmboot-version"
	stat -c %Y "$root/src/$package.tar.xz" >"$tmp/$package/$package/vmboot-date"
	mkdir -p build/appliance
	mv "$tmp/$package/$package" build/appliance/linux
}

get_busybox()
{
	[ ! -e build/appliance/busybox-source ] || return 0
	unpack_source bookworm busybox
	mkdir -p build/appliance
	mv "$tmp/busybox-source" build/appliance/busybox-source
}

get_dosfstools()
{
	[ ! -e build/appliance/dosfstools-source ] || return 0
	unpack_source bookworm dosfstools
	mkdir -p build/appliance
	mv "$tmp/dosfstools-source" build/appliance/dosfstools-source
}

# No kernel of Debian's has IOMMUFD.
get_iommufd()
{
	[ ! -e build/machine/kernel-iommufd ] || return 0
	unpack trixie linux-source-6.12
	local source=$tmp/linux-source-6.12/linux-source-6.12 root=$tmp/kernel-iommufd
	tar -xf "$tmp/linux-source-6.12/usr/src/linux-source-6.12.tar.xz" -C "$tmp/linux-source-6.12" ||
		fail "the source in linux-source-6.12 could not be unpacked. Is there room (3 GB) in $PWD/build?"
	{
		make -C "$source" KCONFIG_ALLCONFIG="$PWD/tests/machine/iommufd.config" allnoconfig &&
			make -C "$source" -j"$(nproc)" bzImage
	} >"$tmp/log" 2>&1 || fail "the kernel with IOMMUFD was not built:" "$(tail -n 3 "$tmp/log")"
	mkdir -p "$root" build/machine
	mv "$source/arch/x86/boot/bzImage" "$root/vmlinuz"
	mv "$root" build/machine/kernel-iommufd
}

[ $# -gt 0 ] || set -- firmware
for what in "$@"; do
	case "$what" in
	firmware | ovmf | kernel | newest | generic | linux | busybox | dosfstools | iommufd) get_$what ;;
	*) fail "there is nothing called '$what' to fetch; say firmware, ovmf, kernel, newest, generic, linux, busybox, dosfstools or iommufd." ;;
	esac
done
