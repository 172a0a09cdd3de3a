/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Jobs that grow: other jobs, the machine's hosts, names to meet under, and events.
 *
 * A job spawns others: its children. A child is a job of its own, with its own world and ranks 0 …;
 * it ends when its parent ends, unless it was spawned detached. Jobs of one user can talk to one
 * another, however they were started: see dvm/connect.h.
 *
 * The calls here ask the machine and wait for its answer, except where they say otherwise: a round
 * trip to the machine's leader, a millisecond or so. While they wait, messages move. A process that
 * was started by hand and is no part of a machine gets -ENOTCONN.
 *
 * Failures: all calls that ask return -EINVAL for arguments; -ENOTCONN; -DVM_ENOQUORUM, the machine's
 * leader does not answer; -ETIMEDOUT, not within the bound that the call names; -DVM_EPEERLOST, this
 * rank's shepherd, or the daemon of its node in mid-question, is gone; -EAGAIN, 64 questions of this
 * rank wait already; -ENOMEM; and what is named with each. ERR may be NULL (no explanation). Where a
 * call fails its outputs are untouched, unless it says otherwise.
 *
 * Threads: any thread may call with a handle opened with DVM_OPEN_THREADS, else one at a time.
 */
#ifndef DVM_DYNAMIC_H
#define DVM_DYNAMIC_H

#include <stddef.h>
#include <stdint.h>

#include "dvm/dvm.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- jobs ---- */

/* Id of this rank's job, unique within the machine for ever; 0 without a machine or where D is NULL. */
DVM_PUBLIC uint64_t dvm_job_id(const dvm_t *d);

/*
 * Id of the job that has spawned this one, and, where RANK is not NULL, which rank of it; 0 where
 * there is none or D is NULL (*RANK is untouched). Any thread, does not wait.
 */
DVM_PUBLIC uint64_t dvm_parent_job(const dvm_t *d, int *rank);

/* dvm_spawn_config.flags */
enum {
	DVM_SPAWN_DETACHED = 1,	     /* outlives this job; its output is kept for `dvm logs` */
	DVM_SPAWN_OVERSUBSCRIBE = 2, /* more ranks than free slots */
	DVM_SPAWN_KEEP_GOING = 4,    /* a rank of the child that fails does not end the others */
	DVM_SPAWN_NO_SLOTS = 8,	     /* its ranks mostly wait: they take no slots */
	DVM_SPAWN_LENT = 16,	     /* growth of an elastic job: see dvm_room() */
};

/* What to start. Zero it, set `size` and `argv`; later versions add fields at the end. */
typedef struct dvm_spawn_config {
	size_t size;		 /* sizeof(dvm_spawn_config_t) */
	const char *const *argv; /* program and arguments, ended by NULL; found as `dvm run` does */
	const char *const *env;	 /* "NAME=value", ended by NULL: added to what this job was started
				  * with, or in place of it; NULL: nothing */
	const char *wdir;	 /* absolute; NULL: the working directory of this process */
	const char *hosts;	 /* as `dvm run -H` takes them: "node[1-3],node5:2"; NULL: any */
	const char *map_by;	 /* "slot", "node", "core", "numa", "ppr:K:node", "ppr:K:numa"; NULL */
	const char *name;	 /* of the job, for people; NULL: the program's */
	uint32_t ranks;		 /* 0: one for each slot of its hosts */
	uint32_t nodes;		 /* how many to spread over; 0: as few as suffice */
	uint32_t flags;		 /* DVM_SPAWN_… */
	uint32_t timeout_ms;	 /* 0: 90 s, which is also the most */
} dvm_spawn_config_t;

/*
 * Starts a child of this job and waits until all its ranks run. One rank calls; the others need not
 * know. *JOB is the child's id. Its ranks are not connected to this job by that;
 * dvm_spawn() does both.
 *
 * Returns 0, or with nothing left running: -ENOENT (no such program on some node), -EACCES (it cannot
 * be executed), -DVM_ENOSLOTS (the machine has fewer slots), -EBUSY (it has them, but jobs hold too
 * many just now, this one among them), another code of the placement, -ECANCELED (this job is ending,
 * or the child was ended while it started), -E2BIG (more than 1 MiB of arguments and environment),
 * -EINVAL. ERR says on which node, and why.
 */
