/*
 * See daemon/pci_use.h. Everything that a function makes for the host (a disk, an interface, a line) has a
 * directory below the function's own in /sys/devices; the last PCI address on that way is the function.
 */
#include "pci_use.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pci_files.h"
#include "pci_net.h"
#include "storage.h"
#include "text.h"

struct use_finder {
	const char *root;
	struct menu_pci *pcis;
	size_t count;
	struct pci_net_use nets[PCI_NET_MAX];
	size_t net_count;
};

/* The function below which the directory REAL lies, or NULL. */
static struct menu_pci *owner_of(const struct use_finder *finder, const char *real)
{
	struct menu_pci *owner = NULL;

	for (const char *at = strchr(real, '/'); at; at = strchr(at, '/')) {
		size_t n = strcspn(++at, "/");

		for (size_t i = 0; i < finder->count; i++)
			if (strlen(finder->pcis[i].address) == n &&
			    memcmp(finder->pcis[i].address, at, n) == 0)
				owner = &finder->pcis[i];
	}
	return owner;
}

static void add_makes(struct menu_pci *pci, const char *name)
{
	size_t n = strlen(pci->makes);

	if (n + strlen(name) + 2 > sizeof(pci->makes))
		return;
	if (n > 0)
		pci->makes[n++] = ' ';
	text_escape(pci->makes + n, sizeof(pci->makes) - n, name, strlen(name));
}

/* The first of the weightiest uses is what the operator reads. */
__attribute__((format(printf, 3, 4))) static void
set_use(struct menu_pci *pci, enum menu_pci_verdict verdict, const char *fmt, ...)
{
	char text[sizeof(pci->use)];
	va_list ap;

	if (pci->verdict == MENU_PCI_BRIDGE || (pci->verdict >= (uint8_t)verdict && pci->use[0]))
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	text_escape(pci->use, sizeof(pci->use), text, strlen(text));
	pci->verdict = (uint8_t)verdict;
}

/* Calls FN for each entry of directory /sys/class/CLASS. */
static void each_of_class(struct use_finder *finder, const char *class,
			  void (*fn)(struct use_finder *finder, const char *name))
{
	DIR *dir = pci_files_open_dir(finder->root, "/sys/class/%s", class);
	const char *name;

	while ((name = pci_files_next(dir)))
		fn(finder, name);
	if (dir)
		closedir(dir);
}

/* The function that makes the host's NAME of CLASS, or NULL. */
static struct menu_pci *maker_of(const struct use_finder *finder, const char *class,
				 const char *name)
{
	char real[PATH_MAX];

	return pci_files_resolve(real, finder->root, "/sys/class/%s/%s", class, name)
		       ? owner_of(finder, real)
		       : NULL;
}

/* ---- disks ---- */

/* Cuts the path REAL off behind its NVMe subsystem. False: it lies in none. */
static bool cut_at_subsystem(char *real)
{
	static const char name[] = "/nvme-subsys";

	for (char *at = strstr(real, name); at; at = strstr(at + 1, name)) {
		char *number = at + strlen(name);
		size_t n = strspn(number, "0123456789");

		if (n == 0 || (number[n] && number[n] != '/'))
			continue;
		number[n] = '\0';
		return true;
	}
	return false;
}

/*
 * Calls FN for each function that makes block device NAME. A namespace that several NVMe controllers may reach lies below
 * a subsystem of its own (native multipath), whose directory has a link to each of its controllers.
 */
static void each_maker(const struct use_finder *finder, const char *name,
		       void (*fn)(const struct use_finder *finder, struct menu_pci *pci, void *ctx),
		       void *ctx)
{
	struct menu_pci *pci = maker_of(finder, "block", name);
	char real[PATH_MAX], controller[PATH_MAX];
	const char *link;
	DIR *dir = NULL;

	if (pci)
		fn(finder, pci, ctx);
	else if (pci_files_resolve(real, finder->root, "/sys/class/block/%s", name) &&
		 cut_at_subsystem(real))
		dir = pci_files_open_dir("", "%s", real);
	while ((link = pci_files_next(dir))) {
		if (strncmp(link, "nvme", 4) != 0 ||
		    !pci_files_resolve(controller, "", "%s/%s", real, link))
			continue;
		pci = owner_of(finder, controller);
		if (pci)
			fn(finder, pci, ctx);
	}
	if (dir)
		closedir(dir);
}

static void judge_disk(const struct use_finder *finder, struct menu_pci *pci, void *ctx)
{
	const struct storage_device *disk = ctx;
	struct storage_use use = {0};

	add_makes(pci, disk->name);
	if (disk->empty)
		return;
	if (storage_device_use(finder->root, disk, &use) < 0)
		set_use(pci, MENU_PCI_REFUSED, "%s may be in use: that cannot be found out",
			disk->name);
	else if (use.kind != STORAGE_USE_NONE)
		set_use(pci, MENU_PCI_REFUSED, "%s is %s", use.node, use.how);
}

static void judge_disks(const struct use_finder *finder)
{
	struct storage_device *disks;
	size_t count;

	if (storage_list_devices(finder->root, &disks, &count) < 0)
		return; /* a kernel without block devices */
	for (size_t i = 0; i < count; i++)
		if (!disks[i].parent[0])
			each_maker(finder, disks[i].name, judge_disk, &disks[i]);
	free(disks);
}

static bool is_busy(const char *path)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int fd = open(path, O_RDONLY | O_EXCL | O_CLOEXEC | O_NONBLOCK);
	bool busy;

	if (fd < 0)
		return errno == EBUSY;
	busy = fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
	close(fd);
	return busy;
}

