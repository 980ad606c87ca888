/*
 * What somebody who has taken over a vmm's thread would try. Each attempt runs in a process of its own
 * and says whether it succeeded. None does harm where it does.
 */
#ifndef VMB_TESTS_UNIT_SANDBOX_ESCAPES_H
#define VMB_TESTS_UNIT_SANDBOX_ESCAPES_H

#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/io_uring.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#define ESCAPE(name, expression)                \
	static inline bool escape_##name(void)  \
	{                                       \
		return (long)(expression) >= 0; \
	}

/* The file system. */
ESCAPE(open_password_file, syscall(SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY))
ESCAPE(open_by_old_call, syscall(SYS_open, "/etc/passwd", O_RDONLY))
ESCAPE(open_kvm, syscall(SYS_openat, AT_FDCWD, "/dev/kvm", O_RDWR))
ESCAPE(open_own_memory, syscall(SYS_openat, AT_FDCWD, "/proc/self/mem", O_RDWR))
ESCAPE(reopen_descriptor, syscall(SYS_openat, AT_FDCWD, "/proc/self/fd/0", O_RDWR))
ESCAPE(open_above_root, syscall(SYS_openat, AT_FDCWD, "../../../../../etc/passwd", O_RDONLY))
ESCAPE(create_file, syscall(SYS_openat, AT_FDCWD, "/escaped", O_RDWR | O_CREAT, 0600))
ESCAPE(make_unnamed_file, syscall(SYS_openat, AT_FDCWD, "/", O_RDWR | O_TMPFILE, 0600))
ESCAPE(make_directory, syscall(SYS_mkdir, "/escaped", 0700))
ESCAPE(make_link, syscall(SYS_symlink, "/etc", "/escaped"))
ESCAPE(make_disk_node, syscall(SYS_mknod, "/escaped", S_IFBLK | 0600, makedev(8, 0)))
ESCAPE(look_at_file, syscall(SYS_stat, "/etc/passwd", &(struct stat){0}))
ESCAPE(file_handle, syscall(SYS_open_by_handle_at, 0, "", O_RDONLY))

/* Its mounts and namespaces. */
ESCAPE(clone_mounts, syscall(SYS_open_tree, AT_FDCWD, "/", OPEN_TREE_CLONE))
ESCAPE(new_mount_call, syscall(SYS_fsopen, "proc", 0))
ESCAPE(remount_writable, syscall(SYS_mount, NULL, "/", NULL, MS_REMOUNT, NULL))
ESCAPE(chroot, syscall(SYS_chroot, "."))
ESCAPE(new_namespace, syscall(SYS_unshare, CLONE_NEWNS))
ESCAPE(join_namespace, syscall(SYS_setns, syscall(SYS_pidfd_open, getppid(), 0), CLONE_NEWNS))

/* Programs and code. */
static inline bool escape_execute(void)
{
	char *const argv[] = {NULL};

	return execve("/bin/true", argv, argv) == 0;
}

static inline bool escape_execute_memory(void)
{
	char *const argv[] = {NULL};
	int fd = (int)syscall(SYS_memfd_create, "x", 0);

	return fd >= 0 && write(fd, "#!/bin/true\n", 12) == 12 &&
	       syscall(SYS_execveat, fd, "", argv, argv, AT_EMPTY_PATH) == 0;
}

ESCAPE(executable_memory, syscall(SYS_mmap, NULL, 4096L, PROT_READ | PROT_WRITE | PROT_EXEC,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0L))
ESCAPE(make_code_writable, syscall(SYS_mprotect, (uintptr_t)&escape_execute & ~4095UL, 4096L,
				   PROT_READ | PROT_WRITE | PROT_EXEC))
ESCAPE(new_process, syscall(SYS_fork))
ESCAPE(new_thread, syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, 0L))

/* Other processes. */
ESCAPE(trace_parent, syscall(SYS_ptrace, PTRACE_SEIZE, getppid(), 0L, 0L))
ESCAPE(let_parent_trace, syscall(SYS_ptrace, PTRACE_TRACEME, 0L, 0L, 0L))
ESCAPE(signal_parent, syscall(SYS_kill, getppid(), SIGWINCH))
ESCAPE(signal_parents_thread, syscall(SYS_tgkill, getppid(), getppid(), SIGWINCH))
ESCAPE(signal_init, syscall(SYS_kill, 1, 0))
ESCAPE(take_parents_descriptor,
       syscall(SYS_pidfd_getfd, syscall(SYS_pidfd_open, getppid(), 0), 0, 0))

static inline bool escape_read_parent(void)
{
	char byte;
	struct iovec to = {&byte, 1}, from = {(void *)(uintptr_t)&escape_execute, 1};

	return syscall(SYS_process_vm_readv, getppid(), &to, 1L, &from, 1L, 0L) > 0;
}

/* The network. */
ESCAPE(internet_socket, syscall(SYS_socket, AF_INET, SOCK_STREAM, 0))
ESCAPE(unix_socket, syscall(SYS_socket, AF_UNIX, SOCK_STREAM, 0))
ESCAPE(kernel_socket, syscall(SYS_socket, AF_NETLINK, SOCK_RAW, 15))
ESCAPE(packet_socket, syscall(SYS_socket, AF_PACKET, SOCK_RAW, 0))

