/*
 * Lists of the menu as data: what is in the main list (disks, below each its entries and the firmware
 * found there) and in the screens to choose on. Draws nothing.
 */
#ifndef VMB_UI_ROWS_H
#define VMB_UI_ROWS_H

#include "ui/filter.h"
#include "ui/model.h"

enum row_kind {
	ROW_VM,	   /* the running or ended VM */
	ROW_DISK,  /* model.devices[index] */
	ROW_PART,  /* model.devices[index] */
	ROW_ENTRY, /* model.entries[index] */
	ROW_PLAIN, /* model.devices[index]: what is on this disk, to be started without an entry */
	ROW_FIRMWARE, /* model.firmwares[index] */
	ROW_NIC,      /* model.nics[index] */
	ROW_PCI,      /* model.pcis[index] */
	ROW_GROUP,    /* the IOMMU group of model.pcis[index] */
	ROW_HEADING,  /* TEXT */
	ROW_TEXT,     /* TEXT: what an empty list has to say */
};

struct row {
	enum row_kind kind;
	unsigned int index;
	const char *text; /* static, or the model's */
};

struct rows {
	struct row *row;
	unsigned int count, cap;
};

/* Room for rows_key(): the longest path and its device. */
#define ROWS_KEY_SIZE 352

/* The key of the VM's row. */
#define ROWS_KEY_VM "vm"

/*
 * Each builds ROWS anew from MODEL, without what FILTER (may be NULL) leaves out. 0 or -ENOMEM (then
 * ROWS is empty). ROWS starts zeroed.
 */
typedef int (*rows_build_fn)(struct rows *rows, const struct model *model,
			     const struct filter *filter);
int rows_build(struct rows *rows, const struct model *model, const struct filter *filter);
int rows_build_disks(struct rows *rows, const struct model *model, const struct filter *filter);
int rows_build_firmware(struct rows *rows, const struct model *model, const struct filter *filter);
int rows_build_nics(struct rows *rows, const struct model *model, const struct filter *filter);
/* Functions that a guest can use, and the bridges that share a group with one; not the others. */
int rows_build_pci(struct rows *rows, const struct model *model, const struct filter *filter);
/* Frees what a build made. */
void rows_free(struct rows *rows);

/* What stays the same about ROW when the list is built anew, as a string in KEY. */
void rows_key(const struct model *model, const struct row *row, char key[ROWS_KEY_SIZE]);

/* The row with KEY, -1 if there is none. */
int rows_find(const struct rows *rows, const struct model *model, const char *key);

/* True if the cursor may stand on ROW. */
bool rows_selectable(const struct row *row);

/* True if Enter on ROW starts something or shows the VM, and that is what the row is for. */
bool rows_startable(const struct model *model, const struct row *row);

/*
 * Where a cursor that nobody has moved belongs: on the VM, the entry that starts next, the default one,
 * else the first row that can be started. -1 if there is none.
 */
int rows_preferred(const struct rows *rows, const struct model *model);

/* True if an entry is listed under DISK (a whole disk). */
bool rows_disk_has_entry(const struct model *model, const struct menu_device *disk);

#endif
