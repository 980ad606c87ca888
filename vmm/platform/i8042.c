/*
 * What is left of the keyboard controller: the command that resets the machine (0xFE to port 0x64),
 * which firmware and old systems use. No keyboard, no mouse, no controller worth a driver: the
 * status says so in every dialect. Parity and timeout error together make EDK2 give up at once, a
 * full output buffer that never drains makes Linux do so after 16 reads, and "input buffer full" is
 * the one bit that stays clear, since that is what code waits for before it sends the reset.
 *
 * Not here: port 0x61, the speaker and NMI register that PCs keep among these.
 */
#include "vmm/platform/platform.h"

#include <errno.h>
#include <stdlib.h>

#define I8042_STATUS	  4 /* port 0x64, counted from 0x60 */
#define I8042_STATUS_NONE 0xFD
#define I8042_CMD_PULSE	  0xF0 /* the low nibble's zero bits are the output lines to pulse... */
#define I8042_PULSE_RESET 0x01 /* ...and this one is the processor's reset */

struct i8042 {
	void (*reset)(void *ctx);
	void *ctx;
};

static uint64_t i8042_read(void *dev, uint64_t offset, unsigned int size)
{
	(void)dev;
	(void)size;
	if (offset == I8042_STATUS)
		return I8042_STATUS_NONE;
	return ~0ULL;
}

static void i8042_write(void *dev, uint64_t offset, unsigned int size, uint64_t value)
{
	struct i8042 *i8042 = dev;

	(void)size;
	if (offset != I8042_STATUS)
		return;
	if ((value & 0xF0) == I8042_CMD_PULSE && !(value & I8042_PULSE_RESET))
		i8042->reset(i8042->ctx);
}

const struct bus_ops i8042_bus_ops = {
	.read = i8042_read,
	.write = i8042_write,
};

/* There is no state. */
void i8042_reset(struct i8042 *i8042)
{
	(void)i8042;
}

int i8042_create(void (*reset)(void *ctx), void *ctx, struct i8042 **ret_i8042)
{
	struct i8042 *i8042 = calloc(1, sizeof(*i8042));

	if (!i8042)
		return -ENOMEM;
	i8042->reset = reset;
	i8042->ctx = ctx;
	*ret_i8042 = i8042;
	return 0;
}

void i8042_destroy(struct i8042 *i8042)
{
	free(i8042);
}
