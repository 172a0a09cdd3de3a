/* SPDX-License-Identifier: BSD-3-Clause */
/* A guest run: the control thread. It waits for what is asked, inside and outside, and acts. */
#include "kvm-node/vmm.h"

#include <errno.h>

#include "kvm-node/seccomp.h"
#include "kvm-node/vmm_private.h"
#include "libdvm/base/clock.h"
#include "libdvm/base/err.h"

/* ---- all vCPUs, all devices ---- */

static void want_all(struct vmm *v, enum vmm_want want)
{
	VMM_EACH_VCPU(v, c)
		vmm_vcpu_want(c, want);
}

void vmm_park(struct vmm *v)
{
	want_all(v, VMM_WANT_PAUSE);
	VMM_EACH_VCPU(v, c)
		vmm_vcpu_wait_parked(c);
}

void vmm_unpark(struct vmm *v)
{
	want_all(v, VMM_WANT_RUN);
}

/* A write that nobody has waited for must not be done when its guest is no more. */
int vmm_stand_still(struct vmm *v, dvm_error_t *err)
{
	vmm_park(v);
	int rc = vmm_hosts_settle_far(v, err);
	for (struct vmm_device *d = v->devices; d; d = d->next)
		if (d->ops->pause)
			d->ops->pause(d);
	return rc;
}

void vmm_move_on(struct vmm *v)
{
	for (struct vmm_device *d = v->devices; d; d = d->next)
		if (d->ops->resume)
			d->ops->resume(d);
	vmm_unpark(v);
}

static void press_power_button(struct vmm *v)
{
	for (struct vmm_device *d = v->devices; d; d = d->next)
		if (d->ops->power_button)
			d->ops->power_button(d);
}

/* ---- changes of state ---- */

void vmm_set_state(struct vmm *v, enum vmm_state state)
{
	pthread_mutex_lock(&v->lock);
	v->state = state;
	pthread_mutex_unlock(&v->lock);
}

/* Nobody anywhere touches RAM then. Those here stop while the others do: they may wait for them. */
int vmm_all_stand_still(struct vmm *v, dvm_error_t *err)
{
	want_all(v, VMM_WANT_PAUSE);
	int rc = vmm_hosts_order(v, VMM_ORDER_STAND, err);
	return rc < 0 ? rc : vmm_stand_still(v, err);
}

int vmm_all_move_on(struct vmm *v, dvm_error_t *err)
{
	vmm_set_state(v, VMM_RUNNING);
	vmm_move_on(v);
	return vmm_hosts_order(v, VMM_ORDER_MOVE, err);
}

static int pause_guest(struct vmm *v, dvm_error_t *err)
{
	if (v->state != VMM_RUNNING)
		return 0;
	int rc = vmm_all_stand_still(v, err);
	if (rc < 0)
		return rc;
	vmm_clock_pause(&v->clock);
	vmm_set_state(v, VMM_PAUSED);
	return 0;
}

/* The guest has asked for it, which does not start one again that is to stand still; locked. */
static bool reset_waits(const struct vmm *v)
{
	return v->state == VMM_PAUSED && (v->end == VMM_END_RESET || v->end == VMM_END_FAULT);
}

static int resume_guest(struct vmm *v, dvm_error_t *err)
{
	if (v->state != VMM_PAUSED)
		return 0;
	pthread_mutex_lock(&v->lock);
	bool waits = reset_waits(v);
	if (waits)
		v->state = VMM_RUNNING; /* as soon as it has had that */
	pthread_mutex_unlock(&v->lock);
	if (waits)
		return 0;
	vmm_clock_resume(&v->clock);
	vmm_gather_resumed(v);
	return vmm_all_move_on(v, err);
}

static int drop_ram(struct vmm *v)
{
	unsigned n;
	const struct vmm_mem_range *r = vmm_mem_ranges(v->mem, &n);
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < n; i++)
		rc = vmm_mem_drop(v->mem, r[i].gpa, r[i].len);
	return rc;
}

/* RAM is zero then; over several hosts it goes everywhere before it comes anywhere. */
static int forget_ram(struct vmm *v, dvm_error_t *err)
{
	int rc = vmm_hosts_order(v, VMM_ORDER_FORGET, err);

	if (rc < 0)
		return rc;
	rc = v->config->spread ? vmm_hosts_forget(v) : drop_ram(v);
	if (rc < 0)
		return dvmi_error_code(err, rc, "clearing the guest's memory");
	return v->config->spread ? vmm_hosts_again(v, err) : 0;
}

/* Whatever the guest still said on its way down, and that its kernel had come up. */
static void forget_words(struct vmm *v)
{
	pthread_mutex_lock(&v->lock);
	v->end = VMM_END_NONE;
	vmm_asks_forget_spread(&v->asks);
	pthread_mutex_unlock(&v->lock);
}

int vmm_make_new(struct vmm *v, dvm_error_t *err)
{
	int rc = 0;

	vmm_gather_set(v, v->gathers);
	vmm_clock_start(&v->clock, v->clock.tsc_khz, v->clock.invariant);
	VMM_EACH_VCPU(v, c) {
		vmm_vcpu_set_tsc(c);
		if (rc == 0)
			rc = vmm_vcpu_reset(c, v->apic, err);
	}
	return rc;
}

