/*
 * Entries and the countdown as the daemon joins them: files of a store with the disks there are, saving and what
 * refers to what, what starts by itself and what comes after a start that failed.
 */
#include "storage_test.h"

#include <errno.h>

#include "daemon/autoboot.h"
#include "daemon/entries.h"
#include "daemon/settings.h"
#include "daemon/store.h"
#include "log.h"
#include "sign_test.h"
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

static void on_changed(void *ctx)
{
	struct fixture *f = ctx;

	f->changes++;
	if (f->autoboot)
		autoboot_entries_changed(f->autoboot);
}

static void on_nothing(void *ctx)
{
	(void)ctx;
}

static int on_start(void *ctx, const char *id, struct vmb_err *err)
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

static bool on_scanning(void *ctx)
{
	struct fixture *f = ctx;

	return f->scanning;
}

static const struct autoboot_events events = {
	.changed = on_nothing, .start = on_start, .scanning = on_scanning};

static void put_file(const struct fixture *f, const char *name, const char *text)
{
	char path[PATH_MAX];

	write_file(scratch_path(f->scratch, name, path), text, strlen(text), 0);
}

static const char *file_text(const struct fixture *f, const char *name)
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

static void add_device(struct fixture *f, const char *name, const char *parent, const char *serial)
{
	struct menu_device *d = &f->devices[f->device_count++];

	*d = (struct menu_device){.state = MENU_DEVICE_READY};
	text_copy(d->name, sizeof(d->name), name);
	text_copy(d->parent, sizeof(d->parent), parent);
	text_copy(d->serial, sizeof(d->serial), serial);
	snprintf(d->path, sizeof(d->path), "/dev/%s", name);
}

static void close_all(struct fixture *f)
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
static void open_all(struct fixture *f)
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

static int setup(void **state)
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

static int teardown(void **state)
{
	struct fixture *f = *state;
	void *scratch = f->scratch;

	close_all(f);
	free(f);
	return scratch_teardown(&scratch);
}

/* entries/ID.conf with firmware that is there and MORE. */
static void put_entry(const struct fixture *f, const char *id, const char *more)
{
	char name[128], text[1024];

	snprintf(name, sizeof(name), "entries/%s.conf", id);
	snprintf(text, sizeof(text), "firmware = %s/fw.fd\n%s", f->scratch->dir, more);
	put_file(f, name, text);
}

static const struct menu_entry *entry(const struct fixture *f, const char *id)
{
	const struct menu_entry *found = entries_find(f->entries, id);

	if (!found)
		fail_msg("there is no entry %s", id);
	return found;
}

static void save_of(const struct fixture *f, const char *id, struct menu_entry_save *ret)
{
	const struct menu_entry *e = entry(f, id);

	*ret = (struct menu_entry_save){.autostart = e->autostart,
					.tries = e->tries,
					.console = e->console,
					.config = e->config};
	text_copy(ret->id, sizeof(ret->id), id);
}

/* ---- files and disks ---- */

static void an_entry_finds_its_disk_in_another_order(void **state)
{
	struct fixture *f = *state;
	struct vm_config config;

	put_entry(f, "a", "disk = serial:BBB\n");
	open_all(f);
	assert_string_equal(entry(f, "a")->config.disks[0].path, "/dev/sdb");
	assert_string_equal(entry(f, "a")->group, "sdb");
	assert_string_equal(entry(f, "a")->problem, "");
	assert_string_equal(entry(f, "a")->config.title, "a");
	text_copy(f->devices[0].serial, sizeof(f->devices[0].serial), "BBB");
	text_copy(f->devices[2].serial, sizeof(f->devices[2].serial), "AAA");
	entries_see_devices(f->entries, f->devices, f->device_count);
	assert_string_equal(entry(f, "a")->config.disks[0].path, "/dev/sda");
	assert_int_equal(entries_prepare(f->entries, "a", &config, NULL), 0);
	assert_string_equal(config.disks[0].path, "/dev/sda");
}

