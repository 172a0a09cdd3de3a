/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What clients publish and look up. libpmix' clients may name several keys at once; each is a
 * question of its own to the shepherd, and the last answer ends the client's.
 */
#include <errno.h>
#include <pmix.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/pmix/pmixd.h"
#include "libdvm/proto/msgtype.h"

#define WAIT_MS 3600000u /* of those that name no limit */

/* One call of a client: of libpmix' thread until its questions are asked, then of the loop's. */
struct pmixd_names {
	size_t left;
	pmix_status_t status;
	pmix_op_cbfunc_t done;	    /* of a publication or its end */
	pmix_lookup_cbfunc_t found; /* of a lookup */
	void *arg;
	size_t n;
	pmix_pdata_t *data; /* [n], of what was found */
};

static void names_free(struct pmixd_names *c)
{
	for (size_t i = 0; c && i < c->n; i++)
		PMIX_PDATA_DESTRUCT(&c->data[i]);
	if (c)
		free(c->data);
	free(c);
}

static struct pmixd_names *names_new(size_t keys, pmix_op_cbfunc_t done, pmix_lookup_cbfunc_t found,
				     void *arg)
{
	struct pmixd_names *c = calloc(1, sizeof *c);

	if (c)
		c->data = calloc(keys + 1, sizeof *c->data);
	if (!c || !c->data) {
		free(c);
		return NULL;
	}
	c->left = keys;
	c->status = PMIX_SUCCESS;
	c->done = done;
	c->found = found;
	c->arg = arg;
	return c;
}

static void finish(struct pmixd_names *c)
{
	if (c->found)
		c->found(c->n ? PMIX_SUCCESS : c->status, c->data, c->n, c->arg);
	else
		c->done(c->status, c->arg);
	names_free(c);
}

static pmix_status_t status_of(int code)
{
	switch (code) {
	case 0:
		return PMIX_SUCCESS;
	case -ENOENT:
		return PMIX_ERR_NOT_FOUND;
	case -ETIMEDOUT:
		return PMIX_ERR_TIMEOUT;
	case -EEXIST:
		return PMIX_ERR_EXISTS;
	default:
		return PMIX_ERROR;
	}
}

/* ---- values ---- */

static bool pack(pmix_byte_object_t *out, const pmix_value_t *v)
{
	pmix_data_buffer_t b;

	PMIX_DATA_BUFFER_CONSTRUCT(&b);
	bool good = PMIx_Data_pack(NULL, &b, (void *)(uintptr_t)v, 1, PMIX_VALUE) == PMIX_SUCCESS &&
		    PMIx_Data_unload(&b, out) == PMIX_SUCCESS;
	PMIX_DATA_BUFFER_DESTRUCT(&b);
	return good;
}

static bool unpack(pmix_value_t *out, const uint8_t *data, size_t len)
{
	pmix_data_buffer_t b;
	int32_t n = 1;

	bool good = pmixd_packed_load(&b, data, len) &&
		    PMIx_Data_unpack(NULL, &b, out, &n, PMIX_VALUE) == PMIX_SUCCESS;
	PMIX_DATA_BUFFER_DESTRUCT(&b);
	return good;
}

/* ---- questions ---- */

static void answer_done(struct pmixd *d, const struct pmixd_question *q,
			const struct pmixd_said *said)
{
	struct pmixd_names *c = q->cb.names;

	if (said->code < 0)
		c->status = status_of(said->code);
	if (--c->left == 0)
		finish(c);
}

static void answer_found(struct pmixd *d, const struct pmixd_question *q,
			 const struct pmixd_said *said)
{
	struct pmixd_names *c = q->cb.names;
	pmix_pdata_t *found = &c->data[c->n];
	pmix_nspace_t nspace;

	if (said->code == 0 && unpack(&found->value, said->data, said->len)) {
		pmixd_nspace_of(d, said->job, nspace);
		PMIX_LOAD_PROCID(&found->proc, nspace, said->rank);
		PMIX_LOAD_KEY(found->key, (const char *)q->arg);
		c->n++;
	} else {
		c->status = said->code < 0 ? status_of(said->code) : PMIX_ERR_UNPACK_FAILURE;
	}
	free(q->arg);
	if (--c->left == 0)
		finish(c);
}

/* Takes back the first N questions. */
static void forget(const uint64_t *ids, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct pmixd_question *q = pmixd_question_take(pmixd_self(), ids[i]);
		if (q)
			free(q->arg);
		free(q);
	}
}

/* A question about each key, none of which is asked yet. */
static bool make_questions(struct pmixd_names *c, char *const *keys, size_t n, uint64_t *ids)
{
	struct pmixd_question q = { .answer = c->found ? answer_found : answer_done,
				    .cb.names = c };

	for (size_t i = 0; i < n; i++) {
		q.arg = c->found ? strdup(keys[i]) : NULL;
		ids[i] = c->found && !q.arg ? 0 : pmixd_question_add(pmixd_self(), &q);
		if (!ids[i]) {
			free(q.arg);
			forget(ids, i);
			return false;
		}
	}
	return true;
}

