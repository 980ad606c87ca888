/*
 * virtio-net with vhost-net, whose kernel is played by the test: when it gets the queues and with what, when it has to
 * give them back, and that the card looks the same meanwhile. Nothing here needs /dev/vhost-net.
 */
#include "net_fixture.h"

#include <linux/vhost.h>
#include <stdarg.h>
#include <sys/ioctl.h>

#define KERNEL_FEATURES                                                            \
	(F(VIRTIO_F_VERSION_1) | MERGE | EVENT_IDX | F(VIRTIO_RING_F_INDIRECT_DESC) | \
	 F(VIRTIO_F_ANY_LAYOUT) | F(VHOST_F_LOG_ALL))

/* ---- the kernel ---- */

static struct {
	int fd; /* what stands for /dev/vhost-net; 0: there is none */
	uint64_t offered, features;
	bool owned;
	struct vhost_memory_region memory;
	struct vhost_vring_addr addr[2];
	unsigned int num[2], base[2];
	_Atomic int kick[2], call[2], err[2], backend[2];
	int refuse_backend; /* -errno */
	_Atomic int starts;
} kernel;

static void set_file(_Atomic int *files, const struct vhost_vring_file *file)
{
	assert_true(file->index < 2);
	files[file->index] = file->fd;
}

static int kernel_ioctl(unsigned long request, void *arg)
{
	struct vhost_vring_state *state = arg;
	struct vhost_vring_file *file = arg;

	switch (request) {
	case VHOST_GET_FEATURES: *(uint64_t *)arg = kernel.offered; return 0;
	case VHOST_SET_FEATURES:
		assert_int_equal(*(uint64_t *)arg & ~kernel.offered, 0);
		kernel.features = *(uint64_t *)arg;
		return 0;
	case VHOST_SET_OWNER: kernel.owned = true; return 0;
	case VHOST_SET_MEM_TABLE:
		assert_true(kernel.owned);
		assert_int_equal(((struct vhost_memory *)arg)->nregions, 1);
		kernel.memory = ((struct vhost_memory *)arg)->regions[0];
		return 0;
	case VHOST_SET_VRING_NUM: kernel.num[state->index] = state->num; return 0;
	case VHOST_SET_VRING_BASE:
		/* As the kernel has it: not while it runs. */
		assert_int_equal(kernel.backend[state->index], -1);
		kernel.base[state->index] = state->num;
		return 0;
	case VHOST_GET_VRING_BASE: state->num = kernel.base[state->index]; return 0;
	case VHOST_SET_VRING_ADDR:
		kernel.addr[((struct vhost_vring_addr *)arg)->index] = *(struct vhost_vring_addr *)arg;
		return 0;
	case VHOST_SET_VRING_KICK: set_file(kernel.kick, file); return 0;
	case VHOST_SET_VRING_CALL: set_file(kernel.call, file); return 0;
	case VHOST_SET_VRING_ERR: set_file(kernel.err, file); return 0;
	case VHOST_NET_SET_BACKEND:
		if (file->fd >= 0 && kernel.refuse_backend) {
			errno = -kernel.refuse_backend;
			return -1;
		}
		kernel.starts += file->fd >= 0 && kernel.backend[file->index] < 0;
		set_file(kernel.backend, file);
		return 0;
	default: errno = ENOTTY; return -1;
	}
}

int __real_ioctl(int fd, unsigned long request, void *arg);
int __wrap_ioctl(int fd, unsigned long request, void *arg);
int __wrap_ioctl(int fd, unsigned long request, void *arg)
{
	return kernel.fd && fd == kernel.fd ? kernel_ioctl(request, arg)
					    : __real_ioctl(fd, request, arg);
}

static int setup_with(void **state, uint64_t offered)
{
	memset(&kernel, 0, sizeof(kernel));
	kernel.fd = eventfd(0, EFD_CLOEXEC);
	kernel.offered = offered;
	for (int i = 0; i < 2; i++)
		kernel.kick[i] = kernel.call[i] = kernel.err[i] = kernel.backend[i] = -1;
	*state = fixture_new_vhost(1, kernel.fd);
	return 0;
}

