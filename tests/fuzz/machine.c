/* See machine.h. Beside the machine: the replacement of ring.h, and a fake of everything outside. */
#include "machine.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>

#include "log.h"
#include "vmm/virtio/virtio_devices.h"
#include "vmm/layout.h"

/* ---- ring.h without a thread ---- */

#define WATCHES 20

static struct ring_watch *watches[WATCHES];

/* Of the I/O thread of the disk and of that of the network card, which is MACHINE_NET_RING. */
static struct {
	void (*fn)(void *arg);
	void *arg;
} hooks[2];

static void run_hooks(void)
{
	for (unsigned int i = 0; i < 2; i++)
		if (hooks[i].fn)
			hooks[i].fn(hooks[i].arg);
}

int ring_create(const char *name, unsigned int depth, enum ring_engine engine,
		struct ring **ret_ring, struct vmb_err *err)
{
	(void)name;
	(void)depth;
	(void)engine;
	(void)err;
	*ret_ring = NULL;
	return 0;
}

void ring_destroy(struct ring *ring)
{
	(void)ring;
	memset(watches, 0, sizeof(watches));
}

int ring_watch(struct ring *ring, struct ring_watch *watch)
{
	(void)ring;
	for (unsigned int i = 0; i < WATCHES; i++) {
		if (watches[i])
			continue;
		watches[i] = watch;
		return 0;
	}
	return -ENOMEM;
}

void ring_unwatch(struct ring *ring, struct ring_watch *watch)
{
	(void)ring;
	for (unsigned int i = 0; i < WATCHES; i++)
		if (watches[i] == watch)
			watches[i] = NULL;
}

void ring_call(struct ring *ring, void (*fn)(void *arg), void *arg)
{
	(void)ring;
	fn(arg);
	run_hooks();
}

void ring_set_batch_hook(struct ring *ring, void (*fn)(void *arg), void *arg)
{
	unsigned int i = ring == MACHINE_NET_RING;

	hooks[i].fn = fn;
	hooks[i].arg = arg;
}

/* What the watch waits for has come. */
static bool has_fired(const struct ring_watch *watch, uint64_t *ret_value)
{
	struct pollfd pfd = {.fd = watch->fd, .events = watch->events ? watch->events : POLLIN};
	eventfd_t n;

	*ret_value = POLLIN;
	if (!watch->is_eventfd)
		return poll(&pfd, 1, 0) > 0;
	if (eventfd_read(watch->fd, &n) < 0)
		return false;
	*ret_value = n;
	return true;
}

void machine_pump(void)
{
	uint64_t n;

	for (unsigned int i = 0; i < WATCHES; i++)
		if (watches[i] && has_fired(watches[i], &n))
			watches[i]->fn(watches[i], n);
	run_hooks();
}

/* A vCPU whose driver polls would wait for the I/O thread here: it takes its turn instead. */
int __wrap_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex,
				  const struct timespec *until);
int __wrap_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex,
				  const struct timespec *until)
{
	(void)cond;
	(void)until;
	pthread_mutex_unlock(mutex);
	machine_pump();
	pthread_mutex_lock(mutex);
	return ETIMEDOUT;
}

/* ---- the disk ---- */

struct fuzz_disk {
	struct disk disk;
	struct machine *m;
};

static void disk_finish(struct machine *m, struct disk_req *req, int error)
{
	uint64_t at = req->offset, sum = 0;

	if (req->op == DISK_DISCARD || req->op == DISK_ZERO || req->op == DISK_ZERO_UNMAP) {
		must(req->iov_count == 0 && at <= MACHINE_DISK && req->length <= MACHINE_DISK - at);
		if (!error)
			memset(m->disk + at, 0, req->length);
		req->done(req, error);
		return;
	}
	for (unsigned int i = 0; i < req->iov_count; i++) {
		const struct iovec *v = &req->iov[i];

		sum += v->iov_len;
		must(sum <= req->length && at + v->iov_len <= MACHINE_DISK);
		if (error)
			continue;
		if (req->op == DISK_READ)
			memcpy(v->iov_base, m->disk + at, v->iov_len);
		else
			memcpy(m->disk + at, v->iov_base, v->iov_len);
		at += v->iov_len;
	}
	must(sum == req->length);
	req->done(req, error);
}

