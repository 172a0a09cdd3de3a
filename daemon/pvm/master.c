/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The master: the world between the engine that has it and the machine that carries it out. What
 * takes long (spawning, adding hosts) is done by threads, one each, which tell of it through a pipe.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "pvm3.h"
#include "daemon/pvm/agent.h"
#include "daemon/pvm/master.h"
#include "libdvm/base/cleanup.h"

#define SERVICE	   "pvm"     /* the name of which there is one for a user */
#define NODES_MIN  8u	     /* that the world has room for */
#define NODES_MAX  1024u

/* ---- the engine's wishes ---- */

static struct pvm_link *link_of(const struct agent *a, uint32_t host)
{
	for (struct pvm_link *l = a->links; l; l = l->next)
		if (l->host == host && !l->down)
			return l;
	return NULL;
}

struct pvm_link *pvm_master_link(const struct agent *a, const char *name)
{
	for (struct pvm_link *l = a->links; l; l = l->next) {
		const char *own = l->host && !l->down ? pvm_world_host_name(a->world, l->host) : NULL;
		if (own && strcmp(own, name) == 0)
			return l;
	}
	return NULL;
}

static void to_agent(void *arg, uint32_t host, uint16_t type, uint32_t id, int code,
		     const struct dvmi_buf *body)
{
	struct agent *a = arg;
	struct pvm_link *l = host == a->index ? NULL : link_of(a, host);
	const struct pvmi_frame f = { .len = body ? (uint32_t)body->len : 0,
				      .type = type,
				      .version = PVMI_VERSION,
				      .id = id,
				      .code = code };

	if (host == a->index)
		pvm_from_master(a, &f, body ? body->data : NULL);
	else if (l)
		pvm_link_send(a, l, type, id, code, body);
}

static void to_task(void *arg, int tid, uint16_t type, uint32_t id, int code,
		    const struct dvmi_buf *body)
{
	struct agent *a = arg;
	uint32_t host = ((uint32_t)tid & PVMI_TIDHOST) >> PVMI_HOST_SHIFT;
	struct dvmi_buf b = { 0 };

	if (host == a->index) {
		pvm_tell_task(a, tid, type, id, code, body ? body->data : NULL,
			      body ? body->len : 0);
		return;
	}
	dvmi_buf_put_u32(&b, (uint32_t)tid);
	dvmi_buf_put_u32(&b, type);
	dvmi_buf_put_u32(&b, id);
	dvmi_buf_put_u32(&b, (uint32_t)code);
	if (body && body->len)
		dvmi_buf_put(&b, body->data, body->len);
	to_agent(a, host, PVMI_TELL, 0, 0, &b);
	dvmi_buf_free(&b);
}

static void halt(void *arg)
{
	struct agent *a = arg;

	for (struct pvm_link *l = a->links; l; l = l->next)
		pvm_link_send(a, l, PVMI_LEAVE, 0, 0, NULL);
	pvm_slots_kill(a);
	a->stop = true;
}

static void idle(void *arg)
{
	struct agent *a = arg;

	for (uint32_t i = 0; i < a->cap; i++)
		a->nodes[i].used = 0;

	for (struct pvm_link *l = a->links; l; l = l->next)
		pvm_link_send(a, l, PVMI_RENEW, 0, 0, NULL);
	pvm_banks_renew(a);
}

/* ---- threads ---- */

struct pvm_work *pvm_work_new(struct agent *a, enum pvm_work_kind kind, uint32_t id)
{
	struct pvm_work *w = calloc(1, sizeof *w);

	if (w)
		*w = (struct pvm_work){ .a = a, .kind = kind, .id = id };
	return w;
}

void pvm_work_free(struct pvm_work *w)
{
	for (size_t i = 0; w->argv && w->argv[i]; i++)
		free(w->argv[i]);
	for (size_t i = 0; w->env && w->env[i]; i++)
		free(w->env[i]);
	free(w->argv);
	free(w->env);
	free(w->hosts);
	free(w);
}

static void *do_work(void *arg)
{
	struct pvm_work *w = arg;

	pvm_work_do(w);
	/* A pointer is written at once. */
	while (write(w->a->results_in, &w, sizeof w) < 0 && errno == EINTR)
		;
	return NULL;
}

