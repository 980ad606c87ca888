/*
 * Messages between the launcher (daemon or `vmboot run`) and one vmm process, over the control
 * socket that the vmm finds as descriptor VMM_CONTROL_FD. The launcher speaks first, with VMM_PREPARE or VMM_START.
 */
#ifndef VMB_INCLUDE_VMM_PROTO_H
#define VMB_INCLUDE_VMM_PROTO_H

#include <stdint.h>

#include "vm_config.h"

#define VMM_CONTROL_FD	  3
#define VMM_PROTO_VERSION 6

enum vmm_msg {
	/* launcher -> vmm */
	VMM_START = 1,	   /* struct vmm_start + descriptors, see there */
	VMM_RESET,	   /* no body: like the reset button */
	VMM_POWER_BUTTON,  /* no body */
	VMM_STOP,	   /* no body: save variables, answer VMM_EXITED(VMM_EXIT_STOPPED), end */
	VMM_PAUSE,	   /* no body: the guest stands still from VMM_PAUSED on, also over a reset */
	VMM_GET_STATUS,	   /* no body: answered by VMM_STATUS */
	VMM_RESUME,	   /* no body: it goes on, answered by VMM_RESUMED */
	VMM_BREAK,	   /* no body: a break on the guest's serial line */
	VMM_SET_LINK,	   /* struct vmm_set_link: a cable is plugged in or pulled out */
	VMM_GROW_DISK,	   /* uint32_t, number of the disk: it may have become bigger; VMM_STATUS has its size */
	VMM_SET_BALLOON,   /* uint64_t: bytes that the guest is asked to give back */
	/*
	 * No body, the descriptor of kvm, before VMM_START if at all: has KVM make a machine meanwhile. Its kernel
	 * waits long for something in there that needs no processor.
	 */
	VMM_PREPARE,
	/* vmm -> launcher */
	VMM_STARTED = 100, /* no body: first KVM_RUN is about to happen */
	VMM_WAS_RESET,	   /* no body: the machine was rebuilt and runs again */
	VMM_VARS_CHANGED,  /* no body: the "good" half of the variable memory was updated */
	VMM_PAUSED,	   /* no body: no vCPU runs, the last access of each was completed */
	VMM_RESUMED,	   /* no body */
	VMM_STATUS,	   /* struct vmm_status */
	VMM_PROGRESS, /* uint32_t, enum vmm_stage: how far the guest has come since its power-on */
	VMM_GUEST_EVENT, /* uint32_t, enum vmm_guest_event: once of each kind between two resets */
	VMM_EXITED,	 /* struct vmm_exited: always the last message of an orderly end */
};

/*
 * Descriptors beside VMM_START, in this order: 0 kvm, 1 console (stream socket, both directions, non-blocking), two
 * that depend on what is booted, then the disks, then for each network card its taps (non-blocking), one for each pair
 * of queues, and as many of vhost-net if it has VHOST; then, if devices are passed through, the VFIO container (or,
 * with VFIO_IOMMUFD, /dev/iommu) and VFIO_FD_COUNT groups (devices). With VMM_BOOT_FIRMWARE the two are 2 firmware
 * (sealed memfd), 3 variables (memfd of 2 * VARSTORE_SIZE: the live store that is mapped into guest RAM, then the last
 * copy known to be good: at first both are one store, which the launcher has checked); with VMM_BOOT_FLASH the same,
 * but the store has the size that the firmware asks for (flash.h) and is in flash; with VMM_BOOT_LINUX, which has no
 * UEFI and so no variables, 2 kernel, 3 initrd (sealed memfds; an empty one: no initrd).
 */
#define VMM_FD_KVM	0
#define VMM_FD_CONSOLE	1
#define VMM_FD_FIRMWARE 2
#define VMM_FD_VARS	3
#define VMM_FD_KERNEL	2
#define VMM_FD_INITRD	3
#define VMM_FD_DISKS	4
#define VMM_MAX_FDS	(VMM_FD_DISKS + VM_MAX_DISKS + VM_MAX_NETS * 2 * VM_MAX_NET_QUEUES + 1 + VM_MAX_VFIO)

struct vmm_disk {
	uint64_t size;		/* bytes; multiple of 512 */
	uint32_t logical_block; /* 512 or 4096: what the guest sees */
	uint64_t overlay_limit;	 /* bytes of RAM for what the guest writes, with OVERLAY */
	uint32_t physical_block; /* bytes; 0 not known */
	uint32_t discard_block;	 /* of a block device: bytes in which it discards, 0 not at all */
	uint8_t is_block_device;
	uint8_t read_only;
	uint8_t overlay;
	uint8_t direct; /* opened with O_DIRECT: buffers and offsets must be aligned */
	char serial[VM_SERIAL_SIZE];
};

struct vmm_net {
	uint8_t mac[VM_NET_MAC_SIZE];
	uint8_t queues; /* pairs: 1 to VM_MAX_NET_QUEUES */
	uint8_t vhost;	/* the kernel moves the packets, there are descriptors for it */
	uint16_t mtu;	/* 0: not known */
};

struct vmm_vfio {
	char address[VM_PCI_ADDRESS_SIZE]; /* what the host's kernel calls it */
	uint8_t no_rom;
	uint8_t aer; /* the host's kernel hears of its errors by itself (PCI Express AER) */
	uint8_t fd; /* which of the groups it belongs to; with VFIO_IOMMUFD which of the devices it is */
};

