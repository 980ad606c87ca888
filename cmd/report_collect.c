/* What the daemon says for a report: see cmd/report.h. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "loop.h"
#include "proto.h"
#include "report.h"

/* Each list holds this many items at most, the console so many bytes: the newest. */
#define LIST_MAX    8192
#define CONSOLE_MAX (256 * 1024)
#define ANSWER_MS   5000

static int list_add(struct report_list *list, const void *items, size_t count, size_t size,
		    size_t max)
{
	uint8_t *grown;

	if (count > max - list->count)
		count = max - list->count;
	grown = realloc(list->items, (list->count + count) * size + 1);
	if (!grown)
		return -ENOMEM;
	if (count > 0)
		memcpy(grown + list->count * size, items, count * size);
	list->items = grown;
	list->count += count;
	return 0;
}

/* One part of a list message whose items have SIZE bytes. SNAPSHOT: the first part begins it anew. */
static int take_list(struct report_list *list, const uint8_t *body, size_t n, size_t size,
		     bool snapshot)
{
	struct menu_list head;

	if (n < sizeof(head))
		return -EBADMSG;
	memcpy(&head, body, sizeof(head));
	if (n - sizeof(head) != (size_t)head.count * size)
		return -EBADMSG;
	if (head.first && snapshot)
		list->count = 0;
	list->complete = list->complete || head.last;
	return list_add(list, body + sizeof(head), head.count, size, LIST_MAX);
}

static int take_struct(void *to, size_t size, const uint8_t *body, size_t n)
{
	if (n != size)
		return -EBADMSG;
	memcpy(to, body, size);
	return 0;
}

static int take(struct report_facts *facts, uint32_t type, const uint8_t *body, size_t n)
{
	switch (type) {
	case MENU_WELCOME: return take_struct(&facts->welcome, sizeof(facts->welcome), body, n);
	case MENU_SETTINGS: return take_struct(&facts->settings, sizeof(facts->settings), body, n);
	case MENU_VM: return take_struct(&facts->vm, sizeof(facts->vm), body, n);
	case MENU_FACTS: return take_list(&facts->facts, body, n, sizeof(struct menu_fact), true);
	case MENU_DEVICES:
		return take_list(&facts->devices, body, n, sizeof(struct menu_device), true);
	case MENU_FIRMWARES:
		return take_list(&facts->firmwares, body, n, sizeof(struct menu_firmware), true);
	case MENU_ENTRIES:
		return take_list(&facts->entries, body, n, sizeof(struct menu_entry), true);
	case MENU_LOG: return take_list(&facts->log, body, n, sizeof(struct menu_log_line), false);
	case MENU_CONSOLE: return list_add(&facts->console, body, n, 1, CONSOLE_MAX);
	case MENU_CONSOLE_END: facts->console.complete = true; return 0;
	default: return 0;
	}
}

static bool have_all(const struct report_facts *facts)
{
	return facts->welcome.version && facts->facts.complete && facts->devices.complete &&
	       facts->firmwares.complete && facts->entries.complete && facts->console.complete;
}

static int ask(int sock)
{
	struct menu_hello hello = {
		.version = MENU_PROTO_VERSION, .trusted = 1, .name = "vmboot report"};
	const uint64_t from = 1;
	int rc = proto_send(sock, MENU_HELLO, &hello, sizeof(hello), NULL, 0);

	/* The log first: the console's end then comes after it. */
	if (rc == 0)
		rc = proto_send(sock, MENU_LOG_FOLLOW, &from, sizeof(from), NULL, 0);
	if (rc == 0)
		rc = proto_send(sock, MENU_FACTS_GET, NULL, 0, NULL, 0);
	return rc == 0 ? proto_send(sock, MENU_CONSOLE_LOG, NULL, 0, NULL, 0) : rc;
}

static int hear(struct report_facts *facts, int sock, uint8_t *body, uint64_t until_ms)
{
	struct pollfd pfd = {.fd = sock, .events = POLLIN};
	uint64_t now = loop_now_ms();
	uint32_t type;
	int n;

	n = now < until_ms ? poll(&pfd, 1, (int)(until_ms - now)) : 0;
	if (n <= 0)
		return n == 0 ? -ETIMEDOUT : errno == EINTR ? 0 : -errno;
	n = proto_recv(sock, &type, body, PROTO_MAX_BODY, NULL, 0, NULL);
	if (n == -EAGAIN || n == -EINTR)
		return 0;
	return n < 0 ? n : take(facts, type, body, (size_t)n);
}

void report_collect(struct report_facts *facts, int sock)
{
	uint64_t until = loop_now_ms() + ANSWER_MS;
	uint8_t *body = malloc(PROTO_MAX_BODY);
	int rc = body ? ask(sock) : -ENOMEM;

	while (rc == 0 && !have_all(facts))
		rc = hear(facts, sock, body, until);
	free(body);
	if (rc == -ETIMEDOUT)
		strcpy(facts->daemon, "The daemon did not say everything within five seconds.");
	else if (rc < 0)
		strcpy(facts->daemon, "The daemon broke off.");
}

void report_facts_free(struct report_facts *facts)
{
	free(facts->facts.items);
	free(facts->devices.items);
	free(facts->firmwares.items);
	free(facts->entries.items);
	free(facts->log.items);
	free(facts->console.items);
}
