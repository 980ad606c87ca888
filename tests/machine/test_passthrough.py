"""PCI devices that vmboot itself takes from their drivers and gives back, whatever ends the virtual machine; entries with
devices. What a guest makes of a device is test_vfio.py's affair."""

import os
import re
import subprocess

from guest import KERNEL, boot_command, module_files, run_linux
from harness import expect, expect_text, plain, scratch
from test_settings import DAEMON, entry, store
from vfio_host import APPEND, IOMMU, MODULES, nvme

GUEST = r"""
echo "guest: $(cat /sys/block/nvme0n1/size) sectors"
case $(cat /proc/cmdline) in *stay*) sleep 1000000;; esac
poweroff -f
sleep 60
"""

# What drives the device, and what is on the disk behind it, which takes a moment to come.
WATCH = r"""
depmod
D=/sys/bus/pci/devices/0000:00:10.0
driver() { [ -e $D/driver ] && basename $(readlink $D/driver) || echo none; }
disk() { until [ -b /dev/nvme0n1 ]; do sleep 1; done; md5sum </dev/nvme0n1; }
vmm() { for p in /proc/[0-9]*; do [ "$(tr '\0' ' ' <$p/cmdline 2>/dev/null)" != "vmboot vmm " ] || echo ${p#/proc/}; done; }
up() { for i in $(seq 100); do grep -q "guest: 16384 sectors" $1 && return; sleep 1; done; cat $1; exit 1; }
"""


def vfio_modules():
    """For modprobe, which vmboot has the kernel's own helper for: nothing of it is loaded beforehand."""
    return {os.path.relpath(path, KERNEL): path for path in module_files(MODULES)}


def fat_disk():
    image = os.path.join(scratch(), "fat.img")
    with open(image, "wb") as f:
        f.truncate(8 << 20)
    subprocess.run(["mkfs.vfat", image], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["mcopy", "-i", image, "-", "::/data"], input=os.urandom(3 << 20), check=True)
    return image


def passed(script, qemu_args, guest=GUEST, **options):
    # On a clock: a disk answers in real time, and what is left of it is given up after a while.
    return plain(run_linux(guest, command=WATCH + script, files=vfio_modules(), append=APPEND, sleep=True,
                           qemu_args=IOMMU + qemu_args, **options).output)


def value(out, name):
    found = [line for line in out.splitlines() if line.startswith(name + ": ")]
    expect(found, "the output has " + name)
    return found[-1][len(name) + 2:]


def test_a_device_comes_back_whatever_ends_the_machine():
    """Refused while its disk is mounted; back at its driver after SIGKILL of the vmm, and of all that knew of it."""
    boot = boot_command("--vfio 00:10.0", "quiet stay")
    out = passed(r"""
vmboot list --pci
echo "before: $(driver) $(disk)"
mount -o ro /dev/nvme0n1 /mnt
%s </dev/null; echo "mounted: $?"
umount /mnt
%s </dev/null >/tmp/out 2>&1 & run=$!
up /tmp/out
echo "while: $(driver) $(ls /dev/nvme0n1 2>&1)"
echo "kvm: $(ls -l /proc/$(vmm)/fd | grep -o 'anon_inode:kvm-.*' | sort -u | tr '\n' ' ')"
%s </dev/null; echo "second: $?"
kill -KILL $(vmm)
wait $run; echo "killed: $?"
echo "after: $(driver) $(disk)"
%s </dev/null >/tmp/out2 2>&1 & run=$!
up /tmp/out2
kill -KILL $run; wait $run
while [ -n "$(vmm)" ]; do sleep 1; done
echo "left: $(driver)"
vmboot daemon --log /tmp/log & while vmboot ctl list >/dev/null 2>&1; [ $? = 2 ]; do sleep 1; done
echo "recovered: $(driver) $(disk)"
cat /tmp/out /tmp/log
""" % (boot, boot, boot, boot), nvme(fat_disk()))
    expect_text(out, "0000:00:10.0  NVMe controller  ", "driver nvme",
                "PCI device 0000:00:10.0 (NVMe controller) cannot be passed through: nvme0n1 is mounted on /mnt.",
                'PCI device 0000:00:10.0 is held by the virtual machine "vmboot run" (process ')
    before = value(out, "before")
    expect(before.startswith("nvme "), "the host has it by its own driver first")
    expect(value(out, "mounted") == "2" and value(out, "second") == "2", "neither of the two started")
    expect(value(out, "while").startswith("vfio-pci ") and "No such file" in value(out, "while"),
           "meanwhile the guest has it, and the host has no disk")
    expect("kvm-vfio" in value(out, "kvm") and "KVM does not take" not in out, "KVM knows of the group")
    expect(value(out, "killed") == "1", "a vmm that was killed is an error")
    expect(value(out, "after") == before, "its driver and its data are there again when the vmm was killed")
    expect(value(out, "left") == "vfio-pci", "nobody was left to give it back when the launcher was killed, too")
    expect(value(out, "recovered") == before, "the next daemon gives it back")


