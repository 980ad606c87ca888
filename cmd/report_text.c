/* The texts of a report: see cmd/report.h. */
#include <stdlib.h>
#include <string.h>
#include <sys/klog.h>
#include <time.h>

#include "log.h"
#include "report.h"
#include "text.h"

#define DMESG_MAX (256 * 1024)

/* syslog(2) */
#define SYSLOG_ACTION_READ_ALL 3

static void write_system(FILE *out, const struct report_facts *facts)
{
	const struct menu_fact *fact = facts->facts.items;
	const char *group = "";
	time_t now = time(NULL);
	char when[32] = "";
	struct tm tm;

	if (gmtime_r(&now, &tm))
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S UTC", &tm);
	fprintf(out, "vmboot %s, report of %s\n", VMBOOT_VERSION, when);
	if (facts->daemon[0])
		fprintf(out, "%s\n", facts->daemon);
	for (size_t i = 0; i < facts->facts.count; i++, fact++) {
		if (strcmp(group, fact->group) != 0)
			fprintf(out, "\n%.23s\n", fact->group);
		group = fact->group;
		fprintf(out, "  %-20.39s %.191s\n", fact->name, fact->value);
	}
}

static void write_disks(FILE *out, const struct vm_config *config)
{
	for (unsigned int i = 0; i < config->disk_count && i < VM_MAX_DISKS; i++)
		fprintf(out, "  disk      %.255s%s%s\n", config->disks[i].path,
			config->disks[i].read_only ? ",ro" : "",
			config->disks[i].overlay ? ",overlay" : "");
}

static void write_config(FILE *out, const struct vm_config *config)
{
	char size[16];

	fprintf(out, "  title     %.63s\n", config->title);
	fprintf(out, "  firmware  %.255s %.255s\n", config->firmware_path, config->firmware_device);
	if (config->kernel_path[0])
		fprintf(out, "  kernel    %.255s\n  initrd    %.255s\n  options   %.2047s\n",
			config->kernel_path, config->initrd_path, config->cmdline);
	fprintf(out, "  memory    %s\n  cpus      %u\n  variables %.255s\n",
		text_format_size(config->memory, size, sizeof(size)), config->cpus,
		config->vars_path[0] ? config->vars_path : "not kept");
	write_disks(out, config);
}

static void write_vm(FILE *out, const struct menu_vm *vm)
{
	static const char *const states[] = {"none", "starting", "running", "ended"};

	fprintf(out, "Virtual machine: %s\n",
		states[vm->state <= MENU_VM_ENDED ? vm->state : MENU_VM_NONE]);
	if (vm->state == MENU_VM_NONE)
		return;
	fprintf(out, "  ran       %llu ms, %u resets, stage %s\n", (unsigned long long)vm->run_ms,
		vm->resets, vmm_stage_name(vm->stage));
	fprintf(out, "  said      %.479s\n  log       %.255s\n", vm->text, vm->config.log_path);
	write_config(out, &vm->config);
}

static void write_settings(FILE *out, const struct report_facts *facts)
{
	const struct menu_settings *s = &facts->settings;
	const struct menu_entry *entry = facts->entries.items;

	fprintf(out, "Settings\n  store     %.255s %.479s\n  timeout   %d s, again after %u s\n",
		s->store, s->store_text, s->timeout_s, s->rearm_s);
	fprintf(out,
		"  theme     %.255s%s\n  shell     %s\n  password  %s\n  signatures policy %u\n",
		s->theme, s->ascii ? ", ASCII" : "", s->shell_allowed ? "allowed" : "forbidden",
		s->has_password ? "set" : "none", s->trust);
	fprintf(out, "  problems  %u lines were not understood\n\n", s->problem_count);
	write_vm(out, &facts->vm);
	for (size_t i = 0; i < facts->entries.count; i++, entry++) {
		fprintf(out, "\nEntry %.63s (%.255s)%s%s\n", entry->id, entry->source,
			entry->is_default ? ", default" : "", entry->is_once ? ", next start" : "");
		fprintf(out, "  failed    %u of %u starts\n", entry->failed, entry->tries);
		if (entry->problem[0])
			fprintf(out, "  problem   %.479s\n", entry->problem);
		write_config(out, &entry->config);
	}
}

