/*
 * PCI functions of the host and what it uses them for, from made-up sysfs and proc trees: uses that this machine
 * cannot have, names and texts that mean harm.
 */
#include "pci_tree.h"

#include <errno.h>

/* What the host uses ADDRESS for, when MOUNTS is what is mounted. */
static void assert_use(struct scratch *s, const char *mounts, const char *address,
		       enum menu_pci_verdict verdict, const char *use)
{
	const struct menu_pci *pci;
	struct menu_pci *pcis;
	size_t count;

	put(s, "proc/self/mountinfo", mounts);
	assert_int_equal(host_pci_gather(s->dir, &pcis, &count), 0);
	pci = find_pci(pcis, count, address);
	assert_string_equal(pci->use, use);
	assert_int_equal(pci->verdict, verdict);
	free(pcis);
}

static void functions_are_told_by_group(void **state)
{
	struct scratch *s = *state;
	struct tree tree;

	put(s, "usr/share/misc/pci.ids", NAMES);
	put_pci(s, "0000:02:00.0", "8086:10d3", "0x020000", "e1000e", 3);
	put_pci(s, "0000:01:00.0", "144d:a80a", "0x010802", "nvme", 14);
	put_attr(s, "0000:01:00.0", "current_link_speed", "8.0 GT/s PCIe\n");
	put_attr(s, "0000:01:00.0", "current_link_width", "4\n");
	put_attr(s, "0000:01:00.0", "numa_node", "1\n");
	put_attr(s, "0000:01:00.0", "rom", "x");
	put_pci(s, "0000:00:1c.0", "8086:ffff", "0x060400", "pcieport", 14);
	put_pci(s, "0000:00:03.0", "1234:5678", "0xff0000", "", -1);
	put_pci(s, "10000:00:00.0", "1234:5678", "0x030200", "", 3);
	tree = gather(s);
	assert_int_equal(tree.count, 5);
	assert_string_equal(tree.pcis[0].address, "0000:02:00.0");
	assert_string_equal(tree.pcis[0].class_name, "Ethernet controller");
	assert_string_equal(tree.pcis[0].name,
			    "Intel Corporation 82574L Gigabit Network Connection");
	assert_int_equal(tree.pcis[0].numa, -1);
	assert_int_equal(tree.pcis[0].rom, 0);
	assert_string_equal(tree.pcis[0].link, "");
	assert_string_equal(tree.pcis[1].address, "10000:00:00.0");
	assert_string_equal(tree.pcis[1].class_name, "3D controller");
	assert_string_equal(tree.pcis[2].address, "0000:00:1c.0");
	assert_string_equal(tree.pcis[2].name, "Intel Corporation ffff");
	assert_int_equal(tree.pcis[2].verdict, MENU_PCI_BRIDGE);
	assert_string_equal(tree.pcis[3].address, "0000:01:00.0");
	assert_string_equal(tree.pcis[3].name,
			    "Samsung Electronics Co Ltd NVMe SSD Controller 980");
	assert_string_equal(tree.pcis[3].class_name, "NVMe controller");
	assert_string_equal(tree.pcis[3].driver, "nvme");
	assert_string_equal(tree.pcis[3].link, "8.0 GT/s x4");
	assert_int_equal(tree.pcis[3].group, 14);
	assert_int_equal(tree.pcis[3].numa, 1);
	assert_int_equal(tree.pcis[3].rom, 1);
	assert_int_equal(tree.pcis[3].verdict, MENU_PCI_FREE);
	assert_string_equal(tree.pcis[4].address, "0000:00:03.0");
	assert_string_equal(tree.pcis[4].name, "1234:5678");
	assert_int_equal(tree.pcis[4].group, -1);
	assert_string_equal(tree.pcis[4].driver, "");
	free(tree.pcis);
}

static void without_names_there_are_numbers(void **state)
{
	struct tree tree;

	put_pci(*state, "0000:01:00.0", "144d:a80a", "0x010802", "nvme", 1);
	tree = gather(*state);
	assert_string_equal(tree.pcis[0].name, "144d:a80a");
	free(tree.pcis);
}

