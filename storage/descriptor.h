/*
 * QEMU's firmware descriptors: which images the distribution has and what they are for. For storage/
 * only. The format: docs/interop/firmware.json of QEMU.
 */
#ifndef VMB_STORAGE_DESCRIPTOR_H
#define VMB_STORAGE_DESCRIPTOR_H

#include <stdbool.h>
#include <stddef.h>

#include "vm_config.h"

struct descriptor {
	char path[VM_PATH_SIZE];
	char description[128];
	bool needs_smm;
};

/*
 * Reads TEXT (SIZE bytes of one descriptor). 0; -ENOENT when it is of no UEFI firmware for x86_64
 * that is one file; -EINVAL when it is not a descriptor; -ENOMEM. Raw bytes in RET_DESCRIPTOR.
 */
int descriptor_parse(const char *text, size_t size, struct descriptor *ret_descriptor);

/*
 * Calls FN for each descriptor below directory ROOT (borrowed), in the order of their names, which is
 * the distribution's order of preference. Bounded; what cannot be read is left out.
 */
void descriptor_each(int root, void (*fn)(void *ctx, const struct descriptor *descriptor),
		     void *ctx);

#endif