static void note_maker(const struct use_finder *finder, struct menu_pci *pci, void *ctx)
{
	(void)finder;
	(void)pci;
	*(bool *)ctx = true;
}

bool pci_use_makes(const char *root, const char *address, const char *name)
{
	struct menu_pci pci = {.group = -1};
	const struct use_finder finder = {.root = root, .pcis = &pci, .count = 1};
	bool makes = false;

	text_copy(pci.address, sizeof(pci.address), address);
	each_maker(&finder, name, note_maker, &makes);
	return makes;
}

int pci_use_check_disks(const char *root, const char *address, struct vmb_err *err)
{
	struct storage_device *disks;
	size_t count;
	int rc = 0;

	if (storage_list_devices(root, &disks, &count) < 0)
		return 0;
	for (size_t i = 0; i < count && rc == 0; i++)
		if (!disks[i].parent[0] && pci_use_makes(root, address, disks[i].name) &&
		    is_busy(disks[i].path))
			rc = vmb_err_set(
				err, EBUSY,
				"PCI device %s cannot be passed through: its disk %s is "
				"in use by this system or by another virtual machine. Free "
				"it first.",
				address, disks[i].name);
	free(disks);
	return rc;
}

/* ---- the network ---- */

static void judge_interface(struct use_finder *finder, const char *name)
{
	struct menu_pci *pci = maker_of(finder, "net", name);
	char state[32];

	if (!pci)
		return;
	add_makes(pci, name);
	for (size_t i = 0; i < finder->net_count; i++)
		if (strcmp(finder->nets[i].interface, name) == 0)
			set_use(pci, MENU_PCI_REFUSED, "%s %s", name, finder->nets[i].how);
	pci_files_read_line(state, sizeof(state), finder->root, "/sys/class/net/%s/operstate",
			    name);
	if (strcmp(state, "up") == 0)
		set_use(pci, MENU_PCI_ASK, "%s is up: this host loses that network", name);
}

/* ---- consoles ---- */

static void lose_screen(struct menu_pci *pci)
{
	set_use(pci, MENU_PCI_ASK,
		"this is the console GPU: you will lose VGA, serial keeps working");
}

static void judge_framebuffer(struct use_finder *finder, const char *name)
{
	struct menu_pci *pci = maker_of(finder, "graphics", name);

	if (!pci || strncmp(name, "fb", 2) != 0)
		return;
	add_makes(pci, name);
	lose_screen(pci);
}

/* The one that the firmware left on. */
static void judge_boot_screens(const struct use_finder *finder)
{
	char text[8];

	for (size_t i = 0; i < finder->count; i++) {
		pci_files_read_line(text, sizeof(text), finder->root,
				    "/sys/bus/pci/devices/%s/boot_vga", finder->pcis[i].address);
		if (text[0] == '1')
			lose_screen(&finder->pcis[i]);
	}
}

static void judge_consoles(const struct use_finder *finder)
{
	char line[256], *save = NULL;

	pci_files_read_line(line, sizeof(line), finder->root, "/sys/class/tty/console/active");
	for (char *name = strtok_r(line, " ", &save); name; name = strtok_r(NULL, " ", &save)) {
		struct menu_pci *pci = maker_of(finder, "tty", name);

		if (!pci)
			continue;
		add_makes(pci, name);
		set_use(pci, MENU_PCI_ASK, "%s is a console of this host: it goes silent", name);
	}
}

/* Of each device a line "S: Sysfs=/devices/..." and then "H: Handlers=sysrq kbd event3". */
static void judge_keyboards(const struct use_finder *finder)
{
	FILE *f = pci_files_open(finder->root, "/proc/bus/input/devices");
	struct menu_pci *pci = NULL;
	char line[1024];

	while (f && fgets(line, sizeof(line), f)) {
		if (strncmp(line, "S: ", 3) == 0)
			pci = owner_of(finder, line);
		else if (pci && strncmp(line, "H: ", 3) == 0 && strstr(line, "kbd"))
			set_use(pci, MENU_PCI_ASK, "this host's keyboard is connected to it");
	}
	if (f)
		fclose(f);
}

/* ---- virtual functions ---- */

/* They go when their physical function changes its driver; and vfio-pci gives none away behind the back of who has that. */
static void judge_virtual(const struct use_finder *finder, struct menu_pci *pci)
{
	char text[32];

	pci_files_read_line(text, sizeof(text), finder->root,
			    "/sys/bus/pci/devices/%s/sriov_numvfs", pci->address);
	if (atoi(text) > 0)
		set_use(pci, MENU_PCI_REFUSED,
			"its virtual functions (%d) would be lost: pass those, or write 0 to its "
			"sriov_numvfs",
			atoi(text));
	if (pci->physfn[0] &&
	    strcmp(pci_files_driver(finder->root, pci->physfn, text, sizeof(text)), "vfio-pci") ==
		    0)
		set_use(pci, MENU_PCI_REFUSED, "its physical function %s is at vfio-pci itself",
			pci->physfn);
}

void pci_use_fill(const char *root, struct menu_pci *pcis, size_t count)
{
	struct use_finder finder = {.root = root, .pcis = pcis, .count = count};

	finder.net_count = pci_net_uses(root, finder.nets);
	judge_disks(&finder);
	each_of_class(&finder, "net", judge_interface);
	judge_boot_screens(&finder);
	each_of_class(&finder, "graphics", judge_framebuffer);
	judge_consoles(&finder);
	judge_keyboards(&finder);
	for (size_t i = 0; i < count; i++)
		judge_virtual(&finder, &pcis[i]);
}