enum vmm_boot {
	VMM_BOOT_FIRMWARE, /* PVH, in RAM, on Cloud Hypervisor's platform */
	VMM_BOOT_LINUX,	   /* the same without firmware */
	VMM_BOOT_FLASH,	   /* OVMF, in flash, on one like a PC with an i440FX */
};

struct vmm_start {
	uint32_t version;
	uint32_t cpus;
	uint64_t memory;
	uint32_t disk_count;
	uint32_t log_level; /* enum log_level; the vmm's log goes to its standard error */
	uint32_t boot;	    /* enum vmm_boot */
	uint8_t virtio_console; /* there is one, and it takes the console over: see vm_config.h */
	uint8_t nested;
	uint8_t stop_on_panic; /* the guest's VMM_GUEST_PANICKED ends the machine: VMM_EXIT_GUEST_FAULT */
	char cmdline[VM_CMDLINE_SIZE]; /* of the kernel; empty with firmware */
	uint32_t net_count;
	uint32_t vfio_count;
	uint32_t vfio_fd_count; /* beside the container */
	uint8_t vfio_iommufd;
	struct vmm_disk disks[VM_MAX_DISKS];
	struct vmm_net nets[VM_MAX_NETS];
	struct vmm_vfio vfio[VM_MAX_VFIO];
};

struct vmm_set_link {
	uint32_t net; /* number of the card */
	uint32_t up;  /* 1, 0: down */
};

/* Guessed from what the guest does, see vmm/progress.h. SEC to BDS are the firmware's own phases. */
enum vmm_stage {
	VMM_STAGE_SEC = 1,
	VMM_STAGE_PEI,
	VMM_STAGE_DXE,
	VMM_STAGE_BDS,
	VMM_STAGE_LOADER, /* a boot option runs: a boot loader, a shell, a kernel's EFI stub */
	VMM_STAGE_OS,
};

/* "SEC" to "OS" for people; empty for every other number. */
const char *vmm_stage_name(uint32_t stage);

/* What a guest says of itself (pvpanic), or its watchdog says of it. */
enum vmm_guest_event {
	VMM_GUEST_PANICKED = 1,
	VMM_GUEST_CRASH_LOADED, /* panicked, and its crash kernel runs now */
	VMM_GUEST_WATCHDOG,	/* not served in time; VMM_WAS_RESET follows */
};

/* A sentence for the operator; empty for every other number. */
const char *vmm_guest_event_text(uint32_t event);

/* How often a vCPU came out of the guest, and what for. */
struct vmm_cpu_status {
	uint64_t io;	/* port accesses */
	uint64_t mmio;	/* device memory */
	uint64_t other; /* interrupted by the vmm, and the rest */
};

/* What the guest asked of a disk. */
struct vmm_disk_status {
	uint64_t size; /* bytes */
	uint64_t reads;
	uint64_t writes;
	uint64_t others; /* flushes, discards, zeroes, anything else */
	uint64_t read_bytes;
	uint64_t written_bytes;
	uint64_t errors; /* of all these: answered with an error */
};

/* What passed a network card, seen from the guest. With VHOST the vmm counts nothing: it does not see it. */
struct vmm_net_status {
	uint64_t rx_packets;
	uint64_t rx_bytes;
	uint64_t rx_dropped; /* too long for the guest's buffers, or the link was down */
	uint64_t tx_packets;
	uint64_t tx_bytes;
	uint64_t tx_dropped; /* refused by the host's interface, not what was negotiated, or the link was down */
	uint8_t link_up;
	uint8_t vhost; /* the kernel moves the packets at this moment */
};

/* The guest's memory as its balloon driver tells; bytes. */
struct vmm_balloon_status {
	uint64_t target;   /* asked of it */
	uint64_t actual;   /* in the balloon */
	uint64_t reported; /* given back as free so far, whether in use again or not */
	uint64_t total, free, available; /* as /proc/meminfo has them; 0 not told */
	uint8_t driven;			 /* there is a driver */
};

/* Counters run from the start of the machine, over its resets. */
struct vmm_status {
	uint64_t run_ms; /* since the start; pauses count */
	uint32_t resets;
	uint8_t paused;
	char engine[16]; /* of input and output: "io_uring" or "threads" */
	uint32_t cpu_count;
	uint32_t disk_count;
	uint32_t net_count;
	uint64_t unclaimed_ports; /* accesses that no device answered */
	uint64_t unclaimed_mmio;
	struct vmm_cpu_status cpus[VM_MAX_CPUS];
	struct vmm_disk_status disks[VM_MAX_DISKS];
	struct vmm_net_status nets[VM_MAX_NETS];
	struct vmm_balloon_status balloon;
};

enum vmm_exit_reason {
	VMM_EXIT_POWER_OFF = 1, /* the guest switched itself off */
	VMM_EXIT_STOPPED,	/* VMM_STOP, or the launcher's end of the socket closed */
	VMM_EXIT_GUEST_FAULT,	/* triple fault, KVM internal error, failed entry: TEXT says which and where */
	VMM_EXIT_ERROR,		/* the vmm could not start or go on: TEXT says why */
};

struct vmm_exited {
	uint32_t reason;
	uint32_t resets; /* how often the guest was reset before */
	uint64_t run_ms;
	char text[480]; /* for the operator, always filled */
};

#endif
