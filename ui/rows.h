/* The main list as data: disks, below each its partitions and the firmware found there. Draws nothing. */
#ifndef VMB_UI_ROWS_H
#define VMB_UI_ROWS_H

#include "ui/model.h"

enum row_kind {
	ROW_VM,	      /* the running or ended VM */
	ROW_DISK,     /* model.devices[index] */
	ROW_PART,     /* model.devices[index] */
	ROW_FIRMWARE, /* model.firmwares[index] */
	ROW_HEADING,  /* TEXT */
	ROW_TEXT,     /* TEXT: what an empty list has to say */
};

struct row {
	enum row_kind kind;
	unsigned int index;
	const char *text; /* static */
};

struct rows {
	struct row *row;
	unsigned int count, cap;
};

/* Room for rows_key(): the longest path and its device. */
#define ROWS_KEY_SIZE 352

/* The key of the VM's row. */
#define ROWS_KEY_VM "vm"

/* Builds the list anew from MODEL. 0 or -ENOMEM (then ROWS is empty). ROWS starts zeroed. */
int rows_build(struct rows *rows, const struct model *model);
void rows_free(struct rows *rows);

/* What stays the same about ROW when the list is built anew, as a string in KEY. */
void rows_key(const struct model *model, const struct row *row, char key[ROWS_KEY_SIZE]);

/* True if the cursor may stand on ROW. */
bool rows_selectable(const struct row *row);

/* True if Enter on ROW starts something or shows the VM. */
bool rows_startable(const struct model *model, const struct row *row);

#endif
