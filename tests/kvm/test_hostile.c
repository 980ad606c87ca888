/*
 * Ten seconds of a guest that writes at random to ports, MMIO and configuration space, with a disk
 * attached. The vmm answers, or stops that machine with a reason; it never crashes, never hangs, and
 * does not grow.
 */
#include "machine.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../unit/reliability.h"

#define TEN_SECONDS   10000
#define ONE_SEED_MS   2000
#define FULL_ACCESSES 5000000
#define MOST_GROWTH   (1 << 20)

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
	machine_free(*state);
	return unlink(disk_path);
}

struct figures {
	uint64_t accesses; /* that came out of the guest */
	uint64_t growth;   /* bytes, the worst of all seeds */
};

static void note_status(struct figures *figures, const struct vmm_status *status)
{
	for (unsigned int i = 0; i < status->cpu_count; i++)
		figures->accesses += status->cpus[i].io + status->cpus[i].mmio;
}

static void note_growth(struct figures *figures, uint64_t before, uint64_t now)
{
	if (now > before && now - before > figures->growth)
		figures->growth = now - before;
}

/* It still does what it is told, or has said why it ended. */
static void expect_alive_or_reason(struct machine *m, uint32_t seed, struct figures *figures)
{
	union {
		struct vmm_exited exited;
		struct vmm_status status;
	} body = {.exited = {0}};
	const struct vmm_exited *exited = &body.exited;
	uint32_t type;

	machine_send(m, VMM_GET_STATUS);
	machine_send(m, VMM_RESET);
	do {
		type = machine_next_message(m, &body, sizeof(body));
		if (type == VMM_STATUS)
			note_status(figures, &body.status);
	} while (type == VMM_STARTED || type == VMM_VARS_CHANGED || type == VMM_STATUS ||
		 type == VMM_GUEST_EVENT);
	if (type == VMM_WAS_RESET) {
		machine_send(m, VMM_STOP);
		assert_int_equal(machine_expect_exit(m, VMM_EXIT_STOPPED, NULL), 0);
		return;
	}
	assert_int_equal(type, VMM_EXITED);
	print_message("seed %u: ended with %u: %s\n", seed, exited->reason, exited->text);
	assert_in_range(exited->reason, VMM_EXIT_POWER_OFF, VMM_EXIT_GUEST_FAULT);
	assert_true(exited->text[0] != '\0');
	assert_in_range(machine_reap(m), 0, 1);
}

static void random_accesses_never_crash_the_vmm(void **state)
{
	const uint64_t wanted = reliability_count(0, FULL_ACCESSES);
	uint64_t end = machine_now_ms() + TEN_SECONDS;
	struct figures figures = {0};
	uint32_t seed = 1;

	machine_need_kvm();
	for (; machine_now_ms() < end || figures.accesses < wanted; seed++) {
		struct machine *m =
			machine_start(&(struct machine_config){.guest = "hostile",
							       .cpus = 2,
							       .disk = disk_path,
							       .seed = seed * 2654435761u});
		uint64_t until = machine_now_ms() + ONE_SEED_MS, rss;

		*state = m;
		/* It gets somewhere: a dot per 4096 accesses. */
		machine_expect_output(m, ".");
		rss = machine_rss(m);
		while (machine_now_ms() < until)
			usleep(10000);
		note_growth(&figures, rss, machine_rss(m)); /* 0 when it has ended */
		expect_alive_or_reason(m, seed, &figures);
		machine_free(m);
		*state = NULL;
	}
	print_message("reliability_hostile_accesses %llu count\n",
		      (unsigned long long)figures.accesses);
	print_message("reliability_hostile_growth %llu bytes\n",
		      (unsigned long long)figures.growth);
	print_message("%u seeds\n", seed - 1);
	assert_in_range(figures.growth, 0, MOST_GROWTH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(random_accesses_never_crash_the_vmm, make_disk,
						remove_disk),
	};

	return cmocka_run_group_tests_name("kvm hostile", tests, NULL, NULL);
}
