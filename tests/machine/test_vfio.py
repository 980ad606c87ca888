"""`vmboot run --vfio`: real devices (as far as QEMU's are) behind an emulated IOMMU, given to guests and taken back."""

import os
import subprocess

from guest import initramfs, module_files, run_linux
from harness import ROOT, expect, expect_text, plain, run, scratch

HOST_MODULES = ("vfio_pci", "vfio_iommu_type1")

# The IOMMU comes before the devices behind it. Devices sit at 00:10.0 and up.
IOMMU = ["-machine", "kernel-irqchip=split", "-device", "intel-iommu,intremap=on,caching-mode=on"]

BIND = r"""
for m in %s; do insmod /m/$m.ko || echo "no module $m"; done
give() {
	for d; do
		echo vfio-pci >/sys/bus/pci/devices/$d/driver_override
		[ ! -e /sys/bus/pci/devices/$d/driver ] || echo $d >/sys/bus/pci/devices/$d/driver/unbind
		echo $d >/sys/bus/pci/drivers_probe
	done
}
back() {
	for d; do
		echo >/sys/bus/pci/devices/$d/driver_override
		echo $d >/sys/bus/pci/drivers/vfio-pci/unbind
		echo $d >/sys/bus/pci/drivers_probe
	done
}
"""


def blocks():
    path = os.path.join(scratch(), "blocks")
    subprocess.run(["gcc", "-static", "-O2", "-Wall", "-o", path, os.path.join(ROOT, "tests/machine/blocks.c")], check=True)
    return path


def host_files():
    return {"m/" + os.path.basename(path): path for path in module_files(HOST_MODULES)}


def bind_script():
    return BIND % " ".join(os.path.basename(path)[:-len(".ko")] for path in module_files(HOST_MODULES))


def disk_image(mebibytes, name="disk.img"):
    path = os.path.join(scratch(), name)
    with open(path, "wb") as f:
        f.truncate(mebibytes << 20)
    return path


def nvme(image, slot=0x10, options=""):
    name = "d%x" % slot
    return ["-drive", "file=%s,if=none,id=%s,format=raw,cache=unsafe" % (image, name),
            "-device", "nvme,drive=%s,serial=%s,addr=%x.0%s" % (name, name.upper(), slot, options)]


NVME_GUEST = r"""
echo "guest: $(cat /sys/block/nvme0n1/size) sectors, $(ls /sys/block/nvme0n1/device/device/msi_irqs | wc -l) vectors"
if [ ! -e /mnt/again ] && blocks verify /dev/nvme0n1 8 1; then
	blocks write /dev/nvme0n1 256 2 && blocks verify /dev/nvme0n1 256 2
fi
echo "guest: done"
poweroff -f
sleep 60
"""


def test_nvme_is_linuxs():
    """A guest reads what the host wrote, writes and verifies 256 MiB, and the host finds them afterwards."""
    image = disk_image(256)
    tool = blocks()
    command = bind_script() + r"""
blocks write /dev/nvme0n1 8 1
give 0000:00:10.0
vmboot run --kernel /k/vmlinuz --initrd /k/initrd --cmdline 'console=ttyS0 panic=0 quiet' --memory 256M --vfio 00:10.0
echo "status: $?"
back 0000:00:10.0
blocks verify /dev/nvme0n1 256 2
"""
    files = dict(host_files(), **{"bin/blocks": tool})
    got = run_linux(NVME_GUEST, command=command, files=files, binaries=[tool], append="intel_iommu=on",
                    qemu_args=IOMMU + nvme(image))
    out = plain(got.output)
    expect_text(out, "verified 8 MiB of seed 1", "wrote 256 MiB of seed 2", "guest: done", "status: 0")
    expect(out.count("verified 256 MiB of seed 2") == 2, "guest and host both find the 256 MiB")
