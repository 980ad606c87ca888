/* What an operator may ask for, and the sentences when it cannot be. Also the prefix key. */
#include "test.h"

#include <errno.h>
#include <unistd.h>

#include "prefix.h"
#include "vm_config.h"

static struct vm_config good(void)
{
	struct vm_config config;

	vm_config_init(&config);
	strcpy(config.firmware_path, "/firmware/CLOUDHV.fd");
	config.memory = 128 << 20;
	return config;
}

static void assert_says(const struct vmb_err *err, const char *part)
{
	if (!strstr(err->text, part))
		fail_msg("\"%s\" does not say \"%s\"", err->text, part);
}

static void good_configuration_passes(void **state)
{
	struct vm_config config = good();
	struct vmb_err err;

	(void)state;
	assert_int_equal(vm_config_check(&config, &err), 0);
	config.cpus = (uint32_t)sysconf(_SC_NPROCESSORS_ONLN);
	config.memory = VM_MIN_MEMORY;
	assert_int_equal(vm_config_check(&config, NULL), 0);
}

static void limits_are_told(void **state)
{
	struct vm_config config;
	struct vmb_err err;

	(void)state;
	config = good();
	config.memory = 63 << 20;
	assert_int_equal(vm_config_check(&config, &err), -ERANGE);
	assert_says(&err, "too small");
	assert_says(&err, "64M");
	config.memory = 1ULL << 50;
	assert_int_equal(vm_config_check(&config, &err), -ERANGE);
	assert_says(&err, "free");
	config.memory = (128 << 20) + 4096;
	assert_int_equal(vm_config_check(&config, &err), -EINVAL);

	config = good();
	config.cpus = 0;
	assert_int_equal(vm_config_check(&config, &err), -ERANGE);
	assert_says(&err, "at least 1 CPU");
	config.cpus = (uint32_t)sysconf(_SC_NPROCESSORS_ONLN) + 1;
	assert_int_equal(vm_config_check(&config, &err), -ERANGE);
	assert_says(&err, "more than this machine has");
	config.cpus = 255;
	assert_int_equal(vm_config_check(&config, &err), -ERANGE);

	config = good();
	config.disk_count = VM_MAX_DISKS + 1;
	assert_int_equal(vm_config_check(&config, &err), -ERANGE);

	config = good();
	config.firmware_path[0] = '\0';
	assert_int_equal(vm_config_check(&config, &err), -EINVAL);
	assert_says(&err, "No firmware");
}

static void a_kernel_excludes_firmware_and_variables(void **state)
{
	struct vm_config config = good();
	struct vmb_err err;

	(void)state;
	strcpy(config.initrd_path, "/boot/initrd.img");
	assert_int_equal(vm_config_check(&config, &err), -EINVAL);
	assert_says(&err, "go with a kernel");
	config = good();
	strcpy(config.cmdline, "quiet");
	assert_int_equal(vm_config_check(&config, &err), -EINVAL);
	assert_says(&err, "go with a kernel");

	strcpy(config.kernel_path, "/boot/vmlinuz");
	assert_int_equal(vm_config_check(&config, &err), -EINVAL);
	assert_says(&err, "Both firmware and a kernel");
	config.firmware_path[0] = '\0';
	assert_int_equal(vm_config_check(&config, &err), 0);
	strcpy(config.initrd_path, "/boot/initrd.img");
	assert_int_equal(vm_config_check(&config, &err), 0);
	strcpy(config.firmware_device, "/dev/sda1");
	assert_int_equal(vm_config_check(&config, &err), -EINVAL);
	assert_says(&err, "Both firmware and a kernel");
	config.firmware_device[0] = '\0';
	strcpy(config.vars_path, "vars.fd");
	assert_int_equal(vm_config_check(&config, &err), -EINVAL);
	assert_says(&err, "no UEFI");
	config.vars_path[0] = '\0';
	memset(config.cmdline, 'x', sizeof(config.cmdline));
	assert_int_equal(vm_config_check(&config, &err), -EINVAL);
	assert_says(&err, "text without an end");
}

static void strings_without_an_end_are_refused(void **state)
{
	struct vm_config config = good();
	struct vmb_err err;

	(void)state;
	memset(config.title, 'x', sizeof(config.title));
	assert_int_equal(vm_config_check(&config, &err), -EINVAL);
	config = good();
	config.disk_count = 1;
	memset(config.disks[0].path, '/', sizeof(config.disks[0].path));
	assert_int_equal(vm_config_check(&config, &err), -EINVAL);
	config = good();
	config.disk_count = 1;
	config.disks[0].sector = 1024;
	assert_int_equal(vm_config_check(&config, &err), -EINVAL);
	assert_says(&err, "512 or 4096");
	config.disks[0].sector = 0;
	strcpy(config.disks[0].serial, "a b");
	assert_int_equal(vm_config_check(&config, &err), -EINVAL);
	assert_says(&err, "printable");
}

