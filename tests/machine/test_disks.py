"""Linux's virtio_blk driver on our disks: discard, zeroes, sectors of 4096 bytes, what fails, many disks."""

import os
import re
import subprocess

import machine
from guest import VMLINUZ, boot_command, initramfs, module_files, run_linux
from harness import ROOT, expect, expect_text, log_raw, plain, scratch

MODULES = ["virtio", "virtio_ring", "virtio_pci_modern_dev", "virtio_pci_legacy_dev", "virtio_pci", "virtio_blk"]

INIT = r"""for d in vda vdb vdc; do
	echo "limits $d: $(cd /sys/block/$d/queue; cat logical_block_size discard_granularity discard_max_bytes write_zeroes_max_bytes | tr '\n' ' ')"
done
dd if=/dev/urandom of=/dev/vda bs=1M count=8 conv=fsync 2>/dev/null
dd if=/dev/urandom of=/dev/vdb bs=1M count=4 conv=fsync 2>/dev/null
blkdiscard -o 1048576 -l 4194304 /dev/vda; echo "discard: $?"
echo "left: $(dd if=/dev/vda bs=1M count=8 2>/dev/null | tr -d '\000' | wc -c)"
blkdiscard /dev/vdb; echo "discard of 4096: $?"
dd if=/dev/zero of=/dev/vdc bs=1M count=4 conv=fsync 2>/dev/null; echo "full overlay: $?"
dd if=/dev/vdc of=/dev/null bs=1M count=8 2>/dev/null; echo "read after it: $?"
blkdiscard /dev/vdc; echo "emptied: $?"
dd if=/dev/urandom of=/dev/vdc bs=1M count=1 conv=fsync 2>/dev/null; echo "write again: $?"
poweroff -f
sleep 60
"""

COMMAND = """mkdir -p /d; mount -t tmpfs tmpfs /d; for f in a b c; do truncate -s 16M /d/$f; done
vmboot run --kernel /linux --initrd /initrd.guest --cmdline 'console=ttyS0,115200 rdinit=/init loglevel=4' --memory 256M \
--disk /d/a --disk /d/b,sector=4096 --disk /d/c,overlay=2M </dev/null; echo "status: $?"
echo "host: $(du -k /d/a /d/b /d/c | tr '\\t\\n' '  ')" """


def test_linux_discards():
    """What the driver is told, what reaches the file, and what the guest sees when there is no room."""
    got = machine.run(COMMAND, stream=log_raw, timeout=160,
                      files={"linux": VMLINUZ, "initrd.guest": initramfs(INIT, MODULES)})
    out = plain(got.output)

    def value(name):
        found = re.search("^%s: (.*)$" % re.escape(name), out, re.M)
        expect(found, "the output has " + name)
        return found.group(1).strip()

    a, b, c = (value("limits vd" + d).split() for d in "abc")
    expect(a[0] == "512" and b[0] == "4096" and c[0] == "512", "the sectors are those of the command line")
    expect(all(int(x[2]) > 0 and int(x[3]) > 0 for x in (a, b, c)), "every disk discards and writes zeroes")
    expect(value("discard") == "0" and value("discard of 4096") == "0", "discards work")
    expect(3900000 < int(value("left")) < 4200000, "half of 8 MiB of noise is left, the discarded half is zeroes")
    expect(value("full overlay") != "0", "an overlay of 2 MiB does not take 4")
    expect(value("read after it") == "0", "a full overlay is read on")
    expect(value("emptied") == "0" and value("write again") == "0", "a discard makes room in it")
    expect(value("status") == "0", "the guest powers off in the end")
    sizes = value("host").split()
    expect(int(sizes[0]) in range(4000, 4300), "on the host the file has lost what was discarded")
    expect(int(sizes[2]) < 100 and int(sizes[4]) == 0, "all of one disk was given back, and the overlay's was never written")


SIXTEEN = r"""
for d in /sys/block/vd*; do
	n=${d##*/}
	echo "disk $n: $(cat $d/serial) $(ls $d/mq | wc -l) $(head -c 6 /dev/$n)"
done
poweroff -f
sleep 60
"""


