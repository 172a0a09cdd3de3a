/* SPDX-License-Identifier: BSD-3-Clause */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>
#include <utlist.h>

#include "daemon/cast.h"
#include "daemon/keys.h"
#include "daemon/lead.h"
#include "daemon/live.h"
#include "daemon/replica.h"
#include "daemon/roster.h"
#include "daemon/topo.h"
#include "libdvm/base/clock.h"
#include "libdvm/base/err.h"

#define TOKEN_LIFETIME	(UINT64_C(3600) * DVMI_SEC)
#define REQUEST_TIMEOUT (10 * DVMI_SEC)
#define REMOVE_TIMEOUT	(2 * DVMI_SEC)
#define TICK_MS		1000
#define HALT_TICK_MS	20
#define HALT_CAST	(1 * DVMI_SEC) /* some may be gone before they have answered */
#define HALT_TIMEOUT	(15 * DVMI_SEC) /* for jobs to end before their nodes are halted */

struct token_timer {
	struct token_timer *next;
	uint8_t key[DVMD_KEY_BYTES];
	uint64_t until;
};

struct dvmd_roster {
	struct dvmd *d;
	uv_timer_t timer;
	struct token_timer *tokens;
	struct dvmd_call *halt; /* waits for the jobs to end */
	uint64_t halt_by;
};

static int propose(struct dvmd *d, Pb__Command *cmd, dvm_error_t *err)
{
	int rc = dvmd_replica_propose(d->replica, cmd, err);

	if (rc < 0)
		dvmi_log(&d->log, "state", LOG_WARNING, "%s", err->text);
	return rc;
}

/* ---- joining ---- */

void dvmd_roster_self(struct dvmd *d, Pb__Member *m)
{
	pb__member__init(m);
	m->id = d->self;
	m->name = (char *)d->setup.name;
	m->key = (ProtobufCBinaryData){ .len = DVMD_KEY_BYTES, .data = d->keys.public_key };
	m->address = (char *)d->setup.address;
	m->port = d->setup.port;
	m->slots = d->setup.slots;
	m->topology = (ProtobufCBinaryData){ .len = d->topology.len, .data = d->topology.data };
	m->version = (char *)PACKAGE_VERSION;
	m->host = (char *)d->setup.host;
	m->memory = d->setup.memory;
	m->gres = d->gres;
	m->n_gres = d->n_gres;
	m->port_low = d->setup.port_low;
	m->port_high = d->setup.port_high;
	m->state = PB__MEMBER_STATE__MEMBER_UP;
}

/* Uses a token up by one join. */
static int spend_token(struct dvmd *d, const uint8_t *key, dvm_error_t *err)
{
	const Pb__Token *t = dvmd_cstate_token(dvmd_state(d), key);
	Pb__Command cmd = PB__COMMAND__INIT;
	Pb__Token fewer = PB__TOKEN__INIT;

	if (!t)
		return dvmi_error_set(err, -DVM_EAUTH, "the token has been used or has expired");
	if (t->uses > 1) {
		fewer = *t;
		fewer.uses--;
		cmd.what_case = PB__COMMAND__WHAT_TOKEN_ADD;
		cmd.token_add = &fewer;
	} else {
		cmd.what_case = PB__COMMAND__WHAT_TOKEN_REMOVE;
		cmd.token_remove = (ProtobufCBinaryData){ .len = DVMD_KEY_BYTES,
							  .data = (uint8_t *)key };
	}
	return propose(d, &cmd, err);
}

/* Logs the member of REQ under an id of ours; leader only. TOKEN is NULL for a member's refresh. */
static int admit(struct dvmd *d, const uint8_t *token, const Pb__JoinRequest *req, uint32_t *id,
		 dvm_error_t *err)
{
	Pb__Command cmd = PB__COMMAND__INIT;
	Pb__Member m;

	if (!req->member || req->member->key.len != DVMD_KEY_BYTES)
		return dvmi_error_set(err, -DVM_EPROTO, "malformed request to join");
	if (*req->machine && strcmp(req->machine, d->setup.machine))
		return dvmi_error_set(err, -EINVAL, "this machine is called %s: use -M %s",
				      d->setup.machine, d->setup.machine);
	m = *req->member;
	const Pb__Member *known = dvmd_cstate_member_by_key(dvmd_state(d), m.key.data);
	/* A token proves that its holder was invited, not that the key is its own. */
	if (token && known && known->id == DVMD_LEADER)
		return dvmi_error_set(err, -EPERM, "the key is the leader's");
	m.id = known ? known->id : dvmd_cstate_next_node(dvmd_state(d));
	m.state = PB__MEMBER_STATE__MEMBER_UP;
	m.since = dvmd_steady_now(&d->clock);
	cmd.what_case = PB__COMMAND__WHAT_MEMBER_ADD;
	cmd.member_add = &m;
	/* Refused members do not cost the token a use. */
	int rc = dvmd_cstate_check(dvmd_state(d), &cmd, err);
	if (rc == 0 && token)
		rc = spend_token(d, token, err);
	if (rc == 0)
		rc = propose(d, &cmd, err);
	*id = m.id;
	return rc;
}

