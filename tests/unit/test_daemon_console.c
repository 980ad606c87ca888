/*
 * The guest's console as menus have it from the daemon: old output told from new, a break, the raw log; and what the
 * daemon says of the machine, its power, and a report.
 */
#include "daemon_session.h"

#include "daemon_path.h"
#include "launch.h"

/* A daemon for several menus, and the first of them, which shows the console of a guest that echoes. */
static void open_echo(struct fixture *f)
{
	start_listening(f, "echo");
	f->sock = connect_menu(f);
	greet(f, f->sock);
	start_vm(f, f->sock);
	hear_vm(f, f->sock, MENU_VM_RUNNING);
	tell(f->sock, MENU_CONSOLE_OPEN, NULL, 0);
}

/* What came before the menu did is told apart from what comes now, with nothing lost or said twice. */
static void old_console_output_is_told_from_new(void **state)
{
	struct fixture *f = *state;
	int second;

	open_echo(f);
	hear_type(f, f->sock, MENU_CONSOLE_LIVE);
	tell(f->sock, MENU_INPUT, "old", 3);
	hear_console(f, f->sock, "old");
	second = connect_menu(f);
	greet(f, second);
	tell(second, MENU_CONSOLE_OPEN, NULL, 0);
	hear_console(f, second, "old");
	hear_type(f, second, MENU_CONSOLE_LIVE);
	tell(f->sock, MENU_INPUT, "new", 3);
	hear_console(f, second, "new");
	close(second);
}

/* The keyboard's owner only; the guest's serial line gets it. */
static void a_break_reaches_the_guest(void **state)
{
	struct fixture *f = *state;
	int second;

	open_echo(f);
	second = connect_menu(f);
	greet(f, second);
	tell(second, MENU_VM_BREAK, NULL, 0);
	expect_refusal(f, second, MENU_VM_BREAK, "has the keyboard");
	tell(f->sock, MENU_VM_BREAK, NULL, 0);
	hear_console(f, f->sock, "<break>");
	close(second);
}

static void read_log(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	assert_true(fd >= 0);
	n = read(fd, buf, size - 1);
	assert_true(n >= 0);
	buf[n] = '\0';
	close(fd);
}

/* Raw bytes as the guest wrote them, but for those that came while the operator wanted no log. */
static void the_console_is_logged_until_it_is_not_wanted(void **state)
{
	struct fixture *f = *state;
	char path[PATH_MAX], text[64];
	uint8_t off = 0, on = 1;

	scratch_path(f->scratch, "console.log", path);
	text_copy(f->config.log_path, sizeof(f->config.log_path), path);
	start_daemon(f, "echo");
	greet(f, f->sock);
	start_vm(f, f->sock);
	assert_int_equal(hear_vm(f, f->sock, MENU_VM_RUNNING)->log, MENU_VM_LOG_ON);
	tell(f->sock, MENU_CONSOLE_OPEN, NULL, 0);
	tell(f->sock, MENU_INPUT, "a\033[2J", 5);
	hear_console(f, f->sock, "a\033[2J");
	tell(f->sock, MENU_VM_LOG, &off, 1);
	assert_int_equal(hear_vm(f, f->sock, MENU_VM_RUNNING)->log, MENU_VM_LOG_PAUSED);
	tell(f->sock, MENU_INPUT, "secret", 6);
	hear_console(f, f->sock, "secret");
	tell(f->sock, MENU_VM_LOG, &on, 1);
	assert_int_equal(hear_vm(f, f->sock, MENU_VM_RUNNING)->log, MENU_VM_LOG_ON);
	tell(f->sock, MENU_INPUT, "z", 1);
	hear_console(f, f->sock, "z");
	read_log(path, text, sizeof(text));
	assert_string_equal(text, "a\033[2Jz");
}

/* A guest that writes without end stops its log at its limit, and the menu hears of it once. */
static void the_log_of_a_flood_stops(void **state)
{
	struct fixture *f = *state;
	char path[PATH_MAX];
	uint64_t max;
	struct stat st;

	scratch_path(f->scratch, "console.log", path);
	text_copy(f->config.log_path, sizeof(f->config.log_path), path);
	max = daemon_path_log_max(f->scratch->dir, (uint64_t)sysconf(_SC_PHYS_PAGES) *
							   (uint64_t)sysconf(_SC_PAGESIZE));
	start_daemon(f, "endless");
	greet(f, f->sock);
	start_vm(f, f->sock);
	while (hear_vm(f, f->sock, MENU_VM_RUNNING)->log != MENU_VM_LOG_FULL)
		;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, max);
	tell(f->sock, MENU_VM_KILL, NULL, 0);
	hear_vm(f, f->sock, MENU_VM_ENDED);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, max);
}

