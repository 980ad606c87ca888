/* See ctl.h. */
#include "ctl.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "text.h"

/* ---- the machine ---- */

static const char *safe(char *dst, size_t size, const char *src, size_t src_size)
{
	return text_escape(dst, size, src, strnlen(src, src_size));
}

static void print_time(uint64_t ms)
{
	uint64_t s = ms / 1000;

	printf("%" PRIu64 ":%02u:%02u", s / 3600, (unsigned int)(s / 60 % 60),
	       (unsigned int)(s % 60));
}

void ctl_print_line(const struct menu_vm *vm)
{
	char title[4 * sizeof(vm->config.title)], text[2 * sizeof(vm->text)];

	if (vm->state == MENU_VM_NONE) {
		printf("No virtual machine is running.\n");
		return;
	}
	printf("%s  ", safe(title, sizeof(title), vm->config.title, sizeof(vm->config.title)));
	if (vm->state == MENU_VM_STARTING) {
		printf("starting\n");
		return;
	}
	printf("%s  ", vm->state == MENU_VM_ENDED ? "ended" : vm->paused ? "paused" : "running");
	print_time(vm->run_ms);
	if (vm->state != MENU_VM_ENDED && vmm_stage_name(vm->stage)[0])
		printf("  in %s", vmm_stage_name(vm->stage));
	printf("  resets %u", vm->resets);
	if (vm->state != MENU_VM_ENDED && vm->guest_event)
		printf("  %s", vmm_guest_event_text(vm->guest_event));
	if (vm->state == MENU_VM_ENDED)
		printf("  %s", safe(text, sizeof(text), vm->text, sizeof(vm->text)));
	printf("\n");
}

static void print_disk(unsigned int i, const struct vm_disk *disk, const struct vmm_disk_status *d)
{
	char path[2 * VM_PATH_SIZE], read[16], written[16];

	printf("disk %u: %" PRIu64 " reads (%s), %" PRIu64 " writes (%s), %" PRIu64
	       " others, %" PRIu64 " errors  %s\n",
	       i, d->reads, text_format_size(d->read_bytes, read, sizeof(read)), d->writes,
	       text_format_size(d->written_bytes, written, sizeof(written)), d->others, d->errors,
	       safe(path, sizeof(path), disk->path, sizeof(disk->path)));
}

static void print_net(unsigned int i, const struct vm_net *net, const struct vmm_net_status *n)
{
	char text[VM_NET_TEXT_SIZE], shown[4 * VM_NET_TEXT_SIZE], in[16], out[16];

	printf("network card %u: link %s, ", i, n->link_up ? "up" : "down");
	if (n->vhost)
		printf("by the kernel (vhost-net), which counts on the tap; ");
	printf("received %" PRIu64 " packets (%s), %" PRIu64 " dropped, sent %" PRIu64
	       " (%s), %" PRIu64 " dropped  %s\n",
	       n->rx_packets, text_format_size(n->rx_bytes, in, sizeof(in)), n->rx_dropped,
	       n->tx_packets, text_format_size(n->tx_bytes, out, sizeof(out)), n->tx_dropped,
	       safe(shown, sizeof(shown), vm_config_format_net(net, text, sizeof(text)),
		    sizeof(text)));
}

static void print_balloon(const struct menu_vm *vm, const struct vmm_balloon_status *b)
{
	char target[16], actual[16], reported[16], total[16], available[16];

	if (vm->config.vfio_count > 0) {
		printf("balloon: none, since all memory is locked for what is passed through\n");
		return;
	}
	if (!b->driven) {
		printf("balloon: the guest drives none\n");
		return;
	}
	printf("balloon: %s of %s asked for; reported free so far %s",
	       text_format_size(b->actual, actual, sizeof(actual)),
	       text_format_size(b->target, target, sizeof(target)),
	       text_format_size(b->reported, reported, sizeof(reported)));
	if (b->total)
		printf("; the guest counts %s, %s available",
		       text_format_size(b->total, total, sizeof(total)),
		       text_format_size(b->available, available, sizeof(available)));
	printf("\n");
}

void ctl_print_status(const struct menu_vm *vm, const struct vmm_status *status)
{
	char engine[4 * sizeof(status->engine)];

	for (unsigned int i = 0; i < status->cpu_count && i < VM_MAX_CPUS; i++)
		printf("vCPU %u: exits for ports %" PRIu64 ", device memory %" PRIu64
		       ", other reasons %" PRIu64 "\n",
		       i, status->cpus[i].io, status->cpus[i].mmio, status->cpus[i].other);
	printf("unclaimed: ports %" PRIu64 ", device memory %" PRIu64 "\n", status->unclaimed_ports,
	       status->unclaimed_mmio);
	for (unsigned int i = 0; i < status->disk_count && i < VM_MAX_DISKS; i++)
		print_disk(i, &vm->config.disks[i], &status->disks[i]);
	for (unsigned int i = 0; i < status->net_count && i < VM_MAX_NETS; i++)
		print_net(i, &vm->config.nets[i], &status->nets[i]);
	print_balloon(vm, &status->balloon);
	printf("input and output: %s\n",
	       safe(engine, sizeof(engine), status->engine, sizeof(status->engine)));
}

/* ---- the console ---- */

enum { TEXT_PLAIN, TEXT_ESCAPE, TEXT_SEQUENCE };

void ctl_text_begin(struct ctl_text *text, bool for_terminal)
{
	*text = (struct ctl_text){.for_terminal = for_terminal};
}

static void flush_line(struct ctl_text *text, bool ended)
{
	char out[4 * sizeof(text->line) + 1];

	fputs(text_escape(out, sizeof(out), text->line, text->len), stdout);
	if (ended)
		putchar('\n');
	text->len = 0;
}

/* Is BYTE part of the line? Swallows escape sequences (ECMA-48: ESC, or ESC [ up to its final byte). */
static bool is_text(struct ctl_text *text, uint8_t byte)
{
	switch (text->state) {
	case TEXT_ESCAPE: text->state = byte == '[' ? TEXT_SEQUENCE : TEXT_PLAIN; return false;
	case TEXT_SEQUENCE:
		if (byte >= 0x40 && byte <= 0x7E)
			text->state = TEXT_PLAIN;
		return false;
	default: break;
	}
	if (byte == 0x1B)
		text->state = TEXT_ESCAPE;
	return byte != 0x1B && byte != '\r';
}

static void put_byte(struct ctl_text *text, uint8_t byte)
{
	if (!is_text(text, byte))
		return;
	if (byte == '\n') {
		flush_line(text, true);
		return;
	}
	if (text->len == sizeof(text->line))
		flush_line(text, false);
	text->line[text->len++] = byte == '\t' ? ' ' : (char)byte;
}

void ctl_text_put(struct ctl_text *text, const uint8_t *buf, size_t n)
{
	if (!text->for_terminal) {
		fwrite(buf, 1, n, stdout);
		return;
	}
	for (size_t i = 0; i < n; i++)
		put_byte(text, buf[i]);
}

void ctl_text_end(struct ctl_text *text)
{
	if (text->for_terminal && text->len > 0)
		flush_line(text, true);
	fflush(stdout);
}
