"""What the menu says of trouble, each sentence by a real fault, all in one start of the machine: disks that are containers
and members, settings that cannot be written, firmware that is not where an entry says, guests that die or say nothing."""

import os
import re
import struct
import subprocess
import uuid

import vfio_host
from guest import module_files
from harness import expect, sample_disk, scratch
from machine import Machine
from terminal import Terminal

READY = r"CLOUDHV\.fd +4M +PVH ELF[\s\S]*q quit"
RAID = ("md_mod", "raid1")
UP = "\x1b[A"
DOWN = "\x1b[B"
RIGHT = "\x1b[C"
CTRL_S = "\x13"
LOAD_AT = 0x100000

# 32-bit code at its entry, interrupts off. An exception without an interrupt table is a triple fault.
NO_TABLE = b"\x0f\x01\x1d" + struct.pack("<I", LOAD_AT) + b"\xcc"  # lidt [what is no table]; int3
WAITS = b"\xf4\xeb\xfd"  # 1: hlt; jmp 1b

ILL = ["-drive", "driver=null-co,size=64M,read-zeroes=on,if=none,id=illness",
       "-device", "nvme,id=ill,drive=illness,serial=ILL"]

ENTRIES = {
    "dies": "title = Dies at once\nkernel = /k/dies\nmemory = 64M\n",
    "silent": "title = Says nothing\nkernel = /k/silent\nmemory = 64M\n",
    "nofile": "title = Firmware gone\nfirmware = label:FIRMWARE,/boot/GONE.fd\n",
    "member": "title = On a member\nkernel = /k/silent\nmemory = 64M\ndisk = serial:TEST3\n",
}


def pvh(code):
    """A PVH kernel that is CODE and nothing else: ELF64 header, one segment, the note with the entry point."""
    at = 64 + 2 * 56
    note = struct.pack("<III4sI", 4, 4, 18, b"Xen\0", LOAD_AT + at + 20)  # XEN_ELFNOTE_PHYS32_ENTRY
    size = at + len(note) + len(code)
    header = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HHIQQQIHHHHHH", 2, 3, 1, 0, 64, 0, 0, 64, 56, 2, 0, 0, 0)
    load = struct.pack("<IIQQQQQQ", 1, 5, 0, LOAD_AT, LOAD_AT, size, size, 16)
    notes = struct.pack("<IIQQQQQQ", 4, 4, at, LOAD_AT + at, LOAD_AT + at, len(note), len(note), 4)
    return header + load + notes + note + code


def raid_member(path):
    """A disk with the superblock (version 1.2) of the one member of a RAID 1 called "mirror"; see md_p.h."""
    sectors = 16 << 11
    block = struct.pack("<IIII16s32sQIIQIII", 0xa92b4efc, 1, 0, 0, uuid.UUID(int=1).bytes, b"mirror", 0, 1, 0,
                        sectors - 2048, 0, 1, 0)
    block = block.ljust(128, b"\0")
    # Data from sector 2048 on, the superblock in sector 8, device 0.
    block += struct.pack("<QQQQIIII", 2048, sectors - 2048, 8, 0, 0, 0, 0, 0)
    block = bytearray(block.ljust(256, b"\0") + struct.pack("<H", 0))
    struct.pack_into("<QQ", block, 200, 1, 0xffffffffffffffff)  # events; in sync
    struct.pack_into("<I", block, 220, 1)  # max_dev
    total = sum(struct.unpack_from("<64I", block)) + struct.unpack_from("<H", block, 256)[0]
    struct.pack_into("<I", block, 216, ((total & 0xffffffff) + (total >> 32)) & 0xffffffff)
    with open(path, "wb") as f:
        f.truncate(sectors << 9)
        f.seek(4096)
        f.write(block)
    return path


def luks(path):
    with open(path, "wb") as f:
        f.truncate(16 << 20)
        f.write(b"LUKS\xba\xbe\x00\x01")
    return path


def store(path):
    with open(path, "wb") as f:
        f.truncate(16 << 20)
    subprocess.run(["mkfs.vfat", "-n", "VMBOOT", path], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["mmd", "-i", path, "::/entries"], check=True)
    files = {"entries/%s.conf" % name: text for name, text in ENTRIES.items()}
    files["vmboot.conf"] = "shell = no\n"
    for name, text in files.items():
        subprocess.run(["mcopy", "-i", path, "-", "::/" + name], input=text.encode(), check=True)
    return path


def prepare():
    """Shell commands that put the member into its array, as mdadm does, and let nobody write to the settings."""
    loads = "".join("insmod /md/%s\n" % os.path.basename(path) for path in module_files(RAID))
    return loads + """echo md0 >/sys/module/md_mod/parameters/new_array
cd /sys/block/md0/md
echo 1.2 >metadata_version
cat /sys/block/nvme3n1/dev >new_dev
echo 1 >raid_disks
echo raid1 >level
echo active >array_state
cd /
blockdev --setro /dev/nvme1n1
"""


def choose(term, title):
    """Only the row of this entry, with the cursor on it."""
    term.send("\x1b[H/" + title + "\r")
    term.wait_for("Only rows with: " + title, 20)
    term.send("\x1b[F")
    term.wait_for("(Enter starts|It will not start:?) .*" + title, 20)


def leave(term):
    """Back to all rows of the main screen."""
    term.send("q")
    term.wait_for("Esc shows all", 20)
    term.send("\x1b")
    term.wait_for(READY, 20)


