/*
 * The vmm process: its control thread. Waits for VMM_START, builds the machine, serves the control
 * socket and the guest's requests, says how it ended. See vmm_proto.h for the messages.
 */
#include "vmm.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "host_hurry.h"
#include "log.h"
#include "proto.h"
#include "vmm/sandbox.h"
#include "vmm/kvm.h"
#include "vmm/vm.h"
#include "vmm_proto.h"

#define SEND_WAIT_MSEC 1000
/* How much sooner than vCPUs the other threads get a CPU that both want. */
#define IO_NICER 5

enum vmm_exit_status { STATUS_OK = 0, STATUS_GUEST_FAULT = 1, STATUS_NOT_STARTED = 2 };

struct vmm {
	int control;
	int notify;  /* eventfd: the guest wants something */
	int signals; /* signalfd: SIGTERM */
	struct vmm_start start;
	unsigned int fd_count;
	int fds[VMM_MAX_FDS]; /* beside VMM_START; -1 when given away */
	struct sandbox sandbox;
	struct kvm_vm *kvm; /* made by VMM_PREPARE with KVM_FD, until it is the machine's */
	int kvm_fd;
	struct vm *vm;
	struct timespec started;
	bool paused;
	bool panicked;	/* the guest, since its power-on */
	uint32_t stage; /* what the launcher knows of the guest's progress */
	struct log_limit event_log_limit;
	bool done;
	bool launcher_gone;
	struct vmm_exited exited;
};

static void tell(struct vmm *vmm, uint32_t type, const void *body, size_t size)
{
	int r = proto_send(vmm->control, type, body, size, NULL, 0);

	/* A launcher that does not read for a second is as good as gone; the guest does not wait for it. */
	if (r == -EAGAIN) {
		struct pollfd pfd = {.fd = vmm->control, .events = POLLOUT};

		if (poll(&pfd, 1, SEND_WAIT_MSEC) > 0)
			r = proto_send(vmm->control, type, body, size, NULL, 0);
	}
	if (r < 0 && !vmm->launcher_gone)
		log_warn("control: message %u not delivered (%s)", type, strerror(-r));
}

static uint64_t msec_since(const struct timespec *start)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)((now.tv_sec - start->tv_sec) * 1000 +
			  (now.tv_nsec - start->tv_nsec) / 1000000);
}

static void finish(struct vmm *vmm, uint32_t reason, const char *text)
{
	vmm->done = true;
	vmm->exited.reason = reason;
	snprintf(vmm->exited.text, sizeof(vmm->exited.text), "%s%s", text,
		 vmm->panicked ? " The guest's kernel had panicked." : "");
}

/* ---- start ---- */

static bool nets_fit(const struct vmm_start *start)
{
	if (start->net_count > VM_MAX_NETS)
		return false;
	for (unsigned int i = 0; i < start->net_count; i++)
		if (start->nets[i].queues == 0 || start->nets[i].queues > VM_MAX_NET_QUEUES)
			return false;
	return true;
}

/* The descriptors of what nets_fit(). */
static unsigned int count_net_fds(const struct vmm_start *start)
{
	unsigned int count = 0;

	for (unsigned int i = 0; i < start->net_count; i++)
		count += start->nets[i].queues * (start->nets[i].vhost ? 2u : 1u);
	return count;
}

/* Do the devices that are passed through and their descriptors belong together? */
static bool vfio_fits(const struct vmm_start *start)
{
	if (start->vfio_count > VM_MAX_VFIO || start->vfio_fd_count > start->vfio_count)
		return false;
	for (unsigned int i = 0; i < start->vfio_count; i++)
		if (start->vfio[i].fd >= start->vfio_fd_count)
			return false;
	return true;
}

/* The descriptors of what vfio_fits(). */
static unsigned int count_vfio_fds(const struct vmm_start *start)
{
	return start->vfio_count > 0 ? 1 + start->vfio_fd_count : 0;
}

/* What a launcher may get wrong; the rest is checked where it is used. */
static int check_start(const struct vmm *vmm, struct vmb_err *err)
{
	const struct vmm_start *start = &vmm->start;

	if (start->version != VMM_PROTO_VERSION)
		return vmb_err_set(err, EPROTO,
				   "The launcher speaks version %u of the vmm protocol, this vmm "
				   "version %d. Use one vmboot for both.",
				   start->version, VMM_PROTO_VERSION);
	if (start->disk_count > VM_MAX_DISKS || !nets_fit(start) || !vfio_fits(start) ||
	    vmm->fd_count !=
		    VMM_FD_DISKS + start->disk_count + count_net_fds(start) + count_vfio_fds(start))
		return vmb_err_set(
			err, EPROTO,
			"The launcher named %u disks, %u network cards and %u devices and sent %u "
			"descriptors, which do not belong together.",
			start->disk_count, start->net_count, start->vfio_count, vmm->fd_count);
	if (start->boot != VMM_BOOT_FIRMWARE && start->boot != VMM_BOOT_LINUX &&
	    start->boot != VMM_BOOT_FLASH)
		return vmb_err_set(
			err, EPROTO,
			"The launcher asks for a way to boot that this vmm does not know "
			"(%u). Use one vmboot for both.",
			start->boot);
	if (start->memory < VM_MIN_MEMORY || start->memory % (1 << 20) != 0)
		return vmb_err_set(
			err, EINVAL,
			"The virtual machine cannot have %llu bytes of memory: at least 64 "
			"MiB, in whole MiB.",
			(unsigned long long)start->memory);
	return 0;
}

