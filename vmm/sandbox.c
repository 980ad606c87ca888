/* See vmm/sandbox.h. What each thread may ask of the kernel is in sandbox_policy.c. */
#include "vmm/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "log.h"
#include "proto.h"
#include "vmm_proto.h"

#define NOBODY	  65534
#define MAX_FILES 4096 /* 254 vCPUs and what 24 disks need are well below */

#define EXIT_REFUSED 1 /* as vmm_main() returns for a guest that a fault stopped */

/* What a refused call leads to; the kind of thread is in the data, which the handler finds as si_errno. */
#define REFUSAL(kind) (SECCOMP_RET_TRAP | ((uint32_t)(kind)&SECCOMP_RET_DATA))

/* ---- nothing to open ---- */

/* An empty file system that nobody can write to, as a mount that is nowhere. Its descriptor, or -errno. */
static int make_empty_mount(void)
{
	int context = fsopen("tmpfs", FSOPEN_CLOEXEC), fd;

	if (context < 0)
		return -errno;
	fd = fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
	if (fd == 0)
		fd = fsmount(context, FSMOUNT_CLOEXEC,
			     MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
				     MOUNT_ATTR_NOEXEC);
	if (fd < 0)
		fd = -errno;
	close(context);
	return fd;
}

/* Whoever may mount needs no namespace of its own, which would keep every mount of the machine busy. */
static int enter_by_chroot(int mount)
{
	return fchdir(mount) < 0 || chroot(".") < 0 ? -errno : 0;
}

/* In a mount namespace of our own; the rest of it is unmounted there, since a copy keeps file systems busy. */
static int enter_by_pivot(int mount)
{
	if (move_mount(mount, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0 ||
	    fchdir(mount) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 ||
	    umount2(".", MNT_DETACH) < 0)
		return -errno;
	return 0;
}

int sandbox_empty_root(void)
{
	int mount = make_empty_mount(), r;
	bool own_namespace = false;

	if (mount == -EPERM) {
		if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
			return -errno;
		own_namespace = true;
		mount = make_empty_mount();
	}
	if (mount < 0)
		return mount;
	r = own_namespace ? enter_by_pivot(mount) : -EINVAL;
	/* The root directory of an initramfs cannot be pivoted away, for example. */
	if (r < 0)
		r = enter_by_chroot(mount);
	close(mount);
	return r;
}

/* struct landlock_ruleset_attr as of ABI 6; Debian 12's header ends with the first member. */
struct ruleset {
	uint64_t fs;
	uint64_t net;
	uint64_t scoped;
};

/* Everything that the ABI can forbid is forbidden, without an exception. */
int sandbox_landlock(unsigned int *ret_abi)
{
	static const struct {
		unsigned int abi;
		struct ruleset handles;
	} added[] = {
		{1, {.fs = 0x1FFF}},  /* execute to make symlink */
		{2, {.fs = 1 << 13}}, /* rename to another directory */
		{3, {.fs = 1 << 14}}, /* truncate */
		{4, {.net = 3}},      /* bind and connect TCP */
		{5, {.fs = 1 << 15}}, /* device ioctls */
		{6, {.scoped = 3}},   /* abstract sockets of others, signals to others */
	};
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, 1 /* _VERSION */);
	struct ruleset ruleset = {0};
	int fd, r = 0;

	if (abi < 0)
		return -errno;
	for (size_t i = 0; i < sizeof(added) / sizeof(added[0]); i++) {
		if (added[i].abi > (unsigned long)abi)
			break;
		ruleset.fs |= added[i].handles.fs;
		ruleset.net |= added[i].handles.net;
		ruleset.scoped |= added[i].handles.scoped;
	}
	/* An older kernel takes a longer structure whose unknown end is zero. */
	fd = (int)syscall(SYS_landlock_create_ruleset, &ruleset, sizeof(ruleset), 0);
	if (fd < 0)
		return -errno;
	if (syscall(SYS_landlock_restrict_self, fd, 0) < 0)
		r = -errno;
	close(fd);
	if (r == 0)
		*ret_abi = (unsigned int)abi;
	return r;
}

/* ---- no rights ---- */

/*
 * Not limited: processes, which would count io_uring's kernel threads, but only the filters know our
 * own; and the size of files, since an image may be made bigger while the guest runs.
 */
static void limit_resources(void)
{
	struct rlimit files, none = {0, 0};

	setrlimit(RLIMIT_CORE, &none);
	setrlimit(RLIMIT_MSGQUEUE, &none);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		if (files.rlim_max > MAX_FILES)
			files.rlim_max = MAX_FILES;
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
}

/* Root's files would still be root's without capabilities. In a container there may be no other user. */
static void become_nobody(void)
{
	if (geteuid() != 0)
		return;
	if (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
	    setresuid(NOBODY, NOBODY, NOBODY) < 0)
		log_info("sandbox: stays user 0 (%s)", strerror(errno));
}

int sandbox_drop_rights(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};
	int death_signal = 0;

	limit_resources();
	prctl(PR_GET_PDEATHSIG, &death_signal);
	become_nobody();
	if (syscall(SYS_capset, &header, none) < 0)
		return -errno;
	/* Nobody of the same user reads our memory. A change of user takes the signal away. */
	prctl(PR_SET_DUMPABLE, 0);
	prctl(PR_SET_PDEATHSIG, death_signal);
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}

