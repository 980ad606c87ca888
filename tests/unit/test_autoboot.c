/* What starts by itself: the countdown, and what comes after a start that failed. */
#include "entries_fixture.h"

static void on_too_long(void *arg)
{
	struct fixture *f = arg;

	loop_quit(f->loop, 0);
}

/* Until something starts (true), or for MS. */
static bool run(struct fixture *f, uint64_t ms)
{
	struct loop_timer *timer;
	int rc;

	assert_int_equal(loop_add_timer(f->loop, ms, on_too_long, f, &timer), 0);
	rc = loop_run(f->loop);
	if (rc == 1)
		loop_remove_timer(timer);
	return rc == 1;
}

static struct menu_countdown countdown(const struct fixture *f)
{
	struct menu_countdown c;

	autoboot_describe(f->autoboot, &c);
	return c;
}

static void the_countdown_starts_the_default(void **state)
{
	struct fixture *f = *state;

	put_entry(f, "a", "");
	put_entry(f, "b", "title = Bee\n");
	put(f->scratch, "vmboot.conf", "default = b\ntimeout = 1\n");
	open_all(f);
	autoboot_begin(f->autoboot);
	assert_int_equal(countdown(f).state, MENU_COUNTDOWN_RUNNING);
	assert_int_equal(countdown(f).seconds, 1);
	assert_string_equal(countdown(f).title, "Bee");
	assert_true(run(f, 20000));
	assert_string_equal(f->started, "b ");
	assert_int_equal(countdown(f).state, MENU_COUNTDOWN_OFF);
	/* Counted before it ran: a power cut now is a failed start. */
	assert_non_null(strstr(file_text(f, "state.conf"), "failed = b 1\n"));
	autoboot_vm_progress(f->autoboot, VMM_STAGE_LOADER, false);
	autoboot_vm_progress(f->autoboot, VMM_STAGE_OS, false);
	assert_non_null(strstr(file_text(f, "state.conf"), "failed = b 1\n"));
	assert_false(run(f, 1000));
	assert_null(strstr(file_text(f, "state.conf"), "\nfailed"));
}

/* As the kernel's command line has it: for this boot, until an operator chooses another one, and never written. */
static void one_boot_has_its_own_default_and_countdown(void **state)
{
	struct fixture *f = *state;

	put_entry(f, "a", "");
	put_entry(f, "b", "title = Bee\n");
	put(f->scratch, "vmboot.conf", "default = a\ntimeout = off\n");
	open_all(f);
	settings_override(f->settings, "b", true, 1);
	autoboot_begin(f->autoboot);
	assert_int_equal(countdown(f).state, MENU_COUNTDOWN_RUNNING);
	assert_string_equal(countdown(f).title, "Bee");
	assert_true(run(f, 20000));
	assert_string_equal(f->started, "b ");
	assert_int_equal(settings_get(f->settings)->values.timeout_s, -1);
	assert_int_equal(settings_set_default(f->settings, "a", NULL), 0);
	assert_string_equal(settings_default(f->settings), "a");
	assert_non_null(strstr(file_text(f, "vmboot.conf"), "timeout = off\n"));
}

static void without_a_default_nothing_starts(void **state)
{
	struct fixture *f = *state;

	put_entry(f, "a", "");
	put(f->scratch, "vmboot.conf", "timeout = 0\n");
	open_all(f);
	autoboot_begin(f->autoboot);
	assert_int_equal(countdown(f).state, MENU_COUNTDOWN_OFF);
	put(f->scratch, "vmboot.conf", "timeout = off\ndefault = a\n");
	open_all(f);
	autoboot_begin(f->autoboot);
	assert_int_equal(countdown(f).state, MENU_COUNTDOWN_OFF);
	put(f->scratch, "vmboot.conf", "timeout = 0\ndefault = x\n");
	open_all(f);
	autoboot_begin(f->autoboot);
	assert_string_equal(countdown(f).text,
			    "The default entry x is not there: nothing starts by itself.");
	assert_false(run(f, 200));
	assert_string_equal(f->started, "");
}

