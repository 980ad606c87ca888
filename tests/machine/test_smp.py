"""Virtual CPUs: what Linux makes of their ids, topology, caches, flags and clocks."""

import re

from guest import boot_command, run_linux
from harness import expect, expect_text, plain, slow

LOOK = r"""
cd /sys/devices/system/cpu
echo "cpus: $(cat online) $(cat present) $(cat possible)"
echo "ids: $(sed -n 's/^\(initial \)*apicid[^:]*: *//p' /proc/cpuinfo | tr '\n' ' ')"
for c in cpu[0-9]*; do
	echo "topology ${c#cpu}: $(for n in physical_package_id core_id thread_siblings_list core_siblings_list; do
		cat $c/topology/$n; done | tr '\n' ' ')"
	for i in $c/cache/index*; do
		echo "cache ${c#cpu}: $(cat $i/level $i/type $i/size $i/shared_cpu_list | tr '\n' ' ')"
	done
done
echo "flags: $(sed -n 's/^flags[^:]*://p' /proc/cpuinfo | head -n 1) :end"
echo "clock source: $(cat /sys/devices/system/clocksource/clocksource0/current_clocksource)"
dmesg | grep -iE 'firmware bug|apic id mismatch|clocksource.*(unstable|skew)|topology.*(bug|broken)|mtrr.*(disabled|inconsistent)' |
	grep -v 'read-back delay' | sed 's/^/complaint: /'
echo "complaints: over"
"""

POWER_OFF = """
poweroff -f
sleep 60
"""

# A minute in which each CPU is busy now and then, as a server's is, the time told five times before and after it; then
# whether time goes on when one looks at it on one CPU after the other. A delay in reading a clock is the host's, whose scheduler took the CPU away meanwhile.
MINUTE = r"""
cpus=$(grep -c ^processor /proc/cpuinfo)
busy() { i=0; while [ $i -lt 60 ]; do n=0; while [ $n -lt 1000 ]; do n=$((n + 1)); done; sleep 1; i=$((i + 1)); done; }
c=0; while [ $c -lt $cpus ]; do busy & taskset -p $((1 << c)) $! >/dev/null; c=$((c + 1)); done
tell() { for i in 1 2 3 4 5; do echo "$1: $(date +%s) $(cut -d' ' -f1 /proc/uptime)"; sleep .5; done; }
tell first
sleep 58
tell second
i=0; while [ $i -lt 20 ]; do
	echo "then: $(taskset $((1 << i % cpus)) cut -d' ' -f1 /proc/uptime)"
	i=$((i + 1))
done
dmesg | grep -iE 'clocksource.*(unstable|skew)' | grep -v 'read-back delay' | sed 's/^/complaint: /'
echo "complaints: over"
"""

# Stamps each line that the guest prints with the host's own clocks.
STAMP = r""" | while read -r line; do echo "$line at $(date +%s) $(cut -d' ' -f1 /proc/uptime)"; done"""


def values(out, name):
    return re.findall("^%s: *(.*?) *$" % name, out, re.M)


def check_cpu(out, cpu, cpus):
    """Each is a core of its own with one thread; caches of level 3 are the package's, the others its own."""
    together = "0-%d" % (cpus - 1) if cpus > 1 else "0"
    expect(values(out, "topology %d" % cpu) == ["0 %d %d %s" % (cpu, cpu, together)],
           "CPU %d is a core with one thread in the one package" % cpu)
    caches = [cache.split() for cache in values(out, "cache %d" % cpu)]
    expect({cache[0] for cache in caches} >= {"1", "2"}, "CPU %d has caches of levels 1 and 2" % cpu)
    expect(all(cache[-1] == (together if int(cache[0]) >= 3 else str(cpu)) for cache in caches),
           "CPU %d shares caches of level 3 only" % cpu)


def check_look(out, cpus, options):
    expect_text(out, "The guest switched itself off.")
    expect("complaint: " not in out and "complaints: over" in out, "the kernel complains of neither tables nor clocks")
    expect(values(out, "cpus") == ["0-%d 0-%d 0-%d" % (3 * (cpus - 1,)) if cpus > 1 else "0 0 0"],
           "Linux counts %d CPUs, and all run" % cpus)
    expect(values(out, "ids") == [" ".join("%d %d" % (cpu, cpu) for cpu in range(cpus))],
           "APIC ids are the CPUs' numbers, by the tables and by CPUID")
    for cpu in range(cpus):
        check_cpu(out, cpu, cpus)
    flags = values(out, "flags")[0].split()
    for flag in ("hypervisor", "x2apic", "tsc_deadline_timer"):
        expect(flag in flags, "the flags have " + flag)
    for flag in ("monitor", "vmx"):
        expect(flag not in flags, "the flags do not have " + flag)
    expect(("svm" in flags) == ("--nested" in options), "virtualisation is offered with --nested only")
    expect(values(out, "clock source")[0] in ("kvm-clock", "tsc"), "the clock is KVM's or the TSC")


def test_what_linux_makes_of_its_cpus():
    """Ids, topology, caches and flags of one CPU, of two and of four, which run at once."""
    guests = ((1, ""), (2, ""), (4, "--nested"))
    command = "\n".join("echo == guest; " + boot_command("--cpus %d %s" % guest) for guest in guests)
    out = plain(run_linux(LOOK + POWER_OFF, command=command, cpus=4).output).split("== guest\n")[1:]
    for said, guest in zip(out, guests, strict=True):
        check_look(said, *guest)


@slow
def test_time_is_right_on_each_cpu():
    """Wall clock and uptime of a guest with work to do on four CPUs that run at once, against the host's, a minute apart."""
    command = "(%s) </dev/null%s" % (boot_command("--cpus 4"), STAMP)
    got = run_linux(MINUTE + POWER_OFF, command=command, cpus=4)
    out = plain(got.output)
    first, second = ([[float(n) for n in m] for m in re.findall(r"^%s: (\d+) ([\d.]+) at (\d+) ([\d.]+)" % name, out, re.M)]
                     for name in ("first", "second"))
    expect(len(first) == 5 and len(second) == 5, "the guest tells the time")
    expect(second[-1][1] - first[0][1] >= 59, "a minute lies between")
    for guest, host, what in ((0, 2, "wall clock"), (1, 3, "uptime")):
        # What the guest says reaches the host sooner or later: the line that was on its way for the shortest time counts.
        ahead = [max(line[guest] - line[host] for line in lines) for lines in (first, second)]
        drift = ahead[1] - ahead[0]
        expect(abs(drift) <= 1.1, "the %s is right after a minute, not off by %.2f s" % (what, drift))
    expect(abs(max(line[0] - line[2] for line in second)) <= 2, "the wall clock is the host's")
    then = [float(n) for n in re.findall(r"^then: ([\d.]+) at", out, re.M)]
    expect(len(then) == 20 and then == sorted(then), "time goes on from one CPU to the next")
    expect("complaint: " not in out and "complaints: over" in out, "no clock is found wrong")
    expect_text(out, "The guest switched itself off.")
