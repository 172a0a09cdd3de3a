/* SPDX-License-Identifier: BSD-3-Clause */
/* The PMIx server of this node: a child of ours and what it asks for. */
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/paths.h"
#include "daemon/shepherd/jobmap.h"
#include "daemon/shepherd/mpi_private.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/base/err.h"
#include "libdvm/proto/dispatch.h"
#include "libdvm/proto/msgtype.h"

enum { SOCKET = 3 };

extern char **environ;

/* ---- the process ---- */

static int start_process(struct shep_mpi *m, int fd, dvm_error_t *err)
{
	char program[512];
	char *argv[] = { program, NULL };
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	int rc = dvmd_paths_program(program, sizeof program, "dvm-pmix", err);

	if (rc < 0)
		return rc;
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_adddup2(&files, fd, SOCKET);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP);
	rc = posix_spawn(&m->server, program, &files, &attr, argv, environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&files);
	if (rc)
		m->server = 0;
	return rc ? dvmi_error_code(err, -rc, "starting %s", program) : 0;
}

void shep_mpi_pmix_stop(struct shep_mpi *m)
{
	struct shep_mpi_question *q;

	if (m->server > 0)
		kill(m->server, SIGKILL); /* it holds nothing that anybody will miss */
	m->server = 0;
	dvmi_stream_destroy(m->stream);
	m->stream = NULL;
	while ((q = m->fences)) {
		m->fences = q->next;
		free(q);
	}
}

void shep_mpi_pmix_say(struct shep_mpi *m, uint16_t type, const void *msg)
{
	struct dvmi_envelope env = { .type = type };

	if (!m->stream)
		return;
	if (msg)
		dvmi_stream_send_pb(m->stream, env, msg);
	else
		dvmi_stream_send(m->stream, env, NULL, 0);
}

uint64_t shep_mpi_pmix_ping(struct shep_mpi *m)
{
	shep_mpi_pmix_say(m, DVMI_MSG_OK, NULL);
	return ++m->pings;
}

static void on_pong(struct shep_mpi *m)
{
	m->answered++;
	shep_mpi_judge(m);
}

/* ---- the ranks' environment ---- */

/* Without the first two, Open MPI 4 takes each rank for a job of its own. */
static int set_env(struct shep_mpi *m, const Pb__PmixReady *ready)
{
	int rc = shep_environ_add(m->c.environ, "OMPI_MCA_schizo=^orte");

	if (rc == 0)
		rc = shep_environ_add(m->c.environ, "OMPI_MCA_ess=pmi");
	if (rc == 0)
		rc = shep_environ_add_own(m->c.environ, "PMIX_RANK", SHEP_OWN_RANK);
	for (size_t i = 0; rc == 0 && i < ready->n_env; i++)
		rc = shep_environ_add(m->c.environ, "%s", ready->env[i]);
	return rc < 0 ? rc : shep_mpi_prefer_ompi(m);
}

/* ---- what the server says ---- */

static void be_ready(struct shep_mpi *m, int code, const char *text)
{
	if (m->ready)
		return;
	m->ready = true;
	if (code < 0 && !m->must) {
		m->c.note(text, m->c.arg);
		code = 0;
	}
	m->c.ready(code, text, m->c.arg);
}

static void on_ready(struct shep_mpi *m, const Pb__PmixReady *ready)
{
	int rc = ready->code < 0 ? ready->code : set_env(m, ready);

	be_ready(m, rc, ready->code < 0 ? ready->text : "PMIx: the ranks' environment");
}

static uint64_t key_of(const Pb__PmixFence *f)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325); /* FNV-1a */

	if (!f->n_ranks)
		return SHEP_MPI_KEY_PMIX;
	for (size_t i = 0; i < f->n_ranks; i++)
		h = (h ^ f->ranks[i]) * UINT64_C(0x100000001b3);
	return (h & ~SHEP_MPI_KEY_PHASE) | SHEP_MPI_KEY_SOME;
}

void shep_mpi_pmix_answer_fence(struct shep_mpi *m, uint64_t id, int code, const uint8_t *data,
				size_t len)
{
	Pb__PmixFence f = PB__PMIX_FENCE__INIT;

	f.id = id;
	f.code = code;
	f.data = (ProtobufCBinaryData){ .len = len, .data = (uint8_t *)(uintptr_t)data };
	shep_mpi_pmix_say(m, DVMI_MSG_PMIX_FENCE, &f);
}

