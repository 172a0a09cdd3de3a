/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What ranks of MPI want of the machine beyond their own job: to have another one started, to find
 * one by a name (mpi_names.c), to be connected to one. Each is a question by a number to dvmd, and an answer to
 * whoever wants it; how MPI says it is the business of mpi_pmix.c and mpi_pmi1.c.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/paths.h"
#include "daemon/shepherd/mpi_private.h"
#include "daemon/shepherd/program.h"
#include "daemon/spec.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/base/err.h"
#include "libdvm/proto/msgtype.h"

/* ---- questions ---- */

uint64_t shep_mpi_asked_add(struct shep_mpi *m, const struct shep_mpi_asked *like)
{
	struct shep_mpi_asked *q = malloc(sizeof *q);

	if (!q)
		return 0;
	*q = *like;
	q->id = ++m->ask_ids;
	q->next = m->asked;
	m->asked = q;
	return q->id;
}

/* ---- answers ---- */

void shep_mpi_heard(struct shep_mpi *m, uint64_t id, const struct shep_mpi_said *said)
{
	struct shep_mpi_asked **pp = &m->asked, *q;

	while ((q = *pp) && q->id != id)
		pp = &q->next;
	if (!q)
		return;
	*pp = q->next;
	if (q->lookup)
		shep_mpi_name_found(m, q->lookup, said);
	q->then(m, q, said);
	free(q->lookup);
	free(q);
}

void shep_mpi_refuse(struct shep_mpi *m, const struct shep_mpi_asked *like, const dvm_error_t *err)
{
	struct shep_mpi_asked q = *like;

	q.then(m, &q, &(struct shep_mpi_said){ .code = err->code, .text = err->text });
}

/* ---- spawn ---- */

/* MPI's launchers look for a program in the working directory, too, when PATH does not have it. */
static int find_beside(const struct shep_mpi *m, Pb__App *a)
{
	cleanup_free char **list =
		shep_program_candidates(a->argv[0], shep_environ_get(m->c.environ, "PATH"));
	cleanup_free char *beside = NULL;

	if (strchr(a->argv[0], '/'))
		return 0;
	for (char **c = list; c && *c; c++)
		if (dvmd_paths_is_program(*c))
			return 0;
	if (asprintf(&beside, "%s/%s", a->wdir, a->argv[0]) < 0)
		return -ENOMEM;
	return dvmd_paths_is_program(beside) ? dvmd_spec_set_string(&a->argv[0], beside) : 0;
}

static int set_wdir(const Pb__JobSpec *own, Pb__App *a, const char *wdir)
{
	cleanup_free char *path = NULL;

	if (asprintf(&path, "%s%s%s", *wdir == '/' ? "" : own->wdir,
		     *wdir == '/' || !*wdir ? "" : "/", wdir) < 0)
		return -ENOMEM;
	return dvmd_spec_set_string(&a->wdir, path);
}

static int take_app(const struct shep_mpi *m, Pb__JobSpec *spec, size_t i, const Pb__PmixApp *from,
		    dvm_error_t *err)
{
	Pb__App *a = malloc(sizeof *a);
	int rc = a ? 0 : -ENOMEM;

	if (rc < 0)
		return dvmi_error_code(err, rc, "spawn");
	pb__app__init(a);
	spec->apps[i] = a;
	spec->n_apps = i + 1;
	if (!from->n_argv || !*from->argv[0] || !from->ranks)
		return dvmi_error_set(err, -EINVAL, "no program, or none of its ranks, to spawn");
	a->ranks = from->ranks;
	spec->ranks += from->ranks;
	for (size_t k = 0; rc == 0 && k < from->n_argv; k++)
		rc = dvmd_spec_add_string(&a->argv, &a->n_argv, from->argv[k]);
	for (size_t k = 0; rc == 0 && k < from->n_env; k++)
		rc = strchr(from->env[k], '=') ? dvmd_spec_set_env(spec, from->env[k]) : 0;
	if (rc == 0)
		rc = set_wdir(m->c.launch->spec, a, from->wdir);
	if (rc == 0)
		rc = find_beside(m, a);
	return rc < 0 ? dvmi_error_code(err, rc, "spawn") : 0;
}

