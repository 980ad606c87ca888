/* `vmboot report` of the real program where no daemon runs: standard output, a new file, a new directory, refusals. */
#include "test.h"

#include <sys/wait.h>

#include "storage_test.h"

#define PROGRAM "build/san/vmboot"

/* The exit status of `vmboot report ARGS`; what it says, both streams, in OUT. */
static int report(const char *args, char *out, size_t size)
{
	char command[PATH_MAX + 128];
	size_t n;
	FILE *f;

	snprintf(command, sizeof(command), PROGRAM " report --socket /no/such/socket %s 2>&1",
		 args);
	f = popen(command, "r");
	assert_non_null(f);
	n = fread(out, 1, size - 1, f);
	out[n] = '\0';
	/* What does not fit is read all the same, or it would end by SIGPIPE. */
	while (fgetc(f) != EOF)
		;
	return WEXITSTATUS(pclose(f));
}

static void all_parts_in_one_piece(void **state)
{
	static const char *const parts[] = {
		"==== system.txt ====", "==== settings.txt ====", "==== devices.txt ====",
		"==== log.txt ====",	"==== console.txt ====",  "==== dmesg.txt ===="};
	static char out[1 << 20];
	const char *at = out;

	(void)state;
	assert_int_equal(report("", out, sizeof(out)), 0);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		at = strstr(at, parts[i]);
		assert_non_null(at);
	}
	assert_non_null(strstr(out, "No daemon answers"));
	/* The machine is told all the same, and nothing in it is a control sequence. */
	assert_non_null(strstr(out, "\nKernel\n"));
	assert_null(strchr(out, '\033'));
	assert_true(strlen(out) < 700 * 1024);
}

static void a_file_is_new_or_refused(void **state)
{
	char path[PATH_MAX], args[PATH_MAX + 16], out[4096];
	struct stat st;

	scratch_path(*state, "report.txt", path);
	snprintf(args, sizeof(args), "--to %s", path);
	assert_int_equal(report(args, out, sizeof(out)), 0);
	assert_non_null(strstr(out, path));
	assert_int_equal(stat(path, &st), 0);
	/* Kernel messages are not for everybody's eyes. */
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_true(st.st_size > 200);
	assert_int_equal(report(args, out, sizeof(out)), 1);
	assert_non_null(strstr(out, "File exists"));
}

static void a_directory_gets_a_new_one_each_time(void **state)
{
	char path[PATH_MAX], args[PATH_MAX + 16], first[4096], second[4096], file[PATH_MAX];

	scratch_path(*state, "", path);
	snprintf(args, sizeof(args), "--to %s", path);
	assert_int_equal(report(args, first, sizeof(first)), 0);
	assert_int_equal(report(args, second, sizeof(second)), 0);
	assert_string_not_equal(first, second);
	first[strcspn(first, "\n")] = '\0';
	snprintf(file, sizeof(file), "%.2000s/system.txt", first);
	assert_int_equal(access(file, R_OK), 0);
}

static void what_cannot_be_written_to_is_said(void **state)
{
	char out[4096];

	(void)state;
	assert_int_equal(report("--to /no/such/directory/report", out, sizeof(out)), 1);
	assert_non_null(strstr(out, "cannot be written to /no/such/directory/report"));
	assert_int_equal(report("--to", out, sizeof(out)), 64);
	assert_non_null(strstr(out, "usage: vmboot report"));
}

/* A disk that nobody has mounted is mounted for this moment, and whole afterwards; a mounted one is left alone. */
static void a_disk_is_mounted_for_that_moment(void **state)
{
	char image[PATH_MAX], loop_file[PATH_MAX], loop[64] = "", args[128], out[4096],
						   listing[4096];
	FILE *f;

	if (geteuid() != 0)
		skip();
	scratch_path(*state, "disk.img", image);
	scratch_path(*state, "loop", loop_file);
	if (!sh("truncate -s 16M %s && mkfs.ext4 -q %s", image, image) ||
	    !sh("losetup -f --show %s >%s 2>/dev/null", image, loop_file))
		skip();
	f = fopen(loop_file, "r");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%63s", loop), 1);
	fclose(f);
	snprintf(args, sizeof(args), "--to %s", loop);
	if (report(args, out, sizeof(out)) != 0 && strstr(out, "not permitted")) {
		sh("losetup -d %s", loop);
		skip();
	}
	assert_non_null(strstr(out, ":/vmboot-report-"));
	assert_false(sh("grep -q '^%s ' /proc/mounts", loop));
	assert_true(sh("losetup -d %s", loop));
	assert_true(sh("e2fsck -fn %s >/dev/null 2>&1", image));
	assert_true(sh("debugfs -R 'ls -p /' %s >%s 2>/dev/null", image, loop_file));
	f = fopen(loop_file, "r");
	listing[fread(listing, 1, sizeof(listing) - 1, f)] = '\0';
	fclose(f);
	assert_non_null(strstr(listing, "vmboot-report-"));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)
	const struct CMUnitTest tests[] = {
		TEST(all_parts_in_one_piece),
		TEST(a_file_is_new_or_refused),
		TEST(a_directory_gets_a_new_one_each_time),
		TEST(a_disk_is_mounted_for_that_moment),
		TEST(what_cannot_be_written_to_is_said),
	};

	return cmocka_run_group_tests_name("report", tests, NULL, NULL);
}
