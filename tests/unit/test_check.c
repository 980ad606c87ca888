/* vmboot check: FILE:LINE: MESSAGE for what is wrong, and the exit status. */
#include "storage_test.h"

#include "cmd/cmd.h"

static char out[8192];

/* What `vmboot check ARGS` prints is in OUT; its status. */
static int check(const struct scratch *s, char *first, char *second)
{
	char name[] = "check", path[PATH_MAX];
	char *argv[] = {name, first, second, NULL};
	int saved = dup(STDOUT_FILENO), fd, status;
	ssize_t n;

	fflush(stdout);
	fd = open(scratch_path(s, "out", path), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0 && dup2(fd, STDOUT_FILENO) >= 0);
	status = cmd_check(second ? 3 : 2, argv);
	fflush(stdout);
	dup2(saved, STDOUT_FILENO);
	close(saved);
	n = pread(fd, out, sizeof(out) - 1, 0);
	close(fd);
	out[n > 0 ? n : 0] = '\0';
	return status;
}

static void a_whole_directory_is_checked(void **state)
{
	struct scratch *s = *state;
	char option[] = "--config", want[2048];

	assert_true(sh("cd %s; mkdir entries; printf 'default = a\\ntimeout = 5\\n' >vmboot.conf; "
		       "printf 'title = A\\nfirmware = /fw.fd\\n' >entries/a.conf",
		       s->dir));
	assert_int_equal(check(s, option, s->dir), 0);
	assert_string_equal(out, "");
	assert_true(sh("cd %s; printf 'default = x\\ntimout = 5\\nmenu = off\\n' >vmboot.conf; "
		       "printf 'firmware = /fw.fd\\n\\ndisk = serial:A,rw\\n' >entries/b.conf",
		       s->dir));
	assert_int_equal(check(s, option, s->dir), 1);
	snprintf(want, sizeof(want),
		 "%s/vmboot.conf:2: warning: \"timout\" is not known; expected ", s->dir);
	assert_memory_equal(out, want, strlen(want));
	snprintf(want, sizeof(want),
		 "\n%s/vmboot.conf:3: \"off\" is not known here; expected shown or hidden.\n"
		 "%s/entries/b.conf:3: Disk serial:A: unknown option \"rw\"; known are ",
		 s->dir, s->dir);
	assert_non_null(strstr(out, want));
	snprintf(want, sizeof(want),
		 "\n%s/vmboot.conf:1: The default is x, but there is no "
		 "entries/x.conf.\n",
		 s->dir);
	assert_non_null(strstr(out, want));
}

static void warnings_alone_are_no_failure(void **state)
{
	struct scratch *s = *state;
	char path[PATH_MAX];

	scratch_path(s, "a.conf", path);
	write_file(path, "firmware = /fw.fd\nfuture = 1\n", 29, 0);
	assert_int_equal(check(s, path, NULL), 0);
	assert_non_null(strstr(out, "a.conf:2: warning: \"future\" is not known; "));
}

static void what_cannot_be_read_is_an_error(void **state)
{
	struct scratch *s = *state;
	char path[PATH_MAX], nowhere[] = "/nowhere/\033[2J.conf";

	assert_int_equal(check(s, nowhere, NULL), 1);
	assert_string_equal(out,
			    "/nowhere/\\x1b[2J.conf:1: This file cannot be read: No such file or "
			    "directory.\n");
	assert_int_equal(check(s, s->dir, NULL), 1);
	scratch_path(s, "big.conf", path);
	write_file(path, "", 0, 40000);
	assert_int_equal(check(s, path, NULL), 1);
	assert_non_null(strstr(out, "bigger than 32 KiB"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_whole_directory_is_checked, scratch_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(warnings_alone_are_no_failure, scratch_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(what_cannot_be_read_is_an_error, scratch_setup,
						scratch_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
