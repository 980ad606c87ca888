"""The figures of `make bench` that come from the emulated machine (tests/machine): virtual time, one nanosecond an
instruction, for vmboot and, in the same machine, for QEMU's microvm and q35.

vmwatch.c runs each VMM inside the machine and stamps what its guest prints; linux_guest.c is what runs in a Linux guest.
Exits are counted in runs of their own where the counting would show in the times.
"""
import os
import re
import shutil
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests/machine"))
import machine  # noqa: E402
import vfio_host  # noqa: E402

DIR = os.path.join(TOP, "build/bench")
KERNEL = os.path.join(TOP, "build/machine/kernel")
MODULES = ("virtio", "virtio_ring", "virtio_pci_modern_dev", "virtio_pci_legacy_dev", "virtio_pci", "virtio_mmio",
           "virtio_blk")
PEER_IMAGE = os.path.join(DIR, "qemu.img")
PEER_SHARE = ("/usr/share/qemu", "/usr/share/seabios")
PEER_ROMS = ("bios-256k.bin", "bios-microvm.bin", "linuxboot_dma.bin", "kvmvapic.bin")
PEER = ("/peer/lib/ld.so --library-path /peer/lib /peer/qemu -L /peer/share -accel kvm -cpu host -m 256 -smp 1 -nodefaults "
        "-no-user-config -display none -serial stdio -kernel /bench/vmlinuz -initrd /bench/initrd")
PEERS = {  # name: (options, what makes a disk of drive d)
    "qemu_microvm": ("-machine microvm", "virtio-blk-device,drive=d", "io_uring"),
    "qemu_q35": ("-machine q35", "virtio-blk-pci,drive=d", "io_uring"),
    "qemu_q35_iothread": ("-machine q35 -object iothread,id=t", "virtio-blk-pci,drive=d,iothread=t", "io_uring"),
    "qemu_q35_threads": ("-machine q35", "virtio-blk-pci,drive=d", "threads"),
}
BOOTED = ("qemu_microvm", "qemu_q35")  # whose start is measured; the others differ only in their disk
PHASES = {"": ("read_4k_depth1", "write_4k_depth1", "read_64k", "write_64k"),
          "bench=deep": ("read_4k_depth32", "write_4k_depth32")}
MAKE_DISK = "dd if=/dev/zero of=/tmp/disk.img bs=1M count=64 2>/dev/null\n"
# Not to be known as emulated: vmboot would leave out the paravirtual EOI (vmm/cpuid.c), which every request gains by.
CPU = "EPYC,+svm,+npt,tcg-cpuid=off"
TIMEOUT = 90  # seconds of QEMU's processor time, after which a machine is taken for frozen


def make_initrd():
    """The initrd of the Linux guests: PID 1, the modules of virtio in the order to load them, a console."""
    with open(os.path.join(DIR, "linux_guest"), "rb") as f:
        files = {"init": (f.read(), 0o755)}
    for i, name in enumerate(MODULES):
        found = subprocess.run(["find", KERNEL, "-name", name + ".ko"], capture_output=True, check=True, text=True)
        stripped = os.path.join(DIR, name + ".ko")
        subprocess.run(["objcopy", "--strip-debug", "--remove-section=.BTF", found.stdout.split()[0], stripped],
                       check=True)
        with open(stripped, "rb") as f:
            files["m/%d-%s.ko" % (i, name)] = (f.read(), 0o644)
    files["dev/console"] = (b"", 0o020600, (5, 1))
    with open(os.path.join(DIR, "linux.cpio"), "wb") as f:
        f.write(machine.cpio.archive(files))


def make_peer():
    """A disk with QEMU, the libraries it needs and its firmware. False: there is none."""
    qemu = shutil.which("qemu-system-x86_64")
    mke2fs = shutil.which("mke2fs") or "/sbin/mke2fs"
    if not qemu or not os.path.exists(mke2fs):
        return False
    if os.path.exists(PEER_IMAGE):
        return True
    root = os.path.join(DIR, "qemu.root")
    shutil.rmtree(root, ignore_errors=True)
    os.makedirs(os.path.join(root, "lib"))
    os.makedirs(os.path.join(root, "share"))
    shutil.copy(qemu, os.path.join(root, "qemu"))
    needed = subprocess.run(["ldd", qemu], capture_output=True, check=True, text=True).stdout
    for name, path in re.findall(r"(\S+) => (/\S+)", needed):
        shutil.copy(path, os.path.join(root, "lib", name))
    shutil.copy(re.search(r"^\s*(/\S+)", needed, re.M).group(1), os.path.join(root, "lib/ld.so"))
    for rom in PEER_ROMS:
        for folder in PEER_SHARE:
            if os.path.exists(os.path.join(folder, rom)):
                shutil.copy(os.path.join(folder, rom), os.path.join(root, "share", rom))
                break
    subprocess.run([mke2fs, "-q", "-t", "ext4", "-d", root, PEER_IMAGE + ".new", "160M"], capture_output=True, check=True)
    os.rename(PEER_IMAGE + ".new", PEER_IMAGE)
    shutil.rmtree(root)
    return True


