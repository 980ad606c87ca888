/*
 * Keys to the bytes a guest's serial console expects. EDK2's terminal driver takes one table per
 * terminal type; this is VT-UTF8, which CLOUDHV.fd and OVMF since 2023 speak.
 */
#ifndef VMB_UI_GUEST_KEYS_H
#define VMB_UI_GUEST_KEYS_H

#include <stddef.h>
#include <stdint.h>

#include "ui/keys.h"

#define GUEST_KEY_MAX 8

/* Writes the bytes for KEY to BUF; returns how many, 0 if the guest knows no such key. */
size_t guest_key_encode(const struct ui_key *key, uint8_t buf[GUEST_KEY_MAX]);

#endif
