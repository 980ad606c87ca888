/*
 * The menu's core as its screens see it: the stack of screens, the facts from the daemon, sending
 * wishes, the status line. One struct ui per process; nothing here is shared with other folders.
 */
#ifndef VMB_UI_UI_H
#define VMB_UI_UI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "err.h"
#include "loop.h"
#include "ui/console.h"
#include "ui/draw.h"
#include "ui/facts.h"
#include "ui/guest_keys.h"
#include "ui/journal.h"
#include "ui/keys.h"
#include "ui/model.h"
#include "ui/outbox.h"
#include "ui/plan.h"
#include "ui/theme.h"
#include "ui/transparent.h"
#include "ui/wait.h"

#define UI_MIN_ROWS  20
#define UI_MIN_COLS  60
#define UI_MAX_DEPTH 8

struct ui;

/*
 * A screen is one const table of these. DATA is the screen's own, made by its opener and given to
 * ui_push(); the stack owns it from there and hands it to CLOSE. Screens are called only between
 * ui_push() and CLOSE. Callbacks may be NULL but draw and key.
 */
struct ui_screen {
	const char *name;
	bool overlay; /* drawn over the screen below, which is drawn first */
	/* Computes geometry; called before the first draw and whenever the terminal's size changed. */
	void (*layout)(struct ui *ui, void *data, int rows, int cols);
	void (*draw)(struct ui *ui, void *data);
	void (*key)(struct ui *ui, void *data, const struct ui_key *key);
	/* The facts changed (enum model_change bits). Called on every screen of the stack, top first. */
	void (*changed)(struct ui *ui, void *data, int what);
	void (*close)(struct ui *ui, void *data);
};

struct ui_layer {
	const struct ui_screen *screen;
	void *data;
};

struct ui {
	struct loop *loop;
	int rows, cols;
	struct ui_layer stack[UI_MAX_DEPTH];
	unsigned int depth;
	struct model model;
	struct plan plan;
	struct console *console;	  /* of the VM, kept while no screen shows it */
	size_t clear_match;		  /* bytes of "clear the screen" that came last */
	enum guest_profile guest_profile; /* how keys reach this VM */
	bool console_full;		  /* the grid has the status row's place, too */
	bool profile_by_hand;		  /* the operator chose it: nothing else does any more */
	unsigned int reset_seen;	  /* see prefix_would_reset() */
	struct transparent transparent;
	struct journal journal;
	struct facts facts;
	struct menu_lock_state lock;
	char console_name[32];	     /* which console this menu is on: "ttyS0", "pts/2 (ssh)" */
	char report_target[VM_PATH_SIZE]; /* where the report goes that the operator is asked about */
	uint64_t console_bytes;	     /* from this VM so far */
	bool console_is_open;	     /* the daemon sends it */
	bool console_is_live;	     /* what it sends is no replay of what came before */
	uint8_t prefix_key;	     /* the one of the command line; 0: the settings' */
	bool attach_only;	     /* there is nothing below the console */
	bool owns_daemon;	     /* the daemon ends with this menu, and its VM with it */
	bool start_pending;	     /* MENU_START or MENU_ENTRY_START was sent and not answered */
	struct ui_wait wait;	     /* what the daemon was asked for */
	char saved_id[MENU_ID_SIZE]; /* of the entry that was saved last: MODEL_SAVED */
	uint64_t scan_since_ms;	     /* the present scan began; 0 when none runs */
	char status[512];	     /* what the status line says until the next key */
	enum ui_element status_element;
	struct theme theme;		  /* in use */
	const char *named_theme;	  /* on the command line, or NULL: the settings' */
	const char *theme_dir;		  /* or NULL */
	bool named_ascii;		  /* --ascii */
	enum draw_charset charset; /* what the terminal can show */
	char refused_theme[VM_PATH_SIZE]; /* was told of already */
	bool cursor_shown;		  /* by the screen that was drawn */
	int cursor_row, cursor_col;	  /* where it is, shown or not */
	/* private to ui.c */
	int sock, tty_in;
	struct loop_io *sock_io, *tty_io, *signal_io;
	uint64_t size_asked_ms; /* the terminal was asked for its size; 0: it was not */
	struct loop_timer *paint_timer, *esc_timer, *tick_timer, *output_timer;
	struct outbox outbox;
	struct keys keys;
	uint64_t painted_ms;
	uint8_t *body; /* room for one message */
	pid_t shell;   /* the recovery shell that has the terminal, or 0 */
	bool leaving;  /* ui_quit() was called */
	int result;
	struct vmb_err *err;
};