def look_at(term, word, text, title, back):
    """The row with this word alone, the cursor on it, which is told below the list by TEXT; then all rows, BACK among them."""
    term.send("/" + word + "\r")
    term.wait_for("Only rows with: " + word, 20)
    term.send("\x1b[F")
    term.wait_for(text, 20)
    term.show(title)
    term.send("\x1b")
    term.wait_for(back, 20)


def see_disks(term):
    term.send("s")
    term.wait_for(r"nvme2n1 .*LUKS - can be", 20)
    term.wait_for(r"nvme3n1 .*in use: member of md0", 20)
    for name, text in (("TEST2", "LUKS 1 encrypted volume: can be passed to the guest as is"),
                       ("TEST3", "This host uses it: member of md0. Not read-write.")):
        look_at(term, name, text, name, "nvme0n1p2")
    term.send("q")
    term.wait_for(READY, 20)


def walk_up(term, pattern):
    """Goes up until the row under the cursor, which is told in full below the list, says this."""
    for _ in range(60):
        if re.search(pattern, term.text(), re.MULTILINE):
            return
        term.send(UP)
        term.settle(0.3)
    term.wait_for(pattern, 1)


def see_health(term):
    """One disk says that it fails, the others that they are well."""
    term.send("/ILL\r")
    term.wait_for("Only rows with: ILL", 20)
    term.wait_for(r"nvme4n1 .*failing: unreliable", 20)
    term.send("\x1b")
    term.wait_for("Only rows with", 20, gone=True)
    term.wait_for(READY, 20)
    term.send("i")
    term.wait_for("virtualization +svm", 20)
    term.send("\x1b[F")
    term.wait_for("This menu", 20)
    for pattern in (r"^ nvme4n1: [\s\S]*failing: unreliable", r"^ nvme0n1: [\s\S]*health ok, 0 % of its life used"):
        walk_up(term, pattern)
        term.show("health")
    term.send("q")
    term.wait_for(READY, 20)


def see_settings(term):
    term.send("!")
    term.wait_for(r"shell disabled by policy \(shell in vmboot.conf\)", 20)
    term.send("c")
    term.wait_for(r"store: /dev/nvme1n1 \(VMBOOT\), read-only: changes are kept for this boot only", 20)
    term.send(DOWN + RIGHT)
    term.wait_for(r"Settings \*", 20)
    term.send(CTRL_S)
    term.wait_for(r"Settings store read-only \(/dev/nvme1n1\): change kept", 20)
    term.show("settings")
    term.send("\r")
    term.wait_for("change kept", 20, gone=True)
    term.send("q")
    term.wait_for(READY, 20)


def see_checklists(term):
    choose(term, "Firmware gone")
    term.send("\r")
    term.wait_for(r"!! +Firmware +GONE.fd not found in: /boot/GONE.fd of /dev/nvme0n1p2", 20)
    term.show("firmware")
    leave(term)
    choose(term, "On a member")
    term.send("\r")
    term.wait_for(r"nvme3n1 is member of md0. o: as an overlay, r: read-only", 20)
    term.show("member")
    leave(term)


def see_pci(term):
    term.send("p")
    term.wait_for("PCI devices", 20)
    look_at(term, "VGA", "this is the console GPU: you will lose VGA, serial keeps working", "console", "NVMe")
    look_at(term, "SATA", r"group \d+ also holds 00:1f", "group", "NVMe")
    term.send("q")
    term.wait_for(READY, 20)


def see_guests(term):
    choose(term, "Dies at once")
    term.send("\r")
    term.wait_for("The VM ended", 60)
    term.wait_for("stopped on vCPU 0: a triple fault", 20)
    term.show("triple fault")
    term.send("m")
    term.wait_for("Esc shows all", 20)
    term.send("\x1b")
    term.wait_for(READY, 20)
    choose(term, "Says nothing")
    term.send("\r")
    term.wait_for("no serial output yet - guest may use video only", 120)
    term.show("silent")
    term.send("\x1dk")
    term.wait_for("y yes", 20)
    term.send("y")
    term.wait_for("The VM ended", 60)
    term.send("m")
    term.wait_for("Esc shows all", 20)


def test_each_sentence_by_its_fault():
    folder = scratch()
    disks = [sample_disk(), store(os.path.join(folder, "store")), luks(os.path.join(folder, "luks")),
             raid_member(os.path.join(folder, "member"))]
    files = {"md/" + os.path.basename(path): path for path in module_files(RAID)}
    files.update({"k/dies": pvh(NO_TABLE), "k/silent": pvh(WAITS), "setup": prepare().encode()})
    with Machine(menu="sh /setup; vmboot", disks=disks, files=files, sleep=True, append=vfio_host.APPEND,
                 qemu_args=vfio_host.IOMMU + ILL) as machine:
        machine.monitor.execute("qom-set", path="/machine/peripheral/ill", property="smart_critical_warning", value=4)
        term = Terminal(machine.child)
        term.wait_for(READY, 90)
        for title in ("Dies at once", "Says nothing", "Firmware gone", "On a member"):
            term.wait_for(title, 30)
        term.show("menu")
        see_disks(term)
        see_health(term)
        see_settings(term)
        see_checklists(term)
        see_pci(term)
        see_guests(term)
        term.send("q")
        expect(machine.wait(60) == 0, "the menu ends with exit status 0")
