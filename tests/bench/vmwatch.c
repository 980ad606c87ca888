/*
 * vmwatch [-c|-u|-i] [-1] [-p PATTERN] SECONDS COMMAND...: runs COMMAND on a pseudo-terminal of its own and stamps each line of
 * its output in which PATTERN ("@") appears, at the moment it does:
 *
 *   watch: US EXITS FAULTS LINE		US since just before exec, or since the start of the machine's
 *						clock for EXITS and FAULTS, which are 0 without -c
 *   watch: entry US				of the first kvm_entry
 *   watch: memory NAME RSS ANONYMOUS		kB, at the end, of COMMAND and of each process below it, without
 *						mappings that are the guest's memory
 *
 * It ends at the first such line (-1), or at the line "@over". For the emulated machine, where time is instructions and
 * comes out the same every time. -c counts every exit of KVM on this machine, and those for page faults of AMD's nested
 * paging; -u, in the place of those, the exits that come out of the kernel to the VMM. The counting takes time itself. With
 * -i it is microseconds that CPU 0 was idle, in the place of EXITS.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TRACEFS	   "/sys/kernel/tracing"
#define PAGE	   4096
#define RING_PAGES 1
#define GUEST_RAM  (16 << 20) /* bytes; a mapping as large as that is no memory of a VMM's own */
#define SVM_NPF	   "exit_reason == 0x400"
#define LINE_MAX_  1024

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "vmwatch: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* ---- tracepoints of KVM, by perf_event_open(2): counted on CPU 0, the only one there is ---- */

static uint64_t tracepoint_id(const char *name)
{
	unsigned long long id = 0;
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), TRACEFS "/events/kvm/%s/id", name);
	f = fopen(path, "re");
	if (!f || fscanf(f, "%llu", &id) != 1)
		die(path);
	fclose(f);
	return id;
}

static int open_tracepoint(struct perf_event_attr *attr, const char *name)
{
	int fd;

	attr->type = PERF_TYPE_TRACEPOINT;
	attr->size = sizeof(*attr);
	attr->config = tracepoint_id(name);
	fd = (int)syscall(SYS_perf_event_open, attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
	if (fd < 0)
		die(name);
	return fd;
}

static int open_counter(const char *name, const char *filter)
{
	struct perf_event_attr attr = {.disabled = 1};
	int fd = open_tracepoint(&attr, name);

	if (filter && ioctl(fd, PERF_EVENT_IOC_SET_FILTER, filter) < 0)
		die(filter);
	ioctl(fd, PERF_EVENT_IOC_ENABLE, 0);
	return fd;
}

static unsigned long long count_of(int fd)
{
	uint64_t value = 0;

	if (fd >= 0 && read(fd, &value, sizeof(value)) != sizeof(value))
		die("counter");
	return value;
}

/* Since the start of the machine, as its kernel counts them; 0 without. */
static unsigned long long idle_us(void)
{
	unsigned long long ns = 0;
	char line[256];
	FILE *f = fopen("/proc/timer_list", "re");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, " .idle_sleeptime : %llu", &ns) == 1)
			break;
	if (f)
		fclose(f);
	return ns / 1000;
}

/* Takes the time of one kvm_entry and costs nothing after it. */
static int arm_first_entry(struct perf_event_mmap_page **ret_ring)
{
	struct perf_event_attr attr = {
		.disabled = 1,
		.sample_period = 1,
		.sample_type = PERF_SAMPLE_TIME,
		.use_clockid = 1,
		.clockid = CLOCK_MONOTONIC,
		.wakeup_events = 1,
	};
	int fd = open_tracepoint(&attr, "kvm_entry");

	*ret_ring = mmap(NULL, (1 + RING_PAGES) * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (*ret_ring == MAP_FAILED || ioctl(fd, PERF_EVENT_IOC_REFRESH, 1) < 0)
		die("first entry");
	return fd;
}

/* Microseconds of CLOCK_MONOTONIC, 0 when there was none. */
static double first_entry(const struct perf_event_mmap_page *ring)
{
	const char *at = (const char *)ring + PAGE;
	const struct perf_event_header *header = (const void *)at;
	uint64_t ns;

	if (!__atomic_load_n(&ring->data_head, __ATOMIC_ACQUIRE) ||
	    header->type != PERF_RECORD_SAMPLE)
		return 0;
	memcpy(&ns, at + sizeof(*header), sizeof(ns));
	return (double)ns / 1e3;
}

/* ---- memory ---- */

static void print_memory_of(pid_t pid)
{
	unsigned long size = 0, kb, rss = 0, anon = 0;
	char path[64], line[512], name[64] = "?";
	bool guests = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	f = fopen(path, "re");
	if (f && fgets(name, sizeof(name), f))
		name[strcspn(name, "\n")] = '\0';
	if (f)
		fclose(f);
	snprintf(path, sizeof(path), "/proc/%d/smaps", (int)pid);
	f = fopen(path, "re");
	if (!f)
		return;
	while (fgets(line, sizeof(line), f)) {
		if (strchr(line, '-') && strchr(line, ':') > strchr(line, '-'))
			guests = strstr(line, "/memfd:"); /* the UEFI variables are part of it */
		if (sscanf(line, "Size: %lu kB", &kb) == 1)
			size = kb;
		if (guests || size >= GUEST_RAM / 1024)
			continue;
		if (sscanf(line, "Rss: %lu kB", &kb) == 1)
			rss += kb;
		if (sscanf(line, "Anonymous: %lu kB", &kb) == 1)
			anon += kb;
	}
	fclose(f);
	printf("watch: memory %s %lu %lu\n", name, rss, anon);
}

static void print_memory_below(pid_t pid)
{
	char path[64];
	int child;
	FILE *f;

	print_memory_of(pid);
	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid, (int)pid);
	f = fopen(path, "re");
	while (f && fscanf(f, "%d", &child) == 1)
		print_memory_below(child);
	if (f)
		fclose(f);
}

