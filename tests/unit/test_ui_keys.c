/* Keys: what terminals send, what guests expect, and the widgets that take them. */
#include <locale.h>
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "ui/field.h"
#include "ui/guest_keys.h"
#include "ui/keys.h"
#include "ui/list.h"

/* Feeds S and collects the keys; returns how many. */
static int decode(struct keys *keys, const char *s, size_t n, struct ui_key *out, int max)
{
	int count = 0;

	for (size_t i = 0; i < n; i++) {
		struct ui_key key;

		if (keys_feed(keys, (uint8_t)s[i], &key) && count < max)
			out[count++] = key;
	}
	return count;
}

static void test_every_form_of_a_key(void **state)
{
	static const struct {
		const char *bytes;
		uint32_t code;
	} table[] = {
		{"\033[A", UI_KEY_UP}, {"\033OA", UI_KEY_UP}, {"\033[1;5A", UI_KEY_UP},
		{"\033[B", UI_KEY_DOWN}, {"\033OC", UI_KEY_RIGHT}, {"\033[D", UI_KEY_LEFT},
		{"\033[H", UI_KEY_HOME}, {"\033[1~", UI_KEY_HOME}, {"\033[7~", UI_KEY_HOME},
		{"\033OH", UI_KEY_HOME}, {"\033[F", UI_KEY_END}, {"\033[4~", UI_KEY_END},
		{"\033[8~", UI_KEY_END}, {"\033[2~", UI_KEY_INSERT}, {"\033[3~", UI_KEY_DELETE},
		{"\033[5~", UI_KEY_PAGE_UP}, {"\033[6~", UI_KEY_PAGE_DOWN}, {"\033[Z", UI_KEY_BACKTAB},
		{"\033OP", UI_KEY_F1}, {"\033[11~", UI_KEY_F1}, {"\033[[A", UI_KEY_F1},
		{"\033[[E", UI_KEY_F1 + 4}, {"\033[15~", UI_KEY_F1 + 4}, {"\033[17~", UI_KEY_F1 + 5},
		{"\033[21~", UI_KEY_F1 + 9}, {"\033[23~", UI_KEY_F1 + 10}, {"\033[24~", UI_KEY_F12},
		{"\033[1;2P", UI_KEY_F1}, {"a", 'a'}, {"\r", '\r'}, {"\n", '\n'}, {"\177", 0x7F},
		{"\010", 8}, {"\t", '\t'}, {"\xC3\xA4", 0xE4}, {"\xE2\x82\xAC", 0x20AC},
		{"\xF0\x9F\x98\x80", 0x1F600}, {"\035", 0x1D}, {"\033OM", '\r'},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct keys keys = {0};
		struct ui_key out[4];
		int n = decode(&keys, table[i].bytes, strlen(table[i].bytes), out, 4);

		if (n != 1 || out[0].code != table[i].code || out[0].alt || keys_pending(&keys))
			fail_msg("row %zu: %d keys, code %x", i, n, n ? out[0].code : 0);
	}
}

/* Nothing unknown may turn into letters: "e" opens the form, "q" leaves. */
static void test_unknown_sequences_are_dropped(void **state)
{
	static const char *const table[] = {
		"\033[26~",	"\033[?1;2c",	"\033[24;80R",	  "\033[>0;10;1c", "\033[200~",
		"\033[M",	"\033Oq",	"\033[[Z",	  "\033[99999999999~", "\033[1;2;3;4;5q",
		"\033]0;quit\007", "\033]0;e\033\\", "\033P1$r0m\033\\", "\033[I",	   "\033[O",
		"\xFF",		"\x80",		"\xC3(",	  "\xED\xA0\x80",	   "\033[ q",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct keys keys = {0};
		struct ui_key out[8];
		int n = decode(&keys, table[i], strlen(table[i]), out, 8);

		if (n != 0)
			fail_msg("row %zu gave %d keys, the first %x", i, n, out[0].code);
		/* And the next key is a key again. */
		assert_int_equal(decode(&keys, "j", 1, out, 8), 1);
		assert_int_equal(out[0].code, 'j');
	}
}

