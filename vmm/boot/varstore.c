/*
 * The UEFI variable store of CLOUDHV.fd: guest RAM at the end of low memory, where the firmware
 * adopts a valid store that it finds (EDK2 EmuVariableFvbRuntimeDxe; PcdEmuVariableNvStoreReserved is
 * the first allocation from the top); OVMF's, in a flash chip. It is a shared mapping of the launcher's
 * memfd, so that the launcher has what the guest wrote even after the vmm was killed.
 */
#include "varstore.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "vmm/boot/boot.h"

static int check_size(int fd, uint32_t size, struct vmb_err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0 || st.st_size != 2 * (off_t)size)
		return vmb_err_set(
			err, EINVAL,
			"The variable memory that was handed over has a wrong size. This is a "
			"fault of the program that started the vmm.");
	return 0;
}

static int refuse_map(int r, struct vmb_err *err)
{
	return vmb_err_set(err, -r, "The variable memory cannot be mapped (%s).", strerror(-r));
}

int varstore_attach(struct guest_mem *mem, int fd, struct vmb_err *err)
{
	int r = check_size(fd, VARSTORE_SIZE, err);

	if (r < 0)
		return r;
	r = gm_map_fd(mem, gm_low_end(mem) - VARSTORE_SIZE, VARSTORE_SIZE, fd);
	return r < 0 ? refuse_map(r, err) : 0;
}

int varstore_map(int fd, uint32_t size, uint8_t **ret_bytes, struct vmb_err *err)
{
	int r = check_size(fd, size, err);
	void *bytes;

	if (r < 0)
		return r;
	bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (bytes == MAP_FAILED)
		return refuse_map(-errno, err);
	*ret_bytes = bytes;
	return 0;
}

/*
 * Both halves by file operations: they are looked at too rarely to be worth a mapping of their own, and
 * what the guest sees is the same memory.
 */
static int read_half(int fd, uint8_t *buf, size_t size, off_t at)
{
	ssize_t n = pread(fd, buf, size, at);

	if (n < 0)
		return -errno;
	return n == (ssize_t)size ? 0 : -EIO;
}

static int write_half(int fd, const uint8_t *buf, size_t size, off_t at)
{
	ssize_t n = pwrite(fd, buf, size, at);

	if (n < 0)
		return -errno;
	return n == (ssize_t)size ? 0 : -EIO;
}

/* LIVE and GOOD, of SIZE bytes, are private copies: nobody changes them between check and use. */
static int settle(int fd, uint8_t *live, uint8_t *good, size_t size, struct log_limit *limit,
		  bool *ret_changed)
{
	struct vmb_err err;
	int r = read_half(fd, live, size, 0);

	if (r == 0)
		r = read_half(fd, good, size, (off_t)size);
	if (r < 0)
		return r;
	if (varstore_check(live, size, &err) == 0) {
		if (memcmp(live, good, size) == 0)
			return 0;
		r = write_half(fd, live, size, (off_t)size);
		*ret_changed = r == 0;
		return r;
	}
	log_guest(limit, "variables: what the guest left is not kept. %s", err.text);
	if (varstore_check(good, size, &err) < 0) {
		log_guest(limit,
			  "variables: no good copy either, the guest gets an empty store. %s",
			  err.text);
		varstore_format(good, size);
	}
	return write_half(fd, good, size, 0);
}

int varstore_settle(int fd, struct log_limit *limit, bool *ret_changed)
{
	bool changed = false;
	uint8_t *copies;
	struct stat st;
	size_t size;
	int r;

	if (fstat(fd, &st) < 0)
		return -errno;
	size = (size_t)st.st_size / 2;
	copies = malloc(2 * size);
	if (!copies)
		return -ENOMEM;
	r = settle(fd, copies, copies + size, size, limit, &changed);
	free(copies);
	if (r == 0)
		*ret_changed = changed;
	return r;
}
