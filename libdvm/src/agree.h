/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Uniform agreement among N members that may die, as a pure engine: no sockets, no time. All that
 * decide, also those that die right after, decide the same.
 *
 * The lowest member that lives coordinates. Everybody reports what it gives to it; when all that
 * live have, it proposes their conjunction; when all that live have accepted that, it decides and
 * tells. When it dies, the next one is reported to, with the proposal that had been accepted, if
 * any, and goes on with that: so what may have been decided is decided. Who has finished already
 * is asked for the result. Rests on two things: the dead are really dead, in the end for all, and
 * what a member had sent arrives before the news of its death or never.
 *
 * Agreements of the same members are numbered; each takes part in one after the other. Nobody can
 * finish the next one before all have finished the last, so one result is kept.
 *
 * Four messages per member and agreement, four delays. doc/design/0011-groups.md.
 */
#ifndef DVMI_SRC_AGREE_H
#define DVMI_SRC_AGREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is agreed on: LEN words. Of all but ctx the conjunction, bit by bit. */
struct dvmi_agree_value {
	uint64_t flags; /* the lower 32 bits; the upper ones: contexts that the coordinator offers */
	uint64_t bits[]; /* words of the members that live, then of losses that are known to the
			  * program */
};

struct dvmi_agree_count {
	uint32_t seq;
	uint32_t round; /* of best; 0: nobody had accepted a proposal */
	uint64_t *from; /* bit per member that has reported */
	struct dvmi_agree_value *merged, *best;
};

struct dvmi_agree {
	uint32_t n, self;
	uint32_t words; /* 64-bit words of a bit per member */
	/* Sends LEN bytes to member TO. May fail only if TO is dead. */
	void (*send)(void *arg, uint32_t to, const void *msg, size_t len);
	void *arg;
	uint64_t *dead; /* as known here */
	uint32_t done;	/* agreements finished */
	bool active;	/* agreement done + 1 is under way */
	bool proposed;	/* by us */
	uint32_t told;	/* the coordinator that we have reported to */
	uint32_t round; /* of seen: 1 + who has proposed it; 0: none yet */
	uint64_t *got;	/* who has accepted our proposal */
	struct dvmi_agree_value *mine, *seen;
	struct dvmi_agree_value *last; /* result of agreement done */
	struct dvmi_agree_count counts[2]; /* reports to us, by number modulo 2 */
	uint8_t *msg;			   /* being sent */
};

#define DVMI_AGREE_WORDS(n) (((n) + 63) / 64)

/* 0 or -ENOMEM. All members live. */
int dvmi_agree_init(struct dvmi_agree *a, uint32_t n, uint32_t self,
		    void (*send)(void *arg, uint32_t to, const void *msg, size_t len), void *arg);
void dvmi_agree_fini(struct dvmi_agree *a);

/*
 * Takes part in the next agreement, with FLAGS, CTX and the losses ACKED (words; NULL: none) as
 * what this member gives. It is under way until active is false; then the result is in last.
 */
void dvmi_agree_start(struct dvmi_agree *a, uint32_t flags, uint32_t ctx, const uint64_t *acked);
/* A message from member SRC. Returns 0, or -DVM_EPROTO for nonsense, which is ignored. */
int dvmi_agree_take(struct dvmi_agree *a, uint32_t src, const void *msg, size_t len);
/* Member WHO is dead. */
void dvmi_agree_down(struct dvmi_agree *a, uint32_t who);

static inline bool dvmi_bit(const uint64_t *bits, uint32_t i)
{
	return bits[i / 64] >> i % 64 & 1;
}

static inline void dvmi_bit_set(uint64_t *bits, uint32_t i)
{
	bits[i / 64] |= UINT64_C(1) << i % 64;
}

/* Results: does member I live, and does everybody know of the loss of I? */
static inline bool dvmi_agree_alive(const struct dvmi_agree *a, uint32_t i)
{
	return dvmi_bit(a->last->bits, i);
}

static inline bool dvmi_agree_acked(const struct dvmi_agree *a, uint32_t i)
{
	return dvmi_bit(a->last->bits + a->words, i);
}

static inline uint32_t dvmi_agree_flags(const struct dvmi_agree *a)
{
	return (uint32_t)a->last->flags;
}

static inline uint32_t dvmi_agree_ctx(const struct dvmi_agree *a)
{
	return (uint32_t)(a->last->flags >> 32);
}

#endif