static void fence(struct shep_mpi *m, const Pb__PmixFence *f)
{
	struct shep_mpi_question *q = calloc(1, sizeof *q);
	int rc = q ? 0 : -ENOMEM;

	if (q) {
		*q = (struct shep_mpi_question){ .next = m->fences, .id = f->id, .key = key_of(f) };
		m->fences = q;
		rc = shep_mpi_enter(m, q->key, f->ranks, f->n_ranks, f->data.data, f->data.len);
	}
	if (rc < 0 && q) {
		m->fences = q->next;
		free(q);
	}
	if (rc < 0)
		shep_mpi_pmix_answer_fence(m, f->id, rc, NULL, 0);
}

static void on_fence(struct shep_mpi *m, const Pb__PmixFence *f)
{
	if (f->n_jobs)
		shep_mpi_meet(m, f);
	else
		fence(m, f);
}

void shep_mpi_pmix_fenced(struct shep_mpi *m, uint64_t key, int code, const uint8_t *data,
			  size_t len)
{
	struct shep_mpi_question **pp = &m->fences, *q;

	while ((q = *pp) && q->key != key)
		pp = &q->next;
	if (!q)
		return;
	*pp = q->next;
	shep_mpi_pmix_answer_fence(m, q->id, code, data, len);
	free(q);
}

/* ---- the stream ---- */

static void on_client(struct shep_mpi *m, const Pb__PmixClient *c)
{
	const Pb__NodeShare *share = shep_mpi_share(m);
	bool told = *c->text && strcmp(c->text, "N/A") != 0; /* Open MPI's word for nothing */

	for (uint32_t i = 0; i < m->n; i++) {
		if (share->ranks[i] != c->rank)
			continue;
		if (c->kind == PB__PMIX_CLIENT__KIND__CONNECTED)
			m->ranks[i].connected = true;
		else if (c->kind == PB__PMIX_CLIENT__KIND__FINALIZED)
			m->ranks[i].finalized = true;
		else
			m->c.abort(i, c->code, told ? c->text : "MPI_Abort", m->c.arg);
	}
}

/* ---- questions to the machine ---- */

static void answer(struct shep_mpi *m, struct shep_mpi_asked *q, const struct shep_mpi_said *said)
{
	Pb__PmixAnswer a = PB__PMIX_ANSWER__INIT;

	a.id = q->their_id;
	a.code = said->code;
	a.text = (char *)(uintptr_t)said->text;
	a.job = said->job;
	a.rank = said->rank;
	a.value = (ProtobufCBinaryData){ .len = said->code < 0 ? 0 : said->len,
					 .data = (uint8_t *)(uintptr_t)said->bytes };
	shep_mpi_pmix_say(m, DVMI_MSG_PMIX_ANSWER, &a);
}

static void answer_spawn(struct shep_mpi *m, struct shep_mpi_asked *q,
			 const struct shep_mpi_said *said)
{
	shep_mpi_note_spawn(m, said);
	answer(m, q, said);
}

static void on_spawn(struct shep_mpi *m, const Pb__PmixSpawn *msg)
{
	shep_mpi_spawn(m, msg,
		       &(struct shep_mpi_asked){ .then = answer_spawn, .their_id = msg->id });
}

static void on_name(struct shep_mpi *m, const Pb__PmixName *msg)
{
	shep_mpi_name(m, msg, "pmix:",
		      &(struct shep_mpi_asked){ .then = answer, .their_id = msg->id });
}

static const struct dvmi_taker takers[] = {
	DVMI_TAKES(DVMI_MSG_PMIX_READY, pmix_ready, on_ready),
	DVMI_TAKES(DVMI_MSG_PMIX_FENCE, pmix_fence, on_fence),
	DVMI_TAKES(DVMI_MSG_PMIX_MODEX, pmix_modex, shep_mpi_modex),
	DVMI_TAKES(DVMI_MSG_PMIX_SPAWN, pmix_spawn, on_spawn),
	DVMI_TAKES(DVMI_MSG_PMIX_NAME, pmix_name, on_name),
	DVMI_TAKES(DVMI_MSG_PMIX_CONNECT, pmix_connect, shep_mpi_connect),
	DVMI_TAKES(DVMI_MSG_PMIX_EVENT, pmix_event, shep_mpi_event),
	DVMI_TAKES(DVMI_MSG_PMIX_CLIENT, pmix_client, on_client),
};

static void on_message(struct dvmi_stream *s, const struct dvmi_envelope *env, const uint8_t *body,
		       size_t len, void *arg)
{
	struct shep_mpi *m = arg;

	if (env->type == DVMI_MSG_OK)
		on_pong(m);
	else
		dvmi_dispatch(takers, sizeof takers / sizeof takers[0], env->type, body, len, m);
}

static void on_closed(struct dvmi_stream *s, int code, void *arg)
{
	struct shep_mpi *m = arg;

	dvmi_stream_destroy(s);
	m->stream = NULL;
	if (!m->ready)
		be_ready(m, -EIO, "the PMIx server did not start: see the daemon's log");
	else if (!m->over)
		m->c.note("the PMIx server has ended: ranks of Open MPI may hang", m->c.arg);
}

