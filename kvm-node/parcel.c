/* SPDX-License-Identifier: BSD-3-Clause */
#include "kvm-node/parcel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MOST (sizeof(struct vmm_parcel) + VMM_PARCEL_PIECES * sizeof(struct vmm_piece) + VMM_PARCEL_DATA)

static size_t beginning(unsigned pieces)
{
	return sizeof(struct vmm_parcel) + pieces * sizeof(struct vmm_piece);
}

void vmm_parcel_request(struct dvmi_buf *out, const struct vmm_chain *c, bool carried)
{
	unsigned n = c->nout + c->nin;
	size_t data = carried ? c->out_len : 0;
	struct vmm_parcel p = { .bytes = (uint32_t)(beginning(n) + data),
				.head = c->head,
				.flags = carried ? VMM_PARCEL_CARRIED : 0,
				.nout = (uint16_t)c->nout,
				.nin = (uint16_t)c->nin };

	dvmi_buf_put(out, &p, sizeof p);
	for (unsigned i = 0; i < n; i++) {
		struct vmm_piece piece = { c->gpa[i], (uint32_t)c->iov[i].iov_len, 0 };
		dvmi_buf_put(out, &piece, sizeof piece);
	}
	uint8_t *to = data ? dvmi_buf_extend(out, data) : NULL;
	if (to)
		vmm_iov_read(c->iov, c->nout, 0, to, data);
}

const uint8_t *vmm_parcel_data(const struct vmm_parcel *p)
{
	return (const uint8_t *)&p->piece[p->nout + p->nin];
}

void vmm_parcel_deliver(const struct vmm_parcel *p, const struct vmm_gmem *mem)
{
	const uint8_t *from = vmm_parcel_data(p);

	for (unsigned i = 0; i < p->nout && (p->flags & VMM_PARCEL_CARRIED); i++) {
		void *to = vmm_gmem_at(mem, p->piece[i].gpa, p->piece[i].len);
		if (to)
			memcpy(to, from, p->piece[i].len);
		from += p->piece[i].len;
	}
}

/* ---- streams ---- */

static bool may_begin(const struct vmm_parcel *p)
{
	unsigned n = p->nout + p->nin;

	return n <= VMM_PARCEL_PIECES && p->bytes >= beginning(n) && p->bytes <= MOST &&
	       p->flags < VMM_PARCEL_FLAGS && !p->zero;
}

static bool whole_good(const struct vmm_parcel *p)
{
	unsigned n = p->nout + p->nin;
	uint64_t out = 0, in = 0;

	for (unsigned i = 0; i < n; i++) {
		if (!p->piece[i].len)
			return false;
		*(i < p->nout ? &out : &in) += p->piece[i].len;
	}
	if (p->bytes - beginning(n) != (p->flags & VMM_PARCEL_CARRIED ? out : 0))
		return false;
	return in <= ((p->flags & VMM_PARCEL_CARRIED) ? VMM_PARCEL_DATA : UINT32_MAX) && out <= UINT32_MAX;
}

/* Bytes go to S->first until the parcel's length is known, then into the parcel itself. */
static size_t fill(struct vmm_parcels *s, const uint8_t *p, size_t len)
{
	uint8_t *to = s->next ? (uint8_t *)s->next : (uint8_t *)&s->first;
	size_t whole = s->next ? s->next->bytes : sizeof s->first;
	size_t some = len < whole - s->have ? len : whole - s->have;

	memcpy(to + s->have, p, some);
	s->have += some;
	return some;
}

static int begin(struct vmm_parcels *s)
{
	if (!may_begin(&s->first))
		return -EBADMSG;
	s->next = malloc(s->first.bytes);
	if (!s->next)
		return -ENOMEM;
	memcpy(s->next, &s->first, sizeof s->first);
	return 0;
}

static int end(struct vmm_parcels *s, void (*take)(void *arg, struct vmm_parcel *p), void *arg)
{
	struct vmm_parcel *p = s->next;

	if (!whole_good(p))
		return -EBADMSG;
	s->next = NULL;
	s->have = 0;
	take(arg, p);
	return 0;
}

int vmm_parcels_feed(struct vmm_parcels *s, const void *bytes, size_t len,
		     void (*take)(void *arg, struct vmm_parcel *p), void *arg)
{
	const uint8_t *p = bytes;
	int rc = s->bad ? -EBADMSG : 0;

	while (rc == 0 && len) {
		size_t some = fill(s, p, len);
		p += some;
		len -= some;
		if (!s->next && s->have == sizeof s->first)
			rc = begin(s);
		if (rc == 0 && s->next && s->have == s->next->bytes)
			rc = end(s, take, arg);
	}
	s->bad |= rc < 0;
	return rc;
}

void vmm_parcels_clear(struct vmm_parcels *s)
{
	free(s->next);
	*s = (struct vmm_parcels){ 0 };
}
