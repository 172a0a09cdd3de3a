/* SPDX-License-Identifier: BSD-3-Clause */
/* A segment: its life, its faults, and what the engine does to its pages. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "dvm/error.h"
#include "libdvm/base/clock.h"
#include "shm/seg_private.h"
#include "shm/sigbus.h"

#define FIGHTS_MAX 32768 /* a guest's hot pages are not the first it shares */
#define RETRY	   DVMI_MSEC
#define STREAM_BYTES (1u << 20) /* of the largest window of a stream of small pages */

/* ---- faults that wait ---- */

static struct seg_wait *find_wait(const struct dsm_seg *s, uint64_t page)
{
	struct seg_wait *w;

	HASH_FIND(hh, s->waits, &page, sizeof page, w);
	return w;
}

bool dsm_seg_waits(const struct dsm_seg *s, uint64_t page)
{
	return find_wait(s, page) != NULL;
}

/* Without memory nothing is counted, and who has the fault will have it again. */
static void begin_wait(struct dsm_seg *s, uint64_t page)
{
	struct seg_wait *w = find_wait(s, page) ? NULL : calloc(1, sizeof *w);

	if (!w)
		return;
	w->page = page;
	w->since = s->n->now;
	HASH_ADD(hh, s->waits, page, sizeof w->page, w);
	s->n->waiting++;
}

static void end_wait(struct dsm_seg *s, uint64_t page)
{
	struct seg_wait *w = s->waits ? find_wait(s, page) : NULL;

	if (!w)
		return;
	uint64_t now = dvmi_clock_mono(), took = now - w->since;
	dsm_seg_trace_over(s, w, now);
	s->stats.fault_ns += took;
	dvmi_hist_add(&s->fault_times, took);
	if (took > s->stats.fault_ns_max)
		s->stats.fault_ns_max = took;
	HASH_DEL(s->waits, w);
	free(w);
	s->n->waiting--;
}

/* ---- pages that are fought for ---- */

bool dsm_seg_is_fought(const struct dsm_seg *s, uint64_t page)
{
	return s->marks[page] & SEG_TAKEN;
}

static void taken_away(struct dsm_seg *s, uint64_t page)
{
	struct seg_fight *f;

	/* Streams take every page once. */
	if (!(s->marks[page] & SEG_TAKEN)) {
		s->marks[page] |= SEG_TAKEN;
		return;
	}
	HASH_FIND(hh, s->fights, &page, sizeof page, f);
	if (!f && s->nfights < FIGHTS_MAX) {
		f = calloc(1, sizeof *f);
		if (!f)
			return;
		f->page = page;
		f->moves = 1;
		HASH_ADD(hh, s->fights, page, sizeof f->page, f);
		s->nfights++;
	}
	if (f) {
		f->moves++;
		f->by = s->from;
	}
}

static int by_moves(const void *a, const void *b)
{
	uint32_t x = ((const struct dsm_seg_hot *)a)->moves;
	uint32_t y = ((const struct dsm_seg_hot *)b)->moves;

	return x > y ? -1 : x < y;
}

int dsm_seg_hot(struct dsm_seg *s, struct dsm_seg_hot *out, int max)
{
	struct seg_fight *f, *tmp;
	int n = 0;

	dsm_node_enter(s->n);
	struct dsm_seg_hot *all = calloc(s->nfights + 1, sizeof *all);
	HASH_ITER(hh, s->fights, f, tmp)
		if (all)
			all[n++] = (struct dsm_seg_hot){ f->page, f->moves, f->by };
	dsm_node_leave(s->n);
	if (!all)
		return -ENOMEM;
	qsort(all, (size_t)n, sizeof *all, by_moves);
	n = n < max ? n : max;
	memcpy(out, all, (size_t)n * sizeof *all);
	free(all);
	return n;
}

/* ---- what the engine does ---- */

void dsm_seg_op_install(void *arg, uint64_t page, bool write)
{
	struct dsm_seg *s = arg;

	/* Its first touch is to be heard of. */
	if (s->marks[page] & SEG_MARK && !find_wait(s, page))
		return;
	dsm_seg_keep(s, page);
	dsm_backing_give(&s->b, page, write);
	dsm_seg_trace(s, DSM_TRACE_MAPPED, page, write, NULL);
	if (s->c.hooks.came && find_wait(s, page))
		s->c.hooks.came(s->c.hooks.arg, page);
	end_wait(s, page);
}

