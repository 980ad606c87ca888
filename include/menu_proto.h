/*
 * Messages between the daemon and its menus; `vmboot ctl` is one, too. The daemon owns every fact; a menu draws what it was
 * told and sends wishes. Snapshots, not deltas: a list message replaces what was known.
 *
 * After connecting a menu sends MENU_HELLO; the daemon answers MENU_WELCOME, then a snapshot
 * (MENU_VM, MENU_DEVICES, MENU_FIRMWARES, MENU_ENTRIES, MENU_SETTINGS, MENU_COUNTDOWN, MENU_LOCK_STATE,
 * MENU_LOG_STATE), and again whenever one of them changes. A menu may send MENU_HELLO again to have the
 * welcome's figures (free memory) anew. What is dear to find out (MENU_FACTS, MENU_NICS, MENU_PCI, MENU_LOG) comes
 * only when asked for.
 *
 * A wish is answered by the snapshots that it changed, or by MENU_REFUSED; MENU_NOTICE says that it was done, but
 * not all of it (a save that is kept for this boot only). Every text from the daemon is safe on a
 * terminal; every fixed text field is terminated in both directions.
 */
#ifndef VMB_INCLUDE_MENU_PROTO_H
#define VMB_INCLUDE_MENU_PROTO_H

#include <stdint.h>

#include "vm_config.h"
#include "vmm_proto.h"

#define MENU_PROTO_VERSION 6

#define MENU_ID_SIZE	  64  /* of an entry: its file's name without ".conf" */
#define MENU_TEXT_SIZE	  480 /* sentences */
#define MENU_MAX_CONSOLES 8
#define MENU_MAX_PASSWORD 256

