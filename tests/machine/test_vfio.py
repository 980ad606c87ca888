"""`vmboot run --vfio`: real devices (as far as QEMU's are) behind an emulated IOMMU, given to guests and taken back."""

import array
import os
import re
import subprocess

import vfio_host
from guest import GENERIC, GO, VMLINUZ, initramfs, run_linux
from harness import BUILD, ROOT, Skip, expect, expect_text, plain, run, scratch, slow
from test_os import ESP_MIB, ROOT_MIB, make_disk, make_esp, text, unified
from vfio_host import nvme


def program(name):
    """A static program of this folder."""
    path = os.path.join(scratch(), name)
    subprocess.run(["gcc", "-static", "-O2", "-Wall", "-o", path, os.path.join(ROOT, "tests/machine", name + ".c")],
                   check=True)
    return path


def disk_image(mebibytes, name="disk.img"):
    path = os.path.join(scratch(), name)
    with open(path, "wb") as f:
        f.truncate(mebibytes << 20)
    return path


def passed(command, script, qemu_args, programs=("blocks",), **options):
    """Boots Linux with SCRIPT in a machine with QEMU_ARGS; COMMAND is the machine's, after the modules are loaded. A device of
    QEMU's answers in real time, so the machine's clock must not run ahead of it, or drivers lose their patience: sleep."""
    tools = [program(name) for name in programs]
    files = dict(vfio_host.files(), **{"bin/" + os.path.basename(tool): tool for tool in tools})
    got = run_linux(script, command=vfio_host.load() + command, files=files, binaries=tools, append=vfio_host.APPEND,
                    qemu_args=vfio_host.IOMMU + qemu_args, **options)
    return got, plain(got.output)


def boot(options, words="", memory="256M"):
    """The command that boots the guest; WORDS of the form NAME=VALUE are in the environment of its script."""
    return ("vmboot run --kernel /k/vmlinuz --initrd /k/initrd --cmdline 'console=ttyS0 panic=0 quiet %s' --memory %s %s; "
            "echo status: $?\n" % (words, memory, options))


# One guest for each part of the test of an NVMe disk; the kernel gives "part=" to its init.
NVME_GUEST = r"""
check() { blocks verify $1 8 $2 || echo "guest: lost"; }
case $part in
large)
	echo "guest: $(cat /sys/block/nvme0n1/size) sectors, $(ls /sys/block/nvme0n1/device/device/msi_irqs | wc -l) vectors"
	check /dev/nvme0n1 1; blocks write /dev/nvme0n1 256 2 && blocks verify /dev/nvme0n1 256 2 ;;
scribble)
	scribble 23 10 & wait $! ;;
intx)
	echo "guest: $(grep -c MSI /proc/interrupts) lines of MSI"
	grep -E 'nvme|virtio' /proc/interrupts | sed 's/^ */line /'
	for d in /dev/nvme0n1 /dev/nvme1n1 /dev/vdc; do blocks write $d 8 7 && blocks verify $d 8 7; done ;;
busy)
	check /dev/nvme0n1 7; echo "guest: writes"
	while blocks write /dev/nvme0n1 8 7 >/dev/null; do sleep .2; done
	echo "guest: lost"; sleep 60 ;;
unplug)
	echo "guest: works"
	while blocks verify /dev/nvme0n1 8 0 >/dev/null; do sleep .1; done
	echo "guest: lost it"; sleep 60 ;;
esac
echo "guest: done"
poweroff -f
sleep 60
"""

# Twenty resets, some when the guest has been writing for a while, the others in the midst of its start. When it writes
# it says itself: a real device takes real time.
BUSY = r"""
mkfifo /tmp/keys
{ FIRST } </tmp/keys >/tmp/busy 2>&1 &
exec 9>/tmp/keys
wrote() { grep -c "guest: writes" /tmp/busy; }
writes() { until [ "$(wrote)" -gt $1 ]; do sleep .2; done; sleep .5; }
reset() { before=$(wrote); printf '\035r' >&9; }
before=0
writes $before
SECOND
reset; writes $before
reset; writes $before
for wait in .1 .3 .1 .1 .2 .1 .1 .3 .1 .1 .2 .1 .1 .4 .1 .1 .1; do reset; sleep $wait; done
reset; writes $before
printf '\035k' >&9
exec 9>&-
until grep -q "status: " /tmp/busy; do sleep .2; done
cat /tmp/busy
"""

