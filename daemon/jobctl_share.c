/* SPDX-License-Identifier: BSD-3-Clause */
/* What the shares of a job have reported, as questions: who runs, who has ended, who has failed. */
#include <stdlib.h>
#include <string.h>

#include "daemon/jobctl_private.h"
#include "libdvm/base/buf.h"
#include "libdvm/base/hostlist.h"

bool dvmd_jobctl_is_running(const struct share *s)
{
	return s->status && (s->status->phase == PB__SHARE_PHASE__SHARE_RUNNING ||
			     s->status->phase == PB__SHARE_PHASE__SHARE_DONE);
}

bool dvmd_jobctl_is_final(const struct share *s)
{
	return s->dead || s->failed ||
	       (s->status && (s->status->phase == PB__SHARE_PHASE__SHARE_DONE ||
			      s->status->phase == PB__SHARE_PHASE__SHARE_FAILED));
}

bool dvmd_jobctl_every(const struct job *j, bool (*is)(const struct share *))
{
	for (size_t i = 0; i < j->nshares; i++)
		if (!is(&j->shares[i]))
			return false;
	return true;
}

const Pb__RankStatus *dvmd_jobctl_first_failed(const Pb__JobStatus *st)
{
	const Pb__RankStatus *first = NULL;

	for (size_t i = 0; i < st->n_ranks; i++) {
		const Pb__RankStatus *r = st->ranks[i];
		if (r->exited && r->status && (!first || r->order < first->order))
			first = r;
	}
	return first;
}

const char *dvmd_jobctl_start_failure(const struct share *s)
{
	if (s->failed)
		return s->failed;
	if (s->status && s->status->phase == PB__SHARE_PHASE__SHARE_FAILED)
		return s->status->text;
	return NULL;
}

char *dvmd_jobctl_names_not(const struct job *j, bool (*is)(const struct share *))
{
	const char **names = calloc(j->nshares + 1, sizeof *names);
	struct dvmi_buf b = { 0 };
	size_t n = 0;

	for (size_t i = 0; names && i < j->nshares; i++)
		if (!is(&j->shares[i]))
			names[n++] = j->shares[i].name;
	if (names)
		dvmi_hostlist_fold(names, n, &b);
	dvmi_buf_put_u8(&b, 0);
	free(names);
	if (b.err) {
		dvmi_buf_free(&b);
		return strdup("some nodes");
	}
	return (char *)b.data;
}

