/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the control plane's transport costs: memory of a node per peer (a connection each way),
 * time to start, to connect, and of a round trip; bandwidth. bench_wire [PEERS…] (default 16 200).
 *
 * The peers live in a child, so that this process' memory is that of one node.
 */
#include <signal.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/transport.h"
#include "libdvm/base/clock.h"

#define HUB	1
#define TRIPS	2000
#define TIMEOUT (60 * DVMI_SEC)

struct node {
	uint32_t id;
	char address[32];
	uint16_t port;
	uint8_t pk[32], sk[32];
	struct dvmd_transport *t;
	unsigned answers, failures;
};

static void on_message(const struct dvmd_sender *from, const struct dvmi_envelope *env,
		       const uint8_t *body, size_t len, struct dvmd_reply_to reply, void *arg)
{
	struct node *n = arg;

	dvmd_transport_reply(n->t, reply, DVMI_MSG_OK, NULL, 0);
}

static void on_answer(int code, const char *text, uint16_t type, const uint8_t *body, size_t len,
		      void *arg)
{
	struct node *n = arg;

	n->answers++;
	n->failures += code != 0;
}

static void start(struct node *n, uv_loop_t *loop)
{
	struct dvmd_transport_config config = { .loop = loop,
						.address = n->address,
						.public_key = n->pk,
						.secret_key = n->sk,
						.message = on_message,
						.arg = n };
	dvm_error_t err;

	if (dvmd_transport_create(&n->t, &config, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		exit(1);
	}
	n->port = dvmd_transport_port(n->t);
}

static void make(struct node *n, uint32_t id)
{
	*n = (struct node){ .id = id };
	snprintf(n->address, sizeof n->address, "127.0.%u.%u", 9 + id / 250, 1 + id % 250);
	crypto_box_keypair(n->pk, n->sk);
}

static void knows(struct node *a, const struct node *b)
{
	dvmd_transport_peer_set(a->t, b->id, b->pk, b->address, b->port);
}

static void ask(struct node *a, uint32_t id)
{
	if (dvmd_transport_request(a->t, id, DVMI_MSG_PROBE, NULL, 0, TIMEOUT, on_answer, a) < 0)
		a->failures++;
}

static void turn_until(uv_loop_t *loop, const struct node *n, unsigned answers)
{
	while (n->answers < answers)
		uv_run(loop, UV_RUN_ONCE);
}

static long rss_kb(void)
{
	long pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	if (!f || fscanf(f, "%*d %ld", &pages) != 1)
		exit(1);
	fclose(f);
	return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

/* The child: peers that say where they are, ask the hub once each, and then serve. */
static void run_peers(unsigned n, int to, int from)
{
	struct node hub, *peers = calloc(n, sizeof *peers);
	uv_loop_t loop;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	uv_loop_init(&loop);
	if (read(from, &hub, sizeof hub) != sizeof hub)
		_exit(1);
	for (unsigned i = 0; i < n; i++) {
		make(&peers[i], HUB + 1 + i);
		start(&peers[i], &loop);
		knows(&peers[i], &hub);
		if (write(to, &peers[i], sizeof peers[i]) != sizeof peers[i])
			_exit(1);
	}
	char go;
	if (read(from, &go, 1) != 1)
		_exit(1);
	for (unsigned i = 0; i < n; i++)
		ask(&peers[i], HUB);
	for (;;)
		uv_run(&loop, UV_RUN_ONCE);
}

static void measure_trips(struct node *hub, uv_loop_t *loop)
{
	uint64_t t0 = dvmi_clock_mono();
	unsigned before = hub->answers;

	for (unsigned i = 1; i <= TRIPS; i++) {
		ask(hub, HUB + 1);
		turn_until(loop, hub, before + i);
	}
	printf("  round trip %.0f us\n", (double)(dvmi_clock_mono() - t0) / TRIPS / 1000);
}

#define BLOCKS 200
#define BLOCK  (1u << 20)

/* Large bodies, a few under way at a time. */
static void measure_bandwidth(struct node *hub, uv_loop_t *loop)
{
	uint8_t *block = calloc(1, BLOCK);
	unsigned before = hub->answers;
	uint64_t t0 = dvmi_clock_mono();

	for (unsigned i = 0; i < BLOCKS; i++) {
		dvmd_transport_request(hub->t, HUB + 1, DVMI_MSG_PROBE, block, BLOCK, TIMEOUT,
				       on_answer, hub);
		if (i >= 8)
			turn_until(loop, hub, before + i - 8);
	}
	turn_until(loop, hub, before + BLOCKS);
	printf("  %.0f MB/s one way in bodies of 1 MiB\n",
	       (double)BLOCKS * BLOCK / ((double)(dvmi_clock_mono() - t0) / 1e3));
	free(block);
}

static uint64_t received(const struct node *hub)
{
	struct dvmd_transport_stats st;

	dvmd_transport_stats(hub->t, &st);
	return st.received;
}

/* Both ways: the hub asks every peer and every peer asks the hub. */
static void connect_all(struct node *hub, uv_loop_t *loop, unsigned n, int to)
{
	if (write(to, "g", 1) != 1)
		exit(1);
	for (unsigned i = 0; i < n; i++)
		ask(hub, HUB + 1 + i);
	while (received(hub) < 2 * n)
		uv_run(loop, UV_RUN_ONCE);
}

static void learn_peers(struct node *hub, unsigned n, int from)
{
	struct node peer;

	for (unsigned i = 0; i < n; i++) {
		if (read(from, &peer, sizeof peer) != sizeof peer)
			exit(1);
		knows(hub, &peer);
	}
}

static void measure(unsigned n)
{
	int down[2], up[2];
	struct node hub;
	uv_loop_t loop;

	if (pipe(down) < 0 || pipe(up) < 0)
		exit(1);
	pid_t child = fork();
	if (child == 0)
		run_peers(n, up[1], down[0]);
	uv_loop_init(&loop);
	make(&hub, HUB);
	uint64_t t0 = dvmi_clock_mono();
	start(&hub, &loop);
	uint64_t started = dvmi_clock_mono() - t0;
	if (write(down[1], &hub, sizeof hub) != sizeof hub)
		exit(1);
	learn_peers(&hub, n, up[0]);
	long before = rss_kb();
	t0 = dvmi_clock_mono();
	connect_all(&hub, &loop, n, down[1]);
	printf("%u peers: started in %.1f ms, %ld kB; all connected both ways in %.0f ms;"
	       " %.1f kB a peer; %u failures\n",
	       n, (double)started / 1e6, before, (double)(dvmi_clock_mono() - t0) / 1e6,
	       (double)(rss_kb() - before) / n, hub.failures);
	measure_trips(&hub, &loop);
	measure_bandwidth(&hub, &loop);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	dvmd_transport_destroy(hub.t);
	uv_run(&loop, UV_RUN_NOWAIT);
}

int main(int argc, char **argv)
{
	struct rlimit files;

	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	if (sodium_init() < 0)
		return 1;
	if (argc == 1)
		return measure(16), measure(200), 0;
	for (int i = 1; i < argc; i++)
		measure((unsigned)atoi(argv[i]));
	return 0;
}
