#!/usr/bin/python3
"""Makes screenshots/*.png: the VGA console of the test machine, with vmboot's menu used on it by its keyboard.

menu.png, form.png, console.png (EDK2's shell on the sample disk), result.png. Nothing is retouched.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import guest_disk, sample_disk  # noqa: E402
from machine import ROOT, Machine  # noqa: E402
from terminal import VgaConsole  # noqa: E402

FOLDER = os.path.join(ROOT, "screenshots")


def main():
    os.makedirs(FOLDER, exist_ok=True)
    with Machine(menu="sh", menu_tty1="vmboot", disks=[sample_disk(), guest_disk("@echo -off")], sleep=True) as machine:
        vga = VgaConsole(machine)

        def picture(name, pattern, seconds=30):
            vga.wait_for(pattern, seconds)
            path = os.path.join(FOLDER, name)
            vga.picture(path)
            print("screenshots: %s" % os.path.relpath(path, ROOT))

        picture("menu.png", "CLOUDHV")
        vga.press("e")
        picture("form.png", "Variables")
        vga.press("ret")
        vga.wait_for("any other key to continue", 120)
        vga.press("ret")
        picture("console.png", "Hello from the UEFI shell", 120)
        vga.type("reset -s\r")
        picture("result.png", "The guest switched itself off", 60)


if __name__ == "__main__":
    main()
