"""Virtual CPUs: what Linux makes of their ids, topology, caches, flags and clocks."""

import re

from guest import boot_command, run_linux
from harness import expect, expect_text, plain

# The machine has one CPU (README.md); the guest's CPUs are threads, so let it say that it has four.
FOUR_CPUS = "echo 0-3 >/tmp/online && mount --bind /tmp/online /sys/devices/system/cpu/online\n"

# CPUs that wait for each other do so in loops, each on a CPU of its own. Here they share one, and the emulator is at its
# slowest then (README.md): Linux starts the others of its CPUs in minutes, if at all. So it is told to start one; that
# each of the others would be given its own ids is tests/unit/test_cpuid.c's, that they run tests/kvm/'s and EDK2's.
ONE = "quiet maxcpus=1"

LOOK = r"""
cd /sys/devices/system/cpu
echo "cpus: $(cat online) $(cat present) $(cat possible)"
echo "ids: $(sed -n 's/^\(initial \)*apicid[^:]*: *//p' /proc/cpuinfo | tr '\n' ' ')"
cd cpu0
echo "topology: $(cat topology/physical_package_id topology/core_id topology/thread_siblings_list | tr '\n' ' ')"
for i in cache/index*; do
	echo "cache: $(cat $i/level $i/type $i/size $i/shared_cpu_list | tr '\n' ' ')"
done
echo "flags: $(sed -n 's/^flags[^:]*://p' /proc/cpuinfo | head -n 1) :end"
echo "clock source: $(cat /sys/devices/system/clocksource/clocksource0/current_clocksource)"
dmesg | grep -iE 'firmware bug|apic id mismatch|clocksource.*(unstable|skew)|topology.*(bug|broken)' |
	sed 's/^/complaint: /'
echo "complaints: over"
"""

POWER_OFF = """
poweroff -f
sleep 60
"""

# A minute in which the CPU is busy now and then, as a server's is.
MINUTE = r"""
(i=0; while [ $i -lt 60 ]; do n=0; while [ $n -lt 1000 ]; do n=$((n + 1)); done; sleep 1; i=$((i + 1)); done) &
echo "first: $(date +%s) $(cut -d' ' -f1 /proc/uptime)"
sleep 60
echo "second: $(date +%s) $(cut -d' ' -f1 /proc/uptime)"
"""

# Stamps each line that the guest prints with the host's own clocks.
STAMP = r""" | while read -r line; do echo "$line at $(date +%s) $(cut -d' ' -f1 /proc/uptime)"; done"""


def values(out, name):
    return re.findall("^%s: *(.*?) *$" % name, out, re.M)


def look(cpus, options=""):
    got = run_linux(LOOK + POWER_OFF, command=FOUR_CPUS + boot_command("--cpus %d %s" % (cpus, options), ONE))
    out = plain(got.output)
    expect(got.status == 0, "the guest powers off in the end")
    expect("complaint: " not in out and "complaints: over" in out, "the kernel complains of neither tables nor clocks")
    expect(values(out, "cpus") == ["0 0-%d 0-%d" % (cpus - 1, cpus - 1) if cpus > 1 else "0 0 0"],
           "Linux counts %d CPUs" % cpus)
    expect(values(out, "ids") == ["0 0"], "the first APIC id is 0, by the tables and by CPUID")
    expect(values(out, "topology") == ["0 0 0"], "it is a core with one thread in the first package")
    caches = values(out, "cache")
    expect({cache[0] for cache in caches} >= {"1", "2"}, "it has caches of levels 1 and 2")
    flags = values(out, "flags")[0].split()
    for flag in ("hypervisor", "x2apic", "tsc_deadline_timer"):
        expect(flag in flags, "the flags have " + flag)
    for flag in ("monitor", "vmx"):
        expect(flag not in flags, "the flags do not have " + flag)
    expect(("svm" in flags) == ("--nested" in options), "virtualisation is offered with --nested only")
    expect(values(out, "clock source")[0] in ("kvm-clock", "tsc"), "the clock is KVM's or the TSC")


def test_what_linux_makes_of_its_cpus():
    """Ids, topology, caches and flags of one CPU, and of four of which one runs."""
    look(1)
    look(4, "--nested")


def test_time_is_right_after_a_minute():
    """Wall clock and uptime of a guest with work to do against the host's, a minute apart."""
    got = run_linux(MINUTE + POWER_OFF, command="(%s) </dev/null%s" % (boot_command(), STAMP))
    out = plain(got.output)
    found = [re.search(r"^%s: (\d+) ([\d.]+) at (\d+) ([\d.]+)" % name, out, re.M) for name in ("first", "second")]
    expect(all(found), "the guest tells the time twice")
    first, second = ([float(n) for n in m.groups()] for m in found)
    expect(second[1] - first[1] >= 59, "a minute lies between")
    for guest, host, what in ((0, 2, "wall clock"), (1, 3, "uptime")):
        drift = (second[guest] - first[guest]) - (second[host] - first[host])
        expect(abs(drift) <= 1.1, "the %s is right after a minute, not off by %.2f s" % (what, drift))
    expect(abs(second[0] - second[2]) <= 2, "the wall clock is the host's")
    expect_text(out, "The guest switched itself off.")
