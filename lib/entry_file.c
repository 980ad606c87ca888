/* See include/entry_file.h. One row of the table below is one key: how it is read and how it is written. */
#include "entry_file.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

#define DISK_TEXT_SIZE (2 * VM_PATH_SIZE + 96)
#define MAX_TRIES      1000
#define ID_LENGTH      48
#define MAX_PAIRS      (VM_MAX_DISKS + VM_MAX_NETS + VM_MAX_VFIO + 16)

static int copy_value(char *dst, size_t size, const char *what, const char *value,
		      struct vmb_err *err)
{
	if (strlen(value) >= size)
		return vmb_err_set(err, EINVAL, "The %s is longer than %zu bytes. Shorten it.",
				   what, size - 1);
	text_copy(dst, size, value);
	return 0;
}

static int read_title(void *entry, const char *value, struct vmb_err *err)
{
	struct menu_entry_save *e = entry;
	char safe[256];

	text_escape(safe, sizeof(safe), value, strlen(value));
	return copy_value(e->config.title, sizeof(e->config.title), "title", safe, err);
}

/* "PATH", or "NAME,PATH" for a file in the file system of the disk called NAME. */
static int read_firmware(void *entry, const char *value, struct vmb_err *err)
{
	struct menu_entry_save *e = entry;
	struct vm_config *c = &e->config;
	const char *comma = value[0] == '/' ? NULL : strchr(value, ',');

	if (value[0] != '/' && (!comma || comma[1] != '/' || comma == value))
		return vmb_err_set(
			err, EINVAL,
			"The firmware is no absolute path; expected /PATH, or DISK,/PATH "
			"for a file on a disk, for example label:boot,/CLOUDHV.fd.");
	if (comma && (size_t)(comma - value) >= sizeof(c->firmware_device))
		return vmb_err_set(err, EINVAL, "The name of the firmware's disk is too long.");
	if (comma) {
		memcpy(c->firmware_device, value, (size_t)(comma - value));
		c->firmware_device[comma - value] = '\0';
	}
	return copy_value(c->firmware_path, sizeof(c->firmware_path), "firmware's path",
			  comma ? comma + 1 : value, err);
}

static int read_path(char *dst, const char *what, const char *value, struct vmb_err *err)
{
	if (value[0] != '/')
		return vmb_err_set(err, EINVAL, "The %s is no absolute path; expected /PATH.",
				   what);
	return copy_value(dst, VM_PATH_SIZE, what, value, err);
}

static int read_kernel(void *entry, const char *value, struct vmb_err *err)
{
	struct menu_entry_save *e = entry;

	return read_path(e->config.kernel_path, "kernel", value, err);
}

static int read_initrd(void *entry, const char *value, struct vmb_err *err)
{
	struct menu_entry_save *e = entry;

	return read_path(e->config.initrd_path, "initrd", value, err);
}

static int read_options(void *entry, const char *value, struct vmb_err *err)
{
	struct menu_entry_save *e = entry;

	return copy_value(e->config.cmdline, sizeof(e->config.cmdline), "kernel's command line",
			  value, err);
}

static int read_memory(void *entry, const char *value, struct vmb_err *err)
{
	struct menu_entry_save *e = entry;
	uint64_t memory;

	if (text_parse_size(value, &memory) < 0 || memory < VM_MIN_MEMORY || memory % (1u << 20))
		return vmb_err_set(err, EINVAL,
				   "\"%.40s\" is no amount of memory; expected a size of at least "
				   "64M, for example 512M or 4G.",
				   value);
	e->config.memory = memory;
	return 0;
}

static int read_number(const char *what, const char *value, uint64_t min, uint64_t max,
		       uint32_t *ret, struct vmb_err *err)
{
	uint64_t number;

	if (text_parse_uint(value, min, max, &number) < 0)
		return vmb_err_set(err, EINVAL,
				   "\"%.40s\" is no number of %s; expected %llu to %llu.", value,
				   what, (unsigned long long)min, (unsigned long long)max);
	*ret = (uint32_t)number;
	return 0;
}

static int read_cpus(void *entry, const char *value, struct vmb_err *err)
{
	struct menu_entry_save *e = entry;

	return read_number("CPUs", value, 1, VM_MAX_CPUS, &e->config.cpus, err);
}

static int read_tries(void *entry, const char *value, struct vmb_err *err)
{
	struct menu_entry_save *e = entry;

	return read_number("tries", value, 0, MAX_TRIES, &e->tries, err);
}

