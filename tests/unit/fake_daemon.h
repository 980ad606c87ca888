/*
 * A daemon for tests of the menu: speaks menu_proto.h from a script, in a process of its own. What the
 * menu asked for is left in shared memory.
 */
#ifndef VMB_TESTS_FAKE_DAEMON_H
#define VMB_TESTS_FAKE_DAEMON_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "loop.h"
#include "menu_proto.h"
#include "proto.h"
#include "vmm_proto.h"

enum fake_scene {
	FAKE_NORMAL,
	FAKE_NONE,    /* there is none: the menu is a second one of another's */
	FAKE_EMPTY,   /* no disk, no firmware */
	FAKE_HOSTILE, /* labels and guest output that try to act on the terminal */
	FAKE_MANY,    /* 60 disks */
	FAKE_SETUP,   /* the guest replays tests/data/ovmf-2022.11-setup.bin */
	FAKE_REFUSE,  /* every start is refused */
	FAKE_NO_KVM,
	FAKE_VANISH,  /* closes the socket after the first message */
	FAKE_FLOOD,   /* the guest writes random bytes without end */
	FAKE_ENTRIES,	/* saved entries: see fake_entries.h */
	FAKE_COUNTDOWN, /* the same, and the default one starts in 90 s */
	FAKE_READ_ONLY, /* the same, and nothing can be written */
	FAKE_SLOW,	/* the same, and no start or save is ever answered */
	FAKE_SCANNING,	/* sdc is looked at for four seconds already */
	FAKE_PLUG,	/* FAKE_ENTRIES; each rescan plugs another disk in before all others, or takes it out */
	FAKE_TICKS,   /* the guest writes a number two hundred times a second */
	FAKE_LINE,    /* the same, and the settings have speed and size of the menu's line */
	FAKE_LOCKED,  /* the password is "open sesame" */
	FAKE_LOGGED,  /* warnings and errors in the log */
	FAKE_NO_SHELL, /* the recovery shell is forbidden */
	FAKE_NO_ROOM, /* the console's log finds 3 MiB, and there is no variable file yet */
	FAKE_SILENT,  /* the guest says nothing on its serial line, and has run for a while */
};

struct fake_seen {
	volatile int hello, start, reset, power, kill, forget, open, rescan, input_len;
	volatile int save, deleted, settings_save, pause, scan_cancel;
	struct menu_entry_save saved;
	volatile int passwords; /* that were set */
	char password[MENU_MAX_PASSWORD + 1]; /* the last of them */
	struct menu_settings settings;
	char started_id[MENU_ID_SIZE];
	volatile int breaks, log_follow, facts, host_power, report, keyboard_take, clients;
	uint32_t host_power_what;
	volatile bool vm_alive;
	char report_to[VM_PATH_SIZE];
	char client_name[2][32]; /* of the first and the second menu */
	struct vm_config config;
	char input[256];
};

struct fake_daemon {
	pid_t pid;
	char path[108];
	struct fake_seen *seen; /* shared with the daemon's process */
};

#define FAKE_CLIENTS 4

struct fake {
	int sock; /* of the menu that is being served */
	int socks[FAKE_CLIENTS];
	char names[FAKE_CLIENTS][32]; /* of the menus on them */
	unsigned int sock_count;
	uint64_t log_next;
	bool unlocked;
	enum fake_scene scene;
	struct fake_seen *seen;
	struct menu_vm vm;
	uint64_t started_ms;
	uint64_t random;
	struct menu_entry entries[16];
	unsigned int entry_count;
	struct menu_settings settings;
};

static void fake_send(struct fake *f, uint32_t type, const void *body, size_t size)
{
	/* A menu that is gone is noticed when it is read from. */
	while (proto_send(f->sock, type, body, size, NULL, 0) == -EAGAIN) {
		struct pollfd p = {.fd = f->sock, .events = POLLOUT};

		poll(&p, 1, 1000);
	}
}

/* To all menus. */
static void fake_broadcast(struct fake *f, uint32_t type, const void *body, size_t size)
{
	int serving = f->sock;

	for (unsigned int i = 0; i < f->sock_count; i++) {
		f->sock = f->socks[i];
		fake_send(f, type, body, size);
	}
	f->sock = serving;
}

#include "fake_lists.h"

static void fake_start(struct fake *f, const void *body, size_t size);

static void fake_send_vm(struct fake *f)
{
	for (unsigned int i = 0; i < f->sock_count; i++)
		if (f->vm.keyboard == (uint64_t)f->socks[i])
			memcpy(f->vm.keyboard_name, f->names[i], sizeof(f->names[i]));
	if (f->vm.state == MENU_VM_RUNNING)
		f->vm.run_ms = loop_now_ms() - f->started_ms;
	f->seen->vm_alive = f->vm.state == MENU_VM_RUNNING;
	fake_broadcast(f, MENU_VM, &f->vm, sizeof(f->vm));
}

