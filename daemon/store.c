/* See daemon/store.h. */
#include "store.h"

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

#define LABEL	 "VMBOOT"
#define READ_MS	 10000
#define WRITE_MS 8000
#define REAP_MS	 300

enum kind { KIND_NONE, KIND_DIRECTORY, KIND_PARTITION };

struct store {
	struct loop *loop;
	struct store_options options;
	enum kind kind;
	bool loaded;
	bool was_read;		 /* the partition was, without an error */
	bool gone;		 /* the partition is not there now */
	bool in_use;		 /* by a VM, or the host: it must not be mounted */
	char path[VM_PATH_SIZE]; /* directory, or device */
	char fstype[24];
	char part_uuid[40], uuid[40]; /* by which the partition is known again; may be empty */
	struct vmb_err trouble;	      /* why it cannot be read or written; code 0: it can */
	struct store_file *files;
	size_t count;
	/* the process that reads the partition */
	struct child child;
	int control; /* -1: none */
	struct loop_io *control_io;
	struct loop_timer *deadline;
};

/* ---- files in memory ---- */

static struct store_file *find(const struct store *s, const char *name)
{
	for (size_t i = 0; i < s->count; i++)
		if (strcmp(s->files[i].name, name) == 0)
			return &s->files[i];
	return NULL;
}

const struct store_file *store_find(const struct store *s, const char *name)
{
	const struct store_file *file = find(s, name);

	return file && file->text ? file : NULL;
}

const struct store_file *store_at(const struct store *s, size_t index)
{
	return index < s->count ? &s->files[index] : NULL;
}

static struct store_file *add(struct store *s, const char *name)
{
	struct store_file *grown;
	size_t at = 0;

	if (s->count >= STORE_MAX_FILES)
		return NULL;
	grown = realloc(s->files, (s->count + 1) * sizeof(*grown));
	if (!grown)
		return NULL;
	s->files = grown;
	while (at < s->count && strverscmp(grown[at].name, name) < 0)
		at++;
	memmove(&grown[at + 1], &grown[at], (s->count - at) * sizeof(*grown));
	s->count++;
	grown[at] = (struct store_file){.text = NULL};
	text_copy(grown[at].name, sizeof(grown[at].name), name);
	return &grown[at];
}

static void drop(struct store *s, struct store_file *file)
{
	size_t at = (size_t)(file - s->files);

	free(file->text);
	s->count--;
	memmove(&s->files[at], &s->files[at + 1], (s->count - at) * sizeof(*file));
}

/* 0, -ENOMEM or -ENOSPC. TEXT NULL: removed. */
static int keep(struct store *s, const char *name, const char *text, size_t n, bool dirty)
{
	struct store_file *file = find(s, name);
	char *copy = text ? malloc(n + 1) : NULL;

	if (text && !copy)
		return -ENOMEM;
	if (!file)
		file = add(s, name);
	if (!file) {
		free(copy);
		return -ENOSPC;
	}
	if (copy) {
		memcpy(copy, text, n);
		copy[n] = '\0';
	}
	free(file->text);
	file->text = copy;
	file->size = n;
	file->dirty = dirty;
	return 0;
}

/* What the store says; what was saved in memory meanwhile is newer. */
static void take_file(struct store *s, const char *name, const char *text, size_t n)
{
	const struct store_file *known = find(s, name);

	if (!known || !known->dirty)
		keep(s, name, text, n, false);
}

static void take_skipped(const char *name, const char *why)
{
	log_warn("%s was left out: it %s", name, why);
}

static void set_loaded(struct store *s)
{
	s->loaded = true;
	s->options.loaded(s->options.ctx);
}

static void set_trouble(struct store *s, const struct vmb_err *err)
{
	bool same = s->trouble.code == err->code && strcmp(s->trouble.text, err->text) == 0;

	s->trouble = *err;
	if (!same)
		s->options.changed(s->options.ctx);
}

static void clear_trouble(struct store *s)
{
	const struct vmb_err none = {0};

	set_trouble(s, &none);
}

/* ---- a directory ---- */

static void on_file(void *ctx, const char *name, const char *text, size_t n)
{
	take_file(ctx, name, text, n);
}

static void on_skipped(void *ctx, const char *name, const char *why)
{
	(void)ctx;
	take_skipped(name, why);
}

