/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What ranks of MPI need of their launcher: PMI-1 for MPICH and its like, served here, and PMIx
 * for Open MPI and its like, served by a process of its own (daemon/pmix), both only where the
 * program may want them. Fences and lookups among nodes go through the shepherds.
 */
#ifndef SHEP_MPI_H
#define SHEP_MPI_H

#include <stdbool.h>
#include <uv.h>

#include "daemon/shepherd/environ.h"
#include "libdvm/base/log.h"
#include "libdvm/proto/pb.h"
#include "libdvm/proto/rank.h"

struct shep_mpi; /* incomplete */

/* What the machine has answered: CODE 0 or -E… and TEXT. */
struct shep_mpi_said {
	int code;
	const char *text;
	uint64_t job;  /* that was spawned, or has published */
	uint32_t rank;
	const uint8_t *bytes; /* what was published, or a packed JobRecord */
	size_t len;
};

struct shep_mpi_config {
	uv_loop_t *loop;
	const Pb__Launch *launch;
	size_t self; /* index of our share in the placement */
	const char *dir; /* of the job on this node */
	const char *run_dir; /* of the node */
	const struct dvmi_jobmap *map;
	const uint32_t *node_ids;
	uint32_t cores; /* that the local ranks may use together */
	struct shep_environ *environ;
	struct dvmi_log *log;
	/* Ranks may be started now (0), or never: why. Not before create has returned. */
	void (*ready)(int code, const char *text, void *arg);
	void (*send)(const Pb__PeerMessage *msg, void *arg);
	/* A rank wants the job to end. */
	void (*abort)(uint32_t local, int code, const char *text, void *arg);
	/*
	 * Questions to the machine: shep_mpi_heard() for ID is to follow, perhaps at once. What
	 * is passed is borrowed.
	 */
	void (*spawn)(uint64_t id, Pb__JobSpec *spec, void *arg);
	void (*name)(uint64_t id, uint16_t type, const Pb__NameRequest *req, uint32_t wait_ms,
		     void *arg);
	void (*record)(uint64_t id, uint64_t job, void *arg);
	/* Something the user should hear. */
	void (*note)(const char *text, void *arg);
	void *arg;
};

/*
 * Finds out what the program may want and begins to provide it; *OUT is NULL when that is nothing.
 * Returns 1 when `ready` will come, 0 when ranks can be started at once, or -E….
 */
int shep_mpi_create(struct shep_mpi **out, const struct shep_mpi_config *config);
void shep_mpi_destroy(struct shep_mpi *m); /* NULL is allowed */

/*
 * How late (ns) the kernel may wake local ranks that sleep for a time; 0: as it likes. M may be NULL.
 */
unsigned long shep_mpi_timer_slack(const struct shep_mpi *m);

/* The descriptor that LOCAL inherits, the caller's to close; -1: none; -E…. */
int shep_mpi_rank_fd(struct shep_mpi *m, uint32_t local);

/* A local rank has ended: with exit code 0, as far as can be known, where GOOD. */
void shep_mpi_rank_ended(struct shep_mpi *m, uint32_t local, bool good);
/* Any rank of the job has ended with STATUS (-1: its node is lost): survivors may want to know. */
void shep_mpi_rank_failed(struct shep_mpi *m, uint32_t rank, int32_t status);
/* All local ranks have ended: the server goes, too. */
void shep_mpi_over(struct shep_mpi *m);

void shep_mpi_heard(struct shep_mpi *m, uint64_t id, const struct shep_mpi_said *said);

/*
 * EXCHANGE, NOTIFY, MODEX and MODEX_ANSWER from another shepherd of the job; the last two also from
 * one of another job.
 */
void shep_mpi_message(struct shep_mpi *m, const Pb__PeerMessage *msg);
/* The node with this index is lost. */
void shep_mpi_lost(struct shep_mpi *m, uint32_t node);
/* Another job is over. */
void shep_mpi_job_over(struct shep_mpi *m, uint64_t job);
/* Says again what has not been answered. False when nothing waits. */
bool shep_mpi_ask_again(struct shep_mpi *m);

#endif
