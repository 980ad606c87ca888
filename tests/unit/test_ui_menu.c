/* The menu as an operator has it: the real program, a pseudo-terminal, a scripted daemon. */
#include "test.h"

#include "menu_session.h"

/* One walk through every screen. */
static void walk(const struct session_options *o)
{
	struct session *s = session_open(FAKE_NORMAL, o);

	session_wait(s, "x86-64 KVM ok");
	session_wait(s, "Enter starts /boot/CLOUDHV.fd of /dev/nvme0n1p2");
	session_wait(s, "disks: nvme0n1 read-write, sdb read-only");
	session_wait(s, "in use: mounted on /data");
	/* A note about the terminal stands there until the first key. */
	session_keys(s, "\014");
	session_wait(s, "5 disks, 3 firmware images");
	session_keys(s, "?");
	session_wait(s, "start what is under the cursor");
	session_keys(s, "q");
	session_wait_gone(s, "start what is under the cursor");
	session_keys(s, "e");
	session_wait(s, "[ Start ]");
	session_wait(s, "Memory");
	session_keys(s, "q");
	session_wait_gone(s, "[ Start ]");
	session_keys(s, "\r");
	session_wait(s, "Shell>");
	session_wait(s, "running 00:00:0");
	session_keys(s, "hi");
	session_wait(s, "Shell> hi");
	session_keys(s, "\035");
	session_wait(s, "^]: . menu  ? help  k kill");
	session_keys(s, ".");
	/* The cursor waits on the VM's line. */
	session_wait(s, "- Enter: console");
	session_keys(s, "\r");
	session_wait(s, "Shell> hi");
	session_keys(s, "\004");
	session_wait(s, "The guest switched itself off.");
	session_wait(s, "Shell> hi");
	session_wait(s, "resets 0");
	session_keys(s, "m");
	session_wait(s, "5 disks, 3 firmware images");
	session_wait(s, "Enter starts /boot/CLOUDHV.fd of /dev/nvme0n1p2");
	session_keys(s, "!");
	session_wait(s, "Type exit to return to the menu");
	session_keys(s, "stty -a | grep -c ' echo '; exit 3\n");
	session_wait(s, "returned from shell (exit 3)");
	session_leave(s);
}

static void test_every_size_and_terminal(void **state)
{
	static const char *const terms[] = {"vt100", "xterm-256color", "dumb", "linux",
					    "vt220", "screen",	       "tmux"};

	(void)state;
	for (size_t k = 0; k < sizeof(terms) / sizeof(terms[0]); k++) {
		walk(&(struct session_options){.term = terms[k], .rows = 24, .cols = 80});
		/* Those that differ most, at the smallest and a large size, too. */
		for (int i = 0; i < 2 && k < 3; i++)
			walk(&(struct session_options){
				.term = terms[k], .rows = i ? 43 : 20, .cols = i ? 132 : 60});
	}
}

static void test_too_small(void **state)
{
	struct session *s = session_open(FAKE_NORMAL, &(struct session_options){
							      .term = "linux", .rows = 19, .cols = 59});

	(void)state;
	session_wait(s, "terminal too small, 60 x 20 needed, is 59 x 19");
	/* Nothing is visible, so nothing happens. */
	session_keys(s, "\r e!\r");
	session_idle(s, 300);
	assert_int_equal(s->daemon.seen->start, 0);
	assert_false(session_shows(s, "recovery"));
	session_resize(s, 24, 80);
	session_wait(s, "Enter starts /boot/CLOUDHV.fd");
	session_resize(s, 3, 9);
	session_wait(s, "termina");
	session_resize(s, 1, 1);
	session_idle(s, 100);
	session_resize(s, 20, 60);
	session_wait(s, "Enter starts /boot/CLOUDHV.fd");
	session_resize(s, 10, 30);
	session_wait(s, "terminal too small");
	session_leave(s);
}

/* Noise on a serial line: digits, blanks, replies of terminals, unknown keys. */
static void test_noise_starts_nothing(void **state)
{
	static const char noise[] = "   123456789\033[26~\033[?1;2c\033[24;80R\033]0;\r\033\\\033\r\033q"
				    "\xFF\xFE\033[M\033Or\033[200~\x01\x02\x7F";
	struct session *s = session_open_main(FAKE_NORMAL);

	(void)state;
	session_send(s, noise, sizeof(noise) - 1);
	session_idle(s, 500);
	assert_int_equal(s->daemon.seen->start, 0);
	assert_true(session_shows(s, "? help"));
	session_leave(s);
}

