/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The look-up: a sorted array for each space, read under a shared lock, copied out before the
 * device is called.
 */
#include "kvm-node/bus.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libdvm/base/err.h"

/* On the heap by itself, so that counting goes on while the array moves. */
struct entry {
	struct vmm_region r;
	_Atomic uint64_t reads, writes;
};

struct vmm_bus {
	pthread_rwlock_t lock;
	struct entry **entries[VMM_SPACES];
	unsigned n[VMM_SPACES];
	struct entry **graves; /* removed; kept to the end, somebody may still be counting */
	unsigned n_graves;
	struct vmm_doorbell *bells;
	unsigned n_bells;
	vmm_bus_bell_fn *bell_fn;
	void *bell_arg;
	const struct vmm_bus_ops *rest; /* or NULL */
	void *rest_dev;
};

int vmm_bus_create(struct vmm_bus **out)
{
	struct vmm_bus *b = calloc(1, sizeof *b);

	if (!b)
		return -ENOMEM;
	pthread_rwlock_init(&b->lock, NULL);
	*out = b;
	return 0;
}

void vmm_bus_destroy(struct vmm_bus *b)
{
	if (!b)
		return;
	for (int s = 0; s < VMM_SPACES; s++) {
		for (unsigned i = 0; i < b->n[s]; i++)
			free(b->entries[s][i]);
		free(b->entries[s]);
	}
	for (unsigned i = 0; i < b->n_graves; i++)
		free(b->graves[i]);
	free(b->graves);
	free(b->bells);
	pthread_rwlock_destroy(&b->lock);
	free(b);
}

/* The first region that begins behind ADDR. */
static unsigned behind(const struct vmm_bus *b, enum vmm_space s, uint64_t addr)
{
	unsigned lo = 0, hi = b->n[s];

	while (lo < hi) {
		unsigned mid = lo + (hi - lo) / 2;
		if (b->entries[s][mid]->r.base > addr)
			hi = mid;
		else
			lo = mid + 1;
	}
	return lo;
}

static const struct vmm_region *overlap(const struct vmm_bus *b, const struct vmm_region *r,
					unsigned at)
{
	if (at < b->n[r->space] && b->entries[r->space][at]->r.base - r->base < r->len)
		return &b->entries[r->space][at]->r;
	if (at) {
		const struct vmm_region *before = &b->entries[r->space][at - 1]->r;
		if (r->base - before->base < before->len)
			return before;
	}
	return NULL;
}

static int insert(struct vmm_bus *b, struct entry *e, dvm_error_t *err)
{
	enum vmm_space s = e->r.space;
	unsigned at = behind(b, s, e->r.base);
	const struct vmm_region *other = overlap(b, &e->r, at);

	if (other)
		return dvmi_error_set(err, -EEXIST, "%s at %#llx lies over %s", e->r.name,
				      (unsigned long long)e->r.base, other->name);
	struct entry **more = reallocarray(b->entries[s], b->n[s] + 1, sizeof(struct entry *));
	if (!more)
		return dvmi_error_code(err, -ENOMEM, "%s", e->r.name);
	memmove(more + at + 1, more + at, (b->n[s] - at) * sizeof(struct entry *));
	more[at] = e;
	b->entries[s] = more;
	b->n[s]++;
	return 0;
}

int vmm_bus_add(struct vmm_bus *b, const struct vmm_region *r, dvm_error_t *err)
{
	uint64_t last;

	if (!r->len || __builtin_add_overflow(r->base, r->len - 1, &last) ||
	    (r->space == VMM_PIO && last > UINT16_MAX))
		return dvmi_error_set(err, -EINVAL, "%s: no such range", r->name);
	struct entry *e = calloc(1, sizeof *e);
	if (!e)
		return dvmi_error_code(err, -ENOMEM, "%s", r->name);
	e->r = *r;
	pthread_rwlock_wrlock(&b->lock);
	int rc = insert(b, e, err);
	pthread_rwlock_unlock(&b->lock);
	if (rc < 0)
		free(e);
	return rc;
}

void vmm_bus_set_rest(struct vmm_bus *b, const struct vmm_bus_ops *ops, void *dev)
{
	b->rest = ops;
	b->rest_dev = dev;
}

static int take_out(struct vmm_bus *b, enum vmm_space s, uint64_t base)
{
	unsigned at = behind(b, s, base);

	if (!at || b->entries[s][at - 1]->r.base != base)
		return -ENOENT;
	struct entry **more = reallocarray(b->graves, b->n_graves + 1, sizeof(struct entry *));
	if (!more)
		return -ENOMEM;
	b->graves = more;
	b->graves[b->n_graves++] = b->entries[s][at - 1];
	memmove(b->entries[s] + at - 1, b->entries[s] + at,
		(b->n[s] - at) * sizeof(struct entry *));
	b->n[s]--;
	return 0;
}

