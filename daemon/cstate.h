/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The cluster state: one deterministic state machine, changed only by applying logged commands.
 *
 * Pure: no sockets, files, clocks or globals. The same commands in the same order give the same
 * state on every node and after every restart (a hash over the state proves it in the tests).
 * Members, tokens, jobs and names are kept as the protobuf messages they arrive in; readers get const
 * pointers that live until the next apply. Times (since, submitted, started, ended) are the `wall`
 * of the command; a finished job gives up its environment.
 */
#ifndef DVMD_CSTATE_H
#define DVMD_CSTATE_H

#include <stddef.h>
#include <stdint.h>

#include "dvm/error.h"
#include "libdvm/proto/pb.h"

struct dvmd_cstate; /* incomplete */

/* Finished jobs that are remembered; older ones go when a new one is done. */
#define DVMD_CSTATE_JOBS_KEPT 1000

int dvmd_cstate_create(struct dvmd_cstate **out);
void dvmd_cstate_destroy(struct dvmd_cstate *s);

/*
 * Would COMMAND be accepted now? 0, or -E… with a line for a person: an unknown id, a name or key
 * already taken, a second founding, a job state that would go backwards, counts out of range.
 * -EALREADY: the member or job is in that state now. A member_add with a known key must carry
 * that member's id; a token_add with a known key may only lower its uses.
 */
int dvmd_cstate_check(const struct dvmd_cstate *s, const Pb__Command *cmd, dvm_error_t *err);

/*
 * Applies entry INDEX, which must be index() + 1 (-EINVAL). A command that check() refuses changes
 * nothing but the index and is counted; -ENOMEM leaves the state as it was.
 */
int dvmd_cstate_apply(struct dvmd_cstate *s, uint64_t index, const Pb__Command *cmd);

uint64_t dvmd_cstate_index(const struct dvmd_cstate *s);

/* Entries since this process started that check() refused when they were applied. */
uint64_t dvmd_cstate_refused(const struct dvmd_cstate *s);

/* Ids the next member_add / job_add must carry. */
uint32_t dvmd_cstate_next_node(const struct dvmd_cstate *s);
uint64_t dvmd_cstate_next_job(const struct dvmd_cstate *s);

const Pb__Founding *dvmd_cstate_founding(const struct dvmd_cstate *s); /* NULL before entry 1 */

const Pb__Member *dvmd_cstate_member(const struct dvmd_cstate *s, uint32_t id);
const Pb__Member *dvmd_cstate_member_by_name(const struct dvmd_cstate *s, const char *name);
const Pb__Member *dvmd_cstate_member_by_key(const struct dvmd_cstate *s, const uint8_t *key);
const Pb__Token *dvmd_cstate_token(const struct dvmd_cstate *s, const uint8_t *key);
const Pb__ServiceName *dvmd_cstate_name(const struct dvmd_cstate *s, uint32_t uid,
					const char *service);
const Pb__JobRecord *dvmd_cstate_job(const struct dvmd_cstate *s, uint64_t id);
const Pb__Waiting *dvmd_cstate_waiting(const struct dvmd_cstate *s, uint64_t id);

/* In ascending order of id (tokens: of arrival); return less than 0 from FN to stop, which is
 * handed on. */
int dvmd_cstate_each_member(const struct dvmd_cstate *s, int (*fn)(const Pb__Member *m, void *arg),
			    void *arg);
int dvmd_cstate_each_token(const struct dvmd_cstate *s, int (*fn)(const Pb__Token *t, void *arg),
			   void *arg);
int dvmd_cstate_each_job(const struct dvmd_cstate *s, int (*fn)(const Pb__JobRecord *j, void *arg),
			 void *arg);
int dvmd_cstate_each_waiting(const struct dvmd_cstate *s,
			     int (*fn)(const Pb__Waiting *w, void *arg), void *arg);
size_t dvmd_cstate_members(const struct dvmd_cstate *s);
size_t dvmd_cstate_queued(const struct dvmd_cstate *s);

/* Nodes that are set apart. */
const Pb__Reservation *dvmd_cstate_reservation(const struct dvmd_cstate *s, const char *name);
int dvmd_cstate_each_reservation(const struct dvmd_cstate *s,
				 int (*fn)(const Pb__Reservation *r, void *arg), void *arg);
size_t dvmd_cstate_reservations(const struct dvmd_cstate *s);

/*
 * The whole state as a snapshot (caller frees with dvmi_pb_free()), and a state from one:
 * -DVM_EPROTO for a snapshot that no state can have given.
 */
int dvmd_cstate_snapshot(const struct dvmd_cstate *s, Pb__StateSnapshot **out);
int dvmd_cstate_restore(struct dvmd_cstate **out, const Pb__StateSnapshot *snap, dvm_error_t *err);

/* A hash of everything the state holds. */
uint64_t dvmd_cstate_hash(const struct dvmd_cstate *s);

#endif
