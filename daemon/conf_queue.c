/* SPDX-License-Identifier: BSD-3-Clause */
/* The keys of dvm.conf that say how the queue decides. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/conf_private.h"
#include "daemon/pairs.h"
#include "libdvm/base/clock.h"
#include "libdvm/base/err.h"
#include "libdvm/base/text.h"

#define DAY	   (24 * 3600 * DVMI_SEC)
#define WEIGHT_MAX 1000000u
#define DEPTH_MAX  10000u
#define TIER_MAX   100u
#define SHARES_MAX 1000000u

static int choice(const char *value, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(words[i], value))
			return (int)i;
	return -EINVAL;
}

int dvmd_conf_set_policy(struct dvmd_conf *c, const char *value, dvm_error_t *err)
{
	static const char *const words[] = { "fifo", "easy", "conservative" };
	int i = choice(value, words, 3);

	if (i < 0)
		return dvmi_error_set(err, -EINVAL, "expected fifo, easy or conservative");
	c->queue.order = (enum dsched_order)i;
	return 0;
}

int dvmd_conf_set_depth(struct dvmd_conf *c, const char *value, dvm_error_t *err)
{
	uint64_t v;

	if (dvmi_text_u64(value, 1, DEPTH_MAX, &v) < 0)
		return dvmi_error_set(err, -EINVAL, "expected a number, 1 to %u", DEPTH_MAX);
	c->queue.depth = (uint32_t)v;
	return 0;
}

int dvmd_conf_set_weights(struct dvmd_conf *c, const char *value, dvm_error_t *err)
{
	static const char *const words[] = { "age", "size", "fair", "asked" };
	uint32_t *const weights[] = { &c->queue.w_age, &c->queue.w_size, &c->queue.w_fair,
				      &c->queue.w_asked };
	struct dvmd_pair p;
	int rc;

	while ((rc = dvmd_pairs_next(&value, '=', WEIGHT_MAX, &p, err)) > 0) {
		int i = choice(p.name, words, 4);
		if (i < 0)
			return dvmi_error_set(err, -EINVAL, "expected age, size, fair, asked: age=1000,…");
		*weights[i] = (uint32_t)p.value;
	}
	return rc;
}

int dvmd_conf_set_half_life(struct dvmd_conf *c, const char *value, dvm_error_t *err)
{
	uint64_t v;

	if (dvmi_text_duration_parse(value, &v) < 0 || v < 60 * DVMI_SEC || v > 3650 * DAY)
		return dvmi_error_set(err, -EINVAL, "expected a duration, 1m to 3650d");
	c->queue.half_life = v;
	return 0;
}

int dvmd_conf_set_preempt(struct dvmd_conf *c, const char *value, dvm_error_t *err)
{
	static const char *const words[] = { "no", "cancel", "requeue", "suspend" };
	int i = choice(value, words, 4);

	if (i < 0)
		return dvmi_error_set(err, -EINVAL, "expected no, cancel, requeue or suspend");
	c->queue.preempt = (enum dsched_preempt)i;
	return 0;
}

int dvmd_conf_set_grace(struct dvmd_conf *c, const char *value, dvm_error_t *err)
{
	uint64_t v;

	if (dvmi_text_duration_parse(value, &v) < 0 || v > DAY)
		return dvmi_error_set(err, -EINVAL, "expected a duration up to 24h");
	c->queue.grace = v;
	return 0;
}

static int set_pairs(char **field, const char *value, uint64_t max, dvm_error_t *err)
{
	const char *at = value;
	struct dvmd_pair p;
	int rc;

	while ((rc = dvmd_pairs_next(&at, '=', max, &p, err)) > 0)
		;
	char *copy = rc < 0 ? NULL : strdup(value);
	if (rc < 0 || !copy)
		return rc < 0 ? rc : dvmi_error_code(err, -ENOMEM, "configuration");
	free(*field);
	*field = copy;
	return 0;
}

int dvmd_conf_set_shares(struct dvmd_conf *c, const char *value, dvm_error_t *err)
{
	return set_pairs(&c->queue_shares, value, SHARES_MAX, err);
}

int dvmd_conf_set_tiers(struct dvmd_conf *c, const char *value, dvm_error_t *err)
{
	return set_pairs(&c->queue_tiers, value, TIER_MAX, err);
}

int dvmd_conf_set_gres(struct dvmd_conf *c, const char *value, dvm_error_t *err)
{
	Pb__Gres **list = NULL;
	size_t n = 0;
	int rc = dvmd_gres_parse(value, &list, &n, err);
	char *copy = rc < 0 ? NULL : strdup(value);

	for (size_t i = 0; i < n; i++)
		dvmi_pb_free(list[i]);
	free(list);
	if (rc < 0 || !copy)
		return rc < 0 ? rc : dvmi_error_code(err, -ENOMEM, "configuration");
	free(c->gres);
	c->gres = copy;
	return 0;
}
