/* Boot phases from sequences of what firmware and operating systems do (vmm/progress.h). */
#include "test.h"

#include <stdlib.h>

#include "vmm/progress.h"

enum kind { CMOS, TEXT, VIRTIO, END };

struct event {
	enum kind kind;
	uint8_t reg, value; /* CMOS */
	enum virtio_event virtio;
	const char *text;
	enum vmm_stage after; /* what it must have come to */
};

#define AT_CMOS(r, v, s)                                                       \
	{                                                                      \
		.kind = CMOS, .reg = (r), .value = (v), .after = VMM_STAGE_##s \
	}
#define AT_TEXT(t, s)                                             \
	{                                                         \
		.kind = TEXT, .text = (t), .after = VMM_STAGE_##s \
	}
#define AT_VIRTIO(e, s)                                                            \
	{                                                                          \
		.kind = VIRTIO, .virtio = VIRTIO_EVENT_##e, .after = VMM_STAGE_##s \
	}

struct fixture {
	struct progress progress;
	unsigned int changes;
	enum vmm_stage told;
};

static void changed(void *ctx)
{
	struct fixture *f = ctx;

	f->changes++;
	f->told = progress_stage(&f->progress);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	progress_init(&f->progress, changed, f);
	progress_reset(&f->progress, VMM_STAGE_SEC);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	progress_fini(&f->progress);
	free(f);
	return 0;
}

static void cmos(struct fixture *f, uint8_t reg, uint8_t value)
{
	progress_cmos_write(&f->progress, 0, 1, reg);
	progress_cmos_write(&f->progress, 1, 1, value);
}

static void print(struct fixture *f, const char *text)
{
	for (; *text; text++)
		progress_serial(&f->progress, (uint8_t)*text);
}

/* Plays them; after each the stage must be right, and every new one must have been told. */
static void play(struct fixture *f, const struct event *e)
{
	for (unsigned int i = 0; e->kind != END; e++, i++) {
		enum vmm_stage before = progress_stage(&f->progress);
		unsigned int changes = f->changes;

		switch (e->kind) {
		case CMOS: cmos(f, e->reg, e->value); break;
		case TEXT: print(f, e->text); break;
		default: progress_virtio_event(&f->progress, e->virtio); break;
		}
		if (progress_stage(&f->progress) != e->after)
			fail_msg("event %u: %s instead of %s", i,
				 vmm_stage_name(progress_stage(&f->progress)),
				 vmm_stage_name(e->after));
		if ((f->changes != changes) != (before != e->after))
			fail_msg("event %u: told %u times", i, f->changes - changes);
	}
	assert_int_equal(f->told, progress_stage(&f->progress));
}

/* CLOUDHV.fd with a boot loader that an operating system follows. */
static void firmware_loader_and_linux(void **state)
{
	static const struct event events[] = {
		AT_CMOS(0x34, 0x12, SEC),
		AT_CMOS(0x0F, 0, PEI),
		AT_CMOS(0x0B, 2, PEI),
		AT_CMOS(0x0A, 0x26, DXE),
		AT_CMOS(0x0D, 0, DXE),
		AT_VIRTIO(SIZED, BDS),
		AT_VIRTIO(SIZED, BDS),
		AT_TEXT("\033[2J\033[01;01H", BDS),
		AT_VIRTIO(DRIVEN, BDS),
		AT_VIRTIO(DRIVEN, BDS),
		AT_TEXT("BdsDxe: loading Boot0001 \"disk\" from PciRoot(0x0)\r\n", BDS),
		AT_TEXT("BdsDxe: starting Boot0001 \"disk\" from PciRoot(0x0)\r\n", LOADER),
		AT_CMOS(0x0F, 0, LOADER),
		AT_TEXT("GNU GRUB  version 2.06\r\n", LOADER),
		AT_VIRTIO(GIVEN_BACK, LOADER),
		AT_VIRTIO(GIVEN_BACK, OS),
		AT_TEXT("[    0.000000] Linux version\r\nBdsDxe: starting Boot0001", OS),
		AT_VIRTIO(DRIVEN, OS),
		AT_VIRTIO(MSIX, OS),
		AT_VIRTIO(GIVEN_BACK, OS),
		AT_CMOS(0x0F, 0, OS),
		{.kind = END},
	};

	play(*state, events);
}

