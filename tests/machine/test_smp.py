"""Several virtual CPUs: what Linux makes of their ids, topology, caches and clocks."""

import re

from guest import boot_command, run_linux
from harness import expect, expect_text, plain

# The machine has one CPU (README.md); the guest's CPUs are threads, so let it say that it has four.
FOUR_CPUS = "echo 0-3 >/tmp/online && mount --bind /tmp/online /sys/devices/system/cpu/online\n"

LOOK = r"""
cd /sys/devices/system/cpu
echo "online: $(cat online)"
echo "apic ids: $(sed -n 's/^apicid[^:]*: *//p' /proc/cpuinfo | tr '\n' ' ')"
echo "initial ids: $(sed -n 's/^initial apicid[^:]*: *//p' /proc/cpuinfo | tr '\n' ' ')"
for c in cpu[0-9]*; do
	cat $c/topology/physical_package_id $c/topology/core_id $c/topology/thread_siblings_list \
		$c/topology/core_siblings_list | tr '\n' ' ' | sed "s/^/topology $c: /"
	echo
	for i in $c/cache/index*; do
		cat $i/level $i/type $i/shared_cpu_list | tr '\n' ' ' | sed "s/^/cache $c: /"
		echo
	done
done
echo "flags: $(sed -n 's/^flags[^:]*://p' /proc/cpuinfo | head -n 1) :end"
echo "clock source: $(cat /sys/devices/system/clocksource/clocksource0/current_clocksource)"
dmesg | grep -iE 'firmware bug|apic id mismatch|tsc.*unstable|clocksource.*(unstable|skew)|topology.*(bug|broken)' |
	sed 's/^/complaint: /'
echo "complaints: over"
"""

POWER_OFF = """
poweroff -f
sleep 60
"""

# A minute in which every CPU is busy now and then, as a server's are.
MINUTE = r"""
cd /
for cpu in 0 1; do
	(i=0; while [ $i -lt 120 ]; do n=0; while [ $n -lt 200 ]; do n=$((n + 1)); done; sleep 0.5; i=$((i + 1)); done) &
done
echo "first: $(date +%s) $(cut -d' ' -f1 /proc/uptime)"
sleep 60
echo "second: $(date +%s) $(cut -d' ' -f1 /proc/uptime)"
"""

# Stamps each line that the guest prints with the host's own clocks.
STAMP = r""" | while read -r line; do echo "$line at $(date +%s) $(cut -d' ' -f1 /proc/uptime)"; done"""


def values(out, name):
    return re.findall("^%s: *(.*?) *$" % name, out, re.M)


def look(cpus, options=""):
    got = run_linux(LOOK + POWER_OFF, command=FOUR_CPUS + boot_command("--cpus %d %s" % (cpus, options)))
    out = plain(got.output)
    expect(got.status == 0, "the guest powers off in the end")
    expect("complaint: " not in out and "complaints: over" in out, "the kernel complains of neither tables nor clocks")
    return out


def expect_shape(out, cpus):
    everyone = "0" if cpus == 1 else "0-%d" % (cpus - 1)
    ids = [str(n) for n in range(cpus)]
    expect(values(out, "online") == [everyone], "%d CPUs are online" % cpus)
    expect(values(out, "apic ids")[0].split() == ids, "their APIC ids count from 0")
    expect(values(out, "initial ids")[0].split() == ids, "and are those of CPUID")
    for cpu in ids:
        expect(values(out, "topology cpu" + cpu) == ["0 %s %s %s" % (cpu, cpu, everyone)],
               "CPU %s is a core with one thread in the only package" % cpu)
        caches = [line.split() for line in values(out, "cache cpu" + cpu)]
        expect(caches, "CPU %s has caches" % cpu)
        for level, kind, shared in caches:
            want = everyone if int(level) >= 3 else cpu
            expect(shared == want, "level %s %s of CPU %s is shared by %s" % (level, kind, cpu, want))
        expect({level for level, _, _ in caches} >= {"1", "2"}, "of levels 1 and 2 at least")


def test_one_two_and_four_cpus():
    """Topology, caches, ids and flags for each number of CPUs."""
    for cpus in (1, 2, 4):
        out = look(cpus, "--nested" if cpus == 2 else "")
        expect_shape(out, cpus)
        flags = values(out, "flags")[0].split()
        for flag in ("hypervisor", "x2apic", "constant_tsc"):
            expect(flag in flags, "the flags have " + flag)
        for flag in ("monitor", "vmx"):
            expect(flag not in flags, "the flags do not have " + flag)
        expect(("svm" in flags) == (cpus == 2), "virtualisation is offered with --nested only")
        expect(values(out, "clock source")[0] in ("kvm-clock", "tsc"), "the clock is KVM's or the TSC")


def test_time_is_right_after_a_minute():
    """Wall clock and uptime of a guest with two busy CPUs against the host's, a minute apart."""
    got = run_linux(MINUTE + POWER_OFF, command="(%s%s) </dev/null%s" % (FOUR_CPUS, boot_command("--cpus 2"), STAMP))
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
