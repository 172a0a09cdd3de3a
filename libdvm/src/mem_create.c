/* SPDX-License-Identifier: BSD-3-Clause */
/* Making and ending segments: collective. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dvm/coll.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/base/clock.h"
#include "libdvm/base/crc32c.h"
#include "libdvm/base/err.h"
#include "libdvm/src/am.h"
#include "libdvm/src/coll.h"
#include "libdvm/src/domain.h"
#include "libdvm/src/mem.h"
#include "libdvm/src/mem_sync.h"
#include "libdvm/src/nodes.h"

#define PAGE	  4096u
#define BYTES_MAX (UINT64_C(1) << 44) /* what address space has room for beside others */
#define HOLD_US	  20
#define NO_NUMBER DSM_SEGS
#define NUMBERS_REST 64 /* of those that are free: how often others come first */
#define ALL_FLAGS                                                                                  \
	((uint32_t)(DVM_SEG_NO_PREFETCH | DVM_SEG_NO_ELISION | DVM_SEG_NO_BATCH |                  \
		    DVM_SEG_NO_HOLD | DVM_SEG_NO_DIFF | DVM_SEG_BASELINE_IVY | DVM_SEG_PROTOCOL | \
		    DVM_SEG_NO_LEND | DVM_SEG_SERIAL | DVM_SEG_READ_OWNS | DVM_SEG_NO_SPIN |       \
		    DVM_SEG_NO_SLICE | DVM_SEG_NO_SHARE))

/* ---- what is asked for ---- */

static int check_homes(const dvm_group_t *g, const dvm_seg_config_t *c, dvm_error_t *err)
{
	if (c->homes != DVM_HOMES_EXPLICIT)
		return 0;
	if (!c->nhomes || !c->home_ranks)
		return dvmi_error_set(err, -EINVAL, "explicit homes, but none are given");
	for (uint32_t i = 0; i < c->nhomes; i++)
		if (c->home_ranks[i] < 0 || (uint32_t)c->home_ranks[i] >= g->size)
			return dvmi_error_set(err, -EINVAL, "home %u is rank %d of %u", i,
					      c->home_ranks[i], g->size);
	return 0;
}

static int check(const dvm_group_t *g, const dvm_seg_config_t *c, dvm_error_t *err)
{
	if (c->size < sizeof *c)
		return dvmi_error_set(err, -EINVAL, "config.size is %zu, not %zu", c->size,
				      sizeof *c);
	if (!c->bytes)
		return dvmi_error_set(err, -EINVAL, "a segment of no bytes");
	if (c->bytes > BYTES_MAX)
		return dvmi_error_set(err, -E2BIG, "a segment has %llu GiB at most",
				      (unsigned long long)(BYTES_MAX >> 30));
	if (c->unit && (c->unit < PAGE || c->unit > DVM_SEG_UNIT_MAX || c->unit & (c->unit - 1)))
		return dvmi_error_set(err, -EINVAL, "config.unit is %u", c->unit);
	if (c->consistency > DVM_SEG_READ_MOSTLY || c->homes > DVM_HOMES_FIRST_TOUCH ||
	    c->faults > DVM_FAULT_SIGBUS || c->flags & ~ALL_FLAGS)
		return dvmi_error_set(err, -EINVAL, "config has a value that is none");
	if ((uintptr_t)c->address % PAGE)
		return dvmi_error_set(err, -EINVAL, "config.address is not that of a page");
	if (c->name && (!c->name[0] || strlen(c->name) >= DVM_SEG_NAME_MAX))
		return dvmi_error_set(err, -EINVAL, "a name has 1 to %d bytes",
				      DVM_SEG_NAME_MAX - 1);
	return check_homes(g, c, err);
}

