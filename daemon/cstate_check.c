/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which commands the cluster state accepts. The rules are part of the protocol: all nodes must
 * come to the same answer for the same entry, so nothing here asks a clock, a file or a limit of
 * the host.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/cstate_private.h"
#include "daemon/pairs.h"
#include "libdvm/base/err.h"

#define MACHINE_ID_BYTES 16
#define LABEL_MAX	 255  /* version, host */
#define REASON_MAX	 4096 /* bytes */
#define SLOTS_MAX	 (1u << 20)
#define RANKS_MAX	 DVMI_PB_COUNT_MAX
#define TOPOLOGY_MAX	 (1u << 20)
#define TOKENS_MAX	 4096
#define TOKEN_USES_MAX	 (1u << 20)

#define refuse(err, code, ...) dvmi_error_set(err, code, __VA_ARGS__)

static int check_key(const ProtobufCBinaryData *key, const char *what, dvm_error_t *err)
{
	static const uint8_t none[KEY_BYTES];

	if (key->len != KEY_BYTES)
		return refuse(err, -EINVAL, "%s has a key of %zu bytes instead of %d", what,
			      key->len, KEY_BYTES);
	if (!memcmp(key->data, none, KEY_BYTES))
		return refuse(err, -EINVAL, "%s has an empty key", what);
	return 0;
}

static int check_length(const char *what, const char *s, size_t max, dvm_error_t *err)
{
	if (strnlen(s, max + 1) > max)
		return refuse(err, -EINVAL, "%s is longer than %zu bytes", what, max);
	return 0;
}

int dvmd_cstate_check_founding(const Pb__Founding *f, dvm_error_t *err)
{
	int rc = dvmd_name_check("machine name", f->machine, err);

	if (rc < 0)
		return rc;
	if (f->id.len != MACHINE_ID_BYTES)
		return refuse(err, -EINVAL, "machine id has %zu bytes instead of %d", f->id.len,
			      MACHINE_ID_BYTES);
	return 0;
}

static bool is_numeric_address(const char *s)
{
	struct in6_addr a;

	return inet_pton(AF_INET, s, &a) == 1 || inet_pton(AF_INET6, s, &a) == 1;
}

static int check_member_address(const Pb__Member *m, dvm_error_t *err)
{
	if (!is_numeric_address(m->address))
		return refuse(err, -EINVAL, "node %s: \"%.80s\" is not a numeric address", m->name,
			      m->address);
	if (m->port == 0 || m->port > UINT16_MAX)
		return refuse(err, -EINVAL, "node %s: port %u is not within 1 … 65535", m->name,
			      m->port);
	return 0;
}

static int check_member_sizes(const Pb__Member *m, dvm_error_t *err)
{
	int rc;

	if (m->slots > SLOTS_MAX)
		return refuse(err, -EINVAL, "node %s: %u slots are more than %u", m->name, m->slots,
			      SLOTS_MAX);
	if (m->topology.len > TOPOLOGY_MAX)
		return refuse(err, -EINVAL, "node %s: a topology of %zu bytes is too large",
			      m->name, m->topology.len);
	if (m->state != PB__MEMBER_STATE__MEMBER_UP && m->state != PB__MEMBER_STATE__MEMBER_DOWN)
		return refuse(err, -EINVAL, "node %s: unknown state %d", m->name, (int)m->state);
	rc = check_length("the version of a node", m->version, LABEL_MAX, err);
	if (rc == 0)
		rc = check_length("what a node lacks", m->kvm_why, LABEL_MAX, err);
	return rc < 0 ? rc : check_length("the host of a node", m->host, LABEL_MAX, err);
}

int dvmd_cstate_check_member(const Pb__Member *m, dvm_error_t *err)
{
	int rc = dvmd_name_check("node name", m->name, err);

	if (rc == 0)
		rc = check_key(&m->key, "a node", err);
	if (rc == 0)
		rc = check_member_address(m, err);
	if (rc == 0)
		rc = check_member_sizes(m, err);
	if (rc == 0)
		rc = dvmd_gres_check(m->gres, m->n_gres, err);
	return rc == 0 ? dvmd_cstate_check_drained(m->drain_why, m->drained_by, err) : rc;
}

