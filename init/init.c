/*
 * See include/init.h. One loop: signals, devices that come, buttons, consoles that come. Nothing in it waits for a
 * device, a terminal or another process.
 */
#include "init.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host.h"
#include "init_internal.h"
#include "last_resort.h"
#include "log.h"
#include "mounts.h"
#include "init_mark.h"
#include "system.h"
#include "text.h"
#include "uevent.h"

#define SETTLE_MS 10000 /* drivers that take longer are not waited for */
#define NET_MS	  10000 /* before a DHCP client that ended is started again */

bool init_is_wanted(const char *argv0)
{
	const char *name = argv0 ? strrchr(argv0, '/') : NULL;

	name = name ? name + 1 : argv0;
	return getpid() == 1 &&
	       ((name && strcmp(name, "init") == 0) || access("/proc/self", F_OK) != 0);
}

/* ---- events ---- */

/* What the kernel's command line asks for and is not there may still come. */
static void look_for_net(struct init *init)
{
	char note[200];

	if (net_look(&init->net) > 0)
		return;
	snprintf(note, sizeof(note),
		 "kernel command line: vmboot.net=dhcp%s%s: there is no such network card; it is "
		 "waited "
		 "for",
		 init->boot.card[0] ? "," : "", init->boot.card);
	services_note(init, note);
}

static void set_clock(struct init *init)
{
	char note[200];

	system_set_clock(note, sizeof(note));
	if (note[0])
		services_note(init, note);
}

static void begin_serving(struct init *init)
{
	loop_remove_timer(init->settle_timer);
	init->settle_timer = NULL;
	if (init->serving)
		return;
	init->serving = true;
	if (init->options->mount)
		set_clock(init);
	buttons_look(init->buttons);
	if (init->boot.dhcp)
		look_for_net(init);
	services_begin(init);
}

static void on_modules_idle(void *ctx)
{
	begin_serving(ctx);
}

static void on_settle_timer(void *arg)
{
	struct init *init = arg;

	init->settle_timer = NULL;
	services_note(init, "a driver is still being loaded after 10 s; it is not waited for");
	begin_serving(init);
}

static void on_net_timer(void *arg)
{
	struct init *init = arg;

	init->net_timer = NULL;
	net_look(&init->net);
}

static void on_button(void *ctx)
{
	end_begin(ctx, RB_POWER_OFF);
}

static void on_child(struct init *init)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (init->end != END_NOT) {
			end_reap(init, pid);
		} else if (net_reap(&init->net, pid)) {
			if (!init->net_timer)
				loop_add_timer(init->loop, NET_MS, on_net_timer, init,
					       &init->net_timer);
		} else if (!modules_reap(init->modules, pid)) {
			services_reap(init, pid, status);
		}
	}
}