enum menu_msg {
	/* menu -> daemon */
	MENU_HELLO = 1, /* struct menu_hello */
	MENU_START,	/* struct vm_config; answered by MENU_VM, or MENU_REFUSED */
	MENU_VM_RESET,	/* no body */
	MENU_VM_POWER,	/* no body: power button */
	MENU_VM_KILL,	/* no body */
	MENU_VM_FORGET, /* no body: the result of an ended VM was read, state goes back to none */
	MENU_CONSOLE_OPEN,  /* no body: send me the console, first what is in the replay buffer */
	MENU_CONSOLE_CLOSE, /* no body */
	MENU_INPUT,	    /* 1..4096 bytes for the guest's serial line */
	MENU_RESCAN,	    /* no body */
	MENU_VM_PAUSE,	    /* no body: answered by MENU_VM, as the next, or MENU_REFUSED */
	MENU_VM_RESUME,	    /* no body */
	MENU_VM_STATUS,	    /* no body: answered by MENU_STATUS, or MENU_REFUSED */
	MENU_CONSOLE_LOG, /* no body: send me what is in the replay buffer, then MENU_CONSOLE_END */
	MENU_ENTRY_SAVE, /* struct menu_entry_save; answered by MENU_ENTRY_SAVED, MENU_REFUSED, perhaps MENU_NOTICE */
	MENU_ENTRY_COPY, /* struct menu_entry_name: a copy of ID called TITLE; answered as MENU_ENTRY_SAVE */
	MENU_ENTRY_RENAME, /* struct menu_entry_name: ID's new title, and a new id; answered as MENU_ENTRY_SAVE */
	MENU_ENTRY_DELETE,	/* struct menu_entry_id */
	MENU_ENTRY_SET_DEFAULT, /* struct menu_entry_id; an empty id: no default */
	MENU_ENTRY_SET_ONCE, /* struct menu_entry_id: for the next start only; an empty id: take it back */
	MENU_ENTRY_START,      /* struct menu_entry_id; answered by MENU_VM, or MENU_REFUSED */
	MENU_SETTINGS_SAVE,    /* struct menu_settings; what only the daemon knows is ignored */
	MENU_COUNTDOWN_PAUSE,  /* no body: a key was pressed */
	MENU_COUNTDOWN_CANCEL, /* no body: no countdown any more until the daemon starts again */
	MENU_LOG_FOLLOW, /* uint64_t: send MENU_LOG from this sequence number on, and what comes later */
	MENU_LOG_STOP,	    /* no body */
	MENU_FACTS_GET,	    /* no body: answered by MENU_FACTS */
	MENU_NICS_GET,	    /* no body: answered by MENU_NICS */
	MENU_VM_BREAK,		/* no body: a break on the guest's serial line; only with the keyboard */
	MENU_VM_LOG,		/* uint8_t: the raw log of the console goes on (1), or bytes pass it by (0) */
	MENU_KEYBOARD_TAKE, /* no body: the guest's keyboard for this menu; answered by MENU_VM */
	MENU_UNLOCK, /* a password, 1..MENU_MAX_PASSWORD bytes; answered by MENU_LOCK_STATE or MENU_REFUSED */
	MENU_LOCK,   /* no body: as before MENU_UNLOCK */
	MENU_POWER,  /* uint32_t, enum menu_power; the running VM is ended first */
	MENU_REPORT, /* struct menu_report_to; answered by MENU_REPORTED, or MENU_REFUSED */
	MENU_VM_GROW_DISK, /* uint32_t, number of the disk: it may have become bigger; answered by MENU_STATUS */
	MENU_VM_LINK,	  /* struct vmm_set_link: a network card's cable; answered as MENU_VM_PAUSE */
	MENU_VM_BALLOON,  /* uint64_t: bytes the guest is to give back; answered as MENU_VM_PAUSE */
	MENU_PCI_GET,	  /* no body: answered by MENU_PCI_STATE and MENU_PCI */
	MENU_SCAN_CANCEL, /* no body: what is still being looked at is left alone, until MENU_RESCAN */
	MENU_PASSWORD, /* the new one, up to MENU_MAX_PASSWORD bytes; no body: none any more. Answered by MENU_SETTINGS */
	/* daemon -> menu */
	MENU_WELCOME = 100, /* struct menu_welcome */
	MENU_DEVICES,	    /* struct menu_list + count * struct menu_device, possibly in parts */
	MENU_FIRMWARES,	    /* struct menu_list + count * struct menu_firmware, possibly in parts */
	MENU_VM,	    /* struct menu_vm */
	MENU_CONSOLE,	    /* 1..16384 bytes from the guest's serial line */
	MENU_CONSOLE_LIVE,   /* no body: what came of MENU_CONSOLE so far is old, what comes now is live */
	MENU_CONSOLE_LOST,  /* uint64_t: so many bytes were left out here, this menu was too slow */
	MENU_CONSOLE_END,   /* no body: that was all of MENU_CONSOLE_LOG, the console is closed */
	MENU_STATUS,	    /* struct vmm_status */
	MENU_REFUSED, /* uint32_t type of the refused message + text up to the end of the message */
	MENU_NOTICE,  /* the same: it was done, but */
	MENU_ENTRIES, /* struct menu_list + count * struct menu_entry, possibly in parts */
	MENU_ENTRY_SAVED, /* struct menu_entry_id: the id that it has now; to the menu that asked, after MENU_ENTRIES */
	MENU_SETTINGS,	/* struct menu_settings */
	MENU_COUNTDOWN, /* struct menu_countdown; once a second while it counts */
	MENU_LOG_STATE, /* struct menu_log_state; when there are new warnings or errors */
	MENU_LOG, /* struct menu_list + count * struct menu_log_line: the next ones, not a snapshot */
	MENU_FACTS,	 /* struct menu_list + count * struct menu_fact, possibly in parts */
	MENU_NICS,	 /* struct menu_list + count * struct menu_nic, possibly in parts */
	MENU_PCI_STATE,	 /* struct menu_pci_state */
	MENU_PCI,	 /* struct menu_list + count * struct menu_pci, possibly in parts */
	MENU_LOCK_STATE, /* struct menu_lock_state */
	MENU_REPORTED,	 /* the path of the report that was written, up to the end of the message */
};

/* A daemon reads VERSION of any other version's hello, so it stays first. */
struct menu_hello {
	uint32_t version;
	uint32_t trusted; /* not at a console that a password locks: `vmboot ctl`, run by root */
	char name[32];	  /* where this menu is, for the others: "ttyS0", "pts/2 (ssh)"; or empty */
};

