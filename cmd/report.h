/* The parts of `vmboot report`: report_collect.c asks the daemon, report_text.c writes, report.c says where to. */
#ifndef VMB_CMD_REPORT_H
#define VMB_CMD_REPORT_H

#include <stdbool.h>
#include <stdio.h>

#include "menu_proto.h"

struct report_list {
	void *items;
	size_t count;
	bool complete;
};

/* What goes into a report. Starts zeroed; report_facts_free() at the end. */
struct report_facts {
	char daemon[256]; /* why there is nothing of the daemon's below, or empty */
	struct menu_welcome welcome;
	struct menu_settings settings;
	struct menu_vm vm;
	struct report_list facts, devices, firmwares, entries, log;
	struct report_list console; /* bytes, as the guest wrote them */
};

/*
 * Fills FACTS from the daemon on SOCK. A daemon that says only a part of it, or nothing for five seconds, gives a
 * report all the same: FACTS->daemon says so.
 */
void report_collect(struct report_facts *facts, int sock);

/* Frees what the lists hold, FACTS itself not. */
void report_facts_free(struct report_facts *facts);

/* One file of the report. */
struct report_part {
	const char *name;
	void (*write)(FILE *out, const struct report_facts *facts);
};

/* The parts, the last one without a name. Each is bounded, and all texts in them are safe on a terminal. */
const struct report_part *report_parts(void);

#endif
