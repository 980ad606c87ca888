/* See init/system.h. */
#include "system.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/rtc.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "host.h"

#define OLDEST 1735689600 /* 2025-01-01 UTC: this program was not there yet */

void system_set_environment(void)
{
	setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1);
	setenv("HOME", access("/root", F_OK) == 0 ? "/root" : "/", 1);
	setenv("SHELL", "/bin/sh", 1);
	/* The kernel sets it for consoles that it does not know either. */
	unsetenv("TERM");
	(void)!chdir(getenv("HOME"));
}

/* The first line of a file. */
static char *read_line(const char *root, const char *path, char *buf, size_t size)
{
	host_read_file(root, path, buf, size);
	buf[strcspn(buf, "\n")] = '\0';
	return buf;
}

void system_set_names(void)
{
	struct ifreq loopback = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char name[65] = "";

	if (sock >= 0) {
		ioctl(sock, SIOCSIFFLAGS, &loopback);
		close(sock);
	}
	gethostname(name, sizeof(name) - 1);
	if (name[0] && strcmp(name, "(none)") != 0)
		return;
	read_line("", "/etc/hostname", name, sizeof(name));
	if (!name[0])
		strcpy(name, "vmboot");
	(void)!sethostname(name, strlen(name));
}

bool system_clock_is_set(const char *root)
{
	char value[8];

	return strcmp(read_line(root, "/sys/class/rtc/rtc0/hctosys", value, sizeof(value)), "1") ==
	       0;
}

bool system_clock_is_possible(time_t now, char *note, size_t size)
{
	struct tm tm;

	if (now >= OLDEST)
		return true;
	gmtime_r(&now, &tm);
	snprintf(note, size,
		 "the clock says %d-%02d-%02d: the board's battery may be empty. Guests take this "
		 "time "
		 "for theirs; set it in the shell: date -s, then hwclock -wu",
		 tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday);
	return false;
}

static int read_board_clock(struct timeval *ret_now)
{
	int fd = open("/dev/rtc0", O_RDONLY | O_CLOEXEC), rc;
	struct rtc_time rtc;
	struct tm tm;

	if (fd < 0)
		return -errno;
	rc = ioctl(fd, RTC_RD_TIME, &rtc) < 0 ? -errno : 0;
	close(fd);
	if (rc < 0)
		return rc;
	tm = (struct tm){.tm_sec = rtc.tm_sec,
			 .tm_min = rtc.tm_min,
			 .tm_hour = rtc.tm_hour,
			 .tm_mday = rtc.tm_mday,
			 .tm_mon = rtc.tm_mon,
			 .tm_year = rtc.tm_year};
	*ret_now = (struct timeval){.tv_sec = timegm(&tm)};
	return ret_now->tv_sec > 0 ? 0 : -ERANGE;
}

void system_set_clock(char *note, size_t size)
{
	struct timeval now;
	int rc = 0;

	note[0] = '\0';
	if (!system_clock_is_set("")) {
		rc = read_board_clock(&now);
		if (rc == 0 && settimeofday(&now, NULL) < 0)
			rc = -errno;
	}
	if (rc < 0)
		snprintf(note, size, "the board's clock cannot be read (%s): the time is not known",
			 strerror(-rc));
	else
		system_clock_is_possible(time(NULL), note, size);
}
