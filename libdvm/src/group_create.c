/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A group made by its members alone. A binomial tree over the list of members: what each has found
 * goes up to the first one, what that decides comes down. So a loss that is known before the way
 * down is known to all.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>

#include "dvm/group.h"
#include "libdvm/src/make.h"

struct create {
	struct dvmi_make make;
	const int *ranks;
	uint32_t n, self; /* our place in the list */
};

/* Little-endian. Upwards the word is a sum of the list, downwards the contexts. */
struct word {
	int32_t code; /* 0 or negative */
	uint32_t word;
};

static uint32_t sum_of(const int *ranks, uint32_t n)
{
	uint32_t h = UINT32_C(2166136261);

	for (uint32_t i = 0; i < n; i++)
		h = (h ^ (uint32_t)ranks[i]) * UINT32_C(16777619);
	return h;
}

static int tell(const struct create *c, uint32_t place, int code, uint32_t word)
{
	struct word w = { .code = (int32_t)htole32((uint32_t)code), .word = htole32(word) };

	return dvmi_make_send(&c->make, (uint32_t)c->ranks[place], &w, sizeof w);
}

static int hear(const struct create *c, uint32_t place, uint32_t *word)
{
	struct word w;
	int rc = dvmi_make_recv(&c->make, (uint32_t)c->ranks[place], &w, sizeof w);

	if (rc < 0)
		return rc;
	int code = (int32_t)le32toh((uint32_t)w.code);
	*word = le32toh(w.word);
	return code <= 0 ? code : -DVM_EPROTO;
}

/* The first error of all below, told to whoever is above. */
static int go_up(const struct create *c, uint32_t mask)
{
	uint32_t sum = sum_of(c->ranks, c->n), theirs = sum;
	int code = 0;

	for (uint32_t bit = 1; bit < mask && c->self + bit < c->n; bit *= 2) {
		int rc = hear(c, c->self + bit, &theirs);
		if (rc == 0 && theirs != sum)
			rc = -DVM_EPROTO;
		code = code ? code : rc;
	}
	if (!c->self)
		return code;
	int rc = tell(c, c->self - mask, code, sum);
	return code ? code : rc;
}

/* What has been decided above goes to all below. */
static int go_down(const struct create *c, uint32_t mask, int code, uint32_t *ctx)
{
	if (c->self)
		code = hear(c, c->self - mask, ctx);
	for (uint32_t bit = mask / 2; bit; bit /= 2) {
		if (c->self + bit >= c->n)
			continue;
		int rc = tell(c, c->self + bit, code, *ctx);
		code = code ? code : rc;
	}
	return code;
}

/* The lowest bit of our place, which leads to the one above; of the first one, beyond all. */
static uint32_t mask_of(const struct create *c)
{
	uint32_t mask = 1;

	while (mask < c->n && !(c->self & mask))
		mask *= 2;
	return mask;
}

static int settle(const struct create *c, uint32_t *ctx)
{
	uint32_t mask = mask_of(c);
	int code = go_up(c, mask);

	if (c->self == 0 && code == 0)
		code = dvmi_ctx_reserve(c->make.g->d, ctx);
	return go_down(c, mask, code, ctx);
}

static int become(const struct create *c, uint32_t ctx, dvm_group_t **out)
{
	dvm_group_t *g = c->make.g;
	uint32_t *peers = malloc(c->n * sizeof *peers);

	if (!peers)
		return -ENOMEM;
	for (uint32_t i = 0; i < c->n; i++)
		peers[i] = dvmi_rankmap_peer(&g->map, (uint32_t)c->ranks[i]);
	int rc = dvmi_ctx_good(g->d, ctx, peers[0]) ? 0 : -DVM_EPROTO;
	if (rc == 0)
		rc = dvmi_group_new(g->d, peers, c->n, c->self, ctx, out);
	free(peers);
	return rc;
}

/* Our place in the list, or -EINVAL. */
static int64_t place_in(const dvm_group_t *g, size_t n, const int *ranks)
{
	int64_t self = -EINVAL;
	uint8_t *seen = calloc(g->size, 1);

	if (!seen)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		if (ranks[i] < 0 || (uint32_t)ranks[i] >= g->size || seen[ranks[i]]++) {
			self = -EINVAL;
			break;
		}
		if ((uint32_t)ranks[i] == g->rank)
			self = (int64_t)i;
	}
	free(seen);
	return self;
}

int dvm_group_create(dvm_group_t *g, size_t n, const int *ranks, int tag, dvm_group_t **out)
{
	if (!g || !out || !ranks || tag < 0 || n > g->size)
		return -EINVAL;
	if (g->local || g->link)
		return -ENOTSUP;
	int64_t self = place_in(g, n, ranks);
	if (self < 0)
		return (int)self;
	struct create c = {
		.make = { .g = g, .tag = tag }, .ranks = ranks, .n = (uint32_t)n, .self = (uint32_t)self
	};
	dvm_t *d = g->d;
	uint32_t ctx = 0;
	dvmi_enter(d);
	int rc = settle(&c, &ctx);
	if (rc == 0)
		rc = become(&c, ctx, out);
	dvmi_leave(d);
	return rc;
}
