/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>

#include "dvm/error.h"
#include "libdvm/proto/bcast_msg.h"

#define RUN_BYTES	 13 /* pos, count, code, kind */
#define RESULT_BYTES_MIN 8  /* pos, length */

static bool header_ok(const struct dvmi_bcast_msg *m)
{
	if (m->type < DVMI_BCAST_REQUEST || m->type > DVMI_BCAST_UNKNOWN)
		return false;
	if (m->final > 1 || (m->final && m->type != DVMI_BCAST_ANSWER))
		return false;
	return m->count >= 1 && m->count <= DVMI_BCAST_NODES_MAX &&
	       m->base <= DVMI_BCAST_NODES_MAX - m->count;
}

static bool request_ok(const struct dvmi_bcast_msg *m)
{
	return m->width >= DVMI_BCAST_WIDTH_MIN && m->width <= DVMI_BCAST_WIDTH_MAX &&
	       m->remaining <= DVMI_BCAST_TIME_MAX && m->payload_len <= DVMI_BCAST_PAYLOAD_MAX;
}

/* Inside the message's range and behind NEXT, the first position not yet spoken of. */
static bool run_ok(const struct dvmi_bcast_msg *m, const struct dvmi_bcast_run *r, uint32_t next)
{
	return r->kind <= DVMI_BCAST_DEAD && (r->kind == DVMI_BCAST_CODE || r->code == 0) &&
	       r->pos >= next && r->count >= 1 && r->count <= m->count &&
	       r->pos - m->base <= m->count - r->count;
}

static bool result_ok(const struct dvmi_bcast_msg *m, const struct dvmi_bcast_result *r,
		      uint32_t next)
{
	return r->pos >= next && r->pos - m->base < m->count && r->len >= 1 &&
	       r->len <= DVMI_BCAST_RESULT_MAX;
}

static bool answer_ok(const struct dvmi_bcast_msg *m)
{
	uint32_t next = m->base;

	for (uint32_t i = 0; i < m->nruns; i++) {
		if (!run_ok(m, &m->runs[i], next))
			return false;
		next = m->runs[i].pos + m->runs[i].count;
	}
	next = m->base;
	for (uint32_t i = 0; i < m->nresults; i++) {
		if (!result_ok(m, &m->results[i], next))
			return false;
		next = m->results[i].pos + 1;
	}
	return true;
}

static bool body_ok(const struct dvmi_bcast_msg *m)
{
	if (m->type == DVMI_BCAST_REQUEST)
		return request_ok(m);
	if (m->type == DVMI_BCAST_ANSWER)
		return answer_ok(m);
	return true;
}

/* --- writing ------------------------------------------------------------- */

static void put_request(struct dvmi_buf *b, const struct dvmi_bcast_msg *m)
{
	dvmi_buf_put_u8(b, m->width);
	dvmi_buf_put_u64(b, m->remaining);
	for (uint32_t i = 0; i < m->count; i++)
		dvmi_buf_put_u32(b, m->ids[i]);
	dvmi_buf_put_blob(b, m->payload, m->payload_len);
}

static void put_answer(struct dvmi_buf *b, const struct dvmi_bcast_msg *m)
{
	dvmi_buf_put_u32(b, m->nruns);
	for (uint32_t i = 0; i < m->nruns; i++) {
		dvmi_buf_put_u32(b, m->runs[i].pos);
		dvmi_buf_put_u32(b, m->runs[i].count);
		dvmi_buf_put_u32(b, (uint32_t)m->runs[i].code);
		dvmi_buf_put_u8(b, m->runs[i].kind);
	}
	dvmi_buf_put_u32(b, m->nresults);
	for (uint32_t i = 0; i < m->nresults; i++) {
		dvmi_buf_put_u32(b, m->results[i].pos);
		dvmi_buf_put_blob(b, m->results[i].data, m->results[i].len);
	}
}

int dvmi_bcast_msg_encode(const struct dvmi_bcast_msg *m, struct dvmi_buf *b)
{
	if (!header_ok(m) || !body_ok(m))
		return -EINVAL;
	dvmi_buf_put_u8(b, m->type);
	dvmi_buf_put_u8(b, m->final);
	dvmi_buf_put_u32(b, m->origin);
	dvmi_buf_put_u64(b, m->op);
	dvmi_buf_put_u32(b, m->base);
	dvmi_buf_put_u32(b, m->count);
	if (m->type == DVMI_BCAST_REQUEST)
		put_request(b, m);
	else if (m->type == DVMI_BCAST_ANSWER)
		put_answer(b, m);
	return b->err;
}

