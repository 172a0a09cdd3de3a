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
 * from local_size, so that each may do it again; the shepherd never looks into it. Behind the
 * rings, from 64 TiB on, each local rank has 1 TiB of addresses for memory it shares with the
 * others (libdvm/net/heap.h); the file is sparse, so this takes no memory by itself. Ranks put
 * sockets named bell-<local rank> beside the shepherd's to wake one another; the directory goes
 * with the job.
 *
 * Questions (doc/design/0010-dynamic.md): a packet whose body begins with struct dvmi_rank_ask gets
 * exactly one ANSWER with the same number, -ETIMEDOUT at the latest when the time it names is
 * over. -EAGAIN: DVMI_RANK_ASKS_MAX questions of this rank wait already. -DVM_ENOQUORUM: the
 * machine's leader does not answer. Of an error, the bytes of the answer are a text for people.
 * Answers come in any order. A rank that has no shepherd left gets none.
 *
 * Other jobs: a rank LINKs a job of the same user by its id and gets that job's map, which its own
 * shepherd keeps true from then on; every change is told by CHANGED, as for the own map. Ranks of
 * a linked job are looked up like those of the own. A link is one-sided: the other side LINKs, too,
 * when it wants to know and to send. It ends by itself when that job is over and all its ranks' states
 * are told. The jobs of a spawn know each other's ids: see WELCOME.
 */
#ifndef DVMI_PROTO_RANK_H
#define DVMI_PROTO_RANK_H

#include <assert.h>
#include <stdint.h>

#define DVMI_RANK_VERSION  1
#define DVMI_RANK_ADDR_MAX 256
#define DVMI_RANK_TEXT_MAX 256
#define DVMI_RANK_PACKET_MAX 1024
#define DVMI_RANK_ASKS_MAX 64		 /* questions of one rank that wait for their answers */
#define DVMI_RANK_SERVICE_MAX 127	 /* bytes of a service's name, which are 1 or more, none of them 0 */
#define DVMI_RANK_VALUE_MAX 256		 /* bytes a service is published with */
#define DVMI_RANK_SPAWN_MAX (1u << 20)	 /* bytes of a spawn */
#define DVMI_RANK_NOBODY UINT32_MAX	 /* in place of a node index: none */

/* Environment of a rank; decimal but for names and paths. */
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
#define DVMI_ENV_PARENT_JOB "DVM_PARENT_JOB" /* of a spawned job only: id of who spawned it, */
#define DVMI_ENV_PARENT_RANK "DVM_PARENT_RANK" /* and which rank of that */

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
	DVMI_RANK_CHANGED = 10,/* shepherd: no body; some state in the job map, or in that of a
				* linked job, has changed */
	DVMI_RANK_ANSWER = 11, /* shepherd: struct dvmi_rank_answer and bytes, up to the end of the
				* packet; a descriptor where the question says so and code is 0 */

	/* Questions of a rank. In brackets what the answer holds beside its code. */
	DVMI_RANK_LINK = 12,   /* struct dvmi_rank_link {job} → [job, bytes: struct dvmi_rank_linked,
				* descriptor: its map]. -ENOENT: no such job; -ESRCH: it is over;
				* -EPERM: another user's; -EINVAL: the own job. Again for a linked
				* job: the same map once more */
	DVMI_RANK_UNLINK = 13, /* struct dvmi_rank_link {job} → []: nothing is told of that job any
				* more; its map stays where it is mapped */
	DVMI_RANK_SPAWN = 14,  /* struct dvmi_rank_spawn, and a descriptor: a memfd with the strings,
				* sealed against writing and shrinking → [job]. Answered when all
				* ranks of the child run, or with why they do not; the child is
				* linked to this rank then */
	DVMI_RANK_CANCEL = 15, /* struct dvmi_rank_link {job} → []: a job of this user is to end.
				* -ENOENT, -ESRCH, -EPERM as LINK; may be the own job */
	DVMI_RANK_NAME_PUT = 16, /* struct dvmi_rank_name: publishes value under service until this job
				* ends → []. Machine-wide, for this user. -EEXIST: it is taken */
	DVMI_RANK_NAME_GET = 17, /* struct dvmi_rank_name without value → [job and rank that published
				* it, bytes: the value]. Waits until somebody publishes it or the
				* time is over (-ETIMEDOUT); with timeout_ms 0: -ENOENT at once */
	DVMI_RANK_NAME_DROP = 18, /* struct dvmi_rank_name without value → []. -ENOENT: this job has
				* not published it */
	DVMI_RANK_WATCH = 19,  /* struct dvmi_rank_watch → []: what this rank wants to be told of by
				* EVENT, instead of what it was told of until now */
	DVMI_RANK_HOSTS = 20,  /* struct dvmi_rank_ask → [count, descriptor: a memfd of that many struct
				* dvmi_rank_host, by name] */
	DVMI_RANK_HOST_ADD = 21, /* struct dvmi_rank_ask, then a host list as `dvm add` takes it; empty:
				* one more node on this host → []. As that user: -EPERM */
	DVMI_RANK_HOST_DROP = 22, /* struct dvmi_rank_ask, then a node's name, as `dvm remove` takes it →
				* [] */

	DVMI_RANK_EVENT = 23,  /* shepherd: struct dvmi_rank_event and a text */

	DVMI_RANK_UFFD = 24,   /* a question: struct dvmi_rank_ask → [descriptor: /dev/userfaultfd].
				* -EPERM: the shepherd could not open it either */
	DVMI_RANK_ROOM = 25,   /* a question: struct dvmi_rank_ask → [bytes: struct dvmi_rank_room] */
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
	uint64_t parent_job;  /* that has spawned this one; 0: none */
	uint32_t parent_rank; /* which rank of it */
	uint32_t node_id;     /* of this node, as in node_id_of of every job's map */
};

