/* The names of boot phases for people, the same in the menu and in `vmboot ctl`. */
#include "vmm_proto.h"

const char *vmm_stage_name(uint32_t stage)
{
	static const char *const names[] = {
		[VMM_STAGE_SEC] = "SEC", [VMM_STAGE_PEI] = "PEI",	[VMM_STAGE_DXE] = "DXE",
		[VMM_STAGE_BDS] = "BDS", [VMM_STAGE_LOADER] = "loader", [VMM_STAGE_OS] = "OS",
	};

	return stage >= VMM_STAGE_SEC && stage <= VMM_STAGE_OS ? names[stage] : "";
}
