/* SPDX-License-Identifier: BSD-3-Clause */
/* What ranks say to us and through us to other nodes: addresses, goodbyes, aborts, deaths. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/shepherd/jobmap.h"
#include "daemon/shepherd/shepherd_private.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/base/clock.h"

#define ASK_AGAIN    (1 * DVMI_SEC)
#define TELL_LATER   (2 * DVMI_MSEC) /* goodbyes come in crowds: one message for all */
#define REPORT_LATER (50 * DVMI_MSEC)

static uint32_t rank_of(const struct shep *s, uint32_t local)
{
	return s->share->ranks[local];
}

/* Some question may wait: look again in a while. */
static void ask_later(struct shep *s)
{
	if (!s->ask_again)
		s->ask_again = dvmi_clock_mono() + ASK_AGAIN;
}

static void report_late(struct shep *s)
{
	if (!s->news.report_late)
		s->news.report_late = dvmi_clock_mono() + REPORT_LATER;
}

/* ---- states ---- */

static void tell_by(struct shep *s, uint64_t when)
{
	if (!s->news.tell || when < s->news.tell)
		s->news.tell = when;
}

static void mark(struct shep *s, uint32_t rank, enum dvmi_rank_state state)
{
	if (!s->peers || !shep_jobmap_mark(s->mem.map, rank, state))
		return;
	s->news.marked = true;
	tell_by(s, dvmi_clock_mono() + (state == DVMI_RANK_CLOSED ? TELL_LATER : 0));
	shep_peers_changed(s->peers, rank);
}

void shep_wire_rank_ended(struct shep *s, uint32_t local)
{
	/* Its last words, a goodbye say, may still lie in the socket. */
	if (s->server)
		shep_server_drain(s->server, local);
	mark(s, rank_of(s, local), DVMI_RANK_GONE);
	const struct shep_rank *r = &s->ranks.r[local];
	shep_event_exit(s, r->rank, s->share->node, r->status,
			r->signalled ? (uint32_t)r->status - 128 : 0);
	if (s->peers)
		tell_by(s, dvmi_clock_mono() + TELL_LATER); /* how it ended, where it had closed */
}

static size_t collect(const struct shep *s, enum dvmi_rank_state state, uint32_t *out)
{
	size_t n = 0;

	for (size_t i = 0; i < s->ranks.n; i++)
		if (shep_jobmap_state(s->mem.map, rank_of(s, (uint32_t)i)) == state)
			out[n++] = rank_of(s, (uint32_t)i);
	return n;
}

static size_t collect_exits(const struct shep *s, Pb__RankExit *exits, Pb__RankExit **list)
{
	size_t n = 0;

	for (size_t i = 0; i < s->ranks.n; i++) {
		const struct shep_rank *r = &s->ranks.r[i];
		if (!r->exited)
			continue;
		pb__rank_exit__init(&exits[n]);
		exits[n].rank = r->rank;
		exits[n].status = r->status;
		exits[n].signal = r->signalled ? r->status - 128 : 0;
		list[n] = &exits[n];
		n++;
	}
	return n;
}

static size_t collect_pids(const struct shep *s, Pb__RankProcess *pids, Pb__RankProcess **list)
{
	size_t n = 0;

	for (size_t i = 0; i < s->ranks.n; i++) {
		uint32_t pid = shep_jobmap_pid(s->mem.map, rank_of(s, (uint32_t)i));
		if (!pid)
			continue;
		pb__rank_process__init(&pids[n]);
		pids[n].rank = rank_of(s, (uint32_t)i);
		pids[n].pid = pid;
		list[n] = &pids[n];
		n++;
	}
	return n;
}

/* All of our ranks that are not alive: the whole truth each time, since a message may be lost. */
Pb__PeerMessage *shep_wire_states(struct shep *s, bool pids)
{
	size_t n = s->ranks.n + 1;
	Pb__PeerMessage msg = PB__PEER_MESSAGE__INIT;
	cleanup_free uint32_t *ranks = calloc(2 * n, sizeof *ranks);
	cleanup_free Pb__RankExit *exits = calloc(n, sizeof *exits);
	cleanup_free Pb__RankExit **exit_list = calloc(n, sizeof *exit_list);
	cleanup_free Pb__RankProcess *procs = calloc(n, sizeof *procs);
	cleanup_free Pb__RankProcess **proc_list = calloc(n, sizeof *proc_list);

	if (!ranks || !exits || !exit_list || !procs || !proc_list)
		return NULL;
	msg.job = s->c->launch->job;
	msg.from = s->share->node;
	msg.kind = PB__PEER_MESSAGE__KIND__STATES;
	msg.closed = ranks;
	msg.n_closed = collect(s, DVMI_RANK_CLOSED, ranks);
	msg.gone = ranks + n;
	msg.n_gone = collect(s, DVMI_RANK_GONE, msg.gone);
	msg.exits = exit_list;
	msg.n_exits = collect_exits(s, exits, exit_list);
	msg.pids = proc_list;
	msg.n_pids = pids ? collect_pids(s, procs, proc_list) : 0;
	return dvmi_pb_dup(&msg);
}