void vmm_reset_devices(struct vmm *v)
{
	for (struct vmm_device *d = v->devices; d; d = d->next)
		if (d->ops->reset)
			d->ops->reset(d);
}

/* One that is paused stays so. */
static int reset_guest(struct vmm *v, dvm_error_t *err)
{
	int rc = vmm_all_stand_still(v, err);

	if (rc < 0)
		return rc;
	forget_words(v);
	vmm_irq_reset(v->irq);
	vmm_reset_devices(v);
	rc = forget_ram(v, err);
	if (rc == 0)
		rc = vmm_hosts_order(v, VMM_ORDER_AGAIN, err);
	if (rc == 0)
		rc = vmm_make_new(v, err);
	if (rc == 0)
		rc = vmm_load(v, err);
	if (rc < 0)
		return rc;
	v->resets++;
	if (v->state != VMM_PAUSED)
		return vmm_all_move_on(v, err);
	vmm_clock_pause(&v->clock);
	return 0;
}

/* ---- what is asked ---- */

int vmm_ask(struct vmm *v, enum vmm_ask what)
{
	if (!vmm_is_first(v)) {
		vmm_spread_ask(v->config->spread, what);
		return 0;
	}
	pthread_mutex_lock(&v->lock);
	int rc = v->state == VMM_ENDED ? -ESRCH : vmm_asks_put(&v->asks, what);
	if (rc == 0)
		pthread_cond_signal(&v->news);
	pthread_mutex_unlock(&v->lock);
	return rc;
}

bool vmm_await_news(struct vmm *v, uint64_t until)
{
	const struct timespec t = { (time_t)(until / DVMI_SEC), (long)(until % DVMI_SEC) };

	if (until)
		return pthread_cond_timedwait(&v->news, &v->lock, &t) != ETIMEDOUT;
	pthread_cond_wait(&v->news, &v->lock);
	return true;
}

static bool has_ended(const struct vmm *v)
{
	return v->end != VMM_END_NONE && !reset_waits(v);
}

/* Waits. True: ASK is to be done; false: the guest has ended by itself. */
static bool next_ask(struct vmm *v, enum vmm_ask *ask)
{
	bool again = true;

	pthread_mutex_lock(&v->lock);
	while (vmm_asks_none(&v->asks) && !has_ended(v) && !v->behind && again)
		again = vmm_await_news(v, v->look_at);
	bool asked = !has_ended(v);
	*ask = VMM_ASK_LOOK;
	if (asked)
		(void)vmm_asks_take(&v->asks, ask);
	pthread_mutex_unlock(&v->lock);
	return asked;
}

/* The guest has asked for a reset; true if it gets one. */
static bool wants_reset(struct vmm *v)
{
	pthread_mutex_lock(&v->lock);
	bool again = (v->end == VMM_END_RESET || v->end == VMM_END_FAULT) && !v->config->no_reboot;
	if (v->end == VMM_END_FAULT && again)
		dvmi_log(v->log, "vmm", LOG_WARNING, "the guest is reset: %s", v->why);
	else if (v->end == VMM_END_FAULT)
		v->end = VMM_END_CRASH;
	pthread_mutex_unlock(&v->lock);
	return again;
}

static int look(struct vmm *v, dvm_error_t *err)
{
	int rc = vmm_catch_up(v, err);

	return rc < 0 ? rc : vmm_gather_look(v, err);
}

static int act(struct vmm *v, enum vmm_ask ask, enum vmm_end *end, dvm_error_t *err)
{
	switch (ask) {
	case VMM_ASK_STOP: *end = VMM_END_STOPPED; return 0;
	case VMM_ASK_POWER_BUTTON: press_power_button(v); return 0;
	case VMM_ASK_PAUSE: return pause_guest(v, err);
	case VMM_ASK_RESUME: return resume_guest(v, err);
	case VMM_ASK_RESET: return reset_guest(v, err);
	case VMM_ASK_SPREAD: return atomic_load(&v->starting) ? vmm_gather_end(v, err) : 0;
	case VMM_ASK_LOOK: return look(v, err);
	default: return 0;
	}
}

static int control(struct vmm *v, enum vmm_end *end, dvm_error_t *err)
{
	enum vmm_ask ask;
	int rc = 0;

	*end = VMM_END_NONE;
	while (rc == 0 && *end == VMM_END_NONE) {
		if (next_ask(v, &ask))
			rc = act(v, ask, end, err);
		else if (wants_reset(v))
			rc = reset_guest(v, err);
		else
			*end = v->end;
	}
	return rc;
}

static void filter_loop(void *arg)
{
	(void)vmm_seccomp_enter(VMM_SECCOMP_LOOP);
}

