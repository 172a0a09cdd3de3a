/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What travels between nodes of shared memory. A packet is a row of records; a record has a head,
 * a body, and what fills it up to 8 bytes. The body of a coherence message is fixed and may be
 * followed by the bytes of its page, in one of several forms. Little-endian; every decoder checks.
 * Pure.
 */
#ifndef SHM_WIRE_H
#define SHM_WIRE_H

#include "shm/protocol.h"
#include "shm/release.h"

/* Whose a record is: services of dsm.h from 0 on, and ours. */
enum dsm_wire_service {
	DSM_WIRE_PAGES = 64, /* struct dsm_wire_page and bytes */
	DSM_WIRE_VIEW = 65,  /* struct dsm_wire_view and a bit per node: who is gone */
	DSM_WIRE_STALE = 66, /* struct dsm_wire_view: yours is older than mine */
	DSM_WIRE_RELEASE = 67, /* struct dsm_wire_rc and bytes */
	DSM_WIRE_HOMES = 69, /* all moves of homes, before the view that has them: node_homes.c */
	DSM_WIRE_MOVE = 70,  /* one that is asked for */
	DSM_WIRE_WHY = 71,   /* struct dsm_wire_why: somebody waits too long for a page */
	DSM_WIRE_END = 68, /* the number of a segment, 4 bytes: it is ended */
	DSM_WIRE_LEAVE = 72, /* the number of a node, 4 bytes: it has given up */
};

struct dsm_wire_head {
	uint32_t len; /* of the body */
	uint8_t service;
	uint8_t reserved[3]; /* 0 */
};

/* In which form a page's bytes follow. */
enum dsm_wire_form {
	DSM_FORM_NONE = 0,
	DSM_FORM_RAW = 1,
	DSM_FORM_ZERO = 2, /* all zero: nothing follows */
	DSM_FORM_DIFF = 3, /* diff.h, from what the receiver keeps */
	DSM_FORM_CHANGES = 4, /* merge.h, of a part */
	DSM_FORM_HERE = 5, /* in the file that both have: nothing follows */
};

struct dsm_wire_page {
	uint32_t segment;
	uint8_t kind, flags, state, form;
	uint16_t node, acks;
	uint32_t epoch;
	uint64_t page, version;
};

struct dsm_wire_rc {
	uint32_t segment;
	uint8_t kind, flags, form, part;
	uint16_t node, reserved;
	uint32_t epoch, flush, reserved2;
	uint64_t page, version, sharers;
};

struct dsm_wire_view {
	uint32_t epoch, nodes;
};

struct dsm_wire_why {
	uint32_t segment, reserved;
	uint64_t page;
};

_Static_assert(sizeof(struct dsm_wire_why) == 16, "wire format");
_Static_assert(sizeof(struct dsm_wire_head) == 8, "wire format");
_Static_assert(sizeof(struct dsm_wire_page) == 32, "wire format");
_Static_assert(sizeof(struct dsm_wire_rc) == 48, "wire format");
_Static_assert(sizeof(struct dsm_wire_view) == 8, "wire format");

/* Bytes that a record with a body of LEN bytes takes. */
static inline size_t dsm_wire_room(size_t len)
{
	return sizeof(struct dsm_wire_head) + (len + 7) / 8 * 8;
}

/* Writes the head of a record at TO and clears what fills it up; returns where its body goes. */
void *dsm_wire_record(void *to, unsigned service, size_t len);

/* A record in a packet. */
struct dsm_wire_record {
	unsigned service;
	const uint8_t *body;
	uint32_t len;
};

/* The record at *AT of the packet of N bytes at P; *AT moves on. 1; 0 at the end; -DVM_EPROTO. */
int dsm_wire_next(const void *p, size_t n, size_t *at, struct dsm_wire_record *r);

void dsm_wire_put_page(void *to, uint32_t segment, const struct dsm_msg *m,
		       enum dsm_wire_form form);
/* 0 or -DVM_EPROTO. Bytes, if any, are what follows in R. */
int dsm_wire_get_page(const struct dsm_wire_record *r, struct dsm_msg *m, enum dsm_wire_form *form);
/* The same of release consistency. */
void dsm_wire_put_rc(void *to, uint32_t segment, const struct dsm_rc_msg *m,
		     enum dsm_wire_form form);
int dsm_wire_get_rc(const struct dsm_wire_record *r, struct dsm_rc_msg *m,
		    enum dsm_wire_form *form);
/* The segment of a record of either, or UINT32_MAX. */
uint32_t dsm_wire_segment(const struct dsm_wire_record *r);

/* A view with GONE[nodes] at TO, which has room for dsm_wire_view_len(). */
size_t dsm_wire_view_len(uint32_t nodes);
void dsm_wire_put_view(void *to, uint32_t epoch, const bool *gone, uint32_t nodes);
/* 0 or -DVM_EPROTO: it is not one of NODES nodes. */
int dsm_wire_get_view(const struct dsm_wire_record *r, uint32_t nodes, uint32_t *epoch, bool *gone);

#endif
