/* The callbacks of irq.h over kvm.h: interrupt wires of the I/O APIC, MSI messages, doorbells. */
#ifndef VMB_VMM_IRQ_KVM_H
#define VMB_VMM_IRQ_KVM_H

#include "vmm/irq.h"

struct irq_wires;
struct kvm_vm;

/* KVM is borrowed. 0 or -ENOMEM. */
int irq_wires_create(struct kvm_vm *kvm, struct irq_wires **ret_wires);
void irq_wires_destroy(struct irq_wires *wires); /* after the devices; NULL is fine */

/*
 * A new source on line GSI; the line is high while any of its sources is. The pin is good as long as
 * WIRES. 0, -EINVAL (no such line), -ENOSPC. While the machine is built, one thread only.
 */
int irq_wires_connect(struct irq_wires *wires, unsigned int gsi, struct irq_pin *ret_pin);

/* Every source low. vCPUs and I/O stand still. */
void irq_wires_reset(struct irq_wires *wires);

/* For struct msi_target, level_target and doorbell_target; their context is the struct kvm_vm. */
extern const struct msi_ops irq_kvm_msi_ops;
extern const struct level_ops irq_kvm_level_ops;
extern const struct doorbell_ops irq_kvm_doorbell_ops;

#endif
