/*
 * A hundred resets while a disk is read as fast as it goes, by the guest of the bench: nothing is
 * left behind in the vmm, every life reads again, and what it reads is right.
 */
#include "machine.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GUEST  "build/bench/blk.elf"
#define BLOCK  4096
#define BLOCKS 256
#define DEPTH  32
#define RESETS 100
#define WARM   10 /* resets after which nothing may grow any more */

static char disk_path[] = "/tmp/vmboot-kvm-disk.XXXXXX";

/* Block n begins with the number n: the guest looks at that. */
static int make_disk(void **state)
{
	int fd = mkstemp(disk_path);

	*state = NULL;
	if (fd < 0)
		return -1;
	for (uint64_t i = 0; i < BLOCKS; i++) {
		uint64_t block[BLOCK / 8] = {i};

		if (pwrite(fd, block, BLOCK, (off_t)(i * BLOCK)) != BLOCK)
			return -1;
	}
	return close(fd);
}

static int remove_disk(void **state)
{
	machine_free(*state);
	return unlink(disk_path);
}

/* What stands behind the magic in the guest's image (tests/bench/guest/blk.c). */
struct guest_params {
	char magic[16];
	uint32_t depth, count, blocks, sleep;
};

static int guest_memfd(bool sleeps)
{
	struct guest_params params = {"vmboot-bench-blk", DEPTH, UINT32_MAX, BLOCKS, sleeps};
	static uint8_t image[1 << 20];
	int fd = open(GUEST, O_RDONLY | O_CLOEXEC);
	uint8_t *at;
	ssize_t n;

	if (fd < 0)
		fail_msg("%s is missing: make check-kvm builds it", GUEST);
	n = read(fd, image, sizeof(image));
	close(fd);
	assert_in_range(n, 1, sizeof(image) - 1);
	at = memmem(image, (size_t)n, params.magic, sizeof(params.magic));
	assert_non_null(at);
	memcpy(at, &params, sizeof(params));
	return machine_sealed_memfd(image, (size_t)n);
}

static void get_status(struct machine *m, struct vmm_status *ret_status)
{
	machine_send(m, VMM_GET_STATUS);
	assert_int_equal(machine_next_message(m, ret_status, sizeof(*ret_status)), VMM_STATUS);
}

/* Waits until this life has its requests in flight. */
static void wait_for_reads(struct machine *m)
{
	uint64_t until = machine_now_ms() + MACHINE_WAIT_MS;
	struct vmm_status status;
	uint64_t before;

	get_status(m, &status); /* no more reads of the life before */
	before = status.disks[0].reads;
	do {
		assert_true(machine_now_ms() < until);
		usleep(500);
		get_status(m, &status);
	} while (status.disks[0].reads < before + 2 * DEPTH);
	assert_int_equal(status.disks[0].errors, 0);
}

static void reset_under_reads(void **state, bool sleeps)
{
	struct machine *m = machine_start_for(
		state,
		&(struct machine_config){.firmware_fd = guest_memfd(sleeps), .disk = disk_path});
	unsigned int fds = 0;
	uint64_t rss = 0;

	machine_expect_message(m, VMM_STARTED);
	for (int i = 1; i <= RESETS; i++) {
		wait_for_reads(m);
		machine_take_output(m);
		machine_send(m, VMM_RESET);
		machine_expect_message(m, VMM_WAS_RESET);
		if (i == WARM) {
			rss = machine_rss(m);
			fds = machine_fd_count(m);
		}
	}
	assert_int_equal(machine_fd_count(m), fds);
	assert_in_range(machine_rss(m), 0, rss + (1 << 20));
	wait_for_reads(m);
	machine_send(m, VMM_STOP);
	/* Status 0 says, too, that the sanitizer found no leak. */
	assert_int_equal(machine_expect_exit(m, VMM_EXIT_STOPPED, NULL), 0);
	machine_read_all_output(m);
	/* 'S' for each start; 'F' would be a wrong block or a device that fails. */
	assert_null(strchr(m->output, 'F'));
	assert_int_equal(strspn(m->output, "S"), RESETS + 1);
}

static void a_guest_that_polls(void **state)
{
	reset_under_reads(state, false);
}

static void a_guest_that_waits_for_interrupts(void **state)
{
	reset_under_reads(state, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_guest_that_polls, machine_setup,
						machine_teardown),
		cmocka_unit_test_setup_teardown(a_guest_that_waits_for_interrupts, machine_setup,
						machine_teardown),
	};

	return cmocka_run_group_tests_name("kvm reset under I/O", tests, make_disk, remove_disk);
}
