/* What would start without an entry: which disks, with how much memory, without a screen. */
#include "model_fixture.h"

#include <errno.h>

#include "text.h"
#include "ui/plan.h"

/* Both kinds boot; the one that is made for this machine is offered. */
static void test_plan_prefers_pvh_to_flash(void **state)
{
	struct menu_firmware f[3] = {firmware("", "/OVMF_CODE_4M.secboot.fd", 0),
				     firmware("", "/OVMF_CODE_4M.fd", 1),
				     firmware("", "/CLOUDHV.fd", 1)};
	const struct menu_firmware *first = NULL;
	struct model m = {0};

	(void)state;
	strcpy(f[1].kind, "OVMF flash image");
	strcpy(f[2].kind, "PVH ELF");
	take_firmwares(&m, f, 2);
	assert_int_equal(plan_firmwares(&m, &first), 1);
	assert_string_equal(first->path, "/OVMF_CODE_4M.fd");
	take_firmwares(&m, f, 3);
	assert_int_equal(plan_firmwares(&m, &first), 2);
	assert_string_equal(first->path, "/CLOUDHV.fd");
	model_free(&m);
}

static void test_plan_defaults_are_safe(void **state)
{
	struct menu_device d[8] = {
		device("plain", "", 1 << 30),  device("used", "", 1 << 30), device("stick", "", 1 << 30),
		device("ro", "", 1 << 30),     device("part", "", 1 << 30), device("part1", "part", 1 << 29),
		device("broken", "", 1 << 30), device("empty", "", 0),
	};
	static const enum plan_attach want[8] = {PLAN_READ_WRITE, PLAN_OFF, PLAN_READ_ONLY,
						 PLAN_READ_ONLY,  PLAN_OFF, PLAN_OFF,
						 PLAN_OFF,	  PLAN_OFF};
	struct plan plan = {0};
	struct model m = {0};
	const char *why;

	(void)state;
	d[1].in_use = 1;
	snprintf(d[1].use, sizeof(d[1].use), "member of md0");
	d[2].removable = 1;
	d[3].read_only = 1;
	d[5].in_use = 1;
	snprintf(d[5].use, sizeof(d[5].use), "mounted on /boot");
	d[6].state = MENU_DEVICE_FAILED;
	take_devices(&m, d, 8);
	for (int i = 0; i < 8; i++)
		if (i != 5)
			assert_int_equal(plan_attach_of(&plan, &m, &m.devices[i]), want[i]);
	/* A disk whose partition is mounted: never read-write, and the reason is the partition's. */
	assert_false(plan_attach_allowed(&m, &m.devices[4], PLAN_READ_WRITE, &why));
	assert_string_equal(why, "mounted on /boot");
	assert_true(plan_attach_allowed(&m, &m.devices[4], PLAN_READ_ONLY, &why));
	assert_int_equal(plan_toggle(&plan, &m, &m.devices[4]), PLAN_READ_ONLY);
	assert_int_equal(plan_toggle(&plan, &m, &m.devices[0]), PLAN_OFF);
	assert_int_equal(plan_toggle(&plan, &m, &m.devices[7]), PLAN_OFF);
	/* Going round the choices of a used disk never meets read-write. */
	for (int i = 0; i < 8; i++) {
		enum plan_attach next = plan_next(&m, &m.devices[1],
						  plan_attach_of(&plan, &m, &m.devices[1]),
						  i % 3 ? 1 : -1);

		assert_int_not_equal(next, PLAN_READ_WRITE);
		assert_int_equal(plan_choose(&plan, &m.devices[1], next), 0);
	}
	plan_free(&plan);
	model_free(&m);
}

/* A guest that can write the settings rules the menu; where its system is on the same disk there is no other way. */
static void test_plan_keeps_settings_from_guests(void **state)
{
	struct menu_device d[6] = {
		device("stick", "", 1 << 30),	device("whole", "", 1 << 30),
		device("sda", "", 1 << 30),	device("stick1", "stick", 1 << 29),
		device("sda1", "sda", 1 << 29), device("sda2", "sda", 1 << 29),
	};
	struct plan plan = {0};
	struct model m = {0};

	(void)state;
	strcpy(d[1].label, "VMBOOT");
	strcpy(d[3].part_label, "VMBOOT");
	strcpy(d[4].label, "VMBOOT");
	take_devices(&m, d, 6);
	assert_int_equal(plan_attach_of(&plan, &m, &m.devices[0]), PLAN_OFF);
	assert_int_equal(plan_attach_of(&plan, &m, &m.devices[1]), PLAN_OFF);
	assert_int_equal(plan_attach_of(&plan, &m, &m.devices[2]), PLAN_READ_WRITE);
	/* Who wants it can have it. */
	assert_int_equal(plan_choose(&plan, &m.devices[0], PLAN_READ_WRITE), 0);
	assert_int_equal(plan_attach_of(&plan, &m, &m.devices[0]), PLAN_READ_WRITE);
	plan_free(&plan);
	model_free(&m);
}