/* Where they go is asked for with each program, but is one question for the job. */
static int take_places(Pb__JobSpec *spec, const Pb__PmixSpawn *msg, dvm_error_t *err)
{
	for (size_t i = 0; i < msg->n_apps; i++) {
		const Pb__PmixApp *a = msg->apps[i];
		if (*a->hosts && dvmd_spec_hosts(spec, a->hosts, err) < 0)
			return err->code;
		if (*a->map_by) /* a hint; MPI has words for it that we have not */
			(void)dvmd_spec_map_by(spec, a->map_by, NULL);
	}
	return 0;
}

/* One program is a job like any other. */
static int settle_apps(Pb__JobSpec *spec, dvm_error_t *err)
{
	Pb__App *a = spec->apps[0];
	const char *slash = strrchr(a->argv[0], '/');
	int rc = dvmd_spec_set_string(&spec->name, slash && slash[1] ? slash + 1 : a->argv[0]);

	if (rc == 0)
		rc = dvmd_spec_set_string(&spec->wdir, a->wdir);
	for (size_t i = 0; rc == 0 && i < a->n_argv; i++)
		rc = dvmd_spec_add_string(&spec->argv, &spec->n_argv, a->argv[i]);
	if (rc == 0 && spec->n_apps == 1) {
		dvmi_pb_free(a);
		spec->n_apps = 0;
	}
	return rc < 0 ? dvmi_error_code(err, rc, "spawn") : 0;
}

static const char *own_defaults(const Pb__JobSpec *own)
{
	const size_t n = strlen(SHEP_ENV_DEFAULTS "=");

	for (size_t i = 0; i < own->n_env; i++)
		if (!strncmp(own->env[i], SHEP_ENV_DEFAULTS "=", n))
			return own->env[i] + n;
	return "";
}

/*
 * The user's environment. Open MPI adds its settings to that: those that are defaults of this job and
 * node are said to be so.
 */
static int take_env(const struct shep_mpi *m, Pb__JobSpec *spec)
{
	const Pb__JobSpec *own = m->c.launch->spec;
	const char *old = own_defaults(own), *list = shep_environ_get(m->c.environ, SHEP_ENV_DEFAULTS);
	cleanup_free char *entry = NULL;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < own->n_env; i++)
		if (!shep_environ_is_default(own->env[i], old))
			rc = dvmd_spec_add_string(&spec->env, &spec->n_env, own->env[i]);
	if (rc == 0 && asprintf(&entry, SHEP_ENV_DEFAULTS "=%s", list ? list : "") < 0)
		rc = -ENOMEM;
	return rc < 0 ? rc : dvmd_spec_set_env(spec, entry);
}

static int make_spec(const struct shep_mpi *m, const Pb__PmixSpawn *msg, Pb__JobSpec *spec,
		     dvm_error_t *err)
{
	const Pb__JobSpec *own = m->c.launch->spec;
	int rc = msg->n_apps ? 0 : -EINVAL;

	spec->parent_rank = msg->rank;
	spec->umask = own->umask;
	spec->mpi = own->mpi;
	spec->oversubscribe = own->oversubscribe;
	spec->keep_going = own->keep_going;
	spec->one_fate = true;
	spec->stdin_to = PB__STDIN_TO__STDIN_NONE;
	spec->apps = calloc(msg->n_apps + 1, sizeof(Pb__App *));
	if (rc == 0 && !spec->apps)
		rc = -ENOMEM;
	if (rc == 0)
		rc = take_env(m, spec);
	for (size_t i = 0; rc == 0 && i < msg->n_pairs; i++)
		rc = dvmd_spec_add_string(&spec->pmi_pairs, &spec->n_pmi_pairs, msg->pairs[i]);
	if (rc < 0)
		return dvmi_error_code(err, rc, "spawn");
	for (size_t i = 0; rc == 0 && i < msg->n_apps; i++)
		rc = take_app(m, spec, i, msg->apps[i], err);
	if (rc == 0)
		rc = take_places(spec, msg, err);
	return rc < 0 ? rc : settle_apps(spec, err);
}

