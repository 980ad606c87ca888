/* What menus want: see daemon/clients_internal.h. One row of the table is one message. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clients_internal.h"
#include "facts.h"
#include "host_pci.h"
#include "log.h"
#include "nics.h"
#include "text.h"

#define MAX_INPUT 4096
#define ANY_SIZE  SIZE_MAX

bool clients_has_password(const struct clients *clients)
{
	return settings_get(clients->parts.settings)->values.has_password;
}

bool clients_is_locked(const struct client *c)
{
	return clients_has_password(c->clients) && !c->unlocked && !c->trusted;
}

/*
 * Grants a wish: 0; 1 when it is done, but (the sentence is a notice); -errno with the sentence, which is a
 * refusal; -EBADMSG without one drops the client.
 */
typedef int (*grant_fn)(struct client *c, const void *body, size_t size, struct vmb_err *err);

/* ---- the machine ---- */

static int take_keyboard(struct client *c)
{
	if (c->clients->keyboard != c->id) {
		c->clients->keyboard = c->id;
		clients_tell_all(c->clients, DUE_VM);
	}
	return 0;
}

static int grant_start(struct client *c, const void *body, size_t size, struct vmb_err *err)
{
	struct vm_config config;
	int rc;

	(void)size;
	memcpy(&config, body, sizeof(config));
	rc = c->clients->events->start(c->clients->ctx, &config, err);
	return rc < 0 ? rc : take_keyboard(c);
}

/* The id in BODY, terminated. */
static char *id_of(const void *body, char id[MENU_ID_SIZE])
{
	memcpy(id, body, MENU_ID_SIZE);
	id[MENU_ID_SIZE - 1] = '\0';
	return id;
}

static int grant_entry_start(struct client *c, const void *body, size_t size, struct vmb_err *err)
{
	char id[MENU_ID_SIZE];
	int rc;

	(void)size;
	id_of(body, id);
	if (clients_is_locked(c) &&
	    strcmp(id, settings_default(c->clients->parts.settings)) != 0)
		return vmb_err_set(err, EPERM,
				   "The menu is locked: only the default entry starts. Unlock it "
				   "first.");
	rc = c->clients->events->start_entry(c->clients->ctx, id, err);
	return rc < 0 ? rc : take_keyboard(c);
}

static int check_running(struct client *c, struct vmb_err *err)
{
	struct menu_vm vm;

	machine_describe(c->clients->parts.machine, &vm);
	if (vm.state != MENU_VM_RUNNING)
		return vmb_err_set(err, ENOENT, "%s",
				   vm.state == MENU_VM_STARTING
					   ? "The virtual machine is still starting."
					   : "No virtual machine is running.");
	return 0;
}

static int grant_running(struct client *c, uint32_t type, struct vmb_err *err)
{
	struct machine *machine = c->clients->parts.machine;
	int rc = check_running(c, err);

	if (rc < 0)
		return rc;
	if (type == MENU_VM_PAUSE) {
		machine_pause(machine);
	} else if (type == MENU_VM_RESUME) {
		machine_resume(machine);
	} else {
		c->status_wanted = true;
		machine_get_status(machine);
	}
	return 0;
}

static int grant_pause(struct client *c, const void *body, size_t size, struct vmb_err *err)
{
	(void)body;
	(void)size;
	return grant_running(c, MENU_VM_PAUSE, err);
}

static int grant_resume(struct client *c, const void *body, size_t size, struct vmb_err *err)
{
	(void)body;
	(void)size;
	return grant_running(c, MENU_VM_RESUME, err);
}

static int grant_status(struct client *c, const void *body, size_t size, struct vmb_err *err)
{
	(void)body;
	(void)size;
	return grant_running(c, MENU_VM_STATUS, err);
}

static int grant_grow(struct client *c, const void *body, size_t size, struct vmb_err *err)
{
	struct machine *machine = c->clients->parts.machine;
	uint32_t disk;
	int rc = check_running(c, err);

	memcpy(&disk, body, size);
	if (rc == 0)
		rc = machine_grow_disk(machine, disk, err);
	if (rc < 0)
		return rc;
	c->status_wanted = true;
	machine_get_status(machine);
	return 0;
}

