/* SPDX-License-Identifier: BSD-3-Clause */
/* Shared by the mpi*.c files. */
#ifndef SHEP_MPI_PRIVATE_H
#define SHEP_MPI_PRIVATE_H

#include "daemon/shepherd/exchange.h"
#include "daemon/shepherd/mpi.h"
#include "daemon/shepherd/pmi1.h"
#include "dvm/error.h"
#include "libdvm/proto/stream.h"

/* Keys of exchanges; those of PMIx fences among some of the ranks have the highest bit set. */
#define SHEP_MPI_KEY_PMI1 UINT64_C(1)
#define SHEP_MPI_KEY_PMIX UINT64_C(2)
#define SHEP_MPI_KEY_SOME (UINT64_C(1) << 63)
/* The two of a fence among several jobs: its key and one of these. */
#define SHEP_MPI_KEY_GATHER UINT64_C(1)
#define SHEP_MPI_KEY_SPREAD UINT64_C(2)
#define SHEP_MPI_KEY_PHASE  UINT64_C(3)

/* A PMI-1 rank's socket. */
struct shep_pmi1_conn {
	uv_pipe_t pipe;
	struct shep_mpi *m;
	uint32_t local;
	int child_fd; /* until the rank has it */
	bool open;
	char buf[2048];
};

/* A fence or a lookup that the PMIx server waits for. */
struct shep_mpi_question {
	struct shep_mpi_question *next;
	uint64_t id;   /* the server's */
	uint64_t key;  /* of a fence */
	uint64_t job;  /* of a lookup; 0: ours */
	uint32_t rank; /* of it */
};

/* A lookup that another shepherd has asked our server for. */
struct shep_mpi_errand {
	struct shep_mpi_errand *next;
	uint64_t id; /* in our question to the server */
	uint64_t job; /* who asked: 0: of ours; its node, and under which number */
	uint32_t node;
	uint64_t their_id;
};

struct shep_mpi_asked;

typedef void shep_mpi_then_fn(struct shep_mpi *m, struct shep_mpi_asked *q,
			      const struct shep_mpi_said *said);

/* A question to the machine. */
struct shep_mpi_asked {
	struct shep_mpi_asked *next;
	uint64_t id;
	shep_mpi_then_fn *then;
	/* for who asked */
	uint64_t their_id; /* the PMIx server's */
	uint32_t local;	   /* a rank's of PMI-1 */
	uint16_t type;
	uint64_t job;
	uint32_t rank; /* that publishes or looks up */
	char *lookup; /* the name that is waited for, or NULL; freed with it */
};

struct shep_mpi_peer; /* mpi_names.c */

/* Local ranks connect to JOBS, some of which are still to be known. */
struct shep_mpi_connect {
	struct shep_mpi_connect *next;
	Pb__PmixConnect *msg;
};

/* Another job in a fence: where its part is kept, and that part. */
struct shep_mpi_party {
	uint64_t job;
	uint32_t node; /* id */
	bool got;
	struct dvmi_buf data;
};

/* A fence among several jobs. */
struct shep_mpi_meet {
	struct shep_mpi_meet *next;
	uint64_t id; /* the server's */
	uint64_t key;
	uint32_t seq;
	bool leads;    /* this node speaks for our job */
	bool gathered; /* … whose part is complete */
	struct dvmi_buf data;
	uint32_t *ranks; /* [n_ranks]: ours; none: all */
	size_t n_ranks;
	struct shep_mpi_party *parties;
	size_t n_parties;
};

/* Our part in the last of a key that is over here, for who has not heard it. */
struct shep_mpi_met {
	uint64_t key;
	uint64_t job; /* one of the others */
	uint32_t seq;
	struct dvmi_buf data;
};

#define SHEP_MPI_MET_MAX 4096

struct shep_mpi_rank {
	bool connected, finalized; /* to the PMIx server */
	bool ended, good;
	uint64_t heard_at; /* all its last words are known with the answer to this ping; 0: now */
};

