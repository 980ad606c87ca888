/* What stands in the way of a start, each sentence by its cause, and what a draft makes of its fields. */
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ui/describe.h"
#include "ui/draft.h"
#include "ui/preflight.h"

/* A host with everything, a disk in use, one that is broken, one that is read-only, and an interface. */
struct fixture {
	struct model model;
	struct menu_device devices[6];
	struct menu_firmware firmwares[2];
	struct menu_nic nics[1];
	struct vm_config config;
	struct preflight_item items[PREFLIGHT_ITEMS];
	enum preflight_level worst;
	unsigned int count;
};

static void put_device(struct menu_device *d, const char *name, const char *parent)
{
	*d = (struct menu_device){.size = 1ULL << 30, .state = MENU_DEVICE_READY};
	snprintf(d->name, sizeof(d->name), "%s", name);
	snprintf(d->parent, sizeof(d->parent), "%s", parent);
	snprintf(d->path, sizeof(d->path), "/dev/%s", name);
}

static void put_disk(struct fixture *f, const char *path)
{
	snprintf(f->config.disks[f->config.disk_count++].path, VM_PATH_SIZE, "%s", path);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	put_device(&f->devices[0], "sda", "");
	put_device(&f->devices[1], "sda2", "sda");
	put_device(&f->devices[2], "sdb", "");
	put_device(&f->devices[3], "sdc", "");
	put_device(&f->devices[4], "sdd", "");
	put_device(&f->devices[5], "sde", "");
	f->devices[1].in_use = 1;
	snprintf(f->devices[1].use, sizeof(f->devices[1].use), "mounted on /");
	f->devices[2].in_use = 1;
	snprintf(f->devices[2].use, sizeof(f->devices[2].use), "member of md0");
	f->devices[3].state = MENU_DEVICE_FAILED;
	snprintf(f->devices[3].note, sizeof(f->devices[3].note), "no answer for 10 s, skipped");
	f->devices[4].read_only = 1;
	snprintf(f->firmwares[0].path, VM_PATH_SIZE, "/CLOUDHV.fd");
	f->firmwares[0].usable = 1;
	snprintf(f->firmwares[0].sha256, sizeof(f->firmwares[0].sha256), "0123456789abcdef");
	snprintf(f->firmwares[1].path, VM_PATH_SIZE, "/OVMF.fd");
	snprintf(f->firmwares[1].reason, sizeof(f->firmwares[1].reason), "_FVH absent at 0x28");
	snprintf(f->nics[0].name, sizeof(f->nics[0].name), "br0");
	f->model.welcomed = true;
	f->model.welcome = (struct menu_welcome){.host_cpus = 8, .host_memory = 16ULL << 30,
						 .host_memory_free = 6ULL << 30, .kvm_ok = 1,
						 .firmware_ok = 1,
						 .log_path = "/run/vmboot/console.log",
						 .log_max = 64 << 20,
						 .log_room = 70 << 20};
	f->model.devices_known = f->model.nics_known = true;
	f->model.devices = f->devices;
	f->model.device_count = 6;
	f->model.firmwares = f->firmwares;
	f->model.firmware_count = 2;
	f->model.nics = f->nics;
	f->model.nic_count = 1;
	vm_config_init(&f->config);
	snprintf(f->config.title, sizeof(f->config.title), "Test");
	snprintf(f->config.firmware_path, VM_PATH_SIZE, "/CLOUDHV.fd");
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	free(*state);
	return 0;
}

static void check(struct fixture *f, const char *problem)
{
	f->count = preflight_check(&f->model, &f->config, problem, f->items, &f->worst);
}

/* The item SUBJECT says TEXT at LEVEL. */
static void assert_item(const struct fixture *f, const char *subject, enum preflight_level level,
			const char *text)
{
	for (unsigned int i = 0; i < f->count; i++) {
		if (strcmp(f->items[i].subject, subject) != 0)
			continue;
		if (f->items[i].level != level || !strstr(f->items[i].text, text))
			fail_msg("%s: %d \"%s\"", subject, f->items[i].level, f->items[i].text);
		return;
	}
	fail_msg("no item %s", subject);
}

