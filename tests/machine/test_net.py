"""Network cards: a guest's Linux talks to the host side of its taps, with the vmm and with the host's kernel (vhost-net)
moving the packets; bridge, macvtap, several queues, the cable, and PXE from the firmware."""

import os
import re
import subprocess

from guest import VMLINUZ, initramfs
from harness import FIRMWARE, ROOT, expect, expect_text, plain, run, scratch, slow

MODULES = ["virtio_pci", "virtio_net"]
BYTES = 64 << 20

INIT_HEAD = r"""mkdir /tmp
# Under load looks for packets every 2 ms instead of being interrupted by each: QEMU can freeze a guest that is
# interrupted much.
few_interrupts()
{
	echo 2 >/sys/class/net/$1/napi_defer_hard_irqs
	echo 2000000 >/sys/class/net/$1/gro_flush_timeout
}
"""


def net_guest(script, binaries=()):
    """An initramfs with the modules of a virtio network card, and a script that runs as init and then powers off."""
    return initramfs(INIT_HEAD + script + "\npoweroff -f\nsleep 60\n", MODULES, binaries=binaries)


def boot(nets, memory="256M"):
    return ("vmboot run --kernel /k/vmlinuz --initrd /k/initrd --cmdline 'console=ttyS0 quiet' --memory %s %s" %
            (memory, " ".join("--net " + net for net in nets)))


def kernel_files(initrd):
    return {"k/vmlinuz": VMLINUZ, "k/initrd": initrd}


GUEST_TCP = r"""
few_interrupts eth0
ip link set eth0 up; ip addr add 10.0.0.2/24 dev eth0
echo "card: $(cat /sys/class/net/eth0/address) mtu $(cat /sys/class/net/eth0/mtu) carrier $(cat /sys/class/net/eth0/carrier)"
echo "features: $(cat /sys/class/net/eth0/device/features)"
ping -c 3 -i 0.2 -s 1000 10.0.0.1 | grep packets | sed "s/^/ping: /"
packets() { echo "packets: $(cat /sys/class/net/eth0/statistics/tx_packets) sent, $(cat /sys/class/net/eth0/statistics/rx_packets) received"; }
packets
echo "to the guest: $(stream 10.0.0.1 5001 recv)"
packets
echo "from the guest: $(stream 10.0.0.1 5002 send 8)"
packets
"""

HOST_TCP = r"""
MODULE
tunctl -t tap0 >/dev/null; ip addr add 10.0.0.1/24 dev tap0; ip link set tap0 up
stream listen 5001 send 7 >/tmp/sent &
stream listen 5002 recv >/tmp/received &
BOOT
status=$?
echo "to the guest: $(cat /tmp/sent)"
echo "from the guest: $(cat /tmp/received)"
exit $status
"""


def stream():
    path = os.path.join(scratch(), "stream")
    subprocess.run(["gcc", "-O2", "-static", "-o", path, os.path.join(ROOT, "tests/machine/stream.c")], check=True)
    return path


def check_tcp(vhost):
    """Ping, and 64 MiB in each direction. Returns the features that the guest's driver took."""
    program = stream()
    command = HOST_TCP.replace("MODULE", "modprobe vhost_net" if vhost == "on" else "")
    command = command.replace("BOOT", boot(["tap=tap0,mac=02:00:00:00:10:01,vhost=" + vhost]))
    got = run(command, timeout=60, files=dict(kernel_files(net_guest(GUEST_TCP, [program])), **{"bin/stream": program}))
    out = plain(got.output)
    expect_text(out, "card: 02:00:00:00:10:01 mtu 1500 carrier 1", "ping: 3 packets transmitted, 3 packets received")
    for direction in ("to", "from"):
        hashes = re.findall("^%s the guest: ([0-9a-f]{16}) of 67108864 bytes$" % direction, out, re.M)
        expect(len(hashes) == 2 and hashes[0] == hashes[1], "what is received %s the guest hashes to what was sent" % direction)
    counts = [(int(sent), int(received)) for sent, received in re.findall(r"^packets: (\d+) sent, (\d+) received", out, re.M)]
    expect(len(counts) == 3, "the guest counts packets")
    for before, after in zip(counts, counts[1:]):
        expect(max(after[0] - before[0], after[1] - before[1]) < BYTES // 4096,
               "segments are made where a packet leaves the host, or not at all")
    expect(got.status == 0, "exit status 0")
    return re.search("^features: ([01]+)$", out, re.M).group(1)


