/* SPDX-License-Identifier: BSD-3-Clause */
/* Blocking calls, whatever the way to the homes. */
#include <errno.h>

#include "dvm/error.h"
#include "shm/syncer_private.h"

void dsm_syncer_init(struct dsm_syncer *s, const struct dsm_way *way, uint32_t self, uint32_t ranks,
		     uint32_t homes)
{
	s->way = way;
	s->self = self;
	s->ranks = ranks;
	s->homes = homes;
	dsm_sync_client_init(&s->client, self, &way->client, s);
}

void dsm_syncer_destroy(struct dsm_syncer *s)
{
	if (s)
		s->way->destroy(s);
}

void dsm_syncer_changed(void *arg, struct dsm_sync_call *call)
{
	struct dsm_waiter *w = (struct dsm_waiter *)call;
	struct dsm_syncer *s = arg;

	if (!w->waits)
		return;
	if (!w->told)
		s->way->wake(s, &w->queued);
	w->told = true;
	if (call->done)
		s->way->wake(s, &w->done);
}

static int await(struct dsm_syncer *s, struct dsm_waiter *w, bool queued, uint64_t deadline)
{
	w->waits = true;
	if (w->call.done || (queued && w->call.queued))
		return 0;
	return s->way->wait(s, queued ? &w->queued : &w->done, deadline);
}

void dsm_syncer_lost(struct dsm_syncer *s, uint32_t rank, uint32_t home)
{
	s->lost = true;
	dsm_sync_death(&s->home, rank);
	dsm_sync_lost(&s->client, rank, home);
}

void dsm_syncer_serve(struct dsm_syncer *s, const struct dsm_sync_req *q)
{
	if (q->op >= DSM_SYNC_OPS)
		dsm_syncer_serve_alloc(s, q);
	else
		dsm_sync_serve(&s->home, q);
}

void dsm_syncer_fini(struct dsm_syncer *s)
{
	while (s->segs)
		dsm_syncer_forget_seg(s, s->segs->space);
	dsm_sync_client_fini(&s->client);
}

static uint32_t home_of(const struct dsm_syncer *s, uint64_t space, uint64_t id)
{
	uint64_t h = (id + space) * UINT64_C(0x9e3779b97f4a7c15);

	return (uint32_t)((h ^ h >> 32) % s->homes);
}

static void prepare(const struct dsm_syncer *s, struct dsm_waiter *w, uint64_t space, uint64_t id,
		    uint32_t op, uint64_t a, uint64_t b)
{
	*w = (struct dsm_waiter){ .call = {
					  .q = { .space = space,
						 .id = id,
						 .op = op,
						 .a = a,
						 .b = b },
					  .home = home_of(s, space, id),
				  } };
}

/* Within enter and leave. */
static int run(struct dsm_syncer *s, uint64_t space, uint64_t id, uint32_t op, uint64_t a,
	       uint64_t b, uint64_t *value)
{
	struct dsm_waiter w;

	prepare(s, &w, space, id, op, a, b);
	dsm_sync_start(&s->client, &w.call);
	await(s, &w, false, DSM_SYNC_EVER);
	if (w.call.code >= 0 && value)
		*value = w.call.value;
	return w.call.code;
}

int dsm_syncer_ask(struct dsm_syncer *s, uint32_t space, uint64_t id, uint32_t op, uint64_t a,
		   uint64_t b, uint64_t *value)
{
	uint64_t got = 0;

	s->way->enter(s);
	int rc = run(s, space, id, op, a, b, &got);
	s->way->leave(s);
	/* Not before: it may lie in a segment, and its page be elsewhere. */
	if (rc >= 0 && value)
		*value = got;
	return rc;
}

int dsm_syncer_unlock(struct dsm_syncer *s, uint32_t space, uint64_t id, uint32_t op)
{
	s->way->enter(s);
	int rc = dsm_sync_unlock(&s->client, space, id, op);
	s->way->leave(s);
	return rc;
}

