/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "libdvm/base/clock.h"
#include "libdvm/src/link.h"
#include "libdvm/src/mem.h"
#include "libdvm/src/wait.h"

#define SPIN_ROUNDS   64u		/* before the clock is looked at */
#define SEGS_EVERY    4u		/* rounds in which pages are looked for, too */
#define SPIN_HOT      32u		/* rounds before the core is let breathe in between */
#define SPIN_CROWDED  4u		/* the same when cores are short */
#define SPIN_ALONE    (20 * DVMI_USEC)	/* pure spinning with a core to itself */
#define YIELD_ALONE   (20 * DVMI_MSEC)	/* then giving way to whoever needs the core */
#define YIELD_CROWDED (200 * DVMI_USEC) /* giving way at once when cores are short */
#define LOST_CORE     (50 * DVMI_USEC)	/* a yield that takes longer has let others run */
#define CROWD_MEMORY  (100 * DVMI_MSEC) /* how long that counts */
#define ASK_EVERY     (10 * DVMI_MSEC)	/* look at the shepherd's socket while spinning */
#define NAP_MS	      1			/* where a wake-up may be lost */
#define SLEEP_MS      200		/* even when nothing wakes us */

static bool crowded(dvm_t *d, uint64_t now)
{
	if (now >= d->crowded_until)
		d->crowded_until = 0;
	return dvmi_wait_crowded(d);
}

void dvmi_look_add(dvm_t *d, struct dvmi_look *l)
{
	l->next = d->looks;
	d->looks = l;
}

void dvmi_look_remove(dvm_t *d, struct dvmi_look *l)
{
	struct dvmi_look **p = &d->looks;

	while (*p != l)
		p = &(*p)->next;
	*p = l->next;
}

int dvmi_wait_arm(dvm_t *d, struct pollfd *fds, int max, int *timeout)
{
	struct dvmi_tport *const ts[] = { d->shm, d->fab };
	int n = 0;

	*timeout = SLEEP_MS;
	for (int i = 0; i < 2; i++) {
		int rc = ts[i] ? ts[i]->ops->arm(ts[i], fds + n, max - n) : 0;
		if (rc == -EAGAIN)
			return rc;
		if (rc < 0)
			*timeout = NAP_MS;
		else
			n += rc;
	}
	int rc = d->links ? dvmi_links_arm(d, fds + n, max - n) : 0;
	if (rc == -EAGAIN)
		return rc;
	if (rc < 0)
		*timeout = NAP_MS;
	else
		n += rc;
	for (const struct dvmi_look *l = d->looks; l; l = l->next)
		if (l->ready(l->arg))
			return -EAGAIN;
	if (d->ctl.fd >= 0)
		fds[n++] = (struct pollfd){ .fd = d->ctl.fd, .events = POLLIN };
	if (d->threads.on)
		fds[n++] = (struct pollfd){ .fd = d->threads.kick, .events = POLLIN };
	if (d->hook.news)
		fds[n++] = (struct pollfd){ .fd = d->hook.fd, .events = POLLIN };
	if (d->leaving)
		*timeout = NAP_MS;
	return n;
}

void dvmi_wait_disarm(dvm_t *d)
{
	uint64_t count;

	if (d->shm)
		d->shm->ops->disarm(d->shm);
	if (d->fab)
		d->fab->ops->disarm(d->fab);
	d->fab_skip = DVMI_FAB_DUE; /* it may be the network that has woken us */
	if (d->links)
		dvmi_links_disarm(d);
	dvmi_watch_taken(&d->watch);
	if (d->threads.on && read(d->threads.kick, &count, sizeof count) < 0)
		return; /* nobody kicked */
}

/* Other processes may share our cores, other nodes of the job on this host among them. */
static void give_way(dvm_t *d, uint64_t now)
{
	uint32_t turns = d->mem ? dvmi_seg_turns(d) : 0;

	dvmi_leave(d);
	sched_yield();
	dvmi_enter(d);
	uint64_t after = dvmi_clock_mono();
	/* That our own service thread has worked meanwhile says nothing. */
	if (after - now > LOST_CORE && (!d->mem || turns == dvmi_seg_turns(d)))
		d->crowded_until = after + CROWD_MEMORY;
}

void dvmi_wait_yield(dvm_t *d)
{
	uint64_t now = dvmi_clock_mono();

	crowded(d, now);
	give_way(d, now);
}

/* The first naps are short where descriptors cannot be relied on to the last event. */
int dvmi_wait_cap(dvm_t *d, uint32_t *naps, int timeout)
{
	if (!d->fab || !d->fab->naps)
		return timeout;
	int nap = NAP_MS << (*naps < 6 ? (*naps)++ : 6);
	return nap < timeout ? nap : timeout;
}

/* No longer than the caller wants to wait. */
static int until(const struct dvmi_wait *w, int timeout)
{
	uint64_t now = w->until ? dvmi_clock_mono() : 0;

	if (!w->until)
		return timeout;
	uint64_t left = w->until > now ? (w->until - now + DVMI_MSEC - 1) / DVMI_MSEC : 0;
	return left < (uint64_t)timeout ? (int)left : timeout;
}