int pvm_work_start(struct pvm_work *w)
{
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	int rc = pthread_create(&thread, &attr, do_work, w);
	pthread_attr_destroy(&attr);
	return -rc;
}

static void add_links(struct agent *a, dvm_group_t *g)
{
	int n = dvm_group_remote_size(g);

	for (int i = 0; i < n; i++) {
		struct pvm_link *l = calloc(1, sizeof *l);
		if (!l)
			return;
		*l = (struct pvm_link){ .g = g, .rank = i, .next = a->links };
		a->links = l;
	}
}

static void remember_job(struct agent *a, uint64_t job, uint32_t spawn)
{
	struct pvm_job *j = malloc(sizeof *j);

	if (!j)
		return;
	*j = (struct pvm_job){ .job = job, .spawn = spawn, .next = a->jobs };
	a->jobs = j;
}

static int pvm_code(int rc)
{
	switch (rc) {
	case 0:
		return 0;
	case -ENOENT:
	case -EACCES:
		return PvmNoFile;
	case -ENOMEM:
		return PvmNoMem;
	case -DVM_ENOSLOTS:
	case -EAGAIN:
		return PvmOutOfRes;
	case -EPERM:
		return PvmDenied;
	case -EHOSTUNREACH:
		return PvmCantStart;
	default:
		return PvmDSysErr;
	}
}

void pvm_work_done(struct pvm_work *w)
{
	struct agent *a = w->a;

	switch (w->kind) {
	case PVM_WORK_SPAWN:
		if (w->code == 0)
			remember_job(a, w->job, w->id);
		pvm_world_spawned(a->world, w->id, pvm_code(w->code));
		break;
	case PVM_WORK_AGENTS:
		if (w->code == 0)
			add_links(a, w->group);
		else
			pvm_master_missed(a, w->hosts);
		break;
	default:
		/* A host that comes counts when its agent says hello. */
		if (w->code < 0)
			pvm_world_hosts_done(a->world, w->id, pvm_code(w->code));
		else
			pvm_master_added(a, w);
	}
	pvm_work_free(w);
}

static void on_results(struct agent *a, struct pvm_watch *watch)
{
	struct pvm_work *w;

	(void)a;
	if (read(watch->fd, &w, sizeof w) == sizeof w)
		pvm_work_done(w);
}

/* ---- nodes of the world ---- */

/* A node for HOST: that with the most ranks left. NULL: there is none. */
static struct pvm_node *take_node(struct agent *a, uint32_t host)
{
	struct pvm_node *best = NULL;

	for (uint32_t i = 0; i < a->cap; i++) {
		struct pvm_node *n = &a->nodes[i];
		if (!pvm_world_host_is_up(a->world, n->host) && n->used < PVMI_LOCAL_MAX &&
		    (!best || n->used < best->used))
			best = n;
	}
	if (best)
		best->host = host;
	return best;
}

/* HOST needs more ranks than its nodes have left. */
static void give_node(struct agent *a, uint32_t host)
{
	const struct pvm_node *n = take_node(a, host);
	struct dvmi_buf b = { 0 };

	if (!n)
		return;
	dvmi_buf_put_u32(&b, (uint32_t)(n - a->nodes));
	dvmi_buf_put_u32(&b, n->used);
	to_agent(a, host, PVMI_NODE, 0, 0, &b);
	dvmi_buf_free(&b);
}

/* HOST has given RANK to somebody. False: that is none of its ranks. */
static bool rank_given(struct agent *a, uint32_t host, uint32_t rank)
{
	const uint32_t node = rank / PVMI_LOCAL_MAX, local = rank % PVMI_LOCAL_MAX;

	if (node >= a->cap || a->nodes[node].host != host)
		return false;
	if (a->nodes[node].used <= local)
		a->nodes[node].used = local + 1;
	return true;
}

/* ---- frames of agents ---- */

static void take_ask(struct agent *a, struct dvmi_reader *r)
{
	int tid = (int)dvmi_get_u32(r);
	uint32_t type = dvmi_get_u32(r), id = dvmi_get_u32(r);

	if (!r->err)
		pvm_world_ask(a->world, tid, (uint16_t)type, id, r);
}

