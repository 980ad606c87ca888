/*
 * A PCI function changes its driver: see include/host_pci.h. Unbinding one can take as long as its driver waits for
 * the device, so this runs in a process that its parent can do without (cmd/pci.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "atomic_file.h"
#include "host_pci.h"
#include "log.h"
#include "pci_files.h"
#include "pci_use.h"
#include "text.h"

#define VFIO_DRIVER	"vfio-pci"
#define VFIO_IOMMU	"vfio_iommu_type1"
#define NO_DRIVER	"-"
#define RETRY_AFTER_SEC 1

/* What a function was before: the two lines of DIR/ADDRESS. */
struct record {
	char driver[64];   /* NO_DRIVER: none */
	char override[64]; /* of driver_override; empty: none */
};

/* ---- the record ---- */

/* 0, or -ENOENT when there is none, or none that can be read: then nothing was changed yet. */
static int record_read(const char *dir, const char *address, struct record *ret_record)
{
	FILE *f = pci_files_open(dir, "/%s", address);
	struct record record = {.driver = ""};

	if (!f)
		return -ENOENT;
	if (fgets(record.driver, sizeof(record.driver), f))
		record.driver[strcspn(record.driver, "\n")] = '\0';
	if (fgets(record.override, sizeof(record.override), f))
		record.override[strcspn(record.override, "\n")] = '\0';
	fclose(f);
	if (record.driver[0] == '\0' || strchr(record.driver, '/'))
		return -ENOENT;
	*ret_record = record;
	return 0;
}

static int record_write(const char *dir, const char *address, const struct record *record)
{
	char text[sizeof(*record) + 4], temp[VM_PCI_ADDRESS_SIZE + 8];
	int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd, rc = 0;

	if (dir_fd < 0)
		return -errno;
	snprintf(text, sizeof(text), "%s\n%s\n", record->driver, record->override);
	snprintf(temp, sizeof(temp), "%s.new", address);
	fd = atomic_file_new(dir_fd, temp, NULL, text, strlen(text));
	if (fd < 0)
		rc = fd;
	else
		close(fd);
	if (rc == 0 && renameat(dir_fd, temp, dir_fd, address) < 0)
		rc = -errno;
	close(dir_fd);
	return rc;
}

/* ---- the module ---- */

/* By the program that the kernel itself would use. What it says of a module that is not there is ours to say. */
static void load_module(const char *root, const char *module)
{
	char path[PATH_MAX], quiet[] = "-q", name[32];
	char *argv[] = {path, quiet, name, NULL};
	pid_t pid;

	text_copy(name, sizeof(name), module);
	pci_files_read_line(path, sizeof(path), root, "/proc/sys/kernel/modprobe");
	pid = path[0] == '/' ? fork() : -1;
	if (pid == 0) {
		execv(path, argv);
		_exit(127);
	}
	if (pid > 0)
		waitpid(pid, NULL, 0);
}

static int need_driver(const char *root, struct vmb_err *err)
{
	char real[PATH_MAX];

	/* Which nothing else asks for; a kernel that has IOMMUFD in its place does without. */
	if (!pci_files_resolve(real, root, "/sys/module/" VFIO_IOMMU))
		load_module(root, VFIO_IOMMU);
	if (!pci_files_resolve(real, root, "/sys/bus/pci/drivers/" VFIO_DRIVER))
		load_module(root, VFIO_DRIVER);
	if (pci_files_resolve(real, root, "/sys/bus/pci/drivers/" VFIO_DRIVER))
		return 0;
	return vmb_err_set(
		err, ENODEV,
		"No device can be passed through: this kernel has no module vfio-pci, or it "
		"cannot be loaded. `modprobe vfio-pci` says why.");
}

/* ---- moving ---- */

static int set_override(const char *root, const char *address, const char *driver)
{
	char text[72];

	/* A line that is empty takes it away. */
	snprintf(text, sizeof(text), "%s\n", driver);
	return pci_files_write(text, root, "/sys/bus/pci/devices/%s/driver_override", address);
}

/* Away from the driver it has, whichever that is. 0 or -errno. */
static int unbind(const char *root, const char *address)
{
	char driver[64];

	if (!pci_files_driver(root, address, driver, sizeof(driver))[0])
		return 0;
	return pci_files_write(address, root, "/sys/bus/pci/drivers/%s/unbind", driver);
}

