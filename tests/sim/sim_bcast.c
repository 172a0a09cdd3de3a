/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Seeded runs of many broadcast engines over a simulated network.
 *
 * Of every operation: DONE comes once and by its deadline; a node that lives all the time has its
 * own code and result; nobody is called dead who is not; no code of a node that did not execute;
 * nobody executes twice in one life; at the end nothing is remembered. Nodes die at random moments
 * and, exhaustively for a small tree, at every moment that matters: after each of their inputs,
 * with and without what they had just sent.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/bcast.h"
#include "tests/sim/seeds.h"
#include "tests/sim/simnet.h"

#define NODES_MAX 600
#define NEVER	  UINT64_MAX

struct peer {
	dvmd_bcast_t *b;
	bool crashed;
	bool touched; /* paused, slow or cut: may be missed, but not misjudged */
	unsigned executed;
	bool answered;
	uint64_t exec_op; /* what it works on */
	unsigned depth, inputs;
};

struct sim {
	uint32_t n, k;
	uint64_t time; /* of the operation */
	simnet_t *net;
	struct dvmi_rng rng;
	struct peer peers[NODES_MAX];
	uint64_t op, started, exec_max;
	uint64_t detect; /* membership says DOWN after up to so long; NEVER: it does not */
	/* The exhaustive killer: this node dies at that input, its messages lost or not. */
	uint32_t victim;
	unsigned kill_at;
	bool kill_before_send;
	unsigned done, depth;
	uint64_t done_at;
	char failure[256];
};

