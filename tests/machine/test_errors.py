"""Bad input, each with a sentence that says what is wrong and what to do next, and with exit status 2.

Nothing of this may start a guest, so all of it fits into three starts of the machine.
"""

import os

from harness import CLOUDHV, ROOT, expect, guest_disk, plain, run

OVMF = os.path.join(ROOT, "build/firmware/ovmf/OVMF_CODE_4M.fd")
GOOD = "--firmware /firmware/CLOUDHV.fd --memory 128M"


def check_cases(got, cases):
    """cases: (name, command, words that the sentence must have in it)."""
    said = {}
    for part in plain(got.output).split("== ")[1:]:
        name, _, rest = part.partition("\n")
        said[name] = rest
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


def test_firmware_files():
    run_with = "vmboot run --memory 128M --firmware "
    cases = (
        ("missing", run_with + "/nowhere.fd", ("/nowhere.fd",)),
        ("directory", run_with + "/tmp", ("/tmp",)),
        ("empty", "true >/tmp/empty; " + run_with + "/tmp/empty", ("empty",)),
        ("truncated", "head -c 2000000 /firmware/CLOUDHV.fd >/tmp/cut; " + run_with + "/tmp/cut", ("/tmp/cut",)),
        ("flash image", run_with + "/OVMF_CODE_4M.fd", ("flash",)),
        ("text file", "echo hello >/tmp/text; " + run_with + "/tmp/text", ("/tmp/text",)),
        ("old raw image", "{ head -c 4194304 /dev/zero; } >/tmp/raw; " + run_with + "/tmp/raw", ("/tmp/raw",)),
        ("not PVH", run_with + "/bin/busybox", ("PVH",)),
    )
    check_cases(run(script(cases), files={"OVMF_CODE_4M.fd": OVMF}), cases)


def test_memory_cpus_disks():
    start = "vmboot run " + GOOD
    base = "vmboot run --firmware /firmware/CLOUDHV.fd "
    cases = (
        ("memory too small", base + "--memory 32M", ("64",)),
        ("memory too big", base + "--memory 900G", ("memory",)),
        ("no CPUs", start + " --cpus 0", ("CPU",)),
        ("too many CPUs", start + " --cpus 200", ("200",)),
        ("disk missing", start + " --disk /dev/nowhere", ("/dev/nowhere",)),
        ("disk is a directory", start + " --disk /tmp", ("/tmp",)),
        ("disk is empty", "true >/tmp/zero; " + start + " --disk /tmp/zero", ("/tmp/zero",)),
        ("odd size", "head -c 1000001 /dev/zero >/tmp/odd; " + start + " --disk /tmp/odd", ("512",)),
        ("mounted", "mount -t vfat /dev/nvme0n1p1 /mnt; " + start + " --disk /dev/nvme0n1", ("/mnt", "ro")),
        ("partition mounted", start + " --disk /dev/nvme0n1p1", ("/mnt",)),
        ("locked by another", "umount /mnt; head -c 1048576 /dev/zero >/tmp/img; "
         "(vmboot run " + GOOD + " --disk /tmp/img >/dev/null 2>&1 </dev/null & echo $! >/tmp/pid; sleep 5); "
         + start + " --disk /tmp/img; s=$?; kill $(cat /tmp/pid); (exit $s)", ("/tmp/img",)),
    )
    check_cases(run(script(cases), disks=[guest_disk("@echo -off")]), cases)


def test_host_without_kvm():
    """No /dev/kvm; no permission for it; a CPU that cannot virtualise; a KVM that cannot run firmware."""
    start = "vmboot run " + GOOD
    cases = (
        ("no permission", "chmod 0600 /dev/kvm; su nobody -c '%s'" % start, ("/dev/kvm", "permi")),
        ("module not loaded", "rmmod kvm_amd; " + start, ("/dev/kvm",)),
        ("no device", "rm -f /dev/kvm; " + start, ("/dev/kvm",)),
    )
    check_cases(run(script(cases), files={"firmware/CLOUDHV.fd": CLOUDHV}), cases)
    cases = (("CPU without svm", start, ("svm",)),)
    check_cases(run(script(cases), cpu="EPYC,-svm"), cases)
