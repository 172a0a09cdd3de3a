/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Starting tasks together. Each of them says READY before it becomes its program; when all have, or
 * cannot any more, those that are ready get ids in the order of the request, and the asker is
 * answered: ids first, then why the others are not there.
 */
#include <stdio.h>

#include "daemon/pvm/world_private.h"
#include "daemon/pvm/xdr.h"

#define ARCH "LINUX64"

/* What was asked. */
struct request {
	int flags, count, ctx;
	char *where, *file, *wdir;
	char **argv, **env; /* ended by NULL; argv[0] is the file */
	uint32_t argc, nenv;
	struct pvm_where out, trace;
};

static void get_where(struct dvmi_reader *r, struct pvm_where *x)
{
	x->tid = (int)dvmi_get_u32(r);
	x->tag = (int)dvmi_get_u32(r);
	x->ctx = (int)dvmi_get_u32(r);
}

static char **get_list(struct dvmi_reader *r, uint32_t *n, uint32_t first)
{
	uint32_t count = dvmi_get_u32(r);

	if (r->err || count > (size_t)(r->end - r->p) / 4)
		return NULL;
	char **list = calloc(count + first + 1, sizeof *list);
	for (uint32_t i = 0; list && i < count; i++)
		list[first + i] = dvmi_get_str(r, 1u << 20);
	*n = count;
	return list;
}

static bool get_request(struct dvmi_reader *r, struct request *q)
{
	q->flags = (int)dvmi_get_u32(r);
	q->where = dvmi_get_str(r, PVMI_NAME_MAX);
	q->count = (int)dvmi_get_u32(r);
	q->file = dvmi_get_str(r, PVMI_NAME_MAX);
	q->wdir = dvmi_get_str(r, PVMI_NAME_MAX);
	q->argv = get_list(r, &q->argc, 1);
	q->env = get_list(r, &q->nenv, 0);
	get_where(r, &q->out);
	get_where(r, &q->trace);
	q->ctx = (int)dvmi_get_u32(r);
	if (q->argv)
		q->argv[0] = q->file;
	return dvmi_reader_done(r) == 0 && q->argv && q->env && q->count > 0 && q->count <= 65536;
}

static void free_list(char **list)
{
	for (size_t i = 0; list && list[i]; i++)
		free(list[i]);
	free(list);
}

static void free_request(struct request *q)
{
	if (q->argv)
		free_list(q->argv); /* the file is in it */
	else
		free(q->file);
	free_list(q->env);
	free(q->where);
	free(q->wdir);
}

/* ---- where ---- */

/* The host of whoever asks. */
static bool is_here(const struct pvm_world *w, const char *where)
{
	return strcmp(where, ".") == 0 ||
	       (strcmp(where, "localhost") == 0 && !pvm_host_named(w, where));
}

static bool chosen(const struct pvm_world *w, const struct request *q, const struct task *t,
		   const struct host *h)
{
	bool in = true;

	if (q->flags & PvmTaskHost)
		in = is_here(w, q->where) ? h->index == t->host : strcmp(q->where, h->name) == 0;
	else if (q->flags & PvmTaskArch)
		in = strcmp(q->where, ARCH) == 0;
	return q->flags & PvmHostCompl ? !in : in;
}

/* The names of all hosts that will do; "" where none does. */
static void choose(const struct pvm_world *w, const struct request *q, const struct task *t,
		   struct dvmi_buf *names)
{
	for (uint32_t i = 0; i < w->nhosts; i++)
		if (w->hosts[i].up && chosen(w, q, t, &w->hosts[i]))
			dvmi_buf_printf(names, "%s%s", names->len ? "," : "", w->hosts[i].name);
	dvmi_buf_put_u8(names, 0);
}

/* ---- life of a spawn ---- */

static struct spawn *find(const struct pvm_world *w, uint32_t id)
{
	struct spawn *s = w->spawns;

	while (s && s->id != id)
		s = s->next;
	return s;
}

