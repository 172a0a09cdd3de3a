/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dsched: where the ranks of a job go. The boundary header of sched/; doc/design/0003-placement.md
 * has the rules.
 *
 * A pure library: a snapshot of the nodes and a request go in, a placement or the reason why there
 * is none comes out. No clock, no input or output, no global; the same input gives the same answer
 * on every host. Any thread may call as long as nobody changes what is passed in. Structs that
 * callers fill start with their size where they may grow: set `.size = sizeof`, zero the rest.
 */
#ifndef DSCHED_H
#define DSCHED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dvm/error.h"
#include "libdvm/base/buf.h"
#include "libdvm/base/idset.h"

#define DSCHED_PU_MAX	     8192  /* OS numbers of hardware threads are below it, as in Linux */
#define DSCHED_TOPO_TEXT_MAX 65536 /* bytes of a topology's text */
#define DSCHED_RANKS_MAX     (1u << 24)
#define DSCHED_NAME_MAX	     64 /* what a reason quotes of a name, with its NUL */
#define DSCHED_GRES_MAX	     8	/* kinds of generic resources in a machine */

/* ---- topology ---- */

/* A hardware thread (PU). All but `os` count from 0 without gaps over what the node may use. */
struct dsched_pu {
	uint16_t os;   /* number the kernel knows it by */
	uint16_t core; /* PUs of a core are neighbours in the array, cores ascend */
	uint16_t l3;
	uint16_t numa;
	uint16_t package;
};

/*
 * The part of a host that one node may use: disallowed CPUs are not in it. Immutable once made, so
 * that many nodes may share one.
 */
struct dsched_topo {
	struct dsched_pu *pus;
	uint16_t *numa_os;    /* kernel's number of each NUMA node */
	uint16_t *package_os; /* physical id of each package */
	uint32_t npus, ncores, nl3, nnuma, npackages;
};

void dsched_topo_free(struct dsched_topo *topo);

/*
 * A topology as one line of text, for example "t1 P0 N0 L 0-1x4/2": in package 0, NUMA node 0,
 * one L3 group four cores, the first made of PUs 0-1, each next 2 higher. P and L start a new
 * group each time; N<number> may come back. A core is "PUs", "PUs x count" (shift 1) or
 * "PUs x count / shift". Appended to OUT without NUL.
 */
void dsched_topo_format(const struct dsched_topo *topo, struct dvmi_buf *out);

/*
 * Reads N bytes of such text, which may come from a peer, into the fresh *TOPO. -DVM_EPROTO for
 * text that does not follow the rules, has a PU in two cores or none at all; -ENOMEM.
 */
int dsched_topo_parse(struct dsched_topo *topo, const char *text, size_t n);

/* ---- nodes ---- */

enum dsched_node_state {
	DSCHED_NODE_UP = 0,
	DSCHED_NODE_DRAINING, /* its jobs go on, new ones stay away */
	DSCHED_NODE_DOWN,
};

struct dsched_node {
	uint32_t id;
	const char *name;
	enum dsched_node_state state;
	const char *note; /* borrowed; why it drains, for people; NULL or "": nobody said */
	uint64_t
		host; /* nodes with the same number share CPUs (one kernel); 0: alone on its host */
	uint32_t slots;	     /* ranks it takes; 0: one per allowed core */
	uint32_t slots_used; /* by running jobs; may exceed slots after oversubscription */
	uint32_t jobs;	     /* jobs running on it */
	bool exclusive;	     /* one of them has the node for itself */
	uint64_t mem;	     /* bytes jobs may use in all; 0: unknown, no limit */
	uint64_t mem_free;   /* bytes of them that are free now */
	const struct dsched_topo *topo; /* borrowed; NULL: unknown, ranks there stay unbound */
	const struct dvmi_idset *busy; /* borrowed; PUs its running jobs are bound to; NULL: none */
	uint32_t gres[DSCHED_GRES_MAX];	     /* generic resources it has, by kind */
	uint32_t gres_used[DSCHED_GRES_MAX]; /* by running jobs */
	const char *no_kvm; /* borrowed; why no guest can run there; NULL: one can, or who knows */
};

