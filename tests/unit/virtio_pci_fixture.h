/* A virtio-pci device (a disk) in its power-on state, its BAR mapped and its capabilities found. */
#ifndef VMB_TESTS_UNIT_VIRTIO_PCI_FIXTURE_H
#define VMB_TESTS_UNIT_VIRTIO_PCI_FIXTURE_H

#include "fake_disk.h"
#include "virtio_driver.h"

#include <linux/virtio_blk.h>

#define F_EVENT_IDX (1ULL << VIRTIO_RING_F_EVENT_IDX)
#define F_VERSION_1 (1ULL << VIRTIO_F_VERSION_1)
#define F_FLUSH	    (1ULL << VIRTIO_BLK_F_FLUSH)

#define ACK	    VIRTIO_CONFIG_S_ACKNOWLEDGE
#define DRIVER	    VIRTIO_CONFIG_S_DRIVER
#define FEATURES_OK VIRTIO_CONFIG_S_FEATURES_OK
#define DRIVER_OK   VIRTIO_CONFIG_S_DRIVER_OK
#define NEEDS_RESET VIRTIO_CONFIG_S_NEEDS_RESET
#define FAILED	    VIRTIO_CONFIG_S_FAILED

struct fixture {
	struct test_machine m;
	struct fake_disk *disk;
};

static inline int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct pci_device *dev;

	machine_init(&f->m);
	f->disk = fake_disk_new(1 << 20);
	assert_int_equal(create_blk(&f->m.env, &f->disk->disk, &dev), 0);
	machine_start(&f->m, dev);
	driver_map_bar(&f->m, TEST_BAR);
	driver_find(&f->m, TEST_BAR);
	*state = f;
	return 0;
}

static inline int teardown(void **state)
{
	struct fixture *f = *state;

	machine_fini(&f->m);
	free(f);
	return 0;
}

/* Reads sector 0 by descriptors 0..2 without ringing. */
static inline void put_read(struct test_machine *m)
{
	const struct virtio_blk_outhdr hdr = {.type = VIRTIO_BLK_T_IN};

	gm_write(m->mem, GPA_HEADER, &hdr, sizeof(hdr));
	set_desc(m, 0, GPA_HEADER, 16, VRING_DESC_F_NEXT, 1);
	set_desc(m, 1, GPA_DATA, 512, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 2);
	set_desc(m, 2, GPA_STATUS, 1, VRING_DESC_F_WRITE, 0);
	make_available(m, 0);
}

static inline void enable_msix(struct test_machine *m, uint16_t more)
{
	cfg_write(m, m->msix_cap + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE | more);
}

static inline uint64_t table(struct test_machine *m, unsigned int vector)
{
	return TEST_BAR + (cfg_read(m, m->msix_cap + PCI_MSIX_TABLE, 4) & ~7u) + 16 * vector;
}

static inline uint64_t pba(struct test_machine *m)
{
	return TEST_BAR + (cfg_read(m, m->msix_cap + PCI_MSIX_PBA, 4) & ~7u);
}

static inline void program_vector(struct test_machine *m, unsigned int vector, uint64_t addr,
				  uint32_t data)
{
	bus_write(m->mmio, table(m, vector), 4, addr);
	bus_write(m->mmio, table(m, vector) + 4, 4, addr >> 32);
	bus_write(m->mmio, table(m, vector) + 8, 4, data);
	bus_write(m->mmio, table(m, vector) + 12, 4, 0);
}

#endif
