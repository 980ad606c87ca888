/* Network cards by DHCP (vmboot.net=dhcp): one client for each, of busybox. */
#ifndef VMB_INIT_NET_H
#define VMB_INIT_NET_H

#include <stdbool.h>
#include <sys/types.h>

#define NET_MAX 8

struct net {
	const char *only; /* this card; "": every one */
	struct {
		char card[16]; /* empty: free */
		pid_t pid;     /* 0: the client ended */
	} clients[NET_MAX];
};

/* Starts a client for each card that has none. Returns how many cards have been seen so far. */
unsigned int net_look(struct net *net);

/* Process PID has ended. True if it was a client; net_look() starts it again. */
bool net_reap(struct net *net, pid_t pid);

#endif
