"""What a disk of the machine was told to write, and what it would hold had the power gone at any moment of that.

QEMU's blklogwrites records it in the form of Linux's dm-log-writes (drivers/md/dm-log-writes.c): one session is enough
for any number of cuts.
"""

import random
import struct
import subprocess

SECTOR = 512
MAGIC = 0x6A736677736872
FLUSH, FUA, DISCARD = 1, 2, 4


def device(name, image, log, serial):
    """QEMU's arguments for an NVMe disk whose writes are logged; IMAGE is written, too."""
    with open(log, "wb"):
        pass
    return ["-blockdev", "driver=file,filename=%s,node-name=%s-file" % (image, name),
            "-blockdev", "driver=raw,file=%s-file,node-name=%s-raw" % (name, name),
            "-blockdev", "driver=file,filename=%s,node-name=%s-log" % (log, name),
            "-blockdev", "driver=blklogwrites,node-name=%s,file=%s-raw,log=%s-log" % (name, name, name),
            "-device", "nvme,drive=%s,serial=%s" % (name, serial)]


def read(path):
    """[(first sector, flags, data)] in the order of the writes."""
    entries = []
    with open(path, "rb") as f:
        magic, _, count, _ = struct.unpack("<QQQI", f.read(28))
        if magic != MAGIC:
            raise ValueError("%s is no log of writes" % path)
        f.seek(SECTOR)
        for _ in range(count):
            sector, sectors, flags, _ = struct.unpack("<4Q", f.read(SECTOR)[:32])
            entries.append((sector, flags, b"" if flags & (FLUSH | DISCARD) else f.read(sectors * SECTOR)))
    return entries


def cut(before, entries, at, out, chance):
    """OUT is what is left of BEFORE's disk when the power goes after AT entries.

    What was written since the last flush was still in the disk's cache, unless it was told to go past that: any of it may
    be lost, as CHANCE (a random.Random) will have it.
    """
    flushed = max([n + 1 for n in range(at) if entries[n][1] & FLUSH], default=0)
    subprocess.run(["cp", "--sparse=always", before, out], check=True)
    with open(out, "r+b") as f:
        for n in range(at):
            sector, flags, data = entries[n]
            if data and (n < flushed or flags & FUA or chance.random() < 0.5):
                f.seek(sector * SECTOR)
                f.write(data)


def moments(entries, count, seed):
    """(where, random.Random) of COUNT cuts, the same for the same SEED."""
    chance = random.Random(seed)
    for _ in range(count):
        yield chance.randrange(len(entries) + 1), random.Random(chance.random())
