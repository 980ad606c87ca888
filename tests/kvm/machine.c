/* See machine.h. */
#include "machine.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "proto.h"
#include "varstore.h"

#define SANITIZED_VMM "build/san/vmboot"
#define GUEST_DIR     "build/gen/tests/kvm/guests/"
#define FLASH_CODE    0x37C000 /* of OVMF of 4 MiB */

uint64_t machine_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void machine_need_kvm(void)
{
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (fd < 0) {
		print_message("skipped: /dev/kvm cannot be opened (%s)\n", strerror(errno));
		skip();
	}
	close(fd);
}

int machine_sealed_memfd(const void *bytes, size_t n)
{
	int fd = memfd_create("guest", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, n), n);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE), 0);
	return fd;
}

/* The guest's image; its word "SEED" is replaced by SEED. */
static int guest_memfd(const char *guest, uint32_t seed)
{
	static uint8_t image[1 << 20];
	char path[128];
	uint8_t *word;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), GUEST_DIR "%s", guest);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		fail_msg("%s: %s", path, strerror(errno));
	n = read(fd, image, sizeof(image));
	close(fd);
	assert_in_range(n, 1, sizeof(image) - 1);
	if (seed) {
		word = memmem(image, (size_t)n, "SEED", 4);
		assert_non_null(word);
		memcpy(word, &seed, sizeof(seed));
	}
	return machine_sealed_memfd(image, (size_t)n);
}

/* The guest NAME at the end of a flash image. */
static int flash_memfd(const char *name)
{
	uint8_t *image = calloc(1, FLASH_CODE);
	int guest = guest_memfd(name, 0), fd;

	assert_non_null(image);
	memcpy(image + 40, "_FVH", 4);
	assert_int_equal(pread(guest, image + FLASH_CODE - 65536, 65536, 0), 65536);
	close(guest);
	fd = machine_sealed_memfd(image, FLASH_CODE);
	free(image);
	return fd;
}

/* TEXT, then zeroes up to SIZE bytes. */
static int initrd_memfd(const char *text, size_t size)
{
	size_t n = text ? strlen(text) + 1 : 0;
	int fd = memfd_create("initrd", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text ? text : "", n), n);
	if (size > 0)
		assert_int_equal(ftruncate(fd, (off_t)size), 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE), 0);
	return fd;
}

static int vars_memfd(const void *content)
{
	uint8_t *fresh = malloc(VARSTORE_SIZE);
	int fd = memfd_create("vars", MFD_CLOEXEC);

	assert_non_null(fresh);
	assert_true(fd >= 0);
	if (content) {
		assert_int_equal(pwrite(fd, content, 2 * VARSTORE_SIZE, 0), 2 * VARSTORE_SIZE);
	} else {
		varstore_format(fresh, VARSTORE_SIZE);
		for (int i = 0; i < 2; i++)
			assert_int_equal(pwrite(fd, fresh, VARSTORE_SIZE, i * VARSTORE_SIZE),
					 VARSTORE_SIZE);
	}
	free(fresh);
	return fd;
}

/* With VMBOOT_VMM another one: the product, whose sandbox a sanitized vmm has not. */
static const char *vmm_binary(void)
{
	const char *path = getenv("VMBOOT_VMM");

	return path ? path : SANITIZED_VMM;
}

