/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Seeded pseudo-random numbers for engines and simulations (xoshiro256**, Blackman and Vigna
 * 2018; seeded through SplitMix64). Never for keys: those come from libsodium or getrandom().
 */
#ifndef DVMI_BASE_RNG_H
#define DVMI_BASE_RNG_H

#include <stdint.h>

struct dvmi_rng {
	uint64_t s[4];
};

void dvmi_rng_seed(struct dvmi_rng *rng, uint64_t seed);

/* 64 uniform bits. */
uint64_t dvmi_rng_next(struct dvmi_rng *rng);

/* Uniform in [0, n); 0 where n is 0. */
uint64_t dvmi_rng_below(struct dvmi_rng *rng, uint64_t n);

#endif
