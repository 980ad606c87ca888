/*
 * See storage/image.h. Specs: lib/pvh.c for PVH, lib/flash.c for OVMF; the kernel's
 * Documentation/arch/x86/boot.rst (bzImage); Microsoft PE/COFF and UEFI 2.10 section 2.1.1 (UEFI images).
 */
#include "image.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "err.h"
#include "flash.h"
#include "pvh.h"
#include "text.h"
#include "varstore.h"

static const char advice[] = "Use CLOUDHV.fd (Debian: package cloudhv-efi-x86-64).";

struct head {
	const uint8_t *bytes;
	size_t size;
};

static uint64_t get_le(const struct head *head, size_t at, size_t n)
{
	uint64_t value = 0;

	if (at > head->size || n > head->size - at)
		return 0;
	for (size_t i = n; i > 0; i--)
		value = value << 8 | head->bytes[at + i - 1];
	return value;
}

static bool has(const struct head *head, size_t at, const void *magic, size_t n)
{
	return at <= head->size && n <= head->size - at && memcmp(head->bytes + at, magic, n) == 0;
}

static bool is_vars(const struct head *head, uint64_t file_size)
{
	return file_size > 0 && varstore_volume_size(head->bytes, head->size) == file_size;
}

static bool is_linux(const struct head *head)
{
	return has(head, 0x1FE, "\x55\xAA", 2) && has(head, 0x202, "HdrS", 4);
}

/* kernel_version: offset of a string, less 0x200 (boot.rst); protocol 2.00 and later. */
static void take_linux_version(const struct head *head, struct image_info *info)
{
	size_t at = (size_t)get_le(head, 0x20E, 2) + 0x200, n;

	if (at <= 0x200 || at >= head->size)
		return;
	n = strnlen((const char *)head->bytes + at, head->size - at);
	if (n >= sizeof(info->version))
		n = sizeof(info->version) - 1;
	memcpy(info->version, head->bytes + at, n);
	info->version[n] = '\0';
	info->version[strcspn(info->version, " ")] = '\0';
}

static bool is_uefi_app(const struct head *head)
{
	size_t pe = (size_t)get_le(head, 0x3C, 4);
	uint64_t subsystem;

	if (!has(head, 0, "MZ", 2) || !has(head, pe, "PE\0\0", 4) ||
	    get_le(head, pe + 24, 2) != 0x20B)
		return false;
	subsystem = get_le(head, pe + 24 + 68, 2);
	return subsystem >= 10 && subsystem <= 12;
}

static enum image_kind find_kind(const struct head *head, uint64_t file_size, struct vmb_err *why)
{
	if (file_size == 0 || head->size == 0)
		return IMAGE_EMPTY;
	if (has(head, 0,
		"\x7F"
		"ELF",
		4))
		return pvh_check(head->bytes, head->size, file_size, NULL, why) == 0 ? IMAGE_PVH
										     : IMAGE_ELF;
	if (is_vars(head, file_size))
		return IMAGE_VARS;
	if (flash_is_volume(head->bytes, head->size))
		return flash_check(head->bytes, head->size, file_size, NULL, why) == 0
			       ? IMAGE_FLASH
			       : IMAGE_VOLUME;
	/* A bzImage with an EFI stub is a UEFI application too; what it is first is a kernel. */
	if (is_linux(head))
		return IMAGE_LINUX;
	if (is_uefi_app(head))
		return IMAGE_UEFI_APP;
	return IMAGE_UNKNOWN;
}

const char *image_kind_name(enum image_kind kind)
{
	switch (kind) {
	case IMAGE_EMPTY: return "empty file";
	case IMAGE_PVH: return "PVH ELF";
	case IMAGE_ELF: return "ELF";
	case IMAGE_FLASH: return "OVMF flash image";
	case IMAGE_VOLUME: return "flash image";
	case IMAGE_VARS: return "variable store";
	case IMAGE_LINUX: return "Linux kernel";
	case IMAGE_UEFI_APP: return "UEFI application";
	case IMAGE_UNKNOWN: break;
	}
	return "unknown";
}

static void explain(struct image_info *info, const struct vmb_err *why)
{
	switch (info->kind) {
	case IMAGE_PVH:
	case IMAGE_FLASH: break;
	case IMAGE_EMPTY:
		text_copy(info->reason, sizeof(info->reason), "The file is empty. Copy it again.");
		break;
	case IMAGE_ELF:
	case IMAGE_VOLUME: text_copy(info->reason, sizeof(info->reason), why->text); break;
	case IMAGE_VARS:
		snprintf(info->reason, sizeof(info->reason),
			 "A store of UEFI variables, not firmware. %s", advice);
		break;
	case IMAGE_LINUX:
		snprintf(info->reason, sizeof(info->reason), "A Linux kernel, not firmware. %s",
			 advice);
		break;
	case IMAGE_UEFI_APP:
		text_copy(info->reason, sizeof(info->reason),
			  "A UEFI program, not firmware. Firmware starts it from a FAT disk as "
			  "EFI/BOOT/BOOTX64.EFI.");
		break;
	case IMAGE_UNKNOWN:
		snprintf(info->reason, sizeof(info->reason),
			 "Not a firmware image that vmboot knows. %s", advice);
		break;
	}
}

void image_classify(const void *head, size_t head_size, uint64_t file_size,
		    struct image_info *ret_info)
{
	struct head h = {.bytes = head, .size = head_size};
	struct image_info info = {0};
	struct vmb_err why = {0};

	info.kind = find_kind(&h, file_size, &why);
	if (info.kind == IMAGE_LINUX)
		take_linux_version(&h, &info);
	explain(&info, &why);
	*ret_info = info;
}