/* With VMBOOT_NO_URING io_uring_setup() is refused, as some hosts do: rings are made of threads. */
static void refuse_io_uring(void)
{
	struct sock_filter insns[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {.len = sizeof(insns) / sizeof(insns[0]), .filter = insns};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
		_exit(126);
}

static void spawn(struct machine *m, int control_end)
{
	char err_path[] = "/tmp/vmboot-kvm-test.XXXXXX";

	m->log = mkstemp(err_path);
	assert_true(m->log >= 0);
	unlink(err_path);
	m->pid = fork();
	assert_true(m->pid >= 0);
	if (m->pid == 0) {
		/* First away from 3, in case one of them is it. */
		int log_fd = fcntl(m->log, F_DUPFD, 10);
		int control = fcntl(control_end, F_DUPFD, 11);

		if (dup2(log_fd, STDERR_FILENO) < 0 || dup2(control, VMM_CONTROL_FD) < 0)
			_exit(126);
		close(log_fd);
		close(control);
		for (int fd = 4; fd < 64; fd++)
			close(fd);
		/* Freed memory that the sanitizer keeps would look like a leak in machine_rss(). */
		setenv("ASAN_OPTIONS", "detect_leaks=1:quarantine_size_mb=1", 1);
		if (getenv("VMBOOT_NO_URING"))
			refuse_io_uring();
		execl(vmm_binary(), "vmboot", "vmm", (char *)NULL);
		_exit(127);
	}
	close(control_end);
}

static void fill_disk(struct vmm_start *start, const char *path, int *ret_fd)
{
	struct vmm_disk *disk = &start->disks[start->disk_count];
	struct stat st;

	*ret_fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(*ret_fd >= 0);
	assert_int_equal(fstat(*ret_fd, &st), 0);
	disk->size = (uint64_t)st.st_size;
	disk->logical_block = 512;
	snprintf(disk->serial, sizeof(disk->serial), "TEST%u", start->disk_count++);
}

static void send_start(struct machine *m, const struct machine_config *config, int console_end)
{
	struct vmm_start start = {
		.version = VMM_PROTO_VERSION,
		.cpus = config->cpus ? config->cpus : 1,
		.memory = config->memory ? config->memory : 64 << 20,
		.log_level = 2,
		.stop_on_panic = config->stop_on_panic,
		.vfio_count = config->vfio_count,
		.vfio_fd_count = config->vfio_fd_count,
	};
	uint32_t disks = config->disk_count ? config->disk_count : 1;
	int fds[VMM_FD_DISKS + VM_MAX_DISKS];

	fds[VMM_FD_KVM] = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	fds[VMM_FD_CONSOLE] = console_end;
	fds[VMM_FD_FIRMWARE] =
		config->guest ? guest_memfd(config->guest, config->seed) : config->firmware_fd;
	fds[VMM_FD_VARS] = m->vars;
	if (config->flash) {
		start.boot = VMM_BOOT_FLASH;
		fds[VMM_FD_FIRMWARE] = flash_memfd(config->flash);
	}
	if (config->kernel) {
		start.boot = VMM_BOOT_LINUX;
		if (config->cmdline)
			strcpy(start.cmdline, config->cmdline);
		fds[VMM_FD_KERNEL] = guest_memfd(config->kernel, 0);
		fds[VMM_FD_INITRD] = initrd_memfd(config->initrd, config->initrd_size);
	}
	while (config->disk && start.disk_count < disks)
		fill_disk(&start, config->disk, &fds[VMM_FD_DISKS + start.disk_count]);
	/* As a launcher does, but for small machines, which get all at once: both are allowed. */
	if (start.memory > 64 << 20)
		assert_int_equal(proto_send(m->control, VMM_PREPARE, NULL, 0, &fds[VMM_FD_KVM], 1),
				 0);
	assert_int_equal(proto_send(m->control, VMM_START, &start, sizeof(start), fds,
				    VMM_FD_DISKS + start.disk_count),
			 0);
	close(fds[VMM_FD_KVM]);
	close(fds[VMM_FD_FIRMWARE]);
	if (config->kernel)
		close(fds[VMM_FD_INITRD]);
	for (uint32_t i = 0; i < start.disk_count; i++)
		close(fds[VMM_FD_DISKS + i]);
}

struct machine *machine_start(const struct machine_config *config)
{
	struct machine *m = calloc(1, sizeof(*m));
	int control[2], console[2];
	int small = 1;

	assert_non_null(m);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control), 0);
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, console), 0);
	if (config->tiny_console)
		for (int i = 0; i < 2; i++)
			setsockopt(console[i], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	m->control = control[0];
	m->console = console[0];
	m->vars = vars_memfd(config->vars);
	spawn(m, control[1]);
	send_start(m, config, console[1]);
	close(console[1]);
	return m;
}