struct menu_welcome {
	uint32_t version;
	uint32_t host_cpus;
	uint64_t host_memory;	   /* bytes in the machine */
	uint64_t host_memory_free; /* bytes a VM could use now */
	uint8_t kvm_ok;
	uint8_t firmware_ok; /* this KVM can run firmware (self-test guest) */
	uint8_t pad[6];
	uint64_t client; /* who this menu is in struct menu_vm's KEYBOARD; never 0 */
	char client_name[32];
	char host_name[64];
	char kvm_text[256]; /* when not ok: the sentence */
	/* Where UEFI's variables are that have no file of their own: a directory, "/dev/sda3 (VMBOOT)"; empty: nowhere. */
	char vars_path[VM_PATH_SIZE];
	uint64_t vars_size;   /* bytes, of all VMs; 0: there are none yet */
	int64_t vars_changed; /* when some were written last, seconds since 1970 */
	/* Where the raw log of a console goes; empty: nowhere. */
	char log_path[VM_PATH_SIZE];
	uint64_t log_max;  /* bytes at which that one stops */
	uint64_t log_room; /* bytes that it can still take there; UINT64_MAX: not known */
	uint32_t controllers; /* that disks can be behind */
	uint32_t controllers_bound; /* of them those with a driver */
};

/* Head of a list message. A long list comes in parts; LAST marks the end, then the list is complete. */
struct menu_list {
	uint32_t count; /* in this part */
	uint8_t first;
	uint8_t last;
	uint8_t scanning; /* probes are still running */
	uint8_t live;	  /* disks that come and go show by themselves; else MENU_RESCAN */
};

/* The partition that has the settings where no directory does: the label of its file system or of itself. */
#define MENU_STORE_LABEL "VMBOOT"

/*
 * A whole disk, a partition (PARENT set; it follows its disk), or a file that can be attached like a
 * disk (after all block devices). PATH is what tells one from another. Texts are terminal-safe.
 */
struct menu_device {
	/* Kernel's name: nvme0n1p1; of an image the last part of its path. */
	char name[64];
	char parent[32];	 /* whole disk's name, empty for a whole disk */
	char path[VM_PATH_SIZE]; /* /dev/nvme0n1p1 */
	uint64_t size;		 /* bytes */
	/* loop_now_ms() when its probe began, while that runs; else 0. */
	uint64_t scanning_since;
	uint32_t logical_block;
	uint8_t kind;  /* enum menu_device_kind */
	uint8_t empty; /* nothing is behind it (a loop device without a file): no disk to offer */
	uint8_t read_only;
	uint8_t removable;
	uint8_t in_use; /* cannot be attached read-write; USE says by whom */
	uint8_t state;	/* enum menu_device_state */
	uint8_t failing; /* it says so itself, in HEALTH */
	char health[80]; /* "health ok, 3 % of its life used"; empty: it does not tell */
	char use[96];	/* "mounted on /boot", "member of md0", "used as swap" */
	char model[64];
	char serial[64];
	char transport[16]; /* nvme, sata, usb, virtio, scsi, mmc, loop, ... */
	char fstype[24]; /* xfs, ext4, vfat, crypto_LUKS, ...; empty when nothing known was found */
	char label[64];
	char uuid[40];
	char part_label[64];
	char part_uuid[40];
	/*
	 * In words: "Debian GNU/Linux 12 (bookworm)", "Windows Boot Manager", "LUKS 2 encrypted
	 * volume"; of a partitioned disk what its partitions hold. May be empty.
	 */
	char holds[160];
	char note[160]; /* why it was skipped or failed; else a remark or empty */
};

enum menu_device_kind {
	MENU_DEVICE_BLOCK,
	MENU_DEVICE_IMAGE, /* PATH is a regular file */
};

enum menu_device_state {
	MENU_DEVICE_SCANNING,
	MENU_DEVICE_READY,
	MENU_DEVICE_FAILED,  /* NOTE says why (I/O error, no answer for 10 s) */
	MENU_DEVICE_SKIPPED, /* NOTE says why */
};

