#!/bin/sh
# inputs.sh: a digest of what the appliance is made from, but for vmboot itself, which every test is about.
#
# `make check-appliance` keeps it in appliance/built when the images have passed their tests. Where it is another one, .ci/run
# builds the appliance, which takes ten minutes of two cores, and the tests insist on that.
set -eu
cd "$(dirname "$0")"
cat kernel.config kernel.sh linux.patch busybox.config busybox.sh dosfstools.sh initramfs.list initramfs.py cpio.py udhcpc.script efi.sh iso.sh |
	sha256sum | cut -d' ' -f1
