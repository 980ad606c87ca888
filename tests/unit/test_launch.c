/*
 * The launcher: what it gives to a vmm process, what it makes of the ways one can end, and that the
 * variable file is right after each of them.
 */
#include "storage_test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "cmd/cmd.h"
#include "fake_vmm.h"
#include "kernel_image.h"
#include "launch.h"
#include "log.h"
#include "sign_test.h"
#include "text.h"

#define DEADLINE_MS 20000

int __wrap_host_check_kvm(struct vmb_err *err);
static int kvm_errno; /* what opening /dev/kvm answers */

int __wrap_host_check_kvm(struct vmb_err *err)
{
	if (kvm_errno)
		return vmb_err_set(err, kvm_errno, "No KVM here.");
	return open("/dev/null", O_RDWR | O_CLOEXEC);
}

struct run {
	struct scratch *scratch;
	struct loop *loop;
	struct launch *launch;
	struct vm_config config;
	struct launch_trust trust;
	struct vmm_exited exited;
	char warning[480];
	bool ended;
	int started, resets, input_ready;
	char *console;
	size_t console_len;
	const char *stop_at; /* launch_stop() when the console shows this */
	void (*on_started)(struct run *r);
};

static void started(void *ctx)
{
	struct run *r = ctx;

	r->started++;
	if (r->on_started)
		r->on_started(r);
}

static void was_reset(void *ctx)
{
	struct run *r = ctx;

	r->resets++;
}

static void console(void *ctx, const uint8_t *buf, size_t n)
{
	struct run *r = ctx;

	r->console = realloc(r->console, r->console_len + n + 1);
	memcpy(r->console + r->console_len, buf, n);
	r->console_len += n;
	r->console[r->console_len] = '\0';
	if (r->stop_at && strstr(r->console, r->stop_at)) {
		r->stop_at = NULL;
		launch_stop(r->launch);
	}
}

static void input_ready(void *ctx)
{
	struct run *r = ctx;

	r->input_ready++;
}

static void ended(void *ctx, const struct vmm_exited *exited, const char *warning)
{
	struct run *r = ctx;

	r->ended = true;
	r->exited = *exited;
	text_copy(r->warning, sizeof(r->warning), warning ? warning : "");
	launch_destroy(r->launch);
	r->launch = NULL;
	loop_quit(r->loop, 0);
}

static const struct launch_events events = {
	.started = started,
	.was_reset = was_reset,
	.console = console,
	.input_ready = input_ready,
	.ended = ended,
};

static void too_slow(void *arg)
{
	struct run *r = arg;

	loop_quit(r->loop, 1);
}

static int setup(void **state)
{
	struct run *r = calloc(1, sizeof(*r));
	char path[PATH_MAX];
	void *scratch;

	if (scratch_setup(&scratch) < 0 || loop_create(&r->loop) < 0)
		return -1;
	kvm_errno = 0;
	r->scratch = scratch;
	vm_config_init(&r->config);
	r->config.memory = 64 << 20;
	fake_firmware(scratch_path(r->scratch, "fw.fd", path));
	text_copy(r->config.firmware_path, sizeof(r->config.firmware_path), path);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct run *r = *state;
	void *scratch = r->scratch;

	launch_destroy(r->launch);
	loop_destroy(r->loop);
	free(r->console);
	free(r);
	return scratch_teardown(&scratch);
}

static int try_start(struct run *r, const char *how, struct vmb_err *err)
{
	setenv("FAKE_VMM", how, 1);
	memset(err, 0, sizeof(*err));
	return launch_start(r->loop, &r->config, r->trust.policy ? &r->trust : NULL, &events, r,
			    &r->launch, err);
}

static void start(struct run *r, const char *how)
{
	struct vmb_err err;

	if (try_start(r, how, &err) < 0)
		fail_msg("not started: %s", err.text);
}