/* The signals that busybox's halt, poweroff and reboot send to PID 1; SIGINT is Ctrl-Alt-Del, SIGPWR a failing power. */
static void on_signal(void *arg, int fd, short revents)
{
	struct init *init = arg;
	struct signalfd_siginfo info;

	(void)revents;
	if (read(fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	switch (info.ssi_signo) {
	case SIGCHLD: on_child(init); break;
	case SIGINT:
	case SIGTERM: end_begin(init, RB_AUTOBOOT); break;
	case SIGUSR1: end_begin(init, RB_HALT_SYSTEM); break;
	case SIGUSR2:
	case SIGPWR: end_begin(init, RB_POWER_OFF); break;
	default: break;
	}
}

/* What came may need a module, or be a button or a card. */
static void take_uevent(struct init *init, const char *message, size_t size)
{
	const char *action = uevent_value(message, size, "ACTION=");
	const char *alias = uevent_value(message, size, "MODALIAS=");
	const char *subsystem = uevent_value(message, size, "SUBSYSTEM=");

	if (!action || strcmp(action, "add") != 0)
		return;
	if (alias)
		modules_add(init->modules, alias);
	if (!subsystem || !init->serving)
		return;
	if (strcmp(subsystem, "input") == 0)
		buttons_look(init->buttons);
	if (strcmp(subsystem, "net") == 0 && init->boot.dhcp)
		net_look(&init->net);
}

/* Some messages were lost: whatever they were about is there now. */
static void look_again(struct init *init)
{
	modules_load_all(init->modules);
	if (!init->serving)
		return;
	buttons_look(init->buttons);
	if (init->boot.dhcp)
		net_look(&init->net);
}

static void on_uevent(void *arg, int fd, short revents)
{
	struct init *init = arg;
	char message[UEVENT_SIZE];
	ssize_t n;

	(void)revents;
	while ((n = uevent_read(fd, message)) >= 0)
		if (n > 0)
			take_uevent(init, message, (size_t)n);
	if (n == -ENOBUFS) {
		look_again(init);
		return;
	}
	modules_begin(init->modules);
}

/* sysfs says so when the kernel has another console; it has to be read to be told again. */
static void on_consoles(void *arg, int fd, short revents)
{
	struct init *init = arg;
	char text[256];

	(void)revents;
	(void)!pread(fd, text, sizeof(text), 0);
	services_find_consoles(init);
}

/* ---- start ---- */

static int open_events(struct init *init)
{
	char path[256], text[256];
	struct loop_io *io;
	sigset_t set;
	int signals, rc;

	sigemptyset(&set);
	for (const int *s =
		     (const int[]){SIGCHLD, SIGINT, SIGTERM, SIGUSR1, SIGUSR2, SIGPWR, SIGHUP, 0};
	     *s; s++)
		sigaddset(&set, *s);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (signals < 0 || loop_create(&init->loop) < 0 ||
	    loop_add_io(init->loop, signals, POLLIN, on_signal, init, &io) < 0 ||
	    modules_create(init->options->root, on_modules_idle, init, &init->modules) < 0 ||
	    buttons_create(init->loop, init->options->root, on_button, init, &init->buttons) < 0)
		return -ENOMEM;
	rc = uevent_open(&init->uevents);
	if (rc == 0)
		loop_add_io(init->loop, init->uevents, POLLIN, on_uevent, init, &io);
	else
		log_warn("devices that come later are not noticed: %s", strerror(-rc));
	snprintf(path, sizeof(path), "%s/sys/class/tty/console/active", init->options->root);
	init->consoles = open(path, O_RDONLY | O_CLOEXEC);
	if (init->consoles >= 0 && read(init->consoles, text, sizeof(text)) >= 0)
		loop_add_io(init->loop, init->consoles, POLLPRI, on_consoles, init,
			    &init->consoles_io);
	return 0;
}

static void read_boot_options(struct init *init)
{
	char text[4096], safe[100];

	host_read_file(init->options->root, "/proc/cmdline", text, sizeof(text));
	boot_options_parse(text, &init->boot);
	for (unsigned int i = 0; i < init->boot.note_count; i++)
		services_note(init, init->boot.notes[i]);
	init->net.only = init->boot.card;
	if (init->boot.config[0] && access(init->boot.config, R_OK | X_OK) < 0) {
		snprintf(text, sizeof(text),
			 "kernel command line: vmboot.config=%.100s: %s; the usual settings are "
			 "used",
			 text_escape(safe, sizeof(safe), init->boot.config,
				     strlen(init->boot.config)),
			 strerror(errno));
		services_note(init, text);
		init->boot.config[0] = '\0';
	}
}

static void open_log(const struct init *init)
{
	char path[256];
	int fd = log_child_fd(), limit;

	snprintf(path, sizeof(path), "%s/dev/kmsg", init->options->root);
	if (fd < 0)
		fd = open(path, O_WRONLY | O_CLOEXEC);
	log_set_child_fd(fd);
	/* The kernel takes ten lines in five seconds of a process, which is not everything. */
	limit = init->options->mount && init->boot.debug
			? open("/proc/sys/kernel/printk_devkmsg", O_WRONLY | O_CLOEXEC)
			: -1;
	if (limit >= 0) {
		(void)!write(limit, "on", 2);
		close(limit);
	}
	log_init(fd >= 0 ? fd : STDERR_FILENO, init->boot.debug ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO,
		 "init");
}

/* Whoever switches the machine off finds by this file that PID 1 is to be asked, and how. */
static void leave_mark(const struct init *init)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s" INIT_MARK_DIR, init->options->root);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s" INIT_MARK, init->options->root);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd >= 0)
		close(fd);
	else
		log_error("%s cannot be made: %s", path, strerror(errno));
}

void init_run(const struct init_options *options)
{
	struct init init = {.uevents = -1, .consoles = -1};

	init.options = options;
	last_resort_catch_crashes(options->root);
	if (options->mount) {
		system_set_environment();
		mounts_make();
		system_set_names();
		reboot(RB_DISABLE_CAD); /* the kernel then tells us */
	}
	open_log(&init);
	leave_mark(&init);
	read_boot_options(&init);
	open_log(&init);
	snprintf(init.socket_path, sizeof(init.socket_path), "%.80s" INIT_SOCKET, options->root);
	if (open_events(&init) < 0)
		last_resort(options->root,
			    "vmboot: not even the beginnings of memory and descriptors are here.");
	services_find_consoles(&init);
	loop_add_timer(init.loop, SETTLE_MS, on_settle_timer, &init, &init.settle_timer);
	modules_load_all(init.modules);
	loop_run(init.loop);
	last_resort(options->root, "vmboot: init cannot wait for events any more.");
}