# One CPU runs (see test_smp.py), the other is there and has its queue.
def test_sixteen_disks():
    """Each its own, in their order, with a queue for each CPU and a serial number that no other has."""
    prepare = "echo 0-1 >/tmp/online && mount --bind /tmp/online /sys/devices/system/cpu/online\nmkdir /d\n"
    options = "--cpus 2"
    for i in range(16):
        prepare += "truncate -s 1M /d/%d.img; printf disk%02d | dd of=/d/%d.img conv=notrunc 2>/dev/null\n" % (i, i, i)
        options += " --disk /d/%d.img" % i + (",serial=GIVEN" if i == 7 else "")
    got = run_linux(SIXTEEN, ("virtio_pci", "virtio_blk"), command=prepare + boot_command(options, "quiet maxcpus=1"))
    seen = re.findall(r"^disk vd([a-p]): (\S+) (\d+) (\S+)$", plain(got.output), re.M)
    expect(got.status == 0 and len(seen) == 16, "sixteen disks show")
    expect([text for _, _, _, text in seen] == ["disk%02d" % i for i in range(16)], "they come in their order")
    expect(all(queues == "2" for _, _, queues, _ in seen), "each has two queues")
    expect(len({serial for _, serial, _, _ in seen}) == 16, "no serial number comes twice")
    expect(seen[7][1] == "GIVEN", "the one that was given is kept")


FAILING = r"""
echo "guest: begins"
read -r go
dd if=/dev/vda bs=512 skip=4660 count=1 of=/dev/null 2>/dev/null; echo "guest: bad sector $?"
dd if=/dev/vda bs=512 skip=10000 count=1 of=/dev/null 2>/dev/null; echo "guest: good sector $?"
echo "guest: has read"
read -r go
dd if=/dev/vda bs=512 skip=14000 count=1 of=/dev/null 2>/dev/null; echo "guest: vanished disk $?"
dd if=/dev/zero of=/dev/vdb bs=1M count=32 conv=fsync 2>/dev/null; echo "guest: full file $?"
dd if=/dev/vdb of=/dev/null bs=1M count=4 2>/dev/null; echo "guest: reads from it $?"
dd if=/dev/zero of=/dev/vdc bs=1M count=4 conv=fsync 2>/dev/null; echo "guest: other disk $?"
poweroff -f
sleep 60
"""

# A disk of the scsi_debug driver: it reports a medium error from sector 0x1234 on when told to, and can be taken away.
BREAK = r"""
mkdir /small /d
mount -t tmpfs -o size=8M tmpfs /small
truncate -s 64M /small/disk.img /d/other.img
for m in %s; do insmod $m dev_size_mb=64 2>/dev/null || insmod $m; done
until [ -b /dev/sda ]; do sleep 1; done
mkfifo /in
%s </in >/out 2>&1 &
exec 3>/in
seen() { until grep -q "$1" /out; do sleep 1; done; }
seen "guest: begins"
echo 2 >/sys/bus/pseudo/drivers/scsi_debug/opts
echo go >&3
seen "guest: has read"
echo 1 >/sys/block/sda/device/delete
echo go >&3
wait $!
status=$?
cat /out
exit $status
"""


def test_disks_that_fail_stop_nothing_else():
    """A bad sector, a disk that is taken away, a full file system: I/O errors there, a sentence here, no more."""
    modules = module_files(("sd_mod", "scsi_debug"))
    names = ["m/%s" % os.path.basename(path) for path in modules]
    command = BREAK % (" ".join("/" + name for name in names),
                       boot_command("--disk /dev/sda --disk /small/disk.img --disk /d/other.img"))
    got = run_linux(FAILING, ("virtio_pci", "virtio_blk"), command=command, files=dict(zip(names, modules)))
    out = plain(got.output)
    expect_text(out, "guest: bad sector 1", "guest: good sector 0", "guest: vanished disk 1", "guest: full file 1",
                "guest: reads from it 0", "guest: other disk 0")
    for sentence in ("disk0: a read at byte ", "disk1: a write at byte ", "no room left "):
        expect_text(out, sentence)
    expect(out.count("disk1: a write at byte") < 30, "the operator is not flooded")
    expect(got.status == 0, "the guest powers off in the end")


