/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Synchronisation of ranks on one node: the home's state is in memory they share, each serves its
 * own requests, under a latch, and puts what others have waited for into their boxes. A thread
 * that finds nothing in its box sleeps on the box's bell.
 *
 * Two locks, in this order: the process' (its asker's side, its box), then the latch. A rank that
 * dies with the latch may leave the state half changed: then all calls fail from then on.
 */
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "dvm/error.h"
#include "libdvm/base/clock.h"
#include "shm/syncer_private.h"

#define OBJECTS	   65536u
#define ENTRIES	   32768u
#define BOX	   512u /* replies that a rank has not taken: one for each thread that waits */
#define LATCH_TRY  200u /* looks at the latch before the core is given away */
#define LOOK_EVERY (10 * DVMI_MSEC) /* for who has died */
#define SPIN	   DVMI_MSEC	    /* before it sleeps; mostly giving the core away */
#define PAUSES	   400u		    /* looks before that; about 2 us with a core of one's own */

struct box {
	_Alignas(64) _Atomic uint32_t bell;
	_Atomic uint32_t sleepers;
	_Atomic uint32_t head, tail; /* put by who has the latch, taken by the rank */
	struct dsm_sync_reply replies[BOX];
};

struct shared {
	_Alignas(64) _Atomic uint32_t latch; /* rank + 1 of who has it */
	_Atomic uint32_t broken;
	struct box boxes[];
};

struct plain {
	struct dsm_syncer s; /* first */
	struct dsm_syncer_plain c;
	pthread_mutex_t lock;
	struct shared *m;
	bool *gone;	/* [ranks] */
	uint32_t *wake; /* [ranks] whose bells are to be rung */
	uint32_t nwake;
	uint64_t looked;
	uint32_t pauses;
};

static size_t home_at(uint32_t ranks)
{
	return (sizeof(struct shared) + ranks * sizeof(struct box) + 63) & ~(size_t)63;
}

size_t dsm_syncer_bytes(uint32_t ranks)
{
	return home_at(ranks) + dsm_sync_bytes(OBJECTS, ENTRIES);
}

static struct plain *plain_of(struct dsm_syncer *s)
{
	return (struct plain *)s;
}

static struct box *own_box(const struct plain *p)
{
	return &p->m->boxes[p->s.self];
}

static void breathe(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#endif
}

static void futex(_Atomic uint32_t *word, int op, uint32_t value, const struct timespec *timeout)
{
	syscall(SYS_futex, word, op, value, timeout, NULL, 0);
}

static bool is_gone(const struct plain *p, uint32_t rank)
{
	return p->c.dead && p->c.dead(p->c.arg, rank);
}

/* Who died with it may have been in the middle of a change. */
static bool take_over(struct plain *p, uint32_t owner)
{
	if (!owner || owner > p->s.ranks || owner == p->s.self + 1 || !is_gone(p, owner - 1))
		return false;
	if (!atomic_compare_exchange_strong(&p->m->latch, &owner, p->s.self + 1))
		return false;
	atomic_store(&p->m->broken, 1);
	return true;
}

static void take_latch(struct plain *p)
{
	for (uint32_t i = 0;; i++) {
		uint32_t owner = 0;
		if (atomic_compare_exchange_weak_explicit(&p->m->latch, &owner, p->s.self + 1,
							  memory_order_acquire,
							  memory_order_relaxed))
			return;
		if (i < LATCH_TRY) {
			breathe();
			continue;
		}
		sched_yield();
		if (i % 4096 == 0 && take_over(p, owner))
			return;
	}
}

static void ring(struct box *b)
{
	atomic_fetch_add(&b->bell, 1);
	if (atomic_load(&b->sleepers))
		futex(&b->bell, FUTEX_WAKE, INT_MAX, NULL);
}

static void drain(struct plain *p)
{
	struct box *b = own_box(p);
	uint32_t tail = atomic_load_explicit(&b->tail, memory_order_relaxed);

	while (tail != atomic_load_explicit(&b->head, memory_order_acquire)) {
		struct dsm_sync_reply r = b->replies[tail % BOX];
		atomic_store_explicit(&b->tail, ++tail, memory_order_release);
		dsm_sync_replied(&p->s.client, &r);
	}
	if (__builtin_expect(atomic_load_explicit(&p->m->broken, memory_order_relaxed), 0))
		dsm_sync_fail(&p->s.client, -DVM_EPEERLOST);
}

static void enter(struct dsm_syncer *s)
{
	struct plain *p = plain_of(s);

	pthread_mutex_lock(&p->lock);
	take_latch(p);
	drain(p);
}

static void leave(struct dsm_syncer *s)
{
	struct plain *p = plain_of(s);
	uint32_t n = p->nwake;

	p->nwake = 0;
	atomic_store_explicit(&p->m->latch, 0, memory_order_release);
	for (uint32_t i = 0; i < n; i++)
		ring(&p->m->boxes[p->wake[i]]);
	pthread_mutex_unlock(&p->lock);
}

static void to_be_woken(struct plain *p, uint32_t rank)
{
	for (uint32_t i = 0; i < p->nwake; i++)
		if (p->wake[i] == rank)
			return;
	p->wake[p->nwake++] = rank;
}