static void answer_join(struct dvmd *d, struct dvmd_reply_to reply, const uint8_t *token,
			const Pb__JoinRequest *req)
{
	Pb__JoinReply answer = PB__JOIN_REPLY__INIT;
	cleanup_pb Pb__StateSnapshot *snap = NULL;
	struct dvmi_buf b = { 0 };
	dvm_error_t err = { 0 };

	int rc = admit(d, token, req, &answer.id, &err);
	if (rc == 0 && (rc = dvmd_cstate_snapshot(dvmd_state(d), &snap)) < 0)
		dvmi_error_code(&err, rc, "snapshot");
	if (rc < 0) {
		dvmd_transport_reply_error(d->wire, reply, rc, "%s", err.text);
		return;
	}
	answer.leader = d->self;
	answer.state = snap;
	dvmi_pb_pack(&b, &answer);
	dvmd_transport_reply(d->wire, reply, DVMI_MSG_JOIN, b.data, b.len);
	dvmi_buf_free(&b);
	dvmi_log(&d->log, "member", LOG_NOTICE, "node %s has joined", req->member->name);
}

/* An answer of the leader that goes on to who asked us. */
struct relay {
	struct dvmd *d;
	struct dvmd_reply_to reply;
};

static void on_relay_answer(int code, const char *text, uint16_t type, const uint8_t *body,
			    size_t len, void *arg)
{
	struct relay *r = arg;

	if (code < 0)
		dvmd_transport_reply_error(r->d->wire, r->reply, code, "%s",
					   text && *text ? text : dvm_strerror(code));
	else
		dvmd_transport_reply(r->d->wire, r->reply, DVMI_MSG_JOIN, body, len);
	free(r);
}

static void join_via_leader(struct dvmd *d, const uint8_t *token, Pb__JoinRequest *req,
			    struct dvmd_reply_to reply)
{
	Pb__JoinVia via = PB__JOIN_VIA__INIT;
	struct dvmi_buf b = { 0 };
	struct relay *r = malloc(sizeof *r);

	via.token = (ProtobufCBinaryData){ .len = DVMD_KEY_BYTES, .data = (uint8_t *)token };
	via.request = req;
	dvmi_pb_pack(&b, &via);
	int rc = !r || b.err ? -ENOMEM : 0;
	if (rc == 0) {
		*r = (struct relay){ d, reply };
		rc = dvmd_transport_request(d->wire, DVMD_LEADER, DVMI_MSG_JOIN_VIA, b.data, b.len,
					    REQUEST_TIMEOUT, on_relay_answer, r);
	}
	dvmi_buf_free(&b);
	if (rc < 0) {
		free(r);
		dvmd_transport_reply_error(d->wire, reply, rc, "%s", dvm_strerror(rc));
	}
}

void dvmd_roster_join(struct dvmd *d, const struct dvmd_sender *from, const uint8_t *body,
		      size_t len, struct dvmd_reply_to reply)
{
	cleanup_pb Pb__JoinRequest *req = NULL;

	if (dvmi_pb_unpack(&pb__join_request__descriptor, body, len, &req) < 0 || !req->member)
		dvmd_transport_reply_error(d->wire, reply, -DVM_EPROTO, "malformed request");
	else if (!d->ready)
		dvmd_transport_reply_error(d->wire, reply, -EAGAIN, "node %s is not ready",
					   d->setup.name);
	else if (from->token && dvmd_leads(d))
		answer_join(d, reply, from->token, req);
	else if (from->token)
		join_via_leader(d, from->token, req, reply);
	else if (dvmd_leads(d) && req->member->id == from->node)
		answer_join(d, reply, NULL, req);
	else
		dvmd_transport_reply_error(d->wire, reply, -EPERM, "not for you to say");
}

