/*
 * `vmboot run`: what its arguments say of the virtual machine, which run_vm.c runs.
 *
 * Exit status: that of run_vm(), also 2 when there can be no such machine; CMD_USAGE when an argument is none.
 */
#include <errno.h>
#include <getopt.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "run.h"
#include "text.h"

static int bad(const char *option, const char *value, const char *expected)
{
	fprintf(stderr, "vmboot run: --%s %s: expected %s.\n", option, value, expected);
	return -EINVAL;
}

static int parse_path(const char *option, const char *value, char *dst)
{
	if (value[0] == '\0' || text_copy(dst, VM_PATH_SIZE, value) < 0)
		return bad(option, value, "a path of 1 to 255 bytes");
	return 0;
}

static int parse_cmdline(const char *value, struct vm_config *config)
{
	if (text_copy(config->cmdline, sizeof(config->cmdline), value) == 0)
		return 0;
	fprintf(stderr,
		"vmboot run: the command line has %zu characters, Linux takes %d. Shorten it.\n",
		strlen(value), VM_CMDLINE_SIZE - 1);
	return -EINVAL;
}

/* What another line of the configuration came to. */
static int told(int rc, const struct vmb_err *err)
{
	if (rc < 0)
		fprintf(stderr, "vmboot run: %s\n", err->text);
	return rc;
}

static int parse_console(const char *value, struct vm_config *config)
{
	config->virtio_console = strcmp(value, "virtio") == 0;
	if (!config->virtio_console && strcmp(value, "serial") != 0)
		return bad("console", value, "serial or virtio");
	return 0;
}

static int parse_panic(const char *value, struct vm_config *config)
{
	config->stop_on_panic = strcmp(value, "stop") == 0;
	if (!config->stop_on_panic && strcmp(value, "keep") != 0)
		return bad("panic", value, "keep or stop");
	return 0;
}

static int parse_option(int option, const char *value, struct vm_config *config)
{
	struct vmb_err err;
	uint64_t number;

	switch (option) {
	case 'f': return parse_path("firmware", value, config->firmware_path);
	case 'k': return parse_path("kernel", value, config->kernel_path);
	case 'i': return parse_path("initrd", value, config->initrd_path);
	case 'a': return parse_cmdline(value, config);
	case 'v': return parse_path("vars", value, config->vars_path);
	case 'l': return parse_path("log", value, config->log_path);
	case 'd': return told(vm_config_add_disk(config, value, &err), &err);
	case 'n': return told(vm_config_add_net(config, value, &err), &err);
	case 'V': return told(vm_config_add_vfio(config, value, &err), &err);
	case 'p': return parse_panic(value, config);
	case 'C': return parse_console(value, config);
	case 'F': config->fresh_vars = 1; return 0;
	case 'N': config->nested = 1; return 0;
	case 'm':
		if (text_parse_size(value, &config->memory) < 0)
			return bad("memory", value, "a size such as 512M or 4G");
		return 0;
	case 'c':
		if (text_parse_uint(value, 0, UINT32_MAX, &number) < 0)
			return bad("cpus", value, "a number");
		config->cpus = (uint32_t)number;
		return 0;
	default: return -EINVAL; /* getopt has said why */
	}
}

int cmd_run(int argc, char **argv)
{
	static const struct option options[] = {{"firmware", required_argument, NULL, 'f'},
						{"disk", required_argument, NULL, 'd'},
						{"memory", required_argument, NULL, 'm'},
						{"cpus", required_argument, NULL, 'c'},
						{"vars", required_argument, NULL, 'v'},
						{"fresh-vars", no_argument, NULL, 'F'},
						{"log", required_argument, NULL, 'l'},
						{"kernel", required_argument, NULL, 'k'},
						{"initrd", required_argument, NULL, 'i'},
						{"cmdline", required_argument, NULL, 'a'},
						{"net", required_argument, NULL, 'n'},
						{"vfio", required_argument, NULL, 'V'},
						{"panic", required_argument, NULL, 'p'},
						{"console", required_argument, NULL, 'C'},
						{"nested", no_argument, NULL, 'N'},
						{NULL, 0, NULL, 0}};
	struct vm_config config;
	struct vmb_err err;
	int option;

	vm_config_init(&config);
	text_copy(config.title, sizeof(config.title), "vmboot run");
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
		if (parse_option(option, optarg, &config) < 0)
			return CMD_USAGE;
	if (optind < argc) {
		fprintf(stderr, "vmboot run: \"%s\" is not an option.\n", argv[optind]);
		return CMD_USAGE;
	}
	if (vm_config_check(&config, &err) < 0) {
		fprintf(stderr, "vmboot run: %s\n", err.text);
		return 2;
	}
	return run_vm(&config);
}
