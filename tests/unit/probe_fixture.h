/* What storage_probe() tells of a file or device, and that it does not change a byte of it. */
#ifndef VMB_TESTS_UNIT_PROBE_FIXTURE_H
#define VMB_TESTS_UNIT_PROBE_FIXTURE_H

#include "storage_test.h"

#include "storage.h"

struct seen {
	struct storage_identity identity;
	unsigned int identities, count;
	struct storage_firmware firmwares[64];
	unsigned int system_count;
	char systems[16][STORAGE_SYSTEM_SIZE];
	struct vmb_err err;
	int rc;
};

static inline void on_identity(void *ctx, const struct storage_identity *identity)
{
	struct seen *seen = ctx;

	seen->identity = *identity;
	seen->identities++;
}

static inline void on_firmware(void *ctx, const struct storage_firmware *firmware)
{
	struct seen *seen = ctx;

	assert_true(seen->count < 64);
	seen->firmwares[seen->count++] = *firmware;
}

static inline void on_system(void *ctx, const struct storage_system *system)
{
	struct seen *seen = ctx;

	assert_true(seen->system_count < 16);
	strcpy(seen->systems[seen->system_count++], system->text);
}

static const struct storage_report report = {
	.identity = on_identity,
	.system = on_system,
	.firmware = on_firmware,
};

/* Probes PATH and makes sure that not a byte of it changed. */
static inline struct seen *probe(const char *path)
{
	static struct seen seen;
	uint64_t hash = hash_file(path);

	memset(&seen, 0, sizeof(seen));
	seen.rc = storage_probe(path, &report, &seen, &seen.err);
	assert_true(hash_file(path) == hash);
	return &seen;
}

static inline const struct storage_firmware *found(const struct seen *seen, const char *path)
{
	for (unsigned int i = 0; i < seen->count; i++)
		if (strcmp(seen->firmwares[i].path, path) == 0)
			return &seen->firmwares[i];
	return NULL;
}

#endif
