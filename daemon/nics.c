/* See daemon/nics.h. Documentation/ABI/testing/sysfs-class-net says what the files mean. */
#include "nics.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <limits.h>
#include <linux/if.h>
#include <linux/if_arp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "text.h"

/* The file NAME of an interface's directory DIR, one line; "" when there is none. */
static char *read_line(int dir, const char *name, char *buf, size_t size)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	ssize_t n = -1;

	if (fd >= 0) {
		n = read(fd, buf, size - 1);
		close(fd);
	}
	buf[n > 0 ? n : 0] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
	return buf;
}

/* The last part of what the link NAME points to; "" when there is none. */
static void read_link(int dir, const char *name, char *buf, size_t size)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(dir, name, target, sizeof(target) - 1);
	const char *slash;

	target[n > 0 ? n : 0] = '\0';
	slash = strrchr(target, '/');
	slash = slash ? slash + 1 : target;
	text_escape(buf, size, slash, strlen(slash));
}

static bool has(int dir, const char *name)
{
	return faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static enum menu_nic_kind kind_of(int dir)
{
	if (has(dir, "bridge"))
		return MENU_NIC_BRIDGE;
	if (has(dir, "tun_flags"))
		return MENU_NIC_TAP;
	if (has(dir, "wireless") || has(dir, "phy80211"))
		return MENU_NIC_WIRELESS;
	return has(dir, "device") ? MENU_NIC_PHYSICAL : MENU_NIC_OTHER;
}

static bool read_nic(int dir, const char *name, struct menu_nic *ret)
{
	struct menu_nic nic = {.kind = (uint8_t)kind_of(dir)};
	char buf[64];

	if (strtoul(read_line(dir, "type", buf, sizeof(buf)), NULL, 10) == ARPHRD_LOOPBACK)
		return false;
	text_escape(nic.name, sizeof(nic.name), name, strlen(name));
	nic.up = (strtoul(read_line(dir, "flags", buf, sizeof(buf)), NULL, 16) & IFF_UP) != 0;
	/* Reading it fails while the interface is down. */
	nic.link = strcmp(read_line(dir, "carrier", buf, sizeof(buf)), "1") == 0;
	read_line(dir, "address", buf, sizeof(buf));
	text_escape(nic.mac, sizeof(nic.mac), buf, strlen(buf));
	read_line(dir, "speed", buf, sizeof(buf));
	if (nic.link && buf[0] != '-')
		nic.speed = (uint32_t)strtoul(buf, NULL, 10);
	read_link(dir, "master", nic.master, sizeof(nic.master));
	read_link(dir, "device/driver", nic.driver, sizeof(nic.driver));
	*ret = nic;
	return true;
}

static unsigned int prefix_of(const uint8_t *mask, size_t n)
{
	unsigned int bits = 0;

	for (size_t i = 0; i < n; i++)
		bits += (unsigned int)__builtin_popcount(mask[i]);
	return bits;
}

static void put_address(struct menu_nic *nic, int family, const void *address, const void *mask,
			size_t n)
{
	char text[INET6_ADDRSTRLEN];

	if (inet_ntop(family, address, text, sizeof(text)))
		snprintf(nic->address, sizeof(nic->address), "%s/%u", text, prefix_of(mask, n));
}

static void take_address(struct menu_nic *nic, const struct ifaddrs *a)
{
	bool has_ipv4 = nic->address[0] && !strchr(nic->address, ':');

	if (!a->ifa_addr || !a->ifa_netmask || strcmp(a->ifa_name, nic->name) != 0)
		return;
	if (a->ifa_addr->sa_family == AF_INET && !has_ipv4) {
		struct sockaddr_in in, mask;

		memcpy(&in, a->ifa_addr, sizeof(in));
		memcpy(&mask, a->ifa_netmask, sizeof(mask));
		put_address(nic, AF_INET, &in.sin_addr, &mask.sin_addr, 4);
	} else if (a->ifa_addr->sa_family == AF_INET6 && !nic->address[0]) {
		struct sockaddr_in6 in, mask;

		memcpy(&in, a->ifa_addr, sizeof(in));
		memcpy(&mask, a->ifa_netmask, sizeof(mask));
		if (!IN6_IS_ADDR_LINKLOCAL(&in.sin6_addr))
			put_address(nic, AF_INET6, &in.sin6_addr, &mask.sin6_addr, 16);
	}
}

static void add_addresses(struct menu_nic *nics, size_t count)
{
	struct ifaddrs *all = NULL;

	if (getifaddrs(&all) < 0)
		return;
	for (const struct ifaddrs *a = all; a; a = a->ifa_next)
		for (size_t i = 0; i < count; i++)
			take_address(&nics[i], a);
	freeifaddrs(all);
}

int nics_gather(const char *root, struct menu_nic **ret_nics, size_t *ret_count)
{
	struct dirent **names;
	struct menu_nic *nics;
	char path[PATH_MAX];
	size_t n = 0;
	int count;

	snprintf(path, sizeof(path), "%s/sys/class/net", root);
	count = scandir(path, &names, NULL, versionsort);
	if (count < 0)
		return -errno;
	nics = calloc((size_t)count + 1, sizeof(*nics));
	for (int i = 0; i < count; i++) {
		int dir = -1;

		snprintf(path, sizeof(path), "%s/sys/class/net/%s", root, names[i]->d_name);
		if (nics && names[i]->d_name[0] != '.')
			dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (dir >= 0) {
			n += read_nic(dir, names[i]->d_name, &nics[n]);
			close(dir);
		}
		free(names[i]);
	}
	free(names);
	if (!nics)
		return -ENOMEM;
	if (root[0] == '\0')
		add_addresses(nics, n);
	*ret_nics = nics;
	*ret_count = n;
	return 0;
}
