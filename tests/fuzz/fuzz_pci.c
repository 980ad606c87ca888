/*
 * A guest that writes anything into configuration space, BARs and device registers in every state.
 * Promise: identities stay, nothing crashes, all doorbells and interrupts are given back in the end.
 */
#include "machine.h"

static unsigned int pick_size(uint8_t how)
{
	return 1u << (how & 3);
}

static void one_step(struct input *in, struct machine *m)
{
	static const uint64_t bars[] = {MACHINE_BAR,	MACHINE_BAR2,  0xE8008000ULL,
					0x400000000ULL, 0xE8010000ULL, 0xC0000000ULL};
	uint8_t op = (uint8_t)take(in, 1);
	uint8_t how = (uint8_t)take(in, 1);
	uint64_t at;

	switch (op % 8) {
	case 0:
		at = take(in, 1);
		machine_cfg_write(m, how >> 4 & 3, (unsigned int)at & 0xFC, 4,
				  (uint32_t)take(in, 4));
		break;
	case 1:
		at = take(in, 1);
		machine_cfg_write(m, how >> 4 & 3, (unsigned int)at, 1, (uint32_t)take(in, 1));
		break;
	case 2: bus_write(m->ports, 0xCF8 + (how & 7), pick_size(op >> 4), take(in, 4)); break;
	case 3: (void)bus_read(m->ports, 0xCF8 + (how & 7), pick_size(op >> 4)); break;
	case 4:
	case 5:
		at = bars[how % 6] + take(in, 2) % 0x8000;
		bus_write(m->mmio, at, pick_size(op >> 4), take(in, 4));
		break;
	case 6:
		at = bars[how % 6] + take(in, 2) % 0x8000;
		(void)bus_read(m->mmio, at, pick_size(op >> 4));
		break;
	default:
		if (how < 16)
			pci_bus_reset(m->pci);
		else if (how < 64)
			machine_bring_up(m, 0, 64);
		else
			machine_pump();
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	struct machine *m = machine_new();

	if (take(&in, 1) & 1)
		machine_bring_up(m, 0, 64);
	while (in.left)
		one_step(&in, m);
	must((bus_read(m->mmio, 0xE8008000ULL, 4)) == 0x10421AF4);
	must((bus_read(m->mmio, 0xE8010000ULL, 4)) == 0x10441AF4);
	machine_release(m);
	return 0;
}
