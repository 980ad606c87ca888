/*
 * vmboot ctl: the daemon's virtual machine from a script or another terminal. A client of the daemon
 * as the menus are (menu_proto.h); each command waits until what it asked for has happened.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "cmd.h"
#include "ctl.h"
#include "daemon_path.h"
#include "log.h"
#include "loop.h"
#include "proto.h"
#include "text.h"

/* The exit statuses that are promised in main.c's table. */
enum { DONE = 0, NOT_POSSIBLE = 1, NO_DAEMON = 2 };

/* A daemon that is asked answers at once; killing a VM takes it two seconds at most. */
#define ANSWER_MS 10000

struct ctl {
	int sock;
	struct menu_vm vm; /* as of the last MENU_VM */
	union {
		uint8_t bytes[PROTO_MAX_BODY];
		struct menu_vm vm;
		struct vmm_status status;
	} body;
	size_t size;	     /* of BODY */
	const char *args[2]; /* of the command; NULL: none */
	uint64_t number;     /* the argument of those that take one: a size, or a disk */
	struct vmm_set_link link;
};

static int fail(int status, const char *text)
{
	fprintf(stderr, "vmboot: %s\n", text);
	return status;
}

/* ---- talking ---- */

static int lost(int rc)
{
	if (rc == -ETIMEDOUT)
		return fail(NO_DAEMON,
			    "The daemon does not answer. It may hang; its log may tell more.");
	if (rc == -EBADMSG)
		return fail(NO_DAEMON,
			    "The daemon sent a message that makes no sense. Use one vmboot for "
			    "both.");
	return fail(NO_DAEMON, "The daemon hung up.");
}

static int say(const struct ctl *ctl, uint32_t type, const void *body, size_t size)
{
	int rc = proto_send(ctl->sock, type, body, size, NULL, 0);

	return rc < 0 ? lost(rc) : DONE;
}

/* One message into CTL: its type, or -errno. */
static int hear(struct ctl *ctl, uint64_t until_ms)
{
	struct pollfd pfd = {.fd = ctl->sock, .events = POLLIN};
	uint64_t now = loop_now_ms();
	uint32_t type;
	int n;

	n = now < until_ms ? poll(&pfd, 1, (int)(until_ms - now)) : 0;
	if (n <= 0)
		return n == 0 ? -ETIMEDOUT : -errno;
	n = proto_recv(ctl->sock, &type, &ctl->body, sizeof(ctl->body), NULL, 0, NULL);
	if (n < 0)
		return n;
	ctl->size = (size_t)n;
	if (type == MENU_VM && ctl->size != sizeof(ctl->vm))
		return -EBADMSG;
	if (type == MENU_VM)
		ctl->vm = ctl->body.vm;
	return type > INT32_MAX ? -EBADMSG : (int)type;
}

/* The daemon's sentence on why not. */
static int refused(const struct ctl *ctl)
{
	const char *text = (const char *)ctl->body.bytes + sizeof(uint32_t);
	char safe[512];

	if (ctl->size < sizeof(uint32_t))
		return lost(-EBADMSG);
	text_escape(safe, sizeof(safe), text, strnlen(text, ctl->size - sizeof(uint32_t)));
	return fail(NOT_POSSIBLE, safe);
}

/* Waits for a message of TYPE for which IS_IT (may be NULL) holds. */
static int wait_for(struct ctl *ctl, uint32_t type, bool (*is_it)(const struct ctl *ctl))
{
	uint64_t until = loop_now_ms() + ANSWER_MS;

	for (;;) {
		int got = hear(ctl, until);

		if (got == -EINTR || got == -EAGAIN)
			continue;
		if (got < 0)
			return lost(got);
		if ((uint32_t)got == type && (!is_it || is_it(ctl)))
			return DONE;
		if (got == MENU_REFUSED)
			return refused(ctl);
		if (got == MENU_VM && ctl->vm.state != MENU_VM_RUNNING &&
		    ctl->vm.state != MENU_VM_STARTING && is_it)
			return fail(NOT_POSSIBLE, "The virtual machine ended meanwhile.");
	}
}

/* Says hello; then CTL knows the virtual machine. */
static int greet(struct ctl *ctl)
{
	const struct menu_hello hello = {
		.version = MENU_PROTO_VERSION, .trusted = 1, .name = "vmboot ctl"};
	int status = say(ctl, MENU_HELLO, &hello, sizeof(hello));

	if (status == DONE)
		status = wait_for(ctl, MENU_VM, NULL);
	return status;
}

/* ---- commands ---- */

static bool is_paused(const struct ctl *ctl)
{
	return ctl->vm.paused;
}

