/* Where variables without a file of their own are: with the disk that the guest may write to, by a name that lasts. */
#include "store_fixture.h"

#include "daemon/vars_place.h"

struct fixture {
	struct store_fixture s;
	struct vm_config config;
	struct vars_place place;
	char state[PATH_MAX], note[400];
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (store_fixture_setup(&f->s) < 0)
		return -1;
	for (int i = 0; i < 3; i++) {
		struct menu_device *d = &f->s.devices[i];

		snprintf(d->name, sizeof(d->name), "sd%c", 'a' + i);
		snprintf(d->path, sizeof(d->path), "/dev/sd%c", 'a' + i);
		snprintf(d->serial, sizeof(d->serial), "S%d", i);
	}
	store_see_devices(f->s.store, f->s.devices, 3, false);
	setenv("XDG_STATE_HOME", scratch_path(f->s.scratch, "state", f->state), 1);
	vm_config_init(&f->config);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	int rc = store_fixture_teardown(&f->s);

	unsetenv("XDG_STATE_HOME");
	free(f);
	return rc;
}

/* Everybody but root has the state where the environment says. */
uid_t __wrap_geteuid(void);
uid_t __wrap_geteuid(void)
{
	return 1000;
}

static const char *find(struct fixture *f)
{
	static char name[VM_PATH_SIZE];
	const char *slash;

	text_copy(f->config.vars_path, sizeof(f->config.vars_path), VM_VARS_USUAL);
	vars_place_find(f->s.store, f->s.devices, 3, &f->config, &f->place, f->note,
			sizeof(f->note));
	assert_string_equal(f->place.name, "");
	slash = strrchr(f->config.vars_path, '/');
	text_copy(name, sizeof(name), slash ? slash + 1 : "");
	return name;
}

static void add_disk(struct fixture *f, const char *path, bool read_only)
{
	struct vm_disk *disk = &f->config.disks[f->config.disk_count++];

	text_copy(disk->path, sizeof(disk->path), path);
	disk->read_only = read_only;
}

static void variables_go_with_the_disk(void **state)
{
	struct fixture *f = *state;

	assert_string_equal(find(f), "machine.vars");
	strcpy(f->config.vfio[f->config.vfio_count++].address, "0000:01:00.0");
	assert_string_equal(find(f), "pci-0000-01-00.0.vars");
	/* An installer's image beside it changes nothing, nor does another path of the same disk. */
	add_disk(f, "/srv/debian.iso", true);
	add_disk(f, "/dev/sdb", false);
	add_disk(f, "/dev/sda", false);
	assert_string_equal(find(f), "serial-S1.vars");
	strcpy(f->s.devices[1].path, "/dev/sdx");
	strcpy(f->config.disks[1].path, "/dev/sdx");
	assert_string_equal(find(f), "serial-S1.vars");
	assert_true(strncmp(f->config.vars_path, f->state, strlen(f->state)) == 0);
	assert_string_equal(f->note, "");
}

/* Whatever a disk calls itself, it is one file in that directory, and its own. */
static void a_name_is_a_file_whatever_the_disk_says(void **state)
{
	static const char *const serials[] = {
		"a b",
		"a/b",
		"../../etc/passwd",
		"\\x1b[2J",
		"012345678901234567890123456789012345678901234567890123456789a",
		"012345678901234567890123456789012345678901234567890123456789b"};
	struct fixture *f = *state;
	char names[6][VM_PATH_SIZE];

	add_disk(f, "/dev/sda", false);
	for (int i = 0; i < 6; i++) {
		text_copy(f->s.devices[0].serial, sizeof(f->s.devices[0].serial), serials[i]);
		text_copy(names[i], sizeof(names[i]), find(f));
		assert_true(store_dir_is_vars(names[i]));
		for (int j = 0; j < i; j++)
			assert_string_not_equal(names[i], names[j]);
	}
}

static void what_is_named_stays(void **state)
{
	struct fixture *f = *state;

	strcpy(f->config.vars_path, "/srv/own.vars");
	vars_place_find(f->s.store, f->s.devices, 3, &f->config, &f->place, f->note,
			sizeof(f->note));
	assert_string_equal(f->config.vars_path, "/srv/own.vars");
	f->config.vars_path[0] = '\0';
	vars_place_find(f->s.store, f->s.devices, 3, &f->config, &f->place, f->note,
			sizeof(f->note));
	assert_string_equal(f->config.vars_path, "");
	assert_string_equal(f->note, "");
}

static void what_does_not_last_is_said(void **state)
{
	struct fixture *f = *state;
	struct menu_welcome welcome = {.version = 0};

	setenv("XDG_STATE_HOME", "/proc/none", 1);
	assert_string_equal(find(f), "");
	assert_string_equal(f->note, "UEFI variables are not kept: /proc/none/vmboot/machine.vars "
				     "cannot be written (No such file or directory).");
	setenv("XDG_STATE_HOME", "/dev/shm/vmboot-test", 1);
	assert_int_equal(vars_place_kept(f->s.store), MENU_VARS_UNTIL_OFF);
	vars_place_describe(f->s.store, &welcome);
	assert_string_equal(welcome.vars_path, "/dev/shm/vmboot-test/vmboot");
	/* In memory, while there may still be a partition for them: begun without, they would be overwritten there. */
	store_fixture_begin(&f->s);
	assert_string_equal(find(f), "");
	assert_non_null(strstr(f->note, "still being looked for. Start again in a moment."));
	assert_int_equal(vars_place_kept(f->s.store), MENU_VARS_NOT_KEPT);
}

/* Begun anew, those on the partition would be overwritten when it can be read again. */
static void unread_variables_are_not_begun_anew(void **state)
{
	struct fixture *f = *state;

	store_fixture_begin(&f->s);
	store_fixture_label(&f->s, "/dev/vmboot-nowhere", "ext4");
	store_fixture_load(&f->s);
	assert_int_equal(store_vars(f->s.store), STORE_VARS_UNREAD);
	assert_string_equal(find(f), "");
	assert_string_equal(f->note,
			    "UEFI variables are not kept: those on the partition labelled VMBOOT "
			    "could not be read. The log (l) says why.");
	assert_int_equal(vars_place_kept(f->s.store), MENU_VARS_NOT_KEPT);
}

int main(int argc, char **argv)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(variables_go_with_the_disk),
		TEST(a_name_is_a_file_whatever_the_disk_says),
		TEST(what_is_named_stays),
		TEST(what_does_not_last_is_said),
		TEST(unread_variables_are_not_begun_anew),
	};

	if (argc > 1 && strcmp(argv[1], "probe") == 0)
		return cmd_probe(argc - 1, argv + 1);

	return cmocka_run_group_tests_name("vars_place", tests, NULL, NULL);
}