static void fake_send_lock(struct fake *f)
{
	struct menu_lock_state lock = {.has_password = f->scene == FAKE_LOCKED,
				       .locked = f->scene == FAKE_LOCKED && !f->unlocked};

	fake_send(f, MENU_LOCK_STATE, &lock, sizeof(lock));
}

/* Seven lines of the log want to be read. */
static void fake_send_log_state(struct fake *f)
{
	struct menu_log_state state = {.next = 61, .problems = 7};

	if (f->scene == FAKE_LOGGED)
		fake_send(f, MENU_LOG_STATE, &state, sizeof(state));
}

static void fake_name(struct fake *f, const struct menu_hello *hello, size_t size)
{
	for (unsigned int i = 0; i < f->sock_count && size == sizeof(*hello); i++) {
		if (f->socks[i] != f->sock)
			continue;
		memcpy(f->names[i], hello->name, sizeof(hello->name));
		if (i < 2)
			memcpy(f->seen->client_name[i], hello->name, sizeof(hello->name));
	}
}

#include "fake_entries.h"

static void fake_hello(struct fake *f)
{
	struct menu_welcome w = {
		.version = MENU_PROTO_VERSION,
		.host_cpus = 8,
		.host_memory = 16ULL << 30,
		.host_memory_free = 6ULL << 30,
		.kvm_ok = f->scene != FAKE_NO_KVM,
		.firmware_ok = f->scene != FAKE_NO_KVM,
		.host_name = "rack7-n3",
		.vars_path = "/var/lib/vmboot",
		.vars_size = f->scene == FAKE_NO_ROOM ? 0 : 528 << 10,
		.vars_changed = time(NULL) - 3 * 86400 - 60,
		.controllers = 2,
		.controllers_bound = f->scene == FAKE_EMPTY ? 0 : 2,
		.log_path = "/run/vmboot/console.log",
		.log_max = 32 << 20,
		.log_room = f->scene == FAKE_NO_ROOM ? 3 << 20 : 1 << 30,
	};

	if (f->scene == FAKE_NO_KVM)
		snprintf(w.kvm_text, sizeof(w.kvm_text), "%s",
			 getenv("FAKE_KVM_TEXT") ? getenv("FAKE_KVM_TEXT")
						 : "/dev/kvm missing. CPU has no vmx/svm flag.");
	w.client = (uint64_t)f->sock;
	fake_send(f, MENU_WELCOME, &w, sizeof(w));
	fake_send_lists(f);
	fake_greet_entries(f);
	fake_send_vm(f);
	fake_send_log_state(f);
	fake_send_lock(f);
}

static void fake_console(struct fake *f, const char *text)
{
	fake_broadcast(f, MENU_CONSOLE, text, strlen(text));
}

static void fake_replay(struct fake *f, const char *path)
{
	char buf[512];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	while (fd >= 0 && (n = read(fd, buf, sizeof(buf))) > 0)
		fake_broadcast(f, MENU_CONSOLE, buf, (size_t)n);
	if (fd >= 0)
		close(fd);
}

static void fake_start(struct fake *f, const void *body, size_t size)
{
	static const char refusal[] = "\x02\0\0\0/dev/sda is mounted on / by this host. Attach it "
				      "read-only or as an overlay.";

	f->seen->start++;
	if (size != sizeof(f->vm.config))
		_exit(3);
	memcpy(&f->seen->config, body, size);
	if (f->scene == FAKE_REFUSE || f->vm.state == MENU_VM_RUNNING) {
		fake_send(f, MENU_REFUSED, refusal, sizeof(refusal) - 1);
		return;
	}
	f->vm = (struct menu_vm){.state = MENU_VM_STARTING, .log = MENU_VM_LOG_ON, .keyboard = (uint64_t)f->sock};
	memcpy(&f->vm.config, body, size);
	fake_send_vm(f);
	f->vm.state = MENU_VM_RUNNING;
	f->started_ms = loop_now_ms() - (f->scene == FAKE_SILENT ? 20000 : 0);
	fake_send_vm(f);
	fake_broadcast(f, MENU_CONSOLE_LIVE, NULL, 0);
	if (f->scene == FAKE_SILENT)
		return;
	fake_console(f, "\033[2J\033[01;01H\033[=3h");
	if (f->scene == FAKE_SETUP)
		fake_replay(f, "tests/data/ovmf-2022.11-setup.bin");
	else if (f->scene == FAKE_HOSTILE)
		fake_console(f, "guest says " FAKE_EVIL "\033Pq#0\033\\\033[6n\033[c after");
	else
		fake_console(f, "BdsDxe: loading Boot0001 \"UEFI Shell\"\r\n"
				"BdsDxe: starting Boot0001 \"UEFI Shell\"\r\nShell> ");
}