/* Files are offered, but there may be many: none goes into the VM unasked. */
static void test_plan_attaches_no_image_unasked(void **state)
{
	struct menu_device d[2] = {device("sda", "", 1 << 30), device("debian.iso", "", 1 << 20)};
	struct plan plan = {0};
	struct model m = {0};

	(void)state;
	d[1].kind = MENU_DEVICE_IMAGE;
	snprintf(d[1].path, sizeof(d[1].path), "/images/%0100d/debian.iso", 0);
	take_devices(&m, d, 2);
	assert_int_equal(plan_attach_of(&plan, &m, &m.devices[1]), PLAN_OFF);
	assert_int_equal(plan_toggle(&plan, &m, &m.devices[1]), PLAN_READ_ONLY);
	assert_int_equal(plan_choose(&plan, &m.devices[1], PLAN_READ_ONLY), 0);
	assert_int_equal(plan_attach_of(&plan, &m, &m.devices[1]), PLAN_READ_ONLY);
	plan_free(&plan);
	model_free(&m);
}

/* A container of a disk is no disk: the guest would see, and overwrite, the container. */
static void test_plan_attaches_no_other_format(void **state)
{
	struct menu_device d[1] = {device("vm.qcow2", "", 1 << 20)};
	const char *why = NULL;
	struct plan plan = {0};
	struct model m = {0};

	(void)state;
	d[0].kind = MENU_DEVICE_IMAGE;
	d[0].state = MENU_DEVICE_SKIPPED;
	strcpy(d[0].note, "a qcow2 image, not a raw disk");
	take_devices(&m, d, 1);
	assert_false(plan_attach_allowed(&m, &m.devices[0], PLAN_OVERLAY, &why));
	assert_string_equal(why, "a qcow2 image, not a raw disk");
	assert_int_equal(plan_toggle(&plan, &m, &m.devices[0]), PLAN_OFF);
	plan_free(&plan);
	model_free(&m);
}

/* What an editor begins with has the disk under the cursor if that can be attached at all. */
static void test_plan_draft(void **state)
{
	struct menu_device d[4] = {device("sda", "", 1 << 30), device("used", "", 1 << 30),
				   device("debian.iso", "", 1 << 20), device("sr0", "", 0)};
	struct menu_firmware fw = firmware("", "/CLOUDHV.fd", 1);
	struct vm_config config;
	struct plan plan = {0};
	struct vmb_err err = {0};
	struct model m = {0};

	(void)state;
	d[1].in_use = 1;
	strcpy(d[1].use, "mounted on /");
	d[2].kind = MENU_DEVICE_IMAGE;
	take_devices(&m, d, 4);
	assert_int_equal(plan_draft(&plan, &m, &fw, &m.devices[0], &config, &err), 0);
	assert_int_equal(config.disk_count, 1);
	assert_false(config.disks[0].read_only);
	assert_string_equal(config.firmware_path, "/CLOUDHV.fd");
	for (int i = 1; i <= 2; i++) {
		assert_int_equal(plan_draft(&plan, &m, &fw, &m.devices[i], &config, &err), 0);
		assert_int_equal(config.disk_count, 1);
		assert_string_equal(config.disks[0].path, m.devices[i].path);
		assert_true(config.disks[0].read_only);
	}
	assert_int_equal(plan_draft(&plan, &m, &fw, &m.devices[3], &config, &err), -EINVAL);
	assert_non_null(strstr(err.text, "sr0 cannot be attached: no medium in it"));
	assert_int_equal(config.disk_count, 0);
	assert_string_equal(config.firmware_path, "/CLOUDHV.fd");
	/* Firmware may come later. */
	assert_int_equal(plan_draft(&plan, &m, NULL, &m.devices[2], &config, &err), 0);
	assert_int_equal(config.disk_count, 1);
	assert_int_equal(plan_draft(&plan, &m, NULL, NULL, &config, &err), 0);
	assert_string_equal(config.title, "New entry");
	assert_int_equal(config.disk_count, 0);
	plan_free(&plan);
	model_free(&m);
}

