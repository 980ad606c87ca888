/*
 * What the menu promises of its keys: the key row names those that do something on the row under the cursor, nothing is
 * said to be missing while it is still looked for, nothing typed is forgotten unasked. The real program under a
 * pseudo-terminal.
 */
#include "test.h"

#include "menu_keys.h"
#include "menu_session.h"

/* The key row, two above the last. */
static bool hints_show(struct session *s, const char *text)
{
	char row[256];

	session_settle(s);
	snprintf(row, sizeof(row), "%.*s", s->cols, session_text(s) + (s->rows - 2) * (s->cols + 1));
	return strstr(row, text) != NULL;
}

static void test_space_is_offered_where_it_attaches(void **state)
{
	struct session *s = session_open_main(FAKE_NORMAL);

	(void)state;
	session_keys(s, HOME);
	session_wait(s, "/dev/nvme0n1  Samsung");
	assert_true(hints_show(s, "Space attach"));
	session_keys(s, "1");
	session_wait(s, "Enter starts /boot/CLOUDHV.fd");
	assert_false(hints_show(s, "Space"));
	session_keys(s, " ");
	session_wait(s, "Space attaches a disk, or not, on the disk's line.");
	session_leave(s);
}

static void test_an_empty_list_offers_what_helps(void **state)
{
	struct session *s = session_open_main(FAKE_EMPTY);

	(void)state;
	assert_true(hints_show(s, "r rescan  ! shell  i info"));
	assert_false(hints_show(s, "Enter"));
	session_keys(s, "f");
	session_wait(s, "0 firmware images");
	assert_false(hints_show(s, "Enter"));
	assert_true(hints_show(s, "r rescan"));
	session_keys(s, "q");
	session_wait(s, "No disks found.");
	session_leave(s);
}

/* Each kind of row has another key that changes it. */
static void test_the_editor_says_what_changes_a_row(void **state)
{
	struct session *s = session_open_main(FAKE_ENTRIES);

	(void)state;
	session_keys(s, "e");
	session_wait(s, "Starts it as it stands");
	assert_true(hints_show(s, "Enter do it"));
	go_down(s, TITLE);
	session_wait(s, "What the menu calls it.");
	assert_true(hints_show(s, "^U clear"));
	assert_true(hints_show(s, "Esc back"));
	go_down(s, BOOTS - TITLE);
	session_wait(s, "firmware: UEFI");
	assert_true(hints_show(s, "Left/Right change"));
	go_down(s, FIRMWARE - BOOTS);
	session_wait(s, "The UEFI image");
	assert_true(hints_show(s, "Enter choose"));
	session_keys(s, "q");
	session_wait(s, "6 entries");
	session_leave(s);
}

/* What was typed into a new entry is as much work as in an old one. */
static void test_a_new_entry_is_not_forgotten_unasked(void **state)
{
	struct session *s = session_open_main(FAKE_ENTRIES);

	(void)state;
	session_keys(s, "n");
	session_wait(s, "not an entry yet");
	session_keys(s, "q");
	session_wait(s, "6 entries");
	session_keys(s, "n");
	session_wait(s, "not an entry yet");
	go_down(s, TITLE);
	session_wait(s, "What the menu calls it.");
	session_keys(s, CTRL_U "Mine");
	session_wait(s, "New: Mine *");
	session_keys(s, "\033");
	session_wait(s, "Leave the editor and forget it?");
	session_keys(s, "n");
	session_wait_gone(s, "forget it?");
	session_wait(s, "New: Mine *");
	session_keys(s, "\033");
	session_wait(s, "forget it?");
	session_keys(s, "y");
	session_wait(s, "6 entries");
	session_leave(s);
}

/* x is Petitboot's key for a shell; a letter that comes by chance opens none. */
static void test_x_asks_before_a_shell(void **state)
{
	struct session *s = session_open_main(FAKE_NORMAL);

	(void)state;
	session_keys(s, "x");
	session_wait(s, "Open a shell?");
	session_keys(s, "\r");
	session_wait_gone(s, "Open a shell?");
	session_keys(s, "x");
	session_wait(s, "Open a shell?");
	session_keys(s, "y");
	session_wait(s, "recovery shell");
	session_keys(s, "exit\r");
	session_wait(s, "returned from shell (exit 0)");
	session_leave(s);
	s = session_open_main(FAKE_NO_SHELL);
	session_keys(s, "xy");
	session_wait(s, "shell disabled by policy");
	session_leave(s);
}