static void nothing_in_the_way(void **state)
{
	struct fixture *f = *state;

	put_disk(f, "/dev/sde");
	f->config.net_count = 1;
	snprintf(f->config.nets[0].name, VM_NET_NAME_SIZE, "br0");
	check(f, "");
	assert_true(f->worst <= PREFLIGHT_NONE);
	assert_item(f, "KVM", PREFLIGHT_OK, "ok");
	assert_item(f, "Memory", PREFLIGHT_OK, "1G of 6G free");
	assert_item(f, "CPUs", PREFLIGHT_OK, "1 of 8");
	assert_item(f, "Firmware", PREFLIGHT_OK, "CLOUDHV.fd");
	assert_item(f, "Firmware", PREFLIGHT_OK, "sha256 0123456789ab");
	assert_item(f, "Console log", PREFLIGHT_OK, "70M free, 64 MiB at most");
	assert_item(f, "sde", PREFLIGHT_OK, "read-write");
	assert_item(f, "br0", PREFLIGHT_OK, "there");
}

static void devices_are_looked_at(void **state)
{
	struct menu_pci pcis[] = {
		{.address = "0000:01:00.0",
		 .vendor = 0x144d,
		 .device = 0xa80a,
		 .group = 1,
		 .class_name = "NVMe controller"},
		{.address = "0000:02:00.0",
		 .group = 2,
		 .class_name = "SATA controller",
		 .verdict = MENU_PCI_REFUSED,
		 .use = "sda2 is mounted on /"},
		{.address = "0000:00:1c.0",
		 .group = 3,
		 .class_name = "PCI bridge",
		 .verdict = MENU_PCI_BRIDGE},
		{.address = "0000:03:00.0", .group = -1, .class_name = "Serial controller"},
	};
	static const char *const addresses[] = {"0000:01:00.0", "0000:02:00.0", "0000:00:1c.0",
						"0000:03:00.0", "0000:44:00.0"};
	struct fixture *f = *state;

	f->config.vfio_count = sizeof(addresses) / sizeof(addresses[0]);
	for (size_t i = 0; i < f->config.vfio_count; i++)
		strcpy(f->config.vfio[i].address, addresses[i]);
	check(f, "");
	assert_item(f, "01:00.0", PREFLIGHT_NONE, "looked at when it starts");
	f->model.pcis_known = true;
	f->model.pcis = pcis;
	f->model.pci_count = sizeof(pcis) / sizeof(pcis[0]);
	f->model.pci_state.usable = 1;
	check(f, "");
	assert_item(f, "01:00.0", PREFLIGHT_OK, "NVMe controller");
	assert_item(f, "02:00.0", PREFLIGHT_BAD, "SATA controller: sda2 is mounted on /");
	assert_item(f, "00:1c.0", PREFLIGHT_BAD, "a bridge stays with the host");
	assert_item(f, "03:00.0", PREFLIGHT_BAD, "in no IOMMU group");
	assert_item(f, "44:00.0", PREFLIGHT_BAD, "This machine has no PCI device 0000:44:00.0.");
	f->config.vfio[0].vendor = 0x8086;
	f->config.vfio[0].device = 0x1234;
	check(f, "");
	assert_item(f, "01:00.0", PREFLIGHT_BAD, "0000:01:00.0 is 144d:a80a (NVMe controller), not 8086:1234");
	f->config.vfio[0].vendor = f->config.vfio[0].device = 0;
	f->config.vfio_count = 1;
	f->model.pci_state.usable = 0;
	strcpy(f->model.pci_state.text, "No IOMMU (check VT-d): passthrough off");
	check(f, "");
	assert_item(f, "01:00.0", PREFLIGHT_BAD, "No IOMMU (check VT-d): passthrough off");
	assert_int_equal(f->worst, PREFLIGHT_BAD);
}

static void each_disk_card_and_device_has_one_line(void **state)
{
	struct fixture *f = *state;
	unsigned int alone;

	f->config.disk_count = 0;
	put_disk(f, "/dev/sde");
	check(f, "");
	alone = f->count;
	put_disk(f, "/dev/sdd");
	f->config.net_count = 2;
	strcpy(f->config.nets[0].name, "br0");
	strcpy(f->config.nets[1].name, "br1");
	f->config.vfio_count = 3;
	strcpy(f->config.vfio[0].address, "0000:01:00.0");
	strcpy(f->config.vfio[1].address, "0000:02:00.0");
	strcpy(f->config.vfio[2].address, "0000:03:00.0");
	check(f, "");
	assert_int_equal(f->count, alone + 1 + 2 + 3);
}

