/* SPDX-License-Identifier: BSD-3-Clause */
/* Shared by the files of a segment: seg.c (life, faults, what the engine does), seg_wire.c (pages in
 * messages), seg_call.c (what its users ask for). All under the node's lock. */
#ifndef SHM_SEG_PRIVATE_H
#define SHM_SEG_PRIVATE_H

#include <uthash.h>

#include "shm/backing.h"
#include "shm/merge.h"
#include "shm/node_private.h"
#include "shm/stream.h"
#include "shm/trace.h"
#include "shm/walked.h"

/* What is known of a page beside its state; memory exists from the first one set. */
enum {
	SEG_AHEAD = 1,	/* was asked for ahead of time and not touched since */
	SEG_MARK = 2,	/* likewise, and is not given before it is touched */
	SEG_RANDOM = 4, /* advised: no stream */
	SEG_STREAM = 8, /* advised: one at once */
	SEG_KEPT = 16, /* its bytes take memory */
	SEG_TAKEN = 32, /* it was taken away once; more often: struct seg_fight */
	SEG_OLD = 64,	/* it was unmapped to see whether it is touched again, and was not */
};

/* A fault that waits. */
struct seg_wait {
	uint64_t page, since;
	bool told; /* that it takes too long */
	UT_hash_handle hh;
};

/* A page that was taken away, and by whom. */
struct seg_fight {
	uint64_t page;
	uint32_t moves, by;
	UT_hash_handle hh;
};

/* A page that was offered to its home. */
struct seg_put {
	uint64_t page;
	unsigned looks; /* since then */
};

#define SEG_PUTS 64u
#define SEG_OPEN 16u

/* A release that is not over. */
struct seg_flush {
	struct seg_flush *prev, *next;
	uint32_t number;
	_Atomic uint32_t done;
};

/* A record that comes again. */
struct seg_late {
	struct seg_late *prev, *next;
	uint32_t from, len;
	uint8_t bytes[];
};

/* What a segment with release consistency has beside. */
struct seg_rc {
	struct seg_twin_rc *twins;
	uint8_t *base; /* [unit]: what came, with what we had sent in it */
	struct seg_flush *flushes;
	struct seg_late *late;
	uint32_t nlate;
};

struct dsm_seg {
	struct dsm_node *n;
	struct dsm_seg_config c;
	struct dsm *d;	  /* one of them */
	struct dsm_rc *r; /* likewise */
	struct seg_rc rc;
	struct dsm_backing b;
	uint32_t *hosts; /* as in the configuration; or NULL */
	bool one_host;	 /* all nodes have our file */
	uint8_t *marks; /* [pages] */
	struct seg_wait *waits;
	struct dsm_trace *trace;
	struct seg_fight *fights;
	uint32_t nfights;
	struct dsm_streams streams;
	struct seg_twin **twins; /* NULL until there is one */
	struct seg_walk *walks;	 /* seg_walk.c */
	struct seg_walk *next_walk; /* of the page that may be entered; or NULL */
	struct seg_try **tries;
	struct dsm_walk_stats walk;
	uint8_t diff_room[DSM_WALKED_DIFF];
	uint64_t open[SEG_OPEN]; /* pages to which something new leads that cannot be told yet */
	unsigned nopen;
	uint64_t leaves; /* a page that is asked to end, + 1: it does not wait for itself */
	bool again; /* there was such: we have to look once more */
	bool cut;
	bool starved;	   /* there was no memory for a page: on record */
	uint64_t retry_at; /* when it is tried again, or 0 */
	uint64_t claimed; /* pages whose home we have become by writing first */
	uint64_t kept, most, hand; /* pages that take memory, may do so; where we look for one */
	struct seg_put puts[SEG_PUTS];
	unsigned nputs;
	/* The message that is being received. */
	const uint8_t *bytes;
	size_t nbytes;
	enum dsm_wire_form form;
	uint32_t from;
	unsigned part;
	struct dsm_seg_stats stats;
	struct dvmi_hist fault_times;
};

/* Which of the files between several nodes NODE has; 0: one of its own. */
static inline uint32_t dsm_seg_host(const struct dsm_seg *s, uint32_t node)
{
	return s->hosts ? s->hosts[node] : 0;
}

/* NODE has our file: what lies there is there for both. */
static inline bool dsm_seg_together(const struct dsm_seg *s, uint32_t node)
{
	return s->hosts && s->hosts[node] && s->hosts[node] == s->hosts[s->n->c.self];
}

/* ---- seg_wire.c ---- */

void dsm_seg_send(void *seg, uint32_t node, const struct dsm_msg *m);
void dsm_seg_fill(void *seg, uint64_t page);

/* How PAGE goes as it is. TO: as of dsm_backing_bytes(). */
enum dsm_wire_form dsm_seg_form(struct dsm_seg *s, const uint8_t *bytes);
/* Counts a message of LEN bytes that was just put into a packet. */
void dsm_seg_sent(struct dsm_seg *s, size_t len);

/* ---- seg_engine.c: whichever engine it has ---- */