/*
 * KVM_CREATE_VM starts a kernel thread that takes a lock of the control groups for writing: 10 ms of waiting for an RCU
 * grace period, in which the launcher reads what is to be booted. Why it fails is said when it is tried again.
 */
static void prepare(struct vmm *vmm)
{
	struct vmb_err err = {0};

	if (vmm->fd_count != 1 || vmm->kvm_fd >= 0)
		return;
	vmm->kvm_fd = vmm->fds[0];
	vmm->fd_count = 0;
	host_hurry_begin("");
	(void)kvm_vm_create(vmm->kvm_fd, &vmm->kvm, &err);
	host_hurry_end("");
}

/* 0, or -errno with the sentence. The first message decides; the launcher speaks first. */
static int receive_start(struct vmm *vmm, struct vmb_err *err)
{
	struct pollfd pfd = {.fd = vmm->control, .events = POLLIN};
	uint32_t type = 0;
	int r;

	do {
		if (poll(&pfd, 1, -1) < 0 && errno != EINTR)
			return vmb_err_set(err, errno, "poll: %s", strerror(errno));
		r = proto_recv(vmm->control, &type, &vmm->start, sizeof(vmm->start), vmm->fds,
			       VMM_MAX_FDS, &vmm->fd_count);
		if (r >= 0 && type == VMM_PREPARE)
			prepare(vmm);
	} while (r == -EAGAIN || r == -EINTR || (r >= 0 && type == VMM_PREPARE));
	if (r < 0)
		return vmb_err_set(err, -r, "The launcher sent no start message (%s).",
				   strerror(-r));
	if (type != VMM_START || r != (int)sizeof(vmm->start))
		return vmb_err_set(err, EPROTO, "The launcher's first message is not VMM_START.");
	for (unsigned int i = 0; i < VM_MAX_DISKS; i++)
		vmm->start.disks[i].serial[VM_SERIAL_SIZE - 1] = '\0';
	for (unsigned int i = 0; i < VM_MAX_VFIO; i++)
		vmm->start.vfio[i].address[VM_PCI_ADDRESS_SIZE - 1] = '\0';
	vmm->start.cmdline[VM_CMDLINE_SIZE - 1] = '\0';
	return check_start(vmm, err);
}

/*
 * While a thread waits for the CPU to serve a request, the guest burns it on polling for the answer, and then halts. Only
 * root may do so, and gives the right away with the sandbox: so every thread is made like this, and vCPUs take it back.
 */
static unsigned int prefer_io_to_vcpus(void)
{
	int nice = getpriority(PRIO_PROCESS, 0);

	return setpriority(PRIO_PROCESS, 0, nice - IO_NICER) == 0 ? IO_NICER : 0;
}

static enum sandbox_thread control_kind(const struct vmm *vmm)
{
	if (vmm->start.vfio_count > 0)
		return SANDBOX_CONTROL_VFIO;
	return vmm->start.boot == VMM_BOOT_FLASH ? SANDBOX_CONTROL_FLASH : SANDBOX_CONTROL;
}

static int build(struct vmm *vmm, struct vmb_err *err)
{
	bool linux_kernel = vmm->start.boot == VMM_BOOT_LINUX;
	const struct vm_params params = {
		.start = &vmm->start,
		.kvm = vmm->kvm,
		.kvm_fd = vmm->fds[VMM_FD_KVM],
		.console_fd = vmm->fds[VMM_FD_CONSOLE],
		.firmware_fd = linux_kernel ? -1 : vmm->fds[VMM_FD_FIRMWARE],
		.vars_fd = linux_kernel ? -1 : vmm->fds[VMM_FD_VARS],
		.kernel_fd = linux_kernel ? vmm->fds[VMM_FD_KERNEL] : -1,
		.initrd_fd = linux_kernel ? vmm->fds[VMM_FD_INITRD] : -1,
		.disk_fds = &vmm->fds[VMM_FD_DISKS],
		.net_fds = &vmm->fds[VMM_FD_DISKS + vmm->start.disk_count],
		.vfio_fds = &vmm->fds[VMM_FD_DISKS + vmm->start.disk_count +
				      count_net_fds(&vmm->start)],
		.notify_fd = vmm->notify,
		.vcpu_nice = prefer_io_to_vcpus(),
		.sandbox = &vmm->sandbox,
	};
	int r;

	/* Before there is a second thread; what is built needs no path. */
	sandbox_enter(&vmm->sandbox);
	vmm->kvm = NULL;
	r = vm_create(&params, &vmm->vm, err);
	if (r == 0)
		r = sandbox_filter(&vmm->sandbox, control_kind(vmm));
	return r == 0 || err->code ? r
				   : vmb_err_set(err, -r,
						 "The host does not let the vmm into its sandbox "
						 "(%s).",
						 strerror(-r));
}