/* ---- what a refused system call leads to ---- */

struct last_words {
	struct proto_header header;
	struct vmm_exited exited;
};

/*
 * The thread may be an attacker's by now; the call was not made, and the process ends here. Async-
 * signal-safe enough: snprintf() of numbers takes no lock and no memory.
 */
static void on_refusal(int sig, siginfo_t *info, void *context)
{
	const greg_t *regs = ((const ucontext_t *)context)->uc_mcontext.gregs;
	struct last_words words = {
		.header = {.type = VMM_EXITED, .size = sizeof(words.exited)},
		.exited = {.reason = VMM_EXIT_ERROR},
	};

	(void)sig;
	snprintf(words.exited.text, sizeof(words.exited.text),
		 "The virtual machine monitor was stopped by its sandbox: system call %d in its %s "
		 "thread, which no virtual machine needs. The guest may have attacked it. If you "
		 "trust the guest, this is a bug of vmboot: report it with the log.",
		 info->si_syscall, sandbox_thread_name((unsigned int)info->si_errno));
	log_error("sandbox: %s thread: system call %d(%#llx, %#llx, %#llx) at %p refused",
		  sandbox_thread_name((unsigned int)info->si_errno), info->si_syscall,
		  (unsigned long long)regs[REG_RDI], (unsigned long long)regs[REG_RSI],
		  (unsigned long long)regs[REG_RDX], info->si_call_addr);
	(void)!write(VMM_CONTROL_FD, &words, sizeof(words));
	syscall(SYS_exit_group, EXIT_REFUSED); /* _exit() of a sanitized test makes more calls */
}

void sandbox_report_refusals(void)
{
	struct sigaction action = {.sa_sigaction = on_refusal, .sa_flags = SA_SIGINFO};

	sigfillset(&action.sa_mask);
	sigaction(SIGSYS, &action, NULL);
}

/* ---- all of it ---- */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HAS_SANITIZER 1
#else
#define HAS_SANITIZER 0
#endif

static void note_refused(const char *layer, int r)
{
	log_warn("sandbox: no %s on this host (%s)", layer, strerror(-r));
}

void sandbox_enter(struct sandbox *ret_sandbox)
{
	struct sandbox_layers *layers = &ret_sandbox->layers;
	int r;

	*layers = (struct sandbox_layers){.built_in = !HAS_SANITIZER};
	if (HAS_SANITIZER) {
		log_info("sandbox: none in a build with sanitizers");
		return;
	}
	/* With more arenas than one malloc() asks a file for the number of CPUs, in the middle of life. */
	mallopt(M_ARENA_MAX, 1);
	r = sandbox_empty_root();
	layers->empty_root = r == 0;
	if (r < 0)
		note_refused("empty root directory", r);
	r = sandbox_drop_rights();
	layers->no_rights = r == 0;
	if (r < 0)
		note_refused("dropping of rights", r);
	r = sandbox_landlock(&layers->landlock_abi);
	if (r < 0)
		note_refused("Landlock", r);
	tzset(); /* which the clock's timegm() does once, and looks for a file then */
	sandbox_report_refusals();
	r = seccomp_check_support(REFUSAL(0));
	layers->filters = r == 0;
	if (r < 0)
		note_refused("system call filters", r);
	log_info("sandbox: root directory %s, Landlock %u, rights %s, system calls %s",
		 layers->empty_root ? "empty" : "not empty", layers->landlock_abi,
		 layers->no_rights ? "dropped" : "kept", layers->filters ? "filtered" : "free");
}

int sandbox_filter(const struct sandbox *sandbox, enum sandbox_thread kind)
{
	const struct seccomp_rule *rules;
	sigset_t refusal;
	size_t count;

	if (!sandbox || !sandbox->layers.filters)
		return 0;
	/* Blocked, it would end the process without a word. */
	sigemptyset(&refusal);
	sigaddset(&refusal, SIGSYS);
	pthread_sigmask(SIG_UNBLOCK, &refusal, NULL);
	rules = sandbox_policy(kind, &count);
	return seccomp_filter_thread(rules, count, REFUSAL(kind));
}

/* ---- for doctor ---- */

static void probe_child(int out) __attribute__((noreturn));

static void probe_child(int out)
{
	struct sandbox sandbox;

	log_init(-1, LOG_LEVEL_ERROR, "");
	sandbox_enter(&sandbox);
	if (sandbox_filter(&sandbox, SANDBOX_VCPU) < 0)
		sandbox.layers.filters = false;
	_exit(write(out, &sandbox.layers, sizeof(sandbox.layers)) != sizeof(sandbox.layers));
}

int vmm_probe_sandbox(struct sandbox_layers *ret_layers)
{
	struct sandbox_layers layers;
	int ends[2], r = 0;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid == 0)
		probe_child(ends[1]);
	if (pid < 0)
		r = -errno;
	close(ends[1]);
	if (r == 0 && read(ends[0], &layers, sizeof(layers)) != sizeof(layers))
		r = -EIO;
	close(ends[0]);
	if (pid > 0)
		waitpid(pid, NULL, 0);
	if (r == 0)
		*ret_layers = layers;
	return r;
}