static void write_devices(FILE *out, const struct report_facts *facts)
{
	static const char *const states[] = {"scanning", "ready", "failed", "skipped"};
	const struct menu_device *d = facts->devices.items;
	const struct menu_firmware *fw = facts->firmwares.items;
	char size[16];

	for (size_t i = 0; i < facts->devices.count; i++, d++)
		fprintf(out,
			"%s%-16.63s %6s %-8.15s %.63s %.63s  %.23s %.63s %.39s  "
			"%s%s%s%.95s%s%.159s\n",
			d->parent[0] ? "  " : "", d->path,
			text_format_size(d->size, size, sizeof(size)), d->transport, d->model,
			d->serial, d->fstype, d->label, d->uuid,
			states[d->state <= MENU_DEVICE_SKIPPED ? d->state : MENU_DEVICE_FAILED],
			d->read_only ? " read-only" : "", d->in_use ? " in use: " : "",
			d->in_use ? d->use : "", d->note[0] ? " - " : "", d->note);
	fprintf(out, "\nFirmware\n");
	for (size_t i = 0; i < facts->firmwares.count; i++, fw++)
		fprintf(out, "%.63s %.255s  %s %.23s %.63s  %.199s%s%.64s\n", fw->device, fw->path,
			text_format_size(fw->size, size, sizeof(size)), fw->kind, fw->version,
			fw->usable ? "usable" : fw->reason, fw->sha256[0] ? "  sha256 " : "",
			fw->sha256);
}

static void write_log(FILE *out, const struct report_facts *facts)
{
	static const char *const levels[] = {"error", "warn", "info", "debug"};
	const struct menu_log_line *line = facts->log.items;

	for (size_t i = 0; i < facts->log.count; i++, line++)
		fprintf(out, "%6llu.%03llu %.19s %s: %.319s\n",
			(unsigned long long)(line->time_ms / 1000),
			(unsigned long long)(line->time_ms % 1000), line->source,
			levels[line->level <= LOG_LEVEL_DEBUG ? line->level : LOG_LEVEL_DEBUG],
			line->text);
}

/* Raw bytes as lines that are safe anywhere. */
static void write_escaped(FILE *out, const char *bytes, size_t n)
{
	char safe[4096];

	while (n > 0) {
		const char *end = memchr(bytes, '\n', n);
		size_t len = end ? (size_t)(end - bytes) : n, cut = len < 1000 ? len : 1000;

		while (cut > 0 && cut == len && bytes[cut - 1] == '\r')
			len = --cut;
		fprintf(out, "%s\n", text_escape(safe, sizeof(safe), bytes, cut));
		len = end ? (size_t)(end - bytes) + 1 : n;
		/* A long line goes on in the next. */
		if (cut == 1000)
			len = cut;
		bytes += len;
		n -= len;
	}
}

static void write_console(FILE *out, const struct report_facts *facts)
{
	write_escaped(out, facts->console.items, facts->console.count);
}

static void write_dmesg(FILE *out, const struct report_facts *facts)
{
	char *buf = malloc(DMESG_MAX);
	int n = buf ? klogctl(SYSLOG_ACTION_READ_ALL, buf, DMESG_MAX) : -1;

	(void)facts;
	if (n < 0)
		fprintf(out, "not available (%s)\n",
			buf ? "only root may read it here" : "no memory");
	else
		write_escaped(out, buf, (size_t)n);
	free(buf);
}

const struct report_part *report_parts(void)
{
	static const struct report_part parts[] = {
		{"system.txt", write_system},
		{"settings.txt", write_settings},
		{"devices.txt", write_devices},
		{"log.txt", write_log},
		{"console.txt", write_console},
		{"dmesg.txt", write_dmesg},
		{NULL, NULL},
	};

	return parts;
}
