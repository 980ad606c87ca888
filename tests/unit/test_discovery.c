/*
 * Discovery over made-up sysfs trees, with probes that this test's own binary plays: what a device's
 * path says is how its probe behaves. A bad device must show itself and touch no other.
 */
#include "storage_test.h"

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "discovery.h"
#include "log.h"
#include "probe_proto.h"
#include "proto.h"
#include "storage.h"
#include "text.h"

/* For a probe that answers, on a machine that is busy; and for one that never does. */
#define DEADLINE_MS 20000
#define HANG_MS	    1500

/* ---- the probe's side ---- */

static void send_firmware(const char *path)
{
	struct storage_firmware fw = {.size = 4096, .usable = 1, .kind = "PVH ELF"};

	text_copy(fw.path, sizeof(fw.path), path);
	proto_send(PROBE_CONTROL_FD, PROBE_FIRMWARE, &fw, sizeof(fw), NULL, 0);
}

static void send_identity(const char *fstype, const char *label)
{
	struct storage_identity id = {.fstype = ""};

	text_copy(id.fstype, sizeof(id.fstype), fstype);
	text_copy(id.label, sizeof(id.label), label);
	proto_send(PROBE_CONTROL_FD, PROBE_IDENTITY, &id, sizeof(id), NULL, 0);
}

static void send_done(int code, const char *text)
{
	struct probe_done done = {.code = code};

	text_copy(done.text, sizeof(done.text), text);
	proto_send(PROBE_CONTROL_FD, PROBE_DONE, &done, sizeof(done), NULL, 0);
}

/* Leaves a file while it works; the most that there ever were tells how many ran at once. */
static void count_self(void)
{
	const char *dir = getenv("PROBE_DIR");

	sh("touch %s/run.$$; ls %s | grep -c '^run' >> %s/counts; sleep 0.1; rm -f %s/run.$$", dir,
	   dir, dir, dir);
}

/* What is on a disk that changes stands in a file. */
static void send_content(void)
{
	char path[PATH_MAX], label[64] = "";
	FILE *f;

	snprintf(path, sizeof(path), "%s/content", getenv("PROBE_DIR"));
	f = fopen(path, "re");
	if (!f || !fgets(label, sizeof(label), f))
		label[0] = '\0';
	if (f)
		fclose(f);
	send_identity("ext4", label);
	send_done(0, "");
}

static void send_system(const char *text)
{
	struct storage_system system = {.text = ""};

	text_copy(system.text, sizeof(system.text), text);
	proto_send(PROBE_CONTROL_FD, PROBE_SYSTEM, &system, sizeof(system), NULL, 0);
}

static void send_image(const char *path, const char *use, const char *reason)
{
	struct storage_image image = {.size = 4096, .identity = {.fstype = "iso9660"}};

	text_copy(image.path, sizeof(image.path), path);
	text_copy(image.use, sizeof(image.use), use);
	text_copy(image.reason, sizeof(image.reason), reason);
	text_copy(image.holds, sizeof(image.holds), "ISO 9660, boots by UEFI");
	proto_send(PROBE_CONTROL_FD, PROBE_IMAGE, &image, sizeof(image), NULL, 0);
}

static int fake_images(const char *dir)
{
	if (strcmp(dir, "/others") == 0) {
		send_image("/others/other.iso", "", "");
		send_done(0, "");
		return 0;
	}
	send_image("/images/debian.iso", "", "");
	send_image("/images/used.img", "attached to /dev/loop7", "");
	send_image("/images/vm.qcow2", "", "a qcow2 image, not a raw disk");
	send_image("/images/\033[2J.iso", "", "");
	send_done(0, "");
	return 0;
}

