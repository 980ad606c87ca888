/* What menus are told: see daemon/clients_internal.h. */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "clients_internal.h"
#include "proto.h"
#include "text.h"

#define CONSOLE_CHUNK 16384

/* ---- each returns 0 when its matter is settled, or proto_send()'s error ---- */

static int send_body(struct client *c, unsigned int due, uint32_t type, const void *body,
		     size_t size)
{
	int rc = proto_send(c->sock, type, body, size, NULL, 0);

	if (rc == 0)
		c->due &= ~due;
	return rc;
}

static int send_welcome(struct client *c)
{
	struct menu_welcome welcome = {.version = MENU_PROTO_VERSION, .client = c->id};

	if (!(c->due & DUE_WELCOME))
		return 0;
	text_copy(welcome.client_name, sizeof(welcome.client_name), c->name);
	c->clients->events->welcome(c->clients->ctx, &welcome);
	return send_body(c, DUE_WELCOME, MENU_WELCOME, &welcome, sizeof(welcome));
}

static int send_refusals(struct client *c)
{
	while (c->refusal_count > 0) {
		const struct refusal *r = &c->refusals[0];
		char body[sizeof(r->type) + sizeof(r->err.text)];
		size_t n = strlen(r->err.text);
		int rc;

		memcpy(body, &r->type, sizeof(r->type));
		memcpy(body + sizeof(r->type), r->err.text, n);
		rc = proto_send(c->sock, r->answer, body, sizeof(r->type) + n, NULL, 0);
		if (rc < 0)
			return rc;
		c->refusal_count--;
		memmove(&c->refusals[0], &c->refusals[1],
			c->refusal_count * sizeof(c->refusals[0]));
	}
	return 0;
}

static int send_vm(struct client *c)
{
	const struct client *owner = clients_find(c->clients, c->clients->keyboard);
	struct menu_vm vm;

	if (!(c->due & DUE_VM))
		return 0;
	machine_describe(c->clients->parts.machine, &vm);
	if (owner) {
		vm.keyboard = owner->id;
		text_copy(vm.keyboard_name, sizeof(vm.keyboard_name), owner->name);
	}
	return send_body(c, DUE_VM, MENU_VM, &vm, sizeof(vm));
}

static int send_status(struct client *c)
{
	const struct vmm_status *status = &c->clients->status;

	if (!(c->due & DUE_STATUS))
		return 0;
	return send_body(c, DUE_STATUS, MENU_STATUS, status, sizeof(*status));
}

static int send_settings(struct client *c)
{
	struct menu_settings settings;

	if (!(c->due & DUE_SETTINGS))
		return 0;
	settings_describe(c->clients->parts.settings, &settings);
	settings.problem_count += entries_problems(c->clients->parts.entries);
	return send_body(c, DUE_SETTINGS, MENU_SETTINGS, &settings, sizeof(settings));
}

static int send_countdown(struct client *c)
{
	struct menu_countdown countdown;

	if (!(c->due & DUE_COUNTDOWN))
		return 0;
	autoboot_describe(c->clients->parts.autoboot, &countdown);
	return send_body(c, DUE_COUNTDOWN, MENU_COUNTDOWN, &countdown, sizeof(countdown));
}

static int send_lock(struct client *c)
{
	struct menu_lock_state lock = {.has_password = clients_has_password(c->clients),
				       .locked = clients_is_locked(c)};

	if (!(c->due & DUE_LOCK))
		return 0;
	return send_body(c, DUE_LOCK, MENU_LOCK_STATE, &lock, sizeof(lock));
}

static int send_pci_state(struct client *c)
{
	const struct menu_pci_state *state = &c->clients->pci_state;

	if (!(c->due & DUE_PCI_STATE))
		return 0;
	return send_body(c, DUE_PCI_STATE, MENU_PCI_STATE, state, sizeof(*state));
}

static int send_log_state(struct client *c)
{
	struct menu_log_state state;

	if (!(c->due & DUE_LOG_STATE))
		return 0;
	logbook_describe(c->clients->parts.logbook, &state);
	return send_body(c, DUE_LOG_STATE, MENU_LOG_STATE, &state, sizeof(state));
}

/* ---- lists ---- */

struct list {
	uint32_t type;
	const void *items;
	size_t count, item_size;
};

static struct list list_of(const struct clients *clients, enum client_list which)
{
	struct list list = {.type = 0};

	switch (which) {
	case LIST_DEVICES:
		list.type = MENU_DEVICES;
		list.items = discovery_devices(clients->parts.discovery, &list.count);
		list.item_size = sizeof(struct menu_device);
		break;
	case LIST_FIRMWARES:
		list.type = MENU_FIRMWARES;
		list.items = discovery_firmwares(clients->parts.discovery, &list.count);
		list.item_size = sizeof(struct menu_firmware);
		break;
	case LIST_ENTRIES:
		list.type = MENU_ENTRIES;
		list.items = entries_list(clients->parts.entries, &list.count);
		list.item_size = sizeof(struct menu_entry);
		break;
	case LIST_FACTS:
		list = (struct list){MENU_FACTS, clients->facts, clients->fact_count,
				     sizeof(*clients->facts)};
		break;
	case LIST_NICS:
		list = (struct list){MENU_NICS, clients->nics, clients->nic_count,
				     sizeof(*clients->nics)};
		break;
	case LIST_PCI:
		list = (struct list){MENU_PCI, clients->pcis, clients->pci_count,
				     sizeof(*clients->pcis)};
		break;
	default: break;
	}
	return list;
}

/*
 * Sends the rest of a list in parts. When the list changed between two parts it begins anew: a menu
 * throws away what it had at each first part.
 */
