/* SPDX-License-Identifier: BSD-3-Clause */
/* The operations: a few instructions where the memory is within reach, else a message. */
#include <errno.h>
#include <string.h>

#include "libdvm/src/request.h"
#include "libdvm/src/rma.h"

/* One instruction for one word, so that it does not tear. */
static inline void copy(void *to, const void *from, size_t len)
{
	if (__builtin_expect(len == 8, 1))
		memcpy(to, from, 8);
	else if (len == 4)
		memcpy(to, from, 4);
	else if (len == 2)
		memcpy(to, from, 2);
	else if (len)
		memcpy(to, from, len);
}

/* An operation that is waited for, by message. */
static int run(struct dvmi_rma_op *op)
{
	dvm_t *d = op->w->d;

	dvmi_enter(d);
	int rc = dvmi_rma_run(op);
	dvmi_leave(d);
	return rc;
}

static struct dvmi_rma_op put_op(dvm_win_t *w, const void *buf, size_t len, int rank,
				 uint64_t offset)
{
	return (struct dvmi_rma_op){
		.w = w,
		.target = (uint32_t)rank,
		.kind = DVMI_RMA_PUT,
		.in = buf,
		.off = offset,
		.len = len,
	};
}

static struct dvmi_rma_op get_op(dvm_win_t *w, void *buf, size_t len, int rank, uint64_t offset)
{
	return (struct dvmi_rma_op){
		.w = w,
		.target = (uint32_t)rank,
		.kind = DVMI_RMA_GET,
		.out = buf,
		.off = offset,
		.len = len,
	};
}

static int put_slowly(dvm_win_t *w, const void *buf, size_t len, int rank, uint64_t offset)
{
	uint8_t *p;
	int rc = !buf && len ? -EINVAL : dvmi_win_slow(w, rank, offset, len, &p);

	if (rc < 0 || !len)
		return rc;
	if (p) {
		copy(p, buf, len);
		return 0;
	}
	struct dvmi_rma_op op = put_op(w, buf, len, rank, offset);
	return run(&op);
}

int dvm_put(dvm_win_t *win, const void *buf, size_t len, int rank, uint64_t offset)
{
	uint8_t *p = dvmi_win_at(win, rank, offset, len);

	if (__builtin_expect(!p || !buf, 0))
		return put_slowly(win, buf, len, rank, offset);
	copy(p, buf, len);
	return 0;
}

static int get_slowly(dvm_win_t *w, void *buf, size_t len, int rank, uint64_t offset)
{
	uint8_t *p;
	int rc = !buf && len ? -EINVAL : dvmi_win_slow(w, rank, offset, len, &p);

	if (rc < 0 || !len)
		return rc;
	if (p) {
		copy(buf, p, len);
		return 0;
	}
	struct dvmi_rma_op op = get_op(w, buf, len, rank, offset);
	return run(&op);
}

int dvm_get(dvm_win_t *win, void *buf, size_t len, int rank, uint64_t offset)
{
	uint8_t *p = dvmi_win_at(win, rank, offset, len);

	if (__builtin_expect(!p || !buf, 0))
		return get_slowly(win, buf, len, rank, offset);
	copy(buf, p, len);
	return 0;
}

static int request(struct dvmi_rma_op *op, void *to, const void *from, uint8_t *p,
		   struct dvm_req **req)
{
	dvm_t *d = op->w->d;

	dvmi_enter(d);
	int rc = p || !op->len ? dvmi_req_finished(op->w->g, 0, req) : dvmi_rma_request(op, req);
	dvmi_leave(d);
	if (rc == 0 && p)
		copy(to, from, op->len);
	return rc;
}

int dvm_rput(dvm_win_t *win, const void *buf, size_t len, int rank, uint64_t offset,
	     dvm_req_t **req)
{
	uint8_t *p;
	int rc = !req || (!buf && len) ? -EINVAL : dvmi_win_slow(win, rank, offset, len, &p);

	if (rc < 0)
		return rc;
	struct dvmi_rma_op op = put_op(win, buf, len, rank, offset);
	return request(&op, p, buf, p, req);
}

int dvm_rget(dvm_win_t *win, void *buf, size_t len, int rank, uint64_t offset, dvm_req_t **req)
{
	uint8_t *p;
	int rc = !req || (!buf && len) ? -EINVAL : dvmi_win_slow(win, rank, offset, len, &p);

	if (rc < 0)
		return rc;
	struct dvmi_rma_op op = get_op(win, buf, len, rank, offset);
	return request(&op, buf, p, p, req);
}

