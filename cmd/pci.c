/*
 * vmboot pci: the process that moves PCI devices between their drivers and vfio-pci for a launcher, which bounds its
 * time. It answers on descriptor PROBE_CONTROL_FD, if there is one, with PROBE_DONE (include/probe_proto.h).
 */
#include <string.h>

#include "cmd.h"
#include "host_pci.h"
#include "log.h"
#include "probe_proto.h"
#include "proto.h"
#include "text.h"

typedef int (*move_fn)(const char *root, const char *dir, const char *address, struct vmb_err *err);

/* All of them, also after one that failed if ON; the first sentence is kept. */
static int move(move_fn fn, bool on, int argc, char **argv, struct vmb_err *err)
{
	int rc = 0;

	for (int i = 3; i < argc && (rc == 0 || on); i++) {
		struct vmb_err why = {0};

		if (fn("", argv[2], argv[i], &why) == 0)
			continue;
		log_warn("%s", why.text);
		if (rc == 0)
			*err = why;
		rc = -why.code;
	}
	return rc;
}

int cmd_pci(int argc, char **argv)
{
	struct probe_done done = {0};
	struct vmb_err err = {0};
	int rc;

	log_init(2, LOG_LEVEL_INFO, "pci");
	if (argc > 3 && strcmp(argv[1], "take") == 0)
		rc = move(host_pci_take, false, argc, argv, &err);
	else if (argc > 3 && strcmp(argv[1], "give-back") == 0)
		rc = move(host_pci_give_back, true, argc, argv, &err);
	else if (argc == 3 && strcmp(argv[1], "recover") == 0)
		rc = host_pci_give_back_all("", argv[2], &err);
	else
		return CMD_USAGE;
	if (rc < 0 && argc == 3)
		log_error("%s", err.text);
	done.code = rc < 0 ? err.code : 0;
	text_copy(done.text, sizeof(done.text), err.text);
	(void)proto_send(PROBE_CONTROL_FD, PROBE_DONE, &done, sizeof(done), NULL, 0);
	return rc < 0 ? 1 : 0;
}
