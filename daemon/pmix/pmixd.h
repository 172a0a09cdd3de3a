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

/* A message on its way from an upcall to the shepherd. */
struct pmixd_note {
	struct pmixd_note *next;
	uint16_t type;
	struct dvmi_buf body;
};

/* A client's question that the shepherd will answer. */
struct pmixd_question {
	struct pmixd_question *next;
	uint64_t id;
	pmix_modex_cbfunc_t answer;
	void *arg;
};

struct pmixd {
	pthread_mutex_t lock; /* of what follows */
	struct pmixd_note *notes, **last;
	struct pmixd_question *questions;
	uint64_t ids;

	/* Set once, before the server listens. */
	pmix_nspace_t nspace;
	uint32_t size;
	void (*wake)(void *arg); /* gets the loop to fetch notes; any thread */
	void *arg;
};

/* ---- server.c: on the loop's thread ---- */

/*
 * Starts the server for SETUP. ENV, an empty buffer, gets the ranks' environment: strings one
 * behind the other. 0 or -E…, explained in ERR.
 */
int pmixd_server_start(struct pmixd *d, const Pb__PmixSetup *setup, struct dvmi_buf *env,
		       dvm_error_t *err);
void pmixd_server_stop(struct pmixd *d);

/* The bytes of all nodes, or (CODE) why there are none, for the question ID. */
void pmixd_answer(struct pmixd *d, uint64_t id, int code, const uint8_t *data, size_t len);
/* The shepherd asks what a local rank has put; the answer becomes a note. */
void pmixd_modex(struct pmixd *d, uint64_t id, uint32_t rank);

/* ---- upcalls.c: on libpmix' thread ---- */

/* The module to give to PMIx_server_init(). It serves D, of which there is one in a process. */
pmix_server_module_t *pmixd_upcalls(struct pmixd *d);

/* ---- notes.c: any thread ---- */

/* Packs MSG (NULL: no body) and hands it to the loop. Without memory it is lost, and so is the job: it hangs until
 * its user ends it; there is nothing better to do. */
void pmixd_note(struct pmixd *d, uint16_t type, const void *msg);
/* All there are, oldest first. The caller frees each with pmixd_note_free(). */
struct pmixd_note *pmixd_notes_take(struct pmixd *d);
void pmixd_note_free(struct pmixd_note *n);

/* A number for a question that ANSWER will be called for, or 0 without memory. */
uint64_t pmixd_question_add(struct pmixd *d, pmix_modex_cbfunc_t answer, void *arg);
/* Takes it out of the table, to be freed; NULL: no such question. */
struct pmixd_question *pmixd_question_take(struct pmixd *d, uint64_t id);

#endif
