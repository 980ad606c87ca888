/*
 * What a virtual machine of platform (b) has beyond platform (a): OVMF in flash that ends at 4 GiB, its
 * variables in a chip below it, the device that tells it about the machine, and the PIIX4's ports. The two
 * parts of the flash are KVM memory that the guest may only read; cfi_flash.c takes the variables out of
 * it while the chip is being written.
 */
#include "vmm/vm_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "flash.h"
#include "vmm/boot/boot_file.h"
#include "vmm/layout.h"

/* KVM's memory slots: those before are RAM, those behind are vm_vfio.c's. */
#define SLOT_CODE 4
#define SLOT_VARS 5

/* With the PIIX in slot 1 there is one less for disks; devices passed through leave none (see vm_config.h). */
#define MAX_DISKS_AND_VFIO 19

struct vm_flash {
	struct boot_file file; /* mapped */
	struct flash_image image;
	uint8_t *vars;
	uint64_t vars_gpa;
	struct cfi_flash *chip;
	struct fw_cfg *cfg;
	struct piix4 *piix4;
};

/* The memory map of OVMF: type 1 is RAM, low RAM begins at 0 and is one piece. */
struct e820_entry {
	uint64_t base;
	uint64_t size;
	uint32_t type;
} __attribute__((packed));

bool vm_has_flash(const struct vm *vm)
{
	return vm->start.boot == VMM_BOOT_FLASH;
}

static int map_vars(void *ctx, bool map)
{
	struct vm *vm = ctx;
	struct vm_flash *flash = vm->flash;

	if (map)
		return kvm_set_rom(vm->kvm, SLOT_VARS, flash->vars_gpa, flash->image.vars_size,
				   flash->vars);
	kvm_unset_memory(vm->kvm, SLOT_VARS);
	return 0;
}

static int open_image(struct vm *vm, struct vmb_err *err)
{
	struct vm_flash *flash = vm->flash;
	int r = boot_file_open(vm->params.firmware_fd, "firmware", &flash->file, err);

	if (r == 0)
		r = boot_file_map(&flash->file, err);
	if (r == 0)
		r = flash_check(flash->file.bytes, flash->file.size, flash->file.size,
				&flash->image, err);
	if (r == 0)
		r = varstore_map(vm->params.vars_fd, flash->image.vars_size, &flash->vars, err);
	return r;
}

int vm_flash_map(struct vm *vm, struct vmb_err *err)
{
	uint64_t code_gpa;
	void *code;
	int r;

	if (vm->start.vfio_count > 0 &&
	    vm->start.disk_count + vm->start.vfio_count > MAX_DISKS_AND_VFIO)
		return vmb_err_set(err, ENOSPC,
				   "With OVMF a virtual machine has room for %d disks and devices "
				   "passed through together, not for %u. Use CLOUDHV.fd, or take "
				   "one away.",
				   MAX_DISKS_AND_VFIO, vm->start.disk_count + vm->start.vfio_count);
	vm->flash = calloc(1, sizeof(*vm->flash));
	if (!vm->flash)
		return vmb_err_set(err, ENOMEM, "No memory for the virtual machine.");
	r = open_image(vm, err);
	if (r < 0)
		return r;
	code = (uint8_t *)(uintptr_t)vm->flash->file.bytes + vm->flash->image.code_at;
	code_gpa = LAYOUT_FLASH_END - vm->flash->image.code_size;
	vm->flash->vars_gpa = code_gpa - vm->flash->image.vars_size;
	r = kvm_set_rom(vm->kvm, SLOT_CODE, code_gpa, vm->flash->image.code_size, code);
	if (r == 0)
		r = map_vars(vm, true);
	if (r < 0)
		return vmb_err_set(err, -r, "KVM refuses the firmware's flash (%s).", strerror(-r));
	return 0;
}

static int add_memory_map(struct vm *vm)
{
	const struct e820_entry map[] = {
		{0, gm_low_end(vm->mem), 1},
		{GM_HIGH_BASE, gm_high_size(vm->mem), 1},
	};
	size_t count = gm_high_size(vm->mem) > 0 ? 2 : 1;

	return fw_cfg_add_file(vm->flash->cfg, "etc/e820", map, count * sizeof(map[0]));
}

static int create_fw_cfg(struct vm *vm, struct vmb_err *err)
{
	const struct smbios_params smbios = {.cpus = vm->start.cpus, .memory = vm->start.memory};
	struct acpi_params acpi;
	int r = vm_get_acpi_params(vm, &acpi, err);

	if (r == 0)
		r = fw_cfg_create(vm->start.cpus, &vm->flash->cfg);
	if (r == 0)
		r = add_memory_map(vm);
	if (r == 0)
		r = acpi_load(vm->flash->cfg, &acpi);
	if (r == 0)
		r = smbios_load(vm->flash->cfg, &smbios);
	if (r == 0)
		r = vm_claim_ports(vm, LAYOUT_PORT_FW_CFG, 2, &fw_cfg_bus_ops, vm->flash->cfg);
	return r;
}

int vm_flash_create(struct vm *vm, struct vmb_err *err)
{
	struct vm_flash *flash = vm->flash;
	struct cfi_flash_params params = {.map = map_vars, .ctx = vm};
	int r;

	if (!flash)
		return 0;
	params.bytes = flash->vars;
	r = cfi_flash_create(&params, &flash->chip);
	if (r == 0)
		r = bus_add(vm->mmio, &(struct bus_range){.base = flash->vars_gpa,
							  .len = flash->image.vars_size,
							  .ops = &cfi_flash_bus_ops,
							  .dev = flash->chip});
	if (r == 0)
		r = piix4_create(vm->pm, vm_power_off, vm, &flash->piix4);
	if (r == 0)
		r = vm_claim_ports(vm, LAYOUT_PORT_PIIX4, 12, &piix4_bus_ops, flash->piix4);
	if (r == 0)
		r = create_fw_cfg(vm, err);
	return r;
}

void vm_flash_reset(struct vm *vm)
{
	if (!vm->flash)
		return;
	cfi_flash_reset(vm->flash->chip);
	piix4_reset(vm->flash->piix4);
	fw_cfg_reset(vm->flash->cfg);
}

void vm_flash_destroy(struct vm *vm)
{
	struct vm_flash *flash = vm->flash;

	if (!flash)
		return;
	fw_cfg_destroy(flash->cfg);
	piix4_destroy(flash->piix4);
	cfi_flash_destroy(flash->chip);
	boot_file_unmap(&flash->file);
	if (flash->vars)
		munmap(flash->vars, flash->image.vars_size);
	free(flash);
	vm->flash = NULL;
}
