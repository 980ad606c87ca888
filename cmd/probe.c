/*
 * vmboot probe: the process that looks at one disk for the daemon. See include/probe_proto.h. It
 * bounds itself, since what it parses may be hostile; its parent bounds its time.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "cmd.h"
#include "log.h"
#include "probe_proto.h"
#include "proto.h"
#include "storage.h"
#include "text.h"

#define CPU_SECONDS  20
#define MEMORY_BYTES (512u << 20)

/* WRITES: a file is copied; else there is nothing at all to write. */
static void limit_self(bool writes)
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
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
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

int cmd_probe(int argc, char **argv)
{
	struct probe_done done = {0};
	struct vmb_err err = {0};
	int rc;

	if (fcntl(PROBE_CONTROL_FD, F_GETFD) < 0)
		return CMD_USAGE;
	log_init(2, LOG_LEVEL_WARN, "probe");
	limit_self(argc == 4);
	if (argc == 3 && strcmp(argv[1], "--device") == 0)
		rc = storage_probe(argv[2], &report, NULL, &err);
	else if (argc == 2 && strcmp(argv[1], "--system") == 0)
		rc = storage_probe_system(&report, NULL, &err);
	else if (argc == 3 && strcmp(argv[1], "--images") == 0)
		rc = storage_probe_images(argv[2], &report, NULL, &err);
	else if (argc == 4 && strcmp(argv[1], "--read") == 0)
		rc = storage_read_file(argv[2], argv[3], PROBE_OUT_FD, &err);
	else
		return CMD_USAGE;
	done.code = rc < 0 ? -rc : 0;
	text_copy(done.text, sizeof(done.text), err.text);
	if (proto_send(PROBE_CONTROL_FD, PROBE_DONE, &done, sizeof(done), NULL, 0) < 0)
		return 1;
	return rc < 0 ? 1 : 0;
}
