"""`vmboot doctor` where KVM is real, and where the CPU cannot virtualise."""

from harness import expect, expect_text, plain, run


def test_good_machine():
    got = run("vmboot doctor; echo status $?; vmboot doctor --can-run-firmware; echo status $?")
    expect(plain(got.output).count("status 0") == 2, "both say yes")
    expect_text(got.output, "KVM", "io_uring", "IOMMU", "memory", "firmware")
    expect_text(got.output, "Empty root directory, Landlock 2, no rights, system call filters.")
    expect("missing" not in plain(got.output), "nothing is missing")


def test_cpu_without_svm():
    got = run("vmboot doctor; echo status $?; vmboot doctor --can-run-firmware; echo status $?", cpu="EPYC,-svm")
    expect(plain(got.output).count("status 1") == 2, "both say no")
    expect_text(got.output, "missing", "svm", "/dev/kvm")
