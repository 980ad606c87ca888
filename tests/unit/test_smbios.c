/* The SMBIOS structures, walked as dmidecode and EDK2 do: DMTF DSP0134 3.3. */
#include "test.h"

#include "vmm/layout.h"
#include "vmm/mem.h"
#include "vmm/platform/platform.h"

struct structure {
	uint8_t type, length;
	uint16_t handle;
	const uint8_t *bytes;
	const char *strings;
};

struct smbios {
	struct guest_mem *mem;
	const uint8_t *entry;
	struct structure list[32];
	unsigned int count;
};

static uint64_t get(const uint8_t *p, unsigned int size)
{
	uint64_t value = 0;

	for (unsigned int i = 0; i < size; i++)
		value |= (uint64_t)p[i] << (8 * i);
	return value;
}

/* Builds and walks: length, strings, two zeros, until type 127. */
static void build(struct smbios *s, unsigned int cpus, uint64_t memory)
{
	const struct smbios_params params = {.cpus = cpus, .memory = memory};
	const uint8_t *p, *end;
	uint8_t sum = 0;

	memset(s, 0, sizeof(*s));
	assert_int_equal(gm_create(64 << 20, &s->mem), 0);
	assert_int_equal(smbios_build(s->mem, &params), 0);
	s->entry =
		gm_ptr(s->mem, 0xF0000, 24); /* exactly there, or the firmware does not find it */
	assert_memory_equal(s->entry, "_SM3_", 5);
	assert_int_equal(s->entry[6], 24);
	for (unsigned int i = 0; i < 24; i++)
		sum += s->entry[i];
	assert_int_equal(sum, 0);
	assert_int_equal(s->entry[7], 3);
	assert_in_range(get(s->entry + 16, 8), LAYOUT_SMBIOS + 24, LAYOUT_SMBIOS_END - 64);
	p = gm_ptr(s->mem, get(s->entry + 16, 8), get(s->entry + 12, 4));
	assert_non_null(p);
	assert_true(get(s->entry + 16, 8) + get(s->entry + 12, 4) <= LAYOUT_SMBIOS_END);
	end = p + get(s->entry + 12, 4);
	do {
		struct structure *st = &s->list[s->count++];

		assert_in_range(s->count, 1, 32);
		assert_true(p + 4 <= end);
		*st = (struct structure){p[0], p[1], (uint16_t)get(p + 2, 2), p,
					 (const char *)p + p[1]};
		assert_true(st->length >= 4);
		for (p += p[1]; p[0] || p[1]; p++)
			assert_true(p + 2 < end);
		p += 2;
		assert_true(p <= end);
	} while (s->list[s->count - 1].type != 127);
	assert_ptr_equal(p, end);
}

static const struct structure *find(const struct smbios *s, uint8_t type, unsigned int nth)
{
	for (unsigned int i = 0; i < s->count; i++)
		if (s->list[i].type == type && nth-- == 0)
			return &s->list[i];
	return NULL;
}

/* String NUMBER (from 1) of a structure. */
static const char *string(const struct structure *st, unsigned int number)
{
	const char *p = st->strings;

	assert_true(number > 0);
	while (--number)
		p += strlen(p) + 1;
	assert_true(*p);
	return p;
}

