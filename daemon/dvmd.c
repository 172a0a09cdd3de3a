/* SPDX-License-Identifier: BSD-3-Clause */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "daemon/agent.h"
#include "daemon/call.h"
#include "daemon/cast.h"
#include "daemon/client.h"
#include "daemon/dvmd.h"
#include "daemon/history.h"
#include "daemon/lead.h"
#include "daemon/live.h"
#include "daemon/logs.h"
#include "daemon/origin.h"
#include "daemon/pairs.h"
#include "daemon/queue.h"
#include "daemon/replica.h"
#include "daemon/roster.h"
#include "daemon/services.h"
#include "daemon/toposave.h"
#include "daemon/topo.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/base/clock.h"
#include "libdvm/base/err.h"

#define JOIN_TIMEOUT (10 * DVMI_SEC)
#define STOP_TICK_MS 20
#define STOP_LINGER  (UINT64_C(150) * DVMI_MSEC) /* for answers and farewells to get out */
#define HALT_TIMEOUT (8 * DVMI_SEC)		  /* for the jobs of a halted node to end */

const struct dvmd_cstate *dvmd_state(const struct dvmd *d)
{
	return dvmd_replica_state(d->replica);
}

const char *dvmd_node_name(const struct dvmd *d, uint32_t id, char buf[32])
{
	const Pb__Member *m = dvmd_cstate_member(dvmd_state(d), id);

	if (m)
		return m->name;
	snprintf(buf, 32, "node %u", id);
	return buf;
}

/* ---- what comes in from other nodes ---- */

static void on_request(struct dvmd *d, const struct dvmd_sender *from,
		       const struct dvmi_envelope *env, const uint8_t *body, size_t len,
		       struct dvmd_reply_to reply)
{
	switch (env->type) {
	case DVMI_MSG_PROBE:
		dvmd_transport_reply(d->wire, reply, DVMI_MSG_OK, NULL, 0);
		break;
	case DVMI_MSG_STATE_FETCH:
		dvmd_replica_fetched(d->replica, body, len, reply);
		break;
	case DVMI_MSG_FORWARD:
		dvmd_call_forwarded(d, from, body, len, reply);
		break;
	case DVMI_MSG_JOIN_VIA:
		dvmd_roster_join_via(d, body, len, reply);
		break;
	case DVMI_MSG_PROPOSE:
		dvmd_roster_propose(d, body, len, reply);
		break;
	default:
		dvmd_transport_reply_error(d->wire, reply, -DVM_EPROTO, "unknown request %#x",
					   env->type);
	}
}

/* What only the leader may say. */
static void on_leader_message(struct dvmd *d, uint16_t type, const uint8_t *body, size_t len,
			      struct dvmd_reply_to reply)
{
	switch (type) {
	case DVMI_MSG_STATE_PUSH:
		dvmd_replica_pushed(d->replica, body, len);
		break;
	case DVMI_MSG_JOB_EVENT:
		dvmd_origin_to_client(d->origin, type, body, len);
		break;
	case DVMI_MSG_HALT_NODES: /* to one node alone: it is being removed */
		dvmd_transport_reply(d->wire, reply, DVMI_MSG_OK, NULL, 0);
		d->removed = true;
		dvmd_stop(d, true);
		break;
	default:
		dvmd_agent_from_leader(d->agent, type, body, len);
	}
}

static void on_job_status(struct dvmd *d, uint32_t from, const uint8_t *body, size_t len)
{
	cleanup_pb Pb__JobStatus *st = NULL;

	if (dvmi_pb_unpack(&pb__job_status__descriptor, body, len, &st) < 0)
		return;
	st->node = from; /* nobody reports for another */
	dvmd_lead_status(d->lead, st);
}