static void take_lists(struct spawn *s, struct request *q)
{
	s->argv = q->argv;
	s->env = q->env;
	s->argv[0] = s->file;
	q->argv = q->env = NULL;
}

static struct spawn *new_spawn(struct pvm_world *w, struct request *q, const struct task *t,
			       uint32_t question)
{
	struct spawn *s = calloc(1, sizeof *s);

	if (!s)
		return NULL;
	s->items = calloc((size_t)q->count, sizeof *s->items);
	s->file = strdup(q->file);
	if (!s->items || !s->file) {
		free(s->items);
		free(s->file);
		free(s);
		return NULL;
	}
	take_lists(s, q);
	s->flags = q->flags;
	s->id = ++w->last_spawn;
	snprintf(s->nonce, sizeof s->nonce, "%08x%08x", (unsigned)t->tid, (unsigned)question);
	s->asker = t->tid;
	s->question = question;
	s->parent = q->flags & PvmNoSpawnParent ? PvmParentNotSet : t->tid;
	s->ctx = q->ctx;
	s->out = q->out;
	s->trace = q->trace;
	s->n = (uint32_t)q->count;
	s->next = w->spawns;
	w->spawns = s;
	return s;
}

static void free_spawn(struct pvm_world *w, struct spawn *s)
{
	struct spawn **p = &w->spawns;

	while (*p != s)
		p = &(*p)->next;
	*p = s->next;
	for (uint32_t i = 0; i < s->n; i++) {
		dvmi_buf_free(&s->items[i].said);
		free(s->items[i].path);
		free(s->items[i].socket);
	}
	free_list(s->argv); /* the file is in it */
	free_list(s->env);
	free(s->items);
	free(s);
}

static int *siblings(const struct spawn *s, uint32_t n)
{
	int *tids = calloc(n + 1, sizeof *tids);
	uint32_t k = 0;

	for (uint32_t i = 0; tids && i < s->n; i++)
		if (s->items[i].tid > 0)
			tids[k++] = s->items[i].tid;
	return tids;
}

static void make_task(struct pvm_world *w, struct spawn *s, struct item *it, uint32_t n)
{
	struct host *h = pvm_host(w, it->host);
	struct task *t = h && h->up ? pvm_task_new(w, h, it->tid, it->rank, it->pid) : NULL;

	if (!t)
		return;
	t->parent = s->parent;
	t->flags = 2;
	t->program = strdup(s->file);
	t->ctx = s->ctx;
	t->out = s->out;
	t->trace = s->trace;
	t->spawn = s->id;
	t->siblings = siblings(s, n);
	t->nsiblings = t->siblings ? n : 0;
	pvm_output_begin(w, s, it, t);
	if (it->path)
		pvm_role_start(w, s, it, t);
	if (it->waits)
		pvm_tell_enrolled(w, t, it->waits);
}

/* Ids for those that are ready, in order. Their number. */
static uint32_t give_ids(struct pvm_world *w, struct spawn *s)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < s->n; i++) {
		struct item *it = &s->items[i];
		struct host *h = pvm_host(w, it->host);
		it->tid = it->code < 0 ? it->code : h && h->up ? pvm_next_tid(w, h) : PvmHostFail;
		n += it->tid > 0;
	}
	return n;
}

static void put_items(struct dvmi_buf *b, const struct spawn *s, bool good)
{
	for (uint32_t i = 0; i < s->n; i++) {
		if ((s->items[i].tid > 0) != good)
			continue;
		dvmi_buf_put_u32(b, (uint32_t)s->items[i].tid);
		dvmi_buf_put_u32(b, s->items[i].rank);
	}
}

