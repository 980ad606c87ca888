/*
 * The devices that a VM gets: held for as long as the launch lives, moved to vfio-pci before the vmm is told of them
 * and back when it is gone, each time by a process that may hang without costing anything but its device.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon_path.h"
#include "host_pci.h"
#include "launch_internal.h"
#include "log.h"
#include "probe_proto.h"
#include "proto.h"
#include "text.h"

/* Drivers may let their device finish what it does; a disk takes seconds for that. */
#define MOVE_MS 20000
/* One that can be killed is gone by then. */
#define KILL_MS 200

int launch_check_devices(struct launch *launch, struct vmb_err *err)
{
	char dir[VM_PATH_SIZE];
	int rc;

	if (launch->config.vfio_count == 0)
		return 0;
	rc = daemon_path_pci(dir, sizeof(dir));
	if (rc < 0)
		return vmb_err_set(err, -rc,
				   "No PCI device can be passed through: there is no run-time "
				   "directory to note that in. Run vmboot as root.");
	rc = pci_hold_lock(dir, &launch->config, &launch->hold, err);
	return rc < 0 ? rc : host_pci_check("", &launch->config, err);
}

/*
 * The mover has the locks, too: when we die it may be in the kernel, waiting for a driver, and before it is done nobody else
 * is to move its devices.
 */
static int spawn_mover(struct launch *launch, bool take, struct vmb_err *err)
{
	char name[] = "vmboot", role[] = "pci", action[16], dir[VM_PATH_SIZE];
	char *argv[VM_MAX_VFIO + 5] = {name, role, action, dir};
	int fds[1 + VM_MAX_VFIO], pair[2], rc = daemon_path_pci(dir, sizeof(dir));

	if (rc == 0 &&
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		rc = -errno;
	if (rc < 0)
		return vmb_err_set(err, -rc, "The PCI devices cannot be moved: %s.", strerror(-rc));
	text_copy(action, sizeof(action), take ? "take" : "give-back");
	for (unsigned int i = 0; i < launch->config.vfio_count; i++)
		argv[4 + i] = launch->config.vfio[i].address;
	fds[0] = pair[1];
	memcpy(fds + 1, launch->hold.fds, launch->hold.count * sizeof(*fds));
	rc = child_spawn(argv, fds, 1 + launch->hold.count, &launch->mover, err);
	close(pair[1]);
	if (rc < 0)
		close(pair[0]);
	else
		launch->mover_control = pair[0];
	return rc;
}

/* What the ended mover said: 0, or -errno with its sentence. */
static int mover_result(struct launch *launch, int status, struct vmb_err *err)
{
	struct probe_done done;
	char how[96];
	uint32_t type;
	int n = proto_recv(launch->mover_control, &type, &done, sizeof(done), NULL, 0, NULL);

	close(launch->mover_control);
	launch->mover_control = -1;
	if (n != (int)sizeof(done) || type != PROBE_DONE)
		return vmb_err_set(err, EIO, "The process that moves PCI devices %s.",
				   child_describe_end(status, how, sizeof(how)));
	done.text[sizeof(done.text) - 1] = '\0';
	return done.code == 0 ? 0
			      : vmb_err_set(err, done.code > 0 ? done.code : EIO, "%s", done.text);
}

static void stop_watching_mover(struct launch *launch)
{
	loop_remove_io(launch->mover_io);
	loop_remove_timer(launch->mover_timer);
	launch->mover_io = NULL;
	launch->mover_timer = NULL;
}

static void on_mover(void *arg, int fd, short revents)
{
	struct launch *launch = arg;
	struct vmb_err err = {0};
	int status;

	(void)fd;
	(void)revents;
	if (child_reap(&launch->mover, 0, &status) < 0)
		return;
	stop_watching_mover(launch);
	mover_result(launch, status, &err);
	launch_devices_moved(launch, &err);
}

/* A process that waits in the kernel for a driver cannot even be killed. */
static void leave_mover(struct launch *launch)
{
	int status;

	stop_watching_mover(launch);
	child_kill(&launch->mover);
	if (launch->mover.pid > 0 && child_reap(&launch->mover, KILL_MS, &status) < 0) {
		log_error("process %d waits for a driver to let its PCI device go; leaving it",
			  (int)launch->mover.pid);
		child_leave(&launch->mover, launch->loop);
	}
	if (launch->mover_control >= 0)
		close(launch->mover_control);
	launch->mover_control = -1;
}

static void on_deadline(void *arg)
{
	struct launch *launch = arg;
	struct vmb_err err;

	launch->mover_timer = NULL;
	leave_mover(launch);
	/* Another mover would wait for the same driver; those that were taken before that one it can give back. */
	launch->devices_moved = launch->phase == LAUNCH_TAKING && launch->config.vfio_count > 1;
	vmb_err_set(
		&err, ETIMEDOUT,
		"The PCI devices were not moved: a driver has not let its device go for %d s. The "
		"device may be broken; the next start of vmboot gives back what is not back then.",
		MOVE_MS / 1000);
	launch_devices_moved(launch, &err);
}

int launch_move_devices(struct launch *launch, bool take, struct vmb_err *err)
{
	int rc = spawn_mover(launch, take, err);

	if (rc < 0)
		return rc;
	launch->devices_moved = take;
	launch->phase = take ? LAUNCH_TAKING : LAUNCH_GIVING;
	rc = loop_add_io(launch->loop, launch->mover.pidfd, POLLIN, on_mover, launch,
			 &launch->mover_io);
	if (rc == 0)
		rc = loop_add_timer(launch->loop, MOVE_MS, on_deadline, launch,
				    &launch->mover_timer);
	return rc < 0 ? vmb_err_set(err, ENOMEM, "Not enough memory to move PCI devices.") : 0;
}

/* Waits for the mover that there is, at most as long as it may take. */
static void settle_mover(struct launch *launch)
{
	struct vmb_err err = {0};
	int status;

	if (launch->mover.pid <= 0)
		return;
	if (child_reap(&launch->mover, MOVE_MS, &status) < 0) {
		leave_mover(launch);
		launch->devices_moved = false;
	} else if (mover_result(launch, status, &err) < 0) {
		log_warn("%s", err.text);
	}
}

void launch_release_devices(struct launch *launch)
{
	struct vmb_err err = {0};

	stop_watching_mover(launch);
	settle_mover(launch);
	if (launch->devices_moved && spawn_mover(launch, false, &err) < 0)
		log_warn("%s", err.text);
	settle_mover(launch);
	launch->devices_moved = false;
	pci_hold_release(&launch->hold);
}
