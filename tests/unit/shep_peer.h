/* SPDX-License-Identifier: BSD-3-Clause */
/* A rank as a test plays it, at the real dvm-shepherd; the process the shepherd started just waits. */
#ifndef TESTS_UNIT_SHEP_PEER_H
#define TESTS_UNIT_SHEP_PEER_H

#include <stdbool.h>
#include <stdint.h>

#include "libdvm/proto/rank.h"
#include "tests/unit/shep_rig.h"

/* One rank as the test plays it; the process the shepherd started for it just waits. */
struct peer {
	struct rig *r;
	int fd, map_fd, rings_fd;
	int fd_came; /* with the last answer that brought one; the test closes it */
	uint32_t rank;
	size_t bytes;
	const struct dvmi_jobmap *map;
	uint16_t type; /* of the last packet */
	size_t len;
	uint8_t body[DVMI_RANK_PACKET_MAX];
};

/*
 * start: the rig's nodes, with sleeping ranks. dial, hello, join: connect, greet, and both with the map
 * mapped. get: one packet if there is one, type 0 when the other side has closed. expect*: wait for
 * such a packet and skip others.
 */
void peer_start(struct rig *r, size_t nodes, uint32_t ranks);
void peer_put(const struct peer *p, uint16_t version, uint16_t type, const void *body, size_t len);
bool peer_get(struct peer *p);
void peer_expect(struct peer *p, uint16_t type);
void peer_dial(struct peer *p, struct rig *r, size_t node);
void peer_hello(struct peer *p, uint32_t rank);
void peer_join(struct peer *p, struct rig *r, size_t node, uint32_t rank);
void peer_leave(struct peer *p);
const void *peer_at(const struct peer *p, uint64_t off);
int peer_state_of(const struct peer *p, uint32_t rank);
uint32_t peer_bell_of(const struct peer *p, uint32_t local);
void peer_lookup(const struct peer *p, uint32_t rank);
void peer_expect_addr(struct peer *p, uint32_t rank, int code, const char *addr);
void peer_await_state(struct peer *p, uint32_t rank, enum dvmi_rank_state state);
void peer_expect_state(struct peer *p, uint32_t rank, enum dvmi_rank_state state);

#endif
