/* Themes: the project's own, an operator's files good and bad, and what the screen then shows. */
#include "test.h"

#include <curses.h>
#undef timeout

#include "menu_session.h"
#include "ui/theme.h"

static const char *const names[] = {"default", "high-contrast", "mono", "light", "amber"};

#define NAME_COUNT (sizeof(names) / sizeof(names[0]))

/* A folder with one file NAME.theme of TEXT in it; returns the folder's path. */
static const char *dir_with(const char *name, const char *text)
{
	static char dir[64];
	char path[160];
	FILE *f;

	snprintf(dir, sizeof(dir), "/tmp/vmboot-theme-XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/%s.theme", dir, name);
	f = fopen(path, "we");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	return dir;
}

static void dir_remove(const char *dir, const char *name)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/%s.theme", dir, name);
	unlink(path);
	rmdir(dir);
}

static bool same_style(const struct theme_style *a, const struct theme_style *b)
{
	return a->fg == b->fg && a->bg == b->bg && a->attrs == b->attrs;
}

/* Every theme says every element in both parts, so that a copy of it shows an operator all there is. */
static void test_files_are_complete(void **state)
{
	(void)state;
	for (size_t i = 0; i < NAME_COUNT; i++) {
		char path[64], text[8192], *mono;
		FILE *f;

		snprintf(path, sizeof(path), "themes/%s.theme", names[i]);
		f = fopen(path, "re");
		if (!f)
			fail_msg("%s is missing: run the tests from the top of the tree", path);
		text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
		fclose(f);
		mono = strstr(text, "\n[mono]");
		assert_non_null(mono);
		for (int e = 0; e < UI_ELEMENT_COUNT; e++) {
			char line[64], *colour;

			snprintf(line, sizeof(line), "\n%-11s = ", theme_element_name(e));
			colour = strstr(text, line);
			if (!colour || colour > mono || !strstr(mono, line))
				fail_msg("%s does not say \"%s\" in both parts", path, line + 1);
		}
	}
}

/* Nothing is drawn in its own background's colour, and the row under the cursor stands out. */
static void test_own_themes_are_readable(void **state)
{
	(void)state;
	for (size_t i = 0; i < NAME_COUNT; i++) {
		struct theme theme;
		struct vmb_err err = {0};

		if (theme_load(names[i], "/nonexistent", &theme, &err) != 0)
			fail_msg("%s", err.text);
		for (int kind = 0; kind < THEME_KINDS; kind++) {
			const struct theme_style *styles = theme.styles[kind];

			for (int e = 0; e < UI_ELEMENT_COUNT; e++) {
				assert_true(styles[e].fg != styles[e].bg || styles[e].fg == -1);
				/* One of the two alone could meet the same colour in the terminal. */
				if (strcmp(names[i], "default") != 0)
					assert_int_equal(styles[e].fg == -1, styles[e].bg == -1);
				if (kind == THEME_MONO)
					assert_int_equal(styles[e].fg, -1);
				/* The VGA console, and others, show a bold black as grey: pale on white. */
				assert_false(styles[e].fg == 0 && (styles[e].attrs & A_BOLD));
			}
			assert_false(same_style(&styles[UI_SELECTED], &styles[UI_NORMAL]));
			assert_false(same_style(&styles[UI_FIELD_FOCUS], &styles[UI_FIELD]));
		}
	}
}

