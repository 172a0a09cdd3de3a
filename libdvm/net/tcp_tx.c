/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What goes out. A packet is written at once, with one system call, while nothing is unsent. What
 * the socket does not take is kept, and short packets are added to it.
 *
 * Bursts: a write of a short packet costs a few microseconds, nearly all of it in the kernel. So
 * the third and later short packets that follow one another to the same peer within BURST_GAP,
 * with no progress between them, are held back and written together: when GATHER_MAX bytes are
 * there, when the oldest has waited HELD_MAX and another comes, at the next progress, or by the
 * flusher. A packet that comes alone is never held, nor a pair, unless the last burst was long.
 */
#include <errno.h>
#include <string.h>
#include <sys/uio.h>

#include "libdvm/base/clock.h"
#include "libdvm/net/tcp_private.h"

#define SHORT	   1024u /* bytes, frame included: larger ones are not worth gathering */
#define AT_ONCE	   256u	 /* up to here copying is cheaper than a second buffer for the kernel */
#define BURST_FREE 2	 /* packets of a burst that go alone */
#define BURST_LONG 16	 /* after one so long only the first goes alone */
#define BURST_GAP  (5 * DVMI_USEC)
#define HELD_MAX   (20 * DVMI_USEC)

/* ---- under the lock ---- */

static void enqueue(struct tcp *t, struct peer *p)
{
	if (p->queued)
		return;
	p->queued = true;
	p->next_queued = t->queue;
	t->queue = p;
	atomic_fetch_add_explicit(&t->nqueued, 1, memory_order_relaxed);
}

static void dequeue(struct tcp *t, struct peer **pp)
{
	struct peer *p = *pp;

	*pp = p->next_queued;
	p->queued = false;
	p->held = 0;
	p->out_len = p->out_head = 0;
	atomic_fetch_sub_explicit(&t->nqueued, 1, memory_order_relaxed);
}

void dvmi_tcp_forget(struct tcp *t, struct peer *p)
{
	for (struct peer **pp = &t->queue; *pp; pp = &(*pp)->next_queued)
		if (*pp == p) {
			dequeue(t, pp);
			return;
		}
}

/* Bytes written, 0 when there is no room or P is deaf. */
static size_t write_out(struct peer *p, struct iovec *iov, int n)
{
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = (size_t)n };
	const int how = MSG_DONTWAIT | MSG_NOSIGNAL;
	ssize_t done =
		n == 1 ? send(p->fd, iov->iov_base, iov->iov_len, how) : sendmsg(p->fd, &m, how);

	if (done < 0 && errno != EAGAIN && errno != EINTR)
		p->deaf = true;
	return done > 0 ? (size_t)done : 0;
}

/* True when all is away, or never will be. */
static bool write_queued(struct peer *p)
{
	struct iovec iov = { p->out + p->out_head, p->out_len };

	if (p->out_len && !p->deaf) {
		size_t n = write_out(p, &iov, 1);
		p->out_head += (uint32_t)n;
		p->out_len -= (uint32_t)n;
	}
	p->held = 0;
	return !p->out_len || p->deaf;
}

void dvmi_tcp_flush_held(struct tcp *t, uint64_t older_than)
{
	struct peer **pp = &t->queue;

	while (*pp) {
		struct peer *p = *pp;
		bool due = older_than == UINT64_MAX || (p->held && p->held < older_than);
		if (due && write_queued(p))
			dequeue(t, pp);
		else
			pp = &p->next_queued;
	}
}

static void append(struct tcp *t, struct peer *p, const void *bytes, size_t n)
{
	if (p->out_head + p->out_len + n > OUT_ROOM) {
		memmove(p->out, p->out + p->out_head, p->out_len);
		p->out_head = 0;
	}
	memcpy(p->out + p->out_head + p->out_len, bytes, n);
	p->out_len += (uint32_t)n;
	enqueue(t, p);
}

static void append_packet(struct tcp *t, struct peer *p, const struct dvmi_pkt *pkt,
			  const void *payload)
{
	struct dvmi_wire_frame f;

	dvmi_wire_put_frame(&f, pkt);
	append(t, p, &f, sizeof f);
	if (pkt->len)
		append(t, p, payload, pkt->len);
}

/* What of the N pieces was not among the DONE bytes is kept. */
static void keep_rest(struct tcp *t, struct peer *p, const struct iovec *iov, int n, size_t done)
{
	for (int i = 0; i < n; i++) {
		size_t skip = done < iov[i].iov_len ? done : iov[i].iov_len;
		done -= skip;
		if (skip < iov[i].iov_len)
			append(t, p, (const uint8_t *)iov[i].iov_base + skip,
			       iov[i].iov_len - skip);
	}
	if (t->armed)
		dvmi_tcp_want_room(t, p, true);
}