static void on_message(const struct dvmd_sender *from, const struct dvmi_envelope *env,
		       const uint8_t *body, size_t len, struct dvmd_reply_to reply, void *arg)
{
	struct dvmd *d = arg;

	if (env->type == DVMI_MSG_JOIN) {
		dvmd_roster_join(d, from, body, len, reply);
		return;
	}
	if (!d->ready || !from->node) {
		dvmd_transport_reply_error(d->wire, reply, -EAGAIN, "not ready");
		return;
	}
	switch (env->type) {
	case DVMI_MSG_SWIM:
		dvmd_live_received(d->live, from->node, body, len);
		break;
	case DVMI_MSG_BCAST:
		dvmd_cast_received(d->cast, from->node, body, len);
		break;
	case DVMI_MSG_JOB_STATUS:
		on_job_status(d, from->node, body, len);
		break;
	case DVMI_MSG_OUTPUT:
	case DVMI_MSG_STDIN_ACK:
		dvmd_origin_to_client(d->origin, env->type, body, len);
		break;
	case DVMI_MSG_OUTPUT_ACK:
	case DVMI_MSG_STDIN:
	case DVMI_MSG_PEER:
		dvmd_agent_from_origin(d->agent, env->type, body, len);
		break;
	case DVMI_MSG_STATE_PUSH:
	case DVMI_MSG_JOB_EVENT:
	case DVMI_MSG_JOB_RELEASE:
	case DVMI_MSG_HALT_NODES:
		if (from->node == DVMD_LEADER)
			on_leader_message(d, env->type, body, len, reply);
		break;
	default:
		on_request(d, from, env, body, len, reply);
	}
}

static uint64_t current_view(void *arg)
{
	struct dvmd *d = arg;

	return d->replica ? dvmd_cstate_index(dvmd_state(d)) : 0;
}

/* ---- the cluster state and those who act on it ---- */

static void know_member(struct dvmd *d, const Pb__Member *m)
{
	if (m->id == d->self)
		return;
	dvmd_transport_peer_set(d->wire, m->id, m->key.data, m->address, (uint16_t)m->port);
	dvmd_live_add(d->live, m->id);
}

static void forget_member(struct dvmd *d, uint32_t id)
{
	if (id == d->self && d->ready) {
		dvmi_log(&d->log, "member", LOG_NOTICE, "this node was removed from the machine");
		d->removed = true;
		dvmd_stop(d, true);
		return;
	}
	dvmd_live_remove(d->live, id);
	dvmd_transport_peer_drop(d->wire, id);
}

static void act_on(struct dvmd *d, const Pb__Command *cmd)
{
	switch (cmd->what_case) {
	case PB__COMMAND__WHAT_MEMBER_ADD:
		know_member(d, cmd->member_add);
		break;
	case PB__COMMAND__WHAT_MEMBER_REMOVE:
		forget_member(d, cmd->member_remove);
		break;
	case PB__COMMAND__WHAT_JOB_ADD:
		dvmd_origin_job_added(d->origin, cmd->job_add->id);
		break;
	case PB__COMMAND__WHAT_TOKEN_ADD:
		dvmd_transport_token_allow(d->wire, cmd->token_add->key.data);
		if (dvmd_leads(d))
			dvmd_roster_token_added(d->roster, cmd->token_add);
		break;
	case PB__COMMAND__WHAT_TOKEN_REMOVE:
		dvmd_transport_token_drop(d->wire, cmd->token_remove.data);
		break;
	default:
		break;
	}
}

void dvmd_applied(struct dvmd *d, const Pb__Command *cmd)
{
	if (!d->ready) /* all of it is taken up at once, when the node is ready */
		return;
	act_on(d, cmd);
	dvmd_services_applied(d, cmd);
	dvmd_queue_applied(d, cmd);
	dvmd_history_applied(d, cmd);
}

static int take_member(const Pb__Member *m, void *arg)
{
	know_member(arg, m);
	return 0;
}

static int take_token(const Pb__Token *t, void *arg)
{
	struct dvmd *d = arg;

	if (dvmd_leads(d))
		dvmd_roster_token_added(d->roster, t);
	return dvmd_transport_token_allow(d->wire, t->key.data);
}