struct dvmi_rank_peer {
	uint64_t job; /* a linked job; 0: the own one, whose id is not used here */
	uint32_t rank;
	int32_t code;
	uint8_t bytes[]; /* the rest of the packet */
};

/* Head of every question. */
struct dvmi_rank_ask {
	uint32_t id;	     /* of the answer; chosen by the rank, not of a question that waits */
	uint32_t timeout_ms; /* 0: what the question takes as a rule, 60 s at most */
};

struct dvmi_rank_answer {
	uint32_t id;
	int32_t code; /* 0 or -E… */
	uint64_t job;
	uint32_t rank;
	uint32_t count;
	uint8_t bytes[]; /* the rest of the packet */
};

/* LINK, UNLINK, CANCEL. */
struct dvmi_rank_link {
	struct dvmi_rank_ask ask;
	uint64_t job;
};

struct dvmi_rank_linked {
	uint64_t map_bytes;
	uint64_t key; /* of that job's data plane: what its ranks expect in a packet */
	uint64_t parent_job;
	uint32_t parent_rank;
	uint32_t size;
};

/* NAME_PUT, NAME_GET, NAME_DROP: two strings of bytes behind one another. */
struct dvmi_rank_name {
	struct dvmi_rank_ask ask;
	uint32_t service_len; /* 1 … DVMI_RANK_SERVICE_MAX */
	uint32_t value_len;   /* 0 … DVMI_RANK_VALUE_MAX */
	uint8_t bytes[];
};

enum dvmi_rank_spawn_flag {
	DVMI_SPAWN_DETACHED = 1 << 0,	   /* outlives its parent; its output is kept for `dvm logs` */
	DVMI_SPAWN_OVERSUBSCRIBE = 1 << 1, /* more ranks than slots */
	DVMI_SPAWN_KEEP_GOING = 1 << 2,	   /* a rank that fails does not end the child */
	DVMI_SPAWN_NO_SLOTS = 1 << 3,	   /* ranks that take no slots */
	DVMI_SPAWN_LENT = 1 << 4,	   /* growth of an elastic job. -EBUSY: there is no room */
};

/*
 * The memfd holds, each ended by a 0 byte: n_argv arguments; n_env entries NAME=value, which are
 * added to the environment of the parent job or replace what is there; the working directory, an
 * absolute path; the hosts as `dvm run -H` takes them, "" for any; the placement as --map-by takes
 * it, "" for none; the name, "" for the program's.
 */
struct dvmi_rank_spawn {
	struct dvmi_rank_ask ask;
	uint32_t bytes; /* of the memfd, 1 … DVMI_RANK_SPAWN_MAX */
	uint32_t n_argv, n_env;
	uint32_t ranks; /* 0: one a slot */
	uint32_t nodes; /* 0: as needed */
	uint32_t flags;
};

/* Kinds of events, and bits (1 << kind) of a watch's mask. */
enum dvmi_rank_event_kind {
	DVMI_EVENT_RANK_EXIT = 0,   /* job and rank: it has ended with `status`. Of this job and of
				     * those linked by this rank */
	DVMI_EVENT_JOB_ENDED = 1,   /* job, one this rank's job has spawned or it has linked, is
				     * over with exit code `status`; text: why */
	DVMI_EVENT_HOST_JOINED = 2, /* node (id), text: its name. New, or back */
	DVMI_EVENT_HOST_LOST = 3,   /* it has died or cannot be reached */
	DVMI_EVENT_HOST_LEFT = 4,   /* it is no member of the machine any more */
	DVMI_EVENT_MISSED = 5,	    /* this rank did not read: events were dropped here. Always sent */
	DVMI_EVENT_ROOM = 6,	    /* this job may have `status` ranks in all. Told of what is so at
				     * once when it is watched, if it is more than the job's own */
	DVMI_EVENT_LEAVE = 7,	    /* job, this one or a child, is lent and to leave in `status` ms */
	DVMI_EVENT_KINDS
};

