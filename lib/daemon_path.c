/* See include/daemon_path.h. */
#include "daemon_path.h"

#include <errno.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/un.h>
#include <unistd.h>

#include "text.h"
#include "vm_config.h"

static int path_join(char *buf, size_t size, const char *dir, const char *rest)
{
	size_t n = strlen(dir), m = strlen(rest);

	if (n + m >= size)
		return -ENAMETOOLONG;
	memcpy(buf, dir, n);
	memcpy(buf + n, rest, m + 1);
	return 0;
}

/* The XDG specification: a relative path in these variables is to be ignored. */
static const char *path_from_env(const char *name)
{
	const char *value = getenv(name);

	return value && value[0] == '/' ? value : NULL;
}

int daemon_path_socket(char *buf, size_t size, struct vmb_err *err)
{
	size_t cap = sizeof(((struct sockaddr_un *)0)->sun_path);
	const char *dir = "/run";

	if (geteuid() != 0) {
		dir = path_from_env("XDG_RUNTIME_DIR");
		if (!dir)
			return vmb_err_set(
				err, ENOENT,
				"XDG_RUNTIME_DIR is not set, so there is no place for the "
				"daemon's socket. Run vmboot as root, or log in again.");
	}
	if (path_join(buf, size < cap ? size : cap, dir, "/vmboot/daemon.sock") < 0)
		return vmb_err_set(err, ENAMETOOLONG,
				   "The path of the daemon's socket below %s is "
				   "too long for a socket. Set XDG_RUNTIME_DIR to a shorter one.",
				   dir);
	return 0;
}

int daemon_path_connect(const char *path, int *ret_sock)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int sock, rc;

	if (text_copy(address.sun_path, sizeof(address.sun_path), path) < 0)
		return -ENAMETOOLONG;
	sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (sock < 0)
		return -errno;
	if (connect(sock, (struct sockaddr *)&address, sizeof(address)) < 0) {
		rc = -errno;
		close(sock);
		return rc;
	}
	*ret_sock = sock;
	return 0;
}

static int run_path(char *buf, size_t size, const char *rest)
{
	const char *dir = geteuid() == 0 ? "/run" : path_from_env("XDG_RUNTIME_DIR");

	return dir ? path_join(buf, size, dir, rest) : -ENOENT;
}

bool daemon_path_is_volatile(const char *path)
{
	char there[VM_PATH_SIZE], *slash;
	struct statfs fs;

	if (text_copy(there, sizeof(there), path) < 0)
		return false;
	while (statfs(there[0] ? there : "/", &fs) < 0) {
		slash = strrchr(there, '/');
		if (errno != ENOENT || !slash)
			return false;
		*slash = '\0';
	}
	return fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC;
}

uint64_t daemon_path_log_max(const char *path, uint64_t memory)
{
	uint64_t part = memory / 64 & ~((1ULL << 20) - 1);

	if (part >= VM_LOG_MAX || !daemon_path_is_volatile(path))
		return VM_LOG_MAX;
	return part > 0 ? part : 1 << 20;
}

int daemon_path_log(char *buf, size_t size)
{
	return run_path(buf, size, "/vmboot/console.log");
}

int daemon_path_pci(char *buf, size_t size)
{
	return run_path(buf, size, "/vmboot/pci");
}

/* REST (with its slash) below the directory in VARIABLE, else below AT_HOME of the home directory. */
static int user_path(char *buf, size_t size, const char *variable, const char *at_home,
		     const char *rest)
{
	const char *dir = path_from_env(variable);
	char below[VM_PATH_SIZE];

	if (dir)
		return path_join(buf, size, dir, rest);
	dir = path_from_env("HOME");
	if (!dir)
		return -ENOENT;
	if (path_join(below, sizeof(below), dir, at_home) < 0)
		return -ENAMETOOLONG;
	return path_join(buf, size, below, rest);
}

int daemon_path_state(char *buf, size_t size)
{
	if (geteuid() == 0)
		return path_join(buf, size, "/var/lib", "/vmboot");
	return user_path(buf, size, "XDG_STATE_HOME", "/.local/state", "/vmboot");
}

char *daemon_path_config(char *buf, size_t size)
{
	if (geteuid() == 0 || user_path(buf, size, "XDG_CONFIG_HOME", "/.config", "/vmboot") < 0)
		text_copy(buf, size, "/etc/vmboot");
	return buf;
}

int daemon_path_images(char *buf, size_t size)
{
	if (geteuid() == 0)
		return path_join(buf, size, DAEMON_PATH_IMAGES, "");
	return user_path(buf, size, "XDG_DATA_HOME", "/.local/share", "/vmboot/images");
}

int daemon_path_make_parents(const char *path)
{
	char dir[VM_PATH_SIZE];

	if (path[0] != '/' || text_copy(dir, sizeof(dir), path) < 0)
		return -EINVAL;
	for (char *slash = strchr(dir + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(dir, 0700) < 0 && errno != EEXIST)
			return -errno;
		*slash = '/';
	}
	return 0;
}
