/* Says where a vCPU stopped that cannot go on: registers and the bytes of code there. */
#ifndef VMB_VMM_FAULT_H
#define VMB_VMM_FAULT_H

#include <stddef.h>

#include "vmm/kvm.h"
#include "vmm/mem.h"

/*
 * The sentence about the last exit of CPU, number INDEX, into BUF; RUN_ERROR is what kvm_cpu_run()
 * returned (0: the exit reason in its page counts). Registers go to the log. On the vCPU's thread.
 */
void fault_describe(struct kvm_cpu *cpu, unsigned int index, int run_error,
		    const struct guest_mem *mem, char *buf, size_t size);

#endif