static int setup(void **state)
{
	return setup_with(state, KERNEL_FEATURES);
}

static int setup_old(void **state)
{
	return setup_with(state, KERNEL_FEATURES & ~MERGE);
}

static int teardown(void **state)
{
	fixture_free(*state);
	assert_int_equal(kernel.backend[0], -1);
	assert_int_equal(kernel.backend[1], -1);
	return 0;
}

static void assert_runs(struct fixture *f, bool runs)
{
	int tap = runs ? f->ports[0]->port.fd : -1;

	assert_int_equal(kernel.backend[0], tap);
	assert_int_equal(kernel.backend[1], tap);
	assert_int_equal(net_status(f).vhost, runs);
}

/* A packet by the vmm: only it drives the test's port. */
static void assert_vmm_moves_packets(struct fixture *f)
{
	net_add_buffer(f, &f->q[0], 0, 1526);
	net_kick_queue(f, &f->q[0]);
	outside_send(f, 0, 0, 100, 1);
	assert_int_equal(net_wait_used(f, &f->q[0]).len, 112);
}

/* The kernel served each queue up to INDEX and said so to the driver. */
static void kernel_did(struct fixture *f, uint16_t index)
{
	for (unsigned int i = 0; i < 2; i++) {
		struct vring_used *used = net_used(f, &f->q[i]);

		kernel.base[i] = index;
		used->idx = index;
		f->q[i].used_seen = index;
		f->q[i].avail_idx = index;
		net_avail(f, &f->q[i])->idx = index;
	}
}

/* ---- tests ---- */

static void the_kernel_gets_the_queues(void **state)
{
	struct fixture *f = *state;
	eventfd_t count = 0;

	assert_true(kernel.owned);
	assert_int_equal(kernel.memory.guest_phys_addr, 0);
	assert_int_equal(kernel.memory.memory_size, TEST_RAM);
	assert_ptr_equal((void *)(uintptr_t)kernel.memory.userspace_addr, gm_ptr(f->m.mem, 0, 1));
	net_driver_up(f, MERGE | EVENT_IDX | F(VIRTIO_NET_F_GUEST_CSUM) | F(VIRTIO_NET_F_MAC));
	assert_runs(f, true);
	/* What is about the rings, nothing of what is between driver and tap; that one is told itself. */
	assert_int_equal(kernel.features, F(VIRTIO_F_VERSION_1) | MERGE | EVENT_IDX);
	assert_int_equal(f->ports[0]->offloads, NET_OFFLOAD_CSUM);
	for (unsigned int i = 0; i < 2; i++) {
		assert_int_equal(kernel.num[i], QUEUE_SIZE);
		assert_int_equal(kernel.base[i], 0);
		assert_ptr_equal((void *)(uintptr_t)kernel.addr[i].desc_user_addr,
				 gm_ptr(f->m.mem, QUEUE_RINGS(i), 1));
		assert_ptr_equal((void *)(uintptr_t)kernel.addr[i].avail_user_addr,
				 gm_ptr(f->m.mem, QUEUE_RINGS(i) + 0x2000, 1));
		assert_ptr_equal((void *)(uintptr_t)kernel.addr[i].used_user_addr,
				 gm_ptr(f->m.mem, QUEUE_RINGS(i) + 0x3000, 1));
		/* A doorbell reaches the kernel, and nobody else takes it. */
		(void)eventfd_read(kernel.kick[i], &count);
		net_kick_queue(f, &f->q[i]);
		net_settle(f);
		assert_int_equal(eventfd_read(kernel.kick[i], &count), 0);
		assert_int_equal(count, 1);
	}
	/* The vmm keeps its hands off. */
	outside_send(f, 0, 0, 100, 1);
	net_add_buffer(f, &f->q[0], 0, 1526);
	usleep(5000);
	net_settle(f);
	assert_int_equal(net_used_idx(f, &f->q[0]), 0);
}

