/*
 * A vmm is given what it needs: the disks, network cards and PCI devices of its settings as descriptors, its process, the
 * message that starts it. Disks are opened last, since the probe that read the firmware may have one of them mounted
 * before.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "launch_internal.h"
#include "log.h"
#include "proto.h"
#include "storage.h"
#include "text.h"
#include "vfio_devices.h"

struct disks {
	int fds[VM_MAX_DISKS];
	struct vmm_disk infos[VM_MAX_DISKS];
	unsigned int count;
};

static void close_disks(struct disks *disks)
{
	for (unsigned int i = 0; i < disks->count; i++)
		close(disks->fds[i]);
	disks->count = 0;
}

static int open_disks(const struct vm_config *config, struct disks *ret_disks, struct vmb_err *err)
{
	struct disks disks = {.count = 0};

	for (unsigned int i = 0; i < config->disk_count; i++) {
		int rc = storage_open_disk(&config->disks[i], &disks.fds[i], &disks.infos[i], err);

		if (rc < 0) {
			close_disks(&disks);
			return rc;
		}
		disks.count++;
	}
	*ret_disks = disks;
	return 0;
}

static int open_cards(struct launch *launch, struct vmb_err *err)
{
	int rc = 0;

	for (unsigned int i = 0; i < launch->config.net_count && rc == 0; i++) {
		rc = net_card_open(&launch->config, i, &launch->cards[i], err);
		if (rc == 0)
			launch->card_count++;
	}
	return rc;
}

static void close_cards(struct launch *launch)
{
	for (unsigned int i = 0; i < launch->card_count; i++)
		net_card_close(&launch->cards[i]);
}

static enum vmm_boot way_to_boot(const struct launch *launch)
{
	if (launch_boots_kernel(launch))
		return VMM_BOOT_LINUX;
	return launch->flash.code_size > 0 ? VMM_BOOT_FLASH : VMM_BOOT_FIRMWARE;
}

static int send_start(const struct launch *launch, int control, int console,
		      const struct disks *disks, const struct vfio_devices *devices,
		      struct vmb_err *err)
{
	struct vmm_start start = {
		.version = VMM_PROTO_VERSION,
		.cpus = launch->config.cpus,
		.memory = launch->config.memory,
		.disk_count = disks->count,
		.net_count = launch->card_count,
		.vfio_count = devices->count,
		.vfio_fd_count = devices->fd_count,
		.vfio_iommufd = devices->iommufd,
		.log_level = log_current_level(),
		.virtio_console = launch->config.virtio_console != 0,
		.nested = launch->config.nested != 0,
		.stop_on_panic = launch->config.stop_on_panic != 0,
		.boot = way_to_boot(launch),
	};
	int fds[VMM_MAX_FDS], *more_fds = fds + VMM_FD_DISKS + disks->count, rc;

	fds[VMM_FD_KVM] = launch->kvm;
	fds[VMM_FD_CONSOLE] = console;
	if (launch_boots_kernel(launch)) {
		fds[VMM_FD_KERNEL] = launch->firmware;
		fds[VMM_FD_INITRD] = launch->initrd;
		text_copy(start.cmdline, sizeof(start.cmdline), launch->config.cmdline);
	} else {
		fds[VMM_FD_FIRMWARE] = launch->firmware;
		fds[VMM_FD_VARS] = launch->variables;
	}
	for (unsigned int i = 0; i < disks->count; i++) {
		fds[VMM_FD_DISKS + i] = disks->fds[i];
		start.disks[i] = disks->infos[i];
	}
	for (unsigned int i = 0; i < launch->card_count; i++) {
		start.nets[i] = launch->cards[i].info;
		more_fds += net_card_put_fds(&launch->cards[i], more_fds);
	}
	memcpy(start.vfio, devices->infos, sizeof(start.vfio));
	more_fds += vfio_devices_put_fds(devices, more_fds);
	rc = proto_send(control, VMM_START, &start, sizeof(start), fds,
			(unsigned int)(more_fds - fds));
	if (rc < 0)
		return vmb_err_set(err, -rc,
				   "The virtual machine's process did not take its "
				   "configuration: %s.",
				   strerror(-rc));
	return 0;
}

static int make_pair(int type, int pair[2], struct vmb_err *err)
{
	if (socketpair(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0)
		return 0;
	return vmb_err_set(err, errno, "No socket for the virtual machine: %s.", strerror(errno));
}

int launch_spawn_vmm(struct launch *launch, struct vmb_err *err)
{
	char name[] = "vmboot", role[] = "vmm";
	char *argv[] = {name, role, NULL};
	int pair[2], rc = make_pair(SOCK_SEQPACKET, pair, err);

	if (rc < 0)
		return rc;
	launch->control = pair[0];
	/* The vmm waits for its messages; the launcher's end stays non-blocking. */
	if (fcntl(pair[1], F_SETFL, 0) < 0)
		rc = vmb_err_set(err, errno, "The control socket cannot be set up.");
	if (rc == 0)
		rc = proto_send(launch->control, VMM_PREPARE, NULL, 0, &launch->kvm, 1);
	if (rc == 0)
		rc = child_spawn(argv, &pair[1], 1, &launch->child, err);
	else if (rc != -err->code)
		vmb_err_set(err, -rc, "The virtual machine's process cannot be told anything: %s.",
			    strerror(-rc));
	close(pair[1]);
	return rc;
}

int launch_start_vmm(struct launch *launch, struct vmb_err *err)
{
	int console[2] = {-1, -1}, rc;
	struct vfio_devices devices = {.container = -1};
	struct disks disks = {.count = 0};

	rc = launch_check_trust(launch, err);
	if (rc == 0)
		rc = open_disks(&launch->config, &disks, err);
	if (rc == 0)
		rc = open_cards(launch, err);
	if (rc == 0)
		rc = vfio_devices_open("", &launch->config, &devices, err);
	if (rc == 0 && !launch_boots_kernel(launch))
		rc = vars_file_make_memory(&launch->vars, &launch->variables, err);
	if (rc == 0)
		rc = make_pair(SOCK_STREAM, console, err);
	if (rc == 0)
		rc = vars_file_set_aside(&launch->vars, err);
	if (rc == 0 && launch->control < 0)
		rc = launch_spawn_vmm(launch, err);
	if (rc == 0 && devices.count > 0)
		rc = vfio_raise_memlock(launch->child.pid, launch->config.memory, err);
	if (rc == 0)
		rc = send_start(launch, launch->control, console[1], &disks, &devices, err);
	close_disks(&disks);
	vfio_devices_close(&devices);
	close_cards(launch);
	launch_close_fd(&console[1]);
	launch->console = console[0];
	launch_close_fd(&launch->kvm);
	launch_close_fd(&launch->firmware);
	launch_close_fd(&launch->initrd);
	if (rc < 0)
		return rc;
	launch->phase = LAUNCH_RUNNING;
	launch_watch_vars(launch);
	if (launch_watch_vmm(launch) < 0)
		return vmb_err_set(err, ENOMEM, "Not enough memory to watch the virtual machine.");
	return 0;
}
