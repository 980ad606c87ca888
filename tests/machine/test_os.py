"""Operating systems from a disk through UEFI: GRUB, systemd-boot, and a unified kernel image start Debian's kernel."""

import base64
import os
import re
import shutil
import subprocess

from guest import GO, KERNEL, NEWEST, VMLINUZ, initramfs, kernel_version
from harness import ROOT, expect, expect_text, plain, run, scratch

NEWEST_VMLINUZ = os.path.join(NEWEST, "vmlinuz")
MODULES = ("virtio_pci", "virtio_blk", "ext4", "vfat", "nls_cp437", "nls_ascii", "nls_iso8859-1", "efivarfs")
GRUB = "/usr/lib/grub/x86_64-efi/monolithic/grubx64.efi"
SYSTEMD_BOOT = "/usr/lib/systemd/boot/efi/systemd-bootx64.efi"
OVMF = os.path.join(ROOT, "build/firmware/ovmf/OVMF_CODE_4M.fd")
STUB = "/usr/lib/systemd/boot/efi/linuxx64.efi.stub"
# noxsave: the emulated processor lets a guest of a guest change XCR0 without telling KVM, whose CPUID then contradicts it.
# Linux 6.1 warns of that, 7.2 stops.
CMDLINE = "console=ttyS0,115200 root=LABEL=ROOT rw quiet noxsave"
ESP_MIB, ROOT_MIB = 160, 160

INITRAMFS = """
for i in 1 2 3 4 5 6 7 8 9 10; do root=$(findfs LABEL=ROOT) && break; sleep 1; done
mount -t ext4 "$root" /new && exec switch_root /new /sbin/init
echo "no root file system"; poweroff -f
"""

# First boot: leaves a line on the root, sees to it that the newest kernel is next, reboots. The last boot: finds the
# lines, shows the firmware's tables, powers off; what lies between only reboots.
ROOT_INIT = """#!/bin/busybox sh
export PATH=/bin
""" + GO + """
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs dev /dev 2>/dev/null
echo "kernel: $(uname -r)"
echo "clock: $(cat /sys/class/rtc/rtc0/date)"
echo "root: $(grep ' / ' /proc/mounts | cut -d' ' -f1,3)"
dmesg | grep -iE 'acpi.*(error|warning)|firmware bug|i/o error|ext4-fs error|BAR [0-9].*: (assigned|failed|can)|pci.*(conflict|no space|can.t claim|no compatible)|rtc.*(fail|invalid)' |
	sed 's/^/complaint: /'
echo "complaints: over"
boots=$(cat /boots 2>/dev/null | grep -c .)
if [ "$boots" = "$(cat /last)" ]; then
	echo "last boot after: $boots"
	for t in /sys/firmware/acpi/tables/[A-Z]*; do echo "table ${t##*/}: $(base64 $t | tr -d '\n')"; done
	sync; poweroff -f
fi
echo "one more" >>/boots
[ "$boots" != 0 ] || . /next
sync; reboot -f
"""


def make_root(next_script, files, reboots=1, init=ROOT_INIT):
    """An ext4 file system labelled ROOT; FILES are put into its /boot. NEXT_SCRIPT chooses the newest kernel, for this INIT."""
    folder = scratch()
    root = os.path.join(folder, "root")
    for directory in ("bin", "sbin", "boot", "proc", "sys", "dev", "mnt"):
        os.makedirs(os.path.join(root, directory))
    subprocess.run(["cp", "/bin/busybox", os.path.join(root, "bin")], check=True)
    for name in ("sh", "mount", "umount", "grep", "cut", "dmesg", "sed", "cat", "sync", "poweroff", "reboot", "uname",
                 "base64", "tr", "cp", "printf"):
        os.symlink("/bin/busybox", os.path.join(root, "bin", name))
    text(os.path.join(root, "sbin"), "init", init)
    os.chmod(os.path.join(root, "sbin", "init"), 0o755)
    text(root, "next", next_script)
    text(root, "last", str(reboots))
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


def boot(disk, kernels=(KERNEL, NEWEST), firmware="/firmware/CLOUDHV.fd", files=None):
    """Runs the disk until it powers off: through reboots, from Debian 12's kernel to the newest."""
    got = run("vmboot run --firmware %s --disk /dev/nvme0n1 --memory 512M" % firmware, disks=[disk], files=files or {},
              timeout=200)
    out = plain(got.output)
    expect(got.status == 0, "the guest powers off in the end")
    boots = len(kernels)
    expect_text(out, "The guest was reset.", "last boot after: %d" % (boots - 1))
    expect(out.count("root: /dev/vda2 ext4") == boots, "the root is mounted each time")
    expect(re.findall("^kernel: (.*)$", out, re.M) == [kernel_version(kernel) for kernel in kernels],
           "Debian 12's kernel boots first, the newest one after it")
    expect(re.findall("^clock: (.*)$", out, re.M) == boots * ["2026-01-01"], "the RTC is right")
    expect(out.count("BdsDxe: starting Boot") == boots, "the firmware started each time")
    expect("complaint: " not in out and out.count("complaints: over") == boots, "neither kernel complains")
    return out


