/*
 * The daemon, and a menu on each console: what ends is started again, later each time when it fails at once. A
 * console whose menu fails again and again is offered a shell, and so is one that waits for a daemon that does not
 * answer. A daemon that fails again and again is not waited for: each menu then starts one of its own.
 */
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon_path.h"
#include "init_internal.h"
#include "init_mark.h"
#include "last_resort.h"
#include "log.h"
#include "spawn.h"
#include "spcr.h"
#include "text.h"

#define READY_MS  50	/* between two looks for the daemon's socket, while it starts */
#define ANSWER_MS 1000	/* a person takes longer to read what is offered, and to answer */
#define SILENT_MS 10000 /* a daemon that lives and does not listen for so long may never do so */

/* What ended, in words for people: "ended with status 1", "was ended by signal 11 (Segmentation fault)". */
static char *describe_end(int status, char *buf, size_t size)
{
	if (WIFSIGNALED(status))
		snprintf(buf, size, "was ended by signal %d (%s)", WTERMSIG(status),
			 strsignal(WTERMSIG(status)));
	else
		snprintf(buf, size, "ended with status %d", WEXITSTATUS(status));
	return buf;
}

void services_note(struct init *init, const char *note)
{
	log_warn("%s", note);
	if (init->note_count == INIT_NOTES) {
		memmove(init->notes, init->notes + 1, sizeof(init->notes) - sizeof(init->notes[0]));
		init->note_count--;
	}
	text_copy(init->notes[init->note_count++], sizeof(init->notes[0]), note);
}

/* ---- consoles ---- */

static bool daemon_is_broken(const struct init *init)
{
	return init->daemon_backoff.failures >= BACKOFF_BROKEN;
}

static void start_waiting(struct init *init);

static void on_retry_timer(void *arg)
{
	struct init *init = arg;

	init->retry_timer = NULL;
	start_waiting(init);
}

static void start_seat(struct init *init, struct seat *seat, unsigned int delay_ms)
{
	const struct console_start start = {
		.path = seat->path,
		.or_stdin = init->seat_count == 1,
		.term = consoles_term(seat->name),
		.notice = seat->notice[0] ? seat->notice : NULL,
		.delay_ms = delay_ms,
		.speed = seat->speed,
		.what = seat->what,
		.program = init->options->program,
		.socket = daemon_is_broken(init) ? NULL : init->socket_path,
		.config = init->boot.config[0] ? init->boot.config : NULL,
	};
	int rc = console_start(&start, &seat->pid);

	if (rc < 0) {
		log_error("no process for %s: %s", seat->name, strerror(-rc));
		if (!init->retry_timer)
			loop_add_timer(init->loop, BACKOFF_MAX_MS, on_retry_timer, init,
				       &init->retry_timer);
	}
	/* The kernel's list begins with the one that is /dev/console. */
	if (seat == init->seats)
		last_resort_displace(seat->pid);
	log_debug("%s: process %d, what %d, after %u ms", seat->name, (int)seat->pid,
		  (int)seat->what, delay_ms);
	seat->notice[0] = '\0';
	seat->started_ms = loop_now_ms() + delay_ms;
}

/* What SEAT shows next. A menu waits for a daemon that is on its way. */
static void next_for_seat(struct init *init, struct seat *seat, unsigned int delay_ms)
{
	if ((!init->serving && !init->boot.shell) || init->end != END_NOT)
		return;
	if (init->boot.shell && !seat->had_shell)
		seat->what = CONSOLE_SHELL;
	else if (seat->what != CONSOLE_OFFER)
		seat->what = CONSOLE_MENU;
	if (seat->what == CONSOLE_MENU && !init->daemon_ready && !daemon_is_broken(init))
		return;
	start_seat(init, seat, delay_ms);
}

static void start_waiting(struct init *init)
{
	for (unsigned int i = 0; i < init->seat_count; i++)
		if (init->seats[i].pid == 0)
			next_for_seat(init, &init->seats[i], 0);
}

static void add_seat(struct init *init, const char *name, unsigned int speed)
{
	struct seat *seat = &init->seats[init->seat_count];

	for (unsigned int i = 0; i < init->seat_count; i++)
		if (strcmp(init->seats[i].name, name) == 0)
			return;
	if (init->seat_count == CONSOLES_MAX)
		return;
	*seat = (struct seat){.what = CONSOLE_MENU, .speed = speed};
	text_copy(seat->name, sizeof(seat->name), name);
	snprintf(seat->path, sizeof(seat->path), "%.100s/dev/%.15s", init->options->root, name);
	init->seat_count++;
	log_info("console: %s", name);
}

void services_find_consoles(struct init *init)
{
	char names[CONSOLES_MAX][16], line[16];
	unsigned int count = consoles_list(init->options->root, names), speed;

	for (unsigned int i = 0; i < count; i++)
		add_seat(init, names[i], 0);
	if (spcr_find(init->options->root, line, &speed))
		add_seat(init, line, speed);
	if (init->seat_count == 0)
		add_seat(init, "console", 0);
	start_waiting(init);
}

static bool shell_is_allowed(const struct init *init)
{
	char path[256];

	snprintf(path, sizeof(path), "%s" INIT_NO_SHELL, init->options->root);
	return access(path, F_OK) != 0;
}

