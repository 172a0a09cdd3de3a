/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A network of simulated nodes in one process: a heap of events in simulated time.
 *
 * The same seed gives the same run. Messages take a random time (so they overtake each other) and
 * may get lost; nodes can crash, restart, be paused (what reaches them waits) or be busy (they
 * only get to run now and then); links between groups can be cut. What a node does is up to the
 * callbacks; the simulator knows bytes only, so each message passes its codec.
 */
#ifndef TESTS_SIM_SIMNET_H
#define TESTS_SIM_SIMNET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "libdvm/base/clock.h"
#include "libdvm/base/rng.h"

#define SIMNET_NEVER UINT64_MAX

struct simnet_conf {
	uint64_t seed;
	uint32_t nodes;		  /* 0 … nodes - 1 */
	uint64_t latency, jitter; /* ns; a message takes latency + [0, jitter) */
	uint32_t loss;		  /* of 10000 messages */
	uint32_t tail;		  /* of 10000 messages take 10 * (latency + jitter) more */
	uint64_t cost; /* ns a node spends on each message it sends, one after the other */
};

struct simnet_ops {
	void (*receive)(void *arg, uint32_t node, uint32_t from, const uint8_t *p, size_t n);
	void (*timer)(void *arg, uint32_t node);
};

typedef struct simnet simnet_t;
typedef void simnet_call_fn(void *arg, uint32_t node);

/* Aborts when out of memory: this is a test. */
simnet_t *simnet_create(const struct simnet_conf *conf, const struct simnet_ops *ops, void *arg);
void simnet_destroy(simnet_t *s);

uint64_t simnet_now(const simnet_t *s);
struct dvmi_rng *simnet_rng(simnet_t *s);

/* Copies the N bytes at P. */
void simnet_send(simnet_t *s, uint32_t from, uint32_t to, const void *p, size_t n);
/* The one timer of NODE; replaces the time set before. */
void simnet_set_timer(simnet_t *s, uint32_t node, uint64_t at);
/* Runs FN(arg, node) at AT: what the scenario does. */
void simnet_call(simnet_t *s, uint64_t at, simnet_call_fn *fn, uint32_t node);

/* One event. False when there is none before UNTIL; then it is UNTIL. */
bool simnet_step(simnet_t *s, uint64_t until);
void simnet_run(simnet_t *s, uint64_t until);

/* A crashed node has no timer and loses what reaches it, until it is restarted. */
void simnet_crash(simnet_t *s, uint32_t node);
void simnet_restart(simnet_t *s, uint32_t node);
bool simnet_crashed(const simnet_t *s, uint32_t node);
void simnet_pause(simnet_t *s, uint32_t node);
void simnet_resume(simnet_t *s, uint32_t node);
/* From now on NODE gets to run after up to DELAY each time there is something to do; 0: at once. */
void simnet_busy(simnet_t *s, uint32_t node, uint64_t delay);
/* Messages pass within a group only. All nodes start in group 0. */
void simnet_set_group(simnet_t *s, uint32_t node, uint32_t group);
/* Of 10000 pairs of nodes so many cannot talk to each other, for good; node 0 is in none of them.
 */
void simnet_cut_pairs(simnet_t *s, uint32_t of10000);

struct simnet_count {
	uint64_t msgs, bytes; /* sent */
};
struct simnet_count simnet_sent(const simnet_t *s, uint32_t node);
struct simnet_count simnet_sent_all(const simnet_t *s);
uint64_t simnet_events(const simnet_t *s);

#endif
