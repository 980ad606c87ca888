"""What a power cut, or worse, left of a FAT labelled VMBOOT: the appliance mends what a save leaves at its start, and a host
when it saves; files that have something wrong are left to the operator. Whatever fsck.fat does, the start goes on."""

import os
import re
import socket
import subprocess

from harness import BUILD, expect
from machine import VMBOOT

STATE, DIRTY = 0x25, 1  # fat16.state in struct fat_boot_sector of <linux/msdos_fs.h>


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


def is_clean(image):
    return subprocess.run(["/usr/sbin/fsck.fat", "-n", image], stdout=subprocess.DEVNULL, check=False).returncode == 0


def mend(image):
    """What the appliance does with a FAT that it finds marked, by the process that does it there."""
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, its:
        done = subprocess.run(["bash", "-c", 'exec "$@" 3<&%d' % its.fileno(), "probe", VMBOOT, "probe", "--mend", image, "vfat"],
                              pass_fds=[its.fileno()], check=False)
        expect(done.returncode == 0, "it was not mended: %r" % ours.recv(4096).replace(b"\0", b""))