static void fake_end(struct fake *f, uint32_t reason, const char *text)
{
	f->vm.state = MENU_VM_ENDED;
	f->vm.reason = reason;
	f->vm.run_ms = loop_now_ms() - f->started_ms;
	f->vm.vars_saved = 1;
	snprintf(f->vm.text, sizeof(f->vm.text), "%s", text);
	fake_send_vm(f);
}

static void fake_many_lines(struct fake *f)
{
	for (int i = 1; i <= 300; i++) {
		char line[64];

		snprintf(line, sizeof(line), "\r\nboot line %d", i);
		fake_console(f, line);
	}
}

/* Margins, origin, insert mode, no cursor, no wrap, line drawing, mouse, keypad, and a question. */
#define FAKE_MODES                                                                                 \
	"\033[2;5r\033[?6h\033[4h\033[?25l\033[?7l\033(0\033[?1000h\033[?2004h\033[?1h\033=\033[7m" \
	"\033[6nMODES"

static void fake_stage(struct fake *f, uint32_t stage)
{
	f->vm.stage = stage;
	fake_send_vm(f);
}

/* What the guest does with its keyboard: echoes, writes much on ^B, ends on ^D, is an OS from ^O on. */
static void fake_guest_event(struct fake *f, uint32_t event)
{
	f->vm.guest_event = (uint8_t)event;
	if (event == VMM_GUEST_WATCHDOG)
		f->vm.resets++;
	fake_send_vm(f);
}

static void fake_log_full(struct fake *f)
{
	f->vm.log = MENU_VM_LOG_FULL;
	snprintf(f->vm.config.log_path, VM_PATH_SIZE, "/run/vmboot/console.log");
	fake_send_vm(f);
}

static void fake_input(struct fake *f, const char *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int at = f->seen->input_len;

		if (at < (int)sizeof(f->seen->input) - 1) {
			f->seen->input[at] = bytes[i];
			f->seen->input_len = at + 1;
		}
		if (bytes[i] == 4)
			fake_end(f, VMM_EXIT_POWER_OFF, "The guest switched itself off.");
		else if (bytes[i] == 6)
			fake_end(f, VMM_EXIT_GUEST_FAULT,
				 "VM stopped: triple fault at RIP 0x7fe01234, vcpu 0 (KVM_EXIT_SHUTDOWN).");
		else if (bytes[i] == 2)
			fake_many_lines(f);
		else if (bytes[i] == 5)
			fake_log_full(f);
		else if (bytes[i] == 7)
			fake_console(f, FAKE_MODES);
		else if (bytes[i] == 15)
			fake_stage(f, VMM_STAGE_OS);
		else if (bytes[i] == 16 || bytes[i] == 23)
			fake_guest_event(f,
					 bytes[i] == 16 ? VMM_GUEST_PANICKED : VMM_GUEST_WATCHDOG);
		else if (f->scene != FAKE_SETUP && bytes[i] >= 0x20 && bytes[i] < 0x7F)
			fake_broadcast(f, MENU_CONSOLE, bytes + i, 1);
	}
}

static void fake_fact(struct menu_fact *fact, const char *group, const char *name, const char *value)
{
	*fact = (struct menu_fact){.missing = strncmp(value, "not available", 13) == 0};
	snprintf(fact->group, sizeof(fact->group), "%s", group);
	snprintf(fact->name, sizeof(fact->name), "%s", name);
	snprintf(fact->value, sizeof(fact->value), "%s", value);
}

/* Several groups, one line that is missing, one that is long; no daemon is asked for more. */
static void fake_send_facts(struct fake *f)
{
	struct menu_fact facts[32];
	unsigned int n = 0;
	char name[24];

	fake_fact(&facts[n++], "CPU", "model", "AMD EPYC 7282 16-Core Processor");
	fake_fact(&facts[n++], "CPU", "virtualization", "svm, nested paging");
	fake_fact(&facts[n++], "Board", "vendor", "not available (no /sys/class/dmi/id)");
	fake_fact(&facts[n++], "Board", "options",
		  "console=ttyS0,115200 console=tty1 intel_iommu=on iommu=pt mitigations=auto "
		  "vmboot.store=LABEL=VMBOOT lastword");
	if (f->scene == FAKE_EMPTY) {
		fake_fact(&facts[n], "IOMMU", "devices", "none: VT-d/AMD-Vi off in the firmware");
		facts[n++].bad = 1;
	} else {
		fake_fact(&facts[n++], "IOMMU", "groups", "14");
	}
	for (int i = 0; i < 24; i++) {
		snprintf(name, sizeof(name), "disk %d", i);
		fake_fact(&facts[n++], "Disks", name, "healthy, 36 degrees");
	}
	fake_fact(&facts[n++], "Disks", "sdb", "32G SanDisk Ultra, running");
	fake_send_list(f, MENU_FACTS, facts, sizeof(facts[0]), n);
}

