/*
 * The menu's entries, pickers and countdown as an operator has them, and every screen in colour and without: the real
 * program under a pseudo-terminal.
 */
#include "test.h"

#include "menu_keys.h"
#include "menu_session.h"

/* What an operator must see of TEXT beside its letters. */
enum look { LOOK_PLAIN, LOOK_SELECTED, LOOK_BAD, LOOK_STRONG };

static void assert_look(struct session *s, const char *text, enum look look, bool colour)
{
	VTermScreenCell cell;

	session_settle(s);
	cell = session_cell(s, text);
	switch (look) {
	case LOOK_SELECTED:
		/* Reverse, or black on cyan. */
		assert_true(colour ? VTERM_COLOR_IS_INDEXED(&cell.bg) && cell.bg.indexed.idx == 6
				   : cell.attrs.reverse);
		break;
	case LOOK_BAD:
		assert_true(cell.attrs.bold);
		assert_true(!colour || (VTERM_COLOR_IS_INDEXED(&cell.fg) && cell.fg.indexed.idx == 1));
		break;
	case LOOK_STRONG: assert_true(cell.attrs.bold); break;
	default: assert_false(cell.attrs.reverse || cell.attrs.bold); break;
	}
}

/* ---- every screen, at every size, in colour and without ---- */

static void look_at_main(struct session *s, bool colour)
{
	session_wait(s, "6 entries");
	session_wait(s, "Samsung SSD");
	session_wait(s, "default");
	session_wait(s, "failed 2x");
	session_wait(s, "[No disk]");
	session_wait(s, s->cols > 60 ? "Enter starts Debian GNU/Linux 12: /boot/CLOUDHV.fd of /dev/nvme0n1p2 (ok)"
				     : "Enter starts CLOUDHV.fd of nvme0n1p2 (ok)");
	session_wait(s, "disks: nvme0n1 read-write");
	session_wait(s, "4G of 6G free");
	session_wait(s, s->cols > 60 ? "4 of 8 CPUs" : "4/8 CPUs");
	session_wait(s, "net: none");
	/* A narrow row has no room for what there is none of. */
	session_wait(s, s->cols < 80 ? "variables kept  net: none" : "pci: none");
	session_wait(s, "Enter start  e edit");
	assert_look(s, "Debian GNU", LOOK_SELECTED, colour);
	assert_look(s, "Debian (no", LOOK_STRONG, colour);
	assert_look(s, "failed 2x", LOOK_BAD, colour);
	assert_look(s, "-- sda in use by host", LOOK_BAD, colour);
}

static void look_at_editor(struct session *s, bool colour)
{
	session_keys(s, "e");
	session_wait(s, "Entry debian");
	session_wait(s, "[ Start ]");
	session_wait(s, "/boot/CLOUDHV.fd of /dev/n");
	session_wait(s, "Starts it as it stands");
	assert_look(s, "[ Start ]", LOOK_SELECTED, colour);
	assert_look(s, "[ Save ]", LOOK_STRONG, colour);
	go_down(s, MEMORY);
	session_wait(s, "6G of 16G free");
	session_keys(s, CTRL_U "8G");
	session_wait(s, "6G free, 8G asked: will");
	session_wait(s, "Entry debian *");
	session_keys(s, CTRL_U "32G");
	session_wait(s, "32G asked, this host");
	go_down(s, 1);
	session_wait(s, "! Memory");
	assert_look(s, "32G ", LOOK_BAD, colour);
	go_down(s, TRIES - CPUS);
	session_wait(s, "Tries");
	session_keys(s, "\033");
	session_wait(s, "forget it?");
	session_keys(s, "y");
	session_wait(s, "6 entries");
}

