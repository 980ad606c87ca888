"""What a power cut, or worse, left of a FAT labelled VMBOOT: the appliance mends what a save leaves at its start, and a host
when it saves; files that have something wrong are left to the operator. Whatever fsck.fat does, the start goes on."""

import socket
import subprocess

from harness import expect
from machine import VMBOOT

def is_clean(image):
    return subprocess.run(["/usr/sbin/fsck.fat", "-n", image], stdout=subprocess.DEVNULL, check=False).returncode == 0


def mend(image):
    """What the appliance does with a FAT that it finds marked, by the process that does it there."""
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, its:
        done = subprocess.run(["bash", "-c", 'exec "$@" 3<&%d' % its.fileno(), "probe", VMBOOT, "probe", "--mend", image, "vfat"],
                              pass_fds=[its.fileno()], check=False)
        expect(done.returncode == 0, "it was not mended: %r" % ours.recv(4096).replace(b"\0", b""))
