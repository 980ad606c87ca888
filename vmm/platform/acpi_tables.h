/*
 * The tables of ACPI 6.4 chapter 5 that acpi.c fills, as they lie in memory, with the flags it uses.
 * Little-endian, packed. Section numbers are those of the ACPI specification.
 */
#ifndef VMB_VMM_PLATFORM_ACPI_TABLES_H
#define VMB_VMM_PLATFORM_ACPI_TABLES_H

#include <stdint.h>

#define ACPI_PACKED __attribute__((packed))
#define ACPI_MAX_CPUS 254 /* xAPIC ids, and one byte of _UID */

/* 5.2.3.2 generic address structure */
#define ACPI_SPACE_IO 1
struct acpi_gas {
	uint8_t space;
	uint8_t bit_width;
	uint8_t bit_offset;
	uint8_t access_size; /* 1 byte, 2 word, 3 dword, 4 qword */
	uint64_t address;
} ACPI_PACKED;

/* 5.2.5.3 root system description pointer */
#define ACPI_RSDP_V1_SIZE 20 /* what the first checksum covers */
struct acpi_rsdp {
	char signature[8];
	uint8_t checksum;
	char oem_id[6];
	uint8_t revision;
	uint32_t rsdt;
	uint32_t length;
	uint64_t xsdt;
	uint8_t extended_checksum;
	uint8_t reserved[3];
} ACPI_PACKED;

/* 5.2.6 system description table header */
struct acpi_header {
	char signature[4];
	uint32_t length;
	uint8_t revision;
	uint8_t checksum;
	char oem_id[6];
	char oem_table_id[8];
	uint32_t oem_revision;
	char creator_id[4];
	uint32_t creator_revision;
} ACPI_PACKED;

/* 5.2.9 fixed ACPI description table */
#define ACPI_PM_ENTERPRISE_SERVER 4
#define ACPI_CMOS_CENTURY	  0x32
#define ACPI_FADT_LEGACY_DEVICES  (1 << 0) /* of boot_arch: COM1 */
#define ACPI_FADT_NO_VGA	  (1 << 2)
#define ACPI_FADT_NO_ASPM	  (1 << 4)
#define ACPI_FADT_WBINVD	  (1U << 0)
#define ACPI_FADT_C1_SUPPORTED	  (1U << 2)
#define ACPI_FADT_PWR_BUTTON	  (1U << 4) /* not a fixed button: PNP0C0C */
#define ACPI_FADT_SLP_BUTTON	  (1U << 5) /* not a fixed button: none */
#define ACPI_FADT_FIX_RTC	  (1U << 6) /* the clock wakes nobody through a fixed register */
#define ACPI_FADT_TMR_VAL_EXT	  (1U << 8) /* the PM timer has 32 bits */
#define ACPI_FADT_RESET_REG_SUP	  (1U << 10)
#define ACPI_FADT_HW_REDUCED	  (1U << 20)
struct acpi_fadt {
	struct acpi_header header;
	uint32_t firmware_ctrl;
	uint32_t dsdt;
	uint8_t reserved1;
	uint8_t preferred_pm_profile;
	uint16_t sci_int;
	uint32_t smi_cmd;
	uint8_t acpi_enable, acpi_disable, s4bios_req, pstate_control;
	uint32_t pm1a_event, pm1b_event, pm1a_control, pm1b_control, pm2_control;
	uint32_t pm_timer_block;
	uint32_t gpe0, gpe1;
	uint8_t pm1_event_length, pm1_control_length, pm2_control_length;
	uint8_t pm_timer_length;
	uint8_t gpe0_length, gpe1_length, gpe1_base, cst_control;
	uint16_t c2_latency, c3_latency;
	uint16_t flush_size, flush_stride;
	uint8_t duty_offset, duty_width;
	uint8_t day_alarm, month_alarm, century;
	uint16_t boot_arch;
	uint8_t reserved2;
	uint32_t flags;
	struct acpi_gas reset_reg;
	uint8_t reset_value;
	uint16_t arm_boot_arch;
	uint8_t minor_revision;
	uint64_t x_firmware_ctrl;
	uint64_t x_dsdt;
	struct acpi_gas x_pm1a_event, x_pm1b_event, x_pm1a_control, x_pm1b_control, x_pm2_control;
	struct acpi_gas x_pm_timer_block;
	struct acpi_gas x_gpe0, x_gpe1;
	struct acpi_gas sleep_control, sleep_status;
	uint64_t hypervisor_vendor;
} ACPI_PACKED;
_Static_assert(sizeof(struct acpi_fadt) == 276, "FADT of ACPI 6");

