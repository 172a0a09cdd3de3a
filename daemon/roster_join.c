/* SPDX-License-Identifier: BSD-3-Clause */
/* Admitting nodes by token, and what a member says of itself. */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/roster_private.h"
#include "libdvm/base/clock.h"
#include "libdvm/base/err.h"

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
	m->kvm = d->kvm.usable ? PB__KVM__KVM_USABLE : PB__KVM__KVM_LACKING;
	m->kvm_why = (char *)d->kvm.why;
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
	return dvmd_roster_log(d, &cmd, err);
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
		rc = dvmd_roster_log(d, &cmd, err);
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
					    DVMD_ROSTER_REQUEST, on_relay_answer, r);
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
	       same_gres(a, b) && a->kvm == b->kvm && !strcmp(a->kvm_why, b->kvm_why) &&
	       a->topology.len == b->topology.len &&
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
				       DVMD_ROSTER_REQUEST, on_refreshed, d);
	dvmi_buf_free(&b);
}

/* As the leader says it: what it was not told while it was away, it is told again. */
static bool is_told(const struct dvmd *d, const Pb__Member *self)
{
	const Pb__Member *known = dvmd_cstate_member(dvmd_state(d), d->self);

	return !known || known->kvm == PB__KVM__KVM_UNKNOWN || known->kvm == self->kvm;
}

void dvmd_roster_look_again(struct dvmd *d)
{
	bool other = dvmd_kvm_look(&d->kvm, d->setup.kvm_device);
	Pb__Member self;

	if (other)
		dvmi_log(&d->log, "member", LOG_NOTICE, "guests %s run here%s%s",
			 d->kvm.usable ? "can" : "cannot", d->kvm.usable ? "" : ": ", d->kvm.why);
	dvmd_roster_self(d, &self);
	if (other || !is_told(d, &self))
		dvmd_roster_refresh(d);
}
