/* See vm.h. The order of creation, reset and end; what the machine is made of is in vm_devices.c. */
#include "vmm/vm_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>

#include "log.h"
#include "text.h"
#include "vmm/cpuid.h"
#include "vmm/layout.h"
#include "vmm/vfio/vfio.h"
#include "vmm/virtio/virtio_devices.h"

#define MAX_PCI_BITS 46	 /* EDK2 uses no more with 4-level paging */
#define FLUSH_MSEC   500 /* for a reader that is there, but slow */

void vm_raise_request(struct vm *vm, enum vm_request request, const char *text)
{
	pthread_mutex_lock(&vm->request_lock);
	if (vm->request == VM_REQUEST_NONE) {
		vm->request = request;
		(void)text_copy(vm->request_text, sizeof(vm->request_text), text);
	}
	pthread_mutex_unlock(&vm->request_lock);
	vcpus_stop(vm->vcpus);
	eventfd_write(vm->params.notify_fd, 1);
}

void vm_raise_loss(struct vm *vm, const char *text)
{
	pthread_mutex_lock(&vm->request_lock);
	if (!vm->loss_text[0])
		(void)text_copy(vm->loss_text, sizeof(vm->loss_text), text);
	pthread_mutex_unlock(&vm->request_lock);
	vcpus_stop(vm->vcpus);
	eventfd_write(vm->params.notify_fd, 1);
}

void vm_raise_event(struct vm *vm, enum vmm_guest_event event)
{
	uint32_t bit = 1U << event;

	if (atomic_fetch_or(&vm->events, bit) & bit)
		return;
	atomic_fetch_or(&vm->events_untold, bit);
	eventfd_write(vm->params.notify_fd, 1);
}

uint32_t vm_take_event(struct vm *vm)
{
	uint32_t untold = atomic_load(&vm->events_untold);
	int event = ffs((int)untold) - 1;

	if (event < 0)
		return 0;
	atomic_fetch_and(&vm->events_untold, ~(1U << event));
	return (uint32_t)event;
}

enum vm_request vm_take_request(struct vm *vm, char *text, size_t size)
{
	enum vm_request request;

	pthread_mutex_lock(&vm->request_lock);
	request = vm->request;
	vm->request = VM_REQUEST_NONE;
	(void)text_copy(text, size, vm->request_text);
	if (vm->loss_text[0] && request != VM_REQUEST_POWER_OFF) {
		request = VM_REQUEST_FAULT;
		(void)text_copy(text, size, vm->loss_text);
	}
	pthread_mutex_unlock(&vm->request_lock);
	return request;
}

/* Of the guest's before a reset; what the machine has lost does not come back by that. */
static void forget_request(struct vm *vm)
{
	pthread_mutex_lock(&vm->request_lock);
	vm->request = VM_REQUEST_NONE;
	pthread_mutex_unlock(&vm->request_lock);
}

static void cpu_fault(void *ctx, const char *text)
{
	vm_raise_request(ctx, VM_REQUEST_FAULT, text);
}

static void cpu_power_off(void *ctx)
{
	vm_raise_request(ctx, VM_REQUEST_POWER_OFF, "");
}

static void cpu_reset(void *ctx)
{
	vm_raise_request(ctx, VM_REQUEST_RESET, "");
}

static void stage_changed(void *ctx)
{
	eventfd_write(((struct vm *)ctx)->params.notify_fd, 1);
}

/* ---- building ---- */

static int create_memory_and_chips(struct vm *vm, struct vmb_err *err)
{
	const struct gm_region *regions;
	unsigned int n;
	int r = gm_create(vm->start.memory, &vm->mem);

	if (r < 0)
		return vmb_err_set(
			err, -r,
			"The host gives no %llu MiB of memory for the guest (%s). Give it "
			"less memory.",
			(unsigned long long)(vm->start.memory >> 20), strerror(-r));
	if (vm_has_flash(vm))
		r = vm_flash_map(vm, err);
	else if (vm->params.vars_fd >= 0)
		r = varstore_attach(vm->mem, vm->params.vars_fd, err);
	if (r < 0)
		return r;
	n = gm_regions(vm->mem, &regions);
	for (unsigned int i = 0; i < n && r == 0; i++)
		r = kvm_set_memory(vm->kvm, i, regions[i].gpa, regions[i].size, regions[i].host);
	if (r < 0)
		return vmb_err_set(err, -r, "KVM refuses the guest's memory (%s). Give it less.",
				   strerror(-r));
	r = kvm_create_chips(vm->kvm);
	if (r < 0)
		return vmb_err_set(err, -r,
				   "KVM cannot make interrupt controllers (%s). `vmboot doctor` "
				   "examines this host.",
				   strerror(-r));
	return 0;
}