void dsm_seg_op_protect(void *arg, uint64_t page)
{
	struct dsm_seg *s = arg;

	if (s->c.hooks.protect)
		s->c.hooks.protect(s->c.hooks.arg, page);
	dsm_backing_protect(&s->b, page);
	dsm_seg_trace(s, DSM_TRACE_PROTECTED, page, 0, NULL);
}

void dsm_seg_op_drop(void *arg, uint64_t page)
{
	struct dsm_seg *s = arg;

	if (s->c.hooks.drop)
		s->c.hooks.drop(s->c.hooks.arg, page);
	dsm_backing_drop(&s->b, page);
	dsm_seg_trace(s, DSM_TRACE_DROPPED, page, 0, NULL);
	s->marks[page] &= (uint8_t) ~(SEG_AHEAD | SEG_MARK);
	taken_away(s, page);
}

void dsm_seg_op_poison(void *arg, uint64_t page)
{
	struct dsm_seg *s = arg;

	if (s->b.map[page] != DSM_MAP_POISON) {
		s->stats.lost++;
		dvmi_log(s->n->c.log, "shm", LOG_ERR, "segment %u: page %llu is lost with its node",
			 s->c.id, (unsigned long long)page);
		if (s->c.hooks.lost)
			s->c.hooks.lost(s->c.hooks.arg, page);
	}
	dsm_backing_poison(&s->b, page);
	end_wait(s, page);
}

/* ---- faults ---- */

void dsm_seg_ahead(struct dsm_seg *s, const struct dsm_ahead *a, bool write)
{
	/* Who is out asks for nothing: a home that has not heard of it would give a page away. */
	for (uint32_t i = 0; i < a->count && !s->cut; i++) {
		uint64_t page = a->first + (uint64_t)i * a->step;
		enum dsm_map need = write ? DSM_MAP_WRITE : DSM_MAP_READ;
		if (s->b.map[page] >= need)
			continue;
		if (!a->sure && s->streams.careful && dsm_seg_is_fought(s, page))
			continue;
		s->marks[page] |= page == a->mark ? SEG_AHEAD | SEG_MARK : SEG_AHEAD;
		s->stats.prefetched += !dsm_seg_allowed(s, page, write);
		if (dsm_seg_ask(s, page, write, true) < 0)
			return;
	}
}

/* M: its marks, when it was touched. */
static void follow_stream(struct dsm_seg *s, uint64_t page, bool write, uint8_t m)
{
	unsigned how = (m & SEG_STREAM ? DSM_STREAM_EAGER : 0) | (m & SEG_MARK ? DSM_STREAM_MARKED : 0);

	if (s->c.flags & DSM_NO_PREFETCH || m & SEG_RANDOM ||
	    s->kept + dsm_stream_most(&s->streams) > s->most)
		return;
	struct dsm_ahead a = dsm_stream_touch(&s->streams, page, s->b.pages, write, how);
	if (!s->one_host && a.step == 1)
		dsm_backing_expect(&s->b, a.first, a.count);
	dsm_seg_ahead(s, &a, write);
}

void dsm_seg_want(struct dsm_seg *s, uint64_t page, bool write)
{
	bool local = dsm_seg_allowed(s, page, write);
	uint8_t marks = s->marks[page];

	s->stats.prefetch_used += !!(marks & SEG_AHEAD);
	s->marks[page] &= (uint8_t) ~(SEG_AHEAD | SEG_MARK);
	s->stats.local_faults += local;
	s->stats.read_faults += !local && !write;
	s->stats.write_faults += !local && write;
	if (!local && !s->b.store && !s->b.common)
		s->n->warm = s->b.alias + page * s->c.unit;
	begin_wait(s, page);
	dsm_seg_trace(s, DSM_TRACE_FAULT, page, write, NULL);
	if (dsm_seg_ask(s, page, write, false) < 0) {
		/* It will be back. */
		end_wait(s, page);
		dsm_uffd_wake(s->b.uffd, s->b.app + page * s->c.unit, s->c.unit);
		return;
	}
	follow_stream(s, page, write, marks);
}

