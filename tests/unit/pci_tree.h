/* A made-up machine with PCI functions below a scratch directory: what sysfs and proc have of them. */
#ifndef VMB_TESTS_UNIT_PCI_TREE_H
#define VMB_TESTS_UNIT_PCI_TREE_H

#include "storage_test.h"

#include "host_pci.h"
#include "menu_proto.h"

/* A text in one of a few static buffers: valid until the fourth call after this one. */
__attribute__((format(printf, 1, 2), noinline, unused)) static const char *at(const char *fmt, ...)
{
	static char texts[4][512];
	static unsigned int next;
	char *text = texts[next++ % 4];
	va_list ap;

	va_start(ap, fmt);
	assert_in_range(vsnprintf(text, sizeof(texts[0]), fmt, ap), 0, sizeof(texts[0]) - 1);
	va_end(ap);
	return text;
}

/* Makes PATH a link to TARGET, both below the scratch directory. */
static inline void put_link(struct scratch *s, const char *path, const char *target)
{
	const char *from = at("%s/%s", s->dir, path), *to = at("%s/%s", s->dir, target);

	make_parents(from);
	assert_int_equal(symlink(to, from), 0);
}

static inline void put_attr(struct scratch *s, const char *address, const char *attr,
			    const char *text)
{
	put(s, at("sys/devices/pci0000:00/%s/%s", address, attr), text);
}

/* ADDRESS is driven by DRIVER. */
static inline void put_driver(struct scratch *s, const char *address, const char *driver)
{
	put(s, at("sys/bus/pci/drivers/%s/bind", driver), "");
	put(s, at("sys/bus/pci/drivers/%s/unbind", driver), "");
	put_link(s, at("sys/devices/pci0000:00/%s/driver", address),
		 at("sys/bus/pci/drivers/%s", driver));
}

/* A function with its driver ("" none) and IOMMU group (-1 none); ID is "144d:a80a", CLASS "0x010802". */
static inline void put_pci(struct scratch *s, const char *address, const char *id,
			   const char *class, const char *driver, int group)
{
	put_attr(s, address, "vendor", at("0x%.4s\n", id));
	put_attr(s, address, "device", at("0x%s\n", id + 5));
	put_attr(s, address, "class", at("%s\n", class));
	put_attr(s, address, "numa_node", "-1\n");
	put_attr(s, address, "driver_override", "(null)\n");
	put_link(s, at("sys/bus/pci/devices/%s", address),
		 at("sys/devices/pci0000:00/%s", address));
	if (driver[0])
		put_driver(s, address, driver);
	if (group < 0)
		return;
	put(s, at("sys/kernel/iommu_groups/%d/type", group), "DMA\n");
	put_link(s, at("sys/devices/pci0000:00/%s/iommu_group", address),
		 at("sys/kernel/iommu_groups/%d", group));
}

/* Something that the function WHERE ("0000:01:00.0/nvme/nvme0") makes: a disk, an interface, a line. */
static inline void put_class(struct scratch *s, const char *class, const char *name,
			     const char *where)
{
	put(s, at("sys/devices/pci0000:00/%s/%s/uevent", where, name), "");
	put_link(s, at("sys/class/%s/%s", class, name),
		 at("sys/devices/pci0000:00/%s/%s", where, name));
}

/* A disk of the function WHERE with one partition, NAMEp1, of device number 259:1. */
static inline void put_nvme(struct scratch *s, const char *name, const char *where)
{
	char part[64], disk[256];

	put_class(s, "block", name, where);
	put(s, at("sys/class/block/%s/size", name), "2048\n");
	put(s, at("sys/class/block/%s/dev", name), "259:0\n");
	strcpy(part, at("%sp1", name));
	strcpy(disk, at("%s/%s", where, name));
	put_class(s, "block", part, disk);
	put(s, at("sys/class/block/%s/partition", part), "1\n");
	put(s, at("sys/class/block/%s/dev", part), "259:1\n");
}

static inline const struct menu_pci *find_pci(const struct menu_pci *pcis, size_t count,
					      const char *address)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(pcis[i].address, address) == 0)
			return &pcis[i];
	fail_msg("there is no %s", address);
	return NULL;
}

/* Of vendors and devices, as in pci.ids. */
#define NAMES                                                                             \
	"# comment\n144d  Samsung Electronics Co Ltd\n\ta80a  NVMe SSD Controller 980\n"  \
	"\t\t144d a801  of a subsystem\n8086  Intel Corporation\n\t10d3  82574L Gigabit " \
	"Network Connection\nC 01  Mass storage controller\n\t08  no device\n"

/* What host_pci_gather() makes of a tree; the functions are to be freed. */
struct tree {
	struct scratch *s;
	struct menu_pci *pcis;
	size_t count;
};

static inline struct tree gather(struct scratch *s)
{
	struct tree tree = {.s = s};

	put(s, "proc/self/mountinfo", "");
	assert_int_equal(host_pci_gather(s->dir, &tree.pcis, &tree.count), 0);
	return tree;
}

#endif
