/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Questions of ranks (libdvm/proto/rank.h): who asked what, until when, and the call to the daemon
 * that shall tell. A question has one call under way at most; what it means is in ask_*.c.
 *
 * While there is no daemon a call waits for it, and one that may be made twice is made again when a
 * daemon is lost over it. All of it ends at the question's deadline.
 */
#ifndef SHEP_ASKS_H
#define SHEP_ASKS_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#include "libdvm/base/buf.h"
#include "libdvm/proto/pb.h"
#include "libdvm/proto/rank.h"

struct shep;
struct shep_ask;

/* What came of a call: CODE 0 and a body, or -E… and TEXT. */
struct shep_said {
	int code;
	const char *text;
	const uint8_t *body;
	size_t len;
};

typedef void shep_ask_fn(struct shep *s, struct shep_ask *a, const struct shep_said *said);

struct shep_reply {
	uint64_t job;
	uint32_t rank, count;
	const void *bytes; /* of a failure: its text */
	size_t len;
	int fd; /* passed where it is > 0; stays the caller's */
};

/* Who hears the answer to one of our own: CODE 0 or -E…. */
typedef void shep_ask_heard_fn(struct shep *s, int code, const struct shep_reply *r, uint64_t id);

struct shep_ask {
	struct shep_ask *prev, *next;
	uint32_t local; /* who asks; DVMI_RANK_NOBODY: we, or a rank that is gone or has its answer */
	uint32_t id;
	uint16_t type;
	uint64_t deadline; /* monotonic ns */
	uint64_t again_at; /* the call is made again then; 0: no */

	uint32_t request; /* of the call under way; 0: none */
	bool sent;
	bool repeat; /* it may be made twice */
	uint16_t call_type;
	struct dvmi_buf call;
	shep_ask_fn *then;

	shep_ask_heard_fn *heard; /* instead of a rank; NULL: nobody, or it has heard */
	uint64_t heard_id;

	/* for the handlers */
	bool late; /* its rank has been told so */
	bool once; /* a name for one reader, which may have to wait for its turn */
	bool news; /* has come while the call is under way: its answer may be older */
	uint32_t timeout_ms, mask;
	uint64_t job;
	char service[DVMI_RANK_SERVICE_MAX + 1];
};

struct shep_asks {
	struct shep_ask *list;
	uint32_t last; /* request number */
};

/* A question of a local rank: it is answered, now or later. */
void shep_asks_take(struct shep *s, uint32_t local, uint16_t type, const uint8_t *body, size_t len,
		    int fd);
/* One of our own, which ends after MS without further ado; NULL without memory. */
struct shep_ask *shep_asks_own(struct shep *s, uint32_t ms);
/* The same, whose answer HEARD gets together with ID. TYPE is the question's, as if a rank asked. */
struct shep_ask *shep_asks_heard(struct shep *s, uint16_t type, uint32_t ms,
				 shep_ask_heard_fn *heard, uint64_t id);

/* What questions are made of, for those who do not ask in packets. SPEC and VALUE are borrowed. */
void shep_ask_spawn_spec(struct shep *s, struct shep_ask *a, Pb__JobSpec *spec);
/* TYPE: DVMI_MSG_NAME_PUT, _GET (which waits where A has a timeout), _DROP. */
void shep_ask_name(struct shep *s, struct shep_ask *a, uint16_t type, const Pb__NameRequest *req);

/* Calls the daemon with a protobuf message or NULL; THEN is called unless the question ends. */
void shep_ask_call(struct shep *s, struct shep_ask *a, uint16_t type, const void *msg, bool repeat,
		   shep_ask_fn *then);
/* The same call once more, now. */
void shep_ask_repeat(struct shep *s, struct shep_ask *a);

/* Each ends the question; A is gone. */
void shep_ask_answer(struct shep *s, struct shep_ask *a, const struct shep_reply *reply);
void shep_ask_fail(struct shep *s, struct shep_ask *a, int code, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
void shep_ask_drop(struct shep *s, struct shep_ask *a);
/* As fail, but it goes on without its rank. */
void shep_ask_tell(struct shep *s, struct shep_ask *a, int code, const char *text);
/* A shep_ask_fn for whose outcome nobody waits. */
shep_ask_fn shep_ask_over;
/* Fails it as SAID; true if that is a failure. */
bool shep_ask_failed(struct shep *s, struct shep_ask *a, const struct shep_said *said);
/*
 * What SAID brings, decoded into *OUT, which the caller frees with dvmi_pb_free(). False: it is a
 * failure or cannot be decoded, and the question has failed.
 */
bool shep_ask_unpacked(struct shep *s, struct shep_ask *a, const struct shep_said *said,
		       const ProtobufCMessageDescriptor *desc, void *out);

/* What the link brings. */
void shep_asks_replied(struct shep *s, uint32_t request, uint16_t type, const uint8_t *body,
		       size_t len);
void shep_asks_up(struct shep *s);
void shep_asks_down(struct shep *s);

/* LOCAL is gone. */
void shep_asks_forget(struct shep *s, uint32_t local);
void shep_asks_turn(struct shep *s, uint64_t now);
/* When a turn is due; 0: never. */
uint64_t shep_asks_next(const struct shep *s);
void shep_asks_free(struct shep *s);

/* Handlers, by type: they answer, or call and answer later. BODY is what follows struct ask. */
typedef void shep_ask_handler(struct shep *s, struct shep_ask *a, const uint8_t *body, size_t len,
			      int fd);
shep_ask_handler shep_ask_link, shep_ask_unlink, shep_ask_spawn, shep_ask_cancel;
shep_ask_handler shep_ask_name_put, shep_ask_name_get, shep_ask_name_drop;
shep_ask_handler shep_ask_room; /* room.c */
shep_ask_handler shep_ask_watch, shep_ask_hosts, shep_ask_host_add, shep_ask_host_drop,
	shep_ask_uffd;

/* Questions of MPI (mpi.h), answered by shep_mpi_heard(). ARG is the shepherd. */
void shep_ask_mpi_spawn(uint64_t id, Pb__JobSpec *spec, void *arg);
void shep_ask_mpi_name(uint64_t id, uint16_t type, const Pb__NameRequest *req, uint32_t wait_ms,
		       void *arg);
void shep_ask_mpi_record(uint64_t id, uint64_t job, void *arg);

/* Somebody has published something: who waits for a name looks again. */
void shep_ask_names_news(struct shep *s);
/* A job has changed: is it one that a spawn waits for? */
void shep_ask_spawn_news(struct shep *s, uint64_t job);
/* Does a rank here wait for JOB to be spawned? */
bool shep_ask_spawns(const struct shep *s, uint64_t job);
/* The time of a spawn is over. */
void shep_ask_spawn_late(struct shep *s, struct shep_ask *a);

#endif