int dvmd_cstate_check_token(const Pb__Token *t, dvm_error_t *err)
{
	int rc = check_key(&t->key, "a token", err);

	if (rc < 0)
		return rc;
	if (t->uses == 0 || t->uses > TOKEN_USES_MAX)
		return refuse(err, -EINVAL, "a token for %u joins: 1 … %u are possible", t->uses,
			      TOKEN_USES_MAX);
	return 0;
}

/* Marks the ranks of one share in SEEN; each may be there once. */
static int check_share(const Pb__JobRecord *j, const Pb__NodeShare *share, uint8_t *seen,
		       dvm_error_t *err)
{
	unsigned long long id = j->id;

	if (share->n_ranks == 0)
		return refuse(err, -EINVAL, "job %llu: no rank on node %u", id, share->node);
	if (share->n_cpus && share->n_cpus != share->n_ranks)
		return refuse(err, -EINVAL, "job %llu, node %u: %zu ranks but %zu bindings", id,
			      share->node, share->n_ranks, share->n_cpus);
	for (size_t i = 0; i < share->n_ranks; i++) {
		uint32_t rank = share->ranks[i];
		if (rank >= j->placement->ranks)
			return refuse(err, -EINVAL, "job %llu, node %u: rank %u of %u", id,
				      share->node, rank, j->placement->ranks);
		if (i && rank <= share->ranks[i - 1])
			return refuse(err, -EINVAL, "job %llu, node %u: ranks do not ascend", id,
				      share->node);
		if (seen[rank]++)
			return refuse(err, -EINVAL, "job %llu: rank %u is placed twice", id, rank);
	}
	return 0;
}

