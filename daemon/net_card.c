/*
 * See net_card.h. A tap that is given is opened as it is. A tap for a bridge is made and lives as long
 * as its descriptors do, so it goes with the virtual machine however that ends. A macvtap has a life of its own
 * and is removed by name.
 */
#include "net_card.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "log.h"
#include "net_link.h"
#include "text.h"

#define TUN_DEVICE   "/dev/net/tun"
#define VHOST_DEVICE "/dev/vhost-net"
#define OWN_NAMES    "vmb%d" /* of interfaces that we make */
#define OWN_NAME_MAX 1000
#define NEEDS_RIGHTS \
	"making and opening network interfaces takes root or the capability CAP_NET_ADMIN"

/* ---- the default address ---- */

/* FNV-1a, 64 bits: not to be hard to guess, only to differ. */
static uint64_t hash_text(uint64_t hash, const char *text)
{
	do {
		hash ^= (uint8_t)*text;
		hash *= 0x100000001B3ULL;
	} while (*text++);
	return hash;
}

/* What tells this machine from others, empty when nothing does. */
static void read_machine_id(char *buf, size_t size)
{
	static const char *const paths[] = {"/etc/machine-id", "/sys/class/dmi/id/product_uuid"};
	ssize_t n = 0;

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]) && n <= 0; i++) {
		int fd = open(paths[i], O_RDONLY | O_CLOEXEC);

		if (fd < 0)
			continue;
		n = read(fd, buf, size - 1);
		close(fd);
	}
	buf[n > 0 ? n : 0] = '\0';
}

void net_card_default_mac(const struct vm_config *config, unsigned int number, uint8_t *ret_mac)
{
	const char *system = config->disk_count	      ? config->disks[0].path
			     : config->kernel_path[0] ? config->kernel_path
						      : config->firmware_path;
	char machine[64];
	uint64_t hash = 0xCBF29CE484222325ULL + number;

	read_machine_id(machine, sizeof(machine));
	hash = hash_text(hash_text(hash, machine), system);
	for (int i = 1; i < VM_NET_MAC_SIZE; i++)
		ret_mac[i] = (uint8_t)(hash >> (8 * i));
	ret_mac[0] = 0x02; /* locally administered, of one station */
}

/* ---- taps ---- */

static int tap_error(const char *name, int code, struct vmb_err *err)
{
	switch (code) {
	case EBUSY:
		return vmb_err_set(
			err, code,
			"Tap %s is in use: another virtual machine or program has it open. "
			"End that one, or give this card another tap.",
			name);
	case EPERM:
	case EACCES:
		return vmb_err_set(
			err, code,
			"Tap %s cannot be opened: no permission. Make it for this user with "
			"`ip tuntap add %s mode tap user NAME`, or run vmboot as root.",
			name, name);
	default:
		return vmb_err_set(err, code, "Tap %s cannot be opened: %s.", name, strerror(code));
	}
}

