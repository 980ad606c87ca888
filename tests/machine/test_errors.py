"""Bad input, each with a sentence that says what is wrong and what to do next, and with exit status 2; what `vmboot doctor`
says where KVM is real, and where the CPU cannot virtualise.

Nothing of this may start a guest, so all of it fits into two starts of the machine.
"""

import os

from harness import ROOT, expect, expect_text, guest_disk, plain, run

OVMF = os.path.join(ROOT, "build/firmware/ovmf")
GOOD = "--firmware /firmware/CLOUDHV.fd --memory 128M"
DOCTOR = "echo '== doctor'; for o in '' --can-run-firmware; do vmboot doctor $o; echo status $?; done\n"


def parts(got):
    """{name: what was printed after the line `== name`}"""
    return dict(part.split("\n", 1) for part in plain(got.output).split("== ")[1:])


def check_cases(said, cases):
    """cases: (name, command, words that the sentence must have in it)."""
    wrong = []
    for name, _, words in cases:
        text = said.get(name, "")
        if "status=2" not in text:
            wrong.append("%s: the exit status is not 2:\n%s" % (name, text))
        wrong += ["%s: %r is not in its sentence:\n%s" % (name, w, text) for w in words if w.lower() not in text.lower()]
        if "BdsDxe" in text:
            wrong.append("%s: a guest was started" % name)
    expect(not wrong, "\n".join(wrong))


def script(cases):
    return "\n".join("echo '== %s'; %s; echo status=$?" % (name, command) for name, command, _ in cases)


def test_good_machine():
    """Firmware, memory, CPUs and disks that are none; at last a machine that is good no more, by its /dev/kvm."""
    run_with = "vmboot run --memory 128M --firmware "
    start = "vmboot run " + GOOD
    base = "vmboot run --firmware /firmware/CLOUDHV.fd "
    cases = (
        ("firmware missing", run_with + "/nowhere.fd", ("/nowhere.fd does not exist", "vmboot list")),
        ("directory", run_with + "/tmp", ("/tmp is a directory",)),
        ("empty", "true >/tmp/empty; " + run_with + "/tmp/empty", ("/tmp/empty is empty", "Copy it again")),
        ("truncated", "head -c 2000000 /firmware/CLOUDHV.fd >/tmp/cut; " + run_with + "/tmp/cut", ("/tmp/cut cannot", "cut off", "Copy")),
        ("flash image that is cut off", "head -c 2000000 /OVMF_CODE_4M.fd >/tmp/flash; " + run_with + "/tmp/flash",
         ("/tmp/flash cannot", "flash image", "truncated")),
        ("flash image that needs SMM", "ln -s /OVMF_CODE_4M.fd /tmp/OVMF_CODE_4M.secboot.fd; "
         + run_with + "/tmp/OVMF_CODE_4M.secboot.fd", ("System Management Mode", "without Secure Boot")),
        ("variables of 2 MiB with flash of 4", run_with + "/OVMF_CODE_4M.fd --vars /OVMF_VARS.fd",
         ("/OVMF_VARS.fd is for OVMF of 2 MiB", "not touched")),
        ("text file", "echo hello >/tmp/text; " + run_with + "/tmp/text", ("/tmp/text cannot", "holds text")),
        ("old raw image", "{ head -c 40 /dev/zero; printf _FVH; head -c 4194260 /dev/zero; } >/tmp/raw; " + run_with + "/tmp/raw",
         ("/tmp/raw cannot", "raw flash image", "202205")),
        ("nothing known", "{ head -c 4194304 /dev/zero; } >/tmp/zeroes; " + run_with + "/tmp/zeroes", ("not an ELF file",)),
        ("32-bit ELF", r"printf '\177ELF\1\1\1' >/tmp/elf32; head -c 2000 /dev/zero >>/tmp/elf32; " + run_with + "/tmp/elf32",
         ("32-bit ELF", "64-bit PVH")),
        ("not PVH", run_with + "/bin/busybox", ("without the PVH note",)),
        ("memory too small", base + "--memory 32M", ("32M", "64M")),
        ("memory too big", base + "--memory 900G", ("900G", "free")),
        ("no CPUs", start + " --cpus 0", ("at least 1 CPU", "0 were asked for")),
        ("too many CPUs", start + " --cpus 200", ("200 CPUs are more than this machine has",)),
        ("disk missing", start + " --disk /dev/nowhere", ("/dev/nowhere does not exist",)),
        ("disk is a directory", start + " --disk /tmp", ("/tmp is a directory",)),
        ("disk is empty", "true >/tmp/zero; " + start + " --disk /tmp/zero", ("/tmp/zero is empty",)),
        ("odd size", "head -c 1000001 /dev/zero >/tmp/odd; " + start + " --disk /tmp/odd", ("1000001 bytes", "multiple of 512")),
        ("mounted", "mount -t vfat /dev/nvme0n1p1 /mnt; " + start + " --disk /dev/nvme0n1", ("in use", "mounted on /mnt", ",ro")),
        ("partition mounted", start + " --disk /dev/nvme0n1p1", ("in use", "mounted on /mnt")),
        ("locked by another", "umount /mnt; head -c 1048576 /dev/zero >/tmp/img; "
         "(vmboot run " + GOOD + " --disk /tmp/img >/dev/null 2>&1 </dev/null & echo $! >/tmp/pid; sleep 5); "
         + start + " --disk /tmp/img; s=$?; kill $(cat /tmp/pid); (exit $s)", ("/tmp/img is already attached",)),
        ("no permission", "chmod 0600 /dev/kvm; su nobody -c '%s'" % start, ("no permission to use /dev/kvm", "group")),
        ("module not loaded", "for i in $(seq 50); do rmmod kvm_amd 2>/dev/null && break; sleep .2; done; " + start,
         ("kernel module kvm_amd is not loaded", "modprobe kvm_amd")),
        ("no device", "rm -f /dev/kvm; " + start, ("There is no /dev/kvm",)),
    )
    files = {name: os.path.join(OVMF, name) for name in ("OVMF_CODE_4M.fd", "OVMF_VARS.fd")}
    said = parts(run(DOCTOR + script(cases), disks=[guest_disk("@echo -off")], files=files))
    check_cases(said, cases)
    expect(said["doctor"].count("status 0") == 2, "both say yes")
    expect_text(said["doctor"], "KVM", "io_uring", "IOMMU", "memory", "firmware",
                "Empty root directory, Landlock 2, no rights, system call filters.")
    expect("missing" not in said["doctor"], "nothing is missing")


def test_cpu_without_svm():
    cases = (("CPU without svm", "vmboot run " + GOOD, ("neither vmx nor svm",)),)
    said = parts(run(DOCTOR + script(cases), cpu="EPYC,-svm"))
    check_cases(said, cases)
    expect(said["doctor"].count("status 1") == 2, "both say no")
    expect_text(said["doctor"], "missing", "svm", "/dev/kvm")
