/*
 * KVM behind functions: kvm.c and kvm_cpu.c are the only files with KVM ioctls. Linux Documentation/virt/kvm/api.rst is the
 * specification. Not a policy: what a machine is made of is vm.c's business, how a vCPU's thread
 * runs is vcpu.c's.
 */
#ifndef VMB_VMM_KVM_H
#define VMB_VMM_KVM_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

struct doorbell_place;
struct kvm_vm;
struct kvm_cpu;

/*
 * The required capabilities that KVM_FD lacks, comma-separated, into BUF of SIZE bytes (empty: none).
 * 0, or -errno with the sentence when KVM does not answer or speaks another API version.
 */
int kvm_check(int kvm_fd, char *buf, size_t size, struct vmb_err *err);

/* How many vCPUs one machine can have; at least 1. */
unsigned int kvm_max_cpus(int kvm_fd);

/* Can the guest have the local APIC's TSC-deadline timer? */
bool kvm_has_tsc_deadline(const struct kvm_vm *vm);

/*
 * A machine without memory, interrupt controllers and vCPUs, which are to be added in this order.
 * KVM_FD is borrowed until kvm_vm_destroy(). 0 or -errno with the sentence, which names a missing
 * capability.
 */
int kvm_vm_create(int kvm_fd, struct kvm_vm **ret_vm, struct vmb_err *err);

/* After every kvm_cpu of it was destroyed. NULL is fine. */
void kvm_vm_destroy(struct kvm_vm *vm);

/* Backs guest addresses GPA.. with SIZE bytes at HOST (borrowed until the VM is gone). */
int kvm_set_memory(struct kvm_vm *vm, unsigned int slot, uint64_t gpa, uint64_t size, void *host);

/* The same for memory that the guest may only read: its writes are MMIO exits. */
int kvm_set_rom(struct kvm_vm *vm, unsigned int slot, uint64_t gpa, uint64_t size, void *host);

/* SLOT is no memory any more. */
void kvm_unset_memory(struct kvm_vm *vm, unsigned int slot);

/*
 * Tells KVM that a VFIO group or device, FD (borrowed), belongs to this machine (Documentation/virt/kvm/devices/vfio.rst).
 * 0 or -errno.
 */
int kvm_add_vfio(struct kvm_vm *vm, int fd);

/*
 * Adds the in-kernel PIC, all of it masked, I/O APIC and local APICs, and no PIT. After the memory: once the chips are
 * there, each piece of memory makes the kernel wait for several milliseconds (an RCU grace period). 0 or -errno.
 */
int kvm_create_chips(struct kvm_vm *vm);

/* Level of an I/O APIC input (0..23). Any thread. */
void kvm_set_line(struct kvm_vm *vm, unsigned int gsi, bool level);

/* PIC and I/O APIC as after power-on. vCPUs stand still. */
int kvm_reset_irqchip(struct kvm_vm *vm);

/*
 * MSI routes: each is a number above the I/O APIC's inputs that an irqfd can name.
 * alloc: 0, or -ENOSPC. set: the message it sends, in force when it returns. free: forgets it.
 */
int kvm_route_alloc(struct kvm_vm *vm, uint32_t *ret_gsi);
int kvm_route_set(struct kvm_vm *vm, uint32_t gsi, uint64_t addr, uint32_t data);
void kvm_route_free(struct kvm_vm *vm, uint32_t gsi);
/* How many are in use. */
unsigned int kvm_route_count(struct kvm_vm *vm);

/* Writing EVENTFD triggers GSI from now on (ASSIGN), or no longer. */
int kvm_irqfd(struct kvm_vm *vm, int eventfd, uint32_t gsi, bool assign);

/*
 * The same for GSI as a level: writing EVENTFD raises it, and the guest's end of interrupt lowers it and writes RESAMPLE
 * (api.rst, KVM_IRQFD_FLAG_RESAMPLE), whereupon whoever still wants the interrupt raises it anew.
 */
int kvm_irqfd_level(struct kvm_vm *vm, int eventfd, int resample, uint32_t gsi, bool assign);

