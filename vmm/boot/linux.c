/*
 * Boots Linux without firmware, by the 64-bit boot protocol (Linux Documentation/arch/x86/boot.rst,
 * "64-bit Boot Protocol", and zero-page.rst): the kernel at the address it prefers, the initrd at the
 * end of low RAM, boot_params, command line, page tables and GDT below 640 KiB. Whether a file is
 * such a kernel is lib/bzimage.c's business; an ELF vmlinux goes to pvh.c.
 */
#include "vmm/boot/boot.h"

#include <asm/bootparam.h>
#include <elf.h>
#include <errno.h>
#include <string.h>

#include "bzimage.h"
#include "text.h"
#include "vmm/boot/boot_file.h"
#include "vmm/boot/boot_internal.h"
#include "vmm/layout.h"

#define PAGE		4096ULL
#define BIG_PAGE	(2ULL << 20)
#define ENTRIES		512 /* of one page table */
#define DIRECTORIES	4   /* a GiB each: all that low RAM can be */
#define PTE_PRESENT	1ULL
#define PTE_WRITABLE	2ULL
#define PTE_BIG		0x80ULL
#define ENTRY64_OFFSET	0x200
#define LOADER_UNKNOWN	0xFF   /* type_of_loader: no number was ever assigned to us */
#define VIDEO_MODE_NONE 0xFFFF /* vid_mode "normal" */
#define RSDP_SIZE	36

_Static_assert(sizeof(struct boot_params) == PAGE, "zero-page.rst: one page");
_Static_assert(offsetof(struct boot_params, acpi_rsdp_addr) == 0x70, "zero-page.rst");
_Static_assert(LAYOUT_LINUX_PAGES + (2 + DIRECTORIES) * PAGE <= LAYOUT_LINUX_CMDLINE,
	       "the command line begins behind the page tables");

static uint64_t align_down(uint64_t n, uint64_t to)
{
	return n & ~(to - 1);
}

int boot_load_initrd(struct guest_mem *mem, int fd, uint64_t kernel_end, uint64_t end_max,
		     struct boot_initrd *ret_initrd, struct vmb_err *err)
{
	uint64_t top = gm_low_end(mem) < end_max ? gm_low_end(mem) : end_max;
	char size[16], room[16];
	struct boot_file file;
	uint64_t gpa;
	int r = boot_file_open(fd, "initrd", &file, err);

	if (r < 0)
		return r;
	if (file.size == 0) {
		*ret_initrd = (struct boot_initrd){0};
		return 0;
	}
	top = align_down(top, PAGE);
	gpa = file.size <= top ? align_down(top - file.size, PAGE) : 0;
	if (gpa < kernel_end)
		return vmb_err_set(
			err, ENOSPC,
			"The initrd has %s, but behind the kernel there is room for %s. "
			"Give the virtual machine more memory, or make a smaller initrd.",
			text_format_size(file.size, size, sizeof(size)),
			text_format_size(top > kernel_end ? top - kernel_end : 0, room,
					 sizeof(room)));
	r = boot_file_read(&file, 0, gm_ptr(mem, gpa, file.size), file.size, err);
	if (r == 0)
		*ret_initrd = (struct boot_initrd){gpa, file.size};
	return r;
}

/* Identity map of the first 4 GiB in 2 MiB pages. */
static void write_page_tables(struct guest_mem *mem)
{
	const uint64_t pml4 = LAYOUT_LINUX_PAGES, pdpt = pml4 + PAGE, pd = pdpt + PAGE;
	uint64_t table[ENTRIES] = {pdpt | PTE_PRESENT | PTE_WRITABLE};

	/* Here and below: RAM under 640 KiB, which every machine has. Cannot fail. */
	(void)gm_write(mem, pml4, table, sizeof(table));
	for (uint64_t i = 0; i < DIRECTORIES; i++)
		table[i] = (pd + i * PAGE) | PTE_PRESENT | PTE_WRITABLE;
	(void)gm_write(mem, pdpt, table, sizeof(table));
	for (uint64_t i = 0; i < DIRECTORIES; i++) {
		for (uint64_t j = 0; j < ENTRIES; j++)
			table[j] =
				(i * ENTRIES + j) * BIG_PAGE | PTE_PRESENT | PTE_WRITABLE | PTE_BIG;
		(void)gm_write(mem, pd + i * PAGE, table, sizeof(table));
	}
}

/* __BOOT_CS is 0x10: flat, execute/read, 64-bit. __BOOT_DS is 0x18: flat, read/write. */
static void write_gdt(struct guest_mem *mem)
{
	static const uint64_t gdt[KVM_ENTRY64_GDT_ENTRIES] = {0, 0, 0x00AF9B000000FFFF,
							      0x00CF93000000FFFF};

	(void)gm_write(mem, LAYOUT_LINUX_GDT, gdt, sizeof(gdt));
}

/*
 * Kernels before 5.0 do not look at boot_params.acpi_rsdp_addr but search as on a PC (ACPI 5.2.5.1),
 * and find a copy here.
 */
static void write_rsdp_copy(struct guest_mem *mem, uint64_t rsdp)
{
	uint8_t bytes[RSDP_SIZE];

	if (gm_read(mem, rsdp, bytes, sizeof(bytes)) == 0)
		(void)gm_write(mem, LAYOUT_RSDP_COPY, bytes, sizeof(bytes));
}

