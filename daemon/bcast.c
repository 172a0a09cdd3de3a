/* SPDX-License-Identifier: BSD-3-Clause */
/* The broadcast engine: its inputs and its time. See daemon/bcast.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/bcast_private.h"
#include "libdvm/base/clock.h"

void dvmd_bcast_conf_init(struct dvmd_bcast_conf *conf)
{
	*conf = (struct dvmd_bcast_conf){
		.size = sizeof(*conf), .width = 8, .ops_max = 4096, .keep = 30 * DVMI_SEC
	};
}

int dvmd_bcast_create(dvmd_bcast_t **out, const struct dvmd_bcast_conf *conf, uint32_t self,
		      uint64_t first_op)
{
	if (conf->size != sizeof(*conf) || conf->width < DVMI_BCAST_WIDTH_MIN ||
	    conf->width > DVMI_BCAST_WIDTH_MAX || !conf->ops_max || self == DVMI_BCAST_NOBODY)
		return -EINVAL;
	dvmd_bcast_t *b = calloc(1, sizeof(*b));
	if (!b)
		return -ENOMEM;
	b->conf = *conf;
	b->self = self;
	b->next_op = first_op;
	*out = b;
	return 0;
}

void dvmd_bcast_destroy(dvmd_bcast_t *b)
{
	struct dvmd_bcast_op *op, *next;

	if (!b)
		return;
	HASH_ITER (hh, b->ops, op, next)
		dvmd_bcast_op_free(b, op);
	dvmd_bcast_out_free(&b->out);
	free(b->down);
	free(b);
}

static void wake(dvmd_bcast_t *b, uint64_t now)
{
	b->now = now;
	dvmd_bcast_out_begin(&b->out);
}

static void rearm(struct dvmd_bcast_op *op)
{
	op->wake = op->expires;
	if (op->over)
		return;
	if (op->deadline < op->wake)
		op->wake = op->deadline;
	if (op->rescue_at < op->wake)
		op->wake = op->rescue_at;
	for (uint32_t i = 0; i < op->nasks; i++) {
		if (op->asks[i].poll_at < op->wake)
			op->wake = op->asks[i].poll_at;
	}
}

/* --- answering ----------------------------------------------------------- */

static void say_done(dvmd_bcast_t *b, struct dvmd_bcast_op *op, const struct dvmd_bcast_request *r)
{
	struct dvmd_bcast_queued *q = dvmd_bcast_out_push(&b->out, DVMD_BCAST_DONE, b->self);

	if (!q)
		return;
	q->act.op = op->key.op;
	q->act.n = r->count;
	for (uint32_t pos = 0; pos < r->count; pos++)
		q->act.missing += dvmd_bcast_op_state(op, pos) != DVMD_BCAST_KNOWN;
}

static void send_answer(dvmd_bcast_t *b, struct dvmd_bcast_op *op, uint32_t to, uint32_t base,
			uint32_t count, bool final)
{
	struct dvmi_bcast_msg folded = { .base = base, .count = count };

	/* Without memory nothing is said, and the asker will come again. */
	if (!dvmd_bcast_op_fold(b, op, &folded))
		return;
	struct dvmi_bcast_msg *msg =
		dvmd_bcast_out_send(b, to, DVMI_BCAST_ANSWER, &op->key, base, count);
	if (!msg)
		return;
	msg->final = final;
	msg->nruns = folded.nruns;
	msg->runs = folded.runs;
	msg->nresults = folded.nresults;
	msg->results = folded.results;
}

static void answer_request(dvmd_bcast_t *b, struct dvmd_bcast_op *op, struct dvmd_bcast_request *r)
{
	r->answered = true;
	if (r->from != b->self) {
		send_answer(b, op, r->from, r->base, r->count, true);
		return;
	}
	say_done(b, op, r);
	op->over = true;
}

/* Every input that touched OP ends here. ALL: also what is not complete. */
static void settle(dvmd_bcast_t *b, struct dvmd_bcast_op *op, bool all)
{
	for (uint32_t i = 0; i < op->nrequests; i++) {
		struct dvmd_bcast_request *r = &op->requests[i];
		if (!r->answered && (all || r->left == 0))
			answer_request(b, op, r);
	}
	op->over |= all;
	if (op->over)
		op->nasks = 0;
	rearm(op);
}

static void deliver(dvmd_bcast_t *b, struct dvmd_bcast_op *op)
{
	if (op->delivered || op->local == DVMI_BCAST_NOBODY)
		return;
	struct dvmd_bcast_queued *q =
		dvmd_bcast_out_push(&b->out, DVMD_BCAST_DELIVER, op->key.origin);
	if (!q)
		return; /* asked again, it is tried again */
	op->delivered = true;
	q->act.op = op->key.op;
	q->act.payload = op->payload.data;
	q->act.payload_len = op->payload.len;
}