/* A title is made of names that may be long, and is kept: it ends with a whole character. */
static void test_plan_title_is_whole_characters(void **state)
{
	static const char wide[] = "\xE6\x97\xA5\xE6\x9C\xAC\xE8\xAA\x9E\xE6\x97\xA5\xE6\x9C\xAC"
				   "\xE8\xAA\x9E";
	struct menu_device d[1] = {device("", "", 1 << 30)};
	struct menu_firmware fw = firmware("", "/CLOUDHV.fd", 1);
	struct vm_config config;
	struct plan plan = {0};
	struct vmb_err err = {0};
	struct model m = {0};

	(void)state;
	strcpy(d[0].name, wide);
	snprintf(d[0].holds, sizeof(d[0].holds), "a%s%s%s", wide, wide, wide);
	take_devices(&m, d, 1);
	assert_int_equal(plan_config(&plan, &m, &fw, &m.devices[0], &config, &err), 0);
	for (const char *p = config.title; *p; p += text_utf8_len(p, strlen(p)))
		assert_int_not_equal(text_utf8_len(p, strlen(p)), 0);
	plan_free(&plan);
	model_free(&m);
}

/* What was chosen for a disk is not done to the next one that is plugged in where it was. */
static void test_plan_choice_is_for_one_disk(void **state)
{
	struct menu_device d[1] = {device("sdb", "", 1 << 30)};
	struct plan plan = {0};
	struct model m = {0};

	(void)state;
	d[0].removable = 1;
	snprintf(d[0].serial, sizeof(d[0].serial), "AAA");
	take_devices(&m, d, 1);
	plan_choose(&plan, &m.devices[0], PLAN_READ_WRITE);
	assert_int_equal(plan_attach_of(&plan, &m, &m.devices[0]), PLAN_READ_WRITE);
	snprintf(d[0].serial, sizeof(d[0].serial), "BBB");
	take_devices(&m, d, 1);
	assert_int_equal(plan_attach_of(&plan, &m, &m.devices[0]), PLAN_READ_ONLY);
	snprintf(d[0].serial, sizeof(d[0].serial), "AAA");
	take_devices(&m, d, 1);
	assert_int_equal(plan_attach_of(&plan, &m, &m.devices[0]), PLAN_READ_WRITE);
	plan_free(&plan);
	model_free(&m);
}

/* A choice that has become impossible turns into "off", not into something nobody said. */
static void test_plan_choice_that_became_impossible(void **state)
{
	struct menu_device d[1] = {device("sda", "", 1 << 30)};
	struct plan plan = {0};
	struct model m = {0};

	(void)state;
	take_devices(&m, d, 1);
	plan_choose(&plan, &m.devices[0], PLAN_READ_WRITE);
	assert_int_equal(plan_attach_of(&plan, &m, &m.devices[0]), PLAN_READ_WRITE);
	d[0].in_use = 1;
	take_devices(&m, d, 1);
	assert_int_equal(plan_attach_of(&plan, &m, &m.devices[0]), PLAN_OFF);
	plan_choose(&plan, &m.devices[0], PLAN_OVERLAY);
	assert_int_equal(plan_attach_of(&plan, &m, &m.devices[0]), PLAN_OVERLAY);
	plan_free(&plan);
	model_free(&m);
}

static void test_plan_config(void **state)
{
	struct menu_device d[4] = {device("sda", "", 1 << 30), device("sda1", "sda", 1 << 20),
				   device("sdb", "", 1 << 30), device("sdc", "", 1 << 30)};
	struct menu_firmware good = firmware("/dev/sda1", "/boot/CLOUDHV.fd", 1),
			     bad = firmware("", "/tmp/x.txt", 0);
	struct vmb_err err = {0};
	struct vm_config config;
	struct plan plan = {0};
	struct model m = {0};

	(void)state;
	take_welcome(&m, 6ULL << 30, 8);
	take_devices(&m, d, 4);
	plan_choose(&plan, &m.devices[2], PLAN_OVERLAY);
	plan_choose(&plan, &m.devices[3], PLAN_OFF);
	assert_int_equal(plan_config(&plan, &m, &good, NULL, &config, &err), 0);
	assert_string_equal(config.title, "CLOUDHV.fd");
	assert_string_equal(config.firmware_device, "/dev/sda1");
	assert_string_equal(config.firmware_path, "/boot/CLOUDHV.fd");
	assert_int_equal(config.memory, VM_DEFAULT_MEMORY);
	assert_int_equal(config.cpus, 1);
	/* The disk with the firmware is attached too; partitions never are. */
	assert_int_equal(config.disk_count, 2);
	assert_string_equal(config.disks[0].path, "/dev/sda");
	assert_false(config.disks[0].read_only || config.disks[0].overlay);
	assert_string_equal(config.disks[1].path, "/dev/sdb");
	assert_true(config.disks[1].overlay);
	assert_true(plan_config(&plan, &m, &bad, NULL, &config, &err) < 0);
	assert_non_null(strstr(err.text, "x.txt"));
	assert_non_null(strstr(err.text, "It is a text file."));
	plan_free(&plan);
	model_free(&m);
}

