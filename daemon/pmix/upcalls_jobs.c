/* SPDX-License-Identifier: BSD-3-Clause */
/* What clients ask about other jobs: to have one started, to be connected to one. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/pmix/pmixd.h"
#include "libdvm/proto/msgtype.h"

/* ---- spawn ---- */

static void answer_spawn(struct pmixd *d, const struct pmixd_question *q,
			 const struct pmixd_said *said)
{
	pmix_nspace_t nspace = "";

	if (said->code == 0)
		pmixd_nspace_of(d, said->job, nspace);
	q->cb.spawn(said->code == 0	       ? PMIX_SUCCESS :
		    said->code == -ENOSPC ? PMIX_ERR_OUT_OF_RESOURCE :
					    PMIX_ERR_JOB_FAILED_TO_LAUNCH,
		    nspace, q->arg);
}

static size_t count(char *const *list)
{
	size_t n = 0;

	while (list && list[n])
		n++;
	return n;
}

/* The value of KEY, a string, in the infos of an app or of the whole; "": not there. */
static char *find_string(const char *key, const pmix_info_t info[], size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (PMIX_CHECK_KEY(&info[i], key) && info[i].value.type == PMIX_STRING &&
		    info[i].value.data.string)
			return info[i].value.data.string;
	return NULL;
}

static char *find_either(const char *key, const pmix_app_t *from, const pmix_info_t info[],
			 size_t n)
{
	char *s = find_string(key, from->info, from->ninfo);

	if (!s)
		s = find_string(key, info, n);
	return s ? s : (char *)protobuf_c_empty_string;
}

/* ARGV gets room for one more in front: libpmix' own may begin with the program or behind it. */
static void take_app(Pb__PmixApp *a, char **argv, const pmix_app_t *from, const pmix_info_t info[],
		     size_t n)
{
	char *const *rest = from->argv;

	if (rest && rest[0] && !strcmp(rest[0], from->cmd))
		rest++;
	argv[0] = from->cmd;
	memcpy(argv + 1, rest, count(rest) * sizeof *argv);
	a->argv = argv;
	a->n_argv = count(rest) + 1;
	a->ranks = from->maxprocs > 0 ? (uint32_t)from->maxprocs : 0;
	a->env = from->env;
	a->n_env = count(from->env);
	a->wdir = find_either(PMIX_WDIR, from, info, n);
	if (!*a->wdir && from->cwd)
		a->wdir = from->cwd;
	a->hosts = find_either(PMIX_HOST, from, info, n);
	a->map_by = find_either(PMIX_MAPBY, from, info, n);
}

struct apps {
	Pb__PmixApp *apps, **list;
	char **argv; /* of all, one behind the other */
};

static bool make_apps(struct apps *m, const pmix_app_t from[], size_t n_apps,
		      const pmix_info_t info[], size_t n)
{
	size_t strings = 0;

	for (size_t i = 0; i < n_apps; i++)
		strings += count(from[i].argv) + 1;
	m->apps = calloc(n_apps, sizeof *m->apps);
	m->list = calloc(n_apps, sizeof(Pb__PmixApp *));
	m->argv = calloc(strings, sizeof *m->argv);
	if (!m->apps || !m->list || !m->argv)
		return false;
	char **argv = m->argv;
	for (size_t i = 0; i < n_apps; i++) {
		if (!from[i].cmd)
			return false;
		pb__pmix_app__init(&m->apps[i]);
		take_app(&m->apps[i], argv, &from[i], info, n);
		argv += m->apps[i].n_argv;
		m->list[i] = &m->apps[i];
	}
	return true;
}

pmix_status_t pmixd_on_spawn(const pmix_proc_t *p, const pmix_info_t info[], size_t n,
			     const pmix_app_t apps[], size_t n_apps, pmix_spawn_cbfunc_t cb,
			     void *arg)
{
	const struct pmixd_question q = { .answer = answer_spawn, .cb.spawn = cb, .arg = arg };
	Pb__PmixSpawn msg = PB__PMIX_SPAWN__INIT;
	struct apps made = { 0 };
	pmix_status_t rc = PMIX_ERR_BAD_PARAM;

	if (pmixd_is_ours(p) && n_apps && make_apps(&made, apps, n_apps, info, n))
		rc = PMIX_SUCCESS;
	msg.rank = p->rank;
	msg.apps = made.list;
	msg.n_apps = n_apps;
	if (rc == PMIX_SUCCESS && !(msg.id = pmixd_question_add(pmixd_self(), &q)))
		rc = PMIX_ERR_NOMEM;
	if (rc == PMIX_SUCCESS)
		pmixd_note(pmixd_self(), DVMI_MSG_PMIX_SPAWN, &msg);
	free(made.argv);
	free(made.list);
	free(made.apps);
	return rc;
}

/* ---- connect ---- */

static void answer_connect(struct pmixd *d, const struct pmixd_question *q,
			   const struct pmixd_said *said)
{
	q->cb.op(said->code == 0 ? PMIX_SUCCESS : PMIX_ERR_UNREACH, q->arg);
}

/* The other jobs among PROCS, each once, into JOBS. False: one that is none of this machine. */
static bool other_jobs(const pmix_proc_t procs[], size_t n, uint64_t *jobs, size_t *n_jobs)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t job = pmixd_job_of(pmixd_self(), procs[i].nspace);
		size_t k = 0;
		if (!job)
			return false;
		while (k < *n_jobs && jobs[k] != job)
			k++;
		if (k == *n_jobs && !pmixd_is_ours(&procs[i]))
			jobs[(*n_jobs)++] = job;
	}
	return true;
}

/*
 * All local ranks of ours among PROCS are in it. What there is to do is to know the other jobs;
 * their ranks need not be waited for, since what they put is asked of them when it is wanted.
 */
pmix_status_t pmixd_on_connect(const pmix_proc_t procs[], size_t n, const pmix_info_t info[],
			       size_t n_info, pmix_op_cbfunc_t cb, void *arg)
{
	const struct pmixd_question q = { .answer = answer_connect, .cb.op = cb, .arg = arg };
	Pb__PmixConnect msg = PB__PMIX_CONNECT__INIT;
	pmix_status_t rc = PMIX_ERR_NOT_FOUND;

	msg.jobs = calloc(n + 1, sizeof *msg.jobs);
	if (!msg.jobs)
		return PMIX_ERR_NOMEM;
	if (other_jobs(procs, n, msg.jobs, &msg.n_jobs))
		rc = msg.n_jobs ? PMIX_SUCCESS : PMIX_OPERATION_SUCCEEDED;
	if (rc == PMIX_SUCCESS && !(msg.id = pmixd_question_add(pmixd_self(), &q)))
		rc = PMIX_ERR_NOMEM;
	if (rc == PMIX_SUCCESS)
		pmixd_note(pmixd_self(), DVMI_MSG_PMIX_CONNECT, &msg);
	free(msg.jobs);
	return rc;
}

/* What is known may stay known. */
pmix_status_t pmixd_on_disconnect(const pmix_proc_t procs[], size_t n, const pmix_info_t info[],
				  size_t n_info, pmix_op_cbfunc_t cb, void *arg)
{
	return PMIX_OPERATION_SUCCEEDED;
}
