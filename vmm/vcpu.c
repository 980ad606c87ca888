/*
 * See vcpu.h. Stopping: the state changes, immediate_exit is set and a signal sent to every thread,
 * so that a vCPU on its way into KVM_RUN comes back at once (KVM api.rst, immediate_exit) and one
 * inside is interrupted. A port or MMIO access that was handled but whose instruction KVM has not
 * finished yet is finished by one more KVM_RUN with immediate_exit set, which runs no guest code.
 */
#include "vmm/vcpu.h"

#include <cpuid.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "vmm/counter.h"
#include "vmm/cpuid.h"
#include "vmm/fault.h"
#include "vmm/sandbox.h"

#define KICK_SIGNAL SIGUSR1
/* CPUID: leaf 1 ECX says whether there is a hypervisor, which tells its name in the leaf that AMD and Intel leave to it. */
#define HYPERVISOR_BIT	(1U << 31)
#define HYPERVISOR_LEAF 0x40000000
/* An instruction may take several exits to finish (a page of INS, a split MMIO access). */
#define MAX_COMPLETIONS 64

/* PAUSED: as STOPPED, but everything is going to go on from where it stands. */
enum state { STOPPED, PAUSED, RUNNING, ENDING };

struct vcpu {
	struct vcpus *all;
	unsigned int index;
	struct kvm_cpu *kvm;
	pthread_t thread;
	bool has_thread;
	/* Exits by reason; this thread writes, anybody reads. */
	_Atomic uint64_t io;
	_Atomic uint64_t mmio;
	_Atomic uint64_t other;
};

struct vcpus {
	struct vcpus_params params;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	_Atomic int state;    /* enum state; written under LOCK */
	unsigned int parked;  /* threads that wait for RUNNING */
	unsigned int entered; /* other than the boot CPU's, on their way into KVM_RUN */
	struct vcpu cpus[];
};

static bool is_running(const struct vcpus *all)
{
	return atomic_load_explicit(&all->state, memory_order_acquire) == RUNNING;
}

/*
 * Does what the guest writes still count? Not after a reset or power-off: the vCPU that asked for it
 * may have more elements of its string to write.
 */
static bool takes_writes(const struct vcpus *all)
{
	int state = atomic_load_explicit(&all->state, memory_order_acquire);

	return state == RUNNING || state == PAUSED;
}

/* ---- exits ---- */

/* One element after the other: INS and OUTS come as one exit with a count. */
static void handle_port(struct vcpus *all, struct kvm_run *page)
{
	uint8_t *data = (uint8_t *)page + page->io.data_offset;
	unsigned int size = page->io.size;

	for (uint32_t i = 0; i < page->io.count; i++, data += size) {
		uint64_t value = 0;

		if (page->io.direction == KVM_EXIT_IO_IN) {
			value = bus_read(all->params.ports, page->io.port, size);
			memcpy(data, &value, size);
		} else if (takes_writes(all)) {
			memcpy(&value, data, size);
			bus_write(all->params.ports, page->io.port, size, value);
		}
	}
}

static void handle_mmio(struct vcpus *all, struct kvm_run *page)
{
	unsigned int size = page->mmio.len <= 8 ? page->mmio.len : 8;
	uint64_t value = 0;

	if (page->mmio.is_write) {
		memcpy(&value, page->mmio.data, size);
		bus_write(all->params.mmio, page->mmio.phys_addr, size, value);
	} else {
		value = bus_read(all->params.mmio, page->mmio.phys_addr, size);
		memcpy(page->mmio.data, &value, size);
	}
}

static void handle_fault(struct vcpu *cpu, int run_error)
{
	char text[480];

	fault_describe(cpu->kvm, cpu->index, run_error, cpu->all->params.mem, text, sizeof(text));
	cpu->all->params.fault(cpu->all->params.ctx, text);
}

