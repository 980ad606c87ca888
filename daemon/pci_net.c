/* See daemon/pci_net.h. Routes are read from /proc/net/route and ipv6_route, as proc(5) has them. */
#include "pci_net.h"

#include <arpa/inet.h>
#include <linux/route.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pci_files.h"
#include "text.h"

#define MAX_DEPTH 4 /* a VLAN on a bridge over a bond */

struct finder {
	const char *root;
	struct pci_net_use *uses;
	size_t count;
};

/* ---- routes ---- */

/* The best route to ADDRESS (network byte order; 0: the default route). */
static bool find_route4(const char *root, uint32_t address, char interface[IFNAMSIZ])
{
	FILE *f = pci_files_open(root, "/proc/net/route");
	char line[256], name[IFNAMSIZ];
	unsigned int dest, flags, metric, mask, best_metric = 0;
	int best = -1;

	while (f && fgets(line, sizeof(line), f)) {
		int bits;

		if (sscanf(line, "%15s %x %*x %x %*d %*d %u %x", name, &dest, &flags, &metric,
			   &mask) != 5 ||
		    (flags & (RTF_UP | RTF_REJECT)) != RTF_UP || (address & mask) != dest)
			continue;
		bits = __builtin_popcount(mask);
		if (bits < best || (bits == best && metric >= best_metric))
			continue;
		best = bits;
		best_metric = metric;
		text_copy(interface, IFNAMSIZ, name);
	}
	if (f)
		fclose(f);
	return best >= 0;
}

static bool parse_bytes(const char *hex, uint8_t bytes[16])
{
	for (int i = 0; i < 16; i++)
		if (sscanf(hex + 2 * i, "%2hhx", &bytes[i]) != 1)
			return false;
	return true;
}

static bool has_prefix(const uint8_t *address, const uint8_t *dest, unsigned int bits)
{
	unsigned int whole = bits / 8, rest = bits % 8;

	return memcmp(address, dest, whole) == 0 &&
	       (rest == 0 || ((address[whole] ^ dest[whole]) >> (8 - rest)) == 0);
}

static bool find_route6(const char *root, const uint8_t address[16], char interface[IFNAMSIZ])
{
	FILE *f = pci_files_open(root, "/proc/net/ipv6_route");
	char line[256], hex[33], name[IFNAMSIZ];
	unsigned int bits, metric, flags, best_metric = 0;
	uint8_t dest[16];
	int best = -1;

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%32s %x %*s %*x %*s %x %*x %*x %x %15s", hex, &bits, &metric,
			   &flags, name) != 5 ||
		    strlen(hex) != 32 || !parse_bytes(hex, dest) || bits > 128 ||
		    (flags & (RTF_UP | RTF_REJECT)) != RTF_UP || strcmp(name, "lo") == 0 ||
		    !has_prefix(address, dest, bits))
			continue;
		if ((int)bits < best || ((int)bits == best && metric >= best_metric))
			continue;
		best = (int)bits;
		best_metric = metric;
		text_copy(interface, IFNAMSIZ, name);
	}
	if (f)
		fclose(f);
	return best >= 0;
}

/* ---- what needs them ---- */

/* INTERFACE and what it lies on. */
static void add_interface(struct finder *finder, const char *interface, const char *how, int depth)
{
	struct pci_net_use *use;
	const char *name;
	DIR *dir;

	if (finder->count == PCI_NET_MAX || depth == MAX_DEPTH)
		return;
	use = &finder->uses[finder->count++];
	text_copy(use->interface, sizeof(use->interface), interface);
	text_escape(use->how, sizeof(use->how), how, strlen(how));
	dir = pci_files_open_dir(finder->root, "/sys/class/net/%s", interface);
	while ((name = pci_files_next(dir)))
		if (strncmp(name, "lower_", 6) == 0)
			add_interface(finder, name + 6, how, depth + 1);
	if (dir)
		closedir(dir);
}

