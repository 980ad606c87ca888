/* What the menu knows and what it would start, without a screen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto.h"
#include "ui/draw.h"
#include "ui/frame.h"
#include "ui/model.h"
#include "ui/outbox.h"
#include "ui/plan.h"
#include "ui/rows.h"
#include "ui/wrap.h"

static uint8_t buf[PROTO_MAX_BODY];

/* A list message with COUNT items; returns its size. */
static size_t list_message(unsigned int count, bool first, bool last, bool scanning,
			   const void *items, size_t item)
{
	struct menu_list list = {.count = count, .first = first, .last = last, .scanning = scanning};

	memcpy(buf, &list, sizeof(list));
	if (count)
		memcpy(buf + sizeof(list), items, count * item);
	return sizeof(list) + count * item;
}

static struct menu_device device(const char *name, const char *parent, uint64_t size)
{
	struct menu_device d = {.size = size, .state = MENU_DEVICE_READY};

	snprintf(d.name, sizeof(d.name), "%s", name);
	snprintf(d.parent, sizeof(d.parent), "%s", parent);
	snprintf(d.path, sizeof(d.path), "/dev/%s", name);
	return d;
}

static struct menu_firmware firmware(const char *dev, const char *path, int usable)
{
	struct menu_firmware f = {.usable = (uint8_t)usable};

	snprintf(f.device, sizeof(f.device), "%s", dev);
	snprintf(f.path, sizeof(f.path), "%s", path);
	snprintf(f.reason, sizeof(f.reason), "%s", usable ? "" : "It is a text file.");
	return f;
}

static int take_devices(struct model *m, const struct menu_device *d, unsigned int n)
{
	return model_take(m, MENU_DEVICES, buf, list_message(n, true, true, false, d, sizeof(*d)), 0);
}

static int take_firmwares(struct model *m, const struct menu_firmware *f, unsigned int n)
{
	return model_take(m, MENU_FIRMWARES, buf, list_message(n, true, true, false, f, sizeof(*f)), 0);
}

static void take_welcome(struct model *m, uint64_t memory_free, uint32_t cpus)
{
	struct menu_welcome w = {.version = MENU_PROTO_VERSION, .host_cpus = cpus,
				 .host_memory = 16ULL << 30, .host_memory_free = memory_free,
				 .kvm_ok = 1, .firmware_ok = 1};

	assert_int_equal(model_take(m, MENU_WELCOME, &w, sizeof(w), 0), MODEL_WELCOME);
}

static void test_lists_come_in_parts(void **state)
{
	struct model m = {0};
	struct menu_device d[3] = {device("sda", "", 1), device("sda1", "sda", 1), device("sdb", "", 1)};

	(void)state;
	assert_int_equal(model_take(&m, MENU_DEVICES, buf,
				    list_message(2, true, false, true, d, sizeof(*d)), 0),
			 MODEL_NOTHING);
	assert_int_equal(m.device_count, 0);
	assert_int_equal(model_take(&m, MENU_DEVICES, buf,
				    list_message(1, false, true, true, d + 2, sizeof(*d)), 0),
			 MODEL_LISTS);
	assert_int_equal(m.device_count, 3);
	assert_string_equal(m.devices[2].name, "sdb");
	assert_true(m.scanning);
	/* A list that begins anew forgets the part that had come. */
	model_take(&m, MENU_DEVICES, buf, list_message(2, true, false, true, d, sizeof(*d)), 0);
	model_take(&m, MENU_DEVICES, buf, list_message(1, true, true, false, d, sizeof(*d)), 0);
	assert_int_equal(m.device_count, 1);
	assert_int_equal(take_devices(&m, NULL, 0), MODEL_LISTS);
	assert_int_equal(m.device_count, 0);
	model_free(&m);
}

