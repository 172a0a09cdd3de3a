/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Seeded runs of many membership engines over a simulated network.
 *
 * Each scenario is one TAP line over SIM_RUNS seeds, from SIM_SEED on. Watched after every step:
 * nobody is called dead (or gone) without a reason, each engine's numbers agree with each other. At
 * set times: every crash is known to all within the failure timeout, and after trouble all agree.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/member.h"
#include "tests/sim/seeds.h"
#include "tests/sim/simnet.h"

#define NODES_MAX 160

struct peer {
	dvmd_member_t *m;
	uint32_t life;
	uint32_t group;
	bool crashed, left;
	bool excused; /* may be called dead: paused beyond the limit, or just back */
	bool slow;    /* is held up itself: may learn late */
	uint64_t crashed_at, born;
};

struct sim {
	uint64_t seed, f; /* f: failure timeout */
	uint32_t n;
	simnet_t *net;
	struct dvmi_rng rng; /* of the scenario; the network has its own */
	struct dvmd_member_conf conf;
	struct peer peers[NODES_MAX];
	uint64_t cut_until; /* nodes of other groups are excused */
	uint64_t worst;	    /* longest time from a crash to the last node's DOWN */
	uint64_t agreed;    /* longest time to agreement */
	unsigned downs, suspects;
	char failure[256];
};

