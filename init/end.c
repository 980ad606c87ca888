/*
 * The orderly end: menus leave the terminals, the guest is told to switch itself off and has its time for it, the
 * daemon ends, then everybody else; file systems are written out and unmounted.
 */
#include <errno.h>
#include <linux/reboot.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "init_internal.h"
#include "log.h"
#include "mounts.h"
#include "spawn.h"

#define GUEST_SECONDS  60 /* a guest that is told to switch itself off */
#define DAEMON_SECONDS 15 /* a daemon that writes its guest's variables */
#define OTHERS_MS      5000
#define DISKS_MS       120000 /* what is not written then is on a disk that does not answer */

static const char *name_of(int how)
{
	return how == RB_AUTOBOOT ? "restarts" : how == RB_POWER_OFF ? "switches off" : "halts";
}

/* Every process but us gets SIGNAL. */
static void signal_all(int number)
{
	/* Below a test this would be everybody. */
	if (getpid() == 1)
		kill(-1, number);
}

static void finish(struct init *init)
{
	const struct timespec step = {.tv_nsec = 50 * 1000000};

	/* Shells ignore SIGTERM. */
	signal_all(SIGTERM);
	signal_all(SIGHUP);
	signal_all(SIGCONT);
	for (int ms = 0; ms < OTHERS_MS; ms += 50) {
		pid_t pid;

		while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
			;
		if (pid < 0)
			break;
		nanosleep(&step, NULL);
	}
	signal_all(SIGKILL);
	if (init->options->mount && !spawn_wait_for(mounts_end, DISKS_MS))
		log_error("a disk has not answered for %d s: what was to be written to it is lost",
			  DISKS_MS / 1000);
	reboot(init->end_how);
	log_error("the kernel does not do it: %s", strerror(errno));
	reboot(RB_HALT_SYSTEM);
}

static void on_end_timer(void *arg);

static void next_stage(struct init *init, enum end_stage stage, int number, unsigned int seconds)
{
	init->end = stage;
	loop_remove_timer(init->end_timer);
	init->end_timer = NULL;
	if (!init->daemon) {
		finish(init);
		return;
	}
	kill(init->daemon, number);
	loop_add_timer(init->loop, seconds * 1000, on_end_timer, init, &init->end_timer);
}

static void on_end_timer(void *arg)
{
	struct init *init = arg;

	init->end_timer = NULL;
	if (init->end == END_GUEST) {
		log_warn("the virtual machine did not switch itself off in %d s", GUEST_SECONDS);
		next_stage(init, END_DAEMON, SIGTERM, DAEMON_SECONDS);
	} else if (init->end == END_DAEMON) {
		log_warn("the daemon does not end: it is killed");
		next_stage(init, END_KILLED, SIGKILL, 1);
	} else {
		finish(init);
	}
}

void end_begin(struct init *init, int how)
{
	if (init->end == END_GUEST) {
		log_warn("asked again: the virtual machine is not waited for");
		next_stage(init, END_DAEMON, SIGTERM, DAEMON_SECONDS);
	}
	if (init->end != END_NOT)
		return;
	log_warn("the machine %s", name_of(how));
	init->end_how = how;
	for (unsigned int i = 0; i < init->seat_count; i++)
		if (init->seats[i].pid)
			kill(init->seats[i].pid, SIGTERM);
	next_stage(init, END_GUEST, SIGPWR, GUEST_SECONDS);
}

/* A console whose menu has left says what happens: there may be a minute to wait. */
static void say_there(struct init *init, const struct seat *seat)
{
	char text[200];
	struct console_start start = {.path = seat->path,
				      .term = consoles_term(seat->name),
				      .notice = text,
				      .what = CONSOLE_WORDS};
	pid_t pid;

	snprintf(text, sizeof(text), "\nvmboot: the machine %s.%s", name_of(init->end_how),
		 init->daemon ? " A virtual machine is told to switch itself off first and has a "
				"minute;\nvmboot: Ctrl-Alt-Del or the power button, again, does "
				"not wait for it."
			      : "");
	console_start(&start, &pid);
}

void end_reap(struct init *init, pid_t pid)
{
	for (unsigned int i = 0; i < init->seat_count; i++)
		if (init->seats[i].pid == pid) {
			init->seats[i].pid = 0;
			say_there(init, &init->seats[i]);
		}
	if (pid != init->daemon)
		return;
	init->daemon = 0;
	next_stage(init, END_KILLED, 0, 0);
}
