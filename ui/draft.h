/*
 * An entry while it is edited: what the fields say, what was saved, and what is wrong with it. The form
 * that shows it is ui/screen_edit.c. Draws nothing.
 */
#ifndef VMB_UI_DRAFT_H
#define VMB_UI_DRAFT_H

#include "ui/field.h"
#include "ui/form.h"
#include "ui/model.h"

/* Rows of the form. What does not apply (a kernel's command line beside firmware) is left out. */
enum draft_row {
	DRAFT_START,
	DRAFT_SAVE,
	DRAFT_TITLE,
	DRAFT_BOOTS, /* firmware or a kernel */
	DRAFT_FIRMWARE,
	DRAFT_VARS,
	DRAFT_KERNEL,
	DRAFT_INITRD,
	DRAFT_CMDLINE,
	DRAFT_DISKS,
	DRAFT_MEMORY,
	DRAFT_CPUS,
	DRAFT_NETS,
	DRAFT_PCI,
	DRAFT_KEYS,
	DRAFT_CHARSET,
	DRAFT_AUTOSTART,
	DRAFT_TRIES,
	DRAFT_AFTER,
	DRAFT_ROWS,
};

enum draft_vars { DRAFT_VARS_KEEP, DRAFT_VARS_FRESH, DRAFT_VARS_NONE, DRAFT_VARS_COUNT };

/* What is edited. Texts that are typed are in the fields of struct draft until draft_config(). */
struct draft_values {
	struct vm_config config;
	bool by_kernel;
	enum draft_vars vars;
	unsigned int keys, charset; /* indices of the names */
	bool autostart;
	uint32_t tries;
};

struct draft {
	char id[MENU_ID_SIZE];	      /* empty: not an entry yet */
	char vars_path[VM_PATH_SIZE]; /* where variables are kept if they are */
	struct draft_values now;
	char saved[DRAFT_ROWS][FIELD_SIZE]; /* each row's value when it was saved last */
	struct field title, kernel, initrd, cmdline, memory, cpus, tries;
};

/* Begins with CONFIG; ENTRY (may be NULL) has what a configuration does not. */
void draft_begin(struct draft *draft, const struct vm_config *config,
		 const struct menu_entry *entry);

/* The rows that apply now into ROWS; returns how many. */
int draft_rows(const struct draft *draft, enum draft_row rows[DRAFT_ROWS]);

/* Label, help, value and check of ROW, for the form. */
void draft_describe(struct draft *draft, const struct model *model, enum draft_row row,
		    struct form_row *ret_row);

/* Changes the choice of ROW by STEP. */
void draft_change(struct draft *draft, enum draft_row row, int step);

/*
 * The configuration as the fields say it. 0, or -EINVAL or -ERANGE with the sentence of the first row that
 * cannot be used in ERR, and that row in *ret_bad.
 */
int draft_config(struct draft *draft, const struct model *model, struct vm_config *ret_config,
		 enum draft_row *ret_bad, struct vmb_err *err);

/* The wish to save it; CONFIG is that of draft_config(). */
void draft_save(const struct draft *draft, const struct vm_config *config,
		struct menu_entry_save *ret_save);

/* What is there now is what was saved, as entry ID (NULL: as the one it was). */
void draft_saved(struct draft *draft, const char *id);

/* True if any row is not what it was when it was saved. */
bool draft_is_changed(struct draft *draft);

#endif
