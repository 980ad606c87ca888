/*
 * The serial port: a PC16550D (National Semiconductor data sheet, June 1995; section numbers below
 * are its own). The line is infinitely fast: a byte written to THR has left before the write
 * returns, so THRE and TEMT are always set, and the receiver's character timeout expires at once.
 * The receiver never overruns from outside, uart_receive() takes only what fits; in loopback it can.
 *
 * Not here: the PC's gate of INTR by OUT2, which a driver that never sets OUT2 would trip over.
 */
#include "vmm/platform/platform.h"

#include <errno.h>
#include <linux/serial_reg.h>
#include <pthread.h>
#include <stdlib.h>

#define UART_FIFO_DEPTH	       16
#define UART_IIR_FIFOS_ENABLED 0xC0 /* 8.5 */
#define UART_IER_MASK	       0x0F
#define UART_MCR_MASK	       0x1F
#define UART_MSR_PEER \
	(UART_MSR_DCD | UART_MSR_DSR | UART_MSR_CTS) /* somebody is at the other end */
#define UART_DIVISOR 12				     /* 9600 baud */

struct uart {
	struct uart_params params;
	/* Orders calls of the interrupt pin; taken before LOCK, which is not held during the call. */
	pthread_mutex_t irq_lock;
	pthread_mutex_t lock; /* everything below */
	bool irq_wanted;
	bool thre_pending; /* reason for a THRE interrupt, cleared by showing it in IIR or writing THR */
	bool refused;	   /* uart_receive() could not take all: receive_ready() is owed */
	bool overrun;	   /* LSR.OE until LSR is read */
	uint8_t ier, lcr, mcr, msr, scr;
	uint8_t dll, dlm;
	bool fifo_enabled;
	uint8_t trigger;
	uint8_t fifo[UART_FIFO_DEPTH];
	uint16_t fifo_break; /* bit N: slot N holds a break's zero that LSR has not shown yet */
	unsigned int fifo_head, fifo_count;
};

/* What a register access owes the outside once the lock is dropped. */
struct uart_effects {
	bool irq_changed;
	bool receive_ready;
	bool transmit;
	uint8_t byte;
};

static unsigned int uart_depth(const struct uart *uart)
{
	return uart->fifo_enabled ? UART_FIFO_DEPTH : 1;
}

static void uart_push(struct uart *uart, uint8_t byte)
{
	unsigned int slot = (uart->fifo_head + uart->fifo_count) % UART_FIFO_DEPTH;

	uart->fifo[slot] = byte;
	uart->fifo_break &= (uint16_t)~(1u << slot);
	uart->fifo_count++;
}

/* 8.6 BI belongs to the byte that is read next. */
static bool uart_break_on_top(const struct uart *uart)
{
	return uart->fifo_count && (uart->fifo_break >> uart->fifo_head & 1);
}

/* 8.6 FIFO error: a break among the bytes that wait. Slots that are empty may have stale bits. */
static bool uart_break_in_fifo(const struct uart *uart)
{
	for (unsigned int i = 0; i < uart->fifo_count; i++)
		if (uart->fifo_break >> (uart->fifo_head + i) % UART_FIFO_DEPTH & 1)
			return true;
	return false;
}

/* 8.5: the pending interrupt of the highest priority, as IIR's low nibble shows it. */
static uint8_t uart_iir(const struct uart *uart)
{
	if ((uart->ier & UART_IER_RLSI) && (uart->overrun || uart_break_on_top(uart)))
		return UART_IIR_RLSI;
	if ((uart->ier & UART_IER_RDI) && uart->fifo_count) {
		if (uart->fifo_enabled && uart->fifo_count < uart->trigger)
			return UART_IIR_RX_TIMEOUT;
		return UART_IIR_RDI;
	}
	if ((uart->ier & UART_IER_THRI) && uart->thre_pending)
		return UART_IIR_THRI;
	if ((uart->ier & UART_IER_MSI) && (uart->msr & UART_MSR_ANY_DELTA))
		return UART_IIR_MSI;
	return UART_IIR_NO_INT;
}

/* 8.7, 8.8: the modem lines as the guest sees them; in loopback they are MCR's own outputs. */
static uint8_t uart_modem_lines(const struct uart *uart)
{
	uint8_t lines = 0;

	if (!(uart->mcr & UART_MCR_LOOP))
		return UART_MSR_PEER;
	if (uart->mcr & UART_MCR_RTS)
		lines |= UART_MSR_CTS;
	if (uart->mcr & UART_MCR_DTR)
		lines |= UART_MSR_DSR;
	if (uart->mcr & UART_MCR_OUT1)
		lines |= UART_MSR_RI;
	if (uart->mcr & UART_MCR_OUT2)
		lines |= UART_MSR_DCD;
	return lines;
}

