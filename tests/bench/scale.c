/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How membership and launch grow with the machine: the real engines, simulated, in one process.
 *
 *	scale [--json] [--nodes N,N,…] [--failure-timeout SECONDS] [--only member|start|launch]
 *
 * Membership (failure timeout 10 s unless told otherwise): messages and bytes a node sends per
 *second, at rest and while one death spreads; how long until each node knows of a crash; processor
 *time and memory of a node's engine (the time includes codec and simulator). Start: all nodes start
 *at once and know nobody's incarnation; how long until all tables are equal (up to 2,000 nodes).
 *Launch: one operation to all nodes, each of which answers at once, with 200 us of network and 20
 *us of work for each message sent.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon/bcast.h"
#include "daemon/member.h"
#include "tests/sim/simnet.h"

#define LATENCY	  (200 * UINT64_C(1000))
#define SEND_COST (20 * UINT64_C(1000))
#define PAYLOAD	  512
#define SIZES_MAX 16
#define START_MAX 2000

struct bench {
	bool json, first;
	uint64_t failure; /* timeout */
	uint32_t n;
	simnet_t *net;
	/* membership */
	dvmd_member_t **members;
	uint64_t *learned; /* when each node learned of the crash */
	uint32_t knowing;
	uint64_t false_deaths;
	/* launch */
	dvmd_bcast_t **bcasts;
	uint32_t *depth, max_depth, delivered;
	uint64_t delivered_at, done_at;
};

static void *must(void *p)
{
	if (!p) {
		fprintf(stderr, "scale: out of memory\n");
		exit(1);
	}
	return p;
}

static double cpu_seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static double seconds(uint64_t ns)
{
	return (double)ns / DVMI_SEC;
}

/* One record: an object with --json, otherwise the ready-made line. */
static void record(struct bench *b, const char *json, const char *text)
{
	if (!b->json) {
		puts(text);
	} else {
		printf("%s%s", b->first ? "" : ",\n", json);
		b->first = false;
	}
	fflush(stdout);
}

/* --- membership ---------------------------------------------------------- */

static void member_perform(struct bench *b, uint32_t node)
{
	struct dvmd_member_act act;
	struct dvmi_buf out = { 0 };

	while (dvmd_member_next(b->members[node], &act)) {
		if (act.type == DVMD_MEMBER_SEND) {
			out.len = 0;
			dvmi_member_msg_encode(act.msg, &out);
			simnet_send(b->net, node, act.node, out.data, out.len);
		} else if (act.event == DVMD_MEMBER_DOWN && simnet_crashed(b->net, act.node)) {
			b->learned[b->knowing++] = simnet_now(b->net);
		} else if (act.event == DVMD_MEMBER_DOWN) {
			b->false_deaths++;
		}
	}
	dvmi_buf_free(&out);
	simnet_set_timer(b->net, node, dvmd_member_next_deadline(b->members[node]));
}

static void member_receive(void *arg, uint32_t node, uint32_t from, const uint8_t *p, size_t n)
{
	struct bench *b = arg;
	struct dvmi_member_msg msg;

	if (dvmi_member_msg_decode(&msg, p, n) == 0)
		dvmd_member_receive(b->members[node], simnet_now(b->net), from, &msg);
	member_perform(b, node);
}

static void member_timer(void *arg, uint32_t node)
{
	struct bench *b = arg;

	dvmd_member_tick(b->members[node], simnet_now(b->net));
	member_perform(b, node);
}