/* A file that looks like firmware. */
struct menu_firmware {
	char device[64];	 /* /dev/nvme0n1p1, or empty: on the running system */
	char path[VM_PATH_SIZE]; /* inside DEVICE's file system, or on the running system */
	uint64_t size;
	uint8_t usable;
	char kind[24];	  /* "PVH ELF", "flash image", ... */
	char version[96]; /* what the image says of itself, or empty */
	char reason[200]; /* when not usable: the sentence */
	char sha256[65];  /* of the file, in hexadecimal; or empty: not known */
};

enum menu_vm_state {
	MENU_VM_NONE,
	MENU_VM_STARTING,
	MENU_VM_RUNNING,
	MENU_VM_ENDED, /* REASON, TEXT and LAST_LINES are filled until MENU_VM_FORGET */
};

/* The raw log of the guest's console: LOG_PATH of the configuration. */
enum menu_vm_log {
	MENU_VM_LOG_NONE,
	MENU_VM_LOG_ON,
	MENU_VM_LOG_PAUSED,
	MENU_VM_LOG_FULL, /* it has reached its limit */
};

struct menu_vm {
	uint32_t state;	 /* enum menu_vm_state */
	uint32_t reason; /* enum vmm_exit_reason; 0: the vmm process itself died */
	uint64_t run_ms; /* so far, or in all */
	uint32_t resets;
	uint32_t stage; /* enum vmm_stage; 0: not known (yet) */
	uint64_t balloon; /* bytes that the guest was asked to give back */
	uint8_t paused;
	uint8_t guest_event; /* enum vmm_guest_event, the last one; 0 none. A panic is of the past after a reset */
	uint8_t vars_saved; /* the variable file is up to date */
	uint8_t log;	    /* enum menu_vm_log */
	uint8_t by_itself;  /* started by the countdown */
	/* The menu whose MENU_INPUT reaches the guest; the others look on. It is the one that started the
	 * VM or typed into it first, until another takes it or it leaves. 0: nobody yet. */
	uint64_t keyboard;
	char keyboard_name[32];
	char id[MENU_ID_SIZE]; /* the entry; empty when CONFIG came from MENU_START */
	char text[480];	       /* why it ended, or a warning of the start */
	struct vm_config config;
};

/* ---- entries ---- */

/* How the console view treats this entry's guest; names as in the entry's file. */
struct menu_console_hints {
	char keys[16];	  /* "auto", "vt-utf8", "xterm", "pc-ansi", "tty" */
	char charset[16]; /* "auto", "utf-8", "cp437" */
};

/*
 * One of entries/NAME.conf. Sorted as they are tried when one fails: natural order of ids. CONFIG is ready for
 * MENU_START: disks are resolved to the paths they have today. A disk that cannot be resolved stands
 * there by its stable name ("serial:S64DNX0R401234"), and PROBLEM says why; both forms may be sent back in
 * MENU_ENTRY_SAVE.
 */
struct menu_entry {
	char id[MENU_ID_SIZE];
	char group[64]; /* the whole disk it is listed under, its first one, by name; or empty */
	char source[VM_PATH_SIZE];    /* its file, for people: "/etc/vmboot/entries/debian.conf" */
	char problem[MENU_TEXT_SIZE]; /* why it cannot start now, as far as is known, or empty */
	uint8_t writable;	      /* 0: a change is kept for this boot only */
	uint8_t changed;	      /* differs from the file: it could not be written */
	uint8_t is_default;
	uint8_t is_once;   /* the next start by the countdown is this one */
	uint8_t is_next;   /* what the countdown would start now */
	uint8_t autostart; /* the countdown may start it; 0: only an operator */
	uint8_t pad[2];
	uint32_t tries;	 /* so many starts may fail in a row before another is tried; 0: no limit */
	uint32_t failed; /* starts in a row that failed so far */
	struct menu_console_hints console;
	struct vm_config config;
};

struct menu_entry_id {
	char id[MENU_ID_SIZE];
};

struct menu_entry_name {
	char id[MENU_ID_SIZE];
	char title[64];
};

/*
 * Replaces entry ID, or makes a new one (empty ID) whose id is made from the title: "Debian 12" is
 * debian-12, debian-12-2 when that is taken. A replaced entry whose title changed gets a new id, too.
 */
