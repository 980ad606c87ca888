"""Discovery on a machine whose disks come, go, hang and break, and on every file system that its kernel has."""

import json
import os
import re
import subprocess

from harness import CLOUDHV, expect, run, sample_disk, scratch, sha256
from machine import Machine
from terminal import Terminal

READY = r"CLOUDHV\.fd +4M +PVH ELF"
SCSI = "modprobe virtio_scsi; modprobe sd_mod; "
ESP_GUID = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"


def make(path, *commands, size=None):
    """An image file, made by shell commands that call it $1."""
    if size:
        subprocess.run(["truncate", "-s", size, path], check=True)
    for command in commands:
        subprocess.run(["/bin/sh", "-ec", "PATH=$PATH:/sbin:/usr/sbin; " + command, "sh", path], check=True,
                       stdout=subprocess.DEVNULL, cwd=os.path.dirname(path))
    return path


def node(name, path, **options):
    """A block node for -blockdev and blockdev-add."""
    return dict({"driver": "raw", "node-name": name, "file": {"driver": "file", "filename": path}}, **options)


def bad_node(name, path, sector):
    """The same, and reads that touch SECTOR fail."""
    return {"driver": "blkdebug", "node-name": name, "image": {"driver": "file", "filename": path},
            "inject-error": [{"event": "none", "iotype": "read", "errno": 5, "sector": sector}]}


def plug(machine, name, node_name):
    machine.monitor.execute("device_add", driver="scsi-hd", bus="scsi.0", drive=node_name, id=name,
                            serial=name.upper())


def cursor_line(term):
    """The menu's row under the cursor, which has a mark in every theme."""
    found = re.search(r"^ [>\u25b8\u25ba*].*$", term.text(), re.M)
    expect(found, "a row is under the cursor")
    return found.group(0).strip()


def test_disks_come_and_go_under_the_menu():
    """A stick plugged in shows by itself, and goes again; the cursor stays on its row all the while."""
    folder = scratch()
    stick = make(os.path.join(folder, "stick.img"), 'mkfs.fat -n STICK "$1"', size="32M")
    with Machine(menu=SCSI + "vmboot", disks=[sample_disk()], sleep=True,
                 qemu_args=["-device", "virtio-scsi-pci,id=scsi"]) as machine:
        term = Terminal(machine.child)
        term.wait_for(READY, 90)
        machine.monitor.execute("blockdev-add", **node("stick", stick))
        term.send("\x1b[H")
        term.settle()
        term.show("before")
        last = cursor_line(term)
        for _ in range(2):  # from each of the rows after the first
            term.send("\x1b[B")
            term.settle()
            before = cursor_line(term)
            expect(before != last, "the cursor moves")
            last = before
            plug(machine, "stick1", "stick")
            term.wait_for(r"sda .*STICK1", 60)
            term.settle()
            expect(cursor_line(term) == before, "the cursor stays when a disk comes")
            machine.monitor.execute("device_del", id="stick1")
            term.wait_for("sda", 60, gone=True)
            term.settle()
            expect(cursor_line(term) == before, "the cursor stays when a disk goes")
        # On the disk that is pulled out: another row takes its place, and the menu goes on.
        plug(machine, "stick1", "stick")
        term.wait_for(r"sda .*STICK1", 60)
        term.send("\x1b[F")
        term.settle()
        term.show("on the stick")
        machine.monitor.execute("device_del", id="stick1")
        term.wait_for("sda", 60, gone=True)
        term.settle()
        cursor_line(term)


