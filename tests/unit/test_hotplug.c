/*
 * The kernel's messages about block devices: what is believed, and a storm of them, more than the
 * socket holds, after which the list is what sysfs says. The storm is sent on a netlink socket that
 * processes may send to, with recvmsg() saying that it was the kernel.
 */
#include "storage_test.h"

#include <errno.h>
#include <linux/netlink.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "daemon/hotplug.h"
#include "discovery.h"
#include "log.h"
#include "loop.h"
#include "probe_proto.h"
#include "proto.h"
#include "storage.h"

static struct {
	bool is_kernel; /* who sent says port 0 */
	unsigned int overruns;
} faked;

ssize_t __real_recvmsg(int fd, struct msghdr *msg, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *msg, int flags);

ssize_t __wrap_recvmsg(int fd, struct msghdr *msg, int flags)
{
	ssize_t n = __real_recvmsg(fd, msg, flags);
	struct sockaddr_nl *from = msg->msg_name;

	faked.overruns += n < 0 && errno == ENOBUFS;
	if (n >= 0 && faked.is_kernel && from && from->nl_family == AF_NETLINK)
		from->nl_pid = 0;
	return n;
}

static int setup(void **state)
{
	faked.is_kernel = false;
	faked.overruns = 0;
	return scratch_setup(state);
}

/* ---- what a message says ---- */

#define MESSAGE(action, path, subsystem) \
	action "@" path "\0ACTION=" action "\0DEVPATH=" path "\0SUBSYSTEM=" subsystem "\0SEQNUM=7"

static void messages_are_parsed(void **state)
{
	static const char add[] = MESSAGE("add", "/devices/virtual/block/loop0", "block");
	static const char part[] = MESSAGE("change", "/devices/a/block/sda/sda1", "block");
	static const char gone[] = MESSAGE("remove", "/devices/a/nvme/nvme0n1", "block");
	static const char offline[] = MESSAGE("offline", "/devices/a/block/sdb", "block");
	struct storage_uevent event;

	(void)state;
	assert_int_equal(storage_uevent_parse(add, sizeof(add), &event), 1);
	assert_string_equal(event.name, "loop0");
	assert_int_equal(event.action, STORAGE_ADDED);
	assert_int_equal(storage_uevent_parse(part, sizeof(part), &event), 1);
	assert_string_equal(event.name, "sda1");
	assert_int_equal(event.action, STORAGE_CHANGED);
	assert_int_equal(storage_uevent_parse(gone, sizeof(gone), &event), 1);
	assert_string_equal(event.name, "nvme0n1");
	assert_int_equal(event.action, STORAGE_REMOVED);
	assert_int_equal(storage_uevent_parse(offline, sizeof(offline), &event), 1);
	assert_int_equal(event.action, STORAGE_CHANGED);
}

static void what_is_no_message_is_left_alone(void **state)
{
	static const char net[] = MESSAGE("add", "/devices/virtual/net/eth0", "net");
	static const char empty[] = MESSAGE("add", "/devices/virtual/block/", "block");
	static const char udev[] = "libudev\0\xfe\xed\xca\xfe(ACTION=add\0SUBSYSTEM=block";
	static const char longer[] = MESSAGE(
		"add", "/devices/virtual/block/a-name-that-no-block-device-of-linux-can-have",
		"block");
	static const char good[] = MESSAGE("add", "/devices/virtual/block/loop0", "block");
	struct storage_uevent event = {.name = "untouched"};

	(void)state;
	assert_int_equal(storage_uevent_parse(net, sizeof(net), &event), 0);
	assert_int_equal(storage_uevent_parse(empty, sizeof(empty), &event), 0);
	assert_int_equal(storage_uevent_parse(udev, sizeof(udev), &event), 0);
	assert_int_equal(storage_uevent_parse(longer, sizeof(longer), &event), 0);
	assert_int_equal(storage_uevent_parse("", 0, &event), 0);
	assert_int_equal(storage_uevent_parse("\0\0\0", 3, &event), 0);
	/* Cut anywhere but at its end it has no end, or lacks something. */
	for (size_t n = 0; n < sizeof(good) - sizeof("SEQNUM=7"); n++) {
		char *cut = malloc(n + 1);

		memcpy(cut, good, n);
		assert_int_equal(storage_uevent_parse(cut, n, &event), 0);
		free(cut);
	}
	assert_string_equal(event.name, "untouched");
}

/* ---- who is believed ---- */

