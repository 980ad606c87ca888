/* The directory of settings: what is read, and that a file is old or new wherever writing is cut. */
#include "storage_test.h"

#include <errno.h>
#include <sys/wait.h>

#include "cut.h"
#include "store_dir.h"
#include "varstore.h"

static int open_dir(const struct scratch *s)
{
	int fd = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

/* The file's text; "" when there is none. */
static const char *read_text(const struct scratch *s, const char *name)
{
	static char text[4096];
	char path[PATH_MAX];
	FILE *f = fopen(scratch_path(s, name, path), "re");
	size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;

	if (f)
		fclose(f);
	text[n] = '\0';
	return text;
}

struct files {
	char text[4096];
};

static void on_file(void *ctx, const char *name, const char *text, size_t n, int64_t changed)
{
	struct files *f = ctx;
	size_t at = strlen(f->text);

	(void)changed;
	snprintf(f->text + at, sizeof(f->text) - at, "%s=%.*s\n", name, (int)n, text);
}

static void on_skipped(void *ctx, const char *name, const char *why)
{
	struct files *f = ctx;
	size_t at = strlen(f->text);

	snprintf(f->text + at, sizeof(f->text) - at, "!%s %s\n", name, why);
}

static const struct store_report report = {.file = on_file, .skipped = on_skipped};

static const char *read_all(const struct scratch *s, bool beneath, struct files *f)
{
	int dir = open_dir(s);

	f->text[0] = '\0';
	assert_int_equal(store_dir_read(dir, beneath, &report, f), 0);
	close(dir);
	return f->text;
}

static void only_settings_are_read_in_natural_order(void **state)
{
	struct scratch *s = *state;
	struct files f;

	assert_string_equal(read_all(s, false, &f), "");
	assert_true(sh(
		"cd %s; mkdir entries; printf s >vmboot.conf; printf S >vmboot.conf.minisig; "
		"printf x >other; for i in a10 a9 B; do printf $i >entries/$i.conf; done; "
		"printf t >state.conf; printf no >entries/.a.conf.new; printf no >entries/README; "
		"mkdir entries/d.conf; mkfifo entries/f.conf; "
		"head -c 32769 /dev/zero >entries/big.conf",
		s->dir));
	assert_string_equal(read_all(s, false, &f),
			    "vmboot.conf=s\nvmboot.conf.minisig=S\nstate.conf=t\nentries/B.conf=B\n"
			    "!entries/README is not called NAME.conf\n"
			    "entries/a9.conf=a9\nentries/a10.conf=a10\n"
			    "!entries/big.conf is bigger than 32 KiB\n"
			    "!entries/d.conf is not a regular file\n"
			    "!entries/f.conf is not a regular file\n");
}

static void links_lead_out_of_our_own_directory_only(void **state)
{
	struct scratch *s = *state;
	struct files f;

	assert_true(sh("cd %s; mkdir entries; printf l >/tmp/vmboot-linked.$$; "
		       "ln -s /tmp/vmboot-linked.$$ entries/l.conf; ln -s m.conf entries/k.conf; "
		       "printf m >entries/m.conf",
		       s->dir));
	assert_string_equal(read_all(s, false, &f),
			    "entries/k.conf=m\nentries/l.conf=l\nentries/m.conf=m\n");
	assert_string_equal(read_all(s, true, &f),
			    "entries/k.conf=m\n!entries/l.conf Invalid cross-device link\n"
			    "entries/m.conf=m\n");
	sh("rm -f $(readlink %s/entries/l.conf)", s->dir);
}

static void names_that_do_not_belong_there_are_refused(void **state)
{
	static const char *const bad[] = {"other",
					  "../x",
					  "entries/../vmboot.conf",
					  "entries/.x.conf",
					  "entries/a/b.conf",
					  "entries/.conf",
					  "entries/x.conf.new",
					  "/etc/passwd",
					  "vmboot.conf/x",
					  "a.conf",
					  ".a.vars",
					  "a.vars.minisig",
					  "a.vars.old",
					  "entries/a.vars",
					  ".vars",
					  "../x.vars",
					  ""};
	struct scratch *s = *state;
	int dir = open_dir(s);

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_false(store_dir_knows(bad[i]));
		assert_int_equal(store_dir_write(dir, bad[i], "x", 1), -EINVAL);
	}
	assert_true(store_dir_knows("entries/debian-12.conf"));
	assert_true(store_dir_knows("entries/debian-12.conf.minisig"));
	assert_true(store_dir_knows("vmboot.conf.sig"));
	assert_true(store_dir_knows("serial-S64.vars"));
	assert_true(store_dir_is_vars("serial-S64.vars"));
	assert_false(store_dir_is_vars("entries/debian-12.conf"));
	close(dir);
}

