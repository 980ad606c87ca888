/* vmboot.conf: what each key means, what is said of a bad one, and writing it back. */
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "ini_told.h"
#include "settings_file.h"

#define HASH                                                                  \
	"$6$salt$wZU8LXJfJJqoagopbB7RuK6JEotEMZ0CQDy0phpPAuLMYQFcmf6L6BdAbs/" \
	"Q7w7o1qsZ9pFqFVY4yuUSWgaYt1"
#define KEY "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3"

static struct settings_file parse(const char *text)
{
	struct settings_file file;

	told[0] = '\0';
	assert_int_equal(settings_file_parse(text, strlen(text), &report, &file), 0);
	return file;
}

static const char whole[] =
	"default = debian-12\ntimeout = 30\nrearm = 90\nmenu = hidden\ntheme = amber\nascii = yes\n"
	"prefix-key = ^T\nshell = no\nguest-power-off = host\nimages = /srv/images\n"
	"console = ttyS0,baud=115200,size=132x43\nconsole = tty1\n"
	"password = " HASH "\ntrust = warn\ntrust-key = " KEY "\n";

static void check_whole(const struct settings_file *f)
{
	const struct menu_settings *v = &f->values;

	assert_string_equal(told, "");
	assert_string_equal(f->default_id, "debian-12");
	assert_int_equal(v->timeout_s, 30);
	assert_int_equal(v->rearm_s, 90);
	assert_int_equal(v->hidden_menu, 1);
	assert_string_equal(v->theme, "amber");
	assert_int_equal(v->ascii, 1);
	assert_int_equal(v->prefix_key, 0x14);
	assert_int_equal(v->shell_allowed, 0);
	assert_int_equal(v->guest_power, MENU_POWER_TO_HOST);
	assert_string_equal(v->images, "/srv/images");
	assert_int_equal(v->console_count, 2);
	assert_string_equal(v->consoles[0].tty, "ttyS0");
	assert_int_equal(v->consoles[0].baud, 115200);
	assert_int_equal(v->consoles[0].cols, 132);
	assert_int_equal(v->consoles[0].rows, 43);
	assert_string_equal(v->consoles[1].tty, "tty1");
	assert_int_equal(v->consoles[1].baud, 0);
	assert_int_equal(v->has_password, 1);
	assert_int_equal(v->trust, MENU_TRUST_WARN);
	assert_int_equal(f->key_count, 1);
	assert_string_equal(f->keys[0], KEY);
}

static void every_key_is_read_and_written_back(void **state)
{
	struct settings_file f = parse(whole), again;
	struct vmb_err err;
	size_t n;
	char *text;

	(void)state;
	check_whole(&f);
	text = settings_file_render(&f, "", 0, &n, &err);
	assert_non_null(text);
	told[0] = '\0';
	assert_int_equal(settings_file_parse(text, n, &report, &again), 0);
	check_whole(&again);
	free(text);
}

static void without_a_file_the_defaults_hold(void **state)
{
	struct settings_file f = parse("");

	(void)state;
	assert_int_equal(f.values.timeout_s, 5);
	assert_int_equal(f.values.rearm_s, 60);
	assert_int_equal(f.values.shell_allowed, 1);
	assert_int_equal(f.values.prefix_key, 0x1D);
	assert_string_equal(f.values.theme, "default");
	assert_string_equal(f.default_id, "");
	assert_int_equal(f.values.has_password, 0);
	assert_int_equal(settings_file_check(&f.values, NULL), 0);
	assert_int_equal(parse("timeout = off\nrearm = off").values.timeout_s, -1);
	assert_string_equal(told, "");
}

static void a_bad_line_is_told_and_the_rest_works(void **state)
{
	static const struct {
		const char *line, *says;
	} bad[] = {
		{"timeout = soon",
		 "2!\"soon\" is no time; expected seconds from 0 (at once) to 86400, or off."},
		{"timeout = -5", "2!\"-5\" is no time"},
		{"rearm = 1m", "2!\"1m\" is no time"},
		{"menu = no", "2!\"no\" is not known here; expected shown or hidden."},
		{"ascii = 1", "2!\"1\" is not known here; expected yes or no."},
		{"prefix-key = ^[", "2!\"^[\" is no prefix key; expected ^ and a character"},
		{"prefix-key = x", "2!\"x\" is no prefix key"},
		{"guest-power-off = x", "2!\"x\" is not known here; expected menu or host."},
		{"images = iso", "2!This is no directory; expected /PATH."},
		{"console = ttyS0,baud=fast", "2!\"ttyS0,baud=fast\" is no console; expected TTY"},
		{"console = ttyS0,size=80", "2!\"ttyS0,size=80\" is no console"},
		{"console = /dev/ttyS0", "2!\"/dev/ttyS0\" is no console"},
		{"default = ../x", "2!\"../x\" is no entry; expected the name of a file"},
		{"trust-key = abc", "2!This is no public key; expected the 56 characters"},
		{"timout = 5", "2~\"timout\" is not known; expected default, timeout"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char text[512];
		struct settings_file f;

		snprintf(text, sizeof(text), "\n%s\ntheme = light\n", bad[i].line);
		f = parse(text);
		if (strncmp(told, bad[i].says, strlen(bad[i].says)) != 0)
			fail_msg("%s: told \"%s\"", bad[i].line, told);
		assert_string_equal(f.values.theme, "light");
	}
}

/* A mistyped lock must not be an open door. */
static void a_bad_line_never_opens_what_was_to_be_closed(void **state)
{
	struct settings_file f = parse("password = secret\ntrust = requires\nshell = never\n");

	(void)state;
	assert_int_equal(f.values.has_password, 1);
	assert_string_equal(f.password, "");
	assert_true(f.password_bad);
	assert_int_equal(f.values.trust, MENU_TRUST_REQUIRE);
	assert_int_equal(f.values.shell_allowed, 0);
}

static void settings_from_a_menu_are_checked(void **state)
{
	struct settings_file f;
	struct menu_settings v;

	(void)state;
	settings_file_init(&f);
#define REFUSED(change)                                                 \
	do {                                                            \
		struct vmb_err err = {0};                               \
		v = f.values;                                           \
		change;                                                 \
		assert_int_not_equal(settings_file_check(&v, &err), 0); \
		assert_true(err.text[0]);                               \
	} while (0)
	REFUSED(v.timeout_s = -2);
	REFUSED(v.timeout_s = 100000);
	REFUSED(v.prefix_key = 'x');
	REFUSED(v.prefix_key = 0x1B);
	REFUSED(v.theme[0] = '\0');
	REFUSED(memset(v.theme, 'x', sizeof(v.theme)));
	REFUSED(strcpy(v.images, "x"));
	REFUSED(v.console_count = MENU_MAX_CONSOLES + 1);
	REFUSED(v.console_count = 1);
	REFUSED((v.console_count = 1, strcpy(v.consoles[0].tty, "ttyS0"), v.consoles[0].rows = 3));
	REFUSED(v.guest_power = 2);
	REFUSED(v.trust = 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_key_is_read_and_written_back),
		cmocka_unit_test(without_a_file_the_defaults_hold),
		cmocka_unit_test(a_bad_line_is_told_and_the_rest_works),
		cmocka_unit_test(a_bad_line_never_opens_what_was_to_be_closed),
		cmocka_unit_test(settings_from_a_menu_are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