/* 5.2.12 multiple APIC description table; its entries follow it */
enum { ACPI_MADT_LAPIC = 0, ACPI_MADT_IOAPIC = 1, ACPI_MADT_OVERRIDE = 2, ACPI_MADT_LAPIC_NMI = 4 };
#define ACPI_MADT_ENABLED     (1 << 0)
#define ACPI_MADT_ACTIVE_HIGH (1 << 0)
#define ACPI_MADT_LEVEL	      (3 << 2)
struct acpi_madt {
	struct acpi_header header;
	uint32_t lapic_address;
	uint32_t flags; /* bit 0, "has two 8259s to be masked", stays clear: hardware-reduced */
} ACPI_PACKED;
struct acpi_madt_lapic {
	uint8_t type, length;
	uint8_t uid, apic_id;
	uint32_t flags;
} ACPI_PACKED;
struct acpi_madt_ioapic {
	uint8_t type, length;
	uint8_t id, reserved;
	uint32_t address, gsi_base;
} ACPI_PACKED;
struct acpi_madt_override {
	uint8_t type, length;
	uint8_t bus, source;
	uint32_t gsi;
	uint16_t flags;
} ACPI_PACKED;
struct acpi_madt_nmi {
	uint8_t type, length;
	uint8_t uid;
	uint16_t flags;
	uint8_t lint;
} ACPI_PACKED;

/* PCI Firmware 3.2, 4.1.2, with one allocation */
struct acpi_mcfg {
	struct acpi_header header;
	uint64_t reserved1;
	uint64_t base;
	uint16_t segment;
	uint8_t bus_start, bus_end;
	uint32_t reserved2;
} ACPI_PACKED;

/* Serial port console redirection table, revision 2 */
#define ACPI_SPCR_IOAPIC  (1 << 1)
#define ACPI_SPCR_115200  7
#define ACPI_SPCR_VT_UTF8 2
struct acpi_spcr {
	struct acpi_header header;
	uint8_t interface_type;
	uint8_t reserved1[3];
	struct acpi_gas base;
	uint8_t interrupt_type, irq;
	uint32_t gsi;
	uint8_t baud, parity, stop_bits, flow_control, terminal_type;
	uint8_t reserved2;
	uint16_t pci_device_id, pci_vendor_id;
	uint8_t pci_bus, pci_device, pci_function;
	uint32_t pci_flags;
	uint8_t pci_segment;
	uint32_t reserved3;
} ACPI_PACKED;
_Static_assert(sizeof(struct acpi_spcr) == 80, "SPCR revision 2");

/* Watchdog action table (Microsoft, "Hardware Watchdog Timers Design Specification"); its entries follow it */
#define ACPI_WDAT_NO_PCI      0xFF /* of segment and bus: no PCI device */
#define ACPI_WDAT_ENABLED     0x01
#define ACPI_WDAT_READ_VALUE  0x00 /* instructions */
#define ACPI_WDAT_READ_COUNT  0x01
#define ACPI_WDAT_WRITE_VALUE 0x02
#define ACPI_WDAT_WRITE_COUNT 0x03
enum acpi_wdat_action {
	ACPI_WDAT_RESTART = 0x01,
	ACPI_WDAT_GET_LEFT = 0x04,
	ACPI_WDAT_GET_COUNTDOWN = 0x05,
	ACPI_WDAT_SET_COUNTDOWN = 0x06,
	ACPI_WDAT_GET_RUNNING = 0x08,
	ACPI_WDAT_SET_RUNNING = 0x09,
	ACPI_WDAT_GET_STOPPED = 0x0A,
	ACPI_WDAT_SET_STOPPED = 0x0B,
	ACPI_WDAT_GET_FIRED = 0x20,
	ACPI_WDAT_CLEAR_FIRED = 0x21,
};
struct acpi_wdat {
	struct acpi_header header;
	uint32_t header_length; /* of what follows, without the entries */
	uint16_t pci_segment;
	uint8_t pci_bus, pci_device, pci_function;
	uint8_t reserved1[3];
	uint32_t unit_ms, max_count, min_count;
	uint8_t flags;
	uint8_t reserved2[3];
	uint32_t entries;
} ACPI_PACKED;
struct acpi_wdat_entry {
	uint8_t action, instruction;
	uint16_t reserved;
	struct acpi_gas reg;
	uint32_t value, mask;
} ACPI_PACKED;
_Static_assert(sizeof(struct acpi_wdat) == 68 && sizeof(struct acpi_wdat_entry) == 24, "WDAT");

/* AML (20.2.5) of Scope (\_SB), then once per processor of Device () { _HID "ACPI0007", _UID n } */
struct acpi_ssdt {
	struct acpi_header header;
	uint8_t scope_op;
	uint8_t scope_length[3];
	char scope_name[5];
} ACPI_PACKED;
#define ACPI_SSDT_INIT {.scope_op = 0x10, .scope_name = {'\\', '_', 'S', 'B', '_'}}
struct acpi_ssdt_cpu {
	uint8_t device_op[2];
	uint8_t length; /* counts itself; under 64: one byte */
	char name[4];
	uint8_t hid_op;
	char hid_name[4];
	uint8_t hid_string_op;
	char hid[9];
	uint8_t uid_op;
	char uid_name[4];
	uint8_t uid_byte_op;
	uint8_t uid;
} ACPI_PACKED;
#define ACPI_SSDT_CPU_INIT                                                                         \
	{                                                                                          \
		.device_op = {0x5B, 0x82}, .length = sizeof(struct acpi_ssdt_cpu) - 2,             \
		.hid_op = 0x08, .hid_name = {'_', 'H', 'I', 'D'}, .hid_string_op = 0x0D,           \
		.hid = "ACPI0007", .uid_op = 0x08, .uid_name = {'_', 'U', 'I', 'D'},               \
		.uid_byte_op = 0x0A                                                                \
	}

#endif
