/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>

#include "libdvm/net/shm.h"
#include "libdvm/src/coll_area.h"
#include "libdvm/src/wait.h"

#define SLOT_MAX   (128u * 1024)
#define SLOT_MIN   (4u * 1024)
#define AREA_MAX   (256u << 20) /* bytes of all slots, where they are not at their least */
#define PAGE	   4096u
#define SPINS	   50u	/* looks at a line before anything else is looked at; about 2 us */
#define PATIENT	   800u /* and so many when nothing else is under way, 20 to 40 us */
#define YIELDS	   8u	/* likewise, when cores are short */
#define TURN_EVERY 16u	/* operations until everything else has its turn */

static size_t lines_bytes(uint32_t n)
{
	return (n * DVMI_AREA_DEPTH * sizeof(struct dvmi_area_line) + PAGE - 1) &
	       ~(size_t)(PAGE - 1);
}

size_t dvmi_area_bytes(uint32_t n, size_t *slot)
{
	size_t each = AREA_MAX / DVMI_AREA_SLOTS / n & ~(size_t)(PAGE - 1);

	*slot = each > SLOT_MAX ? SLOT_MAX : each < SLOT_MIN ? SLOT_MIN : each;
	return lines_bytes(n) + (size_t)n * DVMI_AREA_SLOTS * *slot;
}

static int join(struct dvmi_area *a, dvm_group_t *g, const struct dvmi_team *t, uint32_t local,
		int64_t offset)
{
	*a = (struct dvmi_area){ .g = g, .team = *t, .offset = -1 };
	a->crowded = g->d->env.local_size > g->d->cores;
	a->bytes = dvmi_area_bytes(t->size, &a->slot);
	int rc = dvmi_heap_map(g->d->heap, local, offset, a->bytes, &a->map);
	if (rc < 0)
		return rc;
	a->lines = a->map;
	a->slots = (uint8_t *)a->map + lines_bytes(t->size);
	return 0;
}

static void reap(dvm_t *d, bool all);

int dvmi_area_make(struct dvmi_area *a, dvm_group_t *g, const struct dvmi_team *t,
		   struct dvmi_area_place *out)
{
	size_t slot;

	reap(g->d, false);
	int64_t offset = dvmi_heap_alloc(g->d->heap, dvmi_area_bytes(t->size, &slot));

	if (offset < 0)
		return (int)offset;
	int rc = join(a, g, t, g->d->env.local_rank, offset);
	if (rc < 0) {
		dvmi_heap_free(g->d->heap, offset);
		return rc;
	}
	a->offset = out->offset = offset;
	return 0;
}

int dvmi_area_join(struct dvmi_area *a, dvm_group_t *g, const struct dvmi_team *t, uint32_t local,
		   const struct dvmi_area_place *place)
{
	return join(a, g, t, local, place->offset);
}

static bool all_have_left(const struct dvmi_area *a)
{
	for (uint32_t m = 0; m < a->team.size; m++)
		if (!atomic_load(&a->lines[m * DVMI_AREA_DEPTH].left))
			return false;
	return true;
}

static void reap(dvm_t *d, bool all)
{
	struct dvmi_area **p = &d->left_areas, *a;

	while ((a = *p)) {
		bool free_now = all_have_left(a);
		if (!free_now && !all) {
			p = &a->next;
			continue;
		}
		*p = a->next;
		dvmi_heap_unmap(a->map, a->bytes);
		if (free_now)
			dvmi_heap_free(d->heap, a->offset);
		free(a);
	}
}

void dvmi_area_forget(dvm_t *d)
{
	reap(d, true);
}

void dvmi_area_fini(struct dvmi_area *a)
{
	if (!a->map)
		return;
	atomic_store(&a->lines[a->team.rank * DVMI_AREA_DEPTH].left, 1);
	struct dvmi_area *keep = a->offset >= 0 ? malloc(sizeof *keep) : NULL;
	if (keep) {
		*keep = *a;
		keep->next = a->g->d->left_areas;
		a->g->d->left_areas = keep;
	} else {
		dvmi_heap_unmap(a->map, a->bytes);
	}
	a->map = NULL;
}

static struct dvmi_area_line *line_of(const struct dvmi_area *a, uint32_t m, uint64_t seq)
{
	return &a->lines[m * DVMI_AREA_DEPTH + seq % DVMI_AREA_DEPTH];
}

static inline bool has_come(const struct dvmi_area *a, uint32_t m, uint64_t seq)
{
	return atomic_load_explicit(&line_of(a, m, seq)->seq, memory_order_acquire) >= seq;
}

struct awaited {
	const struct dvmi_area *a;
	uint32_t m;
	uint64_t seq;
};

static bool is_there(void *arg)
{
	const struct awaited *w = arg;

	return has_come(w->a, w->m, w->seq);
}

