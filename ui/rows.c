/* See ui/rows.h. */
#include "ui/rows.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int row_add(struct rows *rows, enum row_kind kind, unsigned int index, const char *text)
{
	if (rows->count == rows->cap) {
		unsigned int cap = rows->cap ? rows->cap * 2 : 32;
		struct row *grown = realloc(rows->row, cap * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		rows->row = grown;
		rows->cap = cap;
	}
	rows->row[rows->count++] = (struct row){.kind = kind, .index = index, .text = text};
	return 0;
}

static int add_firmware_of(struct rows *rows, const struct model *model, const char *device)
{
	for (unsigned int i = 0; i < model->firmware_count; i++) {
		int rc;

		if (strcmp(model->firmwares[i].device, device) != 0)
			continue;
		rc = row_add(rows, ROW_FIRMWARE, i, NULL);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int add_disk(struct rows *rows, const struct model *model, unsigned int index)
{
	const struct menu_device *disk = &model->devices[index];
	int rc = row_add(rows, ROW_DISK, index, NULL);

	if (rc == 0)
		rc = add_firmware_of(rows, model, disk->path);
	for (unsigned int i = 0; i < model->device_count && rc == 0; i++) {
		if (!model_is_part_of(&model->devices[i], disk))
			continue;
		rc = row_add(rows, ROW_PART, i, NULL);
		if (rc == 0)
			rc = add_firmware_of(rows, model, model->devices[i].path);
	}
	return rc;
}

/* Firmware on the running system, and on devices that are not in the list (any more). */
static int add_system_firmware(struct rows *rows, const struct model *model)
{
	bool heading = false;
	int rc = 0;

	for (unsigned int i = 0; i < model->firmware_count && rc == 0; i++) {
		if (model_device(model, model->firmwares[i].device))
			continue;
		if (!heading)
			rc = row_add(rows, ROW_HEADING, 0, "This system");
		heading = true;
		if (rc == 0)
			rc = row_add(rows, ROW_FIRMWARE, i, NULL);
	}
	return rc;
}

static int add_text(struct rows *rows, const char *first, const char *second)
{
	int rc = row_add(rows, ROW_TEXT, 0, first);

	return rc == 0 ? row_add(rows, ROW_TEXT, 0, second) : rc;
}

static bool has_disk(const struct model *model)
{
	for (unsigned int i = 0; i < model->device_count; i++)
		if (!model->devices[i].empty)
			return true;
	return false;
}

/* An empty list says what was tried and what can be done. */
static int add_empty_states(struct rows *rows, const struct model *model)
{
	int rc = 0;

	if (!model->devices_known || !model->firmwares_known)
		return row_add(rows, ROW_TEXT, 0, "Waiting for device discovery ...");
	if (model->scanning)
		return 0;
	if (!has_disk(model))
		rc = add_text(rows, "No disks found. Looked at: nvme, sata, scsi, usb, virtio.",
			      "r rescan, ! shell.");
	if (rc == 0 && rows->count > 0 && model->firmware_count == 0)
		rc = row_add(rows, ROW_TEXT, 0, "");
	if (rc == 0 && model->firmware_count == 0)
		rc = add_text(rows, "No firmware found on XFS, ext4 and FAT partitions or this system.",
			      "Put CLOUDHV.fd on one of them, then r rescan, ! shell.");
	return rc;
}

int rows_build(struct rows *rows, const struct model *model)
{
	int rc = 0;

	rows->count = 0;
	if (model->vm.state != MENU_VM_NONE)
		rc = row_add(rows, ROW_VM, 0, NULL);
	for (unsigned int i = 0; i < model->device_count && rc == 0; i++)
		if (model->devices[i].parent[0] == '\0' && !model->devices[i].empty)
			rc = add_disk(rows, model, i);
	if (rc == 0)
		rc = add_system_firmware(rows, model);
	if (rc == 0)
		rc = add_empty_states(rows, model);
	if (rc < 0)
		rows->count = 0;
	return rc;
}

void rows_free(struct rows *rows)
{
	free(rows->row);
	*rows = (struct rows){0};
}

void rows_key(const struct model *model, const struct row *row, char key[ROWS_KEY_SIZE])
{
	switch (row->kind) {
	case ROW_VM: snprintf(key, ROWS_KEY_SIZE, ROWS_KEY_VM); break;
	case ROW_DISK:
	case ROW_PART:
		snprintf(key, ROWS_KEY_SIZE, "device %s", model->devices[row->index].path);
		break;
	case ROW_FIRMWARE:
		snprintf(key, ROWS_KEY_SIZE, "firmware %s %s", model->firmwares[row->index].device,
			 model->firmwares[row->index].path);
		break;
	default: snprintf(key, ROWS_KEY_SIZE, "text"); break;
	}
}

bool rows_selectable(const struct row *row)
{
	return row->kind != ROW_HEADING && row->kind != ROW_TEXT;
}

bool rows_startable(const struct model *model, const struct row *row)
{
	return row->kind == ROW_VM ||
	       (row->kind == ROW_FIRMWARE && model->firmwares[row->index].usable);
}
