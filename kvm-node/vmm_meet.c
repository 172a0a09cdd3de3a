/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * CPUs of several hosts that do nothing but wait for each other's pages meet on the first host, and part
 * when its processors are not enough (together.h). They go as they did when the kernel had come up
 * (vmm_gather.c), and back.
 */
#include <sched.h>

#include "kvm-node/vmm_private.h"
#include "libdvm/base/clock.h"

/* Processors that this process may use. */
static unsigned processors(void)
{
	cpu_set_t set;
	int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 0;

	return n > 0 ? (unsigned)n : 1;
}

static struct vmm_load load_here(const struct vmm *v)
{
	struct vmm_load l = { 0 };

	VMM_EACH_MADE(v, c)
		vmm_vcpu_add_load(c, &l);
	return l;
}

/* The first host looks whether they had better be together; what that takes the others say. */
void vmm_meet_begin(struct vmm *v)
{
	uint64_t now = dvmi_clock_mono();

	if (v->config->stay_apart)
		return;
	if (v->meet.together)
		vmm_together_moved(&v->meet, false, now);
	else if (vmm_is_first(v))
		vmm_together_begin(&v->meet, processors(), now);
	v->look_at = now + VMM_TOGETHER_EVERY;
}

/* ---- the first host ---- */

static struct vmm_load load_of_all(struct vmm *v)
{
	struct vmm_load all = load_here(v);

	pthread_mutex_lock(&v->lock);
	for (unsigned i = 1; i < vmm_spread_hosts(v->config->spread); i++) {
		all.busy += v->loads[i].busy;
		all.waited += v->loads[i].waited;
	}
	pthread_mutex_unlock(&v->lock);
	return all;
}

static int meet(struct vmm *v, dvm_error_t *err)
{
	uint64_t began = dvmi_clock_mono(), now;

	int rc = vmm_all_stand_still(v, err);
	atomic_store(&v->meeting, true);
	if (rc == 0)
		rc = vmm_hosts_order(v, VMM_ORDER_GIVE, err);
	atomic_store(&v->meeting, false);
	if (rc == 0)
		rc = vmm_gather_adopt(v, err);
	if (rc == 0)
		rc = vmm_all_move_on(v, err);
	now = dvmi_clock_mono();
	v->met++;
	vmm_together_moved(&v->meet, true, now);
	if (rc == 0)
		dvmi_log(v->log, "spread", LOG_NOTICE,
			 "the guest's CPUs, which waited for each other's pages more than they ran, "
			 "have met on %s, which took %llu ms",
			 vmm_spread_name(v->config->spread, 0),
			 (unsigned long long)((now - began) / DVMI_MSEC));
	return rc;
}

int vmm_meet_look(struct vmm *v, dvm_error_t *err)
{
	uint64_t now = dvmi_clock_mono();

	v->look_at = now + VMM_TOGETHER_EVERY;
	if (v->state != VMM_RUNNING)
		return 0;
	switch (vmm_together_look(&v->meet, load_of_all(v), now)) {
	case VMM_TOGETHER_MEET: return meet(v, err);
	case VMM_TOGETHER_PART: return vmm_gather_end(v, err);
	default: return 0;
	}
}

void vmm_meet_load(void *arg, unsigned from, const struct vmm_load *load)
{
	struct vmm *v = arg;

	pthread_mutex_lock(&v->lock);
	v->loads[from] = *load;
	pthread_mutex_unlock(&v->lock);
}

/* ---- the others ---- */

void vmm_meet_report(struct vmm *v)
{
	const struct vmm_load l = load_here(v);

	vmm_spread_load(v->config->spread, &l);
	v->look_at = dvmi_clock_mono() + VMM_TOGETHER_EVERY;
}

/* Interrupts for those that are gone already go after them. */
int vmm_meet_give(struct vmm *v, dvm_error_t *err)
{
	atomic_store(&v->gathered, true);
	v->look_at = 0;
	return vmm_gather_send(v, err);
}
