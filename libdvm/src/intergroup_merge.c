/* SPDX-License-Identifier: BSD-3-Clause */
/* One group of the two sides of an intergroup. */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>

#include "dvm/coll.h"
#include "libdvm/src/link.h"
#include "libdvm/src/make.h"

/* Little-endian. */
struct side {
	int32_t code; /* 0 or negative */
	uint32_t high;
	uint32_t ctx;
	uint32_t far_ctx; /* of a link: what ctx is called there */
};

static bool comes_first(const dvm_group_t *g, uint32_t high, uint32_t other)
{
	if ((high != 0) != (other != 0))
		return !high;
	if (g->link)
		return g->link->first_far != 0;
	return dvmi_rankmap_peer(&g->map, 0) < dvmi_rankmap_peer(&g->remote, 0);
}

/* The first ranks of both sides offer contexts; those of the side that comes first are taken. */
static int settle(dvm_group_t *g, struct side *s)
{
	struct dvmi_make make = { .g = g, .tag = 1 };
	struct side theirs;
	uint32_t ctx = 0;
	int code = dvmi_ctx_reserve(g->d, &ctx);

	s->code = (int32_t)htole32((uint32_t)code);
	s->ctx = htole32(ctx);
	int rc = dvmi_make_sendrecv(&make, 0, s, sizeof *s, &theirs, sizeof theirs);
	if (rc < 0 || code < 0)
		return code < 0 ? code : rc;
	if (theirs.code)
		return -ENOSPC;
	uint32_t peer = dvmi_rankmap_peer(&g->remote, 0);
	s->far_ctx = theirs.ctx;
	if (!g->link && !dvmi_ctx_good(g->d, le32toh(theirs.ctx), peer))
		return -DVM_EPROTO;
	bool first = comes_first(g, s->high, theirs.high);
	s->high = !first;
	/* Jobs name contexts each for itself. */
	if (first || g->link)
		return 0;
	dvmi_ctx_return(g->d, ctx);
	s->ctx = theirs.ctx;
	return 0;
}

static void lay(uint32_t *to, const struct dvmi_rankmap *map)
{
	for (uint32_t r = 0; r < map->size; r++)
		to[r] = dvmi_rankmap_peer(map, r);
}

static int merge(dvm_group_t *g, bool second, const struct side *s, dvm_group_t **out)
{
	uint32_t n = g->size + g->remote.size;
	uint32_t *peers = malloc(n * sizeof *peers);

	if (!peers)
		return -ENOMEM;
	lay(peers + (second ? g->remote.size : 0), &g->map);
	lay(peers + (second ? 0 : g->size), &g->remote);
	dvmi_enter(g->d);
	int rc = dvmi_group_new(g->d, peers, n, g->rank + (second ? g->remote.size : 0),
				le32toh(s->ctx), out);
	if (rc == 0 && g->link) {
		(*out)->link = g->link;
		(*out)->far_ctx = le32toh(s->far_ctx);
		g->link->users++;
	}
	dvmi_leave(g->d);
	free(peers);
	return rc;
}

int dvm_intergroup_merge(dvm_group_t *g, int high, dvm_group_t **out)
{
	if (!g || !g->local || !out)
		return -EINVAL;
	struct side s = { .high = high != 0 };
	if (g->rank == 0) {
		dvmi_enter(g->d);
		int code = settle(g, &s);
		dvmi_leave(g->d);
		s.code = (int32_t)htole32((uint32_t)code);
	}
	int rc = dvm_bcast(g->local, &s, sizeof s, 0);
	if (rc == 0 && s.code)
		rc = (int32_t)le32toh((uint32_t)s.code);
	return rc < 0 ? rc : merge(g, s.high, &s, out);
}
