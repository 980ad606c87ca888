"""`vmboot run` in a terminal: the prefix key, and the terminal given back on every way out (point 5)."""

from guest import boot_command, run_linux
from harness import FIRMWARE, expect, expect_text, guest_disk, plain
from machine import SHELL_COUNTDOWN, Machine
from terminal import Terminal

RUN = "vmboot run --firmware /firmware/CLOUDHV.fd --disk /dev/nvme0n1 --memory 128M"
SANE = "stty -a >/tmp/stty; grep -q ' icanon' /tmp/stty && grep -q ' echo ' /tmp/stty && echo terminal is sane"


def start(term, at):
    """Waits until firmware and shell are up, not waiting for the shell's countdown."""
    at = term.wait_raw(rb"BdsDxe: starting Boot", 120, at)
    at = term.wait_raw(SHELL_COUNTDOWN[0], 60, at)
    term.send(SHELL_COUNTDOWN[1])
    return term.wait_raw(rb"the shell is up", 60, at)


def test_prefix_keys():
    machine = Machine(menu=RUN + "; echo status=$?; " + SANE, files=FIRMWARE, sleep=True,
                      disks=[guest_disk("@echo -off", "echo the shell is up")])
    with machine:
        term = Terminal(machine.child)
        at = start(term, 0)
        term.settle()
        term.send(b"\x1d?")
        at = term.wait_raw(rb"kill", 10, at)

        # A literal ^] reaches the guest, whose shell shows it or not; the next keys surely are the guest's.
        term.send(b"\x1d\x1d")
        term.type("\x08echo typed by hand\r")
        term.wait_for("^typed by hand", 20)
        at = len(term.raw)

        term.send(b"\x1dr")
        at = start(term, at)

        term.send(b"\x1dk")
        at = term.wait_raw(rb"status=3", 20, at)
        term.wait_raw(rb"terminal is sane", 20, at)
        expect(machine.wait(30) == 0, "the machine ends")


def test_terminal_is_given_back():
    """SIGTERM and SIGHUP to vmboot, SIGSEGV to its vmm process, each while the guest runs."""
    one = """
echo == {name}
rm -f /tmp/log
( until grep -q 'the guest is up' /tmp/log 2>/dev/null; do sleep 1; done; kill -{name} $({victim}) ) &
sh -c 'echo $$ >/tmp/pid; exec {run}'
echo status=$?
{sane}
pidof vmboot && echo something of vmboot is left
"""
    parent, child = "cat /tmp/pid", "cut -d' ' -f1 /proc/$(cat /tmp/pid)/task/$(cat /tmp/pid)/children"
    cases = (("TERM", parent), ("HUP", parent), ("SEGV", child))
    command = boot_command("--log /tmp/log").replace("'", '"')
    got = run_linux("echo the guest is up; sleep 100000",
                    command="".join(one.format(name=name, victim=victim, run=command, sane=SANE) for name, victim in cases))
    said = plain(got.output).split("== ")[1:]
    expect(len(said) == len(cases), "all cases were tried")
    for (name, _), text in zip(cases, said):
        print("case", name)
        expect_text(text, "the guest is up", "terminal is sane")
        expect("something of vmboot is left" not in text, "no process is left")
        expect("status=0" not in text, "the exit status tells of a violent end")
