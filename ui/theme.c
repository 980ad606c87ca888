/* See ui/theme.h: finding a theme. What a file says is read by ui/theme_file.c. */
#include "ui/theme.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "themes.h"

#define THEME_COUNT    (sizeof(theme_table) / sizeof(theme_table[0]))
#define THEME_SIZE_MAX (16 * 1024)

static const char *embedded_text(const char *name)
{
	for (size_t i = 0; i < THEME_COUNT; i++)
		if (strcmp(theme_table[i].name, name) == 0)
			return theme_table[i].text;
	return NULL;
}

/* "default, high-contrast, ..." */
static void list_names(char *buf, size_t size)
{
	size_t at = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < THEME_COUNT && at < size; i++)
		at += (size_t)snprintf(buf + at, size - at, "%s%s", i ? ", " : "",
				       theme_table[i].name);
}

/* Reads all of FD: bytes, or -errno with the sentence in ERR. */
static ssize_t read_all(const char *path, int fd, char *buf, size_t size, struct vmb_err *err)
{
	struct stat st;
	size_t n = 0;
	ssize_t got;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return vmb_err_set(err, EINVAL, "%s is not a file.", path);
	do {
		got = read(fd, buf + n, size - n);
		if (got < 0)
			return vmb_err_set(err, errno, "%s cannot be read: %s.", path,
					   strerror(errno));
		n += (size_t)got;
	} while (got > 0 && n < size);
	if (n == size)
		return vmb_err_set(err, EFBIG, "%s is too large for a theme (over %d KiB).", path,
				   THEME_SIZE_MAX / 1024);
	return (ssize_t)n;
}

static int load_file(const char *path, struct theme *theme, struct vmb_err *err)
{
	char text[THEME_SIZE_MAX + 1];
	/* A FIFO put there must not make the menu wait. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	ssize_t n;

	if (fd < 0)
		return vmb_err_set(err, errno, "The theme %s cannot be opened: %s.", path,
				   strerror(errno));
	n = read_all(path, fd, text, sizeof(text), err);
	close(fd);
	return n < 0 ? (int)n : theme_parse(path, text, (size_t)n, theme, err);
}

static int load_name(const char *name, const char *dir, struct theme *theme, struct vmb_err *err)
{
	const char *text = embedded_text(name);
	char path[512], names[128];
	int n = dir ? snprintf(path, sizeof(path), "%s/%s.theme", dir, name) : 0;

	if (n > 0 && (size_t)n < sizeof(path) && access(path, F_OK) == 0)
		return load_file(path, theme, err);
	if (text)
		return theme_parse(name, text, strlen(text), theme, err);
	list_names(names, sizeof(names));
	return vmb_err_set(err, ENOENT,
			   "There is no theme \"%.60s\" in %s, and none of that name in the "
			   "program, which has: %s.",
			   name, dir ? dir : "a directory of themes", names);
}

int theme_load(const char *wanted, const char *dir, struct theme *ret_theme, struct vmb_err *err)
{
	const char *text = embedded_text("default");
	struct theme base = {0}, theme;
	int rc = text ? theme_parse("default", text, strlen(text), &base, err) : -ENOENT;

	theme = base;
	if (rc == 0 && wanted && strchr(wanted, '/'))
		rc = load_file(wanted, &theme, err);
	else if (rc == 0)
		rc = load_name(wanted ? wanted : "default", dir, &theme, err);
	*ret_theme = rc == 0 ? theme : base;
	return rc;
}

/* The name in FILE, which ends in ".theme"; false if it does not, or is too long. */
static bool file_theme(const char *file, char name[THEME_NAME_SIZE])
{
	static const char suffix[] = ".theme";
	size_t n = strlen(file), end = sizeof(suffix) - 1;

	if (n <= end || n - end >= THEME_NAME_SIZE || file[0] == '.' ||
	    strcmp(file + n - end, suffix) != 0)
		return false;
	memcpy(name, file, n - end);
	name[n - end] = '\0';
	return true;
}

int theme_list(const char *dir, char names[THEME_NAMES_MAX][THEME_NAME_SIZE])
{
	DIR *files = dir ? opendir(dir) : NULL;
	int count = 0;

	for (size_t i = 0; i < THEME_COUNT; i++)
		snprintf(names[count++], THEME_NAME_SIZE, "%s", theme_table[i].name);
	for (struct dirent *file; files && count < THEME_NAMES_MAX && (file = readdir(files));)
		if (file_theme(file->d_name, names[count]) && !embedded_text(names[count]))
			count++;
	if (files)
		closedir(files);
	return count;
}
