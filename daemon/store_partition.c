/* The partition that settings are kept on: found by its label, used by processes of its own. See daemon/store.h. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log.h"
#include "proto.h"
#include "store_internal.h"
#include "text.h"

#define READ_MS	 10000
#define WRITE_MS 8000
#define REAP_MS	 300

void store_stop_reading(struct store *s)
{
	int status;

	if (s->control < 0)
		return;
	loop_remove_io(s->control_io);
	loop_remove_timer(s->deadline);
	s->control_io = NULL;
	s->deadline = NULL;
	close(s->control);
	s->control = -1;
	child_kill(&s->child);
	if (child_reap(&s->child, REAP_MS, &status) == 0)
		return;
	log_warn("the process that read the settings on %s does not die; leaving it", s->path);
	child_leave(&s->child, s->loop);
}

static void start_reading(struct store *s);

static void end_reading(struct store *s, const struct vmb_err *err)
{
	store_stop_reading(s);
	if (err->code) {
		log_warn("%s", err->text);
		store_set_trouble(s, err);
	}
	if (s->mending) {
		s->mending = false;
		s->unmended = err->code != 0;
		start_reading(s);
		return;
	}
	s->was_read = err->code == 0;
	if (s->was_read && !s->unmended)
		store_clear_trouble(s);
	store_set_loaded(s);
	if (s->was_read)
		store_flush(s, NULL);
}

static int spawn(struct store *s, const char *option, struct vmb_err *err)
{
	char name[] = "vmboot", role[] = "probe", action[16];
	char *argv[] = {name, role, action, s->path, s->fstype, NULL};
	int pair[2], rc;

	text_copy(action, sizeof(action), option);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return vmb_err_set(err, errno, "No socket for the settings: %s.", strerror(errno));
	rc = child_spawn(argv, &pair[1], 1, &s->child, err);
	close(pair[1]);
	if (rc < 0) {
		close(pair[0]);
		return rc;
	}
	fcntl(pair[0], F_SETFL, O_NONBLOCK);
	s->control = pair[0];
	return 0;
}

/* False: it makes no sense. */
static bool take_message(struct store *s, const void *body, size_t n)
{
	const struct probe_file *file = &s->coming;
	int rc = probe_file_take(&s->coming, body, n);

	if (rc <= 0)
		return rc == 0;
	if (file->head.skipped)
		store_take_skipped(s, file->head.name, file->bytes);
	else if (store_dir_knows(file->head.name))
		store_take_file(s, file->head.name, file->bytes, file->size, file->head.changed);
	return true;
}

/* The end of a process: what it said last, or that it said nothing. */
static void take_done(const struct store *s, const void *body, int n, uint32_t type,
		      struct vmb_err *err)
{
	struct probe_done done;

	if (n != (int)sizeof(done) || type != PROBE_DONE) {
		vmb_err_set(err, EIO, "The process that used %s ended without a word.", s->path);
		return;
	}
	memcpy(&done, body, sizeof(done));
	done.text[sizeof(done.text) - 1] = '\0';
	if (done.code != 0)
		vmb_err_set(err, done.code > 0 ? done.code : EIO, "%s", done.text);
}

static void on_control(void *arg, int fd, short revents)
{
	struct store *s = arg;
	struct vmb_err err = {0};
	char message[sizeof(struct probe_settings) + STORE_FILE_MAX];
	uint32_t type = 0;
	int n = proto_recv(fd, &type, message, sizeof(message), NULL, 0, NULL);

	(void)revents;
	if (n == -EAGAIN)
		return;
	if (n >= 0 && type == PROBE_SETTINGS && take_message(s, message, (size_t)n))
		return;
	take_done(s, message, n, type, &err);
	end_reading(s, &err);
}

static void on_deadline(void *arg)
{
	struct store *s = arg;
	struct vmb_err err;

	s->deadline = NULL;
	vmb_err_set(&err, ETIMEDOUT, "%s did not answer for %d s; %s.", s->path, READ_MS / 1000,
		    s->mending ? "what a power cut left there is not mended"
			       : "its settings are not used");
	end_reading(s, &err);
}

static void start_reading(struct store *s)
{
	struct vmb_err err = {0};
	int rc = spawn(s, s->mending ? "--mend" : "--settings", &err);

	if (rc == 0 &&
	    (loop_add_io(s->loop, s->control, POLLIN, on_control, s, &s->control_io) < 0 ||
	     loop_add_timer(s->loop, READ_MS, on_deadline, s, &s->deadline) < 0))
		rc = vmb_err_set(&err, ENOMEM, "Not enough memory to read the settings on %s.",
				 s->path);
	if (rc < 0)
		end_reading(s, &err);
}

static void read_partition(struct store *s)
{
	s->mending = s->options.mends && !s->in_use && !s->write_protected;
	s->unmended = false;
	start_reading(s);
}

/* Something to receive before the deadline UNTIL: 0 or -errno. */
static int wait_control(const struct store *s, uint64_t until)
{
	struct pollfd pfd = {.fd = s->control, .events = POLLIN};
	uint64_t now = loop_now_ms();

	if (now >= until || poll(&pfd, 1, (int)(until - now)) <= 0)
		return -ETIMEDOUT;
	return 0;
}

