/*
 * The launcher: what it gives to a vmm process, what it makes of the ways one can end, what it refuses. The variable file is
 * test_launch_vars.c's.
 */
#include "launch_session.h"

#include <sys/mount.h>

#include "daemon/child.h"
#include "kernel_image.h"
#include "sign_test.h"

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

/* As `--debug` asks of the launcher. */
static void a_vmm_logs_as_much_as_its_launcher(void **state)
{
	struct run *r = *state;
	char level[16];

	snprintf(level, sizeof(level), "log=%d\n", LOG_LEVEL_ERROR);
	run(r, "report");
	assert_non_null(strstr(r->console, level));
	log_init(-1, LOG_LEVEL_DEBUG, "test");
	snprintf(level, sizeof(level), "log=%d\n", LOG_LEVEL_DEBUG);
	run(r, "report");
	log_init(-1, LOG_LEVEL_ERROR, "test");
	assert_non_null(strstr(r->console, level));
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

/* As a process that waits for a dead disk in the kernel. */
static bool is_deaf;

void __real_child_kill(const struct child *child);
void __wrap_child_kill(const struct child *child);
void __wrap_child_kill(const struct child *child)
{
	if (!is_deaf)
		__real_child_kill(child);
}

/* Cancelled, or given up: the start ends, and says what hangs. */
static void a_reader_that_hears_no_signal_is_left(void **state)
{
	struct run *r = *state;

	text_copy(r->config.firmware_device, sizeof(r->config.firmware_device), "/dev/hang");
	is_deaf = true;
	start(r, "");
	launch_stop(r->launch);
	wait_end(r);
	assert_int_equal(r->exited.reason, VMM_EXIT_STOPPED);
	assert_non_null(strstr(r->exited.text, "Stopped while the firmware was being read. The "
					       "process that reads it hangs in the kernel until "
					       "/dev/hang answers."));
	run(r, "");
	assert_int_equal(r->exited.reason, VMM_EXIT_ERROR);
	assert_non_null(strstr(r->exited.text, "no answer from /dev/hang for 10 s."));
	assert_non_null(strstr(r->exited.text, "hangs in the kernel"));
	is_deaf = false;
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
		TEST(a_vmm_logs_as_much_as_its_launcher),
		TEST(a_kernel_takes_the_place_of_firmware),
		TEST(the_log_gets_the_console_raw),
		TEST(a_log_that_fails_is_told_and_costs_nothing_else),
		TEST(input_reset_and_stop_reach_the_vmm),
		TEST(the_power_button_reaches_the_vmm),
		TEST(a_vmm_that_does_not_read_blocks_nobody),
		TEST(a_death_without_a_word_is_told),
		TEST(a_vmm_that_does_not_go_is_killed),
		TEST(what_a_vmm_says_is_not_trusted),
		TEST(firmware_that_cannot_be_started_is_refused),
		TEST(kernels_that_cannot_be_started_are_refused),
		TEST(everything_else_is_refused_with_its_sentence),
		TEST(attaching_one_disk_twice_is_refused),
		TEST(firmware_is_read_from_a_disk),
		TEST(missing_firmware_on_a_disk_is_told_at_the_end),
		TEST(stopping_while_firmware_is_read_ends_it),
		TEST(a_reader_that_hears_no_signal_is_left),
		TEST(what_is_signed_starts_and_nothing_else),
		TEST(a_signature_is_read_from_the_disk_of_the_firmware),
		TEST(a_changed_image_is_refused_or_warned_of),
	};
	int status;

	if (argc > 3 && strcmp(argv[1], "probe") == 0 && strcmp(argv[3], "/dev/hang") == 0)
		for (;;)
			pause();
	if (launch_session_role(argc, argv, &status))
		return status;
	log_init(-1, LOG_LEVEL_ERROR, "test");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
