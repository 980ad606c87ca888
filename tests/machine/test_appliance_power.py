"""Power that goes while the appliance works: at 100 moments of a session, on each disk that is written."""

import hashlib
import os
import random
import re
import shutil
import subprocess

import write_log
from harness import expect, scratch
from machine import Machine
from terminal import Terminal
from test_appliance import READY, debian_disk, output, root_of
from test_fat import is_clean, mend
from test_settings import read, store
from test_vars_store import SIZE, variables

CUTS = 100
# In the boot sector of the FAT12 or FAT16 that store() makes: fat16.state in struct fat_boot_sector of <linux/msdos_fs.h>.
FAT_STATE, FAT_DIRTY = 0x25, 1
SETTINGS = "default = debian\ntimeout = 1\n"
ENTRY = ("title = Debian\nmemory = 512M\ndisk = serial:TEST1\nfirmware = /usr/share/cloudhv-efi-x86-64/CLOUDHV.fd\n"
         "after = poweroff\n")


def session():
    """Debian starts by itself, writes to its root and takes the machine along: [(image before, its writes)] of each disk."""
    folder = scratch()
    disks, arguments = [], []
    for i, image in enumerate((store(SETTINGS, debian=ENTRY), debian_disk())):
        before, log = (os.path.join(folder, "disk%d.%s" % (i, kind)) for kind in ("before", "log"))
        subprocess.run(["cp", "--sparse=always", image, before], check=True)
        arguments += write_log.device("disk%d" % i, image, log, "TEST%d" % i)
        disks.append((before, log))
    with Machine(boot=["-kernel", output("vmboot-linux")], sleep=True, mem="3G", qemu_args=arguments) as machine:
        Terminal(machine.child).wait_raw(rb"reboot: Power down", 600)
        expect(machine.proc.wait(240) == 0, "the machine is off")
    return [(before, write_log.read(log)) for before, log in disks]


def within_saves(writes):
    """For each moment whether something is being saved: from the mark that a FAT is in use until it is gone for good."""
    saving, cleared, moments = False, False, [False]
    for sector, flags, data in writes:
        if sector == 0 and data:
            saving, cleared = True, not data[FAT_STATE] & FAT_DIRTY
        elif flags & write_log.FLUSH and cleared:
            saving = False
        moments.append(saving)
    return moments


def check(*command):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                          text=True)
    return done.returncode, done.stdout


def check_settings(image, saving):
    """What nobody wrote is as it was, and state.conf and the guest's variables are all old or all new.

    FAT has no journal: a mark that it was in use, blocks of nobody and an unfinished file are what a cut while something is
    SAVING leaves, at any other moment nothing. It is gone at the next start, by the program that the appliance then starts.
    """
    expect(saving or is_clean(image), "not clean, although nothing was being saved")
    mend(image)
    expect(is_clean(image), "not clean after the next start")
    expect(read(image, "vmboot.conf") == SETTINGS and read(image, "entries/debian.conf") == ENTRY, "settings are as they were")
    state = read(image, "state.conf")
    expect(re.fullmatch(r"(#.*\n(failed = debian 1\n)?)?", state), "state.conf is old or new, not %r" % state)
    kept = variables(image)
    expect(not kept or (len(kept) == SIZE and kept[0x28:0x2C] == b"_FVH"), "variables are none or whole: %d bytes" % len(kept))
    return state, hashlib.sha256(kept).hexdigest()[:8]


def check_next_start(image):
    """The appliance itself, with a disk that a cut left in the middle of a save; and with another cut while it mends that."""
    settings = read(image, "state.conf"), variables(image)
    folder = scratch()
    before, log, left = (os.path.join(folder, name) for name in ("before", "log", "left"))
    shutil.copy(image, before)
    with Machine(boot=["-kernel", output("vmboot-linux"), "-append", "vmboot.timeout=off"], sleep=True, mem="1G",
                 qemu_args=write_log.device("disk0", image, log, "TEST0")) as machine:
        term = Terminal(machine.child)
        term.wait_for(READY, 240)
        term.send("l")
        term.wait_for("the power went while /dev/nvme0n1", 60)  # the rest of that line may be beyond the screen
        machine.monitor.execute("system_powerdown")
        term.wait_raw(rb"reboot: Power down", 60)
        expect(machine.proc.wait(120) == 0, "the machine is off")
    expect(is_clean(image), "not clean after the next start")
    expect((read(image, "state.conf"), variables(image)) == settings, "and settings are what they were")
    names = subprocess.run(["mdir", "-b", "-a", "-i", image, "::/", "::/entries"], stdout=subprocess.PIPE, check=True, text=True)
    expect(not re.search(r"VMBOOT\.(NEW|DIR)|FSCK\d", names.stdout), "something of an unfinished save is left: " + names.stdout)
    writes = write_log.read(log)
    for at in range(len(writes) + 1):
        write_log.cut(before, writes, at, left, random.Random(at))
        mend(left)
        expect(is_clean(left), "not clean after a cut at %d while it was mended" % at)
        expect((read(left, "state.conf"), variables(left)) == settings, "and settings are what they were")


def check_root(disk):
    """Debian's ext4: its journal makes it whole, as the next mount does."""
    root = root_of(disk)
    check("e2fsck", "-E", "journal_only", "-y", root)
    status, said = check("e2fsck", "-fn", root)
    expect(status == 0, "e2fsck: " + said)


def test_power_may_go_at_any_moment():
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    (settings, settings_writes), (debian, debian_writes) = session()
    print("%d and %d writes and flushes" % (len(settings_writes), len(debian_writes)))
    expect(settings_writes and debian_writes, "both disks were written to")
    left = os.path.join(scratch(), "left.img")
    states, unclean = set(), None
    saving = within_saves(settings_writes)
    expect(saving.count(False) > 2, "between saves there are moments without one")
    quiet = [(at, random.Random(at)) for at, is_saving in enumerate(saving) if not is_saving]
    for at, chance in quiet + list(write_log.moments(settings_writes, CUTS, 1)):
        write_log.cut(settings, settings_writes, at, left, chance)
        if not unclean and not is_clean(left):
            unclean = os.path.join(scratch(), "unclean.img")
            shutil.copy(left, unclean)
        states.add(check_settings(left, saving[at]))
    print("state.conf and variables were one of", sorted(states))
    for i, what in enumerate(("state.conf", "the variables")):
        expect(len({state[i] for state in states}) > 1, "some cuts were before, some after %s were written" % what)
    expect(unclean, "some cuts were within a save")
    check_next_start(unclean)
    for at, chance in write_log.moments(debian_writes, CUTS, 2):
        write_log.cut(debian, debian_writes, at, left, chance)
        check_root(left)
