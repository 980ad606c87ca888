/*
 * What a vmm says to a launcher's first message that is none: each field of VMM_START, and descriptors that do not belong to
 * it. No KVM is needed: a message that is taken fails at /dev/null in its place.
 */
#include "test.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log.h"
#include "proto.h"
#include "vmm.h"
#include "vmm_proto.h"

#define NOT_STARTED 2 /* exit status of a vmm, see vmm.h */

static const char taken[] = "KVM does not answer";
static const char apart[] = "which do not belong together";

/* One CPU, the least memory, nothing to be passed. */
static struct vmm_start usual(void)
{
	return (struct vmm_start){
		.version = VMM_PROTO_VERSION,
		.cpus = 1,
		.memory = VM_MIN_MEMORY,
		.log_level = LOG_LEVEL_ERROR,
		.boot = VMM_BOOT_FIRMWARE,
	};
}

/* A vmm in a process of its own. Returns the launcher's end of its socket. */
static int begin(pid_t *ret_pid)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	*ret_pid = fork();
	assert_true(*ret_pid >= 0);
	if (*ret_pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(pair[0]);
		log_init(-1, LOG_LEVEL_ERROR, "test");
		_exit(vmm_main(pair[1]));
	}
	close(pair[1]);
	return pair[0];
}

/* Sends SIZE bytes of BODY and COUNT descriptors; what is told of the end, which is none of a running machine. */
static struct vmm_exited answer(uint32_t type, const void *body, size_t size, unsigned int count)
{
	int fds[PROTO_MAX_FDS], status, sock;
	struct vmm_exited exited = {0};
	uint32_t answered = 0;
	pid_t pid;

	for (unsigned int i = 0; i < count; i++)
		assert_true((fds[i] = open("/dev/null", O_RDWR | O_CLOEXEC)) >= 0);
	sock = begin(&pid);
	assert_int_equal(proto_send(sock, type, body, size, fds, count), 0);
	for (unsigned int i = 0; i < count; i++)
		close(fds[i]);
	assert_int_equal(proto_recv(sock, &answered, &exited, sizeof(exited), NULL, 0, NULL),
			 sizeof(exited));
	close(sock);
	assert_int_equal(answered, VMM_EXITED);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), NOT_STARTED);
	assert_int_equal(exited.reason, VMM_EXIT_ERROR);
	return exited;
}

static void assert_answer(const struct vmm_start *start, unsigned int fds, const char *text)
{
	struct vmm_exited exited = answer(VMM_START, start, sizeof(*start), fds);

	if (!strstr(exited.text, text))
		fail_msg("instead of \"%s\": %s", text, exited.text);
}

static void numbers_are_refused_with_the_reason(void **state)
{
	struct vmm_start start = usual();

	(void)state;
	assert_answer(&start, VMM_FD_DISKS, taken);
	start.version++;
	assert_answer(&start, VMM_FD_DISKS, "Use one vmboot for both");
	start = usual();
	start.boot = VMM_BOOT_FLASH + 1;
	assert_answer(&start, VMM_FD_DISKS, "a way to boot that this vmm does not know (3)");
	start = usual();
	start.memory -= 1 << 20;
	assert_answer(&start, VMM_FD_DISKS,
		      "cannot have 66060288 bytes of memory: at least 64 MiB");
	start.memory = VM_MIN_MEMORY + 4096;
	assert_answer(&start, VMM_FD_DISKS, "in whole MiB");
	start.memory = VM_MIN_MEMORY + (1 << 20);
	assert_answer(&start, VMM_FD_DISKS, taken);
}

static void descriptors_are_those_of_the_disks(void **state)
{
	struct vmm_start start = usual();

	(void)state;
	assert_answer(&start, VMM_FD_DISKS - 1, apart);
	assert_answer(&start, VMM_FD_DISKS + 1, apart);
	start.disk_count = VM_MAX_DISKS;
	assert_answer(&start, VMM_FD_DISKS + VM_MAX_DISKS, taken);
	start.disk_count = VM_MAX_DISKS + 1;
	assert_answer(&start, VMM_FD_DISKS + VM_MAX_DISKS + 1, apart);
	start.disk_count = UINT32_MAX;
	assert_answer(&start, VMM_FD_DISKS - 1, apart);
}

static void descriptors_are_those_of_the_network_cards(void **state)
{
	static const struct {
		unsigned int queues, vhost, fds;
		const char *text;
	} cases[] = {
		{1, 0, 1, taken},
		{1, 1, 1, apart},
		{1, 1, 2, taken},
		{VM_MAX_NET_QUEUES, 1, 2 * VM_MAX_NET_QUEUES, taken},
		{VM_MAX_NET_QUEUES + 1, 0, VM_MAX_NET_QUEUES + 1, apart},
		/* Not that there are none for what cannot be. */
		{0, 0, 0, apart},
		{VM_MAX_NET_QUEUES + 1, 0, 0, apart},
		{UINT8_MAX, 0, 0, apart},
	};
	struct vmm_start start = usual();

	(void)state;
	start.net_count = 1;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		start.nets[0].queues = (uint8_t)cases[i].queues;
		start.nets[0].vhost = (uint8_t)cases[i].vhost;
		assert_answer(&start, VMM_FD_DISKS + cases[i].fds, cases[i].text);
	}
	start.net_count = VM_MAX_NETS + 1;
	for (unsigned int i = 0; i < VM_MAX_NETS; i++)
		start.nets[i] = (struct vmm_net){.queues = 1};
	assert_answer(&start, VMM_FD_DISKS + VM_MAX_NETS + 1, apart);
	start.net_count = VM_MAX_NETS;
	assert_answer(&start, VMM_FD_DISKS + VM_MAX_NETS, taken);
}

static void descriptors_are_those_of_the_devices(void **state)
{
	struct vmm_start start = usual();

	(void)state;
	start.vfio_count = 2;
	start.vfio_fd_count = 1;
	assert_answer(&start, VMM_FD_DISKS + 1, apart);
	assert_answer(&start, VMM_FD_DISKS + 2, taken);
	start.vfio[1].fd = 1;
	assert_answer(&start, VMM_FD_DISKS + 2, apart);
	start.vfio_fd_count = 2;
	assert_answer(&start, VMM_FD_DISKS + 3, taken);
	start.vfio_fd_count = 3;
	assert_answer(&start, VMM_FD_DISKS + 4, apart);
	start.vfio_count = VM_MAX_VFIO + 1;
	assert_answer(&start, VMM_FD_DISKS + 4, apart);
}

static void other_messages_are_no_start(void **state)
{
	const struct vmm_start start = usual();
	struct vmm_exited exited = answer(VMM_RESET, NULL, 0, 0);

	(void)state;
	assert_non_null(strstr(exited.text, "first message is not VMM_START"));
	exited = answer(VMM_START, &start, sizeof(start) - 1, VMM_FD_DISKS);
	assert_non_null(strstr(exited.text, "first message is not VMM_START"));
}

static void a_launcher_that_says_nothing_ends_it(void **state)
{
	int status, sock;
	pid_t pid;

	(void)state;
	sock = begin(&pid);
	close(sock);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), NOT_STARTED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_refused_with_the_reason),
		cmocka_unit_test(descriptors_are_those_of_the_disks),
		cmocka_unit_test(descriptors_are_those_of_the_network_cards),
		cmocka_unit_test(descriptors_are_those_of_the_devices),
		cmocka_unit_test(other_messages_are_no_start),
		cmocka_unit_test(a_launcher_that_says_nothing_ends_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
