/*
 * See init/modules.h. A few dozen aliases go to one modprobe, because each start reads all of modules.alias. Only
 * one runs at a time: a driver that hangs while it is loaded holds up other drivers, and nothing else.
 */
#include "modules.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "host.h"
#include "log.h"
#include "spawn.h"

#define MAX_ALIASES 4096
#define BATCH	    64
#define ALIAS_SIZE  4096 /* a processor lists its features */
#define MAX_DEPTH   32

struct modules {
	const char *root;
	void (*idle)(void *ctx);
	void *ctx;
	bool usable; /* there are modules for this kernel */
	pid_t pid;   /* of modprobe; 0: none */
	char *waiting[MAX_ALIASES];
	unsigned int waiting_count;
	uint64_t seen[MAX_ALIASES]; /* hashes of what was ever asked for */
	unsigned int seen_count;
};

int modules_create(const char *root, void (*idle)(void *ctx), void *ctx,
		   struct modules **ret_modules)
{
	struct modules *m = calloc(1, sizeof(*m));
	char path[sizeof(struct utsname) + 64];
	struct utsname kernel;

	if (!m)
		return -ENOMEM;
	m->root = root;
	m->idle = idle;
	m->ctx = ctx;
	uname(&kernel);
	snprintf(path, sizeof(path), "%s/lib/modules/%s/modules.dep", root, kernel.release);
	m->usable = access(path, R_OK) == 0;
	if (!m->usable)
		log_info("no modules are here for kernel %s: it has what is built in",
			 kernel.release);
	*ret_modules = m;
	return 0;
}

/* FNV-1a */
static uint64_t hash(const char *text)
{
	uint64_t h = 0xCBF29CE484222325u;

	for (; *text; text++)
		h = (h ^ (uint8_t)*text) * 0x100000001B3u;
	return h;
}

void modules_add(struct modules *m, const char *alias)
{
	uint64_t h = hash(alias);
	char *copy;

	/* A device may claim to be anything; modprobe must not take it for an option. */
	if (!m->usable || !isalnum((unsigned char)alias[0]) || m->seen_count == MAX_ALIASES)
		return;
	for (unsigned int i = 0; i < m->seen_count; i++)
		if (m->seen[i] == h)
			return;
	copy = strdup(alias);
	if (!copy)
		return;
	m->seen[m->seen_count++] = h;
	m->waiting[m->waiting_count++] = copy;
}

static void add_from(struct modules *m, int dir)
{
	int fd = openat(dir, "modalias", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	char alias[ALIAS_SIZE];
	ssize_t n;

	if (fd < 0)
		return;
	n = read(fd, alias, sizeof(alias) - 1);
	close(fd);
	if (n <= 0)
		return;
	alias[n] = '\0';
	alias[strcspn(alias, "\n")] = '\0';
	modules_add(m, alias);
}

/* DIR (taken over) and all below it; symbolic links lead to what is found anyway. */
static void walk(struct modules *m, int dir, unsigned int depth)
{
	DIR *stream = fdopendir(dir);
	struct dirent *entry;

	if (!stream) {
		close(dir);
		return;
	}
	add_from(m, dir);
	while (depth < MAX_DEPTH && (entry = readdir(stream)) != NULL) {
		int fd;

		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		fd = openat(dir, entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		if (fd >= 0)
			walk(m, fd, depth + 1);
	}
	closedir(stream);
}

/* By name: the alias of a processor is too long for busybox' modprobe. */
static void add_kvm(struct modules *m)
{
	struct host_kvm_facts facts;
	int kvm;

	host_gather_kvm(m->root, &facts, &kvm);
	if (kvm >= 0)
		close(kvm);
	else if (facts.cpu)
		modules_add(m, strcmp(facts.cpu, "svm") == 0 ? "kvm_amd" : "kvm_intel");
}

void modules_load_all(struct modules *m)
{
	char path[256];
	int dir;

	snprintf(path, sizeof(path), "%s/sys/devices", m->root);
	dir = m->usable ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	if (dir >= 0)
		walk(m, dir, 0);
	add_kvm(m);
	modules_begin(m);
}

void modules_begin(struct modules *m)
{
	char name[] = "modprobe", options[] = "-aq", *argv[BATCH + 3] = {name, options};
	unsigned int n = m->waiting_count < BATCH ? m->waiting_count : BATCH;
	int rc;

	if (m->pid)
		return;
	if (n == 0 || !m->usable) {
		m->idle(m->ctx);
		return;
	}
	memcpy(argv + 2, m->waiting, n * sizeof(argv[0]));
	rc = spawn_program(argv[0], argv, &m->pid);
	for (unsigned int i = 0; i < n; i++) {
		log_debug("modprobe %s", m->waiting[i]);
		free(m->waiting[i]);
	}
	m->waiting_count -= n;
	memmove(m->waiting, m->waiting + n, m->waiting_count * sizeof(m->waiting[0]));
	if (rc < 0) {
		log_error("modprobe cannot be started: %s", strerror(-rc));
		m->usable = false;
		m->idle(m->ctx);
	}
}

bool modules_reap(struct modules *m, pid_t pid)
{
	if (m->pid == 0 || m->pid != pid)
		return false;
	m->pid = 0;
	/* Its status says nothing: for most aliases there is no module, and need not be one. */
	modules_begin(m);
	return true;
}

void modules_destroy(struct modules *m)
{
	for (unsigned int i = 0; i < m->waiting_count; i++)
		free(m->waiting[i]);
	free(m);
}
