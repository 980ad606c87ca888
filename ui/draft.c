/* See ui/draft.h. */
#include "ui/draft.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "text.h"
#include "ui/describe.h"
#include "ui/plan.h"

#define TRIES_MAX 99

/* As in an entry's file. */
static const char *const keys_names[] = {"auto", "vt-utf8", "xterm", "pc-ansi", "tty"};
static const char *const charset_names[] = {"auto", "utf-8", "cp437"};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static unsigned int name_index(const char *const *names, size_t count, const char *name)
{
	for (unsigned int i = 0; i < count; i++)
		if (strcmp(names[i], name) == 0)
			return i;
	return 0;
}

void draft_begin(struct draft *draft, const struct vm_config *config,
		 const struct menu_entry *entry)
{
	char text[32];

	memset(draft, 0, sizeof(*draft));
	draft->now.config = *config;
	draft->now.by_kernel = config->kernel_path[0] != '\0';
	draft->now.autostart = true;
	draft->now.vars = config->fresh_vars	 ? DRAFT_VARS_FRESH
			  : config->vars_path[0] ? DRAFT_VARS_KEEP
						 : DRAFT_VARS_NONE;
	text_copy(draft->vars_path, sizeof(draft->vars_path), config->vars_path);
	if (!draft->vars_path[0])
		text_copy(draft->vars_path, sizeof(draft->vars_path), VM_VARS_USUAL);
	if (entry) {
		text_copy(draft->id, sizeof(draft->id), entry->id);
		draft->now.keys = name_index(keys_names, COUNT(keys_names), entry->console.keys);
		draft->now.charset =
			name_index(charset_names, COUNT(charset_names), entry->console.charset);
		draft->now.autostart = entry->autostart;
		draft->now.tries = entry->tries;
	}
	draft->title.max = (int)sizeof(config->title) - 1;
	draft->kernel.max = draft->initrd.max = VM_PATH_SIZE - 1;
	draft->cmdline.max = VM_CMDLINE_SIZE - 1;
	draft->memory.max = draft->cpus.max = draft->tries.max = 20;
	field_set(&draft->title, config->title);
	field_set(&draft->kernel, config->kernel_path);
	field_set(&draft->initrd, config->initrd_path);
	field_set(&draft->cmdline, config->cmdline);
	field_set(&draft->memory, text_format_mib(config->memory, text, sizeof(text)));
	snprintf(text, sizeof(text), "%u", config->cpus);
	field_set(&draft->cpus, text);
	snprintf(text, sizeof(text), "%u", draft->now.tries);
	field_set(&draft->tries, text);
}

int draft_rows(const struct draft *draft, enum draft_row rows[DRAFT_ROWS])
{
	int count = 0;

	for (int row = 0; row < DRAFT_ROWS; row++) {
		bool of_firmware = row == DRAFT_FIRMWARE || row == DRAFT_VARS;
		bool of_kernel = row == DRAFT_KERNEL || row == DRAFT_INITRD || row == DRAFT_CMDLINE;

		if (draft->now.by_kernel ? of_firmware : of_kernel)
			continue;
		rows[count++] = (enum draft_row)row;
	}
	return count;
}

/* ---- what is wrong ---- */

static void check_text(struct form_row *row, enum ui_element element, const char *text)
{
	row->check_element = element;
	text_copy(row->check, sizeof(row->check), text);
}

static void check_memory(const struct draft *draft, const struct model *model, struct form_row *row)
{
	struct vmb_err err = {0};
	char room[16], all[16], text[32];
	uint64_t memory;

	field_value(&draft->memory, text, sizeof(text));
	if (plan_parse_memory(model, text, &memory, &err) < 0) {
		check_text(row, UI_BAD, err.text);
		return;
	}
	/* It may be free when this is started. */
	if (plan_memory_fits(model, memory, &err) < 0) {
		check_text(row, UI_WARN, err.text);
		return;
	}
	row->check_element = UI_GOOD;
	snprintf(row->check, sizeof(row->check), "%s of %s free",
		 text_format_size(model->welcome.host_memory_free, room, sizeof(room)),
		 text_format_size(model->welcome.host_memory, all, sizeof(all)));
}

