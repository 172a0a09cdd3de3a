/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The world: all that is one for a user's virtual machine. Hosts, tasks, groups, mailboxes,
 * contexts, and who wants to be told of what. A pure engine, in the master agent: it is told what
 * tasks ask and what has happened, and calls back with what is to be sent. No clock, no sockets.
 */
#ifndef PVM_WORLD_H
#define PVM_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "libdvm/base/buf.h"
#include "libdvm/proto/pvm.h"

#define PVM_HOSTS_MAX 4095 /* what 12 bits of a task's id can name */

/* Where output or traces of tasks go. */
struct pvm_where {
	int tid, tag, ctx;
};

/* What is to be started. Strings live during the call. */
struct pvm_order {
	uint32_t id;	    /* of the spawn */
	const char *nonce;
	uint32_t count;
	const char *hosts;  /* names, with commas; never "" */
	const char *wdir;   /* seen from where a host has tasks begin; "": just there */
	const char *const *argv; /* the program as it was named, and its arguments; ended by NULL */
	const char *const *env;	 /* what was exported; ended by NULL */
	bool collect;	    /* its output is wanted */
};

/* What the engine wants done. */
struct pvm_world_ops {
	/* A frame for task TID. */
	void (*to_task)(void *arg, int tid, uint16_t type, uint32_t id, int code,
			const struct dvmi_buf *body);
	/* A frame for the agent of host HOST. */
	void (*to_agent)(void *arg, uint32_t host, uint16_t type, uint32_t id, int code,
			 const struct dvmi_buf *body);
	/* Starts tasks; pvm_world_spawned() follows, now or later. */
	void (*spawn)(void *arg, const struct pvm_order *order);
	/* Adds or removes the host NAME; pvm_world_hosts_done() with ID follows. */
	void (*change_host)(void *arg, uint32_t id, bool add, const char *name);
	/* What is run on a host to see whether it can be added, as the hoster is told. */
	const char *(*host_command)(void *arg);
	/* The hoster was asked: pvm_world_hosts_late() is to be called now and then. */
	void (*hosting)(void *arg);
	/* The machine is to end. */
	void (*halt)(void *arg);
	/* The last task has ended. */
	void (*idle)(void *arg);
};

struct pvm_world;

int pvm_world_create(struct pvm_world **out, const struct pvm_world_ops *ops, void *arg);
void pvm_world_destroy(struct pvm_world *w);

/* Node NAME is there, with an agent. Its index, from 1; or a Pvm… code. */
int pvm_world_host_up(struct pvm_world *w, const char *name);
/* It is gone, and all that was there. */
void pvm_world_host_down(struct pvm_world *w, const char *name);
/* The same for host INDEX; nothing where it has gone already and NAME is another one by now. */
void pvm_world_host_lost(struct pvm_world *w, uint32_t index);
bool pvm_world_host_is_up(const struct pvm_world *w, uint32_t index);
bool pvm_world_has_host(const struct pvm_world *w, const char *name);
/* The name of host INDEX, or NULL. */
const char *pvm_world_host_name(const struct pvm_world *w, uint32_t index);

/* Task TID asks. */
void pvm_world_ask(struct pvm_world *w, int tid, uint16_t type, uint32_t id, struct dvmi_reader *r);
/* A process of HOST wants to be a task, as RANK; answered to the agent under ID. */
void pvm_world_enrol(struct pvm_world *w, uint32_t host, uint32_t id, uint32_t rank, int pid,
		     const char *token);
/* What was started at HOST is ready to become its program (code 0), or cannot. */
void pvm_world_ready(struct pvm_world *w, uint32_t host, uint32_t spawn, uint32_t index,
		     const char *nonce, int code, uint32_t rank, int pid);
/*
 * What will become ready next is left to the tasker of HOST: the file of its program, and with which
 * place and socket it becomes a task.
 */
void pvm_world_ready_path(struct pvm_world *w, uint32_t host, uint32_t spawn, uint32_t index,
			  const char *nonce, const char *path, const char *socket, uint32_t slot);
/* The order to spawn was carried out (0), or not (a Pvm… code): what has not said READY will not. */
void pvm_world_spawned(struct pvm_world *w, uint32_t spawn, int code);
/* No more of SPAWN will come: what has not said READY by now never will. */
void pvm_world_spawn_over(struct pvm_world *w, uint32_t spawn);
/* Rank RANK of HOST is no task any more. */
void pvm_world_exit(struct pvm_world *w, uint32_t host, uint32_t rank, bool closed);
/* It has printed N bytes of TEXT; 0: that was all. */
void pvm_world_output(struct pvm_world *w, uint32_t host, uint32_t rank, const void *text,
		      uint32_t n);
/* A change of hosts is done: CODE is 0 or Pvm…. */
void pvm_world_hosts_done(struct pvm_world *w, uint32_t id, int code);
/*
 * Hosts for which the hoster had been asked at the call before this one will not come: it does not
 * answer. Whether it is still being waited for.
 */
bool pvm_world_hosts_late(struct pvm_world *w);

#endif