static void test_a_file_says_some_and_keeps_the_rest(void **state)
{
	static const char text[] = "\xEF\xBB\xBF# mine\r\n\n[colour]\r\n"
				   "   title = Bright-Yellow 17 BOLD underline\n"
				   "; a comment\n\tkey= red default ; and one here\n"
				   "[mono]\ntitle = normal\nbad = reverse blink\n";
	const char *dir = dir_with("mine", text);
	struct theme theme, own;
	struct vmb_err err = {0};
	char path[128];

	(void)state;
	assert_int_equal(theme_load(NULL, "/nonexistent", &own, &err), 0);
	snprintf(path, sizeof(path), "%s/mine.theme", dir);
	for (int by_name = 0; by_name < 2; by_name++) {
		struct theme_style *c = theme.styles[THEME_COLOUR], *m = theme.styles[THEME_MONO];

		if (theme_load(by_name ? "mine" : path, dir, &theme, &err) != 0)
			fail_msg("%s", err.text);
		assert_int_equal(c[UI_TITLE].fg, 11);
		assert_int_equal(c[UI_TITLE].bg, 17);
		assert_int_equal(c[UI_TITLE].attrs, A_BOLD | A_UNDERLINE);
		assert_int_equal(c[UI_KEY].fg, COLOR_RED);
		assert_int_equal(c[UI_KEY].bg, -1);
		assert_int_equal(m[UI_TITLE].attrs, A_NORMAL);
		assert_int_equal(m[UI_BAD].attrs, A_REVERSE | A_BLINK);
		assert_true(same_style(&c[UI_RULE], &own.styles[THEME_COLOUR][UI_RULE]));
		assert_true(same_style(&m[UI_SELECTED], &own.styles[THEME_MONO][UI_SELECTED]));
	}
	dir_remove(dir, "mine");
}

/* A file of the directory goes before the program's own of that name, "default" included. */
static void test_directory_overrides(void **state)
{
	const char *dir = dir_with("default", "[colour]\ntitle = green red\n");
	struct theme theme;

	(void)state;
	assert_int_equal(theme_load(NULL, dir, &theme, NULL), 0);
	assert_int_equal(theme.styles[THEME_COLOUR][UI_TITLE].fg, COLOR_GREEN);
	assert_int_equal(theme_load("light", dir, &theme, NULL), 0);
	assert_int_equal(theme.styles[THEME_COLOUR][UI_NORMAL].bg, COLOR_WHITE);
	dir_remove(dir, "default");
}

