/* See daemon/pci_files.h. */
#include "pci_files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "text.h"

static void make_path(char path[PATH_MAX], const char *root, const char *fmt, va_list ap)
{
	int n = snprintf(path, PATH_MAX, "%s", root);

	if (n >= 0 && n < PATH_MAX)
		vsnprintf(path + n, (size_t)(PATH_MAX - n), fmt, ap);
}

FILE *pci_files_open(const char *root, const char *fmt, ...)
{
	char path[PATH_MAX];
	va_list ap;

	va_start(ap, fmt);
	make_path(path, root, fmt, ap);
	va_end(ap);
	return fopen(path, "re");
}

char *pci_files_read_line(char *buf, size_t size, const char *root, const char *fmt, ...)
{
	char path[PATH_MAX];
	va_list ap;
	FILE *f;

	va_start(ap, fmt);
	make_path(path, root, fmt, ap);
	va_end(ap);
	f = fopen(path, "re");
	if (!f || !fgets(buf, (int)size, f))
		buf[0] = '\0';
	if (f)
		fclose(f);
	buf[strcspn(buf, "\n")] = '\0';
	return buf;
}

DIR *pci_files_open_dir(const char *root, const char *fmt, ...)
{
	char path[PATH_MAX];
	va_list ap;

	va_start(ap, fmt);
	make_path(path, root, fmt, ap);
	va_end(ap);
	return opendir(path);
}

const char *pci_files_next(DIR *dir)
{
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			return entry->d_name;
	return NULL;
}

const char *pci_files_resolve(char *real, const char *root, const char *fmt, ...)
{
	char path[PATH_MAX];
	va_list ap;

	va_start(ap, fmt);
	make_path(path, root, fmt, ap);
	va_end(ap);
	return realpath(path, real);
}

int pci_files_write(const char *text, const char *root, const char *fmt, ...)
{
	size_t n = strlen(text);
	char path[PATH_MAX];
	va_list ap;
	int fd, rc = 0;

	va_start(ap, fmt);
	make_path(path, root, fmt, ap);
	va_end(ap);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, text, n) != (ssize_t)n)
		rc = errno ? -errno : -EIO;
	close(fd);
	return rc;
}

char *pci_files_driver(const char *root, const char *address, char *buf, size_t size)
{
	char real[PATH_MAX];

	buf[0] = '\0';
	if (pci_files_resolve(real, root, "/sys/bus/pci/devices/%s/driver", address))
		text_copy(buf, size, strrchr(real, '/') + 1);
	return buf;
}
