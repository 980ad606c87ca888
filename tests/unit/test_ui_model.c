/* What the menu knows, without a screen. */
#include "model_fixture.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ui/draw.h"
#include "ui/frame.h"
#include "ui/outbox.h"
#include "ui/rows.h"
#include "ui/wrap.h"

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
	/* Before anything is known nothing is said to be missing. */
	assert_true(model_is_looking(&m));
	assert_int_equal(rows_build_firmware(&rows, &m, NULL), 0);
	assert_string_equal(rows.row[0].text, "Waiting for device discovery ...");
	assert_int_equal(rows_build_disks(&rows, &m, NULL), 0);
	assert_string_equal(rows.row[0].text, "Waiting for device discovery ...");
	take_welcome(&m, 1ULL << 30, 1);
	take_devices(&m, NULL, 0);
	assert_true(model_is_looking(&m));
	take_firmwares(&m, NULL, 0);
	assert_false(model_is_looking(&m));
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
	/* A line may end before the row is full, and be empty. */
	assert_int_equal(wrap_line("one\ntwo", 10), 3);
	assert_int_equal(wrap_line("\ntwo", 10), 0);
	assert_int_equal(wrap_rows("one\ntwo three\n\nfour", 5, 9), 5);
	assert_int_equal(wrap_rows("one two three", 5, 2), 2);
	assert_int_equal(wrap_rows("", 5, 2), 0);
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
		cmocka_unit_test(test_outbox),
		cmocka_unit_test(test_safe_characters),
		cmocka_unit_test(test_wrap),
	};

	return cmocka_run_group_tests_name("ui_model", tests, NULL, NULL);
}
