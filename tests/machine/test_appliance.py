"""The appliance: its configuration, and the three things that `make appliance` builds, each used as its operator does.

What needs the built kernel is skipped without it; `make check-appliance` builds it first.
"""

import hashlib
import os
import re
import shlex
import subprocess
import tempfile

from guest import initramfs
from harness import BUILD, ROOT, Skip, expect, expect_text, sample_disk, scratch
from machine import BASE, KERNEL, Machine, cpio
from terminal import Terminal
from test_menu import ENDED, HELLO, READY
from test_os import CMDLINE, ESP_MIB, GRUB, INITRAMFS, MODULES, VMLINUZ, make_disk, make_esp, make_root, text
from test_settings import store

APPLIANCE = os.path.join(ROOT, "appliance")
OUTPUTS = os.path.join(BUILD, "appliance")
OVMF = os.path.join(BUILD, "firmware", "ovmf")
LIMIT = 10 << 20  # bytes of flash

# What boards have, and the kernel's options for it.
BOARDS = {
    "packing": "KERNEL_XZ",
    "NVMe, AHCI": "BLK_DEV_NVME SATA_AHCI",
    "USB storage and keyboards": "USB_XHCI_HCD USB_EHCI_HCD USB_STORAGE USB_UAS USB_HID HID_GENERIC",
    "virtio": "VIRTIO_PCI VIRTIO_BLK VIRTIO_NET VIRTIO_CONSOLE SCSI_VIRTIO",
    "network cards": "IGB IXGBE I40E ICE BNXT MLX5_CORE MLX5_CORE_EN TIGON3 E1000 E1000E R8169",
    "consoles": "FB_EFI FB_SIMPLE FRAMEBUFFER_CONSOLE VGA_CONSOLE SERIAL_8250_CONSOLE SERIAL_8250_PCI ACPI_SPCR_TABLE",
    "virtual machines": "KVM_INTEL KVM_AMD VFIO_PCI VFIO_IOMMU_TYPE1 INTEL_IOMMU AMD_IOMMU IRQ_REMAP",
    "file systems": "XFS_FS EXT4_FS BTRFS_FS VFAT_FS EXFAT_FS ISO9660_FS",
    "LUKS and LVM": "BLK_DEV_DM DM_CRYPT CRYPTO_AES_TI CRYPTO_AES_NI_INTEL CRYPTO_XTS",
    "TPM, SMBIOS": "TCG_TPM TCG_TIS TCG_CRB DMI DMI_SYSFS",
}
# The same in the running kernel: names in each folder, words of each file.
DRIVERS = {
    "/sys/bus/pci/drivers": "nvme ahci xhci_hcd ehci-pci virtio-pci vfio-pci igb ixgbe i40e ice bnxt_en mlx5_core tg3 e1000 e1000e "
                            "r8169 serial",
    "/sys/bus/usb/drivers": "usb-storage uas usbhid",
    "/sys/bus/virtio/drivers": "virtio_blk virtio_net virtio_scsi",
    "/sys/bus/acpi/drivers": "tpm_crb button",
    "/sys/bus/pnp/drivers": "tpm_tis serial",
    "/sys/bus/platform/drivers": "efi-framebuffer simple-framebuffer",
    "/sys/firmware": "dmi acpi",
    "/dev": "kvm mapper ttyS1",
    "/dev/vfio": "vfio",
    "/proc/filesystems": "xfs ext4 btrfs vfat exfat iso9660",
    "/proc/crypto": "xts(aes)",
}


def output(name):
    path = os.path.join(OUTPUTS, name)
    if not os.path.exists(path):
        raise Skip("build/appliance/%s is not built; `make check-appliance` does it" % name)
    return path


# ---- configuration ----


def check_config(fragment, config):
    return subprocess.run([os.path.join(APPLIANCE, "check-config.sh"), fragment, config], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, text=True)


def test_configuration_has_every_option():
    """What kernel.config asks for is in the configuration that Kconfig made of it, and that one was made of this file."""
    fragment, full = os.path.join(APPLIANCE, "kernel.config"), os.path.join(APPLIANCE, "kernel.config.full")
    got = check_config(fragment, full)
    expect(got.returncode == 0, got.stdout)
    with open(fragment, "rb") as f:
        digest = hashlib.sha256(f.read()).hexdigest()
    with open(full, encoding="ascii") as f:
        expect("# fragment: %s\n" % digest in f.read(),
               "appliance/kernel.config has changed since a kernel was built from it: `make check-appliance` builds and "
               "tests one and writes kernel.config.full anew; commit both")