static void wait_end(struct run *r)
{
	struct loop_timer *timer;

	assert_int_equal(loop_add_timer(r->loop, DEADLINE_MS, too_slow, r, &timer), 0);
	if (loop_run(r->loop) != 0)
		fail_msg("the VM did not end");
	loop_remove_timer(timer);
	assert_true(r->ended);
}

static void run_for(struct run *r, uint64_t msec)
{
	struct loop_timer *timer;

	assert_int_equal(loop_add_timer(r->loop, msec, too_slow, r, &timer), 0);
	loop_run(r->loop);
}

/* Starts a VM that is to end by itself. */
static void run(struct run *r, const char *how)
{
	r->ended = false;
	start(r, how);
	wait_end(r);
}

static void refused(struct run *r, int code, const char *words)
{
	struct vmb_err err;
	int rc = try_start(r, "", &err);

	assert_int_equal(rc, -code);
	assert_null(r->launch);
	if (!strstr(err.text, words))
		fail_msg("the sentence misses \"%s\": %s", words, err.text);
}

static void set_vars(struct run *r, const char *name)
{
	char path[PATH_MAX];

	text_copy(r->config.vars_path, sizeof(r->config.vars_path),
		  scratch_path(r->scratch, name, path));
}

static void write_store(const char *path, uint8_t spare)
{
	uint8_t *store = malloc(VARSTORE_SIZE);

	varstore_format(store);
	store[FAKE_SPARE] = spare;
	write_file(path, store, VARSTORE_SIZE, 0);
	free(store);
}

/* The spare byte in a file that must be a valid store. */
static uint8_t read_spare(const char *path)
{
	uint8_t *store = malloc(VARSTORE_SIZE + 1), spare;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		fail_msg("%s is missing", path);
	assert_int_equal(read(fd, store, VARSTORE_SIZE + 1), VARSTORE_SIZE);
	close(fd);
	assert_int_equal(varstore_check(store, VARSTORE_SIZE, NULL), 0);
	spare = store[FAKE_SPARE];
	free(store);
	return spare;
}

static void assert_no_litter(struct run *r)
{
	assert_false(sh("ls -A %s | grep -q '\\.new$'", r->scratch->dir));
}

