/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Agreement on views among nodes that hear of deaths at different times: the same epoch means the
 * same everywhere. The lowest node that is not known to be dead decides; epochs of different nodes
 * differ, and a decision that is older than what somebody has is made once more. Pure.
 *
 * A death is final and everybody hears of it sooner or later; who decides in vain because it has
 * not heard yet decides again.
 */
#ifndef SHM_MEMBER_H
#define SHM_MEMBER_H

#include <stdbool.h>
#include <stdint.h>

struct dsm_member {
	uint32_t self, nodes;
	uint32_t epoch; /* of the view, 0 at first */
	bool *heard;	/* [nodes]: is dead, as we have heard */
	bool *gone;	/* [nodes]: in the view */
};

/* 0 or -ENOMEM. */
int dsm_member_init(struct dsm_member *m, uint32_t self, uint32_t nodes);
void dsm_member_fini(struct dsm_member *m);

/* NODE is dead. */
void dsm_member_heard(struct dsm_member *m, uint32_t node);
/*
 * It is for us to decide, and not all we have heard is in the view: true, and the view is a new one
 * that all others have to be told.
 */
bool dsm_member_decide(struct dsm_member *m);
/* Likewise, whatever we have heard. False: it is not for us to decide. */
bool dsm_member_decide_again(struct dsm_member *m);
/* The epoch that would have. */
uint32_t dsm_member_next(const struct dsm_member *m);
/* Who decides, as far as we have heard. */
uint32_t dsm_member_decider(const struct dsm_member *m);
/* FROM has the view of EPOCH, which is newer than what we had decided: decide again. */
void dsm_member_stale(struct dsm_member *m, uint32_t epoch);

enum dsm_member_told {
	DSM_TOLD_OLD,	/* we have it */
	DSM_TOLD_NEW,	/* the view is a new one */
	DSM_TOLD_STALE, /* ours is newer: it has to be told */
};

/* FROM has decided that those in GONE[nodes] are not there since EPOCH. */
enum dsm_member_told dsm_member_told(struct dsm_member *m, uint32_t from, uint32_t epoch,
				     const bool *gone);

#endif