static void test_plan_too_many_disks(void **state)
{
	struct menu_device d[VM_MAX_DISKS + 1];
	struct menu_firmware f = firmware("", "/x.fd", 1);
	struct vmb_err err = {0};
	struct vm_config config;
	struct plan plan = {0};
	struct model m = {0};
	char name[16];

	(void)state;
	for (int i = 0; i <= VM_MAX_DISKS; i++) {
		snprintf(name, sizeof(name), "vd%d", i);
		d[i] = device(name, "", 1 << 30);
	}
	take_devices(&m, d, VM_MAX_DISKS + 1);
	assert_int_equal(plan_config(&plan, &m, &f, NULL, &config, &err), -E2BIG);
	assert_non_null(strstr(err.text, "Space"));
	plan_choose(&plan, &m.devices[5], PLAN_OFF);
	assert_int_equal(plan_config(&plan, &m, &f, NULL, &config, &err), 0);
	assert_int_equal(config.disk_count, VM_MAX_DISKS);
	plan_free(&plan);
	model_free(&m);
}

static void test_plan_values(void **state)
{
	static const struct {
		const char *text;
		uint64_t want; /* 0: refused */
	} memory[] = {
		{"1G", 1ULL << 30}, {"64M", 64 << 20}, {"1.5G", 1536ULL << 20}, {"6.5G", 6656ULL << 20},
		{"63M", 0}, {"16.1G", 0}, {"", 0}, {"G", 0}, {"-1G", 0}, {"512", 0}, {"1X", 0},
		{"99999999999999999999G", 0}, {"67108865", 64 << 20},
	}, cpus[] = {{"1", 1}, {"8", 8}, {"0", 0}, {"9", 0}, {"", 0}, {"x", 0}, {"-1", 0}, {"4294967297", 0}};
	struct vmb_err err;
	struct model m = {0};

	(void)state;
	take_welcome(&m, 6ULL << 30, 8);
	for (size_t i = 0; i < sizeof(memory) / sizeof(memory[0]); i++) {
		uint64_t got = 0;
		int rc;

		err = (struct vmb_err){0};
		rc = plan_parse_memory(&m, memory[i].text, &got, &err);
		if ((rc == 0) != (memory[i].want != 0) || got != memory[i].want)
			fail_msg("memory \"%s\": %d", memory[i].text, rc);
		assert_true(rc == 0 || err.text[0]);
	}
	for (size_t i = 0; i < sizeof(cpus) / sizeof(cpus[0]); i++) {
		uint32_t got = 0;
		int rc;

		err = (struct vmb_err){0};
		rc = plan_parse_cpus(&m, cpus[i].text, &got, &err);
		if ((rc == 0) != (cpus[i].want != 0) || got != cpus[i].want)
			fail_msg("cpus \"%s\": %d", cpus[i].text, rc);
		assert_true(rc == 0 || err.text[0]);
	}
	/* What the host has, and not free, another time may do. */
	m.welcome.host_memory_free = 1ULL << 30;
	assert_int_equal(plan_memory_fits(&m, 1ULL << 30, &err), 0);
	assert_int_equal(plan_memory_fits(&m, 2ULL << 30, &err), -ERANGE);
	assert_string_equal(err.text, "1G free, 2G asked: will not start.");
	/* A small host: the default leaves it something. */
	take_welcome(&m, 900 << 20, 8);
	assert_int_equal(plan_memory(&m), 512 << 20);
	take_welcome(&m, 10 << 20, 8);
	assert_int_equal(plan_memory(&m), VM_MIN_MEMORY);
	model_free(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plan_prefers_pvh_to_flash),
		cmocka_unit_test(test_plan_defaults_are_safe),
		cmocka_unit_test(test_plan_keeps_settings_from_guests),
		cmocka_unit_test(test_plan_attaches_no_image_unasked),
		cmocka_unit_test(test_plan_attaches_no_other_format),
		cmocka_unit_test(test_plan_draft),
		cmocka_unit_test(test_plan_title_is_whole_characters),
		cmocka_unit_test(test_plan_choice_is_for_one_disk),
		cmocka_unit_test(test_plan_choice_that_became_impossible),
		cmocka_unit_test(test_plan_config),
		cmocka_unit_test(test_plan_too_many_disks),
		cmocka_unit_test(test_plan_values),
	};

	return cmocka_run_group_tests_name("ui_plan", tests, NULL, NULL);
}