void shep_mpi_spawn(struct shep_mpi *m, const Pb__PmixSpawn *msg,
		    const struct shep_mpi_asked *like)
{
	cleanup_pb Pb__JobSpec *spec = malloc(sizeof *spec);
	dvm_error_t err = { .code = -ENOMEM, .text = "out of memory" };
	uint64_t id = 0;

	if (spec)
		pb__job_spec__init(spec);
	if (spec && make_spec(m, msg, spec, &err) == 0)
		id = shep_mpi_asked_add(m, like);
	if (id)
		m->c.spawn(id, spec, m->c.arg);
	else
		shep_mpi_refuse(m, like, &err);
}

void shep_mpi_note_spawn(struct shep_mpi *m, const struct shep_mpi_said *said)
{
	char text[DVM_ERROR_TEXT_MAX];

	if (said->code == 0)
		return;
	snprintf(text, sizeof text, "MPI_Comm_spawn: %s", said->text);
	m->c.note(text, m->c.arg);
}

/* ---- other jobs ---- */

int64_t shep_mpi_place_of(const Pb__Placement *p, uint32_t rank)
{
	for (size_t i = 0; i < p->n_nodes; i++)
		for (size_t k = 0; k < p->nodes[i]->n_ranks; k++)
			if (p->nodes[i]->ranks[k] == rank)
				return (int64_t)i;
	return -1;
}

static const Pb__JobRecord *find_other(const struct shep_mpi *m, uint64_t job)
{
	for (size_t i = 0; i < m->n_others; i++)
		if (m->others[i]->id == job)
			return m->others[i];
	return NULL;
}

/* Keeps RECORD. */
static int add_other(struct shep_mpi *m, Pb__JobRecord *record)
{
	Pb__JobRecord **others = reallocarray(m->others, m->n_others + 1, sizeof *others);

	if (!others)
		return -ENOMEM;
	m->others = others;
	others[m->n_others++] = record;
	return 0;
}

static int take_record(struct shep_mpi *m, const struct shep_mpi_said *said)
{
	Pb__JobRecord *r = NULL;

	if (said->code < 0)
		return said->code;
	int rc = dvmi_pb_unpack(&pb__job_record__descriptor, said->bytes, said->len, &r);
	if (rc == 0 && (!r->spec || !r->placement || r->spec->uid != m->c.launch->spec->uid))
		rc = -EPERM;
	if (rc == 0 && !find_other(m, r->id) && (rc = add_other(m, r)) == 0)
		r = NULL;
	dvmi_pb_free(r);
	return rc;
}

static bool is_asked(const struct shep_mpi *m, uint64_t job)
{
	for (const struct shep_mpi_asked *q = m->asked; q; q = q->next)
		if (q->job == job)
			return true;
	return false;
}

static void settle_connects(struct shep_mpi *m, uint64_t job, int code);

static void on_record(struct shep_mpi *m, struct shep_mpi_asked *q,
		      const struct shep_mpi_said *said)
{
	uint64_t job = q->job;
	int rc = take_record(m, said);

	q->job = 0;
	settle_connects(m, job, rc);
	if (rc == 0)
		shep_mpi_modex_ask_again(m, job);
}

const Pb__JobRecord *shep_mpi_other(struct shep_mpi *m, uint64_t job)
{
	const Pb__JobRecord *r = find_other(m, job);

	if (r || is_asked(m, job))
		return r;
	uint64_t id = shep_mpi_asked_add(m, &(struct shep_mpi_asked){ .then = on_record, .job = job });
	if (id)
		m->c.record(id, job, m->c.arg);
	return find_other(m, job);
}

/* ---- connecting ---- */

