/*
 * vmboot report: everything that whoever helps from afar asks for, in one piece: on standard output, in a new
 * file, in a new directory below another one, or in one on a disk that is mounted for that moment. The
 * daemon starts it, too, for a menu (daemon/report.c).
 */
#include "report.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "cmd.h"
#include "daemon_path.h"
#include "facts.h"
#include "log.h"
#include "report_proto.h"
#include "storage.h"
#include "text.h"

/* More reports than this in one second there are none. */
#define NAME_TRIES 20

struct arguments {
	const char *socket;
	const char *to;
	bool client; /* started by the daemon */
};

static int parse_args(int argc, char **argv, struct arguments *args)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--socket") == 0 && i + 1 < argc)
			args->socket = argv[++i];
		else if (strcmp(argv[i], "--to") == 0 && i + 1 < argc)
			args->to = argv[++i];
		else if (strcmp(argv[i], "--client") == 0)
			args->client = true;
		else
			return CMD_USAGE;
	}
	return 0;
}

/* ---- what is in it ---- */

static void collect(const struct arguments *args, struct report_facts *facts)
{
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	struct menu_fact *own;
	int sock = REPORT_CLIENT_FD, rc = 0;

	if (!args->client) {
		if (!args->socket)
			rc = daemon_path_socket(path, sizeof(path), NULL);
		if (rc == 0)
			rc = daemon_path_connect(args->socket ? args->socket : path, &sock);
	}
	if (rc == 0) {
		report_collect(facts, sock);
		close(sock);
	} else {
		snprintf(
			facts->daemon, sizeof(facts->daemon),
			"No daemon answers (%s): nothing of its log, devices and settings is here.",
			strerror(-rc));
	}
	if (facts->facts.count == 0 && facts_gather(&own, &facts->facts.count) == 0)
		facts->facts.items = own;
}

/* ---- where it goes ---- */

static int write_stream(FILE *out, const struct report_facts *facts)
{
	for (const struct report_part *part = report_parts(); part->name; part++) {
		fprintf(out, "==== %s ====\n", part->name);
		part->write(out, facts);
		fputc('\n', out);
	}
	return fflush(out) == 0 && !ferror(out) ? 0 : -errno;
}

static int write_file(int dir, const char *name, const struct report_part *part,
		      const struct report_facts *facts)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600), rc;
	FILE *out = fd >= 0 ? fdopen(fd, "w") : NULL;

	if (!out) {
		rc = -errno;
		if (fd >= 0)
			close(fd);
		return rc;
	}
	rc = 0;
	if (part)
		part->write(out, facts);
	else
		rc = write_stream(out, facts);
	if (rc == 0 && (fflush(out) != 0 || fsync(fd) < 0))
		rc = -errno;
	if (fclose(out) != 0 && rc == 0)
		rc = -errno;
	return rc;
}

/* A new directory in PARENT, its name in NAME. */
static int make_directory(int parent, char *name, size_t size, int *ret_dir)
{
	time_t now = time(NULL);
	struct tm tm = {0};
	char stamp[32];

	gmtime_r(&now, &tm);
	strftime(stamp, sizeof(stamp), "%Y%m%d-%H%M%S", &tm);
	for (int i = 0; i < NAME_TRIES; i++) {
		snprintf(name, size, "vmboot-report-%s%c%d", stamp, i ? '-' : '\0', i);
		if (mkdirat(parent, name, 0700) < 0) {
			if (errno == EEXIST)
				continue;
			return -errno;
		}
		*ret_dir = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		return *ret_dir < 0 ? -errno : 0;
	}
	return -EEXIST;
}

static int write_directory(int parent, const char *where, const struct report_facts *facts,
			   char *path, size_t size, struct vmb_err *err)
{
	char name[64] = "";
	int dir = -1, rc = make_directory(parent, name, sizeof(name), &dir);

	for (const struct report_part *part = report_parts(); rc == 0 && part->name; part++)
		rc = write_file(dir, part->name, part, facts);
	if (rc == 0 && (fsync(dir) < 0 || fsync(parent) < 0))
		rc = -errno;
	if (dir >= 0)
		close(dir);
	if (rc < 0)
		return vmb_err_set(err, -rc,
				   "The report cannot be written to %s: %s. Choose another place.",
				   where, strerror(-rc));
	snprintf(path, size, "%.150s:/%s", where, name);
	if (where[0] == '/' && strncmp(where, "/dev/", 5) != 0)
		snprintf(path, size, "%.150s/%s", where, name);
	return 0;
}

