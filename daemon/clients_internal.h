/* What clients.c (who is connected), clients_send.c (what they are told) and clients_wish.c (what they want) share. */
#ifndef VMB_DAEMON_CLIENTS_INTERNAL_H
#define VMB_DAEMON_CLIENTS_INTERNAL_H

#include "clients.h"

#define CLIENTS_MAX_REFUSALS 4

/* A sentence in answer to the message TYPE: MENU_REFUSED or MENU_NOTICE. */
struct refusal {
	uint32_t answer;
	uint32_t type;
	struct vmb_err err;
};

enum client_list {
	LIST_DEVICES,
	LIST_FIRMWARES,
	LIST_ENTRIES,
	LIST_FACTS, /* from here on: only who asked */
	LIST_NICS,
	LIST_PCI,
	LIST_COUNT,
};

/* How far a list message with several parts got; NEXT counts within generation SENDING. */
struct list_state {
	uint64_t sent, sending; /* generations of struct clients; 0: none */
	size_t next;
	bool wanted; /* of LIST_FACTS and what follows it */
};

/* Bits of struct client's DUE: what it was not told yet. */
enum client_due {
	DUE_WELCOME = 1 << 0,
	DUE_VM = 1 << 1,
	DUE_STATUS = 1 << 2,
	DUE_SETTINGS = 1 << 3,
	DUE_COUNTDOWN = 1 << 4,
	DUE_LOCK = 1 << 5,
	DUE_LOG_STATE = 1 << 6,
	DUE_SAVED = 1 << 7,
	DUE_REPORTED = 1 << 8,
	DUE_PCI_STATE = 1 << 9,
	/* what a new menu is told at once */
	DUE_HELLO = DUE_WELCOME | DUE_VM,
	DUE_FIRST = DUE_HELLO | DUE_SETTINGS | DUE_COUNTDOWN | DUE_LOCK | DUE_LOG_STATE,
};

struct client {
	struct client *next;
	struct clients *clients;
	int sock;
	struct loop_io *io;
	uint64_t id; /* never 0, never used again */
	char name[32];
	bool greeted;	  /* MENU_HELLO came */
	bool trusted;	  /* no lock: it is no operator's console */
	bool unlocked;	  /* the password was right */
	bool leaving;	  /* goes as soon as its refusals are sent */
	bool gone;	  /* to be freed by leave(): callers up the stack may still hold it */
	unsigned int due; /* enum client_due */
	bool console;	  /* MENU_CONSOLE_OPEN or MENU_CONSOLE_LOG */
	bool console_ends;
	uint64_t console_pos;
	uint64_t console_limit; /* if it ends: where */
	uint64_t console_live;	/* what comes from here on is no replay */
	bool console_live_due;	/* MENU_CONSOLE_LIVE was not sent yet */
	bool status_wanted;	/* the machine is asked */
	uint64_t log_pos;	/* next line for MENU_LOG_FOLLOW; 0: does not follow */
	char saved_id[MENU_ID_SIZE];
	char report_path[VM_PATH_SIZE];
	struct list_state lists[LIST_COUNT];
	struct refusal refusals[CLIENTS_MAX_REFUSALS];
	unsigned int refusal_count;
};

struct clients {
	struct loop *loop;
	struct clients_parts parts;
	const struct clients_events *events;
	void *ctx;
	struct client *list;
	unsigned int count;
	unsigned int depth; /* of calls that walk or hold clients */
	uint64_t last_id;
	uint64_t keyboard; /* id of who types into the guest; 0: nobody */
	uint64_t generations[LIST_COUNT];
	struct menu_fact *facts; /* as of the last MENU_FACTS_GET */
	size_t fact_count;
	struct menu_nic *nics;
	size_t nic_count;
	struct menu_pci_state pci_state;
	struct menu_pci *pcis;
	size_t pci_count;
	struct vmm_status status; /* the machine's last answer */
};

/* Sends what is due until the socket is full. 0, or -errno when the client has to be dropped. */
int clients_send_due(struct client *client);

/* Handles one message. 0, or -EBADMSG: the same binary does not send that, so the client is dropped. */
int clients_handle(struct client *client, uint32_t type, const void *body, size_t size);

/* Puts MENU_REFUSED or MENU_NOTICE on its way. */
void clients_answer(struct client *client, uint32_t answer, uint32_t type,
		    const struct vmb_err *err);

/* DUE is due for everybody; sent now. */
void clients_tell_all(struct clients *clients, unsigned int due);

/* The settings have a password, whatever a single menu knows of it. */
bool clients_has_password(const struct clients *clients);
/* Only the default entry, and looking. */
bool clients_is_locked(const struct client *client);

/* NULL when it has left. */
struct client *clients_find(const struct clients *clients, uint64_t id);

#endif
