/*
 * Messages to the daemon that its socket could not take yet. Bounded: a daemon that does not read
 * costs wishes, not memory.
 */
#ifndef VMB_UI_OUTBOX_H
#define VMB_UI_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OUTBOX_MAX_BYTES (256 * 1024)

struct outbox_message;

struct outbox {
	struct outbox_message *first, **end;
	size_t bytes;
};

/* Nothing waits. */
void outbox_init(struct outbox *outbox);
/* What still waits is lost. */
void outbox_free(struct outbox *outbox);
/* Does nothing wait? */
bool outbox_empty(const struct outbox *outbox);

/*
 * Sends over SOCK, or keeps a copy to send later if the socket is full or others wait. 0, -ENOBUFS
 * when too much waits already (the message is dropped), -ENOMEM, or proto_send()'s error.
 */
int outbox_send(struct outbox *outbox, int sock, uint32_t type, const void *body, size_t size);

/* The socket has room: sends what waits. 0 (look at outbox_empty()) or proto_send()'s error. */
int outbox_flush(struct outbox *outbox, int sock);

#endif
