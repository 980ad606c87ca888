/*
 * The machine half of kvm.h: capabilities, memory slots, interrupt controllers, routes, doorbells.
 * The vCPU half is kvm_cpu.c.
 */
#include "vmm/kvm_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "vmm/irq.h"
#include "vmm/layout.h"
#include "vmm/lazy.h"

#define MAX_MSRS    512
#define PIC_PINS    16
#define ENTRY_COUNT (PIC_PINS + LAYOUT_GSI_COUNT + KVM_MAX_ROUTES)

static const struct {
	long cap;
	const char *name;
} required_caps[] = {
	{KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY"},
	{KVM_CAP_SET_TSS_ADDR, "KVM_CAP_SET_TSS_ADDR"},
	{KVM_CAP_SET_IDENTITY_MAP_ADDR, "KVM_CAP_SET_IDENTITY_MAP_ADDR"},
	{KVM_CAP_EXT_CPUID, "KVM_CAP_EXT_CPUID"},
	{KVM_CAP_MP_STATE, "KVM_CAP_MP_STATE"},
	{KVM_CAP_SYNC_MMU, "KVM_CAP_SYNC_MMU"},
	{KVM_CAP_IRQCHIP, "KVM_CAP_IRQCHIP"},
	{KVM_CAP_IRQ_ROUTING, "KVM_CAP_IRQ_ROUTING"},
	{KVM_CAP_IRQFD, "KVM_CAP_IRQFD"},
	{KVM_CAP_IOEVENTFD, "KVM_CAP_IOEVENTFD"},
	{KVM_CAP_VCPU_EVENTS, "KVM_CAP_VCPU_EVENTS"},
	{KVM_CAP_DEBUGREGS, "KVM_CAP_DEBUGREGS"},
	{KVM_CAP_XSAVE, "KVM_CAP_XSAVE"},
	{KVM_CAP_XCRS, "KVM_CAP_XCRS"},
	{KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT"},
};

static int has_cap(int fd, long cap)
{
	return ioctl(fd, KVM_CHECK_EXTENSION, cap);
}

int kvm_check(int kvm_fd, char *buf, size_t size, struct vmb_err *err)
{
	int version = ioctl(kvm_fd, KVM_GET_API_VERSION, 0);
	size_t used = 0;

	if (version < 0)
		return vmb_err_set(err, errno,
				   "KVM does not answer (%s). Is /dev/kvm the kernel's KVM device?",
				   strerror(errno));
	if (version != KVM_API_VERSION)
		return vmb_err_set(
			err, ENOTSUP,
			"KVM speaks version %d of its interface, vmboot speaks %d. Use a "
			"mainline kernel.",
			version, KVM_API_VERSION);
	buf[0] = '\0';
	for (size_t i = 0; i < sizeof(required_caps) / sizeof(required_caps[0]); i++)
		if (has_cap(kvm_fd, required_caps[i].cap) <= 0 && used < size)
			used += (size_t)snprintf(buf + used, size - used, "%s%s", used ? ", " : "",
						 required_caps[i].name);
	return 0;
}

unsigned int kvm_max_cpus(int kvm_fd)
{
	int n = has_cap(kvm_fd, KVM_CAP_MAX_VCPUS);

	if (n <= 0)
		n = has_cap(kvm_fd, KVM_CAP_NR_VCPUS);
	return n > 0 ? (unsigned int)n : 1;
}

bool kvm_has_tsc_deadline(const struct kvm_vm *vm)
{
	return vm->tsc_deadline;
}

/* Which MSRs to save: asked once, the same for every vCPU. */
static int load_msr_list(struct kvm_vm *vm)
{
	vm->msr_list = calloc(1, sizeof(*vm->msr_list) + MAX_MSRS * sizeof(uint32_t));
	if (!vm->msr_list)
		return -ENOMEM;
	vm->msr_list->nmsrs = MAX_MSRS;
	return ioctl(vm->kvm_fd, KVM_GET_MSR_INDEX_LIST, vm->msr_list) < 0 ? -errno : 0;
}

int kvm_vm_create(int kvm_fd, struct kvm_vm **ret_vm, struct vmb_err *err)
{
	char missing[256];
	struct kvm_vm *vm;
	int r = kvm_check(kvm_fd, missing, sizeof(missing), err);

	if (r < 0)
		return r;
	if (missing[0])
		return vmb_err_set(
			err, ENOTSUP,
			"This kernel's KVM lacks what vmboot needs: %s. Use Linux 5.10 or "
			"later with KVM for AMD or Intel.",
			missing);
	vm = lazy_alloc(sizeof(*vm));
	if (!vm)
		return vmb_err_set(err, ENOMEM, "No memory for the virtual machine.");
	pthread_mutex_init(&vm->route_lock, NULL);
	vm->kvm_fd = kvm_fd;
	vm->vfio_fd = -1;
	vm->any_length = has_cap(kvm_fd, KVM_CAP_IOEVENTFD_ANY_LENGTH) > 0;
	vm->tsc_deadline = has_cap(kvm_fd, KVM_CAP_TSC_DEADLINE_TIMER) > 0;
	vm->page_size = (size_t)ioctl(kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	vm->table = malloc(sizeof(*vm->table) + ENTRY_COUNT * sizeof(vm->table->entries[0]));
	vm->fd = ioctl(kvm_fd, KVM_CREATE_VM, 0);
	if (vm->fd < 0)
		r = -errno;
	else if (!vm->table)
		r = -ENOMEM;
	else
		r = load_msr_list(vm);
	if (r < 0) {
		kvm_vm_destroy(vm);
		return vmb_err_set(
			err, -r,
			"KVM cannot make a virtual machine (%s). `vmboot doctor` examines "
			"this host.",
			strerror(-r));
	}
	*ret_vm = vm;
	return 0;
}

void kvm_vm_destroy(struct kvm_vm *vm)
{
	if (!vm)
		return;
	if (vm->vfio_fd >= 0)
		close(vm->vfio_fd);
	if (vm->fd >= 0)
		close(vm->fd);
	pthread_mutex_destroy(&vm->route_lock);
	free(vm->msr_list);
	free(vm->table);
	lazy_free(vm, sizeof(*vm));
}

static int set_slot(struct kvm_vm *vm, unsigned int slot, uint32_t flags, uint64_t gpa,
		    uint64_t size, void *host)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot,
		.flags = flags,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = (uintptr_t)host,
	};

	return ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region) < 0 ? -errno : 0;
}