static void handle_system_event(struct vcpu *cpu, const struct kvm_run *page)
{
	const struct vcpus_params *params = &cpu->all->params;

	if (page->system_event.type == KVM_SYSTEM_EVENT_SHUTDOWN)
		params->power_off(params->ctx);
	else if (page->system_event.type == KVM_SYSTEM_EVENT_RESET)
		params->reset(params->ctx);
	else
		handle_fault(cpu, 0);
}

/* True: KVM still has to finish the instruction. */
static bool handle_exit(struct vcpu *cpu)
{
	struct kvm_run *page = kvm_cpu_page(cpu->kvm);

	switch (page->exit_reason) {
	case KVM_EXIT_IO:
		counter_add(&cpu->io, 1);
		handle_port(cpu->all, page);
		return true;
	case KVM_EXIT_MMIO:
		counter_add(&cpu->mmio, 1);
		handle_mmio(cpu->all, page);
		return true;
	default: counter_add(&cpu->other, 1); break;
	}
	switch (page->exit_reason) {
	case KVM_EXIT_INTR:
	case KVM_EXIT_IRQ_WINDOW_OPEN: return false;
	case KVM_EXIT_SYSTEM_EVENT: handle_system_event(cpu, page); return false;
	default: handle_fault(cpu, 0); return false;
	}
}

/* ---- threads ---- */

/* The kernel reads it at the start of each KVM_RUN; several threads write it. */
static void set_immediate_exit(struct vcpu *cpu, uint8_t value)
{
	__atomic_store_n(&kvm_cpu_page(cpu->kvm)->immediate_exit, value, __ATOMIC_RELEASE);
}

/* Finishes the instruction whose access was just handled. */
static void complete(struct vcpu *cpu)
{
	/* halt() is about to set it, but perhaps has not come to this vCPU yet. */
	set_immediate_exit(cpu, 1);
	for (int i = 0; i < MAX_COMPLETIONS; i++)
		if (kvm_cpu_run(cpu->kvm) < 0 || !handle_exit(cpu))
			return;
}

static void run_guest(struct vcpu *cpu)
{
	bool incomplete = false;

	while (is_running(cpu->all)) {
		int r = kvm_cpu_run(cpu->kvm);

		if (r == 0) {
			incomplete = handle_exit(cpu);
		} else if (r == -EINTR || r == -EAGAIN) {
			/* Nothing happened; the exit reason is an old one. */
			counter_add(&cpu->other, 1);
			incomplete = false;
		} else {
			handle_fault(cpu, r);
			return;
		}
	}
	if (incomplete)
		complete(cpu);
}

/* Waits until the guest may run. False: the thread is to end. */
static bool park(struct vcpu *cpu)
{
	struct vcpus *all = cpu->all;
	bool go;

	pthread_mutex_lock(&all->lock);
	all->parked++;
	pthread_cond_broadcast(&all->changed);
	while (all->state == STOPPED || all->state == PAUSED)
		pthread_cond_wait(&all->changed, &all->lock);
	all->parked--;
	go = all->state == RUNNING;
	if (go)
		set_immediate_exit(cpu, 0);
	if (cpu->index != 0) {
		all->entered++;
		pthread_cond_broadcast(&all->changed);
	} else {
		while (all->state == RUNNING && all->entered < all->params.count - 1)
			pthread_cond_wait(&all->changed, &all->lock);
	}
	pthread_mutex_unlock(&all->lock);
	return go;
}

/* No instruction of the guest outside the sandbox. Told now only, when there is a machine to stop. */
static void refuse_to_run(struct vcpu *cpu, int r)
{
	char text[160];

	snprintf(text, sizeof(text), "The host does not let vCPU %u into its sandbox (%s).",
		 cpu->index, strerror(-r));
	cpu->all->params.fault(cpu->all->params.ctx, text);
}

