#!/bin/bash
# dosfstools.sh: build/appliance/fsck.fat from the source in build/appliance/dosfstools-source, for the appliance's
# initramfs: it puts a FAT labelled VMBOOT in order after a power cut (storage/mend.c).
#
# Static, with musl as busybox is, and without iconv, whose tables are bigger than the program: it only prints names, in
# the one code page that it has inside. Its option -a would make files of blocks that belong to none, as many at each power cut,
# and nobody would ever remove them: what a file leaves that was not finished is freed instead.
set -euo pipefail
cd "$(dirname "$0")/.."

source=build/appliance/dosfstools-source
work=build/appliance/dosfstools

rm -rf $work
mkdir -p $work
cp $source/src/*.[ch] $work/
version=$(sed -n 's/^AC_INIT(\[dosfstools\], \[\(.*\)\])/\1/p' $source/configure.ac)
date=$(sed -n 's/^AC_SUBST(\[RELEASE_DATE\], \[\(.*\)\])/\1/p' $source/configure.ac)
sed "s/@PACKAGE_VERSION@/$version/; s/@RELEASE_DATE@/$date/" $source/src/version.h.in >$work/version.h
sed -i "/case 'y':/,/break;/{/salvage_files = 1;/d}" $work/fsck.fat.c
[ "$(grep -c 'salvage_files = 1;' $work/fsck.fat.c)" = 1 ] || {
	echo "dosfstools: fsck.fat -a is not what it was in 4.2: is $version to salvage nothing?" >&2
	exit 1
}

cd $work
musl-gcc -Os -w -static -s -ffunction-sections -fdata-sections -fno-asynchronous-unwind-tables -fno-unwind-tables \
	-Wl,--gc-sections,--build-id=none,-z,norelro,-z,noseparate-code \
	-D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DHAVE_ENDIAN_H -DHAVE_VASPRINTF -o fsck.fat.new \
	boot.c charconv.c check.c common.c fat.c file.c fsck.fat.c io.c lfn.c
mv fsck.fat.new ../fsck.fat