static void short_numbers_are_added(void **state)
{
	struct scratch *s = *state;
	struct tree tree;

	put(s, "usr/share/vmboot/pci.names",
	    "10ec Realtek\n\t8139 RTL-8139\n144d Samsung\n\ta804 SM961\n\t4 PM981\n\t2 980\n"
	    "\t0ff6 other\n\tfff more\n");
	put_pci(s, "0000:01:00.0", "144d:a808", "0x010802", "nvme", 1);
	put_pci(s, "0000:02:00.0", "144d:a80a", "0x010802", "nvme", 1);
	put_pci(s, "0000:03:00.0", "144d:0ff6", "0x010802", "nvme", 1);
	put_pci(s, "0000:04:00.0", "144d:1ff5", "0x010802", "nvme", 1);
	tree = gather(s);
	assert_string_equal(tree.pcis[0].name, "Samsung PM981");
	assert_string_equal(tree.pcis[1].name, "Samsung 980");
	assert_string_equal(tree.pcis[2].name, "Samsung other");
	assert_string_equal(tree.pcis[3].name, "Samsung more");
	free(tree.pcis);
}

static void names_cannot_act_on_a_terminal(void **state)
{
	struct scratch *s = *state;
	struct tree tree;

	put(s, "usr/share/vmboot/pci.names",
	    "zzzz  no number\n\n144d\n144d  \033[2JSamsung\n\ta80a  \233\n\tno\n\ta80a\n");
	put_pci(s, "0000:01:00.0", "144d:a80a", "0x010802", "nvme", 1);
	tree = gather(s);
	assert_string_equal(tree.pcis[0].name, "\\x1b[2JSamsung \\x9b");
	free(tree.pcis);
}

static void a_controller_of_used_disks_is_refused(void **state)
{
	struct scratch *s = *state;
	struct tree tree;

	put_pci(s, "0000:00:1c.0", "8086:ffff", "0x060400", "pcieport", 14);
	put_pci(s, "0000:01:00.0", "144d:a80a", "0x010802", "nvme", 14);
	put_nvme(s, "nvme0n1", "0000:00:1c.0/0000:01:00.0/nvme/nvme0");
	tree = gather(s);
	assert_string_equal(find_pci(tree.pcis, tree.count, "0000:01:00.0")->makes, "nvme0n1");
	assert_string_equal(find_pci(tree.pcis, tree.count, "0000:00:1c.0")->makes, "");
	free(tree.pcis);
	assert_use(s, "", "0000:01:00.0", MENU_PCI_FREE, "");
	assert_use(s, "26 1 259:1 / / rw - ext4 /dev/nvme0n1p1 rw\n", "0000:01:00.0",
		   MENU_PCI_REFUSED, "nvme0n1p1 is mounted on /");
	put(s, "proc/swaps", "Filename\n/dev/nvme0n1p1 partition 1 0 -2\n");
	assert_use(s, "", "0000:01:00.0", MENU_PCI_REFUSED, "nvme0n1p1 is used as swap");
	put(s, "proc/swaps", "");
	put(s, "sys/class/block/nvme0n1/holders/md0/x", "");
	assert_use(s, "", "0000:01:00.0", MENU_PCI_REFUSED, "nvme0n1 is member of md0");
}

/* What cannot be found out may be in use: a machine whose mounts nobody can list. */
static void unknown_use_is_use(void **state)
{
	struct scratch *s = *state;
	struct menu_pci *pcis;
	size_t count;

	put_pci(s, "0000:01:00.0", "144d:a80a", "0x010802", "nvme", 14);
	put_nvme(s, "nvme0n1", "0000:01:00.0/nvme/nvme0");
	assert_int_equal(host_pci_gather(s->dir, &pcis, &count), 0);
	assert_int_equal(pcis[0].verdict, MENU_PCI_REFUSED);
	free(pcis);
}

