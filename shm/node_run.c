/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The lock, the service thread, and threads that wait. Whoever waits works: it takes the lock, does
 * what there is to do, and looks whether it was for itself. Only who has done so for a while sleeps,
 * and the service thread goes on alone.
 */
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "libdvm/base/clock.h"
#include "libdvm/base/thread.h"
#include "shm/node_private.h"

#define BUSY_SPIN   (50 * DVMI_USEC)  /* while a fault of ours is under way */
#define GAP_MOST    (400 * DVMI_USEC) /* from news to news: more says no more */
#define GAP_SOON    (60 * DVMI_USEC)  /* what comes so often is waited for */
#define NAP	    DVMI_MSEC	      /* where wake-ups may get lost */
#define ATTENDED    (60 * DVMI_USEC)  /* others have looked so lately: they will again */
#define SPIN_ALONE  (20 * DVMI_USEC)  /* who waits looks without a pause */
#define YIELD_ALONE (5 * DVMI_MSEC)   /* then gives way in between */
#define YIELD_CROWD (100 * DVMI_USEC) /* likewise, where others need the core */
#define LOST_CORE   (50 * DVMI_USEC)  /* a yield that takes longer has let others run */
#define CROWD_FOR   (100 * DVMI_MSEC) /* how long that counts */
#define WANTED_FOR  (5 * DVMI_MSEC)   /* likewise, for the service thread, whose looks are few */
#define SLICE	    (100 * DVMI_USEC) /* of the service thread: who has a short one comes first */
#define YIELD_EVERY 16		      /* looks of the service thread */
#define FDS_MAX	    8

static void relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#endif
}

/* ---- the lock ---- */

void dsm_node_enter(struct dsm_node *n)
{
	if (pthread_mutex_trylock(&n->lock) != 0) {
		atomic_fetch_add(&n->wanting, 1);
		pthread_mutex_lock(&n->lock);
		atomic_fetch_sub(&n->wanting, 1);
	}
	n->idle_till = 0;
}

static void kick(struct dsm_node *n)
{
	uint64_t one = 1;

	if (write(n->kick, &one, sizeof one) < 0)
		return; /* it has been kicked often enough */
}

/* What is left to be done is for the service thread, also if it sleeps. */
static void hand_over(struct dsm_node *n)
{
	if (n->asleep && ((n->behind && n->armed) || n->fresh ||
			  dsm_node_deadline(n) < n->asleep_till))
		kick(n);
	pthread_mutex_unlock(&n->lock);
}

static void disarm(struct dsm_node *n)
{
	if (n->armed)
		n->c.link.disarm(n->c.link.arg);
	n->armed = false;
}

/*
 * Whoever calls looks for packets as long as it waits: nobody needs to ring for the service thread,
 * which looks now and then whether that is still so.
 */
static void attend(struct dsm_node *n)
{
	n->attended = n->now;
	if (n->asleep && n->armed) {
		disarm(n);
		kick(n);
	}
}

void dsm_node_leave(struct dsm_node *n)
{
	dsm_node_take_own(n);
	dsm_gate_step(n);
	dsm_leave_starved(n);
	dsm_out_flush(n);
	n->idle_till = 0;
	hand_over(n);
}

static bool crowded(const struct dsm_node *n, uint64_t now)
{
	return now < atomic_load_explicit(&n->crowded_till, memory_order_relaxed);
}

/* Lets others have the core. When they gave it back; 0 unless they have kept it. */
static uint64_t give_way(void)
{
	uint64_t before = dvmi_clock_mono();

	sched_yield();
	uint64_t after = dvmi_clock_mono();
	return after - before > LOST_CORE ? after : 0;
}

uint32_t dsm_node_turns(const struct dsm_node *n)
{
	return atomic_load_explicit(&n->turns, memory_order_relaxed);
}

/* By a thread that waits. That our own service thread has worked meanwhile says nothing. */
static void give_way_waiting(struct dsm_node *n)
{
	uint32_t turns = dsm_node_turns(n);
	uint64_t back = give_way();

	if (back && turns == dsm_node_turns(n))
		atomic_store(&n->crowded_till, back + CROWD_FOR);
}

int dsm_node_help(struct dsm_node *n, bool stays)
{
	if (pthread_mutex_trylock(&n->lock) != 0)
		return 0;
	int events = dsm_node_round(n, false);
	/* Who may lose the core at any time is not to be relied on. */
	if (stays && !crowded(n, n->now))
		attend(n);
	hand_over(n);
	return events;
}

/* ---- the service thread ---- */

static bool attended(const struct dsm_node *n)
{
	return n->attended && n->now - n->attended < ATTENDED;
}

