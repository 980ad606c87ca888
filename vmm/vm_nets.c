/*
 * The network cards of a virtual machine. They have the last PCI slots for themselves, so that a disk
 * more or less moves none of them: guests name a card, and firmware a boot entry, by its slot.
 */
#include "vmm/vm_private.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FIRST_SLOT (32 - VM_MAX_NETS)
#define NET_DEPTH  8 /* requests on the ring: a card makes none, it only waits there */

_Static_assert(VM_MAX_NET_QUEUES <= VIRTIO_NET_MAX_PAIRS, "the device has queues for all pairs");

/* Takes the next of *FDS. */
static int take_fd(int **fds)
{
	int fd = **fds;

	*(*fds)++ = -1;
	return fd;
}

/* The port behind FD (taken over), with a thread of its own. */
static int open_pair(struct vm *vm, int fd, unsigned int card, unsigned int index,
		     struct virtio_net_pair *pair, struct vmb_err *err)
{
	char name[32];
	int r = net_open_tap(fd, &pair->port, err);

	if (r < 0)
		return r;
	if (index)
		snprintf(name, sizeof(name), "net%u.%u", card, index);
	else
		snprintf(name, sizeof(name), "net%u", card);
	r = vm_new_ring(vm, SANDBOX_NET, name, NET_DEPTH, err);
	if (r == 0)
		pair->ring = vm->rings[vm->ring_count - 1];
	return r;
}

static void close_pairs(struct virtio_net_pair *pairs, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		if (pairs[i].port)
			pairs[i].port->ops->destroy(pairs[i].port);
		if (pairs[i].vhost >= 0)
			close(pairs[i].vhost);
	}
}

static int create_net(struct vm *vm, unsigned int card, int **fds, struct vmb_err *err)
{
	const struct vmm_net *info = &vm->start.nets[card];
	struct virtio_net_params params = {.mtu = info->mtu, .instance = card};
	struct virtio_net_pair pairs[VM_MAX_NET_QUEUES] = {{0}};
	int taps[VM_MAX_NET_QUEUES], r = 0;
	struct pci_device *dev;
	struct virtio_env env;

	for (unsigned int i = 0; i < info->queues; i++)
		taps[i] = take_fd(fds);
	for (unsigned int i = 0; i < info->queues; i++)
		pairs[i].vhost = info->vhost ? take_fd(fds) : -1;
	for (unsigned int i = 0; i < info->queues; i++) {
		if (r == 0)
			r = open_pair(vm, taps[i], card, i, &pairs[i], err);
		else
			close(taps[i]);
	}
	if (r < 0) {
		close_pairs(pairs, info->queues);
		return r;
	}
	memcpy(params.mac, info->mac, sizeof(params.mac));
	env = vm_make_env(vm, pairs[0].ring);
	r = virtio_net_create(&env, &params, pairs, info->queues, &dev);
	if (r == 0)
		r = vm_add_to_bus(vm, FIRST_SLOT + card, dev);
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
