/* Opening what VFIO has for devices that are passed through, from made-up sysfs and dev trees. */
#include "storage_test.h"

#include <errno.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "daemon/vfio_devices.h"

static const char *refused; /* the end of a path that cannot be opened, */
static int refusal;	    /* for this reason; NULL: all can */

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);

int __wrap_open(const char *path, int flags, ...)
{
	size_t n = strlen(path), end = refused ? strlen(refused) : 0;

	if (!refused || n < end || strcmp(path + n - end, refused) != 0)
		return __real_open(path, flags, 0600);
	errno = refusal;
	return -1;
}

/* Device ADDRESS of group GROUP, with DRIVER. */
static void put_device(struct scratch *s, const char *address, const char *group,
		       const char *driver)
{
	char path[PATH_MAX], link[PATH_MAX + 16], to[64];

	snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/vendor", address);
	put(s, path, "x");
	snprintf(link, sizeof(link), "%s/sys/bus/pci/devices/%s/iommu_group", s->dir, address);
	snprintf(to, sizeof(to), "../../../kernel/iommu_groups/%s", group);
	assert_int_equal(symlink(to, link), 0);
	snprintf(link, sizeof(link), "%s/sys/bus/pci/devices/%s/driver", s->dir, address);
	snprintf(to, sizeof(to), "../../../bus/pci/drivers/%s", driver);
	assert_int_equal(symlink(to, link), 0);
}

static struct vm_config config_of(const char *first, const char *second)
{
	struct vm_config config;

	vm_config_init(&config);
	config.vfio_count = second ? 2 : 1;
	strcpy(config.vfio[0].address, first);
	if (second)
		strcpy(config.vfio[1].address, second);
	return config;
}

static void assert_says(const struct vmb_err *err, const char *part)
{
	if (!strstr(err->text, part))
		fail_msg("\"%s\" does not say \"%s\"", err->text, part);
}

static void a_group_is_opened_once(void **state)
{
	struct vm_config config = config_of("0000:01:00.0", "0000:01:00.1");
	struct scratch *s = *state;
	struct vfio_devices devices;
	struct vmb_err err;
	int fds[1 + VM_MAX_VFIO];

	put_device(s, "0000:01:00.0", "14", "vfio-pci");
	put_device(s, "0000:01:00.1", "14", "vfio-pci");
	put_device(s, "0000:02:00.0", "7", "vfio-pci");
	put(s, "dev/vfio/vfio", "x");
	put(s, "dev/vfio/14", "x");
	put(s, "dev/vfio/7", "x");
	config.vfio_count = 3;
	strcpy(config.vfio[2].address, "0000:02:00.0");
	config.vfio[1].no_rom = 1;
	assert_int_equal(vfio_devices_open(s->dir, &config, &devices, &err), 0);
	assert_int_equal(devices.count, 3);
	assert_int_equal(devices.fd_count, 2);
	assert_false(devices.iommufd);
	assert_int_equal(devices.infos[0].fd, 0);
	assert_int_equal(devices.infos[1].fd, 0);
	assert_int_equal(devices.infos[2].fd, 1);
	assert_string_equal(devices.infos[2].address, "0000:02:00.0");
	assert_int_equal(devices.infos[0].no_rom, 0);
	assert_int_equal(devices.infos[1].no_rom, 1);
	assert_int_equal(vfio_devices_put_fds(&devices, fds), 3);
	assert_int_equal(fds[0], devices.container);
	assert_int_equal(fds[2], devices.fds[1]);
	vfio_devices_close(&devices);
	assert_int_equal(fcntl(fds[0], F_GETFD), -1);
	assert_int_equal(fcntl(fds[2], F_GETFD), -1);
}

