/*
 * The store on a partition: found by its label, read and written by a process of its own, left alone while somebody
 * uses it. The directory is tested in test_entries.c.
 */
#include "store_fixture.h"

#include <errno.h>
#include <sys/mount.h>

#include "daemon/vars_file.h"
#include "varstore.h"

static int setup(void **state)
{
	struct store_fixture *f = calloc(1, sizeof(*f));

	*state = f;
	return store_fixture_setup(f);
}

static int teardown(void **state)
{
	int rc = store_fixture_teardown(*state);

	free(*state);
	return rc;
}

/* A loop device with an ext4 labelled VMBOOT that has one entry; false: there can be none here. */
static bool make_partition(struct store_fixture *f)
{
	char image[PATH_MAX];

	if (!have_tool("mkfs.ext4"))
		return false;
	assert_true(sh("mkdir -p %s/tree/entries; printf 'title = A' >%s/tree/entries/a.conf",
		       f->scratch->dir, f->scratch->dir));
	write_file(scratch_path(f->scratch, "image", image), "", 0, 16 << 20);
	if (!sh("mkfs.ext4 -q -L VMBOOT -d %s/tree %s", f->scratch->dir, image))
		return false;
	f->device = attach_loop(f->scratch, image, "");
	if (!f->device)
		return false;
	store_fixture_label(f, f->device, "ext4");
	return true;
}

static void see(struct store_fixture *f, size_t count, bool scanning)
{
	store_see_devices(f->store, f->devices, count, scanning);
}

static struct menu_settings about(const struct store_fixture *f)
{
	struct menu_settings settings = {.store_state = 0};

	store_describe(f->store, &settings);
	return settings;
}

/* What the file NAME on the partition holds. */
static const char *text_on(const struct store_fixture *f, const char *name)
{
	static char text[256];
	char point[PATH_MAX], path[PATH_MAX + 64];
	FILE *file;
	size_t n = 0;

	scratch_path(f->scratch, "mnt", point);
	mkdir(point, 0700);
	assert_int_equal(mount(f->device, point, "ext4", MS_RDONLY, NULL), 0);
	snprintf(path, sizeof(path), "%s/%s", point, name);
	file = fopen(path, "re");
	if (file) {
		n = fread(text, 1, sizeof(text) - 1, file);
		fclose(file);
	}
	text[n] = '\0';
	umount(point);
	return text;
}

static void without_any_partition_it_is_in_memory(void **state)
{
	struct store_fixture *f = *state;
	struct vmb_err err;

	see(f, 0, true);
	assert_false(store_is_loaded(f->store));
	assert_int_equal(about(f).store_state, MENU_STORE_WAITING);
	see(f, 0, false);
	assert_true(store_is_loaded(f->store));
	assert_int_equal(f->loads, 1);
	assert_int_equal(about(f).store_state, MENU_STORE_NONE);
	assert_string_equal(about(f).store_text, "none found, running on defaults");
	assert_int_equal(store_put(f->store, "vmboot.conf", "x", 1, &err), 1);
	assert_string_equal(err.text,
			    "There is no settings store: change kept for this boot only. Make "
			    "/nowhere, or label a partition VMBOOT.");
	assert_string_equal(store_find(f->store, "vmboot.conf")->text, "x");
	assert_int_equal(store_put(f->store, "passwd", "x", 1, &err), -EFBIG);
}

static void a_partition_is_read_and_written_and_not_left_mounted(void **state)
{
	struct store_fixture *f = *state;
	struct menu_settings s;

	if (!make_partition(f))
		NEED_LOOP(f->device);
	store_fixture_load(f);
	assert_string_equal(store_find(f->store, "entries/a.conf")->text, "title = A");
	s = about(f);
	assert_int_equal(s.store_state, MENU_STORE_OK);
	assert_non_null(strstr(s.store, "(VMBOOT)"));
	assert_int_equal(store_put(f->store, "vmboot.conf", "timeout = 3\n", 12, NULL), 0);
	assert_int_equal(store_put(f->store, "entries/b.conf", "title = B\n", 10, NULL), 0);
	assert_int_equal(store_put(f->store, "entries/a.conf", NULL, 0, NULL), 0);
	assert_null(store_find(f->store, "entries/a.conf"));
	assert_false(sh("grep -q '^%s ' /proc/mounts", f->device));
	assert_string_equal(text_on(f, "vmboot.conf"), "timeout = 3\n");
	assert_string_equal(text_on(f, "entries/b.conf"), "title = B\n");
	assert_string_equal(text_on(f, "entries/a.conf"), "");
}

