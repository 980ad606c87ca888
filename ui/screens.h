/* How each screen is opened. The widgets that are screens themselves (dialog, pager) are here too. */
#ifndef VMB_UI_SCREENS_H
#define VMB_UI_SCREENS_H

#include "prefix.h"
#include "ui/ui.h"

/* The list of disks and firmware; bottom of the stack. 0 or -ENOMEM. */
int screen_main_open(struct ui *ui);

/* Memory, CPUs, variables and disks before a start. FIRMWARE is copied. */
void screen_form_open(struct ui *ui, const struct menu_firmware *firmware);

/* The guest's console. */
void screen_console_open(struct ui *ui);

/* Does what the prefix key's ACTION asks for on the guest's console, which is the top screen. BYTE: see prefix.h. */
void screen_console_command(struct ui *ui, enum prefix_action action, uint8_t byte);

/* What scrolled away on the guest's console, over the console. */
void screen_scroll_open(struct ui *ui);

/* A console_output_fn: what the emulated terminal answers goes to the guest. ARG is the struct ui. */
void screen_console_output(void *arg, const uint8_t *buf, size_t n);

/* Why and when the VM ended. */
void screen_result_open(struct ui *ui);

/* Keys and words. */
void screen_help_open(struct ui *ui);

/* A question: YES is called on y; n, q, Esc, Enter and Left take it away. Texts are copied. */
void dialog_ask(struct ui *ui, const char *title, const char *text, void (*yes)(struct ui *ui));

/* The same about something: ABOUT (copied, at most VM_PATH_SIZE) is given to YES. */
void dialog_ask_about(struct ui *ui, const char *title, const char *text,
		      void (*yes)(struct ui *ui, const char *about), const char *about);

/*
 * Asks for a line of at most MAX bytes, with INITIAL in the field. DONE gets it and ABOUT on Enter, unless
 * it is empty; Esc takes the dialog away. All texts are copied.
 */
void dialog_prompt(struct ui *ui, const char *title, const char *label, const char *initial,
		   int max, void (*done)(struct ui *ui, const char *about, const char *line),
		   const char *about);

/* A sentence that must be read: any of Enter, q, Esc, Space takes it away. */
void dialog_tell(struct ui *ui, const char *title, const char *text);

#endif
