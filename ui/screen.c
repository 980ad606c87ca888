/*
 * See ui/screen.h. Signals only write their number into a pipe. Two handlers do more: a crash, and
 * SIGALRM for a terminal that blocks although we were told to end; both restore with what was
 * prepared beforehand, using nothing but write() and tcsetattr().
 */
#include "ui/screen.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <curses.h>

#include "ui/printk.h"

#define RESTORE_MAX 256

/* Seconds an orderly end may take before the terminal is given up. */
#define END_SECONDS 3

static const int pipe_signals[] = {SIGWINCH, SIGCHLD, SIGTERM, SIGHUP, SIGINT, SIGQUIT};
static const int crash_signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};

#define PIPE_SIGNALS  (sizeof(pipe_signals) / sizeof(pipe_signals[0]))
#define CRASH_SIGNALS (sizeof(crash_signals) / sizeof(crash_signals[0]))

/* The curses singleton and the signal flag. */
static struct {
	bool active; /* curses has the terminal */
	SCREEN *curses;
	struct termios saved;
	struct printk printk;
	char restore[RESTORE_MAX]; /* control sequences that undo what curses did */
	size_t restore_len;
	int pipe[2];
	struct sigaction old_pipe[PIPE_SIGNALS], old_crash[CRASH_SIGNALS];
	struct sigaction old_alarm, old_tstp, old_ttou, old_sigpipe;
} screen = {.printk.lock = -1, .pipe = {-1, -1}};

static void restore_raw(void)
{
	ssize_t n;

	tcflush(STDOUT_FILENO, TCOFLUSH);
	n = write(STDOUT_FILENO, screen.restore, screen.restore_len);
	(void)n;
	tcsetattr(STDIN_FILENO, TCSANOW, &screen.saved);
}

static void on_signal(int number)
{
	int saved = errno;
	uint8_t byte = (uint8_t)number;
	ssize_t n = write(screen.pipe[1], &byte, 1);

	(void)n;
	/* Should the terminal block, nobody will read the pipe. */
	if (number == SIGTERM || number == SIGHUP)
		alarm(END_SECONDS);
	errno = saved;
}

static void on_alarm(int number)
{
	(void)number;
	/* Without this a write to a terminal that takes nothing could block again. */
	fcntl(STDOUT_FILENO, F_SETFL, fcntl(STDOUT_FILENO, F_GETFL) | O_NONBLOCK);
	if (screen.active)
		restore_raw();
	_exit(1);
}

static void on_crash(int number)
{
	if (screen.active)
		restore_raw();
	screen.active = false;
	/* On to whoever handled it before. */
	for (size_t i = 0; i < CRASH_SIGNALS; i++)
		sigaction(crash_signals[i], &screen.old_crash[i], NULL);
	raise(number);
}

/* Appends capability NAME to the restore string, without its padding ("$<2>"). */
static void restore_add(const char *name)
{
	const char *s = tigetstr(name);

	if (!s || s == (const char *)-1)
		return;
	while (*s && screen.restore_len < RESTORE_MAX) {
		if (s[0] == '$' && s[1] == '<' && strchr(s, '>')) {
			s = strchr(s, '>') + 1;
			continue;
		}
		screen.restore[screen.restore_len++] = *s++;
	}
}

static void restore_prepare(void)
{
	static const char *const names[] = {"sgr0", "rmacs", "rmkx", "op", "cnorm", "rmcup"};

	screen.restore_len = 0;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		restore_add(names[i]);
	if (screen.restore_len + 2 <= RESTORE_MAX) {
		screen.restore[screen.restore_len++] = '\r';
		screen.restore[screen.restore_len++] = '\n';
	}
}

static void signals_take(void)
{
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
	struct sigaction ignore = {.sa_handler = SIG_IGN};

	for (size_t i = 0; i < PIPE_SIGNALS; i++)
		sigaction(pipe_signals[i], &action, &screen.old_pipe[i]);
	action.sa_handler = on_alarm;
	sigaction(SIGALRM, &action, &screen.old_alarm);
	/* Stopping would leave the terminal raw; taking it back from a shell must not stop us. */
	sigaction(SIGTSTP, &ignore, &screen.old_tstp);
	sigaction(SIGTTOU, &ignore, &screen.old_ttou);
	sigaction(SIGPIPE, &ignore, &screen.old_sigpipe);
	action.sa_handler = on_crash;
	action.sa_flags = SA_NODEFER;
	for (size_t i = 0; i < CRASH_SIGNALS; i++)
		sigaction(crash_signals[i], &action, &screen.old_crash[i]);
}

void screen_child_signals(void)
{
	for (size_t i = 0; i < PIPE_SIGNALS; i++)
		sigaction(pipe_signals[i], &screen.old_pipe[i], NULL);
	for (size_t i = 0; i < CRASH_SIGNALS; i++)
		sigaction(crash_signals[i], &screen.old_crash[i], NULL);
	sigaction(SIGALRM, &screen.old_alarm, NULL);
	sigaction(SIGTSTP, &screen.old_tstp, NULL);
	sigaction(SIGTTOU, &screen.old_ttou, NULL);
	sigaction(SIGPIPE, &screen.old_sigpipe, NULL);
}

static void curses_modes(void)
{
	raw();
	noecho();
	nonl();
	keypad(stdscr, TRUE); /* the keypad's form only: ui/keys.c decodes both */
	/* Keys are not read through curses: it must not hold output back for them. */
	typeahead(-1);
	leaveok(stdscr, FALSE);
	scrollok(stdscr, FALSE);
}