int kvm_set_memory(struct kvm_vm *vm, unsigned int slot, uint64_t gpa, uint64_t size, void *host)
{
	return set_slot(vm, slot, 0, gpa, size, host);
}

int kvm_set_rom(struct kvm_vm *vm, unsigned int slot, uint64_t gpa, uint64_t size, void *host)
{
	return set_slot(vm, slot, KVM_MEM_READONLY, gpa, size, host);
}

void kvm_unset_memory(struct kvm_vm *vm, unsigned int slot)
{
	(void)set_slot(vm, slot, 0, 0, 0, NULL);
}

int kvm_add_vfio(struct kvm_vm *vm, int fd)
{
	struct kvm_create_device device = {.type = KVM_DEV_TYPE_VFIO};
	struct kvm_device_attr attr = {
		.group = KVM_DEV_VFIO_GROUP,
		.attr = KVM_DEV_VFIO_GROUP_ADD,
		.addr = (uintptr_t)&fd,
	};

	if (vm->vfio_fd < 0) {
		if (ioctl(vm->fd, KVM_CREATE_DEVICE, &device) < 0)
			return -errno;
		vm->vfio_fd = (int)device.fd;
	}
	return ioctl(vm->vfio_fd, KVM_SET_DEVICE_ATTR, &attr) < 0 ? -errno : 0;
}

