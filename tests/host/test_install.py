"""`make install`, `make deb`, and what they bring: completion, the unit, samples."""

import os
import re
import subprocess

from harness import ROOT, Skip, expect, scratch

PROGRAM = os.path.join(ROOT, "vmboot")


def sh(command, status=0, **options):
    """What a shell command prints, both streams; it has to exit with STATUS."""
    print("$", command, flush=True)
    got = subprocess.run(["bash", "-c", command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=ROOT, check=False,
                         text=True, **options)
    print(got.stdout, flush=True)
    expect(got.returncode == status, "exit status %d of: %s" % (got.returncode, command))
    return got.stdout


def tree(folder):
    """{path below FOLDER: its mode} of every file."""
    return {os.path.relpath(os.path.join(at, name), folder): os.stat(os.path.join(at, name)).st_mode & 0o7777
            for at, _, names in os.walk(folder) for name in names}


def installed(prefix="/usr"):
    """A DESTDIR with everything in it, and how make was called."""
    folder = scratch()
    make = "make --no-print-directory %%s prefix=%s DESTDIR=%s" % (prefix, folder)
    sh(make % "install")
    return folder, make


def test_install_and_uninstall():
    folder, make = installed()
    files = tree(folder)
    for path, mode in (("usr/bin/vmboot", 0o755), ("usr/share/man/man8/vmboot.8", 0o644),
                       ("usr/share/man/man5/vmboot.conf.5", 0o644), ("usr/lib/systemd/system/vmboot.service", 0o644),
                       ("usr/share/bash-completion/completions/vmboot", 0o644), ("usr/share/vmboot/pci.names", 0o644),
                       ("usr/share/doc/vmboot/examples/vmboot.conf", 0o644)):
        expect(files.get(path) == mode, "%s is there with mode %o" % (path, mode))
    expect(sh(folder + "/usr/bin/vmboot version").startswith("vmboot "), "it runs")
    # What is not ours stays.
    with open(folder + "/usr/share/vmboot/mine", "w", encoding="ascii"):
        pass
    sh(make % "uninstall")
    expect(set(tree(folder)) == {"usr/share/vmboot/mine"}, "uninstall takes away what install brought, and no more")
    expect(not os.path.exists(folder + "/usr/share/doc/vmboot"), "nor does it leave empty directories of ours")


def test_prefix():
    folder, _ = installed("/opt/vmboot")
    expect({path.split("/")[0] for path in tree(folder)} == {"opt"}, "everything is below the prefix")
    with open(folder + "/opt/vmboot/lib/systemd/system/vmboot.service", encoding="utf-8") as f:
        expect("ExecStart=/opt/vmboot/bin/vmboot daemon\n" in f.read(), "the unit starts the program that was installed")


def test_samples_are_accepted():
    folder, _ = installed()
    got = sh("%s check --config %s/usr/share/doc/vmboot/examples" % (PROGRAM, folder))
    expect(got == "", "vmboot check has nothing to say")
    entries = os.listdir(folder + "/usr/share/doc/vmboot/examples/entries")
    expect(len(entries) >= 4, "there are samples of entries")
    # Every value that is commented out as a sample is one that is known, too.
    path = os.path.join(scratch(), "vmboot.conf")
    with open(ROOT + "/packaging/examples/vmboot.conf", encoding="utf-8") as f:
        text = re.sub(r"^; ([a-z-]+ = )", r"\1", f.read(), flags=re.M)
    hash_of_x = sh("openssl passwd -6 x").strip()
    with open(path, "w", encoding="utf-8") as f:
        f.write(text.replace("$6$...", hash_of_x))
    expect(sh("%s check %s" % (PROGRAM, path)) == "", "nor when the comments are taken away")


def test_unit():
    prefix = scratch()
    sh("make --no-print-directory install prefix=" + prefix)
    unit = prefix + "/lib/systemd/system/vmboot.service"
    expect(sh("systemd-analyze verify --man=no " + unit) == "", "systemd-analyze has nothing to say")
    level = re.search(r"exposure level for \S+: ([\d.]+)", sh("systemd-analyze security --offline=yes " + unit)).group(1)
    expect(float(level) < 8, "what the daemon does not need is closed to it")
    got = sh("sed -i s/^KillMode=.*/KillMode=nonsense/ %s; systemd-analyze verify --man=no %s; true" % (unit, unit))
    expect("nonsense" in got, "a mistake would be said")


def complete(*words):
    """What the completion offers for the last of WORDS."""
    script = ("source packaging/vmboot.bash-completion; COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); _vmboot; "
              "printf '%s\\n' \"${COMPREPLY[@]}\"")
    got = subprocess.run(["bash", "-c", script, "bash", PROGRAM] + list(words), stdout=subprocess.PIPE, cwd=ROOT, check=True,
                         text=True).stdout
    return set(got.split())


def test_completion():
    help_text = sh(PROGRAM + " help")
    commands = set(re.findall(r"^  vmboot ([a-z]+)", help_text, re.M))
    expect(complete("") == commands, "all commands")
    expect(complete("re") == {"report"}, "commands by their beginning")
    for command in sorted(commands - {"version", "help"}):
        usage = sh("%s %s --help" % (PROGRAM, command))
        expect(complete(command, "-") == set(re.findall(r"--[a-z][a-z-]*", usage)), "all options of " + command)
    expect({"list", "status", "pause", "kill", "start", "balloon", "link"} <= complete("ctl", ""), "verbs of ctl")
    expect("down" not in complete("ctl", ""), "and nothing else")
    expect(complete("ctl", "link", "0", "") == {"up", "down"}, "a cable's two states")
    expect(complete("run", "--panic", "") == {"keep", "stop"}, "words that an option takes")
    expect(complete("run", "--firmware", "READ") == {"README.md"}, "files")
    expect(complete("daemon", "--config", "packag") == {"packaging"}, "directories")
    expect(complete("help", "") == complete("version", "") == set(), "nothing where nothing can follow")
    expect(complete("ctl", "--socket", "/nonexistent", "start", "") == set(), "no entries without a daemon")


def packages(group):
    """The Debian packages of a group in deps.sh."""
    with open(ROOT + "/tests/machine/deps.sh", encoding="utf-8") as f:
        return set(re.search(r'\[%s\]="([^"]*)"' % group, f.read()).group(1).split())


# This system with the package installed, in memory and gone with the process; the exit status is 77 where that cannot be.
OVERLAY = """
mount -t tmpfs tmpfs /mnt && mkdir /mnt/upper /mnt/work /mnt/root &&
	mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work /mnt/root &&
	mount -t proc proc /mnt/root/proc && mount --bind /dev /mnt/root/dev && cp %s /mnt/root/tmp/vmboot.deb || exit 77
exec chroot /mnt/root sh -ec '
	export DEBIAN_FRONTEND=noninteractive; cd /tmp
	all() { find /usr /etc /lib /var/lib -xdev -name "*vmboot*" | sort; }
	all >before
	apt-get -q -y --no-install-recommends -o Dpkg::Use-Pty=0 \\
		-o "Dpkg::Options::=--path-include=/usr/share/*" install ./vmboot.deb
	dpkg -V vmboot; man -w vmboot vmboot.conf; echo version: $(vmboot version)
	getent group kvm >/dev/null || groupadd -r kvm
	useradd -m -G kvm someone
	su -l someone -c "vmboot check /usr/share/doc/vmboot/examples/vmboot.conf; vmboot list --json >list && echo checked"
	find /etc/systemd -name "vmboot*"
	apt-get -q -y -o Dpkg::Use-Pty=0 purge vmboot
	all | comm -13 before - | sed "s/^/left: /"'
"""


def check_installation(deb, version):
    """`apt-get install ./vmboot_*.deb` for real, an operator in the group kvm, and away with it."""
    if os.geteuid() == 0:
        done = subprocess.run(["unshare", "--mount", "--propagation", "private", "sh", "-c", OVERLAY % deb], cwd=ROOT,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, text=True)
        print(done.stdout, flush=True)
        if done.returncode != 77:
            expect(done.returncode == 0 and "version: vmboot %s\n" % version in done.stdout, "it is installed and runs")
            expect("man8/vmboot.8" in done.stdout and "man5/vmboot.conf.5" in done.stdout, "man finds its pages")
            expect("\nchecked\n" in done.stdout, "an operator can use it")
            expect("/etc/systemd" not in done.stdout, "nothing is enabled")
            expect(not re.search("^left: ", done.stdout, re.M), "nothing of it is left")
            return
    print("only tried out: no root here, or no file system above another one")
    expect("vmboot" in sh("apt-get install -s --no-install-recommends ./%s" % deb).split("Inst ")[1], "apt can install it")


def test_package():
    if sh("tests/machine/deps.sh --missing build package").strip():
        raise Skip("packages for building a package are missing (make deps)")
    out = sh("make --no-print-directory deb")
    expect(not re.search(r"^[EW]: ", out, re.M), "lintian finds nothing")
    with open(ROOT + "/Makefile", encoding="utf-8") as f:
        version = re.search(r"^VERSION := (\S+)", f.read(), re.M).group(1)
    deb = "build/deb/vmboot_%s_amd64.deb" % version
    expect(sh("dpkg-deb -f %s Version" % deb).strip() == version, "the version is the Makefile's")
    expect(sh(PROGRAM + " version").strip() == "vmboot " + version, "and the program's")
    folder = scratch()
    sh("dpkg-deb -x %s %s" % (deb, folder))
    files = tree(folder)
    expect("lib/systemd/system/vmboot.service" in files and files["usr/bin/vmboot"] == 0o755, "what make install brings")
    expect(os.path.isdir(folder + "/var/lib/vmboot/images"), "a place for disk images")
    check_installation(deb, version)
    got = sh("dpkg-deb -e %s %s/DEBIAN; cat %s/DEBIAN/postinst" % (deb, folder, folder))
    expect("systemctl" not in got and "start" not in re.sub("deb-systemd-helper.*", "", got), "it starts nothing")


def test_build_depends_are_those_of_deps():
    with open(ROOT + "/debian/control", encoding="utf-8") as f:
        field = re.search(r"^Build-Depends: (.*?)^\S", f.read(), re.M | re.S).group(1)
    depends = {name.split()[0] for name in field.replace("\n", " ").split(",")}
    # What every package needs is not named, and debhelper by its level.
    expect(depends - {"debhelper-compat"} == packages("build") - {"build-essential"},
           "debian/control and deps.sh name the same: %s" % (depends ^ packages("build")))


def test_libraries_come_from_those_packages():
    with open(ROOT + "/Makefile", encoding="utf-8") as f:
        modules = set(re.search(r"pkg-config --static --libs ([a-z ]+)", f.read()).group(1).split())
    for module in sorted(modules):
        path = os.path.join(sh("pkg-config --variable=pcfiledir " + module).strip(), module + ".pc")
        owner = sh("dpkg -S %s" % os.path.realpath(path)).split(":")[0]
        expect(owner in packages("build"), "%s is of %s, which deps.sh names" % (module, owner))
