/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A segment that more ranks want, as those of a job that was spawned: another one for all of them,
 * to which those that had it copy it, and which then goes to its place. Whatever is known of pages
 * and homes belongs to a group, so this is plainer than a group that grows, and costs one copy.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "dvm/coll.h"
#include "libdvm/base/err.h"
#include "libdvm/src/am.h"
#include "libdvm/src/domain.h"
#include "libdvm/src/mem.h"
#include "libdvm/src/mem_sync.h"

/* What a rank says of what it has. */
struct facts {
	int32_t code;
	uint32_t has; /* all below is 0 without */
	uint32_t id, living, rank; /* rank: as of now */
	uint32_t consistency, homes, nhomes, faults, flags, unit, hold_us, spin_us;
	uint64_t bytes, base;
	char name[DVM_SEG_NAME_MAX];
};

static uint32_t living(const dvm_group_t *g)
{
	uint32_t n = 0;

	for (uint32_t r = 0; r < g->size; r++)
		n += !dvmi_domain_dead(g, r);
	return n;
}

/* Whether it can be copied. */
static int32_t code_of(dvm_seg_t *s)
{
	uint64_t at;
	int lost = dvm_seg_lost(s, 0, &at);

	if (lost)
		return lost < 0 ? lost : -DVM_EPEERLOST;
	return s->attached ? 0 : -EINVAL;
}

static struct facts facts_of(dvm_seg_t *s)
{
	struct facts f = { 0 };

	if (!s)
		return f;
	f = (struct facts){ .code = code_of(s),
			    .has = 1,
			    .id = s->id,
			    .living = living(s->dom->g),
			    .rank = s->dom->g->rank,
			    .consistency = s->c.consistency,
			    .homes = s->c.homes,
			    .nhomes = s->c.homes == DVM_HOMES_EXPLICIT ? s->c.nhomes : 0,
			    .faults = s->c.faults,
			    .flags = s->c.flags,
			    .unit = s->c.unit,
			    .hold_us = s->c.hold_us,
			    .spin_us = s->c.spin_us,
			    .bytes = s->c.bytes,
			    .base = (uintptr_t)s->base };
	memcpy(f.name, s->name, sizeof f.name);
	return f;
}

/* Who has it, in the order of ranks: all the same. */
struct owners {
	struct facts of;  /* the first */
	uint32_t n, self; /* how many; our place among them */
	uint32_t first;	  /* its rank from now on */
	int *homes;	  /* [of.nhomes], explicit ones, as ranks from now on */
};

static int look(const struct facts *all, uint32_t size, uint32_t self, struct owners *o)
{
	o->n = o->self = 0;
	for (uint32_t r = 0; r < size; r++) {
		const struct facts *f = &all[r];
		if (f->code < 0)
			return f->code;
		if (f->has && !o->n) {
			o->of = *f;
			o->first = r;
		}
		if (f->has && (f->id != o->of.id || f->bytes != o->of.bytes ||
			       f->living != o->of.living || f->base != o->of.base))
			return -EINVAL;
		o->self = r == self ? o->n : o->self;
		o->n += f->has;
	}
	return o->n && o->n == o->of.living ? 0 : -EINVAL;
}

/* The worst of what all ranks say. */
static int agree(dvm_group_t *g, int rc)
{
	int32_t mine = rc, all = 0;
	int said = dvm_allreduce(g, &mine, &all, 1, DVM_INT32, DVM_MIN);

	return said < 0 ? said : all;
}

/* The rank from now on of who was WAS; of the PART of one that is gone, somebody. */
static int rank_now(const struct facts *all, uint32_t size, uint32_t was, uint32_t part)
{
	uint32_t left = 0, some = 0;

	for (uint32_t r = 0; r < size; r++) {
		if (all[r].has && all[r].rank == was)
			return (int)r;
		left += all[r].has;
	}
	for (uint32_t r = 0; r < size; r++)
		if (all[r].has && some++ == part % left)
			return (int)r;
	return 0;
}

/* Homes that the program has chosen stay with whom it has chosen. */
static int spread_homes(dvm_group_t *g, const dvm_seg_t *s, const struct facts *all,
			struct owners *o)
{
	uint32_t n = o->of.nhomes;

	if (!n)
		return 0;
	o->homes = calloc(n, sizeof *o->homes);
	int rc = agree(g, o->homes ? 0 : -ENOMEM);
	for (uint32_t i = 0; rc == 0 && g->rank == o->first && i < n; i++)
		o->homes[i] = rank_now(all, g->size, (uint32_t)s->home_ranks[i], i);
	return rc < 0 ? rc : dvm_bcast(g, o->homes, n * sizeof *o->homes, (int)o->first);
}

static int find_owners(dvm_group_t *g, dvm_seg_t *s, struct owners *o)
{
	struct facts mine = facts_of(s), *all = calloc(g->size, sizeof *all);
	int rc = all ? dvmi_seg_exchange(g, &mine, all, sizeof mine) : -ENOMEM;

	if (rc == 0)
		rc = look(all, g->size, g->rank, o);
	if (rc == 0)
		rc = spread_homes(g, s, all, o);
	free(all);
	return rc;
}