static void boot_option_that_fails_goes_back_to_bds(void **state)
{
	static const struct event events[] = {
		AT_CMOS(0x0F, 0, PEI),
		AT_CMOS(0x0D, 0, DXE),
		AT_TEXT("x", BDS),
		AT_TEXT("BdsDxe: loading Boot0001 \"a\"\r\nBdsDxe: starting Boot0001 \"a\"\r\n",
			LOADER),
		AT_TEXT("BdsDxe: failed to start Boot0001 \"a\": Not Found\r\n", BDS),
		AT_TEXT("BdsDxe: loading Boot0002 \"b\"\r\n", BDS),
		AT_TEXT("BBdsDxe: starting Boot0002 \"b\"\r\n", LOADER),
		AT_VIRTIO(MSIX, OS),
		{.kind = END},
	};

	play(*state, events);
}

/* EDK2's drivers try a device, let it go and take it again, while it is still the firmware's. */
static void device_reset_by_the_firmware_is_no_operating_system(void **state)
{
	static const struct event events[] = {
		AT_VIRTIO(GIVEN_BACK, SEC),
		AT_VIRTIO(DRIVEN, BDS),
		AT_VIRTIO(GIVEN_BACK, BDS),
		AT_VIRTIO(DRIVEN, BDS),
		AT_TEXT("BdsDxe: starting Boot0003 \"EFI Internal Shell\"", LOADER),
		AT_VIRTIO(GIVEN_BACK, OS),
		{.kind = END},
	};

	play(*state, events);
}

/* A debug build prints from its first instruction on: that is not BDS yet. */
static void output_before_dxe_says_nothing(void **state)
{
	static const struct event events[] = {
		AT_TEXT("SecCoreStartupWithStack\r\n", SEC),
		AT_CMOS(0x0F, 0, PEI),
		AT_TEXT("Platform PEIM Loaded\r\n", PEI),
		AT_CMOS(0x0A, 0x26, DXE),
		AT_TEXT("P", BDS),
		{.kind = END},
	};

	play(*state, events);
}

static void only_a_cleared_shutdown_status_is_pei(void **state)
{
	static const struct event events[] = {
		AT_CMOS(0x0F, 0x0A, SEC),
		AT_CMOS(0x10, 0, SEC),
		AT_CMOS(0x8F, 0, PEI), /* with NMI masked */
		{.kind = END},
	};

	play(*state, events);
}

static void one_word_to_both_cmos_ports_is_index_and_value(void **state)
{
	struct fixture *f = *state;

	progress_cmos_write(&f->progress, 0, 2, 0x000F);
	assert_int_equal(progress_stage(&f->progress), VMM_STAGE_PEI);
	progress_cmos_write(&f->progress, 0, 2, 0x260A);
	assert_int_equal(progress_stage(&f->progress), VMM_STAGE_DXE);
}

static void reset_begins_anew(void **state)
{
	struct fixture *f = *state;
	unsigned int changes;

	progress_virtio_event(&f->progress, VIRTIO_EVENT_DRIVEN);
	print(f, "BdsDxe: starting Boo");
	print(f, "BdsDxe: start");
	progress_cmos_write(&f->progress, 0, 1, 0x0F);
	progress_reset(&f->progress, VMM_STAGE_SEC);
	assert_int_equal(f->told, VMM_STAGE_SEC);
	/* Neither half a text, nor the index, nor the device's driver is remembered. */
	print(f, "ing");
	assert_int_equal(progress_stage(&f->progress), VMM_STAGE_SEC);
	progress_cmos_write(&f->progress, 1, 1, 0);
	assert_int_equal(progress_stage(&f->progress), VMM_STAGE_SEC);
	progress_virtio_event(&f->progress, VIRTIO_EVENT_DRIVEN);
	print(f, "BdsDxe: starting");
	progress_virtio_event(&f->progress, VIRTIO_EVENT_GIVEN_BACK);
	assert_int_equal(progress_stage(&f->progress), VMM_STAGE_OS);
	changes = f->changes;
	progress_reset(&f->progress, VMM_STAGE_OS);
	assert_int_equal(f->changes, changes);
}

static void every_stage_has_a_name(void **state)
{
	(void)state;
	for (uint32_t i = VMM_STAGE_SEC; i <= VMM_STAGE_OS; i++)
		assert_true(vmm_stage_name(i)[0] != '\0');
	assert_string_equal(vmm_stage_name(0), "");
	assert_string_equal(vmm_stage_name(VMM_STAGE_OS + 1), "");
	assert_string_equal(vmm_stage_name(UINT32_MAX), "");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(firmware_loader_and_linux),
		TEST(boot_option_that_fails_goes_back_to_bds),
		TEST(device_reset_by_the_firmware_is_no_operating_system),
		TEST(output_before_dxe_says_nothing),
		TEST(only_a_cleared_shutdown_status_is_pei),
		TEST(one_word_to_both_cmos_ports_is_index_and_value),
		TEST(reset_begins_anew),
		TEST(every_stage_has_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
