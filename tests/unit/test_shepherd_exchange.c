/* SPDX-License-Identifier: BSD-3-Clause */
/* Exchanges among simulated shepherds over a network that loses, repeats and reorders. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/shepherd/exchange.h"
#include "dvm/error.h"
#include "libdvm/base/rng.h"
#include "tests/unit/cm.h"

enum { NODES = 23, ROUNDS = 4, KEYS = 3, QUEUE = 4096 };

struct packet {
	uint32_t from, to;
	struct shep_exchange_msg m;
	uint8_t *data;
};

struct net;

struct node {
	struct net *net;
	uint32_t self;
	struct shep_exchange *x;
	uint32_t entered[KEYS], over[KEYS];
	int code[KEYS];
};

struct net {
	struct dvmi_rng rng;
	uint32_t n, loss_pct;
	struct node nodes[NODES];
	uint32_t sets[KEYS][NODES], set_n[KEYS];
	struct packet q[QUEUE];
	uint32_t queued;
	bool dead[NODES];
};

static void on_send(uint32_t to, const struct shep_exchange_msg *m, void *arg)
{
	struct node *node = arg;
	struct net *net = node->net;

	if (dvmi_rng_below(&net->rng, 100) < net->loss_pct || net->queued == QUEUE)
		return;
	struct packet *p = &net->q[net->queued++];
	*p = (struct packet){ .from = node->self, .to = to, .m = *m };
	p->data = malloc(m->len + 1);
	if (m->len)
		memcpy(p->data, m->data, m->len);
	p->m.data = p->data;
}

/* What node contributes to a round: its number, as often as the round says. */
static size_t contribution(uint8_t *out, uint32_t node, uint32_t round)
{
	memset(out, (int)node, round + 1);
	return round + 1;
}

static void on_done(uint64_t key, int code, const uint8_t *data, size_t len, void *arg)
{
	struct node *node = arg;
	struct net *net = node->net;
	uint32_t count[NODES] = { 0 }, round = node->over[key]++;

	node->code[key] = code;
	if (code < 0)
		return;
	for (size_t i = 0; i < len; i++)
		count[data[i]]++;
	for (uint32_t i = 0; i < net->set_n[key]; i++)
		assert_int_equal(count[net->sets[key][i]], round + 1);
	assert_int_equal(len, (size_t)net->set_n[key] * (round + 1));
}

static bool in_set(const struct net *net, uint32_t key, uint32_t node)
{
	for (uint32_t i = 0; i < net->set_n[key]; i++)
		if (net->sets[key][i] == node)
			return true;
	return false;
}

static void start(struct net *net, uint64_t seed, uint32_t n, uint32_t loss_pct)
{
	*net = (struct net){ .n = n, .loss_pct = loss_pct };
	dvmi_rng_seed(&net->rng, seed);
	for (uint32_t k = 0; k < KEYS; k++)
		for (uint32_t i = 0; i < n; i++)
			if (k == 0 || dvmi_rng_below(&net->rng, 2))
				net->sets[k][net->set_n[k]++] = i;
	for (uint32_t i = 0; i < n; i++) {
		struct node *node = &net->nodes[i];
		*node = (struct node){ .net = net, .self = i };
		const struct shep_exchange_config c = {
			.self = i, .nnodes = n, .send = on_send, .done = on_done, .arg = node
		};
		assert_int_equal(shep_exchange_create(&node->x, &c), 0);
	}
}

static void stop(struct net *net)
{
	for (uint32_t i = 0; i < net->queued; i++)
		free(net->q[i].data);
	for (uint32_t i = 0; i < net->n; i++)
		shep_exchange_destroy(net->nodes[i].x);
}

static void deliver_one(struct net *net)
{
	uint32_t i = (uint32_t)dvmi_rng_below(&net->rng, net->queued);
	struct packet p = net->q[i];

	/* Sometimes twice. */
	bool again = dvmi_rng_below(&net->rng, 10) == 0;
	if (!again)
		net->q[i] = net->q[--net->queued];
	if (!net->dead[p.to])
		shep_exchange_message(net->nodes[p.to].x, p.from, &p.m);
	if (!again)
		free(p.data);
}

