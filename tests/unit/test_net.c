/*
 * virtio-net from the driver's side and from the cable's: what it offers, packets in both directions, offloads, and a table
 * of what a hostile driver does. virtio 1.2, 5.1. What is set up and stopped is test_net_control.c's.
 */
#include "net_fixture.h"

/* ---- what it offers ---- */

static void configuration(void **state)
{
	struct fixture *f = *state;
	struct test_machine *m = &f->m;

	driver_map_bar(m, TEST_BAR);
	driver_find(m, TEST_BAR);
	assert_int_equal(cfg_read(m, PCI_DEVICE_ID, 2), 0x1041);
	assert_int_equal(cfg_read(m, PCI_CLASS_DEVICE, 2), 0x0200);
	assert_int_equal(bus_read(m->mmio, m->config, 4), 0x03020102);
	assert_int_equal(bus_read(m->mmio, m->config + 4, 2), 0x0504);
	assert_int_equal(bus_read(m->mmio, m->config + 6, 2), VIRTIO_NET_S_LINK_UP);
	assert_int_equal(bus_read(m->mmio, m->config + 8, 2), 1);
	assert_int_equal(bus_read(m->mmio, m->config + 10, 2), 1500);
	assert_int_equal(common_read(m, VIRTIO_PCI_COMMON_NUMQ, 2), 3);
	assert_false(features_read(m) & MQ);
	for (unsigned int bit = VIRTIO_NET_F_CTRL_RX; bit <= VIRTIO_NET_F_GUEST_ANNOUNCE; bit++)
		assert_false(features_read(m) & F(bit));
}

static void several_pairs_are_offered(void **state)
{
	struct fixture *f = *state;
	struct test_machine *m = &f->m;

	driver_map_bar(m, TEST_BAR);
	driver_find(m, TEST_BAR);
	assert_true(features_read(m) & MQ);
	assert_int_equal(bus_read(m->mmio, m->config + 8, 2), 3);
	assert_int_equal(common_read(m, VIRTIO_PCI_COMMON_NUMQ, 2), 7);
}

