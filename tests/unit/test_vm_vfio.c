/*
 * A virtual machine with devices passed through as a whole: what it is refused for when it is made (no slot, no addresses,
 * no memory that could be locked), and that one which loses a device ends. ioctl() is replaced: VFIO has everything that is
 * asked for; and of KVM nothing is there.
 */
#include "test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <linux/vfio.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "log.h"
#include "vmm/vm_private.h"

#define GIB (1ULL << 30)

static int map_error;

int __wrap_ioctl(int fd, unsigned long request, ...);

int __wrap_ioctl(int fd, unsigned long request, ...)
{
	va_list args;
	void *arg;

	(void)fd;
	va_start(args, request);
	arg = va_arg(args, void *);
	va_end(args);
	switch (request) {
	case VFIO_GET_API_VERSION: return VFIO_API_VERSION;
	case VFIO_CHECK_EXTENSION: return 1;
	case VFIO_GROUP_GET_STATUS:
		((struct vfio_group_status *)arg)->flags = VFIO_GROUP_FLAGS_VIABLE;
		return 0;
	case VFIO_GROUP_GET_DEVICE_FD: return open("/dev/null", O_RDWR | O_CLOEXEC);
	case VFIO_DEVICE_GET_INFO:
		((struct vfio_device_info *)arg)->flags =
			VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET;
		return 0;
	case VFIO_IOMMU_MAP_DMA: errno = map_error; return -1;
	default: return 0;
	}
}

static void assert_says(const struct vmb_err *err, const char *sentence)
{
	if (!strstr(err->text, sentence))
		fail_msg("\"%s\" does not say \"%s\"", err->text, sentence);
}

