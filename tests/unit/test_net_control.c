/*
 * virtio-net, beside its packets: several pairs, the control queue, the link, and when it has to stand still. virtio 1.2,
 * 5.1.6.5.
 */
#include "net_fixture.h"

/* ---- several pairs and the control queue ---- */

/* Sends a command of LEN bytes on the control queue, each descriptor with up to PIECE of them; returns the answer. */
static uint8_t do_pieces(struct fixture *f, unsigned int queue, const void *command, uint32_t len, uint32_t piece)
{
	struct drv_queue *q = &f->q[queue];
	uint64_t at = BUFFERS(queue);
	struct vring_used_elem e;
	uint16_t i = 0;

	assert_int_equal(gm_write(f->m.mem, at, command, len), 0);
	*(uint8_t *)gm_ptr(f->m.mem, at + 0x100, 1) = 0xEE;
	for (uint32_t done = 0; done < len; done += piece, i++)
		*net_desc(f, q, i) = (struct vring_desc){at + done, len - done < piece ? len - done : piece, NEXT,
							 (uint16_t)(i + 1)};
	*net_desc(f, q, i) = (struct vring_desc){at + 0x100, 1, WRITE, 0};
	net_make_available(f, q, 0);
	net_kick_queue(f, q);
	e = net_wait_used(f, q);
	assert_int_equal(e.len, 1);
	return *(uint8_t *)gm_ptr(f->m.mem, at + 0x100, 1);
}

static uint8_t do_command(struct fixture *f, unsigned int queue, const void *command, uint32_t len)
{
	return do_pieces(f, queue, command, len, len);
}

static uint8_t set_pairs(struct fixture *f, unsigned int queue, uint16_t count)
{
	const uint8_t command[] = {VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, (uint8_t)count,
				   (uint8_t)(count >> 8)};

	return do_command(f, queue, command, sizeof(command));
}

static void assert_attached(struct fixture *f, unsigned int count)
{
	for (unsigned int i = 0; i < f->pairs; i++)
		assert_int_equal(f->ports[i]->attached, i < count);
}

static void pairs_are_used_as_the_driver_says(void **state)
{
	struct virtio_net_hdr_v1 hdr = {.flags = 0};
	struct fixture *f = *state;
	uint8_t buf[2000];

	net_driver_up(f, MQ | CTRL);
	assert_attached(f, 1);
	net_add_buffer(f, &f->q[4], 0, 1526);
	net_kick_queue(f, &f->q[4]);
	outside_send(f, 2, 0, 100, 1);
	net_settle(f);
	assert_int_equal(net_used_idx(f, &f->q[4]), 0); /* a pair that is not in use yet */
	assert_int_equal(set_pairs(f, 6, 3), VIRTIO_NET_OK);
	assert_attached(f, 3);
	assert_int_equal(net_wait_used(f, &f->q[4]).len, 112);
	/* Each pair has its own port. */
	send_packet(f, &hdr, 60);
	net_wait_used(f, &f->q[1]);
	assert_int_equal(outside_receive(f, 0, buf, sizeof(buf)), 72);
	*net_desc(f, &f->q[5], 0) = (struct vring_desc){BUFFERS(1), 72, 0, 0};
	net_make_available(f, &f->q[5], 0);
	net_kick_queue(f, &f->q[5]);
	net_wait_used(f, &f->q[5]);
	assert_int_equal(outside_receive(f, 2, buf, sizeof(buf)), 72);
	assert_int_equal(net_status(f).tx_packets, 2);

	assert_int_equal(set_pairs(f, 6, 2), VIRTIO_NET_OK);
	assert_attached(f, 2);
	assert_int_equal(set_pairs(f, 6, 0), VIRTIO_NET_ERR);
	assert_int_equal(set_pairs(f, 6, 4), VIRTIO_NET_ERR);
	assert_int_equal(set_pairs(f, 6, 0x8000), VIRTIO_NET_ERR);
	assert_attached(f, 2);
	/* A reset goes back to one. */
	net_driver_start(f, MQ | CTRL);
	assert_attached(f, 1);
}