struct menu_entry_save {
	char id[MENU_ID_SIZE];
	uint8_t autostart;
	uint8_t pad[3];
	uint32_t tries;
	struct menu_console_hints console;
	struct vm_config config;
};

/* ---- settings ---- */

enum menu_power_policy {
	MENU_POWER_TO_MENU, /* a guest that switches itself off: back to the menu */
	MENU_POWER_TO_HOST, /* the machine is switched off, too */
};

enum menu_trust_policy {
	MENU_TRUST_OFF,
	MENU_TRUST_WARN,    /* what is not signed starts, and the log says so */
	MENU_TRUST_REQUIRE, /* it does not start */
};

enum menu_store_state {
	MENU_STORE_NONE,      /* nothing found: in memory only */
	MENU_STORE_WAITING,   /* still looking for the partition */
	MENU_STORE_READ_ONLY, /* read, but writes are refused: STORE_TEXT says why */
	MENU_STORE_OK,
};

/* UEFI variables that have no file of their own (VM_VARS_USUAL). */
enum menu_vars_kept {
	MENU_VARS_LAST,
	MENU_VARS_UNTIL_OFF, /* in the memory of this machine */
	MENU_VARS_NOT_KEPT,
};

/* A terminal that is told no size, or the wrong speed. */
struct menu_console_settings {
	char tty[16];	     /* ttyS0 */
	uint32_t baud;	     /* 0: as it is */
	uint16_t rows, cols; /* 0: as the terminal says */
};

struct menu_settings {
	int32_t timeout_s;   /* of the countdown; 0: at once, -1: no countdown */
	uint32_t rearm_s;    /* a paused countdown goes on after so long without a key; 0: never */
	uint8_t hidden_menu; /* only the countdown shows until a key is pressed */
	uint8_t ascii;	     /* no line drawing beyond ASCII */
	uint8_t shell_allowed;
	uint8_t guest_power; /* enum menu_power_policy */
	uint8_t trust;	     /* enum menu_trust_policy */
	uint8_t prefix_key;  /* the control character, 0x1D for ^] */
	uint8_t store_state; /* enum menu_store_state; the daemon's, as all below STORE */
	uint8_t has_password;
	char theme[VM_PATH_SIZE];
	char images[VM_PATH_SIZE]; /* directory whose images are offered as disks; empty: the usual */
	uint32_t console_count;
	struct menu_console_settings consoles[MENU_MAX_CONSOLES];
	/* ---- the daemon's: ignored in MENU_SETTINGS_SAVE ---- */
	uint8_t vars_kept; /* enum menu_vars_kept */
	uint32_t
		problem_count; /* lines of vmboot.conf and entries/ that were not understood: they are in the log */
	char store[VM_PATH_SIZE]; /* "/etc/vmboot", "/dev/sda3 (VMBOOT)"; empty: none */
	char store_text[MENU_TEXT_SIZE]; /* about it: "none found, running on defaults" */
};

/* ---- countdown ---- */

enum menu_countdown_state {
	MENU_COUNTDOWN_OFF,
	MENU_COUNTDOWN_RUNNING,
	MENU_COUNTDOWN_PAUSED,
};

/*
 * Until an entry starts by itself, or until the machine follows a guest that has switched itself off; any key then
 * keeps it on.
 *
 * Shared by all menus. Any key that a person can have pressed pauses it (the menu decides what is one:
 * never an unknown escape sequence, never ^L), and it counts anew after REARM_S without another.
 */
struct menu_countdown {
	uint32_t state;	  /* enum menu_countdown_state */
	uint32_t seconds; /* until the start; while paused: until it counts anew, 0 never */
	uint32_t power;	  /* enum menu_power; 0: an entry starts. TITLE is the guest's then, ID empty */
	char id[MENU_ID_SIZE];
	char title[64];
	char text[MENU_TEXT_SIZE]; /* why it is off, or waits, when there is something to say */
};

/* ---- log ---- */

struct menu_log_state {
	uint64_t next; /* sequence number of the next line; they count from 1 */
	uint32_t
		problems; /* warnings and errors so far: what a menu has not shown of them is its badge */
	uint32_t pad;
};