def in_machine(script, with_peer=False, qemu_args=(), more_files=None, append="", sleep=False):
    """What SCRIPT prints in a machine of its own. SLEEP: see tests/machine/machine.py."""
    files = {
        "bin/vmwatch": os.path.join(DIR, "vmwatch"),
        "bench/initrd": os.path.join(DIR, "linux.cpio"),
        "bench/vmlinuz": os.path.join(KERNEL, "vmlinuz"),
        "firmware/CLOUDHV.fd": machine.CLOUDHV,
    }
    if with_peer:
        # Once before it is measured, so that the program is in memory as vmboot is.
        script = ("mkdir /peer; mount -o ro /dev/nvme0n1 /peer; cat /peer/lib/* /peer/share/* /peer/qemu >/dev/null\n" +
                  script)
    files.update(more_files or {})
    done = machine.run(script, timeout=TIMEOUT, files=files, mem="4G", cpu=CPU, qemu_args=qemu_args, append=append, sleep=sleep,
                       shortcuts=False, disks=[PEER_IMAGE + ",ro"] if with_peer else [])
    return done.output.decode(errors="replace").replace("\r", "")


def vmboot_linux(memory="256M", disk="", words="bench=init"):
    return ("vmboot run --kernel /bench/vmlinuz --initrd /bench/initrd --memory %s %s --cmdline 'console=ttyS0 quiet %s'" %
            (memory, disk and "--disk " + disk, words))


def vmboot_firmware(memory="256M"):
    return "vmboot run --firmware /firmware/CLOUDHV.fd --memory " + memory


def peer_linux(name, disk="", words="bench=init"):
    options, device, aio = PEERS[name]
    if disk:
        options += " -drive if=none,id=d,format=raw,file=%s,aio=%s -device %s" % (disk, aio, device)
    return "%s %s -append 'console=ttyS0 quiet %s'" % (PEER, options, words)


class Watched:
    """What one vmwatch said."""

    def __init__(self, text, entered=True):
        self.lines = [(float(us), int(exits), int(faults), line) for us, exits, faults, line in
                      re.findall(r"^watch: ([\d.]+) (\d+) (\d+) (.*)$", text, re.M)]
        entry = re.search(r"^watch: entry ([\d.]+)$", text, re.M)
        self.entry = float(entry.group(1)) if entry else None
        self.memory = [(int(rss), int(anon)) for rss, anon in re.findall(r"^watch: memory \S+ (\d+) (\d+)$", text, re.M)]
        failed = re.search(r"^watch: .*(@failed .*|the end did not come.*)$", text, re.M)
        if failed or not self.lines or (entered and self.entry is None):
            raise RuntimeError(failed.group(1) if failed else "the guest was not heard of: " + text[-300:].strip())

    def find(self, text):
        for line in self.lines:
            if text in line[3]:
                return line
        raise RuntimeError("the guest did not say " + text)

    def busy(self, phase):
        """Of a run with vmwatch -i: microseconds that the machine's processor worked for a request of PHASE."""
        times = []
        for name in (phase, "nothing"):
            begin, end = self.find("@begin " + name), self.find("@end " + name)
            times.append(end[0] - begin[0] - (end[1] - begin[1]))
        return (times[0] - times[1]) / int(self.find("@end " + phase)[3].split()[2])

    def vmm_exits(self, phase):
        """Of a run with vmwatch -u: in all of PHASE, without what the guest's own lines cost."""
        def exits(name):
            return self.find("@end " + name)[2] - self.find("@begin " + name)[2]
        return exits(phase) - exits("nothing")

    def request(self, phase):
        """(microseconds, exits) a request; what the guest's own lines cost is taken off."""
        def exits(name):
            return self.find("@end " + name)[1] - self.find("@begin " + name)[1]
        _, count, ns = self.find("@end " + phase)[3].split("@end ")[1].split()[:3]
        return int(ns) / 1000, (exits(phase) - exits("nothing")) / int(count)


