/* SPDX-License-Identifier: BSD-3-Clause */
/* What cstate.c (tables, changes) and cstate_check.c (rules) share. */
#ifndef DVMD_CSTATE_PRIVATE_H
#define DVMD_CSTATE_PRIVATE_H

#include "daemon/cstate.h"
#include "daemon/name.h"
#include "libdvm/proto/rank.h"

#define KEY_BYTES 32

/* A failed allocation leaves the element out of the table (hh.tbl == NULL); it never exits. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

struct member;

/* Apart from the member, so that a new name can be entered before the old one is taken out. */
struct member_name {
	char text[DVMD_NAME_MAX + 1];
	struct member *of;
	UT_hash_handle hh;
};

/* Ids are given in ascending order and a replaced member keeps its place: by_id is sorted. */
struct member {
	uint32_t id;
	uint8_t key[KEY_BYTES];
	Pb__Member *msg;
	struct member_name *name;
	UT_hash_handle by_id, by_key;
};

struct token {
	uint8_t key[KEY_BYTES];
	Pb__Token *msg;
	UT_hash_handle hh;
};

/* What a name is found by. */
struct service_key {
	uint32_t uid;
	char service[DVMI_RANK_SERVICE_MAX + 1]; /* the rest is 0 */
};

struct service {
	struct service_key key;
	Pb__ServiceName *msg;
	UT_hash_handle hh;
};

struct environment; /* cstate_env.c */

struct job {
	uint64_t id;
	struct environment *env; /* of msg->spec, if it is shared */
	Pb__JobRecord *msg;
	UT_hash_handle hh;
	struct job *prev, *next; /* in `done` */
};

struct waiting {
	uint64_t id;
	struct environment *env;
	Pb__Waiting *msg;
	UT_hash_handle hh;
};

struct reservation {
	char name[DVMD_NAME_MAX + 1];
	Pb__Reservation *msg;
	UT_hash_handle hh;
};

struct dvmd_cstate {
	uint64_t index, refused;
	uint32_t next_node;
	uint64_t next_job;
	Pb__Founding *founding;
	struct member *by_id, *by_key;
	struct member_name *names;
	struct token *tokens;
	struct service *services;
	struct waiting *queue; /* in ascending order of id */
	struct reservation *reservations;
	struct environment *environments;
	struct job *jobs;
	struct job *done; /* finished jobs in the order in which they ended */
	unsigned n_done;
};

struct member *dvmd_cstate_find_member(const struct dvmd_cstate *s, uint32_t id);
struct member *dvmd_cstate_find_key(const struct dvmd_cstate *s, const uint8_t *key);
struct token *dvmd_cstate_find_token(const struct dvmd_cstate *s, const uint8_t *key);
struct job *dvmd_cstate_find_job(const struct dvmd_cstate *s, uint64_t id);

/* Enter MSG, which is new and checked, and take it over if they succeed (else -ENOMEM). */
int dvmd_cstate_insert_member(struct dvmd_cstate *s, Pb__Member *msg);
int dvmd_cstate_insert_token(struct dvmd_cstate *s, Pb__Token *msg);
int dvmd_cstate_insert_job(struct dvmd_cstate *s, Pb__JobRecord *msg);

/* ---- cstate_drain.c ---- */
int dvmd_cstate_check_drained(const char *why, const char *by, dvm_error_t *err);
int dvmd_cstate_check_drain(const struct dvmd_cstate *s, const Pb__MemberDrain *c, dvm_error_t *err);
int dvmd_cstate_drain(struct dvmd_cstate *s, const Pb__MemberDrain *c, uint64_t wall);
/* A copy of ADD, drained as KNOWN is (nullable: it is not). NULL: out of memory. */
Pb__Member *dvmd_cstate_dup_member(const Pb__Member *add, const Pb__Member *known);

/* ---- cstate_names.c ---- */
int dvmd_cstate_check_name(const Pb__ServiceName *n, dvm_error_t *err);
int dvmd_cstate_check_name_add(const struct dvmd_cstate *s, const Pb__ServiceName *n,
			       dvm_error_t *err);
int dvmd_cstate_check_name_remove(const struct dvmd_cstate *s, const Pb__ServiceName *n,
				  dvm_error_t *err);
