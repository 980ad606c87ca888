/* Many disks: the guest finds each of them, and neither resets nor the end leave anything behind. */
#include "machine.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char disk_path[] = "/tmp/vmboot-kvm-disk.XXXXXX";

static int make_disk(void **state)
{
	int fd = mkstemp(disk_path);

	(void)state;
	if (fd < 0 || ftruncate(fd, 1 << 20) < 0)
		return -1;
	close(fd);
	return 0;
}

static int remove_disk(void **state)
{
	(void)state;
	return unlink(disk_path);
}

static void every_disk_is_found(void **state, uint32_t disks, uint32_t cpus)
{
	struct machine *m = machine_start_for(state, &(struct machine_config){.guest = "disks",
									      .cpus = cpus,
									      .disk = disk_path,
									      .disk_count = disks});
	char text[32];
	unsigned int fds;

	snprintf(text, sizeof(text), "disks %08X", disks);
	machine_expect_message(m, VMM_STARTED);
	machine_expect_output(m, text);
	fds = machine_fd_count(m);
	for (int i = 0; i < 5; i++) {
		machine_send(m, VMM_RESET);
		machine_expect_message(m, VMM_WAS_RESET);
		machine_expect_output(m, text);
	}
	assert_int_equal(machine_fd_count(m), fds);
	machine_send(m, VMM_STOP);
	assert_int_equal(machine_expect_exit(m, VMM_EXIT_STOPPED, NULL), 0);
}

static void sixteen_disks(void **state)
{
	every_disk_is_found(state, 16, 1);
}

static void sixteen_disks_with_several_queues(void **state)
{
	every_disk_is_found(state, 16, 4);
}

static void as_many_as_there_can_be(void **state)
{
	every_disk_is_found(state, VM_MAX_DISKS, 2);
}

static void one_disk_with_four_queues(void **state)
{
	every_disk_is_found(state, 1, 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		MACHINE_TEST(sixteen_disks),
		MACHINE_TEST(sixteen_disks_with_several_queues),
		MACHINE_TEST(as_many_as_there_can_be),
		MACHINE_TEST(one_disk_with_four_queues),
	};

	machine_need_kvm();
	return cmocka_run_group_tests_name("disks", tests, make_disk, remove_disk);
}
