"""The menu on a machine with a real NVMe disk, used as its operator uses it (points 6 and 7 of the first milestone)."""

import os
import time

import pexpect

from harness import BUILD, ROOT, expect, guest_disk, sample_disk
from machine import Machine
from terminal import Terminal, VgaConsole

READY = r"CLOUDHV\.fd +4M +PVH ELF[\s\S]*q quit"  # the main screen, with the sample disk's firmware found
ENDED = r"The guest switched itself off"
# With the prompt after it: what is typed while the script still runs is lost.
HELLO = r"Hello from the UEFI shell[\s\S]*Shell>"


def skip_countdown(term):
    """See machine.SHELL_COUNTDOWN. A key that comes before the shell listens is lost, so there are more of it."""
    term.wait_for(r"any other key to continue", 90)
    for _ in range(3):
        term.send("\r")
        time.sleep(0.5)


def start_and_greet(term, seconds=120, key="\r"):
    """KEY starts the firmware: EDK2 comes up and the sample disk's shell script says hello."""
    since = len(term.raw)
    term.send(key)
    # On the screen only for a moment, so looked for in what was drawn.
    term.wait_raw(rb"BdsDxe: starting", seconds, since)
    skip_countdown(term)
    term.wait_for(HELLO, 60)
    term.show("shell")


DOWN = "\x1b[B"
CTRL_U = "\x15"


def edit_a_machine(term):
    """From the list of firmware to the editor: memory, CPUs, a second disk as an overlay."""
    term.send("s")
    for word in ("nvme0n1p2", "xfs", "FIRMWARE", "nvme0n1p1", "vfat", "GUEST"):
        term.wait_for(word, 20)
    term.show("disks")
    term.send("q")
    term.wait_for(READY, 10)
    term.send("f")
    term.wait_for(r"sha256 [0-9a-f]{12}", 10)
    term.send("\r")
    term.wait_for(r"\[ Start \]", 10)
    term.send(DOWN * 7 + CTRL_U + "99G")
    term.wait_for(r"99G asked, this host has", 10)
    term.send(CTRL_U + "400M" + DOWN + CTRL_U + "2")
    # The machine has one CPU.
    term.wait_for(r"CPU count 2 > 1 host", 10)
    term.send(CTRL_U + "1")
    term.wait_for(r"400M of \S+ free +1(?: of |/)1 CPUs", 10)
    term.send("\x1b[A\x1b[A ")
    term.wait_for(r"Disks of CLOUDHV.fd", 10)
    term.send("\x1b[H" + DOWN * 3)  # Home, and past the first disk's two partitions
    term.wait_for(r"/dev/nvme1n1 ", 10)
    term.send("  ")
    term.wait_for(r"overlay +NVMe +nvme1n1", 10)
    term.send("q")
    term.wait_for(r"disks: nvme0n1 read-write, nvme1n1 overlay", 10)
    term.show("editor")


def test_operators_main_job():
    """Menu, editor, start, EDK2, shell, back to the menu with the VM running, again to it, power off, start again."""
    with Machine(menu="vmboot", disks=[sample_disk(), guest_disk("@echo -off")], sleep=True) as machine:
        term = Terminal(machine.child)
        term.wait_for(READY, 60)
        term.show("menu")
        # All is well, so nothing is worth a line of the log.
        term.send("l")
        term.wait_for("nothing logged yet", 10)
        term.send("q")
        term.wait_for(READY, 10)
        edit_a_machine(term)
        since = len(term.raw)
        start_and_greet(term, key="\x1b[21~")  # F10
        # The phases of the boot, in the status row: BDS for a moment, then the loader, here the shell.
        term.wait_raw(rb"BDS", 10, since)
        term.wait_for(r"running +\S+ +loader +\^\] menu", 10)

        term.send(b"\x1d.")
        term.wait_for(READY, 10)
        term.show("menu while the VM runs")
        term.wait_for(r"CLOUDHV.fd +running +\S+, loader", 10)
        term.send("\x1b[H\r")  # Home: the VM's line is the first
        term.wait_for(HELLO, 10)

        term.type("reset -s\r")
        term.wait_for(ENDED, 60)
        term.show("result")
        term.wait_for("Enter: .*, nvme0n1 read-write, nvme1n1 overlay", 10)
        term.send("m")
        term.wait_for(READY, 10)
        term.send("\t")  # to the next line that can be started
        term.wait_for("Enter starts .*/CLOUDHV.fd of /dev/nvme0n1p2", 10)
        start_and_greet(term)
        term.send(b"\x1dk")
        term.wait_for("y", 10)
        term.settle()
        term.show("question")
        term.send("y")
        term.wait_for("The VM ended", 20)
        term.show("killed")
        term.send("m")
        term.wait_for(READY, 10)
        term.send("q")
        expect(machine.wait(30) == 0, "the menu ends with exit status 0, and the machine with it")


def test_vga_console_and_second_menu():
    """A menu on the VGA screen by the machine's keyboard; another one on the serial line shows the same VM."""
    with Machine(menu="sh", menu_tty1="vmboot", disks=[sample_disk()], sleep=True) as machine:
        vga = VgaConsole(machine)
        print(vga.wait_for(READY, 60))
        vga.press("ret")
        vga.wait_for("any other key to continue", 120)
        vga.press("ret")
        print(vga.wait_for(HELLO, 60))
        picture = os.path.join(BUILD, "machine", "log", "vga.png")
        vga.picture(picture)
        with open(picture, "rb") as f:
            expect(f.read(8) == b"\x89PNG\r\n\x1a\n", "QEMU made a PNG")
        vga.type("reset -s\r")
        print(vga.wait_for(ENDED, 60))


def test_newcomer_runs_make_run():
    """`make run` under a pseudo-terminal, as a newcomer starts it, up to EDK2's output, and a clean way out."""
    child = pexpect.spawn("make", ["run"], cwd=ROOT, dimensions=(24, 80), timeout=60,
                          env=dict(os.environ, TERM="xterm-256color"))
    try:
        term = Terminal(child)
        term.wait_for(READY, 180)
        term.show("menu")
        start_and_greet(term)
        term.type("reset -s\r")
        term.wait_for(ENDED, 60)
        term.send("m")
        term.wait_for(READY, 10)
        term.send("q")
        child.expect(pexpect.EOF, timeout=240)
        child.close()
        expect(child.exitstatus == 0, "`make run` ends with exit status 0, not %s" % child.exitstatus)
    finally:
        child.close(force=True)