static void look_at_pickers(struct session *s, bool colour)
{
	session_keys(s, "s");
	session_wait(s, "Disks for starts");
	session_wait(s, "read-write  NVMe   nvme0n1");
	session_wait(s, "nvme0n1p2");
	session_wait(s, "LUKS - can be");
	session_wait(s, "no answer for 10 s");
	session_wait(s, "read-write: the guest can change this disk");
	assert_look(s, "read-write  NVMe", LOOK_SELECTED, colour);
	assert_look(s, "no answer for", LOOK_BAD, colour);
	session_keys(s, LEFT);
	session_wait(s, "6 entries");
	session_keys(s, "f");
	session_wait(s, "version edk2-2026.08");
	session_wait(s, "sha256 0123456789ab");
	assert_look(s, "CLOUDHV.fd", LOOK_SELECTED, colour);
	session_keys(s, END);
	session_wait(s, "Cannot be started: It is a flash image");
	session_keys(s, "q");
	session_wait(s, "6 entries");
	session_keys(s, "e");
	session_wait(s, "[ Start ]");
	go_down(s, NETS);
	session_keys(s, "\r");
	session_wait(s, "Network of Debian");
	session_wait(s, "br0");
	session_wait(s, "It belongs to br0: take that instead.");
	assert_look(s, "eth0", LOOK_SELECTED, colour);
	session_keys(s, "qq");
	session_wait(s, "6 entries");
}

static void look_at_checklist(struct session *s, bool colour)
{
	session_keys(s, HOME "/windows");
	session_wait(s, "Only rows with: windows");
	session_keys(s, "\r" END "\r");
	session_wait(s, "Before Windows (EFI) starts");
	session_wait(s, "ok  KVM");
	session_wait(s, "ok  Memory");
	session_wait(s, "ok  Firmware");
	session_wait(s, "sda1 is mounted on /data by this host");
	session_wait(s, "It will not start like this; it will with o or r.");
	session_wait(s, "o start with overlay");
	assert_look(s, "!!  sda", LOOK_SELECTED, colour);
	session_keys(s, "q");
	session_wait(s, "Only rows with: windows   (Esc shows all)");
	session_keys(s, "\033");
	session_wait(s, "6 entries");
}

static void look_at_pci(struct session *s)
{
	session_keys(s, "p");
	session_wait(s, "IOMMU group 1");
	session_wait(s, "00:02.0 VGA controller");
	session_wait(s, "in use");
	session_wait(s, "this is the console GPU: you will lose VGA");
	session_keys(s, " ");
	session_wait(s, "An entry gives devices to its guest");
	session_keys(s, LEFT);
	session_wait(s, "6 entries");
}

static void look_at_settings(struct session *s, bool colour)
{
	session_keys(s, "c");
	session_wait(s, "[ Save ]");
	session_wait(s, "< default >");
	session_wait(s, "store: /etc/vmboot");
	assert_look(s, "[ Save ]", LOOK_SELECTED, colour);
	go_down(s, 3);
	session_wait(s, "The default entry starts");
	assert_look(s, "< 10 s >", LOOK_SELECTED, colour);
	session_keys(s, "q");
	session_wait(s, "6 entries");
	session_keys(s, "\033OQ");
	session_wait(s, "store: /etc/vmboot");
	session_keys(s, "q");
	session_wait(s, "6 entries");
}

static void test_every_screen(void **state)
{
	static const int sizes[][2] = {{24, 80}, {20, 60}, {43, 132}};
	static const char *const terms[] = {"xterm-256color", "vt220"};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		for (size_t k = 0; k < 2; k++) {
			const struct session_options o = {
				.term = terms[k], .rows = sizes[i][0], .cols = sizes[i][1]};
			struct session *s = session_open(FAKE_ENTRIES, &o);

			look_at_main(s, k == 0);
			look_at_editor(s, k == 0);
			look_at_pickers(s, k == 0);
			look_at_settings(s, k == 0);
			look_at_pci(s);
			look_at_checklist(s, k == 0);
			assert_int_equal(s->daemon.seen->start, 0);
			session_leave(s);
		}
	}
}

/* ---- the main list ---- */

static void test_entry_keys(void **state)
{
	struct session *s = session_open_main(FAKE_ENTRIES);

	(void)state;
	session_wait(s, "default");
	/* The default moves, and is taken back. */
	session_keys(s, DOWN "d");
	session_wait(s, "default  \n    CLOUDHV.fd");
	session_keys(s, "o");
	session_wait(s, "4cpu             next start");
	session_keys(s, "o");
	session_wait_gone(s, "4cpu             next start");
	session_keys(s, "R");
	session_wait(s, "New title:");
	session_keys(s, CTRL_U " \rNever writes q \r");
	session_wait(s, "Enter starts Never writes q:");
	session_keys(s, "y");
	session_wait(s, "Never writes q (copy)");
	session_keys(s, "\r");
	session_wait(s, "7 entries");
	/* Delete asks, and anything but y is no. */
	session_keys(s, "D");
	session_wait(s, "The entry \"Never writes q\"");
	session_wait(s, "(/etc/vmboot/entries/debian-ro.conf) will be gone.");
	session_keys(s, "\r");
	session_wait_gone(s, "will be gone");
	session_keys(s, "\033[3~");
	session_wait(s, "will be gone");
	session_keys(s, "n");
	session_wait_gone(s, "will be gone");
	assert_int_equal(s->daemon.seen->deleted, 0);
	session_keys(s, "Dy");
	session_wait(s, "6 entries");
	assert_int_equal(s->daemon.seen->deleted, 1);
	/* They are about entries only. */
	session_keys(s, HOME "D");
	session_wait(s, "Select an entry first");
	assert_int_equal(s->daemon.seen->start, 0);
	session_leave(s);
}

