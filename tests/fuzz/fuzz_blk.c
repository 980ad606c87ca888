/*
 * A hostile driver against virtio-blk at work: requests of all kinds, answered late and in any order,
 * resets in between. Promise: no access outside RAM and disk, and no answer after a reset.
 */
#include "machine.h"

#include <errno.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_ring.h>

#define HEADERS 0x8000ULL
#define INDIR	0x9000ULL
#define DATA	0x10000ULL
#define NOTIFY	0x3000ULL
#define SECTORS (MACHINE_DISK / 512ULL)

static uint64_t pick_addr(struct input *in)
{
	static const uint64_t addrs[] = {HEADERS,	  DATA,	       MACHINE_RAM - 512,
					 MACHINE_RAM - 1, MACHINE_BAR, MACHINE_USED,
					 UINT64_MAX - 15};
	uint8_t how = (uint8_t)take(in, 1);

	return how & 0x80 ? take(in, 3) : addrs[how % 7] + (how >> 3 & 7) * 16;
}

static void put_desc(struct input *in, struct machine *m, uint64_t table)
{
	static const uint32_t lens[] = {16, 512, 1, 513, 1024, 0, 48, 0x10000};
	unsigned int index = (unsigned int)take(in, 1);
	struct vring_desc *d = (struct vring_desc *)gm_ptr(m->mem, table, 0x1000) + index;
	uint8_t how = (uint8_t)take(in, 1);

	d->addr = how & 0x40 ? INDIR : pick_addr(in);
	d->len = how & 0x80 ? (uint32_t)take(in, 4) : lens[how & 7];
	d->flags = how >> 3 & 7;
	d->next = (uint16_t)take(in, 1);
}

static void put_header(struct input *in, struct machine *m, unsigned int which)
{
	static const uint32_t types[] = {VIRTIO_BLK_T_IN,      VIRTIO_BLK_T_OUT,
					 VIRTIO_BLK_T_FLUSH,   VIRTIO_BLK_T_GET_ID,
					 VIRTIO_BLK_T_DISCARD, VIRTIO_BLK_T_WRITE_ZEROES,
					 VIRTIO_BLK_T_DISCARD, VIRTIO_BLK_T_SECURE_ERASE};
	static const uint64_t sectors[] = {0,	    5,		 SECTORS - 2, SECTORS - 1,
					   SECTORS, SECTORS + 1, UINT64_MAX,  1ULL << 55};
	uint8_t how = (uint8_t)take(in, 1);
	struct virtio_blk_outhdr hdr = {
		.type = how & 0x80 ? (uint32_t)take(in, 4) : types[how & 7],
		.sector = how & 0x40 ? take(in, 8) : sectors[how >> 3 & 7],
	};

	must(gm_write(m->mem, HEADERS + which % 16 * 16, &hdr, sizeof(hdr)) == 0);
}

/* A range of a discard or of zeroes, where the data of requests is. */
static void put_range(struct input *in, struct machine *m, unsigned int which)
{
	uint8_t how = (uint8_t)take(in, 1);
	struct virtio_blk_discard_write_zeroes range = {
		.sector = how & 0x80 ? take(in, 8) : take(in, 1) % (SECTORS + 2),
		.num_sectors = how & 0x40 ? (uint32_t)take(in, 4) : how & 7,
		.flags = how & 0x20 ? (uint32_t)take(in, 4) : how >> 3 & 1,
	};

	must(gm_write(m->mem, DATA + which % 64 * 16, &range, sizeof(range)) == 0);
}

/* A well-formed request, so that the fuzzer gets deep without luck. */
static void put_request(struct input *in, struct machine *m)
{
	static const uint32_t lens[] = {512, 1024, 16, 48};
	struct vring_desc *d = gm_ptr(m->mem, MACHINE_DESC, 0x1000);
	struct vring_avail *avail = gm_ptr(m->mem, MACHINE_AVAIL, 0x1000);
	uint8_t how = (uint8_t)take(in, 1);
	uint16_t head = (how & 15) * 3;
	uint16_t write = how & 0x10 ? VRING_DESC_F_WRITE : 0;

	put_header(in, m, head);
	d[head] = (struct vring_desc){HEADERS + head % 16 * 16, 16, VRING_DESC_F_NEXT,
				      (uint16_t)(head + 1)};
	d[head + 1] = (struct vring_desc){DATA, lens[how >> 5 & 3], VRING_DESC_F_NEXT | write,
					  (uint16_t)(head + 2)};
	d[head + 2] = (struct vring_desc){DATA + 0x1000, 1, VRING_DESC_F_WRITE, 0};
	avail->ring[avail->idx % 64] = head;
	avail->idx++;
}

static void reset_device(struct machine *m)
{
	const uint16_t *used_idx = gm_ptr(m->mem, MACHINE_USED + 2, 2);
	uint16_t before;

	bus_write(m->mmio, MACHINE_BAR + 20, 1, 0);
	must(m->held_count == 0);
	before = *used_idx;
	machine_pump();
	must(*used_idx == before);
}

static void one_step(struct input *in, struct machine *m, uint64_t features)
{
	struct vring_avail *avail = gm_ptr(m->mem, MACHINE_AVAIL, 0x1000);
	uint8_t op = (uint8_t)take(in, 1);

	switch (op % 13) {
	case 0: put_desc(in, m, MACHINE_DESC); break;
	case 1: put_desc(in, m, INDIR); break;
	case 2: put_header(in, m, op >> 4); break;
	case 3: put_request(in, m); break;
	case 4:
		avail->ring[avail->idx % 64] = (uint16_t)take(in, 1);
		avail->idx++;
		break;
	case 5: avail->idx = (uint16_t)take(in, 1); break;
	case 6: avail->flags = op >> 7; break;
	case 7:
	case 8: bus_write(m->mmio, MACHINE_BAR + NOTIFY, 2, 0); break;
	case 9: machine_pump(); break;
	case 10: machine_answer(m, op, op & 0x80 ? -EIO : 0); break;
	case 11: put_range(in, m, op >> 4); break;
	default:
		reset_device(m);
		memset(gm_ptr(m->mem, MACHINE_AVAIL, 0x1000), 0, 0x1000);
		machine_bring_up(m, features, 64);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	struct machine *m = machine_new();
	uint8_t how = (uint8_t)take(&in, 1);
	uint64_t features = (uint64_t)(how & 1) << VIRTIO_BLK_F_FLUSH |
			    (uint64_t)(how >> 3 & 1) << VIRTIO_BLK_F_DISCARD |
			    (uint64_t)(how >> 4 & 1) << VIRTIO_BLK_F_WRITE_ZEROES |
			    (uint64_t)(how >> 1 & 1) << VIRTIO_RING_F_EVENT_IDX |
			    (uint64_t)(how >> 2 & 1) << VIRTIO_RING_F_INDIRECT_DESC;

	machine_bring_up(m, features, 64);
	while (in.left)
		one_step(&in, m, features);
	machine_release(m);
	return 0;
}
