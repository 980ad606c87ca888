/*
 * See vfio_devices.h. A group is one thing to open, however many of its devices are passed through; with
 * IOMMUFD each device is. What is done with them (Documentation/driver-api/vfio.rst) is the vmm's affair.
 */
#include "vfio_devices.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "pci_files.h"
#include "text.h"

/* The vmm's own: rings, and what the kernel counts for its own tables. */
#define MEMLOCK_MORE (64ULL << 20)

/* Opens PATH below ROOT; the descriptor or -errno. */
static int open_device(const char *root, const char *path)
{
	char full[PATH_MAX];
	int fd;

	snprintf(full, sizeof(full), "%s%s", root, path);
	fd = open(full, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* The last part of what the link NAME of device ADDRESS points to. False: there is none. */
static bool read_link(const char *root, const char *address, const char *name, char *buf,
		      size_t size)
{
	char path[PATH_MAX], target[PATH_MAX];
	ssize_t n;

	snprintf(path, sizeof(path), "%s/sys/bus/pci/devices/%s/%s", root, address, name);
	n = readlink(path, target, sizeof(target) - 1);
	if (n <= 0)
		return false;
	target[n] = '\0';
	return text_copy(buf, size, strrchr(target, '/') ? strrchr(target, '/') + 1 : target) == 0;
}

/* "/dev/vfio/devices/vfio0" for ADDRESS. False: this kernel has no such thing for it. */
static bool find_own_node(const char *root, const char *address, char *buf, size_t size)
{
	char path[PATH_MAX];
	struct dirent *entry;
	bool found = false;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/sys/bus/pci/devices/%s/vfio-dev", root, address);
	dir = opendir(path);
	if (!dir)
		return false;
	while (!found && (entry = readdir(dir)))
		if (strncmp(entry->d_name, "vfio", 4) == 0) {
			snprintf(buf, size, "/dev/vfio/devices/%s", entry->d_name);
			snprintf(path, sizeof(path), "%s%s", root, buf);
			found = access(path, F_OK) == 0;
		}
	closedir(dir);
	return found;
}

/* Why a device, or its group, cannot be opened. */
static int open_error(const char *address, const char *driver, int code, struct vmb_err *err)
{
	if (code == EBUSY)
		return vmb_err_set(
			err, code,
			"PCI device %s, or another one of its IOMMU group, is held by another "
			"virtual machine or program. End that one first.",
			address);
	if (code == EACCES || code == EPERM)
		return vmb_err_set(
			err, code,
			"PCI device %s cannot be opened: passing devices through takes root, "
			"or rights on /dev/vfio.",
			address);
	if (code == ENOENT || code == ENODEV)
		return vmb_err_set(
			err, code,
			"PCI device %s is not ready to be passed through: its driver is %s, not "
			"vfio-pci. Load the module vfio-pci and bind the device to it.",
			address, driver[0] ? driver : "none");
	return vmb_err_set(err, code, "PCI device %s cannot be opened: %s.", address,
			   strerror(code));
}

static int container_error(const char *path, int code, struct vmb_err *err)
{
	if (code == ENOENT || code == ENODEV)
		return vmb_err_set(
			err, code,
			"%s is missing: the kernel's module vfio-pci is not loaded, or this "
			"kernel has no VFIO. Try: modprobe vfio-pci.",
			path);
	return vmb_err_set(err, code,
			   "%s cannot be opened: %s. Passing devices through takes root.", path,
			   strerror(code));
}

static int open_container(const char *root, struct vfio_devices *devices, struct vmb_err *err)
{
	const char *path = devices->iommufd ? "/dev/iommu" : "/dev/vfio/vfio";

	devices->container = open_device(root, path);
	return devices->container < 0 ? container_error(path, -devices->container, err) : 0;
}

/* Opens device N's group, unless a device before it has done so; or the device itself. */
static int open_one(const char *root, struct vfio_devices *devices, unsigned int n,
		    struct vmb_err *err)
{
	struct vmm_vfio *info = &devices->infos[n];
	char group[16], driver[64] = "", path[64];
	unsigned long id;
	int fd;

	if (!read_link(root, info->address, "iommu_group", group, sizeof(group)))
		return vmb_err_set(
			err, ENODEV,
			"PCI device %s is in no IOMMU group: there is no such device, or the "
			"IOMMU is off (check VT-d/AMD-Vi in the firmware's setup, and "
			"intel_iommu=on on the kernel's command line).",
			info->address);
	id = strtoul(group, NULL, 10);
	for (unsigned int i = 0; i < devices->fd_count && !devices->iommufd; i++)
		if (devices->ids[i] == id) {
			info->fd = (uint8_t)i;
			return 0;
		}
	(void)read_link(root, info->address, "driver", driver, sizeof(driver));
	if (!devices->iommufd)
		snprintf(path, sizeof(path), "/dev/vfio/%lu", id);
	else if (!find_own_node(root, info->address, path, sizeof(path)))
		return open_error(info->address, driver, ENOENT, err);
	fd = open_device(root, path);
	if (fd < 0)
		return open_error(info->address, driver, -fd, err);
	info->fd = (uint8_t)devices->fd_count;
	devices->ids[devices->fd_count] = id;
	devices->fds[devices->fd_count++] = fd;
	return 0;
}

/*
 * Does the kernel hear of errors of ADDRESS itself, at a port above it? Else they are the firmware's affair, or
 * nobody's. Ports' services are named "0000:00:1c.0:pcie002".
 */
static bool has_aer(const char *root, const char *address)
{
	DIR *dir = pci_files_open_dir(root, "/sys/bus/pci_express/drivers/aer");
	char real[PATH_MAX], port[VM_PCI_ADDRESS_SIZE + 2];
	bool found = false;
	const char *name;

	if (!pci_files_resolve(real, root, "/sys/bus/pci/devices/%s", address))
		real[0] = '\0';
	while (!found && (name = pci_files_next(dir))) {
		const char *service = strstr(name, ":pcie");

		if (!service)
			continue;
		snprintf(port, sizeof(port), "/%.*s/", (int)(service - name), name);
		found = strstr(real, port) != NULL;
	}
	if (dir)
		closedir(dir);
	return found;
}

/* IOMMUFD only if each of the devices can be had by it: they share one address space. */
static bool all_have_nodes(const char *root, const struct vm_config *config)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/dev/iommu", root);
	if (access(path, F_OK) < 0)
		return false;
	for (unsigned int i = 0; i < config->vfio_count; i++)
		if (!find_own_node(root, config->vfio[i].address, path, sizeof(path)))
			return false;
	return true;
}

int vfio_devices_open(const char *root, const struct vm_config *config,
		      struct vfio_devices *ret_devices, struct vmb_err *err)
{
	struct vfio_devices devices = {.container = -1};
	int rc;

	if (config->vfio_count == 0) {
		*ret_devices = devices;
		return 0;
	}
	devices.iommufd = all_have_nodes(root, config);
	rc = open_container(root, &devices, err);
	for (unsigned int i = 0; i < config->vfio_count && rc == 0; i++) {
		(void)text_copy(devices.infos[i].address, VM_PCI_ADDRESS_SIZE,
				config->vfio[i].address);
		devices.infos[i].no_rom = config->vfio[i].no_rom != 0;
		devices.infos[i].aer = has_aer(root, config->vfio[i].address);
		devices.count++;
		rc = open_one(root, &devices, i, err);
	}
	if (rc < 0) {
		vfio_devices_close(&devices);
		return rc;
	}
	*ret_devices = devices;
	return 0;
}

unsigned int vfio_devices_put_fds(const struct vfio_devices *devices, int *fds)
{
	if (devices->count == 0)
		return 0;
	fds[0] = devices->container;
	memcpy(fds + 1, devices->fds, devices->fd_count * sizeof(*fds));
	return 1 + devices->fd_count;
}

void vfio_devices_close(struct vfio_devices *devices)
{
	for (unsigned int i = 0; i < devices->fd_count; i++)
		close(devices->fds[i]);
	if (devices->container >= 0)
		close(devices->container);
	devices->fd_count = devices->count = 0;
	devices->container = -1;
}

int vfio_raise_memlock(pid_t pid, uint64_t memory, struct vmb_err *err)
{
	uint64_t need = memory + MEMLOCK_MORE;
	struct rlimit limit = {need, need}, now;

	if (prlimit(pid, RLIMIT_MEMLOCK, NULL, &now) < 0)
		return vmb_err_set(err, errno, "The limit on locked memory is not known: %s.",
				   strerror(errno));
	if (now.rlim_cur >= need)
		return 0;
	if (now.rlim_max >= need)
		limit.rlim_max = now.rlim_max;
	if (prlimit(pid, RLIMIT_MEMLOCK, &limit, NULL) == 0)
		return 0;
	return vmb_err_set(
		err, EPERM,
		"Devices that are passed through need the guest's memory locked: %llu MiB, and "
		"no more than %llu MiB may be (RLIMIT_MEMLOCK). Give the guest less memory, start "
		"vmboot as root, or raise the limit: ulimit -l %llu, or LimitMEMLOCK= of a "
		"service.",
		(unsigned long long)(need >> 20), (unsigned long long)(now.rlim_max >> 20),
		(unsigned long long)(need >> 10));
}
