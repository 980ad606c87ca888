/*
 * A hostile driver against virtio-console while somebody types. Promise: no access outside RAM, no more
 * taken than was typed, every turn ends, and nothing is used after a reset.
 */
#include "machine.h"

#include <linux/virtio_ring.h>

#include "vmm/virtio/virtio_devices.h"

#define QUEUES 2

static void reset_device(struct machine *m, uint64_t features)
{
	const uint8_t typed[] = "x";

	bus_write(m->mmio, MACHINE_BAR_OF(MACHINE_CONSOLE) + 20, 1, 0);
	must(virtio_console_receive(m->console, typed, 1) == 0);
	for (unsigned int q = 0; q < QUEUES; q++)
		memset(gm_ptr(m->mem, MACHINE_RING(q) + 0x1000, 0x2000), 0, 0x2000);
	machine_drive(m, MACHINE_CONSOLE, features, QUEUES);
}

static void one_step(struct input *in, struct machine *m, uint64_t features)
{
	static const uint8_t typed[300];
	uint8_t op = (uint8_t)take(in, 1);
	unsigned int queue = op >> 3 & 1;

	switch (op & 7) {
	case 0:
	case 1: machine_put_desc(m, queue, in); break;
	case 2: machine_offer(m, queue, (uint16_t)take(in, 1)); break;
	case 3: machine_ring(m, MACHINE_CONSOLE, queue); break;
	case 4: must(virtio_console_receive(m->console, typed, op) <= op); break;
	case 5: machine_pump(); break;
	case 6: {
		struct vring_avail *avail = gm_ptr(m->mem, MACHINE_RING(queue) + 0x1000, 0x1000);

		avail->flags = op >> 7;
		avail->idx = (uint16_t)take(in, 1);
		break;
	}
	default: reset_device(m, features); break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	struct machine *m = machine_new();
	uint8_t how = (uint8_t)take(&in, 1);
	uint64_t features = (uint64_t)(how & 1) << VIRTIO_RING_F_EVENT_IDX |
			    (uint64_t)(how >> 1 & 1) << VIRTIO_RING_F_INDIRECT_DESC;

	machine_drive(m, MACHINE_CONSOLE, features, QUEUES);
	while (in.left)
		one_step(&in, m, features);
	machine_release(m);
	return 0;
}
