/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "libdvm/src/revoked.h"

void dvmi_revoked_fini(struct dvmi_revoked *t)
{
	free(t->v);
	*t = (struct dvmi_revoked){ 0 };
}

/* Where CTX is or belongs. */
static uint32_t find(const struct dvmi_revoked *t, uint32_t ctx)
{
	uint32_t low = 0, high = t->n;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		if (t->v[mid].ctx < ctx)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static struct dvmi_revoked_ctx *get(const struct dvmi_revoked *t, uint32_t ctx)
{
	uint32_t i = find(t, ctx);

	return i < t->n && t->v[i].ctx == ctx ? &t->v[i] : NULL;
}

int dvmi_revoked_code(const struct dvmi_revoked *t, uint32_t ctx)
{
	const struct dvmi_revoked_ctx *r = get(t, ctx);

	return r ? r->code : 0;
}

static int grow(struct dvmi_revoked *t)
{
	uint32_t cap = t->cap ? t->cap * 2 : 8;
	struct dvmi_revoked_ctx *v = realloc(t->v, cap * sizeof *v);

	if (!v)
		return -ENOMEM;
	t->v = v;
	t->cap = cap;
	return 0;
}

int dvmi_revoked_add(struct dvmi_revoked *t, uint32_t ctx, int code)
{
	if (get(t, ctx))
		return 0;
	if (t->n == t->cap && grow(t) < 0)
		return -ENOMEM;
	uint32_t i = find(t, ctx);
	memmove(&t->v[i + 1], &t->v[i], (t->n - i) * sizeof *t->v);
	t->v[i] = (struct dvmi_revoked_ctx){ .ctx = ctx, .code = code };
	t->n++;
	return 0;
}

static void drop_oldest(struct dvmi_revoked *t)
{
	uint32_t oldest = 0;

	for (uint32_t i = 1; i < t->n; i++)
		if (t->v[i].orphan && (!t->v[oldest].orphan || t->v[i].orphan < t->v[oldest].orphan))
			oldest = i;
	t->n--;
	t->norphans--;
	memmove(&t->v[oldest], &t->v[oldest + 1], (t->n - oldest) * sizeof *t->v);
}

void dvmi_revoked_set_orphan(struct dvmi_revoked *t, uint32_t ctx, bool orphan)
{
	struct dvmi_revoked_ctx *r = get(t, ctx);

	if (!r || (r->orphan != 0) == orphan)
		return;
	r->orphan = orphan ? ++t->stamp : 0;
	if (!orphan)
		t->norphans--;
	else if (++t->norphans > DVMI_REVOKED_ORPHANS)
		drop_oldest(t);
}
