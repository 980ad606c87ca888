/*
 * See include/launch.h. Starting is one piece of work unless the firmware lies on a disk: then a
 * probe reads it first, and failures after that are told by ended().
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon_path.h"
#include "host.h"
#include "host_hurry.h"
#include "launch_internal.h"
#include "log.h"
#include "storage.h"
#include "text.h"

void launch_close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* Appends: a path mistyped must not cost a file, and --log /dev/sda must not cost a disk. */
static int open_log(const struct vm_config *config, int *ret_fd, struct vmb_err *err)
{
	struct stat st;
	int fd;

	if (!config->log_path[0])
		return 0;
	fd = open(config->log_path,
		  O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);
	if (fd < 0)
		return vmb_err_set(err, errno,
				   "The log %s cannot be written: %s. Name another file.",
				   config->log_path, strerror(errno));
	if (fstat(fd, &st) < 0 || !(S_ISREG(st.st_mode) || S_ISCHR(st.st_mode))) {
		close(fd);
		return vmb_err_set(err, EINVAL,
				   "The log %s is not a regular file. Name another one.",
				   config->log_path);
	}
	*ret_fd = fd;
	return 0;
}

/* The vmm is gone, or never was. */
static void remove_cards(struct launch *launch)
{
	for (unsigned int i = 0; i < launch->card_count; i++)
		net_card_remove(&launch->cards[i]);
	launch->card_count = 0;
}

bool launch_boots_kernel(const struct launch *launch)
{
	return launch->config.kernel_path[0] != '\0';
}

/* At every end of a vmm: the live store, else the last good one, else the file stays as it is. */
static void save_at_end(struct launch *launch)
{
	struct vmb_err err = {0};
	int rc;

	if (launch->variables < 0)
		return;
	rc = vars_file_save(&launch->vars, launch->variables, VARS_LIVE, &err);
	if (rc == -EBADMSG) {
		log_warn("the live UEFI variables are not valid; taking the last good ones");
		rc = vars_file_save(&launch->vars, launch->variables, VARS_GOOD, &err);
	}
	/* A partition that is in use may be the guest's, who leaves now: who knows the partition says what became of it. */
	if (rc < 0 || (rc == 1 && err.code != EBUSY))
		launch_warn(launch, err.text);
}

static void stop_watching(struct launch *launch)
{
	loop_remove_io(launch->child_io);
	loop_remove_io(launch->control_io);
	loop_remove_io(launch->console_io);
	loop_remove_timer(launch->kill_timer);
	loop_remove_timer(launch->vars_timer);
	launch->child_io = launch->control_io = launch->console_io = NULL;
	launch->kill_timer = launch->vars_timer = NULL;
}

/* The last act: nothing of LAUNCH may be touched after ended(), which may have destroyed it. */
static void end_launch(struct launch *launch)
{
	stop_watching(launch);
	launch->phase = LAUNCH_ENDED;
	launch->events->ended(launch->ctx, &launch->exited,
			      launch->warning[0] ? launch->warning : NULL);
}

/* There is no vmm any more: its devices go back first. */
static void finish_launch(struct launch *launch)
{
	struct vmb_err err = {0};

	stop_watching(launch);
	if (launch->devices_moved && launch_move_devices(launch, false, &err) == 0)
		return;
	if (err.code)
		launch_warn(launch, err.text);
	end_launch(launch);
}

/* What the vmm may have begun for the whole host is ended for it. */
static void end_vmm(struct launch *launch)
{
	int status;

	child_kill(&launch->child);
	if (child_reap(&launch->child, LAUNCH_STOP_MS, &status) < 0)
		log_error("process %d does not die; leaving it", (int)launch->child.pid);
	host_hurry_end("");
}

/* What was stopped before it failed was stopped. */
static void fail_launch(struct launch *launch, const struct vmb_err *err)
{
	if (launch->exited.reason == 0) {
		launch->exited.reason = VMM_EXIT_ERROR;
		text_copy(launch->exited.text, sizeof(launch->exited.text), err->text);
	}
	if (launch->child.pid > 0)
		end_vmm(launch);
	finish_launch(launch);
}

/* All that boots is there: the PCI devices, then the rest. */
static int proceed(struct launch *launch, struct vmb_err *err)
{
	return launch->config.vfio_count > 0 ? launch_move_devices(launch, true, err)
					     : launch_start_vmm(launch, err);
}

void launch_devices_moved(struct launch *launch, const struct vmb_err *err)
{
	struct vmb_err why = *err;

	if (launch->phase == LAUNCH_GIVING) {
		if (err->code)
			launch_warn(launch, err->text);
		end_launch(launch);
	} else if (err->code || launch->exited.reason != 0 || launch_start_vmm(launch, &why) < 0) {
		fail_launch(launch, &why);
	}
}