static void what_is_in_the_way_is_said(void **state)
{
	struct fixture *f = *state;
	struct vm_config config;
	struct vmb_err err;
	char want[256];

	put_entry(f, "gone", "disk = serial:XYZ\n");
	put_entry(f, "used", "disk = serial:AAA\n");
	put_entry(f, "looks", "disk = serial:AAA,ro\n");
	put_entry(f, "typo", "disk = serial:AAA,rw\n");
	put_entry(f, "big", "memory = 1024T\n");
	put_file(f, "entries/nofw.conf", "firmware = /nowhere/fw.fd\n");
	f->devices[1].in_use = 1;
	strcpy(f->devices[1].use, "mounted on /");
	open_all(f);
	assert_string_equal(entry(f, "gone")->problem, "Disk serial:XYZ is not there.");
	assert_int_equal(entries_prepare(f->entries, "gone", &config, &err), -ENODEV);
	assert_string_equal(err.text, "Disk serial:XYZ is not there.");
	assert_string_equal(
		entry(f, "used")->problem,
		"/dev/sda is in use (mounted on /). Attach it read-only or as an overlay.");
	assert_string_equal(entry(f, "looks")->problem, "");
	snprintf(want, sizeof(want),
		 "%s/entries/typo.conf:2: Disk serial:AAA: unknown option \"rw\"", f->scratch->dir);
	assert_memory_equal(entry(f, "typo")->problem, want, strlen(want));
	assert_int_equal(entries_prepare(f->entries, "typo", &config, &err), -EINVAL);
	assert_string_equal(
		entry(f, "nofw")->problem,
		"The firmware /nowhere/fw.fd is not there (No such file or directory).");
	assert_non_null(strstr(entry(f, "big")->problem, "of memory asked for, this machine has"));
	assert_int_equal(entries_problems(f->entries), 1);
}

static void a_saved_entry_is_there_after_a_restart(void **state)
{
	struct fixture *f = *state;
	struct menu_entry_save save = {.autostart = 1, .tries = 3};
	char id[MENU_ID_SIZE];

	open_all(f);
	vm_config_init(&save.config);
	strcpy(save.config.title, "Debian 12");
	scratch_path(f->scratch, "fw.fd", save.config.firmware_path);
	save.config.disk_count = 1;
	strcpy(save.config.disks[0].path, "/dev/sda");
	assert_int_equal(entries_save(f->entries, &save, id, NULL), 0);
	assert_string_equal(id, "debian-12");
	assert_non_null(strstr(file_text(f, "entries/debian-12.conf"), "disk = serial:AAA\n"));
	/* The same name again is another entry. */
	assert_int_equal(entries_save(f->entries, &save, id, NULL), 0);
	assert_string_equal(id, "debian-12-2");
	open_all(f);
	assert_string_equal(entry(f, "debian-12")->config.title, "Debian 12");
	assert_string_equal(entry(f, "debian-12")->config.disks[0].path, "/dev/sda");
	assert_int_equal(entry(f, "debian-12")->tries, 3);
	assert_int_equal(entry(f, "debian-12")->writable, 1);
	assert_int_equal(entry(f, "debian-12")->changed, 0);
}

static void a_change_keeps_the_name_of_the_disk_and_the_comments(void **state)
{
	struct fixture *f = *state;
	struct menu_entry_save save;
	char id[MENU_ID_SIZE];

	put_entry(f, "a", "# by hand\ntitle = A\ndisk = /dev/sdb,ro\nusb = 1-2\n");
	open_all(f);
	save_of(f, "a", &save);
	save.config.cpus = 1;
	save.config.memory = 512 << 20;
	assert_int_equal(entries_save(f->entries, &save, id, NULL), 0);
	assert_string_equal(id, "a");
	assert_non_null(strstr(file_text(f, "entries/a.conf"), "# by hand\ntitle = A\n"));
	assert_non_null(strstr(file_text(f, "entries/a.conf"), "usb = 1-2\n"));
	assert_non_null(strstr(file_text(f, "entries/a.conf"), "memory = 512M\n"));
}