def test_configuration_has_what_boards_need():
    """Whatever kernel.config asks for: without these the appliance does not start on somebody's machine."""
    with open(os.path.join(APPLIANCE, "kernel.config.full"), encoding="ascii") as f:
        have = set(re.findall(r"^CONFIG_(\w+)=y$", f.read(), re.M))
    missing = {what: sorted(set(options.split()) - have) for what, options in BOARDS.items()}
    expect(not any(missing.values()), "not in the kernel: %s" % {what: left for what, left in missing.items() if left})


def test_what_it_is_made_from_was_tested():
    """Nobody changes what the appliance is made from without building it: who does, or CI, has one that was."""
    now = subprocess.run([os.path.join(APPLIANCE, "inputs.sh")], stdout=subprocess.PIPE, check=True, text=True).stdout
    with open(os.path.join(APPLIANCE, "built"), encoding="ascii") as f:
        tested = re.search(r"^inputs (.*\n)", f.read(), re.M)
    built = os.path.join(OUTPUTS, "inputs")
    if tested and tested.group(1) == now:
        return
    expect(os.path.exists(built), "what the appliance is made from has changed since `make check-appliance` tested it: run that and "
           "commit appliance/built and appliance/kernel.config.full")
    with open(built, encoding="ascii") as f:
        expect(f.read() == now, "build/appliance is of something else than appliance/: `make appliance` builds it anew")


def test_dropped_options_are_noticed():
    """An option that Kconfig dropped, changed or added where it is not wanted is named, and is an error."""
    folder = scratch()
    fragment, config = os.path.join(folder, "fragment"), os.path.join(folder, "config")

    def check(want, have):
        for path, lines in ((fragment, want), (config, have)):
            with open(path, "w", encoding="ascii") as f:
                f.write(lines)
        return check_config(fragment, config)

    good = "CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C=\"x\"\n"
    expect(check(good, good).returncode == 0, "what is asked for is there")
    expect(check(good, "CONFIG_A=y\nCONFIG_C=\"x\"\n").returncode == 0, "not set and not there are the same")
    for have, word in (("CONFIG_C=\"x\"\n", "CONFIG_A"), ("CONFIG_A=m\nCONFIG_C=\"x\"\n", "CONFIG_A=m"),
                       (good + "CONFIG_B=y\n", "CONFIG_B"), ("CONFIG_A=y\nCONFIG_C=\"y\"\n", "CONFIG_C")):
        got = check(good, have)
        expect(got.returncode == 1, "%r is an error" % have)
        expect_text(got.stdout, word)
    expect(check("# nothing\n", good).returncode == 1, "a fragment without options is none")


# ---- with Debian's kernel: always, as it needs no kernel of ours ----


def test_initramfs_starts_with_debians_kernel():
    """The appliance's initramfs after the modules of the test machine's kernel: the menu, and firmware in a guest.

    What loads modules is Debian's, too: the appliance's own kernel has none, and so its busybox has no modprobe.
    """
    folder = scratch()
    archive, initrd = os.path.join(folder, "initramfs.cpio"), os.path.join(folder, "initrd")
    if not os.path.exists(os.path.join(BUILD, "pci.names")):
        raise Skip("build/pci.names is not made; `make` does it")
    subprocess.run([os.path.join(APPLIANCE, "initramfs.py"), archive], check=True)
    parts = []
    for part in (BASE, archive, "/bin/busybox"):
        with open(part, "rb") as f:
            parts.append(f.read())
    with open(initrd, "wb") as out:
        out.write(parts[0] + parts[1] + cpio.archive({"/sbin/modprobe": (parts[2], 0o755)}))
    use(["-kernel", KERNEL, "-initrd", initrd, "-append", "console=ttyS0,115200 console=tty0 loglevel=4 kvm_amd.vgif=0"])


# ---- what is built ----


def costs(limit, status):
    """The table that the build prints, which ends with STATUS where LIMIT bytes are allowed."""
    done = subprocess.run(["python3", "-c", "import costs, sys; costs.LIMIT = %d; sys.exit(costs.main())" % limit],
                          env=dict(os.environ, PYTHONPATH=APPLIANCE, PYTHONDONTWRITEBYTECODE="1"), stdout=subprocess.PIPE,
                          check=False, text=True)
    expect(done.returncode == status, "costs.py ended with %d" % done.returncode)
    return done.stdout


def test_fits_into_flash():
    for name in ("vmboot-linux", "vmboot.efi"):
        size = os.path.getsize(output(name))
        expect(size <= LIMIT, "%s has %d bytes, %d at most" % (name, size, LIMIT))
    print(costs(LIMIT, 0))
    costs(1 << 20, 1)  # over the limit the build fails