static void a_key_pauses_and_the_countdown_begins_anew(void **state)
{
	struct fixture *f = *state;

	put_entry(f, "a", "");
	put(f->scratch, "vmboot.conf", "default = a\ntimeout = 1\nrearm = 90\n");
	open_all(f);
	autoboot_begin(f->autoboot);
	autoboot_pause(f->autoboot);
	assert_int_equal(countdown(f).state, MENU_COUNTDOWN_PAUSED);
	assert_in_range(countdown(f).seconds, 30, 90);
	put(f->scratch, "vmboot.conf", "default = a\ntimeout = 1\nrearm = 1\n");
	open_all(f);
	autoboot_begin(f->autoboot);
	autoboot_pause(f->autoboot);
	/* Each key puts it off, and every menu is told of it. */
	f->countdowns = 0;
	autoboot_pause(f->autoboot);
	assert_int_equal(f->countdowns, 1);
	assert_true(run(f, 20000));
	assert_string_equal(f->started, "a ");
	/* Without re-arming it waits for ever. */
	put(f->scratch, "vmboot.conf", "default = a\ntimeout = 1\nrearm = off\n");
	open_all(f);
	autoboot_begin(f->autoboot);
	autoboot_pause(f->autoboot);
	assert_int_equal(countdown(f).seconds, 0);
	assert_false(run(f, 2500));
	autoboot_cancel(f->autoboot, NULL);
	assert_int_equal(countdown(f).state, MENU_COUNTDOWN_OFF);
	autoboot_begin(f->autoboot);
	assert_int_equal(countdown(f).state, MENU_COUNTDOWN_OFF);
}

static void once_is_for_one_start(void **state)
{
	struct fixture *f = *state;

	put_entry(f, "a", "");
	put_entry(f, "b", "autostart = no\n");
	put(f->scratch, "vmboot.conf", "default = a\ntimeout = 0\n");
	open_all(f);
	assert_int_equal(entries_set_once(f->entries, "b", NULL), 0);
	assert_int_equal(entry(f, "b")->is_next, 1);
	open_all(f);
	autoboot_begin(f->autoboot);
	assert_true(run(f, 20000));
	/* The power goes: the next boot is the default again. */
	open_all(f);
	assert_int_equal(entry(f, "b")->is_once, 0);
	autoboot_begin(f->autoboot);
	assert_true(run(f, 20000));
	assert_string_equal(f->started, "b a ");
}

/* Three boots whose power goes, then the next entry; and when all are used up nothing more. */
static void used_up_tries_fall_back_and_then_stop(void **state)
{
	struct fixture *f = *state;

	put_entry(f, "a", "tries = 2\n");
	put_entry(f, "b", "autostart = no\n");
	put_entry(f, "c", "tries = 1\n");
	put(f->scratch, "vmboot.conf", "default = a\ntimeout = 0\n");
	for (int i = 0; i < 3; i++) {
		open_all(f);
		autoboot_begin(f->autoboot);
		assert_true(run(f, 20000));
	}
	assert_string_equal(f->started, "a a c ");
	open_all(f);
	autoboot_begin(f->autoboot);
	assert_false(run(f, 200));
	assert_string_equal(countdown(f).text,
			    "a failed 2 times in a row, and every other entry that may start by "
			    "itself, too: nothing starts by itself any more. Choose one, or the "
			    "default anew.");
	/* Who chooses it anew wants it tried again. */
	assert_int_equal(entries_set_default(f->entries, "a", NULL), 0);
	assert_int_equal(entry(f, "a")->failed, 0);
	assert_int_equal(entry(f, "a")->is_next, 1);
}

static void a_failure_while_we_watch_is_tried_again_with_a_limit(void **state)
{
	struct fixture *f = *state;

	put_entry(f, "a", "tries = 1\n");
	put_entry(f, "b", "");
	put(f->scratch, "vmboot.conf", "default = a\ntimeout = 0\n");
	open_all(f);
	autoboot_begin(f->autoboot);
	assert_true(run(f, 20000));
	autoboot_vm_ended(f->autoboot, VMM_EXIT_GUEST_FAULT);
	/* Never at once: there is time to press a key. */
	assert_int_equal(countdown(f).state, MENU_COUNTDOWN_RUNNING);
	assert_true(countdown(f).seconds >= 3);
	assert_true(run(f, 29000));
	assert_string_equal(f->started, "a b ");
	/* b has no limit: it is not repeated without an operator. */
	autoboot_vm_ended(f->autoboot, 0);
	assert_int_equal(countdown(f).state, MENU_COUNTDOWN_OFF);
}

static void what_worked_or_was_ended_by_somebody_is_no_failure(void **state)
{
	struct fixture *f = *state;

	put_entry(f, "a", "tries = 3\n");
	put(f->scratch, "vmboot.conf", "default = a\ntimeout = 0\n");
	open_all(f);
	autoboot_begin(f->autoboot);
	assert_true(run(f, 20000));
	autoboot_vm_ended(f->autoboot, VMM_EXIT_POWER_OFF);
	assert_int_equal(countdown(f).state, MENU_COUNTDOWN_OFF);
	assert_int_equal(entry(f, "a")->failed, 0);
	/* An operator's own start ends all counting. */
	open_all(f);
	autoboot_begin(f->autoboot);
	autoboot_vm_started(f->autoboot, "a", false);
	assert_int_equal(countdown(f).state, MENU_COUNTDOWN_OFF);
	autoboot_vm_ended(f->autoboot, VMM_EXIT_GUEST_FAULT);
	assert_int_equal(countdown(f).state, MENU_COUNTDOWN_OFF);
	assert_int_equal(entry(f, "a")->failed, 0);
}