/* 60 lines from *FROM on: every tenth is a warning, the fifth an error. */
static void fake_send_log(struct fake *f, const void *body)
{
	static uint8_t buf[sizeof(struct menu_list) + 60 * sizeof(struct menu_log_line)];
	struct menu_list head = {.first = 1, .last = 1};
	struct menu_log_line line;
	uint64_t from;

	memcpy(&from, body, sizeof(from));
	for (uint64_t seq = 1; seq <= 60; seq++) {
		line = (struct menu_log_line){.seq = seq, .time_ms = seq * 1000, .level = 2};
		if (seq == 60)
			line.time_ms += 12ULL * 86400 * 1000;
		if (seq % 10 == 0)
			line.level = 1;
		if (seq == 5)
			line.level = 0;
		snprintf(line.source, sizeof(line.source), "daemon");
		snprintf(line.text, sizeof(line.text), "event %d of the log\033[2J", (int)seq);
		if (seq == 5)
			snprintf(line.text, sizeof(line.text),
				 "sdc: no answer for 10 s, skipped (I/O error at LBA 0). It is left "
				 "alone until it is plugged in anew or r looks at it again.");
		if (seq >= from)
			memcpy(buf + sizeof(head) + head.count++ * sizeof(line), &line, sizeof(line));
	}
	memcpy(buf, &head, sizeof(head));
	fake_send(f, MENU_LOG, buf, sizeof(head) + head.count * sizeof(line));
}

static void fake_message(struct fake *f, uint32_t type, const void *body, size_t size)
{
	switch (type) {
	case MENU_HELLO:
		f->seen->hello++;
		fake_name(f, body, size);
		fake_hello(f);
		if (f->scene == FAKE_VANISH)
			_exit(0);
		break;
	case MENU_START: fake_start(f, body, size); break;
	case MENU_VM_RESET:
		f->seen->reset++;
		f->vm.resets++;
		f->vm.guest_event = 0;
		fake_send_vm(f);
		break;
	case MENU_VM_POWER: f->seen->power++; break;
	case MENU_VM_KILL:
		f->seen->kill++;
		fake_end(f, VMM_EXIT_STOPPED, "Stopped by the operator.");
		break;
	case MENU_VM_FORGET:
		f->seen->forget++;
		if (f->vm.state == MENU_VM_ENDED)
			f->vm = (struct menu_vm){0};
		fake_send_vm(f);
		break;
	case MENU_CONSOLE_OPEN:
		f->seen->open++;
		/* A later one is told first what was before it: a question among it. */
		if (f->seen->open > 1)
			fake_send(f, MENU_CONSOLE, "\033[6n", 4);
		fake_send(f, MENU_CONSOLE_LIVE, NULL, 0);
		break;
	case MENU_VM_BREAK: f->seen->breaks++; break;
	case MENU_LOCK:
		f->unlocked = false;
		fake_send_lock(f);
		break;
	case MENU_UNLOCK:
		f->unlocked = size == 11 && memcmp(body, "open sesame", 11) == 0;
		if (!f->unlocked)
			fake_answer(f, MENU_REFUSED, MENU_UNLOCK, "That is not the password.");
		fake_send_lock(f);
		break;
	case MENU_VM_LOG:
		f->vm.log = *(const uint8_t *)body ? MENU_VM_LOG_ON : MENU_VM_LOG_PAUSED;
		fake_send_vm(f);
		break;
	case MENU_KEYBOARD_TAKE:
		f->seen->keyboard_take++;
		f->vm.keyboard = (uint64_t)f->sock;
		fake_send_vm(f);
		break;
	case MENU_LOG_FOLLOW:
		f->seen->log_follow++;
		fake_send_log(f, body);
		break;
	case MENU_FACTS_GET:
		f->seen->facts++;
		fake_send_facts(f);
		break;
	case MENU_POWER:
		memcpy(&f->seen->host_power_what, body, sizeof(f->seen->host_power_what));
		f->seen->host_power++;
		break;
	case MENU_REPORT:
		memcpy(f->seen->report_to, body, sizeof(f->seen->report_to));
		f->seen->report++;
		fake_send(f, MENU_REPORTED, "/run/report-1", 13);
		break;
	case MENU_INPUT: fake_input(f, body, size); break;
	case MENU_RESCAN:
		f->seen->rescan++;
		fake_send_lists(f);
		break;
	case MENU_SCAN_CANCEL:
		f->seen->scan_cancel++;
		fake_send_lists(f);
		break;
	default: fake_entries_message(f, type, body, size); break;
	}
}

