/*
 * What each kind of thread may ask of the kernel once the guest runs; see vmm/sandbox.h. All there
 * is: no call here opens a path, makes a socket, a process or executable memory. What is called most often
 * stands first. tests/unit/test_sandbox.c has the numbers once more, and how many there may be.
 */
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/if_tun.h>
#include <linux/io_uring.h>
#include <linux/kvm.h>
#include <linux/vfio.h>
#include <linux/vhost.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vmm/sandbox.h"

#define ALLOW(name)                                \
	{                                          \
		SYS_##name, SECCOMP_ANY_ARGS, 0, 0 \
	}
#define ALLOW_IF(name, n, val)                                 \
	{                                                      \
		SYS_##name, SECCOMP_ARG_IS, n, (uint32_t)(val) \
	}
#define ALLOW_IOCTL(request) ALLOW_IF(ioctl, 1, request)

/*
 * What the C library does by itself: locks, memory, the end of a thread, abort(). A signal goes to
 * our own threads only (arguments 0 of tgkill), and memory is never executable (argument 2).
 */
#define C_LIBRARY                                                                              \
	ALLOW(futex), ALLOW(write), ALLOW(clock_gettime), ALLOW(rt_sigreturn),                 \
		ALLOW(rt_sigprocmask), ALLOW(restart_syscall), ALLOW(brk),                     \
		{SYS_mmap, SECCOMP_ARG_LACKS, 2, PROT_EXEC},                                   \
		{SYS_mprotect, SECCOMP_ARG_LACKS, 2, PROT_EXEC}, ALLOW(munmap), ALLOW(mremap), \
		ALLOW(madvise), {SYS_tgkill, SECCOMP_ARG_IS_PID, 0, 0}, ALLOW(getpid),         \
		ALLOW(gettid), ALLOW(exit), ALLOW(exit_group)

/* The watchdog's timer: the guest's to wind up, and to be stopped with the machine. */
#define WATCHDOG_TIMER ALLOW(timerfd_settime), ALLOW(timerfd_gettime)

/* Devices are used by every thread but workers: interrupts, their routes, doorbells. */
#define DEVICE_IOCTLS                                                                  \
	ALLOW_IOCTL(KVM_IRQ_LINE), ALLOW_IOCTL(KVM_IRQFD), ALLOW_IOCTL(KVM_IOEVENTFD), \
		ALLOW_IOCTL(KVM_SET_GSI_ROUTING)

/* Waits in io_uring, or in poll() without it, where nanosleep() waits for memory. */
#define RING                                                                                       \
	ALLOW(io_uring_enter), ALLOW(poll), ALLOW(read), C_LIBRARY, ALLOW(eventfd2), ALLOW(close), \
		ALLOW(clock_nanosleep), DEVICE_IOCTLS

/* How big a disk has become. */
#define DISK_SIZE ALLOW_IF(lseek, 2, SEEK_END)

/* A device that is passed through: its registers, its interrupts, and where its BARs are. */
#define PASSTHROUGH                                                                             \
	ALLOW_IOCTL(VFIO_DEVICE_SET_IRQS), ALLOW_IOCTL(VFIO_IOMMU_MAP_DMA), \
		ALLOW_IOCTL(VFIO_IOMMU_UNMAP_DMA),                          \
		ALLOW_IOCTL(KVM_SET_USER_MEMORY_REGION)

/* clang-format off */

/*
 * Runs the guest and answers its accesses; says where it stood when it failed. VHOST_SET_VRING_CALL: a
 * vector is masked or unmasked.
 */
#define VCPU \
	ALLOW_IOCTL(KVM_RUN), \
	DEVICE_IOCTLS, \
	ALLOW_IOCTL(KVM_GET_REGS), \
	ALLOW_IOCTL(KVM_GET_SREGS), \
	ALLOW_IOCTL(KVM_TRANSLATE), \
	ALLOW_IOCTL(VHOST_SET_VRING_CALL), \
	C_LIBRARY, \
	ALLOW(read), \
	ALLOW(eventfd2), \
	ALLOW(close), \
	WATCHDOG_TIMER

static const struct seccomp_rule vcpu[] = {
	VCPU,
};

static const struct seccomp_rule vcpu_vfio[] = {
	VCPU,
	PASSTHROUGH,
	ALLOW(pread64),
	ALLOW(pwrite64),
};

/* Flash is no memory of the guest's while it is written: map_vars(). */
static const struct seccomp_rule vcpu_flash[] = {
	VCPU,
	ALLOW_IOCTL(KVM_SET_USER_MEMORY_REGION),
};

/* What a file in memory is asked for goes past the ring (ring_req.at_once). */
static const struct seccomp_rule disk[] = {
	RING,
	ALLOW(pread64),
	ALLOW(pwrite64),
	ALLOW(preadv),
	ALLOW(pwritev),
	ALLOW(fdatasync),
	DISK_SIZE,
};

/* A tap moves its packets itself, and knows which of its queues are in use and what the guest takes. */
static const struct seccomp_rule net[] = {
	RING,
	ALLOW(readv),
	ALLOW(writev),
	ALLOW_IOCTL(TUNSETOFFLOAD),
	ALLOW_IOCTL(TUNSETQUEUE),
	/* The kernel serves the queues, or no longer: vhost_start() and vhost_stop(). */
	ALLOW_IOCTL(VHOST_SET_FEATURES),
	ALLOW_IOCTL(VHOST_SET_VRING_NUM),
	ALLOW_IOCTL(VHOST_SET_VRING_BASE),
	ALLOW_IOCTL(VHOST_GET_VRING_BASE),
	ALLOW_IOCTL(VHOST_SET_VRING_ADDR),
	ALLOW_IOCTL(VHOST_SET_VRING_KICK),
	ALLOW_IOCTL(VHOST_SET_VRING_CALL),
	ALLOW_IOCTL(VHOST_SET_VRING_ERR),
	ALLOW_IOCTL(VHOST_NET_SET_BACKEND),
};

