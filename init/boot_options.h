/* vmboot.* on the kernel's command line. */
#ifndef VMB_INIT_BOOT_OPTIONS_H
#define VMB_INIT_BOOT_OPTIONS_H

#include <stdbool.h>

#include "menu_proto.h"

#define BOOT_OPTIONS_NOTES 8

struct boot_options {
	char entry
		[MENU_ID_SIZE]; /* vmboot.entry=ID: the default for this boot; empty: as the settings say */
	char timeout[16];	   /* vmboot.timeout=SECONDS|off; empty: as the settings say */
	char config[VM_PATH_SIZE]; /* vmboot.config=/DIRECTORY; empty: looked for */
	bool shell;		   /* vmboot.shell: a shell on each console first */
	bool debug;		   /* vmboot.debug: a log of everything */
	bool dhcp;		   /* vmboot.net=dhcp[,CARD] */
	char card[16];		   /* empty: every card */
	/* What was wrong, a sentence each; the option is as if it were not there. */
	char notes[BOOT_OPTIONS_NOTES][160];
	unsigned int note_count;
};

/* Reads CMDLINE (proc_cmdline(5)); what is not vmboot's is left alone. */
void boot_options_parse(const char *cmdline, struct boot_options *ret_options);

#endif