static void take_enrol(struct agent *a, uint32_t host, uint32_t id, struct dvmi_reader *r)
{
	uint32_t rank = dvmi_get_u32(r), pid = dvmi_get_u32(r);
	char *token = dvmi_get_str(r, PVMI_NAME_MAX);

	if (token && rank_given(a, host, rank))
		pvm_world_enrol(a->world, host, id, rank, (int)pid, token);
	free(token);
}

static void take_ready(struct agent *a, uint32_t host, struct dvmi_reader *r)
{
	uint32_t spawn = dvmi_get_u32(r), index = dvmi_get_u32(r);
	char *nonce = dvmi_get_str(r, PVMI_NAME_MAX);
	int code = (int)dvmi_get_u32(r);
	uint32_t rank = dvmi_get_u32(r), pid = dvmi_get_u32(r);

	if (nonce && !r->err && (code < 0 || rank_given(a, host, rank)))
		pvm_world_ready(a->world, host, spawn, index, nonce, code, rank, (int)pid);
	free(nonce);
}

static void take_path(struct agent *a, uint32_t host, struct dvmi_reader *r)
{
	uint32_t spawn = dvmi_get_u32(r), index = dvmi_get_u32(r);
	cleanup_free char *nonce = dvmi_get_str(r, PVMI_NAME_MAX);
	cleanup_free char *path = dvmi_get_str(r, PVMI_NAME_MAX);
	cleanup_free char *socket = dvmi_get_str(r, PVMI_NAME_MAX);
	uint32_t slot = dvmi_get_u32(r);

	if (nonce && path && socket && !r->err)
		pvm_world_ready_path(a->world, host, spawn, index, nonce, path, socket, slot);
}

static void take_clock(struct agent *a, struct dvmi_reader *r)
{
	int tid = (int)dvmi_get_u32(r);
	uint32_t id = dvmi_get_u32(r);
	struct dvmi_buf b = { 0 };

	dvmi_buf_put_u32(&b, dvmi_get_u32(r));
	dvmi_buf_put_u32(&b, dvmi_get_u32(r));
	if (!r->err)
		to_task(a, tid, PVMI_ANSWER, id, 0, &b);
	dvmi_buf_free(&b);
}

/* A question or answer about addresses goes on to the node of the rank that begins it. */
static void pass_on(struct agent *a, const struct pvmi_frame *f, const uint8_t *body)
{
	struct dvmi_reader r;
	struct dvmi_buf b = { 0 };

	dvmi_reader_init(&r, body, f->len);
	uint32_t node = dvmi_get_u32(&r) / PVMI_LOCAL_MAX;
	uint32_t host = node < a->cap ? a->nodes[node].host : 0;
	if (r.err || !host)
		return;
	dvmi_buf_put(&b, body, f->len);
	to_agent(a, host, f->type, 0, 0, &b);
	dvmi_buf_free(&b);
}

void pvm_master_take(struct agent *a, uint32_t host, const struct pvmi_frame *f,
		     const uint8_t *body)
{
	struct dvmi_reader r;
	uint32_t rank, len = 0;
	const uint8_t *text;

	dvmi_reader_init(&r, body, f->len);
	switch (f->type) {
	case PVMI_ASK:
		take_ask(a, &r);
		break;
	case PVMI_A_ENROL:
		take_enrol(a, host, f->id, &r);
		break;
	case PVMI_A_NODE:
		give_node(a, host);
		break;
	case PVMI_A_READY:
		take_ready(a, host, &r);
		break;
	case PVMI_A_PATH:
		take_path(a, host, &r);
		break;
	case PVMI_A_EXIT:
		rank = dvmi_get_u32(&r);
		pvm_world_exit(a->world, host, rank, dvmi_get_u32(&r) != 0);
		break;
	case PVMI_A_OUTPUT:
		rank = dvmi_get_u32(&r);
		text = dvmi_get_blob(&r, PVMI_FRAME_MAX, &len);
		if (text)
			pvm_world_output(a->world, host, rank, text, len);
		break;
	case PVMI_A_CLOCK:
		take_clock(a, &r);
		break;
	case PVMI_LOOKUP:
	case PVMI_ADDRESS:
		pass_on(a, f, body);
		break;
	default:
		break;
	}
}

uint32_t pvm_master_early(const struct agent *a)
{
	uint32_t n = 0;

	for (const struct pvm_link *l = a->links; l; l = l->next)
		n += l->early != NULL;
	return n;
}

