/* Files of UEFI variables for tests: valid ones, told from each other by a byte that no check looks at. */
#ifndef VMB_TESTS_UNIT_VARS_TEST_H
#define VMB_TESTS_UNIT_VARS_TEST_H

#include "storage_test.h"

#include "fake_vmm.h"
#include "varstore.h"

static inline void write_vars(const char *path, uint8_t spare)
{
	uint8_t *store = malloc(VARSTORE_SIZE);

	varstore_format(store, VARSTORE_SIZE);
	store[FAKE_SPARE] = spare;
	write_file(path, store, VARSTORE_SIZE, 0);
	free(store);
}

/* The byte in the file, which must be a valid store; -1: there is none. */
static inline int read_spare(const char *path)
{
	uint8_t *store = malloc(VARSTORE_SIZE + 1);
	int fd = open(path, O_RDONLY | O_CLOEXEC), spare;

	if (fd < 0) {
		free(store);
		return -1;
	}
	assert_int_equal(read(fd, store, VARSTORE_SIZE + 1), VARSTORE_SIZE);
	close(fd);
	assert_int_equal(varstore_check(store, VARSTORE_SIZE, NULL), 0);
	spare = store[FAKE_SPARE];
	free(store);
	return spare;
}

#endif
