/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What happened to the pages of a segment lately, and to the slowest fault: a ring of events, from
 * which those of one page are picked when a fault has taken long. A fault that goes on is watched:
 * its events are kept from then on, whatever else happens. Pure.
 */
#ifndef SHM_TRACE_H
#define SHM_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DSM_TRACE_RING 1024 /* events, a power of two */
#define DSM_SLOW_MAX   32   /* events of a fault */

enum dsm_trace_what {
	DSM_TRACE_FAULT = 1,
	DSM_TRACE_SENT, /* a message of the page; NODE: to whom */
	DSM_TRACE_CAME,
	DSM_TRACE_MAPPED, /* NODE: 1, to be written */
	DSM_TRACE_PROTECTED,
	DSM_TRACE_DROPPED,
	DSM_TRACE_SHUT, /* any page: what this node tells waits for differences */
	DSM_TRACE_OPEN,
};

struct dsm_event {
	uint64_t at, page; /* ns */
	uint16_t node;
	uint8_t what; /* enum dsm_trace_what */
	uint8_t kind, flags; /* of a message */
};

/* A fault: what happened to its page meanwhile, the last of it if that was too much. */
struct dsm_slow {
	uint64_t page, since, ns; /* ns 0: it is not over, or there was none */
	uint32_t n, skipped;
	struct dsm_event events[DSM_SLOW_MAX];
};

struct dsm_trace {
	struct dsm_event ring[DSM_TRACE_RING];
	uint64_t next;
	bool watching;
	struct dsm_slow watched, slowest;
};

void dsm_trace_add(struct dsm_trace *t, const struct dsm_event *e);

/* The fault of PAGE that began at SINCE goes on; one at a time is watched. */
void dsm_trace_watch(struct dsm_trace *t, uint64_t page, uint64_t since);

/* It is over. True: it was the slowest one, which t->slowest is now. */
bool dsm_trace_over(struct dsm_trace *t, uint64_t page, uint64_t since, uint64_t now);

/* Writes S in one line of text; what does not fit is left out. Its length. */
size_t dsm_slow_text(const struct dsm_slow *s, char *out, size_t room);

#endif