struct shep_mpi {
	struct shep_mpi_config c;
	uint32_t n; /* local ranks */
	unsigned kind; /* of mpikind.h */
	uint32_t good_ends; /* ranks that have ended with 0 */
	struct shep_mpi_rank *ranks;
	struct shep_exchange *exchange;

	struct shep_pmi1 *pmi1;
	struct shep_pmi1_conn *conns; /* [n] */

	pid_t server; /* 0: none */
	struct dvmi_stream *stream;
	uint64_t pings, answered; /* asked of the server, one by one */
	bool must;  /* the program is known to need it */
	bool unheard_told; /* the user knows that no rank has asked for us */
	uv_timer_t patience;
	bool ready; /* ranks may be started */
	bool over;
	struct shep_mpi_question *fences, *lookups;
	struct shep_mpi_meet *meets;
	struct shep_mpi_met *met; /* [n_met], a ring when it is full */
	size_t n_met, next_met;
	struct shep_mpi_errand *errands;
	uint64_t errand_ids;

	/* ---- mpi_jobs.c ---- */
	struct shep_mpi_asked *asked;
	uint64_t ask_ids;
	struct shep_mpi_connect *connects;
	Pb__JobRecord **others; /* [n_others]: jobs that ours has to do with */
	size_t n_others;
	struct shep_mpi_peer *peers; /* mpi_names.c */

	unsigned handles; /* not closed yet */
	bool destroyed;
};

static inline const Pb__NodeShare *shep_mpi_share(const struct shep_mpi *m)
{
	return m->c.launch->placement->nodes[m->c.self];
}

/* Frees M when it is destroyed and its last handle closed. */
void shep_mpi_handle_closed(struct shep_mpi *m);

/* ---- mpi_pmi1.c ---- */
int shep_mpi_pmi1_create(struct shep_mpi *m);
void shep_mpi_pmi1_destroy(struct shep_mpi *m);

/* ---- mpi_prefer.c: environment that the user's own goes before ---- */
int shep_mpi_prefer_ompi(struct shep_mpi *m);
int shep_mpi_prefer_device(struct shep_mpi *m);
int shep_mpi_prefer_lingering(struct shep_mpi *m);
int shep_mpi_prefer_topology(struct shep_mpi *m);
/* The FILE that has this host's topology, if it has been found out already. */
bool shep_mpi_topology(const struct shep_mpi *m, char *file, size_t size);

/* ---- mpi_names.c ---- */
/* PREFIX is set before the name; it tells whose values they are. */
void shep_mpi_name(struct shep_mpi *m, const Pb__PmixName *msg, const char *prefix,
		   const struct shep_mpi_asked *like);
/* The answer to a lookup of SERVICE. */
void shep_mpi_name_found(struct shep_mpi *m, const char *service, const struct shep_mpi_said *said);
/* JOB is over and says nothing more. */
void shep_mpi_names_lost(struct shep_mpi *m, uint64_t job);
void shep_mpi_names_free(struct shep_mpi *m);

/* ---- mpi_pmix.c ---- */
/* Starts the server. 0 and `ready` will come, or -E… explained in ERR. */
int shep_mpi_pmix_start(struct shep_mpi *m, dvm_error_t *err);
void shep_mpi_pmix_stop(struct shep_mpi *m);
/* The exchange of KEY is over. */
void shep_mpi_pmix_fenced(struct shep_mpi *m, uint64_t key, int code, const uint8_t *data,
			  size_t len);
/* Asks the server to answer when it has told all it knows. Which ping of M this is. */
uint64_t shep_mpi_pmix_ping(struct shep_mpi *m);

