/*
 * A driver for virtio-pci devices in tests: it finds everything the way a real driver does (ports
 * CF8/CFC, capability list, registers in the BAR) and builds rings in guest memory. Beside it the
 * fakes that a device needs: MSI, doorbells, an interrupt wire. Everything is static inline: each
 * test is one program.
 */
#ifndef VMB_TESTS_UNIT_VIRTIO_DRIVER_H
#define VMB_TESTS_UNIT_VIRTIO_DRIVER_H

#include "test.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "vmm/bus.h"
#include "vmm/disk/disk.h"
#include "vmm/layout.h"
#include "vmm/mem.h"
#include "vmm/pci/pci.h"
#include "vmm/ring.h"
#include "vmm/virtio/virtio_devices.h"

#define TEST_SLOT 3
#define TEST_BAR  0xC0000000ULL
#ifndef TEST_RAM
#define TEST_RAM (4ULL << 20)
#endif

#define TEST_QUEUES 4
#define RING_STRIDE 0x4000 /* from a queue's rings to the next one's */

/* Where the test's rings (of queue 0) and buffers are in guest memory. */
#define GPA_DESC     0x10000ULL
#define GPA_AVAIL    0x20000ULL
#define GPA_USED     0x30000ULL
#define GPA_INDIRECT 0x40000ULL
#define GPA_HEADER   0x50000ULL
#define GPA_STATUS   0x60000ULL
#define GPA_DATA     0x100000ULL

/* ---- fakes ---- */

struct fake_msi {
	int connects;
	int disconnects;
	int fail; /* -errno for every connect(), 0: works */
	int eventfd;
	uint64_t addr;
	uint32_t data;
};

static inline int fake_msi_connect(void *ctx, int fd, uint64_t addr, uint32_t data,
				   uint32_t *handle)
{
	struct fake_msi *msi = ctx;

	if (msi->fail)
		return msi->fail;
	msi->connects++;
	msi->eventfd = fd;
	msi->addr = addr;
	msi->data = data;
	*handle = 77;
	return 0;
}

static inline void fake_msi_disconnect(void *ctx, int fd, uint32_t *handle)
{
	struct fake_msi *msi = ctx;

	(void)fd;
	assert_int_equal(*handle, 77);
	msi->disconnects++;
}

static const struct msi_ops fake_msi_ops = {fake_msi_connect, fake_msi_disconnect};

struct fake_doorbells {
	int attached;
	int fail;
	uint64_t addr[8]; /* of those attached, 0: free */
	bool is_port[8];
	int eventfd[8];
};

static inline int fake_doorbell_attach(void *ctx, const struct doorbell_place *place,
				       unsigned int size, int fd)
{
	struct fake_doorbells *d = ctx;

	(void)size;
	if (d->fail)
		return d->fail;
	for (unsigned int i = 0; i < 8; i++) {
		if (d->addr[i])
			continue;
		d->addr[i] = place->addr;
		d->is_port[i] = place->is_port;
		d->eventfd[i] = fd;
		d->attached++;
		return 0;
	}
	return -ENOSPC;
}

static inline void fake_doorbell_detach(void *ctx, const struct doorbell_place *place,
					unsigned int size, int fd)
{
	struct fake_doorbells *d = ctx;

	(void)size;
	for (unsigned int i = 0; i < 8; i++) {
		if (d->addr[i] != place->addr || d->is_port[i] != place->is_port ||
		    d->eventfd[i] != fd)
			continue;
		d->addr[i] = 0;
		d->attached--;
		return;
	}
	fail_msg("detached a doorbell at %#llx that was not attached",
		 (unsigned long long)place->addr);
}

static const struct doorbell_ops fake_doorbell_ops = {fake_doorbell_attach, fake_doorbell_detach};

struct fake_pin {
	_Atomic int level;
	_Atomic int rises;
};

static inline void fake_pin_set(void *ctx, bool level)
{
	struct fake_pin *pin = ctx;

	if (level && !pin->level)
		pin->rises++;
	pin->level = level;
}

/* ---- the machine around one device ---- */

struct test_machine {
	struct bus *ports;
	struct bus *mmio;
	struct guest_mem *mem;
	struct ring *ring;
	struct pci_bus *pci;
	struct fake_msi msi;
	struct fake_doorbells doorbells;
	struct fake_pin pin;
	struct virtio_env env;
	struct irq_pin intx;

