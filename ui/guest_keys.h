/*
 * Keys to the bytes a guest's serial console expects. EDK2's terminal driver takes one table per
 * terminal type, an operating system takes xterm's.
 */
#ifndef VMB_UI_GUEST_KEYS_H
#define VMB_UI_GUEST_KEYS_H

#include <stddef.h>
#include <stdint.h>

#include "ui/keys.h"

#define GUEST_KEY_MAX 8

enum guest_profile {
	GUEST_VTUTF8, /* CLOUDHV.fd and OVMF since 2023 */
	GUEST_XTERM,  /* an operating system */
	GUEST_PCANSI, /* OVMF before 2023 */
	GUEST_TTYTERM, /* EDK2 for Arm */
	GUEST_PROFILES,
};

/* "VT-UTF8", "xterm", "PC-ANSI", "TTY". */
const char *guest_profile_name(enum guest_profile profile);

/* Writes the bytes for KEY to BUF; returns how many, 0 if the guest knows no such key. */
size_t guest_key_encode(enum guest_profile profile, const struct ui_key *key,
			uint8_t buf[GUEST_KEY_MAX]);

#endif
