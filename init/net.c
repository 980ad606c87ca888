/*
 * See init/net.h. The client asks a script to do what it has learnt; what is in the variables has been checked by
 * the client for being addresses.
 */
#include "net.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "spawn.h"
#include "text.h"

#define SCRIPT "/run/vmboot/udhcpc.script"

static const char script[] =
	"#!/bin/sh\n"
	"case $1 in\n"
	"deconfig) ip addr flush dev \"$interface\"; ip link set \"$interface\" up ;;\n"
	"bound | renew)\n"
	"	ip addr flush dev \"$interface\"\n"
	"	ip addr add \"$ip/${mask:-24}\" dev \"$interface\"\n"
	"	for r in $router; do ip route add default via \"$r\" dev \"$interface\"; break; "
	"done\n"
	"	for d in $dns; do echo \"nameserver $d\"; done >/etc/resolv.conf ;;\n"
	"esac\n";

static void write_script(void)
{
	int fd = open(SCRIPT, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);

	if (fd < 0 || write(fd, script, sizeof(script) - 1) != (ssize_t)sizeof(script) - 1)
		log_error("%s cannot be written: %s", SCRIPT, strerror(errno));
	if (fd >= 0)
		close(fd);
}

static void start(struct net *net, unsigned int at)
{
	char name[] = "udhcpc", stay[] = "-f", of[] = "-i", by[] = "-s", file[] = SCRIPT;
	char *argv[] = {name, stay, of, net->clients[at].card, by, file, NULL};
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

void net_look(struct net *net)
{
	DIR *dir = opendir("/sys/class/net");
	struct dirent *entry;

	if (access(SCRIPT, F_OK) != 0)
		write_script();
	while (dir && (entry = readdir(dir)) != NULL)
		if (entry->d_name[0] != '.')
			take(net, entry->d_name);
	if (dir)
		closedir(dir);
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
