/* The serial port register by register: PC16550D data sheet, section numbers in the tests' names' comments. */
#include "test.h"

#include <linux/serial_reg.h>
#include <pthread.h>
#include <sched.h>

#include "vmm/platform/platform.h"

struct line {
	struct uart *uart;
	bool irq;
	unsigned int irq_calls;
	uint8_t sent[64];
	size_t sent_count;
	unsigned int ready_calls;
};

static void line_irq(void *ctx, bool level)
{
	struct line *line = ctx;

	line->irq = level;
	line->irq_calls++;
}

static void line_transmit(void *ctx, uint8_t byte)
{
	struct line *line = ctx;

	if (line->sent_count < sizeof(line->sent))
		line->sent[line->sent_count++] = byte;
}

static void line_ready(void *ctx)
{
	struct line *line = ctx;

	line->ready_calls++;
}

static int setup(void **state)
{
	static struct line line;
	struct uart_params params = {
		.irq = {.set = line_irq, .ctx = &line},
		.transmit = line_transmit,
		.receive_ready = line_ready,
		.ctx = &line,
	};

	memset(&line, 0, sizeof(line));
	assert_int_equal(uart_create(&params, &line.uart), 0);
	*state = &line;
	return 0;
}

static int teardown(void **state)
{
	struct line *line = *state;

	uart_destroy(line->uart);
	return 0;
}

static uint8_t in(struct line *line, unsigned int reg)
{
	return (uint8_t)uart_bus_ops.read(line->uart, reg, 1);
}

static void out(struct line *line, unsigned int reg, uint8_t value)
{
	uart_bus_ops.write(line->uart, reg, 1, value);
}

static size_t arrive(struct line *line, const char *text)
{
	return uart_receive(line->uart, (const uint8_t *)text, strlen(text));
}

/* Table 1 of the data sheet: state after master reset. */
static void power_on_state(void **state)
{
	struct line *line = *state;

	assert_int_equal(in(line, UART_IER), 0);
	assert_int_equal(in(line, UART_IIR), 0x01);
	assert_int_equal(in(line, UART_LCR), 0);
	assert_int_equal(in(line, UART_MCR), 0);
	assert_int_equal(in(line, UART_LSR), 0x60);
	assert_int_equal(in(line, UART_MSR), 0xB0); /* CTS, DSR, DCD: a terminal is connected */
	assert_int_equal(in(line, UART_SCR), 0);
	assert_false(line->irq);
}

/* Writes every register with two patterns and reads back what the data sheet lets one read back. */
static void registers_hold_what_they_should(void **state)
{
	static const struct {
		unsigned int reg;
		uint8_t mask;
	} regs[] = {{UART_IER, 0x0F}, {UART_LCR, 0x7F}, {UART_MCR, 0x1F}, {UART_SCR, 0xFF}};
	struct line *line = *state;

	for (size_t i = 0; i < sizeof(regs) / sizeof(regs[0]); i++) {
		out(line, regs[i].reg, 0xFF & (regs[i].reg == UART_LCR ? 0x7F : 0xFF));
		assert_int_equal(in(line, regs[i].reg), regs[i].mask);
		out(line, regs[i].reg, 0x05);
		assert_int_equal(in(line, regs[i].reg), 0x05);
		out(line, regs[i].reg, 0);
	}
	/* Writing LSR and MSR changes nothing that a driver sees. */
	out(line, UART_LSR, 0x00);
	assert_int_equal(in(line, UART_LSR), 0x60);
	in(line, UART_MSR);
	out(line, UART_MSR, 0x00);
	assert_int_equal(in(line, UART_MSR), 0xB0);
}