static int grant_balloon(struct client *c, const void *body, size_t size, struct vmb_err *err)
{
	uint64_t bytes;
	int rc = check_running(c, err);

	memcpy(&bytes, body, size);
	return rc < 0 ? rc : machine_set_balloon(c->clients->parts.machine, bytes, err);
}

static int grant_link(struct client *c, const void *body, size_t size, struct vmb_err *err)
{
	struct vmm_set_link link;
	int rc = check_running(c, err);

	memcpy(&link, body, size);
	if (rc == 0)
		rc = machine_set_link(c->clients->parts.machine, link.net, link.up, err);
	if (rc == 0)
		c->due |= DUE_VM;
	return rc;
}

/* What cannot fail and has no body. */
#define GRANT_BARE(name, act)                                                    \
	static int grant_##name(struct client *c, const void *body, size_t size, \
				struct vmb_err *err)                             \
	{                                                                        \
		(void)body;                                                      \
		(void)size;                                                      \
		(void)err;                                                       \
		act;                                                             \
		return 0;                                                        \
	}

static void open_console(struct client *c, bool ends)
{
	c->console = true;
	c->console_ends = ends;
	c->console_pos = machine_output_start(c->clients->parts.machine);
	c->console_limit = machine_output_end(c->clients->parts.machine);
	c->console_live = c->console_limit;
	c->console_live_due = !ends;
}

GRANT_BARE(reset, machine_reset(c->clients->parts.machine))
GRANT_BARE(power_button, machine_power_button(c->clients->parts.machine))
GRANT_BARE(kill, machine_stop(c->clients->parts.machine))
GRANT_BARE(forget, machine_forget(c->clients->parts.machine))
GRANT_BARE(rescan, c->clients->events->rescan(c->clients->ctx))
GRANT_BARE(scan_cancel, c->clients->events->scan_cancel(c->clients->ctx))
GRANT_BARE(console_open, open_console(c, false))
GRANT_BARE(console_log, open_console(c, true))
GRANT_BARE(console_close, c->console = false)
GRANT_BARE(keyboard, take_keyboard(c))

static int grant_input(struct client *c, const void *body, size_t size, struct vmb_err *err)
{
	const struct client *owner = clients_find(c->clients, c->clients->keyboard);

	if (size == 0 || size > MAX_INPUT)
		return -EBADMSG;
	if (owner && owner != c)
		return vmb_err_set(err, EPERM, "%s has the keyboard of the guest. Take it first.",
				   owner->name);
	take_keyboard(c);
	machine_input(c->clients->parts.machine, body, size);
	return 0;
}

static int grant_break(struct client *c, const void *body, size_t size, struct vmb_err *err)
{
	const struct client *owner = clients_find(c->clients, c->clients->keyboard);

	(void)body;
	(void)size;
	if (owner && owner != c)
		return vmb_err_set(err, EPERM, "%s has the keyboard of the guest. Take it first.",
				   owner->name);
	machine_break(c->clients->parts.machine);
	return 0;
}

static int grant_vm_log(struct client *c, const void *body, size_t size, struct vmb_err *err)
{
	(void)size;
	(void)err;
	machine_log(c->clients->parts.machine, *(const uint8_t *)body != 0);
	return 0;
}

/* ---- entries ---- */

/* The answer to what made or renamed an entry. */
static int saved(struct client *c, int rc, const char *id)
{
	if (rc >= 0) {
		memcpy(c->saved_id, id, sizeof(c->saved_id));
		c->due |= DUE_SAVED;
	}
	return rc;
}

static int grant_save(struct client *c, const void *body, size_t size, struct vmb_err *err)
{
	char id[MENU_ID_SIZE] = "";
	int rc;

	(void)size;
	rc = entries_save(c->clients->parts.entries, body, id, err);
	return saved(c, rc, id);
}

