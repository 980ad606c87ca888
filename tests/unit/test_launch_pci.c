/*
 * The launcher and the PCI devices of a VM: held, taken before the vmm is told of them, and back at their drivers after
 * each of the ways one can end. The test's own binary is the vmm and the process that moves devices.
 */
#include "loop.h"

int __wrap_loop_add_timer(struct loop *loop, uint64_t msec, void (*fn)(void *arg), void *arg,
			  struct loop_timer **ret_timer);
int __real_loop_add_timer(struct loop *loop, uint64_t msec, void (*fn)(void *arg), void *arg,
			  struct loop_timer **ret_timer);
#define SESSION_ADD_TIMER __real_loop_add_timer

#include "launch_session.h"
#include "pci_tree.h"

#include <sys/wait.h>

#include "daemon/child.h"
#include "daemon/pci_hold.h"
#include "daemon/vfio_devices.h"
#include "daemon_path.h"
#include "host_pci.h"
#include "probe_proto.h"

#define TAKEN "take 0000:01:00.0 0000:01:00.1\n"
#define GIVEN TAKEN "give-back 0000:01:00.0 0000:01:00.1\n"

static struct scratch *place; /* of the directory of locks */
static bool unkillable;	      /* movers, as if they waited in the kernel, */
static pid_t waiting;	      /* like this one */
static uint64_t longest_timer;
static char moves_at_start[200];

/* ---- what is replaced ---- */

int __wrap_host_pci_check(const char *root, const struct vm_config *config, struct vmb_err *err);
int __wrap_vfio_devices_open(const char *root, const struct vm_config *config,
			     struct vfio_devices *ret_devices, struct vmb_err *err);
int __wrap_daemon_path_pci(char *buf, size_t size);

void __wrap_child_kill(const struct child *child);
void __real_child_kill(const struct child *child);

void __wrap_child_kill(const struct child *child)
{
	int fd = open(at("/proc/%d/cmdline", (int)child->pid), O_RDONLY | O_CLOEXEC);
	char words[11] = "";
	ssize_t n = read(fd, words, sizeof(words));

	close(fd);
	if (unkillable && n == sizeof(words) && memcmp(words, "vmboot\0pci", sizeof(words)) == 0)
		waiting = child->pid;
	else
		__real_child_kill(child);
}

int __wrap_host_pci_check(const char *root, const struct vm_config *config, struct vmb_err *err)
{
	(void)root;
	return config->vfio[0].no_rom ? vmb_err_set(err, EBUSY, "sda1 is mounted on /.") : 0;
}

int __wrap_vfio_devices_open(const char *root, const struct vm_config *config,
			     struct vfio_devices *ret_devices, struct vmb_err *err)
{
	(void)root;
	(void)config;
	(void)err;
	*ret_devices = (struct vfio_devices){.container = -1};
	return 0;
}

int __wrap_daemon_path_pci(char *buf, size_t size)
{
	snprintf(buf, size, "%s/pci", place->dir);
	return 0;
}

int __wrap_loop_add_timer(struct loop *loop, uint64_t msec, void (*fn)(void *arg), void *arg,
			  struct loop_timer **ret_timer)
{
	return __real_loop_add_timer(loop,
				     longest_timer && msec > longest_timer ? longest_timer : msec,
				     fn, arg, ret_timer);
}

/* `vmboot pci take|give-back DIR ADDRESS...`: MOVER says how it goes. */
static int fake_mover(int argc, char **argv)
{
	const char *how = getenv("MOVER");
	struct probe_done done = {0};
	int log = open(getenv("MOVER_LOG"), O_WRONLY | O_CREAT | O_APPEND, 0600);
	char line[200];
	size_t n = (size_t)snprintf(line, sizeof(line), "%s", argv[2]);

	for (int i = 4; i < argc; i++)
		n += (size_t)snprintf(line + n, sizeof(line) - n, " %s", argv[i]);
	line[n++] = '\n';
	if (write(log, line, n) != (ssize_t)n)
		return 9;
	if (strcmp(how, "hang") == 0 ||
	    (strcmp(how, "hang-take") == 0 && strcmp(argv[2], "take") == 0))
		for (;;)
			pause();
	if (strcmp(how, "die") == 0)
		raise(SIGKILL);
	if (strcmp(how, "slow") == 0)
		usleep(200000);
	if (strcmp(how, argv[2]) == 0) {
		done.code = EIO;
		snprintf(done.text, sizeof(done.text), "It does not %s.", how);
	}
	proto_send(PROBE_CONTROL_FD, PROBE_DONE, &done, sizeof(done), NULL, 0);
	return 0;
}

