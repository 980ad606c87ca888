/* Putting a FAT in order that the power cut found in use: see storage_mend_settings(). For storage/ and its test. */
#ifndef VMB_STORAGE_MEND_H
#define VMB_STORAGE_MEND_H

#include "err.h"

/* The same with fsck.fat at PROGRAM (NULL: there is none), which has LIMIT_MS milliseconds. */
int mend_fat(const char *program, const char *device, unsigned int limit_ms, struct vmb_err *err);

#endif