/* Without MQ the control queue is the third one (5.1.2), whatever the device has. */
static void where_the_control_queue_is(void **state)
{
	struct fixture *f = *state;
	const uint8_t offloads[10] = {VIRTIO_NET_CTRL_GUEST_OFFLOADS, VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET, 2};

	net_driver_up(f, CTRL | F(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS) | F(VIRTIO_NET_F_GUEST_CSUM));
	assert_int_equal(do_command(f, 2, offloads, sizeof(offloads)), VIRTIO_NET_OK);
	assert_int_equal(f->ports[0]->offloads, NET_OFFLOAD_CSUM);
	assert_int_equal(set_pairs(f, 2, 2), VIRTIO_NET_ERR); /* not negotiated */
	assert_attached(f, 1);
}

static void wrong_commands_are_answered(void **state)
{
	static const struct {
		uint8_t bytes[12];
		uint32_t len;
		uint8_t answer;
	} cases[] = {
		{{VIRTIO_NET_CTRL_GUEST_OFFLOADS, 0, 0x82}, 10, VIRTIO_NET_OK}, /* CSUM and TSO4 */
		{{VIRTIO_NET_CTRL_GUEST_OFFLOADS, 0, 0x02}, 10, VIRTIO_NET_OK},
		{{VIRTIO_NET_CTRL_GUEST_OFFLOADS, 0, 0x02, 1}, 10, VIRTIO_NET_ERR}, /* TSO6 was not negotiated */
		{{VIRTIO_NET_CTRL_GUEST_OFFLOADS, 0, 0x03}, 10, VIRTIO_NET_ERR}, /* a host's feature */
		{{VIRTIO_NET_CTRL_GUEST_OFFLOADS, 1, 0x02}, 10, VIRTIO_NET_ERR},
		{{VIRTIO_NET_CTRL_GUEST_OFFLOADS, 0, 0x02}, 9, VIRTIO_NET_ERR},
		{{VIRTIO_NET_CTRL_GUEST_OFFLOADS, 0, 0x02}, 11, VIRTIO_NET_ERR},
		{{VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC, 1}, 3, VIRTIO_NET_ERR},
		{{VIRTIO_NET_CTRL_MQ, 0, 1}, 3, VIRTIO_NET_ERR},
		{{VIRTIO_NET_CTRL_MQ, 0, 1, 0, 0}, 5, VIRTIO_NET_ERR},
		{{VIRTIO_NET_CTRL_MQ, 1, 1, 0}, 4, VIRTIO_NET_ERR},
		{{0xFF, 0xFF}, 2, VIRTIO_NET_ERR},
	};
	struct fixture *f = *state;

	net_driver_up(f, CTRL | MQ | F(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS) | F(VIRTIO_NET_F_GUEST_CSUM) |
				 F(VIRTIO_NET_F_GUEST_TSO4) | F(VIRTIO_NET_F_CSUM));
	for (unsigned int i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (do_command(f, 6, cases[i].bytes, cases[i].len) != cases[i].answer)
			fail_msg("command %u: wrong answer", i);
	assert_int_equal(f->ports[0]->offloads, NET_OFFLOAD_CSUM);
	f->ports[0]->offload_error = -EINVAL;
	assert_int_equal(do_command(f, 6, cases[0].bytes, cases[0].len), VIRTIO_NET_ERR);
}

/* virtio 1.2, 2.7.4.1: where a message is cut into descriptors means nothing. */
static void commands_come_in_pieces(void **state)
{
	const uint8_t three[] = {VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, 3, 0};
	const uint8_t two[] = {VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, 2, 0};
	struct fixture *f = *state;

	net_driver_up(f, MQ | CTRL);
	assert_int_equal(do_pieces(f, 6, three, sizeof(three), 1), VIRTIO_NET_OK);
	assert_attached(f, 3);
	assert_int_equal(do_pieces(f, 6, two, sizeof(two), 2), VIRTIO_NET_OK);
	assert_attached(f, 2);
	assert_int_equal(do_pieces(f, 6, three, sizeof(three), 3), VIRTIO_NET_OK);
	assert_attached(f, 3);
}

/* ---- the link ---- */

static void the_link_goes_down_and_up(void **state)
{
	struct virtio_net_hdr_v1 hdr = {.flags = 0};
	struct fixture *f = *state;
	struct test_machine *m = &f->m;
	uint8_t buf[2000];
	uint64_t generation;

	net_driver_up(f, F(VIRTIO_NET_F_STATUS));
	net_add_buffer(f, &f->q[0], 0, 1526);
	net_kick_queue(f, &f->q[0]);
	generation = common_read(m, VIRTIO_PCI_COMMON_CFGGENERATION, 1);
	virtio_net_set_link(f->dev, false);
	assert_int_equal(bus_read(m->mmio, m->config + 6, 2), 0);
	assert_int_not_equal(common_read(m, VIRTIO_PCI_COMMON_CFGGENERATION, 1), generation);
	assert_int_equal(m->pin.level, 1);
	assert_int_equal(bus_read(m->mmio, m->isr, 1), VIRTIO_PCI_ISR_CONFIG);
	assert_false(net_status(f).link_up);
	/* Said once. */
	virtio_net_set_link(f->dev, false);
	assert_int_equal(bus_read(m->mmio, m->isr, 1), 0);

	send_packet(f, &hdr, 60);
	net_wait_used(f, &f->q[1]);
	assert_int_equal(outside_receive(f, 0, buf, sizeof(buf)), -1);
	outside_send(f, 0, 0, 100, 1);
	for (int i = 0; i < 50000 && net_status(f).rx_dropped == 0; i++)
		usleep(100);
	assert_int_equal(net_status(f).rx_dropped, 1);
	assert_int_equal(net_status(f).tx_dropped, 1);

	virtio_net_set_link(f->dev, true);
	assert_int_equal(bus_read(m->mmio, m->config + 6, 2), VIRTIO_NET_S_LINK_UP);
	outside_send(f, 0, 0, 200, 1);
	assert_int_equal(net_wait_used(f, &f->q[0]).len, 212); /* what was sent before does not come late */
	/* A reset does not plug it in or out. */
	virtio_net_set_link(f->dev, false);
	net_driver_start(f, F(VIRTIO_NET_F_STATUS));
	assert_int_equal(bus_read(m->mmio, m->config + 6, 2), 0);
}

static void an_interface_that_goes_away_is_a_link_down(void **state)
{
	struct fixture *f = *state;

	net_driver_up(f, F(VIRTIO_NET_F_STATUS));
	f->ports[0]->receive_error = -EBADFD;
	outside_send(f, 0, 0, 100, 1);
	assert_int_equal(wait_level(&f->m, 1), 1);
	assert_int_equal(bus_read(f->m.mmio, f->m.config + 6, 2), 0);
	assert_false(status_read(&f->m) & VIRTIO_CONFIG_S_NEEDS_RESET);
}

/* ---- standing still ---- */

static void nothing_moves_while_paused(void **state)
{
	struct virtio_net_hdr_v1 hdr = {.flags = 0};
	struct fixture *f = *state;
	uint8_t buf[2000];

	net_driver_up(f, EVENT_IDX);
	net_add_buffer(f, &f->q[0], 0, 1526);
	net_kick_queue(f, &f->q[0]);
	net_settle(f);
	virtio_net_set_paused(f->dev, true);
	outside_send(f, 0, 0, 100, 1);
	send_packet(f, &hdr, 60);
	usleep(10000);
	net_settle(f);
	assert_int_equal(net_used_idx(f, &f->q[0]), 0);
	assert_int_equal(outside_receive(f, 0, buf, sizeof(buf)), -1);
	virtio_net_set_paused(f->dev, false);
	assert_int_equal(net_wait_used(f, &f->q[0]).len, 112);
	net_wait_used(f, &f->q[1]);
	assert_int_equal(outside_receive(f, 0, buf, sizeof(buf)), 72);
}

static void nothing_is_written_without_bus_mastering(void **state)
{
	struct fixture *f = *state;

	net_driver_up(f, 0);
	net_add_buffer(f, &f->q[0], 0, 1526);
	net_kick_queue(f, &f->q[0]);
	net_settle(f);
	cfg_write(&f->m, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	outside_send(f, 0, 0, 100, 1);
	usleep(10000);
	net_settle(f);
	assert_int_equal(net_used_idx(f, &f->q[0]), 0);
	/* Nor when it comes back: the buffer may be somebody else's memory by now, until a driver says that it is there. */
	cfg_write(&f->m, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	usleep(10000);
	net_settle(f);
	assert_int_equal(net_used_idx(f, &f->q[0]), 0);
	status_add(&f->m, VIRTIO_CONFIG_S_DRIVER_OK);
	assert_int_equal(net_wait_used(f, &f->q[0]).len, 112);
}

static void nothing_is_written_after_a_reset(void **state)
{
	struct fixture *f = *state;

	net_driver_up(f, MERGE);
	net_add_buffer(f, &f->q[0], 0, 100);
	net_kick_queue(f, &f->q[0]);
	outside_send(f, 0, 0, 200, 1); /* waits for a second buffer */
	usleep(10000);
	net_settle(f);
	common_write(&f->m, VIRTIO_PCI_COMMON_STATUS, 1, 0);
	assert_int_equal(status_read(&f->m), 0);
	outside_send(f, 0, 0, 60, 2);
	usleep(10000);
	net_settle(f);
	assert_int_equal(net_used_idx(f, &f->q[0]), 0);
	/* A new driver gets what came since, and not what was on its way to the old one. */
	net_driver_start(f, MERGE);
	net_add_buffer(f, &f->q[0], 0, 1000);
	net_kick_queue(f, &f->q[0]);
	assert_int_equal(net_wait_used(f, &f->q[0]).len, 72);
}

static _Atomic int waits; /* of a vCPU for its request */

int __real_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *until);
int __wrap_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *until);
int __wrap_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *until)
{
	waits++;
	return __real_pthread_cond_timedwait(cond, mutex, until);
}