/* The probe that read the firmware ended. */
static void on_reader_ended(struct launch *launch, int status)
{
	struct vmb_err err = {0};
	int rc = firmware_reader_result(launch, status, &err);

	stop_watching(launch);
	launch_close_fd(&launch->control);
	if (launch->exited.reason != 0) { /* stopped, or too slow */
		end_launch(launch);
		return;
	}
	if (rc == 0)
		rc = firmware_seal(launch, &err);
	if (rc == 0)
		rc = proceed(launch, &err);
	if (rc < 0)
		fail_launch(launch, &err);
}

static void on_vmm_ended(struct launch *launch, int status)
{
	char how[96];

	launch_drain(launch);
	if (launch->exited.reason == 0 && launch->stopping) {
		launch->exited.reason = VMM_EXIT_STOPPED;
		snprintf(launch->exited.text, sizeof(launch->exited.text),
			 "Stopped. The virtual machine's process did not end by itself and %s.",
			 child_describe_end(status, how, sizeof(how)));
	} else if (launch->exited.reason == 0) {
		snprintf(launch->exited.text, sizeof(launch->exited.text),
			 "The virtual machine's process %s without saying why. The log may tell "
			 "more.",
			 child_describe_end(status, how, sizeof(how)));
	}
	save_at_end(launch);
	remove_cards(launch);
	finish_launch(launch);
}

void launch_on_child(void *arg, int fd, short revents)
{
	struct launch *launch = arg;
	int status;

	(void)fd;
	(void)revents;
	if (child_reap(&launch->child, 0, &status) < 0)
		return;
	loop_remove_io(launch->child_io); /* its descriptor is closed */
	launch->child_io = NULL;
	if (launch->phase == LAUNCH_READING)
		on_reader_ended(launch, status);
	else
		on_vmm_ended(launch, status);
}

/*
 * A process that waits for a disk inside the kernel hears no signal: the start ends without it. What it would write goes
 * to memory that nobody uses any more.
 */
static void leave_reader(struct launch *launch)
{
	size_t n = strlen(launch->exited.text);

	log_error("process %d, which reads %s on %s, does not end; leaving it",
		  (int)launch->child.pid, launch->config.firmware_path,
		  launch->config.firmware_device);
	snprintf(launch->exited.text + n, sizeof(launch->exited.text) - n,
		 " The process that reads it hangs in the kernel until %s answers.",
		 launch->config.firmware_device);
	stop_watching(launch);
	launch_close_fd(&launch->control);
	launch_close_fd(&launch->child.pidfd);
	launch->child.pid = 0;
	end_launch(launch);
}

/* A reader has so long to be gone. */
static void kill_child(struct launch *launch)
{
	child_kill(&launch->child);
	launch->killed = true;
	if (launch->phase == LAUNCH_READING)
		launch_kill_later(launch, LAUNCH_STOP_MS);
}

static void on_kill_timer(void *arg)
{
	struct launch *launch = arg;
	struct vmb_err err = {0};

	launch->kill_timer = NULL;
	if (launch->phase == LAUNCH_READING && launch->exited.reason == 0) {
		vmb_err_set(&err, ETIMEDOUT,
			    "Firmware %s was not read: no answer from %s for %d s. The disk may be "
			    "broken.",
			    launch->config.firmware_path, launch->config.firmware_device,
			    LAUNCH_FIRMWARE_MS / 1000);
		launch->exited.reason = VMM_EXIT_ERROR;
		text_copy(launch->exited.text, sizeof(launch->exited.text), err.text);
	}
	if (launch->phase == LAUNCH_READING && launch->killed) {
		leave_reader(launch);
		return;
	}
	kill_child(launch);
}

void launch_kill_later(struct launch *launch, uint64_t msec)
{
	if (!launch->kill_timer &&
	    loop_add_timer(launch->loop, msec, on_kill_timer, launch, &launch->kill_timer) < 0)
		child_kill(&launch->child);
}

static int start_reader(struct launch *launch, struct vmb_err *err)
{
	int rc = firmware_spawn_reader(launch, err);

	if (rc < 0)
		return rc;
	launch->phase = LAUNCH_READING;
	launch_kill_later(launch, LAUNCH_FIRMWARE_MS);
	if (loop_add_io(launch->loop, launch->child.pidfd, POLLIN, launch_on_child, launch,
			&launch->child_io) < 0)
		return vmb_err_set(err, ENOMEM, "Not enough memory to watch a probe.");
	return 0;
}

