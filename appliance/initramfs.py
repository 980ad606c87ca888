#!/usr/bin/python3
"""Makes the appliance's initramfs from appliance/initramfs.list.

    appliance/initramfs.py OUT [FOLDER...]

Files below each FOLDER are added over it: /etc/vmboot.trust, entries, keys of a site. All times are SOURCE_DATE_EPOCH
(0 without one). The archive is not packed: the kernel image is, as one piece.
"""

import os
import stat
import subprocess
import sys

import cpio

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LIST = os.path.join(ROOT, "appliance", "initramfs.list")


def find(sources):
    """The first that is there of those separated by "|"."""
    paths = [os.path.join(ROOT, source) for source in sources.split("|")]
    return next((path for path in paths if os.path.exists(path)), paths[-1])


def read(path):
    with open(path, "rb") as f:
        return f.read()


def applets(program, target):
    listed = subprocess.run([program, "--list-full"], stdout=subprocess.PIPE, check=True, text=True)
    if "bin/sh" not in listed.stdout.split():
        raise ValueError("%s does not tell where its commands belong (FEATURE_INSTALLER), or has no shell" % program)
    return {name: (target.encode(), stat.S_IFLNK | 0o777) for name in listed.stdout.split() if name != "bin/busybox"}


def members_of(line):
    """{path: member} of one line of the list."""
    kind, path, *rest = line.split(None, 3)
    if kind == "dir":
        return {path: (b"", stat.S_IFDIR | int(rest[0], 8))}
    if kind == "node":
        major, minor = map(int, rest[1].split())
        return {path: (b"", stat.S_IFCHR | int(rest[0], 8), (major, minor))}
    if kind == "link":
        return {path: (rest[0].encode(), stat.S_IFLNK | 0o777)}
    if kind == "text":
        return {path: (" ".join(rest).replace("|", "\n").encode() + b"\n", 0o644)}
    if kind == "file":
        return {path: (read(find(rest[1])), int(rest[0], 8))}
    if kind == "applets":
        return applets(find(path), rest[0])
    raise ValueError("%s: there is no kind of line called %s" % (LIST, kind))


def listed():
    members = {}
    with open(LIST, encoding="utf-8") as f:
        for line in f:
            if line.strip() and not line.startswith("#"):
                members.update(members_of(line.rstrip("\n")))
    return members


def below(folder):
    """What a site adds; executable is what it may execute, everything is root's."""
    members = {}
    for base, dirs, files in os.walk(folder):
        for name in files + [d for d in dirs if os.path.islink(os.path.join(base, d))]:
            full = os.path.join(base, name)
            if os.path.islink(full):
                member = (os.readlink(full).encode(), stat.S_IFLNK | 0o777)
            else:
                member = (read(os.path.abspath(full)), 0o755 if os.access(full, os.X_OK) else 0o644)
            members[os.path.relpath(full, folder)] = member
    return members


def main():
    out, *folders = sys.argv[1:]
    members = {path.strip("/"): member for path, member in listed().items()}
    for folder in folders:
        members.update(below(folder))
    with open(out + ".new", "wb") as f:
        f.write(cpio.archive(members, int(os.environ.get("SOURCE_DATE_EPOCH", "0"))))
    os.rename(out + ".new", out)


if __name__ == "__main__":
    main()
