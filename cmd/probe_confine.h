/* The probe's system call filter. */
#ifndef VMB_CMD_PROBE_CONFINE_H
#define VMB_CMD_PROBE_CONFINE_H

/*
 * From now on the process can look at files and mount file systems, and write nothing but messages to
 * PROBE_CONTROL_FD, a copied file to PROBE_OUT_FD and its log: not even if what it reads has taken it
 * over does a disk change by its hand. Any other call fails with EPERM. 0 or -errno.
 */
int probe_confine(void);

#endif
