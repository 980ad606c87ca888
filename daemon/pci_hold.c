/*
 * See daemon/pci_hold.h. DIR/ADDRESS.lock is locked and says by whom; DIR/ADDRESS, which pci_bind.c writes, outlives a
 * process that died with the device, and an unlocked one is to be given back.
 */
#include "pci_hold.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "child.h"
#include "daemon_path.h"
#include "host_pci.h"
#include "log.h"
#include "pci_files.h"
#include "text.h"

#define RECOVER_MS 10000

/* The directory, and the one above it. */
static int make_directory(const char *dir)
{
	char above[VM_PATH_SIZE], *slash;

	text_copy(above, sizeof(above), dir);
	slash = strrchr(above, '/');
	if (slash && slash != above) {
		*slash = '\0';
		if (mkdir(above, 0700) < 0 && errno != EEXIST)
			return -errno;
	}
	return mkdir(dir, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

/* The descriptor of the lock, -EWOULDBLOCK when somebody has it, another -errno. */
static int lock_device(const char *dir, const char *address, int *ret_fd)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s/%s.lock", dir, address);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		int rc = -errno;

		close(fd);
		return rc;
	}
	*ret_fd = fd;
	return 0;
}

static int refuse_held(const char *dir, const char *address, struct vmb_err *err)
{
	char holder[96];

	pci_files_read_line(holder, sizeof(holder), dir, "/%s.lock", address);
	return vmb_err_set(err, EBUSY, "PCI device %s is held by %s. End that first.", address,
			   holder[0] ? holder : "another virtual machine");
}

int pci_hold_lock(const char *dir, const struct vm_config *config, struct pci_hold *ret_hold,
		  struct vmb_err *err)
{
	struct pci_hold hold = {.count = 0};
	int rc = make_directory(dir);

	for (unsigned int i = 0; i < config->vfio_count && rc == 0; i++) {
		rc = lock_device(dir, config->vfio[i].address, &hold.fds[i]);
		if (rc < 0)
			break;
		hold.count++;
		if (ftruncate(hold.fds[i], 0) == 0)
			dprintf(hold.fds[i], "the virtual machine \"%s\" (process %d)\n",
				config->title, (int)getpid());
	}
	if (rc < 0) {
		const char *address = config->vfio[hold.count].address;

		pci_hold_release(&hold);
		return rc == -EWOULDBLOCK ? refuse_held(dir, address, err)
					  : vmb_err_set(err, -rc,
							"No PCI device can be passed through: %s "
							"cannot be written: %s.",
							dir, strerror(-rc));
	}
	*ret_hold = hold;
	return 0;
}

void pci_hold_release(struct pci_hold *hold)
{
	for (unsigned int i = 0; i < hold->count; i++)
		close(hold->fds[i]);
	hold->count = 0;
}

/* ---- what a process that died has left ---- */

/* A record, not a lock or one half written. */
static bool is_record(const char *name)
{
	return strlen(name) < VM_PCI_ADDRESS_SIZE && strchr(name, ':') && !strstr(name, ".lock") &&
	       !strstr(name, ".new");
}

int host_pci_give_back_all(const char *root, const char *dir, struct vmb_err *err)
{
	DIR *d = pci_files_open_dir(dir, "/");
	const char *name;
	int rc = 0, lock;

	while ((name = pci_files_next(d))) {
		struct vmb_err why;

		if (!is_record(name) || lock_device(dir, name, &lock) < 0)
			continue;
		log_warn("PCI device %s was left behind by a process that died", name);
		if (host_pci_give_back(root, dir, name, &why) < 0) {
			rc = -why.code;
			*err = why;
		}
		close(lock);
	}
	if (d)
		closedir(d);
	return rc;
}

void host_pci_recover(void)
{
	char dir[VM_PATH_SIZE], name[] = "vmboot", role[] = "pci", action[] = "recover";
	char *argv[] = {name, role, action, dir, NULL};
	struct child child = {.pidfd = -1};
	struct vmb_err err;
	const char *entry;
	bool found = false;
	int status;
	DIR *d;

	if (daemon_path_pci(dir, sizeof(dir)) < 0)
		return;
	d = pci_files_open_dir(dir, "/");
	while (!found && (entry = pci_files_next(d)))
		found = is_record(entry);
	if (d)
		closedir(d);
	if (!found)
		return;
	if (child_spawn(argv, NULL, 0, &child, &err) < 0)
		log_warn("%s", err.text);
	else if (child_reap(&child, RECOVER_MS, &status) < 0)
		log_error("a PCI device that was left behind does not go back to its driver; "
			  "leaving process %d alone with it",
			  (int)child.pid);
}