# What Linux 6.1 takes of what is offered, by the spec's numbers: CSUM, GUEST_CSUM, CTRL_GUEST_OFFLOADS, MTU, MAC,
# GUEST_TSO4, GUEST_TSO6, GUEST_ECN, HOST_TSO4, HOST_TSO6, HOST_ECN, MRG_RXBUF, STATUS, CTRL_VQ; INDIRECT_DESC,
# EVENT_IDX, VERSION_1. The same whoever moves the packets.
FEATURES = [0, 1, 2, 3, 5, 7, 8, 9, 11, 12, 13, 15, 16, 17, 28, 29, 32]


def expect_features(got):
    expect([i for i, bit in enumerate(got) if bit == "1"] == FEATURES, "the driver takes every feature of ours")


def test_tcp_by_the_vmm():
    expect_features(check_tcp("off"))


def test_tcp_by_the_kernel():
    expect_features(check_tcp("on"))


# ---- beyond a tap that is given: the emulated machine's own network, QEMU's, has DHCP and TFTP ----

HOST_NETWORK = """
modprobe virtio_net
ip link set eth0 up
"""
BRIDGE = """
brctl addbr br0; brctl addif br0 eth0; ip link set br0 up
"""


def qemu_network(folder, bootfile=""):
    return ("-netdev", "user,id=net,restrict=on,tftp=%s,bootfile=%s" % (folder, bootfile),
            "-device", "virtio-net-pci,netdev=net,mac=02:00:00:00:99:01")


@slow
def test_pxe_by_a_bridge():
    """The firmware gets an address and an EFI program over the bridge, and starts it."""
    loader = "/usr/lib/systemd/boot/efi/systemd-bootx64.efi"
    folder = scratch()
    subprocess.run(["cp", loader, os.path.join(folder, "boot.efi")], check=True)
    got = run(HOST_NETWORK + BRIDGE + """
vmboot run --firmware /firmware/CLOUDHV.fd --memory 256M --net bridge=br0 --log /tmp/log &
vm=$!
for i in $(seq 120); do
	sleep 1
	[ $i = 5 ] && ls /sys/class/net/br0/brif | sed 's/^/port: /'
	grep -aq "NBP file downloaded" /tmp/log && grep -aq "root directory" /tmp/log && break
done
sleep 1
kill $vm; wait $vm
ls /sys/class/net | sed 's/^/left: /'
""", timeout=120, files=FIRMWARE, qemu_args=qemu_network(folder, "boot.efi"))
    out = plain(got.output)
    # The last words are systemd-boot's, which comes from no file system here.
    expect_text(out, "port: vmb0", "NBP file downloaded successfully", "Unable to open root directory")
    expect("left: vmb" not in out, "the tap goes with the virtual machine")


GUEST_MACVTAP = r"""
few_interrupts eth0
ip link set eth0 up
echo "card: $(cat /sys/class/net/eth0/address)"
echo "vectors: $(grep -c -E 'virtio[0-9]+-(input|output)\.[01]' /proc/interrupts)"
printf '#!/bin/busybox sh\n[ "$1" != bound ] || ip addr add $ip/24 dev eth0\n' >/tmp/dhcp; chmod 755 /tmp/dhcp
until udhcpc -i eth0 -s /tmp/dhcp -n -q 2>&1 | grep "lease of"; do :; done
until tftp -g -r file -l /tmp/file 10.0.2.2; do :; done
echo "file: $(cat /tmp/file)"
"""


def test_macvtap_with_two_pairs_of_queues():
    folder = scratch()
    with open(os.path.join(folder, "file"), "w", encoding="ascii") as f:
        f.write("over macvtap\n")
    got = run(HOST_NETWORK + "modprobe macvtap\n" + boot(["macvtap=eth0,queues=2,mac=02:00:00:00:10:02"]) + """
echo "status: $?"
ls /sys/class/net | sed 's/^/left: /'
""", timeout=60, sleep=True, files=kernel_files(net_guest(GUEST_MACVTAP)), qemu_args=qemu_network(folder))
    out = plain(got.output)
    expect_text(out, "card: 02:00:00:00:10:02", "vectors: 4", "lease of 10.0.2.", "file: over macvtap", "status: 0")
    expect("left: eth0" in out and "left: vmb" not in out, "the macvtap is removed at the end")


