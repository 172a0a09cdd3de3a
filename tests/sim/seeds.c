/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/sim/seeds.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void sim_fail(char failure[SIM_FAILURE], const char *fmt, ...)
{
	va_list ap;

	if (failure[0])
		return;
	va_start(ap, fmt);
	vsnprintf(failure, SIM_FAILURE, fmt, ap);
	va_end(ap);
}

uint64_t sim_env(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text && *text ? strtoull(text, NULL, 0) : otherwise;
}

bool sim_seeds(int number, const char *name, unsigned runs, sim_run_fn *run, const void *plan)
{
	uint64_t first = sim_env("SIM_SEED", 1), n = sim_env("SIM_RUNS", runs);
	const char *only = getenv("SIM_ONLY");
	bool ok = true;

	if (only && !strstr(name, only)) {
		printf("ok %d - %s # SKIP\n", number, name);
		return true;
	}

	for (uint64_t seed = first; seed < first + n; seed++)
		ok &= run(plan, seed);
	printf("%s %d - %s: %" PRIu64 " seeds\n", ok ? "ok" : "not ok", number, name, n);
	return ok;
}
