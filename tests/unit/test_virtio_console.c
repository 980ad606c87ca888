/* virtio-console as a driver sees it: nothing lost, nothing for nobody. virtio 1.2, 5.3. */
#include "virtio_driver.h"

#define WRITE	  VRING_DESC_F_WRITE
#define NEXT	  VRING_DESC_F_NEXT
#define RECEIVEQ  0
#define TRANSMITQ 1
#define EVENT_IDX (1ULL << VIRTIO_RING_F_EVENT_IDX)

struct fixture {
	struct test_machine m;
	struct pci_device *dev;
	pthread_mutex_t lock;
	uint8_t out[65536];
	size_t out_len;
	uint64_t out_total;
	_Atomic int readies;
	/* For receive_on_thread(). */
	const void *in;
	size_t in_len, in_taken;
};

static void transmit(void *ctx, const uint8_t *buf, size_t n)
{
	struct fixture *f = ctx;

	pthread_mutex_lock(&f->lock);
	f->out_total += n;
	if (n > sizeof(f->out) - f->out_len)
		n = sizeof(f->out) - f->out_len;
	memcpy(f->out + f->out_len, buf, n);
	f->out_len += n;
	pthread_mutex_unlock(&f->lock);
}

static void receive_ready(void *ctx)
{
	atomic_fetch_add(&((struct fixture *)ctx)->readies, 1);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct virtio_console_params params = {
		.transmit = transmit, .receive_ready = receive_ready, .ctx = f};

	pthread_mutex_init(&f->lock, NULL);
	machine_init(&f->m);
	assert_int_equal(virtio_console_create(&f->m.env, &params, &f->dev), 0);
	machine_start(&f->m, f->dev);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	machine_fini(&f->m);
	free(f);
	return 0;
}

static void up(struct fixture *f, uint64_t features)
{
	driver_map_bar(&f->m, TEST_BAR);
	driver_find(&f->m, TEST_BAR);
	driver_start_queues(&f->m, features, 8, 2);
}

static void receive_on_thread(void *arg)
{
	struct fixture *f = arg;

	f->in_taken = virtio_console_receive(f->dev, f->in, f->in_len);
}

static size_t type_in(struct fixture *f, const void *text, size_t n)
{
	f->in = text;
	f->in_len = n;
	ring_call(f->m.ring, receive_on_thread, f);
	return f->in_taken;
}

static void offer(struct fixture *f, uint16_t head, uint64_t addr, uint32_t len)
{
	use_queue(&f->m, RECEIVEQ);
	set_desc(&f->m, head, addr, len, WRITE, 0);
	make_available(&f->m, head);
}

static void expect_broken(struct fixture *f)
{
	for (int i = 0; i < 50000 && !(status_read(&f->m) & VIRTIO_CONFIG_S_NEEDS_RESET); i++)
		usleep(100);
	assert_true(status_read(&f->m) & VIRTIO_CONFIG_S_NEEDS_RESET);
}

static void identity(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(cfg_read(&f->m, PCI_DEVICE_ID, 2), 0x1043);
	up(f, 0);
	assert_int_equal(common_read(&f->m, VIRTIO_PCI_COMMON_NUMQ, 2), 2);
	/* One port: neither SIZE nor MULTIPORT nor EMERG_WRITE. */
	assert_int_equal(features_read(&f->m) & 7, 0);
}

static void output_comes_in_order(void **state)
{
	struct fixture *f = *state;
	struct test_machine *m = &f->m;
	static const char text[] = "Linux version 6.1: hello from hvc0";

	up(f, 0);
	use_queue(m, TRANSMITQ);
	memcpy(ram(m, GPA_DATA), text, sizeof(text) - 1);
	set_desc(m, 0, GPA_DATA, 20, NEXT, 1);
	set_desc(m, 1, GPA_DATA + 20, sizeof(text) - 1 - 20, 0, 0);
	make_available(m, 0);
	kick(m);
	/* Nothing was written for the driver. */
	assert_int_equal(wait_used(m).len, 0);
	assert_int_equal(f->out_len, sizeof(text) - 1);
	assert_memory_equal(f->out, text, f->out_len);
}