static void only_the_kernel_is_believed(void **state)
{
	static const char good[] = MESSAGE("add", "/devices/virtual/block/sda", "block");
	struct sockaddr_nl to = {.nl_family = AF_NETLINK};
	socklen_t size = sizeof(to);
	struct storage_uevent event;
	struct vmb_err err;
	int fd, from, rc;

	(void)state;
	if (geteuid() != 0 || storage_uevent_open(&fd, &err) < 0) {
		print_message("skipped: no socket of uevents, or not root\n");
		skip();
	}
	assert_int_equal(getsockname(fd, (struct sockaddr *)&to, &size), 0);
	from = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);
	assert_true(from >= 0);
	to.nl_groups = 0;
	assert_int_equal(sendto(from, good, sizeof(good), 0, (struct sockaddr *)&to, size),
			 sizeof(good));
	/* The kernel may have something to say meanwhile, of other devices. */
	do {
		rc = storage_uevent_read(fd, &event);
		if (rc == 1)
			assert_string_not_equal(event.name, "sda");
	} while (rc >= 0);
	assert_int_equal(rc, -EAGAIN);
	/* The same message would have been good. */
	faked.is_kernel = true;
	assert_int_equal(sendto(from, good, sizeof(good), 0, (struct sockaddr *)&to, size),
			 sizeof(good));
	do
		rc = storage_uevent_read(fd, &event);
	while (rc == 1 && strcmp(event.name, "sda") != 0);
	/* But for the credentials, which say who it was. */
	assert_int_not_equal(rc, 1);
	close(from);
	close(fd);
}

static void a_container_without_messages_is_told_so(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	pid = fork();
	if (pid == 0) {
		struct vmb_err err = {0};
		int fd;

		if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
			_exit(77);
		if (storage_uevent_open(&fd, &err) != -ENOTSUP)
			_exit(1);
		_exit(strstr(err.text, "rescan") ? 0 : 2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77) {
		print_message("skipped: no user namespaces here\n");
		skip();
	}
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* ---- collecting ---- */

struct told {
	struct loop *loop;
	unsigned int calls;
	struct hotplug_changes changes;
};

static void on_told(void *ctx, const struct hotplug_changes *changes)
{
	struct told *told = ctx;

	told->calls++;
	told->changes = *changes;
	loop_quit(told->loop, 0);
}

static void send_event(int fd, const char *action, const char *name)
{
	char message[256];
	int n = snprintf(message, sizeof(message),
			 "%s@/x/%s%cACTION=%s%cDEVPATH=/x/%s%cSUBSYSTEM=block", action, name, 0,
			 action, 0, name, 0);

	/* Fails when there is no room at the other end: then it is lost, as the kernel's are. */
	send(fd, message, (size_t)n + 1, 0);
}

static void a_burst_is_one_change(void **state)
{
	struct told told = {.calls = 0};
	struct hotplug *hotplug;
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(loop_create(&told.loop), 0);
	assert_int_equal(hotplug_create(told.loop, "", pair[1], on_told, &told, &hotplug), 0);
	send_event(pair[0], "remove", "sda");
	send_event(pair[0], "add", "sda");
	send_event(pair[0], "change", "sda");
	send_event(pair[0], "add", "sda1");
	send_event(pair[0], "remove", "sda1");
	loop_run(told.loop);
	assert_int_equal(told.calls, 1);
	assert_int_equal(told.changes.count, 2);
	assert_false(told.changes.all);
	/* That it is a new disk must not be forgotten by what is told of it later. */
	assert_int_equal(hotplug_find(&told.changes, "sda")->action, STORAGE_ADDED);
	assert_int_equal(hotplug_find(&told.changes, "sda1")->action, STORAGE_REMOVED);
	assert_null(hotplug_find(&told.changes, "sdb"));
	hotplug_destroy(hotplug);
	loop_destroy(told.loop);
	close(pair[0]);
	close(pair[1]);
}

/* ---- the storm ---- */

#define STORM_EVENTS 10000
#define STORM_BURST  250
#define STORM_DISKS  40

struct storm {
	struct scratch *scratch;
	struct loop *loop;
	struct discovery *discovery;
	int from;
	unsigned int sent;
	uint32_t random;
	uint64_t last_ms, stall_ms;
};

static void put_attr(struct storm *s, const char *name, const char *attr, const char *text)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/sys/class/block/%s/%s", s->scratch->dir, name, attr);
	write_file(path, text, strlen(text), 0);
}

/* Plugs disk NUMBER in or out in the made-up sysfs, and tells it as the kernel would. */
static void change_disk(struct storm *s, unsigned int number)
{
	char path[PATH_MAX], name[16], text[32];
	const char *action = "add";

	snprintf(name, sizeof(name), "sd%u", number);
	snprintf(path, sizeof(path), "%s/sys/class/block/%s", s->scratch->dir, name);
	if (mkdir(path, 0700) == 0) {
		snprintf(text, sizeof(text), "240:%u", number);
		put_attr(s, name, "dev", text);
		put_attr(s, name, "size", "2048");
	} else {
		char file[PATH_MAX + 8];

		action = "remove";
		snprintf(file, sizeof(file), "%s/dev", path);
		unlink(file);
		snprintf(file, sizeof(file), "%s/size", path);
		unlink(file);
		assert_int_equal(rmdir(path), 0);
	}
	send_event(s->from, action, name);
}

static void on_burst(void *arg)
{
	struct storm *s = arg;
	struct loop_timer *timer;

	for (unsigned int i = 0; i < STORM_BURST; i++, s->sent++) {
		s->random = s->random * 1664525 + 1013904223;
		change_disk(s, (s->random >> 8) % STORM_DISKS);
	}
	if (s->sent < STORM_EVENTS)
		assert_int_equal(loop_add_timer(s->loop, 1, on_burst, s, &timer), 0);
}

/* How long the loop was away from others: the sending itself is not counted. */
static void on_tick(void *arg)
{
	struct storm *s = arg;
	uint64_t now = loop_now_ms();
	struct loop_timer *timer;

	if (s->last_ms && now - s->last_ms > s->stall_ms)
		s->stall_ms = now - s->last_ms;
	s->last_ms = now;
	if (s->sent < STORM_EVENTS)
		s->last_ms = 0;
	loop_add_timer(s->loop, 5, on_tick, s, &timer);
}

static bool is_as_sysfs(struct storm *s)
{
	struct storage_device *real;
	size_t count, real_count;
	const struct menu_device *devices = discovery_devices(s->discovery, &count);
	bool same;

	assert_int_equal(storage_list_devices(s->scratch->dir, &real, &real_count), 0);
	same = count == real_count;
	for (size_t i = 0; same && i < count; i++)
		same = strcmp(devices[i].name, real[i].name) == 0 &&
		       devices[i].state == MENU_DEVICE_READY;
	free(real);
	return same;
}

static void on_changed(void *ctx)
{
	struct storm *s = ctx;

	if (s->discovery && s->sent >= STORM_EVENTS && !discovery_scanning(s->discovery) &&
	    is_as_sysfs(s))
		loop_quit(s->loop, 0);
}

static void on_too_long(void *arg)
{
	loop_quit(((struct storm *)arg)->loop, 1);
}

/* A socket that only the storm is heard on, with room for a few messages. */
static int open_storm_socket(int *ret_from)
{
	struct sockaddr_nl group = {.nl_family = AF_NETLINK, .nl_groups = 1};
	const int size = 4096;
	int to = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_USERSOCK);
	int from = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_USERSOCK);

	if (to < 0 || from < 0 || bind(to, (struct sockaddr *)&group, sizeof(group)) < 0 ||
	    setsockopt(to, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)) < 0 ||
	    connect(from, (struct sockaddr *)&group, sizeof(group)) < 0)
		return -1;
	*ret_from = from;
	return to;
}

