/*
 * A hostile driver against the virtqueue alone: bytes become descriptors, ring entries and calls.
 * Promise: what is popped lies in RAM, has no more pieces than the queue, and its lengths add up.
 */
#include "fuzz.h"

#include <linux/virtio_ring.h>

#include "vmm/virtio/virtqueue.h"

#define RAM   (1ULL << 20)
#define DESC  0x1000ULL
#define AVAIL 0x3000ULL
#define USED  0x4000ULL
#define INDIR 0x6000ULL
#define DIRTY 0x8000ULL /* what an input can change is below */

static struct guest_mem *mem;

static void check_chain(const struct vq *vq, const struct vq_chain *chain, const struct iovec *iov)
{
	const uint8_t *base = gm_ptr(mem, 0, RAM);
	uint64_t out = 0, in = 0;
	unsigned int i;

	must(chain->head < vq->size);
	must(chain->out_count + chain->in_count >= 1);
	must(chain->out_count + chain->in_count <= vq->size);
	for (i = 0; i < chain->out_count + chain->in_count; i++) {
		const uint8_t *p = iov[i].iov_base;

		must(iov[i].iov_len > 0);
		must(p >= base && iov[i].iov_len <= (uint64_t)(base + RAM - p));
		*(i < chain->out_count ? &out : &in) += iov[i].iov_len;
	}
	must(out == chain->out_len && in == chain->in_len);
}

static void put_desc(struct input *in, uint64_t table, unsigned int index)
{
	static const uint64_t addrs[] = {0x10000,  INDIR,      INDIR + 0x200, RAM - 16,
					 RAM - 48, UINT64_MAX, 0xFEE00000};
	static const uint32_t lens[] = {16, 512, 0, 1, 48, 4096, UINT32_MAX, 0x10000};
	struct vring_desc *d = gm_ptr(mem, table + 16 * index, 16);
	uint8_t how = (uint8_t)take(in, 1);

	if (!d)
		return;
	d->addr = how & 0x80 ? take(in, 8) : addrs[how % 7];
	d->len = how & 0x40 ? (uint32_t)take(in, 4) : lens[how >> 3 & 7];
	d->flags = (uint16_t)take(in, 1);
	d->next = (uint16_t)take(in, 1);
}

static void put_addr(struct input *in, const struct vq *vq, uint64_t *reg)
{
	uint8_t how = (uint8_t)take(in, 1);

	vq_write_addr(vq, reg, 0, how & 1 ? (uint32_t)take(in, 4) : (uint32_t)how << 8);
	vq_write_addr(vq, reg, 32, how & 2 ? (uint32_t)take(in, 4) : 0);
}

/* A queue is enabled with its rings in RAM or not at all, and its registers stay as they are then. */
static void try_registers(struct input *in)
{
	struct vq vq, before;

	vq_reset(&vq, VQ_MAX_SIZE);
	vq_write_size(&vq, (uint16_t)take(in, 2));
	put_addr(in, &vq, &vq.desc_addr);
	put_addr(in, &vq, &vq.avail_addr);
	put_addr(in, &vq, &vq.used_addr);
	must(vq.size > 0 && vq.size <= VQ_MAX_SIZE);
	if (vq_enable(&vq, mem) == 0) {
		must(gm_ptr(mem, vq.desc_addr, 16ULL * vq.size) && vq.desc_addr % 16 == 0);
		must(gm_ptr(mem, vq.avail_addr, 6 + 2ULL * vq.size) && vq.avail_addr % 2 == 0);
		must(gm_ptr(mem, vq.used_addr, 6 + 8ULL * vq.size) && vq.used_addr % 4 == 0);
	}
	before = vq;
	vq_write_size(&vq, (uint16_t)take(in, 2));
	put_addr(in, &vq, &vq.desc_addr);
	must(vq.size == before.size && vq.desc_addr == before.desc_addr);
	must((vq_enable(&vq, mem) == 0) == !vq.error);
}

static void one_step(struct input *in, struct vq *vq)
{
	static uint16_t popped[VQ_MAX_SIZE];
	static unsigned int count;
	struct vring_avail *avail = gm_ptr(mem, AVAIL, 0x1000);
	struct iovec iov[VQ_MAX_SIZE];
	struct vq_chain chain;

	switch (take(in, 1) % 9) {
	case 0: put_desc(in, vq->desc_addr, (unsigned int)take(in, 1)); break;
	case 1: put_desc(in, INDIR, (unsigned int)take(in, 1)); break;
	case 2:
		avail->ring[avail->idx % vq->size] = (uint16_t)take(in, 1);
		avail->idx++;
		break;
	case 3: avail->idx = (uint16_t)take(in, 2); break;
	case 4:
	case 5:
		if (vq_pop(vq, &chain, iov) == 1) {
			check_chain(vq, &chain, iov);
			if (count < VQ_MAX_SIZE)
				popped[count++] = chain.head;
		}
		break;
	case 6:
		if (count)
			vq_push(vq, popped[--count], (uint32_t)take(in, 2));
		else
			try_registers(in);
		break;
	case 7: (void)vq_publish(vq); break;
	default:
		vq_notify_off(vq);
		(void)vq_notify_on(vq);
		(void)vq_driver_polls(vq);
		break;
	}
	if (in->left == 0)
		count = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	uint8_t how = (uint8_t)take(&in, 1);
	struct vq vq;

	if (!mem)
		must(gm_create(RAM, &mem) == 0);
	memset(gm_ptr(mem, 0, DIRTY), 0, DIRTY);
	vq_reset(&vq, VQ_MAX_SIZE);
	vq_write_size(&vq, (uint16_t)(1u << (how & 15)));
	/* At the end of RAM, what is read beyond the table faults. */
	vq.desc_addr = how & 0x40 ? RAM - 16 * vq.size : DESC;
	vq.avail_addr = AVAIL;
	vq.used_addr = USED;
	must(vq_enable(&vq, mem) == 0);
	vq_start(&vq, how & 0x10, how & 0x20);
	while (in.left)
		one_step(&in, &vq);
	return 0;
}
