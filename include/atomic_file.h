/* Files that are replaced whole: the new one is on the disk before it takes the old one's name. */
#ifndef VMB_INCLUDE_ATOMIC_FILE_H
#define VMB_INCLUDE_ATOMIC_FILE_H

#include <stddef.h>
#include <sys/stat.h>

/*
 * Makes file TEMP in DIR (a descriptor) with N bytes of DATA and syncs it; one of that name that a power cut left
 * behind goes first. It gets the owner and mode of LIKE as far as that is allowed, with NULL mode 0600.
 * The descriptor, the caller's, for renaming it; or -errno, then there is no TEMP.
 */
int atomic_file_new(int dir, const char *temp, const struct stat *like, const void *data, size_t n);

#endif