bool dsm_seg_fault(struct dsm_seg *s, const struct dsm_uffd_fault *f)
{
	uintptr_t at = f->at - (uintptr_t)s->b.app;

	if (at >= s->b.bytes)
		return false;
	if (s->cut)
		return true;
	uint64_t page = at / s->c.unit;
	if (!f->mapped)
		dsm_backing_doubt(&s->b, page);
	dsm_seg_want(s, page, f->write);
	/* What is there already comes no more. */
	if (s->c.hooks.wait && find_wait(s, page))
		s->c.hooks.wait(s->c.hooks.arg, page, f->thread);
	return true;
}

/* Not at once: who waits would do nothing but fault as long as memory is short. */
static void retry_later(struct dsm_seg *s)
{
	s->retry_at = dvmi_clock_mono() + RETRY;
	if (!s->starved)
		dvmi_log(s->n->c.log, "shm", LOG_ERR, "segment %u: no memory for a page", s->c.id);
	s->starved = true;
}

void dsm_seg_settle(struct dsm_seg *s)
{
	dsm_backing_flush(&s->b);
	if (s->b.missed_end && !s->retry_at)
		retry_later(s);
	if (s->d && dsm_deadline(s->d) == 0)
		dsm_woken(s->d, dvmi_clock_mono());
	dsm_seg_make_room(s);
	s->n->starved |= s->d && dsm_starved(s->d);
}

/* ---- time and views ---- */

uint64_t dsm_seg_deadline(const struct dsm_seg *s)
{
	uint64_t retry = s->retry_at ? s->retry_at : UINT64_MAX;
	uint64_t engine = s->d ? dsm_deadline(s->d) : UINT64_MAX;

	if (s->cut)
		return UINT64_MAX;
	return engine < retry ? engine : retry;
}

void dsm_seg_tick(struct dsm_seg *s)
{
	if (s->retry_at && s->retry_at <= s->n->now) {
		s->retry_at = 0;
		dsm_backing_retry(&s->b);
	}
	if (s->d)
		dsm_tick(s->d, s->n->now);
}

void dsm_seg_view(struct dsm_seg *s, uint32_t epoch, const bool *alive)
{
	dsm_seg_walk_view(s);
	if (s->r)
		dsm_seg_rc_view(s, epoch, alive);
	else if (dsm_view(s->d, epoch, alive, s->n->now) < 0)
		dvmi_log(s->n->c.log, "shm", LOG_ERR, "segment %u: view %u is none", s->c.id,
			 epoch);
	if (s->c.flags & DSM_FIRST_TOUCH && s->d)
		dsm_seg_count_kept(s);
}

void dsm_seg_cut(struct dsm_seg *s)
{
	struct seg_wait *w, *tmp;

	s->cut = true;
	dsm_backing_cut(&s->b);
	HASH_ITER(hh, s->waits, w, tmp)
		end_wait(s, w->page);
	dsm_seg_rc_cut(s);
}

/* ---- life ---- */

/* The numbers of hosts are ours from now on. */
static int keep_hosts(struct dsm_seg *s)
{
	size_t len = s->n->c.nodes * sizeof *s->hosts;

	if (!s->c.hosts)
		return 0;
	s->hosts = malloc(len);
	if (!s->hosts)
		return -ENOMEM;
	memcpy(s->hosts, s->c.hosts, len);
	s->one_host = true;
	for (uint32_t i = 0; i < s->n->c.nodes; i++)
		s->one_host &= dsm_seg_together(s, i);
	return 0;
}

static bool config_good(const struct dsm_seg_config *c)
{
	return c->id < DSM_SEGS && c->unit >= 4096 && c->unit <= DSM_UNIT_MAX &&
	       !(c->unit & (c->unit - 1)) && c->bytes && c->bytes % c->unit == 0 && c->home &&
	       (!(c->flags & DSM_WALKED) || c->unit == 4096);
}