static void the_host_is_in_the_way(void **state)
{
	struct fixture *f = *state;

	f->model.welcome.kvm_ok = 0;
	snprintf(f->model.welcome.kvm_text, sizeof(f->model.welcome.kvm_text),
		 "/dev/kvm missing. flag present, disabled by firmware");
	f->config.memory = 8ULL << 30;
	f->config.cpus = 12;
	f->config.net_count = 1;
	snprintf(f->config.nets[0].name, VM_NET_NAME_SIZE, "br7");
	check(f, "");
	assert_int_equal(f->worst, PREFLIGHT_BAD);
	assert_item(f, "KVM", PREFLIGHT_BAD, "flag present, disabled by firmware");
	assert_item(f, "Memory", PREFLIGHT_BAD, "6G free, 8G asked: will not start");
	assert_item(f, "CPUs", PREFLIGHT_BAD, "CPU count 12 > 8 host");
	assert_item(f, "br7", PREFLIGHT_BAD, "This host has no interface br7.");
	/* A KVM that runs kernels, but no firmware. */
	f->model.welcome.kvm_ok = 1;
	f->model.welcome.firmware_ok = 0;
	check(f, "");
	assert_item(f, "KVM", PREFLIGHT_BAD, "flag present");
	snprintf(f->config.kernel_path, VM_PATH_SIZE, "/boot/vmlinuz");
	check(f, "");
	assert_item(f, "KVM", PREFLIGHT_OK, "ok");
	assert_item(f, "Kernel", PREFLIGHT_NONE, "/boot/vmlinuz");
}

static void firmware_is_in_the_way(void **state)
{
	struct fixture *f = *state;

	snprintf(f->config.firmware_path, VM_PATH_SIZE, "/OVMF.fd");
	check(f, "");
	assert_item(f, "Firmware", PREFLIGHT_BAD, "_FVH absent at 0x28");
	snprintf(f->config.firmware_path, VM_PATH_SIZE, "/boot/x.fd");
	snprintf(f->config.firmware_device, VM_PATH_SIZE, "/dev/sda2");
	check(f, "");
	assert_item(f, "Firmware", PREFLIGHT_BAD, "x.fd not found in: /boot/x.fd of /dev/sda2");
	/* While disks are looked at it may yet be found. */
	f->model.scanning = true;
	check(f, "");
	assert_item(f, "Firmware", PREFLIGHT_NONE, "/boot/x.fd");
	snprintf(f->config.firmware_device, VM_PATH_SIZE, "/dev/sdx1");
	check(f, "");
	assert_item(f, "Firmware", PREFLIGHT_BAD, "/dev/sdx1 is not there");
	f->config.firmware_path[0] = '\0';
	check(f, "");
	assert_item(f, "Firmware", PREFLIGHT_BAD, "No firmware is chosen");
}

static void a_disk_is_in_the_way(void **state)
{
	struct fixture *f = *state;

	put_disk(f, "/dev/sda");
	put_disk(f, "/dev/sdb");
	put_disk(f, "/dev/sdd");
	check(f, "");
	assert_int_equal(f->worst, PREFLIGHT_FIX);
	assert_item(f, "sda", PREFLIGHT_FIX, "sda2 is mounted on / by this host");
	assert_item(f, "sdb", PREFLIGHT_FIX, "sdb is member of md0");
	assert_item(f, "sdd", PREFLIGHT_FIX, "read-only");
	/* What is offered makes it start, and never the silent read-write. */
	preflight_fix(&f->model, &f->config, true);
	for (int i = 0; i < 3; i++)
		assert_true(f->config.disks[i].overlay && !f->config.disks[i].read_only);
	check(f, "");
	assert_true(f->worst <= PREFLIGHT_NONE);
	put_disk(f, "/dev/sdc");
	put_disk(f, "serial:GONE");
	put_disk(f, "/srv/image.raw");
	check(f, "");
	assert_int_equal(f->worst, PREFLIGHT_BAD);
	assert_item(f, "sdc", PREFLIGHT_BAD, "no answer for 10 s, skipped");
	assert_item(f, "serial:GONE", PREFLIGHT_BAD, "serial:GONE is not connected.");
	assert_item(f, "image.raw", PREFLIGHT_NONE, "image file");
	/* Neither is helped by reading only. */
	preflight_fix(&f->model, &f->config, false);
	check(f, "");
	assert_int_equal(f->worst, PREFLIGHT_BAD);
}