static void finish(struct pvm_world *w, struct spawn *s)
{
	uint32_t n = give_ids(w, s);
	struct dvmi_buf b = { 0 };

	for (uint32_t i = 0; i < s->n; i++)
		if (s->items[i].tid > 0)
			make_task(w, s, &s->items[i], n);
	dvmi_buf_put_u32(&b, s->n);
	put_items(&b, s, true);
	put_items(&b, s, false);
	if (pvm_task(w, s->asker) && s->ordered)
		pvm_role_executed(w, s);
	else if (pvm_task(w, s->asker))
		pvm_answer(w, s->asker, s->question, (int)n, &b);
	dvmi_buf_free(&b);
	/* Those that ended before they had an id. */
	for (uint32_t i = 0; i < s->n; i++)
		if (s->items[i].tid > 0 && s->items[i].gone)
			pvm_world_exit(w, s->items[i].host, s->items[i].rank, false);
	free_spawn(w, s);
}

static void look(struct pvm_world *w, struct spawn *s)
{
	for (uint32_t i = 0; i < s->n; i++)
		if (!s->items[i].told)
			return;
	finish(w, s);
}

static void fail_rest(struct pvm_world *w, struct spawn *s, int code)
{
	for (uint32_t i = 0; i < s->n; i++)
		if (!s->items[i].told) {
			s->items[i].told = true;
			s->items[i].code = code;
		}
	look(w, s);
}

static void start(struct pvm_world *w, struct spawn *s, const struct request *q, const char *hosts)
{
	if (!*hosts) {
		fail_rest(w, s, PvmNoHost);
		return;
	}
	const struct pvm_order order = {
		.id = s->id,
		.nonce = s->nonce,
		.count = s->n,
		.hosts = hosts,
		.wdir = q->wdir,
		.argv = (const char *const *)s->argv,
		.env = (const char *const *)s->env,
		.collect = q->out.tid != 0,
	};
	w->ops.spawn(w->arg, &order);
}

void pvm_call_spawn(struct pvm_world *w, struct task *t, uint32_t id, struct dvmi_reader *r)
{
	struct request q = { 0 };
	struct dvmi_buf hosts = { 0 };

	if (!get_request(r, &q)) {
		pvm_answer(w, t->tid, id, PvmBadParam, NULL);
	} else {
		choose(w, &q, t, &hosts);
		struct spawn *s = hosts.err ? NULL : new_spawn(w, &q, t, id);
		if (s)
			start(w, s, &q, (const char *)hosts.data);
		else
			pvm_answer(w, t->tid, id, PvmNoMem, NULL);
	}
	dvmi_buf_free(&hosts);
	free_request(&q);
}

/* The same as PVM has it between daemons: for whom, what, so many, with what. */
static bool get_order(struct dvmi_reader *r, struct request *q, int *parent)
{
	*parent = pvm_xdr_int(r);
	q->file = pvm_xdr_str(r);
	q->flags = pvm_xdr_int(r);
	q->count = pvm_xdr_int(r);
	q->argv = pvm_xdr_list(r, &q->argc, 1);
	q->out = (struct pvm_where){ .tid = pvm_xdr_int(r) };
	q->out.ctx = pvm_xdr_int(r);
	q->out.tag = pvm_xdr_int(r);
	q->trace = (struct pvm_where){ .tid = pvm_xdr_int(r) };
	q->trace.ctx = pvm_xdr_int(r);
	q->trace.tag = pvm_xdr_int(r);
	q->env = pvm_xdr_list(r, &q->nenv, 0);
	q->wdir = strdup("");
	if (q->argv)
		q->argv[0] = q->file;
	return !r->err && q->file && q->argv && q->env && q->wdir && q->count > 0 &&
	       q->count <= 65536;
}

void pvm_spawn_ordered(struct pvm_world *w, struct task *t, int to, int wid, struct dvmi_reader *r)
{
	const struct host *h = pvm_host_of(w, to);
	struct request q = { 0 };
	int parent;
	struct spawn *s = get_order(r, &q, &parent) ? new_spawn(w, &q, t, (uint32_t)wid) : NULL;

	if (s) {
		s->parent = parent;
		s->ordered = true;
		s->wid = wid;
		start(w, s, &q, h ? h->name : "");
	}
	free_request(&q);
}