/* --- the caller's side --------------------------------------------------- */

static int check_start(const uint32_t *ids, size_t n, size_t len, uint64_t time)
{
	if (n > DVMI_BCAST_NODES_MAX || len > DVMI_BCAST_PAYLOAD_MAX)
		return -E2BIG;
	if (n == 0 || time == 0 || time > DVMI_BCAST_TIME_MAX)
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		if (ids[i] == DVMI_BCAST_NOBODY)
			return -EINVAL;
	}
	return 0;
}

int dvmd_bcast_start(dvmd_bcast_t *b, uint64_t now, const uint32_t *ids, size_t n,
		     const void *payload, size_t len, uint64_t time, uint64_t *op_id)
{
	struct dvmd_bcast_op *op;
	int err = check_start(ids, n, len, time);

	wake(b, now);
	if (err == 0)
		err = dvmd_bcast_op_create(b, b->self, b->next_op, now + time, payload,
					   (uint32_t)len, &op);
	if (err < 0)
		return err;
	op->width = (uint8_t)b->conf.width;
	op->rescue_at = now + time / 2;
	if (dvmd_bcast_op_absorb(b, op, 0, (uint32_t)n, ids) < 0 ||
	    !dvmd_bcast_op_add_request(op, b->self, 0, (uint32_t)n)) {
		dvmd_bcast_op_free(b, op);
		return -ENOMEM;
	}
	*op_id = b->next_op++;
	dvmd_bcast_ask_dispatch(b, op, 0, (uint32_t)n, false, false);
	deliver(b, op);
	settle(b, op, false);
	return 0;
}

int dvmd_bcast_answer(dvmd_bcast_t *b, uint64_t now, uint32_t origin, uint64_t op_id, int32_t code,
		      const void *result, size_t len)
{
	struct dvmd_bcast_op *op = dvmd_bcast_op_find(b, origin, op_id);

	wake(b, now);
	if (len > DVMI_BCAST_RESULT_MAX)
		return -E2BIG;
	if (!op || !op->delivered || (op->over && origin == b->self))
		return -ENOENT;
	if (dvmd_bcast_op_state(op, op->local) == DVMD_BCAST_KNOWN)
		return -EALREADY;
	if (dvmd_bcast_op_set_result(op, op->local, result, (uint32_t)len) < 0)
		return -ENOMEM;
	dvmd_bcast_op_known(op, op->local, code);
	/* Too late for who asked us: the origin may still wait. */
	if (op->over && !dvmd_bcast_is_down(b, origin))
		send_answer(b, op, origin, op->local, 1, true);
	settle(b, op, false);
	return 0;
}

int dvmd_bcast_done_at(const dvmd_bcast_t *b, const struct dvmd_bcast_act *done, uint32_t i,
		       uint32_t *id, struct dvmd_bcast_status *status)
{
	const struct dvmd_bcast_op *op = dvmd_bcast_op_find((dvmd_bcast_t *)b, b->self, done->op);

	if (!op || i >= op->span.hi)
		return -ENOENT;
	enum dvmd_bcast_pos state = dvmd_bcast_op_state(op, i);
	const struct dvmd_bcast_blob *r = op->span.results ? &op->span.results[i] : NULL;
	*id = op->span.ids[i];
	*status = (struct dvmd_bcast_status){ .kind = DVMI_BCAST_NOANSWER };
	if (state == DVMD_BCAST_KNOWN) {
		status->kind = DVMI_BCAST_CODE;
		status->code = op->span.codes[i];
		status->result = r ? r->data : NULL;
		status->len = r ? r->len : 0;
	} else if (state == DVMD_BCAST_GONE || dvmd_bcast_is_down(b, *id)) {
		status->kind = DVMI_BCAST_DEAD;
	}
	return 0;
}

/* --- messages ------------------------------------------------------------ */

/* Too many operations: the parent has to see to the rest of this part itself. */
static void refuse(dvmd_bcast_t *b, uint32_t to, const struct dvmi_bcast_msg *msg)
{
	const struct dvmd_bcast_key key = { .op = msg->op, .origin = msg->origin };
	struct dvmi_bcast_run *run = dvmd_bcast_out_block(&b->out, sizeof(*run));
	struct dvmi_bcast_msg *answer;

	if (!run)
		return;
	answer = dvmd_bcast_out_send(b, to, DVMI_BCAST_ANSWER, &key, msg->base, msg->count);
	if (!answer)
		return;
	*run = (struct dvmi_bcast_run){ .pos = msg->base, .count = 1, .code = -EAGAIN };
	answer->runs = run;
	answer->nruns = 1;
	answer->final = 1;
}

