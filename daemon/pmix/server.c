/* SPDX-License-Identifier: BSD-3-Clause */
/* Starting libpmix' server, telling it of the job, and handing on answers. */
#include <errno.h>
#include <pmix.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/pmix/pmixd.h"
#include "libdvm/base/err.h"
#include "libdvm/proto/msgtype.h"

/* ---- calls of libpmix that end in a callback ---- */

struct pending {
	pthread_mutex_t lock;
	pthread_cond_t over;
	bool done;
	pmix_status_t status;
};

#define PENDING_INIT { .lock = PTHREAD_MUTEX_INITIALIZER, .over = PTHREAD_COND_INITIALIZER }

static void on_over(pmix_status_t status, void *arg)
{
	struct pending *p = arg;

	pthread_mutex_lock(&p->lock);
	p->status = status;
	p->done = true;
	pthread_cond_signal(&p->over);
	pthread_mutex_unlock(&p->lock);
}

/* RC is what the call returned. Waits for its end; only at start, before anybody is served. */
static int settle(struct pending *p, pmix_status_t rc, const char *what, dvm_error_t *err)
{
	if (rc == PMIX_OPERATION_SUCCEEDED)
		return 0;
	pthread_mutex_lock(&p->lock);
	while (rc == PMIX_SUCCESS && !p->done)
		pthread_cond_wait(&p->over, &p->lock);
	pthread_mutex_unlock(&p->lock);
	if (rc == PMIX_SUCCESS)
		rc = p->status;
	if (rc == PMIX_SUCCESS || rc == PMIX_OPERATION_SUCCEEDED)
		return 0;
	return dvmi_error_set(err, -EIO, "PMIx: %s: %s", what, PMIx_Error_string(rc));
}

/* ---- what the job looks like ---- */

/* A list of key and value that grows. Values are copied by libpmix. */
struct infos {
	pmix_info_t *list;
	size_t n, cap;
	bool failed;
};

static void add(struct infos *l, const char *key, const void *value, pmix_data_type_t type)
{
	if (l->n == l->cap) {
		size_t cap = l->cap ? 2 * l->cap : 32;
		pmix_info_t *list = realloc(l->list, cap * sizeof *list);
		if (!list) {
			l->failed = true;
			return;
		}
		memset(list + l->cap, 0, (cap - l->cap) * sizeof *list);
		l->list = list;
		l->cap = cap;
	}
	if (PMIx_Info_load(&l->list[l->n++], key, value, type) != PMIX_SUCCESS)
		l->failed = true;
}

static void add_u32(struct infos *l, const char *key, uint32_t v)
{
	add(l, key, &v, PMIX_UINT32);
}

static void free_infos(struct infos *l)
{
	for (size_t i = 0; i < l->n; i++)
		PMIX_INFO_DESTRUCT(&l->list[i]);
	free(l->list);
}

static const Pb__PmixNode *here(const Pb__PmixSetup *s)
{
	return s->nodes[s->node];
}

static void put_ranks(struct dvmi_buf *b, const Pb__PmixNode *node)
{
	for (size_t r = 0; r < node->n_ranks; r++)
		dvmi_buf_printf(b, "%s%u", r ? "," : "", node->ranks[r]);
}

/* Which nodes there are and which ranks they have, in libpmix' own compressed form. */
static void add_maps(struct infos *l, const Pb__PmixSetup *s)
{
	struct dvmi_buf names = { 0 }, ranks = { 0 };
	char *nodes = NULL, *procs = NULL;

	for (size_t i = 0; i < s->n_nodes; i++) {
		dvmi_buf_printf(&names, "%s%s", i ? "," : "", s->nodes[i]->name);
		if (i)
			dvmi_buf_printf(&ranks, ";");
		put_ranks(&ranks, s->nodes[i]);
	}
	dvmi_buf_put_u8(&names, 0);
	dvmi_buf_put_u8(&ranks, 0);
	if (names.err || ranks.err || PMIx_generate_regex((char *)names.data, &nodes) != PMIX_SUCCESS ||
	    PMIx_generate_ppn((char *)ranks.data, &procs) != PMIX_SUCCESS) {
		l->failed = true;
	} else {
		add(l, PMIX_NODE_MAP, nodes, PMIX_REGEX);
		add(l, PMIX_PROC_MAP, procs, PMIX_REGEX);
	}
	free(nodes);
	free(procs);
	dvmi_buf_free(&names);
	dvmi_buf_free(&ranks);
}