static void disk_submit(struct disk *disk, struct disk_req *req)
{
	struct machine *m = ((struct fuzz_disk *)disk)->m;

	must(req->iov_count <= DISK_MAX_IOV);
	must(m->held_count < MACHINE_HELD);
	for (unsigned int i = 0; i < m->held_count; i++)
		must(m->held[i] != req);
	m->held[m->held_count++] = req;
}

void machine_answer(struct machine *m, unsigned int which, int error)
{
	struct disk_req *req;

	if (!m->held_count)
		return;
	which %= m->held_count;
	req = m->held[which];
	m->held[which] = m->held[--m->held_count];
	disk_finish(m, req, error);
	run_hooks();
}

static void disk_drain(struct disk *disk)
{
	struct machine *m = ((struct fuzz_disk *)disk)->m;

	while (m->held_count)
		disk_finish(m, m->held[--m->held_count], 0);
}

static void disk_destroy(struct disk *disk)
{
	must(((struct fuzz_disk *)disk)->m->held_count == 0);
	free(disk);
}

static const struct disk_ops disk_ops = {disk_submit, disk_drain, disk_destroy, NULL};

static struct disk *new_disk(struct machine *m)
{
	struct fuzz_disk *d = calloc(1, sizeof(*d));

	must(d);
	d->disk.ops = &disk_ops;
	d->disk.size = MACHINE_DISK;
	d->disk.logical_block = 512;
	d->disk.discard_block = 4096;
	d->m = m;
	return &d->disk;
}

/* ---- interrupts and doorbells: only counted ---- */

static int connect_msi(void *ctx, int fd, uint64_t addr, uint32_t data, uint32_t *handle)
{
	struct machine *m = ctx;

	(void)fd;
	if (addr >> 32 & 0xFF || data == 0xFFFF)
		return -EINVAL;
	if (!*handle)
		m->connected++;
	*handle = 1;
	return 0;
}

static void disconnect_msi(void *ctx, int fd, uint32_t *handle)
{
	(void)fd;
	must(*handle);
	*handle = 0;
	((struct machine *)ctx)->connected--;
}

static int attach_doorbell(void *ctx, const struct doorbell_place *place, unsigned int size, int fd)
{
	(void)place;
	(void)size;
	(void)fd;
	((struct machine *)ctx)->attached++;
	return 0;
}

static void detach_doorbell(void *ctx, const struct doorbell_place *place, unsigned int size,
			    int fd)
{
	(void)place;
	(void)size;
	(void)fd;
	((struct machine *)ctx)->attached--;
	must(((struct machine *)ctx)->attached >= 0);
}

static const struct msi_ops msi_ops = {connect_msi, disconnect_msi};
static const struct doorbell_ops doorbell_ops = {attach_doorbell, detach_doorbell};

/* ---- the machine ---- */

static struct guest_mem *shared_mem; /* the same for all inputs: making it is slow */

/* Reads all that it is given, as a console would, as far as that is quick. */
static void console_transmit(void *ctx, const uint8_t *buf, size_t n)
{
	struct machine *m = ctx;

	for (size_t i = 0; i < n && i < 4096; i++)
		m->console_sum += buf[i] + buf[n - 1 - i];
}

static void console_ready(void *ctx)
{
	((struct machine *)ctx)->console_readies++;
}

struct net_port *(*machine_make_port)(void);

static void add_net(const struct virtio_env *env, struct machine *m)
{
	const struct virtio_net_params params = {.mac = {2, 0, 0, 0, 0, 1}, .mtu = 1500};
	const struct virtio_net_pair pair = {MACHINE_NET_RING, machine_make_port(), -1};
	const struct irq_pin pin = {0};
	struct pci_device *dev;

	must(virtio_net_create(env, &params, &pair, 1, &dev) == 0);
	must(pci_bus_add(m->pci, MACHINE_NET, dev, &pin) == 0);
	m->net = dev;
}