static void write_boot_params(struct guest_mem *mem, const struct bzimage *image,
			      const uint8_t *head, const struct linux_boot *boot,
			      const struct boot_initrd *initrd)
{
	struct boot_range ranges[BOOT_MAX_RANGES];
	struct boot_params params = {.acpi_rsdp_addr = boot->rsdp};

	/* boot.rst: all of it zero but for the kernel's own header. */
	memcpy((uint8_t *)&params + BZIMAGE_HEADER, head + BZIMAGE_HEADER, image->header_size);
	params.hdr.vid_mode = VIDEO_MODE_NONE;
	params.hdr.type_of_loader = LOADER_UNKNOWN;
	params.hdr.code32_start = (uint32_t)image->gpa;
	params.hdr.cmd_line_ptr = LAYOUT_LINUX_CMDLINE;
	params.hdr.ramdisk_image = (uint32_t)initrd->gpa; /* low RAM: below 4 GiB */
	params.hdr.ramdisk_size = (uint32_t)initrd->size;
	params.hdr.setup_data = 0;
	params.e820_entries = (uint8_t)boot_memory_map(mem, ranges);
	for (unsigned int i = 0; i < params.e820_entries; i++)
		params.e820_table[i] = (struct boot_e820_entry){
			.addr = ranges[i].gpa, .size = ranges[i].size, .type = ranges[i].type};
	(void)gm_write(mem, LAYOUT_LINUX_PARAMS, &params, sizeof(params));
	(void)gm_write(mem, LAYOUT_LINUX_CMDLINE, boot->cmdline, strlen(boot->cmdline) + 1);
}

static int load_kernel(struct guest_mem *mem, const struct boot_file *file,
		       const struct bzimage *image, struct vmb_err *err)
{
	void *to = gm_ptr(mem, image->gpa, image->mem_size);
	char least[16], has[16];

	if (!to)
		return vmb_err_set(
			err, ENOSPC,
			"The kernel needs memory up to %s, the virtual machine has %s "
			"below 3 GiB. Give it more memory.",
			text_format_size(image->gpa + image->mem_size, least, sizeof(least)),
			text_format_size(gm_low_end(mem), has, sizeof(has)));
	return boot_file_read(file, image->file_offset, to, image->file_size, err);
}

static int check_cmdline(const struct bzimage *image, const char *cmdline, struct vmb_err *err)
{
	uint32_t most = image->cmdline_size;

	if (most >= LAYOUT_LINUX_CMDLINE_SIZE)
		most = LAYOUT_LINUX_CMDLINE_SIZE - 1;
	if (strlen(cmdline) > most)
		return vmb_err_set(err, E2BIG,
				   "The command line has %zu characters, the kernel takes %u. "
				   "Shorten it.",
				   strlen(cmdline), most);
	return 0;
}

/* FILE is mapped. */
static int load_bzimage(struct guest_mem *mem, const struct boot_file *file,
			const struct linux_boot *boot, struct kvm_entry *ret_entry,
			struct vmb_err *err)
{
	struct boot_initrd initrd;
	struct bzimage image;
	int r = bzimage_check(file->bytes, file->size, file->size, &image, err);

	if (r == 0)
		r = check_cmdline(&image, boot->cmdline, err);
	if (r == 0)
		r = load_kernel(mem, file, &image, err);
	if (r == 0)
		r = boot_load_initrd(mem, boot->initrd_fd, image.gpa + image.mem_size,
				     image.initrd_end_max, &initrd, err);
	if (r < 0)
		return r;
	write_page_tables(mem);
	write_gdt(mem);
	write_rsdp_copy(mem, boot->rsdp);
	write_boot_params(mem, &image, file->bytes, boot, &initrd);
	*ret_entry = (struct kvm_entry){
		.is_64bit = true,
		.rip = image.gpa + ENTRY64_OFFSET,
		.boot_info = LAYOUT_LINUX_PARAMS,
		.cr3 = LAYOUT_LINUX_PAGES,
		.gdt = LAYOUT_LINUX_GDT,
	};
	return 0;
}

/*
 * Linux with hardware-reduced ACPI counts on UEFI to reboot and, where there is none, goes back to real
 * mode and jumps to F000:FFF0, as if the BIOS began there. What begins there resets the machine.
 */
static void write_reset_code(struct guest_mem *mem)
{
	static const uint8_t code[] = {
		0xBA, 0xF9, 0x0C, /* mov dx, 0xCF9 */
		0xB0, 0x06,	  /* mov al, 6: full reset */
		0xEE,		  /* out dx, al */
		0xF4,		  /* hlt */
		0xEB, 0xFD,	  /* jmp to the hlt */
	};

	(void)gm_write(mem, LAYOUT_RESET_CODE, code, sizeof(code));
}

int linux_load(struct guest_mem *mem, const struct linux_boot *boot, struct kvm_entry *ret_entry,
	       struct vmb_err *err)
{
	struct boot_file file;
	int r = boot_file_open(boot->kernel_fd, "kernel", &file, err);

	if (r == 0)
		r = boot_file_map(&file, err);
	if (r < 0)
		return r;
	if (file.size >= SELFMAG && memcmp(file.bytes, ELFMAG, SELFMAG) == 0)
		r = pvh_load_linux(mem, boot, ret_entry, err);
	else
		r = load_bzimage(mem, &file, boot, ret_entry, err);
	boot_file_unmap(&file);
	if (r == 0)
		write_reset_code(mem);
	return r;
}