static void add_local(struct infos *l, const Pb__PmixSetup *s)
{
	struct dvmi_buf peers = { 0 };
	pmix_rank_t leader = here(s)->ranks[0];

	put_ranks(&peers, here(s));
	dvmi_buf_put_u8(&peers, 0);
	if (peers.err)
		l->failed = true;
	else
		add(l, PMIX_LOCAL_PEERS, peers.data, PMIX_STRING);
	dvmi_buf_free(&peers);
	add(l, PMIX_LOCALLDR, &leader, PMIX_PROC_RANK);
	add_u32(l, PMIX_LOCAL_SIZE, (uint32_t)here(s)->n_ranks);
	add_u32(l, PMIX_NODE_SIZE, (uint32_t)here(s)->n_ranks);
	add_u32(l, PMIX_NODEID, s->node);
}

/* One rank: half of what PMIX_PROC_DATA may hold is worse than nothing of it. */
static void add_rank(struct infos *l, const Pb__PmixSetup *s, uint32_t node, uint32_t local)
{
	struct infos own = { 0 };
	pmix_rank_t rank = s->nodes[node]->ranks[local];
	uint16_t l16 = (uint16_t)local;

	add(&own, PMIX_RANK, &rank, PMIX_PROC_RANK);
	add(&own, PMIX_GLOBAL_RANK, &rank, PMIX_PROC_RANK);
	add(&own, PMIX_APP_RANK, &rank, PMIX_PROC_RANK);
	add_u32(&own, PMIX_APPNUM, 0);
	add(&own, PMIX_LOCAL_RANK, &l16, PMIX_UINT16);
	add(&own, PMIX_NODE_RANK, &l16, PMIX_UINT16);
	add_u32(&own, PMIX_NODEID, node);
	add(&own, PMIX_HOSTNAME, s->nodes[node]->name, PMIX_STRING);
	pmix_data_array_t all = { .type = PMIX_INFO, .size = own.n, .array = own.list };
	add(l, PMIX_PROC_DATA, &all, PMIX_DATA_ARRAY);
	l->failed |= own.failed;
	free_infos(&own);
}

static void describe(struct infos *l, const Pb__PmixSetup *s, const char *nspace)
{
	const bool yes = true;

	add_u32(l, PMIX_JOB_SIZE, s->size);
	add_u32(l, PMIX_UNIV_SIZE, s->size);
	add_u32(l, PMIX_MAX_PROCS, s->size);
	add_u32(l, PMIX_JOB_NUM_APPS, 1);
	add_u32(l, PMIX_NUM_NODES, (uint32_t)s->n_nodes);
	add(l, PMIX_JOBID, nspace, PMIX_STRING);
	add(l, PMIX_TMPDIR, s->dir, PMIX_STRING);
	add(l, PMIX_NSDIR, s->dir, PMIX_STRING);
	add(l, PMIX_TDIR_RMCLEAN, &yes, PMIX_BOOL);
	add_maps(l, s);
	add_local(l, s);
	for (uint32_t n = 0; n < s->n_nodes; n++)
		for (uint32_t r = 0; r < s->nodes[n]->n_ranks; r++)
			add_rank(l, s, n, r);
}

static int register_job(struct pmixd *d, const Pb__PmixSetup *s, dvm_error_t *err)
{
	struct pending made = PENDING_INIT, ready = PENDING_INIT;
	struct infos l = { 0 };

	describe(&l, s, d->nspace);
	int rc = l.failed ? dvmi_error_code(err, -ENOMEM, "PMIx: describing the job") : 0;
	if (rc == 0)
		rc = settle(&made,
			    PMIx_server_register_nspace(d->nspace, (int)here(s)->n_ranks, l.list,
							l.n, on_over, &made),
			    "the job", err);
	free_infos(&l);
	if (rc < 0)
		return rc;
	return settle(&ready,
		      PMIx_server_setup_local_support(d->nspace, NULL, 0, on_over, &ready),
		      "this node's part", err);
}

static int register_rank(struct pmixd *d, uint32_t rank, dvm_error_t *err)
{
	struct pending made = PENDING_INIT;
	pmix_proc_t p;

	PMIX_LOAD_PROCID(&p, d->nspace, rank);
	return settle(&made,
		      PMIx_server_register_client(&p, geteuid(), getegid(), NULL, on_over, &made),
		      "a rank", err);
}

/* ---- the ranks' environment ---- */

static const char own_rank[] = "PMIX_RANK=";

