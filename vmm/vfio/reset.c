/*
 * How devices that are passed through come to their power-on state. Most have a reset of their own (FLR); the others are
 * reset with everything else on their bus (a hot reset), which the kernel does for who has it all.
 */
#include <string.h>

#include "vmm/vfio/vfio.h"

static int find_host(struct vfio_host *const *hosts, unsigned int count, const char *address)
{
	for (unsigned int i = 0; i < count; i++)
		if (strcmp(hosts[i]->address, address) == 0)
			return (int)i;
	return -1;
}

/* A way to reset HOST with the others on its bus, if all of them are among HOSTS, and done by one of them. */
static void plan(struct vfio_host *host, struct vfio_host *const *hosts, unsigned int count,
		 const int *groups)
{
	char affected[VM_MAX_VFIO][VM_PCI_ADDRESS_SIZE];
	int n = host->ops->list_affected(host, affected, VM_MAX_VFIO), first = (int)count;

	if (n <= 0) {
		log_warn("vfio: %s cannot be reset; a guest finds it as the one before left it",
			 host->address);
		return;
	}
	for (int i = 0; i < n; i++) {
		int at = i < VM_MAX_VFIO ? find_host(hosts, count, affected[i]) : -1;

		if (at < 0) {
			log_warn("vfio: %s can only be reset together with %s, which is not passed "
				 "through: a guest finds it as the one before left it. Pass that "
				 "one, too.",
				 host->address, i < VM_MAX_VFIO ? affected[i] : "another device");
			return;
		}
		host->groups[i] = groups ? groups[at] : -1;
		if (hosts[at]->reset != VFIO_RESET_FUNCTION && at < first)
			first = at;
	}
	host->group_count = groups ? (unsigned int)n : 0;
	host->reset = hosts[first] == host ? VFIO_RESET_BUS : VFIO_RESET_BY_OTHER;
}

void vfio_plan_resets(struct vfio_host *const *hosts, unsigned int count, const int *groups)
{
	for (unsigned int i = 0; i < count; i++) {
		if (hosts[i]->reset == VFIO_RESET_NONE)
			plan(hosts[i], hosts, count, groups);
		/* The kernel has not reset it when it was opened, either. */
		if (hosts[i]->reset == VFIO_RESET_BUS)
			(void)vfio_reset(hosts[i]);
	}
}

int vfio_reset(struct vfio_host *host)
{
	int r = 0;

	if (host->reset == VFIO_RESET_FUNCTION)
		r = host->ops->reset(host);
	else if (host->reset == VFIO_RESET_BUS)
		r = host->ops->hot_reset(host, host->groups, host->group_count);
	/* A guest may reset itself as often as it likes. */
	if (r < 0 && !host->reset_failed)
		log_warn("vfio: %s is not reset (%s); the guest finds it as it left it",
			 host->address, strerror(-r));
	host->reset_failed = r < 0;
	return r;
}