static void seat_ended(struct init *init, struct seat *seat, int status)
{
	uint64_t now = loop_now_ms(), ran = now > seat->started_ms ? now - seat->started_ms : 0;
	enum console_what what = seat->what;
	unsigned int delay = 0;
	char notice[sizeof(seat->notice)], how[80];

	seat->pid = 0;
	if (seat == init->seats)
		last_resort_displace(0);
	seat->what = CONSOLE_MENU;
	if (what == CONSOLE_SHELL) {
		seat->had_shell = true;
		/* Who leaves the first shell wants the machine to go on. */
		services_begin(init);
	} else if (what == CONSOLE_MENU && status != 0) {
		delay = backoff_failed(&seat->backoff, ran);
		snprintf(notice, sizeof(notice), "vmboot: the menu on %s %s%s", seat->name,
			 describe_end(status, how, sizeof(how)),
			 seat->backoff.failures >= BACKOFF_BROKEN ? ", again and again."
								  : "; it is started again.");
		text_copy(seat->notice, sizeof(seat->notice), notice);
		log_warn("%s", notice + strlen("vmboot: "));
		if (seat->backoff.failures >= BACKOFF_BROKEN && shell_is_allowed(init)) {
			seat->what = CONSOLE_OFFER;
			delay = 0;
		}
	} else if (what == CONSOLE_OFFER && status != 0 && ran < ANSWER_MS) {
		/* Nobody is there, and perhaps no terminal: a menu fails as well. */
		delay = BACKOFF_MAX_MS;
	}
	next_for_seat(init, seat, delay);
}

/* ---- the daemon ---- */

/* A menu of its own would be a second daemon beside one that may only be slow: so the shell, and waiting goes on. */
static void offer_while_silent(struct init *init)
{
	uint64_t now = loop_now_ms();

	if (now - init->daemon_started_ms < SILENT_MS || !shell_is_allowed(init))
		return;
	for (unsigned int i = 0; i < init->seat_count; i++) {
		struct seat *seat = &init->seats[i];

		if (seat->pid != 0 || (seat->started_ms && now - seat->started_ms < SILENT_MS))
			continue;
		text_copy(seat->notice, sizeof(seat->notice),
			  "vmboot: the menu waits for the daemon, which does not answer.");
		seat->what = CONSOLE_OFFER;
		next_for_seat(init, seat, 0);
	}
}

static void on_ready_timer(void *arg)
{
	struct init *init = arg;
	int sock;

	init->ready_timer = NULL;
	if (!init->daemon)
		return;
	if (daemon_path_connect(init->socket_path, &sock) == 0) {
		close(sock);
		init->daemon_ready = true;
		start_waiting(init);
		return;
	}
	offer_while_silent(init);
	loop_add_timer(init->loop, READY_MS, on_ready_timer, init, &init->ready_timer);
}

struct arguments {
	char *argv[12 + 2 * INIT_NOTES];
	unsigned int n;
};

/* An option with its value, if there is one. */
static void add_option(struct arguments *args, char *option, char *value)
{
	if (!value[0])
		return;
	args->argv[args->n++] = option;
	args->argv[args->n++] = value;
}

static void start_daemon(struct init *init)
{
	char name[] = "vmboot", role[] = "daemon", socket_option[] = "--socket",
	     config[] = "--config", entry[] = "--entry", timeout[] = "--timeout",
	     debug[] = "--debug", note[] = "--note";
	struct arguments args = {.argv = {name, role}, .n = 2};
	int rc;

	/* Nobody listens on what the last one left. */
	unlink(init->socket_path);
	add_option(&args, socket_option, init->socket_path);
	add_option(&args, config, init->boot.config);
	add_option(&args, entry, init->boot.entry);
	add_option(&args, timeout, init->boot.timeout);
	for (unsigned int i = 0; i < init->note_count; i++)
		add_option(&args, note, init->notes[i]);
	if (init->boot.debug)
		args.argv[args.n++] = debug;
	rc = spawn_program(init->options->program, args.argv, &init->daemon);
	init->daemon_started_ms = loop_now_ms();
	if (rc < 0) {
		log_error("the daemon cannot be started: %s", strerror(-rc));
		init->daemon = 0;
		init->daemon_backoff.failures = BACKOFF_BROKEN;
		start_waiting(init);
		return;
	}
	loop_add_timer(init->loop, READY_MS, on_ready_timer, init, &init->ready_timer);
}

static void on_daemon_timer(void *arg)
{
	struct init *init = arg;

	init->ready_timer = NULL;
	start_daemon(init);
}

static void daemon_ended(struct init *init, int status)
{
	unsigned int delay =
		backoff_failed(&init->daemon_backoff, loop_now_ms() - init->daemon_started_ms);
	char note[200], how[80];

	init->daemon = 0;
	init->daemon_ready = false;
	snprintf(note, sizeof(note), "the daemon %s; it is started again",
		 describe_end(status, how, sizeof(how)));
	services_note(init, note);
	loop_remove_timer(init->ready_timer);
	loop_add_timer(init->loop, delay, on_daemon_timer, init, &init->ready_timer);
	if (daemon_is_broken(init))
		start_waiting(init);
}

void services_begin(struct init *init)
{
	bool ready = !init->boot.shell;

	for (unsigned int i = 0; i < init->seat_count; i++)
		ready = ready || init->seats[i].had_shell;
	if (!ready || !init->serving)
		return;
	if (!init->daemon && !init->ready_timer)
		start_daemon(init);
	start_waiting(init);
}

void services_reap(struct init *init, pid_t pid, int status)
{
	if (pid == init->daemon) {
		daemon_ended(init, status);
		return;
	}
	for (unsigned int i = 0; i < init->seat_count; i++)
		if (init->seats[i].pid == pid) {
			seat_ended(init, &init->seats[i], status);
			return;
		}
}
