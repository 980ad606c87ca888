/* The console between UART and socket: nothing lost, nothing blocked, what is dropped is counted. */
#include "test.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "vmm/console.h"

#define LOTS (CONSOLE_BUFFER * 4)

struct fixture {
	struct ring *ring;
	struct vm_console *console;
	int near, far; /* the vmm's end, the launcher's end */
	pthread_mutex_t lock;
	size_t room; /* the receiver takes so many bytes more */
	size_t got;
	uint8_t input[LOTS];
};

static size_t receive(void *ctx, const uint8_t *buf, size_t n)
{
	struct fixture *f = ctx;

	pthread_mutex_lock(&f->lock);
	if (n > f->room)
		n = f->room;
	if (f->got + n <= sizeof(f->input))
		memcpy(f->input + f->got, buf, n);
	f->got += n;
	f->room -= n;
	pthread_mutex_unlock(&f->lock);
	return n;
}

static size_t got(struct fixture *f)
{
	size_t n;

	pthread_mutex_lock(&f->lock);
	n = f->got;
	pthread_mutex_unlock(&f->lock);
	return n;
}

static void sleep_ms(long ms)
{
	nanosleep(&(struct timespec){.tv_nsec = ms * 1000000}, NULL);
}

/* Waits until the receiver has N bytes, or as long as it takes to believe that it never will. */
static void wait_got(struct fixture *f, size_t n)
{
	for (int i = 0; i < 2000 && got(f) < n; i++)
		sleep_ms(5);
	assert_int_equal(got(f), n);
}

static int setup_engine(void **state, enum ring_engine engine)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct vm_console_params params = {.receive = receive, .ctx = f};
	int pair[2];

	if (!f || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair))
		return -1;
	*state = f;
	pthread_mutex_init(&f->lock, NULL);
	f->room = LOTS;
	f->near = params.fd = pair[0];
	f->far = pair[1];
	if (ring_create("test", 16, engine, &f->ring, NULL))
		return -1;
	params.ring = f->ring;
	return vm_console_create(&params, &f->console) || ring_start(f->ring);
}

static int setup(void **state)
{
	return setup_engine(state, RING_AUTO);
}

static int setup_threads(void **state)
{
	return setup_engine(state, RING_THREADS);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	ring_destroy(f->ring);
	vm_console_destroy(f->console);
	close(f->near);
	if (f->far >= 0)
		close(f->far);
	pthread_mutex_destroy(&f->lock);
	free(f);
	return 0;
}

/* Reads N bytes from the launcher's end and checks that they are the pattern of transmit_pattern(). */
static void read_pattern(struct fixture *f, size_t n)
{
	uint8_t buf[4096];
	size_t at = 0;

	for (int tries = 0; at < n && tries < 5000; tries++) {
		ssize_t r = read(f->far, buf, sizeof(buf));

		if (r < 0) {
			assert_int_equal(errno, EAGAIN);
			sleep_ms(2);
			continue;
		}
		for (ssize_t i = 0; i < r; i++, at++)
			assert_int_equal(buf[i], at % 251);
	}
	assert_int_equal(at, n);
}

static void transmit_pattern(struct fixture *f, size_t from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		vm_console_transmit(f->console, (uint8_t)((from + i) % 251));
}

static void output_arrives_complete_and_in_order(void **state)
{
	struct fixture *f = *state;

	transmit_pattern(f, 0, 5000);
	read_pattern(f, 5000);
	assert_int_equal(vm_console_dropped(f->console), 0);
}

/* Pieces of all lengths, one behind the other round the buffer's end. */
static void pieces_arrive_complete_and_in_order(void **state)
{
	struct fixture *f = *state;
	uint8_t piece[4096];
	ssize_t r;

	for (size_t at = 0, n = 1; at < LOTS; at += n, n = n * 3 % 4001) {
		for (size_t i = 0; i < n; i++)
			piece[i] = (uint8_t)((at + i) % 251);
		vm_console_write(f->console, piece, n);
		for (size_t seen = 0; seen < n; seen += (size_t)r) {
			vm_console_flush(f->console, 5000);
			r = read(f->far, piece, sizeof(piece));
			assert_true(r > 0);
			for (ssize_t i = 0; i < r; i++)
				assert_int_equal(piece[i], (at + seen + (size_t)i) % 251);
		}
	}
}

/* What fits is kept, the rest is counted, however long it is. */
static void a_piece_longer_than_the_buffer_is_cut(void **state)
{
	static uint8_t piece[CONSOLE_BUFFER + 1000];
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(piece); i++)
		piece[i] = (uint8_t)(i % 251);
	vm_console_write(f->console, piece, sizeof(piece));
	assert_int_equal(vm_console_dropped(f->console), 1000);
	read_pattern(f, CONSOLE_BUFFER);
}