static int fake_probe(int argc, char **argv)
{
	const char *how = argc > 3 ? strrchr(argv[3], '/') + 1 : "system";

	if (argc > 3 && strcmp(argv[2], "--images") == 0)
		return fake_images(argv[3]);
	if (strncmp(how, "hang", 4) == 0) {
		send_identity("xfs", "seen before it hung");
		for (;;)
			pause();
	} else if (strcmp(how, "crash") == 0) {
		send_identity("xfs", "seen before it died");
		signal(SIGSEGV, SIG_DFL);
		raise(SIGSEGV);
	} else if (strcmp(how, "fail") == 0) {
		send_done(EIO, "/dev/fail cannot be read: I/O error at its first block.");
	} else if (strcmp(how, "hostile") == 0) {
		send_identity("x\033[2Jfs", "\033]0;owned\007\xff\xc2\x9b"
					    "31m");
		send_firmware("/boot/\033[2J.fd");
		send_firmware("/boot/fine.fd");
		send_done(0, "note \033[31m");
	} else if (strcmp(how, "junk") == 0) {
		proto_send(PROBE_CONTROL_FD, 99, "junk", 4, NULL, 0);
		pause();
	} else if (strcmp(how, "short") == 0) {
		proto_send(PROBE_CONTROL_FD, PROBE_IDENTITY, "xfs", 4, NULL, 0);
		pause();
	} else if (strcmp(how, "endless") == 0) {
		struct storage_identity id;

		memset(&id, 'A', sizeof(id)); /* no text has an end */
		proto_send(PROBE_CONTROL_FD, PROBE_IDENTITY, &id, sizeof(id), NULL, 0);
		pause();
	} else if (strcmp(how, "many") == 0) {
		for (int i = 0; i < 100; i++) {
			char path[32];

			snprintf(path, sizeof(path), "/boot/%d.fd", i);
			send_firmware(path);
		}
		send_done(0, "");
	} else if (strncmp(how, "content", 7) == 0) {
		send_content();
	} else if (strncmp(how, "os", 2) == 0) {
		send_identity("ext4", "");
		send_system(how[2] == '1' ? "Debian GNU/Linux 12 (bookworm)" : "Windows\033[2J");
		send_system("GRUB of debian");
		send_done(0, "");
	} else if (strncmp(how, "count", 5) == 0) {
		count_self();
		send_done(0, "");
	} else if (strcmp(how, "system") == 0) {
		struct storage_firmware fw = {.on_system = 1, .path = "/boot/CLOUDHV.fd"};

		proto_send(PROBE_CONTROL_FD, PROBE_FIRMWARE, &fw, sizeof(fw), NULL, 0);
		send_done(0, "");
	} else if (strcmp(how, "mounted") == 0) {
		struct storage_firmware fw = {.on_system = 1, .path = "/boot/CLOUDHV.fd"};

		/* the same file that the search of the running system finds */
		proto_send(PROBE_CONTROL_FD, PROBE_FIRMWARE, &fw, sizeof(fw), NULL, 0);
		send_done(0, "");
	} else {
		send_identity("ext4", how);
		send_firmware("/CLOUDHV.fd");
		send_done(0, "");
	}
	return 0;
}

/* ---- the daemon's side ---- */

struct fixture {
	struct scratch *scratch;
	struct loop *loop;
	struct discovery *discovery;
	unsigned int number; /* of the next device */
	unsigned int changes;
	uint32_t deadline_ms;
	const char *root;    /* NULL: the scratch directory */
	const char *watched; /* name of a device */
	int uevents[2]; /* what is sent to the first, discovery reads from the second */
	const char *image_dirs[2];
	bool (*enough)(struct fixture *f);
};

