/*
 * The daemon: one loop that joins discovery, the virtual machine and the menus. It either serves the
 * one menu that started it, and ends with it, or listens on a socket until a signal comes. What it does with the machine
 * is in daemon_vm.c.
 */
#include "daemon_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "autoboot.h"
#include "clients.h"
#include "daemon_path.h"
#include "discovery.h"
#include "entries.h"
#include "host_pci.h"
#include "init_mark.h"
#include "log.h"
#include "logbook.h"
#include "loop.h"
#include "report.h"
#include "settings.h"
#include "storage.h"
#include "store.h"
#include "welcome.h"

/* Ends the loop, after the VM when there is one. */
static void begin_end(struct daemon *d)
{
	d->ending = true;
	autoboot_cancel(d->autoboot, NULL);
	if (machine_is_active(d->machine))
		machine_stop(d->machine);
	else
		loop_quit(d->loop, 0);
}

/* ---- what the parts tell ---- */

static void on_discovery_changed(void *ctx)
{
	struct daemon *d = ctx;
	const struct menu_device *devices;
	size_t count;

	if (!d->clients)
		return;
	devices = discovery_devices(d->discovery, &count);
	store_see_devices(d->store, devices, count, discovery_scanning(d->discovery));
	entries_see_devices(d->entries, devices, count);
	clients_devices_changed(d->clients);
}