static int grant_named(struct client *c, const void *body, struct vmb_err *err,
		       int (*act)(struct entries *entries, const char *id, const char *title,
				  char *ret_id, struct vmb_err *err))
{
	struct menu_entry_name name;
	char id[MENU_ID_SIZE] = "";
	int rc;

	memcpy(&name, body, sizeof(name));
	name.id[sizeof(name.id) - 1] = '\0';
	name.title[sizeof(name.title) - 1] = '\0';
	rc = act(c->clients->parts.entries, name.id, name.title, id, err);
	return saved(c, rc, id);
}

static int grant_copy(struct client *c, const void *body, size_t size, struct vmb_err *err)
{
	(void)size;
	return grant_named(c, body, err, entries_copy);
}

static int grant_rename(struct client *c, const void *body, size_t size, struct vmb_err *err)
{
	(void)size;
	return grant_named(c, body, err, entries_rename);
}

static int grant_delete(struct client *c, const void *body, size_t size, struct vmb_err *err)
{
	char id[MENU_ID_SIZE];

	(void)size;
	return entries_delete(c->clients->parts.entries, id_of(body, id), err);
}

static int grant_set_default(struct client *c, const void *body, size_t size, struct vmb_err *err)
{
	char id[MENU_ID_SIZE];

	(void)size;
	return entries_set_default(c->clients->parts.entries, id_of(body, id), err);
}

static int grant_set_once(struct client *c, const void *body, size_t size, struct vmb_err *err)
{
	char id[MENU_ID_SIZE];

	(void)size;
	return entries_set_once(c->clients->parts.entries, id_of(body, id), err);
}

/* ---- the rest ---- */

static int grant_settings(struct client *c, const void *body, size_t size, struct vmb_err *err)
{
	struct menu_settings values;
	int rc;

	(void)size;
	memcpy(&values, body, sizeof(values));
	rc = settings_save(c->clients->parts.settings, &values, err);
	if (rc >= 0)
		clients_tell_all(c->clients, DUE_SETTINGS);
	return rc;
}

GRANT_BARE(countdown_pause, autoboot_pause(c->clients->parts.autoboot))
GRANT_BARE(countdown_cancel, autoboot_cancel(c->clients->parts.autoboot, NULL))
GRANT_BARE(log_stop, c->log_pos = 0)

static int grant_log_follow(struct client *c, const void *body, size_t size, struct vmb_err *err)
{
	(void)size;
	(void)err;
	memcpy(&c->log_pos, body, sizeof(c->log_pos));
	if (c->log_pos == 0)
		c->log_pos = 1;
	return 0;
}

static int grant_nics(struct client *c, const void *body, size_t size, struct vmb_err *err)
{
	struct menu_nic *nics;
	size_t count;
	int rc = nics_gather("", &nics, &count);

	(void)body;
	(void)size;
	if (rc < 0)
		return vmb_err_set(err, -rc, "The network interfaces cannot be listed: %s.",
				   strerror(-rc));
	free(c->clients->nics);
	c->clients->nics = nics;
	c->clients->nic_count = count;
	c->clients->generations[LIST_NICS]++;
	c->lists[LIST_NICS].wanted = true;
	return 0;
}

static int grant_pci(struct client *c, const void *body, size_t size, struct vmb_err *err)
{
	struct menu_pci *pcis;
	size_t count;
	int rc = host_pci_gather("", &pcis, &count);

	(void)body;
	(void)size;
	if (rc < 0)
		return vmb_err_set(err, -rc, "The PCI devices cannot be listed: %s.",
				   strerror(-rc));
	host_pci_gather_state("", &c->clients->pci_state);
	free(c->clients->pcis);
	c->clients->pcis = pcis;
	c->clients->pci_count = count;
	c->clients->generations[LIST_PCI]++;
	c->lists[LIST_PCI].wanted = true;
	c->due |= DUE_PCI_STATE;
	return 0;
}

static int grant_unlock(struct client *c, const void *body, size_t size, struct vmb_err *err)
{
	char password[MENU_MAX_PASSWORD + 1];
	int rc;

	if (size == 0 || size > MENU_MAX_PASSWORD)
		return -EBADMSG;
	memcpy(password, body, size);
	password[size] = '\0';
	rc = settings_check_password(c->clients->parts.settings, password, err);
	explicit_bzero(password, sizeof(password));
	if (rc < 0)
		log_warn("%s gave a wrong password", c->name);
	c->unlocked = c->unlocked || rc == 0;
	c->due |= DUE_LOCK;
	return rc;
}

