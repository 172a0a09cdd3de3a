/* SPDX-License-Identifier: BSD-3-Clause */
/* Shared by the world*.c files. */
#ifndef PVM_WORLD_PRIVATE_H
#define PVM_WORLD_PRIVATE_H

#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include <utlist.h>

#include "pvm3.h"
#include "daemon/pvm/world.h"

#define SYSTEM_TID ((int)PVMI_TIDPVMD) /* who messages of the service come from */
#define ENC_XDR	   0x10000000

struct host {
	char *name;
	uint32_t index; /* from 1 */
	bool up;
	uint32_t last; /* local number that was given last */
	int tasker;    /* the task that starts others there; 0: none */
	int speed;     /* as somebody has said; 0: nobody has */
};

struct task {
	int tid, parent, pid;
	uint32_t host, rank;
	int flags; /* as pvm_tasks() shows them */
	char *program;
	int ctx;
	struct pvm_where out, trace;
	uint32_t spawn; /* it is one of; 0: none */
	int tasker;	/* who was to start its program; 0: its shepherd */
	int *siblings;
	uint32_t nsiblings;
	bool no_reset;
	bool connected; /* it has enrolled */
	UT_hash_handle hh;
};

/* One of several tasks that are being started together. */
struct item {
	bool told; /* ready, or failed */
	int code, pid;
	uint32_t host, rank;
	int tid;
	uint32_t waits; /* the number of its agent's question, which came before its tid was known */
	bool gone;
	struct dvmi_buf said; /* what it has printed before its tid was known */
	bool silent;	      /* and that was all */
	char *path, *socket; /* not NULL: it is left to the host's tasker */
	uint32_t slot;
};

struct spawn {
	uint32_t id;
	char nonce[20];
	int asker;
	uint32_t question;
	int parent; /* of the tasks: 0, or PvmParentNotSet */
	char *file;
	int ctx;
	struct pvm_where out, trace;
	int flags;
	bool ordered; /* by the resource manager, with WID */
	int wid;
	char **argv, **env; /* ended by NULL; argv[0] is the file */
	uint32_t n;
	struct item *items;
	struct spawn *next;
};

struct notify {
	int who, what, tag, ctx, about, count;
	struct notify *next;
};

struct box {
	char *name;
	int index, owner, flags, enc;
	void *body;
	uint32_t len;
	struct box *next;
};

/* A question that waits for something to happen. */
struct waiter {
	int tid;
	uint32_t id;
	char *name; /* of the box or group */
	int a, b;   /* index and flags; or the count */
	uint16_t kind; /* PVMI_MBOX, or PVMI_GROUP */
	uint16_t op;
	struct waiter *next;
};

struct group {
	char *name;
	int *tids; /* by instance; 0: a hole */
	uint32_t n, room;
	int barrier; /* count that those who wait agree on; 0: nobody waits */
	uint32_t there;
	bool frozen, spoilt;
	struct group *next;
};

struct host_change {
	uint32_t id;
	int asker;
	uint32_t question;
	uint32_t n, left;
	bool add;
	bool ordered; /* by the resource manager, with WID */
	int wid;
	uint32_t first; /* the number that its hosts would have */
	bool *hosted; /* [n]: the hoster has been asked, and has not answered yet */
	bool late;    /* it had been asked at the last pvm_world_hosts_late() */
	int *codes;
	char **names, **options; /* what is behind a name: "wd=… ep=…", or "" */
	struct host_change *next;
};

/* A process whose output somebody wants. */
struct outlet {
	uint32_t host, rank;
	int tid;
	struct pvm_where to;
	struct outlet *next;
};

struct pvm_world {
	struct pvm_world_ops ops;
	void *arg;
	struct host *hosts; /* [nhosts], index - 1 */
	uint32_t nhosts;
	struct task *tasks;
	struct spawn *spawns;
	uint32_t last_spawn;
	struct outlet *outlets;
	struct notify *notifies;
	struct box *boxes;
	struct group *groups;
	struct waiter *waiters;
	struct host_change *changes;
	uint32_t last_change;
	int *contexts; /* in use: [ncontexts] */
	uint32_t ncontexts;
	int last_context;
	int roles[PVMI_ROLE_TRACER + 1]; /* who has taken over */
};

/* world.c */
struct task *pvm_task(const struct pvm_world *w, int tid);
struct host *pvm_host(const struct pvm_world *w, uint32_t index);
struct host *pvm_host_named(const struct pvm_world *w, const char *name);
/* The host in the bits of a task's or daemon's id; NULL: none, or it is gone. */
struct host *pvm_host_of(const struct pvm_world *w, int tid);
int pvm_host_tid(const struct host *h);
void pvm_answer(struct pvm_world *w, int tid, uint32_t id, int code, const struct dvmi_buf *body);
/* A message of the service to TID: the numbers V. */
void pvm_message(struct pvm_world *w, int tid, int tag, int ctx, const int *v, uint32_t n);
/* The same with any body. */
void pvm_deliver(struct pvm_world *w, int tid, int src, int tag, int ctx, int enc, int wid,
		 const void *body, uint32_t len);
