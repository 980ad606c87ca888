/* Who is told to switch this machine off, and how: with orders and signals that reach nobody. */
#include "storage_test.h"

#include <errno.h>
#include <signal.h>
#include <sys/reboot.h>

#include "daemon/power.h"
#include "init_mark.h"
#include "log.h"
#include "menu_proto.h"

/* The only file that there is for access(2); NULL: the machine's own. */
static const char *mark;
static int rebooted, killed_pid, killed_by, refusal;

int __real_access(const char *path, int mode);
int __wrap_access(const char *path, int mode);
int __wrap_access(const char *path, int mode)
{
	if (!mark)
		return __real_access(path, mode);
	errno = ENOENT;
	return strcmp(path, mark) == 0 ? 0 : -1;
}

uid_t __wrap_geteuid(void);
uid_t __wrap_geteuid(void)
{
	return 0;
}

int __wrap_reboot(int how);
int __wrap_reboot(int how)
{
	rebooted = how;
	errno = refusal;
	return refusal ? -1 : 0;
}

int __wrap_kill(pid_t pid, int number);
int __wrap_kill(pid_t pid, int number)
{
	killed_pid = pid;
	killed_by = number;
	return 0;
}

static int setup(void **state)
{
	log_init(-1, LOG_LEVEL_ERROR, "test");
	mark = NULL;
	rebooted = killed_pid = killed_by = refusal = 0;
	return scratch_setup(state);
}

static int teardown(void **state)
{
	setenv("PATH", "/usr/bin:/bin", 1);
	return scratch_teardown(state);
}

static void the_way_follows_what_runs(void **state)
{
	enum power_way way = 77;
	struct vmb_err err;
	char root[PATH_MAX];

	scratch_path(*state, "", root);
	assert_int_equal(power_choose(root, 0, &way, &err), -EPERM);
	assert_non_null(strstr(err.text, "Only root"));
	assert_int_equal(way, 77);
	assert_int_equal(power_choose(root, 1, &way, &err), 0);
	assert_int_equal(way, POWER_KERNEL);
	put(*state, "run/initctl", "");
	assert_int_equal(power_choose(root, 1, &way, &err), 0);
	assert_int_equal(way, POWER_SHUTDOWN);
	put(*state, "run/systemd/system/x", "");
	assert_int_equal(power_choose(root, 1, &way, &err), 0);
	assert_int_equal(way, POWER_SYSTEMD);
	put(*state, INIT_MARK, "");
	assert_int_equal(power_choose(root, 1, &way, &err), 0);
	assert_int_equal(way, POWER_INIT);
}

static void our_init_gets_its_signals(void **state)
{
	(void)state;
	mark = INIT_MARK;
	assert_int_equal(power_do(MENU_POWER_OFF, NULL), 0);
	assert_int_equal(killed_pid, 1);
	assert_int_equal(killed_by, SIGUSR2);
	assert_int_equal(power_do(MENU_POWER_REBOOT, NULL), 0);
	assert_int_equal(killed_pid, 1);
	assert_int_equal(killed_by, SIGTERM);
	assert_int_equal(rebooted, 0);
}

static void the_kernel_is_told_where_nobody_else_is(void **state)
{
	struct vmb_err err;

	(void)state;
	mark = "nobody";
	assert_int_equal(power_do(MENU_POWER_OFF, NULL), 0);
	assert_int_equal(rebooted, RB_POWER_OFF);
	assert_int_equal(power_do(MENU_POWER_REBOOT, NULL), 0);
	assert_int_equal(rebooted, RB_AUTOBOOT);
	refusal = EPERM;
	assert_int_equal(power_do(MENU_POWER_OFF, &err), -EPERM);
	assert_non_null(strstr(err.text, "does not switch off this machine"));
	assert_int_equal(killed_pid, 0);
}

static void what_is_no_order_does_nothing(void **state)
{
	struct vmb_err err;

	(void)state;
	mark = "nobody";
	assert_int_equal(power_do(0, &err), -EINVAL);
	assert_int_equal(power_do(77, &err), -EINVAL);
	assert_int_equal(rebooted, 0);
}

/* PROGRAM, the only one in PATH, writes down its arguments and ends with STATUS. */
static void put_program(const struct scratch *s, const char *program, int status)
{
	char path[PATH_MAX], text[PATH_MAX + 64];

	snprintf(text, sizeof(text), "#!/bin/sh\necho \"$@\" >%s/said\nexit %d\n", s->dir, status);
	put(s, program, text);
	chmod(scratch_path(s, program, path), 0700);
	setenv("PATH", s->dir, 1);
}

static void assert_said(const struct scratch *s, const char *arguments)
{
	char path[PATH_MAX], text[64] = "";
	FILE *f = fopen(scratch_path(s, "said", path), "r");

	assert_non_null(f);
	assert_non_null(fgets(text, sizeof(text), f));
	fclose(f);
	text[strcspn(text, "\n")] = '\0';
	assert_string_equal(text, arguments);
}

static void another_init_is_told_by_its_own_program(void **state)
{
	mark = "/run/systemd/system";
	put_program(*state, "systemctl", 0);
	assert_int_equal(power_do(MENU_POWER_OFF, NULL), 0);
	assert_said(*state, "--no-block poweroff");
	assert_int_equal(power_do(MENU_POWER_REBOOT, NULL), 0);
	assert_said(*state, "--no-block reboot");
	mark = "/run/initctl";
	put_program(*state, "shutdown", 0);
	assert_int_equal(power_do(MENU_POWER_OFF, NULL), 0);
	assert_said(*state, "-h now");
	assert_int_equal(power_do(MENU_POWER_REBOOT, NULL), 0);
	assert_said(*state, "-r now");
	assert_int_equal(rebooted, 0);
}

static void an_init_that_refuses_is_said_to(void **state)
{
	struct vmb_err err;

	mark = "/run/systemd/system";
	put_program(*state, "systemctl", 4);
	assert_int_equal(power_do(MENU_POWER_OFF, &err), -EIO);
	assert_non_null(strstr(err.text, "systemctl ended with status 4"));
	mark = "/run/initctl";
	assert_int_equal(power_do(MENU_POWER_OFF, &err), -ENOENT);
	assert_non_null(strstr(err.text, "shutdown cannot be run: No such file"));
	assert_int_equal(rebooted, 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(the_way_follows_what_runs),
		TEST(our_init_gets_its_signals),
		TEST(the_kernel_is_told_where_nobody_else_is),
		TEST(what_is_no_order_does_nothing),
		TEST(another_init_is_told_by_its_own_program),
		TEST(an_init_that_refuses_is_said_to),
	};

	return cmocka_run_group_tests_name("power", tests, NULL, NULL);
}
