/*
 * entries/NAME.conf: one virtual machine as an operator keeps it. Disks and the device of the firmware stand
 * there by names that stay the same when disks are reordered ("serial:S64DNX0R401234"); those
 * names are resolved elsewhere (daemon/disk_names.h).
 */
#ifndef VMB_INCLUDE_ENTRY_FILE_H
#define VMB_INCLUDE_ENTRY_FILE_H

#include <stddef.h>

#include "err.h"
#include "ini_keys.h"
#include "menu_proto.h"

struct entry_file {
	struct menu_entry_save entry; /* ID is empty */
	/* A line that decides what is booted was not understood: the entry must not start. */
	struct ini_problem problem;
};

/*
 * Reads N bytes of TEXT. What is missing or wrong gets its default, REPORT (may be NULL) is told of what is wrong.
 * An entry without a title has an empty one. 0 or -ENOMEM.
 */
int entry_file_parse(const char *text, size_t n, const struct ini_report *report,
		     struct entry_file *ret_file);

/*
 * The text of ENTRY, made from OLD (N bytes, may be empty), whose comments and unknown lines are
 * kept. To be freed, its length in *ret_n; or NULL with the sentence when a value cannot be written.
 */
char *entry_file_render(const struct menu_entry_save *entry, const char *old, size_t n,
			size_t *ret_n, struct vmb_err *err);

/* 0, or -EINVAL with the sentence when HINTS has a name that is not known. Empty names mean "auto". */
int entry_file_check_hints(const struct menu_console_hints *hints, struct vmb_err *err);

/*
 * Makes an id of TITLE into ID (MENU_ID_SIZE): lower case, digits and dashes, at most 48 characters;
 * "entry" when nothing is left.
 */
void entry_file_make_id(const char *title, char *id);

/* Can ID be a file's name in entries/? Letters, digits, "-", "_", "." (not first), never empty. */
bool entry_file_id_ok(const char *id);

#endif