static void on_tell(void *arg, uint32_t rank, const struct dsm_sync_reply *r)
{
	struct plain *p = arg;

	if (rank == p->s.self) {
		dsm_sync_replied(&p->s.client, r);
		return;
	}
	struct box *b = &p->m->boxes[rank];
	uint32_t head = atomic_load_explicit(&b->head, memory_order_relaxed);
	/* More threads of a rank than that do not get past send_to(). */
	if (rank >= p->s.ranks || head - atomic_load(&b->tail) >= BOX)
		return;
	b->replies[head % BOX] = *r;
	atomic_store_explicit(&b->head, head + 1, memory_order_release);
	to_be_woken(p, rank);
}

static int64_t agent_of(void *arg, uint32_t home, uint64_t id, int64_t preferred)
{
	struct plain *p = arg;

	(void)home;
	(void)id;
	(void)preferred;
	return atomic_load_explicit(&p->m->broken, memory_order_relaxed) ? -1 : (int64_t)p->s.self;
}

static uint32_t under_way(const struct dsm_sync_client *c)
{
	uint32_t n = 0;

	for (const struct dsm_sync_call *call = c->calls; call; call = call->next)
		n++;
	return n;
}

static int send_to(void *arg, uint32_t home, uint32_t agent, const struct dsm_sync_req *q)
{
	struct plain *p = arg;

	(void)home;
	(void)agent;
	if (under_way(&p->s.client) > BOX)
		return -ENOMEM;
	dsm_syncer_serve(&p->s, q);
	return 0;
}

/* Another thread of this process may sleep. */
static void wake(struct dsm_syncer *s, _Atomic uint32_t *word)
{
	atomic_store(word, 1);
	to_be_woken(plain_of(s), s->self);
}

static void look_for_deaths(struct plain *p, uint64_t now)
{
	if (now - p->looked < LOOK_EVERY)
		return;
	p->looked = now;
	for (uint32_t r = 0; r < p->s.ranks; r++) {
		if (p->gone[r] || r == p->s.self || !is_gone(p, r))
			continue;
		p->gone[r] = true;
		for (uint32_t i = 0; i < p->s.ranks; i++)
			if (p->gone[i])
				dsm_syncer_lost(&p->s, i, 0);
	}
}

static bool has_news(const struct plain *p, _Atomic uint32_t *word, uint32_t bell)
{
	return atomic_load_explicit(word, memory_order_acquire) ||
	       atomic_load_explicit(&own_box(p)->bell, memory_order_acquire) != bell;
}

static bool spin(const struct plain *p, _Atomic uint32_t *word, uint32_t bell, uint64_t until)
{
	for (uint32_t i = 1; !has_news(p, word, bell); i++) {
		if (i < p->pauses) {
			breathe();
			continue;
		}
		if (dvmi_clock_mono() >= until)
			return false;
		sched_yield();
	}
	return true;
}

/* Without the lock, until something has come, for LOOK_EVERY at most. */
static void doze(struct plain *p, _Atomic uint32_t *word, uint32_t bell, uint64_t deadline)
{
	struct box *b = own_box(p);
	uint64_t now = dvmi_clock_mono(), left = deadline - now;

	if (deadline <= now || spin(p, word, bell, now + (left < SPIN ? left : SPIN)))
		return;
	left = left < LOOK_EVERY ? left : LOOK_EVERY;
	struct timespec ts = { .tv_nsec = (long)left };
	atomic_fetch_add(&b->sleepers, 1);
	if (!has_news(p, word, bell))
		futex(&b->bell, FUTEX_WAIT, bell, &ts);
	atomic_fetch_sub(&b->sleepers, 1);
}

static int wait_for(struct dsm_syncer *s, _Atomic uint32_t *word, uint64_t deadline)
{
	struct plain *p = plain_of(s);

	while (!atomic_load(word)) {
		uint64_t now = dvmi_clock_mono();
		if (now >= deadline)
			return -ETIMEDOUT;
		look_for_deaths(p, now);
		uint32_t bell = atomic_load(&own_box(p)->bell);
		drain(p);
		if (atomic_load(word))
			break;
		leave(s);
		doze(p, word, bell, deadline);
		enter(s);
	}
	return 0;
}

static void destroy(struct dsm_syncer *s)
{
	struct plain *p = plain_of(s);

	dsm_syncer_fini(s);
	pthread_mutex_destroy(&p->lock);
	free(p->gone);
	free(p->wake);
	free(p);
}

static const struct dsm_way plain = {
	.enter = enter,
	.leave = leave,
	.wait = wait_for,
	.wake = wake,
	.destroy = destroy,
	.client = { agent_of, send_to, dsm_syncer_changed },
};

int dsm_syncer_create_plain(struct dsm_syncer **out, const struct dsm_syncer_plain *c)
{
	if (!c->ranks || c->self >= c->ranks || !c->mem)
		return -EINVAL;
	struct plain *p = calloc(1, sizeof *p);
	if (!p)
		return -ENOMEM;
	p->c = *c;
	p->m = c->mem;
	p->gone = calloc(c->ranks, sizeof *p->gone);
	p->wake = calloc(c->ranks, sizeof *p->wake);
	if (!p->gone || !p->wake || pthread_mutex_init(&p->lock, NULL)) {
		free(p->gone);
		free(p->wake);
		free(p);
		return -ENOMEM;
	}
	p->pauses = (long)c->ranks > sysconf(_SC_NPROCESSORS_ONLN) ? 0 : PAUSES;
	dsm_sync_open(&p->s.home, (uint8_t *)c->mem + home_at(c->ranks), OBJECTS, ENTRIES, on_tell,
		      p);
	dsm_syncer_init(&p->s, &plain, c->self, c->ranks, 1);
	*out = &p->s;
	return 0;
}