static unsigned int count_fds(void)
{
	unsigned int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* ---- what a vmm is given ---- */

/* CONFIG with a kernel instead of the firmware. */
static void boot_kernel(struct run *r)
{
	static uint8_t kernel[KI_SIZE];
	char path[PATH_MAX];

	ki_make(kernel);
	write_file(scratch_path(r->scratch, "vmlinuz", path), kernel, sizeof(kernel), 0);
	text_copy(r->config.kernel_path, sizeof(r->config.kernel_path), path);
	r->config.firmware_path[0] = '\0';
}

static void a_vmm_gets_what_it_needs_and_nothing_else(void **state)
{
	struct run *r = *state;
	unsigned int before = count_fds();
	char path[PATH_MAX];
	int leak = open("/dev/null", O_RDONLY); /* not close-on-exec: must not reach the vmm */

	write_file(scratch_path(r->scratch, "disk", path), "", 0, 1 << 20);
	text_copy(r->config.disks[0].path, sizeof(r->config.disks[0].path), path);
	r->config.disk_count = 1;
	r->config.cpus = 1;
	run(r, "report");
	close(leak);
	assert_int_equal(r->started, 1);
	assert_int_equal(r->exited.reason, VMM_EXIT_POWER_OFF);
	assert_int_equal(r->exited.resets, 2);
	assert_string_equal(r->exited.text, "The guest switched itself off.");
	assert_non_null(strstr(r->console, "fds=5 cpus=1 memory=67108864 disks=1"));
	assert_non_null(strstr(r->console, "elf=1"));
	/* shrink, grow, write and further seals are all refused */
	assert_non_null(strstr(r->console, "seals=15"));
	assert_non_null(strstr(r->console, "sid=1 inherited=0 stdin=1"));
	assert_string_equal(r->warning, "");
	assert_int_equal(count_fds(), before);
}

static void a_kernel_takes_the_place_of_firmware(void **state)
{
	struct run *r = *state;
	unsigned int before = count_fds();
	char path[PATH_MAX];

	boot_kernel(r);
	write_file(scratch_path(r->scratch, "initrd", path), "0123456789", 10, 0);
	text_copy(r->config.initrd_path, sizeof(r->config.initrd_path), path);
	text_copy(r->config.cmdline, sizeof(r->config.cmdline), "console=ttyS0 root=/dev/vda");
	run(r, "report");
	assert_int_equal(r->exited.reason, VMM_EXIT_POWER_OFF);
	assert_non_null(strstr(
		r->console, "boot=linux initrd=10 seals=15 cmdline=[console=ttyS0 root=/dev/vda]"));
	assert_non_null(strstr(r->console, "fds=4 cpus=1"));
	assert_non_null(strstr(r->console, "firmware=17408 elf=0 seals=15"));
	assert_string_equal(r->warning, "");
	assert_int_equal(count_fds(), before);
	/* Without an initrd the vmm gets an empty one, sealed all the same. */
	r->config.initrd_path[0] = r->config.cmdline[0] = '\0';
	run(r, "report");
	assert_non_null(strstr(r->console, "boot=linux initrd=0 seals=15 cmdline=[]"));
}

static void the_log_gets_the_console_raw(void **state)
{
	struct run *r = *state;
	char path[PATH_MAX];
	struct stat st;

	text_copy(r->config.log_path, sizeof(r->config.log_path),
		  scratch_path(r->scratch, "log", path));
	write_file(path, "before\n", 7, 0);
	run(r, "flood");
	assert_int_equal(r->console_len, 64 * 65536 + 3);
	assert_int_equal(memcmp(r->console + r->console_len - 3, "END", 3), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 7 + 64 * 65536 + 3);
}

static void a_log_that_fails_is_told_and_costs_nothing_else(void **state)
{
	struct run *r = *state;

	text_copy(r->config.log_path, sizeof(r->config.log_path), "/dev/full");
	run(r, "flood");
	assert_int_equal(r->console_len, 64 * 65536 + 3);
	assert_non_null(strstr(r->warning, "/dev/full ended early"));
}

static void send_and_ask(struct run *r)
{
	assert_int_equal(launch_input(r->launch, (const uint8_t *)"type me\033", 8), 8);
	launch_reset(r->launch);
	r->stop_at = "type me\033";
}

static void input_reset_and_stop_reach_the_vmm(void **state)
{
	struct run *r = *state;

	r->on_started = send_and_ask;
	run(r, "echo");
	assert_int_equal(r->resets, 1);
	assert_int_equal(r->exited.reason, VMM_EXIT_STOPPED);
	assert_string_equal(r->exited.text, "Stopped.");
}

static void press_power(struct run *r)
{
	launch_power_button(r->launch);
}

static void the_power_button_reaches_the_vmm(void **state)
{
	struct run *r = *state;

	r->on_started = press_power;
	run(r, "echo");
	assert_int_equal(r->exited.reason, VMM_EXIT_POWER_OFF);
}

static void fill_input(struct run *r)
{
	static uint8_t much[1 << 20];
	size_t taken = launch_input(r->launch, much, sizeof(much));

	assert_true(taken > 0 && taken < sizeof(much));
	launch_stop(r->launch);
}

static void a_vmm_that_does_not_read_blocks_nobody(void **state)
{
	struct run *r = *state;

	r->on_started = fill_input;
	run(r, "hang");
	/* It did not answer VMM_STOP either: killed after two seconds, and that is no crash. */
	assert_int_equal(r->exited.reason, VMM_EXIT_STOPPED);
	assert_non_null(strstr(r->exited.text, "killed by signal 9"));
}

/* ---- ends ---- */

static void a_death_without_a_word_is_told(void **state)
{
	struct run *r = *state;

	run(r, "die");
	assert_int_equal(r->exited.reason, 0);
	assert_non_null(strstr(r->exited.text, "was killed by signal 9 (Killed)"));
	run(r, "forbidden");
	assert_int_equal(r->exited.reason, 0);
	assert_non_null(strstr(r->exited.text, "was killed by its sandbox"));
	run(r, "status");
	assert_int_equal(r->exited.reason, 0);
	assert_non_null(strstr(r->exited.text, "ended with status 3"));
}

static void a_vmm_that_does_not_go_is_killed(void **state)
{
	struct run *r = *state;

	run(r, "linger");
	assert_int_equal(r->exited.reason, VMM_EXIT_POWER_OFF);
}

static void what_a_vmm_says_is_not_trusted(void **state)
{
	struct run *r = *state;

	run(r, "nonsense");
	assert_int_equal(r->exited.reason, VMM_EXIT_ERROR);
	assert_non_null(strstr(r->exited.text, "makes no sense"));
	run(r, "status-lies");
	assert_int_equal(r->exited.reason, VMM_EXIT_ERROR);
	assert_non_null(strstr(r->exited.text, "makes no sense"));
	run(r, "event-lies");
	assert_int_equal(r->exited.reason, VMM_EXIT_ERROR);
	assert_non_null(strstr(r->exited.text, "makes no sense"));
	run(r, "escape");
	assert_int_equal(r->exited.reason, VMM_EXIT_ERROR);
	assert_string_equal(r->exited.text, "evil \\x1b[2J text");
}

/* ---- variables ---- */

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
		write_store(r->config.vars_path, 0x99);
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
	write_store(r->config.vars_path, 0x99);
	r->stop_at = "changed";
	start(r, "vars-changed");
	wait_end(r);
	/* At the end the live half (0x99) is the newest; the file has had 0x44 between. */
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
	write_store(r->config.vars_path, 0x99);
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

	write_store(scratch_path(r->scratch, "real.fd", real), 0x99);
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
	write_store(r->config.vars_path, 0x99);
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
	refused(r, EBADMSG, "something else");
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
		write_store(r->config.vars_path, i);
		run(r, "");
	}
	/* Nothing is lost, however often. */
	assert_int_equal(read_spare(scratch_path(r->scratch, "vars.fd.old", old)), 1);
	assert_int_equal(read_spare(scratch_path(r->scratch, "vars.fd.old.1", old)), 2);
	assert_int_equal(access(r->config.vars_path, F_OK), -1);
}