/* Asks LIKE about all N KEYS. VALUES are theirs, or NULL. C is the questions' from now on. */
static pmix_status_t ask(struct pmixd_names *c, const Pb__PmixName *like, char *const *keys,
			 size_t n, const pmix_byte_object_t *values)
{
	uint64_t *ids = calloc(n, sizeof *ids);
	Pb__PmixName msg = *like;

	if (!ids || !c || !make_questions(c, keys, n, ids)) {
		names_free(c);
		free(ids);
		return PMIX_ERR_NOMEM;
	}
	for (size_t i = 0; i < n; i++) {
		msg.id = ids[i];
		msg.service = keys[i];
		if (values)
			msg.value = (ProtobufCBinaryData){ .len = values[i].size,
							   .data = (uint8_t *)values[i].bytes };
		pmixd_note(pmixd_self(), DVMI_MSG_PMIX_NAME, &msg);
	}
	free(ids);
	return PMIX_SUCCESS;
}

static size_t count(char *const *list)
{
	size_t n = 0;

	while (list && list[n])
		n++;
	return n;
}

/* ---- the upcalls ---- */

struct published {
	char **keys;
	pmix_byte_object_t *values;
	size_t n;
};

static void published_free(struct published *v)
{
	for (size_t i = 0; v->values && i < v->n; i++)
		PMIX_BYTE_OBJECT_DESTRUCT(&v->values[i]);
	free(v->values);
	free(v->keys);
}

/* What there is to publish among the infos; those with reserved keys say how. */
static pmix_status_t take_published(struct published *v, Pb__PmixName *msg,
				    const pmix_info_t info[], size_t n)
{
	v->keys = calloc(n + 1, sizeof *v->keys);
	v->values = calloc(n + 1, sizeof *v->values);
	if (!v->keys || !v->values)
		return PMIX_ERR_NOMEM;
	for (size_t i = 0; i < n; i++) {
		if (PMIX_CHECK_KEY(&info[i], PMIX_PERSISTENCE))
			msg->once = info[i].value.data.persist == PMIX_PERSIST_FIRST_READ;
		if (PMIX_CHECK_RESERVED_KEY(info[i].key))
			continue;
		v->keys[v->n] = (char *)(uintptr_t)info[i].key;
		if (!pack(&v->values[v->n++], &info[i].value))
			return PMIX_ERR_PACK_FAILURE;
	}
	return v->n ? PMIX_SUCCESS : PMIX_ERR_BAD_PARAM;
}

pmix_status_t pmixd_on_publish(const pmix_proc_t *p, const pmix_info_t info[], size_t n,
			       pmix_op_cbfunc_t cb, void *arg)
{
	Pb__PmixName msg = PB__PMIX_NAME__INIT;
	struct published v = { 0 };
	pmix_status_t rc = take_published(&v, &msg, info, n);

	msg.kind = PB__PMIX_NAME__KIND__PUBLISH;
	msg.rank = p->rank;
	if (rc == PMIX_SUCCESS)
		rc = ask(names_new(v.n, cb, NULL, arg), &msg, v.keys, v.n, v.values);
	published_free(&v);
	return rc;
}

/* How long a lookup may wait: not at all, unless it says so. */
static uint32_t wait_of(const pmix_info_t info[], size_t n)
{
	uint64_t seconds = 0;
	bool waits = false;

	for (size_t i = 0; i < n; i++) {
		if (PMIX_CHECK_KEY(&info[i], PMIX_WAIT))
			waits = true;
		if (PMIX_CHECK_KEY(&info[i], PMIX_TIMEOUT) && info[i].value.data.integer > 0)
			seconds = (uint64_t)info[i].value.data.integer;
	}
	if (!waits)
		return 0;
	return seconds && seconds * 1000 < WAIT_MS ? (uint32_t)seconds * 1000 : WAIT_MS;
}

pmix_status_t pmixd_on_lookup(const pmix_proc_t *p, char **keys, const pmix_info_t info[],
			      size_t n, pmix_lookup_cbfunc_t cb, void *arg)
{
	Pb__PmixName msg = PB__PMIX_NAME__INIT;
	size_t n_keys = count(keys);

	if (!n_keys)
		return PMIX_ERR_BAD_PARAM;
	msg.kind = PB__PMIX_NAME__KIND__LOOKUP;
	msg.rank = p->rank;
	msg.wait_ms = wait_of(info, n);
	return ask(names_new(n_keys, NULL, cb, arg), &msg, keys, n_keys, NULL);
}

/* Without keys: all that the rank has published, which goes with the job anyway. */
pmix_status_t pmixd_on_unpublish(const pmix_proc_t *p, char **keys, const pmix_info_t info[],
				 size_t n, pmix_op_cbfunc_t cb, void *arg)
{
	Pb__PmixName msg = PB__PMIX_NAME__INIT;
	size_t n_keys = count(keys);

	if (!n_keys)
		return PMIX_OPERATION_SUCCEEDED;
	msg.kind = PB__PMIX_NAME__KIND__UNPUBLISH;
	msg.rank = p->rank;
	return ask(names_new(n_keys, cb, NULL, arg), &msg, keys, n_keys, NULL);
}