static void a_storm_ends_with_the_list_of_sysfs(void **state)
{
	struct storm s = {.scratch = *state, .random = 9};
	struct discovery_options options = {
		.root = s.scratch->dir,
		.changed = on_changed,
		.ctx = &s,
	};
	struct loop_timer *timer;
	struct vmb_err err;

	options.uevent_fd = open_storm_socket(&s.from);
	if (options.uevent_fd < 0) {
		print_message("skipped: no netlink sockets for processes here\n");
		skip();
	}
	faked.is_kernel = true;
	assert_true(sh("cd %s && mkdir -p proc/self sys/class/block && : > proc/self/mountinfo && "
		       ": > proc/swaps",
		       s.scratch->dir));
	assert_int_equal(loop_create(&s.loop), 0);
	assert_int_equal(discovery_create(s.loop, &options, &s.discovery, &err), 0);
	loop_add_timer(s.loop, 0, on_burst, &s, &timer);
	loop_add_timer(s.loop, 0, on_tick, &s, &timer);
	loop_add_timer(s.loop, 120000, on_too_long, &s, &timer);
	assert_int_equal(loop_run(s.loop), 0);
	assert_int_equal(s.sent, STORM_EVENTS);
	assert_true(faked.overruns > 0);
	assert_true(is_as_sysfs(&s));
	print_message("%u events, %u overruns, longest stall after them %u ms\n", s.sent,
		      faked.overruns, (unsigned int)s.stall_ms);
	discovery_destroy(s.discovery);
	loop_destroy(s.loop);
	close(options.uevent_fd);
	close(s.from);
	while (waitpid(-1, NULL, 0) > 0)
		;
}

int main(int argc, char **argv)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, scratch_teardown)
	const struct CMUnitTest tests[] = {
		TEST(messages_are_parsed),	   TEST(what_is_no_message_is_left_alone),
		TEST(only_the_kernel_is_believed), TEST(a_container_without_messages_is_told_so),
		TEST(a_burst_is_one_change),	   TEST(a_storm_ends_with_the_list_of_sysfs),
	};

	if (argc > 2 && strcmp(argv[1], "probe") == 0) {
		struct probe_done done = {.code = 0};

		return proto_send(PROBE_CONTROL_FD, PROBE_DONE, &done, sizeof(done), NULL, 0) < 0;
	}
	log_init(-1, LOG_LEVEL_ERROR, "test");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