static void put(struct fixture *f, const char *path, const char *text)
{
	char full[PATH_MAX];
	int n = snprintf(full, sizeof(full), "%s/%s", f->scratch->dir, path);

	assert_true(n > 0 && n < (int)sizeof(full));
	for (char *slash = strchr(full + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(full, 0700);
		*slash = '/';
	}
	write_file(full, text, strlen(text), 0);
}

static void put_disk(struct fixture *f, const char *name, const char *sectors)
{
	char path[256], text[64];

	snprintf(path, sizeof(path), "sys/class/block/%s/dev", name);
	snprintf(text, sizeof(text), "240:%u", f->number++);
	put(f, path, text);
	snprintf(path, sizeof(path), "sys/class/block/%s/size", name);
	put(f, path, sectors);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	void *scratch;

	if (scratch_setup(&scratch) < 0 || loop_create(&f->loop) < 0)
		return -1;
	f->scratch = scratch;
	f->deadline_ms = DEADLINE_MS;
	put(f, "proc/self/mountinfo", "");
	put(f, "proc/swaps", "");
	setenv("PROBE_DIR", f->scratch->dir, 1);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	void *scratch = f->scratch;

	discovery_destroy(f->discovery);
	for (int i = 0; i < 2; i++)
		if (f->uevents[i] > 0)
			close(f->uevents[i]);
	/* What took longer to die than it waits for is not the next test's child. */
	while (waitpid(-1, NULL, 0) > 0)
		;
	loop_destroy(f->loop);
	free(f);
	return scratch_teardown(&scratch);
}

static bool is_finished(struct fixture *f)
{
	return !discovery_scanning(f->discovery);
}

static void on_changed(void *ctx)
{
	struct fixture *f = ctx;

	f->changes++;
	if (f->enough && f->discovery && f->enough(f))
		loop_quit(f->loop, 0);
}

static void on_too_long(void *arg)
{
	struct fixture *f = arg;

	loop_quit(f->loop, 1);
}

static void wait_until(struct fixture *f, bool (*enough)(struct fixture *f))
{
	struct loop_timer *timer;

	f->enough = enough;
	assert_int_equal(loop_add_timer(f->loop, 60000, on_too_long, f, &timer), 0);
	if (loop_run(f->loop) != 0)
		fail_msg("discovery does not get there");
	loop_remove_timer(timer);
}

static void discover(struct fixture *f)
{
	struct discovery_options options = {
		.root = f->root ? f->root : f->scratch->dir,
		.image_dirs = f->image_dirs,
		.uevent_fd = f->uevents[1],
		.deadline_ms = f->deadline_ms,
		.changed = on_changed,
		.ctx = f,
	};
	struct vmb_err err;

	assert_int_equal(discovery_create(f->loop, &options, &f->discovery, &err), 0);
	assert_true(discovery_scanning(f->discovery));
}

static const struct menu_device *device(struct fixture *f, const char *name)
{
	size_t count;
	const struct menu_device *devices = discovery_devices(f->discovery, &count);

	for (size_t i = 0; i < count; i++)
		if (strcmp(devices[i].name, name) == 0)
			return &devices[i];
	return NULL;
}

/* How many firmware files of device PATH ("" for the running system) are listed. */
static unsigned int firmwares_of(struct fixture *f, const char *path)
{
	size_t count, n = 0;
	const struct menu_firmware *list = discovery_firmwares(f->discovery, &count);

	for (size_t i = 0; i < count; i++)
		n += strcmp(list[i].device, path) == 0;
	return (unsigned int)n;
}

static void assert_good(struct fixture *f, const char *name)
{
	const struct menu_device *d = device(f, name);

	assert_non_null(d);
	assert_int_equal(d->state, MENU_DEVICE_READY);
	assert_string_equal(d->fstype, "ext4");
	assert_string_equal(d->label, name);
	assert_string_equal(d->note, "");
	assert_int_equal(firmwares_of(f, d->path), 1);
}

static void devices_and_firmware_become_known(void **state)
{
	struct fixture *f = *state;

	put_disk(f, "gooda", "2048");
	put_disk(f, "goodb", "4096");
	put_disk(f, "zram0", "2048");
	discover(f);
	/* Listed at once, before any probe has answered. */
	assert_int_equal(device(f, "gooda")->state, MENU_DEVICE_SCANNING);
	assert_int_equal(device(f, "goodb")->size, 4096 * 512);
	assert_int_equal(device(f, "zram0")->state, MENU_DEVICE_SKIPPED);
	assert_true(device(f, "zram0")->note[0] != '\0');
	wait_until(f, is_finished);
	assert_good(f, "gooda");
	assert_good(f, "goodb");
	assert_int_equal(firmwares_of(f, ""), 1);
}

static void a_bad_device_shows_itself_and_touches_no_other(void **state)
{
	static const struct {
		const char *name, *note, *label;
	} bad[] = {
		{"hang", "No answer for 2 s", "seen before it hung"},
		{"crash", "killed by signal 11", "seen before it died"},
		{"fail", "I/O error at its first block", ""},
		{"junk", "nonsense", ""},
		{"short", "nonsense", ""},
		{"endless", "nonsense", ""},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		put_disk(f, bad[i].name, "2048");
	put_disk(f, "good", "2048");
	f->deadline_ms = HANG_MS;
	discover(f);
	wait_until(f, is_finished);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const struct menu_device *d = device(f, bad[i].name);

		assert_int_equal(d->state, MENU_DEVICE_FAILED);
		assert_string_equal(d->label, bad[i].label);
		if (!strstr(d->note, bad[i].note))
			fail_msg("%s: the note misses \"%s\": %s", d->name, bad[i].note, d->note);
	}
	assert_good(f, "good");
}

static bool good_is_ready(struct fixture *f)
{
	return device(f, "good")->state == MENU_DEVICE_READY;
}

/* More hung disks than probes may run at once: the others wait for a deadline, not for ever. */
static void hung_disks_do_not_use_up_the_probes(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 20; i++) {
		char name[32];

		snprintf(name, sizeof(name), "hang%d", i);
		put_disk(f, name, "2048");
	}
	put_disk(f, "good", "2048");
	f->deadline_ms = HANG_MS;
	discover(f);
	wait_until(f, good_is_ready);
	wait_until(f, is_finished);
	for (int i = 0; i < 20; i++) {
		char name[32];

		snprintf(name, sizeof(name), "hang%d", i);
		assert_int_equal(device(f, name)->state, MENU_DEVICE_FAILED);
	}
}

