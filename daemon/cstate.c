/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The cluster state's tables and how a command changes them. What is allowed is decided in
 * cstate_check.c before anything here runs; a change either happens as a whole or, when memory
 * runs out, not at all.
 *
 * A finished job gives up its environment: nobody needs it any more, it may hold secrets, and a
 * thousand remembered jobs stay small enough to be sent in one snapshot.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cstate_private.h"
#include "libdvm/base/err.h"

#include <utlist.h>

int dvmd_cstate_create(struct dvmd_cstate **out)
{
	struct dvmd_cstate *s = calloc(1, sizeof *s);

	if (!s)
		return -ENOMEM;
	s->next_node = 1;
	s->next_job = 1;
	*out = s;
	return 0;
}

static void free_member(struct member *m)
{
	if (!m)
		return;
	dvmi_pb_free(m->msg);
	free(m->name);
	free(m);
}

static void drop_member(struct dvmd_cstate *s, struct member *m)
{
	HASH_DELETE(by_id, s->by_id, m);
	HASH_DELETE(by_key, s->by_key, m);
	HASH_DEL(s->names, m->name);
	free_member(m);
}

static void drop_token(struct dvmd_cstate *s, struct token *t)
{
	HASH_DEL(s->tokens, t);
	dvmi_pb_free(t->msg);
	free(t);
}

static void drop_job(struct dvmd_cstate *s, struct job *j)
{
	HASH_DEL(s->jobs, j);
	if (j->msg->state == PB__JOB_STATE__JOB_DONE) {
		DL_DELETE(s->done, j);
		s->n_done--;
	}
	dvmd_cstate_env_drop(s, j->msg->spec, &j->env);
	dvmi_pb_free(j->msg);
	free(j);
}

void dvmd_cstate_destroy(struct dvmd_cstate *s)
{
	if (!s)
		return;
	while (s->by_id)
		drop_member(s, s->by_id);
	while (s->tokens)
		drop_token(s, s->tokens);
	dvmd_cstate_names_free(s);
	dvmd_cstate_queue_free(s);
	dvmd_cstate_reservations_free(s);
	while (s->jobs)
		drop_job(s, s->jobs);
	dvmi_pb_free(s->founding);
	free(s);
}

uint64_t dvmd_cstate_index(const struct dvmd_cstate *s)
{
	return s->index;
}

uint64_t dvmd_cstate_refused(const struct dvmd_cstate *s)
{
	return s->refused;
}

uint32_t dvmd_cstate_next_node(const struct dvmd_cstate *s)
{
	return s->next_node;
}

uint64_t dvmd_cstate_next_job(const struct dvmd_cstate *s)
{
	return s->next_job;
}

size_t dvmd_cstate_members(const struct dvmd_cstate *s)
{
	return HASH_CNT(by_id, s->by_id);
}

const Pb__Founding *dvmd_cstate_founding(const struct dvmd_cstate *s)
{
	return s->founding;
}

struct member *dvmd_cstate_find_member(const struct dvmd_cstate *s, uint32_t id)
{
	struct member *m;

	HASH_FIND(by_id, s->by_id, &id, sizeof id, m);
	return m;
}

struct member *dvmd_cstate_find_key(const struct dvmd_cstate *s, const uint8_t *key)
{
	struct member *m;

	HASH_FIND(by_key, s->by_key, key, KEY_BYTES, m);
	return m;
}

struct token *dvmd_cstate_find_token(const struct dvmd_cstate *s, const uint8_t *key)
{
	struct token *t;

	HASH_FIND(hh, s->tokens, key, KEY_BYTES, t);
	return t;
}

struct job *dvmd_cstate_find_job(const struct dvmd_cstate *s, uint64_t id)
{
	struct job *j;

	HASH_FIND(hh, s->jobs, &id, sizeof id, j);
	return j;
}

const Pb__Member *dvmd_cstate_member(const struct dvmd_cstate *s, uint32_t id)
{
	const struct member *m = dvmd_cstate_find_member(s, id);

	return m ? m->msg : NULL;
}

