/* See daemon/store.h. */
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "daemon_path.h"
#include "log.h"
#include "store_internal.h"
#include "text.h"

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
	file->changed = time(NULL);
	return 0;
}

/* What the store says; what was saved in memory meanwhile is newer. */
void store_take_file(struct store *s, const char *name, const char *text, size_t n, int64_t changed)
{
	const struct store_file *known = find(s, name);

	if ((!known || !known->dirty) && keep(s, name, text, n, false) == 0)
		find(s, name)->changed = changed;
}

void store_take_skipped(struct store *s, const char *name, const char *why)
{
	log_warn("%s was left out: it %s", name, why);
	if (store_dir_is_vars(name))
		store_take_file(s, name, "", 0, 0);
}

void store_set_loaded(struct store *s)
{
	s->loaded = true;
	s->options.loaded(s->options.ctx);
}

void store_set_trouble(struct store *s, const struct vmb_err *err)
{
	bool same = s->trouble.code == err->code && strcmp(s->trouble.text, err->text) == 0;

	s->trouble = *err;
	if (!same)
		s->options.changed(s->options.ctx);
}

void store_clear_trouble(struct store *s)
{
	const struct vmb_err none = {0};

	store_set_trouble(s, &none);
}

/* ---- a directory ---- */

static void on_file(void *ctx, const char *name, const char *text, size_t n, int64_t changed)
{
	store_take_file(ctx, name, text, n, changed);
}

static void on_skipped(void *ctx, const char *name, const char *why)
{
	store_take_skipped(ctx, name, why);
}

/* Is the directory one that is made when something is saved? */
static bool makes(const struct store *s)
{
	return !s->options.config && s->options.make_usual;
}

static int read_directory(struct store *s, const char *path, struct vmb_err *err)
{
	static const struct store_report report = {.file = on_file, .skipped = on_skipped};
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc;

	if (dir < 0 && errno == ENOENT && makes(s)) {
		rc = 0;
	} else if (dir < 0) {
		return vmb_err_set(err, errno, "The directory of settings %s cannot be read: %s.",
				   path, strerror(errno));
	} else {
		rc = store_dir_read(dir, false, &report, s);
		close(dir);
	}
	if (rc < 0)
		return vmb_err_set(err, -rc, "The directory of settings %s cannot be read: %s.",
				   path, strerror(-rc));
	s->kind = KIND_DIRECTORY;
	s->loaded = true;
	text_copy(s->path, sizeof(s->path), path);
	return 0;
}

static int open_to_write(const struct store *s)
{
	int dir = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir >= 0 || errno != ENOENT || !makes(s))
		return dir;
	if (daemon_path_make_parents(s->path) < 0 || mkdir(s->path, 0700) < 0)
		return -1;
	return open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int write_directory(struct store *s, bool vars, struct vmb_err *err)
{
	int dir = open_to_write(s), rc = 0;

	if (dir < 0)
		return vmb_err_set(err, errno, "%s", strerror(errno));
	for (size_t i = 0; rc == 0 && i < s->count; i++) {
		struct store_file *file = &s->files[i];

		if (!store_file_due(file, vars))
			continue;
		rc = store_dir_write(dir, file->name, file->text, file->size);
		file->dirty = rc < 0;
	}
	close(dir);
	return rc < 0 ? vmb_err_set(err, -rc, "%s", strerror(-rc)) : 0;
}

/* ---- saving ---- */

static int write_due(struct store *s, bool vars, struct vmb_err *err)
{
	if (s->kind == KIND_NONE)
		return vmb_err_set(err, ENOENT, "none found");
	if (s->kind == KIND_DIRECTORY)
		return write_directory(s, vars, err);
	if (s->control >= 0)
		return vmb_err_set(err, EBUSY, "still being read");
	if (s->gone)
		return vmb_err_set(err, ENODEV, "%s is not there", s->path);
	if (s->in_use)
		return vmb_err_set(err, EBUSY, "%s is in use", s->path);
	if (s->write_protected)
		return vmb_err_set(err, EROFS, "%s is read-only", s->path);
	return store_write_partition(s, vars, err);
}

