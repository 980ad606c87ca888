"""`vmboot run --kernel`: Debian's kernel and an initramfs of busybox without any firmware."""

import os
import re
import struct
import subprocess

from guest import NEWEST, VMLINUZ, initramfs, kernel_version, run_linux
from harness import expect, expect_text, plain, run, scratch

# Lines with ": " are what the tests look for. What to do at the end comes from the console.
INIT = r"""echo "user space: $(uname -m)"
cat /proc/cmdline /proc/meminfo | head -n 2
echo "clock: $(hwclock -u -r | head -c 24)"
dmesg | grep -iE 'acpi.*(error|warning)|firmware bug|pci.*(conflict|failed|no space|can.t claim|no compatible)|rtc.*(fail|invalid)|mtrr.*(disabled|inconsistent)' |
	sed 's/^/complaint: /'
echo "complaints: over"
echo "what now?"
read -r what
echo "answer: $what"
$what -f
sleep 60
"""


def vmlinux():
    """The ELF kernel inside the bzImage (boot.rst: payload_offset, payload_length), which has a PVH note."""
    with open(VMLINUZ, "rb") as f:
        image = f.read()
    offset, length = struct.unpack_from("<II", image, 0x248)
    begin = (image[0x1F1] + 1) * 512 + offset
    # Debian compresses with LZ4; the last four bytes are the size that comes out.
    elf = subprocess.run(["lz4", "-d", "-c"], input=image[begin:begin + length - 4], stdout=subprocess.PIPE, check=True).stdout
    expect(elf.startswith(b"\x7fELF"), "the kernel's payload is an ELF file")
    path = os.path.join(scratch(), "vmlinux")
    with open(path, "wb") as f:
        f.write(elf)
    return path


def expect_clean_boot(out, times):
    expect(out.count("user space: x86_64") == times, "user space is reached %d times" % times)
    expect(len(re.findall(r"^MemTotal: +\d{6} kB", out, re.M)) == times, "/proc/meminfo counts the memory")
    expect("complaint: " not in out, "the kernel complains of nothing")
    expect(out.count("complaints: over") == times, "the kernel's log was searched")


def test_kernel_boots_and_reboots():
    got = run('vmboot run --kernel /k/vmlinuz --initrd /k/initrd --cmdline "console=ttyS0 quiet marker=here" --memory 256M\n'
              's=$?; echo "expedited: $(cat /sys/kernel/rcu_expedited)"; exit $s',
              files={"k/vmlinuz": VMLINUZ, "k/initrd": initramfs(INIT)},
              answers=[(rb"guest was reset[\s\S]*what now\?", b"poweroff\n"), (rb"what now\?", b"reboot\n")])
    out = plain(got.output)
    expect_clean_boot(out, 2)
    expect(out.count("marker=here") == 2, "the kernel has the command line")
    expect_text(out, "expedited: 0")  # what the start hurries is as before
    expect_text(out, "answer: reboot", "The guest was reset.", "answer: poweroff", "The guest switched itself off.")
    expect(all(" 2026" in clock for clock in re.findall("^clock: (.*)$", out, re.M)), "the clock is right")
    expect(got.status == 0, "power-off ends `vmboot run` with exit status 0")


def test_pvh_vmlinux_boots():
    got = run('vmboot run --kernel /k/vmlinux --initrd /k/initrd --cmdline "console=ttyS0 quiet marker=here" --memory 256M',
              files={"k/vmlinux": vmlinux(), "k/initrd": initramfs(INIT)}, answers=[(rb"what now\?", b"poweroff\n")])
    out = plain(got.output)
    expect_clean_boot(out, 1)
    expect_text(out, "marker=here", "The guest switched itself off.")
    expect(got.status == 0, "exit status 0")


def test_what_cannot_be_booted_is_told():
    got = run("head -c 1000000 /k/vmlinuz >/k/cut; truncate -s 300000000 /k/big; printf text >/k/text; "
              "vmboot run --kernel /k/cut; echo s=$?; vmboot run --kernel /k/text; echo s=$?; "
              "vmboot run --kernel /k/none; echo s=$?; "
              "vmboot run --kernel /k/vmlinuz --initrd /k/big --memory 256M; echo s=$?; "
              "vmboot run --kernel /k/vmlinuz --initrd /k/big --memory 320M; echo s=$?; "
              "vmboot run --kernel /k/vmlinuz --memory 64M --vars /k/v; echo s=$?; "
              "vmboot run --kernel /k/vmlinuz --firmware /k/vmlinuz; echo s=$?; "
              "vmboot run --firmware /k/vmlinuz; echo s=$?",
              files={"k/vmlinuz": VMLINUZ})
    out = plain(got.output)
    expect_text(out, "The kernel is cut off", "not a Linux kernel", "/k/none does not exist",
                "bigger than the virtual machine's memory (256M)", "The initrd has 286M", "has no UEFI",
                "Both firmware and a kernel", "`vmboot run --kernel FILE` boots it")
    expect(out.count("s=2") == 8, "each ends with exit status 2")


NEWEST_SCRIPT = r"""
echo "kernel: $(uname -r), disk $(cat /sys/block/vda/size)"
dmesg | grep -iE 'acpi.*(error|warning)|firmware bug|pci.*(conflict|no space|can.t claim|no compatible)|rtc.*(fail|invalid)|mtrr.*(disabled|inconsistent)' |
	sed 's/^/complaint: /'
echo "complaints: over"
poweroff -f
sleep 60
"""


def test_newest_kernel_boots():
    """Debian unstable's kernel, with a disk."""
    # The emulated processor lets a guest of a guest change XCR0 without telling KVM, whose CPUID then contradicts it:
    # Linux 6.1 warns of that, 7.2 stops. Hence noxsave.
    got = run_linux(NEWEST_SCRIPT, ("virtio_pci", "virtio_blk"), "--disk /disk.img", kernel=NEWEST, cmdline="quiet noxsave",
                    files={"disk.img": bytes(1 << 20)})
    out = plain(got.output)
    expect_text(out, "kernel: %s, disk 2048" % kernel_version(NEWEST), "complaints: over")
    expect("complaint: " not in out, "the kernel complains of nothing")
    expect(got.status == 0, "the guest powers off")
