/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What others ask of our memory, by message. They are other processes: everything is checked. An
 * error of what nobody waits for is told at the next flush of whoever sent it.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "libdvm/src/rma.h"

#define ON_STACK 256u

/* A request, decoded. */
struct request {
	dvm_win_t *w;
	uint32_t src, ctx; /* src: of the job */
	uint32_t rank;	   /* src in the window's group */
	uint8_t type, op;
	uint16_t mode;
	uint64_t off, id, at;
	uint32_t want;
	const uint8_t *bytes;
	uint32_t len;
};

void dvmi_rma_reply(dvm_t *d, uint32_t peer, uint32_t ctx, uint64_t id, uint64_t at, int code,
		    const void *bytes, uint32_t len)
{
	struct dvmi_rma_head h = {
		.id = htole64(id),
		.at = htole64(at),
		.code = (int32_t)htole32((uint32_t)code),
	};
	struct dvmi_am_msg m = {
		.ctx = ctx,
		.id = DVMI_RMA_REPLY,
		.head = &h,
		.head_len = sizeof h,
		.payload = bytes,
		.len = len,
	};

	if (id)
		dvmi_am_answer(d, peer, &m);
}

static void answer(const struct request *r, int code, const void *bytes, uint32_t len)
{
	dvmi_rma_reply(r->w->d, r->src, r->ctx, r->id, r->at, code, bytes, len);
}

/* LEN bytes at the request's offset of our memory, or NULL. */
static uint8_t *place(const struct request *r, uint64_t len)
{
	return dvmi_win_at(r->w, (int)r->w->rank, r->off, len);
}

static int put(const struct request *r)
{
	uint8_t *p = place(r, r->len);

	if (!p)
		return -EINVAL;
	memcpy(p, r->bytes, r->len);
	return 0;
}

static int get(const struct request *r)
{
	const uint8_t *p = r->want <= DVM_AM_MAX ? place(r, r->want) : NULL;

	if (!p)
		return -EINVAL;
	answer(r, 0, p, r->want);
	return 0;
}

/* Where the elements of an update are; NULL: it makes no sense. */
static uint8_t *elements(const struct request *r, uint32_t len)
{
	int size = dvm_type_size((dvm_type_t)r->type);
	uint8_t *p = size > 0 && len % (uint32_t)size == 0 ? place(r, len) : NULL;

	return p && (uintptr_t)p % (uintptr_t)size == 0 ? p : NULL;
}

static int accumulate(const struct request *r)
{
	dvmi_rma_fn *fn = dvmi_rma_fn_of((dvm_type_t)r->type, (dvm_op_t)r->op);
	uint8_t *p = fn ? elements(r, r->len) : NULL;

	if (!p)
		return -EINVAL;
	fn(p, r->bytes, NULL, r->len / (uint32_t)dvm_type_size((dvm_type_t)r->type));
	return 0;
}

static int fetch(const struct request *r)
{
	dvmi_rma_fn *fn = dvmi_rma_fn_of((dvm_type_t)r->type, (dvm_op_t)r->op);
	uint32_t given = r->op == DVM_NO_OP ? 0 : r->want;
	uint8_t *p = fn && r->want <= DVM_AM_MAX && r->len == given ? elements(r, r->want) : NULL;
	uint8_t stack[ON_STACK], *old = stack;

	if (!p)
		return -EINVAL;
	if (r->want > ON_STACK) {
		struct dvmi_rma *rma = r->w->d->rma;
		old = rma->scratch ? rma->scratch : (rma->scratch = malloc(DVM_AM_MAX));
		if (!old)
			return -ENOMEM;
	}
	fn(p, r->bytes, old, r->want / (uint32_t)dvm_type_size((dvm_type_t)r->type));
	answer(r, 0, old, r->want);
	return 0;
}

static int compare_swap(const struct request *r)
{
	int size = dvm_type_size((dvm_type_t)r->type); /* at most 8 where there is a function */
	uint8_t old[8], *p = NULL;

	if (dvmi_rma_fn_of((dvm_type_t)r->type, DVM_REPLACE) && r->want == (uint32_t)size &&
	    r->len == 2 * r->want)
		p = elements(r, r->want);
	if (!p)
		return -EINVAL;
	dvmi_rma_cas(p, r->bytes, r->bytes + size, old, (size_t)size);
	answer(r, 0, old, r->want);
	return 0;
}

static int flush(const struct request *r)
{
	struct dvmi_win_far *far = &r->w->far[r->rank];
	int code = far->error;

	far->error = 0;
	answer(r, code, NULL, 0);
	return 0;
}

static int lock(const struct request *r)
{
	if (r->mode != DVM_LOCK_SHARED && r->mode != DVM_LOCK_EXCLUSIVE)
		return -EINVAL;
	return dvmi_rma_ask_later(r->w, r->w->rank, r->rank, r->mode, r->id);
}

static int unlock(const struct request *r)
{
	return dvmi_rma_ask_later(r->w, r->w->rank, r->rank, 0, r->id);
}

static int nothing(const struct request *r)
{
	(void)r;
	return 0;
}

static int (*const serve[])(const struct request *r) = {
	[DVMI_RMA_PUT] = put,	  [DVMI_RMA_GET] = get,		 [DVMI_RMA_ACC] = accumulate,
	[DVMI_RMA_FETCH] = fetch, [DVMI_RMA_CAS] = compare_swap, [DVMI_RMA_FLUSH] = flush,
	[DVMI_RMA_LOCK] = lock,	  [DVMI_RMA_UNLOCK] = unlock,	 [DVMI_RMA_POKE] = nothing,
};

static dvm_win_t *find(dvm_t *d, uint32_t ctx, uint32_t id)
{
	dvm_win_t *w = d->rma ? d->rma->wins : NULL;

	while (w && (w->ctx != ctx || w->id != id))
		w = w->next;
	return w;
}

void dvmi_rma_target(dvm_t *d, uint32_t src, uint32_t ctx, uint32_t kind,
		     const struct dvmi_rma_head *h, const uint8_t *bytes, uint32_t len)
{
	struct request r = {
		.w = find(d, ctx, le32toh(h->win)),
		.src = src,
		.ctx = ctx,
		.type = h->type,
		.op = h->op,
		.mode = le16toh(h->mode),
		.off = le64toh(h->off),
		.id = le64toh(h->id),
		.at = le64toh(h->at),
		.want = le32toh(h->len),
		.bytes = bytes,
		.len = len,
	};
	int64_t rank = r.w ? dvmi_rankmap_rank(&r.w->g->map, src) : -ENOENT;

	if (rank < 0 || kind >= sizeof serve / sizeof serve[0] || !serve[kind]) {
		dvmi_rma_reply(d, src, ctx, r.id, 0, -EINVAL, NULL, 0);
		return;
	}
	r.rank = (uint32_t)rank;
	int code = serve[kind](&r);
	if (code < 0 && r.id)
		answer(&r, code, NULL, 0);
	else if (code < 0)
		r.w->far[r.rank].error = code;
}