/* Descriptors to wait for, and how long at most. */
static int arm(struct dsm_node *n, struct pollfd *fds, uint64_t *most)
{
	int k = attended(n) ? 0 : n->c.link.arm(n->c.link.arg, fds, FDS_MAX - 2);

	if (k == -EAGAIN)
		return -EAGAIN;
	n->armed = !attended(n);
	*most = !n->armed ? ATTENDED : k < 0 ? NAP : UINT64_MAX;
	k = k < 0 ? 0 : k;
	fds[k++] = (struct pollfd){ .fd = n->kick, .events = POLLIN };
	if (n->uffd[0].fd >= 0)
		fds[k++] = (struct pollfd){ .fd = n->uffd[0].fd, .events = POLLIN };
	return k;
}

static struct timespec until(const struct dsm_node *n, uint64_t most)
{
	uint64_t now = dvmi_clock_mono();
	uint64_t d = n->asleep_till > now ? n->asleep_till - now : 0;

	d = d < most ? d : most;
	return (struct timespec){ .tv_sec = (time_t)(d / DVMI_SEC),
				  .tv_nsec = (long)(d % DVMI_SEC) };
}

static void take_kicks(struct dsm_node *n)
{
	uint64_t count;

	if (read(n->kick, &count, sizeof count) < 0)
		return; /* there was none */
}

static bool is_ready(const struct pollfd *fds, int k, int fd)
{
	for (int i = 0; i < k; i++)
		if (fds[i].fd == fd)
			return fds[i].revents;
	return true; /* it came meanwhile */
}

static void sleep_for_news(struct dsm_node *n)
{
	struct pollfd fds[FDS_MAX];
	uint64_t most;
	int k = arm(n, fds, &most);

	if (k < 0)
		return;
	n->asleep_till = dsm_node_deadline(n);
	n->fresh = false;
	struct timespec ts = until(n, most);
	bool ever = n->asleep_till == UINT64_MAX && most == UINT64_MAX;
	n->asleep = true;
	pthread_mutex_unlock(&n->lock);
	int ready = ppoll(fds, (nfds_t)k, ever ? NULL : &ts, NULL);
	pthread_mutex_lock(&n->lock);
	n->asleep = false;
	disarm(n);
	if (ready < 0 || is_ready(fds, k, n->kick))
		take_kicks(n);
	n->faults = ready < 0 || is_ready(fds, k, n->uffd[0].fd);
}

static void set_slice(uint64_t ns)
{
	struct {
		uint32_t size, policy;
		uint64_t flags;
		int32_t nice;
		uint32_t priority;
		uint64_t runtime, deadline, period;
	} a = { .size = sizeof a, .policy = SCHED_OTHER, .runtime = ns };

	a.nice = getpriority(PRIO_PROCESS, 0);
	if (syscall(SYS_sched_setattr, 0, &a, 0) < 0)
		return;
}

/*
 * Who was woken with a short slice runs before those that compute (Linux 6.12 on), and naps are
 * short. Where the kernel cannot do that, nothing is lost.
 */
static void be_quick(void)
{
	prctl(PR_SET_TIMERSLACK, 1000);
	set_slice(SLICE);
}

/* A guest's vCPUs compute all the time, and wait for this thread: it goes before them. */
static void go_first(void)
{
	if (dvmi_thread_go_first() < 0)
		be_quick();
}

/*
 * With one processor, whoever looks keeps away what it looks for. Not so where there are more and we are
 * bound to one: then others look from theirs, and what is bound with us waits meanwhile.
 */
static bool alone(void)
{
	return sysconf(_SC_NPROCESSORS_ONLN) == 1;
}

static void note_news(struct dsm_node *n)
{
	uint64_t gap = n->now - n->news < GAP_MOST ? n->now - n->news : GAP_MOST;

	n->gap = (3 * n->gap + gap) / 4;
	n->news = n->now;
}

/* Where news come one soon after the other, looking for the next one costs less than to be woken. */
static uint64_t patience(const struct dsm_node *n)
{
	return n->gap < GAP_SOON && !n->c.urgent ? 2 * n->gap : 0;
}

/* How long to look before sleep: what is waited for comes soon, or the program's threads sleep. */
static uint64_t spin_for(const struct dsm_node *n)
{
	bool quiet = n->now >= n->wanted_till;
	uint64_t most = n->c.spin;

	if (n->alone || attended(n) || n->no_spin)
		return 0;
	if (quiet && most < patience(n))
		most = patience(n);
	if ((n->waiting || (quiet && atomic_load(&n->dozing))) && most < BUSY_SPIN)
		most = BUSY_SPIN;
	return most;
}

/* Between two looks. */
static void pause_between(struct dsm_node *n, uint32_t looks)
{
	uint64_t back = 0;

	pthread_mutex_unlock(&n->lock);
	if (atomic_load_explicit(&n->wanting, memory_order_relaxed))
		sched_yield();
	else if (looks % YIELD_EVERY)
		relax();
	else
		back = give_way();
	pthread_mutex_lock(&n->lock);
	n->wanted_till = back ? back + WANTED_FOR : n->wanted_till;
}

