/* `vmboot list` of PCI functions, for programs and for people, from made-up sysfs and proc trees. */
#include "pci_tree.h"

#include <jansson.h>

#include "cmd/list.h"
#include "cmd/list_json.h"

/* `vmboot list --pci --json`, as a program reads it. */
static void programs_read_the_list(void **state)
{
	const struct menu_pci_state no_iommu = {.usable = 0, .text = "No IOMMU"};
	struct scratch *s = *state;
	FILE *out = tmpfile();
	struct vmb_err err;
	struct tree tree;
	json_t *json, *pci;

	put_pci(s, "0000:00:05.0", "8086:10d3", "0x020000", "", -1);
	put_pci(s, "0000:01:00.0", "144d:a80a", "0x010802", "nvme", 14);
	put_attr(s, "0000:01:00.0", "numa_node", "0\n");
	tree = gather(s);
	assert_int_equal(list_print_pci_json(&no_iommu, tree.pcis, tree.count, out, &err), 0);
	rewind(out);
	json = json_loadf(out, 0, NULL);
	assert_non_null(json);
	assert_true(json_is_false(json_object_get(json, "passthrough")));
	assert_string_equal(json_string_value(json_object_get(json, "text")), "No IOMMU");
	assert_int_equal(json_array_size(json_object_get(json, "pci")), 2);
	pci = json_array_get(json_object_get(json, "pci"), 0);
	assert_string_equal(json_string_value(json_object_get(pci, "address")), "0000:01:00.0");
	assert_string_equal(json_string_value(json_object_get(pci, "class")), "NVMe controller");
	assert_string_equal(json_string_value(json_object_get(pci, "id")), "144d:a80a");
	assert_string_equal(json_string_value(json_object_get(pci, "driver")), "nvme");
	assert_string_equal(json_string_value(json_object_get(pci, "verdict")), "free");
	assert_int_equal(json_integer_value(json_object_get(pci, "iommu_group")), 14);
	assert_int_equal(json_integer_value(json_object_get(pci, "numa_node")), 0);
	/* What is not there is left out. */
	pci = json_array_get(json_object_get(json, "pci"), 1);
	assert_null(json_object_get(pci, "iommu_group"));
	assert_null(json_object_get(pci, "numa_node"));
	assert_null(json_object_get(pci, "driver"));
	json_decref(json);
	free(tree.pcis);
	fclose(out);
}

/* `vmboot list --pci` below the root of S, in TEXT. */
static int print_list(struct scratch *s, bool json, char *text, size_t size)
{
	FILE *out = tmpfile();
	int standard = dup(STDOUT_FILENO), status;
	size_t n;

	fflush(stdout);
	assert_true(dup2(fileno(out), STDOUT_FILENO) >= 0);
	status = list_pci(s->dir, json);
	fflush(stdout);
	assert_true(dup2(standard, STDOUT_FILENO) >= 0);
	close(standard);
	rewind(out);
	n = fread(text, 1, size - 1, out);
	text[n] = '\0';
	fclose(out);
	return status;
}

/* A device or another thing of the USB's, below the function, with one attribute. */
static void put_usb(struct scratch *s, const char *where, const char *name, const char *attr,
		    const char *text)
{
	put(s, at("sys/devices/pci0000:00/%s/%s", where, attr), text);
	put_link(s, at("sys/bus/usb/devices/%s", name), at("sys/devices/pci0000:00/%s", where));
}

static void put_machine(struct scratch *s)
{
	put(s, "proc/self/mountinfo", "26 1 259:1 / / rw - ext4 /dev/nvme0n1p1 rw\n");
	put(s, "proc/interrupts", " 0:  24  IR-IO-APIC  timer\n");
	put(s, "usr/share/misc/pci.ids", NAMES);
	put_pci(s, "0000:00:1c.0", "8086:ffff", "0x060400", "pcieport", 3);
	put_pci(s, "0000:01:00.0", "144d:a80a", "0x010802", "nvme", 14);
	put_attr(s, "0000:01:00.0", "current_link_speed", "8.0 GT/s PCIe\n");
	put_attr(s, "0000:01:00.0", "current_link_width", "4\n");
	put_attr(s, "0000:01:00.0", "numa_node", "1\n");
	put_attr(s, "0000:01:00.0", "rom", "x");
	put_attr(s, "0000:01:00.0", "nvme/nvme0/serial", "S64ENX0R123456  \n");
	put_nvme(s, "nvme0n1", "0000:01:00.0/nvme/nvme0");
	put_pci(s, "0000:02:00.0", "8086:10d3", "0x020000", "e1000e", 15);
	put_class(s, "net", "eth0", "0000:02:00.0/net");
	put(s, "sys/class/net/eth0/operstate", "up\n");
	put_pci(s, "0000:02:10.0", "8086:10d3", "0x020000", "", 15);
	put_link(s, "sys/devices/pci0000:00/0000:02:10.0/physfn",
		 "sys/devices/pci0000:00/0000:02:00.0");
	put_pci(s, "0000:00:14.0", "8086:a36d", "0x0c0330", "xhci_hcd", 16);
	put_usb(s, "0000:00:14.0/usb1", "usb1", "product", "xHCI Host Controller\n");
	put_usb(s, "0000:00:14.0/usb1/1-1", "1-1", "product", "USB \033[2JKeyboard\n");
	put_usb(s, "0000:00:14.0/usb1/1-1/1-1:1.0", "1-1:1.0", "product", "no device\n");
	put_usb(s, "0000:00:14.0/usb1/1-2", "1-2", "bDeviceClass", "09\n");
	put_usb(s, "0000:00:14.0/usb1/1-2/1-2.3", "1-2.3", "idVendor", "0951\n");
	put_attr(s, "0000:00:14.0", "usb1/1-2/1-2.3/idProduct", "1666\n");
	put_usb(s, "0000:00:1c.0/0000:06:00.0/usb2/2-1", "2-1", "product", "of another one\n");
	put_pci(s, "0000:03:00.0", "1234:5678", "0xff0000", "", -1);
}

