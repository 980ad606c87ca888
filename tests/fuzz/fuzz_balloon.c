/*
 * A hostile driver against virtio-balloon: page lists, reports and statistics of every kind. Promise: no
 * access outside RAM, the tables under 1 MiB stay what they are, and nothing is used after a reset.
 */
#include "machine.h"

#include <linux/virtio_balloon.h>
#include <linux/virtio_ring.h>

#include "vmm/virtio/virtio_devices.h"

#define QUEUES 4
#define TABLES 0xA0000ULL

static void put_pfns(struct input *in, struct machine *m)
{
	static const uint32_t pfns[] = {0xA0, 0x9F, 0xFF, 0x100, 0x80, UINT32_MAX, 0xEF, 0xC0000};
	uint8_t how = (uint8_t)take(in, 1);
	uint32_t pfn = how & 0x80 ? (uint32_t)take(in, 4) : pfns[how & 7];

	/* A run of so many, at a place of the data that a list may begin at or not. */
	for (unsigned int i = 0; i <= (how >> 3 & 7u); i++)
		must(gm_write(m->mem, MACHINE_DATA + 4 * ((how & 3u) + i), &(uint32_t){pfn + i},
			      4) == 0);
}

static void reset_device(struct machine *m, uint64_t features)
{
	bus_write(m->mmio, MACHINE_BAR_OF(MACHINE_BALLOON) + 20, 1, 0);
	for (unsigned int q = 0; q < QUEUES; q++)
		memset(gm_ptr(m->mem, MACHINE_RING(q) + 0x1000, 0x2000), 0, 0x2000);
	machine_drive(m, MACHINE_BALLOON, features, QUEUES);
}

static void one_step(struct input *in, struct machine *m, uint64_t features)
{
	uint64_t config = MACHINE_BAR_OF(MACHINE_BALLOON) + 0x2000;
	uint8_t op = (uint8_t)take(in, 1);
	unsigned int queue = op >> 4 & 3;
	struct vmm_balloon_status status;

	switch (op % 11) {
	case 0:
	case 1: machine_put_desc(m, queue, in); break;
	case 2:
	case 3: machine_offer(m, queue, (uint16_t)take(in, 1)); break;
	case 4: put_pfns(in, m); break;
	case 5: machine_ring(m, MACHINE_BALLOON, queue); break;
	case 6: machine_pump(); break;
	case 7: virtio_balloon_set_target(m->balloon, take(in, 8)); break;
	case 8: virtio_balloon_get_status(m->balloon, &status); break;
	case 9: bus_write(m->mmio, config + take(in, 1), 4, take(in, 4)); break;
	default: reset_device(m, features); break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	struct machine *m = machine_new();
	uint8_t how = (uint8_t)take(&in, 1);
	uint64_t features = (uint64_t)(how & 1) << VIRTIO_RING_F_EVENT_IDX |
			    (uint64_t)(how >> 1 & 1) << VIRTIO_RING_F_INDIRECT_DESC |
			    (uint64_t)(how >> 2 & 1) << VIRTIO_BALLOON_F_STATS_VQ |
			    (uint64_t)(how >> 3 & 1) << VIRTIO_BALLOON_F_REPORTING;
	uint8_t *tables = gm_ptr(m->mem, TABLES, MACHINE_RAM - TABLES);

	for (uint64_t at = TABLES; at < MACHINE_RAM; at += 4096)
		tables[at - TABLES] = 0x5A;
	machine_drive(m, MACHINE_BALLOON, features, QUEUES);
	while (in.left)
		one_step(&in, m, features);
	machine_pump();
	for (uint64_t at = TABLES; at < MACHINE_RAM; at += 4096)
		must(tables[at - TABLES] == 0x5A);
	machine_release(m);
	return 0;
}
