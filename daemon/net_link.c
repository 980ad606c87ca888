/*
 * See net_link.h. sysfs says what an interface is, ioctls (netdevice(7)) change it; only making and
 * removing a macvtap needs rtnetlink(7).
 */
#include "net_link.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "text.h"

/* ---- what an interface is ---- */

static bool has_entry(const char *name, const char *entry)
{
	char path[128];
	struct stat st;

	snprintf(path, sizeof(path), "/sys/class/net/%s/%s", name, entry);
	return stat(path, &st) == 0;
}

/* A number that sysfs keeps of an interface, -1 when it does not. */
static long read_number(const char *name, const char *entry)
{
	char path[128], text[32];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/sys/class/net/%s/%s", name, entry);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return -1;
	text[n] = '\0';
	return strtol(text, NULL, 0);
}

struct net_link net_link_look(const char *name)
{
	struct net_link link = {.kind = NET_LINK_NONE};
	long flags = read_number(name, "tun_flags");

	if (flags >= 0 && (flags & IFF_TAP)) {
		link.kind = NET_LINK_TAP;
		link.multi_queue = flags & IFF_MULTI_QUEUE;
		/* A tap has a carrier while it is open; it says so only while it is up. */
		link.in_use = read_number(name, "carrier") == 1;
	} else if (has_entry(name, "bridge")) {
		link.kind = NET_LINK_BRIDGE;
	} else if (has_entry(name, "macvtap")) {
		link.kind = NET_LINK_MACVTAP;
	} else if (has_entry(name, "ifindex")) {
		link.kind = NET_LINK_OTHER;
	}
	return link;
}

/* ---- ioctls ---- */

static int link_ioctl(unsigned long request, struct ifreq *ifr)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int rc = 0;

	if (fd < 0)
		return -errno;
	if (ioctl(fd, request, ifr) < 0)
		rc = -errno;
	close(fd);
	return rc;
}

static struct ifreq request_for(const char *name)
{
	struct ifreq ifr = {0};

	text_copy(ifr.ifr_name, sizeof(ifr.ifr_name), name);
	return ifr;
}

int net_link_index(const char *name, int *ret_index)
{
	struct ifreq ifr = request_for(name);
	int rc = link_ioctl(SIOCGIFINDEX, &ifr);

	if (rc == 0)
		*ret_index = ifr.ifr_ifindex;
	return rc;
}

int net_link_mtu(const char *name, uint16_t *ret_mtu)
{
	struct ifreq ifr = request_for(name);
	int rc = link_ioctl(SIOCGIFMTU, &ifr);

	if (rc == 0)
		*ret_mtu = ifr.ifr_mtu > 0 && ifr.ifr_mtu <= UINT16_MAX ? (uint16_t)ifr.ifr_mtu : 0;
	return rc;
}

int net_link_mac(const char *name, uint8_t *ret_mac)
{
	struct ifreq ifr = request_for(name);
	int rc = link_ioctl(SIOCGIFHWADDR, &ifr);

	if (rc == 0)
		memcpy(ret_mac, ifr.ifr_hwaddr.sa_data, VM_NET_MAC_SIZE);
	return rc;
}

int net_link_set_mtu(const char *name, uint16_t mtu)
{
	struct ifreq ifr = request_for(name);

	ifr.ifr_mtu = mtu;
	return link_ioctl(SIOCSIFMTU, &ifr);
}

int net_link_set_mac(const char *name, const uint8_t *mac)
{
	struct ifreq ifr = request_for(name);

	ifr.ifr_hwaddr.sa_family = ARPHRD_ETHER;
	memcpy(ifr.ifr_hwaddr.sa_data, mac, VM_NET_MAC_SIZE);
	return link_ioctl(SIOCSIFHWADDR, &ifr);
}

int net_link_set_up(const char *name)
{
	struct ifreq ifr = request_for(name);
	int rc = link_ioctl(SIOCGIFFLAGS, &ifr);

	if (rc < 0 || (ifr.ifr_flags & IFF_UP))
		return rc;
	ifr.ifr_flags |= IFF_UP;
	return link_ioctl(SIOCSIFFLAGS, &ifr);
}