int vmm_bus_remove(struct vmm_bus *b, enum vmm_space space, uint64_t base)
{
	pthread_rwlock_wrlock(&b->lock);
	int rc = take_out(b, space, base);
	pthread_rwlock_unlock(&b->lock);
	return rc;
}

/* ---- doorbells ---- */

static bool same_bell(const struct vmm_doorbell *a, const struct vmm_doorbell *b)
{
	return a->space == b->space && a->addr == b->addr && a->len == b->len &&
	       a->match == b->match && (!a->match || a->value == b->value) && a->fd == b->fd;
}

int vmm_bus_add_doorbell(struct vmm_bus *b, const struct vmm_doorbell *bell)
{
	pthread_rwlock_wrlock(&b->lock);
	struct vmm_doorbell *more = reallocarray(b->bells, b->n_bells + 1, sizeof *more);
	if (more) {
		b->bells = more;
		b->bells[b->n_bells++] = *bell;
		if (b->bell_fn)
			b->bell_fn(b->bell_arg, bell, true);
	}
	pthread_rwlock_unlock(&b->lock);
	return more ? 0 : -ENOMEM;
}

int vmm_bus_remove_doorbell(struct vmm_bus *b, const struct vmm_doorbell *bell)
{
	int rc = -ENOENT;

	pthread_rwlock_wrlock(&b->lock);
	for (unsigned i = 0; rc && i < b->n_bells; i++) {
		if (!same_bell(&b->bells[i], bell))
			continue;
		if (b->bell_fn)
			b->bell_fn(b->bell_arg, bell, false);
		b->bells[i] = b->bells[--b->n_bells];
		rc = 0;
	}
	pthread_rwlock_unlock(&b->lock);
	return rc;
}

void vmm_bus_set_bells(struct vmm_bus *b, vmm_bus_bell_fn *fn, void *arg)
{
	pthread_rwlock_wrlock(&b->lock);
	b->bell_fn = fn;
	b->bell_arg = arg;
	for (unsigned i = 0; fn && i < b->n_bells; i++)
		fn(arg, &b->bells[i], true);
	pthread_rwlock_unlock(&b->lock);
}

/* The lock is held shared. */
static bool ring(const struct vmm_bus *b, const struct vmm_access *a)
{
	const uint64_t one = 1;

	for (unsigned i = 0; i < b->n_bells; i++) {
		const struct vmm_doorbell *d = &b->bells[i];
		if (d->space != a->space || d->addr != a->addr || (d->len && d->len != a->len) ||
		    (d->match && d->value != a->data))
			continue;
		/* Only a counter at its limit could refuse, and then it is not forgotten. */
		return write(d->fd, &one, sizeof one) == sizeof one || errno == EAGAIN;
	}
	return false;
}

/* ---- accesses ---- */

static struct entry *find(const struct vmm_bus *b, const struct vmm_access *a)
{
	unsigned at = behind(b, a->space, a->addr);

	if (!at)
		return NULL;
	struct entry *e = b->entries[a->space][at - 1];
	uint64_t off = a->addr - e->r.base;
	return off < e->r.len && a->len <= e->r.len - off ? e : NULL;
}

bool vmm_bus_access(struct vmm_bus *b, struct vmm_access *a)
{
	const uint64_t ones = a->len >= 8 ? UINT64_MAX : (UINT64_C(1) << a->len * 8) - 1;

	if (!a->write)
		a->data = ones;
	pthread_rwlock_rdlock(&b->lock);
	bool rung = a->write && b->n_bells && ring(b, a);
	struct entry *e = rung ? NULL : find(b, a);
	pthread_rwlock_unlock(&b->lock);
	if (!e && !rung && b->rest) {
		b->rest->access(b->rest_dev, a);
		a->data &= ones;
		return true;
	}
	if (!e)
		return rung;
	atomic_fetch_add_explicit(a->write ? &e->writes : &e->reads, 1, memory_order_relaxed);
	a->off = a->addr - e->r.base;
	e->r.ops->access(e->r.dev, a);
	a->data &= ones;
	return true;
}

void vmm_bus_each(struct vmm_bus *b, vmm_bus_each_fn *fn, void *arg)
{
	pthread_rwlock_rdlock(&b->lock);
	for (int s = 0; s < VMM_SPACES; s++)
		for (unsigned i = 0; i < b->n[s]; i++) {
			struct entry *e = b->entries[s][i];
			fn(arg, &e->r, atomic_load(&e->reads), atomic_load(&e->writes));
		}
	pthread_rwlock_unlock(&b->lock);
}
