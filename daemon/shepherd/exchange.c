/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <uthash.h>

#include "daemon/shepherd/exchange.h"
#include "dvm/error.h"

enum { FAN = 4, KEYS_MAX = 4096 };

struct bytes {
	uint8_t *p;
	size_t len;
};

/* What is known of one key: the exchange under way, and the last one that is over. */
struct topic {
	uint64_t key;
	uint32_t seq; /* of the one under way, or of the last one that is over */
	bool entered; /* by us */
	uint32_t *nodes, n, pos;
	uint32_t kids, heard; /* children in the tree; those that have contributed */
	bool kid_heard[FAN];
	struct bytes sum;
	/* The last one that is over, for children that have not heard. */
	uint32_t over_seq;
	int over_code;
	struct bytes over;
	/* Contributions to the next one by children that are ahead of us. */
	struct early *early;
	UT_hash_handle hh;
};

struct early {
	struct early *next;
	uint32_t node, seq;
	struct bytes b;
};

struct shep_exchange {
	struct shep_exchange_config c;
	struct topic *topics;
	bool *lost; /* [nnodes] */
};

static void free_bytes(struct bytes *b)
{
	free(b->p);
	*b = (struct bytes){ 0 };
}

static int append(struct bytes *b, const uint8_t *p, size_t len)
{
	if (len > SHEP_EXCHANGE_MAX - b->len)
		return -EMSGSIZE;
	uint8_t *all = len ? realloc(b->p, b->len + len) : b->p;
	if (len && !all)
		return -ENOMEM;
	b->p = all;
	if (len)
		memcpy(b->p + b->len, p, len);
	b->len += len;
	return 0;
}

int shep_exchange_create(struct shep_exchange **out, const struct shep_exchange_config *config)
{
	struct shep_exchange *x = calloc(1, sizeof *x);

	if (x)
		x->lost = calloc(config->nnodes, sizeof *x->lost);
	if (!x || !x->lost) {
		free(x);
		return -ENOMEM;
	}
	x->c = *config;
	*out = x;
	return 0;
}

static void free_early(struct topic *t)
{
	for (struct early *e = t->early, *next; e; e = next) {
		next = e->next;
		free_bytes(&e->b);
		free(e);
	}
	t->early = NULL;
}

static void free_topic(struct topic *t)
{
	free_early(t);
	free_bytes(&t->sum);
	free_bytes(&t->over);
	free(t->nodes);
	free(t);
}

void shep_exchange_destroy(struct shep_exchange *x)
{
	struct topic *t, *tmp;

	if (!x)
		return;
	HASH_ITER(hh, x->topics, t, tmp) {
		HASH_DEL(x->topics, t);
		free_topic(t);
	}
	free(x->lost);
	free(x);
}

static struct topic *topic_of(struct shep_exchange *x, uint64_t key)
{
	struct topic *t;

	HASH_FIND(hh, x->topics, &key, sizeof key, t);
	if (t || HASH_COUNT(x->topics) >= KEYS_MAX)
		return t;
	t = calloc(1, sizeof *t);
	if (!t)
		return NULL;
	t->key = key;
	HASH_ADD(hh, x->topics, key, sizeof t->key, t);
	return t;
}

static void say(struct shep_exchange *x, uint32_t node, const struct topic *t, bool down)
{
	struct shep_exchange_msg m = { .key = t->key, .down = down };

	m.seq = down ? t->over_seq : t->seq;
	m.code = down ? t->over_code : 0;
	m.data = down ? t->over.p : t->sum.p;
	m.len = down ? t->over.len : t->sum.len;
	x->c.send(node, &m, x->c.arg);
}

static uint32_t child(const struct topic *t, uint32_t i)
{
	return t->nodes[FAN * t->pos + 1 + i];
}

static int64_t child_index(const struct topic *t, uint32_t node)
{
	for (uint32_t i = 0; i < t->kids; i++)
		if (child(t, i) == node)
			return i;
	return -1;
}

/* The exchange under way is over; its bytes are kept for children that do not hear of it. */
static void finish(struct shep_exchange *x, struct topic *t, int code, const uint8_t *p, size_t len)
{
	struct bytes all = { 0 };

	if (code == 0)
		code = append(&all, p, len);
	free_bytes(&t->sum);
	free_bytes(&t->over);
	t->entered = false;
	t->over = all;
	t->over_seq = t->seq;
	t->over_code = code;
	for (uint32_t i = 0; i < t->kids; i++)
		say(x, child(t, i), t, true);
	x->c.done(t->key, code, t->over.p, t->over.len, x->c.arg);
}

/* All below us are in: on to the parent, or over. */
static void rise(struct shep_exchange *x, struct topic *t)
{
	if (t->heard < t->kids)
		return;
	if (t->pos == 0)
		finish(x, t, 0, t->sum.p, t->sum.len);
	else
		say(x, t->nodes[(t->pos - 1) / FAN], t, false);
}

static void contribute(struct shep_exchange *x, struct topic *t, uint32_t node, const uint8_t *p,
		       size_t len)
{
	int64_t i = child_index(t, node);

	if (i < 0 || t->kid_heard[i])
		return;
	t->kid_heard[i] = true;
	t->heard++;
	int rc = append(&t->sum, p, len);
	if (rc < 0)
		finish(x, t, rc, NULL, 0);
	else
		rise(x, t);
}