static void at_most_eight_probes_run_at_once(void **state)
{
	struct fixture *f = *state;
	char path[PATH_MAX], line[16];
	int most = 0, lines = 0;
	FILE *counts;

	for (int i = 0; i < 20; i++) {
		char name[32];

		snprintf(name, sizeof(name), "count%d", i);
		put_disk(f, name, "2048");
	}
	discover(f);
	wait_until(f, is_finished);
	counts = fopen(scratch_path(f->scratch, "counts", path), "re");
	assert_non_null(counts);
	while (fgets(line, sizeof(line), counts)) {
		most = atoi(line) > most ? atoi(line) : most;
		lines++;
	}
	fclose(counts);
	assert_int_equal(lines, 20);
	assert_in_range(most, 2, 8);
}

static void what_a_disk_says_is_safe_on_a_terminal(void **state)
{
	struct fixture *f = *state;
	const struct menu_device *d;
	char path[256];

	put_disk(f, "hostile", "2048");
	snprintf(path, sizeof(path), "sys/class/block/hostile/device/model");
	put(f, path, "evil\033[31m\007");
	snprintf(path, sizeof(path), "sys/class/block/hostile/device/serial");
	put(f, path,
	    "\x9b"
	    "2J");
	discover(f);
	wait_until(f, is_finished);
	d = device(f, "hostile");
	assert_string_equal(d->fstype, "x\\x1b[2Jfs");
	assert_string_equal(d->label, "\\x1b]0;owned\\x07\\xff\\xc2\\x9b31m");
	assert_string_equal(d->note, "note \\x1b[31m");
	assert_string_equal(d->model, "evil\\x1b[31m\\x07");
	assert_string_equal(d->serial, "\\x9b2J");
	/* A path is a name to open: it is not changed, and so an unsafe one is not listed. */
	assert_int_equal(firmwares_of(f, "/dev/hostile"), 1);
}

static void the_number_of_firmware_files_is_bounded(void **state)
{
	struct fixture *f = *state;

	put_disk(f, "many", "2048");
	put_disk(f, "good", "2048");
	discover(f);
	wait_until(f, is_finished);
	assert_int_equal(firmwares_of(f, "/dev/many"), PROBE_MAX_FIRMWARES);
	assert_good(f, "good");
}

static void a_file_found_twice_is_listed_once(void **state)
{
	struct fixture *f = *state;

	put_disk(f, "mounted", "2048");
	discover(f);
	wait_until(f, is_finished);
	assert_int_equal(firmwares_of(f, ""), 1);
}

static void a_rescan_follows_the_disks(void **state)
{
	struct fixture *f = *state;

	put_disk(f, "gooda", "2048");
	put_disk(f, "goodb", "2048");
	discover(f);
	wait_until(f, is_finished);
	assert_true(sh("rm -r %s/sys/class/block/gooda", f->scratch->dir));
	put_disk(f, "goodc", "2048");
	discovery_rescan(f->discovery);
	/* What is known stays while it is looked at again. */
	assert_string_equal(device(f, "goodb")->label, "goodb");
	assert_null(device(f, "gooda"));
	assert_int_equal(firmwares_of(f, "/dev/gooda"), 0);
	wait_until(f, is_finished);
	assert_good(f, "goodb");
	assert_good(f, "goodc");
}

static void a_rescan_in_the_middle_of_a_scan_is_fine(void **state)
{
	struct fixture *f = *state;

	put_disk(f, "gooda", "2048");
	put_disk(f, "hang", "2048");
	discover(f);
	for (int i = 0; i < 20; i++)
		discovery_rescan(f->discovery);
	assert_true(sh("rm -r %s/sys/class/block/hang", f->scratch->dir));
	discovery_rescan(f->discovery);
	wait_until(f, is_finished);
	assert_good(f, "gooda");
	assert_null(device(f, "hang"));
}

