/* SPDX-License-Identifier: BSD-3-Clause */
/* Several entries as one record: one write and one fdatasync for what came together. */
#include <errno.h>
#include <stdlib.h>

#include "daemon/clog_private.h"
#include "libdvm/base/err.h"

#define BATCH_MAX (DVMD_CLOG_ENTRY_MAX / 2)

static void let_go(struct dvmd_clog *l)
{
	l->held = l->held_bytes = 0;
}

static void forget_held(struct dvmd_clog *l)
{
	while (l->held) {
		free(l->ent[--l->n]);
		l->held--;
	}
	let_go(l);
}

static int pack(const struct dvmd_clog *l, struct dvmi_buf *b)
{
	size_t first = l->n - l->held;

	dvmi_buf_extend(b, DVMD_CLOG_HEAD_BYTES);
	for (size_t i = first; i < l->n; i++)
		dvmd_clog_batch_put(b, l->ent[i]->bytes + DVMD_CLOG_HEAD_BYTES, l->ent[i]->len);
	if (b->err)
		return b->err;
	dvmd_clog_record_head(b->data, l->first + first, b->data + DVMD_CLOG_HEAD_BYTES,
			      (uint32_t)(b->len - DVMD_CLOG_HEAD_BYTES) | DVMD_CLOG_BATCH);
	return 0;
}

/* What is held becomes durable; or it is forgotten. */
static int flush(struct dvmd_clog *l)
{
	const struct clog_entry *only = l->held == 1 ? l->ent[l->n - 1] : NULL;
	struct dvmi_buf b = { 0 };
	int rc = 0;

	if (only)
		rc = dvmd_clog_write(l, only->bytes, DVMD_CLOG_HEAD_BYTES + (size_t)only->len);
	else if (l->held && (rc = pack(l, &b)) == 0)
		rc = dvmd_clog_write(l, b.data, b.len);
	dvmi_buf_free(&b);
	if (rc < 0)
		forget_held(l);
	else
		let_go(l);
	return rc;
}

int dvmd_clog_batch_room(struct dvmd_clog *l, uint32_t len)
{
	return l->held && l->held_bytes + 4 + len > BATCH_MAX ? flush(l) : 0;
}

void dvmd_clog_hold(struct dvmd_clog *l)
{
	l->holding = true;
}

int dvmd_clog_release(struct dvmd_clog *l, dvm_error_t *err)
{
	size_t n = l->held;

	l->holding = false;
	int rc = flush(l);
	return rc < 0 ? dvmi_error_code(err, rc, "%s/" CLOG_NAME ": cannot append %zu entries", l->dir, n) :
			0;
}
