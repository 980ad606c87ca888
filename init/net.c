/* See init/net.h. What the client has learnt is done by a script, which is where Debian's busybox has it. */
#include "net.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "spawn.h"
#include "text.h"

#define SCRIPT "/etc/udhcpc/default.script"

static void start(struct net *net, unsigned int at)
{
	char name[] = "udhcpc", stay[] = "-f", of[] = "-i", by[] = "-s", script[] = SCRIPT;
	char *argv[] = {name, stay, of, net->clients[at].card, by, script, NULL};
	int rc = spawn_program(name, argv, &net->clients[at].pid);

	if (rc < 0)
		log_error("%s gets no address: udhcpc cannot be started: %s", net->clients[at].card,
			  strerror(-rc));
}

static void take(struct net *net, const char *card)
{
	char path[64];
	unsigned int at = 0;

	/* Real cards have a device; bridges and taps are somebody else's affair. */
	snprintf(path, sizeof(path), "/sys/class/net/%.15s/device", card);
	if (net->only[0] ? strcmp(net->only, card) != 0 : access(path, F_OK) != 0)
		return;
	for (at = 0; at < NET_MAX && strcmp(net->clients[at].card, card) != 0; at++)
		if (!net->clients[at].card[0]) {
			text_copy(net->clients[at].card, sizeof(net->clients[at].card), card);
			break;
		}
	if (at < NET_MAX && net->clients[at].pid == 0)
		start(net, at);
}

unsigned int net_look(struct net *net)
{
	DIR *dir = opendir("/sys/class/net");
	struct dirent *entry;
	unsigned int count = 0;

	while (dir && (entry = readdir(dir)) != NULL)
		if (entry->d_name[0] != '.')
			take(net, entry->d_name);
	if (dir)
		closedir(dir);
	while (count < NET_MAX && net->clients[count].card[0])
		count++;
	return count;
}

bool net_reap(struct net *net, pid_t pid)
{
	for (unsigned int i = 0; i < NET_MAX; i++)
		if (net->clients[i].card[0] && net->clients[i].pid == pid) {
			net->clients[i].pid = 0;
			log_warn("the DHCP client of %s ended", net->clients[i].card);
			return true;
		}
	return false;
}
