/* Giving PCI devices of the host to an entry's guest, as an operator does it: the real program under a pseudo-terminal. */
#include "test.h"

#include "menu_session.h"

#define DOWN	   "\033[B"
#define CTRL_S	   "\023"
#define EDITOR_PCI 10 /* rows of the editor above "PCI devices" */

static const struct session_options sizes[] = {
	{.term = "xterm-256color", .rows = 24, .cols = 80},
	{.term = "vt100", .rows = 20, .cols = 60},
};

/* Into the picker of the entry "Debian GNU/Linux 12". */
static struct session *open_picker(enum fake_scene scene, const struct session_options *o)
{
	struct session *s = session_open(scene, o);

	session_wait(s, "6 entries");
	session_keys(s, "e");
	session_wait(s, "saved");
	for (int i = 0; i < EDITOR_PCI; i++)
		session_keys(s, DOWN);
	session_keys(s, "\r");
	session_wait(s, "IOMMU group 1");
	return s;
}

/* Down to the row with ADDRESS: those before it that the cursor may stand on. */
static void go_to(struct session *s, const char *address)
{
	static const char *const rows[] = {"00:02.0", "01:00.0", "01:00.1", "02:00.0",
					   "00:1c.0", "03:00.0", "04:00.0", "05:00.0"};

	session_keys(s, "\033[H");
	for (size_t i = 0; strcmp(rows[i], address) != 0; i++)
		session_keys(s, DOWN);
}

static void keep(struct session *s)
{
	session_keys(s, "q");
	session_wait(s, "not saved: F10 starts it like this once");
	session_keys(s, CTRL_S);
	session_wait(s, "Saved as debian.");
}

/* From the editor. */
static void leave(struct session *s)
{
	session_wait(s, "^S save");
	session_keys(s, "q");
	session_wait(s, "6 entries");
	session_leave(s);
}

static void test_a_group_moves_as_a_whole(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct session *s = open_picker(FAKE_ENTRIES, &sizes[i]);
		const struct vm_config *saved = &s->daemon.seen->saved.config;

		go_to(s, "01:00.1");
		session_wait(s, "group 2 also holds 01:00.0 3D controller: both move");
		session_keys(s, " ");
		session_wait(s, "guest 01:00.0 3D controller");
		session_wait(s, "guest 01:00.1 Audio device");
		/* What it is, and what ROM the guest sees. */
		go_to(s, "01:00.0");
		session_wait(s, "144d:a80a  driver nouveau  16.0 GT/s x16  NUMA node 1");
		session_keys(s, "o");
		if (sizes[i].cols >= 80)
			session_wait(s, "ROM hidden");
		keep(s);
		assert_int_equal(saved->vfio_count, 2);
		assert_string_equal(saved->vfio[0].address, "0000:01:00.0");
		assert_int_equal(saved->vfio[0].no_rom, 1);
		/* With what it is known again by. */
		assert_int_equal(saved->vfio[0].vendor, 0x144d);
		assert_int_equal(saved->vfio[0].device, 0xa80a);
		assert_string_equal(saved->vfio[0].serial, "S64ENX0R123456");
		assert_string_equal(saved->vfio[1].address, "0000:01:00.1");
		assert_int_equal(saved->vfio[1].no_rom, 0);
		session_wait(s, "01:00.0, 01:00.1");
		/* And back. */
		session_keys(s, "\r");
		session_wait(s, "guest 01:00.0 3D controller");
		go_to(s, "01:00.0");
		session_keys(s, " ");
		session_wait_gone(s, "guest 01:00");
		keep(s);
		assert_int_equal(saved->vfio_count, 0);
		leave(s);
	}
}

static void test_what_the_host_needs_stays(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct session *s = open_picker(FAKE_ENTRIES, &sizes[i]);

		go_to(s, "02:00.0");
		session_wait(s, "nvme0n1p1 is mounted on /");
		session_keys(s, " ");
		session_wait(s, "02:00.0 cannot be passed through: nvme0n1p1 is mounted on");
		/* A bridge, and what no IOMMU tells apart. */
		go_to(s, "00:1c.0");
		session_keys(s, " ");
		session_wait(s, "00:1c.0 is a bridge: it stays with the host.");
		go_to(s, "05:00.0");
		session_keys(s, " ");
		session_wait(s, "05:00.0 is in no IOMMU group");
		assert_false(session_shows(s, "guest 0"));
		session_keys(s, "q");
		leave(s);
	}
}

static void test_missing_acs_is_said(void **state)
{
	struct session *s = open_picker(FAKE_ENTRIES, &sizes[0]);

	(void)state;
	go_to(s, "03:00.0");
	session_wait(s, "group 4 also holds 04:00.0 SATA controller: both move (no ACS above");
	session_keys(s, " ");
	session_wait(s, "guest 04:00.0 SATA controller");
	/* The bridge of the group stays, and one that is alone is not even shown. */
	assert_false(session_shows(s, "guest 00:1c.0"));
	assert_false(session_shows(s, "00:1f.0"));
	keep(s);
	assert_int_equal(s->daemon.seen->saved.config.vfio_count, 2);
	session_keys(s, "q");
	session_wait(s, "4G  4cpu 2 pci");
	session_wait(s, "pci: 03:00.0, 04:00.0");
	session_leave(s);
}

