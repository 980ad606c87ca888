"""PCI devices that vmboot itself takes from their drivers and gives back, whatever ends the virtual machine; entries with
devices. What a guest makes of a device is test_vfio.py's affair."""

import os
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


def passed(script, image, qemu_args=()):
    # On a clock: a disk answers in real time, and what is left of it is given up after a while.
    return plain(run_linux(GUEST, command=WATCH + script, files=vfio_modules(), append=APPEND, sleep=True,
                           qemu_args=IOMMU + nvme(image) + list(qemu_args)).output)


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
""" % (boot, boot, boot, boot), fat_disk())
    expect_text(out, "0000:00:10.0  NVMe controller  ", "driver nvme",
                "PCI device 0000:00:10.0 (NVMe controller) cannot be passed through: nvme0n1 is mounted on /mnt.",
                'PCI device 0000:00:10.0 is held by the virtual machine "vmboot run" (process ')
    before = value(out, "before")
    expect(before.startswith("nvme "), "the host has it by its own driver first")
    expect(value(out, "mounted") == "2" and value(out, "second") == "2", "neither of the two started")
    expect(value(out, "while").startswith("vfio-pci ") and "No such file" in value(out, "while"),
           "meanwhile the guest has it, and the host has no disk")
    expect(value(out, "killed") == "1", "a vmm that was killed is an error")
    expect(value(out, "after") == before, "its driver and its data are there again when the vmm was killed")
    expect(value(out, "left") == "vfio-pci", "nobody was left to give it back when the launcher was killed, too")
    expect(value(out, "recovered") == before, "the next daemon gives it back")


def test_an_entry_with_a_device_starts_by_the_countdown():
    image = store("timeout = 1\ndefault = first\n", first=entry("one", "vfio = 00:10.0\n"))
    out = passed(DAEMON + r"""
for i in $(seq 100); do grep -q "the virtual machine ended" /tmp/log && break; sleep 1; done
vmboot ctl console
echo "after: $(driver)"
vmboot ctl entries
cat /tmp/log
""", fat_disk(), nvme(image, 0x11))
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
