/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The agent of a node (doc/design/0016-pvm3.md): one thread, one epoll loop. To its tasks it is what
 * a shepherd is to ranks (ranks.c) and who carries their frames (clients.c); what must be one for
 * the machine is the master's (master.c, world*.c), the agent of the first node. Between the two
 * go libdvm messages (relay.c).
 */
#ifndef PVM_AGENT_H
#define PVM_AGENT_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "dvm/am.h"
#include "dvm/connect.h"
#include "dvm/msg.h"
#include "daemon/pvm/world.h"
#include "libdvm/base/buf.h"
#include "libdvm/proto/pvm.h"
#include "libdvm/proto/rank.h"

struct agent;

/* A descriptor in the loop, the first member of what it belongs to. */
struct pvm_watch {
	int fd; /* -1: none */
	void (*ready)(struct agent *a, struct pvm_watch *w);
};

/* A place for a task. */
struct pvm_slot {
	struct pvm_watch ctl; /* of the rank, -1 until it has said hello */
	struct pvm_watch pid_fd;
	enum pvm_slot_state {
		PVM_SLOT_FREE,
		PVM_SLOT_TAKEN,
		PVM_SLOT_OVER, /* not given again: peers may know it */
	} state;
	struct pvm_bank *bank;
	uint32_t index; /* in it */
	int tid; /* 0: not known yet */
	pid_t pid;
	struct pvm_client *client; /* of the task; NULL */
	uint8_t addr[DVMI_RANK_ADDR_MAX];
	uint32_t addr_len;
	uint32_t *askers; /* ranks of the world that wait for the address */
	uint32_t naskers;
	bool wanted;
};

/*
 * A node of the world that is ours: a map and rings for as many tasks as rings can have. Whoever has
 * used up its places gets another; tasks of different ones talk by TCP (banks.c).
 */
#define PVM_BANKS_MAX 64u

struct pvm_bank {
	uint32_t number; /* of our banks */
	uint32_t node;	 /* of the world: where its ranks begin */
	struct dvmi_jobmap *map; /* NULL: none of its tasks is left, and no place */
	size_t map_bytes;
	int map_fd, rings_fd;
	uint32_t nfree, ntaken; /* slots */
	struct pvm_slot slots[PVMI_LOCAL_MAX];
};

/* A connection of frames: a task, or what becomes one. */
struct pvm_client {
	struct pvm_watch watch;
	struct pvm_client *prev, *next;
	pid_t pid;
	struct dvmi_buf in, out;
	bool writing; /* waits for room */
	bool dead;
	uint32_t serial;
	uint32_t enrol_id; /* its question, while the master is asked */
	struct pvm_slot *slot; /* NULL: no task */
	bool stays; /* for as long as its task, whose process is another */
	bool collects; /* its output comes over this connection */
	struct pvm_slot *of; /* whose output */
};

/* The agent of another node, at the master; or the master, at another agent. */
struct pvm_link {
	dvm_group_t *g;
	int rank;
	uint32_t host; /* index; 0: not known yet */
	char *early;   /* its node, which has said hello before its turn */
	bool down;
	struct pvm_link *next;
};

struct pvm_sent { /* a message of ours that is under way */
	dvm_req_t *req;
	struct dvmi_buf buf;
	struct pvm_sent *next;
};

/*
 * A node of the world, while a host has it. A host that comes back has another number, but may have
 * the same node: ranks that somebody has had there are not given again.
 */
struct pvm_node {
	uint32_t host; /* the last that had it; 0: nobody has had it */
	uint32_t used; /* ranks that were given, from the first on */
};

struct agent {
	dvm_t *d;
	int epoll;
	bool master, stop, gathering; /* gathering: the first agents are welcomed in order */
	uint32_t index, cap; /* of our host, and how many nodes the world has; 0: not known yet */
	uint64_t key;
	char *name;	/* of the node */
	char *dir;	/* where our sockets are */
	char *frames_path, *ranks_path;
	struct pvm_watch frames, ranks, lib, results, hosting;
	int results_in;
	struct pvm_bank *banks[PVM_BANKS_MAX]; /* [nbanks] */
	uint32_t nbanks, nfree; /* nfree: places in all of them */
	bool asked; /* for another bank */
	bool tasker; /* a task of this node starts the others */
	char *wd, *ep; /* where tasks begin, and are looked for; NULL: as ever */
	uint32_t ntasks;
	struct pvm_client *clients, *buried;
	uint32_t last_serial;
	struct pvm_link *links;
	struct pvm_sent *sent;
	struct pvm_world *world; /* of the master */
	struct pvm_node *nodes;	 /* of the master: [cap] */
	struct pvm_job *jobs;	 /* of the master: spawned */
	struct pvm_expected *expected; /* of the master: hosts that come */
};

/* agent.c */
int pvm_watch_add(struct agent *a, struct pvm_watch *w, int fd,
		  void (*ready)(struct agent *a, struct pvm_watch *w));
void pvm_watch_writing(struct agent *a, struct pvm_watch *w, bool on);
void pvm_watch_close(struct agent *a, struct pvm_watch *w);
int pvm_serve(void);

