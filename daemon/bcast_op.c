/* SPDX-License-Identifier: BSD-3-Clause */
/* One operation's memory: which positions are ours, and what is known of each. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include "daemon/bcast_private.h"
#include "libdvm/base/clock.h"

/* A child is looked at POLLS times in the time of an operation, within these bounds. */
#define POLLS	 16
#define POLL_MIN (5 * DVMI_MSEC)
#define POLL_MAX DVMI_SEC

/* --- coming and going ---------------------------------------------------- */

struct dvmd_bcast_op *dvmd_bcast_op_find(dvmd_bcast_t *b, uint32_t origin, uint64_t op)
{
	const struct dvmd_bcast_key key = { .op = op, .origin = origin };
	struct dvmd_bcast_op *found;

	HASH_FIND(hh, b->ops, &key, sizeof(key), found);
	return found;
}

void dvmd_bcast_op_free(dvmd_bcast_t *b, struct dvmd_bcast_op *op)
{
	struct dvmd_bcast_span *s = &op->span;

	if (op->hh.tbl)
		HASH_DEL(b->ops, op);
	for (uint32_t i = 0; s->results && i < s->hi - s->lo; i++)
		free(s->results[i].data);
	free(s->results);
	free(s->ids);
	free(s->codes);
	free(s->states);
	free(op->payload.data);
	free(op->requests);
	free(op->asks);
	free(op);
}

/* Room for one more: forgets the oldest that is over, should it be needed. */
static bool make_room(dvmd_bcast_t *b)
{
	struct dvmd_bcast_op *op, *next;

	if (HASH_COUNT(b->ops) < b->conf.ops_max)
		return true;
	HASH_ITER (hh, b->ops, op, next) {
		if (op->over) {
			dvmd_bcast_op_free(b, op);
			return true;
		}
	}
	return false;
}

static uint64_t poll_time(uint64_t time)
{
	uint64_t poll = time / POLLS;

	return poll < POLL_MIN ? POLL_MIN : poll > POLL_MAX ? POLL_MAX : poll;
}

static bool dup_payload(struct dvmd_bcast_op *op, const void *payload, uint32_t len)
{
	op->payload = (struct dvmd_bcast_blob){ .data = malloc(len ? len : 1), .len = len };
	if (!op->payload.data)
		return false;
	if (len)
		memcpy(op->payload.data, payload, len);
	return true;
}

int dvmd_bcast_op_create(dvmd_bcast_t *b, uint32_t origin, uint64_t op_id, uint64_t deadline,
			 const void *payload, uint32_t len, struct dvmd_bcast_op **out)
{
	if (!make_room(b))
		return -EAGAIN;
	struct dvmd_bcast_op *op = calloc(1, sizeof(*op));
	if (!op || !dup_payload(op, payload, len)) {
		free(op);
		return -ENOMEM;
	}
	op->key = (struct dvmd_bcast_key){ .op = op_id, .origin = origin };
	op->local = DVMI_BCAST_NOBODY;
	op->deadline = deadline;
	op->expires = deadline + b->conf.keep;
	op->rescue_at = DVMD_BCAST_NEVER;
	op->poll = poll_time(deadline - b->now);
	HASH_ADD(hh, b->ops, key, sizeof(op->key), op);
	if (!op->hh.tbl) {
		dvmd_bcast_op_free(b, op);
		return -ENOMEM;
	}
	*out = op;
	return 0;
}

/* --- the span ------------------------------------------------------------ */

enum dvmd_bcast_pos dvmd_bcast_op_state(const struct dvmd_bcast_op *op, uint32_t pos)
{
	const struct dvmd_bcast_span *s = &op->span;

	return pos >= s->lo && pos < s->hi ? s->states[pos - s->lo] : DVMD_BCAST_HOLE;
}

void dvmd_bcast_op_set_state(struct dvmd_bcast_op *op, uint32_t pos, enum dvmd_bcast_pos state)
{
	op->span.states[pos - op->span.lo] = (uint8_t)state;
}

uint32_t dvmd_bcast_op_id(const struct dvmd_bcast_op *op, uint32_t pos)
{
	return op->span.ids[pos - op->span.lo];
}

static void span_move(struct dvmd_bcast_span *to, struct dvmd_bcast_span *from)
{
	size_t n = from->hi - from->lo, at = from->lo - to->lo;

	if (n) {
		memcpy(to->ids + at, from->ids, n * sizeof(*to->ids));
		memcpy(to->codes + at, from->codes, n * sizeof(*to->codes));
		memcpy(to->states + at, from->states, n);
		if (from->results)
			memcpy(to->results + at, from->results, n * sizeof(*to->results));
	}
	free(from->ids);
	free(from->codes);
	free(from->states);
	free(from->results);
}

