"""What a power cut, or worse, left of a FAT labelled VMBOOT: the appliance mends what a save leaves at its start, and a host
when it saves; files that have something wrong are left to the operator. Whatever fsck.fat does, the start goes on."""

import os
import re
import socket
import struct
import subprocess

from harness import BUILD, expect, expect_text, plain, run, scratch, sha256
from machine import VMBOOT

MIB = 4
SIZE = MIB << 20
STATE, DIRTY = 0x25, 1  # fat16.state in struct fat_boot_sector of <linux/msdos_fs.h>
FAT_AT = 512  # in sectors: behind what is looked at to tell what is on a disk
BAD_SECTOR = FAT_AT + 20  # not near what the settings need of the FAT
SETTINGS, NOTES = b"timeout = off\n", b"n" * 3000


def fsck_files():
    """fsck.fat for the machine, {path there: path here}: the appliance's own, where it was built, else this system's."""
    own = os.path.join(BUILD, "appliance", "fsck.fat")
    if os.path.exists(own):
        return {"sbin/fsck.fat": own}
    libraries = re.findall(r"(/\S+) \(0x", subprocess.run(["ldd", "/usr/sbin/fsck.fat"], stdout=subprocess.PIPE, check=True,
                                                          text=True).stdout)
    return dict({path.lstrip("/"): os.path.realpath(path) for path in libraries}, **{"sbin/fsck.fat": "/usr/sbin/fsck.fat"})


def patch(image, at, data):
    with open(image, "r+b") as f:
        f.seek(at)
        f.write(data)


def put(image, name, data):
    subprocess.run(["mcopy", "-i", image, "-", "::/" + name], input=data, check=True)


def leave_unfinished(image):
    """IMAGE is as a cut within a save leaves it: marked, with a file that is being made."""
    put(image, "VMBOOT.NEW", b"n" * 700)
    patch(image, STATE, bytes([DIRTY]))


class Fat:
    """An image with settings."""

    def __init__(self, name):
        self.path = os.path.join(scratch(), name)
        with open(self.path, "wb") as f:
            f.truncate(SIZE)
        subprocess.run(["/usr/sbin/mkfs.vfat", "-F", "16", "-s", "1", "-R", str(FAT_AT), "-n", "VMBOOT", self.path], check=True,
                       stdout=subprocess.DEVNULL)
        subprocess.run(["mmd", "-i", self.path, "::/entries"], check=True)
        put(self.path, "vmboot.conf", SETTINGS)
        put(self.path, "NOTES.TXT", NOTES)
        put(self.path, "entries/a.conf", b"title = A\n")

    def entry(self, name):
        """Offset of the directory entry with this short name of 11 bytes, and what it says of blocks and size."""
        with open(self.path, "rb") as f:
            data = f.read()
        at = next(at for at in range(0, SIZE, 32) if data[at:at + 11] == name)
        return at, data[at + 26:at + 32]

    def cut_save(self):
        """A cut between the two names of a file that is new, when blocks of a third had not been given back."""
        leave_unfinished(self.path)
        put(self.path, "entries/VMBOOT.NEW", b"n" * 700)
        put(self.path, "LOST.BIN", b"l" * 5000)
        patch(self.path, self.entry(b"LOST    BIN")[0], b"\xe5")
        patch(self.path, self.entry(b"VMBOOT  NEW")[0] + 26, self.entry(b"NOTES   TXT")[1])
        return self

    def damage(self):
        at, blocks = self.entry(b"NOTES   TXT")
        patch(self.path, at + 28, struct.pack("<I", 1 << 20))
        return self


def is_clean(image):
    return subprocess.run(["/usr/sbin/fsck.fat", "-n", image], stdout=subprocess.DEVNULL, check=False).returncode == 0


def mend(image):
    """What the appliance does with a FAT that it finds marked, by the process that does it there."""
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, its:
        done = subprocess.run(["bash", "-c", 'exec "$@" 3<&%d' % its.fileno(), "probe", VMBOOT, "probe", "--mend", image, "vfat"],
                              pass_fds=[its.fileno()], check=False)
        expect(done.returncode == 0, "it was not mended: %r" % ours.recv(4096).replace(b"\0", b""))


def read(image, name):
    return subprocess.run(["mtype", "-i", image, "::/" + name], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          check=False).stdout