static void test_malformed_messages(void **state)
{
	struct menu_welcome w = {.version = MENU_PROTO_VERSION + 1};
	struct menu_list huge = {.count = UINT32_MAX, .first = 1, .last = 1};
	struct menu_vm vm = {.state = 77};
	struct menu_device d;
	struct model m = {0};

	(void)state;
	assert_int_equal(model_take(&m, MENU_WELCOME, &w, sizeof(w), 0), -EPROTO);
	assert_int_equal(model_take(&m, MENU_WELCOME, &w, sizeof(w) - 1, 0), -EBADMSG);
	assert_int_equal(model_take(&m, MENU_DEVICES, &huge, sizeof(huge), 0), -EBADMSG);
	assert_int_equal(model_take(&m, MENU_DEVICES, &huge, 3, 0), -EBADMSG);
	assert_int_equal(model_take(&m, MENU_FIRMWARES, &huge, sizeof(huge), 0), -EBADMSG);
	assert_int_equal(model_take(&m, MENU_VM, &vm, sizeof(vm), 0), -EBADMSG);
	assert_int_equal(model_take(&m, MENU_VM, &vm, 4, 0), -EBADMSG);
	assert_int_equal(model_take(&m, 4711, &vm, 4, 0), MODEL_NOTHING);
	/* Strings without an end, a disk count beyond the array. */
	memset(&d, 'x', sizeof(d));
	assert_int_equal(take_devices(&m, &d, 1), MODEL_LISTS);
	assert_int_equal(strlen(m.devices[0].name), sizeof(d.name) - 1);
	assert_int_equal(strlen(m.devices[0].note), sizeof(d.note) - 1);
	memset(&vm, 'x', sizeof(vm));
	vm.state = MENU_VM_ENDED;
	assert_int_equal(model_take(&m, MENU_VM, &vm, sizeof(vm), 0), MODEL_VM);
	assert_int_equal(m.vm.config.disk_count, VM_MAX_DISKS);
	assert_int_equal(strlen(m.vm.text), sizeof(vm.text) - 1);
	model_free(&m);
}

/* What else comes as a list, and texts without an end in it. */
static void test_entries_and_nics(void **state)
{
	struct menu_entry e[2];
	struct menu_nic n[2];
	struct menu_countdown c = {.state = MENU_COUNTDOWN_RUNNING, .seconds = 7};
	struct model m = {0};

	(void)state;
	memset(e, 'x', sizeof(e));
	snprintf(e[0].id, sizeof(e[0].id), "debian");
	assert_int_equal(model_take(&m, MENU_ENTRIES, buf, list_message(1, true, false, false, e, sizeof(*e)),
				    0), MODEL_NOTHING);
	assert_null(model_entry(&m, "debian"));
	assert_int_equal(model_take(&m, MENU_ENTRIES, buf, list_message(1, false, true, false, e + 1,
									sizeof(*e)), 0),
			 MODEL_ENTRIES);
	assert_ptr_equal(model_entry(&m, "debian"), &m.entries[0]);
	assert_int_equal(strlen(m.entries[1].problem), sizeof(e[1].problem) - 1);
	assert_int_equal(m.entries[1].config.net_count, VM_MAX_NETS);
	memset(n, 'y', sizeof(n));
	snprintf(n[0].name, sizeof(n[0].name), "eth0");
	for (int i = 0; i < 2; i++)
		assert_int_equal(model_take(&m, MENU_NICS, buf, list_message(2, true, true, false, n,
									     sizeof(*n)), 0),
				 MODEL_NICS);
	assert_ptr_equal(model_nic(&m, "eth0"), &m.nics[0]);
	assert_null(model_nic(&m, "eth1"));
	/* The countdown goes on between two messages. */
	assert_int_equal(model_take(&m, MENU_COUNTDOWN, &c, sizeof(c), 1000), MODEL_COUNTDOWN);
	assert_int_equal(model_countdown_left(&m, 1999), 7);
	assert_int_equal(model_countdown_left(&m, 3000), 5);
	assert_int_equal(model_countdown_left(&m, 99000), 0);
	assert_int_equal(model_take(&m, MENU_SETTINGS, &c, sizeof(c), 0), -EBADMSG);
	model_free(&m);
}

static void test_random_messages(void **state)
{
	struct model m = {0};
	struct rows rows = {0};

	(void)state;
	srandom(17);
	for (int i = 0; i < 3000; i++) {
		static uint8_t body[8192];
		size_t size = (size_t)random() % sizeof(body);

		for (size_t k = 0; k < size; k++)
			body[k] = (uint8_t)random();
		if (random() % 2 && size > sizeof(struct menu_list)) {
			struct menu_list list = {.first = random() % 2, .last = random() % 2};

			list.count = (uint32_t)((size - sizeof(list)) / sizeof(struct menu_device));
			size = sizeof(list) + list.count * sizeof(struct menu_device);
			memcpy(body, &list, sizeof(list));
		}
		model_take(&m, 100 + (uint32_t)random() % 4, body, size, 0);
		assert_int_equal(rows_build(&rows, &m, NULL), 0);
	}
	rows_free(&rows);
	model_free(&m);
}

static void test_run_time(void **state)
{
	struct menu_vm vm = {.state = MENU_VM_RUNNING, .run_ms = 5000};
	struct model m = {0};
	char text[32];

	(void)state;
	model_take(&m, MENU_VM, &vm, sizeof(vm), 1000);
	assert_int_equal(model_vm_run_ms(&m, 3500), 7500);
	vm.state = MENU_VM_ENDED;
	model_take(&m, MENU_VM, &vm, sizeof(vm), 1000);
	assert_int_equal(model_vm_run_ms(&m, 99000), 5000);
	assert_string_equal(frame_format_time(192999, text, sizeof(text)), "00:03:12");
	assert_string_equal(frame_format_time(0, text, sizeof(text)), "00:00:00");
	assert_string_equal(frame_format_time(86400000ULL * 3 + 1000, text, sizeof(text)), "3d 00:00:01");
	model_free(&m);
}

