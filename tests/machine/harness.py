"""What the machine tests share: skipping, disks of their own, and short ways to say what is checked.

A test is a function test_* without arguments in a file test_*.py of this folder. It fails by raising. run-tests runs
each in a process of its own.
"""

import atexit
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile

import machine
from machine import BUILD, CLOUDHV, ROOT  # noqa: F401 (tests take them from here)

FIRMWARE = {"firmware/CLOUDHV.fd": CLOUDHV}
ESCAPE = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|[()][0-9A-B]|[=>78cDEHM])")


class Skip(Exception):
    """Raised by a test that cannot be done here; the text says why."""


def slow(test):
    """Decorator of the longest tests: they are started first, so that none runs alone at the end."""
    test.slow = True
    return test


def scratch():
    """A folder of this test's own, removed at the end."""
    path = tempfile.mkdtemp(prefix="test-", dir=os.path.join(BUILD, "machine"))
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


def guest_disk(*script, name="guest.img"):
    """A disk whose UEFI shell runs the given lines as startup.nsh."""
    folder = scratch()
    nsh = os.path.join(folder, "startup.nsh")
    with open(nsh, "w", encoding="ascii", newline="") as f:
        f.write("".join(line + "\r\n" for line in script))
    image = os.path.join(folder, name)
    subprocess.run([os.path.join(ROOT, "tests/machine/disks.sh"), "guest", image, nsh], check=True)
    return image


def sample_disk():
    """A copy of the sample disk that this test may write to."""
    image = os.path.join(scratch(), "sample.img")
    subprocess.run([os.path.join(ROOT, "tests/machine/disks.sh"), "sample", image], check=True)
    return image


def disk_file(image, path):
    """Text of a file on the FAT partition of a guest disk, or None. The shell writes UTF-16 with a mark, or ASCII."""
    got = subprocess.run(["mtype", "-i", image + "@@1M", "::/" + path], stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL, check=False)
    if got.returncode != 0:
        return None
    if got.stdout.startswith(b"\xff\xfe"):
        return got.stdout.decode("utf-16")
    return got.stdout.decode("ascii")


def sha256(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


def plain(output):
    """Console output without escape sequences, lines ended by \\n."""
    return ESCAPE.sub(b"", output).replace(b"\r", b"").decode(errors="replace")


def log_raw(data):
    """Console output into the test's log as it comes; run-tests takes the escape sequences out when it shows it."""
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def run(command, **options):
    """machine.run() with CLOUDHV.fd at /firmware, not waiting for the shell's countdown. What comes is logged at once."""
    options.setdefault("answers", [machine.SHELL_COUNTDOWN])
    options.setdefault("files", {})
    options["files"] = dict(FIRMWARE, **options["files"])
    print("$", command, flush=True)
    result = machine.run(command, stream=log_raw, **options)
    print("=> exit status %d after %.0f s" % (result.status, result.seconds), flush=True)
    return result


def expect(condition, what):
    """A test's claim, in words."""
    if not condition:
        raise AssertionError(what)


def expect_text(output, *texts):
    text = plain(output) if isinstance(output, bytes) else output
    for want in texts:
        if want not in text:
            raise AssertionError("%r is not in the output" % want)
