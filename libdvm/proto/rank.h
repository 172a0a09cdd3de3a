/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Between a rank (libdvm) and its shepherd, on one host.
 *
 * A SOCK_SEQPACKET Unix socket at $DVM_SHEPHERD. One packet is one message: struct
 * dvmi_rank_hdr and a body. Same host, so native byte order; same user, checked by SO_PEERCRED on
 * both sides. The rank speaks first (HELLO), the shepherd answers WELCOME and passes two
 * descriptors with it (SCM_RIGHTS): the job map, read-only for ranks, and the node's ring
 * memory. It takes no other library than libc, since it is in every application.
 *
 * Lazy wire-up: a rank that first needs a peer on another node opens its own fabric endpoint,
 * publishes its address and looks the peer's up. The peer's shepherd tells the peer that it is
 * WANTED; it opens, publishes, and the lookup is answered. A job whose ranks never talk across
 * nodes never loads the fabric.
 *
 * A shepherd that puts a packet into a rank's socket raises the rank's doorbell in the job map
 * afterwards (adds one, release), so a spinning rank need not poll its socket. After each change
 * of a state in the job map every local rank gets a CHANGED packet.
 *
 * The ring memory is a memfd that the shepherd leaves empty: ranks give it its size, which follows
 * from local_size, so that each may do it again; the shepherd never looks into it. Ranks put
 * sockets named bell-<local rank> beside the shepherd's to wake one another; the directory goes
 * with the job.
 */
#ifndef DVMI_PROTO_RANK_H
#define DVMI_PROTO_RANK_H

#include <assert.h>
#include <stdint.h>

#define DVMI_RANK_VERSION  1
#define DVMI_RANK_ADDR_MAX 256
#define DVMI_RANK_TEXT_MAX 256
#define DVMI_RANK_PACKET_MAX 1024

/* Environment of a rank; all decimal but the last three. */
#define DVMI_ENV_JOBID	    "DVM_JOBID"
#define DVMI_ENV_RANK	    "DVM_RANK"
#define DVMI_ENV_SIZE	    "DVM_SIZE"
#define DVMI_ENV_NODE	    "DVM_NODE" /* index of the node within the job */
#define DVMI_ENV_NNODES	    "DVM_NNODES"
#define DVMI_ENV_LOCAL_RANK "DVM_LOCAL_RANK"
#define DVMI_ENV_LOCAL_SIZE "DVM_LOCAL_SIZE"
#define DVMI_ENV_NODENAME   "DVM_NODENAME"
#define DVMI_ENV_SHEPHERD   "DVM_SHEPHERD" /* path of the socket; its directory is the job's own */
#define DVMI_ENV_MACHINE    "DVM_MACHINE"  /* name of the machine, for the command line inside a job */

enum dvmi_rank_type {
	DVMI_RANK_HELLO = 1,   /* rank: struct dvmi_rank_hello */
	DVMI_RANK_WELCOME = 2, /* shepherd: struct dvmi_rank_welcome, 2 descriptors: map, rings */
	DVMI_RANK_REFUSED = 3, /* shepherd: text; the socket closes */
	DVMI_RANK_PUBLISH = 4, /* rank: its fabric address, 1…ADDR_MAX bytes */
	DVMI_RANK_WANTED = 5,  /* shepherd: no body; publish your address (may come repeatedly) */
	DVMI_RANK_LOOKUP = 6,  /* rank: struct dvmi_rank_peer without bytes */
	DVMI_RANK_ADDR = 7,    /* shepherd: struct dvmi_rank_peer, code 0 and the address, or -E…
				* (-DVM_EPEERLOST, -DVM_ECLOSED: it will never publish) */
	DVMI_RANK_GOODBYE = 8, /* rank: no body; dvm_close() was reached, exit will follow */
	DVMI_RANK_ABORT = 9,   /* rank: struct dvmi_rank_peer {code = exit code} and a text */
	DVMI_RANK_CHANGED = 10,/* shepherd: no body; some state in the job map has changed */
};

struct dvmi_rank_hdr {
	uint16_t version;
	uint16_t type;
	uint32_t len; /* bytes of body behind this header */
};

struct dvmi_rank_hello {
	uint32_t rank;
	uint32_t pid;
};

struct dvmi_rank_welcome {
	uint64_t map_bytes;
	uint64_t job;
	uint64_t key; /* random, per job: in each data-plane packet */
};

struct dvmi_rank_peer {
	uint32_t rank;
	int32_t code;
	uint8_t bytes[]; /* the rest of the packet */
};

/*
 * The job map: one memfd per job and node, written by the shepherd alone, mapped read-only by its
 * ranks. The three arrays start at the offsets named in the header, each of `size` elements
 * (doorbell: of local_size).
 */
#define DVMI_JOBMAP_MAGIC UINT64_C(0x3170616d626f6a76) /* "vjobmap1" */

/* What a rank may know of another. Only ever moves to a larger value. */
enum dvmi_rank_state {
	DVMI_RANK_ALIVE = 0,  /* from the start on, whether or not it has said hello */
	DVMI_RANK_CLOSED = 1, /* said goodbye: what it had sent is still delivered; stays so
			       * when the process then exits, with whatever code */
	DVMI_RANK_GONE = 2,   /* exited without goodbye, crashed, or its node is dead */
};

struct dvmi_jobmap {
	uint64_t magic;
	uint32_t version; /* DVMI_RANK_VERSION */
	uint32_t size;	  /* ranks of the job */
	uint32_t nnodes;
	uint32_t node; /* index of this node */
	uint32_t local_size;
	uint32_t local_cores;	 /* cores the local ranks may run on, all together; at least 1 */
	uint64_t job;
	uint64_t node_of_off;	 /* uint32_t[size]: node index of each rank, non-decreasing or not */
	uint64_t local_rank_off; /* uint32_t[size]: rank within its node */
	uint64_t state_off;	 /* uint8_t[size]: enum dvmi_rank_state, read with acquire */
	uint64_t doorbell_off;	 /* uint32_t[local_size]: raised after each packet to that rank */
	uint32_t port_low, port_high; /* and the ports, both inside; 0: any */
	char interface[64];	 /* numeric address data-plane endpoints bind to */
	char node_name[64];
};

static_assert(sizeof(struct dvmi_rank_hdr) == 8, "rank header");
static_assert(sizeof(struct dvmi_jobmap) == 208, "job map header");

#endif