/* It starts all the same, but only when that was read. */
static void the_log_has_no_room(void **state)
{
	struct fixture *f = *state;

	f->model.welcome.log_room = 3 << 20;
	check(f, "");
	assert_int_equal(f->worst, PREFLIGHT_WARN);
	assert_item(f, "Console log", PREFLIGHT_WARN,
		    "3M free for /run/vmboot/console.log, which can grow to 64 MiB: it will end early.");
	/* A fault that stops the start is worse, and an entry's own log is its own matter. */
	put_disk(f, "/dev/sda");
	check(f, "");
	assert_int_equal(f->worst, PREFLIGHT_FIX);
	f->config.disk_count = 0;
	snprintf(f->config.log_path, VM_PATH_SIZE, "/srv/log");
	check(f, "");
	assert_item(f, "Console log", PREFLIGHT_NONE, "/srv/log is opened when it starts");
	f->config.log_path[0] = '\0';
	f->model.welcome.log_room = UINT64_MAX;
	check(f, "");
	assert_int_equal(f->worst, PREFLIGHT_NONE);
}

static void what_only_the_daemon_knows(void **state)
{
	struct fixture *f = *state;

	check(f, "The signature is wrong.");
	assert_int_equal(f->worst, PREFLIGHT_BAD);
	assert_item(f, "Entry", PREFLIGHT_BAD, "The signature is wrong.");
}

/* Before Enter stands what the guest may write to: by name as far as there is room, else by number. */
static void no_disk_is_written_to_untold(void **state)
{
	struct fixture *f = *state;
	char path[16], text[256];

	for (int i = 0; i < 6; i++) {
		snprintf(path, sizeof(path), "/dev/sd%c", 'a' + i);
		put_disk(f, path);
	}
	f->config.disks[1].overlay = 1;
	f->config.disks[5].read_only = 1;
	assert_string_equal(describe_disks(&f->config, text, sizeof(text), 200),
			    "sda read-write, sdb overlay, sdc read-write, sdd read-write, "
			    "sde read-write, sdf read-only");
	assert_string_equal(describe_disks(&f->config, text, sizeof(text), 71),
			    "sda read-write, sdb overlay, sdc read-write, 3 more (2 read-write)");
	assert_string_equal(describe_disks(&f->config, text, sizeof(text), 51),
			    "sda read-write, 5 more (3 read-write)");
	assert_string_equal(describe_disks(&f->config, text, sizeof(text), 25),
			    "6 more (4 read-write)");
	for (unsigned int columns = 25; columns < 100; columns++)
		assert_true(strlen(describe_disks(&f->config, text, sizeof(text), (int)columns)) <=
			    columns);
	/* Nothing of that where the guest writes to none. */
	for (int i = 0; i < 6; i++)
		f->config.disks[i].read_only = 1;
	assert_string_equal(describe_disks(&f->config, text, sizeof(text), 30),
			    "sda read-only, 5 more");
}

