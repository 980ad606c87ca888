"""An unmodified Linux under CLOUDHV.fd in the virtual machine: what it makes of the board, its tables and its disk."""

import re
import subprocess

import machine
from guest import VMLINUZ, initramfs
from harness import expect, expect_text, guest_disk, plain, run, slow

MODULES = ["virtio", "virtio_ring", "virtio_pci_modern_dev", "virtio_pci_legacy_dev", "virtio_pci", "virtio_blk",
           "button", "evdev"]
MARK_MIB = 65  # behind the partition of a guest disk, before the second partition table

# First boot: looks at everything, waits for the power button, writes a mark, resets. Second boot: finds the mark,
# powers off. Lines with ": " are what the test looks for.
INIT = r"""sleep 1
if [ "$(dd if=/dev/vda bs=1M skip=%(mark)d count=1 2>/dev/null | head -c 6)" = marked ]; then
	echo "second boot: $(dd if=/dev/vda bs=1M skip=%(mark)d count=1 2>/dev/null | head -c 6)"
	poweroff -f
	sleep 60
fi
dmesg | grep -E "16550A|rtc_cmos|MMCONFIG at|PCI Root Bridge|root bus resource|hardware-reduced|Power Button|ACPI (BIOS )?Error"
echo "irqs: $(grep -E 'virtio0-req|ACPI:Ged|ttyS0' /proc/interrupts | tr -s ' ' | tr '\n' ';')"
echo "product: $(cat /sys/class/dmi/id/product_name) of $(cat /sys/class/dmi/id/sys_vendor)"
echo "memory: $(grep MemTotal /proc/meminfo | tr -dc 0-9)"
echo "clock: $(hwclock -u -r | head -c 24)"
echo "disk: $(dd if=/dev/vda bs=512 skip=1 count=1 2>/dev/null | head -c 8)"
(dd if=/dev/input/event0 bs=24 count=1 2>/dev/null | od -An -j16 -tx2 | sed 's/^/button:/') &
sleep 1
echo "press the button now"
wait
printf marked | dd of=/dev/vda bs=1M seek=%(mark)d conv=notrunc,fsync 2>/dev/null
dmesg | grep -iE 'acpi.*error|i/o error|pci.*(firmware bug|conflict|failed)' | sed 's/^/complaint: /'
echo "complaints: over"
reboot -f
sleep 60
"""


def linux_disk():
    """A guest disk whose shell starts Linux with an initramfs of busybox and a few modules."""
    initrd = initramfs(INIT % {"mark": MARK_MIB}, MODULES)
    disk = guest_disk("@echo -off", "fs0:", r"\linux.efi initrd=\initrd console=ttyS0,115200 rdinit=/init loglevel=4")
    for source, name in ((VMLINUZ, "linux.efi"), (initrd, "initrd")):
        subprocess.run(["mcopy", "-i", disk + "@@1M", source, "::/" + name], check=True)
    return disk


def value(output, name):
    found = re.search("^%s: (.*)$" % name, output, re.M)
    expect(found, "the guest prints its " + name)
    return found.group(1)


@slow
def test_linux_sees_the_board():
    """Devices, interrupts, disk, power button, reset, power-off."""
    got = run("vmboot run --firmware /firmware/CLOUDHV.fd --disk /dev/nvme0n1,serial=LINUX --memory 512M",
              disks=[linux_disk()], timeout=160,
              answers=[machine.SHELL_COUNTDOWN, (rb"press the button now", b"\x1dp")])
    out = plain(got.output)
    expect(got.status == 0, "the guest powers off in the end")
    expect_text(out, "ttyS0 at I/O 0x3f8", "is a 16550A", "MMCONFIG at [mem 0xe8000000-0xe80fffff]",
                "[mem 0xc0000000-0xe7ffffff window]", "[mem 0xf8000000-0xfbffffff window]", "rtc_cmos")
    irqs = value(out, "irqs")
    expect(re.search(r"IO-APIC 9-fasteoi ACPI:Ged", irqs), "the event device has level interrupt 9")
    expect(re.search(r"IO-APIC 4-edge ttyS0", irqs), "the serial port has edge interrupt 4")
    requests = re.search(r": (\d+) PCI-MSI \S+ virtio0-req", irqs)
    expect(requests and int(requests.group(1)) > 0, "the disk interrupts by MSI")
    expect(value(out, "product") == "Virtual Machine of vmboot", "SMBIOS names the machine")
    expect(440000 < int(value(out, "memory")) < 524288, "Linux has most of 512 MiB")
    expect(" 2026" in value(out, "clock"), "the clock is the test machine's, of 2026")
    expect(value(out, "disk") == "EFI PART", "the disk's second sector is a partition table")
    expect(value(out, "button") == "0001 0074 0001 0000", "the power button is a key press (EV_KEY, KEY_POWER, 1)")
    expect("complaint: " not in out and "complaints: over" in out, "the kernel does not complain of tables or disk")
    expect(value(out, "second boot") == "marked", "what was written before the reset is read after it")
    expect(out.count("BdsDxe: starting Boot") == 2, "the firmware started twice")