/* banks.c: places */
/* NODE of the world is ours, too; its first USED ranks were given before. 0 or -errno. */
int pvm_bank_add(struct agent *a, uint32_t node, uint32_t used);
/*
 * No task is left anywhere: whoever comes gets a new map and new rings, and any rank. A place that is
 * taken belongs to somebody who has not been told of it yet, and stays.
 */
void pvm_banks_renew(struct agent *a);
void pvm_banks_close(struct agent *a);
/* RANK of the world, on whatever node, is over: so all our maps say. */
void pvm_banks_gone(const struct agent *a, uint32_t rank, bool closed);
/* A free place for process PID, or NULL. */
struct pvm_slot *pvm_slot_take(struct agent *a, pid_t pid);
/* S is a task's no more, and nobody else's either. */
void pvm_slot_over(struct agent *a, struct pvm_slot *s);
/* Places by number, from 0 on; NULL behind the last. */
struct pvm_slot *pvm_slot_at(const struct agent *a, uint32_t number);
uint32_t pvm_slot_number(const struct pvm_slot *s);
uint32_t pvm_slot_rank(const struct pvm_slot *s);
struct pvm_slot *pvm_slot_of_rank(const struct agent *a, uint32_t rank);
struct pvm_slot *pvm_slot_of_tid(const struct agent *a, int tid);
void pvm_ring(const struct pvm_slot *s);

/* ranks.c: the shepherd's part */
int pvm_ranks_open(struct agent *a);
void pvm_ranks_close(struct agent *a);
void pvm_slot_watch_pid(struct agent *a, struct pvm_slot *s, pid_t pid);
/* S is no task any more. CLOSED: it has said so. */
void pvm_slot_end(struct agent *a, struct pvm_slot *s, bool closed);
/* Ends all tasks of the node. */
void pvm_slots_kill(struct agent *a);
/* RANK of the world, on whatever node, is over. */
void pvm_rank_gone(struct agent *a, uint32_t rank, bool closed);
/* Somebody (WHO, a rank of the world) wants the address of our RANK. */
void pvm_rank_lookup(struct agent *a, uint32_t rank, uint32_t who);
/* The answer for our WHO. */
void pvm_rank_address(struct agent *a, uint32_t who, uint32_t rank, int code, const void *addr,
		      uint32_t len);

/* sweep.c: the task of S, which has ended, leaves no memory behind */
void pvm_sweep(const struct pvm_slot *s);

/* clients.c */
int pvm_clients_open(struct agent *a);
void pvm_clients_close(struct agent *a);
void pvm_client_send(struct agent *a, struct pvm_client *c, uint16_t type, uint32_t id, int code,
		     const void *body, size_t len);
/* A frame for a task of this node. */
void pvm_tell_task(struct agent *a, int tid, uint16_t type, uint32_t id, int code, const void *body,
		   size_t len);
/* S is no task any more: whoever stays for it goes. */
void pvm_client_slot_ended(struct agent *a, const struct pvm_slot *s);
/* What the master says of one who wants to enrol. */
void pvm_enrolled(struct agent *a, uint32_t serial, int code, struct dvmi_reader *r);
void pvm_clients_bury(struct agent *a);

/* relay.c */
/* To the master, from whichever agent we are. */
void pvm_to_master(struct agent *a, uint16_t type, uint32_t id, int code,
		   const struct dvmi_buf *body);
void pvm_link_send(struct agent *a, struct pvm_link *l, uint16_t type, uint32_t id, int code,
		   const struct dvmi_buf *body);
/* Takes what has come. False: the master is gone. */
bool pvm_relay_look(struct agent *a);
void pvm_relay_close(struct agent *a);
/* A frame of the master for this agent. */
void pvm_from_master(struct agent *a, const struct pvmi_frame *f, const uint8_t *body);

/* master.c */
int pvm_master_open(struct agent *a);
void pvm_master_close(struct agent *a);
/* A frame from the agent of HOST. */
void pvm_master_take(struct agent *a, uint32_t host, const struct pvmi_frame *f,
		     const uint8_t *body);
void pvm_master_hello(struct agent *a, struct pvm_link *l, const char *name);
void pvm_master_lost(struct agent *a, struct pvm_link *l);
void pvm_master_events(struct agent *a);

/* attach.c, task.c: the other verbs */
int pvm_attach(bool start);
/* Says, as PVM's daemon does when it is started, whether there is a node here. */
int pvm_host_status(void);
int pvm_task_main(int argc, char **argv);

/* program.c: what a task finds when it begins */
/*
 * Sets PVM_ROOT and PVM_ARCH where nobody has, and goes to where tasks of this host begin: WD, or
 * their home where that is ""; and from there to where the spawning task wants this one.
 */
void pvm_program_place(const char *wd);
/* What is started for PvmTaskDebug: $PVM_DEBUGGER, or $PVM_ROOT/lib/debugger. False: neither. */
bool pvm_program_debugger(char out[PATH_MAX]);
/* The file of program NAME; EP has directories of this host, or is "". False: there is none. */
bool pvm_program_find(char out[PATH_MAX], const char *name, const char *ep);

/* The socket of the agent of the node whose run-time directory is RUN, or NULL; the caller's. */
char *pvm_find_socket(const char *run);

#endif
