/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Events among the ranks of a job. libpmix delivers what a rank notifies to the others of its node;
 * what is for more than a node goes through the shepherds to the servers of the others, and so come
 * failures of ranks, wherever they were.
 */
#include <pmix.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/pmix/pmixd.h"
#include "libdvm/proto/msgtype.h"

#define INFOS_MAX 1024 /* of one event */

/* ---- infos as bytes: how many, and they ---- */

static bool pack(pmix_byte_object_t *out, const pmix_info_t *info, size_t n)
{
	pmix_data_buffer_t b;

	PMIX_DATA_BUFFER_CONSTRUCT(&b);
	bool good = PMIx_Data_pack(NULL, &b, &n, 1, PMIX_SIZE) == PMIX_SUCCESS;
	if (good && n)
		good = PMIx_Data_pack(NULL, &b, (void *)(uintptr_t)info, (int32_t)n, PMIX_INFO) ==
		       PMIX_SUCCESS;
	good = good && PMIx_Data_unload(&b, out) == PMIX_SUCCESS;
	PMIX_DATA_BUFFER_DESTRUCT(&b);
	return good;
}

static bool unpack_infos(pmix_data_buffer_t *b, struct pmixd_infos *out)
{
	int32_t one = 1, n;
	size_t count;

	if (PMIx_Data_unpack(NULL, b, &count, &one, PMIX_SIZE) != PMIX_SUCCESS || count > INFOS_MAX)
		return false;
	if (!count)
		return true;
	out->list = calloc(count, sizeof *out->list);
	n = (int32_t)count;
	if (!out->list || PMIx_Data_unpack(NULL, b, out->list, &n, PMIX_INFO) != PMIX_SUCCESS)
		return false;
	out->n = out->cap = (size_t)n;
	return true;
}

static bool unpack(struct pmixd_infos *out, const uint8_t *data, size_t len)
{
	pmix_data_buffer_t b;

	bool good = pmixd_packed_load(&b, data, len) && unpack_infos(&b, out);
	PMIX_DATA_BUFFER_DESTRUCT(&b);
	return good;
}

/* ---- from a rank here: on libpmix' thread ---- */

static bool stays_here(pmix_data_range_t range)
{
	return range == PMIX_RANGE_LOCAL || range == PMIX_RANGE_PROC_LOCAL ||
	       range == PMIX_RANGE_RM;
}

pmix_status_t pmixd_on_event(pmix_status_t code, const pmix_proc_t *source,
			     pmix_data_range_t range, pmix_info_t info[], size_t n,
			     pmix_op_cbfunc_t cb, void *arg)
{
	Pb__PmixEvent e = PB__PMIX_EVENT__INIT;
	pmix_byte_object_t infos;

	if (stays_here(range) || !pmixd_is_ours(source) || n > INFOS_MAX)
		return PMIX_OPERATION_SUCCEEDED;
	if (!pack(&infos, info, n))
		return PMIX_ERR_PACK_FAILURE;
	e.code = code;
	e.rank = source->rank;
	e.range = range;
	e.infos = (ProtobufCBinaryData){ .len = infos.size, .data = (uint8_t *)infos.bytes };
	pmixd_note(pmixd_self(), DVMI_MSG_PMIX_EVENT, &e);
	PMIX_BYTE_OBJECT_DESTRUCT(&infos);
	return PMIX_OPERATION_SUCCEEDED;
}

/* ---- for the ranks here: on the loop's thread ---- */

static void on_delivered(pmix_status_t status, void *arg)
{
	struct pmixd_infos *l = arg;

	pmixd_infos_free(l);
	free(l);
}

/* L is the delivery's. */
static void deliver(const pmix_proc_t *source, pmix_status_t code, pmix_data_range_t range,
		    struct pmixd_infos *l)
{
	pmix_status_t rc = l->failed ? PMIX_ERR_NOMEM :
				       PMIx_Notify_event(code, source, range, l->list, l->n,
							 on_delivered, l);

	if (rc != PMIX_SUCCESS)
		on_delivered(rc, l);
}

/* Only those hear of it who have asked for this code: others would take it for the end of all. */
static void describe_failure(struct pmixd_infos *l, const pmix_proc_t *who, int status)
{
	const bool yes = true;

	pmixd_infos_add(l, PMIX_EVENT_AFFECTED_PROC, who, PMIX_PROC);
	pmixd_infos_add(l, PMIX_EXIT_CODE, &status, PMIX_INT);
	pmixd_infos_add(l, PMIX_EVENT_NON_DEFAULT, &yes, PMIX_BOOL);
}

void pmixd_event(struct pmixd *d, const Pb__PmixEvent *e)
{
	struct pmixd_infos *l = calloc(1, sizeof *l);
	pmix_proc_t source;

	if (!l)
		return;
	PMIX_LOAD_PROCID(&source, d->nspace, e->rank);
	if (e->ended) {
		describe_failure(l, &source, e->code);
		deliver(&source, PMIX_ERR_PROC_ABORTED, PMIX_RANGE_NAMESPACE, l);
	} else if (unpack(l, e->infos.data, e->infos.len)) {
		deliver(&source, e->code, (pmix_data_range_t)e->range, l);
	} else {
		on_delivered(PMIX_ERR_UNPACK_FAILURE, l);
	}
}
