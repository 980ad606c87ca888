#!/usr/bin/python3
"""Makes screenshots/session.cast and of it screenshots/session.gif: an operator's session on the test machine's serial
line. Nothing is retouched; long pauses are shortened (recording.py).

The guest is Debian's kernel on the guest's own disk, with busybox for the rest of the system.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from animation import make_gif  # noqa: E402
from guest import VMLINUZ, initramfs  # noqa: E402
from harness import CLOUDHV, ROOT, scratch  # noqa: E402
from machine import Machine  # noqa: E402
from recording import Recording  # noqa: E402
from test_os import CMDLINE, GRUB, INITRAMFS, MODULES, make_disk, make_esp, make_root, text  # noqa: E402
from test_settings import store  # noqa: E402

CAST, GIF = (os.path.join(ROOT, "screenshots", "session." + kind) for kind in ("cast", "gif"))
DOWN, F10, CTRL_U, PREFIX = "\x1b[B", "\x1b[21~", "\x15", "\x1d"
FIRMWARE = "usr/share/cloudhv-efi-x86-64/CLOUDHV.fd"
ENTRY = "title = %s\nfirmware = /" + FIRMWARE + "\nmemory = 512M\ndisk = serial:TEST0%s\n"
PROMPT = r"^debian:/#$"

MENU = "vmboot daemon --log /tmp/log & while [ ! -S /run/vmboot/daemon.sock ]; do sleep 0.2; done; vmboot"

GUEST = """#!/bin/busybox sh
export PATH=/bin TERM=vt220 PS1='debian:/# '
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs dev /dev 2>/dev/null
busybox stty -F /dev/ttyS0 rows 23 cols 80
echo; echo "Debian GNU/Linux 12 debian ttyS0"; echo
exec busybox setsid busybox cttyhack busybox sh
"""


def debian_disk():
    """GRUB on an EFI system partition; Debian's kernel on ext4."""
    folder = scratch()
    config = text(folder, "grub.cfg", "set timeout=10", "menuentry 'Debian GNU/Linux' {",
                  "search --no-floppy --label --set=root ROOT", "linux /boot/vmlinuz " + CMDLINE,
                  "initrd /boot/initrd", "}")
    root = make_root("", ((VMLINUZ, "vmlinuz"), (initramfs(INITRAMFS, MODULES), "initrd")), init=GUEST)
    return make_disk(folder, make_esp(folder, ((GRUB, "EFI/BOOT/BOOTX64.EFI"), (config, "EFI/debian/grub.cfg"))), root)


def operate(term):
    term.caption = "With nobody at the keyboard the default starts by itself."
    term.wait_for(r"Starting Debian in [1-8] s", 120)
    term.caption = "Any key waits."
    term.take()
    term.press(" ", "waits for Enter")
    term.hold(1)
    term.say("s: the disks, and what they hold. Nothing is written to find out.")
    term.press("s", "Disks for starts without an entry")
    term.hold(3)
    term.press("q", "q quit")
    term.say("e: this entry, this time with more memory.")
    term.press("e", r"\[ Start \]")
    term.type([DOWN] * 7 + [CTRL_U], 0.25)
    term.type("768M", 0.25)
    term.hold(1.5)
    term.say("F10 starts it: UEFI firmware in a virtual machine, the disk's own boot loader.")
    term.press(F10)
    term.wait_for("Debian GNU/Linux +[|\u2502]", 240)
    term.hold(1.5)
    term.press("\r")
    term.wait_for(PROMPT, 240)
    term.say("Debian, started by UEFI, on a machine whose flash has none.")
    term.enter("uname -sr; ls /sys/firmware/efi; grep ext4 /proc/mounts")
    term.wait_for(r" ext4 [\s\S]*\ndebian:/#$", 60)
    term.hold(2)
    term.say("^] . is the menu again. The guest goes on running.")
    term.press(PREFIX + ".", r"running +\S+, OS")
    term.hold(2)
    term.say("!: a shell of the machine itself, from any screen.")
    term.press("!", "Type exit")
    term.wait_for(r"#$", 20)
    term.enter("vmboot ctl status | head -n 6")
    term.settle()
    term.hold(2)
    term.enter("exit")
    term.wait_for("q quit", 60)
    term.say("Enter: back to the guest, which switches itself off.")
    term.press("\x1b[H\r")
    term.wait_for(PROMPT, 60)
    term.enter("poweroff -f")
    term.wait_for("The guest switched itself off", 120)
    term.say("That is all. `make run` opens this menu on your computer.", 3)


def main():
    settings = store("default = debian\ntimeout = 10\nrearm = 0\n", debian=ENTRY % ("Debian", ""),
                     overlay=ENTRY % ("Debian, nothing is written", ",overlay"))
    with Machine(menu=MENU, term="xterm-256color", sleep=True, disks=[debian_disk(), settings], files={FIRMWARE: CLOUDHV},
                 append="loop.max_loop=0") as machine:
        term = Recording(machine.child)
        try:
            operate(term)
        finally:
            term.take()
            term.save(CAST, "vmboot")
    make_gif(CAST, GIF)
    print("screenshots: %s, %.0f s" % (os.path.relpath(GIF, ROOT), term.time))


if __name__ == "__main__":
    main()
