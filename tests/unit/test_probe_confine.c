/* A probe that was taken over by what it read: it can look, and changes nothing. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/io_uring.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmd/probe_confine.h"
#include "probe_proto.h"

#define TEXT "what was there before"

/* _exit(), before which the sanitizer makes calls that are refused. */
static void leave(int status)
{
	syscall(SYS_exit_group, status);
}

/* Ways to change FD or what it stands for, which are open for writing. Each is to fail with EPERM. */
static int change(unsigned int how, int fd, char *path)
{
	struct iovec iov = {path, 4};
	char *const argv[] = {NULL};

	switch (how) {
	case 0: return (int)syscall(SYS_write, fd, path, 4L);
	case 1: return (int)syscall(SYS_pwrite64, fd, path, 4L, 0L);
	case 2: return (int)syscall(SYS_writev, fd, &iov, 1L);
	case 3: return (int)syscall(SYS_pwritev, fd, &iov, 1L, 0L, 0L);
	case 4: return (int)syscall(SYS_ftruncate, fd, 0L);
	case 5: return (int)syscall(SYS_fallocate, fd, 0L, 0L, 100L);
	case 6: return (int)syscall(SYS_sendfile, fd, fd, NULL, 4L);
	case 7: return (int)syscall(SYS_copy_file_range, fd, NULL, fd, NULL, 4L, 0L);
	case 8: return (int)syscall(SYS_ioctl, fd, BLKDISCARD, NULL);
	case 9: return (int)syscall(SYS_ioctl, fd, BLKRRPART, 0L);
	case 10: return (int)syscall(SYS_dup2, fd, STDERR_FILENO);
	case 11: return (int)syscall(SYS_fcntl, fd, F_DUPFD, 0L);
	case 12: return (int)syscall(SYS_io_uring_setup, 4L, &(struct io_uring_params){0});
	case 13: return (int)syscall(SYS_unlink, path);
	case 14: return (int)syscall(SYS_rename, path, path);
	case 15: return (int)syscall(SYS_truncate, path, 0L);
	case 16: return (int)syscall(SYS_mount, path, path, NULL, 0L, NULL);
	case 17: return (int)syscall(SYS_socket, AF_INET, SOCK_STREAM, 0L);
	case 18: return (int)syscall(SYS_fork);
	case 19: return (int)syscall(SYS_execve, "/bin/sh", argv, argv);
	case 20: return (int)syscall(SYS_ptrace, 0L, 0L, 0L, 0L);
	case 21: return (int)syscall(SYS_kill, 1L, 0L);
	case 22: return (int)syscall(SYS_splice, fd, NULL, fd, NULL, 4L, 0L);
	case 23:
		return syscall(SYS_mmap, NULL, 4096L, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0L) ==
				       -1
			       ? -1
			       : 0;
	default: return -2;
	}
}

/* In a child: 0 when it could read, and could change nothing. Else which call was made. */
static int taken_over(char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC), early = fd;
	char text[32];

	/* Neither of the three descriptors that may be written to. */
	while (fd >= 0 && fd <= PROBE_OUT_FD)
		fd = dup(early);
	if (probe_confine() < 0)
		return 200;
	if (syscall(SYS_pread64, fd, text, sizeof(text), 0L) != (long)sizeof(TEXT))
		return 201;
	/* It can be opened for writing, which is of no use. */
	if (syscall(SYS_openat, AT_FDCWD, path, O_RDWR) < 0)
		return 202;
	for (unsigned int how = 0;; how++) {
		int r;

		errno = 0;
		r = change(how, fd, path);
		if (r == -2)
			return 0;
		if (r != -1 || errno != EPERM)
			return 1 + (int)how;
	}
}

static void a_probe_changes_nothing(void **state)
{
	char path[] = "/tmp/vmboot-probe-XXXXXX", text[32] = "";
	int fd = mkstemp(path), status;
	pid_t pid;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, TEXT, sizeof(TEXT)), sizeof(TEXT));
	pid = fork();
	if (pid == 0)
		leave(taken_over(path));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(pread(fd, text, sizeof(text), 0), sizeof(TEXT));
	assert_string_equal(text, TEXT);
	unlink(path);
	close(fd);
	if (status != 0)
		fail_msg("call %d was not refused (status %#x)", WEXITSTATUS(status) - 1, status);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_probe_changes_nothing),
	};

	return cmocka_run_group_tests_name("probe confined", tests, NULL, NULL);
}