static int read_disk(void *entry, const char *value, struct vmb_err *err)
{
	struct menu_entry_save *e = entry;

	if (value[0] == '\0' || value[0] == ',')
		return vmb_err_set(
			err, EINVAL,
			"No disk is named; expected NAME[,ro][,overlay[=SIZE]]"
			"[,sector=4096][,serial=S] with a name like serial:S64DNX0R401234, "
			"partuuid:..., label:... or /PATH.");
	return vm_config_add_disk(&e->config, value, err);
}

static int read_net(void *entry, const char *value, struct vmb_err *err)
{
	struct menu_entry_save *e = entry;

	return vm_config_add_net(&e->config, value, err);
}

static int read_vfio(void *entry, const char *value, struct vmb_err *err)
{
	struct menu_entry_save *e = entry;

	return vm_config_add_vfio(&e->config, value, err);
}

static int read_vars(void *entry, const char *value, struct vmb_err *err)
{
	struct menu_entry_save *e = entry;

	if (strcmp(value, "none") == 0) {
		e->config.vars_path[0] = '\0';
		return 0;
	}
	return read_path(e->config.vars_path, "variable file", value, err);
}

static int read_log(void *entry, const char *value, struct vmb_err *err)
{
	struct menu_entry_save *e = entry;

	return read_path(e->config.log_path, "console's log", value, err);
}

static const char *const key_names[] = {"auto", "vt-utf8", "xterm", "pc-ansi", "tty", NULL};
static const char *const charset_names[] = {"auto", "utf-8", "cp437", NULL};

static bool is_one_of(const char *word, const char *const *names)
{
	for (; *names; names++)
		if (strcmp(word, *names) == 0)
			return true;
	return false;
}

static int read_console(void *entry, const char *value, struct vmb_err *err)
{
	struct menu_entry_save *e = entry;
	struct menu_console_hints hints = {.keys = "auto", .charset = "auto"};
	char copy[64], *rest = NULL;

	text_copy(copy, sizeof(copy), value);
	for (char *word = strtok_r(copy, " \t", &rest); word; word = strtok_r(NULL, " \t", &rest)) {
		if (is_one_of(word, key_names))
			text_copy(hints.keys, sizeof(hints.keys), word);
		else if (is_one_of(word, charset_names))
			text_copy(hints.charset, sizeof(hints.charset), word);
		else
			return vmb_err_set(
				err, EINVAL,
				"\"%.20s\" is no way to treat a console; expected auto, "
				"vt-utf8, xterm, pc-ansi or tty for the keys, utf-8 or cp437 "
				"for the characters.",
				word);
	}
	e->console = hints;
	return 0;
}

int entry_file_check_hints(const struct menu_console_hints *hints, struct vmb_err *err)
{
	if ((hints->keys[0] == '\0' || is_one_of(hints->keys, key_names)) &&
	    (hints->charset[0] == '\0' || is_one_of(hints->charset, charset_names)))
		return 0;
	return vmb_err_set(err, EINVAL,
			   "The console's keys can be auto, vt-utf8, xterm, pc-ansi or tty, its "
			   "characters auto, utf-8 or cp437.");
}

/* One of two words; *RET is whether it is YES. */
static int read_either(uint8_t *ret, const char *value, const char *yes, const char *no,
		       struct vmb_err *err)
{
	if (strcmp(value, yes) != 0 && strcmp(value, no) != 0)
		return vmb_err_set(err, EINVAL, "\"%.40s\" is neither %s nor %s.", value, yes, no);
	*ret = strcmp(value, yes) == 0;
	return 0;
}

static int read_autostart(void *entry, const char *value, struct vmb_err *err)
{
	struct menu_entry_save *e = entry;

	return read_either(&e->autostart, value, "yes", "no", err);
}

static int read_virtio_console(void *entry, const char *value, struct vmb_err *err)
{
	struct menu_entry_save *e = entry;

	return read_either(&e->config.virtio_console, value, "yes", "no", err);
}

static int read_panic(void *entry, const char *value, struct vmb_err *err)
{
	struct menu_entry_save *e = entry;

	return read_either(&e->config.stop_on_panic, value, "stop", "keep", err);
}

static int read_nested(void *entry, const char *value, struct vmb_err *err)
{
	struct menu_entry_save *e = entry;

	return read_either(&e->config.nested, value, "yes", "no", err);
}

static const char *const after_words[] = {
	[VM_AFTER_MENU] = "menu",
	[VM_AFTER_POWEROFF] = "poweroff",
	[VM_AFTER_REBOOT] = "reboot",
};

