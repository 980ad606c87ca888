/*
 * One virtual machine: its devices, its power-on, reset and end. vmm.c drives it from the control
 * thread; the guest's own wishes arrive as a request.
 */
#ifndef VMB_VMM_VM_H
#define VMB_VMM_VM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "vmm_proto.h"

struct vm;
struct sandbox;

struct vm_params {
	const struct vmm_start *start; /* borrowed during vm_create() only */
	struct kvm_vm *kvm;	       /* made already, taken over; NULL: vm_create() makes one */
	int kvm_fd;		       /* these are borrowed until vm_destroy() */
	int console_fd;
	int firmware_fd; /* firmware and its variables; -1 when a kernel is booted directly */
	int vars_fd;
	int kernel_fd; /* kernel and initrd (see VMM_FD_INITRD); -1 with firmware */
	int initrd_fd;
	int *disk_fds; /* start->disk_count of them; each is set to -1 when the machine took it over */
	int *net_fds;  /* of the cards, in the order of vmm_proto.h; set to -1 likewise */
	int *vfio_fds; /* of the devices passed through, likewise; the container is taken over */
	int notify_fd; /* eventfd, borrowed: written when vm_request() has something to tell */
	unsigned int vcpu_nice;	       /* is added to the nice value of the vCPUs' threads */
	const struct sandbox *sandbox; /* borrowed: of the threads that are made */
};

enum vm_request {
	VM_REQUEST_NONE,
	VM_REQUEST_RESET,
	VM_REQUEST_POWER_OFF,
	VM_REQUEST_FAULT,
};

/* Builds the machine and its first state; nothing runs. 0 or -errno with the sentence. */
int vm_create(const struct vm_params *params, struct vm **ret_vm, struct vmb_err *err);

/* Ends every thread of it, then the rest. NULL is fine. */
void vm_destroy(struct vm *vm);

/* Lets the vCPUs run. */
void vm_run(struct vm *vm);

/*
 * What the guest asked for or did to itself, once: with FAULT the sentence is in TEXT. All vCPUs
 * are stopping already.
 */
enum vm_request vm_take_request(struct vm *vm, char *text, size_t size);

/*
 * Stops the vCPUs, brings everything to its power-on state and reloads firmware and tables; not yet
 * running again. *RET_VARS_CHANGED: the good half of the variables was updated. A request of the guest's that came
 * meanwhile is forgotten. 0 or -errno with the sentence.
 */
int vm_reset(struct vm *vm, bool *ret_vars_changed, struct vmb_err *err);

/* Stops the vCPUs for good, writes out the console, settles the variables as vm_reset() does. */
void vm_stop(struct vm *vm, bool *ret_vars_changed);

/*
 * Stops the vCPUs so that vm_resume() lets them go on as if nothing had been. Disks finish what they
 * are doing meanwhile, network cards stand still. A request of the guest may have come: see vm_take_request().
 */
void vm_pause(struct vm *vm);

/* Lets them go on; the guest's clock is told of the pause. */
void vm_resume(struct vm *vm);

/*
 * What the guest said of itself, or its watchdog of it: enum vmm_guest_event, each once between two
 * power-ons; 0 when there is nothing (more) to tell. notify_fd is written when there is.
 */
uint32_t vm_take_event(struct vm *vm);

/* How far the guest has come; notify_fd is written when that changes. Any thread. */
enum vmm_stage vm_stage(const struct vm *vm);

/* Fills what the machine knows of RET_STATUS, nothing else of it. Any time. */
void vm_get_status(const struct vm *vm, struct vmm_status *ret_status);

/* The cable of network card NET, if there is one. */
void vm_set_link(struct vm *vm, unsigned int net, bool up);

/* An ACPI event for the guest; what it makes of it is its own business. Any time. */
void vm_press_power_button(struct vm *vm);

/* A break on the serial line: SysRq for Linux. */
void vm_send_break(struct vm *vm);

/* DISK may have become bigger. Not from an I/O thread. */
void vm_grow_disk(struct vm *vm, unsigned int disk);

/* The guest is asked to give back so much of its memory. Not from an I/O thread. */
void vm_set_balloon(struct vm *vm, uint64_t bytes);

#endif