static void test_lone_escape_and_alt(void **state)
{
	struct keys keys = {0};
	struct ui_key out[4];

	(void)state;
	assert_int_equal(decode(&keys, "\033", 1, out, 4), 0);
	assert_true(keys_pending(&keys));
	assert_true(keys_timeout(&keys, &out[0]));
	assert_int_equal(out[0].code, UI_KEY_ESCAPE);
	assert_false(keys_pending(&keys));
	/* Esc pressed twice: the first is a key at once. */
	assert_int_equal(decode(&keys, "\033\033", 2, out, 4), 1);
	assert_int_equal(out[0].code, UI_KEY_ESCAPE);
	assert_true(keys_timeout(&keys, &out[0]));
	/* Esc and a letter in one go is Alt, which no menu screen takes for the letter. */
	assert_int_equal(decode(&keys, "\033q", 2, out, 4), 1);
	assert_true(out[0].alt);
	assert_int_equal(out[0].code, 'q');
	/* A sequence that stops half way ends without a key. */
	assert_int_equal(decode(&keys, "\033[1", 3, out, 4), 0);
	assert_false(keys_timeout(&keys, &out[0]));
	assert_int_equal(decode(&keys, "\033]junk", 6, out, 4), 0);
	assert_false(keys_timeout(&keys, &out[0]));
	assert_int_equal(decode(&keys, "j", 1, out, 4), 1);
	/* A new Esc interrupts an unfinished sequence. */
	assert_int_equal(decode(&keys, "\033[1\033[A", 6, out, 4), 1);
	assert_int_equal(out[0].code, UI_KEY_UP);
}

static void test_random_bytes(void **state)
{
	struct keys keys = {0};
	struct ui_key key;

	(void)state;
	srandom(7);
	for (int i = 0; i < 300000; i++) {
		if (keys_feed(&keys, (uint8_t)random(), &key))
			assert_true(key.code <= UI_KEY_F12);
	}
}