/* ---- running ---- */

static const char *moves(const struct run *r)
{
	static char text[512];
	int fd = open(at("%s/moves", r->scratch->dir), O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	return text;
}

static void note_moves(struct run *r)
{
	text_copy(moves_at_start, sizeof(moves_at_start), moves(r));
}

static int setup_pci(void **state)
{
	struct run *r;

	if (setup(state) < 0)
		return -1;
	r = *state;
	place = r->scratch;
	longest_timer = 0;
	unkillable = false;
	strcpy(r->config.title, "Test");
	strcpy(r->config.vfio[0].address, "0000:01:00.0");
	strcpy(r->config.vfio[1].address, "0000:01:00.1");
	r->config.vfio_count = 2;
	setenv("MOVER_LOG", at("%s/moves", r->scratch->dir), 1);
	return 0;
}

static void start_with(struct run *r, const char *vmm, const char *mover)
{
	setenv("MOVER", mover, 1);
	start(r, vmm);
}

/* Nobody holds a device any more. */
static void assert_free(struct run *r)
{
	struct pci_hold hold;
	struct vmb_err err;

	assert_int_equal(pci_hold_lock(at("%s/pci", r->scratch->dir), &r->config, &hold, &err), 0);
	pci_hold_release(&hold);
}

/* The only child there is by then. */
static void kill_vmm(struct run *r)
{
	(void)r;
	sh("read -r pid rest </proc/%d/task/%d/children; kill -KILL $pid", (int)getpid(),
	   (int)getpid());
}

static void leave_loop(struct run *r)
{
	loop_quit(r->loop, 0);
}

/* ---- tests ---- */

static void devices_are_taken_first_and_given_back_last(void **state)
{
	struct run *r = *state;

	r->on_started = note_moves;
	start_with(r, "report", "");
	wait_end(r);
	assert_int_equal(r->exited.reason, VMM_EXIT_POWER_OFF);
	assert_string_equal(moves_at_start, TAKEN);
	assert_string_equal(moves(r), GIVEN);
	assert_string_equal(r->warning, "");
	assert_free(r);
}

static void they_are_given_back_when_the_vmm_is_killed(void **state)
{
	struct run *r = *state;

	r->on_started = kill_vmm;
	start_with(r, "hang", "");
	wait_end(r);
	assert_int_equal(r->exited.reason, 0);
	assert_non_null(strstr(r->exited.text, "signal 9"));
	assert_string_equal(moves(r), GIVEN);
	assert_free(r);
}

static void what_cannot_be_taken_starts_nothing(void **state)
{
	struct run *r = *state;

	start_with(r, "report", "take");
	wait_end(r);
	assert_int_equal(r->exited.reason, VMM_EXIT_ERROR);
	assert_string_equal(r->exited.text, "It does not take.");
	assert_int_equal(r->started, 0);
	/* Some may have been taken. */
	assert_string_equal(moves(r), GIVEN);
	assert_free(r);
}

static void a_failed_return_is_told(void **state)
{
	struct run *r = *state;

	start_with(r, "report", "give-back");
	wait_end(r);
	assert_int_equal(r->exited.reason, VMM_EXIT_POWER_OFF);
	assert_string_equal(r->warning, "It does not give-back.");
	assert_free(r);
}

static void a_mover_that_dies_is_told(void **state)
{
	struct run *r = *state;

	start_with(r, "report", "die");
	wait_end(r);
	assert_int_equal(r->exited.reason, VMM_EXIT_ERROR);
	assert_non_null(strstr(r->exited.text, "that moves PCI devices was killed by signal 9"));
	assert_int_equal(r->started, 0);
	assert_free(r);
}

static void stopping_while_they_are_taken_gives_them_back(void **state)
{
	struct run *r = *state;

	start_with(r, "report", "slow");
	launch_stop(r->launch);
	wait_end(r);
	assert_int_equal(r->exited.reason, VMM_EXIT_STOPPED);
	assert_int_equal(r->started, 0);
	assert_string_equal(moves(r), GIVEN);
}

static void a_driver_that_holds_on_hangs_nobody(void **state)
{
	struct run *r = *state;

	longest_timer = 3000; /* enough for a process to begin on a busy computer */
	start_with(r, "report", "hang");
	wait_end(r);
	assert_int_equal(r->exited.reason, VMM_EXIT_ERROR);
	assert_non_null(strstr(r->exited.text, "a driver has not let its device go"));
	assert_int_equal(r->started, 0);
	/* It hangs again, but no third time. */
	assert_string_equal(moves(r), GIVEN);
	/* And where it can be killed nothing is left of it. */
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_free(r);
}

/* It ends when the driver lets go, long after the virtual machine. */
static void a_mover_that_cannot_be_killed_leaves_no_zombie(void **state)
{
	struct run *r = *state;
	struct pci_hold hold;
	struct vmb_err err;

	longest_timer = 3000; /* enough for a process to begin on a busy computer */
	unkillable = true;
	r->config.vfio_count = 1; /* no second try */
	start_with(r, "report", "hang");
	wait_end(r);
	assert_non_null(strstr(r->exited.text, "a driver has not let its device go"));
	/* Until then its device is nobody else's to move. */
	assert_int_equal(pci_hold_lock(at("%s/pci", r->scratch->dir), &r->config, &hold, &err),
			 -EBUSY);
	assert_non_null(strstr(err.text, "0000:01:00.0 is held by the virtual machine \"Test\""));
	assert_int_equal(kill(waiting, SIGKILL), 0);
	for (int i = 0; i < 500 && waitid(P_ALL, 0, NULL, WEXITED | WNOWAIT) == 0; i++)
		run_for(r, 20);
	assert_int_equal(waitid(P_ALL, 0, NULL, WEXITED | WNOHANG), -1);
	assert_free(r);
}

/* The second device's driver hangs: the host has the first one again without a restart of vmboot. */
static void what_was_taken_before_a_driver_held_on_is_given_back(void **state)
{
	struct run *r = *state;

	longest_timer = 3000; /* enough for a process to begin on a busy computer */
	start_with(r, "report", "hang-take");
	wait_end(r);
	assert_int_equal(r->exited.reason, VMM_EXIT_ERROR);
	assert_non_null(strstr(r->exited.text, "a driver has not let its device go"));
	assert_string_equal(moves(r), GIVEN);
	assert_string_equal(r->warning, "");
	assert_free(r);
}

static void destroying_a_running_launch_gives_them_back(void **state)
{
	struct run *r = *state;

	r->on_started = leave_loop;
	start_with(r, "hang", "");
	loop_run(r->loop);
	assert_string_equal(moves(r), TAKEN);
	launch_destroy(r->launch);
	r->launch = NULL;
	assert_string_equal(moves(r), GIVEN);
	assert_free(r);
}

static void destroying_one_that_takes_gives_them_back(void **state)
{
	struct run *r = *state;

	start_with(r, "report", "slow");
	launch_destroy(r->launch);
	r->launch = NULL;
	assert_string_equal(moves(r), GIVEN);
	assert_free(r);
}

static void what_another_machine_has_is_refused(void **state)
{
	struct run *r = *state;
	struct pci_hold hold;
	struct vmb_err err;

	assert_int_equal(pci_hold_lock(at("%s/pci", r->scratch->dir), &r->config, &hold, &err), 0);
	assert_int_equal(try_start(r, "report", &err), -EBUSY);
	assert_non_null(strstr(err.text, "0000:01:00.0 is held by the virtual machine \"Test\""));
	assert_string_equal(moves(r), "");
	pci_hold_release(&hold);
}

static void what_the_host_uses_is_refused_at_once(void **state)
{
	struct run *r = *state;
	struct vmb_err err;

	r->config.vfio[0].no_rom = 1; /* see __wrap_host_pci_check() */
	assert_int_equal(try_start(r, "report", &err), -EBUSY);
	assert_string_equal(err.text, "sda1 is mounted on /.");
	assert_string_equal(moves(r), "");
	assert_free(r);
}

int main(int argc, char **argv)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup_pci, teardown)
	const struct CMUnitTest tests[] = {
		TEST(devices_are_taken_first_and_given_back_last),
		TEST(they_are_given_back_when_the_vmm_is_killed),
		TEST(what_cannot_be_taken_starts_nothing),
		TEST(a_failed_return_is_told),
		TEST(a_mover_that_dies_is_told),
		TEST(stopping_while_they_are_taken_gives_them_back),
		TEST(a_driver_that_holds_on_hangs_nobody),
		TEST(a_mover_that_cannot_be_killed_leaves_no_zombie),
		TEST(what_was_taken_before_a_driver_held_on_is_given_back),
		TEST(destroying_a_running_launch_gives_them_back),
		TEST(destroying_one_that_takes_gives_them_back),
		TEST(what_another_machine_has_is_refused),
		TEST(what_the_host_uses_is_refused_at_once),
	};
	int status;

	if (argc > 3 && strcmp(argv[1], "pci") == 0)
		return fake_mover(argc, argv);
	if (launch_session_role(argc, argv, &status))
		return status;
	log_init(-1, LOG_LEVEL_ERROR, "test");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
