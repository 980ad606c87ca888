/* See daemon/door.h. */
#include "door.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "text.h"

/* The lock beside the socket tells a running daemon from a socket that one left behind. */
static int lock_socket(struct door *door, struct vmb_err *err)
{
	char path[sizeof(door->path) + 8];

	snprintf(path, sizeof(path), "%s.lock", door->path);
	door->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (door->lock < 0)
		return vmb_err_set(err, errno, "The daemon cannot make %s: %s.", path,
				   strerror(errno));
	if (flock(door->lock, LOCK_EX | LOCK_NB) < 0)
		return vmb_err_set(err, EADDRINUSE,
				   "A daemon is running already on %s. `vmboot menu` "
				   "opens a menu on it.",
				   door->path);
	return 0;
}

static int make_socket_directory(const char *path, struct vmb_err *err)
{
	char dir[sizeof(((struct sockaddr_un *)0)->sun_path)];
	char *slash;

	text_copy(dir, sizeof(dir), path);
	slash = strrchr(dir, '/');
	if (!slash || slash == dir)
		return 0;
	*slash = '\0';
	if (mkdir(dir, 0700) == 0 || errno == EEXIST)
		return 0;
	return vmb_err_set(err, errno, "The daemon's directory %s cannot be made: %s.", dir,
			   strerror(errno));
}

static int bind_socket(struct door *door, struct vmb_err *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	mode_t mask;
	int rc;

	memcpy(address.sun_path, door->path, sizeof(address.sun_path));
	door->socket = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (door->socket < 0)
		return vmb_err_set(err, errno, "No socket: %s.", strerror(errno));
	unlink(door->path); /* we hold the lock, so nobody listens there */
	mask = umask(0177);
	rc = bind(door->socket, (struct sockaddr *)&address, sizeof(address));
	umask(mask);
	if (rc < 0 || listen(door->socket, 8) < 0)
		return vmb_err_set(err, errno, "The daemon cannot listen on %s: %s.", door->path,
				   strerror(errno));
	return 0;
}

int door_open(struct door *door, const char *path, struct vmb_err *err)
{
	int rc;

	*door = (struct door){.socket = -1, .lock = -1};
	if (text_copy(door->path, sizeof(door->path), path) < 0)
		return vmb_err_set(err, ENAMETOOLONG, "The socket's path is too long: %s.", path);
	rc = make_socket_directory(door->path, err);
	if (rc == 0)
		rc = lock_socket(door, err);
	if (rc == 0)
		rc = bind_socket(door, err);
	return rc;
}

void door_close(struct door *door)
{
	if (door->socket >= 0) {
		unlink(door->path);
		close(door->socket);
	}
	if (door->lock >= 0)
		close(door->lock);
}