int screen_start(const struct terminal *terminal, int *ret_signal_fd, struct vmb_err *err)
{
	if (tcgetattr(STDIN_FILENO, &screen.saved) < 0)
		return vmb_err_set(err, errno, "The terminal's settings cannot be read: %s.",
				   strerror(errno));
	if (pipe2(screen.pipe, O_CLOEXEC | O_NONBLOCK) < 0)
		return vmb_err_set(err, errno, "No pipe for signals: %s.", strerror(errno));
	signals_take();
	screen.curses = newterm(terminal->name, stdout, stdin);
	if (!screen.curses) {
		screen_child_signals();
		close(screen.pipe[0]);
		close(screen.pipe[1]);
		return vmb_err_set(err, ENOTTY, "The terminal \"%s\" cannot show a menu. Set TERM to "
				   "what it is, for example vt100.", terminal->name);
	}
	restore_prepare();
	screen.active = true;
	printk_lower(&screen.printk, NULL, NULL);
	curses_modes();
	*ret_signal_fd = screen.pipe[0];
	return 0;
}

void screen_stop(void)
{
	if (!screen.curses)
		return;
	if (screen.active) {
		/* Where whoever comes next writes, on a terminal that has no other screen to go back to. */
		move(LINES - 1, 0);
		clrtoeol();
		refresh();
		endwin();
	}
	screen.active = false;
	printk_restore(&screen.printk, NULL);
	tcsetattr(STDIN_FILENO, TCSADRAIN, &screen.saved);
	delscreen(screen.curses);
	screen.curses = NULL;
	alarm(0);
	screen_child_signals();
	close(screen.pipe[0]);
	close(screen.pipe[1]);
}

int screen_next_signal(void)
{
	uint8_t byte;

	return read(screen.pipe[0], &byte, 1) == 1 ? byte : 0;
}

void screen_suspend(void)
{
	endwin();
	screen.active = false;
	printk_restore(&screen.printk, NULL);
	tcsetattr(STDIN_FILENO, TCSADRAIN, &screen.saved);
}

void screen_resume(void)
{
	tcsetpgrp(STDIN_FILENO, getpgrp());
	screen.active = true;
	printk_lower(&screen.printk, NULL, NULL);
	curses_modes();
	clearok(curscr, TRUE);
	refresh();
}

void screen_begin(void)
{
	erase();
}

void screen_end(bool cursor_shown, int row, int col)
{
	curs_set(cursor_shown ? 1 : 0);
	move(row, col);
	refresh();
}

void screen_write(const uint8_t *buf, size_t n)
{
	while (n > 0) {
		ssize_t done = write(STDOUT_FILENO, buf, n);

		if (done < 0 && errno != EINTR)
			return;
		if (done > 0) {
			buf += done;
			n -= (size_t)done;
		}
	}
}

/*
 * Any string or sequence is ended; then DEC's modes that move or hide the cursor, insert mode, margins,
 * character sets, the mouse's and paste's reports, keypad and cursor keys go back to what curses takes
 * for granted. What a terminal does not know of these it ignores.
 */
void screen_repair(void)
{
	static const char modes[] = "\030\033\\"
				    "\033[0m\033[r\033[4l\033[?6l\033[?7h\033[?25h\033[?5l"
				    "\033(B\033)0\017\033[?1000l\033[?1002l\033[?1003l"
				    "\033[?1006l\033[?2004l\033[?1l\033>";

	screen_write((const uint8_t *)modes, sizeof(modes) - 1);
	endwin();
	curses_modes();
	clearok(curscr, TRUE);
	refresh();
}

void screen_spoil(void)
{
	clearok(curscr, TRUE);
}

unsigned int screen_paint_interval(void)
{
	static const speed_t slow[] = {B300, B600, B1200, B2400, B4800, B9600, B19200};
	speed_t speed = cfgetospeed(&screen.saved);

	for (size_t i = 0; i < sizeof(slow) / sizeof(slow[0]); i++)
		if (speed == slow[i])
			return 200;
	return 33;
}

int screen_set_speed(unsigned int baud)
{
	struct termios now;

	/* glibc takes the number as well as the constant. */
	if (tcgetattr(STDIN_FILENO, &now) < 0 || cfsetspeed(&now, baud) < 0 ||
	    tcsetattr(STDIN_FILENO, TCSADRAIN, &now) < 0)
		return -errno;
	cfsetspeed(&screen.saved, baud);
	return 0;
}

const char *screen_terminal_name(void)
{
	return termname();
}

bool screen_has_no_size(void)
{
	struct winsize size = {0};

	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_row == 0 || size.ws_col == 0;
}

void screen_ask_size(void)
{
	/* DECSC, CUP, DSR 6, DECRC: what every terminal since the VT100 has. */
	static const char question[] = "\0337\033[999;999H\033[6n\0338";

	screen_write((const uint8_t *)question, sizeof(question) - 1);
}

void screen_set_size(int rows, int cols)
{
	struct winsize size = {.ws_row = (unsigned short)rows, .ws_col = (unsigned short)cols};

	ioctl(STDOUT_FILENO, TIOCSWINSZ, &size);
}

void screen_measure(int *ret_rows, int *ret_cols)
{
	struct winsize size = {0};
	int rows = 24, cols = 80;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 && size.ws_col > 0) {
		rows = size.ws_row > 500 ? 500 : size.ws_row;
		cols = size.ws_col > 500 ? 500 : size.ws_col;
	}
	if (rows != LINES || cols != COLS)
		resizeterm(rows, cols);
	*ret_rows = rows;
	*ret_cols = cols;
}
