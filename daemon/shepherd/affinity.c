/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>

#include "daemon/shepherd/affinity.h"
#include "libdvm/base/idset.h"

#define CPUS_MAX (1u << 16)

int shep_affinity_init(struct shep_affinity *a)
{
	/* The kernel refuses a set smaller than its own, whose size it does not tell. */
	for (unsigned cpus = 1024; cpus <= CPUS_MAX; cpus *= 2) {
		a->bytes = CPU_ALLOC_SIZE(cpus);
		a->allowed = CPU_ALLOC(cpus);
		if (!a->allowed)
			return -ENOMEM;
		if (sched_getaffinity(0, a->bytes, a->allowed) == 0)
			return 0;
		int err = errno;
		shep_affinity_free(a);
		if (err != EINVAL)
			return -err;
	}
	return -EINVAL;
}

void shep_affinity_free(struct shep_affinity *a)
{
	if (a->allowed)
		CPU_FREE(a->allowed);
	*a = (struct shep_affinity){ 0 };
}

/* Adds the allowed CPUs of SET; how many of SET are not allowed. */
static uint64_t add_allowed(const struct shep_affinity *a, const struct dvmi_idset *set,
			    cpu_set_t *out)
{
	uint64_t denied = 0;

	for (size_t i = 0; i < set->n; i++)
		for (uint32_t cpu = set->r[i].lo; cpu <= set->r[i].hi; cpu++)
			if (CPU_ISSET_S(cpu, a->bytes, a->allowed))
				CPU_SET_S(cpu, a->bytes, out);
			else
				denied++;
	return denied;
}

int shep_affinity_of(const struct shep_affinity *a, const char *list, cpu_set_t **out)
{
	struct dvmi_idset set = { 0 };
	int rc = dvmi_idset_parse(&set, list, CPUS_MAX - 1);

	if (rc < 0 || set.n == 0) {
		dvmi_idset_free(&set);
		return rc == -ENOMEM ? rc : rc < 0 ? -EINVAL : SHEP_UNBOUND;
	}
	cpu_set_t *cpus = CPU_ALLOC(a->bytes * 8);
	if (cpus) {
		CPU_ZERO_S(a->bytes, cpus);
		rc = add_allowed(a, &set, cpus) ? SHEP_BOUND_PARTLY : SHEP_BOUND;
	}
	dvmi_idset_free(&set);
	if (!cpus)
		return -ENOMEM;
	if (CPU_COUNT_S(a->bytes, cpus) == 0) {
		CPU_FREE(cpus);
		return -ENODEV;
	}
	*out = cpus;
	return rc;
}

uint32_t shep_affinity_count(const struct shep_affinity *a, char *const *lists, size_t n)
{
	uint32_t all = (uint32_t)CPU_COUNT_S(a->bytes, a->allowed), count;
	cpu_set_t *sum = n ? CPU_ALLOC(a->bytes * 8) : NULL, *one;

	if (!sum)
		return all;
	CPU_ZERO_S(a->bytes, sum);
	for (size_t i = 0; i < n; i++) {
		if (shep_affinity_of(a, lists[i], &one) <= 0) {
			CPU_FREE(sum);
			return all;
		}
		CPU_OR_S(a->bytes, sum, sum, one);
		CPU_FREE(one);
	}
	count = (uint32_t)CPU_COUNT_S(a->bytes, sum);
	CPU_FREE(sum);
	return count;
}
