"""What is written about vmboot names things that exist: functions, files, commands, sentences, versions."""

import glob
import os
import re

import animation
import pyte
from harness import ROOT, expect, scratch

FOLDERS = ("cmd", "init", "ui", "daemon", "storage", "lib", "vmm", "include")
DOCUMENTS = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "tests/machine/README.md"] + sorted(
    os.path.relpath(path, ROOT) for path in glob.glob(os.path.join(ROOT, "docs", "*.md")))
STRING = r'"(?:[^"\\\n]|\\.)*"'
CONVERSION = re.compile(r"%[-+ #0]*(?:\*|\d+)?(?:\.(?:\*|\d+))?(?:hh|h|ll|l|z|j)?[a-zA-Z]")


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as f:
        return f.read()


def sources():
    """{path: text without comments} of the program."""
    found = {}
    for folder in FOLDERS:
        for path in sorted(glob.glob(os.path.join(ROOT, folder, "**", "*.[ch]"), recursive=True)):
            with open(path, encoding="utf-8") as f:
                found[os.path.relpath(path, ROOT)] = re.sub(r"/\*.*?\*/", "", f.read(), flags=re.S)
    return found


def functions():
    """Names of the functions that the sources define: a name and its parameters at the left margin, then a brace."""
    names = set()
    for text in sources().values():
        names |= set(re.findall(r"^[a-z_][^;{}=#\n]*?\b(\w+)\([^;{}]*?\)\s*\{", text, re.M))
    return names


def test_functions_exist():
    known = functions()
    expect({"main", "gm_ptr", "vq_pop"} <= known, "functions were found in the sources")
    for document in DOCUMENTS:
        named = set(re.findall(r"`(\w+)\(\)`", read(document)))
        expect(named <= known, "%s names what is no function: %s" % (document, sorted(named - known)))
    expect(len(re.findall(r"`\w+\(\)`", read("docs/architecture.md"))) > 60, "the walks name their functions")


def test_files_and_links_exist():
    for document in DOCUMENTS:
        text, folder = read(document), os.path.dirname(document)
        for link in re.findall(r"\]\(([^)#:]+)\)", text):
            expect(os.path.exists(os.path.join(ROOT, folder, link)), "%s links to %s" % (document, link))
        for path in re.findall(r"`((?:%s|tests|man|docs|packaging|debian|themes|appliance)/[\w./-]+)`" % "|".join(FOLDERS),
                               text):
            expect(os.path.exists(os.path.join(ROOT, path)), "%s names %s" % (document, path))


def test_commands_exist():
    makefiles = "".join(read(path) for path in ["Makefile"] + [
        os.path.relpath(path, ROOT) for path in glob.glob(os.path.join(ROOT, "**", "*.mk"), recursive=True)])
    targets = set()
    for names in re.findall(r"^([a-z][\w -]*):", makefiles, re.M):
        targets |= set(names.split())
    # Also those that vmboot starts by itself, which its usage leaves out.
    commands = set(re.findall(r'^\t\{"([a-z]+)", cmd_', read("cmd/main.c"), re.M))
    expect({"menu", "vmm"} <= commands, "commands were found in the sources")
    for document in DOCUMENTS:
        text = read(document)
        for target in re.findall(r"`make ([a-z][\w-]*)", text) + re.findall(r"^    make ([a-z][\w-]*)", text, re.M):
            expect(target in targets, "%s names make %s" % (document, target))
        for command in re.findall(r"`vmboot ([a-z]+)", text) + re.findall(r"^    vmboot ([a-z]+)", text, re.M):
            expect(command in commands, "%s names vmboot %s" % (document, command))


def sentences():
    """Regular expressions of all the texts in the sources: adjoining strings are one, what printf() puts in is any."""
    found = set()
    for text in sources().values():
        # A text that ends several sentences of a file has a name there.
        for name, value in re.findall(r"^#define ([A-Z_]\w*)\s+(%s)$" % STRING, text, re.M):
            text = re.sub(r"(?<=\")(\s+)%s\b" % name, lambda m: m.group(1) + value, text)
        for run in re.findall(STRING + r"(?:\s*(?:" + STRING + r"|[A-Z_]\w*(?=\s*\")))*", text):
            pattern, literal = "", 0
            for part in re.findall(STRING + r"|[A-Z_]\w*", run):
                if not part.startswith('"'):
                    pattern += ".+"
                    continue
                part = part[1:-1].replace("\\r", "").replace("\\n", "").replace('\\"', '"').replace("\\\\", "\\")
                literal += len(CONVERSION.sub("", part))
                at = 0
                for conversion in CONVERSION.finditer(part.replace("%%", "\0\0")):
                    pattern += re.escape(part[at:conversion.start()].replace("%%", "%")) + ".*"
                    at = conversion.end()
                pattern += re.escape(part[at:].replace("%%", "%"))
            if literal > 20:
                found.add(pattern)
    return [re.compile(pattern) for pattern in sorted(found)]


