/* SPDX-License-Identifier: BSD-3-Clause */
/* The cluster state as a whole: into a snapshot, out of one, and its hash. */
#include <errno.h>
#include <stdlib.h>

#include "daemon/cstate_private.h"
#include "libdvm/base/err.h"

/*
 * Everything the state holds, as the commands that a snapshot is made of: members and tokens in
 * the order of their tables, reservations, finished jobs in the order in which they ended, then the others, then
 * the queue and names, in the order in which they came.
 */
typedef int command_fn(const Pb__Command *cmd, void *arg);

static int visit(command_fn *fn, void *arg, Pb__Command__WhatCase which, const void *msg)
{
	Pb__Command cmd = PB__COMMAND__INIT;

	cmd.what_case = which;
	cmd.founding = (Pb__Founding *)msg; /* all messages of the union are pointers */
	return fn(&cmd, arg);
}

static int each_job_command(const struct dvmd_cstate *s, command_fn *fn, void *arg)
{
	int rc = 0;

	for (const struct job *j = s->done; j && rc >= 0; j = j->next)
		rc = visit(fn, arg, PB__COMMAND__WHAT_JOB_ADD, j->msg);
	for (const struct job *j = s->jobs; j && rc >= 0; j = j->hh.next)
		if (j->msg->state != PB__JOB_STATE__JOB_DONE)
			rc = visit(fn, arg, PB__COMMAND__WHAT_JOB_ADD, j->msg);
	return rc;
}

/* An environment is there once, with the first that has it; the others name that one. */
static int visit_waiting(const struct waiting *w, command_fn *fn, void *arg)
{
	uint64_t first = dvmd_cstate_env_mark(w->env, w->id);
	Pb__Waiting lean = *w->msg;
	Pb__JobSpec spec = *w->msg->spec;

	if (first) {
		spec.n_env = 0;
		lean.spec = &spec;
		lean.env_of = first;
	}
	return visit(fn, arg, PB__COMMAND__WHAT_QUEUE_ADD, &lean);
}

static int each_command(const struct dvmd_cstate *s, command_fn *fn, void *arg)
{
	int rc = 0;

	if (s->founding)
		rc = visit(fn, arg, PB__COMMAND__WHAT_FOUNDING, s->founding);
	for (const struct member *m = s->by_id; m && rc >= 0; m = m->by_id.next)
		rc = visit(fn, arg, PB__COMMAND__WHAT_MEMBER_ADD, m->msg);
	for (const struct token *t = s->tokens; t && rc >= 0; t = t->hh.next)
		rc = visit(fn, arg, PB__COMMAND__WHAT_TOKEN_ADD, t->msg);
	for (const struct reservation *v = s->reservations; v && rc >= 0; v = v->hh.next)
		rc = visit(fn, arg, PB__COMMAND__WHAT_RESERVE_ADD, v->msg);
	rc = rc < 0 ? rc : each_job_command(s, fn, arg);
	dvmd_cstate_env_unmark(s);
	for (const struct waiting *w = s->queue; w && rc >= 0; w = w->hh.next)
		rc = visit_waiting(w, fn, arg);
	for (const struct service *v = s->services; v && rc >= 0; v = v->hh.next)
		rc = visit(fn, arg, PB__COMMAND__WHAT_NAME_ADD, v->msg);
	return rc;
}

static int append_copy(const Pb__Command *cmd, void *arg)
{
	Pb__StateSnapshot *snap = arg;
	Pb__Command *copy = dvmi_pb_dup(cmd);

	if (!copy)
		return -ENOMEM;
	snap->commands[snap->n_commands++] = copy;
	return 0;
}

int dvmd_cstate_snapshot(const struct dvmd_cstate *s, Pb__StateSnapshot **out)
{
	size_t n = 1 + dvmd_cstate_members(s) + HASH_COUNT(s->tokens) + HASH_COUNT(s->jobs) +
		   HASH_COUNT(s->queue) + HASH_COUNT(s->services) + HASH_COUNT(s->reservations);
	Pb__StateSnapshot *snap = malloc(sizeof *snap);

	if (!snap)
		return -ENOMEM;
	pb__state_snapshot__init(snap);
	snap->index = s->index;
	snap->next_node = s->next_node;
	snap->next_job = s->next_job;
	snap->commands = calloc(n, sizeof(Pb__Command *));
	if (!snap->commands || each_command(s, append_copy, snap) < 0) {
		dvmi_pb_free(snap);
		return -ENOMEM;
	}
	*out = snap;
	return 0;
}

static int restore_founding(struct dvmd_cstate *s, const Pb__Founding *f, dvm_error_t *err)
{
	int rc = dvmd_cstate_check_founding(f, err);

	if (rc < 0)
		return rc;
	if (s->founding)
		return dvmi_error_set(err, -DVM_EPROTO, "it founds the machine twice");
	s->founding = dvmi_pb_dup(f);
	return s->founding ? 0 : -ENOMEM;
}

static int restore_member(struct dvmd_cstate *s, const Pb__Member *m, dvm_error_t *err)
{
	const struct member *last =
		s->by_id ? ELMT_FROM_HH(s->by_id->by_id.tbl, s->by_id->by_id.tbl->tail) : NULL;
	int rc = dvmd_cstate_check_member(m, err);

	if (rc < 0)
		return rc;
	if (m->id == 0 || m->id >= s->next_node || (last && m->id <= last->id) ||
	    dvmd_cstate_find_key(s, m->key.data) || dvmd_cstate_member_by_name(s, m->name))
		return dvmi_error_set(err, -DVM_EPROTO, "node %u (%s) does not fit the others",
				      m->id, m->name);
	Pb__Member *copy = dvmi_pb_dup(m);
	rc = copy ? dvmd_cstate_insert_member(s, copy) : -ENOMEM;
	if (rc < 0)
		dvmi_pb_free(copy);
	return rc;
}