def test_a_hung_disk_blocks_only_itself():
    """A disk that stops to answer: the others are there, it is listed with the reason."""
    folder = scratch()
    slow = make(os.path.join(folder, "slow.img"), 'mke2fs -q -t ext4 -L SLOW "$1"', size="32M")
    with Machine(menu=SCSI + "vmboot", disks=[sample_disk()], sleep=True,
                 qemu_args=["-device", "virtio-scsi-pci,id=scsi", "-blockdev", json.dumps(node("slow", slow)),
                            "-device", "scsi-hd,bus=scsi.0,drive=slow,id=slow,serial=SLOW"]) as machine:
        term = Terminal(machine.child)
        term.wait_for(READY, 90)
        term.wait_for("sda .*SLOW", 60)
        machine.monitor.execute("block_set_io_throttle", id="slow", bps=1, bps_rd=0, bps_wr=0, iops=0, iops_rd=0,
                                iops_wr=0)
        term.send("r")
        term.wait_for(r"(?i)scanning", 30)
        term.show("scanning")
        term.wait_for(r"No answer for 10 s", 120)
        term.wait_for(READY, 30)
        term.show("given up")


def list_json(command, disks, **options):
    """`vmboot list --json` in a machine: {name: device}, [firmware]."""
    got = run(command + "vmboot list --json", disks=disks, sleep=True, **options)
    expect(got.status == 0, "exit status 0")
    text = got.output.decode(errors="replace").replace("\r", "")
    lists = json.loads(text[text.index("{\n"):text.rindex("}") + 1])
    return {d["name"]: d for d in lists["devices"]}, lists["firmware"]


