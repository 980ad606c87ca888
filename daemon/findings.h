/*
 * What a probe has said of one device, of a directory of images, or of the running system: escaped,
 * bounded, and kept apart until the probe has ended, when it replaces what was known before.
 */
#ifndef VMB_DAEMON_FINDINGS_H
#define VMB_DAEMON_FINDINGS_H

#include "menu_proto.h"
#include "storage.h"

/* Starts zeroed. */
struct findings {
	char holds[sizeof(((struct menu_device *)0)->holds)];
	unsigned int firmware_count, image_count;
	struct menu_firmware *firmwares;
	struct menu_device *images;
};

/* Each takes one message; what is too much, or does not fit in memory, is left out. */
void findings_add_system(struct findings *findings, const struct storage_system *system);
void findings_add_image(struct findings *findings, const struct storage_image *image);
/* DEVICE is where it lies, if not on the running system. */
void findings_add_firmware(struct findings *findings, const char *device,
			   const struct storage_firmware *firmware);

/* Frees what is in it and zeroes it. */
void findings_clear(struct findings *findings);

/*
 * Appends what is in LIST and not yet in HOLDS to that (SIZE bytes); both are lists with ", " between.
 * "..." says that there was no room for all.
 */
void findings_join(char *holds, size_t size, const char *list);

/* Escapes what libblkid said into DEVICE. */
void findings_take_identity(struct menu_device *device, const struct storage_identity *identity);

#endif
