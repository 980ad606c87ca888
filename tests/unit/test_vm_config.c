/* What an operator may ask for, and the sentences when it cannot be. Also the prefix key. */
#include "test.h"

#include <errno.h>
#include <stdio.h>
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

static void network_arguments_are_parsed_and_written_back(void **state)
{
	static const uint8_t mac[] = {0x52, 0x54, 0x00, 0xAB, 0xcd, 0xEF};
	static const char *const args[] = {
		"tap=tap0",
		"bridge=br-lan,queues=2",
		"macvtap=eth0.5,mac=02:00:00:00:00:01,queues=4,vhost=off",
		"tap=fifteen_letters,vhost=on",
	};
	char text[VM_NET_TEXT_SIZE];
	struct vm_net net;

	(void)state;
	assert_int_equal(vm_config_parse_net("tap=tap0", &net, NULL), 0);
	assert_int_equal(net.kind, VM_NET_TAP);
	assert_string_equal(net.name, "tap0");
	assert_int_equal(net.queues, 0);
	assert_int_equal(net.vhost, VM_NET_VHOST_AUTO);
	assert_memory_equal(net.mac, "\0\0\0\0\0\0", 6);
	assert_int_equal(vm_config_parse_net("mac=52:54:00:AB:cd:EF,vhost=auto,bridge=br0", &net, NULL), 0);
	assert_int_equal(net.kind, VM_NET_BRIDGE);
	assert_memory_equal(net.mac, mac, sizeof(mac));
	for (size_t i = 0; i < sizeof(args) / sizeof(args[0]); i++) {
		assert_int_equal(vm_config_parse_net(args[i], &net, NULL), 0);
		assert_string_equal(vm_config_format_net(&net, text, sizeof(text)), args[i]);
	}
}

static void wrong_network_arguments_are_told(void **state)
{
	static const struct {
		const char *arg, *part;
	} cases[] = {
		{"", "is not understood"},
		{"tap0", "is not understood"},
		{"tap=", "no name of a network interface"},
		{"tap=..", "no name of a network interface"},
		{"tap=../etc", "no name of a network interface"},
		{"tap=sixteen_letters_", "no name of a network interface"},
		{"tap=tap%d", "no name of a network interface"},
		{"tap=\033[2J", "\"\\x1b[2J\" is no name"},
		{"mac=02:00:00:00:00:01", "does not say what the network card is joined to"},
		{"tap=a,bridge=b", "one thing only"},
		{"tap=a,", "is not understood"},
		{"tap=a,mac=02:00:00:00:00", "is no MAC address"},
		{"tap=a,mac=02:00:00:00:00:0", "is no MAC address"},
		{"tap=a,mac=02:00:00:00:00:001", "is no MAC address"},
		{"tap=a,mac=02:00:00:00:00:0g", "is no MAC address"},
		{"tap=a,mac=0200:00:00:00:00:01", "is no MAC address"},
		{"tap=a,mac=00:00:00:00:00:00", "is no MAC address"},
		{"tap=a,mac=ff:ff:ff:ff:ff:ff", "one of a group"},
		{"tap=a,mac=01:00:5e:00:00:01", "one of a group"},
		{"tap=a,queues=0", "give queues=1 to queues=4"},
		{"tap=a,queues=5", "give queues=1 to queues=4"},
		{"tap=a,queues=two", "give queues=1 to queues=4"},
		{"tap=a,vhost=yes", "give on, off or auto"},
		{"tap=a,speed=10", "unknown option \"speed\""},
	};
	char long_arg[400];
	struct vm_net net = {.name = "untouched"};
	struct vmb_err err;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(vm_config_parse_net(cases[i].arg, &net, &err), -EINVAL);
		assert_says(&err, cases[i].part);
	}
	memset(long_arg, 'n', sizeof(long_arg));
	long_arg[sizeof(long_arg) - 1] = '\0';
	assert_int_equal(vm_config_parse_net(long_arg, &net, &err), -EINVAL);
	assert_says(&err, "too long");
	assert_string_equal(net.name, "untouched");
}

static void device_arguments_are_parsed_and_written_back(void **state)
{
	static const struct {
		const char *arg, *text;
	} cases[] = {
		{"0000:01:00.0", "0000:01:00.0"},
		{"01:00.0", "0000:01:00.0"},
		{"0000:AF:1F.7,rom=off", "0000:af:1f.7,rom=off"},
		{"10000:e1:00.0,rom=on", "10000:e1:00.0"},
		{"01:00.0,rom=off,id=144D:A80A", "0000:01:00.0,id=144d:a80a,rom=off"},
		{"10000:e1:00.0,serial=S64ENX0R.1-2_3456789012,id=144d:a80a,rom=off",
		 "10000:e1:00.0,id=144d:a80a,serial=S64ENX0R.1-2_3456789012,rom=off"},
	};
	char text[VM_VFIO_TEXT_SIZE];
	struct vm_vfio vfio;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(vm_config_parse_vfio(cases[i].arg, &vfio, NULL), 0);
		assert_string_equal(vm_config_format_vfio(&vfio, text, sizeof(text)),
				    cases[i].text);
	}
}