/* Puts a screen on top. DATA passes to the stack; on -ENOSPC (stack full) it is closed at once. */
int ui_push(struct ui *ui, const struct ui_screen *screen, void *data);

/* True if SCREEN is on the stack. */
bool ui_has_screen(const struct ui *ui, const struct ui_screen *screen);

/* Takes the top screen away; never the last one. */
void ui_pop(struct ui *ui);

/* Takes screens away until only the main one is left. */
void ui_pop_all(struct ui *ui);

/* The picture is out of date: it will be painted soon, at most 30 times a second. */
void ui_dirty(struct ui *ui);

/* Paints now. */
void ui_paint(struct ui *ui);

/* Paints what waits to be painted at once, unless that was just done. */
void ui_paint_now(struct ui *ui);

/* Paints every cell anew, in case something else wrote on the terminal. */
void ui_redraw_all(struct ui *ui);

/* Says a sentence in the status line until the next key. */
void ui_say(struct ui *ui, enum ui_element element, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Sends a message to the daemon, now or when it can take it. */
void ui_send(struct ui *ui, uint32_t type, const void *body, size_t size);

/* The prefix key of a guest's console. */
uint8_t ui_prefix_key(const struct ui *ui);

/* TEXT, in which the prefix key is called ^], with the key's own name; in BUF of SIZE bytes, which is returned. */
char *ui_prefix_text(const struct ui *ui, const char *text, char *buf, size_t size);

/* True if what is typed here reaches the guest: one console has its keyboard, the others look on. */
bool ui_has_keyboard(const struct ui *ui);

/*
 * Bytes for the guest's serial line, if a VM lives and this console has the keyboard; what would reset an
 * EDK2 by accident is left out.
 */
void ui_guest_input(struct ui *ui, const uint8_t *buf, size_t n);

/* Asks the daemon for the host's figures anew: how much memory is free changes. */
void ui_refresh_host(struct ui *ui);

/* Something began that counts time: the clock ticks if it did not. */
void ui_tick(struct ui *ui);

/* Starts entry ID as it is in the daemon; as ui_start_vm() else. */
void ui_start_entry(struct ui *ui, const char *id, const char *title);

/* Starts CONFIG; the console opens when the VM does, a refusal shows as a dialog. */
void ui_start_vm(struct ui *ui, const struct vm_config *config);

/* Shows the VM's console (or, when it has ended, its result). */
void ui_show_vm(struct ui *ui);

/* Ends the loop: 0, or -errno with ui->err filled. */
void ui_quit(struct ui *ui, int result);

/* Does what the signals ask for that have come so far. */
void ui_take_signals(struct ui *ui);

/* Shows the theme called THEME (empty: default) and, with ASCII, no other glyphs; to try it on. */
void ui_set_looks(struct ui *ui, const char *theme, bool ascii);

/* The looks that the command line or else the settings want. A theme that cannot be used is said once. */
void ui_take_looks(struct ui *ui);

/* Speed and size of the line this menu is on, where the settings have them. */
void ui_take_line(struct ui *ui);

/* Gives the terminal to a shell until it exits. */
void ui_start_shell(struct ui *ui);

/* ^L ! ? h F1 i l P U q, which mean the same on every screen without a text field. True if KEY was one. */
bool ui_common_key(struct ui *ui, const struct ui_key *key);

#endif