/* ---- interrupts ---- */

int kvm_create_chips(struct kvm_vm *vm)
{
	/* The addresses KVM keeps for itself. */
	uint64_t idmap = LAYOUT_KVM_IDMAP;

	if (ioctl(vm->fd, KVM_SET_IDENTITY_MAP_ADDR, &idmap) < 0 ||
	    ioctl(vm->fd, KVM_SET_TSS_ADDR, LAYOUT_KVM_TSS) < 0 ||
	    ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0) < 0)
		return -errno;
	/* What they are after power-on, for kvm_reset_irqchip(). */
	for (unsigned int i = 0; i < KVM_CHIPS; i++) {
		vm->chips[i].chip_id = i;
		if (ioctl(vm->fd, KVM_GET_IRQCHIP, &vm->chips[i]) < 0)
			return -errno;
	}
	/*
	 * KVM's PICs hold nothing back and have vectors from 0 on, which are exceptions, until somebody sets them up. That is
	 * BIOS's work; those who need no PIC leave it, and the first CPU listens to them all the same.
	 */
	vm->chips[KVM_IRQCHIP_PIC_MASTER].chip.pic.imr = 0xFF;
	vm->chips[KVM_IRQCHIP_PIC_SLAVE].chip.pic.imr = 0xFF;
	return kvm_reset_irqchip(vm);
}

void kvm_set_line(struct kvm_vm *vm, unsigned int gsi, bool level)
{
	struct kvm_irq_level line = {.irq = gsi, .level = level};

	/* Fails only for a GSI that does not exist: LAYOUT_GSI_COUNT is checked by irq.c. */
	(void)ioctl(vm->fd, KVM_IRQ_LINE, &line);
}

/*
 * The second PIC before the first: with each of these ioctls KVM lets an interrupt that waits at the second one be
 * noticed by the first, where it would stay.
 */
int kvm_reset_irqchip(struct kvm_vm *vm)
{
	static const unsigned int order[] = {KVM_IRQCHIP_PIC_SLAVE, KVM_IRQCHIP_PIC_MASTER,
					     KVM_IRQCHIP_IOAPIC};

	for (unsigned int i = 0; i < KVM_CHIPS; i++) {
		struct kvm_irqchip chip = vm->chips[order[i]];

		if (ioctl(vm->fd, KVM_SET_IRQCHIP, &chip) < 0)
			return -errno;
	}
	return 0;
}

static void add_pin(struct kvm_irq_routing *table, uint32_t gsi, uint32_t chip, uint32_t pin)
{
	table->entries[table->nr++] = (struct kvm_irq_routing_entry){
		.gsi = gsi,
		.type = KVM_IRQ_ROUTING_IRQCHIP,
		.u.irqchip = {.irqchip = chip, .pin = pin},
	};
}

/* KVM_SET_GSI_ROUTING replaces the whole table at once: no moment without a route. Lock held. */
static int apply_routes(struct kvm_vm *vm)
{
	struct kvm_irq_routing *table = vm->table;

	*table = (struct kvm_irq_routing){
		0}; /* its entries are written whole, as many as there are */
	for (uint32_t pin = 0; pin < PIC_PINS; pin++)
		add_pin(table, pin, pin < 8 ? KVM_IRQCHIP_PIC_MASTER : KVM_IRQCHIP_PIC_SLAVE,
			pin % 8);
	for (uint32_t pin = 0; pin < LAYOUT_GSI_COUNT; pin++)
		add_pin(table, pin, KVM_IRQCHIP_IOAPIC, pin);
	for (uint32_t i = 0; i < KVM_MAX_ROUTES; i++) {
		const struct kvm_route *route = &vm->routes[i];

		if (!route->set)
			continue;
		table->entries[table->nr++] = (struct kvm_irq_routing_entry){
			.gsi = LAYOUT_GSI_COUNT + i,
			.type = KVM_IRQ_ROUTING_MSI,
			.u.msi = {.address_lo = (uint32_t)route->addr,
				  .address_hi = (uint32_t)(route->addr >> 32),
				  .data = route->data},
		};
	}
	return ioctl(vm->fd, KVM_SET_GSI_ROUTING, table) < 0 ? -errno : 0;
}

