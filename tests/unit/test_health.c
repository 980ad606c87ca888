/* What a disk's SMART log page means: values of the NVM Express Base Specification 2.0, 5.16.1.3. */
#include "test.h"

#include <errno.h>
#include <string.h>

#include "storage/health.h"

static struct storage_health health;

static const char *describe(uint8_t warning, uint8_t used, uint8_t errors)
{
	uint8_t page[HEALTH_PAGE_SIZE] = {0};

	page[0] = warning;
	page[3] = 100; /* available spare, and its threshold: the warning says when it is less */
	page[4] = 10;
	page[5] = used;
	page[160] = errors;
	health_describe(page, &health);
	return health.text;
}

static void test_a_healthy_disk(void **state)
{
	(void)state;
	assert_string_equal(describe(0, 3, 0), "health ok, 3 % of its life used");
	assert_int_equal(health.failing, 0);
	/* It may go on beyond what was promised of it. */
	assert_string_equal(describe(0, 255, 1), "health ok, 255 % of its life used, 1 media error");
	assert_int_equal(health.failing, 0);
	assert_string_equal(describe(0x02, 0, 0), "health ok, 0 % of its life used, too hot or too cold");
	assert_int_equal(health.failing, 0);
}

static void test_a_failing_disk(void **state)
{
	(void)state;
	assert_string_equal(describe(0x01, 99, 0), "failing: spares used up");
	assert_int_equal(health.failing, 1);
	assert_string_equal(describe(0x04, 99, 7), "failing: unreliable, 7 media errors");
	assert_string_equal(describe(0x10, 0, 0), "failing: no power backup");
	/* The worst of several. */
	assert_string_equal(describe(0x1F, 0, 0), "failing: read-only now");
	assert_int_equal(health.failing, 1);
}

/* Every page ends in a text that fits. */
static void test_any_page(void **state)
{
	uint8_t page[HEALTH_PAGE_SIZE];

	(void)state;
	memset(page, 0xFF, sizeof(page));
	health_describe(page, &health);
	assert_non_null(memchr(health.text, '\0', sizeof(health.text)));
	assert_non_null(strstr(health.text, "18446744073709551615 media errors"));
}

static void test_only_whole_nvme_disks_are_asked(void **state)
{
	(void)state;
	assert_int_equal(storage_health("/dev/sda", &health), -ENOTSUP);
	assert_int_equal(storage_health("/dev/nvme0n1p1", &health), -ENOTSUP);
	assert_int_equal(storage_health("/dev/nvme", &health), -ENOTSUP);
	assert_int_equal(storage_health("/nowhere/nvme0n1", &health), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_healthy_disk),
		cmocka_unit_test(test_a_failing_disk),
		cmocka_unit_test(test_any_page),
		cmocka_unit_test(test_only_whole_nvme_disks_are_asked),
	};

	return cmocka_run_group_tests_name("health", tests, NULL, NULL);
}