	/* What the driver found. */
	unsigned int msix_cap, window_cap;
	uint64_t common, isr, config, notify;
	bool has_ports; /* doorbells that are ports, in BAR 1, offered before those in memory */
	uint32_t notify_multiplier;
	/* The driver's side of the queue in use, which is 0 unless use_queue() says otherwise. */
	unsigned int queue;
	uint16_t size;
	uint16_t avail_idx;
	uint16_t used_seen;
	struct {
		uint16_t avail_idx;
		uint16_t used_seen;
	} parked[TEST_QUEUES]; /* of those that are not in use */
};

static inline void machine_init(struct test_machine *m)
{
	struct pci_bus_params params = {.pci32_base = LAYOUT_PCI32};

	memset(m, 0, sizeof(*m));
	assert_int_equal(bus_create(&m->ports), 0);
	assert_int_equal(bus_create(&m->mmio), 0);
	assert_int_equal(gm_create(TEST_RAM, &m->mem), 0);
	assert_int_equal(ring_create("test", 64, RING_AUTO, &m->ring, NULL), 0);
	params.ports = m->ports;
	params.mmio = m->mmio;
	assert_int_equal(pci_bus_create(&params, &m->pci), 0);
	m->env.mem = m->mem;
	m->env.ring = m->ring;
	m->env.msi.ops = &fake_msi_ops;
	m->env.msi.ctx = &m->msi;
	m->env.doorbell.ops = &fake_doorbell_ops;
	m->env.doorbell.ctx = &m->doorbells;
	m->intx.set = fake_pin_set;
	m->intx.ctx = &m->pin;
}

static inline void machine_start(struct test_machine *m, struct pci_device *dev)
{
	assert_int_equal(pci_bus_add(m->pci, TEST_SLOT, dev, &m->intx), 0);
	assert_int_equal(ring_start(m->ring), 0);
}

static inline void machine_fini(struct test_machine *m)
{
	pci_bus_destroy(m->pci);
	assert_int_equal(m->doorbells.attached, 0);
	ring_destroy(m->ring);
	gm_destroy(m->mem);
	bus_destroy(m->mmio);
	bus_destroy(m->ports);
}

static inline void nothing(void *arg)
{
	(void)arg;
}

/* Returns when the I/O thread has seen every doorbell rung so far. */
static inline void settle(struct test_machine *m)
{
	for (int i = 0; i < 4; i++)
		ring_call(m->ring, nothing, NULL);
}

/* A virtio-blk of one queue, on ENV's ring. */
static inline int create_blk(const struct virtio_env *env, struct disk *disk,
			     struct pci_device **ret_dev)
{
	const struct virtio_blk_queue queue = {.ring = env->ring, .disk = disk};

	return virtio_blk_create(env, &queue, 1, 0, ret_dev);
}

/* ---- configuration space by CF8/CFC ---- */

static inline void cfg_select(struct test_machine *m, unsigned int slot, unsigned int reg)
{
	bus_write(m->ports, 0xCF8, 4, 0x80000000u | slot << 11 | (reg & 0xFC));
}

static inline uint32_t cfg_read(struct test_machine *m, unsigned int reg, unsigned int size)
{
	cfg_select(m, TEST_SLOT, reg);
	return (uint32_t)bus_read(m->ports, 0xCFC + (reg & 3), size);
}

static inline void cfg_write(struct test_machine *m, unsigned int reg, unsigned int size,
			     uint32_t v)
{
	cfg_select(m, TEST_SLOT, reg);
	bus_write(m->ports, 0xCFC + (reg & 3), size, v);
}

/* ---- what a driver does first ---- */

