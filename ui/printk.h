/*
 * Kernel messages on the console that a menu draws on: only emergencies come while it does. All menus of
 * a machine share this; the last one puts the level back.
 */
#ifndef VMB_UI_PRINTK_H
#define VMB_UI_PRINTK_H

struct printk {
	int lock; /* of STATE_PATH, shared while the level is lowered; -1 */
};

/*
 * Lowers the level if standard input is a terminal that the kernel may print on (no pseudo-terminal), and
 * this process may do so; else nothing happens. PROC: where the kernel keeps it, STATE_PATH: a file that
 * remembers the level (made if missing, its directory is not); NULL: the usual ones.
 */
void printk_lower(struct printk *printk, const char *proc, const char *state_path);

/* Puts it back if no other menu needs it lowered. Twice is harmless. */
void printk_restore(struct printk *printk, const char *proc);

#endif