static int sleep_on_fds(dvm_t *d, struct dvmi_wait *w)
{
	struct pollfd fds[6 + DVMI_WAIT_OWN];
	int timeout, n = dvmi_wait_arm(d, fds, 6, &timeout);

	if (n >= 0) {
		d->threads.sleeper = true;
		dvmi_leave(d);
		poll(fds, (nfds_t)n, until(w, dvmi_wait_cap(d, &w->naps, timeout)));
		dvmi_enter(d);
		d->threads.sleeper = false;
	} else {
		give_way(d, dvmi_clock_mono());
	}
	dvmi_wait_disarm(d);
	if (d->threads.waiting)
		pthread_cond_broadcast(&d->threads.news);
	return n >= 0 && d->ctl.fd >= 0 ? dvmi_news(d) : 0;
}

/* Another thread sleeps on the descriptors already and will tell. */
static void sleep_on_news(dvm_t *d, const struct dvmi_wait *w)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_nsec += until(w, SLEEP_MS) * 1000000L;
	ts.tv_sec += ts.tv_nsec / 1000000000L;
	ts.tv_nsec %= 1000000000L;
	d->threads.waiting++;
	pthread_cond_timedwait(&d->threads.news, &d->threads.lock, &ts);
	d->threads.waiting--;
}

static int doze(dvm_t *d, struct dvmi_wait *w)
{
	int n = 0;

	if (d->mem)
		dvmi_seg_doze(d, true);
	if (d->threads.sleeper)
		sleep_on_news(d, w);
	else
		n = sleep_on_fds(d, w);
	if (d->mem)
		dvmi_seg_doze(d, false);
	return n;
}

/* A shepherd that dies rings no bell. */
static int ask(dvm_t *d, struct dvmi_wait *w, uint64_t now)
{
	if (now - w->asked < ASK_EVERY)
		return 0;
	w->asked = now;
	return dvmi_news(d);
}

/* Returns the number of events it has come upon: who leaves may have left messages. */
static int back_off(dvm_t *d, struct dvmi_wait *w)
{
	uint32_t spin = d->mates > d->cores ? SPIN_CROWDED : SPIN_ROUNDS;

	if (d->mem && w->idle % SEGS_EVERY == SEGS_EVERY - 1) {
		int n = dvmi_seg_help(d, w->idle >= SPIN_ROUNDS && !dvmi_wait_crowded(d));
		if (n > 0)
			return n;
	}
	/* The clock costs as much as a look into the rings: not every time. */
	if (++w->idle % spin && !d->threads.on && !w->yielding) {
		/* Without rings the look was a system call, and pause enough. */
		if (w->idle > SPIN_HOT && d->shm)
			dvmi_cpu_pause();
		return 0;
	}
	uint64_t now = dvmi_clock_mono();
	bool crowd = crowded(d, now);
	if (!w->since)
		w->since = w->asked = now;
	uint64_t waited = now - w->since;
	w->yielding = crowd || waited >= SPIN_ALONE || d->threads.on;
	int n = ask(d, w, now);
	if (waited >= (crowd || w->helper ? YIELD_CROWDED : YIELD_ALONE) && !d->p2p.pulling)
		n += doze(d, w);
	else if (w->yielding)
		give_way(d, now);
	return n;
}

/* Whoever else waits may be waiting for what has just come. */
void dvmi_wait_tell(dvm_t *d)
{
	static const uint64_t one = 1;

	d->threads.events++;
	if (d->threads.waiting)
		pthread_cond_broadcast(&d->threads.news);
	if (d->threads.sleeper && write(d->threads.kick, &one, sizeof one) < 0)
		return; /* the counter is full: it will wake */
}

int dvmi_wait_round(dvm_t *d, struct dvmi_wait *w)
{
	int n = dvmi_progress(d);

	d->threads.rounds += !w->helper;
	if (n == 0)
		n = back_off(d, w);
	if (n > 0) {
		if (__builtin_expect(d->threads.on, 0))
			dvmi_wait_tell(d);
		*w = (struct dvmi_wait){ .until = w->until, .helper = w->helper };
	}
	return n;
}

bool dvmi_wait_direct(dvm_t *d, struct dvmi_op *op, const struct dvmi_match_key *key, void *buf,
		      size_t len)
{
	if (d->threads.on || !dvmi_p2p_direct(&d->p2p, key))
		return false;
	uint32_t spins = dvmi_wait_spins(d);
	int rc = 0;
	/* Pauses: who looks without one keeps the line from whoever wants to write it. */
	for (uint32_t i = 0; i < spins && rc == 0; i++) {
		if (i)
			dvmi_cpu_pause();
		rc = dvmi_p2p_recv_now(&d->p2p, op, key, buf, len);
	}
	if (rc > 0)
		dvmi_wait_went_direct(d);
	return rc > 0;
}

int dvmi_wait_op(dvm_t *d, struct dvmi_op *op)
{
	struct dvmi_wait w = { 0 };

	while (!dvmi_op_done(op))
		if (dvmi_wait_round(d, &w) == 0 && !d->threads.on && !dvmi_op_done(op) &&
		    dvmi_p2p_hopeless(&d->p2p, op))
			break;
	return op->code;
}

void dvmi_poll(dvm_t *d)
{
	d->threads.rounds++;
	if (dvmi_progress(d) > 0) {
		if (d->threads.on)
			dvmi_wait_tell(d);
		d->idle = 0;
		return;
	}
	if (++d->idle % SPIN_ROUNDS)
		return;
	dvmi_news(d);
	uint64_t now = dvmi_clock_mono();
	if (crowded(d, now))
		give_way(d, now);
}
