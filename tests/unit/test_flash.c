/* Which flash images vmboot starts, and what it says of the others (OvmfPkg's layouts). */
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "flash.h"
#include "varstore.h"

static uint8_t *file;
static uint64_t size;

/* A file of N bytes that begins with a volume of code, and ends with a jump. */
static void make_code(uint64_t n)
{
	file = realloc(file, n);
	assert_non_null(file);
	size = n;
	memset(file, 0, n);
	memcpy(file + 40, "_FVH", 4);
	memcpy(file + n - 16, "\x90\x90\xE9\x5B", 4);
}

/* The same, with variables of VARS bytes in front. */
static void make_whole(uint64_t n, size_t vars)
{
	make_code(n);
	varstore_format(file, vars);
}

static int teardown(void **state)
{
	(void)state;
	free(file);
	file = NULL;
	return 0;
}

static struct flash_image accepted(void)
{
	struct flash_image image, of_head;
	struct vmb_err err = {0};

	if (flash_check(file, size, size, &image, &err) < 0)
		fail_msg("%s", err.text);
	/* Its beginning is enough to know it by. */
	assert_int_equal(flash_check(file, 4096, size, &of_head, NULL), 0);
	assert_memory_equal(&of_head, &image, sizeof(image));
	return image;
}

static void refused(const char *word)
{
	struct vmb_err err = {0};

	assert_int_equal(flash_check(file, size, size, NULL, &err), -EINVAL);
	if (!strstr(err.text, word))
		fail_msg("\"%s\" is not in: %s", word, err.text);
}

static void code_and_whole_images_of_both_sizes(void **state)
{
	struct flash_image image;

	(void)state;
	make_code(0x1E0000); /* OVMF_CODE.fd */
	image = accepted();
	assert_int_equal(image.code_at, 0);
	assert_int_equal(image.code_size, 0x1E0000);
	assert_int_equal(image.vars_size, VARSTORE_SIZE_2M);
	make_code(0x37C000); /* OVMF_CODE_4M.fd */
	image = accepted();
	assert_int_equal(image.code_at, 0);
	assert_int_equal(image.vars_size, VARSTORE_SIZE);
	make_whole(2 << 20, VARSTORE_SIZE_2M); /* OVMF.fd */
	image = accepted();
	assert_int_equal(image.code_at, VARSTORE_SIZE_2M);
	assert_int_equal(image.code_size, 0x1E0000);
	assert_int_equal(image.vars_size, VARSTORE_SIZE_2M);
	make_whole(4 << 20, VARSTORE_SIZE);
	image = accepted();
	assert_int_equal(image.code_at, VARSTORE_SIZE);
	assert_int_equal(image.code_size, 0x37C000);
}

static void others_are_named(void **state)
{
	(void)state;
	make_code(0x37C000 - 4096);
	refused("neither OVMF of 2 nor of 4 MiB");
	make_code(4 << 20); /* of its size, but without variables */
	refused("before EDK2 202205");
	make_whole(2 << 20, VARSTORE_SIZE); /* one layout's variables, the other's size */
	refused("neither OVMF of 2 nor of 4 MiB");
	make_whole(VARSTORE_SIZE, VARSTORE_SIZE);
	refused("variables");
	make_code(0x37C000);
	memset(file + size - 16, 0xFF, 16);
	refused("damaged");
	memset(file + size - 16, 0, 16);
	refused("damaged");
	file[40] = 0;
	refused("no flash image");
}

/* A header may say anything; only what is there is read (ASan). */
static void short_heads_and_wild_headers(void **state)
{
	(void)state;
	make_whole(4 << 20, VARSTORE_SIZE);
	for (size_t n = 0; n < 128; n++) {
		uint8_t *head = malloc(n ? n : 1);

		memcpy(head, file, n);
		assert_int_equal(flash_check(head, n, size, NULL, NULL), n < 72 ? -EINVAL : 0);
		free(head);
	}
	memset(file + 0x20, 0xFF, 8);
	refused("neither");
}

static void builds_that_need_smm_are_known_by_name(void **state)
{
	(void)state;
	assert_true(flash_name_needs_smm("/usr/share/OVMF/OVMF_CODE_4M.secboot.fd"));
	assert_true(flash_name_needs_smm("OVMF_CODE_4M.ms.fd"));
	assert_true(flash_name_needs_smm("/usr/share/OVMF/OVMF_CODE_4M.snakeoil.fd"));
	assert_false(flash_name_needs_smm("/usr/share/OVMF/OVMF_CODE_4M.fd"));
	assert_false(flash_name_needs_smm("/home/me/secboot/OVMF.fd"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(code_and_whole_images_of_both_sizes),
		cmocka_unit_test(others_are_named),
		cmocka_unit_test(short_heads_and_wild_headers),
		cmocka_unit_test(builds_that_need_smm_are_known_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, teardown);
}