static unsigned int open_files(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int n = 0;

	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

/* What does not depend on how many there are is another sentence's affair: here there is no firmware. */
static void flash_leaves_room_for_nineteen(void **state)
{
	static const struct {
		unsigned int disks, devices;
		const char *sentence;
	} cases[] = {
		{19, 1, "has room for 19 disks and devices passed through together, not for 20"},
		{12, 8, "has room for 19 disks and devices passed through together, not for 20"},
		{18, 1, "firmware"},
		{11, 8, "firmware"},
		{20, 0, "firmware"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct vm vm = {.params.firmware_fd = -1, .params.vars_fd = -1};
		struct vmb_err err = {0};

		vm.start.disk_count = cases[i].disks;
		vm.start.vfio_count = cases[i].devices;
		assert_true(vm_flash_map(&vm, &err) < 0);
		assert_says(&err, cases[i].sentence);
		if (i < 2)
			assert_says(&err, "Use CLOUDHV.fd, or take one away.");
		else
			assert_null(strstr(err.text, "has room"));
		free(vm.flash);
	}
}

/* A processor with 36 bits of addresses, as small ones have. */
static void bars_beyond_what_can_be_addressed_are_refused(void **state)
{
	struct kvm_cpuid2 *cpuid = calloc(1, sizeof(*cpuid) + sizeof(struct kvm_cpuid_entry2));
	struct vm vm = {.supported = cpuid, .start.cpus = 1};
	struct acpi_params acpi = {.pci64_end = 7};
	struct vmb_err err = {0};

	(void)state;
	cpuid->nent = 1;
	cpuid->entries[0] = (struct kvm_cpuid_entry2){.function = 0x80000008, .eax = 36};
	assert_int_equal(gm_create(4 * GIB, &vm.mem), 0);
	vm.biggest_bar = vm.high_bars = 32 * GIB;
	assert_int_equal(vm_get_acpi_params(&vm, &acpi, &err), 0);
	assert_int_equal(acpi.pci64_base, 5 * GIB);
	assert_int_equal(acpi.pci64_end, 64 * GIB);
	acpi.pci64_end = 7;
	vm.high_bars += 16;
	assert_int_equal(vm_get_acpi_params(&vm, &acpi, &err), -ENOSPC);
	assert_says(
		&err,
		"need 32768 MiB of addresses above the guest's memory, and this "
		"processor has none that far up. Give the guest less memory, or fewer devices.");
	assert_int_equal(acpi.pci64_end, 7);
	gm_destroy(vm.mem);
	free(cpuid);
}

static void memory_that_cannot_be_locked_is_told(void **state)
{
	static const struct {
		int error;
		const char *sentence;
	} cases[] = {
		{ENOMEM, "The guest's 64 MiB of memory cannot be locked for the devices that are "
			 "passed through: the machine has too little, or a limit (RLIMIT_MEMLOCK)"},
		{EFAULT, "The guest's memory cannot be given to the devices that are passed "
			 "through (Bad address)."},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int fds[2] = {open("/dev/null", O_RDWR | O_CLOEXEC), 99};
		struct vm vm = {.params.vfio_fds = fds};
		unsigned int before = open_files();
		struct vmb_err err = {0};

		map_error = cases[i].error;
		vm.start.memory = 64 << 20;
		vm.start.vfio_count = 2;
		strcpy(vm.start.vfio[0].address, "0000:01:00.0");
		strcpy(vm.start.vfio[1].address, "0000:01:00.1");
		assert_int_equal(gm_create(vm.start.memory, &vm.mem), 0);
		assert_int_equal(vm_vfio_create(&vm, &err), -cases[i].error);
		assert_says(&err, cases[i].sentence);
		vm_vfio_destroy(&vm);
		gm_destroy(vm.mem);
		assert_int_equal(open_files(),
				 before - 1); /* the container's, which was taken over */
	}
}

/* ---- a device is lost ---- */

static unsigned int stops;

void __wrap_vcpus_stop(struct vcpus *vcpus);
void __wrap_vcpus_wait_stopped(struct vcpus *vcpus);
void __wrap_vm_devices_reset(struct vm *vm);
void __wrap_irq_wires_reset(struct irq_wires *wires);
unsigned int __wrap_kvm_route_count(struct kvm_vm *kvm);
int __wrap_kvm_reset_irqchip(struct kvm_vm *kvm);

void __wrap_vcpus_stop(struct vcpus *vcpus)
{
	(void)vcpus;
	stops++;
}

void __wrap_vcpus_wait_stopped(struct vcpus *vcpus)
{
	(void)vcpus;
}

/* While this lasts it happens. */
void __wrap_vm_devices_reset(struct vm *vm)
{
	vm_raise_request(vm, VM_REQUEST_FAULT, "of the guest before its reset");
	if (vm->start.vfio_count)
		vm_raise_loss(vm, "taken away in a reset");
}

void __wrap_irq_wires_reset(struct irq_wires *wires)
{
	(void)wires;
}

unsigned int __wrap_kvm_route_count(struct kvm_vm *kvm)
{
	(void)kvm;
	return 0;
}

int __wrap_kvm_reset_irqchip(struct kvm_vm *kvm)
{
	(void)kvm;
	return -EIO;
}

static void open_vm(struct vm *vm)
{
	*vm = (struct vm){.params = {.vars_fd = -1, .notify_fd = eventfd(0, EFD_NONBLOCK)}};
	pthread_mutex_init(&vm->request_lock, NULL);
	assert_int_equal(bus_create(&vm->ports), 0);
	assert_int_equal(bus_create(&vm->mmio), 0);
}

static void close_vm(struct vm *vm)
{
	close(vm->params.notify_fd);
	pthread_mutex_destroy(&vm->request_lock);
	bus_destroy(vm->ports);
	bus_destroy(vm->mmio);
}

static void assert_request(struct vm *vm, enum vm_request request, const char *text)
{
	char got[480] = "";
	eventfd_t count;

	/* Who waits for requests is woken. */
	assert_int_equal(eventfd_read(vm->params.notify_fd, &count), 0);
	assert_int_equal(vm_take_request(vm, got, sizeof(got)), request);
	assert_string_equal(got, text);
}

/* The eventfd of AER is written once: what is forgotten here nobody says again. */
static void a_lost_device_is_not_forgotten_over_a_reset(void **state)
{
	bool changed = false;
	struct vmb_err err;
	struct vm vm;

	(void)state;
	open_vm(&vm);
	/* Just when the guest has asked for a reset. */
	vm_raise_request(&vm, VM_REQUEST_RESET, "");
	stops = 0;
	vm_raise_loss(&vm, "taken away");
	assert_int_equal(stops, 1);
	assert_request(&vm, VM_REQUEST_FAULT, "taken away");
	close_vm(&vm);

	/* In the midst of one: the guest's own request is of the life before it. */
	open_vm(&vm);
	assert_int_equal(vm_reset(&vm, &changed, &err), -EIO);
	assert_request(&vm, VM_REQUEST_NONE, "of the guest before its reset");
	vm.start.vfio_count = 1;
	assert_int_equal(vm_reset(&vm, &changed, &err), -EIO);
	assert_request(&vm, VM_REQUEST_FAULT, "taken away in a reset");
	close_vm(&vm);

	/* A guest that has switched itself off needs it no more. */
	open_vm(&vm);
	vm_raise_request(&vm, VM_REQUEST_POWER_OFF, "");
	vm_raise_loss(&vm, "taken away");
	assert_request(&vm, VM_REQUEST_POWER_OFF, "");
	close_vm(&vm);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(flash_leaves_room_for_nineteen),
		cmocka_unit_test(bars_beyond_what_can_be_addressed_are_refused),
		cmocka_unit_test(memory_that_cannot_be_locked_is_told),
		cmocka_unit_test(a_lost_device_is_not_forgotten_over_a_reset),
	};

	log_init(-1, LOG_LEVEL_ERROR, "test");
	return cmocka_run_group_tests_name("vm_vfio", tests, NULL, NULL);
}
