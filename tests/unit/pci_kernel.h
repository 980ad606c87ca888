/* A made-up sysfs with one PCI function at ADDRESS, behind which the test plays the kernel: see pci_bind.mk. */
#ifndef VMB_TESTS_UNIT_PCI_KERNEL_H
#define VMB_TESTS_UNIT_PCI_KERNEL_H

#include "pci_tree.h"

#include <errno.h>

#include "daemon/pci_files.h"

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

static inline bool has_directory(const char *path)
{
	return access(at("%s/%s", kernel->dir, path), F_OK) == 0;
}

static inline int bind_driver(const char *address, const char *driver)
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

static inline int probe_drivers(const char *address)
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

static inline int setup(void **state)
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

static inline const char *driver(void)
{
	static char name[64];

	return pci_files_driver(kernel->dir, ADDRESS, name, sizeof(name));
}

static inline const char * override(void)
{
	static char text[64];

	return pci_files_read_line(text, sizeof(text), kernel->dir,
				   "/sys/bus/pci/devices/" ADDRESS "/driver_override");
}

static inline const char *run_dir(void)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/run", kernel->dir);
	return path;
}

static inline bool has_record(void)
{
	return has_directory("run/" ADDRESS);
}

static inline void take(void)
{
	struct vmb_err err = {0};

	if (host_pci_take(kernel->dir, run_dir(), ADDRESS, &err) < 0)
		fail_msg("not taken: %s", err.text);
	assert_string_equal(driver(), "vfio-pci");
}

static inline void give_back(void)
{
	struct vmb_err err = {0};

	if (host_pci_give_back(kernel->dir, run_dir(), ADDRESS, &err) < 0)
		fail_msg("not given back: %s", err.text);
	assert_false(has_record());
}

static inline void assert_says(const struct vmb_err *err, const char *words)
{
	if (!strstr(err->text, words))
		fail_msg("the sentence misses \"%s\": %s", words, err->text);
}

/* The settings of a guest that gets ADDRESS. */
static inline struct vm_config config_of(const char *address)
{
	struct vm_config config;

	vm_config_init(&config);
	strcpy(config.title, "Debian 12");
	strcpy(config.vfio[0].address, address);
	config.vfio_count = 1;
	return config;
}

#endif
