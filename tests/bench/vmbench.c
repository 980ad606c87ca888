/*
 * Starts the vmm role of a vmboot binary with a small guest, the way the launcher does, and
 * measures it from outside. One figure a run of this program; tests/bench/bench puts them together.
 *
 *   vmbench start VMBOOT GUEST RUNS		exec to VMM_STARTED, and to the guest's first byte:
 *							medians, then the shortest
 *   vmbench memory VMBOOT GUEST DISK		kB of the vmm beside the guest's RAM, before and after reads
 *   vmbench blk VMBOOT GUEST DISK DEPTH COUNT SLEEP	reads a second; SLEEP 1: the guest halts meanwhile
 *
 * Times in microseconds of CLOCK_MONOTONIC. The guest's numbers are patched into its ELF.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "proto.h"
#include "varstore.h"
#include "vmm_proto.h"

#define MEMORY	  (128ULL << 20)
#define VARS_NAME "bench-vars"
#define TIMEOUT	  60000 /* ms without a sign of life */

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "vmbench: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

struct bench_vm {
	pid_t pid;
	int control;
	int console;
	double exec_us;	   /* when it was started */
	double started_us; /* VMM_STARTED came; 0 not yet */
};

/* ---- descriptors for the vmm ---- */

/* What tests/bench/guest/blk.c reads behind its magic. */
struct guest_params {
	char magic[16];
	uint32_t depth;
	uint32_t count;
	uint32_t blocks;
	uint32_t sleep;
};

static int sealed_guest(const char *path, const struct guest_params *params)
{
	int file = open(path, O_RDONLY | O_CLOEXEC);
	int fd = memfd_create("guest", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct stat st;
	char *buf, *at;

	if (file < 0 || fd < 0 || fstat(file, &st) < 0)
		die(path);
	buf = malloc((size_t)st.st_size);
	if (!buf || read(file, buf, (size_t)st.st_size) != st.st_size)
		die(path);
	if (params) {
		at = memmem(buf, (size_t)st.st_size, params->magic, sizeof(params->magic));
		if (!at)
			die("the guest has no parameters");
		memcpy(at, params, sizeof(*params));
	}
	if (write(fd, buf, (size_t)st.st_size) != st.st_size ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		die("guest memfd");
	free(buf);
	close(file);
	return fd;
}

static int variable_store(void)
{
	int fd = memfd_create(VARS_NAME, MFD_CLOEXEC);
	char *store = malloc(VARSTORE_SIZE);

	if (fd < 0 || !store)
		die("variable store");
	varstore_format(store, VARSTORE_SIZE);
	if (pwrite(fd, store, VARSTORE_SIZE, 0) != VARSTORE_SIZE ||
	    pwrite(fd, store, VARSTORE_SIZE, VARSTORE_SIZE) != VARSTORE_SIZE)
		die("variable store");
	free(store);
	return fd;
}

/* ---- a vmm ---- */

static void vm_start(struct bench_vm *vm, const char *vmboot, const char *guest,
		     const struct guest_params *params, const char *disk)
{
	struct vmm_start start = {
		.version = VMM_PROTO_VERSION, .cpus = 1, .memory = MEMORY, .log_level = 0};
	int control[2], console[2], fds[VMM_FD_DISKS + 1];
	unsigned int count = VMM_FD_DISKS, i;
	struct stat st;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) < 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, console) < 0)
		die("socketpair");
	fds[VMM_FD_KVM] = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (fds[VMM_FD_KVM] < 0)
		die("/dev/kvm");
	fds[VMM_FD_CONSOLE] = console[1];
	fds[VMM_FD_FIRMWARE] = sealed_guest(guest, params);
	fds[VMM_FD_VARS] = variable_store();
	if (disk) {
		fds[VMM_FD_DISKS] = open(disk, O_RDWR | O_DIRECT | O_CLOEXEC);
		if (fds[VMM_FD_DISKS] < 0 || fstat(fds[VMM_FD_DISKS], &st) < 0)
			die(disk);
		start.disk_count = 1;
		start.disks[0] = (struct vmm_disk){
			.size = (uint64_t)st.st_size, .logical_block = 512, .direct = 1};
		count++;
	}
	if (proto_send(control[0], VMM_START, &start, sizeof(start), fds, count) < 0)
		die("VMM_START");
	for (i = 0; i < count; i++)
		close(fds[i]);

	vm->exec_us = now_us();
	vm->pid = vfork();
	if (vm->pid < 0)
		die("vfork");
	if (!vm->pid) {
		dup2(control[1],
		     VMM_CONTROL_FD); /* without close-on-exec; 3 is free or this very one */
		if (control[1] == VMM_CONTROL_FD)
			fcntl(VMM_CONTROL_FD, F_SETFD, 0);
		execl(vmboot, vmboot, "vmm", (char *)NULL);
		_exit(127);
	}
	close(control[1]);
	vm->control = control[0];
	vm->console = console[0];
	vm->started_us = 0;
}

static void vm_stop(struct bench_vm *vm)
{
	int status;

	kill(vm->pid, SIGKILL);
	waitpid(vm->pid, &status, 0);
	close(vm->control);
	close(vm->console);
}

static void vm_message(struct bench_vm *vm)
{
	struct vmm_exited exited;
	uint32_t type;
	unsigned int nfds;
	int rc = proto_recv(vm->control, &type, &exited, sizeof(exited), NULL, 0, &nfds);

	if (rc >= 0 && type == VMM_STARTED) {
		vm->started_us = now_us();
		return;
	}
	if (rc >= 0 && type == VMM_PROGRESS)
		return;
	if (rc == sizeof(exited) && type == VMM_EXITED)
		fprintf(stderr, "vmbench: the vmm ended: %.*s\n", (int)sizeof(exited.text),
			exited.text);
	else
		fprintf(stderr, "vmbench: the vmm is gone without a word\n");
	exit(1);
}

