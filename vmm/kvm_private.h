/* Shared by kvm.c (the machine) and kvm_cpu.c (its vCPUs), which together are all of KVM. */
#ifndef VMB_VMM_KVM_PRIVATE_H
#define VMB_VMM_KVM_PRIVATE_H

#include <pthread.h>

#include "log.h"
#include "vmm/kvm.h"

#define KVM_MAX_ROUTES 1024 /* MSI-X vectors of all devices together */
#define KVM_CHIPS      3    /* PIC master, PIC slave, I/O APIC */

struct kvm_route {
	bool used;
	bool set;
	uint64_t addr;
	uint32_t data;
};

struct kvm_vm {
	int kvm_fd;
	int fd;
	int vfio_fd; /* KVM's own device that knows the VFIO groups; -1: none */
	bool any_length;
	bool tsc_deadline;
	size_t page_size;
	struct kvm_irqchip chips[KVM_CHIPS]; /* as after power-on */
	struct kvm_msr_list *msr_list;
	struct log_limit reset_log_limit;

	pthread_mutex_t route_lock;
	struct kvm_route routes[KVM_MAX_ROUTES];
	struct kvm_irq_routing *table; /* scratch for kvm.c's apply_routes() */
};

#endif
