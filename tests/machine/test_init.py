"""vmboot as PID 1: a menu on each of the kernel's consoles, what happens when one of the processes or everything is
broken, and the ways to switch the machine off."""

import os
import struct
import time

import pexpect
from guest import VMLINUZ, initramfs
from harness import ROOT, expect, sample_disk, scratch
from machine import KERNEL, SHORTCUTS, VMBOOT, Machine, cpio
from terminal import Terminal, VgaConsole
from test_fat import fsck_files, is_clean, leave_unfinished
from test_settings import entry, read, store

MENU = r"\d+ disks?, \d+ firmware image"
SHELL = "Type exit"
PROMPT = rb"# (?:\x1b\[6n)?$"

# on TTY: the process that has it, as its menu or shell
ON = "on() { for p in /proc/[0-9]*; do [ \"$(readlink $p/fd/0)\" = /dev/$1 ] && echo ${p#/proc/}; done; }\r"


def boot(append="", **options):
    return Machine(init=True, sleep=True, append=append, **options)


def shell_sees(term, pattern, before=""):
    """Waits, in a shell, until the VGA console shows PATTERN (grep's): it is painted in its own time."""
    shell(term, "%suntil grep -q '%s' /dev/vcs1; do sleep 0.2; done; echo se''en" % (before, pattern), rb"\nseen\r", 60)


def shell(term, line, answer, seconds=30):
    """Types LINE into a shell and waits for ANSWER among what comes then."""
    at = len(term.raw)
    term.send(line + "\r")
    return term.wait_raw(answer, seconds, at)


def type_on_vga(machine, text):
    machine.sendkeys(*(dict(VgaConsole.KEYS, **{";": "semicolon"}).get(key) or
                       ("shift-" + key.lower() if key.isupper() else key) for key in text))


def spcr():
    """QEMU's arguments for a board whose firmware has its console on the second serial line, at 57600 bits a second."""
    table = bytearray(80)
    struct.pack_into("<4sIBB6s8sI4sI", table, 0, b"SPCR", len(table), 2, 0, b"VMBOOT", b"TESTSPCR", 1, b"TEST", 1)
    struct.pack_into("<BBBBQ", table, 40, 1, 8, 0, 1, 0x2f8)
    table[58] = 6
    table[9] = -sum(table) & 0xff
    path = os.path.join(scratch(), "spcr")
    with open(path, "wb") as f:
        f.write(table)
    return ["-acpitable", "file=" + path]


class Tail:
    """What is appended to a file, as pexpect's children give it."""

    def __init__(self, path):
        self.file = open(path, "rb")

    def read_nonblocking(self, size, timeout):
        data = self.file.read(size)
        if not data:
            time.sleep(timeout)
            raise pexpect.TIMEOUT("nothing more yet")
        return data


def test_menus_on_every_console_come_back():
    with boot("vmboot.net=dhcp,eth9", disks=[sample_disk() + ",virtio"], qemu_args=spcr()) as machine:
        term = Terminal(machine.child)
        # The disk, its file systems and KVM are modules here, all found by their aliases.
        term.wait_for("x86-64 KVM ok", 90)
        term.wait_for("CLOUDHV.fd +4M +PVH ELF", 60)
        # Nobody reads the board's own console but this file: a menu of its own is painted there, too.
        boards_own = Terminal(Tail(machine.control_path))
        boards_own.wait_for("CLOUDHV.fd +4M +PVH ELF", 120)
        term.send("!")
        term.wait_for(SHELL, 20)
        term.send(ON)
        shell_sees(term, "CLOUDHV.fd.*PVH ELF")
        shell(term, "echo $PPID $(on ttyS0)", rb"\n\d+ \d+")
        # The board's own console is none of the kernel's.
        shell(term, "grep -c ttyS1 /proc/consoles; stty -F /dev/ttyS1; echo :$(on ttyS1):",
              rb"\n0\r\n(?s:.*)speed 57600 baud(?s:.*)\n:\d+:\r")

        # A menu that crashes is started again, and its console says so.
        shell(term, "for p in $(on tty1); do kill -SEGV $p; done; i=0; while [ $i -lt 40 ]; do i=$((i+1)); "
              "grep -o 'menu on tty1 was ended by signal 11 .*again' /dev/vcs1 && break; usleep 50000; done",
              rb"\nmenu on tty1 was ended by signal 11 \(Segmentation fault\); it is started again")
        shell_sees(term, "CLOUDHV.fd.*PVH ELF", "sleep 3; ")

        # So is the daemon; the menus come back to the new one, which says what happened to the last.
        term.send("kill -9 $(ps | grep '[v]mboot daemon' | awk '{print $1}')\r")
        term.wait_for(SHELL, 30, gone=True)
        term.wait_for("CLOUDHV.fd +4M +PVH ELF", 60)
        term.send("l")
        term.wait_for("the daemon was ended by signal 9", 20)
        term.wait_for("vmboot.net=dhcp,eth9: there is", 20)
        term.send("q!")
        term.wait_for(SHELL, 20)
        shell_sees(term, "CLOUDHV.fd.*PVH ELF", "sleep 2; ")

        # The power button of the board, which no guest is there to hear of.
        machine.monitor.execute("system_powerdown")
        term.wait_raw(rb"reboot: Power down", 60)
        expect(machine.proc.wait(120) == 0, "the machine is off")