static void pausing_ends_probes_and_resuming_starts_them_anew(void **state)
{
	struct fixture *f = *state;
	struct loop_timer *timer;
	siginfo_t info;

	/* A busy computer may still be ending the killed probes of the tests before. */
	while (waitid(P_ALL, 0, &info, WEXITED) == 0)
		;
	put_disk(f, "good", "2048");
	discover(f);
	discovery_pause(f->discovery);
	/*
	 * No process of ours is left: nobody holds a disk now. Pausing waits a bounded time only, which
	 * a busy computer can exceed: a few more times are no failure, a probe that stays is.
	 */
	for (int i = 0; i < 10 && waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0; i++)
		discovery_pause(f->discovery);
	assert_int_equal(waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT), -1);
	assert_int_equal(errno, ECHILD);
	f->enough = NULL;
	assert_int_equal(loop_add_timer(f->loop, 200, on_too_long, f, &timer), 0);
	loop_run(f->loop);
	assert_true(discovery_scanning(f->discovery));
	assert_int_equal(device(f, "good")->state, MENU_DEVICE_SCANNING);
	discovery_resume(f->discovery);
	wait_until(f, is_finished);
	assert_good(f, "good");
}

static void a_scan_can_be_cancelled(void **state)
{
	struct fixture *f = *state;

	put_disk(f, "hang", "2048");
	discover(f);
	assert_true(discovery_scanning(f->discovery));
	discovery_cancel(f->discovery);
	assert_false(discovery_scanning(f->discovery));
	assert_int_equal(device(f, "hang")->state, MENU_DEVICE_SKIPPED);
	assert_non_null(strstr(device(f, "hang")->note, "r looks again"));
	assert_int_equal(device(f, "hang")->scanning_since, 0);
	/* A rescan looks at everything again. */
	put_disk(f, "gooda", "2048");
	discovery_rescan(f->discovery);
	assert_true(discovery_scanning(f->discovery));
	wait_until(f, is_finished);
	assert_good(f, "gooda");
	assert_int_equal(device(f, "hang")->state, MENU_DEVICE_FAILED);
}

static void uses_are_shown(void **state)
{
	struct fixture *f = *state;

	put_disk(f, "gooda", "2048");
	put_disk(f, "goodb", "2048");
	put(f, "sys/class/block/goodb/holders/md0/x", "");
	put(f, "proc/self/mountinfo", "30 1 240:0 / /da\\033ta rw - ext4 /dev/gooda rw\n");
	discover(f);
	assert_int_equal(device(f, "gooda")->in_use, 1);
	assert_string_equal(device(f, "gooda")->use, "mounted on /da\\x1bta");
	assert_string_equal(device(f, "goodb")->use, "member of md0");
	wait_until(f, is_finished);
}

static void without_sysfs_the_list_is_empty_and_the_scan_ends(void **state)
{
	struct fixture *f = *state;
	size_t count;

	assert_true(sh("rm -rf %s/sys", f->scratch->dir));
	discover(f);
	wait_until(f, is_finished);
	discovery_devices(f->discovery, &count);
	assert_int_equal(count, 0);
	assert_int_equal(firmwares_of(f, ""), 1);
}

static void the_disks_of_a_vm_are_not_probed(void **state)
{
	struct fixture *f = *state;
	struct vm_disk disk = {.path = ""};
	const char *loop;
	char image[PATH_MAX], name[32];
	struct stat st;

	write_file(scratch_path(f->scratch, "image", image), "", 0, 1 << 20);
	loop = attach_loop(f->scratch, image, "");
	NEED_LOOP(loop);
	/* A made-up disk with the number of a real device, which is what paths are compared by. */
	assert_int_equal(stat(loop, &st), 0);
	put_disk(f, "good", "2048");
	snprintf(name, sizeof(name), "%u:%u", major(st.st_rdev), minor(st.st_rdev));
	put(f, "sys/class/block/good/dev", name);
	text_copy(disk.path, sizeof(disk.path), loop);
	discover(f);
	wait_until(f, is_finished);
	discovery_set_taken(f->discovery, &disk, 1);
	assert_int_equal(device(f, "good")->in_use, 1);
	assert_string_equal(device(f, "good")->use, "attached to the VM");
	assert_int_equal(device(f, "good")->state, MENU_DEVICE_READY);
	wait_until(f, is_finished);
	discovery_set_taken(f->discovery, NULL, 0);
	assert_int_equal(device(f, "good")->in_use, 0);
	assert_int_equal(device(f, "good")->state, MENU_DEVICE_SCANNING);
	wait_until(f, is_finished);
	assert_good(f, "good");
}

/* ---- what disks hold ---- */