def test_sentences_are_the_programs():
    known = sentences()
    expect(not any(p.fullmatch("This sentence is said by no part of the program, however hard one looks.") for p in known),
           "not everything is found")
    quoted = re.findall(r"^> (.+)$", read("docs/troubleshooting.md"), re.M)
    expect(len(quoted) > 40, "sentences are quoted")
    missing = [text for text in quoted if not any(p.fullmatch(text) for p in known)]
    expect(not missing, "the program does not say: %s" % missing)
    expect(len(quoted) == len(set(quoted)), "each is there once")


def test_figures_are_those_that_were_measured():
    """What the README picks out of docs/figures.md, which names the commands, is there just so."""
    table = read("README.md").split("`make bench ONLY=emulated`")[1].split("## ")[0]
    figures, picked = read("docs/figures.md"), re.findall(r"\d[\d.,]* (?:ms|us|MB|exits)", table)
    expect(len(picked) >= 10, "figures were found")
    for figure in picked:
        expect(figure in figures or figure.split()[0] in figures, figure + " is in docs/figures.md")


def test_figures_are_printed():
    """By `make bench`, under the name that docs/figures.md gives each of them."""
    printed = []
    for path, call, suffix in (("tests/bench/bench", r'(?:figure\(\s*f?|names = \[)"', ""),
                               ("tests/bench/emulated.py", r'figures\.(?:add|print)\(\s*"', "_virtual")):
        for name in re.findall(call + r'([^"]+)"', read(path)):
            # What is put in, or on: any word.
            printed.append(r"\w+".join(re.split(r"%s|\{\w+\}", name)) + (r"\w+" if name.endswith("_") else "") + suffix)
    known = re.compile("|".join(printed))
    expect(len(printed) > 40, "figures were found in the sources")
    named = re.findall(r"^\|(.*?)\| [\d.]", read("docs/figures.md"), re.M)
    expect(len(named) > 25, "figures were found in docs/figures.md")
    for row in named:
        names = re.findall(r"`([a-z0-9_]{10,})`", row)
        expect(names, "a figure without a name: " + row)
        for name in names:
            expect(known.fullmatch(name), name + " is printed by no bench")


def test_the_session_is_a_recording_of_this_version():
    """screenshots/session.gif is made of the asciicast beside it, which shows the operator's way from the menu to Debian and back."""
    cast, gif = (os.path.join(ROOT, "screenshots", "session." + kind) for kind in ("cast", "gif"))
    header, events = animation.read(cast)
    times = [at for at, _ in events]
    expect(times == sorted(times) and 30 < times[-1] < 90, "it takes a minute, not %.0f s" % times[-1])
    expect(max(b - a for a, b in zip(times, times[1:])) <= 5, "nothing is looked at for long")
    screen = pyte.Screen(header["width"], header["height"])
    stream, seen = pyte.Stream(screen), ""
    for _, text in events:
        stream.feed(text)
        seen += "\n".join(screen.display) + "\n"
    version = re.search(r"^VERSION := (\S+)", read("Makefile"), re.M).group(1)
    for words in ("vmboot %s " % re.escape(version), r"Starting Debian in \d+ s", "Disks for starts", "Memory +\\* \\[768M", "GNU GRUB",
                  "debian:/# uname", "recovery shell", "The guest switched itself off"):
        expect(re.search(words, seen), words + " is seen")
    again = os.path.join(scratch(), "again.gif")
    animation.make_gif(cast, again)
    expect(animation.durations(gif) == animation.durations(again), "the picture is that of this recording")
    expect("(screenshots/session.gif)" in read("README.md"), "the README shows it")


def test_versions_are_the_same():
    version = re.search(r"^VERSION := (\S+)", read("Makefile"), re.M).group(1)
    expect(re.search(r"^## (\S+)", read("CHANGELOG.md"), re.M).group(1) == version, "CHANGELOG.md begins with " + version)
    expect(read("debian/changelog").startswith("vmboot (%s) " % version), "debian/changelog begins with " + version)
