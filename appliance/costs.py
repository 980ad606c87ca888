#!/usr/bin/python3
"""Prints what each part of the appliance costs, as it is and packed; status 1 when the whole is over the limit.

A part is packed here alone, as the kernel's build packs all of them together, so the sum is a little more than the whole.
Of the kernel's folders only the plain size can be measured: "~" marks what it becomes at the whole kernel's ratio.
"""

import os
import stat
import subprocess
import sys

import cpio

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(ROOT, "build", "appliance")
LINUX = os.path.join(BUILD, "linux")
LIMIT = 10 << 20  # bytes of flash
AIM = 7 << 20
SMALL = 16384  # files of the initramfs below this are one row
FOLDER_SHOWN = 250000  # bytes of a kernel folder that has a row
SPLIT = ("drivers", "drivers/net", "drivers/net/ethernet", "drivers/net/ethernet/intel", "fs", "arch/x86")


def packed(data):
    """As scripts/xz_wrap.sh packs the kernel (appliance/linux.patch)."""
    return len(subprocess.run(["xz", "--check=crc32", "--x86", "--lzma2=lc=4,pb=1,dict=32MiB", "-c"], input=data,
                              stdout=subprocess.PIPE, check=True).stdout)


def read(name):
    with open(os.path.join(BUILD, name), "rb") as f:
        return f.read()


def kernel():
    """The kernel without the initramfs: vmlinux as it is before packing, with the archive cut out."""
    image = read("linux/arch/x86/boot/compressed/vmlinux.bin")
    archive = read("initramfs.cpio")
    at = image.find(archive)
    if at < 0:
        sys.exit("costs: the kernel was built with another initramfs; run 'make appliance' again")
    return image[:at] + image[at + len(archive):]


def initramfs():
    """(name, data) of each large file, then of all others together, which keep their heads as the archive has them."""
    rest = []
    for path, mode, data in cpio.members(read("initramfs.cpio")):
        if stat.S_ISREG(mode) and len(data) >= SMALL:
            yield path.rsplit("/", 1)[1], data
            data = b""
        rest.append(cpio.entry(path, data, mode))
    yield "small files, links, folders", b"".join(rest)


def folders(folder="."):
    """(folder, bytes of code and data) of the kernel's larger folders."""
    for name in sorted(os.listdir(os.path.join(LINUX, folder))):
        path = os.path.normpath(os.path.join(folder, name))
        archive = os.path.join(LINUX, path, "built-in.a")
        if path == "usr":  # the initramfs
            continue
        if path in SPLIT or path == "arch":
            yield from folders(path)
        elif os.path.exists(archive):
            lines = subprocess.run(["size", "-t", archive], stdout=subprocess.PIPE, check=True, text=True).stdout
            text, data = map(int, lines.splitlines()[-1].split()[:2])
            if text + data >= FOLDER_SHOWN:
                yield path, text + data


def main():
    def row(name, plain, size, mark=""):
        print("  %-34s %11s %11s" % (name, format(plain, ","), mark + format(size, ",")))

    print("  %-34s %11s %11s" % ("bytes of", "plain", "packed"))
    code = kernel()
    code_packed = packed(code)
    row("Linux", len(code), code_packed)
    for folder, plain in sorted(folders(), key=lambda f: -f[1]):
        row("  " + folder, plain, plain * code_packed // len(code), "~")
    for name, data in initramfs():
        row(name, len(data), packed(data))
    whole = os.path.getsize(os.path.join(BUILD, "vmboot-linux"))
    row("vmboot-linux", len(code) + len(read("initramfs.cpio")), whole)
    print("  %.2f MiB; the limit is %d, the aim %d" % (whole / (1 << 20), LIMIT >> 20, AIM >> 20))
    return 1 if whole > LIMIT else 0


if __name__ == "__main__":
    sys.exit(main())
