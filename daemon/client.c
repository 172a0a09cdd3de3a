/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <uthash.h>

#include "daemon/agent.h"
#include "daemon/call.h"
#include "daemon/client.h"
#include "daemon/origin.h"
#include "libdvm/base/err.h"

#define BACKLOG	   512
#define PAUSE_MS   100
#define QUEUED_MAX (8u << 20) /* bytes; who leaves so much unread may ask for nothing more */

struct session {
	UT_hash_handle hh;
	uint64_t id;
	struct dvmd_clients *clients;
	struct dvmi_stream *stream;
	struct dvmi_peercred cred;
	char user[64];
	struct dvmd_share *share; /* of a shepherd */
};

struct dvmd_clients {
	struct dvmd *d;
	uv_poll_t listener;
	int fd;
	uint64_t next_id;
	struct session *sessions;
	uv_timer_t pause; /* while there are no descriptors for more */
	int handles;
};

static struct session *find(struct dvmd_clients *c, uint64_t id)
{
	struct session *s;

	HASH_FIND(hh, c->sessions, &id, sizeof id, s);
	return s;
}

bool dvmd_client_alive(struct dvmd_clients *c, uint64_t id)
{
	return find(c, id) != NULL;
}

size_t dvmd_client_queued(struct dvmd_clients *c, uint64_t id)
{
	struct session *s = find(c, id);

	return s ? dvmi_stream_queued(s->stream) : 0;
}

int dvmd_client_reply(struct dvmd_clients *c, uint64_t id, uint16_t type, uint32_t flags,
		      uint32_t request, const void *body, size_t len)
{
	struct session *s = find(c, id);
	struct dvmi_envelope env = { .type = type,
				     .flags = flags,
				     .request = request,
				     .view = dvmd_cstate_index(dvmd_state(c->d)) };

	return s ? dvmi_stream_send(s->stream, env, body, len) : -EPIPE;
}

static void session_end(struct session *s)
{
	struct dvmd_clients *c = s->clients;

	HASH_DEL(c->sessions, s);
	dvmi_stream_destroy(s->stream);
	if (s->share)
		dvmd_agent_shepherd_gone(c->d->agent, s->share);
	else if (c->d->origin)
		dvmd_origin_session_gone(c->d->origin, s->id);
	free(s);
}

static void refuse(struct session *s, uint32_t request, int code, const char *text)
{
	Pb__Error e = PB__ERROR__INIT;
	struct dvmi_envelope env = { .type = DVMI_MSG_ERROR,
				     .flags = DVMI_FLAG_REPLY,
				     .request = request };

	e.code = code;
	e.text = (char *)text;
	dvmi_stream_send_pb(s->stream, env, &e);
}

static void shepherd_hello(struct session *s, const struct dvmi_envelope *env, const uint8_t *body,
			   size_t len)
{
	struct dvmd *d = s->clients->d;
	dvm_error_t err = { 0 };

	/* The jobs of before a restart are not known yet: the shepherd tries again. */
	if (!d->ready) {
		refuse(s, env->request, -EAGAIN, "this node is starting");
		return;
	}
	s->share = dvmd_agent_hello(d->agent, s->stream, &s->cred, body, len, &err);
	if (!s->share) {
		refuse(s, env->request, err.code, err.text);
		return;
	}
	dvmi_stream_send(s->stream,
			 (struct dvmi_envelope){ .type = DVMI_MSG_OK,
						 .flags = DVMI_FLAG_REPLY,
						 .request = env->request },
			 NULL, 0);
	dvmd_agent_greeted(s->share);
}

static void start_call(struct session *s, const struct dvmi_envelope *env, const uint8_t *body,
		       size_t len)
{
	struct dvmd *d = s->clients->d;
	struct dvmd_call *call = calloc(1, sizeof *call);

	if (!call) {
		refuse(s, env->request, -ENOMEM, "out of memory");
		return;
	}
	*call = (struct dvmd_call){ .d = d,
				    .type = env->type,
				    .job = s->share ? dvmd_share_job(s->share) : 0,
				    .uid = s->cred.uid,
				    .gid = s->cred.gid,
				    .origin = d->self,
				    .session = s->id,
				    .request = env->request };
	memcpy(call->user, s->user, sizeof call->user);
	dvmd_call_dispatch(call, body, len);
}

/*
 * A job asks, through its shepherd. Its user is whom the kernel says the shepherd runs as; where that
 * is not the job's (a shepherd that has not given up its rights), nothing is done in its name.
 */
static void start_job_call(struct session *s, const struct dvmi_envelope *env, const uint8_t *body,
			   size_t len)
{
	if (s->cred.uid != dvmd_share_uid(s->share))
		refuse(s, env->request, -EPERM, "a shepherd asks as its job's user only");
	else if (!dvmd_call_for_jobs(env->type))
		refuse(s, env->request, -DVM_EPROTO, "not for jobs to ask");
	else
		start_call(s, env, body, len);
}

