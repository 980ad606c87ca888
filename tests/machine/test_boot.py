"""`vmboot run` boots CLOUDHV.fd from a real disk: points 2 and 3 of the first milestone."""

from harness import disk_file, expect, expect_text, guest_disk, plain, run, sha256, slow

VMBOOT = "vmboot run --firmware /firmware/CLOUDHV.fd --disk /dev/nvme0n1"
# The machine has one CPU (README.md); the guest's CPUs are threads, so let it say that it has four.
FOUR_CPUS = "echo 0-3 >/tmp/online && mount --bind /tmp/online /sys/devices/system/cpu/online && "


def total_memory(output):
    """MiB of RAM that the shell's memmap counts."""
    for line in output.splitlines():
        if "Total Memory:" in line:
            return int(line.split(":")[1].split("MB")[0].replace(",", "").strip())
    raise AssertionError("memmap printed no total")


def test_disks_that_are_not_written():
    """One read-only, the other with an overlay in RAM. With the least memory a VM can have, too: 64 MiB."""
    disk = guest_disk("@echo -off", r"cp fs0:\startup.nsh fs0:\copy.nsh", "echo after the write: %lasterror%",
                      r"echo hello > fs1:\written.txt", r"type fs1:\written.txt", "reset -s")
    other = guest_disk("@echo -off", "echo the wrong disk", name="other.img")
    before = sha256(disk), sha256(other)
    got = run(VMBOOT + ",ro --disk /dev/nvme1n1,overlay --memory 64M", disks=[disk, other])
    expect_text(got.output, "after the write: ", "\nhello\n")
    expect("after the write: 0x0\n" not in plain(got.output), "the guest's write to the one fails")
    expect(got.status == 0, "the guest powers off all the same")
    expect((sha256(disk), sha256(other)) == before, "the images are unchanged")


@slow
def test_ten_resets():
    """Each boot writes a file to the disk and resets, until there are ten; the eleventh powers off."""
    disk = guest_disk("@echo -off", "for %i run (1 10)", r"  if not exist fs0:\r%i.txt then",
                      r"    echo %i > fs0:\r%i.txt", "    reset", "  endif", "endfor", "echo all ten are there", "reset -s")
    got = run(VMBOOT + " --memory 128M", disks=[disk])
    expect(got.status == 0, "exit status 0")
    expect_text(got.output, "all ten are there")
    starts = plain(got.output).count("BdsDxe: starting Boot")
    expect(starts == 11, "firmware starts 11 times, not %d" % starts)
    for i in range(1, 11):
        expect((disk_file(disk, "r%d.txt" % i) or "").strip() == str(i), "the file of boot %d is on the disk" % i)


@slow
def test_four_cpus():
    """4 CPUs with 128 MiB, then with 5 GiB. All other tests have one."""
    start = VMBOOT + " --cpus 4 --memory %s && echo == off"
    got = run(FOUR_CPUS + start % "128M" + " && " + start % "5G", disks=[guest_disk("@echo -off", "memmap", "reset -s")], mem="7G")
    expect(got.status == 0, "exit status 0 with 128 MiB and with 5 GiB")
    small, large, _ = plain(got.output).split("== off\n")
    expect(100 <= total_memory(small) <= 128, "the shell counts 128 MiB")
    expect(5000 <= total_memory(large) <= 5120, "the shell counts 5 GiB")
