/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "daemon/shepherd/ranks.h"
#include "daemon/shepherd/usage.h"
#include "libdvm/base/clock.h"

int shep_ranks_init(struct shep_ranks *t, const Pb__NodeShare *share)
{
	*t = (struct shep_ranks){ .r = calloc(share->n_ranks + 1, sizeof *t->r),
				  .n = share->n_ranks };
	if (!t->r)
		return -ENOMEM;
	for (size_t i = 0; i < t->n; i++) {
		t->r[i].rank = share->ranks[i];
		if (i && t->r[i].rank <= t->r[i - 1].rank)
			return -EINVAL;
	}
	return 0;
}

void shep_ranks_free(struct shep_ranks *t)
{
	free(t->r);
	*t = (struct shep_ranks){ 0 };
}

static int compare(const void *key, const void *elem)
{
	uint32_t a = *(const uint32_t *)key, b = ((const struct shep_rank *)elem)->rank;

	return a < b ? -1 : a > b;
}

struct shep_rank *shep_ranks_find(const struct shep_ranks *t, uint32_t rank)
{
	return bsearch(&rank, t->r, t->n, sizeof *t->r, compare);
}

struct shep_rank *shep_ranks_by_pid(const struct shep_ranks *t, pid_t pid)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->r[i].pid == pid && !t->r[i].exited)
			return &t->r[i];
	return NULL;
}

static uint64_t timeval_ns(struct timeval tv)
{
	return (uint64_t)tv.tv_sec * DVMI_SEC + (uint64_t)tv.tv_usec * 1000;
}

/*
 * The first news of a rank's end counts: those that fail because of it are often reaped with it,
 * and in any order.
 */
void shep_ranks_lost(struct shep_ranks *t, struct shep_rank *r)
{
	if (!r->order)
		r->order = ++t->ended;
}

static void end(struct shep_ranks *t, struct shep_rank *r, int status, bool signalled)
{
	r->exited = true;
	r->signalled = signalled;
	r->status = status;
	t->exited++;
	shep_ranks_lost(t, r);
}

void shep_ranks_ended(struct shep_ranks *t, struct shep_rank *r, int wait,
		      const struct rusage *usage)
{
	if (usage) {
		r->cpu_ns = timeval_ns(usage->ru_utime) + timeval_ns(usage->ru_stime);
		r->rss_peak = (uint64_t)usage->ru_maxrss << 10;
	}
	if (WIFSIGNALED(wait))
		end(t, r, 128 + WTERMSIG(wait), true);
	else
		end(t, r, WEXITSTATUS(wait), false);
}

void shep_ranks_unstarted(struct shep_ranks *t, struct shep_rank *r, int code, int signal)
{
	end(t, r, signal ? 128 + signal : code, signal != 0);
}

void shep_ranks_report(const struct shep_ranks *t, Pb__RankStatus *out, Pb__RankStatus **list)
{
	for (size_t i = 0; i < t->n; i++) {
		const struct shep_rank *r = &t->r[i];
		struct shep_usage used = { r->cpu_ns, r->rss_peak };
		if (r->pid && !r->exited)
			used = shep_usage_of(r->pid);
		pb__rank_status__init(&out[i]);
		out[i].rank = r->rank;
		out[i].pid = (uint32_t)r->pid;
		out[i].exited = r->exited;
		out[i].status = r->status;
		out[i].signalled = r->signalled;
		out[i].connected = r->connected;
		out[i].closed = r->closed;
		out[i].cpu_ns = used.cpu_ns;
		out[i].rss_peak = used.rss_peak;
		out[i].order = r->order;
		list[i] = &out[i];
	}
}
