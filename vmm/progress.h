/*
 * How far the guest has come since its power-on, guessed from what it does to its devices: no
 * firmware says so itself. The marks are those of EDK2's RELEASE builds (CloudHv, OVMF): the shutdown
 * status in CMOS is cleared in PEI; PcRtc sets the clock up in DXE; PCI enumeration, drivers on
 * virtio and the first serial output are BDS, which also names what it starts; devices are given
 * back at ExitBootServices, and only operating systems switch MSI-X on.
 *
 * All functions but progress_init() may be called on any thread.
 */
#ifndef VMB_VMM_PROGRESS_H
#define VMB_VMM_PROGRESS_H

#include <pthread.h>
#include <stdint.h>

#include "vmm/virtio/virtio_devices.h"
#include "vmm_proto.h"

#define PROGRESS_TEXTS 3

struct progress {
	_Atomic uint32_t stage; /* enum vmm_stage; written under LOCK */
	void (*changed)(void *ctx);
	void *ctx;
	pthread_mutex_t lock;
	uint8_t cmos_index;
	unsigned int driven;		       /* virtio devices that have a driver */
	unsigned int text_pos[PROGRESS_TEXTS]; /* so much of each was printed */
};

/* CHANGED is called with no lock held after each new stage, on the thread that made it. */
void progress_init(struct progress *p, void (*changed)(void *ctx), void *ctx);
/* Nobody tells it anything any more. */
void progress_fini(struct progress *p);

/* Power-on: STAGE is VMM_STAGE_SEC, or VMM_STAGE_OS when no firmware comes first. */
void progress_reset(struct progress *p, enum vmm_stage stage);

/* Any thread. */
enum vmm_stage progress_stage(const struct progress *p);

/* The guest writes to port 0x70 + OFFSET. */
void progress_cmos_write(struct progress *p, uint64_t offset, unsigned int size, uint64_t value);

/* The guest prints BYTE on the first serial port. */
void progress_serial(struct progress *p, uint8_t byte);

/* For struct virtio_env: ARG is the progress. */
void progress_virtio_event(void *arg, enum virtio_event event);

#endif
