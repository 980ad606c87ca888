"""OVMF, in flash: Debian's image boots from a real disk, resets, switches off, and its variables are kept."""

import os

from harness import ROOT, disk_file, expect, expect_text, guest_disk, run, slow
from test_vars import GUID, parts

OVMF = os.path.join(ROOT, "build/firmware/ovmf/OVMF_CODE_4M.fd")
RUN = "vmboot run --firmware %s --disk /dev/nvme0n1 --memory 128M --vars /tmp/vars.fd"
SCRIPT = ("@echo -off", "setvar VmbTest " + GUID, "if %lasterror% == 0x0 then", "  echo it was there",
          r"  echo hello > fs0:\written.txt", "  reset -s", "endif",
          "setvar VmbTest " + GUID + " -nv -bs -rt =4142434445", "echo it is new", "reset")


@slow
def test_ovmf_and_cloudhv_share_variables():
    """In the first run the guest sets a variable, resets, finds it and switches off; CLOUDHV.fd finds it then, too."""
    disk = guest_disk(*SCRIPT)
    got = run("\n".join(("echo == ovmf", RUN % "/OVMF_CODE_4M.fd", "echo status $?; ls -l /tmp/vars.fd",
                         "echo == cloudhv", RUN % "/firmware/CLOUDHV.fd", "echo status $?")),
              disks=[disk], files={"OVMF_CODE_4M.fd": OVMF})
    said = parts(got.output)
    expect_text(said["ovmf"], "BdsDxe: starting Boot", "it is new", "it was there", "status 0", " 540672 ")
    expect(said["ovmf"].count("it is new") == 1, "the variable is new once")
    expect(disk_file(disk, "written.txt") == "hello\r\n", "the file the guest wrote is on the disk image")
    expect_text(said["cloudhv"], "it was there", "status 0")
    expect("it is new" not in said["cloudhv"], "the variable that OVMF set is there for CLOUDHV.fd")
