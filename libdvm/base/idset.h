/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sets of small integers (CPU numbers, ranks) kept as sorted ranges, and their text "0-3,7,9-12".
 *
 * A zeroed struct is the empty set. Ids go up to DVMI_IDSET_MAX. Not thread-safe; the owner frees
 * with dvmi_idset_free(). A call that fails leaves its set as it was.
 */
#ifndef DVMI_BASE_IDSET_H
#define DVMI_BASE_IDSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "libdvm/base/buf.h"

#define DVMI_IDSET_MAX (UINT32_MAX - 1)

struct dvmi_idrange {
	uint32_t lo, hi; /* both inside */
};

struct dvmi_idset {
	struct dvmi_idrange *r; /* ascending, with a gap of at least one id between two */
	size_t n, cap;
};

void dvmi_idset_free(struct dvmi_idset *set);

/* Adds lo…hi. -EINVAL for lo > hi or an id above DVMI_IDSET_MAX, -ENOMEM. */
int dvmi_idset_add(struct dvmi_idset *set, uint32_t lo, uint32_t hi);

/* Adds all of SRC to DST. -ENOMEM. */
int dvmi_idset_union(struct dvmi_idset *dst, const struct dvmi_idset *src);

/* Takes lo…hi out; ids that are not in the set are no error. -EINVAL as for add, -ENOMEM. */
int dvmi_idset_del(struct dvmi_idset *set, uint32_t lo, uint32_t hi);

bool dvmi_idset_has(const struct dvmi_idset *set, uint32_t id);
uint64_t dvmi_idset_count(const struct dvmi_idset *set);
bool dvmi_idset_equal(const struct dvmi_idset *a, const struct dvmi_idset *b);

/*
 * Replaces SET by what TEXT says: ids and ranges between commas, in any order, overlaps allowed;
 * the empty text is the empty set. No blanks, no signs, no empty items. -EINVAL for anything
 * else or a range that runs backwards, -ERANGE for an id above MAX, -ENOMEM.
 */
int dvmi_idset_parse(struct dvmi_idset *set, const char *text, uint32_t max);

/* The same for the first N bytes of TEXT, which need not end in NUL. */
int dvmi_idset_parse_n(struct dvmi_idset *set, const char *text, size_t n, uint32_t max);

/* Appends the canonical text, without NUL, to OUT, whose err latches -ENOMEM. */
void dvmi_idset_format(const struct dvmi_idset *set, struct dvmi_buf *out);

#endif