/* On 60 columns a sentence may be longer than any place for it: Enter shows the whole. */
static void test_long_lines_are_read_whole(void **state)
{
	static const struct session_options small = {.term = "xterm", .rows = 20, .cols = 60};
	struct session *s;

	(void)state;
	/* What a KVM that only emulates is told with. */
	setenv("FAKE_KVM_TEXT",
	       "This machine's KVM cannot run firmware: a guest that tries x87 arithmetic stops (KVM interprets "
	       "instructions here, and not these). Run vmboot on real hardware, or in a machine with nested "
	       "virtualization, as long as it is on.",
	       1);
	s = session_open(FAKE_NO_KVM, &small);
	unsetenv("FAKE_KVM_TEXT");
	session_wait(s, "It will not start: /boot/CLOUDHV.fd");
	session_keys(s, "\r");
	session_wait(s, "!!  KVM");
	session_wait(s, "It will not start like this. Enter shows the whole line.");
	session_keys(s, "\r");
	session_wait(s, "long as it is on.");
	session_keys(s, "\r");
	session_wait_gone(s, "long as it is on.");
	session_keys(s, "qi");
	session_wait(s, "AMD EPYC 7282");
	session_keys(s, DOWN "\r");
	session_wait(s, "##model##");
	session_keys(s, "\rq");
	session_wait(s, "firmware image");
	assert_int_equal(s->daemon.seen->start, 0);
	session_leave(s);
}

/* An operator who is faster than the disks is not told that there is no firmware. */
static void test_a_start_during_the_scan(void **state)
{
	struct session *s;

	(void)state;
	setenv("FAKE_NO_FIRMWARE", "1", 1);
	s = session_open(FAKE_SCANNING, &plain);
	unsetenv("FAKE_NO_FIRMWARE");
	session_wait(s, "still scanning sdc");
	session_keys(s, HOME "\r");
	session_wait(s, "Not started yet");
	session_wait(s, "still being looked at");
	session_keys(s, "\r\033");
	session_wait_count(s, scan_cancel, 1);
	session_wait_gone(s, "still scanning");
	session_keys(s, "\r");
	session_wait(s, "No firmware that can be started was found.");
	session_keys(s, "\r");
	session_wait_gone(s, "Not started");
	session_leave(s);
}

/* A disk that says that it fails is seen before anything is started from it. */
static void test_a_failing_disk_shows(void **state)
{
	static const char *const keys[] = {"", "s", "i"};
	VTermScreenCell cell;
	struct session *s;

	(void)state;
	setenv("FAKE_FAILING", "1", 1);
	s = session_open_main(FAKE_NORMAL);
	unsetenv("FAKE_FAILING");
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		session_keys(s, keys[i]);
		if (i == 2) {
			session_wait(s, "disk 0");
			session_keys(s, END);
		}
		session_wait(s, i == 2 ? "running, failing: unreliable"
				       : "failing: unreliable");
		session_settle(s);
		cell = session_cell(s, "failing: ");
		assert_true(VTERM_COLOR_IS_INDEXED(&cell.fg) && cell.fg.indexed.idx == 1);
		if (keys[i][0])
			session_keys(s, "q");
		session_wait(s, "3 firmware images");
	}
	session_keys(s, HOME DOWN DOWN DOWN);
	session_wait(s, "The disk says of itself: failing: unreliable");
	session_leave(s);
}

/* An image is off until it is attached: what Enter does says so, and an editor begins with it all the same. */
static void test_a_disk_that_is_off(void **state)
{
	struct session *s;

	(void)state;
	setenv("FAKE_IMAGE", "1", 1);
	s = session_open_main(FAKE_NORMAL);
	unsetenv("FAKE_IMAGE");
	session_keys(s, "/rescue\r");
	session_wait(s,
		     "Space: attach, then Enter starts it alone   s: more   holds ext4, label R");
	session_keys(s, "n");
	session_wait(s, "rescue.iso read-only ...");
	session_keys(s, "q");
	session_wait(s, "Space: attach, then");
	session_keys(s, "s");
	session_wait(s, "Disks for starts");
	session_keys(s, END);
	session_wait(s, "off: the guest does not see it");
	session_wait(s, " ext4, label RESCUE");
	session_keys(s, "q ");
	session_wait(s, "Enter starts it alone   Space: leave out");
	session_leave(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_space_is_offered_where_it_attaches),
		cmocka_unit_test(test_an_empty_list_offers_what_helps),
		cmocka_unit_test(test_the_editor_says_what_changes_a_row),
		cmocka_unit_test(test_a_new_entry_is_not_forgotten_unasked),
		cmocka_unit_test(test_x_asks_before_a_shell),
		cmocka_unit_test(test_long_lines_are_read_whole),
		cmocka_unit_test(test_a_start_during_the_scan),
		cmocka_unit_test(test_a_failing_disk_shows),
		cmocka_unit_test(test_a_disk_that_is_off),
	};

	return cmocka_run_group_tests_name("ui_hints", tests, NULL, NULL);
}
