/*
 * What a guest, or a damaged file, leaves in the UEFI variable store: bytes change both halves, then the
 * vmm settles them as it does at a reset. Promise: the store that the next start finds is a good one,
 * a good one that the guest left is kept byte for byte, and a bad one never becomes the good copy.
 */
#include "fuzz.h"

#include <stdbool.h>
#include <sys/mman.h>
#include <unistd.h>

#include "log.h"
#include "varstore.h"
#include "vmm/boot/boot.h"

#define RAM	      (64ULL << 20)
#define VARIABLES_AT  100 /* behind the volume's and the store's headers */
#define VARIABLES_END 0x40000

static struct guest_mem *mem;
static uint8_t *file; /* both halves: live, which is guest RAM, and good */
static uint8_t empty[VARSTORE_SIZE];
static int fd;

static void set_up(void)
{
	struct vmb_err err;

	log_init(-1, LOG_LEVEL_ERROR, "fuzz");
	varstore_format(empty, VARSTORE_SIZE);
	fd = memfd_create("fuzz", MFD_CLOEXEC);
	must(fd >= 0 && ftruncate(fd, 2 * VARSTORE_SIZE) == 0);
	file = mmap(NULL, 2 * VARSTORE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	must(file != MAP_FAILED && gm_create(RAM, &mem) == 0);
	must(varstore_attach(mem, fd, &err) == 0);
}

static void put32(uint8_t *to, uint32_t value)
{
	memcpy(to, &value, sizeof(value));
}

/* A variable whose sizes are the input's; returns where the next one would begin if they are sane. */
static size_t put_variable(struct input *in, uint8_t *store, size_t at)
{
	uint32_t name = (uint32_t)take(in, 1), data = (uint32_t)take(in, 2);
	uint8_t how = (uint8_t)take(in, 1);

	if (at + 60 > VARSTORE_SIZE)
		return VARIABLES_AT;
	memset(store + at, 0, 60);
	store[at] = 0xAA;
	store[at + 1] = 0x55;
	store[at + 2] = how & 0x80 ? 0xFF : 0x3F;
	if (how & 0x40)
		data = (uint32_t)take(in, 4);
	put32(store + at + 36, name);
	put32(store + at + 40, data);
	at = (at + 60 + name + data + 3) & ~(size_t)3;
	return at < VARSTORE_SIZE ? at : VARIABLES_AT;
}

static void change(struct input *in, uint8_t *store)
{
	size_t at = VARIABLES_AT;

	for (unsigned int n = (unsigned int)take(in, 1) % 24; n > 0 && in->left; n--) {
		uint8_t how = (uint8_t)take(in, 1);
		size_t where = how & 1 ? take(in, 1) : take(in, 3) % VARSTORE_SIZE;

		if (how & 2)
			at = put_variable(in, store, at);
		else
			store[where] = (uint8_t)take(in, 1);
	}
}

static uint32_t get32(const uint8_t *from)
{
	uint32_t value;

	memcpy(&value, from, sizeof(value));
	return value;
}

/* In a store that passes for good, firmware that follows the variables stays inside the area. */
static void check_good(const uint8_t *store)
{
	uint64_t at = VARIABLES_AT;

	while (at + 60 <= VARIABLES_END && store[at] == 0xAA && store[at + 1] == 0x55) {
		uint32_t attributes = get32(store + at + 4);
		uint32_t name = get32(store + at + 36), data = get32(store + at + 40);
		bool is_cut = store[at + 2] == 0xFF || attributes == UINT32_MAX ||
			      name == UINT32_MAX || data == UINT32_MAX;

		at += 60 + (is_cut ? 0 : (uint64_t)name + data);
		must(at <= VARIABLES_END);
		at = (at + 3) & ~3ULL;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t live[VARSTORE_SIZE], good[VARSTORE_SIZE];
	struct input in = {data, size};
	bool live_is_good, good_is_good, changed = false;
	struct vmb_err err = {0};

	if (!mem)
		set_up();
	memcpy(file, empty, VARSTORE_SIZE);
	memcpy(file + VARSTORE_SIZE, empty, VARSTORE_SIZE);
	change(&in, file);
	change(&in, file + VARSTORE_SIZE);
	memcpy(live, file, VARSTORE_SIZE);
	memcpy(good, file + VARSTORE_SIZE, VARSTORE_SIZE);
	live_is_good = varstore_check(live, VARSTORE_SIZE, &err) == 0;
	must(live_is_good || err.text[0]);
	if (live_is_good)
		check_good(live);
	good_is_good = varstore_check(good, VARSTORE_SIZE, NULL) == 0;
	must(varstore_check(live, VARSTORE_SIZE - 1, NULL) < 0);

	must(varstore_settle(fd, &(struct log_limit){0}, &changed) == 0);
	must(varstore_check(file, VARSTORE_SIZE, NULL) == 0);
	if (live_is_good) {
		must(memcmp(file, live, VARSTORE_SIZE) == 0);
		must(memcmp(file + VARSTORE_SIZE, live, VARSTORE_SIZE) == 0);
		must(changed == (memcmp(live, good, VARSTORE_SIZE) != 0));
	} else {
		must(memcmp(file, good_is_good ? good : empty, VARSTORE_SIZE) == 0);
		must(memcmp(file + VARSTORE_SIZE, good, VARSTORE_SIZE) == 0 && !changed);
	}
	return 0;
}