static void test_entry_starts_by_its_id(void **state)
{
	struct session *s = session_open_main(FAKE_ENTRIES);

	(void)state;
	session_wait(s, "Enter starts Debian GNU/Linux 12:");
	/* Blanks and digits start nothing; 2 goes to the second row that can be started. */
	session_keys(s, "  2");
	session_wait(s, "Enter starts Debian (no writes):");
	session_wait(s, "disks: nvme0n1 overlay");
	assert_int_equal(s->daemon.seen->start, 0);
	session_keys(s, "1\r");
	session_wait(s, "Shell>");
	assert_string_equal(s->daemon.seen->started_id, "debian");
	session_close(s);
}

/* Started without an entry: the disk under the cursor alone. */
static void test_disk_starts_alone(void **state)
{
	struct session *s = session_open_main(FAKE_ENTRIES);
	const struct vm_config *config = &s->daemon.seen->config;

	(void)state;
	session_keys(s, HOME);
	session_wait(s, "Enter starts it alone");
	session_keys(s, "\r");
	session_wait(s, "Choose firmware");
	session_keys(s, "\r");
	session_wait(s, "Shell>");
	assert_string_equal(s->daemon.seen->started_id, "");
	assert_int_equal(config->disk_count, 1);
	assert_string_equal(config->disks[0].path, "/dev/nvme0n1");
	assert_string_equal(config->firmware_path, "/boot/CLOUDHV.fd");
	session_close(s);
}

/* A disk that comes or goes never moves the operator to another row. */
static void test_cursor_stays_on_its_row(void **state)
{
	struct session *s = session_open_main(FAKE_PLUG);

	(void)state;
	session_wait(s, "Enter starts Debian GNU/Linux 12:");
	session_keys(s, "r");
	session_wait(s, "Just plugged in");
	session_wait(s, "Enter starts Debian GNU/Linux 12:");
	session_keys(s, DOWN DOWN DOWN DOWN);
	session_wait(s, "Enter starts Windows (EFI):");
	session_keys(s, "r");
	session_wait_gone(s, "Just plugged in");
	session_wait(s, "Enter starts Windows (EFI):");
	assert_look(s, "Windows (EFI)", LOOK_SELECTED, true);
	/* The row under the cursor itself goes: the cursor stays near, on a row. */
	session_keys(s, "r");
	session_wait(s, "Just plugged in");
	session_keys(s, HOME);
	session_wait(s, "/dev/aoe0");
	session_keys(s, "r");
	session_wait_gone(s, "Just plugged in");
	session_wait(s, "/dev/nvme0n1  Samsung");
	assert_int_equal(s->daemon.seen->start, 0);
	session_leave(s);
}

static void test_filter(void **state)
{
	struct session *s = session_open_main(FAKE_ENTRIES);

	(void)state;
	/* Letters and digits are text while they are typed: no command, no move. */
	session_keys(s, "/qDe1");
	session_wait(s, "Only rows with: qDe1");
	session_wait(s, "No row has these words.");
	session_keys(s, CTRL_U "DEBIAN writes\r");
	session_wait_gone(s, "Windows");
	session_wait(s, "Debian (no writes)");
	assert_false(session_shows(s, "Debian GNU"));
	assert_true(session_shows(s, "Samsung SSD 980"));
	/* The cursor stands on what is left, and Enter starts just that. */
	session_keys(s, END "\r");
	session_wait(s, "Shell>");
	assert_string_equal(s->daemon.seen->started_id, "debian-ro");
	session_close(s);
	/* A hundred disks, or nearly. */
	s = session_open_main(FAKE_MANY);
	session_keys(s, "s/vd57\r");
	session_wait(s, "/dev/vd57");
	assert_false(session_shows(s, "vd56"));
	session_keys(s, " ");
	session_wait(s, "read-only: the guest sees it");
	session_keys(s, "\033");
	session_wait_gone(s, "Only rows with");
	session_wait(s, "/dev/vd57");
	session_keys(s, "q");
	session_wait(s, "60 disks");
	session_leave(s);
}