static void facts_come_when_asked_for(void **state)
{
	struct fixture *f = *state;
	struct menu_list *list = (struct menu_list *)f->body;
	struct menu_fact *fact = (struct menu_fact *)(f->body + sizeof(*list));
	bool kernel = false;
	int size;

	start_daemon(f, "echo");
	greet(f, f->sock);
	tell(f->sock, MENU_FACTS_GET, NULL, 0);
	size = hear_type(f, f->sock, MENU_FACTS);
	assert_int_equal(size, sizeof(*list) + list->count * sizeof(*fact));
	assert_true(list->first && list->last);
	for (uint32_t i = 0; i < list->count; i++)
		kernel = kernel || strcmp(fact[i].group, "Kernel") == 0;
	assert_true(kernel);
}

/* What is no way to treat a machine. (What is one is not tried here: it would be done.) */
static void nonsense_about_power_is_refused(void **state)
{
	struct fixture *f = *state;
	uint32_t how = 99;

	start_daemon(f, "echo");
	greet(f, f->sock);
	tell(f->sock, MENU_POWER, &how, sizeof(how));
	expect_refusal(f, f->sock, MENU_POWER, "no such thing");
}

/* Written by a process of its own, which asks the daemon as a menu does. */
static void a_report_is_written_for_a_menu(void **state)
{
	static const char *const parts[] = {"system.txt", "settings.txt", "devices.txt",
					    "log.txt",	  "console.txt",  "dmesg.txt"};
	struct fixture *f = *state;
	struct menu_report_to to = {{0}};
	char path[PATH_MAX], text[4096];
	int size;

	start_daemon(f, "echo");
	greet(f, f->sock);
	start_vm(f, f->sock);
	hear_vm(f, f->sock, MENU_VM_RUNNING);
	tell(f->sock, MENU_CONSOLE_OPEN, NULL, 0);
	tell(f->sock, MENU_INPUT, "the guest\033[2Jspoke", 18);
	hear_console(f, f->sock, "the guest\033[2Jspoke");
	scratch_path(f->scratch, "", path);
	text_copy(to.target, sizeof(to.target), path);
	tell(f->sock, MENU_REPORT, &to, sizeof(to));
	size = hear_type(f, f->sock, MENU_REPORTED);
	f->body[size] = '\0';
	assert_non_null(strstr((char *)f->body, "vmboot-report-"));
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		snprintf(path, sizeof(path), "%.1000s/%s", (char *)f->body, parts[i]);
		read_log(path, text, sizeof(text));
	}
	snprintf(path, sizeof(path), "%.1000s/console.txt", (char *)f->body);
	read_log(path, text, sizeof(text));
	assert_string_equal(text, "the guest\\x1b[2Jspoke\n");
	snprintf(path, sizeof(path), "%.1000s/settings.txt", (char *)f->body);
	read_log(path, text, sizeof(text));
	assert_non_null(strstr(text, "Virtual machine: running"));
	/* Where nothing can be written there is a sentence, and the daemon lives on. */
	snprintf(to.target, sizeof(to.target), "/no/such/place/report");
	tell(f->sock, MENU_REPORT, &to, sizeof(to));
	expect_refusal(f, f->sock, MENU_REPORT, "cannot be written");
}

static void a_menu_that_leaves_during_its_report_ends_the_daemon(void **state)
{
	struct fixture *f = *state;
	struct menu_report_to to = {{0}};
	char path[PATH_MAX];

	start_daemon(f, "echo");
	greet(f, f->sock);
	text_copy(to.target, sizeof(to.target), scratch_path(f->scratch, "", path));
	tell(f->sock, MENU_REPORT, &to, sizeof(to));
	tell(f->sock, MENU_REPORT, &to, sizeof(to));
	expect_refusal(f, f->sock, MENU_REPORT, "being written already");
	close(f->sock);
	f->sock = -1;
	assert_int_equal(wait_daemon(f), 0);
}

int main(int argc, char **argv)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(old_console_output_is_told_from_new),
		TEST(a_break_reaches_the_guest),
		TEST(the_console_is_logged_until_it_is_not_wanted),
		TEST(the_log_of_a_flood_stops),
		TEST(facts_come_when_asked_for),
		TEST(nonsense_about_power_is_refused),
		TEST(a_report_is_written_for_a_menu),
		TEST(a_menu_that_leaves_during_its_report_ends_the_daemon),
	};
	int status;

	if (daemon_session_role(argc, argv, &status))
		return status;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
