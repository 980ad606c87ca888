/* Entries as the daemon joins them: files of a store with the disks there are, saving and what refers to what. */
#include "entries_fixture.h"

#include "sign_test.h"

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
	put(f->scratch, "entries/nofw.conf", "firmware = /nowhere/fw.fd\n");
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
	put(f->scratch, "vmboot.conf", "# mine\ndefault = a\n");
	put(f->scratch, "state.conf", "once = a\nfailed = a 2\n");
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
	put(f->scratch, path, text);
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
	put(f->scratch, "vmboot.conf", "default = good\ntrust = off\n");
	sign_file(f, &signer, "vmboot.conf");
	sign_file(f, &signer, "entries/good.conf");
	sign_file(f, &signer, "entries/changed.conf");
	put_entry(f, "changed", "cpus = 2\n");
	snprintf(pin, sizeof(pin), "trust = require\ntrust-key = %s\n", signer.pub);
	put(f->scratch, "pin", pin);
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
	put(f->scratch, "vmboot.conf", "default = bare\n");
	open_all(f);
	assert_string_equal(settings_get(f->settings)->default_id, "");
	/* With no more than a warning everything is. */
	snprintf(pin, sizeof(pin), "trust = warn\ntrust-key = %s\n", signer.pub);
	put(f->scratch, "pin", pin);
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
	put(f->scratch, "pin", "trust = yes\n");
	open_all(f);
	assert_int_equal(settings_get(f->settings)->values.trust, MENU_TRUST_REQUIRE);
	assert_int_equal(entries_prepare(f->entries, "a", &config, &err), -EINVAL);
}

/* Neither a rest that is not read nor a pipe that says nothing makes a policy out of nothing. */
static void a_pin_that_is_not_wholly_read_is_closed(void **state)
{
	static char big[STORE_FILE_MAX + 64];
	struct fixture *f = *state;

	memset(big, '\n', sizeof(big) - 1);
	memcpy(big + sizeof(big) - 18, "\ntrust = require\n", 17);
	put(f->scratch, "pin", big);
	open_all(f);
	assert_int_equal(settings_get(f->settings)->values.trust, MENU_TRUST_REQUIRE);
	assert_true(sh("rm %s && mkfifo %s", f->pin, f->pin));
	open_all(f);
	assert_int_equal(settings_get(f->settings)->values.trust, MENU_TRUST_REQUIRE);
}

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
		TEST(a_pin_that_is_not_wholly_read_is_closed),
	};

	return cmocka_run_group_tests_name("entries", tests, NULL, NULL);
}