/* Who sets it has proved to know it; every other menu has to. */
static int grant_password(struct client *c, const void *body, size_t size, struct vmb_err *err)
{
	char password[MENU_MAX_PASSWORD + 1];
	int rc;

	if (size > MENU_MAX_PASSWORD || memchr(body, '\0', size))
		return -EBADMSG;
	memcpy(password, body, size);
	password[size] = '\0';
	rc = settings_set_password(c->clients->parts.settings, password, err);
	explicit_bzero(password, sizeof(password));
	if (rc < 0)
		return rc;
	log_info("%s %s the password", c->name, size ? "has set" : "has taken away");
	for (struct client *other = c->clients->list; other; other = other->next)
		other->unlocked = other == c;
	clients_tell_all(c->clients, DUE_SETTINGS | DUE_LOCK);
	return rc;
}

static int grant_facts(struct client *c, const void *body, size_t size, struct vmb_err *err)
{
	struct menu_fact *facts;
	size_t count;
	int rc = facts_gather(&facts, &count);

	(void)body;
	(void)size;
	if (rc < 0)
		return vmb_err_set(err, -rc,
				   "There is not enough memory to look at the machine.");
	free(c->clients->facts);
	c->clients->facts = facts;
	c->clients->fact_count = count;
	c->clients->generations[LIST_FACTS]++;
	c->lists[LIST_FACTS].wanted = true;
	return 0;
}

static int grant_power(struct client *c, const void *body, size_t size, struct vmb_err *err)
{
	uint32_t how;

	(void)size;
	memcpy(&how, body, sizeof(how));
	return c->clients->events->power(c->clients->ctx, how, err);
}

static int grant_report(struct client *c, const void *body, size_t size, struct vmb_err *err)
{
	struct menu_report_to to;

	(void)size;
	memcpy(&to, body, sizeof(to));
	to.target[sizeof(to.target) - 1] = '\0';
	return c->clients->events->report(c->clients->ctx, c->id, to.target, err);
}

GRANT_BARE(lock, (c->unlocked = false, c->due |= DUE_LOCK))

struct wish {
	uint32_t type;
	size_t size;
	bool when_locked; /* also without the password */
	grant_fn grant;
};