static void a_kernel_that_panics_has_not_worked(void **state)
{
	struct fixture *f = *state;

	put_entry(f, "a", "tries = 3\n");
	put(f->scratch, "vmboot.conf", "default = a\ntimeout = 0\n");
	open_all(f);
	autoboot_begin(f->autoboot);
	assert_true(run(f, 20000));
	autoboot_vm_progress(f->autoboot, VMM_STAGE_OS, false);
	autoboot_vm_progress(f->autoboot, VMM_STAGE_OS, true);
	assert_false(run(f, 1000));
	assert_int_equal(entry(f, "a")->failed, 1);
	/* Nor one that is reset before it settles. */
	autoboot_vm_progress(f->autoboot, VMM_STAGE_OS, false);
	autoboot_vm_progress(f->autoboot, VMM_STAGE_SEC, false);
	assert_false(run(f, 1000));
	assert_int_equal(entry(f, "a")->failed, 1);
	autoboot_vm_ended(f->autoboot, VMM_EXIT_GUEST_FAULT);
	assert_int_equal(countdown(f).state, MENU_COUNTDOWN_RUNNING);
}

static void what_is_refused_gives_way_to_the_next(void **state)
{
	struct fixture *f = *state;

	put_entry(f, "a", "");
	put_entry(f, "b", "");
	put(f->scratch, "vmboot.conf", "default = a\ntimeout = 0\n");
	strcpy(f->refuses, "a");
	open_all(f);
	autoboot_begin(f->autoboot);
	assert_true(run(f, 20000));
	assert_string_equal(f->started, "b ");
	put_entry(f, "b", "autostart = no\n");
	open_all(f);
	autoboot_begin(f->autoboot);
	assert_false(run(f, 300));
	assert_string_equal(countdown(f).text, "a did not start by itself: It is refused.");
}

static void a_disk_that_may_still_come_is_waited_for(void **state)
{
	struct fixture *f = *state;

	put_entry(f, "a", "disk = serial:CCC\n");
	put_entry(f, "b", "");
	put(f->scratch, "vmboot.conf", "default = a\ntimeout = 0\n");
	f->scanning = true;
	open_all(f);
	autoboot_begin(f->autoboot);
	assert_false(run(f, 300));
	assert_int_equal(countdown(f).state, MENU_COUNTDOWN_RUNNING);
	assert_non_null(strstr(countdown(f).text, "waiting for a disk"));
	add_device(f, "sdc", "", "CCC");
	entries_see_devices(f->entries, f->devices, f->device_count);
	assert_string_equal(f->started, "a ");
}

/* What is known not to start is told while there is time, with what starts instead. */
static void a_default_that_cannot_start_is_told_beforehand(void **state)
{
	struct fixture *f = *state;

	put_entry(f, "a", "title = Ay\ndisk = serial:CCC\n");
	put_entry(f, "b", "disk = serial:DDD\n");
	put_entry(f, "c", "title = Cee\n");
	put(f->scratch, "vmboot.conf", "default = a\ntimeout = 1\n");
	f->scanning = true;
	open_all(f);
	autoboot_begin(f->autoboot);
	/* A disk may still come. */
	assert_string_equal(countdown(f).title, "Ay");
	assert_string_equal(countdown(f).text, "");
	f->scanning = false;
	assert_string_equal(countdown(f).title, "Cee");
	assert_string_equal(countdown(f).id, "c");
	assert_string_equal(countdown(f).text, "Ay cannot start: Disk serial:CCC is not there");
	/* Nothing can. */
	put_entry(f, "c", "disk = serial:EEE\n");
	open_all(f);
	autoboot_begin(f->autoboot);
	assert_string_equal(countdown(f).title, "Ay");
	assert_string_equal(countdown(f).text, "Ay cannot start: Disk serial:CCC is not there");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_countdown_starts_the_default),
		TEST(one_boot_has_its_own_default_and_countdown),
		TEST(without_a_default_nothing_starts),
		TEST(a_key_pauses_and_the_countdown_begins_anew),
		TEST(once_is_for_one_start),
		TEST(used_up_tries_fall_back_and_then_stop),
		TEST(a_failure_while_we_watch_is_tried_again_with_a_limit),
		TEST(what_worked_or_was_ended_by_somebody_is_no_failure),
		TEST(a_kernel_that_panics_has_not_worked),
		TEST(what_is_refused_gives_way_to_the_next),
		TEST(a_disk_that_may_still_come_is_waited_for),
		TEST(a_default_that_cannot_start_is_told_beforehand),
	};

	return cmocka_run_group_tests_name("autoboot", tests, NULL, NULL);
}
