"""`vmboot run` boots CLOUDHV.fd from a real disk: points 2 and 3 of the first milestone."""

from harness import disk_file, expect, expect_text, guest_disk, plain, run, sha256, slow

VMBOOT = "vmboot run --firmware /firmware/CLOUDHV.fd --disk /dev/nvme0n1"
# The machine has one CPU (README.md); the guest's CPUs are threads, so let it say that it has four.
FOUR_CPUS = "echo 0-3 >/tmp/online && mount --bind /tmp/online /sys/devices/system/cpu/online && "


def total_memory(output):
    """MiB of RAM that the shell's memmap counts."""
    for line in plain(output).splitlines():
        if "Total Memory:" in line:
            return int(line.split(":")[1].split("MB")[0].replace(",", "").strip())
    raise AssertionError("memmap printed no total")


def test_shell_writes_a_file():
    disk = guest_disk("@echo -off", "echo hello from the guest", r"echo hello > fs0:\written.txt", "reset -s")
    got = run(VMBOOT + " --memory 128M", disks=[disk])
    expect_text(got.output, "BdsDxe: starting Boot", "hello from the guest")
    expect(got.status == 0, "`reset -s` ends `vmboot run` with exit status 0, not %d" % got.status)
    expect(disk_file(disk, "written.txt") == "hello\r\n", "the file the guest wrote is on the disk image")


def test_read_only_disk_is_not_written():
    """With the least memory a VM can have, too: 64 MiB."""
    disk = guest_disk("@echo -off", r"cp fs0:\startup.nsh fs0:\copy.nsh", "echo after the write: %lasterror%", "reset -s")
    before = sha256(disk)
    got = run(VMBOOT + ",ro --memory 64M", disks=[disk])
    expect_text(got.output, "after the write: ")
    expect("after the write: 0x0\n" not in plain(got.output), "the guest's write fails")
    expect(got.status == 0, "the guest powers off all the same")
    expect(sha256(disk) == before, "the image is unchanged")


def test_overlay_keeps_writes_in_ram():
    disk = guest_disk("@echo -off", r"echo hello > fs0:\written.txt", r"type fs0:\written.txt", "reset -s")
    before = sha256(disk)
    got = run(VMBOOT + ",overlay --memory 128M", disks=[disk])
    expect(got.status == 0, "exit status 0")
    expect_text(got.output, "\nhello\n")
    expect(sha256(disk) == before, "the image is unchanged")


@slow
def test_ten_resets():
    """Each boot leaves a file and resets, until there are ten; the eleventh powers off."""
    disk = guest_disk("@echo -off", "for %i run (1 10)", r"  if not exist fs0:\r%i.txt then",
                      r"    echo %i > fs0:\r%i.txt", "    reset", "  endif", "endfor", "echo all ten are there", "reset -s")
    got = run(VMBOOT + " --memory 128M", disks=[disk])
    expect(got.status == 0, "exit status 0")
    expect_text(got.output, "all ten are there")
    starts = plain(got.output).count("BdsDxe: starting Boot")
    expect(starts == 11, "firmware starts 11 times, not %d" % starts)
    for i in range(1, 11):
        expect((disk_file(disk, "r%d.txt" % i) or "").strip() == str(i), "the file of boot %d is on the disk" % i)


def test_one_cpu_5_gib():
    disk = guest_disk("@echo -off", "memmap", "reset -s")
    got = run(VMBOOT + " --memory 5G", disks=[disk], mem="7G")
    expect(got.status == 0, "exit status 0")
    expect(5000 <= total_memory(got.output) <= 5120, "the shell counts 5 GiB, not %d MB" % total_memory(got.output))


@slow
def test_four_cpus():
    """4 CPUs with 128 MiB, then with 5 GiB."""
    disk = guest_disk("@echo -off", "memmap", "reset -s")
    small = run(FOUR_CPUS + VMBOOT + " --cpus 4 --memory 128M", disks=[disk])
    expect(small.status == 0, "exit status 0 with 128 MiB")
    expect(100 <= total_memory(small.output) <= 128, "the shell counts 128 MiB")
    large = run(FOUR_CPUS + VMBOOT + " --cpus 4 --memory 5G", disks=[disk], mem="7G")
    expect(large.status == 0, "exit status 0 with 5 GiB")
    expect(5000 <= total_memory(large.output) <= 5120, "the shell counts 5 GiB")