static struct dvmd_bcast_op *op_for_request(dvmd_bcast_t *b, uint32_t from,
					    const struct dvmi_bcast_msg *msg)
{
	struct dvmd_bcast_op *op = dvmd_bcast_op_find(b, msg->origin, msg->op);
	uint64_t deadline = b->now + msg->remaining;

	if (!op) {
		int err = dvmd_bcast_op_create(b, msg->origin, msg->op, deadline, msg->payload,
					       msg->payload_len, &op);
		if (err == -EAGAIN)
			refuse(b, from, msg);
		if (err < 0)
			return NULL;
		op->width = msg->width;
	}
	if (deadline > op->deadline) {
		op->deadline = deadline;
		op->expires = deadline + b->conf.keep;
	}
	op->over = false;
	return op;
}

static void request_received(dvmd_bcast_t *b, uint32_t from, const struct dvmi_bcast_msg *msg)
{
	/* Nobody has to tell us about our own operations. */
	if (msg->ids[0] != b->self || msg->origin == b->self)
		return;
	struct dvmd_bcast_op *op = op_for_request(b, from, msg);
	if (!op)
		return;
	if (dvmd_bcast_op_absorb(b, op, msg->base, msg->count, msg->ids) == 0) {
		struct dvmd_bcast_request *r =
			dvmd_bcast_op_add_request(op, from, msg->base, msg->count);
		if (r)
			r->answered = false; /* asked again, answered again */
		dvmd_bcast_ask_dispatch(b, op, msg->base, msg->base + msg->count, false, false);
		deliver(b, op);
	}
	settle(b, op, false);
}

/* The request a query is about; one for our own answer alone may come first by a query. */
static struct dvmd_bcast_request *request_for_query(struct dvmd_bcast_op *op, uint32_t from,
						    const struct dvmi_bcast_msg *msg)
{
	if (msg->count == 1 && msg->base == op->local)
		return dvmd_bcast_op_add_request(op, from, msg->base, 1);
	return dvmd_bcast_op_request(op, from, msg->base, msg->count);
}

static void query_received(dvmd_bcast_t *b, uint32_t from, const struct dvmi_bcast_msg *msg)
{
	const struct dvmd_bcast_key key = { .op = msg->op, .origin = msg->origin };
	struct dvmd_bcast_op *op = dvmd_bcast_op_find(b, msg->origin, msg->op);
	struct dvmd_bcast_request *r = op ? request_for_query(op, from, msg) : NULL;

	if (!r) {
		dvmd_bcast_out_send(b, from, DVMI_BCAST_UNKNOWN, &key, msg->base, msg->count);
		return;
	}
	r->answered |= r->left == 0;
	send_answer(b, op, from, msg->base, msg->count, r->left == 0);
}

static void take_runs(struct dvmd_bcast_op *op, const struct dvmi_bcast_msg *msg)
{
	for (uint32_t i = 0; i < msg->nresults; i++) {
		const struct dvmi_bcast_result *r = &msg->results[i];
		/* Without memory the code is still worth having. */
		dvmd_bcast_op_set_result(op, r->pos, r->data, r->len);
	}
	for (uint32_t i = 0; i < msg->nruns; i++) {
		const struct dvmi_bcast_run *r = &msg->runs[i];
		for (uint32_t pos = r->pos; pos < r->pos + r->count; pos++) {
			if (pos == op->local)
				continue; /* we know better */
			if (r->kind == DVMI_BCAST_CODE)
				dvmd_bcast_op_known(op, pos, r->code);
			else
				dvmd_bcast_op_gone(op, pos);
		}
	}
}

static void answer_received(dvmd_bcast_t *b, uint32_t from, const struct dvmi_bcast_msg *msg)
{
	struct dvmd_bcast_op *op = dvmd_bcast_op_find(b, msg->origin, msg->op);

	if (!op || op->over)
		return;
	take_runs(op, msg);
	dvmd_bcast_ask_heard(op, from);
	if (msg->final)
		dvmd_bcast_ask_final(b, op, from, msg->base, msg->count);
	settle(b, op, false);
}

static void unknown_received(dvmd_bcast_t *b, uint32_t from, const struct dvmi_bcast_msg *msg)
{
	struct dvmd_bcast_op *op = dvmd_bcast_op_find(b, msg->origin, msg->op);

	if (!op || op->over)
		return;
	dvmd_bcast_ask_heard(op, from);
	dvmd_bcast_ask_unknown(b, op, from);
	settle(b, op, false);
}

