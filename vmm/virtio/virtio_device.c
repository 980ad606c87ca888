/*
 * The I/O side of a virtio device: starting, stopping, kicks and interrupts. What the driver's
 * registers look like is virtio_pci.c's; what is in the queues is the device's.
 */
#include "vmm/virtio/virtio.h"

#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

/*
 * How long a vCPU whose driver polls waits for its request; then the driver's own polling goes on.
 */
#define POLL_WAIT_NS 20000000L

#define ISR_QUEUE  0x1
#define ISR_CONFIG VIRTIO_PCI_ISR_CONFIG

/* ---- interrupts ---- */

void virtio_update_intx(struct virtio_device *vdev)
{
	pci_device_set_intx(&vdev->pci, vdev->isr && !msix_enabled(&vdev->msix));
}

/* Virtio 1.2, 4.1.4.5.1: with MSI-X, only the configuration bit of ISR is ever set. */
void virtio_interrupt(struct virtio_queue *queue)
{
	struct virtio_device *vdev = queue->vdev;

	pthread_mutex_lock(&vdev->pci.lock);
	if (msix_enabled(&vdev->msix)) {
		msix_signal(&vdev->msix, queue->vector);
	} else {
		vdev->isr |= ISR_QUEUE;
		virtio_update_intx(vdev);
	}
	pthread_mutex_unlock(&vdev->pci.lock);
}

static void interrupt_config(struct virtio_device *vdev)
{
	pthread_mutex_lock(&vdev->pci.lock);
	vdev->isr |= ISR_CONFIG;
	msix_signal(&vdev->msix, vdev->config_vector);
	virtio_update_intx(vdev);
	pthread_mutex_unlock(&vdev->pci.lock);
}

void virtio_change_config(struct virtio_device *vdev, void *field, const void *value, size_t len)
{
	pthread_mutex_lock(&vdev->pci.lock);
	memcpy(field, value, len);
	vdev->config_generation++;
	pthread_mutex_unlock(&vdev->pci.lock);
	if (atomic_load(&vdev->status) & VIRTIO_CONFIG_S_DRIVER_OK)
		interrupt_config(vdev);
}

/* The driver broke the rules: the device stops for good and asks to be reset (2.1.2). */
static void virtio_fail(struct virtio_device *vdev, const char *why)
{
	uint8_t old = atomic_fetch_or(&vdev->status, VIRTIO_CONFIG_S_NEEDS_RESET);

	if (old & VIRTIO_CONFIG_S_NEEDS_RESET)
		return;
	log_guest(&vdev->log_limit, "%s: stopped until the guest resets it: %s", vdev->params.name,
		  why);
	if (old & VIRTIO_CONFIG_S_DRIVER_OK)
		interrupt_config(vdev);
}

/* ---- queues at work ---- */

/*
 * Firmware rings the doorbell and looks at the used ring right after. When everything it has made
 * available is answered by then, it never has to wait (and its waiting is slow: a PM-timer loop).
 */
static void answer_pollers(struct virtio_queue *queue)
{
	struct virtio_device *vdev = queue->vdev;

	if (vdev->live && queue->vq.published != queue->vq.last_avail)
		return;
	/* Sequentially consistent, like the poller's count and look: one of us sees the other. */
	atomic_store(&queue->answered, queue->seen);
	if (atomic_load(&vdev->pollers) == 0)
		return;
	pthread_mutex_lock(&vdev->poll_lock);
	pthread_cond_broadcast(&vdev->poll_cond);
	pthread_mutex_unlock(&vdev->poll_lock);
}

static void stop_if_broken(struct virtio_queue *queue)
{
	if (!queue->vq.error || !queue->vdev->live)
		return;
	queue->vdev->live = false;
	virtio_fail(queue->vdev, queue->vq.error);
}

void virtio_publish(struct virtio_queue *queue)
{
	if (vq_publish(&queue->vq))
		virtio_interrupt(queue);
	stop_if_broken(queue);
	answer_pollers(queue);
}

