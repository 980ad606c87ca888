/* A store that has no directory, and the devices that it sees: for tests of what is on a partition. */
#ifndef VMB_TESTS_UNIT_STORE_FIXTURE_H
#define VMB_TESTS_UNIT_STORE_FIXTURE_H

#include "storage_test.h"

#include "cmd/cmd.h"
#include "daemon/store.h"
#include "log.h"
#include "text.h"

struct store_fixture {
	struct scratch *scratch;
	struct loop *loop;
	struct store *store;
	const char *device; /* a loop device; NULL: there can be none here */
	struct menu_device devices[3];
	bool mends;
	unsigned int loads, changes;
};

static inline void on_store_loaded(void *ctx)
{
	struct store_fixture *f = ctx;

	f->loads++;
	loop_quit(f->loop, 1);
}

static inline void on_store_changed(void *ctx)
{
	struct store_fixture *f = ctx;

	f->changes++;
}

/* As after a start of the daemon. */
static inline void store_fixture_begin(struct store_fixture *f)
{
	const struct store_options options = {.usual = "/nowhere",
					      .mends = f->mends,
					      .loaded = on_store_loaded,
					      .changed = on_store_changed,
					      .ctx = f};

	store_destroy(f->store);
	f->store = NULL;
	assert_int_equal(store_create(f->loop, &options, &f->store, NULL), 0);
}

static inline int store_fixture_setup(struct store_fixture *f)
{
	void *scratch;

	log_init(-1, LOG_LEVEL_ERROR, "test");
	if (scratch_setup(&scratch) < 0 || loop_create(&f->loop) < 0)
		return -1;
	f->scratch = scratch;
	store_fixture_begin(f);
	return 0;
}

static inline int store_fixture_teardown(struct store_fixture *f)
{
	void *scratch = f->scratch;

	store_destroy(f->store);
	loop_destroy(f->loop);
	return scratch_teardown(&scratch);
}

/* The first device becomes PATH, labelled for settings. */
static inline void store_fixture_label(struct store_fixture *f, const char *path,
				       const char *fstype)
{
	struct menu_device *d = &f->devices[0];

	*d = (struct menu_device){.state = MENU_DEVICE_READY};
	text_copy(d->name, sizeof(d->name), path + 5);
	text_copy(d->path, sizeof(d->path), path);
	text_copy(d->label, sizeof(d->label), "VMBOOT");
	text_copy(d->fstype, sizeof(d->fstype), fstype);
}

static inline void on_store_too_slow(void *arg)
{
	struct store_fixture *f = arg;

	loop_quit(f->loop, 0);
}

static inline void store_fixture_load(struct store_fixture *f)
{
	struct loop_timer *timer;

	store_see_devices(f->store, f->devices, 1, false);
	assert_int_equal(loop_add_timer(f->loop, 30000, on_store_too_slow, f, &timer), 0);
	assert_int_equal(loop_run(f->loop), 1);
	loop_remove_timer(timer);
	assert_true(store_is_loaded(f->store));
}

#endif
