/* How each screen is opened. The widgets that are screens themselves (dialog, pager) are here too. */
#ifndef VMB_UI_SCREENS_H
#define VMB_UI_SCREENS_H

#include "prefix.h"
#include "ui/ui.h"

/* The list of disks and firmware; bottom of the stack. 0 or -ENOMEM. */
int screen_main_open(struct ui *ui);

/*
 * The entry editor. ID is the entry, or empty for something that is none (yet); CONFIG is what the form
 * begins with (copied). What is changed counts for this boot, until it is saved.
 */
void screen_edit_open(struct ui *ui, const char *id, const struct vm_config *config);

/*
 * Starts CONFIG, as entry ID if that is not empty; first shows the checklist if something on it is not ok.
 * FROM_EDITOR: the editor is the top screen.
 */
void screen_preflight_start(struct ui *ui, const char *id, const struct vm_config *config,
			    bool from_editor);

/* All disks and partitions. Without CONFIG Space changes what is attached without an entry, else CONFIG's disks. */
void screen_disks_open(struct ui *ui, struct vm_config *config);

/*
 * All firmware images. PICKED is called with the chosen one, after the screen is gone, and ARG; without
 * it the editor opens.
 */
void screen_firmware_open(struct ui *ui,
			  void (*picked)(struct ui *ui, void *arg,
					 const struct menu_firmware *firmware),
			  void *arg);

/* The host's network interfaces; Space joins a card of CONFIG (which outlives the screen) to one, or not. */
void screen_nics_open(struct ui *ui, struct vm_config *config);

/* The host's PCI devices; Space gives some to CONFIG's guest (borrowed, NULL: only to look at). */
void screen_pci_open(struct ui *ui, struct vm_config *config);

/* What the menu does by itself, how it looks, and where that is kept. */
void screen_settings_open(struct ui *ui);

/* What `vmboot attach` has in place of the main screen. 0 or -errno. */
int screen_attach_open(struct ui *ui);

/* The guest's console. */
void screen_console_open(struct ui *ui);

/* Does what the prefix key's ACTION asks for on the guest's console, which is the top screen. BYTE: see prefix.h. */
void screen_console_command(struct ui *ui, enum prefix_action action, uint8_t byte);

/* What scrolled away on the guest's console, over the console. */
void screen_scroll_open(struct ui *ui);

/* A console_output_fn: what the emulated terminal answers goes to the guest. ARG is the struct ui. */
void screen_console_output(void *arg, const uint8_t *buf, size_t n);

/* The daemon's log. */
void screen_log_open(struct ui *ui);

/* Asks where a report is to be written, and has it written. */
void screen_report_open(struct ui *ui);

/* What the machine is and has. */
void screen_info_open(struct ui *ui);

/* Asks for the password of a locked menu; locks one that was unlocked. */
void screen_unlock_open(struct ui *ui);

/* A new password of the menu, typed twice; an empty one takes it away. */
void screen_password_open(struct ui *ui);

/* Switch the machine off, or restart it. */
void screen_power_open(struct ui *ui);

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
