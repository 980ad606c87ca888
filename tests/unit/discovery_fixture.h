/*
 * Discovery over made-up sysfs trees, with probes that the test's own binary plays: what a device's
 * path says is how its probe behaves.
 */
#ifndef VMB_TESTS_UNIT_DISCOVERY_FIXTURE_H
#define VMB_TESTS_UNIT_DISCOVERY_FIXTURE_H

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

static inline void send_firmware(const char *path)
{
	struct storage_firmware fw = {.size = 4096, .usable = 1, .kind = "PVH ELF"};

	text_copy(fw.path, sizeof(fw.path), path);
	proto_send(PROBE_CONTROL_FD, PROBE_FIRMWARE, &fw, sizeof(fw), NULL, 0);
}

static inline void send_identity(const char *fstype, const char *label)
{
	struct storage_identity id = {.fstype = ""};

	text_copy(id.fstype, sizeof(id.fstype), fstype);
	text_copy(id.label, sizeof(id.label), label);
	proto_send(PROBE_CONTROL_FD, PROBE_IDENTITY, &id, sizeof(id), NULL, 0);
}

static inline void send_done(int code, const char *text)
{
	struct probe_done done = {.code = code};

	text_copy(done.text, sizeof(done.text), text);
	proto_send(PROBE_CONTROL_FD, PROBE_DONE, &done, sizeof(done), NULL, 0);
}

/* Leaves a file while it works; the most that there ever were tells how many ran at once. */
static inline void count_self(void)
{
	const char *dir = getenv("PROBE_DIR");

	sh("touch %s/run.$$; ls %s | grep -c '^run' >> %s/counts; sleep 0.1; rm -f %s/run.$$", dir,
	   dir, dir, dir);
}

/* What is on a disk that changes stands in a file. */
static inline void send_content(void)
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

static inline void send_system(const char *text)
{
	struct storage_system system = {.text = ""};

	text_copy(system.text, sizeof(system.text), text);
	proto_send(PROBE_CONTROL_FD, PROBE_SYSTEM, &system, sizeof(system), NULL, 0);
}

static inline void send_image(const char *path, const char *use, const char *reason)
{
	struct storage_image image = {.size = 4096, .identity = {.fstype = "iso9660"}};

	text_copy(image.path, sizeof(image.path), path);
	text_copy(image.use, sizeof(image.use), use);
	text_copy(image.reason, sizeof(image.reason), reason);
	text_copy(image.holds, sizeof(image.holds), "ISO 9660, boots by UEFI");
	proto_send(PROBE_CONTROL_FD, PROBE_IMAGE, &image, sizeof(image), NULL, 0);
}

static inline int fake_images(const char *dir)
{
	if (strcmp(dir, "/dead/isos") == 0) {
		send_done(EIO, "The directory of disk images /dead/isos cannot be read.");
		return 0;
	}
	if (strcmp(dir, "/others") == 0) {
		send_image("/others/other.iso", "", "");
		send_done(0, "");
		return 0;
	}
	if (strncmp(dir, "/missing/", 9) == 0) {
		send_done(ENOENT, "The directory of disk images cannot be read: it is missing.");
		return 0;
	}
	if (strncmp(dir, "/full/", 6) == 0) {
		send_image("/full/isos/one.iso", "", "");
		send_done(0, "More than 128 disk images are in it.");
		return 0;
	}
	send_image("/images/debian.iso", "", "");
	send_image("/images/used.img", "attached to /dev/loop7", "");
	send_image("/images/vm.qcow2", "", "a qcow2 image, not a raw disk");
	send_image("/images/\033[2J.iso", "", "");
	send_done(0, "");
	return 0;
}

static inline int fake_probe(int argc, char **argv)
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
	int uevents[2];	     /* what is sent to the first, discovery reads from the second */
	const char *image_dirs[2];
	bool (*enough)(struct fixture *f);
};

static inline void put_disk(struct fixture *f, const char *name, const char *sectors)
{
	char path[256], text[64];

	snprintf(path, sizeof(path), "sys/class/block/%s/dev", name);
	snprintf(text, sizeof(text), "240:%u", f->number++);
	put(f->scratch, path, text);
	snprintf(path, sizeof(path), "sys/class/block/%s/size", name);
	put(f->scratch, path, sectors);
}

static inline int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	void *scratch;

	if (scratch_setup(&scratch) < 0 || loop_create(&f->loop) < 0)
		return -1;
	f->scratch = scratch;
	f->deadline_ms = DEADLINE_MS;
	put(f->scratch, "proc/self/mountinfo", "");
	put(f->scratch, "proc/swaps", "");
	setenv("PROBE_DIR", f->scratch->dir, 1);
	*state = f;
	return 0;
}

static inline int teardown(void **state)
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

static inline bool is_finished(struct fixture *f)
{
	return !discovery_scanning(f->discovery);
}

static inline void on_changed(void *ctx)
{
	struct fixture *f = ctx;

	f->changes++;
	if (f->enough && f->discovery && f->enough(f))
		loop_quit(f->loop, 0);
}

static inline void on_too_long(void *arg)
{
	struct fixture *f = arg;

	loop_quit(f->loop, 1);
}

static inline void wait_until(struct fixture *f, bool (*enough)(struct fixture *f))
{
	struct loop_timer *timer;

	f->enough = enough;
	assert_int_equal(loop_add_timer(f->loop, 60000, on_too_long, f, &timer), 0);
	if (loop_run(f->loop) != 0)
		fail_msg("discovery does not get there");
	loop_remove_timer(timer);
}

static inline void discover(struct fixture *f)
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

static inline const struct menu_device *device(struct fixture *f, const char *name)
{
	size_t count;
	const struct menu_device *devices = discovery_devices(f->discovery, &count);

	for (size_t i = 0; i < count; i++)
		if (strcmp(devices[i].name, name) == 0)
			return &devices[i];
	return NULL;
}

/* How many firmware files of device PATH ("" for the running system) are listed. */
static inline unsigned int firmwares_of(struct fixture *f, const char *path)
{
	size_t count, n = 0;
	const struct menu_firmware *list = discovery_firmwares(f->discovery, &count);

	for (size_t i = 0; i < count; i++)
		n += strcmp(list[i].device, path) == 0;
	return (unsigned int)n;
}

static inline void assert_good(struct fixture *f, const char *name)
{
	const struct menu_device *d = device(f, name);

	assert_non_null(d);
	assert_int_equal(d->state, MENU_DEVICE_READY);
	assert_string_equal(d->fstype, "ext4");
	assert_string_equal(d->label, name);
	assert_string_equal(d->note, "");
	assert_int_equal(firmwares_of(f, d->path), 1);
}

static inline bool hang_is_probed(struct fixture *f)
{
	return device(f, "hang")->scanning_since != 0;
}

/* What main() does with TESTS, or with the arguments of a probe. */
#define RUN_DISCOVERY_TESTS(argc, argv, tests)                     \
	do {                                                       \
		if ((argc) > 1 && strcmp((argv)[1], "probe") == 0) \
			return fake_probe(argc, argv);             \
		log_init(-1, LOG_LEVEL_ERROR, "test");             \
		return cmocka_run_group_tests(tests, NULL, NULL);  \
	} while (0)

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