# What becomes of reads and writes of the first disk and of reads of the second, whenever that changes.
WATCHING = r"""
before=
while :; do
	dd if=/dev/vda of=/dev/null bs=4k count=1 iflag=direct 2>/dev/null; now="read $?"
	dd if=/dev/zero of=/dev/vda bs=4k count=1 oflag=direct 2>/dev/null; now="$now, write $?"
	dd if=/dev/vdb of=/dev/null bs=4k count=1 iflag=direct 2>/dev/null; now="$now, other $?"
	[ "$now" = "$before" ] || echo "guest: $((n += 1)) $now"
	before=$now
	sleep 1
done
"""

TWO_DISKS = r"""title = Linux
kernel = /k/vmlinuz
initrd = /k/initrd
options = console=ttyS0 quiet panic=0
memory = 256M
disk = /dev/dm-0
disk = /dev/loop1
"""

# Each step is over when the guest has seen it; `wait` of the shell is not, since the daemon lives on.
LOSING = r"""
for m in MODULES; do insmod $m; done
truncate -s 16M /a /b; losetup /dev/loop0 /a; losetup /dev/loop1 /b
dm create flaky 0 32768 linear /dev/loop0 0
mkdir -p /config/entries
cp /k/entry /config/entries/linux.conf
vmboot daemon --config /config --log /daemon.log &
until vmboot ctl list 2>/dev/null; do sleep 1; done
vmboot ctl start linux || exit 1
seen() { until vmboot ctl console | grep "guest: $1"; do sleep 1; done; }
seen "1 read 0, write 0, other 0"
dm load flaky 0 32768 flakey /dev/loop0 0 0 60
seen "2 read 1, write 1, other 0"
vmboot ctl pause && vmboot ctl resume && echo "paused and resumed"
dm load flaky 0 32768 flakey /dev/loop0 0 0 60 1 error_writes
seen "3 read 0, write 1, other 0"
dm load flaky 0 32768 linear /dev/loop0 0
seen "4 read 0, write 0, other 0"
dm suspend flaky
sleep 3
vmboot ctl status && echo "told while a disk hangs"
dm resume flaky
losetup -d /dev/loop1; echo "detached: $?"
sleep 3
truncate -s 0 /b; losetup -c /dev/loop1
seen "5 read 0, write 0, other 1"
vmboot ctl status
vmboot ctl reset && echo "was reset"
seen "1 read 0, write 0, other 1"
vmboot ctl kill && vmboot ctl list
cat /daemon.log
"""


def test_disks_that_come_and_go():
    """dm-flakey, a disk that hangs, a loop device detached in use: the guest sees errors, the rest goes on."""
    program = os.path.join(scratch(), "dm")
    subprocess.run(["gcc", "-O2", "-static", "-o", program, os.path.join(ROOT, "tests/machine/dm.c")], check=True)
    modules = module_files(("dm_mod", "dm_flakey"))
    names = ["m/%s" % os.path.basename(path) for path in modules]
    command = LOSING.replace("MODULES", " ".join("/" + name for name in names))
    got = run_linux(WATCHING, ("virtio_pci", "virtio_blk"), command=command,
                    files=dict(zip(names, modules), **{"bin/dm": program, "k/entry": TWO_DISKS.encode()}))
    out = plain(got.output)
    expect_text(out, "paused and resumed", "told while a disk hangs", "detached: 0", "was reset")
    for sentence in ("disk0: a read at byte 0 ", "disk0: a write at byte 0 ", "disk1: a read at byte 0 "):
        expect_text(out, sentence)
    expect(out.count("disk0: a read at byte") < 30, "the operator is not flooded")
    expect(got.status == 0, "the daemon is asked to the end")
