/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A rank spawns: RUN in the name of its job, then the child's record is looked at until its ranks
 * run or it is over. The news of a change only say when to look.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>

#include "daemon/shepherd/shepherd_private.h"
#include "daemon/spec.h"
#include "dvm/error.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/base/clock.h"
#include "libdvm/base/err.h"

#define LOOK_AGAIN (1 * DVMI_SEC)
#define CANCEL_MS  30000

/* ---- what is asked for ---- */

/*
 * The strings, which nobody can change or cut any more while we read: a memfd sealed so. Anything
 * else could also make us wait.
 */
static int read_strings(int fd, uint32_t bytes, char **out)
{
	const int needed = F_SEAL_WRITE | F_SEAL_SHRINK;
	int seals = fd < 0 ? -1 : fcntl(fd, F_GET_SEALS);

	if (bytes == 0 || bytes > DVMI_RANK_SPAWN_MAX || seals < 0 || (seals & needed) != needed)
		return -EINVAL;
	char *text = malloc(bytes);
	if (!text)
		return -ENOMEM;
	if (pread(fd, text, bytes, 0) != (ssize_t)bytes || text[bytes - 1] != '\0') {
		free(text);
		return -EINVAL;
	}
	*out = text;
	return 0;
}

struct strings {
	const char *at, *end;
};

static const char *next(struct strings *t)
{
	const char *s = t->at;

	if (s == t->end)
		return NULL;
	t->at += strlen(s) + 1;
	return s;
}

/* The job's own environment; what is ours in it the child's shepherd will replace. */
static int copy_env(Pb__JobSpec *spec, const Pb__JobSpec *own)
{
	for (size_t i = 0; i < own->n_env; i++)
		if (dvmd_spec_add_string(&spec->env, &spec->n_env, own->env[i]) < 0)
			return -ENOMEM;
	return 0;
}

/* Longer than the kernel would take it. */
static bool is_too_long(const Pb__JobSpec *spec)
{
	for (size_t i = 0; i < spec->n_argv; i++)
		if (strlen(spec->argv[i]) > DVMI_PB_STRING_MAX)
			return true;
	for (size_t i = 0; i < spec->n_env; i++)
		if (strlen(spec->env[i]) > DVMI_PB_STRING_MAX)
			return true;
	return false;
}

static int take_lists(Pb__JobSpec *spec, struct strings *t, uint32_t n_argv, uint32_t n_env,
		      dvm_error_t *err)
{
	const char *s = NULL;
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < n_argv && (s = next(t)); i++)
		rc = dvmd_spec_add_string(&spec->argv, &spec->n_argv, s);
	for (uint32_t i = 0; rc == 0 && i < n_env && (s = next(t)); i++)
		rc = strchr(s, '=') ? dvmd_spec_set_env(spec, s) : -EINVAL;
	if (rc == 0 && s && is_too_long(spec))
		return dvmi_error_set(err, -E2BIG, "an argument or variable is longer than %u bytes",
				      DVMI_PB_STRING_MAX);
	if (rc == 0 && (spec->n_argv != n_argv || n_argv == 0 || !s))
		rc = -EINVAL;
	return rc < 0 ? dvmi_error_code(err, rc, "arguments or environment of a spawn") : 0;
}

static int take_rest(Pb__JobSpec *spec, struct strings *t, dvm_error_t *err)
{
	const char *wdir = next(t), *hosts = next(t), *map_by = next(t), *name = next(t);

	if (!name)
		return dvmi_error_set(err, -EINVAL, "malformed spawn");
	if (*hosts && dvmd_spec_hosts(spec, hosts, err) < 0)
		return err->code;
	if (*map_by && dvmd_spec_map_by(spec, map_by, err) < 0)
		return err->code;
	const char *slash = strrchr(spec->argv[0], '/');
	if (!*name)
		name = slash && slash[1] ? slash + 1 : spec->argv[0];
	if (dvmd_spec_set_string(&spec->wdir, wdir) < 0 ||
	    dvmd_spec_set_string(&spec->name, name) < 0)
		return dvmi_error_code(err, -ENOMEM, "spawn");
	return 0;
}