struct dvmi_rank_room {
	uint32_t max;	   /* ranks it may ever have; 0: it is not elastic */
	uint32_t room;	   /* ranks it may have in all just now, as far as is known */
	uint64_t wanted_by; /* this job is lent, and to leave for that one; 0: it is not */
	uint32_t leave_ms; /* and has so long to do it */
	uint32_t unused;
};

struct dvmi_rank_watch {
	struct dvmi_rank_ask ask;
	uint32_t mask; /* unknown bits: -EINVAL */
	uint32_t unused; /* 0 */
};

struct dvmi_rank_event {
	uint32_t kind;
	uint32_t rank;
	uint64_t job;
	uint32_t node;	  /* id; of a rank: where it was */
	int32_t status;	  /* exit code; of a rank that a signal ended 128 + signal; -1: not known,
			   * its node was lost */
	uint32_t signal;  /* that ended it, or 0 */
	uint32_t unused;
	char text[];	  /* the rest of the packet, at most DVMI_RANK_TEXT_MAX, no 0 byte */
};

enum dvmi_rank_host_state {
	DVMI_HOST_UP = 0,
	DVMI_HOST_SUSPECT = 1, /* does not answer just now */
	DVMI_HOST_DOWN = 2,
};

struct dvmi_rank_host {
	uint32_t id;
	uint32_t state; /* enum dvmi_rank_host_state */
	uint32_t cores, slots, slots_used;
	uint32_t load_100;	      /* load average of the last minute, times 100 */
	uint64_t mem_total, mem_free; /* bytes */
	char name[64];
	char host[64]; /* of the kernel: nodes with the same one share a host */
};

/*
 * The job map: one memfd per job and node, written by the shepherd alone, mapped read-only by its
 * ranks. The arrays start at the offsets named in the header, each of `size` elements (doorbell: of
 * local_size, node_id_of: of nnodes).
 *
 * The map of a linked job is the same with that job's numbers, written by our shepherd: `node` is
 * the index that this node has in that job, DVMI_RANK_NOBODY where none of its ranks is here;
 * local_size counts its ranks here, maybe 0; doorbell_off is 0, since their bells are their
 * shepherd's to raise; local_cores, interface, ports and node_name are those of this node as this
 * job knows them. A rank is on this node if node_id_of[node_of[rank]] is welcome.node_id.
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
	uint64_t node_id_of_off; /* uint32_t[nnodes]: machine-wide id of each node, never reused */
	uint64_t pid_off;	 /* uint32_t[size]: process that said hello as this rank, of ranks on
				  * this node, else 0; 0 until it has. Read with acquire */
	char interface[64];	 /* numeric address data-plane endpoints bind to */
	char node_name[64];
	uint64_t failure_timeout; /* ns within which a node's death is known everywhere; 0: not said */
};

/*
 * A segment as a rank shows it: a file called segment-RANK-ID beside the shepherd's socket, as long as
 * it lives. Who reads it believes nothing: it is the job's user who writes it.
 */
#define DVMI_RANK_SEG_MAGIC   UINT64_C(0x32676573766d6431) /* "1dmvseg2" */
#define DVMI_RANK_SEG_FIGURES 21

struct dvmi_rank_seg {
	uint64_t magic;
	uint32_t rank, ranks, id, pid;
	uint64_t bytes, unit;
	uint32_t plain; /* 1: ordinary shared memory, there are no figures */
	uint32_t consistency;
	/* Set by who wants it to end; and once it has, here. */
	uint32_t end, ended;
	char name[64];
	/* Read, write and local faults; messages, bytes of them; units sent, got; pages elided as
	 * zeros, as the same; diffs, bytes of them; units prefetched, of them used; batches;
	 * requests held; units evicted, lost, readable here, writable; fault time in ns, the longest. */
	uint64_t figures[DVMI_RANK_SEG_FIGURES];
};

static_assert(sizeof(struct dvmi_rank_seg) == 288, "segment");
static_assert(sizeof(struct dvmi_rank_hdr) == 8, "rank header");
static_assert(sizeof(struct dvmi_jobmap) == 232, "job map header");
static_assert(sizeof(struct dvmi_rank_peer) == 16, "peer");
static_assert(sizeof(struct dvmi_rank_answer) == 24, "answer");
static_assert(sizeof(struct dvmi_rank_link) == 16, "link");
static_assert(sizeof(struct dvmi_rank_linked) == 32, "linked");
static_assert(sizeof(struct dvmi_rank_name) == 16, "name");
static_assert(sizeof(struct dvmi_rank_spawn) == 32, "spawn");
static_assert(sizeof(struct dvmi_rank_event) == 32, "event");
static_assert(sizeof(struct dvmi_rank_host) == 168, "host");
static_assert(sizeof(struct dvmi_rank_room) == 24, "room");

#endif