/* Saved and started without a change it is the same configuration. */
static void a_draft_keeps_what_it_does_not_show(void **state)
{
	struct fixture *f = *state;
	struct draft *draft = calloc(1, sizeof(*draft));
	struct vm_config *config = &f->config, got;
	struct vmb_err err = {0};
	enum draft_row bad = DRAFT_ROWS;

	config->memory = 1536ULL << 20;
	config->cpus = 3;
	put_disk(f, "serial:S1");
	config->disks[0].sector = 4096;
	config->disks[0].overlay = 1;
	config->disks[0].overlay_limit = 77 << 20;
	snprintf(config->vars_path, VM_PATH_SIZE, "/srv/own.vars");
	snprintf(config->log_path, VM_PATH_SIZE, "/srv/log");
	draft_begin(draft, config, NULL);
	draft_saved(draft, NULL);
	assert_false(draft_is_changed(draft));
	assert_int_equal(draft_config(draft, &f->model, &got, &bad, &err), 0);
	assert_memory_equal(&got.disks[0], &config->disks[0], sizeof(got.disks[0]));
	assert_string_equal(got.vars_path, "/srv/own.vars");
	assert_string_equal(got.log_path, "/srv/log");
	assert_string_equal(got.title, "Test");
	assert_int_equal(got.memory, 1536ULL << 20);
	assert_int_equal(got.cpus, 3);
	/* Variables not kept and kept again: in the same file. */
	draft_change(draft, DRAFT_VARS, -1);
	assert_int_equal(draft->now.vars, DRAFT_VARS_NONE);
	assert_true(draft_is_changed(draft));
	assert_int_equal(draft_config(draft, &f->model, &got, &bad, &err), 0);
	assert_string_equal(got.vars_path, "");
	draft_change(draft, DRAFT_VARS, 1);
	assert_int_equal(draft_config(draft, &f->model, &got, &bad, &err), 0);
	assert_string_equal(got.vars_path, "/srv/own.vars");
	assert_false(draft_is_changed(draft));
	free(draft);
}

/* In the preview, the checklist and the editor. */
static void where_variables_are_is_said(void **state)
{
	static const struct {
		const char *path;
		uint8_t kept;
		const char *preview, *item, *row;
		enum preflight_level level;
	} cases[] = {
		{VM_VARS_USUAL, MENU_VARS_LAST, "variables kept ", "in /dev/sda3 (VMBOOT)",
		 "In /dev/sda3 (VMBOOT).", PREFLIGHT_OK},
		{VM_VARS_USUAL, MENU_VARS_UNTIL_OFF, "variables kept until power-off",
		 "in memory, gone at power-off; label a partition VMBOOT to keep them",
		 "In memory, gone at power-off. To keep them label a partition VMBOOT.",
		 PREFLIGHT_NONE},
		{VM_VARS_USUAL, MENU_VARS_NOT_KEPT, "variables not kept",
		 "They cannot be kept now: the log (l) says why.",
		 "They cannot be kept now; the log (l) says why.", PREFLIGHT_WARN},
		{"/srv/own.vars", MENU_VARS_NOT_KEPT, "variables kept ", "in /srv/own.vars",
		 "In /srv/own.vars.", PREFLIGHT_OK},
		{"", MENU_VARS_LAST, "variables not kept", "not kept", "In /dev/sda3 (VMBOOT).",
		 PREFLIGHT_NONE},
	};
	struct fixture *f = *state;
	struct draft *draft = calloc(1, sizeof(*draft));

	snprintf(f->model.welcome.vars_path, VM_PATH_SIZE, "/dev/sda3 (VMBOOT)");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct form_row row = {.check = ""};
		char text[256];

		snprintf(f->config.vars_path, VM_PATH_SIZE, "%s", cases[i].path);
		f->model.settings.vars_kept = cases[i].kept;
		describe_machine(&f->model, &f->config, text, sizeof(text), 200);
		assert_non_null(strstr(text, cases[i].preview));
		check(f, "");
		assert_item(f, "Variables", cases[i].level, cases[i].item);
		draft_begin(draft, &f->config, NULL);
		draft->now.vars = DRAFT_VARS_KEEP;
		draft_describe(draft, &f->model, DRAFT_VARS, &row);
		assert_string_equal(row.check, cases[i].row);
	}
	free(draft);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(nothing_in_the_way),
		TEST(devices_are_looked_at),
		TEST(each_disk_card_and_device_has_one_line),
		TEST(the_host_is_in_the_way),
		TEST(firmware_is_in_the_way),
		TEST(a_disk_is_in_the_way),
		TEST(the_log_has_no_room),
		TEST(what_only_the_daemon_knows),
		TEST(no_disk_is_written_to_untold),
		TEST(a_draft_keeps_what_it_does_not_show),
		TEST(where_variables_are_is_said),
	};

	return cmocka_run_group_tests_name("ui_preflight", tests, NULL, NULL);
}