/* ---- life ---- */

static void tell_progress(struct vmm *vmm)
{
	uint32_t stage = vm_stage(vmm->vm);

	if (stage == vmm->stage)
		return;
	vmm->stage = stage;
	log_debug("vm: has come to %s", vmm_stage_name(stage));
	tell(vmm, VMM_PROGRESS, &stage, sizeof(stage));
}

/* The guest may have said things about itself. */
static void tell_events(struct vmm *vmm)
{
	uint32_t event;

	while (!vmm->done && (event = vm_take_event(vmm->vm)) != 0) {
		if (log_limit_ok(&vmm->event_log_limit))
			log_info("vm: %s", vmm_guest_event_text(event));
		tell(vmm, VMM_GUEST_EVENT, &event, sizeof(event));
		if (event == VMM_GUEST_PANICKED && vmm->start.stop_on_panic)
			finish(vmm, VMM_EXIT_GUEST_FAULT,
			       "The guest's kernel panicked; its console shows why.");
		else if (event == VMM_GUEST_PANICKED || event == VMM_GUEST_CRASH_LOADED)
			vmm->panicked = true;
	}
}

static void reset(struct vmm *vmm)
{
	bool vars_changed = false;
	struct vmb_err err = {0};
	int r = vm_reset(vmm->vm, &vars_changed, &err);

	if (vars_changed)
		tell(vmm, VMM_VARS_CHANGED, NULL, 0);
	if (r < 0) {
		finish(vmm, VMM_EXIT_ERROR, err.text);
		return;
	}
	vmm->exited.resets++;
	vmm->panicked = false;
	tell(vmm, VMM_WAS_RESET, NULL, 0);
	tell_progress(vmm);
	/* A paused machine stands at its first instruction now. */
	if (!vmm->paused)
		vm_run(vmm->vm);
}

/* The guest may have asked for a reset or its end just now: that request is served next. */
static void pause_vm(struct vmm *vmm)
{
	vm_pause(vmm->vm);
	vmm->paused = true;
	tell(vmm, VMM_PAUSED, NULL, 0);
}

static void resume_vm(struct vmm *vmm)
{
	if (vmm->paused)
		vm_resume(vmm->vm);
	vmm->paused = false;
	tell(vmm, VMM_RESUMED, NULL, 0);
}

static void handle_request(struct vmm *vmm)
{
	char text[sizeof(vmm->exited.text)];
	eventfd_t count;

	(void)eventfd_read(vmm->notify, &count);
	tell_progress(vmm);
	tell_events(vmm);
	if (vmm->done)
		return;
	switch (vm_take_request(vmm->vm, text, sizeof(text))) {
	case VM_REQUEST_NONE: break;
	case VM_REQUEST_RESET: reset(vmm); break;
	case VM_REQUEST_POWER_OFF:
		finish(vmm, VMM_EXIT_POWER_OFF, "The guest switched itself off.");
		break;
	case VM_REQUEST_FAULT: finish(vmm, VMM_EXIT_GUEST_FAULT, text); break;
	}
}

static void tell_status(struct vmm *vmm)
{
	struct vmm_status status = {
		.run_ms = msec_since(&vmm->started),
		.resets = vmm->exited.resets,
		.paused = vmm->paused,
	};

	vm_get_status(vmm->vm, &status);
	tell(vmm, VMM_STATUS, &status, sizeof(status));
}

static void set_link(struct vmm *vmm, const struct vmm_set_link *set, int size)
{
	if (size == (int)sizeof(*set))
		vm_set_link(vmm->vm, set->net, set->up);
}

