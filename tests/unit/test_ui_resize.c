/*
 * Every screen at every size that it has to fit, by the sizes a terminal goes through while it is open: laid out anew, all of
 * it on the screen, as ^L would paint it, and what it was when the terminal is what it was.
 */
#include "test.h"

#include <ctype.h>

#include "menu_keys.h"
#include "menu_session.h"

#define NINE_DOWN DOWN DOWN DOWN DOWN DOWN DOWN DOWN DOWN DOWN

/* KEYS lead from the main screen to one that SHOWS something at every size. */
struct shot {
	enum fake_scene scene;
	const char *keys;
	const char *shows;
};

static const struct shot shots[] = {
	{FAKE_ENTRIES, "", "6 entries"},
	{FAKE_COUNTDOWN, "", "any key to wait"},
	{FAKE_ENTRIES, "/deb", "Only rows with: deb"},
	{FAKE_ENTRIES, "e", "[ Start ]"},
	{FAKE_ENTRIES, "n", "[ Start ]"},
	{FAKE_ENTRIES, "s", "LUKS - can be"},
	{FAKE_ENTRIES, "f", "sha256 0123456789ab"},
	{FAKE_ENTRIES, "fv", "2222222222222222"},
	{FAKE_ENTRIES, "e" NINE_DOWN "\r", "Network of Debian"},
	{FAKE_ENTRIES, "e" NINE_DOWN DOWN "\r", "PCI"},
	{FAKE_ENTRIES, "p", "PCI"},
	{FAKE_ENTRIES, "c", "store: /etc/vmboot"},
	{FAKE_ENTRIES, "c" NINE_DOWN "\r", "New password:"},
	{FAKE_ENTRIES, "R", "Enter ok"},
	{FAKE_ENTRIES, "D", "y yes"},
	{FAKE_ENTRIES, "i", "AMD EPYC"},
	{FAKE_LOGGED, "l", "event 60 of the log"},
	{FAKE_LOGGED, "ls", "STICK"},
	{FAKE_ENTRIES, "P", "switch this machine off"},
	{FAKE_ENTRIES, "?", "Main screen"},
	{FAKE_LOCKED, "U", "Password:"},
	{FAKE_EMPTY, "", "No disks found"},
	{FAKE_NO_KVM, "\r", "CPU has no vmx/svm flag"},
	{FAKE_NORMAL, "\r", "Shell>"},
	{FAKE_NORMAL, "\r\035k", "y yes"},
	{FAKE_NORMAL, "\r\035[", "Shell>"},
	{FAKE_NORMAL, "\r\004", "The guest switched itself off."},
};

/* The screen, with every digit as 0: clocks go on. */
static const char *picture(struct session *s, char buf[60000])
{
	strcpy(buf, session_text(s));
	for (char *c = buf; *c; c++)
		if (isdigit((unsigned char)*c))
			*c = '0';
	return buf;
}

/* Until nothing has come for MS milliseconds. */
static void wait_quiet(struct session *s, int ms)
{
	uint64_t quiet = loop_now_ms();
	size_t seen = s->raw_len;

	while (loop_now_ms() - quiet < (uint64_t)ms) {
		session_read(s, 5);
		if (s->raw_len != seen)
			quiet = loop_now_ms();
		seen = s->raw_len;
	}
}

/* True if what is there after QUIET_MS is what a whole new painting makes of it. */
static bool same_as_painted(struct session *s, int quiet_ms)
{
	static char before[60000], after[60000];
	uint64_t end = loop_now_ms() + 10 * (uint64_t)quiet_ms;
	size_t seen;

	wait_quiet(s, quiet_ms);
	picture(s, before);
	seen = s->raw_len;
	session_keys(s, "\014");
	while (s->raw_len == seen && loop_now_ms() < end)
		session_read(s, 5);
	while (strcmp(before, picture(s, after)) != 0 && loop_now_ms() < end)
		session_read(s, 5);
	return strcmp(before, after) == 0;
}

/* A guest's console has no ^L of ours: there it is the guest's. */
static void check_painting(struct session *s, const struct shot *shot)
{
	if (session_shows(s, "^] menu"))
		return;
	/* A busy machine may come to it late. */
	for (int ms = 60; !same_as_painted(s, ms); ms *= 5) {
		if (ms < 3000)
			continue;
		fprintf(stderr, "%s\n", session_text(s));
		fail_msg("\"%s\" at %d x %d is not what ^L paints", shot->keys, s->rows, s->cols);
	}
}

static void look_at(const struct shot *shot)
{
	static const int sizes[][2] = {{20, 60}, {43, 132}, {24, 80}};
	static const struct session_options o = {.term = "xterm", .rows = 24, .cols = 80};
	struct session *s = session_open(shot->scene, &o);
	static char first[60000], last[60000];

	session_wait(s, shot->scene == FAKE_EMPTY ? "0 disks" : "CLOUDHV.fd");
	wait_quiet(s, 120);
	for (const char *k = shot->keys; *k; k++) {
		session_send(s, k, 1);
		/* The next key is for the guest, when there is one. */
		if (*k == '\r' && shot->scene == FAKE_NORMAL)
			session_wait(s, "Shell>");
	}
	session_wait(s, shot->shows);
	wait_quiet(s, 120);
	picture(s, first);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		session_resize(s, sizes[i][0], sizes[i][1]);
		session_wait(s, shot->shows);
		check_painting(s, shot);
	}
	for (int i = 0; i < 200 && strcmp(first, picture(s, last)) != 0; i++)
		session_idle(s, 50);
	if (strcmp(first, last) != 0) {
		fprintf(stderr, "%s\n%s\n", first, last);
		fail_msg("\"%s\" is not what it was", shot->keys);
	}
	session_close(s);
}

static void test_every_screen_at_every_size(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(shots) / sizeof(shots[0]); i++)
		look_at(&shots[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_screen_at_every_size),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("ui_resize", tests, NULL, NULL);
}
