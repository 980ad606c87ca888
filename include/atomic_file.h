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

/*
 * Gives file TEMP in DIR the name NAME, in place of the file that has it, so that whenever the power goes one of the
 * two is there, on FAT too. 0; or -errno, then there is no TEMP and the old file is still there, or (only when the
 * last sync failed) the new one.
 */
int atomic_file_rename(int dir, const char *temp, const char *name);

/* Removes file NAME in DIR, a missing one is fine. 0 or -errno. */
int atomic_file_remove(int dir, const char *name);

/*
 * Renames file NAME in DIR to NAME.SUFFIX, or NAME.SUFFIX.1 and so on where that exists. 0, also when there is no such
 * file; or -errno, -EEXIST when a hundred are there.
 */
int atomic_file_set_aside(int dir, const char *name, const char *suffix);

/* Writes all N bytes at FD's position. 0 or -errno. */
int atomic_file_write(int fd, const void *data, size_t n);

#endif