/* A guest write of SIZE bytes (0: any) at PLACE signals EVENTFD without an exit, or no longer. */
int kvm_ioeventfd(struct kvm_vm *vm, const struct doorbell_place *place, unsigned int size,
		  int eventfd, bool assign);

/* What KVM can show of the host's CPU; *ret_cpuid is to be freed with free(). 0 or -errno. */
int kvm_supported_cpuid(int kvm_fd, struct kvm_cpuid2 **ret_cpuid);

/* ---- vCPUs ---- */

/*
 * vCPU number ID with what CPUID shows; its state as after power-on is remembered for
 * kvm_cpu_reset(). CPUID may be NULL (then the vCPU is of little use). 0 or -errno with the sentence.
 */
int kvm_cpu_create(struct kvm_vm *vm, unsigned int id, const struct kvm_cpuid2 *cpuid,
		   struct kvm_cpu **ret_cpu, struct vmb_err *err);
void kvm_cpu_destroy(struct kvm_cpu *cpu); /* NULL is fine */

/* The page shared with the kernel: exit reason and data, immediate_exit. */
struct kvm_run *kvm_cpu_page(struct kvm_cpu *cpu);

/* One KVM_RUN. 0: look at exit_reason. -EINTR, -EAGAIN: nothing happened, exit_reason is stale. */
int kvm_cpu_run(struct kvm_cpu *cpu);

/*
 * Everything as after power-on: registers, MSRs, FPU and XSAVE state, XCRs, debug registers, pending
 * events, local APIC, MP state (boot CPU runnable, others waiting for INIT). The TSC goes on. The
 * vCPU stands still and has completed its last exit (see vcpu.c). 0 or -errno with the sentence.
 */
int kvm_cpu_reset(struct kvm_cpu *cpu, struct vmb_err *err);

/* 32-bit protected mode, paging off, flat segments, interrupts off, at EIP with EBX: the PVH entry. */
int kvm_cpu_set_entry32(struct kvm_cpu *cpu, uint32_t eip, uint32_t ebx);

/* How the boot CPU begins. */
struct kvm_entry {
	bool at_reset_vector; /* as after power-on, at FFFFFFF0; the rest does not matter then */
	bool is_64bit;
	uint64_t rip;	    /* below 4 GiB unless is_64bit */
	uint64_t boot_info; /* EBX: PVH's start_info; in 64-bit mode RSI: Linux's boot_params */
	uint64_t cr3;	    /* 64-bit mode only, these two */
	uint64_t gdt;	    /* KVM_ENTRY64_GDT_ENTRIES of them: selector 0x10 is code, 0x18 data */
};

#define KVM_ENTRY64_GDT_ENTRIES 4

/*
 * As ENTRY says: as kvm_cpu_reset() left it, the 32-bit entry above, or 64-bit mode with paging, flat segments 0x10 and 0x18,
 * interrupts off (Linux boot.rst, "64-bit Boot Protocol"). 0 or -errno.
 */
int kvm_cpu_set_entry(struct kvm_cpu *cpu, const struct kvm_entry *entry);

/*
 * The MTRRs make all memory write-back, as a kernel finds them behind any firmware; after power-on they are off, and all
 * memory is uncached by them. 0 or -errno.
 */
int kvm_cpu_enable_mtrrs(struct kvm_cpu *cpu);

/*
 * The guest was paused: it is told by its kvmclock, if it has one, so that its watchdogs keep quiet
 * (api.rst, KVM_KVMCLOCK_CTRL). The vCPU stands still.
 */
void kvm_cpu_tell_paused(struct kvm_cpu *cpu);

/* For sentences about a guest that failed. The vCPU stands still, or it is its own thread that asks. 0 or -errno. */
int kvm_cpu_get_regs(struct kvm_cpu *cpu, struct kvm_regs *ret_regs, struct kvm_sregs *ret_sregs);

/* Guest physical address of linear address LINEAR as this vCPU sees it. 0 or -EFAULT. */
int kvm_cpu_translate(struct kvm_cpu *cpu, uint64_t linear, uint64_t *ret_gpa);

#endif
