/* SPDX-License-Identifier: BSD-3-Clause */
/* Each rank prints what it is told of where it runs: "RANK CPUS LOCALITY", "-" for what it is not. */
#include <pmix.h>
#include <stdio.h>

static pmix_proc_t me;

static const char *get(const char *key)
{
	pmix_value_t *v = NULL;

	if (PMIx_Get(&me, key, NULL, 0, &v) != PMIX_SUCCESS || v->type != PMIX_STRING)
		return "-";
	return v->data.string; /* lives as long as we do */
}

int main(void)
{
	if (PMIx_Init(&me, NULL, 0) != PMIX_SUCCESS)
		return 1;
	printf("%u %s %s\n", me.rank, get(PMIX_CPUSET), get(PMIX_LOCALITY_STRING));
	PMIx_Fence(NULL, 0, NULL, 0);
	PMIx_Finalize(NULL, 0);
	return 0;
}