static void a_variable_file_serves_one_vm_at_a_time(void **state)
{
	struct run *r = *state;
	struct launch *first;

	set_vars(r, "vars.fd");
	write_store(r->config.vars_path, 0x99);
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
	write_store(r->config.vars_path, 0x99);
	assert_true(sh("mount -o remount,ro %s/ro", r->scratch->dir));
	run(r, "vars-live");
	assert_non_null(strstr(r->warning, "The UEFI variables were not saved"));
	assert_int_equal(read_spare(r->config.vars_path), 0x99);
	assert_true(sh("umount %s/ro", r->scratch->dir));
}

/* ---- refusals before anything is started ---- */

static void firmware_that_cannot_be_started_is_refused(void **state)
{
	struct run *r = *state;
	char path[PATH_MAX];

	scratch_path(r->scratch, "fw2", path);
	text_copy(r->config.firmware_path, sizeof(r->config.firmware_path), path);
	refused(r, ENOENT, "does not exist");
	write_file(path, "", 0, 0);
	refused(r, EINVAL, "is empty");
	write_file(path, "a text file\n", 12, 0);
	refused(r, EINVAL, "cannot be started");
	write_file(path, "\177ELF", 4, 0);
	refused(r, EINVAL, "cannot be started");
	write_file(path, "", 0, 65 << 20);
	refused(r, EFBIG, "bigger than 64M");
	text_copy(r->config.firmware_path, sizeof(r->config.firmware_path), r->scratch->dir);
	refused(r, EISDIR, "is a directory");
	text_copy(r->config.firmware_path, sizeof(r->config.firmware_path), "/dev/zero");
	refused(r, EINVAL, "not a regular file");
}