/* ---- mpi_modex.c: what ranks have put, of other nodes and jobs ---- */
void shep_mpi_modex(struct shep_mpi *m, const Pb__PmixModex *msg);
void shep_mpi_modex_message(struct shep_mpi *m, const Pb__PeerMessage *msg);
bool shep_mpi_modex_ask_again(struct shep_mpi *m, uint64_t job); /* 0: of every job */
/* JOB is over: nobody will answer. */
void shep_mpi_modex_lost(struct shep_mpi *m, uint64_t job);
void shep_mpi_modex_free(struct shep_mpi *m);

/* ---- mpi_meet.c: fences among several jobs ---- */
void shep_mpi_meet(struct shep_mpi *m, const Pb__PmixFence *f);
/* The exchange of KEY, one of those two, is over. */
void shep_mpi_met(struct shep_mpi *m, uint64_t key, int code, const uint8_t *data, size_t len);
void shep_mpi_meet_message(struct shep_mpi *m, const Pb__PeerMessage *msg);
bool shep_mpi_meet_ask_again(struct shep_mpi *m);
/* JOB is over: who waits for it waits in vain, and nobody will meet it again. */
void shep_mpi_meet_lost(struct shep_mpi *m, uint64_t job);
void shep_mpi_meet_free(struct shep_mpi *m);

/* ---- mpi_events.c: what ranks are told beside ---- */
void shep_mpi_event(struct shep_mpi *m, const Pb__PmixEvent *e);
void shep_mpi_event_message(struct shep_mpi *m, const Pb__PeerMessage *msg);

/* ---- mpi_jobs.c: spawn, connections to other jobs ---- */
/* A question like LIKE: its number, to ask by; 0: no memory. */
uint64_t shep_mpi_asked_add(struct shep_mpi *m, const struct shep_mpi_asked *like);
/* It cannot even be asked. */
void shep_mpi_refuse(struct shep_mpi *m, const struct shep_mpi_asked *like, const dvm_error_t *err);
/* Has APPS started for RANK; THEN hears of it with a question like LIKE. */
void shep_mpi_spawn(struct shep_mpi *m, const Pb__PmixSpawn *msg,
		    const struct shep_mpi_asked *like);
/* A spawn that failed: why is nothing that MPI can tell its caller, so the user is told. */
void shep_mpi_note_spawn(struct shep_mpi *m, const struct shep_mpi_said *said);
void shep_mpi_connect(struct shep_mpi *m, const Pb__PmixConnect *msg);
/* What is known of JOB; NULL: nothing yet, it is being asked for. */
const Pb__JobRecord *shep_mpi_other(struct shep_mpi *m, uint64_t job);
void shep_mpi_jobs_free(struct shep_mpi *m);
/* Where RANK of a placement is: the index of the node, -1: nowhere. */
int64_t shep_mpi_place_of(const Pb__Placement *p, uint32_t rank);

/* ---- mpi_pmix.c ---- */
/* The end of a fence. */
void shep_mpi_pmix_answer_fence(struct shep_mpi *m, uint64_t id, int code, const uint8_t *data,
				size_t len);
/* A message to the server, if there is one. */
void shep_mpi_pmix_say(struct shep_mpi *m, uint16_t type, const void *msg);
/* How a job is told to the server; its strings are those of P. -ENOMEM. */
int shep_mpi_pmix_setup(const struct shep_mpi *m, uint64_t job, const Pb__JobSpec *spec,
			 const Pb__Placement *p, Pb__PmixSetup *out);
void shep_mpi_pmix_setup_free(Pb__PmixSetup *setup);

/* ---- mpi.c ---- */
/* To the shepherd of JOB (0: ours) at the node with this id. */
void shep_mpi_send_to(struct shep_mpi *m, uint64_t job, uint32_t node_id, Pb__PeerMessage *msg);
void shep_mpi_send(struct shep_mpi *m, uint32_t node, Pb__PeerMessage *msg);
/* Ranks that went without a word are judged, if all that they have said is known. */
void shep_mpi_judge(struct shep_mpi *m);
int shep_mpi_enter(struct shep_mpi *m, uint64_t key, const uint32_t *ranks, size_t n,
		   const uint8_t *data, size_t len);

#endif