static int read_directory(struct store *s, const char *path, struct vmb_err *err)
{
	static const struct store_report report = {.file = on_file, .skipped = on_skipped};
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc;

	if (dir < 0)
		return vmb_err_set(err, errno, "The directory of settings %s cannot be read: %s.",
				   path, strerror(errno));
	rc = store_dir_read(dir, false, &report, s);
	close(dir);
	if (rc < 0)
		return vmb_err_set(err, -rc, "The directory of settings %s cannot be read: %s.",
				   path, strerror(-rc));
	s->kind = KIND_DIRECTORY;
	s->loaded = true;
	text_copy(s->path, sizeof(s->path), path);
	return 0;
}

static int write_directory(struct store *s, struct vmb_err *err)
{
	int dir = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = 0;

	if (dir < 0)
		return vmb_err_set(err, errno, "%s", strerror(errno));
	for (size_t i = 0; rc == 0 && i < s->count; i++) {
		struct store_file *file = &s->files[i];

		if (file->dirty)
			rc = store_dir_write(dir, file->name, file->text, file->size);
		file->dirty = file->dirty && rc < 0;
	}
	close(dir);
	return rc < 0 ? vmb_err_set(err, -rc, "%s", strerror(-rc)) : 0;
}

/* ---- a partition ---- */

static void stop_reading(struct store *s)
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
	if (child_reap(&s->child, REAP_MS, &status) < 0)
		log_warn("the process that read the settings on %s does not die; leaving it",
			 s->path);
}

static void end_reading(struct store *s, const struct vmb_err *err)
{
	stop_reading(s);
	if (err->code) {
		log_warn("%s", err->text);
		set_trouble(s, err);
	}
	s->was_read = err->code == 0;
	if (s->was_read)
		clear_trouble(s);
	set_loaded(s);
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

struct message {
	struct probe_settings head;
	char text[STORE_FILE_MAX + 1];
};

static void take_message(struct store *s, struct message *m, size_t n)
{
	m->head.name[sizeof(m->head.name) - 1] = '\0';
	m->text[n - sizeof(m->head)] = '\0';
	if (m->head.skipped)
		take_skipped(m->head.name, m->text);
	else if (store_dir_knows(m->head.name))
		take_file(s, m->head.name, m->text, n - sizeof(m->head));
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
	struct message message;
	uint32_t type = 0;
	int n = proto_recv(fd, &type, &message, sizeof(message) - 1, NULL, 0, NULL);

	(void)revents;
	if (n == -EAGAIN)
		return;
	if (n >= (int)sizeof(message.head) && type == PROBE_SETTINGS) {
		take_message(s, &message, (size_t)n);
		return;
	}
	take_done(s, &message, n, type, &err);
	end_reading(s, &err);
}

static void on_deadline(void *arg)
{
	struct store *s = arg;
	struct vmb_err err;

	s->deadline = NULL;
	vmb_err_set(&err, ETIMEDOUT, "%s did not answer for %d s; its settings are not used.",
		    s->path, READ_MS / 1000);
	end_reading(s, &err);
}

static void read_partition(struct store *s)
{
	struct vmb_err err = {0};
	int rc = spawn(s, "--settings", &err);

	if (rc == 0 &&
	    (loop_add_io(s->loop, s->control, POLLIN, on_control, s, &s->control_io) < 0 ||
	     loop_add_timer(s->loop, READ_MS, on_deadline, s, &s->deadline) < 0))
		rc = vmb_err_set(&err, ENOMEM, "Not enough memory to read the settings on %s.",
				 s->path);
	if (rc < 0)
		end_reading(s, &err);
}

/* Sends or receives with the deadline UNTIL; 0 or -errno. */
static int wait_control(const struct store *s, short events, uint64_t until)
{
	struct pollfd pfd = {.fd = s->control, .events = events};
	uint64_t now = loop_now_ms();

	if (now >= until || poll(&pfd, 1, (int)(until - now)) <= 0)
		return -ETIMEDOUT;
	return 0;
}

static int send_file(const struct store *s, const struct store_file *file, uint64_t until)
{
	struct message m = {.head = {.removed = file->text == NULL}};
	int rc;

	text_copy(m.head.name, sizeof(m.head.name), file->name);
	if (file->text)
		memcpy(m.text, file->text, file->size);
	do
		rc = proto_send(s->control, PROBE_SETTINGS, &m,
				sizeof(m.head) + (file->text ? file->size : 0), NULL, 0);
	while (rc == -EAGAIN && (rc = wait_control(s, POLLOUT, until)) == 0);
	return rc;
}

/* Waits for the process: the daemon stands still so long, which a working disk makes short. */
static int write_partition(struct store *s, struct vmb_err *err)
{
	uint64_t until = loop_now_ms() + WRITE_MS;
	struct probe_done done;
	struct vmb_err told = {0};
	uint32_t type = 0;
	int rc = spawn(s, "--save", err), n = -EIO;

	if (rc < 0)
		return rc;
	for (size_t i = 0; rc == 0 && i < s->count; i++)
		if (s->files[i].dirty)
			rc = send_file(s, &s->files[i], until);
	if (rc == 0)
		rc = proto_send(s->control, PROBE_DONE, NULL, 0, NULL, 0);
	/* Also when it takes no more: it said why. */
	if (rc != -ETIMEDOUT && wait_control(s, POLLIN, until) < 0)
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
		if (child_reap(&s->child, WRITE_MS, &status) < 0)
			child_kill(&s->child);
	}
	stop_reading(s);
	if (rc < 0)
		return vmb_err_set(err, told.code, "%s", told.text);
	for (size_t i = 0; i < s->count; i++)
		s->files[i].dirty = false;
	return 0;
}

