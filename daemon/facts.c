/*
 * See daemon/facts.h. Each group is a function; each line reads one file and says which one is missing
 * when it is. Nothing here asks a device: a dying disk must not hold the daemon up.
 */
#include "facts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "host.h"
#include "text.h"

#define FACTS_LIMIT 1024
#define PATH_SIZE   512

struct facts_list {
	const char *root;
	const char *group; /* of the lines that are added */
	struct menu_fact *fact;
	size_t count, cap;
	int rc; /* -ENOMEM once there was none */
};

/* ---- adding ---- */

static struct menu_fact *add(struct facts_list *list, const char *name, const char *value)
{
	struct menu_fact *fact;

	if (list->rc < 0 || list->count == FACTS_LIMIT)
		return NULL;
	if (list->count == list->cap) {
		size_t cap = list->cap ? list->cap * 2 : 64;
		struct menu_fact *grown = realloc(list->fact, cap * sizeof(*grown));

		if (!grown) {
			list->rc = -ENOMEM;
			return NULL;
		}
		list->fact = grown;
		list->cap = cap;
	}
	fact = &list->fact[list->count++];
	*fact = (struct menu_fact){.missing = 0};
	text_copy(fact->group, sizeof(fact->group), list->group);
	text_escape(fact->name, sizeof(fact->name), name, strlen(name));
	text_escape(fact->value, sizeof(fact->value), value, strlen(value));
	return fact;
}

static __attribute__((format(printf, 3, 4))) void addf(struct facts_list *list, const char *name,
						       const char *fmt, ...)
{
	char value[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(value, sizeof(value), fmt, ap);
	va_end(ap);
	add(list, name, value);
}

/* "not available (WHY)". */
static __attribute__((format(printf, 3, 4))) void missing(struct facts_list *list, const char *name,
							  const char *fmt, ...)
{
	char why[200], value[256];
	struct menu_fact *fact;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	snprintf(value, sizeof(value), "not available (%s)", why);
	fact = add(list, name, value);
	if (fact)
		fact->missing = 1;
}

/* ---- reading ---- */

static __attribute__((format(printf, 4, 5))) int read_text(const struct facts_list *list, char *buf,
							   size_t size, const char *fmt, ...)
{
	char path[PATH_SIZE];
	va_list ap;
	int at, fd;
	ssize_t n;

	at = snprintf(path, sizeof(path), "%s", list->root);
	va_start(ap, fmt);
	vsnprintf(path + at, sizeof(path) - (size_t)at, fmt, ap);
	va_end(ap);
	buf[0] = '\0';
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	n = read(fd, buf, size - 1);
	close(fd);
	if (n < 0)
		return -errno;
	while (n > 0 && (buf[n - 1] == '\n' || buf[n - 1] == ' '))
		n--;
	buf[n] = '\0';
	return 0;
}

/* A line that is the content of the file PATH. */
static void add_file(struct facts_list *list, const char *name, const char *path)
{
	char text[256];

	if (read_text(list, text, sizeof(text), "%s", path) < 0)
		missing(list, name, "no %s", path);
	else if (text[0])
		add(list, name, text);
	else
		missing(list, name, "%s is empty", path);
}

/* The entries of directory PATH in order; COUNT of them in *RET_NAMES, which the caller frees with its names. */
static int list_names(const struct facts_list *list, const char *path, struct dirent ***ret_names)
{
	char full[PATH_SIZE];
	int n;

	snprintf(full, sizeof(full), "%s%s", list->root, path);
	n = scandir(full, ret_names, NULL, versionsort);
	return n < 0 ? -errno : n;
}

static void each_name(struct facts_list *list, const char *path,
		      void (*fn)(struct facts_list *list, const char *name))
{
	struct dirent **names;
	int n = list_names(list, path, &names);

	for (int i = 0; i < n; i++) {
		if (names[i]->d_name[0] != '.')
			fn(list, names[i]->d_name);
		free(names[i]);
	}
	if (n >= 0)
		free(names);
}

static unsigned int count_names(const struct facts_list *list, const char *path)
{
	struct dirent **names;
	int n = list_names(list, path, &names);
	unsigned int count = 0;

	for (int i = 0; i < n; i++) {
		count += names[i]->d_name[0] != '.';
		free(names[i]);
	}
	if (n >= 0)
		free(names);
	return count;
}

/* ---- the groups ---- */

static void group_board(struct facts_list *list)
{
	static const char *const lines[][2] = {
		{"vendor", "sys_vendor"},    {"product", "product_name"}, {"board", "board_name"},
		{"firmware", "bios_vendor"}, {"version", "bios_version"}, {"date", "bios_date"},
	};
	char path[PATH_SIZE];

	list->group = "Board";
	snprintf(path, sizeof(path), "%s/sys/class/dmi/id", list->root);
	if (access(path, F_OK) < 0) {
		missing(list, "vendor, product", "no /sys/class/dmi/id");
		return;
	}
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		snprintf(path, sizeof(path), "/sys/class/dmi/id/%s", lines[i][1]);
		add_file(list, lines[i][0], path);
	}
	if (count_names(list, "/sys/bus/coreboot/devices") > 0)
		add(list, "coreboot", "its tables are there");
}

