/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What clients ask libpmix for and libpmix asks us (PMIx standard 4.1, chapter 17). The module's
 * functions get no argument of ours, hence the one static pointer in this program.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/pmix/pmixd.h"
#include "libdvm/proto/msgtype.h"

static struct pmixd *self;

struct pmixd *pmixd_self(void)
{
	return self;
}

bool pmixd_is_ours(const pmix_proc_t *p)
{
	return !strncmp(p->nspace, self->nspace, PMIX_MAX_NSLEN);
}

void pmixd_nspace_of(const struct pmixd *d, uint64_t job, pmix_nspace_t out)
{
	snprintf(out, PMIX_MAX_NSLEN + 1, "%s%llu", d->prefix, (unsigned long long)job);
}

uint64_t pmixd_job_of(const struct pmixd *d, const char *nspace)
{
	size_t n = strlen(d->prefix);
	char *end;

	if (strncmp(nspace, d->prefix, n) != 0 || nspace[n] < '1' || nspace[n] > '9')
		return 0;
	uint64_t job = strtoull(nspace + n, &end, 10);
	return *end ? 0 : job;
}

static void tell(const pmix_proc_t *p, Pb__PmixClient__Kind kind, int code, const char *text)
{
	Pb__PmixClient c = PB__PMIX_CLIENT__INIT;

	c.rank = p->rank;
	c.kind = kind;
	c.code = code;
	c.text = (char *)(uintptr_t)(text ? text : "");
	pmixd_note(self, DVMI_MSG_PMIX_CLIENT, &c);
}

static pmix_status_t on_connected(const pmix_proc_t *p, void *object, pmix_info_t info[], size_t n,
				  pmix_op_cbfunc_t cb, void *arg)
{
	if (pmixd_is_ours(p))
		tell(p, PB__PMIX_CLIENT__KIND__CONNECTED, 0, NULL);
	return PMIX_OPERATION_SUCCEEDED;
}

static pmix_status_t on_finalized(const pmix_proc_t *p, void *object, pmix_op_cbfunc_t cb,
				  void *arg)
{
	if (pmixd_is_ours(p))
		tell(p, PB__PMIX_CLIENT__KIND__FINALIZED, 0, NULL);
	return PMIX_OPERATION_SUCCEEDED;
}

static pmix_status_t on_abort(const pmix_proc_t *p, void *object, int status, const char text[],
			      pmix_proc_t procs[], size_t n, pmix_op_cbfunc_t cb, void *arg)
{
	if (pmixd_is_ours(p))
		tell(p, PB__PMIX_CLIENT__KIND__ABORT, status, text);
	return PMIX_OPERATION_SUCCEEDED;
}

static void free_copy(void *p)
{
	free(p);
}

static void answer_modex(struct pmixd *d, const struct pmixd_question *q,
			 const struct pmixd_said *said)
{
	char *copy = said->code == 0 ? malloc(said->len + 1) : NULL;

	if (copy && said->len)
		memcpy(copy, said->data, said->len);
	if (copy)
		q->cb.modex(PMIX_SUCCESS, copy, said->len, q->arg, free_copy, copy);
	else
		q->cb.modex(said->code == 0 ? PMIX_ERR_NOMEM : PMIX_ERR_UNREACH, NULL, 0, q->arg,
			    NULL, NULL);
}

static uint64_t add_modex(pmix_modex_cbfunc_t cb, void *arg)
{
	const struct pmixd_question q = { .answer = answer_modex, .cb.modex = cb, .arg = arg };

	return pmixd_question_add(self, &q);
}

static bool all_ours(const pmix_proc_t procs[], size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!pmixd_is_ours(&procs[i]))
			return false;
	return true;
}

/* The ranks of a fence of our job in F, none for all of them. */
static bool take_ranks(Pb__PmixFence *f, const pmix_proc_t procs[], size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (procs[i].rank == PMIX_RANK_WILDCARD) {
			f->n_ranks = 0;
			return true;
		}
		if (procs[i].rank >= self->size)
			return false;
		f->ranks[f->n_ranks++] = procs[i].rank;
	}
	return true;
}

/* Those of a fence of several jobs. */
static bool take_all(Pb__PmixFence *f, const pmix_proc_t procs[], size_t n)
{
	for (size_t i = 0; i < n; i++) {
		f->jobs[i] = pmixd_job_of(self, procs[i].nspace);
		f->ranks[i] = procs[i].rank;
		if (!f->jobs[i])
			return false;
	}
	f->n_jobs = f->n_ranks = n;
	return true;
}

static pmix_status_t on_fence(const pmix_proc_t procs[], size_t n, const pmix_info_t info[],
			      size_t ninfo, char *data, size_t len, pmix_modex_cbfunc_t cb, void *arg)
{
	Pb__PmixFence f = PB__PMIX_FENCE__INIT;
	pmix_status_t rc = PMIX_ERR_NOMEM;
	bool ours = all_ours(procs, n);

	f.ranks = calloc(n + 1, sizeof *f.ranks);
	f.jobs = calloc(n + 1, sizeof *f.jobs);
	f.data = (ProtobufCBinaryData){ .len = data ? len : 0, .data = (uint8_t *)data };
	if (f.ranks && f.jobs && !(ours ? take_ranks : take_all)(&f, procs, n))
		rc = PMIX_ERR_NOT_SUPPORTED;
	else if (f.ranks && f.jobs)
		f.id = add_modex(cb, arg);
	if (f.id) {
		pmixd_note(self, DVMI_MSG_PMIX_FENCE, &f);
		rc = PMIX_SUCCESS;
	}
	free(f.jobs);
	free(f.ranks);
	free(data);
	return rc;
}

static pmix_status_t on_modex(const pmix_proc_t *p, const pmix_info_t info[], size_t n,
			      pmix_modex_cbfunc_t cb, void *arg)
{
	Pb__PmixModex m = PB__PMIX_MODEX__INIT;

	m.job = pmixd_is_ours(p) ? 0 : pmixd_job_of(self, p->nspace);
	if (!m.job && (!pmixd_is_ours(p) || p->rank >= self->size))
		return PMIX_ERR_NOT_FOUND;
	m.rank = p->rank;
	m.id = add_modex(cb, arg);
	if (!m.id)
		return PMIX_ERR_NOMEM;
	pmixd_note(self, DVMI_MSG_PMIX_MODEX, &m);
	return PMIX_SUCCESS;
}

static pmix_server_module_t module = {
	.client_connected2 = on_connected,
	.client_finalized = on_finalized,
	.abort = on_abort,
	.fence_nb = on_fence,
	.direct_modex = on_modex,
	.spawn = pmixd_on_spawn,
	.connect = pmixd_on_connect,
	.disconnect = pmixd_on_disconnect,
	.publish = pmixd_on_publish,
	.lookup = pmixd_on_lookup,
	.unpublish = pmixd_on_unpublish,
	.notify_event = pmixd_on_event,
};

pmix_server_module_t *pmixd_upcalls(struct pmixd *d)
{
	self = d;
	return &module;
}