static int drop_stale_member(const Pb__Member *m, void *arg)
{
	struct dvmd *d = arg;

	if (!dvmd_cstate_member(dvmd_state(d), m->id))
		forget_member(d, m->id);
	return 0;
}

static int drop_stale_token(const Pb__Token *t, void *arg)
{
	struct dvmd *d = arg;

	if (!dvmd_cstate_token(dvmd_state(d), t->key.data))
		dvmd_transport_token_drop(d->wire, t->key.data);
	return 0;
}

void dvmd_resync(struct dvmd *d, const struct dvmd_cstate *was)
{
	if (!d->ready)
		return;
	dvmd_cstate_each_member(was, drop_stale_member, d);
	dvmd_cstate_each_token(was, drop_stale_token, d);
	dvmd_cstate_each_member(dvmd_state(d), take_member, d);
	dvmd_cstate_each_token(dvmd_state(d), take_token, d);
	dvmd_services_resync(d);
}

/* ---- becoming a node ---- */

static void fail(struct dvmd *d, int code, const char *text)
{
	if (d->started)
		d->started(d, code, text);
	d->started = NULL;
}

/* The number of this start, kept in the state directory: lives are told apart by it. */
static uint32_t next_life(struct dvmd *d)
{
	char path[512], fresh[520];
	unsigned life = 0;

	snprintf(path, sizeof path, "%s/life", d->setup.state_dir);
	snprintf(fresh, sizeof fresh, "%s.new", path);
	FILE *f = fopen(path, "re");
	if (f && fscanf(f, "%u", &life) != 1)
		life = 0;
	if (f)
		fclose(f);
	life++;
	f = fopen(fresh, "we");
	if (f) {
		fprintf(f, "%u\n", life);
		/* A life that is used twice costs a round of refutations, no more. */
		if (fclose(f) == 0)
			(void)!rename(fresh, path);
	}
	return life;
}

/* SELF is known and the state is there: start taking part. */
static void become_ready(struct dvmd *d, uint32_t self)
{
	uint32_t life = next_life(d);

	d->self = self;
	int rc = dvmd_live_create(&d->live, d, life);
	if (rc == 0)
		rc = dvmd_cast_create(&d->cast, d, life);
	if (rc < 0) {
		fail(d, rc, dvm_strerror(rc));
		return;
	}
	d->ready = true;
	dvmd_cstate_each_member(dvmd_state(d), take_member, d);
	dvmd_cstate_each_token(dvmd_state(d), take_token, d);
	dvmd_live_applied(d->live, dvmd_cstate_index(dvmd_state(d)));
	dvmd_roster_refresh(d);
	dvmd_agent_recover(d->agent);
	dvmd_lead_recover(d->lead);
	dvmd_history_recover(d);
	dvmd_queue_kick(d);
	dvmi_log(&d->log, "state", LOG_NOTICE, "node %s (%u) of machine %s is ready at %s:%u",
		 d->setup.name, self, d->setup.machine, d->setup.address, d->setup.port);
	if (d->started)
		d->started(d, 0, NULL);
	d->started = NULL;
}

static void found(struct dvmd *d)
{
	Pb__Command cmd = PB__COMMAND__INIT;
	Pb__Founding founding = PB__FOUNDING__INIT;
	Pb__Member self;
	uint8_t id[16];
	dvm_error_t err = { 0 };

	dvmd_history_begin(d);
	randombytes_buf(id, sizeof id);
	founding.machine = (char *)d->setup.machine;
	founding.id = (ProtobufCBinaryData){ .len = sizeof id, .data = id };
	cmd.what_case = PB__COMMAND__WHAT_FOUNDING;
	cmd.founding = &founding;
	int rc = dvmd_replica_propose(d->replica, &cmd, &err);
	dvmd_roster_self(d, &self);
	self.id = DVMD_LEADER;
	self.since = dvmd_steady_now(&d->clock);
	cmd.what_case = PB__COMMAND__WHAT_MEMBER_ADD;
	cmd.member_add = &self;
	if (rc == 0)
		rc = dvmd_replica_propose(d->replica, &cmd, &err);
	if (rc < 0)
		fail(d, rc, err.text);
	else
		become_ready(d, DVMD_LEADER);
}