/* Links are in the list in the reverse of the order of their nodes. */
void pvm_master_welcome_early(struct agent *a)
{
	struct pvm_link *l;

	a->gathering = false;
	do {
		struct pvm_link *last = NULL;
		for (l = a->links; l; l = l->next)
			if (l->early)
				last = l;
		l = last;
		char *name = l ? l->early : NULL;
		if (l)
			l->early = NULL;
		if (name)
			pvm_master_hello(a, l, name);
		free(name);
	} while (l);
}

void pvm_master_hello(struct agent *a, struct pvm_link *l, const char *name)
{
	struct dvmi_buf b = { 0 };

	if (a->gathering) {
		l->early = l->early ? l->early : strdup(name);
		return;
	}
	/* Nobody may talk of its tasks before it is welcome. */
	int index = pvm_world_host_up(a->world, name);
	const struct pvm_node *node = index < 0 ? NULL : take_node(a, (uint32_t)index);

	if (!node) {
		pvm_link_send(a, l, PVMI_LEAVE, 0, 0, NULL);
		if (index > 0)
			pvm_world_host_lost(a->world, (uint32_t)index);
		return;
	}
	l->host = (uint32_t)index;
	dvmi_buf_put_u32(&b, l->host);
	dvmi_buf_put_u32(&b, a->cap);
	dvmi_buf_put_u64(&b, a->key);
	dvmi_buf_put_u32(&b, (uint32_t)(node - a->nodes));
	dvmi_buf_put_u32(&b, node->used);
	pvm_link_send(a, l, PVMI_WELCOME, 0, 0, &b);
	dvmi_buf_free(&b);
	pvm_master_met(a, name);
}

void pvm_master_lost(struct agent *a, struct pvm_link *l)
{
	pvm_world_host_lost(a->world, l->host);
}

/* ---- life ---- */

static int open_pipe(struct agent *a)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	a->results_in = ends[1];
	return pvm_watch_add(a, &a->results, ends[0], on_results);
}

static int open_world(struct agent *a, uint32_t nodes)
{
	static const struct pvm_world_ops ops = { .to_task = to_task,
						  .to_agent = to_agent,
						  .spawn = pvm_master_spawn,
						  .change_host = pvm_master_change_host,
						  .host_command = pvm_master_host_command,
						  .hosting = pvm_master_hosting,
						  .halt = halt,
						  .idle = idle };

	a->index = 1;
	a->cap = NODES_MIN;
	while (a->cap < 2 * nodes && a->cap < NODES_MAX)
		a->cap *= 2;
	a->nodes = calloc(a->cap, sizeof *a->nodes);
	if (!a->nodes)
		return -ENOMEM;
	a->nodes[0].host = 1;
	if (getrandom(&a->key, sizeof a->key, 0) != sizeof a->key)
		return -EIO;
	int rc = pvm_world_create(&a->world, &ops, a);
	if (rc == 0)
		rc = pvm_world_host_up(a->world, a->name);
	return rc < 0 ? rc : pvm_bank_add(a, 0, 0);
}

int pvm_master_open(struct agent *a)
{
	int rc = dvm_name_publish(a->d, SERVICE, "", 0, NULL);

	if (rc == 0)
		rc = dvm_watch(a->d, 1 << DVM_EVENT_JOB_ENDED | 1 << DVM_EVENT_HOST_JOINED |
					     1 << DVM_EVENT_HOST_LOST | 1 << DVM_EVENT_HOST_LEFT);
	int nodes = rc == 0 ? dvm_hosts(a->d, NULL, 0, NULL) : rc;
	rc = nodes < 0 ? nodes : open_pipe(a);
	if (rc == 0)
		rc = open_world(a, (uint32_t)nodes);
	if (rc == 0 && nodes > 1)
		pvm_master_begin_agents(a);
	if (rc == 0)
		rc = pvm_ranks_open(a);
	return rc < 0 ? rc : pvm_clients_open(a);
}

void pvm_master_close(struct agent *a)
{
	struct pvm_job *j;

	while ((j = a->jobs)) {
		a->jobs = j->next;
		dvm_job_cancel(a->d, j->job, NULL);
		free(j);
	}
	pvm_world_destroy(a->world);
	free(a->nodes);
	pvm_watch_close(a, &a->results);
	pvm_watch_close(a, &a->hosting);
}