static void add_devices(struct machine *m)
{
	const struct virtio_console_params console = {
		.transmit = console_transmit, .receive_ready = console_ready, .ctx = m};
	struct virtio_env env = {
		.mem = m->mem,
		.msi = {&msi_ops, m},
		.doorbell = {&doorbell_ops, m},
	};
	const struct virtio_blk_queue queue = {.disk = new_disk(m)};
	const struct irq_pin pin = {0};
	struct pci_device *dev;

	must(virtio_blk_create(&env, &queue, 1, 0, &dev) == 0);
	must(pci_bus_add(m->pci, MACHINE_BLK, dev, &pin) == 0);
	must(virtio_rng_create(&env, &dev) == 0);
	must(pci_bus_add(m->pci, MACHINE_RNG, dev, &pin) == 0);
	must(virtio_console_create(&env, &console, &m->console) == 0);
	must(pci_bus_add(m->pci, MACHINE_CONSOLE, m->console, &pin) == 0);
	must(virtio_balloon_create(&env, &m->balloon) == 0);
	must(pci_bus_add(m->pci, MACHINE_BALLOON, m->balloon, &pin) == 0);
	if (machine_make_port)
		add_net(&env, m);
}

static struct machine *make(void)
{
	struct machine *m = calloc(1, sizeof(*m));
	struct pci_bus_params params = {.pci32_base = LAYOUT_PCI32};

	must(m);
	m->mem = shared_mem;
	must(bus_create(&m->ports) == 0);
	must(bus_create(&m->mmio) == 0);
	params.ports = m->ports;
	params.mmio = m->mmio;
	must(pci_bus_create(&params, &m->pci) == 0);
	add_devices(m);
	return m;
}

static void destroy(struct machine *m)
{
	pci_bus_destroy(m->pci);
	for (unsigned int i = 0; i < WATCHES; i++)
		must(!watches[i]);
	bus_destroy(m->mmio);
	bus_destroy(m->ports);
	free(m);
}

/* Making it is slow, so it is reset for the next input, and made anew only now and then. */
struct machine *machine_new(void)
{
	static struct machine *kept;
	static unsigned int uses;

	if (!shared_mem) {
		log_init(-1, LOG_LEVEL_ERROR, "fuzz");
		must(gm_create(MACHINE_RAM, &shared_mem) == 0);
	}
	memset(gm_ptr(shared_mem, 0, MACHINE_DIRTY), 0, MACHINE_DIRTY);
	if (!kept || uses++ % 256 == 0) {
		if (kept)
			destroy(kept);
		kept = make();
	}
	return kept;
}

void machine_release(struct machine *m)
{
	pci_bus_reset(m->pci);
	machine_pump();
	must(m->attached == 0 && m->connected == 0 && m->held_count == 0);
}

void machine_cfg_write(struct machine *m, unsigned int slot, unsigned int reg, unsigned int size,
		       uint32_t value)
{
	bus_write(m->ports, 0xCF8, 4, 0x80000000u | slot << 11 | (reg & 0xFC));
	bus_write(m->ports, 0xCFC + (reg & 3), size, value);
}

