/* SPDX-License-Identifier: BSD-3-Clause */
#include <assert.h>
#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <string.h>

#include "kvm-node/vdev.h"
#include "kvm-node/virtq_away.h"

#define ALWAYS                                                                                     \
	(1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_RING_F_INDIRECT_DESC |                        \
	 1ull << VIRTIO_RING_F_EVENT_IDX)

void vmm_vdev_init(struct vmm_vdev *v, const struct vmm_vdev_type *type, const struct vmm_gmem *mem,
		   uint64_t features)
{
	assert(type->config_len <= VMM_VDEV_CONFIG);
	memset(v, 0, sizeof *v);
	pthread_mutex_init(&v->lock, NULL);
	pthread_cond_init(&v->idle, NULL);
	v->type = type;
	v->offered = features | ALWAYS;
	v->budget = VMM_VDEV_BUDGET;
	for (unsigned i = 0; i < type->nqueues; i++) {
		v->q[i].mem = mem;
		v->q[i].max = type->queue_size;
		vmm_virtq_reset(&v->q[i]);
	}
}

void vmm_vdev_destroy(struct vmm_vdev *v)
{
	for (unsigned i = 0; i < v->type->nqueues; i++)
		vmm_away_destroy(&v->q[i]);
	pthread_cond_destroy(&v->idle);
	pthread_mutex_destroy(&v->lock);
}

static void finish_reset(struct vmm_vdev *v)
{
	for (unsigned i = 0; i < v->type->nqueues; i++)
		vmm_virtq_reset(&v->q[i]);
	v->resetting = false;
	v->status = 0;
	v->agreed = 0;
}

static void ask_turn(struct vmm_vdev *v)
{
	if (v->type->turn && v->wake)
		v->wake(v->waker);
}

static void reset(struct vmm_vdev *v)
{
	if (v->resetting)
		return;
	vmm_vdev_recall(v);
	v->resetting = true;
	for (unsigned i = 0; i < v->type->nqueues; i++)
		v->q[i].ready = false;
	if (v->type->stop)
		v->type->stop(v);
	ask_turn(v);
	if (!v->in_flight)
		finish_reset(v);
}

uint8_t vmm_vdev_status(const struct vmm_vdev *v)
{
	return v->resetting ? v->status | VIRTIO_CONFIG_S_NEEDS_RESET : v->status;
}

/* Features we never offered, or a driver of before version 1: FEATURES_OK does not stay set. */
static bool acceptable(const struct vmm_vdev *v)
{
	return !(v->agreed & ~v->offered) && (v->agreed & 1ull << VIRTIO_F_VERSION_1);
}

void vmm_vdev_set_status(struct vmm_vdev *v, uint8_t status)
{
	uint8_t added = status & (uint8_t)~v->status;

	if (!status) {
		reset(v);
		return;
	}
	if (v->resetting)
		return;
	if ((added & VIRTIO_CONFIG_S_FEATURES_OK) && !acceptable(v))
		status &= (uint8_t)~VIRTIO_CONFIG_S_FEATURES_OK;
	v->status |= status; /* bits are taken back by a reset only */
	if (!(added & VIRTIO_CONFIG_S_DRIVER_OK))
		return;
	if (!(v->status & VIRTIO_CONFIG_S_FEATURES_OK)) {
		vmm_vdev_fail(v);
		return;
	}
	if (v->type->start)
		v->type->start(v);
	for (unsigned i = 0; i < v->type->nqueues; i++)
		vmm_vdev_kick(v, i); /* what came before the driver was ready */
}

void vmm_vdev_agree(struct vmm_vdev *v, uint64_t features)
{
	if (!(v->status & VIRTIO_CONFIG_S_FEATURES_OK) && !v->resetting)
		v->agreed = features;
}

void vmm_vdev_recall(struct vmm_vdev *v)
{
	for (unsigned i = 0; i < v->type->nqueues; i++)
		if (vmm_away_lent(&v->q[i]))
			v->recall(v->waker, i);
}

int vmm_vdev_enable_queue(struct vmm_vdev *v, unsigned q)
{
	if (q >= v->type->nqueues || v->resetting || v->q[q].ready)
		return -EINVAL;
	v->q[q].event_idx = vmm_vdev_agreed(v, VIRTIO_RING_F_EVENT_IDX);
	v->q[q].indirect = vmm_vdev_agreed(v, VIRTIO_RING_F_INDIRECT_DESC);
	int rc = vmm_virtq_enable(&v->q[q]);
	if (rc < 0)
		vmm_vdev_fail(v);
	return rc;
}

