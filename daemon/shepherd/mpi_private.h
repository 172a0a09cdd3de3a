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
	uint32_t rank; /* of a lookup */
};

/* A lookup that another node has asked our server for. */
struct shep_mpi_errand {
	struct shep_mpi_errand *next;
	uint64_t id; /* in our question to the server */
	uint32_t node; /* index of who asked, and under which number */
	uint64_t their_id;
};

struct shep_mpi_rank {
	bool connected, finalized; /* to the PMIx server */
	bool ended, good;
};

struct shep_mpi {
	struct shep_mpi_config c;
	uint32_t n; /* local ranks */
	struct shep_mpi_rank *ranks;
	struct shep_exchange *exchange;

	struct shep_pmi1 *pmi1;
	struct shep_pmi1_conn *conns; /* [n] */

	pid_t server; /* 0: none */
	struct dvmi_stream *stream;
	bool must;  /* the program is known to need it */
	bool ready; /* ranks may be started */
	bool over;
	struct shep_mpi_question *fences, *lookups;
	struct shep_mpi_errand *errands;
	uint64_t errand_ids;

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

/* ---- mpi_pmix.c ---- */
/* Starts the server. 0 and `ready` will come, or -E… explained in ERR. */
int shep_mpi_pmix_start(struct shep_mpi *m, dvm_error_t *err);
void shep_mpi_pmix_stop(struct shep_mpi *m);
/* The exchange of KEY is over. */
void shep_mpi_pmix_fenced(struct shep_mpi *m, uint64_t key, int code, const uint8_t *data,
			  size_t len);
void shep_mpi_pmix_message(struct shep_mpi *m, uint32_t from, const Pb__PeerMessage *msg);
bool shep_mpi_pmix_ask_again(struct shep_mpi *m);
/* Asks the server to answer when it has told all it knows. */
void shep_mpi_pmix_ping(struct shep_mpi *m);

/* ---- mpi.c ---- */
void shep_mpi_send(struct shep_mpi *m, uint32_t node, Pb__PeerMessage *msg);
/* Ranks that went without a word are judged: all that was said has been heard. */
void shep_mpi_judge(struct shep_mpi *m);
int shep_mpi_enter(struct shep_mpi *m, uint64_t key, const uint32_t *ranks, size_t n,
		   const uint8_t *data, size_t len);

#endif