static void test_space_attaches_and_detaches(void **state)
{
	struct session *s = session_open_main(FAKE_NORMAL);

	(void)state;
	session_keys(s, "\033[H");
	session_wait(s, "read-write: the guest can change this disk");
	session_keys(s, " ");
	session_wait(s, "off: the guest does not see it");
	session_keys(s, "\t");
	session_wait(s, "disks: sdb read-only");
	/* sda is in use: attached read-only at most. */
	session_keys(s, "\033[Hjj");
	session_wait(s, "/dev/sda  WDC");
	session_keys(s, " ");
	session_wait(s, "read-only, mounted on");
	session_keys(s, " ");
	session_wait(s, "Not read-write.");
	/* sdc is broken, sr0 empty. */
	session_keys(s, "jj ");
	session_wait(s, "sdc cannot be attached: no answer for 10 s");
	session_keys(s, "j ");
	session_wait(s, "sr0 cannot be attached: no medium in it.");
	assert_int_equal(s->daemon.seen->start, 0);
	session_leave(s);
}

static void test_refusal_is_a_dialog(void **state)
{
	struct session *s = session_open_main(FAKE_REFUSE);

	(void)state;
	session_keys(s, "\r");
	session_wait(s, "Not started");
	session_wait(s, "/dev/sda is mounted on / by this host.");
	session_keys(s, "\r");
	session_wait_gone(s, "is mounted on / by this host");
	session_leave(s);
}

static void test_unusable_firmware_says_why(void **state)
{
	struct session *s = session_open_main(FAKE_NORMAL);

	(void)state;
	session_keys(s, "\033[F");
	session_wait(s, "Cannot be started: It is a flash image");
	session_keys(s, "\r");
	session_wait(s, "OVMF_CODE_4M.fd cannot be started: It is a flash image, which");
	assert_int_equal(s->daemon.seen->start, 0);
	session_keys(s, "\r");
	session_leave(s);
}

static void test_empty_and_no_kvm(void **state)
{
	struct session *s = session_open_main(FAKE_EMPTY);

	(void)state;
	session_wait(s, "No disks found. Looked at: nvme, sata, scsi, usb, virtio");
	session_wait(s, "No firmware found");
	session_keys(s, "\r e");
	session_idle(s, 200);
	assert_int_equal(s->daemon.seen->start, 0);
	session_keys(s, "r");
	session_wait_count(s, rescan, 1);
	session_leave(s);
	s = session_open_main(FAKE_NO_KVM);
	session_wait(s, "no KVM!");
	session_wait(s, "/dev/kvm missing. CPU has no vmx/svm flag.");
	session_leave(s);
}

/* The row in which the last column is MARK, -1: none. */
static int row_of_mark(struct session *s, uint32_t mark)
{
	int row = s->rows - 1;

	session_settle(s);
	while (row >= 0 && session_char(s, row, s->cols - 1) != mark)
		row--;
	return row;
}

static void test_many_disks(void **state)
{
	struct session *s = session_open_main(FAKE_MANY);

	(void)state;
	/* The cursor waits on the one firmware, among 60 disks. */
	session_wait(s, "More than 24 disks are attached, which is the limit.");
	session_keys(s, "\033[F");
	session_wait(s, "/dev/vd59");
	/* That there is more, above or below, stands in the first or last of the 15 rows. */
	assert_int_equal(row_of_mark(s, 0x25B2), 2);
	assert_int_equal(row_of_mark(s, 0x25BC), -1);
	session_keys(s, "\033[H");
	session_wait(s, "vd0 ");
	assert_int_equal(row_of_mark(s, 0x25B2), -1);
	assert_int_equal(row_of_mark(s, 0x25BC), 16);
	session_keys(s, "\t\r");
	session_wait(s, "More than 24 disks are attached");
	assert_int_equal(s->daemon.seen->start, 0);
	session_keys(s, "\r");
	session_leave(s);
}

