/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory of a message in one of the forms that the library takes, and calls of all modes for it. */
#ifndef TESTS_API_WAYS_H
#define TESTS_API_WAYS_H

#include <dvm/layout.h>

#include "tests/api/job.h"

struct way {
	enum { WAY_FLAT, WAY_LAYOUT, WAY_PIECES } form;
	int mode, again; /* of the send; by a persistent request */
	size_t len;
	uint8_t *memory;
	dvm_layout_t *l;
	dvm_iov_t iov[3];
};

/* Room for LEN bytes in a form, and a mode, that SEED decides. */
void way_make(struct way *w, size_t len, uint64_t seed);
void way_free(struct way *w);
/* LEN bytes into it and out of it. */
void way_put(struct way *w, const uint8_t *flat);
void way_get(const struct way *w, uint8_t *flat);

/* Requests that are to be waited for and, where they are not NULL then, freed. */
int way_isend(const struct way *w, dvm_group_t *g, int to, int tag, dvm_req_t **req);
int way_irecv(const struct way *w, dvm_group_t *g, int from, int tag, dvm_req_t **req);
/* Takes *MSG. */
int way_mrecv(const struct way *w, dvm_message_t **msg, dvm_status_t *st);

#endif
