/* SPDX-License-Identifier: BSD-3-Clause */
#include "kvm-node/vhost.h"

#include <errno.h>
#include <string.h>

enum { VERSION = 1, VERSION_MASK = 3, REPLY = 1 << 2, WANT_REPLY = 1 << 3, NO_FD = 1 << 8 };

/* Bodies, in this machine's byte order. */
struct ring_state {
	uint32_t ring, num;
};

struct ring_addr {
	uint32_t ring, flags;
	uint64_t desc, used, avail, log;
};

struct region {
	uint64_t gpa, len, user, offset;
};

struct memory {
	uint32_t n, padding;
	struct region r[VMM_VHOST_REGIONS];
};

_Static_assert(sizeof(struct ring_addr) == 40, "as on the wire");
_Static_assert(sizeof(struct memory) == VMM_VHOST_BODY, "as on the wire");

static void put(struct vmm_vhost_msg *m, enum vmm_vhost_request request, const void *body,
		size_t size)
{
	*m = (struct vmm_vhost_msg){ .request = request, .flags = VERSION, .size = (uint32_t)size };
	if (size)
		memcpy(m->body, body, size);
}

void vmm_vhost_ask(struct vmm_vhost_msg *m, enum vmm_vhost_request request)
{
	put(m, request, NULL, 0);
}

void vmm_vhost_u64(struct vmm_vhost_msg *m, enum vmm_vhost_request request, uint64_t value)
{
	put(m, request, &value, sizeof value);
}

void vmm_vhost_ring(struct vmm_vhost_msg *m, enum vmm_vhost_request request, uint32_t ring,
		    uint32_t num)
{
	const struct ring_state s = { ring, num };

	put(m, request, &s, sizeof s);
}

void vmm_vhost_ring_addr(struct vmm_vhost_msg *m, uint32_t ring, uint64_t desc, uint64_t avail,
			 uint64_t used)
{
	const struct ring_addr a = { .ring = ring, .desc = desc, .used = used, .avail = avail };

	put(m, VMM_VHOST_SET_VRING_ADDR, &a, sizeof a);
}

void vmm_vhost_ring_fd(struct vmm_vhost_msg *m, enum vmm_vhost_request request, uint32_t ring,
		       int fd)
{
	vmm_vhost_u64(m, request, ring | (fd < 0 ? NO_FD : 0));
	if (fd >= 0)
		m->fds[m->nfds++] = fd;
}

int vmm_vhost_memory(struct vmm_vhost_msg *m, const struct vmm_vhost_region *r, unsigned n)
{
	struct memory table = { .n = n };

	if (n > VMM_VHOST_REGIONS)
		return -E2BIG;
	for (unsigned i = 0; i < n; i++)
		table.r[i] = (struct region){ r[i].gpa, r[i].len, r[i].user, r[i].offset };
	put(m, VMM_VHOST_SET_MEM_TABLE, &table, offsetof(struct memory, r) + n * sizeof table.r[0]);
	for (unsigned i = 0; i < n; i++)
		m->fds[m->nfds++] = r[i].fd;
	return 0;
}

void vmm_vhost_want_reply(struct vmm_vhost_msg *m)
{
	m->flags |= WANT_REPLY;
}

void vmm_vhost_header(const struct vmm_vhost_msg *m, uint8_t to[VMM_VHOST_HEADER])
{
	const uint32_t head[] = { m->request, m->flags, m->size };

	memcpy(to, head, sizeof head);
}

int vmm_vhost_next(struct vmm_vhost_inbox *in, struct vmm_vhost_msg *m)
{
	uint32_t head[3];

	if (in->len < sizeof head)
		return 0;
	memcpy(head, in->data, sizeof head);
	if ((head[1] & VERSION_MASK) != VERSION || !(head[1] & REPLY) || head[2] > VMM_VHOST_BODY)
		return -EPROTO;
	size_t whole = sizeof head + head[2];
	if (in->len < whole)
		return 0;
	*m = (struct vmm_vhost_msg){ .request = head[0], .flags = head[1], .size = head[2] };
	memcpy(m->body, in->data + sizeof head, head[2]);
	in->len -= whole;
	memmove(in->data, in->data + whole, in->len);
	return 1;
}

int vmm_vhost_answer_u64(const struct vmm_vhost_msg *m, enum vmm_vhost_request to, uint64_t *value)
{
	if (m->request != to || m->size != sizeof *value)
		return -EPROTO;
	memcpy(value, m->body, sizeof *value);
	return 0;
}

int vmm_vhost_answer_ring(const struct vmm_vhost_msg *m, enum vmm_vhost_request to, uint32_t nrings,
			  uint32_t *ring, uint32_t *num)
{
	struct ring_state s;

	if (m->request != to || m->size != sizeof s)
		return -EPROTO;
	memcpy(&s, m->body, sizeof s);
	if (s.ring >= nrings || s.num > UINT16_MAX)
		return -EPROTO;
	*ring = s.ring;
	*num = s.num;
	return 0;
}