/*
 * A firmware that polls has its packet sent when its doorbell returns, but is not kept waiting for
 * packets to receive, which may never come.
 */
static void a_polling_driver_does_not_wait_for_packets(void **state)
{
	struct virtio_net_hdr_v1 hdr = {.flags = 0};
	struct fixture *f = *state;
	uint8_t buf[200];

	net_driver_up(f, 0);
	for (unsigned int i = 0; i < 2; i++)
		net_avail(f, &f->q[i])->flags = VRING_AVAIL_F_NO_INTERRUPT;
	waits = 0;
	for (uint16_t i = 0; i < QUEUE_SIZE; i++) {
		net_add_buffer(f, &f->q[0], i, 1526);
		net_kick_queue(f, &f->q[0]);
	}
	assert_int_equal(waits, 0);
	send_packet(f, &hdr, 60);
	assert_int_equal(net_used_idx(f, &f->q[1]), 1);
	assert_int_equal(outside_receive(f, 0, buf, sizeof(buf)), 72);
}

int main(void)
{
#define TEST(name)  cmocka_unit_test_setup_teardown(name, net_setup, net_teardown)
#define PAIRS(name) cmocka_unit_test_setup_teardown(name, net_setup_pairs, net_teardown)
	const struct CMUnitTest tests[] = {
		PAIRS(pairs_are_used_as_the_driver_says),
		PAIRS(where_the_control_queue_is),
		PAIRS(wrong_commands_are_answered),
		PAIRS(commands_come_in_pieces),
		TEST(the_link_goes_down_and_up),
		TEST(an_interface_that_goes_away_is_a_link_down),
		TEST(nothing_moves_while_paused),
		TEST(nothing_is_written_without_bus_mastering),
		TEST(nothing_is_written_after_a_reset),
		TEST(a_polling_driver_does_not_wait_for_packets),
	};

	return cmocka_run_group_tests_name("net control", tests, NULL, NULL);
}
