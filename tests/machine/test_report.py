"""A report on a disk that is mounted for that moment only; nothing that was there is changed."""

from harness import expect, expect_text, guest_disk, plain
from machine import run

SCRIPT = """
vmboot report --to /dev/nvme0n1p1; echo "status $?"
grep -c nvme0n1 /proc/mounts
mount -t vfat -o ro /dev/nvme0n1p1 /mnt
ls /mnt/vmboot-report-*; ls /mnt/startup.nsh
grep Kernel /mnt/vmboot-report-*/system.txt
umount /mnt
vmboot report --to /dev/nvme0n1; echo "status $?"
mount -t vfat /dev/nvme0n1p1 /mnt
vmboot daemon --log /run/log & sleep 3
vmboot report --to /dev/nvme0n1p1; echo "status $?"
ls -d /mnt/vmboot-report-* | wc -l
kill %1; umount /mnt
"""


def test_report_on_a_disk():
    got = run(SCRIPT, disks=[guest_disk("@echo -off") + ",snapshot"])
    said = plain(got.output)
    print(said)
    expect_text(said, "/dev/nvme0n1p1:/vmboot-report-", "status 0", "system.txt", "dmesg.txt", "startup.nsh", "Kernel",
                "This kernel cannot read gpt", "in use")
    expect(said.count("status 1") == 2, "the whole disk and the mounted partition are refused")
