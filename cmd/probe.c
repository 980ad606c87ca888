/*
 * vmboot probe: the process that looks at one disk for the daemon. See include/probe_proto.h. It
 * bounds itself, since what it parses may be hostile; its parent bounds its time.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cmd.h"
#include "log.h"
#include "probe_confine.h"
#include "probe_proto.h"
#include "proto.h"
#include "storage.h"
#include "text.h"
#include "trust.h"

#define CPU_SECONDS  20
#define MEMORY_BYTES (512u << 20)

/*
 * WRITES: a file is copied; else there is nothing at all to write. SAVES: it is the one that writes the settings, into
 * a file system that the operator made for them, or has that mended.
 */
static void limit_self(bool writes, bool saves)
{
	const struct {
		int what;
		rlim_t most;
	} limits[] = {
		{RLIMIT_CPU, CPU_SECONDS}, {RLIMIT_CORE, 0},
		{RLIMIT_NOFILE, 64},	   {RLIMIT_FSIZE, writes ? STORAGE_FIRMWARE_MAX : 0},
#ifndef __SANITIZE_ADDRESS__ /* whose shadow alone is bigger */
		{RLIMIT_AS, MEMORY_BYTES},
#endif
	};

	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		struct rlimit limit = {limits[i].most, limits[i].most};

		setrlimit((__rlimit_resource_t)limits[i].what, &limit);
	}
#ifdef __SANITIZE_ADDRESS__ /* which asks the kernel for more than a probe */
	saves = true;
#endif
	if (!saves && probe_confine() < 0)
		log_debug("this kernel has no system call filters");
}

static void send_identity(void *ctx, const struct storage_identity *identity)
{
	(void)ctx;
	proto_send(PROBE_CONTROL_FD, PROBE_IDENTITY, identity, sizeof(*identity), NULL, 0);
}

static void send_system(void *ctx, const struct storage_system *system)
{
	(void)ctx;
	proto_send(PROBE_CONTROL_FD, PROBE_SYSTEM, system, sizeof(*system), NULL, 0);
}

static void send_image(void *ctx, const struct storage_image *image)
{
	(void)ctx;
	proto_send(PROBE_CONTROL_FD, PROBE_IMAGE, image, sizeof(*image), NULL, 0);
}

static void send_firmware(void *ctx, const struct storage_firmware *firmware)
{
	(void)ctx;
	proto_send(PROBE_CONTROL_FD, PROBE_FIRMWARE, firmware, sizeof(*firmware), NULL, 0);
}

static const struct storage_report report = {
	.identity = send_identity,
	.system = send_system,
	.image = send_image,
	.firmware = send_firmware,
};

static void send_health(const char *device)
{
	struct storage_health health;

	if (storage_health(device, &health) == 0)
		proto_send(PROBE_CONTROL_FD, PROBE_HEALTH, &health, sizeof(health), NULL, 0);
}

/* The signature beside a file that was read, if there is one. */
static void send_signature(const char *device, const char *path)
{
	char text[TRUST_SIGNATURE_MAX];
	size_t n = storage_read_signature(device, path, text, sizeof(text));

	if (n > 0)
		proto_send(PROBE_CONTROL_FD, PROBE_SIGNATURE, text, n, NULL, 0);
}

/* ---- settings ---- */

static void on_settings_file(void *ctx, const char *name, const char *text, size_t n,
			     int64_t changed)
{
	struct probe_settings head = {.changed = changed};

	(void)ctx;
	text_copy(head.name, sizeof(head.name), name);
	probe_file_send(PROBE_CONTROL_FD, &head, text, n, 0);
}

static void on_settings_skipped(void *ctx, const char *name, const char *why)
{
	struct probe_settings head = {.skipped = 1};

	(void)ctx;
	text_copy(head.name, sizeof(head.name), name);
	probe_file_send(PROBE_CONTROL_FD, &head, why, strlen(why), 0);
}

static int read_settings(const char *device, const char *fstype, struct vmb_err *err)
{
	static const struct store_report settings_report = {.file = on_settings_file,
							    .skipped = on_settings_skipped};
	int dir, rc = storage_open_settings(device, fstype, false, &dir, err);

	if (rc < 0)
		return rc;
	rc = store_dir_read(dir, true, &settings_report, NULL);
	if (rc == 0)
		rc = store_dir_read_vars(dir, true, &settings_report, NULL);
	close(dir);
	return rc < 0 ? vmb_err_set(err, -rc, "The settings on %s cannot be read: %s.", device,
				    strerror(-rc))
		      : 0;
}

