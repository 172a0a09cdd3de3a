/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ranks of a group as nodes of shm/dsm.h, for a program that brings segments of its own: the
 * monitors of a guest. Unlike segments of dvm/mem.h, what a death means is the program's to say.
 */
#ifndef DVMI_SRC_DOMAIN_H
#define DVMI_SRC_DOMAIN_H

#include "dvm/group.h"
#include "libdvm/base/clock.h"
#include "shm/dsm.h"

struct dvmi_domain; /* incomplete */

struct dvmi_domain_config {
	uint64_t salt; /* not 0; another one for each domain of the group */
	uint64_t spin; /* of the node */
	bool urgent;   /* likewise */
	struct dvmi_log *log;
	/* NODE (a rank of the group) has ended, or LIVES and cannot be reached any more; called until it
	 * returns true: then the nodes agree that it is gone. Locked, as in shm/dsm.h. */
	bool (*dead)(void *arg, uint32_t node, bool lives);
	/* The others go on without us; as in shm/dsm.h. */
	void (*out)(void *arg);
	void *arg;
};

/* Collective. 0, or -E…, which need not be the same everywhere. */
int dvmi_domain_create(struct dvmi_domain **out, dvm_group_t *g,
		       const struct dvmi_domain_config *config);
struct dsm_node *dvmi_domain_node(struct dvmi_domain *m);
/* After a segment has failed by -EPERM: asks the shepherd, who may; 0: try again. */
int dvmi_domain_ask(struct dvmi_domain *m);
/* Its segments are gone, nobody needs them any more. NULL is accepted. */
void dvmi_domain_destroy(struct dvmi_domain *m);

/*
 * ns for which word that a rank is dead may take, with half as long again to be sure: who cannot be reached
 * for longer lives. FAILURE_TIMEOUT: of the machine, 0: not known.
 */
static inline uint64_t dvmi_seg_patience(uint64_t failure_timeout)
{
	uint64_t least = 10 * DVMI_SEC, p = failure_timeout + failure_timeout / 2;

	return p > least ? p : least;
}

/* The links among the ranks of G; for who makes a node over them. Collective. */
int dvmi_domain_mesh(struct dsm_mesh **out, dvm_group_t *g, uint64_t salt);
/*
 * Bytes that a segment of G may take at this rank beside the HOME bytes that it, like the others of
 * its node, is home to: $DVM_SHM_MEMORY, else a share of what is free.
 */
uint64_t dvmi_seg_share(dvm_group_t *g, uint64_t home);
/* Bytes that the kernel and the control groups still give to this process; UINT64_MAX: not known. */
uint64_t dvmi_mem_free(void);
/* What the shepherds say of RANK of G: they see processes end and nodes go. Any thread. */
bool dvmi_domain_dead(const dvm_group_t *g, uint32_t rank);

#endif
