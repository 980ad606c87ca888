/* The daemon role as cmd/ starts it. */
#ifndef VMB_INCLUDE_DAEMON_H
#define VMB_INCLUDE_DAEMON_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"

/* A trust policy that no settings can change: in a flashed image, while settings lie on a disk. */
#define DAEMON_TRUST "/etc/vmboot.trust"

struct daemon_options {
	/* Connected SOCK_SEQPACKET socket of the one menu that started this daemon (taken over): the
	 * daemon ends with it. -1: listen on SOCKET_PATH until SIGTERM or SIGINT. */
	int client_fd;
	const char *socket_path;
	/* The directory of settings; NULL: that of daemon_path_config(), else a partition labelled VMBOOT. */
	const char *config;
	/* For this boot instead of what the settings say: the default entry (NULL: theirs), and the countdown. */
	const char *entry;
	bool timeout_given;
	int32_t timeout_s; /* as in struct menu_settings */
	/* Sentences for the log that whoever starts the daemon has to say, NULL at the end; NULL: none. */
	const char *const *notes;
	/* Directories of disk images, NULL at the end. */
	const char *const *image_dirs;
	/* What is known of KVM, for MENU_WELCOME. */
	bool kvm_ok;
	bool firmware_ok;
	char kvm_text[256];
};

/*
 * Runs until its end: the menu left, or a signal came. A VM that runs then is stopped and its variables are saved
 * first; with SIGPWR its power button is pressed, and the daemon ends when it has. 0, or -errno with the sentence
 * (another daemon runs, no permission).
 */
int daemon_run(const struct daemon_options *options, struct vmb_err *err);

#endif
