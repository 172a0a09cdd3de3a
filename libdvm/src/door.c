/* SPDX-License-Identifier: BSD-3-Clause */
/* The first connection of two jobs: between their roots. */
#include <endian.h>
#include <errno.h>
#include <sys/random.h>

#include "dvm/error.h"
#include "libdvm/src/connect.h"

/* The intergroup of this rank and number 1 - self of L. */
static int make_group(dvm_t *d, struct dvmi_link *l, uint32_t ctx, struct dvmi_door *door)
{
	uint32_t self = d->env.rank, far = l->base + 1 - l->self;
	dvm_group_t alone = { .d = d, .size = 1 };
	int rc = dvmi_rankmap_set(&alone.map, &self, 1);

	if (rc == 0)
		rc = dvmi_intergroup_new(d, &alone, &far, 1, ctx, &door->g);
	dvmi_rankmap_fini(&alone.map);
	if (rc < 0)
		return rc;
	door->g->link = l;
	l->users++;
	return 0;
}

static int open_door(dvm_t *d, uint64_t key, uint32_t self, struct dvmi_door *door,
		     struct dvmi_link **link)
{
	struct dvmi_link *l;
	uint32_t ctx;
	int rc = dvmi_ctx_reserve(d, &ctx);

	if (rc == 0)
		rc = dvmi_link_open(d, key, self, 2, &l);
	if (rc < 0)
		return rc;
	rc = make_group(d, l, ctx, door);
	dvmi_link_put(l);
	*link = l;
	return rc;
}

int dvmi_door_make(dvm_t *d, struct dvmi_door *door, struct dvmi_door_sign *sign)
{
	struct dvmi_link *l;
	uint64_t key;

	if (getrandom(&key, sizeof key, 0) != sizeof key)
		return -EIO;
	int rc = open_door(d, key, 0, door, &l);
	if (rc < 0)
		return rc;
	*sign = (struct dvmi_door_sign){ .key = htole64(key), .ctx = htole32(door->g->ctx) };
	dvmi_link_self(l, &sign->at);
	return 0;
}

int dvmi_door_find(dvm_t *d, struct dvmi_door *door, const struct dvmi_door_sign *sign)
{
	struct dvmi_link *l;
	int rc = open_door(d, le64toh(sign->key), 1, door, &l);

	if (rc < 0)
		return rc;
	door->g->far_ctx = le32toh(sign->ctx);
	return dvmi_link_member_set(l, 0, &sign->at);
}

int dvmi_door_expect(struct dvmi_door *door, uint64_t job)
{
	int rc = dvmi_link_watch(door->g->link, job);

	door->child = rc == 0;
	return rc == -ESRCH ? -DVM_EPEERLOST : rc; /* it is over already */
}

bool dvmi_door_is_futile(const struct dvmi_door *door)
{
	return door->child && dvmi_link_has_left(door->g->link, 0);
}

void dvmi_door_close(struct dvmi_door *door)
{
	if (door->g)
		dvmi_group_destroy(door->g);
	door->g = NULL;
}
