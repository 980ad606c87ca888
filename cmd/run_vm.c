/*
 * One virtual machine in this terminal, without menu or daemon. The terminal is in raw mode while the
 * guest runs; what the guest prints goes out as it came. Output that the terminal does not take waits
 * in a bounded buffer and is dropped beyond it: a blocked terminal stalls nothing. Once the guest has
 * ended nothing can be stalled, and a slow terminal is waited for.
 */
#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "host.h"
#include "host_pci.h"
#include "launch.h"
#include "log.h"
#include "loop.h"
#include "prefix.h"

#define OUTPUT_SIZE   (256 * 1024)
#define END_WAIT_MSEC 2000 /* after the guest's end: for a terminal that takes nothing meanwhile */

/* What a crash handler needs to give the terminal back. */
static struct termios saved_termios;
static volatile sig_atomic_t terminal_raw;
static int terminal_fd = STDOUT_FILENO; /* non-blocking: a blocked terminal must not keep us */

struct run {
	struct loop *loop;
	struct launch *launch;
	struct prefix prefix;
	unsigned int reset_seen; /* see prefix_would_reset() */
	int out_fd, message_fd, signal_fd, log_fd;
	bool out_closed, stopped_by_us;
	bool stopped; /* the terminal: it took nothing for END_WAIT_MSEC */
	struct loop_io *in_io, *out_io;
	uint8_t *out; /* ring of OUTPUT_SIZE */
	size_t out_head, out_len;
	uint64_t out_lost;
	uint8_t in[1024]; /* typed, for the guest, not taken yet */
	size_t in_len;
	int status;
};

/* ---- the terminal ------------------------------------------------------------------------ */

/* Is there room in FD, now or soon? A terminal that is stopped is waited for once. */
static bool wait_for_room(struct run *run, int fd)
{
	struct pollfd pfd = {.fd = fd, .events = POLLOUT};

	run->stopped = run->stopped || poll(&pfd, 1, END_WAIT_MSEC) <= 0;
	return !run->stopped && !(pfd.revents & (POLLERR | POLLHUP | POLLNVAL));
}

/* All of it to a descriptor that does not block, as long as it takes some now and then. */
static void write_patiently(struct run *run, int fd, const char *buf, size_t n)
{
	while (n > 0) {
		ssize_t put = write(fd, buf, n);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0 && (errno != EAGAIN || !wait_for_room(run, fd)))
			return;
		if (put > 0) {
			buf += put;
			n -= (size_t)put;
		}
	}
}

static void terminal_restore(struct run *run)
{
	/* Colours off, cursor shown, ASCII, automatic margins: what a guest may have left behind. */
	static const char sane[] = "\033[0m\033[?25h\033(B\033[?7h\r\n";

	if (!terminal_raw)
		return;
	terminal_raw = 0;
	tcsetattr(STDIN_FILENO, TCSANOW, &saved_termios);
	if (isatty(terminal_fd))
		write_patiently(run, terminal_fd, sane, sizeof(sane) - 1);
}

static void on_crash(int sig)
{
	if (terminal_raw)
		tcsetattr(STDIN_FILENO, TCSANOW, &saved_termios);
	/* The handler was installed with SA_RESETHAND: this time the signal ends the process. */
	raise(sig);
}

static void terminal_make_raw(void)
{
	static const int crashes[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP};
	struct sigaction action = {.sa_handler = on_crash, .sa_flags = SA_RESETHAND | SA_NODEFER};
	struct termios raw;

	if (tcgetattr(STDIN_FILENO, &saved_termios) < 0)
		return; /* not a terminal: bytes pass as they come */
	for (size_t i = 0; i < sizeof(crashes) / sizeof(crashes[0]); i++)
		sigaction(crashes[i], &action, NULL);
	raw = saved_termios;
	cfmakeraw(&raw);
	terminal_raw = 1;
	tcsetattr(STDIN_FILENO, TCSANOW, &raw);
}

/*
 * A description of FD of our own, so that O_NONBLOCK does not reach the shell's. A regular file
 * never blocks, and its offset has to stay shared with the shell.
 */
static int open_nonblocking(int fd)
{
	char path[32];
	struct stat st;
	int own = -1;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (fstat(fd, &st) == 0 && !S_ISREG(st.st_mode))
		own = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	return own >= 0 ? own : fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

/* ---- output ------------------------------------------------------------------------------ */

static void output_flush(struct run *run)
{
	while (run->out_len > 0 && !run->out_closed) {
		size_t n = OUTPUT_SIZE - run->out_head;
		ssize_t written;

		if (n > run->out_len)
			n = run->out_len;
		written = write(run->out_fd, run->out + run->out_head, n);
		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0 && errno == EAGAIN)
			break;
		if (written < 0) {
			/* Nobody looks any more; the guest goes on until a signal or ^] k. */
			run->out_closed = true;
			run->out_len = 0;
			break;
		}
		run->out_head = (run->out_head + (size_t)written) % OUTPUT_SIZE;
		run->out_len -= (size_t)written;
	}
	if (run->out_io)
		loop_set_events(run->out_io, run->out_len > 0 ? POLLOUT : 0);
}

