"""A test machine with an IOMMU and devices to give away: QEMU's arguments, and the kernel's modules for VFIO."""

import os

from guest import module_files

MODULES = ("vfio_pci", "vfio_iommu_type1")
APPEND = "intel_iommu=on"
# Before the devices behind it.
IOMMU = ["-machine", "kernel-irqchip=split", "-device", "intel-iommu,intremap=on,caching-mode=on"]


def files():
    return {"vfio/" + os.path.basename(path): path for path in module_files(MODULES)}


def load():
    names = [os.path.basename(path) for path in module_files(MODULES) if "irqbypass" not in path]
    return 'for m in %s; do insmod /vfio/$m || echo "no module $m"; done\n' % " ".join(names)


def nvme(image, slot=0x10):
    """An NVMe disk as function 00:SLOT.0; without IMAGE 64 MiB of zeroes, which QEMU has at once."""
    name = "d%x" % slot
    drive = "file=%s,format=raw,cache=unsafe" % image if image else "driver=null-co,size=64M,read-zeroes=on"
    return ["-drive", "%s,if=none,id=%s" % (drive, name),
            "-device", "nvme,drive=%s,serial=%s,addr=%x.0" % (name, name.upper(), slot)]
