/*
 * See include/flash.h. The volume header is that of PI 1.7, volume 3, 3.2.1. Like every image these come
 * from disks that nobody vouches for.
 */
#include "flash.h"

#include <errno.h>
#include <string.h>

#include "varstore.h"

#define SIGNATURE_AT 40 /* EFI_FIRMWARE_VOLUME_HEADER.Signature */
#define HEADER_SIZE  72
#define RESET_VECTOR 16 /* bytes of it, at the end */
#define CODE_SIZE_2M 0x1E0000
#define CODE_SIZE_4M 0x37C000
#define USE_CLOUDHV  "Use CLOUDHV.fd (Debian: package cloudhv-efi-x86-64)."

const char flash_smm_text[] = "It needs System Management Mode, which vmboot's machine does not "
			      "have. Use an image without Secure Boot, or CLOUDHV.fd.";

/* Each layout: code and variables together are the size it is called by. */
static const struct {
	uint32_t code, vars;
} layouts[] = {
	{CODE_SIZE_2M, VARSTORE_SIZE_2M},
	{CODE_SIZE_4M, VARSTORE_SIZE},
};

bool flash_is_volume(const void *head, size_t head_size)
{
	return head_size >= HEADER_SIZE &&
	       memcmp((const uint8_t *)head + SIGNATURE_AT, "_FVH", 4) == 0;
}

/* All zeroes or all ones: nothing was ever programmed there. */
static bool is_blank(const uint8_t *bytes, size_t n)
{
	return (bytes[0] == 0 || bytes[0] == 0xFF) && memcmp(bytes, bytes + 1, n - 1) == 0;
}

static int find_layout(const void *head, size_t head_size, uint64_t file_size,
		       struct flash_image *ret_image)
{
	uint32_t vars = (uint32_t)varstore_volume_size(head, head_size);

	for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++) {
		uint32_t at = vars ? layouts[i].vars : 0;

		if (file_size != at + layouts[i].code || vars != at)
			continue;
		*ret_image = (struct flash_image){at, layouts[i].code, layouts[i].vars};
		return 0;
	}
	return -EINVAL;
}

int flash_check(const void *head, size_t head_size, uint64_t file_size,
		struct flash_image *ret_image, struct vmb_err *err)
{
	const uint8_t *bytes = head;
	struct flash_image image;

	if (!flash_is_volume(head, head_size))
		return vmb_err_set(err, EINVAL,
				   "The file does not begin with a firmware volume, so it is no "
				   "flash image. " USE_CLOUDHV);
	if (varstore_volume_size(head, head_size) == file_size)
		return vmb_err_set(err, EINVAL,
				   "The file is a store of UEFI variables, not firmware. Give it "
				   "as the variable file.");
	if (file_size == 4 << 20 && !varstore_volume_size(head, head_size))
		return vmb_err_set(
			err, EINVAL,
			"The file is a raw flash image, probably a CLOUDHV.fd from before "
			"EDK2 202205. " USE_CLOUDHV);
	if (find_layout(head, head_size, file_size, &image) < 0)
		return vmb_err_set(
			err, EINVAL,
			"The file is a flash image, but neither OVMF of 2 nor of 4 MiB: it has "
			"%llu bytes. It is truncated, or for another machine. " USE_CLOUDHV,
			(unsigned long long)file_size);
	if (head_size == file_size && is_blank(bytes + file_size - RESET_VECTOR, RESET_VECTOR))
		return vmb_err_set(err, EINVAL,
				   "The flash image is damaged: there is nothing at its end, where "
				   "the processor begins. Copy it again.");
	if (ret_image)
		*ret_image = image;
	return 0;
}

bool flash_name_needs_smm(const char *path)
{
	static const char *const marks[] = {"secboot", "smm", ".ms.", ".snakeoil."};
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;

	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
		if (strcasestr(name, marks[i]))
			return true;
	return false;
}
