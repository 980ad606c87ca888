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

/* ---- the filter ---- */

static void device_words(const struct menu_device *device, char *buf, size_t size)
{
	snprintf(buf, size, "%s %s %s %s %s %s %s %s", device->path, device->model, device->serial,
		 device->transport, device->fstype, device->label, device->part_label,
		 device->holds);
}

static void entry_words(const struct menu_entry *entry, char *buf, size_t size)
{
	snprintf(buf, size, "%s %s %s %s", entry->config.title, entry->id,
		 entry->config.firmware_path, entry->config.kernel_path);
}

static void firmware_words(const struct menu_firmware *firmware, char *buf, size_t size)
{
	snprintf(buf, size, "%s %s %s %s", firmware->device, firmware->path, firmware->kind,
		 firmware->version);
}

static void nic_words(const struct menu_nic *nic, char *buf, size_t size)
{
	snprintf(buf, size, "%s %s %s %s", nic->name, nic->driver, nic->mac, nic->address);
}

static void pci_words(const struct menu_pci *pci, char *buf, size_t size)
{
	snprintf(buf, size, "%s %s %s %s %s %s", pci->address, pci->class_name, pci->name,
		 pci->driver, pci->makes, pci->usb);
}

/* The words by which an operator looks for ROW. */
static void row_words(const struct model *model, const struct row *row, char *buf, size_t size)
{
	switch (row->kind) {
	case ROW_DISK:
	case ROW_PART:
	case ROW_PLAIN: device_words(&model->devices[row->index], buf, size); break;
	case ROW_ENTRY: entry_words(&model->entries[row->index], buf, size); break;
	case ROW_FIRMWARE: firmware_words(&model->firmwares[row->index], buf, size); break;
	case ROW_NIC: nic_words(&model->nics[row->index], buf, size); break;
	case ROW_PCI: pci_words(&model->pcis[row->index], buf, size); break;
	case ROW_GROUP: snprintf(buf, size, "group %d", model->pcis[row->index].group); break;
	default: snprintf(buf, size, "%s", row->text ? row->text : ""); break;
	}
}

static bool row_matches(const struct model *model, const struct row *row,
			const struct filter *filter)
{
	char words[1024];

	row_words(model, row, words, sizeof(words));
	return filter_matches(filter, words);
}

/*
 * A group, its heading first, was added from row FIRST on: leaves out what FILTER does not want. A heading
 * that matches keeps all its rows, and a row that matches keeps its heading.
 */
static void filter_group(struct rows *rows, const struct model *model, const struct filter *filter,
			 unsigned int first)
{
	unsigned int kept = first + 1;

	if (!filter || !filter_is_on(filter) || rows->count == first ||
	    row_matches(model, &rows->row[first], filter))
		return;
	for (unsigned int i = first + 1; i < rows->count; i++)
		if (row_matches(model, &rows->row[i], filter))
			rows->row[kept++] = rows->row[i];
	rows->count = kept > first + 1 ? kept : first;
}

/* Rows that have no heading. */
static void filter_flat(struct rows *rows, const struct model *model, const struct filter *filter,
			unsigned int first)
{
	unsigned int kept = first;

	if (!filter || !filter_is_on(filter))
		return;
	for (unsigned int i = first; i < rows->count; i++)
		if (row_matches(model, &rows->row[i], filter))
			rows->row[kept++] = rows->row[i];
	rows->count = kept;
}

/* What a list says when the filter leaves nothing. */
static int add_filtered_out(struct rows *rows, const struct filter *filter)
{
	if (rows->count > 0 || !filter || !filter_is_on(filter))
		return 0;
	return row_add(rows, ROW_TEXT, 0, "No row has these words. Esc shows all again.");
}

/* ---- the main list ---- */

static bool is_shown_disk(const struct menu_device *device)
{
	return device->parent[0] == '\0' && !device->empty;
}

/* The whole disk called NAME. */
static const struct menu_device *whole_disk(const struct model *model, const char *name)
{
	for (unsigned int i = 0; i < model->device_count && name[0]; i++)
		if (is_shown_disk(&model->devices[i]) && strcmp(model->devices[i].name, name) == 0)
			return &model->devices[i];
	return NULL;
}