int dvmd_cstate_name_add(struct dvmd_cstate *s, const Pb__ServiceName *n);
void dvmd_cstate_name_remove(struct dvmd_cstate *s, const Pb__ServiceName *n);
int dvmd_cstate_restore_name(struct dvmd_cstate *s, const Pb__ServiceName *n, dvm_error_t *err);
/* The job is over. */
void dvmd_cstate_names_of_job(struct dvmd_cstate *s, uint64_t job);
void dvmd_cstate_names_free(struct dvmd_cstate *s);

/* ---- cstate_queue.c ---- */
int dvmd_cstate_check_queue_add(const struct dvmd_cstate *s, const Pb__Waiting *w, dvm_error_t *err);
int dvmd_cstate_check_queue_change(const struct dvmd_cstate *s, const Pb__WaitingChange *c,
				   dvm_error_t *err);
int dvmd_cstate_check_queue_end(const struct dvmd_cstate *s, const Pb__WaitingEnd *e,
				dvm_error_t *err);
int dvmd_cstate_queue_add(struct dvmd_cstate *s, const Pb__Waiting *w, uint64_t wall);
int dvmd_cstate_queue_change(struct dvmd_cstate *s, const Pb__WaitingChange *c);
int dvmd_cstate_queue_end(struct dvmd_cstate *s, const Pb__WaitingEnd *e, uint64_t wall);
int dvmd_cstate_restore_waiting(struct dvmd_cstate *s, const Pb__Waiting *w, dvm_error_t *err);
/* J runs now: the queue forgets it, J takes its environment. */
void dvmd_cstate_queue_starts(struct dvmd_cstate *s, struct job *j);
void dvmd_cstate_queue_free(struct dvmd_cstate *s);

/* The job of J, which ends, waits again under the next id. -ENOMEM. */
int dvmd_cstate_requeue(struct dvmd_cstate *s, struct job *j);
void dvmd_cstate_unqueue(struct dvmd_cstate *s, struct job *j);

/* ---- cstate_env.c ---- */
/* SPEC's environment becomes one that is kept once; -ENOMEM: it stays its own. */
int dvmd_cstate_env_share(struct dvmd_cstate *s, Pb__JobSpec *spec, struct environment **out);
/* TO, which has none, takes over what FROM has borrowed. */
void dvmd_cstate_env_move(Pb__JobSpec *to, struct environment **to_env, Pb__JobSpec *from,
			  struct environment **from_env);
/* SPEC, which has none, borrows E, too. */
void dvmd_cstate_env_borrow(Pb__JobSpec *spec, struct environment **env, struct environment *e);
/* Gives it back: before SPEC is freed. */
void dvmd_cstate_env_drop(struct dvmd_cstate *s, Pb__JobSpec *spec, struct environment **env);
/*
 * On a visit to all that wait: the id of the one that E was met with first, 0 if that is ID, now. To be
 * begun with unmark().
 */
void dvmd_cstate_env_unmark(const struct dvmd_cstate *s);
uint64_t dvmd_cstate_env_mark(struct environment *e, uint64_t id);

/* ---- cstate_reserve.c ---- */
int dvmd_cstate_check_reserve_add(const struct dvmd_cstate *s, const Pb__Reservation *r,
				  dvm_error_t *err);
int dvmd_cstate_check_reserve_remove(const struct dvmd_cstate *s, const char *name,
				     dvm_error_t *err);
int dvmd_cstate_reserve_add(struct dvmd_cstate *s, const Pb__Reservation *msg);
void dvmd_cstate_reserve_remove(struct dvmd_cstate *s, const char *name);
void dvmd_cstate_reservations_free(struct dvmd_cstate *s);
int dvmd_cstate_restore_reservation(struct dvmd_cstate *s, const Pb__Reservation *r,
				    dvm_error_t *err);

/* cstate.c: a job that is done already. Takes MSG over if it succeeds. */
int dvmd_cstate_insert_done(struct dvmd_cstate *s, Pb__JobRecord *msg);

/*
 * Rules that need nothing but the message itself: they hold for commands and for what a snapshot
 * brings alike.
 */
int dvmd_cstate_check_founding(const Pb__Founding *f, dvm_error_t *err);
int dvmd_cstate_check_member(const Pb__Member *m, dvm_error_t *err);
int dvmd_cstate_check_token(const Pb__Token *t, dvm_error_t *err);
int dvmd_cstate_check_job(const Pb__JobRecord *j, dvm_error_t *err);

#endif