static void put_part(struct fixture *f, const char *disk, const char *name)
{
	char path[PATH_MAX], to[PATH_MAX];

	/* As in sysfs: its directory lies in the disk's, and the class has a link to it. */
	snprintf(path, sizeof(path), "sys/class/block/%s/%s/partition", disk, name);
	put(f, path, name + strlen(name) - 1);
	snprintf(path, sizeof(path), "sys/class/block/%s/%s/size", disk, name);
	put(f, path, "2048");
	snprintf(path, sizeof(path), "sys/class/block/%s/%s/dev", disk, name);
	snprintf(to, sizeof(to), "241:%u", f->number++);
	put(f, path, to);
	snprintf(path, sizeof(path), "%s/sys/class/block/%s", f->scratch->dir, name);
	snprintf(to, sizeof(to), "%s/%s", disk, name);
	assert_int_equal(symlink(to, path), 0);
}

static void what_lives_on_a_disk_is_told(void **state)
{
	struct fixture *f = *state;

	put_disk(f, "sda", "8192");
	put_part(f, "sda", "os1");
	put_part(f, "sda", "os2");
	discover(f);
	wait_until(f, is_finished);
	assert_string_equal(device(f, "os1")->parent, "sda");
	assert_string_equal(device(f, "os1")->holds,
			    "Debian GNU/Linux 12 (bookworm), GRUB of debian");
	assert_string_equal(device(f, "os2")->holds, "Windows\\x1b[2J, GRUB of debian");
	/* The disk tells what its partitions hold, each thing once. */
	assert_string_equal(device(f, "sda")->holds,
			    "Debian GNU/Linux 12 (bookworm), GRUB of debian, Windows\\x1b[2J");
}

static void images_are_offered_as_disks(void **state)
{
	struct fixture *f = *state;
	const struct vm_disk disk = {.path = "/images/debian.iso"};
	const struct menu_device *d;

	f->image_dirs[0] = "/images";
	put_disk(f, "good", "2048");
	discover(f);
	wait_until(f, is_finished);
	d = device(f, "debian.iso");
	assert_non_null(d);
	assert_int_equal(d->kind, MENU_DEVICE_IMAGE);
	assert_int_equal(d->state, MENU_DEVICE_READY);
	assert_string_equal(d->path, "/images/debian.iso");
	assert_string_equal(d->fstype, "iso9660");
	assert_string_equal(d->holds, "ISO 9660, boots by UEFI");
	assert_int_equal(d->in_use, 0);
	assert_int_equal(device(f, "used.img")->in_use, 1);
	assert_string_equal(device(f, "used.img")->use, "attached to /dev/loop7");
	assert_int_equal(device(f, "vm.qcow2")->state, MENU_DEVICE_SKIPPED);
	assert_string_equal(device(f, "vm.qcow2")->note, "a qcow2 image, not a raw disk");
	/* One whose name is not safe on a terminal could not be named to be opened. */
	assert_null(device(f, "\\x1b[2J.iso"));
	assert_int_equal(device(f, "good")->kind, MENU_DEVICE_BLOCK);
	discovery_set_taken(f->discovery, &disk, 1);
	assert_string_equal(device(f, "debian.iso")->use, "attached to the VM");
	wait_until(f, is_finished);
}

static void the_directory_of_images_can_be_changed(void **state)
{
	struct fixture *f = *state;

	f->image_dirs[0] = "/images";
	discover(f);
	discovery_set_images(f->discovery, "/others");
	wait_until(f, is_finished);
	assert_null(device(f, "debian.iso"));
	assert_non_null(device(f, "other.iso"));
	discovery_set_images(f->discovery, "/others");
	assert_false(discovery_scanning(f->discovery));
	discovery_set_images(f->discovery, "");
	wait_until(f, is_finished);
	assert_null(device(f, "other.iso"));
	assert_non_null(device(f, "debian.iso"));
}

/* "Still scanning sdc (4 s)". */
static bool hang_is_probed(struct fixture *f)
{
	return device(f, "hang")->scanning_since != 0;
}

static void a_running_probe_says_since_when(void **state)
{
	struct fixture *f = *state;
	uint64_t before = loop_now_ms();

	put_disk(f, "hang", "2048");
	put_disk(f, "good", "2048");
	f->deadline_ms = HANG_MS;
	discover(f);
	wait_until(f, hang_is_probed);
	assert_int_equal(device(f, "hang")->state, MENU_DEVICE_SCANNING);
	assert_true(device(f, "hang")->scanning_since >= before);
	assert_true(device(f, "hang")->scanning_since <= loop_now_ms());
	wait_until(f, is_finished);
	assert_int_equal(device(f, "hang")->scanning_since, 0);
	assert_int_equal(device(f, "good")->scanning_since, 0);
}

/* ---- hotplug ---- */

static void follow_hotplug(struct fixture *f)
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, f->uevents), 0);
}

