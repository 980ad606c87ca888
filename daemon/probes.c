/* See daemon/probes.h. */
#include "probes.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "child.h"
#include "log.h"
#include "probe_proto.h"
#include "proto.h"
#include "text.h"

#define DESTROY_WAIT_MS 500

struct probe {
	struct probe *next;
	struct probe_pool *pool;
	struct child child;
	int control;
	enum probe_kind kind;
	char target[VM_PATH_SIZE];
	uint32_t deadline_ms;
	struct loop_io *control_io, *child_io;
	struct loop_timer *deadline;
	const struct probe_events *events; /* NULL: abandoned or done */
	void *ctx;
};

struct probe_pool {
	struct loop *loop;
	void (*reaped)(void *ctx);
	void *ctx;
	struct probe *probes;
};

int probe_pool_create(struct loop *loop, void (*reaped)(void *ctx), void *ctx,
		      struct probe_pool **ret_pool)
{
	struct probe_pool *pool = calloc(1, sizeof(*pool));

	if (!pool)
		return -ENOMEM;
	*pool = (struct probe_pool){.loop = loop, .reaped = reaped, .ctx = ctx};
	*ret_pool = pool;
	return 0;
}

static void stop_listening(struct probe *probe)
{
	loop_remove_io(probe->control_io);
	loop_remove_timer(probe->deadline);
	probe->control_io = NULL;
	probe->deadline = NULL;
}

static void free_probe(struct probe *probe)
{
	struct probe **at = &probe->pool->probes;

	while (*at && *at != probe)
		at = &(*at)->next;
	if (*at)
		*at = probe->next;
	stop_listening(probe);
	loop_remove_io(probe->child_io);
	if (probe->child.pidfd >= 0)
		close(probe->child.pidfd);
	close(probe->control);
	free(probe);
}

/* Tells the end, once; the process itself may take longer. */
static void finish(struct probe *probe, int code, const char *text)
{
	const struct probe_events *events = probe->events;

	stop_listening(probe);
	probe->events = NULL;
	if (events)
		events->done(probe->ctx, code, text);
}

static void finish_bad(struct probe *probe)
{
	child_kill(&probe->child);
	finish(probe, EBADMSG, "The process that looked at it sent nonsense and was ended.");
}

#define TERMINATED(field) (memchr(field, '\0', sizeof(field)) != NULL)

static bool identity_ok(const struct storage_identity *id)
{
	return TERMINATED(id->fstype) && TERMINATED(id->label) && TERMINATED(id->uuid) &&
	       TERMINATED(id->part_label) && TERMINATED(id->part_uuid) && TERMINATED(id->version);
}

static bool image_ok(const struct storage_image *image)
{
	return TERMINATED(image->path) && identity_ok(&image->identity) &&
	       TERMINATED(image->holds) && TERMINATED(image->use) && TERMINATED(image->reason);
}

static bool firmware_ok(const struct storage_firmware *fw)
{
	return TERMINATED(fw->path) && TERMINATED(fw->kind) && TERMINATED(fw->version) &&
	       TERMINATED(fw->reason) && TERMINATED(fw->sha256);
}

union message {
	struct storage_identity identity;
	struct storage_system system;
	struct storage_image image;
	struct storage_firmware firmware;
	struct storage_health health;
	struct probe_done done;
};

/* Checks and hands on what was found. False when it is nothing of that kind. */
static bool take_finding(struct probe *probe, uint32_t type, const union message *body, size_t size)
{
	const struct probe_events *events = probe->events;

	if (type == PROBE_IDENTITY && size == sizeof(body->identity) &&
	    identity_ok(&body->identity))
		events->identity(probe->ctx, &body->identity);
	else if (type == PROBE_SYSTEM && size == sizeof(body->system) &&
		 TERMINATED(body->system.text))
		events->system(probe->ctx, &body->system);
	else if (type == PROBE_IMAGE && size == sizeof(body->image) && image_ok(&body->image))
		events->image(probe->ctx, &body->image);
	else if (type == PROBE_FIRMWARE && size == sizeof(body->firmware) &&
		 firmware_ok(&body->firmware))
		events->firmware(probe->ctx, &body->firmware);
	else if (type == PROBE_HEALTH && size == sizeof(body->health) &&
		 TERMINATED(body->health.text))
		events->health(probe->ctx, &body->health);
	else
		return false;
	return true;
}

/* Reads one message. 1 if there may be more. */
static int read_message(struct probe *probe)
{
	union message body;
	uint32_t type;
	int n = proto_recv(probe->control, &type, &body, sizeof(body), NULL, 0, NULL);

	if (n == -EAGAIN)
		return 0;
	if (n == -EPIPE) {
		/* Without PROBE_DONE: how it ended will be known when it is reaped. */
		loop_remove_io(probe->control_io);
		probe->control_io = NULL;
		return 0;
	}
	if (n >= 0 && take_finding(probe, type, &body, (size_t)n))
		return 1;
	if (n == (int)sizeof(body.done) && type == PROBE_DONE && TERMINATED(body.done.text) &&
	    body.done.code >= 0)
		finish(probe, body.done.code, body.done.text);
	else
		finish_bad(probe);
	return 0;
}