const Pb__Member *dvmd_cstate_member_by_name(const struct dvmd_cstate *s, const char *name)
{
	const struct member_name *n;

	HASH_FIND_STR(s->names, name, n);
	return n ? n->of->msg : NULL;
}

const Pb__Member *dvmd_cstate_member_by_key(const struct dvmd_cstate *s, const uint8_t *key)
{
	const struct member *m = dvmd_cstate_find_key(s, key);

	return m ? m->msg : NULL;
}

const Pb__Token *dvmd_cstate_token(const struct dvmd_cstate *s, const uint8_t *key)
{
	const struct token *t = dvmd_cstate_find_token(s, key);

	return t ? t->msg : NULL;
}

const Pb__JobRecord *dvmd_cstate_job(const struct dvmd_cstate *s, uint64_t id)
{
	const struct job *j = dvmd_cstate_find_job(s, id);

	return j ? j->msg : NULL;
}

int dvmd_cstate_each_member(const struct dvmd_cstate *s, int (*fn)(const Pb__Member *m, void *arg),
			    void *arg)
{
	int rc = 0;

	for (const struct member *m = s->by_id; m && rc >= 0; m = m->by_id.next)
		rc = fn(m->msg, arg);
	return rc < 0 ? rc : 0;
}

int dvmd_cstate_each_token(const struct dvmd_cstate *s, int (*fn)(const Pb__Token *t, void *arg),
			   void *arg)
{
	int rc = 0;

	for (const struct token *t = s->tokens; t && rc >= 0; t = t->hh.next)
		rc = fn(t->msg, arg);
	return rc < 0 ? rc : 0;
}

int dvmd_cstate_each_job(const struct dvmd_cstate *s, int (*fn)(const Pb__JobRecord *j, void *arg),
			 void *arg)
{
	int rc = 0;

	for (const struct job *j = s->jobs; j && rc >= 0; j = j->hh.next)
		rc = fn(j->msg, arg);
	return rc < 0 ? rc : 0;
}

static struct member_name *enter_name(struct dvmd_cstate *s, const char *text, struct member *of)
{
	struct member_name *n = calloc(1, sizeof *n);

	if (!n)
		return NULL;
	strncpy(n->text, text, DVMD_NAME_MAX);
	n->of = of;
	HASH_ADD_STR(s->names, text, n);
	if (!n->hh.tbl) {
		free(n);
		return NULL;
	}
	return n;
}

static int enter_member(struct dvmd_cstate *s, struct member *m)
{
	m->name = enter_name(s, m->msg->name, m);
	if (!m->name)
		return -ENOMEM;
	HASH_ADD(by_id, s->by_id, id, sizeof m->id, m);
	if (!m->by_id.tbl)
		goto no_id;
	HASH_ADD(by_key, s->by_key, key, KEY_BYTES, m);
	if (!m->by_key.tbl)
		goto no_key;
	return 0;
no_key:
	HASH_DELETE(by_id, s->by_id, m);
no_id:
	HASH_DEL(s->names, m->name);
	return -ENOMEM;
}

int dvmd_cstate_insert_member(struct dvmd_cstate *s, Pb__Member *msg)
{
	struct member *m = calloc(1, sizeof *m);

	if (!m)
		return -ENOMEM;
	m->id = msg->id;
	memcpy(m->key, msg->key.data, KEY_BYTES);
	m->msg = msg;
	if (enter_member(s, m) < 0) {
		m->msg = NULL;
		free_member(m);
		return -ENOMEM;
	}
	return 0;
}

/* The same key under new circumstances: all but id and key may differ. Takes MSG over. */
static int replace_member(struct dvmd_cstate *s, struct member *m, Pb__Member *msg)
{
	if (strcmp(m->name->text, msg->name)) {
		struct member_name *name = enter_name(s, msg->name, m);
		if (!name)
			return -ENOMEM;
		HASH_DEL(s->names, m->name);
		free(m->name);
		m->name = name;
	}
	dvmi_pb_free(m->msg);
	m->msg = msg;
	return 0;
}