void pvm_world_spawned(struct pvm_world *w, uint32_t spawn, int code)
{
	struct spawn *s = find(w, spawn);

	if (s && code < 0)
		fail_rest(w, s, code);
}

void pvm_world_spawn_over(struct pvm_world *w, uint32_t spawn)
{
	struct spawn *s = find(w, spawn);

	if (s)
		fail_rest(w, s, PvmDSysErr);
}

void pvm_world_ready(struct pvm_world *w, uint32_t host, uint32_t spawn, uint32_t index,
		     const char *nonce, int code, uint32_t rank, int pid)
{
	struct spawn *s = find(w, spawn);
	struct item *it = s && index < s->n ? &s->items[index] : NULL;

	if (!it || it->told || strcmp(s->nonce, nonce) != 0)
		return;
	it->told = true;
	it->code = code < 0 ? code : 0;
	it->host = host;
	it->rank = rank;
	it->pid = pid;
	look(w, s);
}

void pvm_world_ready_path(struct pvm_world *w, uint32_t host, uint32_t spawn, uint32_t index,
			  const char *nonce, const char *path, const char *socket, uint32_t slot)
{
	struct spawn *s = find(w, spawn);
	struct item *it = s && index < s->n ? &s->items[index] : NULL;

	if (!it || it->told || it->path || strcmp(s->nonce, nonce) != 0 || !pvm_host(w, host))
		return;
	it->path = strdup(path);
	it->socket = strdup(socket);
	it->slot = slot;
}

/* ---- enrolling ---- */

static void enrol_by_hand(struct pvm_world *w, struct host *h, uint32_t id, uint32_t rank, int pid)
{
	int tid = pvm_next_tid(w, h);
	struct task *t = tid > 0 ? pvm_task_new(w, h, tid, rank, pid) : NULL;

	if (t)
		pvm_tell_enrolled(w, t, id);
	else
		w->ops.to_agent(w->arg, h->index, PVMI_ENROLLED, id, tid > 0 ? PvmNoMem : tid, NULL);
}

/* The spawned task that has RANK there and has not enrolled. */
static struct task *expected(const struct pvm_world *w, uint32_t host, uint32_t rank)
{
	for (struct task *t = w->tasks; t; t = t->hh.next)
		if (t->host == host && t->rank == rank && t->spawn && !t->connected)
			return t;
	return NULL;
}

/* It is ready, but the others of its spawn are not. */
struct item *pvm_expected_item(const struct pvm_world *w, uint32_t host, uint32_t rank)
{
	for (struct spawn *s = w->spawns; s; s = s->next)
		for (uint32_t i = 0; i < s->n; i++)
			if (s->items[i].told && s->items[i].code == 0 &&
			    s->items[i].host == host && s->items[i].rank == rank)
				return &s->items[i];
	return NULL;
}

void pvm_world_enrol(struct pvm_world *w, uint32_t host, uint32_t id, uint32_t rank, int pid,
		     const char *token)
{
	struct host *h = pvm_host(w, host);
	struct item *it = *token ? pvm_expected_item(w, host, rank) : NULL;
	struct task *t = *token && !it ? expected(w, host, rank) : NULL;

	if (!h || !h->up)
		return;
	if (it) {
		it->waits = id;
		it->pid = pid;
	} else if (t) {
		t->pid = pid;
		pvm_tell_enrolled(w, t, id);
	} else {
		enrol_by_hand(w, h, id, rank, pid);
	}
}

/* ---- ends ---- */

/* What ends before all of its spawn are there has no id yet. */
void pvm_spawn_rank_end(struct pvm_world *w, uint32_t host, uint32_t rank)
{
	struct item *it = pvm_expected_item(w, host, rank);

	if (it)
		it->gone = true;
}

void pvm_spawns_free(struct pvm_world *w)
{
	while (w->spawns)
		free_spawn(w, w->spawns);
}
