/*
 * The commands of the one binary: what main.c's table calls. Each gets its own name as argv[0] and
 * returns the process's exit status, or CMD_USAGE when its arguments are wrong: then main.c prints
 * the command's usage.
 */
#ifndef VMB_CMD_CMD_H
#define VMB_CMD_CMD_H

#include <stdbool.h>

#include "discovery.h"
#include "vm_config.h"

#define CMD_USAGE 64

int cmd_attach(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_ctl(int argc, char **argv);
int cmd_daemon(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_init(int argc, char **argv);
int cmd_list(int argc, char **argv);
int cmd_menu(int argc, char **argv);
int cmd_pci(int argc, char **argv);
int cmd_report(int argc, char **argv);
int cmd_run(int argc, char **argv);
int cmd_probe(int argc, char **argv);
int cmd_vmm(int argc, char **argv);

/* Directories of disk images as --images names them; begins zeroed. */
struct image_dirs {
	const char *paths[DISCOVERY_MAX_IMAGES + 1]; /* NULL at the end */
	unsigned int count;
	char own[VM_PATH_SIZE];
};

/* One more directory for DIRS. DIR is borrowed; false if there are too many. */
bool cmd_add_image_dir(struct image_dirs *dirs, const char *dir);
/* If none was named: the system's, before it the user's own. */
void cmd_usual_image_dirs(struct image_dirs *dirs);

#endif
