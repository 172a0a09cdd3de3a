/* SPDX-License-Identifier: BSD-3-Clause */
/* Tokens: made for who may invite, and taken back when their time is over. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>
#include <utlist.h>

#include "daemon/roster_private.h"
#include "libdvm/base/clock.h"
#include "libdvm/base/err.h"

#define TOKEN_LIFETIME	(UINT64_C(3600) * DVMI_SEC)

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
	else if (dvmd_roster_log(d, cmd, &err) < 0)
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

void dvmd_roster_expire_tokens(struct dvmd_roster *r, uint64_t now)
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
			dvmd_roster_log(r->d, &cmd, &err);
		LL_DELETE(r->tokens, t);
		free(t);
	}
}

void dvmd_roster_forget_tokens(struct dvmd_roster *r)
{
	struct token_timer *t, *tmp;

	LL_FOREACH_SAFE(r->tokens, t, tmp)
		free(t);
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
		int rc = dvmd_roster_log(d, &cmd, &err);
		on_token_logged(rc, err.text, DVMI_MSG_OK, NULL, 0, w);
		return;
	}
	dvmi_pb_pack(&b, &cmd);
	int rc = b.err ? b.err :
			 dvmd_transport_request(d->wire, DVMD_LEADER, DVMI_MSG_PROPOSE, b.data,
						b.len, DVMD_ROSTER_REQUEST, on_token_logged, w);
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