/* Init offers a shell where a menu fails; not behind the back of who locked this machine. */
static void tell_init(const struct menu_settings *values)
{
	int fd;

	if (access(INIT_MARK, F_OK) != 0)
		return;
	if (values->shell_allowed && !values->has_password) {
		unlink(INIT_NO_SHELL);
		return;
	}
	fd = open(INIT_NO_SHELL, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		log_error("%s cannot be made: %s", INIT_NO_SHELL, strerror(errno));
	else
		close(fd);
}

static void follow_settings(struct daemon *d)
{
	tell_init(&settings_get(d->settings)->values);
	discovery_set_images(d->discovery, settings_get(d->settings)->values.images);
}

static void on_store_loaded(void *ctx)
{
	struct daemon *d = ctx;

	settings_load(d->settings);
	follow_settings(d);
	entries_load(d->entries);
	autoboot_begin(d->autoboot);
}

static void on_entries_changed(void *ctx)
{
	struct daemon *d = ctx;

	if (!d->clients)
		return;
	follow_settings(d);
	clients_entries_changed(d->clients);
	autoboot_entries_changed(d->autoboot);
}

static void on_countdown_changed(void *ctx)
{
	struct daemon *d = ctx;

	if (d->clients)
		clients_countdown_changed(d->clients);
}

static void on_log_changed(void *ctx)
{
	struct daemon *d = ctx;

	if (d->clients)
		clients_log_changed(d->clients);
}

static void on_follow(void *ctx, uint32_t how)
{
	daemon_follow(ctx, how);
}

static void on_welcome(void *ctx, struct menu_welcome *ret_welcome)
{
	const struct daemon *d = ctx;

	welcome_describe(d->options, d->store, ret_welcome);
}

static int on_start(void *ctx, const struct vm_config *config, struct vmb_err *err)
{
	return daemon_start(ctx, config, "", false, err);
}

static int on_start_entry(void *ctx, const char *id, struct vmb_err *err)
{
	return daemon_start_entry(ctx, id, false, err);
}

static int on_autoboot(void *ctx, const char *id, struct vmb_err *err)
{
	return daemon_start_entry(ctx, id, true, err);
}

static bool on_ask_scanning(void *ctx)
{
	struct daemon *d = ctx;

	return discovery_scanning(d->discovery);
}

static const struct autoboot_events autoboot_events = {
	.changed = on_countdown_changed,
	.start = on_autoboot,
	.power = on_follow,
	.scanning = on_ask_scanning,
};

static void on_rescan(void *ctx)
{
	struct daemon *d = ctx;

	discovery_rescan(d->discovery);
}

static void on_scan_cancel(void *ctx)
{
	struct daemon *d = ctx;

	discovery_cancel(d->discovery);
}

static void on_left(void *ctx)
{
	struct daemon *d = ctx;

	if (d->options->client_fd >= 0 && clients_count(d->clients) == 0)
		begin_end(d);
}

static int on_power(void *ctx, uint32_t how, struct vmb_err *err)
{
	return daemon_power(ctx, how, err);
}

static void on_reported(void *ctx, uint64_t client, const char *path, const struct vmb_err *err)
{
	struct daemon *d = ctx;

	if (client != 0) {
		clients_reported(d->clients, client, path, err);
	} else if (path) {
		machine_add_report(d->machine, path);
		clients_vm_changed(d->clients);
	} else {
		log_warn("%s", err->text);
	}
	report_destroy(d->report);
	d->report = NULL;
}

int daemon_report(struct daemon *d, uint64_t client, const char *target, struct vmb_err *err)
{
	int sock, rc;

	if (d->report)
		return vmb_err_set(err, EBUSY, "A report is being written already.");
	rc = report_begin(d->loop, client, target, on_reported, d, &sock, &d->report, err);
	if (rc < 0)
		return rc;
	/* It asks us, as a menu does. */
	clients_add(d->clients, sock);
	return 0;
}

static int on_report(void *ctx, uint64_t client, const char *target, struct vmb_err *err)
{
	return daemon_report(ctx, client, target, err);
}

static const struct clients_events clients_events = {
	.welcome = on_welcome,
	.start = on_start,
	.start_entry = on_start_entry,
	.rescan = on_rescan,
	.scan_cancel = on_scan_cancel,
	.power = on_power,
	.report = on_report,
	.left = on_left,
};

static void on_signal(void *arg, int fd, short revents)
{
	struct daemon *d = arg;
	struct signalfd_siginfo info;
	struct menu_vm vm;

	(void)revents;
	if (read(fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	machine_describe(d->machine, &vm);
	/* A guest that is paused hears no button; one that is only being started has nothing to lose. */
	if (info.ssi_signo == SIGPWR && vm.state == MENU_VM_RUNNING) {
		log_warn("the machine ends: the virtual machine's power button is pressed");
		d->ending = true;
		autoboot_cancel(d->autoboot, NULL);
		if (vm.paused)
			machine_resume(d->machine);
		machine_power_button(d->machine);
		return;
	}
	log_info("signal %u: ending", info.ssi_signo);
	begin_end(d);
}

static void on_connect(void *arg, int fd, short revents)
{
	struct daemon *d = arg;
	int sock = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)revents;
	if (sock >= 0 && clients_add(d->clients, sock) < 0)
		log_warn("a menu was turned away: too many");
}

/* ---- life ---- */

static int open_signals(struct daemon *d, struct vmb_err *err)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGPWR);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	d->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (d->signals < 0)
		return vmb_err_set(err, errno, "No signal descriptor: %s.", strerror(errno));
	return loop_add_io(d->loop, d->signals, POLLIN, on_signal, d, &d->signal_io) < 0
		       ? vmb_err_set(err, ENOMEM, "Not enough memory for the daemon.")
		       : 0;
}

static int create_settings(struct daemon *d, struct vmb_err *err)
{
	const struct store_options store = {
		.config = d->options->config,
		.usual = daemon_path_config(d->usual_config, sizeof(d->usual_config)),
		.make_usual = geteuid() != 0,
		/* On a machine with somebody else's system a partition may only be here to be looked at. */
		.mends = access(INIT_MARK, F_OK) == 0,
		.loaded = on_store_loaded,
		.changed = on_entries_changed,
		.ctx = d,
	};
	int rc = logbook_create(d->loop, on_log_changed, d, &d->logbook, err);

	if (rc == 0)
		rc = store_create(d->loop, &store, &d->store, err);
	if (rc == 0 &&
	    (settings_create(d->store, DAEMON_TRUST, &d->settings) < 0 ||
	     entries_create(d->store, d->settings, on_entries_changed, d, &d->entries) < 0 ||
	     autoboot_create(d->loop, d->entries, d->settings, &autoboot_events, d, &d->autoboot) <
		     0))
		rc = vmb_err_set(err, ENOMEM, "Not enough memory for the daemon.");
	return rc;
}

