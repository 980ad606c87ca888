/*
 * A PCI bus with a virtio device of each kind for fuzz targets. There are no threads: ring.h is
 * replaced by an I/O "thread" that runs when the target says so, and so every input gives the same
 * result each time.
 */
#ifndef VMB_TESTS_FUZZ_MACHINE_H
#define VMB_TESTS_FUZZ_MACHINE_H

#include "fuzz.h"

#include "vmm/bus.h"
#include "vmm/disk/disk.h"
#include "vmm/mem.h"
#include "vmm/net/net.h"
#include "vmm/pci/pci.h"
#include "vmm/ring.h"

#define MACHINE_RAM  (1ULL << 20)
#define MACHINE_BAR  0xC0000000ULL /* blk; rng one BAR further */
#define MACHINE_BAR2 0xC0008000ULL
#define MACHINE_BAR_OF(slot) (MACHINE_BAR + ((slot)-1) * 0x8000ULL)
#define MACHINE_BLK  1 /* slots */
#define MACHINE_RNG  2
#define MACHINE_CONSOLE	     3
#define MACHINE_BALLOON	     4
#define MACHINE_NET	     5 /* the target puts its BAR in place itself */
#define MACHINE_NET_RING ((struct ring *)(uintptr_t)16)
#define MACHINE_DISK 65536
#define MACHINE_HELD 512

struct machine {
	struct bus *ports;
	struct bus *mmio;
	struct guest_mem *mem;
	struct pci_bus *pci;
	/* Disk requests wait here until machine_answer(). */
	struct disk_req *held[MACHINE_HELD];
	unsigned int held_count;
	uint8_t disk[MACHINE_DISK];
	int attached, connected;
	struct pci_device *console, *balloon; /* on PCI */
	unsigned long console_sum, console_readies;
	struct pci_device *net; /* NULL without machine_make_port */
};

/* Where a virtio-net of one pair sends to; NULL: there is none. Before machine_new(). */
extern struct net_port *(*machine_make_port)(void);

/* The machine in its power-on state; there is only one. */
struct machine *machine_new(void);

/* Ends an input: resets the machine, which must give back everything. */
void machine_release(struct machine *m);

/* The I/O thread takes a turn: doorbells, then the batch hook. */
void machine_pump(void);

/* Answers held disk request WHICH (modulo their number), with ERROR (0 or -errno). */
void machine_answer(struct machine *m, unsigned int which, int error);

void machine_cfg_write(struct machine *m, unsigned int slot, unsigned int reg, unsigned int size,
		       uint32_t value);

/* Switches both devices on with their BARs in place and takes blk to DRIVER_OK with FEATURES. */
void machine_bring_up(struct machine *m, uint64_t features, uint16_t queue_size);

/* The second half of that for the device whose registers are at BAR: its queue 0 is enabled. */
void machine_start_device(struct machine *m, uint64_t bar, uint64_t features, uint16_t queue_size);

/*
 * For the other devices: the one in SLOT from power-on or at work to DRIVER_OK with its first QUEUES queues,
 * whose rings are at MACHINE_RING(): descriptors, 0x1000 further the available, 0x2000 further the used one.
 */
#define MACHINE_RING(q)	  (0x1000ULL + (q)*0x4000ULL)
#define MACHINE_RING_SIZE 16
#define MACHINE_DATA	  0x18000ULL
void machine_drive(struct machine *m, unsigned int slot, uint64_t features, unsigned int queues);

/* A descriptor of QUEUE as the input has it; one more head that is available; the doorbell. */
void machine_put_desc(struct machine *m, unsigned int queue, struct input *in);
void machine_offer(struct machine *m, unsigned int queue, uint16_t head);
void machine_ring(struct machine *m, unsigned int slot, unsigned int queue);

/* Rings of queue 0 of a device that was started. */
#define MACHINE_DESC  0x1000ULL
#define MACHINE_AVAIL 0x3000ULL
#define MACHINE_USED  0x4000ULL
#define MACHINE_DIRTY 0x20000ULL /* what is zeroed between inputs */

#endif