static void kernels_that_cannot_be_started_are_refused(void **state)
{
	struct run *r = *state;
	unsigned int before = count_fds();
	char path[PATH_MAX];

	boot_kernel(r);
	scratch_path(r->scratch, "initrd", path);
	text_copy(r->config.initrd_path, sizeof(r->config.initrd_path), path);
	refused(r, ENOENT, "initrd does not exist");
	write_file(path, "", 0, (64 << 20) + 1);
	refused(r, EFBIG, "bigger than the virtual machine's memory (64M)");
	text_copy(r->config.initrd_path, sizeof(r->config.initrd_path), r->scratch->dir);
	refused(r, EISDIR, "is a directory, not an initrd");
	r->config.initrd_path[0] = '\0';

	scratch_path(r->scratch, "vmlinuz2", path);
	text_copy(r->config.kernel_path, sizeof(r->config.kernel_path), path);
	refused(r, ENOENT, "vmlinuz2 does not exist. Check the name.");
	write_file(path, "", 0, 0);
	refused(r, EINVAL, "is empty");
	write_file(path, "a text file\n", 12, 0);
	refused(r, EINVAL, "not a Linux kernel");
	write_file(path, "\177ELF", 4, 0);
	refused(r, EINVAL, "cut off inside its ELF header");
	write_file(path, "", 0, 1025u << 20);
	refused(r, EFBIG, "bigger than 1G, so it is not a kernel");
	text_copy(r->config.kernel_path, sizeof(r->config.kernel_path), "/dev/zero");
	refused(r, EINVAL, "not a regular file");
	assert_int_equal(count_fds(), before);
}

static void everything_else_is_refused_with_its_sentence(void **state)
{
	struct run *r = *state;
	unsigned int before = count_fds();

	text_copy(r->config.disks[0].path, sizeof(r->config.disks[0].path), "/nonexistent");
	r->config.disk_count = 1;
	refused(r, ENOENT, "Disk /nonexistent does not exist");
	r->config.disk_count = 0;
	text_copy(r->config.log_path, sizeof(r->config.log_path), "/nonexistent/log");
	refused(r, ENOENT, "The log /nonexistent/log cannot be written");
	r->config.log_path[0] = '\0';
	r->config.memory = 1;
	refused(r, ERANGE, "Memory");
	r->config.memory = 64 << 20;
	kvm_errno = ENOENT;
	refused(r, ENOENT, "No KVM here");
	assert_int_equal(count_fds(), before);
}

static void attaching_one_disk_twice_is_refused(void **state)
{
	struct run *r = *state;
	char path[PATH_MAX];

	write_file(scratch_path(r->scratch, "disk", path), "", 0, 1 << 20);
	for (int i = 0; i < 2; i++)
		text_copy(r->config.disks[i].path, sizeof(r->config.disks[i].path), path);
	r->config.disk_count = 2;
	refused(r, EBUSY, "this one or another");
}

/* ---- firmware on a disk ---- */

static const char *disk_with_firmware(struct run *r)
{
	char image[PATH_MAX], point[PATH_MAX];
	const char *loop;

	write_file(scratch_path(r->scratch, "image", image), "", 0, 16 << 20);
	if (!sh("mkfs.ext4 -q %s", image))
		return NULL;
	loop = attach_loop(r->scratch, image, "");
	if (!loop || mkdir(scratch_path(r->scratch, "mnt", point), 0700) < 0 ||
	    mount(loop, point, "ext4", 0, NULL) < 0)
		return NULL;
	/* An absolute link: inside its own file system it leads to the right place. */
	sh("mkdir %s/boot && cp %s %s/boot/FW && ln -s /boot/FW %s/link && ln -s /etc/passwd "
	   "%s/out",
	   point, r->config.firmware_path, point, point, point);
	/* And its signature, if it was signed. */
	sh("cp %s.minisig %s/boot/FW.minisig 2>/dev/null", r->config.firmware_path, point);
	umount(point);
	text_copy(r->config.firmware_device, sizeof(r->config.firmware_device), loop);
	return loop;
}

