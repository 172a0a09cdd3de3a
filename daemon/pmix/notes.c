/* SPDX-License-Identifier: BSD-3-Clause */
#include <pmix.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/pmix/pmixd.h"

bool pmixd_packed_load(pmix_data_buffer_t *b, const uint8_t *data, size_t len)
{
	pmix_byte_object_t raw = { .bytes = malloc(len + 1), .size = len };

	PMIX_DATA_BUFFER_CONSTRUCT(b);
	if (!raw.bytes)
		return false;
	memcpy(raw.bytes, data, len);
	bool good = PMIx_Data_load(b, &raw) == PMIX_SUCCESS; /* which takes the bytes over */
	if (!good)
		free(raw.bytes);
	return good;
}

void pmixd_note(struct pmixd *d, uint16_t type, const void *msg)
{
	struct pmixd_note *n = calloc(1, sizeof *n);

	if (!n)
		return;
	n->type = type;
	if (msg)
		dvmi_pb_pack(&n->body, msg);
	if (n->body.err) {
		pmixd_note_free(n);
		return;
	}
	pthread_mutex_lock(&d->lock);
	*d->last = n;
	d->last = &n->next;
	pthread_mutex_unlock(&d->lock);
	d->wake(d->arg);
}

struct pmixd_note *pmixd_notes_take(struct pmixd *d)
{
	pthread_mutex_lock(&d->lock);
	struct pmixd_note *n = d->notes;
	d->notes = NULL;
	d->last = &d->notes;
	pthread_mutex_unlock(&d->lock);
	return n;
}

void pmixd_note_free(struct pmixd_note *n)
{
	dvmi_buf_free(&n->body);
	free(n);
}

uint64_t pmixd_question_add(struct pmixd *d, const struct pmixd_question *like)
{
	struct pmixd_question *q = malloc(sizeof *q);

	if (!q)
		return 0;
	*q = *like;
	pthread_mutex_lock(&d->lock);
	uint64_t id = q->id = ++d->ids;
	q->next = d->questions;
	d->questions = q;
	pthread_mutex_unlock(&d->lock);
	return id;
}

struct pmixd_question *pmixd_question_take(struct pmixd *d, uint64_t id)
{
	pthread_mutex_lock(&d->lock);
	struct pmixd_question **pp = &d->questions;
	while (*pp && (*pp)->id != id)
		pp = &(*pp)->next;
	struct pmixd_question *q = *pp;
	if (q)
		*pp = q->next;
	pthread_mutex_unlock(&d->lock);
	return q;
}
