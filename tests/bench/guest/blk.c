/*
 * A bare-metal guest with a virtio-blk driver of its own (virtio 1.2, PCI, split queue): reads
 * random 4 KiB blocks, always DEPTH of them in flight. With SLEEP it halts until the device
 * interrupts, as operating systems do; without it looks at the used ring all the time. On the serial port: 'S' when it starts, 'E' when COUNT reads are done, 'F' and a
 * reason when something is wrong. Block n of the disk begins with the number n, and that is checked.
 *
 * The numbers come from whoever starts it, written into the ELF at the magic.
 */
#include <stdint.h>

#define MAX_DEPTH  64
#define QUEUE_SIZE 256
#define BLOCK	   4096

struct params {
	char magic[16];
	uint32_t depth;
	uint32_t count;
	uint32_t blocks; /* of the disk to read from */
	uint32_t sleep;
};

__attribute__((section(".params"), used)) volatile struct params params = {
	.magic = "vmboot-bench-blk",
	.depth = 1,
	.count = 1000,
	.blocks = 256,
};

/* ---- the machine ---- */

static void outb(uint16_t port, uint8_t v)
{
	__asm__ volatile("outb %0, %1" : : "a"(v), "d"(port));
}

static void outl(uint16_t port, uint32_t v)
{
	__asm__ volatile("outl %0, %1" : : "a"(v), "d"(port));
}

static uint32_t inl(uint16_t port)
{
	uint32_t v;

	__asm__ volatile("inl %1, %0" : "=a"(v) : "d"(port));
	return v;
}

static uint32_t config_read(unsigned int slot, unsigned int reg)
{
	outl(0xCF8, 0x80000000U | slot << 11 | (reg & 0xFC));
	return inl(0xCFC);
}

static void config_write(unsigned int slot, unsigned int reg, uint32_t v)
{
	outl(0xCF8, 0x80000000U | slot << 11 | (reg & 0xFC));
	outl(0xCFC, v);
}

static void say(const char *s)
{
	while (*s)
		outb(0x3F8, (uint8_t)*s++);
}

static void fail(const char *why)
{
	say("F ");
	say(why);
	say("\n");
	for (;;)
		__asm__ volatile("pause");
}

/* ---- the queue (2.7) ---- */

struct desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t next;
};

struct avail {
	uint16_t flags;
	volatile uint16_t idx;
	uint16_t ring[QUEUE_SIZE];
	volatile uint16_t used_event;
};

struct used {
	volatile uint16_t flags;
	volatile uint16_t idx;
	struct {
		uint32_t id;
		uint32_t len;
	} ring[QUEUE_SIZE];
	volatile uint16_t avail_event;
};

struct header {
	uint32_t type;
	uint32_t reserved;
	uint64_t sector;
};

static struct desc desc[QUEUE_SIZE] __attribute__((aligned(4096)));
static struct avail avail __attribute__((aligned(4096)));
static struct used used __attribute__((aligned(4096)));
static struct header headers[MAX_DEPTH] __attribute__((aligned(64)));
static uint8_t status[MAX_DEPTH];
static uint8_t data[MAX_DEPTH][BLOCK] __attribute__((aligned(4096)));

static volatile uint16_t *doorbell;
static uint16_t avail_idx, kicked_idx, seen_idx;
static uint64_t rng = 88172645463325252ULL;

static void put_request(unsigned int slot)
{
	uint64_t block;

	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	block = (rng >> 16) % params.blocks;
	headers[slot].sector = block * (BLOCK / 512);
	status[slot] = 0xFF;
	avail.ring[avail_idx++ % QUEUE_SIZE] = (uint16_t)(slot * 3);
}

/* Shows the device what was put; rings when it asked for that (2.7.10). */
static void publish(void)
{
	uint16_t event;

	__asm__ volatile("" : : : "memory");
	avail.idx = avail_idx;
	__asm__ volatile("lock orl $0, (%%rsp)" : : : "memory");
	event = used.avail_event;
	if ((uint16_t)(avail_idx - event - 1) < (uint16_t)(avail_idx - kicked_idx))
		*doorbell = 0;
	kicked_idx = avail_idx;
}

static void set_up_ring(void)
{
	unsigned int i;

	for (i = 0; i < MAX_DEPTH; i++) {
		desc[i * 3] = (struct desc){(uint64_t)&headers[i], 16, 1, (uint16_t)(i * 3 + 1)};
		desc[i * 3 + 1] = (struct desc){(uint64_t)data[i], BLOCK, 3, (uint16_t)(i * 3 + 2)};
		desc[i * 3 + 2] = (struct desc){(uint64_t)&status[i], 1, 2, 0};
	}
}

/* ---- the device (4.1) ---- */

