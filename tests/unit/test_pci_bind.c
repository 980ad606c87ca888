/*
 * Moving PCI functions from their drivers to vfio-pci and back, on a made-up sysfs behind which the test plays the
 * kernel; and what is refused before anything is moved.
 */
#include "pci_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>

#include "daemon/pci_files.h"
#include "daemon/pci_hold.h"
#include "host_pci.h"
#include "log.h"
#include "pci_group.h"

#define ADDRESS "0000:01:00.0"
#define DIED	77

/* ---- the kernel ---- */

static struct scratch *kernel;	   /* its root */
static const char *native;	   /* the driver that fits, or NULL */
static unsigned int bind_failures; /* so many times no driver takes anything */
static bool unbind_fails;
static char written[400];	 /* what, in order */
static bool unbind_pulls_out;	 /* the device goes for good just then */
static unsigned int writes_left; /* the process dies before the next one; 0: it does not */

int __wrap_pci_files_write(const char *text, const char *root, const char *fmt, ...);

static bool has_directory(const char *path)
{
	return access(at("%s/%s", kernel->dir, path), F_OK) == 0;
}

static int bind_driver(const char *address, const char *driver)
{
	if (bind_failures > 0) {
		bind_failures--;
		return -EIO;
	}
	if (!has_directory(at("sys/bus/pci/drivers/%s", driver)))
		return -ENOENT;
	put_driver(kernel, address, driver);
	return 0;
}

static int probe_drivers(const char *address)
{
	char override[64];

	pci_files_read_line(override, sizeof(override), kernel->dir,
			    "/sys/bus/pci/devices/%s/driver_override", address);
	if (override[0] && strcmp(override, "(null)") != 0)
		return bind_driver(address, override);
	return native ? bind_driver(address, native) : 0;
}

int __wrap_pci_files_write(const char *text, const char *root, const char *fmt, ...)
{
	char path[512], *last;
	va_list ap;

	assert_string_equal(root, kernel->dir);
	va_start(ap, fmt);
	vsnprintf(path, sizeof(path), fmt, ap);
	va_end(ap);
	last = strrchr(path, '/');
	if (writes_left > 0 && --writes_left == 0)
		_exit(DIED);
	if (!has_directory("sys/bus/pci/devices/" ADDRESS))
		return -ENOENT;
	snprintf(written + strlen(written), sizeof(written) - strlen(written), "%s=%.*s ", last + 1,
		 (int)strcspn(text, "\n"), text);
	if (strcmp(last, "/driver_override") == 0) {
		put(kernel, path + 1, strcmp(text, "\n") == 0 ? "(null)\n" : text);
		return 0;
	}
	if (strcmp(last, "/drivers_probe") == 0)
		return probe_drivers(text);
	if (strcmp(last, "/unbind") == 0) {
		if (unbind_fails)
			return -EBUSY;
		if (unbind_pulls_out) {
			unlink(at("%s/sys/bus/pci/devices/%s", kernel->dir, text));
			return -ENODEV;
		}
		return unlink(at("%s/sys/devices/pci0000:00/%s/driver", kernel->dir, text)) < 0
			       ? -ENODEV
			       : 0;
	}
	assert_string_equal(last, "/bind");
	*last = '\0';
	return bind_driver(text, strrchr(path, '/') + 1);
}

unsigned int __wrap_sleep(unsigned int seconds);

unsigned int __wrap_sleep(unsigned int seconds)
{
	(void)seconds;
	return 0;
}

/* ---- the machine ---- */

static int setup(void **state)
{
	int rc = scratch_setup(state);

	kernel = *state;
	native = "nvme";
	bind_failures = 0;
	unbind_fails = unbind_pulls_out = false;
	writes_left = 0;
	written[0] = '\0';
	put(kernel, "proc/self/mountinfo", "");
	put(kernel, "proc/interrupts", " 0:  24  IR-IO-APIC  timer\n");
	put(kernel, "sys/bus/pci/drivers/vfio-pci/new_id", "");
	put(kernel, "run/.keep", "");
	put_pci(kernel, ADDRESS, "144d:a80a", "0x010802", "nvme", 14);
	return rc;
}

