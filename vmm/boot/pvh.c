/*
 * Loads PVH images: segments into RAM, then hvm_start_info version 1 and its memory map (Xen
 * public/arch-x86/hvm/start_info.h). Whether a file is such an image is lib/pvh.c's business.
 */
#include "pvh.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "varstore.h"
#include "vmm/boot/boot.h"
#include "vmm/layout.h"

#define START_MAGIC	0x336EC578
#define MEMMAP_RAM	1
#define MEMMAP_RESERVED 2

struct start_info {
	uint32_t magic;
	uint32_t version;
	uint32_t flags;
	uint32_t nr_modules;
	uint64_t modlist_paddr;
	uint64_t cmdline_paddr;
	uint64_t rsdp_paddr;
	uint64_t memmap_paddr;
	uint32_t memmap_entries;
	uint32_t reserved;
};
_Static_assert(sizeof(struct start_info) == 56, "start_info.h");

struct memmap_entry {
	uint64_t addr;
	uint64_t size;
	uint32_t type;
	uint32_t reserved;
};

/* The file must keep its size and content while we look at it and at every reset. */
static int check_sealed(int fd, uint64_t *ret_size, struct vmb_err *err)
{
	int seals = fcntl(fd, F_GET_SEALS);
	struct stat st;

	if (seals < 0 || (seals & (F_SEAL_SHRINK | F_SEAL_WRITE)) != (F_SEAL_SHRINK | F_SEAL_WRITE))
		return vmb_err_set(
			err, EINVAL,
			"The firmware was handed over in a file that could still change. "
			"This is a fault of the program that started the vmm.");
	if (fstat(fd, &st) < 0)
		return vmb_err_set(err, errno, "The firmware cannot be read (%s).",
				   strerror(errno));
	*ret_size = (uint64_t)st.st_size;
	return 0;
}

static int parse(int fd, uint64_t size, struct pvh_image *ret_image, struct vmb_err *err)
{
	void *bytes = "";
	int r;

	if (size > 0)
		bytes = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (bytes == MAP_FAILED)
		return vmb_err_set(err, errno, "The firmware cannot be read (%s).",
				   strerror(errno));
	r = pvh_check(bytes, size, size, ret_image, err);
	if (size > 0)
		munmap(bytes, size);
	return r;
}

/* The variable store has the end of low RAM. */
static uint64_t ram_end(const struct guest_mem *mem)
{
	return gm_low_end(mem) - VARSTORE_SIZE;
}

/* Where a segment may lie: RAM that the memory map offers. */
static bool in_ram(const struct guest_mem *mem, const struct pvh_segment *seg)
{
	uint64_t end = seg->gpa + seg->mem_size;

	if (seg->gpa < GM_TABLES)
		return end <= GM_TABLES;
	return seg->gpa >= LAYOUT_SMBIOS_END && end <= ram_end(mem);
}

static int load_segment(struct guest_mem *mem, int fd, const struct pvh_segment *seg,
			struct vmb_err *err)
{
	uint8_t *to;

	if (seg->gpa >= LAYOUT_SMBIOS_END && seg->gpa + seg->mem_size > ram_end(mem))
		return vmb_err_set(
			err, ENOSPC,
			"The firmware needs memory up to %llu MiB, the virtual machine has "
			"%llu MiB below 3 GiB. Give it more memory.",
			(unsigned long long)((seg->gpa + seg->mem_size) >> 20) + 1,
			(unsigned long long)(gm_low_end(mem) >> 20));
	to = in_ram(mem, seg) ? gm_ptr(mem, seg->gpa, seg->mem_size) : NULL;
	if (!to)
		return vmb_err_set(err, EINVAL,
				   "A segment of the firmware wants to be loaded at %#llx (%llu "
				   "bytes), where the virtual machine has no RAM.",
				   (unsigned long long)seg->gpa, (unsigned long long)seg->mem_size);
	for (uint64_t done = 0; done < seg->file_size;) {
		ssize_t n = pread(fd, to + done, seg->file_size - done,
				  (off_t)(seg->file_offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return vmb_err_set(err, n < 0 ? errno : EIO,
					   "The firmware cannot be read (%s).",
					   n < 0 ? strerror(errno) : "it ends too early");
		done += (uint64_t)n;
	}
	return 0;
}

/* What the guest finds behind EBX. EDK2 looks only at RAM entries; Linux wants the ECAM reserved. */
static void write_start_info(struct guest_mem *mem, uint64_t rsdp)
{
	struct memmap_entry map[5] = {
		{0, GM_TABLES, MEMMAP_RAM, 0},
		{GM_TABLES, LAYOUT_SMBIOS_END - GM_TABLES, MEMMAP_RESERVED, 0},
		{LAYOUT_SMBIOS_END, gm_low_end(mem) - LAYOUT_SMBIOS_END, MEMMAP_RAM, 0},
		{LAYOUT_ECAM, LAYOUT_ECAM_SIZE, MEMMAP_RESERVED, 0},
		{GM_HIGH_BASE, gm_high_size(mem), MEMMAP_RAM, 0},
	};
	struct start_info info = {
		.magic = START_MAGIC,
		.version = 1,
		.rsdp_paddr = rsdp,
		.memmap_paddr = LAYOUT_START_INFO + sizeof(info),
		.memmap_entries = gm_high_size(mem) ? 5 : 4,
	};

	/* Both lie in backed low memory, whatever its size: cannot fail. */
	(void)gm_write(mem, LAYOUT_START_INFO, &info, sizeof(info));
	(void)gm_write(mem, info.memmap_paddr, map, sizeof(map));
}

int pvh_load(struct guest_mem *mem, int fd, uint64_t rsdp, struct pvh_boot *ret_boot,
	     struct vmb_err *err)
{
	struct pvh_image image;
	uint64_t size;
	int r = check_sealed(fd, &size, err);

	if (r == 0)
		r = parse(fd, size, &image, err);
	if (r < 0)
		return r;
	for (unsigned int i = 0; i < image.segment_count && r == 0; i++)
		r = load_segment(mem, fd, &image.segments[i], err);
	if (r < 0)
		return r;
	write_start_info(mem, rsdp);
	ret_boot->entry = image.entry;
	ret_boot->start_info = LAYOUT_START_INFO;
	return 0;
}
