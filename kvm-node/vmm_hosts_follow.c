/* SPDX-License-Identifier: BSD-3-Clause */
/* The control thread of every host but the first: what that orders is done, and answered. */
#include <string.h>

#include "kvm-node/vmm_private.h"
#include "libdvm/base/err.h"

/* Nobody goes before all know that it is the end, and no loss. */
void vmm_hosts_part(struct vmm *v)
{
	(void)vmm_spread_agree(v->config->spread, 0, NULL);
}

/* False: there is none, and it is time to say what our vCPUs did. */
static bool next_order(struct vmm *v, struct vmm_ordered *o)
{
	bool in_time = true;

	pthread_mutex_lock(&v->lock);
	while (!v->n_orders && in_time && !v->behind)
		in_time = vmm_await_news(v, v->look_at);
	bool got = v->n_orders;
	if (got) {
		*o = v->orders[0];
		memmove(v->orders, v->orders + 1, --v->n_orders * sizeof v->orders[0]);
	}
	pthread_mutex_unlock(&v->lock);
	return got;
}

static int move(struct vmm *v, dvm_error_t *err)
{
	int rc = vmm_hosts_set_clock(v, err);

	if (rc == 0) {
		vmm_set_state(v, VMM_RUNNING);
		vmm_move_on(v);
	}
	return rc;
}

static int stand(struct vmm *v, dvm_error_t *err)
{
	vmm_spread_let_time_stand(v->config->spread);

	int rc = vmm_stand_still(v, err);

	vmm_set_state(v, VMM_PAUSED);
	return rc;
}

static int forget(struct vmm *v, dvm_error_t *err)
{
	vmm_reset_devices(v);
	int rc = vmm_hosts_forget(v);
	return rc < 0 ? dvmi_error_code(err, rc, "clearing the guest's memory") : 0;
}

static int again(struct vmm *v, dvm_error_t *err)
{
	int rc = vmm_hosts_again(v, err);

	if (rc == 0)
		rc = vmm_make_new(v, err);
	if (rc == 0)
		v->resets++;
	return rc;
}

static int obey(struct vmm *v, enum vmm_order what, dvm_error_t *err)
{
	switch (what) {
	case VMM_ORDER_STAND: return stand(v, err);
	case VMM_ORDER_MOVE: return move(v, err);
	case VMM_ORDER_FORGET: return forget(v, err);
	case VMM_ORDER_AGAIN: return again(v, err);
	case VMM_ORDER_ADOPT: return vmm_gather_adopt(v, err);
	case VMM_ORDER_GIVE: return vmm_meet_give(v, err);
	default: return 0;
	}
}

int vmm_hosts_follow(struct vmm *v, enum vmm_end *end, dvm_error_t *err)
{
	for (;;) {
		struct vmm_ordered o;
		if (!next_order(v, &o)) {
			if (vmm_catch_up(v, err) < 0)
				dvmi_log(v->log, "spread", LOG_ERR, "%s", err->text);
			vmm_meet_report(v);
			continue;
		}
		if (o.what == VMM_ORDER_END) {
			vmm_spread_end(v->config->spread);
			vmm_spread_done(v->config->spread, o.id, 0);
			vmm_hosts_part(v);
			*end = VMM_END_STOPPED;
			return 0;
		}
		int rc = obey(v, o.what, err);
		if (rc < 0)
			dvmi_log(v->log, "spread", LOG_ERR, "%s", err->text);
		vmm_spread_done(v->config->spread, o.id, rc);
	}
}
