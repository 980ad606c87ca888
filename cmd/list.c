/*
 * vmboot list: what the menu would show, as text: disks, their partitions, and the firmware found.
 */
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "discovery.h"
#include "log.h"
#include "loop.h"
#include "text.h"

struct list {
	struct loop *loop;
	struct discovery *discovery;
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
}

static void print_device(const struct menu_device *d)
{
	char size[16], name[96];
	const char *const parts[] = {
		d->transport,
		d->model,
		d->serial,
		d->fstype,
		d->label[0] ? d->label : d->part_label,
		d->read_only ? "read-only" : "",
		d->removable ? "removable" : "",
		d->use,
		d->note,
	};

	snprintf(name, sizeof(name), "%s%s", d->parent[0] ? "  " : "", d->path);
	printf("%-18s %7s", name, text_format_size(d->size, size, sizeof(size)));
	print_parts(parts, sizeof(parts) / sizeof(parts[0]));
	printf("\n");
}

static void print_firmware(const struct menu_firmware *f)
{
	char size[16];
	const char *const parts[] = {f->kind, f->version, f->usable ? "" : f->reason};

	printf("%s%s%s  %s", f->device, f->device[0] ? ":" : "", f->path,
	       text_format_size(f->size, size, sizeof(size)));
	print_parts(parts, sizeof(parts) / sizeof(parts[0]));
	printf("\n");
}

static void print_all(struct discovery *discovery)
{
	const struct menu_firmware *firmwares;
	const struct menu_device *devices;
	size_t device_count, firmware_count;

	devices = discovery_devices(discovery, &device_count);
	firmwares = discovery_firmwares(discovery, &firmware_count);
	printf("Disks:\n");
	for (size_t i = 0; i < device_count; i++)
		print_device(&devices[i]);
	if (device_count == 0)
		printf("none found\n");
	printf("\nFirmware:\n");
	for (size_t i = 0; i < firmware_count; i++)
		print_firmware(&firmwares[i]);
	if (firmware_count == 0)
		printf("none found. Put CLOUDHV.fd on a disk, for example as /boot/CLOUDHV.fd, or "
		       "install cloudhv-efi-x86-64.\n");
}

int cmd_list(int argc, char **argv)
{
	struct list list = {0};
	const struct discovery_options options = {.root = "", .changed = on_changed, .ctx = &list};
	struct vmb_err err = {0};
	int rc = 0;

	(void)argv;
	if (argc > 1)
		return CMD_USAGE;
	log_init(-1, LOG_LEVEL_ERROR, "list"); /* what went wrong stands beside each device */
	if (loop_create(&list.loop) < 0)
		return 1;
	rc = discovery_create(list.loop, &options, &list.discovery, &err);
	if (rc == 0) {
		loop_run(list.loop);
		print_all(list.discovery);
	} else {
		fprintf(stderr, "vmboot: %s\n", err.text);
	}
	discovery_destroy(list.discovery);
	loop_destroy(list.loop);
	return rc < 0 ? 1 : 0;
}