static const char *driver(void)
{
	static char name[64];

	return pci_files_driver(kernel->dir, ADDRESS, name, sizeof(name));
}

static const char * override(void)
{
	static char text[64];

	return pci_files_read_line(text, sizeof(text), kernel->dir,
				   "/sys/bus/pci/devices/" ADDRESS "/driver_override");
}

static const char *run_dir(void)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/run", kernel->dir);
	return path;
}

static bool has_record(void)
{
	return has_directory("run/" ADDRESS);
}

static void take(void)
{
	struct vmb_err err = {0};

	if (host_pci_take(kernel->dir, run_dir(), ADDRESS, &err) < 0)
		fail_msg("not taken: %s", err.text);
	assert_string_equal(driver(), "vfio-pci");
}

static void give_back(void)
{
	struct vmb_err err = {0};

	if (host_pci_give_back(kernel->dir, run_dir(), ADDRESS, &err) < 0)
		fail_msg("not given back: %s", err.text);
	assert_false(has_record());
}

static void assert_says(const struct vmb_err *err, const char *words)
{
	if (!strstr(err->text, words))
		fail_msg("the sentence misses \"%s\": %s", words, err->text);
}

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

static struct vm_config config_of(const char *address)
{
	struct vm_config config;

	vm_config_init(&config);
	strcpy(config.title, "Debian 12");
	strcpy(config.vfio[0].address, address);
	config.vfio_count = 1;
	return config;
}

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

/* ---- what is refused before ---- */

static void refused(const struct vm_config *config, int code, const char *words)
{
	struct vmb_err err = {0};

	assert_int_equal(host_pci_check(kernel->dir, config, &err), -code);
	assert_says(&err, words);
}

static void allowed(const struct vm_config *config)
{
	struct vmb_err err = {0};

	if (host_pci_check(kernel->dir, config, &err) < 0)
		fail_msg("refused: %s", err.text);
}

static void a_device_that_cannot_be_passed_is_refused(void **state)
{
	struct vm_config config = config_of(ADDRESS);

	(void)state;
	allowed(&config);
	put_pci(kernel, "0000:00:1c.0", "8086:ffff", "0x060400", "pcieport", 15);
	put_pci(kernel, "0000:00:05.0", "8086:ffff", "0x020000", "", -1);
	config = config_of("0000:00:1c.0");
	refused(&config, EINVAL, "0000:00:1c.0 is a bridge");
	config = config_of("0000:00:05.0");
	refused(&config, ENODEV, "it is in no IOMMU group");
	config = config_of("0000:44:00.0");
	refused(&config, ENODEV, "This machine has no PCI device 0000:44:00.0.");
	config = config_of(ADDRESS);
	put(kernel, "proc/interrupts", " 0:  24  IO-APIC  timer\n");
	refused(&config, ENODEV, "Unsafe interrupts");
	sh("rm -r %s/sys/kernel/iommu_groups", kernel->dir);
	refused(&config, ENODEV,
		"No IOMMU (check VT-d/AMD-Vi in firmware, intel_iommu=on): passthrough off");
}

/* Bus numbers have changed since it was chosen. */
static void another_device_at_the_address_is_not_taken(void **state)
{
	struct vm_config config = config_of(ADDRESS);
	struct vm_vfio *vfio = &config.vfio[0];

	(void)state;
	vfio->vendor = 0x144d;
	vfio->device = 0xa80a;
	allowed(&config);
	vfio->device = 0xa80b;
	refused(&config, ENODEV,
		"PCI device " ADDRESS " is 144d:a80a (NVMe controller), not 144d:a80b, which was "
		"chosen. `vmboot list --pci` shows");
	put_pci(kernel, "0000:02:00.0", "144d:a80b", "0x010802", "nvme", 15);
	refused(&config, ENODEV, ", not 144d:a80b, which is at 0000:02:00.0: choose that.");
	strcpy(vfio->address, "0000:03:00.0");
	refused(&config, ENODEV,
		"This machine has no PCI device 0000:03:00.0. But 144d:a80b is at 0000:02:00.0: "
		"choose that.");
}

