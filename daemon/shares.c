/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/pairs.h"
#include "daemon/shares.h"
#include "libdvm/base/grow.h"

void dvmd_shares_free(struct dvmd_shares *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->list[i].name);
	free(s->list);
	s->list = NULL;
	s->n = s->cap = 0;
}

static int add(struct dvmd_shares *s, const char *name)
{
	if (dvmi_grow(&s->list, s->n, &s->cap, sizeof *s->list) < 0)
		return -ENOMEM;
	s->list[s->n] = (struct dvmd_sharer){ .name = strdup(name) };
	return s->list[s->n].name ? (int)s->n++ : -ENOMEM;
}

/* There are as many as have used the machine: few enough to be looked through. */
int dvmd_shares_index(struct dvmd_shares *s, const char *name)
{
	for (size_t i = 0; i < s->n; i++)
		if (!strcmp(s->list[i].name, name))
			return (int)i;
	return add(s, name);
}

static uint64_t used_at(const struct dvmd_shares *s, const struct dvmd_sharer *who, uint64_t now)
{
	return dsched_decay(who->used, now > who->at ? now - who->at : 0, s->half_life);
}

int dvmd_shares_charge(struct dvmd_shares *s, const char *name, uint64_t slot_seconds, uint64_t at)
{
	int i = dvmd_shares_index(s, name);

	if (i < 0)
		return i;
	struct dvmd_sharer *who = &s->list[i];
	if (at < who->at) {
		who->used += dsched_decay(slot_seconds, who->at - at, s->half_life);
		return 0;
	}
	who->used = used_at(s, who, at) + slot_seconds;
	who->at = at;
	return 0;
}

struct dsched_share *dvmd_shares_view(const struct dvmd_shares *s, uint64_t now, const char *shares,
				      const char *prefix)
{
	struct dsched_share *view = calloc(s->n + 1, sizeof *view);
	char key[DVMD_PAIR_NAME_MAX + 2];

	for (size_t i = 0; view && i < s->n; i++) {
		snprintf(key, sizeof key, "%s%s", prefix, s->list[i].name);
		view[i].used = used_at(s, &s->list[i], now);
		view[i].shares = (uint32_t)dvmd_pairs_find(shares, key, 1);
	}
	return view;
}