/* 8.6: a zero with BI and FIFO error, which come with the byte that is read next; 8.5: the first of all interrupts. */
static void a_break_is_a_zero_with_a_mark(void **state)
{
	struct line *line = *state;

	out(line, UART_FCR, UART_FCR_ENABLE_FIFO);
	out(line, UART_IER, UART_IER_RLSI | UART_IER_RDI);
	arrive(line, "a");
	uart_receive_break(line->uart);
	arrive(line, "b");
	/* Not on top yet: only the FIFO's error bit tells. */
	assert_int_equal(in(line, UART_LSR), UART_LSR_FIFOE | UART_LSR_TEMT | UART_LSR_THRE |
						     UART_LSR_DR);
	assert_int_equal(in(line, UART_RX), 'a');
	assert_int_equal(in(line, UART_IIR) & 0x0F, UART_IIR_RLSI);
	assert_true(line->irq);
	assert_int_equal(in(line, UART_LSR), UART_LSR_FIFOE | UART_LSR_BI | UART_LSR_TEMT |
						     UART_LSR_THRE | UART_LSR_DR);
	/* Shown once. */
	assert_int_equal(in(line, UART_LSR), UART_LSR_TEMT | UART_LSR_THRE | UART_LSR_DR);
	assert_int_equal(in(line, UART_RX), 0);
	assert_int_equal(in(line, UART_RX), 'b');
	assert_int_equal(in(line, UART_LSR), UART_LSR_TEMT | UART_LSR_THRE);
	/* The slot's next byte is an ordinary one. */
	for (int i = 0; i < 40; i++) {
		arrive(line, "c");
		assert_int_equal(in(line, UART_LSR) & UART_LSR_BI, 0);
		assert_int_equal(in(line, UART_RX), 'c');
	}
}

/* Without FIFO there is no FIFO error; a break that finds no room is lost. */
static void a_break_without_fifo(void **state)
{
	struct line *line = *state;

	uart_receive_break(line->uart);
	assert_int_equal(in(line, UART_LSR), UART_LSR_BI | UART_LSR_TEMT | UART_LSR_THRE |
						     UART_LSR_DR);
	assert_int_equal(in(line, UART_RX), 0);
	arrive(line, "x");
	uart_receive_break(line->uart);
	assert_int_equal(in(line, UART_LSR), UART_LSR_TEMT | UART_LSR_THRE | UART_LSR_DR);
	assert_int_equal(in(line, UART_RX), 'x');
	assert_int_equal(in(line, UART_LSR), UART_LSR_TEMT | UART_LSR_THRE);
}

static void divisor_hides_behind_dlab(void **state)
{
	struct line *line = *state;

	out(line, UART_IER, 0x00);
	out(line, UART_LCR, UART_LCR_DLAB | UART_LCR_WLEN8);
	out(line, UART_DLL, 0x34);
	out(line, UART_DLM, 0x12);
	assert_int_equal(in(line, UART_DLL), 0x34);
	assert_int_equal(in(line, UART_DLM), 0x12);
	out(line, UART_LCR, UART_LCR_WLEN8);
	assert_int_equal(in(line, UART_IER), 0x00);
	assert_int_equal(line->sent_count, 0);
	out(line, UART_TX, 'x');
	assert_int_equal(line->sent_count, 1);
	assert_int_equal(line->sent[0], 'x');
	out(line, UART_LCR, UART_LCR_DLAB);
	assert_int_equal(in(line, UART_DLL), 0x34);
}

static void sends_every_byte_value(void **state)
{
	struct line *line = *state;

	for (unsigned int v = 0; v < 256; v += 5) {
		line->sent_count = 0;
		out(line, UART_TX, (uint8_t)v);
		assert_int_equal(line->sent_count, 1);
		assert_int_equal(line->sent[0], v);
		assert_int_equal(in(line, UART_LSR) & 0x60, 0x60);
	}
}

/* 8.5: the THRE interrupt comes on enabling it and after each byte, and goes by reading IIR or by writing THR. */
static void thre_interrupt(void **state)
{
	struct line *line = *state;

	out(line, UART_IER, UART_IER_THRI);
	assert_true(line->irq);
	assert_int_equal(in(line, UART_IIR), 0x02);
	assert_false(line->irq);
	assert_int_equal(in(line, UART_IIR), 0x01);
	out(line, UART_TX, 'a');
	assert_true(line->irq);
	assert_int_equal(in(line, UART_IIR), 0x02);
	assert_false(line->irq);
	/* Off and on again: it is empty, so it interrupts. */
	out(line, UART_IER, 0);
	out(line, UART_IER, UART_IER_THRI);
	assert_true(line->irq);
	/* Rewriting the enabled bit is no edge. */
	in(line, UART_IIR);
	out(line, UART_IER, UART_IER_THRI | UART_IER_MSI);
	assert_false(line->irq);
	/* Disabled: nothing however much is sent. */
	out(line, UART_IER, 0);
	out(line, UART_TX, 'b');
	assert_false(line->irq);
}

