/*
 * What a virtual machine is made of: the table of devices, with the ports and
 * interrupts of each (layout.h). Devices know nothing of each other; they meet here.
 */
#include "vmm/vm_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "vmm/disk/disk.h"
#include "vmm/layout.h"
#include "vmm/virtio/virtio_devices.h"

#define DISK_DEPTH 256

struct vm_device {
	const char *name;
	int (*create)(struct vm *vm, struct vmb_err *err);
	void (*reset)(struct vm *vm);
	void (*destroy)(struct vm *vm); /* also when create() failed or never ran */
};

static void guest_reset(void *ctx)
{
	vm_raise_request(ctx, VM_REQUEST_RESET, "");
}

void vm_power_off(void *ctx)
{
	vm_raise_request(ctx, VM_REQUEST_POWER_OFF, "");
}

int vm_claim_ports(struct vm *vm, uint64_t base, uint64_t len, const struct bus_ops *ops, void *dev)
{
	return bus_add(vm->ports,
		       &(struct bus_range){.base = base, .len = len, .ops = ops, .dev = dev});
}

int vm_new_ring(struct vm *vm, enum sandbox_thread kind, const char *name, unsigned int depth,
		struct vmb_err *err)
{
	int r = ring_create(name, depth, RING_AUTO, &vm->rings[vm->ring_count], err);

	if (r == 0)
		ring_confine(vm->rings[vm->ring_count++], vm->params.sandbox, kind);
	return r;
}

/*
 * ---- serial port and console ----
 *
 * The console is the serial port's: firmware and boot loaders know nothing else. With a virtio-console it
 * becomes that one's with the first thing an operating system prints there (firmware may print there
 * what it prints on the serial port, too), until the next power-on. What is typed goes where what is
 * seen comes from, and nowhere else.
 */

static void uart_transmit(void *ctx, uint8_t byte)
{
	struct vm *vm = ctx;

	progress_serial(&vm->progress, byte);
	if (!atomic_load(&vm->hvc_speaks))
		vm_console_transmit(vm->console, byte);
}

static void console_wants_input(void *ctx)
{
	vm_console_input_ready(((struct vm *)ctx)->console);
}

static size_t console_receive(void *ctx, const uint8_t *buf, size_t n)
{
	struct vm *vm = ctx;

	if (atomic_load(&vm->hvc_speaks))
		return virtio_console_receive(vm->hvc, buf, n);
	return uart_receive(vm->uart, buf, n);
}

static int create_serial(struct vm *vm, struct vmb_err *err)
{
	struct vm_console_params console = {
		.fd = vm->params.console_fd,
		.receive = console_receive,
		.ctx = vm,
	};
	struct uart_params uart = {
		.transmit = uart_transmit,
		.receive_ready = console_wants_input,
		.ctx = vm,
	};
	int r = vm_new_ring(vm, SANDBOX_STREAMS, "io", 64, err);

	if (r < 0)
		return r;
	console.ring = vm->rings[0];
	r = irq_wires_connect(vm->wires, LAYOUT_GSI_UART, &uart.irq);
	if (r == 0)
		r = uart_create(&uart, &vm->uart);
	if (r == 0)
		r = vm_console_create(&console, &vm->console);
	if (r == 0)
		r = vm_claim_ports(vm, LAYOUT_PORT_UART, 8, &uart_bus_ops, vm->uart);
	return r;
}

static void reset_serial(struct vm *vm)
{
	atomic_store(&vm->hvc_speaks, false);
	uart_reset(vm->uart);
	vm_console_input_ready(vm->console);
}

static void destroy_serial(struct vm *vm)
{
	vm_console_destroy(vm->console);
	uart_destroy(vm->uart);
}

/* ---- clock ---- */

/* The clock's ports, with an eye on what the guest writes there. */
static uint64_t read_rtc(void *dev, uint64_t offset, unsigned int size)
{
	return rtc_bus_ops.read(((struct vm *)dev)->rtc, offset, size);
}

static void write_rtc(void *dev, uint64_t offset, unsigned int size, uint64_t value)
{
	struct vm *vm = dev;

	progress_cmos_write(&vm->progress, offset, size, value);
	rtc_bus_ops.write(vm->rtc, offset, size, value);
}

static const struct bus_ops watched_rtc_bus_ops = {.read = read_rtc, .write = write_rtc};

static int create_rtc(struct vm *vm, struct vmb_err *err)
{
	struct rtc_params rtc = {
		.low_end = gm_low_end(vm->mem),
		.high_size = gm_high_size(vm->mem),
	};
	int r = rtc_create(&rtc, &vm->rtc);

	(void)err;
	if (r == 0)
		r = vm_claim_ports(vm, LAYOUT_PORT_RTC, 2, &watched_rtc_bus_ops, vm);
	return r;
}