static int start_from_file(struct launch *launch, struct vmb_err *err)
{
	int rc = launch_spawn_vmm(launch, err);

	if (rc == 0)
		rc = storage_copy_file(launch->config.firmware_path, "firmware",
				       STORAGE_FIRMWARE_MAX, launch->firmware, err);
	if (rc == 0)
		rc = firmware_seal(launch, err);
	return rc < 0 ? rc : proceed(launch, err);
}

static int start_kernel(struct launch *launch, struct vmb_err *err)
{
	int rc = launch_spawn_vmm(launch, err);

	if (rc == 0)
		rc = kernel_read(&launch->config, &launch->firmware, &launch->initrd, err);
	return rc < 0 ? rc : proceed(launch, err);
}

static int start_what_boots(struct launch *launch, struct vmb_err *err)
{
	int rc;

	if (launch_boots_kernel(launch))
		return start_kernel(launch, err);
	rc = firmware_make_memory(&launch->firmware, err);
	if (rc < 0)
		return rc;
	return launch->config.firmware_device[0] ? start_reader(launch, err)
						 : start_from_file(launch, err);
}

static int prepare(struct launch *launch, struct vmb_err *err)
{
	const struct vm_config *config = &launch->config;
	int rc = vm_config_check(config, err);

	if (rc == 0) {
		launch->kvm = host_check_kvm(err);
		rc = launch->kvm < 0 ? launch->kvm : 0;
	}
	if (rc == 0)
		rc = launch_check_devices(launch, err);
	if (rc == 0)
		rc = open_log(config, &launch->log, err);
	launch->log_max =
		daemon_path_log_max(config->log_path, (uint64_t)sysconf(_SC_PHYS_PAGES) *
							      (uint64_t)sysconf(_SC_PAGESIZE));
	if (rc == 0 && !launch_boots_kernel(launch))
		rc = vars_file_open(&launch->vars, config->vars_path, &launch->place,
				    config->fresh_vars, err);
	return rc;
}

int launch_start(struct loop *loop, const struct vm_config *config, const struct vars_place *place,
		 const struct launch_trust *trust, const struct launch_events *events, void *ctx,
		 struct launch **ret_launch, struct vmb_err *err)
{
	struct launch *launch = calloc(1, sizeof(*launch));
	int rc;

	if (!launch)
		return vmb_err_set(err, ENOMEM, "Not enough memory to start a virtual machine.");
	*launch = (struct launch){.loop = loop, .events = events, .ctx = ctx, .config = *config};
	if (trust)
		launch->trust = *trust;
	if (place)
		launch->place = *place;
	launch->kvm = launch->firmware = launch->initrd = launch->variables = -1;
	launch->control = launch->console = launch->log = -1;
	launch->child.pidfd = launch->vars.lock = launch->mover.pidfd = launch->mover_control = -1;
	rc = prepare(launch, err);
	if (rc == 0)
		rc = start_what_boots(launch, err);
	if (rc < 0) {
		launch_destroy(launch);
		return rc;
	}
	*ret_launch = launch;
	return 0;
}

void launch_stop(struct launch *launch)
{
	if (launch->phase == LAUNCH_ENDED)
		return;
	if (launch->phase == LAUNCH_READING) {
		launch->exited.reason = VMM_EXIT_STOPPED;
		snprintf(launch->exited.text, sizeof(launch->exited.text),
			 "Stopped while the firmware was being read.");
		loop_remove_timer(launch->kill_timer);
		launch->kill_timer = NULL;
		kill_child(launch);
		return;
	}
	if (launch->phase == LAUNCH_TAKING) {
		launch->exited.reason = VMM_EXIT_STOPPED;
		snprintf(launch->exited.text, sizeof(launch->exited.text),
			 "Stopped while its PCI devices were being taken.");
	}
	if (launch->phase != LAUNCH_RUNNING)
		return;
	launch->stopping = true;
	launch_tell(launch, VMM_STOP, NULL, 0);
	launch_kill_later(launch, LAUNCH_STOP_MS);
}

void launch_destroy(struct launch *launch)
{
	if (!launch)
		return;
	stop_watching(launch);
	if (launch->child.pid > 0) {
		end_vmm(launch);
		if (launch->phase == LAUNCH_RUNNING)
			save_at_end(launch);
	}
	if (launch->child.pidfd >= 0)
		close(launch->child.pidfd);
	launch_release_devices(launch);
	launch_close_fd(&launch->kvm);
	launch_close_fd(&launch->firmware);
	launch_close_fd(&launch->initrd);
	launch_close_fd(&launch->variables);
	launch_close_fd(&launch->control);
	launch_close_fd(&launch->console);
	launch_close_fd(&launch->log);
	remove_cards(launch);
	vars_file_close(&launch->vars);
	free(launch);
}
