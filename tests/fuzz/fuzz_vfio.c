/*
 * A device of the host's whose configuration space is anything, and a guest that writes anything into what it sees of it.
 * Promise: the device's memory is never mapped in two places or over the guest's own, its interrupts are asked for as the
 * kernel takes them, its decoding stays on, and everything is given back in the end.
 */
#include "fuzz.h"

#define CHECK(condition) must(condition)
#include "tests/unit/fake_vfio.h"

#define BAR  0xC0000000ULL
#define HIGH 0x200000000ULL

static struct fake_vfio fake;

/* What a device may have; the fake's memory limits how big it says it is. */
static void spoil(struct input *in)
{
	unsigned int n = (unsigned int)take(in, 1) % 32;

	while (n-- > 0) {
		unsigned int at = (unsigned int)take(in, 1);

		fake.cfg[at] = (uint8_t)take(in, 1);
	}
	fake.host_has = (unsigned int)take(in, 2) % (FAKE_IRQS + 1);
	n = (unsigned int)take(in, 1);
	fake.host.irq_count[VFIO_PCI_INTX_IRQ_INDEX] = n & 1;
	fake.host.irq_count[VFIO_PCI_MSI_IRQ_INDEX] = n >> 1 & 1;
	fake.host.irq_count[VFIO_PCI_MSIX_IRQ_INDEX] = n >> 2 & 1;
	if (n & 8)
		fake.host.regions[0].size = take(in, 2) % (FAKE_BAR0 + 1);
	if (n & 16)
		fake.host.regions[0].areas[0].size = 0x1000;
	if (fake.host.regions[0].size < FAKE_BAR0)
		fake.host.regions[0].area_count = 0;
	fake.cfg[PCI_COMMAND] |= PCI_COMMAND_MEMORY;
}

static void one_step(struct input *in)
{
	static const uint64_t places[] = {BAR, HIGH, 0xC8000000, 0xE8000000, 0xFEE00000, 0x100000};
	uint8_t op = (uint8_t)take(in, 1), how = (uint8_t)take(in, 1);
	uint64_t at;

	fake.refuse_maps = how & 1;
	fake.refuse_connections = how & 2;
	switch (op % 8) {
	case 0: fake_wr(&fake, (unsigned int)take(in, 1) & 0xFC, 4, (uint32_t)take(in, 4)); break;
	case 1: fake_wr(&fake, (unsigned int)take(in, 1), 1, (uint32_t)take(in, 1)); break;
	case 2: (void)fake_rd(&fake, (unsigned int)take(in, 1), 1u << (how >> 4 & 1)); break;
	case 3:
		at = places[(how >> 2) % 6];
		fake_wr(&fake, PCI_BASE_ADDRESS_0, 4, (uint32_t)at);
		fake_wr(&fake, PCI_BASE_ADDRESS_1, 4, (uint32_t)(at >> 32));
		fake_wr(&fake, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_IO);
		break;
	case 4:
		at = (how & 4 ? BAR : HIGH) + (take(in, 2) & 0x3FF8);
		bus_write(fake.mmio, at, how & 8 ? 8 : 4, take(in, 8));
		break;
	case 5:
		at = (how & 4 ? BAR : HIGH) + (take(in, 2) & 0x3FFF);
		(void)bus_read(fake.mmio, at, 1u << (how >> 3 & 3));
		break;
	case 6: fake_wr(&fake, PCI_ROM_ADDRESS, 4, 0xC8000001); break;
	default:
		if (how < 32)
			pci_bus_reset(fake.pci);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	struct vfio_env env = fake_env(&fake);
	struct vmb_err err;
	uint32_t id;
	uint8_t how;

	fake_fill(&fake);
	if (take(&in, 1) & 1)
		spoil(&in);
	how = (uint8_t)take(&in, 1);
	env.no_rom = how & 1;
	env.aer = how & 2;
	if (fake_start(&fake, &env, &err) == 0) {
		id = fake_rd(&fake, PCI_VENDOR_ID, 4);
		while (in.left)
			one_step(&in);
		must(fake_rd(&fake, PCI_VENDOR_ID, 4) == id);
	}
	fake_stop(&fake);
	return 0;
}
