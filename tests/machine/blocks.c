/*
 * Writes a device full of what follows from SEED, or checks that it is there, for test_vfio.py. In pieces of 4 MiB past
 * the page cache, since each request costs an interrupt and the emulated machine likes few of them.
 *
 *	blocks write|verify DEVICE MEBIBYTES SEED
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHUNK (4u << 20)

static uint64_t word_at(uint64_t offset, uint64_t seed)
{
	return (offset ^ seed << 40) * 0x9E3779B97F4A7C15;
}

int main(int argc, char **argv)
{
	int writing = argc == 5 && strcmp(argv[1], "write") == 0;
	uint64_t *buf, seed, size, at, i;
	int fd;

	if (argc != 5)
		return 2;
	buf = aligned_alloc(4096, CHUNK);
	size = strtoull(argv[3], NULL, 0) << 20;
	seed = strtoull(argv[4], NULL, 0);
	fd = open(argv[2], (writing ? O_RDWR : O_RDONLY) | O_DIRECT);
	if (!buf || fd < 0) {
		perror(argv[2]);
		return 2;
	}
	for (at = 0; at < size; at += CHUNK) {
		for (i = 0; writing && i < CHUNK / 8; i++)
			buf[i] = word_at(at + 8 * i, seed);
		if ((writing ? pwrite(fd, buf, CHUNK, (off_t)at) : pread(fd, buf, CHUNK, (off_t)at)) !=
		    CHUNK) {
			perror(argv[2]);
			return 2;
		}
		for (i = 0; i < CHUNK / 8; i++)
			if (!writing && buf[i] != word_at(at + 8 * i, seed)) {
				printf("differs at %llu\n", (unsigned long long)(at + 8 * i));
				return 1;
			}
	}
	if (writing && fsync(fd) < 0)
		return 2;
	printf("%s %llu MiB of seed %llu\n", writing ? "wrote" : "verified",
	       (unsigned long long)(size >> 20), (unsigned long long)seed);
	return 0;
}