static const struct dvmi_stream_ops stream_ops = { .message = on_message, .closed = on_closed };

/* ---- start ---- */

static const char *const map_words[] = {
	[PB__MAP_BY__MAP_SLOT] = "SLOT",     [PB__MAP_BY__MAP_NODE] = "NODE",
	[PB__MAP_BY__MAP_CORE] = "CORE",     [PB__MAP_BY__MAP_NUMA] = "NUMA",
	[PB__MAP_BY__MAP_PPR_NODE] = "PPR",  [PB__MAP_BY__MAP_PPR_NUMA] = "PPR",
};

static const char *const bind_words[] = {
	[PB__BIND_TO__BIND_AUTO] = "CORE", [PB__BIND_TO__BIND_NONE] = "NONE",
	[PB__BIND_TO__BIND_CORE] = "CORE", [PB__BIND_TO__BIND_NUMA] = "NUMA",
	[PB__BIND_TO__BIND_THREAD] = "HWTHREAD",
};

int shep_mpi_pmix_setup(const struct shep_mpi *m, uint64_t job, const Pb__JobSpec *spec,
			const Pb__Placement *p, Pb__PmixSetup *out)
{
	Pb__PmixNode *nodes = calloc(p->n_nodes, sizeof *nodes);

	pb__pmix_setup__init(out);
	out->nodes = calloc(p->n_nodes, sizeof(Pb__PmixNode *));
	out->programs = calloc(spec->n_apps + 1, sizeof *out->programs);
	if (!nodes || !out->nodes || !out->programs) {
		free(nodes);
		shep_mpi_pmix_setup_free(out);
		return -ENOMEM;
	}
	out->node = (uint32_t)p->n_nodes;
	for (size_t i = 0; i < p->n_nodes; i++) {
		pb__pmix_node__init(&nodes[i]);
		nodes[i].name = p->nodes[i]->name;
		nodes[i].n_ranks = p->nodes[i]->n_ranks;
		nodes[i].ranks = p->nodes[i]->ranks;
		nodes[i].n_cpus = p->nodes[i]->n_cpus;
		nodes[i].cpus = p->nodes[i]->cpus;
		out->nodes[i] = &nodes[i];
		if (p->nodes[i]->node == shep_mpi_share(m)->node)
			out->node = (uint32_t)i;
	}
	out->n_nodes = p->n_nodes;
	for (size_t i = 0; i < spec->n_apps; i++)
		out->programs[i] = spec->apps[i]->ranks;
	out->n_programs = spec->n_apps;
	out->job = job;
	out->machine = m->c.launch->machine;
	out->size = p->ranks;
	out->universe = m->c.launch->universe;
	out->map_by = (char *)map_words[spec->map_by];
	out->bind_to = (char *)(p->nodes[0]->n_cpus ? bind_words[spec->bind_to] : "NONE");
	out->parent_job = spec->parent_job;
	out->parent_rank = spec->parent_rank;
	return 0;
}

void shep_mpi_pmix_setup_free(Pb__PmixSetup *setup)
{
	if (setup->nodes)
		free(setup->nodes[0]); /* all of them lie behind it */
	free(setup->nodes);
	free(setup->programs);
	pb__pmix_setup__init(setup);
}

static int send_setup(struct shep_mpi *m, const char *dir)
{
	const Pb__Launch *l = m->c.launch;
	Pb__PmixSetup setup;
	char topology[PATH_MAX];
	int rc = shep_mpi_pmix_setup(m, l->job, l->spec, l->placement, &setup);

	if (rc < 0)
		return rc;
	setup.dir = (char *)(uintptr_t)dir;
	if (shep_mpi_topology(m, topology, sizeof topology))
		setup.topology = topology;
	shep_mpi_pmix_say(m, DVMI_MSG_PMIX_SETUP, &setup);
	shep_mpi_pmix_setup_free(&setup);
	return 0;
}

int shep_mpi_pmix_start(struct shep_mpi *m, dvm_error_t *err)
{
	char dir[PATH_MAX];
	int fds[2];

	if (snprintf(dir, sizeof dir, "%s/pmix", m->c.dir) >= (int)sizeof dir)
		return dvmi_error_code(err, -ENAMETOOLONG, "PMIx");
	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return dvmi_error_code(err, -errno, "%s", dir);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return dvmi_error_code(err, -errno, "PMIx");
	int rc = start_process(m, fds[1], err);
	close(fds[1]);
	if (rc < 0)
		close(fds[0]);
	else
		rc = dvmi_stream_open(&m->stream, m->c.loop, fds[0], &stream_ops, m);
	return rc < 0 ? rc : send_setup(m, dir);
}
