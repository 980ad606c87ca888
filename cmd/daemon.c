/*
 * vmboot daemon: examines KVM once, then serves menus. With --client-fd it serves the menu that
 * started it and ends with it.
 */
#include "daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "daemon_path.h"
#include "host.h"
#include "log.h"
#include "settings_file.h"
#include "text.h"
#include "vmm.h"

#define MAX_NOTES 8
#define LOG_MAX	  (256 * 1024) /* bytes, where it lies in memory */

struct arguments {
	struct daemon_options options;
	const char *log;
	char usual_socket[128];
	struct image_dirs images;
	bool debug;
	const char *notes[MAX_NOTES + 1];
};

static int parse_args(int argc, char **argv, struct arguments *args)
{
	unsigned int notes = 0;
	uint64_t fd;

	args->options.client_fd = -1;
	args->options.image_dirs = args->images.paths;
	args->options.notes = args->notes;
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--debug") == 0) {
			args->debug = true;
			continue;
		}
		if (i + 1 == argc)
			return CMD_USAGE;
		if (strcmp(argv[i], "--socket") == 0)
			args->options.socket_path = argv[++i];
		else if (strcmp(argv[i], "--config") == 0)
			args->options.config = argv[++i];
		else if (strcmp(argv[i], "--entry") == 0)
			args->options.entry = argv[++i];
		else if (strcmp(argv[i], "--timeout") == 0 &&
			 settings_file_parse_timeout(argv[++i], &args->options.timeout_s) == 0)
			args->options.timeout_given = true;
		else if (strcmp(argv[i], "--note") == 0 && notes < MAX_NOTES)
			args->notes[notes++] = argv[++i];
		else if (strcmp(argv[i], "--log") == 0)
			args->log = argv[++i];
		else if (strcmp(argv[i], "--images") == 0 &&
			 cmd_add_image_dir(&args->images, argv[i + 1]))
			i++;
		else if (strcmp(argv[i], "--client-fd") == 0 &&
			 text_parse_uint(argv[++i], 3, 1023, &fd) == 0)
			args->options.client_fd = (int)fd;
		else
			return CMD_USAGE;
	}
	cmd_usual_image_dirs(&args->images);
	return 0;
}

/* What menus are told about KVM. The self-test guest takes milliseconds. */
static void examine_kvm(struct daemon_options *options)
{
	struct kvm_ability ability;
	struct vmb_err err = {0};
	int kvm = host_check_kvm(&err), rc;

	if (kvm < 0) {
		text_copy(options->kvm_text, sizeof(options->kvm_text), err.text);
		return;
	}
	rc = vmm_probe_kvm(kvm, &ability, &err);
	close(kvm);
	options->kvm_ok = rc == 0;
	if (rc == 0)
		rc = host_judge_ability(&ability, &err);
	options->firmware_ok = rc == 0;
	text_copy(options->kvm_text, sizeof(options->kvm_text), err.text);
}

static int open_log(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	if (fd < 0 || dup2(fd, STDERR_FILENO) < 0) {
		fprintf(stderr, "vmboot: the log %s cannot be written: %s.\n", path,
			strerror(errno));
		return 1;
	}
	close(fd);
	return 0;
}

int cmd_daemon(int argc, char **argv)
{
	struct arguments args = {0};
	struct vmb_err err = {0};
	int rc;

	if (parse_args(argc, argv, &args) != 0)
		return CMD_USAGE;
	if (args.log && open_log(args.log) != 0)
		return 1;
	log_init(STDERR_FILENO, args.debug ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO, "daemon");
	if (args.options.client_fd >= 0) {
		fcntl(args.options.client_fd, F_SETFD, FD_CLOEXEC);
		/* The menu has it in memory, for our last words. */
		if (!args.log)
			log_bound(LOG_MAX);
	}
	if (!args.options.socket_path && args.options.client_fd < 0) {
		if (daemon_path_socket(args.usual_socket, sizeof(args.usual_socket), &err) < 0) {
			log_error("%s", err.text);
			return 1;
		}
		args.options.socket_path = args.usual_socket;
	}
	examine_kvm(&args.options);
	rc = daemon_run(&args.options, &err);
	if (rc < 0)
		log_error("%s", err.text);
	return rc < 0 ? 1 : 0;
}
