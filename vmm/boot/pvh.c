/*
 * Loads PVH images, firmware or kernels: segments into RAM, then hvm_start_info version 1 with its
 * memory map, for a kernel also command line and initrd (Xen public/arch-x86/hvm/start_info.h).
 * Whether a file is such an image is lib/pvh.c's business.
 */
#include "pvh.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "varstore.h"
#include "vmm/boot/boot.h"
#include "vmm/boot/boot_file.h"
#include "vmm/boot/boot_internal.h"
#include "vmm/layout.h"

#define START_MAGIC 0x336EC578

/* The page at LAYOUT_START_INFO: start_info, and what it points to. */
#define START_MEMMAP	   (LAYOUT_START_INFO + 0x100)
#define START_MODLIST	   (LAYOUT_START_INFO + 0x200)
#define START_CMDLINE	   (LAYOUT_START_INFO + 0x400)
#define START_CMDLINE_SIZE 2048 /* what Linux takes: COMMAND_LINE_SIZE on x86 */

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
_Static_assert(sizeof(struct memmap_entry) * BOOT_MAX_RANGES <= START_MODLIST - START_MEMMAP,
	       "the memory map ends before the list of modules");
_Static_assert(START_CMDLINE + START_CMDLINE_SIZE <= LAYOUT_ACPI,
	       "all of it ends before the tables");

struct modlist_entry {
	uint64_t paddr;
	uint64_t size;
	uint64_t cmdline_paddr;
	uint64_t reserved;
};

static int parse(struct boot_file *file, struct pvh_image *ret_image, struct vmb_err *err)
{
	int r = boot_file_map(file, err);

	if (r == 0)
		r = pvh_check(file->bytes, file->size, file->size, ret_image, err);
	boot_file_unmap(file);
	return r;
}

/* What a load works on. */
struct load {
	struct guest_mem *mem;
	struct boot_file file;
	uint64_t ram_end; /* low RAM that the image may have ends here */
};

/* Where a segment may lie: RAM that the memory map offers. */
static bool in_ram(const struct load *load, const struct pvh_segment *seg)
{
	uint64_t end = seg->gpa + seg->mem_size;

	if (seg->gpa < GM_TABLES)
		return end <= GM_TABLES;
	return seg->gpa >= LAYOUT_SMBIOS_END && end <= load->ram_end;
}

static int load_segment(const struct load *load, const struct pvh_segment *seg, struct vmb_err *err)
{
	uint8_t *to;

	if (seg->gpa >= LAYOUT_SMBIOS_END && seg->gpa + seg->mem_size > load->ram_end)
		return vmb_err_set(err, ENOSPC,
				   "The %s needs memory up to %llu MiB, the virtual machine has "
				   "%llu MiB below 3 GiB. Give it more memory.",
				   load->file.noun,
				   (unsigned long long)((seg->gpa + seg->mem_size) >> 20) + 1,
				   (unsigned long long)(gm_low_end(load->mem) >> 20));
	to = in_ram(load, seg) ? gm_ptr(load->mem, seg->gpa, seg->mem_size) : NULL;
	if (!to)
		return vmb_err_set(err, EINVAL,
				   "A segment of the %s wants to be loaded at %#llx (%llu "
				   "bytes), where the virtual machine has no RAM.",
				   load->file.noun, (unsigned long long)seg->gpa,
				   (unsigned long long)seg->mem_size);
	return boot_file_read(&load->file, seg->file_offset, to, seg->file_size, err);
}

/* Puts the image where it wants to be. *RET_END: where the highest segment ends. */
static int load_image(struct load *load, struct pvh_image *ret_image, uint64_t *ret_end,
		      struct vmb_err *err)
{
	uint64_t end = LAYOUT_SMBIOS_END;
	int r = parse(&load->file, ret_image, err);

	for (unsigned int i = 0; r == 0 && i < ret_image->segment_count; i++) {
		const struct pvh_segment *seg = &ret_image->segments[i];

		r = load_segment(load, seg, err);
		if (seg->gpa + seg->mem_size > end)
			end = seg->gpa + seg->mem_size;
	}
	*ret_end = end;
	return r;
}

/* What the guest finds behind EBX. CMDLINE "" and an initrd of size 0: none. */
static void write_start_info(struct guest_mem *mem, uint64_t rsdp, const char *cmdline,
			     const struct boot_initrd *initrd)
{
	struct boot_range ranges[BOOT_MAX_RANGES];
	struct memmap_entry map[BOOT_MAX_RANGES] = {0};
	struct modlist_entry module = {.paddr = initrd->gpa, .size = initrd->size};
	struct start_info info = {
		.magic = START_MAGIC,
		.version = 1,
		.rsdp_paddr = rsdp,
		.memmap_paddr = START_MEMMAP,
		.memmap_entries = boot_memory_map(mem, ranges),
	};

	for (unsigned int i = 0; i < info.memmap_entries; i++)
		map[i] = (struct memmap_entry){
			.addr = ranges[i].gpa, .size = ranges[i].size, .type = ranges[i].type};
	if (initrd->size > 0) {
		info.nr_modules = 1;
		info.modlist_paddr = START_MODLIST;
	}
	if (cmdline[0])
		info.cmdline_paddr = START_CMDLINE;
	/* All of it lies in backed low memory, whatever its size: cannot fail. */
	(void)gm_write(mem, LAYOUT_START_INFO, &info, sizeof(info));
	(void)gm_write(mem, START_MEMMAP, map, sizeof(map));
	(void)gm_write(mem, START_MODLIST, &module, sizeof(module));
	(void)gm_write(mem, START_CMDLINE, cmdline, strlen(cmdline) + 1);
}

int pvh_load(struct guest_mem *mem, int fd, uint64_t rsdp, struct kvm_entry *ret_entry,
	     struct vmb_err *err)
{
	/* The variable store has the end of low RAM. */
	struct load load = {.mem = mem, .ram_end = gm_low_end(mem) - VARSTORE_SIZE};
	struct pvh_image image;
	uint64_t end;
	int r = boot_file_open(fd, "firmware", &load.file, err);

	if (r == 0)
		r = load_image(&load, &image, &end, err);
	if (r < 0)
		return r;
	write_start_info(mem, rsdp, "", &(struct boot_initrd){0});
	*ret_entry = (struct kvm_entry){.rip = image.entry, .boot_info = LAYOUT_START_INFO};
	return 0;
}

int pvh_load_linux(struct guest_mem *mem, const struct linux_boot *boot,
		   struct kvm_entry *ret_entry, struct vmb_err *err)
{
	struct load load = {.mem = mem, .ram_end = gm_low_end(mem)};
	struct boot_initrd initrd;
	struct pvh_image image;
	uint64_t end;
	int r;

	if (strlen(boot->cmdline) >= START_CMDLINE_SIZE)
		return vmb_err_set(err, E2BIG,
				   "The command line has %zu characters, the kernel takes %d. "
				   "Shorten it.",
				   strlen(boot->cmdline), START_CMDLINE_SIZE - 1);
	r = boot_file_open(boot->kernel_fd, "kernel", &load.file, err);
	if (r == 0)
		r = load_image(&load, &image, &end, err);
	if (r == 0)
		r = boot_load_initrd(mem, boot->initrd_fd, end, UINT64_MAX, &initrd, err);
	if (r < 0)
		return r;
	write_start_info(mem, boot->rsdp, boot->cmdline, &initrd);
	*ret_entry = (struct kvm_entry){.rip = image.entry, .boot_info = LAYOUT_START_INFO};
	return 0;
}
