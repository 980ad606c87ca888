"""UEFI variables persist (point 4 of the first milestone)."""

import os

from harness import ROOT, expect, expect_text, guest_disk, plain, run, slow

RUN = "vmboot run --firmware /firmware/CLOUDHV.fd --disk /dev/nvme0n1 --memory 128M --vars /tmp/vars.fd"
GUID = "-guid 5a1e3b0c-7d2f-4e68-9b1a-2c3d4e5f6071"
SCRIPT = ("@echo -off", "setvar VmbTest " + GUID, "if %lasterror% == 0x0 then", "  echo it was there", "else",
          "  setvar VmbTest " + GUID + " -nv -bs -rt =4142434445", "  echo it is new", "endif", "reset -s")


def parts(output):
    """The output between the lines `== NAME` that the commands print."""
    found, name = {}, ""
    for line in plain(output).splitlines():
        if line.startswith("== "):
            name = line[3:]
        found[name] = found.get(name, "") + line + "\n"
    return found


@slow
def test_variable_is_there_in_the_next_run():
    got = run("\n".join((
        "echo == first", RUN, "echo status $?; ls -l /tmp/vars.fd",
        "echo == second", RUN, "echo status $?")), disks=[guest_disk(*SCRIPT)])
    said = parts(got.output)
    expect_text(said["first"], "it is new", "status 0")
    expect_text(said["second"], "it was there", "status 0")


@slow
def test_files_from_elsewhere():
    """Debian's pristine OVMF_VARS_4M.fd, which has the same format, serves. Truncated, foreign, damaged: a sentence, exit
    status 2, not one byte changed; --fresh-vars starts and keeps it."""
    check = RUN + " </dev/null; echo status $?; cmp /tmp/vars.fd /tmp/copy && echo kept as it was"
    got = run("\n".join((
        "make() { cp /OVMF_VARS_4M.fd /tmp/vars.fd; }",
        "echo == good", "make", RUN, "echo status $?; tr -d '\\000' </tmp/vars.fd | grep -aq VmbTest.*ABCDE && echo stored",
        "echo == truncated", "make; truncate -s 1000 /tmp/vars.fd; cp /tmp/vars.fd /tmp/copy", check,
        "echo == foreign", "head -c 540672 /firmware/CLOUDHV.fd >/tmp/vars.fd; cp /tmp/vars.fd /tmp/copy", check,
        "echo == damaged", "make; printf '\\377\\377' | dd of=/tmp/vars.fd bs=1 seek=50 conv=notrunc 2>/dev/null",
        "cp /tmp/vars.fd /tmp/copy", check,
        "echo == fresh", RUN + " --fresh-vars", "echo status $?",
        "for f in /tmp/vars.fd*; do cmp -s $f /tmp/copy && echo the damaged one is now $f; done")),
        disks=[guest_disk(*SCRIPT)],
        files={"OVMF_VARS_4M.fd": os.path.join(ROOT, "build/firmware/ovmf/OVMF_VARS_4M.fd")})
    said = parts(got.output)
    expect_text(said["good"], "it is new", "status 0\nstored\n")
    for case in ("truncated", "foreign", "damaged"):
        expect_text(said[case], "/tmp/vars.fd", "status 2", "kept as it was")
        expect("BdsDxe" not in said[case], "nothing was started with the %s file" % case)
    expect_text(said["fresh"], "it is new", "status 0", "the damaged one is now")
