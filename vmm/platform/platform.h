/*
 * The small devices of the board. Each is opaque, has its interrupt and its effects passed in as
 * callbacks, and offers a bus_ops table whose OFFSET counts from the device's first port, so each
 * is tested register by register without a VM. All lock themselves; callbacks are called without that lock.
 *
 * Every *_create() copies its parameters and returns 0 or -ENOMEM, and what it makes is the caller's; every *_destroy()
 * takes NULL. Every *_reset() brings power-on state; vCPUs stand still then.
 */
#ifndef VMB_VMM_PLATFORM_PLATFORM_H
#define VMB_VMM_PLATFORM_PLATFORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "err.h"
#include "vmm/bus.h"
#include "vmm/irq.h"
#include "vmm/mem.h"
#include "vmm/ring.h"

/* ---- 16550A UART (National Semiconductor PC16550D data sheet), 8 ports ---- */
struct uart;
struct uart_params {
	struct irq_pin irq;
	/* One byte left the transmitter. Called on a vCPU thread; must not block. */
	void (*transmit)(void *ctx, uint8_t byte);
	/* The receiver has room again after uart_receive() was refused. */
	void (*receive_ready)(void *ctx);
	void *ctx;
};
int uart_create(const struct uart_params *params, struct uart **ret_uart);
void uart_destroy(struct uart *uart);
void uart_reset(struct uart *uart);
extern const struct bus_ops uart_bus_ops;
/* Bytes arriving on the line; returns how many the receive FIFO took (flow control instead of loss). Any thread. */
size_t uart_receive(struct uart *uart, const uint8_t *buf, size_t n);
/* The line is held low for longer than a byte: a zero with LSR.BI (8.6). */
void uart_receive_break(struct uart *uart);

/* ---- MC146818 RTC and CMOS RAM, 2 ports; read by polling, it has no interrupt ---- */
struct rtc;
struct rtc_params {
	/* Wall clock, UTC; NULL: CLOCK_REALTIME. */
	void (*now)(void *ctx, struct timespec *ret);
	void *ctx;
	uint64_t low_end;   /* reported in 0x34/0x35 (RAM above 16 MiB, 64 KiB units) */
	uint64_t high_size; /* reported in 0x5B..0x5D (RAM above 4 GiB, 64 KiB units) */
};
int rtc_create(const struct rtc_params *params, struct rtc **ret_rtc);
void rtc_destroy(struct rtc *rtc);
void rtc_reset(struct rtc *rtc); /* the clock goes on; CMOS 0x0F reads 0 */
extern const struct bus_ops rtc_bus_ops;

/*
 * ---- Power management: 0x600 sleep/reset, 0x608 PM timer, GED events, 0xCF9 ----
 * (ACPI 6.5 hardware-reduced: 4.8.3.7 sleep control; 5.6.9 generic event device)
 */
struct pm;
struct pm_params {
	struct irq_pin ged_irq; /* level until the event byte was read */
	/* The guest asks; called on its vCPU thread, which must not run guest code any more after the write. */
	void (*power_off)(void *ctx);
	void (*reset)(void *ctx);
	void *ctx;
};
int pm_create(const struct pm_params *params, struct pm **ret_pm);
void pm_destroy(struct pm *pm);
void pm_reset(struct pm *pm);
void pm_press_power_button(struct pm *pm); /* any thread */
extern const struct bus_ops pm_bus_ops;	      /* LAYOUT_PORT_PM, 1 port range of 4 */
extern const struct bus_ops pm_timer_bus_ops; /* LAYOUT_PORT_PM_TIMER, 4 */
extern const struct bus_ops pm_ged_bus_ops;   /* LAYOUT_PORT_GED, 1 */
extern const struct bus_ops pm_cf9_bus_ops;   /* 0xCF9, through pci.c */

/* ---- i8042: only what resets and what keeps drivers from waiting; ports 0x60..0x64 ---- */
struct i8042;
int i8042_create(void (*reset)(void *ctx), void *ctx, struct i8042 **ret_i8042);
void i8042_destroy(struct i8042 *i8042);
void i8042_reset(struct i8042 *i8042);
extern const struct bus_ops i8042_bus_ops;

/* ---- Debug console, port 0x402: reads 0xE9, written lines go to the log ---- */
struct debugcon;
int debugcon_create(struct debugcon **ret_debugcon);
void debugcon_destroy(struct debugcon *debugcon);
extern const struct bus_ops debugcon_bus_ops;

/*
 * ---- pvpanic, 1 port (QEMU, docs/specs/pvpanic) ----
 * PANICKED is called on the guest's vCPU thread each time the guest says so: with CRASH_LOADED another
 * kernel takes over in it.
 */
struct pvpanic;
int pvpanic_create(void (*panicked)(void *ctx, bool crash_loaded), void *ctx,
		   struct pvpanic **ret_pvpanic);
void pvpanic_destroy(struct pvpanic *pvpanic); /* NULL is fine */
extern const struct bus_ops pvpanic_bus_ops;

