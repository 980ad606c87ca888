/* Entries that are saved, copied, renamed, deleted: see daemon/entries.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "disk_names.h"
#include "entries_internal.h"
#include "text.h"

/* The worse of two results of writing. */
static int worse(int a, int b)
{
	if (a < 0 || b < 0)
		return a < 0 ? a : b;
	return a > b ? a : b;
}

int entries_put_state(struct entries *e, struct vmb_err *err)
{
	char *text = malloc(BOOT_STATE_SIZE);
	int rc;

	if (!text)
		return vmb_err_set(err, ENOMEM, "Not enough memory to keep the state.");
	rc = store_put(e->store, ENTRIES_STATE, text, boot_state_render(&e->state, text), err);
	free(text);
	return rc;
}

/* An id for TITLE that no other entry has; that of entry OLD (may be empty) is free. */
static void choose_id(const struct entries *e, const char *title, const char *old, char *id)
{
	char base[MENU_ID_SIZE];

	entry_file_make_id(title, base);
	text_copy(id, MENU_ID_SIZE, base);
	for (unsigned int n = 2; entries_look_up(e, id) && strcmp(id, old) != 0; n++)
		snprintf(id, MENU_ID_SIZE, "%.48s-%u", base, n);
}

/* The name under which the file OLD (may be NULL) knew the disk at PATH, else the most stable one. */
static void keep_name(const struct entries *e, const struct entry_file *old, char *path)
{
	char name[VM_PATH_SIZE], at[VM_PATH_SIZE];

	for (uint32_t i = 0; old && i < old->entry.config.disk_count; i++) {
		const char *known = old->entry.config.disks[i].path;

		if (disk_name_resolve(e->devices, e->device_count, known, at, NULL) == 0 &&
		    strcmp(at, path) == 0) {
			text_copy(path, VM_PATH_SIZE, known);
			return;
		}
	}
	disk_name_make(e->devices, e->device_count, path, name);
	text_copy(path, VM_PATH_SIZE, name);
}

/* What a menu sent, as it stands in a file. */
static void make_stable(const struct entries *e, const struct entry_file *old,
			struct menu_entry_save *save)
{
	struct vm_config *c = &save->config;

	for (uint32_t i = 0; i < c->disk_count; i++)
		keep_name(e, old, c->disks[i].path);
	if (c->firmware_device[0])
		keep_name(e, NULL, c->firmware_device);
	c->fresh_vars = 0; /* for one start, never kept */
}

/*
 * Puts SAVE in the place of OLD_ID (may be empty) under RET_ID. The new file is there before anything refers to
 * it, and the old one goes when nothing does any more: at every cut there is an entry.
 */
static int put_entry(struct entries *e, const struct menu_entry_save *save, const char *old_text,
		     size_t old_n, const char *old_id, const char *id, struct vmb_err *err)
{
	char name[STORE_NAME_SIZE];
	size_t n;
	char *text = entry_file_render(save, old_text, old_n, &n, err);
	int rc;

	if (!text)
		return -EINVAL;
	rc = store_put(e->store, entries_file_name(id, name), text, n, err);
	free(text);
	if (rc < 0 || !old_id[0] || strcmp(old_id, id) == 0)
		return rc;
	if (strcmp(settings_get(e->settings)->default_id, old_id) == 0)
		rc = worse(rc, settings_set_default(e->settings, id, err));
	boot_state_rename(&e->state, old_id, id);
	rc = worse(rc, entries_put_state(e, err));
	if (rc >= 0)
		rc = worse(rc, store_put(e->store, entries_file_name(old_id, name), NULL, 0, err));
	return rc;
}

static int check_save(const struct menu_entry_save *save, struct vmb_err *err)
{
	int rc;

	if (!memchr(save->id, '\0', sizeof(save->id)) ||
	    !memchr(save->console.keys, '\0', sizeof(save->console.keys)) ||
	    !memchr(save->console.charset, '\0', sizeof(save->console.charset)))
		return vmb_err_set(err, EINVAL, "This entry was not made by vmboot.");
	rc = vm_config_check_form(&save->config, err);
	if (rc == 0 && !save->config.title[0])
		rc = vmb_err_set(err, EINVAL, "An entry needs a name.");
	if (rc == 0)
		rc = entry_file_check_hints(&save->console, err);
	return rc;
}

int entries_save(struct entries *e, const struct menu_entry_save *save, char *ret_id,
		 struct vmb_err *err)
{
	char name[STORE_NAME_SIZE], id[MENU_ID_SIZE];
	struct menu_entry_save *stable;
	const struct store_file *old_file = NULL;
	const struct menu_entry *old;
	int rc = check_save(save, err);