static void reset_rtc(struct vm *vm)
{
	rtc_reset(vm->rtc);
}

static void destroy_rtc(struct vm *vm)
{
	rtc_destroy(vm->rtc);
}

/* ---- power management ---- */

static int create_pm(struct vm *vm, struct vmb_err *err)
{
	struct pm_params pm = {.power_off = vm_power_off, .reset = guest_reset, .ctx = vm};
	int r = irq_wires_connect(vm->wires, LAYOUT_GSI_GED, &pm.ged_irq);

	(void)err;
	if (r == 0)
		r = pm_create(&pm, &vm->pm);
	if (r == 0)
		r = vm_claim_ports(vm, LAYOUT_PORT_PM, 4, &pm_bus_ops, vm->pm);
	if (r == 0)
		r = vm_claim_ports(vm, LAYOUT_PORT_PM_TIMER, 4, &pm_timer_bus_ops, vm->pm);
	if (r == 0)
		r = vm_claim_ports(vm, LAYOUT_PORT_GED, 1, &pm_ged_bus_ops, vm->pm);
	return r;
}

static void reset_pm(struct vm *vm)
{
	pm_reset(vm->pm);
}

static void destroy_pm(struct vm *vm)
{
	pm_destroy(vm->pm);
}

/* ---- keyboard controller: its reset line ---- */

static int create_i8042(struct vm *vm, struct vmb_err *err)
{
	int r = i8042_create(guest_reset, vm, &vm->i8042);

	(void)err;
	if (r == 0)
		r = vm_claim_ports(vm, LAYOUT_PORT_I8042, 5, &i8042_bus_ops, vm->i8042);
	return r;
}

static void reset_i8042(struct vm *vm)
{
	i8042_reset(vm->i8042);
}

static void destroy_i8042(struct vm *vm)
{
	i8042_destroy(vm->i8042);
}

/* ---- debug console ---- */

static int create_debugcon(struct vm *vm, struct vmb_err *err)
{
	int r = debugcon_create(&vm->debugcon);

	(void)err;
	if (r == 0)
		r = vm_claim_ports(vm, LAYOUT_PORT_DEBUGCON, 1, &debugcon_bus_ops, vm->debugcon);
	return r;
}

static void destroy_debugcon(struct vm *vm)
{
	debugcon_destroy(vm->debugcon);
}

/* ---- pvpanic and watchdog ---- */

static void guest_panicked(void *ctx, bool crash_loaded)
{
	vm_raise_event(ctx, crash_loaded ? VMM_GUEST_CRASH_LOADED : VMM_GUEST_PANICKED);
}

static int create_pvpanic(struct vm *vm, struct vmb_err *err)
{
	int r = pvpanic_create(guest_panicked, vm, &vm->pvpanic);

	(void)err;
	if (r == 0)
		r = vm_claim_ports(vm, LAYOUT_PORT_PVPANIC, 1, &pvpanic_bus_ops, vm->pvpanic);
	return r;
}

static void destroy_pvpanic(struct vm *vm)
{
	pvpanic_destroy(vm->pvpanic);
}

static void watchdog_expired(void *ctx)
{
	vm_raise_event(ctx, VMM_GUEST_WATCHDOG);
	vm_raise_request(ctx, VM_REQUEST_RESET, "");
}

static int create_watchdog(struct vm *vm, struct vmb_err *err)
{
	const struct watchdog_params params = {
		.ring = vm->rings[0], .expired = watchdog_expired, .ctx = vm};
	int r = watchdog_create(&params, &vm->watchdog);

	(void)err;
	if (r == 0)
		r = vm_claim_ports(vm, LAYOUT_PORT_WATCHDOG, 8, &watchdog_bus_ops, vm->watchdog);
	return r;
}

static void reset_watchdog(struct vm *vm)
{
	watchdog_reset(vm->watchdog);
}

static void destroy_watchdog(struct vm *vm)
{
	watchdog_destroy(vm->watchdog);
}

/* ---- PCI, with a virtio-blk for each disk from slot 1 up, the other virtio devices behind them; see vm_nets.c, too ---- */

static int create_pci(struct vm *vm, struct vmb_err *err)
{
	const struct pci_bus_params params = {
		.ports = vm->ports,
		.mmio = vm->mmio,
		.cf9_ops = &pm_cf9_bus_ops,
		.cf9_dev = vm->pm,
		.pci32_base = vm_pci32_base(vm),
		.i440fx = vm_has_flash(vm),
	};

	(void)err;
	return pci_bus_create(&params, &vm->pci);
}