static void tell_nodes(struct shep *s)
{
	Pb__PeerMessage *msg = shep_wire_states(s, false);

	if (msg && msg->n_closed + msg->n_gone)
		shep_link_send_pb(s->link, DVMI_MSG_PEER, msg);
	dvmi_pb_free(msg);
}

/* Of ranks elsewhere; our own we know best. */
static void mark_remote(struct shep *s, const uint32_t *ranks, size_t n, enum dvmi_rank_state state)
{
	for (size_t i = 0; i < n; i++)
		if (shep_jobmap_node_of(s->mem.map, ranks[i]) != (int64_t)s->mem.map->node)
			mark(s, ranks[i], state);
}

/* The same, from a node that speaks for its own ranks only. */
static void mark_of(struct shep *s, uint32_t from, const uint32_t *ranks, size_t n,
		    enum dvmi_rank_state state)
{
	for (size_t i = 0; i < n; i++) {
		int64_t node = shep_jobmap_node_of(s->mem.map, ranks[i]);
		if (node >= 0 && s->node_ids[node] == from)
			mark_remote(s, &ranks[i], 1, state);
	}
}

static void take_states(struct shep *s, const Pb__PeerMessage *msg)
{
	mark_of(s, msg->from, msg->closed, msg->n_closed, DVMI_RANK_CLOSED);
	mark_of(s, msg->from, msg->gone, msg->n_gone, DVMI_RANK_GONE);
	for (size_t i = 0; i < msg->n_exits; i++) {
		const Pb__RankExit *e = msg->exits[i];
		int64_t node = shep_jobmap_node_of(s->mem.map, e->rank);
		if (node < 0 || s->node_ids[node] != msg->from || msg->from == s->share->node)
			continue;
		shep_event_exit(s, e->rank, msg->from, e->status, (uint32_t)e->signal);
		if (s->mpi)
			shep_mpi_rank_failed(s->mpi, e->rank, e->status);
	}
}

static void take_mpi(struct shep *s, const Pb__PeerMessage *msg)
{
	if (!s->mpi)
		return;
	shep_mpi_message(s->mpi, msg);
	ask_later(s);
}

void shep_wire_peer_message(struct shep *s, const Pb__PeerMessage *msg)
{
	if (!s->peers)
		return;
	if (msg->kind >= PB__PEER_MESSAGE__KIND__EXCHANGE)
		take_mpi(s, msg);
	else if (msg->from_job)
		shep_links_message(s, msg);
	else if (msg->kind == PB__PEER_MESSAGE__KIND__STATES)
		take_states(s, msg);
	else
		shep_peers_message(s->peers, msg);
}

static void lose_node(struct shep *s, uint32_t node)
{
	const Pb__Placement *p = s->c->launch->placement;

	for (size_t i = 0; i < p->n_nodes; i++) {
		const Pb__NodeShare *share = p->nodes[i];
		if (share->node != node || node == s->share->node)
			continue;
		mark_remote(s, share->ranks, share->n_ranks, DVMI_RANK_GONE);
		for (size_t k = 0; k < share->n_ranks; k++)
			shep_event_exit(s, share->ranks[k], node, -1, 0);
		if (s->mpi)
			shep_mpi_lost(s->mpi, (uint32_t)i);
	}
}

void shep_wire_ranks_lost(struct shep *s, const Pb__RanksState *lost)
{
	if (!s->peers)
		return;
	mark_remote(s, lost->closed, lost->n_closed, DVMI_RANK_CLOSED);
	mark_remote(s, lost->gone, lost->n_gone, DVMI_RANK_GONE);
	lose_node(s, lost->node);
}

/* ---- ranks ---- */

static void on_hello(uint32_t local, uint32_t pid, void *arg)
{
	struct shep *s = arg;

	s->ranks.r[local].connected = true;
	shep_jobmap_set_pid(s->mem.map, rank_of(s, local), pid);
	if (s->links.n_watchers)
		tell_by(s, dvmi_clock_mono() + TELL_LATER);
	report_late(s);
	if (shep_peers_is_wanted(s->peers, rank_of(s, local)))
		shep_server_send(s->server, local, DVMI_RANK_WANTED, NULL, 0);
}

static void on_publish(uint32_t local, const uint8_t *addr, size_t len, void *arg)
{
	struct shep *s = arg;

	shep_peers_publish(s->peers, rank_of(s, local), addr, len);
}

static void on_lookup(uint32_t local, uint64_t job, uint32_t rank, void *arg)
{
	struct shep *s = arg;

	if (job) {
		shep_links_lookup(s, local, job, rank);
		return;
	}
	shep_peers_lookup(s->peers, local, rank);
	ask_later(s);
}

static void on_goodbye(uint32_t local, void *arg)
{
	struct shep *s = arg;

	s->ranks.r[local].closed = true;
	mark(s, rank_of(s, local), DVMI_RANK_CLOSED);
	report_late(s);
}

