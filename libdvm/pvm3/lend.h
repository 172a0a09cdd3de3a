/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Long messages between tasks of a node are lent: their bytes lie in memory that all of them share,
 * where the sender packs them and the receiver unpacks them, and what goes between the two is only
 * where. So each byte is copied once by either side, at the same time.
 *
 * A blob that may be lent is a range of the sender's arena (net/heap.h): one page that says who still
 * reads it (struct pvmi_lent), then the bytes. Its owner writes to it again, or gives the memory
 * back, when nobody does; a range whose owner has ended belongs to whoever reads it last. What a
 * range says of itself is checked against the window of it that a task maps.
 */
#ifndef PVMI_LEND_H
#define PVMI_LEND_H

#include "libdvm/net/heap.h"
#include "libdvm/pvm3/msg.h"
#include "libdvm/proto/pvm.h"

#define PVMI_LEND_MIN (2u * 1024) /* bytes; what is shorter goes as it is */

struct pvmi_lend;

/* Where the bytes of a message are. */
struct pvmi_ref {
	uint32_t local; /* whose arena */
	uint32_t loan;	/* which of the blob's */
	int64_t offset; /* of the range */
	uint64_t bytes; /* of the range */
	uint64_t len;	/* of the message */
};

/* Lends and borrows on HEAP as local rank SELF, of N. 0 or -E…: it does not work here. */
int pvmi_lend_open(struct pvmi_lend **out, struct dvmi_heap *heap, uint32_t self, uint32_t n);
/*
 * Ends it. What messages still use gets memory of its own. OURS: what was borrowed is given back;
 * else it is another process's, whose child we are. NULL is accepted.
 */
void pvmi_lend_close(struct pvmi_lend *l, bool ours);

/* A blob with room for CAP bytes that may be lent, or NULL: there is no room. */
struct pvmi_blob *pvmi_lend_take(struct pvmi_lend *l, size_t cap);
/* Whether others read B, or it is theirs: it must not be written to. */
bool pvmi_lend_busy(const struct pvmi_blob *b);
/* Whether B is borrowed. */
bool pvmi_lend_theirs(const struct pvmi_blob *b);
/* Nobody here needs B any more. */
void pvmi_lend_put(struct pvmi_blob *b);

/* Lends LEN bytes of B to the task of RANK: 0 and *REF; -EAGAIN: send them as they are. */
int pvmi_lend_out(struct pvmi_blob *b, uint32_t rank, size_t len, struct pvmi_ref *ref);
/* The loan REF of B never got there. */
void pvmi_lend_undo(struct pvmi_blob *b, const struct pvmi_ref *ref);
/* RANK has ended: it reads nothing any more. */
void pvmi_lend_gone(struct pvmi_lend *l, uint32_t rank);
/* The blob that REF, which has come in a message, tells of; NULL: it makes no sense. */
struct pvmi_blob *pvmi_lend_in(struct pvmi_lend *l, const struct pvmi_ref *ref);

#endif