static enum sandbox_thread vcpu_kind(const struct vm *vm)
{
	if (vm->start.vfio_count > 0)
		return SANDBOX_VCPU_VFIO;
	return vm_has_flash(vm) ? SANDBOX_VCPU_FLASH : SANDBOX_VCPU;
}

static int create_vcpus(struct vm *vm, struct vmb_err *err)
{
	const struct vcpus_params params = {
		.kvm = vm->kvm,
		.supported = vm->supported,
		.mem = vm->mem,
		.ports = vm->ports,
		.mmio = vm->mmio,
		.count = vm->start.cpus,
		.nested = vm->start.nested,
		.nice = vm->params.vcpu_nice,
		.sandbox = vm->params.sandbox,
		.kind = vcpu_kind(vm),
		.fault = cpu_fault,
		.power_off = cpu_power_off,
		.reset = cpu_reset,
		.ctx = vm,
	};
	unsigned int max = kvm_max_cpus(vm->params.kvm_fd);

	if (params.count == 0 || params.count > VM_MAX_CPUS || params.count > max)
		return vmb_err_set(
			err, EINVAL,
			"The virtual machine cannot have %u vCPUs: this host's KVM allows "
			"1 to %u.",
			params.count, max < VM_MAX_CPUS ? max : VM_MAX_CPUS);
	return vcpus_create(&params, &vm->vcpus, err);
}

static int create_parts(struct vm *vm, struct vmb_err *err)
{
	int r = vm->kvm ? 0 : kvm_vm_create(vm->params.kvm_fd, &vm->kvm, err);

	if (r == 0)
		r = create_memory_and_chips(vm, err);
	if (r < 0)
		return r;
	r = bus_create(&vm->ports);
	if (r == 0)
		r = bus_create(&vm->mmio);
	if (r == 0)
		r = irq_wires_create(vm->kvm, &vm->wires);
	if (r < 0)
		return vmb_err_set(err, -r, "No memory for the virtual machine.");
	r = kvm_supported_cpuid(vm->params.kvm_fd, &vm->supported);
	if (r < 0)
		return vmb_err_set(err, -r, "KVM does not say what the CPU can do (%s).",
				   strerror(-r));
	r = create_vcpus(vm, err);
	if (r == 0)
		r = vm_devices_create(vm, err);
	return r;
}

/* Is there room for the big BARs of devices that are passed through, each at a multiple of its size? */
static int check_high_bars(const struct vm *vm, const struct acpi_params *acpi, struct vmb_err *err)
{
	if (vfio_high_bars_fit(vm->high_bars, vm->biggest_bar, acpi->pci64_base, acpi->pci64_end))
		return 0;
	return vmb_err_set(
		err, ENOSPC,
		"The devices that are passed through need %llu MiB of addresses above the guest's "
		"memory, and this processor has none that far up. Give the guest less memory, or "
		"fewer devices.",
		(unsigned long long)(vm->high_bars >> 20));
}

uint64_t vm_pci32_base(const struct vm *vm)
{
	uint64_t low_end = gm_low_end(vm->mem);

	if (!vm_has_flash(vm))
		return LAYOUT_PCI32;
	return low_end > LAYOUT_PCI32_I440FX ? low_end : LAYOUT_PCI32_I440FX;
}