static int member_add(struct dvmd_cstate *s, const Pb__Member *add, uint64_t wall)
{
	struct member *known = dvmd_cstate_find_member(s, add->id);
	Pb__Member *msg = dvmd_cstate_dup_member(add, known ? known->msg : NULL);
	int rc;

	if (!msg)
		return -ENOMEM;
	msg->since = known && known->msg->state == msg->state ? known->msg->since : wall;
	rc = known ? replace_member(s, known, msg) : dvmd_cstate_insert_member(s, msg);
	if (rc < 0)
		dvmi_pb_free(msg);
	else if (!known)
		s->next_node++;
	return rc;
}

static int member_change(struct dvmd_cstate *s, const Pb__MemberChange *c, uint64_t wall)
{
	struct member *m = dvmd_cstate_find_member(s, c->id);

	m->msg->state = c->state;
	m->msg->since = wall;
	return 0;
}

int dvmd_cstate_insert_token(struct dvmd_cstate *s, Pb__Token *msg)
{
	struct token *t = calloc(1, sizeof *t);

	if (!t)
		return -ENOMEM;
	memcpy(t->key, msg->key.data, KEY_BYTES);
	t->msg = msg;
	HASH_ADD(hh, s->tokens, key, KEY_BYTES, t);
	if (!t->hh.tbl) {
		free(t);
		return -ENOMEM;
	}
	return 0;
}

static int token_add(struct dvmd_cstate *s, const Pb__Token *add)
{
	struct token *known = dvmd_cstate_find_token(s, add->key.data);

	if (known) {
		known->msg->uses = add->uses;
		return 0;
	}
	Pb__Token *msg = dvmi_pb_dup(add);
	int rc = msg ? dvmd_cstate_insert_token(s, msg) : -ENOMEM;
	if (rc < 0)
		dvmi_pb_free(msg);
	return rc;
}

static int by_id(const struct job *a, const struct job *b)
{
	return (a->id > b->id) - (a->id < b->id);
}

int dvmd_cstate_insert_job(struct dvmd_cstate *s, Pb__JobRecord *msg)
{
	struct job *j = calloc(1, sizeof *j);

	if (!j)
		return -ENOMEM;
	j->id = msg->id;
	j->msg = msg;
	HASH_ADD(hh, s->jobs, id, sizeof j->id, j);
	if (!j->hh.tbl) {
		free(j);
		return -ENOMEM;
	}
	if (dvmd_cstate_env_share(s, msg->spec, &j->env) < 0) {
		HASH_DEL(s->jobs, j);
		free(j);
		return -ENOMEM;
	}
	if (msg->state == PB__JOB_STATE__JOB_DONE) {
		DL_APPEND(s->done, j);
		s->n_done++;
	}
	/* One that has waited may start after younger ones. */
	const struct job *before = j->hh.prev;
	if (before && before->id > j->id)
		HASH_SORT(s->jobs, by_id);
	return 0;
}

static int job_add(struct dvmd_cstate *s, const Pb__JobRecord *add, uint64_t wall)
{
	Pb__JobRecord *msg = dvmi_pb_dup(add);

	if (!msg)
		return -ENOMEM;
	const Pb__Waiting *waited = dvmd_cstate_waiting(s, add->id);
	msg->submitted = waited ? waited->submitted : wall;
	msg->priority = waited ? waited->priority : 0;
	msg->at_once = waited ? waited->at_once : 0;
	msg->restarts = waited ? waited->restarts : 0;
	msg->started = 0;
	msg->ended = 0;
	if (dvmd_cstate_insert_job(s, msg) < 0) {
		dvmi_pb_free(msg);
		return -ENOMEM;
	}
	if (waited)
		dvmd_cstate_queue_starts(s, dvmd_cstate_find_job(s, add->id));
	else
		s->next_job++;
	return 0;
}

static void forget_oldest(struct dvmd_cstate *s)
{
	if (s->n_done > DVMD_CSTATE_JOBS_KEPT)
		drop_job(s, s->done);
}

