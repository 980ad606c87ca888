/* See cmd/probe_confine.h. */
#include "probe_confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/blkzoned.h>
#include <linux/cdrom.h>
#include <linux/fd.h>
#include <linux/fs.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "probe_proto.h"
#include "seccomp.h"

#define ALLOW(name)                                \
	{                                          \
		SYS_##name, SECCOMP_ANY_ARGS, 0, 0 \
	}
#define ALLOW_IF(name, n, val)                                 \
	{                                                      \
		SYS_##name, SECCOMP_ARG_IS, n, (uint32_t)(val) \
	}

/* clang-format off */
static const struct seccomp_rule rules[] = {
	ALLOW(read),
	ALLOW(pread64),
	ALLOW(lseek),
	ALLOW(openat),
	ALLOW(openat2),
	ALLOW(close),
	ALLOW(newfstatat),
	ALLOW(statx),
	ALLOW(statfs),
	ALLOW(fstatfs),
	ALLOW(getdents64),
	ALLOW(readlink),
	ALLOW(readlinkat),
	ALLOW(faccessat2),
	ALLOW(faccessat),
	ALLOW(access),
	ALLOW(fadvise64),
	/* Not F_DUPFD: the three descriptors that can be written to stay what they are. */
	ALLOW_IF(fcntl, 1, F_GETFD),
	ALLOW_IF(fcntl, 1, F_SETFD),
	ALLOW_IF(fcntl, 1, F_GETFL),
	ALLOW_IF(fcntl, 1, F_SETFL),
	/* What libblkid asks of a device. */
	ALLOW_IF(ioctl, 1, BLKGETSIZE64),
	ALLOW_IF(ioctl, 1, BLKSSZGET),
	ALLOW_IF(ioctl, 1, BLKPBSZGET),
	ALLOW_IF(ioctl, 1, BLKIOMIN),
	ALLOW_IF(ioctl, 1, BLKIOOPT),
	ALLOW_IF(ioctl, 1, BLKALIGNOFF),
	ALLOW_IF(ioctl, 1, BLKROGET),
	ALLOW_IF(ioctl, 1, BLKGETZONESZ),
	ALLOW_IF(ioctl, 1, BLKREPORTZONE),
	ALLOW_IF(ioctl, 1, FDGETFDCSTAT),
	ALLOW_IF(ioctl, 1, CDROM_GET_CAPABILITY),
	ALLOW_IF(ioctl, 1, CDROM_DRIVE_STATUS),
	ALLOW_IF(ioctl, 1, CDROM_LAST_WRITTEN),
	ALLOW_IF(ioctl, 1, CDROMMULTISESSION),
	/* storage/mount.c */
	ALLOW(fsopen),
	ALLOW(fsconfig),
	ALLOW(fsmount),
	ALLOW(clock_nanosleep), /* until somebody else's mount is gone */
	/* All that leaves the process. */
	ALLOW_IF(sendmsg, 0, PROBE_CONTROL_FD),
	ALLOW_IF(pwrite64, 0, PROBE_OUT_FD),
	ALLOW_IF(sendfile, 0, PROBE_OUT_FD),
	ALLOW_IF(write, 0, STDERR_FILENO),
	/* The C library; a shared mapping would be a way to write. */
	ALLOW(brk),
	{SYS_mmap, SECCOMP_ARG_LACKS, 3, MAP_SHARED},
	{SYS_mprotect, SECCOMP_ARG_LACKS, 2, PROT_EXEC},
	ALLOW(munmap),
	ALLOW(mremap),
	ALLOW(madvise),
	ALLOW(futex),
	ALLOW(getrandom),
	ALLOW(clock_gettime),
	ALLOW(uname),
	ALLOW(geteuid),
	ALLOW(getuid),
	ALLOW(getpid),
	ALLOW(gettid),
	{SYS_tgkill, SECCOMP_ARG_IS_PID, 0, 0},
	ALLOW(rt_sigprocmask),
	ALLOW(rt_sigreturn),
	ALLOW(restart_syscall),
	ALLOW(exit_group),
};
/* clang-format on */

int probe_confine(void)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return seccomp_filter_thread(rules, sizeof(rules) / sizeof(rules[0]),
				     SECCOMP_RET_ERRNO | EPERM);
}
