/* INI text: what is read from it, the faults with their lines, and changes that keep comments. */
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "ini_file.h"

struct seen {
	char text[16384];
};

static void on_value(void *ctx, int line, const char *section, const char *name, const char *value)
{
	struct seen *s = ctx;
	size_t n = strlen(s->text);

	snprintf(s->text + n, sizeof(s->text) - n, "%d[%s]%s=%s\n", line, section, name, value);
}

static void on_fault(void *ctx, int line, const char *text)
{
	struct seen *s = ctx;
	size_t n = strlen(s->text);

	snprintf(s->text + n, sizeof(s->text) - n, "%d!%s\n", line, text);
}

static const struct ini_handler handler = {.value = on_value, .fault = on_fault};

static const char *parse(struct seen *s, const char *text)
{
	s->text[0] = '\0';
	assert_int_equal(ini_file_parse(text, strlen(text), &handler, s), 0);
	return s->text;
}

static void values_are_read_with_their_lines(void **state)
{
	struct seen s;

	(void)state;
	assert_string_equal(parse(&s,
				  "\xEF\xBB\xBF# a comment\n\ntitle = Debian 12 ; the old one\r\n"
				  "  memory=4G\n; no\n[console ttyS0]\nbaud = 115200\n"
				  "disk = serial:A\ndisk = serial:B;C"),
			    "3[]title=Debian 12\n4[]memory=4G\n7[console ttyS0]baud=115200\n"
			    "8[console ttyS0]disk=serial:A\n9[console ttyS0]disk=serial:B;C\n");
	assert_string_equal(parse(&s, ""), "");
	assert_string_equal(parse(&s, "empty =\nurl = a=b:c"), "1[]empty=\n2[]url=a=b:c\n");
}

static void every_bad_line_is_told_and_the_rest_is_read(void **state)
{
	struct seen s;

	(void)state;
	assert_string_equal(
		parse(&s, "title\n[open\nmemory = 1G\n= 4\n"),
		"1!\"title\" is neither a comment nor a value; expected: name = value.\n"
		"2!\"[open\" is no section; expected [name].\n3[]memory=1G\n"
		"4!\"= 4\" is neither a comment nor a value; expected: name = value.\n");
	assert_string_equal(
		parse(&s, "\033[2J\n"),
		"1!\"\\x1b[2J\" is neither a comment nor a value; expected: name = value.\n");
}

static void a_byte_of_nul_is_no_text(void **state)
{
	struct seen s = {.text = ""};

	(void)state;
	assert_int_equal(ini_file_parse("a = 1\nb = \0002\nc = 3\n", 19, &handler, &s), 0);
	assert_string_equal(s.text, "1[]a=1\n2!A byte here is no text; expected: name = value.\n"
				    "3[]c=3\n");
}

static void a_long_command_line_comes_whole(void **state)
{
	char text[3000] = "options = ", want[3100];
	struct seen s;
	size_t n = strlen(text);

	(void)state;
	/* Words of every length, so that a cut falls on each place. */
	while (n < 2000)
		n += (size_t)sprintf(text + n, "%.*s;#=%zu ", (int)(n % 36) + 1,
				     "abcdefghijklmnopqrstuvwxyz0123456789", n);
	text[n - 1] = '\0';
	snprintf(want, sizeof(want), "1[]%.7s=%s\n2[]x=y\n", text, text + 10);
	strcat(text, "\nx = y\n");
	assert_string_equal(parse(&s, text), want);
}

static void what_cannot_be_cut_or_kept_is_a_fault(void **state)
{
	static char text[9000];
	struct seen s;

	(void)state;
	memset(text, 'x', 8000);
	memcpy(text, "a = ", 4);
	strcpy(text + 8000, "\nb = 2\n");
	assert_string_equal(parse(&s, text), "1!The value is longer than 4095 bytes.\n2[]b=2\n");
	memset(text, ' ', 1000);
	memcpy(text, "a = 1", 5);
	strcpy(text + 1000, "2\nb = 2\n");
	assert_string_equal(parse(&s, text), "1!The line is too long.\n2[]b=2\n");
}

