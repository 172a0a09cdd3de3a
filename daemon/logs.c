/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <utlist.h>

#include "daemon/client.h"
#include "daemon/logs.h"
#include "daemon/spool.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/base/clock.h"

#define PAGE_BYTES   (256u << 10)
#define PAGE_CHUNKS  4096
#define PAGE_TIMEOUT (5 * DVMI_SEC)
#define POLL_MS	     200
#define QUEUED_MAX   (4u << 20) /* towards a slow client */

/* ---- one node's page ---- */

struct page {
	Pb__LogsPage msg;
	size_t bytes;
};

static void page_free(struct page *p)
{
	for (size_t i = 0; i < p->msg.n_chunks; i++)
		dvmi_pb_free(p->msg.chunks[i]);
	free(p->msg.chunks);
}

static int page_read(struct page *p, struct dvmd_spool_reader *r, uint64_t skip)
{
	Pb__Chunk *c = NULL;
	int rc = skip ? dvmd_spool_reader_seek(r, skip) : 0;

	if (rc < 0)
		return rc;
	p->msg.chunks = calloc(PAGE_CHUNKS, sizeof *p->msg.chunks);
	if (!p->msg.chunks)
		return -ENOMEM;
	while (p->bytes < PAGE_BYTES && p->msg.n_chunks < PAGE_CHUNKS &&
	       dvmd_spool_reader_next(r, &c) == 1) {
		p->bytes += c->data.len + 32;
		p->msg.chunks[p->msg.n_chunks++] = c;
	}
	p->msg.next = dvmd_spool_reader_at(r);
	p->msg.more = p->bytes >= PAGE_BYTES || p->msg.n_chunks == PAGE_CHUNKS;
	p->msg.truncated = dvmd_spool_reader_flags(r) & DVMD_SPOOL_TRUNCATED;
	return 0;
}

/* The records of JOB on this node from the place SKIP on. No file is an empty page. */
static int local_page(struct dvmd *d, const Pb__JobRecord *r, uint64_t skip, struct page *p)
{
	char dir[512];
	struct dvmd_spool_reader *reader = NULL;
	dvm_error_t err = { 0 };

	pb__logs_page__init(&p->msg);
	p->bytes = 0;
	p->msg.next = skip;
	snprintf(dir, sizeof dir, "%s/jobs/%llu", d->setup.run_dir, (unsigned long long)r->id);
	cleanup_fd int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return 0;
	int rc = dvmd_spool_reader_open(&reader, fd, "output", r->spec->uid, &err);
	if (rc == 0)
		rc = page_read(p, reader, skip);
	else if (rc == -ENOENT)
		rc = 0;
	dvmd_spool_reader_close(reader);
	return rc;
}

static void serve_page(struct dvmd_call *call, const Pb__LogsRequest *req, const Pb__JobRecord *r)
{
	struct page p;
	int rc = local_page(call->d, r, req->skip, &p);

	if (rc < 0)
		dvmd_call_error(&call, rc, "output of job %llu: %s", (unsigned long long)r->id,
				dvm_strerror(rc));
	else
		dvmd_call_answer(&call, DVMI_MSG_LOGS, &p.msg);
	page_free(&p);
}

/* ---- gathering ---- */

struct source {
	struct gather *g;
	uint32_t node;
	uint64_t next;	    /* place in its file, as its node has told it */
	Pb__LogsPage *page; /* being given out, or NULL */
	size_t at;
	bool asking;
	bool at_end; /* nothing more for now */
	bool dead;   /* its node does not answer */
};

struct gather {
	struct gather *prev, *next; /* in dvmd's list */
	struct dvmd_call *call;
	uv_timer_t timer;
	Pb__LogsRequest *req;
	struct source *sources;
	size_t n;
	unsigned pending; /* requests under way */
	struct gather **list;
	bool closing;
};

static void step(struct gather *g);

