/* Messages between our processes: a peer that lies, leaves or floods. */
#include "test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto.h"

static int pair[2];

static int setup(void **state)
{
	(void)state;
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair);
}

static int teardown(void **state)
{
	(void)state;
	close(pair[0]);
	close(pair[1]);
	return 0;
}

static int open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static void message_arrives_whole(void **state)
{
	char body[PROTO_MAX_BODY], got[PROTO_MAX_BODY];
	uint32_t type = 0;

	(void)state;
	memset(body, 0x5A, sizeof(body));
	assert_int_equal(proto_send(pair[0], 7, body, sizeof(body), NULL, 0), 0);
	assert_int_equal(proto_recv(pair[1], &type, got, sizeof(got), NULL, 0, NULL), sizeof(got));
	assert_int_equal(type, 7);
	assert_memory_equal(body, got, sizeof(got));
	assert_int_equal(proto_send(pair[0], 8, NULL, 0, NULL, 0), 0);
	assert_int_equal(proto_recv(pair[1], &type, got, sizeof(got), NULL, 0, NULL), 0);
	assert_int_equal(type, 8);
	assert_int_equal(proto_send(pair[0], 7, body, sizeof(body) + 1, NULL, 0), -EMSGSIZE);
}

static void descriptors_travel(void **state)
{
	int fds[2] = {open("/dev/null", O_RDONLY), open("/dev/zero", O_RDONLY)}, got[4];
	unsigned int n = 0;
	uint32_t type;
	char zero = 1;

	(void)state;
	assert_int_equal(proto_send(pair[0], 1, "x", 1, fds, 2), 0);
	close(fds[0]);
	close(fds[1]);
	assert_int_equal(proto_recv(pair[1], &type, &zero, 1, got, 4, &n), 1);
	assert_int_equal(n, 2);
	assert_int_equal(read(got[0], &zero, 1), 0);
	assert_int_equal(read(got[1], &zero, 1), 1);
	assert_int_equal(zero, 0);
	assert_true(fcntl(got[0], F_GETFD) & FD_CLOEXEC);
	close(got[0]);
	close(got[1]);
}

static void unwanted_descriptors_do_not_leak(void **state)
{
	int fds[3] = {STDERR_FILENO, STDERR_FILENO, STDERR_FILENO}, got[1];
	int before = open_fds();
	unsigned int n;
	uint32_t type;
	char body[4];

	(void)state;
	assert_int_equal(proto_send(pair[0], 1, "x", 1, fds, 3), 0);
	assert_int_equal(proto_recv(pair[1], &type, body, sizeof(body), NULL, 0, NULL), -EBADMSG);
	assert_int_equal(proto_send(pair[0], 1, "x", 1, fds, 3), 0);
	assert_int_equal(proto_recv(pair[1], &type, body, sizeof(body), got, 1, &n), -EBADMSG);
	assert_int_equal(open_fds(), before);
}

static void lying_lengths_are_refused(void **state)
{
	struct {
		struct proto_header header;
		char body[16];
	} msg = {.header = {.type = 1, .size = 15}};
	char body[64];
	uint32_t type;

	(void)state;
	/* says less than it brings, more than it brings, more than there is room, no whole header */
	assert_int_equal(send(pair[0], &msg, sizeof(msg), 0), sizeof(msg));
	assert_int_equal(proto_recv(pair[1], &type, body, sizeof(body), NULL, 0, NULL), -EBADMSG);
	msg.header.size = 17;
	assert_int_equal(send(pair[0], &msg, sizeof(msg), 0), sizeof(msg));
	assert_int_equal(proto_recv(pair[1], &type, body, sizeof(body), NULL, 0, NULL), -EBADMSG);
	msg.header.size = 16;
	assert_int_equal(send(pair[0], &msg, sizeof(msg), 0), sizeof(msg));
	assert_int_equal(proto_recv(pair[1], &type, body, 8, NULL, 0, NULL), -EBADMSG);
	assert_int_equal(send(pair[0], &msg, 3, 0), 3);
	assert_int_equal(proto_recv(pair[1], &type, body, sizeof(body), NULL, 0, NULL), -EBADMSG);
	/* and the connection still works */
	assert_int_equal(proto_send(pair[0], 2, "ok", 2, NULL, 0), 0);
	assert_int_equal(proto_recv(pair[1], &type, body, sizeof(body), NULL, 0, NULL), 2);
}

static void full_and_closed_are_told_apart(void **state)
{
	char body[4096] = {0};
	uint32_t type;
	int rc = 0;

	(void)state;
	assert_int_equal(proto_recv(pair[1], &type, body, sizeof(body), NULL, 0, NULL), -EAGAIN);
	for (int i = 0; i < 10000 && rc == 0; i++)
		rc = proto_send(pair[0], 1, body, sizeof(body), NULL, 0);
	assert_int_equal(rc, -EAGAIN);
	close(pair[1]);
	assert_int_equal(proto_send(pair[0], 1, body, 1, NULL, 0), -EPIPE);
	assert_int_equal(setup(NULL), 0);
	close(pair[0]);
	assert_int_equal(proto_recv(pair[1], &type, body, sizeof(body), NULL, 0, NULL), -EPIPE);
	pair[0] = -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(message_arrives_whole, setup, teardown),
		cmocka_unit_test_setup_teardown(descriptors_travel, setup, teardown),
		cmocka_unit_test_setup_teardown(unwanted_descriptors_do_not_leak, setup, teardown),
		cmocka_unit_test_setup_teardown(lying_lengths_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(full_and_closed_are_told_apart, setup, teardown),
	};

	return cmocka_run_group_tests_name("proto", tests, NULL, NULL);
}
