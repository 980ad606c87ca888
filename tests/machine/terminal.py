"""A terminal as a person sees it: bytes from a pexpect child go into pyte's screen, and tests wait for what is on it.

Works on the machine's serial line (machine.Machine().child) and on any program under a pseudo-terminal.
"""

import os
import re
import time

import pexpect
import pyte

# Seconds in tests are those of a machine that is not busy with other things. One that is gets so many times them.
PATIENCE = 4


class Terminal:
    def __init__(self, child, rows=24, cols=80):
        self.child = child
        self.screen = pyte.Screen(cols, rows)
        self.stream = pyte.ByteStream(self.screen)
        self.raw = bytearray()
        self.ended = False

    def pump(self, seconds):
        """Reads for at most this long; returns after the first bytes."""
        try:
            data = self.child.read_nonblocking(65536, timeout=seconds)
        except pexpect.TIMEOUT:
            return
        except pexpect.EOF:
            self.ended = True
            return
        self.raw += data
        self.stream.feed(data)

    def text(self):
        """The screen, lines without trailing blanks."""
        return "\n".join(line.rstrip() for line in self.screen.display)

    def wait_for(self, pattern, seconds=60, gone=False):
        """Waits until the regular expression is on the screen (gone: is not); returns the match.

        The failure shows the screen, which says more than any message could.
        """
        deadline = time.monotonic() + PATIENCE * seconds
        while True:
            found = re.search(pattern, self.text(), re.MULTILINE)
            if bool(found) != gone:
                return found
            if self.ended:
                raise AssertionError("the program ended; %r was%s on the screen:\n%s" % (
                    pattern, " still" if gone else " not", self.text()))
            if time.monotonic() > deadline:
                raise AssertionError("after %d s %r was%s on the screen:\n%s" % (
                    PATIENCE * seconds, pattern, " still" if gone else " not", self.text()))
            self.pump(0.5)

    def wait_raw(self, pattern, seconds=60, since=0):
        """Waits for bytes anywhere in what came (after offset since), however they were drawn; returns their end."""
        deadline = time.monotonic() + PATIENCE * seconds
        while True:
            found = re.compile(pattern).search(self.raw, since)
            if found:
                return found.end()
            if self.ended or time.monotonic() > deadline:
                raise AssertionError("%r never came; the screen shows:\n%s" % (pattern, self.text()))
            self.pump(0.5)

    def settle(self, quiet=1.0, seconds=20):
        """Reads until the screen has not changed, but for a clock on it, for QUIET seconds; longer on a busy host."""
        quiet *= min(3, max(1, os.getloadavg()[0] / os.cpu_count()))
        deadline = time.monotonic() + seconds
        before, since = None, 0
        while time.monotonic() < deadline and not self.ended:
            text = re.sub(r"\d+:\d\d:\d\d", "", self.text())
            if text != before:
                before, since = text, time.monotonic()
            elif time.monotonic() - since >= quiet:
                return
            self.pump(0.2)

    def send(self, data):
        self.child.send(data)

    def type(self, text, pause=0.05):
        """One key after the other, as fingers do."""
        for key in text:
            self.child.send(key)
            time.sleep(pause)

    def show(self, title):
        """The screen into the test's log."""
        print("--- %s" % title)
        print(self.text())
        print("---", flush=True)


class VgaConsole:
    """The machine's VGA console as a person at its keyboard has it.

    The machine must have been started with menu="sh" (a shell on the serial line, through which /dev/vcs1 is read) and
    with menu_tty1.
    """

    KEYS = {" ": "spc", "\r": "ret", "\x1b": "esc", "-": "minus", ".": "dot", "/": "slash", "?": "shift-slash",
            "!": "shift-1", "\x1d": "ctrl-bracket_right", "]": "bracket_right", "\t": "tab", "\x08": "backspace",
            ":": "shift-semicolon", "\\": "backslash", ">": "shift-dot", "=": "equal"}

    def __init__(self, machine):
        self.machine = machine
        self.shell = Terminal(machine.child)
        self.shell.wait_raw(rb"# ", 60)
        self.shell.send("stty -echo; PS1=; echo re''ady\r")
        self.shell.wait_raw(rb"ready\r\n", 10)

    def text(self):
        at = len(self.shell.raw)
        self.shell.send("fold -w 80 /dev/vcs1; echo; echo vcs''-end\r")
        end = self.shell.wait_raw(rb"vcs-end\r\n", 20, at)
        return bytes(self.shell.raw[at:end]).decode("latin-1").replace("\r", "").replace("vcs-end\n", "")

    def wait_for(self, pattern, seconds=60):
        deadline = time.monotonic() + PATIENCE * seconds
        while True:
            text = self.text()
            if re.search(pattern, text, re.MULTILINE):
                return text
            if time.monotonic() > deadline:
                raise AssertionError("after %d s %r was not on the VGA screen:\n%s" % (PATIENCE * seconds, pattern, text))
            time.sleep(0.5)

    def press(self, *names):
        """QEMU key names: down, ret, f1, ..."""
        self.machine.sendkeys(*names)

    def type(self, text):
        for char in text:
            self.press(self.KEYS.get(char) or ("shift-" + char.lower() if char.isupper() else char))

    def picture(self, path):
        self.machine.screendump(path)
