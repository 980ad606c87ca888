/*
 * The UEFI variable store of CLOUDHV.fd: guest RAM at the end of low memory, where the firmware
 * adopts a valid store that it finds (EDK2 EmuVariableFvbRuntimeDxe; PcdEmuVariableNvStoreReserved is
 * the first allocation from the top). It is a shared mapping of the launcher's memfd, so that the
 * launcher has what the guest wrote even after the vmm was killed.
 */
#include "varstore.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "vmm/boot/boot.h"

static uint64_t live_at(const struct guest_mem *mem)
{
	return gm_low_end(mem) - VARSTORE_SIZE;
}

int varstore_attach(struct guest_mem *mem, int fd, struct vmb_err *err)
{
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0 || st.st_size < 2 * VARSTORE_SIZE)
		return vmb_err_set(
			err, EINVAL,
			"The variable memory that was handed over is too small. This is a "
			"fault of the program that started the vmm.");
	r = gm_map_fd(mem, live_at(mem), VARSTORE_SIZE, fd);
	if (r < 0)
		return vmb_err_set(err, -r, "The variable memory cannot be mapped (%s).",
				   strerror(-r));
	return 0;
}

/* The good half, by file operations: it is looked at too rarely to be worth a mapping. */
static int read_good(int fd, uint8_t *buf)
{
	ssize_t n = pread(fd, buf, VARSTORE_SIZE, VARSTORE_SIZE);

	if (n < 0)
		return -errno;
	return n == VARSTORE_SIZE ? 0 : -EIO;
}

static int write_good(int fd, const uint8_t *buf)
{
	ssize_t n = pwrite(fd, buf, VARSTORE_SIZE, VARSTORE_SIZE);

	if (n < 0)
		return -errno;
	return n == VARSTORE_SIZE ? 0 : -EIO;
}

/* LIVE and GOOD are private copies: nobody changes them between check and use. */
static int settle(struct guest_mem *mem, int fd, uint8_t *live, uint8_t *good, bool *ret_changed)
{
	struct vmb_err err;
	int r;

	r = gm_read(mem, live_at(mem), live, VARSTORE_SIZE);
	if (r == 0)
		r = read_good(fd, good);
	if (r < 0)
		return r;
	if (varstore_check(live, VARSTORE_SIZE, &err) == 0) {
		if (memcmp(live, good, VARSTORE_SIZE) == 0)
			return 0;
		r = write_good(fd, live);
		*ret_changed = r == 0;
		return r;
	}
	log_warn("variables: what the guest left is not kept. %s", err.text);
	if (varstore_check(good, VARSTORE_SIZE, &err) < 0) {
		log_warn("variables: no good copy either, the guest gets an empty store. %s",
			 err.text);
		varstore_format(good);
	}
	return gm_write(mem, live_at(mem), good, VARSTORE_SIZE);
}

int varstore_settle(struct guest_mem *mem, int fd, bool *ret_changed)
{
	uint8_t *copies = malloc(2 * VARSTORE_SIZE);
	bool changed = false;
	int r;

	if (!copies)
		return -ENOMEM;
	r = settle(mem, fd, copies, copies + VARSTORE_SIZE, &changed);
	free(copies);
	if (r == 0)
		*ret_changed = changed;
	return r;
}