/* Makes the span reach over base … base + count; what is new of it is HOLE. */
static int span_reach(struct dvmd_bcast_span *s, uint32_t base, uint32_t count)
{
	struct dvmd_bcast_span w = { .lo = base, .hi = base + count };

	if (s->hi && s->lo < w.lo)
		w.lo = s->lo;
	if (s->hi > w.hi)
		w.hi = s->hi;
	if (s->hi && w.lo == s->lo && w.hi == s->hi)
		return 0;
	size_t n = w.hi - w.lo;
	w.ids = calloc(n, sizeof(*w.ids));
	w.codes = calloc(n, sizeof(*w.codes));
	w.states = calloc(n, 1);
	if (s->results)
		w.results = calloc(n, sizeof(*w.results));
	if (!w.ids || !w.codes || !w.states || (s->results && !w.results)) {
		free(w.ids);
		free(w.codes);
		free(w.states);
		free(w.results);
		return -ENOMEM;
	}
	span_move(&w, s);
	*s = w;
	return 0;
}

static bool contradicts(const struct dvmd_bcast_op *op, uint32_t base, uint32_t count,
			const uint32_t *ids)
{
	for (uint32_t i = 0; i < count; i++) {
		if (ids[i] != DVMI_BCAST_NOBODY &&
		    dvmd_bcast_op_state(op, base + i) != DVMD_BCAST_HOLE &&
		    dvmd_bcast_op_id(op, base + i) != ids[i])
			return true;
	}
	return false;
}

int dvmd_bcast_op_absorb(dvmd_bcast_t *b, struct dvmd_bcast_op *op, uint32_t base, uint32_t count,
			 const uint32_t *ids)
{
	struct dvmd_bcast_span *s = &op->span;

	if (contradicts(op, base, count, ids))
		return -EINVAL;
	if (span_reach(s, base, count) < 0)
		return -ENOMEM;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t at = base + i - s->lo;
		if (ids[i] == DVMI_BCAST_NOBODY || s->states[at] != DVMD_BCAST_HOLE)
			continue;
		s->ids[at] = ids[i];
		s->states[at] = DVMD_BCAST_UNASKED;
		if (ids[i] == b->self) {
			s->states[at] = DVMD_BCAST_PENDING;
			op->local = base + i;
		}
	}
	return 0;
}

/* --- who asks us --------------------------------------------------------- */

static bool unknown_yet(enum dvmd_bcast_pos state)
{
	return state == DVMD_BCAST_UNASKED || state == DVMD_BCAST_PENDING;
}

bool dvmd_bcast_op_open(const struct dvmd_bcast_op *op, uint32_t base, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		if (unknown_yet(dvmd_bcast_op_state(op, base + i)))
			return true;
	}
	return false;
}

struct dvmd_bcast_request *dvmd_bcast_op_request(struct dvmd_bcast_op *op, uint32_t from,
						 uint32_t base, uint32_t count)
{
	for (uint32_t i = 0; i < op->nrequests; i++) {
		struct dvmd_bcast_request *r = &op->requests[i];
		if (r->from == from && r->base == base && r->count == count)
			return r;
	}
	return NULL;
}

struct dvmd_bcast_request *dvmd_bcast_op_add_request(struct dvmd_bcast_op *op, uint32_t from,
						     uint32_t base, uint32_t count)
{
	struct dvmd_bcast_request *r = dvmd_bcast_op_request(op, from, base, count);

	if (r)
		return r;
	if (op->nrequests == DVMD_BCAST_REQUESTS_MAX)
		return NULL;
	r = realloc(op->requests, (op->nrequests + 1) * sizeof(*r));
	if (!r)
		return NULL;
	op->requests = r;
	r += op->nrequests++;
	*r = (struct dvmd_bcast_request){ .from = from, .base = base, .count = count };
	for (uint32_t i = 0; i < count; i++)
		r->left += unknown_yet(dvmd_bcast_op_state(op, base + i));
	return r;
}

/* --- what becomes known -------------------------------------------------- */

static void count_down(struct dvmd_bcast_op *op, uint32_t pos)
{
	for (uint32_t i = 0; i < op->nrequests; i++) {
		struct dvmd_bcast_request *r = &op->requests[i];
		if (pos >= r->base && pos - r->base < r->count)
			r->left--;
	}
}

void dvmd_bcast_op_known(struct dvmd_bcast_op *op, uint32_t pos, int32_t code)
{
	enum dvmd_bcast_pos was = dvmd_bcast_op_state(op, pos);

	if (was == DVMD_BCAST_HOLE || was == DVMD_BCAST_KNOWN)
		return;
	if (unknown_yet(was))
		count_down(op, pos);
	dvmd_bcast_op_set_state(op, pos, DVMD_BCAST_KNOWN);
	op->span.codes[pos - op->span.lo] = code;
}

