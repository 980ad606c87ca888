"""A machine with nothing: no disk, no virtualisation, no IOMMU, no settings. Each is said where an operator looks, with what
to do next; and a disk that the host uses, once there is one, is not given to a guest."""

import os

from harness import CLOUDHV, expect, scratch
from machine import Machine
from terminal import Terminal
from test_discovery import SCSI, make, node, plug

NO_DISK = r"No disks found\. Looked at: nvme, sata, scsi, usb, virtio\s+\(\d+( of \d+)? controllers? bound\)"


def test_every_lack_is_said():
    stick = make(os.path.join(scratch(), "stick.img"), 'mkfs.fat -n STICK "$1"', size="32M")
    with Machine(menu=SCSI + "modprobe vfat; vmboot", files={"firmware/CLOUDHV.fd": CLOUDHV}, sleep=True,
                 cpu="EPYC,-svm", qemu_args=["-device", "virtio-scsi-pci,id=scsi"]) as machine:
        term = Terminal(machine.child)
        term.wait_for(NO_DISK, 90)
        term.wait_for(r"r rescan, ! shell, i hardware\.", 10)
        term.show("no disk")
        # Firmware is there, and a CPU without svm: the checklist stops the start.
        term.send("\r")
        term.wait_for(r"!! +KVM .*(svm|kvm)", 20)
        term.wait_for("It will not start like this", 10)
        term.show("no KVM")
        term.send("\r")
        term.wait_for("see the lines with !!", 10)
        term.send("qc")
        term.wait_for("store: none found, running on defaults", 10)
        term.send("qp")
        term.wait_for(r"No IOMMU \(check VT-d/AMD-Vi in firmware", 20)
        term.send("q")
        term.wait_for(NO_DISK, 10)

        machine.monitor.execute("blockdev-add", **node("stick", stick))
        plug(machine, "stick1", "stick")
        term.wait_for(r"sda .*STICK1", 60)
        term.send("!")
        term.wait_for("Type exit to return to the menu", 10)
        term.type("mount -t vfat /dev/sda /mnt && exit\r")
        term.wait_for(r"returned from shell \(exit 0\)", 20)
        # Coming back from the shell looks at the disks again.
        term.wait_for("in use: mounted on /mnt", 30)
        term.send("\x1b[H\r")
        term.wait_for(r"sda is used by this host: mounted on /mnt\. Attach it read-only", 20)
        term.show("disk in use")
        term.send("\r!")
        term.wait_for("Type exit to return to the menu", 10)
        term.type("umount /mnt; exit\r")
        term.wait_for("in use", 30, gone=True)
        machine.monitor.execute("device_del", id="stick1")
        term.wait_for(NO_DISK, 60)
        term.send("q")
        expect(machine.wait(30) == 0, "the menu ends with exit status 0")