static int create_discovery(struct daemon *d, struct vmb_err *err)
{
	struct discovery_options discovery = {
		.root = "",
		.image_dirs = d->options->image_dirs,
		.changed = on_discovery_changed,
		.ctx = d,
	};
	struct vmb_err why = {0};

	/* Before the first list, so that nothing comes or goes unseen between the two. */
	if (storage_uevent_open(&d->uevents, &why) < 0)
		log_warn("%s", why.text);
	discovery.uevent_fd = d->uevents;
	return discovery_create(d->loop, &discovery, &d->discovery, err);
}

static int create_parts(struct daemon *d, struct vmb_err *err)
{
	struct clients_parts parts;
	int rc = create_settings(d, err);

	/* Before disks are listed: some may be behind what comes back. */
	host_pci_recover();
	if (rc == 0)
		rc = create_discovery(d, err);
	if (rc < 0)
		return rc;
	settings_override(d->settings, d->options->entry, d->options->timeout_given,
			  d->options->timeout_s);
	for (const char *const *note = d->options->notes; note && *note; note++)
		log_warn("%s", *note);
	if (machine_create(d->loop, &daemon_machine_events, d, &d->machine) < 0)
		return vmb_err_set(err, ENOMEM, "Not enough memory for the daemon.");
	parts = (struct clients_parts){.discovery = d->discovery,
				       .machine = d->machine,
				       .entries = d->entries,
				       .settings = d->settings,
				       .autoboot = d->autoboot,
				       .logbook = d->logbook};
	if (clients_create(d->loop, &parts, &clients_events, d, &d->clients) < 0)
		return vmb_err_set(err, ENOMEM, "Not enough memory for the daemon.");
	if (store_is_loaded(d->store))
		on_store_loaded(d);
	return 0;
}

static int open_door(struct daemon *d, struct vmb_err *err)
{
	int rc;

	if (d->options->client_fd < 0) {
		rc = door_open(&d->door, d->options->socket_path, err);
		if (rc == 0 && loop_add_io(d->loop, d->door.socket, POLLIN, on_connect, d,
					   &d->listener_io) < 0)
			rc = vmb_err_set(err, ENOMEM, "Not enough memory for the daemon.");
		return rc;
	}
	rc = clients_add(d->clients, d->options->client_fd);
	return rc < 0 ? vmb_err_set(err, -rc,
				    "The menu that started the daemon cannot be served: %s.",
				    strerror(-rc))
		      : 0;
}

static void close_daemon(struct daemon *d)
{
	report_destroy(d->report);
	clients_destroy(d->clients);
	d->clients = NULL;
	machine_destroy(d->machine);
	discovery_destroy(d->discovery);
	autoboot_destroy(d->autoboot);
	entries_destroy(d->entries);
	settings_destroy(d->settings);
	store_destroy(d->store);
	logbook_destroy(d->logbook);
	loop_destroy(d->loop);
	if (d->signals >= 0)
		close(d->signals);
	door_close(&d->door);
	if (d->uevents >= 0)
		close(d->uevents);
}

int daemon_run(const struct daemon_options *options, struct vmb_err *err)
{
	struct daemon d = {.options = options, .signals = -1, .uevents = -1, .door = {-1, -1, ""}};
	int rc;

	if (loop_create(&d.loop) < 0)
		return vmb_err_set(err, ENOMEM, "Not enough memory for the daemon.");
	rc = open_signals(&d, err);
	if (rc == 0)
		rc = create_parts(&d, err);
	if (rc == 0)
		rc = open_door(&d, err);
	if (rc == 0) {
		rc = loop_run(d.loop);
		if (rc < 0)
			vmb_err_set(err, -rc, "The daemon's loop failed: %s.", strerror(-rc));
	}
	close_daemon(&d);
	return rc;
}