def system_tree(folder):
    root = os.path.join(folder, "root")
    for path, text in (("usr/lib/os-release", 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n'),
                       ("boot/grub/grub.cfg", "menuentry x {}\n")):
        os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
        with open(os.path.join(root, path), "w", encoding="ascii") as f:
            f.write(text)
    subprocess.run(["cp", CLOUDHV, os.path.join(root, "boot")], check=True)
    return root


def esp(path):
    """A disk whose only partition is an EFI system partition with what installers put there."""
    make(path, 'printf "start=2048, type=%s" | sfdisk -q -X gpt "$1"' % ESP_GUID,
         'mkfs.fat --offset=2048 -n ESP "$1" 31744',
         'export MTOOLS_SKIP_CHECK=1; for d in EFI EFI/BOOT EFI/Microsoft EFI/Microsoft/Boot EFI/debian loader loader/entries; do '
         'mmd -i "$1@@1M" ::/$d; done; echo MZ > x.efi; '
         'for f in EFI/BOOT/BOOTX64.EFI EFI/Microsoft/Boot/bootmgfw.efi EFI/debian/grubx64.efi; do '
         'mcopy -i "$1@@1M" x.efi ::/$f; done; echo "title Arch Linux" > arch.conf; '
         'mcopy -i "$1@@1M" arch.conf ::/loader/entries/', size="33M")
    return path


def test_every_file_system_is_named_and_left_alone():
    """One disk of each kind: what it is, what lives on it; and not a byte of any is written."""
    folder = scratch()
    root = system_tree(folder)
    disks = {
        "nvme0n1": make(os.path.join(folder, "ext4"), 'mke2fs -q -t ext4 -L LINUX -d %s "$1"' % root, size="64M"),
        "nvme1n1": make(os.path.join(folder, "btrfs"), 'mkdir -p top/@; cp -r %s/. top/@; mkfs.btrfs -q -L POOL -r top "$1"'
                        % root, size="128M"),
        "nvme2n1": make(os.path.join(folder, "squashfs"), 'mksquashfs %s "$1" -quiet -no-progress' % root),
        "nvme3n1": make(os.path.join(folder, "iso"), 'mkdir -p cd/.disk; echo "Debian 12.5 NETINST" > cd/.disk/info; '
                        'truncate -s 1M cd/efi.img; xorriso -as mkisofs -quiet -R -V MEDIUM -o "$1" -e efi.img '
                        '-no-emul-boot cd'),
        "nvme4n1": make(os.path.join(folder, "exfat"), 'mkfs.exfat -L STICK "$1"', size="16M"),
        "nvme5n1": make(os.path.join(folder, "udf"), 'mkudffs -l DISC -b 512 "$1"', size="16M"),
        "nvme6n1": make(os.path.join(folder, "ntfs"), 'mkfs.ntfs -q -F -L WINDOWS "$1"', size="16M"),
        "nvme7n1": esp(os.path.join(folder, "esp")),
        "nvme8n1": make(os.path.join(folder, "luks"), 'printf "LUKS\\272\\276\\000\\001" | dd of="$1" conv=notrunc',
                        size="16M"),
    }
    before = {name: sha256(path) for name, path in disks.items()}
    images = {"images/disc.iso": disks["nvme3n1"]}
    found, firmwares = list_json("for m in btrfs exfat isofs udf squashfs; do modprobe $m; done; ", list(disks.values()),
                                 files={"var/lib/vmboot/" + k: v for k, v in images.items()})
    wanted = {
        "nvme0n1": ("ext4", "LINUX", "Debian GNU/Linux 12 (bookworm)"),
        "nvme1n1": ("btrfs", "POOL", "Debian GNU/Linux 12 (bookworm)"),
        "nvme2n1": ("squashfs", "", "Debian GNU/Linux 12 (bookworm)"),
        "nvme3n1": ("iso9660", "MEDIUM", "boots by UEFI, Debian 12.5 NETINST"),
        "nvme4n1": ("exfat", "STICK", ""),
        "nvme5n1": ("udf", "DISC", ""),
        "nvme6n1": ("ntfs", "WINDOWS", ""),
        "nvme7n1": ("gpt", "", "Arch Linux, Windows Boot Manager, GRUB of debian, boot loader BOOTX64.EFI"),
        "nvme7n1p1": ("vfat", "ESP", "Arch Linux, Windows Boot Manager, GRUB of debian, boot loader BOOTX64.EFI"),
        "nvme8n1": ("crypto_LUKS", "", "LUKS 1 encrypted volume"),
        "disc.iso": ("iso9660", "MEDIUM", "ISO 9660, boots by UEFI"),
    }
    for name, want in wanted.items():
        expect(name in found, name + " is listed")
        got = tuple(found[name].get(key, "") for key in ("fstype", "label", "holds"))
        expect(got == want, "%s is told as %r, not as %r" % (name, want, got))
        expect(found[name]["state"] == "ready", "%s is ready: %s" % (name, found[name].get("note")))
        if name != "nvme6n1":
            expect("note" not in found[name], "%s: %s" % (name, found[name].get("note")))
    expect("cannot read ntfs" in found["nvme6n1"]["note"], "what this kernel cannot read is said")
    for device in ("/dev/nvme0n1", "/dev/nvme2n1"):
        expect(any(f.get("device") == device and f["path"] == "/boot/CLOUDHV.fd" and f["usable"] and
                   f.get("sha256") == sha256(CLOUDHV) for f in firmwares), "the firmware on %s is found" % device)
    for name, path in disks.items():
        expect(sha256(path) == before[name], name + " is not written to")


def test_broken_disks_say_where():
    """Read errors at the beginning, and in the middle of what is looked at: both are listed with the place."""
    folder = scratch()
    dead = make(os.path.join(folder, "dead"), size="16M")
    ill = make(os.path.join(folder, "ill"), 'mkfs.fat -n ILL "$1"', size="16M")
    found, _ = list_json(SCSI + "sleep 3; ", [], qemu_args=[
        "-device", "virtio-scsi-pci,id=scsi",
        "-blockdev", json.dumps(bad_node("dead", dead, 0)), "-device", "scsi-hd,bus=scsi.0,drive=dead,serial=DEAD",
        "-blockdev", json.dumps(bad_node("ill", ill, 130)), "-device", "scsi-hd,bus=scsi.0,drive=ill,serial=ILL"])
    disks = {d["serial"]: d for d in found.values() if "serial" in d}
    expect(disks["DEAD"]["state"] == "failed", "a disk that cannot be read has failed")
    expect("I/O error in LBA 0 to 7" in disks["DEAD"]["note"], "with the reason: " + disks["DEAD"]["note"])
    expect(disks["ILL"]["state"] == "ready", "one that can be read is there")
    expect("read error in LBA 128 to 135" in disks["ILL"]["note"], "with a remark: " + disks["ILL"].get("note", ""))