static void on_abort(uint32_t local, int code, const char *text, void *arg)
{
	struct shep *s = arg;

	if (s->status.abort_text[0])
		return;
	s->status.abort_code = code;
	snprintf(s->status.abort_text, sizeof s->status.abort_text, "rank %u: %s",
		 rank_of(s, local), *text ? text : "aborted");
	s->news.report = true;
}

/* Without a goodbye nobody can talk to it any more, whatever its process does. */
static void on_lost(uint32_t local, void *arg)
{
	struct shep *s = arg;

	shep_peers_forget(s->peers, local);
	shep_asks_forget(s, local);
	shep_links_forget(s, local);
	shep_events_forget(s, local);
	shep_ranks_lost(&s->ranks, &s->ranks.r[local]);
	mark(s, rank_of(s, local), DVMI_RANK_GONE);
}

static void on_ask(uint32_t local, uint16_t type, const uint8_t *body, size_t len, int fd, void *arg)
{
	shep_asks_take(arg, local, type, body, len, fd);
}

const struct shep_server_ops shep_wire_server_ops = {
	.hello = on_hello,
	.publish = on_publish,
	.lookup = on_lookup,
	.goodbye = on_goodbye,
	.abort = on_abort,
	.ask = on_ask,
	.lost = on_lost,
};

/* ---- addresses ---- */

void shep_wire_send_address(struct shep *s, uint32_t local, uint64_t job, uint32_t rank, int code,
			    const uint8_t *addr, size_t len)
{
	uint8_t body[sizeof(struct dvmi_rank_peer) + DVMI_RANK_ADDR_MAX];
	struct dvmi_rank_peer peer = { .job = job, .rank = rank, .code = code };

	memcpy(body, &peer, sizeof peer);
	if (len)
		memcpy(body + sizeof peer, addr, len);
	shep_server_send(s->server, local, DVMI_RANK_ADDR, body, sizeof peer + len);
}

static void send_answer(uint32_t local, uint32_t rank, int code, const uint8_t *addr, size_t len,
			void *arg)
{
	shep_wire_send_address(arg, local, 0, rank, code, addr, len);
}

static void send_wanted(uint32_t local, void *arg)
{
	struct shep *s = arg;

	shep_server_send(s->server, local, DVMI_RANK_WANTED, NULL, 0);
}

static void send_peer(const Pb__PeerMessage *msg, void *arg)
{
	struct shep *s = arg;

	shep_link_send_pb(s->link, DVMI_MSG_PEER, msg);
}

int shep_wire_create_peers(struct shep *s)
{
	const struct shep_peers_config config = {
		.job = s->c->launch->job,
		.node = s->share->node,
		.map = s->mem.map,
		.node_ids = s->node_ids,
		.answer = send_answer,
		.wanted = send_wanted,
		.send = send_peer,
		.arg = s,
	};

	return shep_peers_create(&s->peers, &config);
}

/* ---- MPI ---- */

static void on_mpi_ready(int code, const char *text, void *arg)
{
	struct shep *s = arg;

	shep_launch_go(s->launch, code, text);
}

static void send_mpi(const Pb__PeerMessage *msg, void *arg)
{
	struct shep *s = arg;

	send_peer(msg, s);
	ask_later(s); /* it may be lost */
}

static void on_note(const char *text, void *arg)
{
	shep_life_note(arg, text);
}

int shep_wire_create_mpi(struct shep *s)
{
	const struct shep_mpi_config config = {
		.loop = &s->loop,
		.launch = s->c->launch,
		.self = s->c->self,
		.dir = s->c->setup->dir,
		.run_dir = s->c->o.run_dir,
		.map = s->mem.map,
		.node_ids = s->node_ids,
		.cores = s->mem.map->local_cores,
		.environ = s->environ,
		.log = s->c->log,
		.ready = on_mpi_ready,
		.send = send_mpi,
		.abort = on_abort,
		.spawn = shep_ask_mpi_spawn,
		.name = shep_ask_mpi_name,
		.record = shep_ask_mpi_record,
		.note = on_note,
		.arg = s,
	};

	return shep_mpi_create(&s->mpi, &config);
}

/* ---- turns ---- */

static bool ask_again(struct shep *s)
{
	bool peers = shep_peers_ask_again(s->peers);

	return (s->mpi && shep_mpi_ask_again(s->mpi)) || peers;
}

void shep_wire_link_up(struct shep *s)
{
	if (!s->peers)
		return;
	if (s->share->n_ranks < s->mem.map->size)
		tell_nodes(s);
	ask_again(s);
}

void shep_wire_turn(struct shep *s, uint64_t now)
{
	/* Once done there may be no later. */
	if (s->news.tell && (now >= s->news.tell || s->after.done)) {
		s->news.tell = 0;
		if (s->news.marked)
			shep_server_tell_changed(s->server);
		s->news.marked = false;
		if (s->share->n_ranks < s->mem.map->size)
			tell_nodes(s);
		shep_links_tell(s);
	}
	shep_asks_turn(s, now);
	shep_links_turn(s, now);
	shep_events_turn(s);
	if (s->ask_again && now >= s->ask_again)
		s->ask_again = ask_again(s) ? now + ASK_AGAIN : 0;
}