bool rows_disk_has_entry(const struct model *model, const struct menu_device *disk)
{
	for (unsigned int i = 0; i < model->entry_count; i++)
		if (strcmp(model->entries[i].group, disk->name) == 0)
			return true;
	return false;
}

static int add_entries_of(struct rows *rows, const struct model *model, const char *disk)
{
	int rc = 0;

	for (unsigned int i = 0; i < model->entry_count && rc == 0; i++)
		if (strcmp(model->entries[i].group, disk) == 0)
			rc = row_add(rows, ROW_ENTRY, i, NULL);
	return rc;
}

static int add_firmware_of(struct rows *rows, const struct model *model, const char *device)
{
	int rc = 0;

	for (unsigned int i = 0; i < model->firmware_count && rc == 0; i++)
		if (strcmp(model->firmwares[i].device, device) == 0)
			rc = row_add(rows, ROW_FIRMWARE, i, NULL);
	return rc;
}

static int add_disk(struct rows *rows, const struct model *model, unsigned int index)
{
	const struct menu_device *disk = &model->devices[index];
	int rc = row_add(rows, ROW_DISK, index, NULL);

	if (rc == 0)
		rc = add_entries_of(rows, model, disk->name);
	if (rc == 0 && disk->holds[0] && !rows_disk_has_entry(model, disk))
		rc = row_add(rows, ROW_PLAIN, index, NULL);
	if (rc == 0)
		rc = add_firmware_of(rows, model, disk->path);
	for (unsigned int i = 0; i < model->device_count && rc == 0; i++)
		if (model_is_part_of(&model->devices[i], disk))
			rc = add_firmware_of(rows, model, model->devices[i].path);
	return rc;
}