static bool is_due(const struct store *s, bool vars)
{
	for (size_t i = 0; i < s->count; i++)
		if (store_file_due(&s->files[i], vars))
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

static void say_kept(const struct store *s, bool vars, const struct vmb_err *why,
		     struct vmb_err *err)
{
	if (vars)
		vmb_err_set(err, why->code,
			    "The UEFI variables are not on %s, and last until this machine is "
			    "switched off: %s.",
			    s->path, why->text);
	else if (s->kind == KIND_NONE)
		vmb_err_set(err, ENOENT,
			    "There is no settings store: change kept for this boot only. Make "
			    "%s, or label a partition " MENU_STORE_LABEL ".",
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

/*
 * Variables, or settings: those that a full partition has no room for any more must not keep the others from being
 * written. 0, or 1 with the sentence in ERR (may be NULL).
 */
static int flush(struct store *s, bool vars, struct vmb_err *err)
{
	struct vmb_err why = {0}, kept;

	if (!is_due(s, vars))
		return 0;
	if (write_due(s, vars, &why) == 0) {
		forget_removed(s);
		if (!is_due(s, !vars))
			store_clear_trouble(s);
		return 0;
	}
	text_drop_full_stop(why.text);
	say_kept(s, vars, &why, &kept);
	if (s->kind != KIND_NONE)
		store_set_trouble(s, &kept);
	log_warn("%s", kept.text);
	if (err)
		*err = kept;
	return 1;
}

int store_flush(struct store *s, struct vmb_err *err)
{
	int rc = flush(s, false, err);

	/* A disk that does not answer is waited for once. */
	if (rc != 0 && s->trouble.code == ETIMEDOUT)
		return rc;
	return flush(s, true, rc == 0 ? err : NULL) || rc;
}

int store_put(struct store *s, const char *name, const char *text, size_t n, struct vmb_err *err)
{
	const struct store_file *old = find(s, name);
	bool vars = store_dir_is_vars(name);
	int rc;

	if (text ? old && old->text && old->size == n && memcmp(old->text, text, n) == 0
		 : !old || !old->text)
		return flush(s, vars, err);
	if (!store_dir_knows(name) || n > store_dir_max(name))
		return vmb_err_set(err, EFBIG, "The file %s would be too big to be kept.", name);
	rc = keep(s, name, text, n, true);
	if (rc < 0)
		return vmb_err_set(err, -rc, "There is no room for %s: %s.", name, strerror(-rc));
	rc = flush(s, vars, err);
	if (rc == 0)
		flush(s, !vars, NULL);
	return rc;
}

bool store_is_dirty(const struct store *s, const char *name)
{
	const struct store_file *file = find(s, name);

	return file && file->dirty;
}

enum store_vars store_vars(const struct store *s)
{
	if (s->kind == KIND_PARTITION && s->was_read)
		return STORE_VARS_YES;
	if (!s->loaded || s->control >= 0)
		return STORE_VARS_WAITING;
	return s->kind == KIND_PARTITION ? STORE_VARS_UNREAD : STORE_VARS_NO;
}

int store_set_aside(struct store *s, const char *name, bool bad, struct vmb_err *err)
{
	struct store_file *file = find(s, name), before;
	struct vmb_err why = {0};

	if (!file || !file->text)
		return 0;
	before = *file;
	file->text = NULL;
	file->dirty = true;
	file->aside = bad ? PROBE_ASIDE_BAD : PROBE_ASIDE_OLD;
	if (write_due(s, true, &why) == 0) {
		free(before.text);
		forget_removed(s);
		return 0;
	}
	*file = before;
	return vmb_err_set(
		err, why.code,
		"The old UEFI variables on %s cannot be put aside: %s. Start with them, or "
		"with variables that are not kept.",
		s->path, why.text);
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
	if (s->trouble.code || s->gone || s->in_use || s->write_protected ||
	    (s->kind == KIND_DIRECTORY && access(s->path, W_OK) < 0 &&
	     !(errno == ENOENT && makes(s))))
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
		snprintf(ret->store, sizeof(ret->store), "%.200s (" MENU_STORE_LABEL ")", s->path);
	if (!s->loaded)
		text = "looking for a partition labelled " MENU_STORE_LABEL;
	else if (!text[0] && s->kind == KIND_NONE)
		text = "none found, running on defaults";
	else if (!text[0] && s->gone)
		text = "its disk is not there: changes are kept for this boot only";
	else if (!text[0] && s->in_use)
		text = "its disk is in use: changes are kept until it is free";
	else if (s->trouble.code == EROFS || (!text[0] && ret->store_state == MENU_STORE_READ_ONLY))
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
	struct vmb_err why = {0};
	int rc = 0;

	if (!s)
		return vmb_err_set(err, ENOMEM, "Not enough memory for the settings.");
	s->loop = loop;
	s->options = *options;
	s->control = -1;
	s->child.pidfd = -1;
	if (options->config)
		rc = read_directory(s, options->config, &why);
	else if (options->make_usual || access(options->usual, F_OK) == 0)
		rc = read_directory(s, options->usual, &why);
	if (rc < 0 && !options->config) {
		/* It is there, and cannot be read: a partition is no substitute for it. */
		log_warn("%s", why.text);
		s->kind = KIND_DIRECTORY;
		s->loaded = true;
		s->trouble = why;
		text_copy(s->path, sizeof(s->path), options->usual);
		rc = 0;
	}
	if (rc < 0) {
		store_destroy(s);
		return vmb_err_set(err, why.code, "%s", why.text);
	}
	*ret_store = s;
	return 0;
}

void store_destroy(struct store *s)
{
	if (!s)
		return;
	store_stop_reading(s);
	probe_file_clear(&s->coming);
	for (size_t i = 0; i < s->count; i++)
		free(s->files[i].text);
	free(s->files);
	free(s);
}
