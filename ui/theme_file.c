/* See ui/theme.h: what a theme's file says. The format is told in themes/default.theme. */
#include "ui/theme.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <curses.h>

#include "ini_file.h"
#include "text.h"

#define WORDS " \t"

struct parser {
	int line; /* that is being read */
	struct theme *theme;
	int bad_line; /* first fault, 0: none */
	char fault[300];
};

static const char *const element_names[UI_ELEMENT_COUNT] = {
	[UI_NORMAL] = "normal",	    [UI_TITLE] = "title",	    [UI_RULE] = "rule",
	[UI_HEADING] = "heading",   [UI_DIM] = "dim",		    [UI_STRONG] = "strong",
	[UI_SELECTED] = "selected", [UI_GOOD] = "good",		    [UI_WARN] = "warn",
	[UI_BAD] = "bad",	    [UI_KEY] = "key",		    [UI_STATUS] = "status",
	[UI_FIELD] = "field",	    [UI_FIELD_FOCUS] = "field-focus", [UI_DIALOG] = "dialog",
	[UI_CONSOLE_BAR] = "console-bar",
};

static const char *const colour_names[] = {"black", "red", "green", "yellow",
					   "blue", "magenta", "cyan", "white"};

static const struct {
	const char *name;
	unsigned int attr;
} attributes[] = {
	{"normal", (unsigned int)A_NORMAL}, {"bold", (unsigned int)A_BOLD},
	{"underline", (unsigned int)A_UNDERLINE}, {"blink", (unsigned int)A_BLINK},
	{"reverse", (unsigned int)A_REVERSE},
};

const char *theme_element_name(enum ui_element element)
{
	return element_names[element];
}

/* Keeps the first fault. Returns 0: nothing was taken. */
static int __attribute__((format(printf, 2, 3))) fault(struct parser *p, const char *fmt, ...)
{
	va_list ap;

	if (p->bad_line)
		return 0;
	p->bad_line = p->line;
	va_start(ap, fmt);
	vsnprintf(p->fault, sizeof(p->fault), fmt, ap);
	va_end(ap);
	return 0;
}

static bool parse_colour(const char *word, short *ret_colour)
{
	const char *name = strncasecmp(word, "bright-", 7) == 0 ? word + 7 : word;
	uint64_t number;

	if (strcasecmp(word, "default") == 0) {
		*ret_colour = -1;
		return true;
	}
	for (size_t i = 0; i < sizeof(colour_names) / sizeof(colour_names[0]); i++)
		if (strcasecmp(name, colour_names[i]) == 0) {
			*ret_colour = (short)(i + (name != word ? 8 : 0));
			return true;
		}
	if (text_parse_uint(word, 0, 255, &number) < 0)
		return false;
	*ret_colour = (short)number;
	return true;
}

static int parse_attributes(struct parser *p, char **rest, unsigned int *ret_attrs)
{
	unsigned int attrs = 0;

	for (char *word; (word = strtok_r(NULL, WORDS, rest)) != NULL;) {
		size_t i = 0;

		while (i < sizeof(attributes) / sizeof(attributes[0]) &&
		       strcasecmp(word, attributes[i].name) != 0)
			i++;
		if (i == sizeof(attributes) / sizeof(attributes[0]))
			return fault(p, "\"%.40s\" is no attribute; expected bold, underline, blink, "
				     "reverse or normal.", word);
		attrs |= attributes[i].attr;
	}
	*ret_attrs = attrs;
	return 1;
}

static int parse_style(struct parser *p, enum theme_kind kind, char *value, struct theme_style *style)
{
	struct theme_style s = {.fg = -1, .bg = -1};
	char *rest = NULL, *word;

	if (kind == THEME_COLOUR) {
		short *const colours[] = {&s.fg, &s.bg};

		for (int i = 0; i < 2; i++) {
			word = strtok_r(i == 0 ? value : NULL, WORDS, &rest);
			if (!word)
				return fault(p, "The %s is missing; expected: element = foreground "
					     "background [attributes].", i ? "background" : "foreground");
			if (!parse_colour(word, colours[i]))
				return fault(p, "\"%.40s\" is no colour; expected default, black, red, "
					     "green, yellow, blue, magenta, cyan, white (or bright- and "
					     "one of these), or 0 to 255.", word);
		}
	} else {
		rest = value;
		if (value[strspn(value, WORDS)] == '\0')
			return fault(p, "Nothing stands after \"=\"; expected normal, bold, underline, "
				     "blink or reverse.");
	}
	if (!parse_attributes(p, &rest, &s.attrs))
		return 0;
	*style = s;
	return 1;
}

static int take_value(struct parser *p, const char *section, const char *name, const char *value)
{
	enum theme_kind kind = THEME_COLOUR;
	char copy[256];

	if (strcmp(section, "mono") == 0)
		kind = THEME_MONO;
	else if (strcmp(section, "colour") != 0 && strcmp(section, "color") != 0)
		return section[0] ? fault(p, "The section is [%.40s]; expected [colour] or [mono].", section)
				  : fault(p, "No section begins before this line; expected [colour] or "
					  "[mono].");
	for (int i = 0; i < UI_ELEMENT_COUNT; i++)
		if (strcmp(name, element_names[i]) == 0) {
			if (text_copy(copy, sizeof(copy), value) < 0)
				return fault(p, "The line is too long; expected at most %zu "
					     "characters.", sizeof(copy) - 1);
			return parse_style(p, kind, copy, &p->theme->styles[kind][i]);
		}
	return fault(p, "\"%.40s\" is no element; expected one of those in the default theme, for example "
		     "normal, title or selected.", name);
}

static void on_value(void *ctx, int line, const char *section, const char *name, const char *value)
{
	struct parser *p = ctx;

	p->line = line;
	take_value(p, section, name, value);
}

static void on_fault(void *ctx, int line, const char *text)
{
	struct parser *p = ctx;

	p->line = line;
	fault(p, "%s", text);
}

int theme_parse(const char *source, const char *text, size_t n, struct theme *theme,
		struct vmb_err *err)
{
	static const struct ini_handler handler = {.value = on_value, .fault = on_fault};
	struct parser p = {.theme = theme};

	if (ini_file_parse(text, n, &handler, &p) < 0)
		return vmb_err_set(err, ENOMEM, "There is not enough memory to read %s.", source);
	if (p.bad_line)
		return vmb_err_set(err, EINVAL, "%s:%d: %s", source, p.bad_line, p.fault);
	return 0;
}