static void check_cpus(const struct draft *draft, const struct model *model, struct form_row *row)
{
	struct vmb_err err = {0};
	uint32_t cpus;
	char text[32];

	if (plan_parse_cpus(model, field_value(&draft->cpus, text, sizeof(text)), &cpus, &err) <
	    0) {
		check_text(row, UI_BAD, err.text);
		return;
	}
	row->check_element = UI_GOOD;
	snprintf(row->check, sizeof(row->check), "this host has %u", model->welcome.host_cpus);
}

static void check_firmware(const struct draft *draft, const struct model *model,
			   struct form_row *row)
{
	const struct menu_firmware *firmware = describe_firmware(model, &draft->now.config);

	if (!draft->now.config.firmware_path[0])
		check_text(row, UI_BAD, "No firmware is chosen: Enter lists what was found.");
	else if (firmware && !firmware->usable)
		check_text(row, UI_BAD, firmware->reason);
	else if (firmware)
		snprintf(row->check, sizeof(row->check), "%s %s", firmware->kind,
			 firmware->version);
	else
		check_text(row, UI_WARN, "It is not among the images that were found.");
}

static void check_disks(const struct draft *draft, const struct model *model, struct form_row *row)
{
	const struct vm_config *config = &draft->now.config;

	for (unsigned int i = 0; i < config->disk_count; i++) {
		const struct vm_disk *disk = &config->disks[i];
		const struct menu_device *device = model_device(model, disk->path);
		enum plan_attach attach = disk->overlay	    ? PLAN_OVERLAY
					  : disk->read_only ? PLAN_READ_ONLY
							    : PLAN_READ_WRITE;
		const char *why = NULL;

		if (attach == PLAN_READ_WRITE)
			row->element = UI_WARN;
		/* A disk that is away may come back: that is no reason not to save. */
		row->check_element = UI_WARN;
		if (device && !plan_attach_allowed(model, device, attach, &why))
			snprintf(row->check, sizeof(row->check), "%s: %s. Will not start.",
				 device->name, why);
		else if (!device && (disk->path[0] != '/' || strncmp(disk->path, "/dev/", 5) == 0))
			snprintf(row->check, sizeof(row->check), "%s is not connected.",
				 disk->path);
	}
}

/* Where they are, if it is not the guest's own choice that they are nowhere. */
static void check_vars(const struct draft *draft, const struct model *model, struct form_row *row)
{
	struct vm_config config = {.cpus = 0};

	if (draft->now.vars == DRAFT_VARS_NONE)
		return;
	text_copy(config.vars_path, sizeof(config.vars_path), draft->vars_path);
	switch (describe_vars_kept(model, &config)) {
	case MENU_VARS_UNTIL_OFF:
		check_text(row, UI_WARN,
			   "In memory, gone at power-off. To keep them label a partition VMBOOT.");
		return;
	case MENU_VARS_NOT_KEPT:
		check_text(row, UI_WARN, "They cannot be kept now; the log (l) says why.");
		return;
	case MENU_VARS_LAST: break;
	}
	row->check_element = UI_NORMAL;
	snprintf(row->check, sizeof(row->check), "In %.200s.",
		 strcmp(draft->vars_path, VM_VARS_USUAL) == 0 ? model->welcome.vars_path
							      : draft->vars_path);
}

static void check_tries(const struct draft *draft, struct form_row *row)
{
	uint64_t tries;
	char text[32];

	field_value(&draft->tries, text, sizeof(text));
	if (text_parse_uint(text, 0, TRIES_MAX, &tries) < 0) {
		row->check_element = UI_BAD;
		snprintf(row->check, sizeof(row->check), "Write a number from 0 to %d.", TRIES_MAX);
	} else if (tries == 0) {
		check_text(row, UI_NORMAL, "no limit");
	}
}

static void check_path(const struct field *field, bool needed, struct form_row *row)
{
	char path[VM_PATH_SIZE];

	field_value(field, path, sizeof(path));
	if (!path[0] && needed)
		check_text(row, UI_BAD, "The path of the kernel is missing.");
	else if (path[0] && path[0] != '/')
		check_text(row, UI_BAD, "Write the whole path, from / on.");
}