static void test_bad_files(void **state)
{
	static const struct {
		const char *text, *where, *why;
	} table[] = {
		{"[colour]\n\ntitle = purpl blue\n", ":3: ", "\"purpl\" is no colour; expected default, black"},
		{"[colour]\ntitle = red 256\n", ":2: ", "\"256\" is no colour"},
		{"[colour]\ntitle = red -1\n", ":2: ", "\"-1\" is no colour"},
		{"[colour]\ntitle = bright-default red\n", ":2: ", "no colour"},
		{"[colour]\ntitle = red\n", ":2: ", "The background is missing; expected"},
		{"[colour]\ntitle =\n", ":2: ", "The foreground is missing"},
		{"[colour]\ntitle = red blue bald\n", ":2: ", "\"bald\" is no attribute; expected bold"},
		{"[colour]\ntitel = red blue\n", ":2: ", "\"titel\" is no element"},
		{"# one\n[mono]\ntitle = red blue\n", ":3: ", "\"red\" is no attribute"},
		{"[mono]\ntitle =\n", ":2: ", "Nothing stands after"},
		{"title = red blue\n", ":1: ", "No section begins before"},
		{"[colours]\ntitle = red blue\n", ":2: ", "[colours]; expected [colour] or [mono]"},
		{"[colour\n", ":1: ", "\"[colour\" is no section; expected [name]."},
		{"[colour]\ntitle red blue\n", ":2: ", "neither"},
		/* Two lines are never joined to one. */
		{"[colour]\ntitle = red blue\n   bold\n", ":3: ", "neither"},
		/* The first of two faults. */
		{"[colour]\nnonsense\ntitle = x y\n", ":2: ", "neither"},
		{"[colour]\ntitle = x y\nnonsense\n", ":2: ", "\"x\""},
		{"[colour]\ntitle = \033]0;x\007 y\n", ":2: ", "\\x1b]0;x\\x07\" is no colour"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		const char *dir = dir_with("bad", table[i].text);
		struct theme theme, own;
		struct vmb_err err = {0};
		char where[128];

		assert_int_equal(theme_load(NULL, "/nonexistent", &own, NULL), 0);
		assert_int_equal(theme_load("bad", dir, &theme, &err), -EINVAL);
		snprintf(where, sizeof(where), "%s/bad.theme%s", dir, table[i].where);
		if (strncmp(err.text, where, strlen(where)) != 0 || !strstr(err.text, table[i].why))
			fail_msg("wanted %s...%s, got %s", where, table[i].why, err.text);
		/* Nothing of a bad file is taken over. */
		assert_memory_equal(&theme, &own, sizeof(own));
		dir_remove(dir, "bad");
	}
}

static void test_what_is_no_theme(void **state)
{
	struct theme theme;
	struct vmb_err err = {0};
	char text[600], big[20000];
	const char *dir;

	(void)state;
	assert_int_equal(theme_load("solarized", "/nonexistent", &theme, &err), -ENOENT);
	assert_string_equal(err.text, "There is no theme \"solarized\" in /nonexistent, and none of that "
				      "name in the program, which has: default, high-contrast, mono, "
				      "light, amber.");
	assert_int_equal(theme_load("./no/such", NULL, &theme, &err), -ENOENT);
	assert_non_null(strstr(err.text, "./no/such cannot be opened: No such file"));
	assert_int_equal(theme_load("/tmp", NULL, &theme, &err), -EINVAL);
	assert_string_equal(err.text, "/tmp is not a file.");
	assert_int_equal(theme_load("/dev/zero", NULL, &theme, &err), -EINVAL);
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	memcpy(text, "[colour]\ntitle = ", 17);
	dir = dir_with("long", text);
	assert_int_equal(theme_load("long", dir, &theme, &err), -EINVAL);
	assert_non_null(strstr(err.text, "long.theme:2: The line is too long; expected at most"));
	dir_remove(dir, "long");
	memset(big, '\n', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	dir = dir_with("big", big);
	assert_int_equal(theme_load("big", dir, &theme, &err), -EFBIG);
	dir_remove(dir, "big");
	assert_int_equal(theme_parse("nul", "[colour]\n\0\n", 11, &theme, &err), -EINVAL);
	assert_string_equal(err.text, "nul:2: A byte here is no text; expected: name = value.");
}

/* ---- on the screen ---- */

static VTermScreenCell cell_at(const struct session *s, int row, int col)
{
	VTermScreenCell cell;

	assert_true(vterm_screen_get_cell(s->screen, (VTermPos){.row = row, .col = col}, &cell));
	return cell;
}

/* The row whose text contains TEXT. */
static int row_of(struct session *s, const char *text)
{
	const char *at = strstr(session_text(s), text);

	assert_non_null(at);
	return (int)((at - s->text) / (s->cols + 1));
}

static int index_of(const VTermColor *colour, bool is_default)
{
	return is_default ? -1 : VTERM_COLOR_IS_INDEXED(colour) ? colour->indexed.idx : 999;
}

/* The cell has the style, as a terminal with 256 colours shows it. */
static void assert_style(const VTermScreenCell *cell, const struct theme_style *style)
{
	bool bold = (style->attrs & A_BOLD) != 0;
	int fg = index_of(&cell->fg, VTERM_COLOR_IS_DEFAULT_FG(&cell->fg));

	/* libvterm brightens the low colours of bold text. */
	if (fg != style->fg && !(bold && fg == style->fg + 8))
		fail_msg("foreground %d, wanted %d", fg, style->fg);
	assert_int_equal(index_of(&cell->bg, VTERM_COLOR_IS_DEFAULT_BG(&cell->bg)), style->bg);
	assert_int_equal(cell->attrs.bold, bold);
	assert_int_equal(cell->attrs.reverse, (style->attrs & A_REVERSE) != 0);
}

/* The menu in the theme of O: title, selected row, a blank one and, where it has one, its background. */
static void check_screen(const struct session_options *o, const struct theme_style *styles)
{
	struct session *s = session_open(FAKE_NORMAL, o);
	VTermScreenCell cell;
	int row;

	session_wait(s, "Enter starts /boot/CLOUDHV.fd of /dev/nvme0n1p2");
	session_settle(s);
	cell = cell_at(s, 0, 40);
	assert_style(&cell, &styles[UI_TITLE]);
	row = row_of(s, "CLOUDHV.fd  ");
	cell = cell_at(s, row, 10);
	assert_style(&cell, &styles[UI_SELECTED]);
	cell = cell_at(s, s->rows - 1, s->cols - 1);
	assert_int_equal(index_of(&cell.bg, VTERM_COLOR_IS_DEFAULT_BG(&cell.bg)), styles[UI_NORMAL].bg);
	session_keys(s, "q");
	assert_int_equal(session_end(s), 0);
	session_close(s);
}

static void test_every_theme_on_the_screen(void **state)
{
	(void)state;
	for (size_t i = 0; i < NAME_COUNT; i++) {
		struct session_options o = {.term = "xterm-256color", .rows = 24, .cols = 80,
					    .args = {"--theme", names[i], "--theme-dir", "/nonexistent"}};
		struct theme theme;

		assert_int_equal(theme_load(names[i], "/nonexistent", &theme, NULL), 0);
		check_screen(&o, theme.styles[THEME_COLOUR]);
		o.term = "vt100";
		check_screen(&o, theme.styles[THEME_MONO]);
	}
}

/* Eight colours: a theme of 256 takes the nearest, "bright" is bold. */
static void test_fewer_colours(void **state)
{
	struct session_options o = {.term = "linux", .rows = 24, .cols = 80,
				    .args = {"--theme", "amber", "--theme-dir", "/nonexistent"}};
	struct theme theme;

	(void)state;
	memset(&theme, 0, sizeof(theme));
	theme.styles[THEME_COLOUR][UI_NORMAL] = (struct theme_style){COLOR_YELLOW, COLOR_BLACK, 0};
	theme.styles[THEME_COLOUR][UI_TITLE] = (struct theme_style){COLOR_BLACK, COLOR_YELLOW, 0};
	theme.styles[THEME_COLOUR][UI_SELECTED] = (struct theme_style){COLOR_BLACK, COLOR_YELLOW, 0};
	check_screen(&o, theme.styles[THEME_COLOUR]);
}

/* A guest's own colours stay its own, also where the theme has a background. */
static void test_console_under_a_light_theme(void **state)
{
	struct session_options o = {.term = "xterm-256color", .rows = 24, .cols = 80,
				    .args = {"--theme", "light", "--theme-dir", "/nonexistent"}};
	struct session *s = session_open(FAKE_NORMAL, &o);
	VTermScreenCell cell;
	int row;

	(void)state;
	session_wait(s, "Enter starts /boot/CLOUDHV.fd");
	session_keys(s, "\r");
	session_wait(s, "Shell>");
	row = row_of(s, "Shell>");
	cell = cell_at(s, row, 0);
	assert_true(VTERM_COLOR_IS_DEFAULT_FG(&cell.fg));
	assert_true(VTERM_COLOR_IS_DEFAULT_BG(&cell.bg));
	session_close(s);
}

static void test_bad_theme_is_said_and_the_menu_goes_on(void **state)
{
	const char *dir = dir_with("mine", "[colour]\ntitle = purpl blue\n");
	struct session_options o = {.term = "xterm-256color", .rows = 20, .cols = 60,
				    .args = {"--theme", "mine", "--theme-dir", dir}};
	struct session *s = session_open(FAKE_NORMAL, &o);
	char where[128];

	(void)state;
	snprintf(where, sizeof(where), "%s/mine.theme:2:", dir);
	session_wait(s, "The default theme is used");
	session_wait(s, where);
	session_wait(s, "no colour; expected");
	session_resize(s, 24, 80);
	session_wait(s, "The default theme is used");
	session_keys(s, "\r");
	session_wait_gone(s, "no colour");
	session_wait(s, "Enter starts /boot/CLOUDHV.fd");
	assert_int_equal(s->daemon.seen->start, 0);
	session_keys(s, "q");
	assert_int_equal(session_end(s), 0);
	assert_true(session_tty_restored(s));
	session_close(s);
	dir_remove(dir, "mine");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_files_are_complete),
		cmocka_unit_test(test_own_themes_are_readable),
		cmocka_unit_test(test_a_file_says_some_and_keeps_the_rest),
		cmocka_unit_test(test_directory_overrides),
		cmocka_unit_test(test_bad_files),
		cmocka_unit_test(test_what_is_no_theme),
		cmocka_unit_test(test_every_theme_on_the_screen),
		cmocka_unit_test(test_fewer_colours),
		cmocka_unit_test(test_console_under_a_light_theme),
		cmocka_unit_test(test_bad_theme_is_said_and_the_menu_goes_on),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("ui_theme", tests, NULL, NULL);
}
