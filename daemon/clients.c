/* See daemon/clients.h. */
#include "clients.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "proto.h"

#define MAX_CLIENTS   32
#define MAX_REFUSALS  4
#define MAX_INPUT     4096
#define CONSOLE_CHUNK 16384
/* Messages that one menu may have handled in a row before the others have their turn. */
#define MESSAGES_A_TURN 16

struct refusal {
	uint32_t type;
	struct vmb_err err;
};

/* How far a list message with several parts got; NEXT counts within generation SENDING. */
struct list_state {
	uint64_t sent, sending; /* generations of struct clients; 0: none */
	size_t next;
};

struct client {
	struct client *next;
	struct clients *clients;
	int sock;
	struct loop_io *io;
	bool greeted;  /* MENU_HELLO came */
	bool welcomed; /* MENU_WELCOME was sent */
	bool vm_due;
	bool leaving; /* goes as soon as its refusals are sent */
	bool gone;    /* to be freed by sweep(): callers up the stack may still hold it */
	bool console; /* MENU_CONSOLE_OPEN or MENU_CONSOLE_LOG */
	bool console_ends;
	uint64_t console_pos;
	uint64_t console_limit; /* if it ends: where */
	bool status_wanted;	/* the machine is asked */
	bool status_due;
	struct list_state devices, firmwares, entries;
	bool settings_sent;
	struct refusal refusals[MAX_REFUSALS];
	unsigned int refusal_count;
};

struct clients {
	struct loop *loop;
	struct discovery *discovery;
	struct machine *machine;
	const struct clients_events *events;
	void *ctx;
	struct client *list;
	unsigned int count;
	unsigned int depth;	  /* of calls that walk or hold clients */
	uint64_t generation;	  /* of the lists */
	struct vmm_status status; /* the machine's last answer */
};

int clients_create(struct loop *loop, struct discovery *discovery, struct machine *machine,
		   const struct clients_events *events, void *ctx, struct clients **ret_clients)
{
	struct clients *clients = calloc(1, sizeof(*clients));

	if (!clients)
		return -ENOMEM;
	*clients = (struct clients){.loop = loop,
				    .discovery = discovery,
				    .machine = machine,
				    .events = events,
				    .ctx = ctx,
				    .generation = 1};
	*ret_clients = clients;
	return 0;
}

static void enter(struct clients *clients)
{
	clients->depth++;
}

/* The outermost caller frees who is gone; then tells, since that may end everything. */
static void leave(struct clients *clients)
{
	unsigned int dropped = 0;

	if (--clients->depth > 0)
		return;
	for (struct client **at = &clients->list; *at;) {
		struct client *client = *at;

		if (!client->gone) {
			at = &client->next;
			continue;
		}
		*at = client->next;
		loop_remove_io(client->io);
		close(client->sock);
		free(client);
		dropped++;
	}
	clients->count -= dropped;
	if (dropped > 0)
		clients->events->left(clients->ctx);
}

void clients_destroy(struct clients *clients)
{
	if (!clients)
		return;
	while (clients->list) {
		struct client *client = clients->list;

		clients->list = client->next;
		loop_remove_io(client->io);
		close(client->sock);
		free(client);
	}
	free(clients);
}

unsigned int clients_count(const struct clients *clients)
{
	return clients->count;
}

/* ---- sending: each returns 0 when its matter is settled, or proto_send()'s error ---- */

static int send_welcome(struct client *c)
{
	struct menu_welcome welcome = {.version = MENU_PROTO_VERSION};
	int rc;

	if (c->welcomed)
		return 0;
	c->clients->events->welcome(c->clients->ctx, &welcome);
	rc = proto_send(c->sock, MENU_WELCOME, &welcome, sizeof(welcome), NULL, 0);
	c->welcomed = rc == 0;
	return rc;
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
		rc = proto_send(c->sock, MENU_REFUSED, body, sizeof(r->type) + n, NULL, 0);
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
	struct menu_vm vm;
	int rc;

	if (!c->vm_due)
		return 0;
	machine_describe(c->clients->machine, &vm);
	rc = proto_send(c->sock, MENU_VM, &vm, sizeof(vm), NULL, 0);
	c->vm_due = rc < 0;
	return rc;
}

