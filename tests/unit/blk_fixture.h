/* A virtio-blk over a fake disk, and the requests a driver makes. */
#ifndef VMB_TESTS_UNIT_BLK_FIXTURE_H
#define VMB_TESTS_UNIT_BLK_FIXTURE_H

#include "fake_disk.h"
#include "virtio_driver.h"

#include <linux/virtio_blk.h>

#define DISK_SIZE (1ULL << 20)
#define SECTORS	  (DISK_SIZE / 512)

#define NEXT	 VRING_DESC_F_NEXT
#define WRITE	 VRING_DESC_F_WRITE
#define INDIRECT VRING_DESC_F_INDIRECT

#define F_EVENT_IDX (1ULL << VIRTIO_RING_F_EVENT_IDX)
#define F_INDIRECT  (1ULL << VIRTIO_RING_F_INDIRECT_DESC)
#define F_FLUSH	    (1ULL << VIRTIO_BLK_F_FLUSH)

struct fixture {
	struct test_machine m;
	struct fake_disk *disk;
	struct pci_device *dev; /* owned by the machine's bus */
	_Atomic int destroyed;
};

static inline void start_with(struct fixture *f, struct fake_disk *disk)
{
	struct pci_device *dev;

	machine_init(&f->m);
	f->disk = disk;
	f->destroyed = 0;
	disk->destroyed = &f->destroyed;
	assert_int_equal(create_blk(&f->m.env, &disk->disk, &dev), 0);
	machine_start(&f->m, dev);
	f->dev = dev;
}

static inline int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	start_with(f, fake_disk_new(DISK_SIZE));
	*state = f;
	return 0;
}

static inline int teardown(void **state)
{
	struct fixture *f = *state;

	machine_fini(&f->m);
	assert_int_equal(f->destroyed, 1);
	free(f);
	return 0;
}

static inline void put_header(struct test_machine *m, uint64_t gpa, uint32_t type, uint64_t sector)
{
	const struct virtio_blk_outhdr hdr = {.type = type, .sector = sector};

	assert_int_equal(gm_write(m->mem, gpa, &hdr, sizeof(hdr)), 0);
}

/* Descriptors HEAD..HEAD+2: header, DATA_LEN bytes at GPA_DATA (if any), status. */
static inline void put_request(struct test_machine *m, unsigned int head, uint32_t type,
			       uint64_t sector, uint32_t data_len, uint16_t data_flags)
{
	uint64_t hdr = GPA_HEADER + 16 * head, status = GPA_STATUS + head;

	put_header(m, hdr, type, sector);
	*ram(m, status) = 0xEE;
	if (data_len) {
		set_desc(m, head, hdr, 16, NEXT, (uint16_t)(head + 1));
		set_desc(m, head + 1, GPA_DATA + 0x10000 * head, data_len, NEXT | data_flags,
			 (uint16_t)(head + 2));
	} else {
		set_desc(m, head, hdr, 16, NEXT, (uint16_t)(head + 2));
	}
	set_desc(m, head + 2, status, 1, WRITE, 0);
	make_available(m, (uint16_t)head);
}

/* Makes the request of descriptors 0..2, waits, returns the status byte; *ret_len is used.len. */
static inline uint8_t do_request(struct test_machine *m, uint32_t type, uint64_t sector,
				 uint32_t data_len, uint16_t data_flags, uint32_t *ret_len)
{
	struct vring_used_elem e;

	put_request(m, 0, type, sector, data_len, data_flags);
	kick(m);
	e = wait_used(m);
	assert_int_equal(e.id, 0);
	*ret_len = e.len;
	return *ram(m, GPA_STATUS);
}

#endif