struct task *pvm_task_new(struct pvm_world *w, struct host *h, int tid, uint32_t rank, int pid);
void pvm_task_end(struct pvm_world *w, struct task *t, bool closed);
int pvm_next_tid(struct pvm_world *w, struct host *h);
/* Something has ended: is there anything left? */
void pvm_look_idle(struct pvm_world *w);
/* What an agent tells a new task. */
void pvm_tell_enrolled(struct pvm_world *w, struct task *t, uint32_t id);

/* Each answers question ID of task T. */
typedef void pvm_call(struct pvm_world *w, struct task *t, uint32_t id, struct dvmi_reader *r);
pvm_call pvm_call_spawn, pvm_call_notify, pvm_call_mbox, pvm_call_group, pvm_call_config,
	pvm_call_tasks, pvm_call_where, pvm_call_signal, pvm_call_pstat, pvm_call_mstat,
	pvm_call_context, pvm_call_hosts_add, pvm_call_hosts_del, pvm_call_hostsync,
	pvm_call_register, pvm_call_tickle, pvm_call_setopt, pvm_call_noresets, pvm_call_post, pvm_call_halt;

/* Something has ended. */
void pvm_spawn_rank_end(struct pvm_world *w, uint32_t host, uint32_t rank);
void pvm_notify_task_end(struct pvm_world *w, const struct task *t);
void pvm_notify_host(struct pvm_world *w, const struct host *h, bool added);
void pvm_mbox_task_end(struct pvm_world *w, int tid);
void pvm_group_task_end(struct pvm_world *w, int tid);
void pvm_spawns_free(struct pvm_world *w);
void pvm_notifies_free(struct pvm_world *w);
void pvm_boxes_free(struct pvm_world *w);
void pvm_groups_free(struct pvm_world *w);
void pvm_changes_free(struct pvm_world *w);
/* Task T waits for something; NAME is copied. NULL without memory. */
struct waiter *pvm_wait_new(struct pvm_world *w, int tid, uint32_t id, uint16_t kind,
			    const char *name);
void pvm_wait_free(struct pvm_world *w, struct waiter *x);

/* world_call.c: the agent of its host signals T. */
void pvm_signal_task(struct pvm_world *w, const struct task *t, int sig);

/* world_output.c: T, which was IT of S, has an id now; what it prints goes where S says */
void pvm_output_begin(struct pvm_world *w, const struct spawn *s, const struct item *it,
		      const struct task *t);
void pvm_outlets_free(struct pvm_world *w);
/* world_spawn.c: what is ready as RANK, while others of its spawn are not; or NULL */
struct item *pvm_expected_item(const struct pvm_world *w, uint32_t host, uint32_t rank);

/* ---- world_role.c: tasks that do our work ---- */

/* T can be talked to. */
void pvm_role_enrolled(struct pvm_world *w, const struct task *t);
void pvm_role_task_end(struct pvm_world *w, const struct task *t);
void pvm_role_host_end(struct pvm_world *w, const struct host *h);
/* Has the tasker of its host start T, which is IT of S; without one it ends. */
void pvm_role_start(struct pvm_world *w, const struct spawn *s, const struct item *it,
		    struct task *t);
/* Has the hoster start what of C has no code. False: there is none. */
bool pvm_role_hosts(struct pvm_world *w, const struct host_change *c);
/* What came of what the manager has ordered. */
void pvm_role_added(struct pvm_world *w, const struct host_change *c);
void pvm_role_executed(struct pvm_world *w, const struct spawn *s);

/* world_spawn.c: what the manager T orders for the host of daemon TO */
void pvm_spawn_ordered(struct pvm_world *w, struct task *t, int to, int wid,
		       struct dvmi_reader *r);
/* world_host.c: hosts that the manager T wants */
void pvm_change_asked(struct pvm_world *w, struct task *t, int wid, char **names, uint32_t n);
/* The id by which the hoster is told of host I of C. */
int pvm_change_tid(const struct host_change *c, uint32_t i);
/* The hoster has started (0) or not started host TID of change ID. */
void pvm_change_hosted(struct pvm_world *w, uint32_t id, int tid, int code);
/* It says no more of change ID: what it has not named has failed. */
void pvm_change_unhosted(struct pvm_world *w, uint32_t id);
/* There is no hoster any more: we start what it has not. */
void pvm_changes_unhosted(struct pvm_world *w);

/* Whoever waits for box NAME may find it now. */
void pvm_mbox_look(struct pvm_world *w);

#endif
