/*
 * `vmboot doctor`: everything that a virtual machine needs of this computer, a line each: ok, note
 * (works, but worse than it could) or missing (no VM can be started), with what to do about it.
 * `vmboot doctor --can-run-firmware`: one line and the exit status, for scripts.
 *
 * Gathers and prints; lib/host_judge.c has the sentences.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd.h"
#include "host.h"
#include "pvh.h"
#include "vmm.h"

/* Where packages put the firmware. */
static const char *const firmware_paths[] = {
	"/usr/share/cloudhv-efi-x86-64/CLOUDHV.fd",
	"/usr/share/cloud-hypervisor/CLOUDHV.fd",
	"/usr/share/edk2/x64/CLOUDHV.fd",
	"/usr/share/edk2/cloudhv/CLOUDHV.fd",
	"/firmware/CLOUDHV.fd",
};

static int is_firmware(const char *path)
{
	char head[4096];
	struct stat st;
	ssize_t n = -1;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return 0;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		n = pread(fd, head, sizeof(head), 0);
	close(fd);
	return n > 0 && pvh_check(head, (size_t)n, (uint64_t)st.st_size, NULL, NULL) == 0;
}

static void find_firmware(char *buf, size_t size)
{
	buf[0] = '\0';
	for (size_t i = 0; i < sizeof(firmware_paths) / sizeof(firmware_paths[0]); i++) {
		if (!is_firmware(firmware_paths[i]))
			continue;
		snprintf(buf, size, "%s", firmware_paths[i]);
		return;
	}
}

/* One line, for scripts and for people who called them. */
static int can_run_firmware(void)
{
	struct kvm_ability ability;
	struct vmb_err err = {0};
	int fd, r;

	fd = host_check_kvm(&err);
	r = fd;
	if (fd >= 0) {
		r = vmm_probe_kvm(fd, &ability, &err);
		close(fd);
	}
	if (r >= 0)
		r = host_judge_ability(&ability, &err);
	puts(r < 0 ? err.text : "This machine can run firmware.");
	return r < 0;
}

static int examine(void)
{
	static const char *const words[] = {
		[HOST_OK] = "ok",
		[HOST_NOTE] = "note",
		[HOST_MISSING] = "missing",
	};
	struct host_finding findings[HOST_FINDINGS];
	struct host_facts facts;
	unsigned int n, missing = 0;
	int fd;

	host_gather("", &facts, &fd);
	if (fd >= 0) {
		vmm_probe_kvm(fd, &facts.ability, &facts.ability_error);
		close(fd);
	}
	find_firmware(facts.firmware, sizeof(facts.firmware));
	n = host_judge(&facts, findings);
	for (unsigned int i = 0; i < n; i++) {
		printf("%-8s %-14s %s\n", words[findings[i].level], findings[i].subject,
		       findings[i].text);
		missing += findings[i].level == HOST_MISSING;
	}
	puts(missing ? "\nNo virtual machine can be started here."
		     : "\nVirtual machines can be started here.");
	return missing > 0;
}

int cmd_doctor(int argc, char **argv)
{
	if (argc == 1)
		return examine();
	if (argc == 2 && strcmp(argv[1], "--can-run-firmware") == 0)
		return can_run_firmware();
	return CMD_USAGE;
}