/* Nothing a disk is called, and nothing a guest writes, may act on the operator's terminal. */
static void test_hostile_texts(void **state)
{
	struct session *s = session_open_main(FAKE_HOSTILE);

	(void)state;
	session_wait(s, "EVIL");
	session_keys(s, "\033[Hjjj");
	session_idle(s, 200);
	session_keys(s, "\033[H\t\r");
	session_wait(s, "after");
	session_idle(s, 200);
	assert_false(session_wrote(s, "\033]0;"));
	assert_false(session_wrote(s, "\033P"));
	assert_false(session_wrote(s, "\007"));
	assert_false(session_wrote(s, "\xC2\x9B"));
	assert_false(session_wrote(s, "\xE2\x80\xAE"));
	/* The guest's questions are answered to the guest. */
	session_wait_count(s, open, 1);
	assert_true(s->daemon.seen->input_len > 0);
	assert_non_null(strstr(s->daemon.seen->input, "R"));
	session_keys(s, "\035.");
	session_wait(s, "Enter: console");
	session_close(s);
}

static void test_guest_gets_edk2_keys(void **state)
{
	struct session *s = session_open_main(FAKE_NORMAL);

	(void)state;
	session_keys(s, "\r");
	session_wait(s, "Shell>");
	/* F10, Home, Delete, Backspace (as DEL), Up, a literal prefix key, a character beyond ASCII. */
	session_keys(s, "\033[21~\033[H\033[3~\177\033[A\035\035\xC3\xA4");
	session_wait_count(s, input_len, 2 + 2 + 2 + 1 + 3 + 1 + 2);
	assert_memory_equal(s->daemon.seen->input, "\0330\033h\033-\010\033[A\035\xC3\xA4", 13);
	session_close(s);
}

static void test_prefix_commands(void **state)
{
	struct session *s = session_open_main(FAKE_NORMAL);

	(void)state;
	session_keys(s, "\r");
	session_wait(s, "Shell>");
	/* Kill and reset ask first; anything but y is no. */
	session_keys(s, "\035k");
	session_wait(s, "Kill it?");
	session_keys(s, "n");
	session_wait_gone(s, "Kill it?");
	session_keys(s, "\035r");
	session_wait(s, "Reset it?");
	session_keys(s, "\r");
	session_wait_gone(s, "Reset it?");
	assert_int_equal(s->daemon.seen->kill + s->daemon.seen->reset, 0);
	session_keys(s, "\035r");
	session_wait(s, "Reset it?");
	session_keys(s, "y");
	session_wait_count(s, reset, 1);
	session_keys(s, "\035p");
	session_wait_count(s, power, 1);
	session_keys(s, "\035?");
	session_wait(s, "the menu; the VM goes on");
	session_keys(s, "\r");
	session_keys(s, "\035x");
	session_wait(s, "No such command");
	/* An arrow after the prefix is no command either, and does not reach the guest. */
	session_keys(s, "\035\033[A");
	session_wait(s, "No such command");
	assert_int_equal(s->daemon.seen->input_len, 0);
	/* A pause brings the menu by itself. */
	session_keys(s, "\035");
	session_wait(s, "t transparent");
	session_wait(s, "Enter: console");
	session_keys(s, "\033[H\r\035k");
	session_wait(s, "Kill it?");
	session_keys(s, "y");
	session_wait(s, "Stopped by the operator.");
	assert_int_equal(s->daemon.seen->kill, 1);
	session_keys(s, "\r");
	session_wait_count(s, start, 2);
	session_wait(s, "^] menu");
	assert_int_equal(s->daemon.seen->forget, 1);
	session_keys(s, "\006");
	session_wait(s, "CLOUDHV.fd ended after 00:00:");
	session_wait(s, "triple fault at RIP 0x7fe01234");
	session_keys(s, "m");
	session_wait(s, "5 disks");
	session_leave(s);
}

static void test_one_vm_at_a_time_and_quit_asks(void **state)
{
	struct session *s = session_open_main(FAKE_NORMAL);

	(void)state;
	session_keys(s, "\r");
	session_wait(s, "Shell>");
	session_keys(s, "\035.");
	session_wait(s, "Enter: console");
	session_wait(s, "in the VM, read-write");
	session_keys(s, "\t");
	session_wait(s, "CLOUDHV.fd is running: one VM at a time.");
	session_keys(s, "\r");
	session_wait(s, "End it first (Enter on its line");
	session_keys(s, "e");
	session_wait(s, "[ Start ]");
	session_keys(s, "\033[21~");
	session_wait(s, "is running: one VM at a time");
	session_keys(s, "q");
	session_wait_gone(s, "[ Start ]");
	assert_int_equal(s->daemon.seen->start, 1);
	session_keys(s, "q");
	session_wait(s, "It goes on without this menu. Leave?");
	session_keys(s, "n");
	session_wait_gone(s, "Leave?");
	session_keys(s, "q");
	session_wait(s, "Leave?");
	session_keys(s, "y");
	assert_int_equal(session_end(s), 0);
	assert_true(session_tty_restored(s));
	session_close(s);
}