/* What an update of COUNT elements of SIZE needs beyond a put: *P, or NULL for a message. */
static int check_update(dvm_win_t *w, const void *in, int size, size_t count, bool reads_only,
			int rank, uint64_t offset, uint8_t **p)
{
	uint64_t bytes;

	if (size < 0 || (!in && count && !reads_only) ||
	    __builtin_mul_overflow((uint64_t)count, (uint64_t)size, &bytes))
		return -EINVAL;
	int rc = dvmi_win_slow(w, rank, offset, bytes, p);
	if (rc < 0)
		return rc;
	/* The target looks at its address itself; windows the library made begin at a page. */
	if ((*p || w->shared) && (*p ? (uintptr_t)*p : offset) % (uint64_t)size)
		return -EINVAL;
	return 0;
}

int dvm_accumulate(dvm_win_t *win, const void *buf, size_t count, dvm_type_t type, dvm_op_t op,
		   int rank, uint64_t offset)
{
	dvmi_rma_fn *fn = dvmi_rma_fn_of(type, op);
	int size = dvm_type_size(type);
	uint8_t *p;
	int rc = fn && op != DVM_NO_OP
			 ? check_update(win, buf, size, count, false, rank, offset, &p)
			 : -EINVAL;

	if (rc < 0 || !count)
		return rc;
	if (p) {
		fn(p, buf, NULL, count);
		return 0;
	}
	struct dvmi_rma_op o = {
		.w = win,
		.target = (uint32_t)rank,
		.kind = DVMI_RMA_ACC,
		.type = (uint8_t)type,
		.op = (uint8_t)op,
		.in = buf,
		.off = offset,
		.len = count * (uint64_t)size,
	};
	return run(&o);
}

int dvm_get_accumulate(dvm_win_t *win, const void *buf, void *result, size_t count, dvm_type_t type,
		       dvm_op_t op, int rank, uint64_t offset)
{
	dvmi_rma_fn *fn = dvmi_rma_fn_of(type, op);
	int size = dvm_type_size(type);
	uint8_t *p;
	int rc = fn && (result || !count)
			 ? check_update(win, buf, size, count, op == DVM_NO_OP, rank, offset, &p)
			 : -EINVAL;

	if (rc < 0 || !count)
		return rc;
	if (p) {
		fn(p, buf, result, count);
		return 0;
	}
	struct dvmi_rma_op o = {
		.w = win,
		.target = (uint32_t)rank,
		.kind = DVMI_RMA_FETCH,
		.type = (uint8_t)type,
		.op = (uint8_t)op,
		.in = op == DVM_NO_OP ? NULL : buf,
		.out = result,
		.off = offset,
		.len = count * (uint64_t)size,
	};
	return run(&o);
}

int dvm_fetch_op(dvm_win_t *win, const void *value, void *result, dvm_type_t type, dvm_op_t op,
		 int rank, uint64_t offset)
{
	/* The one that everybody counts with. */
	if (__builtin_expect((type == DVM_INT64 || type == DVM_UINT64) && op == DVM_SUM && value &&
				     result,
			     1)) {
		uint8_t *p = dvmi_win_at(win, rank, offset, 8);
		if (__builtin_expect(p && (uintptr_t)p % 8 == 0, 1)) {
			uint64_t v;
			memcpy(&v, value, 8);
			v = __atomic_fetch_add((uint64_t *)(void *)p, v, __ATOMIC_SEQ_CST);
			memcpy(result, &v, 8);
			return 0;
		}
	}
	return dvm_get_accumulate(win, value, result, 1, type, op, rank, offset);
}

int dvm_compare_swap(dvm_win_t *win, const void *compare, const void *value, void *result,
		     dvm_type_t type, int rank, uint64_t offset)
{
	int size = dvm_type_size(type);
	bool good = compare && value && result && dvmi_rma_fn_of(type, DVM_REPLACE);
	uint8_t *p;
	int rc = good ? check_update(win, value, size, 1, false, rank, offset, &p) : -EINVAL;

	if (rc < 0)
		return rc;
	if (p) {
		dvmi_rma_cas(p, compare, value, result, (size_t)size);
		return 0;
	}
	struct dvmi_rma_op o = {
		.w = win,
		.target = (uint32_t)rank,
		.kind = DVMI_RMA_CAS,
		.type = (uint8_t)type,
		.out = result,
		.off = offset,
		.len = (uint64_t)size,
	};
	memcpy(o.pair, compare, (size_t)size);
	memcpy(o.pair + size, value, (size_t)size);
	return run(&o);
}