static void iommufd_is_taken_where_each_device_has_a_node(void **state)
{
	struct vm_config config = config_of("0000:01:00.0", "0000:01:00.1");
	struct scratch *s = *state;
	struct vfio_devices devices;
	struct vmb_err err;

	put_device(s, "0000:01:00.0", "14", "vfio-pci");
	put_device(s, "0000:01:00.1", "14", "vfio-pci");
	put(s, "dev/vfio/vfio", "x");
	put(s, "dev/vfio/14", "x");
	put(s, "dev/iommu", "x");
	put(s, "dev/vfio/devices/vfio3", "x");
	put(s, "sys/bus/pci/devices/0000:01:00.0/vfio-dev/vfio3/dev", "x");
	/* The other one has none. */
	assert_int_equal(vfio_devices_open(s->dir, &config, &devices, &err), 0);
	assert_false(devices.iommufd);
	assert_int_equal(devices.fd_count, 1);
	vfio_devices_close(&devices);
	put(s, "dev/vfio/devices/vfio4", "x");
	put(s, "sys/bus/pci/devices/0000:01:00.1/vfio-dev/vfio4/dev", "x");
	assert_int_equal(vfio_devices_open(s->dir, &config, &devices, &err), 0);
	assert_true(devices.iommufd);
	assert_int_equal(devices.fd_count, 2);
	assert_int_equal(devices.infos[1].fd, 1);
	vfio_devices_close(&devices);
}

static void what_cannot_be_opened_is_told(void **state)
{
	struct vm_config config = config_of("0000:01:00.0", NULL);
	struct scratch *s = *state;
	struct vfio_devices devices = {.count = 77};
	struct vmb_err err;

	assert_int_equal(vfio_devices_open(s->dir, &config, &devices, &err), -ENOENT);
	assert_says(&err, "/dev/vfio/vfio is missing: the kernel's module vfio-pci is not loaded");
	put(s, "dev/vfio/vfio", "x");
	assert_int_equal(vfio_devices_open(s->dir, &config, &devices, &err), -ENODEV);
	assert_says(&err, "is in no IOMMU group");
	put_device(s, "0000:01:00.0", "14", "nvme");
	assert_int_equal(vfio_devices_open(s->dir, &config, &devices, &err), -ENOENT);
	assert_says(&err, "its driver is nvme, not vfio-pci");
	assert_int_equal(devices.count, 77);
}

/* A group has one owner: the kernel says so, whoever of two virtual machines comes second. */
static void what_the_kernel_refuses_is_told(void **state)
{
	static const struct {
		const char *path;
		int error;
		const char *sentence;
	} cases[] = {
		{"/dev/vfio/7", EBUSY,
		 "PCI device 0000:02:00.0, or another one of its IOMMU group, is held by another "
		 "virtual machine or program. End that one first."},
		{"/dev/vfio/7", EACCES,
		 "PCI device 0000:02:00.0 cannot be opened: passing devices through takes root, or "
		 "rights on /dev/vfio."},
		{"/dev/vfio/7", EMFILE,
		 "PCI device 0000:02:00.0 cannot be opened: Too many open files."},
		{"/dev/vfio/vfio", EACCES,
		 "/dev/vfio/vfio cannot be opened: Permission denied. Passing devices through "
		 "takes root."},
	};
	struct vm_config config = config_of("0000:01:00.0", "0000:02:00.0");
	struct vfio_devices devices = {.count = 77};
	struct scratch *s = *state;
	struct vmb_err err;
	int first = dup(0);

	close(first);
	put_device(s, "0000:01:00.0", "14", "vfio-pci");
	put_device(s, "0000:02:00.0", "7", "vfio-pci");
	put(s, "dev/vfio/vfio", "x");
	put(s, "dev/vfio/14", "x");
	put(s, "dev/vfio/7", "x");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		refused = cases[i].path;
		refusal = cases[i].error;
		assert_int_equal(vfio_devices_open(s->dir, &config, &devices, &err), -refusal);
		refused = NULL;
		assert_string_equal(err.text, cases[i].sentence);
		assert_int_equal(devices.count, 77);
		/* The first one's group is closed again. */
		assert_int_equal(fcntl(first, F_GETFD), -1);
		assert_int_equal(fcntl(first + 1, F_GETFD), -1);
	}
}

