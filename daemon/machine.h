/*
 * The one virtual machine that the daemon runs: its state for the menus, what its console wrote
 * last, what is to be typed into it.
 */
#ifndef VMB_DAEMON_MACHINE_H
#define VMB_DAEMON_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "launch.h"
#include "loop.h"
#include "menu_proto.h"

/* So much of the console is kept for menus that come late or are slow. */
#define MACHINE_REPLAY_SIZE 65536

struct machine;

struct machine_events {
	void (*changed)(void *ctx); /* machine_describe() says something new */
	void (*output)(void *ctx);  /* the console's end moved */
	void (*status)(void *ctx, const struct vmm_status *status); /* machine_get_status() */
};

/* There is no VM at first. EVENTS and CTX are borrowed until machine_destroy(). 0 or -ENOMEM. */
int machine_create(struct loop *loop, const struct machine_events *events, void *ctx,
		   struct machine **ret_machine);
/* Kills a VM that still runs; its variables are saved. NULL is fine. */
void machine_destroy(struct machine *machine);

/* How a VM is started, beside its configuration; all borrowed. */
struct machine_options {
	const struct launch_trust *trust; /* these two as in launch_start() */
	const struct vars_place *place;
	bool usual_vars;  /* the configuration asked for VM_VARS_USUAL, and PLACE or its vars_path is what came of it */
	const char *id;	  /* of the entry; empty: none */
	const char *note; /* a sentence for the operator; empty: none */
	bool by_itself;	  /* no operator asked for it */
};

/*
 * Starts CONFIG, which vm_config_check() has let pass. 0, or -errno with the sentence; -EBUSY while a VM runs. The result of
 * an ended one is forgotten.
 */
int machine_start(struct machine *machine, const struct vm_config *config,
		  const struct machine_options *options, struct vmb_err *err);

bool machine_is_active(const struct machine *machine); /* starting or running */
/* The VM as menus are told of it, but for the keyboard; state MENU_VM_NONE when there was none. */
void machine_describe(const struct machine *machine, struct menu_vm *ret_vm);

/* What an operator does to a running VM; nothing happens when there is none. A pause shows in machine_describe(). */
void machine_reset(struct machine *machine);
void machine_power_button(struct machine *machine);
void machine_break(struct machine *machine);	    /* on the serial line */
void machine_log(struct machine *machine, bool on); /* the raw log of its console goes on, or not */
void machine_pause(struct machine *machine);
void machine_resume(struct machine *machine);
/* Of network card NET. 0, or -ENODEV with the sentence: it has none of that number. */
int machine_set_link(struct machine *machine, unsigned int net, bool up, struct vmb_err *err);
/* The answer comes as an event, if the VM lives that long. */
void machine_get_status(struct machine *machine);
/* Disk number DISK may have become bigger. 0, or -ERANGE with the sentence: there is none. */
int machine_grow_disk(struct machine *machine, uint32_t disk, struct vmb_err *err);
/* The guest is asked to give back BYTES of its memory. 0, or -ERANGE with the sentence: that is too much. */
int machine_set_balloon(struct machine *machine, uint64_t bytes, struct vmb_err *err);
/* As launch_stop(): changed() tells when it has ended. */
void machine_stop(struct machine *machine);
/* The result of a VM that has ended was read: there is none any more. */
void machine_forget(struct machine *machine);
/* The variables of the VM that ended are in memory only, although its disks are free again. */
void machine_vars_unsaved(struct machine *machine);
/* A report about the end of the VM, which is still to be read, lies at PATH: its text says so. */
void machine_add_report(struct machine *machine, const char *path);

/* Bytes for the guest's serial line. What the guest does not take is kept, and beyond 16 KiB lost. */
void machine_input(struct machine *machine, const uint8_t *buf, size_t n);

/*
 * The console counts its bytes since the daemon's start. Positions from machine_output_start() up to
 * machine_output_end() can be read; a read before the start begins there.
 */
uint64_t machine_output_start(const struct machine *machine);
uint64_t machine_output_end(const struct machine *machine);
/* Copies up to CAP bytes at POS (between start and end) to BUF; returns how many. */
size_t machine_read_output(const struct machine *machine, uint64_t pos, uint8_t *buf, size_t cap);

#endif
