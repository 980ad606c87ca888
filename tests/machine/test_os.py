"""Operating systems from a disk through UEFI: GRUB, systemd-boot, and a unified kernel image start Debian's kernel."""

import os
import subprocess

from harness import BUILD, expect, expect_text, plain, run, scratch

KERNEL = os.path.join(BUILD, "machine", "kernel")
VMLINUZ = os.path.join(KERNEL, "vmlinuz")
MODULES = ("virtio", "virtio_ring", "virtio_pci_modern_dev", "virtio_pci_legacy_dev", "virtio_pci", "virtio_blk")
GRUB = "/usr/lib/grub/x86_64-efi/monolithic/grubx64.efi"
SYSTEMD_BOOT = "/usr/lib/systemd/boot/efi/systemd-bootx64.efi"
STUB = "/usr/lib/systemd/boot/efi/linuxx64.efi.stub"
CMDLINE = "console=ttyS0,115200 root=LABEL=ROOT rw quiet"
ESP_MIB, ROOT_MIB = 96, 64

INITRAMFS_INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs dev /dev
for m in %s; do insmod /m/$m.ko 2>/dev/null; done
for i in 1 2 3 4 5 6 7 8 9 10; do root=$(findfs LABEL=ROOT) && break; sleep 1; done
mount -t ext4 "$root" /new && exec switch_root /new /sbin/init
echo "no root file system"; poweroff -f
""" % " ".join(MODULES)

# First boot: leaves a file on the root and reboots. Second boot: finds it and powers off.
ROOT_INIT = """#!/bin/busybox sh
export PATH=/bin
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs dev /dev 2>/dev/null
echo "root: $(grep ' / ' /proc/mounts | cut -d' ' -f1,3)"
dmesg | grep -iE 'acpi.*error|i/o error|ext4-fs error' | sed 's/^/complaint: /'
if [ -e /boots ]; then
	echo "second boot after: $(cat /boots)"
	sync; poweroff -f
fi
echo "the first one" >/boots
sync; reboot -f
"""


def tree(folder, name, dirs, init):
    """A root file system's folder: busybox and an init script."""
    root = os.path.join(folder, name)
    for directory in dirs:
        os.makedirs(os.path.join(root, directory))
    subprocess.run(["cp", "/bin/busybox", os.path.join(root, "bin")], check=True)
    path = os.path.join(root, init)
    with open(path, "w", encoding="ascii") as f:
        f.write(INITRAMFS_INIT if init == "init" else ROOT_INIT)
    os.chmod(path, 0o755)
    return root


def make_initrd(folder):
    root = tree(folder, "initramfs", ("bin", "m", "proc", "sys", "dev", "new"), "init")
    for name in MODULES:
        found = subprocess.run(["find", KERNEL, "-name", name + ".ko"], stdout=subprocess.PIPE, check=True, text=True)
        subprocess.run(["cp", found.stdout.split()[0], os.path.join(root, "m")], check=True)
    initrd = os.path.join(folder, "initrd")
    with open(initrd, "wb") as f:
        subprocess.run("find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0", shell=True, cwd=root, stdout=f,
                       check=True)
    return initrd


def make_root(folder, files):
    """An ext4 file system labelled ROOT; FILES are put into its /boot."""
    root = tree(folder, "root", ("bin", "sbin", "boot", "proc", "sys", "dev"), "sbin/init")
    for name in ("sh", "mount", "grep", "cut", "dmesg", "sed", "cat", "sync", "poweroff", "reboot"):
        os.symlink("/bin/busybox", os.path.join(root, "bin", name))
    for source, name in files:
        subprocess.run(["cp", source, os.path.join(root, "boot", name)], check=True)
    image = os.path.join(folder, "root.img")
    subprocess.run(["/sbin/mke2fs", "-q", "-t", "ext4", "-L", "ROOT", "-d", root, image, "%dM" % ROOT_MIB], check=True)
    return image