/* Rights. */
ESCAPE(become_root, syscall(SYS_setresuid, 0, 0, 0))

static inline bool escape_take_capabilities(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct all[2] = {{1 << CAP_SYS_CHROOT, 1 << CAP_SYS_CHROOT, 0}};

	return syscall(SYS_capset, &header, all) == 0;
}

ESCAPE(raise_limit,
       syscall(SYS_prlimit64, 0, RLIMIT_CORE, &(struct rlimit){RLIM_INFINITY, RLIM_INFINITY}, NULL))
ESCAPE(be_dumpable, syscall(SYS_prctl, PR_SET_DUMPABLE, 1L, 0L, 0L, 0L))
ESCAPE(replace_handler, syscall(SYS_rt_sigaction, SIGSYS, NULL, NULL, 8L))

/* Wide parts of the kernel. */
ESCAPE(keyring, syscall(SYS_keyctl, 0L, -3L, 1L))
ESCAPE(bpf, syscall(SYS_bpf, BPF_MAP_CREATE,
		    &(union bpf_attr){.map_type = BPF_MAP_TYPE_ARRAY,
				      .key_size = 4,
				      .value_size = 8,
				      .max_entries = 1},
		    sizeof(union bpf_attr)))
ESCAPE(perf,
       syscall(SYS_perf_event_open,
	       &(struct perf_event_attr){.size = sizeof(struct perf_event_attr)}, -1, 0, -1, 0L))
ESCAPE(user_faults, syscall(SYS_userfaultfd, 0))
ESCAPE(second_ring, syscall(SYS_io_uring_setup, 4, &(struct io_uring_params){0}))
ESCAPE(load_module, syscall(SYS_finit_module, 0, "", 0))
ESCAPE(kexec, syscall(SYS_kexec_load, 0L, 0L, NULL, 0L))
ESCAPE(reboot, syscall(SYS_reboot, 0xfee1dead, 672274793, 0, NULL))
ESCAPE(ports, syscall(SYS_iopl, 3))
ESCAPE(segments, syscall(SYS_modify_ldt, 0L, NULL, 0L))
ESCAPE(swap, syscall(SYS_swapoff, "/"))
ESCAPE(type_on_terminal, syscall(SYS_ioctl, 0, TIOCSTI, "x"))
ESCAPE(new_machine, syscall(SYS_ioctl, 0, 0xAE01 /* KVM_CREATE_VM */, 0L))

/* What is enough without a filter: nothing is, an empty root directory and no rights, or those and Landlock 6. */
enum escape_stop { BY_FILTER, BY_LAYERS, BY_SCOPE };

static const struct {
	const char *name;
	bool (*attempt)(void);
	enum escape_stop stopped;
} escapes[] = {
/* clang-format off */
#define STOPPED(name)  {#name, escape_##name, BY_LAYERS}
#define SCOPED(name)   {#name, escape_##name, BY_SCOPE}
#define FILTERED(name) {#name, escape_##name, BY_FILTER}
	STOPPED(open_password_file),
	STOPPED(open_by_old_call),
	STOPPED(open_kvm),
	STOPPED(open_own_memory),
	STOPPED(reopen_descriptor),
	STOPPED(open_above_root),
	STOPPED(create_file),
	STOPPED(make_unnamed_file),
	STOPPED(make_directory),
	STOPPED(make_link),
	STOPPED(make_disk_node),
	STOPPED(look_at_file),
	STOPPED(file_handle),
	STOPPED(clone_mounts),
	STOPPED(new_mount_call),
	STOPPED(remount_writable),
	STOPPED(chroot),
	STOPPED(new_namespace),
	STOPPED(join_namespace),
	STOPPED(execute),
	STOPPED(execute_memory),
	FILTERED(executable_memory),
	FILTERED(make_code_writable),
	FILTERED(new_process),
	FILTERED(new_thread),
	STOPPED(trace_parent),
	FILTERED(let_parent_trace),
	SCOPED(signal_parent),
	SCOPED(signal_parents_thread),
	STOPPED(signal_init),
	STOPPED(take_parents_descriptor),
	STOPPED(read_parent),
	FILTERED(internet_socket),
	FILTERED(unix_socket),
	FILTERED(kernel_socket),
	STOPPED(packet_socket),
	STOPPED(become_root),
	STOPPED(take_capabilities),
	STOPPED(raise_limit),
	FILTERED(be_dumpable),
	FILTERED(replace_handler),
	FILTERED(keyring),
	FILTERED(bpf),
	FILTERED(perf),
	FILTERED(user_faults),
	FILTERED(second_ring),
	STOPPED(load_module),
	STOPPED(kexec),
	STOPPED(reboot),
	STOPPED(ports),
	FILTERED(segments),
	STOPPED(swap),
	FILTERED(type_on_terminal),
	FILTERED(new_machine),
#undef STOPPED
#undef SCOPED
#undef FILTERED
	/* clang-format on */
};

#define ESCAPES (sizeof(escapes) / sizeof(escapes[0]))

#endif
