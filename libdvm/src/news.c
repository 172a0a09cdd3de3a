/* SPDX-License-Identifier: BSD-3-Clause */
/* What the shepherd tells, and what follows from it; and progress, which looks for it. */
#include <errno.h>
#include <unistd.h>

#include "libdvm/net/remote.h"
#include "libdvm/src/ask.h"
#include "libdvm/src/link.h"
#include "libdvm/src/request.h"
#include "libdvm/src/rma_hook.h"

/* A round with the fabric costs a system call or more: not after every look into the rings. */
#define FAB_EVERY 8

static int code_of(uint8_t state)
{
	return state == DVMI_RANK_CLOSED ? -DVM_ECLOSED : -DVM_EPEERLOST;
}

static struct dvmi_tport *reaches(dvm_t *d, uint32_t rank)
{
	return d->map.node_of[rank] == d->env.node ? d->shm : d->fab;
}

/* Ends all with RANK once what it had sent is delivered. False when that is not yet so. */
static bool let_go(dvm_t *d, uint32_t rank, uint8_t state)
{
	struct dvmi_tport *t = reaches(d, rank);

	if (t && t->ops->drain(t, rank, state != DVMI_RANK_CLOSED) == -EAGAIN)
		return false;
	dvmi_log(&d->log, "ctl", LOG_INFO, "rank %u has %s", rank,
		 state == DVMI_RANK_CLOSED ? "closed" : "gone");
	dvmi_p2p_down(&d->p2p, rank, code_of(state));
	d->threads.events++; /* what was drained, if nothing else */
	return true;
}

static void look_at_states(dvm_t *d)
{
	bool leaving = false;

	for (uint32_t r = 0; r < d->env.size; r++) {
		uint8_t state = atomic_load_explicit(&d->map.state[r], memory_order_acquire);
		if (state == DVMI_RANK_ALIVE || r == d->env.rank || d->p2p.peers[r].down)
			continue;
		leaving |= !let_go(d, r, state);
	}
	d->leaving = leaving;
}

static void shepherd_gone(dvm_t *d, int code)
{
	dvmi_log(&d->log, "ctl", LOG_ERR, "lost the shepherd: %s", dvm_strerror(code));
	dvmi_ctl_close(&d->ctl);
	d->broken = -DVM_EPEERLOST;
	dvmi_p2p_all_down(&d->p2p, d->broken);
	dvmi_asks_lost(d);
}

static void take_address(dvm_t *d, const struct dvmi_ctl_packet *p)
{
	struct dvmi_rank_peer peer;

	if (!d->fab || p->len < sizeof peer)
		return;
	__builtin_memcpy(&peer, p->body, sizeof peer);
	if (peer.job == 0 && peer.rank < d->env.size)
		dvmi_remote_address(d->fab, peer.rank, peer.code, p->body + sizeof peer,
				 p->len - sizeof peer);
}

static void take_packet(dvm_t *d, struct dvmi_ctl_packet *p)
{
	switch (p->type) {
	case DVMI_RANK_WANTED:
		if (d->fab)
			dvmi_remote_wanted(d->fab);
		break;
	case DVMI_RANK_ADDR:
		take_address(d, p);
		break;
	case DVMI_RANK_CHANGED:
		look_at_states(d);
		dvmi_links_look(d);
		break;
	case DVMI_RANK_ANSWER:
		dvmi_ask_answered(d, p);
		break;
	case DVMI_RANK_EVENT:
		dvmi_event_take(d, p);
		break;
	default:
		dvmi_log(&d->log, "ctl", LOG_DEBUG, "packet of type %u ignored", p->type);
	}
}

int dvmi_news(dvm_t *d)
{
	struct dvmi_ctl_packet p;
	int n = 0, rc = 0;

	if (d->ctl.fd < 0)
		return 0;
	/* The doorbell first: a packet that comes while we read rings again. */
	d->rung = atomic_load_explicit(d->map.doorbell, memory_order_acquire);
	while (d->ctl.fd >= 0 && (rc = dvmi_ctl_read(&d->ctl, &p)) > 0) {
		take_packet(d, &p);
		if (p.fd >= 0)
			close(p.fd);
		n++;
	}
	if (d->hook.news)
		n += d->hook.news(d->hook.arg);
	if (rc < 0 && d->ctl.fd >= 0) {
		/* Its last words may have been the news that it is not a failure. */
		look_at_states(d);
		shepherd_gone(d, rc);
		n++;
	}
	d->threads.events += n > 0;
	return n;
}

static bool fab_turn(dvm_t *d, int events)
{
	if (!d->fab || !dvmi_remote_active(d->fab))
		return false;
	if (!d->shm)
		return true;
	if (!events && ++d->fab_skip < FAB_EVERY)
		return false;
	if (events && ++d->fab_skip < 8 * FAB_EVERY)
		return false;
	d->fab_skip = 0;
	return true;
}

int dvmi_progress(dvm_t *d)
{
	int n = d->shm ? d->shm->ops->progress(d->shm) : 0;

	if (d->map.map && atomic_load_explicit(d->map.doorbell, memory_order_relaxed) != d->rung)
		n += dvmi_news(d);
	if (__builtin_expect(fab_turn(d, n), 0))
		n += d->fab->ops->progress(d->fab);
	if (__builtin_expect(d->leaving, 0))
		look_at_states(d);
	if (__builtin_expect(d->links != NULL, 0))
		n += dvmi_links_progress(d);
	if (d->rma)
		n += dvmi_rma_serve(d);
	if (d->tasks)
		n += dvmi_tasks_advance(d);
	if (d->p2p.busy)
		n += dvmi_p2p_flush(&d->p2p);
	if (d->am.busy)
		n += dvmi_am_flush(d);
	if (__builtin_expect(d->p2p.finished != NULL, 0))
		dvmi_reqs_reap(d);
	return n;
}