/* What libpmix wants RANK to have, all but its rank. */
static int collect_env(struct pmixd *d, uint32_t rank, struct dvmi_buf *out, dvm_error_t *err)
{
	char **env = calloc(1, sizeof *env);
	pmix_proc_t p;

	PMIX_LOAD_PROCID(&p, d->nspace, rank);
	pmix_status_t rc = env ? PMIx_server_setup_fork(&p, &env) : PMIX_ERR_NOMEM;
	for (char **e = env; e && *e; e++) {
		if (rc == PMIX_SUCCESS && strncmp(*e, own_rank, sizeof own_rank - 1) != 0)
			dvmi_buf_put(out, *e, strlen(*e) + 1);
		free(*e);
	}
	free(env);
	if (rc != PMIX_SUCCESS)
		return dvmi_error_set(err, -EIO, "PMIx: environment: %s", PMIx_Error_string(rc));
	return out->err ? dvmi_error_code(err, out->err, "PMIx: environment") : 0;
}

/* ---- start and stop ---- */

static int init(struct pmixd *d, const Pb__PmixSetup *s, dvm_error_t *err)
{
	struct infos l = { 0 };
	const bool no = false;

	add(&l, PMIX_SERVER_TMPDIR, s->dir, PMIX_STRING);
	add(&l, PMIX_SYSTEM_TMPDIR, s->dir, PMIX_STRING);
	add(&l, PMIX_SERVER_TOOL_SUPPORT, &no, PMIX_BOOL);
	add(&l, PMIX_HOSTNAME, here(s)->name, PMIX_STRING);
	pmix_status_t rc = l.failed ? PMIX_ERR_NOMEM :
				      PMIx_server_init(pmixd_upcalls(d), l.list, l.n);
	free_infos(&l);
	if (rc != PMIX_SUCCESS)
		return dvmi_error_set(err, -EIO, "PMIx: the server: %s", PMIx_Error_string(rc));
	return 0;
}

static int check(const Pb__PmixSetup *s, dvm_error_t *err)
{
	if (s->node >= s->n_nodes || !here(s)->n_ranks || !s->size)
		return dvmi_error_set(err, -EINVAL, "PMIx: a job without ranks here");
	return 0;
}

int pmixd_server_start(struct pmixd *d, const Pb__PmixSetup *s, struct dvmi_buf *env,
		       dvm_error_t *err)
{
	int rc = check(s, err);

	if (rc < 0)
		return rc;
	snprintf(d->nspace, sizeof d->nspace, "dvm-%.64s-%llu", s->machine,
		 (unsigned long long)s->job);
	d->size = s->size;
	rc = init(d, s, err);
	if (rc == 0)
		rc = register_job(d, s, err);
	for (size_t i = 0; rc == 0 && i < here(s)->n_ranks; i++)
		rc = register_rank(d, here(s)->ranks[i], err);
	return rc < 0 ? rc : collect_env(d, here(s)->ranks[0], env, err);
}

void pmixd_server_stop(struct pmixd *d)
{
	PMIx_server_finalize();
}

/* ---- answers ---- */

static void free_copy(void *p)
{
	free(p);
}

void pmixd_answer(struct pmixd *d, uint64_t id, int code, const uint8_t *data, size_t len)
{
	struct pmixd_question *q = pmixd_question_take(d, id);

	if (!q)
		return;
	char *copy = code == 0 ? malloc(len + 1) : NULL;
	if (copy && len)
		memcpy(copy, data, len);
	if (copy)
		q->answer(PMIX_SUCCESS, copy, len, q->arg, free_copy, copy);
	else
		q->answer(code == 0 ? PMIX_ERR_NOMEM : PMIX_ERR_UNREACH, NULL, 0, q->arg, NULL, NULL);
	free(q);
}

struct asked {
	struct pmixd *d;
	uint64_t id;
	uint32_t rank;
};

static void on_put(pmix_status_t status, char *data, size_t len, void *arg)
{
	struct asked *a = arg;
	Pb__PmixModex m = PB__PMIX_MODEX__INIT;

	m.id = a->id;
	m.rank = a->rank;
	m.answer = true;
	m.code = status == PMIX_SUCCESS ? 0 : -ENOENT;
	if (m.code == 0)
		m.data = (ProtobufCBinaryData){ .len = len, .data = (uint8_t *)data };
	pmixd_note(a->d, DVMI_MSG_PMIX_MODEX, &m);
	free(a);
}

void pmixd_modex(struct pmixd *d, uint64_t id, uint32_t rank)
{
	struct asked *a = malloc(sizeof *a);
	pmix_proc_t p;

	if (!a)
		return;
	*a = (struct asked){ .d = d, .id = id, .rank = rank };
	PMIX_LOAD_PROCID(&p, d->nspace, rank);
	pmix_status_t rc = PMIx_server_dmodex_request(&p, on_put, a);
	if (rc != PMIX_SUCCESS)
		on_put(rc, NULL, 0, a);
}
