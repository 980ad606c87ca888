/*
 * Can this machine run virtual machines, and if not, what is in the way? Gathering facts is apart
 * from judging them: the first reads files below a root directory, the second only compares, so
 * that every sentence can be tested without the hardware it is about.
 */
#ifndef VMB_INCLUDE_HOST_H
#define VMB_INCLUDE_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "vmm.h"

/* What is known about /dev/kvm without asking KVM itself. */
struct host_kvm_facts {
	int open_errno;	    /* of opening /dev/kvm; 0: it was opened */
	const char *cpu;    /* "vmx", "svm" or NULL: the flag in /proc/cpuinfo */
	bool is_guest;	    /* the CPU says that a hypervisor is below us */
	bool module_loaded; /* kvm_intel or kvm_amd, whichever fits the flag; built in counts */
	bool kvm_loaded;    /* kvm itself */
};

struct host_facts {
	struct host_kvm_facts kvm;
	/* What KVM answered; ability_error.code is not 0 when it did not. Only with kvm.open_errno == 0. */
	struct kvm_ability ability;
	struct vmb_err ability_error;

	char cpu_model[96];
	bool nested_paging; /* ept or npt */
	unsigned int cpus_online;

	uint64_t memory_available; /* bytes; 0: unknown */
	char thp[16];	  /* the chosen word: "always", "madvise", "never"; empty: no THP */
	uint64_t memlock; /* RLIMIT_MEMLOCK, UINT64_MAX: none */

	int io_uring_sysctl; /* kernel.io_uring_disabled; -1: there is no such file */
	int io_uring_errno;  /* of io_uring_setup(); 0: works */

	unsigned int iommus;	   /* entries of /sys/class/iommu */
	unsigned int iommu_groups; /* entries of /sys/kernel/iommu_groups */

	/* What a vmm process is kept in by this kernel. */
	struct sandbox_layers sandbox;

	char firmware[256];	    /* an image that can be started, or empty */
	char firmware_refused[256]; /* "PATH: why not" of one that cannot, or empty */
};

/* The start of file PATH below ROOT as a string in BUF; false (and an empty string) when it cannot be read. */
bool host_read_file(const char *root, const char *path, char *buf, size_t size);

/*
 * Opens /dev/kvm below ROOT ("" for the running system). Fills RET_FACTS and stores the descriptor
 * (the caller's) in *RET_FD, or -1 when it could not be opened; why is in the facts.
 */
void host_gather_kvm(const char *root, struct host_kvm_facts *ret_facts, int *ret_fd);

/* 0, or -errno with the sentence that says why there is no KVM and what to do about it. */
int host_judge_kvm(const struct host_kvm_facts *facts, struct vmb_err *err);

/*
 * Opens /dev/kvm of the running system. The descriptor (close-on-exec, the caller's), or -errno with
 * the sentence in ERR (may be NULL).
 */
int host_check_kvm(struct vmb_err *err);

/* 0, or -ENOTSUP with the sentence when a KVM with ABILITY cannot run firmware or lacks something. */
int host_judge_ability(const struct kvm_ability *ability, struct vmb_err *err);

/*
 * Everything but ability, sandbox and firmware, which the caller fills in: files below ROOT; with ROOT "" also
 * system calls (memlock, io_uring). *RET_FD as above.
 */
void host_gather(const char *root, struct host_facts *ret_facts, int *ret_fd);

enum host_level {
	HOST_OK,
	HOST_NOTE,    /* works, but worse than it could */
	HOST_MISSING, /* no VM can be started */
};

struct host_finding {
	enum host_level level;
	const char *subject; /* a word or two, static */
	char text[480];	     /* what is so, and how to change it */
};

#define HOST_FINDINGS 10

/* Judges FACTS into FINDINGS (room for HOST_FINDINGS); returns how many there are. */
unsigned int host_judge(const struct host_facts *facts, struct host_finding *findings);

#endif
