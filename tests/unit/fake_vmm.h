/*
 * A vmm for tests of the launcher and the daemon: the test's own binary, started again with the
 * argument "vmm". FAKE_VMM in the environment says how it behaves.
 */
#ifndef VMB_TESTS_UNIT_FAKE_VMM_H
#define VMB_TESTS_UNIT_FAKE_VMM_H

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto.h"
#include "varstore.h"
#include "vmm_proto.h"

/* A byte of the store that no check looks at: the spare half of the fault tolerant area. */
#define FAKE_SPARE 0x60000
/* One of both layouts: free space, or that of OVMF of 2 MiB. */
#define FAKE_FREE 0x18000

/* The smallest image that pvh_check() takes. */
static inline void fake_firmware(const char *path)
{
	struct {
		Elf64_Ehdr eh;
		Elf64_Phdr ph[2];
		Elf64_Nhdr nh;
		char name[4];
		uint32_t entry;
	} im = {.nh = {.n_namesz = 4, .n_descsz = 4, .n_type = 18},
		.name = "Xen",
		.entry = 0x100010};
	FILE *f = fopen(path, "we");

	memcpy(im.eh.e_ident, ELFMAG, SELFMAG);
	im.eh.e_ident[EI_CLASS] = ELFCLASS64;
	im.eh.e_ident[EI_DATA] = ELFDATA2LSB;
	im.eh.e_machine = EM_386;
	im.eh.e_phoff = sizeof(im.eh);
	im.eh.e_phentsize = sizeof(Elf64_Phdr);
	im.eh.e_phnum = 2;
	im.ph[0] = (Elf64_Phdr){.p_type = PT_LOAD,
				.p_paddr = 0x100000,
				.p_filesz = sizeof(im),
				.p_memsz = sizeof(im)};
	im.ph[1] = (Elf64_Phdr){.p_type = PT_NOTE,
				.p_offset = (Elf64_Off)((char *)&im.nh - (char *)&im),
				.p_filesz = sizeof(im.nh) + 8};
	if (!f || fwrite(&im, sizeof(im), 1, f) != 1 || fclose(f) != 0)
		abort();
}

struct fake_vmm {
	struct vmm_start start;
	uint64_t balloon, grown;
	bool link_down; /* of its first network card */
	bool paused;	/* and hears no button */
	int fds[VMM_FD_DISKS + VM_MAX_DISKS];
	unsigned int fd_count;
};

static inline void fake_tell(uint32_t type)
{
	proto_send(VMM_CONTROL_FD, type, NULL, 0, NULL, 0);
}

__attribute__((noreturn)) static inline void fake_exit(uint32_t reason, const char *text)
{
	struct vmm_exited exited = {.reason = reason, .resets = 2, .run_ms = 1234};

	snprintf(exited.text, sizeof(exited.text), "%s", text);
	proto_send(VMM_CONTROL_FD, VMM_EXITED, &exited, sizeof(exited), NULL, 0);
	_exit(0);
}

static inline void fake_set_vars(const struct fake_vmm *v, int half, off_t at, uint8_t value)
{
	if (pwrite(v->fds[VMM_FD_VARS], &value, 1, half * (off_t)VARSTORE_SIZE + at) != 1)
		_exit(9);
}

static inline void fake_event(uint32_t event)
{
	proto_send(VMM_CONTROL_FD, VMM_GUEST_EVENT, &event, sizeof(event), NULL, 0);
}

static inline void fake_print(const struct fake_vmm *v, const char *text, size_t n)
{
	while (n > 0) {
		struct pollfd pfd = {.fd = v->fds[VMM_FD_CONSOLE], .events = POLLOUT};
		ssize_t put = write(pfd.fd, text, n);

		if (put < 0)
			poll(&pfd, 1, -1);
		else {
			text += put;
			n -= (size_t)put;
		}
	}
}

/* Waits for one message; its type. */
static inline uint32_t fake_wait_for(uint64_t *body)
{
	uint32_t type;

	if (proto_recv(VMM_CONTROL_FD, &type, body, sizeof(*body), NULL, 0, NULL) < 0)
		_exit(8);
	return type;
}

static inline uint32_t fake_wait(void)
{
	uint64_t body;

	return fake_wait_for(&body);
}

