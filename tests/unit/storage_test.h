/*
 * What the tests of storage/ and daemon/ share: a scratch directory, files, shell commands, loop
 * devices. Loop devices need root; a test that gets none is skipped and says why.
 */
#ifndef VMB_TESTS_UNIT_STORAGE_TEST_H
#define VMB_TESTS_UNIT_STORAGE_TEST_H

#include "test.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct scratch {
	char dir[64];
	char loops[8][32];
	unsigned int loop_count;
	unsigned int open_files; /* of this process, before the test */
};

/* Runs a shell command; true when it succeeded. */
__attribute__((format(printf, 1, 2))) static inline bool sh(const char *fmt, ...)
{
	char command[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(command, sizeof(command), fmt, ap);
	va_end(ap);
	return system(command) == 0;
}

static inline bool have_tool(const char *name)
{
	return sh("PATH=$PATH:/usr/sbin:/sbin; command -v %s >/dev/null", name);
}

#define NEED_TOOL(name)                                                        \
	do {                                                                   \
		if (!have_tool(name)) {                                        \
			print_message("skipped: %s is not installed\n", name); \
			skip();                                                \
		}                                                              \
	} while (0)

static inline unsigned int count_open_files(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int count = 0;

	while (dir && readdir(dir))
		count++;
	if (dir)
		closedir(dir);
	return count;
}

static inline int scratch_setup(void **state)
{
	struct scratch *s = calloc(1, sizeof(*s));

	strcpy(s->dir, "/tmp/vmboot-test.XXXXXX");
	s->open_files = count_open_files();
	*state = s;
	setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1);
	return mkdtemp(s->dir) ? 0 : -1;
}

/* What a test opened it has closed again, and so has what it tested. */
static inline int scratch_teardown(void **state)
{
	struct scratch *s = *state;
	unsigned int open_files = count_open_files(), before = s->open_files;

	for (unsigned int i = 0; i < s->loop_count; i++)
		sh("umount %s 2>/dev/null; for p in 1 2; do umount %sp$p 2>/dev/null; "
		   "swapoff %sp$p 2>/dev/null; delpart %s $p 2>/dev/null; done; losetup -d %s",
		   s->loops[i], s->loops[i], s->loops[i], s->loops[i], s->loops[i]);
	sh("rm -rf %s", s->dir);
	free(s);
	if (open_files != before)
		print_error("%u files were open before the test, %u are after it\n", before,
			    open_files);
	return open_files == before ? 0 : -1;
}

/* A path in the scratch directory; BUF has PATH_MAX bytes. */
static inline char *scratch_path(const struct scratch *s, const char *name, char *buf)
{
	assert_in_range(snprintf(buf, PATH_MAX, "%s/%s", s->dir, name), 0, PATH_MAX - 1);
	return buf;
}

/* Writes N bytes to a new file and, if SIZE is bigger, makes it that long. */
static inline void write_file(const char *path, const void *data, size_t n, off_t size)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	if (n > 0)
		assert_int_equal(write(fd, data, n), (ssize_t)n);
	if (size > (off_t)n)
		assert_int_equal(ftruncate(fd, size), 0);
	close(fd);
}

/* Makes the directories that PATH lies in. */
static inline void make_parents(const char *path)
{
	char full[PATH_MAX];

	assert_true(strlen(path) < sizeof(full));
	strcpy(full, path);
	for (char *slash = strchr(full + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(full, 0700);
		*slash = '/';
	}
}

/* write_file() below the scratch directory, with the directories on the way. */
static inline void put_bytes(const struct scratch *s, const char *path, const void *data, size_t n,
			     off_t size)
{
	char full[PATH_MAX];

	make_parents(scratch_path(s, path, full));
	write_file(full, data, n, size);
}

static inline void put(const struct scratch *s, const char *path, const char *text)
{
	put_bytes(s, path, text, strlen(text), 0);
}

/* FNV-1a of a whole file or device: tells whether anything wrote to it. */
static inline uint64_t hash_file(const char *path)
{
	static unsigned char buf[1 << 20];
	uint64_t h = 0xcbf29ce484222325ULL;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	assert_true(fd >= 0);
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		for (ssize_t i = 0; i < n; i++)
			h = (h ^ buf[i]) * 0x100000001b3ULL;
	assert_int_equal(n, 0);
	close(fd);
	return h;
}

/* Attaches IMAGE to a loop device, which the teardown detaches. The device's path, or NULL. */
static inline const char *attach_loop(struct scratch *s, const char *image, const char *options)
{
	char command[PATH_MAX + 64], *device;
	FILE *f;

	if (geteuid() != 0 || s->loop_count == 8)
		return NULL;
	device = s->loops[s->loop_count];
	snprintf(command, sizeof(command), "losetup -f --show %s %s 2>/dev/null", options, image);
	f = popen(command, "re");
	if (!f || !fgets(device, sizeof(s->loops[0]), f))
		device[0] = '\0';
	if (f)
		pclose(f);
	device[strcspn(device, "\n")] = '\0';
	if (!device[0])
		return NULL;
	s->loop_count++;
	return device;
}

#define NEED_LOOP(device)                                                                    \
	do {                                                                                 \
		if (!(device)) {                                                             \
			print_message("skipped: no loop device (needs root and losetup)\n"); \
			skip();                                                              \
			return; /* not reached, but the compiler does not know */            \
		}                                                                            \
	} while (0)

#endif