void dvmd_roster_join_via(struct dvmd *d, const uint8_t *body, size_t len,
			  struct dvmd_reply_to reply)
{
	cleanup_pb Pb__JoinVia *via = NULL;

	if (dvmi_pb_unpack(&pb__join_via__descriptor, body, len, &via) < 0 || !via->request ||
	    via->token.len != DVMD_KEY_BYTES)
		dvmd_transport_reply_error(d->wire, reply, -DVM_EPROTO, "malformed request");
	else if (!dvmd_leads(d))
		dvmd_transport_reply_error(d->wire, reply, -DVM_ESTALEVIEW, "not the leader");
	else
		answer_join(d, reply, via->token.data, via->request);
}

static bool same_gres(const Pb__Member *a, const Pb__Member *b)
{
	if (a->n_gres != b->n_gres)
		return false;
	for (size_t i = 0; i < a->n_gres; i++)
		if (a->gres[i]->count != b->gres[i]->count ||
		    strcmp(a->gres[i]->name, b->gres[i]->name) != 0)
			return false;
	return true;
}

static bool same_member(const Pb__Member *a, const Pb__Member *b)
{
	return !strcmp(a->name, b->name) && !strcmp(a->address, b->address) &&
	       a->port == b->port && a->port_low == b->port_low &&
	       a->port_high == b->port_high && a->slots == b->slots && a->memory == b->memory &&
	       !strcmp(a->version, b->version) && !strcmp(a->host, b->host) &&
	       same_gres(a, b) && a->topology.len == b->topology.len &&
	       !memcmp(a->topology.data, b->topology.data, a->topology.len);
}

static void on_refreshed(int code, const char *text, uint16_t type, const uint8_t *body,
			 size_t len, void *arg)
{
	struct dvmd *d = arg;

	if (code < 0)
		dvmi_log(&d->log, "member", LOG_WARNING,
			 "the leader did not take our new description: %s",
			 text && *text ? text : dvm_strerror(code));
}

void dvmd_roster_refresh(struct dvmd *d)
{
	const Pb__Member *known = dvmd_cstate_member(dvmd_state(d), d->self);
	Pb__JoinRequest req = PB__JOIN_REQUEST__INIT;
	struct dvmi_buf b = { 0 };
	dvm_error_t err = { 0 };
	Pb__Member self;
	uint32_t id;

	dvmd_roster_self(d, &self);
	if (known && same_member(known, &self))
		return;
	req.member = &self;
	if (dvmd_leads(d)) {
		admit(d, NULL, &req, &id, &err);
		return;
	}
	dvmi_pb_pack(&b, &req);
	if (!b.err)
		dvmd_transport_request(d->wire, DVMD_LEADER, DVMI_MSG_JOIN, b.data, b.len,
				       REQUEST_TIMEOUT, on_refreshed, d);
	dvmi_buf_free(&b);
}

/* ---- tokens ---- */

void dvmd_roster_propose(struct dvmd *d, const uint8_t *body, size_t len,
			 struct dvmd_reply_to reply)
{
	cleanup_pb Pb__Command *cmd = NULL;
	dvm_error_t err = { 0 };

	if (dvmi_pb_unpack(&pb__command__descriptor, body, len, &cmd) < 0 ||
	    cmd->what_case != PB__COMMAND__WHAT_TOKEN_ADD)
		dvmd_transport_reply_error(d->wire, reply, -DVM_EPROTO, "malformed proposal");
	else if (!dvmd_leads(d))
		dvmd_transport_reply_error(d->wire, reply, -DVM_ESTALEVIEW, "not the leader");
	else if (propose(d, cmd, &err) < 0)
		dvmd_transport_reply_error(d->wire, reply, err.code, "%s", err.text);
	else
		dvmd_transport_reply(d->wire, reply, DVMI_MSG_OK, NULL, 0);
}

