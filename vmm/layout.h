/*
 * Addresses, ports and interrupt numbers of platform (a), the one CLOUDHV.fd and a directly booted
 * Linux see: one place, used by the devices, the ACPI tables and vm.c alike. The firmware dictates
 * most of them (Cloud Hypervisor's platform: host bridge 8086:0d57). Platform (b), OVMF's, is the same with
 * what stands at the end added.
 */
#ifndef VMB_VMM_LAYOUT_H
#define VMB_VMM_LAYOUT_H

/* Guest physical memory; RAM itself is laid out by mem.h. */
#define LAYOUT_START_INFO 0xA0000ULL /* struct hvm_start_info, then its memory map */
#define LAYOUT_ACPI	  0xA1000ULL /* RSDP first, then every table, to 0xEFFFF */
#define LAYOUT_ACPI_END	  0xF0000ULL
#define LAYOUT_RSDP_COPY  0xEFFC0ULL /* for a Linux that searches for it; inside the tables' end */
#define LAYOUT_SMBIOS	  0xF0000ULL /* the firmware looks for "_SM3_" exactly here */
#define LAYOUT_RESET_CODE 0xFFFF0ULL /* where a PC's processors begin: with a direct Linux, a reset */
#define LAYOUT_SMBIOS_END 0x100000ULL

/* What a directly booted Linux finds at its start: RAM, its own as soon as it runs. */
#define LAYOUT_LINUX_GDT	  0x6000ULL
#define LAYOUT_LINUX_PARAMS	  0x7000ULL /* struct boot_params, one page */
#define LAYOUT_LINUX_PAGES	  0x8000ULL /* 6 page tables */
#define LAYOUT_LINUX_CMDLINE	  0x10000ULL
#define LAYOUT_LINUX_CMDLINE_SIZE 0x10000ULL

#define LAYOUT_PCI32	  0xC0000000ULL /* 32-bit PCI window, around the ECAM */
#define LAYOUT_PCI32_END  0xFC000000ULL
#define LAYOUT_ECAM	  0xE8000000ULL
#define LAYOUT_ECAM_SIZE  0x10000000ULL /* room for buses 0..255 */
#define LAYOUT_IOAPIC	  0xFEC00000ULL
#define LAYOUT_LAPIC	  0xFEE00000ULL
#define LAYOUT_KVM_TSS	  0xFEFFD000ULL /* 3 pages for KVM_SET_TSS_ADDR */
#define LAYOUT_KVM_IDMAP  0xFEFFC000ULL /* 1 page for KVM_SET_IDENTITY_MAP_ADDR */

/* There are no bridges, and Linux looks for devices on each bus that the tables name: two exits for each of 32. */
#define LAYOUT_PCI_BUSES 1

/* Ports. */
#define LAYOUT_PORT_I8042    0x60 /* 0x60 data, 0x64 command */
#define LAYOUT_PORT_RTC	     0x70 /* index, data */
#define LAYOUT_PORT_UART     0x3F8
#define LAYOUT_PORT_DEBUGCON 0x402
#define LAYOUT_PORT_PVPANIC  0x505 /* 1 byte */
#define LAYOUT_PORT_PM	     0x600 /* sleep control + reset (Cloud Hypervisor's) */
#define LAYOUT_PORT_PM_TIMER 0x608 /* 32 bits, 3.579545 MHz */
#define LAYOUT_PORT_GED	     0x60C /* 1 byte: pending events, read clears */
#define LAYOUT_PORT_WATCHDOG 0x610 /* 8 bytes, see watchdog.c */
#define LAYOUT_PORT_PCI	     0xCF8 /* CONFIG_ADDRESS, CONFIG_DATA; 0xCF9 byte = reset control */
#define LAYOUT_PCI_IO	     0x1000 /* I/O BARs; EDK2 gives them 0xC000 up, Linux any of these */
#define LAYOUT_PCI_IO_END    0x10000

/* Global system interrupts. */
#define LAYOUT_GSI_UART	 4
#define LAYOUT_GSI_GED	 9
#define LAYOUT_GSI_INTX	 16 /* 4 level lines: slot's INTx pin P is 16 + (slot + P - 1) % 4 */
#define LAYOUT_GSI_COUNT 24 /* pins of the I/O APIC; MSI routes come above */

/* Platform (b): a PC's i440FX with the PIIX behind it, as OVMF takes it (OvmfPkg/Include/IndustryStandard). */
#define LAYOUT_FLASH_END      0x100000000ULL /* of the code; the variables end where it begins */
#define LAYOUT_PCI32_I440FX   0x80000000ULL /* OVMF's 32-bit window begins here, or where RAM ends */
#define LAYOUT_SLOT_PIIX      1
#define LAYOUT_FUNCTION_PIIX4 3
#define LAYOUT_PORT_FW_CFG    0x510  /* selector, data */
#define LAYOUT_PORT_PIIX4     0xB000 /* PM1 status, enable, control; PM timer at 8 */

#endif