int dvmd_cstate_insert_done(struct dvmd_cstate *s, Pb__JobRecord *msg)
{
	int rc = dvmd_cstate_insert_job(s, msg);

	if (rc == 0)
		forget_oldest(s);
	return rc;
}

static int set_reason(Pb__JobRecord *j, const char *text)
{
	if (!text[0])
		return 0;
	char *copy = strdup(text);
	if (!copy)
		return -ENOMEM;
	if (j->reason != protobuf_c_empty_string)
		free(j->reason);
	j->reason = copy;
	return 0;
}

static void finish_job(struct dvmd_cstate *s, struct job *j, uint64_t wall)
{
	j->msg->ended = wall;
	dvmd_cstate_env_drop(s, j->msg->spec, &j->env);
	j->msg->suspended = PB__SUSPENDED__NOT_SUSPENDED;
	dvmd_cstate_names_of_job(s, j->id);
	DL_APPEND(s->done, j);
	s->n_done++;
	forget_oldest(s);
}

/* One that was over before, or soon after, anybody heard of its start: nodes say how long it ran. */
static uint64_t was_started(const Pb__JobRecord *r, uint64_t wall)
{
	uint64_t ran = r->usage ? r->usage->ran_ns : 0;
	uint64_t since = wall > r->submitted ? wall - r->submitted : 0;
	uint64_t at = wall - (ran < since ? ran : since);

	return r->started && r->started < at ? r->started : at;
}

static int go_on(struct dvmd_cstate *s, struct job *j, const Pb__JobChange *c, uint64_t wall)
{
	Pb__JobEnds *ends = c->ends ? dvmi_pb_dup(c->ends) : NULL;
	Pb__JobUsage *usage = c->usage ? dvmi_pb_dup(c->usage) : NULL;

	if ((c->ends && !ends) || (c->usage && !usage) || set_reason(j->msg, c->reason) < 0) {
		dvmi_pb_free(ends);
		dvmi_pb_free(usage);
		return -ENOMEM;
	}
	if (ends) {
		dvmi_pb_free(j->msg->ends);
		j->msg->ends = ends;
	}
	if (usage) {
		dvmi_pb_free(j->msg->usage);
		j->msg->usage = usage;
	}
	j->msg->state = c->state;
	j->msg->exit_code = c->exit_code;
	if (c->state == PB__JOB_STATE__JOB_RUNNING)
		j->msg->started = wall;
	else if (c->state == PB__JOB_STATE__JOB_DONE && (c->ran || j->msg->started))
		j->msg->started = was_started(j->msg, wall);
	if (c->state == PB__JOB_STATE__JOB_DONE)
		finish_job(s, j, wall);
	return 0;
}

static int job_change(struct dvmd_cstate *s, const Pb__JobChange *c, uint64_t wall)
{
	struct job *j = dvmd_cstate_find_job(s, c->id);
	int rc = c->again ? dvmd_cstate_requeue(s, j) : 0;

	if (rc < 0)
		return rc;
	rc = go_on(s, j, c, wall);
	if (rc < 0 && c->again)
		dvmd_cstate_unqueue(s, j);
	return rc;
}

/* While it is stopped its time limit stands still. */
static int job_suspend(struct dvmd_cstate *s, const Pb__JobSuspend *c, uint64_t wall)
{
	Pb__JobRecord *r = dvmd_cstate_find_job(s, c->id)->msg;

	if (c->suspended && !r->suspended)
		r->suspended_at = wall;
	if (!c->suspended && wall > r->suspended_at)
		r->stopped_ns += wall - r->suspended_at;
	if (!c->suspended)
		r->suspended_at = 0;
	r->suspended = c->suspended;
	return 0;
}

static int job_limit(struct dvmd_cstate *s, const Pb__JobLimit *c)
{
	dvmd_cstate_find_job(s, c->id)->msg->spec->timeout_ns = c->limit_ns;
	return 0;
}