static void output_add(struct run *run, const void *buf, size_t n)
{
	const uint8_t *bytes = buf;
	size_t room = OUTPUT_SIZE - run->out_len;

	if (run->out_closed)
		return;
	if (n > room) {
		run->out_lost += n - room;
		n = room;
	}
	for (size_t i = 0; i < n; i++)
		run->out[(run->out_head + run->out_len + i) % OUTPUT_SIZE] = bytes[i];
	run->out_len += n;
	output_flush(run);
}

/*
 * A line from vmboot itself: between the guest's output while the terminal is raw, on standard
 * error otherwise.
 */
__attribute__((format(printf, 2, 3))) static void run_say(struct run *run, const char *fmt, ...)
{
	char text[1024], line[sizeof(text) + sizeof("vmboot: \n")];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (!terminal_raw) {
		snprintf(line, sizeof(line), "vmboot: %s\n", text);
		write_patiently(run, run->message_fd, line, strlen(line));
		return;
	}
	output_add(run, "\r\n[vmboot] ", 11);
	output_add(run, text, strlen(text));
	output_add(run, "\r\n", 2);
}

static void on_console(void *ctx, const uint8_t *buf, size_t n)
{
	output_add(ctx, buf, n);
}

static void on_out_ready(void *arg, int fd, short revents)
{
	struct run *run = arg;
	uint64_t lost = run->out_lost;

	(void)fd;
	if (revents & (POLLERR | POLLHUP | POLLNVAL)) {
		run->out_closed = true;
		run->out_len = 0;
		loop_remove_io(run->out_io);
		run->out_io = NULL;
		return;
	}
	output_flush(run);
	if (run->out_len == 0 && lost > 0) {
		run->out_lost = 0;
		run_say(run, "%llu bytes of the console were lost: this terminal was blocked.",
			(unsigned long long)lost);
	}
}

/* ---- input ------------------------------------------------------------------------------- */

static void input_push(struct run *run)
{
	size_t taken = launch_input(run->launch, run->in, run->in_len);

	memmove(run->in, run->in + taken, run->in_len - taken);
	run->in_len -= taken;
	/* While the guest reads nothing we read nothing: keys wait in the terminal's own queue,
	 * except that half a buffer is kept free so that the prefix key still works. */
	if (run->in_io)
		loop_set_events(run->in_io, run->in_len > sizeof(run->in) / 2 ? 0 : POLLIN);
}

static void input_byte(struct run *run, uint8_t byte)
{
	uint8_t pass;

	switch (prefix_feed(&run->prefix, byte, &pass)) {
	case PREFIX_PASS:
		if (!prefix_would_reset(&run->reset_seen, pass))
			run->in[run->in_len++] = pass;
		break;
	case PREFIX_WAIT: break;
	case PREFIX_HELP: run_say(run, "keys:\r\n%s", prefix_help()); break;
	case PREFIX_KILL:
		run->stopped_by_us = true;
		launch_stop(run->launch);
		break;
	case PREFIX_RESET: launch_reset(run->launch); break;
	case PREFIX_POWER: launch_power_button(run->launch); break;
	/* There is no menu to go to, nor a view of ours. */
	default: run_say(run, "^] ? lists the keys."); break;
	}
}

static void on_in_ready(void *arg, int fd, short revents)
{
	struct run *run = arg;
	uint8_t buf[sizeof(run->in) / 2];
	ssize_t n;

	(void)revents;
	n = read(fd, buf, sizeof(buf));
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		/* No more keys will come; SIGHUP tells when the terminal itself went away. */
		loop_remove_io(run->in_io);
		run->in_io = NULL;
		return;
	}
	for (ssize_t i = 0; i < n; i++)
		input_byte(run, buf[i]);
	input_push(run);
}

static void on_input_ready(void *ctx)
{
	input_push(ctx);
}

/* ---- the vmm's life ---------------------------------------------------------------------- */

static int status_of(const struct run *run, const struct vmm_exited *exited)
{
	switch (exited->reason) {
	case VMM_EXIT_POWER_OFF: return 0;
	case VMM_EXIT_STOPPED: return 3;
	case VMM_EXIT_GUEST_FAULT: return 1;
	case VMM_EXIT_ERROR: return 2;
	default: return run->stopped_by_us ? 3 : 1;
	}
}

/* A guest that faults on a KVM that cannot run firmware has nothing wrong with it: say so. */
static void say_if_kvm_is_unable(struct run *run)
{
	struct kvm_ability ability;
	struct vmb_err err;
	int kvm = host_check_kvm(NULL);

	if (kvm < 0)
		return;
	if (vmm_probe_kvm(kvm, &ability, NULL) == 0 && host_judge_ability(&ability, &err) < 0)
		run_say(run, "%s", err.text);
	close(kvm);
}

