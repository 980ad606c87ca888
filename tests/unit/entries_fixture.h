/* The daemon's entries, settings and countdown on a store of files, with a few disks. */
#ifndef VMB_TESTS_UNIT_ENTRIES_FIXTURE_H
#define VMB_TESTS_UNIT_ENTRIES_FIXTURE_H

#include "storage_test.h"

#include <errno.h>

#include "daemon/autoboot.h"
#include "daemon/entries.h"
#include "daemon/settings.h"
#include "daemon/store.h"
#include "log.h"
#include "text.h"
#include "vmm_proto.h"

struct fixture {
	struct scratch *scratch;
	struct loop *loop;
	struct store *store;
	struct settings *settings;
	struct entries *entries;
	struct autoboot *autoboot;
	struct menu_device devices[4];
	size_t device_count;
	char pin[PATH_MAX];
	char started[512]; /* ids, in order */
	char refuses[64];  /* the id whose start is refused */
	bool scanning;
	int countdowns; /* that the menus were told of */
	unsigned int changes;
};

/* Half a minute of an operating system lasts a moment here. */
int __real_loop_add_timer(struct loop *loop, uint64_t msec, loop_timer_fn fn, void *arg,
			  struct loop_timer **ret_timer);
int __wrap_loop_add_timer(struct loop *loop, uint64_t msec, loop_timer_fn fn, void *arg,
			  struct loop_timer **ret_timer);
int __wrap_loop_add_timer(struct loop *loop, uint64_t msec, loop_timer_fn fn, void *arg,
			  struct loop_timer **ret_timer)
{
	return __real_loop_add_timer(loop, msec == 30000 ? 300 : msec, fn, arg, ret_timer);
}

static inline void on_changed(void *ctx)
{
	struct fixture *f = ctx;

	f->changes++;
	if (f->autoboot)
		autoboot_entries_changed(f->autoboot);
}

static inline void on_nothing(void *ctx)
{
	(void)ctx;
}

static inline int on_start(void *ctx, const char *id, struct vmb_err *err)
{
	struct fixture *f = ctx;
	size_t n = strlen(f->started);

	if (strcmp(id, f->refuses) == 0)
		return vmb_err_set(err, EBUSY, "It is refused.");
	snprintf(f->started + n, sizeof(f->started) - n, "%s ", id);
	autoboot_vm_started(f->autoboot, id, true);
	loop_quit(f->loop, 1);
	return 0;
}

static inline bool on_scanning(void *ctx)
{
	struct fixture *f = ctx;

	return f->scanning;
}

static inline void on_countdown(void *ctx)
{
	struct fixture *f = ctx;

	f->countdowns++;
}

static const struct autoboot_events events = {
	.changed = on_countdown, .start = on_start, .scanning = on_scanning};

static inline const char *file_text(const struct fixture *f, const char *name)
{
	static char text[4096];
	char path[PATH_MAX];
	FILE *file = fopen(scratch_path(f->scratch, name, path), "re");
	size_t n = file ? fread(text, 1, sizeof(text) - 1, file) : 0;

	if (file)
		fclose(file);
	text[n] = '\0';
	return text;
}

static inline void add_device(struct fixture *f, const char *name, const char *parent,
			      const char *serial)
{
	struct menu_device *d = &f->devices[f->device_count++];

	*d = (struct menu_device){.state = MENU_DEVICE_READY};
	text_copy(d->name, sizeof(d->name), name);
	text_copy(d->parent, sizeof(d->parent), parent);
	text_copy(d->serial, sizeof(d->serial), serial);
	snprintf(d->path, sizeof(d->path), "/dev/%s", name);
}

static inline void close_all(struct fixture *f)
{
	autoboot_destroy(f->autoboot);
	entries_destroy(f->entries);
	settings_destroy(f->settings);
	store_destroy(f->store);
	loop_destroy(f->loop);
	f->autoboot = NULL;
	f->entries = NULL;
	f->settings = NULL;
	f->store = NULL;
	f->loop = NULL;
}

/* What a start of the daemon does. */
static inline void open_all(struct fixture *f)
{
	struct store_options options = {.config = f->scratch->dir,
					.usual = "/nowhere",
					.loaded = on_nothing,
					.changed = on_nothing,
					.ctx = f};

	close_all(f);
	assert_int_equal(loop_create(&f->loop), 0);
	assert_int_equal(store_create(f->loop, &options, &f->store, NULL), 0);
	assert_true(store_is_loaded(f->store));
	assert_int_equal(settings_create(f->store, f->pin, &f->settings), 0);
	assert_int_equal(entries_create(f->store, f->settings, on_changed, f, &f->entries), 0);
	assert_int_equal(
		autoboot_create(f->loop, f->entries, f->settings, &events, f, &f->autoboot), 0);
	settings_load(f->settings);
	entries_load(f->entries);
	entries_see_devices(f->entries, f->devices, f->device_count);
}

static inline int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	void *scratch;

	log_init(-1, LOG_LEVEL_ERROR, "test");
	if (scratch_setup(&scratch) < 0)
		return -1;
	f->scratch = scratch;
	*state = f;
	sh("mkdir %s/entries; touch %s/fw.fd", f->scratch->dir, f->scratch->dir);
	scratch_path(f->scratch, "pin", f->pin);
	add_device(f, "sda", "", "AAA");
	add_device(f, "sda1", "sda", "");
	add_device(f, "sdb", "", "BBB");
	return 0;
}

static inline int teardown(void **state)
{
	struct fixture *f = *state;
	void *scratch = f->scratch;

	close_all(f);
	free(f);
	return scratch_teardown(&scratch);
}

/* entries/ID.conf with firmware that is there and MORE. */
static inline void put_entry(const struct fixture *f, const char *id, const char *more)
{
	char name[128], text[1024];

	snprintf(name, sizeof(name), "entries/%s.conf", id);
	snprintf(text, sizeof(text), "firmware = %s/fw.fd\n%s", f->scratch->dir, more);
	put(f->scratch, name, text);
}

static inline const struct menu_entry *entry(const struct fixture *f, const char *id)
{
	const struct menu_entry *found = entries_find(f->entries, id);

	if (!found)
		fail_msg("there is no entry %s", id);
	return found;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