static void send_uevent(struct fixture *f, const char *action, const char *name)
{
	char message[256];
	int n = snprintf(message, sizeof(message),
			 "%s@/devices/x/block/%s%cACTION=%s%cDEVPATH=/devices/x/block/%s%c"
			 "SUBSYSTEM=block%cDEVNAME=%s",
			 action, name, 0, action, 0, name, 0, 0, name);

	assert_int_equal(send(f->uevents[0], message, (size_t)n + 1, 0), n + 1);
}

static bool goodb_is_ready(struct fixture *f)
{
	return device(f, "goodb") && is_finished(f);
}

static bool gooda_is_gone(struct fixture *f)
{
	return !device(f, "gooda") && is_finished(f);
}

static void disks_that_come_and_go_show_by_themselves(void **state)
{
	struct fixture *f = *state;

	follow_hotplug(f);
	put_disk(f, "gooda", "2048");
	discover(f);
	assert_true(discovery_is_live(f->discovery));
	wait_until(f, is_finished);
	put_disk(f, "goodb", "4096");
	send_uevent(f, "add", "goodb");
	wait_until(f, goodb_is_ready);
	assert_good(f, "goodb");
	assert_good(f, "gooda");
	assert_true(sh("rm -r %s/sys/class/block/gooda", f->scratch->dir));
	send_uevent(f, "remove", "gooda");
	wait_until(f, gooda_is_gone);
	assert_int_equal(firmwares_of(f, "/dev/gooda"), 0);
	assert_good(f, "goodb");
}

static void write_content(struct fixture *f, const char *text)
{
	char path[PATH_MAX];

	write_file(scratch_path(f->scratch, "content", path), text, strlen(text), 0);
}

static bool content_is_second(struct fixture *f)
{
	return strcmp(device(f, "content1")->label, "second") == 0 && is_finished(f);
}

static void only_what_changed_is_probed_again(void **state)
{
	struct fixture *f = *state;

	follow_hotplug(f);
	put_disk(f, "content0", "2048");
	put_disk(f, "content1", "2048");
	write_content(f, "first");
	discover(f);
	wait_until(f, is_finished);
	write_content(f, "second");
	send_uevent(f, "change", "content1");
	wait_until(f, content_is_second);
	assert_string_equal(device(f, "content0")->label, "first");
}

static bool content_is_forgotten(struct fixture *f)
{
	return device(f, "content0")->label[0] == '\0';
}

/* A stick pulled and another one plugged in: what was known of the first is not said of the second. */
static void another_disk_in_the_same_place_is_another_disk(void **state)
{
	struct fixture *f = *state;

	follow_hotplug(f);
	put_disk(f, "content0", "2048");
	write_content(f, "first");
	discover(f);
	wait_until(f, is_finished);
	assert_string_equal(device(f, "content0")->label, "first");
	/* Held off, so that it can be seen before it is probed. */
	discovery_pause(f->discovery);
	write_content(f, "second");
	send_uevent(f, "remove", "content0");
	send_uevent(f, "add", "content0");
	wait_until(f, content_is_forgotten);
	assert_int_equal(device(f, "content0")->state, MENU_DEVICE_SCANNING);
	discovery_resume(f->discovery);
	wait_until(f, is_finished);
	assert_string_equal(device(f, "content0")->label, "second");
}

/* The same without messages: the kernel counts the disks that were in one place. */
static void a_rescan_knows_another_disk_by_its_sequence_number(void **state)
{
	struct fixture *f = *state;

	put_disk(f, "content0", "2048");
	put(f, "sys/class/block/content0/diskseq", "7");
	write_content(f, "first");
	discover(f);
	wait_until(f, is_finished);
	put(f, "sys/class/block/content0/diskseq", "8");
	write_content(f, "second");
	discovery_rescan(f->discovery);
	assert_string_equal(device(f, "content0")->label, "");
	wait_until(f, is_finished);
	assert_string_equal(device(f, "content0")->label, "second");
}

/* A message that comes while the disk is probed: what the probe saw may be old by now. */
static void a_change_during_a_probe_is_not_lost(void **state)
{
	struct fixture *f = *state;

	follow_hotplug(f);
	f->deadline_ms = HANG_MS;
	put_disk(f, "hang", "2048");
	discover(f);
	wait_until(f, hang_is_probed);
	put_disk(f, "goodb", "2048");
	send_uevent(f, "change", "hang");
	send_uevent(f, "add", "goodb");
	wait_until(f, goodb_is_ready);
	assert_good(f, "goodb");
	assert_int_equal(device(f, "hang")->state, MENU_DEVICE_FAILED);
}