def test_the_kernels_command_line():
    """What it says of vmboot, and of the network: one card gets no answer, as its cable is out, the other one comes later."""
    slots = ("-device", "pcie-root-port,id=rp1,chassis=1", "-device", "pcie-root-port,id=rp2,chassis=2", "-netdev", "user,id=net",
             "-netdev", "hubport,id=nobody,hubid=0", "-device", "virtio-net-pci,netdev=nobody,id=unplugged")
    files = dict(fsck_files(), **{"etc/udhcpc/default.script": os.path.join(ROOT, "appliance", "udhcpc.script")})
    settings = store("shell = no\n")
    leave_unfinished(settings)
    options = "vmboot.shell vmboot.debug vmboot.bogus=1 vmboot.timeout=soon vmboot.net=dhcp"
    with boot(options, disks=[settings + ",virtio"], files=files, qemu_args=slots) as machine:
        machine.monitor.execute("set_link", name="unplugged", up=False)
        term = Terminal(machine.child)
        term.wait_for("recovery shell", 90)
        term.wait_raw(PROMPT, 30)
        shell(term, "dmesg | grep -c 'init debug: modprobe pci:'", rb"\n[1-9]\d*\r")
        # A controller that comes while the machine runs, whose driver is a module, and a card: its address is the server's.
        shell(term, "lsmod | grep -c '^virtio_scsi'", rb"\n0\r")
        machine.monitor.execute("device_add", driver="virtio-scsi-pci", bus="rp2", id="scsi")
        machine.monitor.execute("device_add", driver="virtio-net-pci", bus="rp1", netdev="net", id="card")
        shell(term, "until lsmod | grep '^virtio_scsi'; do sleep 1; done", rb"\nvirtio_scsi", 60)
        shell(term, "until ip route | grep 'default via 10.0.2.2'; do sleep 1; done; ip addr; cat /etc/resolv.conf",
              rb"(?s)\ndefault via 10.0.2.2 dev eth1.*inet 10.0.2.15/24.*nameserver 10.0.2.3", 60)
        shell(term, "ip addr show eth0; pidof udhcpc | wc -w", rb"(?s)\n\d+: eth0: <NO-CARRIER(?:(?!inet ).)*\n2\r")
        # A client that ends is started again.
        shell(term, "kill $(pidof udhcpc); sleep 1; until [ $(pidof udhcpc | wc -w) = 2 ]; do sleep 1; done; echo ba''ck", rb"\nback\r", 60)
        shell(term, "ps | grep -c '[v]mboot daemon'", rb"\n0\r")
        shell(term, "date +%Y; hostname; tty", rb"\n2026\r\nvmboot\r\n/dev/ttyS0\r")
        shell_sees(term, "recovery shell")
        term.send("exit\r")
        term.wait_for(r"\[!2\]", 60)
        term.send("l")
        term.wait_for("vmboot.bogus=1 is not underst", 20)
        term.wait_for("the power went while /dev/vda", 20)
        # The settings give no shell, so init offers none either. The other console still has its first one, to see it with.
        type_on_vga(machine, "until ls /run/vmboot/no-shell >/dev/ttyS0; do sleep 1; done\r")
        term.wait_raw(rb"/run/vmboot/no-shell", 60)
        term.send("q!")
        term.wait_for("shell disabled by policy", 20)
        machine.sendkeys("ctrl-alt-delete")
        term.wait_raw(rb"reboot: Restarting system", 60)
        expect(machine.proc.wait(120) == 0, "QEMU ends where the machine would start again")
    expect(is_clean(settings) and read(settings, "vmboot.conf") == "shell = no\n", "what a power cut had left is mended")


