/* The file of variables by itself: what a power cut leaves of it, and what is written of a guest that runs. */
#include "vars_test.h"

#include <sys/wait.h>

#include "cut.h"
#include "daemon/vars_file.h"

struct fixture {
	struct scratch *scratch;
	struct vars_file vars;
	char path[PATH_MAX];
	int memory;
};

static void set(struct fixture *f, off_t at, uint8_t byte)
{
	assert_int_equal(pwrite(f->memory, &byte, 1, at), 1);
}

static void open_vars(struct fixture *f)
{
	struct vmb_err err = {0};

	assert_int_equal(vars_file_open(&f->vars, f->path, NULL, false, &err), 0);
	assert_int_equal(vars_file_make_memory(&f->vars, &f->memory, &err), 0);
}

static void close_vars(struct fixture *f)
{
	vars_file_close(&f->vars);
	close(f->memory);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	void *scratch;

	if (scratch_setup(&scratch) < 0)
		return -1;
	f->scratch = scratch;
	scratch_path(f->scratch, "a.vars", f->path);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	void *scratch = f->scratch;

	free(f);
	return scratch_teardown(&scratch);
}

/* Saves 2 over what is there in a process whose call number AT is cut. False: AT was not reached. */
static bool save_cut(struct fixture *f, enum cut how, int at)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		struct vmb_err err = {0};

		open_vars(f);
		set(f, FAKE_SPARE, 2);
		cut.how = how;
		cut.at = at;
		vars_file_save(&f->vars, f->memory, VARS_LIVE, &err);
		_exit(cut.count < at ? 100 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status) != 100;
}

static void a_cut_leaves_old_variables_or_new_ones(void **state)
{
	static const enum cut hows[] = {CUT_POWER, CUT_HALF, CUT_ERROR};
	struct fixture *f = *state;

	for (size_t h = 0; h < 3; h++) {
		bool was[3] = {false, false, false}, again = true;
		int cuts = 0;

		for (int at = 1; again; at++, cuts++) {
			int byte;

			write_vars(f->path, 1);
			again = save_cut(f, hows[h], at);
			byte = read_spare(f->path);
			assert_in_range(byte, 1, 2);
			was[byte] = true;
		}
		assert_true(was[1] && was[2]);
		assert_true(cuts >= 5);
	}
}

/* What is half done is not kept: only what was the same at two looks. */
static void variables_of_a_running_guest_are_written_when_it_leaves_them_alone(void **state)
{
	struct fixture *f = *state;
	struct vmb_err err = {0};

	open_vars(f);
	for (int i = 0; i < 3; i++)
		assert_int_equal(vars_file_save_quiet(&f->vars, f->memory, &err), 0);
	assert_int_equal(read_spare(f->path), -1);
	for (uint8_t i = 1; i < 5; i++) {
		set(f, FAKE_SPARE, i);
		assert_int_equal(vars_file_save_quiet(&f->vars, f->memory, &err), 0);
		assert_int_equal(read_spare(f->path), -1);
	}
	assert_int_equal(vars_file_save_quiet(&f->vars, f->memory, &err), 0);
	assert_int_equal(read_spare(f->path), 4);
	/* Not a valid store: never, and the file stays. */
	set(f, 0x28, 'X');
	for (int i = 0; i < 3; i++)
		assert_int_equal(vars_file_save_quiet(&f->vars, f->memory, &err), 0);
	assert_int_equal(read_spare(f->path), 4);
	assert_int_equal(err.code, 0);
	/* As it was, so there is nothing to write. */
	set(f, 0x28, '_');
	assert_int_equal(unlink(f->path), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(vars_file_save_quiet(&f->vars, f->memory, &err), 0);
	assert_int_equal(read_spare(f->path), -1);
	close_vars(f);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_cut_leaves_old_variables_or_new_ones),
		TEST(variables_of_a_running_guest_are_written_when_it_leaves_them_alone),
	};

	return cmocka_run_group_tests_name("vars_file", tests, NULL, NULL);
}