void vmm_vdev_kick(struct vmm_vdev *v, unsigned q)
{
	if (q >= v->type->nqueues)
		return;
	__atomic_fetch_or(&v->kicked, 1u << q, __ATOMIC_SEQ_CST);
	if (v->wake)
		v->wake(v->waker);
}

void vmm_vdev_run(struct vmm_vdev *v)
{
	pthread_mutex_lock(&v->lock);
	uint32_t kicked = __atomic_exchange_n(&v->kicked, 0, __ATOMIC_SEQ_CST);
	if (v->type->turn)
		v->type->turn(v);
	for (unsigned i = 0; i < v->type->nqueues && v->type->kick; i++) {
		v->budget = VMM_VDEV_BUDGET;
		if ((kicked & 1u << i) && vmm_vdev_running(v) && v->q[i].ready)
			v->type->kick(v, i);
	}
	v->budget = VMM_VDEV_BUDGET;
	pthread_mutex_unlock(&v->lock);
}

void vmm_vdev_read_config(struct vmm_vdev *v, uint64_t at, void *buf, unsigned len)
{
	memset(buf, 0, len);
	if (at < v->type->config_len)
		memcpy(buf, v->config + at,
		       len < v->type->config_len - at ? len : v->type->config_len - at);
}

void vmm_vdev_write_config(struct vmm_vdev *v, uint64_t at, const void *buf, unsigned len)
{
	if (at < v->writable_from || at > v->writable_to || len > v->writable_to - at)
		return;
	memcpy(v->config + at, buf, len);
	if (v->type->configured)
		v->type->configured(v, (unsigned)at, len);
}

bool vmm_vdev_agreed(const struct vmm_vdev *v, unsigned feature)
{
	return v->agreed >> feature & 1;
}

bool vmm_vdev_running(const struct vmm_vdev *v)
{
	return (v->status & VIRTIO_CONFIG_S_DRIVER_OK) && !v->resetting && !v->paused &&
	       !(v->status & VIRTIO_CONFIG_S_NEEDS_RESET);
}

bool vmm_vdev_pop(struct vmm_vdev *v, unsigned q, struct vmm_chain *c)
{
	if (!vmm_vdev_running(v) || !v->budget)
		return false;
	int rc = vmm_virtq_pop(&v->q[q], c);
	if (rc < 0)
		vmm_vdev_fail(v);
	v->budget -= rc > 0;
	return rc > 0;
}

bool vmm_vdev_more(struct vmm_vdev *v, unsigned q)
{
	if (v->budget)
		return vmm_vdev_running(v) && vmm_virtq_kicks(&v->q[q], true);
	vmm_vdev_kick(v, q);
	return false;
}

void vmm_vdev_push(struct vmm_vdev *v, unsigned q, uint16_t head, uint32_t written)
{
	vmm_virtq_push(&v->q[q], head, written);
}

void vmm_vdev_signal(struct vmm_vdev *v, unsigned q)
{
	if (vmm_away_lent(&v->q[q]))
		v->answer(v->waker, q);
	else if (vmm_virtq_wants_signal(&v->q[q]) && v->signal)
		v->signal(v->transport, (int)q);
}

void vmm_vdev_changed(struct vmm_vdev *v)
{
	v->generation++;
	if ((v->status & VIRTIO_CONFIG_S_DRIVER_OK) && !v->resetting && v->signal)
		v->signal(v->transport, VMM_VDEV_CONFIG_CHANGED);
}

void vmm_vdev_fail(struct vmm_vdev *v)
{
	if (v->resetting || (v->status & VIRTIO_CONFIG_S_NEEDS_RESET))
		return;
	v->status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	vmm_vdev_changed(v);
}

void vmm_vdev_begin(struct vmm_vdev *v)
{
	v->in_flight++;
}

void vmm_vdev_end(struct vmm_vdev *v)
{
	if (--v->in_flight)
		return;
	if (v->resetting)
		finish_reset(v);
	pthread_cond_broadcast(&v->idle);
}

void vmm_vdev_pause(struct vmm_vdev *v)
{
	pthread_mutex_lock(&v->lock);
	v->paused = true;
	vmm_vdev_recall(v);
	ask_turn(v);
	while (v->in_flight)
		pthread_cond_wait(&v->idle, &v->lock);
	pthread_mutex_unlock(&v->lock);
}

void vmm_vdev_resume(struct vmm_vdev *v)
{
	pthread_mutex_lock(&v->lock);
	v->paused = false;
	pthread_mutex_unlock(&v->lock);
	for (unsigned i = 0; i < v->type->nqueues; i++)
		vmm_vdev_kick(v, i);
}