static void on_control(void *arg, int fd, short revents)
{
	(void)fd;
	(void)revents;
	read_message(arg);
}

static void on_child(void *arg, int fd, short revents)
{
	struct probe *probe = arg;
	struct probe_pool *pool = probe->pool;
	char how[96], text[160];
	int status;

	(void)fd;
	(void)revents;
	if (child_reap(&probe->child, 0, &status) < 0)
		return;
	while (probe->control_io && read_message(probe) > 0)
		;
	if (probe->events) {
		snprintf(text, sizeof(text), "The process that looked at it %s.",
			 child_describe_end(status, how, sizeof(how)));
		finish(probe, EIO, text);
	}
	free_probe(probe);
	pool->reaped(pool->ctx);
}

static void on_deadline(void *arg)
{
	struct probe *probe = arg;
	char text[96];

	probe->deadline = NULL;
	child_kill(&probe->child);
	snprintf(text, sizeof(text), "No answer for %u s; the disk may be broken.",
		 (probe->deadline_ms + 500) / 1000);
	finish(probe, ETIMEDOUT, text);
}

static int watch(struct probe *probe)
{
	struct loop *loop = probe->pool->loop;
	int rc = loop_add_io(loop, probe->control, POLLIN, on_control, probe, &probe->control_io);

	if (rc == 0)
		rc = loop_add_io(loop, probe->child.pidfd, POLLIN, on_child, probe,
				 &probe->child_io);
	if (rc == 0)
		rc = loop_add_timer(loop, probe->deadline_ms, on_deadline, probe, &probe->deadline);
	return rc;
}

static int spawn(struct probe *probe, struct vmb_err *err)
{
	static const char *const options[] = {"--device", "--images", "--system"};
	char name[] = "vmboot", role[] = "probe", option[16];
	char *argv[] = {name, role, option, probe->target[0] ? probe->target : NULL, NULL};
	int pair[2], rc;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return vmb_err_set(err, errno, "No socket for a probe: %s.", strerror(errno));
	/* Only our end: a probe that says much waits for us, so that nothing is lost. */
	fcntl(pair[0], F_SETFL, O_NONBLOCK);
	text_copy(option, sizeof(option), options[probe->kind]);
	rc = child_spawn(argv, &pair[1], 1, &probe->child, err);
	close(pair[1]);
	if (rc < 0)
		close(pair[0]);
	else
		probe->control = pair[0];
	return rc;
}

int probe_start(struct probe_pool *pool, enum probe_kind kind, const char *target,
		uint32_t deadline_ms, const struct probe_events *events, void *ctx,
		struct probe **ret_probe, struct vmb_err *err)
{
	struct probe *probe = calloc(1, sizeof(*probe));
	int rc;

	if (!probe)
		return vmb_err_set(err, ENOMEM, "Not enough memory for a probe.");
	*probe = (struct probe){.pool = pool,
				.kind = kind,
				.deadline_ms = deadline_ms,
				.events = events,
				.ctx = ctx,
				.control = -1,
				.child = {.pidfd = -1}};
	text_copy(probe->target, sizeof(probe->target), target);
	rc = spawn(probe, err);
	if (rc < 0) {
		free(probe);
		return rc;
	}
	probe->next = pool->probes;
	pool->probes = probe;
	if (watch(probe) < 0) {
		int status;

		child_kill(&probe->child);
		child_reap(&probe->child, DESTROY_WAIT_MS, &status);
		free_probe(probe);
		return vmb_err_set(err, ENOMEM, "Not enough memory to watch a probe.");
	}
	*ret_probe = probe;
	return 0;
}

void probe_abandon(struct probe *probe)
{
	child_kill(&probe->child);
	stop_listening(probe);
	probe->events = NULL;
}

bool probe_pool_busy(const struct probe_pool *pool, enum probe_kind kind, const char *target)
{
	for (const struct probe *probe = pool->probes; probe; probe = probe->next)
		if (probe->kind == kind && strcmp(probe->target, target) == 0)
			return true;
	return false;
}

void probe_pool_settle(struct probe_pool *pool, int msec)
{
	uint64_t end = loop_now_ms() + (uint64_t)msec;

	for (struct probe *probe = pool->probes, *next; probe; probe = next) {
		uint64_t now = loop_now_ms();
		int status;

		next = probe->next;
		if (!probe->events &&
		    child_reap(&probe->child, now < end ? (int)(end - now) : 0, &status) == 0)
			free_probe(probe);
	}
}

void probe_pool_destroy(struct probe_pool *pool)
{
	if (!pool)
		return;
	for (struct probe *probe = pool->probes; probe; probe = probe->next)
		probe_abandon(probe);
	probe_pool_settle(pool, DESTROY_WAIT_MS);
	while (pool->probes) {
		log_warn("the probe of %s does not die; leaving it", pool->probes->target);
		free_probe(pool->probes);
	}
	free(pool);
}