NVME_HOST = (
    "blocks write /dev/nvme0n1 8 1; blocks write /dev/nvme1n1 8 2; for i in 1 2 3; do truncate -s 8M /tmp/$i.img; done\n"
    "echo == scribble\n" + boot("--vfio 00:10.0", "part=scribble") +
    "sleep 1; blocks verify /dev/nvme0n1 8 1; blocks verify /dev/nvme1n1 8 2\n"
    "dmesg | grep -E 'Oops|BUG:|Call Trace|hung task' | sed 's/^/complaint: /'\n"
    "echo == large\n" + boot("--vfio 00:10.0", "part=large") + "sleep 1; blocks verify /dev/nvme0n1 256 2\n"
    "echo == intx\n" + boot("--vfio 00:10.0 --vfio 00:11.0 --disk /tmp/1.img --disk /tmp/2.img --disk /tmp/3.img",
                             "pci=nomsi part=intx") +
    "echo == busy\n" + BUSY.replace("FIRST", boot("--vfio 00:10.0", "part=busy", "128M"))
    .replace("SECOND", boot("--vfio 00:10.0").replace("status:", "second:")) + "sleep 1; blocks verify /dev/nvme0n1 8 7\n"
    "echo == unplug\n" + boot("--vfio 01:00.0", "part=unplug") + "echo host: goes on\n")


@slow
def test_nvme_of_the_machine():
    """A guest that scribbles on it, one with 256 MiB to write, one without MSI, one that is reset, one that loses it."""
    args = (nvme(disk_image(256)) + nvme(disk_image(16, "other.img"), 0x11) +
            ["-device", "pcie-root-port,id=rp,chassis=1,addr=12.0", "-drive",
             "file=%s,if=none,id=d,format=raw" % disk_image(16, "gone.img"), "-device", "nvme,drive=d,serial=D,id=gone,bus=rp"])
    _, out = passed(NVME_HOST, NVME_GUEST, args, modules=("virtio_pci", "virtio_blk"), programs=("blocks", "scribble"),
                    timeout=300, sleep=True, answers=[(rb"guest: works", lambda m: m.monitor.execute("device_del", id="gone"))])
    parts = dict(zip(*[iter(re.split(r"^== (\w+)$", out, flags=re.M)[1:])] * 2))
    expect("system call" not in out, "the sandbox refuses nothing")
    expect("guest: lost\n" not in out, "no guest finds other data than were there before")

    # Random writes to configuration space for 10 s: the host, its disk and another one are unharmed.
    expect_text(parts["scribble"], "scribbled ", "guest: done", "status: 0", "verified 8 MiB of seed 1",
                "verified 8 MiB of seed 2")
    expect("complaint: " not in parts["scribble"], "the host's kernel complains of nothing")

    # What the host wrote is read, 256 MiB are written and verified, and the host finds them afterwards.
    expect_text(parts["large"], "guest: 524288 sectors, 2 vectors", "verified 8 MiB of seed 1", "wrote 256 MiB of seed 2",
                "status: 0")
    expect(parts["large"].count("verified 256 MiB of seed 2") == 2, "guest and host both find the 256 MiB")

    # Two devices at once without MSI; each shares its line with a virtio disk.
    expect_text(parts["intx"], "guest: 0 lines of MSI", "status: 0")
    expect(parts["intx"].count("verified 8 MiB of seed 7") == 3, "all three disks work")
    shared = [line for line in parts["intx"].split("\n") if line.startswith("line ") and "nvme" in line and "virtio" in line]
    expect(len(shared) == 2, "each NVMe shares its line with a virtio disk")

    # Twenty resets. Meanwhile nobody else gets the device.
    expect(parts["busy"].count("The guest was reset.") == 20, "twenty resets")
    expect(parts["busy"].count("guest: writes") >= 3, "some of them come while the guest writes")
    expect_text(parts["busy"], "second: 2", "0000:00:10.0 is held by the virtual machine", "status: 3", "verified 8 MiB of seed 7")

    # It is unplugged while the guest reads: the virtual machine ends with the reason, and the host goes on.
    expect_text(parts["unplug"], "PCI device 0000:01:00.0, which is passed through, is taken away", "status: 1",
                "host: goes on")


IOMMUFD_KERNEL = os.path.join(BUILD, "machine/kernel-iommufd/vmlinuz")


