/* The help: a pager over fixed text of at most 56 columns. */
#include "ui/screens.h"

#include <stdlib.h>
#include <string.h>

#include "ui/draw.h"
#include "ui/frame.h"
#include "ui/list.h"

static const char *const help_lines[] = {
	"Main screen",
	"  Enter        start what is under the cursor: an entry,",
	"               a disk alone, a firmware image with the",
	"               disks that are attached; or show the VM",
	"  e            edit it: an entry, or what starts",
	"               without one; n makes a new entry",
	"  d            the default entry; o next start only",
	"  y R D        copy, rename, delete an entry (asks)",
	"  Space        attach the disk under the cursor, or not",
	"  s f          all disks; all firmware images, of which",
	"               v says all that is known",
	"  p            PCI devices",
	"  c F2         settings",
	"  /            only rows with these words; Esc all",
	"  r            look at all disks again",
	"  Up Down j k  move; PgUp PgDn Home End too",
	"  Tab 1-9      go to the next (n-th) row that starts",
	"               something; digits never start it",
	"  ! x          recovery shell (x asks); exit returns",
	"  ^L           paint the screen anew",
	"  q            leave vmboot",
	"",
	"Any screen without a text field",
	"  i            system information",
	"  l            log: e w i filter, / searches, f follows,",
	"               s saves a report, to a USB disk too",
	"  P            switch this machine off, or restart it",
	"  U            unlock the menu (password), or lock it",
	"",
	"When a VM has ended",
	"  Enter        start it again",
	"  e            edit it; m back to the menu",
	"  [            all that its console said",
	"",
	"Editor and settings",
	"  Up Down Tab  move; Left Right Space change a choice",
	"  Enter        open a list, do what stands in [ ]",
	"  F10 ^X       start it as it stands, this time only",
	"  ^S           save",
	"  q Left Esc   back; asks if something is not saved",
	"",
	"A guest's console: every key goes to the guest but ^]",
	"  ^] .         the menu; the VM goes on (also d, or",
	"               a pause)",
	"  ^] [         what scrolled away; / searches in it",
	"               ([ alone when the VM has ended)",
	"  ^] 1-9 0     F1 to F10",
	"  ^] m         how keys are sent: VT-UTF8 and PC-ANSI",
	"               for firmware, xterm for systems",
	"  ^] u         character set, if lines look wrong",
	"  ^] f         the whole screen, without a status row",
	"  ^] t         transparent: this terminal becomes the",
	"               guest's; ^] t again takes it back",
	"  ^] l         the raw log of the console, off or on",
	"  ^] b         a break on the serial line",
	"  ^] !         a shell; the virtual machine goes on",
	"  ^] k         kill the VM (asks)",
	"  ^] r         reset it (asks)",
	"  ^] p         press its power button",
	"  ^] ^]        one ^] for the guest",
	"  T            take the keyboard, where another console",
	"               has it",
	"",
	"Words",
	"  read-write   the guest can change the disk",
	"  read-only    the guest sees the disk, writes fail",
	"  overlay      writes stay in memory and are forgotten",
	"  off          the guest does not see the disk",
	"  in use       this host has it mounted or holds it;",
	"               it cannot be attached read-write",
	"  variables    UEFI settings, as a board keeps in flash",
};

#define HELP_LINES ((int)(sizeof(help_lines) / sizeof(help_lines[0])))

/* A pager's cursor is its first visible line. */
static void help_layout(struct ui *ui, void *data, int rows, int cols)
{
	int height = frame_body_rows(rows) + FRAME_PREVIEW_ROWS + 1;
	struct list *list = data;

	(void)ui;
	(void)cols;
	list_fit(list, HELP_LINES > height ? HELP_LINES - height + 1 : 1, 1);
}

static void help_draw(struct ui *ui, void *data)
{
	static const struct frame_hint hints[] = {
		{"Up/Down", "scroll", false}, {"q", "back", false}, {NULL, NULL, false},
	};
	const struct list *list = data;
	int height = frame_body_rows(ui->rows) + FRAME_PREVIEW_ROWS + 1;

	frame_draw(ui, "Help", hints, list->cursor < list->count - 1 ? "more below" : "");
	for (int i = 0; i < height; i++) {
		char text[128];
		const char *line = list->cursor + i < HELP_LINES ? help_lines[list->cursor + i] : "";

		draw_text(FRAME_BODY_ROW + i, 0, ui->cols, UI_NORMAL, "");
		draw_text(FRAME_BODY_ROW + i, 3, ui->cols - 5,
			  line[0] && line[0] != ' ' ? UI_HEADING : UI_NORMAL,
			  ui_prefix_text(ui, line, text, sizeof(text)));
	}
}

static void help_key(struct ui *ui, void *data, const struct ui_key *key)
{
	struct list *list = data;
	int page = frame_body_rows(ui->rows);

	if (key->alt)
		return;
	if (key->code == UI_KEY_PAGE_DOWN || key->code == ' ')
		list->cursor += page;
	else if (key->code == UI_KEY_PAGE_UP)
		list->cursor -= page;
	else if (key->code == 'q' || key->code == UI_KEY_ESCAPE || key->code == UI_KEY_LEFT ||
		 ui_key_is_enter(key)) {
		ui_pop(ui);
		return;
	} else if (!list_key(list, key) && key->code != '?' && key->code != 'h' &&
		   key->code != UI_KEY_F1) {
		ui_common_key(ui, key);
	}
	list_fit(list, list->count, 1);
}

static void help_close(struct ui *ui, void *data)
{
	(void)ui;
	free(data);
}

static const struct ui_screen screen_help_ops = {
	.name = "help",
	.layout = help_layout,
	.draw = help_draw,
	.key = help_key,
	.close = help_close,
};

/* The line where the keys of the screen called NAME begin. */
static int first_line(const char *name)
{
	static const char *const sections[][2] = {
		{"log", "Any screen without a text field"}, {"info", "Any screen without a text field"},
		{"result", "When a VM has ended"},	    {"edit", "Editor and settings"},
		{"settings", "Editor and settings"},
	};

	for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++)
		for (int line = 0; strcmp(sections[i][0], name) == 0 && line < HELP_LINES; line++)
			if (strcmp(help_lines[line], sections[i][1]) == 0)
				return line;
	return 0;
}

void screen_help_open(struct ui *ui)
{
	struct list *list = calloc(1, sizeof(*list));

	if (!list) {
		ui_say(ui, UI_BAD, "There is not enough memory for the help.");
		return;
	}
	list->cursor = first_line(ui->stack[ui->depth - 1].screen->name);
	ui_push(ui, &screen_help_ops, list);
}
