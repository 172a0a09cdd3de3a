/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dvm/sync.h: locks, barriers, conditions and cells of a segment. Plain segments have their state
 * behind the memory, the others at the ranks of their domain. Without the handle's lock.
 */
#include <errno.h>

#include "dvm/sync.h"
#include "libdvm/base/clock.h"
#include "libdvm/src/am.h"
#include "libdvm/src/mem_sync.h"
#include "shm/syncer.h"

static uint64_t whole_pages(uint64_t n)
{
	return (n + 4095) & ~UINT64_C(4095);
}

static uint64_t state_bytes(const dvm_seg_t *s)
{
	return whole_pages(dsm_syncer_bytes(s->dom->g->size));
}

uint64_t dvmi_seg_sync_bytes(const dvm_seg_t *s)
{
	return state_bytes(s) +
	       whole_pages(dsm_syncer_books(s->c.bytes, s->c.unit, s->dom->g->size));
}

int dvmi_seg_sync_connect(struct dvmi_seg_domain *m)
{
	return dsm_syncer_create(&m->sync, m->node);
}

void dvmi_seg_sync_disconnect(struct dvmi_seg_domain *m)
{
	dsm_syncer_destroy(m->sync);
	m->sync = NULL;
}

static int begin_plain(dvm_seg_t *s)
{
	struct dsm_syncer_plain c = {
		.self = s->dom->g->rank,
		.ranks = s->dom->g->size,
		.mem = s->control,
		.dead = dvmi_seg_dead,
		.arg = s->dom,
	};
	int rc = dsm_syncer_create_plain(&s->sync, &c);

	return rc < 0 ? rc
		      : dsm_syncer_segment(s->sync, s->id, s->c.bytes, s->c.unit,
					   (uint8_t *)s->control + state_bytes(s));
}

int dvmi_seg_sync_begin(dvm_seg_t *s)
{
	if (!s->seg)
		return begin_plain(s);
	return dsm_syncer_segment(s->dom->sync, s->id, s->c.bytes, s->c.unit, NULL);
}

void dvmi_seg_sync_end(dvm_seg_t *s)
{
	if (s->dom->sync)
		dsm_syncer_forget(s->dom->sync, s->id);
	dsm_syncer_destroy(s->sync);
	s->sync = NULL;
}

static struct dsm_syncer *syncer_of(const dvm_seg_t *s)
{
	return s->sync ? s->sync : s->dom->sync;
}

int dvmi_seg_sync_leave(dvm_seg_t *s)
{
	return syncer_of(s) ? dsm_syncer_unlock_all(syncer_of(s), s->id) : 0;
}

/* What every call looks at first. */
static int check(const dvm_seg_t *s)
{
	if (!s || !syncer_of(s))
		return -EINVAL;
	return dvmi_am_inside(&s->d->am) ? -EBUSY : 0;
}

static int told(int rc)
{
	return rc == DSM_SYNC_OWNER_DEAD ? -EOWNERDEAD : rc;
}

/* ---- what goes with release consistency ---- */

static int release(dvm_seg_t *s)
{
	return s->seg ? dsm_seg_release(s->seg) : 0;
}

/* After RC of a call that was to wait for others. */
static int acquire(dvm_seg_t *s, int rc)
{
	int seen = s->seg && (rc >= 0 || rc == -EOWNERDEAD || rc == -ETIMEDOUT) ?
			   dsm_seg_acquire(s->seg) :
			   0;

	return seen < 0 ? seen : rc;
}

int dvm_sync_release(dvm_seg_t *seg)
{
	int rc = check(seg);

	return rc < 0 ? rc : release(seg);
}

int dvm_sync_acquire(dvm_seg_t *seg)
{
	int rc = check(seg);

	return rc < 0 ? rc : acquire(seg, 0);
}

/* ---- locks ---- */

static int lock(dvm_seg_t *s, uint64_t id, uint32_t op)
{
	int rc = check(s);

	if (rc < 0)
		return rc;
	return acquire(s, told(dsm_syncer_ask(syncer_of(s), s->id, id, op, 0, 0, NULL)));
}

/* Also if the others have gone on without us. */
static int unlock(dvm_seg_t *s, uint64_t id, uint32_t op)
{
	int rc = check(s);

	if (rc < 0)
		return rc;
	int released = release(s);
	rc = dsm_syncer_unlock(syncer_of(s), s->id, id, op);
	return rc < 0 ? rc : released;
}

int dvm_lock_acquire(dvm_seg_t *seg, uint64_t id)
{
	return lock(seg, id, DSM_SYNC_LOCK);
}

int dvm_lock_try(dvm_seg_t *seg, uint64_t id)
{
	return lock(seg, id, DSM_SYNC_TRYLOCK);
}

