/* SPDX-License-Identifier: BSD-3-Clause */
/* What the two protocols share: what a program wants, exchanges among nodes, ranks that vanish. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/paths.h"
#include "daemon/shepherd/jobmap.h"
#include "daemon/shepherd/mpi_private.h"
#include "daemon/shepherd/mpikind.h"
#include "daemon/shepherd/program.h"
#include "daemon/spec.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/base/err.h"

#define PATIENCE_MS 10000

/* ---- what is wanted ---- */

/* The file that will be run, as a path of ours: ranks look from the job's directory. */
static int find_program(const struct shep_mpi_config *c, const struct dvmd_program *p, char *out,
			size_t size)
{
	cleanup_free char **list =
		shep_program_candidates(p->argv[0], shep_environ_get(c->environ, "PATH"));

	for (char **at = list; at && *at; at++) {
		const char *dir = **at == '/' ? "" : p->wdir;
		if (snprintf(out, size, "%s%s%s", dir, *dir ? "/" : "", *at) >= (int)size)
			continue;
		if (dvmd_paths_is_program(out))
			return 0;
	}
	return -ENOENT;
}

/* One that cannot be found cannot be started, which others will explain. */
static unsigned kind_of(const struct shep_mpi_config *c, const struct dvmd_program *p)
{
	char file[PATH_MAX];

	if (find_program(c, p, file, sizeof file) < 0)
		return SHEP_MPI_NONE;
	const struct shep_mpikind_where where = {
		.library_path = shep_environ_get(c->environ, "LD_LIBRARY_PATH"),
		.path = shep_environ_get(c->environ, "PATH"),
		.wdir = p->wdir,
	};
	return shep_mpikind(file, p->argv, p->n_argv, &where);
}

static unsigned kind_of_programs(const struct shep_mpi_config *c)
{
	const Pb__JobSpec *spec = c->launch->spec;
	unsigned kind = SHEP_MPI_NONE;

	for (size_t i = 0; i < dvmd_spec_programs(spec); i++) {
		const struct dvmd_program p = dvmd_spec_program(spec, i, 0);
		kind |= kind_of(c, &p);
	}
	return kind;
}

/* One node says for all what concerns the ranks of all. */
static void say_once(const struct shep_mpi_config *c, const char *text)
{
	if (c->self == 0)
		c->note(text, c->arg);
}

static void warn_unserved(const struct shep_mpi_config *c)
{
	unsigned kind = c->launch->placement->ranks > 1 ? kind_of_programs(c) : SHEP_MPI_NONE;

	if (kind == SHEP_MPI_PMIX || kind == SHEP_MPI_PMI1)
		say_once(c, "the program uses MPI, but with --mpi none its ranks cannot find each "
			    "other: each will be alone");
}

static unsigned find_kind(const struct shep_mpi_config *c)
{
	switch (c->launch->spec->mpi) {
	case PB__MPI_KIND__MPI_NONE:
		warn_unserved(c);
		return SHEP_MPI_NONE;
	case PB__MPI_KIND__MPI_PMIX:
		return SHEP_MPI_PMIX;
	case PB__MPI_KIND__MPI_PMI1:
		return SHEP_MPI_PMI1;
	default:
		return kind_of_programs(c);
	}
}

/* ---- exchanges ---- */

void shep_mpi_send_to(struct shep_mpi *m, uint64_t job, uint32_t node_id, Pb__PeerMessage *msg)
{
	msg->job = job ? job : m->c.launch->job;
	msg->from_job = job ? m->c.launch->job : 0;
	msg->from = shep_mpi_share(m)->node;
	msg->to = node_id;
	m->c.send(msg, m->c.arg);
}

void shep_mpi_send(struct shep_mpi *m, uint32_t node, Pb__PeerMessage *msg)
{
	shep_mpi_send_to(m, 0, m->c.node_ids[node], msg);
}

static void send_exchange(uint32_t node, const struct shep_exchange_msg *x, void *arg)
{
	Pb__PeerMessage msg = PB__PEER_MESSAGE__INIT;
	Pb__Exchange body = PB__EXCHANGE__INIT;

	body.key = x->key;
	body.seq = x->seq;
	body.down = x->down;
	body.code = x->code;
	body.data = (ProtobufCBinaryData){ .len = x->len, .data = (uint8_t *)(uintptr_t)x->data };
	msg.kind = PB__PEER_MESSAGE__KIND__EXCHANGE;
	msg.exchange = &body;
	shep_mpi_send(arg, node, &msg);
}

static void exchanged(uint64_t key, int code, const uint8_t *data, size_t len, void *arg)
{
	struct shep_mpi *m = arg;

	if (key == SHEP_MPI_KEY_PMI1)
		shep_pmi1_exchanged(m->pmi1, code, data, len);
	else if (key & SHEP_MPI_KEY_SOME && key & SHEP_MPI_KEY_PHASE)
		shep_mpi_met(m, key, code, data, len);
	else
		shep_mpi_pmix_fenced(m, key, code, data, len);
}