/* While a VM has the disk nothing is written; what was changed then is, when it is free again. */
static void a_partition_in_use_is_left_alone(void **state)
{
	struct store_fixture *f = *state;
	struct vmb_err err;

	if (!make_partition(f))
		NEED_LOOP(f->device);
	store_fixture_load(f);
	f->devices[0].in_use = 1;
	see(f, 1, false);
	assert_int_equal(store_put(f->store, "vmboot.conf", "a = 1\n", 6, &err), 1);
	assert_non_null(strstr(err.text, "is in use): change kept for this boot only."));
	assert_int_equal(about(f).store_state, MENU_STORE_READ_ONLY);
	assert_string_equal(text_on(f, "vmboot.conf"), "");
	f->devices[0].in_use = 0;
	see(f, 1, false);
	assert_string_equal(text_on(f, "vmboot.conf"), "a = 1\n");
	assert_int_equal(about(f).store_state, MENU_STORE_OK);
	/* And when it is pulled out and comes back. */
	see(f, 0, false);
	assert_int_equal(store_put(f->store, "vmboot.conf", "a = 2\n", 6, &err), 1);
	assert_non_null(strstr(err.text, "is not there): change kept for this boot only."));
	see(f, 1, false);
	assert_string_equal(text_on(f, "vmboot.conf"), "a = 2\n");
}

/* The switch on a stick: it is read all the same, and what cannot be kept on it is told for what it is. */
static void a_write_protected_partition_is_read_only(void **state)
{
	struct store_fixture *f = *state;
	struct vmb_err err;

	if (!make_partition(f))
		NEED_LOOP(f->device);
	f->devices[0].read_only = 1;
	store_fixture_load(f);
	assert_non_null(store_find(f->store, "entries/a.conf"));
	assert_int_equal(about(f).store_state, MENU_STORE_READ_ONLY);
	assert_string_equal(about(f).store_text, "read-only: changes are kept for this boot only");
	assert_int_equal(store_put(f->store, "vmboot.conf", "a = 1\n", 6, &err), 1);
	assert_non_null(strstr(err.text, "Settings store read-only ("));
	assert_non_null(strstr(err.text, "): change kept for this boot only."));
	assert_string_equal(about(f).store_text, "read-only: changes are kept for this boot only");
	assert_string_equal(text_on(f, "vmboot.conf"), "");
	f->devices[0].read_only = 0;
	see(f, 1, false);
	assert_string_equal(text_on(f, "vmboot.conf"), "a = 1\n");
	assert_int_equal(about(f).store_state, MENU_STORE_OK);
}

static void another_disk_at_the_same_path_is_not_written(void **state)
{
	struct store_fixture *f = *state;
	struct vmb_err err;

	if (!make_partition(f))
		NEED_LOOP(f->device);
	strcpy(f->devices[0].uuid, "1234-ABCD");
	store_fixture_load(f);
	strcpy(f->devices[0].uuid, "9999-9999");
	see(f, 1, false);
	assert_int_equal(store_put(f->store, "vmboot.conf", "a = 1\n", 6, &err), 1);
	assert_non_null(strstr(err.text, "is not there"));
	assert_string_equal(text_on(f, "vmboot.conf"), "");
}

/* Somebody has it mounted at first: it is read when it is free. */
static void a_partition_that_was_busy_is_read_later(void **state)
{
	struct store_fixture *f = *state;
	char point[PATH_MAX];

	if (!make_partition(f))
		NEED_LOOP(f->device);
	mkdir(scratch_path(f->scratch, "mnt", point), 0700);
	assert_int_equal(mount(f->device, point, "ext4", 0, NULL), 0);
	f->devices[0].in_use = 1;
	store_fixture_load(f);
	assert_null(store_find(f->store, "entries/a.conf"));
	assert_int_equal(about(f).store_state, MENU_STORE_READ_ONLY);
	assert_int_equal(umount(point), 0);
	f->devices[0].in_use = 0;
	store_fixture_load(f);
	assert_non_null(store_find(f->store, "entries/a.conf"));
	assert_int_equal(about(f).store_state, MENU_STORE_OK);
}

static void of_two_partitions_none_is_taken(void **state)
{
	struct store_fixture *f = *state;

	if (!make_partition(f))
		NEED_LOOP(f->device);
	f->devices[1] = f->devices[0];
	strcpy(f->devices[1].path, "/dev/other");
	see(f, 2, false);
	assert_true(store_is_loaded(f->store));
	assert_null(store_find(f->store, "entries/a.conf"));
	assert_int_equal(about(f).store_state, MENU_STORE_NONE);
	assert_non_null(strstr(about(f).store_text, "2 partitions are labelled VMBOOT"));
	/* Until one of them is gone. */
	store_fixture_load(f);
	assert_non_null(store_find(f->store, "entries/a.conf"));
	assert_int_equal(about(f).store_state, MENU_STORE_OK);
}