void dvmd_roster_token_added(struct dvmd_roster *r, const Pb__Token *token)
{
	struct token_timer *t;

	LL_FOREACH(r->tokens, t)
		if (!memcmp(t->key, token->key.data, DVMD_KEY_BYTES))
			return; /* it has only lost a use */
	if (!(t = calloc(1, sizeof *t)))
		return;
	memcpy(t->key, token->key.data, DVMD_KEY_BYTES);
	t->until = dvmi_clock_mono() +
		   (token->lifetime_ns ? token->lifetime_ns : TOKEN_LIFETIME);
	LL_PREPEND(r->tokens, t);
}

static void expire_tokens(struct dvmd_roster *r, uint64_t now)
{
	struct token_timer *t, *tmp;

	LL_FOREACH_SAFE(r->tokens, t, tmp)
	{
		if (t->until > now)
			continue;
		Pb__Command cmd = PB__COMMAND__INIT;
		dvm_error_t err = { 0 };
		cmd.what_case = PB__COMMAND__WHAT_TOKEN_REMOVE;
		cmd.token_remove = (ProtobufCBinaryData){ .len = DVMD_KEY_BYTES, .data = t->key };
		if (dvmd_cstate_token(dvmd_state(r->d), t->key))
			propose(r->d, &cmd, &err);
		LL_DELETE(r->tokens, t);
		free(t);
	}
}

struct token_wait {
	struct dvmd_call *call;
	char text[DVMD_TOKEN_TEXT];
};

static void on_token_logged(int code, const char *text, uint16_t type, const uint8_t *body,
			    size_t len, void *arg)
{
	struct token_wait *w = arg;
	struct dvmd *d = w->call->d;
	Pb__TokenReply reply = PB__TOKEN_REPLY__INIT;

	reply.token = w->text;
	reply.address = (char *)d->setup.address;
	reply.port = d->setup.port;
	if (code < 0)
		dvmd_call_error(&w->call, code, "%s", text && *text ? text : dvm_strerror(code));
	else
		dvmd_call_answer(&w->call, DVMI_MSG_TOKEN, &reply);
	sodium_memzero(w->text, sizeof w->text);
	free(w);
}

/* Logs the token here or at the leader, then answers. */
static void log_token(struct token_wait *w, const Pb__TokenRequest *req, uint8_t *key)
{
	struct dvmd *d = w->call->d;
	Pb__Command cmd = PB__COMMAND__INIT;
	Pb__Token token = PB__TOKEN__INIT;
	struct dvmi_buf b = { 0 };
	dvm_error_t err = { 0 };

	token.key = (ProtobufCBinaryData){ .len = DVMD_KEY_BYTES, .data = key };
	token.uses = req->uses ? req->uses : 1;
	token.lifetime_ns = req->lifetime_ns;
	cmd.what_case = PB__COMMAND__WHAT_TOKEN_ADD;
	cmd.token_add = &token;
	if (dvmd_leads(d)) {
		int rc = propose(d, &cmd, &err);
		on_token_logged(rc, err.text, DVMI_MSG_OK, NULL, 0, w);
		return;
	}
	dvmi_pb_pack(&b, &cmd);
	int rc = b.err ? b.err :
			 dvmd_transport_request(d->wire, DVMD_LEADER, DVMI_MSG_PROPOSE, b.data,
						b.len, REQUEST_TIMEOUT, on_token_logged, w);
	dvmi_buf_free(&b);
	if (rc < 0)
		on_token_logged(rc, NULL, 0, NULL, 0, w);
}

void dvmd_roster_serve_token(struct dvmd_call *call, const uint8_t *body, size_t len)
{
	cleanup_pb Pb__TokenRequest *req = NULL;
	struct token_wait *w = calloc(1, sizeof *w);
	uint8_t key[DVMD_KEY_BYTES];

	if (!w || dvmi_pb_unpack(&pb__token_request__descriptor, body, len, &req) < 0) {
		free(w);
		dvmd_call_error(&call, -DVM_EPROTO, "malformed request");
	} else if (!dvmd_call_is_admin(call)) {
		free(w);
		dvmd_call_error(&call, -EPERM, "only the machine's owner may issue tokens");
	} else {
		w->call = call;
		int rc = dvmd_token_make(w->text, key, call->d->keys.public_key);
		if (rc < 0)
			on_token_logged(rc, NULL, 0, NULL, 0, w);
		else
			log_token(w, req, key);
	}
}

/* ---- up and down ---- */

