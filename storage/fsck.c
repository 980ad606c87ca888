/*
 * See storage/fsck.h. What fsck.fat prints is read line by line: it names a file, on a line that begins with its path, only
 * to complain of it. Its exit status alone tells no lost block from a lost file.
 */
#include "fsck.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "loop.h"
#include "seccomp.h"
#include "store_dir.h"
#include "text.h"

#define LINE_SIZE   160
#define TEXT_SIZE   200
#define NOT_RUN	    127
#define CHANGED	    1 /* its status when it changed something, or would have */
#define END_MS	    500
#define END_STEP_MS 5

#define ALLOW(name)                                \
	{                                          \
		SYS_##name, SECCOMP_ANY_ARGS, 0, 0 \
	}

/*
 * It opens the device and reads and writes it: no new process, no new file, no socket, no mount. What else it calls, its C
 * library does, which is not ours: glibc and musl both.
 */
/* clang-format off */
static const struct seccomp_rule rules[] = {
	ALLOW(execve),
	ALLOW(read),
	ALLOW(readv),
	ALLOW(pread64),
	ALLOW(write),
	ALLOW(writev),
	ALLOW(pwrite64),
	ALLOW(lseek),
	{SYS_open, SECCOMP_ARG_LACKS, 1, O_CREAT | O_TRUNC},
	{SYS_openat, SECCOMP_ARG_LACKS, 2, O_CREAT | O_TRUNC},
	ALLOW(close),
	ALLOW(stat),
	ALLOW(fstat),
	ALLOW(newfstatat),
	ALLOW(access),
	ALLOW(getcwd),
	ALLOW(fcntl),
	ALLOW(ioctl),
	ALLOW(brk),
	{SYS_mmap, SECCOMP_ARG_LACKS, 3, MAP_SHARED},
	ALLOW(mprotect),
	ALLOW(munmap),
	ALLOW(mremap),
	ALLOW(madvise),
	ALLOW(arch_prctl),
	ALLOW(set_tid_address),
	ALLOW(set_robust_list),
	ALLOW(rseq),
	ALLOW(prlimit64),
	ALLOW(getrandom),
	ALLOW(futex),
	ALLOW(rt_sigaction),
	ALLOW(rt_sigprocmask),
	ALLOW(rt_sigreturn),
	ALLOW(sigaltstack),
	ALLOW(exit),
	ALLOW(exit_group),
};
/* clang-format on */

const char *fsck_find(void)
{
	static const char *const paths[] = {"/sbin/fsck.fat", "/usr/sbin/fsck.fat"};

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		if (access(paths[i], X_OK) == 0)
			return paths[i];
	return NULL;
}

/* ---- what it says ---- */

struct reader {
	const char *device;
	char line[LINE_SIZE];
	size_t n;	 /* of the line, without what has no room */
	bool is_summed;	 /* the last line was there: so it got to its end */
	bool is_reading; /* the complaint goes on */
	char damage[2 * LINE_SIZE], last[LINE_SIZE];
};

static void take_line(struct reader *r)
{
	size_t n = strlen(r->device), had = strlen(r->damage);
	const char *line = r->line + strspn(r->line, " ");

	if (strncmp(r->line, r->device, n) == 0 && r->line[n] == ':') {
		r->is_summed = true;
		return;
	}
	/* It gives up with a line that comes before its first one, which it had not printed yet. */
	if (strncmp(line, "fsck.fat ", 9) != 0)
		text_copy(r->last, sizeof(r->last), line);
	if (r->line[0] == '/' && !had)
		r->is_reading = true;
	if (r->is_reading)
		snprintf(r->damage + had, sizeof(r->damage) - had, "%s%s", had ? " " : "", line);
	if (line != r->line)
		r->is_reading = false;
}

static void take(struct reader *r, const char *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (bytes[i] != '\n') {
			if (r->n < sizeof(r->line) - 1)
				r->line[r->n++] = bytes[i];
			continue;
		}
		r->line[r->n] = '\0';
		if (r->n > 0)
			take_line(r);
		r->n = 0;
	}
}

/* Until its end, or -ETIMEDOUT. */
static int read_words(struct reader *r, int fd, uint64_t until)
{
	char bytes[512];

	for (;;) {
		struct pollfd pfd = {.fd = fd, .events = POLLIN};
		uint64_t now = loop_now_ms();
		ssize_t n;

		if (now >= until || poll(&pfd, 1, (int)(until - now)) <= 0)
			return -ETIMEDOUT;
		n = read(fd, bytes, sizeof(bytes));
		if (n <= 0)
			return 0;
		take(r, bytes, (size_t)n);
	}
}