/* SERVER is an address, perhaps with an interface ("fe80::1%eth0"); anything else is one that is not known. */
static void add_server(struct finder *finder, const char *server, const char *how)
{
	char text[64], interface[IFNAMSIZ], *scope;
	uint8_t address[16] = {0};
	uint32_t v4 = 0;
	bool found;

	text_copy(text, sizeof(text), server);
	scope = strchr(text, '%');
	if (scope)
		*scope++ = '\0';
	if (inet_pton(AF_INET6, text, address) == 1) {
		found = scope ? text_copy(interface, sizeof(interface), scope) == 0
			      : find_route6(finder->root, address, interface);
	} else {
		inet_pton(AF_INET, text, &v4); /* leaves 0 of what is none */
		found = find_route4(finder->root, v4, interface) ||
			find_route4(finder->root, 0, interface) ||
			find_route6(finder->root, address, interface);
	}
	if (found)
		add_interface(finder, interface, how, 0);
}

static bool is_network_type(const char *type)
{
	static const char *const types[] = {
		"nfs",	"nfs4",	 "cifs",   "smb3",	 "ceph", "9p", "afs", "fuse.glusterfs",
		"gfs2", "ocfs2", "lustre", "fuse.sshfs", NULL};

	for (size_t i = 0; types[i]; i++)
		if (strcmp(types[i], type) == 0)
			return true;
	return false;
}

/* One line of mountinfo: "ID PARENT MAJ:MIN ROOT POINT OPTIONS [TAGS...] - TYPE SOURCE SUPER". */
static void take_mount(struct finder *finder, char *line)
{
	char point[64] = "", type[24], how[sizeof(point) + sizeof(type) + 16], server[64] = "",
	     *tail = strstr(line, " - ");
	const char *at;

	if (!tail || sscanf(line, "%*s %*s %*s %*s %63s", point) != 1 ||
	    sscanf(tail + 3, "%23s", type) != 1 || !is_network_type(type))
		return;
	snprintf(how, sizeof(how), "carries %s (%s)", point, type);
	at = strstr(tail, ",addr=");
	if (at)
		snprintf(server, sizeof(server), "%.*s", (int)strcspn(at + 6, ",\n"), at + 6);
	add_server(finder, server, how);
}

static void find_mounts(struct finder *finder)
{
	FILE *f = pci_files_open(finder->root, "/proc/self/mountinfo");
	char *line = NULL;
	size_t cap = 0;

	while (f && getline(&line, &cap, f) > 0)
		take_mount(finder, line);
	free(line);
	if (f)
		fclose(f);
}

static void find_iscsi(struct finder *finder)
{
	DIR *dir = pci_files_open_dir(finder->root, "/sys/class/iscsi_connection");
	const char *name;
	char server[64];

	while ((name = pci_files_next(dir))) {
		pci_files_read_line(server, sizeof(server), finder->root,
				    "/sys/class/iscsi_connection/%s/persistent_address", name);
		add_server(finder, server, "carries a disk (iSCSI)");
	}
	if (dir)
		closedir(dir);
}

/* The kernel tells who serves it, not from where. */
static void find_nbd(struct finder *finder)
{
	DIR *dir = pci_files_open_dir(finder->root, "/sys/class/block");
	char text[32], how[96];
	const char *name;

	while ((name = pci_files_next(dir))) {
		if (strncmp(name, "nbd", 3) != 0 ||
		    !pci_files_read_line(text, sizeof(text), finder->root,
					 "/sys/class/block/%s/pid", name)[0])
			continue;
		snprintf(how, sizeof(how), "carries %.16s", name);
		add_server(finder, "", how);
	}
	if (dir)
		closedir(dir);
}

size_t pci_net_uses(const char *root, struct pci_net_use *uses)
{
	struct finder finder = {.root = root, .uses = uses};

	find_mounts(&finder);
	find_iscsi(&finder);
	find_nbd(&finder);
	return finder.count;
}
