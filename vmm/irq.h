/*
 * How devices raise interrupts, as small tables of callbacks, so that every device can be tested
 * without KVM. vm.c implements them over kvm.c.
 */
#ifndef VMB_VMM_IRQ_H
#define VMB_VMM_IRQ_H

#include <stdbool.h>
#include <stdint.h>

/*
 * A level-triggered input. Sources that share a wire each have their own pin; the wire is the OR of them (done
 * behind set()). Any thread.
 */
struct irq_pin {
	void (*set)(void *ctx, bool level); /* NULL: not connected */
	void *ctx;
};

/* LEVEL for this source; nothing where it is not connected. */
static inline void irq_pin_set(const struct irq_pin *pin, bool level)
{
	if (pin->set)
		pin->set(pin->ctx, level);
}

/*
 * Message-signalled interrupts of one PCI function. Each MSI-X vector owns an eventfd made by
 * msix.c; connect() makes "eventfd written" mean "message ADDR/DATA is sent" (KVM irqfd with an
 * MSI route), replacing what the vector was connected to before; disconnect() undoes it. HANDLE is
 * per vector, 0 before the first connect(). Called under the function's lock.
 */
struct msi_ops {
	int (*connect)(void *ctx, int eventfd, uint64_t addr, uint32_t data, uint32_t *handle);
	void (*disconnect)(void *ctx, int eventfd, uint32_t *handle);
};

struct msi_target {
	const struct msi_ops *ops;
	void *ctx;
};

/*
 * A level-triggered interrupt that the kernel hands from one eventfd to the guest without us. connect() makes
 * "TRIGGER written" raise the line, and the guest's end of interrupt write RESAMPLE; disconnect() undoes it. 0 or
 * -errno. Several share the line, also with an irq_pin.
 */
struct level_ops {
	int (*connect)(void *ctx, unsigned int gsi, int trigger, int resample);
	void (*disconnect)(void *ctx, unsigned int gsi, int trigger);
};

struct level_target {
	const struct level_ops *ops;
	void *ctx;
	unsigned int gsi;
};

/* Where a doorbell is: an MMIO address or a port. */
struct doorbell_place {
	bool is_port;
	uint64_t addr;
};

/*
 * Doorbells. attach() makes a guest write of SIZE bytes (2, or 0 for any) at PLACE signal EVENTFD
 * without an exit (KVM ioeventfd); detach() undoes exactly that. 0 or -errno; on failure the
 * device's own handler sees the write instead and must signal the eventfd itself.
 */
struct doorbell_ops {
	int (*attach)(void *ctx, const struct doorbell_place *place, unsigned int size,
		      int eventfd);
	void (*detach)(void *ctx, const struct doorbell_place *place, unsigned int size,
		       int eventfd);
};

struct doorbell_target {
	const struct doorbell_ops *ops;
	void *ctx;
};

#endif