static void handle_message(struct vmm *vmm)
{
	union {
		struct vmm_set_link link;
		uint32_t disk;
		uint64_t bytes;
	} body;
	uint32_t type = 0;
	unsigned int nfds = 0;
	int r = proto_recv(vmm->control, &type, &body, sizeof(body), NULL, 0, &nfds);

	if (r == -EAGAIN || r == -EINTR)
		return;
	if (r < 0) {
		vmm->launcher_gone = true;
		finish(vmm, VMM_EXIT_STOPPED,
		       "The program that started the virtual machine ended.");
		return;
	}
	switch (type) {
	case VMM_RESET: reset(vmm); break;
	case VMM_POWER_BUTTON: vm_press_power_button(vmm->vm); break;
	case VMM_PAUSE: pause_vm(vmm); break;
	case VMM_GET_STATUS: tell_status(vmm); break;
	case VMM_RESUME: resume_vm(vmm); break;
	case VMM_BREAK: vm_send_break(vmm->vm); break;
	case VMM_SET_LINK: set_link(vmm, &body.link, r); break;
	case VMM_GROW_DISK:
		if (r == (int)sizeof(body.disk))
			vm_grow_disk(vmm->vm, body.disk);
		break;
	case VMM_SET_BALLOON:
		if (r == (int)sizeof(body.bytes))
			vm_set_balloon(vmm->vm, body.bytes);
		break;
	case VMM_STOP: finish(vmm, VMM_EXIT_STOPPED, "The virtual machine was stopped."); break;
	default: log_warn("control: message %u is none of a launcher's", type);
	}
}

static void serve(struct vmm *vmm)
{
	struct pollfd pfds[] = {
		{.fd = vmm->notify, .events = POLLIN},
		{.fd = vmm->signals, .events = POLLIN},
		{.fd = vmm->control, .events = POLLIN},
	};

	while (!vmm->done) {
		if (poll(pfds, 3, -1) < 0) {
			if (errno == EINTR)
				continue;
			finish(vmm, VMM_EXIT_ERROR, "The vmm cannot wait for events any more.");
			return;
		}
		if (pfds[0].revents)
			handle_request(vmm);
		if (pfds[1].revents && !vmm->done)
			finish(vmm, VMM_EXIT_STOPPED,
			       "The virtual machine was stopped by a signal (SIGTERM).");
		if (pfds[2].revents && !vmm->done)
			handle_message(vmm);
	}
}

static void run(struct vmm *vmm)
{
	bool vars_changed = false;

	clock_gettime(CLOCK_MONOTONIC, &vmm->started);
	tell(vmm, VMM_STARTED, NULL, 0);
	tell_progress(vmm);
	vm_run(vmm->vm);
	serve(vmm);
	vm_stop(vmm->vm, &vars_changed);
	vmm->exited.run_ms = msec_since(&vmm->started);
	if (vars_changed)
		tell(vmm, VMM_VARS_CHANGED, NULL, 0);
}

/*
 * SIGTERM becomes an event. The keyboard's signals are the launcher's business: it shares our
 * terminal and tells us what to do.
 */
static int set_up_signals(void)
{
	sigset_t term;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, NULL);
	return signalfd(-1, &term, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int exit_status(const struct vmm *vmm, bool was_built)
{
	if (!was_built)
		return STATUS_NOT_STARTED;
	return vmm->exited.reason == VMM_EXIT_POWER_OFF || vmm->exited.reason == VMM_EXIT_STOPPED
		       ? STATUS_OK
		       : STATUS_GUEST_FAULT;
}

int vmm_main(int control)
{
	struct vmm vmm = {.control = control, .kvm_fd = -1};
	struct vmb_err err = {0};
	bool was_built = false;

	(void)fcntl(control, F_SETFL, O_NONBLOCK);
	vmm.signals = set_up_signals();
	vmm.notify = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (vmm.signals < 0 || vmm.notify < 0)
		vmb_err_set(&err, errno, "The vmm cannot make its descriptors (%s).",
			    strerror(errno));
	else if (receive_start(&vmm, &err) == 0) {
		log_init(STDERR_FILENO, (enum log_level)vmm.start.log_level, "vmm");
		was_built = build(&vmm, &err) == 0;
	}
	if (was_built)
		run(&vmm);
	else
		finish(&vmm, VMM_EXIT_ERROR, err.text);
	log_info("vmm: ends after %llu ms and %u resets. %s", (unsigned long long)vmm.exited.run_ms,
		 vmm.exited.resets, vmm.exited.text);
	/* Told before the memory is given back, which may take a while: the operator waits for this. */
	tell(&vmm, VMM_EXITED, &vmm.exited, sizeof(vmm.exited));
	vm_destroy(vmm.vm);
	kvm_vm_destroy(vmm.kvm);
	if (vmm.kvm_fd >= 0)
		close(vmm.kvm_fd);
	for (unsigned int i = 0; i < vmm.fd_count; i++)
		if (vmm.fds[i] >= 0)
			close(vmm.fds[i]);
	close(vmm.notify);
	close(vmm.signals);
	close(control);
	return exit_status(&vmm, was_built);
}