static void what_cannot_be_saved_is_refused_and_changes_nothing(void **state)
{
	struct fixture *f = *state;
	struct menu_entry_save save;
	struct vmb_err err;
	char id[MENU_ID_SIZE];

	put_entry(f, "a", "title = A\n");
	open_all(f);
	save_of(f, "a", &save);
	save.config.title[0] = '\0';
	assert_int_equal(entries_save(f->entries, &save, id, &err), -EINVAL);
	assert_string_equal(err.text, "An entry needs a name.");
	save_of(f, "a", &save);
	memset(save.config.title, 'x', sizeof(save.config.title));
	assert_true(entries_save(f->entries, &save, id, &err) < 0);
	save_of(f, "a", &save);
	strcpy(save.config.title, "a ;b");
	assert_true(entries_save(f->entries, &save, id, &err) < 0);
	save_of(f, "a", &save);
	save.config.firmware_path[0] = '\0';
	assert_true(entries_save(f->entries, &save, id, &err) < 0);
	save_of(f, "a", &save);
	strcpy(save.id, "b");
	assert_int_equal(entries_save(f->entries, &save, id, &err), -ENOENT);
	assert_string_equal(err.text, "There is no entry b any more.");
	assert_string_equal(entry(f, "a")->config.title, "A");
	assert_true(sh("test $(ls %s/entries | wc -l) = 1", f->scratch->dir));
}

static void a_new_name_takes_along_what_refers_to_it(void **state)
{
	struct fixture *f = *state;
	char id[MENU_ID_SIZE];

	put_entry(f, "a", "title = A\ntries = 5\n");
	put_file(f, "vmboot.conf", "# mine\ndefault = a\n");
	put_file(f, "state.conf", "once = a\nfailed = a 2\n");
	open_all(f);
	assert_int_equal(entry(f, "a")->is_default, 1);
	assert_int_equal(entry(f, "a")->is_once, 1);
	assert_int_equal(entry(f, "a")->failed, 2);
	assert_int_equal(entries_rename(f->entries, "a", "New one", id, NULL), 0);
	assert_string_equal(id, "new-one");
	open_all(f);
	assert_null(entries_find(f->entries, "a"));
	assert_int_equal(entry(f, "new-one")->is_default, 1);
	assert_int_equal(entry(f, "new-one")->is_once, 1);
	assert_int_equal(entry(f, "new-one")->failed, 2);
	assert_memory_equal(file_text(f, "vmboot.conf"), "# mine\ndefault = new-one\n", 25);
	/* A copy is another entry, nothing refers to it. */
	assert_int_equal(entries_copy(f->entries, "new-one", "Copy", id, NULL), 0);
	assert_string_equal(id, "copy");
	assert_int_equal(entry(f, "copy")->is_default, 0);
	assert_int_equal(entry(f, "copy")->failed, 0);
	assert_int_equal(entry(f, "copy")->tries, 5);
	assert_int_equal(entries_delete(f->entries, "new-one", NULL), 0);
	open_all(f);
	assert_null(entries_find(f->entries, "new-one"));
	assert_string_equal(settings_get(f->settings)->default_id, "");
	assert_null(strstr(file_text(f, "state.conf"), "new-one"));
	assert_non_null(entries_find(f->entries, "copy"));
}

static void a_store_that_cannot_be_written_keeps_it_for_this_boot(void **state)
{
	struct fixture *f = *state;
	struct menu_settings about;
	struct menu_entry_save save;
	struct vmb_err err;
	char id[MENU_ID_SIZE];

	put_entry(f, "a", "title = A\n");
	open_all(f);
	/* Root may write everywhere, but not where no directory is. */
	assert_true(sh("mv %s/entries %s/e; touch %s/entries", f->scratch->dir, f->scratch->dir,
		       f->scratch->dir));
	save_of(f, "a", &save);
	save.config.cpus = 1;
	save.config.memory = 256 << 20;
	assert_int_equal(entries_save(f->entries, &save, id, &err), 1);
	assert_non_null(strstr(err.text, "change kept for this boot only"));
	assert_int_equal(entry(f, "a")->config.memory, 256 << 20);
	assert_int_equal(entry(f, "a")->changed, 1);
	settings_describe(f->settings, &about);
	assert_int_equal(about.store_state, MENU_STORE_READ_ONLY);
	assert_non_null(strstr(about.store_text, "change kept for this boot only"));
	/* Once it can be written, the next change brings it along. */
	assert_true(sh("rm %s/entries; mv %s/e %s/entries", f->scratch->dir, f->scratch->dir,
		       f->scratch->dir));
	assert_int_equal(entries_set_default(f->entries, "a", NULL), 0);
	assert_non_null(strstr(file_text(f, "entries/a.conf"), "memory = 256M\n"));
	assert_int_equal(entry(f, "a")->changed, 0);
}

