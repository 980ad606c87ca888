/* See daemon/report.h. The process says on a pipe where the report is, or why there is none. */
#include "report.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "child.h"
#include "report_proto.h"
#include "text.h"
#include "vm_config.h"

/* A slow stick takes seconds; more than this hangs. */
#define REPORT_MS 60000

struct report {
	struct child child;
	struct loop_io *io;
	struct loop_timer *timer;
	int result; /* the pipe */
	uint64_t client;
	report_done_fn done;
	void *ctx;
};

static void finish(struct report *report, int status)
{
	char text[512], safe[480], end[64];
	struct vmb_err err = {0};
	ssize_t n = read(report->result, text, sizeof(text));

	if (n > 1) {
		text_escape(safe, sizeof(safe), text + 1, (size_t)n - 1);
		if (text[0] != REPORT_WRITTEN)
			vmb_err_set(&err, EIO, "%s", safe);
	} else {
		vmb_err_set(&err, EIO, "The process that writes the report %s.",
			    child_describe_end(status, end, sizeof(end)));
	}
	report->done(report->ctx, report->client, err.code ? NULL : safe, &err);
}

static void on_end(void *arg, int fd, short revents)
{
	struct report *report = arg;
	int status;

	(void)fd;
	(void)revents;
	if (child_reap(&report->child, 0, &status) < 0)
		return;
	loop_remove_io(report->io);
	report->io = NULL;
	finish(report, status);
}

static void on_timeout(void *arg)
{
	struct report *report = arg;

	report->timer = NULL;
	child_kill(&report->child);
}

static int report_spawn(struct report *report, const char *target, int sock, int result,
			struct vmb_err *err)
{
	char role[] = "report", client[] = "--client", to[] = "--to", where[VM_PATH_SIZE];
	char *const argv[] = {(char[]){"vmboot"}, role, client, target[0] ? to : NULL, where, NULL};
	const int fds[] = {sock, result};

	text_copy(where, sizeof(where), target);
	return child_spawn(argv, fds, 2, &report->child, err);
}

int report_begin(struct loop *loop, uint64_t client, const char *target, report_done_fn done,
		 void *ctx, int *ret_sock, struct report **ret_report, struct vmb_err *err)
{
	int pair[2] = {-1, -1}, pipes[2] = {-1, -1}, rc = -ENOMEM;
	struct report *report = calloc(1, sizeof(*report));

	if (!report)
		return vmb_err_set(err, ENOMEM, "There is not enough memory for a report.");
	*report = (struct report){
		.child.pidfd = -1, .result = -1, .client = client, .done = done, .ctx = ctx};
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0 ||
	    pipe2(pipes, O_CLOEXEC | O_NONBLOCK) < 0) {
		rc = vmb_err_set(err, errno, "No socket for the report: %s.", strerror(errno));
		goto fail;
	}
	report->result = pipes[0];
	rc = report_spawn(report, target, pair[1], pipes[1], err);
	if (rc < 0)
		goto fail;
	if (loop_add_io(loop, report->child.pidfd, POLLIN, on_end, report, &report->io) < 0 ||
	    loop_add_timer(loop, REPORT_MS, on_timeout, report, &report->timer) < 0) {
		rc = vmb_err_set(err, ENOMEM, "There is not enough memory for a report.");
		goto fail;
	}
	close(pair[1]);
	close(pipes[1]);
	*ret_sock = pair[0];
	*ret_report = report;
	return 0;
fail:
	for (int i = 0; i < 2; i++)
		if (pair[i] >= 0)
			close(pair[i]);
	if (pipes[1] >= 0)
		close(pipes[1]);
	report_destroy(report);
	return rc;
}

void report_destroy(struct report *report)
{
	int status;

	if (!report)
		return;
	loop_remove_io(report->io);
	loop_remove_timer(report->timer);
	if (report->child.pid) {
		child_kill(&report->child);
		child_reap(&report->child, 1000, &status);
	}
	if (report->result >= 0)
		close(report->result);
	free(report);
}