static void structures_and_strings(void **state)
{
	static const uint8_t types[] = {0, 1, 3, 4, 16, 17, 19, 32, 127};
	struct smbios s;

	(void)state;
	build(&s, 2, 512 << 20);
	for (unsigned int i = 0; i < sizeof(types); i++)
		assert_non_null(find(&s, types[i], 0));
	for (unsigned int i = 0; i < s.count; i++)
		for (unsigned int k = 0; k < i; k++)
			assert_int_not_equal(s.list[i].handle, s.list[k].handle);
	assert_string_equal(string(find(&s, 0, 0), find(&s, 0, 0)->bytes[4]), "vmboot");
	assert_string_equal(string(find(&s, 1, 0), find(&s, 1, 0)->bytes[4]), "vmboot");
	assert_string_equal(string(find(&s, 1, 0), find(&s, 1, 0)->bytes[5]), "Virtual Machine");
	assert_true(find(&s, 0, 0)->bytes[19] & 1 << 4); /* "this is a virtual machine" */
	/* Lengths the specification demands of version 3.3. */
	assert_int_equal(find(&s, 0, 0)->length, 0x1A);
	assert_int_equal(find(&s, 1, 0)->length, 0x1B);
	assert_int_equal(find(&s, 4, 0)->length, 0x30);
	assert_int_equal(find(&s, 16, 0)->length, 0x17);
	assert_int_equal(find(&s, 17, 0)->length, 0x28);
	assert_int_equal(find(&s, 19, 0)->length, 0x1F);
	assert_int_equal(find(&s, 32, 0)->length, 11);
	assert_int_equal(find(&s, 127, 0)->length, 4);
	gm_destroy(s.mem);
}

static void processors(void **state)
{
	static const unsigned int counts[] = {1, 2, 254};
	struct smbios s;

	(void)state;
	for (unsigned int i = 0; i < 3; i++) {
		const uint8_t *cpu;

		build(&s, counts[i], 512 << 20);
		cpu = find(&s, 4, 0)->bytes;
		assert_null(find(&s, 4, 1));
		assert_int_equal(cpu[0x23], counts[i]);
		assert_int_equal(cpu[0x25], counts[i]);
		assert_int_equal(get(cpu + 0x2A, 2), counts[i]);
		assert_int_equal(get(cpu + 0x2E, 2), counts[i]);
		gm_destroy(s.mem);
	}
}

static void memory_sizes(void **state)
{
	static const uint64_t sizes[] = {
		64ULL << 20,	3072ULL << 20, 3073ULL << 20, 16ULL << 30,
		32767ULL << 20, 32ULL << 30,   2ULL << 40,    8ULL << 40,
	};
	struct smbios s;

	(void)state;
	for (unsigned int i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint64_t array, dimm, mapped = 0, end = 0;
		const struct structure *map;

		build(&s, 1, sizes[i]);
		/* Array: KiB, or 0x80000000 and bytes. DIMM: MiB, or 0x7FFF and MiB in the extended field. */
		array = get(find(&s, 16, 0)->bytes + 7, 4) << 10;
		if (array == 0x80000000ULL << 10)
			array = get(find(&s, 16, 0)->bytes + 15, 8);
		assert_int_equal(array, sizes[i]);
		dimm = get(find(&s, 17, 0)->bytes + 12, 2) << 20;
		if (dimm == 0x7FFFULL << 20)
			dimm = get(find(&s, 17, 0)->bytes + 28, 4) << 20;
		assert_int_equal(dimm, sizes[i]);
		for (unsigned int k = 0; (map = find(&s, 19, k)); k++) {
			uint64_t first = get(map->bytes + 4, 4) << 10;
			uint64_t last = (get(map->bytes + 8, 4) << 10) + 1023;

			if (get(map->bytes + 4, 4) == 0xFFFFFFFF) {
				first = get(map->bytes + 15, 8);
				last = get(map->bytes + 23, 8);
			}
			assert_true(first >= end);
			assert_true(last < 0xC0000000ULL || first >= 0x100000000ULL);
			mapped += last - first + 1;
			end = last + 1;
			assert_int_equal(get(map->bytes + 12, 2), find(&s, 16, 0)->handle);
		}
		assert_int_equal(mapped, sizes[i]);
		assert_int_equal(get(find(&s, 17, 0)->bytes + 4, 2), find(&s, 16, 0)->handle);
		gm_destroy(s.mem);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(structures_and_strings),
		cmocka_unit_test(processors),
		cmocka_unit_test(memory_sizes),
	};

	return cmocka_run_group_tests_name("smbios", tests, NULL, NULL);
}