static int save_one(int dir, const struct probe_file *file)
{
	const struct probe_settings *head = &file->head;

	if (head->aside != PROBE_ASIDE_NO)
		return store_dir_set_aside(dir, head->name,
					   head->aside == PROBE_ASIDE_BAD ? "bad" : "old");
	return store_dir_write(dir, head->name, head->removed ? NULL : file->bytes, file->size);
}

/*
 * Takes what comes in until PROBE_DONE, and saves it in DIR unless RC says that it cannot be: who leaves something unread is
 * not heard any more. 0 or -errno.
 */
static int take_all(int dir, int rc)
{
	char body[sizeof(struct probe_settings) + STORE_FILE_MAX];
	struct probe_file file = {.size = 0};
	uint32_t type;
	int n;

	for (;;) {
		n = proto_recv(PROBE_CONTROL_FD, &type, body, sizeof(body), NULL, 0, NULL);
		if (n < 0 || type != PROBE_SETTINGS)
			break;
		if (rc == 0)
			rc = probe_file_take(&file, body, (size_t)n);
		if (rc > 0)
			rc = save_one(dir, &file);
	}
	probe_file_clear(&file);
	return rc == 0 && n < 0 ? n : rc;
}

static int save_settings(const char *device, const char *fstype, struct vmb_err *err)
{
	int dir, closed, rc = storage_mend_settings(device, fstype, err);

	if (rc == 0)
		rc = storage_open_settings(device, fstype, true, &dir, err);
	if (rc < 0)
		return take_all(-1, rc);
	rc = take_all(dir, 0);
	if (syncfs(dir) < 0 && rc == 0)
		rc = -errno;
	closed = storage_close_settings(device, dir);
	if (rc == 0)
		rc = closed;
	return rc < 0 ? vmb_err_set(err, -rc, "%s cannot be written: %s.", device, strerror(-rc))
		      : 0;
}

int cmd_probe(int argc, char **argv)
{
	struct probe_done done = {0};
	struct vmb_err err = {0};
	int rc;

	if (fcntl(PROBE_CONTROL_FD, F_GETFD) < 0)
		return CMD_USAGE;
	log_init(2, LOG_LEVEL_WARN, "probe");
	/* Nothing of the disk's content has been read yet that could make this call mean something else. */
	if (argc == 3 && strcmp(argv[1], "--device") == 0)
		send_health(argv[2]);
	limit_self(argc == 4,
		   argc == 4 && (strcmp(argv[1], "--save") == 0 || strcmp(argv[1], "--mend") == 0));
	if (argc == 3 && strcmp(argv[1], "--device") == 0)
		rc = storage_probe(argv[2], &report, NULL, &err);
	else if (argc == 2 && strcmp(argv[1], "--system") == 0)
		rc = storage_probe_system(&report, NULL, &err);
	else if (argc == 3 && strcmp(argv[1], "--images") == 0)
		rc = storage_probe_images(argv[2], &report, NULL, &err);
	else if (argc == 4 && strcmp(argv[1], "--read") == 0)
		rc = storage_read_file(argv[2], argv[3], PROBE_OUT_FD, &err);
	else if (argc == 4 && strcmp(argv[1], "--read-signed") == 0)
		rc = storage_read_file(argv[2], argv[3], PROBE_OUT_FD, &err);
	else if (argc == 4 && strcmp(argv[1], "--settings") == 0)
		rc = read_settings(argv[2], argv[3], &err);
	else if (argc == 4 && strcmp(argv[1], "--mend") == 0)
		rc = storage_mend_settings(argv[2], argv[3], &err);
	else if (argc == 4 && strcmp(argv[1], "--save") == 0)
		rc = save_settings(argv[2], argv[3], &err);
	else
		return CMD_USAGE;
	if (rc == 0 && strcmp(argv[1], "--read-signed") == 0)
		send_signature(argv[2], argv[3]);
	done.code = rc < 0 ? -rc : 0;
	text_copy(done.text, sizeof(done.text), err.text);
	if (proto_send(PROBE_CONTROL_FD, PROBE_DONE, &done, sizeof(done), NULL, 0) < 0)
		return 1;
	return rc < 0 ? 1 : 0;
}
