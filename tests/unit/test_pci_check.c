/* What is refused before a PCI function is moved, on a made-up sysfs; and what moves with it, in words. */
#include "pci_kernel.h"

#include <fcntl.h>

#include "log.h"
#include "pci_group.h"

static void refused(const struct vm_config *config, int code, const char *words)
{
	struct vmb_err err = {0};

	assert_int_equal(host_pci_check(kernel->dir, config, &err), -code);
	assert_says(&err, words);
}

static void allowed(const struct vm_config *config)
{
	struct vmb_err err = {0};

	if (host_pci_check(kernel->dir, config, &err) < 0)
		fail_msg("refused: %s", err.text);
}

static void a_device_that_cannot_be_passed_is_refused(void **state)
{
	struct vm_config config = config_of(ADDRESS);

	(void)state;
	allowed(&config);
	put_pci(kernel, "0000:00:1c.0", "8086:ffff", "0x060400", "pcieport", 15);
	put_pci(kernel, "0000:00:05.0", "8086:ffff", "0x020000", "", -1);
	config = config_of("0000:00:1c.0");
	refused(&config, EINVAL, "0000:00:1c.0 is a bridge");
	config = config_of("0000:00:05.0");
	refused(&config, ENODEV, "it is in no IOMMU group");
	config = config_of("0000:44:00.0");
	refused(&config, ENODEV, "This machine has no PCI device 0000:44:00.0.");
	config = config_of(ADDRESS);
	put(kernel, "proc/interrupts", " 0:  24  IO-APIC  timer\n");
	refused(&config, ENODEV, "Unsafe interrupts");
	sh("rm -r %s/sys/kernel/iommu_groups", kernel->dir);
	refused(&config, ENODEV,
		"No IOMMU (check VT-d/AMD-Vi in firmware, intel_iommu=on): passthrough off");
}

/* Bus numbers have changed since it was chosen. */
static void another_device_at_the_address_is_not_taken(void **state)
{
	struct vm_config config = config_of(ADDRESS);
	struct vm_vfio *vfio = &config.vfio[0];

	(void)state;
	vfio->vendor = 0x144d;
	vfio->device = 0xa80a;
	allowed(&config);
	vfio->device = 0xa80b;
	refused(&config, ENODEV,
		"PCI device " ADDRESS " is 144d:a80a (NVMe controller), not 144d:a80b, which was "
		"chosen. `vmboot list --pci` shows");
	put_pci(kernel, "0000:02:00.0", "144d:a80b", "0x010802", "nvme", 15);
	refused(&config, ENODEV, ", not 144d:a80b, which is at 0000:02:00.0: choose that.");
	strcpy(vfio->address, "0000:03:00.0");
	refused(&config, ENODEV,
		"This machine has no PCI device 0000:03:00.0. But 144d:a80b is at 0000:02:00.0: "
		"choose that.");
}

/* Two disks of one kind have changed places. */
static void the_other_of_two_alike_is_not_taken(void **state)
{
	struct vm_config config = config_of(ADDRESS);
	struct vm_vfio *vfio = &config.vfio[0];

	(void)state;
	put_attr(kernel, ADDRESS, "nvme/nvme0/serial", "S2\n");
	put_pci(kernel, "0000:02:00.0", "144d:a80a", "0x010802", "nvme", 15);
	put_attr(kernel, "0000:02:00.0", "nvme/nvme1/serial", "S1\n");
	vfio->vendor = 0x144d;
	vfio->device = 0xa80a;
	strcpy(vfio->serial, "S2");
	allowed(&config);
	strcpy(vfio->serial, "S1");
	refused(&config, ENODEV,
		"PCI device " ADDRESS " is number S2, not number S1, which is at 0000:02:00.0: "
		"choose that.");
	/* Without its driver nobody knows. */
	sh("rm -r %s/sys/devices/pci0000:00/" ADDRESS "/nvme", kernel->dir);
	allowed(&config);
}

/* What would be lost by a physical function's going, and a virtual one that can go. */
static void virtual_functions_hold_their_physical_one(void **state)
{
	struct vm_config config = config_of(ADDRESS);

	(void)state;
	put_attr(kernel, ADDRESS, "sriov_numvfs", "1\n");
	put_pci(kernel, "0000:01:00.1", "144d:a80a", "0x010802", "nvme", 15);
	put_link(kernel, "sys/devices/pci0000:00/0000:01:00.1/physfn",
		 "sys/devices/pci0000:00/" ADDRESS);
	refused(&config, EBUSY, "its virtual functions (1) would be lost");
	config = config_of("0000:01:00.1");
	allowed(&config);
	take();
	refused(&config, EBUSY, "its physical function " ADDRESS " is at vfio-pci itself");
}

static void a_controller_is_refused_with_its_disks_name(void **state)
{
	struct vm_config config = config_of(ADDRESS);

	(void)state;
	put_nvme(kernel, "nvme0n1", ADDRESS "/nvme/nvme0");
	allowed(&config);
	config.disk_count = 1;
	strcpy(config.disks[0].path, "/dev/nvme0n1p1");
	refused(&config, EBUSY, "The disk /dev/nvme0n1p1 belongs to PCI device " ADDRESS);
	strcpy(config.disks[0].path, "/dev/nvme1n1");
	allowed(&config);
	put(kernel, "proc/self/mountinfo", "26 1 259:1 / /srv rw - xfs /dev/nvme0n1p1 rw\n");
	refused(&config, EBUSY,
		ADDRESS
		" (NVMe controller) cannot be passed through: nvme0n1p1 is mounted on /srv");
}

