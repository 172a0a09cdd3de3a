/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A signal handler has no argument, so this is the one place with state of the process: a table of
 * segments, read without a lock. Who touches a segment while it is being destroyed is beyond help.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>
#include <ucontext.h>

#include "libdvm/base/clock.h"
#include "shm/seg_private.h"
#include "shm/sigbus.h"

#define SPIN	   (200 * DVMI_USEC)
#define SPIN_ALONE (10 * DVMI_USEC) /* without giving way */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic(struct dsm_seg *) table[DSM_SIGBUS_MAX];
static struct sigaction before;
static bool installed;

static struct dsm_seg *find(const void *at)
{
	for (int i = 0; i < DSM_SIGBUS_MAX; i++) {
		struct dsm_seg *s = atomic_load(&table[i]);
		if (s && (uintptr_t)at - (uintptr_t)s->b.app < s->b.bytes)
			return s;
	}
	return NULL;
}

/* What the processor says; without knowing, a page that may be read is taken to be written. */
static struct dsm_uffd_fault fault_at(const struct dsm_seg *s, uintptr_t at, const void *context)
{
#if defined(__x86_64__)
	const ucontext_t *u = context;
	uint64_t error = (uint64_t)u->uc_mcontext.gregs[REG_ERR];

	(void)s;
	return (struct dsm_uffd_fault){ .at = at, .write = error & 2, .mapped = error & 1 };
#else
	uint64_t page = (at - (uintptr_t)s->b.app) / s->c.unit;

	(void)context;
	return (struct dsm_uffd_fault){ .at = at, .write = s->b.map[page] == DSM_MAP_READ };
#endif
}

static void wait_a_bit(uint64_t since)
{
	static const struct timespec nap = { .tv_nsec = 100 * DVMI_USEC };
	uint64_t waited = dvmi_clock_mono() - since;

	if (waited > SPIN)
		nanosleep(&nap, NULL);
	else if (waited > SPIN_ALONE)
		sched_yield();
}

/*
 * Brings the page of F; it may have been taken away again, then there will be another fault. False:
 * it is lost.
 */
static bool bring(struct dsm_seg *s, const struct dsm_uffd_fault *f)
{
	uint64_t page = (f->at - (uintptr_t)s->b.app) / s->c.unit, since = dvmi_clock_mono();

	dsm_node_enter(s->n);
	s->n->now = since;
	dsm_seg_fault(s, f);
	dsm_seg_settle(s);
	while (dsm_seg_waits(s, page) && !s->cut) {
		if (dsm_node_round(s->n, false) > 0)
			continue;
		dsm_node_leave(s->n);
		wait_a_bit(since);
		dsm_node_help(s->n, true);
		dsm_node_enter(s->n);
	}
	bool good = s->b.map[page] != DSM_MAP_POISON && !s->cut;
	dsm_node_leave(s->n);
	return good;
}

static void not_ours(int sig, siginfo_t *info, void *context)
{
	if (before.sa_flags & SA_SIGINFO) {
		before.sa_sigaction(sig, info, context);
	} else if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN) {
		before.sa_handler(sig);
	} else {
		/* The instruction is tried again, and ends the process as it would have. */
		signal(sig, SIG_DFL);
	}
}

static void on_sigbus(int sig, siginfo_t *info, void *context)
{
	int saved = errno;
	struct dsm_seg *s = find(info->si_addr);
	bool good = false;

	if (s) {
		struct dsm_uffd_fault f = fault_at(s, (uintptr_t)info->si_addr, context);
		good = bring(s, &f);
	}
	if (!good)
		not_ours(sig, info, context);
	errno = saved;
}

static int install(void)
{
	struct sigaction sa = { .sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO | SA_NODEFER };

	sigemptyset(&sa.sa_mask);
	if (!installed && sigaction(SIGBUS, &sa, &before) < 0)
		return -errno;
	installed = true;
	return 0;
}

int dsm_sigbus_add(struct dsm_seg *s)
{
	pthread_mutex_lock(&lock);
	int rc = install();
	if (rc == 0) {
		rc = -ENOSPC;
		for (int i = 0; i < DSM_SIGBUS_MAX && rc < 0; i++) {
			struct dsm_seg *none = NULL;
			rc = atomic_compare_exchange_strong(&table[i], &none, s) ? 0 : -ENOSPC;
		}
	}
	pthread_mutex_unlock(&lock);
	return rc;
}

void dsm_sigbus_remove(struct dsm_seg *s)
{
	for (int i = 0; i < DSM_SIGBUS_MAX; i++) {
		struct dsm_seg *it = s;
		atomic_compare_exchange_strong(&table[i], &it, NULL);
	}
}
