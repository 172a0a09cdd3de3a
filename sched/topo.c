/* SPDX-License-Identifier: BSD-3-Clause */
/* The text of a topology. See dsched.h for its grammar. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "libdvm/base/cleanup.h"
#include "sched/dsched.h"

#define TAG    "t1"
#define OS_MAX UINT16_MAX

void dsched_topo_free(struct dsched_topo *topo)
{
	free(topo->pus);
	free(topo->numa_os);
	free(topo->package_os);
	*topo = (struct dsched_topo){ 0 };
}

/* ---- writing ---- */

static uint32_t core_end(const struct dsched_topo *t, uint32_t first)
{
	uint32_t end = first + 1;

	while (end < t->npus && t->pus[end].core == t->pus[first].core)
		end++;
	return end;
}

static bool same_group(const struct dsched_pu *a, const struct dsched_pu *b)
{
	return a->package == b->package && a->numa == b->numa && a->l3 == b->l3;
}

/* How far the core at B lies above the core of N PUs at A; 0 if it is no shifted copy of it. */
static uint32_t shift_of(const struct dsched_topo *t, uint32_t a, uint32_t b, uint32_t n)
{
	if (b >= t->npus || core_end(t, b) - b != n || !same_group(&t->pus[a], &t->pus[b]))
		return 0;
	if (t->pus[b].os <= t->pus[a].os)
		return 0;
	uint32_t shift = t->pus[b].os - t->pus[a].os;
	for (uint32_t i = 1; i < n; i++)
		if (t->pus[b + i].os != t->pus[a + i].os + shift)
			return 0;
	return shift;
}

static void put_core(const struct dsched_topo *t, uint32_t first, uint32_t n, struct dvmi_buf *out)
{
	for (uint32_t i = 0, j; i < n; i = j) {
		for (j = i + 1; j < n && t->pus[first + j].os == t->pus[first + j - 1].os + 1;)
			j++;
		dvmi_buf_printf(out, "%s%u", i ? "," : " ", t->pus[first + i].os);
		if (j - i > 1)
			dvmi_buf_printf(out, "-%u", t->pus[first + j - 1].os);
	}
}

/* Writes the core at FIRST with those that continue its pattern. Returns where the next starts. */
static uint32_t put_run(const struct dsched_topo *t, uint32_t first, struct dvmi_buf *out)
{
	uint32_t n = core_end(t, first) - first, shift = shift_of(t, first, first + n, n),
		 count = 1;

	put_core(t, first, n, out);
	if (shift == 0)
		return first + n;
	while (shift_of(t, first + (count - 1) * n, first + count * n, n) == shift)
		count++;
	dvmi_buf_printf(out, "x%u", count);
	if (shift != 1)
		dvmi_buf_printf(out, "/%u", shift);
	return first + count * n;
}

void dsched_topo_format(const struct dsched_topo *t, struct dvmi_buf *out)
{
	const struct dsched_pu *was = NULL;

	dvmi_buf_put(out, TAG, strlen(TAG));
	for (uint32_t i = 0; i < t->npus;) {
		const struct dsched_pu *pu = &t->pus[i];
		if (!was || was->package != pu->package)
			dvmi_buf_printf(out, " P%u", t->package_os[pu->package]);
		if (!was || was->numa != pu->numa)
			dvmi_buf_printf(out, " N%u", t->numa_os[pu->numa]);
		if (!was || was->l3 != pu->l3)
			dvmi_buf_printf(out, " L");
		was = pu;
		i = put_run(t, i, out);
	}
}

/* ---- reading ---- */

struct parser {
	const char *p, *end;
	struct dsched_topo t;
	struct dsched_pu now;			   /* groups the next core belongs to */
	uint32_t used_package, used_numa, used_l3; /* groups that have a core */
	uint8_t seen[DSCHED_PU_MAX / 8];
};

static int number(struct parser *x, uint32_t max, uint32_t *v)
{
	const char *start = x->p;
	uint32_t n = 0;

	for (; x->p < x->end && *x->p >= '0' && *x->p <= '9'; x->p++) {
		n = n * 10 + (uint32_t)(*x->p - '0');
		if (n > max)
			return -DVM_EPROTO;
	}
	*v = n;
	return x->p > start ? 0 : -DVM_EPROTO;
}

static bool accept(struct parser *x, char c)
{
	if (x->p == x->end || *x->p != c)
		return false;
	x->p++;
	return true;
}

static uint32_t index_of(const uint16_t *list, uint32_t n, uint32_t os)
{
	uint32_t i = 0;

	while (i < n && list[i] != os)
		i++;
	return i;
}

/* Every group opened so far has a core: a group of nothing would be given ranks. */
static bool groups_used(const struct parser *x)
{
	return x->used_package == x->t.npackages && x->used_numa == x->t.nnuma &&
	       x->used_l3 == x->t.nl3;
}