static const char listed[] =
	"IOMMU group 3:\n"
	"  0000:00:1c.0  PCI bridge  Intel Corporation ffff [8086:ffff]  driver pcieport\n"
	"IOMMU group 14:\n"
	"  0000:01:00.0  NVMe controller  Samsung Electronics Co Ltd NVMe SSD Controller 980 "
	"[144d:a80a]  driver nvme  8.0 GT/s x4  NUMA node 1  ROM  serial S64ENX0R123456  nvme0n1\n"
	"      not for a guest: nvme0n1p1 is mounted on /\n"
	"IOMMU group 15:\n"
	"  0000:02:00.0  Ethernet controller  Intel Corporation 82574L Gigabit Network Connection "
	"[8086:10d3]  driver e1000e  eth0\n"
	"      think first: eth0 is up: this host loses that network\n"
	"  0000:02:10.0  Ethernet controller  Intel Corporation 82574L Gigabit Network Connection "
	"[8086:10d3]  virtual function of 0000:02:00.0\n"
	"IOMMU group 16:\n"
	"  0000:00:14.0  USB controller  Intel Corporation a36d [8086:a36d]  driver xhci_hcd\n"
	"      on it: USB \\x1b[2JKeyboard, 0951:1666\n"
	"In no IOMMU group:\n"
	"  0000:03:00.0  PCI device  1234:5678 [1234:5678]\n";

static void people_read_the_list(void **state)
{
	static char text[8192];
	struct scratch *s = *state;

	put_machine(s);
	assert_int_equal(print_list(s, false, text, sizeof(text)), 0);
	assert_string_equal(text, listed);
	/* What is wrong with all of it comes first. */
	put(s, "proc/interrupts", " 0:  24  IO-APIC  timer\n");
	assert_int_equal(print_list(s, false, text, sizeof(text)), 0);
	assert_int_equal(strncmp(text, "Unsafe interrupts: ", 19), 0);
	assert_string_equal(strstr(text, "\n\n") + 2, listed);
}

/* Every fact of the one form is in the other. */
static void the_list_has_the_same_facts_for_programs(void **state)
{
	static char text[16384];
	struct scratch *s = *state;
	const char *key;
	json_t *json, *pci, *value;
	size_t i;

	put_machine(s);
	assert_int_equal(print_list(s, true, text, sizeof(text)), 0);
	json = json_loads(text, 0, NULL);
	assert_non_null(json);
	assert_true(json_is_true(json_object_get(json, "passthrough")));
	assert_int_equal(json_array_size(json_object_get(json, "pci")), 6);
	json_array_foreach(json_object_get(json, "pci"), i, pci)
	{
		json_object_foreach(pci, key, value)
		{
			if (json_is_string(value) && strcmp(key, "verdict") != 0 &&
			    strcmp(key, "class_code") != 0 &&
			    !strstr(listed, json_string_value(value)))
				fail_msg("%s %s", key, json_string_value(value));
		}
	}
	pci = json_array_get(json_object_get(json, "pci"), 1);
	assert_string_equal(json_string_value(json_object_get(pci, "name")),
			    "Samsung Electronics Co Ltd NVMe SSD Controller 980");
	assert_string_equal(json_string_value(json_object_get(pci, "class_code")), "010802");
	assert_string_equal(json_string_value(json_object_get(pci, "link")), "8.0 GT/s x4");
	assert_int_equal(json_integer_value(json_object_get(pci, "numa_node")), 1);
	assert_true(json_is_true(json_object_get(pci, "rom")));
	assert_string_equal(json_string_value(json_object_get(pci, "serial")), "S64ENX0R123456");
	assert_string_equal(json_string_value(json_object_get(pci, "makes")), "nvme0n1");
	assert_string_equal(json_string_value(json_object_get(pci, "verdict")), "refused");
	assert_string_equal(json_string_value(json_object_get(pci, "use")),
			    "nvme0n1p1 is mounted on /");
	pci = json_array_get(json_object_get(json, "pci"), 2);
	assert_string_equal(json_string_value(json_object_get(pci, "verdict")), "ask");
	pci = json_array_get(json_object_get(json, "pci"), 3);
	assert_string_equal(json_string_value(json_object_get(pci, "physical_function")),
			    "0000:02:00.0");
	pci = json_array_get(json_object_get(json, "pci"), 0);
	assert_string_equal(json_string_value(json_object_get(pci, "verdict")), "bridge");
	json_decref(json);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(programs_read_the_list),
		TEST(people_read_the_list),
		TEST(the_list_has_the_same_facts_for_programs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
