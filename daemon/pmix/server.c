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

/* ---- the job ---- */

static const Pb__PmixNode *here(const Pb__PmixSetup *s)
{
	return s->nodes[s->node];
}

/* One that has N ranks on this node for us to serve. */
static int register_nspace(struct pmixd *d, const Pb__PmixSetup *s, const char *nspace, int n,
			   dvm_error_t *err)
{
	struct pending made = PENDING_INIT;
	struct pmixd_infos l = { 0 };

	pmixd_describe(&l, d, s, nspace);
	int rc = l.failed ? dvmi_error_code(err, -ENOMEM, "PMIx: describing the job") : 0;
	if (rc == 0)
		rc = settle(&made,
			    PMIx_server_register_nspace(nspace, n, l.list, l.n, on_over, &made),
			    "the job", err);
	pmixd_infos_free(&l);
	return rc;
}

static int register_job(struct pmixd *d, const Pb__PmixSetup *s, dvm_error_t *err)
{
	struct pending ready = PENDING_INIT;
	int rc = register_nspace(d, s, d->nspace, (int)here(s)->n_ranks, err);

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

/*
 * hwloc's plugins look for screens and cards, which nobody asks for here; and with the topology from a
 * file the server starts with a tenth of the work.
 */
static void prepare_hwloc(const char *topology)
{
	setenv("HWLOC_PLUGINS_PATH", "", 1);
	if (!*topology)
		return;
	setenv("HWLOC_XMLFILE", topology, 1);
	setenv("HWLOC_THISSYSTEM", "1", 1);
}

static int init(struct pmixd *d, const Pb__PmixSetup *s, dvm_error_t *err)
{
	struct pmixd_infos l = { 0 };
	const bool no = false;

	prepare_hwloc(s->topology);
	pmixd_infos_add(&l, PMIX_SERVER_TMPDIR, s->dir, PMIX_STRING);
	pmixd_infos_add(&l, PMIX_SYSTEM_TMPDIR, s->dir, PMIX_STRING);
	pmixd_infos_add(&l, PMIX_SERVER_TOOL_SUPPORT, &no, PMIX_BOOL);
	pmixd_infos_add(&l, PMIX_HOSTNAME, here(s)->name, PMIX_STRING);
	pmix_status_t rc = l.failed ? PMIX_ERR_NOMEM :
				      PMIx_server_init(pmixd_upcalls(d), l.list, l.n);
	pmixd_infos_free(&l);
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
	snprintf(d->prefix, sizeof d->prefix, "dvm-%.64s-", s->machine);
	d->job = s->job;
	pmixd_nspace_of(d, d->job, d->nspace);
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

void pmixd_answer(struct pmixd *d, uint64_t id, const struct pmixd_said *said)
{
	struct pmixd_question *q = pmixd_question_take(d, id);

	if (q)
		q->answer(d, q, said);
	free(q);
}

/* ---- what a rank has put ---- */

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

/* ---- other jobs ---- */

/* A job that is known already keeps what is known of it. */
static int get_to_know(struct pmixd *d, const Pb__PmixSetup *s)
{
	dvm_error_t err = { 0 };
	pmix_nspace_t nspace;

	pmixd_nspace_of(d, s->job, nspace);
	for (size_t i = 0; i < d->n_known; i++)
		if (d->known[i] == s->job)
			return 0;
	uint64_t *known = reallocarray(d->known, d->n_known + 1, sizeof *known);
	if (!known)
		return -ENOMEM;
	d->known = known;
	int rc = register_nspace(d, s, nspace, 0, &err);
	if (rc == 0)
		d->known[d->n_known++] = s->job;
	return rc;
}

void pmixd_connected(struct pmixd *d, const Pb__PmixConnect *c)
{
	struct pmixd_said said = { .code = c->code };

	for (size_t i = 0; i < c->n_setups && said.code == 0; i++)
		said.code = get_to_know(d, c->setups[i]);
	pmixd_answer(d, c->id, &said);
}