/* What all ranks have to give alike. */
static uint32_t digest(const dvm_seg_config_t *c)
{
	uint64_t words[] = { c->bytes,	c->consistency,	   c->homes,   c->faults,
			     c->flags,	c->unit,	   c->nhomes,  (uintptr_t)c->address };
	uint32_t crc = dvmi_crc32c(0, words, sizeof words);

	if (c->name)
		crc = dvmi_crc32c(crc, c->name, strlen(c->name));
	if (c->homes == DVM_HOMES_EXPLICIT)
		crc = dvmi_crc32c(crc, c->home_ranks, c->nhomes * sizeof *c->home_ranks);
	return crc;
}

static bool name_taken(dvm_t *d, const char *name)
{
	for (const dvm_seg_t *s = d->mem ? d->mem->segs : NULL; s && name; s = s->next)
		if (strcmp(s->name, name) == 0)
			return true;
	return false;
}

/* Segments that are there keep their numbers; those that went lately rest. */
static bool has_number(const struct dvmi_seg_domain *m, uint32_t id)
{
	for (const dvm_seg_t *s = m->g->d->mem->segs; s; s = s->next)
		if (s->dom == m && s->id == id)
			return true;
	return false;
}

static uint32_t next_number(const struct dvmi_seg_domain *m)
{
	uint32_t seq = m->seq;

	while (has_number(m, seq % DSM_SEGS))
		seq++;
	return seq;
}

struct opinion {
	int32_t code;
	uint32_t digest;
	uint32_t seq; /* of the domain: ranks that have failed alone may be behind */
};

/* The first code of all ranks that is bad, or that what they want differs; MINE has the highest number then. */
static int agree(dvm_group_t *g, struct opinion *mine)
{
	struct opinion *all = calloc(g->size, sizeof *all);

	if (!all) {
		dvmi_enter(g->d);
		dvmi_coll_revoke(g, -ENOMEM);
		dvmi_leave(g->d);
		return -ENOMEM;
	}
	int said = dvmi_seg_exchange(g, mine, all, sizeof *mine);
	for (uint32_t i = 0; i < g->size && said == 0; i++)
		said = all[i].code < 0 ? all[i].code : 0;
	for (uint32_t i = 0; i < g->size && said == 0; i++) {
		if (all[i].digest != mine->digest)
			said = -DVM_EPROTO;
		mine->seq = all[i].seq > mine->seq ? all[i].seq : mine->seq;
	}
	free(all);
	return said;
}

/* ---- making ---- */

static dvm_seg_t *blank(dvm_group_t *g, const dvm_seg_config_t *c)
{
	dvm_seg_t *s = calloc(1, sizeof *s);
	struct dvmi_seg_domain *m = s ? dvmi_seg_domain(g) : NULL;

	if (!m) {
		free(s);
		return NULL;
	}
	m->users++;
	s->d = g->d;
	s->dom = m;
	s->c = *c;
	s->file = -1;
	s->id = NO_NUMBER;
	s->c.unit = c->unit ? c->unit : PAGE;
	s->pages = (c->bytes + s->c.unit - 1) / s->c.unit;
	s->c.bytes = s->pages * s->c.unit;
	s->attached = 1;
	if (c->name)
		strcpy(s->name, c->name);
	if (c->homes == DVM_HOMES_EXPLICIT) {
		s->home_ranks = malloc(c->nhomes * sizeof *s->home_ranks);
		if (s->home_ranks)
			memcpy(s->home_ranks, c->home_ranks, c->nhomes * sizeof *s->home_ranks);
	}
	s->c.name = NULL;
	s->c.home_ranks = NULL;
	s->next = g->d->mem->segs;
	g->d->mem->segs = s;
	return s;
}

void dvmi_seg_free(dvm_seg_t *s)
{
	for (struct dvm_seg **p = &s->d->mem->segs; *p; p = &(*p)->next)
		if (*p == s) {
			*p = s->next;
			break;
		}
	dvmi_seg_sync_end(s);
	dsm_seg_destroy(s->seg);
	dvmi_seg_hide(s);
	if (s->base)
		munmap(s->base, dvmi_seg_whole(s));
	if (s->file >= 0)
		close(s->file);
	dvmi_seg_domain_put(s->dom);
	free(s->home_ranks);
	free(s);
}