/* Native multipath: the disk lies below no controller, each of them leads to it. */
static void a_shared_nvme_disk_counts_for_each_controller(void **state)
{
	static const char mounts[] = "26 1 259:1 / /srv rw - xfs /dev/nvme0n1p1 rw\n";
	struct scratch *s = *state;

	put_pci(s, "0000:01:00.0", "144d:a80a", "0x010802", "nvme", 14);
	put_pci(s, "0000:02:00.0", "144d:a80a", "0x010802", "nvme", 15);
	put_attr(s, "0000:01:00.0", "nvme/nvme0/address", "x");
	put_attr(s, "0000:02:00.0", "nvme/nvme1/address", "x");
	put_nvme(s, "nvme0n1", "../virtual/nvme-subsystem/nvme-subsys0");
	put_link(s, "sys/devices/virtual/nvme-subsystem/nvme-subsys0/nvme0",
		 "sys/devices/pci0000:00/0000:01:00.0/nvme/nvme0");
	put_link(s, "sys/devices/virtual/nvme-subsystem/nvme-subsys0/nvme1",
		 "sys/devices/pci0000:00/0000:02:00.0/nvme/nvme1");
	assert_use(s, mounts, "0000:01:00.0", MENU_PCI_REFUSED, "nvme0n1p1 is mounted on /srv");
	assert_use(s, mounts, "0000:02:00.0", MENU_PCI_REFUSED, "nvme0n1p1 is mounted on /srv");
}

static void losing_a_console_is_asked_about(void **state)
{
	static const char gpu[] =
		"this is the console GPU: you will lose VGA, serial keeps working";
	struct scratch *s = *state;

	put_pci(s, "0000:03:00.0", "1002:1478", "0x030000", "amdgpu", 1);
	put_attr(s, "0000:03:00.0", "boot_vga", "1\n");
	put_pci(s, "0000:04:00.0", "1002:1478", "0x030000", "amdgpu", 2);
	put_attr(s, "0000:04:00.0", "boot_vga", "0\n");
	put_pci(s, "0000:05:00.0", "1002:1478", "0x030000", "amdgpu", 3);
	put_class(s, "graphics", "fb0", "0000:05:00.0/graphics");
	put_pci(s, "0000:06:00.0", "9710:9922", "0x070002", "serial", 4);
	put_class(s, "tty", "ttyS4", "0000:06:00.0/tty");
	put(s, "sys/class/tty/console/active", "tty0 ttyS4\n");
	put_pci(s, "0000:07:00.0", "9710:9922", "0x070002", "serial", 5);
	put_class(s, "tty", "ttyS5", "0000:07:00.0/tty");
	put_pci(s, "0000:00:14.0", "8086:a36d", "0x0c0330", "xhci_hcd", 6);
	put(s, "proc/bus/input/devices",
	    "N: Name=\"Power Button\"\nS: Sysfs=/devices/LNXSYSTM:00/input/input0\nH: "
	    "Handlers=kbd\n\n"
	    "S: Sysfs=/devices/pci0000:00/0000:00:14.0/usb1/1-1/input/input1\nH: Handlers=sysrq "
	    "kbd "
	    "event1\n");
	assert_use(s, "", "0000:03:00.0", MENU_PCI_ASK, gpu);
	assert_use(s, "", "0000:04:00.0", MENU_PCI_FREE, "");
	assert_use(s, "", "0000:05:00.0", MENU_PCI_ASK, gpu);
	assert_use(s, "", "0000:06:00.0", MENU_PCI_ASK,
		   "ttyS4 is a console of this host: it goes silent");
	assert_use(s, "", "0000:07:00.0", MENU_PCI_FREE, "");
	assert_use(s, "", "0000:00:14.0", MENU_PCI_ASK, "this host's keyboard is connected to it");
}

/* ---- virtual functions ---- */

