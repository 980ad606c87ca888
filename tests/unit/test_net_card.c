/*
 * What a network card is joined to: the sentences when it cannot be, and the address it gets. With the interfaces that
 * every Linux has; taps and bridges of the test's own are the machine tests' (tests/machine/test_net.py).
 */
#include "test.h"

#include <errno.h>

#include "daemon/net_card.h"
#include "daemon/net_link.h"

static void assert_says(const struct vmb_err *err, const char *part)
{
	if (!strstr(err->text, part))
		fail_msg("\"%s\" does not say \"%s\"", err->text, part);
}

/* "lo" is there everywhere, "vmb-no-such-if" nowhere. */
static void what_cannot_be_joined_is_told(void **state)
{
	static const struct {
		const char *arg;
		int code;
		const char *part, *advice;
	} cases[] = {
		{"tap=vmb-no-such-if", ENODEV, "There is no tap vmb-no-such-if", "ip tuntap add vmb-no-such-if mode tap"},
		{"tap=lo", EINVAL, "lo is no tap", "macvtap="},
		{"bridge=vmb-no-such-if", ENODEV, "There is no bridge vmb-no-such-if", "ip link add"},
		{"bridge=lo", EINVAL, "lo is no bridge", "macvtap=lo"},
		{"macvtap=vmb-no-such-if", ENODEV, "There is no network interface vmb-no-such-if", "ip link"},
	};
	struct net_card card = {.ifname = "untouched"};
	struct vm_config config;
	struct vmb_err err;

	(void)state;
	vm_config_init(&config);
	config.net_count = 1;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(vm_config_parse_net(cases[i].arg, &config.nets[0], NULL), 0);
		assert_int_equal(net_card_open(&config, 0, &card, &err), -cases[i].code);
		assert_says(&err, cases[i].part);
		assert_says(&err, cases[i].advice);
		assert_string_equal(card.ifname, "untouched");
	}
}

static void what_an_interface_is(void **state)
{
	uint16_t mtu = 0;
	int index = 0;

	(void)state;
	assert_int_equal(net_link_look("lo").kind, NET_LINK_OTHER);
	assert_int_equal(net_link_look("vmb-no-such-if").kind, NET_LINK_NONE);
	assert_int_equal(net_link_index("lo", &index), 0);
	assert_true(index > 0);
	assert_int_equal(net_link_index("vmb-no-such-if", &index), -ENODEV);
	assert_int_equal(net_link_mtu("vmb-no-such-if", &mtu), -ENODEV);
	assert_int_equal(net_link_remove("vmb-no-such-if"), -ENODEV);
}

/* The same at every start; another for another card, another disk; never of a group, always locally administered. */
static void the_address_stays(void **state)
{
	uint8_t first[6], again[6], other[6];
	struct vm_config config;

	(void)state;
	vm_config_init(&config);
	config.disk_count = 1;
	strcpy(config.disks[0].path, "/dev/disk/by-id/a");
	net_card_default_mac(&config, 0, first);
	strcpy(config.title, "renamed");
	config.memory = 4ULL << 30;
	net_card_default_mac(&config, 0, again);
	assert_memory_equal(first, again, 6);
	assert_int_equal(first[0], 0x02);
	net_card_default_mac(&config, 1, other);
	assert_memory_not_equal(first, other, 6);
	strcpy(config.disks[0].path, "/dev/disk/by-id/b");
	net_card_default_mac(&config, 0, other);
	assert_memory_not_equal(first, other, 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_cannot_be_joined_is_told),
		cmocka_unit_test(what_an_interface_is),
		cmocka_unit_test(the_address_stays),
	};

	return cmocka_run_group_tests_name("net_card", tests, NULL, NULL);
}
