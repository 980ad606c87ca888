/* Files on their way between the daemon and the probe that reads or writes them: see include/probe_proto.h. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "loop.h"
#include "probe_proto.h"
#include "proto.h"

struct message {
	struct probe_settings head;
	char bytes[STORE_FILE_MAX];
};

static int wait_for_room(int sock, uint64_t until)
{
	struct pollfd pfd = {.fd = sock, .events = POLLOUT};
	uint64_t now = loop_now_ms();

	return now < until && poll(&pfd, 1, (int)(until - now)) > 0 ? 0 : -ETIMEDOUT;
}

static int send_message(int sock, const struct message *m, size_t n, uint64_t until)
{
	int rc;

	do
		rc = proto_send(sock, PROBE_SETTINGS, m, sizeof(m->head) + n, NULL, 0);
	while (rc == -EAGAIN && (rc = wait_for_room(sock, until)) == 0);
	return rc;
}

int probe_file_send(int sock, const struct probe_settings *head, const void *bytes, size_t n,
		    uint64_t until)
{
	struct message m = {.head = *head};
	const char *at = bytes;
	int rc;

	do {
		size_t part = n < sizeof(m.bytes) ? n : sizeof(m.bytes);

		if (part > 0)
			memcpy(m.bytes, at, part);
		at += part;
		n -= part;
		m.head.more = n > 0;
		rc = send_message(sock, &m, part, until);
	} while (rc == 0 && n > 0);
	return rc;
}

int probe_file_take(struct probe_file *file, const void *body, size_t n)
{
	struct probe_settings head;
	char *grown;

	if (n < sizeof(head))
		return -EBADMSG;
	memcpy(&head, body, sizeof(head));
	head.name[sizeof(head.name) - 1] = '\0';
	n -= sizeof(head);
	if (!file->head.more)
		probe_file_clear(file);
	else if (strcmp(file->head.name, head.name) != 0)
		return -EBADMSG;
	if (file->size + n > store_dir_max(head.name))
		return -EFBIG;
	grown = realloc(file->bytes, file->size + n + 1);
	if (!grown)
		return -ENOMEM;
	memcpy(grown + file->size, (const char *)body + sizeof(head), n);
	file->bytes = grown;
	file->size += n;
	file->bytes[file->size] = '\0';
	file->head = head;
	return !head.more;
}

void probe_file_clear(struct probe_file *file)
{
	free(file->bytes);
	*file = (struct probe_file){.size = 0};
}
