/*
 * Messages between the daemon and its menus; `vmboot ctl` is one, too. The daemon owns every fact; a menu draws what it was
 * told and sends wishes. Snapshots, not deltas: a list message replaces what was known.
 *
 * After connecting a menu sends MENU_HELLO; the daemon answers MENU_WELCOME, then a snapshot
 * (MENU_DEVICES, MENU_FIRMWARE, MENU_VM), and again whenever one of them changes. A menu may send
 * MENU_HELLO again to have the welcome's figures (free memory) anew.
 */
#ifndef VMB_INCLUDE_MENU_PROTO_H
#define VMB_INCLUDE_MENU_PROTO_H

#include <stdint.h>

#include "vm_config.h"
#include "vmm_proto.h"

#define MENU_PROTO_VERSION 3

enum menu_msg {
	/* menu -> daemon */
	MENU_HELLO = 1,	     /* struct menu_hello */
	MENU_START,	     /* struct vm_config; answered by MENU_VM, or MENU_REFUSED */
	MENU_VM_RESET,	     /* no body */
	MENU_VM_POWER,	     /* no body: power button */
	MENU_VM_KILL,	     /* no body */
	MENU_VM_FORGET,	     /* no body: the result of an ended VM was read, state goes back to none */
	MENU_CONSOLE_OPEN,   /* no body: send me the console, first what is in the replay buffer */
	MENU_CONSOLE_CLOSE,  /* no body */
	MENU_INPUT,	     /* 1..4096 bytes for the guest's serial line */
	MENU_RESCAN,	     /* no body */
	MENU_VM_PAUSE,	     /* no body: answered by MENU_VM, as the next, or MENU_REFUSED */
	MENU_VM_RESUME,	     /* no body */
	MENU_VM_STATUS,	     /* no body: answered by MENU_STATUS, or MENU_REFUSED */
	MENU_CONSOLE_LOG,    /* no body: send me what is in the replay buffer, then MENU_CONSOLE_END */
	/* daemon -> menu */
	MENU_WELCOME = 100,  /* struct menu_welcome */
	MENU_DEVICES,	     /* struct menu_list + count * struct menu_device, possibly in parts */
	MENU_FIRMWARES,	     /* struct menu_list + count * struct menu_firmware, possibly in parts */
	MENU_VM,	     /* struct menu_vm */
	MENU_CONSOLE,	     /* 1..16384 bytes from the guest's serial line */
	MENU_CONSOLE_LOST,   /* uint64_t: so many bytes were left out here, this menu was too slow */
	MENU_CONSOLE_END,    /* no body: that was all of MENU_CONSOLE_LOG, the console is closed */
	MENU_STATUS,	     /* struct vmm_status */
	MENU_REFUSED,	     /* uint32_t type of the refused message + text up to the end of the message */
};

struct menu_hello {
	uint32_t version;
};

struct menu_welcome {
	uint32_t version;
	uint32_t host_cpus;
	uint64_t host_memory;	   /* bytes in the machine */
	uint64_t host_memory_free; /* bytes a VM could use now */
	uint8_t kvm_ok;
	uint8_t firmware_ok; /* this KVM can run firmware (self-test guest) */
	char host_name[64];
	char kvm_text[256]; /* when not ok: the sentence */
};

/* Head of a list message. A long list comes in parts; LAST marks the end, then the list is complete. */
struct menu_list {
	uint32_t count; /* in this part */
	uint8_t first;
	uint8_t last;
	uint8_t scanning; /* probes are still running */
	uint8_t live;	  /* disks that come and go show by themselves; else MENU_RESCAN */
};

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
	uint8_t empty; /* nothing is behind it (a loop device without a file): no row of its own */
	uint8_t read_only;
	uint8_t removable;
	uint8_t in_use; /* cannot be attached read-write; USE says by whom */
	uint8_t state;	/* enum menu_device_state */
	char use[96];	/* "mounted on /boot", "member of md0", "used as swap" */
	char model[64];
	char serial[64];
	char transport[16]; /* nvme, sata, usb, virtio, scsi, mmc, loop, ... */
	char fstype[24];    /* xfs, ext4, vfat, crypto_LUKS, ...; empty when nothing known was found */
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
	char device[64]; /* /dev/nvme0n1p1, or empty: on the running system */
	char path[VM_PATH_SIZE]; /* inside DEVICE's file system, or on the running system */
	uint64_t size;
	uint8_t usable;
	char kind[24];	  /* "PVH ELF", "flash image", ... */
	char version[64]; /* what the image says of itself, or empty */
	char reason[200]; /* when not usable: the sentence */
};

enum menu_vm_state {
	MENU_VM_NONE,
	MENU_VM_STARTING,
	MENU_VM_RUNNING,
	MENU_VM_ENDED, /* REASON, TEXT and LAST_LINES are filled until MENU_VM_FORGET */
};

struct menu_vm {
	uint32_t state;	 /* enum menu_vm_state */
	uint32_t reason; /* enum vmm_exit_reason; 0: the vmm process itself died */
	uint64_t run_ms; /* so far, or in all */
	uint32_t resets;
	uint32_t stage; /* enum vmm_stage; 0: not known (yet) */
	uint8_t paused;
	uint8_t vars_saved; /* the variable file is up to date */
	char text[480];	    /* why it ended, or a warning of the start */
	struct vm_config config;
};

#endif