static int make(struct dsm_seg *s)
{
	const struct dsm_uffd *u;
	uint64_t pages = s->c.bytes / s->c.unit;
	int rc = dsm_node_uffd(s->n, s->c.flags & DSM_SIGBUS, &u);

	if (rc == 0)
		rc = keep_hosts(s);
	int file = rc == 0 && dsm_seg_host(s, s->n->c.self) ? s->c.file : -1;
	if (rc == 0)
		rc = dsm_seg_make_engine(s);
	if (rc == 0)
		rc = dsm_backing_create(&s->b, u, pages, s->c.unit, s->c.address, file);
	if (rc < 0)
		return rc;
	void *p = mmap(NULL, pages, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return -ENOMEM;
	s->marks = p;
	s->b.frugal = s->c.memory != 0;
	s->b.ahead = !(s->c.flags & (DSM_NO_BATCH | DSM_WALKED));
	s->trace = calloc(1, sizeof *s->trace);
	if (!s->trace)
		return -ENOMEM;
	/* Each window is a fault, which may have to wait for a core; guests share their links. */
	if (!s->n->c.urgent && STREAM_BYTES / s->c.unit > DSM_STREAM_HIGH)
		s->streams.most = STREAM_BYTES / s->c.unit;
	/* A guest's pages lie side by side without belonging together. */
	s->streams.careful = s->c.flags & DSM_WALKED;
	s->most = s->c.memory ? s->c.memory / s->c.unit : UINT64_MAX;
	return s->c.flags & DSM_SIGBUS ? dsm_sigbus_add(s) : 0;
}

static void unmake(struct dsm_seg *s)
{
	struct seg_wait *w, *tw;
	struct seg_fight *f, *tf;

	dsm_sigbus_remove(s);
	if (s->marks)
		munmap(s->marks, s->b.pages);
	dsm_backing_destroy(&s->b);
	dsm_seg_twins_free(s);
	dsm_seg_walk_free(s);
	dsm_seg_free_engine(s);
	free(s->trace);
	free(s->hosts);
	HASH_ITER(hh, s->waits, w, tw) {
		HASH_DEL(s->waits, w);
		free(w);
		s->n->waiting--;
	}
	HASH_ITER(hh, s->fights, f, tf) {
		HASH_DEL(s->fights, f);
		free(f);
	}
	free(s);
}

/*
 * What has come for segments that were gone by then is still kept. Numbers are given round about, but for
 * those in use, so what is farthest away from S's is of the last round, and must not be taken for the next
 * one's; likewise for the numbers that were passed over. No more of them than leave those alone that are next.
 */
static void forget_last_round(struct dsm_seg *s)
{
	uint32_t steps = (s->c.id - s->n->last_id) % DSM_SEGS;

	steps = !steps ? 1 : steps < DSM_SEGS / 4 ? steps : DSM_SEGS / 4;
	for (uint32_t i = 0; i < steps; i++)
		dsm_node_forget_early(s->n, (s->c.id - i + DSM_SEGS / 2) % DSM_SEGS);
	s->n->last_id = s->c.id;
}

/* It is there for messages from now on. */
static void enlist(struct dsm_seg *s)
{
	struct dsm_node *n = s->n;
	bool alive[DSM_NODES_MAX];

	n->segs[s->c.id] = s;
	n->no_spin += !!(s->c.flags & DSM_NO_SPIN);
	n->no_slice += !!(s->c.flags & DSM_NO_SLICE);
	if (n->nsegs <= s->c.id)
		n->nsegs = s->c.id + 1;
	for (uint32_t i = 0; i < n->c.nodes; i++)
		alive[i] = !n->member.gone[i];
	if (n->member.epoch)
		dsm_seg_view(s, n->member.epoch, alive);
	dsm_node_replay(n, s->c.id);
	forget_last_round(s);
}

int dsm_seg_create(struct dsm_node *n, struct dsm_seg **out, const struct dsm_seg_config *config)
{
	if (!config_good(config))
		return -EINVAL;
	struct dsm_seg *s = calloc(1, sizeof *s);
	if (!s)
		return -ENOMEM;
	s->n = n;
	s->c = *config;
	s->b.file = -1;
	dsm_node_enter(n);
	int rc = n->cut ? -DVM_EPEERLOST : n->segs[config->id] ? -EEXIST : make(s);
	if (rc == 0)
		enlist(s);
	else
		unmake(s);
	dsm_node_leave(n);
	if (rc == 0)
		*out = s;
	return rc;
}

void dsm_seg_destroy(struct dsm_seg *s)
{
	if (!s)
		return;
	struct dsm_node *n = s->n;
	dsm_node_enter(n);
	n->segs[s->c.id] = NULL;
	n->no_spin -= !!(s->c.flags & DSM_NO_SPIN);
	n->no_slice -= !!(s->c.flags & DSM_NO_SLICE);
	n->warm = NULL;
	n->idle_till = 0;
	dsm_homes_forget(n, s->c.id);
	while (n->nsegs && !n->segs[n->nsegs - 1])
		n->nsegs--;
	unmake(s);
	dsm_node_leave(n);
}

void *dsm_seg_base(const struct dsm_seg *s)
{
	return s->b.app;
}
