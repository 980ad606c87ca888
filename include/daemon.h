/* The daemon role as cmd/ starts it. */
#ifndef VMB_INCLUDE_DAEMON_H
#define VMB_INCLUDE_DAEMON_H

#include <stdbool.h>

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
	/* Directories of disk images, NULL at the end. */
	const char *const *image_dirs;
	/* What is known of KVM, for MENU_WELCOME. */
	bool kvm_ok;
	bool firmware_ok;
	char kvm_text[256];
};

/*
 * Runs until its end: the menu left, or a signal came. A VM that runs then is stopped and its
 * variables are saved first. 0, or -errno with the sentence (another daemon runs, no permission).
 */
int daemon_run(const struct daemon_options *options, struct vmb_err *err);

#endif
