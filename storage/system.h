/* What lives in a file system or on a device, in words; for storage/ only. */
#ifndef VMB_STORAGE_SYSTEM_H
#define VMB_STORAGE_SYSTEM_H

#include "storage.h"

/*
 * Looks below directory ROOT (borrowed) of a file system of kind FSTYPE (libblkid's name) for
 * operating systems and boot loaders, and reports each in words, at most PROBE_MAX_SYSTEMS. Opens a
 * bounded list of paths, never leaves ROOT.
 */
void system_look(int root, const char *fstype, const struct storage_report *report, void *ctx);

/*
 * Finds PRETTY_NAME, else NAME and VERSION, in the SIZE bytes of an os-release(5) file. 0 with the
 * raw text in BUF, or -ENOENT.
 */
int system_parse_os_release(const char *text, size_t size, char *buf, size_t buf_size);

/*
 * Finds section NAME in the PE image of which HEAD holds the first SIZE bytes (Microsoft PE/COFF,
 * sections 3 and 4). 0 with its place in the file, or -ENOENT.
 */
int system_find_pe_section(const uint8_t *head, size_t size, const char *name, uint64_t *ret_offset,
			   uint64_t *ret_size);

#endif