static const struct wish wishes[] = {
	{MENU_START, sizeof(struct vm_config), false, grant_start},
	{MENU_ENTRY_START, sizeof(struct menu_entry_id), true, grant_entry_start},
	{MENU_VM_RESET, 0, false, grant_reset},
	{MENU_VM_POWER, 0, true, grant_power_button},
	{MENU_VM_KILL, 0, false, grant_kill},
	{MENU_VM_FORGET, 0, true, grant_forget},
	{MENU_VM_PAUSE, 0, false, grant_pause},
	{MENU_VM_RESUME, 0, false, grant_resume},
	{MENU_VM_STATUS, 0, true, grant_status},
	{MENU_VM_GROW_DISK, sizeof(uint32_t), false, grant_grow},
	{MENU_VM_LINK, sizeof(struct vmm_set_link), false, grant_link},
	{MENU_VM_BALLOON, sizeof(uint64_t), false, grant_balloon},
	{MENU_RESCAN, 0, true, grant_rescan},
	{MENU_SCAN_CANCEL, 0, false, grant_scan_cancel},
	{MENU_CONSOLE_OPEN, 0, true, grant_console_open},
	{MENU_CONSOLE_LOG, 0, true, grant_console_log},
	{MENU_CONSOLE_CLOSE, 0, true, grant_console_close},
	{MENU_INPUT, ANY_SIZE, true, grant_input},
	{MENU_VM_BREAK, 0, true, grant_break},
	{MENU_VM_LOG, sizeof(uint8_t), false, grant_vm_log},
	{MENU_KEYBOARD_TAKE, 0, true, grant_keyboard},
	{MENU_ENTRY_SAVE, sizeof(struct menu_entry_save), false, grant_save},
	{MENU_ENTRY_COPY, sizeof(struct menu_entry_name), false, grant_copy},
	{MENU_ENTRY_RENAME, sizeof(struct menu_entry_name), false, grant_rename},
	{MENU_ENTRY_DELETE, sizeof(struct menu_entry_id), false, grant_delete},
	{MENU_ENTRY_SET_DEFAULT, sizeof(struct menu_entry_id), false, grant_set_default},
	{MENU_ENTRY_SET_ONCE, sizeof(struct menu_entry_id), false, grant_set_once},
	{MENU_SETTINGS_SAVE, sizeof(struct menu_settings), false, grant_settings},
	{MENU_COUNTDOWN_PAUSE, 0, true, grant_countdown_pause},
	{MENU_COUNTDOWN_CANCEL, 0, false, grant_countdown_cancel},
	{MENU_LOG_FOLLOW, sizeof(uint64_t), true, grant_log_follow},
	{MENU_LOG_STOP, 0, true, grant_log_stop},
	{MENU_NICS_GET, 0, true, grant_nics},
	{MENU_PCI_GET, 0, true, grant_pci},
	{MENU_UNLOCK, ANY_SIZE, true, grant_unlock},
	{MENU_LOCK, 0, true, grant_lock},
	{MENU_PASSWORD, ANY_SIZE, false, grant_password},
	{MENU_FACTS_GET, 0, true, grant_facts},
	{MENU_POWER, sizeof(uint32_t), false, grant_power},
	{MENU_REPORT, sizeof(struct menu_report_to), false, grant_report},
};

static int handle_hello(struct client *c, const void *body, size_t size)
{
	struct menu_hello hello = {0};
	struct vmb_err err;

	/* Another version's hello may be shorter, or longer. */
	if (size < sizeof(hello.version))
		return -EBADMSG;
	memcpy(&hello, body, size < sizeof(hello) ? size : sizeof(hello));
	if (hello.version != MENU_PROTO_VERSION) {
		vmb_err_set(&err, EPROTO,
			    "This menu speaks version %u, the running daemon version %d. "
			    "End the daemon and start it again from the same program.",
			    hello.version, MENU_PROTO_VERSION);
		clients_answer(c, MENU_REFUSED, MENU_HELLO, &err);
		c->leaving = true;
		return 0;
	}
	text_escape(c->name, sizeof(c->name), hello.name, strnlen(hello.name, sizeof(hello.name)));
	if (!c->name[0])
		snprintf(c->name, sizeof(c->name), "menu %llu", (unsigned long long)c->id);
	/* A second hello asks for today's figures. */
	c->due |= c->greeted ? DUE_HELLO : DUE_FIRST;
	c->trusted = hello.trusted != 0;
	c->greeted = true;
	return 0;
}

static int grant_wish(struct client *c, const struct wish *wish, const void *body, size_t size)
{
	struct vmb_err err = {0};
	int rc;

	if (!wish->when_locked && clients_is_locked(c))
		rc = vmb_err_set(&err, EPERM,
				 "The menu is locked: only the default entry starts. Unlock it "
				 "first.");
	else
		rc = wish->grant(c, body, size, &err);
	if (rc != 0 && err.code == 0)
		return rc;
	if (rc != 0)
		clients_answer(c, rc < 0 ? MENU_REFUSED : MENU_NOTICE, wish->type, &err);
	return 0;
}

int clients_handle(struct client *c, uint32_t type, const void *body, size_t size)
{
	if (type == MENU_HELLO)
		return handle_hello(c, body, size);
	if (!c->greeted)
		return -EBADMSG;
	for (size_t i = 0; i < sizeof(wishes) / sizeof(wishes[0]); i++)
		if (wishes[i].type == type)
			return size == wishes[i].size || wishes[i].size == ANY_SIZE
				       ? grant_wish(c, &wishes[i], body, size)
				       : -EBADMSG;
	return -EBADMSG;
}