/* "fds=3:... " : what the process was given, for the test to judge. */
static inline void fake_report(const struct fake_vmm *v)
{
	char line[3072], seals[64];
	struct stat st;
	uint8_t first[4] = {0};
	int n;

	fstat(v->fds[VMM_FD_FIRMWARE], &st);
	if (pread(v->fds[VMM_FD_FIRMWARE], first, 4, 0) != 4)
		_exit(7);
	snprintf(seals, sizeof(seals), "%d", fcntl(v->fds[VMM_FD_FIRMWARE], F_GET_SEALS));
	if (v->start.boot == VMM_BOOT_LINUX) {
		struct stat initrd;

		fstat(v->fds[VMM_FD_INITRD], &initrd);
		n = snprintf(line, sizeof(line), "boot=linux initrd=%lld seals=%d cmdline=[%s]\n",
			     (long long)initrd.st_size, fcntl(v->fds[VMM_FD_INITRD], F_GET_SEALS),
			     v->start.cmdline);
		fake_print(v, line, (size_t)n);
	}
	if (v->start.boot == VMM_BOOT_FLASH) {
		struct stat vars;

		fstat(v->fds[VMM_FD_VARS], &vars);
		n = snprintf(line, sizeof(line), "boot=flash vars=%lld\n", (long long)vars.st_size);
		fake_print(v, line, (size_t)n);
	}
	n = snprintf(line, sizeof(line),
		     "fds=%u cpus=%u memory=%llu disks=%u firmware=%lld elf=%d seals=%s sid=%d "
		     "inherited=%d stdin=%d log=%u\n",
		     v->fd_count, v->start.cpus, (unsigned long long)v->start.memory,
		     v->start.disk_count, (long long)st.st_size, memcmp(first, "\177ELF", 4) == 0,
		     seals, getsid(0) == getpid(), getenv("FAKE_INHERITED") != NULL,
		     read(STDIN_FILENO, first, 1) == 0, v->start.log_level);
	fake_print(v, line, (size_t)n);
}

static inline void fake_status(const struct fake_vmm *v)
{
	struct vmm_status status = {
		.engine = "threads",
		.cpu_count = v->start.cpus,
		.disk_count = v->start.disk_count,
		.net_count = v->start.net_count,
		.unclaimed_ports = 17,
		.cpus[0] = {.io = 1001, .mmio = 1002, .other = 1003},
		.balloon = {.driven = 1, .target = v->balloon, .actual = v->balloon / 2},
		.disks[0] = {.size = v->start.disks[0].size + v->grown,
			     .reads = 11, .writes = 12, .others = 13, .errors = 14},
		.nets[0] = {.rx_packets = 21, .rx_bytes = 22, .rx_dropped = 23, .tx_packets = 24,
			    .tx_bytes = 25, .tx_dropped = 26, .link_up = !v->link_down},
	};

	proto_send(VMM_CONTROL_FD, VMM_STATUS, &status, sizeof(status), NULL, 0);
}

static inline bool fake_is_link_down(uint64_t body)
{
	struct vmm_set_link link;

	memcpy(&link, &body, sizeof(link));
	return !link.up;
}

static inline void fake_echo(struct fake_vmm *v)
{
	struct pollfd pfds[2] = {{.fd = VMM_CONTROL_FD, .events = POLLIN},
				 {.fd = v->fds[VMM_FD_CONSOLE], .events = POLLIN}};

	for (;;) {
		char buf[4096];
		uint64_t body;
		ssize_t n;

		poll(pfds, 2, -1);
		if (pfds[1].revents & POLLIN && (n = read(pfds[1].fd, buf, sizeof(buf))) > 0)
			fake_print(v, buf, (size_t)n);
		if (!(pfds[0].revents & POLLIN))
			continue;
		switch (fake_wait_for(&body)) {
		case VMM_SET_BALLOON: v->balloon = body; break;
		case VMM_GROW_DISK: v->grown += 1 << 20; break;
		case VMM_SET_LINK: v->link_down = fake_is_link_down(body); break;
		case VMM_RESET: fake_tell(VMM_WAS_RESET); break;
		case VMM_PAUSE:
			v->paused = true;
			fake_tell(VMM_PAUSED);
			break;
		case VMM_RESUME:
			v->paused = false;
			fake_tell(VMM_RESUMED);
			break;
		case VMM_GET_STATUS: fake_status(v); break;
		case VMM_BREAK: fake_print(v, "<break>", 7); break;
		case VMM_POWER_BUTTON:
			if (v->paused)
				break;
			fake_exit(VMM_EXIT_POWER_OFF, "The power button was pressed.");
		default: fake_exit(VMM_EXIT_STOPPED, "Stopped.");
		}
	}
}

static inline void fake_flood(const struct fake_vmm *v)
{
	static char chunk[65536];

	memset(chunk, 'x', sizeof(chunk));
	for (int i = 0; i < 64; i++)
		fake_print(v, chunk, sizeof(chunk));
	fake_print(v, "END", 3);
}