static void serve_queue(struct virtio_queue *queue)
{
	struct virtio_device *vdev = queue->vdev;

	queue->seen = atomic_load(&queue->rung);
	if (!atomic_load(&vdev->bus_master)) {
		log_guest(&vdev->log_limit, "%s: a doorbell while bus mastering is off: ignored",
			  vdev->params.name);
	} else if (vdev->live && queue->started) {
		vdev->ops->kick(vdev, queue);
		stop_if_broken(queue);
	}
	answer_pollers(queue);
}

static void doorbell_rung(struct ring_watch *watch, uint64_t value)
{
	(void)value;
	serve_queue(watch->arg);
}

void virtio_kick_again(struct virtio_queue *queue)
{
	(void)eventfd_write(queue->watch.fd, 1); /* refused only when it is full: rung already */
}

static void wait_for_answer(struct virtio_queue *queue, uint32_t mine)
{
	struct virtio_device *vdev = queue->vdev;
	struct timespec until;
	int rc = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += POLL_WAIT_NS;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_nsec -= 1000000000L;
		until.tv_sec++;
	}
	pthread_mutex_lock(&vdev->poll_lock);
	atomic_fetch_add(&vdev->pollers, 1);
	while (rc == 0 && (int32_t)(atomic_load(&queue->answered) - mine) < 0)
		rc = pthread_cond_timedwait(&vdev->poll_cond, &vdev->poll_lock, &until);
	atomic_fetch_sub(&vdev->pollers, 1);
	pthread_mutex_unlock(&vdev->poll_lock);
}

void virtio_io_ring(struct virtio_queue *queue)
{
	struct virtio_device *vdev = queue->vdev;
	uint32_t mine;
	bool polls;

	pthread_mutex_lock(&vdev->lock);
	mine = atomic_fetch_add(&queue->rung, 1) + 1;
	polls = !queue->waits_for_others &&
		(atomic_load(&vdev->status) & VIRTIO_CONFIG_S_DRIVER_OK) &&
		atomic_load(&vdev->bus_master) &&
		(queue->driver_spins || vq_driver_polls(&queue->vq));
	pthread_mutex_unlock(&vdev->lock);

	virtio_kick_again(queue);
	if (polls)
		wait_for_answer(queue, mine);
}

/* ---- started and stopped by the driver; the *_on_thread functions run inside ring_call() ---- */

static void start_queue(struct virtio_queue *queue)
{
	vq_start(&queue->vq, virtio_has_feature(queue->vdev, VIRTIO_RING_F_EVENT_IDX),
		 virtio_has_feature(queue->vdev, VIRTIO_RING_F_INDIRECT_DESC));
	queue->started = true;
	if (queue->vdev->ops->queue_started)
		queue->vdev->ops->queue_started(queue->vdev, queue);
}

static void enable_on_thread(void *arg)
{
	struct virtio_queue *queue = arg;
	struct virtio_device *vdev = queue->vdev;

	if (vq_enable(&queue->vq, vdev->env.mem) < 0)
		virtio_fail(vdev, queue->vq.error);
	else if (vdev->live)
		start_queue(queue);
}

void virtio_io_enable_queue(struct virtio_queue *queue)
{
	ring_call(queue->ring, enable_on_thread, queue);
}

static void start_on_thread(void *arg)
{
	struct virtio_device *vdev = arg;

	vdev->ops->start(vdev);
}

static void start_queue_on_thread(void *arg)
{
	struct virtio_queue *queue = arg;

	if (queue->vq.enabled)
		start_queue(queue);
}

void virtio_io_start(struct virtio_device *vdev)
{
	unsigned int i;

	if (atomic_load(&vdev->status) & VIRTIO_CONFIG_S_NEEDS_RESET)
		return;
	vdev->features = vdev->driver_features;
	if (vdev->ops->start)
		ring_call(vdev->env.ring, start_on_thread, vdev);
	vdev->live = true;
	for (i = 0; i < vdev->params.queues; i++)
		ring_call(vdev->queues[i].ring, start_queue_on_thread, &vdev->queues[i]);
}

static void drain_queue_on_thread(void *arg)
{
	struct virtio_queue *queue = arg;

	if (queue->vdev->ops->drain)
		queue->vdev->ops->drain(queue->vdev, queue);
}

