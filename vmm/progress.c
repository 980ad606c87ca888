/* See progress.h. */
#include "vmm/progress.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#define CMOS_INDEX_MASK 0x7F /* the top bit of port 0x70 masks NMI */
#define CMOS_RTC_A	0x0A
#define CMOS_RTC_D	0x0D
#define CMOS_SHUTDOWN	0x0F

/* What BDS prints, in RELEASE builds too (PlatformBmPrintScLib). None has its first letter inside. */
static const struct {
	const char *text;
	enum vmm_stage stage;
} texts[PROGRESS_TEXTS] = {
	{"BdsDxe: loading", VMM_STAGE_BDS},
	{"BdsDxe: starting", VMM_STAGE_LOADER},
	{"BdsDxe: failed", VMM_STAGE_BDS},
};

void progress_init(struct progress *p, void (*changed)(void *ctx), void *ctx)
{
	*p = (struct progress){.changed = changed, .ctx = ctx};
	pthread_mutex_init(&p->lock, NULL);
}

void progress_fini(struct progress *p)
{
	pthread_mutex_destroy(&p->lock);
}

enum vmm_stage progress_stage(const struct progress *p)
{
	return (enum vmm_stage)atomic_load_explicit(&p->stage, memory_order_relaxed);
}

/* Lock held. Returns whether that is news. */
static bool set_stage(struct progress *p, enum vmm_stage stage)
{
	bool is_new = progress_stage(p) != stage;

	atomic_store_explicit(&p->stage, stage, memory_order_relaxed);
	return is_new;
}

/* Lock held: never back. */
static bool reach(struct progress *p, enum vmm_stage stage)
{
	return progress_stage(p) < stage && set_stage(p, stage);
}

static void unlock_and_tell(struct progress *p, bool is_new)
{
	pthread_mutex_unlock(&p->lock);
	if (is_new)
		p->changed(p->ctx);
}

void progress_reset(struct progress *p, enum vmm_stage stage)
{
	bool is_new;

	pthread_mutex_lock(&p->lock);
	p->cmos_index = 0;
	p->driven = 0;
	memset(p->text_pos, 0, sizeof(p->text_pos));
	is_new = set_stage(p, stage);
	unlock_and_tell(p, is_new);
}

static bool cmos_byte(struct progress *p, uint8_t value)
{
	switch (p->cmos_index) {
	case CMOS_SHUTDOWN: return value == 0 && reach(p, VMM_STAGE_PEI);
	case CMOS_RTC_A:
	case CMOS_RTC_D: return reach(p, VMM_STAGE_DXE);
	default: return false;
	}
}

void progress_cmos_write(struct progress *p, uint64_t offset, unsigned int size, uint64_t value)
{
	bool is_new = false;

	pthread_mutex_lock(&p->lock);
	for (unsigned int i = 0; i < size; i++, value >>= 8) {
		if (offset + i == 0)
			p->cmos_index = value & CMOS_INDEX_MASK;
		else if (offset + i == 1)
			is_new |= cmos_byte(p, (uint8_t)value);
	}
	unlock_and_tell(p, is_new);
}

/* Lock held. One more byte of TEXTS[I]: is it complete? */
static bool match(struct progress *p, unsigned int i, uint8_t byte)
{
	const char *text = texts[i].text;

	if (byte == (uint8_t)text[p->text_pos[i]])
		p->text_pos[i]++;
	else
		p->text_pos[i] = byte == (uint8_t)text[0];
	if (text[p->text_pos[i]])
		return false;
	p->text_pos[i] = 0;
	return true;
}

void progress_serial(struct progress *p, uint8_t byte)
{
	bool is_new = false;

	/* An operating system prints what it likes, and much of it. */
	if (progress_stage(p) == VMM_STAGE_OS)
		return;
	pthread_mutex_lock(&p->lock);
	/* Debug builds print in every phase; the first output after DXE began is BDS's in the others. */
	if (progress_stage(p) == VMM_STAGE_DXE)
		is_new = set_stage(p, VMM_STAGE_BDS);
	for (unsigned int i = 0; i < PROGRESS_TEXTS; i++)
		if (match(p, i, byte) && progress_stage(p) != VMM_STAGE_OS)
			is_new |= set_stage(p, texts[i].stage);
	unlock_and_tell(p, is_new);
}

void progress_virtio_event(void *arg, enum virtio_event event)
{
	struct progress *p = arg;
	bool is_new = false;

	pthread_mutex_lock(&p->lock);
	switch (event) {
	case VIRTIO_EVENT_SIZED: is_new = reach(p, VMM_STAGE_BDS); break;
	case VIRTIO_EVENT_DRIVEN:
		p->driven++;
		is_new = reach(p, VMM_STAGE_BDS);
		break;
	case VIRTIO_EVENT_GIVEN_BACK:
		if (p->driven > 0)
			p->driven--;
		/* Before, EDK2's own drivers try a device, leave it and take it again. */
		if (p->driven == 0 && progress_stage(p) == VMM_STAGE_LOADER)
			is_new = set_stage(p, VMM_STAGE_OS);
		break;
	case VIRTIO_EVENT_MSIX: is_new = reach(p, VMM_STAGE_OS); break;
	}
	unlock_and_tell(p, is_new);
}
