/*
 * The daemon's virtual machine: what makes room for it before it starts, who is told how it goes, and what becomes of this
 * machine and its power when it has ended.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "autoboot.h"
#include "clients.h"
#include "daemon_internal.h"
#include "daemon_path.h"
#include "discovery.h"
#include "entries.h"
#include "log.h"
#include "loop.h"
#include "power.h"
#include "settings.h"
#include "store.h"

/* A vmm that dies again and again must not fill /run. */
#define CRASH_REPORTS_MAX 3

/* Probes hold disks; they let go before the VM takes them, and go on when it has. */
int daemon_start(struct daemon *d, const struct vm_config *config, const char *id, bool by_itself,
		 struct vmb_err *err)
{
	struct vm_config placed = *config;
	struct launch_trust trust;
	const struct menu_device *devices;
	char note[400] = "";
	const struct machine_options options = {
		.trust = &trust,
		.place = &d->place,
		.usual_vars = strcmp(config->vars_path, VM_VARS_USUAL) == 0,
		.id = id,
		.note = note,
		.by_itself = by_itself,
	};
	size_t count;
	int rc;

	if (d->ending)
		return vmb_err_set(err, ESHUTDOWN, "The daemon is ending.");
	if (machine_is_active(d->machine))
		return vmb_err_set(err, EBUSY,
				   "A virtual machine is running already. End it first.");
	rc = vm_config_check(config, err);
	if (rc < 0)
		return rc;
	discovery_pause(d->discovery);
	settings_trust(d->settings, &trust);
	devices = discovery_devices(d->discovery, &count);
	vars_place_find(d->store, devices, count, &placed, &d->place, note, sizeof(note));
	rc = machine_start(d->machine, &placed, &options, err);
	if (rc < 0) {
		discovery_resume(d->discovery);
		return rc;
	}
	discovery_set_taken(d->discovery, config->disks, config->disk_count);
	autoboot_vm_started(d->autoboot, id, by_itself);
	return 0;
}

int daemon_start_entry(struct daemon *d, const char *id, bool by_itself, struct vmb_err *err)
{
	struct vm_config config;
	int rc = entries_prepare(d->entries, id, &config, err);

	return rc < 0 ? rc : daemon_start(d, &config, id, by_itself, err);
}

/* What the entry says counts before what is set for all. */
static void follow_guest(struct daemon *d, const struct menu_vm *vm)
{
	uint8_t after = vm->config.after;

	if (vm->reason != VMM_EXIT_POWER_OFF || d->power_later || d->ending)
		return;
	if (after == VM_AFTER_USUAL &&
	    settings_get(d->settings)->values.guest_power == MENU_POWER_TO_HOST)
		after = VM_AFTER_POWEROFF;
	if (after != VM_AFTER_POWEROFF && after != VM_AFTER_REBOOT)
		return;
	log_info("the guest switched itself off, this machine %s",
		 after == VM_AFTER_POWEROFF ? "follows" : "restarts");
	autoboot_follow(d->autoboot,
			after == VM_AFTER_POWEROFF ? MENU_POWER_OFF : MENU_POWER_REBOOT,
			vm->config.title);
}

/* The VM is gone, the host may follow. */
static void power_now(struct daemon *d)
{
	struct vmb_err err = {0};
	uint32_t how = d->power_later;

	d->power_later = 0;
	store_flush(d->store, NULL);
	if (power_do(how, &err) < 0)
		log_error("%s", err.text);
}

/* What is known of a vmm that died is never more than now. */
static void report_crash(struct daemon *d)
{
	char dir[VM_PATH_SIZE], *slash;
	struct vmb_err err = {0};

	if (d->report || d->ending || d->crash_reports == CRASH_REPORTS_MAX ||
	    daemon_path_log(dir, sizeof(dir)) < 0)
		return;
	slash = strrchr(dir, '/');
	*slash = '\0';
	d->crash_reports++;
	if (daemon_report(d, 0, dir, &err) < 0)
		log_warn("%s", err.text);
}

/* Disks are looked at again once a VM owns its disks, or gave them back. */
static void on_machine_changed(void *ctx)
{
	struct daemon *d = ctx;
	struct menu_vm vm;

	machine_describe(d->machine, &vm);
	if (vm.state == MENU_VM_RUNNING)
		discovery_resume(d->discovery);
	if (vm.state == MENU_VM_ENDED) {
		discovery_resume(d->discovery);
		discovery_set_taken(d->discovery, NULL, 0);
		/* The store's partition may have been on one of its disks: it was written just now. */
		if (d->place.name[0] && store_is_dirty(d->store, d->place.name))
			machine_vars_unsaved(d->machine);
	}
	clients_vm_changed(d->clients);
	autoboot_vm_progress(d->autoboot, vm.stage, vm.guest_event == VMM_GUEST_PANICKED);
	if (vm.state == MENU_VM_ENDED) {
		autoboot_vm_ended(d->autoboot, vm.reason);
		follow_guest(d, &vm);
		if (vm.reason == 0)
			report_crash(d);
		if (d->power_later)
			power_now(d);
	}
	if (d->ending && !machine_is_active(d->machine))
		loop_quit(d->loop, 0);
}

static void on_output(void *ctx)
{
	struct daemon *d = ctx;

	clients_output(d->clients);
}

static void on_status(void *ctx, const struct vmm_status *status)
{
	struct daemon *d = ctx;

	clients_status(d->clients, status);
}

const struct machine_events daemon_machine_events = {
	.changed = on_machine_changed,
	.output = on_output,
	.status = on_status,
};

void daemon_follow(struct daemon *d, uint32_t how)
{
	struct vmb_err err = {0};

	if (machine_is_active(d->machine) || d->ending)
		return;
	store_flush(d->store, NULL);
	if (power_do(how, &err) < 0)
		log_error("the guest switched itself off, but this machine stays on: %s", err.text);
}

int daemon_power(struct daemon *d, uint32_t how, struct vmb_err *err)
{
	enum power_way way;
	int rc;

	if (!machine_is_active(d->machine))
		return power_do(how, err);
	/* Not ended for nothing. */
	rc = power_choose("", geteuid() == 0, &way, err);
	if (rc < 0)
		return rc;
	if (how != MENU_POWER_OFF && how != MENU_POWER_REBOOT)
		return vmb_err_set(err, EINVAL, "There is no such thing to do with the power.");
	d->power_later = how;
	machine_stop(d->machine);
	return 0;
}