static void enter_some(struct net *net)
{
	uint32_t i = (uint32_t)dvmi_rng_below(&net->rng, net->n);
	uint32_t k = (uint32_t)dvmi_rng_below(&net->rng, KEYS);
	struct node *node = &net->nodes[i];
	uint8_t data[ROUNDS + 1];

	if (net->dead[i] || !in_set(net, k, i) || node->entered[k] == ROUNDS)
		return;
	size_t len = contribution(data, i, node->entered[k]);
	int rc = shep_exchange_enter(node->x, k, net->sets[k], net->set_n[k], data, len);
	if (node->entered[k] > node->over[k])
		assert_int_equal(rc, -EBUSY);
	else
		assert_int_equal(rc, 0);
	node->entered[k] += rc == 0;
}

static bool all_over(const struct net *net)
{
	for (uint32_t k = 0; k < KEYS; k++)
		for (uint32_t i = 0; i < net->n; i++)
			if (in_set(net, k, i) && !net->dead[i] && net->nodes[i].over[k] < ROUNDS)
				return false;
	return true;
}

static void run(struct net *net)
{
	for (int step = 0; !all_over(net); step++) {
		if (step > 400000)
			fail_msg("not over after %d steps", step);
		enter_some(net);
		if (net->queued)
			deliver_one(net);
		if (step % 500 == 499)
			for (uint32_t i = 0; i < net->n; i++)
				if (!net->dead[i])
					shep_exchange_ask_again(net->nodes[i].x);
	}
}

static void lossy(void **state)
{
	static struct net net;

	(void)state;
	for (uint64_t seed = 1; seed <= 60; seed++) {
		print_message("# seed %llu\n", (unsigned long long)seed);
		start(&net, seed, 1 + (uint32_t)(seed % NODES), seed % 3 ? 20 : 0);
		run(&net);
		for (uint32_t k = 0; k < KEYS; k++)
			for (uint32_t i = 0; i < net.n; i++)
				assert_int_equal(net.nodes[i].code[k], 0);
		stop(&net);
	}
}

/* A node dies; whoever hears of it ends what needs the node, at once and ever after. */
static void node_lost(void **state)
{
	static struct net net;

	(void)state;
	for (uint64_t seed = 1; seed <= 30; seed++) {
		start(&net, seed, 2 + (uint32_t)(seed % 9), 10);
		uint32_t dead = (uint32_t)dvmi_rng_below(&net.rng, net.n);
		for (int i = 0; i < 40; i++) {
			enter_some(&net);
			if (net.queued)
				deliver_one(&net);
		}
		net.dead[dead] = true;
		for (uint32_t i = 0; i < net.n; i++)
			if (i != dead)
				shep_exchange_lost(net.nodes[i].x, dead);
		run(&net);
		stop(&net);
	}
}

static void bad_arguments(void **state)
{
	static const uint32_t good[] = { 0, 1 }, falling[] = { 1, 0 }, far[] = { 0, 9 }, other[] = { 1 };
	static struct net net;
	static uint8_t big[SHEP_EXCHANGE_MAX + 1];

	(void)state;
	start(&net, 1, 2, 0);
	struct shep_exchange *x = net.nodes[0].x;
	assert_int_equal(shep_exchange_enter(x, 0, falling, 2, NULL, 0), -EINVAL);
	assert_int_equal(shep_exchange_enter(x, 0, far, 2, NULL, 0), -EINVAL);
	assert_int_equal(shep_exchange_enter(x, 0, other, 1, NULL, 0), -EINVAL);
	assert_int_equal(shep_exchange_enter(x, 0, good, 2, big, sizeof big), -EMSGSIZE);
	assert_false(shep_exchange_ask_again(x));
	const struct shep_exchange_msg nonsense = { .key = 0, .seq = 7, .down = true };
	shep_exchange_message(x, 1, &nonsense);
	shep_exchange_message(x, 77, &nonsense);
	assert_int_equal(net.nodes[0].over[0], 0);
	stop(&net);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_arguments),
		cmocka_unit_test(lossy),
		cmocka_unit_test(node_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