static void messages_of_no_concern_change_nothing(void **state)
{
	static const char junk[] = "junk",
			  others[] = "add@/x\0ACTION=add\0SUBSYSTEM=net\0DEVPATH=/x";
	struct fixture *f = *state;
	struct loop_timer *timer;
	unsigned int changes;

	follow_hotplug(f);
	put_disk(f, "gooda", "2048");
	discover(f);
	wait_until(f, is_finished);
	changes = f->changes;
	assert_true(send(f->uevents[0], junk, sizeof(junk), 0) > 0);
	assert_true(send(f->uevents[0], junk, 4, 0) > 0);
	assert_true(send(f->uevents[0], others, sizeof(others), 0) > 0);
	f->enough = NULL;
	assert_int_equal(loop_add_timer(f->loop, 300, on_too_long, f, &timer), 0);
	loop_run(f->loop);
	assert_int_equal(f->changes, changes);
	assert_true(discovery_is_live(f->discovery));
}

static bool loop_is_used(struct fixture *f)
{
	const struct menu_device *d = device(f, f->watched);

	return d && d->in_use && strstr(d->use, "mounted on");
}

static bool loop_is_free(struct fixture *f)
{
	return device(f, f->watched) && !device(f, f->watched)->in_use;
}

/* A disk that the host mounts is in use from then on, and free again when it is unmounted. */
static void mounts_show_by_themselves(void **state)
{
	struct fixture *f = *state;
	char image[PATH_MAX], point[PATH_MAX];
	const char *loop;

	NEED_TOOL("mkfs.ext4");
	write_file(scratch_path(f->scratch, "image", image), "", 0, 8 << 20);
	assert_true(sh("mkfs.ext4 -q %s", image));
	loop = attach_loop(f->scratch, image, "");
	NEED_LOOP(loop);
	mkdir(scratch_path(f->scratch, "mnt", point), 0700);
	f->watched = strrchr(loop, '/') + 1;
	f->root = "";
	follow_hotplug(f);
	discover(f);
	wait_until(f, is_finished);
	assert_true(loop_is_free(f));
	assert_true(sh("mount %s %s", loop, point));
	wait_until(f, loop_is_used);
	assert_true(sh("umount %s", point));
	wait_until(f, loop_is_free);
}

static bool is_not_live(struct fixture *f)
{
	return !discovery_is_live(f->discovery) && device(f, "goodb") && is_finished(f);
}

/* When the messages end, that is said, and what they would have told is looked for once. */
static void the_end_of_messages_is_noticed(void **state)
{
	struct fixture *f = *state;

	follow_hotplug(f);
	put_disk(f, "gooda", "2048");
	discover(f);
	wait_until(f, is_finished);
	put_disk(f, "goodb", "2048");
	assert_true(send(f->uevents[0], "", 0, 0) == 0);
	wait_until(f, is_not_live);
	assert_good(f, "goodb");
}

int main(int argc, char **argv)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(devices_and_firmware_become_known),
		TEST(a_bad_device_shows_itself_and_touches_no_other),
		TEST(hung_disks_do_not_use_up_the_probes),
		TEST(at_most_eight_probes_run_at_once),
		TEST(what_a_disk_says_is_safe_on_a_terminal),
		TEST(the_number_of_firmware_files_is_bounded),
		TEST(a_file_found_twice_is_listed_once),
		TEST(a_rescan_follows_the_disks),
		TEST(a_rescan_in_the_middle_of_a_scan_is_fine),
		TEST(pausing_ends_probes_and_resuming_starts_them_anew),
		TEST(a_scan_can_be_cancelled),
		TEST(what_lives_on_a_disk_is_told),
		TEST(images_are_offered_as_disks),
		TEST(the_directory_of_images_can_be_changed),
		TEST(a_running_probe_says_since_when),
		TEST(disks_that_come_and_go_show_by_themselves),
		TEST(only_what_changed_is_probed_again),
		TEST(another_disk_in_the_same_place_is_another_disk),
		TEST(a_rescan_knows_another_disk_by_its_sequence_number),
		TEST(a_change_during_a_probe_is_not_lost),
		TEST(messages_of_no_concern_change_nothing),
		TEST(mounts_show_by_themselves),
		TEST(the_end_of_messages_is_noticed),
		TEST(uses_are_shown),
		TEST(without_sysfs_the_list_is_empty_and_the_scan_ends),
		TEST(the_disks_of_a_vm_are_not_probed),
	};

	if (argc > 1 && strcmp(argv[1], "probe") == 0)
		return fake_probe(argc, argv);
	log_init(-1, LOG_LEVEL_ERROR, "test");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
