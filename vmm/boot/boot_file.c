/* See boot_file.h. */
#include "vmm/boot/boot_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int refuse(const struct boot_file *file, int code, const char *why, struct vmb_err *err)
{
	return vmb_err_set(err, code, "The %s cannot be read (%s).", file->noun, why);
}

int boot_file_open(int fd, const char *noun, struct boot_file *ret_file, struct vmb_err *err)
{
	struct boot_file file = {.fd = fd, .noun = noun};
	int seals = fcntl(fd, F_GET_SEALS);
	struct stat st;

	if (seals < 0 || (seals & (F_SEAL_SHRINK | F_SEAL_WRITE)) != (F_SEAL_SHRINK | F_SEAL_WRITE))
		return vmb_err_set(err, EINVAL,
				   "The %s was handed over in a file that could still change. "
				   "This is a fault of the program that started the vmm.",
				   noun);
	if (fstat(fd, &st) < 0)
		return refuse(&file, errno, strerror(errno), err);
	file.size = (uint64_t)st.st_size;
	*ret_file = file;
	return 0;
}

int boot_file_map(struct boot_file *file, struct vmb_err *err)
{
	void *bytes;

	if (file->size == 0) {
		file->bytes = "";
		return 0;
	}
	bytes = mmap(NULL, file->size, PROT_READ, MAP_PRIVATE, file->fd, 0);
	if (bytes == MAP_FAILED)
		return refuse(file, errno, strerror(errno), err);
	file->bytes = bytes;
	return 0;
}

void boot_file_unmap(struct boot_file *file)
{
	if (file->size > 0 && file->bytes)
		munmap((void *)(uintptr_t)file->bytes, file->size);
	file->bytes = NULL;
}

int boot_file_read(const struct boot_file *file, uint64_t offset, void *to, uint64_t size,
		   struct vmb_err *err)
{
	for (uint64_t done = 0; done < size;) {
		ssize_t n =
			pread(file->fd, (uint8_t *)to + done, size - done, (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return refuse(file, n < 0 ? errno : EIO,
				      n < 0 ? strerror(errno) : "it ends too early", err);
		done += (uint64_t)n;
	}
	return 0;
}