/* ---- the rows ---- */

static const struct {
	enum form_kind kind;
	const char *label, *help;
} row_table[DRAFT_ROWS] = {
	[DRAFT_START] = {FORM_ACTION, "",
			 "Starts it as it stands here, this time only. F10 and ^X do so from every "
			 "line."},
	[DRAFT_SAVE] = {FORM_ACTION, "", "Keeps it in the settings. ^S does so from every line."},
	[DRAFT_TITLE] = {FORM_TEXT, "Title", "What the menu calls it."},
	[DRAFT_BOOTS] =
		{FORM_CHOICE, "Boots",
		 "firmware: UEFI, which then boots what the disks hold. kernel: a Linux kernel "
		 "of this host, at once."},
	[DRAFT_FIRMWARE] = {FORM_PICK, "Firmware", "The UEFI image, CLOUDHV.fd. Enter lists all."},
	[DRAFT_VARS] = {FORM_CHOICE, "Variables",
			"UEFI settings. kept: they last. start fresh: forget the kept ones once (a "
			"damaged file stays as .bad). not kept: forgotten at the end."},
	[DRAFT_KERNEL] = {FORM_TEXT, "Kernel", "A bzImage or vmlinux on this host: /boot/vmlinuz"},
	[DRAFT_INITRD] = {FORM_TEXT, "Initrd", "Its initial RAM disk; may be empty."},
	[DRAFT_CMDLINE] = {FORM_TEXT, "Command line",
			   "console=ttyS0 makes Linux talk to this console."},
	[DRAFT_DISKS] =
		{FORM_PICK, "Disks",
		 "read-write: the guest can change it. read-only: its writes fail. overlay: its "
		 "writes stay in memory. Enter lists all disks."},
	[DRAFT_MEMORY] = {FORM_TEXT, "Memory", "Memory of the VM: 512M, 2G, 1.5G; at least 64M."},
	[DRAFT_CPUS] = {FORM_TEXT, "CPUs", "Processors of the VM."},
	[DRAFT_NETS] = {FORM_PICK, "Network", "A network card for each interface that is chosen."},
	[DRAFT_PCI] = {FORM_PICK, "PCI devices",
		       "Devices of this host that the guest gets for itself."},
	[DRAFT_KEYS] =
		{FORM_CHOICE, "Console keys",
		 "How F10, Home or Delete reach the guest. auto: as firmware wants them, then as "
		 "the system does."},
	[DRAFT_CHARSET] = {FORM_CHOICE, "Console charset",
			   "What bytes above 127 mean. Older firmware draws its frames in CP437."},
	[DRAFT_AUTOSTART] =
		{FORM_CHOICE, "Autostart",
		 "May the countdown start it, as the default or when another one failed?"},
	[DRAFT_TRIES] =
		{FORM_TEXT, "Tries",
		 "After so many starts in a row that failed another entry is tried; 0: no limit."},
	[DRAFT_AFTER] =
		{FORM_CHOICE, "After power-off",
		 "What this machine does when the guest has switched itself off. Not after a "
		 "crash, and any key stops it."},
};

static const char *vars_name(enum draft_vars vars)
{
	static const char *const names[] = {"kept", "start fresh", "not kept"};

	return names[vars];
}

static const char *after_name(uint8_t after)
{
	static const char *const names[] = {
		[VM_AFTER_USUAL] = "as the settings say",
		[VM_AFTER_MENU] = "stays on",
		[VM_AFTER_POWEROFF] = "switches off",
		[VM_AFTER_REBOOT] = "restarts",
	};

	return names[after < VM_AFTER_COUNT ? after : VM_AFTER_USUAL];
}

static void describe_checks(struct draft *draft, const struct model *model, enum draft_row row,
			    struct form_row *ret)
{
	char title[sizeof(draft->now.config.title)];

