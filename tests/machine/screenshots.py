#!/usr/bin/python3
"""Makes screenshots/*.png: the VGA console of the test machine, with vmboot's menu used on it by its keyboard.

Every screen in the default theme, and the main screen in all themes (theme-NAME.png). Nothing is retouched.
"""

import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import guest_disk, sample_disk  # noqa: E402
from machine import ROOT, Machine  # noqa: E402
from terminal import VgaConsole  # noqa: E402

FOLDER = os.path.join(ROOT, "screenshots")
THEMES = ("default", "high-contrast", "mono", "light", "amber")

ENTRIES = {
    "debian": "title = Debian GNU/Linux 12\nfirmware = label:FIRMWARE,/CLOUDHV.fd\nmemory = 512M\n"
              "disk = serial:TEST0\n",
    "debian-overlay": "title = Debian, nothing is written\nfirmware = label:FIRMWARE,/CLOUDHV.fd\nmemory = 512M\n"
                      "disk = serial:TEST0,overlay\n",
    "installer": "title = Installer\nfirmware = label:FIRMWARE,/CLOUDHV.fd\nmemory = 256M\n"
                 "disk = serial:TEST1,ro\ndisk = serial:TEST0\ntries = 3\n",
    "backup": "title = Backup\nfirmware = label:FIRMWARE,/CLOUDHV.fd\ndisk = serial:ZC1000\n",
}

# Name, keys from the main screen, what must be there, keys back to the main screen.
SCREENS = (
    ("menu", [], "Debian GNU/Linux 12 .*default", []),
    ("form", ["e"] + ["down"] * 7, "6?[0-9.]+[MG] of [0-9.]+[MG] free", ["esc"]),
    ("disks", ["s"], "Disks for starts without an entry", ["q"]),
    ("firmware", ["f"], "sha256 [0-9a-f]{12}", ["q"]),
    ("checklist", ["end", "ret"], "will not start like this", ["q", "home"]),
    ("settings", ["c", "down"], "store:", ["q"]),
    ("information", ["i"], "System information", ["q"]),
    ("log", ["l"], "Log", ["q"]),
    ("power", ["shift-p"], "(?i)power off|switch", ["esc"]),
    ("help", ["shift-slash"], "Main screen", ["q"]),
)


def settings():
    """The store as files of the machine."""
    files = {"etc/vmboot/entries/%s.conf" % name: text.encode()
             for name, text in ENTRIES.items()}
    files["etc/vmboot/vmboot.conf"] = b"default = debian\ntimeout = 60\nrearm = 0\n"
    return files


def main():
    os.makedirs(FOLDER, exist_ok=True)
    with Machine(menu="sh", menu_tty1="vmboot", disks=[sample_disk(), guest_disk("@echo -off")], sleep=True,
                 files=settings()) as machine:
        vga = VgaConsole(machine)

        def picture(name, pattern, seconds=30):
            vga.wait_for(pattern, seconds)
            path = os.path.join(FOLDER, name + ".png")
            vga.picture(path)
            print("screenshots: %s" % os.path.relpath(path, ROOT), flush=True)

        def ready():
            vga.wait_for("q quit", 30)

        vga.wait_for("Debian GNU/Linux 12 .*default", 60)
        # The first key stops the countdown, and does nothing else.
        picture("countdown", r"PVH ELF[\s\S]*any key to wait")
        vga.press("spc")
        for name, keys, pattern, back in SCREENS:
            vga.press(*keys)
            picture(name, pattern)
            vga.press(*back)
            time.sleep(1)  # a lone Esc is known by the silence after it
            ready()
        for theme in THEMES[1:] + THEMES[:1]:
            vga.press("c", "down", "right")
            vga.wait_for("< %s >" % theme)
            vga.press("ctrl-s")
            vga.wait_for("Saved")
            vga.press("q")
            ready()
            picture("theme-" + theme, "default")
        vga.press("home", "down", "ret")
        vga.wait_for("any other key to continue", 120)
        vga.press("ret")
        picture("console", "Hello from the UEFI shell", 120)
        vga.type("reset -s\r")
        picture("result", "The guest switched itself off", 60)


if __name__ == "__main__":
    main()
