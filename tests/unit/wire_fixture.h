/* SPDX-License-Identifier: BSD-3-Clause */
/* Nodes with a transport each, in one process and one loop, on 127.0.7.x and the kernel's ports. */
#ifndef TESTS_UNIT_WIRE_FIXTURE_H
#define TESTS_UNIT_WIRE_FIXTURE_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "daemon/transport.h"
#include "libdvm/base/clock.h"
#include "tests/unit/cm.h"

#define PATIENCE (20 * DVMI_SEC)

struct node {
	uint32_t id;
	char address[48];
	uint16_t port;
	uint8_t pk[32], sk[32];
	struct dvmd_transport *t;
	/* how it behaves */
	uint64_t idle_ns;
	bool mute; /* does not answer */
	bool halt; /* destroys its transport inside the callback */
	/* what it has received */
	unsigned messages;
	uint32_t from, last_value;
	uint16_t last_type;
	size_t last_len;
	bool from_token, out_of_order;
	struct dvmd_reply_to last_reply;
};

/* Of this process. */
int open_descriptors(void);

/* What a request came to. */
struct answer {
	int code, calls;
	uint16_t type;
	char text[128];
	size_t len;
};

extern uv_loop_t *loop; /* of the test that runs */

int wire_set_up(void **state);
/* Fails unless every handle has gone from the loop. */
int wire_tear_down(void **state);

void node_make(struct node *n, uint32_t id); /* a fresh key, and starts it */
void node_start(struct node *n);
void node_stop(struct node *n);
/* A accepts B and can send to it. */
void node_knows(struct node *a, const struct node *b);
void node_introduce(struct node *a, struct node *b);
struct dvmd_transport_stats node_stats(const struct node *n);

/* Turns the loop until DONE(ARG); false when the patience is over. */
bool wait_until(bool (*done)(void *), void *arg);
/* Turns the loop for so long: only to see that something does not happen. */
void turn_for(uint64_t ns);

void on_answer(int code, const char *text, uint16_t type, const uint8_t *body, size_t len,
	       void *arg);
bool answered(void *arg);
/* A request, and its outcome. */
struct answer ask(struct node *a, uint32_t id, uint16_t type, uint64_t timeout_ns);

/* A TCP socket that listens on ADDRESS and any port, which is stored. Nonblocking. */
int tcp_listener(const char *address, uint16_t *port);
int tcp_connect(const struct node *n);
/* A plain client: the daemon never waits in these. True when the other end has closed it. */
bool tcp_closed(int fd);

#endif