/* An ordinary user's, ~/.config/vmboot. */
static void a_directory_of_the_user_is_made_when_something_is_saved(void **state)
{
	struct store_fixture *f = *state;
	char dir[PATH_MAX], path[PATH_MAX + 32];
	const struct store_options options = {.usual = scratch_path(f->scratch, "home/vmboot", dir),
					      .make_usual = true,
					      .loaded = on_store_loaded,
					      .changed = on_store_changed,
					      .ctx = f};
	struct store *user;
	struct vmb_err err;
	struct stat st;

	assert_int_equal(store_create(f->loop, &options, &user, NULL), 0);
	assert_true(store_is_loaded(user));
	assert_int_equal(access(dir, F_OK), -1);
	store_destroy(f->store);
	f->store = user;
	assert_int_equal(about(f).store_state, MENU_STORE_OK);
	assert_string_equal(about(f).store, dir);
	assert_int_equal(store_put(user, "entries/a.conf", "title = A\n", 10, &err), 0);
	snprintf(path, sizeof(path), "%s/entries/a.conf", dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(stat(dir, &st), 0);
	assert_int_equal(st.st_mode & 077, 0);
}

static void a_directory_that_cannot_be_made_is_said(void **state)
{
	struct store_fixture *f = *state;
	const struct store_options options = {.usual = "/dev/null/vmboot",
					      .make_usual = true,
					      .loaded = on_store_loaded,
					      .changed = on_store_changed,
					      .ctx = f};
	struct store *user;
	struct vmb_err err;

	store_destroy(f->store);
	assert_int_equal(store_create(f->loop, &options, &user, &err), 0);
	f->store = user;
	assert_int_equal(store_put(user, "entries/a.conf", "title = A\n", 10, &err), 1);
	assert_non_null(strstr(err.text, "/dev/null/vmboot"));
	assert_non_null(strstr(err.text, "kept for this boot only"));
	assert_non_null(store_find(user, "entries/a.conf"));
}

/* Whoever does not ask why gets the store all the same, and the menus say it. */
static void a_directory_that_cannot_be_read_needs_nobody_who_asks(void **state)
{
	struct store_fixture *f = *state;
	const struct store_options options = {.usual = "/dev/null",
					      .loaded = on_store_loaded,
					      .changed = on_store_changed,
					      .ctx = f};
	const struct store_options named = {.config = "/dev/null",
					    .loaded = on_store_loaded,
					    .changed = on_store_changed,
					    .ctx = f};
	struct store *none = NULL;

	assert_int_equal(store_create(f->loop, &named, &none, NULL), -ENOTDIR);
	assert_null(none);
	store_destroy(f->store);
	assert_int_equal(store_create(f->loop, &options, &f->store, NULL), 0);
	assert_true(store_is_loaded(f->store));
	assert_int_equal(about(f).store_state, MENU_STORE_READ_ONLY);
	assert_non_null(strstr(about(f).store_text, "/dev/null cannot be read: Not a directory"));
}

#define VARS "serial-S64.vars"

static void start_again(struct store_fixture *f)
{
	store_fixture_begin(f);
	store_fixture_load(f);
}

static void variables_are_kept_on_a_partition(void **state)
{
	struct store_fixture *f = *state;
	char *vars = malloc(VARSTORE_SIZE);
	const struct store_file *file;

	if (!make_partition(f)) {
		free(vars);
		NEED_LOOP(f->device);
	}
	memset(vars, 'v', VARSTORE_SIZE);
	assert_int_equal(store_vars(f->store), STORE_VARS_WAITING);
	store_fixture_load(f);
	assert_int_equal(store_vars(f->store), STORE_VARS_YES);
	assert_int_equal(store_put(f->store, VARS, vars, VARSTORE_SIZE + 1, NULL), -EFBIG);
	assert_int_equal(store_put(f->store, VARS, vars, VARSTORE_SIZE, NULL), 0);
	assert_false(store_is_dirty(f->store, VARS));
	start_again(f);
	file = store_find(f->store, VARS);
	assert_non_null(file);
	assert_int_equal(file->size, VARSTORE_SIZE);
	assert_memory_equal(file->text, vars, VARSTORE_SIZE);
	assert_in_range(file->changed, 1600000000, INT64_MAX);
	/* Others begin, these are kept under another name. */
	for (int i = 0; i < 2; i++) {
		vars[0] = (char)('0' + i);
		assert_int_equal(store_put(f->store, VARS, vars, VARSTORE_SIZE, NULL), 0);
		assert_int_equal(store_set_aside(f->store, VARS, i == 1, NULL), 0);
		assert_null(store_find(f->store, VARS));
	}
	start_again(f);
	assert_null(store_find(f->store, VARS));
	assert_int_equal(text_on(f, VARS ".old")[0], '0');
	assert_int_equal(text_on(f, VARS ".bad")[0], '1');
	free(vars);
}

/* Variables that have no room are in memory, and in nobody's way; what cannot be read is no reason to begin anew. */
static void a_full_partition_still_takes_settings(void **state)
{
	struct store_fixture *f = *state;
	char *vars = malloc(VARSTORE_SIZE), point[PATH_MAX];
	struct vmb_err err = {0};

	if (!make_partition(f)) {
		free(vars);
		NEED_LOOP(f->device);
	}
	mkdir(scratch_path(f->scratch, "full", point), 0700);
	assert_true(sh("mount %s %s && head -c 540673 /dev/zero >%s/big.vars; dd if=/dev/zero "
		       "of=%s/filler bs=16k 2>/dev/null; sync; umount %s",
		       f->device, point, point, point, point));
	memset(vars, 'v', VARSTORE_SIZE);
	store_fixture_load(f);
	assert_non_null(store_find(f->store, "big.vars"));
	assert_int_equal(store_find(f->store, "big.vars")->size, 0);
	assert_int_equal(store_put(f->store, VARS, vars, VARSTORE_SIZE, &err), 1);
	assert_non_null(strstr(err.text, "The UEFI variables are not on "));
	assert_non_null(strstr(err.text, "No space left on device"));
	assert_true(store_is_dirty(f->store, VARS));
	assert_int_equal(store_find(f->store, VARS)->size, VARSTORE_SIZE);
	assert_int_equal(about(f).store_state, MENU_STORE_READ_ONLY);
	assert_int_equal(store_put(f->store, "entries/a.conf", NULL, 0, &err), 0);
	assert_string_equal(text_on(f, "entries/a.conf"), "");
	/* Room again: with the next thing that is saved they are, too. */
	assert_true(
		sh("mount %s %s && rm %s/filler; sync; umount %s", f->device, point, point, point));
	assert_int_equal(store_put(f->store, "state.conf", "x", 1, &err), 0);
	assert_false(store_is_dirty(f->store, VARS));
	assert_int_equal(about(f).store_state, MENU_STORE_OK);
	assert_string_equal(about(f).store_text, "");
	free(vars);
}

/* The operator is told why, and it is there unharmed: as it was, and put aside when somebody wants fresh ones. */
static void damaged_variables_on_a_partition_are_refused(void **state)
{
	static const char *const sizes[] = {"540672", "1000", "0"},
				 *const words[] = {" is damaged or not one: ",
						   " is for another firmware, or truncated: ",
						   " is for another firmware, or truncated: "};
	struct store_fixture *f = *state;
	char point[PATH_MAX], name[128];
	struct vars_place place = {.name = VARS};
	struct vars_file vars;
	struct vmb_err err;

	if (!make_partition(f))
		NEED_LOOP(f->device);
	mkdir(scratch_path(f->scratch, "vars", point), 0700);
	for (int i = 0; i < 3; i++) {
		assert_true(sh("mount %s %s && head -c %s /dev/zero | tr '\\0' D >%s/" VARS
			       " && umount %s",
			       f->device, point, sizes[i], point, point));
		start_again(f);
		place.store = f->store;
		assert_int_equal(vars_file_open(&vars, "", &place, false, &err), -EBADMSG);
		snprintf(name, sizeof(name), "The variables file " VARS " on %s%s", f->device,
			 words[i]);
		if (strncmp(err.text, name, strlen(name)) != 0 ||
		    !strstr(err.text, "It was not touched; start with fresh variables"))
			fail_msg("the sentence is \"%s\"", err.text);
		assert_true(sh("mount -o ro %s %s && [ $(tr -d D <%s/" VARS
			       " | wc -c) = 0 ] && umount %s",
			       f->device, point, point, point));
	}
	assert_int_equal(vars_file_open(&vars, "", &place, true, &err), 0);
	assert_int_equal(vars_file_set_aside(&vars, &err), 0);
	vars_file_close(&vars);
	assert_null(store_find(f->store, VARS));
	assert_true(sh("mount -o ro %s %s && [ -e %s/" VARS ".bad ] && umount %s", f->device, point,
		       point, point));
}

static bool is_busy;

/* A daemon with much to do hears of the end of a process only after that. */
int __real_proto_recv(int sock, uint32_t *ret_type, void *body, size_t size, int *fds,
		      unsigned int max_fds, unsigned int *ret_nfds);
int __wrap_proto_recv(int sock, uint32_t *ret_type, void *body, size_t size, int *fds,
		      unsigned int max_fds, unsigned int *ret_nfds);
int __wrap_proto_recv(int sock, uint32_t *ret_type, void *body, size_t size, int *fds,
		      unsigned int max_fds, unsigned int *ret_nfds)
{
	if (is_busy)
		usleep(300000);
	return __real_proto_recv(sock, ret_type, body, size, fds, max_fds, ret_nfds);
}

/* Of the process that mends and saves: see mend.mk. */
int __wrap_storage_mend_settings(const char *device, const char *fstype, struct vmb_err *err);
int __wrap_storage_mend_settings(const char *device, const char *fstype, struct vmb_err *err)
{
	const char *how = getenv("TEST_MEND");

	assert_string_equal(fstype, "ext4");
	if (!how)
		return 0;
	if (strcmp(how, "dies") == 0)
		_exit(3);
	return vmb_err_set(err, EUCLEAN, "Files on %s are damaged.", device);
}

static void what_cannot_be_mended_is_read_and_not_written(void **state)
{
	static const char *const hows[] = {"damage", "dies"}, *const words[] = {
								      "are damaged",
								      "ended without a word"};
	struct store_fixture *f = *state;
	struct vmb_err err;

	if (!make_partition(f))
		NEED_LOOP(f->device);
	for (int i = 0; i < 2; i++) {
		/* Who only looks at it says nothing before somebody saves. */
		setenv("TEST_MEND", hows[i], 1);
		f->mends = false;
		start_again(f);
		assert_int_equal(about(f).store_state, MENU_STORE_OK);
		f->mends = true;
		start_again(f);
		assert_non_null(store_find(f->store, "entries/a.conf"));
		assert_int_equal(store_vars(f->store), STORE_VARS_YES);
		assert_int_equal(about(f).store_state, MENU_STORE_READ_ONLY);
		assert_non_null(strstr(about(f).store_text, words[i]));
		is_busy = true;
		assert_int_equal(store_put(f->store, "vmboot.conf", "a = 1\n", 6, &err), 1);
		is_busy = false;
		assert_non_null(strstr(err.text, words[i]));
		assert_non_null(strstr(err.text, "): change kept for this boot only."));
		assert_string_equal(text_on(f, "vmboot.conf"), "");
		/* In a shell somebody has mended it. */
		unsetenv("TEST_MEND");
		assert_int_equal(store_put(f->store, "vmboot.conf", "a = 2\n", 6, &err), 0);
		assert_string_equal(text_on(f, "vmboot.conf"), "a = 2\n");
		assert_int_equal(about(f).store_state, MENU_STORE_OK);
		assert_int_equal(store_put(f->store, "vmboot.conf", NULL, 0, &err), 0);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(without_any_partition_it_is_in_memory, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			a_partition_is_read_and_written_and_not_left_mounted, setup, teardown),
		cmocka_unit_test_setup_teardown(a_partition_in_use_is_left_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(a_write_protected_partition_is_read_only, setup,
						teardown),
		cmocka_unit_test_setup_teardown(another_disk_at_the_same_path_is_not_written, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_partition_that_was_busy_is_read_later, setup,
						teardown),
		cmocka_unit_test_setup_teardown(of_two_partitions_none_is_taken, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_directory_of_the_user_is_made_when_something_is_saved, setup, teardown),
		cmocka_unit_test_setup_teardown(a_directory_that_cannot_be_made_is_said, setup,
						teardown),
		cmocka_unit_test_setup_teardown(variables_are_kept_on_a_partition, setup, teardown),
		cmocka_unit_test_setup_teardown(damaged_variables_on_a_partition_are_refused, setup,
						teardown),
		cmocka_unit_test_setup_teardown(what_cannot_be_mended_is_read_and_not_written,
						setup, teardown),
		cmocka_unit_test_setup_teardown(a_full_partition_still_takes_settings, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			a_directory_that_cannot_be_read_needs_nobody_who_asks, setup, teardown),
	};

	if (argc > 1 && strcmp(argv[1], "probe") == 0)
		return cmd_probe(argc - 1, argv + 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
