"""Archives in the kernel's `newc` form (Documentation/driver-api/early-userspace/buffer-format), the same to the byte
whenever they hold the same: numbered in order, owned by root, no times but the one given."""

import stat

ALIGN = 512


def entry(name, data=b"", mode=0o644, number=0, mtime=0, device=(0, 0)):
    """One member; MODE without a type is a file's, DEVICE is (major, minor) of a device node."""
    name = name.lstrip("/").encode() + b"\0"
    mode |= 0 if stat.S_IFMT(mode) else stat.S_IFREG
    links = 2 if stat.S_ISDIR(mode) else 1
    head = b"070701" + b"".join(b"%08x" % v for v in (
        number, mode, 0, 0, links, mtime, len(data), 0, 0, *device, len(name), 0)) + name
    return head + b"\0" * (-len(head) % 4) + data + b"\0" * (-len(data) % 4)


def archive(members, mtime=0):
    """members: {path: (data, mode[, device])}, a mode without a type is a file's; the folders above each are added."""
    members = {path.strip("/"): member for path, member in members.items()}
    for path in list(members):
        while "/" in path:
            path = path.rsplit("/", 1)[0]
            members.setdefault(path, (b"", stat.S_IFDIR | 0o755))
    out = b"".join(entry(path, *members[path][:2], number, mtime, *members[path][2:])
                   for number, path in enumerate(sorted(members), 1))
    out += entry("TRAILER!!!")
    return out + b"\0" * (-len(out) % ALIGN)


def members(blob):
    """Every (path, mode, data) of an archive."""
    at = 0
    while True:
        fields = [int(blob[at + 6 + 8 * i:at + 14 + 8 * i], 16) for i in range(13)]
        mode, size, name_size = fields[1], fields[6], fields[11]
        name = blob[at + 110:at + 110 + name_size - 1].decode()
        at += 110 + name_size
        at += -at % 4
        if name == "TRAILER!!!":
            return
        yield name, mode, blob[at:at + size]
        at += size + -size % 4