static int read_after(void *entry, const char *value, struct vmb_err *err)
{
	struct menu_entry_save *e = entry;

	for (uint8_t i = VM_AFTER_MENU; i < VM_AFTER_COUNT; i++)
		if (strcmp(value, after_words[i]) == 0) {
			e->config.after = i;
			return 0;
		}
	return vmb_err_set(err, EINVAL,
			   "\"%.40s\" is nothing to do after the guest's power-off; expected menu, "
			   "poweroff or reboot.",
			   value);
}

static const struct ini_key keys[] = {
	{.name = "title", .read = read_title},
	{.name = "firmware", .read = read_firmware, .decides = true},
	{.name = "kernel", .read = read_kernel, .decides = true},
	{.name = "initrd", .read = read_initrd, .decides = true},
	{.name = "options", .read = read_options, .decides = true},
	{.name = "memory", .read = read_memory},
	{.name = "cpus", .read = read_cpus},
	{.name = "disk", .read = read_disk, .decides = true, .repeats = true},
	{.name = "net", .read = read_net, .decides = true, .repeats = true},
	{.name = "vfio", .read = read_vfio, .decides = true, .repeats = true},
	{.name = "vars", .read = read_vars, .decides = true},
	{.name = "log", .read = read_log},
	{.name = "console", .read = read_console},
	{.name = "tries", .read = read_tries},
	{.name = "autostart", .read = read_autostart},
	{.name = "virtio-console", .read = read_virtio_console},
	{.name = "panic", .read = read_panic},
	{.name = "nested", .read = read_nested},
	{.name = "after", .read = read_after},
};

static const struct ini_keys table = {
	.file = "an entry", .keys = keys, .count = sizeof(keys) / sizeof(keys[0])};
_Static_assert(sizeof(keys) / sizeof(keys[0]) <= INI_MAX_KEYS, "more keys than ini_keys.c counts");

/* ---- reading ---- */

/* What only the whole can tell. */
static void check_whole(struct entry_file *file, const struct ini_report *report)
{
	const struct vm_config *c = &file->entry.config;
	const char *text = NULL;

	if (c->kernel_path[0] && c->firmware_path[0])
		text = "Both firmware and a kernel are named; expected one of them.";
	else if (!c->kernel_path[0] && !c->firmware_path[0] && !file->problem.line)
		text = "Neither firmware nor a kernel is named; expected firmware = /PATH or "
		       "kernel = /PATH.";
	else if (!c->kernel_path[0] && (c->initrd_path[0] || c->cmdline[0]))
		text = "An initrd and options go with a kernel, not with firmware.";
	if (!text)
		return;
	if (report)
		report->tell(report->ctx, 1, true, text);
	if (!file->problem.line) {
		file->problem.line = 1;
		text_copy(file->problem.text, sizeof(file->problem.text), text);
	}
}

int entry_file_parse(const char *text, size_t n, const struct ini_report *report,
		     struct entry_file *ret_file)
{
	struct entry_file *file = calloc(1, sizeof(*file));
	struct vm_config *config;
	int rc;

	if (!file)
		return -ENOMEM;
	config = &file->entry.config;
	vm_config_init(config);
	text_copy(config->vars_path, VM_PATH_SIZE, VM_VARS_USUAL);
	strcpy(file->entry.console.keys, "auto");
	strcpy(file->entry.console.charset, "auto");
	file->entry.autostart = 1;
	rc = ini_keys_parse(&table, text, n, report, &file->entry, &file->problem);
	if (rc == 0) {
		check_whole(file, report);
		if (config->kernel_path[0] && strcmp(config->vars_path, VM_VARS_USUAL) == 0)
			config->vars_path[0] = '\0';
		*ret_file = *file;
	}
	free(file);
	return rc;
}

/* ---- writing ---- */

struct writer {
	struct ini_pair pairs[MAX_PAIRS];
	size_t count;
	char memory[24], cpus[12], tries[12], console[40];
	char firmware[2 * VM_PATH_SIZE];
	char disks[VM_MAX_DISKS][DISK_TEXT_SIZE];
	char nets[VM_MAX_NETS][VM_NET_TEXT_SIZE];
	char vfio[VM_MAX_VFIO][VM_VFIO_TEXT_SIZE];
};

static void add(struct writer *w, const char *name, const char *value)
{
	w->pairs[w->count++] = (struct ini_pair){.name = name, .value = value};
}