static void *vcpu_thread(void *arg)
{
	struct vcpu *cpu = arg;
	char name[16];
	sigset_t set;
	int r;

	snprintf(name, sizeof(name), "vcpu%u", cpu->index);
	pthread_setname_np(pthread_self(), name);
	if (cpu->all->params.nice)
		setpriority(PRIO_PROCESS, 0, /* Linux: of this thread alone */
			    getpriority(PRIO_PROCESS, 0) + (int)cpu->all->params.nice);
	sigemptyset(&set);
	sigaddset(&set, KICK_SIGNAL);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	r = sandbox_filter(cpu->all->params.sandbox, cpu->all->params.kind);
	while (park(cpu)) {
		if (r == 0)
			run_guest(cpu);
		else
			refuse_to_run(cpu, r);
	}
	return NULL;
}

static void on_kick(int sig)
{
	(void)sig; /* its only purpose is to end KVM_RUN with EINTR */
}

/* A thread is made with every signal blocked; it opens the one that is for it. */
static int start_thread(struct vcpu *cpu)
{
	sigset_t all, before;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&cpu->thread, NULL, vcpu_thread, cpu);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	cpu->has_thread = r == 0;
	return -r;
}

/* Zeroes where the processor has no such leaf. */
static void read_host_cpuid(uint32_t leaf, struct cpuid_regs *ret)
{
	*ret = (struct cpuid_regs){0};
	(void)__get_cpuid(leaf, &ret->eax, &ret->ebx, &ret->ecx, &ret->edx);
}

/* Zeroes where there is none. Its leaves are beyond what leaf 0 counts. */
static void read_host_hypervisor(struct cpuid_regs *ret)
{
	struct cpuid_regs leaf1;

	*ret = (struct cpuid_regs){0};
	read_host_cpuid(1, &leaf1);
	if (leaf1.ecx & HYPERVISOR_BIT)
		__cpuid(HYPERVISOR_LEAF, ret->eax, ret->ebx, ret->ecx, ret->edx);
}

static int create_cpu(struct vcpu *cpu, struct vmb_err *err)
{
	const struct vcpus_params *params = &cpu->all->params;
	struct cpuid_params shape = {
		.cpus = params->count,
		.nested = params->nested,
		.tsc_deadline = kvm_has_tsc_deadline(params->kvm),
	};
	struct kvm_cpuid2 *cpuid;
	int r;

	read_host_cpuid(0x80000005, &shape.host_l1);
	read_host_cpuid(0x80000006, &shape.host_l2);
	read_host_hypervisor(&shape.host_hypervisor);
	r = cpuid_make(params->supported, &shape, cpu->index, &cpuid);
	if (r < 0)
		return vmb_err_set(err, -r, "No memory for the vCPUs.");
	r = kvm_cpu_create(params->kvm, cpu->index, cpuid, &cpu->kvm, err);
	free(cpuid);
	if (r < 0)
		return r;
	r = start_thread(cpu);
	if (r < 0)
		return vmb_err_set(err, -r,
				   "The host gives no thread for vCPU %u (%s). Try fewer vCPUs.",
				   cpu->index, strerror(-r));
	return 0;
}

int vcpus_create(const struct vcpus_params *params, struct vcpus **ret_vcpus, struct vmb_err *err)
{
	struct vcpus *all = calloc(1, sizeof(*all) + params->count * sizeof(all->cpus[0]));
	struct sigaction action = {.sa_handler = on_kick};
	int r = 0;

	if (!all)
		return vmb_err_set(err, ENOMEM, "No memory for the vCPUs.");
	all->params = *params;
	pthread_mutex_init(&all->lock, NULL);
	pthread_cond_init(&all->changed, NULL);
	sigaction(KICK_SIGNAL, &action, NULL); /* without SA_RESTART: KVM_RUN must end */
	for (unsigned int i = 0; i < params->count && r == 0; i++) {
		all->cpus[i].all = all;
		all->cpus[i].index = i;
		r = create_cpu(&all->cpus[i], err);
	}
	if (r < 0) {
		vcpus_destroy(all);
		return r;
	}
	*ret_vcpus = all;
	return 0;
}

