/* What the daemon does when the host goes down: SIGPWR, as init sends it, whatever its machine is about. */
#include "daemon_session.h"

/* A menu whose guest, a vmm that does as HOW says, is in STATE. Returns the menu's socket. */
static int connect_with_guest(struct fixture *f, const char *how, enum menu_vm_state state)
{
	int sock;

	start_listening(f, how);
	sock = connect_menu(f);
	greet(f, sock);
	start_vm(f, sock);
	hear_vm(f, sock, state);
	return sock;
}

/* The host goes down: the guest is told by its power button and ends by itself, the daemon then, too. */
static void sigpwr_lets_the_guest_end_by_itself(void **state)
{
	struct fixture *f = *state;
	struct menu_vm *vm = (struct menu_vm *)f->body;
	int sock = connect_with_guest(f, "echo", MENU_VM_RUNNING);

	kill(f->daemon, SIGPWR);
	hear_vm(f, sock, MENU_VM_ENDED);
	assert_int_equal(vm->reason, VMM_EXIT_POWER_OFF);
	assert_string_equal(vm->text, "The power button was pressed.");
	assert_int_equal(wait_daemon(f), 0);
	close(sock);
}

/* One that stands still has to go on for it. */
static void sigpwr_lets_a_paused_guest_end_by_itself(void **state)
{
	struct fixture *f = *state;
	struct menu_vm *vm = (struct menu_vm *)f->body;
	int sock = connect_with_guest(f, "echo", MENU_VM_RUNNING);

	tell(sock, MENU_VM_PAUSE, NULL, 0);
	while (!vm->paused)
		hear_vm(f, sock, MENU_VM_RUNNING);
	kill(f->daemon, SIGPWR);
	hear_vm(f, sock, MENU_VM_ENDED);
	assert_int_equal(vm->reason, VMM_EXIT_POWER_OFF);
	assert_int_equal(wait_daemon(f), 0);
	close(sock);
}

/* One that has not begun hears no button. */
static void sigpwr_stops_what_is_being_started(void **state)
{
	struct fixture *f = *state;
	int sock = connect_with_guest(f, "never-starts", MENU_VM_STARTING);

	kill(f->daemon, SIGPWR);
	assert_int_equal(wait_daemon(f), 0);
	close(sock);
}

/* And without a guest at once. */
static void sigpwr_ends_an_idle_daemon(void **state)
{
	struct fixture *f = *state;

	start_listening(f, "");
	close(connect_menu(f));
	kill(f->daemon, SIGPWR);
	assert_int_equal(wait_daemon(f), 0);
}

int main(int argc, char **argv)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(sigpwr_lets_the_guest_end_by_itself),
		TEST(sigpwr_lets_a_paused_guest_end_by_itself),
		TEST(sigpwr_stops_what_is_being_started),
		TEST(sigpwr_ends_an_idle_daemon),
	};
	int status;

	if (daemon_session_role(argc, argv, &status))
		return status;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
