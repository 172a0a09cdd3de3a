/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The handle, and what every public call does with it.
 *
 * Locking: one lock per handle, taken by every call that moves messages when the handle was
 * opened with DVM_OPEN_THREADS (else there is no lock at all). It is released while a thread
 * waits. Fields without a remark are under the lock.
 */
#ifndef DVMI_SRC_HANDLE_H
#define DVMI_SRC_HANDLE_H

#include <pthread.h>

#include "dvm/dvm.h"
#include "dvm/coll.h"
#include "dvm/msg.h"
#include "libdvm/base/log.h"
#include "libdvm/net/heap.h"
#include "libdvm/src/am.h"
#include "libdvm/src/ctl.h"
#include "libdvm/src/dyn.h"
#include "libdvm/src/env.h"
#include "libdvm/src/jobmap.h"
#include "libdvm/src/nodes.h"
#include "libdvm/src/p2p.h"
#include "libdvm/src/rankmap.h"
#include "libdvm/src/task.h"
#include "libdvm/src/watch.h"

/* What a context of a group is for: added to the group's first one. */
enum dvmi_ctx {
	DVMI_CTX_MSG = 0,
	DVMI_CTX_COLL = 1,
	DVMI_CTX_RMA = 2,    /* one-sided operations */
	DVMI_CTX_ACTIVE = 3, /* active messages */
	DVMI_CTX_MAKE = 4,   /* members of a new group find each other */
	DVMI_CTX_EACH = 8,   /* contexts set aside for a group */
};

#define DVMI_FAB_DUE (UINT32_MAX / 2) /* rounds enough for the network to have its turn */

struct dvm_group {
	dvm_t *d;
	uint32_t ctx; /* first of its contexts */
	uint32_t rank, size;
	struct dvmi_rankmap map;
	/* Whom messages go to: the map, or the other side of an intergroup. Memory is not its own. */
	struct dvmi_rankmap dests;
	uint32_t coll_seq;	  /* collectives so far, part of their tags */
	uint32_t win_seq;	  /* windows so far: their numbers */
	struct dvmi_nodes *nodes; /* NULL until asked for */
	struct dvmi_coll_state *coll; /* NULL before the first; ends by dvmi_coll_forget() */

	dvm_group_t *next;   /* in its bin */
	struct dvmi_link *link; /* to the members of another job; NULL: there are none */
	uint32_t far_ctx;	/* what ctx is called there */
	uint32_t users;	     /* objects that need it, as windows: it cannot be freed before them */
	dvm_group_t *local;  /* of an intergroup: this side, for collectives; else NULL */
	struct dvmi_rankmap remote; /* of an intergroup: the other side */
	struct dvmi_cart *cart;	    /* NULL: no topology */
	struct dvmi_accord *accord; /* NULL: no agreements yet */
	struct dvmi_losses {
		uint64_t *acked; /* bit per rank of dests: the program knows that it is gone */
		uint32_t judged; /* 1 + peers that were down when verdict was found; 0: not yet */
		int verdict;	 /* what receives from anyone end with; as of dvmi_p2p_owner */
	} losses;
	char name[DVM_GROUP_NAME_MAX];
};

#define DVMI_GROUP_BINS 64

/* All groups of a handle but the world. */
struct dvmi_groups {
	dvm_group_t *bins[DVMI_GROUP_BINS]; /* by context */
	uint32_t contexts;		    /* sets of contexts this rank has given away */
	struct dvmi_accord *ghosts;	    /* of groups that are freed; the newest first */
	struct dvmi_early *early;	    /* packets for groups that are not made yet */
	uint32_t nghosts, nearly;
};

/* What a persistent request does when it is started. */
struct dvmi_plan {
	struct dvmi_mem mem;
	enum dvmi_op_kind kind;
	int rank, tag, mode;
	bool active; /* started and not waited for */
};

