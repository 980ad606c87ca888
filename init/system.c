/* See init/system.h. */
#include "system.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/rtc.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "host.h"
#include "log.h"

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

void system_set_clock(void)
{
	struct rtc_time rtc;
	struct timeval now = {0};
	struct tm tm;
	int fd, rc;

	if (system_clock_is_set(""))
		return;
	fd = open("/dev/rtc0", O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		log_warn("the board's clock cannot be read (%s): the time is not known",
			 strerror(errno));
		return;
	}
	rc = ioctl(fd, RTC_RD_TIME, &rtc);
	close(fd);
	tm = (struct tm){.tm_sec = rtc.tm_sec,
			 .tm_min = rtc.tm_min,
			 .tm_hour = rtc.tm_hour,
			 .tm_mday = rtc.tm_mday,
			 .tm_mon = rtc.tm_mon,
			 .tm_year = rtc.tm_year};
	now.tv_sec = rc == 0 ? timegm(&tm) : -1;
	if (now.tv_sec <= 0 || settimeofday(&now, NULL) < 0)
		log_warn("the board's clock has no time of use: the time is not known");
}