static int send_status(struct client *c)
{
	const struct vmm_status *status = &c->clients->status;
	int rc;

	if (!c->status_due)
		return 0;
	rc = proto_send(c->sock, MENU_STATUS, status, sizeof(*status), NULL, 0);
	c->status_due = rc < 0;
	return rc;
}

/*
 * Sends the rest of a list in parts. When the list changed between two parts it begins anew: a menu
 * throws away what it had at each first part.
 */
static int send_list(struct client *c, struct list_state *state, uint32_t type, const void *items,
		     size_t count, size_t item_size)
{
	uint64_t generation = c->clients->generation;
	uint8_t body[PROTO_MAX_BODY];
	const size_t cap = (sizeof(body) - sizeof(struct menu_list)) / item_size;

	if (state->sent == generation)
		return 0;
	if (state->sending != generation) {
		state->sending = generation;
		state->next = 0;
	}
	for (;;) {
		size_t n = count - state->next < cap ? count - state->next : cap;
		struct menu_list head = {
			.count = (uint32_t)n,
			.first = state->next == 0,
			.last = state->next + n == count,
			.scanning = discovery_scanning(c->clients->discovery),
			.live = discovery_is_live(c->clients->discovery),
		};
		int rc;

		memcpy(body, &head, sizeof(head));
		if (n > 0)
			memcpy(body + sizeof(head),
			       (const uint8_t *)items + state->next * item_size, n * item_size);
		rc = proto_send(c->sock, type, body, sizeof(head) + n * item_size, NULL, 0);
		if (rc < 0)
			return rc;
		state->next += n;
		if (head.last)
			break;
	}
	state->sent = generation;
	return 0;
}

static int send_lists(struct client *c)
{
	struct discovery *discovery = c->clients->discovery;
	const struct menu_firmware *firmwares;
	const struct menu_device *devices;
	size_t device_count, firmware_count;
	int rc;

	if (c->devices.sent == c->clients->generation &&
	    c->firmwares.sent == c->clients->generation)
		return 0;
	devices = discovery_devices(discovery, &device_count);
	firmwares = discovery_firmwares(discovery, &firmware_count);
	rc = send_list(c, &c->devices, MENU_DEVICES, devices, device_count, sizeof(*devices));
	if (rc == 0)
		rc = send_list(c, &c->firmwares, MENU_FIRMWARES, firmwares, firmware_count,
			       sizeof(*firmwares));
	return rc;
}

/* No entries and no settings are kept yet: the snapshots say so. */
static int send_entries(struct client *c)
{
	return send_list(c, &c->entries, MENU_ENTRIES, NULL, 0, sizeof(struct menu_entry));
}

static int send_settings(struct client *c)
{
	struct menu_settings settings = {
		.timeout_s = -1,
		.shell_allowed = 1,
		.prefix_key = 0x1D,
		.theme = "default",
		.store_text = "none found, running on defaults",
	};
	struct menu_countdown countdown = {.state = MENU_COUNTDOWN_OFF};
	struct menu_lock_state lock = {.has_password = 0};
	struct menu_log_state log = {.next = 1};
	int rc;

	if (c->settings_sent)
		return 0;
	rc = proto_send(c->sock, MENU_SETTINGS, &settings, sizeof(settings), NULL, 0);
	if (rc == 0)
		rc = proto_send(c->sock, MENU_COUNTDOWN, &countdown, sizeof(countdown), NULL, 0);
	if (rc == 0)
		rc = proto_send(c->sock, MENU_LOCK_STATE, &lock, sizeof(lock), NULL, 0);
	if (rc == 0)
		rc = proto_send(c->sock, MENU_LOG_STATE, &log, sizeof(log), NULL, 0);
	c->settings_sent = rc == 0;
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
	return c->console_ends ? c->console_limit : machine_output_end(c->clients->machine);
}

