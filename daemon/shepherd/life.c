/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How the job goes on and ends.
 *
 *   STARTING ── all ranks exec'ed ──► RUNNING ── all reaped, pipes empty, nothing left ──► DONE
 *      └── one could not be started: KILL ── the others reaped, … ──► FAILED
 *
 * Nothing here is decided in a callback: those note what happened, and shep_life_turn() looks at
 * the whole once per loop turn, or when a time has come.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "daemon/shepherd/procs.h"
#include "daemon/shepherd/shepherd_private.h"
#include "libdvm/base/clock.h"

#define KILL_AGAIN    (20 * DVMI_MSEC)
#define FORCED_LINGER (1 * DVMI_SEC)

void shep_life_note(struct shep *s, const char *text)
{
	shep_status_note(&s->status, text);
	s->news.report = true;
}

/* ---- force ---- */

static void set_text(struct shep *s, const char *text)
{
	if (text && *text && !s->status.text[0])
		snprintf(s->status.text, sizeof s->status.text, "%s", text);
}

static void kill_all(struct shep *s)
{
	shep_procs_signal(&s->ranks, SIGKILL);
	if (shep_group_kill(s->c->group) < 0)
		shep_procs_kill_children(s->c->guard);
}

/* Nothing can be done about it: say so, and count it as dead. */
static void give_up(struct shep *s)
{
	char text[256];

	shep_procs_describe_child(s->c->guard, text, sizeof text);
	if (*text) {
		shep_life_note(s, text);
		snprintf(s->status.text, sizeof s->status.text, "%s", text);
	}
	for (size_t i = 0; i < s->ranks.n; i++)
		if (!s->ranks.r[i].exited)
			shep_ranks_unstarted(&s->ranks, &s->ranks.r[i], 0, SIGKILL);
}

static void take_step(struct shep *s, enum shep_ending_step step)
{
	switch (step) {
	case SHEP_ENDING_NOT:
		break;
	case SHEP_ENDING_TERM:
		shep_procs_signal(&s->ranks, SIGTERM);
		shep_procs_signal(&s->ranks, SIGCONT);
		break;
	case SHEP_ENDING_KILL:
		kill_all(s);
		break;
	case SHEP_ENDING_STUCK:
		give_up(s);
		break;
	}
}

void shep_life_end(struct shep *s, uint64_t grace, const char *text)
{
	enum shep_ending_step step = shep_ending_order(&s->ending, dvmi_clock_mono(), grace);

	if (s->launching)
		shep_launch_cancel(s->launch);
	set_text(s, text);
	take_step(s, step);
}

void shep_life_release(struct shep *s)
{
	if (s->released)
		return;
	s->released = dvmi_clock_mono();
	if (!s->after.done)
		shep_life_end(s, 0, "the job is over");
}

/* ---- start and end of ranks ---- */

static void mark_unstarted(struct shep *s, int code, int signal)
{
	for (size_t i = 0; i < s->ranks.n; i++)
		if (!s->ranks.r[i].pid && !s->ranks.r[i].exited) {
			shep_ranks_unstarted(&s->ranks, &s->ranks.r[i], code, signal);
			shep_wire_rank_ended(s, (uint32_t)i);
		}
}

void shep_life_late(struct shep *s, const char *text)
{
	snprintf(s->status.text, sizeof s->status.text, "%s", text);
	s->news.late = s->news.report = true;
}

void shep_life_launched(struct shep *s, int code, const char *text)
{
	if (s->launching)
		s->status.text[0] = 0;
	s->launching = s->news.late = false;
	s->news.report = true;
	if (code == 0) {
		s->status.phase = PB__SHARE_PHASE__SHARE_RUNNING;
		return;
	}
	if (code == -ECANCELED) {
		mark_unstarted(s, 0, SIGTERM);
		return;
	}
	s->status.code = code;
	snprintf(s->status.text, sizeof s->status.text, "%s", text);
	mark_unstarted(s, code == -ENOENT ? 127 : 126, 0);
	take_step(s, shep_ending_order(&s->ending, dvmi_clock_mono(), 0));
}

static void reaped(struct shep *s, pid_t pid, int wait, const struct rusage *usage)
{
	struct shep_rank *r = shep_ranks_by_pid(&s->ranks, pid);

	if (!r)
		return; /* one that a rank had left behind */
	shep_ranks_ended(&s->ranks, r, wait, usage);
	s->status.ran_ns = dvmi_clock_mono() - s->ranks.began;
	if (s->mpi && s->ending.step == SHEP_ENDING_NOT) {
		shep_mpi_rank_ended(s->mpi, (uint32_t)(r - s->ranks.r), r->status == 0);
		shep_mpi_rank_failed(s->mpi, r->rank, r->status);
	}
	shep_wire_rank_ended(s, (uint32_t)(r - s->ranks.r));
	s->news.report = true;
}

void shep_life_reap(struct shep *s)
{
	struct rusage usage;
	pid_t pid;
	int wait;

	while ((pid = wait4(-1, &wait, WNOHANG, &usage)) > 0)
		reaped(s, pid, wait, &usage);
}

/* ---- after the last rank ---- */

