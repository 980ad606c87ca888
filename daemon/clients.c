/* See daemon/clients.h. */
#include "clients.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clients_internal.h"
#include "log.h"
#include "proto.h"
#include "text.h"

#define MAX_CLIENTS 32
#define MAX_INPUT   4096
/* Messages that one menu may have handled in a row before the others have their turn. */
#define MESSAGES_A_TURN 16

int clients_create(struct loop *loop, const struct clients_parts *parts,
		   const struct clients_events *events, void *ctx, struct clients **ret_clients)
{
	struct clients *clients = calloc(1, sizeof(*clients));

	if (!clients)
		return -ENOMEM;
	*clients = (struct clients){.loop = loop, .parts = *parts, .events = events, .ctx = ctx};
	for (int i = 0; i < LIST_COUNT; i++)
		clients->generations[i] = 1;
	*ret_clients = clients;
	return 0;
}

struct client *clients_find(const struct clients *clients, uint64_t id)
{
	for (struct client *c = clients->list; id != 0 && c; c = c->next)
		if (c->id == id && !c->gone)
			return c;
	return NULL;
}

/* Who typed into the guest is gone: the next one that shows its console does. */
static void pass_keyboard(struct clients *clients)
{
	if (clients->keyboard == 0 || clients_find(clients, clients->keyboard))
		return;
	clients->keyboard = 0;
	for (struct client *c = clients->list; c; c = c->next)
		if (!c->gone && c->console && !c->console_ends)
			clients->keyboard = c->id;
	for (struct client *c = clients->list; c; c = c->next)
		c->due |= DUE_VM;
}

static void send_or_drop(struct client *c)
{
	if (!c->gone && clients_send_due(c) < 0)
		c->gone = true;
}

static void enter(struct clients *clients)
{
	clients->depth++;
}

static unsigned int free_gone(struct clients *clients)
{
	unsigned int dropped = 0;

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
	return dropped;
}

/* The outermost caller frees who is gone; then tells, since that may end everything. */
static void leave(struct clients *clients)
{
	unsigned int dropped;

	if (clients->depth > 1) {
		clients->depth--;
		return;
	}
	dropped = free_gone(clients);
	if (dropped > 0) {
		pass_keyboard(clients);
		for (struct client *c = clients->list; c; c = c->next)
			send_or_drop(c);
		dropped += free_gone(clients);
	}
	clients->depth--;
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
	free(clients->facts);
	free(clients->nics);
	free(clients->pcis);
	free(clients);
}

unsigned int clients_count(const struct clients *clients)
{
	return clients->count;
}

/* The menu does not read its answers: it gets the newest ones. */
void clients_answer(struct client *c, uint32_t answer, uint32_t type, const struct vmb_err *err)
{
	if (c->refusal_count == CLIENTS_MAX_REFUSALS) {
		c->refusal_count--;
		memmove(&c->refusals[0], &c->refusals[1],
			c->refusal_count * sizeof(c->refusals[0]));
	}
	c->refusals[c->refusal_count++] =
		(struct refusal){.answer = answer, .type = type, .err = *err};
}

static void on_client(void *arg, int fd, short revents)
{
	struct client *c = arg;
	struct clients *clients = c->clients;
	union {
		struct vm_config config;
		struct menu_entry_save save;
		struct menu_settings settings;
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
		if (n >= 0) {
			size_t size = (size_t)n;

			n = clients_handle(c, type, &body, size);
			/* It may have been a password. */
			explicit_bzero(&body, size);
		}
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
		*client = (struct client){.clients = clients,
					  .sock = sock,
					  .next = clients->list,
					  .id = ++clients->last_id};
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

void clients_tell_all(struct clients *clients, unsigned int due)
{
	enter(clients);
	for (struct client *client = clients->list; client; client = client->next)
		client->due |= due;
	for (struct client *client = clients->list; client; client = client->next)
		send_or_drop(client);
	leave(clients);
}

void clients_devices_changed(struct clients *clients)
{
	clients->generations[LIST_DEVICES]++;
	clients->generations[LIST_FIRMWARES]++;
	clients_tell_all(clients, 0);
}

void clients_entries_changed(struct clients *clients)
{
	clients->generations[LIST_ENTRIES]++;
	clients_tell_all(clients, DUE_SETTINGS | DUE_LOCK);
}

void clients_countdown_changed(struct clients *clients)
{
	clients_tell_all(clients, DUE_COUNTDOWN);
}

void clients_log_changed(struct clients *clients)
{
	clients_tell_all(clients, DUE_LOG_STATE);
}

void clients_vm_changed(struct clients *clients)
{
	bool active = machine_is_active(clients->parts.machine);

	for (struct client *client = clients->list; client; client = client->next)
		/* An ended VM answers no more; its successor's answer would be to another question. */
		client->status_wanted = client->status_wanted && active;
	if (!active)
		clients->keyboard = 0;
	clients_tell_all(clients, DUE_VM);
}

void clients_status(struct clients *clients, const struct vmm_status *status)
{
	clients->status = *status;
	for (struct client *client = clients->list; client; client = client->next) {
		if (client->status_wanted)
			client->due |= DUE_STATUS;
		client->status_wanted = false;
	}
	clients_tell_all(clients, 0);
}

void clients_output(struct clients *clients)
{
	clients_tell_all(clients, 0);
}

void clients_reported(struct clients *clients, uint64_t id, const char *path,
		      const struct vmb_err *err)
{
	struct client *client = clients_find(clients, id);

	if (!client)
		return;
	if (path)
		text_copy(client->report_path, sizeof(client->report_path), path);
	else
		clients_answer(client, MENU_REFUSED, MENU_REPORT, err);
	client->due |= path ? DUE_REPORTED : 0;
	clients_tell_all(clients, 0);
}