static int send_console_end(struct client *c)
{
	int rc = proto_send(c->sock, MENU_CONSOLE_END, NULL, 0, NULL, 0);

	c->console = rc < 0;
	return rc;
}

static int send_console(struct client *c)
{
	const struct machine *machine = c->clients->machine;
	uint8_t buf[CONSOLE_CHUNK];
	int rc = 0;

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
		rc = proto_send(c->sock, MENU_CONSOLE, buf, n, NULL, 0);
		if (rc == 0)
			c->console_pos += n;
	}
	if (rc == 0 && c->console && c->console_ends)
		rc = send_console_end(c);
	return rc;
}

/* Sends what is due until the socket is full. 0, or -errno when the client has to be dropped. */
static int send_due(struct client *c)
{
	static int (*const steps[])(struct client * c) = {
		send_welcome, send_refusals, send_vm,	    send_status,
		send_lists,   send_entries,  send_settings, send_console,
	};
	int rc = 0;

	if (!c->greeted && !c->leaving)
		return 0;
	for (size_t i = 0; rc == 0 && i < sizeof(steps) / sizeof(steps[0]); i++)
		rc = steps[i](c);
	if (rc == -EAGAIN) {
		loop_set_events(c->io, POLLIN | POLLOUT);
		return 0;
	}
	loop_set_events(c->io, POLLIN);
	return rc == 0 && c->leaving ? -ESHUTDOWN : rc;
}

static void send_or_drop(struct client *c)
{
	if (!c->gone && send_due(c) < 0)
		c->gone = true;
}

/* ---- receiving ---- */

/* The menu does not read its answers: it gets the newest ones. */
static void refuse(struct client *c, uint32_t type, const struct vmb_err *err)
{
	if (c->refusal_count == MAX_REFUSALS) {
		c->refusal_count--;
		memmove(&c->refusals[0], &c->refusals[1],
			c->refusal_count * sizeof(c->refusals[0]));
	}
	c->refusals[c->refusal_count++] = (struct refusal){.type = type, .err = *err};
}

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
		refuse(c, MENU_HELLO, &err);
		c->leaving = true;
		return 0;
	}
	c->greeted = true;
	c->welcomed = false; /* a second hello asks for today's figures */
	c->vm_due = true;
	return 0;
}

static int handle_start(struct client *c, const void *body, size_t size)
{
	struct vm_config config;
	struct vmb_err err = {0};

	if (size != sizeof(config))
		return -EBADMSG;
	memcpy(&config, body, sizeof(config));
	if (c->clients->events->start(c->clients->ctx, &config, &err) < 0)
		refuse(c, MENU_START, &err);
	return 0;
}

static void open_console(struct client *c, bool ends)
{
	c->console = true;
	c->console_ends = ends;
	c->console_pos = machine_output_start(c->clients->machine);
	c->console_limit = machine_output_end(c->clients->machine);
}

/* What only a running machine can do. */
static void handle_running(struct client *c, uint32_t type)
{
	struct machine *machine = c->clients->machine;
	struct vmb_err err;
	struct menu_vm vm;

	machine_describe(machine, &vm);
	if (vm.state != MENU_VM_RUNNING) {
		vmb_err_set(&err, ENOENT, "%s",
			    vm.state == MENU_VM_STARTING ? "The virtual machine is still starting."
							 : "No virtual machine is running.");
		refuse(c, type, &err);
	} else if (type == MENU_VM_PAUSE) {
		machine_pause(machine);
	} else if (type == MENU_VM_RESUME) {
		machine_resume(machine);
	} else {
		c->status_wanted = true;
		machine_get_status(machine);
	}
}