static void a_kernel_that_lacks_something_is_not_used(void **state)
{
	struct fixture *f = *state;

	net_driver_up(f, MERGE);
	assert_runs(f, false);
	assert_vmm_moves_packets(f);
}

static void a_kernel_that_refuses_is_not_used(void **state)
{
	struct fixture *f = *state;

	kernel.refuse_backend = -EBUSY;
	net_driver_up(f, MERGE);
	assert_runs(f, false);
	assert_vmm_moves_packets(f);
	/* The next driver may have more luck. */
	kernel.refuse_backend = 0;
	net_driver_start(f, MERGE);
	assert_runs(f, true);
}

static void a_cable_pulled_out_is_the_vmms(void **state)
{
	struct virtio_net_hdr_v1 hdr = {.flags = 0};
	struct fixture *f = *state;

	net_driver_up(f, MERGE | EVENT_IDX | F(VIRTIO_NET_F_STATUS));
	kernel_did(f, 5);
	virtio_net_set_link(f->dev, false);
	assert_runs(f, false);
	/* It goes on where the kernel stopped, and drops what is sent. */
	assert_int_equal(gm_write(f->m.mem, BUFFERS(1), &hdr, sizeof(hdr)), 0);
	*net_desc(f, &f->q[1], 0) = (struct vring_desc){BUFFERS(1), 72, 0, 0};
	net_make_available(f, &f->q[1], 0);
	net_kick_queue(f, &f->q[1]);
	net_wait_used(f, &f->q[1]);
	assert_int_equal(net_used_idx(f, &f->q[1]), 6);
	assert_int_equal(net_status(f).tx_dropped, 1);
	virtio_net_set_link(f->dev, true);
	assert_runs(f, true);
	assert_int_equal(kernel.base[0], 5);
	assert_int_equal(kernel.base[1], 6);
	assert_int_equal(kernel.starts, 4);
}

static void a_pause_stops_the_kernel(void **state)
{
	struct fixture *f = *state;

	net_driver_up(f, MERGE);
	kernel_did(f, 3);
	virtio_net_set_paused(f->dev, true);
	assert_runs(f, false);
	virtio_net_set_paused(f->dev, false);
	assert_runs(f, true);
	assert_int_equal(kernel.base[0], 3);
	assert_int_equal(kernel.base[1], 3);
}

static void a_reset_stops_the_kernel(void **state)
{
	struct fixture *f = *state;

	net_driver_up(f, MERGE);
	kernel_did(f, 7);
	common_write(&f->m, VIRTIO_PCI_COMMON_STATUS, 1, 0);
	assert_int_equal(status_read(&f->m), 0);
	assert_runs(f, false);
	net_driver_start(f, MERGE);
	assert_runs(f, true);
	assert_int_equal(kernel.base[0], 0);
}

