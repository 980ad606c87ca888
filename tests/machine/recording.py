"""A session on a terminal as an asciicast, with a line below the screen that says what is pressed and why.

What is recorded are screens, not bytes: a host that is busy paints them in pieces and makes everything wait, which nobody
wants to look at. So a screen counts once nothing has come for a moment, and no pause is longer than LONGEST.
"""

import json
import re
import time

from terminal import Terminal

QUIET, TORN = 0.12, 0.6  # seconds: a screen is whole after so long without bytes; one that never rests is taken so often
LONGEST = 1.5  # seconds of a pause that remain of it
TYPING = 0.09  # seconds a key, as fingers do
CLOCK = re.compile(r"\d+:\d\d:\d\d")  # a screen on which nothing else changes stands still
COLOURS = ("black", "red", "green", "brown", "blue", "magenta", "cyan", "white")


def colour(name, base):
    """The parameters of SGR for one of pyte's colours; BASE is 30 for the foreground, 40 for the background."""
    if name == "default":
        return "%d" % (base + 9)
    if name in COLOURS:
        return "%d" % (base + COLOURS.index(name))
    if name.startswith("bright"):
        return "%d" % (base + 60 + COLOURS.index(name[len("bright"):].replace("yellow", "brown")))
    return "%d;2;%d;%d;%d" % (base + 8, *bytes.fromhex(name))


def paint(cells):
    """A row of (character, attributes) as what a terminal is sent for it."""
    text, last = "", None
    for char, look in cells:
        if look != last:
            fg, bg, bold, underscore, reverse = last = look
            text += "\x1b[0;%s;%s%s%s%sm" % (colour(fg, 30), colour(bg, 40), ";1" * bold, ";4" * underscore, ";7" * reverse)
        text += char
    return text + "\x1b[0m\x1b[K"


class Recording(Terminal):
    """A Terminal that keeps what is on its screen, and when; below it two rows with CAPTION."""

    def __init__(self, child, rows=24, cols=80):
        super().__init__(child, rows, cols)
        self.caption = ""
        self.events = []  # (seconds, text) each
        self.time = 0.0
        self.shown = {}  # row: what was painted there
        self.moved = self.seen = time.monotonic()
        self.changed = False
        self.last = None

    def _rows(self):
        for y in range(self.screen.lines):
            line = self.screen.buffer[y]
            yield [(line[x].data or " ", (line[x].fg, line[x].bg, line[x].bold, line[x].underscore, line[x].reverse))
                   for x in range(self.screen.columns)]
        plain = ("white", "default", False, False, False)
        yield [("\u2500", ("cyan",) + plain[1:])] * self.screen.columns
        yield [(char, ("brightyellow", "default", True, False, False)) for char in " " + self.caption.ljust(self.screen.columns - 1)]

    def take(self):
        """The screen as it is now becomes part of the recording, if it is another one."""
        now, text = time.monotonic(), CLOCK.sub("", self.text()) + self.caption
        passed, self.seen, self.changed = now - self.seen, now, False
        if text == self.last:
            return
        self.last = text
        self.time += min(LONGEST, passed)
        text = ""
        for y, cells in enumerate(self._rows()):
            painted = paint(cells)
            if self.shown.get(y) != painted:
                self.shown[y] = painted
                text += "\x1b[%d;1H%s" % (y + 1, painted)
        cursor = self.screen.cursor
        if text:
            text += "\x1b[%d;%dH\x1b[?25%s" % (cursor.y + 1, cursor.x + 1, "l" if cursor.hidden else "h")
            self.events.append((round(self.time, 2), text))

    def pump(self, seconds):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            before, now = len(self.raw), time.monotonic()
            super().pump(min(QUIET, deadline - now) if self.changed else deadline - now)
            if self.ended:
                break
            if len(self.raw) > before:
                if not self.changed:
                    self.moved = time.monotonic()
                self.changed = True
                if time.monotonic() - self.moved < TORN:
                    continue
            if self.changed:
                self.take()
            return

    def hold(self, seconds):
        """The screen stands still for so long, in the recording."""
        self.settle()
        self.take()
        self.time += seconds

    def say(self, caption, seconds=1.5):
        """CAPTION below the screen, with time to read it."""
        self.settle()
        self.caption = caption
        self.take()
        self.time += seconds

    def press(self, keys, pattern=None, seconds=60):
        """Sends KEYS at once; PATTERN comes then."""
        self.send(keys)
        self.time += TYPING
        if pattern:
            self.wait_for(pattern, seconds)

    def type(self, text, pause=TYPING):
        """One key after the other, each seen before the next; it takes PAUSE seconds, however long it took."""
        for key in text if isinstance(text, str) else list(text):
            began, first = self.time, len(self.events)
            self.send(key)
            self.settle(0.2)
            self.take()
            self.time = began + pause
            self.events[first:] = [(round(self.time, 2), change) for _, change in self.events[first:]]

    def enter(self, line):
        self.type(line)
        self.time += 0.5
        self.send("\r")

    def save(self, path, title):
        header = {"version": 2, "width": self.screen.columns, "height": self.screen.lines + 2, "title": title}
        with open(path, "w", encoding="utf-8") as f:
            for item in [header] + [[at, "o", text] for at, text in self.events]:
                f.write(json.dumps(item, ensure_ascii=False) + "\n")
