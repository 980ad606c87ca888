"""The test machine: QEMU emulating a PC whose CPU has AMD's SVM, with Debian's kernel and KVM inside.

Nothing of the host's own virtualisation is used, so everything that vmboot does with /dev/kvm, disks, consoles and
signals happens for real, and the same on every host. README.md of this folder says how to use it and why QEMU gets
just these options.
"""

import atexit
import collections
import ctypes
import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time

import pexpect
import pexpect.fdpexpect

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.append(os.path.join(ROOT, "appliance"))
import cpio  # noqa: E402
BUILD = os.path.join(ROOT, "build")
KERNEL = os.path.join(BUILD, "machine", "kernel", "vmlinuz")
BASE = os.path.join(BUILD, "machine", "base.cpio")
VMBOOT = os.environ.get("VMBOOT") or os.path.join(ROOT, "vmboot")
CLOUDHV = os.path.join(BUILD, "firmware", "CLOUDHV.fd")

# For a kernel that is not itself looked at: a third of its start, as emulated, is waiting for ticks to measure the local APIC's
# timer; its ciphers test themselves; and each return from its functions is a detour around faults of real processors.
SHORTCUTS = "cryptomgr.notests mitigations=off"  # and nolapic_timer, where there is one CPU
WALL_FACTOR = 4  # see Machine.wait()
WATCHDOG_RUNS = 4  # a run that the watchdog ended is repeated with another seed, at most three times


class MachineError(Exception):
    """The machine itself could not do what was asked: QEMU missing, died, no kernel fetched."""


class WatchdogExpired(Exception):
    """The wall clock ran out (see test-run counting: only these runs are repeated)."""


# The UEFI shell counts 5 s down before startup.nsh, polling a timer. Here that takes minutes of wall time, because each
# poll is an exit of the nested guest. A key ends the countdown, as its text says.
SHELL_COUNTDOWN = (rb"in 5 seconds to skip [^\n]*?any other key to continue", b"\r")

Result = collections.namedtuple("Result", "status output repeats seconds")  # seconds of processor time

# How many runs the watchdog ended and were repeated, over this process; the runner prints it.
watchdog_repeats = 0


def die_with_parent():
    """For preexec_fn."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: no QEMU outlives a killed test run


class Monitor:
    """QEMU's machine protocol (QMP) over a unix socket."""

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(30)
        self.sock.connect(path)
        self.file = self.sock.makefile("rw")
        self._read()
        self.execute("qmp_capabilities")

    def _read(self):
        line = self.file.readline()
        if not line:
            raise MachineError("QEMU closed its monitor")
        return json.loads(line)

    def execute(self, command, **arguments):
        self.file.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self.file.flush()
        while True:
            answer = self._read()
            if "return" in answer:
                return answer["return"]
            if "error" in answer:
                raise MachineError("QEMU refused %s: %s" % (command, answer["error"]["desc"]))

    def close(self):
        self.file.close()
        self.sock.close()


class Line(pexpect.fdpexpect.fdspawn):
    """The serial line. A QEMU that has ended is its end, too, when keys were left that nobody took any more."""

    def read_nonblocking(self, size=1, timeout=-1):
        try:
            return super().read_nonblocking(size, timeout)
        except ConnectionResetError:
            raise pexpect.EOF("the machine is off") from None

    def send(self, s):
        try:
            return super().send(s)
        except (BrokenPipeError, ConnectionResetError):
            return len(s)