# What the second disk has of case $1 is put on the disk $2, and back after a start and a save. It begins with nothing, as two
# partitions with settings would be none.
SCRIPT = """
begin() { dd if=/dev/nvme1n1 of=$2 bs=1M skip=$(($1 * %(mib)d + 1)) count=%(mib)d 2>/dev/null; sync; disk=$2
	vmboot daemon --log /tmp/log & pid=$!; n=0
	until vmboot ctl entries 2>/dev/null | grep -q . || [ $((n += 1)) = 200 ]; do sleep 0.2; done
	sleep 1; echo "case $1: started $(sha256sum <$disk)"; vmboot ctl entries; }
end() { vmboot ctl default a; vmboot ctl entries; kill $pid; wait $pid; cat /tmp/log; rm /tmp/log; sync
	dd if=$disk of=/dev/nvme1n1 bs=1M seek=$(($1 * %(mib)d + 1)) 2>/dev/null; sync; echo "case $1: over"; }
try() { begin $1 /dev/nvme0n1; end $1; }
try 0
mkdir -p /run/vmboot; touch /run/vmboot/init
try 1
try 2
mv /sbin/fsck.fat /sbin/kept; try 3
printf '#!/bin/sh\\nwhile :; do :; done\\n' >/sbin/fsck.fat; chmod 755 /sbin/fsck.fat; try 4
mv /sbin/kept /sbin/fsck.fat
dd if=/dev/zero of=/dev/nvme0n1 bs=1M count=1 2>/dev/null; sync; begin 5 /dev/nvme2n1; end 5
""" % {"mib": MIB}


def test_power_cuts_are_mended_and_damage_is_not():
    cases = [Fat("host").cut_save(), Fat("cut").cut_save(), Fat("damaged").cut_save().damage(), Fat("without").cut_save(),
             Fat("endless").cut_save(), Fat("unreadable").cut_save()]
    before = [sha256(case.path) for case in cases]
    disks = [os.path.join(scratch(), name + ".img") for name in ("disk", "cases", "bad")]
    for disk in disks:
        with open(disk, "wb") as f:
            f.truncate((1 << 20) + len(cases) * SIZE if disk == disks[1] else SIZE)
    with open(disks[1], "r+b") as f:
        f.seek(1 << 20)
        for case in cases:
            with open(case.path, "rb") as image:
                f.write(image.read())
    bad = ["-blockdev", "driver=file,filename=%s,node-name=badfile" % disks[2],
           "-blockdev", "driver=blkdebug,node-name=bad,image=badfile,inject-error.0.event=none,inject-error.0.iotype=read,"
           "inject-error.0.errno=5,inject-error.0.sector=%d,inject-error.0.once=off" % BAD_SECTOR,
           "-device", "nvme,drive=bad,serial=BAD"]
    got = run(SCRIPT, disks=disks[:2], sleep=True, files=fsck_files(), qemu_args=bad, timeout=600)
    said = re.findall(r"(?s)case \d: started(.*?)case \d: over", plain(got.output))
    expect(len(said) == len(cases), "each start goes on")
    with open(disks[1], "rb") as f:
        f.seek(1 << 20)
        for case in cases:
            with open(case.path, "wb") as image:
                image.write(f.read(SIZE))
    for i, text in enumerate(said):
        expect("\na " in text, "case %d: the settings are read" % i)
    expect(before[0] in said[0], "a host looks at it, and no more, before something is saved")
    expect(before[1] not in said[1], "the appliance mends it at its start")
    for i in (0, 1):
        expect_text(said[i], "the power went while /dev/nvme0n1 was written to: fsck.fat has mended it", "[default]")
        expect(is_clean(cases[i].path), "%d: and it is in order" % i)
        expect(read(cases[i].path, "vmboot.conf").count(b"default = a\n"), "%d: what was saved is there" % i)
        expect(read(cases[i].path, "NOTES.TXT") == NOTES, "%d: nothing is lost" % i)
    for i, sentences in (
            (2, ["Files on /dev/nvme0n1 are damaged, so nothing is written to it: /NOTES.TXT File size is 1048576 bytes"]),
            (3, ["The power went while /dev/nvme0n1 was written to, and this system has no fsck.fat", "Install dosfstools"]),
            (4, ["fsck.fat did not get through /dev/nvme0n1 in 6 s"]),
            (5, ["fsck.fat could not mend /dev/nvme2n1, so nothing is written to it: Got 8192 bytes instead of"])):
        expect_text(said[i], *sentences, "change kept for this boot only", "[default]")
        expect(sha256(cases[i].path) == before[i] or i == 5, "case %d: nothing is written" % i)