void virtio_io_hold(struct virtio_device *vdev)
{
	unsigned int i;

	if (!(atomic_load(&vdev->status) & VIRTIO_CONFIG_S_DRIVER_OK))
		return;
	vdev->live = false;
	for (i = 0; i < vdev->params.queues; i++)
		ring_call(vdev->queues[i].ring, drain_queue_on_thread, &vdev->queues[i]);
	atomic_fetch_and(&vdev->status, (uint8_t)~VIRTIO_CONFIG_S_DRIVER_OK);
}

static void stop_queue_on_thread(void *arg)
{
	struct virtio_queue *queue = arg;
	struct virtio_device *vdev = queue->vdev;

	if (vdev->ops->stop)
		vdev->ops->stop(vdev, queue);
	queue->started = false;
	vq_reset(&queue->vq, vdev->params.queue_size);
}

void virtio_io_reset(struct virtio_device *vdev)
{
	unsigned int i;

	/* Before the first queue stops: none begins anything new, whatever is rung meanwhile. */
	vdev->live = false;
	for (i = 0; i < vdev->params.queues; i++)
		ring_call(vdev->queues[i].ring, stop_queue_on_thread, &vdev->queues[i]);
	vdev->features = 0;
	vdev->device_feature_select = 0;
	vdev->driver_feature_select = 0;
	vdev->driver_features = 0;
	vdev->queue_select = 0;

	pthread_mutex_lock(&vdev->pci.lock);
	vdev->config_vector = MSIX_NO_VECTOR;
	for (i = 0; i < vdev->params.queues; i++)
		vdev->queues[i].vector = MSIX_NO_VECTOR;
	vdev->isr = 0;
	virtio_update_intx(vdev);
	pthread_mutex_unlock(&vdev->pci.lock);
	/* Last: reading zero tells the driver that the reset is complete (2.4.1). */
	atomic_store(&vdev->status, 0);
}

/* ---- life ---- */

static void init_polling(struct virtio_device *vdev)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&vdev->poll_cond, &attr);
	pthread_condattr_destroy(&attr);
	pthread_mutex_init(&vdev->poll_lock, NULL);
}

static int init_queue(struct virtio_device *vdev, unsigned int index)
{
	struct virtio_queue *queue = &vdev->queues[index];
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int rc;

	if (fd < 0)
		return -EMFILE;
	queue->vdev = vdev;
	queue->index = index;
	queue->vector = MSIX_NO_VECTOR;
	queue->ring = vdev->params.rings[index] ? vdev->params.rings[index] : vdev->env.ring;
	queue->watch = (struct ring_watch){
		.fd = fd,
		.is_eventfd = true,
		.uncounted = true,
		.fn = doorbell_rung,
		.arg = queue,
	};
	vq_reset(&queue->vq, vdev->params.queue_size);
	rc = ring_watch(queue->ring, &queue->watch);
	if (rc < 0)
		close(fd);
	return rc;
}

static void fini_queue_on_thread(void *arg)
{
	struct virtio_queue *queue = arg;

	stop_queue_on_thread(queue);
	ring_unwatch(queue->ring, &queue->watch);
	close(queue->watch.fd);
}

static void fini_queues(struct virtio_device *vdev, unsigned int count)
{
	unsigned int i;

	vdev->live = false;
	for (i = 0; i < count; i++)
		ring_call(vdev->queues[i].ring, fini_queue_on_thread, &vdev->queues[i]);
}

int virtio_io_init(struct virtio_device *vdev)
{
	unsigned int i;
	int rc;

	for (i = 0; i < vdev->params.queues; i++) {
		rc = init_queue(vdev, i);
		if (rc < 0) {
			fini_queues(vdev, i);
			return rc;
		}
	}
	init_polling(vdev);
	return 0;
}

void virtio_io_fini(struct virtio_device *vdev)
{
	fini_queues(vdev, vdev->params.queues);
	pthread_cond_destroy(&vdev->poll_cond);
	pthread_mutex_destroy(&vdev->poll_lock);
}