static uint32_t larger(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

static void note_groups(struct parser *x)
{
	x->used_package = larger(x->used_package, x->now.package + 1u);
	x->used_numa = larger(x->used_numa, x->now.numa + 1u);
	x->used_l3 = larger(x->used_l3, x->now.l3 + 1u);
}

/* Behind 'P': packages do not come back. */
static int read_package(struct parser *x)
{
	uint32_t os;

	if (number(x, OS_MAX, &os) < 0)
		return -DVM_EPROTO;
	uint32_t i = index_of(x->t.package_os, x->t.npackages, os);
	if (i < x->t.npackages || x->used_package != x->t.npackages)
		return -DVM_EPROTO;
	x->t.package_os[x->t.npackages++] = (uint16_t)os;
	x->now.package = (uint16_t)i;
	return 0;
}

/* Behind 'N'. */
static int read_numa(struct parser *x)
{
	uint32_t os;

	if (number(x, OS_MAX, &os) < 0)
		return -DVM_EPROTO;
	uint32_t i = index_of(x->t.numa_os, x->t.nnuma, os);
	if (i == x->t.nnuma && x->used_numa != x->t.nnuma)
		return -DVM_EPROTO;
	if (i == x->t.nnuma)
		x->t.numa_os[x->t.nnuma++] = (uint16_t)os;
	x->now.numa = (uint16_t)i;
	return 0;
}

static int add_pu(struct parser *x, uint32_t os)
{
	if (os >= DSCHED_PU_MAX || (x->seen[os / 8] >> (os % 8) & 1))
		return -DVM_EPROTO;
	x->seen[os / 8] |= (uint8_t)(1u << (os % 8));
	x->t.pus[x->t.npus] = x->now;
	x->t.pus[x->t.npus].os = (uint16_t)os;
	x->t.pus[x->t.npus++].core = (uint16_t)x->t.ncores;
	return 0;
}

static int add_core(struct parser *x, const struct dvmi_idset *pus, uint32_t shift)
{
	if (x->t.npackages == 0 || x->t.nnuma == 0 || x->t.nl3 == 0)
		return -DVM_EPROTO;
	for (size_t i = 0; i < pus->n; i++)
		for (uint32_t os = pus->r[i].lo; os <= pus->r[i].hi; os++)
			if (add_pu(x, os + shift) < 0)
				return -DVM_EPROTO;
	x->t.ncores++;
	note_groups(x);
	return 0;
}

/* "x count / shift", both optional. */
static int read_repeat(struct parser *x, uint32_t *count, uint32_t *shift)
{
	int rc = 0;

	*count = 1;
	*shift = 1;
	if (accept(x, 'x')) {
		rc = number(x, DSCHED_PU_MAX, count);
		if (rc == 0 && accept(x, '/'))
			rc = number(x, DSCHED_PU_MAX, shift);
	}
	return rc < 0 || *count == 0 || *shift == 0 ? -DVM_EPROTO : 0;
}

static int read_cores(struct parser *x)
{
	struct dvmi_idset pus = { 0 };
	uint32_t count, shift;
	const char *start = x->p;

	while (x->p < x->end && *x->p != 'x' && *x->p != ' ')
		x->p++;
	int rc = dvmi_idset_parse_n(&pus, start, (size_t)(x->p - start), DSCHED_PU_MAX - 1);
	if (rc == 0)
		rc = pus.n ? read_repeat(x, &count, &shift) : -DVM_EPROTO;
	for (uint32_t i = 0; rc == 0 && i < count; i++)
		rc = add_core(x, &pus, i * shift);
	dvmi_idset_free(&pus);
	return rc == 0 || rc == -ENOMEM ? rc : -DVM_EPROTO;
}

static int read_item(struct parser *x)
{
	if (!accept(x, ' '))
		return -DVM_EPROTO;
	if (accept(x, 'P'))
		return read_package(x);
	if (accept(x, 'N'))
		return read_numa(x);
	if (!accept(x, 'L'))
		return read_cores(x);
	if (x->used_l3 != x->t.nl3)
		return -DVM_EPROTO;
	x->now.l3 = (uint16_t)x->t.nl3++;
	return 0;
}

static int read_all(struct parser *x, const char *text, size_t n)
{
	size_t tag = strlen(TAG);
	int rc = 0;

	if (n > DSCHED_TOPO_TEXT_MAX || n < tag || memcmp(text, TAG, tag) != 0)
		return -DVM_EPROTO;
	x->p = text + tag;
	x->end = text + n;
	while (rc == 0 && x->p < x->end)
		rc = read_item(x);
	return rc == 0 && (x->t.npus == 0 || !groups_used(x)) ? -DVM_EPROTO : rc;
}

/* The arrays were made for the largest topology; failing to shrink one is no harm. */
static void shrink(struct dsched_topo *t)
{
	void *p = reallocarray(t->pus, t->npus, sizeof *t->pus);

	if (p)
		t->pus = p;
	p = reallocarray(t->numa_os, t->nnuma, sizeof *t->numa_os);
	if (p)
		t->numa_os = p;
	p = reallocarray(t->package_os, t->npackages, sizeof *t->package_os);
	if (p)
		t->package_os = p;
}

int dsched_topo_parse(struct dsched_topo *topo, const char *text, size_t n)
{
	cleanup_free struct parser *x = calloc(1, sizeof *x);

	if (!x)
		return -ENOMEM;
	/* A group may be opened behind the last PU, before it is found to be empty: hence the 1. */
	x->t.pus = calloc(DSCHED_PU_MAX, sizeof *x->t.pus);
	x->t.numa_os = calloc(DSCHED_PU_MAX + 1, sizeof *x->t.numa_os);
	x->t.package_os = calloc(DSCHED_PU_MAX + 1, sizeof *x->t.package_os);
	int rc = -ENOMEM;
	if (x->t.pus && x->t.numa_os && x->t.package_os)
		rc = read_all(x, text, n);
	if (rc < 0) {
		dsched_topo_free(&x->t);
		return rc;
	}
	shrink(&x->t);
	*topo = x->t;
	return 0;
}
