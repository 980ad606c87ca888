"""Several consoles of one machine, and EDK2's own screens through the menu's console view."""

import os
import re

from harness import BUILD, expect, guest_disk, sample_disk, slow
from machine import Machine
from terminal import Terminal
from test_menu import HELLO, READY, edit_a_machine, skip_countdown

DOWN, HOME, DELETE, F10 = "\x1b[B", "\x1b[H", "\x1b[3~", "\x1b[21~"
DAEMON = "vmboot daemon --log /run/daemon.log & while [ ! -S /run/vmboot/daemon.sock ]; do sleep 0.2; done; "
WAIT = "while [ ! -S /run/vmboot/daemon.sock ]; do sleep 0.2; done; "


@slow
def test_one_session_on_serial_and_vga():
    """Pick firmware, edit memory and CPUs, attach a disk, boot, watch EDK2, both consoles, shell, report, power off."""
    disks = [sample_disk(), guest_disk("@echo -off", "echo the guest's own script")]
    with Machine(menu=DAEMON + "vmboot", menu_tty1=WAIT + "vmboot", disks=disks, sleep=True) as machine:
        term = Terminal(machine.child)
        term.wait_for(READY, 60)
        edit_a_machine(term)
        term.show("edited")
        term.send("\x18")  # ^X starts from the editor
        term.wait_raw(rb"BdsDxe: starting", 180)
        skip_countdown(term)
        term.wait_for(HELLO, 90)
        term.wait_for(r"\^\] menu +.*log: on", 10)
        term.show("EDK2 on the serial line")

        # The other console looks on, then takes the keyboard; what it types is seen here.
        machine.sendkeys("home", "ret")
        term.settle(3)
        machine.sendkeys("shift-t")
        term.wait_for(r"tty1 has the keyboard - press T to take it", 30)
        for key in ("v", "e", "r", "ret"):
            machine.sendkeys(key)
        term.wait_for(r"> ?ver\n[\s\S]*UEFI v2", 30)
        term.send("x")
        picture = os.path.join(BUILD, "machine", "log", "vga-console.png")
        machine.screendump(picture)
        term.send("T")
        term.wait_for("has the keyboard", 30, gone=True)
        term.type("echo se^rial\r")
        term.wait_for("^serial", 30)

        # Back, the shell, and a report that lies where the shell can read it.
        term.send(b"\x1d.")
        term.wait_for("running", 10)
        term.send("!")
        term.wait_for("Type exit to return to the menu", 10)
        term.wait_for("goes on running", 10)
        term.type("grep -c BdsDxe /run/vmboot/console.log; exit\r")
        term.wait_for(r"returned from shell \(exit 0\)", 20)
        term.send("l")
        term.wait_for(r"(daemon|vmm) +\S", 20)
        term.send("s")
        term.wait_for("Save a report", 10)
        term.send("\x1b[F\r")
        term.wait_for(r"The report is in \S+/vmboot-report-", 60)
        term.send("q!")
        term.wait_for("Type exit to return to the menu", 10)
        term.type("cat /var/lib/vmboot/vmboot-report-*/system.txt /tmp/vmboot-report-*/system.txt | grep -c Kernel; exit\r")
        term.wait_for(r"returned from shell \(exit 0\)", 20)
        term.show("after the report")

        # The host's power: the VM is ended first.
        term.send("Po")
        term.wait_for("is running and is ended first", 10)
        term.send("y")
        expect(machine.proc.wait(240) == 0, "the machine switched itself off")


@slow
def test_edk2_takes_every_key():
    """CLOUDHV.fd's boot manager menu by a key at its prompt; Home and Delete in its shell, F10 saves in its set-up."""
    with Machine(menu="vmboot", disks=[sample_disk()], sleep=True, term="xterm") as machine:
        term = Terminal(machine.child)
        term.wait_for(READY, 60)
        # Without its disks, so that there is nothing to boot.
        term.send("f")
        term.wait_for("sha256 [0-9a-f]{12}", 10)
        term.send("\r")
        term.wait_for(r"\[ Start \]", 10)
        detach_all(term)
        term.send("\x18")
        to_boot_manager(term)
        # The shell is the second of two.
        term.send(DOWN)
        term.settle()
        term.send("\r")
        skip_countdown(term)
        term.wait_for("Shell>", 60)
        home_and_delete(term, HOME, DELETE)
        kill(term)
        term.send("\r")  # the same machine again
        to_boot_manager(term)
        term.send("\r")
        term.wait_for("Boot Maintenance Manager", 90)
        change_and_press_f10(term, F10)
        term.send("y")
        term.wait_for(r"Press 'Y'", 30, gone=True)
        kill(term)


def home_and_delete(term, home, delete):
    """In EDK2's shell: Delete takes the x away at the line's beginning, where Home went."""
    term.type("xecho at-home")
    for key in (home, delete, "\r"):
        term.settle()
        term.send(key)
    term.wait_for("^at-home", 30)
    term.show("Home and Delete")


def change_and_press_f10(term, f10):
    """From EDK2's set-up to a value that is changed; F10 asks whether to save it."""
    go_to(term, r"(?i)boot\s+maintenance")
    term.send("\r")
    term.wait_for("Auto Boot Time-out", 60)
    go_to(term, "(?i)boot delay|Range:|seconds")
    term.send("\r")
    term.settle()
    term.type("7\r")
    term.settle()
    term.show("changed")
    term.send(f10)
    term.wait_for(r"(?i)save .*changes|Press 'Y'", 30)
    term.show("F10")


def to_boot_manager(term):
    """Nothing to boot: EDK2 says so, and a key brings its list of what there is."""
    term.wait_for("any key to enter the Boot Manager", 180)
    term.send("\r")
    term.wait_for("Please select boot device", 90)
    term.settle()
    term.show("boot manager")


def kill(term):
    term.send(b"\x1dk")
    term.wait_for("Kill it", 10)
    term.send("y")
    term.wait_for("The VM ended", 20)


def detach_all(term):
    """In the editor: no disk is attached."""
    term.send(DOWN * 6 + " ")
    term.wait_for("Disks of", 10)
    term.settle()  # the title is painted first
    term.send(HOME)
    term.settle()
    attached = r"(read-write|read-only|overlay) +NVMe +nvme0n1"
    for _ in range(3):
        if re.search(attached, term.text()):
            term.send(" ")
            term.settle()
    term.wait_for(attached, 5, gone=True)
    term.show("disks of the machine")
    term.send("q")
    term.wait_for(r"\[ Start \]", 10)


def go_to(term, pattern):
    """Down until the help on the right is about it."""
    for _ in range(12):
        term.settle()
        if re.search(pattern, "\n".join(line[52:] for line in term.text().split("\n"))):
            return
        term.send(DOWN)
    raise AssertionError("no help about %r:\n%s" % (pattern, term.text()))