static int describe(struct shep_mpi *m, Pb__PmixConnect *answer, Pb__PmixSetup *setups,
		    const Pb__PmixConnect *msg)
{
	for (size_t i = 0; i < msg->n_jobs; i++) {
		const Pb__JobRecord *r = find_other(m, msg->jobs[i]);
		int rc = r ? shep_mpi_pmix_setup(m, r->id, r->spec, r->placement, &setups[i]) :
			     -ENOENT;
		if (rc < 0)
			return rc;
		answer->setups[answer->n_setups++] = &setups[i];
	}
	return 0;
}

static void answer_connect(struct shep_mpi *m, const Pb__PmixConnect *msg, int code)
{
	Pb__PmixConnect answer = PB__PMIX_CONNECT__INIT;
	cleanup_free Pb__PmixSetup *setups = calloc(msg->n_jobs + 1, sizeof *setups);
	cleanup_free Pb__PmixSetup **list = calloc(msg->n_jobs + 1, sizeof *list);

	answer.id = msg->id;
	answer.setups = list;
	answer.code = !setups || !list ? -ENOMEM : code;
	if (answer.code == 0)
		answer.code = describe(m, &answer, setups, msg);
	shep_mpi_pmix_say(m, DVMI_MSG_PMIX_CONNECT, &answer);
	for (size_t i = 0; i < answer.n_setups; i++)
		shep_mpi_pmix_setup_free(&setups[i]);
}

static bool wants(const Pb__PmixConnect *msg, uint64_t job)
{
	for (size_t i = 0; i < msg->n_jobs; i++)
		if (msg->jobs[i] == job)
			return true;
	return false;
}

static bool knows_all(struct shep_mpi *m, const Pb__PmixConnect *msg)
{
	bool all = true;

	for (size_t i = 0; i < msg->n_jobs; i++)
		all = shep_mpi_other(m, msg->jobs[i]) && all;
	return all;
}

/* JOB is known now, or (CODE) will not be: answers who has waited for that. */
static void settle_connects(struct shep_mpi *m, uint64_t job, int code)
{
	struct shep_mpi_connect **pp = &m->connects, *c;

	while ((c = *pp)) {
		bool failed = code < 0 && wants(c->msg, job);
		if (!failed && !knows_all(m, c->msg)) {
			pp = &c->next;
			continue;
		}
		*pp = c->next;
		answer_connect(m, c->msg, failed ? code : 0);
		dvmi_pb_free(c->msg);
		free(c);
	}
}

void shep_mpi_connect(struct shep_mpi *m, const Pb__PmixConnect *msg)
{
	struct shep_mpi_connect *c = malloc(sizeof *c);

	if (c)
		c->msg = dvmi_pb_dup(msg);
	if (!c || !c->msg) {
		free(c);
		answer_connect(m, msg, -ENOMEM);
		return;
	}
	c->next = m->connects;
	m->connects = c;
	settle_connects(m, 0, 0);
}

void shep_mpi_job_over(struct shep_mpi *m, uint64_t job)
{
	for (size_t i = 0; i < m->n_others; i++) {
		if (m->others[i]->id != job)
			continue;
		shep_mpi_modex_lost(m, job);
		shep_mpi_meet_lost(m, job);
		shep_mpi_names_lost(m, job);
		dvmi_pb_free(m->others[i]);
		m->others[i] = m->others[--m->n_others];
		return;
	}
}

void shep_mpi_jobs_free(struct shep_mpi *m)
{
	struct shep_mpi_connect *c;
	struct shep_mpi_asked *q;

	while ((c = m->connects)) {
		m->connects = c->next;
		dvmi_pb_free(c->msg);
		free(c);
	}
	while ((q = m->asked)) {
		m->asked = q->next;
		free(q->lookup);
		free(q);
	}
	shep_mpi_names_free(m);
	for (size_t i = 0; i < m->n_others; i++)
		dvmi_pb_free(m->others[i]);
	free(m->others);
	m->others = NULL;
	m->n_others = 0;
}