static void take_numbers(struct shep *s, Pb__JobSpec *spec, const struct dvmi_rank_spawn *p)
{
	const Pb__JobSpec *own = s->c->launch->spec;

	spec->umask = own->umask;
	spec->ranks = p->ranks;
	spec->nodes = p->nodes;
	spec->oversubscribe = p->flags & DVMI_SPAWN_OVERSUBSCRIBE;
	spec->keep_going = p->flags & DVMI_SPAWN_KEEP_GOING;
	spec->no_slots = p->flags & DVMI_SPAWN_NO_SLOTS;
	spec->lent = p->flags & DVMI_SPAWN_LENT;
	spec->outlives_parent = p->flags & DVMI_SPAWN_DETACHED;
	spec->stdin_to = PB__STDIN_TO__STDIN_NONE;
}

static int make_spec(struct shep *s, const struct dvmi_rank_spawn *p, const char *text,
		     Pb__JobSpec *spec, dvm_error_t *err)
{
	struct strings t = { text, text + p->bytes };
	const uint32_t known =
		DVMI_SPAWN_DETACHED | DVMI_SPAWN_OVERSUBSCRIBE | DVMI_SPAWN_KEEP_GOING |
		DVMI_SPAWN_NO_SLOTS | DVMI_SPAWN_LENT;

	if (p->flags & ~known)
		return dvmi_error_set(err, -EINVAL, "unknown flags of a spawn: %#x", p->flags);
	take_numbers(s, spec, p);
	if (copy_env(spec, s->c->launch->spec) < 0)
		return dvmi_error_code(err, -ENOMEM, "spawn");
	int rc = take_lists(spec, &t, p->n_argv, p->n_env, err);
	return rc < 0 ? rc : take_rest(spec, &t, err);
}

/* ---- the answer ---- */

static void look(struct shep *s, struct shep_ask *a);

static int code_of(int exit_code)
{
	return exit_code == 127 ? -ENOENT : exit_code == 126 ? -EACCES : -ECANCELED;
}

/* Of a child that has ended already, the spawner hears after it has heard of the child. */
static void answer_started(struct shep *s, struct shep_ask *a, const Pb__JobRecord *r)
{
	bool over = r->state == PB__JOB_STATE__JOB_DONE;
	struct shep_linked *l =
		over || a->local == DVMI_RANK_NOBODY ? NULL : shep_links_add(s, r);

	if (l)
		shep_links_join(l, a->local);
	shep_ask_answer(s, a, &(struct shep_reply){ .job = r->id });
	if (over)
		shep_links_ended(s, r->id, r->exit_code, r->reason, NULL);
}

static void on_record(struct shep *s, struct shep_ask *a, const struct shep_said *said)
{
	cleanup_pb Pb__JobRecord *r = NULL;

	if (!shep_ask_unpacked(s, a, said, &pb__job_record__descriptor, &r))
		return;
	if (r->started) /* it may even have ended since */
		answer_started(s, a, r);
	else if (r->state == PB__JOB_STATE__JOB_DONE)
		shep_ask_fail(s, a, code_of(r->exit_code), "%s",
			      *r->reason ? r->reason : "it has ended before it ran");
	else
		a->again_at = dvmi_clock_mono() + LOOK_AGAIN;
}

static void look(struct shep *s, struct shep_ask *a)
{
	Pb__JobRef ref = PB__JOB_REF__INIT;

	ref.job = a->job;
	shep_ask_call(s, a, DVMI_MSG_JOB_RECORD, &ref, true, on_record);
}

