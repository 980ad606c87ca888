/* Discovery follows what the kernel tells of disks and mounts, and looks again only where it must. */
#include "discovery_fixture.h"

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
	put(f->scratch, "sys/class/block/content0/diskseq", "7");
	write_content(f, "first");
	discover(f);
	wait_until(f, is_finished);
	put(f->scratch, "sys/class/block/content0/diskseq", "8");
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
	const struct CMUnitTest tests[] = {
		TEST(disks_that_come_and_go_show_by_themselves),
		TEST(only_what_changed_is_probed_again),
		TEST(another_disk_in_the_same_place_is_another_disk),
		TEST(a_rescan_knows_another_disk_by_its_sequence_number),
		TEST(a_change_during_a_probe_is_not_lost),
		TEST(messages_of_no_concern_change_nothing),
		TEST(mounts_show_by_themselves),
		TEST(the_end_of_messages_is_noticed),
	};

	RUN_DISCOVERY_TESTS(argc, argv, tests);
}
