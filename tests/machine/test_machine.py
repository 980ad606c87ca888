"""The test machine itself: what the other tests take for granted."""

import machine
from harness import expect, expect_text, run, sample_disk


def test_kvm_and_exit_status():
    got = run("test -c /dev/kvm && grep -c '^kvm_amd ' /proc/modules; exit 42", vmboot=False)
    expect(got.status == 42, "the command's exit status comes out")
    expect_text(got.output, "1\n")


def test_sample_disk_holds_firmware():
    """mkfs.xfs's prototype and mtools made what the kernel reads."""
    got = run("mount -t xfs -o ro,norecovery /dev/nvme0n1p2 /mnt && cmp /mnt/CLOUDHV.fd /firmware/CLOUDHV.fd && "
              "mkdir /fat && mount -t vfat -o ro /dev/nvme0n1p1 /fat && test -s /fat/EFI/BOOT/BOOTX64.EFI && "
              "echo both are there", disks=[sample_disk() + ",ro"], vmboot=False)
    expect(got.status == 0, "the commands work")
    expect_text(got.output, "both are there")


def test_watchdog_ends_a_run():
    """A machine that never ends is ended, tried again with other seeds, and reported."""
    machine.WATCHDOG_RUNS, before = 2, machine.WATCHDOG_RUNS
    try:
        run("while :; do :; done", timeout=20, vmboot=False)
    except machine.WatchdogExpired as e:
        expect("2 seeds" in str(e), "the sentence says how often it was tried")
    else:
        raise AssertionError("a machine that never ends was not noticed")
    finally:
        machine.WATCHDOG_RUNS = before
        machine.watchdog_repeats = 0