static void virtual_functions_hold_their_physical_one(void **state)
{
	static const char lost[] = "its virtual functions (2) would be lost: pass those, or write "
				   "0 to its sriov_numvfs";
	static const char taken[] = "its physical function 0000:01:00.0 is at vfio-pci itself";
	struct scratch *s = *state;
	struct tree tree;

	put_pci(s, "0000:01:00.0", "8086:10c9", "0x020000", "igb", 1);
	put_attr(s, "0000:01:00.0", "sriov_numvfs", "0\n");
	put_pci(s, "0000:01:10.0", "8086:10ca", "0x020000", "igbvf", 2);
	put_link(s, "sys/devices/pci0000:00/0000:01:10.0/physfn",
		 "sys/devices/pci0000:00/0000:01:00.0");
	tree = gather(s);
	assert_string_equal(find_pci(tree.pcis, tree.count, "0000:01:00.0")->physfn, "");
	assert_string_equal(find_pci(tree.pcis, tree.count, "0000:01:10.0")->physfn,
			    "0000:01:00.0");
	free(tree.pcis);
	assert_use(s, "", "0000:01:00.0", MENU_PCI_FREE, "");
	assert_use(s, "", "0000:01:10.0", MENU_PCI_FREE, "");
	put_attr(s, "0000:01:00.0", "sriov_numvfs", "2\n");
	assert_use(s, "", "0000:01:00.0", MENU_PCI_REFUSED, lost);
	assert_use(s, "", "0000:01:10.0", MENU_PCI_FREE, "");
	unlink(at("%s/sys/devices/pci0000:00/0000:01:00.0/driver", s->dir));
	put_driver(s, "0000:01:00.0", "vfio-pci");
	assert_use(s, "", "0000:01:10.0", MENU_PCI_REFUSED, taken);
}

/* ---- which of several alike ---- */

static void assert_serial(struct scratch *s, const char *text, const char *serial)
{
	struct tree tree;

	put_attr(s, "0000:01:00.0", "nvme/nvme0/serial", text);
	tree = gather(s);
	assert_string_equal(tree.pcis[0].serial, serial);
	free(tree.pcis);
}

static void disks_are_told_by_their_numbers(void **state)
{
	struct scratch *s = *state;

	put_pci(s, "0000:01:00.0", "144d:a80a", "0x010802", "nvme", 1);
	assert_serial(s, "S64ENX0R123456      \n", "S64ENX0R123456");
	/* What a settings file could not name. */
	assert_serial(s, "S64,rom=off         \n", "");
	assert_serial(s, "\033[2J               \n", "");
	assert_serial(s, "                    \n", "");
	assert_serial(s, "123456789012345678901234567890\n", "");
}

/* ---- the network ---- */

#define ROUTES                                                                               \
	"Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n" \
	"eth0\t00000000\t0102A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"                       \
	"br0\t00000A0A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n"                        \
	"eth2\t00000A0A\t00000000\t0001\t0\t0\t100\t0000FFFF\t0\t0\t0\n"

static void put_nics(struct scratch *s)
{
	put_pci(s, "0000:01:00.0", "8086:10d3", "0x020000", "e1000e", 1);
	put_class(s, "net", "eth0", "0000:01:00.0/net");
	put_pci(s, "0000:02:00.0", "8086:10d3", "0x020000", "e1000e", 2);
	put_class(s, "net", "eth1", "0000:02:00.0/net");
	put_pci(s, "0000:03:00.0", "8086:10d3", "0x020000", "e1000e", 3);
	put_class(s, "net", "eth2", "0000:03:00.0/net");
	put_class(s, "net", "br0", "../virtual/net");
	put(s, "sys/class/net/br0/lower_eth1/ifindex", "");
	put(s, "proc/net/route", ROUTES);
	put(s, "proc/net/ipv6_route",
	    "fd000000000000000000000000000000 08 00000000000000000000000000000000 00 "
	    "00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth2\n"
	    "00000000000000000000000000000000 00 00000000000000000000000000000000 00 "
	    "fe800000000000000000000000000001 00000400 00000001 00000000 00000003     eth0\n");
}

