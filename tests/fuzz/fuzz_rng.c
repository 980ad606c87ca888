/*
 * A hostile driver against virtio-rng: chains of anything, anywhere in RAM. Promise: each is answered
 * once, with no more bytes than it can take, and nothing but its writable parts is written to.
 */
#include "machine.h"

#include <linux/virtio_ring.h>

#define NOTIFY	   0x3000ULL
#define QUEUE	   64
#define INDIR	   0x9000ULL
#define DATA	   0x10000ULL
#define KEPT	   0x30000ULL /* no descriptor points there */
#define KEPT_BYTES 0x1000
#define ONE_CHAIN  4096 /* bytes that one chain gets at most */

static uint64_t features;

static void start(struct machine *m)
{
	memset(gm_ptr(m->mem, MACHINE_AVAIL, 0x2000), 0, 0x2000);
	/* For both BARs; blk lies still, whose rings are ours then. */
	machine_bring_up(m, 0, QUEUE);
	bus_write(m->mmio, MACHINE_BAR + 20, 1, 0);
	machine_start_device(m, MACHINE_BAR2, features, QUEUE);
}

static void put_desc(struct input *in, struct machine *m, uint64_t table)
{
	static const uint64_t addrs[] = {DATA,
					 DATA + 0x7FF,
					 MACHINE_RAM - 16,
					 MACHINE_RAM - 1,
					 MACHINE_BAR,
					 UINT64_MAX - 15,
					 INDIR,
					 MACHINE_USED + 8};
	static const uint32_t lens[] = {16, 1, 0, 4096, 5000, 64, 0x8000, UINT32_MAX};
	struct vring_desc *d =
		(struct vring_desc *)gm_ptr(m->mem, table, 0x1000) + take(in, 1) % QUEUE;
	uint8_t how = (uint8_t)take(in, 1);

	d->addr = addrs[how & 7];
	d->len = lens[how >> 3 & 7];
	d->flags = (uint16_t)(take(in, 1) & 7);
	d->next = (uint16_t)(take(in, 1) & 0x7F);
}

/* One good chain, alone: what it gets can be said to the byte. */
static void ask_once(struct input *in, struct machine *m)
{
	struct vring_desc *d = gm_ptr(m->mem, MACHINE_DESC, 0x1000);
	struct vring_avail *avail = gm_ptr(m->mem, MACHINE_AVAIL, 0x1000);
	const struct vring_used *used = gm_ptr(m->mem, MACHINE_USED, 0x1000);
	uint32_t first = (uint32_t)take(in, 2) % 6000 + 1,
		 second = (uint32_t)take(in, 2) % 6000 + 1;
	uint32_t total = first + second < ONE_CHAIN ? first + second : ONE_CHAIN;

	bus_write(m->mmio, MACHINE_BAR2 + 20, 1, 0);
	start(m);
	d[7] = (struct vring_desc){DATA, first, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 9};
	d[9] = (struct vring_desc){DATA + 0x4000, second, VRING_DESC_F_WRITE, 0};
	avail->ring[0] = 7;
	avail->idx = 1;
	bus_write(m->mmio, MACHINE_BAR2 + NOTIFY, 2, 0);
	machine_pump();
	must(used->idx == 1 && used->ring[0].id == 7 && used->ring[0].len == total);
}

static void one_step(struct input *in, struct machine *m)
{
	struct vring_avail *avail = gm_ptr(m->mem, MACHINE_AVAIL, 0x1000);
	uint8_t op = (uint8_t)take(in, 1);

	switch (op % 9) {
	case 0:
	case 1: put_desc(in, m, MACHINE_DESC); break;
	case 2: put_desc(in, m, INDIR); break;
	case 3:
	case 4:
		avail->ring[avail->idx % QUEUE] = (uint16_t)take(in, 1);
		avail->idx++;
		break;
	case 5: avail->idx = (uint16_t)take(in, 2); break;
	case 6: bus_write(m->mmio, MACHINE_BAR2 + NOTIFY, 2, take(in, 1) & 1); break;
	case 7: machine_pump(); break;
	default:
		if (op & 0x80) {
			ask_once(in, m);
		} else {
			bus_write(m->mmio, MACHINE_BAR2 + 20, 1, 0);
			start(m);
		}
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	struct machine *m = machine_new();
	uint8_t *kept = gm_ptr(m->mem, KEPT, KEPT_BYTES);
	uint8_t how = (uint8_t)take(&in, 1);

	features = (uint64_t)(how & 1) << VIRTIO_RING_F_EVENT_IDX |
		   (uint64_t)(how >> 1 & 1) << VIRTIO_RING_F_INDIRECT_DESC;
	memset(kept, 0xA5, KEPT_BYTES);
	start(m);
	while (in.left)
		one_step(&in, m);
	ask_once(&in, m);
	for (unsigned int i = 0; i < KEPT_BYTES; i++)
		must(kept[i] == 0xA5);
	machine_release(m);
	return 0;
}
