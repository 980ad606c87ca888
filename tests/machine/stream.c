/*
 * 64 MiB by TCP, for test_net.py: one side sends numbers that follow from SEED, the other receives; both print what
 * they hash to. In large pieces, since every system call costs much in a virtual machine inside an emulated one.
 *
 *	stream listen PORT send SEED | recv        one connection
 *	stream IP PORT send SEED | recv
 */
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TOTAL (64u << 20)
#define CHUNK (1u << 20)

static uint64_t words[CHUNK / 8];
static uint64_t hash = 0xCBF29CE484222325;

static void add_to_hash(void)
{
	for (size_t i = 0; i < CHUNK / 8; i++)
		hash = (hash ^ words[i]) * 0x100000001B3;
}

static void fill(uint64_t *state)
{
	for (size_t i = 0; i < CHUNK / 8; i++) {
		*state ^= *state << 13;
		*state ^= *state >> 7;
		*state ^= *state << 17;
		words[i] = *state;
	}
}

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

/* All of a chunk, or exit. */
static void move(int fd, int sending)
{
	size_t done = 0;

	while (done < CHUNK) {
		char *at = (char *)words + done;
		ssize_t n = sending ? write(fd, at, CHUNK - done)
				    : recv(fd, at, CHUNK - done, MSG_WAITALL);

		if (n <= 0)
			fail(sending ? "write" : "read");
		done += (size_t)n;
	}
}

static int open_stream(const char *where, int port)
{
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1, got;

	if (strcmp(where, "listen") == 0) {
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
		if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, 1) < 0)
			fail("listen");
		got = accept(fd, NULL, NULL);
		close(fd);
		return got;
	}
	addr.sin_addr.s_addr = inet_addr(where);
	for (int i = 0; connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0; i++) {
		if (i == 50)
			fail("connect");
		close(fd);
		usleep(100000);
		fd = socket(AF_INET, SOCK_STREAM, 0);
	}
	return fd;
}

int main(int argc, char **argv)
{
	int sending = argc == 5 && strcmp(argv[3], "send") == 0;
	uint64_t state = sending ? strtoull(argv[4], NULL, 10) : 0;
	char end;
	int fd;

	if (argc < 4)
		return 2;
	fd = open_stream(argv[1], atoi(argv[2]));
	if (fd < 0)
		fail("stream");
	for (size_t done = 0; done < TOTAL; done += CHUNK) {
		if (sending)
			fill(&state);
		move(fd, sending);
		/* Of its own data the sender knows at once, and the receiver has to keep up. */
		add_to_hash();
	}
	if (sending) {
		shutdown(fd, SHUT_WR);
		while (read(fd, &end, 1) > 0)
			;
	}
	printf("%016llx of %u bytes\n", (unsigned long long)hash, TOTAL);
	return 0;
}