static void firmware_is_read_from_a_disk(void **state)
{
	struct run *r = *state;
	const char *loop;
	uint64_t hash;

	NEED_TOOL("mkfs.ext4");
	loop = disk_with_firmware(r);
	NEED_LOOP(loop);
	hash = hash_file(loop);
	text_copy(r->config.firmware_path, sizeof(r->config.firmware_path), "/boot/FW");
	/* The disk the firmware lies on may be attached read-write: it is let go before. */
	text_copy(r->config.disks[0].path, sizeof(r->config.disks[0].path), loop);
	r->config.disk_count = 1;
	run(r, "report");
	assert_int_equal(r->exited.reason, VMM_EXIT_POWER_OFF);
	assert_non_null(strstr(r->console, "elf=1"));
	text_copy(r->config.firmware_path, sizeof(r->config.firmware_path), "/link");
	run(r, "report");
	assert_int_equal(r->exited.reason, VMM_EXIT_POWER_OFF);
	assert_int_equal(hash_file(loop), hash);
}

static void missing_firmware_on_a_disk_is_told_at_the_end(void **state)
{
	struct run *r = *state;
	const char *loop;

	NEED_TOOL("mkfs.ext4");
	loop = disk_with_firmware(r);
	NEED_LOOP(loop);
	text_copy(r->config.firmware_path, sizeof(r->config.firmware_path), "/nothing");
	run(r, "");
	assert_int_equal(r->exited.reason, VMM_EXIT_ERROR);
	assert_non_null(strstr(r->exited.text, "does not exist"));
	assert_non_null(strstr(r->exited.text, loop));
	/* A link that leads out of the disk leads nowhere. */
	text_copy(r->config.firmware_path, sizeof(r->config.firmware_path), "/out");
	run(r, "");
	assert_int_equal(r->exited.reason, VMM_EXIT_ERROR);
	assert_non_null(strstr(r->exited.text, "does not exist"));
	text_copy(r->config.firmware_device, sizeof(r->config.firmware_device), "/dev/nonexistent");
	run(r, "");
	assert_int_equal(r->exited.reason, VMM_EXIT_ERROR);
	assert_non_null(strstr(r->exited.text, "/dev/nonexistent"));
	assert_int_equal(r->started, 0);
}

static void stopping_while_firmware_is_read_ends_it(void **state)
{
	struct run *r = *state;

	text_copy(r->config.firmware_device, sizeof(r->config.firmware_device), "/dev/hang");
	start(r, "");
	launch_stop(r->launch);
	wait_end(r);
	assert_int_equal(r->exited.reason, VMM_EXIT_STOPPED);
	assert_int_equal(r->started, 0);
}

/* The test's binary is also the processes that the launcher starts. */
/* ---- trust ---- */

/* A signature of the firmware beside it; the key that made it is trusted. */
static void sign_firmware(struct run *r)
{
	char text[1024], path[VM_PATH_SIZE + 16], image[4096];
	FILE *f = fopen(r->config.firmware_path, "re");
	size_t n = fread(image, 1, sizeof(image), f);
	struct signer signer;

	fclose(f);
	make_signer(&signer, 1);
	n = sign(&signer, MINISIGN, image, n, "x", text);
	snprintf(path, sizeof(path), "%s.minisig", r->config.firmware_path);
	write_file(path, text, n, 0);
	r->trust.count = 1;
	r->trust.keys[0] = signer.key;
}

static void what_is_signed_starts_and_nothing_else(void **state)
{
	struct run *r = *state;
	struct vmb_err err;

	r->trust.policy = LAUNCH_TRUST_REQUIRE;
	assert_int_equal(try_start(r, "", &err), -EKEYREJECTED);
	assert_non_null(strstr(err.text,
			       "has no signature, and only what is signed by a trusted key "
			       "is started."));
	sign_firmware(r);
	run(r, "");
	assert_int_equal(r->exited.reason, VMM_EXIT_POWER_OFF);
	assert_string_equal(r->warning, "");
}

