/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Connections of frames. Most of what tasks say goes on to the master; enrolling and ending are
 * dealt with here, since places are this node's. What clients send is checked.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/sysinfo.h>
#include <sys/un.h>
#include <unistd.h>
#include <utlist.h>

#include "pvm3.h"
#include "daemon/pvm/agent.h"
#include "libdvm/base/cleanup.h"

#define READ_STEP (64u * 1024)

static struct pvm_client *client_of(struct pvm_watch *w)
{
	return (struct pvm_client *)(void *)w;
}

/* ---- out ---- */

static void flush(struct agent *a, struct pvm_client *c)
{
	while (c->out.len) {
		ssize_t n = send(c->watch.fd, c->out.data, c->out.len, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break; /* gone: reading tells */
		dvmi_buf_consume(&c->out, (size_t)n);
	}
	if (c->writing == (c->out.len > 0))
		return;
	c->writing = c->out.len > 0;
	pvm_watch_writing(a, &c->watch, c->writing);
}

void pvm_client_send(struct agent *a, struct pvm_client *c, uint16_t type, uint32_t id, int code,
		     const void *body, size_t len)
{
	const struct pvmi_frame f = {
		.len = (uint32_t)len, .type = type, .version = PVMI_VERSION, .id = id, .code = code
	};

	if (c->dead)
		return;
	dvmi_buf_put(&c->out, &f, sizeof f);
	if (len)
		dvmi_buf_put(&c->out, body, len);
	flush(a, c);
	if (c->slot)
		pvm_ring(c->slot);
}

void pvm_tell_task(struct agent *a, int tid, uint16_t type, uint32_t id, int code, const void *body,
		   size_t len)
{
	const struct pvm_slot *s = pvm_slot_of_tid(a, tid);

	if (s && s->client)
		pvm_client_send(a, s->client, type, id, code, body, len);
}

/* All tasks of the node: so many share its cores. That they are more than these is said once. */
static void tell_mates(struct agent *a)
{
	const uint32_t n = a->ntasks;
	const struct pvm_slot *s;

	if (n > (uint32_t)get_nprocs() + 1)
		return;
	for (uint32_t i = 0; (s = pvm_slot_at(a, i)); i++)
		if (s->client)
			pvm_client_send(a, s->client, PVMI_MATES, 0, 0, &n, sizeof n);
}

/* ---- enrolling ---- */

/* The place that was kept for what says TOKEN ("spawn.index.…"), or a new one. */
static struct pvm_slot *place_for(struct agent *a, const char *token, pid_t pid)
{
	unsigned number;
	struct pvm_slot *s = sscanf(token, "%u.", &number) == 1 ? pvm_slot_at(a, number) : NULL;

	if (s && s->state == PVM_SLOT_TAKEN && !s->client) {
		/* Its process, or a child of that: a shell script's program, say. */
		pvm_slot_watch_pid(a, s, pid);
		return s;
	}
	return pvm_slot_take(a, pid);
}

static void take_enrol(struct agent *a, struct pvm_client *c, const struct pvmi_frame *f,
		       struct dvmi_reader *r)
{
	struct dvmi_buf b = { 0 };

	dvmi_get_u32(r); /* what it thinks its number is; the kernel knows better */
	cleanup_free char *token = dvmi_get_str(r, PVMI_NAME_MAX);
	if (!token || c->slot || !a->cap) {
		pvm_client_send(a, c, PVMI_ANSWER, f->id, PvmSysErr, NULL, 0);
		return;
	}
	c->slot = place_for(a, token, c->pid);
	if (!c->slot) {
		pvm_client_send(a, c, PVMI_ANSWER, f->id, PvmOutOfRes, NULL, 0);
		return;
	}
	c->slot->client = c;
	c->enrol_id = f->id;
	dvmi_buf_put_u32(&b, pvm_slot_rank(c->slot));
	dvmi_buf_put_u32(&b, (uint32_t)c->pid);
	dvmi_buf_put_str(&b, token);
	pvm_to_master(a, PVMI_A_ENROL, c->serial, 0, &b);
	dvmi_buf_free(&b);
}

static struct pvm_client *by_serial(const struct agent *a, uint32_t serial)
{
	struct pvm_client *c;

	DL_FOREACH(a->clients, c)
		if (c->serial == serial && !c->dead)
			return c;
	return NULL;
}

static void put_place(struct agent *a, const struct pvm_slot *s, int tid, int parent,
		      struct dvmi_buf *b)
{
	dvmi_buf_put_u32(b, (uint32_t)tid);
	dvmi_buf_put_u32(b, (uint32_t)parent);
	dvmi_buf_put_u32(b, pvm_slot_rank(s));
	dvmi_buf_put_u32(b, s->bank->map->size);
	dvmi_buf_put_u32(b, s->bank->map->node);
	dvmi_buf_put_u32(b, s->bank->map->nnodes);
	dvmi_buf_put_u32(b, s->index);
	dvmi_buf_put_u32(b, s->bank->map->local_size);
	dvmi_buf_put_str(b, a->ranks_path);
	dvmi_buf_put_u32(b, a->ntasks);
}

void pvm_enrolled(struct agent *a, uint32_t serial, int code, struct dvmi_reader *r)
{
	struct pvm_client *c = by_serial(a, serial);
	struct dvmi_buf b = { 0 };

	if (!c || !c->slot)
		return;
	if (code < 0) {
		pvm_client_send(a, c, PVMI_ANSWER, c->enrol_id, code, NULL, 0);
		pvm_slot_end(a, c->slot, true);
		return;
	}
	dvmi_get_u32(r); /* the rank we have named */
	int tid = (int)dvmi_get_u32(r), parent = (int)dvmi_get_u32(r);
	c->slot->tid = tid;
	put_place(a, c->slot, tid, parent, &b);
	dvmi_buf_put(&b, r->p, (size_t)(r->end - r->p));
	pvm_client_send(a, c, PVMI_ANSWER, c->enrol_id, b.err ? PvmNoMem : 0, b.data, b.len);
	dvmi_buf_free(&b);
	tell_mates(a);
}

/* ---- what will become a task ---- */

/* C stays until the task that the tasker starts has ended. */
static void send_path(struct agent *a, struct pvm_client *c, uint32_t spawn, uint32_t index,
		      const char *nonce, const char *path)
{
	struct dvmi_buf b = { 0 };

	c->stays = true;
	dvmi_buf_put_u32(&b, spawn);
	dvmi_buf_put_u32(&b, index);
	dvmi_buf_put_str(&b, nonce);
	dvmi_buf_put_str(&b, path);
	dvmi_buf_put_str(&b, a->frames_path);
	dvmi_buf_put_u32(&b, pvm_slot_number(c->of));
	pvm_to_master(a, PVMI_A_PATH, 0, 0, &b);
	dvmi_buf_free(&b);
}

void pvm_client_slot_ended(struct agent *a, const struct pvm_slot *s)
{
	struct pvm_client *c;

	DL_FOREACH(a->clients, c)
		if (c->of == s && c->stays && !c->dead)
			shutdown(c->watch.fd, SHUT_RDWR);
}

static void take_ready(struct agent *a, struct pvm_client *c, const struct pvmi_frame *f,
		       struct dvmi_reader *r)
{
	uint32_t spawn = dvmi_get_u32(r), index = dvmi_get_u32(r);
	cleanup_free char *nonce = dvmi_get_str(r, PVMI_NAME_MAX);
	int code = (int)dvmi_get_u32(r);
	uint32_t pid = dvmi_get_u32(r), collects = dvmi_get_u32(r);
	cleanup_free char *path = dvmi_get_str(r, PVMI_NAME_MAX);
	struct dvmi_buf b = { 0 };
	uint32_t slot = 0;

	if (!nonce || !path)
		return;
	if (code == 0 && !c->of) {
		c->of = a->cap ? pvm_slot_take(a, pid ? (pid_t)pid : c->pid) : NULL;
		code = c->of ? 0 : PvmOutOfRes;
	}
	if (c->of)
		slot = pvm_slot_number(c->of);
	c->collects = collects && c->of;
	pvm_client_send(a, c, PVMI_ANSWER, f->id, code, &slot, sizeof slot);
	if (*path && c->of)
		send_path(a, c, spawn, index, nonce, path);
	dvmi_buf_put_u32(&b, spawn);
	dvmi_buf_put_u32(&b, index);
	dvmi_buf_put_str(&b, nonce);
	dvmi_buf_put_u32(&b, (uint32_t)code);
	dvmi_buf_put_u32(&b, c->of ? pvm_slot_rank(c->of) : 0);
	dvmi_buf_put_u32(&b, (uint32_t)(c->of ? c->of->pid : 0));
	pvm_to_master(a, PVMI_A_READY, 0, 0, &b);
	dvmi_buf_free(&b);
}

static void send_output(struct agent *a, const struct pvm_client *c, const void *text, uint32_t n)
{
	struct dvmi_buf b = { 0 };

	if (!c->collects)
		return;
	dvmi_buf_put_u32(&b, pvm_slot_rank(c->of));
	dvmi_buf_put_blob(&b, text, n);
	pvm_to_master(a, PVMI_A_OUTPUT, 0, 0, &b);
	dvmi_buf_free(&b);
}

/* ---- in ---- */

static void pass_on(struct agent *a, const struct pvm_client *c, const struct pvmi_frame *f,
		    const uint8_t *body)
{
	struct dvmi_buf b = { 0 };

	dvmi_buf_put_u32(&b, (uint32_t)c->slot->tid);
	dvmi_buf_put_u32(&b, f->type);
	dvmi_buf_put_u32(&b, f->id);
	dvmi_buf_put(&b, body, f->len);
	pvm_to_master(a, PVMI_ASK, 0, 0, &b);
	dvmi_buf_free(&b);
}

static void say_how(struct agent *a, struct pvm_client *c, uint32_t id)
{
	struct dvmi_buf b = { 0 };

	dvmi_buf_put_str(&b, a->wd ? a->wd : "");
	dvmi_buf_put_str(&b, a->ep ? a->ep : "");
	pvm_client_send(a, c, PVMI_ANSWER, id, b.err ? PvmNoMem : a->tasker, b.data, b.len);
	dvmi_buf_free(&b);
}

static void take_exit(struct agent *a, struct pvm_client *c, const struct pvmi_frame *f)
{
	struct pvm_slot *s = c->slot;

	pvm_client_send(a, c, PVMI_ANSWER, f->id, 0, NULL, 0);
	if (s)
		pvm_slot_end(a, s, true);
}

static void take_frame(struct agent *a, struct pvm_client *c, const struct pvmi_frame *f,
		       const uint8_t *body)
{
	struct dvmi_reader r;

	dvmi_reader_init(&r, body, f->len);
	switch (f->type) {
	case PVMI_ENROL:
		take_enrol(a, c, f, &r);
		break;
	case PVMI_READY:
		take_ready(a, c, f, &r);
		break;
	case PVMI_HOW:
		say_how(a, c, f->id);
		break;
	case PVMI_OUTPUT:
		if (f->len)
			send_output(a, c, body, f->len);
		break;
	case PVMI_EXIT:
		take_exit(a, c, f);
		break;
	default:
		if (c->slot && c->slot->tid)
			pass_on(a, c, f, body);
		else
			pvm_client_send(a, c, PVMI_ANSWER, f->id, PvmSysErr, NULL, 0);
	}
}

/* Its connection is over. A task without one is none. */
static void lose(struct agent *a, struct pvm_client *c)
{
	if (c->dead)
		return;
	send_output(a, c, NULL, 0);
	c->dead = true;
	pvm_watch_close(a, &c->watch);
	if (c->slot)
		pvm_slot_end(a, c->slot, false);
	DL_DELETE(a->clients, c);
	DL_APPEND(a->buried, c);
}

static bool take_frames(struct agent *a, struct pvm_client *c)
{
	struct pvmi_frame f;
	size_t at = 0;

	while (c->in.len - at >= sizeof f && !c->dead) {
		memcpy(&f, c->in.data + at, sizeof f);
		if (f.version != PVMI_VERSION || f.len > PVMI_FRAME_MAX)
			return false;
		if (c->in.len - at - sizeof f < f.len)
			break;
		take_frame(a, c, &f, c->in.data + at + sizeof f);
		at += sizeof f + f.len;
	}
	dvmi_buf_consume(&c->in, at);
	return true;
}

static void on_client(struct agent *a, struct pvm_watch *w)
{
	struct pvm_client *c = client_of(w);
	size_t had = c->in.len;
	uint8_t *to = dvmi_buf_extend(&c->in, READ_STEP);
	ssize_t n = to ? recv(w->fd, to, READ_STEP, MSG_DONTWAIT) : -1;
	bool later = to && n < 0 && (errno == EAGAIN || errno == EINTR);

	if (to)
		c->in.len = had + (n > 0 ? (size_t)n : 0);
	if (c->writing)
		flush(a, c);
	if (!later && (n <= 0 || !take_frames(a, c)))
		lose(a, c);
}

static void on_call(struct agent *a, struct pvm_watch *w)
{
	int fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC);
	struct ucred cred = { 0 };
	socklen_t len = sizeof cred;
	struct pvm_client *c = fd < 0 ? NULL : calloc(1, sizeof *c);

	if (!c || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0 ||
	    cred.uid != geteuid() || pvm_watch_add(a, &c->watch, fd, on_client) < 0) {
		if (fd >= 0)
			close(fd);
		free(c);
		return;
	}
	c->pid = cred.pid;
	c->serial = ++a->last_serial;
	DL_APPEND(a->clients, c);
}