int net_link_join_bridge(const char *bridge, const char *name)
{
	struct ifreq ifr = request_for(bridge);
	int rc = net_link_index(name, &ifr.ifr_ifindex);

	return rc < 0 ? rc : link_ioctl(SIOCBRADDIF, &ifr);
}

/* ---- rtnetlink ---- */

#define MESSAGE_SIZE 512

struct message {
	struct nlmsghdr hdr;
	struct ifinfomsg link;
	char attributes[MESSAGE_SIZE];
};

/* Appends an attribute of LEN bytes; LEN 0 opens one that is filled by those that follow. */
static struct rtattr *put_attribute(struct message *msg, unsigned short type, const void *data,
				    size_t len)
{
	struct rtattr *attr = (struct rtattr *)((char *)msg + NLMSG_ALIGN(msg->hdr.nlmsg_len));

	attr->rta_type = type;
	attr->rta_len = (unsigned short)RTA_LENGTH(len);
	if (len)
		memcpy(RTA_DATA(attr), data, len);
	msg->hdr.nlmsg_len = NLMSG_ALIGN(msg->hdr.nlmsg_len) + (uint32_t)RTA_ALIGN(attr->rta_len);
	return attr;
}

static void close_attribute(const struct message *msg, struct rtattr *attr)
{
	attr->rta_len = (unsigned short)((const char *)msg + msg->hdr.nlmsg_len - (char *)attr);
}

/* Sends MSG and returns what the kernel says of it: 0 or -errno. */
static int do_request(struct message *msg)
{
	struct {
		struct nlmsghdr hdr;
		struct nlmsgerr err;
		char rest[MESSAGE_SIZE];
	} answer;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), rc;
	ssize_t n;

	if (fd < 0)
		return -errno;
	msg->hdr.nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
	if (send(fd, msg, msg->hdr.nlmsg_len, 0) < 0) {
		rc = -errno;
		close(fd);
		return rc;
	}
	do
		n = recv(fd, &answer, sizeof(answer), 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		rc = -errno;
	else if ((size_t)n < sizeof(answer.hdr) + sizeof(answer.err) ||
		 answer.hdr.nlmsg_type != NLMSG_ERROR)
		rc = -EPROTO;
	else
		rc = answer.err.error;
	close(fd);
	return rc;
}

int net_link_make_macvtap(const char *name, const char *parent, const uint8_t *mac)
{
	struct message msg = {
		.hdr = {.nlmsg_len = NLMSG_LENGTH(sizeof(msg.link)),
			.nlmsg_type = RTM_NEWLINK,
			.nlmsg_flags = NLM_F_CREATE | NLM_F_EXCL},
	};
	const uint32_t mode = MACVLAN_MODE_BRIDGE;
	struct rtattr *info, *data;
	int index, rc = net_link_index(parent, &index);

	if (rc < 0)
		return rc;
	put_attribute(&msg, IFLA_LINK, &index, sizeof(index));
	put_attribute(&msg, IFLA_IFNAME, name, strlen(name) + 1);
	put_attribute(&msg, IFLA_ADDRESS, mac, VM_NET_MAC_SIZE);
	info = put_attribute(&msg, IFLA_LINKINFO, NULL, 0);
	put_attribute(&msg, IFLA_INFO_KIND, "macvtap", sizeof("macvtap"));
	data = put_attribute(&msg, IFLA_INFO_DATA, NULL, 0);
	put_attribute(&msg, IFLA_MACVLAN_MODE, &mode, sizeof(mode));
	close_attribute(&msg, data);
	close_attribute(&msg, info);
	return do_request(&msg);
}

int net_link_remove(const char *name)
{
	struct message msg = {
		.hdr = {.nlmsg_len = NLMSG_LENGTH(sizeof(msg.link)), .nlmsg_type = RTM_DELLINK},
	};
	int rc = net_link_index(name, &msg.link.ifi_index);

	return rc < 0 ? rc : do_request(&msg);
}
