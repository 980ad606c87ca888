/*
 * vmboot check: reads settings and entries as the daemon would and prints what is wrong as an editor
 * takes it, `FILE:LINE: MESSAGE`. With --sign-check: are files signed by a key that the settings trust?
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
#include "daemon_path.h"
#include "entry_file.h"
#include "settings_file.h"
#include "store_dir.h"
#include "text.h"
#include "trust.h"

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

static void on_file(void *ctx, const char *name, const char *text, size_t n, int64_t changed)
{
	const struct directory *d = ctx;
	char file[PATH_MAX];
	size_t len = strlen(name);

	(void)changed;
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
		fprintf(stderr,
			"vmboot: The directory of settings %s cannot be read: %s. Name another by "
			"--config; where there is none every setting is as usual.\n",
			path, strerror(-rc));
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

/* ---- signatures ---- */

struct keys {
	struct trust_key keys[SETTINGS_MAX_KEYS];
	unsigned int count;
};

static void take_settings(void *ctx, const char *name, const char *text, size_t n, int64_t changed)
{
	struct keys *keys = ctx;
	struct settings_file settings;

	(void)changed;
	if (strcmp(name, "vmboot.conf") != 0 || settings_file_parse(text, n, NULL, &settings) < 0)
		return;
	for (unsigned int i = 0; i < settings.key_count; i++)
		if (trust_parse_key(settings.keys[i], &keys->keys[keys->count]) == 0)
			keys->count++;
}

static void take_nothing(void *ctx, const char *name, const char *why)
{
	(void)ctx;
	(void)name;
	(void)why;
}

static int read_keys(const char *config, struct keys *ret_keys)
{
	static const struct store_report report = {.file = take_settings, .skipped = take_nothing};
	int fd = open(config, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0) {
		store_dir_read(fd, false, &report, ret_keys);
		close(fd);
	}
	if (ret_keys->count > 0)
		return 0;
	fprintf(stderr, "vmboot: %s/vmboot.conf names no key to trust (trust-key = ...).\n",
		config);
	return 1;
}

/*
 * All of FD, as long as it is now. Read, since whoever reads a mapping of a file that somebody cuts short gets a signal. 0
 * or -errno; what is returned is the caller's to free.
 */
static int read_whole(int fd, uint8_t **ret_data, size_t *ret_size)
{
	struct stat st;
	uint8_t *data;
	size_t at = 0;
	ssize_t n = 0;

	if (fstat(fd, &st) < 0)
		return -errno;
	data = malloc((size_t)st.st_size + 1);
	if (!data)
		return -ENOMEM;
	do {
		n = read(fd, data + at, (size_t)st.st_size + 1 - at);
		at += n > 0 ? (size_t)n : 0;
	} while (n > 0 && at <= (size_t)st.st_size);
	if (n < 0) {
		n = -errno;
		free(data);
		return (int)n;
	}
	*ret_data = data;
	*ret_size = at;
	return 0;
}

static int check_signature(const struct keys *keys, const char *file)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), rc;
	char signature[TRUST_SIGNATURE_MAX], safe[4 * PATH_MAX];
	size_t n = trust_read_signature(file, signature), size;
	struct vmb_err err = {0};
	uint8_t *data = NULL;

	rc = fd < 0 ? -errno : read_whole(fd, &data, &size);
	if (rc < 0)
		vmb_err_set(&err, -rc, "cannot be read: %s", strerror(-rc));
	else if (n == 0)
		rc = vmb_err_set(&err, ENOKEY, "has no signature (FILE.minisig or FILE.sig)");
	else
		rc = trust_check(keys->keys, keys->count, data, size, signature, n, &err);
	free(data);
	if (fd >= 0)
		close(fd);
	printf("%s: %s\n", text_escape(safe, sizeof(safe), file, strlen(file)),
	       rc == 0 ? "is signed by a trusted key" : err.text);
	return rc == 0 ? 0 : 1;
}

static int check_signatures(const char *config, int count, char **files)
{
	struct keys keys = {.count = 0};
	int status = read_keys(config, &keys);

	for (int i = 0; keys.count > 0 && i < count; i++)
		status |= check_signature(&keys, files[i]);
	return status;
}

int cmd_check(int argc, char **argv)
{
	struct check check = {.errors = 0};
	char usual[VM_PATH_SIZE];
	const char *config = daemon_path_config(usual, sizeof(usual));
	int first = 1;

	if (argc > 2 && strcmp(argv[1], "--config") == 0) {
		config = argv[2];
		first = 3;
	}
	if (first + 1 < argc && strcmp(argv[first], "--sign-check") == 0)
		return check_signatures(config, argc - first - 1, argv + first + 1);
	if (first < argc && argv[first][0] == '-')
		return CMD_USAGE;
	if (first == argc && check_directory(&check, config) != 0)
		return 1;
	for (int i = first; i < argc; i++)
		check_file(&check, argv[i]);
	return check.errors > 0 ? 1 : 0;
}