/* ---- signed settings ---- */

static void sign_file(const struct fixture *f, const struct signer *signer, const char *name)
{
	char text[1024], path[PATH_MAX];
	const char *content = file_text(f, name);
	size_t n = sign(signer, MINISIGN, content, strlen(content), "x", text);

	snprintf(path, sizeof(path), "%s.minisig", name);
	text[n] = '\0';
	put_file(f, path, text);
}

static void a_pinned_policy_takes_only_signed_settings(void **state)
{
	struct fixture *f = *state;
	struct vm_config config;
	struct signer signer;
	struct vmb_err err;
	char pin[256];

	make_signer(&signer, 5);
	put_entry(f, "good", "");
	put_entry(f, "changed", "");
	put_entry(f, "bare", "");
	put_file(f, "vmboot.conf", "default = good\ntrust = off\n");
	sign_file(f, &signer, "vmboot.conf");
	sign_file(f, &signer, "entries/good.conf");
	sign_file(f, &signer, "entries/changed.conf");
	put_entry(f, "changed", "cpus = 2\n");
	snprintf(pin, sizeof(pin), "trust = require\ntrust-key = %s\n", signer.pub);
	put_file(f, "pin", pin);
	open_all(f);
	/* The settings' own "off" counts for nothing. */
	assert_int_equal(settings_get(f->settings)->values.trust, MENU_TRUST_REQUIRE);
	assert_string_equal(settings_get(f->settings)->default_id, "good");
	assert_int_equal(entries_prepare(f->entries, "good", &config, &err), 0);
	assert_int_equal(entries_prepare(f->entries, "bare", &config, &err), -EINVAL);
	assert_non_null(strstr(err.text, "bare.conf:1: This entry has no signature."));
	assert_int_equal(entries_prepare(f->entries, "changed", &config, &err), -EINVAL);
	assert_non_null(strstr(err.text, "is not what was signed: it was changed."));
	/* The menu has no key to sign with. */
	assert_int_equal(entries_delete(f->entries, "good", &err), -EPERM);
	assert_non_null(
		strstr(err.text, "the menu cannot change them. Change the files, and sign them."));
	assert_int_equal(entries_set_default(f->entries, "bare", &err), -EPERM);
	/* What it writes itself is no setting. */
	assert_int_equal(entries_set_once(f->entries, "good", &err), 0);
	/* A changed vmboot.conf is not used at all. */
	put_file(f, "vmboot.conf", "default = bare\n");
	open_all(f);
	assert_string_equal(settings_get(f->settings)->default_id, "");
	/* With no more than a warning everything is. */
	snprintf(pin, sizeof(pin), "trust = warn\ntrust-key = %s\n", signer.pub);
	put_file(f, "pin", pin);
	open_all(f);
	assert_string_equal(settings_get(f->settings)->default_id, "bare");
	assert_int_equal(entries_prepare(f->entries, "changed", &config, &err), 0);
}

static void a_mistyped_pin_is_closed(void **state)
{
	struct fixture *f = *state;
	struct vm_config config;
	struct vmb_err err;

	put_entry(f, "a", "");
	put_file(f, "pin", "trust = yes\n");
	open_all(f);
	assert_int_equal(settings_get(f->settings)->values.trust, MENU_TRUST_REQUIRE);
	assert_int_equal(entries_prepare(f->entries, "a", &config, &err), -EINVAL);
}

/* ---- what starts by itself ---- */

static void on_too_long(void *arg)
{
	struct fixture *f = arg;

	loop_quit(f->loop, 0);
}

/* Until something starts (true), or for MS. */
static bool run(struct fixture *f, uint64_t ms)
{
	struct loop_timer *timer;
	int rc;

	assert_int_equal(loop_add_timer(f->loop, ms, on_too_long, f, &timer), 0);
	rc = loop_run(f->loop);
	if (rc == 1)
		loop_remove_timer(timer);
	return rc == 1;
}

