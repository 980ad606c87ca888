/*
 * A guest that means harm, for test_vfio.py: writes anything anywhere into the configuration space of the device in SLOT
 * of bus 0, by ports CF8 and CFC, for SECONDS. In bursts, since each write is an exit of a virtual machine inside an
 * emulated one.
 *
 *	scribble SLOT SECONDS
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/io.h>
#include <time.h>
#include <unistd.h>

static uint32_t seed = 12345;

static uint32_t any(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 17;
	seed ^= seed << 5;
	return seed;
}

static void one(uint32_t slot)
{
	uint32_t reg = any() & 0xFF, value = any() & 1 ? any() : any() & 1 ? 0xFFFFFFFF : 0;

	/* Often what decides where things are: Command, BARs, the ROM. */
	if (any() % 4 == 0)
		reg = any() & 0x3F;
	outl(0x80000000 | slot << 11 | (reg & 0xFC), 0xCF8);
	switch (any() % 3) {
	case 0: outb((uint8_t)value, (uint16_t)(0xCFC + (reg & 3))); break;
	case 1: outw((uint16_t)value, (uint16_t)(0xCFC + (reg & 2))); break;
	default: outl(value, 0xCFC); break;
	}
}

int main(int argc, char **argv)
{
	uint32_t slot = argc == 3 ? (uint32_t)atoi(argv[1]) : 0;
	time_t end = argc == 3 ? time(NULL) + atoi(argv[2]) : 0;
	unsigned int count = 0;

	if (!slot || iopl(3) < 0)
		return 2;
	for (; time(NULL) < end; usleep(200000))
		for (int i = 0; i < 100; i++, count++)
			one(slot);
	printf("scribbled %u times\n", count);
	return 0;
}
