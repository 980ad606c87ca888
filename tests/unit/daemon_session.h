/*
 * A daemon in a process of its own, and the tests' side of its menus. Its vmm is the one of fake_vmm.h, and
 * its probes are this test's own binary: see daemon_session_role().
 */
#ifndef VMB_TESTS_UNIT_DAEMON_SESSION_H
#define VMB_TESTS_UNIT_DAEMON_SESSION_H

#include "storage_test.h"

#include <errno.h>
#include <poll.h>
#include <sanitizer/lsan_interface.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "cmd/cmd.h"
#include "daemon.h"
#include "fake_vmm.h"
#include "log.h"
#include "menu_proto.h"
#include "proto.h"
#include "text.h"

#define DEADLINE_MS 20000

int __wrap_host_check_kvm(struct vmb_err *err);
int __wrap_host_check_kvm(struct vmb_err *err)
{
	(void)err;
	return open("/dev/null", O_RDWR | O_CLOEXEC);
}

struct fixture {
	struct scratch *scratch;
	pid_t daemon;
	int sock; /* of the first menu; -1: none */
	char socket_path[PATH_MAX];
	char config_path[PATH_MAX]; /* directory of settings */
	struct vm_config config;
	uint8_t body[PROTO_MAX_BODY];
};

/* CLIENT_FD -1: listens on the scratch directory's socket. Never returns. */
static inline void run_daemon(struct fixture *f, int client_fd, uid_t uid)
{
	struct daemon_options options = {
		.client_fd = client_fd,
		.socket_path = f->socket_path,
		.config = f->config_path[0] ? f->config_path : NULL,
		.kvm_ok = true,
		.kvm_text = "tested",
	};
	struct vmb_err err = {0};
	int rc;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	log_init(-1, LOG_LEVEL_ERROR, "test");
	if (uid != 0 && (setgid(uid) < 0 || setuid(uid) < 0))
		_exit(90);
	rc = daemon_run(&options, &err);
	/* exit() would do that, but also what is cmocka's. */
	if (__lsan_do_recoverable_leak_check() != 0)
		_exit(91);
	_exit(rc < 0 ? err.code : 0);
}

static inline void start_daemon_as(struct fixture *f, const char *how, uid_t uid)
{
	int pair[2];

	setenv("FAKE_VMM", how, 1);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	f->daemon = fork();
	if (f->daemon == 0) {
		close(pair[0]);
		run_daemon(f, pair[1], uid);
	}
	close(pair[1]);
	f->sock = pair[0];
}

static inline void start_daemon(struct fixture *f, const char *how)
{
	start_daemon_as(f, how, 0);
}

static inline void start_listening(struct fixture *f, const char *how)
{
	setenv("FAKE_VMM", how, 1);
	f->daemon = fork();
	if (f->daemon == 0)
		run_daemon(f, -1, 0);
}

/* The daemon's exit status, which has to come by itself. */
static inline int wait_daemon(struct fixture *f)
{
	int status;

	for (int i = 0; i < DEADLINE_MS / 10; i++) {
		if (waitpid(f->daemon, &status, WNOHANG) == f->daemon) {
			f->daemon = 0;
			assert_true(WIFEXITED(status));
			return WEXITSTATUS(status);
		}
		usleep(10000);
	}
	fail_msg("the daemon does not end");
	return -1;
}

static inline int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char path[PATH_MAX];
	void *scratch;

	if (scratch_setup(&scratch) < 0)
		return -1;
	f->scratch = scratch;
	f->sock = -1;
	scratch_path(f->scratch, "run/daemon.sock", f->socket_path);
	assert_int_equal(mkdir(scratch_path(f->scratch, "config", f->config_path), 0700), 0);
	vm_config_init(&f->config);
	f->config.memory = 64 << 20;
	fake_firmware(scratch_path(f->scratch, "fw.fd", path));
	text_copy(f->config.firmware_path, sizeof(f->config.firmware_path), path);
	*state = f;
	return 0;
}

static inline int teardown(void **state)
{
	struct fixture *f = *state;
	void *scratch = f->scratch;

	if (f->sock >= 0)
		close(f->sock);
	if (f->daemon > 0) {
		kill(f->daemon, SIGKILL);
		waitpid(f->daemon, NULL, 0);
	}
	free(f);
	return scratch_teardown(&scratch);
}

static inline int connect_menu(struct fixture *f)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	assert_int_equal(text_copy(address.sun_path, sizeof(address.sun_path), f->socket_path), 0);
	for (int i = 0; i < DEADLINE_MS / 10; i++) {
		if (connect(sock, (struct sockaddr *)&address, sizeof(address)) == 0)
			return sock;
		usleep(10000);
	}
	fail_msg("the daemon does not listen");
	return -1;
}

static inline void tell(int sock, uint32_t type, const void *body, size_t size)
{
	assert_int_equal(proto_send(sock, type, body, size, NULL, 0), 0);
}

