/*
 * PCI functions of the host for guests: what there is, what the host uses it for, and moving one from its driver to
 * vfio-pci and back (Documentation/ABI/testing/sysfs-bus-pci).
 */
#ifndef VMB_INCLUDE_HOST_PCI_H
#define VMB_INCLUDE_HOST_PCI_H

#include <stddef.h>

#include "err.h"
#include "menu_proto.h"

/* ---- what there is: reads sysfs and proc, and asks no device ---- */

/*
 * Every PCI function below ROOT ("" for the running system), by IOMMU group and then by address; those
 * without a group come last. Texts are safe on a terminal. The array is the caller's to free(). 0, -ENOMEM, or
 * -errno when there is no PCI bus.
 */
int host_pci_gather(const char *root, struct menu_pci **ret_pcis, size_t *ret_count);

/*
 * How many functions of ROOT disks can be behind (mass storage, USB and SD host controllers), and how many of these have
 * a driver. Both 0 without a PCI bus.
 */
void host_pci_count_controllers(const char *root, uint32_t *ret_all, uint32_t *ret_bound);

/* Whether devices can be passed to guests at all: IOMMU and interrupt remapping. */
void host_pci_gather_state(const char *root, struct menu_pci_state *ret_state);

/*
 * Can this host pass CONFIG's devices to a guest? 0, or -errno with the sentence: no IOMMU, no such device, a bridge, one
 * that the host uses or whose disk CONFIG names beside it, a group that is not whole.
 */
int host_pci_check(const char *root, const struct vm_config *config, struct vmb_err *err);

/* ---- moving one: may block for as long as a driver likes, so only in a process of its own ---- */

/*
 * Takes function ADDRESS from its driver and gives it to vfio-pci, whose module is loaded for it. What it was before is
 * kept in the file DIR/ADDRESS; one that is there already, from a process that died, stays as it is. 0, or -errno with
 * the sentence.
 */
int host_pci_take(const char *root, const char *dir, const char *address, struct vmb_err *err);

/*
 * Gives ADDRESS back to the driver that DIR/ADDRESS names and removes that file; without one it does nothing. What fails
 * is tried once more. 0, or -errno with the sentence; then the file stays.
 */
int host_pci_give_back(const char *root, const char *dir, const char *address, struct vmb_err *err);

/* The same with all that have a file in DIR and belong to no living process. 0, or -errno with the last sentence. */
int host_pci_give_back_all(const char *root, const char *dir, struct vmb_err *err);

/*
 * Has a process give back what vmboots that died have left at vfio-pci, and waits for it, ten seconds at most. Without
 * such devices it costs nothing.
 */
void host_pci_recover(void);

#endif