static int restore_token(struct dvmd_cstate *s, const Pb__Token *t, dvm_error_t *err)
{
	int rc = dvmd_cstate_check_token(t, err);

	if (rc < 0)
		return rc;
	if (dvmd_cstate_find_token(s, t->key.data) || dvmd_cstate_find_key(s, t->key.data))
		return dvmi_error_set(err, -DVM_EPROTO, "a token's key is there twice");
	Pb__Token *copy = dvmi_pb_dup(t);
	rc = copy ? dvmd_cstate_insert_token(s, copy) : -ENOMEM;
	if (rc < 0)
		dvmi_pb_free(copy);
	return rc;
}

static int restore_job(struct dvmd_cstate *s, const Pb__JobRecord *j, dvm_error_t *err)
{
	int rc = dvmd_cstate_check_job(j, err);

	if (rc < 0)
		return rc;
	if (j->id == 0 || j->id >= s->next_job || dvmd_cstate_find_job(s, j->id))
		return dvmi_error_set(err, -DVM_EPROTO, "job %llu does not fit the others",
				      (unsigned long long)j->id);
	Pb__JobRecord *copy = dvmi_pb_dup(j);
	rc = copy ? dvmd_cstate_insert_job(s, copy) : -ENOMEM;
	if (rc < 0)
		dvmi_pb_free(copy);
	return rc;
}

static int restore_command(struct dvmd_cstate *s, const Pb__Command *cmd, dvm_error_t *err)
{
	if (!s->founding && cmd->what_case != PB__COMMAND__WHAT_FOUNDING)
		return dvmi_error_set(err, -DVM_EPROTO, "it does not begin with the founding");
	switch (cmd->what_case) {
	case PB__COMMAND__WHAT_FOUNDING:
		return restore_founding(s, cmd->founding, err);
	case PB__COMMAND__WHAT_MEMBER_ADD:
		return restore_member(s, cmd->member_add, err);
	case PB__COMMAND__WHAT_TOKEN_ADD:
		return restore_token(s, cmd->token_add, err);
	case PB__COMMAND__WHAT_JOB_ADD:
		return restore_job(s, cmd->job_add, err);
	case PB__COMMAND__WHAT_RESERVE_ADD:
		return dvmd_cstate_restore_reservation(s, cmd->reserve_add, err);
	case PB__COMMAND__WHAT_QUEUE_ADD:
		return dvmd_cstate_restore_waiting(s, cmd->queue_add, err);
	case PB__COMMAND__WHAT_NAME_ADD:
		return dvmd_cstate_restore_name(s, cmd->name_add, err);
	default:
		return dvmi_error_set(err, -DVM_EPROTO, "it holds a command that changes");
	}
}

static int restore_all(struct dvmd_cstate *s, const Pb__StateSnapshot *snap, dvm_error_t *err)
{
	s->index = snap->index;
	s->next_node = snap->next_node;
	s->next_job = snap->next_job;
	if (snap->next_node == 0 || snap->next_job == 0)
		return dvmi_error_set(err, -DVM_EPROTO, "its next ids are missing");
	for (size_t i = 0; i < snap->n_commands; i++) {
		int rc = restore_command(s, snap->commands[i], err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

int dvmd_cstate_restore(struct dvmd_cstate **out, const Pb__StateSnapshot *snap, dvm_error_t *err)
{
	struct dvmd_cstate *s;
	int rc = dvmd_cstate_create(&s);

	if (rc == 0) {
		rc = restore_all(s, snap, err);
		if (rc < 0)
			dvmd_cstate_destroy(s);
	}
	if (rc == -ENOMEM)
		return dvmi_error_code(err, rc, "snapshot of the cluster state");
	if (rc < 0) {
		dvmi_error_prefix(err, "snapshot of the cluster state");
		if (err)
			err->code = -DVM_EPROTO; /* whichever rule it breaks */
		return -DVM_EPROTO;
	}
	*out = s;
	return 0;
}

/* FNV-1a (Fowler, Noll, Vo) over the packed snapshot, which is never built as a whole. */
struct hasher {
	ProtobufCBuffer base;
	uint64_t value;
};

static void hash_bytes(ProtobufCBuffer *buffer, size_t n, const uint8_t *p)
{
	struct hasher *h = (struct hasher *)buffer;

	for (size_t i = 0; i < n; i++)
		h->value = (h->value ^ p[i]) * UINT64_C(0x100000001b3);
}

static int hash_command(const Pb__Command *cmd, void *arg)
{
	protobuf_c_message_pack_to_buffer(&cmd->base, arg);
	return 0;
}

uint64_t dvmd_cstate_hash(const struct dvmd_cstate *s)
{
	struct hasher h = { .base.append = hash_bytes, .value = UINT64_C(0xcbf29ce484222325) };
	Pb__StateSnapshot head = PB__STATE_SNAPSHOT__INIT;

	head.index = s->index;
	head.next_node = s->next_node;
	head.next_job = s->next_job;
	protobuf_c_message_pack_to_buffer(&head.base, &h.base);
	each_command(s, hash_command, &h.base);
	return h.value;
}