static bool is_running(const struct ctl *ctl)
{
	return ctl->vm.state == MENU_VM_RUNNING && !ctl->vm.paused;
}

static bool is_ended(const struct ctl *ctl)
{
	return ctl->vm.state == MENU_VM_ENDED || ctl->vm.state == MENU_VM_NONE;
}

static int ask(struct ctl *ctl, uint32_t request, uint32_t answer,
	       bool (*is_it)(const struct ctl *ctl))
{
	int status = say(ctl, request, NULL, 0);

	return status == DONE ? wait_for(ctl, answer, is_it) : status;
}

static int do_list(struct ctl *ctl)
{
	ctl_print_line(&ctl->vm);
	return DONE;
}

static int do_status(struct ctl *ctl)
{
	int status;

	if (ctl->vm.state != MENU_VM_RUNNING) {
		ctl_print_line(&ctl->vm);
		return ctl->vm.state == MENU_VM_STARTING ? DONE : NOT_POSSIBLE;
	}
	status = ask(ctl, MENU_VM_STATUS, MENU_STATUS, NULL);
	if (status != DONE)
		return status;
	if (ctl->size != sizeof(ctl->body.status))
		return lost(-EBADMSG);
	ctl_print_line(&ctl->vm);
	ctl_print_status(&ctl->vm, &ctl->body.status);
	return DONE;
}

static int do_pause(struct ctl *ctl)
{
	return ask(ctl, MENU_VM_PAUSE, MENU_VM, is_paused);
}

static int do_resume(struct ctl *ctl)
{
	return ask(ctl, MENU_VM_RESUME, MENU_VM, is_running);
}

static int do_reset(struct ctl *ctl)
{
	uint32_t resets = ctl->vm.resets;
	int status = say(ctl, MENU_VM_RESET, NULL, 0);

	while (status == DONE && ctl->vm.resets == resets) {
		status = wait_for(ctl, MENU_VM, NULL);
		if (status == DONE && is_ended(ctl))
			return fail(NOT_POSSIBLE, "The virtual machine ended meanwhile.");
	}
	return status;
}

/* What the guest makes of it nobody knows: done when the daemon has handled what came before this. */
static int do_power(struct ctl *ctl)
{
	const struct menu_hello hello = {
		.version = MENU_PROTO_VERSION, .trusted = 1, .name = "vmboot ctl"};
	int status = say(ctl, MENU_VM_POWER, NULL, 0);

	if (status == DONE)
		status = say(ctl, MENU_HELLO, &hello, sizeof(hello));
	if (status == DONE)
		status = wait_for(ctl, MENU_WELCOME, NULL);
	return status;
}

static bool is_asked_for(const struct ctl *ctl)
{
	return ctl->vm.balloon == ctl->number;
}

/* How much the guest gives, and when, is its own affair: `status` tells. */
static int do_balloon(struct ctl *ctl)
{
	int status = say(ctl, MENU_VM_BALLOON, &ctl->number, sizeof(ctl->number));

	return status == DONE ? wait_for(ctl, MENU_VM, is_asked_for) : status;
}

/* The status that answers tells how big the disk is then; what is below it may not have grown at all. */
static int do_resize(struct ctl *ctl)
{
	uint32_t disk = (uint32_t)ctl->number;
	char size[16];
	int status = say(ctl, MENU_VM_GROW_DISK, &disk, sizeof(disk));

	if (status == DONE)
		status = wait_for(ctl, MENU_STATUS, NULL);
	if (status != DONE)
		return status;
	if (ctl->size != sizeof(ctl->body.status) || disk >= ctl->body.status.disk_count)
		return lost(-EBADMSG);
	printf("disk %u: %s\n", disk,
	       text_format_size(ctl->body.status.disks[disk].size, size, sizeof(size)));
	return DONE;
}

static int do_link(struct ctl *ctl)
{
	int status = say(ctl, MENU_VM_LINK, &ctl->link, sizeof(ctl->link));

	return status == DONE ? wait_for(ctl, MENU_VM, NULL) : status;
}

static int do_kill(struct ctl *ctl)
{
	return ask(ctl, MENU_VM_KILL, MENU_VM, is_ended);
}

static int do_console(struct ctl *ctl)
{
	struct ctl_text text;
	uint64_t until = loop_now_ms() + ANSWER_MS;
	int got = say(ctl, MENU_CONSOLE_LOG, NULL, 0);

	if (got != DONE)
		return got;
	ctl_text_begin(&text, isatty(STDOUT_FILENO));
	for (;;) {
		got = hear(ctl, until);
		if (got == -EINTR || got == -EAGAIN)
			continue;
		if (got < 0)
			return lost(got);
		if (got == MENU_CONSOLE)
			ctl_text_put(&text, ctl->body.bytes, ctl->size);
		if (got == MENU_CONSOLE_END)
			break;
	}
	ctl_text_end(&text);
	return ferror(stdout) ? fail(NOT_POSSIBLE, "The console log could not be written.") : DONE;
}