struct menu_log_line {
	uint64_t seq;
	uint64_t time_ms; /* monotonic clock, as in log files */
	uint32_t level;	  /* enum log_level: 0 error, 1 warning, 2 information, 3 debugging */
	char source[20];  /* "daemon", "vmm", "probe" */
	char text[320];
};

/* ---- the machine ---- */

/* A line of the system information, in the order in which it is shown. */
struct menu_fact {
	char group[24]; /* "CPU", "Memory", "Disks"; the same for lines that follow each other */
	char name[40];
	char value[192]; /* or "not available (no /sys/firmware/dmi)" */
	uint8_t missing; /* VALUE says why there is none */
	uint8_t bad;	 /* something that should be otherwise: KVM off in the firmware */
	uint8_t pad[6];
};

enum menu_nic_kind {
	MENU_NIC_PHYSICAL,
	MENU_NIC_WIRELESS,
	MENU_NIC_BRIDGE,
	MENU_NIC_TAP,
	MENU_NIC_OTHER, /* VLAN, bond, veth, ... */
};

/* A network interface of the host but the loopback. */
struct menu_nic {
	char name[16];
	char driver[24]; /* empty: none */
	char mac[18];	 /* "52:54:00:12:34:56" or empty */
	char master[16]; /* bridge or bond it belongs to */
	char address[64]; /* first IPv4 address with its prefix, else a global IPv6 one, or empty */
	uint8_t kind; /* enum menu_nic_kind */
	uint8_t up;   /* administratively */
	uint8_t link; /* has a carrier */
	uint8_t pad[3];
	uint32_t speed; /* Mbit/s, 0 not known */
};

enum menu_pci_verdict {
	MENU_PCI_FREE,	  /* a guest can have it */
	MENU_PCI_ASK,	  /* it can, and the operator loses what USE says */
	MENU_PCI_REFUSED, /* it cannot: USE says why */
	MENU_PCI_BRIDGE,  /* no device that a guest could use; it needs none of its group's bridges */
};

/* A PCI function of the host. Those of an IOMMU group go to the same guest, or to none. */
struct menu_pci {
	char address[VM_PCI_ADDRESS_SIZE]; /* "0000:01:00.0" */
	char name[96];	     /* vendor and device in words, or "144d:a80a" */
	char class_name[40]; /* "NVMe controller" */
	char driver[24];     /* of the host; empty: none */
	char link[24];	     /* "8.0 GT/s x4", or empty */
	char makes[64];	     /* what the host has by it: "nvme0n1", "eth0", "fb0", "ttyS4"; with blanks between */
	char use[160];	     /* "nvme0n1 is mounted on /", or empty: the host does not use it */
	char usb[128];	     /* what is plugged into a USB controller: "USB Keyboard, 0951:1666", or empty */
	char serial[VM_PCI_SERIAL_SIZE];  /* of an NVMe controller, where its driver tells it; or empty */
	char physfn[VM_PCI_ADDRESS_SIZE]; /* of a virtual function: whose; or empty */
	uint32_t class_code; /* base class, subclass, programming interface: 0x010802 */
	uint16_t vendor, device;
	int32_t group;	 /* IOMMU group, -1: none */
	int32_t numa;	 /* node, -1: none */
	uint8_t rom;	 /* has an expansion ROM */
	uint8_t verdict; /* enum menu_pci_verdict */
	uint8_t pad[6];
};

/* What this machine has of what passing devices takes. */
struct menu_pci_state {
	uint8_t usable;
	uint8_t pad[7];
	char text[MENU_TEXT_SIZE]; /* why not, or what to know; may be empty */
};

/* ---- lock, power, report ---- */

struct menu_lock_state {
	uint8_t has_password; /* without one nothing is ever locked */
	uint8_t locked;	      /* this menu may only start the default entry and look */
};

enum menu_power {
	MENU_POWER_OFF = 1,
	MENU_POWER_REBOOT,
};

/* A directory, or a block device with a file system ("/dev/sdb1"), in which a new directory is made. */
struct menu_report_to {
	char target[VM_PATH_SIZE]; /* empty: the usual place, /var/lib/vmboot or /tmp */
};

#endif
