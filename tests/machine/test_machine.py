"""The test machine itself: what the other tests take for granted."""

import os
import subprocess
import time

import pexpect

import machine
from harness import CLOUDHV, ROOT, expect, expect_text, plain, run, sample_disk, scratch, sha256


def test_kvm_and_exit_status():
    """Nor is anything lost of the last that is printed, when whoever reads it has better things to do."""
    lines = "".join("%d\n" % n for n in range(1, 1501))
    got = machine.run("test -c /dev/kvm && grep -c '^kvm_amd ' /proc/modules; seq 1 1500; exit 42", vmboot=False,
                      stream=lambda data: time.sleep(0.02))
    expect(got.status == 42, "the command's exit status comes out")
    expect(plain(got.output).endswith("1\n" + lines), "all that was printed comes, and nothing behind it")


def test_sample_disk_holds_firmware():
    """mkfs.xfs's prototype and mtools made what the kernel reads."""
    got = run("mount -t xfs -o ro,norecovery /dev/nvme0n1p2 /mnt && cmp /mnt/CLOUDHV.fd /firmware/CLOUDHV.fd && "
              "mkdir /fat && mount -t vfat -o ro /dev/nvme0n1p1 /fat && test -s /fat/EFI/BOOT/BOOTX64.EFI && "
              "echo both are there", disks=[sample_disk() + ",ro"], vmboot=False)
    expect(got.status == 0, "the commands work")
    expect_text(got.output, "both are there")


def test_firmware_is_found_on_fat_ext4_and_xfs():
    """Whole disks with a file system each, as sticks are; looking at them changes nothing, on any."""
    folder = scratch()
    fat, ext4 = os.path.join(folder, "fat.img"), os.path.join(folder, "ext4.img")
    for image in (fat, ext4):
        subprocess.run(["truncate", "-s", "64M", image], check=True)
    subprocess.run(["/sbin/mkfs.fat", "-n", "STICK", fat], stdout=subprocess.DEVNULL, check=True)
    subprocess.run(["mmd", "-i", fat, "::/firmware"], check=True)
    subprocess.run(["mcopy", "-i", fat, CLOUDHV, "::/firmware/CLOUDHV.fd"], check=True)
    root = os.path.join(folder, "root")
    os.makedirs(os.path.join(root, "boot"))
    subprocess.run(["cp", CLOUDHV, os.path.join(root, "boot")], check=True)
    subprocess.run(["/sbin/mke2fs", "-q", "-t", "ext4", "-L", "LINUX", "-d", root, ext4], check=True)
    disks = [sample_disk(), fat, ext4]
    before = [sha256(disk) for disk in disks]
    # Idle time on a clock: else waiting for a disk lets the probes' deadline pass at once.
    got = run("vmboot list", disks=disks, sleep=True)
    expect(got.status == 0, "exit status 0")
    expect_text(got.output, "FIRMWARE", "STICK", "LINUX", "/dev/nvme0n1p2", "/firmware/CLOUDHV.fd", "/boot/CLOUDHV.fd")
    expect([sha256(disk) for disk in disks] == before, "no disk was written to")


def test_watchdog_ends_a_run():
    """A machine that never ends is ended, tried again with other seeds, and reported."""
    machine.WATCHDOG_RUNS, before = 2, machine.WATCHDOG_RUNS
    try:
        run("while :; do :; done", timeout=8, vmboot=False)
    except machine.WatchdogExpired as e:
        expect("2 seeds" in str(e), "the sentence says how often it was tried")
    else:
        raise AssertionError("a machine that never ends was not noticed")
    finally:
        machine.WATCHDOG_RUNS = before
        machine.watchdog_repeats = 0


def test_attached_terminal_is_transparent():
    """`run-in-machine -i`: size passed on, ^A and ^C are the machine's, the terminal is given back, status comes out."""
    child = pexpect.spawn("/bin/sh", ["-c", "tests/machine/run-in-machine -i --menu "
                                      "'stty size; stty -echo -icanon -isig; echo type; dd bs=1 count=3 2>/dev/null | od -An -tx1; "
                                      "exit 5'; echo status=$?; stty -a"],
                          cwd=ROOT, dimensions=(31, 97), timeout=240)
    try:
        child.expect("31 97")
        child.expect("type")
        child.send("\x01\x03\x1d")
        child.expect("01 03 1d")
        child.expect("status=5")
        child.expect(r" icanon[\s\S]* echo ")
    finally:
        child.close(force=True)