/* Those that came before we did. */
static void take_early(struct shep_exchange *x, struct topic *t)
{
	struct early *list = t->early;
	uint32_t seq = t->seq;

	t->early = NULL;
	for (struct early *e = list, *next; e; e = next) {
		next = e->next;
		if (t->entered && e->seq == seq && t->seq == seq)
			contribute(x, t, e->node, e->b.p, e->b.len);
		free_bytes(&e->b);
		free(e);
	}
}

static int keep_early(struct topic *t, uint32_t node, const struct shep_exchange_msg *m)
{
	struct early *e;

	for (e = t->early; e; e = e->next)
		if (e->node == node)
			return 0; /* a repetition */
	e = calloc(1, sizeof *e);
	if (!e)
		return -ENOMEM;
	e->node = node;
	e->seq = m->seq;
	if (append(&e->b, m->data, m->len) < 0) {
		free(e);
		return -ENOMEM;
	}
	e->next = t->early;
	t->early = e;
	return 0;
}

static int set_nodes(struct shep_exchange *x, struct topic *t, const uint32_t *nodes, uint32_t n)
{
	uint32_t pos = n;

	for (uint32_t i = 0; i < n; i++) {
		if (nodes[i] >= x->c.nnodes || (i && nodes[i] <= nodes[i - 1]))
			return -EINVAL;
		if (nodes[i] == x->c.self)
			pos = i;
	}
	if (pos == n)
		return -EINVAL;
	uint32_t *copy = malloc(n * sizeof *copy);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, nodes, n * sizeof *copy);
	free(t->nodes);
	t->nodes = copy;
	t->n = n;
	t->pos = pos;
	uint64_t first = (uint64_t)FAN * pos + 1;
	t->kids = first >= n ? 0 : n - first < FAN ? (uint32_t)(n - first) : FAN;
	return 0;
}

static bool any_lost(const struct shep_exchange *x, const struct topic *t)
{
	for (uint32_t i = 0; i < t->n; i++)
		if (x->lost[t->nodes[i]])
			return true;
	return false;
}

int shep_exchange_enter(struct shep_exchange *x, uint64_t key, const uint32_t *nodes, uint32_t n,
			const uint8_t *data, size_t len)
{
	struct topic *t = topic_of(x, key);

	if (!t)
		return -ENOMEM;
	if (t->entered)
		return -EBUSY;
	int rc = set_nodes(x, t, nodes, n);
	if (rc == 0)
		rc = append(&t->sum, data, len);
	if (rc < 0)
		return rc;
	t->entered = true;
	t->seq++;
	t->heard = 0;
	memset(t->kid_heard, 0, sizeof t->kid_heard);
	if (any_lost(x, t)) {
		finish(x, t, -DVM_EPEERLOST, NULL, 0);
		return 0;
	}
	if (t->kids)
		take_early(x, t);
	else
		rise(x, t);
	return 0;
}

static void on_contribution(struct shep_exchange *x, struct topic *t, uint32_t from,
			    const struct shep_exchange_msg *m)
{
	if (m->seq == t->over_seq && m->seq)
		say(x, from, t, true); /* it has not heard */
	else if (t->entered && m->seq == t->seq)
		contribute(x, t, from, m->data, m->len);
	else if (!t->entered && m->seq == t->seq + 1)
		keep_early(t, from, m);
	else if (t->entered && m->seq == t->seq + 1)
		return; /* it says so again when we are there */
}

void shep_exchange_message(struct shep_exchange *x, uint32_t from,
			   const struct shep_exchange_msg *m)
{
	struct topic *t = from < x->c.nnodes ? topic_of(x, m->key) : NULL;

	if (!t || m->len > SHEP_EXCHANGE_MAX)
		return;
	if (!m->down)
		on_contribution(x, t, from, m);
	else if (t->entered && m->seq == t->seq && t->pos && t->nodes[(t->pos - 1) / FAN] == from)
		finish(x, t, m->code, m->data, m->len);
}

void shep_exchange_lost(struct shep_exchange *x, uint32_t node)
{
	struct topic *t, *tmp;

	if (node >= x->c.nnodes || x->lost[node])
		return;
	x->lost[node] = true;
	HASH_ITER(hh, x->topics, t, tmp)
		if (t->entered && any_lost(x, t))
			finish(x, t, -DVM_EPEERLOST, NULL, 0);
}

void shep_exchange_forget(struct shep_exchange *x, uint64_t key)
{
	struct topic *t;

	HASH_FIND(hh, x->topics, &key, sizeof key, t);
	if (!t || t->entered)
		return;
	HASH_DEL(x->topics, t);
	free_topic(t);
}

bool shep_exchange_ask_again(struct shep_exchange *x)
{
	struct topic *t, *tmp;
	bool waits = false;

	HASH_ITER(hh, x->topics, t, tmp) {
		if (!t->entered)
			continue;
		waits = true;
		if (t->pos && t->heard == t->kids)
			say(x, t->nodes[(t->pos - 1) / FAN], t, false);
	}
	return waits;
}