static void test_scanning_is_named(void **state)
{
	struct session *s = session_open_main(FAKE_NORMAL);

	(void)state;
	session_leave(s);
	s = session_open(FAKE_SCANNING, &plain);
	session_wait(s, "still scanning sdc (4 s)");
	session_wait(s, "still scanning sdc (5 s)");
	session_wait(s, "scanning (");
	/* It blocks nobody. */
	session_keys(s, HOME "\tj");
	session_wait(s, "/dev/sda");
	/* And it can be given up. */
	session_wait(s, "Esc ends the scan");
	session_keys(s, "\033");
	session_wait(s, "the scan was cancelled, r");
	session_wait_gone(s, "still scanning");
	session_wait_count(s, scan_cancel, 1);
	session_leave(s);
}

/* ---- before and while it starts ---- */

static void test_start_can_be_cancelled(void **state)
{
	struct session *s = session_open_main(FAKE_SLOW);

	(void)state;
	session_keys(s, "\r");
	session_wait(s, "Starting Debian GNU/Linux 12: its firmware is read (0 s)   Esc cancels");
	session_wait(s, "is read (1 s)");
	session_keys(s, "\033");
	session_wait(s, "The start was cancelled.");
	session_wait_count(s, kill, 1);
	session_close(s);
}

/* ---- the countdown ---- */

static void test_countdown(void **state)
{
	static const char noise[] = "\033[26~\033[?1;2c\033[24;80R\033]0;\r\033\\\014";
	struct session *s = session_open(FAKE_COUNTDOWN, &plain);

	(void)state;
	session_wait(s, "Starting Debian GNU/Linux 12 in 90 s - any key to wait");
	session_wait(s, "in 89 s");
	/* What the decoder does not know, and ^L, are no key. */
	session_send(s, noise, sizeof(noise) - 1);
	session_wait(s, "in 88 s");
	assert_int_equal(s->daemon.seen->pause, 0);
	/* A letter stops it, and is no command: the e of a scripted "exit" opens no editor. */
	session_keys(s, "e");
	session_wait(s, "it starts by itself after 30 s without a key");
	session_wait_count(s, pause, 1);
	assert_false(session_shows(s, "[ Start ]"));
	session_keys(s, "e");
	session_wait(s, "[ Start ]");
	session_wait_count(s, pause, 2);
	session_keys(s, "q");
	session_leave(s);
	/* Enter does not wait any longer. */
	s = session_open(FAKE_COUNTDOWN, &plain);
	session_wait(s, "in 90 s");
	session_keys(s, "\r");
	session_wait(s, "Shell>");
	assert_string_equal(s->daemon.seen->started_id, "debian");
	session_close(s);
}

/* Another entry than the default: why is told. */
static void test_countdown_of_another(void **state)
{
	struct session *s;

	(void)state;
	setenv("FAKE_INSTEAD", "Old cannot start", 1);
	s = session_open(FAKE_COUNTDOWN, &plain);
	session_wait(s, "Starting Debian GNU/Linux 12 in 90 s - any key to wait   (Old cannot start)");
	session_keys(s, " ");
	session_wait(s, "after 30 s without a key   (O");
	unsetenv("FAKE_INSTEAD");
	session_leave(s);
}

/* A guest has switched itself off and the machine is to follow: every key but ^L is a no, and nothing else. */
static void test_power_countdown(void **state)
{
	struct session *s;

	(void)state;
	setenv("FAKE_FOLLOW", "1", 1);
	s = session_open(FAKE_COUNTDOWN, &plain);
	unsetenv("FAKE_FOLLOW");
	session_wait(s, "Switching off in 90 s - any key to stay on   (Debian GNU/Linux 12 has ended)");
	session_wait(s, "in 89 s");
	session_keys(s, "\014");
	session_wait(s, "in 88 s");
	assert_int_equal(s->daemon.seen->pause, 0);
	session_keys(s, "\r");
	session_wait(s, "This machine stays on.");
	session_wait_count(s, pause, 1);
	session_settle(s);
	assert_int_equal(s->daemon.seen->start, 0);
	session_leave(s);
}

