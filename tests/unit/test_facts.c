/* What the machine is and has, from files below a made-up root. */
#include "test.h"

#include "facts.h"
#include "storage_test.h"

static const struct menu_fact *find(const struct menu_fact *facts, size_t count, const char *group,
				    const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(facts[i].group, group) == 0 && strcmp(facts[i].name, name) == 0)
			return &facts[i];
	fail_msg("no line %s: %s", group, name);
	return NULL;
}

static void a_machine_is_told(void **state)
{
	struct menu_fact *facts;
	char root[PATH_MAX];
	size_t count;

	put(*state, "sys/class/dmi/id/sys_vendor", "PC Engines\n");
	put(*state, "sys/class/dmi/id/bios_vendor", "coreboot\n");
	put(*state, "sys/class/dmi/id/bios_version", "v4.19.0.1\033[2J\n");
	put(*state, "proc/cpuinfo",
	    "processor\t: 0\nmodel name\t: AMD GX-412TC\nflags\t\t: fpu svm npt\n");
	put(*state, "proc/meminfo",
	    "MemTotal:        4000000 kB\nMemAvailable:    3000000 kB\n"
	    "HugePages_Total:       5\n");
	put(*state, "sys/devices/system/node/node0/meminfo",
	    "Node 0 MemTotal:        4000000 kB\n");
	put(*state, "sys/devices/system/node/node0/cpulist", "0-3\n");
	put(*state, "sys/block/nvme0n1/size", "976773168\n");
	put(*state, "sys/block/nvme0n1/device/model", "Samsung SSD 980\n");
	put(*state, "sys/block/nvme0n1/device/state", "live\n");
	put(*state, "sys/block/nvme0n1/device/hwmon/hwmon0/temp1_input", "36850\n");
	put(*state, "sys/block/loop0/size", "8\n");
	put(*state, "sys/block/vda/size", "2048\n");
	put(*state, "sys/block/md127/size", "0\n");
	put(*state, "sys/block/sr0/size", "0\n");
	put(*state, "sys/block/sr0/device/model", "DVD-ROM\n");
	put(*state, "sys/block/sr0/device/state", "running\n");
	put(*state, "proc/uptime", "37565.10 70000.00\n");
	put(*state, "sys/class/net/eth0/operstate", "up\n");
	put(*state, "sys/class/net/eth0/address", "52:54:00:12:34:56\n");
	put(*state, "sys/class/net/eth0/speed", "1000\n");
	put(*state, "sys/class/tty/console/active", "tty0 ttyS0\n");
	put(*state, "proc/cmdline", "console=ttyS0\n");
	scratch_path(*state, "", root);
	assert_int_equal(facts_gather_below(root, &facts, &count), 0);
	assert_string_equal(find(facts, count, "Board", "vendor")->value, "PC Engines");
	/* What a board says of itself reaches no terminal raw. */
	assert_string_equal(find(facts, count, "Board", "version")->value, "v4.19.0.1\\x1b[2J");
	/* A file that is missing is one line that says which. */
	assert_true(find(facts, count, "Board", "product")->missing);
	assert_non_null(strstr(find(facts, count, "Board", "product")->value,
			       "not available (no /sys/class/dmi/id/product_name)"));
	assert_string_equal(find(facts, count, "CPU", "model")->value, "AMD GX-412TC");
	assert_non_null(
		strstr(find(facts, count, "CPU", "virtualization")->value, "svm, with nested"));
	assert_string_equal(find(facts, count, "Memory", "total")->value, "3.8G");
	assert_string_equal(find(facts, count, "Memory", "huge pages")->value, "5 reserved");
	assert_string_equal(find(facts, count, "Memory", "node0")->value, "3.8G, CPUs 0-3");
	assert_string_equal(find(facts, count, "Disks", "nvme0n1")->value,
			    "465G Samsung SSD 980, live, 36 degrees");
	/* What a disk does not tell is left out, and one of no size says why it has none. */
	assert_string_equal(find(facts, count, "Disks", "vda")->value, "1M");
	assert_string_equal(find(facts, count, "Disks", "md127")->value,
			    "an array that is not assembled");
	assert_string_equal(find(facts, count, "Disks", "sr0")->value, "DVD-ROM, no medium");
	assert_string_equal(find(facts, count, "Kernel", "up")->value, "10 h 26 min");
	assert_string_equal(find(facts, count, "Network", "eth0")->value,
			    "up, 1000 Mbit/s, 52:54:00:12:34:56, no driver");
	assert_string_equal(find(facts, count, "Consoles", "of the kernel")->value, "tty0 ttyS0");
	assert_string_equal(find(facts, count, "Kernel", "command line")->value, "console=ttyS0");
	for (size_t i = 0; i < count; i++)
		assert_string_not_equal(facts[i].name, "loop0");
	free(facts);
}

/* Nothing below the root: every group is there, and says what it lacks. */
static void an_empty_machine_fails_nothing(void **state)
{
	static const char *const groups[] = {"Board",  "CPU",	"KVM",	   "Memory",  "IOMMU",
					     "Kernel", "Disks", "Network", "Consoles"};
	struct menu_fact *facts;
	char root[PATH_MAX];
	size_t count;

	scratch_path(*state, "", root);
	assert_int_equal(facts_gather_below(root, &facts, &count), 0);
	for (size_t g = 0; g < sizeof(groups) / sizeof(groups[0]); g++) {
		bool there = false;

		for (size_t i = 0; i < count; i++)
			there = there || strcmp(facts[i].group, groups[g]) == 0;
		if (!there)
			fail_msg("no group %s", groups[g]);
	}
	assert_string_equal(find(facts, count, "Board", "vendor, product")->value,
			    "not available (no /sys/class/dmi/id)");
	assert_true(find(facts, count, "KVM", "/dev/kvm")->bad);
	assert_true(find(facts, count, "Disks", "disks")->missing);
	free(facts);
}

static void the_running_machine(void **state)
{
	struct menu_fact *facts;
	size_t count;

	(void)state;
	assert_int_equal(facts_gather(&facts, &count), 0);
	assert_false(find(facts, count, "Memory", "total")->missing);
	assert_false(find(facts, count, "Kernel", "release")->missing);
	free(facts);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_machine_is_told),
		TEST(an_empty_machine_fails_nothing),
		TEST(the_running_machine),
	};

	return cmocka_run_group_tests_name("facts", tests, NULL, NULL);
}
