/* SPDX-License-Identifier: BSD-3-Clause */
/* What becomes of the ranks of a linked job: its map, as our shepherd keeps it. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libdvm/src/ask.h"
#include "libdvm/src/link.h"

static bool header_good(const struct dvmi_jobmap *m, size_t bytes)
{
	return m->magic == DVMI_JOBMAP_MAGIC && m->version == DVMI_RANK_VERSION &&
	       m->state_off >= sizeof *m && m->state_off <= bytes &&
	       m->size <= bytes - m->state_off;
}

static int map_states(struct dvmi_link *l, int fd, uint64_t bytes)
{
	struct stat st;

	if (bytes < sizeof *l->map || fstat(fd, &st) < 0 || (uint64_t)st.st_size < bytes)
		return -DVM_EPROTO;
	void *p = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return -errno;
	l->map = p;
	l->map_bytes = bytes;
	if (!header_good(l->map, bytes)) {
		dvmi_link_unmap(l);
		return -DVM_EPROTO;
	}
	l->state = (const _Atomic uint8_t *)(const void *)((const char *)p + l->map->state_off);
	return 0;
}

void dvmi_link_unmap(struct dvmi_link *l)
{
	if (l->map)
		munmap((void *)(uintptr_t)l->map, l->map_bytes);
	l->map = NULL;
}

int dvmi_link_watch(struct dvmi_link *l, uint64_t job)
{
	struct dvmi_rank_link head = { .job = job };
	const struct dvmi_question q = { .type = DVMI_RANK_LINK,
					 .head = &head,
					 .head_len = sizeof head };
	struct dvmi_rank_linked in;
	struct dvmi_ask a;
	int rc = dvmi_ask_start(l->d, &a, &q);

	if (rc == 0)
		rc = dvmi_ask_wait(l->d, &a, NULL);
	if (rc < 0)
		return rc;
	rc = -DVM_EPROTO;
	if (a.fd >= 0 && a.len >= sizeof in) {
		memcpy(&in, a.bytes, sizeof in);
		rc = map_states(l, a.fd, in.map_bytes);
	}
	if (a.fd >= 0)
		close(a.fd);
	if (rc == 0)
		dvmi_link_look(l);
	return rc;
}

bool dvmi_link_has_left(const struct dvmi_link *l, uint32_t rank)
{
	return l->map && rank < l->map->size &&
	       atomic_load_explicit(&l->state[rank], memory_order_acquire) != DVMI_RANK_ALIVE;
}

bool dvmi_link_peer_left(const struct dvmi_link *l, uint32_t peer)
{
	uint32_t i = peer - l->base;

	return i >= l->first_far && i < l->first_far + l->n_far && l->members[i].addr_len &&
	       dvmi_link_has_left(l, l->members[i].rank);
}

/* Ends all with number I of the link once what it had sent is delivered. False: not yet. */
static bool let_go(struct dvmi_link *l, uint32_t i)
{
	uint32_t rank = l->members[i].rank, peer = l->base + i;

	if (i == l->self || !l->members[i].addr_len || rank >= l->map->size ||
	    l->d->p2p.peers[peer].down)
		return true;
	uint8_t state = atomic_load_explicit(&l->state[rank], memory_order_acquire);
	if (state == DVMI_RANK_ALIVE)
		return true;
	bool dead = state != DVMI_RANK_CLOSED;
	if (l->face.ops->drain(&l->face, peer, dead) == -EAGAIN)
		return false;
	dvmi_p2p_down(&l->d->p2p, peer, dead ? -DVM_EPEERLOST : -DVM_ECLOSED);
	return true;
}

void dvmi_link_look(struct dvmi_link *l)
{
	bool leaving = false;

	for (uint32_t i = l->first_far; l->map && i < l->first_far + l->n_far; i++)
		leaving |= !let_go(l, i);
	l->leaving = leaving;
}

void dvmi_links_look(dvm_t *d)
{
	for (struct dvmi_link *l = d->links; l; l = l->next)
		dvmi_link_look(l);
}
