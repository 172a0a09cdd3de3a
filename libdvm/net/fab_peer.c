/* SPDX-License-Identifier: BSD-3-Clause */
/* Peers: their addresses, and what becomes of them. */
#include <stdlib.h>
#include <string.h>

#include "dvm/error.h"
#include "libdvm/base/clock.h"
#include "libdvm/net/fab_private.h"

#define VERDICT_MAX (5 * DVMI_SEC) /* for the shepherd's word on a broken connection */

void dvmi_fab_peer_down(struct fab *f, uint32_t peer, int code)
{
	if (f->peers[peer].down)
		return;
	f->peers[peer].down = code;
	f->t.sink.down(f->t.sink.arg, peer, code);
}

void dvmi_fab_peer_broken(struct fab *f, uint32_t peer)
{
	struct fpeer *p = &f->peers[peer];

	if (p->broken || p->down)
		return;
	p->broken = dvmi_clock_mono();
	f->nbroken++;
}

void dvmi_fab_peer_judge(struct fab *f)
{
	uint64_t now = dvmi_clock_mono();

	for (uint32_t i = 0; i < f->cfg.size; i++) {
		struct fpeer *p = &f->peers[i];
		if (!p->broken || p->down || now - p->broken < VERDICT_MAX)
			continue;
		f->nbroken--;
		dvmi_fab_peer_down(f, i, p->bye_got ? -DVM_ECLOSED : -DVM_EPEERLOST);
	}
}

static void learn(struct fab *f, uint32_t peer, const void *addr)
{
	struct fpeer *p = &f->peers[peer];

	p->known = fi_av_insert(f->ep.av, addr, 1, &p->addr, 0, NULL) == 1;
	if (!p->known)
		dvmi_fab_peer_down(f, peer, -DVM_EPROTO);
}

/* Addresses that came while the endpoint was not there. */
void dvmi_fab_peer_learn(struct fab *f)
{
	for (uint32_t i = 0; i < f->cfg.size; i++) {
		uint8_t *name = f->peers[i].name;
		if (!name)
			continue;
		f->peers[i].name = NULL;
		learn(f, i, name);
		free(name);
	}
}

void dvmi_fab_address(struct dvmi_tport *t, uint32_t peer, int code, const void *addr, size_t len)
{
	struct fab *f = fab_of(t);
	struct fpeer *p = &f->peers[peer];

	if (!p->asked || p->known || p->name)
		return;
	if (code < 0 || len == 0 || len > DVMI_FAB_ADDR_MAX) {
		dvmi_fab_peer_down(f, peer, code < 0 ? code : -DVM_EPROTO);
		return;
	}
	/* The provider reads as much as an address of its kind has, whatever LEN says. */
	p->name = calloc(1, DVMI_FAB_ADDR_MAX);
	if (!p->name)
		dvmi_fab_peer_down(f, peer, -ENOMEM);
	else
		memcpy(p->name, addr, len);
	if (state_of(f) == READY)
		dvmi_fab_peer_learn(f);
}

void dvmi_fab_peer_ask(struct fab *f, uint32_t peer)
{
	if (f->peers[peer].asked)
		return;
	f->peers[peer].asked = true;
	f->cfg.lookup(f->cfg.arg, peer);
}

void dvmi_fab_likely(struct dvmi_tport *t, uint32_t peer)
{
	struct fab *f = fab_of(t);

	dvmi_fab_peer_ask(f, peer);
	dvmi_fab_start(f);
	if (state_of(f) == FAILED)
		dvmi_fab_peer_down(f, peer, -DVM_EPEERLOST);
}
