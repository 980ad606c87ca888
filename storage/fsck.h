/* Running fsck.fat (dosfstools), for storage/ only: what it finds, within a time, and with little that it may do. */
#ifndef VMB_STORAGE_FSCK_H
#define VMB_STORAGE_FSCK_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"

/* What is to be said of it; an unfinished save leaves what is FSCK_LOOSE, and nothing else. */
enum fsck_state {
	FSCK_CLEAN,
	FSCK_LOOSE, /* marks, blocks of nobody, sums: it can be mended, and no file has anything wrong */
	FSCK_DAMAGED, /* something is wrong with a file or a directory, which may lose from being mended */
};

enum fsck_action {
	FSCK_LOOK,   /* what would FSCK_MEND do? */
	FSCK_MEND,   /* the file that a save was about to make is forgotten, too */
	FSCK_VERIFY, /* is it as it should be? */
};

/* Path of the program on this system, NULL: there is none. */
const char *fsck_find(void);

/*
 * Has PROGRAM do ACTION with DEVICE. At UNTIL (loop_now_ms()) it is ended. 0 with the state it found, and with FSCK_DAMAGED its words for the first thing wrong in
 * RET_TEXT (200 bytes, safe for a terminal); -ETIMEDOUT; or -EIO, when it failed, with why in RET_TEXT. FSCK_MEND
 * changes DEVICE in the page cache: until somebody syncs that, or closes it last.
 */
int fsck_run(const char *program, const char *device, enum fsck_action action, uint64_t until,
	     enum fsck_state *ret_state, char ret_text[200]);

#endif