/* ---- finding the partition ---- */

static bool is_labelled(const struct menu_device *d)
{
	return d->state == MENU_DEVICE_READY && d->fstype[0] &&
	       (strcmp(d->label, LABEL) == 0 || strcmp(d->part_label, LABEL) == 0);
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
	bool was_in_use = s->in_use, was_gone = s->gone;

	s->gone = true;
	for (size_t i = 0; i < count; i++) {
		if (!is_ours(s, &devices[i]))
			continue;
		s->gone = false;
		s->in_use = devices[i].in_use || devices[i].read_only;
		text_copy(s->path, sizeof(s->path), devices[i].path);
	}
	if (s->gone != was_gone || s->in_use != was_in_use)
		s->options.changed(s->options.ctx);
	if (s->gone || s->in_use || !(was_gone || was_in_use))
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
	s->in_use = d->in_use || d->read_only;
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
			    "%u partitions are labelled " LABEL
			    ", %s is one of them: none is used. "
			    "Rename all but one.",
			    labelled, found->path);
		log_warn("%s", err.text);
		set_trouble(s, &err);
	}
	if (!scanning && s->kind == KIND_NONE && !s->loaded)
		set_loaded(s);
}

/* ---- saving ---- */

static int write_dirty(struct store *s, struct vmb_err *err)
{
	if (s->kind == KIND_NONE)
		return vmb_err_set(err, ENOENT, "none found");
	if (s->kind == KIND_DIRECTORY)
		return write_directory(s, err);
	if (s->control >= 0)
		return vmb_err_set(err, EBUSY, "still being read");
	if (s->gone)
		return vmb_err_set(err, ENODEV, "%s is not there", s->path);
	if (s->in_use)
		return vmb_err_set(err, EBUSY, "%s is in use", s->path);
	return write_partition(s, err);
}

static bool has_dirty(const struct store *s)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->files[i].dirty)
			return true;
	return false;
}

/* Files that are gone from the disk, too. */
static void forget_removed(struct store *s)
{
	for (size_t i = s->count; i-- > 0;)
		if (!s->files[i].text && !s->files[i].dirty)
			drop(s, &s->files[i]);
}

static void say_kept(const struct store *s, const struct vmb_err *why, struct vmb_err *err)
{
	if (s->kind == KIND_NONE)
		vmb_err_set(err, ENOENT,
			    "There is no settings store: change kept for this boot only. Make "
			    "%s, or label a partition " LABEL ".",
			    s->options.usual);
	else if (why->code == EROFS || why->code == EACCES || why->code == EPERM)
		vmb_err_set(err, why->code,
			    "Settings store read-only (%s): change kept for this boot only.",
			    s->path);
	else
		vmb_err_set(err, why->code,
			    "Settings store %s cannot be written (%s): change kept for this boot "
			    "only.",
			    s->path, why->text);
}

int store_flush(struct store *s, struct vmb_err *err)
{
	struct vmb_err why = {0}, kept;

	if (!has_dirty(s))
		return 0;
	if (write_dirty(s, &why) == 0) {
		forget_removed(s);
		clear_trouble(s);
		return 0;
	}
	say_kept(s, &why, &kept);
	if (s->kind != KIND_NONE)
		set_trouble(s, &kept);
	log_warn("%s", kept.text);
	if (err)
		*err = kept;
	return 1;
}

