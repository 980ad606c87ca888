/*
 * What one virtual machine is made of, as the operator said it: the menu's form and `vmboot run`
 * fill it, the launcher (daemon/launch.c) turns it into open descriptors for the vmm process. It
 * travels between processes, so it holds no pointers.
 */
#ifndef VMB_INCLUDE_VM_CONFIG_H
#define VMB_INCLUDE_VM_CONFIG_H

#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>

#include "err.h"

#define VM_MAX_DISKS	   24
#define VM_MAX_NETS	   8
#define VM_MAX_DISKS_OF_NETS 19 /* beside network cards, whose slots on PCI bus 0 are the last ones */
#define VM_MAX_VFIO	   8  /* devices passed through */
#define VM_PCI_ADDRESS_SIZE 17 /* "0000:01:00.0", with a domain of up to 8 digits, + NUL */
#define VM_PCI_SERIAL_SIZE 24
#define VM_VFIO_TEXT_SIZE  80 /* room for vm_config_format_vfio() */
/* Disks beside COUNT devices passed through, whose slots on PCI bus 0 are the last ones before the network cards'. */
#define VM_MAX_DISKS_OF_VFIO(count) (20 - (count))
#define VM_MAX_NET_QUEUES  4  /* pairs of queues of one network card */
#define VM_NET_NAME_SIZE   16 /* of a network interface: 15 bytes + NUL, Linux's own limit */
#define VM_NET_MAC_SIZE	   6
#define VM_NET_TEXT_SIZE   128 /* room for vm_config_format_net() */
#define VM_MAX_CPUS	   254 /* APIC ids stay below 255: xAPIC, and what EDK2 accepts */
#define VM_MIN_MEMORY	   (64ULL << 20)
#define VM_SERIAL_SIZE	   21 /* virtio-blk: 20 bytes + NUL */
#define VM_PATH_SIZE	   256
#define VM_CMDLINE_SIZE	   2048 /* of the kernel's command line, with NUL: Linux's own limit */
#define VM_LOG_MAX	   (64u << 20) /* bytes of the console's raw log, at which it stops */
/* As vars_path of what the daemon starts: where it keeps those of the VM's disk. */
#define VM_VARS_USUAL	   "usual"
#define VM_DEFAULT_MEMORY  (1ULL << 30)
#define VM_DEFAULT_OVERLAY (1ULL << 30)

struct vm_disk {
	char path[VM_PATH_SIZE]; /* block device or raw image file */
	char serial
		[VM_SERIAL_SIZE]; /* empty: made from the device's own serial, else from its name */
	uint64_t overlay_limit; /* bytes of RAM that guest writes may take; 0: VM_DEFAULT_OVERLAY */
	uint32_t sector; /* 512 or 4096, what the guest sees; 0: the disk's own, 512 for a file */
	uint8_t read_only;
	uint8_t overlay; /* guest writes stay in RAM; the disk is opened read-only */
};

/* What a network card of the guest is joined to. */
enum vm_net_kind {
	VM_NET_TAP,	/* NAME is a tap that is there already */
	VM_NET_BRIDGE,	/* NAME is a bridge; a tap is made for it, and goes with the virtual machine */
	VM_NET_MACVTAP, /* NAME is an interface that gets a macvtap for as long, or a macvtap itself */
};

enum vm_net_vhost {
	VM_NET_VHOST_AUTO, /* the kernel moves the packets (vhost-net) where it can, else the vmm does */
	VM_NET_VHOST_ON,
	VM_NET_VHOST_OFF,
};

struct vm_net {
	uint8_t kind;  /* enum vm_net_kind */
	uint8_t vhost; /* enum vm_net_vhost */
	uint8_t queues; /* pairs, 1 to VM_MAX_NET_QUEUES; 0: one for each CPU, as far as the tap allows */
	uint8_t mac[VM_NET_MAC_SIZE]; /* all zero: made from the host, the machine's disk and the card's number */
	char name[VM_NET_NAME_SIZE];
};

/*
 * A PCI function of the host that becomes the guest's. Numbers of buses change when a card is plugged in, so what was
 * chosen is told by more than where it was.
 */
struct vm_vfio {
	char address[VM_PCI_ADDRESS_SIZE]; /* "0000:01:00.0" */
	char serial[VM_PCI_SERIAL_SIZE];   /* an NVMe controller's; empty: not told */
	uint16_t vendor, device;	   /* both 0: not told */
	uint8_t no_rom; /* the guest does not see the device's expansion ROM */
};

/* What becomes of the machine when the guest has switched itself off; never when it ended otherwise. */
enum vm_after {
	VM_AFTER_USUAL, /* as the settings say for all */
	VM_AFTER_MENU,	/* it stays on */
	VM_AFTER_POWEROFF,
	VM_AFTER_REBOOT,
	VM_AFTER_COUNT,
};