static struct menu_countdown countdown(const struct fixture *f)
{
	struct menu_countdown c;

	autoboot_describe(f->autoboot, &c);
	return c;
}

static void the_countdown_starts_the_default(void **state)
{
	struct fixture *f = *state;

	put_entry(f, "a", "");
	put_entry(f, "b", "title = Bee\n");
	put_file(f, "vmboot.conf", "default = b\ntimeout = 1\n");
	open_all(f);
	autoboot_begin(f->autoboot);
	assert_int_equal(countdown(f).state, MENU_COUNTDOWN_RUNNING);
	assert_int_equal(countdown(f).seconds, 1);
	assert_string_equal(countdown(f).title, "Bee");
	assert_true(run(f, 20000));
	assert_string_equal(f->started, "b ");
	assert_int_equal(countdown(f).state, MENU_COUNTDOWN_OFF);
	/* Counted before it ran: a power cut now is a failed start. */
	assert_non_null(strstr(file_text(f, "state.conf"), "failed = b 1\n"));
	autoboot_vm_progress(f->autoboot, VMM_STAGE_LOADER, false);
	autoboot_vm_progress(f->autoboot, VMM_STAGE_OS, false);
	assert_non_null(strstr(file_text(f, "state.conf"), "failed = b 1\n"));
	assert_false(run(f, 1000));
	assert_null(strstr(file_text(f, "state.conf"), "\nfailed"));
}

/* As the kernel's command line has it: for this boot, until an operator chooses another one, and never written. */
static void one_boot_has_its_own_default_and_countdown(void **state)
{
	struct fixture *f = *state;

	put_entry(f, "a", "");
	put_entry(f, "b", "title = Bee\n");
	put_file(f, "vmboot.conf", "default = a\ntimeout = off\n");
	open_all(f);
	settings_override(f->settings, "b", true, 1);
	autoboot_begin(f->autoboot);
	assert_int_equal(countdown(f).state, MENU_COUNTDOWN_RUNNING);
	assert_string_equal(countdown(f).title, "Bee");
	assert_true(run(f, 20000));
	assert_string_equal(f->started, "b ");
	assert_int_equal(settings_get(f->settings)->values.timeout_s, -1);
	assert_int_equal(settings_set_default(f->settings, "a", NULL), 0);
	assert_string_equal(settings_default(f->settings), "a");
	assert_non_null(strstr(file_text(f, "vmboot.conf"), "timeout = off\n"));
}

static void without_a_default_nothing_starts(void **state)
{
	struct fixture *f = *state;

	put_entry(f, "a", "");
	put_file(f, "vmboot.conf", "timeout = 0\n");
	open_all(f);
	autoboot_begin(f->autoboot);
	assert_int_equal(countdown(f).state, MENU_COUNTDOWN_OFF);
	put_file(f, "vmboot.conf", "timeout = off\ndefault = a\n");
	open_all(f);
	autoboot_begin(f->autoboot);
	assert_int_equal(countdown(f).state, MENU_COUNTDOWN_OFF);
	put_file(f, "vmboot.conf", "timeout = 0\ndefault = x\n");
	open_all(f);
	autoboot_begin(f->autoboot);
	assert_string_equal(countdown(f).text,
			    "The default entry x is not there: nothing starts by itself.");
	assert_false(run(f, 200));
	assert_string_equal(f->started, "");
}

static void a_key_pauses_and_the_countdown_begins_anew(void **state)
{
	struct fixture *f = *state;

	put_entry(f, "a", "");
	put_file(f, "vmboot.conf", "default = a\ntimeout = 1\nrearm = 1\n");
	open_all(f);
	autoboot_begin(f->autoboot);
	autoboot_pause(f->autoboot);
	assert_int_equal(countdown(f).state, MENU_COUNTDOWN_PAUSED);
	assert_int_equal(countdown(f).seconds, 1);
	assert_true(run(f, 20000));
	assert_string_equal(f->started, "a ");
	/* Without re-arming it waits for ever. */
	put_file(f, "vmboot.conf", "default = a\ntimeout = 1\nrearm = off\n");
	open_all(f);
	autoboot_begin(f->autoboot);
	autoboot_pause(f->autoboot);
	assert_int_equal(countdown(f).seconds, 0);
	assert_false(run(f, 2500));
	autoboot_cancel(f->autoboot, NULL);
	assert_int_equal(countdown(f).state, MENU_COUNTDOWN_OFF);
	autoboot_begin(f->autoboot);
	assert_int_equal(countdown(f).state, MENU_COUNTDOWN_OFF);
}

