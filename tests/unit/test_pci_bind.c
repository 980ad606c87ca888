/*
 * Moving PCI functions from their drivers to vfio-pci and back, on a made-up sysfs behind which the test plays the
 * kernel.
 */
#include "pci_kernel.h"

#include <fcntl.h>
#include <sys/wait.h>

#include "daemon/pci_hold.h"
#include "log.h"

/* ---- there and back ---- */

static void a_device_goes_to_vfio_and_comes_back(void **state)
{
	(void)state;
	take();
	assert_string_equal(override(), "vfio-pci");
	/* First of all no other driver may take it any more; and vfio-pci learns of this one, not of all of its kind (new_id). */
	assert_string_equal(written, "driver_override=vfio-pci unbind=" ADDRESS
				     " drivers_probe=" ADDRESS " ");
	written[0] = '\0';
	give_back();
	assert_string_equal(driver(), "nvme");
	assert_string_equal(override(), "(null)");
	assert_string_equal(written,
			    "unbind=" ADDRESS " driver_override= drivers_probe=" ADDRESS " ");
	give_back(); /* nothing is left to do */
	assert_string_equal(driver(), "nvme");
}

static void one_without_a_driver_has_none_afterwards(void **state)
{
	(void)state;
	unlink(at("%s/sys/devices/pci0000:00/" ADDRESS "/driver", kernel->dir));
	take();
	give_back();
	assert_string_equal(driver(), "");
}

static void what_the_operator_has_bound_stays(void **state)
{
	(void)state;
	put(kernel, "sys/bus/pci/devices/" ADDRESS "/driver_override", "vfio-pci\n");
	unlink(at("%s/sys/devices/pci0000:00/" ADDRESS "/driver", kernel->dir));
	put_driver(kernel, ADDRESS, "vfio-pci");
	take();
	assert_false(has_record());
	give_back();
	assert_string_equal(driver(), "vfio-pci");
	assert_string_equal(override(), "vfio-pci");
}

static void an_override_of_the_operators_is_there_again(void **state)
{
	(void)state;
	native = NULL;
	put(kernel, "sys/bus/pci/devices/" ADDRESS "/driver_override", "nvme\n");
	take();
	give_back();
	assert_string_equal(driver(), "nvme");
	assert_string_equal(override(), "nvme");
}

/* Who took it died; another takes it, and still knows whose it was. */
static void what_it_was_is_known_after_a_crash(void **state)
{
	(void)state;
	take();
	take();
	give_back();
	assert_string_equal(driver(), "nvme");
}

static void a_failed_return_is_tried_once_more(void **state)
{
	struct vmb_err err = {0};
	char line[256];
	int log = open(run_dir(), O_TMPFILE | O_RDWR, 0600);
	ssize_t n;

	(void)state;
	take();
	bind_failures = 2; /* drivers_probe and bind: one attempt */
	log_init(log, LOG_LEVEL_WARN, "test");
	give_back();
	log_init(-1, LOG_LEVEL_ERROR, "test");
	assert_string_equal(driver(), "nvme");
	n = pread(log, line, sizeof(line) - 1, 0);
	close(log);
	assert_true(n > 0);
	line[n] = '\0';
	assert_non_null(strstr(line,
			       "PCI device " ADDRESS " was not given back to nvme: Input/output "
			       "error; trying once more"));
	take();
	bind_failures = 4;
	assert_int_equal(host_pci_give_back(kernel->dir, run_dir(), ADDRESS, &err), -EIO);
	assert_says(&err, ADDRESS " was not given back to its driver nvme, twice: Input/output");
	/* It is known for the next time. */
	assert_true(has_record());
	give_back();
	assert_string_equal(driver(), "nvme");
}

static void one_that_was_pulled_out_is_forgotten(void **state)
{
	(void)state;
	take();
	unlink(at("%s/sys/bus/pci/devices/" ADDRESS, kernel->dir));
	give_back();
}

static void one_that_is_pulled_out_meanwhile_is_forgotten(void **state)
{
	(void)state;
	take();
	unbind_pulls_out = true;
	give_back();
}

/* FN in a process that dies before its Nth write to sysfs. False: it needed no more than that. */
static bool dies_in(int (*fn)(const char *, const char *, const char *, struct vmb_err *),
		    unsigned int n)
{
	struct vmb_err err;
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		writes_left = n;
		_exit(fn(kernel->dir, run_dir(), ADDRESS, &err) < 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == DIED));
	return WEXITSTATUS(status) == DIED;
}

static void assert_recovered(void)
{
	struct vmb_err err = {0};

	assert_int_equal(host_pci_give_back_all(kernel->dir, run_dir(), &err), 0);
	assert_string_equal(driver(), "nvme");
	assert_string_equal(override(), "(null)");
	assert_false(has_record());
}

/* By SIGKILL, or with the machine's memory; the next vmboot finds a device that is in between. */
static void whenever_a_mover_dies_the_device_comes_back(void **state)
{
	unsigned int n = 1;

	(void)state;
	for (; dies_in(host_pci_take, n); n++)
		assert_recovered();
	assert_string_equal(driver(), "vfio-pci");
	assert_int_equal(n - 1, 3); /* override, unbind, probe */
	for (n = 1; dies_in(host_pci_give_back, n); n++) {
		assert_recovered();
		take();
	}
	assert_string_equal(driver(), "nvme");
	assert_int_equal(n - 1, 3);
	/* Or another virtual machine gets it, in the midst of which the first one's taker died. */
	for (n = 1; dies_in(host_pci_take, n); n++) {
		take();
		give_back();
		assert_string_equal(driver(), "nvme");
	}
}