/* ---- entries ---- */

static void print_entry(const struct menu_entry *entry)
{
	char safe[2 * sizeof(entry->config.title)], problem[sizeof(entry->problem)];

	printf("%-24s %s%s%s%s", entry->id,
	       text_escape(safe, sizeof(safe), entry->config.title,
			   strnlen(entry->config.title, sizeof(entry->config.title))),
	       entry->is_default ? " [default]" : "", entry->is_once ? " [once]" : "",
	       entry->is_next ? " [next]" : "");
	if (entry->failed)
		printf(" [failed %ux]", entry->failed);
	printf("%s%s\n", entry->problem[0] ? ": " : "",
	       text_escape(problem, sizeof(problem), entry->problem,
			   strnlen(entry->problem, sizeof(entry->problem))));
}

/* The whole list, each part of which comes in a message. */
static int do_entries(struct ctl *ctl)
{
	struct menu_list list = {.last = 0};

	while (!list.last) {
		int status = wait_for(ctl, MENU_ENTRIES, NULL);

		if (status != DONE)
			return status;
		memcpy(&list, ctl->body.bytes, ctl->size < sizeof(list) ? ctl->size : sizeof(list));
		if (ctl->size != sizeof(list) + list.count * sizeof(struct menu_entry))
			return lost(-EBADMSG);
		for (uint32_t i = 0; i < list.count; i++) {
			struct menu_entry entry;

			memcpy(&entry, ctl->body.bytes + sizeof(list) + i * sizeof(entry),
			       sizeof(entry));
			entry.id[sizeof(entry.id) - 1] = '\0';
			print_entry(&entry);
		}
	}
	return DONE;
}

static bool is_alive(const struct ctl *ctl)
{
	return ctl->vm.state == MENU_VM_STARTING || ctl->vm.state == MENU_VM_RUNNING;
}

static void take_id(const struct ctl *ctl, struct menu_entry_id *ret)
{
	*ret = (struct menu_entry_id){.id = ""};
	text_copy(ret->id, sizeof(ret->id), ctl->args[0]);
}

static int do_start(struct ctl *ctl)
{
	struct menu_entry_id id;
	int status;

	take_id(ctl, &id);
	status = say(ctl, MENU_ENTRY_START, &id, sizeof(id));
	return status == DONE ? wait_for(ctl, MENU_VM, is_alive) : status;
}

/* Done when the daemon has answered what came after it; a notice is told. */
static int settle(struct ctl *ctl)
{
	const struct menu_hello hello = {
		.version = MENU_PROTO_VERSION, .trusted = 1, .name = "vmboot ctl"};
	uint64_t until = loop_now_ms() + ANSWER_MS;
	int got = say(ctl, MENU_HELLO, &hello, sizeof(hello));
	bool welcomed = false, answered = false;

	/* The welcome of the second hello comes before the answer. */
	while (got == DONE && !(welcomed && answered)) {
		got = hear(ctl, until);
		if (got == -EINTR || got == -EAGAIN) {
			got = DONE;
			continue;
		}
		if (got < 0)
			return lost(got);
		if (got == MENU_REFUSED || got == MENU_NOTICE)
			return refused(ctl);
		welcomed = welcomed || got == MENU_WELCOME;
		answered = answered || (welcomed && got == MENU_VM);
		got = DONE;
	}
	return got;
}

static int do_default(struct ctl *ctl)
{
	struct menu_entry_id id;
	int status;

	take_id(ctl, &id);
	status = say(ctl, MENU_ENTRY_SET_DEFAULT, &id, sizeof(id));
	return status == DONE ? settle(ctl) : status;
}

static int do_once(struct ctl *ctl)
{
	struct menu_entry_id id;
	int status;

	take_id(ctl, &id);
	status = say(ctl, MENU_ENTRY_SET_ONCE, &id, sizeof(id));
	return status == DONE ? settle(ctl) : status;
}

static int do_copy(struct ctl *ctl)
{
	struct menu_entry_name name = {.id = ""};
	int status;

	text_copy(name.id, sizeof(name.id), ctl->args[0]);
	text_copy(name.title, sizeof(name.title), ctl->args[1]);
	status = say(ctl, MENU_ENTRY_COPY, &name, sizeof(name));
	return status == DONE ? settle(ctl) : status;
}

enum needs { NEEDS_NONE, NEEDS_VM, NEEDS_RUNNING };

