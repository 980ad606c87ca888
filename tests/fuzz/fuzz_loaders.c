/*
 * Files from disks that nobody vouches for: bytes become a kernel, bzImage or ELF, that is loaded with
 * an initrd into a machine of 64 MiB. Promise: it is refused with a sentence, or it begins in RAM; and
 * the ACPI and SMBIOS tables stay as they were.
 */
#include "fuzz.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../unit/kernel_image.h"
#include "vmm/boot/boot.h"
#include "vmm/layout.h"

#define RAM (64ULL << 20)

static struct guest_mem *mem;

static int sealed(const void *bytes, size_t n)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	must(fd >= 0);
	must(write(fd, bytes, n) == (ssize_t)n);
	must(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_WRITE) == 0);
	return fd;
}

static void load(const uint8_t *kernel, size_t size, const char *cmdline)
{
	static const uint8_t initrd[5000], zero[64];
	struct linux_boot boot = {.kernel_fd = sealed(kernel, size),
				  .initrd_fd = sealed(initrd, sizeof(initrd)),
				  .cmdline = cmdline,
				  .rsdp = LAYOUT_ACPI};
	struct kvm_entry entry = {0};
	struct vmb_err err = {0};
	int r = linux_load(mem, &boot, &entry, &err);

	must(r == 0 || (r < 0 && err.text[0]));
	if (r == 0)
		must(gm_ptr(mem, entry.rip, 1) && gm_ptr(mem, entry.boot_info, 56));
	must(memcmp(gm_ptr(mem, LAYOUT_ACPI, 64), zero, 64) == 0);
	must(memcmp(gm_ptr(mem, LAYOUT_SMBIOS, 64), zero, 64) == 0);
	close(boot.kernel_fd);
	close(boot.initrd_fd);
	must(gm_clear(mem) == 0);
}

/* Changes bytes of a good header, so that most inputs get beyond the first checks. */
static void fuzz_bzimage(struct input *in)
{
	static uint8_t image[KI_SIZE];
	char cmdline[300] = "";
	size_t n = (size_t)take(in, 2) % sizeof(cmdline);

	ki_make(image);
	memset(cmdline, 'x', n > 0 ? n - 1 : 0);
	while (in->left > 0) {
		unsigned int at = (unsigned int)take(in, 1);

		ki_put(image, 0x1F0 + at % 0x90, 1, take(in, 1));
	}
	load(image, sizeof(image), cmdline);
}

static void fuzz_elf(struct input *in)
{
	static uint8_t image[1024];
	Elf64_Ehdr eh = {.e_machine = EM_X86_64, .e_phoff = sizeof(eh), .e_phentsize = 56};
	size_t n;

	memset(image, 0, sizeof(image));
	memcpy(eh.e_ident, ELFMAG, SELFMAG);
	eh.e_ident[EI_CLASS] = ELFCLASS64;
	eh.e_ident[EI_DATA] = ELFDATA2LSB;
	eh.e_phnum = (uint16_t)take(in, 1);
	n = in->left < sizeof(image) - sizeof(eh) ? in->left : sizeof(image) - sizeof(eh);
	memcpy(image, &eh, sizeof(eh));
	if (n > 0)
		memcpy(image + sizeof(eh), in->at, n);
	load(image, sizeof(image), "quiet");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	uint8_t how = (uint8_t)take(&in, 1);

	if (!mem)
		must(gm_create(RAM, &mem) == 0);
	if (how % 4 == 0)
		load(in.at, in.left, "");
	else if (how % 4 == 1)
		fuzz_elf(&in);
	else
		fuzz_bzimage(&in);
	return 0;
}