static const char *const known[] = {"title", "memory", "disk", NULL};

static void check_rewrite(const char *old, const struct ini_pair *pairs, size_t count,
			  const char *want)
{
	size_t n;
	char *text = ini_file_rewrite(old, strlen(old), known, pairs, count, &n);

	assert_non_null(text);
	assert_string_equal(text, want);
	assert_int_equal(n, strlen(want));
	free(text);
}

static void a_change_keeps_comments_and_unknown_lines(void **state)
{
	const struct ini_pair pairs[] = {
		{"title", "New"}, {"disk", "serial:B"}, {"disk", "serial:C"}, {"memory", "2G"}};

	(void)state;
	check_rewrite("", pairs, 4, "title = New\ndisk = serial:B\ndisk = serial:C\nmemory = 2G\n");
	check_rewrite("# mine\ntitle = Old ; why\nfuture = 7\n disk=serial:A\n\n; more\ndisk = "
		      "serial:X\nlast",
		      pairs, 4,
		      "# mine\ntitle = New\nfuture = 7\ndisk = serial:B\ndisk = serial:C\n\n; "
		      "more\nlast\n"
		      "memory = 2G\n");
	check_rewrite("memory = 1G\ntitle = a\n", pairs, 1, "title = New\n");
	check_rewrite("x = 1\n[part]\ntitle = inner\n", pairs, 1,
		      "x = 1\ntitle = New\n[part]\ntitle = inner\n");
}

static void values_that_would_not_come_back_are_refused(void **state)
{
	static const char *const bad[] = {"a\nb", "a\tb\033", " a",   "a ",
					  "a ;b", ";b",	      "a\t;", NULL};
	struct vmb_err err;

	(void)state;
	for (size_t i = 0; bad[i]; i++) {
		assert_int_equal(ini_file_check_value("The title", bad[i], &err), -EINVAL);
		assert_memory_equal(err.text, "The title ", 10);
	}
	assert_int_equal(ini_file_check_value("The title", "a;b = #c [d]", NULL), 0);
	assert_int_equal(ini_file_check_value("The title", "", NULL), 0);
}

/* The longest value that may be written is read again, one byte more is refused both ways. */
static void the_longest_value_comes_back(void **state)
{
	static char value[INI_VALUE_SIZE + 1], text[sizeof(value) + 8];
	struct vmb_err err;
	struct seen s;

	(void)state;
	memset(value, 'x', INI_VALUE_SIZE - 1);
	assert_int_equal(ini_file_check_value("The title", value, NULL), 0);
	snprintf(text, sizeof(text), "a = %s", value);
	assert_int_equal(strlen(parse(&s, text)), strlen("1[]a=\n") + INI_VALUE_SIZE - 1);
	value[INI_VALUE_SIZE - 1] = 'x';
	assert_int_equal(ini_file_check_value("The title", value, &err), -EINVAL);
	assert_string_equal(err.text, "The title is longer than 4095 bytes. Shorten it.");
	snprintf(text, sizeof(text), "a = %s", value);
	assert_string_equal(parse(&s, text), "1!The value is longer than 4095 bytes.\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_are_read_with_their_lines),
		cmocka_unit_test(every_bad_line_is_told_and_the_rest_is_read),
		cmocka_unit_test(a_byte_of_nul_is_no_text),
		cmocka_unit_test(a_long_command_line_comes_whole),
		cmocka_unit_test(what_cannot_be_cut_or_kept_is_a_fault),
		cmocka_unit_test(a_change_keeps_comments_and_unknown_lines),
		cmocka_unit_test(values_that_would_not_come_back_are_refused),
		cmocka_unit_test(the_longest_value_comes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