/* --- reading ------------------------------------------------------------------------------------
 */

/*
 * Room for N things of SIZE, each of which takes at least WIRE more bytes in R: so a length that
 * lies costs no memory.
 */
static void *room(struct dvmi_reader *r, uint32_t n, size_t wire, size_t size)
{
	if (r->err || n == 0)
		return NULL;
	if ((size_t)(r->end - r->p) / wire < n) {
		r->err = -DVM_EPROTO;
		return NULL;
	}
	void *p = calloc(n, size);
	if (!p)
		r->err = -ENOMEM;
	return p;
}

static void get_request(struct dvmi_reader *r, struct dvmi_bcast_msg *m)
{
	m->width = dvmi_get_u8(r);
	m->remaining = dvmi_get_u64(r);
	uint32_t *ids = room(r, m->count, sizeof(*ids), sizeof(*ids));
	m->ids = ids;
	for (uint32_t i = 0; ids && i < m->count; i++)
		ids[i] = dvmi_get_u32(r);
	m->payload = dvmi_get_blob(r, DVMI_BCAST_PAYLOAD_MAX, &m->payload_len);
}

static void get_runs(struct dvmi_reader *r, struct dvmi_bcast_msg *m)
{
	uint32_t n = dvmi_get_u32(r);
	struct dvmi_bcast_run *runs = room(r, n, RUN_BYTES, sizeof(*runs));

	m->runs = runs;
	m->nruns = runs ? n : 0;
	for (uint32_t i = 0; i < m->nruns; i++) {
		runs[i].pos = dvmi_get_u32(r);
		runs[i].count = dvmi_get_u32(r);
		runs[i].code = (int32_t)dvmi_get_u32(r);
		runs[i].kind = dvmi_get_u8(r);
	}
}

static void get_results(struct dvmi_reader *r, struct dvmi_bcast_msg *m)
{
	uint32_t n = dvmi_get_u32(r);
	struct dvmi_bcast_result *results = room(r, n, RESULT_BYTES_MIN, sizeof(*results));

	m->results = results;
	m->nresults = results ? n : 0;
	for (uint32_t i = 0; i < m->nresults; i++) {
		results[i].pos = dvmi_get_u32(r);
		results[i].data = dvmi_get_blob(r, DVMI_BCAST_RESULT_MAX, &results[i].len);
	}
}

static int get_body(struct dvmi_reader *r, struct dvmi_bcast_msg *m)
{
	if (m->type == DVMI_BCAST_REQUEST) {
		get_request(r, m);
	} else if (m->type == DVMI_BCAST_ANSWER) {
		get_runs(r, m);
		get_results(r, m);
	}
	int err = dvmi_reader_done(r);
	if (err < 0)
		return err;
	return body_ok(m) ? 0 : -DVM_EPROTO;
}

int dvmi_bcast_msg_decode(struct dvmi_bcast_msg *out, const void *p, size_t n)
{
	struct dvmi_bcast_msg m = { .decoded = true };
	struct dvmi_reader r;

	dvmi_reader_init(&r, p, n);
	m.type = dvmi_get_u8(&r);
	m.final = dvmi_get_u8(&r);
	m.origin = dvmi_get_u32(&r);
	m.op = dvmi_get_u64(&r);
	m.base = dvmi_get_u32(&r);
	m.count = dvmi_get_u32(&r);
	if (r.err || !header_ok(&m))
		return -DVM_EPROTO;
	int err = get_body(&r, &m);
	if (err < 0) {
		dvmi_bcast_msg_free(&m);
		return err;
	}
	*out = m;
	return 0;
}

void dvmi_bcast_msg_free(struct dvmi_bcast_msg *m)
{
	if (m->decoded) {
		free((void *)m->ids);
		free((void *)m->runs);
		free((void *)m->results);
	}
	*m = (struct dvmi_bcast_msg){ 0 };
}

const char *dvmi_bcast_msg_type_name(unsigned type)
{
	static const char *const names[] = { "?", "request", "answer", "query", "unknown" };

	return type <= DVMI_BCAST_UNKNOWN ? names[type] : "?";
}

const char *dvmi_bcast_kind_name(unsigned kind)
{
	static const char *const names[] = { "code", "dead", "no answer" };

	return kind <= DVMI_BCAST_NOANSWER ? names[kind] : "?";
}