static int make_exchange(struct shep_mpi *m)
{
	const struct shep_exchange_config c = {
		.self = (uint32_t)m->c.self,
		.nnodes = (uint32_t)m->c.launch->placement->n_nodes,
		.send = send_exchange,
		.done = exchanged,
		.arg = m,
	};

	return shep_exchange_create(&m->exchange, &c);
}

/* Node indexes that host any of the N RANKS (none: all of the job), ascending. */
static uint32_t hosts_of(const struct shep_mpi *m, const uint32_t *ranks, size_t n, uint32_t *nodes)
{
	uint32_t nnodes = (uint32_t)m->c.launch->placement->n_nodes, found = 0;
	cleanup_free bool *is = calloc(nnodes, sizeof *is);

	for (size_t i = 0; is && i < n; i++) {
		int64_t node = shep_jobmap_node_of(m->c.map, ranks[i]);
		if (node >= 0)
			is[node] = true;
	}
	for (uint32_t i = 0; is && i < nnodes; i++)
		if (!n || is[i])
			nodes[found++] = i;
	return found;
}

int shep_mpi_enter(struct shep_mpi *m, uint64_t key, const uint32_t *ranks, size_t n,
		   const uint8_t *data, size_t len)
{
	cleanup_free uint32_t *nodes = calloc(m->c.launch->placement->n_nodes, sizeof *nodes);

	if (!nodes)
		return -ENOMEM;
	uint32_t nn = hosts_of(m, ranks, n, nodes);
	return shep_exchange_enter(m->exchange, key, nodes, nn, data, len);
}

/* ---- ranks that do not ask ---- */

static bool is_heard(const struct shep_mpi *m)
{
	for (uint32_t i = 0; i < m->n; i++)
		if (m->ranks[i].connected ||
		    (m->pmi1 && shep_pmi1_state(m->pmi1, i) != SHEP_PMI1_SILENT))
			return true;
	return false;
}

/* Ranks of MPI that find no launcher are jobs of one rank each, and mostly do not notice. */
static void warn_unheard(struct shep_mpi *m)
{
	bool certain = m->kind == SHEP_MPI_PMIX || m->kind == SHEP_MPI_PMI1;

	if (m->unheard_told || !certain || m->c.launch->placement->ranks == 1 || is_heard(m))
		return;
	m->unheard_told = true;
	say_once(&m->c, m->kind == SHEP_MPI_PMIX ?
				"no rank has asked for PMIx: if this is a program of MPI, each of its "
				"ranks is alone" :
				"no rank has asked for PMI: if this is a program of MPI, each of its "
				"ranks is alone");
}

static void on_patience(uv_timer_t *t)
{
	warn_unheard(t->data);
}

static void on_patience_closed(uv_handle_t *h)
{
	shep_mpi_handle_closed(h->data);
}

static void start_patience(struct shep_mpi *m)
{
	uv_timer_init(m->c.loop, &m->patience);
	m->patience.data = m;
	m->handles++;
	uv_timer_start(&m->patience, on_patience, PATIENCE_MS, 0);
}

/* ---- ranks that end ---- */

/* Whoever has begun and not finished leaves the others waiting for ever. */
static bool has_vanished(const struct shep_mpi *m, uint32_t local)
{
	const struct shep_mpi_rank *r = &m->ranks[local];

	if (!r->ended || !r->good || m->answered < r->heard_at)
		return false;
	if (m->pmi1 && shep_pmi1_state(m->pmi1, local) == SHEP_PMI1_INIT)
		return true;
	return r->connected && !r->finalized;
}

void shep_mpi_judge(struct shep_mpi *m)
{
	for (uint32_t i = 0; i < m->n; i++)
		if (has_vanished(m, i)) {
			m->ranks[i].good = false;
			m->c.abort(i, 1, "exited without MPI_Finalize", m->c.arg);
		}
}

void shep_mpi_rank_ended(struct shep_mpi *m, uint32_t local, bool good)
{
	m->ranks[local].ended = true;
	m->good_ends += good;
	m->ranks[local].good = good && m->c.launch->placement->ranks > 1;
	/* Its last words may be on their way. */
	if (m->stream && !m->ranks[local].finalized)
		m->ranks[local].heard_at = shep_mpi_pmix_ping(m);
	else
		shep_mpi_judge(m);
}

void shep_mpi_over(struct shep_mpi *m)
{
	if (m->over)
		return;
	m->over = true;
	if (m->good_ends == m->n)
		warn_unheard(m);
	shep_mpi_pmix_stop(m);
}

/* ---- other shepherds ---- */

static int64_t index_of(const struct shep_mpi *m, uint32_t node_id)
{
	for (size_t i = 0; i < m->c.launch->placement->n_nodes; i++)
		if (m->c.node_ids[i] == node_id)
			return (int64_t)i;
	return -1;
}

