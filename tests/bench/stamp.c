/*
 * stamp TEXT SECONDS COMMAND...: runs COMMAND on a pseudo-terminal of its own and prints
 * "stamp: N us" when TEXT first appears in its output, counted from just before exec; then ends
 * it. For the emulated machine, where time is instructions and the answer is the same every time.
 */
#include <errno.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

int main(int argc, char **argv)
{
	static char buf[1 << 20];
	struct winsize size = {.ws_row = 25, .ws_col = 80};
	size_t have = 0;
	double start, end;
	struct pollfd fd;
	ssize_t n;
	pid_t pid;

	if (argc < 4)
		return 64;
	end = now_us() + atof(argv[2]) * 1e6;
	start = now_us();
	pid = forkpty(&fd.fd, NULL, NULL, &size);
	if (pid < 0)
		return 1;
	if (!pid) {
		execvp(argv[3], argv + 3);
		_exit(127);
	}
	fd.events = POLLIN;
	while (now_us() < end && have < sizeof(buf)) {
		if (poll(&fd, 1, 1000) <= 0)
			continue;
		n = read(fd.fd, buf + have, sizeof(buf) - have);
		if (n <= 0)
			break;
		have += (size_t)n;
		if (memmem(buf, have, argv[1], strlen(argv[1]))) {
			printf("stamp: %.0f us\n", now_us() - start);
			kill(pid, SIGTERM);
			waitpid(pid, NULL, 0);
			return 0;
		}
	}
	printf("stamp: \"%s\" did not appear\n%.*s\n", argv[1], (int)have, buf);
	kill(pid, SIGKILL);
	return 1;
}
