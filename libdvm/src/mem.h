/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Segments of a handle: doc/design/0017-segments.md. A domain is the shared memory of a group: its
 * node of the coherence protocol, made with the first segment that needs one. The list of segments
 * and the domains are under the handle's lock; the memory itself is not.
 */
#ifndef DVMI_SRC_MEM_H
#define DVMI_SRC_MEM_H

#include "dvm/mem.h"
#include "libdvm/src/handle.h"
#include "shm/dsm.h"

struct dvmi_seg_domain {
	struct dvmi_seg_domain *next;
	dvm_group_t *g;
	struct dsm_mesh *mesh; /* NULL: all ranks are on one node, no segment needed more */
	struct dsm_node *node;
	uint32_t seq;	  /* of the next segment, which has what is left modulo DSM_SEGS as its number */
	uint64_t next_at; /* where the next one may lie */
	uint32_t users;	  /* segments */
	struct dsm_syncer *sync; /* of node */
};

/* A segment; handles of it count in attached. */
struct dvm_seg {
	struct dvm_seg *next;
	dvm_t *d;
	struct dvmi_seg_domain *dom;
	dvm_seg_config_t c; /* name and home_ranks are not valid */
	char name[DVM_SEG_NAME_MAX];
	int *home_ranks;
	uint32_t id, attached;
	uint64_t pages;
	struct dsm_seg *seg; /* NULL: plain memory */
	int file;	     /* of plain memory */
	void *base;
	struct dvmi_rank_seg *shown; /* NULL: nobody is told */
	uint32_t number;	     /* in the name of its file */
	void *control; /* of plain memory: bytes behind it for locks, all zero at first */
	struct dsm_syncer *sync; /* of plain memory; others have their domain's */
};

/* All of a handle: NULL until there is one. */
struct dvmi_segments {
	struct dvm_seg *segs;
	struct dvmi_seg_domain *domains;
	uint32_t numbers; /* of segments that are shown */
	int uffd_dev; /* /dev/userfaultfd from the shepherd, or -1 */
};

/* ---- mem_domain.c ---- */

struct dvmi_segments *dvmi_seg_of(dvm_t *d); /* NULL without memory */
/* The domain of G; NULL without memory. */
struct dvmi_seg_domain *dvmi_seg_domain(dvm_group_t *g);
/* Its node is there afterwards. Collective. */
int dvmi_seg_connect(struct dvmi_seg_domain *m);
/* One segment less. */
void dvmi_seg_domain_put(struct dvmi_seg_domain *m);
/*
 * Who waits for messages works for segments, too, of which D has some: nobody needs to be woken for
 * that then. STAYS: and will go on. The number of events.
 */
int dvmi_seg_help(dvm_t *d, bool stays);
/* It sleeps now, or does not any more. */
void dvmi_seg_doze(dvm_t *d, bool on);
/* How often threads of the library have had their turns, all together. */
uint32_t dvmi_seg_turns(const dvm_t *d);
/* Everything of D, without its other ranks. */
void dvmi_seg_fini(dvm_t *d);
/* Asks the shepherd for what the kernel keeps for root. 0 or -E…. */
int dvmi_seg_ask_uffd(dvm_t *d);
/* That, for another user: the caller's to close, or -EPERM. */
int dvmi_seg_open_uffd(const dvm_t *d);
/* All ranks of G give EACH bytes. */
int dvmi_seg_exchange(void *group, const void *mine, void *all, size_t each);
/* What the shepherds say of rank NODE of a domain; they see processes end and nodes go. Any thread. */
bool dvmi_seg_dead(void *domain, uint32_t node);

/* ---- mem_place.c: where a segment lies, and whether there is memory ---- */

/* An address that is free at all ranks, reserved there; collective. -EADDRINUSE. */
int dvmi_seg_place(dvm_seg_t *s, dvm_error_t *err);
/* BYTES at AT, which nobody else gets then; NULL: something is there. */
void *dvmi_seg_reserve(uint64_t at, uint64_t bytes);
/* Bytes of address space: the segment, and what is behind it. */
uint64_t dvmi_seg_whole(const dvm_seg_t *s);
/* The nodes of the group have memory for BYTES together (PLAIN: this one); collective. -ENOMEM. */
int dvmi_seg_room(dvm_group_t *g, uint64_t bytes, bool plain, dvm_error_t *err);
/* The home of a page at first; SEG is a dvm_seg_t. */
uint32_t dvmi_seg_home(void *seg, uint64_t page);

/* ---- mem_share.c: one file for the ranks of a node ---- */

/*
 * Collective. *FILE: for S, of this node's ranks, the caller's to close, or -1: there is none. HOSTS
 * [ranks of the group]: the same number for those that share one, 0 for who does not. ROOM: bytes that
 * this rank may take, 0: any. 0 or -E….
 */
int dvmi_seg_one_file(dvm_seg_t *s, uint64_t room, uint32_t *hosts, int *file);

/* ---- mem_plain.c: one node ---- */

/* Makes S of memory that the ranks of this node share; collective. 0 or -E…, the same at all. */
int dvmi_seg_plain(dvm_seg_t *s);
/* Maps what is there at its place. */
int dvmi_seg_plain_map(dvm_seg_t *s);
void dvmi_seg_plain_unmap(dvm_seg_t *s);

/* ---- mem_status.c: what the command line sees ---- */

/* S is shown, its figures not yet; without that it works, too. */
void dvmi_seg_show(dvm_seg_t *s);
void dvmi_seg_hide(dvm_seg_t *s);
/* Where it is said that S shall end, or NULL. */
struct dsm_seg_end *dvmi_seg_ending(dvm_seg_t *s);
/* Where the figures go, or NULL. */
struct dsm_seg_stats *dvmi_seg_figures(dvm_seg_t *s);

/* ---- mem_create.c ---- */

/* Its memory goes, and what is known of it. */
void dvmi_seg_free(dvm_seg_t *s);

#endif
