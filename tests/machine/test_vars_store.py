"""UEFI variables of the appliance lie on the partition labelled VMBOOT: what a guest has set is there when the machine was
off."""

import os
import subprocess

from harness import CLOUDHV, disk_file, expect, guest_disk, slow
from machine import Machine
from terminal import Terminal
from test_menu import skip_countdown
from test_settings import store

VARIABLE = "VmbTest -guid 5a1e3b0c-7d2f-4e68-9b1a-2c3d4e5f6071"
VARS = "serial-TEST1.vars"
SIZE = 0x84000
ENTRY = "title = Shell\nfirmware = /firmware/CLOUDHV.fd\nmemory = 128M\ndisk = serial:TEST1\nafter = poweroff\n"
SETTINGS = "default = a\ntimeout = 1\n"
SBIN = dict(os.environ, PATH=os.environ["PATH"] + ":/usr/sbin:/sbin")


def script(*then):
    """Says in a file whether the variable was there, sets it, and does THEN."""
    return guest_disk("@echo -off", "fs0:", "setvar " + VARIABLE, "if %lasterror% == 0x0 then", "  echo it was there > said.txt",
                      "else", "  setvar " + VARIABLE + " -nv -bs -rt =4142434445", "  echo it is new > said.txt", "endif", *then)


def boot(*disks):
    return Machine(init=True, sleep=True, disks=[disk + ",virtio" for disk in disks], files={"firmware/CLOUDHV.fd": CLOUDHV})


def run_until_off(*disks):
    with boot(*disks) as machine:
        term = Terminal(machine.child)
        term.wait_for(r"Enter: console", 60)
        term.send("\r")
        skip_countdown(term)
        term.wait_raw(rb"reboot: Power down", 300)
        expect(machine.proc.wait(60) == 0, "the machine is off")


def variables(settings, name=VARS):
    done = subprocess.run(["mtype", "-i", settings, "::/" + name], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          check=False)
    return done.stdout


def has_variable(settings):
    data = variables(settings)
    return len(data) == SIZE and "VmbTest".encode("utf-16-le") in data


def expect_clean(settings):
    done = subprocess.run(["fsck.fat", "-n", settings], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                          text=True, env=SBIN)
    expect(done.returncode == 0, "the file system is clean: " + done.stdout)


@slow
def test_variables_survive_the_machine():
    settings, guest = store(SETTINGS, a=ENTRY), script("reset -s")
    run_until_off(settings, guest)
    expect("it is new" in disk_file(guest, "said.txt"), "the first start begins without variables")
    expect(has_variable(settings), "they are on the store's partition")
    expect_clean(settings)
    run_until_off(settings, guest)
    expect("it was there" in disk_file(guest, "said.txt"), "the second one has them")
    expect_clean(settings)


@slow
def test_store_on_the_disk_of_the_guest():
    """While the guest has the disk nobody writes to its partition VMBOOT; what is to be there is when the guest has ended."""
    disk, size_mib = script("reset -s"), 66
    settings = store(SETTINGS, a=ENTRY.replace("TEST1", "TEST0"))
    os.truncate(disk, (size_mib + 18) << 20)
    subprocess.run(["sgdisk", "--move-second-header", "--new=2:%dM:+16M" % size_mib, disk], check=True,
                   stdout=subprocess.DEVNULL, env=SBIN)
    subprocess.run(["dd", "if=" + settings, "of=" + disk, "bs=1M", "seek=%d" % size_mib, "conv=notrunc", "status=none"], check=True)
    for said in ("it is new", "it was there"):
        run_until_off(disk)
        expect(said in disk_file(disk, "said.txt"), said)
    subprocess.run(["dd", "if=" + disk, "of=" + settings, "bs=1M", "skip=%d" % size_mib, "count=16", "status=none"], check=True)
    expect(len(variables(settings, "serial-TEST0.vars")) == SIZE, "they are on the partition")
    expect_clean(settings)