void dvmd_roster_node_changed(struct dvmd *d, uint32_t node, bool up)
{
	const Pb__Member *m = dvmd_cstate_member(dvmd_state(d), node);
	Pb__MemberState state = up ? PB__MEMBER_STATE__MEMBER_UP : PB__MEMBER_STATE__MEMBER_DOWN;
	Pb__Command cmd = PB__COMMAND__INIT;
	Pb__MemberChange change = PB__MEMBER_CHANGE__INIT;
	dvm_error_t err = { 0 };

	if (!m || m->state == state)
		return;
	change.id = node;
	change.state = state;
	cmd.what_case = PB__COMMAND__WHAT_MEMBER_CHANGE;
	cmd.member_change = &change;
	propose(d, &cmd, &err);
}

/* ---- removing ---- */

struct removal {
	struct dvmd_call *call;
	uint32_t node;
};

static void on_removed_told(int code, const char *text, uint16_t type, const uint8_t *body,
			    size_t len, void *arg)
{
	struct removal *r = arg;
	struct dvmd *d = r->call->d;
	Pb__Command cmd = PB__COMMAND__INIT;
	dvm_error_t err = { 0 };

	if (code == -ECANCELED) { /* this daemon is stopping */
		dvmd_call_error(&r->call, code, "stopping");
		free(r);
		return;
	}
	/* Whether or not it has heard: from now on its key opens nothing. */
	dvmd_lead_node_down(d->lead, r->node);
	cmd.what_case = PB__COMMAND__WHAT_MEMBER_REMOVE;
	cmd.member_remove = r->node;
	if (propose(d, &cmd, &err) < 0)
		dvmd_call_error(&r->call, err.code, "%s", err.text);
	else
		dvmd_call_answer(&r->call, DVMI_MSG_OK, NULL);
	free(r);
}

struct on_node {
	uint32_t node;
	unsigned jobs;
};

static int count_on_node(const Pb__JobRecord *r, void *arg)
{
	struct on_node *c = arg;

	if (r->spec->no_slots)
		return 0; /* a helper of others, which ends with its node */
	for (size_t i = 0; r->state != PB__JOB_STATE__JOB_DONE && i < r->placement->n_nodes; i++)
		c->jobs += r->placement->nodes[i]->node == c->node;
	return 0;
}

void dvmd_roster_serve_remove(struct dvmd_call *call, const uint8_t *body, size_t len)
{
	struct dvmd *d = call->d;
	cleanup_pb Pb__NodeRef *ref = NULL;
	struct on_node on = { 0 };

	if (dvmi_pb_unpack(&pb__node_ref__descriptor, body, len, &ref) < 0) {
		dvmd_call_error(&call, -DVM_EPROTO, "malformed request");
		return;
	}
	const Pb__Member *m = dvmd_cstate_member_by_name(dvmd_state(d), ref->name);
	if (m) {
		on.node = m->id;
		dvmd_cstate_each_job(dvmd_state(d), count_on_node, &on);
	}
	struct removal *r = malloc(sizeof *r);
	if (!dvmd_call_is_admin(call))
		dvmd_call_error(&call, -EPERM, "only the machine's owner may remove nodes");
	else if (!m)
		dvmd_call_error(&call, -ENOENT, "no node is called %s", ref->name);
	else if (m->id == DVMD_LEADER)
		dvmd_call_error(&call, -EBUSY, "%s leads the machine: dvm halt ends it", m->name);
	else if (on.jobs && !ref->force)
		dvmd_call_error(&call, -EBUSY, "%u job%s on %s: cancel, or use --force", on.jobs,
				on.jobs == 1 ? " runs" : "s run", m->name);
	else if (!r)
		dvmd_call_error(&call, -ENOMEM, "out of memory");
	else {
		*r = (struct removal){ call, m->id };
		int rc = dvmd_transport_request(d->wire, m->id, DVMI_MSG_HALT_NODES, NULL, 0,
						REMOVE_TIMEOUT, on_removed_told, r);
		if (rc < 0)
			on_removed_told(rc, NULL, 0, NULL, 0, r);
		return;
	}
	free(r);
}