/* The grid of a firmware in 80x50 is taller than the terminal: the view follows the cursor. */
static void test_tall_guest(void **state)
{
	struct session *s = session_open_main(FAKE_SETUP);

	(void)state;
	session_keys(s, "\r");
	/* The part with the cursor, which stands in row 44. */
	session_wait(s, "rows 22-44 of 50");
	session_resize(s, 60, 100);
	session_wait(s, "Boot Maintenance Manager");
	session_wait(s, "^v=Move Highlight");
	session_close(s);
}

/* A guest that writes garbage without end: the prefix key works all the same. */
static void test_flood(void **state)
{
	struct session *s = session_open_main(FAKE_FLOOD);
	uint64_t start;

	(void)state;
	session_keys(s, "\r");
	session_wait(s, "^] menu");
	session_idle(s, 2000);
	start = loop_now_ms();
	session_keys(s, "\035.");
	session_wait(s, "Enter: console");
	assert_true(loop_now_ms() - start < 5000);
	assert_false(session_wrote(s, "\033]"));
	assert_false(session_wrote(s, "\033P"));
	session_close(s);
}

/* How often the process has called write(2); 0 where the kernel does not count. */
static unsigned long count_writes(pid_t pid)
{
	char path[64], line[64];
	unsigned long writes = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/io", (int)pid);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		sscanf(line, "syscw: %lu", &writes);
	if (f)
		fclose(f);
	return writes;
}

/* Whatever a guest writes, the screen is painted 30 times a second at most, and on a slow line 5 times. */
static void test_painted_so_often_at_most(void **state)
{
	static const struct {
		enum fake_scene scene;
		struct session_options o;
		unsigned long rate;
	} all[] = {
		{FAKE_TICKS, {.term = "xterm", .rows = 24, .cols = 80}, 30},
		{FAKE_LINE, {.term = "xterm", .rows = 33, .cols = 101}, 5},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		struct session *s = session_open(all[i].scene, &all[i].o);
		unsigned long before, writes;
		uint64_t start;

		session_wait(s, "Enter starts /boot/CLOUDHV.fd");
		session_keys(s, "\r");
		session_wait(s, "tick ");
		before = count_writes(s->pid);
		if (before == 0) {
			print_message("skipped: this kernel does not count writes (/proc/PID/io)\n");
			session_close(s);
			skip();
		}
		start = loop_now_ms();
		session_idle(s, 2500);
		writes = count_writes(s->pid) - before;
		/* Curses makes two of a painting: where the cursor goes, and the number. The clock takes a few more a second. */
		if (writes < 4 || writes > 2 * all[i].rate * (loop_now_ms() - start) / 1000 + 20)
			fail_msg("%lu writes", writes);
		session_close(s);
	}
}

static void test_resize_storm(void **state)
{
	struct session *s = session_open_main(FAKE_NORMAL);
	static char want[60000];

	(void)state;
	session_wait(s, "5 disks, 3 firmware");
	strcpy(want, session_text(s));
	srandom(41);
	for (int round = 0; round < 4; round++) {
		for (int i = 0; i < 60; i++) {
			session_resize(s, 1 + (int)(random() % 80), 1 + (int)(random() % 200));
			if (i % 10 == 0)
				session_keys(s, round == 1 ? "e" : round == 2 ? "?" : "j");
			session_read(s, (int)(random() % 8));
		}
		session_resize(s, 24, 80);
		session_wait(s, "vmboot 0.1");
		session_keys(s, round ? "\033" : "");
		session_idle(s, 400);
		session_settle(s);
		/* A busy machine may take the keys late. */
		for (int i = 0; i < 20 && (i == 0 || strcmp(session_text(s), want) != 0); i++) {
			session_keys(s, "\033[H\t\014");
			session_settle(s);
		}
		if (strcmp(session_text(s), want) != 0) {
			fprintf(stderr, "%s\n%s\n", want, session_text(s));
			fail_msg("round %d: the picture is not what it was", round);
		}
	}
	session_leave(s);
}