struct vm_config {
	char title[64];
	/* Firmware: PATH on the running system, or, when DEVICE names a block device ("/dev/nvme0n1p1"),
	 * PATH inside that device's file system. */
	char firmware_device[VM_PATH_SIZE];
	char firmware_path[VM_PATH_SIZE];
	/* Or, instead of firmware, a Linux kernel (bzImage, or vmlinux with the PVH note). */
	char kernel_path[VM_PATH_SIZE];
	char initrd_path[VM_PATH_SIZE]; /* empty: none */
	char cmdline[VM_CMDLINE_SIZE];
	char vars_path[VM_PATH_SIZE]; /* UEFI variable file, or VM_VARS_USUAL; empty: variables are not kept */
	char log_path[VM_PATH_SIZE];  /* raw copy of the guest's console; empty: none */
	uint64_t memory;	      /* bytes, multiple of 1 MiB */
	uint32_t cpus;
	uint32_t disk_count;
	uint32_t net_count;
	uint32_t vfio_count;
	/* The console is the guest's virtio-console (hvc0) as soon as its system speaks there, not the serial port. */
	uint8_t virtio_console;
	uint8_t nested;	       /* the guest's processors offer virtualisation themselves */
	uint8_t stop_on_panic; /* a guest's kernel that panics ends the VM; else it stays to be looked at */
	uint8_t after;	       /* enum vm_after */
	uint8_t fresh_vars; /* start with an empty store although the file is damaged (it is kept as .bad) */
	struct vm_disk disks[VM_MAX_DISKS];
	struct vm_net nets[VM_MAX_NETS];
	struct vm_vfio vfio[VM_MAX_VFIO];
};

/* Empty configuration with the default memory and one CPU. */
void vm_config_init(struct vm_config *config);

/*
 * Checks what can be checked without opening anything: strings terminated, memory and CPU limits
 * against this host (free memory, online CPUs), disk count, serial characters, network cards,
 * firmware or a kernel but not both, and nothing that belongs to the other. 0, -EINVAL or
 * -ERANGE with the sentence in ERR (may be NULL).
 */
int vm_config_check(const struct vm_config *config, struct vmb_err *err);

/* The same without comparing to this host: what may be kept in a file. */
int vm_config_check_form(const struct vm_config *config, struct vmb_err *err);

/*
 * Parses "PATH[,ro][,overlay[=SIZE]][,sector=4096][,serial=S]" (the --disk argument) into DISK. A
 * comma inside PATH is written ",,". 0 or -EINVAL with the sentence.
 */
int vm_config_parse_disk(const char *arg, struct vm_disk *disk, struct vmb_err *err);

/*
 * One more disk, network card, device for CONFIG: ARG as the three functions around here parse it. 0, or -EINVAL with the
 * sentence, also when there are too many; CONFIG is then as it was.
 */
int vm_config_add_disk(struct vm_config *config, const char *arg, struct vmb_err *err);
int vm_config_add_net(struct vm_config *config, const char *arg, struct vmb_err *err);
int vm_config_add_vfio(struct vm_config *config, const char *arg, struct vmb_err *err);

/*
 * Parses "tap=NAME|bridge=NAME|macvtap=NAME[,mac=XX:XX:XX:XX:XX:XX][,queues=N][,vhost=on|off|auto]"
 * (the --net argument) into NET. 0 or -EINVAL with the sentence.
 */
int vm_config_parse_net(const char *arg, struct vm_net *net, struct vmb_err *err);

/* NET as vm_config_parse_net() reads it, without what is at its default. Cut when SIZE is too small; returns BUF. */
char *vm_config_format_net(const struct vm_net *net, char *buf, size_t size);

/* What can be checked of NET without opening anything, as vm_config_check() does. */
int vm_config_check_net(const struct vm_net *net, struct vmb_err *err);

/*
 * Parses "[DDDD:]BB:DD.F[,id=VVVV:DDDD][,serial=S][,rom=on|off]" (the --vfio argument) into VFIO, whose address is in full
 * and in small letters then. 0 or -EINVAL with the sentence.
 */
int vm_config_parse_vfio(const char *arg, struct vm_vfio *vfio, struct vmb_err *err);

/* Can TEXT be the SERIAL of a struct vm_vfio: short, of letters, digits, '.', '_' and '-', so that it needs no quotes? */
bool vm_config_is_pci_serial(const char *text);

/* VFIO as vm_config_parse_vfio() reads it. Cut when SIZE is too small; returns BUF. */
char *vm_config_format_vfio(const struct vm_vfio *vfio, char *buf, size_t size);

/* Is CONFIG's device number N a well-formed address, and in it only once? As vm_config_check() does. */
int vm_config_check_vfio(const struct vm_config *config, unsigned int n, struct vmb_err *err);

/* The reverse of vm_config_parse_disk(). 0, or -ENAMETOOLONG when BUF is too small. */
int vm_config_format_disk(const struct vm_disk *disk, char *buf, size_t size);

#endif