def test_what_cannot_be_joined_is_told():
    long = " ".join("--net tap=t%d" % i for i in range(9))
    run_it = "vmboot run --kernel /k/vmlinuz --memory 64M "
    got = run("""
tunctl -t tap0 >/dev/null; brctl addbr br0
chmod 666 /dev/kvm
no() { echo "case $1"; shift; "$@"; echo "s=$?"; }
no missing RUN --net tap=tap9
no bridge RUN --net bridge=br9
no kind RUN --net tap=br0
no queues RUN --net tap=tap0,queues=2
no mac RUN --net tap=tap0,mac=1:2:3
no many RUN LONG
no vhost RUN --net tap=tap0,vhost=on
chmod 644 /k/vmlinuz; chmod 666 /dev/net/tun
no rights su -s /bin/sh nobody -c "RUN --net bridge=br0"
vmboot run --firmware /firmware/CLOUDHV.fd --memory 64M --net tap=tap0 >/dev/null 2>&1 &
sleep 5
no busy RUN --net tap=tap0
kill %1; wait
""".replace("RUN", run_it).replace("LONG", long), timeout=60,
              files=dict(FIRMWARE, **{"k/vmlinuz": VMLINUZ}))
    out = plain(got.output)
    for case, text in (("missing", "There is no tap tap9. Make it with `ip tuntap add tap9 mode tap`"),
                       ("bridge", "There is no bridge br9."), ("kind", "br0 is no tap. It is a bridge; say bridge="),
                       ("queues", "Tap tap0 has one pair of queues only."), ("mac", "\"1:2:3\" is no MAC address."),
                       ("many", "There are more than 8 network cards."),
                       ("vhost", "This kernel has no vhost-net (/dev/vhost-net)."),
                       ("rights", "No tap can be made for bridge br0: no permission"),
                       ("busy", "Tap tap0 is in use: another virtual machine or program has it open.")):
        part = out.split("case %s\n" % case, 1)[1].split("case ", 1)[0]
        expect(text in part, "%s: \"%s\" is said, not: %s" % (case, text, part))
        expect("s=2" in part or (case in ("mac", "many") and re.search(r"s=\d", part)), case + ": exit status 2")


GUEST_LINK = r"""
few_interrupts eth0
ip link set eth0 up
for want in 1 0 1; do
	until [ "$(cat /sys/class/net/eth0/carrier)" = $want ]; do sleep 0.2; done
	echo "carrier is $want"
done
"""


def check_link(modules):
    entry = ("title = linked\nkernel = /k/vmlinuz\ninitrd = /k/initrd\noptions = console=ttyS0 quiet\n"
             "memory = 256M\nnet = tap=tap0\n")
    got = run(modules + """
tunctl -t tap0 >/dev/null; ip link set tap0 up
vmboot daemon --config /c --log /tmp/log &
until vmboot ctl list >/dev/null 2>&1; do sleep 0.2; done
shows() {
	i=0
	until vmboot ctl console | grep -q "$1"; do
		i=$((i + 1)); [ $i -lt 100 ] || return 1; sleep 0.5
	done
	echo "seen: $1"
}
vmboot ctl start linked
shows "carrier is 1"
vmboot ctl status | grep "network card"
vmboot ctl link 0 down && shows "carrier is 0"
vmboot ctl status | grep "network card"
vmboot ctl link 1 down
vmboot ctl link 0 up
i=0
until vmboot ctl list | grep -q ended; do i=$((i + 1)); [ $i -lt 60 ] || break; sleep 0.5; done
vmboot ctl list
vmboot ctl console | grep carrier | sed 's/^/console: /'
kill %1
""", timeout=90, files=dict(kernel_files(net_guest(GUEST_LINK)), **{"c/entries/linked.conf": entry.encode()}))
    out = plain(got.output)
    expect_text(out, "seen: carrier is 1", "network card 0: link up", "seen: carrier is 0", "network card 0: link down",
                "There is no network card 1", "The guest switched itself off")
    expect([line[-1] for line in out.splitlines() if line.startswith("console: carrier is")] == ["1", "0", "1"],
           "the guest sees the cable go and come")
    return out


def test_link_goes_down_and_up():
    expect("vhost-net" not in check_link(""), "the vmm moves the packets")


def test_link_goes_down_and_up_with_vhost():
    expect("by the kernel (vhost-net)" in check_link("modprobe vhost_net\n"), "the kernel moves the packets")
