/* SPDX-License-Identifier: BSD-3-Clause */
/* ACPI's fixed hardware: power button, soft off, the timer, and the reset register beside it. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "kvm-node/acpi_private.h"
#include "kvm-node/devices.h"
#include "libdvm/base/clock.h"

#define POWER_BUTTON (1u << 8)
#define GLOBAL_LOCK  (1u << 5)
#define WAKE	     (1u << 15)
#define RTC_EVENT    (1u << 10) /* never happens, but a kernel may enable it */
#define STATUS_BITS  (POWER_BUTTON | GLOBAL_LOCK | RTC_EVENT | WAKE | 1u)
#define ENABLE_BITS  (POWER_BUTTON | GLOBAL_LOCK | RTC_EVENT | 1u)
#define SCI_ENABLED  (1u << 0)
#define SLEEP_ENABLE (1u << 13)
#define SLEEP_TYPE   10
#define TIMER_HZ     3579545u
#define RESET_NOW    (1u << 2)

struct pm {
	struct vmm_device base;
	const struct vmm_machine *m;
	pthread_mutex_t lock; /* guards what follows */
	uint16_t status, enable, control;
};

/* The lock is held: the line follows the registers in their order. */
static void update_line(struct pm *p)
{
	vmm_irq_line(p->m->irq, VMM_GSI_SCI, p->status & p->enable & ENABLE_BITS);
}

static void write_event(struct pm *p, const struct vmm_access *a)
{
	uint32_t mask = a->len >= 4 ? UINT32_MAX : (1u << a->len * 8) - 1;
	uint32_t v = ((uint32_t)a->data & mask) << a->off * 8;
	uint32_t touched = mask << a->off * 8;

	p->status &= (uint16_t)~(v & STATUS_BITS); /* ones clear */
	p->enable = (uint16_t)((p->enable & ~(touched >> 16)) | (v >> 16 & ENABLE_BITS));
	update_line(p);
}

static void access_event(void *dev, struct vmm_access *a)
{
	struct pm *p = dev;

	pthread_mutex_lock(&p->lock);
	if (a->write)
		write_event(p, a);
	else
		a->data = ((uint32_t)p->enable << 16 | p->status) >> a->off * 8;
	pthread_mutex_unlock(&p->lock);
}

static void access_control(void *dev, struct vmm_access *a)
{
	struct pm *p = dev;

	if (a->off || a->len < 2) {
		a->data = a->off ? p->control >> 8 : p->control | SCI_ENABLED;
		return;
	}
	if (!a->write) {
		a->data = p->control | SCI_ENABLED;
		return;
	}
	p->control = (uint16_t)(a->data & ~(SLEEP_ENABLE | SCI_ENABLED));
	if (a->data & SLEEP_ENABLE && (a->data >> SLEEP_TYPE & 7) == VMM_ACPI_S5)
		p->m->ended(p->m->arg, VMM_END_POWEROFF, 0, NULL);
}

static void access_timer(void *dev, struct vmm_access *a)
{
	if (!a->write)
		a->data = (uint32_t)((unsigned __int128)dvmi_clock_mono() * TIMER_HZ / DVMI_SEC) >>
			  a->off * 8;
}

static void access_reset(void *dev, struct vmm_access *a)
{
	struct pm *p = dev;

	if (a->write && a->data & RESET_NOW)
		p->m->ended(p->m->arg, VMM_END_RESET, 0, NULL);
	else if (!a->write)
		a->data = 0;
}

static void power_button(struct vmm_device *d)
{
	struct pm *p = (struct pm *)d;

	pthread_mutex_lock(&p->lock);
	p->status |= POWER_BUTTON;
	update_line(p);
	pthread_mutex_unlock(&p->lock);
}

static void reset(struct vmm_device *d)
{
	struct pm *p = (struct pm *)d;

	pthread_mutex_lock(&p->lock);
	p->status = p->enable = p->control = 0;
	update_line(p);
	pthread_mutex_unlock(&p->lock);
}

static void destroy(struct vmm_device *d)
{
	struct pm *p = (struct pm *)d;

	pthread_mutex_destroy(&p->lock);
	free(p);
}

static const struct vmm_device_ops ops = {
	.reset = reset, .power_button = power_button, .destroy = destroy
};

static int claim(const struct vmm_machine *m, struct pm *p, dvm_error_t *err)
{
	static const struct vmm_bus_ops event = { access_event }, control = { access_control },
					timer = { access_timer }, reset_reg = { access_reset };
	int rc = vmm_device_ports(m, "pm-event", VMM_PORT_PM1_EVT, 4, &event, p, err);

	if (rc == 0)
		rc = vmm_device_ports(m, "pm-control", VMM_PORT_PM1_CNT, 2, &control, p, err);
	if (rc == 0)
		rc = vmm_device_ports(m, "pm-timer", VMM_PORT_PM_TMR, 4, &timer, p, err);
	return rc < 0 ? rc : vmm_device_ports(m, "reset", VMM_PORT_RESET, 1, &reset_reg, p, err);
}

static int create(const struct vmm_machine *m, struct vmm_device **list, dvm_error_t *err)
{
	struct pm *p = calloc(1, sizeof *p);

	if (!p)
		return -ENOMEM;
	p->m = m;
	pthread_mutex_init(&p->lock, NULL);
	vmm_device_add(list, &p->base, &ops, "pm");
	return claim(m, p, err);
}

const struct vmm_device_kind vmm_dev_pm = { "power management", create };