	switch (row) {
	case DRAFT_TITLE:
		if (!field_value(&draft->title, title, sizeof(title))[0])
			check_text(ret, UI_BAD, "It needs a title.");
		break;
	case DRAFT_FIRMWARE: check_firmware(draft, model, ret); break;
	case DRAFT_VARS: check_vars(draft, model, ret); break;
	case DRAFT_KERNEL: check_path(&draft->kernel, true, ret); break;
	case DRAFT_INITRD: check_path(&draft->initrd, false, ret); break;
	case DRAFT_DISKS: check_disks(draft, model, ret); break;
	case DRAFT_MEMORY: check_memory(draft, model, ret); break;
	case DRAFT_CPUS: check_cpus(draft, model, ret); break;
	case DRAFT_TRIES: check_tries(draft, ret); break;
	default: break;
	}
}

static struct field *row_field(struct draft *draft, enum draft_row row)
{
	switch (row) {
	case DRAFT_TITLE: return &draft->title;
	case DRAFT_KERNEL: return &draft->kernel;
	case DRAFT_INITRD: return &draft->initrd;
	case DRAFT_CMDLINE: return &draft->cmdline;
	case DRAFT_MEMORY: return &draft->memory;
	case DRAFT_CPUS: return &draft->cpus;
	case DRAFT_TRIES: return &draft->tries;
	default: return NULL;
	}
}

/* The value of ROW as one text, whatever its kind. */
static void row_value(struct draft *draft, enum draft_row row, char *buf, size_t size)
{
	const struct draft_values *now = &draft->now;
	char text[2 * VM_PATH_SIZE + 16];

	buf[0] = '\0';
	switch (row) {
	case DRAFT_START: text_copy(buf, size, "Start"); break;
	case DRAFT_SAVE: text_copy(buf, size, "Save"); break;
	case DRAFT_BOOTS: text_copy(buf, size, now->by_kernel ? "kernel" : "firmware"); break;
	case DRAFT_FIRMWARE:
		text_copy(buf, size,
			  now->config.firmware_path[0]
				  ? describe_boot(&now->config, text, sizeof(text))
				  : "none");
		break;
	case DRAFT_VARS: text_copy(buf, size, vars_name(now->vars)); break;
	case DRAFT_DISKS:
		if (now->config.disk_count)
			describe_disks(&now->config, buf, size, (int)size - 1);
		else
			text_copy(buf, size, "none");
		break;
	case DRAFT_NETS: describe_nets(&now->config, buf, size); break;
	case DRAFT_PCI: describe_pcis(&now->config, buf, size); break;
	case DRAFT_KEYS: text_copy(buf, size, keys_names[now->keys]); break;
	case DRAFT_CHARSET: text_copy(buf, size, charset_names[now->charset]); break;
	case DRAFT_AUTOSTART: text_copy(buf, size, now->autostart ? "yes" : "no"); break;
	case DRAFT_AFTER: text_copy(buf, size, after_name(now->config.after)); break;
	default: text_copy(buf, size, row_field(draft, row)->text); break;
	}
}

static bool row_is_changed(struct draft *draft, enum draft_row row)
{
	char value[FIELD_SIZE];

	row_value(draft, row, value, sizeof(value));
	return strcmp(value, draft->saved[row]) != 0;
}

void draft_describe(struct draft *draft, const struct model *model, enum draft_row row,
		    struct form_row *ret_row)
{
	ret_row->kind = row_table[row].kind;
	ret_row->label = row_table[row].label;
	ret_row->help = row_table[row].help;
	ret_row->field = row_field(draft, row);
	row_value(draft, row, ret_row->value, sizeof(ret_row->value));
	ret_row->changed = row_is_changed(draft, row);
	describe_checks(draft, model, row, ret_row);
}

void draft_change(struct draft *draft, enum draft_row row, int step)
{
	struct draft_values *now = &draft->now;

	switch (row) {
	case DRAFT_BOOTS: now->by_kernel = !now->by_kernel; break;
	case DRAFT_VARS:
		now->vars = (enum draft_vars)(((int)now->vars + step + DRAFT_VARS_COUNT) %
					      DRAFT_VARS_COUNT);
		break;
	case DRAFT_KEYS:
		now->keys = (now->keys + (unsigned int)(step + (int)COUNT(keys_names))) %
			    COUNT(keys_names);
		break;
	case DRAFT_CHARSET:
		now->charset = (now->charset + (unsigned int)(step + (int)COUNT(charset_names))) %
			       COUNT(charset_names);
		break;
	case DRAFT_AUTOSTART: now->autostart = !now->autostart; break;
	case DRAFT_AFTER:
		now->config.after =
			(uint8_t)((now->config.after + step + VM_AFTER_COUNT) % VM_AFTER_COUNT);
		break;
	default: break;
	}
}