static void on_timer_closed(uv_handle_t *h)
{
	struct gather *g = h->data;

	for (size_t i = 0; i < g->n; i++)
		dvmi_pb_free(g->sources[i].page);
	free(g->sources);
	dvmi_pb_free(g->req);
	free(g);
}

static void maybe_free(struct gather *g)
{
	if (g->closing && g->pending == 0 && !uv_is_closing((uv_handle_t *)&g->timer))
		uv_close((uv_handle_t *)&g->timer, on_timer_closed);
}

static void finish(struct gather *g, int code)
{
	if (g->call && code < 0)
		dvmd_call_error(&g->call, code, "%s", dvm_strerror(code));
	else if (g->call)
		dvmd_call_answer(&g->call, DVMI_MSG_OK, NULL);
	DL_DELETE(*g->list, g);
	g->closing = true;
	maybe_free(g);
}

static void take_page(struct source *s, Pb__LogsPage *page)
{
	dvmi_pb_free(s->page);
	s->page = page;
	s->at = 0;
	s->next = page->next;
	s->at_end = page->n_chunks == 0;
}

static void on_page(int code, const char *text, uint16_t type, const uint8_t *body, size_t len,
		    void *arg)
{
	struct source *s = arg;
	struct gather *g = s->g;
	Pb__LogsPage *page = NULL;

	g->pending--;
	s->asking = false;
	if (code < 0 || dvmi_pb_unpack(&pb__logs_page__descriptor, body, len, &page) < 0)
		s->dead = s->at_end = true;
	else
		take_page(s, page);
	if (g->closing)
		maybe_free(g);
	else
		step(g);
}

static void fetch_remote(struct source *s)
{
	struct gather *g = s->g;
	Pb__LogsRequest req = PB__LOGS_REQUEST__INIT;
	Pb__Forward f = PB__FORWARD__INIT;
	struct dvmi_buf inner = { 0 }, outer = { 0 };

	req.job = g->req->job;
	req.node = s->node;
	req.skip = s->next;
	dvmi_pb_pack(&inner, &req);
	f.type = DVMI_MSG_LOGS;
	f.body = (ProtobufCBinaryData){ .len = inner.len, .data = inner.data };
	f.uid = g->call->uid;
	f.gid = g->call->gid;
	f.user = g->call->user;
	dvmi_pb_pack(&outer, &f);
	if (!inner.err && !outer.err &&
	    dvmd_transport_request(g->call->d->wire, s->node, DVMI_MSG_FORWARD, outer.data,
				   outer.len, PAGE_TIMEOUT, on_page, s) == 0) {
		s->asking = true;
		g->pending++;
	} else {
		s->dead = s->at_end = true;
	}
	dvmi_buf_free(&inner);
	dvmi_buf_free(&outer);
}

static void fetch(struct source *s, const Pb__JobRecord *r)
{
	struct page p;

	if (s->node != s->g->call->d->self) {
		fetch_remote(s);
		return;
	}
	Pb__LogsPage *page = local_page(s->g->call->d, r, s->next, &p) == 0 ? dvmi_pb_dup(&p.msg) :
									      NULL;
	page_free(&p);
	if (page)
		take_page(s, page);
	else
		s->dead = s->at_end = true;
}

static const Pb__Chunk *head(const struct source *s)
{
	return s->page && s->at < s->page->n_chunks ? s->page->chunks[s->at] : NULL;
}

/* Every source has a record to give or nothing more for now; asks those that do not. */
static bool all_ready(struct gather *g, const Pb__JobRecord *r)
{
	bool ready = true;

	for (size_t i = 0; i < g->n; i++) {
		struct source *s = &g->sources[i];
		if (!head(s) && !s->at_end && !s->asking)
			fetch(s, r);
		ready &= head(s) || s->at_end;
	}
	return ready;
}

static struct source *oldest(struct gather *g)
{
	struct source *best = NULL;

