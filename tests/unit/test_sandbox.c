/* The sandbox's filters: every system call number in every kind of thread against the list written down here. */
#include "sandbox_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/if_tun.h>
#include <linux/io_uring.h>
#include <linux/kvm.h>
#include <linux/vfio.h>
#include <linux/vhost.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define X32_BIT	     0x40000000
#define LAST_NUMBER  512
#define LAST_I386    460
#define EXIT_REFUSED 42

/* uretprobe and uprobe, which newer kernels let no filter see: they are of use to the kernel's own trampolines only. */
#define IS_KERNELS_OWN(nr) ((nr) == 335 || (nr) == 336)

/* ---- the list ---- */

/* CALL with ARG being VALUE; every other value is refused. ARG -1: always. */
struct listed {
	long nr;
	int arg;
	unsigned long value;
};

#define ALWAYS(name)              \
	{                         \
		SYS_##name, -1, 0 \
	}
#define WITH(name, a, v)         \
	{                        \
		SYS_##name, a, v \
	}
#define REQUEST(r)              \
	{                       \
		SYS_ioctl, 1, r \
	}

#define LIBC                                                                                      \
	ALWAYS(futex), ALWAYS(write), ALWAYS(clock_gettime), ALWAYS(rt_sigreturn),                \
		ALWAYS(rt_sigprocmask), ALWAYS(restart_syscall), ALWAYS(brk),                     \
		WITH(mmap, 2, PROT_READ | PROT_WRITE), WITH(mprotect, 2, PROT_READ | PROT_WRITE), \
		ALWAYS(munmap), ALWAYS(mremap), ALWAYS(madvise), WITH(tgkill, 0, 0),              \
		ALWAYS(getpid), ALWAYS(gettid), ALWAYS(exit), ALWAYS(exit_group)
#define DEVICES                                                            \
	REQUEST(KVM_IRQ_LINE), REQUEST(KVM_IRQFD), REQUEST(KVM_IOEVENTFD), \
		REQUEST(KVM_SET_GSI_ROUTING), ALWAYS(read), ALWAYS(eventfd2), ALWAYS(close)

/* With devices that are passed through. */
#define PASSTHROUGH                                                                                \
	REQUEST(VFIO_DEVICE_SET_IRQS), REQUEST(VFIO_IOMMU_MAP_DMA), REQUEST(VFIO_IOMMU_UNMAP_DMA), \
		REQUEST(KVM_SET_USER_MEMORY_REGION)

#define VCPU                                                                                    \
	LIBC, DEVICES, REQUEST(KVM_RUN), REQUEST(KVM_GET_REGS), REQUEST(KVM_GET_SREGS),         \
		REQUEST(KVM_TRANSLATE), REQUEST(VHOST_SET_VRING_CALL), ALWAYS(timerfd_settime), \
		ALWAYS(timerfd_gettime)

static const struct listed listed_vcpu[] = {VCPU};

static const struct listed listed_vcpu_vfio[] = {
	VCPU,
	PASSTHROUGH,
	ALWAYS(pread64),
	ALWAYS(pwrite64),
};

static const struct listed listed_vcpu_flash[] = {VCPU, REQUEST(KVM_SET_USER_MEMORY_REGION)};

#define RING LIBC, DEVICES, ALWAYS(io_uring_enter), ALWAYS(poll), ALWAYS(clock_nanosleep)

static const struct listed listed_disk[] = {
	RING,
	ALWAYS(pread64),
	ALWAYS(pwrite64),
	ALWAYS(preadv),
	ALWAYS(pwritev),
	ALWAYS(fdatasync),
	WITH(lseek, 2, SEEK_END),
};

static const struct listed listed_net[] = {
	RING,
	ALWAYS(readv),
	ALWAYS(writev),
	REQUEST(TUNSETOFFLOAD),
	REQUEST(TUNSETQUEUE),
	REQUEST(VHOST_SET_FEATURES),
	REQUEST(VHOST_SET_VRING_NUM),
	REQUEST(VHOST_SET_VRING_BASE),
	REQUEST(VHOST_GET_VRING_BASE),
	REQUEST(VHOST_SET_VRING_ADDR),
	REQUEST(VHOST_SET_VRING_KICK),
	REQUEST(VHOST_SET_VRING_CALL),
	REQUEST(VHOST_SET_VRING_ERR),
	REQUEST(VHOST_NET_SET_BACKEND),
};

static const struct listed listed_streams[] = {
	RING,
	ALWAYS(sendto),
	ALWAYS(recvfrom),
	ALWAYS(epoll_ctl),
	ALWAYS(epoll_wait),
	ALWAYS(getrandom),
};

static const struct listed listed_worker[] = {
	LIBC,
	ALWAYS(pread64),
	ALWAYS(pwrite64),
	ALWAYS(preadv),
	ALWAYS(pwritev),
	ALWAYS(fdatasync),
	ALWAYS(fallocate),
	REQUEST(BLKDISCARD),
};