static void once_is_for_one_start(void **state)
{
	struct fixture *f = *state;

	put_entry(f, "a", "");
	put_entry(f, "b", "autostart = no\n");
	put_file(f, "vmboot.conf", "default = a\ntimeout = 0\n");
	open_all(f);
	assert_int_equal(entries_set_once(f->entries, "b", NULL), 0);
	assert_int_equal(entry(f, "b")->is_next, 1);
	open_all(f);
	autoboot_begin(f->autoboot);
	assert_true(run(f, 20000));
	/* The power goes: the next boot is the default again. */
	open_all(f);
	assert_int_equal(entry(f, "b")->is_once, 0);
	autoboot_begin(f->autoboot);
	assert_true(run(f, 20000));
	assert_string_equal(f->started, "b a ");
}

/* Three boots whose power goes, then the next entry; and when all are used up nothing more. */
static void used_up_tries_fall_back_and_then_stop(void **state)
{
	struct fixture *f = *state;

	put_entry(f, "a", "tries = 2\n");
	put_entry(f, "b", "autostart = no\n");
	put_entry(f, "c", "tries = 1\n");
	put_file(f, "vmboot.conf", "default = a\ntimeout = 0\n");
	for (int i = 0; i < 3; i++) {
		open_all(f);
		autoboot_begin(f->autoboot);
		assert_true(run(f, 20000));
	}
	assert_string_equal(f->started, "a a c ");
	open_all(f);
	autoboot_begin(f->autoboot);
	assert_false(run(f, 200));
	assert_string_equal(countdown(f).text,
			    "a failed 2 times in a row, and every other entry that may start by "
			    "itself, too: nothing starts by itself any more. Choose one, or the "
			    "default anew.");
	/* Who chooses it anew wants it tried again. */
	assert_int_equal(entries_set_default(f->entries, "a", NULL), 0);
	assert_int_equal(entry(f, "a")->failed, 0);
	assert_int_equal(entry(f, "a")->is_next, 1);
}

static void a_failure_while_we_watch_is_tried_again_with_a_limit(void **state)
{
	struct fixture *f = *state;

	put_entry(f, "a", "tries = 1\n");
	put_entry(f, "b", "");
	put_file(f, "vmboot.conf", "default = a\ntimeout = 0\n");
	open_all(f);
	autoboot_begin(f->autoboot);
	assert_true(run(f, 20000));
	autoboot_vm_ended(f->autoboot, VMM_EXIT_GUEST_FAULT);
	/* Never at once: there is time to press a key. */
	assert_int_equal(countdown(f).state, MENU_COUNTDOWN_RUNNING);
	assert_true(countdown(f).seconds >= 3);
	assert_true(run(f, 29000));
	assert_string_equal(f->started, "a b ");
	/* b has no limit: it is not repeated without an operator. */
	autoboot_vm_ended(f->autoboot, 0);
	assert_int_equal(countdown(f).state, MENU_COUNTDOWN_OFF);
}

static void what_worked_or_was_ended_by_somebody_is_no_failure(void **state)
{
	struct fixture *f = *state;

	put_entry(f, "a", "tries = 3\n");
	put_file(f, "vmboot.conf", "default = a\ntimeout = 0\n");
	open_all(f);
	autoboot_begin(f->autoboot);
	assert_true(run(f, 20000));
	autoboot_vm_ended(f->autoboot, VMM_EXIT_POWER_OFF);
	assert_int_equal(countdown(f).state, MENU_COUNTDOWN_OFF);
	assert_int_equal(entry(f, "a")->failed, 0);
	/* An operator's own start ends all counting. */
	open_all(f);
	autoboot_begin(f->autoboot);
	autoboot_vm_started(f->autoboot, "a", false);
	assert_int_equal(countdown(f).state, MENU_COUNTDOWN_OFF);
	autoboot_vm_ended(f->autoboot, VMM_EXIT_GUEST_FAULT);
	assert_int_equal(countdown(f).state, MENU_COUNTDOWN_OFF);
	assert_int_equal(entry(f, "a")->failed, 0);
}