static void wrong_device_arguments_are_told(void **state)
{
	static const char *const addresses[] = {"",
						"1:00.0",
						"01:00",
						"01:20.0",
						"01:00.8",
						"000:01:00.0",
						"0000:01:00.0 ",
						"g1:00.0",
						"123456789:01:00.0",
						"0000:01:00.0/../x",
						"0000-01:00.0",
						"\033[2J",
						"0000:01:00.00",
						"0000:00:01:00.0"};
	static const char *const options[] = {"rom=yes",       "",
					      "id=144d",       "id=0000:a80a",
					      "id=144d:a80a0", "id=144d:",
					      "id=144d:g",     "serial=",
					      "serial=a b",    "serial=123456789012345678901234",
					      "rom=off,"};
	struct vm_vfio vfio = {.address = "untouched"};
	struct vmb_err err;
	char text[80];

	(void)state;
	for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		assert_int_equal(vm_config_parse_vfio(addresses[i], &vfio, &err), -EINVAL);
		assert_says(&err, "is no address of a PCI function");
	}
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		snprintf(text, sizeof(text), "01:00.0,%s", options[i]);
		if (vm_config_parse_vfio(text, &vfio, &err) != -EINVAL)
			fail_msg("%s is understood", text);
		assert_says(&err, "Device 0000:01:00.0: unknown option \"");
	}
	assert_int_equal(vm_config_parse_vfio("01:00.0,rom=yes", &vfio, &err), -EINVAL);
	assert_says(&err, "unknown option \"rom=yes\"");
	assert_string_equal(vfio.address, "untouched");
}

static void devices_are_checked(void **state)
{
	struct vm_config config = good();
	struct vmb_err err;

	(void)state;
	config.vfio_count = VM_MAX_VFIO + 1;
	assert_int_equal(vm_config_check(&config, &err), -ERANGE);
	assert_says(&err, "9 devices passed through are more than vmboot supports (8)");
	config.vfio_count = VM_MAX_VFIO;
	for (unsigned int i = 0; i < VM_MAX_VFIO; i++)
		snprintf(config.vfio[i].address, VM_PCI_ADDRESS_SIZE, "0000:01:00.%u", i);
	config.disk_count = VM_MAX_DISKS_OF_VFIO(VM_MAX_VFIO) + 1;
	assert_int_equal(vm_config_check(&config, &err), -ERANGE);
	assert_says(&err, "13 disks leave no room for 8 devices passed through");
	config.disk_count = 0;
	assert_int_equal(vm_config_check(&config, &err), 0);
	strcpy(config.vfio[3].address, "0000:01:00.1");
	assert_int_equal(vm_config_check(&config, &err), -EINVAL);
	assert_says(&err, "Device 0000:01:00.1 is named twice");
	strcpy(config.vfio[3].address, "0000:01:00.A");
	assert_int_equal(vm_config_check(&config, &err), -EINVAL);
	strcpy(config.vfio[3].address, "0000:01:00.3");
	strcpy(config.vfio[3].serial, "S1,rom=off");
	assert_int_equal(vm_config_check(&config, &err), -EINVAL);
	memset(config.vfio[3].serial, '0', VM_PCI_SERIAL_SIZE);
	assert_int_equal(vm_config_check(&config, &err), -EINVAL);
	strcpy(config.vfio[3].serial, "S1");
	assert_int_equal(vm_config_check(&config, &err), 0);
	memset(config.vfio[3].address, '0', VM_PCI_ADDRESS_SIZE);
	assert_int_equal(vm_config_check(&config, &err), -EINVAL);
}

static void network_cards_are_checked(void **state)
{
	struct vm_config config = good();
	struct vmb_err err;

	(void)state;
	config.net_count = VM_MAX_NETS + 1;
	assert_int_equal(vm_config_check(&config, &err), -ERANGE);
	assert_says(&err, "9 network cards are more than vmboot supports (8)");
	config.net_count = VM_MAX_NETS;
	config.disk_count = VM_MAX_DISKS;
	assert_int_equal(vm_config_check(&config, &err), -ERANGE);
	assert_says(&err, "24 disks leave no room for a network card");
	config.disk_count = VM_MAX_DISKS_OF_NETS;
	for (unsigned int i = 0; i < VM_MAX_DISKS_OF_NETS; i++)
		snprintf(config.disks[i].path, sizeof(config.disks[i].path), "/dev/disk%u", i);
	for (unsigned int i = 0; i < VM_MAX_NETS; i++)
		snprintf(config.nets[i].name, sizeof(config.nets[i].name), "tap%u", i);
	assert_int_equal(vm_config_check(&config, &err), 0);
	config.disk_count = 0;
	config.net_count = 1;
	strcpy(config.nets[0].name, "tap0");
	assert_int_equal(vm_config_check(&config, &err), 0);
	config.nets[0].kind = 3;
	assert_int_equal(vm_config_check(&config, &err), -EINVAL);
	config.nets[0].kind = VM_NET_TAP;
	config.nets[0].queues = VM_MAX_NET_QUEUES + 1;
	assert_int_equal(vm_config_check(&config, &err), -EINVAL);
	config.nets[0].queues = 0;
	memset(config.nets[0].name, 'x', sizeof(config.nets[0].name));
	assert_int_equal(vm_config_check(&config, &err), -EINVAL);
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
		cmocka_unit_test(network_arguments_are_parsed_and_written_back),
		cmocka_unit_test(wrong_network_arguments_are_told),
		cmocka_unit_test(network_cards_are_checked),
		cmocka_unit_test(device_arguments_are_parsed_and_written_back),
		cmocka_unit_test(wrong_device_arguments_are_told),
		cmocka_unit_test(devices_are_checked),
		cmocka_unit_test(prefix_key_splits_input),
	};

	return cmocka_run_group_tests_name("vm_config", tests, NULL, NULL);
}
