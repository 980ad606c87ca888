/*
 * The devices that are passed through to a virtual machine. They have the PCI slots before the network cards' for
 * themselves, so that a disk more or less moves none of them. All of guest memory is theirs to reach, and so it is locked.
 */
#include "vmm/vm_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "vmm/layout.h"
#include "vmm/vfio/iommu.h"
#include "vmm/vfio/vfio.h"

#define LAST_SLOT (31 - VM_MAX_NETS)
#define FIRST_MAP 8 /* memory slots of KVM: those before are RAM */
#define MAP_COUNT 256
/* Of a BAR that the other devices reach: the kernel maps it page by page, each time that the guest moves it. */
#define MAX_REACHABLE (1ULL << 30)

struct passthrough {
	struct vm *vm;
	struct vfio_iommu *iommu;
	bool maps_bars; /* for the other devices */
	pthread_mutex_t lock;
	bool used[MAP_COUNT]; /* KVM's memory slots from FIRST_MAP on */
	bool reachable[MAP_COUNT];
};

/* ---- BARs in guest memory ---- */

static int take_slot(struct passthrough *vfio)
{
	for (int i = 0; i < MAP_COUNT; i++)
		if (!vfio->used[i])
			return i;
	return -ENOSPC;
}

static int map_bar(void *ctx, uint64_t gpa, uint64_t size, void *host, bool read_only,
		   unsigned int *ret_handle)
{
	struct passthrough *vfio = ctx;
	struct kvm_vm *kvm = vfio->vm->kvm;
	int n, r;

	pthread_mutex_lock(&vfio->lock);
	n = r = take_slot(vfio);
	if (n >= 0)
		r = read_only ? kvm_set_rom(kvm, FIRST_MAP + (unsigned int)n, gpa, size, host)
			      : kvm_set_memory(kvm, FIRST_MAP + (unsigned int)n, gpa, size, host);
	if (r == 0) {
		vfio->used[n] = true;
		vfio->reachable[n] = vfio->maps_bars && !read_only && size <= MAX_REACHABLE &&
				     vfio_iommu_map(vfio->iommu, gpa, size, host) == 0;
		*ret_handle = (unsigned int)n;
	}
	pthread_mutex_unlock(&vfio->lock);
	return r < 0 ? r : 0;
}

static void unmap_bar(void *ctx, uint64_t gpa, uint64_t size, unsigned int handle)
{
	struct passthrough *vfio = ctx;

	pthread_mutex_lock(&vfio->lock);
	if (vfio->reachable[handle])
		vfio_iommu_unmap(vfio->iommu, gpa, size);
	kvm_unset_memory(vfio->vm->kvm, FIRST_MAP + handle);
	vfio->used[handle] = vfio->reachable[handle] = false;
	pthread_mutex_unlock(&vfio->lock);
}

static const struct vfio_map_ops map_ops = {.map = map_bar, .unmap = unmap_bar};

/* ---- guest memory for the devices ---- */

static int map_memory(struct vm *vm, struct vmb_err *err)
{
	const struct gm_region *regions;
	unsigned int n = gm_regions(vm->mem, &regions);
	int r = 0;

	gm_pin(vm->mem);
	for (unsigned int i = 0; i < n && r == 0; i++)
		r = vfio_iommu_map(vm->vfio->iommu, regions[i].gpa, regions[i].size,
				   regions[i].host);
	if (r == -ENOMEM)
		return vmb_err_set(
			err, ENOMEM,
			"The guest's %llu MiB of memory cannot be locked for the devices that are "
			"passed through: the machine has too little, or a limit "
			"(RLIMIT_MEMLOCK) is lower. Give the guest less.",
			(unsigned long long)(vm->start.memory >> 20));
	if (r < 0)
		return vmb_err_set(
			err, -r,
			"The guest's memory cannot be given to the devices that are passed "
			"through (%s).",
			strerror(-r));
	return 0;
}

/* ---- devices ---- */

static void device_failed(void *ctx, const char *text)
{
	vm_raise_loss(ctx, text);
}