/* The 64-bit PCI window: above RAM, to the end of what the processor can address. */
int vm_get_acpi_params(const struct vm *vm, struct acpi_params *ret_params, struct vmb_err *err)
{
	unsigned int bits = cpuid_phys_bits(vm->supported);
	const struct acpi_params acpi = {
		.cpus = vm->start.cpus,
		.pci32_base = vm_pci32_base(vm),
		.pci64_base = GM_HIGH_BASE + gm_high_size(vm->mem),
		.pci64_end = 1ULL << (bits < MAX_PCI_BITS ? bits : MAX_PCI_BITS),
	};
	int r = check_high_bars(vm, &acpi, err);

	if (r < 0)
		return r;
	*ret_params = acpi;
	return 0;
}

static int build_tables(struct vm *vm, uint64_t *ret_rsdp, struct vmb_err *err)
{
	const struct smbios_params smbios = {.cpus = vm->start.cpus, .memory = vm->start.memory};
	struct acpi_params acpi;
	int r = vm_get_acpi_params(vm, &acpi, err);

	if (r < 0)
		return r;
	r = acpi_build(vm->mem, &acpi, ret_rsdp);
	if (r == 0)
		r = smbios_build(vm->mem, &smbios);
	if (r < 0)
		return vmb_err_set(err, -r, "The tables for the firmware cannot be made (%s).",
				   strerror(-r));
	return 0;
}

static int load_linux(struct vm *vm, uint64_t rsdp, struct kvm_entry *ret_entry,
		      struct vmb_err *err)
{
	const struct linux_boot boot = {
		.kernel_fd = vm->params.kernel_fd,
		.initrd_fd = vm->params.initrd_fd,
		.cmdline = vm->start.cmdline,
		.rsdp = rsdp,
	};

	return linux_load(vm->mem, &boot, ret_entry, err);
}

/* What boots in RAM, and where it begins. */
static int load(struct vm *vm, struct kvm_entry *entry, struct vmb_err *err)
{
	uint64_t rsdp;
	int r = build_tables(vm, &rsdp, err);

	if (r == 0 && vm->params.kernel_fd >= 0)
		r = load_linux(vm, rsdp, entry, err);
	else if (r == 0)
		r = pvh_load(vm->mem, vm->params.firmware_fd, rsdp, entry, err);
	return r;
}

/* Everything the first instruction finds; memory reads zero. vCPUs stand still. */
static int power_on(struct vm *vm, struct vmb_err *err)
{
	struct kvm_entry entry = {.at_reset_vector = true};
	int r = vm_has_flash(vm) ? 0 : load(vm, &entry, err);

	atomic_store(&vm->events, 0);
	atomic_store(&vm->events_untold, 0);
	progress_reset(&vm->progress, vm->params.kernel_fd >= 0 ? VMM_STAGE_OS : VMM_STAGE_SEC);
	if (r == 0)
		r = vcpus_reset(vm->vcpus, &entry, err);
	return r;
}

int vm_create(const struct vm_params *params, struct vm **ret_vm, struct vmb_err *err)
{
	struct vm *vm = calloc(1, sizeof(*vm));
	int r;

	if (!vm)
		return vmb_err_set(err, ENOMEM, "No memory for the virtual machine.");
	vm->params = *params;
	vm->kvm = params->kvm;
	vm->start = *params->start;
	vm->params.start = NULL;
	pthread_mutex_init(&vm->request_lock, NULL);
	progress_init(&vm->progress, stage_changed, vm);
	r = create_parts(vm, err);
	if (r == 0)
		r = power_on(vm, err);
	if (r < 0) {
		vm_destroy(vm);
		return r;
	}
	*ret_vm = vm;
	return 0;
}

void vm_destroy(struct vm *vm)
{
	if (!vm)
		return;
	vcpus_destroy(vm->vcpus);
	vm_devices_destroy(vm);
	irq_wires_destroy(vm->wires);
	bus_destroy(vm->mmio);
	bus_destroy(vm->ports);
	kvm_vm_destroy(vm->kvm);
	free(vm->supported);
	gm_destroy(vm->mem);
	progress_fini(&vm->progress);
	pthread_mutex_destroy(&vm->request_lock);
	free(vm);
}

/* ---- life ---- */

void vm_run(struct vm *vm)
{
	vcpus_resume(vm->vcpus);
}