static int send_list(struct client *c, enum client_list which)
{
	struct list_state *state = &c->lists[which];
	uint64_t generation = c->clients->generations[which];
	uint8_t body[PROTO_MAX_BODY];
	struct list list;
	size_t cap;

	if (state->sent == generation || (which >= LIST_FACTS && !state->wanted))
		return 0;
	list = list_of(c->clients, which);
	cap = (sizeof(body) - sizeof(struct menu_list)) / list.item_size;
	if (state->sending != generation) {
		state->sending = generation;
		state->next = 0;
	}
	for (;;) {
		size_t n = list.count - state->next < cap ? list.count - state->next : cap;
		struct menu_list head = {
			.count = (uint32_t)n,
			.first = state->next == 0,
			.last = state->next + n == list.count,
			.scanning = discovery_scanning(c->clients->parts.discovery),
			.live = discovery_is_live(c->clients->parts.discovery),
		};
		int rc;

		memcpy(body, &head, sizeof(head));
		if (n > 0)
			memcpy(body + sizeof(head),
			       (const uint8_t *)list.items + state->next * list.item_size,
			       n * list.item_size);
		rc = proto_send(c->sock, list.type, body, sizeof(head) + n * list.item_size, NULL,
				0);
		if (rc < 0)
			return rc;
		state->next += n;
		if (head.last)
			break;
	}
	state->sent = generation;
	state->wanted = false;
	return 0;
}

static int send_lists(struct client *c)
{
	int rc = 0;

	for (int which = 0; rc == 0 && which < LIST_COUNT; which++)
		rc = send_list(c, (enum client_list)which);
	return rc;
}

/* After the list that has it. */
static int send_saved(struct client *c)
{
	struct menu_entry_id saved;

	if (!(c->due & DUE_SAVED))
		return 0;
	memcpy(saved.id, c->saved_id, sizeof(saved.id));
	return send_body(c, DUE_SAVED, MENU_ENTRY_SAVED, &saved, sizeof(saved));
}

static int send_reported(struct client *c)
{
	if (!(c->due & DUE_REPORTED))
		return 0;
	return send_body(c, DUE_REPORTED, MENU_REPORTED, c->report_path, strlen(c->report_path));
}

/* ---- what goes on ---- */

static int send_log(struct client *c)
{
	struct {
		struct menu_list head;
		struct menu_log_line lines[64];
	} body;
	int rc = 0;

	while (rc == 0 && c->log_pos > 0) {
		size_t n = logbook_read(c->clients->parts.logbook, c->log_pos, body.lines,
					sizeof(body.lines) / sizeof(body.lines[0]));

		if (n == 0)
			break;
		body.head = (struct menu_list){.count = (uint32_t)n, .first = 1, .last = 1};
		rc = proto_send(c->sock, MENU_LOG, &body,
				sizeof(body.head) + n * sizeof(body.lines[0]), NULL, 0);
		if (rc == 0)
			c->log_pos = body.lines[n - 1].seq + 1;
	}
	return rc;
}

static int send_lost(struct client *c, uint64_t start)
{
	uint64_t lost = start - c->console_pos;
	int rc = proto_send(c->sock, MENU_CONSOLE_LOST, &lost, sizeof(lost), NULL, 0);

	if (rc == 0)
		c->console_pos = start;
	return rc;
}

static uint64_t console_end(const struct client *c)
{
	return c->console_ends ? c->console_limit : machine_output_end(c->clients->parts.machine);
}

static int send_console_end(struct client *c)
{
	int rc = proto_send(c->sock, MENU_CONSOLE_END, NULL, 0, NULL, 0);

	c->console = rc < 0;
	return rc;
}

static int send_console_live(struct client *c)
{
	int rc = 0;

	if (c->console && c->console_live_due && c->console_pos >= c->console_live) {
		rc = proto_send(c->sock, MENU_CONSOLE_LIVE, NULL, 0, NULL, 0);
		c->console_live_due = rc < 0;
	}
	return rc;
}

static int send_console(struct client *c)
{
	const struct machine *machine = c->clients->parts.machine;
	uint8_t buf[CONSOLE_CHUNK];
	int rc = send_console_live(c);

	while (rc == 0 && c->console && c->console_pos < console_end(c)) {
		uint64_t start = machine_output_start(machine);
		size_t n;

		if (c->console_pos < start) {
			rc = send_lost(c, start);
			continue;
		}
		n = machine_read_output(machine, c->console_pos, buf, sizeof(buf));
		if (n > console_end(c) - c->console_pos)
			n = (size_t)(console_end(c) - c->console_pos);
		if (c->console_live_due && n > c->console_live - c->console_pos)
			n = (size_t)(c->console_live - c->console_pos);
		rc = proto_send(c->sock, MENU_CONSOLE, buf, n, NULL, 0);
		if (rc == 0) {
			c->console_pos += n;
			rc = send_console_live(c);
		}
	}
	if (rc == 0 && c->console && c->console_ends)
		rc = send_console_end(c);
	return rc;
}

int clients_send_due(struct client *c)
{
	static int (*const steps[])(struct client * c) = {
		send_welcome,  send_refusals,  send_vm,	   send_status,
		send_settings, send_lock,      send_pci_state, send_lists, send_countdown,
		send_saved,    send_reported,  send_log_state, send_log,
		send_console,
	};
	int rc = 0;

	if (!c->greeted && !c->leaving)
		return 0;
	if (!c->greeted)
		rc = send_refusals(c);
	for (size_t i = 0; c->greeted && rc == 0 && i < sizeof(steps) / sizeof(steps[0]); i++)
		rc = steps[i](c);
	if (rc == -EAGAIN) {
		loop_set_events(c->io, POLLIN | POLLOUT);
		return 0;
	}
	loop_set_events(c->io, POLLIN);
	return rc == 0 && c->leaving ? -ESHUTDOWN : rc;
}