DVM_PUBLIC int dvm_job_spawn(dvm_t *d, const dvm_spawn_config_t *config, uint64_t *job,
			     dvm_error_t *err);

/*
 * Ends JOB, any job of this user: its ranks get SIGTERM, and SIGKILL after a grace period. Its own
 * children end with it. Returns 0 when the order is given, not when it is carried out (see
 * DVM_EVENT_JOB_ENDED); -ENOENT (no such job), -ESRCH (it is over), -EPERM (another user's).
 */
DVM_PUBLIC int dvm_job_cancel(dvm_t *d, uint64_t job, dvm_error_t *err);

/* ---- growing and shrinking ---- */

/*
 * A job that was submitted with `--max N` is elastic: while nobody waits for room, the machine lends
 * it what is free. It takes as much of that as it likes by spawning children with DVM_SPAWN_LENT,
 * whose ranks (config.ranks, 1 or more) count towards N. When another job waits that would fit in
 * their room, the machine asks for as many of these children as it takes, the youngest first: all
 * ranks of such a child, and of the job that has spawned it, are told by DVM_EVENT_LEAVE. The child
 * ends by itself, when its work is in good hands; when its time is over, it is ended, as by
 * dvm_job_cancel(). The job's own ranks are never asked for.
 *
 * Spawning so fails with -EBUSY while there is no room for it, and -EINVAL where the job is not
 * elastic, or with the flags DETACHED, OVERSUBSCRIBE or NO_SLOTS.
 */

/* How much a job may grow. */
typedef struct dvm_room {
	size_t size;	    /* sizeof(dvm_room_t), set by the caller */
	uint32_t max;	    /* ranks this job may ever have; 0: it is not elastic */
	uint32_t room;	    /* ranks it may have in all just now, what it has grown by counted, as far
			     * as this node has heard: a spawn may still find it taken. 0: not known */
	uint64_t wanted_by; /* this job is itself growth, and is to leave for that job; 0: it may stay */
	uint32_t leave_ms;  /* and has so long to do it */
} dvm_room_t;

/*
 * Fills *ROOM with how things are for this rank's job. Asks the shepherd of this node only, so it is
 * quick enough to be called between two steps of work; DVM_EVENT_ROOM and DVM_EVENT_LEAVE tell of the
 * same without asking. Returns 0; errors as above.
 */
DVM_PUBLIC int dvm_room(dvm_t *d, dvm_room_t *room, dvm_error_t *err);

/* ---- names ---- */

enum {
	DVM_SERVICE_MAX = 127, /* bytes of a service's name */
	DVM_SERVICE_VALUE_MAX = 256,
};

/*
 * Publishes LEN bytes at VALUE (0 … DVM_SERVICE_VALUE_MAX) under the name SERVICE, 1 … 127 bytes, for
 * all jobs of this user on the machine. It stays until it is taken back or this job ends. A lookup
 * that begins after this has returned finds it. Returns 0; -EEXIST (the name is taken), -ENOSPC (a
 * user can have 1024).
 */
DVM_PUBLIC int dvm_name_publish(dvm_t *d, const char *service, const void *value, size_t len,
				dvm_error_t *err);

/*
 * What is published under SERVICE: at most MAX bytes to VALUE, their number to *LEN (nullable), the
 * job and rank that published it to *JOB and *RANK (nullable). Waits at most TIMEOUT_MS for somebody
 * to publish it; 0 does not wait for that; 60000 is the most. Returns 0; -ENOENT (nobody has, and
 * TIMEOUT_MS is 0), -ETIMEDOUT, -EMSGSIZE (it has more than MAX bytes; *LEN is set, VALUE untouched).
 */
DVM_PUBLIC int dvm_name_lookup(dvm_t *d, const char *service, void *value, size_t max, size_t *len,
			       uint64_t *job, int *rank, uint32_t timeout_ms, dvm_error_t *err);

/* Takes back what any rank of this job has published. Returns 0; -ENOENT. */
DVM_PUBLIC int dvm_name_unpublish(dvm_t *d, const char *service, dvm_error_t *err);

/* ---- hosts ---- */

enum {
	DVM_HOST_UP = 0,
	DVM_HOST_SUSPECT = 1, /* does not answer just now */
	DVM_HOST_DOWN = 2,
};