def watch_each(commands, with_peer=False):
    """{name: Watched} of {name: (options of vmwatch, command)}, one after the other in one machine."""
    script = "".join("echo '== %s'\nvmwatch %s 60 %s\n" % (name, options, command)
                     for name, (options, command) in commands.items())
    parts = re.split(r"^== (\S+)$", in_machine(script, with_peer), flags=re.M)
    return dict(zip(parts[1::2], (Watched(text) for text in parts[2::2])))


class Figures:
    """What was measured, printed as it comes. peers: {figure: {peer: value}}"""

    def __init__(self, figure):
        self.print, self.values, self.peers = figure, {}, {}

    def add(self, name, value, unit, form="%.1f", who=None):
        self.print(("%s_%s" % (who, name) if who else name) + "_virtual", form % value, unit)
        if who:
            self.peers.setdefault(name, {})[who] = value
        else:
            self.values[name] = value

    def ratios(self):
        """To the best of the peers: below 1 is quicker, or smaller."""
        for name, value in self.values.items():
            if self.peers.get(name):
                who = min(self.peers[name], key=self.peers[name].get)
                self.print("%s_to_%s_virtual" % (name, who), "%.2f" % (value / self.peers[name][who]), "ratio")


def bench_start(figures):
    bds = "-1 -p BdsDxe"
    got = watch_each({
        "linux": ("", vmboot_linux()),
        "linux_2g": ("", vmboot_linux("2G")),
        "linux_exits": ("-c", vmboot_linux()),
        "edk2": (bds, vmboot_firmware()),
        "edk2_2g": (bds, vmboot_firmware("2G")),
        "edk2_exits": ("-c " + bds, vmboot_firmware()),
    })
    figures.add("linux_exec_to_first_entry", got["linux"].entry / 1000, "ms")
    figures.add("linux_exec_to_first_entry_2g", got["linux_2g"].entry / 1000, "ms")
    figures.add("edk2_exec_to_first_entry", got["edk2"].entry / 1000, "ms")
    figures.add("edk2_exec_to_first_entry_2g", got["edk2_2g"].entry / 1000, "ms")
    figures.add("edk2_exec_to_bdsdxe", got["edk2"].find("BdsDxe")[0] / 1000, "ms")
    figures.add("edk2_exec_to_bdsdxe_2g", got["edk2_2g"].find("BdsDxe")[0] / 1000, "ms")
    figures.add("edk2_exits_to_bdsdxe", got["edk2_exits"].find("BdsDxe")[1], "exits", "%d")
    figures.add("linux_exec_to_init", got["linux"].find("@init")[0] / 1000, "ms")
    figures.add("linux_exits_to_init", got["linux_exits"].find("@init")[1], "exits", "%d")
    figures.add("linux_page_faults_to_init", got["linux_exits"].find("@init")[2], "exits", "%d")


def bench_peer_start(figures):
    for name in BOOTED:
        got = watch_each({"linux": ("", peer_linux(name)), "linux_exits": ("-c", peer_linux(name))}, with_peer=True)
        figures.add("linux_exec_to_first_entry", got["linux"].entry / 1000, "ms", who=name)
        figures.add("linux_exec_to_init", got["linux"].find("@init")[0] / 1000, "ms", who=name)
        figures.add("linux_exits_to_init", got["linux_exits"].find("@init")[1], "exits", "%d", who=name)
        figures.add("linux_page_faults_to_init", got["linux_exits"].find("@init")[2], "exits", "%d", who=name)


def bench_disk_of(figures, who):
    for words, phases in PHASES.items():
        if who:
            command = peer_linux(who, "/tmp/disk.img", words)
        else:
            command = vmboot_linux(disk="/tmp/disk.img", words=words)
        text = in_machine(MAKE_DISK + "vmwatch -c 60 %s\n" % command, with_peer=bool(who))
        watched = Watched(text)
        for phase in phases:
            us, exits = watched.request(phase)
            figures.add("blk_" + phase, us, "us", "%.2f", who)
            figures.add("blk_%s_exits" % phase, exits, "exits", "%.2f", who)
        if not words:
            # The VMM itself is the last of the processes: `vmboot run` starts it.
            figures.add("vmm_memory_after_disk_io", watched.memory[-1][0], "kB", "%d", who)
            figures.add("vmm_memory_after_disk_io_anonymous", watched.memory[-1][1], "kB", "%d", who)