/* More than a queue is long, in one go round after the other. */
static void much_output_is_all_taken(void **state)
{
	struct fixture *f = *state;
	struct test_machine *m = &f->m;

	up(f, EVENT_IDX);
	use_queue(m, TRANSMITQ);
	for (unsigned int i = 0; i < 500; i++) {
		memset(ram(m, GPA_DATA), (int)('a' + i % 26), 100);
		set_desc(m, i % 8, GPA_DATA, 100, 0, 0);
		make_available(m, i % 8);
		kick(m);
		assert_int_equal(wait_used(m).id, i % 8);
	}
	assert_int_equal(f->out_len, 50000);
	for (size_t i = 0; i < f->out_len; i++)
		assert_int_equal(f->out[i], 'a' + i / 100 % 26);
}

/*
 * Linux spins with interrupts off until its output is taken: that doorbell exits and returns with the answer,
 * while the other one is the I/O thread's.
 */
static void output_is_answered_before_its_doorbell_returns(void **state)
{
	struct fixture *f = *state;
	struct test_machine *m = &f->m;
	uint16_t *avail_event;

	up(f, EVENT_IDX);
	assert_int_equal(m->doorbells.attached, 1);
	assert_int_equal(m->doorbells.addr[0], m->notify + m->notify_multiplier * RECEIVEQ);
	use_queue(m, TRANSMITQ);
	for (unsigned int i = 0; i < 20 && used_idx(m) == 0; i++) {
		set_desc(m, 0, GPA_DATA, 1, 0, 0);
		make_available(m, 0);
		kick(m);
	}
	/* The vCPU's wait is bounded, so on a busy computer not every time. */
	assert_true(used_idx(m) > 0);
	/* And by then the next doorbell is asked for: this driver has more, and rings only if it is to. */
	avail_event = (uint16_t *)&used_ring(m)->ring[m->size];
	assert_int_equal(*avail_event, m->avail_idx);
}

static void input_waits_until_there_is_room(void **state)
{
	struct fixture *f = *state;
	struct test_machine *m = &f->m;
	struct vring_used_elem e;

	assert_int_equal(type_in(f, "early", 5), 0); /* nobody drives it yet */
	up(f, 0);
	assert_int_equal(type_in(f, "abcdefgh", 8), 0);
	offer(f, 2, GPA_DATA, 5);
	kick(m);
	settle(m);
	assert_true(f->readies > 0);
	assert_int_equal(type_in(f, "abcdefgh", 8), 5);
	e = wait_used(m);
	assert_int_equal(e.id, 2);
	assert_int_equal(e.len, 5);
	assert_memory_equal(ram(m, GPA_DATA), "abcde", 5);
	/* A key: one byte in a big buffer, which is not waited to be full. */
	offer(f, 3, GPA_DATA, 4096);
	assert_int_equal(type_in(f, "fgh", 3), 3);
	e = wait_used(m);
	assert_int_equal(e.len, 3);
	assert_memory_equal(ram(m, GPA_DATA), "fgh", 3);
}

/* A driver with EVENT_IDX rings only when asked to: it must be asked after a refusal. */
static void refused_input_asks_for_a_doorbell(void **state)
{
	struct fixture *f = *state;
	struct test_machine *m = &f->m;
	uint16_t *avail_event;

	up(f, EVENT_IDX);
	offer(f, 0, GPA_DATA, 1);
	kick(m);
	settle(m);
	assert_int_equal(type_in(f, "xy", 2), 1);
	use_queue(m, RECEIVEQ);
	avail_event = (uint16_t *)&used_ring(m)->ring[m->size];
	assert_int_equal(*avail_event, 1); /* with the next buffer */
	f->readies = 0;
	offer(f, 1, GPA_DATA, 1);
	kick(m);
	settle(m);
	assert_true(f->readies > 0);
	assert_int_equal(type_in(f, "y", 1), 1);
}

static void input_goes_across_pieces_and_chains(void **state)
{
	struct fixture *f = *state;
	struct test_machine *m = &f->m;

	up(f, 0);
	use_queue(m, RECEIVEQ);
	set_desc(m, 0, GPA_HEADER, 100, NEXT, 1); /* readable: not for us */
	set_desc(m, 1, GPA_DATA, 3, NEXT | WRITE, 2);
	set_desc(m, 2, GPA_DATA + 0x1000, 3, WRITE, 0);
	make_available(m, 0);
	offer(f, 3, GPA_DATA + 0x2000, 100);
	assert_int_equal(type_in(f, "0123456789", 10), 10);
	assert_int_equal(wait_used(m).len, 6);
	assert_int_equal(wait_used(m).len, 4);
	assert_memory_equal(ram(m, GPA_DATA), "012", 3);
	assert_memory_equal(ram(m, GPA_DATA + 0x1000), "345", 3);
	assert_memory_equal(ram(m, GPA_DATA + 0x2000), "6789", 4);
}