/* Beside its place until it listens: who finds the name can call. */
int pvm_clients_open(struct agent *a)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	char early[sizeof sa.sun_path];

	if (asprintf(&a->frames_path, "%s/pvm.sock", a->dir) < 0)
		return -ENOMEM;
	if (snprintf(early, sizeof early, "%s.new", a->frames_path) >= (int)sizeof early)
		return -ENAMETOOLONG;
	strcpy(sa.sun_path, early);
	cleanup_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof sa) < 0 || listen(fd, 512) < 0 ||
	    rename(early, a->frames_path) < 0)
		return -errno;
	return pvm_watch_add(a, &a->frames, take_fd(fd), on_call);
}

static void free_client(struct pvm_client *c)
{
	dvmi_buf_free(&c->in);
	dvmi_buf_free(&c->out);
	free(c);
}

void pvm_clients_bury(struct agent *a)
{
	struct pvm_client *c, *next;

	DL_FOREACH_SAFE(a->buried, c, next) {
		DL_DELETE(a->buried, c);
		free_client(c);
	}
}

void pvm_clients_close(struct agent *a)
{
	struct pvm_client *c, *next;

	pvm_watch_close(a, &a->frames);
	if (a->frames_path)
		unlink(a->frames_path);
	free(a->frames_path);
	DL_FOREACH_SAFE(a->clients, c, next) {
		pvm_watch_close(a, &c->watch);
		DL_DELETE(a->clients, c);
		free_client(c);
	}
	pvm_clients_bury(a);
}
