/*
 * The network cards of a virtual machine. They go into the PCI slots from the last one down, so that a
 * disk more or less moves none of them: guests name a card, and firmware a boot entry, by its slot.
 */
#include "vmm/vm_private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LAST_SLOT 31
#define NET_DEPTH 8 /* requests on the ring: a card makes none, it only waits there */

_Static_assert(VM_MAX_NET_QUEUES <= VIRTIO_NET_MAX_PAIRS, "the device has queues for all pairs");

/* Takes the next COUNT descriptors of *FDS. */
static void take_fds(int **fds, unsigned int count, int *ret_fds)
{
	for (unsigned int i = 0; i < count; i++) {
		ret_fds[i] = **fds;
		*(*fds)++ = -1;
	}
}

/* The port behind FD (taken over), with a thread of its own. */
static int open_pair(struct vm *vm, int fd, unsigned int card, unsigned int pair,
		     struct virtio_net_pair *ret_pair, struct vmb_err *err)
{
	struct net_port *port;
	char name[32];
	int r = net_open_tap(fd, &port, err);

	if (r < 0)
		return r;
	if (pair)
		snprintf(name, sizeof(name), "net%u.%u", card, pair);
	else
		snprintf(name, sizeof(name), "net%u", card);
	r = vm_new_ring(vm, SANDBOX_NET, name, NET_DEPTH, err);
	if (r < 0) {
		port->ops->destroy(port);
		return r;
	}
	*ret_pair = (struct virtio_net_pair){.ring = vm->rings[vm->ring_count - 1], .port = port};
	return 0;
}

static int create_net(struct vm *vm, unsigned int card, int **fds, struct vmb_err *err)
{
	const struct vmm_net *info = &vm->start.nets[card];
	struct virtio_net_params params = {.mtu = info->mtu, .instance = card};
	struct virtio_net_pair pairs[VM_MAX_NET_QUEUES];
	int taps[VM_MAX_NET_QUEUES], r = 0;
	unsigned int opened = 0;
	struct pci_device *dev;
	struct virtio_env env;

	take_fds(fds, info->queues, taps);
	while (opened < info->queues && r == 0) {
		r = open_pair(vm, taps[opened], card, opened, &pairs[opened], err);
		opened++;
	}
	if (r < 0) {
		for (unsigned int i = 0; i + 1 < opened; i++)
			pairs[i].port->ops->destroy(pairs[i].port);
		for (unsigned int i = opened; i < info->queues; i++)
			close(taps[i]);
		return r;
	}
	memcpy(params.mac, info->mac, sizeof(params.mac));
	env = vm_make_env(vm, pairs[0].ring);
	r = virtio_net_create(&env, &params, pairs, info->queues, &dev);
	if (r == 0)
		r = vm_add_to_bus(vm, LAST_SLOT - card, dev);
	if (r == 0)
		vm->nets[card] = dev;
	return r;
}

int vm_nets_create(struct vm *vm, struct vmb_err *err)
{
	int *fds = vm->params.net_fds, r = 0;

	for (unsigned int i = 0; i < vm->start.net_count && r == 0; i++)
		r = create_net(vm, i, &fds, err);
	return r;
}

void vm_nets_set_paused(struct vm *vm, bool paused)
{
	for (unsigned int i = 0; i < vm->start.net_count; i++)
		virtio_net_set_paused(vm->nets[i], paused);
}
