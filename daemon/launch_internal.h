/*
 * The parts of the launcher: launch.c (start and end), launch_vmm.c (what a vmm is given), launch_io.c (a running VM),
 * launch_pci.c, launch_trust.c, firmware.c, kernel.c.
 */
#ifndef VMB_DAEMON_LAUNCH_INTERNAL_H
#define VMB_DAEMON_LAUNCH_INTERNAL_H

#include <stdbool.h>

#include "child.h"
#include "flash.h"
#include "launch.h"
#include "net_card.h"
#include "pci_hold.h"
#include "vars_file.h"
#include "vars_place.h"

/* How long a vmm may take to end after it was asked to, and a disk to deliver the firmware. */
#define LAUNCH_STOP_MS	   2000
#define LAUNCH_FIRMWARE_MS 10000
/* Variables that the guest has left alone for so long are written: what a power cut may cost is twice that. */
#define LAUNCH_VARS_MS 5000

enum launch_phase {
	LAUNCH_READING, /* a probe reads the firmware from a disk */
	LAUNCH_TAKING,	/* PCI devices are taken from their drivers */
	LAUNCH_RUNNING, /* there is a vmm process that knows everything */
	LAUNCH_GIVING,	/* PCI devices go back to their drivers */
	LAUNCH_ENDED,
};

struct launch {
	struct loop *loop;
	const struct launch_events *events;
	void *ctx;
	struct vm_config config;
	enum launch_phase phase;
	struct child child;	 /* the vmm; while reading, the probe */
	struct vars_place place; /* of VARS, when they are in the store */
	struct vars_file vars;
	/* Of the vmm to be; the variables for as long as it lives. A kernel takes the firmware's place. */
	int kvm, firmware, initrd, variables;
	struct flash_image flash; /* what the firmware is; all zero: a PVH image */
	int control, console, log;
	struct net_card
		cards[VM_MAX_NETS]; /* what was made for them is removed when the vmm is gone */
	unsigned int card_count;
	struct pci_hold hold; /* of the PCI devices */
	struct child mover;   /* takes them, or gives them back */
	int mover_control;
	bool devices_moved; /* they are to be given back */
	struct loop_io *mover_io;
	struct loop_timer *mover_timer;
	struct loop_io *child_io, *control_io, *console_io;
	struct loop_timer *kill_timer, *vars_timer;
	bool vars_rest; /* saved since VARS_TIMER's last turn: the next time it comes is early enough */
	bool vars_due;	/* a reset brought some in that rest */
	bool stopping;	    /* launch_stop() was called */
	bool killed;	    /* the reader of the firmware was told to end */
	bool input_blocked; /* launch_input() took less than it was given */
	bool console_ended;
	struct launch_trust trust;
	char signature[TRUST_SIGNATURE_MAX]; /* of firmware that a probe read */
	size_t signature_n;
	uint64_t log_bytes; /* written to LOG by this VM */
	uint64_t log_max;   /* at which it stops */
	bool log_paused;
	struct vmm_exited exited;
	char warning[480];
};

/* firmware.c: an empty memfd for an image, or for a kernel or initrd; checks and seals an image. */
int firmware_make_memory(int *ret_fd, struct vmb_err *err);
/*
 * LAUNCH's firmware is all there: seals it, looks what it is (LAUNCH->flash), and has the variables fit it. 0, or
 * -errno with the sentence: empty, neither PVH nor OVMF, variables of another layout.
 */
int firmware_seal(struct launch *launch, struct vmb_err *err);
/*
 * kernel.c: reads CONFIG's kernel and initrd (none: empty) into sealed memfds and checks the kernel.
 * 0, or -errno with the sentence; what was made stays for the caller to close.
 */
int kernel_read(const struct vm_config *config, int *ret_kernel, int *ret_initrd,
		struct vmb_err *err);
/* firmware.c: starts a probe that copies the firmware from its device to LAUNCH's memory; it reports on CONTROL. */
int firmware_spawn_reader(struct launch *launch, struct vmb_err *err);
/* What the ended reader said: 0, or -errno with its sentence. STATUS: its wait status. */
int firmware_reader_result(struct launch *launch, int status, struct vmb_err *err);

/* launch_trust.c: is what boots signed as the policy asks? 0, or -EKEYREJECTED with the sentence. */
int launch_check_trust(struct launch *launch, struct vmb_err *err);

/* launch_pci.c: can CONFIG's PCI devices be passed, and does nobody else have them? They are held from then on. */
int launch_check_devices(struct launch *launch, struct vmb_err *err);
/* Starts to take them, or to give them back; launch_devices_moved() follows. 0, or -errno with the sentence. */
int launch_move_devices(struct launch *launch, bool take, struct vmb_err *err);
/* Gives back what was taken, waiting for it, and lets go. Nothing if there is nothing. */
void launch_release_devices(struct launch *launch);

/*
 * launch_vmm.c: the process, which then has KVM make a machine: the earlier, the less of that is waited for. It is told
 * the rest by launch_start_vmm(). 0, or -errno with the sentence.
 */
int launch_spawn_vmm(struct launch *launch, struct vmb_err *err);
/*
 * Everything that needs the firmware to be there: the check of signatures, disks, devices, the process unless there is
 * one, its start message; it is watched from then on. 0, or -errno with the sentence: what was opened for the vmm alone
 * is closed then as well, and the process is left for the caller to end.
 */
int launch_start_vmm(struct launch *launch, struct vmb_err *err);

/* launch.c: a kernel is started without firmware. */
bool launch_boots_kernel(const struct launch *launch);
/* Closes *FD unless it is -1, which it is then. */
void launch_close_fd(int *fd);
/* The mover ended, or was given up; ERR->code is not 0 when it has not done its work. */
void launch_devices_moved(struct launch *launch, const struct vmb_err *err);
/* The vmm is to be ended by force in MSEC unless that is planned already. */
void launch_kill_later(struct launch *launch, uint64_t msec);

/* launch_io.c: writes the variables now and then, from now on. */
void launch_watch_vars(struct launch *launch);
/* launch_io.c: puts control, console and child of a spawned vmm on the loop. 0 or -ENOMEM. */
int launch_watch_vmm(struct launch *launch);
/* Messages and console bytes that still wait, without blocking. */
void launch_drain(struct launch *launch);
/* A message for the vmm; lost, and that is logged, when it takes none. */
void launch_tell(struct launch *launch, uint32_t type, const void *body, size_t size);
/* First warning wins: it is nearest to the cause. */
void launch_warn(struct launch *launch, const char *text);
/* launch.c: the child's pidfd became readable. */
void launch_on_child(void *arg, int fd, short revents);

#endif