/* ---- hostile ---- */

struct hostile {
	const char *what;
	unsigned int queue;
	uint64_t addr;
	uint32_t len;
	uint16_t head, flags, next;
};

static const struct hostile hostiles[] = {
	{"output outside of memory", TRANSMITQ, 0xFEE00000, 16, 0, 0, 0},
	{"output that wraps", TRANSMITQ, UINT64_MAX - 3, 16, 0, 0, 0},
	{"output over the end of memory", TRANSMITQ, TEST_RAM - 8, 16, 0, 0, 0},
	{"a loop", TRANSMITQ, GPA_DATA, 16, 0, NEXT, 0},
	{"a head that is none", TRANSMITQ, GPA_DATA, 16, 200, 0, 0},
	{"a next that is none", TRANSMITQ, GPA_DATA, 16, 0, NEXT, 99},
	{"input outside of memory", RECEIVEQ, 0xFEE00000, 16, 0, WRITE, 0},
	{"input with a loop", RECEIVEQ, GPA_DATA, 16, 0, WRITE | NEXT, 0},
};

static void hostile_chains_break_the_device_alone(void **state)
{
	struct fixture *f = *state;
	struct test_machine *m = &f->m;

	up(f, 0);
	for (size_t i = 0; i < sizeof(hostiles) / sizeof(hostiles[0]); i++) {
		const struct hostile *h = &hostiles[i];

		driver_start_queues(m, 0, 8, 2);
		use_queue(m, h->queue);
		set_desc(m, 0, h->addr, h->len, h->flags, h->next);
		make_available(m, h->head);
		kick(m);
		settle(m);
		assert_int_equal(type_in(f, "x", 1), 0);
		expect_broken(f);
		assert_int_equal(type_in(f, "x", 1), 0);
	}
	assert_int_equal(f->out_len, 0);
	driver_start_queues(m, 0, 8, 2);
	offer(f, 0, GPA_DATA, 16);
	assert_int_equal(type_in(f, "x", 1), 1);
}

/* Wrong ways round: nothing to read, nothing to write, and no end of it. */
static void useless_buffers_are_given_back(void **state)
{
	struct fixture *f = *state;
	struct test_machine *m = &f->m;

	up(f, 0);
	use_queue(m, TRANSMITQ);
	set_desc(m, 0, GPA_DATA, 16, WRITE, 0);
	make_available(m, 0);
	kick(m);
	assert_int_equal(wait_used(m).len, 0);
	assert_int_equal(f->out_len, 0);
	use_queue(m, RECEIVEQ);
	for (uint16_t i = 0; i < 8; i++) {
		set_desc(m, i, GPA_DATA, 16, 0, 0);
		make_available(m, i);
	}
	assert_int_equal(type_in(f, "x", 1), 0);
	for (uint16_t i = 0; i < 8; i++)
		assert_int_equal(wait_used(m).len, 0);
}

/* All of memory in every descriptor: one call each, and it is for the receiver to take what it can. */
static void huge_output_is_one_call(void **state)
{
	struct fixture *f = *state;
	struct test_machine *m = &f->m;

	up(f, 0);
	use_queue(m, TRANSMITQ);
	for (uint16_t i = 0; i < 8; i++) {
		set_desc(m, i, 0, TEST_RAM, 0, 0);
		make_available(m, i);
	}
	kick(m);
	for (uint16_t i = 0; i < 8; i++)
		assert_int_equal(wait_used(m).id, i);
	assert_int_equal(f->out_total, 8 * TEST_RAM);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(identity),
		TEST(output_comes_in_order),
		TEST(much_output_is_all_taken),
		TEST(output_is_answered_before_its_doorbell_returns),
		TEST(input_waits_until_there_is_room),
		TEST(refused_input_asks_for_a_doorbell),
		TEST(input_goes_across_pieces_and_chains),
		TEST(hostile_chains_break_the_device_alone),
		TEST(useless_buffers_are_given_back),
		TEST(huge_output_is_one_call),
	};

	return cmocka_run_group_tests_name("virtio console", tests, NULL, NULL);
}
