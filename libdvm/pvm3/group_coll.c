// SPDX-License-Identifier: BSD-3-Clause
/*
 * One to all and all to one: pvm_reduce(), pvm_scatter(), pvm_gather(). The root exchanges one
 * message with each member, in the order of their instances, in a context of their own; nobody
 * waits for anybody else, as programs expect. Results of floating point do not depend on who comes
 * first.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "libdvm/base/buf.h"
#include "libdvm/proto/pvm.h"
#include "libdvm/pvm3/group.h"
#include "libdvm/pvm3/typed.h"
#include "pvmproto.h"

/* What all of them know once they have begun. */
struct coll {
	struct pvmi_members members;
	int type;
	int count;
	size_t bytes; /* of COUNT elements */
	int tag;
	int root; /* instances */
	int inst;
};

/* ---- messages; the caller's buffers stay the current ones ---- */

static int send_to(const struct coll *c, int inst, void *from)
{
	int buf = pvm_mkbuf(PvmDataDefault), theirs, rc;

	if (buf < 0)
		return buf;
	theirs = pvm_setsbuf(buf);
	rc = pvmi_typed_pack(c->type, from, c->count, 1);
	if (rc >= 0)
		rc = pvmi_send_current(&c->members.tids[inst], 1, c->tag, SYSCTX_DG);
	pvm_setsbuf(theirs);
	pvm_freebuf(buf);
	return rc < 0 ? rc : 0;
}

static int is_there(int tid)
{
	struct dvmi_buf args = { 0 };
	int rc;

	dvmi_buf_put_u32(&args, (uint32_t)tid);
	rc = pvmi_ask(PVMI_PSTAT, &args, NULL);
	dvmi_buf_free(&args);
	return rc == PvmOk;
}

/* The message of TID, which may end before it sends one: then PvmNoTask. */
static int await(int tid, int tag)
{
	int buf, there;

	do {
		struct timeval patience = { 1, 0 };

		there = is_there(tid);
		buf = pvm_trecv(tid, tag, &patience);
	} while (buf == 0 && there);
	return buf == 0 ? PvmNoTask : buf;
}

static int recv_from(const struct coll *c, int inst, void *to)
{
	int theirs = pvm_setrbuf(0), context = pvm_setcontext(SYSCTX_DG), buf, rc;

	buf = await(c->members.tids[inst], c->tag);
	pvm_setcontext(context);
	rc = buf < 0 ? buf : pvmi_typed_unpack(c->type, to, c->count, 1);
	if (buf > 0)
		pvm_freebuf(buf);
	pvm_setrbuf(theirs);
	return rc < 0 ? rc : 0;
}

/* ---- a call's beginning ---- */

/* Looks at everything in the order in which PVM complains. Frees nothing: end it in any case. */
static int begin(struct coll *c, const void *data, const char *group)
{
	int rc;

	if (!data || c->count <= 0)
		return PvmBadParam;
	rc = pvmi_members_get(&c->members, group);
	if (rc < 0)
		return rc;
	c->inst = pvmi_members_inst(&c->members, pvmi_tid());
	if (c->inst < 0)
		return c->inst;
	rc = pvmi_members_tid(&c->members, c->root);
	if (rc < 0)
		return rc;
	c->bytes = pvmi_typed_size(c->type) * (size_t)c->count;
	return c->bytes > 0 ? 0 : PvmBadParam;
}

static void end(struct coll *c)
{
	pvmi_members_free(&c->members);
}

/* An array has a place for each member by its instance: there may be no holes. */
static int dense(const struct coll *c)
{
	return pvmi_members_size(&c->members) == c->members.n ? 0 : PvmNoInst;
}

static bool is_other(const struct coll *c, int inst)
{
	return inst != c->inst && c->members.tids[inst] != 0;
}

/* ---- calls ---- */

typedef void operation(int *type, void *x, void *y, int *count, int *info);

/* What the others have, one after the other, goes into DATA. */
static int combine(struct coll *c, operation *op, void *data)
{
	void *theirs = malloc(c->bytes);
	int rc = theirs ? 0 : PvmNoMem;

	for (int i = 0; rc == 0 && i < c->members.n; i++) {
		int info = 0;

		if (!is_other(c, i))
			continue;
		rc = recv_from(c, i, theirs);
		if (rc == 0)
			op(&c->type, data, theirs, &c->count, &info);
		if (info < 0)
			rc = info;
	}
	free(theirs);
	return rc;
}

int pvm_reduce(operation *op, void *data, int count, int type, int tag, char *group, int root)
{
	struct coll c = { .type = type, .count = count, .tag = tag, .root = root };
	int rc = op ? begin(&c, data, group) : PvmBadParam;

	if (rc == 0)
		rc = c.inst == root ? combine(&c, op, data) : send_to(&c, root, data);
	end(&c);
	return pvmi_result("pvm_reduce", rc);
}

static void *place(const struct coll *c, void *array, int inst)
{
	return (char *)array + c->bytes * (size_t)inst;
}

static int spread(const struct coll *c, void *result, void *data)
{
	int rc = data ? dense(c) : PvmBadParam;

	if (rc < 0)
		return rc;
	for (int i = 0; rc == 0 && i < c->members.n; i++)
		if (is_other(c, i))
			rc = send_to(c, i, place(c, data, i));
	memmove(result, place(c, data, c->root), c->bytes);
	return rc;
}

int pvm_scatter(void *result, void *data, int count, int type, int tag, char *group, int root)
{
	struct coll c = { .type = type, .count = count, .tag = tag, .root = root };
	int rc = begin(&c, result, group);

	if (rc == 0)
		rc = c.inst == root ? spread(&c, result, data) : recv_from(&c, root, result);
	end(&c);
	return pvmi_result("pvm_scatter", rc);
}

static int collect(const struct coll *c, void *result, void *data)
{
	int rc = result ? dense(c) : PvmBadParam;

	if (rc < 0)
		return rc;
	memmove(place(c, result, c->root), data, c->bytes);
	for (int i = 0; rc == 0 && i < c->members.n; i++)
		if (is_other(c, i))
			rc = recv_from(c, i, place(c, result, i));
	return rc;
}

int pvm_gather(void *result, void *data, int count, int type, int tag, char *group, int root)
{
	struct coll c = { .type = type, .count = count, .tag = tag, .root = root };
	int rc = begin(&c, data, group);

	if (rc == 0)
		rc = c.inst == root ? collect(&c, result, data) : send_to(&c, root, data);
	end(&c);
	return pvmi_result("pvm_gather", rc);
}