static inline void driver_map_bar(struct test_machine *m, uint64_t addr)
{
	cfg_write(m, PCI_BASE_ADDRESS_0, 4, (uint32_t)addr);
	cfg_write(m, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

/* Walks the capability list; every vendor capability must point into BAR 0, or be of doorbells at the start of BAR 1. */
static inline void driver_find(struct test_machine *m, uint64_t bar)
{
	unsigned int at = cfg_read(m, PCI_CAPABILITY_LIST, 1), count = 0;
	bool memory_seen = false;

	assert_true(cfg_read(m, PCI_STATUS, 2) & PCI_STATUS_CAP_LIST);
	for (; at; at = cfg_read(m, at + 1, 1)) {
		uint64_t where;

		assert_true(at >= 0x40 && at % 4 == 0 && count++ < 48);
		if (cfg_read(m, at, 1) == PCI_CAP_ID_MSIX) {
			m->msix_cap = at;
			continue;
		}
		assert_int_equal(cfg_read(m, at, 1), PCI_CAP_ID_VNDR);
		where = bar + cfg_read(m, at + 8, 4);
		if (cfg_read(m, at + 3, 1) == VIRTIO_PCI_CAP_NOTIFY_CFG &&
		    cfg_read(m, at + 4, 1) == 1) {
			assert_true(!memory_seen && cfg_read(m, at + 8, 4) == 0);
			assert_int_equal(cfg_read(m, at + 16, 4), 4);
			m->has_ports = true;
			continue;
		}
		if (cfg_read(m, at + 3, 1) != VIRTIO_PCI_CAP_PCI_CFG)
			assert_int_equal(cfg_read(m, at + 4, 1), 0);
		switch (cfg_read(m, at + 3, 1)) {
		case VIRTIO_PCI_CAP_COMMON_CFG: m->common = where; break;
		case VIRTIO_PCI_CAP_ISR_CFG: m->isr = where; break;
		case VIRTIO_PCI_CAP_DEVICE_CFG: m->config = where; break;
		case VIRTIO_PCI_CAP_NOTIFY_CFG:
			m->notify = where;
			memory_seen = true;
			m->notify_multiplier = cfg_read(m, at + 16, 4);
			break;
		case VIRTIO_PCI_CAP_PCI_CFG: m->window_cap = at; break;
		default: fail_msg("unknown capability type");
		}
	}
}

static inline uint64_t common_read(struct test_machine *m, unsigned int off, unsigned int size)
{
	return bus_read(m->mmio, m->common + off, size);
}

static inline void common_write(struct test_machine *m, unsigned int off, unsigned int size,
				uint64_t v)
{
	bus_write(m->mmio, m->common + off, size, v);
}

static inline uint8_t status_read(struct test_machine *m)
{
	return (uint8_t)common_read(m, VIRTIO_PCI_COMMON_STATUS, 1);
}

static inline void status_add(struct test_machine *m, uint8_t bits)
{
	common_write(m, VIRTIO_PCI_COMMON_STATUS, 1, status_read(m) | bits);
}

static inline uint64_t features_read(struct test_machine *m)
{
	uint64_t f;

	common_write(m, VIRTIO_PCI_COMMON_DFSELECT, 4, 1);
	f = common_read(m, VIRTIO_PCI_COMMON_DF, 4) << 32;
	common_write(m, VIRTIO_PCI_COMMON_DFSELECT, 4, 0);
	return f | common_read(m, VIRTIO_PCI_COMMON_DF, 4);
}

static inline void features_write(struct test_machine *m, uint64_t f)
{
	common_write(m, VIRTIO_PCI_COMMON_GFSELECT, 4, 0);
	common_write(m, VIRTIO_PCI_COMMON_GF, 4, (uint32_t)f);
	common_write(m, VIRTIO_PCI_COMMON_GFSELECT, 4, 1);
	common_write(m, VIRTIO_PCI_COMMON_GF, 4, f >> 32);
}

static inline void write64(struct test_machine *m, unsigned int off, uint64_t v)
{
	common_write(m, off, 4, (uint32_t)v);
	common_write(m, off + 4, 4, v >> 32);
}

/* Where what BASE is for queue 0 is for the queue in use. */
static inline uint64_t ring_gpa(const struct test_machine *m, uint64_t base)
{
	return base + RING_STRIDE * m->queue;
}

/* The functions on rings below mean QUEUE from now on. */
static inline void use_queue(struct test_machine *m, unsigned int queue)
{
	m->parked[m->queue].avail_idx = m->avail_idx;
	m->parked[m->queue].used_seen = m->used_seen;
	m->queue = queue;
	m->avail_idx = m->parked[queue].avail_idx;
	m->used_seen = m->parked[queue].used_seen;
}

static inline void queue_setup(struct test_machine *m, uint16_t size)
{
	memset(gm_ptr(m->mem, ring_gpa(m, GPA_DESC), RING_STRIDE), 0, RING_STRIDE);
	memset(gm_ptr(m->mem, ring_gpa(m, GPA_AVAIL), RING_STRIDE), 0, RING_STRIDE);
	memset(gm_ptr(m->mem, ring_gpa(m, GPA_USED), RING_STRIDE), 0, RING_STRIDE);
	m->size = size;
	m->avail_idx = 0;
	m->used_seen = 0;
	common_write(m, VIRTIO_PCI_COMMON_Q_SELECT, 2, m->queue);
	common_write(m, VIRTIO_PCI_COMMON_Q_SIZE, 2, size);
	write64(m, VIRTIO_PCI_COMMON_Q_DESCLO, ring_gpa(m, GPA_DESC));
	write64(m, VIRTIO_PCI_COMMON_Q_AVAILLO, ring_gpa(m, GPA_AVAIL));
	write64(m, VIRTIO_PCI_COMMON_Q_USEDLO, ring_gpa(m, GPA_USED));
	common_write(m, VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
}

/* Reset to DRIVER_OK with FEATURES (beside VERSION_1) and the first COUNT queues of SIZE; the first is in use. */
static inline void driver_start_queues(struct test_machine *m, uint64_t features, uint16_t size,
				       unsigned int count)
{
	common_write(m, VIRTIO_PCI_COMMON_STATUS, 1, 0);
	assert_int_equal(status_read(m), 0);
	status_add(m, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	status_add(m, VIRTIO_CONFIG_S_DRIVER);
	features_write(m, features | 1ULL << VIRTIO_F_VERSION_1);
	status_add(m, VIRTIO_CONFIG_S_FEATURES_OK);
	assert_true(status_read(m) & VIRTIO_CONFIG_S_FEATURES_OK);
	while (count-- > 0) {
		use_queue(m, count);
		queue_setup(m, size);
	}
	status_add(m, VIRTIO_CONFIG_S_DRIVER_OK);
	assert_true(status_read(m) & VIRTIO_CONFIG_S_DRIVER_OK);
}

/* The same with queue 0 alone. */
static inline void driver_start(struct test_machine *m, uint64_t features, uint16_t size)
{
	driver_start_queues(m, features, size, 1);
}

/* From power-on to DRIVER_OK. */
static inline void driver_up(struct test_machine *m, uint64_t features, uint16_t size)
{
	driver_map_bar(m, TEST_BAR);
	driver_find(m, TEST_BAR);
	driver_start(m, features, size);
}

/* ---- the queue in use ---- */

static inline struct vring_desc *desc_at(struct test_machine *m, unsigned int i)
{
	return (struct vring_desc *)gm_ptr(m->mem, ring_gpa(m, GPA_DESC), RING_STRIDE) + i;
}

static inline struct vring_avail *avail_ring(struct test_machine *m)
{
	return gm_ptr(m->mem, ring_gpa(m, GPA_AVAIL), 0x1000);
}

static inline struct vring_used *used_ring(struct test_machine *m)
{
	return gm_ptr(m->mem, ring_gpa(m, GPA_USED), 0x1000);
}

static inline void set_desc(struct test_machine *m, unsigned int i, uint64_t addr, uint32_t len,
			    uint16_t flags, uint16_t next)
{
	*desc_at(m, i) = (struct vring_desc){addr, len, flags, next};
}

static inline void make_available(struct test_machine *m, uint16_t head)
{
	struct vring_avail *a = avail_ring(m);

	a->ring[m->avail_idx % m->size] = head;
	m->avail_idx++;
	__atomic_store_n(&a->idx, m->avail_idx, __ATOMIC_SEQ_CST);
}

static inline void kick(struct test_machine *m)
{
	bus_write(m->mmio, m->notify + m->notify_multiplier * m->queue, 2, m->queue);
}

static inline uint16_t used_idx(struct test_machine *m)
{
	return __atomic_load_n(&used_ring(m)->idx, __ATOMIC_ACQUIRE);
}

/* The next used element; waits for it up to five seconds. */
static inline struct vring_used_elem wait_used(struct test_machine *m)
{
	for (int i = 0; i < 50000 && used_idx(m) == m->used_seen; i++)
		usleep(100);
	if (used_idx(m) == m->used_seen)
		fail_msg("no answer; device status %#x", status_read(m));
	return used_ring(m)->ring[m->used_seen++ % m->size];
}

static inline uint8_t *ram(struct test_machine *m, uint64_t gpa)
{
	return gm_ptr(m->mem, gpa, 1);
}

static inline int wait_level(struct test_machine *m, int level)
{
	for (int i = 0; i < 50000 && m->pin.level != level; i++)
		usleep(100);
	return m->pin.level;
}

#endif