/* What the driver may leave undone in its packets, and what it takes undone, is what the port can. */
static void offloads_are_the_ports(void **state)
{
	static const struct {
		unsigned int port;
		uint64_t offered, not_offered;
	} cases[] = {
		{0, F(VIRTIO_NET_F_MAC),
		 F(VIRTIO_NET_F_CSUM) | F(VIRTIO_NET_F_GUEST_CSUM) | F(VIRTIO_NET_F_HOST_TSO4) |
			 F(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS) | F(VIRTIO_NET_F_GUEST_TSO6) |
			 F(VIRTIO_NET_F_HOST_USO)},
		{NET_OFFLOAD_CSUM, F(VIRTIO_NET_F_CSUM) | F(VIRTIO_NET_F_GUEST_CSUM),
		 F(VIRTIO_NET_F_HOST_TSO4) | F(VIRTIO_NET_F_GUEST_TSO4)},
		{ALL_OFFLOADS & ~(NET_OFFLOAD_USO4 | NET_OFFLOAD_USO6),
		 F(VIRTIO_NET_F_HOST_TSO4) | F(VIRTIO_NET_F_HOST_TSO6) | F(VIRTIO_NET_F_HOST_ECN) |
			 F(VIRTIO_NET_F_GUEST_TSO4) | F(VIRTIO_NET_F_GUEST_TSO6) | F(VIRTIO_NET_F_GUEST_ECN),
		 F(VIRTIO_NET_F_HOST_USO) | F(VIRTIO_NET_F_GUEST_USO4)},
		{ALL_OFFLOADS, F(VIRTIO_NET_F_HOST_USO) | F(VIRTIO_NET_F_GUEST_USO4) | F(VIRTIO_NET_F_GUEST_USO6), 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fixture f = {.pairs = 1};
		struct virtio_net_params params = {.mac = {2}};
		struct virtio_net_pair pair;
		struct pci_device *dev;

		machine_init(&f.m);
		f.ports[0] = fake_port_new(&f, &f.outside[0]);
		f.ports[0]->port.offloads = cases[i].port;
		pair = (struct virtio_net_pair){f.m.ring, &f.ports[0]->port, -1};
		assert_int_equal(virtio_net_create(&f.m.env, &params, &pair, 1, &dev), 0);
		machine_start(&f.m, dev);
		driver_map_bar(&f.m, TEST_BAR);
		driver_find(&f.m, TEST_BAR);
		assert_int_equal(features_read(&f.m) & cases[i].offered, cases[i].offered);
		assert_int_equal(features_read(&f.m) & cases[i].not_offered, 0);
		assert_false(features_read(&f.m) & F(VIRTIO_NET_F_MTU)); /* it is not known */
		machine_fini(&f.m);
		close(f.outside[0]);
	}
}

static void the_port_hears_what_was_negotiated(void **state)
{
	struct fixture *f = *state;

	net_driver_up(f, F(VIRTIO_NET_F_GUEST_CSUM) | F(VIRTIO_NET_F_GUEST_TSO4) | F(VIRTIO_NET_F_HOST_TSO6) |
				 F(VIRTIO_NET_F_CSUM));
	assert_int_equal(f->ports[0]->offloads, NET_OFFLOAD_CSUM | NET_OFFLOAD_TSO4);
	net_driver_start(f, 0);
	assert_int_equal(f->ports[0]->offloads, 0);
}

/* ---- sending ---- */

/* Framing is the driver's choice (2.7.4): header and packet in any pieces. */
static void packets_are_sent(void **state)
{
	static const uint32_t framings[][8] = {
		{112, 0}, {12, 100, 0}, {12, 14, 86, 0}, {1, 1, 110, 0}, {13, 99, 0}, {5, 7, 50, 50, 0},
	};
	struct fixture *f = *state;
	struct virtio_net_hdr_v1 hdr = {.num_buffers = 99};
	uint8_t buf[2000];

	net_driver_up(f, 0);
	for (unsigned int i = 0; i < sizeof(framings) / sizeof(framings[0]); i++) {
		struct vring_used_elem e;

		send_pieces(f, &hdr, 100, framings[i]);
		e = net_wait_used(f, &f->q[1]);
		assert_int_equal(e.id, 0);
		assert_int_equal(e.len, 0); /* nothing was written to the driver's memory */
		assert_int_equal(outside_receive(f, 0, buf, sizeof(buf)), 112);
		for (unsigned int b = 0; b < 12; b++)
			assert_int_equal(buf[b], 0);
		assert_payload(buf + 12, 0, 100, 3);
	}
	assert_int_equal(net_status(f).tx_packets, 6);
	assert_int_equal(net_status(f).tx_bytes, 600);
	assert_int_equal(net_status(f).tx_dropped, 0);
}

#define NEEDS VIRTIO_NET_HDR_F_NEEDS_CSUM
#define TSO4  VIRTIO_NET_HDR_GSO_TCPV4
#define TSO6  VIRTIO_NET_HDR_GSO_TCPV6
#define USO   VIRTIO_NET_HDR_GSO_UDP_L4
#define ECN   VIRTIO_NET_HDR_GSO_ECN

/* Headers (5.1.6.2): what was negotiated goes out as it is, the rest is dropped, and the driver gets its buffer back. */
static void headers_of_sent_packets(void **state)
{
	const uint64_t all = F(VIRTIO_NET_F_CSUM) | F(VIRTIO_NET_F_HOST_TSO4) | F(VIRTIO_NET_F_HOST_TSO6) |
			     F(VIRTIO_NET_F_HOST_ECN) | F(VIRTIO_NET_F_HOST_USO);
	const struct {
		uint64_t features;
		struct virtio_net_hdr_v1 hdr;
		uint32_t len;
		bool sent;
		uint8_t flags; /* when sent */
	} cases[] = {
		{0, {.flags = 0}, 60, true, 0},
		{0, {.flags = 0}, 14, true, 0},
		{0, {.flags = 0}, 13, false, 0},
		{0, {.flags = NEEDS, .csum_start = 34, .csum_offset = 16}, 60, false, 0},
		{0, {.flags = 0xFE}, 60, true, 0}, /* unknown ones are ignored */
		{all, {.flags = NEEDS, .csum_start = 34, .csum_offset = 16}, 60, true, NEEDS},
		{all, {.flags = NEEDS, .csum_start = 34, .csum_offset = 16}, 52, true, NEEDS},
		{all, {.flags = NEEDS, .csum_start = 34, .csum_offset = 16}, 51, false, 0},
		{all, {.flags = NEEDS, .csum_start = 0xFFFF, .csum_offset = 0xFFFF}, 60, false, 0},
		{all, {.flags = NEEDS, .csum_start = 60, .csum_offset = 0}, 60, false, 0},
		{all, {.flags = NEEDS, .gso_type = TSO4, .hdr_len = 54, .gso_size = 1448, .csum_start = 34, .csum_offset = 16}, 3000, true, NEEDS},
		{all, {.flags = NEEDS, .gso_type = TSO6 | ECN, .hdr_len = 74, .gso_size = 1428, .csum_start = 54, .csum_offset = 16}, 3000, true, NEEDS},
		{all, {.flags = NEEDS, .gso_type = USO, .hdr_len = 42, .gso_size = 1000, .csum_start = 34, .csum_offset = 6}, 3000, true, NEEDS},
		{all, {.flags = NEEDS, .gso_type = TSO4, .hdr_len = 54, .gso_size = 0, .csum_start = 34, .csum_offset = 16}, 3000, false, 0},
		{all, {.gso_type = TSO4, .hdr_len = 54, .gso_size = 1448}, 3000, false, 0},
		{all, {.flags = NEEDS, .gso_type = TSO4, .hdr_len = 3001, .gso_size = 1448, .csum_start = 34, .csum_offset = 16}, 3000, false, 0},
		{all, {.flags = NEEDS, .gso_type = 2, .hdr_len = 54, .gso_size = 1448, .csum_start = 34, .csum_offset = 16}, 3000, false, 0},
		{all, {.flags = NEEDS, .gso_type = VIRTIO_NET_HDR_GSO_UDP, .hdr_len = 42, .gso_size = 1448, .csum_start = 34, .csum_offset = 6}, 3000, false, 0},
		{all, {.flags = NEEDS, .gso_type = ECN, .gso_size = 1448, .csum_start = 34, .csum_offset = 16}, 3000, false, 0},
		{all & ~F(VIRTIO_NET_F_HOST_TSO4), {.flags = NEEDS, .gso_type = TSO4, .hdr_len = 54, .gso_size = 1448, .csum_start = 34, .csum_offset = 16}, 3000, false, 0},
		{all & ~F(VIRTIO_NET_F_HOST_ECN), {.flags = NEEDS, .gso_type = TSO4 | ECN, .hdr_len = 54, .gso_size = 1448, .csum_start = 34, .csum_offset = 16}, 3000, false, 0},
		{all & ~F(VIRTIO_NET_F_HOST_USO), {.flags = NEEDS, .gso_type = USO, .hdr_len = 42, .gso_size = 1000, .csum_start = 34, .csum_offset = 6}, 3000, false, 0},
		{all, {.flags = NEEDS, .gso_type = TSO4, .hdr_len = 54, .gso_size = 1448, .csum_start = 34, .csum_offset = 16}, 65535 + 14, true, NEEDS},
		{all, {.flags = 0}, 65535 + 14 + 9, false, 0},
		{all, {.flags = 0, .gso_type = 0, .hdr_len = 7, .gso_size = 9}, 60, true, 0}, /* mean nothing without a type */
	};
	struct fixture *f = *state;
	static uint8_t buf[80000];

	net_driver_up(f, all);
	for (unsigned int i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct virtio_net_hdr_v1 out;

		net_driver_start(f, cases[i].features);
		send_packet(f, &cases[i].hdr, cases[i].len);
		net_wait_used(f, &f->q[1]);
		if (outside_receive(f, 0, buf, sizeof(buf)) != (cases[i].sent ? 12 + (ssize_t)cases[i].len : -1))
			fail_msg("case %u: sent or not is wrong", i);
		if (!cases[i].sent)
			continue;
		memcpy(&out, buf, sizeof(out));
		assert_int_equal(out.flags, cases[i].flags);
		assert_int_equal(out.gso_type, cases[i].hdr.gso_type);
		assert_int_equal(out.gso_size, cases[i].hdr.gso_type ? cases[i].hdr.gso_size : 0);
		if (out.flags)
			assert_int_equal(out.csum_start, cases[i].hdr.csum_start);
		assert_payload(buf + 12, 0, cases[i].len, 3);
		assert_false(status_read(&f->m) & VIRTIO_CONFIG_S_NEEDS_RESET);
	}
}

/* A port that is full takes the same packet later, and in order. */
static void a_full_port_is_waited_for(void **state)
{
	struct virtio_net_hdr_v1 hdr = {.flags = 0};
	static uint8_t buf[70000];
	struct fixture *f = *state;
	struct drv_queue *q;
	int queued = 0;

	net_driver_up(f, EVENT_IDX);
	q = &f->q[1];
	while (send(f->ports[0]->port.fd, buf, 1000, MSG_DONTWAIT) > 0)
		queued++;
	send_packet(f, &hdr, 100);
	net_settle(f);
	assert_int_equal(net_used_idx(f, q), 0);
	for (int i = 0; i < queued; i++)
		assert_int_equal(outside_receive(f, 0, buf, sizeof(buf)), 1000);
	net_wait_used(f, q);
	assert_int_equal(outside_receive(f, 0, buf, sizeof(buf)), 112);
	assert_payload(buf + 12, 0, 100, 3);
	/* And the driver's next one is not forgotten. */
	send_packet(f, &hdr, 200);
	net_wait_used(f, q);
	assert_int_equal(outside_receive(f, 0, buf, sizeof(buf)), 212);
}

static void a_refused_packet_is_lost(void **state)
{
	struct virtio_net_hdr_v1 hdr = {.flags = 0};
	struct fixture *f = *state;

	net_driver_up(f, 0);
	f->ports[0]->send_error = -EIO; /* the interface is down */
	send_packet(f, &hdr, 100);
	net_wait_used(f, &f->q[1]);
	assert_int_equal(net_status(f).tx_dropped, 1);
	assert_int_equal(net_status(f).tx_packets, 0);
	assert_false(status_read(&f->m) & VIRTIO_CONFIG_S_NEEDS_RESET);
}

/* ---- receiving ---- */

static void a_packet_is_received(void **state)
{
	struct fixture *f = *state;
	struct drv_queue *q;
	struct vring_used_elem e;
	const uint8_t *at;

	net_driver_up(f, F(VIRTIO_NET_F_GUEST_CSUM));
	q = &f->q[0];
	at = gm_ptr(f->m.mem, net_add_buffer(f, q, 3, 1526), 0x3000);
	net_kick_queue(f, q);
	outside_send(f, 0, VIRTIO_NET_HDR_F_DATA_VALID, 1000, 9);
	e = net_wait_used(f, q);
	assert_int_equal(e.id, 3);
	assert_int_equal(e.len, 1012);
	assert_int_equal(at[0], VIRTIO_NET_HDR_F_DATA_VALID);
	assert_int_equal(at[10], 1); /* num_buffers */
	assert_int_equal(at[11], 0);
	assert_payload(at + 12, 0, 1000, 9);
	assert_int_equal(at[1012], 0xEE); /* nothing behind it was touched */
	assert_int_equal(net_status(f).rx_packets, 1);
	assert_int_equal(net_status(f).rx_bytes, 1000);
}

/* 5.1.6.4.1: without GUEST_CSUM the flags are zero. */
static void flags_are_only_for_those_who_asked(void **state)
{
	struct fixture *f = *state;
	const uint8_t *at;

	net_driver_up(f, 0);
	at = gm_ptr(f->m.mem, net_add_buffer(f, &f->q[0], 0, 1526), 0x3000);
	net_kick_queue(f, &f->q[0]);
	outside_send(f, 0, VIRTIO_NET_HDR_F_DATA_VALID, 100, 1);
	net_wait_used(f, &f->q[0]);
	assert_int_equal(at[0], 0);
}

/* One packet over several buffers, themselves in several pieces, even through the header (5.1.6.3.2). */
static void packets_are_merged_over_buffers(void **state)
{
	struct fixture *f = *state;
	struct drv_queue *q;
	const uint8_t *at[3];

	net_driver_up(f, MERGE);
	q = &f->q[0];
	at[0] = gm_ptr(f->m.mem, net_add_buffer(f, q, 0, 11), 0x3000);
	*net_desc(f, q, 0) = (struct vring_desc){BUFFERS(0), 11, NEXT | WRITE, 5};
	*net_desc(f, q, 5) = (struct vring_desc){BUFFERS(0) + 0x100, 501, WRITE, 0};
	at[1] = gm_ptr(f->m.mem, net_add_buffer(f, q, 1, 1000), 0x3000);
	at[2] = gm_ptr(f->m.mem, net_add_buffer(f, q, 2, 4096), 0x3000);
	net_kick_queue(f, q);
	outside_send(f, 0, 0, 2000, 4);
	for (unsigned int i = 0; i < 3; i++) {
		static const uint32_t lens[] = {512, 1000, 500};
		struct vring_used_elem e = net_wait_used(f, q);

		assert_int_equal(e.id, i);
		assert_int_equal(e.len, lens[i]);
	}
	assert_int_equal(at[0][10], 3); /* num_buffers, its second byte in the next piece */
	assert_int_equal(at[0][0x100], 0);
	assert_payload(at[0] + 0x101, 0, 500, 4);
	assert_payload(at[1], 500, 1000, 4);
	assert_payload(at[2], 1500, 500, 4);
	assert_int_equal(at[2][500], 0xEE);
	assert_int_equal(net_status(f).rx_packets, 1);
}

/* Waits for more buffers without losing the packet or the driver's kick: by flag, and with EVENT_IDX. */
static void packets_wait_for_buffers(void **state)
{
	static const uint64_t features[] = {MERGE, MERGE | EVENT_IDX};
	struct fixture *f = *state;
	struct drv_queue *q = &f->q[0];

	driver_map_bar(&f->m, TEST_BAR);
	driver_find(&f->m, TEST_BAR);
	for (unsigned int i = 0; i < 2; i++) {
		const struct vring_used *used;
		const uint8_t *at;

		net_driver_start(f, features[i]);
		used = net_used(f, q);
		outside_send(f, 0, 0, 1500, 8);
		outside_send(f, 0, 0, 100, 9);
		net_settle(f);
		assert_int_equal(net_used_idx(f, q), 0);
		/* One is not enough: nothing shows, and the next one has to be kicked for. */
		at = gm_ptr(f->m.mem, net_add_buffer(f, q, 0, 1000), 0x3000);
		net_kick_queue(f, q);
		net_settle(f);
		assert_int_equal(net_used_idx(f, q), 0);
		if (features[i] & EVENT_IDX)
			assert_int_equal(*(const uint16_t *)&used->ring[QUEUE_SIZE], 1);
		else
			assert_false(used->flags & VRING_USED_F_NO_NOTIFY);
		net_add_buffer(f, q, 1, 1000);
		net_kick_queue(f, q);
		assert_int_equal(net_wait_used(f, q).len, 1000);
		assert_int_equal(net_wait_used(f, q).len, 512);
		assert_int_equal(at[10], 2);
		/* The one behind it waits in turn. */
		net_add_buffer(f, q, 2, 1000);
		net_kick_queue(f, q);
		assert_int_equal(net_wait_used(f, q).len, 112);
	}
}

/* Much more than there are buffers, while the driver gives them back one by one: all arrive, in order. */
static void nothing_is_lost_with_few_buffers(void **state)
{
	struct fixture *f = *state;
	struct drv_queue *q;

	net_driver_up(f, MERGE | EVENT_IDX);
	q = &f->q[0];
	for (uint16_t i = 0; i < 2; i++)
		net_add_buffer(f, q, i, 600);
	net_kick_queue(f, q);
	for (unsigned int i = 0; i < 300; i++)
		outside_send(f, 0, 0, 60 + i, (uint8_t)i);
	for (unsigned int i = 0; i < 300; i++) {
		struct vring_used_elem e = net_wait_used(f, q);
		const uint8_t *at = gm_ptr(f->m.mem, BUFFERS(0) + 0x3000ULL * e.id, 0x3000);

		assert_int_equal(e.len, 72 + i);
		assert_payload(at + 12, 0, 60 + i, (uint8_t)i);
		net_add_buffer(f, q, (uint16_t)e.id, 600);
		net_kick_queue(f, q);
	}
	assert_int_equal(net_status(f).rx_dropped, 0);
}

/* Without MRG_RXBUF a packet has one buffer; too long a one is dropped and the next arrives. */
static void too_long_a_packet_is_dropped(void **state)
{
	struct fixture *f = *state;
	struct drv_queue *q;

	net_driver_up(f, 0);
	q = &f->q[0];
	net_add_buffer(f, q, 0, 1526);
	net_add_buffer(f, q, 1, 1526);
	net_kick_queue(f, q);
	outside_send(f, 0, 0, 1515, 1);
	outside_send(f, 0, 0, 1514, 2);
	assert_int_equal(net_wait_used(f, q).len, 1526);
	assert_int_equal(net_status(f).rx_dropped, 1);
	assert_int_equal(net_status(f).rx_packets, 1);
}

/* With all its buffers together too small for a packet, waiting for more would be for ever. */
static void a_packet_for_no_buffers_is_dropped(void **state)
{
	struct fixture *f = *state;
	struct drv_queue *q;

	net_driver_up(f, MERGE);
	q = &f->q[0];
	for (uint16_t i = 0; i < QUEUE_SIZE; i++)
		net_add_buffer(f, q, i, 20);
	net_kick_queue(f, q);
	outside_send(f, 0, 0, 1000, 1);
	outside_send(f, 0, 0, 60, 2);
	assert_int_equal(net_wait_used(f, q).len, 20);
	assert_int_equal(net_status(f).rx_dropped, 1);
}

/* ---- hostile drivers ---- */

#define OUTSIDE_RAM 0xD0000000ULL

static void what_breaks_the_rules_stops_the_device(void **state)
{
	static const struct {
		unsigned int queue;
		struct vring_desc desc[3];
		const char *what;
	} cases[] = {
		{1, {{BUFFERS(1), 11, 0, 0}}, "no room for a header"},
		{1, {{BUFFERS(1), 100, WRITE, 0}}, "a packet to be written to"},
		{1, {{BUFFERS(1), 100, NEXT, 1}, {BUFFERS(1), 10, WRITE, 0}}, "a writable piece"},
		{1, {{OUTSIDE_RAM, 100, 0, 0}}, "outside RAM"},
		{1, {{TEST_RAM - 50, 100, 0, 0}}, "over the end of RAM"},
		{1, {{BUFFERS(1), 0, 0, 0}}, "no length"},
		{1, {{BUFFERS(1), 100, NEXT, 0}}, "a loop"},
		{1, {{BUFFERS(1), 100, NEXT, QUEUE_SIZE}}, "an index outside"},
		{1, {{BUFFERS(1), 100, VRING_DESC_F_INDIRECT, 0}}, "indirect not negotiated"},
		{1, {{BUFFERS(1), 0xFFFFFFFF, NEXT, 1}, {BUFFERS(1), 2, 0, 0}}, "longer than RAM"},
		{0, {{BUFFERS(0), 11, WRITE, 0}}, "no room for a header"},
		{0, {{BUFFERS(0), 1526, 0, 0}}, "a buffer that cannot be written"},
		{0, {{OUTSIDE_RAM, 1526, WRITE, 0}}, "outside RAM"},
		{0, {{BUFFERS(0), 1526, WRITE | NEXT, 0}}, "a loop"},
		{2, {{BUFFERS(2), 4, 0, 0}}, "no room for the answer"},
		{2, {{BUFFERS(2), 1, NEXT, 1}, {BUFFERS(2), 1, WRITE, 0}}, "no header"},
		{2, {{OUTSIDE_RAM, 4, NEXT, 1}, {BUFFERS(2), 1, WRITE, 0}}, "outside RAM"},
	};
	struct fixture *f = *state;
	struct virtio_net_hdr_v1 hdr = {.flags = 0};

	driver_map_bar(&f->m, TEST_BAR);
	driver_find(&f->m, TEST_BAR);
	for (unsigned int i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct drv_queue *q = &f->q[cases[i].queue];
		uint8_t buf[200];

		net_driver_start(f, CTRL);
		for (unsigned int d = 0; d < 3; d++)
			*net_desc(f, q, d) = cases[i].desc[d];
		net_make_available(f, q, 0);
		net_kick_queue(f, q);
		outside_send(f, 0, 0, 60, 1);
		wait_status_bit(f, VIRTIO_CONFIG_S_NEEDS_RESET);
		assert_int_equal(net_used_idx(f, q), 0);
		/* It stays so until it is reset; then it works. */
		net_settle(f);
		net_driver_start(f, 0);
		send_packet(f, &hdr, 60);
		net_wait_used(f, &f->q[1]);
		assert_int_equal(outside_receive(f, 0, buf, sizeof(buf)), 72);
		net_add_buffer(f, &f->q[0], 0, 1526);
		net_kick_queue(f, &f->q[0]);
		/* The packet of before was taken in by the first driver, or comes now. */
		outside_send(f, 0, 0, 60, 1);
		assert_int_equal(net_wait_used(f, &f->q[0]).len, 72);
		while (recv(f->ports[0]->port.fd, buf, sizeof(buf), MSG_DONTWAIT) > 0)
			;
	}
}

/* The same head twice breaks receiving as well. */
static void a_head_twice_breaks_receiving(void **state)
{
	struct fixture *f = *state;

	net_driver_up(f, MERGE);
	net_add_buffer(f, &f->q[0], 0, 100);
	net_make_available(f, &f->q[0], 0);
	net_kick_queue(f, &f->q[0]);
	outside_send(f, 0, 0, 200, 1);
	wait_status_bit(f, VIRTIO_CONFIG_S_NEEDS_RESET);
	assert_int_equal(net_used_idx(f, &f->q[0]), 0);
}

int main(void)
{
#define TEST(name)  cmocka_unit_test_setup_teardown(name, net_setup, net_teardown)
#define PAIRS(name) cmocka_unit_test_setup_teardown(name, net_setup_pairs, net_teardown)
	const struct CMUnitTest tests[] = {
		TEST(configuration),
		PAIRS(several_pairs_are_offered),
		cmocka_unit_test(offloads_are_the_ports),
		TEST(the_port_hears_what_was_negotiated),
		TEST(packets_are_sent),
		TEST(headers_of_sent_packets),
		TEST(a_full_port_is_waited_for),
		TEST(a_refused_packet_is_lost),
		TEST(a_packet_is_received),
		TEST(flags_are_only_for_those_who_asked),
		TEST(packets_are_merged_over_buffers),
		TEST(packets_wait_for_buffers),
		TEST(nothing_is_lost_with_few_buffers),
		TEST(too_long_a_packet_is_dropped),
		TEST(a_packet_for_no_buffers_is_dropped),
		TEST(what_breaks_the_rules_stops_the_device),
		TEST(a_head_twice_breaks_receiving),
	};

	return cmocka_run_group_tests_name("net", tests, NULL, NULL);
}