int dvm_lock_release(dvm_seg_t *seg, uint64_t id)
{
	return unlock(seg, id, DSM_SYNC_LOCK);
}

int dvm_rwlock_read(dvm_seg_t *seg, uint64_t id)
{
	return lock(seg, id, DSM_SYNC_READ);
}

int dvm_rwlock_write(dvm_seg_t *seg, uint64_t id)
{
	return lock(seg, id, DSM_SYNC_WRITE);
}

int dvm_rwlock_release(dvm_seg_t *seg, uint64_t id)
{
	int rc = unlock(seg, id, DSM_SYNC_WRITE);

	return rc == -EPERM ? unlock(seg, id, DSM_SYNC_READ) : rc;
}

int dvm_seg_barrier(dvm_seg_t *seg, uint64_t id, uint32_t n)
{
	int rc = check(seg);

	if (rc == 0)
		rc = release(seg);
	if (rc < 0)
		return rc;
	return acquire(seg, n ? dsm_syncer_ask(syncer_of(seg), seg->id, id, DSM_SYNC_BARRIER, n, 0,
					       NULL)
			      : dsm_syncer_meet(syncer_of(seg), seg->id, id));
}

int dvm_cond_wait(dvm_seg_t *seg, uint64_t id, uint64_t lock, int timeout_ms)
{
	int rc = check(seg);

	if (rc == 0)
		rc = release(seg);
	if (rc < 0)
		return rc;
	uint64_t deadline = timeout_ms < 0 ? DSM_SYNC_EVER
					   : dvmi_clock_mono() + (uint64_t)timeout_ms * DVMI_MSEC;
	return acquire(seg, told(dsm_syncer_wait(syncer_of(seg), seg->id, id, lock, deadline)));
}

static int signal(dvm_seg_t *seg, uint64_t id, uint64_t n)
{
	int rc = check(seg);

	if (rc == 0)
		rc = release(seg);
	return rc < 0 ? rc
		      : dsm_syncer_ask(syncer_of(seg), seg->id, id, DSM_SYNC_SIGNAL, n, 0, NULL);
}

int dvm_cond_signal(dvm_seg_t *seg, uint64_t id)
{
	return signal(seg, id, 1);
}

int dvm_cond_broadcast(dvm_seg_t *seg, uint64_t id)
{
	return signal(seg, id, UINT64_MAX);
}

static int cell(dvm_seg_t *seg, uint64_t id, uint32_t op, uint64_t a, uint64_t b, uint64_t *old)
{
	int rc = check(seg);

	if (rc == 0 && op != DSM_SYNC_LOAD)
		rc = release(seg);
	if (rc < 0)
		return rc;
	return acquire(seg, dsm_syncer_ask(syncer_of(seg), seg->id, id, op, a, b, old));
}

int dvm_atomic_add(dvm_seg_t *seg, uint64_t id, uint64_t value, uint64_t *old)
{
	return cell(seg, id, DSM_SYNC_ADD, value, 0, old);
}

int dvm_atomic_swap(dvm_seg_t *seg, uint64_t id, uint64_t value, uint64_t *old)
{
	return cell(seg, id, DSM_SYNC_SWAP, value, 0, old);
}

int dvm_atomic_cas(dvm_seg_t *seg, uint64_t id, uint64_t expected, uint64_t value, uint64_t *old)
{
	return cell(seg, id, DSM_SYNC_CAS, expected, value, old);
}

int dvm_atomic_load(dvm_seg_t *seg, uint64_t id, uint64_t *value)
{
	return value ? cell(seg, id, DSM_SYNC_LOAD, 0, 0, value) : -EINVAL;
}

int dvm_seg_alloc(dvm_seg_t *seg, uint64_t bytes, uint64_t align, void **out)
{
	uint64_t offset;
	int rc = out ? check(seg) : -EINVAL;

	/* What it was before is somebody else's: their last words come first. */
	if (rc == 0)
		rc = acquire(seg, dsm_syncer_take(syncer_of(seg), seg->id, bytes,
						  align ? align : 16, &offset));
	if (rc == 0)
		*out = (uint8_t *)seg->base + offset;
	return rc;
}

int dvm_seg_free(dvm_seg_t *seg, void *p)
{
	int rc = check(seg);

	if (rc < 0 || !p)
		return rc;
	if ((uint8_t *)p < (uint8_t *)seg->base)
		return -EINVAL;
	rc = release(seg);
	if (rc < 0)
		return rc;
	return dsm_syncer_give(syncer_of(seg), seg->id,
			       (uint64_t)((uint8_t *)p - (uint8_t *)seg->base));
}