/* Two disks of one kind have changed places. */
static void the_other_of_two_alike_is_not_taken(void **state)
{
	struct vm_config config = config_of(ADDRESS);
	struct vm_vfio *vfio = &config.vfio[0];

	(void)state;
	put_attr(kernel, ADDRESS, "nvme/nvme0/serial", "S2\n");
	put_pci(kernel, "0000:02:00.0", "144d:a80a", "0x010802", "nvme", 15);
	put_attr(kernel, "0000:02:00.0", "nvme/nvme1/serial", "S1\n");
	vfio->vendor = 0x144d;
	vfio->device = 0xa80a;
	strcpy(vfio->serial, "S2");
	allowed(&config);
	strcpy(vfio->serial, "S1");
	refused(&config, ENODEV,
		"PCI device " ADDRESS " is number S2, not number S1, which is at 0000:02:00.0: "
		"choose that.");
	/* Without its driver nobody knows. */
	sh("rm -r %s/sys/devices/pci0000:00/" ADDRESS "/nvme", kernel->dir);
	allowed(&config);
}

/* What would be lost by a physical function's going, and a virtual one that can go. */
static void virtual_functions_hold_their_physical_one(void **state)
{
	struct vm_config config = config_of(ADDRESS);

	(void)state;
	put_attr(kernel, ADDRESS, "sriov_numvfs", "1\n");
	put_pci(kernel, "0000:01:00.1", "144d:a80a", "0x010802", "nvme", 15);
	put_link(kernel, "sys/devices/pci0000:00/0000:01:00.1/physfn",
		 "sys/devices/pci0000:00/" ADDRESS);
	refused(&config, EBUSY, "its virtual functions (1) would be lost");
	config = config_of("0000:01:00.1");
	allowed(&config);
	take();
	refused(&config, EBUSY, "its physical function " ADDRESS " is at vfio-pci itself");
}

static void a_controller_is_refused_with_its_disks_name(void **state)
{
	struct vm_config config = config_of(ADDRESS);

	(void)state;
	put_nvme(kernel, "nvme0n1", ADDRESS "/nvme/nvme0");
	allowed(&config);
	config.disk_count = 1;
	strcpy(config.disks[0].path, "/dev/nvme0n1p1");
	refused(&config, EBUSY, "The disk /dev/nvme0n1p1 belongs to PCI device " ADDRESS);
	strcpy(config.disks[0].path, "/dev/nvme1n1");
	allowed(&config);
	put(kernel, "proc/self/mountinfo", "26 1 259:1 / /srv rw - xfs /dev/nvme0n1p1 rw\n");
	refused(&config, EBUSY,
		ADDRESS
		" (NVMe controller) cannot be passed through: nvme0n1p1 is mounted on /srv");
}

/* Native multipath: the disk lies below no controller. A virtual machine that has it holds a lock on it. */
static void a_shared_disk_is_each_controllers(void **state)
{
	static const char subsystem[] = "sys/devices/virtual/nvme-subsystem/nvme-subsys0";
	char name[40];
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	struct vm_config config = config_of(ADDRESS);
	struct vmb_err err = {0};
	int fd;

	(void)state;
	snprintf(name, sizeof(name), "shm/vmboot-test-%d", (int)getpid());
	put_attr(kernel, ADDRESS, "nvme/nvme0/address", "x");
	put_nvme(kernel, "nvme0n1", "../virtual/nvme-subsystem/nvme-subsys0");
	put_link(kernel, at("%s/nvme0", subsystem),
		 at("sys/devices/pci0000:00/%s/nvme/nvme0", ADDRESS));
	put(kernel, "sys/class/block/nvme0n1/uevent", at("DEVNAME=%s\n", name));
	allowed(&config);
	config.disk_count = 1;
	strcpy(config.disks[0].path, "/dev/nvme0n1p1");
	refused(&config, EBUSY, "The disk /dev/nvme0n1p1 belongs to PCI device " ADDRESS);
	fd = open(at("/dev/%s", name), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), 0);
	assert_int_equal(host_pci_take(kernel->dir, run_dir(), ADDRESS, &err), -EBUSY);
	assert_says(&err,
		    "its disk nvme0n1 is in use by this system or by another virtual machine");
	assert_string_equal(driver(), "nvme");
	close(fd);
	assert_int_equal(host_pci_take(kernel->dir, run_dir(), ADDRESS, &err), 0);
	unlink(at("/dev/%s", name));
}