static void the_way_to_a_mounted_server_is_refused(void **state)
{
	static const char v4[] = "40 1 0:50 / /srv rw - nfs4 10.10.3.4:/srv rw,vers=4.2,"
				 "clientaddr=10.10.0.9,addr=10.10.3.4\n";
	static const char v6[] = "40 1 0:50 / /mnt rw - nfs [fd01::1]:/x rw,addr=fd01::1\n";
	static const char scoped[] = "40 1 0:50 / /mnt rw - cifs //h/x rw,addr=fe80::1%eth1\n";
	static const char far[] = "40 1 0:50 / /far rw - nfs h:/x rw,addr=192.0.2.1\n";
	static const char unnamed[] = "40 1 0:50 / /g rw - fuse.glusterfs server:/vol rw\n";
	static const char local[] = "40 1 8:1 / /srv rw - ext4 /dev/sda1 rw,addr=10.10.3.4\n";
	struct scratch *s = *state;

	put_nics(s);
	assert_use(s, v4, "0000:02:00.0", MENU_PCI_REFUSED, "eth1 carries /srv (nfs4)");
	assert_use(s, v4, "0000:01:00.0", MENU_PCI_FREE, "");
	assert_use(s, v4, "0000:03:00.0", MENU_PCI_FREE, "");
	assert_use(s, v6, "0000:03:00.0", MENU_PCI_REFUSED, "eth2 carries /mnt (nfs)");
	assert_use(s, scoped, "0000:02:00.0", MENU_PCI_REFUSED, "eth1 carries /mnt (cifs)");
	assert_use(s, far, "0000:01:00.0", MENU_PCI_REFUSED, "eth0 carries /far (nfs)");
	assert_use(s, unnamed, "0000:01:00.0", MENU_PCI_REFUSED,
		   "eth0 carries /g (fuse.glusterfs)");
	assert_use(s, local, "0000:02:00.0", MENU_PCI_FREE, "");
}

static void the_way_to_a_disk_is_refused(void **state)
{
	struct scratch *s = *state;

	put_nics(s);
	put(s, "sys/class/iscsi_connection/connection1:0/persistent_address", "10.10.1.1\n");
	assert_use(s, "", "0000:02:00.0", MENU_PCI_REFUSED, "eth1 carries a disk (iSCSI)");
	assert_use(s, "", "0000:01:00.0", MENU_PCI_FREE, "");
	put(s, "sys/class/block/nbd0/pid", "412\n");
	assert_use(s, "", "0000:01:00.0", MENU_PCI_REFUSED, "eth0 carries nbd0");
}

static void an_interface_that_is_up_is_asked_about(void **state)
{
	struct scratch *s = *state;

	put_nics(s);
	put(s, "sys/class/net/eth2/operstate", "up\n");
	put(s, "sys/class/net/eth1/operstate", "down\n");
	assert_use(s, "", "0000:03:00.0", MENU_PCI_ASK, "eth2 is up: this host loses that network");
	assert_use(s, "", "0000:02:00.0", MENU_PCI_FREE, "");
}

static void broken_tables_of_routes_are_survived(void **state)
{
	static const char mount[] = "40 1 0:50 / /srv rw - nfs h:/x rw,addr=10.10.3.4\n"
				    "1\n - \n - nfs\n1 2 3:4 / /x rw - nfs h rw,addr=\n";
	struct scratch *s = *state;

	put_nics(s);
	put(s, "proc/net/route", "eth0\nIface\teth0 zz\n\n");
	put(s, "proc/net/ipv6_route",
	    "00 00\nzz000000000000000000000000000000 ff 00 00 00 0 0 0 1 eth0\n");
	assert_use(s, mount, "0000:02:00.0", MENU_PCI_FREE, "");
}

/* ---- the machine ---- */