static void fail(struct sim *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void fail(struct sim *s, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (s->failure[0])
		return;
	n = snprintf(s->failure, sizeof(s->failure),
		     "at %.3f s: ", (double)(simnet_now(s->net) - s->started) / DVMI_SEC);
	va_start(ap, fmt);
	vsnprintf(s->failure + n, sizeof(s->failure) - (size_t)n, fmt, ap);
	va_end(ap);
}

static uint64_t pick(struct sim *s, uint64_t low, uint64_t high)
{
	return low + dvmi_rng_below(&s->rng, high - low + 1);
}

/* --- nodes --------------------------------------------------------------- */

/* Node ids and positions differ, so that mixing them up is found out. */
static uint32_t id_of(uint32_t node)
{
	return 1000 + 7 * node;
}

static uint32_t node_of(uint32_t id)
{
	return (id - 1000) / 7;
}

static int32_t code_of(uint32_t node)
{
	return node % 5 == 0 ? -(int32_t)node : 0;
}

static void perform(struct sim *s, uint32_t node);

/* NODE has executed what it was told. */
static void executed(void *arg, uint32_t node)
{
	struct sim *s = arg;
	struct peer *p = &s->peers[node];
	char text[16];

	if (p->crashed)
		return;
	int len = node % 3 ? 0 : snprintf(text, sizeof(text), "r%u", node);
	int err = dvmd_bcast_answer(p->b, simnet_now(s->net), id_of(0), s->op, code_of(node), text,
				    (size_t)len);
	p->answered = true;
	if (err < 0 && s->done == 0)
		fail(s, "%u cannot answer: %d", node, err);
	perform(s, node);
}

static void check_status(struct sim *s, uint32_t node, const struct dvmd_bcast_status *st)
{
	const struct peer *p = &s->peers[node];
	char text[16];

	if (st->kind == DVMI_BCAST_CODE) {
		int len = node % 3 ? 0 : snprintf(text, sizeof(text), "r%u", node);
		if (!p->answered || st->code != code_of(node))
			fail(s, "%u has code %d, which it did not say", node, st->code);
		if (st->len != (uint32_t)len || (len && memcmp(st->result, text, st->len)))
			fail(s, "%u has another result than it said", node);
	} else if (!p->crashed && !p->touched) {
		fail(s, "%u lives but is '%s'", node, dvmi_bcast_kind_name(st->kind));
	} else if (st->kind == DVMI_BCAST_DEAD && !p->crashed) {
		fail(s, "%u is called dead", node);
	}
}

static void on_done(struct sim *s, const struct dvmd_bcast_act *act)
{
	uint32_t missing = 0;

	s->done_at = simnet_now(s->net);
	if (s->done++)
		fail(s, "DONE twice");
	if (act->n != s->n || act->op != s->op)
		fail(s, "DONE for %u nodes", act->n);
	for (uint32_t i = 0; i < act->n; i++) {
		struct dvmd_bcast_status st;
		uint32_t id;
		if (dvmd_bcast_done_at(s->peers[0].b, act, i, &id, &st) < 0 || id != id_of(i))
			fail(s, "position %u is of node %u", i, node_of(id));
		check_status(s, i, &st);
		missing += st.kind != DVMI_BCAST_CODE;
	}
	if (missing != act->missing)
		fail(s, "%u missing, told %u", missing, act->missing);
}

static void on_deliver(struct sim *s, uint32_t node, const struct dvmd_bcast_act *act)
{
	if (s->peers[node].executed++)
		fail(s, "%u is to execute twice", node);
	if (act->payload_len != 5 || memcmp(act->payload, "hello", 5))
		fail(s, "%u got another payload", node);
	simnet_call(s->net, simnet_now(s->net) + pick(s, 0, s->exec_max), executed, node);
}

static void act_on(struct sim *s, uint32_t node, const struct dvmd_bcast_act *act)
{
	struct dvmi_buf b = { 0 };

	if (act->type == DVMD_BCAST_DONE) {
		on_done(s, act);
	} else if (act->type == DVMD_BCAST_DELIVER) {
		on_deliver(s, node, act);
	} else {
		if (dvmi_bcast_msg_encode(act->msg, &b) < 0)
			fail(s, "%u sends what does not encode", node);
		simnet_send(s->net, node, node_of(act->node), b.data, b.len);
	}
	dvmi_buf_free(&b);
}

static void crash(void *arg, uint32_t node);

static void perform(struct sim *s, uint32_t node)
{
	struct peer *p = &s->peers[node];
	struct dvmd_bcast_act act;
	bool dies = node == s->victim && ++p->inputs == s->kill_at;

	if (dies && s->kill_before_send) {
		crash(s, node);
		return;
	}
	while (dvmd_bcast_next(p->b, &act))
		act_on(s, node, &act);
	simnet_set_timer(s->net, node, dvmd_bcast_next_deadline(p->b));
	if (dies)
		crash(s, node);
}

static void on_receive(void *arg, uint32_t node, uint32_t from, const uint8_t *p, size_t n)
{
	struct sim *s = arg;
	struct dvmi_bcast_msg msg;

	if (dvmi_bcast_msg_decode(&msg, p, n) < 0) {
		fail(s, "%u cannot decode what %u sent", node, from);
		return;
	}
	if (msg.type == DVMI_BCAST_REQUEST && !s->peers[node].executed) {
		s->peers[node].depth = s->peers[from].depth + 1;
		if (s->peers[node].depth > s->depth)
			s->depth = s->peers[node].depth;
	}
	dvmd_bcast_receive(s->peers[node].b, simnet_now(s->net), id_of(from), &msg);
	perform(s, node);
	dvmi_bcast_msg_free(&msg);
}

static void on_timer(void *arg, uint32_t node)
{
	struct sim *s = arg;

	dvmd_bcast_tick(s->peers[node].b, simnet_now(s->net));
	perform(s, node);
}

static const struct simnet_ops ops = { .receive = on_receive, .timer = on_timer };

/* --- faults -------------------------------------------------------------- */

/* Membership at NODE notices every node that is dead by now. */
static void notice(void *arg, uint32_t node)
{
	struct sim *s = arg;

	if (s->peers[node].crashed)
		return;
	for (uint32_t i = 0; i < s->n; i++) {
		if (!s->peers[i].crashed)
			continue;
		dvmd_bcast_node_down(s->peers[node].b, simnet_now(s->net), id_of(i));
		perform(s, node);
	}
}

static void crash(void *arg, uint32_t node)
{
	struct sim *s = arg;

	if (node == 0 || s->peers[node].crashed)
		return;
	simnet_crash(s->net, node);
	s->peers[node].crashed = true;
	for (uint32_t i = 0; i < s->n && s->detect != NEVER; i++)
		simnet_call(s->net, simnet_now(s->net) + pick(s, s->detect / 2, s->detect), notice,
			    i);
}

static void pause_node(void *arg, uint32_t node)
{
	simnet_pause(((struct sim *)arg)->net, node);
}

static void resume(void *arg, uint32_t node)
{
	simnet_resume(((struct sim *)arg)->net, node);
}

/* --- a run --------------------------------------------------------------- */

struct scene {
	uint32_t n, k;
	uint64_t time, exec_max, detect;
	uint32_t loss;
};

static void start(struct sim *s, uint64_t seed, const struct scene *sc)
{
	struct simnet_conf net = { .seed = seed,
				   .nodes = sc->n,
				   .latency = 100000,
				   .jitter = 2 * DVMI_MSEC,
				   .loss = sc->loss,
				   .tail = 100 };
	struct dvmd_bcast_conf conf;

	*s = (struct sim){ .n = sc->n,
			   .k = sc->k,
			   .time = sc->time,
			   .exec_max = sc->exec_max,
			   .detect = sc->detect,
			   .victim = UINT32_MAX };
	dvmi_rng_seed(&s->rng, ~seed);
	s->net = simnet_create(&net, &ops, s);
	s->started = simnet_now(s->net);
	dvmd_bcast_conf_init(&conf);
	conf.width = sc->k;
	conf.keep = sc->time;
	for (uint32_t i = 0; i < s->n; i++) {
		if (dvmd_bcast_create(&s->peers[i].b, &conf, id_of(i), 100) < 0)
			abort();
	}
}

static void go(struct sim *s)
{
	static uint32_t ids[NODES_MAX];

	for (uint32_t i = 0; i < s->n; i++)
		ids[i] = id_of(i);
	if (dvmd_bcast_start(s->peers[0].b, simnet_now(s->net), ids, s->n, "hello", 5, s->time,
			     &s->op) < 0)
		abort();
	perform(s, 0);
}

static void finish(struct sim *s)
{
	simnet_run(s->net, s->started + s->time);
	if (!s->done)
		fail(s, "no DONE by the deadline");
	simnet_run(s->net, s->started + 5 * s->time);
	for (uint32_t i = 0; i < s->n; i++) {
		if (!s->peers[i].crashed && dvmd_bcast_count(s->peers[i].b) != 0)
			fail(s, "%u still remembers", i);
		dvmd_bcast_destroy(s->peers[i].b);
	}
	simnet_destroy(s->net);
}

static struct scene random_scene(uint64_t seed)
{
	struct dvmi_rng r;

	dvmi_rng_seed(&r, seed + 99);
	return (struct scene){
		.n = 1 + (uint32_t)dvmi_rng_below(&r, dvmi_rng_below(&r, 4) ? 150 : NODES_MAX),
		.k = 2 + (uint32_t)dvmi_rng_below(&r, 7),
		.time = (4 + dvmi_rng_below(&r, 30)) * DVMI_SEC,
		.exec_max = dvmi_rng_below(&r, DVMI_SEC),
		.detect = dvmi_rng_below(&r, 2) ? NEVER : dvmi_rng_below(&r, 10) * DVMI_SEC,
	};
}

/* --- scenarios ----------------------------------------------------------- */

static void calm(struct sim *s, uint64_t seed)
{
	struct scene sc = random_scene(seed);

	start(s, seed, &sc);
	go(s);
	simnet_run(s->net, s->started + s->exec_max + 200 * DVMI_MSEC);
	if (!s->done)
		fail(s, "not done as soon as the last node");
	finish(s);
}

static void lossy(struct sim *s, uint64_t seed)
{
	struct scene sc = random_scene(seed);

	sc.loss = 500;
	start(s, seed, &sc);
	go(s);
	finish(s);
}

/* A third of the nodes dies, from before the start until late. */
static void crashes(struct sim *s, uint64_t seed)
{
	struct scene sc = random_scene(seed);

	start(s, seed, &sc);
	for (uint32_t i = 0; i < s->n / 3; i++)
		simnet_call(s->net,
			    s->started + pick(s, 0, pick(s, 0, 1) ? DVMI_SEC / 50 : s->time / 4),
			    crash, (uint32_t)pick(s, 0, s->n - 1));
	go(s);
	finish(s);
}

/* All that can be in the middle of a small tree die at once. */
static void heads(struct sim *s, uint64_t seed)
{
	struct scene sc = random_scene(seed);

	sc.n = 60 + sc.n % 100;
	start(s, seed, &sc);
	for (uint32_t i = 1; i < s->n; i++) {
		if (i % 2 || pick(s, 0, 3) == 0)
			simnet_call(s->net, s->started + pick(s, 0, 3 * DVMI_MSEC), crash, i);
	}
	go(s);
	finish(s);
}

static void pauses(struct sim *s, uint64_t seed)
{
	struct scene sc = random_scene(seed);

	start(s, seed, &sc);
	for (uint32_t i = 0; i < s->n / 4; i++) {
		uint32_t node = (uint32_t)pick(s, 0, s->n - 1);
		uint64_t at = s->started + pick(s, 0, s->time / 8);
		if (node == 0)
			continue;
		simnet_call(s->net, at, pause_node, node);
		simnet_call(s->net, at + pick(s, 0, s->time / 8), resume, node);
	}
	go(s);
	finish(s);
}

/* Pairs of nodes cannot talk, which no membership tells: only the origin reaches everyone. */
static void cut_pairs(struct sim *s, uint64_t seed)
{
	struct scene sc = random_scene(seed);

	start(s, seed, &sc);
	simnet_cut_pairs(s->net, 2000);
	go(s);
	simnet_run(s->net, s->started + s->time * 7 / 8);
	if (!s->done)
		fail(s, "not done with time to spare");
	finish(s);
}

/* Some nodes take so long that their answers come after the deadline. */
static void slow(struct sim *s, uint64_t seed)
{
	struct scene sc = random_scene(seed);

	sc.exec_max = 2 * sc.time;
	start(s, seed, &sc);
	for (uint32_t i = 0; i < s->n; i++)
		s->peers[i].touched = true;
	go(s);
	finish(s);
}

/* Long enough after a death: everyone else has executed, and the origin knows if it can. */
static void check_recovered(struct sim *s)
{
	for (uint32_t i = 0; i < s->n; i++) {
		if (!s->peers[i].crashed && !s->peers[i].answered)
			fail(s, "%u was not reached in time", i);
	}
	if (s->detect != NEVER && !s->done)
		fail(s, "not done though the death is known");
}

/* Each node of a tree of depth >= 3, after each of its inputs, with and without its last words. */
static void every_moment(struct sim *s, uint64_t seed)
{
	struct scene sc = { .n = 50,
			    .k = 2 + (uint32_t)(seed % 3),
			    .time = 8 * DVMI_SEC,
			    .exec_max = 20 * DVMI_MSEC,
			    .detect = seed % 2 ? NEVER : DVMI_SEC };

	for (uint32_t victim = 1; victim < sc.n; victim++) {
		for (unsigned at = 1; at <= 8; at++) {
			start(s, seed, &sc);
			s->victim = victim;
			s->kill_at = at / 2 + 1;
			s->kill_before_send = at % 2;
			go(s);
			/* Well before the origin's own rescue. */
			simnet_run(s->net, s->started + sc.time * 3 / 8);
			check_recovered(s);
			if (s->depth < 3)
				fail(s, "the tree is only %u deep", s->depth);
			finish(s);
			if (s->failure[0])
				return;
		}
	}
}

/* --- the program --------------------------------------------------------- */

static const struct {
	const char *name;
	void (*run)(struct sim *s, uint64_t seed);
	uint32_t runs;
} scenarios[] = {
	{ "calm: done as soon as the slowest node", calm, 30 },
	{ "one message in twenty is lost", lossy, 30 },
	{ "a third of the nodes dies", crashes, 60 },
	{ "most of the nodes in the middle die at once", heads, 40 },
	{ "pauses up to an eighth of the time", pauses, 30 },
	{ "one pair of nodes in five cannot talk", cut_pairs, 30 },
	{ "answers later than the deadline", slow, 20 },
	{ "one node dies, at every moment", every_moment, 3 },
};

int main(void)
{
	size_t n = sizeof(scenarios) / sizeof(*scenarios);
	uint64_t seed = sim_env("SIM_SEED", 1), times = sim_env("SIM_RUNS", 0);
	const char *only = getenv("SIM_ONLY");
	static struct sim s;
	bool bad = false;

	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("1..%zu\n", n);
	for (size_t i = 0; i < n; i++) {
		uint64_t runs = times ? times : scenarios[i].runs, failed = 0, worst = 0;
		if (only && !strstr(scenarios[i].name, only)) {
			printf("ok %zu # SKIP not in SIM_ONLY\n", i + 1);
			continue;
		}
		for (uint64_t k = 0; k < runs; k++) {
			scenarios[i].run(&s, seed + k);
			if (s.failure[0] && failed++ < 3)
				printf("# SIM_SEED=%" PRIu64 " (%u nodes, k %u, %.0f s): %s\n",
				       seed + k, s.n, s.k, (double)s.time / DVMI_SEC, s.failure);
			uint64_t part = s.done ? (s.done_at - s.started) * 1000 / s.time : 1000;
			if (part > worst)
				worst = part;
		}
		printf("%s %zu - %s (%" PRIu64 " runs, %" PRIu64
		       " failed, slowest at %.2f of its time)\n",
		       failed ? "not ok" : "ok", i + 1, scenarios[i].name, runs, failed,
		       (double)worst / 1000);
		bad |= failed > 0;
	}
	return bad;
}