static void test_the_console_gpu_asks_first(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct session *s = open_picker(FAKE_ENTRIES, &sizes[i]);

		go_to(s, "00:02.0");
		session_keys(s, " ");
		session_wait(s, "all the same?");
		session_wait(s, "you will lose VGA");
		session_keys(s, "n");
		session_wait_gone(s, "all the same?");
		assert_false(session_shows(s, "guest 00:02.0"));
		session_keys(s, " ");
		session_wait(s, "all the same?");
		session_keys(s, "y");
		session_wait(s, "guest 00:02.0 VGA controller");
		keep(s);
		assert_string_equal(s->daemon.seen->saved.config.vfio[0].address, "0000:00:02.0");
		leave(s);
	}
}

/* A card was plugged in since, and buses have other numbers. */
static void test_another_device_at_the_address_is_none_of_the_entrys(void **state)
{
	(void)state;
	setenv("FAKE_MOVED", "1", 1);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct session *s = open_picker(FAKE_ENTRIES, &sizes[i]);
		const struct vm_config *saved = &s->daemon.seen->saved.config;

		session_wait(s, "This machine has no 44:00.0: x takes it out");
		assert_false(session_shows(s, "guest 0"));
		go_to(s, "01:00.0");
		session_wait(s, "PCI device 0000:01:00.0 is 144d:a80a (3D controller), not");
		session_wait(s, "0000:04:00.0: choose that.");
		session_keys(s, "x");
		session_wait_gone(s, "x takes it out");
		session_wait_gone(s, "choose that");
		/* The right one, with its group. */
		go_to(s, "04:00.0");
		session_keys(s, " ");
		session_wait(s, "guest 04:00.0");
		keep(s);
		assert_int_equal(saved->vfio_count, 2);
		assert_string_equal(saved->vfio[0].address, "0000:03:00.0");
		assert_string_equal(saved->vfio[1].address, "0000:04:00.0");
		assert_int_equal(saved->vfio[1].vendor, 0x10de);
		assert_int_equal(saved->vfio[1].device, 0x1b80);
		leave(s);
	}
	unsetenv("FAKE_MOVED");
}

/* Without a look into the picker before. */
static void test_the_checklist_knows_of_devices(void **state)
{
	struct session *s;

	(void)state;
	setenv("FAKE_MOVED", "1", 1);
	s = session_open(FAKE_ENTRIES, &sizes[0]);
	unsetenv("FAKE_MOVED");
	session_wait(s, "6 entries");
	/* These facts come after what was asked for with the entries. */
	session_keys(s, "i");
	session_wait(s, "AMD EPYC 7282");
	session_keys(s, "q");
	session_wait(s, "6 entries");
	session_keys(s, "\r");
	session_wait(s, "Before Debian GNU/Linux 12 starts");
	session_wait(s, "!!  01:00.0");
	session_wait(s, "!!  44:00.0");
	session_wait(s, "PCI device 0000:01:00.0 is 144d:a80a (3D controller), not 10de:1b80");
	assert_int_equal(s->daemon.seen->start, 0);
	session_keys(s, "q");
	session_wait(s, "6 entries");
	session_leave(s);
}

/* What stands in the list is cut at the screen's edge; below it there is all of it. */
static void test_the_whole_of_it_is_told_below(void **state)
{
	struct session *s = open_picker(FAKE_ENTRIES, &sizes[1]);

	(void)state;
	go_to(s, "01:00.0");
	session_wait(s, "Example Corporation Model 2  serial number S64ENX0R123456");
	go_to(s, "03:00.0");
	session_wait(s, "144d:a80a  driver e1000e  of 00:1f.6");
	go_to(s, "05:00.0");
	session_wait(s, "on it: USB Keyboard, 0951:1666");
	session_keys(s, "q");
	leave(s);
}

static void test_rows_are_found_by_words(void **state)
{
	struct session *s = open_picker(FAKE_ENTRIES, &sizes[0]);

	(void)state;
	session_keys(s, "/sata\r");
	session_wait_gone(s, "NVMe controller");
	session_wait(s, "IOMMU group 4");
	session_wait(s, "04:00.0 SATA controller");
	session_wait(s, "Only rows with: sata   (Esc shows all)");
	/* A q that came too soon would make it Alt-q. */
	session_keys(s, "\033");
	session_wait_gone(s, "Only rows with");
	session_wait(s, "NVMe controller");
	session_keys(s, "q");
	leave(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_group_moves_as_a_whole),
		cmocka_unit_test(test_what_the_host_needs_stays),
		cmocka_unit_test(test_missing_acs_is_said),
		cmocka_unit_test(test_the_console_gpu_asks_first),
		cmocka_unit_test(test_another_device_at_the_address_is_none_of_the_entrys),
		cmocka_unit_test(test_the_checklist_knows_of_devices),
		cmocka_unit_test(test_the_whole_of_it_is_told_below),
		cmocka_unit_test(test_rows_are_found_by_words),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("ui_pci", tests, NULL, NULL);
}