static void member_start(struct bench *b, bool no_info, uint64_t incarnation)
{
	static const struct simnet_ops ops = { .receive = member_receive, .timer = member_timer };
	const struct simnet_conf net = {
		.seed = b->n, .nodes = b->n, .latency = LATENCY, .jitter = LATENCY
	};
	struct dvmd_member_conf conf;

	b->net = simnet_create(&net, &ops, b);
	b->members = must(calloc(b->n, sizeof(*b->members)));
	b->learned = must(calloc(b->n, sizeof(*b->learned)));
	b->knowing = 0;
	b->false_deaths = 0;
	dvmd_member_conf_init(&conf, b->failure);
	conf.no_info = no_info;
	for (uint32_t i = 0; i < b->n; i++) {
		uint64_t now = simnet_now(b->net);
		if (dvmd_member_create(&b->members[i], &conf, i, incarnation, i, now) < 0)
			must(NULL);
		for (uint32_t k = 0; k < b->n; k++) {
			if (dvmd_member_add(b->members[i], now, k) < 0)
				must(NULL);
		}
		member_perform(b, i);
	}
}

static void member_stop(struct bench *b)
{
	for (uint32_t i = 0; i < b->n; i++)
		dvmd_member_destroy(b->members[i]);
	free(b->members);
	free(b->learned);
	simnet_destroy(b->net);
}

struct traffic {
	double msgs, bytes, cpu_us; /* per node and second */
};

static struct traffic run_for(struct bench *b, uint64_t time)
{
	struct simnet_count before = simnet_sent_all(b->net), after;
	double cpu = cpu_seconds(), per = seconds(time) * b->n;

	simnet_run(b->net, simnet_now(b->net) + time);
	after = simnet_sent_all(b->net);
	return (struct traffic){ .msgs = (double)(after.msgs - before.msgs) / per,
				 .bytes = (double)(after.bytes - before.bytes) / per,
				 .cpu_us = (cpu_seconds() - cpu) * 1e6 / per };
}

