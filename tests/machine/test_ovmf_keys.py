"""The keys that the console view sends to a firmware whose terminal is PC-ANSI (Debian 12's OVMF, the one of which tests/data
has recordings), tried on that firmware itself: it runs as QEMU's own, which is quicker than in vmboot. The bytes are those of
ui/guest_keys.c, which tests/unit/test_ui_keys.c holds to them."""

import os
import shutil

from harness import ROOT, scratch
from machine import Machine
from terminal import Terminal
from test_consoles import change_and_press_f10, home_and_delete

OVMF = os.path.join(ROOT, "build/firmware/ovmf")
HOME, DELETE, F10 = "\x1b[H", "\x1b[X", "\x1b[V"


def test_pc_ansi_keys_do_what_they_are_for():
    """Home and Delete in the shell; F10 saves in the set-up."""
    variables = os.path.join(scratch(), "vars.fd")
    shutil.copy(os.path.join(OVMF, "OVMF_VARS_4M.fd"), variables)
    boot = ["-drive", "if=pflash,unit=0,format=raw,readonly=on,file=" + os.path.join(OVMF, "OVMF_CODE_4M.fd"),
            "-drive", "if=pflash,unit=1,format=raw,file=" + variables]
    # Two CPUs, so that QEMU need not count instructions: it is not vmboot that is measured here.
    with Machine(boot=boot, mem="256M", sleep=True, cpus=2) as machine:
        # It takes the terminal for one of 50 rows, and says nothing of it.
        term = Terminal(machine.child, rows=50)
        term.wait_raw(rb"any other key to continue", 120)
        term.send("\r")
        term.wait_for("Shell>", 60)
        term.settle()
        home_and_delete(term, HOME, DELETE)
        term.type("exit\r")
        term.wait_for("Boot Maintenance Manager", 90)
        change_and_press_f10(term, F10)
