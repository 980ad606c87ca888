/*
 * PID 1 of the Linux guest that `make bench` starts in each VMM, in the emulated machine. Says "@init" when it is there,
 * loads the modules that lie in /m (in the order of their names), measures the disk /dev/vda ("disk=NAME" on the kernel's
 * command line: another one), and says
 *
 *   @begin NAME		and when it is done, NS nanoseconds of the guest's own clock a request:
 *   @end NAME COUNT NS
 *
 * The host counts exits from one to the other; the phase "nothing" shows what the lines themselves cost. Ends with
 * "@over". On the kernel's command line: "bench=init" there is no measuring, "bench=deep" many requests at once,
 * "bench=reads" many reads of 4 KiB only, "bench=one" reads of 4 KiB one at a time, else everything one at a time.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <linux/aio_abi.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define DISK_SIZE (64ULL << 20)
#define SMALL	  4096
#define LARGE	  65536
#define DEPTH	  32
#define COUNT	  1000
#define DEEP	  2000 /* requests at depth 32 */
#define READ_ONE  2    /* the phases' numbers */
#define READ_DEEP 6

static _Noreturn void stop(const char *what)
{
	printf("@failed %s: %s\n@over\n", what, strerror(errno));
	for (;;)
		pause();
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void load_modules(void)
{
	glob_t found;
	int fd;

	if (glob("/m/*.ko", 0, NULL, &found))
		return;
	for (size_t i = 0; i < found.gl_pathc; i++) {
		fd = open(found.gl_pathv[i], O_RDONLY | O_CLOEXEC);
		if (syscall(SYS_finit_module, fd, "", 0) < 0 && errno != ENODEV)
			stop(found.gl_pathv[i]);
		close(fd);
	}
}

static int open_disk(void)
{
	const char *name = getenv("disk");
	char path[64];
	int fd = -1;

	snprintf(path, sizeof(path), "/dev/%s", name ? name : "vda");
	for (int i = 0; i < 500 && fd < 0; i++) {
		fd = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
		if (fd < 0)
			usleep(10000);
	}
	if (fd < 0)
		stop(path);
	return fd;
}

/* Every block as likely as the other, and the same ones in every VMM. */
static uint64_t random_offset(uint32_t *state)
{
	*state = *state * 1664525 + 1013904223;
	return (*state >> 10) % (DISK_SIZE / SMALL) * SMALL;
}

struct phase {
	const char *name;
	bool writes;
	bool random;
	size_t size;
	unsigned int depth; /* 0: nothing is done */
	unsigned int count;
};

static void one_by_one(const struct phase *p, int fd, char *buf)
{
	uint32_t state = 1;

	for (unsigned int i = 0; i < p->count; i++) {
		uint64_t at = p->random ? random_offset(&state) : (uint64_t)i * p->size % DISK_SIZE;
		ssize_t n = p->writes ? pwrite(fd, buf, p->size, (off_t)at)
				      : pread(fd, buf, p->size, (off_t)at);

		if (n != (ssize_t)p->size)
			stop(p->name);
	}
}

/* Linux's own asynchronous I/O: what comes back is handed in again, together. */
static void many_at_once(const struct phase *p, aio_context_t ctx, int fd, char *buf)
{
	struct io_event events[DEPTH];
	struct iocb cbs[DEPTH] = {0}, *list[DEPTH];
	unsigned int begun = 0, done = 0, ready = p->depth;
	uint32_t state = 1;
	long n;

	for (unsigned int i = 0; i < p->depth; i++)
		list[i] = &cbs[i];
	while (done < p->count) {
		if (ready > p->count - begun)
			ready = p->count - begun;
		for (unsigned int i = 0; i < ready; i++)
			*list[i] = (struct iocb){
				.aio_data = (uintptr_t)list[i],
				.aio_lio_opcode = p->writes ? IOCB_CMD_PWRITE : IOCB_CMD_PREAD,
				.aio_fildes = (uint32_t)fd,
				.aio_buf = (uintptr_t)(buf + (size_t)(list[i] - cbs) * p->size),
				.aio_nbytes = p->size,
				.aio_offset = (int64_t)random_offset(&state),
			};
		if (ready && syscall(SYS_io_submit, ctx, (long)ready, list) != (long)ready)
			stop(p->name);
		begun += ready;
		n = syscall(SYS_io_getevents, ctx, 1L, (long)DEPTH, events, NULL);
		for (long i = 0; i < n; i++) {
			if (events[i].res != (int64_t)p->size)
				stop(p->name);
			list[i] = (struct iocb *)(uintptr_t)events[i].data;
		}
		ready = n > 0 ? (unsigned int)n : 0;
		done += ready;
	}
}

static void measure(const struct phase *p, int fd, char *buf)
{
	aio_context_t ctx = 0;
	uint64_t start, ns;

	if (syscall(SYS_io_setup, DEPTH, &ctx) < 0)
		stop("io_setup");
	printf("@begin %s\n", p->name);
	usleep(20000); /* the line is out */
	start = now_ns();
	if (p->depth > 1)
		many_at_once(p, ctx, fd, buf);
	else if (p->depth == 1)
		one_by_one(p, fd, buf);
	ns = now_ns() - start;
	usleep(20000);
	syscall(SYS_io_destroy, ctx); /* waits for an RCU grace period, milliseconds */
	printf("@end %s %u %llu\n", p->name, p->count, (unsigned long long)(ns / p->count));
}

int main(void)
{
	static const struct phase phases[] = {
		{"warm-up", .random = true, .size = SMALL, .depth = 1, .count = 100},
		{"nothing", .count = 1},
		{"read_4k_depth1", .random = true, .size = SMALL, .depth = 1, .count = COUNT},
		{"write_4k_depth1", true, .random = true, .size = SMALL, .depth = 1,
		 .count = COUNT},
		{"read_64k", .size = LARGE, .depth = 1, .count = COUNT},
		{"write_64k", true, .size = LARGE, .depth = 1, .count = COUNT},
		{"read_4k_depth32", .random = true, .size = SMALL, .depth = DEPTH, .count = DEEP},
		{"write_4k_depth32", true, .random = true, .size = SMALL, .depth = DEPTH,
		 .count = DEEP},
	};
	char *buf = aligned_alloc(4096, DEPTH * LARGE);
	const char *what = getenv("bench");
	bool deep = what && !strcmp(what, "deep"), reads = what && !strcmp(what, "reads"),
	     one = what && !strcmp(what, "one");
	int fd;

	setvbuf(stdout, NULL, _IONBF, 0);
	printf("@init\n");
	if (buf && (!what || deep || reads || one)) {
		mount("dev", "/dev", "devtmpfs", 0, NULL);
		load_modules();
		fd = open_disk();
		memset(buf, 0x5A, DEPTH * LARGE);
		for (size_t i = 0; i < sizeof(phases) / sizeof(phases[0]); i++)
			if (reads ? i < 2 || i == READ_DEEP : one ? i <= READ_ONE : phases[i].depth <= 1 ? !deep || i < 2 : deep)
				measure(&phases[i], fd, buf);
	}
	printf("@over\n");
	for (;;)
		pause();
}