static void uart_write_mcr(struct uart *uart, uint8_t value)
{
	uint8_t before, after, changed;

	before = uart_modem_lines(uart);
	uart->mcr = value & UART_MCR_MASK;
	after = uart_modem_lines(uart);
	changed = before ^ after;
	uart->msr = after | (uart->msr & UART_MSR_ANY_DELTA);
	if (changed & UART_MSR_CTS)
		uart->msr |= UART_MSR_DCTS;
	if (changed & UART_MSR_DSR)
		uart->msr |= UART_MSR_DDSR;
	if (changed & UART_MSR_DCD)
		uart->msr |= UART_MSR_DDCD;
	if (changed & before & UART_MSR_RI) /* the trailing edge only */
		uart->msr |= UART_MSR_TERI;
}

static void uart_write_fcr(struct uart *uart, uint8_t value)
{
	static const uint8_t triggers[] = {1, 4, 8, 14};
	bool enable = value & UART_FCR_ENABLE_FIFO;

	/* 8.4: the FIFOs are emptied when bit 0 changes; without bit 0 the other bits do nothing. */
	if (enable != uart->fifo_enabled) {
		uart->fifo_enabled = enable;
		uart->fifo_count = 0;
		uart->overrun = false;
	}
	if (!enable)
		return;
	if (value & UART_FCR_CLEAR_RCVR)
		uart->fifo_count = 0;
	uart->trigger = triggers[value >> 6];
}

static void uart_write_thr(struct uart *uart, uint8_t value, struct uart_effects *effects)
{
	uart->thre_pending = true; /* it was full for no time at all */
	if (!(uart->mcr & UART_MCR_LOOP)) {
		effects->transmit = true;
		effects->byte = value;
		return;
	}
	if (uart->fifo_count < uart_depth(uart)) {
		uart_push(uart, value);
		return;
	}
	/* 8.6 OE: without FIFO the new byte replaces the old one, with FIFO the new one is lost. */
	uart->overrun = true;
	if (!uart->fifo_enabled)
		uart->fifo[uart->fifo_head] = value;
}

static uint8_t uart_read_rbr(struct uart *uart)
{
	uint8_t byte = uart->fifo[uart->fifo_head];

	if (!uart->fifo_count)
		return 0;
	uart->fifo_head = (uart->fifo_head + 1) % UART_FIFO_DEPTH;
	uart->fifo_count--;
	return byte;
}

static uint8_t uart_read_reg(struct uart *uart, unsigned int reg)
{
	bool dlab = uart->lcr & UART_LCR_DLAB;
	uint8_t value;

	switch (reg) {
	case UART_RX: return dlab ? uart->dll : uart_read_rbr(uart);
	case UART_IER: return dlab ? uart->dlm : uart->ier;
	case UART_IIR:
		value = uart_iir(uart);
		if (value == UART_IIR_THRI)
			uart->thre_pending = false;
		return value | (uart->fifo_enabled ? UART_IIR_FIFOS_ENABLED : 0);
	case UART_LCR: return uart->lcr;
	case UART_MCR: return uart->mcr;
	case UART_LSR:
		value = UART_LSR_TEMT | UART_LSR_THRE | (uart->fifo_count ? UART_LSR_DR : 0) |
			(uart->overrun ? UART_LSR_OE : 0) |
			(uart_break_on_top(uart) ? UART_LSR_BI : 0) |
			(uart->fifo_enabled && uart_break_in_fifo(uart) ? UART_LSR_FIFOE : 0);
		uart->overrun = false;
		if (uart->fifo_count)
			uart->fifo_break &= (uint16_t)~(1u << uart->fifo_head);
		return value;
	case UART_MSR:
		value = uart->msr;
		uart->msr &= (uint8_t)~UART_MSR_ANY_DELTA;
		return value;
	case UART_SCR: return uart->scr;
	default: return 0xFF;
	}
}

static void uart_write_reg(struct uart *uart, unsigned int reg, uint8_t value,
			   struct uart_effects *effects)
{
	bool dlab = uart->lcr & UART_LCR_DLAB;

	switch (reg) {
	case UART_TX:
		if (dlab)
			uart->dll = value;
		else
			uart_write_thr(uart, value, effects);
		break;
	case UART_IER:
		if (dlab) {
			uart->dlm = value;
			break;
		}
		/* Enabling the interrupt while THR is empty raises it: drivers start sending so. */
		if (~uart->ier & value & UART_IER_THRI)
			uart->thre_pending = true;
		uart->ier = value & UART_IER_MASK;
		break;
	case UART_FCR: uart_write_fcr(uart, value); break;
	case UART_LCR: uart->lcr = value; break;
	case UART_MCR: uart_write_mcr(uart, value); break;
	case UART_SCR: uart->scr = value; break;
	default: break; /* LSR and MSR: writing them is for the factory's tests */
	}
}

/* Notes what changed since the last call. Lock held. */
static void uart_settle(struct uart *uart, struct uart_effects *effects)
{
	bool level = uart_iir(uart) != UART_IIR_NO_INT;

	if (level != uart->irq_wanted) {
		uart->irq_wanted = level;
		effects->irq_changed = true;
	}
	if (uart->refused && uart->fifo_count < uart_depth(uart) && !(uart->mcr & UART_MCR_LOOP)) {
		uart->refused = false;
		effects->receive_ready = true;
	}
}