static int start_threads(struct vmm *v, dvm_error_t *err)
{
	int rc = vmm_loop_start(v->loop);

	if (rc == 0 && v->config->jail && v->config->jail->narrow)
		rc = vmm_loop_call(v->loop, filter_loop, NULL);
	VMM_EACH_MADE(v, c)
		if (rc == 0)
			rc = vmm_vcpu_start(c);
	return rc < 0 ? dvmi_error_code(err, rc, "starting the guest's threads") : 0;
}

static void stop_threads(struct vmm *v)
{
	vmm_set_state(v, VMM_ENDED);
	VMM_EACH_MADE(v, c)
		vmm_vcpu_want(c, VMM_WANT_EXIT);
	VMM_EACH_MADE(v, c)
		vmm_vcpu_join(c);
	vmm_loop_stop(v->loop);
	vmm_hosts_detach(v);
}

/* Several hosts end together: first nobody touches RAM any more, then nobody serves it. */
static int control_all(struct vmm *v, enum vmm_end *end, dvm_error_t *err)
{
	int rc = control(v, end, err), all = 0;

	if (v->config->spread) {
		all = vmm_all_stand_still(v, rc < 0 ? NULL : err);
		if (all == 0)
			vmm_hosts_keep_stat(v);
		if (all == 0)
			all = vmm_hosts_order(v, VMM_ORDER_END, rc < 0 ? NULL : err);
		vmm_spread_end(v->config->spread);
		if (all == 0)
			vmm_hosts_part(v);
	}
	return rc < 0 ? rc : all;
}

int vmm_run(struct vmm *v, enum vmm_end *end, unsigned *code, dvm_error_t *err)
{
	int rc = start_threads(v, err);

	vmm_set_state(v, VMM_RUNNING);
	*code = 0;
	if (rc == 0)
		rc = vmm_is_first(v) ? control_all(v, end, err) : vmm_hosts_follow(v, end, err);
	stop_threads(v);
	if (rc < 0)
		return rc;
	if (*end == VMM_END_EXIT)
		*code = v->code;
	if (*end == VMM_END_CRASH)
		dvmi_error_set(err, -EIO, "the guest has crashed: %s", v->why);
	return 0;
}

/* ---- statistics ---- */

static const char *const state_names[] = { "made", "running", "paused", "ended" };

static void put_region(void *arg, const struct vmm_region *r, uint64_t reads, uint64_t writes)
{
	struct dvmi_buf *out = arg;

	if (reads + writes)
		dvmi_buf_printf(out, "%s{\"region\":\"%s\",\"base\":%llu,\"reads\":%llu,\"writes\":%llu}",
				out->data[out->len - 1] == '[' ? "" : ",", r->name,
				(unsigned long long)r->base, (unsigned long long)reads,
				(unsigned long long)writes);
}

static void put_devices(struct vmm *v, struct dvmi_buf *out)
{
	const char *comma = "";

	for (struct vmm_device *d = v->devices; d; d = d->next)
		if (d->ops->stat) {
			dvmi_buf_printf(out, "%s\"%s\":{", comma, d->name);
			d->ops->stat(d, out);
			dvmi_buf_printf(out, "}");
			comma = ",";
		}
}

int vmm_leave_memory(struct vmm *v, uint64_t bytes)
{
	for (struct vmm_device *d = v->devices; d; d = d->next)
		if (d->ops->leave)
			return d->ops->leave(d, bytes);
	return -ENODEV;
}

static const struct vmm_jail free_to_go;

void vmm_isolation(const struct vmm *v, struct dvmi_buf *out)
{
	vmm_jail_describe(v->config->jail ? v->config->jail : &free_to_go, out);
}

void vmm_stat(struct vmm *v, struct dvmi_buf *out)
{
	pthread_mutex_lock(&v->lock);
	dvmi_buf_printf(out, "{\"state\":\"%s\"", state_names[v->state]);
	pthread_mutex_unlock(&v->lock);
	dvmi_buf_printf(out, ",\"mmu\":\"%s\"", vmm_mmu_name(v->kvm.mmu));
	dvmi_buf_printf(out, ",\"guest_ns\":%llu,\"resets\":%llu,\"tsc_khz\":%u,\"memory\":%llu,\"cpus\":[",
			(unsigned long long)vmm_clock_ns(&v->clock, vmm_clock_tsc(&v->clock)),
			(unsigned long long)v->resets, v->clock.tsc_khz,
			(unsigned long long)vmm_mem_size(v->mem));
	const char *comma = "";
	VMM_EACH_VCPU(v, c) {
		dvmi_buf_printf(out, "%s", comma);
		vmm_vcpu_stat(c, out);
		comma = ",";
	}
	dvmi_buf_printf(out, "],\"interrupts\":{");
	vmm_irq_stat(v->irq, out);
	dvmi_buf_printf(out, "},\"regions\":[");
	if (!out->err)
		vmm_bus_each(v->bus, put_region, out);
	dvmi_buf_printf(out, "],\"devices\":{");
	put_devices(v, out);
	dvmi_buf_printf(out, "},\"isolation\":{");
	vmm_jail_stat(v->config->jail ? v->config->jail : &free_to_go, out);
	dvmi_buf_printf(out, "}");
	vmm_hosts_stat(v, out);
	dvmi_buf_printf(out, "}");
}
