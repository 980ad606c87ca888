/*
 * The real menu under a pseudo-terminal, with a fake daemon behind it and libvterm as the judge of
 * what an operator sees.
 */
#ifndef VMB_TESTS_MENU_SESSION_H
#define VMB_TESTS_MENU_SESSION_H

#include <pty.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <utmp.h>
#include <vterm.h>

#include "fake_daemon.h"

#define MENU_PROGRAM "build/san/vmboot"
#define RAW_MAX	     (1 << 22)

struct session {
	struct fake_daemon daemon;
	pid_t pid; /* 0 once it was reaped */
	int status;
	int master;
	struct termios before;
	VTerm *vt;
	VTermScreen *screen;
	int rows, cols;
	char *raw; /* all the menu wrote */
	size_t raw_len;
	char text[60000]; /* the screen as text, made by session_text() */
};

struct session_options {
	const char *term;
	int rows, cols;
	const char *env[6]; /* "NAME=VALUE" */
	const char *socket; /* NULL: the fake daemon's */
	const char *command; /* NULL: "menu" */
	const char *args[4]; /* more for the command line */
};

/* What most terminals are. */
static const struct session_options plain __attribute__((unused)) = {
	.term = "xterm-256color", .rows = 24, .cols = 80};

static __attribute__((unused)) void session_resize(struct session *s, int rows, int cols)
{
	struct winsize size = {.ws_row = (unsigned short)rows, .ws_col = (unsigned short)cols};

	s->rows = rows;
	s->cols = cols;
	vterm_set_size(s->vt, rows, cols);
	ioctl(s->master, TIOCSWINSZ, &size);
}

static void session_exec(const struct session *s, const struct session_options *o)
{
	char *const argv[] = {MENU_PROGRAM, strdup(o->command ? o->command : "menu"), "--socket",
			      strdup(o->socket ? o->socket : s->daemon.path),
			      o->args[0] ? strdup(o->args[0]) : NULL,
			      o->args[1] ? strdup(o->args[1]) : NULL,
			      o->args[2] ? strdup(o->args[2]) : NULL,
			      o->args[3] ? strdup(o->args[3]) : NULL, NULL};

	setenv("TERM", o->term, 1);
	setenv("LANG", "C.UTF-8", 1);
	setenv("SHELL", "/bin/sh", 1);
	/* Its own exit status for what a sanitizer finds. */
	setenv("ASAN_OPTIONS", "exitcode=99:detect_leaks=1", 1);
	setenv("UBSAN_OPTIONS", "exitcode=98:halt_on_error=1", 1);
	unsetenv("LC_ALL");
	unsetenv("LC_CTYPE");
	unsetenv("NO_COLOR");
	for (int i = 0; i < 6 && o->env[i]; i++)
		putenv(strdup(o->env[i]));
	execv(MENU_PROGRAM, argv);
	_exit(127);
}

static struct session *session_open(enum fake_scene scene, const struct session_options *o)
{
	struct winsize size = {.ws_row = (unsigned short)o->rows, .ws_col = (unsigned short)o->cols};
	struct session *s = calloc(1, sizeof(*s));
	int slave;

	s->raw = malloc(RAW_MAX);
	if (scene != FAKE_NONE)
		fake_daemon_start(&s->daemon, scene);
	if (openpty(&s->master, &slave, NULL, NULL, &size) < 0)
		exit(1);
	tcgetattr(slave, &s->before);
	s->rows = o->rows;
	s->cols = o->cols;
	s->vt = vterm_new(o->rows, o->cols);
	vterm_set_utf8(s->vt, 1);
	s->screen = vterm_obtain_screen(s->vt);
	vterm_screen_enable_altscreen(s->screen, 1);
	vterm_screen_reset(s->screen, 1);
	s->pid = fork();
	if (s->pid == 0) {
		close(s->master);
		login_tty(slave);
		session_exec(s, o);
	}
	close(slave);
	fcntl(s->master, F_SETFL, O_NONBLOCK);
	return s;
}