/* Entries without a disk, or whose disk is not there. */
static int add_other_entries(struct rows *rows, const struct model *model)
{
	bool heading = false;
	int rc = 0;

	for (unsigned int i = 0; i < model->entry_count && rc == 0; i++) {
		if (whole_disk(model, model->entries[i].group))
			continue;
		if (!heading)
			rc = row_add(rows, ROW_HEADING, 0, "[No disk]");
		heading = true;
		if (rc == 0)
			rc = row_add(rows, ROW_ENTRY, i, NULL);
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
			rc = row_add(rows, ROW_HEADING, 0, "[This system]");
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
		if (is_shown_disk(&model->devices[i]))
			return true;
	return false;
}

static const char discovery_waits[] = "Waiting for device discovery ...";

static int add_no_disk(struct rows *rows, const struct model *model)
{
	return add_text(rows, "No disks found. Looked at: nvme, sata, scsi, usb, virtio",
			model->no_disk_text);
}

static int add_no_firmware(struct rows *rows)
{
	int rc = add_text(rows, "No firmware found on XFS, ext4 and FAT partitions, nor in",
			  "/usr/share/cloudhv-efi-x86-64, cloud-hypervisor, OVMF ...");

	return rc == 0 ? row_add(rows, ROW_TEXT, 0,
				 "Put CLOUDHV.fd on one of them, then r rescan, ! shell.")
		       : rc;
}

/* An empty list says what was tried and what can be done. */
static int add_empty_states(struct rows *rows, const struct model *model)
{
	int rc = 0;

	if (!model->devices_known || !model->firmwares_known)
		return row_add(rows, ROW_TEXT, 0, discovery_waits);
	if (model->scanning)
		return 0;
	if (!has_disk(model))
		rc = add_no_disk(rows, model);
	if (rc == 0 && rows->count > 0 && model->firmware_count == 0)
		rc = row_add(rows, ROW_TEXT, 0, "");
	if (rc == 0 && model->firmware_count == 0)
		rc = add_no_firmware(rows);
	return rc;
}

typedef int (*add_fn)(struct rows *rows, const struct model *model);

int rows_build(struct rows *rows, const struct model *model, const struct filter *filter)
{
	static const add_fn others[] = {add_other_entries, add_system_firmware};
	unsigned int first = 0;
	int rc = 0;

	rows->count = 0;
	if (model->vm.state != MENU_VM_NONE)
		rc = row_add(rows, ROW_VM, 0, NULL);
	for (unsigned int i = 0; i < model->device_count && rc == 0; i++) {
		if (!is_shown_disk(&model->devices[i]))
			continue;
		first = rows->count;
		rc = add_disk(rows, model, i);
		filter_group(rows, model, filter, first);
	}
	for (unsigned int i = 0; i < sizeof(others) / sizeof(others[0]) && rc == 0; i++) {
		first = rows->count;
		rc = others[i](rows, model);
		filter_group(rows, model, filter, first);
	}
	if (rc == 0 && !(filter && filter_is_on(filter)))
		rc = add_empty_states(rows, model);
	if (rc == 0)
		rc = add_filtered_out(rows, filter);
	if (rc < 0)
		rows->count = 0;
	return rc;
}

/* ---- lists to choose from ---- */

/* Loop devices without a file and the like: what they are not is told at the end. */
static int add_empty_devices(struct rows *rows, const struct model *model)
{
	bool heading = false;
	int rc = 0;

	for (unsigned int i = 0; i < model->device_count && rc == 0; i++) {
		if (!model->devices[i].empty)
			continue;
		if (!heading)
			rc = row_add(rows, ROW_HEADING, 0, "Nothing is behind these");
		heading = true;
		if (rc == 0)
			rc = row_add(rows, ROW_DISK, i, NULL);
	}
	return rc;
}

int rows_build_disks(struct rows *rows, const struct model *model, const struct filter *filter)
{
	int rc = 0;

	rows->count = 0;
	for (unsigned int i = 0; i < model->device_count && rc == 0; i++) {
		unsigned int first = rows->count;

		if (!is_shown_disk(&model->devices[i]))
			continue;
		rc = row_add(rows, ROW_DISK, i, NULL);
		for (unsigned int k = 0; k < model->device_count && rc == 0; k++)
			if (model_is_part_of(&model->devices[k], &model->devices[i]))
				rc = row_add(rows, ROW_PART, k, NULL);
		filter_group(rows, model, filter, first);
	}
	if (rc == 0 && !model->devices_known)
		rc = row_add(rows, ROW_TEXT, 0, discovery_waits);
	else if (rc == 0 && !has_disk(model) && !model->scanning)
		rc = add_no_disk(rows, model);
	if (rc == 0) {
		unsigned int first = rows->count;

		rc = add_empty_devices(rows, model);
		filter_group(rows, model, filter, first);
	}
	if (rc == 0)
		rc = add_filtered_out(rows, filter);
	if (rc < 0)
		rows->count = 0;
	return rc;
}

int rows_build_firmware(struct rows *rows, const struct model *model, const struct filter *filter)
{
	int rc = 0;

	rows->count = 0;
	for (unsigned int i = 0; i < model->firmware_count && rc == 0; i++)
		rc = row_add(rows, ROW_FIRMWARE, i, NULL);
	filter_flat(rows, model, filter, 0);
	if (rc == 0 && !model->firmwares_known)
		rc = row_add(rows, ROW_TEXT, 0, discovery_waits);
	else if (rc == 0 && model->firmware_count == 0 && !model->scanning)
		rc = add_no_firmware(rows);
	if (rc == 0)
		rc = add_filtered_out(rows, filter);
	if (rc < 0)
		rows->count = 0;
	return rc;
}

int rows_build_nics(struct rows *rows, const struct model *model, const struct filter *filter)
{
	int rc = 0;

	rows->count = 0;
	for (unsigned int i = 0; i < model->nic_count && rc == 0; i++)
		rc = row_add(rows, ROW_NIC, i, NULL);
	filter_flat(rows, model, filter, 0);
	if (rc == 0 && !model->nics_known)
		rc = row_add(rows, ROW_TEXT, 0, "Asking for the network interfaces ...");
	else if (rc == 0 && model->nic_count == 0)
		rc = add_text(rows, "This host has no network interface but the loopback.",
			      "The guest starts without a network card.");
	if (rc == 0)
		rc = add_filtered_out(rows, filter);
	if (rc < 0)
		rows->count = 0;
	return rc;
}

/* Adds the functions from FIRST to LAST, which are one group. */
static int add_pci_group(struct rows *rows, const struct model *model, unsigned int first,
			 unsigned int last)
{
	bool useful = false;
	int rc = 0;

	for (unsigned int i = first; i <= last; i++)
		useful = useful || model->pcis[i].verdict != MENU_PCI_BRIDGE;
	if (useful)
		rc = row_add(rows, ROW_GROUP, first, NULL);
	for (unsigned int i = first; i <= last && useful && rc == 0; i++)
		rc = row_add(rows, ROW_PCI, i, NULL);
	return rc;
}

int rows_build_pci(struct rows *rows, const struct model *model, const struct filter *filter)
{
	int rc = 0;

	rows->count = 0;
	for (unsigned int i = 0, next; i < model->pci_count && rc == 0; i = next) {
		unsigned int first = rows->count;

		for (next = i + 1;
		     next < model->pci_count && model->pcis[next].group == model->pcis[i].group;)
			next++;
		rc = add_pci_group(rows, model, i, next - 1);
		filter_group(rows, model, filter, first);
	}
	if (rc == 0 && !model->pcis_known)
		rc = row_add(rows, ROW_TEXT, 0, "Asking for the PCI devices ...");
	else if (rc == 0 && model->pci_count == 0)
		rc = row_add(rows, ROW_TEXT, 0, "This machine has no PCI devices.");
	if (rc == 0)
		rc = add_filtered_out(rows, filter);
	if (rc < 0)
		rows->count = 0;
	return rc;
}

void rows_free(struct rows *rows)
{
	free(rows->row);
	*rows = (struct rows){0};
}

/* ---- rows and cursors ---- */

void rows_key(const struct model *model, const struct row *row, char key[ROWS_KEY_SIZE])
{
	switch (row->kind) {
	case ROW_VM: snprintf(key, ROWS_KEY_SIZE, ROWS_KEY_VM); break;
	case ROW_DISK:
	case ROW_PART:
		snprintf(key, ROWS_KEY_SIZE, "device %s", model->devices[row->index].path);
		break;
	case ROW_PLAIN:
		snprintf(key, ROWS_KEY_SIZE, "plain %s", model->devices[row->index].path);
		break;
	case ROW_ENTRY:
		snprintf(key, ROWS_KEY_SIZE, "entry %s", model->entries[row->index].id);
		break;
	case ROW_FIRMWARE:
		snprintf(key, ROWS_KEY_SIZE, "firmware %s %s", model->firmwares[row->index].device,
			 model->firmwares[row->index].path);
		break;
	case ROW_NIC: snprintf(key, ROWS_KEY_SIZE, "nic %s", model->nics[row->index].name); break;
	case ROW_PCI:
		snprintf(key, ROWS_KEY_SIZE, "pci %s", model->pcis[row->index].address);
		break;
	default: snprintf(key, ROWS_KEY_SIZE, "text"); break;
	}
}

int rows_find(const struct rows *rows, const struct model *model, const char *key)
{
	char other[ROWS_KEY_SIZE];

	for (unsigned int i = 0; i < rows->count; i++) {
		if (!rows_selectable(&rows->row[i]))
			continue;
		rows_key(model, &rows->row[i], other);
		if (strcmp(other, key) == 0)
			return (int)i;
	}
	return -1;
}

bool rows_selectable(const struct row *row)
{
	return row->kind != ROW_HEADING && row->kind != ROW_GROUP && row->kind != ROW_TEXT;
}

bool rows_startable(const struct model *model, const struct row *row)
{
	return row->kind == ROW_VM || row->kind == ROW_ENTRY || row->kind == ROW_PLAIN ||
	       (row->kind == ROW_FIRMWARE && model->firmwares[row->index].usable);
}

int rows_preferred(const struct rows *rows, const struct model *model)
{
	int first = -1, best = -1;
	bool best_is_next = false;

	for (unsigned int i = 0; i < rows->count; i++) {
		const struct row *row = &rows->row[i];

		if (row->kind == ROW_VM)
			return (int)i;
		if (first < 0 && rows_startable(model, row))
			first = (int)i;
		if (row->kind != ROW_ENTRY || best_is_next)
			continue;
		best_is_next = model->entries[row->index].is_next;
		if (best_is_next || (best < 0 && model->entries[row->index].is_default))
			best = (int)i;
	}
	return best >= 0 ? best : first;
}
