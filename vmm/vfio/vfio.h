/*
 * A PCI device of the host's as a function of the guest's PCI bus (Linux Documentation/driver-api/vfio.rst and
 * include/uapi/linux/vfio.h are the specification). The device is reached through struct vfio_host, which host.c makes of
 * a descriptor and tests make of an array: config.c (configuration space), irq.c (interrupts) and device.c (BARs, ROM,
 * life) know no ioctl. How DMA reaches guest memory is iommu.c's.
 */
#ifndef VMB_VMM_VFIO_VFIO_H
#define VMB_VMM_VFIO_VFIO_H

#include <linux/vfio.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "err.h"
#include "log.h"
#include "vm_config.h"
#include "vmm/irq.h"
#include "vmm/pci/pci_device.h"
#include "vmm/ring.h"

#define VFIO_MAX_AREAS 8 /* of a BAR, that the guest reaches without an exit */

struct vfio_area {
	uint64_t offset; /* in its region, multiples of a page */
	uint64_t size;
};

/* A BAR, the ROM or configuration space. */
struct vfio_region {
	uint64_t size;	 /* 0: the device has none */
	uint64_t offset; /* in the device's descriptor */
	bool readable, writable;
	unsigned int area_count; /* parts that can be mapped */
	struct vfio_area areas[VFIO_MAX_AREAS];
};

struct vfio_host;

struct vfio_host_ops {
	/* SIZE bytes at OFFSET of REGION. How many were moved, or -errno. */
	ssize_t (*read)(struct vfio_host *host, unsigned int region, uint64_t offset, void *buf,
			size_t size);
	ssize_t (*write)(struct vfio_host *host, unsigned int region, uint64_t offset,
			 const void *buf, size_t size);
	/* An area of REGION, SIZE bytes at OFFSET, in our memory; NULL: it cannot be. */
	void *(*map)(struct vfio_host *host, unsigned int region, uint64_t offset, uint64_t size);
	void (*unmap)(struct vfio_host *host, void *at, uint64_t size);
	/*
	 * VFIO_DEVICE_SET_IRQS: FLAGS for COUNT interrupts from START on of INDEX, with as many eventfds (-1: none) if
	 * FDS is not NULL. 0, -errno, or, of MSI and MSI-X, how many the host has at most.
	 */
	int (*set_irqs)(struct vfio_host *host, unsigned int index, uint32_t flags,
			unsigned int start, unsigned int count, const int *fds);
	/* Function-level reset, or what else brings it to its power-on state. 0 or -errno. */
	int (*reset)(struct vfio_host *host);
	/*
	 * The functions that hot_reset() resets, HOST among them: the first MAX of them to ADDRESSES. How many there are,
	 * or -errno: there is no such reset.
	 */
	int (*list_affected)(struct vfio_host *host, char (*addresses)[VM_PCI_ADDRESS_SIZE],
			     unsigned int max);
	/* VFIO_DEVICE_PCI_HOT_RESET; GROUPS are COUNT of VFIO, which have all of them. With IOMMUFD none. 0 or -errno. */
	int (*hot_reset)(struct vfio_host *host, const int *groups, unsigned int count);
	void (*destroy)(struct vfio_host *host);
};

enum vfio_reset {
	VFIO_RESET_NONE,
	VFIO_RESET_FUNCTION, /* by itself */
	VFIO_RESET_BUS,	     /* with all others of its bus */
	VFIO_RESET_BY_OTHER, /* by the one of these that does it */
};

struct vfio_host {
	const struct vfio_host_ops *ops;
	char address[VM_PCI_ADDRESS_SIZE]; /* of the host's, for what is said of it */
	enum vfio_reset reset;
	bool reset_failed; /* the last one did, and was warned of */
	int groups[VM_MAX_VFIO]; /* for VFIO_RESET_BUS: of each device that is reset, borrowed */
	unsigned int group_count;
	struct vfio_region regions[VFIO_PCI_NUM_REGIONS];
	unsigned int irq_count[VFIO_PCI_NUM_IRQS];
};

/*
 * The device behind FD (taken over, also on failure), which is in its power-on state: the kernel has reset it when it
 * was opened. 0 or -errno with the sentence.
 */
int vfio_host_open(int fd, const char *address, struct vfio_host **ret_host, struct vmb_err *err);

/*
 * Finds a way to reset those of HOSTS that cannot by themselves, of COUNT in the order of their slots, the last slot first;
 * does it once, since the kernel has not, and warns where there is none. GROUPS (NULL with IOMMUFD) has the group of each, which
 * are borrowed as long as HOSTS live.
 */
void vfio_plan_resets(struct vfio_host *const *hosts, unsigned int count, const int *groups);

/* HOST to its power-on state, as far as there is a way. 0, or -errno, which was warned of the first time. */
int vfio_reset(struct vfio_host *host);

/*
 * Where the guest's physical memory is made. map(): SIZE bytes at GPA are HOST from now on, READ_ONLY for the guest;
 * *RET_HANDLE is for unmap(). 0, or -errno when there is something already. Any thread.
 */
struct vfio_map_ops {
	int (*map)(void *ctx, uint64_t gpa, uint64_t size, void *host, bool read_only,
		   unsigned int *ret_handle);
	void (*unmap)(void *ctx, uint64_t gpa, uint64_t size, unsigned int handle);
};

struct vfio_env {
	const struct vfio_map_ops *map_ops;
	void *map_ctx;
	struct msi_target msi;
	struct level_target intx;
	struct ring *ring; /* hears of the device's end; NULL: nobody does */
	/* The device, or the host, cannot go on with it: TEXT says why. On the ring's thread. */
	void (*failed)(void *ctx, const char *text);
	void *failed_ctx;
	bool no_rom;
	bool aer; /* the host's kernel hears of the device's errors, and tells FAILED by it */
};