static void fake_flood(struct fake *f)
{
	char buf[4096];

	for (size_t i = 0; i < sizeof(buf); i++) {
		f->random = f->random * 6364136223846793005ULL + 1442695040888963407ULL;
		buf[i] = (char)(f->random >> 33);
		if (i % 7 == 0)
			buf[i] = 0x1B;
	}
	for (unsigned int i = 0; i < f->sock_count; i++)
		proto_send(f->socks[i], MENU_CONSOLE, buf, sizeof(buf), NULL, 0);
}

static void fake_tick(struct fake *f)
{
	char text[32];

	snprintf(text, sizeof(text), "\rtick %llu ", (unsigned long long)f->random++);
	fake_console(f, text);
}

static void fake_accept(struct fake *f, int listener)
{
	int sock = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (sock < 0 || f->sock_count == FAKE_CLIENTS)
		_exit(1);
	f->socks[f->sock_count++] = sock;
	f->seen->clients = (int)f->sock_count;
}

/* One message of menu INDEX; a menu that left is forgotten. */
static void fake_serve(struct fake *f, unsigned int index)
{
	static uint8_t body[PROTO_MAX_BODY];
	uint32_t type;
	int size;

	f->sock = f->socks[index];
	size = proto_recv(f->sock, &type, body, sizeof(body), NULL, 0, NULL);
	if (size >= 0) {
		fake_message(f, type, body, (size_t)size);
	} else if (size != -EAGAIN) {
		close(f->sock);
		if (f->vm.keyboard == (uint64_t)f->sock)
			f->vm.keyboard = 0;
		f->socks[index] = f->socks[--f->sock_count];
		memcpy(f->names[index], f->names[f->sock_count], sizeof(f->names[0]));
		f->seen->clients = (int)f->sock_count;
		fake_send_vm(f);
	}
}

/* Serves the menus that come to the listening socket; the VM outlives them. */
static void fake_main(int listener, enum fake_scene scene, struct fake_seen *seen)
{
	struct fake f = {.scene = scene, .seen = seen, .random = 1, .log_next = 1};

	signal(SIGPIPE, SIG_IGN);
	for (;;) {
		struct pollfd p[FAKE_CLIENTS + 1] = {{.fd = listener, .events = POLLIN}};
		bool ticks = scene == FAKE_TICKS || scene == FAKE_LINE;
		bool busy = (scene == FAKE_FLOOD || ticks) && f.vm.state == MENU_VM_RUNNING;
		unsigned int count = f.sock_count;

		for (unsigned int i = 0; i < count; i++)
			p[i + 1] = (struct pollfd){.fd = f.socks[i], .events = POLLIN};
		if (poll(p, count + 1, busy ? 5 : -1) == 0) {
			if (ticks)
				fake_tick(&f);
			else
				fake_flood(&f);
		}
		/* From the last: one that leaves is replaced by the last. */
		for (unsigned int i = count; i-- > 0;)
			if (p[i + 1].revents)
				fake_serve(&f, i);
		if (p[0].revents)
			fake_accept(&f, listener);
	}
}

static int fake_listen(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	unlink(path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 4) < 0) {
		perror(path);
		exit(1);
	}
	return fd;
}

static void fake_daemon_start(struct fake_daemon *d, enum fake_scene scene)
{
	int listener;

	d->seen = mmap(NULL, sizeof(*d->seen), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);
	if (d->seen == MAP_FAILED)
		exit(1);
	snprintf(d->path, sizeof(d->path), "/tmp/vmboot-test-%d.sock", (int)getpid());
	listener = fake_listen(d->path);
	d->pid = fork();
	if (d->pid == 0) {
		/* A test that failed does not get to stopping it. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		fake_main(listener, scene, d->seen);
	}
	close(listener);
}

static void fake_daemon_stop(struct fake_daemon *d)
{
	kill(d->pid, SIGKILL);
	waitpid(d->pid, NULL, 0);
	unlink(d->path);
	munmap(d->seen, sizeof(*d->seen));
}

#endif