/* ---- Watchdog, 8 ports (see watchdog.c); operating systems learn of it from the WDAT table ---- */
#define WATCHDOG_UNIT_MS 100 /* of its countdown */
struct watchdog;
struct watchdog_params {
	struct ring *ring; /* borrowed; its thread sees the end of the countdown */
	/* The guest did not serve it in time. The countdown has stopped. On RING's thread. */
	void (*expired)(void *ctx);
	void *ctx;
};
/* Before RING is started. 0, -ENOMEM or -errno of timerfd_create(2). */
int watchdog_create(const struct watchdog_params *params, struct watchdog **ret_watchdog);
void watchdog_destroy(struct watchdog *watchdog); /* after RING's end; NULL is fine */
/* Stopped; whether it was the watchdog that reset the machine remains to be read. */
void watchdog_reset(struct watchdog *watchdog);
/* The machine stands still from here to there, and the countdown with it. */
void watchdog_pause(struct watchdog *watchdog);
void watchdog_resume(struct watchdog *watchdog);
extern const struct bus_ops watchdog_bus_ops;

/* ---- Flash chip with the UEFI variables of OVMF; see cfi_flash.c ---- */
#define CFI_FLASH_BLOCK 0x1000 /* bytes that are erased together */
struct cfi_flash;
struct cfi_flash_params {
	uint8_t *bytes; /* whole blocks, borrowed; the guest's as long as it is mapped */
	/* The guest reads BYTES by itself from now on (MAP; and it is so at the start), or no longer. 0 or -errno. */
	int (*map)(void *ctx, bool map);
	void *ctx;
};
int cfi_flash_create(const struct cfi_flash_params *params, struct cfi_flash **ret_flash);
void cfi_flash_destroy(struct cfi_flash *flash); /* NULL is fine */
void cfi_flash_reset(struct cfi_flash *flash);	 /* it reads as an array, and is mapped */
extern const struct bus_ops cfi_flash_bus_ops;	 /* accesses inside BYTES */

/* ---- QEMU's firmware configuration, 2 ports: selector, data ---- */
#define FW_CFG_NAME 56 /* of a file, with NUL */
struct fw_cfg;
int fw_cfg_create(unsigned int cpus, struct fw_cfg **ret_cfg);
void fw_cfg_destroy(struct fw_cfg *cfg); /* NULL is fine */
void fw_cfg_reset(struct fw_cfg *cfg);
extern const struct bus_ops fw_cfg_bus_ops;
/* One more file, copied. Before the guest runs. 0, -ENOMEM or -ENOSPC. */
int fw_cfg_add_file(struct fw_cfg *cfg, const char *name, const void *bytes, size_t size);

/* ---- What OVMF uses of a PIIX4's power management, 12 ports; see piix4.c ---- */
struct piix4;
/* PM, borrowed, has the timer. POWER_OFF as in struct pm_params. */
int piix4_create(struct pm *pm, void (*power_off)(void *ctx), void *ctx, struct piix4 **ret_piix4);
void piix4_destroy(struct piix4 *piix4); /* NULL is fine */
void piix4_reset(struct piix4 *piix4);
extern const struct bus_ops piix4_bus_ops;

/* ---- Tables ---- */
#define ACPI_MAX_SIZE 0x8000 /* of all tables together */
struct acpi_params {
	unsigned int cpus;   /* APIC ids 0..cpus-1 */
	uint64_t pci32_base; /* 32-bit PCI window, to LAYOUT_PCI32_END */
	uint64_t pci64_base; /* 64-bit PCI window */
	uint64_t pci64_end;  /* exclusive */
};
/* XSDT, FADT (hardware-reduced), MADT, MCFG, SPCR, WDAT, SSDT, DSDT, as they lie one behind the other. */
struct acpi_tables {
	size_t size;	     /* of BYTES */
	uint32_t fadt, xsdt; /* where in BYTES these two are: they point to others */
	uint8_t bytes[ACPI_MAX_SIZE];
	uint8_t rsdp[36];
};
/*
 * Makes the tables that are going to lie at guest address BASE. ACPI 6.5 chapter 5. 0, -EINVAL (CPU count), -ENOMEM or
 * -ENOSPC.
 */
int acpi_make(const struct acpi_params *params, uint64_t base, struct acpi_tables *ret_tables);

/* Writes them to LAYOUT_ACPI..LAYOUT_ACPI_END. *ret_rsdp is the RSDP's guest address. 0 or -errno as above. */
int acpi_build(struct guest_mem *mem, const struct acpi_params *params, uint64_t *ret_rsdp);

/*
 * Gives them to firmware as files of CFG, with the commands by which it puts them into memory (acpi_loader.c). 0 or
 * -errno as above.
 */
int acpi_load(struct fw_cfg *cfg, const struct acpi_params *params);

struct smbios_params {
	unsigned int cpus;
	uint64_t memory;
};
/* Writes an SMBIOS 3.x entry point at LAYOUT_SMBIOS and the structures after it. 0 or -ENOSPC. */
int smbios_build(struct guest_mem *mem, const struct smbios_params *params);

/* Gives both to firmware as files of CFG. 0 or -errno. */
int smbios_load(struct fw_cfg *cfg, const struct smbios_params *params);

#endif