/*
 * Makes a function of HOST (taken over, also on failure). ENV is copied. 0 or -errno with the sentence; the result is for
 * pci_bus_add().
 */
int vfio_device_create(struct vfio_host *host, const struct vfio_env *env,
		       struct pci_device **ret_dev, struct vmb_err *err);

/* How much room in the 64-bit window the BARs of DEV need, and the biggest of them. */
uint64_t vfio_device_high_size(const struct pci_device *dev, uint64_t *ret_biggest);

/* Do BARs of SUM bytes together, the BIGGEST of that size, each at a multiple of its own, fit between BASE and END? */
bool vfio_high_bars_fit(uint64_t sum, uint64_t biggest, uint64_t base, uint64_t end);

/* ---- between config.c, irq.c and device.c ---- */

/*
 * Configuration space: what of it is the device's own, and how it looks to the guest. Bytes with a bit in FORWARD are
 * read from the device each time, those with all bits (and that of Device Control) are written there, too; the others live
 * in pci_device.
 */
struct vfio_config {
	struct vfio_host *host;
	uint8_t forward[PCI_CFG_SIZE];
	uint16_t command_on; /* bits of Command that the device itself always has set */
	unsigned int devctl; /* where the low byte of Device Control is; 0: there is none */
	uint8_t reports;     /* the bits in it that say which errors the device reports to the host */
};

struct vfio_vector {
	int eventfd; /* -1: not needed so far */
	uint32_t handle;
	uint64_t addr; /* what it is connected to */
	uint32_t data;
	bool connected;
	bool attached; /* the device signals EVENTFD */
};

enum vfio_irq_mode { VFIO_IRQ_NONE, VFIO_IRQ_INTX, VFIO_IRQ_MSI, VFIO_IRQ_MSIX };

/* All of it under the function's lock, but for making and ending. */
struct vfio_irqs {
	struct pci_device *pci;
	struct vfio_host *host;
	struct msi_target msi;
	struct level_target intx;
	struct log_limit log_limit;
	enum vfio_irq_mode mode;
	bool has_intx;
	int trigger, resample;		/* eventfds of INTA# */
	unsigned int msi_cap, msix_cap; /* offsets, 0: none */
	unsigned int msi_count, msix_count;
	unsigned int table_bar, pba_bar;
	uint32_t table_offset, pba_offset;
	unsigned int vector_count;
	struct vfio_vector *vectors; /* of both, the greater number of them */
	uint32_t (*table)[4];	     /* MSI-X, as the guest wrote it */
};

/*
 * Makes IRQS of what PCI's configuration space (config.c has filled it) and CONFIG's host say, and takes the capabilities
 * of interrupts over: their bytes are ours from then on. 0 or -ENOMEM, -EMFILE; vfio_irqs_fini() is due also then.
 */
int vfio_irqs_init(struct vfio_irqs *irqs, struct pci_device *pci, struct vfio_config *config,
		   const struct vfio_env *env);
void vfio_irqs_fini(struct vfio_irqs *irqs);

/* Do SIZE bytes at OFFSET of configuration space say anything of interrupts? */
bool vfio_irqs_concern(const struct vfio_irqs *irqs, unsigned int offset, unsigned int size);

/* Configuration space was written: another kind of interrupt, another message, another mask. Lock held. */
void vfio_irqs_update(struct vfio_irqs *irqs);

/* No interrupt of any kind, the table as after power-on. vfio_irqs_update() starts anew. Lock held. */
void vfio_irqs_stop(struct vfio_irqs *irqs);

/* The table's and the pending bits' part of a BAR: bytes from *RET_START to *RET_END. False: not in BAR. */
bool vfio_irqs_table_place(const struct vfio_irqs *irqs, unsigned int bar, uint64_t *ret_start,
			   uint64_t *ret_end);
bool vfio_irqs_pba_place(const struct vfio_irqs *irqs, unsigned int bar, uint64_t *ret_start,
			 uint64_t *ret_end);

/* Accesses there, offsets relative to their starts. Lock held. */
uint64_t vfio_irqs_table_read(const struct vfio_irqs *irqs, uint64_t offset, unsigned int size);
void vfio_irqs_table_write(struct vfio_irqs *irqs, uint64_t offset, unsigned int size,
			   uint64_t value);
uint64_t vfio_irqs_pba_read(const struct vfio_irqs *irqs, uint64_t offset, unsigned int size);

/*
 * Fills PCI (which pci_device_init() has not seen yet) from what HOST's configuration space says, but for BARs and interrupts.
 * AER is ENV's. 0, or -errno with the sentence: it cannot be read, or is no type 0 header.
 */
int vfio_config_init(struct vfio_config *config, struct pci_device *pci,
		     const struct pci_device_ops *ops, struct vfio_host *host, bool aer,
		     struct vmb_err *err);

/* The capability ID of PCI that the guest sees, its offset; 0: none. */
unsigned int vfio_config_find_cap(const struct pci_device *pci, uint8_t id);

/* LEN bytes at OFFSET are ours: as they are, and not to be written. */
void vfio_config_keep(struct vfio_config *config, unsigned int offset, unsigned int len);

/* For struct pci_device_ops. */
void vfio_config_reading(struct vfio_config *config, struct pci_device *pci, unsigned int offset,
			 unsigned int size);
void vfio_config_writing(struct vfio_config *config, unsigned int offset, unsigned int size,
			 uint64_t value);
/* Command as the guest has it now, to the device: it always decodes its BARs, which the guest does not see. */
void vfio_config_command(struct vfio_config *config, struct pci_device *pci);

#endif
