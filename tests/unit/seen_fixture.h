/* What a look at a directory told, for tests that stand one up as a file system. */
#ifndef VMB_TESTS_UNIT_SEEN_FIXTURE_H
#define VMB_TESTS_UNIT_SEEN_FIXTURE_H

#include "storage_test.h"

#include <errno.h>

#include "probe_proto.h"
#include "storage.h"

struct seen {
	unsigned int count, image_count, firmware_count;
	char systems[64][STORAGE_SYSTEM_SIZE];
	struct storage_image images[PROBE_MAX_IMAGES];
	struct storage_firmware firmwares[PROBE_MAX_FIRMWARES];
};

static inline void on_system(void *ctx, const struct storage_system *system)
{
	struct seen *seen = ctx;

	assert_true(seen->count < 64);
	assert_non_null(memchr(system->text, '\0', sizeof(system->text)));
	strcpy(seen->systems[seen->count++], system->text);
}

static inline void on_image(void *ctx, const struct storage_image *image)
{
	struct seen *seen = ctx;

	assert_true(seen->image_count < PROBE_MAX_IMAGES);
	seen->images[seen->image_count++] = *image;
}

static inline void on_firmware(void *ctx, const struct storage_firmware *firmware)
{
	struct seen *all = ctx;

	assert_true(all->firmware_count < PROBE_MAX_FIRMWARES);
	all->firmwares[all->firmware_count++] = *firmware;
}

static const struct storage_report report = {
	.system = on_system,
	.image = on_image,
	.firmware = on_firmware,
};

static struct seen seen;

#endif
