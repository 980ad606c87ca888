/* The launcher and the file of UEFI variables: it is right after each of the ways a VM can end. */
#include "loop.h"

int __wrap_loop_add_timer(struct loop *loop, uint64_t msec, void (*fn)(void *arg), void *arg,
			  struct loop_timer **ret_timer);
int __real_loop_add_timer(struct loop *loop, uint64_t msec, void (*fn)(void *arg), void *arg,
			  struct loop_timer **ret_timer);
#define SESSION_ADD_TIMER __real_loop_add_timer

#include "launch_session.h"
#include "vars_test.h"

#include <sys/mount.h>

#include "daemon/launch_internal.h"

/* While HELD, a launcher's timer for variables ends when the test allows it a turn, and not by the clock. */
static struct {
	bool held;
	struct loop *loop;
	void (*fn)(void *arg);
	void *arg;
	struct loop_timer **timer;
	unsigned int allowed;
} turns;

static void maybe_turn(void *arg)
{
	if (turns.allowed) {
		turns.allowed--;
		turns.fn(turns.arg);
		return;
	}
	assert_int_equal(__real_loop_add_timer(turns.loop, 5, maybe_turn, arg, turns.timer), 0);
}

int __wrap_loop_add_timer(struct loop *loop, uint64_t msec, void (*fn)(void *arg), void *arg,
			  struct loop_timer **ret_timer)
{
	if (!turns.held || msec != LAUNCH_VARS_MS)
		return __real_loop_add_timer(loop, msec, fn, arg, ret_timer);
	turns.loop = loop;
	turns.fn = fn;
	turns.arg = arg;
	turns.timer = ret_timer;
	return __real_loop_add_timer(loop, 5, maybe_turn, NULL, ret_timer);
}

static void set_vars(struct run *r, const char *name)
{
	char path[PATH_MAX];

	text_copy(r->config.vars_path, sizeof(r->config.vars_path),
		  scratch_path(r->scratch, name, path));
}

static void assert_no_litter(struct run *r)
{
	assert_false(sh("ls -A %s | grep -q '\\.new$'", r->scratch->dir));
}

static void variables_are_written_at_every_end(void **state)
{
	static const struct {
		const char *how;
		uint8_t expected;
		const char *warning; /* a part of it, or NULL */
	} ends[] = {
		{"vars-live", 0x11, NULL},	     /* orderly: the live half */
		{"die", 0x22, NULL},		     /* SIGKILL: the live half all the same */
		{"die-bad-live", 0x33, NULL},	     /* the last good one */
		{"die-bad-both", 0x99, "not saved"}, /* the file as it was */
	};
	struct run *r = *state;

	set_vars(r, "vars.fd");
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		write_vars(r->config.vars_path, 0x99);
		run(r, ends[i].how);
		assert_int_equal(read_spare(r->config.vars_path), ends[i].expected);
		if (ends[i].warning)
			assert_non_null(strstr(r->warning, ends[i].warning));
		else
			assert_string_equal(r->warning, "");
		assert_no_litter(r);
	}
}

static void variables_are_written_while_the_vm_runs(void **state)
{
	struct run *r = *state;

	set_vars(r, "vars.fd");
	write_vars(r->config.vars_path, 0x99);
	r->stop_at = "changed";
	start(r, "vars-changed");
	wait_end(r);
	/* At the end the live half (0x99) is the newest; the file has had 0x44 between. */
	assert_int_equal(read_spare(r->config.vars_path), 0x99);
}

/* The first change is written at once, what follows soon after it once, whatever the guest does meanwhile. */
static void a_storm_of_changes_is_written_now_and_then(void **state)
{
	const int resets = 20;
	struct run *r = *state;

	set_vars(r, "vars.fd");
	write_vars(r->config.vars_path, 0x99);
	turns.held = true;
	start(r, "vars-storm");
	for (int i = 1; i <= resets; i++) {
		while (r->resets < i)
			run_for(r, 5);
		assert_int_equal(read_spare(r->config.vars_path), 1);
		launch_reset(r->launch);
	}
	turns.allowed = 1;
	while (turns.allowed)
		run_for(r, 5);
	assert_int_equal(read_spare(r->config.vars_path), resets);
	launch_stop(r->launch);
	wait_end(r);
	turns.held = false;
	assert_int_equal(read_spare(r->config.vars_path), 0x99);
}

static void destroying_a_running_launch_saves_too(void **state)
{
	struct run *r = *state;

	set_vars(r, "vars.fd");
	start(r, "vars-changed");
	r->stop_at = NULL;
	/* Let it get going: until VMM_VARS_CHANGED was acted upon. */
	while (access(r->config.vars_path, F_OK) < 0)
		run_for(r, 20);
	launch_destroy(r->launch);
	r->launch = NULL;
	/* The live half, an empty store, is what is saved last. */
	assert_int_equal(read_spare(r->config.vars_path), 0xFF);
}