static int send_file(const struct store *s, const struct store_file *file, uint64_t until)
{
	struct probe_settings head = {.removed = file->text == NULL, .aside = file->aside};

	text_copy(head.name, sizeof(head.name), file->name);
	return probe_file_send(s->control, &head, file->text, file->text ? file->size : 0, until);
}

/* Waits for the process: the daemon stands still so long, which a working disk makes short. */
int store_write_partition(struct store *s, bool vars, struct vmb_err *err)
{
	uint64_t until = loop_now_ms() + WRITE_MS;
	struct probe_done done;
	struct vmb_err told = {0};
	uint32_t type = 0;
	int rc = spawn(s, "--save", err), n = -EIO;

	if (rc < 0)
		return rc;
	for (size_t i = 0; rc == 0 && i < s->count; i++)
		if (store_file_due(&s->files[i], vars))
			rc = send_file(s, &s->files[i], until);
	if (rc == 0)
		rc = proto_send(s->control, PROBE_DONE, NULL, 0, NULL, 0);
	/* Also when it takes no more: it said why. */
	if (rc != -ETIMEDOUT && wait_control(s, until) < 0)
		rc = -ETIMEDOUT;
	if (rc != -ETIMEDOUT) {
		n = proto_recv(s->control, &type, &done, sizeof(done), NULL, 0, NULL);
		take_done(s, &done, n, type, &told);
		rc = told.code ? -told.code : 0;
	} else {
		vmb_err_set(&told, ETIMEDOUT, "%s did not answer for %d s", s->path,
			    WRITE_MS / 1000);
	}
	/* Its end is the end of its mount. */
	if (rc == 0) {
		int status;

		close(s->control);
		s->control = -1;
		if (child_reap(&s->child, WRITE_MS, &status) < 0) {
			child_kill(&s->child);
			child_leave(&s->child, s->loop);
		}
	}
	store_stop_reading(s);
	if (rc < 0)
		return vmb_err_set(err, told.code, "%s", told.text);
	for (size_t i = 0; i < s->count; i++)
		if (store_file_due(&s->files[i], vars))
			s->files[i].dirty = false;
	return 0;
}

/* ---- finding the partition ---- */

static bool is_labelled(const struct menu_device *d)
{
	return d->state == MENU_DEVICE_READY && d->fstype[0] &&
	       (strcmp(d->label, MENU_STORE_LABEL) == 0 ||
		strcmp(d->part_label, MENU_STORE_LABEL) == 0);
}

/* Another disk at the same path is not ours. */
static bool is_ours(const struct store *s, const struct menu_device *d)
{
	if (s->part_uuid[0])
		return strcmp(s->part_uuid, d->part_uuid) == 0;
	if (s->uuid[0])
		return strcmp(s->uuid, d->uuid) == 0;
	return strcmp(s->path, d->path) == 0 && is_labelled(d);
}

/* The partition is known: where is it now, and may it be touched? */
static void follow_partition(struct store *s, const struct menu_device *devices, size_t count)
{
	bool was_in_use = s->in_use, was_gone = s->gone, was_protected = s->write_protected;

	s->gone = true;
	for (size_t i = 0; i < count; i++) {
		if (!is_ours(s, &devices[i]))
			continue;
		s->gone = false;
		s->in_use = devices[i].in_use;
		s->write_protected = devices[i].read_only;
		text_copy(s->path, sizeof(s->path), devices[i].path);
	}
	if (s->gone != was_gone || s->in_use != was_in_use || s->write_protected != was_protected)
		s->options.changed(s->options.ctx);
	if (s->gone || s->in_use || !(was_gone || was_in_use || was_protected))
		return;
	if (s->was_read)
		store_flush(s, NULL);
	else if (s->control < 0)
		read_partition(s);
}

static void take_partition(struct store *s, const struct menu_device *d)
{
	log_info("settings are kept on %s", d->path);
	s->kind = KIND_PARTITION;
	s->in_use = d->in_use;
	s->write_protected = d->read_only;
	text_copy(s->path, sizeof(s->path), d->path);
	text_copy(s->fstype, sizeof(s->fstype), d->fstype);
	text_copy(s->part_uuid, sizeof(s->part_uuid), d->part_uuid);
	text_copy(s->uuid, sizeof(s->uuid), d->uuid);
	read_partition(s);
	s->options.changed(s->options.ctx);
}

void store_see_devices(struct store *s, const struct menu_device *devices, size_t count,
		       bool scanning)
{
	const struct menu_device *found = NULL;
	struct vmb_err err;
	unsigned int labelled = 0;

	if (s->kind == KIND_DIRECTORY)
		return;
	if (s->kind == KIND_PARTITION) {
		follow_partition(s, devices, count);
		return;
	}
	for (size_t i = 0; i < count; i++)
		if (is_labelled(&devices[i])) {
			labelled++;
			found = found ? found : &devices[i];
		}
	if (labelled == 1 && !scanning) {
		take_partition(s, found);
	} else if (labelled > 1 && !s->loaded) {
		vmb_err_set(&err, ENOTUNIQ,
			    "%u partitions are labelled " MENU_STORE_LABEL
			    ", %s is one of them: none is used. "
			    "Rename all but one.",
			    labelled, found->path);
		log_warn("%s", err.text);
		store_set_trouble(s, &err);
	}
	if (!scanning && s->kind == KIND_NONE && !s->loaded)
		store_set_loaded(s);
}