static void disk_arguments_are_parsed(void **state)
{
	struct vm_disk disk;

	(void)state;
	assert_int_equal(vm_config_parse_disk("/dev/sda", &disk, NULL), 0);
	assert_string_equal(disk.path, "/dev/sda");
	assert_false(disk.read_only || disk.overlay || disk.serial[0]);
	assert_int_equal(vm_config_parse_disk("a,,b.img,ro,serial=12345678901234567890", &disk, NULL), 0);
	assert_string_equal(disk.path, "a,b.img");
	assert_true(disk.read_only);
	assert_string_equal(disk.serial, "12345678901234567890");
	assert_int_equal(vm_config_parse_disk("x,overlay", &disk, NULL), 0);
	assert_true(disk.overlay && !disk.read_only);
	assert_int_equal(disk.overlay_limit, 0);
	assert_int_equal(disk.sector, 0);
	assert_int_equal(vm_config_parse_disk("x,overlay=1.5G,sector=4096", &disk, NULL), 0);
	assert_true(disk.overlay);
	assert_int_equal(disk.overlay_limit, 3ULL << 29);
	assert_int_equal(disk.sector, 4096);
	assert_int_equal(vm_config_parse_disk("x,sector=512", &disk, NULL), 0);
	assert_int_equal(disk.sector, 512);
}

static void wrong_disk_arguments_are_told(void **state)
{
	static const struct {
		const char *arg, *part;
	} cases[] = {
		{"", "needs a path"},
		{",ro", "needs a path"},
		{"x,rw", "unknown option \"rw\""},
		{"x,", "unknown option \"\""},
		{"x,ro,overlay", "exclude"},
		{"x,serial=", "unknown option"},
		{"x,overlay=", "is no size"},
		{"x,overlay=0", "is no size"},
		{"x,overlay=lots", "is no size"},
		{"x,overlay=00000000000000000000000000000000000000001G", "is no size"},
		{"x,overlay=1G,ro", "exclude"},
		{"x,sector=1024", "unknown option"},
		{"x,sector=", "unknown option"},
		{"x,serial=123456789012345678901", "longer than 20"},
		{"x,\033[2J", "unknown option \"\\x1b[2J\""},
	};
	char long_path[400];
	struct vm_disk disk = {.path = "untouched"};
	struct vmb_err err;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(vm_config_parse_disk(cases[i].arg, &disk, &err), -EINVAL);
		assert_says(&err, cases[i].part);
	}
	memset(long_path, 'p', sizeof(long_path));
	long_path[sizeof(long_path) - 1] = '\0';
	assert_int_equal(vm_config_parse_disk(long_path, &disk, &err), -EINVAL);
	assert_says(&err, "longer than 255");
	assert_string_equal(disk.path, "untouched");
}

static void prefix_key_splits_input(void **state)
{
	struct prefix prefix = {0};
	uint8_t byte = 0;

	(void)state;
	assert_int_equal(prefix_feed(&prefix, 'k', &byte), PREFIX_PASS);
	assert_int_equal(byte, 'k');
	/* Every other byte passes, those of UTF-8 and ESC too. */
	for (int b = 0; b < 256; b++) {
		if (b == PREFIX_KEY)
			continue;
		assert_int_equal(prefix_feed(&prefix, (uint8_t)b, &byte), PREFIX_PASS);
		assert_int_equal(byte, b);
	}
	assert_int_equal(prefix_feed(&prefix, PREFIX_KEY, &byte), PREFIX_WAIT);
	assert_int_equal(prefix_feed(&prefix, 'k', &byte), PREFIX_KILL);
	assert_int_equal(prefix_feed(&prefix, 'k', &byte), PREFIX_PASS);
	assert_int_equal(prefix_feed(&prefix, PREFIX_KEY, &byte), PREFIX_WAIT);
	assert_int_equal(prefix_feed(&prefix, PREFIX_KEY, &byte), PREFIX_PASS);
	assert_int_equal(byte, PREFIX_KEY);
	assert_int_equal(prefix_feed(&prefix, PREFIX_KEY, &byte), PREFIX_WAIT);
	assert_int_equal(prefix_feed(&prefix, 'z', &byte), PREFIX_UNKNOWN);
	assert_int_equal(prefix_feed(&prefix, 'z', &byte), PREFIX_PASS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_configuration_passes),
		cmocka_unit_test(limits_are_told),
		cmocka_unit_test(a_kernel_excludes_firmware_and_variables),
		cmocka_unit_test(strings_without_an_end_are_refused),
		cmocka_unit_test(disk_arguments_are_parsed),
		cmocka_unit_test(wrong_disk_arguments_are_told),
		cmocka_unit_test(prefix_key_splits_input),
	};

	return cmocka_run_group_tests_name("vm_config", tests, NULL, NULL);
}