/* Behind what is unsent, if there is something. 0 or -EAGAIN. */
static int write_packet(struct tcp *t, struct peer *p, const struct dvmi_pkt *pkt,
			const void *payload)
{
	struct dvmi_wire_frame f;
	struct iovec iov[2] = { { &f, sizeof f }, { (void *)(uintptr_t)payload, pkt->len } };
	uint8_t both[AT_ONCE];
	int n = pkt->len ? 2 : 1;

	if (p->queued && !write_queued(p))
		return -EAGAIN;
	if (p->queued)
		dvmi_tcp_forget(t, p);
	dvmi_wire_put_frame(&f, pkt);
	if (n == 2 && sizeof f + pkt->len <= sizeof both) {
		memcpy(both, &f, sizeof f);
		memcpy(both + sizeof f, payload, pkt->len);
		iov[0] = (struct iovec){ both, sizeof f + pkt->len };
		n = 1;
	}
	size_t done = write_out(p, iov, n);
	if (p->deaf || (!done && pkt->len + sizeof f > GATHER_MAX))
		return -EAGAIN;
	if (done < sizeof f + pkt->len)
		keep_rest(t, p, iov, n, done);
	return 0;
}

/* ---- bursts; the owner's ---- */

/* Whether this packet is one of many. *NOW is set when it is. */
static bool in_burst(struct tcp *t, struct peer *p, uint64_t *now)
{
	if (p->round != t->round) {
		p->round = t->round;
		p->free = p->burst >= BURST_LONG ? 1 : BURST_FREE;
		p->burst = 0;
		p->last = 0;
		return false;
	}
	*now = dvmi_clock_mono();
	bool near = !p->last || *now - p->last < BURST_GAP;
	p->last = *now;
	p->burst = near ? p->burst + 1 : 0;
	return p->burst >= p->free;
}

/* Holds a short packet back, or writes it with those held. 0 or -EAGAIN. Under the lock. */
static int gather(struct tcp *t, struct peer *p, const struct dvmi_pkt *pkt, const void *payload,
		  uint64_t now)
{
	bool blocked = p->queued && !p->held;
	bool due = p->out_len + FRAME + pkt->len > GATHER_MAX ||
		   (p->held && now - p->held >= HELD_MAX);

	if (due && !write_queued(p))
		return -EAGAIN;
	if (due) {
		dvmi_tcp_forget(t, p);
		p->last = dvmi_clock_mono();
	}
	append_packet(t, p, pkt, payload);
	if (blocked && !due)
		return 0;
	if (!p->held)
		p->held = now;
	dvmi_tcp_flusher_poke(t);
	return 0;
}

static int send_locked(struct tcp *t, struct peer *p, const struct dvmi_pkt *pkt,
		       const void *payload, bool hold, uint64_t now)
{
	if (p->deaf)
		return -EAGAIN;
	if (hold || (p->queued && FRAME + pkt->len <= SHORT))
		return gather(t, p, pkt, payload, now);
	int rc = write_packet(t, p, pkt, payload);
	if (now)
		p->last = dvmi_clock_mono(); /* the gap begins when the kernel is done */
	return rc;
}

/* 0 when P can be sent to, else what send returns. */
static int prepare(struct tcp *t, struct peer *p)
{
	if (p->down)
		return p->down;
	dvmi_remote_likely(&t->t, p->rank);
	if (p->down)
		return p->down;
	if (p->known)
		dvmi_tcp_connect(t, p);
	return -EAGAIN;
}

int dvmi_tcp_send(struct dvmi_tport *tport, uint32_t peer, const struct dvmi_pkt *pkt,
		  const void *payload)
{
	struct tcp *t = tcp_of(tport);
	struct peer *p = &t->peers[peer];
	uint64_t now = 0;

	if (__builtin_expect(p->link != LINK_UP || p->down, 0))
		return prepare(t, p);
	bool hold =
		in_burst(t, p, &now) && FRAME + pkt->len <= SHORT && dvmi_tcp_flusher_start(t) == 0;
	lock(t);
	int rc = send_locked(t, p, pkt, payload, hold, now);
	unlock(t);
	return rc;
}

int dvmi_tcp_flush(struct tcp *t)
{
	lock(t);
	uint32_t before = t->nqueued;
	dvmi_tcp_flush_held(t, UINT64_MAX);
	int n = (int)(before - t->nqueued);
	unlock(t);
	return n;
}