static int job_room(struct dvmd_cstate *s, const Pb__JobRoom *c)
{
	Pb__JobRecord *r = dvmd_cstate_find_job(s, c->id)->msg;

	if (r->spec->ranks_max)
		r->room = c->room;
	if (c->wanted_by) {
		r->wanted_by = c->wanted_by;
		r->grace_ns = c->grace_ns;
	}
	return 0;
}

static int found_machine(struct dvmd_cstate *s, const Pb__Founding *f)
{
	s->founding = dvmi_pb_dup(f);
	return s->founding ? 0 : -ENOMEM;
}

/* Does what check() has allowed. Only -ENOMEM is possible. */
static int perform(struct dvmd_cstate *s, const Pb__Command *cmd)
{
	switch (cmd->what_case) {
	case PB__COMMAND__WHAT_FOUNDING:
		return found_machine(s, cmd->founding);
	case PB__COMMAND__WHAT_MEMBER_ADD:
		return member_add(s, cmd->member_add, cmd->wall);
	case PB__COMMAND__WHAT_MEMBER_CHANGE:
		return member_change(s, cmd->member_change, cmd->wall);
	case PB__COMMAND__WHAT_MEMBER_DRAIN:
		return dvmd_cstate_drain(s, cmd->member_drain, cmd->wall);
	case PB__COMMAND__WHAT_MEMBER_REMOVE:
		drop_member(s, dvmd_cstate_find_member(s, cmd->member_remove));
		return 0;
	case PB__COMMAND__WHAT_TOKEN_ADD:
		return token_add(s, cmd->token_add);
	case PB__COMMAND__WHAT_TOKEN_REMOVE:
		drop_token(s, dvmd_cstate_find_token(s, cmd->token_remove.data));
		return 0;
	case PB__COMMAND__WHAT_JOB_ADD:
		return job_add(s, cmd->job_add, cmd->wall);
	case PB__COMMAND__WHAT_JOB_CHANGE:
		return job_change(s, cmd->job_change, cmd->wall);
	case PB__COMMAND__WHAT_JOB_SUSPEND:
		return job_suspend(s, cmd->job_suspend, cmd->wall);
	case PB__COMMAND__WHAT_JOB_ROOM:
		return job_room(s, cmd->job_room);
	case PB__COMMAND__WHAT_JOB_LIMIT:
		return job_limit(s, cmd->job_limit);
	case PB__COMMAND__WHAT_RESERVE_ADD:
		return dvmd_cstate_reserve_add(s, cmd->reserve_add);
	case PB__COMMAND__WHAT_RESERVE_REMOVE:
		dvmd_cstate_reserve_remove(s, cmd->reserve_remove);
		return 0;
	case PB__COMMAND__WHAT_JOB_REMOVE:
		drop_job(s, dvmd_cstate_find_job(s, cmd->job_remove));
		return 0;
	case PB__COMMAND__WHAT_QUEUE_ADD:
		return dvmd_cstate_queue_add(s, cmd->queue_add, cmd->wall);
	case PB__COMMAND__WHAT_QUEUE_CHANGE:
		return dvmd_cstate_queue_change(s, cmd->queue_change);
	case PB__COMMAND__WHAT_QUEUE_END:
		return dvmd_cstate_queue_end(s, cmd->queue_end, cmd->wall);
	case PB__COMMAND__WHAT_NAME_ADD:
		return dvmd_cstate_name_add(s, cmd->name_add);
	case PB__COMMAND__WHAT_NAME_REMOVE:
		dvmd_cstate_name_remove(s, cmd->name_remove);
		return 0;
	default:
		return 0;
	}
}

int dvmd_cstate_apply(struct dvmd_cstate *s, uint64_t index, const Pb__Command *cmd)
{
	if (index != s->index + 1)
		return -EINVAL;
	int rc = dvmd_cstate_check(s, cmd, NULL);
	if (rc == 0)
		rc = perform(s, cmd);
	else if (rc != -ENOMEM)
		s->refused++;
	if (rc == -ENOMEM)
		return rc;
	s->index = index;
	return 0;
}