/* Reads what the menu wrote within MS milliseconds; returns false at its end. */
static bool session_read(struct session *s, int ms)
{
	struct pollfd p = {.fd = s->master, .events = POLLIN};
	char buf[4096];
	ssize_t n;

	if (poll(&p, 1, ms) <= 0)
		return true;
	n = read(s->master, buf, sizeof(buf));
	if (n <= 0)
		return n < 0 && errno == EAGAIN;
	vterm_input_write(s->vt, buf, (size_t)n);
	if (s->raw_len + (size_t)n < RAW_MAX) {
		memcpy(s->raw + s->raw_len, buf, (size_t)n);
		s->raw_len += (size_t)n;
	}
	return true;
}

static __attribute__((unused)) void session_idle(struct session *s, int ms)
{
	uint64_t end = loop_now_ms() + (uint64_t)ms;

	while (loop_now_ms() < end)
		session_read(s, 10);
}

/* Reads until nothing has come for a quarter of a second; a running VM's clock ticks once a second. */
static __attribute__((unused)) void session_settle(struct session *s)
{
	uint64_t end = loop_now_ms() + 5000, quiet = loop_now_ms();
	size_t seen = s->raw_len;

	while (loop_now_ms() < end && loop_now_ms() - quiet < 250) {
		session_read(s, 10);
		if (s->raw_len != seen)
			quiet = loop_now_ms();
		seen = s->raw_len;
	}
}

static uint32_t session_char(const struct session *s, int row, int col)
{
	VTermScreenCell cell;

	if (!vterm_screen_get_cell(s->screen, (VTermPos){.row = row, .col = col}, &cell) ||
	    cell.chars[0] == 0 || cell.chars[0] == (uint32_t)-1)
		return ' ';
	return cell.chars[0];
}

/* The screen, a line per row, '#' for what is not ASCII. */
static const char *session_text(struct session *s)
{
	size_t at = 0;

	for (int row = 0; row < s->rows; row++) {
		for (int col = 0; col < s->cols && at < sizeof(s->text) - 2; col++) {
			uint32_t ch = session_char(s, row, col);

			s->text[at++] = ch < 0x7F ? (char)ch : '#';
		}
		if (at < sizeof(s->text) - 1)
			s->text[at++] = '\n';
	}
	s->text[at] = '\0';
	return s->text;
}

static bool session_shows(struct session *s, const char *text)
{
	return strstr(session_text(s), text) != NULL;
}

/* Where TEXT begins on the screen; fails the test if it is not there. */
static inline VTermPos session_find(struct session *s, const char *text)
{
	const char *screen = session_text(s), *at = strstr(screen, text);

	if (!at) {
		fprintf(stderr, "%s\n", screen);
		fail_msg("\"%s\" is not on the screen", text);
	}
	return (VTermPos){.row = (int)(at - screen) / (s->cols + 1),
			  .col = (int)(at - screen) % (s->cols + 1)};
}

static inline VTermScreenCell session_cell(struct session *s, const char *text)
{
	VTermScreenCell cell = {0};

	assert_true(vterm_screen_get_cell(s->screen, session_find(s, text), &cell));
	return cell;
}

/* Waits until TEXT is on the screen (or, with GONE, no longer); fails the test after half a minute. */
static void session_wait_for(struct session *s, const char *text, bool gone, int line)
{
	uint64_t end = loop_now_ms() + 30000;

	while (session_shows(s, text) == gone) {
		if (loop_now_ms() > end || !session_read(s, 50)) {
			session_idle(s, 50);
			if (session_shows(s, text) != gone)
				return;
			fprintf(stderr, "%s\n", session_text(s));
			fail_msg("line %d: \"%s\" %s", line, text, gone ? "stays" : "does not come");
		}
	}
}

#define session_wait(s, text)	   session_wait_for(s, text, false, __LINE__)
#define session_wait_gone(s, text) session_wait_for(s, text, true, __LINE__)