#define CONTROL                                                                                   \
	LIBC, DEVICES, REQUEST(KVM_GET_REGS), REQUEST(KVM_SET_REGS), REQUEST(KVM_GET_SREGS),      \
		REQUEST(KVM_SET_SREGS), REQUEST(KVM_SET_NESTED_STATE), REQUEST(KVM_GET_MSRS),     \
		REQUEST(KVM_SET_MSRS), REQUEST(KVM_SET_XCRS), REQUEST(KVM_SET_XSAVE),             \
		REQUEST(KVM_SET_DEBUGREGS), REQUEST(KVM_SET_VCPU_EVENTS), REQUEST(KVM_SET_LAPIC), \
		REQUEST(KVM_GET_MP_STATE), REQUEST(KVM_SET_MP_STATE), REQUEST(KVM_SET_IRQCHIP),   \
		REQUEST(KVM_KVMCLOCK_CTRL), ALWAYS(poll), ALWAYS(sendmsg), ALWAYS(recvmsg),       \
		ALWAYS(pread64), ALWAYS(pwrite64), ALWAYS(newfstatat),                            \
		WITH(fcntl, 1, F_GET_SEALS),                                                      \
		WITH(io_uring_register, 1, IORING_UNREGISTER_RING_FDS), ALWAYS(timerfd_settime),  \
		ALWAYS(timerfd_gettime)

static const struct listed listed_control[] = {CONTROL};

static const struct listed listed_control_vfio[] = {
	CONTROL,
	PASSTHROUGH,
	REQUEST(VFIO_DEVICE_RESET),
};

static const struct listed listed_control_flash[] = {
	CONTROL,
	REQUEST(KVM_SET_USER_MEMORY_REGION),
};

/* How many different calls there may be. */
static const struct {
	const struct listed *calls;
	size_t count;
	unsigned int most;
	const char *figure;
} lists[SANDBOX_THREADS] = {
#define LIST(l) l, sizeof(l) / sizeof((l)[0])
	[SANDBOX_CONTROL] = {LIST(listed_control), 35, "sandbox_calls_control"},
	[SANDBOX_VCPU] = {LIST(listed_vcpu), 25, "sandbox_calls_vcpu"},
	[SANDBOX_DISK] = {LIST(listed_disk), 30, "sandbox_calls_disk"},
	[SANDBOX_NET] = {LIST(listed_net), 30, "sandbox_calls_net"},
	[SANDBOX_STREAMS] = {LIST(listed_streams), 30, "sandbox_calls_streams"},
	[SANDBOX_WORKER] = {LIST(listed_worker), 25, "sandbox_calls_worker"},
	[SANDBOX_CONTROL_VFIO] = {LIST(listed_control_vfio), 35, "sandbox_calls_control_vfio"},
	[SANDBOX_VCPU_VFIO] = {LIST(listed_vcpu_vfio), 27, "sandbox_calls_vcpu_vfio"},
	[SANDBOX_CONTROL_FLASH] = {LIST(listed_control_flash), 35, "sandbox_calls_control_flash"},
	[SANDBOX_VCPU_FLASH] = {LIST(listed_vcpu_flash), 25, "sandbox_calls_vcpu_flash"},
};

static bool is_listed(enum sandbox_thread kind, long nr)
{
	for (size_t i = 0; i < lists[kind].count; i++)
		if (lists[kind].calls[i].nr == nr)
			return true;
	return false;
}

static bool allows_ioctl(enum sandbox_thread kind, unsigned int request)
{
	for (size_t i = 0; i < lists[kind].count; i++)
		if (lists[kind].calls[i].nr == SYS_ioctl && lists[kind].calls[i].value == request)
			return true;
	return false;
}

/* ---- trying ---- */

static bool try_call(long nr, int arg, unsigned long value)
{
	unsigned long a[6] = {-1ul, -1ul, -1ul, -1ul, -1ul, -1ul};

	if (arg >= 0)
		a[arg] = value;
	refused = 0;
	syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
	return !refused;
}

/* None of these is made, so one child can try them all. Its exit status says whether one was. */
static void try_unlisted(enum sandbox_thread kind)
{
	static const unsigned int types[] = {0xAE, 0x12, 'T', 'U', 0xAF, 0x89, ';'};

	go_under(kind);
	for (long nr = 0; nr <= LAST_NUMBER; nr++) {
		if (!is_listed(kind, nr) && !IS_KERNELS_OWN(nr) && try_call(nr, -1, 0))
			leave(1);
		if (try_call(nr | X32_BIT, -1, 0))
			leave(2);
	}
	for (size_t i = 0; i < lists[kind].count; i++)
		if (lists[kind].calls[i].arg >= 0 && try_call(lists[kind].calls[i].nr, -1, 0))
			leave(3);
	/* The same numbers with another direction or size, too. */
	for (size_t t = 0; t < sizeof(types) / sizeof(types[0]); t++)
		for (unsigned int n = 0; n < 256; n++)
			for (size_t i = 0; i < lists[kind].count; i++) {
				unsigned int high = (unsigned int)lists[kind].calls[i].value;
				unsigned int request = (high & 0xFFFF0000) | types[t] << 8 | n;

				if (!allows_ioctl(kind, request) && try_call(SYS_ioctl, 1, request))
					leave(4);
			}
	leave(0);
}

