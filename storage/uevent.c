/* Block devices that come, go and change, as the kernel tells them. */
#include <errno.h>
#include <string.h>

#include "storage.h"
#include "text.h"
#include "uevent.h"

int storage_uevent_open(int *ret_fd, struct vmb_err *err)
{
	int rc = uevent_open(ret_fd);

	if (rc == -ENOTSUP)
		return vmb_err_set(err, ENOTSUP,
				   "In this container the kernel does not tell of disks that come "
				   "and go; a rescan finds them.");
	return rc == 0 ? 0
		       : vmb_err_set(err, -rc,
				     "Disks that come and go are not noticed (%s); a rescan finds "
				     "them.",
				     strerror(-rc));
}

int storage_uevent_parse(const char *message, size_t size, struct storage_uevent *ret_event)
{
	struct storage_uevent event = {.action = STORAGE_CHANGED};
	const char *subsystem, *action, *path, *name;

	if (size == 0 || message[size - 1] != '\0' || !strchr(message, '@'))
		return 0;
	subsystem = uevent_value(message, size, "SUBSYSTEM=");
	action = uevent_value(message, size, "ACTION=");
	path = uevent_value(message, size, "DEVPATH=");
	if (!subsystem || strcmp(subsystem, "block") != 0 || !action || !path)
		return 0;
	name = strrchr(path, '/');
	if (!name || name[1] == '\0' || text_copy(event.name, sizeof(event.name), name + 1) < 0)
		return 0;
	if (strcmp(action, "add") == 0)
		event.action = STORAGE_ADDED;
	else if (strcmp(action, "remove") == 0)
		event.action = STORAGE_REMOVED;
	*ret_event = event;
	return 1;
}

int storage_uevent_read(int fd, struct storage_uevent *ret_event)
{
	char message[UEVENT_SIZE];
	ssize_t n = uevent_read(fd, message);

	return n <= 0 ? (int)n : storage_uevent_parse(message, (size_t)n, ret_event);
}
