/* SPDX-License-Identifier: BSD-3-Clause */
/* Hosts that run one guest have one kind of processor, and one time. */
#include <errno.h>

#include "kvm-node/vmm_private.h"
#include "libdvm/base/err.h"

/* Parts in which hosts' TSCs may differ: what is followed well (drift.c follows twice that at most), and
 * what is refused. A kernel that was busy when it measured its own is easily wrong by more than a
 * thousandth; what is really so shows when it runs. */
#define RATE_GOOD 4000u
#define RATE_WORST 50u

struct host_facts {
	uint32_t tsc_khz, intel, hash, mmu;
};

static uint32_t hash_of(const struct kvm_cpuid2 *c)
{
	const uint8_t *p = (const uint8_t *)c->entries;
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < c->nent * sizeof c->entries[0]; i++)
		h = (h ^ p[i]) * 16777619u;
	return h;
}

static int differ(struct vmm *v, unsigned host, const char *what, dvm_error_t *err)
{
	return dvmi_error_set(err, -ENOTSUP, "hosts %s and %s cannot run one guest: %s",
			      vmm_spread_name(v->config->spread, 0),
			      vmm_spread_name(v->config->spread, host), what);
}

static int judge(struct vmm *v, const struct host_facts *all, unsigned host, dvm_error_t *err)
{
	const struct host_facts *a = &all[0], *b = &all[host];
	uint32_t off = a->tsc_khz > b->tsc_khz ? a->tsc_khz - b->tsc_khz : b->tsc_khz - a->tsc_khz;

	if (a->intel != b->intel)
		return differ(v, host, "their processors are of different makers", err);
	if (off > a->tsc_khz / RATE_WORST)
		return differ(v, host, "their time stamp counters have different rates", err);
	if (off > a->tsc_khz / RATE_GOOD && vmm_is_first(v))
		dvmi_log(v->log, "spread", LOG_NOTICE,
			 "hosts %s and %s say that their time stamp counters have different rates, %u "
			 "and %u kHz",
			 vmm_spread_name(v->config->spread, 0),
			 vmm_spread_name(v->config->spread, host), a->tsc_khz, b->tsc_khz);
	return 0;
}

int vmm_hosts_compare(struct vmm *v, uint32_t *tsc_khz, const struct kvm_cpuid2 *model,
		      dvm_error_t *err)
{
	struct vmm_spread *s = v->config->spread;
	const struct host_facts mine = { *tsc_khz, v->kvm.intel, model ? hash_of(model) : 0,
					 v->kvm.mmu };
	struct host_facts all[VMM_HOSTS_MAX];

	if (!s)
		return 0;
	int rc = vmm_spread_share(s, &mine, all, sizeof mine, err);
	for (unsigned i = 0; rc == 0 && i < vmm_spread_hosts(s); i++)
		v->shadow_hosts |= (uint64_t)(all[i].mmu == VMM_MMU_SHADOW) << i;
	for (unsigned i = 1; rc == 0 && i < vmm_spread_hosts(s); i++) {
		rc = judge(v, all, i, err);
		if (rc == 0 && model && all[i].hash != all[0].hash)
			rc = differ(v, i, "their processors have different abilities (choose a "
					  "--cpu that both have)", err);
	}
	*tsc_khz = rc == 0 ? all[0].tsc_khz : *tsc_khz;
	return rc;
}

/*
 * Pages of page tables come and go without KVM being told, which is right where the hardware walks
 * them. Where KVM does, and keeps what it found, a kernel would use what is no longer mapped.
 */
int vmm_hosts_check_kernel(struct vmm *v, dvm_error_t *err)
{
	if (!v->shadow_hosts)
		return 0;
	return dvmi_error_set(err, -ENOTSUP,
			      "host %s cannot run a share of a kernel: its KVM walks page tables itself "
			      "(shadow paging) and would not see what other hosts change in them; load "
			      "kvm_amd with npt=1, or kvm_intel with ept=1",
			      vmm_spread_name(v->config->spread,
					      (unsigned)__builtin_ctzll(v->shadow_hosts)));
}

int vmm_hosts_set_clock(struct vmm *v, dvm_error_t *err)
{
	int64_t ahead = 0;

	if (vmm_is_first(v))
		return 0;
	/* What is still being made good would go on while it is found out what time it is. */
	vmm_clock_adjust(&v->clock, 0);
	int rc = vmm_spread_set_clock(v->config->spread, &ahead);
	if (rc == 0)
		vmm_clock_set(&v->clock, ahead);
	vmm_spread_let_time_go(v->config->spread);
	return rc < 0 ? dvmi_error_code(err, rc, "the first host's time") : 0;
}