static void on_ended(void *ctx, const struct vmm_exited *exited, const char *warning)
{
	struct run *run = ctx;

	run->status = status_of(run, exited);
	/* What the guest said last goes out before our own words. */
	do
		output_flush(run);
	while (run->out_len > 0 && wait_for_room(run, run->out_fd));
	terminal_restore(run);
	if (warning)
		run_say(run, "%s", warning);
	run_say(run, "%s", exited->text);
	if (exited->reason == VMM_EXIT_GUEST_FAULT)
		say_if_kvm_is_unable(run);
	loop_quit(run->loop, 0);
}

static void on_was_reset(void *ctx)
{
	run_say(ctx, "The guest was reset.");
}

static void on_guest_event(void *ctx, uint32_t event)
{
	run_say(ctx, "%s", vmm_guest_event_text(event));
	if (event == VMM_GUEST_PANICKED)
		run_say(ctx, "^] r resets it, ^] k ends it.");
}

static void on_signal(void *arg, int fd, short revents)
{
	struct run *run = arg;
	struct signalfd_siginfo info;

	(void)revents;
	if (read(fd, &info, sizeof(info)) != sizeof(info))
		return;
	run->stopped_by_us = true;
	launch_stop(run->launch);
}

/* Lines of the vmm's log; they come through a pipe so that a raw terminal shows them straight. */
static void on_log(void *arg, int fd, short revents)
{
	struct run *run = arg;
	char buf[1024];
	ssize_t n = read(fd, buf, sizeof(buf));

	(void)revents;
	for (ssize_t i = 0; i < n; i++) {
		if (!terminal_raw) {
			(void)!write(run->message_fd, buf + i, 1);
			continue;
		}
		if (buf[i] == '\n')
			output_add(run, "\r", 1);
		output_add(run, buf + i, 1);
	}
}

static const struct launch_events events = {
	.was_reset = on_was_reset,
	.guest_event = on_guest_event,
	.console = on_console,
	.input_ready = on_input_ready,
	.ended = on_ended,
};

/* Standard error becomes a pipe that the vmm inherits; message_fd stays the real one. */
static int redirect_log(struct run *run)
{
	int pipe_fds[2];

	run->message_fd = open_nonblocking(STDERR_FILENO);
	if (run->message_fd < 0 || pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	run->log_fd = pipe_fds[0];
	if (dup2(pipe_fds[1], STDERR_FILENO) < 0)
		return -errno;
	close(pipe_fds[1]);
	return 0;
}

static int run_setup(struct run *run)
{
	struct loop_io *io;
	sigset_t set;
	int rc;

	run->out = malloc(OUTPUT_SIZE);
	if (!run->out)
		return -ENOMEM;
	rc = loop_create(&run->loop);
	if (rc < 0)
		return rc;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGQUIT);
	signal(SIGPIPE, SIG_IGN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	run->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	run->out_fd = open_nonblocking(STDOUT_FILENO);
	if (run->signal_fd < 0 || run->out_fd < 0)
		return -errno;
	terminal_fd = run->out_fd;
	rc = redirect_log(run);
	if (rc == 0)
		rc = loop_add_io(run->loop, run->signal_fd, POLLIN, on_signal, run, &io);
	if (rc == 0)
		rc = loop_add_io(run->loop, run->log_fd, POLLIN, on_log, run, &io);
	return rc;
}

static int run_connect_terminal(struct run *run)
{
	int rc = loop_add_io(run->loop, STDIN_FILENO, POLLIN, on_in_ready, run, &run->in_io);

	if (rc == 0)
		rc = loop_add_io(run->loop, run->out_fd, 0, on_out_ready, run, &run->out_io);
	return rc;
}

int run_vm(const struct vm_config *config)
{
	struct run run = {.out_fd = -1,
			  .message_fd = STDERR_FILENO,
			  .signal_fd = -1,
			  .log_fd = -1,
			  .status = 2};
	struct vmb_err err = {0};
	int rc;

	rc = run_setup(&run);
	if (rc == 0 && config->vfio_count > 0)
		host_pci_recover();
	if (rc == 0)
		rc = launch_start(run.loop, config, NULL, NULL, &events, &run, &run.launch, &err);
	if (rc < 0) {
		run_say(&run, "%s", err.code ? err.text : strerror(-rc));
		goto out;
	}
	terminal_make_raw();
	rc = run_connect_terminal(&run);
	if (rc == 0)
		rc = loop_run(run.loop);
	terminal_restore(&run);
	if (rc < 0)
		run_say(&run, "The event loop failed: %s.", strerror(-rc));
	on_log(&run, run.log_fd, POLLIN);
out:
	launch_destroy(run.launch);
	loop_destroy(run.loop);
	free(run.out);
	return run.status;
}