static void a_signature_is_read_from_the_disk_of_the_firmware(void **state)
{
	struct run *r = *state;

	NEED_TOOL("mkfs.ext4");
	sign_firmware(r);
	NEED_LOOP(disk_with_firmware(r));
	r->trust.policy = LAUNCH_TRUST_REQUIRE;
	text_copy(r->config.firmware_path, sizeof(r->config.firmware_path), "/boot/FW");
	run(r, "");
	assert_int_equal(r->exited.reason, VMM_EXIT_POWER_OFF);
	/* The same image by another name has none. */
	text_copy(r->config.firmware_path, sizeof(r->config.firmware_path), "/link");
	run(r, "");
	assert_int_equal(r->exited.reason, VMM_EXIT_ERROR);
	assert_non_null(strstr(r->exited.text, "Firmware /link has no signature"));
}

static void a_changed_image_is_refused_or_warned_of(void **state)
{
	struct run *r = *state;
	struct vmb_err err;
	int fd;

	sign_firmware(r);
	fd = open(r->config.firmware_path, O_WRONLY | O_APPEND | O_CLOEXEC);
	assert_int_equal(write(fd, "x", 1), 1);
	close(fd);
	r->trust.policy = LAUNCH_TRUST_REQUIRE;
	assert_int_equal(try_start(r, "", &err), -EKEYREJECTED);
	assert_non_null(strstr(err.text, "is not what was signed: it was changed"));
	r->trust.policy = LAUNCH_TRUST_WARN;
	run(r, "");
	assert_non_null(strstr(r->warning, "is not what was signed: it was changed."));
}

int main(int argc, char **argv)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_vmm_gets_what_it_needs_and_nothing_else),
		TEST(a_kernel_takes_the_place_of_firmware),
		TEST(the_log_gets_the_console_raw),
		TEST(a_log_that_fails_is_told_and_costs_nothing_else),
		TEST(input_reset_and_stop_reach_the_vmm),
		TEST(the_power_button_reaches_the_vmm),
		TEST(a_vmm_that_does_not_read_blocks_nobody),
		TEST(a_death_without_a_word_is_told),
		TEST(a_vmm_that_does_not_go_is_killed),
		TEST(what_a_vmm_says_is_not_trusted),
		TEST(variables_are_written_at_every_end),
		TEST(variables_are_written_while_the_vm_runs),
		TEST(destroying_a_running_launch_saves_too),
		TEST(an_unchanged_file_is_not_written),
		TEST(a_replaced_file_keeps_its_mode_and_its_link),
		TEST(damaged_variables_are_refused_and_kept),
		TEST(fresh_variables_put_a_good_file_aside),
		TEST(a_variable_file_serves_one_vm_at_a_time),
		TEST(saving_makes_the_variable_file_ours),
		TEST(a_place_that_cannot_keep_variables_is_told),
		TEST(firmware_that_cannot_be_started_is_refused),
		TEST(kernels_that_cannot_be_started_are_refused),
		TEST(everything_else_is_refused_with_its_sentence),
		TEST(attaching_one_disk_twice_is_refused),
		TEST(firmware_is_read_from_a_disk),
		TEST(missing_firmware_on_a_disk_is_told_at_the_end),
		TEST(stopping_while_firmware_is_read_ends_it),
		TEST(what_is_signed_starts_and_nothing_else),
		TEST(a_signature_is_read_from_the_disk_of_the_firmware),
		TEST(a_changed_image_is_refused_or_warned_of),
	};

	if (argc > 1 && strcmp(argv[1], "vmm") == 0)
		return fake_vmm_main();
	if (argc > 3 && strcmp(argv[1], "probe") == 0 && strcmp(argv[3], "/dev/hang") == 0)
		for (;;)
			pause();
	if (argc > 1 && strcmp(argv[1], "probe") == 0)
		return cmd_probe(argc - 1, argv + 1);
	log_init(-1, LOG_LEVEL_ERROR, "test");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