static void unread_output_is_dropped_and_counted(void **state)
{
	struct fixture *f = *state;
	size_t taken = 0;
	uint8_t buf[4096];
	ssize_t r;

	/* Nobody reads: this must come to its end by itself. */
	transmit_pattern(f, 0, LOTS * 2);
	assert_in_range(vm_console_dropped(f->console), 1, LOTS * 2 - CONSOLE_BUFFER);
	/* What was kept is the beginning, unbroken; then all of it comes out. */
	for (int idle = 0; idle < 100;) {
		r = read(f->far, buf, sizeof(buf));
		idle = r > 0 ? 0 : idle + 1;
		for (ssize_t i = 0; i < r && taken < CONSOLE_BUFFER; i++, taken++)
			assert_int_equal(buf[i], taken % 251);
		if (r > 0)
			taken += taken >= CONSOLE_BUFFER ? (size_t)r : 0;
		else
			sleep_ms(2);
	}
	assert_in_range(taken, CONSOLE_BUFFER, LOTS * 2);
}

static void blocked_output_goes_on_when_read(void **state)
{
	struct fixture *f = *state;
	size_t n = CONSOLE_BUFFER - 1;

	/* More than a socket takes at once: the rest waits for EPOLLOUT. */
	assert_int_equal(setsockopt(f->near, SOL_SOCKET, SO_SNDBUF, &(int){4096}, sizeof(int)), 0);
	transmit_pattern(f, 0, n);
	sleep_ms(50);
	read_pattern(f, n);
	transmit_pattern(f, 0, 100);
	read_pattern(f, 100);
	assert_int_equal(vm_console_dropped(f->console), 0);
}

static void flush_waits_for_the_reader_but_not_for_ever(void **state)
{
	struct fixture *f = *state;
	struct timespec before, after;

	transmit_pattern(f, 0, 1000);
	vm_console_flush(f->console, 5000);
	read_pattern(f, 1000);
	assert_int_equal(setsockopt(f->near, SOL_SOCKET, SO_SNDBUF, &(int){4096}, sizeof(int)), 0);
	transmit_pattern(f, 0, CONSOLE_BUFFER - 1);
	clock_gettime(CLOCK_MONOTONIC, &before);
	vm_console_flush(f->console, 100);
	clock_gettime(CLOCK_MONOTONIC, &after);
	assert_in_range(after.tv_sec - before.tv_sec, 0, 3);
}

static void input_waits_for_a_full_receiver(void **state)
{
	struct fixture *f = *state;
	static uint8_t sent[3000];

	for (size_t i = 0; i < sizeof(sent); i++)
		sent[i] = (uint8_t)(i * 7);
	f->room = 10;
	assert_int_equal(write(f->far, sent, sizeof(sent)), sizeof(sent));
	wait_got(f, 10);
	/* Room comes in small pieces, as a FIFO is read. */
	for (size_t total = 10; total < sizeof(sent);) {
		size_t more = sizeof(sent) - total < 16 ? sizeof(sent) - total : 16;

		pthread_mutex_lock(&f->lock);
		f->room = more;
		pthread_mutex_unlock(&f->lock);
		vm_console_input_ready(f->console);
		total += more;
		wait_got(f, total);
	}
	assert_memory_equal(f->input, sent, sizeof(sent));
}

static void full_receiver_does_not_hold_up_output(void **state)
{
	struct fixture *f = *state;

	f->room = 0;
	assert_int_equal(write(f->far, "waits", 5), 5);
	sleep_ms(20);
	transmit_pattern(f, 0, 1000);
	read_pattern(f, 1000);
	assert_int_equal(got(f), 0);
}

static void closed_console_swallows_output(void **state)
{
	struct fixture *f = *state;

	close(f->far);
	f->far = -1;
	transmit_pattern(f, 0, LOTS);
	vm_console_flush(f->console, 1000);
	transmit_pattern(f, 0, 100);
	assert_true(vm_console_dropped(f->console) > 0);
}

/* Closed while the receiver is full: no busy loop, and the end comes all the same. */
static void closed_behind_a_full_receiver(void **state)
{
	struct fixture *f = *state;
	struct timespec cpu, now;

	f->room = 0;
	assert_int_equal(write(f->far, "waits", 5), 5);
	sleep_ms(20);
	close(f->far);
	f->far = -1;
	sleep_ms(200);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
	sleep_ms(200);
	cpu.tv_nsec += 50000000;
	if (cpu.tv_nsec >= 1000000000) {
		cpu.tv_nsec -= 1000000000;
		cpu.tv_sec++;
	}
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	assert_true(now.tv_sec < cpu.tv_sec ||
		    (now.tv_sec == cpu.tv_sec && now.tv_nsec < cpu.tv_nsec));
}

#define BOTH(f)                                                   \
	cmocka_unit_test_setup_teardown(f, setup, teardown),      \
	{                                                         \
#f " (threads)", f, setup_threads, teardown, NULL \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(output_arrives_complete_and_in_order),
		BOTH(pieces_arrive_complete_and_in_order),
		BOTH(a_piece_longer_than_the_buffer_is_cut),
		BOTH(unread_output_is_dropped_and_counted),
		BOTH(blocked_output_goes_on_when_read),
		BOTH(flush_waits_for_the_reader_but_not_for_ever),
		BOTH(input_waits_for_a_full_receiver),
		BOTH(full_receiver_does_not_hold_up_output),
		BOTH(closed_console_swallows_output),
		BOTH(closed_behind_a_full_receiver),
	};

	return cmocka_run_group_tests_name("console", tests, NULL, NULL);
}