/* Changes the state and gets every vCPU out of KVM. Lock held. */
static void halt(struct vcpus *all, int state)
{
	atomic_store_explicit(&all->state, state, memory_order_release);
	for (unsigned int i = 0; i < all->params.count; i++) {
		struct vcpu *cpu = &all->cpus[i];

		if (!cpu->has_thread)
			continue;
		set_immediate_exit(cpu, 1);
		pthread_kill(cpu->thread, KICK_SIGNAL);
	}
	pthread_cond_broadcast(&all->changed);
}

void vcpus_destroy(struct vcpus *all)
{
	if (!all)
		return;
	pthread_mutex_lock(&all->lock);
	halt(all, ENDING);
	pthread_mutex_unlock(&all->lock);
	for (unsigned int i = 0; i < all->params.count; i++) {
		if (all->cpus[i].has_thread)
			pthread_join(all->cpus[i].thread, NULL);
		kvm_cpu_destroy(all->cpus[i].kvm);
	}
	pthread_cond_destroy(&all->changed);
	pthread_mutex_destroy(&all->lock);
	free(all);
}

int vcpus_reset(struct vcpus *all, const struct kvm_entry *entry, struct vmb_err *err)
{
	int r = 0;

	for (unsigned int i = 0; i < all->params.count && r == 0; i++)
		r = kvm_cpu_reset(all->cpus[i].kvm, err);
	if (r < 0)
		return r;
	/* All alike: Linux complains of processors whose MTRRs differ. */
	for (unsigned int i = 0; i < all->params.count && r == 0 && !entry->at_reset_vector; i++)
		r = kvm_cpu_enable_mtrrs(all->cpus[i].kvm);
	if (r == 0)
		r = kvm_cpu_set_entry(all->cpus[0].kvm, entry);
	if (r < 0)
		return vmb_err_set(err, -r, "KVM refuses a CPU's first state (%s).", strerror(-r));
	return 0;
}

void vcpus_resume(struct vcpus *all)
{
	pthread_mutex_lock(&all->lock);
	if (all->state == STOPPED || all->state == PAUSED) {
		all->entered = 0;
		atomic_store_explicit(&all->state, RUNNING, memory_order_release);
		pthread_cond_broadcast(&all->changed);
	}
	pthread_mutex_unlock(&all->lock);
}

void vcpus_stop(struct vcpus *all)
{
	pthread_mutex_lock(&all->lock);
	if (all->state == RUNNING)
		halt(all, STOPPED);
	else if (all->state == PAUSED) /* they stand, or are about to */
		atomic_store_explicit(&all->state, STOPPED, memory_order_release);
	pthread_mutex_unlock(&all->lock);
}

void vcpus_pause(struct vcpus *all)
{
	pthread_mutex_lock(&all->lock);
	if (all->state == RUNNING)
		halt(all, PAUSED);
	pthread_mutex_unlock(&all->lock);
}

void vcpus_tell_paused(struct vcpus *all)
{
	for (unsigned int i = 0; i < all->params.count; i++)
		kvm_cpu_tell_paused(all->cpus[i].kvm);
}

void vcpus_get_status(const struct vcpus *all, unsigned int index,
		      struct vmm_cpu_status *ret_status)
{
	const struct vcpu *cpu = &all->cpus[index];

	*ret_status = (struct vmm_cpu_status){
		.io = counter_get(&cpu->io),
		.mmio = counter_get(&cpu->mmio),
		.other = counter_get(&cpu->other),
	};
}

void vcpus_wait_stopped(struct vcpus *all)
{
	pthread_mutex_lock(&all->lock);
	while (all->parked < all->params.count)
		pthread_cond_wait(&all->changed, &all->lock);
	pthread_mutex_unlock(&all->lock);
}