/* What a program may ask for, and what that is inside. */
static const struct {
	uint32_t dvm, dsm;
} switches[] = {
	{ DVM_SEG_NO_PREFETCH, DSM_NO_PREFETCH },
	{ DVM_SEG_NO_ELISION, DSM_NO_ELISION },
	{ DVM_SEG_NO_BATCH, DSM_NO_BATCH },
	{ DVM_SEG_NO_HOLD, DSM_NO_HOLD },
	{ DVM_SEG_NO_DIFF, DSM_NO_DIFF },
	{ DVM_SEG_NO_LEND, DSM_NO_LEND },
	{ DVM_SEG_SERIAL, DSM_SERIAL },
	{ DVM_SEG_READ_OWNS, DSM_READ_OWNS },
	{ DVM_SEG_NO_SPIN, DSM_NO_SPIN },
	{ DVM_SEG_NO_SLICE, DSM_NO_SLICE },
};

static uint32_t flags_of(const dvm_seg_config_t *c)
{
	uint32_t f = 0;

	for (size_t i = 0; i < sizeof switches / sizeof *switches; i++)
		if (c->flags & (switches[i].dvm | DVM_SEG_BASELINE_IVY))
			f |= switches[i].dsm;
	if (c->faults == DVM_FAULT_SIGBUS)
		f |= DSM_SIGBUS;
	if (c->homes == DVM_HOMES_FIRST_TOUCH)
		f |= DSM_FIRST_TOUCH;
	if (c->consistency == DVM_SEG_READ_MOSTLY)
		f |= DSM_MOSTLY_READ;
	if (c->consistency == DVM_SEG_RELEASE)
		f |= DSM_RELEASE;
	return f;
}

static int map_pages(dvm_seg_t *s)
{
	uint64_t room = dvmi_seg_share(s->dom->g, s->c.bytes / s->dom->g->size);
	uint32_t hosts[DSM_GROUP_MAX];
	cleanup_fd int file = -1;
	int rc = dvmi_seg_one_file(s, room, hosts, &file);

	if (rc < 0)
		return rc;
	struct dsm_seg_config c = {
		.id = s->id,
		.bytes = s->c.bytes,
		.unit = s->c.unit,
		.address = s->base,
		.flags = flags_of(&s->c),
		.hold = (s->c.hold_us ? s->c.hold_us : HOLD_US) * DVMI_USEC,
		.memory = room,
		.hosts = hosts,
		.file = file,
		.home = dvmi_seg_home,
		.home_arg = s,
		.figures = dvmi_seg_figures(s),
		.end = dvmi_seg_ending(s),
	};

	/* The reservation makes room for it; what is behind it stays. */
	munmap(s->base, s->c.bytes);
	rc = dsm_seg_create(s->dom->node, &s->seg, &c);
	if (rc == -EPERM && dvmi_seg_ask_uffd(s->d) == 0)
		rc = dsm_seg_create(s->dom->node, &s->seg, &c);
	if (rc == 0 && s->c.spin_us)
		dsm_node_spin(s->dom->node, s->c.spin_us * DVMI_USEC);
	return rc;
}

/* One node, and nobody wants the protocol. */
static bool is_plain(dvm_group_t *g, const dvm_seg_config_t *c)
{
	const struct dvmi_nodes *n;

	if (c->flags & DVM_SEG_PROTOCOL)
		return false;
	dvmi_enter(g->d);
	int rc = dvmi_group_nodes(g, &n);
	dvmi_leave(g->d);
	return rc == 0 && n->count == 1;
}