void dvmd_bcast_op_gone(struct dvmd_bcast_op *op, uint32_t pos)
{
	if (!unknown_yet(dvmd_bcast_op_state(op, pos)))
		return;
	count_down(op, pos);
	dvmd_bcast_op_set_state(op, pos, DVMD_BCAST_GONE);
}

int dvmd_bcast_op_set_result(struct dvmd_bcast_op *op, uint32_t pos, const void *data, uint32_t len)
{
	struct dvmd_bcast_span *s = &op->span;

	if (dvmd_bcast_op_state(op, pos) == DVMD_BCAST_HOLE || len == 0)
		return 0;
	if (!s->results)
		s->results = calloc(s->hi - s->lo, sizeof(*s->results));
	if (!s->results)
		return -ENOMEM;
	struct dvmd_bcast_blob *r = &s->results[pos - s->lo];
	if (r->data)
		return 0;
	r->data = malloc(len);
	if (!r->data)
		return -ENOMEM;
	memcpy(r->data, data, len);
	r->len = len;
	return 0;
}

/* --- folding
 * -----------------------------------------------------------------------------------------------
 */

static bool same_run(const struct dvmd_bcast_op *op, uint32_t pos, const struct dvmi_bcast_run *r)
{
	const struct dvmd_bcast_span *s = &op->span;
	enum dvmd_bcast_pos state = dvmd_bcast_op_state(op, pos);

	if (r->kind == DVMI_BCAST_DEAD)
		return state == DVMD_BCAST_GONE;
	return state == DVMD_BCAST_KNOWN && s->codes[pos - s->lo] == r->code;
}

/* The runs of what MSG is about, into OUT unless that is NULL. Returns how many. */
static uint32_t runs_of(const struct dvmd_bcast_op *op, const struct dvmi_bcast_msg *msg,
			struct dvmi_bcast_run *out)
{
	struct dvmi_bcast_run run = { 0 };
	uint32_t n = 0;

	for (uint32_t pos = msg->base; pos < msg->base + msg->count; pos++) {
		enum dvmd_bcast_pos state = dvmd_bcast_op_state(op, pos);
		if (state < DVMD_BCAST_GONE)
			continue;
		if (run.count && run.pos + run.count == pos && same_run(op, pos, &run)) {
			run.count++;
		} else {
			bool known = state == DVMD_BCAST_KNOWN;
			run = (struct dvmi_bcast_run){
				.pos = pos,
				.count = 1,
				.kind = known ? DVMI_BCAST_CODE : DVMI_BCAST_DEAD,
				.code = known ? op->span.codes[pos - op->span.lo] : 0,
			};
			n++;
		}
		if (out)
			out[n - 1] = run;
	}
	return n;
}

static uint32_t results_of(const struct dvmd_bcast_op *op, const struct dvmi_bcast_msg *msg,
			   struct dvmi_bcast_result *out)
{
	const struct dvmd_bcast_span *s = &op->span;
	uint32_t n = 0;

	for (uint32_t pos = msg->base; s->results && pos < msg->base + msg->count; pos++) {
		if (dvmd_bcast_op_state(op, pos) != DVMD_BCAST_KNOWN)
			continue;
		const struct dvmd_bcast_blob *r = &s->results[pos - s->lo];
		if (!r->len)
			continue;
		if (out)
			out[n] = (struct dvmi_bcast_result){ .pos = pos,
							     .len = r->len,
							     .data = r->data };
		n++;
	}
	return n;
}

bool dvmd_bcast_op_fold(dvmd_bcast_t *b, const struct dvmd_bcast_op *op, struct dvmi_bcast_msg *msg)
{
	uint32_t nruns = runs_of(op, msg, NULL), nresults = results_of(op, msg, NULL);
	struct dvmi_bcast_run *runs = dvmd_bcast_out_block(&b->out, nruns * sizeof(*runs));
	struct dvmi_bcast_result *results =
		dvmd_bcast_out_block(&b->out, nresults * sizeof(*results));

	if (!runs || !results)
		return false;
	msg->nruns = runs_of(op, msg, runs);
	msg->nresults = results_of(op, msg, results);
	msg->runs = runs;
	msg->results = results;
	return true;
}

size_t dvmd_bcast_op_memory(const struct dvmd_bcast_op *op)
{
	const struct dvmd_bcast_span *s = &op->span;
	size_t n = s->hi - s->lo, bytes = sizeof(*op) + op->payload.len;

	bytes += n * (sizeof(*s->ids) + sizeof(*s->codes) + 1);
	for (size_t i = 0; s->results && i < n; i++)
		bytes += sizeof(*s->results) + s->results[i].len;
	return bytes + op->nrequests * sizeof(*op->requests) + op->asks_cap * sizeof(*op->asks);
}