static int compare_u32(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static int check_nodes_differ(const Pb__JobRecord *j, dvm_error_t *err)
{
	const Pb__Placement *p = j->placement;
	uint32_t *ids = calloc(p->n_nodes, sizeof *ids);
	int rc = 0;

	if (!ids)
		return -ENOMEM;
	for (size_t i = 0; i < p->n_nodes; i++)
		ids[i] = p->nodes[i]->node;
	qsort(ids, p->n_nodes, sizeof *ids, compare_u32);
	for (size_t i = 1; i < p->n_nodes && rc == 0; i++)
		if (ids[i] == ids[i - 1])
			rc = refuse(err, -EINVAL, "job %llu: node %u has two shares",
				    (unsigned long long)j->id, ids[i]);
	free(ids);
	return rc;
}

static int check_shares(const Pb__JobRecord *j, dvm_error_t *err)
{
	const Pb__Placement *p = j->placement;
	uint8_t *seen = calloc(p->ranks, 1);
	uint64_t placed = 0;
	int rc = 0;

	if (!seen)
		return -ENOMEM;
	for (size_t i = 0; i < p->n_nodes && rc == 0; i++) {
		rc = check_share(j, p->nodes[i], seen, err);
		placed += p->nodes[i]->n_ranks;
	}
	free(seen);
	if (rc == 0 && placed != p->ranks)
		rc = refuse(err, -EINVAL, "job %llu: %llu of %u ranks are placed",
			    (unsigned long long)j->id, (unsigned long long)placed, p->ranks);
	return rc;
}

static int check_job_result(const Pb__JobRecord *j, dvm_error_t *err)
{
	if ((unsigned)j->state > PB__JOB_STATE__JOB_DONE)
		return refuse(err, -EINVAL, "job %llu: unknown state %d", (unsigned long long)j->id,
			      (int)j->state);
	if (j->exit_code < 0 || j->exit_code > 255)
		return refuse(err, -EINVAL, "job %llu: exit code %d is not within 0 … 255",
			      (unsigned long long)j->id, j->exit_code);
	return check_length("the reason of a job's end", j->reason, REASON_MAX, err);
}

static int check_suspended(const Pb__JobRecord *j, dvm_error_t *err)
{
	if ((unsigned)j->suspended > PB__SUSPENDED__FOR_ANOTHER)
		return refuse(err, -EINVAL, "job %llu: unknown suspension", (unsigned long long)j->id);
	return dvmd_gres_check(j->spec->gres, j->spec->n_gres, err);
}

int dvmd_cstate_check_job(const Pb__JobRecord *j, dvm_error_t *err)
{
	unsigned long long id = j->id;
	int rc;

	if (!j->spec || j->spec->n_argv == 0 || !j->spec->argv[0][0])
		return refuse(err, -EINVAL, "job %llu: no program", id);
	/* One that ended while it waited was never placed. */
	bool never_ran = j->state == PB__JOB_STATE__JOB_DONE && !j->started;
	if (!j->placement || (j->placement->n_nodes == 0 && !never_ran))
		return refuse(err, -EINVAL, "job %llu: no placement", id);
	if (j->placement->n_nodes == 0)
		return check_job_result(j, err);
	if (j->placement->ranks == 0 || j->placement->ranks > RANKS_MAX)
		return refuse(err, -EINVAL, "job %llu: %u ranks: 1 … %u are possible", id,
			      j->placement->ranks, RANKS_MAX);
	rc = check_job_result(j, err);
	if (rc == 0)
		rc = check_suspended(j, err);
	if (rc == 0)
		rc = check_nodes_differ(j, err);
	return rc == 0 ? check_shares(j, err) : rc;
}

static int found_machine(const struct dvmd_cstate *s, const Pb__Founding *f, dvm_error_t *err)
{
	if (s->founding)
		return refuse(err, -EEXIST, "the machine is founded already, as \"%s\"",
			      s->founding->machine);
	return dvmd_cstate_check_founding(f, err);
}

static int check_member_identity(const struct dvmd_cstate *s, const Pb__Member *m, dvm_error_t *err)
{
	const struct member *known = dvmd_cstate_find_key(s, m->key.data);
	const Pb__Member *namesake = dvmd_cstate_member_by_name(s, m->name);
	uint32_t expected = known ? known->id : s->next_node;

	if (dvmd_cstate_find_token(s, m->key.data))
		return refuse(err, -EEXIST, "node %s has the key of a token", m->name);
	if (m->id != expected)
		return refuse(err, -EINVAL, "node %s must have id %u, not %u", m->name, expected,
			      m->id);
	if (namesake && namesake->id != m->id)
		return refuse(err, -EEXIST, "node %u is called %s already", namesake->id, m->name);
	return 0;
}

static int member_add(const struct dvmd_cstate *s, const Pb__Member *m, dvm_error_t *err)
{
	int rc = dvmd_cstate_check_member(m, err);

	return rc < 0 ? rc : check_member_identity(s, m, err);
}

static int member_change(const struct dvmd_cstate *s, const Pb__MemberChange *c, dvm_error_t *err)
{
	const struct member *m = dvmd_cstate_find_member(s, c->id);

	if (!m)
		return refuse(err, -ENOENT, "no node with id %u", c->id);
	if (c->state != PB__MEMBER_STATE__MEMBER_UP && c->state != PB__MEMBER_STATE__MEMBER_DOWN)
		return refuse(err, -EINVAL, "node %s: unknown state %d", m->msg->name,
			      (int)c->state);
	if (m->msg->state == c->state)
		return refuse(err, -EALREADY, "node %s is %s already", m->msg->name,
			      c->state == PB__MEMBER_STATE__MEMBER_UP ? "up" : "down");
	return 0;
}

static int member_remove(const struct dvmd_cstate *s, uint32_t id, dvm_error_t *err)
{
	return dvmd_cstate_find_member(s, id) ? 0 : refuse(err, -ENOENT, "no node with id %u", id);
}

static int token_add(const struct dvmd_cstate *s, const Pb__Token *t, dvm_error_t *err)
{
	int rc = dvmd_cstate_check_token(t, err);
	const struct token *known;

	if (rc < 0)
		return rc;
	known = dvmd_cstate_find_token(s, t->key.data);
	if (known && t->uses >= known->msg->uses)
		return refuse(err, -EEXIST, "the token is known; its %u uses can only become fewer",
			      known->msg->uses);
	if (dvmd_cstate_find_key(s, t->key.data))
		return refuse(err, -EEXIST, "the token has the key of a node");
	if (!known && HASH_COUNT(s->tokens) >= TOKENS_MAX)
		return refuse(err, -ENOSPC, "there are %d tokens already", TOKENS_MAX);
	return 0;
}

static int token_remove(const struct dvmd_cstate *s, const ProtobufCBinaryData *key,
			dvm_error_t *err)
{
	int rc = check_key(key, "a token", err);

	if (rc < 0)
		return rc;
	return dvmd_cstate_find_token(s, key->data) ? 0 : refuse(err, -ENOENT, "no such token");
}

static int check_job_nodes(const struct dvmd_cstate *s, const Pb__JobRecord *j, dvm_error_t *err)
{
	unsigned long long id = j->id;

	if (!dvmd_cstate_find_member(s, j->origin))
		return refuse(err, -ENOENT, "job %llu: no node with id %u, its origin", id,
			      j->origin);
	for (size_t i = 0; i < j->placement->n_nodes; i++)
		if (!dvmd_cstate_find_member(s, j->placement->nodes[i]->node))
			return refuse(err, -ENOENT, "job %llu: no node with id %u", id,
				      j->placement->nodes[i]->node);
	return 0;
}

static int job_add(const struct dvmd_cstate *s, const Pb__JobRecord *j, dvm_error_t *err)
{
	int rc;

	if (j->id != s->next_job && !dvmd_cstate_waiting(s, j->id))
		return refuse(err, -EINVAL, "the next job must have id %llu, not %llu",
			      (unsigned long long)s->next_job, (unsigned long long)j->id);
	if (j->state != PB__JOB_STATE__JOB_LAUNCHING)
		return refuse(err, -EINVAL, "job %llu: a new job is launching",
			      (unsigned long long)j->id);
	rc = dvmd_cstate_check_job(j, err);
	return rc < 0 ? rc : check_job_nodes(s, j, err);
}

static int job_change(const struct dvmd_cstate *s, const Pb__JobChange *c, dvm_error_t *err)
{
	static const char *const names[] = { "launching", "running", "ending", "done" };
	const struct job *j = dvmd_cstate_find_job(s, c->id);
	unsigned long long id = c->id;

	if (!j)
		return refuse(err, -ENOENT, "no job %llu", id);
	if ((unsigned)c->state > PB__JOB_STATE__JOB_DONE)
		return refuse(err, -EINVAL, "job %llu: unknown state %d", id, (int)c->state);
	if (c->state <= j->msg->state)
		return refuse(err, c->state == j->msg->state ? -EALREADY : -EINVAL,
			      "job %llu is %s and cannot become %s", id, names[j->msg->state],
			      names[c->state]);
	if (c->exit_code < 0 || c->exit_code > 255)
		return refuse(err, -EINVAL, "job %llu: exit code %d is not within 0 … 255", id,
			      c->exit_code);
	if (c->again && (c->state != PB__JOB_STATE__JOB_DONE || !j->msg->spec->detached))
		return refuse(err, -EINVAL, "job %llu cannot wait again", id);
	return check_length("the reason of a job's end", c->reason, REASON_MAX, err);
}

static int job_suspend(const struct dvmd_cstate *s, const Pb__JobSuspend *c, dvm_error_t *err)
{
	const struct job *j = dvmd_cstate_find_job(s, c->id);
	unsigned long long id = c->id;

	if (!j)
		return refuse(err, -ENOENT, "no job %llu", id);
	if ((unsigned)c->suspended > PB__SUSPENDED__FOR_ANOTHER)
		return refuse(err, -EINVAL, "job %llu: unknown suspension", id);
	if (j->msg->state != PB__JOB_STATE__JOB_RUNNING)
		return refuse(err, -EINVAL, "job %llu is not running", id);
	if (j->msg->suspended == c->suspended)
		return refuse(err, -EALREADY, "job %llu is%s suspended", id,
			      c->suspended ? " already" : " not");
	return 0;
}

static int job_goes_on(const struct dvmd_cstate *s, uint64_t id, dvm_error_t *err)
{
	const struct job *j = dvmd_cstate_find_job(s, id);

	if (!j)
		return refuse(err, -ENOENT, "no job %llu", (unsigned long long)id);
	if (j->msg->state == PB__JOB_STATE__JOB_DONE)
		return refuse(err, -ESRCH, "job %llu is over", (unsigned long long)id);
	return 0;
}

static int job_room(const struct dvmd_cstate *s, const Pb__JobRoom *c, dvm_error_t *err)
{
	int rc = job_goes_on(s, c->id, err);
	const struct job *j = dvmd_cstate_find_job(s, c->id);
	unsigned long long id = c->id;

	if (rc < 0)
		return rc;
	if (c->wanted_by ? !j->msg->spec->lent : !j->msg->spec->ranks_max)
		return refuse(err, -EINVAL, "job %llu is not elastic", id);
	if (c->wanted_by && j->msg->wanted_by)
		return refuse(err, -EALREADY, "job %llu has been asked to leave", id);
	if (c->room > j->msg->spec->ranks_max)
		return refuse(err, -EINVAL, "job %llu: %u ranks are more than it may have", id,
			      c->room);
	return 0;
}

static int job_remove(const struct dvmd_cstate *s, uint64_t id, dvm_error_t *err)
{
	const struct job *j = dvmd_cstate_find_job(s, id);

	if (!j)
		return refuse(err, -ENOENT, "no job %llu", (unsigned long long)id);
	if (j->msg->state != PB__JOB_STATE__JOB_DONE)
		return refuse(err, -EBUSY, "job %llu has not ended", (unsigned long long)id);
	return 0;
}

int dvmd_cstate_check(const struct dvmd_cstate *s, const Pb__Command *cmd, dvm_error_t *err)
{
	if (!s->founding && cmd->what_case != PB__COMMAND__WHAT_FOUNDING)
		return refuse(err, -EINVAL, "the first entry must found the machine");
	switch (cmd->what_case) {
	case PB__COMMAND__WHAT_FOUNDING:
		return found_machine(s, cmd->founding, err);
	case PB__COMMAND__WHAT_MEMBER_ADD:
		return member_add(s, cmd->member_add, err);
	case PB__COMMAND__WHAT_MEMBER_CHANGE:
		return member_change(s, cmd->member_change, err);
	case PB__COMMAND__WHAT_MEMBER_DRAIN:
		return dvmd_cstate_check_drain(s, cmd->member_drain, err);
	case PB__COMMAND__WHAT_MEMBER_REMOVE:
		return member_remove(s, cmd->member_remove, err);
	case PB__COMMAND__WHAT_TOKEN_ADD:
		return token_add(s, cmd->token_add, err);
	case PB__COMMAND__WHAT_TOKEN_REMOVE:
		return token_remove(s, &cmd->token_remove, err);
	case PB__COMMAND__WHAT_JOB_ADD:
		return job_add(s, cmd->job_add, err);
	case PB__COMMAND__WHAT_JOB_CHANGE:
		return job_change(s, cmd->job_change, err);
	case PB__COMMAND__WHAT_JOB_SUSPEND:
		return job_suspend(s, cmd->job_suspend, err);
	case PB__COMMAND__WHAT_JOB_LIMIT:
		return job_goes_on(s, cmd->job_limit->id, err);
	case PB__COMMAND__WHAT_JOB_ROOM:
		return job_room(s, cmd->job_room, err);
	case PB__COMMAND__WHAT_RESERVE_ADD:
		return dvmd_cstate_check_reserve_add(s, cmd->reserve_add, err);
	case PB__COMMAND__WHAT_RESERVE_REMOVE:
		return dvmd_cstate_check_reserve_remove(s, cmd->reserve_remove, err);
	case PB__COMMAND__WHAT_JOB_REMOVE:
		return job_remove(s, cmd->job_remove, err);
	case PB__COMMAND__WHAT_QUEUE_ADD:
		return dvmd_cstate_check_queue_add(s, cmd->queue_add, err);
	case PB__COMMAND__WHAT_QUEUE_CHANGE:
		return dvmd_cstate_check_queue_change(s, cmd->queue_change, err);
	case PB__COMMAND__WHAT_QUEUE_END:
		return dvmd_cstate_check_queue_end(s, cmd->queue_end, err);
	case PB__COMMAND__WHAT_NAME_ADD:
		return dvmd_cstate_check_name_add(s, cmd->name_add, err);
	case PB__COMMAND__WHAT_NAME_REMOVE:
		return dvmd_cstate_check_name_remove(s, cmd->name_remove, err);
	default:
		return refuse(err, -EINVAL, "an entry without a command that this version knows");
	}
}
