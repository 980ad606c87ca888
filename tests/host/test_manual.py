"""The manual pages say what the program knows, all of it and nothing else."""

import os
import re
import subprocess

from harness import ROOT, expect

PROGRAM = os.path.join(ROOT, "vmboot")
PAGES = ("man/vmboot.8", "man/vmboot.conf.5")
# Between processes of vmboot, for no operator.
INTERNAL_COMMANDS = {"vmm", "probe"}
INTERNAL_OPTIONS = {"client-fd", "client"}


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as f:
        return f.read()


def usages():
    """{command: its usage}, as `vmboot help` prints it."""
    text = subprocess.run([PROGRAM, "help"], stdout=subprocess.PIPE, check=True, text=True).stdout
    found, command = {}, None
    for line in text.splitlines():
        if line.startswith("  vmboot "):
            command = line.split()[1]
            found[command] = line.split(command, 1)[1]
        elif re.match(r"      \S", line):
            command = None  # what it does
        elif command:
            found[command] += " " + line
    return found


def sections():
    """{command: the source of its part of vmboot.8}"""
    commands = read(PAGES[0]).split(".Sh COMMANDS")[1].split("\n.Sh ")[0]
    return {part.split("\n")[0]: part for part in commands.split("\n.Ss vmboot ")[1:]}


def differ(what, program, page):
    expect(program == page, "%s: only in the program: %s; only in the page: %s" %
           (what, sorted(program - page), sorted(page - program)))


def test_every_command_and_option():
    usage, page = usages(), sections()
    differ("commands", set(usage), set(page))
    for command, text in usage.items():
        differ("options of " + command, set(re.findall(r"--([a-z][a-z-]*)", text)),
               set(re.findall(r"^\.It Fl -([a-z-]+)", page[command], re.M)))
        # What is chosen between: ro, serial|virtio, the verbs of ctl.
        words = set(re.findall(r"(?<![-A-Za-z])[a-z]{2,}(?![-a-z])", text))
        missing = {word for word in words if not re.search(r"\b%s\b" % word, page[command])}
        expect(not missing, "vmboot.8 does not have of %s: %s" % (command, sorted(missing)))
    verbs = set(re.findall(r"^\.It Cm ([a-z]+)", page["ctl"], re.M))
    usage_verbs = set(re.findall(r"(?:^|[ |])([a-z]+)(?=[ |]|$)", usage["ctl"])) - {"up", "down"}
    differ("verbs of ctl", usage_verbs, verbs)


def test_every_option_of_the_sources_is_in_the_usage():
    """What a command takes and does not tell is an option that nobody finds."""
    usage = usages()
    sources = "".join(read("cmd/" + name) for name in sorted(os.listdir(os.path.join(ROOT, "cmd")))
                      if name.endswith(".c") and name[:-2] not in INTERNAL_COMMANDS)
    taken = set(re.findall(r'strcmp\(argv\[\w+\], "--([a-z-]+)"\)', sources))
    taken |= set(re.findall(r'\{"([a-z-]+)", (?:required|no|optional)_argument', sources))
    taken -= INTERNAL_OPTIONS | {"help", "version"}
    told = set(re.findall(r"--([a-z][a-z-]*)", " ".join(usage.values())))
    expect(len(taken) > 20, "options were found in the sources")
    differ("options", taken, told)


def test_every_option_of_the_kernels_command_line():
    known = set(re.findall(r'\{"([a-z]+)", read_\w+\}', read("init/boot_options.c")))
    expect(len(known) > 4, "options were found in the sources")
    differ("options", known, set(re.findall(r"^\.It Cm vmboot\.([a-z]+)", read(PAGES[0]), re.M)))
    for document in ("README.md", "docs/using.md"):
        told = set(re.findall(r"`(?:vmboot)?\.([a-z]+)(?:=[^`]*)?`", read(document)))
        expect(known <= told, "not in %s: %s" % (document, sorted(known - told)))


def keys_of(source):
    return set(re.findall(r'^\t\{\.name = "([a-z-]+)", \.read = ', read(source), re.M))


def test_every_key_of_settings_and_entries():
    page = read(PAGES[1])
    for section, source in (("SETTINGS", "lib/settings_file.c"), ("ENTRIES", "lib/entry_file.c")):
        part = page.split(".Sh " + section)[1].split("\n.Sh ")[0]
        keys = keys_of(source)
        expect(len(keys) > 10, "keys were found in " + source)
        differ("keys of " + source, keys, set(re.findall(r"^\.It Cm ([a-z-]+) Li =", part, re.M)))
        # The words that a value can be, of each kind of line.
        for words in re.findall(r"_words\[\] = \{(.*?), NULL", read(source)):
            for word in re.findall(r'"([a-z]+)"', words):
                expect(re.search(r"\b%s\b" % word, part), "%s: %s is not in the page" % (source, word))


def test_every_element_of_a_theme():
    part = read(PAGES[1]).split(".Sh THEMES")[1].split("\n.Sh ")[0]
    elements = re.findall(r"^([a-z-]+) +=", read("themes/default.theme").split("[mono]")[0], re.M)
    listed = part.split("The elements are")[1]
    differ("elements", set(elements), set(re.findall(r"[a-z][a-z-]+", re.sub(r"^\.Cm|\band\b", "", listed, flags=re.M))))


def test_pages_are_clean():
    for page in PAGES:
        path = os.path.join(ROOT, page)
        lint = subprocess.run(["mandoc", "-Tlint", path], stdout=subprocess.PIPE, check=False, text=True).stdout
        # Each page names the other one, which is not installed here.
        lines = [line for line in lint.splitlines() if "referenced manual not found: Xr vmboot" not in line]
        expect(not lines, "mandoc says: %s" % lines)
        man = subprocess.run(["man", "--warnings", "-l", path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False,
                             env=dict(os.environ, MANWIDTH="80", LC_ALL="C.UTF-8", MAN_KEEP_FORMATTING="1"))
        expect(man.returncode == 0 and not man.stderr, "man says: %s" % man.stderr.decode())
        longest = max(len(re.sub(".\b|\x1b\\[[0-9;]*m", "", line)) for line in man.stdout.decode().splitlines())
        expect(longest <= 80, "a line of %s has %d columns" % (page, longest))