static void no_devices_need_nothing(void **state)
{
	struct scratch *s = *state;
	struct vm_config config;
	struct vfio_devices devices;
	struct vmb_err err;
	int fds[1 + VM_MAX_VFIO];

	vm_config_init(&config);
	assert_int_equal(vfio_devices_open(s->dir, &config, &devices, &err), 0);
	assert_int_equal(vfio_devices_put_fds(&devices, fds), 0);
	vfio_devices_close(&devices);
}

/* A device of bus 1, behind a port of the root bus. */
static void who_hears_of_errors_is_found(void **state)
{
	struct vm_config config = config_of("0000:01:00.0", "0000:00:02.0");
	struct scratch *s = *state;
	char path[PATH_MAX + 64];
	struct vfio_devices devices;
	struct vmb_err err;

	put_device(s, "0000:01:00.0", "14", "vfio-pci");
	put_device(s, "0000:00:02.0", "15", "vfio-pci");
	put(s, "sys/devices/pci0000:00/0000:00:1c.0/class", "x");
	snprintf(path, sizeof(path),
		 "cd %s/sys/bus/pci/devices && mv 0000:01:00.0 "
		 "../../../devices/pci0000:00/0000:00:1c.0/ && "
		 "ln -s ../../../devices/pci0000:00/0000:00:1c.0/0000:01:00.0 0000:01:00.0",
		 s->dir);
	assert_int_equal(system(path), 0);
	put(s, "dev/vfio/vfio", "x");
	put(s, "dev/vfio/14", "x");
	put(s, "dev/vfio/15", "x");
	put(s, "sys/bus/pci_express/drivers/aer/bind", "x");
	put(s, "sys/bus/pci_express/drivers/aer/0000:00:1d.0:pcie002", "x");
	assert_int_equal(vfio_devices_open(s->dir, &config, &devices, &err), 0);
	assert_int_equal(devices.infos[0].aer, 0);
	vfio_devices_close(&devices);
	put(s, "sys/bus/pci_express/drivers/aer/0000:00:1c.0:pcie002", "x");
	assert_int_equal(vfio_devices_open(s->dir, &config, &devices, &err), 0);
	assert_int_equal(devices.infos[0].aer, 1);
	assert_int_equal(devices.infos[1].aer, 0);
	vfio_devices_close(&devices);
}

/* The limits of a process of our own. */
static void locked_memory_is_allowed_or_the_figure_told(void **state)
{
	struct rlimit low = {1 << 20, 1 << 20}, now;
	struct vmb_err err;
	int status;
	pid_t pid;

	(void)state;
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		/* Who may not raise it any more: another user. */
		if (setrlimit(RLIMIT_MEMLOCK, &low) < 0 || (geteuid() == 0 && setuid(65534) < 0))
			_exit(1);
		if (vfio_raise_memlock(getpid(), 1ULL << 30, &err) != -EPERM)
			_exit(2);
		_exit(strstr(err.text, "1088 MiB, and no more than 1 MiB") ? 0 : 3);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	if (vfio_raise_memlock(getpid(), 1ULL << 30, &err) < 0) {
		assert_int_equal(err.code, EPERM);
		skip(); /* no CAP_SYS_RESOURCE here */
	}
	assert_int_equal(getrlimit(RLIMIT_MEMLOCK, &now), 0);
	assert_true(now.rlim_cur >= (1ULL << 30));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(a_group_is_opened_once),
		TEST(iommufd_is_taken_where_each_device_has_a_node),
		TEST(what_cannot_be_opened_is_told),
		TEST(what_the_kernel_refuses_is_told),
		TEST(no_devices_need_nothing),
		TEST(who_hears_of_errors_is_found),
		TEST(locked_memory_is_allowed_or_the_figure_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