/* Native multipath: the disk lies below no controller. A virtual machine that has it holds a lock on it. */
static void a_shared_disk_is_each_controllers(void **state)
{
	static const char subsystem[] = "sys/devices/virtual/nvme-subsystem/nvme-subsys0";
	char name[40];
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	struct vm_config config = config_of(ADDRESS);
	struct vmb_err err = {0};
	int fd;

	(void)state;
	snprintf(name, sizeof(name), "shm/vmboot-test-%d", (int)getpid());
	put_attr(kernel, ADDRESS, "nvme/nvme0/address", "x");
	put_nvme(kernel, "nvme0n1", "../virtual/nvme-subsystem/nvme-subsys0");
	put_link(kernel, at("%s/nvme0", subsystem),
		 at("sys/devices/pci0000:00/%s/nvme/nvme0", ADDRESS));
	put(kernel, "sys/class/block/nvme0n1/uevent", at("DEVNAME=%s\n", name));
	allowed(&config);
	config.disk_count = 1;
	strcpy(config.disks[0].path, "/dev/nvme0n1p1");
	refused(&config, EBUSY, "The disk /dev/nvme0n1p1 belongs to PCI device " ADDRESS);
	fd = open(at("/dev/%s", name), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), 0);
	assert_int_equal(host_pci_take(kernel->dir, run_dir(), ADDRESS, &err), -EBUSY);
	assert_says(&err,
		    "its disk nvme0n1 is in use by this system or by another virtual machine");
	assert_string_equal(driver(), "nvme");
	close(fd);
	assert_int_equal(host_pci_take(kernel->dir, run_dir(), ADDRESS, &err), 0);
	unlink(at("/dev/%s", name));
}

static void a_group_goes_as_a_whole(void **state)
{
	struct vm_config config = config_of(ADDRESS);

	(void)state;
	put_pci(kernel, "0000:00:1c.0", "8086:ffff", "0x060400", "pcieport", 14);
	allowed(&config);
	put_pci(kernel, "0000:01:00.1", "8086:ffff", "0x040300", "snd_hda_intel", 14);
	refused(&config, EPERM,
		"IOMMU group 14 also holds 0000:01:00.1 (Audio device), which the driver "
		"snd_hda_intel has. A group goes as a whole: pass that one through, too.");
	strcpy(config.vfio[1].address, "0000:01:00.1");
	config.vfio_count = 2;
	allowed(&config);
	config.vfio_count = 1;
	unlink(at("%s/sys/devices/pci0000:00/0000:01:00.1/driver", kernel->dir));
	allowed(&config); /* nothing drives it, so nothing of the host's can be reached by it */
	put_pci(kernel, "0000:00:1f.0", "8086:ffff", "0x060100", "lpc_ich", 14);
	refused(&config, EPERM, "0000:00:1f.0 (ISA bridge)");
}

/* ---- what a group needs, in words ---- */

static void what_moves_together_is_said(void **state)
{
	const struct menu_pci pcis[] = {
		{.address = "0000:00:1c.0", .group = 14, .verdict = MENU_PCI_BRIDGE},
		{.address = "0000:01:00.0", .group = 14, .class_name = "VGA controller"},
		{.address = "0000:01:00.1", .group = 14, .class_name = "Audio device"},
		{.address = "0001:02:00.0", .group = 15, .class_name = "SATA controller"},
		{.address = "0000:03:00.0", .group = 16, .class_name = "Ethernet controller"},
		{.address = "0000:04:00.0", .group = 16, .class_name = "SATA controller"},
		{.address = "0000:05:00.0", .group = 16, .class_name = "NVMe controller"},
		{.address = "0000:06:00.0", .group = -1},
		{.address = "0000:06:00.1", .group = -1},
	};
	const size_t n = sizeof(pcis) / sizeof(pcis[0]);
	char text[200], tiny[12];

	(void)state;
	assert_string_equal(pci_group_describe(pcis, n, 1, text, sizeof(text)),
			    "group 14 also holds 01:00.1 Audio device: both move");
	assert_string_equal(pci_group_describe(pcis, n, 3, text, sizeof(text)), "");
	assert_string_equal(pci_group_describe(pcis, n, 4, text, sizeof(text)),
			    "group 16 also holds 04:00.0 SATA controller, 05:00.0 NVMe controller: "
			    "all 3 move (no ACS above keeps them apart)");
	assert_string_equal(pci_group_describe(pcis, n, 7, text, sizeof(text)), "");
	assert_string_equal(pci_group_describe(pcis, n, 4, tiny, sizeof(tiny)), "group 16 al");
	assert_false(pci_group_together(&pcis[0], &pcis[1]));
	assert_true(pci_group_together(&pcis[1], &pcis[2]));
	assert_false(pci_group_together(&pcis[7], &pcis[8]));
	assert_string_equal(pci_group_short("0001:02:00.0"), "0001:02:00.0");
	assert_string_equal(pci_group_short("0000:02:00.0"), "02:00.0");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, scratch_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_device_that_cannot_be_passed_is_refused),
		TEST(another_device_at_the_address_is_not_taken),
		TEST(the_other_of_two_alike_is_not_taken),
		TEST(virtual_functions_hold_their_physical_one),
		TEST(a_controller_is_refused_with_its_disks_name),
		TEST(a_shared_disk_is_each_controllers),
		TEST(a_group_goes_as_a_whole),
		TEST(what_moves_together_is_said),
	};

	log_init(-1, LOG_LEVEL_ERROR, "test");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
