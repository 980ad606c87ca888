"""Network cards: a guest's Linux talks to the host side of its taps, with the vmm and with the host's kernel (vhost-net)
moving the packets; bridge, macvtap, several queues, the cable, and PXE from the firmware."""

import os
import re
import subprocess

from harness import BUILD, ROOT, expect, expect_text, plain, run, scratch

KERNEL = os.path.join(BUILD, "machine", "kernel")
MODULES = ["failover", "net_failover", "virtio_net"]
BYTES = 64 << 20

INIT_HEAD = r"""#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs dev /dev
for m in virtio virtio_ring virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci %s; do insmod /m/$m.ko 2>/dev/null; done
# Looks for packets every 5 ms instead of being interrupted by each: QEMU can freeze a guest that is interrupted much.
few_interrupts()
{
	echo 1000000 >/sys/class/net/$1/napi_defer_hard_irqs
	echo 5000000 >/sys/class/net/$1/gro_flush_timeout
}
""" % " ".join(MODULES)


def initramfs(script, files=None):
    """Busybox, the modules of a virtio network card, and a script that runs as init and then powers off."""
    root = os.path.join(scratch(), "root")
    for name in ("bin", "m", "proc", "sys", "dev", "tmp"):
        os.makedirs(os.path.join(root, name))
    subprocess.run(["cp", "/bin/busybox", os.path.join(root, "bin")], check=True)
    for name in ["virtio", "virtio_ring", "virtio_pci_modern_dev", "virtio_pci_legacy_dev", "virtio_pci"] + MODULES:
        found = subprocess.run(["find", KERNEL, "-name", name + ".ko"], stdout=subprocess.PIPE, check=True, text=True)
        if found.stdout.strip():  # else it is built in
            subprocess.run(["cp", found.stdout.split()[0], os.path.join(root, "m")], check=True)
    for path, source in (files or {}).items():
        subprocess.run(["cp", source, os.path.join(root, path)], check=True)
    with open(os.path.join(root, "init"), "w", encoding="ascii") as f:
        f.write(INIT_HEAD + script + "\npoweroff -f\nsleep 60\n")
    os.chmod(os.path.join(root, "init"), 0o755)
    path = root + ".cpio"
    with open(path, "wb") as f:
        subprocess.run("find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0", shell=True, cwd=root, stdout=f,
                       check=True)
    return path


def boot(nets, memory="256M"):
    return ("vmboot run --kernel /k/vmlinuz --initrd /k/initrd --cmdline 'console=ttyS0 quiet' --memory %s %s" %
            (memory, " ".join("--net " + net for net in nets)))


def kernel_files(initrd):
    return {"k/vmlinuz": os.path.join(KERNEL, "vmlinuz"), "k/initrd": initrd}


GUEST_TCP = r"""
few_interrupts eth0
ip link set eth0 up; ip addr add 10.0.0.2/24 dev eth0
echo "card: $(cat /sys/class/net/eth0/address) mtu $(cat /sys/class/net/eth0/mtu) carrier $(cat /sys/class/net/eth0/carrier)"
echo "features: $(cat /sys/class/net/eth0/device/features)"
ping -c 3 -i 0.2 -s 1000 10.0.0.1 | grep packets | sed "s/^/ping: /"
echo "guest: $(stream 10.0.0.1 5001 GUEST)"
echo "packets: $(cat /sys/class/net/eth0/statistics/tx_packets) sent, $(cat /sys/class/net/eth0/statistics/rx_packets) received"
"""

HOST_TCP = r"""
MODULE
tunctl -t tap0 >/dev/null; ip addr add 10.0.0.1/24 dev tap0; ip link set tap0 up
stream listen 5001 HOST >/tmp/host &
BOOT
status=$?
echo "host: $(cat /tmp/host)"
exit $status
"""


def stream():
    path = os.path.join(scratch(), "stream")
    subprocess.run(["gcc", "-O2", "-static", "-o", path, os.path.join(ROOT, "tests/machine/stream.c")], check=True)
    return path


def check_tcp(vhost, host, guest):
    """Ping, and 64 MiB in one direction. Returns the features that the guest's driver took."""
    program = stream()
    script = GUEST_TCP.replace("GUEST", guest)
    command = HOST_TCP.replace("HOST", host).replace("MODULE", "modprobe vhost_net" if vhost == "on" else "")
    command = command.replace("BOOT", boot(["tap=tap0,mac=02:00:00:00:10:01,vhost=" + vhost]))
    got = run(command, timeout=45, files=dict(kernel_files(initramfs(script, {"bin/stream": program})),
                                              **{"bin/stream": program}))
    out = plain(got.output)
    expect_text(out, "card: 02:00:00:00:10:01 mtu 1500 carrier 1", "ping: 3 packets transmitted, 3 packets received")
    hashes = re.findall(r"^(?:guest|host): ([0-9a-f]{16}) of 67108864 bytes$", out, re.M)
    expect(len(hashes) == 2 and hashes[0] == hashes[1], "what is received hashes to what was sent")
    sent, received = map(int, re.search(r"^packets: (\d+) sent, (\d+) received", out, re.M).groups())
    expect(max(sent, received) < BYTES // 4096, "segments are made where a packet leaves the host, or not at all")
    expect(got.status == 0, "exit status 0")
    return re.search("^features: ([01]+)$", out, re.M).group(1)


# What Linux 6.1 takes of what is offered, by the spec's numbers: CSUM, GUEST_CSUM, CTRL_GUEST_OFFLOADS, MTU, MAC,
# GUEST_TSO4, GUEST_TSO6, GUEST_ECN, HOST_TSO4, HOST_TSO6, HOST_ECN, MRG_RXBUF, STATUS, CTRL_VQ; INDIRECT_DESC,
# EVENT_IDX, VERSION_1. The same whoever moves the packets.
FEATURES = [0, 1, 2, 3, 5, 7, 8, 9, 11, 12, 13, 15, 16, 17, 28, 29, 32]


def expect_features(got):
    expect([i for i, bit in enumerate(got) if bit == "1"] == FEATURES, "the driver takes every feature of ours")


def test_tcp_to_the_guest_by_the_vmm():
    expect_features(check_tcp("off", "send 7", "recv"))


def test_tcp_from_the_guest_by_the_vmm():
    expect_features(check_tcp("off", "recv", "send 8"))


def test_tcp_to_the_guest_by_the_kernel():
    expect_features(check_tcp("on", "send 9", "recv"))


def test_tcp_from_the_guest_by_the_kernel():
    expect_features(check_tcp("on", "recv", "send 10"))