class Machine:
    """One start of the test machine. Use it as a context manager; it ends QEMU and removes its files.

    command    shell text run on ttyS0, its exit status ends the machine (see status())
    menu       shell text run on ttyS0 the same way, but as a person would use it; menu_tty1: the same on the VGA
               console, started again whenever it ends
    disks      "FILE[,ro][,virtio][,snapshot]" each: NVMe disks /dev/nvme0n1, nvme1n1... (virtio: /dev/vda...)
    files      {guest path: host path, or bytes}
    init       True: vmboot itself is PID 1, as on the appliance, on the kernel's consoles tty0 and ttyS0 (or those in
               append); none of the three above then
    mem        of the machine, not of a guest in it
    machine_kernel  not the usual one; the modules that init loads are Debian's, so another one needs them built in
    boot       QEMU's arguments that start something else than the test machine's kernel and initramfs; without these
               there is nothing that runs COMMAND or MENU and no exit status
    shortcuts  False: the kernel starts as it does everywhere, for figures
    cpus       more than 1: that many, each in a thread of the host's, and the host's time (see README.md)
    sleep      True: idle time passes as on a clock (people, countdowns); False: at once (unattended runs)
    """

    def __init__(self, command=None, menu=None, menu_tty1=None, disks=(), files=None, mem="2G", seed=1, sleep=False,
                 append="", rows=24, cols=80, term="vt220", cpu="EPYC,+svm,+npt", stdio=False, vmboot=True,
                 qemu_args=(), boot=None, init=False, shortcuts=True, cpus=1, machine_kernel=KERNEL):
        for path, how in ((machine_kernel, "make fetch"), (BASE, "make machine")):
            if not os.path.exists(path):
                raise MachineError("%s is missing; run '%s' first" % (os.path.relpath(path, ROOT), how))
        if not shutil.which("qemu-system-x86_64"):
            raise MachineError("qemu-system-x86_64 is not installed; run 'make deps' first")
        self.dir = tempfile.mkdtemp(prefix="run-", dir=os.path.join(BUILD, "machine"))
        atexit.register(self.close)
        self.proc = self.child = self._monitor = None
        self.log = bytearray()

        if init:
            files = dict(files or {}, init=VMBOOT)
        self.monitor_path = os.path.join(self.dir, "monitor")
        self.serial_path = os.path.join(self.dir, "serial")
        self.control_path = os.path.join(self.dir, "control")
        words = SHORTCUTS + (" nolapic_timer" if cpus == 1 else "") if shortcuts else ""
        icount = ["-icount", "shift=0,sleep=" + ("on" if sleep else "off")]
        self.args = ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-no-reboot",
                     "-accel", "tcg", "-machine", "q35", "-cpu", cpu, "-smp", str(cpus), "-m", mem,
                     *(icount if cpus == 1 else ()),
                     "-seed", str(seed), "-rtc", "base=2026-01-01T00:00:00,clock=vm",
                     "-display", "none", "-vga", "std",
                     "-qmp", "unix:%s,server=on,wait=off" % self.monitor_path]
        self.args += list(boot) if boot is not None else [
            "-kernel", machine_kernel, "-initrd", self._initrd(command, menu, menu_tty1, vmboot, files or {}),
            "-append", "%s console=ttyS0,115200 quiet loglevel=1 panic=-1 rdinit=/init machine.rows=%d machine.cols=%d "
            "machine.term=%s %s %s" % ("console=tty0 printk.devkmsg=on kvm_amd.vgif=0" if init else "printk.devkmsg=off",
                                       rows, cols, term, words, append)]
        if stdio:
            # Raw and without QEMU's own escape keys: every byte, ^A and ^C too, is the guest's.
            self.args += ["-chardev", "stdio,id=console,mux=off,signal=off"]
        else:
            self.args += ["-chardev", "socket,id=console,path=%s,server=on,wait=on" % self.serial_path]
        self.args += ["-serial", "chardev:console",
                      "-chardev", "file,id=control,path=" + self.control_path, "-serial", "chardev:control"]
        for i, disk in enumerate(disks):
            self.args += self._disk(i, disk)
        self.args += list(qemu_args)
        self.stdio = stdio

    def _initrd(self, command, menu, menu_tty1, vmboot, files):
        content = {}
        for name, text in (("command", command), ("menu", menu), ("menu-tty1", menu_tty1)):
            if text is not None:
                content["machine/" + name] = (text.encode(), 0o644)
        if vmboot:
            content["bin/vmboot"] = (self._read(VMBOOT), 0o755)
        for guest, host in files.items():
            if isinstance(host, bytes):
                content[guest] = (host, 0o755 if host.startswith(b"#!") else 0o644)
            else:
                content[guest] = (self._read(host), stat.S_IMODE(os.stat(host).st_mode) | 0o400)
        initrd = os.path.join(self.dir, "initrd")
        with open(initrd, "wb") as out:
            out.write(self._read(BASE))
            out.write(cpio.archive(content))
        return initrd

    @staticmethod
    def _read(path):
        try:
            with open(path, "rb") as f:
                return f.read()
        except OSError as e:
            raise MachineError("%s: %s" % (path, e.strerror)) from e

    @staticmethod
    def _disk(i, spec):
        path, *options = spec.split(",")
        if not os.path.exists(path):
            raise MachineError("the disk image %s does not exist" % path)
        drive = "file=%s,if=none,id=disk%d,format=raw,cache=unsafe" % (os.path.abspath(path), i)
        drive += ",readonly=on" if "ro" in options else ""
        drive += ",snapshot=on" if "snapshot" in options else ""
        if "virtio" in options:
            return ["-drive", drive, "-device", "virtio-blk-pci,drive=disk%d,serial=TEST%d" % (i, i)]
        return ["-drive", drive, "-device", "nvme,drive=disk%d,serial=TEST%d" % (i, i)]

    def start(self):
        err = open(os.path.join(self.dir, "stderr"), "wb")
        self.proc = subprocess.Popen(self.args, stdin=None if self.stdio else subprocess.DEVNULL,
                                     stdout=None if self.stdio else err, stderr=err, preexec_fn=die_with_parent)
        err.close()
        if self.stdio:
            return self
        sock = self._connect(self.serial_path)
        self.child = Line(sock.detach(), timeout=60, maxread=65536)
        self.child.logfile_read = self
        return self

    def _connect(self, path):
        deadline = time.monotonic() + 20
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        while True:
            try:
                sock.connect(path)
                return sock
            except OSError:
                if self.proc.poll() is not None or time.monotonic() > deadline:
                    raise MachineError("QEMU did not start: " + self.stderr()) from None
                time.sleep(0.02)

    used = 0  # seconds of processor time, as far as wait() has seen

    # What pexpect reads is kept here, and shown to whoever asked for it (see on_output).
    on_output = None

    def write(self, data):
        self.log += data
        if self.on_output:
            self.on_output(data)

    def flush(self):
        pass

    @property
    def monitor(self):
        if self._monitor is None:
            deadline = time.monotonic() + 20
            while not os.path.exists(self.monitor_path) and time.monotonic() < deadline:
                time.sleep(0.02)
            self._monitor = Monitor(self.monitor_path)
        return self._monitor

    def stderr(self):
        return self._read(os.path.join(self.dir, "stderr")).decode(errors="replace").strip()

    def screendump(self, path):
        """A PNG of the VGA screen."""
        self.monitor.execute("screendump", filename=os.path.abspath(path), format="png")

    def sendkeys(self, *keys):
        """QEMU key names, e.g. "down", "ret", "ctrl-bracket_right", to the VGA console's keyboard."""
        for key in keys:
            self.monitor.execute("human-monitor-command", **{"command-line": "sendkey " + key})
            time.sleep(0.1)

    def wait(self, timeout, answers=()):
        """Reads the serial line until the machine has powered off.

        WatchdogExpired when QEMU has used TIMEOUT more seconds of processor time, or after four times that on the clock:
        emulation is slower by as much as the host is busy with other things, and that is no freeze.
        answers: (regular expression, bytes to send whenever it comes, or what to call with this machine) each.
        """
        began, used = time.monotonic(), self.cpu_seconds()
        while True:
            if self.cpu_seconds() - used > timeout or time.monotonic() - began > WALL_FACTOR * timeout:
                raise WatchdogExpired("no end after %d s" % timeout)
            try:
                found = self.child.expect([pexpect.EOF] + [a[0] for a in answers], timeout=2)
            except pexpect.TIMEOUT:
                continue
            self.used = self.cpu_seconds()
            if found == 0:
                break
            answer = answers[found - 1][1]
            if callable(answer):
                answer(self)
            else:
                self.child.send(answer)
        try:
            self.proc.wait(timeout=30)
        except subprocess.TimeoutExpired:
            raise MachineError("QEMU closed the serial line but did not end") from None
        return self.status()

    def cpu_seconds(self):
        """Processor time that QEMU has used."""
        try:
            with open("/proc/%d/stat" % self.proc.pid, encoding="ascii") as f:
                fields = f.read().rpartition(")")[2].split()
        except OSError:
            return 0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def status(self):
        """Exit status of the command; MachineError when the machine ended without one."""
        with open(self.control_path, "rb") as f:
            found = re.search(rb"exit (\d+)", f.read())
        if not found:
            raise MachineError("the machine ended without an exit status (QEMU said: %s)" % (self.stderr() or "nothing"))
        return int(found.group(1))

    def close(self):
        atexit.unregister(self.close)
        if self._monitor:
            self._monitor.close()
            self._monitor = None
        if self.proc and self.proc.poll() is None:
            self.proc.terminate()
            try:
                self.proc.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self.proc.kill()
                self.proc.wait()
        if self.child:
            self.child.close()
            self.child = None
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self.start()

    def __exit__(self, *exc):
        self.close()


def run(command, timeout=300, stream=None, seed=1, answers=(), **options):
    """Runs a shell command in a machine of its own and returns Result(status, output, repeats, seconds).

    QEMU's SVM emulation has a fault that can freeze a nested guest (README.md); so a run that the watchdog ended, and
    only such a run, is repeated with another seed. stream(bytes) sees the output as it comes.
    """
    global watchdog_repeats
    for attempt in range(WATCHDOG_RUNS):
        machine = Machine(command=command, seed=seed + attempt, **options)
        machine.on_output = stream
        with machine:
            try:
                status = machine.wait(timeout, answers)
                return Result(status, bytes(machine.log), attempt, machine.used)
            except WatchdogExpired:
                if attempt + 1 == WATCHDOG_RUNS:
                    raise WatchdogExpired("no end after %d s, with %d seeds; it printed last:\n%s" % (
                        timeout, WATCHDOG_RUNS, bytes(machine.log[-2000:]).decode(errors="replace"))) from None
                watchdog_repeats += 1
                print("machine: the watchdog ended a run after %d s; trying the next seed" % timeout, file=sys.stderr)