static const struct {
	const char *name;
	int (*run)(struct ctl *ctl);
	enum needs needs;
	int args;
} actions[] = {
	{"list", do_list, NEEDS_NONE, 0},	 {"status", do_status, NEEDS_NONE, 0},
	{"pause", do_pause, NEEDS_RUNNING, 0},	 {"resume", do_resume, NEEDS_RUNNING, 0},
	{"reset", do_reset, NEEDS_RUNNING, 0},	 {"power", do_power, NEEDS_RUNNING, 0},
	{"kill", do_kill, NEEDS_VM, 0},		 {"console", do_console, NEEDS_NONE, 0},
	{"entries", do_entries, NEEDS_NONE, 0},	 {"start", do_start, NEEDS_NONE, 1},
	{"default", do_default, NEEDS_NONE, 1},	 {"once", do_once, NEEDS_NONE, 1},
	{"copy", do_copy, NEEDS_NONE, 2},	 {"balloon", do_balloon, NEEDS_RUNNING, 1},
	{"resize", do_resize, NEEDS_RUNNING, 1}, {"link", do_link, NEEDS_RUNNING, 2},
};

static int find_action(const char *name)
{
	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
		if (strcmp(actions[i].name, name) == 0)
			return (int)i;
	return -1;
}

static int act(struct ctl *ctl, int action)
{
	int status = greet(ctl);

	if (status != DONE)
		return status;
	if (actions[action].needs != NEEDS_NONE && is_ended(ctl))
		return fail(NOT_POSSIBLE, "No virtual machine is running.");
	if (actions[action].needs == NEEDS_RUNNING && ctl->vm.state == MENU_VM_STARTING)
		return fail(NOT_POSSIBLE, "The virtual machine is still starting.");
	return actions[action].run(ctl);
}

/* SOCKET_PATH NULL: the usual one. */
static int connect_to(const char *socket_path, int *ret_sock)
{
	char usual[sizeof(((struct sockaddr_un *)0)->sun_path)], text[384];
	struct vmb_err err = {0};
	int rc;

	if (!socket_path && daemon_path_socket(usual, sizeof(usual), &err) < 0)
		return fail(NO_DAEMON, err.text);
	if (!socket_path)
		socket_path = usual;
	rc = daemon_path_connect(socket_path, ret_sock);
	if (rc == 0)
		return DONE;
	if (rc == -EACCES || rc == -EPERM)
		snprintf(text, sizeof(text),
			 "The daemon's socket %s is not for this user. Run vmboot "
			 "as root.",
			 socket_path);
	else
		snprintf(text, sizeof(text),
			 "No daemon answers on %s: %s. Only a virtual machine of a "
			 "`vmboot daemon` can be controlled from outside.",
			 socket_path, strerror(-rc));
	return fail(NO_DAEMON, text);
}

/* What the argument of ACTION must be, if it is to be a number. */
static bool parse_number(int action, struct ctl *ctl)
{
	const char *arg = ctl->args[0];

	if (actions[action].run == do_balloon) /* 0: nothing is to be given back (any more) */
		return strcmp(arg, "0") == 0 || text_parse_size(arg, &ctl->number) == 0;
	if (actions[action].run == do_resize)
		return text_parse_uint(arg, 0, VM_MAX_DISKS - 1, &ctl->number) == 0;
	return true;
}

/* The card's number, and "up" or "down". */
static bool parse_link(const char *const *args, struct ctl *ctl)
{
	uint64_t net;

	if (text_parse_uint(args[0], 0, VM_MAX_NETS - 1, &net) < 0)
		return false;
	ctl->link = (struct vmm_set_link){.net = (uint32_t)net, .up = strcmp(args[1], "up") == 0};
	return ctl->link.up || strcmp(args[1], "down") == 0;
}

int cmd_ctl(int argc, char **argv)
{
	const char *socket_path = NULL;
	struct ctl ctl = {.sock = -1};
	int action, status, at = 1;

	if (argc > 3 && strcmp(argv[1], "--socket") == 0) {
		socket_path = argv[2];
		at = 3;
	}
	if (argc <= at)
		return CMD_USAGE;
	action = find_action(argv[at]);
	if (action < 0 || argc != at + 1 + actions[action].args)
		return CMD_USAGE;
	for (int i = 0; i < actions[action].args; i++)
		ctl.args[i] = argv[at + 1 + i];
	if (!parse_number(action, &ctl))
		return CMD_USAGE;
	if (actions[action].run == do_link && !parse_link(ctl.args, &ctl))
		return CMD_USAGE;
	log_init(-1, LOG_LEVEL_ERROR, "ctl");
	status = connect_to(socket_path, &ctl.sock);
	if (status == DONE) {
		status = act(&ctl, action);
		close(ctl.sock);
	}
	return status;
}
