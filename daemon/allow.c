/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "daemon/allow.h"

struct entry {
	struct dvmd_allowed who;
	UT_hash_handle hh;
};

struct dvmd_allow {
	struct entry *entries;
};

int dvmd_allow_create(struct dvmd_allow **out)
{
	struct dvmd_allow *a = calloc(1, sizeof *a);

	if (!a)
		return -ENOMEM;
	*out = a;
	return 0;
}

void dvmd_allow_destroy(struct dvmd_allow *a)
{
	struct entry *e, *tmp;

	if (!a)
		return;
	HASH_ITER (hh, a->entries, e, tmp) {
		HASH_DEL(a->entries, e);
		free(e);
	}
	free(a);
}

static struct entry *find(const struct dvmd_allow *a, const uint8_t *key)
{
	struct entry *e;

	HASH_FIND(hh, a->entries, key, DVMD_ALLOW_KEY, e);
	return e;
}

static struct entry *find_or_add(struct dvmd_allow *a, const uint8_t *key)
{
	struct entry *e = find(a, key);

	if (e || !(e = calloc(1, sizeof *e)))
		return e;
	memcpy(e->who.key, key, DVMD_ALLOW_KEY);
	HASH_ADD(hh, a->entries, who.key, DVMD_ALLOW_KEY, e);
	if (!e->hh.tbl) {
		free(e);
		return NULL;
	}
	return e;
}

int dvmd_allow_member(struct dvmd_allow *a, const uint8_t *key, uint32_t id)
{
	struct entry *e = find_or_add(a, key);

	if (!e)
		return -ENOMEM;
	if (e->who.node && e->who.node != id)
		return -EEXIST;
	e->who.node = id;
	e->who.token = false;
	return 0;
}

int dvmd_allow_token(struct dvmd_allow *a, const uint8_t *key)
{
	struct entry *e = find(a, key);

	if (e && !e->who.token)
		return -EEXIST;
	if (!(e = find_or_add(a, key)))
		return -ENOMEM;
	e->who.token = true;
	return 0;
}

void dvmd_allow_drop(struct dvmd_allow *a, const uint8_t *key)
{
	struct entry *e = find(a, key);

	if (!e)
		return;
	HASH_DEL(a->entries, e);
	free(e);
}

const struct dvmd_allowed *dvmd_allow_find(const struct dvmd_allow *a, const uint8_t *key)
{
	const struct entry *e = find(a, key);

	return e ? &e->who : NULL;
}
