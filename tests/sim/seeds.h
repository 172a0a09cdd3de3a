/* SPDX-License-Identifier: BSD-3-Clause */
/* What simulations that run for many seeds share: their failures, and which seeds they run. */
#ifndef TESTS_SIM_SEEDS_H
#define TESTS_SIM_SEEDS_H

#include <stdbool.h>
#include <stdint.h>

#define SIM_FAILURE 256u /* bytes */

/* The first failure of a run stays. */
void sim_fail(char failure[SIM_FAILURE], const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* A number from the environment, or OTHERWISE. */
uint64_t sim_env(const char *name, uint64_t otherwise);

/* Whether a run of SEED went well; it has printed why not. */
typedef bool sim_run_fn(const void *plan, uint64_t seed);

/*
 * Runs RUN for RUNS seeds ($SIM_RUNS of them, from $SIM_SEED on, where those are set) and prints
 * test case NUMBER; unless its name is without $SIM_ONLY, if that is set. True if all went well.
 */
bool sim_seeds(int number, const char *name, unsigned runs, sim_run_fn *run, const void *plan);

#endif