static void fail(struct sim *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void fail(struct sim *s, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (s->failure[0])
		return; /* the first one counts */
	n = snprintf(s->failure, sizeof(s->failure),
		     "at %.3f s: ", (double)(simnet_now(s->net) - DVMI_SEC) / DVMI_SEC);
	va_start(ap, fmt);
	vsnprintf(s->failure + n, sizeof(s->failure) - (size_t)n, fmt, ap);
	va_end(ap);
}

static uint64_t pick(struct sim *s, uint64_t low, uint64_t high)
{
	return low + dvmi_rng_below(&s->rng, high - low + 1);
}

/* --- nodes --------------------------------------------------------------- */

static void on_event(struct sim *s, uint32_t node, const struct dvmd_member_act *act)
{
	const struct peer *a = &s->peers[node], *b = &s->peers[act->node];
	bool apart = a->group != b->group || simnet_now(s->net) < s->cut_until;

	if (act->event == DVMD_MEMBER_SUSPECTED)
		s->suspects++;
	if (act->event != DVMD_MEMBER_DOWN)
		return;
	s->downs++;
	if (!b->crashed && !b->left && !b->excused && !apart)
		fail(s, "%u calls %u dead, which lives", node, act->node);
	if (act->flags & DVMD_MEMBER_F_LEFT && !b->left)
		fail(s, "%u says that %u left, which it did not", node, act->node);
	if (b->crashed && !a->slow && a->born < b->crashed_at &&
	    simnet_now(s->net) - b->crashed_at > s->worst)
		s->worst = simnet_now(s->net) - b->crashed_at;
}

static void check_engine(struct sim *s, uint32_t node)
{
	dvmd_member_t *m = s->peers[node].m;

	if (dvmd_member_next_deadline(m) < simnet_now(s->net) - s->f / 50)
		fail(s, "%u has a deadline long past", node);
	if (dvmd_member_count_up(m) < 1 || dvmd_member_count_up(m) > dvmd_member_count(m))
		fail(s, "%u counts %zu of %zu up", node, dvmd_member_count_up(m),
		     dvmd_member_count(m));
	if (dvmd_member_health(m) > s->conf.health_max)
		fail(s, "%u has health %u", node, dvmd_member_health(m));
}

static void perform(struct sim *s, uint32_t node)
{
	struct dvmd_member_act act;
	struct dvmi_buf b = { 0 };

	while (dvmd_member_next(s->peers[node].m, &act)) {
		if (act.type == DVMD_MEMBER_EVENT) {
			on_event(s, node, &act);
			continue;
		}
		b.len = 0;
		if (dvmi_member_msg_encode(act.msg, &b) < 0)
			fail(s, "%u sends what does not encode", node);
		simnet_send(s->net, node, act.node, b.data, b.len);
	}
	dvmi_buf_free(&b);
	check_engine(s, node);
	simnet_set_timer(s->net, node, dvmd_member_next_deadline(s->peers[node].m));
}

static void on_receive(void *arg, uint32_t node, uint32_t from, const uint8_t *p, size_t n)
{
	struct sim *s = arg;
	struct dvmi_member_msg msg;

	if (dvmi_member_msg_decode(&msg, p, n) < 0)
		fail(s, "%u cannot decode what %u sent", node, from);
	else
		dvmd_member_receive(s->peers[node].m, simnet_now(s->net), from, &msg);
	perform(s, node);
}

static void on_timer(void *arg, uint32_t node)
{
	struct sim *s = arg;

	dvmd_member_tick(s->peers[node].m, simnet_now(s->net));
	perform(s, node);
}

static const struct simnet_ops ops = { .receive = on_receive, .timer = on_timer };

static void boot(struct sim *s, uint32_t node)
{
	struct peer *p = &s->peers[node];
	uint64_t now = simnet_now(s->net);

	dvmd_member_destroy(p->m);
	if (dvmd_member_create(&p->m, &s->conf, node, DVMD_MEMBER_LIFE(p->life),
			       dvmi_rng_next(&s->rng), now) < 0)
		abort();
	for (uint32_t i = 0; i < s->n; i++)
		dvmd_member_add(p->m, now, i);
	simnet_restart(s->net, node);
	p->crashed = p->left = false;
	p->born = now;
	perform(s, node);
}

static void start(struct sim *s, uint64_t seed, uint64_t f, uint32_t n, const struct simnet_conf *c)
{
	struct simnet_conf conf = *c;

	*s = (struct sim){ .seed = seed, .f = f, .n = n };
	dvmi_rng_seed(&s->rng, ~seed);
	conf.seed = seed;
	conf.nodes = n;
	s->net = simnet_create(&conf, &ops, s);
	if (dvmd_member_conf_init(&s->conf, f) < 0)
		abort();
	for (uint32_t i = 0; i < n; i++) {
		s->peers[i].life = 1;
		boot(s, i);
	}
}

static void stop(struct sim *s)
{
	for (uint32_t i = 0; i < s->n; i++)
		dvmd_member_destroy(s->peers[i].m);
	simnet_destroy(s->net);
}

/* --- what is checked at set times ---------------------------------------- */

static void check_death_known(void *arg, uint32_t node)
{
	struct sim *s = arg;

	const struct peer *gone = &s->peers[node];

	if (!gone->crashed && !gone->left)
		return; /* it is back */
	if (gone->crashed && simnet_now(s->net) < gone->crashed_at + s->f)
		return; /* it was, and is gone again */
	for (uint32_t i = 0; i < s->n; i++) {
		const struct peer *p = &s->peers[i];
		if (!p->crashed && !p->left && !p->slow && p->group == gone->group &&
		    p->born < gone->crashed_at && dvmd_member_is_up(p->m, node))
			fail(s, "%u does not know that %u is gone", i, node);
	}
}

static bool live(const struct peer *p)
{
	return !p->crashed && !p->left;
}

/* Where NODE holds something else than the truth, or NULL. */
static const char *wrong(struct sim *s, uint32_t node, const struct peer *first)
{
	static char text[80];
	const struct peer *p = &s->peers[node];

	for (uint32_t j = 0; j < s->n; j++) {
		if (dvmd_member_is_up(p->m, j) == live(&s->peers[j]))
			continue;
		snprintf(text, sizeof(text), "%u holds %u for %s", node, j,
			 live(&s->peers[j]) ? "dead" : "alive");
		return text;
	}
	if (dvmd_member_digest(p->m) == dvmd_member_digest(first->m))
		return NULL;
	snprintf(text, sizeof(text), "%u has another digest than the first", node);
	return text;
}

static const char *disagreement(struct sim *s)
{
	const struct peer *first = NULL;
	const char *text = NULL;

	for (uint32_t i = 0; i < s->n && !text; i++) {
		if (!live(&s->peers[i]))
			continue;
		first = first ? first : &s->peers[i];
		text = wrong(s, i, first);
	}
	return text;
}

/* From now on and within LIMIT all live nodes must hold the truth, and the same table. */
static void agree_within(struct sim *s, uint64_t limit)
{
	uint64_t begin = simnet_now(s->net), step = s->f / 40;
	const char *text;

	while ((text = disagreement(s)) && simnet_now(s->net) < begin + limit)
		simnet_run(s->net, simnet_now(s->net) + step);
	if (text)
		fail(s, "no agreement in %.1f s: %s", (double)limit / DVMI_SEC, text);
	if (simnet_now(s->net) - begin > s->agreed)
		s->agreed = simnet_now(s->net) - begin;
}

/* --- what scenarios do --------------------------------------------------- */

static void crash(void *arg, uint32_t node)
{
	struct sim *s = arg;
	struct peer *p = &s->peers[node];

	if (p->crashed || p->left)
		return;
	simnet_crash(s->net, node);
	p->crashed = true;
	p->crashed_at = simnet_now(s->net);
	simnet_call(s->net, p->crashed_at + s->f, check_death_known, node);
}

static void restart_new_life(void *arg, uint32_t node)
{
	struct sim *s = arg;

	s->peers[node].life++;
	boot(s, node);
}

static void restart_same_life(void *arg, uint32_t node)
{
	boot(arg, node);
}

static void leave(void *arg, uint32_t node)
{
	struct sim *s = arg;
	struct peer *p = &s->peers[node];

	p->left = true;
	dvmd_member_leave(p->m, simnet_now(s->net));
	perform(s, node);
	p->crashed_at = simnet_now(s->net);
	simnet_call(s->net, p->crashed_at + s->f / 2, check_death_known, node);
}

static void gone_after_leave(void *arg, uint32_t node)
{
	struct sim *s = arg;

	simnet_crash(s->net, node);
}

static void pause_node(void *arg, uint32_t node)
{
	struct sim *s = arg;

	simnet_pause(s->net, node);
}

static void resume(void *arg, uint32_t node)
{
	struct sim *s = arg;

	simnet_resume(s->net, node);
}

static void heal(void *arg, uint32_t unused)
{
	struct sim *s = arg;

	for (uint32_t i = 0; i < s->n; i++) {
		s->peers[i].group = 0;
		simnet_set_group(s->net, i, 0);
	}
	/* Suspicions from before still run. */
	s->cut_until = simnet_now(s->net) + s->f / 2;
}

static void cut(struct sim *s, uint32_t node, uint32_t group)
{
	s->peers[node].group = group;
	simnet_set_group(s->net, node, group);
}

/* --- scenarios ----------------------------------------------------------- */

static struct simnet_conf lan(struct sim *s, uint64_t seed, uint32_t loss)
{
	struct dvmi_rng r;

	dvmi_rng_seed(&r, seed + 17);
	return (struct simnet_conf){ .latency = 50000 + dvmi_rng_below(&r, DVMI_MSEC),
				     .jitter = dvmi_rng_below(&r, 5 * DVMI_MSEC) + 1,
				     .loss = (uint32_t)dvmi_rng_below(&r, loss + 1),
				     .tail = (uint32_t)dvmi_rng_below(&r, 100) };
}

static uint64_t timeout_of(uint64_t seed)
{
	return seed % 2 ? 10 * DVMI_SEC : 3 * DVMI_SEC;
}

static void begin(struct sim *s, uint64_t seed, uint32_t n_max, uint32_t loss)
{
	struct simnet_conf net = lan(s, seed, loss);
	struct dvmi_rng r;

	dvmi_rng_seed(&r, seed + 4711);
	start(s, seed, timeout_of(seed), 2 + (uint32_t)dvmi_rng_below(&r, n_max - 1), &net);
}

static void quiet(struct sim *s, uint64_t seed)
{
	begin(s, seed, 80, 500);
	simnet_run(s->net, DVMI_SEC + 5 * s->f);
	agree_within(s, s->f);
}

static void crashes(struct sim *s, uint64_t seed)
{
	begin(s, seed, NODES_MAX, 100);
	for (uint32_t i = 0; i < 1 + s->n / 4; i++)
		simnet_call(s->net, pick(s, 2 * DVMI_SEC, 2 * DVMI_SEC + s->f), crash,
			    (uint32_t)pick(s, 0, s->n - 2));
	simnet_run(s->net, 2 * DVMI_SEC + 2 * s->f);
	agree_within(s, s->f);
}

/* Half of the nodes at one moment, as when a switch or a rack loses power. */
static void rack(struct sim *s, uint64_t seed)
{
	begin(s, seed, NODES_MAX, 0);
	for (uint32_t i = 0; i < s->n / 2; i++)
		simnet_call(s->net, 3 * DVMI_SEC, crash, i);
	simnet_run(s->net, 3 * DVMI_SEC + s->f);
	agree_within(s, s->f);
}

static void make_busy(struct sim *s, uint32_t node, uint64_t delay)
{
	s->peers[node].slow = true;
	simnet_busy(s->net, node, delay);
}

/* Some nodes get to run only every fifth of the failure timeout, and none is called dead. */
static void some_busy(struct sim *s, uint64_t seed)
{
	begin(s, seed, 60, 50);
	for (uint32_t i = 0; i < s->n; i += 1 + (uint32_t)pick(s, 0, 4))
		make_busy(s, i, s->f / 5);
	simnet_run(s->net, DVMI_SEC + 8 * s->f);
}

static void all_busy(struct sim *s, uint64_t seed)
{
	begin(s, seed, 40, 0);
	for (uint32_t i = 0; i < s->n; i++)
		make_busy(s, i, s->f / 5);
	simnet_run(s->net, DVMI_SEC + 8 * s->f);
}

static void busy_and_crash(struct sim *s, uint64_t seed)
{
	begin(s, seed, 80, 50);
	for (uint32_t i = 0; i < s->n / 4; i++)
		make_busy(s, i, s->f / 5);
	simnet_call(s->net, 2 * DVMI_SEC + pick(s, 0, s->f), crash, s->n - 1);
	simnet_call(s->net, 2 * DVMI_SEC + pick(s, 0, s->f), crash, 0);
	simnet_run(s->net, 2 * DVMI_SEC + 3 * s->f);
	for (uint32_t i = 0; i < s->n; i++)
		simnet_busy(s->net, i, 0);
	agree_within(s, s->f);
}

static void short_pauses(struct sim *s, uint64_t seed)
{
	begin(s, seed, 60, 50);
	for (uint32_t i = 0; i < 10; i++) {
		uint32_t node = (uint32_t)pick(s, 0, s->n - 1);
		uint64_t at = 2 * DVMI_SEC + i * s->f / 4;
		simnet_call(s->net, at, pause_node, node);
		simnet_call(s->net, at + pick(s, 0, s->f / 5), resume, node);
	}
	simnet_run(s->net, 2 * DVMI_SEC + 3 * s->f);
	agree_within(s, s->f);
}

/* Stopped for long: it may be called dead, but calls nobody dead itself and is believed later. */
static void long_pause(struct sim *s, uint64_t seed)
{
	uint32_t node;

	begin(s, seed, 60, 50);
	node = (uint32_t)pick(s, 0, s->n - 1);
	s->peers[node].excused = true;
	simnet_call(s->net, 2 * DVMI_SEC, pause_node, node);
	simnet_run(s->net, 2 * DVMI_SEC + pick(s, s->f, 4 * s->f));
	simnet_resume(s->net, node);
	agree_within(s, 2 * s->f);
}

static void partition(struct sim *s, uint64_t seed)
{
	uint64_t at;

	begin(s, seed, 80, 50);
	simnet_run(s->net, 2 * DVMI_SEC);
	uint32_t share = (uint32_t)pick(s, 1, s->n / 2);
	for (uint32_t i = 0; i < share; i++)
		cut(s, i, 1);
	at = 2 * DVMI_SEC + pick(s, s->f / 4, 4 * s->f);
	simnet_call(s->net, at, heal, 0);
	simnet_run(s->net, at);
	agree_within(s, 2 * s->f);
}

static void restarts(struct sim *s, uint64_t seed)
{
	begin(s, seed, 60, 50);
	for (uint32_t i = 0; i < 1 + s->n / 6; i++) {
		uint32_t node = (uint32_t)pick(s, 0, s->n - 1);
		uint64_t at = pick(s, 2 * DVMI_SEC, 2 * DVMI_SEC + s->f);
		s->peers[node].excused = true; /* it may be back while called dead */
		simnet_call(s->net, at, crash, node);
		simnet_call(s->net, at + pick(s, DVMI_MSEC, 2 * s->f),
			    pick(s, 0, 1) ? restart_new_life : restart_same_life, node);
	}
	simnet_run(s->net, 2 * DVMI_SEC + 3 * s->f);
	agree_within(s, 2 * s->f);
}

static void leaves(struct sim *s, uint64_t seed)
{
	begin(s, seed, 80, 50);
	for (uint32_t i = 0; i < 1 + s->n / 8; i++) {
		uint32_t node = (uint32_t)pick(s, 0, s->n - 2);
		if (s->peers[node].excused)
			continue;
		s->peers[node].excused = true;
		uint64_t at = pick(s, 2 * DVMI_SEC, 2 * DVMI_SEC + s->f);
		simnet_call(s->net, at, leave, node);
		simnet_call(s->net, at + s->f / 50, gone_after_leave, node);
	}
	for (uint32_t i = 0; i < s->n; i++)
		s->peers[i].excused = false;
	simnet_run(s->net, 2 * DVMI_SEC + 2 * s->f);
	agree_within(s, s->f);
}

/* Anything at any time; when it is over, all agree on what is true. */
static void everything(struct sim *s, uint64_t seed)
{
	uint64_t end;

	begin(s, seed, 60, 500);
	for (uint32_t i = 0; i < s->n; i++)
		s->peers[i].excused = s->peers[i].slow = true;
	end = 2 * DVMI_SEC + 4 * s->f;
	for (int k = 0; k < 20; k++) {
		uint32_t node = (uint32_t)pick(s, 0, s->n - 1);
		uint64_t at = pick(s, 2 * DVMI_SEC, end - s->f), later = pick(s, at, end);
		switch (pick(s, 0, 3)) {
		case 0:
			simnet_call(s->net, at, crash, node);
			simnet_call(s->net, later, restart_new_life, node);
			break;
		case 1:
			simnet_call(s->net, at, pause_node, node);
			simnet_call(s->net, later, resume, node);
			break;
		case 2:
			cut(s, node, (uint32_t)pick(s, 0, 2));
			break;
		default:
			simnet_busy(s->net, node, s->f / 5);
		}
	}
	simnet_run(s->net, end);
	heal(s, 0);
	for (uint32_t i = 0; i < s->n; i++) {
		simnet_resume(s->net, i);
		simnet_busy(s->net, i, 0);
	}
	agree_within(s, 4 * s->f);
}

/* --- the program --------------------------------------------------------- */

static const struct {
	const char *name;
	void (*run)(struct sim *s, uint64_t seed);
	uint32_t runs;
} scenarios[] = {
	{ "quiet with loss and reordering: nobody is called dead", quiet, 6 },
	{ "crashes: known to all within the failure timeout", crashes, 10 },
	{ "half of the machine at once", rack, 6 },
	{ "some nodes are busy: nobody is called dead", some_busy, 6 },
	{ "all nodes are busy: nobody is called dead", all_busy, 6 },
	{ "a crash among busy nodes", busy_and_crash, 6 },
	{ "short pauses: nobody is called dead", short_pauses, 6 },
	{ "a long pause: believed again, believes no deaths", long_pause, 6 },
	{ "partition: both halves find each other again", partition, 10 },
	{ "restarts with a new or the same life", restarts, 8 },
	{ "leaves", leaves, 8 },
	{ "everything at once: in the end all agree", everything, 10 },
};

int main(void)
{
	size_t n = sizeof(scenarios) / sizeof(*scenarios);
	uint64_t seed = sim_env("SIM_SEED", 1), times = sim_env("SIM_RUNS", 0);
	bool verbose = getenv("SIM_VERBOSE"), bad = false;
	const char *only = getenv("SIM_ONLY");
	static struct sim s;

	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("1..%zu\n", n);
	for (size_t i = 0; i < n; i++) {
		uint64_t runs = times ? times : scenarios[i].runs, failed = 0, worst = 0,
			 agreed = 0;
		if (only && !strstr(scenarios[i].name, only)) {
			printf("ok %zu # SKIP not in SIM_ONLY\n", i + 1);
			continue;
		}
		for (uint64_t k = 0; k < runs; k++) {
			scenarios[i].run(&s, seed + k);
			if (s.failure[0] && failed++ < 3)
				printf("# SIM_SEED=%" PRIu64 " (%u nodes, %.0f s): %s\n", seed + k,
				       s.n, (double)s.f / DVMI_SEC, s.failure);
			if (s.worst * 1000 / s.f > worst)
				worst = s.worst * 1000 / s.f;
			if (s.agreed * 1000 / s.f > agreed)
				agreed = s.agreed * 1000 / s.f;
			if (verbose)
				printf("# seed %" PRIu64 " n %u f %.0f worst %.2f suspects %u "
				       "downs %u events %" PRIu64 "\n",
				       seed + k, s.n, (double)s.f / DVMI_SEC,
				       (double)s.worst / (double)s.f, s.suspects, s.downs,
				       simnet_events(s.net));
			stop(&s);
		}
		printf("%s %zu - %s (%" PRIu64 " runs, %" PRIu64
		       " failed, detection %.2f, agreement %.2f)\n",
		       failed ? "not ok" : "ok", i + 1, scenarios[i].name, runs, failed,
		       (double)worst / 1000, (double)agreed / 1000);
		bad |= failed > 0;
	}
	return bad;
}