def test_nvme_by_iommufd():
    """The same by IOMMUFD, where the machine's kernel has it: guests read, write and are reset, one of them with two disks, the
    first of which is the last one named."""
    if not os.path.exists(IOMMUFD_KERNEL):
        raise Skip("no kernel with IOMMUFD, and Debian has none; 'tests/machine/fetch.sh iommufd' builds one")
    verify = "sleep 1; for d in /dev/nvme?n1; do blocks verify $d %s; done\n"
    command = ("blocks write /dev/nvme0n1 8 1; blocks write /dev/nvme1n1 8 7\n"
               "(until ls -l /proc/*/fd 2>/dev/null | grep -o '/dev/iommu$'; do sleep .1; done) &\n" +
               boot("--vfio 00:11.0 --vfio 00:10.0", "part=large") + verify % "256 2" +
               BUSY.replace("FIRST", boot("--vfio 00:11.0", "part=busy", "128M")).replace("SECOND", "") + verify % "8 7")
    got = run_linux(NVME_GUEST, command=command, files={"bin/blocks": program("blocks")}, binaries=[program("blocks")],
                    append=vfio_host.APPEND, machine_kernel=IOMMUFD_KERNEL, timeout=300, sleep=True,
                    qemu_args=vfio_host.IOMMU + nvme(disk_image(256)) + nvme(disk_image(16, "other.img"), 0x11))
    out = plain(got.output)
    expect_text(out, "/dev/iommu", "verified 8 MiB of seed 1", "wrote 256 MiB of seed 2", "guest: writes", "verified 8 MiB of seed 7")
    expect(out.count("verified 256 MiB of seed 2") == 2, "guest and host both find the 256 MiB")
    expect(out.count("The guest was reset.") == 20, "twenty resets")
    expect("guest: lost\n" not in out and "system call" not in out, "nothing is lost, and the sandbox refuses nothing")


UEFI_INITRAMFS = """
root=$(findfs LABEL=ROOT); echo "guest: root on $root"
mount -t ext4 "$root" /new && exec switch_root /new /sbin/init
echo "no root file system"; poweroff -f
"""

UEFI_ROOT = """#!/bin/busybox sh
export PATH=/bin
""" + GO + """
mount -t proc proc /proc; mount -t sysfs sysfs /sys
echo "guest: $(cat /etc/issue), UEFI $(cat /sys/firmware/efi/fw_platform_size) bits"
ls /sys/bus/virtio/drivers/virtio_blk 2>/dev/null | grep virtio
for d in /sys/bus/pci/devices/*; do [ "$(cat $d/device)" != 0x1110 ] || sed -n '3s/^/big: /p' $d/resource; done
echo "from the guest" >/written; sync
poweroff -f
"""


def installed_system():
    """A disk with an ESP (a unified kernel image at the removable path) and a root file system."""
    initrd = initramfs(UEFI_INITRAMFS)
    folder = scratch()
    root = os.path.join(folder, "root")
    for directory in ("bin", "sbin", "etc", "proc", "sys", "dev"):
        os.makedirs(os.path.join(root, directory))
    subprocess.run(["cp", "/bin/busybox", os.path.join(root, "bin")], check=True)
    for name in ("sh", "mount", "cat", "ls", "grep", "sed", "sync", "poweroff"):
        os.symlink("/bin/busybox", os.path.join(root, "bin", name))
    text(os.path.join(root, "etc"), "issue", "installed system")
    text(os.path.join(root, "sbin"), "init", UEFI_ROOT)
    os.chmod(os.path.join(root, "sbin", "init"), 0o755)
    image = os.path.join(folder, "root.img")
    subprocess.run(["/sbin/mke2fs", "-q", "-t", "ext4", "-L", "ROOT", "-d", root, image, "%dM" % ROOT_MIB], check=True)
    return make_disk(folder, make_esp(folder, ((unified(VMLINUZ, initrd), "EFI/BOOT/BOOTX64.EFI"),)), image), 1 + ESP_MIB


