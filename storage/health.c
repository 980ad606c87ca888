/*
 * What an NVMe disk says of its own health: the log page "SMART / Health Information" (NVM Express Base Specification
 * 2.0, 5.16.1.3). Asking changes nothing on the disk and starts no test.
 */
#include "storage/health.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nvme_ioctl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "text.h"

#define GET_LOG_PAGE   0x02
#define LOG_SMART      0x02
#define ALL_NAMESPACES 0xFFFFFFFFu

/* Offsets in the page. */
#define CRITICAL_WARNING 0
#define PERCENTAGE_USED	 5
#define MEDIA_ERRORS	 160

/* Bits of the critical warning by what they mean for what is on the disk; that it is hot (bit 1) passes. */
static const struct {
	uint8_t bit;
	const char *text;
} warnings[] = {
	{1 << 3, "failing: read-only now"},
	{1 << 2, "failing: unreliable"},
	{1 << 0, "failing: spares used up"},
	{1 << 4, "failing: no power backup"},
};

static uint64_t read_le64(const uint8_t *p)
{
	uint64_t value = 0;

	for (int i = 7; i >= 0; i--)
		value = value << 8 | p[i];
	return value;
}

void health_describe(const uint8_t page[HEALTH_PAGE_SIZE], struct storage_health *ret_health)
{
	/* 128 bits, of which nobody has seen the upper half used. */
	unsigned long long errors = read_le64(page + MEDIA_ERRORS);
	struct storage_health health = {0};

	for (size_t i = 0; i < sizeof(warnings) / sizeof(warnings[0]) && !health.failing; i++)
		if (page[CRITICAL_WARNING] & warnings[i].bit) {
			health.failing = 1;
			text_copy(health.text, sizeof(health.text), warnings[i].text);
		}
	if (!health.failing)
		snprintf(health.text, sizeof(health.text), "health ok, %u %% of its life used%s",
			 page[PERCENTAGE_USED],
			 page[CRITICAL_WARNING] & 1 << 1 ? ", too hot or too cold" : "");
	if (errors > 0)
		snprintf(health.text + strlen(health.text),
			 sizeof(health.text) - strlen(health.text), ", %llu media error%s", errors,
			 errors == 1 ? "" : "s");
	*ret_health = health;
}

int storage_health(const char *path, struct storage_health *ret_health)
{
	uint8_t page[HEALTH_PAGE_SIZE] = {0};
	struct nvme_admin_cmd command = {
		.opcode = GET_LOG_PAGE,
		.nsid = ALL_NAMESPACES,
		.addr = (uintptr_t)page,
		.data_len = sizeof(page),
		.cdw10 = LOG_SMART | (sizeof(page) / 4 - 1) << 16, /* from 0: dwords */
	};
	const char *name = strrchr(path, '/');
	int fd, rc, end = 0;

	name = name ? name + 1 : path;
	if (sscanf(name, "nvme%*un%*u%n", &end) < 0 || end == 0 || name[end])
		return -ENOTSUP;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	/* The driver's own patience: a shorter one would make it reset the controller, which the host may be using. */
	rc = ioctl(fd, NVME_IOCTL_ADMIN_CMD, &command);
	if (rc < 0)
		rc = -errno;
	close(fd);
	if (rc != 0)
		return rc < 0 ? rc : -EIO; /* a status of the controller's */
	health_describe(page, ret_health);
	return 0;
}