static void reset_pci(struct vm *vm)
{
	pci_bus_reset(vm->pci);
}

static void destroy_pci(struct vm *vm)
{
	pci_bus_destroy(vm->pci);
}

/* The virtio devices but network cards, in a row; a PIIX has the first slot for itself. */
static unsigned int virtio_slot(const struct vm *vm, unsigned int n)
{
	return (vm_has_flash(vm) ? LAYOUT_SLOT_PIIX + 1 : 1) + n;
}

int vm_add_to_bus(struct vm *vm, unsigned int slot, struct pci_device *dev)
{
	struct irq_pin intx;
	int r = irq_wires_connect(vm->wires, LAYOUT_GSI_INTX + slot % 4, &intx);

	if (r == 0)
		r = pci_bus_add(vm->pci, slot, dev, &intx);
	if (r < 0)
		pci_device_destroy(dev);
	return r;
}

struct virtio_env vm_make_env(struct vm *vm, struct ring *ring)
{
	return (struct virtio_env){
		.mem = vm->mem,
		.ring = ring,
		.msi = {.ops = &irq_kvm_msi_ops, .ctx = vm->kvm},
		.doorbell = {.ops = &irq_kvm_doorbell_ops, .ctx = vm->kvm},
		.observer = {.event = progress_virtio_event, .arg = &vm->progress},
	};
}

/*
 * A queue and a thread for each vCPU, within reason. The overlay is one memory that one thread
 * minds.
 */
static unsigned int disk_queues(const struct vm *vm, const struct vmm_disk *info)
{
	unsigned int fair = VM_MAX_DISK_QUEUES / vm->start.disk_count;
	unsigned int n = vm->start.cpus < VIRTIO_BLK_MAX_QUEUES ? vm->start.cpus : VIRTIO_BLK_MAX_QUEUES;

	n = n < fair ? n : fair;
	return info->overlay || n == 0 ? 1 : n;
}

/* The disk behind FD (taken over) for one queue, with a thread of its own. */
static int open_queue(struct vm *vm, int fd, unsigned int disk, unsigned int queue,
		      struct virtio_blk_queue *ret_queue, struct vmb_err *err)
{
	const struct vmm_disk *info = &vm->start.disks[disk];
	struct virtio_blk_queue q;
	char name[32];
	int r;

	if (fd < 0)
		return vmb_err_set(err, EMFILE, "Too many open files for the queues of a disk.");
	if (queue)
		snprintf(name, sizeof(name), "disk%u.%u", disk, queue);
	else
		snprintf(name, sizeof(name), "disk%u", disk);
	r = vm_new_ring(vm, SANDBOX_DISK, name, DISK_DEPTH, err);
	if (r < 0) {
		close(fd);
		return r;
	}
	q.ring = vm->rings[vm->ring_count - 1];
	r = disk_open_raw(fd, info, q.ring, DISK_DEPTH, &q.disk, err);
	if (r == 0 && info->overlay)
		r = disk_open_overlay(q.disk, info->overlay_limit, &q.disk);
	if (r == 0)
		*ret_queue = q;
	return r;
}

static int create_disk(struct vm *vm, unsigned int index, struct vmb_err *err)
{
	const struct vmm_disk *info = &vm->start.disks[index];
	unsigned int count = disk_queues(vm, info), opened = 0;
	struct virtio_blk_queue queues[VIRTIO_BLK_MAX_QUEUES];
	int fd = vm->params.disk_fds[index], r = 0;
	struct pci_device *dev;
	struct virtio_env env;

	vm->params.disk_fds[index] = -1;
	/* The last queue gets the descriptor itself, those before it copies. */
	while (opened < count && r == 0) {
		bool last = opened + 1 == count;

		r = open_queue(vm, last ? fd : fcntl(fd, F_DUPFD_CLOEXEC, 0), index, opened,
			       &queues[opened], err);
		if (r == 0)
			opened++;
		else if (!last)
			close(fd);
	}
	if (r < 0) {
		while (opened-- > 0)
			queues[opened].disk->ops->destroy(queues[opened].disk);
		return r;
	}
	env = vm_make_env(vm, queues[0].ring);
	r = virtio_blk_create(&env, queues, count, index, &dev);
	if (r == 0)
		r = vm_add_to_bus(vm, virtio_slot(vm, index), dev);
	if (r == 0)
		vm->disks[index] = dev;
	return r;
}

static int create_disks(struct vm *vm, struct vmb_err *err)
{
	int r = 0;

	for (unsigned int i = 0; i < vm->start.disk_count && r == 0; i++)
		r = create_disk(vm, i, err);
	return r;
}

