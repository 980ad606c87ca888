"""The Debian package on a host, for a user of the group kvm whose files are in the home directory."""

import os
import re
import subprocess

from harness import CLOUDHV, ROOT, Skip, expect, guest_disk, plain, scratch
from machine import Machine
from terminal import Terminal

HOME = "home/operator/"
ENTRY = b"""title = Hello
firmware = /usr/share/cloudhv-efi-x86-64/CLOUDHV.fd
disk = /home/operator/.local/share/vmboot/images/hello.img
memory = 256M
"""
# A user as adduser and pam make one, and what systemd's udev rules do for the group kvm.
LOGIN = """
echo operator:x:1000:1000::/home/operator:/bin/sh >>/etc/passwd
printf 'operator:x:1000:\\nkvm:x:77:operator\\n' >>/etc/group
chown 0:77 /dev/kvm; chmod 660 /dev/kvm
chown -R 1000:1000 /home/operator; chmod 700 /home/operator
mkdir -p -m 700 /run/user/1000; chown 1000:1000 /run/user/1000
find /home/operator /etc /var /run/user -type f >/tmp/before
su -s /bin/sh operator -c 'cd; HOME=/home/operator XDG_RUNTIME_DIR=/run/user/1000 PATH=/usr/bin:/bin vmboot'
echo "status: $?"
find /home/operator /etc /var /run/user -type f | grep -vxFf /tmp/before
cat /home/operator/.config/vmboot/entries/*copy*.conf
echo that is all
"""


def package():
    """{path in the machine: path here} of the package's files."""
    missing = subprocess.run([os.path.join(ROOT, "tests/machine/deps.sh"), "--missing", "build", "package"],
                             stdout=subprocess.PIPE, check=True, text=True).stdout.strip()
    if missing:
        raise Skip("no package can be built, these are missing: " + missing)
    deb = subprocess.run(["make", "--no-print-directory", "deb"], cwd=ROOT, stdout=subprocess.PIPE, check=True,
                         text=True).stdout.split()[-1]
    folder = scratch()
    subprocess.run(["dpkg-deb", "-x", os.path.join(ROOT, deb), folder], check=True)
    return {os.path.relpath(os.path.join(at, name), folder): os.path.join(at, name)
            for at, _, names in os.walk(folder) for name in names}


def test_user_of_the_package():
    files = dict(package())
    files.update({"usr/share/cloudhv-efi-x86-64/CLOUDHV.fd": CLOUDHV,
                  HOME + ".local/share/vmboot/images/hello.img": guest_disk("@echo -off", "echo Hello from home"),
                  HOME + ".config/vmboot/entries/hello.conf": ENTRY})
    with Machine(menu=LOGIN, files=files, vmboot=False, sleep=True) as machine:
        term = Terminal(machine.child)
        term.wait_for(r"hello\.img[\s\S]* Hello [\s\S]*CLOUDHV\.fd +4M +PVH ELF", 60)
        term.show("menu")
        term.send("y")
        term.wait_for(r"Hello \(copy\)", 10)
        term.send("\r")
        term.wait_for("2 entries", 10)
        term.send("\x1b[H\x1b[B\r")  # past the disk itself
        term.wait_for("any other key to continue", 120)
        term.send("\r")
        term.wait_for(r"Hello from home[\s\S]*Shell>", 60)
        term.show("shell")
        term.type("reset -s\r")
        term.wait_for("The guest switched itself off", 60)
        term.send("m")
        term.wait_for("2 entries", 10)
        since = len(term.raw)
        term.send("q")
        term.wait_raw(rb"that is all", 20, since)
        out = plain(term.raw[since:])
        print(out)
        written = {re.sub(r"hello\.img-[0-9a-f]{8}", "hello.img-HASH", line) for line in out.splitlines() if line.startswith("/")}
        expect("status: 0" in out, "the menu ends well")
        expect(written == {"/home/operator/.config/vmboot/entries/hello-copy.conf",
                           "/home/operator/.local/state/vmboot/hello.img-HASH.vars",
                           "/run/user/1000/vmboot/console.log"}, "what was written is all at home: %s" % sorted(written))
        expect("title = Hello (copy)" in out, "the copy is whole")
        machine.wait(30)
