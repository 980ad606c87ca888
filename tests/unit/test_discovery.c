/*
 * What discovery knows of disks, of what is on them, and of image files, and that a bad device shows
 * itself and touches no other. How it follows changes: test_discovery_hotplug.c.
 */
#include "discovery_fixture.h"

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
static void on_tick(void *arg)
{
	struct fixture *f = arg;

	loop_quit(f->loop, 0);
}

/* Every process that was started has ended, and was collected. */
static void assert_no_probe_is_left(struct fixture *f)
{
	siginfo_t info;

	for (int i = 0; waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0; i++) {
		struct loop_timer *timer;

		assert_true(i < 500);
		assert_int_equal(loop_add_timer(f->loop, 20, on_tick, f, &timer), 0);
		loop_run(f->loop);
	}
	assert_int_equal(errno, ECHILD);
}

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
	assert_no_probe_is_left(f);
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
	put(f->scratch, path, "evil\033[31m\007");
	snprintf(path, sizeof(path), "sys/class/block/hostile/device/serial");
	put(f->scratch, path,
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
	put(f->scratch, "sys/class/block/goodb/holders/md0/x", "");
	put(f->scratch, "proc/self/mountinfo", "30 1 240:0 / /da\\033ta rw - ext4 /dev/gooda rw\n");
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
	put(f->scratch, "sys/class/block/good/dev", name);
	text_copy(disk.path, sizeof(disk.path), loop);
	put_disk(f, "goodb", "2048");
	discover(f);
	wait_until(f, is_finished);
	discovery_set_taken(f->discovery, &disk, 1);
	/* No other disk is looked at for that. */
	assert_false(discovery_scanning(f->discovery));
	assert_int_equal(device(f, "good")->in_use, 1);
	assert_string_equal(device(f, "good")->use, "attached to the VM");
	assert_int_equal(device(f, "good")->state, MENU_DEVICE_READY);
	wait_until(f, is_finished);
	discovery_set_taken(f->discovery, NULL, 0);
	assert_int_equal(device(f, "good")->in_use, 0);
	assert_int_equal(device(f, "good")->state, MENU_DEVICE_SCANNING);
	assert_int_equal(device(f, "goodb")->state, MENU_DEVICE_READY);
	wait_until(f, is_finished);
	assert_good(f, "good");
	/* Taken while it is looked at: that ends, and does not begin anew with the guest on it. */
	discovery_rescan(f->discovery);
	discovery_pause(f->discovery);
	discovery_set_taken(f->discovery, &disk, 1);
	discovery_resume(f->discovery);
	assert_int_equal(device(f, "good")->state, MENU_DEVICE_READY);
	assert_int_equal(device(f, "goodb")->state, MENU_DEVICE_SCANNING);
	wait_until(f, is_finished);
	assert_good(f, "goodb");
}

/* ---- what disks hold ---- */

static void put_part(struct fixture *f, const char *disk, const char *name)
{
	char path[PATH_MAX], to[PATH_MAX];

	/* As in sysfs: its directory lies in the disk's, and the class has a link to it. */
	snprintf(path, sizeof(path), "sys/class/block/%s/%s/partition", disk, name);
	put(f->scratch, path, name + strlen(name) - 1);
	snprintf(path, sizeof(path), "sys/class/block/%s/%s/size", disk, name);
	put(f->scratch, path, "2048");
	snprintf(path, sizeof(path), "sys/class/block/%s/%s/dev", disk, name);
	snprintf(to, sizeof(to), "241:%u", f->number++);
	put(f->scratch, path, to);
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
	assert_false(discovery_scanning(f->discovery));
	/* What the guest wrote to it is found when it has ended. */
	discovery_set_taken(f->discovery, NULL, 0);
	assert_int_equal(device(f, "good")->state, MENU_DEVICE_READY);
	assert_true(discovery_scanning(f->discovery));
	wait_until(f, is_finished);
	assert_int_equal(device(f, "debian.iso")->in_use, 0);
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

static void a_directory_of_images_that_cannot_be_read_says_so(void **state)
{
	struct fixture *f = *state;
	const struct menu_device *d;

	f->image_dirs[0] = "/dead/isos";
	put_disk(f, "good", "2048");
	discover(f);
	wait_until(f, is_finished);
	d = device(f, "isos");
	assert_non_null(d);
	assert_int_equal(d->state, MENU_DEVICE_FAILED);
	assert_int_equal(d->kind, MENU_DEVICE_IMAGE);
	assert_string_equal(d->path, "/dead/isos");
	assert_string_equal(d->model, "directory");
	assert_non_null(strstr(d->note, "cannot be read"));
	assert_good(f, "good");
}

/* The usual ones need not be there; one that the settings name was perhaps mistyped. */
static void a_missing_directory_of_images_is_told_where_it_was_named(void **state)
{
	struct fixture *f = *state;

	f->image_dirs[0] = "/missing/usual";
	discover(f);
	wait_until(f, is_finished);
	assert_null(device(f, "usual"));
	discovery_set_images(f->discovery, "/missing/named");
	wait_until(f, is_finished);
	assert_non_null(device(f, "named"));
	assert_int_equal(device(f, "named")->state, MENU_DEVICE_FAILED);
	assert_non_null(strstr(device(f, "named")->note, "it is missing"));
}

/* Where only some of its images are offered the list says so; it is no fault. */
static void a_directory_of_which_not_all_is_told_says_so(void **state)
{
	struct fixture *f = *state;
	const struct menu_device *d;

	f->image_dirs[0] = "/full/isos";
	discover(f);
	wait_until(f, is_finished);
	d = device(f, "isos");
	assert_non_null(d);
	assert_int_equal(d->state, MENU_DEVICE_SKIPPED);
	assert_string_equal(d->note, "More than 128 disk images are in it");
	assert_non_null(device(f, "one.iso"));
}

/* "Still scanning sdc (4 s)". */
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

int main(int argc, char **argv)
{
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
		TEST(a_directory_of_images_that_cannot_be_read_says_so),
		TEST(a_missing_directory_of_images_is_told_where_it_was_named),
		TEST(a_directory_of_which_not_all_is_told_says_so),
		TEST(a_running_probe_says_since_when),
		TEST(uses_are_shown),
		TEST(without_sysfs_the_list_is_empty_and_the_scan_ends),
		TEST(the_disks_of_a_vm_are_not_probed),
	};

	RUN_DISCOVERY_TESTS(argc, argv, tests);
}
