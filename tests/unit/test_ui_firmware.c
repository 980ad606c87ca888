/* The screen of all firmware: what one image is, and what a start with it keeps. */
#include "test.h"

#include "menu_session.h"

static struct session *open_firmware(enum fake_scene scene, int rows, int cols)
{
	const struct session_options o = {.term = "xterm-256color", .rows = rows, .cols = cols};
	struct session *s = session_open(scene, &o);

	session_wait(s, "firmware image");
	session_keys(s, "f");
	session_wait(s, "Firmware");
	session_wait(s, "CLOUDHV.fd of /dev/nvme0n1p2");
	return s;
}

/* Short where images are compared, whole where one is checked against what its maker says. */
static void test_hash_and_variables(void **state)
{
	static const int sizes[][2] = {{24, 80}, {20, 60}, {43, 132}};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct session *s = open_firmware(FAKE_NORMAL, sizes[i][0], sizes[i][1]);

		session_wait(s, "sha256 0123456789ab ");
		session_wait(s, "variables: 528K, written 3 days ago");
		assert_false(session_shows(s, FAKE_SHA256_1));
		session_keys(s, "v");
		session_wait(s, FAKE_SHA256_1);
		session_wait(s, FAKE_SHA256_2);
		session_wait(s, "/var/lib/vmboot");
		session_keys(s, "q");
		session_wait_gone(s, FAKE_SHA256_2);
		session_keys(s, "q");
		session_wait(s, "Enter starts");
		session_leave(s);
	}
}

static void test_what_cannot_be_started(void **state)
{
	struct session *s = open_firmware(FAKE_NORMAL, 24, 80);

	(void)state;
	session_keys(s, "\033[F");
	session_wait(s, "Cannot be started: It is a flash image");
	session_keys(s, "v");
	session_wait(s, "# Cannot be started: It is a flash image");
	session_keys(s, "qq");
	session_wait(s, "Enter starts");
	session_leave(s);
}

/* Before the first start there is no variable file; and a log without room is said before the start, which it does not stop. */
static void test_no_variables_and_no_room(void **state)
{
	struct session *s = open_firmware(FAKE_NO_ROOM, 24, 80);

	(void)state;
	session_wait(s, "variables: none yet");
	session_keys(s, "q");
	session_wait(s, "Enter starts");
	session_keys(s, "\r");
	session_wait(s, "Before CLOUDHV.fd starts");
	session_wait(s, "!!  Console log");
	session_wait(s, "3M free for /run/vmboot/console.log, which can grow to 32 MiB");
	session_wait(s, "It starts like this, but see what is marked !!.");
	assert_int_equal(s->daemon.seen->start, 0);
	session_keys(s, "\r");
	session_wait(s, "Shell>");
	session_close(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hash_and_variables),
		cmocka_unit_test(test_what_cannot_be_started),
		cmocka_unit_test(test_no_variables_and_no_room),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("ui_firmware", tests, NULL, NULL);
}