def test_broken_everything_gets_to_the_shell():
    """No KVM, no socket for a daemon, settings that are none, a menu that crashes again and again."""
    with boot("vmboot.shell vmboot.config=/nowhere/at/all", cpu="EPYC,-svm") as machine:
        term = Terminal(machine.child)
        term.wait_raw(PROMPT, 90)
        shell(term, "mkdir -p /run/vmboot/daemon.sock/x; echo done", rb"\ndone\r")
        term.send("exit\r")
        term.wait_for("no KVM", 90)
        for again in (rb"it is started again", rb"it is started again", rb"again and again.*s gives a shell"):
            term.send("!")
            term.wait_for(SHELL, 30)
            term.wait_raw(PROMPT, 30)
            at = len(term.raw)
            term.send("kill -SEGV $PPID\r")
            term.wait_raw(rb"(?s)the menu on ttyS0 was ended by signal 11 .*" + again, 30, at)
            if b"shell" not in again:
                term.wait_for("no KVM", 60)
        at = len(term.raw)
        term.send("s")
        term.wait_raw(rb"recovery shell[\s\S]*?" + PROMPT, 30, at)
        term.send("poweroff\r")
        term.wait_raw(rb"reboot: Power down", 60)
        expect(machine.proc.wait(120) == 0, "the machine is off")


def test_with_nothing_but_the_program():
    """An initramfs with one file in it, settings that are none, little memory, and a clock whose battery is empty."""
    archive = os.path.join(scratch(), "initrd")
    with open(VMBOOT, "rb") as program, open(archive, "wb") as f:
        f.write(cpio.archive({"init": (program.read(), 0o755), "etc/vmboot/vmboot.conf": (b"\0\xff[[[=\ntimeout", 0o644),
                              "etc/vmboot/entries/x.conf": (b"\0" * 99, 0o644)}))
    append = "console=tty0 console=ttyS0,115200 quiet " + SHORTCUTS + " nolapic_timer"
    with Machine(boot=["-kernel", KERNEL, "-initrd", archive, "-append", append], disks=[sample_disk()], sleep=True, mem="128M",
                 qemu_args=["-rtc", "base=1999-12-31T12:00:00"]) as machine:
        term = Terminal(machine.child)
        term.wait_for("no KVM", 90)
        term.wait_for(r"nvme0n1[\s\S]*q quit", 60)
        term.show("menu")
        term.send("l")
        term.wait_for("the clock says 1999-12-31: the board", 20)
        term.wait_for(r"vmboot\.conf:1:", 20)
        term.show("log")
        term.send("q!")
        term.wait_for("There is no shell: neither .SHELL nor /bin/sh can be run", 20)
        machine.sendkeys("ctrl-alt-delete")
        term.wait_raw(rb"reboot: Restarting system", 60)
        expect(machine.proc.wait(120) == 0, "QEMU ends where the machine would start again")


def test_the_machine_follows_its_guest():
    """Entry and countdown of the kernel's command line start a guest from the partition VMBOOT; its power-off is ours."""
    image = store("timeout = off\n", a=entry("guest-a", "title = Kiosk\nafter = poweroff\n"), b=entry("guest-b"))
    files = {"k/vmlinuz": VMLINUZ, "k/initrd": initramfs("echo guest: $(cat /proc/cmdline); poweroff -f")}
    with boot("vmboot.entry=a vmboot.timeout=1", disks=[image + ",virtio"], files=files) as machine:
        term = Terminal(machine.child)
        term.wait_for("Starting Kiosk in", 90)
        term.wait_for(r"Switching off in \d s - any key to stay on +\(Kiosk has ended\)", 120)
        term.show("after the guest")
        expect(b"guest-b" not in term.raw, "the entry that was named has started")
        term.wait_raw(rb"reboot: Power down", 60)
        expect(machine.proc.wait(120) == 0, "the machine is off")


# Says when it can hear the button, and hears it.
BUTTON = r"""
sh -c 'echo "guest: listens" >/dev/console; dd bs=24 count=1 of=/dev/null 2>/dev/null' </dev/input/event0
echo "guest: button"
poweroff -f
"""


def test_the_power_button_is_for_the_guest_first():
    image = store("timeout = 1\ndefault = a\n", a=entry("panic=0"))
    files = {"k/vmlinuz": VMLINUZ, "k/initrd": initramfs(BUTTON, ("button", "evdev"))}
    with boot(disks=[image + ",virtio"], files=files) as machine:
        term = Terminal(machine.child)
        term.wait_for("a +running", 90)
        term.send("\r")
        term.wait_for("guest: listens", 120)
        machine.monitor.execute("system_powerdown")
        term.wait_raw(rb"A virtual machine is told to switch itself off first", 60)
        term.wait_raw(rb"reboot: Power down", 60)
        expect(machine.proc.wait(120) == 0, "the machine is off")
    expect("\nfailed = a" not in read(image, "state.conf"), "the guest has switched itself off: that start has worked")