/* Does what an access owes. No lock held. */
static void uart_apply(struct uart *uart, const struct uart_effects *effects)
{
	bool level;

	if (effects->transmit && uart->params.transmit)
		uart->params.transmit(uart->params.ctx, effects->byte);
	if (effects->irq_changed) {
		/* The level is read again under both locks, so that of two threads the later one wins. */
		pthread_mutex_lock(&uart->irq_lock);
		pthread_mutex_lock(&uart->lock);
		level = uart->irq_wanted;
		pthread_mutex_unlock(&uart->lock);
		irq_pin_set(&uart->params.irq, level);
		pthread_mutex_unlock(&uart->irq_lock);
	}
	if (effects->receive_ready && uart->params.receive_ready)
		uart->params.receive_ready(uart->params.ctx);
}

/* A wide access is what the ISA bus makes of it: one byte register after the other. */
static uint64_t uart_read(void *dev, uint64_t offset, unsigned int size)
{
	struct uart *uart = dev;
	uint64_t value = 0;
	unsigned int i;

	for (i = 0; i < size; i++) {
		struct uart_effects effects = {0};

		pthread_mutex_lock(&uart->lock);
		value |= (uint64_t)uart_read_reg(uart, (unsigned int)(offset + i)) << (8 * i);
		uart_settle(uart, &effects);
		pthread_mutex_unlock(&uart->lock);
		uart_apply(uart, &effects);
	}
	return value;
}

static void uart_write(void *dev, uint64_t offset, unsigned int size, uint64_t value)
{
	struct uart *uart = dev;
	unsigned int i;

	for (i = 0; i < size; i++) {
		struct uart_effects effects = {0};

		pthread_mutex_lock(&uart->lock);
		uart_write_reg(uart, (unsigned int)(offset + i), (uint8_t)(value >> (8 * i)),
			       &effects);
		uart_settle(uart, &effects);
		pthread_mutex_unlock(&uart->lock);
		uart_apply(uart, &effects);
	}
}

const struct bus_ops uart_bus_ops = {
	.read = uart_read,
	.write = uart_write,
};

size_t uart_receive(struct uart *uart, const uint8_t *buf, size_t n)
{
	struct uart_effects effects = {0};
	size_t taken = 0;

	pthread_mutex_lock(&uart->lock);
	/* 8.7: in loopback the receiver is cut off from the line; the bytes wait outside. */
	if (!(uart->mcr & UART_MCR_LOOP))
		while (taken < n && uart->fifo_count < uart_depth(uart))
			uart_push(uart, buf[taken++]);
	uart_settle(uart, &effects);
	uart->refused = taken < n;
	pthread_mutex_unlock(&uart->lock);
	/* The caller learns from the result what fits: it is owed no call for that. */
	effects.receive_ready = false;
	uart_apply(uart, &effects);
	return taken;
}

void uart_receive_break(struct uart *uart)
{
	struct uart_effects effects = {0};

	pthread_mutex_lock(&uart->lock);
	/* A break that finds no room is lost, as any byte on a line is. */
	if (!(uart->mcr & UART_MCR_LOOP) && uart->fifo_count < uart_depth(uart)) {
		uart_push(uart, 0);
		uart->fifo_break |= (uint16_t)(1u << (uart->fifo_head + uart->fifo_count - 1) %
							 UART_FIFO_DEPTH);
	}
	uart_settle(uart, &effects);
	pthread_mutex_unlock(&uart->lock);
	effects.receive_ready = false;
	uart_apply(uart, &effects);
}

void uart_reset(struct uart *uart)
{
	struct uart_effects effects = {0};

	pthread_mutex_lock(&uart->lock);
	uart->ier = uart->lcr = uart->mcr = uart->scr = 0;
	uart->msr = UART_MSR_PEER;
	uart->dll = UART_DIVISOR;
	uart->dlm = 0;
	uart->fifo_enabled = uart->thre_pending = uart->overrun = false;
	uart->trigger = 1;
	uart->fifo_head = uart->fifo_count = 0;
	uart->fifo_break = 0;
	uart_settle(uart, &effects);
	pthread_mutex_unlock(&uart->lock);
	uart_apply(uart, &effects);
}

int uart_create(const struct uart_params *params, struct uart **ret_uart)
{
	struct uart *uart = calloc(1, sizeof(*uart));

	if (!uart)
		return -ENOMEM;
	uart->params = *params;
	pthread_mutex_init(&uart->irq_lock, NULL);
	pthread_mutex_init(&uart->lock, NULL);
	uart_reset(uart);
	*ret_uart = uart;
	return 0;
}

void uart_destroy(struct uart *uart)
{
	if (!uart)
		return;
	pthread_mutex_destroy(&uart->lock);
	pthread_mutex_destroy(&uart->irq_lock);
	free(uart);
}
