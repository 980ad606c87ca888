/*
 * MSI-X of one PCI function: capability, vector table, pending bits (PCI Local Bus 3.0, 6.8.2).
 * Every function here is called under the function's lock, but for msix_init() and msix_fini().
 */
#ifndef VMB_VMM_PCI_MSIX_H
#define VMB_VMM_PCI_MSIX_H

#include "log.h"
#include "vmm/pci/pci_device.h"

#define MSIX_MAX_VECTORS 64 /* one word of pending bits */
#define MSIX_NO_VECTOR	 0xFFFF

/* Bytes of the table, and of the pending bits. */
#define MSIX_TABLE_SIZE(vectors) ((vectors)*16u)
#define MSIX_PBA_SIZE		 8u

struct msix_vector {
	uint32_t entry[4]; /* address low and high, data, control: as the guest wrote them */
	int eventfd;
	bool used;	 /* the device wants to signal it */
	uint32_t handle; /* of msi_ops */
	bool connected;	 /* to SENT_ADDR and SENT_DATA */
	bool failed;	 /* the last connect() failed */
	uint64_t sent_addr;
	uint32_t sent_data;
};

struct msix {
	struct pci_device *dev;
	struct msi_target target;
	struct log_limit log_limit;
	unsigned int cap;
	unsigned int count;
	uint64_t pending;
	struct msix_vector *vectors;
};

/*
 * Gives DEV an MSI-X capability of COUNT (1..64) vectors, masked, with the table at TABLE and the
 * pending bits at PBA in memory BAR BAR; accesses there are the device's to forward. TARGET is
 * borrowed by its members. The eventfds are made here, so that nothing is opened once the guest
 * runs. 0, -ENOMEM, -EMFILE. Before pci_bus_add().
 */
int msix_init(struct msix *msix, struct pci_device *dev, const struct msi_target *target,
	      unsigned int count, unsigned int bar, uint32_t table, uint32_t pba);

/* Disconnects and closes everything. Nobody signals any more. */
void msix_fini(struct msix *msix);

/* Power-on state: every vector disconnected, unused and masked. */
void msix_reset(struct msix *msix);

/* Is MSI-X switched on (so that the function must not use INTA#)? */
bool msix_enabled(const struct msix *msix);

/* Configuration space was written: replays what became unmasked. */
void msix_cfg_written(struct msix *msix);

/*
 * Accesses to the table and the pending bits, offsets relative to their starts. 4 or 8 bytes,
 * aligned.
 */
uint64_t msix_table_read(const struct msix *msix, uint64_t offset, unsigned int size);
void msix_table_write(struct msix *msix, uint64_t offset, unsigned int size, uint64_t value);
uint64_t msix_pba_read(const struct msix *msix, uint64_t offset, unsigned int size);

/*
 * For other tables of this form. Is an access of SIZE bytes at OFFSET to one of END bytes well-formed? Stores VALUE in ENTRY,
 * OFFSET (0 to 15) bytes from its start, but for what is read-only in it.
 */
bool msix_access_ok(uint64_t offset, unsigned int size, uint64_t end);
void msix_write_entry(uint32_t entry[4], unsigned int offset, unsigned int size, uint64_t value);

/*
 * The device is going to signal VECTOR: connects it, so that failing shows now. 0, -EINVAL (no such
 * vector) or the error of connect().
 */
int msix_use(struct msix *msix, unsigned int vector);

/* Did VECTOR lose its connection (a new address or data was refused)? */
bool msix_failed(const struct msix *msix, unsigned int vector);

/* The eventfd that sends VECTOR's message by itself when it is written now; -1: it must go through msix_signal(). */
int msix_direct_fd(const struct msix *msix, unsigned int vector);

/* Sends VECTOR's message, or notes it as pending while masked. Nothing while MSI-X is off. */
void msix_signal(struct msix *msix, unsigned int vector);

#endif