static void on_joined(int code, const char *text, uint16_t type, const uint8_t *body, size_t len,
		      void *arg)
{
	struct dvmd *d = arg;
	cleanup_pb Pb__JoinReply *r = NULL;
	dvm_error_t err = { 0 };

	if (code == 0 && (dvmi_pb_unpack(&pb__join_reply__descriptor, body, len, &r) < 0 ||
			  !r->state || !r->id))
		code = -DVM_EPROTO;
	const Pb__Member *self = dvmd_cstate_member_by_key(dvmd_state(d), d->keys.public_key);
	if (code < 0 && self) {
		/* Asked to join what it belongs to: the log will do. */
		become_ready(d, self->id);
		return;
	}
	if (code < 0)
		dvmi_error_set(&err, code, "joining through %s:%u: %s", d->setup.join_address,
			       d->setup.join_port, text && *text ? text : dvm_strerror(code));
	else
		code = dvmd_replica_begin(d->replica, r->state, &err);
	if (code < 0)
		fail(d, code, err.text);
	else
		become_ready(d, r->id);
}

static void join(struct dvmd *d)
{
	struct dvmd_token token;
	Pb__JoinRequest req = PB__JOIN_REQUEST__INIT;
	Pb__Member self;
	struct dvmi_buf b = { 0 };
	dvm_error_t err = { 0 };

	int rc = dvmd_token_parse(&token, d->setup.token, &err);
	if (rc < 0) {
		fail(d, rc, err.text);
		return;
	}
	dvmd_roster_self(d, &self);
	req.member = &self;
	req.machine = (char *)d->setup.machine;
	dvmi_pb_pack(&b, &req);
	rc = b.err ? b.err :
		     dvmd_transport_join(d->wire, d->setup.join_address, d->setup.join_port,
					 token.server_key, token.keys.public_key,
					 token.keys.secret_key, b.data, b.len, JOIN_TIMEOUT,
					 on_joined, d);
	dvmi_buf_free(&b);
	dvmd_keys_wipe(&token.keys);
	if (rc < 0)
		on_joined(rc, NULL, 0, NULL, 0, d);
}

static void recover(struct dvmd *d)
{
	const Pb__Member *self = dvmd_cstate_member_by_key(dvmd_state(d), d->keys.public_key);

	if (self)
		become_ready(d, self->id);
	else
		fail(d, -EPERM, "this node was removed from its machine: join again with a token");
}

static void on_selftest(int code, void *arg)
{
	struct dvmd *d = arg;

	if (code < 0)
		fail(d, code,
		     code == -DVM_EAUTH ?
			     "self-test: the control port lets an unknown key in; not going on" :
			     "self-test: the control port cannot be reached from this node");
	else if (d->setup.join_address)
		join(d); /* also where a machine is known: an invitation is newer than the log */
	else if (dvmd_cstate_founding(dvmd_state(d)))
		recover(d);
	else if (d->setup.found)
		found(d);
	else
		fail(d, -EINVAL, "neither found nor join, and no machine is known from before");
}

static int read_topology(struct dvmd *d, dvm_error_t *err)
{
	struct dvmd_topo topo = { 0 };
	int rc = dvmd_topo_discover(&topo, err);

	if (rc < 0)
		return rc;
	dvmd_topo_encode(&topo, &d->topology);
	if (!d->setup.memory || d->setup.memory > topo.mem)
		d->setup.memory = topo.mem;
	dvmd_topo_free(&topo);
	return d->topology.err;
}

