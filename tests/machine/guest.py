"""Linux guests for the tests: an initramfs of busybox, kernel modules and a script, and the command that boots it."""

import os
import subprocess

from harness import BUILD, run, scratch

KERNEL = os.path.join(BUILD, "machine", "kernel")
NEWEST = os.path.join(BUILD, "machine", "kernel-newest")
GENERIC = os.path.join(BUILD, "machine", "kernel-generic")  # with the drivers of real devices
VMLINUZ = os.path.join(KERNEL, "vmlinuz")

# For the scripts of guests: what was printed has left the kernel before the machine goes. Setting anything makes stty wait
# for that.
GO = """
poweroff() { busybox stty cread; busybox poweroff "$@"; }
reboot() { busybox stty cread; busybox reboot "$@"; }
"""

PRELUDE = """#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs dev /dev
""" + GO + """for m in %s; do insmod /m/$m.ko || echo "no module $m"; done
"""


def kernel_version(kernel=KERNEL):
    with open(os.path.join(kernel, "version"), encoding="ascii") as f:
        return f.read().strip()


def module_files(names, kernel=KERNEL):
    """Paths of the modules and of what they need, in the order to load them. A built-in one has no file."""
    root = os.path.join(kernel, "lib", "modules", kernel_version(kernel))
    needs = {}
    with open(os.path.join(root, "modules.dep"), encoding="ascii") as f:
        for line in f:
            path, _, rest = line.partition(":")
            needs[path] = rest.split()
    by_name = {os.path.basename(path)[:-len(".ko")].replace("-", "_"): path for path in needs}
    found = []
    for name in names:
        path = by_name.get(name.replace("-", "_"))
        if path is None:
            continue
        for module in list(reversed(needs[path])) + [path]:
            if module not in found:
                found.append(module)
    return [os.path.join(root, path) for path in found]


def initramfs(script, modules=(), kernel=KERNEL, binaries=()):
    """Packs busybox, BINARIES and MODULES of KERNEL; its init loads them and goes on with SCRIPT. Returns the file's path."""
    root = os.path.join(scratch(), "root")
    for name in ("bin", "m", "proc", "sys", "dev", "mnt", "new"):
        os.makedirs(os.path.join(root, name))
    subprocess.run(["cp", "/bin/busybox", *binaries, os.path.join(root, "bin")], check=True)
    paths = module_files(modules, kernel)
    for path in paths:
        subprocess.run(["objcopy", "--strip-debug", "--remove-section=.BTF", path,
                        os.path.join(root, "m", os.path.basename(path))], check=True)
    init = os.path.join(root, "init")
    with open(init, "w", encoding="ascii") as f:
        f.write(PRELUDE % " ".join(os.path.basename(path)[:-len(".ko")] for path in paths) + script)
    os.chmod(init, 0o755)
    done = subprocess.run("find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0 | gzip -1", shell=True, cwd=root,
                          stdout=subprocess.PIPE, check=True)
    path = root + ".gz"
    with open(path, "wb") as f:
        f.write(done.stdout)
    return path


def boot_command(options="", cmdline="quiet", console="ttyS0"):
    """The command that boots the guest that run_linux() puts into the machine."""
    return ("vmboot run --kernel /k/vmlinuz --initrd /k/initrd --cmdline 'console=%s panic=0 %s' --memory 256M %s"
            % (console, cmdline, options))


def run_linux(script, modules=(), options="", command=None, cmdline="quiet", console="ttyS0", answers=(), files=None,
              kernel=KERNEL, binaries=(), **machine_options):
    """Boots Linux directly with SCRIPT as its init. COMMAND instead of the usual one may do things around it."""
    machine_options.setdefault("timeout", 150)  # 15 to 50 s of processor time do; a frozen run is given up that much sooner
    content = {"k/vmlinuz": os.path.join(kernel, "vmlinuz"), "k/initrd": initramfs(script, modules, kernel, binaries)}
    content.update(files or {})
    return run(command or boot_command(options, cmdline, console), files=content, answers=list(answers),
               **machine_options)
