/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One node of the machine: what dvmd's parts share, and the order in which they are made.
 *
 * A part (live, cast, replica, …) is a file with an incomplete struct of its own; it knows the
 * others only through this context and their headers. All of it runs on one thread, in one loop.
 */
#ifndef DVMD_DVMD_H
#define DVMD_DVMD_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "daemon/cstate.h"
#include "daemon/keys.h"
#include "daemon/kvm.h"
#include "daemon/queue_conf.h"
#include "daemon/steady.h"
#include "daemon/transport.h"
#include "libdvm/base/log.h"
#include "libdvm/proto/pb.h"

/* How this node was asked to run; strings belong to main. */
struct dvmd_setup {
	const char *machine, *name, *address, *host;
	const char *run_dir, *state_dir;
	const char *join_address; /* NULL: found, or go on from the log */
	const char *token;
	uint16_t port, join_port;
	uint16_t port_low, port_high; /* data plane; 0: any */
	uint32_t slots; /* 0: one a core */
	uint64_t memory; /* bytes jobs may use; 0: all there is */
	bool found;
	uint64_t failure_timeout, kill_grace, launch_timeout; /* ns */
	uint64_t job_log_max; /* bytes */
	const char *gres;     /* as in dvm.conf, as all below */
	const char *kvm_device;
	struct dvmd_queue_conf queue;
	const char *queue_shares, *queue_tiers;
};

struct dvmd {
	uv_loop_t *loop;
	struct dvmd_setup setup;
	struct dvmi_log log;
	struct dvmd_logring *ring;
	struct dvmd_keys keys;
	struct dvmd_steady clock; /* of all dates in the state */
	uv_timer_t stop_timer;
	uint64_t stop_by;
	struct dvmi_buf topology; /* of this host, packed (topo.h) */
	Pb__Gres **gres; /* of this node */
	size_t n_gres;
	struct dvmd_kvm kvm; /* as last seen here */
	struct dvmd_transport *wire;
	struct dvmd_replica *replica;
	struct dvmd_live *live;
	struct dvmd_cast *cast;
	struct dvmd_clients *clients;
	struct dvmd_origin *origin;
	struct dvmd_agent *agent;
	struct dvmd_lead *lead;
	struct dvmd_queue *queue;
	struct dvmd_history *history;
	struct dvmd_roster *roster;
	struct gather *gathers; /* `dvm logs` under way (logs.c) */
	struct toposave *toposave; /* being found out (toposave.c); NULL: not now */
	bool topology_saved;	   /* that has begun once */
	struct adding *addings; /* `dvm add` under way (hostadd.c) */
	uint32_t self;	 /* 0 until the node has joined */
	bool ready;
	bool stopping;	 /* the loop ends soon */
	bool halting;  /* the leader is ending all jobs: none may start */
	bool halted;   /* the machine is over: leave nothing behind */
	bool removed;  /* this node is no member any more: forget the machine */
	/* Told once: READY (code 0), or why this node cannot be one. */
	void (*started)(struct dvmd *d, int code, const char *text);
};

/* Makes the parts and begins to found, join or recover; the answer comes through d->started. */
int dvmd_start(struct dvmd *d, dvm_error_t *err);

/* Ends this dvmd; its shepherds go on. With HALT, jobs end and the run-time directory goes. */
void dvmd_stop(struct dvmd *d, bool halt);

/* After the loop has ended. */
void dvmd_destroy(struct dvmd *d);

/* The cluster state, for reading. */
const struct dvmd_cstate *dvmd_state(const struct dvmd *d);

/* Id of the leading node: the founder. */
#define DVMD_LEADER 1u

static inline bool dvmd_leads(const struct dvmd *d)
{
	return d->self == DVMD_LEADER;
}

/* Called by the replica after each command it has applied (also while recovering). */
void dvmd_applied(struct dvmd *d, const Pb__Command *cmd);

/* The whole state was replaced; WAS is the one before, still readable. */
void dvmd_resync(struct dvmd *d, const struct dvmd_cstate *was);

/* The name of a member, or "node <id>" in BUF. */
const char *dvmd_node_name(const struct dvmd *d, uint32_t id, char buf[32]);

#endif