void dvmd_roster_serve_leave(struct dvmd_call *call, const uint8_t *body, size_t len)
{
	struct dvmd *d = call->d;
	Pb__NodeRef ref = PB__NODE_REF__INIT;
	struct dvmi_buf b = { 0 };

	ref.name = (char *)d->setup.name;
	dvmi_pb_pack(&b, &ref);
	call->type = DVMI_MSG_REMOVE;
	if (b.err)
		dvmd_call_error(&call, b.err, "out of memory");
	else
		dvmd_call_dispatch(call, b.data, b.len);
	dvmi_buf_free(&b);
}

/* ---- halting ---- */

struct ids {
	uint32_t *ids;
	size_t n;
	const struct dvmd *d;
};

static int collect_up(const Pb__Member *m, void *arg)
{
	struct ids *c = arg;

	if (m->id != c->d->self && dvmd_live_is_up(c->d->live, m->id))
		c->ids[c->n++] = m->id;
	return 0;
}

static void halt_self(void *arg)
{
	dvmd_stop(arg, true);
}

static void on_tick(uv_timer_t *t);

static void halt_now(struct dvmd_roster *r)
{
	struct dvmd *d = r->d;
	struct ids c = { .ids = calloc(dvmd_cstate_members(dvmd_state(d)) + 1, sizeof(uint32_t)),
			 .d = d };

	dvmd_call_answer(&r->halt, DVMI_MSG_OK, NULL);
	if (c.ids)
		dvmd_cstate_each_member(dvmd_state(d), collect_up, &c);
	if (!c.n || dvmd_cast_send(d->cast, c.ids, c.n, DVMI_MSG_HALT_NODES, NULL, 0,
				   HALT_CAST, NULL, halt_self, d) < 0)
		dvmd_stop(d, true);
	free(c.ids);
}

/* Helpers that take no slots are nobody's work. */
static int count_work(const Pb__JobRecord *r, void *arg)
{
	*(size_t *)arg += r->state != PB__JOB_STATE__JOB_DONE && !r->spec->no_slots;
	return 0;
}

void dvmd_roster_serve_halt(struct dvmd_call *call, const uint8_t *body, size_t len)
{
	struct dvmd *d = call->d;
	cleanup_pb Pb__HaltRequest *req = NULL;
	size_t jobs = 0;

	dvmd_cstate_each_job(dvmd_state(d), count_work, &jobs);
	if (dvmi_pb_unpack(&pb__halt_request__descriptor, body, len, &req) < 0)
		dvmd_call_error(&call, -DVM_EPROTO, "malformed request");
	else if (!dvmd_call_is_admin(call))
		dvmd_call_error(&call, -EPERM, "only the machine's owner may halt it");
	else if (jobs && !req->force)
		dvmd_call_error(&call, -EBUSY, "%zu job%s: wait, cancel, or use --force", jobs,
				jobs == 1 ? " is running" : "s are running");
	else if (d->roster->halt)
		dvmd_call_error(&call, -EALREADY, "the machine is being halted");
	else {
		d->roster->halt = call;
		d->halting = true;
		d->roster->halt_by = dvmi_clock_mono() + HALT_TIMEOUT;
		dvmd_lead_end_all(d->lead, "the machine is being halted");
		uv_timer_start(&d->roster->timer, on_tick, 0, HALT_TICK_MS);
	}
}

static void on_tick(uv_timer_t *t)
{
	struct dvmd_roster *r = t->data;
	uint64_t now = dvmi_clock_mono();

	if (!r->d->ready || !dvmd_leads(r->d))
		return;
	expire_tokens(r, now);
	if (r->halt && (dvmd_lead_jobs(r->d->lead) == 0 || now > r->halt_by))
		halt_now(r);
}

/* ---- life ---- */

int dvmd_roster_create(struct dvmd_roster **out, struct dvmd *d)
{
	struct dvmd_roster *r = calloc(1, sizeof *r);

	if (!r)
		return -ENOMEM;
	r->d = d;
	uv_timer_init(d->loop, &r->timer);
	r->timer.data = r;
	uv_timer_start(&r->timer, on_tick, TICK_MS, TICK_MS);
	*out = r;
	return 0;
}

static void on_closed(uv_handle_t *h)
{
	free(h->data);
}

void dvmd_roster_destroy(struct dvmd_roster *r)
{
	struct token_timer *t, *tmp;

	if (!r)
		return;
	LL_FOREACH_SAFE(r->tokens, t, tmp)
		free(t);
	free(r->halt);
	uv_close((uv_handle_t *)&r->timer, on_closed);
}