/* An IIR that shows a source of higher priority must not eat the THRE interrupt behind it. */
static void iir_priority(void **state)
{
	struct line *line = *state;

	out(line, UART_IER, 0x0F);
	out(line, UART_MCR, UART_MCR_LOOP | UART_MCR_RTS); /* modem lines change */
	out(line, UART_TX, '1');
	out(line, UART_TX, '2'); /* overrun: one-byte receiver */
	assert_int_equal(in(line, UART_IIR), 0x06);
	assert_int_equal(in(line, UART_IIR), 0x06);
	assert_int_equal(in(line, UART_LSR), 0x60 | UART_LSR_DR | UART_LSR_OE);
	assert_int_equal(in(line, UART_IIR), 0x04);
	assert_int_equal(in(line, UART_RX), '2');
	assert_int_equal(in(line, UART_IIR), 0x02);
	assert_int_equal(in(line, UART_IIR), 0x00);
	assert_true(line->irq);
	in(line, UART_MSR);
	assert_int_equal(in(line, UART_IIR), 0x01);
	assert_false(line->irq);
}

static void receives_one_byte_without_fifo(void **state)
{
	struct line *line = *state;

	out(line, UART_IER, UART_IER_RDI);
	assert_int_equal(arrive(line, "ab"), 1);
	assert_true(line->irq);
	assert_int_equal(in(line, UART_IIR), 0x04);
	assert_int_equal(in(line, UART_LSR), 0x61);
	assert_int_equal(line->ready_calls, 0);
	assert_int_equal(in(line, UART_RX), 'a');
	assert_int_equal(line->ready_calls, 1);
	assert_false(line->irq);
	assert_int_equal(in(line, UART_LSR), 0x60);
	assert_int_equal(arrive(line, "b"), 1);
	assert_int_equal(in(line, UART_RX), 'b');
	assert_int_equal(line->ready_calls, 1); /* nobody was refused in between */
}

static void fifo_is_16_deep_and_keeps_order(void **state)
{
	struct line *line = *state;

	out(line, UART_FCR, UART_FCR_ENABLE_FIFO);
	assert_int_equal(in(line, UART_IIR), 0xC1);
	assert_int_equal(arrive(line, "0123456789ABCDEFGH"), 16);
	for (unsigned int i = 0; i < 16; i++)
		assert_int_equal(in(line, UART_RX), "0123456789ABCDEF"[i]);
	assert_int_equal(in(line, UART_LSR) & UART_LSR_DR, 0);
	assert_int_equal(line->ready_calls, 1);
}

/* 8.4, 8.5: below the trigger level it is the character timeout (0xC), from the level on data available (4). */
static void fifo_trigger_levels(void **state)
{
	static const unsigned int levels[] = {1, 4, 8, 14};
	struct line *line = *state;

	out(line, UART_IER, UART_IER_RDI);
	for (unsigned int i = 0; i < 4; i++) {
		out(line, UART_FCR, (uint8_t)(UART_FCR_ENABLE_FIFO | UART_FCR_CLEAR_RCVR | i << 6));
		assert_false(line->irq);
		for (unsigned int n = 1; n <= 16; n++) {
			assert_int_equal(arrive(line, "x"), 1);
			assert_true(line->irq);
			assert_int_equal(in(line, UART_IIR), n < levels[i] ? 0xCC : 0xC4);
		}
		assert_int_equal(arrive(line, "x"), 0);
	}
}

static void fcr_clears(void **state)
{
	struct line *line = *state;

	out(line, UART_FCR, UART_FCR_ENABLE_FIFO);
	arrive(line, "abc");
	out(line, UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_CLEAR_XMIT);
	assert_int_equal(in(line, UART_LSR), 0x61);
	out(line, UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_CLEAR_RCVR);
	assert_int_equal(in(line, UART_LSR), 0x60);
	/* Switching the FIFO off empties it too, and clearing needs bit 0. */
	arrive(line, "abc");
	out(line, UART_FCR, 0);
	assert_int_equal(in(line, UART_LSR), 0x60);
	assert_int_equal(in(line, UART_IIR), 0x01);
	arrive(line, "a");
	out(line, UART_FCR, UART_FCR_CLEAR_RCVR);
	assert_int_equal(in(line, UART_RX), 'a');
}

