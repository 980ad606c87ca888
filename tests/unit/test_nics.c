/* The host's network interfaces, below a made-up /sys. */
#include "storage_test.h"

#include <errno.h>

#include "daemon/nics.h"

static void every_kind_is_known(void **state)
{
	struct scratch *s = *state;
	struct menu_nic *nics;
	size_t count;

	assert_true(sh(
		"mkdir -p %s/sys/class/net && cd %s/sys/class/net && mkdir -p lo br0/bridge tap0 "
		"wlan0/wireless eth2/device eth10/device drv/e1000e && mv drv .. && echo 772 >lo/type; "
		"for i in br0 tap0 wlan0 eth2 eth10; do echo 1 >$i/type; echo 0x1003 >$i/flags; "
		"echo 52:54:00:12:34:56 >$i/address; echo 0 >$i/carrier; done; "
		"echo 0x1002 >tap0/tun_flags; ln -s ../../../drv/e1000e eth2/device/driver; "
		"ln -s ../br0 eth2/master; echo 1 >eth2/carrier; echo 1000 >eth2/speed; "
		"echo -1 >eth10/speed; echo 0x1002 >eth10/flags",
		s->dir, s->dir));
	assert_int_equal(nics_gather(s->dir, &nics, &count), 0);
	assert_int_equal(count, 5);
	assert_string_equal(nics[0].name, "br0");
	assert_int_equal(nics[0].kind, MENU_NIC_BRIDGE);
	assert_string_equal(nics[1].name, "eth2");
	assert_int_equal(nics[1].kind, MENU_NIC_PHYSICAL);
	assert_string_equal(nics[1].driver, "e1000e");
	assert_string_equal(nics[1].master, "br0");
	assert_string_equal(nics[1].mac, "52:54:00:12:34:56");
	assert_int_equal(nics[1].up, 1);
	assert_int_equal(nics[1].link, 1);
	assert_int_equal(nics[1].speed, 1000);
	assert_string_equal(nics[2].name, "eth10");
	assert_int_equal(nics[2].up, 0);
	assert_int_equal(nics[2].link, 0);
	assert_int_equal(nics[2].speed, 0);
	assert_string_equal(nics[3].name, "tap0");
	assert_int_equal(nics[3].kind, MENU_NIC_TAP);
	assert_string_equal(nics[4].name, "wlan0");
	assert_int_equal(nics[4].kind, MENU_NIC_WIRELESS);
	free(nics);
}

static void without_sysfs_it_says_so(void **state)
{
	struct scratch *s = *state;
	struct menu_nic *nics;
	size_t count;

	assert_int_equal(nics_gather(s->dir, &nics, &count), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_kind_is_known, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(without_sysfs_it_says_so, scratch_setup,
						scratch_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