/*
 * Who is woken comes before those that compute. Who stays awake and gives way again and again would come
 * before them, too: what it looks for is what they do meanwhile.
 */
static void have_slice(const struct dsm_node *n, bool *sliced, bool want)
{
	want = want && !n->no_slice;
	if (n->c.urgent || *sliced == want)
		return;
	*sliced = want;
	set_slice(want ? SLICE : 0);
}

static void *serve(void *arg)
{
	struct dsm_node *n = arg;
	uint64_t idle = 0;
	uint32_t looks = 0;
	bool sliced = true;

	if (n->c.urgent)
		go_first();
	else
		be_quick();
	pthread_mutex_lock(&n->lock);
	while (!atomic_load(&n->stop)) {
		atomic_fetch_add_explicit(&n->turns, 1, memory_order_relaxed);
		if (dsm_node_round(n, n->faults) > 0) {
			note_news(n);
			idle = n->now;
		}
		n->faults = true;
		bool looks_on = n->now - idle < spin_for(n);
		have_slice(n, &sliced, !looks_on);
		if (looks_on) {
			pause_between(n, ++looks);
			continue;
		}
		sleep_for_news(n);
		idle = dvmi_clock_mono();
	}
	pthread_mutex_unlock(&n->lock);
	return NULL;
}

int dsm_run_start(struct dsm_node *n)
{
	sigset_t all, old;

	n->alone = alone();
	n->gap = GAP_MOST;
	n->faults = true;
	/* Signals are for the program's own threads. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	int rc = pthread_create(&n->thread, NULL, serve, n);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	n->running = rc == 0;
	return -rc;
}

void dsm_run_stop(struct dsm_node *n)
{
	if (!n->running)
		return;
	atomic_store(&n->stop, true);
	kick(n);
	pthread_join(n->thread, NULL);
	n->running = false;
}

void dsm_node_spin(struct dsm_node *n, uint64_t ns)
{
	dsm_node_enter(n);
	n->c.spin = ns > n->c.spin ? ns : n->c.spin;
	dsm_node_leave(n);
}

/* ---- waiting ---- */

#define SLEEPS UINT32_MAX /* in the place of 0: who waits has to be woken */

static long futex(_Atomic uint32_t *word, int op, uint32_t value, const struct timespec *ts)
{
	return syscall(SYS_futex, word, op | FUTEX_PRIVATE_FLAG, value, ts, NULL, 0);
}

void dsm_node_done(_Atomic uint32_t *done, uint32_t value)
{
	if (atomic_exchange(done, value) == SLEEPS)
		futex(done, FUTEX_WAKE, INT_MAX, NULL);
}

static bool is_done(_Atomic uint32_t *done)
{
	uint32_t value = atomic_load(done);

	return value && value != SLEEPS;
}

void dsm_node_doze(struct dsm_node *n, bool on)
{
	if (on)
		atomic_fetch_add(&n->dozing, 1);
	else
		atomic_fetch_sub(&n->dozing, 1);
}

/* Works for a while. True when *DONE. */
static bool work(struct dsm_node *n, _Atomic uint32_t *done, uint64_t deadline)
{
	uint64_t since = dvmi_clock_mono(), now = since;

	while (!is_done(done) && now < deadline) {
		bool crowd = crowded(n, now);
		uint64_t waited = now - since;
		if (waited >= (crowd ? YIELD_CROWD : YIELD_ALONE))
			break;
		dsm_node_help(n, !n->alone && !n->no_spin);
		if (n->alone || n->no_spin)
			break;
		if (crowd || waited >= SPIN_ALONE)
			give_way_waiting(n);
		else
			relax();
		now = dvmi_clock_mono();
	}
	return is_done(done);
}

int dsm_node_wait(struct dsm_node *n, _Atomic uint32_t *done, uint64_t deadline)
{
	uint32_t awake = 0;
	int rc = 0;

	if (work(n, done, deadline))
		return 0;
	atomic_compare_exchange_strong(done, &awake, SLEEPS);
	dsm_node_doze(n, true);
	while (!is_done(done)) {
		uint64_t now = dvmi_clock_mono(), left = deadline - now;
		if (deadline <= now) {
			uint32_t asleep = SLEEPS;
			if (atomic_compare_exchange_strong(done, &asleep, 0))
				rc = -ETIMEDOUT;
			break;
		}
		struct timespec ts = { .tv_sec = (time_t)(left / DVMI_SEC),
				       .tv_nsec = (long)(left % DVMI_SEC) };
		futex(done, FUTEX_WAIT, SLEEPS, deadline == UINT64_MAX ? NULL : &ts);
	}
	dsm_node_doze(n, false);
	return rc;
}