static void kinds(const struct rows *rows, char *out)
{
	static const char letters[] = {[ROW_VM] = 'V',	  [ROW_DISK] = 'D',	[ROW_PART] = 'P',
				       [ROW_ENTRY] = 'E', [ROW_PLAIN] = 'h',	[ROW_FIRMWARE] = 'F',
				       [ROW_NIC] = 'N',	  [ROW_HEADING] = 'H', [ROW_TEXT] = 'T'};

	for (unsigned int i = 0; i < rows->count; i++)
		*out++ = letters[rows->row[i].kind];
	*out = '\0';
}

static void test_rows_group_by_disk(void **state)
{
	struct menu_device d[4] = {device("sda", "", 1), device("sda1", "sda", 1),
				   device("sda2", "sda", 1), device("sdb", "", 1)};
	struct menu_firmware f[4] = {firmware("", "/usr/share/x.fd", 1), firmware("/dev/sda2", "/b.fd", 1),
				     firmware("/dev/sdb", "/c.fd", 0), firmware("/dev/gone1", "/d.fd", 1)};
	struct menu_vm vm = {.state = MENU_VM_RUNNING};
	struct model m = {0};
	struct rows rows = {0};
	char got[32], key[ROWS_KEY_SIZE];

	(void)state;
	assert_int_equal(rows_build(&rows, &m, NULL), 0);
	kinds(&rows, got);
	assert_string_equal(got, "T");
	take_devices(&m, d, 4);
	take_firmwares(&m, f, 4);
	model_take(&m, MENU_VM, &vm, sizeof(vm), 0);
	assert_int_equal(rows_build(&rows, &m, NULL), 0);
	kinds(&rows, got);
	/* VM, sda with sda2's b.fd, sdb with c.fd, then what is on no disk of the list. */
	assert_string_equal(got, "VDFDFHFF");
	assert_true(rows_startable(&m, &rows.row[2]));
	assert_false(rows_startable(&m, &rows.row[4]));
	assert_false(rows_startable(&m, &rows.row[1]));
	assert_false(rows_selectable(&rows.row[5]));
	rows_key(&m, &rows.row[2], key);
	assert_string_equal(key, "firmware /dev/sda2 /b.fd");
	assert_int_equal(rows_build_disks(&rows, &m, NULL), 0);
	kinds(&rows, got);
	assert_string_equal(got, "DPPD");
	assert_int_equal(rows_build_firmware(&rows, &m, NULL), 0);
	kinds(&rows, got);
	assert_string_equal(got, "FFFF");
	rows_free(&rows);
	model_free(&m);
}

/* ui-anchors.md, section 6: an empty list says what was tried. */
static void test_rows_empty_states(void **state)
{
	struct menu_device nothing = device("loop0", "", 0);
	const char *why = NULL;
	char got[32];
	struct model m = {0};
	struct rows rows = {0};

	(void)state;
	take_welcome(&m, 1ULL << 30, 1);
	take_devices(&m, NULL, 0);
	take_firmwares(&m, NULL, 0);
	assert_int_equal(rows_build(&rows, &m, NULL), 0);
	assert_string_equal(rows.row[0].text,
			    "No disks found. Looked at: nvme, sata, scsi, usb, virtio");
	assert_string_equal(rows.row[1].text,
			    "(0 controllers bound). r rescan, ! shell, i hardware.");
	assert_int_equal(rows.count, 6);
	/* What has nothing behind it is no disk. */
	nothing.empty = 1;
	nothing.state = MENU_DEVICE_SKIPPED;
	snprintf(nothing.note, sizeof(nothing.note), "no file is attached to it");
	take_devices(&m, &nothing, 1);
	assert_int_equal(rows_build(&rows, &m, NULL), 0);
	assert_int_equal(rows.count, 6);
	/* The list of all disks has it, at the end, with the reason. */
	assert_int_equal(rows_build_disks(&rows, &m, NULL), 0);
	kinds(&rows, got);
	assert_string_equal(got, "TTHD");
	assert_false(plan_attach_allowed(&m, &m.devices[0], PLAN_READ_ONLY, &why));
	assert_string_equal(why, "no file is attached to it");
	m.scanning = true;
	assert_int_equal(rows_build(&rows, &m, NULL), 0);
	assert_int_equal(rows.count, 0);
	rows_free(&rows);
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
		{"1G", 1ULL << 30}, {"64M", 64 << 20}, {"1.5G", 1536ULL << 20}, {"6G", 6ULL << 30},
		{"63M", 0}, {"6.1G", 0}, {"", 0}, {"G", 0}, {"-1G", 0}, {"512", 0}, {"1X", 0},
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
	/* A small host: the default leaves it something. */
	take_welcome(&m, 900 << 20, 8);
	assert_int_equal(plan_memory(&m), 512 << 20);
	take_welcome(&m, 10 << 20, 8);
	assert_int_equal(plan_memory(&m), VM_MIN_MEMORY);
	model_free(&m);
}