/* EDK2, TerminalConIn.c, table at the top: column VT100+ / VTUTF8. */
static void test_guest_keys(void **state)
{
	static const struct {
		struct ui_key key;
		const char *bytes;
	} table[] = {
		{{UI_KEY_UP, 0}, "\033[A"}, {{UI_KEY_DOWN, 0}, "\033[B"}, {{UI_KEY_RIGHT, 0}, "\033[C"},
		{{UI_KEY_LEFT, 0}, "\033[D"}, {{UI_KEY_HOME, 0}, "\033h"}, {{UI_KEY_END, 0}, "\033k"},
		{{UI_KEY_INSERT, 0}, "\033+"}, {{UI_KEY_DELETE, 0}, "\033-"},
		{{UI_KEY_PAGE_UP, 0}, "\033?"}, {{UI_KEY_PAGE_DOWN, 0}, "\033/"},
		{{UI_KEY_F1, 0}, "\0331"}, {{UI_KEY_F1 + 8, 0}, "\0339"}, {{UI_KEY_F1 + 9, 0}, "\0330"},
		{{UI_KEY_F1 + 10, 0}, "\033!"}, {{UI_KEY_F12, 0}, "\033@"},
		{{UI_KEY_ESCAPE, 0}, "\033"}, {{0x7F, 0}, "\010"}, {{8, 0}, "\010"}, {{'\r', 0}, "\r"},
		{{'x', 0}, "x"}, {{0xE4, 0}, "\xC3\xA4"}, {{0x20AC, 0}, "\xE2\x82\xAC"},
		{{0x1F600, 0}, "\xF0\x9F\x98\x80"}, {{'1', 1}, "\0331"},
		{{'R', 1}, "\033R"}, {{UI_KEY_F12 + 1, 0}, ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		uint8_t buf[GUEST_KEY_MAX];
		size_t n = guest_key_encode(GUEST_VTUTF8, &table[i].key, buf);

		if (n != strlen(table[i].bytes) || memcmp(buf, table[i].bytes, n) != 0)
			fail_msg("row %zu", i);
	}
}

/* The same file for PC-ANSI and TTY; xterm's control sequences for xterm. NULL: no such key. */
static void test_guest_profiles(void **state)
{
	static const struct {
		struct ui_key key;
		const char *bytes[GUEST_PROFILES]; /* VT-UTF8, xterm, PC-ANSI, TTY */
	} table[] = {
		{{UI_KEY_UP, 0}, {"\033[A", "\033[A", "\033[A", "\033[A"}},
		{{UI_KEY_HOME, 0}, {"\033h", "\033[H", "\033[H", "\033OH"}},
		{{UI_KEY_END, 0}, {"\033k", "\033[F", "\033[F", "\033OF"}},
		{{UI_KEY_INSERT, 0}, {"\033+", "\033[2~", "\033[@", "\033[2~"}},
		{{UI_KEY_DELETE, 0}, {"\033-", "\033[3~", "\033[X", "\033[3~"}},
		{{UI_KEY_PAGE_UP, 0}, {"\033?", "\033[5~", "\033[I", "\033[5~"}},
		{{UI_KEY_PAGE_DOWN, 0}, {"\033/", "\033[6~", "\033[G", "\033[6~"}},
		{{UI_KEY_BACKTAB, 0}, {"\t", "\033[Z", "\t", "\t"}},
		{{UI_KEY_F1, 0}, {"\0331", "\033OP", "\033[M", "\033OP"}},
		{{UI_KEY_F1 + 4, 0}, {"\0335", "\033[15~", "\033[Q", "\033[15~"}},
		{{UI_KEY_F1 + 5, 0}, {"\0336", "\033[17~", "\033[R", "\033[17~"}},
		{{UI_KEY_F1 + 9, 0}, {"\0330", "\033[21~", "\033[V", "\033[21~"}},
		{{UI_KEY_F1 + 10, 0}, {"\033!", "\033[23~", "", "\033[23~"}},
		{{UI_KEY_F12, 0}, {"\033@", "\033[24~", "", "\033[24~"}},
		/* Firmware takes 0x7F for Delete, a system expects it of Backspace. */
		{{0x7F, 0}, {"\010", "\177", "\010", "\010"}},
		{{0x08, 0}, {"\010", "\177", "\010", "\010"}},
		{{UI_KEY_ESCAPE, 0}, {"\033", "\033", "\033", "\033"}},
		{{'R', 1}, {"\033R", "\033R", "\033R", "\033R"}},
		{{'x', 1}, {"\033x", "\033x", "\033x", "\033x"}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		for (int p = 0; p < GUEST_PROFILES; p++) {
			const char *want = table[i].bytes[p];
			uint8_t buf[GUEST_KEY_MAX];
			size_t n = guest_key_encode((enum guest_profile)p, &table[i].key, buf);

			if (n != strlen(want) || memcmp(buf, want, n) != 0)
				fail_msg("row %zu, %s", i, guest_profile_name((enum guest_profile)p));
		}
}

static void press(struct field *field, const char *s)
{
	for (; *s; s++)
		field_key(field, &(struct ui_key){.code = (uint8_t)*s});
}

static void test_field(void **state)
{
	struct field field;

	(void)state;
	field_set(&field, "1G");
	press(&field, "\177\177" "512M");
	assert_string_equal(field.text, "512M");
	field_key(&field, &(struct ui_key){.code = UI_KEY_HOME});
	press(&field, "2");
	assert_string_equal(field.text, "2512M");
	field_key(&field, &(struct ui_key){.code = UI_KEY_DELETE});
	assert_string_equal(field.text, "212M");
	field_key(&field, &(struct ui_key){.code = UI_KEY_END});
	press(&field, "\001\010");
	assert_string_equal(field.text, "212M");
	/* Letters that are commands elsewhere are text here. */
	press(&field, "\025" "q!e?");
	assert_string_equal(field.text, "q!e?");
	for (int i = 0; i < FIELD_SIZE + 100; i++)
		press(&field, "9");
	assert_int_equal(strlen(field.text), FIELD_SIZE - 1);
	field.max = 5;
	press(&field, "\025" "1234567");
	assert_string_equal(field.text, "12345");
	field.max = 0;
	assert_false(field_key(&field, &(struct ui_key){.code = UI_KEY_UP}));
	assert_false(field_key(&field, &(struct ui_key){.code = 'x', .alt = true}));
	assert_false(field_key(&field, &(struct ui_key){.code = 0x9B}));
	assert_false(field_key(&field, &(struct ui_key){.code = 0x202E}));
	srandom(3);
	for (int i = 0; i < 50000; i++) {
		field_key(&field, &(struct ui_key){.code = random() % 2 ? (uint32_t)random() % 128
									: UI_KEY_UP + (uint32_t)random() % 12});
		assert_int_equal(strlen(field.text), field.len);
		assert_true(field.cursor >= 0 && field.cursor <= field.len);
	}
}

/* A title may have letters of any language: none is torn apart. */
static void test_field_utf8(void **state)
{
	struct field field = {.max = 6};

	(void)state;
	if (!setlocale(LC_CTYPE, "C.UTF-8"))
		skip();
	field_set(&field, "a\xC3\xA4");
	assert_true(field_key(&field, &(struct ui_key){.code = 0x65E5}));
	assert_string_equal(field.text, "a\xC3\xA4\xE6\x97\xA5");
	/* Full: three bytes more do not fit, and are not cut. */
	assert_true(field_key(&field, &(struct ui_key){.code = 0x672C}));
	assert_int_equal(field.len, 6);
	field_key(&field, &(struct ui_key){.code = UI_KEY_LEFT});
	assert_int_equal(field.cursor, 3);
	press(&field, "\177");
	assert_string_equal(field.text, "a\xE6\x97\xA5");
	field_key(&field, &(struct ui_key){.code = UI_KEY_DELETE});
	assert_string_equal(field.text, "a");
	assert_int_equal(field.cursor, 1);
	setlocale(LC_CTYPE, "C");
}

static void test_list(void **state)
{
	struct list list = {0};

	(void)state;
	list_fit(&list, 30, 10);
	assert_true(list_key(&list, &(struct ui_key){.code = UI_KEY_END}));
	assert_int_equal(list.cursor, 29);
	assert_int_equal(list.top, 20);
	assert_true(list_key(&list, &(struct ui_key){.code = UI_KEY_PAGE_UP}));
	assert_int_equal(list.cursor, 20);
	/* A page further is the next page, with one row of the one before, wherever the cursor stood in it. */
	list = (struct list){.cursor = 4};
	list_fit(&list, 30, 10);
	assert_true(list_key(&list, &(struct ui_key){.code = UI_KEY_PAGE_DOWN}));
	assert_int_equal(list.top, 9);
	assert_int_equal(list.cursor, 13);
	assert_true(list_key(&list, &(struct ui_key){.code = UI_KEY_PAGE_UP}));
	assert_int_equal(list.top, 0);
	assert_int_equal(list.cursor, 4);
	/* The list shrinks under the cursor. */
	list_fit(&list, 3, 10);
	assert_int_equal(list.cursor, 2);
	assert_int_equal(list.top, 0);
	list_fit(&list, 0, 10);
	assert_int_equal(list.cursor, 0);
	assert_true(list_key(&list, &(struct ui_key){.code = 'j'}));
	assert_int_equal(list.cursor, 0);
	assert_false(list_key(&list, &(struct ui_key){.code = ' '}));
	assert_false(list_key(&list, &(struct ui_key){.code = 'j', .alt = true}));
	srandom(5);
	for (int i = 0; i < 20000; i++) {
		list_fit(&list, (int)(random() % 40), (int)(random() % 20));
		list_key(&list, &(struct ui_key){.code = UI_KEY_UP + (uint32_t)random() % 10});
		assert_true(list.cursor >= 0 && (list.cursor < list.count || list.count == 0));
		assert_true(list.top <= list.cursor && list.cursor < list.top + list.height);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_form_of_a_key),
		cmocka_unit_test(test_unknown_sequences_are_dropped),
		cmocka_unit_test(test_lone_escape_and_alt),
		cmocka_unit_test(test_random_bytes),
		cmocka_unit_test(test_guest_keys),
		cmocka_unit_test(test_guest_profiles),
		cmocka_unit_test(test_field),
		cmocka_unit_test(test_field_utf8),
		cmocka_unit_test(test_list),
	};

	return cmocka_run_group_tests_name("ui_keys", tests, NULL, NULL);
}