int kvm_route_alloc(struct kvm_vm *vm, uint32_t *ret_gsi)
{
	int r = -ENOSPC;

	pthread_mutex_lock(&vm->route_lock);
	for (uint32_t i = 0; i < KVM_MAX_ROUTES && r < 0; i++) {
		if (vm->routes[i].used)
			continue;
		vm->routes[i].used = true;
		*ret_gsi = LAYOUT_GSI_COUNT + i;
		r = 0;
	}
	pthread_mutex_unlock(&vm->route_lock);
	return r;
}

int kvm_route_set(struct kvm_vm *vm, uint32_t gsi, uint64_t addr, uint32_t data)
{
	struct kvm_route *route = &vm->routes[gsi - LAYOUT_GSI_COUNT];
	struct kvm_route before;
	int r;

	pthread_mutex_lock(&vm->route_lock);
	before = *route;
	*route = (struct kvm_route){.used = true, .set = true, .addr = addr, .data = data};
	r = apply_routes(vm);
	if (r < 0)
		*route = before;
	pthread_mutex_unlock(&vm->route_lock);
	return r;
}

void kvm_route_free(struct kvm_vm *vm, uint32_t gsi)
{
	struct kvm_route *route = &vm->routes[gsi - LAYOUT_GSI_COUNT];

	pthread_mutex_lock(&vm->route_lock);
	if (route->set) {
		*route = (struct kvm_route){0};
		/* A table with one entry less always fits. */
		(void)apply_routes(vm);
	}
	route->used = false;
	pthread_mutex_unlock(&vm->route_lock);
}

unsigned int kvm_route_count(struct kvm_vm *vm)
{
	unsigned int n = 0;

	pthread_mutex_lock(&vm->route_lock);
	for (uint32_t i = 0; i < KVM_MAX_ROUTES; i++)
		n += vm->routes[i].used;
	pthread_mutex_unlock(&vm->route_lock);
	return n;
}

int kvm_irqfd(struct kvm_vm *vm, int eventfd, uint32_t gsi, bool assign)
{
	struct kvm_irqfd irqfd = {
		.fd = (uint32_t)eventfd,
		.gsi = gsi,
		.flags = assign ? 0 : KVM_IRQFD_FLAG_DEASSIGN,
	};

	return ioctl(vm->fd, KVM_IRQFD, &irqfd) < 0 ? -errno : 0;
}

int kvm_irqfd_level(struct kvm_vm *vm, int eventfd, int resample, uint32_t gsi, bool assign)
{
	struct kvm_irqfd irqfd = {
		.fd = (uint32_t)eventfd,
		.gsi = gsi,
		.flags = assign ? KVM_IRQFD_FLAG_RESAMPLE : KVM_IRQFD_FLAG_DEASSIGN,
		.resamplefd = (uint32_t)resample,
	};

	return ioctl(vm->fd, KVM_IRQFD, &irqfd) < 0 ? -errno : 0;
}

int kvm_ioeventfd(struct kvm_vm *vm, const struct doorbell_place *place, unsigned int size,
		  int eventfd, bool assign)
{
	struct kvm_ioeventfd ioeventfd = {
		.addr = place->addr,
		.len = size,
		.fd = eventfd,
		.flags = (place->is_port ? KVM_IOEVENTFD_FLAG_PIO : 0) |
			 (assign ? 0 : KVM_IOEVENTFD_FLAG_DEASSIGN),
	};

	if (size == 0 && !vm->any_length)
		return -ENOTSUP;
	return ioctl(vm->fd, KVM_IOEVENTFD, &ioeventfd) < 0 ? -errno : 0;
}