# A disk of virtio's that reports errors (PCI Express AER), which QEMU's NVMe disks do not.
REPORTING = ["-device", "pcie-root-port,id=rp,chassis=1,addr=12.0", "-drive", "driver=null-co,size=8M,read-zeroes=on,if=none,id=r",
             "-device", "virtio-blk-pci,drive=r,bus=rp,id=reporting,aer=on,disable-legacy=on,iommu_platform=on"]

READER = r"""
echo "guest: reads $(cat /sys/block/vda/size) sectors"
while dd if=/dev/vda of=/dev/null bs=1M count=1 iflag=direct 2>/dev/null; do sleep .2; done
echo "guest: lost it"
poweroff -f
sleep 60
"""

# Many drivers of this kernel switch reporting off when they let their device go, which virtio's does not: in Device Control
# (PCI Express 3.0, 7.8.4) and in Command.
UNTIL_ERROR = r"""
D=/sys/bus/pci/devices/0000:01:00.0
[ "$(dd if=$D/config bs=1 skip=64 count=1 2>/dev/null | hexdump -e '1/1 "%%02x"')" = 10 ] || echo "no capability at 64"
for error in UNSUP MALF_TLP; do
	printf '\0' | dd of=$D/config bs=1 seek=72 conv=notrunc 2>/dev/null
	printf '\0' | dd of=$D/config bs=1 seek=5 conv=notrunc 2>/dev/null
	echo "== $error"
	%s </dev/null; echo "status: $?"
	until [ -b /dev/vda ]; do sleep .2; done
	echo "after: $(driver) $(dd if=/dev/vda bs=1M count=1 iflag=direct 2>/dev/null | wc -c)"
done
dmesg | grep -E "AER: .* received"
"""


def inject(machine):
    """An error into the device, of the kind that the output named last."""
    error = plain(bytes(machine.log)).rpartition("== ")[2].split()[0]
    print(machine.monitor.execute("human-monitor-command", **{"command-line": "pcie_aer_inject_error reporting " + error}))


def test_errors_of_a_device_end_the_machine():
    """Uncorrectable errors (AER), one that is fatal for the link and one that is not, while a guest reads: the virtual machine
    ends with the reason, and the host has its device back."""
    out = passed(UNTIL_ERROR % boot_command("--vfio 01:00.0"), REPORTING, guest=READER,
                 modules=("virtio_pci", "virtio_blk"), answers=[(rb"guest: reads \d+ sectors", inject)])
    expect("no capability" not in out, "the disk's Device Control is where it was looked for")
    _, nonfatal, fatal = re.split("^== .*$", out, flags=re.M)
    for part in (nonfatal, fatal):
        expect_text(part, "guest: reads 16384 sectors", "PCI device 0000:01:00.0, which is passed through, reported an error that "
                    "it cannot recover from (PCI Express AER). The host's kernel log says more.", "status: 1",
                    "after: virtio-pci 1048576")
    expect_text(fatal, "AER: Uncorrected (Non-Fatal) error message received from 0000:01:00.0",
                "AER: Uncorrected (Fatal) error message received from 0000:01:00.0")


def test_an_entry_with_a_device_starts_by_the_countdown():
    image = store("timeout = 1\ndefault = first\n", first=entry("one", "vfio = 00:10.0\n"))
    out = passed(DAEMON + r"""
for i in $(seq 100); do grep -q "the virtual machine ended" /tmp/log && break; sleep 1; done
vmboot ctl console
echo "after: $(driver)"
vmboot ctl entries
cat /tmp/log
""", nvme(fat_disk()) + nvme(image, 0x11))
    expect_text(out, "guest: 16384 sectors", "The guest switched itself off.")
    expect("failed" not in value(out, "after") and value(out, "after") == "nvme", "the device is the host's again")
    expect("not known" not in out, "the key is known")


def test_without_the_module_it_says_so():
    out = plain(run_linux(GUEST, command=WATCH + boot_command("--vfio 00:10.0") + '; echo "status: $?"; echo "after: $(driver)"',
                          append=APPEND, qemu_args=IOMMU + nvme(fat_disk())).output)
    expect_text(out, "this kernel has no module vfio-pci, or it cannot be loaded")
    expect(value(out, "status") == "2" and value(out, "after") == "nvme", "nothing was moved")
    out = plain(run_linux(GUEST, command="vmboot list --pci; " + boot_command("--vfio 00:10.0") + '; echo "status: $?"',
                          qemu_args=nvme(fat_disk())).output)
    expect(out.count("No IOMMU (check VT-d/AMD-Vi in firmware, intel_iommu=on): passthrough off") == 2,
           "list and run say that there is no IOMMU")
    expect(value(out, "status") == "2", "and it does not start")
