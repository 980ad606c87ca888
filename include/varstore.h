/*
 * The UEFI variable store as a block of bytes: what a valid one looks like, and an empty one.
 * Format of EDK2's OVMF_VARS_4M.fd (firmware volume header, authenticated variable store, FTW
 * area), which CLOUDHV.fd keeps in guest RAM. Not a variable editor.
 */
#ifndef VMB_INCLUDE_VARSTORE_H
#define VMB_INCLUDE_VARSTORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

#define VARSTORE_SIZE 0x84000

/* Does the file that begins with HEAD (SIZE bytes) begin with a firmware volume for variables, whole or damaged? */
bool varstore_claims(const void *head, size_t size);

/*
 * 0 if BUF (SIZE bytes) is a whole and undamaged store: size, firmware volume header with its
 * checksum, variable store header, chain of variables inside their bounds. -EBADMSG with a
 * sentence that says what is wrong (ERR may be NULL). Never reads beyond SIZE, whatever BUF holds.
 */
int varstore_check(const void *buf, size_t size, struct vmb_err *err);

/* Fills BUF (VARSTORE_SIZE bytes) with an empty store, the same as a pristine OVMF_VARS_4M.fd's headers. */
void varstore_format(void *buf);

#endif
