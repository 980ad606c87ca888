"""Settings on a partition labelled VMBOOT: entries survive the machine, the countdown starts the default, and a start
that was cut off falls back to the next entry."""

import os
import subprocess

import machine
from guest import VMLINUZ, initramfs
from harness import expect, expect_text, plain, run, scratch, sha256

# Says which entry it is and which disks it has, then does what the entry's command line says.
INIT = r"""echo "guest: $(cat /proc/cmdline)"
case $(cat /proc/cmdline) in *stay*) sleep 1000;; esac
poweroff -f
"""


def store(settings, **entries):
    """A disk with one FAT labelled VMBOOT: vmboot.conf and entries/NAME.conf."""
    image = os.path.join(scratch(), "store.img")
    with open(image, "wb") as f:
        f.truncate(16 << 20)
    subprocess.run(["mkfs.vfat", "-n", "VMBOOT", image], check=True, stdout=subprocess.DEVNULL)
    write(image, "vmboot.conf", settings)
    subprocess.run(["mmd", "-i", image, "::/entries"], check=True)
    for name, text in entries.items():
        write(image, "entries/%s.conf" % name, text)
    return image


def write(image, name, text):
    subprocess.run(["mcopy", "-i", image, "-", "::/" + name], input=text.encode(), check=True)


def read(image, name):
    done = subprocess.run(["mtype", "-i", image, "::/" + name], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          check=False)
    return done.stdout.decode(errors="replace")


def entry(options, more=""):
    return "kernel = /k/vmlinuz\ninitrd = /k/initrd\noptions = console=ttyS0 quiet %s\nmemory = 256M\n%s" % (options, more)


# The daemon, and until its settings are there.
DAEMON = """vmboot daemon --log /tmp/log & until vmboot ctl entries 2>/dev/null | grep -q .; do sleep 0.2; done
"""


def test_an_entry_survives_the_machine():
    image = store("timeout = off\n", first=entry("one"))
    before = sha256(image)
    # On a clock, as the reading of a disk takes real time: else the daemon's patience is over at once.
    got = run(DAEMON + "vmboot ctl entries", disks=[image], sleep=True)
    expect_text(plain(got.output), "first ")
    expect(sha256(image) == before, "reading the settings writes nothing to their disk")
    got = run(DAEMON + "vmboot ctl copy first 'Second one' && vmboot ctl default second-one && vmboot ctl entries; "
              "grep -q vfat /proc/mounts && echo still mounted", disks=[image], sleep=True)
    out = plain(got.output)
    expect_text(out, "second-one ", "[default]")
    expect("still mounted" not in out, "the partition is mounted only for the moment of a write")
    expect("title = Second one" in read(image, "entries/second-one.conf"), "the entry is on the disk")
    expect("default = second-one" in read(image, "vmboot.conf"), "and what is default, too")
    got = run(DAEMON + "vmboot ctl entries", disks=[image], sleep=True)
    expect_text(plain(got.output), "second-one ", "Second one [default]")
    expect(subprocess.run(["fsck.vfat", "-n", image], stdout=subprocess.DEVNULL, check=False).returncode == 0,
           "the file system is whole")


WAIT_END = """until vmboot ctl list | grep -q 'ended\\|none\\|No virtual'; do sleep 1; done
vmboot ctl console; cat /tmp/log"""


def test_the_countdown_starts_the_default_and_counts():
    image = store("timeout = 3\ndefault = b\n", a=entry("this-is-a"), b=entry("this-is-b", "tries = 2\n"))
    files = {"k/vmlinuz": VMLINUZ, "k/initrd": initramfs(INIT)}
    got = run(DAEMON + "until vmboot ctl console | grep -q guest:; do sleep 1; done\nsleep 1\n" + WAIT_END,
              disks=[image], files=files, sleep=True, timeout=400)
    expect_text(plain(got.output), "guest: ", "this-is-b")
    expect("this-is-a" not in plain(got.output), "no other entry starts")
    expect("\nfailed = b" not in read(image, "state.conf"), "what switched itself off has worked")


def test_a_cut_boot_falls_back_to_the_next_entry():
    """The machine is switched off while the entry starts: as often as its tries say, then the next one has its turn."""
    image = store("timeout = 1\ndefault = b\n", b=entry("this-is-b stay", "tries = 1\n"), c=entry("this-is-c"))
    files = {"k/vmlinuz": VMLINUZ, "k/initrd": initramfs(INIT)}
    try:
        run(DAEMON + "until vmboot ctl status >/dev/null 2>&1; do sleep 0.1; done\n"
            "echo o >/proc/sysrq-trigger; sleep 100", disks=[image], files=files, sleep=True, timeout=400)
        expect(False, "the machine goes off without a word")
    except machine.MachineError:
        pass
    expect("failed = b 1" in read(image, "state.conf"), "the start is counted on the disk before it happens")
    got = run(DAEMON + "until vmboot ctl console | grep -q guest:; do sleep 1; done\nsleep 1\n" + WAIT_END,
              disks=[image], files=files, sleep=True, timeout=400)
    expect_text(plain(got.output), "guest: ", "this-is-c")
    expect("this-is-b" not in plain(got.output), "the entry whose tries are used up is left out")