static int open_tun(struct vmb_err *err)
{
	int fd = open(TUN_DEVICE, O_RDWR | O_NONBLOCK | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	if (errno == ENOENT || errno == ENODEV || errno == ENXIO)
		return vmb_err_set(
			err, errno,
			"This kernel has no taps (" TUN_DEVICE
			": %s), so there is no network for a virtual machine. `modprobe tun` "
			"loads them where they are a module.",
			strerror(errno));
	return vmb_err_set(err, errno, TUN_DEVICE " cannot be opened: %s. " NEEDS_RIGHTS ".",
			   strerror(errno));
}

/*
 * Opens QUEUES queues of the tap card->ifname, which may be a pattern and becomes a name then. TELL makes the
 * sentence about NAME when that fails.
 */
static int open_tap_queues(struct net_card *card, unsigned int queues, bool multi, const char *name,
			   int (*tell)(const char *name, int code, struct vmb_err *err),
			   struct vmb_err *err)
{
	while (card->info.queues < queues) {
		struct ifreq ifr = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
		int fd = open_tun(err);

		if (fd < 0)
			return fd;
		card->taps[card->info.queues++] = fd;
		if (multi)
			ifr.ifr_flags |= IFF_MULTI_QUEUE;
		text_copy(ifr.ifr_name, sizeof(ifr.ifr_name), card->ifname);
		if (ioctl(fd, TUNSETIFF, &ifr) < 0)
			return tell(name, errno, err);
		text_copy(card->ifname, sizeof(card->ifname), ifr.ifr_name);
	}
	return 0;
}

static unsigned int wanted_queues(const struct vm_config *config, const struct vm_net *net)
{
	if (net->queues)
		return net->queues;
	return config->cpus < VM_MAX_NET_QUEUES ? config->cpus : VM_MAX_NET_QUEUES;
}

static int open_tap(const struct vm_config *config, const struct vm_net *net, struct net_card *card,
		    struct vmb_err *err)
{
	unsigned int queues = wanted_queues(config, net);
	struct net_link link = net_link_look(net->name);
	int rc;

	if (link.kind == NET_LINK_NONE)
		return vmb_err_set(
			err, ENODEV,
			"There is no tap %s. Make it with `ip tuntap add %s mode tap`, or "
			"give a bridge, and a tap is made for it.",
			net->name, net->name);
	if (link.kind != NET_LINK_TAP)
		return vmb_err_set(
			err, EINVAL, "%s is no tap.%s", net->name,
			link.kind == NET_LINK_BRIDGE
				? " It is a bridge; say bridge= instead of tap=."
				: " Give the name of a tap, or say macvtap= instead of tap=.");
	if (link.in_use)
		return tap_error(net->name, EBUSY, err);
	if (!link.multi_queue && net->queues > 1)
		return vmb_err_set(
			err, EINVAL,
			"Tap %s has one pair of queues only. Make it with `ip tuntap add %s "
			"mode tap multi_queue`, or leave queues= away.",
			net->name, net->name);
	if (!link.multi_queue)
		queues = 1;
	text_copy(card->ifname, sizeof(card->ifname), net->name);
	rc = open_tap_queues(card, queues, link.multi_queue, net->name, tap_error, err);
	if (rc < 0)
		return rc;
	rc = net_link_set_up(net->name);
	if (rc < 0)
		log_warn("tap %s is down and cannot be set up: %s", net->name, strerror(-rc));
	return 0;
}

/* ---- a bridge ---- */

static int bridge_error(const char *name, int code, struct vmb_err *err)
{
	if (code == EPERM || code == EACCES)
		return vmb_err_set(
			err, code,
			"No tap can be made for bridge %s: no permission; " NEEDS_RIGHTS ".", name);
	return vmb_err_set(err, code, "No tap can be made for bridge %s: %s.", name,
			   strerror(code));
}

static int join(const char *bridge, struct net_card *card, const uint8_t *mac)
{
	uint8_t own[VM_NET_MAC_SIZE];
	uint16_t mtu = 0;
	int rc;

	/* A bridge takes its ports' lowest address for its own: this one shall not be it. */
	memcpy(own, mac, sizeof(own));
	own[0] = 0xFE;
	rc = net_link_set_mac(card->ifname, own);
	if (rc == 0)
		rc = net_link_mtu(bridge, &mtu);
	if (rc == 0 && mtu)
		rc = net_link_set_mtu(card->ifname, mtu);
	if (rc == 0)
		rc = net_link_join_bridge(bridge, card->ifname);
	if (rc == 0)
		rc = net_link_set_up(card->ifname);
	return rc;
}

static int open_bridge(const struct vm_config *config, const struct vm_net *net,
		       struct net_card *card, struct vmb_err *err)
{
	unsigned int queues = wanted_queues(config, net);
	struct net_link link = net_link_look(net->name);
	int rc;

	if (link.kind == NET_LINK_NONE)
		return vmb_err_set(
			err, ENODEV,
			"There is no bridge %s. Make it with `ip link add %s type bridge` and "
			"`ip link set %s up`.",
			net->name, net->name, net->name);
	if (link.kind != NET_LINK_BRIDGE)
		return vmb_err_set(
			err, EINVAL,
			"%s is no bridge. To share a network interface as it is, say macvtap=%s.",
			net->name, net->name);
	text_copy(card->ifname, sizeof(card->ifname), OWN_NAMES);
	rc = open_tap_queues(card, queues, queues > 1, net->name, bridge_error, err);
	if (rc < 0)
		return rc;
	rc = join(net->name, card, card->info.mac);
	return rc < 0 ? bridge_error(net->name, -rc, err) : 0;
}

/* ---- macvtap ---- */

static int make_macvtap(const char *parent, struct net_card *card)
{
	int rc = -EEXIST;

	for (int i = 0; i < OWN_NAME_MAX && rc == -EEXIST; i++) {
		snprintf(card->ifname, sizeof(card->ifname), "vmb%d", i);
		rc = net_link_make_macvtap(card->ifname, parent, card->info.mac);
	}
	card->made = rc == 0;
	return rc;
}

/* The existing one keeps its address, which decides what it receives, unless another was asked for. */
static int take_macvtap(const struct vm_net *net, bool mac_given, struct net_card *card)
{
	text_copy(card->ifname, sizeof(card->ifname), net->name);
	return mac_given ? net_link_set_mac(net->name, card->info.mac)
			 : net_link_mac(net->name, card->info.mac);
}

static int open_macvtap_queues(struct net_card *card, unsigned int queues)
{
	char path[32];
	int index, rc = net_link_set_up(card->ifname);

	if (rc == 0)
		rc = net_link_index(card->ifname, &index);
	if (rc < 0)
		return rc;
	snprintf(path, sizeof(path), "/dev/tap%d", index);
	while (card->info.queues < queues) {
		struct ifreq ifr = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
		int fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);

		if (fd < 0)
			return -errno;
		card->taps[card->info.queues++] = fd;
		if (queues > 1)
			ifr.ifr_flags |= IFF_MULTI_QUEUE;
		text_copy(ifr.ifr_name, sizeof(ifr.ifr_name), card->ifname);
		if (ioctl(fd, TUNSETIFF, &ifr) < 0)
			return -errno;
	}
	return 0;
}

