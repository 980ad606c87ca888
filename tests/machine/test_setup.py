"""What the README's commands do on a machine that lacks something."""

import os
import shutil
import subprocess

from harness import ROOT, Skip, expect, expect_text, scratch


def test_fetch_without_network():
    """No network: a sentence and what to do next, exit status 1, and nothing half-written."""
    if os.geteuid() != 0:
        raise Skip("taking the network away needs root (unshare -n)")
    folder = scratch()
    os.makedirs(os.path.join(folder, "tests/machine"))
    script = shutil.copy(os.path.join(ROOT, "tests/machine/fetch.sh"), os.path.join(folder, "tests/machine"))
    got = subprocess.run(["unshare", "-n", script, "firmware", "kernel"], stdin=subprocess.DEVNULL,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    expect(got.returncode == 1, "exit status 1, not %d" % got.returncode)
    expect_text(got.stdout, "could not read the package list", "Is there a network?", "Nothing was changed")
    left = [name for name in os.listdir(os.path.join(folder, "build")) if name != ".fetch.lock"]
    expect(not left, "nothing is left behind, not %s" % left)


def test_help():
    """The list of commands, and each command's own part of it: on standard output, as asked for."""
    def say(*args):
        return subprocess.run([os.path.join(ROOT, "vmboot"), *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, check=False, text=True)
    everything = say("help").stdout
    for command in ("menu", "run", "list", "ctl", "check", "report", "doctor"):
        got = say(command, "--help")
        expect(got.returncode == 0 and got.stdout.startswith("  vmboot %s " % command), "`%s --help` helps" % command)
        expect(got.stdout in everything, "and so does `vmboot help`")
    wrong = say("doctor", "--what")
    expect(wrong.returncode == 64 and not wrong.stdout and "usage: vmboot doctor" in wrong.stderr,
           "an option that is none is answered with the usage, on standard error")
