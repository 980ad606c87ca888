/*
 * Parses PVH images and says why a file is none. The bytes come from disks that nobody vouches
 * for: every offset is checked against what is there, sums cannot wrap.
 */
#include "pvh.h"

#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define NOTE_PHYS32_ENTRY 18 /* XEN_ELFNOTE_PHYS32_ENTRY */
#define FOUR_GIB	  (1ULL << 32)

#define BOOTS_PVH                                                                        \
	"vmboot boots PVH images, such as the CLOUDHV.fd of EDK2 202205 and later, and " \
	"flash images of OVMF."

struct span {
	const uint8_t *p;
	size_t size;
};

/* OFFSET..OFFSET+LEN lies inside SIZE. */
static bool inside(uint64_t offset, uint64_t len, uint64_t size)
{
	return offset <= size && len <= size - offset;
}

static bool is_text(const struct span *head)
{
	size_t n = head->size < 512 ? head->size : 512;

	for (size_t i = 0; i < n; i++)
		if (head->p[i] == 0 || (head->p[i] < 0x20 && !strchr("\t\r\n\f\x1b", head->p[i])))
			return false;
	return true;
}

/* What the file is, when it is not an ELF file. */
static int refuse_other(const struct span *head, struct vmb_err *err)
{
	const uint8_t *p = head->p;

	if (head->size >= 0x206 && memcmp(p + 0x202, "HdrS", 4) == 0)
		return vmb_err_set(err, EINVAL,
				   "The file is a Linux kernel (bzImage), not firmware: `vmboot "
				   "run --kernel FILE` boots it.");
	if (head->size >= 2 && memcmp(p, "MZ", 2) == 0)
		return vmb_err_set(
			err, EINVAL,
			"The file is a UEFI application, not firmware: it belongs on the "
			"EFI system partition of a disk. " BOOTS_PVH);
	if (is_text(head))
		return vmb_err_set(err, EINVAL, "The file holds text, not firmware. " BOOTS_PVH);
	return vmb_err_set(err, EINVAL, "The file is not an ELF file. " BOOTS_PVH);
}

static int check_header(const struct span *head, uint64_t file_size, Elf64_Ehdr *eh,
			struct vmb_err *err)
{
	if (file_size == 0 || head->size == 0)
		return vmb_err_set(err, EINVAL, "The file is empty. Copy the image again.");
	if (head->size < SELFMAG || memcmp(head->p, ELFMAG, SELFMAG) != 0)
		return refuse_other(head, err);
	if (head->size < EI_NIDENT)
		return vmb_err_set(
			err, EINVAL,
			"The file is cut off inside its ELF header (%llu bytes). Copy the "
			"image again.",
			(unsigned long long)file_size);
	if (head->p[EI_CLASS] == ELFCLASS32)
		return vmb_err_set(
			err, EINVAL,
			"The file is a 32-bit ELF program, not a 64-bit PVH image. " BOOTS_PVH);
	if (head->p[EI_CLASS] != ELFCLASS64 || head->p[EI_DATA] != ELFDATA2LSB)
		return vmb_err_set(
			err, EINVAL,
			"The file is an ELF file, but not a little-endian 64-bit one. " BOOTS_PVH);
	if (head->size < sizeof(*eh))
		return vmb_err_set(
			err, EINVAL,
			"The file is cut off inside its ELF header (%llu bytes). Copy the "
			"image again.",
			(unsigned long long)file_size);
	memcpy(eh, head->p, sizeof(*eh));
	if (eh->e_machine != EM_386 && eh->e_machine != EM_X86_64)
		return vmb_err_set(
			err, EINVAL,
			"The file is an ELF program for another kind of processor (machine "
			"%u), not for x86. " BOOTS_PVH,
			eh->e_machine);
	if (eh->e_phnum == 0 || eh->e_phentsize != sizeof(Elf64_Phdr))
		return vmb_err_set(err, EINVAL,
				   "The file is an ELF file without program headers, so there is "
				   "nothing to load. " BOOTS_PVH);
	if (!inside(eh->e_phoff, (uint64_t)eh->e_phnum * sizeof(Elf64_Phdr), head->size))
		return vmb_err_set(err, EINVAL,
				   "The ELF program headers lie outside the file: it is cut off or "
				   "damaged. Copy the image again.");
	return 0;
}

