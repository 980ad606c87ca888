/*
 * What a taken-over vmm would try next, without a filter and with nothing else; the ring, which no filter sees; and what is
 * told when a call is refused.
 */
#include "sandbox_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto.h"
#include "sandbox_escapes.h"
#include "vmm/ring_engine.h"
#include "vmm_proto.h"

/* ---- escapes ---- */

/* In a child: everything but the filter, as a user without rights if AS_USER. */
static bool enter_layers(bool as_user)
{
	unsigned int abi;

	if (as_user && (setresgid(65533, 65533, 65533) < 0 || setresuid(65533, 65533, 65533) < 0))
		return false;
	return sandbox_empty_root() == 0 && sandbox_drop_rights() == 0 &&
	       sandbox_landlock(&abi) == 0;
}

static bool layers_are_there(bool as_user)
{
	pid_t pid = fork();

	if (pid == 0)
		leave(!enter_layers(as_user));
	return wait_for(pid) == 0;
}

/* Root's processes are out of reach of nobody; those of the same user only where Landlock says so. */
static bool layers_stop(enum escape_stop stopped)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0L, 1L /* _VERSION */);

	return stopped == BY_LAYERS || (stopped == BY_SCOPE && (abi >= 6 || geteuid() == 0));
}

/* Tries every escape that the layers without filters are to stop; fails the test if one succeeds. */
static void nothing_escapes(bool as_user)
{
	if (!layers_are_there(as_user)) {
		print_message("skipped: this kernel or this container has not every layer\n");
		skip();
	}
	for (size_t i = 0; i < ESCAPES; i++) {
		pid_t pid;
		int status;

		if (!layers_stop(escapes[i].stopped))
			continue;
		pid = fork();
		if (pid == 0)
			leave(!enter_layers(as_user) ? 99 : escapes[i].attempt() ? 1 : 0);
		status = wait_for(pid);
		if (status != 0)
			fail_msg("without filters, %s: status %#x", escapes[i].name, status);
	}
}

static void layers_without_filters_stop_root(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	nothing_escapes(false);
}

static void layers_without_filters_stop_a_user(void **state)
{
	(void)state;
	nothing_escapes(geteuid() == 0);
}

static void filters_alone_stop_every_escape(void **state)
{
	unsigned int tried = 0;

	(void)state;
	for (unsigned int kind = 0; kind < SANDBOX_THREADS; kind++)
		for (size_t i = 0; i < ESCAPES; i++) {
			pid_t pid = fork();
			int status;

			if (pid == 0) {
				go_under(kind);
				refused = 0;
				(void)escapes[i].attempt();
				leave(!refused);
			}
			status = wait_for(pid);
			if (status != 0)
				fail_msg("%s thread, %s: status %#x", sandbox_thread_name(kind),
					 escapes[i].name, status);
			tried++;
		}
	print_message("sandbox_escapes_refused %u attempts\n", tried);
	assert_in_range(ESCAPES, 30, 100);
}

/* ---- io_uring, which no filter sees ---- */

#define OWN_TAG 2 /* as ring_uring.c tags what it does not wait for */

struct ring_attempts {
	struct ring *ring;
	int results[256];
};

/* On the I/O thread, which may use the ring: each operation there is, with a path, descriptor and length of zero. */
static void try_operations(void *arg)
{
	struct ring_attempts *attempts = arg;
	struct io_uring *io = attempts->ring->engine; /* its first member */

	for (unsigned int op = 0; op < 256; op++) {
		struct io_uring_sqe *sqe = io_uring_get_sqe(io);
		struct io_uring_cqe *cqe;

		assert_non_null(sqe);
		io_uring_prep_rw((int)op, sqe, -1, "/etc/passwd", 0, 0);
		io_uring_sqe_set_data64(sqe, (uint64_t)(op + 1) << 8 | OWN_TAG);
		assert_int_equal(io_uring_submit_and_wait(io, 1), 1);
		assert_int_equal(io_uring_wait_cqe(io, &cqe), 0);
		assert_int_equal(cqe->user_data >> 8, op + 1);
		attempts->results[op] = cqe->res;
		io_uring_cqe_seen(io, cqe);
	}
}

static void ring_does_only_what_it_is_for(void **state)
{
	static const unsigned int used[] = {
		IORING_OP_READV,    IORING_OP_WRITEV,	 IORING_OP_FSYNC,
		IORING_OP_POLL_ADD, IORING_OP_FALLOCATE, IORING_OP_ASYNC_CANCEL,
		IORING_OP_READ,	    IORING_OP_WRITE,	 IORING_OP_URING_CMD,
	};
	struct ring_attempts attempts = {0};
	struct vmb_err err = {0};

	(void)state;
	if (ring_create("attempts", 8, RING_IO_URING, &attempts.ring, &err) < 0) {
		print_message("skipped: %s\n", err.text);
		skip();
	}
	assert_int_equal(ring_start(attempts.ring), 0);
	ring_call(attempts.ring, try_operations, &attempts);
	for (unsigned int op = 0; op < 256; op++) {
		bool is_used = false;

		for (size_t i = 0; i < sizeof(used) / sizeof(used[0]); i++)
			is_used |= used[i] == op;
		/* EINVAL: newer than this kernel. */
		if (is_used ? attempts.results[op] == -EACCES
			    : attempts.results[op] != -EACCES && attempts.results[op] != -EINVAL)
			fail_msg("operation %u: %d", op, attempts.results[op]);
	}
	assert_int_equal(attempts.results[IORING_OP_OPENAT], -EACCES);
	assert_int_equal(attempts.results[IORING_OP_CONNECT], -EACCES);
	ring_destroy(attempts.ring);
}

/* ---- what is told ---- */

static void make_a_refused_call(int control)
{
	char *const nothing[] = {NULL};

	if (dup2(open("/dev/null", O_WRONLY), STDERR_FILENO) < 0 ||
	    dup2(control, VMM_CONTROL_FD) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		leave(99);
	sandbox_report_refusals();
	if (sandbox_filter(&filters_only, SANDBOX_VCPU) < 0)
		leave(98);
	execve("/bin/sh", nothing, nothing);
	leave(97);
}

static void refusal_is_told_to_the_launcher(void **state)
{
	struct vmm_exited exited = {0};
	uint32_t type = 0;
	int pair[2], status;
	pid_t pid;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	pid = fork();
	if (pid == 0)
		make_a_refused_call(pair[1]);
	status = wait_for(pid);
	close(pair[1]);
	assert_int_equal(proto_recv(pair[0], &type, &exited, sizeof(exited), NULL, 0, NULL),
			 sizeof(exited));
	assert_int_equal(type, VMM_EXITED);
	assert_int_equal(exited.reason, VMM_EXIT_ERROR);
	assert_non_null(strstr(exited.text, "stopped by its sandbox"));
	assert_non_null(strstr(exited.text, "system call 59 in its vCPU thread"));
	assert_int_equal(status, 1 << 8);
	close(pair[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(layers_without_filters_stop_root),
		cmocka_unit_test(layers_without_filters_stop_a_user),
		cmocka_unit_test(filters_alone_stop_every_escape),
		cmocka_unit_test(ring_does_only_what_it_is_for),
		cmocka_unit_test(refusal_is_told_to_the_launcher),
	};

	return cmocka_run_group_tests_name("sandbox", tests, NULL, NULL);
}
