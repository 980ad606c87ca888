/* What a guest's event means to the operator, the same in `vmboot run`, the menu and the log. */
#include "vmm_proto.h"

const char *vmm_guest_event_text(uint32_t event)
{
	static const char *const texts[] = {
		[VMM_GUEST_PANICKED] = "The guest's kernel panicked; its console shows why. It "
				       "stands still, or restarts itself if it is set up to.",
		[VMM_GUEST_CRASH_LOADED] = "The guest's kernel panicked; its crash kernel takes "
					   "over.",
		[VMM_GUEST_WATCHDOG] = "The guest did not serve its watchdog in time and is reset.",
	};

	return event >= VMM_GUEST_PANICKED && event <= VMM_GUEST_WATCHDOG ? texts[event] : "";
}