static const struct seccomp_rule streams[] = {
	RING,
	ALLOW(sendto),
	ALLOW(recvfrom),
	ALLOW(epoll_ctl),
	ALLOW(epoll_wait),
	ALLOW(getrandom),
};

/* Disk requests of descriptors that are open. */
static const struct seccomp_rule worker[] = {
	ALLOW(pread64),
	ALLOW(pwrite64),
	ALLOW(preadv),
	ALLOW(pwritev),
	ALLOW(fdatasync),
	C_LIBRARY,
	ALLOW(fallocate),
	ALLOW_IOCTL(BLKDISCARD),
};

/* Serves the launcher; resets and takes down the machine. */
#define CONTROL \
	C_LIBRARY, \
	DEVICE_IOCTLS, \
	/* kvm_cpu_reset() and kvm_cpu_set_entry() */ \
	ALLOW_IOCTL(KVM_GET_REGS), \
	ALLOW_IOCTL(KVM_SET_REGS), \
	ALLOW_IOCTL(KVM_GET_SREGS), \
	ALLOW_IOCTL(KVM_SET_SREGS), \
	ALLOW_IOCTL(KVM_SET_NESTED_STATE), \
	ALLOW_IOCTL(KVM_GET_MSRS), \
	ALLOW_IOCTL(KVM_SET_MSRS), \
	ALLOW_IOCTL(KVM_SET_XCRS), \
	ALLOW_IOCTL(KVM_SET_XSAVE), \
	ALLOW_IOCTL(KVM_SET_DEBUGREGS), \
	ALLOW_IOCTL(KVM_SET_VCPU_EVENTS), \
	ALLOW_IOCTL(KVM_SET_LAPIC), \
	ALLOW_IOCTL(KVM_GET_MP_STATE), \
	ALLOW_IOCTL(KVM_SET_MP_STATE), \
	ALLOW_IOCTL(KVM_SET_IRQCHIP), \
	ALLOW_IOCTL(KVM_KVMCLOCK_CTRL), \
	ALLOW(poll), \
	ALLOW(read), \
	ALLOW(sendmsg), \
	ALLOW(recvmsg), \
	ALLOW(pread64),	 /* firmware, kernel and variables, from their memfds */ \
	ALLOW(pwrite64), /* variables */ \
	ALLOW(newfstatat), \
	ALLOW_IF(fcntl, 1, F_GET_SEALS), \
	ALLOW(eventfd2), \
	ALLOW(close), \
	ALLOW_IF(io_uring_register, 1, IORING_UNREGISTER_RING_FDS), /* io_uring_queue_exit() */ \
	WATCHDOG_TIMER

static const struct seccomp_rule control[] = {
	CONTROL,
};

static const struct seccomp_rule control_vfio[] = {
	CONTROL,
	PASSTHROUGH,
	ALLOW_IOCTL(VFIO_DEVICE_RESET),
	ALLOW_IOCTL(VFIO_DEVICE_PCI_HOT_RESET),
};

static const struct seccomp_rule control_flash[] = {
	CONTROL,
	ALLOW_IOCTL(KVM_SET_USER_MEMORY_REGION),
};
/* clang-format on */

static const struct {
	const char *name;
	const struct seccomp_rule *rules;
	size_t count;
} policies[SANDBOX_THREADS] = {
	[SANDBOX_CONTROL] = {"control", control, sizeof(control) / sizeof(control[0])},
	[SANDBOX_VCPU] = {"vCPU", vcpu, sizeof(vcpu) / sizeof(vcpu[0])},
	[SANDBOX_DISK] = {"disk", disk, sizeof(disk) / sizeof(disk[0])},
	[SANDBOX_NET] = {"network", net, sizeof(net) / sizeof(net[0])},
	[SANDBOX_STREAMS] = {"console", streams, sizeof(streams) / sizeof(streams[0])},
	[SANDBOX_WORKER] = {"disk worker", worker, sizeof(worker) / sizeof(worker[0])},
	[SANDBOX_CONTROL_VFIO] = {"control", control_vfio,
				  sizeof(control_vfio) / sizeof(control_vfio[0])},
	[SANDBOX_VCPU_VFIO] = {"vCPU", vcpu_vfio, sizeof(vcpu_vfio) / sizeof(vcpu_vfio[0])},
	[SANDBOX_CONTROL_FLASH] = {"control", control_flash,
				   sizeof(control_flash) / sizeof(control_flash[0])},
	[SANDBOX_VCPU_FLASH] = {"vCPU", vcpu_flash, sizeof(vcpu_flash) / sizeof(vcpu_flash[0])},
};

const struct seccomp_rule *sandbox_policy(enum sandbox_thread kind, size_t *ret_count)
{
	*ret_count = policies[kind].count;
	return policies[kind].rules;
}

const char *sandbox_thread_name(unsigned int kind)
{
	return kind < SANDBOX_THREADS ? policies[kind].name : "?";
}