int dsm_seg_make_engine(struct dsm_seg *s);
void dsm_seg_free_engine(struct dsm_seg *s);
bool dsm_seg_allowed(const struct dsm_seg *s, uint64_t page, bool write);
/* As dsm_fault(); AHEAD: nobody has touched it yet. */
int dsm_seg_ask(struct dsm_seg *s, uint64_t page, bool write, bool ahead);
/* What is known of PAGE will not follow from who is its home. 0 or -ENOMEM. */
int dsm_seg_remember(struct dsm_seg *s, uint64_t page);
/* It is being found out who has what. */
bool dsm_seg_settling(const struct dsm_seg *s);
/* Others would miss something of PAGE without us. */
bool dsm_seg_is_needed(const struct dsm_seg *s, uint64_t page);
uint32_t dsm_seg_home_of(const struct dsm_seg *s, uint64_t page);
bool dsm_seg_is_lost(const struct dsm_seg *s, uint64_t page);

/* ---- seg_release.c, seg_release_mem.c: release consistency ---- */

int dsm_seg_rc_make(struct dsm_seg *s);
void dsm_seg_rc_free(struct dsm_seg *s);
void dsm_seg_rc_message(struct dsm_seg *s, uint32_t from, const struct dsm_wire_record *r);
void dsm_seg_rc_view(struct dsm_seg *s, uint32_t epoch, const bool *alive);
/* Nobody waits for a release any more. */
void dsm_seg_rc_cut(struct dsm_seg *s);

/* Changes of part of a page, as bytes. */
struct seg_changes {
	size_t len;
	const uint8_t *bytes;
};

size_t dsm_seg_part_len(const struct dsm_seg *s);
/* What has changed in PART of PAGE, written to ROOM. */
size_t dsm_seg_rc_changes(struct dsm_seg *s, uint64_t page, unsigned part, uint8_t *room);
bool dsm_seg_rc_changed(void *seg, uint64_t page, unsigned part);
/* PAGE without what was written here and not released, as far as there is a twin. */
const uint8_t *dsm_seg_rc_released(const struct dsm_seg *s, uint64_t page);
bool dsm_seg_rc_twin(void *seg, uint64_t page);
void dsm_seg_rc_untwin(void *seg, uint64_t page);
void dsm_seg_rc_untwin_all(struct dsm_seg *s);
void dsm_seg_rc_fill(void *seg, uint64_t page);
/* Makes C in PART of what is kept of PAGE, and in its twin. */
void dsm_seg_rc_apply(struct dsm_seg *s, uint64_t page, unsigned part, struct seg_changes c);

/* ---- seg_room.c ---- */

void dsm_seg_keep(struct dsm_seg *s, uint64_t page);
/* What is kept of PAGE, which is not mapped, takes no memory any more. */
void dsm_seg_release_bytes(struct dsm_seg *s, uint64_t page);
/* Homes have moved. */
void dsm_seg_count_kept(struct dsm_seg *s);
/* PAGE is given up, if that can be. 0; -EAGAIN: it may be gone soon; -ENOENT: it stays. */
int dsm_seg_give_up(struct dsm_seg *s, uint64_t page);
/* Gives up some pages where there are more than there may be. */
void dsm_seg_make_room(struct dsm_seg *s);

/* ---- seg_twin.c ---- */

/* PAGE will be written from now on; its bytes are still those of the version before. */
void dsm_seg_twin(struct dsm_seg *s, uint64_t page);
/* What PAGE was in VERSION, or NULL. */
const uint8_t *dsm_seg_twin_of(struct dsm_seg *s, uint64_t page, uint64_t version);
void dsm_seg_twins_free(struct dsm_seg *s);

/* ---- seg_walk.c ---- */

extern const struct dsm_walk_ops dsm_seg_walk_ops;
/* PAGE has come, to be written. */
void dsm_seg_walk_came(struct dsm_seg *s, uint64_t page);
/* What all have agreed on of PAGE. */
const uint8_t *dsm_seg_walk_base(const struct dsm_seg *s, uint64_t page);
void dsm_seg_walk_view(struct dsm_seg *s);
void dsm_seg_walk_free(struct dsm_seg *s);

/* ---- seg_slow.c: faults that take long ---- */

/* Something has happened to PAGE; of a message: M. */
void dsm_seg_trace(struct dsm_seg *s, enum dsm_trace_what what, uint64_t page, uint32_t node,
		   const struct dsm_msg *m);
/* The fault W is over. */
void dsm_seg_trace_over(struct dsm_seg *s, const struct seg_wait *w, uint64_t now);
/* Now and then: faults that go on. */
void dsm_seg_trace_look(struct dsm_seg *s);

/* ---- seg.c ---- */

/* What the engines do to pages; SEG is a struct dsm_seg. */
void dsm_seg_op_install(void *seg, uint64_t page, bool write);
void dsm_seg_op_protect(void *seg, uint64_t page);
void dsm_seg_op_drop(void *seg, uint64_t page);
void dsm_seg_op_poison(void *seg, uint64_t page);
/* It has been taken away from here before. */
bool dsm_seg_is_fought(const struct dsm_seg *s, uint64_t page);
/* A fault at PAGE is under way. */
bool dsm_seg_waits(const struct dsm_seg *s, uint64_t page);
/* PAGE is wanted; what follows is asked for, too. */
void dsm_seg_want(struct dsm_seg *s, uint64_t page, bool write);
/* Asks for [FIRST, FIRST + COUNT) ahead of time; the page MARK is not given at once. */
void dsm_seg_ahead(struct dsm_seg *s, const struct dsm_ahead *a, bool write);

#endif