static void take_fstype(void *ctx, const struct storage_identity *identity)
{
	text_copy(ctx, sizeof(identity->fstype), identity->fstype);
}

/* What else a probe finds is of no interest here. */
static void skip_system(void *ctx, const struct storage_system *system)
{
	(void)ctx;
	(void)system;
}

static void skip_image(void *ctx, const struct storage_image *image)
{
	(void)ctx;
	(void)image;
}

static void skip_firmware(void *ctx, const struct storage_firmware *firmware)
{
	(void)ctx;
	(void)firmware;
}

/* DEVICE is mounted where nobody else sees it, for as long as the report is written. */
static int write_device(const char *device, const struct report_facts *facts, char *path,
			size_t size, struct vmb_err *err)
{
	static const struct storage_report probe = {
		.identity = take_fstype,
		.system = skip_system,
		.image = skip_image,
		.firmware = skip_firmware,
	};
	const struct menu_device *known = facts->devices.items;
	char fstype[sizeof(((struct storage_identity *)0)->fstype)] = "";
	int dir, rc;

	for (size_t i = 0; i < facts->devices.count; i++)
		if (strcmp(known[i].path, device) == 0 && known[i].in_use)
			return vmb_err_set(err, EBUSY, "%s is in use: %.95s. Nothing was written.",
					   device, known[i].use);
	rc = storage_probe(device, &probe, fstype, err);
	if (rc < 0)
		return rc;
	if (!fstype[0])
		return vmb_err_set(err, ENODEV, "%s has no file system to write a report to.",
				   device);
	rc = storage_open_settings(device, fstype, true, &dir, err);
	if (rc < 0)
		return rc;
	rc = write_directory(dir, device, facts, path, size, err);
	close(dir);
	return rc;
}

static int write_to(const char *to, const struct report_facts *facts, char *path, size_t size,
		    struct vmb_err *err)
{
	struct stat st;
	int dir, rc;

	if (stat(to, &st) == 0 && S_ISBLK(st.st_mode))
		return write_device(to, facts, path, size, err);
	if (stat(to, &st) < 0 || !S_ISDIR(st.st_mode)) {
		rc = write_file(AT_FDCWD, to, NULL, facts);
		text_copy(path, size, to);
		return rc == 0 ? 0
			       : vmb_err_set(
					 err, -rc,
					 "The report cannot be written to %s: %s. Choose another "
					 "place.",
					 to, strerror(-rc));
	}
	dir = open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return vmb_err_set(err, errno, "%s cannot be opened: %s.", to, strerror(errno));
	rc = write_directory(dir, to, facts, path, size, err);
	close(dir);
	return rc;
}

/* Of an operator who only said "save": where variables are kept, too, else /tmp. */
static int write_usual(const struct report_facts *facts, char *path, size_t size,
		       struct vmb_err *err)
{
	char dir[VM_PATH_SIZE];

	if (daemon_path_state(dir, sizeof(dir)) == 0 && access(dir, W_OK) == 0)
		return write_to(dir, facts, path, size, err);
	return write_to("/tmp", facts, path, size, err);
}

/* What the daemon waits for. */
static int tell(int rc, const char *path, const struct vmb_err *err)
{
	char text[1 + sizeof(err->text)];
	int n = snprintf(text, sizeof(text), "%c%s", rc == 0 ? REPORT_WRITTEN : REPORT_FAILED,
			 rc == 0 ? path : err->text);

	return write(REPORT_RESULT_FD, text, (size_t)n) == n && rc == 0 ? 0 : 1;
}

int cmd_report(int argc, char **argv)
{
	struct report_facts facts = {.daemon = ""};
	struct arguments args = {.to = NULL};
	struct vmb_err err = {0};
	char path[VM_PATH_SIZE] = "";
	int rc;

	if (parse_args(argc, argv, &args) != 0)
		return CMD_USAGE;
	log_init(STDERR_FILENO, LOG_LEVEL_WARN, "report");
	collect(&args, &facts);
	if (args.to)
		rc = write_to(args.to, &facts, path, sizeof(path), &err);
	else if (args.client)
		rc = write_usual(&facts, path, sizeof(path), &err);
	else
		rc = write_stream(stdout, &facts);
	report_facts_free(&facts);
	if (args.client)
		return tell(rc, path, &err);
	if (rc < 0)
		fprintf(stderr, "vmboot: %s\n", err.text[0] ? err.text : strerror(-rc));
	else if (path[0])
		printf("%s\n", path);
	return rc < 0 ? 1 : 0;
}
