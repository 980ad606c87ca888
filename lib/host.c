/*
 * Gathers what host_judge.c judges: small files of /proc and /sys, and /dev/kvm. Asks KVM nothing
 * (vmm/selftest.c does), changes nothing. A file that cannot be read is a fact, not an error.
 */
#include "host.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "text.h"

#define HOST_FILE_SIZE 16384 /* of /proc/cpuinfo the first processor is enough */

static int host_open(const char *root, const char *path, int flags)
{
	char full[512];
	int n;

	n = snprintf(full, sizeof(full), "%s%s", root, path);
	if (n < 0 || (size_t)n >= sizeof(full)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return open(full, flags | O_CLOEXEC | O_NOCTTY);
}

bool host_read_file(const char *root, const char *path, char *buf, size_t size)
{
	size_t used = 0;
	ssize_t n;
	int fd;

	buf[0] = '\0';
	fd = host_open(root, path, O_RDONLY);
	if (fd < 0)
		return false;
	while (used < size - 1) {
		n = read(fd, buf + used, size - 1 - used);
		if (n <= 0)
			break;
		used += (size_t)n;
	}
	buf[used] = '\0';
	close(fd);
	return true;
}

static bool host_exists(const char *root, const char *path)
{
	int fd = host_open(root, path, O_PATH);

	if (fd < 0)
		return false;
	close(fd);
	return true;
}

static unsigned int host_count_entries(const char *root, const char *path)
{
	int fd = host_open(root, path, O_RDONLY | O_DIRECTORY);
	unsigned int count = 0;
	struct dirent *entry;
	DIR *dir;

	if (fd < 0)
		return 0;
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return 0;
	}
	while ((entry = readdir(dir)))
		count += entry->d_name[0] != '.';
	closedir(dir);
	return count;
}

/* ---- /proc/cpuinfo ---- */

/* The value after "KEY<blanks>: " of the first line that starts with KEY, cut at the line's end; false if none. */
static bool host_cpuinfo_value(const char *cpuinfo, const char *key, const char **ret_value,
			       size_t *ret_len)
{
	const char *line = cpuinfo;
	size_t key_len = strlen(key);

	while (line && *line) {
		const char *end = strchr(line, '\n');
		size_t len = end ? (size_t)(end - line) : strlen(line);
		const char *colon = memchr(line, ':', len);

		if (colon && len > key_len && strncmp(line, key, key_len) == 0 &&
		    strchr(" \t:", line[key_len])) {
			colon++;
			while (colon < line + len && *colon == ' ')
				colon++;
			*ret_value = colon;
			*ret_len = (size_t)(line + len - colon);
			return true;
		}
		line = end ? end + 1 : NULL;
	}
	return false;
}

/* Whether the words of LIST (LEN bytes) contain FLAG. */
static bool host_has_flag(const char *list, size_t len, const char *flag)
{
	size_t flag_len = strlen(flag), i = 0, word;

	while (i < len) {
		while (i < len && list[i] == ' ')
			i++;
		for (word = i; i < len && list[i] != ' '; i++)
			;
		if (i - word == flag_len && memcmp(list + word, flag, flag_len) == 0)
			return true;
	}
	return false;
}

/* Newer kernels list ept in a line of its own, "vmx flags"; npt is among the flags. */
static void host_gather_cpu(const char *root, struct host_kvm_facts *kvm, struct host_facts *facts)
{
	char *buf = malloc(HOST_FILE_SIZE);
	const char *flags, *value;
	size_t len, value_len;

	if (!buf)
		return;
	host_read_file(root, "/proc/cpuinfo", buf, HOST_FILE_SIZE);
	if (host_cpuinfo_value(buf, "flags", &flags, &len)) {
		kvm->cpu = host_has_flag(flags, len, "vmx")   ? "vmx"
			   : host_has_flag(flags, len, "svm") ? "svm"
							      : NULL;
		kvm->is_guest = host_has_flag(flags, len, "hypervisor");
		if (facts)
			facts->nested_paging = host_has_flag(flags, len, "ept") ||
					       host_has_flag(flags, len, "npt");
	}
	if (facts && host_cpuinfo_value(buf, "vmx flags", &value, &value_len))
		facts->nested_paging |= host_has_flag(value, value_len, "ept");
	if (facts && host_cpuinfo_value(buf, "model name", &value, &value_len))
		text_escape(facts->cpu_model, sizeof(facts->cpu_model), value, value_len);
	free(buf);
}