static void on_message(struct dvmi_stream *stream, const struct dvmi_envelope *env,
		       const uint8_t *body, size_t len, void *arg)
{
	struct session *s = arg;
	struct dvmd *d = s->clients->d;

	if (dvmi_stream_queued(stream) > QUEUED_MAX)
		dvmi_stream_pause(stream);
	if (s->share && env->request)
		start_job_call(s, env, body, len);
	else if (s->share)
		dvmd_agent_message(d->agent, s->share, env, body, len);
	else if (env->type == DVMI_MSG_SHEPHERD_HELLO)
		shepherd_hello(s, env, body, len);
	else if (env->type == DVMI_MSG_STDIN || env->type == DVMI_MSG_OUTPUT_ACK)
		dvmd_origin_from_client(d->origin, s->id, env->type, body, len);
	else
		start_call(s, env, body, len);
}

static void on_drained(struct dvmi_stream *stream, void *arg)
{
	dvmi_stream_resume(stream);
}

static void on_closed(struct dvmi_stream *stream, int code, void *arg)
{
	struct session *s = arg;

	if (code == -DVM_EPROTO || code == -DVM_EVERSION)
		dvmi_log(&s->clients->d->log, "client", LOG_WARNING, "pid %d (%s): %s", s->cred.pid,
			 s->user, dvm_strerror(code));
	session_end(s);
}

static const struct dvmi_stream_ops session_ops = { .message = on_message,
						    .closed = on_closed,
						    .drained = on_drained };

static void name_user(struct session *s)
{
	struct passwd pw, *found = NULL;
	char buf[4096];

	if (getpwuid_r(s->cred.uid, &pw, buf, sizeof buf, &found) == 0 && found)
		snprintf(s->user, sizeof s->user, "%s", pw.pw_name);
	else
		snprintf(s->user, sizeof s->user, "%u", s->cred.uid);
}

static void session_new(struct dvmd_clients *c, int fd)
{
	struct session *s = calloc(1, sizeof *s);

	if (!s) {
		close(fd);
		return;
	}
	s->clients = c;
	s->id = ++c->next_id;
	if (dvmi_stream_open(&s->stream, c->d->loop, fd, &session_ops, s) < 0) {
		free(s);
		return;
	}
	if (dvmi_stream_peercred(s->stream, &s->cred) < 0) {
		dvmi_stream_destroy(s->stream);
		free(s);
		return;
	}
	name_user(s);
	HASH_ADD(hh, c->sessions, id, sizeof s->id, s);
}

static void on_pause_over(uv_timer_t *t);

static void on_connection(uv_poll_t *h, int status, int events)
{
	struct dvmd_clients *c = h->data;
	int fd;

	while ((fd = accept4(c->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0)
		session_new(c, fd);
	if (errno == EMFILE || errno == ENFILE) {
		dvmi_log(&c->d->log, "client", LOG_WARNING, "%s: clients have to wait",
			 strerror(errno));
		uv_poll_stop(&c->listener);
		uv_timer_start(&c->pause, on_pause_over, PAUSE_MS, 0);
	}
}

static void on_pause_over(uv_timer_t *t)
{
	struct dvmd_clients *c = t->data;

	uv_poll_start(&c->listener, UV_READABLE, on_connection);
}

static int listen_at(const char *dir, dvm_error_t *err)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	if ((size_t)snprintf(sa.sun_path, sizeof sa.sun_path, "%s/client.sock", dir) >=
	    sizeof sa.sun_path)
		return dvmi_error_set(err, -ENAMETOOLONG, "%s: path too long for a socket", dir);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return dvmi_error_code(err, -errno, "socket");
	unlink(sa.sun_path);
	/* Who may do what is decided per request from the peer's credentials, not by the mode. */
	if (bind(fd, (struct sockaddr *)&sa, sizeof sa) < 0 || chmod(sa.sun_path, 0666) < 0 ||
	    listen(fd, BACKLOG) < 0) {
		int rc = dvmi_error_code(err, -errno, "%s", sa.sun_path);
		close(fd);
		return rc;
	}
	return fd;
}

int dvmd_clients_create(struct dvmd_clients **out, struct dvmd *d, dvm_error_t *err)
{
	struct dvmd_clients *c = calloc(1, sizeof *c);

	if (!c)
		return dvmi_error_code(err, -ENOMEM, "client socket");
	c->d = d;
	c->fd = listen_at(d->setup.run_dir, err);
	if (c->fd < 0) {
		int rc = c->fd;
		free(c);
		return rc;
	}
	uv_poll_init(d->loop, &c->listener, c->fd);
	uv_timer_init(d->loop, &c->pause);
	c->listener.data = c->pause.data = c;
	c->handles = 2;
	uv_poll_start(&c->listener, UV_READABLE, on_connection);
	*out = c;
	return 0;
}

static void on_listener_closed(uv_handle_t *h)
{
	struct dvmd_clients *c = h->data;

	if (--c->handles)
		return;
	close(c->fd);
	free(c);
}

void dvmd_clients_destroy(struct dvmd_clients *c)
{
	struct session *s, *tmp;

	if (!c)
		return;
	HASH_ITER(hh, c->sessions, s, tmp)
	{
		HASH_DEL(c->sessions, s);
		dvmi_stream_destroy(s->stream);
		free(s);
	}
	uv_close((uv_handle_t *)&c->listener, on_listener_closed);
	uv_close((uv_handle_t *)&c->pause, on_listener_closed);
}