static void bus_mastering_off_stops_the_kernel(void **state)
{
	struct fixture *f = *state;

	net_driver_up(f, MERGE);
	cfg_write(&f->m, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	assert_runs(f, false);
	cfg_write(&f->m, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	assert_runs(f, false);
	status_add(&f->m, VIRTIO_CONFIG_S_DRIVER_OK);
	assert_runs(f, true);
}

/* The kernel only says that something is wrong; the vmm finds what, as it would have by itself. */
static void a_broken_ring_stops_the_device(void **state)
{
	struct fixture *f = *state;

	net_driver_up(f, MERGE);
	*net_desc(f, &f->q[1], 0) = (struct vring_desc){0xD0000000ULL, 100, 0, 0};
	net_make_available(f, &f->q[1], 0);
	assert_int_equal(eventfd_write(kernel.err[1], 1), 0);
	wait_status_bit(f, VIRTIO_CONFIG_S_NEEDS_RESET);
	assert_runs(f, false);
	net_driver_start(f, MERGE);
	assert_runs(f, true);
}

/* ---- interrupts ---- */

static void set_vector_mask(struct fixture *f, unsigned int vector, uint32_t masked)
{
	bus_write(f->m.mmio, TEST_BAR + 0x4000 + 16 * vector + 12, 4, masked);
}

/* Every vector with a message, unmasked; MSI-X on; queue N has vector N + 1. */
static void use_msix(struct fixture *f)
{
	struct test_machine *m = &f->m;

	for (unsigned int v = 0; v < 4; v++) {
		bus_write(m->mmio, TEST_BAR + 0x4000 + 16 * v, 4, 0xFEE00000);
		bus_write(m->mmio, TEST_BAR + 0x4000 + 16 * v + 8, 4, 0x40 + v);
		set_vector_mask(f, v, 0);
	}
	cfg_write(m, m->msix_cap + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE);
	for (unsigned int q = 0; q < 2; q++) {
		common_write(m, VIRTIO_PCI_COMMON_Q_SELECT, 2, q);
		common_write(m, VIRTIO_PCI_COMMON_Q_MSIX, 2, q + 1);
	}
}

static void without_msix_the_line_is_raised(void **state)
{
	struct fixture *f = *state;

	net_driver_up(f, MERGE);
	assert_int_equal(f->m.pin.level, 0);
	assert_int_equal(eventfd_write(kernel.call[0], 1), 0);
	assert_int_equal(wait_level(&f->m, 1), 1);
	assert_int_equal(bus_read(f->m.mmio, f->m.isr, 1), 1);
}

static void an_unmasked_vector_is_the_kernels_own(void **state)
{
	struct fixture *f = *state;
	int own;

	net_driver_up(f, MERGE);
	own = kernel.call[0];
	use_msix(f);
	assert_int_not_equal(kernel.call[0], own);
	assert_int_not_equal(kernel.call[0], kernel.call[1]);
	assert_int_equal(kernel.call[1], f->m.msi.eventfd); /* the last one connected, to KVM in earnest */
	/* Masked: nothing goes past the mask, and what came is sent when it is lifted. */
	set_vector_mask(f, 2, 1);
	assert_int_not_equal(kernel.call[1], f->m.msi.eventfd);
	assert_int_equal(eventfd_write(kernel.call[1], 1), 0);
	for (int i = 0; i < 50000 && !(bus_read(f->m.mmio, TEST_BAR + 0x5000, 4) & 4); i++)
		usleep(100);
	assert_int_equal(bus_read(f->m.mmio, TEST_BAR + 0x5000, 4), 4);
	set_vector_mask(f, 2, 0);
	assert_int_equal(bus_read(f->m.mmio, TEST_BAR + 0x5000, 4), 0);
	assert_int_equal(kernel.call[1], f->m.msi.eventfd);
	/* The whole function masked, and MSI-X off. */
	cfg_write(&f->m, f->m.msix_cap + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	assert_int_not_equal(kernel.call[1], f->m.msi.eventfd);
	cfg_write(&f->m, f->m.msix_cap + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE);
	assert_int_equal(kernel.call[1], f->m.msi.eventfd);
	cfg_write(&f->m, f->m.msix_cap + PCI_MSIX_FLAGS, 2, 0);
	assert_int_equal(kernel.call[0], own);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(the_kernel_gets_the_queues),
		cmocka_unit_test_setup_teardown(a_kernel_that_lacks_something_is_not_used, setup_old, teardown),
		TEST(a_kernel_that_refuses_is_not_used),
		TEST(a_cable_pulled_out_is_the_vmms),
		TEST(a_pause_stops_the_kernel),
		TEST(a_reset_stops_the_kernel),
		TEST(bus_mastering_off_stops_the_kernel),
		TEST(a_broken_ring_stops_the_device),
		TEST(without_msix_the_line_is_raised),
		TEST(an_unmasked_vector_is_the_kernels_own),
	};

	return cmocka_run_group_tests_name("vhost", tests, NULL, NULL);
}