/* A node of the machine. */
typedef struct dvm_host {
	uint32_t id;	/* never given to another node */
	uint32_t state; /* DVM_HOST_UP, … */
	uint32_t cores;
	uint32_t slots;	     /* ranks it takes */
	uint32_t slots_used;
	uint32_t load_100;   /* load average of the last minute, times 100 */
	uint64_t mem_total;  /* bytes */
	uint64_t mem_free;
	char name[64];	     /* as `dvm nodes` shows it */
	char kernel[64];     /* nodes with the same text here share one computer */
} dvm_host_t;

/*
 * The machine's nodes in the order of their names: at most MAX of them to HOSTS (may be NULL where
 * MAX is 0). Returns how many there are, which may be more than MAX.
 */
DVM_PUBLIC int dvm_hosts(dvm_t *d, dvm_host_t *hosts, int max, dvm_error_t *err);

/*
 * Adds nodes, as `dvm add` does for the same user from this node: HOSTS is a host list, "b[1-4]", each
 * of which must let this user's dvmd in through ssh; NULL or "" is one more node on this host, on a
 * machine whose nodes share it. Waits until they are up, at most 40 s. Returns 0; -EPERM (not this
 * user's machine), -EHOSTUNREACH (did not work; ERR says why).
 */
DVM_PUBLIC int dvm_host_add(dvm_t *d, const char *hosts, dvm_error_t *err);

/*
 * Removes node NAME from the machine, as `dvm remove` does; its daemon ends. Returns 0; -ENOENT,
 * -EPERM, -EBUSY (it leads the machine, or jobs run on it).
 */
DVM_PUBLIC int dvm_host_remove(dvm_t *d, const char *name, dvm_error_t *err);

/* ---- events ---- */

/* What can happen. A mask of dvm_watch() has bit 1 << KIND. */
enum {
	DVM_EVENT_RANK_EXIT = 0,   /* job, rank: it has ended. Of this job, of children that this
				    * rank has spawned, and of jobs it is connected to */
	DVM_EVENT_JOB_ENDED = 1,   /* job: it is over. Of children, and of jobs connected to */
	DVM_EVENT_HOST_JOINED = 2, /* host: it is new, or back */
	DVM_EVENT_HOST_LOST = 3,   /* host: it has died or cannot be reached */
	DVM_EVENT_HOST_LEFT = 4,   /* host: it is no node of the machine any more */
	DVM_EVENT_MISSED = 5,	   /* more happened than was read: some events are lost, look around.
				    * Comes whether or not it is in the mask */
	DVM_EVENT_ROOM = 6,	   /* status: this elastic job may have so many ranks in all, more or
				    * fewer than before; told at once when watched, if that is known */
	DVM_EVENT_LEAVE = 7,	   /* job: this one or a child is lent, and wanted back; status: ms in
				    * which it is to end by itself */
	DVM_EVENT_ANY = 255,	   /* a mask of all of them */
};

/* Something that has happened. Fields that a kind does not name are 0. */
typedef struct dvm_event {
	uint32_t kind; /* DVM_EVENT_… */
	int32_t rank;
	uint64_t job;
	uint32_t host;	/* id; of a rank: where it was */
	int32_t status; /* exit code of the rank or job, 128 + signal where one ended it; -1: not known,
			 * its node was lost */
	int32_t signal; /* that ended the rank, or 0 */
	char text[260]; /* a host's name; why a job ended; "" */
} dvm_event_t;

/*
 * From now on this rank is told of events whose bits are in MASK (0: of none), instead of those it
 * was told of until now. What happens after the return is not missed. Returns 0; errors as above,
 * without a text.
 */
DVM_PUBLIC int dvm_watch(dvm_t *d, uint32_t mask);

/*
 * The next event: 1 and *EVENT, or 0 where there is none. Takes the news that have arrived, does not
 * wait. -EINVAL; -DVM_EPEERLOST (the shepherd is gone: no more events will come; not before those
 * that are there have been read).
 */
DVM_PUBLIC int dvm_event(dvm_t *d, dvm_event_t *event);

/*
 * The same, waiting at most TIMEOUT_MS ms for one (-1: for ever). -ETIMEDOUT. In a job without
 * machine, where nothing can happen, -ENOTCONN.
 */
DVM_PUBLIC int dvm_event_wait(dvm_t *d, dvm_event_t *event, int timeout_ms);

#ifdef __cplusplus
}
#endif

#endif
