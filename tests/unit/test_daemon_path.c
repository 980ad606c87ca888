/* Where files are when nobody says otherwise: the system's places, or below a home directory. */
#include "test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon_path.h"
#include "storage_test.h"

static uid_t user;

uid_t __wrap_geteuid(void);
uid_t __wrap_geteuid(void)
{
	return user;
}

static int setup(void **state)
{
	static const char *const names[] = {"XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME",
					    "XDG_RUNTIME_DIR"};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unsetenv(names[i]);
	setenv("HOME", "/home/op", 1);
	user = 1000;
	return 0;
}

static void root_has_the_places_of_the_system(void **state)
{
	char path[256];

	(void)state;
	user = 0;
	setenv("XDG_CONFIG_HOME", "/elsewhere", 1);
	assert_string_equal(daemon_path_config(path, sizeof(path)), "/etc/vmboot");
	assert_int_equal(daemon_path_images(path, sizeof(path)), 0);
	assert_string_equal(path, "/var/lib/vmboot/images");
	assert_int_equal(daemon_path_state(path, sizeof(path)), 0);
	assert_string_equal(path, "/var/lib/vmboot");
	assert_int_equal(daemon_path_socket(path, sizeof(path), NULL), 0);
	assert_string_equal(path, "/run/vmboot/daemon.sock");
}

/* Two logs in memory are at most a thirty-second of it. */
static void a_log_in_memory_takes_a_share_of_it(void **state)
{
	(void)state;
	assert_int_equal(daemon_path_log_max("/proc", 1ULL << 30), 64 << 20);
	assert_int_equal(daemon_path_log_max("/not/there", 1ULL << 30), 64 << 20);
	assert_int_equal(daemon_path_log_max("/dev/shm", 1ULL << 30), 16 << 20);
	assert_int_equal(daemon_path_log_max("/dev/shm", 16 << 20), 1 << 20);
	assert_int_equal(daemon_path_log_max("/dev/shm", 64ULL << 30), 64 << 20);
}

static void what_is_in_memory_is_known_before_it_is_there(void **state)
{
	(void)state;
	assert_true(daemon_path_is_volatile("/dev/shm"));
	assert_true(daemon_path_is_volatile("/dev/shm/not/there"));
	assert_false(daemon_path_is_volatile("/proc"));
	assert_false(daemon_path_is_volatile(""));
}

static void a_user_has_files_at_home(void **state)
{
	char path[256];

	(void)state;
	assert_string_equal(daemon_path_config(path, sizeof(path)), "/home/op/.config/vmboot");
	assert_int_equal(daemon_path_images(path, sizeof(path)), 0);
	assert_string_equal(path, "/home/op/.local/share/vmboot/images");
	assert_int_equal(daemon_path_state(path, sizeof(path)), 0);
	assert_string_equal(path, "/home/op/.local/state/vmboot");
}

/* XDG base directory specification: "All paths set in these environment variables must be absolute". */
static void xdg_directories_come_first_when_they_are_absolute(void **state)
{
	char path[256];

	(void)state;
	setenv("XDG_CONFIG_HOME", "/c", 1);
	setenv("XDG_DATA_HOME", "/d", 1);
	setenv("XDG_STATE_HOME", "s", 1);
	assert_string_equal(daemon_path_config(path, sizeof(path)), "/c/vmboot");
	assert_int_equal(daemon_path_images(path, sizeof(path)), 0);
	assert_string_equal(path, "/d/vmboot/images");
	assert_int_equal(daemon_path_state(path, sizeof(path)), 0);
	assert_string_equal(path, "/home/op/.local/state/vmboot");
}

static void without_a_home_there_is_the_system(void **state)
{
	char path[256] = "as before";
	char small[16] = "as before";

	(void)state;
	unsetenv("HOME");
	assert_int_equal(daemon_path_images(path, sizeof(path)), -ENOENT);
	assert_int_equal(daemon_path_state(path, sizeof(path)), -ENOENT);
	assert_string_equal(path, "as before");
	assert_string_equal(daemon_path_config(path, sizeof(path)), "/etc/vmboot");
	setenv("HOME", "/home/op", 1);
	assert_int_equal(daemon_path_images(small, sizeof(small)), -ENAMETOOLONG);
	assert_string_equal(small, "as before");
	assert_string_equal(daemon_path_config(small, sizeof(small)), "/etc/vmboot");
}

static void directories_are_made_for_their_owner(void **state)
{
	char dir[PATH_MAX], path[PATH_MAX + 16], file[PATH_MAX + 32];
	void *scratch;
	struct stat st;

	(void)state;
	assert_int_equal(scratch_setup(&scratch), 0);
	scratch_path(scratch, "a", dir);
	snprintf(path, sizeof(path), "%s/b/c", dir);
	snprintf(file, sizeof(file), "%s/file", path);
	assert_int_equal(daemon_path_make_parents(file), 0);
	assert_int_equal(daemon_path_make_parents(file), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 0700);
	assert_int_equal(access(file, F_OK), -1);
	assert_int_equal(daemon_path_make_parents("relative/file"), -EINVAL);
	assert_int_equal(daemon_path_make_parents("/dev/null/b/file"), -ENOTDIR);
	assert_int_equal(scratch_teardown(&scratch), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(root_has_the_places_of_the_system, setup),
		cmocka_unit_test_setup(a_log_in_memory_takes_a_share_of_it, setup),
		cmocka_unit_test(what_is_in_memory_is_known_before_it_is_there),
		cmocka_unit_test_setup(a_user_has_files_at_home, setup),
		cmocka_unit_test_setup(xdg_directories_come_first_when_they_are_absolute, setup),
		cmocka_unit_test_setup(without_a_home_there_is_the_system, setup),
		cmocka_unit_test_setup(directories_are_made_for_their_owner, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