int dsm_syncer_unlock_all(struct dsm_syncer *s, uint32_t space)
{
	s->way->enter(s);
	int rc = dsm_sync_unlock_all(&s->client, space);
	s->way->leave(s);
	return rc;
}

/* Barriers within one: the space says which. Spaces of programs have nothing in these bits. */
static uint64_t part(uint32_t space, uint32_t level, uint32_t group, bool out)
{
	return space | (uint64_t)(2 * level + 1 + out) << 16 | (uint64_t)group << 32;
}

/*
 * Groups of DSM_SYNC_FAN meet; the last to come of each goes on to meet the last ones of the
 * others, and then comes back to let its own group out.
 */
static int meet(struct dsm_syncer *s, uint32_t space, uint64_t id, uint32_t place, uint32_t n,
		uint32_t level)
{
	uint32_t group = place / DSM_SYNC_FAN, first = group * DSM_SYNC_FAN;
	uint32_t size = n - first < DSM_SYNC_FAN ? n - first : DSM_SYNC_FAN;
	uint64_t last = 0;
	int rc = run(s, part(space, level, group, false), id, DSM_SYNC_BARRIER, size, 0, &last);

	if (rc < 0 || n <= DSM_SYNC_FAN)
		return rc;
	if (last)
		rc = meet(s, space, id, group, (n + DSM_SYNC_FAN - 1) / DSM_SYNC_FAN, level + 1);
	if (rc < 0)
		return rc;
	return run(s, part(space, level, group, true), id, DSM_SYNC_BARRIER, size, 0, NULL);
}

int dsm_syncer_meet(struct dsm_syncer *s, uint32_t space, uint64_t id)
{
	s->way->enter(s);
	int rc = s->lost ? -DVM_EPEERLOST : meet(s, space, id, s->self, s->ranks, 0);
	s->way->leave(s);
	return rc;
}

/* Until it is signalled, or known that it was not in time. */
static int await_signal(struct dsm_syncer *s, struct dsm_waiter *w, uint64_t deadline)
{
	while (await(s, w, false, deadline) < 0 && !w->call.done) {
		dsm_sync_withdraw(&s->client, &w->call);
		deadline = DSM_SYNC_EVER;
	}
	return w->call.code == -ECANCELED ? -ETIMEDOUT : w->call.code;
}

static int wait_for_signal(struct dsm_syncer *s, uint32_t space, uint64_t id, uint64_t lock,
			   uint64_t deadline)
{
	struct dsm_waiter w;

	prepare(s, &w, space, id, DSM_SYNC_WAIT, 0, 0);
	dsm_sync_start(&s->client, &w.call);
	await(s, &w, true, DSM_SYNC_EVER);
	if (w.call.done && w.call.code < 0)
		return w.call.code;
	int unlocked = dsm_sync_unlock(&s->client, space, lock, DSM_SYNC_LOCK);
	if (unlocked < 0) {
		dsm_sync_withdraw(&s->client, &w.call);
		await_signal(s, &w, DSM_SYNC_EVER);
		return unlocked;
	}
	int rc = await_signal(s, &w, deadline);
	int locked = run(s, space, lock, DSM_SYNC_LOCK, 0, 0, NULL);
	return locked ? locked : rc;
}

int dsm_syncer_wait(struct dsm_syncer *s, uint32_t space, uint64_t id, uint64_t lock,
		    uint64_t deadline)
{
	s->way->enter(s);
	int rc = dsm_sync_holds(&s->client, space, lock, DSM_SYNC_LOCK)
			 ? wait_for_signal(s, space, id, lock, deadline)
			 : -EPERM;
	s->way->leave(s);
	return rc;
}

void dsm_syncer_forget(struct dsm_syncer *s, uint32_t space)
{
	s->way->enter(s);
	dsm_sync_forget(&s->home, space, DSM_SYNC_SPACES - 1);
	dsm_syncer_forget_seg(s, space);
	s->way->leave(s);
}
