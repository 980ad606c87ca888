/*
 * Settings from a partition that anybody can have made: bytes become an entry, vmboot.conf, or a signature. Promise:
 * what was understood reads the same after it was written, also into the text that it came from; a signature is
 * never taken for one of a key that made none.
 */
#include "fuzz.h"

#include <stdio.h>

#include "entry_file.h"
#include "settings_file.h"
#include "trust.h"

static void fuzz_entry(const char *text, size_t n)
{
	static struct entry_file first, again;
	struct vmb_err err = {0};
	size_t new_n, kept_n;
	char *new, *kept;

	must(entry_file_parse(text, n, NULL, &first) == 0);
	must(first.problem.line == 0 || first.problem.text[0]);
	new = entry_file_render(&first.entry, "", 0, &new_n, &err);
	if (!new) {
		must(err.text[0]); /* a value that came through but cannot be written */
		return;
	}
	must(entry_file_parse(new, new_n, NULL, &again) == 0);
	kept = entry_file_render(&again.entry, new, new_n, &kept_n, &err);
	must(kept && kept_n == new_n && memcmp(kept, new, new_n) == 0);
	free(kept);
	free(new);
}

static void fuzz_settings(const char *text, size_t n)
{
	static struct settings_file first, again;
	struct vmb_err err = {0};
	size_t new_n, kept_n;
	char *new, *kept;

	must(settings_file_parse(text, n, NULL, &first) == 0);
	must(settings_file_check(&first.values, &err) == 0 || err.text[0]);
	new = settings_file_render(&first, "", 0, &new_n, &err);
	if (!new) {
		must(err.text[0]);
		return;
	}
	must(settings_file_parse(new, new_n, NULL, &again) == 0);
	must(again.values.trust == first.values.trust);
	kept = settings_file_render(&again, new, new_n, &kept_n, &err);
	must(kept && kept_n == new_n && memcmp(kept, new, new_n) == 0);
	free(kept);
	/* Into what an operator wrote. */
	kept = settings_file_render(&first, text, n, &kept_n, &err);
	must(kept && settings_file_parse(kept, kept_n, NULL, &again) == 0);
	must(strcmp(first.default_id, again.default_id) == 0);
	free(kept);
	free(new);
}

static void fuzz_signature(const char *text, size_t n)
{
	/* A point of the curve that no input signs for. */
	static const struct trust_key key = {
		.id = "12345678",
		.key = {0x58, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
			0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
			0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66}};
	struct trust_key parsed;
	char line[128];
	struct vmb_err err;

	must(trust_check(&key, 1, "data", 4, text, n, &err) < 0 && err.text[0]);
	snprintf(line, sizeof(line), "%.*s", n < 100 ? (int)n : 100, text);
	trust_parse_key(line, &parsed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	uint64_t what = take(&in, 1);
	char *text = malloc(in.left + 1);

	must(text);
	memcpy(text, in.at, in.left);
	if (what % 4 == 3)
		fuzz_signature(text, in.left);
	else if (what % 4 == 2)
		fuzz_settings(text, in.left);
	else
		fuzz_entry(text, in.left);
	free(text);
	return 0;
}