static int by_time(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static double memory_per_node(const struct bench *b)
{
	double bytes = 0;

	for (uint32_t i = 0; i < b->n; i++)
		bytes += (double)dvmd_member_memory(b->members[i]);
	return bytes / b->n;
}

/* Crashes one node after the other; times go to ALL, from the crash on. Returns how many. */
static size_t crash_some(struct bench *b, unsigned crashes, uint64_t *all, struct traffic *busy)
{
	size_t n = 0;

	*busy = (struct traffic){ 0 };
	for (unsigned c = 0; c < crashes; c++) {
		uint64_t at = simnet_now(b->net);
		b->knowing = 0;
		simnet_crash(b->net, c + b->n / 2);
		struct traffic t = run_for(b, b->failure);
		busy->msgs += t.msgs / crashes;
		busy->bytes += t.bytes / crashes;
		busy->cpu_us += t.cpu_us / crashes;
		for (uint32_t i = 0; i < b->knowing; i++)
			all[n++] = b->learned[i] - at;
		if (b->knowing != b->n - 1 - c)
			fprintf(stderr, "scale: %u of %u nodes know in time\n", b->knowing,
				b->n - 1 - c);
	}
	qsort(all, n, sizeof(*all), by_time);
	return n;
}

static void bench_member(struct bench *b)
{
	unsigned crashes = b->n >= 10000 ? 2 : b->n >= 1000 ? 5 : b->n >= 30 ? 10 : 3;
	uint64_t rest = (b->n >= 5000 ? 5 : 20) * DVMI_SEC;
	uint64_t *all = must(calloc((size_t)crashes * b->n, sizeof(*all)));
	char json[512], text[256];
	struct traffic busy;

	member_start(b, b->n > 2000, 0);
	run_for(b, 2 * DVMI_SEC);
	struct traffic quiet = run_for(b, rest);
	size_t n = crash_some(b, crashes, all, &busy);
	double p50 = n ? seconds(all[n / 2]) : 0, max = n ? seconds(all[n - 1]) : 0;
	double memory = memory_per_node(b);
	snprintf(text, sizeof(text),
		 "%6u %8.1f %8.0f %8.1f %8.0f %8.2f %8.2f %9.1f %9.1f %6" PRIu64, b->n, quiet.msgs,
		 quiet.bytes, busy.msgs, busy.bytes, p50, max, quiet.cpu_us, memory / 1024,
		 b->false_deaths);
	snprintf(json, sizeof(json),
		 "{\"bench\":\"member\",\"nodes\":%u,\"failure_timeout_s\":%.0f,"
		 "\"msgs_per_node_s\":%.2f,\"bytes_per_node_s\":%.1f,"
		 "\"death_msgs_per_node_s\":%.2f,\"death_bytes_per_node_s\":%.1f,"
		 "\"detect_p50_s\":%.3f,\"detect_max_s\":%.3f,\"crashes\":%u,"
		 "\"cpu_us_per_node_s\":%.2f,\"memory_per_node\":%.0f,\"false_deaths\":%" PRIu64
		 "}",
		 b->n, seconds(b->failure), quiet.msgs, quiet.bytes, busy.msgs, busy.bytes, p50,
		 max, crashes, quiet.cpu_us, memory, b->false_deaths);
	record(b, json, text);
	member_stop(b);
	free(all);
}

static bool all_equal(const struct bench *b)
{
	for (uint32_t i = 1; i < b->n; i++) {
		if (dvmd_member_digest(b->members[i]) != dvmd_member_digest(b->members[0]))
			return false;
	}
	return true;
}

static void bench_start(struct bench *b)
{
	char json[256], text[128];

	if (b->n > START_MAX)
		return;
	member_start(b, false, DVMD_MEMBER_LIFE(1));
	uint64_t at = simnet_now(b->net);
	while (!all_equal(b) && simnet_now(b->net) < at + 600 * DVMI_SEC)
		simnet_run(b->net, simnet_now(b->net) + DVMI_SEC / 10);
	uint64_t took = simnet_now(b->net) - at;
	double bytes = (double)simnet_sent_all(b->net).bytes / b->n / seconds(took);
	snprintf(text, sizeof(text), "%6u %8.1f %8.0f %6" PRIu64, b->n, seconds(took), bytes,
		 b->false_deaths);
	snprintf(json, sizeof(json),
		 "{\"bench\":\"start\",\"nodes\":%u,\"equal_s\":%.1f,\"bytes_per_node_s\":%.1f,"
		 "\"false_deaths\":%" PRIu64 "}",
		 b->n, seconds(took), bytes, b->false_deaths);
	record(b, json, text);
	member_stop(b);
}

/* --- launch -------------------------------------------------------------- */

static void bcast_act(struct bench *b, uint32_t node, const struct dvmd_bcast_act *act);

static void bcast_perform(struct bench *b, uint32_t node)
{
	struct dvmd_bcast_act act;
	bool deliver = false;
	uint64_t op = 0;

	while (dvmd_bcast_next(b->bcasts[node], &act)) {
		bcast_act(b, node, &act);
		if (act.type == DVMD_BCAST_DELIVER) {
			deliver = true;
			op = act.op;
		}
	}
	if (deliver) {
		dvmd_bcast_answer(b->bcasts[node], simnet_now(b->net), 0, op, 0, NULL, 0);
		bcast_perform(b, node);
	}
	simnet_set_timer(b->net, node, dvmd_bcast_next_deadline(b->bcasts[node]));
}

static void bcast_act(struct bench *b, uint32_t node, const struct dvmd_bcast_act *act)
{
	struct dvmi_buf out = { 0 };

	if (act->type == DVMD_BCAST_SEND) {
		if (act->msg->type == DVMI_BCAST_REQUEST)
			b->depth[act->node] = b->depth[node] + 1;
		if (b->max_depth < b->depth[act->node])
			b->max_depth = b->depth[act->node];
		dvmi_bcast_msg_encode(act->msg, &out);
		simnet_send(b->net, node, act->node, out.data, out.len);
		dvmi_buf_free(&out);
	} else if (act->type == DVMD_BCAST_DELIVER) {
		b->delivered++;
		b->delivered_at = simnet_now(b->net);
	} else {
		b->done_at = simnet_now(b->net);
		if (act->missing)
			fprintf(stderr, "scale: %u answers missing\n", act->missing);
	}
}

static void bcast_receive(void *arg, uint32_t node, uint32_t from, const uint8_t *p, size_t n)
{
	struct bench *b = arg;
	struct dvmi_bcast_msg msg;

	if (dvmi_bcast_msg_decode(&msg, p, n) < 0)
		return;
	dvmd_bcast_receive(b->bcasts[node], simnet_now(b->net), from, &msg);
	bcast_perform(b, node);
	dvmi_bcast_msg_free(&msg);
}

static void bcast_timer(void *arg, uint32_t node)
{
	struct bench *b = arg;

	dvmd_bcast_tick(b->bcasts[node], simnet_now(b->net));
	bcast_perform(b, node);
}

static void bcast_start(struct bench *b, uint32_t k)
{
	static const struct simnet_ops ops = { .receive = bcast_receive, .timer = bcast_timer };
	const struct simnet_conf net = {
		.seed = b->n, .nodes = b->n, .latency = LATENCY, .jitter = 1, .cost = SEND_COST
	};
	struct dvmd_bcast_conf conf;

	b->net = simnet_create(&net, &ops, b);
	b->bcasts = must(calloc(b->n, sizeof(*b->bcasts)));
	b->depth = must(calloc(b->n, sizeof(*b->depth)));
	b->max_depth = b->delivered = 0;
	b->done_at = 0;
	dvmd_bcast_conf_init(&conf);
	conf.width = k;
	for (uint32_t i = 0; i < b->n; i++) {
		if (dvmd_bcast_create(&b->bcasts[i], &conf, i, 1) < 0)
			must(NULL);
	}
}

static void bcast_stop(struct bench *b)
{
	for (uint32_t i = 0; i < b->n; i++)
		dvmd_bcast_destroy(b->bcasts[i]);
	free(b->bcasts);
	free(b->depth);
	simnet_destroy(b->net);
}

static uint64_t launch(struct bench *b)
{
	static const uint8_t payload[PAYLOAD];
	uint32_t *ids = must(calloc(b->n, sizeof(*ids)));
	uint64_t at = simnet_now(b->net), op;

	for (uint32_t i = 0; i < b->n; i++)
		ids[i] = i;
	if (dvmd_bcast_start(b->bcasts[0], at, ids, b->n, payload, PAYLOAD, 30 * DVMI_SEC, &op) < 0)
		must(NULL);
	bcast_perform(b, 0);
	free(ids);
	simnet_run(b->net, at + 20 * DVMI_SEC);
	return at;
}

static void bench_launch(struct bench *b, uint32_t k)
{
	char json[512], text[256];

	bcast_start(b, k);
	double cpu = cpu_seconds();
	uint64_t at = launch(b);
	cpu = (cpu_seconds() - cpu) * 1e6 / b->n;
	struct simnet_count all = simnet_sent_all(b->net), root = simnet_sent(b->net, 0);
	double memory = (double)dvmd_bcast_memory(b->bcasts[0]) / 1024;
	double last = seconds(b->delivered_at - at) * 1e3, done = seconds(b->done_at - at) * 1e3;

	snprintf(text, sizeof(text),
		 "%6u %4u %6u %9" PRIu64 " %11" PRIu64 " %10" PRIu64 " %10.2f %9.2f %9.1f %9.1f",
		 b->n, k, b->max_depth, all.msgs, all.bytes, root.bytes, last, done, cpu, memory);
	snprintf(json, sizeof(json),
		 "{\"bench\":\"launch\",\"nodes\":%u,\"k\":%u,\"depth\":%u,\"msgs\":%" PRIu64
		 ",\"bytes\":%" PRIu64 ",\"origin_bytes\":%" PRIu64
		 ",\"last_deliver_ms\":%.3f,\"done_ms\":%.3f,\"cpu_us_per_node\":%.2f,"
		 "\"origin_memory\":%.0f}",
		 b->n, k, b->max_depth, all.msgs, all.bytes, root.bytes, last, done, cpu,
		 memory * 1024);
	record(b, json, text);
	bcast_stop(b);
}

/* --- the program --------------------------------------------------------- */

static void all_members(struct bench *b, const uint32_t *sizes, size_t n)
{
	if (!b->json)
		printf("membership, failure timeout %.0f s\n%6s %8s %8s %8s %8s %8s %8s %9s %9s "
		       "%6s\n",
		       seconds(b->failure), "nodes", "msg/s", "byte/s", "msg/s*", "byte/s*",
		       "p50 s", "max s", "cpu us/s", "KiB", "false");
	for (size_t i = 0; i < n; i++) {
		b->n = sizes[i];
		bench_member(b);
	}
	if (!b->json)
		puts("(* in the ten seconds after a crash; cpu includes codec and simulator)\n");
}

static void all_starts(struct bench *b, const uint32_t *sizes, size_t n)
{
	if (!b->json)
		printf("start: until all tables are equal\n%6s %8s %8s %6s\n", "nodes", "s",
		       "byte/s", "false");
	for (size_t i = 0; i < n; i++) {
		b->n = sizes[i];
		bench_start(b);
	}
	if (!b->json)
		puts("");
}

static void all_launches(struct bench *b, const uint32_t *sizes, size_t n)
{
	if (!b->json)
		printf("launch\n%6s %4s %6s %9s %11s %10s %10s %9s %9s %9s\n", "nodes", "k",
		       "depth", "messages", "bytes", "origin B", "last ms", "done ms", "cpu us",
		       "KiB");
	for (size_t i = 0; i < n; i++) {
		for (uint32_t k = 2; k <= 32; k *= 2) {
			b->n = sizes[i];
			bench_launch(b, k);
		}
	}
}

static size_t parse_sizes(const char *text, uint32_t *sizes)
{
	size_t n = 0;

	while (*text && n < SIZES_MAX) {
		char *end;
		unsigned long v = strtoul(text, &end, 10);
		if (end == text || v < 2 || v > 60000)
			return 0;
		sizes[n++] = (uint32_t)v;
		text = *end == ',' ? end + 1 : end;
		if (*end && *end != ',')
			return 0;
	}
	return n;
}

static bool known_part(const char *only)
{
	return !*only || strcmp(only, "member") == 0 || strcmp(only, "start") == 0 ||
	       strcmp(only, "launch") == 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "json", no_argument, NULL, 'j' },
						 { "nodes", required_argument, NULL, 'n' },
						 { "failure-timeout", required_argument, NULL,
						   'f' },
						 { "only", required_argument, NULL, 'o' },
						 { 0 } };
	struct bench b = { .first = true, .failure = 10 * DVMI_SEC };
	uint32_t sizes[SIZES_MAX];
	size_t n = parse_sizes("10,100,1000,10000", sizes);
	const char *only = "";
	struct dvmd_member_conf conf;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		if (c == 'j')
			b.json = true;
		else if (c == 'n')
			n = parse_sizes(optarg, sizes);
		else if (c == 'f')
			b.failure = (uint64_t)(atof(optarg) * DVMI_SEC);
		else if (c == 'o')
			only = optarg;
		if (c == '?' || n == 0 || !known_part(only) ||
		    dvmd_member_conf_init(&conf, b.failure) < 0) {
			fprintf(stderr, "usage: scale [--json] [--nodes N,N,...] "
					"[--failure-timeout SECONDS] "
					"[--only member|start|launch]\n");
			return 2;
		}
	}
	if (b.json)
		printf("[\n");
	if (!*only || strcmp(only, "member") == 0)
		all_members(&b, sizes, n);
	if (!*only || strcmp(only, "start") == 0)
		all_starts(&b, sizes, n);
	if (!*only || strcmp(only, "launch") == 0)
		all_launches(&b, sizes, n);
	if (b.json)
		printf("\n]\n");
	return 0;
}
