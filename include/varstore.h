/*
 * The UEFI variable store as a block of bytes: what a valid one looks like, and an empty one.
 * Format of EDK2's OVMF_VARS_4M.fd (firmware volume header, authenticated variable store, FTW
 * area), which CLOUDHV.fd keeps in guest RAM and OVMF in flash; and the smaller one of OVMF of 2 MiB,
 * OVMF_VARS.fd. Not a variable editor.
 */
#ifndef VMB_INCLUDE_VARSTORE_H
#define VMB_INCLUDE_VARSTORE_H

#include <stddef.h>
#include <stdint.h>

#include "err.h"

#define VARSTORE_SIZE	 0x84000
#define VARSTORE_SIZE_2M 0x20000

/*
 * 0 if BUF (SIZE bytes) is a whole and undamaged store: size, firmware volume header with its
 * checksum, variable store header, chain of variables inside their bounds. -EBADMSG with a
 * sentence that says what is wrong (ERR may be NULL). Never reads beyond SIZE, whatever BUF holds.
 */
int varstore_check(const void *buf, size_t size, struct vmb_err *err);

/*
 * How many bytes a firmware volume for variables, whole or damaged, that begins with HEAD (HEAD_SIZE bytes)
 * says that it has: believed as little as the rest of it. 0 when HEAD begins with something else.
 */
uint64_t varstore_volume_size(const void *head, size_t head_size);

/*
 * Fills BUF (SIZE bytes: one of the two above) with an empty store, the same as the headers of a pristine
 * OVMF_VARS_4M.fd or OVMF_VARS.fd.
 */
void varstore_format(void *buf, size_t size);

#endif