static void a_kernel_that_panics_has_not_worked(void **state)
{
	struct fixture *f = *state;

	put_entry(f, "a", "tries = 3\n");
	put_file(f, "vmboot.conf", "default = a\ntimeout = 0\n");
	open_all(f);
	autoboot_begin(f->autoboot);
	assert_true(run(f, 20000));
	autoboot_vm_progress(f->autoboot, VMM_STAGE_OS, false);
	autoboot_vm_progress(f->autoboot, VMM_STAGE_OS, true);
	assert_false(run(f, 1000));
	assert_int_equal(entry(f, "a")->failed, 1);
	/* Nor one that is reset before it settles. */
	autoboot_vm_progress(f->autoboot, VMM_STAGE_OS, false);
	autoboot_vm_progress(f->autoboot, VMM_STAGE_SEC, false);
	assert_false(run(f, 1000));
	assert_int_equal(entry(f, "a")->failed, 1);
	autoboot_vm_ended(f->autoboot, VMM_EXIT_GUEST_FAULT);
	assert_int_equal(countdown(f).state, MENU_COUNTDOWN_RUNNING);
}

static void what_is_refused_gives_way_to_the_next(void **state)
{
	struct fixture *f = *state;

	put_entry(f, "a", "");
	put_entry(f, "b", "");
	put_file(f, "vmboot.conf", "default = a\ntimeout = 0\n");
	strcpy(f->refuses, "a");
	open_all(f);
	autoboot_begin(f->autoboot);
	assert_true(run(f, 20000));
	assert_string_equal(f->started, "b ");
	put_entry(f, "b", "autostart = no\n");
	open_all(f);
	autoboot_begin(f->autoboot);
	assert_false(run(f, 300));
	assert_string_equal(countdown(f).text, "a did not start by itself: It is refused.");
}

static void a_disk_that_may_still_come_is_waited_for(void **state)
{
	struct fixture *f = *state;

	put_entry(f, "a", "disk = serial:CCC\n");
	put_entry(f, "b", "");
	put_file(f, "vmboot.conf", "default = a\ntimeout = 0\n");
	f->scanning = true;
	open_all(f);
	autoboot_begin(f->autoboot);
	assert_false(run(f, 300));
	assert_int_equal(countdown(f).state, MENU_COUNTDOWN_RUNNING);
	assert_non_null(strstr(countdown(f).text, "waiting for a disk"));
	add_device(f, "sdc", "", "CCC");
	entries_see_devices(f->entries, f->devices, f->device_count);
	assert_string_equal(f->started, "a ");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_entry_finds_its_disk_in_another_order),
		TEST(what_is_in_the_way_is_said),
		TEST(a_saved_entry_is_there_after_a_restart),
		TEST(a_change_keeps_the_name_of_the_disk_and_the_comments),
		TEST(what_cannot_be_saved_is_refused_and_changes_nothing),
		TEST(a_new_name_takes_along_what_refers_to_it),
		TEST(a_store_that_cannot_be_written_keeps_it_for_this_boot),
		TEST(a_pinned_policy_takes_only_signed_settings),
		TEST(a_mistyped_pin_is_closed),
		TEST(the_countdown_starts_the_default),
		TEST(one_boot_has_its_own_default_and_countdown),
		TEST(without_a_default_nothing_starts),
		TEST(a_key_pauses_and_the_countdown_begins_anew),
		TEST(once_is_for_one_start),
		TEST(used_up_tries_fall_back_and_then_stop),
		TEST(a_failure_while_we_watch_is_tried_again_with_a_limit),
		TEST(what_worked_or_was_ended_by_somebody_is_no_failure),
		TEST(a_kernel_that_panics_has_not_worked),
		TEST(what_is_refused_gives_way_to_the_next),
		TEST(a_disk_that_may_still_come_is_waited_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