/* Waits until a number the fake daemon counts has reached WANT. */
#define session_wait_count(s, counter, want)                                                       \
	do {                                                                                       \
		uint64_t until = loop_now_ms() + 30000;                                            \
		while ((s)->daemon.seen->counter < (want) && loop_now_ms() < until)                \
			session_read(s, 20);                                                       \
		assert_int_equal((s)->daemon.seen->counter, want);                                 \
	} while (0)

static void session_send(struct session *s, const char *bytes, size_t n)
{
	while (n > 0) {
		ssize_t done = write(s->master, bytes, n);

		if (done < 0 && errno != EAGAIN)
			return;
		if (done > 0) {
			bytes += done;
			n -= (size_t)done;
		} else {
			session_read(s, 10);
		}
	}
}

static void session_keys(struct session *s, const char *keys)
{
	session_send(s, keys, strlen(keys));
}

/* Waits for the menu to end; returns wait()'s status. */
static int session_end(struct session *s)
{
	uint64_t end = loop_now_ms() + 30000;

	while (s->pid && loop_now_ms() < end) {
		session_read(s, 20);
		if (waitpid(s->pid, &s->status, WNOHANG) == s->pid)
			s->pid = 0;
	}
	if (s->pid) {
		fprintf(stderr, "%s\n", session_text(s));
		fail_msg("the menu does not end");
	}
	session_idle(s, 30);
	return s->status;
}

/* The line settings are what they were before the menu. */
static bool session_tty_restored(struct session *s)
{
	struct termios now;

	tcgetattr(s->master, &now);
	return now.c_iflag == s->before.c_iflag && now.c_oflag == s->before.c_oflag &&
	       now.c_cflag == s->before.c_cflag && now.c_lflag == s->before.c_lflag;
}

/* The menu wrote BYTES at some time. */
static inline bool session_wrote(const struct session *s, const char *bytes)
{
	return memmem(s->raw, s->raw_len, bytes, strlen(bytes)) != NULL;
}

/* The menu, and from it the console of a VM that has just been started. */
static __attribute__((unused)) struct session *session_open_console(enum fake_scene scene,
								    const struct session_options *o)
{
	struct session *s = session_open(scene, o);

	session_wait(s, "Enter starts /boot/CLOUDHV.fd");
	session_keys(s, "\r");
	session_wait(s, scene == FAKE_SETUP ? "of 50" : scene == FAKE_SILENT ? "^] menu" : "Shell>");
	return s;
}

static void session_close(struct session *s)
{
	if (s->pid) {
		kill(s->pid, SIGKILL);
		waitpid(s->pid, NULL, 0);
	}
	if (s->daemon.pid)
		fake_daemon_stop(&s->daemon);
	close(s->master);
	vterm_free(s->vt);
	free(s->raw);
	free(s);
}

/* The menu in a terminal of the usual size, its lists there. */
static __attribute__((unused)) struct session *session_open_main(enum fake_scene scene)
{
	struct session *s = session_open(scene, &plain);

	session_wait(s, "firmware image");
	return s;
}

/* The menu in a terminal as O says, once it knows what Enter does. */
static __attribute__((unused)) struct session *session_open_ready(enum fake_scene scene,
								   const struct session_options *o)
{
	struct session *s = session_open(scene, o);

	session_wait(s, "Enter starts /boot/CLOUDHV.fd");
	return s;
}

/* KEYS end the menu, and all is as it was before. */
static __attribute__((unused)) void session_leave_by(struct session *s, const char *keys)
{
	session_keys(s, keys);
	assert_int_equal(session_end(s), 0);
	assert_true(session_tty_restored(s));
	session_close(s);
}

/* From the main screen, without a guest. */
static __attribute__((unused)) void session_leave(struct session *s)
{
	session_leave_by(s, "q");
}

/* From a guest's console back to the menu, and out of that, with the question about the guest. */
static __attribute__((unused)) void session_leave_console(struct session *s)
{
	session_keys(s, "\035.");
	session_wait(s, "Enter: console");
	session_leave_by(s, "qy");
}

#endif