/* Has the kernel look for a driver. 0 when it found DRIVER, -errno, -ENODEV when it found another or none. */
static int bind_to(const char *root, const char *address, const char *driver)
{
	char now[64];
	int rc = pci_files_write(address, root, "/sys/bus/pci/drivers_probe");

	if (strcmp(pci_files_driver(root, address, now, sizeof(now)), driver) == 0)
		return 0;
	if (now[0] == '\0')
		rc = pci_files_write(address, root, "/sys/bus/pci/drivers/%s/bind", driver);
	if (strcmp(pci_files_driver(root, address, now, sizeof(now)), driver) == 0)
		return 0;
	return rc < 0 ? rc : -ENODEV;
}

int host_pci_take(const char *root, const char *dir, const char *address, struct vmb_err *err)
{
	struct record record = {.driver = ""};
	char driver[64];
	int rc;

	pci_files_driver(root, address, driver, sizeof(driver));
	if (strcmp(driver, VFIO_DRIVER) == 0)
		return 0; /* somebody's, who wants it to stay there; or ours, from before */
	rc = pci_use_check_disks(root, address, err);
	if (rc == 0)
		rc = need_driver(root, err);
	if (rc < 0)
		return rc;
	if (record_read(dir, address, &record) < 0) {
		text_copy(record.driver, sizeof(record.driver), driver[0] ? driver : NO_DRIVER);
		pci_files_read_line(record.override, sizeof(record.override), root,
				    "/sys/bus/pci/devices/%s/driver_override", address);
		if (strcmp(record.override, "(null)") == 0)
			record.override[0] = '\0';
		rc = record_write(dir, address, &record);
		if (rc < 0)
			return vmb_err_set(err, -rc,
					   "PCI device %s cannot be passed through: %s cannot be "
					   "written (%s), so its driver would be forgotten.",
					   address, dir, strerror(-rc));
	}
	rc = set_override(root, address, VFIO_DRIVER);
	if (rc == 0)
		rc = unbind(root, address);
	if (rc < 0)
		return vmb_err_set(err, -rc,
				   "PCI device %s cannot be taken from its driver %s: %s. Passing "
				   "devices through takes root.",
				   address, driver[0] ? driver : NO_DRIVER, strerror(-rc));
	rc = bind_to(root, address, VFIO_DRIVER);
	if (rc < 0)
		return vmb_err_set(err, -rc,
				   "PCI device %s was not accepted by the driver vfio-pci: %s. The "
				   "kernel's messages may tell more (dmesg).",
				   address, strerror(-rc));
	return 0;
}

/* It may be pulled out at any moment, also while it is given back. */
static bool exists(const char *root, const char *address)
{
	char real[PATH_MAX];

	return pci_files_resolve(real, root, "/sys/bus/pci/devices/%s", address) != NULL;
}

static int give_back(const char *root, const char *address, const struct record *record)
{
	char driver[64];
	bool none = strcmp(record->driver, NO_DRIVER) == 0;
	int rc;

	pci_files_driver(root, address, driver, sizeof(driver));
	if (strcmp(driver, record->driver) == 0)
		return set_override(root, address, record->override);
	rc = unbind(root, address);
	if (rc == 0)
		rc = set_override(root, address, record->override);
	return rc < 0 || none ? rc : bind_to(root, address, record->driver);
}

int host_pci_give_back(const char *root, const char *dir, const char *address, struct vmb_err *err)
{
	char path[PATH_MAX];
	struct record record;
	int rc;

	if (record_read(dir, address, &record) < 0)
		return 0;
	snprintf(path, sizeof(path), "%s/%s", dir, address);
	rc = give_back(root, address, &record);
	if (rc < 0 && exists(root, address)) {
		log_warn("PCI device %s was not given back to %s: %s; trying once more", address,
			 record.driver, strerror(-rc));
		sleep(RETRY_AFTER_SEC);
		rc = give_back(root, address, &record);
	}
	if (!exists(root, address)) {
		log_info("PCI device %s was pulled out: nobody needs it back", address);
		unlink(path);
		return 0;
	}
	if (rc < 0)
		return vmb_err_set(err, -rc,
				   "PCI device %s was not given back to its driver %s, twice: %s. "
				   "The next start of vmboot tries again; by hand: echo %s "
				   ">/sys/bus/pci/drivers/%s/bind",
				   address, record.driver, strerror(-rc), address, record.driver);
	unlink(path);
	log_info("PCI device %s is back at its driver %s", address,
		 strcmp(record.driver, NO_DRIVER) == 0 ? "(none)" : record.driver);
	return 0;
}