static inline void fake_behave(struct fake_vmm *v, const char *how)
{
	if (strcmp(how, "report") == 0)
		fake_report(v);
	else if (strcmp(how, "flash") == 0) {
		fake_report(v);
		fake_set_vars(v, 0, FAKE_FREE, 0x11);
	} else if (strcmp(how, "flood") == 0)
		fake_flood(v);
	else if (strcmp(how, "endless") == 0)
		for (;;)
			fake_flood(v);
	else if (strcmp(how, "vars-live") == 0)
		fake_set_vars(v, 0, FAKE_SPARE, 0x11);
	else if (strcmp(how, "die") == 0 || strcmp(how, "die-bad-live") == 0 ||
		 strcmp(how, "die-bad-both") == 0) {
		fake_set_vars(v, 0, FAKE_SPARE, 0x22);
		fake_set_vars(v, 1, FAKE_SPARE, 0x33);
		if (strcmp(how, "die") != 0)
			fake_set_vars(v, 0, 0x28, 'X'); /* the volume's signature */
		if (strcmp(how, "die-bad-both") == 0)
			fake_set_vars(v, 1, 0x28, 'X');
		raise(SIGKILL);
	} else if (strcmp(how, "forbidden") == 0) {
		signal(SIGSYS, SIG_DFL);
		raise(SIGSYS);
	} else if (strcmp(how, "vars-changed") == 0) {
		fake_set_vars(v, 1, FAKE_SPARE, 0x44);
		fake_tell(VMM_VARS_CHANGED);
		fake_print(v, "changed", 7);
		fake_wait();
		fake_exit(VMM_EXIT_STOPPED, "Stopped.");
	} else if (strcmp(how, "vars-storm") == 0) {
		/* Each acted upon before the next: what the launcher wrote last is answered by its next message. */
		for (uint8_t i = 1; i <= 20; i++) {
			fake_set_vars(v, 1, FAKE_SPARE, i);
			fake_tell(VMM_VARS_CHANGED);
			fake_tell(VMM_WAS_RESET);
			fake_wait();
		}
		fake_print(v, "over", 4);
		fake_wait();
		fake_exit(VMM_EXIT_STOPPED, "Stopped.");
	} else if (strcmp(how, "nonsense") == 0) {
		proto_send(VMM_CONTROL_FD, 77, "abc", 3, NULL, 0);
		pause();
	} else if (strcmp(how, "status-lies") == 0) {
		struct vmm_status status = {.engine = "threads", .cpu_count = 1000000};

		proto_send(VMM_CONTROL_FD, VMM_STATUS, &status, sizeof(status), NULL, 0);
		pause();
	} else if (strcmp(how, "hang") == 0) {
		for (;;)
			pause();
	} else if (strcmp(how, "linger") == 0) {
		struct vmm_exited exited = {.reason = VMM_EXIT_POWER_OFF, .text = "Off."};

		proto_send(VMM_CONTROL_FD, VMM_EXITED, &exited, sizeof(exited), NULL, 0);
		for (;;)
			pause();
	} else if (strcmp(how, "escape") == 0) {
		fake_exit(77, "evil \033[2J text");
	} else if (strcmp(how, "status") == 0) {
		_exit(3);
	} else if (strcmp(how, "echo") == 0) {
		fake_echo(v);
	} else if (strcmp(how, "panic") == 0) {
		fake_event(VMM_GUEST_PANICKED);
		fake_echo(v);
	} else if (strcmp(how, "watchdog") == 0) {
		fake_event(VMM_GUEST_WATCHDOG);
		fake_tell(VMM_WAS_RESET);
		fake_echo(v);
	} else if (strcmp(how, "event-lies") == 0) {
		fake_event(VMM_GUEST_WATCHDOG + 1);
		pause();
	} else if (strcmp(how, "vars-echo") == 0) {
		fake_set_vars(v, 0, FAKE_SPARE, 0x55);
		fake_echo(v);
	}
	fake_exit(VMM_EXIT_POWER_OFF, "The guest switched itself off.");
}

/* The whole life of the fake process. */
static inline int fake_vmm_main(void)
{
	const char *how = getenv("FAKE_VMM");
	struct fake_vmm v = {.fd_count = 0};
	uint32_t type;
	int n;

	/* Nothing but the control socket may have been inherited. */
	for (int fd = VMM_CONTROL_FD + 1; fd < 1024; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			setenv("FAKE_INHERITED", "1", 1);
	/* First KVM, so that it begins early. */
	n = proto_recv(VMM_CONTROL_FD, &type, NULL, 0, v.fds, 1, &v.fd_count);
	if (n != 0 || type != VMM_PREPARE || v.fd_count != 1)
		return 98;
	close(v.fds[0]);
	n = proto_recv(VMM_CONTROL_FD, &type, &v.start, sizeof(v.start), v.fds,
		       VMM_FD_DISKS + VM_MAX_DISKS, &v.fd_count);
	if (n != (int)sizeof(v.start) || type != VMM_START || v.start.version != VMM_PROTO_VERSION)
		return 99;
	if (how && strcmp(how, "never-starts") == 0)
		pause();
	fake_tell(VMM_STARTED);
	fake_behave(&v, how ? how : "");
	return 0;
}

#endif