/* ---- /dev/kvm ---- */

static void host_gather_kvm_device(const char *root, struct host_kvm_facts *facts, int *ret_fd)
{
	facts->kvm_loaded = host_exists(root, "/sys/module/kvm");
	facts->module_loaded = host_exists(root, facts->cpu && strcmp(facts->cpu, "svm") == 0
							 ? "/sys/module/kvm_amd"
							 : "/sys/module/kvm_intel");
	*ret_fd = host_open(root, "/dev/kvm", O_RDWR);
	facts->open_errno = *ret_fd < 0 ? errno : 0;
}

void host_gather_kvm(const char *root, struct host_kvm_facts *ret_facts, int *ret_fd)
{
	memset(ret_facts, 0, sizeof(*ret_facts));
	host_gather_cpu(root, ret_facts, NULL);
	host_gather_kvm_device(root, ret_facts, ret_fd);
}

int host_check_kvm(struct vmb_err *err)
{
	struct host_kvm_facts facts;
	int fd = host_open("", "/dev/kvm", O_RDWR), r;

	/* Facts are for the sentence why not: Linux 5.10 and 5.15 may sleep 10 ms over /proc/cpuinfo. */
	if (fd >= 0)
		return fd;
	host_gather_kvm("", &facts, &fd);
	r = host_judge_kvm(&facts, err);
	return r < 0 ? r : fd;
}

/* ---- the rest ---- */

static uint64_t host_memory_available(const char *root)
{
	char buf[2048];
	const char *line;
	unsigned long long kib;

	host_read_file(root, "/proc/meminfo", buf, sizeof(buf));
	line = strstr(buf, "MemAvailable:");
	if (!line || sscanf(line, "MemAvailable: %llu kB", &kib) != 1)
		return 0;
	return kib << 10;
}

/* The word in brackets of "always [madvise] never". */
static void host_gather_thp(const char *root, struct host_facts *facts)
{
	const char *start, *end;
	char buf[128];

	host_read_file(root, "/sys/kernel/mm/transparent_hugepage/enabled", buf, sizeof(buf));
	start = strchr(buf, '[');
	end = start ? strchr(start, ']') : NULL;
	if (end)
		text_escape(facts->thp, sizeof(facts->thp), start + 1, (size_t)(end - start - 1));
}

static int host_try_io_uring(void)
{
	struct io_uring_params params = {0};
	long fd = syscall(SYS_io_uring_setup, 2, &params);

	if (fd < 0)
		return errno;
	close((int)fd);
	return 0;
}

void host_gather(const char *root, struct host_facts *ret_facts, int *ret_fd)
{
	struct host_facts *facts = ret_facts;
	struct rlimit limit;
	char buf[64];

	memset(facts, 0, sizeof(*facts));
	host_gather_cpu(root, &facts->kvm, facts);
	host_gather_kvm_device(root, &facts->kvm, ret_fd);
	facts->memory_available = host_memory_available(root);
	host_gather_thp(root, facts);
	facts->io_uring_sysctl = -1;
	if (host_read_file(root, "/proc/sys/kernel/io_uring_disabled", buf, sizeof(buf)))
		facts->io_uring_sysctl = atoi(buf);
	facts->iommus = host_count_entries(root, "/sys/class/iommu");
	facts->iommu_groups = host_count_entries(root, "/sys/kernel/iommu_groups");
	facts->memlock = UINT64_MAX;
	if (root[0])
		return;
	facts->cpus_online = (unsigned int)sysconf(_SC_NPROCESSORS_ONLN);
	if (getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
		facts->memlock = limit.rlim_cur;
	facts->io_uring_errno = host_try_io_uring();
}
