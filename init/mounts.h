/* The file systems that everybody expects, and the end of all that are mounted. */
#ifndef VMB_INIT_MOUNTS_H
#define VMB_INIT_MOUNTS_H

/* Mounts what is not mounted yet; says what could not be (to the log). */
void mounts_make(void);

/*
 * Writes everything out, then unmounts what is mounted, last first; a file system that cannot be unmounted is made
 * read-only. Everybody else must have ended.
 */
void mounts_end(void);

#endif