/* ---- the process ---- */

/* What a save had not finished; a root directory that lies in blocks, FAT32's, has a name of blanks in fsck.fat. */
static const char *const drops[] = {
	"/" STORE_NEW_FILE,   "/ENTRIES/" STORE_NEW_FILE,   "/" STORE_NEW_DIR,
	"/ /" STORE_NEW_FILE, "/ /ENTRIES/" STORE_NEW_FILE, "/ /" STORE_NEW_DIR,
};

static void run_program(const char *program, const char *device, enum fsck_action action, int out,
			pid_t parent) __attribute__((noreturn));

static void run_program(const char *program, const char *device, enum fsck_action action, int out,
			pid_t parent)
{
	char name[] = "fsck.fat", how[] = "-n", path[64], drop[] = "-d", *environment[] = {NULL};
	char *argv[4 + 2 * sizeof(drops) / sizeof(drops[0])] = {name, how, path};
	const struct rlimit no_core = {0, 0};
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent || null < 0)
		_exit(NOT_RUN);
	if (action == FSCK_MEND)
		how[1] = 'a';
	/* It takes what was deleted before for something to be dropped, too: behind the one that matters, if there is one. */
	for (size_t i = 0; action != FSCK_VERIFY && i < sizeof(drops) / sizeof(drops[0]); i++) {
		argv[3 + 2 * i] = drop;
		argv[4 + 2 * i] = (char *)(uintptr_t)drops[i];
	}
	text_copy(path, sizeof(path), device);
	if (dup2(null, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0 ||
	    dup2(out, STDERR_FILENO) < 0 || close_range(STDERR_FILENO + 1, ~0u, 0) < 0)
		_exit(NOT_RUN);
	setrlimit(RLIMIT_CORE, &no_core);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)
		seccomp_filter_thread(rules, sizeof(rules) / sizeof(rules[0]),
				      SECCOMP_RET_ERRNO | EPERM);
	execve(program, argv, environment);
	_exit(NOT_RUN);
}

/* Its status. It has closed its output, or is to be ended; in the kernel it may wait on for a disk that does not answer. */
static int collect(pid_t pid, bool is_late)
{
	const struct timespec step = {.tv_nsec = END_STEP_MS * 1000000};
	int status;

	for (unsigned int ms = 0;; ms += END_STEP_MS) {
		if (is_late || ms >= END_MS)
			kill(pid, SIGKILL);
		if (waitpid(pid, &status, WNOHANG) == pid)
			return status;
		if (ms >= 2 * END_MS)
			return -1;
		nanosleep(&step, NULL);
	}
}

static int judge(const struct reader *r, int status, enum fsck_state *ret_state, char *ret_text)
{
	const char *text = r->damage[0] ? r->damage : r->last;

	if (WIFSIGNALED(status))
		snprintf(ret_text, TEXT_SIZE, "it was ended by signal %d", WTERMSIG(status));
	else if (WEXITSTATUS(status) == NOT_RUN)
		snprintf(ret_text, TEXT_SIZE, "it cannot be run on this system");
	else
		text_escape(ret_text, TEXT_SIZE, text, strlen(text));
	if (!WIFEXITED(status) || WEXITSTATUS(status) > CHANGED || !r->is_summed)
		return -EIO;
	*ret_state = r->damage[0]		      ? FSCK_DAMAGED
		     : WEXITSTATUS(status) == CHANGED ? FSCK_LOOSE
						      : FSCK_CLEAN;
	return 0;
}

int fsck_run(const char *program, const char *device, enum fsck_action action, uint64_t until,
	     enum fsck_state *ret_state, char ret_text[200])
{
	struct reader r = {.device = device};
	int ends[2], rc, status;
	pid_t parent = getpid(), pid;

	snprintf(ret_text, TEXT_SIZE, "no process can be started for it");
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -EIO;
	pid = fork();
	if (pid == 0)
		run_program(program, device, action, ends[1], parent);
	close(ends[1]);
	if (pid < 0) {
		close(ends[0]);
		return -EIO;
	}
	rc = read_words(&r, ends[0], until);
	close(ends[0]);
	status = collect(pid, rc < 0);
	return rc < 0 || status == -1 ? -ETIMEDOUT : judge(&r, status, ret_state, ret_text);
}
