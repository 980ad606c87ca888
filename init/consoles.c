/* See init/consoles.h. */
#include "consoles.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ttydefaults.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "host.h"
#include "text.h"

#define LIST_SIZE     4096
#define OFFER_SECONDS 30

/* ---- which ---- */

static bool is_virtual(const char *name)
{
	return strncmp(name, "tty", 3) == 0 && isdigit((unsigned char)name[3]);
}

const char *consoles_term(const char *name)
{
	return is_virtual(name) ? "linux" : "vt220";
}

static unsigned int add(const char *root, const char *name, char names[CONSOLES_MAX][16],
			unsigned int count)
{
	char shown[64];

	if (strcmp(name, "tty0") == 0) {
		name = "tty1";
		if (host_read_file(root, "/sys/class/tty/tty0/active", shown, sizeof(shown))) {
			shown[strcspn(shown, "\n")] = '\0';
			name = shown;
		}
	}
	for (unsigned int i = 0; i < count; i++)
		if (strcmp(names[i], name) == 0)
			return count;
	if (count == CONSOLES_MAX || strchr(name, '/') ||
	    text_copy(names[count], sizeof(names[0]), name) < 0)
		return count;
	return count + 1;
}

/* "ttyS0                -W- (EC p  a)    4:64": enabled, and a device. */
static bool parse_line(const char *line, char name[32])
{
	unsigned int major, minor;
	char flags[16];

	return sscanf(line, "%31s %*s (%15[^)]) %u:%u", name, flags, &major, &minor) == 4 &&
	       strchr(flags, 'E');
}

unsigned int consoles_list(const char *root, char names[CONSOLES_MAX][16])
{
	char text[LIST_SIZE], name[32], *rest = NULL;
	unsigned int count = 0;

	if (host_read_file(root, "/proc/consoles", text, sizeof(text)))
		for (char *line = strtok_r(text, "\n", &rest); line;
		     line = strtok_r(NULL, "\n", &rest))
			if (parse_line(line, name))
				count = add(root, name, names, count);
	if (count == 0 && host_read_file(root, "/sys/class/tty/console/active", text, sizeof(text)))
		for (char *word = strtok_r(text, " \n", &rest); word;
		     word = strtok_r(NULL, " \n", &rest))
			count = add(root, word, names, count);
	return count;
}

/* ---- the child ---- */

static void put(const char *text)
{
	(void)!write(STDOUT_FILENO, text, strlen(text));
}

/* What stty(1) calls sane, at SPEED, or with 0 the one that the kernel has set; a menu that was killed leaves the line raw. */
static void set_sane(unsigned int speed)
{
	static const cc_t keys[NCCS] = {
		[VINTR] = CINTR,       [VQUIT] = CQUIT,	    [VERASE] = CERASE,
		[VKILL] = CKILL,       [VEOF] = CEOF,	    [VMIN] = 1,
		[VSTART] = CSTART,     [VSTOP] = CSTOP,	    [VSUSP] = CSUSP,
		[VREPRINT] = CREPRINT, [VWERASE] = CWERASE, [VLNEXT] = CLNEXT,
	};
	struct termios t;

	if (tcgetattr(STDIN_FILENO, &t) < 0)
		return;
	t.c_iflag = ICRNL | IXON | (t.c_iflag & IUTF8);
	t.c_oflag = OPOST | ONLCR;
	t.c_lflag = ISIG | ICANON | IEXTEN | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE;
	t.c_cflag = (t.c_cflag | CREAD | CLOCAL) & ~(tcflag_t)HUPCL;
	memcpy(t.c_cc, keys, sizeof(keys));
	if (speed)
		cfsetspeed(&t, speed);
	tcsetattr(STDIN_FILENO, TCSANOW, &t);
}

/* False: it is gone, and another console's is not taken for it. Without O_NONBLOCK a serial line may wait for a carrier. */
static bool open_terminal(const struct console_start *start)
{
	int fd = open(start->path, O_RDWR | O_NOCTTY | O_NONBLOCK);

	if (fd < 0 && !start->or_stdin)
		return false;
	setsid();
	if (fd >= 0)
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
	else
		fd = STDIN_FILENO;
	ioctl(fd, TIOCSCTTY, 1);
	dup2(fd, STDIN_FILENO);
	dup2(fd, STDOUT_FILENO);
	dup2(fd, STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
	set_sane(start->speed);
	/* Any sequence is ended; colours, margins, character sets, cursor as they were at power-on. */
	put("\030\033[0m\033[r\033(B\017\033[?25h\033[?7h\033[?1l\033>\r");
	setenv("TERM", start->term, 1);
	return true;
}

static void run_shell(void)
{
	put("\nvmboot: recovery shell. Type exit for the menu. `dmesg` has what was said so "
	    "far.\n");
	execl("/bin/sh", "-sh", (char *)NULL);
	put("vmboot: there is no shell: /bin/sh cannot be run.\n");
	sleep(1);
	_exit(1);
}

static void offer_shell(void)
{
	struct pollfd keys = {.fd = STDIN_FILENO, .events = POLLIN};
	struct termios t;
	char key = 0;
	int n;

	/* What was typed for the menu is no answer, what is typed from the question on is one: so in this order. */
	if (tcgetattr(STDIN_FILENO, &t) == 0) {
		t.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &t);
	}
	put("vmboot: s gives a shell, any other key tries the menu again; so do 30 s.\n");
	n = poll(&keys, 1, OFFER_SECONDS * 1000);
	if (n > 0 && read(STDIN_FILENO, &key, 1) != 1)
		_exit(1); /* the terminal is gone */
	set_sane(0);
	if (key == 's' || key == 'S' || key == '!')
		run_shell();
}

static void run_menu(const struct console_start *start)
{
	char name[] = "vmboot", role[] = "menu", socket_option[] = "--socket",
	     config_option[] = "--config", value[512] = "";
	char *argv[] = {name, role, NULL, value, NULL};

	if (start->socket)
		argv[2] = socket_option;
	else if (start->config)
		argv[2] = config_option;
	if (argv[2])
		text_copy(value, sizeof(value), start->socket ? start->socket : start->config);
	execv(start->program, argv);
	put("vmboot: the menu cannot be started.\n");
	_exit(126);
}

static void unblock_signals(void)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

int console_start(const struct console_start *start, pid_t *ret_pid)
{
	const struct timespec delay = {.tv_sec = start->delay_ms / 1000,
				       .tv_nsec = start->delay_ms % 1000 * 1000000L};
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (pid > 0) {
		*ret_pid = pid;
		return 0;
	}
	for (int i = 1; i < NSIG; i++)
		signal(i, SIG_DFL);
	if (start->what == CONSOLE_WORDS) {
		/* Everybody is told to end when they are said. */
		signal(SIGTERM, SIG_IGN);
		signal(SIGHUP, SIG_IGN);
	}
	unblock_signals();
	if (!open_terminal(start)) {
		nanosleep(&delay, NULL);
		_exit(1);
	}
	if (start->notice) {
		put(start->notice);
		put("\n");
	}
	nanosleep(&delay, NULL);
	switch (start->what) {
	case CONSOLE_MENU: run_menu(start); break;
	case CONSOLE_SHELL: run_shell(); break;
	case CONSOLE_OFFER: offer_shell(); break;
	case CONSOLE_WORDS: break;
	}
	_exit(0);
}