static void test_outbox(void **state)
{
	static uint8_t body[4096], got[65536];
	struct outbox outbox;
	uint32_t type;
	int pair[2], rc = 0, sent = 0, received = 0;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair), 0);
	outbox_init(&outbox);
	/* Fill the socket, then the outbox, until it refuses. */
	while (rc == 0) {
		memcpy(body, &sent, sizeof(sent));
		rc = outbox_send(&outbox, pair[0], 9, body, sizeof(body));
		sent += rc == 0;
		assert_true(sent < 10000);
	}
	assert_int_equal(rc, -ENOBUFS);
	assert_false(outbox_empty(&outbox));
	assert_true(outbox.bytes <= OUTBOX_MAX_BYTES);
	/* Everything that was taken arrives, in order. */
	while (received < sent) {
		int n;

		assert_int_equal(outbox_flush(&outbox, pair[0]), 0);
		rc = proto_recv(pair[1], &type, got, sizeof(got), NULL, 0, NULL);
		assert_int_equal(rc, sizeof(body));
		memcpy(&n, got, sizeof(n));
		assert_int_equal(n, received);
		received++;
	}
	assert_true(outbox_empty(&outbox));
	close(pair[1]);
	assert_int_equal(outbox_send(&outbox, pair[0], 9, body, 4), -EPIPE);
	outbox_free(&outbox);
	close(pair[0]);
}

/* What may be put on a terminal. */
static void test_safe_characters(void **state)
{
	static const uint32_t never[] = {0, 7, 0x1B, 0x7F, 0x80, 0x9B, 0x200E, 0x202E, 0x2066, 0xFEFF,
					 0x110000, 0xFFFFFFFF};

	(void)state;
	for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++) {
		assert_int_equal(draw_safe_char(never[i], true), '?');
		assert_int_equal(draw_safe_char(never[i], false), '?');
	}
	assert_int_equal(draw_safe_char('A', false), 'A');
	assert_int_equal(draw_safe_char(0x2500, false), '-');
	assert_int_equal(draw_safe_char(0x2551, false), '|');
	assert_int_equal(draw_safe_char(0x2554, false), '+');
	assert_int_equal(draw_safe_char(0x2588, false), '#');
	for (uint32_t ch = 0; ch < 0x3000; ch++) {
		uint32_t safe = draw_safe_char(ch, false);

		assert_true(safe >= 0x20 && safe < 0x7F);
	}
}

static void test_wrap(void **state)
{
	(void)state;
	assert_int_equal(wrap_line("", 10), 0);
	assert_int_equal(wrap_line("short", 10), 5);
	assert_int_equal(wrap_line("one two three", 9), 7);
	/* The blank after a word that just fits is not needed. */
	assert_int_equal(wrap_line("one two three", 7), 7);
	assert_int_equal(wrap_line("unbreakable", 4), 4);
	/* Columns, not bytes: six characters of two bytes each. */
	assert_int_equal(wrap_line("\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4", 5), 10);
	/* A row narrower than a character still gets on. */
	assert_int_equal(wrap_line("ab", 0), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lists_come_in_parts),
		cmocka_unit_test(test_malformed_messages),
		cmocka_unit_test(test_entries_and_nics),
		cmocka_unit_test(test_random_messages),
		cmocka_unit_test(test_run_time),
		cmocka_unit_test(test_rows_group_by_disk),
		cmocka_unit_test(test_rows_empty_states),
		cmocka_unit_test(test_plan_defaults_are_safe),
		cmocka_unit_test(test_plan_attaches_no_image_unasked),
		cmocka_unit_test(test_plan_choice_is_for_one_disk),
		cmocka_unit_test(test_plan_choice_that_became_impossible),
		cmocka_unit_test(test_plan_config),
		cmocka_unit_test(test_plan_too_many_disks),
		cmocka_unit_test(test_plan_values),
		cmocka_unit_test(test_outbox),
		cmocka_unit_test(test_safe_characters),
		cmocka_unit_test(test_wrap),
	};

	return cmocka_run_group_tests_name("ui_model", tests, NULL, NULL);
}