static int open_macvtap(const struct vm_config *config, const struct vm_net *net, bool mac_given,
			struct net_card *card, struct vmb_err *err)
{
	struct net_link link = net_link_look(net->name);
	int rc;

	if (link.kind == NET_LINK_NONE)
		return vmb_err_set(err, ENODEV,
				   "There is no network interface %s. `ip link` lists them.",
				   net->name);
	rc = link.kind == NET_LINK_MACVTAP ? take_macvtap(net, mac_given, card)
					   : make_macvtap(net->name, card);
	if (rc == 0)
		rc = open_macvtap_queues(card, wanted_queues(config, net));
	switch (-rc) {
	case 0: return 0;
	case EPERM:
	case EACCES:
		return vmb_err_set(err, -rc, "No macvtap on %s: no permission; " NEEDS_RIGHTS ".",
				   net->name);
	case EBUSY:
		return vmb_err_set(
			err, -rc,
			"Macvtap %s is in use: by another virtual machine, or %s belongs to a "
			"bridge. Give bridge= or another interface.",
			net->name, net->name);
	case EOPNOTSUPP:
		return vmb_err_set(
			err, -rc,
			"This kernel has no macvtap. `modprobe macvtap` loads it where it "
			"is a module.");
	default: return vmb_err_set(err, -rc, "No macvtap on %s: %s.", net->name, strerror(-rc));
	}
}

/* ---- vhost-net ---- */

static int vhost_error(int code, struct vmb_err *err)
{
	if (code == ENOENT || code == ENODEV || code == ENXIO)
		return vmb_err_set(
			err, code,
			"This kernel has no vhost-net (" VHOST_DEVICE
			"). `modprobe vhost_net` loads it where it is a module; or leave "
			"vhost=on away.");
	return vmb_err_set(err, code,
			   VHOST_DEVICE
			   " cannot be opened: %s. Leave vhost=on away, or run vmboot as root.",
			   strerror(code));
}

/* One for each queue, or none where that is enough. */
static int open_vhosts(const struct vm_net *net, struct net_card *card, struct vmb_err *err)
{
	unsigned int opened = 0;
	int code;

	if (net->vhost == VM_NET_VHOST_OFF)
		return 0;
	while (opened < card->info.queues) {
		int fd = open(VHOST_DEVICE, O_RDWR | O_CLOEXEC);

		if (fd < 0)
			break;
		card->vhosts[opened++] = fd;
	}
	code = errno;
	card->info.vhost = opened == card->info.queues;
	if (card->info.vhost)
		return 0;
	while (opened > 0)
		close(card->vhosts[--opened]);
	if (net->vhost == VM_NET_VHOST_ON)
		return vhost_error(code, err);
	log_info("vhost-net is not there (%s): the vmm moves the packets of %s itself",
		 strerror(code), card->ifname);
	return 0;
}

/* ---- the card ---- */

static bool is_zero(const uint8_t *mac)
{
	static const uint8_t zero[VM_NET_MAC_SIZE];

	return memcmp(mac, zero, sizeof(zero)) == 0;
}

int net_card_open(const struct vm_config *config, unsigned int number, struct net_card *ret_card,
		  struct vmb_err *err)
{
	const struct vm_net *net = &config->nets[number];
	bool mac_given = !is_zero(net->mac);
	struct net_card card = {.made = 0};
	int rc;

	if (mac_given)
		memcpy(card.info.mac, net->mac, sizeof(card.info.mac));
	else
		net_card_default_mac(config, number, card.info.mac);
	if (net->kind == VM_NET_TAP)
		rc = open_tap(config, net, &card, err);
	else if (net->kind == VM_NET_BRIDGE)
		rc = open_bridge(config, net, &card, err);
	else
		rc = open_macvtap(config, net, mac_given, &card, err);
	if (rc == 0)
		rc = open_vhosts(net, &card, err);
	if (rc < 0) {
		net_card_close(&card);
		net_card_remove(&card);
		return rc;
	}
	(void)net_link_mtu(card.ifname, &card.info.mtu);
	*ret_card = card;
	return 0;
}

unsigned int net_card_put_fds(const struct net_card *card, int *fds)
{
	unsigned int queues = card->info.queues;

	memcpy(fds, card->taps, queues * sizeof(int));
	if (!card->info.vhost)
		return queues;
	memcpy(fds + queues, card->vhosts, queues * sizeof(int));
	return 2 * queues;
}

void net_card_close(struct net_card *card)
{
	for (unsigned int i = 0; i < card->info.queues; i++) {
		close(card->taps[i]);
		if (card->info.vhost)
			close(card->vhosts[i]);
	}
	card->info.queues = 0;
}

void net_card_remove(struct net_card *card)
{
	int rc = card->made ? net_link_remove(card->ifname) : 0;

	if (rc < 0 && rc != -ENODEV)
		log_warn("interface %s cannot be removed: %s", card->ifname, strerror(-rc));
	card->made = 0;
}
