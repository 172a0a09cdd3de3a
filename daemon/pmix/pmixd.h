/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dvm-pmix: the PMIx server of one job on one node, a child of its shepherd.
 *
 * libpmix is put into a process of its own: it is large, brings threads along, and what it makes of
 * hostile clients must not reach the one process that knows the job's exit codes. It decides
 * nothing: what its clients ask for goes to the shepherd as a message, and answers come back.
 *
 * Threads: the loop's (main.c), which owns the stream to the shepherd, and libpmix' own, which
 * makes the upcalls (upcalls.c). An upcall never waits and never touches the stream; it hands a
 * message to the loop. What waits for an answer lies in a table under a lock.
 */
#ifndef PMIXD_H
#define PMIXD_H

#include <pmix_server.h>
#include <pthread.h>
#include <stdint.h>

#include "dvm/error.h"
#include "libdvm/base/buf.h"
#include "libdvm/proto/pb.h"

struct pmixd;

/* A message on its way from an upcall to the shepherd. */
struct pmixd_note {
	struct pmixd_note *next;
	uint16_t type;
	struct dvmi_buf body;
};

/* What the shepherd has answered. */
struct pmixd_said {
	int code; /* 0 or -E… */
	uint64_t job;
	uint32_t rank;
	const uint8_t *data;
	size_t len;
};

/* A client's question that the shepherd will answer. */
struct pmixd_question {
	struct pmixd_question *next;
	uint64_t id;
	/* On the loop's thread: calls the one of CB that it knows. */
	void (*answer)(struct pmixd *d, const struct pmixd_question *q,
		       const struct pmixd_said *said);
	union {
		pmix_modex_cbfunc_t modex;
		pmix_op_cbfunc_t op;
		pmix_spawn_cbfunc_t spawn;
		struct pmixd_names *names;
	} cb;
	void *arg; /* of libpmix */
};

struct pmixd {
	pthread_mutex_t lock; /* of what follows */
	struct pmixd_note *notes, **last;
	struct pmixd_question *questions;
	uint64_t ids;

	/* Set once, before the server listens. */
	pmix_nspace_t nspace;
	char prefix[80]; /* of the names of all jobs of the machine */
	uint64_t job;
	uint32_t size;
	void (*wake)(void *arg); /* gets the loop to fetch notes; any thread */
	void *arg;

	uint64_t *known; /* [n_known]: other jobs that libpmix knows; the loop's */
	size_t n_known;
};

/* ---- server.c: on the loop's thread ---- */

/*
 * Starts the server for SETUP. ENV, an empty buffer, gets the ranks' environment: strings one
 * behind the other. 0 or -E…, explained in ERR.
 */
int pmixd_server_start(struct pmixd *d, const Pb__PmixSetup *setup, struct dvmi_buf *env,
		       dvm_error_t *err);
void pmixd_server_stop(struct pmixd *d);

/* The question ID is answered. */
void pmixd_answer(struct pmixd *d, uint64_t id, const struct pmixd_said *said);
/* The shepherd asks what a local rank has put; the answer becomes a note. */
void pmixd_modex(struct pmixd *d, uint64_t id, uint32_t rank);
/* What other jobs look like that local ranks connect to; then the question is answered. */
void pmixd_connected(struct pmixd *d, const Pb__PmixConnect *c);

/* ---- describe.c ---- */

/* A list of key and value that grows. Values are copied by libpmix. */
struct pmixd_infos {
	pmix_info_t *list;
	size_t n, cap;
	bool failed;
};

void pmixd_infos_add(struct pmixd_infos *l, const char *key, const void *value,
		     pmix_data_type_t type);
void pmixd_infos_free(struct pmixd_infos *l);

/* All that is told of the job S, whose namespace is NSPACE, on this node. */
void pmixd_describe(struct pmixd_infos *l, const struct pmixd *d, const Pb__PmixSetup *s,
		    const char *nspace);

/* ---- upcalls.c: on libpmix' thread ---- */

/* The module to give to PMIx_server_init(). It serves D, of which there is one in a process. */
pmix_server_module_t *pmixd_upcalls(struct pmixd *d);
/* That one. */
struct pmixd *pmixd_self(void);
/* Whether P is of our job; the job that it is of, 0: of none of this machine. */
bool pmixd_is_ours(const pmix_proc_t *p);
uint64_t pmixd_job_of(const struct pmixd *d, const char *nspace);
void pmixd_nspace_of(const struct pmixd *d, uint64_t job, pmix_nspace_t out);

/* ---- upcalls_jobs.c: the same, about other jobs ---- */

pmix_status_t pmixd_on_spawn(const pmix_proc_t *p, const pmix_info_t info[], size_t n,
			     const pmix_app_t apps[], size_t n_apps, pmix_spawn_cbfunc_t cb,
			     void *arg);
pmix_status_t pmixd_on_connect(const pmix_proc_t procs[], size_t n, const pmix_info_t info[],
			       size_t n_info, pmix_op_cbfunc_t cb, void *arg);
pmix_status_t pmixd_on_disconnect(const pmix_proc_t procs[], size_t n, const pmix_info_t info[],
				  size_t n_info, pmix_op_cbfunc_t cb, void *arg);

/* ---- upcalls_names.c ---- */

pmix_status_t pmixd_on_publish(const pmix_proc_t *p, const pmix_info_t info[], size_t n,
			       pmix_op_cbfunc_t cb, void *arg);
pmix_status_t pmixd_on_lookup(const pmix_proc_t *p, char **keys, const pmix_info_t info[],
			      size_t n, pmix_lookup_cbfunc_t cb, void *arg);
pmix_status_t pmixd_on_unpublish(const pmix_proc_t *p, char **keys, const pmix_info_t info[],
				 size_t n, pmix_op_cbfunc_t cb, void *arg);

/* ---- events.c ---- */

pmix_status_t pmixd_on_event(pmix_status_t code, const pmix_proc_t *source,
			     pmix_data_range_t range, pmix_info_t info[], size_t n,
			     pmix_op_cbfunc_t cb, void *arg);
/* On the loop's thread: something the ranks here are to hear. */
void pmixd_event(struct pmixd *d, const Pb__PmixEvent *e);

/* ---- notes.c: any thread ---- */

/* Packs MSG (NULL: no body) and hands it to the loop. Without memory it is lost, and so is the job: it hangs until
 * its user ends it; there is nothing better to do. */
void pmixd_note(struct pmixd *d, uint16_t type, const void *msg);
/* All there are, oldest first. The caller frees each with pmixd_note_free(). */
struct pmixd_note *pmixd_notes_take(struct pmixd *d);
void pmixd_note_free(struct pmixd_note *n);

/* Makes B of what libpmix has packed elsewhere. The caller destructs B whatever the result. */
bool pmixd_packed_load(pmix_data_buffer_t *b, const uint8_t *data, size_t len);

/* Keeps a copy of Q; its number, or 0 without memory. */
uint64_t pmixd_question_add(struct pmixd *d, const struct pmixd_question *q);
/* Takes it out of the table, to be freed; NULL: no such question. */
struct pmixd_question *pmixd_question_take(struct pmixd *d, uint64_t id);

#endif
