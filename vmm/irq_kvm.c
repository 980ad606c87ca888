/*
 * Interrupts and doorbells over KVM. The wires: a source sets its own bit, the line is high while
 * any bit is set. MSI: a vector keeps its KVM route as long as it is connected; a new message
 * replaces the old one inside the routing table, so nothing is lost in between.
 */
#include "vmm/irq_kvm.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "vmm/kvm.h"
#include "vmm/layout.h"

#define MAX_SOURCES 128

struct source {
	struct irq_wires *wires;
	unsigned int gsi;
	bool level;
};

struct irq_wires {
	struct kvm_vm *kvm;
	pthread_mutex_t lock;
	unsigned int high[LAYOUT_GSI_COUNT]; /* how many sources hold the line up */
	unsigned int source_count;
	struct source sources[MAX_SOURCES];
};

int irq_wires_create(struct kvm_vm *kvm, struct irq_wires **ret_wires)
{
	struct irq_wires *wires = calloc(1, sizeof(*wires));

	if (!wires)
		return -ENOMEM;
	wires->kvm = kvm;
	pthread_mutex_init(&wires->lock, NULL);
	*ret_wires = wires;
	return 0;
}

void irq_wires_destroy(struct irq_wires *wires)
{
	if (!wires)
		return;
	pthread_mutex_destroy(&wires->lock);
	free(wires);
}

static void source_set(void *ctx, bool level)
{
	struct source *source = ctx;
	struct irq_wires *wires = source->wires;
	unsigned int *high = &wires->high[source->gsi];

	/* The ioctl stays under the lock: levels reach KVM in the order they were set. */
	pthread_mutex_lock(&wires->lock);
	if (source->level != level) {
		unsigned int before = *high;

		source->level = level;
		*high = level ? before + 1 : before - 1;
		if ((before > 0) != (*high > 0))
			kvm_set_line(wires->kvm, source->gsi, *high > 0);
	}
	pthread_mutex_unlock(&wires->lock);
}

int irq_wires_connect(struct irq_wires *wires, unsigned int gsi, struct irq_pin *ret_pin)
{
	struct source *source;

	if (gsi >= LAYOUT_GSI_COUNT)
		return -EINVAL;
	if (wires->source_count == MAX_SOURCES)
		return -ENOSPC;
	source = &wires->sources[wires->source_count++];
	*source = (struct source){.wires = wires, .gsi = gsi};
	*ret_pin = (struct irq_pin){.set = source_set, .ctx = source};
	return 0;
}

void irq_wires_reset(struct irq_wires *wires)
{
	pthread_mutex_lock(&wires->lock);
	for (unsigned int i = 0; i < wires->source_count; i++)
		wires->sources[i].level = false;
	for (unsigned int gsi = 0; gsi < LAYOUT_GSI_COUNT; gsi++) {
		wires->high[gsi] = 0;
		kvm_set_line(wires->kvm, gsi, false);
	}
	pthread_mutex_unlock(&wires->lock);
}

static int msi_connect(void *ctx, int eventfd, uint64_t addr, uint32_t data, uint32_t *handle)
{
	struct kvm_vm *kvm = ctx;
	uint32_t gsi = *handle;
	int r;

	if (gsi)
		return kvm_route_set(kvm, gsi, addr, data);
	r = kvm_route_alloc(kvm, &gsi);
	if (r < 0)
		return r;
	r = kvm_route_set(kvm, gsi, addr, data);
	if (r == 0)
		r = kvm_irqfd(kvm, eventfd, gsi, true);
	if (r < 0) {
		kvm_route_free(kvm, gsi);
		return r;
	}
	*handle = gsi;
	return 0;
}

static void msi_disconnect(void *ctx, int eventfd, uint32_t *handle)
{
	struct kvm_vm *kvm = ctx;

	if (!*handle)
		return;
	(void)kvm_irqfd(kvm, eventfd, *handle, false);
	kvm_route_free(kvm, *handle);
	*handle = 0;
}

const struct msi_ops irq_kvm_msi_ops = {.connect = msi_connect, .disconnect = msi_disconnect};

static int level_connect(void *ctx, unsigned int gsi, int trigger, int resample)
{
	return kvm_irqfd_level(ctx, trigger, resample, gsi, true);
}

static void level_disconnect(void *ctx, unsigned int gsi, int trigger)
{
	(void)kvm_irqfd_level(ctx, trigger, -1, gsi, false);
}

const struct level_ops irq_kvm_level_ops = {.connect = level_connect,
					    .disconnect = level_disconnect};

static int doorbell_attach(void *ctx, const struct doorbell_place *place, unsigned int size,
			   int eventfd)
{
	return kvm_ioeventfd(ctx, place, size, eventfd, true);
}

static void doorbell_detach(void *ctx, const struct doorbell_place *place, unsigned int size,
			    int eventfd)
{
	(void)kvm_ioeventfd(ctx, place, size, eventfd, false);
}

const struct doorbell_ops irq_kvm_doorbell_ops = {
	.attach = doorbell_attach,
	.detach = doorbell_detach,
};