#define BAR    0xC0000000ULL
#define LAPIC  0xFEE00000ULL
#define VECTOR 0x50

static volatile uint8_t *common;

static void common16(unsigned int at, uint16_t v)
{
	*(volatile uint16_t *)(common + at) = v;
}

static void common32(unsigned int at, uint32_t v)
{
	*(volatile uint32_t *)(common + at) = v;
}

static void common64(unsigned int at, uint64_t v)
{
	common32(at, (uint32_t)v);
	common32(at + 4, (uint32_t)(v >> 32));
}

static void mmio32(uint64_t addr, uint32_t v)
{
	*(volatile uint32_t *)addr = v;
}

/* MSI-X on: doorbells need no exit then. Entry 0 of the table is the queue's, if one is wanted. */
static void set_up_msix(unsigned int slot, unsigned int cap)
{
	uint64_t table = BAR + (config_read(slot, cap + 4) & ~7U);

	config_write(slot, cap, config_read(slot, cap) | 0x80000000U);
	if (!params.sleep)
		return;
	mmio32(LAPIC + 0xF0, 0x1FF); /* switched on */
	mmio32(table, (uint32_t)LAPIC);
	mmio32(table + 4, 0);
	mmio32(table + 8, VECTOR);
	mmio32(table + 12, 0); /* not masked */
}

static void find_device(void)
{
	uint32_t notify_offset = 0, multiplier = 0;
	unsigned int slot, cap;

	for (slot = 0; slot < 32; slot++)
		if (config_read(slot, 0) == 0x10421AF4)
			break;
	if (slot == 32)
		fail("no virtio-blk");
	config_write(slot, 0x10, (uint32_t)BAR);
	config_write(slot, 0x04, 0x0006); /* memory, bus master */
	for (cap = config_read(slot, 0x34) & 0xFF; cap; cap = config_read(slot, cap) >> 8 & 0xFF) {
		uint32_t head = config_read(slot, cap);

		if ((head & 0xFF) == 0x11)
			set_up_msix(slot, cap);
		if ((head & 0xFF) != 0x09)
			continue;
		if (head >> 24 == 1)
			common = (volatile uint8_t *)(BAR + config_read(slot, cap + 8));
		if (head >> 24 == 2) {
			notify_offset = config_read(slot, cap + 8);
			multiplier = config_read(slot, cap + 16);
		}
	}
	if (!common || !notify_offset)
		fail("no capabilities");
	common16(22, 0); /* queue_select */
	doorbell = (volatile uint16_t *)(BAR + notify_offset +
					 *(volatile uint16_t *)(common + 30) * multiplier);
}

static void start_device(void)
{
	common[20] = 0;
	while (common[20])
		;
	common[20] = 1;
	common[20] = 3;
	common32(8, 0);		/* driver_feature_select */
	common32(12, 1U << 29); /* EVENT_IDX */
	common32(8, 1);
	common32(12, 1); /* VERSION_1 */
	common[20] = 11;
	if (!(common[20] & 8))
		fail("features");
	common16(24, QUEUE_SIZE);
	if (*(volatile uint16_t *)(common + 24) != QUEUE_SIZE)
		fail("queue size");
	if (params.sleep)
		common16(26, 0); /* queue_msix_vector */
	common64(32, (uint64_t)desc);
	common64(40, (uint64_t)&avail);
	common64(48, (uint64_t)&used);
	common16(28, 1);
	common[20] = 15;
}

static void check_block(unsigned int slot)
{
	if (status[slot] != 0)
		fail("status");
	if (*(uint64_t *)data[slot] != headers[slot].sector / (BLOCK / 512))
		fail("data");
}

/* Until there is something in the used ring (2.7.8). */
static void wait_for_used(void)
{
	if (!params.sleep) {
		while (seen_idx == used.idx)
			__asm__ volatile("pause");
		return;
	}
	avail.used_event = seen_idx;
	__asm__ volatile("lock orl $0, (%%rsp)" : : : "memory");
	while (seen_idx == used.idx)
		__asm__ volatile("ud2" : : : "memory");
}

void main(void);
void main(void)
{
	uint32_t depth = params.depth, left = params.count, in_flight = 0, i;

	find_device();
	set_up_ring();
	start_device();
	if (depth > MAX_DEPTH)
		fail("depth");
	say("S");
	for (i = 0; i < depth && left; i++, left--, in_flight++)
		put_request(i);
	publish();
	while (in_flight) {
		wait_for_used();
		__asm__ volatile("" : : : "memory");
		while (seen_idx != used.idx) {
			unsigned int slot = used.ring[seen_idx++ % QUEUE_SIZE].id / 3;

			check_block(slot);
			in_flight--;
			if (!left)
				continue;
			put_request(slot);
			left--;
			in_flight++;
		}
		publish();
	}
	say("E");
}