/* Nobody waits for the child any more. */
static void cancel(struct shep *s, uint64_t job)
{
	Pb__JobSignal sig = PB__JOB_SIGNAL__INIT;
	struct shep_ask *a = shep_asks_own(s, CANCEL_MS);

	sig.job = job;
	sig.end = true;
	sig.reason = (char *)"its ranks did not run in the time its spawner gave";
	if (a)
		shep_ask_call(s, a, DVMI_MSG_SIGNAL, &sig, true, shep_ask_over);
}

static void on_run(struct shep *s, struct shep_ask *a, const struct shep_said *said)
{
	cleanup_pb Pb__RunReply *r = NULL;

	/* To a rank the other code means that it asks too much at a time. */
	if (said->code == -EAGAIN) {
		shep_ask_fail(s, a, -EBUSY,
			      "%s: try again when a job has ended, or with DVM_SPAWN_OVERSUBSCRIBE",
			      said->text);
		return;
	}
	if (!shep_ask_unpacked(s, a, said, &pb__run_reply__descriptor, &r))
		return;
	if (!r->job) {
		shep_ask_fail(s, a, -DVM_EPROTO, "malformed answer");
		return;
	}
	a->job = r->job;
	if (a->late) {
		cancel(s, r->job);
		shep_ask_drop(s, a);
	} else {
		look(s, a);
	}
}

void shep_ask_spawn_late(struct shep *s, struct shep_ask *a)
{
	if (a->job)
		cancel(s, a->job);
	if (a->request && !a->sent) {
		shep_ask_fail(s, a, -DVM_ENOQUORUM, "there is no dvmd on this node");
		return;
	}
	if (a->late || a->job) {
		shep_ask_fail(s, a, -ETIMEDOUT, "its ranks do not run in time");
		return;
	}
	/* Whether there is a child is not known yet: wait for that without the rank. */
	shep_ask_tell(s, a, -ETIMEDOUT, "the job is not placed in time");
	a->late = true;
	a->deadline += CANCEL_MS * DVMI_MSEC;
}

bool shep_ask_spawns(const struct shep *s, uint64_t job)
{
	const struct shep_ask *a;

	DL_FOREACH(s->asks.list, a)
		if (a->type == DVMI_RANK_SPAWN && a->job == job)
			return true;
	return false;
}

void shep_ask_spawn_news(struct shep *s, uint64_t job)
{
	struct shep_ask *a;

	DL_FOREACH(s->asks.list, a)
		if (a->type == DVMI_RANK_SPAWN && a->job == job && a->again_at)
			shep_ask_repeat(s, a);
}

void shep_ask_spawn_spec(struct shep *s, struct shep_ask *a, Pb__JobSpec *spec)
{
	Pb__RunRequest req = PB__RUN_REQUEST__INIT;

	req.spec = spec;
	shep_ask_call(s, a, DVMI_MSG_RUN, &req, false, on_run);
}

void shep_ask_spawn(struct shep *s, struct shep_ask *a, const uint8_t *body, size_t len, int fd)
{
	struct dvmi_rank_spawn p = { 0 };
	cleanup_free char *text = NULL;
	dvm_error_t err = { 0 };
	int rc = len == sizeof p - sizeof p.ask ? 0 : -EINVAL;

	if (rc == 0)
		memcpy((uint8_t *)&p + sizeof p.ask, body, len);
	if (rc < 0 || (rc = read_strings(fd, p.bytes, &text)) < 0) {
		shep_ask_fail(s, a, rc, "malformed spawn");
		return;
	}
	cleanup_pb Pb__JobSpec *spec = malloc(sizeof *spec);
	if (!spec) {
		shep_ask_fail(s, a, -ENOMEM, "out of memory");
		return;
	}
	pb__job_spec__init(spec);
	spec->parent_rank = s->share->ranks[a->local];
	if (make_spec(s, &p, text, spec, &err) < 0)
		shep_ask_fail(s, a, err.code, "%s", err.text);
	else
		shep_ask_spawn_spec(s, a, spec);
}
