/* SPDX-License-Identifier: BSD-3-Clause */
/* Other jobs, for a rank: linked, unlinked, ended. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/shepherd/shepherd_private.h"
#include "dvm/error.h"

static bool read_job(struct shep *s, struct shep_ask *a, const uint8_t *body, size_t len)
{
	if (len == sizeof a->job) {
		memcpy(&a->job, body, sizeof a->job);
		return true;
	}
	shep_ask_fail(s, a, -EINVAL, "malformed question");
	return false;
}

static void answer_linked(struct shep *s, struct shep_ask *a, struct shep_linked *l)
{
	struct dvmi_rank_linked linked;
	int fd = shep_links_map(l, &linked);

	if (a->local != DVMI_RANK_NOBODY && shep_links_join(l, a->local) < 0)
		shep_ask_fail(s, a, -ENOMEM, "out of memory");
	else
		shep_ask_answer(s, a,
				&(struct shep_reply){ .job = a->job,
						      .bytes = &linked,
						      .len = sizeof linked,
						      .fd = fd });
}

static void on_record(struct shep *s, struct shep_ask *a, const struct shep_said *said)
{
	cleanup_pb Pb__JobRecord *r = NULL;

	if (!shep_ask_unpacked(s, a, said, &pb__job_record__descriptor, &r))
		return;
	if (!r->spec) {
		shep_ask_fail(s, a, -DVM_EPROTO, "malformed answer");
		return;
	}
	if (r->spec->uid != s->c->launch->spec->uid) {
		shep_ask_fail(s, a, -EPERM, "job %llu belongs to %s", (unsigned long long)r->id,
			      r->spec->user);
		return;
	}
	if (r->state == PB__JOB_STATE__JOB_DONE) {
		shep_ask_fail(s, a, -ESRCH, "job %llu is over", (unsigned long long)r->id);
		return;
	}
	struct shep_linked *l = shep_links_add(s, r);
	if (l)
		answer_linked(s, a, l);
	else
		shep_ask_fail(s, a, -ENOMEM, "no memory for a link to job %llu",
			      (unsigned long long)r->id);
}

void shep_ask_link(struct shep *s, struct shep_ask *a, const uint8_t *body, size_t len, int fd)
{
	Pb__JobRef ref = PB__JOB_REF__INIT;

	if (!read_job(s, a, body, len))
		return;
	struct shep_linked *l = shep_links_find(s, a->job);
	ref.job = a->job;
	if (a->job == s->c->launch->job)
		shep_ask_fail(s, a, -EINVAL, "this is job %llu itself", (unsigned long long)a->job);
	else if (l)
		answer_linked(s, a, l);
	else
		shep_ask_call(s, a, DVMI_MSG_JOB_RECORD, &ref, true, on_record);
}

void shep_ask_unlink(struct shep *s, struct shep_ask *a, const uint8_t *body, size_t len, int fd)
{
	if (!read_job(s, a, body, len))
		return;
	shep_links_leave(s, a->job, a->local);
	shep_ask_answer(s, a, &(struct shep_reply){ 0 });
}

static void on_cancelled(struct shep *s, struct shep_ask *a, const struct shep_said *said)
{
	if (!shep_ask_failed(s, a, said))
		shep_ask_answer(s, a, &(struct shep_reply){ .job = a->job });
}

void shep_ask_cancel(struct shep *s, struct shep_ask *a, const uint8_t *body, size_t len, int fd)
{
	Pb__JobSignal sig = PB__JOB_SIGNAL__INIT;
	char reason[80];

	if (!read_job(s, a, body, len))
		return;
	snprintf(reason, sizeof reason, "cancelled by rank %u of job %llu",
		 s->share->ranks[a->local], (unsigned long long)s->c->launch->job);
	sig.job = a->job;
	sig.end = true;
	sig.reason = reason;
	shep_ask_call(s, a, DVMI_MSG_SIGNAL, &sig, true, on_cancelled);
}