static int open_host(struct vm *vm, unsigned int n, const int *fds, struct vfio_host **ret_host,
		     struct vmb_err *err)
{
	const struct vmm_vfio *info = &vm->start.vfio[n];
	int fd, r;

	r = vfio_iommu_open_device(vm->vfio->iommu, fds[info->fd], info->address, &fd, err);
	if (r == 0)
		r = vfio_host_open(fd, info->address, ret_host, err);
	return r;
}

static int add_device(struct vm *vm, unsigned int n, struct vfio_host *host, struct vmb_err *err)
{
	unsigned int slot = LAST_SLOT - n;
	struct vfio_env env = {
		.map_ops = &map_ops,
		.map_ctx = vm->vfio,
		.msi = {.ops = &irq_kvm_msi_ops, .ctx = vm->kvm},
		.intx = {.ops = &irq_kvm_level_ops,
			 .ctx = vm->kvm,
			 .gsi = LAYOUT_GSI_INTX + slot % 4},
		.ring = vm->rings[0],
		.failed = device_failed,
		.failed_ctx = vm,
		.no_rom = vm->start.vfio[n].no_rom,
		.aer = vm->start.vfio[n].aer,
	};
	struct pci_device *dev;
	uint64_t biggest;
	int r = vfio_device_create(host, &env, &dev, err);

	if (r < 0)
		return r;
	vm->high_bars += vfio_device_high_size(dev, &biggest);
	if (biggest > vm->biggest_bar)
		vm->biggest_bar = biggest;
	log_info("vm: %s is passed through, in slot %u", vm->start.vfio[n].address, slot);
	return vm_add_to_bus(vm, slot, dev);
}

static int create_devices(struct vm *vm, const int *fds, struct vmb_err *err)
{
	struct vfio_host *hosts[VM_MAX_VFIO];
	int groups[VM_MAX_VFIO], r = 0;
	unsigned int opened = 0, made = 0;

	while (opened < vm->start.vfio_count && r == 0) {
		groups[opened] = fds[vm->start.vfio[opened].fd];
		r = open_host(vm, opened, fds, &hosts[opened], err);
		opened += r == 0;
	}
	if (r == 0) {
		vfio_plan_resets(hosts, opened, vm->start.vfio_iommufd ? NULL : groups);
		r = map_memory(vm, err);
	}
	/* A host is the device's from the moment that it is made, well or not. */
	while (made < opened && r == 0) {
		r = add_device(vm, made, hosts[made], err);
		made++;
	}
	for (; made < opened; made++)
		hosts[made]->ops->destroy(hosts[made]);
	return r;
}

int vm_vfio_create(struct vm *vm, struct vmb_err *err)
{
	const int *fds = vm->params.vfio_fds + 1;
	struct passthrough *vfio;
	int r;

	if (vm->start.vfio_count == 0)
		return 0;
	vfio = calloc(1, sizeof(*vfio));
	if (!vfio)
		return -ENOMEM;
	vfio->vm = vm;
	pthread_mutex_init(&vfio->lock, NULL);
	vm->vfio = vfio;
	for (unsigned int i = 0; i < vm->start.vfio_fd_count; i++) {
		r = kvm_add_vfio(vm->kvm, fds[i]);
		if (r < 0)
			log_warn("vm: KVM does not take a group of VFIO (%s)", strerror(-r));
	}
	r = vfio_iommu_create(vm->params.vfio_fds[0], vm->start.vfio_iommufd, &vfio->iommu, err);
	vm->params.vfio_fds[0] = -1;
	if (r < 0)
		return r;
	vfio->maps_bars = vm->start.vfio_count > 1 && vfio_iommu_maps_bars(vfio->iommu);
	return create_devices(vm, fds, err);
}

void vm_vfio_destroy(struct vm *vm)
{
	if (!vm->vfio)
		return;
	vfio_iommu_destroy(vm->vfio->iommu);
	pthread_mutex_destroy(&vm->vfio->lock);
	free(vm->vfio);
	vm->vfio = NULL;
}
