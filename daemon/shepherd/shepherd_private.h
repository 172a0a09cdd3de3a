/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The context that shepherd.c (parts and their wiring), orders.c (what the daemon says), wire.c
 * (what ranks say) and life.c (how the job goes on and ends) share.
 */
#ifndef SHEP_SHEPHERD_PRIVATE_H
#define SHEP_SHEPHERD_PRIVATE_H

#include <uv.h>

#include "daemon/shepherd/affinity.h"
#include "daemon/shepherd/asks.h"
#include "daemon/shepherd/ending.h"
#include "daemon/shepherd/environ.h"
#include "daemon/shepherd/events.h"
#include "daemon/shepherd/input.h"
#include "daemon/shepherd/jobmem.h"
#include "daemon/shepherd/launch.h"
#include "daemon/shepherd/link.h"
#include "daemon/shepherd/links.h"
#include "daemon/shepherd/mpi.h"
#include "daemon/shepherd/output.h"
#include "daemon/shepherd/peers.h"
#include "daemon/shepherd/ranks.h"
#include "daemon/shepherd/room.h"
#include "daemon/shepherd/server.h"
#include "daemon/shepherd/shepherd.h"
#include "daemon/shepherd/status.h"

/* The end of a job, which begins when the last rank has ended. 0: not yet. */
struct shep_after {
	uint64_t drained; /* when pipes that are still open are given up */
	uint64_t killing; /* since when leftovers are being killed */
	uint64_t done;	  /* DONE or FAILED since */
};

/* What has to be said at the end of this loop turn, or soon. */
struct shep_news {
	bool report;	      /* a JobStatus, now */
	uint64_t report_late; /* a JobStatus by then; 0: none */
	bool late;	      /* a JobStatus although ranks are still being started */
	uint64_t greeting;    /* serial number of the report in the last hello */
	bool marked;	      /* states in the map have changed: our ranks are told */
	uint64_t tell;	      /* tell ranks and other shepherds by then; 0: nothing to tell */
	bool linked;	      /* the same of a linked job: tell ranks */
};

struct shep {
	const struct shep_config *c;
	const Pb__NodeShare *share;
	uv_loop_t loop;
	uv_prepare_t turn;
	uv_timer_t timer;
	uv_signal_t sigchld, sigterm, sigint;

	struct shep_ranks ranks;
	struct shep_status status;
	struct shep_ending ending;
	struct shep_after after;
	struct shep_news news;
	bool launching;	   /* ranks are being started */
	uint64_t released; /* since when the machine has forgotten the job; 0: it has not */
	uint64_t refused; /* since when the daemon says that it does not know the job; 0: it does */
	bool unwanted;	  /* it has said so for long enough: nobody takes anything any more */
	bool over;	  /* the loop is being left */
	uint64_t ask_again; /* lookups wait: ask again then; 0: none */

	struct shep_affinity affinity;
	struct shep_environ *environ;
	struct shep_jobmem mem;
	uint32_t *node_ids; /* of the placement, by index */
	char socket_path[PATH_MAX];

	struct shep_link *link;
	struct shep_launch *launch;
	struct shep_output *output;
	struct shep_input *input;
	struct shep_asks asks;
	struct shep_links links;
	struct shep_events events;
	struct shep_room room;
	uint8_t *exit_told; /* [size]: events of ranks that have ended */
	struct shep_server *server;
	struct shep_peers *peers;
	struct shep_mpi *mpi; /* NULL: nothing of MPI is wanted */
};

/* ---- life.c ---- */
/* End of a loop turn: moves the job on, then says what there is to say. */
void shep_life_turn(struct shep *s, uint64_t now);
/* Ranks are to be ended; TEXT (may be NULL) becomes the report's text if that is empty. */
void shep_life_end(struct shep *s, uint64_t grace, const char *text);
/* The launch takes long: for what. */
void shep_life_late(struct shep *s, const char *text);
/* The launch is over. */
void shep_life_launched(struct shep *s, int code, const char *text);
/* Children have ended. */
void shep_life_reap(struct shep *s);
/* The job is forgotten: end whatever is left, then leave. */
void shep_life_release(struct shep *s);
void shep_life_note(struct shep *s, const char *text);

/* ---- orders.c ---- */
extern const struct shep_link_ops shep_orders_ops;

/* ---- wire.c ---- */
extern const struct shep_server_ops shep_wire_server_ops;

int shep_wire_create_peers(struct shep *s);
/* After the environment: what MPI needs. 1: ranks must wait. 0, -E…. */
int shep_wire_create_mpi(struct shep *s);
/* A rank of ours has ended. */
void shep_wire_rank_ended(struct shep *s, uint32_t local);
/* From another shepherd, or (RANKS_LOST) from the daemon. */
void shep_wire_peer_message(struct shep *s, const Pb__PeerMessage *msg);
void shep_wire_ranks_lost(struct shep *s, const Pb__RanksState *lost);
/* The connection is new: states and questions may have been lost. */
void shep_wire_link_up(struct shep *s);
/* ADDR for a local rank; JOB is 0 for our own. */
void shep_wire_send_address(struct shep *s, uint32_t local, uint64_t job, uint32_t rank, int code,
			    const uint8_t *addr, size_t len);
/* STATES of our ranks, with their process numbers if PIDS; the caller frees. NULL: no memory. */
Pb__PeerMessage *shep_wire_states(struct shep *s, bool pids);
/* Says what is due. */
void shep_wire_turn(struct shep *s, uint64_t now);

#endif