/* Every picture is right without ^L: painting anew changes nothing on the screen. */
static void test_redraw_changes_nothing(void **state)
{
	static const char *const steps[] = {"", "j", "\t", "e", "\033[B\0253G", "\033", "\r", "abc\r", "\035.",
					    "?", "q", "\033[H\r\035."};
	struct session *s = session_open_main(FAKE_SETUP);
	static char before[60000];

	(void)state;
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		session_keys(s, steps[i]);
		session_idle(s, 350);
		session_settle(s);
		strcpy(before, session_text(s));
		/* In the console ^L belongs to the guest, which ignores it: a change of size redraws. */
		session_resize(s, 24, 81);
		session_settle(s);
		session_resize(s, 24, 80);
		session_settle(s);
		/* The run time may have moved on by a second. */
		for (char *a = strstr(before, "00:00:"), *b = strstr(session_text(s), "00:00:"); a && b;
		     a = NULL)
			memcpy(a, b, 8);
		if (strcmp(session_text(s), before) != 0) {
			fprintf(stderr, "%s\n%s\n", before, session_text(s));
			fail_msg("step %zu", i);
		}
	}
	session_close(s);
}

static void test_random_keys(void **state)
{
	static const char *const keys[] = {
		"\033[A", "\033[B", "\033[C", "\033[D", "\033[H", "\033[F", "\033[5~", "\033[6~", "\r",
		" ", "e", "q", "n", "m", "y", "!", "?", "r", "j", "k", "\t", "\033[Z", "\033", "\014", "1",
		"9", "G", "n", "s", "f", "p", "c", "R", "D", "o", "/", "i", "l", "P", "\023", "x", "\177",
		"\025", "\035", ".", "d", "\004", "\006", "\033[21~", "\030", "\xC3\xA4",
		"\033[", "\033O", "\033]", "\xFF",
	};
	static const struct session_options o = {.term = "xterm", .rows = 24, .cols = 80,
						 .env = {"SHELL=/bin/true"}};
	uint64_t end = loop_now_ms() + 8000;
	struct session *s = session_open(FAKE_ENTRIES, &o);

	(void)state;
	session_wait(s, "? help");
	srandom(4711);
	while (loop_now_ms() < end) {
		const char *key = keys[(size_t)random() % (sizeof(keys) / sizeof(keys[0]))];

		session_keys(s, key);
		session_read(s, (int)(random() % 6));
		if (random() % 50 == 0)
			session_resize(s, 15 + (int)(random() % 20), 50 + (int)(random() % 60));
		if (random() % 40 == 0)
			session_idle(s, 350);
		if (waitpid(s->pid, &s->status, WNOHANG) == s->pid) {
			/* It may only have left because it was asked to. */
			assert_int_equal(s->status, 0);
			s->pid = 0;
			assert_true(session_tty_restored(s));
			session_close(s);
			s = session_open(FAKE_ENTRIES, &o);
			/* Before its signal handlers are there a signal would simply end it. */
			session_wait(s, "? help");
		}
	}
	kill(s->pid, SIGTERM);
	session_end(s);
	/* 1, or 0 if the last key had been an answer to "Leave?": not a signal, nor a sanitizer's status. */
	if (!WIFEXITED(s->status) || WEXITSTATUS(s->status) > 1)
		fail_msg("status %x", s->status);
	session_close(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_size_and_terminal),
		cmocka_unit_test(test_too_small),
		cmocka_unit_test(test_noise_starts_nothing),
		cmocka_unit_test(test_space_attaches_and_detaches),
		cmocka_unit_test(test_refusal_is_a_dialog),
		cmocka_unit_test(test_unusable_firmware_says_why),
		cmocka_unit_test(test_empty_and_no_kvm),
		cmocka_unit_test(test_many_disks),
		cmocka_unit_test(test_hostile_texts),
		cmocka_unit_test(test_guest_gets_edk2_keys),
		cmocka_unit_test(test_prefix_commands),
		cmocka_unit_test(test_one_vm_at_a_time_and_quit_asks),
		cmocka_unit_test(test_tall_guest),
		cmocka_unit_test(test_flood),
		cmocka_unit_test(test_painted_so_often_at_most),
		cmocka_unit_test(test_resize_storm),
		cmocka_unit_test(test_redraw_changes_nothing),
		cmocka_unit_test(test_random_keys),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("ui_menu", tests, NULL, NULL);
}