def initrds():
    return initramfs(INITRAMFS, MODULES), initramfs(INITRAMFS, MODULES, NEWEST)


def test_grub_starts_debian_from_ext4():
    """GRUB on the ESP; kernels, initramfs and root on ext4."""
    old, new = initrds()
    config = text(scratch(), "grub.cfg", "search --no-floppy --label --set=root ROOT",
                  "if [ -e /boots ]; then set next=-next; fi", "linux /boot/vmlinuz$next " + CMDLINE,
                  "initrd /boot/initrd$next", "boot")
    root = make_root("", ((VMLINUZ, "vmlinuz"), (old, "initrd"), (NEWEST_VMLINUZ, "vmlinuz-next"), (new, "initrd-next")))
    folder = scratch()
    boot(make_disk(folder, make_esp(folder, ((GRUB, "EFI/BOOT/BOOTX64.EFI"), (config, "EFI/debian/grub.cfg"))), root))


# A UEFI variable that the guest sets: attributes, then the entry's name in UTF-16 (Boot Loader Interface).
ONE_SHOT = r"""mount -t efivarfs efivarfs /sys/firmware/efi/efivars
printf '\007\000\000\000n\000e\000x\000t\000.\000c\000o\000n\000f\000\000\000' \
	>/sys/firmware/efi/efivars/LoaderEntryOneShot-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"""


def test_systemd_boot_starts_an_entry():
    """systemd-boot, Boot Loader Specification entries on the ESP; the newest kernel once, by the guest's variable."""
    old, new = initrds()
    folder = scratch()
    entry = text(folder, "debian.conf", "title Debian", "linux /vmlinuz", "initrd /initrd", "options " + CMDLINE)
    following = text(folder, "next.conf", "title Debian, newest", "linux /vmlinuz-next", "initrd /initrd-next",
                     "options " + CMDLINE)
    loader = text(folder, "loader.conf", "timeout 0", "default debian.conf")
    esp = make_esp(folder, ((SYSTEMD_BOOT, "EFI/BOOT/BOOTX64.EFI"), (VMLINUZ, "vmlinuz"), (old, "initrd"),
                            (NEWEST_VMLINUZ, "vmlinuz-next"), (new, "initrd-next"),
                            (entry, "loader/entries/debian.conf"), (following, "loader/entries/next.conf"),
                            (loader, "loader/loader.conf")))
    check_tables(boot(make_disk(folder, esp, make_root(ONE_SHOT, (), reboots=2)), (KERNEL, NEWEST, KERNEL)))


def unified(vmlinuz, initrd):
    """Kernel, initramfs and command line in one UEFI program."""
    folder = scratch()
    image = os.path.join(folder, "linux.efi")
    sections = ((".osrel", text(folder, "osrel", "NAME=Debian", "ID=debian"), 0x20000),
                (".cmdline", text(folder, "cmdline", CMDLINE), 0x30000),
                (".linux", vmlinuz, 0x2000000), (".initrd", initrd, 0x4000000))
    arguments = []
    for name, source, address in sections:
        arguments += ["--add-section", name + "=" + source, "--change-section-vma", "%s=%#x" % (name, address)]
    subprocess.run(["objcopy", *arguments, STUB, image], check=True)
    return image


def check_tables(out):
    """What the guest's /sys/firmware/acpi/tables held goes through iasl and back."""
    folder = scratch()
    tables = re.findall("^table ([A-Z0-9]+): (.*)$", out, re.M)
    expect({"DSDT", "FACP", "APIC", "MCFG", "SPCR", "WDAT"} <= {name for name, _ in tables}, "the guest has our tables")
    for name, data in tables if shutil.which("iasl") else ():
        with open(os.path.join(folder, name + ".dat"), "wb") as f:
            f.write(base64.b64decode(data))
        for arguments in (["-d", name + ".dat"], ["-p", "again", name + ".dsl"]):
            done = subprocess.run(["iasl", *arguments], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  check=False, text=True)
            expect(done.returncode == 0 and "Invalid" not in done.stdout, "iasl takes %s: %s" % (name, done.stdout))


def test_grub_starts_a_unified_kernel_image_by_ovmf():
    """GRUB at the removable path hands over to it; the guest puts the next one there. The firmware is OVMF in flash."""
    old, new = initrds()
    folder = scratch()
    config = text(folder, "grub.cfg", "chainloader /EFI/Linux/debian.efi", "boot")
    esp = make_esp(folder, ((GRUB, "EFI/BOOT/BOOTX64.EFI"), (config, "EFI/debian/grub.cfg"),
                            (unified(VMLINUZ, old), "EFI/Linux/debian.efi")))
    root = make_root("mount -t vfat /dev/vda1 /mnt && cp /boot/next.efi /mnt/EFI/Linux/debian.efi && umount /mnt",
                     ((unified(NEWEST_VMLINUZ, new), "next.efi"),))
    out = boot(make_disk(folder, esp, root), firmware="/OVMF_CODE_4M.fd", files={"OVMF_CODE_4M.fd": OVMF})
    expect(out.count("Welcome to GRUB!") == 2, "GRUB runs each time")
    check_tables(out)
