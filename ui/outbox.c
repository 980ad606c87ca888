/* See ui/outbox.h. */
#include "ui/outbox.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto.h"

struct outbox_message {
	struct outbox_message *next;
	uint32_t type;
	size_t size;
	uint8_t body[];
};

void outbox_init(struct outbox *outbox)
{
	*outbox = (struct outbox){.end = &outbox->first};
}

void outbox_free(struct outbox *outbox)
{
	while (outbox->first) {
		struct outbox_message *message = outbox->first;

		outbox->first = message->next;
		free(message);
	}
	outbox_init(outbox);
}

bool outbox_empty(const struct outbox *outbox)
{
	return outbox->first == NULL;
}

static int outbox_keep(struct outbox *outbox, uint32_t type, const void *body, size_t size)
{
	struct outbox_message *message;

	if (outbox->bytes + size > OUTBOX_MAX_BYTES)
		return -ENOBUFS;
	message = malloc(sizeof(*message) + size);
	if (!message)
		return -ENOMEM;
	message->next = NULL;
	message->type = type;
	message->size = size;
	if (size > 0)
		memcpy(message->body, body, size);
	*outbox->end = message;
	outbox->end = &message->next;
	outbox->bytes += size;
	return 0;
}

int outbox_send(struct outbox *outbox, int sock, uint32_t type, const void *body, size_t size)
{
	int rc;

	if (!outbox_empty(outbox))
		return outbox_keep(outbox, type, body, size);
	rc = proto_send(sock, type, body, size, NULL, 0);
	return rc == -EAGAIN ? outbox_keep(outbox, type, body, size) : rc;
}

int outbox_flush(struct outbox *outbox, int sock)
{
	while (outbox->first) {
		struct outbox_message *message = outbox->first;
		int rc = proto_send(sock, message->type, message->body, message->size, NULL, 0);

		if (rc == -EAGAIN)
			return 0;
		if (rc < 0)
			return rc;
		outbox->first = message->next;
		if (!outbox->first)
			outbox->end = &outbox->first;
		outbox->bytes -= message->size;
		free(message);
	}
	return 0;
}
