/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What clients ask libpmix for and libpmix asks us (PMIx standard 4.1, chapter 17). The module's
 * functions get no argument of ours, hence the one static pointer in this program.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/pmix/pmixd.h"
#include "libdvm/proto/msgtype.h"

static struct pmixd *self;

static bool is_ours(const pmix_proc_t *p)
{
	return !strncmp(p->nspace, self->nspace, PMIX_MAX_NSLEN);
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
	if (is_ours(p))
		tell(p, PB__PMIX_CLIENT__KIND__CONNECTED, 0, NULL);
	return PMIX_OPERATION_SUCCEEDED;
}

static pmix_status_t on_finalized(const pmix_proc_t *p, void *object, pmix_op_cbfunc_t cb,
				  void *arg)
{
	if (is_ours(p))
		tell(p, PB__PMIX_CLIENT__KIND__FINALIZED, 0, NULL);
	return PMIX_OPERATION_SUCCEEDED;
}

static pmix_status_t on_abort(const pmix_proc_t *p, void *object, int status, const char text[],
			      pmix_proc_t procs[], size_t n, pmix_op_cbfunc_t cb, void *arg)
{
	if (is_ours(p))
		tell(p, PB__PMIX_CLIENT__KIND__ABORT, status, text);
	return PMIX_OPERATION_SUCCEEDED;
}

/* The ranks of a fence in F, none for all of them. False: another job is in it. */
static bool take_ranks(Pb__PmixFence *f, const pmix_proc_t procs[], size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!is_ours(&procs[i]))
			return false;
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

static pmix_status_t on_fence(const pmix_proc_t procs[], size_t n, const pmix_info_t info[],
			      size_t ninfo, char *data, size_t len, pmix_modex_cbfunc_t cb, void *arg)
{
	Pb__PmixFence f = PB__PMIX_FENCE__INIT;
	pmix_status_t rc = PMIX_ERR_NOMEM;

	f.ranks = calloc(n + 1, sizeof *f.ranks);
	f.data = (ProtobufCBinaryData){ .len = len, .data = (uint8_t *)data };
	if (f.ranks && !take_ranks(&f, procs, n))
		rc = PMIX_ERR_NOT_SUPPORTED;
	else if (f.ranks)
		f.id = pmixd_question_add(self, cb, arg);
	if (f.id) {
		pmixd_note(self, DVMI_MSG_PMIX_FENCE, &f);
		rc = PMIX_SUCCESS;
	}
	free(f.ranks);
	free(data);
	return rc;
}

static pmix_status_t on_modex(const pmix_proc_t *p, const pmix_info_t info[], size_t n,
			      pmix_modex_cbfunc_t cb, void *arg)
{
	Pb__PmixModex m = PB__PMIX_MODEX__INIT;

	if (!is_ours(p) || p->rank >= self->size)
		return PMIX_ERR_NOT_FOUND;
	m.rank = p->rank;
	m.id = pmixd_question_add(self, cb, arg);
	if (!m.id)
		return PMIX_ERR_NOMEM;
	pmixd_note(self, DVMI_MSG_PMIX_MODEX, &m);
	return PMIX_SUCCESS;
}

/* Events among the ranks of a job are delivered by libpmix inside a node; nobody else wants them. */
static pmix_status_t on_event(pmix_status_t code, const pmix_proc_t *source,
			      pmix_data_range_t range, pmix_info_t info[], size_t n,
			      pmix_op_cbfunc_t cb, void *arg)
{
	return PMIX_OPERATION_SUCCEEDED;
}

static pmix_server_module_t module = {
	.client_connected2 = on_connected,
	.client_finalized = on_finalized,
	.abort = on_abort,
	.fence_nb = on_fence,
	.direct_modex = on_modex,
	.notify_event = on_event,
};

pmix_server_module_t *pmixd_upcalls(struct pmixd *d)
{
	self = d;
	return &module;
}
