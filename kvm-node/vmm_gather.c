/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A kernel over several hosts starts on the first one, with all of its CPUs: what they say to each
 * other while they start is memory of one host then, and not some twenty thousand pages that go to and
 * fro. When programs run, or after a while, the guest stands still for a moment, and its CPUs go to
 * their hosts. A reset brings them back.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kvm-node/vcpu_move.h"
#include "kvm-node/vmm_private.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/base/clock.h"
#include "libdvm/base/err.h"

#define PATIENCE  (120 * DVMI_SEC)
#define LOOK_EVERY DVMI_SEC

static unsigned self_of(const struct vmm *v)
{
	return v->config->spread ? vmm_spread_self(v->config->spread) : 0;
}

/* On one host all nodes are its own. */
static unsigned home_of(const struct vmm *v, unsigned cpu)
{
	return v->config->spread ? v->cpus[cpu].node : 0;
}

bool vmm_gather_possible(const struct vmm *v)
{
	return v->config->spread && !v->config->no_gather && vmm_vcpu_can_move(&v->kvm);
}

unsigned vmm_gather_host(const struct vmm *v, unsigned cpu)
{
	return !vmm_is_first(v) && atomic_load(&v->gathered) ? 0 : home_of(v, cpu);
}

bool vmm_gather_moves(const struct vmm *v, unsigned cpu)
{
	return (self_of(v) == home_of(v, cpu)) != vmm_is_first(v);
}

unsigned vmm_gather_to(const struct vmm *v, unsigned cpu)
{
	return vmm_is_first(v) ? home_of(v, cpu) : 0;
}

bool vmm_gather_makes(const struct vmm *v, unsigned cpu)
{
	return self_of(v) == home_of(v, cpu) || (v->gathers && vmm_is_first(v));
}

static uint64_t idle_of_all(const struct vmm *v)
{
	uint64_t ns = 0;

	VMM_EACH_VCPU(v, c)
		ns += vmm_vcpu_idle(c);
	return ns;
}

static void begin_looking(struct vmm *v, bool on)
{
	uint64_t now = dvmi_clock_mono();

	pthread_mutex_lock(&v->lock);
	memset(&v->users, 0, sizeof v->users);
	v->user_lasts = false;
	pthread_mutex_unlock(&v->lock);
	v->idle_ns = 0;
	v->meet = (struct vmm_together){ 0 };
	v->look_at = on && vmm_is_first(v) ? now + LOOK_EVERY : 0;
	v->spread_at = now + PATIENCE;
}

void vmm_gather_set(struct vmm *v, bool gathered)
{
	unsigned self = self_of(v);

	atomic_store(&v->gathered, gathered);
	atomic_store(&v->starting, gathered);
	begin_looking(v, gathered);
	VMM_EACH_MADE(v, c) {
		c->away = (gathered ? 0 : home_of(v, c->index)) != self;
		if (!c->started)
			c->want = c->away ? VMM_WANT_PAUSE : VMM_WANT_RUN;
	}
}

/* Who may be in one place is what all can do, and what kernel the first one has found. */
int vmm_gather_agree(struct vmm *v, dvm_error_t *err)
{
	bool mine = v->gathers, all[VMM_HOSTS_MAX];
	struct vmm_apic_row row;

	if (!v->config->spread)
		return 0;
	int rc = vmm_spread_share(v->config->spread, &mine, all, sizeof mine, err);
	for (unsigned i = 0; rc == 0 && i < vmm_spread_hosts(v->config->spread); i++)
		v->gathers = v->gathers && all[i];
	if (rc < 0 || v->gathers || !atomic_load(&v->gathered))
		return rc;
	vmm_gather_set(v, false);
	/* Rows are heard by who knows that these CPUs are not here. */
	rc = vmm_spread_agree(v->config->spread, 0, err);
	VMM_EACH_VCPU(v, c) {
		vmm_lapic_row(&c->lapic, &row);
		vmm_irq_publish(v->irq, c->index, &row);
	}
	return rc;
}

void vmm_gather_user(void *arg, uint64_t cr3, uint64_t rsp)
{
	struct vmm *v = arg;
	uint64_t program = vmm_lasting_program(cr3, rsp);

	pthread_mutex_lock(&v->lock);
	bool first = !v->user_lasts && vmm_lasting_look(&v->users, program, dvmi_clock_mono());
	v->user_lasts |= first;
	pthread_mutex_unlock(&v->lock);
	if (first)
		(void)vmm_ask(v, VMM_ASK_SPREAD);
}

/* ---- who they go from ---- */

struct leaving {
	struct vmm_vcpu *vcpu;
	struct vmm_vcpu_state state;
};

static void last_moment(void *arg)
{
	struct leaving *l = arg;

	vmm_vcpu_leave(l->vcpu, &l->state);
}

