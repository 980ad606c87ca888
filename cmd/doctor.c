/*
 * `vmboot doctor`: everything that a virtual machine needs of this computer, a line each: ok, note
 * (works, but worse than it could) or missing (no VM can be started), with what to do about it.
 * `vmboot doctor --can-run-firmware`: one line and the exit status, for scripts.
 *
 * Gathers and prints; lib/host_judge.c has the sentences.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "host.h"
#include "storage.h"
#include "text.h"
#include "vmm.h"

/* Keeps the first image that can be started, and why the first one that cannot is none. */
static void take_firmware(void *ctx, const struct storage_firmware *firmware)
{
	struct host_facts *facts = ctx;
	char *to = firmware->usable ? facts->firmware : facts->firmware_refused;
	char text[sizeof(firmware->path) + sizeof(firmware->reason) + 8];
	int n;

	if (to[0])
		return;
	n = snprintf(text, sizeof(text), "%s%s%s", firmware->path, firmware->usable ? "" : ": ",
		     firmware->usable ? "" : firmware->reason);
	text_escape(to, sizeof(facts->firmware), text, (size_t)n);
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
	static const struct storage_report report = {.firmware = take_firmware};
	struct host_finding findings[HOST_FINDINGS];
	struct host_facts facts;
	unsigned int n, missing = 0;
	int fd;

	host_gather("", &facts, &fd);
	if (fd >= 0) {
		vmm_probe_kvm(fd, &facts.ability, &facts.ability_error);
		close(fd);
	}
	vmm_probe_sandbox(&facts.sandbox);
	storage_probe_system(&report, &facts, NULL);
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
