/* SPDX-License-Identifier: BSD-3-Clause */
/* The timer of old on its ports; its interrupt comes from the loop, by the millisecond. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "kvm-node/devices.h"
#include "kvm-node/pit.h"
#include "libdvm/base/clock.h"

struct pit {
	struct vmm_device base;
	const struct vmm_machine *m;
	struct vmm_timer *timer;
	pthread_mutex_t lock; /* guards pit and armed */
	struct vmm_pit pit;
	bool paused;
};

/* On the loop. */
static void arm(void *arg)
{
	struct pit *p = arg;

	pthread_mutex_lock(&p->lock);
	uint64_t next = p->paused ? 0 : vmm_pit_next(&p->pit, dvmi_clock_mono());
	pthread_mutex_unlock(&p->lock);
	vmm_timer_set(p->timer, next);
}

static void on_time(void *arg)
{
	struct pit *p = arg;

	pthread_mutex_lock(&p->lock);
	bool rises = vmm_pit_take(&p->pit, dvmi_clock_mono());
	pthread_mutex_unlock(&p->lock);
	if (rises)
		vmm_irq_pulse(p->m->irq, VMM_GSI_TIMER);
	arm(p);
}

static void access_counters(void *dev, struct vmm_access *a)
{
	struct pit *p = dev;
	uint64_t now = dvmi_clock_mono();

	pthread_mutex_lock(&p->lock);
	if (a->write)
		vmm_pit_write(&p->pit, (unsigned)a->off, (uint8_t)a->data, now);
	else
		a->data = vmm_pit_read(&p->pit, (unsigned)a->off, now);
	pthread_mutex_unlock(&p->lock);
	if (a->write && (a->off == 0 || (a->off == 3 && !(a->data >> 6))))
		vmm_loop_call(p->m->loop, arm, p);
}

static void access_61(void *dev, struct vmm_access *a)
{
	struct pit *p = dev;
	uint64_t now = dvmi_clock_mono();

	pthread_mutex_lock(&p->lock);
	if (a->write)
		vmm_pit_write61(&p->pit, (uint8_t)a->data, now);
	else
		a->data = vmm_pit_read61(&p->pit, now);
	pthread_mutex_unlock(&p->lock);
}

static void set_paused(struct pit *p, bool paused)
{
	pthread_mutex_lock(&p->lock);
	p->paused = paused;
	pthread_mutex_unlock(&p->lock);
	vmm_loop_call_wait(p->m->loop, arm, p);
}

static void pause_it(struct vmm_device *d)
{
	set_paused((struct pit *)d, true);
}

static void resume_it(struct vmm_device *d)
{
	set_paused((struct pit *)d, false);
}

static void reset(struct vmm_device *d)
{
	struct pit *p = (struct pit *)d;

	pthread_mutex_lock(&p->lock);
	vmm_pit_init(&p->pit);
	pthread_mutex_unlock(&p->lock);
	vmm_loop_call_wait(p->m->loop, arm, p);
}

static void destroy(struct vmm_device *d)
{
	struct pit *p = (struct pit *)d;

	vmm_timer_close(p->timer);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

static const struct vmm_device_ops ops = {
	.reset = reset, .pause = pause_it, .resume = resume_it, .destroy = destroy
};
static const struct vmm_bus_ops counter_ops = { access_counters }, port61_ops = { access_61 };

static int create(const struct vmm_machine *m, struct vmm_device **list, dvm_error_t *err)
{
	struct pit *p = calloc(1, sizeof *p);

	if (!p)
		return -ENOMEM;
	p->m = m;
	pthread_mutex_init(&p->lock, NULL);
	vmm_pit_init(&p->pit);
	vmm_device_add(list, &p->base, &ops, "pit");
	int rc = vmm_timer_open(&p->timer, m->loop, on_time, p);
	if (rc == 0)
		rc = vmm_device_ports(m, "pit", 0x40, 4, &counter_ops, p, err);
	return rc < 0 ? rc : vmm_device_ports(m, "port61", 0x61, 1, &port61_ops, p, err);
}

const struct vmm_device_kind vmm_dev_pit = { "pit", create };
