/* SPDX-License-Identifier: BSD-3-Clause */
#include "libdvm/base/rng.h"

static uint64_t splitmix(uint64_t *x)
{
	uint64_t z = *x += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static uint64_t rotl(uint64_t x, int k)
{
	return (x << k) | (x >> (64 - k));
}

void dvmi_rng_seed(struct dvmi_rng *rng, uint64_t seed)
{
	for (int i = 0; i < 4; i++)
		rng->s[i] = splitmix(&seed);
}

uint64_t dvmi_rng_next(struct dvmi_rng *rng)
{
	uint64_t *s = rng->s;
	uint64_t result = rotl(s[1] * 5, 7) * 9, t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotl(s[3], 45);
	return result;
}

uint64_t dvmi_rng_below(struct dvmi_rng *rng, uint64_t n)
{
	/* The bias of the multiply-shift reduction is below 2^-32 for every n we use. */
	return (uint64_t)(((unsigned __int128)dvmi_rng_next(rng) * n) >> 64);
}