struct dsched_snapshot {
	size_t size;
	const struct dsched_node *nodes; /* in the order ranks are to fill them; names are unique */
	uint32_t nnodes;
	const char *const *gres_names; /* of the kinds; borrowed */
	uint32_t ngres;		       /* kinds there are: at most DSCHED_GRES_MAX */
};

/* The `host` of a node from a text that names the kernel it runs on; 0 for "". */
uint64_t dsched_host_number(const char *identity);

/* Slots of a node, the default worked out. */
uint32_t dsched_node_slots(const struct dsched_node *node);

/* ---- requests ---- */

enum dsched_map {
	DSCHED_MAP_SLOT = 0, /* fill node after node */
	DSCHED_MAP_CORE,     /* the same, at most one rank per core */
	DSCHED_MAP_NODE,     /* one rank per node in turn */
	DSCHED_MAP_NUMA,     /* fill node after node; inside it one rank per NUMA node in turn */
	DSCHED_MAP_PPR_NODE, /* `ppr` ranks on each node */
	DSCHED_MAP_PPR_NUMA, /* `ppr` ranks on each NUMA node */
};

enum dsched_bind {
	DSCHED_BIND_AUTO = 0, /* core or NUMA node where it cannot hurt, else none */
	DSCHED_BIND_NONE,
	DSCHED_BIND_HWTHREAD,
	DSCHED_BIND_CORE,
	DSCHED_BIND_NUMA,
};

struct dsched_host {
	const char *name;
	uint32_t slots; /* at most so many of its slots; 0: all */
};

struct dsched_request {
	size_t size;
	uint32_t ranks; /* 0: as many as there are free slots */
	uint32_t nodes; /* use exactly so many, evenly; 0: as many as it takes */
	enum dsched_map map;
	uint32_t ppr; /* for the two PPR maps: at least 1 */
	enum dsched_bind bind;
	const struct dsched_host *include; /* only these, in this order; NULL: all */
	uint32_t ninclude;
	const char *const *exclude;
	uint32_t nexclude;
	bool oversubscribe;    /* slots are no limit and never waited for */
	bool exclusive;	       /* only on nodes without another job */
	uint64_t mem_per_rank; /* bytes; 0: not asked for */
	uint32_t gres[DSCHED_GRES_MAX]; /* of each node it uses, by kind of the snapshot */
	bool kvm; /* a guest: only on nodes where nothing is known to be against one */
};

/*
 * "core", "node", "slot", "numa", "ppr:K:node", "ppr:K:numa" into req->map and ->ppr; "none",
 * "auto", "hwthread", "core", "numa". -EINVAL and ERR (nullable) for anything else.
 */
int dsched_map_parse(struct dsched_request *req, const char *text, dvm_error_t *err);
int dsched_bind_parse(struct dsched_request *req, const char *text, dvm_error_t *err);
const char *dsched_bind_name(enum dsched_bind bind);

/* The value of -H, owning its names. */
struct dsched_hosts {
	struct dsched_host *hosts;
	uint32_t n;
};

/*
 * "a,b:4,node[1-3]:2". As with mpirun, a name that is repeated without a count offers one slot
 * each time; alone it offers all its slots; counts of one name add up. -EINVAL, -E2BIG, -ENOMEM
 * and ERR (nullable).
 */
int dsched_hosts_parse(struct dsched_hosts *hosts, const char *text, dvm_error_t *err);
void dsched_hosts_free(struct dsched_hosts *hosts);

/* ---- answers ---- */

enum dsched_verdict {
	DSCHED_PLACED = 0,
	DSCHED_WAIT,	   /* would fit once running jobs have ended */
	DSCHED_IMPOSSIBLE, /* does not fit this machine even when it is idle */
};