	if (rc == 0)
		rc = settings_may_change(e->settings, err);
	if (rc < 0)
		return rc;
	old = entries_look_up(e, save->id);
	if (save->id[0] && !old)
		return entries_refuse_unknown(save->id, err);
	stable = malloc(sizeof(*stable));
	if (!stable)
		return vmb_err_set(err, ENOMEM, "Not enough memory to save the entry.");
	*stable = *save;
	make_stable(e, old ? &e->files[old - e->list] : NULL, stable);
	if (old && strcmp(old->config.title, save->config.title) == 0)
		text_copy(id, sizeof(id), old->id);
	else
		choose_id(e, save->config.title, save->id, id);
	if (old)
		old_file = store_find(e->store, entries_file_name(save->id, name));
	rc = put_entry(e, stable, old_file ? old_file->text : "", old_file ? old_file->size : 0,
		       save->id, id, err);
	free(stable);
	if (rc >= 0)
		text_copy(ret_id, MENU_ID_SIZE, id);
	entries_read(e, true);
	return rc;
}

/* The file of entry ID under another title; OLD_ID goes when it is not empty. */
static int put_titled(struct entries *e, const char *id, const char *title, const char *old_id,
		      char *ret_id, struct vmb_err *err)
{
	char name[STORE_NAME_SIZE], new_id[MENU_ID_SIZE];
	const struct menu_entry *entry = entries_look_up(e, id);
	const struct store_file *file;
	struct menu_entry_save *save;
	int rc;

	if (!entry)
		return entries_refuse_unknown(id, err);
	rc = settings_may_change(e->settings, err);
	if (rc < 0)
		return rc;
	if (!title[0])
		return vmb_err_set(err, EINVAL, "An entry needs a name.");
	file = store_find(e->store, entries_file_name(id, name));
	save = malloc(sizeof(*save));
	if (!file || !save) {
		free(save);
		return vmb_err_set(err, ENOMEM, "Not enough memory to save the entry.");
	}
	*save = e->files[entry - e->list].entry;
	text_escape(save->config.title, sizeof(save->config.title), title, strlen(title));
	choose_id(e, title, old_id, new_id);
	rc = put_entry(e, save, file->text, file->size, old_id, new_id, err);
	free(save);
	if (rc >= 0)
		text_copy(ret_id, MENU_ID_SIZE, new_id);
	entries_read(e, true);
	return rc;
}

int entries_copy(struct entries *e, const char *id, const char *title, char *ret_id,
		 struct vmb_err *err)
{
	return put_titled(e, id, title, "", ret_id, err);
}

int entries_rename(struct entries *e, const char *id, const char *title, char *ret_id,
		   struct vmb_err *err)
{
	return put_titled(e, id, title, id, ret_id, err);
}

int entries_delete(struct entries *e, const char *id, struct vmb_err *err)
{
	char name[STORE_NAME_SIZE];
	int rc = settings_may_change(e->settings, err);

	if (rc < 0)
		return rc;
	if (!entries_look_up(e, id))
		return entries_refuse_unknown(id, err);
	if (strcmp(settings_get(e->settings)->default_id, id) == 0)
		rc = settings_set_default(e->settings, "", err);
	boot_state_rename(&e->state, id, "");
	rc = worse(rc, entries_put_state(e, err));
	if (rc >= 0)
		rc = worse(rc, store_put(e->store, entries_file_name(id, name), NULL, 0, err));
	entries_read(e, true);
	return rc;
}

int entries_set_default(struct entries *e, const char *id, struct vmb_err *err)
{
	int rc;

	if (id[0] && !entries_look_up(e, id))
		return entries_refuse_unknown(id, err);
	rc = settings_set_default(e->settings, id, err);
	/* Who chooses an entry wants it tried again. */
	boot_state_set_failed(&e->skipped, id, 0);
	if (rc >= 0 && id[0] && boot_state_failed(&e->state, id)) {
		boot_state_set_failed(&e->state, id, 0);
		rc = worse(rc, entries_put_state(e, err));
	}
	entries_refresh(e);
	return rc;
}

int entries_set_once(struct entries *e, const char *id, struct vmb_err *err)
{
	int rc;

	if (id[0] && !entries_look_up(e, id))
		return entries_refuse_unknown(id, err);
	text_copy(e->state.once, sizeof(e->state.once), id);
	rc = entries_put_state(e, err);
	entries_refresh(e);
	return rc;
}
