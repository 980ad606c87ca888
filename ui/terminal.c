/*
 * See ui/terminal.h. Debian's libtinfo has no descriptions of its own, and a static glibc has no
 * UTF-8 locale unless the system brings one, so both are looked for and neither is relied on.
 */
#include "ui/terminal.h"

#include <ctype.h>
#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* term.h of ncurses defines names like "lines" and "columns": nothing else is included after it. */
#include <curses.h>
#include <term.h>

#include "text.h"
#include "terminfo.h"

const char *terminal_embedded(const char *name)
{
	for (size_t i = 0; i < sizeof(terminfo_table) / sizeof(terminfo_table[0]); i++)
		if (strcmp(terminfo_table[i].name, name) == 0)
			return terminfo_table[i].data;
	return NULL;
}

static bool starts_with(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

/* An embedded relative for a terminal nobody described here ("xterm-kitty"). NULL: none. */
static const char *terminal_relative(const char *name)
{
	static const char *const families[][2] = {
		{"xterm", "xterm-256color"}, {"tmux", "tmux-256color"},
		{"screen", "screen"},	     {"linux", "linux"},
		{"vt2", "vt220"},	     {"vt1", "vt100"},
	};

	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++)
		if (starts_with(name, families[i][0]))
			return families[i][1];
	return NULL;
}

/* Menus need to place text anywhere; a dumb terminal cannot. */
static bool terminal_can_address(const char *name)
{
	const char *cup;
	int found;

	if (setupterm(name, 1, &found) != OK)
		return false;
	cup = tigetstr("cup");
	found = cup && cup != (const char *)-1;
	del_curterm(cur_term);
	return found;
}

static bool contains_utf8(const char *value)
{
	return strcasestr(value, "UTF-8") || strcasestr(value, "UTF8");
}

bool terminal_wants_utf8(const char *name)
{
	static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
	static const char *const families[] = {"linux", "xterm", "screen", "tmux"};

	if (strcmp(name, "dumb") == 0 || name[0] == '\0')
		return false;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *value = getenv(names[i]);

		if (value && value[0])
			return contains_utf8(value);
	}
	/* Right after boot nobody has set a locale: go by what the terminal can do these days. */
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++)
		if (starts_with(name, families[i]))
			return true;
	return false;
}

/*
 * The line drawing set of a terminal that takes no UTF-8. Not on a serial line: whoever attaches to one
 * later has missed the switch to that set, and sees letters for lines.
 */
static bool wants_acs(const char *name)
{
	static const char *const families[] = {"xterm", "screen", "tmux"};
	const char *path = ttyname(STDIN_FILENO);

	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++)
		if (starts_with(name, families[i]))
			return true;
	return starts_with(name, "linux") && path && starts_with(path, "/dev/tty") &&
	       isdigit((unsigned char)path[strlen("/dev/tty")]);
}

static bool set_utf8_locale(void)
{
	if (setlocale(LC_CTYPE, "") && strcmp(nl_langinfo(CODESET), "UTF-8") == 0)
		return true;
	if (setlocale(LC_CTYPE, "C.UTF-8") && strcmp(nl_langinfo(CODESET), "UTF-8") == 0)
		return true;
	setlocale(LC_CTYPE, "C");
	return false;
}

static void choose_name(const char *wanted, struct terminal *term)
{
	const char *embedded = terminal_embedded(wanted), *name = wanted;
	char shown[64];

	if (wanted[0] && strlen(wanted) < sizeof(term->name) && !strchr(wanted, '/') &&
	    terminal_can_address(wanted)) {
		text_copy(term->name, sizeof(term->name), wanted);
		return;
	}
	if (!embedded) {
		name = terminal_relative(wanted);
		embedded = name ? terminal_embedded(name) : NULL;
	}
	if (!embedded) {
		name = "vt100";
		embedded = terminal_embedded(name);
		text_escape(shown, sizeof(shown), wanted, strnlen(wanted, 40));
		if (wanted[0] == '\0')
			snprintf(term->note, sizeof(term->note),
				 "TERM is not set: this terminal is taken for a vt100.");
		else
			snprintf(term->note, sizeof(term->note),
				 "Terminal \"%s\" is %s: it is taken for a vt100.", shown,
				 strcmp(wanted, "dumb") == 0 ? "too simple for a menu" : "unknown");
	}
	text_copy(term->name, sizeof(term->name), name);
	if (!terminal_can_address(name))
		setenv("TERMINFO", embedded, 1);
}

void terminal_choose(bool force_ascii, struct terminal *ret_term)
{
	const char *wanted = getenv("TERM");
	struct terminal term = {.utf8 = false};

	if (!wanted)
		wanted = "";
	choose_name(wanted, &term);
	setlocale(LC_CTYPE, "C");
	term.utf8 = !force_ascii && terminal_wants_utf8(wanted) && set_utf8_locale();
	term.acs = !force_ascii && !term.utf8 && wants_acs(term.name);
	*ret_term = term;
}

void terminal_console_name(char *buf, size_t size)
{
	const char *path = ttyname(STDIN_FILENO), *ssh = getenv("SSH_CONNECTION");
	char name[64];

	if (!path)
		path = "";
	if (starts_with(path, "/dev/"))
		path += strlen("/dev/");
	snprintf(name, sizeof(name), "%.20s%s", path, ssh && ssh[0] && path[0] ? " (ssh)" : "");
	text_escape(buf, size, name, strlen(name));
}