	for (size_t i = 0; i < g->n; i++) {
		struct source *s = &g->sources[i];
		if (head(s) && (!best || head(s)->wall < head(best)->wall))
			best = s;
	}
	return best;
}

static bool wanted(const struct gather *g, const Pb__Chunk *c)
{
	for (size_t i = 0; i < g->req->n_ranks; i++)
		if (g->req->ranks[i] == c->rank)
			return true;
	return g->req->n_ranks == 0;
}

static void give(struct gather *g, struct source *s)
{
	Pb__Output out = PB__OUTPUT__INIT;
	Pb__Chunk *c = s->page->chunks[s->at++];

	out.job = g->req->job;
	out.node = s->node;
	out.chunks = &c;
	out.n_chunks = 1;
	if (wanted(g, c))
		dvmd_call_more(g->call, DVMI_MSG_OUTPUT, &out);
}

static void on_timer(uv_timer_t *t)
{
	struct gather *g = t->data;

	for (size_t i = 0; i < g->n; i++)
		g->sources[i].at_end = g->sources[i].dead;
	step(g);
}

/* Gives out what there is; then ends, or waits for more. */
static void step(struct gather *g)
{
	struct dvmd *d = g->call->d;
	const Pb__JobRecord *r = dvmd_cstate_job(dvmd_state(d), g->req->job);
	bool over = !r || r->state == PB__JOB_STATE__JOB_DONE;
	struct source *s;

	if (!dvmd_client_alive(d->clients, g->call->session)) {
		finish(g, -EPIPE);
		return;
	}
	while (r && all_ready(g, r) && (s = oldest(g))) {
		if (dvmd_client_queued(d->clients, g->call->session) > QUEUED_MAX) {
			uv_timer_start(&g->timer, on_timer, POLL_MS / 10, 0);
			return;
		}
		give(g, s);
	}
	if (g->pending)
		return;
	if (over || !g->req->follow)
		finish(g, 0);
	else
		uv_timer_start(&g->timer, on_timer, POLL_MS, 0);
}

static void gather_start(struct dvmd_call *call, Pb__LogsRequest *req, const Pb__JobRecord *r)
{
	struct gather *g = calloc(1, sizeof *g);

	if (g)
		g->sources = calloc(r->placement->n_nodes + 1, sizeof *g->sources);
	if (!g || !g->sources) {
		free(g);
		dvmi_pb_free(req);
		dvmd_call_error(&call, -ENOMEM, "out of memory");
		return;
	}
	g->call = call;
	g->req = req;
	for (size_t i = 0; i < r->placement->n_nodes; i++)
		g->sources[g->n++] = (struct source){ .g = g, .node = r->placement->nodes[i]->node };
	uv_timer_init(call->d->loop, &g->timer);
	g->timer.data = g;
	g->list = &call->d->gathers;
	DL_APPEND(*g->list, g);
	step(g);
}

void dvmd_logs_stop(struct dvmd *d)
{
	while (d->gathers)
		finish(d->gathers, -ECANCELED);
}

void dvmd_logs_serve(struct dvmd_call *call, const uint8_t *body, size_t len)
{
	Pb__LogsRequest *req = NULL;

	if (dvmi_pb_unpack(&pb__logs_request__descriptor, body, len, &req) < 0) {
		dvmd_call_error(&call, -DVM_EPROTO, "malformed request");
		return;
	}
	const Pb__JobRecord *r = dvmd_cstate_job(dvmd_state(call->d), req->job);
	if (!r) {
		dvmd_call_error(&call, -ENOENT, "no job %llu", (unsigned long long)req->job);
	} else if (!dvmd_call_may(call, r->spec->uid)) {
		dvmd_call_error(&call, -EPERM, "job %llu belongs to %s",
				(unsigned long long)req->job, r->spec->user);
	} else if (req->node) {
		serve_page(call, req, r);
	} else {
		gather_start(call, req, r);
		return; /* it has the request now */
	}
	dvmi_pb_free(req);
}