void dvmd_bcast_receive(dvmd_bcast_t *b, uint64_t now, uint32_t from,
			const struct dvmi_bcast_msg *msg)
{
	wake(b, now);
	if (from == b->self)
		return;
	if (msg->type == DVMI_BCAST_REQUEST)
		request_received(b, from, msg);
	else if (msg->type == DVMI_BCAST_QUERY)
		query_received(b, from, msg);
	else if (msg->type == DVMI_BCAST_ANSWER)
		answer_received(b, from, msg);
	else if (msg->type == DVMI_BCAST_UNKNOWN)
		unknown_received(b, from, msg);
}

/* --- membership ---------------------------------------------------------- */

static size_t down_place(const dvmd_bcast_t *b, uint32_t id)
{
	size_t i = 0;

	while (i < b->ndown && b->down[i] < id)
		i++;
	return i;
}

static void remember_down(dvmd_bcast_t *b, uint32_t id)
{
	size_t i = down_place(b, id);

	if (i < b->ndown && b->down[i] == id)
		return;
	if (b->ndown == b->down_cap) {
		size_t cap = b->down_cap ? 2 * b->down_cap : 8;
		void *down = realloc(b->down, cap * sizeof(*b->down));
		if (!down)
			return; /* it will be found silent instead */
		b->down = down;
		b->down_cap = cap;
	}
	memmove(&b->down[i + 1], &b->down[i], (b->ndown - i) * sizeof(*b->down));
	b->down[i] = id;
	b->ndown++;
}

/* Who asked us is dead: what it would have passed on goes to the origin. */
static void redirect(struct dvmd_bcast_op *op, uint32_t dead)
{
	for (uint32_t i = 0; i < op->nrequests; i++) {
		struct dvmd_bcast_request *r = &op->requests[i];
		if (r->from != dead)
			continue;
		r->from = op->key.origin;
		r->answered = false;
	}
}

static void op_down(dvmd_bcast_t *b, struct dvmd_bcast_op *op, uint32_t id)
{
	if (op->over)
		return;
	if (op->key.origin == id) {
		op->over = true; /* nobody wants to know any more */
	} else {
		redirect(op, id);
		dvmd_bcast_ask_down(b, op, id);
	}
	settle(b, op, false);
}

void dvmd_bcast_node_down(dvmd_bcast_t *b, uint64_t now, uint32_t id)
{
	struct dvmd_bcast_op *op, *next;

	wake(b, now);
	if (id == b->self)
		return;
	remember_down(b, id);
	HASH_ITER (hh, b->ops, op, next)
		op_down(b, op, id);
}

void dvmd_bcast_node_up(dvmd_bcast_t *b, uint64_t now, uint32_t id)
{
	size_t i = down_place(b, id);

	wake(b, now);
	if (i == b->ndown || b->down[i] != id)
		return;
	b->ndown--;
	memmove(&b->down[i], &b->down[i + 1], (b->ndown - i) * sizeof(*b->down));
}

/* --- time
 * ------------------------------------------------------------------------------------------------------
 */

static void op_tick(dvmd_bcast_t *b, struct dvmd_bcast_op *op)
{
	if (op->expires <= b->now) {
		dvmd_bcast_op_free(b, op);
		return;
	}
	bool late = !op->over && op->deadline <= b->now;
	if (!op->over && !late) {
		dvmd_bcast_ask_poll(b, op);
		if (op->rescue_at <= b->now)
			dvmd_bcast_ask_rescue(b, op);
	}
	settle(b, op, late);
}

void dvmd_bcast_tick(dvmd_bcast_t *b, uint64_t now)
{
	struct dvmd_bcast_op *op, *next;

	wake(b, now);
	HASH_ITER (hh, b->ops, op, next) {
		if (op->wake <= now)
			op_tick(b, op);
	}
}

uint64_t dvmd_bcast_next_deadline(const dvmd_bcast_t *b)
{
	uint64_t at = DVMD_BCAST_NEVER;

	for (const struct dvmd_bcast_op *op = b->ops; op; op = op->hh.next) {
		if (op->wake < at)
			at = op->wake;
	}
	return at;
}

size_t dvmd_bcast_count(const dvmd_bcast_t *b)
{
	return HASH_COUNT(b->ops);
}

size_t dvmd_bcast_memory(const dvmd_bcast_t *b)
{
	size_t bytes = sizeof(*b) + b->down_cap * sizeof(*b->down) +
		       b->out.cap * sizeof(*b->out.acts) +
		       b->out.blocks_cap * sizeof(*b->out.blocks);

	for (const struct dvmd_bcast_op *op = b->ops; op; op = op->hh.next)
		bytes += dvmd_bcast_op_memory(op);
	return bytes;
}