/* In this order, since each needs what stands above it. */
int dvmd_start(struct dvmd *d, dvm_error_t *err)
{
	char key_path[512];
	const struct dvmd_transport_config wire = { .loop = d->loop,
						    .log = &d->log,
						    .address = d->setup.address,
						    .port = d->setup.port,
						    .public_key = d->keys.public_key,
						    .secret_key = d->keys.secret_key,
						    .message = on_message,
						    .view = current_view,
						    .arg = d };
	int rc;

	uv_timer_init(d->loop, &d->stop_timer);
	d->stop_timer.data = d;
	snprintf(key_path, sizeof key_path, "%s/key", d->setup.state_dir);
	dvmd_steady_open(&d->clock, d->setup.state_dir);
	dvmd_kvm_look(&d->kvm, d->setup.kvm_device);
	if ((rc = read_topology(d, err)) < 0 ||
	    (rc = dvmd_gres_parse(d->setup.gres ? d->setup.gres : "", &d->gres, &d->n_gres, err)) < 0 ||
	    (rc = dvmd_keys_load(&d->keys, key_path, err)) < 0 ||
	    (rc = dvmd_replica_create(&d->replica, d, err)) < 0 ||
	    (rc = dvmd_transport_create(&d->wire, &wire, err)) < 0 ||
	    (rc = dvmd_clients_create(&d->clients, d, err)) < 0)
		return rc;
	if ((rc = dvmd_origin_create(&d->origin, d)) < 0 ||
	    (rc = dvmd_agent_create(&d->agent, d)) < 0 ||
	    (rc = dvmd_lead_create(&d->lead, d)) < 0 ||
	    (rc = dvmd_queue_create(&d->queue, d)) < 0 ||
	    (rc = dvmd_history_create(&d->history, d)) < 0 ||
	    (rc = dvmd_roster_create(&d->roster, d)) < 0)
		return dvmi_error_code(err, rc, "starting");
	rc = dvmd_transport_selftest(d->wire, on_selftest, d);
	return rc < 0 ? dvmi_error_code(err, rc, "self-test") : 0;
}

/* ---- ending ---- */

static void on_stop_tick(uv_timer_t *t)
{
	struct dvmd *d = t->data;
	uint64_t now = dvmi_clock_mono();
	bool jobs_left = d->halted && d->agent && !dvmd_agent_end_all(d->agent);

	if (now < d->stop_by - HALT_TIMEOUT + STOP_LINGER || (jobs_left && now < d->stop_by))
		return;
	uv_stop(d->loop);
}

void dvmd_stop(struct dvmd *d, bool halt)
{
	d->halted |= halt;
	if (d->stopping)
		return;
	d->stopping = true;
	d->stop_by = dvmi_clock_mono() + HALT_TIMEOUT;
	/* A daemon that is only being restarted says nothing: its jobs go on. */
	if (halt)
		dvmd_live_leave(d->live);
	uv_timer_start(&d->stop_timer, on_stop_tick, 0, STOP_TICK_MS);
}

void dvmd_destroy(struct dvmd *d)
{
	d->ready = false;
	dvmd_logs_stop(d);
	dvmd_host_add_stop(d);
	dvmd_toposave_stop(d);
	dvmd_history_destroy(d->history);
	dvmd_clients_destroy(d->clients);
	dvmd_roster_destroy(d->roster);
	dvmd_queue_destroy(d->queue);
	dvmd_lead_destroy(d->lead);
	dvmd_agent_destroy(d->agent);
	dvmd_origin_destroy(d->origin);
	dvmd_cast_destroy(d->cast);
	dvmd_live_destroy(d->live);
	dvmd_transport_destroy(d->wire);
	if (d->removed)
		dvmd_replica_forget(d->replica);
	dvmd_replica_destroy(d->replica);
	uv_close((uv_handle_t *)&d->stop_timer, NULL);
	dvmd_keys_wipe(&d->keys);
	dvmi_buf_free(&d->topology);
	for (size_t i = 0; i < d->n_gres; i++)
		dvmi_pb_free(d->gres[i]);
	free(d->gres);
}