void vm_pause(struct vm *vm)
{
	vcpus_pause(vm->vcpus);
	vcpus_wait_stopped(vm->vcpus);
	vm_nets_set_paused(vm, true);
	watchdog_pause(vm->watchdog);
}

void vm_resume(struct vm *vm)
{
	vm_nets_set_paused(vm, false);
	watchdog_resume(vm->watchdog);
	vcpus_tell_paused(vm->vcpus);
	vcpus_resume(vm->vcpus);
}

static int settle_vars(struct vm *vm, bool *ret_changed)
{
	int r = 0;

	if (vm->params.vars_fd >= 0)
		r = varstore_settle(vm->params.vars_fd, &vm->vars_log_limit, ret_changed);
	if (r < 0 && log_limit_ok(&vm->vars_log_limit))
		log_error("variables: cannot be saved (%s)", strerror(-r));
	return r;
}

int vm_reset(struct vm *vm, bool *ret_vars_changed, struct vmb_err *err)
{
	int r;

	vcpus_stop(vm->vcpus);
	vcpus_wait_stopped(vm->vcpus);
	vm_devices_reset(vm);
	irq_wires_reset(vm->wires);
	(void)settle_vars(vm, ret_vars_changed);
	forget_request(vm);
	log_debug("vm: reset, %u MSI routes and %llu port and %llu MMIO accesses unclaimed",
		  kvm_route_count(vm->kvm), (unsigned long long)bus_unclaimed(vm->ports),
		  (unsigned long long)bus_unclaimed(vm->mmio));
	r = kvm_reset_irqchip(vm->kvm);
	if (r == 0)
		r = gm_clear(vm->mem);
	if (r < 0)
		return vmb_err_set(err, -r, "The virtual machine cannot be reset (%s).",
				   strerror(-r));
	return power_on(vm, err);
}

void vm_stop(struct vm *vm, bool *ret_vars_changed)
{
	vcpus_stop(vm->vcpus);
	vcpus_wait_stopped(vm->vcpus);
	vm_console_flush(vm->console, FLUSH_MSEC);
	(void)settle_vars(vm, ret_vars_changed);
}

void vm_send_break(struct vm *vm)
{
	uart_receive_break(vm->uart);
}

void vm_press_power_button(struct vm *vm)
{
	pm_press_power_button(vm->pm);
}

void vm_set_link(struct vm *vm, unsigned int net, bool up)
{
	if (net < vm->start.net_count)
		virtio_net_set_link(vm->nets[net], up);
}

void vm_grow_disk(struct vm *vm, unsigned int disk)
{
	if (disk < vm->start.disk_count)
		virtio_blk_grow(vm->disks[disk]);
}

void vm_set_balloon(struct vm *vm, uint64_t bytes)
{
	if (vm->balloon)
		virtio_balloon_set_target(vm->balloon, bytes);
}

void vm_get_status(const struct vm *vm, struct vmm_status *ret_status)
{
	(void)text_copy(ret_status->engine, sizeof(ret_status->engine),
			ring_engine_name(vm->rings[0]));
	ret_status->unclaimed_ports = bus_unclaimed(vm->ports);
	ret_status->unclaimed_mmio = bus_unclaimed(vm->mmio);
	ret_status->cpu_count = vm->start.cpus;
	for (unsigned int i = 0; i < vm->start.cpus; i++)
		vcpus_get_status(vm->vcpus, i, &ret_status->cpus[i]);
	ret_status->disk_count = vm->start.disk_count;
	for (unsigned int i = 0; i < vm->start.disk_count; i++)
		virtio_blk_get_status(vm->disks[i], &ret_status->disks[i]);
	ret_status->net_count = vm->start.net_count;
	for (unsigned int i = 0; i < vm->start.net_count; i++)
		virtio_net_get_status(vm->nets[i], &ret_status->nets[i]);
	if (vm->balloon)
		virtio_balloon_get_status(vm->balloon, &ret_status->balloon);
}

enum vmm_stage vm_stage(const struct vm *vm)
{
	return progress_stage(&vm->progress);
}