/* Clearing the FIFO makes room as reading does. */
static void refused_bytes_are_called_for_after_clearing(void **state)
{
	struct line *line = *state;

	out(line, UART_FCR, UART_FCR_ENABLE_FIFO);
	assert_int_equal(arrive(line, "0123456789ABCDEFG"), 16);
	out(line, UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_CLEAR_RCVR);
	assert_int_equal(line->ready_calls, 1);
	assert_int_equal(arrive(line, "0123456789ABCDEFG"), 16);
	uart_reset(line->uart);
	assert_int_equal(line->ready_calls, 2);
}

/* 8.7: loopback connects the outputs to the inputs and cuts the line off. */
static void loopback(void **state)
{
	static const struct {
		uint8_t mcr, msr;
	} wires[] = {
		{UART_MCR_RTS, UART_MSR_CTS},
		{UART_MCR_DTR, UART_MSR_DSR},
		{UART_MCR_OUT1, UART_MSR_RI},
		{UART_MCR_OUT2, UART_MSR_DCD},
	};
	struct line *line = *state;

	for (unsigned int i = 0; i < 4; i++) {
		out(line, UART_MCR, (uint8_t)(UART_MCR_LOOP | wires[i].mcr));
		assert_int_equal(in(line, UART_MSR) & 0xF0, wires[i].msr);
	}
	out(line, UART_FCR, UART_FCR_ENABLE_FIFO);
	out(line, UART_TX, 'L');
	assert_int_equal(line->sent_count, 0);
	assert_int_equal(in(line, UART_RX), 'L');
	assert_int_equal(arrive(line, "z"), 0);
	out(line, UART_MCR, 0);
	assert_int_equal(line->ready_calls, 1);
	assert_int_equal(in(line, UART_MSR) & 0xF0, 0xB0);
	/* Full FIFO: the 17th byte is lost, the first 16 stay. */
	out(line, UART_MCR, UART_MCR_LOOP);
	for (unsigned int i = 0; i < 17; i++)
		out(line, UART_TX, (uint8_t)('a' + i));
	assert_int_equal(in(line, UART_LSR), 0x60 | UART_LSR_DR | UART_LSR_OE);
	assert_int_equal(in(line, UART_LSR), 0x60 | UART_LSR_DR);
	for (unsigned int i = 0; i < 16; i++)
		assert_int_equal(in(line, UART_RX), 'a' + i);
}

/* 8.8: each delta bit is set by a change and cleared by reading; TERI only by RI going away. */
static void modem_deltas(void **state)
{
	struct line *line = *state;

	out(line, UART_MCR, UART_MCR_LOOP);
	assert_int_equal(in(line, UART_MSR), UART_MSR_DCTS | UART_MSR_DDSR | UART_MSR_DDCD);
	assert_int_equal(in(line, UART_MSR), 0);
	out(line, UART_MCR, UART_MCR_LOOP | UART_MCR_OUT1);
	assert_int_equal(in(line, UART_MSR), UART_MSR_RI);
	out(line, UART_IER, UART_IER_MSI);
	assert_false(line->irq);
	out(line, UART_MCR, UART_MCR_LOOP);
	assert_true(line->irq);
	assert_int_equal(in(line, UART_IIR), 0x00);
	assert_int_equal(in(line, UART_MSR), UART_MSR_TERI);
	assert_false(line->irq);
}

static void reset_brings_power_on_state(void **state)
{
	struct line *line = *state;

	out(line, UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_TRIGGER_14);
	out(line, UART_MCR, 0x0F);
	out(line, UART_SCR, 0x55);
	out(line, UART_IER, 0x0F);
	arrive(line, "abc");
	out(line, UART_LCR, 0xFF);
	assert_true(line->irq);
	uart_reset(line->uart);
	assert_false(line->irq);
	power_on_state(state);
}

/* OUTW to THR is THR and then IER on an 8-bit device; INW reads two registers. */
static void wide_accesses_are_split(void **state)
{
	struct line *line = *state;

	uart_bus_ops.write(line->uart, UART_TX, 2, 'q' | UART_IER_MSI << 8);
	assert_int_equal(line->sent[0], 'q');
	assert_int_equal(in(line, UART_IER), UART_IER_MSI);
	out(line, UART_SCR, 0x5A);
	assert_int_equal(uart_bus_ops.read(line->uart, UART_MSR, 2), 0x5AB0);
	assert_int_equal(uart_bus_ops.read(line->uart, UART_LCR, 4) >> 16 & 0xFF, 0x60);
}