static void a_group_goes_as_a_whole(void **state)
{
	struct vm_config config = config_of(ADDRESS);

	(void)state;
	put_pci(kernel, "0000:00:1c.0", "8086:ffff", "0x060400", "pcieport", 14);
	allowed(&config);
	put_pci(kernel, "0000:01:00.1", "8086:ffff", "0x040300", "snd_hda_intel", 14);
	refused(&config, EPERM,
		"IOMMU group 14 also holds 0000:01:00.1 (Audio device), which the driver "
		"snd_hda_intel has. A group goes as a whole: pass that one through, too.");
	strcpy(config.vfio[1].address, "0000:01:00.1");
	config.vfio_count = 2;
	allowed(&config);
	config.vfio_count = 1;
	unlink(at("%s/sys/devices/pci0000:00/0000:01:00.1/driver", kernel->dir));
	allowed(&config); /* nothing drives it, so nothing of the host's can be reached by it */
	put_pci(kernel, "0000:00:1f.0", "8086:ffff", "0x060100", "lpc_ich", 14);
	refused(&config, EPERM, "0000:00:1f.0 (ISA bridge)");
}

/* ---- what a group needs, in words ---- */

static void what_moves_together_is_said(void **state)
{
	const struct menu_pci pcis[] = {
		{.address = "0000:00:1c.0", .group = 14, .verdict = MENU_PCI_BRIDGE},
		{.address = "0000:01:00.0", .group = 14, .class_name = "VGA controller"},
		{.address = "0000:01:00.1", .group = 14, .class_name = "Audio device"},
		{.address = "0001:02:00.0", .group = 15, .class_name = "SATA controller"},
		{.address = "0000:03:00.0", .group = 16, .class_name = "Ethernet controller"},
		{.address = "0000:04:00.0", .group = 16, .class_name = "SATA controller"},
		{.address = "0000:05:00.0", .group = 16, .class_name = "NVMe controller"},
		{.address = "0000:06:00.0", .group = -1},
		{.address = "0000:06:00.1", .group = -1},
	};
	const size_t n = sizeof(pcis) / sizeof(pcis[0]);
	char text[200], tiny[12];

	(void)state;
	assert_string_equal(pci_group_describe(pcis, n, 1, text, sizeof(text)),
			    "group 14 also holds 01:00.1 Audio device: both move");
	assert_string_equal(pci_group_describe(pcis, n, 3, text, sizeof(text)), "");
	assert_string_equal(pci_group_describe(pcis, n, 4, text, sizeof(text)),
			    "group 16 also holds 04:00.0 SATA controller, 05:00.0 NVMe controller: "
			    "all 3 move (no ACS above keeps them apart)");
	assert_string_equal(pci_group_describe(pcis, n, 7, text, sizeof(text)), "");
	assert_string_equal(pci_group_describe(pcis, n, 4, tiny, sizeof(tiny)), "group 16 al");
	assert_false(pci_group_together(&pcis[0], &pcis[1]));
	assert_true(pci_group_together(&pcis[1], &pcis[2]));
	assert_false(pci_group_together(&pcis[7], &pcis[8]));
	assert_string_equal(pci_group_short("0001:02:00.0"), "0001:02:00.0");
	assert_string_equal(pci_group_short("0000:02:00.0"), "02:00.0");
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
		TEST(a_device_that_cannot_be_passed_is_refused),
		TEST(another_device_at_the_address_is_not_taken),
		TEST(the_other_of_two_alike_is_not_taken),
		TEST(virtual_functions_hold_their_physical_one),
		TEST(a_controller_is_refused_with_its_disks_name),
		TEST(a_shared_disk_is_each_controllers),
		TEST(a_group_goes_as_a_whole),
		TEST(what_moves_together_is_said),
	};

	log_init(-1, LOG_LEVEL_ERROR, "test");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
