/* What this machine does when its guest has switched itself off: nothing or the same, by the settings and the entry. */
#include "daemon_session.h"

/* So long after the end of a countdown of five seconds nothing comes any more. */
#define QUIET_US 7000000

/* Where __wrap_power_do(), in the daemon's process, leaves what it was asked for. */
static char power_path[PATH_MAX];

int __wrap_power_do(uint32_t how, struct vmb_err *err);
int __wrap_power_do(uint32_t how, struct vmb_err *err)
{
	char digit = (char)('0' + how), path[PATH_MAX + 8];

	(void)err;
	snprintf(path, sizeof(path), "%s.new", power_path);
	write_file(path, &digit, 1, 0);
	return rename(path, power_path);
}

static int power_setup(void **state)
{
	int rc = setup(state);
	struct fixture *f = *state;

	if (rc == 0)
		scratch_path(f->scratch, "power", power_path);
	return rc;
}

static void assert_power(uint32_t how)
{
	for (int i = 0; i < DEADLINE_MS / 50 && access(power_path, F_OK) < 0; i++)
		usleep(50000);
	assert_true(sh("test \"$(cat %s)\" = %u", power_path, how));
}

static void assert_stays_on(void)
{
	usleep(QUIET_US);
	assert_int_equal(access(power_path, F_OK), -1);
}

/* Starts the entry "Kiosk", which says AFTER, and waits until its guest has switched itself off. */
static void run_kiosk(struct fixture *f, const char *after)
{
	char entry[128];

	snprintf(entry, sizeof(entry), "title = Kiosk\nafter = %s\n", after);
	put_entry(f, "a", entry);
	start_daemon(f, "");
	greet(f, f->sock);
	tell_id(f->sock, MENU_ENTRY_START, "a");
	hear_vm(f, f->sock, MENU_VM_ENDED);
}

/* The end is told as a countdown that names the guest. */
static void hear_follow(struct fixture *f, uint32_t how)
{
	struct menu_countdown *c = (struct menu_countdown *)f->body;

	do
		hear_type(f, f->sock, MENU_COUNTDOWN);
	while (c->state != MENU_COUNTDOWN_RUNNING);
	assert_int_equal(c->power, how);
	assert_string_equal(c->title, "Kiosk");
	assert_in_range(c->seconds, 1, 60);
}

static void the_machine_follows_its_guest_when_that_is_set(void **state)
{
	struct fixture *f = *state;

	put_file(f, "vmboot.conf", "guest-power-off = host\n");
	start_daemon(f, "");
	greet(f, f->sock);
	start_vm(f, f->sock);
	hear_vm(f, f->sock, MENU_VM_ENDED);
	assert_power(MENU_POWER_OFF);
}

/* Also where the settings say otherwise for all. */
static void an_entry_says_what_follows_its_guest(void **state)
{
	struct fixture *f = *state;

	put_file(f, "vmboot.conf", "guest-power-off = host\n");
	run_kiosk(f, "reboot");
	hear_follow(f, MENU_POWER_REBOOT);
	assert_power(MENU_POWER_REBOOT);
}

static void a_key_keeps_the_machine_on(void **state)
{
	struct fixture *f = *state;
	struct menu_countdown *c = (struct menu_countdown *)f->body;

	run_kiosk(f, "poweroff");
	hear_follow(f, MENU_POWER_OFF);
	tell(f->sock, MENU_COUNTDOWN_PAUSE, NULL, 0);
	do
		hear_type(f, f->sock, MENU_COUNTDOWN);
	while (c->state != MENU_COUNTDOWN_OFF);
	assert_stays_on();
}

/* "menu" also where the settings let the machine follow. */
static void an_entry_may_stay_when_others_follow(void **state)
{
	struct fixture *f = *state;

	put_file(f, "vmboot.conf", "guest-power-off = host\n");
	run_kiosk(f, "menu");
	assert_stays_on();
}

static void a_guest_that_is_killed_takes_nothing_along(void **state)
{
	struct fixture *f = *state;

	put_file(f, "vmboot.conf", "guest-power-off = host\n");
	start_daemon(f, "echo");
	greet(f, f->sock);
	start_vm(f, f->sock);
	hear_vm(f, f->sock, MENU_VM_RUNNING);
	tell(f->sock, MENU_VM_KILL, NULL, 0);
	hear_vm(f, f->sock, MENU_VM_ENDED);
	assert_stays_on();
}

int main(int argc, char **argv)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, power_setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(the_machine_follows_its_guest_when_that_is_set),
		TEST(an_entry_says_what_follows_its_guest),
		TEST(a_key_keeps_the_machine_on),
		TEST(an_entry_may_stay_when_others_follow),
		TEST(a_guest_that_is_killed_takes_nothing_along),
	};
	int status;

	if (daemon_session_role(argc, argv, &status))
		return status;
	return cmocka_run_group_tests_name("daemon_power", tests, NULL, NULL);
}