static void group_cpu(struct facts_list *list, const struct host_facts *host)
{
	char nested[16];
	bool amd = host->kvm.cpu && strcmp(host->kvm.cpu, "svm") == 0;

	list->group = "CPU";
	if (host->cpu_model[0])
		add(list, "model", host->cpu_model);
	else
		missing(list, "model", "no model name in /proc/cpuinfo");
	addf(list, "online", "%u", host->cpus_online);
	if (host->kvm.cpu)
		addf(list, "virtualization", "%s, %s nested paging%s", host->kvm.cpu,
		     host->nested_paging ? "with" : "without",
		     host->kvm.is_guest ? ", itself in a virtual machine" : "");
	else
		missing(list, "virtualization", "neither vmx nor svm in /proc/cpuinfo");
	if (read_text(list, nested, sizeof(nested), "/sys/module/%s/parameters/nested",
		      amd ? "kvm_amd" : "kvm_intel") < 0)
		missing(list, "nested", "no /sys/module/%s", amd ? "kvm_amd" : "kvm_intel");
	else
		add(list, "nested", nested[0] == 'Y' || nested[0] == '1' ? "yes" : "no");
}

static void group_kvm(struct facts_list *list, const struct host_facts *host)
{
	struct vmb_err err = {0};
	struct menu_fact *fact;

	list->group = "KVM";
	if (host_judge_kvm(&host->kvm, &err) == 0) {
		add(list, "/dev/kvm", "ok");
		return;
	}
	fact = add(list, "/dev/kvm", err.text);
	if (fact)
		fact->bad = 1;
}

static void add_node(struct facts_list *list, const char *name)
{
	char text[512], size[16], cpus[64], *at;

	if (strncmp(name, "node", 4) != 0 || name[4] < '0' || name[4] > '9')
		return;
	if (read_text(list, cpus, sizeof(cpus), "/sys/devices/system/node/%s/cpulist", name) < 0)
		cpus[0] = '\0';
	read_text(list, text, sizeof(text), "/sys/devices/system/node/%s/meminfo", name);
	at = strstr(text, "MemTotal:");
	if (at)
		addf(list, name, "%s, CPUs %s",
		     text_format_size(strtoull(at + 9, NULL, 10) * 1024, size, sizeof(size)), cpus);
	else
		missing(list, name, "no meminfo of it");
}

static void group_memory(struct facts_list *list, const struct host_facts *host)
{
	char text[4096], size[16], *at;

	list->group = "Memory";
	read_text(list, text, sizeof(text), "/proc/meminfo");
	at = strstr(text, "MemTotal:");
	if (at)
		add(list, "total",
		    text_format_size(strtoull(at + 9, NULL, 10) * 1024, size, sizeof(size)));
	else
		missing(list, "total", "no /proc/meminfo");
	if (host->memory_available)
		add(list, "available",
		    text_format_size(host->memory_available, size, sizeof(size)));
	at = strstr(text, "HugePages_Total:");
	if (at)
		addf(list, "huge pages", "%llu reserved", strtoull(at + 16, NULL, 10));
	if (host->thp[0])
		addf(list, "transparent", "%s", host->thp);
	else
		missing(list, "transparent", "this kernel has no transparent huge pages");
	if (count_names(list, "/sys/devices/system/node") == 0)
		missing(list, "NUMA", "no /sys/devices/system/node");
	else
		each_name(list, "/sys/devices/system/node", add_node);
}

static void add_iommu(struct facts_list *list, const char *name)
{
	add(list, "unit", name);
}

static void group_iommu(struct facts_list *list, const struct host_facts *host)
{
	list->group = "IOMMU";
	if (host->iommus == 0) {
		missing(list, "units",
			"none: VT-d/AMD-Vi off in the firmware, or intel_iommu=on is missing");
		return;
	}
	each_name(list, "/sys/class/iommu", add_iommu);
	addf(list, "groups", "%u", host->iommu_groups);
}

static void add_uptime(struct facts_list *list, unsigned long long seconds)
{
	unsigned long long days = seconds / 86400;

	if (days)
		addf(list, "up", "%llu day%s %llu h", days, days == 1 ? "" : "s",
		     seconds / 3600 % 24);
	else if (seconds >= 3600)
		addf(list, "up", "%llu h %llu min", seconds / 3600, seconds / 60 % 60);
	else
		addf(list, "up", "%llu min", seconds / 60);
}

static void group_kernel(struct facts_list *list)
{
	struct utsname name;
	char uptime[64];

	list->group = "Kernel";
	if (uname(&name) == 0)
		addf(list, "release", "%.60s %.20s", name.release, name.machine);
	add_file(list, "command line", "/proc/cmdline");
	if (read_text(list, uptime, sizeof(uptime), "/proc/uptime") == 0)
		add_uptime(list, strtoull(uptime, NULL, 10));
	else
		missing(list, "up", "no /proc/uptime");
}

