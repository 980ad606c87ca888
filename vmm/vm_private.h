/* Shared by vm.c (life of the machine) and vm_devices.c (what it is made of). */
#ifndef VMB_VMM_VM_PRIVATE_H
#define VMB_VMM_VM_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "vmm/boot/boot.h"
#include "vmm/bus.h"
#include "vmm/console.h"
#include "vmm/irq_kvm.h"
#include "vmm/kvm.h"
#include "vmm/mem.h"
#include "vmm/pci/pci.h"
#include "vmm/platform/platform.h"
#include "vmm/progress.h"
#include "vmm/ring.h"
#include "vmm/sandbox.h"
#include "vmm/vcpu.h"
#include "vmm/virtio/virtio_devices.h"
#include "vmm/vm.h"

/* Of all disks together; each has one at least. */
#define VM_MAX_DISK_QUEUES 32
#define VM_MAX_RINGS	   (1 + VM_MAX_DISK_QUEUES + VM_MAX_NETS * VM_MAX_NET_QUEUES)
_Static_assert(VM_MAX_DISK_QUEUES >= VM_MAX_DISKS, "a queue for each disk");

struct vm {
	struct vm_params params;
	struct vmm_start start;

	struct guest_mem *mem;
	struct kvm_vm *kvm;
	struct kvm_cpuid2 *supported; /* asked for once: slow where the host is a guest itself */
	struct bus *ports;
	struct bus *mmio;
	struct irq_wires *wires;
	struct vcpus *vcpus;

	unsigned int ring_count;
	struct ring *rings[VM_MAX_RINGS]; /* 0: everything but disks */
	struct vm_console *console;
	struct uart *uart;
	struct rtc *rtc;
	struct pm *pm;
	struct i8042 *i8042;
	struct debugcon *debugcon;
	struct pci_device *balloon; /* on PCI, which owns it */
	struct pci_device *hvc;	    /* virtio-console on PCI, which owns it; NULL: none */
	_Atomic bool
		hvc_speaks; /* since power-on: the console is its, and the serial port's no more */
	struct pvpanic *pvpanic;
	struct watchdog *watchdog;
	struct pci_bus *pci;
	struct pci_device *disks[VM_MAX_DISKS]; /* on PCI, which owns them */
	struct pci_device *nets[VM_MAX_NETS];	/* likewise */
	struct vm_flash *flash; /* vm_flash.c's; NULL: firmware is in RAM, or none */
	struct passthrough *vfio;			/* vm_vfio.c's; NULL: no device is passed through */
	uint64_t high_bars, biggest_bar;	/* of the devices passed through, above 4 GiB: all, and one */

	struct progress progress;
	/* enum vmm_guest_event, as bits: since power-on, and of these what vm_take_event() has not told. */
	_Atomic uint32_t events, events_untold;

	struct log_limit vars_log_limit;
	pthread_mutex_t request_lock;
	enum vm_request request;
	char request_text[480];
	char loss_text[480]; /* empty: everything is there */
};

/* Makes every device of the table, in its order. 0 or -errno with the sentence. */
int vm_devices_create(struct vm *vm, struct vmb_err *err);

/* Power-on state for every device; vCPUs stand still. */
void vm_devices_reset(struct vm *vm);

/* In the opposite order; also after vm_devices_create() failed half-way. */
void vm_devices_destroy(struct vm *vm);

/* ---- vm_devices.c, for the makers of devices ---- */

/* An I/O thread of KIND more, vm->rings[vm->ring_count - 1] then. 0 or -errno with the sentence. */
int vm_new_ring(struct vm *vm, enum sandbox_thread kind, const char *name, unsigned int depth,
		struct vmb_err *err);

/* What a virtio device needs whose queues are served by RING. */
struct virtio_env vm_make_env(struct vm *vm, struct ring *ring);

/* Gives DEV the LEN ports from BASE on. 0 or -errno. */
int vm_claim_ports(struct vm *vm, uint64_t base, uint64_t len, const struct bus_ops *ops,
		   void *dev);

/* A callback of devices, CTX is the vm: the guest switches itself off. */
void vm_power_off(void *ctx);

/* Puts DEV (taken over, also on failure) into SLOT. 0 or -errno. */
int vm_add_to_bus(struct vm *vm, unsigned int slot, struct pci_device *dev);

/* ---- vm_nets.c ---- */

/* The network cards, in the last slots. 0 or -errno with the sentence. */
int vm_nets_create(struct vm *vm, struct vmb_err *err);

/* Every card stands still, or goes on. */
void vm_nets_set_paused(struct vm *vm, bool paused);

/* ---- vm_flash.c: none of it when the firmware is not in flash ---- */

/* Is the firmware in flash? */
bool vm_has_flash(const struct vm *vm);

/* The flash as memory of KVM; before the interrupt controllers. 0 or -errno with the sentence. */
int vm_flash_map(struct vm *vm, struct vmb_err *err);

/* What belongs to it, when every PCI device is there. 0 or -errno. */
int vm_flash_create(struct vm *vm, struct vmb_err *err);
/* Power-on state. */
void vm_flash_reset(struct vm *vm);
void vm_flash_destroy(struct vm *vm); /* KVM does not use it any more, or is about to go */

/* ---- vm.c ---- */

/* Where 32-bit PCI addresses begin. */
uint64_t vm_pci32_base(const struct vm *vm);

/* What the ACPI tables are made from. 0 or -errno, with the sentence when the PCI windows are too small. */
int vm_get_acpi_params(const struct vm *vm, struct acpi_params *ret_params, struct vmb_err *err);

/* ---- vm_vfio.c ---- */

/* The devices passed through, in the slots before the network cards'. 0 or -errno with the sentence. */
int vm_vfio_create(struct vm *vm, struct vmb_err *err);

/* After the PCI bus, which has the devices. */
void vm_vfio_destroy(struct vm *vm);

/* The guest wants this, or did it: the vCPUs stop, the control thread hears of it. First come wins. */
void vm_raise_request(struct vm *vm, enum vm_request request, const char *text);

/*
 * Something of the machine's is gone for good, TEXT says what: the same as VM_REQUEST_FAULT, but a reset does not make up for
 * it, whether asked for before or after. Any thread.
 */
void vm_raise_loss(struct vm *vm, const char *text);

/* EVENT happened; told once until the next power-on. Any thread. */
void vm_raise_event(struct vm *vm, enum vmm_guest_event event);

#endif
