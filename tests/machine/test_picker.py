"""What the operator sees of PCI devices before one is passed through: the picker, the list, and each refusal by its sentence."""

import os
import re

from guest import VMLINUZ, boot_command, initramfs
from harness import BUILD, expect, expect_text, plain
from machine import Machine
from terminal import Terminal
from test_passthrough import fat_disk, vfio_modules
from test_vfio import program
from vfio_host import APPEND, IOMMU, nvme

# Behind a root port a controller with a virtual function; a network card that is up; two alike without a reset of their own,
# which nothing keeps apart; a disk that is mounted, and one that is free.
SEVERAL = ["-device", "pcie-root-port,id=rp,chassis=1,addr=10.0", "-device", "nvme-subsys,id=sub",
           "-device", "nvme,serial=PF,subsys=sub,sriov_max_vfs=1,sriov_vq_flexible=2,sriov_vi_flexible=1,bus=rp,id=pf",
           "-drive", "driver=null-co,size=32M,read-zeroes=on,if=none,id=shared", "-device", "nvme-ns,drive=shared,bus=pf,nsid=1",
           "-netdev", "user,id=n", "-device", "virtio-net-pci,netdev=n,addr=11.0",
           "-device", "i82801b11-bridge,id=old,addr=14.0", "-device", "am53c974,bus=old,addr=1.0",
           "-device", "am53c974,bus=old,addr=2.0"] + nvme(None, 0x17)

PREPARE = r"""
depmod; modprobe virtio_net
ip addr add 10.0.2.15/24 dev eth0; ip link set eth0 up
until D=$(ls /sys/bus/pci/devices/0000:00:16.0/nvme/*/ | grep '^nvme.*n1$'); do sleep .2; done
mount -o ro /dev/$D /mnt
P=/sys/bus/pci/devices/0000:01:00.0
# Its queues and interrupts to the virtual one (NVM Express 1.4, 8.5, 5.22), which goes on then.
virt() { nvme_function /dev/$(ls $P/nvme) $1 $2 $3 $4; }
virt 0 1 1 0; virt 0 0 1 0; echo 1 >$P/reset; sleep 1
echo 0 >$P/sriov_drivers_autoprobe; echo 1 >$P/sriov_numvfs
virt 1 1 8 1; virt 1 0 8 2; virt 1 0 9 0
vmboot list --pci
"""

WRONG = (
    ("--vfio 44:00.0", "This machine has no PCI device 0000:44:00.0. `vmboot list --pci` shows those it has."),
    ("--vfio 00:10.0", "PCI device 0000:00:10.0 is a bridge (PCI bridge)"),
    ("--vfio 00:00.0", "PCI device 0000:00:00.0 is a bridge (Host bridge)"),
    ("--vfio 00:17.0 --vfio 0000:00:17.0", "Device 0000:00:17.0 is named twice"),
    ("--vfio 01:00.0", "its virtual functions (1) would be lost"),
    ("--vfio 00:16.0", "is mounted on /mnt. Free that first."),
    ("--vfio 00:17.0,id=8086:10d3", "PCI device 0000:00:17.0 is 1b36:0010 (NVMe controller), not 8086:10d3, which was chosen."),
    ("--vfio 00:17.0,id=1b36:0010,serial=D16", "0000:00:17.0 is number D17, not number D16, which is at 0000:00:16.0: choose that."),
)

NO_ADDRESS = "--vfio 0:0"

SHARED_GUEST = r"""
until [ -b /dev/nvme0n1 ]; do sleep .2; done
echo "guest: $(cat /sys/block/nvme0n1/size) sectors, $(dd if=/dev/nvme0n1 bs=1M 2>/dev/null | wc -c) bytes"
poweroff -f
sleep 60
"""


def look_at_picker(term):
    """What the operator sees of each, by the words in its row and below the list."""
    term.send("p")
    term.wait_for("IOMMU group", 20)
    for address, row, below in (
            ("00:01.0", "VGA controller .*in use", "this is the console GPU: you will lose VGA, serial keeps working"),
            ("00:11.0", "Ethernet controller .*in use", "virtio-pci .*eth0\n eth0 is up: this host loses that network"),
            ("00:16.0", "NVMe controller .*in use", r"1b36:0010  driver nvme .*nvme\dn1\n nvme\dn1 is mounted on /mnt"),
            ("00:17.0", "NVMe controller .*nvme$", "QEMU NVM Express Controller  serial number D17"),
            ("01:00.0", "NVMe controller .*in use", r"driver nvme  2.5 GT/s x1 .*nvme\dn1\n its virtual functions \(1\) would be lost"),
            ("01:00.1", "NVMe controller", "driver none .*of 01:00.0"),
            ("02:01.0", "SCSI controller", r"group \d+ also holds 02:02.0 SCSI controller: both move \(no ACS above")):
        term.send("/" + address + "\r")
        term.wait_for("Only rows with: " + address, 20)
        term.send("\x1b[F")
        term.wait_for(address + " " + row, 20)
        term.wait_for(below, 20)
        term.show(address)
        term.send("\x1b")
        term.settle()
    term.send("q")
    term.wait_for("PCI devices", 20, gone=True)


def test_the_picker_and_what_is_refused():
    """A machine with several devices: what run, the list and the menu say of each. A virtual function goes to a guest."""
    runs = "".join("echo '== %s'; %s; echo \"status: $?\"\n" % (words, boot_command(words))
                   for words in [NO_ADDRESS] + [words for words, _ in WRONG])
    shared = "echo == shared; %s; echo \"status: $?\"\n" % boot_command("--vfio 01:00.1")
    moved = "title = Moved\nkernel = /k/vmlinuz\nvfio = 00:17.0,id=1b36:0010,serial=D99\nmemory = 64M\n"
    files = dict(vfio_modules(), **{
        "setup": (PREPARE + runs + shared + "vmboot\n").encode(), "bin/nvme_function": program("nvme_function"), "k/vmlinuz": VMLINUZ,
        "k/initrd": initramfs(SHARED_GUEST), "usr/share/vmboot/pci.names": os.path.join(BUILD, "pci.names"),
        "etc/vmboot/entries/moved.conf": moved.encode()})
    with Machine(menu="sh /setup", files=files, sleep=True, append=APPEND,
                 qemu_args=IOMMU + SEVERAL + nvme(fat_disk(), 0x16)) as machine:
        term = Terminal(machine.child)
        term.wait_for("It will not start: Moved|Moved[\\s\\S]*q quit", 150)
        said = plain(bytes(term.raw))
        print(said)
        look_at_picker(term)
        term.send("\r")
        term.wait_for("PCI device 0000:00:17.0 is number D17, not number D99, which was chosen", 20)
        term.show("moved")
        term.send("q")
        term.wait_for("q quit", 20)
        term.send("q")
        expect(machine.wait(60) == 0, "the menu ends with exit status 0")
    parts = dict(zip(*[iter(re.split(r"^== (.*)$", said, flags=re.M)[1:])] * 2))
    for words, sentence in WRONG:
        expect_text(" ".join(parts[words].split()), sentence, "status: 2")
    expect_text(parts[NO_ADDRESS], '"0:0" is no address of a PCI function; expected one like 0000:01:00.0', "usage: ", "status: 64")
    expect_text(said, "IOMMU group",
                "0000:00:17.0  NVMe controller  Red Hat, Inc. QEMU NVM Express Controller [1b36:0010]  driver nvme  serial D17",
                "virtual function of 0000:01:00.0")
    expect_text(parts["shared"], "guest: 65536 sectors, 33554432 bytes", "status: 0")