/* What stood in the way. */
enum dsched_constraint {
	DSCHED_C_NONE = 0,
	DSCHED_C_REQUEST,    /* contradicts itself; without numbers */
	DSCHED_C_UNKNOWN,    /* no node is called `name` */
	DSCHED_C_NODE_DOWN,  /* node `name` was asked for and is down or draining */
	DSCHED_C_HOST_SLOTS, /* `name` has fewer slots than its count in -H says */
	DSCHED_C_SLOTS,	     /* too few slots */
	DSCHED_C_NODES,	     /* too few nodes, or too few that have room */
	DSCHED_C_MEMORY,     /* there are slots, but with too little memory */
	DSCHED_C_EXCLUSIVE,  /* nodes without another job are too few now */
	DSCHED_C_GRES,	     /* nodes with the generic resource `name` are too few */
	DSCHED_C_KVM,	     /* node `name` cannot run guests, or too few can */
};

struct dsched_reason {
	enum dsched_verdict verdict;
	enum dsched_constraint constraint;
	bool of_nodes; /* the three numbers count nodes, else ranks */
	uint64_t asked, have;
	uint64_t nearest;	       /* what would do in place of `asked`; 0: nothing would */
	char name[DSCHED_NAME_MAX];    /* node the constraint is about, or "" */
	char text[DVM_ERROR_TEXT_MAX]; /* one line for a person */
};

struct dsched_rank {
	uint32_t node;	/* index into the placement's nodes */
	uint32_t local; /* rank within the node */
	uint32_t first; /* where its PUs start in the placement's `pus` */
	uint32_t npus;	/* 0: not bound */
	bool shared;	/* shares its core with another rank or with a running job */
};

struct dsched_placed_node {
	uint32_t index; /* in the snapshot */
	uint32_t id;
	uint32_t nranks;
	uint32_t slots;	       /* to charge: the ranks, or all of an exclusive node */
	uint32_t first;	       /* where its ranks start in `by_node`, by local rank */
	uint32_t nshared;      /* its ranks that are `shared` */
	enum dsched_bind bind; /* as done: never AUTO, NONE where there is no topology */
};

struct dsched_placement {
	struct dsched_rank *ranks;
	uint32_t nranks;
	struct dsched_placed_node *nodes; /* in order of use */
	uint32_t nnodes;
	uint32_t *by_node; /* rank numbers, node after node */
	uint16_t *pus;	   /* OS numbers, ascending for each rank; ranks may share a stretch */
	uint32_t npus;
};

void dsched_placement_free(struct dsched_placement *placement);

/*
 * Places REQ on SNAP. 0: *PLACEMENT is filled and belongs to the caller, *REASON says PLACED.
 * -EAGAIN: WAIT. -DVM_ENOSLOTS, -ENOENT (a name), -EINVAL (a contradiction): IMPOSSIBLE.
 * -ENOMEM: no verdict. REASON is always filled; PLACEMENT is untouched unless 0 is returned.
 * Takes time linear in nodes, their PUs and ranks (names and hosts: n log n).
 */
int dsched_place(const struct dsched_snapshot *snap, const struct dsched_request *req,
		 struct dsched_placement *placement, struct dsched_reason *reason);

/* Appends the PUs of a rank as "0-3,8"; nothing for one that is not bound. */
void dsched_rank_cpus(const struct dsched_placement *placement, uint32_t rank,
		      struct dvmi_buf *out);

/*
 * Appends a line, with newline, for everything about the placement that its user did not ask for
 * and may feel: ranks that share cores, more ranks than slots, binding that was not possible.
 */
void dsched_report_notes(const struct dsched_snapshot *snap, const struct dsched_request *req,
			 const struct dsched_placement *placement, struct dvmi_buf *out);

/* Appends "rank 0 on node1: package 0 core 2 (PU 4-5)", without newline or NUL. */
void dsched_report_rank(const struct dsched_snapshot *snap,
			const struct dsched_placement *placement, uint32_t rank,
			struct dvmi_buf *out);

/* Appends the table of --dry-run: a line per node with its ranks, slots and kind of binding. */
void dsched_report_table(const struct dsched_snapshot *snap,
			 const struct dsched_placement *placement, struct dvmi_buf *out);

#endif