/* Waits for BYTE on the guest's console; the time it came. */
static double vm_expect(struct bench_vm *vm, char byte)
{
	struct pollfd fds[2] = {{.fd = vm->control, .events = POLLIN},
				{.fd = vm->console, .events = POLLIN}};
	char line[64];
	ssize_t n;

	for (;;) {
		if (poll(fds, 2, TIMEOUT) <= 0)
			die("nothing is heard of the guest");
		if (fds[0].revents)
			vm_message(vm);
		if (!fds[1].revents)
			continue;
		n = read(vm->console, line, 1);
		if (n == 1 && line[0] == byte)
			return now_us();
		if (n == 1 && line[0] == 'F') {
			usleep(10000);
			n = read(vm->console, line, sizeof(line) - 1);
			fprintf(stderr, "vmbench: the guest failed:%.*s", n > 0 ? (int)n : 0, line);
			exit(1);
		}
	}
}

/* ---- figures ---- */

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values, unsigned int count)
{
	qsort(values, count, sizeof(*values), compare_doubles);
	return values[count / 2];
}

static int bench_start(const char *vmboot, const char *guest, unsigned int runs)
{
	double started[runs], byte[runs];
	struct bench_vm vm;
	unsigned int i;

	for (i = 0; i < runs; i++) {
		vm_start(&vm, vmboot, guest, NULL, NULL);
		byte[i] = vm_expect(&vm, '!') - vm.exec_us;
		started[i] = vm.started_us ? vm.started_us - vm.exec_us : byte[i];
		vm_stop(&vm);
	}
	printf("%.0f %.0f", median(started, runs), median(byte, runs));
	printf(" %.0f %.0f\n", started[0], byte[0]); /* sorted by now */
	return 0;
}

/*
 * Resident and anonymous kB of a process without the guest's: mappings as large as guest RAM, and the variable
 * store, which is part of it.
 */
static void own_memory(pid_t pid, unsigned long *ret_rss, unsigned long *ret_anon)
{
	unsigned long size = 0, kb, rss = 0, anon = 0;
	char path[64], line[512];
	bool guests = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/smaps", (int)pid);
	f = fopen(path, "re");
	if (!f)
		die(path);
	while (fgets(line, sizeof(line), f)) {
		if (strchr(line, '-') && strchr(line, ':') > strchr(line, '-'))
			guests = strstr(line, "/memfd:" VARS_NAME); /* a mapping's first line */
		if (sscanf(line, "Size: %lu kB", &kb) == 1)
			size = kb;
		if (guests || size >= MEMORY / 1024 / 4)
			continue;
		if (sscanf(line, "Rss: %lu kB", &kb) == 1)
			rss += kb;
		if (sscanf(line, "Anonymous: %lu kB", &kb) == 1)
			anon += kb;
	}
	fclose(f);
	*ret_rss = rss;
	*ret_anon = anon;
}

static void disk_params(struct guest_params *params, const char *disk, unsigned int depth,
			unsigned int count, bool sleep)
{
	struct stat st;

	if (stat(disk, &st) < 0)
		die(disk);
	memcpy(params->magic, "vmboot-bench-blk", sizeof(params->magic));
	params->depth = depth;
	params->count = count;
	params->sleep = sleep;
	params->blocks = (uint32_t)(st.st_size / 4096);
}

static int bench_memory(const char *vmboot, const char *guest, const char *disk)
{
	unsigned long rss[2], anon[2];
	struct guest_params params;
	struct bench_vm vm;

	disk_params(&params, disk, 32, 50000, true);
	vm_start(&vm, vmboot, guest, &params, disk);
	vm_expect(&vm, 'S');
	own_memory(vm.pid, &rss[0], &anon[0]);
	vm_expect(&vm, 'E');
	own_memory(vm.pid, &rss[1], &anon[1]);
	vm_stop(&vm);
	printf("%lu %lu %lu %lu\n", rss[0], anon[0], rss[1], anon[1]);
	return 0;
}

static int bench_blk(const char *vmboot, const char *guest, const char *disk, unsigned int depth,
		     unsigned int count, bool sleep)
{
	struct guest_params params;
	struct bench_vm vm;
	double start, end;

	disk_params(&params, disk, depth, count, sleep);
	vm_start(&vm, vmboot, guest, &params, disk);
	start = vm_expect(&vm, 'S');
	end = vm_expect(&vm, 'E');
	vm_stop(&vm);
	printf("%.0f\n", (double)count / (end - start) * 1e6);
	return 0;
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	if (argc == 5 && !strcmp(argv[1], "start") && atoi(argv[4]) > 0)
		return bench_start(argv[2], argv[3], (unsigned int)atoi(argv[4]));
	if (argc == 5 && !strcmp(argv[1], "memory"))
		return bench_memory(argv[2], argv[3], argv[4]);
	if (argc == 8 && !strcmp(argv[1], "blk"))
		return bench_blk(argv[2], argv[3], argv[4], (unsigned int)atoi(argv[5]),
				 (unsigned int)atoi(argv[6]), atoi(argv[7]));
	fprintf(stderr, "usage: vmbench start VMBOOT GUEST RUNS | memory VMBOOT GUEST DISK | "
			"blk VMBOOT GUEST DISK DEPTH COUNT SLEEP\n");
	return 64;
}