/* The pin is only touched when its level changes: each call is an ioctl. */
static void pin_is_not_called_without_need(void **state)
{
	struct line *line = *state;

	for (unsigned int i = 0; i < 100; i++)
		out(line, UART_TX, 'x');
	assert_int_equal(line->irq_calls, 0);
	out(line, UART_IER, UART_IER_RDI);
	arrive(line, "a");
	assert_int_equal(line->irq_calls, 1);
	in(line, UART_RX);
	assert_int_equal(line->irq_calls, 2);
}

#define STREAM 200000

/* The sending side of the line: waits a little whenever the FIFO is full. */
static void *send_stream(void *arg)
{
	struct line *line = arg;
	size_t sent = 0;

	while (sent < STREAM) {
		uint8_t buf[20];
		size_t n = 0;

		while (n < sizeof(buf) && sent + n < STREAM) {
			buf[n] = (uint8_t)((sent + n) % 251);
			n++;
		}
		n = uart_receive(line->uart, buf, n);
		sent += n;
		if (n == 0)
			sched_yield();
	}
	return NULL;
}

/* Bytes arrive on one thread while a vCPU reads on another: none is lost, and the pin ends up right. */
static void two_threads(void **state)
{
	struct line *line = *state;
	size_t received = 0;
	pthread_t sender;

	out(line, UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_TRIGGER_8);
	out(line, UART_IER, UART_IER_RDI);
	assert_int_equal(pthread_create(&sender, NULL, send_stream, line), 0);
	while (received < STREAM) {
		if (!(in(line, UART_LSR) & UART_LSR_DR)) {
			sched_yield();
			continue;
		}
		assert_int_equal(in(line, UART_RX), received % 251);
		received++;
	}
	pthread_join(sender, NULL);
	assert_int_equal(in(line, UART_IIR) & 0x0F, UART_IIR_NO_INT);
	assert_false(line->irq);
	assert_int_equal(arrive(line, "x"), 1);
	assert_true(line->irq);
}

/* Whatever is written, nothing breaks, the transmitter stays ready and what was received is bounded. */
static void hostile_guest(void **state)
{
	static const unsigned int sizes[] = {1, 2, 4};
	struct line *line = *state;
	uint32_t seed = 12345;
	bool irq;

	for (unsigned int i = 0; i < 200000; i++) {
		unsigned int size, reg;

		seed = seed * 1664525 + 1013904223;
		size = sizes[(seed >> 8) % 3];
		reg = (seed >> 12) % (9 - size);
		if (seed >> 31)
			uart_bus_ops.write(line->uart, reg, size, seed >> 4);
		else
			uart_bus_ops.read(line->uart, reg, size);
		if (i % 7 == 0)
			assert_in_range(arrive(line, "0123456789ABCDEFGHIJ"), 0, 16);
		assert_int_equal(in(line, UART_LSR) & 0x60, 0x60);
		/* The pin is what IIR says; reading IIR may answer (and drop) a THRE interrupt. */
		irq = line->irq;
		assert_int_equal(irq, !(in(line, UART_IIR) & UART_IIR_NO_INT));
	}
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(power_on_state),
		T(a_break_is_a_zero_with_a_mark),
		T(a_break_without_fifo),
		T(registers_hold_what_they_should),
		T(divisor_hides_behind_dlab),
		T(sends_every_byte_value),
		T(thre_interrupt),
		T(iir_priority),
		T(receives_one_byte_without_fifo),
		T(fifo_is_16_deep_and_keeps_order),
		T(fifo_trigger_levels),
		T(fcr_clears),
		T(refused_bytes_are_called_for_after_clearing),
		T(loopback),
		T(modem_deltas),
		T(reset_brings_power_on_state),
		T(wide_accesses_are_split),
		T(pin_is_not_called_without_need),
		T(two_threads),
		T(hostile_guest),
	};

	return cmocka_run_group_tests_name("uart", tests, NULL, NULL);
}
