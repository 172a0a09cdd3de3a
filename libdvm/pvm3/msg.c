/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>
#include <string.h>

#include "pvm3.h"
#include "libdvm/pvm3/lend.h"
#include "libdvm/pvm3/msg.h"

#define FIRST_CAP 256u
#define KEEP	  8
#define KEEP_MIN  (32u * 1024)
#define KEEP_MAX  (8u * 1024 * 1024)

/*
 * Some long blobs that were freed last: a fresh one would have to be zeroed by the kernel, page by
 * page, which takes longer than filling it.
 */
static struct pvmi_blob *kept[KEEP];

/* The smallest that is large enough and not much larger. */
static struct pvmi_blob *take_kept(size_t cap)
{
	struct pvmi_blob **best = NULL;

	for (int i = 0; i < KEEP; i++)
		if (kept[i] && kept[i]->cap >= cap && kept[i]->cap / 4 <= cap &&
		    (!best || kept[i]->cap < (*best)->cap))
			best = &kept[i];
	struct pvmi_blob *b = best ? *best : NULL;
	if (best)
		*best = NULL;
	return b;
}

static void destroy(struct pvmi_blob *b)
{
	free(b->own);
	free(b);
}

static bool keep(struct pvmi_blob *b)
{
	static unsigned oldest;

	if (b->cap < KEEP_MIN || b->cap > KEEP_MAX)
		return false;
	for (int i = 0; i < KEEP; i++)
		if (!kept[i]) {
			kept[i] = b;
			return true;
		}
	destroy(kept[oldest]);
	kept[oldest] = b;
	oldest = (oldest + 1) % KEEP;
	return true;
}

struct pvmi_blob *pvmi_blob_new(size_t cap)
{
	struct pvmi_blob *b = cap >= KEEP_MIN ? take_kept(cap) : NULL;

	if (b) {
		b->refs = 1;
		return b;
	}
	b = malloc(sizeof *b + PVMI_HEAD + cap);
	if (!b)
		return NULL;
	*b = (struct pvmi_blob){ .refs = 1, .cap = cap, .bytes = (uint8_t *)(b + 1) };
	return b;
}

struct pvmi_blob *pvmi_blob_ref(struct pvmi_blob *b)
{
	b->refs++;
	return b;
}

void pvmi_blob_unref(struct pvmi_blob *b)
{
	if (!b || --b->refs)
		return;
	if (b->lender)
		pvmi_lend_put(b);
	else if (!keep(b))
		destroy(b);
}

/* Where messages to tasks of our node are best packed. */
static struct pvmi_lend *lender;

void pvmi_blob_lender(struct pvmi_lend *l)
{
	lender = l;
}

static struct pvmi_blob *new_to_pack(size_t cap)
{
	struct pvmi_blob *b = lender && cap >= PVMI_LEND_MIN ? pvmi_lend_take(lender, cap) : NULL;

	return b ? b : pvmi_blob_new(cap);
}

struct pvmi_msg *pvmi_msg_new(int enc)
{
	struct pvmi_msg *m = malloc(sizeof *m);

	if (m)
		*m = (struct pvmi_msg){ .enc = enc };
	return m;
}

static void empty(struct pvmi_msg *m)
{
	pvmi_blob_unref(m->blob);
	free(m->pieces);
	m->blob = NULL;
	m->pieces = NULL;
	m->len = m->at = m->npieces = 0;
}

void pvmi_msg_free(struct pvmi_msg *m)
{
	if (!m)
		return;
	empty(m);
	free(m);
}

void pvmi_msg_packing(struct pvmi_msg *m)
{
	if (m->mode != PVMI_PACKED)
		empty(m);
	m->mode = PVMI_PACKED;
}

void pvmi_msg_unpacking(struct pvmi_msg *m)
{
	if (m->mode != PVMI_UNPACKED)
		m->at = 0;
	m->mode = PVMI_UNPACKED;
}

/* A blob of M's own with room for so many bytes. */
static int own_blob(struct pvmi_msg *m, size_t need)
{
	size_t cap = m->blob ? m->blob->cap : FIRST_CAP;

	if (m->blob && m->blob->refs == 1 && need <= cap && !pvmi_lend_busy(m->blob))
		return 0;
	while (cap < need)
		cap = cap > SIZE_MAX / 4 ? need : cap * 2;
	struct pvmi_blob *b = new_to_pack(cap);
	if (!b)
		return PvmNoMem;
	if (m->blob)
		memcpy(b->bytes, m->blob->bytes, PVMI_HEAD + m->len);
	pvmi_blob_unref(m->blob);
	m->blob = b;
	return 0;
}

uint8_t *pvmi_msg_extend(struct pvmi_msg *m, size_t n)
{
	if (n > SIZE_MAX / 4 - m->len || own_blob(m, m->len + n) < 0)
		return NULL;
	uint8_t *p = pvmi_blob_data(m->blob) + m->len;
	m->len += n;
	return p;
}

int pvmi_msg_add_piece(struct pvmi_msg *m, const void *p, size_t n)
{
	size_t room = m->npieces;

	/* Room doubles whenever their number is a power of two. */
	if ((room & (room - 1)) == 0) {
		void *more = realloc(m->pieces, (room ? 2 * room : 4) * sizeof *m->pieces);
		if (!more)
			return PvmNoMem;
		m->pieces = more;
	}
	m->pieces[m->npieces++] = (struct pvmi_piece){ p, n };
	return 0;
}

struct pvmi_blob *pvmi_msg_bytes(struct pvmi_msg *m, size_t *len)
{
	size_t total = m->len;

	if (!m->npieces) {
		if (!m->blob && own_blob(m, 0) < 0)
			return NULL;
		*len = total;
		return pvmi_blob_ref(m->blob);
	}
	for (size_t i = 0; i < m->npieces; i++)
		total += m->pieces[i].len;
	struct pvmi_blob *b = new_to_pack(total);
	if (!b)
		return NULL;
	uint8_t *to = pvmi_blob_data(b);
	for (size_t i = 0; i < m->npieces; i++) {
		memcpy(to, m->pieces[i].at, m->pieces[i].len);
		to += m->pieces[i].len;
	}
	*len = total;
	return b;
}

/* ---- numbers ---- */

static int more_mids(struct pvmi_mids *t)
{
	int n = t->n ? 2 * t->n : 16;
	struct pvmi_msg **msgs = realloc(t->msgs, (size_t)n * sizeof *msgs);
	if (!msgs)
		return PvmNoMem;
	t->msgs = msgs;
	int *list = realloc(t->free, (size_t)n * sizeof *list);
	if (!list)
		return PvmNoMem;
	t->free = list;
	for (int mid = n - 1; mid >= (t->n ? t->n : 1); mid--)
		t->free[t->nfree++] = mid;
	memset(t->msgs + t->n, 0, (size_t)(n - t->n) * sizeof *msgs);
	t->n = n;
	return 0;
}

int pvmi_mids_add(struct pvmi_mids *t, struct pvmi_msg *m)
{
	if (!t->nfree && more_mids(t) < 0)
		return PvmNoMem;
	m->mid = t->free[--t->nfree];
	t->msgs[m->mid] = m;
	return m->mid;
}

struct pvmi_msg *pvmi_mids_get(const struct pvmi_mids *t, int mid)
{
	return mid > 0 && mid < t->n ? t->msgs[mid] : NULL;
}

void pvmi_mids_remove(struct pvmi_mids *t, struct pvmi_msg *m)
{
	if (!m->mid)
		return;
	t->msgs[m->mid] = NULL;
	t->free[t->nfree++] = m->mid;
	m->mid = 0;
}
