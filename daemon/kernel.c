/*
 * Kernel and initrd for a VM without firmware: read into memfds, the kernel checked by content, both
 * sealed, so that what was checked is what boots. Whether they fit into the guest's memory is the
 * vmm's business.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "bzimage.h"
#include "launch_internal.h"
#include "pvh.h"
#include "storage.h"
#include "text.h"

#define KERNEL_MAX (1ULL << 30) /* a vmlinux with debug information */

/* A sealed memfd with the content of PATH, of MAX bytes at most; with "" an empty one. */
static int read_sealed(const char *path, const char *noun, uint64_t max, int *ret_fd,
		       struct vmb_err *err)
{
	int rc = firmware_make_memory(ret_fd, err);

	if (rc == 0 && path[0])
		rc = storage_copy_file(path, noun, max, *ret_fd, err);
	if (rc < 0)
		return rc;
	if (fcntl(*ret_fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) <
	    0)
		return vmb_err_set(err, errno, "The memory for %s cannot be sealed: %s.", noun,
				   strerror(errno));
	return 0;
}

static int check_bytes(const void *bytes, size_t size, struct vmb_err *err)
{
	if (size >= SELFMAG && memcmp(bytes, ELFMAG, SELFMAG) == 0)
		return pvh_check(bytes, size, size, NULL, err);
	return bzimage_check(bytes, size, size, NULL, err);
}

static int check_kernel(int fd, const char *name, struct vmb_err *err)
{
	struct vmb_err why = {0};
	struct stat st;
	void *bytes;
	int rc;

	if (fstat(fd, &st) < 0)
		return vmb_err_set(err, errno, "The kernel cannot be read: %s.", strerror(errno));
	if (st.st_size == 0)
		return vmb_err_set(err, EINVAL, "Kernel %s is empty. Copy it again.", name);
	bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (bytes == MAP_FAILED)
		return vmb_err_set(err, errno, "The kernel cannot be mapped: %s.", strerror(errno));
	rc = check_bytes(bytes, (size_t)st.st_size, &why);
	munmap(bytes, (size_t)st.st_size);
	if (rc < 0)
		return vmb_err_set(err, -rc, "Kernel %s cannot be started: %s", name, why.text);
	return 0;
}

/* More than the guest's whole memory never fits: said before this machine's memory is filled. */
static int read_initrd(const struct vm_config *config, int *ret_fd, struct vmb_err *err)
{
	int rc = read_sealed(config->initrd_path, "an initrd", config->memory, ret_fd, err);
	char size[16];

	if (rc != -EFBIG)
		return rc;
	return vmb_err_set(
		err, EFBIG,
		"The initrd %s is bigger than the virtual machine's memory (%s). Give it "
		"more memory, or make a smaller initrd.",
		config->initrd_path, text_format_size(config->memory, size, sizeof(size)));
}

int kernel_read(const struct vm_config *config, int *ret_kernel, int *ret_initrd,
		struct vmb_err *err)
{
	int rc = read_sealed(config->kernel_path, "a kernel", KERNEL_MAX, ret_kernel, err);

	if (rc == 0)
		rc = check_kernel(*ret_kernel, config->kernel_path, err);
	if (rc == 0)
		rc = read_initrd(config, ret_initrd, err);
	return rc;
}