static int send_cpu(struct vmm *v, unsigned cpu, dvm_error_t *err)
{
	cleanup_free struct leaving *l = calloc(1, sizeof *l);

	if (!l)
		return dvmi_error_code(err, -ENOMEM, "a vCPU that moves");
	l->vcpu = v->vcpus[cpu];
	int rc = vmm_vcpu_save(l->vcpu, &l->state, err);
	if (rc < 0)
		return rc;
	rc = vmm_spread_give_cpu(v->config->spread, vmm_gather_to(v, cpu), cpu, &l->state,
				 sizeof l->state, last_moment, l);
	return rc < 0 ? dvmi_error_code(err, rc, "a vCPU that moves") : 0;
}

int vmm_gather_send(struct vmm *v, dvm_error_t *err)
{
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < v->config->cpus; i++)
		if (vmm_gather_moves(v, i))
			rc = send_cpu(v, i, err);
	return rc;
}

/* ---- the first host ---- */

int vmm_gather_end(struct vmm *v, dvm_error_t *err)
{
	uint64_t began = dvmi_clock_mono();

	if (!atomic_load(&v->gathered))
		return 0;
	if (v->state != VMM_RUNNING) { /* then when it runs again */
		begin_looking(v, true);
		return 0;
	}
	v->look_at = 0;
	int rc = vmm_all_stand_still(v, err);
	if (rc == 0)
		rc = vmm_gather_send(v, err);
	if (rc == 0)
		rc = vmm_hosts_order(v, VMM_ORDER_ADOPT, err);
	atomic_store(&v->gathered, false);
	atomic_store(&v->starting, false);
	if (rc == 0)
		rc = vmm_all_move_on(v, err);
	vmm_meet_begin(v);
	if (rc == 0)
		dvmi_log(v->log, "spread", LOG_NOTICE,
			 "the guest's CPUs have gone to their hosts, which took %llu ms",
			 (unsigned long long)((dvmi_clock_mono() - began) / DVMI_MSEC));
	return rc;
}

/* What it did before, and that it stood still, says nothing of what it does now. */
void vmm_gather_resumed(struct vmm *v)
{
	if (!v->look_at || !vmm_is_first(v))
		return;
	if (atomic_load(&v->starting))
		begin_looking(v, true);
	else
		v->meet.n = 0;
}

/* A guest that has nothing to do for as long has come up, or waits for somebody, or runs a program. */
int vmm_gather_look(struct vmm *v, dvm_error_t *err)
{
	if (!atomic_load(&v->starting))
		return vmm_meet_look(v, err);
	if (v->state != VMM_RUNNING) {
		begin_looking(v, true);
		return 0;
	}
	uint64_t idle = idle_of_all(v), now = dvmi_clock_mono();
	uint64_t since = now - v->look_at + LOOK_EVERY;
	bool rests = v->idle_ns && idle - v->idle_ns > since * v->config->cpus / 10 * 9;

	v->idle_ns = idle;
	v->look_at = now + LOOK_EVERY;
	return rests || now > v->spread_at ? vmm_gather_end(v, err) : 0;
}

/* ---- who they come to ---- */

/* The first host sends others theirs, and they send it those while they meet there. */
static bool expected(const struct vmm *v, unsigned from, unsigned cpu)
{
	bool now = !vmm_is_first(v) || (atomic_load(&v->meeting) && from == home_of(v, cpu));

	return now && vmm_gather_moves(v, cpu);
}

void vmm_gather_came(void *arg, unsigned from, unsigned cpu, const void *bytes, size_t len)
{
	struct vmm *v = arg;
	struct vmm_vcpu *c = v->vcpus[cpu];

	cleanup_free struct vmm_vcpu_state *s = malloc(len);

	if (s)
		memcpy(s, bytes, len);
	/* If there is none it is missed when it is to be adopted. */
	if (!s || !c || !c->away || v->moved[cpu] || !expected(v, from, cpu) ||
	    vmm_vcpu_state_check(c, s, len) < 0) {
		dvmi_log(v->log, "spread", LOG_ERR, "vCPU %u comes, and is none", cpu);
		return;
	}
	vmm_vcpu_arrive(c, s);
	v->moved[cpu] = take_ptr(s);
}

static int adopt(struct vmm *v, unsigned cpu, dvm_error_t *err)
{
	cleanup_free struct vmm_vcpu_state *s = take_ptr(v->moved[cpu]);

	if (!s)
		return dvmi_error_set(err, -ENOENT, "vCPU %u has not come", cpu);
	return vmm_vcpu_load(v->vcpus[cpu], s, err);
}

int vmm_gather_adopt(struct vmm *v, dvm_error_t *err)
{
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < v->config->cpus; i++)
		if (vmm_gather_moves(v, i))
			rc = adopt(v, i, err);
	atomic_store(&v->gathered, vmm_is_first(v));
	atomic_store(&v->starting, false);
	if (!vmm_is_first(v))
		vmm_meet_begin(v);
	return rc;
}
