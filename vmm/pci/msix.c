/*
 * MSI-X: the table is ours, the sending is msi_ops' (a KVM irqfd with an MSI route). A vector's
 * eventfd is connected to what its entry says when the device begins to use it, and again when an
 * unmasked entry says something else. Masking does not disconnect, it only holds the signal back:
 * Linux masks and unmasks often. PCI Local Bus 3.0, 6.8.2 and 6.8.3.
 */
#include "vmm/pci/msix.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define ENTRY_CONTROL 3 /* index of the control word in an entry */

static int open_eventfds(struct msix_vector *vectors, unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++) {
		vectors[i].eventfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (vectors[i].eventfd < 0)
			goto err_close;
		vectors[i].entry[ENTRY_CONTROL] = PCI_MSIX_ENTRY_CTRL_MASKBIT;
	}
	return 0;

err_close:
	while (i-- > 0)
		close(vectors[i].eventfd);
	return -EMFILE;
}

int msix_init(struct msix *msix, struct pci_device *dev, const struct msi_target *target,
	      unsigned int count, unsigned int bar, uint32_t table, uint32_t pba)
{
	struct msix_vector *vectors = calloc(count, sizeof(*vectors));
	unsigned int cap;
	int rc;

	if (!vectors)
		return -ENOMEM;
	rc = open_eventfds(vectors, count);
	if (rc < 0) {
		free(vectors);
		return rc;
	}
	cap = pci_device_add_cap(dev, PCI_CAP_ID_MSIX, PCI_CAP_MSIX_SIZEOF);
	pci_put16(dev->cfg + cap + PCI_MSIX_FLAGS, (uint16_t)(count - 1));
	pci_put16(dev->wmask + cap + PCI_MSIX_FLAGS,
		  PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	pci_put32(dev->cfg + cap + PCI_MSIX_TABLE, table | bar);
	pci_put32(dev->cfg + cap + PCI_MSIX_PBA, pba | bar);
	*msix = (struct msix){
		.dev = dev,
		.target = *target,
		.cap = cap,
		.count = count,
		.vectors = vectors,
	};
	return 0;
}

void msix_reset(struct msix *msix)
{
	unsigned int i;

	for (i = 0; i < msix->count; i++) {
		struct msix_vector *v = &msix->vectors[i];
		eventfd_t unsent;

		if (v->connected)
			msix->target.ops->disconnect(msix->target.ctx, v->eventfd, &v->handle);
		(void)eventfd_read(v->eventfd, &unsent);
		*v = (struct msix_vector){.eventfd = v->eventfd};
		v->entry[ENTRY_CONTROL] = PCI_MSIX_ENTRY_CTRL_MASKBIT;
	}
	msix->pending = 0;
}

void msix_fini(struct msix *msix)
{
	unsigned int i;

	msix_reset(msix);
	for (i = 0; i < msix->count; i++)
		close(msix->vectors[i].eventfd);
	free(msix->vectors);
	msix->vectors = NULL;
	msix->count = 0;
}

static uint16_t msix_flags(const struct msix *msix)
{
	return pci_get16(msix->dev->cfg + msix->cap + PCI_MSIX_FLAGS);
}

bool msix_enabled(const struct msix *msix)
{
	return msix_flags(msix) & PCI_MSIX_FLAGS_ENABLE;
}

/* Function and vector mask together; a disabled function sends nothing either. */
static bool vector_held_back(const struct msix *msix, const struct msix_vector *v)
{
	uint16_t flags = msix_flags(msix);

	return !(flags & PCI_MSIX_FLAGS_ENABLE) || (flags & PCI_MSIX_FLAGS_MASKALL) ||
	       (v->entry[ENTRY_CONTROL] & PCI_MSIX_ENTRY_CTRL_MASKBIT);
}

/* Makes V's eventfd send what its entry says now. */
static int vector_connect(struct msix *msix, struct msix_vector *v)
{
	uint64_t addr = v->entry[0] | (uint64_t)v->entry[1] << 32;
	uint32_t data = v->entry[2];
	int rc;

	if (v->connected && v->sent_addr == addr && v->sent_data == data)
		return 0;
	rc = msix->target.ops->connect(msix->target.ctx, v->eventfd, addr, data, &v->handle);
	v->failed = rc < 0;
	if (rc < 0) {
		log_guest(&msix->log_limit,
			  "pci: interrupt vector %d cannot be connected: error %d",
			  (int)(v - msix->vectors), -rc);
		return rc;
	}
	v->connected = true;
	v->sent_addr = addr;
	v->sent_data = data;
	return 0;
}

static void vector_send(const struct msix_vector *v)
{
	/*
	 * It can only refuse when its counter is full, and then the message is on its way already.
	 */
	(void)eventfd_write(v->eventfd, 1);
}

/* V's entry or a mask changed: reconnects first, then lets out what was pending. */
static void vector_changed(struct msix *msix, unsigned int vector)
{
	struct msix_vector *v = &msix->vectors[vector];
	uint64_t bit = 1ULL << vector;

	if (!v->used || vector_held_back(msix, v))
		return;
	if (vector_connect(msix, v) < 0 || !(msix->pending & bit))
		return;
	msix->pending &= ~bit;
	vector_send(v);
}

void msix_cfg_written(struct msix *msix)
{
	unsigned int i;

	for (i = 0; i < msix->count; i++)
		vector_changed(msix, i);
}

bool msix_access_ok(uint64_t offset, unsigned int size, uint64_t end)
{
	return (size == 4 || size == 8) && offset % size == 0 && offset < end &&
	       size <= end - offset;
}

uint64_t msix_table_read(const struct msix *msix, uint64_t offset, unsigned int size)
{
	const uint32_t *entry;
	uint64_t value;

	if (!msix_access_ok(offset, size, MSIX_TABLE_SIZE(msix->count)))
		return 0;
	entry = msix->vectors[offset / 16].entry + offset % 16 / 4;
	value = entry[0];
	if (size == 8)
		value |= (uint64_t)entry[1] << 32;
	return value;
}

void msix_write_entry(uint32_t entry[4], unsigned int offset, unsigned int size, uint64_t value)
{
	unsigned int i, word = offset / 4;

	for (i = 0; i < size / 4; i++, value >>= 32) {
		uint32_t part = (uint32_t)value;

		if (word + i == 0)
			part &= ~3u; /* dword-aligned address: the low bits are read-only zero */
		if (word + i == ENTRY_CONTROL)
			part &= PCI_MSIX_ENTRY_CTRL_MASKBIT;
		entry[word + i] = part;
	}
}

void msix_table_write(struct msix *msix, uint64_t offset, unsigned int size, uint64_t value)
{
	if (!msix_access_ok(offset, size, MSIX_TABLE_SIZE(msix->count)))
		return;
	msix_write_entry(msix->vectors[offset / 16].entry, offset % 16, size, value);
	vector_changed(msix, (unsigned int)(offset / 16));
}

uint64_t msix_pba_read(const struct msix *msix, uint64_t offset, unsigned int size)
{
	if (!msix_access_ok(offset, size, MSIX_PBA_SIZE))
		return 0;
	return size == 8 ? msix->pending : (uint32_t)(msix->pending >> (8 * offset));
}

int msix_use(struct msix *msix, unsigned int vector)
{
	if (vector >= msix->count)
		return -EINVAL;
	msix->vectors[vector].used = true;
	return vector_connect(msix, &msix->vectors[vector]);
}

bool msix_failed(const struct msix *msix, unsigned int vector)
{
	return vector < msix->count && msix->vectors[vector].failed;
}

int msix_direct_fd(const struct msix *msix, unsigned int vector)
{
	const struct msix_vector *v;

	if (vector >= msix->count)
		return -1;
	v = &msix->vectors[vector];
	return v->used && v->connected && !v->failed && !vector_held_back(msix, v) ? v->eventfd
										   : -1;
}

void msix_signal(struct msix *msix, unsigned int vector)
{
	struct msix_vector *v;

	if (vector >= msix->count || !msix_enabled(msix))
		return;
	v = &msix->vectors[vector];
	if (!v->used)
		return;
	if (vector_held_back(msix, v))
		msix->pending |= 1ULL << vector;
	else if (v->connected && !v->failed)
		vector_send(v);
}
