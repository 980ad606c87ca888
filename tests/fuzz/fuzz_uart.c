/*
 * A guest at the UART's registers while somebody types. Promise: what was written to the transmitter
 * leaves once and at once; what was received is read once and in order, unless the guest threw it away;
 * whoever was refused is called when there is room; the interrupt is what the registers say.
 */
#include "fuzz.h"

#include <linux/serial_reg.h>

#include "vmm/platform/platform.h"

#define WAITING 16

struct line {
	struct uart *uart;
	bool irq;
	unsigned int sent, written; /* bytes that left, and that had to */
	uint8_t last_sent;
	uint8_t waiting[WAITING]; /* received and not read, while KNOWN */
	unsigned int count;
	bool known; /* no byte was thrown away or put in by the guest */
	bool refused, called;
	uint8_t next;
	uint8_t lcr, mcr;
};

static void set_irq(void *ctx, bool level)
{
	((struct line *)ctx)->irq = level;
}

static void transmit(void *ctx, uint8_t byte)
{
	struct line *line = ctx;

	line->sent++;
	line->last_sent = byte;
}

static void receive_ready(void *ctx)
{
	struct line *line = ctx;

	must(line->refused);
	line->called = true;
}

static uint8_t reg(struct line *line, unsigned int at)
{
	return (uint8_t)uart_bus_ops.read(line->uart, at, 1);
}

static void receive(struct line *line, unsigned int n)
{
	uint8_t bytes[32];
	size_t taken;

	for (unsigned int i = 0; i < n; i++)
		bytes[i] = (uint8_t)(line->next + i);
	taken = uart_receive(line->uart, bytes, n);
	must(taken <= n && taken <= WAITING);
	line->next = (uint8_t)(line->next + taken);
	line->refused = taken < n;
	line->called = false;
	for (size_t i = 0; i < taken && line->known; i++) {
		must(line->count < WAITING);
		line->waiting[line->count++] = bytes[i];
	}
}

static void read_reg(struct line *line, unsigned int at)
{
	bool is_byte = at == UART_RX && !(line->lcr & UART_LCR_DLAB);
	uint8_t value = reg(line, at);

	if (at == UART_LSR && !(value & UART_LSR_DR)) {
		must(!line->known || line->count == 0);
		line->known = !(line->mcr & UART_MCR_LOOP);
		line->count = 0;
	}
	if (!is_byte || !line->known || line->count == 0)
		return;
	must(value == line->waiting[0]);
	memmove(line->waiting, line->waiting + 1, --line->count);
}

static void write_reg(struct line *line, unsigned int at, uint8_t value)
{
	bool dlab = line->lcr & UART_LCR_DLAB;

	if (at == UART_TX && !dlab && !(line->mcr & UART_MCR_LOOP))
		line->written++;
	/* These may empty the FIFO, and in loopback the guest fills it. */
	if (at == UART_FCR || at == UART_MCR)
		line->known = false;
	uart_bus_ops.write(line->uart, at, 1, value);
	if (at == UART_LCR)
		line->lcr = value;
	if (at == UART_MCR)
		line->mcr = value;
	must(line->sent == line->written);
	if (at == UART_TX && !dlab && !(line->mcr & UART_MCR_LOOP))
		must(line->last_sent == value);
}

static void one_step(struct input *in, struct line *line)
{
	uint8_t op = (uint8_t)take(in, 1);

	switch (op & 7) {
	case 0:
	case 1: write_reg(line, op >> 3 & 7, (uint8_t)take(in, 1)); break;
	case 2:
	case 3: read_reg(line, op >> 3 & 7); break;
	case 4: receive(line, op >> 3); break;
	case 5: write_reg(line, UART_TX, (uint8_t)take(in, 1)); break;
	case 6: read_reg(line, UART_RX); break;
	default:
		if (op >> 3)
			break;
		uart_reset(line->uart);
		line->lcr = line->mcr = 0;
		line->known = false;
		break;
	}
}

static void check(struct line *line)
{
	/* The pin first: reading the registers below may lower it. */
	bool irq = line->irq;

	must(irq == !(reg(line, UART_IIR) & UART_IIR_NO_INT));
	must((reg(line, UART_LSR) & (UART_LSR_THRE | UART_LSR_TEMT)) ==
	     (UART_LSR_THRE | UART_LSR_TEMT));
	/* Room again: in no loopback, without a FIFO to be found full. */
	write_reg(line, UART_LCR, 0);
	write_reg(line, UART_MCR, 0);
	for (int i = 0; i < WAITING + 1; i++)
		read_reg(line, UART_RX);
	must(!(reg(line, UART_LSR) & UART_LSR_DR));
	must(!line->refused || line->called);
	receive(line, 1);
	must(reg(line, UART_LSR) & UART_LSR_DR);
	must(reg(line, UART_RX) == (uint8_t)(line->next - 1));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	struct line line = {.known = true};
	const struct uart_params params = {
		.irq = {set_irq, &line},
		.transmit = transmit,
		.receive_ready = receive_ready,
		.ctx = &line,
	};

	must(uart_create(&params, &line.uart) == 0);
	while (in.left)
		one_step(&in, &line);
	check(&line);
	uart_destroy(line.uart);
	return 0;
}