def bench_passed(figures):
    """An NVMe disk in the host, passed to a guest, and behind virtio-blk: 4 KiB at random, 32 at once. QEMU's disk
    answers in the computer's time, not in the machine's, so it is one that takes no time, and the machine is kept busy; what
    is left of waiting makes these figures vary where the others do not. One at a time the machine does wait, which is
    left out: the time that the processor works for a read, host, VMM and guest together. In the host each request is
    mapped in the IOMMU and unmapped, which QEMU makes expensive; a guest's memory is mapped once."""
    passed = "vmboot run --kernel /bench/vmlinuz --initrd /bench/initrd --memory %s --vfio 00:10.0 --cmdline 'console=ttyS0 quiet %s'"
    files = {"bench/linux_guest": os.path.join(DIR, "linux_guest")}
    files.update(vfio_host.files())

    def watch(runs, sleep=False, first=""):
        text = in_machine(vfio_host.load() + first + "".join("echo '== %s'\n%s\n" % run for run in runs.items()),
                          append=vfio_host.APPEND, qemu_args=vfio_host.IOMMU + vfio_host.nvme(None), more_files=files,
                          sleep=sleep)
        parts = re.split(r"^== (\S+)$", text, flags=re.M)
        return {name: Watched(part, entered=name != "host") for name, part in zip(parts[1::2], parts[2::2])}
    got = watch({
        "host": "disk=nvme0n1 bench=reads vmwatch 60 /bench/linux_guest",
        "virtio": "vmwatch -u 60 " + vmboot_linux(disk="/dev/nvme0n1", words="bench=reads"),
        "passed": "vmwatch -u 60 " + passed % ("256M", "disk=nvme0n1 bench=reads"),
    })
    # Nobody is to poll for what comes in the computer's time.
    one = watch({
        "host": "disk=nvme0n1 bench=one vmwatch -i 60 /bench/linux_guest",
        "virtio": "vmwatch -i 60 " + vmboot_linux(disk="/dev/nvme0n1", words="bench=one cpuidle.off=1"),
        "passed": "vmwatch -i 60 " + passed % ("256M", "disk=nvme0n1 bench=one cpuidle.off=1"),
    }, sleep=True, first="echo 0 >/sys/module/kvm/parameters/halt_poll_ns\n")
    got.update(watch({
        "start": "vmwatch 60 " + passed % ("256M", "bench=init"),
        "start_more": "vmwatch 60 " + passed % ("1280M", "bench=init"),
        "start_without": "vmwatch 60 " + vmboot_linux("1280M"),
    }))
    busy = {name: run.busy("read_4k_depth1") for name, run in one.items()}
    for name in ("host", "virtio", "passed"):
        figures.add("nvme_%s_read_4k_depth1_cpu" % name, busy[name], "us", "%.2f")
    for name in ("virtio", "passed"):
        figures.print("nvme_%s_read_4k_depth1_cpu_to_host_virtual" % name, "%.2f" % (busy[name] / busy["host"]), "ratio")
    for name in ("host", "virtio", "passed"):
        us, _ = got[name].request("read_4k_depth32")
        figures.add("nvme_%s_read_4k_depth32" % name, us, "us", "%.2f")
    count = int(got["passed"].find("@end read_4k_depth32")[3].split()[2])
    for name in ("virtio", "passed"):
        figures.add("nvme_%s_read_4k_depth32_vmm_exits" % name, got[name].vmm_exits("read_4k_depth32") / count, "exits", "%.3f")
    for name in ("virtio", "passed"):
        figures.print("nvme_%s_read_4k_depth32_to_host_virtual" % name, "%.2f" % (
            figures.values["nvme_%s_read_4k_depth32" % name] / figures.values["nvme_host_read_4k_depth32"]), "ratio")
    figures.add("vfio_start_1280m", (got["start_more"].entry - got["start_without"].entry) / 1000, "ms")
    figures.add("vfio_start_per_gib", (got["start_more"].entry - got["start"].entry) / 1000, "ms")


def measure(figure, left_out):
    """Prints everything by FIGURE(name, value, unit). True when something could not be measured that should have been."""
    failed = False
    figures = Figures(figure)
    make_initrd()
    steps = [("start", lambda: bench_start(figures)), ("disk", lambda: bench_disk_of(figures, None)),
             ("a device passed through", lambda: bench_passed(figures))]
    if make_peer():
        steps.append(("QEMU's start", lambda: bench_peer_start(figures)))
        steps += [("disk of " + who, lambda who=who: bench_disk_of(figures, who)) for who in PEERS]
    else:
        left_out("QEMU beside vmboot", "QEMU or mke2fs is not installed")
    for name, step in steps:
        try:
            step()
        except (machine.MachineError, machine.WatchdogExpired, RuntimeError, subprocess.SubprocessError, OSError,
                ValueError) as e:
            left_out("emulated machine, " + name, e)
            failed = True
    figures.ratios()
    return failed