int dvmi_area_lost(const struct dvmi_area *a, uint32_t m)
{
	const dvm_group_t *g = a->g;
	uint32_t peer = dvmi_rankmap_peer(&g->map, dvmi_team_rank(&a->team, m));
	int code = dvmi_p2p_revoked(&g->d->p2p, g->ctx + DVMI_CTX_COLL);

	return code ? code : g->d->p2p.peers[peer].down;
}

/* Whoever sleeps looks before, through LOOK, at what it waits for. */
static __attribute__((noinline)) int wait_long(struct dvmi_area *a, uint32_t m, uint64_t seq)
{
	dvm_t *d = a->g->d;
	struct awaited what = { a, m, seq };
	struct dvmi_look look = { .ready = is_there, .arg = &what };
	struct dvmi_wait w = { 0 };
	int code = 0;

	dvmi_look_add(d, &look);
	while (!has_come(a, m, seq)) {
		code = dvmi_area_lost(a, m);
		if (code && !has_come(a, m, seq))
			break;
		code = 0;
		dvmi_wait_round(d, &w);
	}
	dvmi_look_remove(d, &look);
	return code;
}

/* Where ranks share cores, the one that is waited for needs ours. */
static bool yield_for(struct dvmi_area *a, uint32_t m, uint64_t seq)
{
	dvm_t *d = a->g->d;

	for (uint32_t i = 0; i < YIELDS; i++) {
		dvmi_wait_yield(d);
		if (has_come(a, m, seq))
			return true;
	}
	return false;
}

/*
 * With a core each it is not worth giving ours away for the time a long copy takes: whoever gets
 * it keeps it longer than that.
 */
static bool spin_for(struct dvmi_area *a, uint32_t m, uint64_t seq)
{
	uint32_t patience = a->g->d->tasks || a->g->d->p2p.busy ? SPINS : PATIENT;

	/* Who looks without a pause keeps the line from whoever wants to write it. */
	for (uint32_t i = 0; i < patience; i++) {
		dvmi_cpu_pause();
		if (has_come(a, m, seq))
			return true;
	}
	return false;
}

static int wait_for(struct dvmi_area *a, uint32_t m, uint64_t seq)
{
	if (has_come(a, m, seq))
		return 0;
	if (a->crowded ? yield_for(a, m, seq) : spin_for(a, m, seq))
		return 0;
	return wait_long(a, m, seq);
}

static int wait_until_all(struct dvmi_area *a, uint64_t seq)
{
	for (uint32_t m = 0; m < a->team.size; m++) {
		int rc = m == a->team.rank ? 0 : wait_for(a, m, seq);
		if (rc < 0)
			return rc;
	}
	if (a->seen < seq)
		a->seen = seq;
	return 0;
}

/* The collectives of the loop that a program is in must not keep all else waiting. */
static void others_turn(struct dvmi_area *a)
{
	dvm_t *d = a->g->d;

	if (a->seq % TURN_EVERY == 0 || d->tasks || d->p2p.busy)
		dvmi_progress(d);
}

int dvmi_area_enter(struct dvmi_area *a, uint64_t what)
{
	uint64_t seq = ++a->seq;

	others_turn(a);
	a->what = what;
	if (seq < DVMI_AREA_DEPTH || a->seen >= seq - DVMI_AREA_DEPTH + 1)
		return 0;
	return wait_until_all(a, seq - DVMI_AREA_DEPTH + 1);
}

static void wake_others(struct dvmi_area *a)
{
	const dvm_t *d = a->g->d;

	for (uint32_t m = 0; m < a->team.size; m++)
		if (m != a->team.rank)
			dvmi_shm_poke(d->shm, d->map.local_of[dvmi_rankmap_peer(
						      &a->g->map, dvmi_team_rank(&a->team, m))]);
}

/* Our next line should be ours alone by the time we write it. */
static inline void own(struct dvmi_area_line *l)
{
#if defined(__x86_64__)
	__asm__ __volatile__("prefetchw %0" : : "m"(*l));
#else
	__builtin_prefetch(l, 1);
#endif
}

void dvmi_area_publish(struct dvmi_area *a)
{
	struct dvmi_area_line *l = line_of(a, a->team.rank, a->seq);

	l->what = a->what;
	atomic_store_explicit(&l->seq, a->seq, memory_order_release);
	own(line_of(a, a->team.rank, a->seq + 1));
	wake_others(a);
}

static int agrees(const struct dvmi_area *a, uint32_t m)
{
	const struct dvmi_area_line *l = line_of(a, m, a->seq);

	return l->what == a->what ? 0 : -DVM_EPROTO;
}

int dvmi_area_wait(struct dvmi_area *a, uint32_t m)
{
	int rc = wait_for(a, m, a->seq);

	return rc < 0 ? rc : agrees(a, m);
}

int dvmi_area_wait_all(struct dvmi_area *a)
{
	int rc = wait_until_all(a, a->seq);

	for (uint32_t m = 0; m < a->team.size && rc == 0; m++)
		rc = m == a->team.rank ? 0 : agrees(a, m);
	return rc;
}
