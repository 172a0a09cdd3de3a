/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A vCPU that waits for a page of another host. An interrupt that came to it then would be handled
 * before the instruction that waits; a handler that waits for pages itself takes so long that the
 * page has gone on when it is over, and the next interrupt is there: no instruction would ever be
 * done. So nobody disturbs a vCPU that waits, its timer included; and when its page has come it
 * runs for a moment before it is asked to look.
 *
 * That moment is time its thread has run, as others may have the processor when the page comes. A
 * vCPU that was disturbed before it is let in again without an interrupt, a few times at most.
 *
 * Who misses the next page within that moment, and the next one then, would never look: so a look is
 * not put off for long.
 */
#include "kvm-node/vcpu.h"
#include "libdvm/base/clock.h"

#define MOMENT	  (200 * DVMI_USEC) /* from a page's coming to the next look */
#define RUN	  (100 * DVMI_USEC) /* time of its thread in which it has done the instruction */
#define PATIENCE  (50 * DVMI_MSEC) /* of who would disturb it: no page takes so long, or all do */
#define TRIES_MAX 4u
#define PUT_OFFS  16u /* of a look, at least: where pages take long, one wait is no sign of many */
#define SAMPLE	  8u /* waits, of which one says where it was */

static uint64_t cpu_time(const struct vmm_vcpu *v)
{
	struct timespec t = { 0 };

	clock_gettime(v->cpu_clock, &t);
	return (uint64_t)t.tv_sec * DVMI_SEC + (uint64_t)t.tv_nsec + 1;
}

void vmm_vcpu_page_wait(struct vmm_vcpu *v, uint64_t page)
{
	struct vmm_page_wait *p = &v->page;

	pthread_mutex_lock(&v->lock);
	if (v->where == VMM_IN_GUEST && p->waits == VMM_NO_PAGE) {
		p->since = dvmi_clock_mono();
		p->cpu = cpu_time(v);
		p->timer = v->timer_at;
		if (p->timer)
			vmm_vcpu_set_timer(v, 0);
		if (p->tries == 0 && p->count++ % SAMPLE == 0)
			p->sample = page;
	}
	if (v->where == VMM_IN_GUEST)
		p->waits = page;
	pthread_mutex_unlock(&v->lock);
}

void vmm_vcpu_page_kick(struct vmm_vcpu *v)
{
	if (!v->page.kick)
		vmm_vcpu_set_timer(v, dvmi_clock_mono() + PATIENCE);
	v->page.kick = true;
}

/* It waits no more. */
static void have_waited(struct vmm_page_wait *p)
{
	if (p->waits != VMM_NO_PAGE)
		p->ns += dvmi_clock_mono() - p->since;
	p->waits = VMM_NO_PAGE;
}

void vmm_vcpu_add_load(struct vmm_vcpu *v, struct vmm_load *load)
{
	if (!atomic_load(&v->tid))
		return;
	uint64_t idle = vmm_vcpu_idle(v);
	pthread_mutex_lock(&v->lock);
	uint64_t now = dvmi_clock_mono(), waited = v->page.ns;
	if (v->page.waits != VMM_NO_PAGE)
		waited += now - v->page.since;
	pthread_mutex_unlock(&v->lock);
	load->busy += cpu_time(v);
	load->waited += waited;
	load->wanted += now - idle - waited;
}

/* Its page has come; somebody wants it to look, or its timer is due. */
static void look_later(struct vmm_vcpu *v, uint64_t now)
{
	struct vmm_page_wait *p = &v->page;
	uint64_t soon = now + (MOMENT << p->tries);
	bool due = p->kick || (p->timer && p->timer < soon);

	if (due && !p->put_offs++)
		p->put_off = now;
	bool at_once = p->put_offs > PUT_OFFS && now - p->put_off > PATIENCE;
	if (p->sample != VMM_NO_PAGE || (due && at_once))
		vmm_vcpu_kick(v);
	else if (due || p->timer)
		vmm_vcpu_set_timer(v, due ? soon : p->timer);
}

void vmm_vcpu_page_came(struct vmm_vcpu *v, uint64_t page)
{
	struct vmm_page_wait *p = &v->page;

	pthread_mutex_lock(&v->lock);
	if (p->waits == page) {
		have_waited(p);
		look_later(v, dvmi_clock_mono());
		p->kick = false;
	}
	pthread_mutex_unlock(&v->lock);
}

uint64_t vmm_vcpu_page_back(struct vmm_vcpu *v, bool interrupted)
{
	struct vmm_page_wait *p = &v->page;
	uint64_t sample = p->sample;
	bool owed = interrupted && p->cpu && p->tries < TRIES_MAX && cpu_time(v) - p->cpu < RUN;

	p->tries = owed ? p->tries + 1 : 0;
	if (!owed)
		p->put_offs = 0;
	have_waited(p);
	p->cpu = 0;
	p->sample = VMM_NO_PAGE;
	p->kick = false;
	return sample;
}

bool vmm_vcpu_page_owed(struct vmm_vcpu *v)
{
	if (!v->page.tries)
		return false;
	vmm_count(&v->n.let_in);
	v->run->request_interrupt_window = 0;
	vmm_vcpu_set_timer(v, dvmi_clock_mono() + (MOMENT << v->page.tries));
	return true;
}