static void finish(struct shep *s, uint64_t now)
{
	shep_output_close_streams(s->output);
	shep_output_flush(s->output);
	s->status.phase =
		s->status.code ? PB__SHARE_PHASE__SHARE_FAILED : PB__SHARE_PHASE__SHARE_DONE;
	s->after.done = now;
	s->news.report = true;
}

/* Leftovers die at once when nobody can hear them any more, else when their time is over. */
static void kill_leftovers(struct shep *s, uint64_t now)
{
	struct shep_after *a = &s->after;

	if (!a->killing)
		a->killing = now;
	if (s->ending.step != SHEP_ENDING_STUCK && now - a->killing < s->c->o.stuck_after) {
		kill_all(s);
		return;
	}
	give_up(s);
	finish(s, now);
}

/* Every rank has ended: what they wrote is read to its end, what they left behind is ended. */
static void wind_up(struct shep *s, uint64_t now)
{
	struct shep_after *a = &s->after;
	bool forced = s->ending.step != SHEP_ENDING_NOT;

	if (s->mpi)
		shep_mpi_over(s->mpi);
	shep_life_reap(s);
	bool children = shep_procs_children();
	if (forced)
		shep_output_ignore_window(s->output);
	/* While the client does not take what is there, time does not count. */
	if (!a->drained || shep_output_blocked(s->output))
		a->drained = now + s->c->o.drain;
	if (!children && shep_output_open(s->output) == 0)
		finish(s, now);
	else if (children && (forced || shep_output_open(s->output) == 0 || now >= a->drained))
		kill_leftovers(s, now);
	else if (!children && now >= a->drained)
		shep_output_close_streams(s->output);
}

/* ---- turns ---- */

static void watch_daemon(struct shep *s, uint64_t now)
{
	char text[80];

	if (now < shep_link_last_up(s->link) + s->c->o.orphan_after || s->released)
		return;
	if (s->after.done) {
		s->over = true;
		return;
	}
	if (s->ending.step == SHEP_ENDING_NOT) {
		snprintf(text, sizeof text, "no daemon on this node for %llu s",
			 (unsigned long long)(s->c->o.orphan_after / DVMI_SEC));
		shep_life_end(s, 2 * DVMI_SEC, text);
	}
}

static void send_report(const Pb__JobStatus *st, void *arg)
{
	struct shep *s = arg;

	if (s->c->setup->dir_fd >= 0)
		shep_status_write(s->c->setup->dir_fd, st);
	shep_link_send_pb(s->link, DVMI_MSG_JOB_STATUS, st);
}

/*
 * While ranks are being started there is no news but what it waits for; and none while a start that
 * has failed is being undone.
 */
static bool may_report(const struct shep *s)
{
	if (s->launching)
		return s->news.late;
	return !s->status.code || s->after.done;
}

static void report(struct shep *s, uint64_t now)
{
	struct shep_news *n = &s->news;

	if (!may_report(s) || !(n->report || (n->report_late && now >= n->report_late)))
		return;
	n->report = false;
	n->report_late = 0;
	s->status.output_seq = shep_output_seq(s->output);
	if (shep_status_report(&s->status, &s->ranks, send_report, s) < 0)
		n->report = true;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return b && b < a ? b : a;
}

/*
 * When a job that is done is left. The release can be faster than the last output, which may still
 * be on its way to a client that is slow; one that has ended its job by force waits no longer.
 */
static uint64_t leave_at(const struct shep *s)
{
	if (!s->released)
		return s->after.done + s->c->o.linger;
	if (s->unwanted || shep_output_acked(s->output))
		return s->released;
	return s->released + (s->ending.step == SHEP_ENDING_NOT ? s->c->o.linger : FORCED_LINGER);
}

/* When something is due although nothing happens. */
static uint64_t next_deadline(const struct shep *s, uint64_t now)
{
	const struct shep_after *a = &s->after;
	uint64_t t = shep_ending_next(&s->ending);

	if (!shep_link_is_up(s->link) && (a->done || s->ending.step == SHEP_ENDING_NOT))
		t = earlier(t, shep_link_last_up(s->link) + s->c->o.orphan_after);
	if (a->done)
		return earlier(t, leave_at(s));
	t = earlier(t, a->killing ? now + KILL_AGAIN : a->drained);
	t = earlier(t, s->news.tell);
	t = earlier(t, s->ask_again);
	t = earlier(t, shep_asks_next(s));
	t = earlier(t, shep_links_next(s));
	return earlier(t, s->launching ? 0 : s->news.report_late);
}

static void on_timer(uv_timer_t *h)
{
	/* The turn that follows looks at everything. */
}

static void arm(struct shep *s, uint64_t now)
{
	uint64_t t = next_deadline(s, now);

	if (t == UINT64_MAX)
		uv_timer_stop(&s->timer);
	else
		uv_timer_start(&s->timer, on_timer, t <= now ? 1 : (t - now) / DVMI_MSEC + 1, 0);
}

void shep_life_turn(struct shep *s, uint64_t now)
{
	watch_daemon(s, now);
	take_step(s, shep_ending_tick(&s->ending, now));
	shep_output_flush(s->output);
	if (!s->launching && !s->after.done && shep_ranks_over(&s->ranks))
		wind_up(s, now);
	if (s->server)
		shep_wire_turn(s, now);
	report(s, now);
	if (s->after.done && now >= leave_at(s))
		s->over = true;
	arm(s, now);
}