/* The next message: its type and size; or 0 and -EPIPE when the daemon hung up. */
static inline uint32_t hear(struct fixture *f, int sock, int *ret_size)
{
	struct pollfd pfd = {.fd = sock, .events = POLLIN};
	uint32_t type;

	if (poll(&pfd, 1, DEADLINE_MS) != 1)
		fail_msg("the daemon says nothing");
	*ret_size = proto_recv(sock, &type, f->body, sizeof(f->body), NULL, 0, NULL);
	return *ret_size >= 0 ? type : 0;
}

/* Skips to the next message of TYPE; its size. */
static inline int hear_type(struct fixture *f, int sock, uint32_t type)
{
	uint32_t got;
	int size;

	do {
		got = hear(f, sock, &size);
		if (got == MENU_REFUSED && type != MENU_REFUSED)
			fail_msg("refused: %.*s", size - 4, (char *)f->body + 4);
	} while (got != type && size >= 0);
	if (size < 0)
		fail_msg("the daemon hung up");
	return size;
}

static inline void greet(struct fixture *f, int sock)
{
	struct menu_hello hello = {.version = MENU_PROTO_VERSION};

	tell(sock, MENU_HELLO, &hello, sizeof(hello));
	assert_int_equal(hear_type(f, sock, MENU_WELCOME), sizeof(struct menu_welcome));
}

static inline struct menu_vm *hear_vm(struct fixture *f, int sock, uint32_t state)
{
	struct menu_vm *vm = (struct menu_vm *)f->body;

	do
		assert_int_equal(hear_type(f, sock, MENU_VM), sizeof(*vm));
	while (vm->state != state);
	return vm;
}

/* Output of the guest until EXPECTED is in it. */
static inline void hear_console(struct fixture *f, int sock, const char *expected)
{
	char text[4096];
	size_t n = 0;

	while (!memmem(text, n, expected, strlen(expected))) {
		int size = hear_type(f, sock, MENU_CONSOLE);

		assert_true(size >= 1 && size <= 16384);
		assert_true(n + (size_t)size < sizeof(text));
		memcpy(text + n, f->body, (size_t)size);
		n += (size_t)size;
	}
}

static inline void start_vm(struct fixture *f, int sock)
{
	tell(sock, MENU_START, &f->config, sizeof(f->config));
}

static inline void expect_refusal(struct fixture *f, int sock, uint32_t type, const char *words)
{
	uint32_t refused;
	int size = hear_type(f, sock, MENU_REFUSED);

	assert_true(size > (int)sizeof(refused) && size < PROTO_MAX_BODY);
	memcpy(&refused, f->body, sizeof(refused));
	assert_int_equal(refused, type);
	f->body[size] = '\0';
	if (!strstr((char *)f->body + 4, words))
		fail_msg("the sentence misses \"%s\": %s", words, (char *)f->body + 4);
}

static inline void assert_dropped(struct fixture *f, int sock)
{
	int size;

	while (hear(f, sock, &size) != 0)
		;
	assert_int_equal(size, -EPIPE);
}

/* True: this process is a vmm or a probe that the daemon started; its exit status is in *ret_status. */
static inline bool daemon_session_role(int argc, char **argv, int *ret_status)
{
	if (argc > 1 && strcmp(argv[1], "vmm") == 0)
		*ret_status = fake_vmm_main();
	else if (argc > 1 && strcmp(argv[1], "probe") == 0)
		*ret_status = cmd_probe(argc - 1, argv + 1);
	else if (argc > 1 && strcmp(argv[1], "report") == 0)
		*ret_status = cmd_report(argc - 1, argv + 1);
	else
		return false;
	return true;
}

/* Writes the file NAME of the daemon's settings. */
static inline void put_file(const struct fixture *f, const char *name, const char *text)
{
	char path[128];

	assert_in_range(snprintf(path, sizeof(path), "config/%s", name), 0, sizeof(path) - 1);
	put(f->scratch, path, text);
}

/* entries/ID.conf that starts the fixture's firmware. */
static inline void put_entry(const struct fixture *f, const char *id, const char *more)
{
	char name[64], text[1024];

	assert_in_range(snprintf(name, sizeof(name), "entries/%s.conf", id), 0, sizeof(name) - 1);
	snprintf(text, sizeof(text), "firmware = %s\nvars = none\nmemory = 64M\n%s",
		 f->config.firmware_path, more);
	put_file(f, name, text);
}

static inline struct menu_entry_id id_of(const char *id)
{
	struct menu_entry_id result = {.id = ""};

	text_copy(result.id, sizeof(result.id), id);
	return result;
}

static inline void tell_id(int sock, uint32_t type, const char *id)
{
	struct menu_entry_id body = id_of(id);

	tell(sock, type, &body, sizeof(body));
}

#endif