static void unlisted_calls_are_refused(void **state)
{
	(void)state;
	for (unsigned int kind = 0; kind < SANDBOX_THREADS; kind++) {
		pid_t pid = fork();
		int status;

		if (pid == 0)
			try_unlisted(kind);
		status = wait_for(pid);
		if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
			fail_msg("%s thread: a call that is not in the list was made (%#x)",
				 sandbox_thread_name(kind), status);
	}
}

/* A call that is made may end the process or block: each in a child of its own. */
static void listed_calls_are_made(void **state)
{
	(void)state;
	for (unsigned int kind = 0; kind < SANDBOX_THREADS; kind++)
		for (size_t i = 0; i < lists[kind].count; i++) {
			const struct listed *call = &lists[kind].calls[i];
			pid_t pid = fork();
			int status;

			if (pid == 0) {
				go_under(kind);
				ualarm(100000, 0);
				leave(try_call(call->nr, call->arg,
					       call->nr == SYS_tgkill ? (unsigned long)getpid()
								      : call->value)
					      ? 0
					      : EXIT_REFUSED);
			}
			status = wait_for(pid);
			if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_REFUSED)
				fail_msg("%s thread: call %ld (%#lx) was refused",
					 sandbox_thread_name(kind), call->nr, call->value);
			assert_false(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
		}
}

static void kernels_own_calls_do_nothing(void **state)
{
	(void)state;
	for (long nr = 335; nr <= 336; nr++) {
		pid_t pid = fork();
		int status;

		if (pid == 0) {
			signal(SIGILL, SIG_DFL);
			signal(SIGSEGV, SIG_DFL);
			go_under(SANDBOX_VCPU);
			refused = 0;
			leave(syscall(nr) < 0 || refused ? EXIT_REFUSED : 0);
		}
		status = wait_for(pid);
		assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == EXIT_REFUSED);
	}
}

static void call_by_int80(long nr)
{
	long result = nr;

	__asm__ volatile("int $0x80" : "+a"(result) : "b"(0), "c"(0), "d"(0) : "memory");
}

/* i386's convention ends the process (or does not exist, which a fault tells). */
static void other_conventions_are_fatal(void **state)
{
	(void)state;
	for (unsigned int kind = 0; kind < SANDBOX_THREADS; kind++)
		for (long nr = 0; nr <= LAST_I386; nr += kind == SANDBOX_VCPU ? 1 : 40) {
			pid_t pid = fork();
			int status;

			if (pid == 0) {
				signal(SIGSEGV, SIG_DFL);
				go_under(kind);
				call_by_int80(nr);
				leave(0);
			}
			status = wait_for(pid);
			if (!WIFSIGNALED(status) ||
			    (WTERMSIG(status) != SIGSYS && WTERMSIG(status) != SIGSEGV))
				fail_msg("%s thread: int 0x80 with %ld: status %#x",
					 sandbox_thread_name(kind), nr, status);
		}
}

static void lists_are_short(void **state)
{
	(void)state;
	for (unsigned int kind = 0; kind < SANDBOX_THREADS; kind++) {
		unsigned int n = 0;

		for (long nr = 0; nr <= LAST_NUMBER; nr++)
			n += is_listed(kind, nr);
		print_message("%s %u calls\n", lists[kind].figure, n);
		assert_in_range(n, 1, lists[kind].most);
	}
}

/* Whatever the table: a program that fits, or none. */
static void programs_stay_in_their_room(void **state)
{
	struct sock_filter *insns = malloc(SECCOMP_MAX_INSNS * sizeof(*insns));
	struct seccomp_rule rules[120] = {0};
	bool too_long = false;

	(void)state;
	for (size_t i = 0; i < 120; i++) {
		rules[i].nr = (uint16_t)(i % 90);
		rules[i].check = i % 4 ? SECCOMP_ARG_IS : SECCOMP_ANY_ARGS;
	}
	for (size_t from = 0; from < 20; from++)
		for (size_t count = 0; from + count <= 120; count++) {
			int n = seccomp_make_program(rules + from, count, SECCOMP_RET_ERRNO, insns);

			assert_true(n == -E2BIG || (n > 4 && n <= SECCOMP_MAX_INSNS));
			too_long |= n < 0;
			if (n > 0) /* ends with the refusal, and what the calls before it jump to */
				assert_int_equal(insns[n - 2].k, SECCOMP_RET_ERRNO);
		}
	assert_true(too_long);
	free(insns);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unlisted_calls_are_refused),
		cmocka_unit_test(listed_calls_are_made),
		cmocka_unit_test(kernels_own_calls_do_nothing),
		cmocka_unit_test(other_conventions_are_fatal),
		cmocka_unit_test(lists_are_short),
		cmocka_unit_test(programs_stay_in_their_room),
	};

	return cmocka_run_group_tests_name("sandbox", tests, NULL, NULL);
}