static void an_unchanged_file_is_not_written(void **state)
{
	struct run *r = *state;
	struct stat before, after;

	set_vars(r, "vars.fd");
	write_vars(r->config.vars_path, 0x99);
	assert_int_equal(stat(r->config.vars_path, &before), 0);
	run(r, "");
	assert_int_equal(stat(r->config.vars_path, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	assert_int_equal(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
	/* A store that was never changed makes no file either. */
	set_vars(r, "none.fd");
	run(r, "");
	assert_int_equal(access(r->config.vars_path, F_OK), -1);
	run(r, "vars-live");
	assert_int_equal(read_spare(r->config.vars_path), 0x11);
}

static void a_replaced_file_keeps_its_mode_and_its_link(void **state)
{
	struct run *r = *state;
	char real[PATH_MAX], link[PATH_MAX];
	struct stat st;

	write_vars(scratch_path(r->scratch, "real.fd", real), 0x99);
	assert_int_equal(chmod(real, 0640), 0);
	assert_int_equal(symlink(real, scratch_path(r->scratch, "link.fd", link)), 0);
	set_vars(r, "link.fd");
	run(r, "vars-live");
	assert_int_equal(lstat(link, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(stat(real, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(read_spare(real), 0x11);
}

static void damaged_variables_are_refused_and_kept(void **state)
{
	struct run *r = *state;
	char bad[PATH_MAX];
	uint64_t hash;

	set_vars(r, "vars.fd");
	write_vars(r->config.vars_path, 0x99);
	assert_true(sh("printf X | dd of=%s bs=1 seek=40 conv=notrunc 2>/dev/null",
		       r->config.vars_path));
	hash = hash_file(r->config.vars_path);
	refused(r, EBADMSG, "damaged");
	assert_int_equal(hash_file(r->config.vars_path), hash);
	assert_true(truncate(r->config.vars_path, 1000) == 0);
	refused(r, EBADMSG, "truncated");
	write_file(r->config.vars_path, "", 0, 0);
	refused(r, EBADMSG, "truncated");
	write_file(r->config.vars_path, "a text file\n", 12, 0);
	hash = hash_file(r->config.vars_path);
	refused(r, EBADMSG, "another firmware");
	/* Only when told so: fresh, and the old one is still there. */
	r->config.fresh_vars = 1;
	run(r, "vars-live");
	assert_int_equal(read_spare(r->config.vars_path), 0x11);
	assert_int_equal(hash_file(scratch_path(r->scratch, "vars.fd.bad", bad)), hash);
	assert_string_equal(r->warning, "");
}

static void fresh_variables_put_a_good_file_aside(void **state)
{
	struct run *r = *state;
	char old[PATH_MAX];

	set_vars(r, "vars.fd");
	r->config.fresh_vars = 1;
	for (uint8_t i = 1; i <= 2; i++) {
		write_vars(r->config.vars_path, i);
		run(r, "");
	}
	/* Nothing is lost, however often. */
	assert_int_equal(read_spare(scratch_path(r->scratch, "vars.fd.old", old)), 1);
	assert_int_equal(read_spare(scratch_path(r->scratch, "vars.fd.old.1", old)), 2);
	assert_int_equal(access(r->config.vars_path, F_OK), -1);
}

/* An OVMF image of SIZE bytes; with VARS not 0 that many of variables, whose spare byte is SPARE, in front. */
static void write_flash(struct run *r, const char *name, size_t size, size_t vars, uint8_t spare)
{
	uint8_t *image = calloc(1, size);
	char path[PATH_MAX];

	memcpy(image + 40, "_FVH", 4);
	if (vars) {
		varstore_format(image, vars);
		image[FAKE_SPARE] = spare;
	}
	memset(image + size - 16, 0x90, 16);
	scratch_path(r->scratch, name, path);
	write_file(path, image, size, 0);
	text_copy(r->config.firmware_path, sizeof(r->config.firmware_path), path);
	free(image);
}

static void flash_gets_variables_of_its_own_layout(void **state)
{
	struct run *r = *state;
	struct stat st;

	set_vars(r, "vars.fd");
	write_flash(r, "OVMF_CODE_4M.fd", 0x37C000, 0, 0);
	run(r, "flash");
	assert_non_null(strstr(r->console, "boot=flash vars=1081344\n")); /* two halves */
	run(r, "vars-live");
	assert_int_equal(read_spare(r->config.vars_path), 0x11);
	/* The same file serves CLOUDHV.fd, and an OVMF.fd that brings its own variables keeps ours. */
	write_flash(r, "OVMF.fd", 4 << 20, VARSTORE_SIZE, 0x77);
	run(r, "");
	assert_int_equal(read_spare(r->config.vars_path), 0x11);
	/* A build of 2 MiB has smaller ones. */
	set_vars(r, "vars2.fd");
	write_flash(r, "OVMF_CODE.fd", 0x1E0000, 0, 0);
	run(r, "flash");
	assert_non_null(strstr(r->console, "boot=flash vars=262144\n"));
	assert_int_equal(stat(r->config.vars_path, &st), 0);
	assert_int_equal(st.st_size, VARSTORE_SIZE_2M);
	run(r, "");
}

static void an_image_with_variables_begins_with_them(void **state)
{
	struct run *r = *state;

	set_vars(r, "vars.fd");
	write_flash(r, "OVMF.fd", 4 << 20, VARSTORE_SIZE, 0x77);
	run(r, "flash");
	assert_int_equal(read_spare(r->config.vars_path), 0x77);
}

static void variables_of_the_other_layout_are_refused_and_kept(void **state)
{
	struct run *r = *state;
	uint64_t hash;

	set_vars(r, "vars.fd");
	write_vars(r->config.vars_path, 0x99);
	hash = hash_file(r->config.vars_path);
	write_flash(r, "OVMF_CODE.fd", 0x1E0000, 0, 0);
	refused(r, EBADMSG, "for OVMF of 4 MiB (540672 bytes), this firmware keeps 131072 bytes");
	assert_int_equal(hash_file(r->config.vars_path), hash);
	r->config.fresh_vars = 1;
	run(r, "");
	assert_int_equal(access(r->config.vars_path, F_OK), -1); /* aside, as the operator said */
}

static void firmware_that_needs_smm_is_refused(void **state)
{
	struct run *r = *state;
	char link[PATH_MAX];

	write_flash(r, "OVMF_CODE_4M.secboot.fd", 0x37C000, 0, 0);
	refused(r, ENOTSUP, "System Management Mode");
	assert_int_equal(symlink(r->config.firmware_path, scratch_path(r->scratch, "my.fd", link)),
			 0);
	text_copy(r->config.firmware_path, sizeof(r->config.firmware_path), link);
	refused(r, ENOTSUP, "Use an image without Secure Boot, or CLOUDHV.fd");
}

static void a_variable_file_serves_one_vm_at_a_time(void **state)
{
	struct run *r = *state;
	struct launch *first;

	set_vars(r, "vars.fd");
	write_vars(r->config.vars_path, 0x99);
	start(r, "echo");
	first = r->launch;
	r->launch = NULL;
	refused(r, EBUSY, "another running virtual machine");
	launch_destroy(first);
	run(r, "");
}

/*
 * Two that were started while there was no file: the first to save has it, and keeps it although it
 * is a new file with each save.
 */
static void saving_makes_the_variable_file_ours(void **state)
{
	struct run *r = *state;
	struct launch *first;

	set_vars(r, "vars.fd");
	start(r, "vars-changed");
	first = r->launch;
	start(r, "vars-echo");
	while (access(r->config.vars_path, F_OK) < 0)
		run_for(r, 20);
	launch_stop(r->launch);
	wait_end(r);
	assert_non_null(strstr(r->warning, "another running virtual machine"));
	assert_int_equal(read_spare(r->config.vars_path), 0x44);
	refused(r, EBUSY, "another running virtual machine");
	launch_destroy(first);
}

static void a_place_that_cannot_keep_variables_is_told(void **state)
{
	struct run *r = *state;

	set_vars(r, "no/such/directory/vars.fd");
	refused(r, ENOENT, "Make it, or name another file");
	set_vars(r, "");
	refused(r, EINVAL, "not a regular file");
	set_vars(r, "fw.fd/vars.fd");
	refused(r, ENOTDIR, "vars.fd");
	if (geteuid() != 0)
		return;
	set_vars(r, "ro/vars.fd");
	assert_true(
		sh("mkdir %s/ro && mount -t tmpfs none %s/ro", r->scratch->dir, r->scratch->dir));
	write_vars(r->config.vars_path, 0x99);
	assert_true(sh("mount -o remount,ro %s/ro", r->scratch->dir));
	run(r, "vars-live");
	assert_non_null(strstr(r->warning, "The UEFI variables were not saved"));
	assert_int_equal(read_spare(r->config.vars_path), 0x99);
	assert_true(sh("umount %s/ro", r->scratch->dir));
}

int main(int argc, char **argv)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(variables_are_written_at_every_end),
		TEST(variables_are_written_while_the_vm_runs),
		TEST(a_storm_of_changes_is_written_now_and_then),
		TEST(flash_gets_variables_of_its_own_layout),
		TEST(an_image_with_variables_begins_with_them),
		TEST(variables_of_the_other_layout_are_refused_and_kept),
		TEST(firmware_that_needs_smm_is_refused),
		TEST(destroying_a_running_launch_saves_too),
		TEST(an_unchanged_file_is_not_written),
		TEST(a_replaced_file_keeps_its_mode_and_its_link),
		TEST(damaged_variables_are_refused_and_kept),
		TEST(fresh_variables_put_a_good_file_aside),
		TEST(a_variable_file_serves_one_vm_at_a_time),
		TEST(saving_makes_the_variable_file_ours),
		TEST(a_place_that_cannot_keep_variables_is_told),
	};
	int status;

	if (launch_session_role(argc, argv, &status))
		return status;
	log_init(-1, LOG_LEVEL_ERROR, "test");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