def loaded_segments(elf):
    """What an ELF file puts into memory, piece by piece, as binutils sees it."""
    listed = subprocess.run(["readelf", "-lW", elf], stdout=subprocess.PIPE, check=True, text=True).stdout
    with open(elf, "rb") as f:
        data = f.read()
    places = re.findall(r"LOAD +(0x\w+) 0x\w+ 0x\w+ (0x\w+)", listed)
    return [data[int(offset, 16):int(offset, 16) + int(size, 16)] for offset, size in places]


def test_coreboot_takes_it_as_payload():
    """The README's line, on a scratch image of 16 MiB: the kernel that went in is what coreboot would start."""
    kernel = output("vmboot-linux")
    folder = scratch()
    rom, boot_block, extracted = (os.path.join(folder, name) for name in ("coreboot.rom", "bootblock", "payload.elf"))
    with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as f:
        line = re.search(r"`cbfstool coreboot\.rom (add-payload [^`]*)`", f.read()).group(1)
    words = [kernel if word == "vmboot-linux" else word for word in shlex.split(line)]
    cmdline = words[words.index("-C") + 1]

    def cbfstool(*arguments):
        done = subprocess.run(["cbfstool", rom, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, check=False, text=True)
        expect(done.returncode == 0, "cbfstool %s: %s" % (" ".join(arguments), done.stdout))

    with open(boot_block, "wb") as f:
        f.write(bytes(1024))
    cbfstool("create", "-m", "x86", "-s", "16M", "-B", boot_block)
    cbfstool(*words)
    cbfstool("extract", "-m", "x86", "-n", "fallback/payload", "-f", extracted)
    with open(kernel, "rb") as f:
        image = f.read()
    code = image[(image[0x1f1] + 1) * 512:]  # Documentation/x86/boot.rst: setup_sects
    segments = loaded_segments(extracted)
    expect(code in segments, "the whole kernel is loaded")
    expect(cmdline.encode() + b"\0" in segments, "with the command line that was asked for")


# ---- how it starts ----


def flash():
    """QEMU's arguments for OVMF, with variables of this test's own."""
    code, variables = (os.path.join(OVMF, "OVMF_%s_4M.fd" % part) for part in ("CODE", "VARS"))
    copy = os.path.join(scratch(), "vars.fd")
    subprocess.run(["cp", variables, copy], check=True)
    return ["-drive", "if=pflash,format=raw,readonly=on,file=" + code, "-drive", "if=pflash,format=raw,file=" + copy]


def cd(image):
    return ["-drive", "file=%s,format=raw,if=none,id=boot,readonly=on,media=cdrom" % image,
            "-device", "ide-cd,drive=boot,bootindex=0"]


def stick(image):
    return ["-drive", "file=%s,format=raw,if=none,id=boot,snapshot=on" % image, "-device", "qemu-xhci",
            "-device", "usb-storage,drive=boot,removable=on,bootindex=0"]


def esp(program):
    """A stick with nothing but a FAT file system with PROGRAM where firmware looks for it."""
    image = os.path.join(scratch(), "esp.img")
    subprocess.run(["/sbin/mkfs.fat", "-C", image, "16384"], stdout=subprocess.DEVNULL, check=True)
    subprocess.run(["mmd", "-i", image, "::/EFI", "::/EFI/BOOT"], check=True)
    subprocess.run(["mcopy", "-i", image, program, "::/EFI/BOOT/BOOTX64.EFI"], check=True)
    return image


def shell(term, command):
    """What COMMAND prints in the menu's shell."""
    term.send("!")
    term.wait_for("Type exit", 30)
    since = len(term.raw)
    term.send(command + "; echo the-''end\r")
    end = term.wait_raw(rb"the-end", 120, since)
    text = bytes(term.raw[since:end]).decode(errors="replace")
    term.send("exit\r")
    term.wait_for(READY, 30)
    return text


def use(boot):
    """The menu on the serial line and on the screen; CLOUDHV.fd from XFS on NVMe in a virtual machine; power off."""
    with Machine(boot=boot, disks=[sample_disk()], sleep=True, mem="3G") as machine:
        term = Terminal(machine.child)
        term.wait_for(READY, 240)
        term.wait_for(r"CLOUDHV\.fd .*nvme0n1p2:/", 60)  # the one on XFS
        term.show("menu")
        # A menu that is just being painted anew is looked at again.
        screen = shell(term, "until s=$(cat /dev/vcs1); echo \"$s\" | grep -q CLOUDHV.fd.*quit; do sleep 1; done; echo \"$s\"")
        print(screen)
        expect("CLOUDHV.fd" in screen and "quit" in screen, "the menu is on the screen, too")
        with tempfile.NamedTemporaryFile(suffix=".png", dir=os.path.join(BUILD, "machine", "log"), delete=False) as f:
            machine.screendump(f.name)
        term.send("\r")
        term.wait_for("Choose firmware", 20)  # the disk's is the first, the appliance's own the second
        term.show("firmware")
        since = len(term.raw)
        term.send("\r")
        term.wait_raw(rb"any other key to continue", 400, since)
        term.send("\r")
        term.wait_for(HELLO, 240)
        term.show("UEFI shell")
        term.type("reset -s\r")
        term.wait_for(ENDED, 120)
        term.send("m")
        term.wait_for(READY, 30)


def test_drivers_are_in_it():
    """What boards need answers in the running appliance, and the network comes up by a card of a board."""
    # Lines that the shell takes, which has 1 KiB for one.
    lines = ["have() { ls -A $1 | grep -qxF \"$2\" || grep -qwF \"$2\" $1; }",
             "all() { where=$1; shift; for i; do have $where \"$i\" 2>/dev/null || echo missing: $where: $i; done; }"]
    lines += ["all %s %s" % (where, " ".join(shlex.quote(name) for name in names.split())) for where, names in DRIVERS.items()]
    lines += ["all /dev nonsense", "n=0; until ip -4 addr | grep 10.0.2 || [ $n = 60 ]; do n=$((n+1)); sleep 1; done"]
    with Machine(boot=["-kernel", output("vmboot-linux"), "-append", "vmboot.net=dhcp"], sleep=True, mem="2G",
                 qemu_args=["-netdev", "user,id=n", "-device", "e1000e,netdev=n"]) as machine:
        term = Terminal(machine.child)
        term.wait_for(READY, 240)
        said = shell(term, "\r".join(lines))
        print(said)
    expect_text(said, "10.0.2.15")
    missing = re.findall(r"^missing: [/\w]+: \S+", said, re.M)
    expect(missing == ["missing: /dev: nonsense"], str(missing))


def test_payload_starts():
    """As coreboot starts it: the kernel alone, no loader, no command line."""
    use(["-kernel", output("vmboot-linux")])


def test_unified_kernel_image_starts():
    """By UEFI from a stick that holds this one file."""
    use(flash() + stick(esp(output("vmboot.efi"))))


def test_cd_starts_by_uefi():
    use(flash() + cd(output("vmboot.iso")))


def test_cd_starts_by_bios():
    use(cd(output("vmboot.iso")))


def test_stick_starts_by_uefi():
    use(flash() + stick(output("vmboot.iso")))


def test_stick_starts_by_bios():
    use(stick(output("vmboot.iso")))


def debian_disk():
    """GRUB on an EFI system partition; Debian's kernel and a root that switches itself off on ext4."""
    folder = scratch()
    config = text(folder, "grub.cfg", "search --no-floppy --label --set=root ROOT", "linux /boot/vmlinuz " + CMDLINE,
                  "initrd /boot/initrd", "boot")
    root = make_root("sync; poweroff -f", ((VMLINUZ, "vmlinuz"), (initramfs(INITRAMFS, MODULES), "initrd")))
    return make_disk(folder, make_esp(folder, ((GRUB, "EFI/BOOT/BOOTX64.EFI"), (config, "EFI/debian/grub.cfg"))), root)


def root_of(disk):
    """A copy of the root file system on Debian's disk."""
    root = disk + ".root"
    subprocess.run(["dd", "if=" + disk, "of=" + root, "bs=1M", "skip=%d" % (1 + ESP_MIB), "conv=sparse", "status=none"],
                   check=True)
    return root


def use_debian(boot):
    """The default entry on a partition labelled VMBOOT: nobody presses a key, Debian comes up, and goes with the machine."""
    settings = store("default = debian\ntimeout = 1\n", debian="title = Debian\nmemory = 512M\ndisk = serial:TEST1\n"
                     "firmware = /usr/share/cloudhv-efi-x86-64/CLOUDHV.fd\nafter = poweroff\n")
    disk = debian_disk()
    with Machine(boot=boot, disks=[settings, disk], sleep=True, mem="3G") as machine:
        Terminal(machine.child).wait_raw(rb"reboot: Power down", 600)
        expect(machine.proc.wait(240) == 0, "the machine is off")
    said = subprocess.run(["/sbin/debugfs", "-R", "cat /boots", root_of(disk)], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, check=True, text=True).stdout
    expect(said == "one more\n", "Debian was up and wrote to its root, once")


def test_debian_starts_from_its_disk():
    use_debian(["-kernel", output("vmboot-linux")])


def test_debian_starts_after_the_unified_kernel_image():
    use_debian(flash() + stick(esp(output("vmboot.efi"))))


def test_debian_starts_after_the_cd():
    use_debian(cd(output("vmboot.iso")))
