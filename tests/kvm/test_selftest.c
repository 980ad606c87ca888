/*
 * KVM's self-test on this host's KVM, whatever it can do: it answers in bounded time, says one of two
 * things, and leaves no descriptor, timer or signal handler behind. What it must say is fixed where
 * the KVM is known: in the test machine (tests/machine/test_doctor.py).
 */
#include "machine.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "vmm.h"

static unsigned int open_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static int open_kvm(void)
{
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static void says_one_of_two_things(void **state)
{
	struct kvm_ability ability;
	struct vmb_err err = {0};
	double start;
	int fd;

	(void)state;
	machine_need_kvm();
	fd = open_kvm();
	start = seconds();
	assert_int_equal(vmm_probe_kvm(fd, &ability, &err), 0);
	assert_true(seconds() - start < 5);
	assert_string_equal(ability.missing, ""); /* this host runs the other tests here */
	assert_true(ability.max_cpus >= 1);
	if (ability.can_run_firmware) {
		assert_string_equal(ability.firmware_text, "");
	} else {
		size_t len = strlen(ability.firmware_text);

		/* It got to long mode, as our guests do, and the sentence names what came next. */
		assert_non_null(strstr(ability.firmware_text, "a guest that tries "));
		assert_null(strstr(ability.firmware_text, "the start"));
		assert_null(strstr(ability.firmware_text, "wrong result"));
		assert_int_equal(ability.firmware_text[len - 1], '.');
	}
	close(fd);
}

static void leaves_nothing_behind(void **state)
{
	struct kvm_ability first, again;
	struct sigaction before[65], after;
	sigset_t mask, mask_after;
	unsigned int fds;
	int fd;

	(void)state;
	machine_need_kvm();
	fd = open_kvm();
	for (int sig = 1; sig < 65; sig++)
		if (sigaction(sig, NULL, &before[sig]) < 0)
			before[sig].sa_handler = SIG_ERR;
	pthread_sigmask(SIG_BLOCK, NULL, &mask);
	fds = open_descriptors();
	assert_int_equal(vmm_probe_kvm(fd, &first, NULL), 0);
	for (unsigned int i = 0; i < 20; i++) {
		assert_int_equal(vmm_probe_kvm(fd, &again, NULL), 0);
		assert_memory_equal(&again, &first, sizeof(first));
	}
	assert_int_equal(open_descriptors(), fds);
	pthread_sigmask(SIG_BLOCK, NULL, &mask_after);
	for (int sig = 1; sig < 65; sig++) {
		assert_int_equal(sigismember(&mask, sig), sigismember(&mask_after, sig));
		if (before[sig].sa_handler != SIG_ERR && sigaction(sig, NULL, &after) == 0)
			assert_ptr_equal(before[sig].sa_handler, after.sa_handler);
	}
	close(fd);
}

/* No KVM needed: a descriptor that is something else. */
static void not_kvm_at_all(void **state)
{
	struct kvm_ability ability = {.max_cpus = 77};
	struct vmb_err err = {0};
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	(void)state;
	assert_true(vmm_probe_kvm(fd, &ability, &err) < 0);
	assert_true(strlen(err.text) > 0);
	assert_int_equal(ability.max_cpus, 77);
	close(fd);
	assert_int_equal(vmm_probe_kvm(-1, &ability, &err), -EBADF);
	assert_int_equal(ability.max_cpus, 77);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(says_one_of_two_things),
		cmocka_unit_test(leaves_nothing_behind),
		cmocka_unit_test(not_kvm_at_all),
	};

	return cmocka_run_group_tests_name("kvm self-test", tests, NULL, NULL);
}
