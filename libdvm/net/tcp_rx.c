/* SPDX-License-Identifier: BSD-3-Clause */
/* What comes in: straight to where the sink wants it while a long message is under way. */
#include <errno.h>
#include <sys/uio.h>

#include "dvm/error.h"
#include "libdvm/net/tcp_private.h"

/* The stream makes no sense, or we cannot keep up with it. */
static void spoilt(struct tcp *t, struct peer *p, int code)
{
	dvmi_log(t->cfg.log, "net", LOG_ERR, "from rank %u: %s", p->rank, dvm_strerror(code));
	t->nstuck -= p->in.stuck;
	dvmi_unpack_fini(&p->in);
	dvmi_tcp_lose(t, p);
	dvmi_tcp_peer_down(t, p, code);
}

static void feed(struct tcp *t, struct peer *p, const void *bytes, size_t n)
{
	int rc = dvmi_unpack_feed(&p->in, bytes, n);

	t->nstuck += p->in.stuck;
	if (rc < 0)
		spoilt(t, p, rc);
}

static void on_end(struct tcp *t, struct peer *p, int err)
{
	if (!p->bye_got)
		dvmi_log(t->cfg.log, "net", LOG_INFO, "connection to rank %u: %s", p->rank,
			 err ? dvm_strerror(-err) : "ended");
	p->ended = true;
	dvmi_tcp_lose(t, p);
}

/* Reads once. Bytes, 0 when there are none or it is over. */
static size_t read_once(struct tcp *t, struct peer *p)
{
	size_t direct = 0;
	void *at = dvmi_unpack_place(&p->in, &direct);
	struct iovec iov[2] = { { at, direct }, { t->in, IN_ROOM } };
	ssize_t n = at ? readv(p->fd, iov, 2) : recv(p->fd, t->in, IN_ROOM, MSG_DONTWAIT);

	if (n <= 0) {
		if (n == 0 || (errno != EAGAIN && errno != EINTR))
			on_end(t, p, n ? errno : 0);
		return 0;
	}
	size_t there = (size_t)n < direct ? (size_t)n : direct;
	if (there)
		dvmi_unpack_placed(&p->in, at, there);
	if ((size_t)n > there)
		feed(t, p, t->in, (size_t)n - there);
	return (size_t)n;
}

int dvmi_tcp_read(struct tcp *t, struct peer *p)
{
	if (p->in.stuck || read_once(t, p) == 0)
		return 0;
	t->hot = p->link == LINK_UP ? p : NULL;
	return 1;
}

static bool retry(struct tcp *t, struct peer *p)
{
	size_t before = p->in.len;
	int rc = dvmi_unpack_retry(&p->in);

	t->nstuck -= !p->in.stuck;
	if (rc < 0)
		spoilt(t, p, rc);
	return p->in.len < before;
}

int dvmi_tcp_retry(struct tcp *t)
{
	int n = 0;

	for (uint32_t i = 0; i < t->cfg.size && t->nstuck; i++)
		if (t->peers[i].in.stuck)
			n += retry(t, &t->peers[i]);
	return n;
}