/* Looks for the entry point in one PT_NOTE segment. 1 found, 0 not there, -1 malformed. */
static int find_entry(const struct span *note, uint32_t *ret_entry)
{
	size_t at = 0;

	while (note->size - at >= sizeof(Elf64_Nhdr)) {
		Elf64_Nhdr nh;
		uint64_t name_len, desc_len;

		memcpy(&nh, note->p + at, sizeof(nh));
		at += sizeof(nh);
		name_len = ((uint64_t)nh.n_namesz + 3) & ~3ULL;
		desc_len = ((uint64_t)nh.n_descsz + 3) & ~3ULL;
		if (!inside(at, name_len + nh.n_descsz, note->size))
			return -1;
		if (nh.n_type == NOTE_PHYS32_ENTRY && nh.n_namesz == 4 &&
		    memcmp(note->p + at, "Xen", 4) == 0 && nh.n_descsz >= sizeof(*ret_entry)) {
			/* 4 or 8 bytes; the entry is 32-bit either way. */
			memcpy(ret_entry, note->p + at + name_len, sizeof(*ret_entry));
			return 1;
		}
		if (!inside(at, name_len + desc_len, note->size))
			return 0;
		at += name_len + desc_len;
	}
	return 0;
}

static int add_segment(struct pvh_image *image, const Elf64_Phdr *ph, uint64_t file_size,
		       struct vmb_err *err)
{
	if (ph->p_memsz == 0)
		return 0;
	if (ph->p_filesz > ph->p_memsz)
		return vmb_err_set(err, EINVAL,
				   "A segment of the ELF file has more bytes in the file than in "
				   "memory: the file is damaged. Copy the image again.");
	if (!inside(ph->p_offset, ph->p_filesz, file_size))
		return vmb_err_set(
			err, EINVAL,
			"The file is cut off: a segment needs %llu bytes from offset %llu, "
			"the file has %llu. Copy the image again.",
			(unsigned long long)ph->p_filesz, (unsigned long long)ph->p_offset,
			(unsigned long long)file_size);
	if (!inside(ph->p_paddr, ph->p_memsz, FOUR_GIB))
		return vmb_err_set(
			err, EINVAL,
			"A segment of the ELF file wants to be loaded at %#llx (%llu bytes), "
			"beyond 4 GiB. Firmware for PVH is loaded below.",
			(unsigned long long)ph->p_paddr, (unsigned long long)ph->p_memsz);
	if (image->segment_count == PVH_MAX_SEGMENTS)
		return vmb_err_set(err, EINVAL,
				   "The ELF file has more than %d segments to load. " BOOTS_PVH,
				   PVH_MAX_SEGMENTS);
	image->segments[image->segment_count++] = (struct pvh_segment){
		.file_offset = ph->p_offset,
		.file_size = ph->p_filesz,
		.gpa = ph->p_paddr,
		.mem_size = ph->p_memsz,
	};
	return 0;
}

/* Goes through the program headers. *RET_FOUND: a note named the entry. */
static int read_headers(const struct span *head, uint64_t file_size, const Elf64_Ehdr *eh,
			struct pvh_image *image, bool *ret_found, struct vmb_err *err)
{
	for (unsigned int i = 0; i < eh->e_phnum; i++) {
		Elf64_Phdr ph;
		int r = 0;

		memcpy(&ph, head->p + eh->e_phoff + i * sizeof(ph), sizeof(ph));
		if (ph.p_type == PT_LOAD)
			r = add_segment(image, &ph, file_size, err);
		if (r < 0)
			return r;
		if (ph.p_type != PT_NOTE || *ret_found)
			continue;
		if (!inside(ph.p_offset, ph.p_filesz, head->size))
			return vmb_err_set(
				err, EINVAL,
				"The notes of the ELF file lie outside it: it is cut off or "
				"damaged. Copy the image again.");
		r = find_entry(&(struct span){head->p + ph.p_offset, ph.p_filesz}, &image->entry);
		if (r < 0)
			return vmb_err_set(err, EINVAL,
					   "A note of the ELF file is longer than its segment: the "
					   "file is damaged. Copy the image again.");
		*ret_found = r == 1;
	}
	return 0;
}

static bool entry_is_loaded(const struct pvh_image *image)
{
	for (unsigned int i = 0; i < image->segment_count; i++)
		if (image->entry >= image->segments[i].gpa &&
		    image->entry - image->segments[i].gpa < image->segments[i].mem_size)
			return true;
	return false;
}

int pvh_check(const void *head_bytes, size_t head_size, uint64_t file_size,
	      struct pvh_image *ret_image, struct vmb_err *err)
{
	struct span head = {head_bytes, head_size};
	struct pvh_image image = {0};
	bool found = false;
	Elf64_Ehdr eh;
	int r = check_header(&head, file_size, &eh, err);

	if (r < 0)
		return r;
	r = read_headers(&head, file_size, &eh, &image, &found, err);
	if (r < 0)
		return r;
	if (!found)
		return vmb_err_set(
			err, EINVAL,
			"The file is an ELF program without the PVH note that names its "
			"entry point, so it is not made to be booted this way. " BOOTS_PVH);
	if (!entry_is_loaded(&image))
		return vmb_err_set(
			err, EINVAL,
			"The entry point %#x of the image lies in none of its segments: the "
			"file is damaged. Copy the image again.",
			image.entry);
	if (ret_image)
		*ret_image = image;
	return 0;
}