static void add_boot(struct writer *w, const struct vm_config *c)
{
	if (c->firmware_path[0]) {
		snprintf(w->firmware, sizeof(w->firmware), "%s%s%s", c->firmware_device,
			 c->firmware_device[0] ? "," : "", c->firmware_path);
		add(w, "firmware", w->firmware);
	}
	if (c->kernel_path[0])
		add(w, "kernel", c->kernel_path);
	if (c->initrd_path[0])
		add(w, "initrd", c->initrd_path);
	if (c->cmdline[0])
		add(w, "options", c->cmdline);
	if (!c->kernel_path[0] && !c->vars_path[0])
		add(w, "vars", "none");
	else if (c->vars_path[0] && strcmp(c->vars_path, VM_VARS_USUAL) != 0)
		add(w, "vars", c->vars_path);
	if (c->log_path[0])
		add(w, "log", c->log_path);
}

static void add_machine(struct writer *w, const struct menu_entry_save *e)
{
	const struct vm_config *c = &e->config;

	text_format_mib(c->memory, w->memory, sizeof(w->memory));
	add(w, "memory", w->memory);
	snprintf(w->cpus, sizeof(w->cpus), "%u", c->cpus);
	add(w, "cpus", w->cpus);
	if (e->tries) {
		snprintf(w->tries, sizeof(w->tries), "%u", e->tries);
		add(w, "tries", w->tries);
	}
	if (!e->autostart)
		add(w, "autostart", "no");
	if (c->virtio_console)
		add(w, "virtio-console", "yes");
	if (c->stop_on_panic)
		add(w, "panic", "stop");
	if (c->nested)
		add(w, "nested", "yes");
	if (c->after > VM_AFTER_USUAL && c->after < VM_AFTER_COUNT)
		add(w, "after", after_words[c->after]);
	snprintf(w->console, sizeof(w->console), "%s %s", e->console.keys, e->console.charset);
	if (strcmp(e->console.charset, "auto") == 0 || e->console.charset[0] == '\0')
		w->console[strlen(e->console.keys)] = '\0';
	if (w->console[0] && strcmp(w->console, "auto") != 0)
		add(w, "console", w->console);
}

char *entry_file_render(const struct menu_entry_save *entry, const char *old, size_t n,
			size_t *ret_n, struct vmb_err *err)
{
	struct writer *w = calloc(1, sizeof(*w));
	char *text = NULL;
	int rc = 0;

	if (!w) {
		vmb_err_set(err, ENOMEM, "Not enough memory to save an entry.");
		return NULL;
	}
	add(w, "title", entry->config.title);
	add_boot(w, &entry->config);
	for (uint32_t i = 0; rc == 0 && i < entry->config.disk_count && i < VM_MAX_DISKS; i++) {
		rc = vm_config_format_disk(&entry->config.disks[i], w->disks[i],
					   sizeof(w->disks[i]));
		add(w, "disk", w->disks[i]);
	}
	for (uint32_t i = 0; i < entry->config.net_count && i < VM_MAX_NETS; i++)
		add(w, "net",
		    vm_config_format_net(&entry->config.nets[i], w->nets[i], sizeof(w->nets[i])));
	for (uint32_t i = 0; i < entry->config.vfio_count && i < VM_MAX_VFIO; i++)
		add(w, "vfio",
		    vm_config_format_vfio(&entry->config.vfio[i], w->vfio[i], sizeof(w->vfio[i])));
	add_machine(w, entry);
	if (rc < 0)
		vmb_err_set(err, -rc, "A disk's name is too long to be saved.");
	else
		text = ini_keys_render(&table, old, n, w->pairs, w->count, ret_n, err);
	free(w);
	return text;
}

/* ---- ids ---- */

void entry_file_make_id(const char *title, char *id)
{
	size_t n = 0;

	for (; *title && n < ID_LENGTH; title++) {
		if (isascii((unsigned char)*title) && isalnum((unsigned char)*title))
			id[n++] = (char)tolower((unsigned char)*title);
		else if (n > 0 && id[n - 1] != '-')
			id[n++] = '-';
	}
	while (n > 0 && id[n - 1] == '-')
		n--;
	id[n] = '\0';
	if (n == 0)
		strcpy(id, "entry");
}

bool entry_file_id_ok(const char *id)
{
	size_t n = strnlen(id, MENU_ID_SIZE);

	if (n == 0 || n >= MENU_ID_SIZE || id[0] == '.')
		return false;
	for (size_t i = 0; i < n; i++)
		if (!isascii((unsigned char)id[i]) ||
		    (!isalnum((unsigned char)id[i]) && !strchr("-_.", id[i])))
			return false;
	return true;
}
