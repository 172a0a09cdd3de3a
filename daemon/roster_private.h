/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of roster.h share. */
#ifndef DVMD_ROSTER_PRIVATE_H
#define DVMD_ROSTER_PRIVATE_H

#include "daemon/keys.h"
#include "daemon/roster.h"

#define DVMD_ROSTER_REQUEST (10 * DVMI_SEC) /* what the leader is given to answer */

struct token_timer {
	struct token_timer *next;
	uint8_t key[DVMD_KEY_BYTES];
	uint64_t until;
};

struct dvmd_roster {
	struct dvmd *d;
	uv_timer_t timer;
	struct token_timer *tokens;
	struct dvmd_call *halt; /* waits for the jobs to end */
	uint64_t halt_by;
};

/* Has CMD logged (leader); that it could not be is in our own log, too. */
int dvmd_roster_log(struct dvmd *d, Pb__Command *cmd, dvm_error_t *err);

/* The next look at what is due is at once, and then every so many ms. */
void dvmd_roster_tick_every(struct dvmd_roster *r, unsigned ms);

/* roster_token.c: tokens whose time is over are taken back; all are forgotten, for the end. */
void dvmd_roster_expire_tokens(struct dvmd_roster *r, uint64_t now);
void dvmd_roster_forget_tokens(struct dvmd_roster *r);

/* roster_leave.c: no job is left, or has been given long enough: all nodes halt. */
void dvmd_roster_halt_now(struct dvmd_roster *r);

#endif
