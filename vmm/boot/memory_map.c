/* The memory map that a guest gets at its start, by PVH's start_info or by E820. */
#include "vmm/boot/boot_internal.h"

#include "vmm/layout.h"

/* EDK2 looks only at RAM entries; Linux wants the ECAM reserved. */
unsigned int boot_memory_map(const struct guest_mem *mem, struct boot_range ranges[BOOT_MAX_RANGES])
{
	ranges[0] = (struct boot_range){0, GM_TABLES, BOOT_RAM};
	ranges[1] = (struct boot_range){GM_TABLES, LAYOUT_SMBIOS_END - GM_TABLES, BOOT_RESERVED};
	ranges[2] = (struct boot_range){LAYOUT_SMBIOS_END, gm_low_end(mem) - LAYOUT_SMBIOS_END,
					BOOT_RAM};
	ranges[3] = (struct boot_range){LAYOUT_ECAM, LAYOUT_ECAM_SIZE, BOOT_RESERVED};
	if (gm_high_size(mem) == 0)
		return 4;
	ranges[4] = (struct boot_range){GM_HIGH_BASE, gm_high_size(mem), BOOT_RAM};
	return 5;
}