struct dvm_req {
	struct dvmi_op op; /* first */
	struct dvmi_task *task;	 /* ours; NULL: the request is op alone */
	struct dvmi_cursor *cur; /* ours; that of op */
	struct dvmi_plan *plan;	 /* ours; NULL: not persistent */
	dvm_group_t *g;
	struct dvm_req *prev, *next; /* all of a handle, so that closing frees them */
};

/* Threads that wait. One of them sleeps on the descriptors, the others on the condition. */
struct dvmi_threads {
	bool on;
	pthread_mutex_t lock;
	pthread_cond_t news;
	unsigned waiting;
	bool sleeper;
	int kick; /* eventfd: gets the sleeper up */
	uint32_t rounds;	/* of waiting, by whom ever */
	uint32_t events;	/* times that something came */
	bool has_helper, stop;	/* a progress thread is there; it shall end */
	pthread_t helper;
};

/* Somebody beside the shepherd who has news for this rank, as the faces of other libraries have. */
struct dvmi_hook {
	int (*news)(void *arg); /* takes them: their number; NULL: there is nobody */
	void *arg;
	int fd; /* becomes readable; they may raise the doorbell, too */
};

struct dvm {
	struct dvmi_env env; /* constant, as are map's addresses and cores */
	struct dvmi_ctl ctl;
	struct dvmi_jobmap_view map;
	int rings_fd;
	struct dvmi_heap *heap; /* shared memory of this node, on the rings' descriptor */
	uint32_t cores;
	uint32_t mates; /* ranks that share them, this one included */
	uint64_t crowded_until; /* cores were seen to be short */
	uint64_t key;
	struct dvmi_dyn dyn;
	const char *node_name;
	char *dir; /* the job's directory on this node */
	dvm_log_fn *log_fn;
	void *log_arg;
	struct dvmi_log log;
	struct dvmi_p2p p2p;
	struct dvmi_am am;
	struct dvmi_rma *rma; /* NULL until there is a window */
	struct dvmi_segments *mem; /* NULL until there is a segment */
	struct dvmi_tport *self, *shm, *fab; /* NULL where not needed */
	struct dvm_group world;
	struct dvmi_groups groups;
	struct dvmi_link *links;
	int broken;	 /* 0, or what everything ends with */
	uint32_t rung;	 /* the doorbell as last seen */
	bool leaving;	 /* some peer has left and is not drained yet */
	uint32_t idle;	 /* tests in a row that found nothing */
	uint32_t direct; /* receives that tried the short way */
	uint32_t fab_skip; /* rounds that have not looked at the network */
	struct dvmi_task *tasks;     /* under way */
	struct dvmi_task *next_task; /* while they are gone through */
	struct dvmi_look *looks;     /* of those who wait, before they sleep */
	struct dvm_req *reqs, *spare;
	uint32_t nspare;
	struct dvm_req sent; /* stands for every send that was done at once */
	uint32_t ndetached; /* requests nobody will wait for */
	struct dvmi_area *left_areas;  /* memory of collectives that others have not left yet */
	struct dvmi_user_op *user_ops; /* [nuser_ops] */
	uint32_t nuser_ops;
	struct dvmi_threads threads;
	struct dvmi_watch watch;
	struct dvmi_hook hook;
};

/* Takes and releases the handle's lock, if it has one. */
static inline void dvmi_enter(dvm_t *d)
{
	if (__builtin_expect(d->threads.on, 0))
		pthread_mutex_lock(&d->threads.lock);
}

static inline void dvmi_leave(dvm_t *d)
{
	if (__builtin_expect(d->threads.on, 0))
		pthread_mutex_unlock(&d->threads.lock);
}

/* dvm_open() with the place ENV, whose strings stay the caller's; NULL: as the environment says. */
int dvmi_open_at(dvm_t **out, const dvm_config_t *config, const struct dvmi_env *env,
		 dvm_error_t *err);

/* Moves whatever can move without waiting. Returns the number of events. */
int dvmi_progress(dvm_t *d);
/* Takes what the shepherd has to say. Returns the number of packets. */
int dvmi_news(dvm_t *d);

#endif
