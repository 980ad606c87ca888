/* How a daemon ends, what becomes of its guest and the variables then, and whose its socket is. */
#include "daemon_session.h"
#include "vars_test.h"

static void use_vars(struct fixture *f)
{
	char path[PATH_MAX];

	write_vars(scratch_path(f->scratch, "vars", path), 0xFF);
	text_copy(f->config.vars_path, sizeof(f->config.vars_path), path);
}

static void the_own_daemon_ends_with_its_menu(void **state)
{
	struct fixture *f = *state;

	start_daemon(f, "");
	greet(f, f->sock);
	close(f->sock);
	f->sock = -1;
	assert_int_equal(wait_daemon(f), 0);
}

static void variables_are_saved_when_the_menu_leaves(void **state)
{
	struct fixture *f = *state;

	use_vars(f);
	start_daemon(f, "vars-changed");
	greet(f, f->sock);
	tell(f->sock, MENU_CONSOLE_OPEN, NULL, 0);
	start_vm(f, f->sock);
	hear_console(f, f->sock, "changed");
	close(f->sock);
	f->sock = -1;
	assert_int_equal(wait_daemon(f), 0);
	/* The live half is what counts at the end; the message before it was acted upon or not. */
	assert_int_equal(read_spare(f->config.vars_path), 0xFF);
}

static void variables_are_saved_and_told(void **state)
{
	struct fixture *f = *state;
	struct menu_vm *vm;

	use_vars(f);
	start_daemon(f, "vars-live");
	greet(f, f->sock);
	start_vm(f, f->sock);
	vm = hear_vm(f, f->sock, MENU_VM_ENDED);
	assert_int_equal(vm->vars_saved, 1);
	assert_int_equal(read_spare(f->config.vars_path), 0x11);
}

static void sigterm_ends_the_vm_first(void **state)
{
	struct fixture *f = *state;
	int sock;

	use_vars(f);
	start_listening(f, "echo");
	sock = connect_menu(f);
	greet(f, sock);
	start_vm(f, sock);
	hear_vm(f, sock, MENU_VM_RUNNING);
	kill(f->daemon, SIGTERM);
	hear_vm(f, sock, MENU_VM_ENDED);
	assert_int_equal(wait_daemon(f), 0);
	/* The socket is gone with it. */
	assert_int_equal(access(f->socket_path, F_OK), -1);
	close(sock);
}

static void one_daemon_a_socket(void **state)
{
	struct fixture *f = *state;
	pid_t first;
	int sock;

	start_listening(f, "");
	sock = connect_menu(f);
	first = f->daemon;
	start_listening(f, "");
	assert_int_equal(wait_daemon(f), EADDRINUSE);
	f->daemon = first;
	greet(f, sock);
	close(sock);
	/* A killed one leaves its socket behind; the next one takes the place. */
	kill(first, SIGKILL);
	waitpid(first, NULL, 0);
	assert_int_equal(access(f->socket_path, F_OK), 0);
	start_listening(f, "");
	sock = connect_menu(f);
	greet(f, sock);
	close(sock);
}

static void the_socket_is_for_its_owner_only(void **state)
{
	struct fixture *f = *state;
	struct stat st;
	char dir[PATH_MAX];

	start_listening(f, "");
	close(connect_menu(f));
	assert_int_equal(stat(f->socket_path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(stat(scratch_path(f->scratch, "run", dir), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
}

static void a_vm_starts_without_a_place_for_its_variables(void **state)
{
	struct fixture *f = *state;
	struct menu_vm *vm;

	if (geteuid() != 0 || access("/proc/self/exe", X_OK) != 0) {
		print_message("skipped: needs root to become somebody else\n");
		skip();
	}
	assert_int_equal(chmod(f->scratch->dir, 0755), 0);
	assert_int_equal(chmod(f->config_path, 0755), 0);
	assert_int_equal(chmod(f->config.firmware_path, 0644), 0);
	setenv("XDG_STATE_HOME", "/proc/none", 1);
	text_copy(f->config.vars_path, sizeof(f->config.vars_path), VM_VARS_USUAL);
	start_daemon_as(f, "vars-live", 65534);
	greet(f, f->sock);
	start_vm(f, f->sock);
	vm = hear_vm(f, f->sock, MENU_VM_ENDED);
	assert_int_equal(vm->reason, VMM_EXIT_POWER_OFF);
	assert_non_null(strstr(vm->text, "UEFI variables are not kept"));
	assert_int_equal(vm->vars_saved, 0);
}

int main(int argc, char **argv)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(the_own_daemon_ends_with_its_menu),
		TEST(variables_are_saved_when_the_menu_leaves),
		TEST(variables_are_saved_and_told),
		TEST(sigterm_ends_the_vm_first),
		TEST(one_daemon_a_socket),
		TEST(the_socket_is_for_its_owner_only),
		TEST(a_vm_starts_without_a_place_for_its_variables),
	};
	int status;

	if (daemon_session_role(argc, argv, &status))
		return status;
	return cmocka_run_group_tests_name("daemon_ends", tests, NULL, NULL);
}
