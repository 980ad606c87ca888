/*
 * See ui/theme.h. In mono nothing depends on colour: the cursor has its mark, states are words.
 */
#include "ui/theme.h"

#include <curses.h>

#define STYLE(f, b, a)                                                                             \
	{                                                                                          \
		.fg = (f), .bg = (b), .attrs = (unsigned int)(a)                                   \
	}

static const struct theme themes[] = {
	{
		.name = "default",
		.styles = {
			[UI_NORMAL] = STYLE(-1, -1, A_NORMAL),
			[UI_TITLE] = STYLE(COLOR_WHITE, COLOR_BLUE, A_BOLD),
			[UI_RULE] = STYLE(COLOR_BLUE, -1, A_NORMAL),
			[UI_HEADING] = STYLE(COLOR_CYAN, -1, A_NORMAL),
			[UI_DIM] = STYLE(-1, -1, A_NORMAL),
			[UI_STRONG] = STYLE(-1, -1, A_BOLD),
			[UI_SELECTED] = STYLE(COLOR_BLACK, COLOR_CYAN, A_NORMAL),
			[UI_GOOD] = STYLE(COLOR_GREEN, -1, A_NORMAL),
			[UI_WARN] = STYLE(COLOR_YELLOW, -1, A_BOLD),
			[UI_BAD] = STYLE(COLOR_RED, -1, A_BOLD),
			[UI_KEY] = STYLE(COLOR_CYAN, -1, A_BOLD),
			[UI_STATUS] = STYLE(-1, -1, A_NORMAL),
			[UI_FIELD] = STYLE(-1, -1, A_BOLD),
			[UI_FIELD_FOCUS] = STYLE(COLOR_BLACK, COLOR_CYAN, A_NORMAL),
			[UI_DIALOG] = STYLE(COLOR_WHITE, COLOR_BLUE, A_NORMAL),
			[UI_CONSOLE_BAR] = STYLE(COLOR_WHITE, COLOR_BLUE, A_BOLD),
		},
	},
	{
		.name = "mono",
		.styles = {
			[UI_NORMAL] = STYLE(-1, -1, A_NORMAL),
			[UI_TITLE] = STYLE(-1, -1, A_REVERSE),
			[UI_RULE] = STYLE(-1, -1, A_NORMAL),
			[UI_HEADING] = STYLE(-1, -1, A_NORMAL),
			[UI_DIM] = STYLE(-1, -1, A_NORMAL),
			[UI_STRONG] = STYLE(-1, -1, A_BOLD),
			[UI_SELECTED] = STYLE(-1, -1, A_REVERSE),
			[UI_GOOD] = STYLE(-1, -1, A_NORMAL),
			[UI_WARN] = STYLE(-1, -1, A_BOLD),
			[UI_BAD] = STYLE(-1, -1, A_BOLD),
			[UI_KEY] = STYLE(-1, -1, A_BOLD),
			[UI_STATUS] = STYLE(-1, -1, A_NORMAL),
			[UI_FIELD] = STYLE(-1, -1, A_BOLD),
			[UI_FIELD_FOCUS] = STYLE(-1, -1, A_REVERSE),
			[UI_DIALOG] = STYLE(-1, -1, A_NORMAL),
			[UI_CONSOLE_BAR] = STYLE(-1, -1, A_REVERSE),
		},
	},
};

const struct theme *theme_choose(bool colours)
{
	return &themes[colours ? 0 : 1];
}
