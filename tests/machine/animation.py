"""An asciicast as an animated GIF, which looks the same wherever it is shown."""

import json

import pyte
from PIL import Image, ImageDraw, ImageFont, ImageSequence

FONT = "/usr/share/fonts/truetype/dejavu/DejaVuSansMono%s.ttf"
SIZE, WIDTH, HEIGHT = 15, 9, 18  # of the font, and of a character's cell
SHORTEST = 0.06  # seconds; a frame that is gone sooner is nobody's to see
LAST = 4.0  # seconds of the last frame, before all of it begins anew
COLOURS = dict(zip(("black", "red", "green", "brown", "blue", "magenta", "cyan", "white"),
                   ("#16161c", "#e05c5c", "#3fb45f", "#d9b13b", "#2457b8", "#b268c8", "#22a3b5", "#cfcfd4")))
BRIGHT = dict(zip(COLOURS, ("#6c6c76", "#ff7b7b", "#6fe08d", "#ffe066", "#6ea0ff", "#d99bea", "#5fd7e6", "#ffffff")))


def colour(name, default):
    if name == "default":
        return COLOURS[default]
    if name.startswith("bright"):
        return BRIGHT[name[len("bright"):].replace("yellow", "brown")]
    return COLOURS.get(name) or "#" + name


class Painter:
    def __init__(self, columns, rows):
        self.size = (columns * WIDTH, rows * HEIGHT)
        self.fonts = [ImageFont.truetype(FONT % style, SIZE) for style in ("", "-Bold")]
        self.rows = {}  # what a row looks like, by its cells

    def row(self, cells):
        if cells not in self.rows:
            image = Image.new("RGB", (self.size[0], HEIGHT), COLOURS["black"])
            draw = ImageDraw.Draw(image)
            for x, (char, fg, bg, bold, reverse) in enumerate(cells):
                ink, paper = colour(fg, "white"), colour(bg, "black")
                if reverse:
                    ink, paper = paper, ink
                draw.rectangle((x * WIDTH, 0, (x + 1) * WIDTH - 1, HEIGHT - 1), fill=paper)
                if char != " ":
                    draw.text((x * WIDTH, 0), char, font=self.fonts[bold], fill=ink)
            self.rows[cells] = image
        return self.rows[cells]

    def screen(self, screen):
        image = Image.new("RGB", self.size)
        for y in range(screen.lines):
            line = screen.buffer[y]
            cells = [(line[x].data or " ", line[x].fg, line[x].bg, line[x].bold, line[x].reverse) for x in range(screen.columns)]
            if y == screen.cursor.y and not screen.cursor.hidden and screen.cursor.x < screen.columns:
                char, fg, bg, bold, reverse = cells[screen.cursor.x]
                cells[screen.cursor.x] = (char, fg, bg, bold, not reverse)
            image.paste(self.row(tuple(cells)), (0, y * HEIGHT))
        return image


def read(path):
    """(header, [(seconds, text)]) of an asciicast of version 2."""
    with open(path, encoding="utf-8") as f:
        header, *events = (json.loads(line) for line in f)
    return header, [(at, text) for at, kind, text in events if kind == "o"]


def make_gif(cast, path):
    header, events = read(cast)
    screen = pyte.Screen(header["width"], header["height"])
    stream, painter = pyte.Stream(screen), Painter(header["width"], header["height"])
    images, durations, shown = [], [], 0.0
    for i, (at, text) in enumerate(events):
        stream.feed(text)
        until = events[i + 1][0] if i + 1 < len(events) else at + LAST
        if until - shown >= SHORTEST:
            images.append(painter.screen(screen))
            durations.append(round((until - shown) * 100) * 10)
            shown = until
    # One palette for all of them: else each frame's own, and with it nothing that stays the same.
    sample = Image.new("RGB", (painter.size[0], painter.size[1] * 4))
    for i in range(4):
        sample.paste(images[i * (len(images) - 1) // 3], (0, i * painter.size[1]))
    palette = sample.quantize(64)
    images = [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images]
    images[0].save(path, save_all=True, append_images=images[1:], duration=durations, loop=0, optimize=False, disposal=1)


def durations(path):
    """Milliseconds of each frame of a GIF."""
    with Image.open(path) as image:
        return [frame.info["duration"] for frame in ImageSequence.Iterator(image)]
