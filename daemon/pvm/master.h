/* SPDX-License-Identifier: BSD-3-Clause */
/* Between the files of the master: what it has the machine do. */
#ifndef PVM_MASTER_H
#define PVM_MASTER_H

#include "daemon/pvm/agent.h"

enum pvm_work_kind {
	PVM_WORK_SPAWN,	 /* tasks */
	PVM_WORK_AGENTS, /* on nodes that have none */
	PVM_WORK_HOST,	 /* a host that is to be a node */
};

/* What a thread does, then what came of it. Everything is its own. */
struct pvm_work {
	struct agent *a;
	enum pvm_work_kind kind;
	uint32_t id; /* the engine's */
	char **argv, **env;
	char *hosts;
	uint32_t count;
	bool here; /* the host is a node already */
	int code;
	uint64_t job;
	dvm_group_t *group;
};

/* A job that was spawned, while it lasts. */
struct pvm_job {
	uint64_t job;
	uint32_t spawn;
	struct pvm_job *next;
};

/* A host that was added and has no agent yet. */
struct pvm_expected {
	uint32_t id;
	char *name;
	struct pvm_expected *next;
};

/* master.c */
struct pvm_work *pvm_work_new(struct agent *a, enum pvm_work_kind kind, uint32_t id);
void pvm_work_free(struct pvm_work *w);
/* What came of W, whose work is done; frees it. */
void pvm_work_done(struct pvm_work *w);
/* 0 or -E…; then W is still the caller's. */
int pvm_work_start(struct pvm_work *w);

/* hosting.c: the hoster is asked; who does not answer for long is waited for no more */
void pvm_master_hosting(void *arg);

/* machine.c */
/* By a thread: carries W out. */
void pvm_work_do(struct pvm_work *w);
void pvm_master_spawn(void *arg, const struct pvm_order *order);
const char *pvm_master_host_command(void *arg);
void pvm_master_change_host(void *arg, uint32_t id, bool add, const char *name);
/* Agents for all other nodes there are; waits for them. */
void pvm_master_begin_agents(struct agent *a);
/* Host NAME, which change ID has added, counts from its agent's hello on; that has come. */
void pvm_master_expect(struct agent *a, uint32_t id, const char *name);
void pvm_master_met(struct agent *a, const char *name);
void pvm_master_missed(struct agent *a, const char *hosts);
void pvm_master_forget(struct agent *a, struct pvm_expected *e);
/* Those who have said hello while the first agents were gathered. */
uint32_t pvm_master_early(const struct agent *a);
void pvm_master_welcome_early(struct agent *a);
void pvm_master_added(struct agent *a, struct pvm_work *w);
/* The agent of host NAME; NULL: it is ours. */
struct pvm_link *pvm_master_link(const struct agent *a, const char *name);

#endif