def make_esp(folder, files):
    image = os.path.join(folder, "esp.img")
    subprocess.run(["truncate", "-s", "%dM" % ESP_MIB, image], check=True)
    subprocess.run(["/sbin/mkfs.fat", "-F", "16", "-n", "ESP", image], stdout=subprocess.DEVNULL, check=True)
    made = set()
    for source, path in files:
        parts = path.split("/")[:-1]
        for depth in range(1, len(parts) + 1):
            directory = "/".join(parts[:depth])
            if directory not in made:
                subprocess.run(["mmd", "-i", image, "::/" + directory], check=True)
                made.add(directory)
        subprocess.run(["mcopy", "-i", image, source, "::/" + path], check=True)
    return image


def make_disk(folder, esp, root):
    """GPT: the EFI system partition, then the root."""
    image = os.path.join(folder, "os.img")
    subprocess.run(["truncate", "-s", "%dM" % (ESP_MIB + ROOT_MIB + 2), image], check=True)
    subprocess.run(["/sbin/sgdisk", "--clear", "--new=1:2048:+%dM" % ESP_MIB, "--typecode=1:ef00",
                    "--new=2:0:+%dM" % ROOT_MIB, "--typecode=2:8300", image], stdout=subprocess.DEVNULL, check=True)
    for part, offset in ((esp, 1), (root, 1 + ESP_MIB)):
        subprocess.run(["dd", "if=" + part, "of=" + image, "bs=1M", "seek=%d" % offset, "conv=notrunc,sparse",
                        "status=none"], check=True)
    return image


def text(folder, name, *lines):
    path = os.path.join(folder, name)
    with open(path, "w", encoding="ascii") as f:
        f.write("".join(line + "\n" for line in lines))
    return path


def boot(disk):
    """Runs the disk until it powers off: once round through reboot."""
    got = run("vmboot run --firmware /firmware/CLOUDHV.fd --disk /dev/nvme0n1 --memory 512M", disks=[disk], timeout=150)
    out = plain(got.output)
    expect(got.status == 0, "the guest powers off in the end")
    expect_text(out, "root: /dev/vda2 ext4", "The guest was reset.", "second boot after: the first one")
    expect(out.count("BdsDxe: starting Boot") == 2, "the firmware started twice")
    expect("complaint: " not in out, "the kernel does not complain")


def test_grub_starts_debian_from_ext4():
    """GRUB on the ESP; kernel, initramfs and root on ext4."""
    folder = scratch()
    config = text(folder, "grub.cfg", "search --no-floppy --label --set=root ROOT", "linux /boot/vmlinuz " + CMDLINE,
                  "initrd /boot/initrd", "boot")
    root = make_root(folder, ((VMLINUZ, "vmlinuz"), (make_initrd(folder), "initrd")))
    esp = make_esp(folder, ((GRUB, "EFI/BOOT/BOOTX64.EFI"), (config, "EFI/debian/grub.cfg")))
    boot(make_disk(folder, esp, root))


def test_systemd_boot_starts_an_entry():
    """systemd-boot with a Boot Loader Specification entry; kernel and initramfs on the ESP."""
    folder = scratch()
    entry = text(folder, "debian.conf", "title Debian", "linux /vmlinuz", "initrd /initrd", "options " + CMDLINE)
    loader = text(folder, "loader.conf", "timeout 0")
    esp = make_esp(folder, ((SYSTEMD_BOOT, "EFI/BOOT/BOOTX64.EFI"), (VMLINUZ, "vmlinuz"),
                            (make_initrd(folder), "initrd"), (entry, "loader/entries/debian.conf"),
                            (loader, "loader/loader.conf")))
    boot(make_disk(folder, esp, make_root(folder, ())))


def test_unified_kernel_image_starts():
    """Kernel, initramfs and command line in one UEFI program, at the removable path."""
    folder = scratch()
    image = os.path.join(folder, "linux.efi")
    sections = ((".osrel", text(folder, "osrel", "NAME=Debian", "ID=debian"), 0x20000),
                (".cmdline", text(folder, "cmdline", CMDLINE), 0x30000),
                (".linux", VMLINUZ, 0x2000000), (".initrd", make_initrd(folder), 0x4000000))
    arguments = []
    for name, source, address in sections:
        arguments += ["--add-section", name + "=" + source, "--change-section-vma", "%s=%#x" % (name, address)]
    subprocess.run(["objcopy", *arguments, STUB, image], check=True)
    esp = make_esp(folder, ((image, "EFI/BOOT/BOOTX64.EFI"),))
    boot(make_disk(folder, esp, make_root(folder, ())))