/* What the vmm wrote to its standard error, for the reader of a failed test. */
static void show_log(const struct machine *m, bool only_reports)
{
	static char text[65536];
	ssize_t n = pread(m->log, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	if (!only_reports)
		print_message("--- the vmm's log\n%s---\n", text);
	else if (strstr(text, "Sanitizer") || strstr(text, "runtime error"))
		fail_msg("the vmm's sanitizer reports:\n%s", text);
}

void machine_free(struct machine *m)
{
	if (!m)
		return;
	if (m->pid > 0) {
		kill(m->pid, SIGKILL);
		waitpid(m->pid, NULL, 0);
	}
	if (m->control >= 0)
		close(m->control);
	if (m->console >= 0)
		close(m->console);
	close(m->vars);
	show_log(m, true);
	close(m->log);
	free(m);
}

int machine_setup(void **state)
{
	*state = NULL;
	return 0;
}

int machine_teardown(void **state)
{
	machine_free(*state);
	return 0;
}

struct machine *machine_start_for(void **state, const struct machine_config *config)
{
	machine_need_kvm();
	*state = machine_start(config);
	return *state;
}

/* Takes what the console has now. False at its end. */
static bool read_console(struct machine *m)
{
	for (;;) {
		ssize_t n =
			read(m->console, m->output + m->output_len, MACHINE_OUTPUT - m->output_len);

		if (n < 0)
			return errno == EAGAIN;
		if (n == 0)
			return false;
		m->output_len += (size_t)n;
		m->output[m->output_len] = '\0';
	}
}

static void wait_readable(struct machine *m, int fd, uint64_t until, const char *what)
{
	struct pollfd pfd = {.fd = fd, .events = POLLIN};
	uint64_t now = machine_now_ms();

	if (now >= until || poll(&pfd, 1, (int)(until - now)) == 0) {
		show_log(m, false);
		fail_msg("waited too long for %s; the console says:\n%s", what, m->output);
	}
}

void machine_expect_output(struct machine *m, const char *text)
{
	uint64_t until = machine_now_ms() + MACHINE_WAIT_MS;
	struct vmm_exited exited = {0};
	bool more = true;
	char *at;

	for (;;) {
		at = strstr(m->output + m->seen, text);
		if (at)
			break;
		if (!more) {
			machine_next_message(m, &exited, sizeof(exited));
			machine_next_message(m, &exited, sizeof(exited));
			show_log(m, false);
			print_message("%s\n", exited.text);
			fail_msg("the console ended without \"%s\":\n%s", text, m->output);
		}
		wait_readable(m, m->console, until, text);
		more = read_console(m);
	}
	m->seen = (size_t)(at - m->output) + strlen(text);
}

void machine_take_output(struct machine *m)
{
	(void)read_console(m);
}

void machine_read_all_output(struct machine *m)
{
	uint64_t until = machine_now_ms() + MACHINE_WAIT_MS;

	while (read_console(m))
		wait_readable(m, m->console, until, "the end of the console");
}

void machine_send(struct machine *m, uint32_t type)
{
	assert_int_equal(proto_send(m->control, type, NULL, 0, NULL, 0), 0);
}

uint32_t machine_next_message(struct machine *m, void *body, size_t cap)
{
	uint64_t until = machine_now_ms() + MACHINE_WAIT_MS;
	unsigned int nfds = 0;
	uint32_t type = 0;
	int r;

	do {
		uint8_t any[PROTO_MAX_BODY];

		wait_readable(m, m->control, until, "a message");
		r = proto_recv(m->control, &type, any, sizeof(any), NULL, 0, &nfds);
		if (r == -EPIPE || r == -ECONNRESET)
			return 0;
		assert_true(r >= 0 && (type == VMM_PROGRESS || (size_t)r <= cap || !body));
		if (type == VMM_PROGRESS)
			memcpy(&m->stage, any, sizeof(m->stage));
		else if (body)
			memcpy(body, any, (size_t)r);
	} while (type == VMM_PROGRESS);
	return type;
}

void machine_expect_message(struct machine *m, uint32_t type)
{
	struct vmm_exited exited = {0};
	uint32_t got;

	do {
		got = machine_next_message(m, &exited, sizeof(exited));
	} while (got == VMM_VARS_CHANGED && type != VMM_VARS_CHANGED);
	if (got != type) {
		show_log(m, false);
		fail_msg("message %u instead of %u: %s", got, type, exited.text);
	}
}

int machine_reap(struct machine *m)
{
	uint64_t until = machine_now_ms() + MACHINE_WAIT_MS;
	int status;

	while (waitpid(m->pid, &status, WNOHANG) == 0) {
		if (machine_now_ms() > until) {
			show_log(m, false);
			fail_msg("the vmm process does not end");
		}
		usleep(2000);
	}
	m->pid = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

int machine_expect_exit(struct machine *m, uint32_t reason, struct vmm_exited *ret)
{
	struct vmm_exited exited = {0};
	uint32_t type;

	do {
		type = machine_next_message(m, &exited, sizeof(exited));
	} while (type == VMM_STARTED || type == VMM_WAS_RESET || type == VMM_VARS_CHANGED);
	if (type != VMM_EXITED || exited.reason != reason) {
		show_log(m, false);
		fail_msg("message %u, reason %u instead of %u: %s", type, exited.reason, reason,
			 exited.text);
	}
	assert_true(exited.text[0] != '\0');
	if (ret)
		*ret = exited;
	return machine_reap(m);
}

uint64_t machine_rss(const struct machine *m)
{
	unsigned long long pages = 0;
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/statm", m->pid);
	f = fopen(path, "r");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%*u %llu", &pages), 1);
	fclose(f);
	return pages * 4096;
}

unsigned int machine_fd_count(const struct machine *m)
{
	unsigned int n = 0;
	char path[64];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", m->pid);
	dir = opendir(path);
	if (!dir && errno == EACCES)
		return 0; /* a vmm in its sandbox shows them to root only */
	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n - 2;
}
