/*
 * vmboot list: what the menu would show, as text or as JSON: disks, their partitions, what they
 * hold, disk images, and the firmware found. With --pci what list_pci.c prints.
 */
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "cmd/list.h"
#include "list_json.h"
#include "log.h"
#include "loop.h"
#include "text.h"

struct list {
	struct loop *loop;
	struct discovery *discovery;
	bool json;
	bool pci;
	struct image_dirs images;
};

static void on_changed(void *ctx)
{
	struct list *list = ctx;

	if (list->discovery && !discovery_scanning(list->discovery))
		loop_quit(list->loop, 0);
}

/* Prints PARTS that are not empty, with two blanks between. */
static void print_parts(const char *const *parts, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (parts[i][0])
			printf("  %s", parts[i]);
	printf("\n");
}

static void print_device(const struct menu_device *d)
{
	char size[16], name[VM_PATH_SIZE + 2];
	const char *const parts[] = {
		d->kind == MENU_DEVICE_IMAGE ? "" : d->transport,
		d->model,
		d->serial,
		d->fstype,
		d->label[0] ? d->label : d->part_label,
		d->holds,
		d->read_only ? "read-only" : "",
		d->removable ? "removable" : "",
		d->use,
		d->failing ? d->health : "",
		d->note,
	};

	snprintf(name, sizeof(name), "%s%s", d->parent[0] ? "  " : "", d->path);
	if (d->empty) {
		printf("%-18s  %s\n", name, d->note);
		return;
	}
	printf("%-18s %7s", name, text_format_size(d->size, size, sizeof(size)));
	print_parts(parts, sizeof(parts) / sizeof(parts[0]));
}

static void print_firmware(const struct menu_firmware *f)
{
	char size[16];
	const char *const parts[] = {f->kind, f->version, f->usable ? "" : f->reason};

	printf("%s%s%s  %s", f->device, f->device[0] ? ":" : "", f->path,
	       text_format_size(f->size, size, sizeof(size)));
	print_parts(parts, sizeof(parts) / sizeof(parts[0]));
}

/* The devices of KIND that are EMPTY or not. Returns how many. */
static size_t print_devices(const struct menu_device *devices, size_t count,
			    enum menu_device_kind kind, bool empty)
{
	size_t printed = 0;

	for (size_t i = 0; i < count; i++)
		if (devices[i].kind == kind && (devices[i].empty != 0) == empty) {
			print_device(&devices[i]);
			printed++;
		}
	return printed;
}

static bool has_devices(const struct menu_device *devices, size_t count, enum menu_device_kind kind,
			bool empty)
{
	for (size_t i = 0; i < count; i++)
		if (devices[i].kind == kind && (devices[i].empty != 0) == empty)
			return true;
	return false;
}

static void print_all(struct discovery *discovery)
{
	const struct menu_firmware *firmwares;
	const struct menu_device *devices;
	size_t device_count, firmware_count;

	devices = discovery_devices(discovery, &device_count);
	firmwares = discovery_firmwares(discovery, &firmware_count);
	printf("Disks:\n");
	if (print_devices(devices, device_count, MENU_DEVICE_BLOCK, false) == 0)
		printf("none found\n");
	if (has_devices(devices, device_count, MENU_DEVICE_IMAGE, false)) {
		printf("\nDisk images:\n");
		print_devices(devices, device_count, MENU_DEVICE_IMAGE, false);
	}
	if (has_devices(devices, device_count, MENU_DEVICE_BLOCK, true)) {
		printf("\nNothing behind them:\n");
		print_devices(devices, device_count, MENU_DEVICE_BLOCK, true);
	}
	printf("\nFirmware:\n");
	for (size_t i = 0; i < firmware_count; i++)
		print_firmware(&firmwares[i]);
	if (firmware_count == 0)
		printf("none found. Put CLOUDHV.fd on a disk, for example as /boot/CLOUDHV.fd, or "
		       "install cloudhv-efi-x86-64 or ovmf.\n");
}

static int parse_args(int argc, char **argv, struct list *list)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--json") == 0)
			list->json = true;
		else if (strcmp(argv[i], "--pci") == 0)
			list->pci = true;
		else if (strcmp(argv[i], "--images") == 0 && i + 1 < argc &&
			 cmd_add_image_dir(&list->images, argv[i + 1]))
			i++;
		else
			return CMD_USAGE;
	}
	if (list->pci && list->images.count > 0)
		return CMD_USAGE;
	cmd_usual_image_dirs(&list->images);
	return 0;
}

int cmd_list(int argc, char **argv)
{
	struct list list = {0};
	const struct discovery_options options = {
		.root = "",
		.image_dirs = list.images.paths,
		.changed = on_changed,
		.ctx = &list,
	};
	struct vmb_err err = {0};
	int rc = 0;

	if (parse_args(argc, argv, &list) != 0)
		return CMD_USAGE;
	log_init(-1, LOG_LEVEL_ERROR, "list"); /* what went wrong stands beside each device */
	if (list.pci)
		return list_pci("", list.json);
	if (loop_create(&list.loop) < 0)
		return 1;
	rc = discovery_create(list.loop, &options, &list.discovery, &err);
	if (rc == 0) {
		loop_run(list.loop);
		if (list.json)
			rc = list_print_json(list.discovery, stdout, &err);
		else
			print_all(list.discovery);
	}
	if (rc < 0)
		fprintf(stderr, "vmboot: %s\n", err.text);
	discovery_destroy(list.discovery);
	loop_destroy(list.loop);
	return rc < 0 ? 1 : 0;
}