static int create_rng(struct vm *vm, struct vmb_err *err)
{
	struct virtio_env env = vm_make_env(vm, vm->rings[0]);
	struct pci_device *dev;
	int r = virtio_rng_create(&env, &dev);

	(void)err;
	if (r == 0)
		r = vm_add_to_bus(vm, virtio_slot(vm, vm->start.disk_count), dev);
	return r;
}

static int create_balloon(struct vm *vm, struct vmb_err *err)
{
	struct virtio_env env = vm_make_env(vm, vm->rings[0]);
	struct pci_device *dev;
	int r;

	(void)err;
	/* A device may be about to write to any page: none can be given back. */
	if (vm->start.vfio_count > 0)
		return 0;
	r = virtio_balloon_create(&env, &dev);
	if (r == 0)
		r = vm_add_to_bus(vm, virtio_slot(vm, 1 + vm->start.disk_count), dev);
	if (r == 0)
		vm->balloon = dev;
	return r;
}

static void hvc_transmit(void *ctx, const uint8_t *buf, size_t n)
{
	struct vm *vm = ctx;

	if (progress_stage(&vm->progress) != VMM_STAGE_OS)
		return;
	if (!atomic_exchange(&vm->hvc_speaks, true))
		vm_console_input_ready(vm->console);
	vm_console_write(vm->console, buf, n);
}

static int create_hvc(struct vm *vm, struct vmb_err *err)
{
	const struct virtio_console_params params = {
		.transmit = hvc_transmit, .receive_ready = console_wants_input, .ctx = vm};
	struct virtio_env env = vm_make_env(vm, vm->rings[0]);
	struct pci_device *dev;
	int r;

	(void)err;
	if (!vm->start.virtio_console)
		return 0;
	r = virtio_console_create(&env, &params, &dev);
	if (r == 0)
		r = vm_add_to_bus(vm, virtio_slot(vm, 2 + vm->start.disk_count), dev);
	if (r == 0)
		vm->hvc = dev;
	return r;
}

/* ---- the table ---- */

static const struct vm_device devices[] = {
	{"serial port", create_serial, reset_serial, destroy_serial},
	{"clock", create_rtc, reset_rtc, destroy_rtc},
	{"power management", create_pm, reset_pm, destroy_pm},
	{"keyboard controller", create_i8042, reset_i8042, destroy_i8042},
	{"debug console", create_debugcon, NULL, destroy_debugcon},
	{"panic port", create_pvpanic, NULL, destroy_pvpanic},
	{"watchdog", create_watchdog, reset_watchdog, destroy_watchdog},
	{"PCI bus", create_pci, reset_pci, destroy_pci},
	{"disks", create_disks, NULL, NULL}, /* reset and destroyed by the PCI bus they are on */
	{"random numbers", create_rng, NULL, NULL},
	{"network cards", vm_nets_create, NULL, NULL},
	{"balloon", create_balloon, NULL, NULL},
	{"virtio console", create_hvc, NULL, NULL},
	{"devices passed through", vm_vfio_create, NULL, vm_vfio_destroy},
	{"flash", vm_flash_create, vm_flash_reset, vm_flash_destroy},
};

#define DEVICE_COUNT (sizeof(devices) / sizeof(devices[0]))

int vm_devices_create(struct vm *vm, struct vmb_err *err)
{
	for (size_t i = 0; i < DEVICE_COUNT; i++) {
		int r;

		err->code = 0;
		r = devices[i].create(vm, err);
		if (r < 0 && err->code == 0)
			vmb_err_set(err, -r,
				    "The virtual machine's device \"%s\" cannot be made "
				    "(%s).",
				    devices[i].name, strerror(-r));
		if (r < 0)
			return r;
	}
	for (unsigned int i = 0; i < vm->ring_count; i++) {
		int r = ring_start(vm->rings[i]);

		if (r < 0)
			return vmb_err_set(err, -r,
					   "The host gives no thread for input and output "
					   "(%s).",
					   strerror(-r));
	}
	log_info("vm: input and output by %s", ring_engine_name(vm->rings[0]));
	return 0;
}

void vm_devices_reset(struct vm *vm)
{
	/* The PCI bus first: when its devices are reset, no I/O of theirs touches guest memory any more. */
	for (size_t i = DEVICE_COUNT; i-- > 0;)
		if (devices[i].reset)
			devices[i].reset(vm);
}

void vm_devices_destroy(struct vm *vm)
{
	/* The PCI bus first, while the threads its devices live on are still there. */
	destroy_pci(vm);
	vm->pci = NULL;
	for (unsigned int i = 0; i < vm->ring_count; i++)
		ring_destroy(vm->rings[i]);
	for (size_t i = DEVICE_COUNT; i-- > 0;)
		if (devices[i].destroy)
			devices[i].destroy(vm);
}
