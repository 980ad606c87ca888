/*
 * vmboot check: reads settings and entries as the daemon would and prints what is wrong as an editor
 * takes it, `FILE:LINE: MESSAGE`.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd.h"
#include "daemon.h"
#include "entry_file.h"
#include "settings_file.h"
#include "store_dir.h"
#include "text.h"

struct check {
	const char *file; /* that is being read */
	unsigned int errors;
	unsigned int files;
	char default_id[MENU_ID_SIZE]; /* of the directory's vmboot.conf */
	bool default_found;
};

static void say(struct check *check, const char *file, int line, bool error, const char *text)
{
	char safe[4 * PATH_MAX];

	text_escape(safe, sizeof(safe), file, strlen(file));
	printf("%s:%d: %s%s\n", safe, line, error ? "" : "warning: ", text);
	check->errors += error;
}

static void on_tell(void *ctx, int line, bool error, const char *text)
{
	struct check *check = ctx;

	say(check, check->file, line, error, text);
}

static void check_text(struct check *check, const char *file, const char *text, size_t n)
{
	const struct ini_report report = {.tell = on_tell, .ctx = check};
	const char *slash = strrchr(file, '/'), *name = slash ? slash + 1 : file;
	struct settings_file settings;
	struct entry_file entry;
	int rc;

	check->file = file;
	check->files++;
	if (strcmp(name, "vmboot.conf") == 0) {
		rc = settings_file_parse(text, n, &report, &settings);
		if (rc == 0)
			text_copy(check->default_id, sizeof(check->default_id),
				  settings.default_id);
	} else {
		rc = entry_file_parse(text, n, &report, &entry);
	}
	if (rc < 0)
		say(check, file, 1, true, "There is not enough memory to read it.");
}

static void check_file(struct check *check, const char *file)
{
	char text[STORE_FILE_MAX + 1], why[128];
	struct stat st;
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	ssize_t n = -1;

	if (fd >= 0 && fstat(fd, &st) == 0 && !S_ISREG(st.st_mode))
		errno = EINVAL;
	else if (fd >= 0)
		n = read(fd, text, sizeof(text));
	snprintf(why, sizeof(why), "This file cannot be read: %s.", strerror(errno));
	if (fd >= 0)
		close(fd);
	if (n < 0)
		say(check, file, 1, true, why);
	else if (n > STORE_FILE_MAX)
		say(check, file, 1, true,
		    "This file is bigger than 32 KiB: it is no settings file.");
	else
		check_text(check, file, text, (size_t)n);
}

/* ---- a whole directory ---- */

struct directory {
	struct check *check;
	const char *path;
};

static void on_file(void *ctx, const char *name, const char *text, size_t n)
{
	const struct directory *d = ctx;
	char file[PATH_MAX];
	size_t len = strlen(name);

	snprintf(file, sizeof(file), "%s/%s", d->path, name);
	if (len < 5 || strcmp(name + len - 5, ".conf") != 0 || strcmp(name, "state.conf") == 0)
		return;
	check_text(d->check, file, text, n);
	if (strncmp(name, "entries/", 8) == 0 && len - 13 == strlen(d->check->default_id) &&
	    strncmp(name + 8, d->check->default_id, len - 13) == 0)
		d->check->default_found = true;
}

static void on_skipped(void *ctx, const char *name, const char *why)
{
	const struct directory *d = ctx;
	char file[PATH_MAX], text[300];

	snprintf(file, sizeof(file), "%s/%s", d->path, name);
	snprintf(text, sizeof(text), "This file is left out: it %s.", why);
	say(d->check, file, 1, false, text);
}

static int check_directory(struct check *check, const char *path)
{
	static const struct store_report report = {.file = on_file, .skipped = on_skipped};
	struct directory directory = {.check = check, .path = path};
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char file[PATH_MAX], text[200];
	int rc = fd < 0 ? -errno : store_dir_read(fd, false, &report, &directory);

	if (fd >= 0)
		close(fd);
	if (rc < 0) {
		fprintf(stderr, "vmboot: the directory of settings %s cannot be read: %s.\n", path,
			strerror(-rc));
		return 1;
	}
	if (check->default_id[0] && !check->default_found) {
		snprintf(file, sizeof(file), "%s/vmboot.conf", path);
		snprintf(text, sizeof(text), "The default is %s, but there is no entries/%s.conf.",
			 check->default_id, check->default_id);
		say(check, file, 1, true, text);
	}
	return 0;
}

int cmd_check(int argc, char **argv)
{
	struct check check = {.errors = 0};
	const char *config = DAEMON_CONFIG;
	int first = 1;

	if (argc > 2 && strcmp(argv[1], "--config") == 0) {
		config = argv[2];
		first = 3;
	}
	if (first < argc && argv[first][0] == '-')
		return CMD_USAGE;
	if (first == argc && check_directory(&check, config) != 0)
		return 1;
	for (int i = first; i < argc; i++)
		check_file(&check, argv[i]);
	return check.errors > 0 ? 1 : 0;
}