static int make(dvm_seg_t *s, bool plain, dvm_error_t *err)
{
	dvm_group_t *g = s->dom->g;
	int rc = dvmi_seg_room(g, s->c.bytes, plain, err);

	if (rc < 0)
		return rc;
	rc = plain ? 0 : dvmi_seg_connect(s->dom);
	if (rc < 0)
		return dvmi_error_code(err, rc, "cannot connect the ranks of a segment");
	rc = dvmi_seg_place(s, err);
	if (rc < 0)
		return rc;
	dvmi_seg_show(s);
	if (s->shown)
		s->shown->plain = plain;
	rc = plain ? dvmi_seg_plain(s) : map_pages(s);
	if (rc == 0)
		rc = dvmi_seg_sync_begin(s);
	rc = agree(g, &(struct opinion){ .code = rc });
	if (rc == -EPERM)
		return dvmi_error_set(err, rc, "no access to userfaultfd: set "
				      "vm.unprivileged_userfaultfd, or run dvmd as root");
	return rc < 0 ? dvmi_error_code(err, rc, "cannot map a segment") : 0;
}

static int prepare(dvm_group_t *g, const dvm_seg_config_t *c, dvm_seg_t **out, dvm_error_t *err)
{
	int rc = check(g, c, err);

	if (rc == 0 && name_taken(g->d, c->name))
		rc = dvmi_error_set(err, -EEXIST, "there is a segment called %s", c->name);
	*out = rc == 0 ? blank(g, c) : NULL;
	if (rc == 0 && (!*out || (c->nhomes && c->homes == DVM_HOMES_EXPLICIT &&
				  !(*out)->home_ranks)))
		rc = dvmi_error_code(err, -ENOMEM, "cannot make a segment");
	if (rc == 0 && (*out)->dom->users > DSM_SEGS - NUMBERS_REST)
		rc = dvmi_error_set(err, -ENOSPC, "a group has %d segments at most",
				    DSM_SEGS - NUMBERS_REST);
	return rc;
}

/* All want it, in one way, and say by which number. */
static int begin(dvm_group_t *g, const dvm_seg_config_t *c, dvm_seg_t **out, dvm_error_t *err)
{
	dvmi_enter(g->d);
	int rc = prepare(g, c, out, err);
	struct opinion o = { .code = rc,
			     .digest = rc < 0 ? 0 : digest(c),
			     .seq = rc < 0 ? 0 : next_number((*out)->dom) };
	dvmi_leave(g->d);
	int said = agree(g, &o);
	if (said < 0 && rc == 0)
		return dvmi_error_code(err, said, "not all ranks can make the segment");
	if (said == 0) {
		(*out)->id = o.seq % DSM_SEGS;
		(*out)->dom->seq = o.seq + 1;
	}
	return said;
}

int dvm_seg_create(dvm_group_t *g, const dvm_seg_config_t *config, dvm_seg_t **seg,
		   dvm_error_t *err)
{
	dvm_seg_t *s;

	if (!g || !config || !seg)
		return dvmi_error_set(err, -EINVAL, "no group, no config or no place");
	if (g->local || g->size > DSM_GROUP_MAX)
		return dvmi_error_set(err, -EINVAL, "segments are for the ranks of one group");
	if (dvmi_am_inside(&g->d->am))
		return dvmi_error_code(err, -EBUSY, "cannot make a segment in a handler");
	int rc = begin(g, config, &s, err);
	if (rc == 0)
		rc = make(s, is_plain(g, config), err);
	if (rc == 0) {
		*seg = s;
		return 0;
	}
	if (s) {
		dvmi_enter(g->d);
		dvmi_seg_free(s);
		dvmi_leave(g->d);
	}
	return rc;
}

int dvm_seg_destroy(dvm_seg_t *s)
{
	if (!s)
		return 0;
	dvm_group_t *g = s->dom->g;
	dvm_t *d = s->d;
	if (dvmi_am_inside(&d->am))
		return -EBUSY;
	/* What others still want of us they get until all are here. */
	int rc = dvm_barrier(g);
	dvmi_enter(d);
	dvmi_seg_free(s);
	dvmi_leave(d);
	return rc;
}