static void a_file_is_replaced_and_keeps_its_mode(void **state)
{
	struct scratch *s = *state;
	struct stat st;
	char path[PATH_MAX];
	int dir = open_dir(s);

	assert_int_equal(store_dir_write(dir, "entries/a.conf", "one", 3), 0);
	assert_string_equal(read_text(s, "entries/a.conf"), "one");
	assert_int_equal(stat(scratch_path(s, "entries/a.conf", path), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(chmod(path, 0640), 0);
	assert_int_equal(store_dir_write(dir, "entries/a.conf", "two", 3), 0);
	assert_string_equal(read_text(s, "entries/a.conf"), "two");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(store_dir_write(dir, "entries/a.conf", NULL, 0), 0);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(store_dir_write(dir, "entries/a.conf", NULL, 0), 0);
	assert_true(sh("test -z \"$(ls -A %s/entries)\"", s->dir));
	close(dir);
}

/* Variables are bigger than settings, and those that were put aside are nobody's any more. */
static void variables_lie_beside_the_settings(void **state)
{
	struct scratch *s = *state;
	uint8_t *store = malloc(VARSTORE_SIZE);
	struct files f = {.text = ""};
	int dir = open_dir(s);

	memset(store, 'x', VARSTORE_SIZE);
	assert_int_equal(store_dir_read_vars(dir, true, &report, &f), 0);
	assert_string_equal(f.text, "");
	assert_int_equal(store_dir_write(dir, "a.vars", store, VARSTORE_SIZE), 0);
	assert_int_equal(store_dir_write(dir, "a.vars", store, VARSTORE_SIZE + 1), -EINVAL);
	assert_int_equal(store_dir_write(dir, "vmboot.conf", store, VARSTORE_SIZE), -EINVAL);
	assert_true(sh("test $(stat -c %%s %s/a.vars) = 540672", s->dir));
	for (int i = 0; i < 3; i++) {
		assert_int_equal(store_dir_set_aside(dir, "a.vars", "bad"), 0);
		assert_int_equal(store_dir_write(dir, "a.vars", "aaa", 3), 0);
	}
	assert_int_equal(store_dir_set_aside(dir, "none.vars", "bad"), 0);
	assert_int_equal(store_dir_set_aside(dir, "passwd", "bad"), -EINVAL);
	assert_true(sh("cd %s; test \"$(echo *)\" = 'a.vars a.vars.bad a.vars.bad.1 "
		       "a.vars.bad.2' && test $(stat -c %%s a.vars.bad) = 540672; head -c 540673 "
		       "/dev/zero >big.vars; ln -s /etc/passwd link.vars; mkdir d.vars; echo >x",
		       s->dir));
	assert_int_equal(store_dir_read_vars(dir, true, &report, &f), 0);
	assert_string_equal(f.text, "a.vars=aaa\n!big.vars is bigger than 528 KiB\n"
				    "!d.vars is not a regular file\n"
				    "!link.vars Invalid cross-device link\n");
	/* They are no settings: nobody who reads those is told of them. */
	assert_string_equal(read_all(s, true, &f), "");
	close(dir);
	free(store);
}

/* Writes "new..." over "old..." in a process whose call number AT is cut. True: AT was reached. */
static bool write_cut(const struct scratch *s, const char *name, enum cut how, int at, int *ret_rc)
{
	int dir = open_dir(s), status;
	pid_t pid = fork();

	if (pid == 0) {
		int rc;

		cut.how = how;
		cut.at = at;
		rc = store_dir_write(dir, name, "new new new new", 15);
		_exit(cut.count < at ? 100 : rc < 0 ? 1 : 2);
	}
	close(dir);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	*ret_rc = WEXITSTATUS(status);
	return *ret_rc != 100;
}

static void check_cuts(const struct scratch *s, const char *name, const char *before)
{
	static const enum cut hows[] = {CUT_POWER, CUT_HALF, CUT_ERROR};

	for (size_t h = 0; h < 3; h++) {
		bool was_old = false, was_new = false;
		int cuts = 0, rc;

		for (int at = 1;; at++, cuts++) {
			struct files f;
			const char *text;
			bool again;

			if (before[0])
				assert_true(sh("mkdir -p %s/entries && printf '%s' >%s/%s", s->dir,
					       before, s->dir, name));
			else
				assert_true(sh("rm -rf %s/entries %s/%s", s->dir, s->dir, name));
			again = write_cut(s, name, hows[h], at, &rc);
			text = read_text(s, name);
			if (strcmp(text, before) != 0 && strcmp(text, "new new new new") != 0)
				fail_msg("cut %zu at %d left \"%s\"", h, at, text);
			/* What it says and what there is agree; only the last sync may fail after the fact. */
			if (rc == 2)
				assert_string_equal(text, "new new new new");
			was_old = was_old || strcmp(text, before) == 0;
			was_new = was_new || strcmp(text, before) != 0;
			/* And what was left behind is in nobody's way. */
			assert_null(strstr(read_all(s, true, &f), STORE_NEW_FILE));
			if (!again)
				break;
		}
		assert_true(was_new && was_old);
		assert_true(cuts >= 5);
	}
}

static void a_cut_leaves_the_old_file_or_the_new_one(void **state)
{
	check_cuts(*state, "vmboot.conf", "old");
	check_cuts(*state, "entries/debian-12.conf", "old");
	check_cuts(*state, "entries/debian-12.conf", "");
	check_cuts(*state, "serial-S64.vars", "old");
	check_cuts(*state, "serial-S64.vars", "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(only_settings_are_read_in_natural_order,
						scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(links_lead_out_of_our_own_directory_only,
						scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(names_that_do_not_belong_there_are_refused,
						scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(a_file_is_replaced_and_keeps_its_mode,
						scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(variables_lie_beside_the_settings, scratch_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(a_cut_leaves_the_old_file_or_the_new_one,
						scratch_setup, scratch_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