static void test_hidden_menu(void **state)
{
	struct session *s;

	(void)state;
	setenv("FAKE_HIDDEN", "1", 1);
	s = session_open(FAKE_COUNTDOWN, &plain);
	unsetenv("FAKE_HIDDEN");
	session_wait(s, "any key for the menu");
	session_settle(s);
	assert_false(session_shows(s, "nvme0n1"));
	session_keys(s, "x");
	session_wait(s, "Enter starts Debian GNU/Linux 12:");
	session_leave(s);
}

static void test_empty_states(void **state)
{
	struct session *s = session_open_main(FAKE_EMPTY);

	(void)state;
	session_wait(s, "No disks found. Looked at: nvme, sata, scsi, usb, virtio");
	session_wait(s, "(0 of 2 controllers bound). r rescan, ! shell, i hardware.");
	session_keys(s, "s");
	session_wait(s, "Disks for starts");
	session_wait(s, "No disks found. Looked at: nvme, sata, scsi, usb, virtio");
	session_keys(s, " zq");
	session_wait_gone(s, "Disks for starts");
	session_keys(s, "f");
	session_wait(s, "No firmware found on XFS, ext4 and FAT partitions");
	session_keys(s, "q");
	session_wait(s, "0 disks");
	session_keys(s, "n");
	session_wait(s, "No firmware is chosen");
	go_down(s, NETS);
	session_keys(s, "\r");
	session_wait(s, "This host has no network interface but the loopback.");
	session_keys(s, "qq");
	session_wait(s, "0 disks");
	session_keys(s, "p");
	session_wait(s, "No IOMMU (check VT-d/AMD-Vi in firmware, intel_iommu=on): passthrough");
	session_keys(s, "q");
	session_wait(s, "0 disks");
	session_keys(s, "c");
	session_wait(s, "store: none found, running on defaults");
	session_wait(s, "2 lines of the settings were not understood");
	session_keys(s, "q");
	session_leave(s);
}

/* Every screen is laid out anew, whatever sizes came between. */
static void test_resize_storm(void **state)
{
	static const char *const ways[] = {"", "e", "s", "f", "c", "e" DOWN DOWN DOWN DOWN DOWN DOWN " ",
					   "/deb", "R", "D"};
	static char want[60000];

	(void)state;
	srandom(43);
	for (size_t way = 0; way < sizeof(ways) / sizeof(ways[0]); way++) {
		struct session *s = session_open_main(FAKE_ENTRIES);

		session_wait(s, "6 entries");
		session_keys(s, ways[way]);
		session_idle(s, 300);
		session_settle(s);
		strcpy(want, session_text(s));
		for (int i = 0; i < 40; i++) {
			session_resize(s, 1 + (int)(random() % 60), 1 + (int)(random() % 160));
			session_read(s, (int)(random() % 8));
		}
		session_resize(s, 24, 80);
		/* A busy machine may come to it late. */
		for (int i = 0; i < 60 && strcmp(session_text(s), want) != 0; i++)
			session_idle(s, 500);
		if (strcmp(session_text(s), want) != 0) {
			fprintf(stderr, "%s\n%s\n", want, session_text(s));
			fail_msg("way %zu: the picture is not what it was", way);
		}
		session_close(s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_screen),
		cmocka_unit_test(test_entry_keys),
		cmocka_unit_test(test_entry_starts_by_its_id),
		cmocka_unit_test(test_disk_starts_alone),
		cmocka_unit_test(test_cursor_stays_on_its_row),
		cmocka_unit_test(test_filter),
		cmocka_unit_test(test_scanning_is_named),
		cmocka_unit_test(test_start_can_be_cancelled),
		cmocka_unit_test(test_countdown),
		cmocka_unit_test(test_countdown_of_another),
		cmocka_unit_test(test_power_countdown),
		cmocka_unit_test(test_hidden_menu),
		cmocka_unit_test(test_empty_states),
		cmocka_unit_test(test_resize_storm),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("ui_entries", tests, NULL, NULL);
}