static void assert_state(struct scratch *s, bool usable, const char *begin)
{
	struct menu_pci_state got;

	host_pci_gather_state(s->dir, &got);
	assert_int_equal(got.usable, usable);
	assert_int_equal(strncmp(got.text, begin, strlen(begin)), 0);
	if (!begin[0])
		assert_string_equal(got.text, "");
}

static void what_is_missing_for_passthrough_is_said(void **state)
{
	static const char unsafe[] = "Unsafe interrupts: this machine does not remap them";
	struct scratch *s = *state;

	assert_state(s, false,
		     "No IOMMU (check VT-d/AMD-Vi in firmware, intel_iommu=on): passthrough off");
	put_pci(s, "0000:01:00.0", "144d:a80a", "0x010802", "nvme", 1);
	put(s, "proc/interrupts",
	    "           CPU0\n  0:         24   IO-APIC   2-edge      timer\n");
	assert_state(s, false, unsafe);
	put(s, "sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts", "N\n");
	assert_state(s, false, unsafe);
	put(s, "sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts", "Y\n");
	assert_state(s, true, unsafe);
	put(s, "sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts", "N\n");
	put(s, "sys/module/iommufd/parameters/allow_unsafe_interrupts", "Y\n");
	assert_state(s, true, unsafe);
	put(s, "proc/interrupts", "           CPU0\nNMI:  0  Non-maskable interrupts\n");
	assert_state(s, true, "");
	put(s, "proc/interrupts",
	    "           CPU0\n  0:         24  IR-IO-APIC   2-edge      timer\n");
	assert_state(s, true, "");
}

static void without_a_bus_it_says_so(void **state)
{
	struct scratch *s = *state;
	struct menu_pci *pcis;
	size_t count;
	uint32_t all = 9, bound = 9;

	assert_int_equal(host_pci_gather(s->dir, &pcis, &count), -ENOENT);
	host_pci_count_controllers(s->dir, &all, &bound);
	assert_int_equal(all, 0);
	assert_int_equal(bound, 0);
}

/* What an empty list of disks says was looked at: NVMe, SATA, USB and SD, and nothing else. */
static void controllers_of_disks_are_counted(void **state)
{
	struct scratch *s = *state;
	uint32_t all, bound;

	put_pci(s, "0000:01:00.0", "144d:a80a", "0x010802", "nvme", 1);
	put_pci(s, "0000:00:17.0", "8086:a352", "0x010601", "", 2);
	put_pci(s, "0000:00:14.0", "8086:a36d", "0x0c0330", "xhci_hcd", 3);
	put_pci(s, "0000:00:1e.0", "8086:a36e", "0x080501", "sdhci-pci", 4);
	put_pci(s, "0000:02:00.0", "8086:10d3", "0x020000", "e1000e", 5);
	put_pci(s, "0000:00:1f.0", "8086:a303", "0x060100", "lpc_ich", 6);
	put_pci(s, "0000:00:16.0", "8086:a360", "0x0c0500", "i801_smbus", 7);
	host_pci_count_controllers(s->dir, &all, &bound);
	assert_int_equal(all, 4);
	assert_int_equal(bound, 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(functions_are_told_by_group),
		TEST(without_names_there_are_numbers),
		TEST(short_numbers_are_added),
		TEST(names_cannot_act_on_a_terminal),
		TEST(a_controller_of_used_disks_is_refused),
		TEST(unknown_use_is_use),
		TEST(a_shared_nvme_disk_counts_for_each_controller),
		TEST(losing_a_console_is_asked_about),
		TEST(virtual_functions_hold_their_physical_one),
		TEST(disks_are_told_by_their_numbers),
		TEST(the_way_to_a_mounted_server_is_refused),
		TEST(the_way_to_a_disk_is_refused),
		TEST(an_interface_that_is_up_is_asked_about),
		TEST(broken_tables_of_routes_are_survived),
		TEST(what_is_missing_for_passthrough_is_said),
		TEST(without_a_bus_it_says_so),
		TEST(controllers_of_disks_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