static int make(dvm_group_t *g, dvm_seg_t *from, const struct owners *o, dvm_seg_t **to,
		dvm_error_t *err)
{
	const struct facts *f = &o->of;
	const dvm_seg_config_t c = { .size = sizeof c,
				     .bytes = f->bytes,
				     .name = f->name[0] ? f->name : NULL,
				     .consistency = f->consistency,
				     .homes = f->homes,
				     .nhomes = f->nhomes,
				     .home_ranks = o->homes,
				     .faults = f->faults,
				     .flags = f->flags,
				     .unit = f->unit,
				     .hold_us = f->hold_us,
				     .spin_us = f->spin_us };

	if (from)
		from->name[0] = '\0';
	int rc = dvm_seg_create(g, &c, to, err);
	if (from)
		memcpy(from->name, f->name, sizeof from->name);
	return rc;
}

/* Our part of it; what is all zero is that already. */
static int copy(dvm_seg_t *to, dvm_seg_t *from, const struct owners *o)
{
	uint64_t first = from->pages * o->self / o->n, end = from->pages * (o->self + 1) / o->n;
	int rc = from->seg ? dsm_seg_acquire(from->seg) : 0;

	for (uint64_t p = first; p < end && rc == 0; p++) {
		const char *page = (const char *)from->base + p * from->c.unit;
		if (page[0] || memcmp(page, page + 1, from->c.unit - 1) != 0)
			memcpy((char *)to->base + p * to->c.unit, page, to->c.unit);
	}
	return rc == 0 && to->seg ? dsm_seg_release(to->seg) : rc;
}

static void drop(dvm_seg_t *s)
{
	dvm_t *d = s->d;

	dvmi_enter(d);
	dvmi_seg_free(s);
	dvmi_leave(d);
}

/* It goes to BASE, which is reserved. */
static int go_to(dvm_seg_t *s, void *base)
{
	char *before = s->base;
	uint64_t whole = dvmi_seg_whole(s);
	int rc;

	s->base = base;
	if (s->seg) {
		munmap(before + s->c.bytes, whole - s->c.bytes);
		return dsm_seg_move(s->seg, base);
	}
	dvmi_seg_sync_end(s);
	munmap(before, whole);
	rc = dvmi_seg_plain_map(s);
	return rc < 0 ? rc : dvmi_seg_sync_begin(s);
}

/* TO in the place of FROM, which is at an end then. */
static int replace(dvm_group_t *g, dvm_seg_t *to, dvm_seg_t *from, const struct owners *o)
{
	void *base = from ? NULL : dvmi_seg_reserve(o->of.base, dvmi_seg_whole(to));
	int rc = agree(g, from || base ? 0 : -EADDRINUSE);

	if (rc == 0)
		rc = agree(g, from ? copy(to, from, o) : 0);
	if (rc < 0) {
		if (base)
			munmap(base, dvmi_seg_whole(to));
		return rc;
	}
	if (from) {
		drop(from);
		base = dvmi_seg_reserve(o->of.base, dvmi_seg_whole(to));
	}
	rc = agree(g, base ? go_to(to, base) : -EADDRINUSE);
	/* What was asked for ahead while we copied may be what it was before. */
	return rc == 0 && to->seg ? dsm_seg_acquire(to->seg) : rc;
}

static int check(const dvm_group_t *g, dvm_seg_t *const *seg, dvm_error_t *err)
{
	if (!g || !seg || g->local)
		return dvmi_error_set(err, -EINVAL, "no group of ranks, or no place");
	if (*seg && (*seg)->d != g->d)
		return dvmi_error_set(err, -EINVAL, "a segment of another handle");
	if (dvmi_am_inside(&g->d->am))
		return dvmi_error_code(err, -EBUSY, "cannot extend a segment in a handler");
	return 0;
}

int dvm_seg_extend(dvm_group_t *g, dvm_seg_t **seg, dvm_error_t *err)
{
	struct owners o = { 0 };
	dvm_seg_t *to = NULL;
	int rc = check(g, seg, err);

	if (rc < 0)
		return rc;
	rc = find_owners(g, *seg, &o);
	if (rc < 0) {
		free(o.homes);
		return dvmi_error_code(err, rc, "no segment that is whole, and all of whose ranks "
						"are in the group");
	}
	rc = agree(g, *seg && (*seg)->seg ? dsm_seg_release((*seg)->seg) : 0);
	if (rc == 0)
		rc = make(g, *seg, &o, &to, err);
	free(o.homes);
	if (rc < 0)
		return rc;
	rc = replace(g, to, *seg, &o);
	if (rc < 0) {
		drop(to);
		return dvmi_error_code(err, rc, "cannot extend a segment");
	}
	*seg = to;
	return 0;
}