/* What the kernel's hwmon says of a disk's temperature; empty if nothing. */
static void disk_temperature(const struct facts_list *list, const char *name, char *buf,
			     size_t size)
{
	char path[PATH_SIZE], text[32];
	struct dirent **names;
	int n;

	buf[0] = '\0';
	snprintf(path, sizeof(path), "/sys/block/%s/device/hwmon", name);
	n = list_names(list, path, &names);
	for (int i = 0; i < n; i++) {
		if (names[i]->d_name[0] != '.' && !buf[0] &&
		    read_text(list, text, sizeof(text), "%s/%s/temp1_input", path,
			      names[i]->d_name) == 0)
			snprintf(buf, size, ", %ld degrees", strtol(text, NULL, 10) / 1000);
		free(names[i]);
	}
	if (n >= 0)
		free(names);
}

static void add_disk(struct facts_list *list, const char *name)
{
	char model[96], state[32], blocks[32], temperature[32], size[16];
	unsigned long long sectors;

	if (strncmp(name, "loop", 4) == 0 || strncmp(name, "ram", 3) == 0 ||
	    strncmp(name, "zram", 4) == 0 || strncmp(name, "nbd", 3) == 0)
		return;
	if (read_text(list, blocks, sizeof(blocks), "/sys/block/%s/size", name) < 0)
		return;
	sectors = strtoull(blocks, NULL, 10);
	read_text(list, model, sizeof(model), "/sys/block/%s/device/model", name);
	if (sectors == 0) {
		addf(list, name, "%s%s%s", model, model[0] ? ", " : "",
		     strncmp(name, "md", 2) == 0 ? "an array that is not assembled" : "no medium");
		return;
	}
	read_text(list, state, sizeof(state), "/sys/block/%s/device/state", name);
	disk_temperature(list, name, temperature, sizeof(temperature));
	addf(list, name, "%s%s%s%s%s%s", text_format_size(sectors * 512, size, sizeof(size)),
	     model[0] ? " " : "", model, state[0] ? ", " : "", state, temperature);
}

/* A line of FN for each entry of PATH; without any a line that NOUN is missing: WHY. */
static void group_devices(struct facts_list *list, const char *group, const char *path,
			  void (*fn)(struct facts_list *list, const char *name), const char *noun,
			  const char *why)
{
	size_t before = list->count;

	list->group = group;
	each_name(list, path, fn);
	if (list->count == before)
		missing(list, noun, "%s", why);
}

static void add_nic(struct facts_list *list, const char *name)
{
	char state[32], mac[32], speed[16], driver[PATH_SIZE], link[PATH_SIZE];
	const char *last = "no driver";
	ssize_t n;

	if (strcmp(name, "lo") == 0 ||
	    read_text(list, state, sizeof(state), "/sys/class/net/%s/operstate", name) < 0)
		return;
	read_text(list, mac, sizeof(mac), "/sys/class/net/%s/address", name);
	snprintf(link, sizeof(link), "%s/sys/class/net/%s/device/driver", list->root, name);
	n = readlink(link, driver, sizeof(driver) - 1);
	if (n > 0) {
		driver[n] = '\0';
		last = strrchr(driver, '/') ? strrchr(driver, '/') + 1 : driver;
	}
	/* Reading it fails while there is no carrier. */
	if (read_text(list, speed, sizeof(speed), "/sys/class/net/%s/speed", name) < 0 ||
	    speed[0] == '-')
		speed[0] = '\0';
	addf(list, name, "%s%s%s%s, %s, %.40s", state, speed[0] ? ", " : "", speed,
	     speed[0] ? " Mbit/s" : "", mac, last);
}

int facts_gather_below(const char *root, struct menu_fact **ret_facts, size_t *ret_count)
{
	struct facts_list list = {.root = root};
	struct host_facts host;
	int kvm;

	host_gather(root, &host, &kvm);
	if (kvm >= 0)
		close(kvm);
	group_board(&list);
	group_cpu(&list, &host);
	group_kvm(&list, &host);
	group_memory(&list, &host);
	group_iommu(&list, &host);
	group_kernel(&list);
	group_devices(&list, "Disks", "/sys/block", add_disk, "disks", "none in /sys/block");
	group_devices(&list, "Network", "/sys/class/net", add_nic, "interfaces",
		      "none but the loopback");
	list.group = "Consoles";
	add_file(&list, "of the kernel", "/sys/class/tty/console/active");
	if (list.rc < 0) {
		free(list.fact);
		return list.rc;
	}
	*ret_facts = list.fact;
	*ret_count = list.count;
	return 0;
}

int facts_gather(struct menu_fact **ret_facts, size_t *ret_count)
{
	return facts_gather_below("", ret_facts, ret_count);
}