static int handle_bare(struct client *c, uint32_t type)
{
	struct machine *machine = c->clients->machine;

	switch (type) {
	case MENU_VM_RESET: machine_reset(machine); return 0;
	case MENU_VM_POWER: machine_power_button(machine); return 0;
	case MENU_VM_KILL: machine_stop(machine); return 0;
	case MENU_VM_FORGET: machine_forget(machine); return 0;
	case MENU_RESCAN: c->clients->events->rescan(c->clients->ctx); return 0;
	case MENU_CONSOLE_CLOSE: c->console = false; return 0;
	case MENU_CONSOLE_OPEN: open_console(c, false); return 0;
	case MENU_CONSOLE_LOG: open_console(c, true); return 0;
	case MENU_VM_PAUSE:
	case MENU_VM_RESUME:
	case MENU_VM_STATUS: handle_running(c, type); return 0;
	default: return -EBADMSG;
	}
}

/* 0, or -EBADMSG: the same binary does not send that, so the client is dropped. */
static int handle(struct client *c, uint32_t type, const void *body, size_t size)
{
	if (type == MENU_HELLO)
		return handle_hello(c, body, size);
	if (!c->greeted)
		return -EBADMSG;
	if (type == MENU_START)
		return handle_start(c, body, size);
	if (type == MENU_INPUT) {
		if (size == 0 || size > MAX_INPUT)
			return -EBADMSG;
		machine_input(c->clients->machine, body, size);
		return 0;
	}
	if (type >= MENU_ENTRY_SAVE && type <= MENU_REPORT) {
		struct vmb_err err;

		vmb_err_set(&err, ENOSYS, "This daemon cannot do that yet.");
		refuse(c, type, &err);
		return 0;
	}
	return size == 0 ? handle_bare(c, type) : -EBADMSG;
}

static void on_client(void *arg, int fd, short revents)
{
	struct client *c = arg;
	struct clients *clients = c->clients;
	union {
		struct vm_config config;
		struct menu_entry_save save;
		struct menu_hello hello;
		uint8_t input[MAX_INPUT];
	} body;

	(void)revents;
	enter(clients);
	for (int i = 0; i < MESSAGES_A_TURN && !c->gone; i++) {
		uint32_t type;
		int n = proto_recv(fd, &type, &body, sizeof(body), NULL, 0, NULL);

		if (n == -EAGAIN)
			break;
		if (n >= 0)
			n = handle(c, type, &body, (size_t)n);
		if (n < 0) {
			if (n != -EPIPE)
				log_warn("a menu was dropped: %s", strerror(-n));
			c->gone = true;
		}
	}
	send_or_drop(c);
	leave(clients);
}

int clients_add(struct clients *clients, int sock)
{
	struct client *client = calloc(1, sizeof(*client));
	int rc = -ENOMEM;

	if (client && clients->count < MAX_CLIENTS &&
	    fcntl(sock, F_SETFL, fcntl(sock, F_GETFL) | O_NONBLOCK) == 0) {
		*client = (struct client){.clients = clients, .sock = sock, .next = clients->list};
		rc = loop_add_io(clients->loop, sock, POLLIN, on_client, client, &client->io);
	} else if (client) {
		rc = -EMFILE;
	}
	if (rc < 0) {
		free(client);
		close(sock);
		return rc;
	}
	clients->list = client;
	clients->count++;
	return 0;
}

/* ---- telling everybody ---- */

static void send_to_all(struct clients *clients)
{
	enter(clients);
	for (struct client *client = clients->list; client; client = client->next)
		send_or_drop(client);
	leave(clients);
}

void clients_lists_changed(struct clients *clients)
{
	clients->generation++;
	send_to_all(clients);
}

void clients_vm_changed(struct clients *clients)
{
	bool active = machine_is_active(clients->machine);

	for (struct client *client = clients->list; client; client = client->next) {
		client->vm_due = true;
		/* An ended VM answers no more; its successor's answer would be to another question. */
		client->status_wanted = client->status_wanted && active;
	}
	send_to_all(clients);
}

void clients_status(struct clients *clients, const struct vmm_status *status)
{
	clients->status = *status;
	for (struct client *client = clients->list; client; client = client->next) {
		client->status_due = client->status_due || client->status_wanted;
		client->status_wanted = false;
	}
	send_to_all(clients);
}

void clients_output(struct clients *clients)
{
	send_to_all(clients);
}