static void a_damaged_record_moves_nothing(void **state)
{
	(void)state;
	put(kernel, "run/" ADDRESS, "../../../evil\n");
	assert_int_equal(host_pci_give_back(kernel->dir, run_dir(), ADDRESS, NULL), 0);
	put(kernel, "run/" ADDRESS, "");
	assert_int_equal(host_pci_give_back(kernel->dir, run_dir(), ADDRESS, NULL), 0);
	assert_string_equal(driver(), "nvme");
	/* And is written anew. */
	take();
	give_back();
	assert_string_equal(driver(), "nvme");
}

static void a_driver_that_holds_on_is_told(void **state)
{
	struct vmb_err err = {0};

	(void)state;
	unbind_fails = true;
	assert_int_equal(host_pci_take(kernel->dir, run_dir(), ADDRESS, &err), -EBUSY);
	assert_says(&err, "PCI device " ADDRESS " cannot be taken from its driver nvme: ");
	/* The launcher gives back whatever happened: the override goes. */
	give_back();
	assert_string_equal(driver(), "nvme");
	assert_string_equal(override(), "(null)");
}

static void the_module_is_loaded(void **state)
{
	struct vmb_err err = {0};

	(void)state;
	sh("rm -r %s/sys/bus/pci/drivers/vfio-pci", kernel->dir);
	assert_int_equal(host_pci_take(kernel->dir, run_dir(), ADDRESS, &err), -ENODEV);
	assert_says(&err, "this kernel has no module vfio-pci");
	assert_string_equal(driver(), "nvme");
	assert_false(has_record());
	put(kernel, "modprobe",
	    at("#!/bin/sh\necho $2 >>%s/loaded; [ $2 = vfio_iommu_type1 ] || "
	       "mkdir %s/sys/bus/pci/drivers/$2\n",
	       kernel->dir, kernel->dir));
	chmod(at("%s/modprobe", kernel->dir), 0700);
	put(kernel, "proc/sys/kernel/modprobe", at("%s/modprobe\n", kernel->dir));
	take();
	assert_true(sh("printf 'vfio_iommu_type1\nvfio-pci\n' | cmp - %s/loaded", kernel->dir));
	/* What is there is not loaded again. */
	put(kernel, "sys/module/vfio_iommu_type1/parameters/x", "");
	give_back();
	take();
	assert_true(sh("[ $(wc -l <%s/loaded) = 2 ]", kernel->dir));
}

static void a_record_that_cannot_be_written_takes_nothing(void **state)
{
	struct vmb_err err = {0};

	(void)state;
	assert_int_equal(host_pci_take(kernel->dir, "/no/such/dir", ADDRESS, &err), -ENOENT);
	assert_says(&err, "/no/such/dir cannot be written");
	assert_string_equal(driver(), "nvme");
}

/* ---- who has it ---- */

static void one_device_is_for_one_machine(void **state)
{
	struct vm_config config = config_of(ADDRESS);
	struct pci_hold first, second;
	struct vmb_err err = {0};

	(void)state;
	assert_int_equal(pci_hold_lock(run_dir(), &config, &first, &err), 0);
	strcpy(config.vfio[0].address, "0000:02:00.0");
	strcpy(config.vfio[1].address, ADDRESS);
	config.vfio_count = 2;
	assert_int_equal(pci_hold_lock(run_dir(), &config, &second, &err), -EBUSY);
	assert_says(&err, "PCI device " ADDRESS " is held by the virtual machine \"Debian 12\"");
	assert_says(&err, at("(process %d)", (int)getpid()));
	pci_hold_release(&first);
	/* The refused one holds nothing, either. */
	assert_int_equal(pci_hold_lock(run_dir(), &config, &second, &err), 0);
	pci_hold_release(&second);
}

static void what_a_dead_process_left_is_given_back(void **state)
{
	struct vm_config config = config_of(ADDRESS);
	struct vmb_err err = {0};
	struct pci_hold hold;

	(void)state;
	assert_int_equal(pci_hold_lock(run_dir(), &config, &hold, &err), 0);
	take();
	put(kernel, "run/0000:09:00.0.new", "half");
	/* It lives: its device is its own. */
	assert_int_equal(host_pci_give_back_all(kernel->dir, run_dir(), &err), 0);
	assert_string_equal(driver(), "vfio-pci");
	pci_hold_release(&hold);
	assert_int_equal(host_pci_give_back_all(kernel->dir, run_dir(), &err), 0);
	assert_string_equal(driver(), "nvme");
	assert_false(has_record());
	assert_int_equal(host_pci_give_back_all(kernel->dir, run_dir(), &err), 0);
	assert_int_equal(host_pci_give_back_all(kernel->dir, "/no/such/dir", &err), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, scratch_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_device_goes_to_vfio_and_comes_back),
		TEST(one_without_a_driver_has_none_afterwards),
		TEST(what_the_operator_has_bound_stays),
		TEST(an_override_of_the_operators_is_there_again),
		TEST(what_it_was_is_known_after_a_crash),
		TEST(a_failed_return_is_tried_once_more),
		TEST(one_that_was_pulled_out_is_forgotten),
		TEST(one_that_is_pulled_out_meanwhile_is_forgotten),
		TEST(whenever_a_mover_dies_the_device_comes_back),
		TEST(a_damaged_record_moves_nothing),
		TEST(a_driver_that_holds_on_is_told),
		TEST(the_module_is_loaded),
		TEST(a_record_that_cannot_be_written_takes_nothing),
		TEST(one_device_is_for_one_machine),
		TEST(what_a_dead_process_left_is_given_back),
	};

	log_init(-1, LOG_LEVEL_ERROR, "test");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