int store_put(struct store *s, const char *name, const char *text, size_t n, struct vmb_err *err)
{
	const struct store_file *old = find(s, name);
	int rc;

	if (text ? old && old->text && old->size == n && memcmp(old->text, text, n) == 0
		 : !old || !old->text)
		return store_flush(s, err);
	if (!store_dir_knows(name) || n > STORE_FILE_MAX)
		return vmb_err_set(err, EFBIG, "The file %s would be too big to be kept.", name);
	rc = keep(s, name, text, n, true);
	if (rc < 0)
		return vmb_err_set(err, -rc, "There is no room for %s: %s.", name, strerror(-rc));
	return store_flush(s, err);
}

/* ---- describing ---- */

bool store_is_loaded(const struct store *s)
{
	return s->loaded;
}

static enum menu_store_state state_of(const struct store *s)
{
	if (!s->loaded)
		return MENU_STORE_WAITING;
	if (s->kind == KIND_NONE)
		return MENU_STORE_NONE;
	if (s->trouble.code || s->gone || s->in_use ||
	    (s->kind == KIND_DIRECTORY && access(s->path, W_OK) < 0))
		return MENU_STORE_READ_ONLY;
	return MENU_STORE_OK;
}

void store_describe(const struct store *s, struct menu_settings *ret)
{
	const char *text = s->trouble.text;

	ret->store_state = (uint8_t)state_of(s);
	ret->store[0] = '\0';
	if (s->kind == KIND_DIRECTORY)
		text_escape(ret->store, sizeof(ret->store), s->path, strlen(s->path));
	else if (s->kind == KIND_PARTITION)
		snprintf(ret->store, sizeof(ret->store), "%.200s (" LABEL ")", s->path);
	if (!s->loaded)
		text = "looking for a partition labelled " LABEL;
	else if (!text[0] && s->kind == KIND_NONE)
		text = "none found, running on defaults";
	else if (!text[0] && s->gone)
		text = "its disk is not there: changes are kept for this boot only";
	else if (!text[0] && s->in_use)
		text = "its disk is in use: changes are kept until it is free";
	else if (!text[0] && ret->store_state == MENU_STORE_READ_ONLY)
		text = "read-only: changes are kept for this boot only";
	text_copy(ret->store_text, sizeof(ret->store_text), text);
}

char *store_path(const struct store *s, const char *name, char *buf, size_t size)
{
	char raw[VM_PATH_SIZE + STORE_NAME_SIZE + 8];

	if (s->kind == KIND_DIRECTORY)
		snprintf(raw, sizeof(raw), "%s/%s", s->path, name);
	else
		snprintf(raw, sizeof(raw), "%s %s%s", name,
			 s->kind == KIND_PARTITION ? "on " : "(in memory)",
			 s->kind == KIND_PARTITION ? s->path : "");
	return text_escape(buf, size, raw, strlen(raw));
}

/* ---- life ---- */

int store_create(struct loop *loop, const struct store_options *options, struct store **ret_store,
		 struct vmb_err *err)
{
	struct store *s = calloc(1, sizeof(*s));
	int rc = 0;

	if (!s)
		return vmb_err_set(err, ENOMEM, "Not enough memory for the settings.");
	s->loop = loop;
	s->options = *options;
	s->control = -1;
	s->child.pidfd = -1;
	if (options->config)
		rc = read_directory(s, options->config, err);
	else if (access(options->usual, F_OK) == 0)
		rc = read_directory(s, options->usual, err);
	if (rc < 0 && !options->config) {
		/* It is there, and cannot be read: a partition is no substitute for it. */
		log_warn("%s", err->text);
		s->kind = KIND_DIRECTORY;
		s->loaded = true;
		s->trouble = *err;
		text_copy(s->path, sizeof(s->path), options->usual);
		rc = 0;
	}
	if (rc < 0)
		store_destroy(s);
	else
		*ret_store = s;
	return rc;
}

void store_destroy(struct store *s)
{
	if (!s)
		return;
	stop_reading(s);
	for (size_t i = 0; i < s->count; i++)
		free(s->files[i].text);
	free(s->files);
	free(s);
}