void machine_bring_up(struct machine *m, uint64_t features, uint16_t queue_size)
{
	machine_cfg_write(m, MACHINE_BLK, PCI_BASE_ADDRESS_0, 4, (uint32_t)MACHINE_BAR);
	machine_cfg_write(m, MACHINE_RNG, PCI_BASE_ADDRESS_0, 4, (uint32_t)MACHINE_BAR2);
	machine_cfg_write(m, MACHINE_BLK, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	machine_cfg_write(m, MACHINE_RNG, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	machine_start_device(m, MACHINE_BAR, features, queue_size);
}

void machine_start_device(struct machine *m, uint64_t bar, uint64_t features, uint16_t queue_size)
{
	const struct {
		uint8_t reg, size;
		uint32_t value;
	} writes[] = {
		{VIRTIO_PCI_COMMON_GF, 4, (uint32_t)features},
		{VIRTIO_PCI_COMMON_GFSELECT, 4, 1},
		{VIRTIO_PCI_COMMON_GF, 4, 1}, /* VERSION_1 */
		{VIRTIO_PCI_COMMON_STATUS, 1, 1},
		{VIRTIO_PCI_COMMON_STATUS, 1, 3},
		{VIRTIO_PCI_COMMON_STATUS, 1, 11},
		{VIRTIO_PCI_COMMON_Q_SIZE, 2, queue_size},
		{VIRTIO_PCI_COMMON_Q_DESCLO, 4, MACHINE_DESC},
		{VIRTIO_PCI_COMMON_Q_AVAILLO, 4, MACHINE_AVAIL},
		{VIRTIO_PCI_COMMON_Q_USEDLO, 4, MACHINE_USED},
		{VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1},
		{VIRTIO_PCI_COMMON_STATUS, 1, 15},
	};

	for (size_t i = 0; i < sizeof(writes) / sizeof(writes[0]); i++)
		bus_write(m->mmio, bar + writes[i].reg, writes[i].size, writes[i].value);
}

void machine_drive(struct machine *m, unsigned int slot, uint64_t features, unsigned int queues)
{
	const uint8_t status[] = {1, 3, 11};
	const uint64_t bar = MACHINE_BAR_OF(slot);

	machine_cfg_write(m, slot, PCI_BASE_ADDRESS_0, 4, (uint32_t)bar);
	machine_cfg_write(m, slot, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	bus_write(m->mmio, bar + VIRTIO_PCI_COMMON_STATUS, 1, 0);
	bus_write(m->mmio, bar + VIRTIO_PCI_COMMON_GF, 4, (uint32_t)features);
	bus_write(m->mmio, bar + VIRTIO_PCI_COMMON_GFSELECT, 4, 1);
	bus_write(m->mmio, bar + VIRTIO_PCI_COMMON_GF, 4, 1); /* VERSION_1 */
	for (unsigned int i = 0; i < sizeof(status); i++)
		bus_write(m->mmio, bar + VIRTIO_PCI_COMMON_STATUS, 1, status[i]);
	for (unsigned int q = 0; q < queues; q++) {
		bus_write(m->mmio, bar + VIRTIO_PCI_COMMON_Q_SELECT, 2, q);
		bus_write(m->mmio, bar + VIRTIO_PCI_COMMON_Q_SIZE, 2, MACHINE_RING_SIZE);
		bus_write(m->mmio, bar + VIRTIO_PCI_COMMON_Q_DESCLO, 4, MACHINE_RING(q));
		bus_write(m->mmio, bar + VIRTIO_PCI_COMMON_Q_AVAILLO, 4, MACHINE_RING(q) + 0x1000);
		bus_write(m->mmio, bar + VIRTIO_PCI_COMMON_Q_USEDLO, 4, MACHINE_RING(q) + 0x2000);
		bus_write(m->mmio, bar + VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
	}
	bus_write(m->mmio, bar + VIRTIO_PCI_COMMON_STATUS, 1, 15);
}

static uint64_t pick_addr(struct input *in)
{
	static const uint64_t addrs[] = {
		MACHINE_DATA, MACHINE_DATA + 0x1000, MACHINE_RAM - 4096, MACHINE_RAM - 1,
		0x9F000,      MACHINE_BAR,	     UINT64_MAX - 15,	 0xFF000};
	uint8_t how = (uint8_t)take(in, 1);

	return how & 0x80 ? take(in, 3) : addrs[how & 7] + (how >> 3 & 3) * 2;
}

void machine_put_desc(struct machine *m, unsigned int queue, struct input *in)
{
	static const uint32_t lens[] = {4, 4096, 1, 8192, 30, 0, 3, 0x20000};
	uint8_t index = (uint8_t)take(in, 1) % MACHINE_RING_SIZE, how = (uint8_t)take(in, 1);
	struct vring_desc *d =
		(struct vring_desc *)gm_ptr(m->mem, MACHINE_RING(queue), 0x1000) + index;

	d->addr = pick_addr(in);
	d->len = how & 0x80 ? (uint32_t)take(in, 4) : lens[how & 7];
	d->flags = how >> 3 & 7;
	d->next = (uint16_t)take(in, 1) % (MACHINE_RING_SIZE + 1);
}

void machine_offer(struct machine *m, unsigned int queue, uint16_t head)
{
	struct vring_avail *avail = gm_ptr(m->mem, MACHINE_RING(queue) + 0x1000, 0x1000);

	avail->ring[avail->idx % MACHINE_RING_SIZE] = head;
	avail->idx++;
}

void machine_ring(struct machine *m, unsigned int slot, unsigned int queue)
{
	bus_write(m->mmio, MACHINE_BAR_OF(slot) + 0x3000 + 4 * queue, 2, queue);
}
