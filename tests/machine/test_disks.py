"""Linux's virtio_blk driver on our disks: discard, zeroes, sectors of 4096 bytes, an overlay that fills up."""

import os
import re
import subprocess

import machine
from harness import BUILD, expect, log_raw, plain, scratch

KERNEL = os.path.join(BUILD, "machine", "kernel")
MODULES = ["virtio", "virtio_ring", "virtio_pci_modern_dev", "virtio_pci_legacy_dev", "virtio_pci", "virtio_blk"]

INIT = r"""#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs dev /dev
for m in %s; do insmod /m/$m.ko 2>/dev/null; done
for d in vda vdb vdc; do
	echo "limits $d: $(cd /sys/block/$d/queue; cat logical_block_size discard_granularity discard_max_bytes write_zeroes_max_bytes | tr '\n' ' ')"
done
dd if=/dev/urandom of=/dev/vda bs=1M count=8 conv=fsync 2>/dev/null
dd if=/dev/urandom of=/dev/vdb bs=1M count=4 conv=fsync 2>/dev/null
blkdiscard -o 1048576 -l 4194304 /dev/vda; echo "discard: $?"
echo "left: $(dd if=/dev/vda bs=1M count=8 2>/dev/null | tr -d '\000' | wc -c)"
blkdiscard /dev/vdb; echo "discard of 4096: $?"
dd if=/dev/zero of=/dev/vdc bs=1M count=4 conv=fsync 2>/dev/null; echo "full overlay: $?"
dd if=/dev/vdc of=/dev/null bs=1M count=8 2>/dev/null; echo "read after it: $?"
blkdiscard /dev/vdc; echo "emptied: $?"
dd if=/dev/urandom of=/dev/vdc bs=1M count=1 conv=fsync 2>/dev/null; echo "write again: $?"
poweroff -f
sleep 60
"""

COMMAND = """mkdir -p /d; mount -t tmpfs tmpfs /d; for f in a b c; do truncate -s 16M /d/$f; done
vmboot run --kernel /linux --initrd /initrd.guest --cmdline 'console=ttyS0,115200 rdinit=/init loglevel=4' --memory 256M \
--disk /d/a --disk /d/b,sector=4096 --disk /d/c,overlay=2M </dev/null; echo "status: $?"
echo "host: $(du -k /d/a /d/b /d/c | tr '\\t\\n' '  ')" """


def guest_initrd(folder):
    root = os.path.join(folder, "root")
    for name in ("bin", "m", "proc", "sys", "dev"):
        os.makedirs(os.path.join(root, name))
    subprocess.run(["cp", "/bin/busybox", os.path.join(root, "bin")], check=True)
    for name in MODULES:
        found = subprocess.run(["find", "-L", KERNEL, "-name", name + ".ko"], stdout=subprocess.PIPE, check=True,
                               text=True)
        expect(found.stdout.strip(), "the kernel has a module " + name)
        subprocess.run(["cp", found.stdout.split()[0], os.path.join(root, "m")], check=True)
    init = os.path.join(root, "init")
    with open(init, "w", encoding="ascii") as f:
        f.write(INIT % " ".join(MODULES))
    os.chmod(init, 0o755)
    initrd = os.path.join(folder, "initrd")
    with open(initrd, "wb") as f:
        subprocess.run("find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0", shell=True, cwd=root, stdout=f,
                       check=True)
    return initrd


def test_linux_discards():
    """What the driver is told, what reaches the file, and what the guest sees when there is no room."""
    got = machine.run(COMMAND, stream=log_raw, timeout=400,
                      files={"linux": os.path.join(KERNEL, "vmlinuz"), "initrd.guest": guest_initrd(scratch())})
    out = plain(got.output)

    def value(name):
        found = re.search("^%s: (.*)$" % re.escape(name), out, re.M)
        expect(found, "the output has " + name)
        return found.group(1).strip()

    a, b, c = (value("limits vd" + d).split() for d in "abc")
    expect(a[0] == "512" and b[0] == "4096" and c[0] == "512", "the sectors are those of the command line")
    expect(all(int(x[2]) > 0 and int(x[3]) > 0 for x in (a, b, c)), "every disk discards and writes zeroes")
    expect(value("discard") == "0" and value("discard of 4096") == "0", "discards work")
    expect(3900000 < int(value("left")) < 4200000, "half of 8 MiB of noise is left, the discarded half is zeroes")
    expect(value("full overlay") != "0", "an overlay of 2 MiB does not take 4")
    expect(value("read after it") == "0", "a full overlay is read on")
    expect(value("emptied") == "0" and value("write again") == "0", "a discard makes room in it")
    expect(value("status") == "0", "the guest powers off in the end")
    sizes = value("host").split()
    expect(int(sizes[0]) in range(4000, 4300), "on the host the file has lost what was discarded")
    expect(int(sizes[2]) < 100 and int(sizes[4]) == 0, "all of one disk was given back, and the overlay's was never written")