/* ---- the whole ---- */

/* Takes over what the fields say; the parsed ones are known to be good. */
static void collect(struct draft *draft, const struct model *model)
{
	struct vm_config *config = &draft->now.config;
	uint64_t tries = 0;
	char text[32];

	field_value(&draft->title, config->title, sizeof(config->title));
	plan_parse_memory(model, field_value(&draft->memory, text, sizeof(text)), &config->memory,
			  NULL);
	plan_parse_cpus(model, field_value(&draft->cpus, text, sizeof(text)), &config->cpus, NULL);
	text_parse_uint(field_value(&draft->tries, text, sizeof(text)), 0, TRIES_MAX, &tries);
	draft->now.tries = (uint32_t)tries;
}

/* CONFIG without what belongs to the other way of booting. */
static void settle_boot(const struct draft *draft, struct vm_config *config)
{
	if (draft->now.by_kernel) {
		config->firmware_device[0] = config->firmware_path[0] = config->vars_path[0] = '\0';
		config->fresh_vars = 0;
		field_value(&draft->kernel, config->kernel_path, sizeof(config->kernel_path));
		field_value(&draft->initrd, config->initrd_path, sizeof(config->initrd_path));
		field_value(&draft->cmdline, config->cmdline, sizeof(config->cmdline));
		return;
	}
	config->kernel_path[0] = config->initrd_path[0] = config->cmdline[0] = '\0';
	text_copy(config->vars_path, sizeof(config->vars_path),
		  draft->now.vars == DRAFT_VARS_NONE ? "" : draft->vars_path);
	config->fresh_vars = draft->now.vars == DRAFT_VARS_FRESH;
}

int draft_config(struct draft *draft, const struct model *model, struct vm_config *ret_config,
		 enum draft_row *ret_bad, struct vmb_err *err)
{
	enum draft_row rows[DRAFT_ROWS];
	int count = draft_rows(draft, rows);

	for (int i = 0; i < count; i++) {
		struct form_row row = {0};

		draft_describe(draft, model, rows[i], &row);
		if (!row.check[0] || row.check_element != UI_BAD)
			continue;
		*ret_bad = rows[i];
		return vmb_err_set(err, EINVAL, "%s", row.check);
	}
	collect(draft, model);
	*ret_config = draft->now.config;
	settle_boot(draft, ret_config);
	return 0;
}

void draft_save(const struct draft *draft, const struct vm_config *config,
		struct menu_entry_save *ret_save)
{
	memset(ret_save, 0, sizeof(*ret_save));
	text_copy(ret_save->id, sizeof(ret_save->id), draft->id);
	ret_save->autostart = draft->now.autostart;
	ret_save->tries = draft->now.tries;
	text_copy(ret_save->console.keys, sizeof(ret_save->console.keys),
		  keys_names[draft->now.keys]);
	text_copy(ret_save->console.charset, sizeof(ret_save->console.charset),
		  charset_names[draft->now.charset]);
	ret_save->config = *config;
	/* Starting fresh is for once, not for every start. */
	ret_save->config.fresh_vars = 0;
}

void draft_saved(struct draft *draft, const char *id)
{
	if (id)
		text_copy(draft->id, sizeof(draft->id), id);
	for (int row = 0; row < DRAFT_ROWS; row++)
		row_value(draft, (enum draft_row)row, draft->saved[row], sizeof(draft->saved[row]));
}

bool draft_is_changed(struct draft *draft)
{
	enum draft_row rows[DRAFT_ROWS];
	int count = draft_rows(draft, rows);

	for (int i = 0; i < count; i++)
		if (row_is_changed(draft, rows[i]))
			return true;
	return false;
}
