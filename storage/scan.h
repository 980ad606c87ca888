/* Looking for firmware files in a bounded list of directories; for storage/ only. */
#ifndef VMB_STORAGE_SCAN_H
#define VMB_STORAGE_SCAN_H

#include "storage.h"

/*
 * Looks below directory ROOT (borrowed) and reports each file once, at most PROBE_MAX_FIRMWARES. PREFIX
 * is put before each path ("" or a mount point); ON_SYSTEM goes into each report. Never leaves ROOT,
 * never descends into a directory that is not in its list.
 */
void scan_firmware(int root, const char *prefix, bool on_system,
		   const struct storage_report *report, void *ctx);

#endif