/* ---- the output ---- */

struct watch {
	const char *pattern;
	bool first_only, idle;
	double start;
	int exits, faults;
	char line[LINE_MAX_];
	size_t len;
	bool stamped; /* this line */
	bool over;
};

static void take_byte(struct watch *w, char byte)
{
	if (byte == '\n' || byte == '\r') {
		if (w->stamped && w->len)
			printf(" %s\n", w->line);
		if (w->stamped)
			w->over = w->first_only || strstr(w->line, "@over");
		w->len = 0;
		w->line[0] = '\0';
		w->stamped = false;
		return;
	}
	if (byte < ' ' || w->len + 1 >= sizeof(w->line))
		return;
	w->line[w->len++] = byte;
	w->line[w->len] = '\0';
	if (w->stamped || !strstr(w->line, w->pattern))
		return;
	w->stamped = true;
	printf("watch: %.1f %llu %llu", now_us() - w->start,
	       w->idle ? idle_us() : count_of(w->exits), count_of(w->faults));
}

static void run(struct watch *w, int fd, double end)
{
	struct pollfd pfd = {.fd = fd, .events = POLLIN};
	char buf[256];
	ssize_t n;

	while (!w->over && now_us() < end) {
		if (poll(&pfd, 1, 1000) <= 0)
			continue;
		n = read(fd, buf, sizeof(buf));
		if (n <= 0)
			break;
		for (ssize_t i = 0; i < n && !w->over; i++)
			take_byte(w, buf[i]);
	}
}

int main(int argc, char **argv)
{
	struct watch w = {.pattern = "@", .exits = -1, .faults = -1};
	struct winsize size = {.ws_row = 25, .ws_col = 80};
	struct perf_event_mmap_page *ring;
	bool counting = false, to_vmm = false;
	double end, entry;
	int opt, fd;
	pid_t pid;

	while ((opt = getopt(argc, argv, "+cui1p:")) != -1) {
		if (opt == 'i')
			w.idle = true;
		else if (opt == 'c')
			counting = true;
		else if (opt == 'u')
			counting = to_vmm = true;
		else if (opt == '1')
			w.first_only = true;
		else if (opt == 'p')
			w.pattern = optarg;
		else
			return 64;
	}
	if (argc < optind + 2)
		return 64;
	(void)mount("tracefs", TRACEFS, "tracefs", 0, NULL);
	if (counting) {
		w.exits = open_counter("kvm_exit", NULL);
		w.faults = to_vmm ? open_counter("kvm_userspace_exit", NULL)
				  : open_counter("kvm_exit", SVM_NPF);
	}
	arm_first_entry(&ring);
	end = now_us() + atof(argv[optind]) * 1e6;
	w.start = now_us();
	pid = forkpty(&fd, NULL, NULL, &size);
	if (pid < 0)
		die("forkpty");
	if (!pid) {
		execvp(argv[optind + 1], argv + optind + 1);
		_exit(127);
	}
	run(&w, fd, end);
	entry = first_entry(ring);
	if (entry > 0)
		printf("watch: entry %.1f\n", entry - w.start);
	print_memory_below(pid);
	if (!w.over)
		printf("watch: the end did not come; last was: %s\n", w.line);
	kill(pid, SIGTERM);
	waitpid(pid, NULL, 0);
	return !w.over;
}