static void take_exchange(struct shep_mpi *m, const Pb__PeerMessage *msg)
{
	int64_t from = index_of(m, msg->from);
	const Pb__Exchange *x = msg->exchange;
	const struct shep_exchange_msg e = { .key = x->key,
					     .seq = x->seq,
					     .down = x->down,
					     .code = x->code < 0 ? x->code : 0,
					     .data = x->data.data,
					     .len = x->data.len };
	if (from >= 0)
		shep_exchange_message(m->exchange, (uint32_t)from, &e);
}

void shep_mpi_message(struct shep_mpi *m, const Pb__PeerMessage *msg)
{
	switch (msg->kind) {
	case PB__PEER_MESSAGE__KIND__EXCHANGE:
		if (!msg->from_job && msg->exchange)
			take_exchange(m, msg);
		break;
	case PB__PEER_MESSAGE__KIND__MEET:
		shep_mpi_meet_message(m, msg);
		break;
	case PB__PEER_MESSAGE__KIND__NOTIFY:
		shep_mpi_event_message(m, msg);
		break;
	default:
		shep_mpi_modex_message(m, msg);
	}
}

void shep_mpi_lost(struct shep_mpi *m, uint32_t node)
{
	const Pb__NodeShare *share = m->c.launch->placement->nodes[node];

	shep_exchange_lost(m->exchange, node);
	for (size_t i = 0; i < share->n_ranks; i++)
		shep_mpi_rank_failed(m, share->ranks[i], -1);
}

bool shep_mpi_ask_again(struct shep_mpi *m)
{
	bool fences = shep_exchange_ask_again(m->exchange);

	bool modex = shep_mpi_modex_ask_again(m, 0);

	return shep_mpi_meet_ask_again(m) || modex || fences;
}

/* ---- making ---- */

void shep_mpi_handle_closed(struct shep_mpi *m)
{
	if (--m->handles || !m->destroyed)
		return;
	free(m->conns);
	free(m->ranks);
	free(m);
}

void shep_mpi_destroy(struct shep_mpi *m)
{
	if (!m)
		return;
	m->handles++; /* us */
	m->destroyed = true;
	if (m->patience.data)
		uv_close((uv_handle_t *)&m->patience, on_patience_closed);
	shep_mpi_pmix_stop(m);
	shep_mpi_modex_free(m);
	shep_mpi_meet_free(m);
	shep_mpi_jobs_free(m);
	shep_mpi_pmi1_destroy(m);
	shep_exchange_destroy(m->exchange);
	m->exchange = NULL;
	shep_mpi_handle_closed(m);
}

/* What every launcher of MPI says of a rank, for scripts that ask. */
static int set_common_env(struct shep_mpi *m)
{
	int rc = shep_environ_add(m->c.environ, "OMPI_COMM_WORLD_SIZE=%u",
				  m->c.launch->placement->ranks);

	if (rc == 0)
		rc = shep_environ_add(m->c.environ, "OMPI_COMM_WORLD_LOCAL_SIZE=%u", m->n);
	if (rc == 0)
		rc = shep_environ_add_own(m->c.environ, "OMPI_COMM_WORLD_RANK", SHEP_OWN_RANK);
	if (rc == 0)
		rc = shep_environ_add_own(m->c.environ, "OMPI_COMM_WORLD_LOCAL_RANK",
					  SHEP_OWN_LOCAL_RANK);
	return rc;
}

static int start_pmix(struct shep_mpi *m, unsigned kind)
{
	dvm_error_t err = { 0 };
	char text[DVM_ERROR_TEXT_MAX + 64];

	m->must = kind == SHEP_MPI_PMIX;
	int rc = shep_mpi_pmix_start(m, &err);
	if (rc == 0)
		return 1;
	if (m->must)
		return rc;
	snprintf(text, sizeof text, "programs of Open MPI will not find each other: %s", err.text);
	dvmi_log(m->c.log, "mpi", LOG_INFO, "%s", text);
	return 0;
}

static int make(struct shep_mpi *m, unsigned kind)
{
	m->n = (uint32_t)shep_mpi_share(m)->n_ranks;
	m->kind = kind;
	start_patience(m);
	m->ranks = calloc(m->n, sizeof *m->ranks);
	int rc = m->ranks ? make_exchange(m) : -ENOMEM;
	shep_environ_drop_launcher(m->c.environ);
	if (rc == 0)
		rc = set_common_env(m);
	if (rc == 0)
		rc = shep_mpi_prefer_topology(m);
	if (rc == 0 && kind & SHEP_MPI_PMI1)
		rc = shep_mpi_pmi1_create(m);
	if (rc == 0 && kind & SHEP_MPI_PMIX)
		rc = start_pmix(m, kind);
	return rc;
}

int shep_mpi_create(struct shep_mpi **out, const struct shep_mpi_config *config)
{
	unsigned kind = find_kind(config);

	*out = NULL;
	if (kind == SHEP_MPI_NONE)
		return 0;
	struct shep_mpi *m = calloc(1, sizeof *m);
	if (!m)
		return -ENOMEM;
	m->c = *config;
	int rc = make(m, kind);
	if (rc < 0) {
		shep_mpi_destroy(m);
		return rc;
	}
	*out = m;
	return rc;
}