@slow
def test_firmware_boots_from_nvme():
    """The machine's own disk under UEFI without virtio: the firmware's own driver loads the installed system. Beside it a
    device with 16 GiB of memory, which the firmware puts above 4 GiB."""
    disk, root_at = installed_system()
    big = ["-object", "memory-backend-memfd,id=big,size=16G,share=on", "-device", "ivshmem-plain,memdev=big,addr=11.0"]
    got = run(vfio_host.load() + "vmboot run --firmware /firmware/CLOUDHV.fd --memory 512M --vfio 00:10.0 --vfio 00:11.0",
              timeout=200, sleep=True, files=vfio_host.files(), append=vfio_host.APPEND, qemu_args=vfio_host.IOMMU + nvme(disk) + big)
    out = plain(got.output)
    expect_text(out, "NVMe", "guest: root on /dev/nvme0n1p2", "guest: installed system, UEFI 64 bits", "The guest switched itself off")
    expect("virtio" not in out.split("guest: installed")[1].split("switched")[0], "no disk of virtio")
    start, end = (int(n, 16) for n in re.search("^big: (0x[0-9a-f]+) (0x[0-9a-f]+) ", out, re.M).groups())
    expect(start >= 1 << 32 and end - start + 1 == 16 << 30, "16 GiB lie above 4 GiB")
    got = subprocess.run(["/sbin/debugfs", "-R", "cat /written", "%s?offset=%d" % (disk, root_at << 20)], check=True,
                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    expect(got.stdout == "from the guest\n", "what the guest wrote is on the disk")


# The card is on a network with the host's own, whose addresses are the host's to give. One of two functions that only
# their bus resets is passed without the other at first.
DEVICES_HOST = r"""
modprobe virtio_net
ip addr add 10.9.0.1/24 dev eth0; ip link set eth0 up
printf 'start 10.9.0.20\nend 10.9.0.30\ninterface eth0\noption subnet 255.255.255.0\nlease_file /tmp/leases\n' >/tmp/dhcp
touch /tmp/leases; udhcpd /tmp/dhcp
head -c 1000000 /dev/urandom >/tmp/data
nc -l -p 5000 </tmp/data &
cd /sys/bus/pci/devices/0000:01:00.0; echo 1 >rom; echo "rom: $(head -c 2 rom | hexdump -e '2/1 "%%02x"') $(md5sum <rom)"
cd /; echo "sum: $(md5sum </tmp/data)"
(%s) >/tmp/alone 2>&1 & until grep "only be reset" /tmp/alone; do sleep .1; done
kill $(pidof vmboot); wait $!
echo == all
%s
echo "alone: $(cat /tmp/alone)"
""" % (boot("--vfio 02:01.0"), boot("--vfio 01:00.0 --vfio 00:11.0 --vfio 00:13.0 --vfio 02:01.0 --vfio 02:02.0 --vfio 00:15.0 --vfio 00:16.0"))

# The second start is after a reset, with what the first one has written.
DEVICES_GUEST = r"""
disk() { for d in /sys/block/sd*; do [ "$(cat $d/size)" != $(($1 * 2048)) ] || echo /dev/${d##*/}; done; }
until [ -e "$(disk 8)" ] && [ -e "$(disk 12)" ] && [ -e "$(disk 16)" ] && [ -e /dev/input/event0 ]; do sleep .2; done
if blocks verify $(disk 12) 12 4 && blocks verify $(disk 16) 16 5; then
	echo "guest: done"; poweroff -f
fi
blocks write $(disk 12) 12 4; blocks write $(disk 16) 16 5
grep -E 'ahci|am53c974' /proc/interrupts | sed 's/^ */line /'
cd $(dirname $(grep -l 0x010601 /sys/bus/pci/devices/*/class)) # AHCI 1.3.1, 2.4.2: index and data ports, the register of the version
printf '\020\0\0\0' | dd of=resource4 bs=4 seek=4 conv=notrunc 2>/dev/null
echo "ports: $(dd if=resource4 bs=4 skip=5 count=1 2>/dev/null | hexdump -e '4/1 "%02x"')"
# One device's DMA from the other's memory to its own buffer, and back to another place (QEMU's docs/specs/edu).
of() { dirname $(grep -l $1 /sys/bus/pci/devices/*/device); }
bar() { sed -n "$2s/ .*//p" $(of $1)/resource; }
dma() { devmem $((edu + 0x80)) 64 $1; devmem $((edu + 0x88)) 64 $2; devmem $((edu + 0x90)) 64 4; devmem $((edu + 0x98)) 64 $3; sleep 1; }
for d in 0x11e8 0x1110; do printf '\006\0' | dd of=$(of $d)/config bs=2 seek=2 conv=notrunc 2>/dev/null; done
edu=$(bar 0x11e8 1); memory=$(bar 0x1110 3)
devmem $memory 32 0x600DF00D; dma $((memory)) 0x40000 1; dma 0x40000 $((memory + 256)) 3
echo "peer: $(devmem $((memory + 256)) 32)"
mkdir -p /etc; ip link set eth0 up
printf '#!/bin/sh\n[ "$1" != bound ] || ip addr add $ip/24 dev eth0\n' >/etc/script; chmod 755 /etc/script
until udhcpc -i eth0 -q -n -t 10 -s /etc/script >/dev/null 2>&1; do :; done
echo "guest: $(ip -4 -o addr show eth0 | sed 's/ *brd.*//; s/.*inet //')"
echo "guest: driver $(basename $(readlink /sys/class/net/eth0/device/driver))"
cd /sys/class/net/eth0/device; echo 1 >rom; echo "rom: $(head -c 2 rom | hexdump -e '2/1 "%02x"') $(md5sum <rom)"
echo "sum: $(nc 10.9.0.1 5000 | md5sum)"
blocks verify $(disk 8) 8 3
grep -h Name /proc/bus/input/devices
exec 3</dev/input/event0; echo "guest: waits for a key"
dd bs=24 count=2 <&3 2>/dev/null | hexdump -v -e '24/1 "%02x" "\n"' | sed 's/^/key: /'
reboot -f
sleep 60
"""


@slow
def test_devices_of_all_kinds():
    """Seven devices at once: a network card (DHCP, TCP; MSI-X), USB with a keyboard and a stick, SATA (MSI alone, and ports),
    two SCSI controllers that have ports and INTx alone and no reset but their bus's, and one that reads and writes another's
    memory. The guest is reset once."""
    if not os.path.exists(GENERIC):
        raise Skip("no kernel with the drivers of these devices; run 'make fetch'")
    stick = os.path.join(scratch(), "stick.img")
    with open(stick, "wb") as f:  # as blocks.c writes it
        array.array("Q", ((at ^ 3 << 40) * 0x9E3779B97F4A7C15 & (1 << 64) - 1 for at in range(0, 8 << 20, 8))).tofile(f)
    args = ["-netdev", "hubport,id=a,hubid=0", "-device", "pcie-root-port,id=rp,chassis=1,addr=10.0",
            "-device", "e1000e,netdev=a,bus=rp,mac=02:00:00:00:00:77",
            "-netdev", "hubport,id=b,hubid=0", "-device", "virtio-net-pci,netdev=b",
            "-device", "qemu-xhci,id=usb,addr=11.0", "-device", "usb-kbd,bus=usb.0",
            "-drive", "file=%s,if=none,id=stick,format=raw" % stick, "-device", "usb-storage,bus=usb.0,drive=stick",
            "-device", "ich9-ahci,id=sata,addr=13.0",
            "-drive", "file=%s,if=none,id=sata0,format=raw" % disk_image(12, "sata.img"), "-device", "ide-hd,bus=sata.0,drive=sata0",
            "-device", "i82801b11-bridge,id=pci,addr=14.0", "-device", "am53c974,id=scsi,bus=pci,addr=1.0",
            "-drive", "file=%s,if=none,id=scsi0,format=raw" % disk_image(16, "scsi.img"), "-device", "scsi-hd,bus=scsi.0,drive=scsi0",
            "-device", "am53c974,id=other,bus=pci,addr=2.0", "-device", "edu,addr=15.0,dma_mask=0xffffffffffffffff",
            "-object", "memory-backend-memfd,id=memory,size=1M,share=on", "-device", "ivshmem-plain,memdev=memory,addr=16.0"]
    got, out = passed(DEVICES_HOST, DEVICES_GUEST, args, kernel=GENERIC, timeout=300, sleep=True,
                      modules=("e1000e", "xhci_pci", "usbhid", "hid_generic", "evdev", "usb_storage", "sd_mod", "ahci", "am53c974"),
                      answers=[(rb"waits for a key", lambda m: m.sendkeys("a"))])
    expect("system call" not in out, "the sandbox refuses nothing")
    alone, out = out.split("== all\n")
    expect_text(alone, "0000:02:01.0 can only be reset together with 0000:02:02.0, which is not passed through")
    expect(not re.search("0000:0[12]:.*reset", out.split("alone: ")[0]), "with both of them every device that can be is reset")
    expect_text(out, "guest: 10.9.0.2", "guest: driver e1000e", "verified 8 MiB of seed 3", "USB Keyboard")
    sums = re.findall(r"^sum: ([0-9a-f]{32})", alone + out, re.M)
    expect(len(sums) == 2 and sums[0] == sums[1], "the guest receives what the host sends")
    roms = re.findall(r"^rom: 55aa ([0-9a-f]{32})", alone + out, re.M)
    expect(len(roms) == 2 and roms[0] == roms[1], "the guest has the card's expansion ROM")
    # struct input_event: type EV_KEY, code KEY_A, pressed; before it the key's scan code.
    expect(re.search(r"^key: .{32}01001e0001000000$", out, re.M), "the key arrives")
    # SATA by MSI, of which there is one; SCSI by a pin, of which the two of one slot's number share none.
    expect(re.search(r"^line .* PCI-MSI .*ahci", out, re.M), "SATA has messages")
    expect(len(re.findall(r"^line .* IO-APIC .*am53c974", out, re.M)) == 2, "SCSI has pins")
    expect_text(out, "ports: 00000100", "peer: 0x600DF00D")
    expect_text(out, "The guest was reset.", "verified 12 MiB of seed 4", "verified 16 MiB of seed 5", "guest: done", "status: 0")
