"""OVMF, in flash: Debian's image boots from an NVMe disk by its own driver, resets, switches off, and its variables are kept."""

import os
import subprocess

import vfio_host
from harness import ROOT, disk_file, expect, expect_text, guest_disk, run, scratch, slow
from test_vars import GUID, parts

OVMF = os.path.join(ROOT, "build/firmware/ovmf/OVMF_CODE_4M.fd")
RUN = "vmboot run --memory 128M --vars /tmp/vars.fd --firmware "
# A partition comes before a whole disk, so fs0 is the NVMe disk in both runs; fs1 is virtio's, in the first one only.
SCRIPT = ("@echo -off", "setvar VmbTest " + GUID, "if %lasterror% == 0x0 then", "  echo it was there",
          r"  if exist fs1:\here.txt then", r"    echo passed > fs0:\passed.txt", r"    echo hello >a fs1:\virtio.txt", "  endif",
          r"  echo hello > fs0:\written.txt", "  reset -s", "endif",
          "setvar VmbTest " + GUID + " -nv -bs -rt =4142434445", "echo it is new", "reset")


def data_disk():
    """A FAT file system that nothing boots from."""
    image = os.path.join(scratch(), "data.img")
    with open(image, "wb") as f:
        f.truncate(1 << 20)
    subprocess.run(["/sbin/mkfs.vfat", image], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["mcopy", "-i", image, "-", "::/here.txt"], input=b"here", check=True)
    return image


@slow
def test_ovmf_and_cloudhv_share_variables():
    """In the first run the guest starts from an NVMe disk that is passed through, with one of virtio beside it, sets a variable,
    resets, finds it and switches off; CLOUDHV.fd finds it then, too."""
    disk = guest_disk(*SCRIPT)
    got = run(vfio_host.load() + "\n".join((
        "cp /data.img /tmp; echo == ovmf", RUN + "/OVMF_CODE_4M.fd --vfio 00:10.0 --disk /tmp/data.img",
        "echo status $?; ls -l /tmp/vars.fd",
        "echo hello: $(grep -c hello /tmp/data.img)", "until [ -b /dev/nvme0n1 ]; do sleep .2; done",
        "echo == cloudhv", RUN + "/firmware/CLOUDHV.fd --disk /dev/nvme0n1", "echo status $?")),
              files=dict(vfio_host.files(), **{"OVMF_CODE_4M.fd": OVMF, "data.img": data_disk()}), sleep=True,
              append=vfio_host.APPEND, qemu_args=vfio_host.IOMMU + vfio_host.nvme(disk))
    said = parts(got.output)
    # Devices passed through have the slots from 23 down.
    expect_text(said["ovmf"], "from PciRoot(0x0)/Pci(0x17,0x0)/NVMe(0x1,", "BdsDxe: starting Boot", "it is new", "it was there",
                "status 0", " 540672 ", "hello: 1")
    expect(said["ovmf"].count("it is new") == 1, "the variable is new once")
    expect(disk_file(disk, "passed.txt") == "passed\r\n", "the file the guest of OVMF wrote is on the disk image")
    expect(disk_file(disk, "written.txt") == "hello\r\n", "the file that both wrote is on the disk image")
    expect_text(said["cloudhv"], "it was there", "status 0")
    expect("it is new" not in said["cloudhv"], "the variable that OVMF set is there for CLOUDHV.fd")
