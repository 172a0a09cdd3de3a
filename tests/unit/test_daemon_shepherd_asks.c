/* SPDX-License-Identifier: BSD-3-Clause */
/* Questions of ranks, links to other jobs and events, at the real dvm-shepherd; the test is dvmd. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dvm/error.h"
#include "libdvm/base/clock.h"
#include "tests/unit/cm.h"
#include "tests/unit/shep_peer.h"

/* ---- asking and answering ---- */

static void ask(const struct peer *p, uint16_t type, uint32_t id, uint32_t ms, const void *body,
		size_t len)
{
	uint8_t packet[1000];
	struct dvmi_rank_ask head = { .id = id, .timeout_ms = ms };

	memcpy(packet, &head, sizeof head);
	if (len)
		memcpy(packet + sizeof head, body, len);
	peer_put(p, DVMI_RANK_VERSION, type, packet, sizeof head + len);
}

static struct dvmi_rank_answer expect_answer(struct peer *p, uint32_t id, int code)
{
	struct dvmi_rank_answer a;

	peer_expect(p, DVMI_RANK_ANSWER);
	assert_true(p->len >= sizeof a);
	memcpy(&a, p->body, sizeof a);
	assert_int_equal(a.id, id);
	assert_int_equal(a.code, code);
	return a;
}

static void expect_text(const struct peer *p, const char *text)
{
	size_t len = p->len - sizeof(struct dvmi_rank_answer);

	assert_int_equal(len, strlen(text));
	assert_memory_equal(p->body + sizeof(struct dvmi_rank_answer), text, len);
}

static struct dvmi_rank_event expect_event(struct peer *p, uint32_t kind)
{
	struct dvmi_rank_event e;

	peer_expect(p, DVMI_RANK_EVENT);
	assert_true(p->len >= sizeof e);
	memcpy(&e, p->body, sizeof e);
	assert_int_equal(e.kind, kind);
	return e;
}

static void ask_job(const struct peer *p, uint16_t type, uint32_t id, uint64_t job)
{
	ask(p, type, id, 0, &job, sizeof job);
}

static void ask_name(const struct peer *p, uint16_t type, uint32_t id, uint32_t ms,
		     const char *service, const char *value)
{
	uint8_t body[600];
	uint32_t lens[2] = { (uint32_t)strlen(service), (uint32_t)strlen(value) };

	memcpy(body, lens, sizeof lens);
	memcpy(body + sizeof lens, service, lens[0]);
	memcpy(body + sizeof lens + lens[0], value, lens[1]);
	ask(p, type, id, ms, body, sizeof lens + lens[0] + lens[1]);
}

static void watch(struct rig *r, struct peer *p, uint32_t mask)
{
	uint32_t body[2] = { mask };
	Pb__NodesReply nodes = PB__NODES_REPLY__INIT;

	ask(p, DVMI_RANK_WATCH, 1000, 0, body, sizeof body);
	if (mask & ~3u) {
		rig_expect_call(r, 0, DVMI_MSG_NODES);
		rig_reply(r, 0, DVMI_MSG_NODES, &nodes);
	}
	expect_answer(p, 1000, 0);
}

/* ---- questions ---- */

static void a_name_is_a_call_of_the_daemon(void **state)
{
	struct rig *r = *state;
	struct peer p;
	Pb__NameRequest *req;
	Pb__ServiceName name = PB__SERVICE_NAME__INIT;
	uint8_t value[] = "bytes";

	peer_start(r, 1, 2);
	peer_join(&p, r, 0, 1);
	ask_name(&p, DVMI_RANK_NAME_PUT, 5, 0, "here", "bytes");
	rig_expect_call(r, 0, DVMI_MSG_NAME_PUT);
	assert_int_equal(dvmi_pb_unpack(&pb__name_request__descriptor, r->nodes[0].call_body.data,
					r->nodes[0].call_body.len, &req),
			 0);
	assert_string_equal(req->service, "here");
	assert_int_equal(req->value.len, 5);
	assert_int_equal(req->rank, 1);
	dvmi_pb_free(req);
	rig_reply_error(r, 0, -EEXIST, "taken");
	expect_answer(&p, 5, -EEXIST);
	expect_text(&p, "taken");
	ask_name(&p, DVMI_RANK_NAME_GET, 6, 0, "here", "");
	rig_expect_call(r, 0, DVMI_MSG_NAME_GET);
	name.job = 99;
	name.rank = 3;
	name.value = (ProtobufCBinaryData){ .len = 5, .data = value };
	rig_reply(r, 0, DVMI_MSG_NAME_GET, &name);
	struct dvmi_rank_answer a = expect_answer(&p, 6, 0);
	assert_int_equal(a.job, 99);
	assert_int_equal(a.rank, 3);
	expect_text(&p, "bytes");
	peer_leave(&p);
}

static void who_waits_for_a_name_asks_again_when_there_is_news(void **state)
{
	struct rig *r = *state;
	struct peer p;
	Pb__News news = PB__NEWS__INIT;
	Pb__ServiceName name = PB__SERVICE_NAME__INIT;

	peer_start(r, 1, 1);
	peer_join(&p, r, 0, 0);
	ask_name(&p, DVMI_RANK_NAME_GET, 1, 0, "now", "");
	rig_expect_call(r, 0, DVMI_MSG_NAME_GET);
	rig_reply_error(r, 0, -ENOENT, "nobody");
	expect_answer(&p, 1, -ENOENT);
	ask_name(&p, DVMI_RANK_NAME_GET, 2, 20000, "later", "");
	rig_expect_call(r, 0, DVMI_MSG_NAME_GET);
	rig_reply_error(r, 0, -ENOENT, "nobody");
	news.kind = PB__NEWS__KIND__NAME;
	rig_send(r, 0, DVMI_MSG_NEWS, &news);
	rig_expect_call(r, 0, DVMI_MSG_NAME_GET);
	rig_reply(r, 0, DVMI_MSG_NAME_GET, &name);
	expect_answer(&p, 2, 0);
	ask_name(&p, DVMI_RANK_NAME_GET, 3, 50, "never", "");
	rig_expect_call(r, 0, DVMI_MSG_NAME_GET);
	rig_reply_error(r, 0, -ENOENT, "nobody");
	expect_answer(&p, 3, -ETIMEDOUT);
	peer_leave(&p);
}

static void malformed_questions_are_answered(void **state)
{
	struct rig *r = *state;
	struct peer p;
	uint8_t zeros[600] = { 0 };
	const struct {
		uint16_t type;
		size_t len;
	} bad[] = { { DVMI_RANK_LINK, 7 },	 { DVMI_RANK_CANCEL, 9 },
		    { DVMI_RANK_SPAWN, 24 },	 { DVMI_RANK_SPAWN, 3 },
		    { DVMI_RANK_NAME_PUT, 7 },	 { DVMI_RANK_NAME_PUT, 8 },
		    { DVMI_RANK_NAME_GET, 100 }, { DVMI_RANK_WATCH, 4 },
		    { DVMI_RANK_HOSTS, 1 },	 { DVMI_RANK_HOST_ADD, 5 },
		    { DVMI_RANK_HOST_DROP, 0 } };

	peer_start(r, 1, 1);
	peer_join(&p, r, 0, 0);
	for (uint32_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		ask(&p, bad[i].type, i, 0, zeros, bad[i].len);
		expect_answer(&p, i, -EINVAL);
	}
	uint32_t mask[2] = { 1u << DVMI_EVENT_KINDS };
	ask(&p, DVMI_RANK_WATCH, 50, 0, mask, sizeof mask);
	expect_answer(&p, 50, -EINVAL);
	ask_name(&p, DVMI_RANK_NAME_GET, 51, 0, "a", "value");
	expect_answer(&p, 51, -EINVAL);
	assert_int_equal(r->nodes[0].calls, 0);
	peer_leave(&p);
}

static void not_too_many_at_a_time(void **state)
{
	struct rig *r = *state;
	struct peer p;

	peer_start(r, 1, 1);
	peer_join(&p, r, 0, 0);
	for (uint32_t i = 0; i < DVMI_RANK_ASKS_MAX; i++)
		ask(&p, DVMI_RANK_HOST_ADD, i, 0, NULL, 0);
	ask(&p, DVMI_RANK_HOSTS, 900, 0, NULL, 0);
	expect_answer(&p, 900, -EAGAIN);
	ask(&p, DVMI_RANK_HOSTS, 3, 0, NULL, 0); /* the number of one that waits */
	expect_answer(&p, 3, -EINVAL);
	peer_leave(&p);
}

static void a_question_has_its_time(void **state)
{
	struct rig *r = *state;
	struct peer p;

	peer_start(r, 1, 1);
	peer_join(&p, r, 0, 0);
	ask(&p, DVMI_RANK_HOSTS, 1, 50, NULL, 0);
	expect_answer(&p, 1, -ETIMEDOUT);
	rig_expect_call(r, 0, DVMI_MSG_NODES);
	rig_reply_error(r, 0, -EIO, "too late"); /* nobody hears it */
	rig_daemon_dies(r, 0);
	ask(&p, DVMI_RANK_HOSTS, 2, 50, NULL, 0);
	expect_answer(&p, 2, -DVM_ENOQUORUM);
	rig_daemon_returns(r, 0);
	peer_leave(&p);
}

static void a_daemon_that_dies_is_asked_again_where_it_does_no_harm(void **state)
{
	struct rig *r = *state;
	struct peer p;
	Pb__NodesReply nodes = PB__NODES_REPLY__INIT;
	uint64_t hellos = 2;

	peer_start(r, 1, 1);
	peer_join(&p, r, 0, 0);
	ask(&p, DVMI_RANK_HOST_ADD, 1, 0, "a", 1);
	rig_expect_call(r, 0, DVMI_MSG_HOST_ADD);
	ask(&p, DVMI_RANK_HOSTS, 2, 0, NULL, 0);
	rig_expect_call(r, 0, DVMI_MSG_NODES);
	rig_daemon_dies(r, 0);
	expect_answer(&p, 1, -DVM_EPEERLOST);
	rig_daemon_returns(r, 0);
	rig_run(r, "a greeting", rig_has_hellos, &hellos);
	rig_expect_call(r, 0, DVMI_MSG_NODES);
	rig_reply(r, 0, DVMI_MSG_NODES, &nodes);
	assert_int_equal(expect_answer(&p, 2, 0).count, 0);
	assert_true(p.fd_came >= 0);
	close(p.fd_came);
	peer_leave(&p);
}

/* ---- other jobs ---- */

/* Job 20: ranks 0 and 1 on the rig's node 0, rank 2 on one called 77. */
static void reply_record(struct rig *r, Pb__JobState state, uint32_t uid, uint64_t started)
{
	Pb__JobRecord rec = PB__JOB_RECORD__INIT;
	Pb__JobSpec spec = PB__JOB_SPEC__INIT;
	Pb__Placement p = PB__PLACEMENT__INIT;
	Pb__NodeShare share[2] = { PB__NODE_SHARE__INIT, PB__NODE_SHARE__INIT };
	Pb__NodeShare *shares[2] = { &share[0], &share[1] };
	uint32_t here[] = { 0, 1 }, there[] = { 2 };
	char reason[] = "node9: nonesuch: no such file";

	share[0].node = r->nodes[0].id;
	share[0].ranks = here;
	share[0].n_ranks = 2;
	share[1].node = 77;
	share[1].ranks = there;
	share[1].n_ranks = 1;
	p.nodes = shares;
	p.n_nodes = 2;
	p.ranks = 3;
	spec.uid = uid;
	spec.parent_job = 19;
	spec.parent_rank = 1;
	rec.id = 20;
	rec.spec = &spec;
	rec.placement = &p;
	rec.key = 0x4321;
	rec.state = state;
	rec.started = started;
	rec.exit_code = 127;
	rec.reason = reason;
	rig_reply(r, 0, DVMI_MSG_JOB_RECORD, &rec);
}

static struct dvmi_jobmap *map_linked(struct peer *p, size_t *bytes)
{
	struct dvmi_rank_linked linked;

	assert_int_equal(p->len, sizeof(struct dvmi_rank_answer) + sizeof linked);
	memcpy(&linked, p->body + sizeof(struct dvmi_rank_answer), sizeof linked);
	assert_int_equal(linked.key, 0x4321);
	assert_int_equal(linked.parent_job, 19);
	assert_int_equal(linked.parent_rank, 1);
	assert_int_equal(linked.size, 3);
	*bytes = linked.map_bytes;
	assert_ptr_equal(mmap(NULL, *bytes, PROT_READ | PROT_WRITE, MAP_SHARED, p->fd_came, 0),
			 MAP_FAILED);
	void *map = mmap(NULL, *bytes, PROT_READ, MAP_SHARED, p->fd_came, 0);
	assert_true(map != MAP_FAILED);
	close(p->fd_came);
	return map;
}

static int linked_state(const struct dvmi_jobmap *map, uint32_t rank)
{
	return ((const volatile uint8_t *)map)[map->state_off + rank];
}

struct foreign_wish {
	Pb__PeerMessage__Kind kind;
	uint32_t to;
};

static bool has_said(struct rig *r, void *arg)
{
	const struct foreign_wish *w = arg;
	const Pb__PeerMessage *m = r->nodes[0].foreign;

	return m && m->kind == w->kind && (!w->to || m->to == w->to);
}

static const Pb__PeerMessage *expect_foreign(struct rig *r, Pb__PeerMessage__Kind kind, uint32_t to)
{
	struct foreign_wish w = { kind, to };

	rig_run(r, "a message to another job", has_said, &w);
	assert_int_equal(r->nodes[0].foreign->from_job, RIG_JOB);
	return r->nodes[0].foreign;
}

static struct dvmi_jobmap *link_job(struct rig *r, struct peer *p, size_t *bytes)
{
	ask_job(p, DVMI_RANK_LINK, 1, 20);
	rig_expect_call(r, 0, DVMI_MSG_JOB_RECORD);
	reply_record(r, PB__JOB_STATE__JOB_RUNNING, geteuid(), 1);
	assert_int_equal(expect_answer(p, 1, 0).job, 20);
	return map_linked(p, bytes);
}

static void say_states(struct rig *r, uint32_t from, const uint32_t *gone, size_t n_gone,
		       uint32_t exited, int status)
{
	Pb__PeerMessage m = PB__PEER_MESSAGE__INIT;
	Pb__RankExit e = PB__RANK_EXIT__INIT, *exits = &e;

	m.job = RIG_JOB;
	m.from_job = 20;
	m.from = from;
	m.kind = PB__PEER_MESSAGE__KIND__STATES;
	m.gone = (uint32_t *)gone;
	m.n_gone = n_gone;
	e.rank = exited;
	e.status = status;
	m.exits = &exits;
	m.n_exits = exited != UINT32_MAX;
	rig_send(r, 0, DVMI_MSG_PEER, &m);
}

static void a_linked_job_has_a_map(void **state)
{
	struct rig *r = *state;
	struct peer p;
	size_t bytes;

	peer_start(r, 1, 2);
	peer_join(&p, r, 0, 0);
	ask_job(&p, DVMI_RANK_LINK, 9, RIG_JOB);
	expect_answer(&p, 9, -EINVAL);
	struct dvmi_jobmap *map = link_job(r, &p, &bytes);
	expect_foreign(r, PB__PEER_MESSAGE__KIND__WATCH, 77);
	assert_int_equal(map->magic, DVMI_JOBMAP_MAGIC);
	assert_int_equal(map->job, 20);
	assert_int_equal(map->size, 3);
	assert_int_equal(map->node, 0);
	assert_int_equal(map->local_size, 2);
	assert_int_equal(map->doorbell_off, 0);
	const uint32_t *ids = (const uint32_t *)((uint8_t *)map + map->node_id_of_off);
	assert_int_equal(ids[0], r->nodes[0].id);
	assert_int_equal(ids[1], 77);
	/* A node speaks for its own ranks only. */
	const uint32_t gone[] = { 0, 2 };
	say_states(r, 77, gone, 2, 2, 3);
	peer_expect(&p, DVMI_RANK_CHANGED);
	assert_int_equal(linked_state(map, 0), DVMI_RANK_ALIVE);
	assert_int_equal(linked_state(map, 2), DVMI_RANK_GONE);
	munmap(map, bytes);
	peer_leave(&p);
}

static void not_every_job_can_be_linked(void **state)
{
	struct rig *r = *state;
	struct peer p;

	peer_start(r, 1, 1);
	peer_join(&p, r, 0, 0);
	ask_job(&p, DVMI_RANK_LINK, 1, 20);
	rig_expect_call(r, 0, DVMI_MSG_JOB_RECORD);
	reply_record(r, PB__JOB_STATE__JOB_RUNNING, geteuid() + 1, 1);
	expect_answer(&p, 1, -EPERM);
	ask_job(&p, DVMI_RANK_LINK, 2, 20);
	rig_expect_call(r, 0, DVMI_MSG_JOB_RECORD);
	reply_record(r, PB__JOB_STATE__JOB_DONE, geteuid(), 1);
	expect_answer(&p, 2, -ESRCH);
	ask_job(&p, DVMI_RANK_LINK, 3, 21);
	rig_expect_call(r, 0, DVMI_MSG_JOB_RECORD);
	rig_reply_error(r, 0, -ENOENT, "no job 21");
	expect_answer(&p, 3, -ENOENT);
	peer_leave(&p);
}

static void look_up(const struct peer *p, uint64_t job, uint32_t rank)
{
	struct dvmi_rank_peer q = { .job = job, .rank = rank };

	peer_put(p, DVMI_RANK_VERSION, DVMI_RANK_LOOKUP, &q, sizeof q);
}

static void addresses_go_from_job_to_job(void **state)
{
	struct rig *r = *state;
	struct peer p;
	struct dvmi_rank_peer a;
	Pb__PeerMessage m = PB__PEER_MESSAGE__INIT;
	uint8_t addr[] = "tcp://there";
	size_t bytes;

	peer_start(r, 1, 1);
	peer_join(&p, r, 0, 0);
	look_up(&p, 20, 2);
	peer_expect(&p, DVMI_RANK_ADDR); /* not linked */
	memcpy(&a, p.body, sizeof a);
	assert_int_equal(a.job, 20);
	assert_int_equal(a.code, -EINVAL);
	munmap(link_job(r, &p, &bytes), 4096);
	look_up(&p, 20, 2);
	assert_int_equal(expect_foreign(r, PB__PEER_MESSAGE__KIND__LOOKUP, 77)->rank, 2);
	m.job = RIG_JOB;
	m.from_job = 20;
	m.from = 77;
	m.kind = PB__PEER_MESSAGE__KIND__ADDRESS;
	m.rank = 2;
	m.address = (ProtobufCBinaryData){ .len = sizeof addr - 1, .data = addr };
	rig_send(r, 0, DVMI_MSG_PEER, &m);
	peer_expect(&p, DVMI_RANK_ADDR);
	memcpy(&a, p.body, sizeof a);
	assert_int_equal(a.job, 20);
	assert_int_equal(a.rank, 2);
	assert_int_equal(a.code, 0);
	assert_int_equal(p.len - sizeof a, sizeof addr - 1);
	/* The other way round: a rank of job 20 wants ours. */
	m.kind = PB__PEER_MESSAGE__KIND__LOOKUP;
	m.rank = 0;
	m.address.len = 0;
	rig_send(r, 0, DVMI_MSG_PEER, &m);
	peer_expect(&p, DVMI_RANK_WANTED);
	peer_put(&p, DVMI_RANK_VERSION, DVMI_RANK_PUBLISH, "tcp://us", 8);
	const Pb__PeerMessage *told = expect_foreign(r, PB__PEER_MESSAGE__KIND__ADDRESS, 77);
	assert_int_equal(told->job, 20);
	assert_int_equal(told->rank, 0);
	assert_int_equal(told->address.len, 8);
	peer_leave(&p);
}

static bool has_said_more(struct rig *r, void *arg)
{
	return r->nodes[0].foreigners > *(const uint64_t *)arg;
}

static void who_watches_us_is_told(void **state)
{
	struct rig *r = *state;
	struct peer p;
	Pb__PeerMessage m = PB__PEER_MESSAGE__INIT;

	peer_start(r, 1, 2);
	peer_join(&p, r, 0, 0);
	m.job = RIG_JOB;
	m.from_job = 20;
	m.from = r->nodes[0].id; /* on this very node: process numbers, too */
	m.kind = PB__PEER_MESSAGE__KIND__WATCH;
	rig_send(r, 0, DVMI_MSG_PEER, &m);
	const Pb__PeerMessage *told = expect_foreign(r, PB__PEER_MESSAGE__KIND__STATES, 0);
	assert_int_equal(told->job, 20);
	assert_int_equal(told->n_gone + told->n_closed, 0);
	assert_int_equal(told->n_pids, 1);
	assert_int_equal(told->pids[0]->pid, getpid());
	uint64_t seen = r->nodes[0].foreigners;
	peer_put(&p, DVMI_RANK_VERSION, DVMI_RANK_GOODBYE, NULL, 0);
	rig_run(r, "more states", has_said_more, &seen);
	assert_int_equal(r->nodes[0].foreign->n_closed, 1);
	peer_leave(&p);
}

/* ---- events ---- */

static void events_of_a_linked_job(void **state)
{
	struct rig *r = *state;
	struct peer p, deaf;
	Pb__News news = PB__NEWS__INIT;
	char reason[] = "because";
	size_t bytes;

	peer_start(r, 1, 2);
	peer_join(&p, r, 0, 0);
	peer_join(&deaf, r, 0, 1);
	watch(r, &p, 3);
	watch(r, &deaf, 3); /* … which has not linked it */
	struct dvmi_jobmap *map = link_job(r, &p, &bytes);
	const uint32_t gone[] = { 2 };
	say_states(r, 77, gone, 1, 2, 3);
	struct dvmi_rank_event e = expect_event(&p, DVMI_EVENT_RANK_EXIT);
	assert_int_equal(e.job, 20);
	assert_int_equal(e.rank, 2);
	assert_int_equal(e.node, 77);
	assert_int_equal(e.status, 3);
	say_states(r, 77, gone, 1, 2, 3); /* once only */
	news.kind = PB__NEWS__KIND__JOB;
	news.job = 20;
	news.state = PB__JOB_STATE__JOB_DONE;
	news.exit_code = 4;
	news.reason = reason;
	rig_send(r, 0, DVMI_MSG_NEWS, &news);
	/* What nobody can tell any more is lost. */
	for (int i = 0; i < 2; i++)
		assert_int_equal(expect_event(&p, DVMI_EVENT_RANK_EXIT).status, -1);
	e = expect_event(&p, DVMI_EVENT_JOB_ENDED);
	assert_int_equal(e.job, 20);
	assert_int_equal(e.status, 4);
	assert_int_equal(p.len, sizeof e + strlen(reason));
	assert_int_equal(linked_state(map, 1), DVMI_RANK_GONE);
	while (peer_get(&deaf))
		assert_int_not_equal(deaf.type, DVMI_RANK_EVENT);
	munmap(map, bytes);
	peer_leave(&p);
	peer_leave(&deaf);
}

static void the_end_of_a_child_is_for_all(void **state)
{
	struct rig *r = *state;
	struct peer p;
	Pb__News news = PB__NEWS__INIT;

	peer_start(r, 1, 1);
	peer_join(&p, r, 0, 0);
	watch(r, &p, 1u << DVMI_EVENT_JOB_ENDED);
	news.kind = PB__NEWS__KIND__JOB;
	news.job = 33;
	news.state = PB__JOB_STATE__JOB_DONE;
	news.parent = RIG_JOB;
	rig_send(r, 0, DVMI_MSG_NEWS, &news);
	assert_int_equal(expect_event(&p, DVMI_EVENT_JOB_ENDED).job, 33);
	peer_leave(&p);
}

static void say_host(struct rig *r, uint32_t id, bool up, bool removed)
{
	Pb__News news = PB__NEWS__INIT;
	char name[] = "there";

	news.kind = PB__NEWS__KIND__HOST;
	news.node = id;
	news.up = up;
	news.removed = removed;
	news.name = removed ? (char *)protobuf_c_empty_string : name;
	rig_send(r, 0, DVMI_MSG_NEWS, &news);
}

static void hosts_come_and_go(void **state)
{
	struct rig *r = *state;
	struct peer p;

	peer_start(r, 1, 1);
	peer_join(&p, r, 0, 0);
	watch(r, &p, 1u << DVMI_EVENT_HOST_JOINED | 1u << DVMI_EVENT_HOST_LOST |
			     1u << DVMI_EVENT_HOST_LEFT);
	say_host(r, 5, true, false);
	assert_int_equal(expect_event(&p, DVMI_EVENT_HOST_JOINED).node, 5);
	say_host(r, 5, true, false); /* no news */
	say_host(r, 5, false, false);
	expect_event(&p, DVMI_EVENT_HOST_LOST);
	say_host(r, 6, false, true); /* never heard of */
	say_host(r, 5, false, true);
	assert_int_equal(expect_event(&p, DVMI_EVENT_HOST_LEFT).node, 5);
	assert_memory_equal(p.body + sizeof(struct dvmi_rank_event), "there", 5);
	peer_leave(&p);
}

static bool has_reported(struct rig *r, void *arg)
{
	return r->nodes[0].reports > *(const uint64_t *)arg;
}

static void who_does_not_read_misses_events(void **state)
{
	struct rig *r = *state;
	struct peer p;
	unsigned events = 0, missed = 0;
	Pb__JobRef all = PB__JOB_REF__INIT;

	peer_start(r, 1, 1);
	peer_join(&p, r, 0, 0);
	watch(r, &p, 1u << DVMI_EVENT_HOST_JOINED | 1u << DVMI_EVENT_HOST_LOST);
	for (int i = 0; i < 4000; i++)
		say_host(r, 5, i % 2 == 0, false);
	/* It has taken them all when it reports. */
	uint64_t reports = r->nodes[0].reports;
	rig_send(r, 0, DVMI_MSG_STATUS_WANTED, &all);
	rig_run(r, "a report", has_reported, &reports);
	while (!missed) {
		peer_expect(&p, DVMI_RANK_EVENT);
		struct dvmi_rank_event e;
		memcpy(&e, p.body, sizeof e);
		missed += e.kind == DVMI_EVENT_MISSED;
		events++;
	}
	assert_true(events > 100 && events < 4000);
	/* And then hears again. */
	say_host(r, 9, true, false);
	struct dvmi_rank_event e;
	do {
		peer_expect(&p, DVMI_RANK_EVENT);
		memcpy(&e, p.body, sizeof e);
	} while (e.node != 9);
	assert_int_equal(e.kind, DVMI_EVENT_HOST_JOINED);
	peer_leave(&p);
}

/* ---- spawn ---- */

static void ask_spawn(const struct peer *p, uint32_t id, uint32_t ms, const char *strings,
		      size_t bytes, int seals)
{
	struct dvmi_rank_hdr hdr = { .version = DVMI_RANK_VERSION,
				     .type = DVMI_RANK_SPAWN,
				     .len = sizeof(struct dvmi_rank_spawn) };
	struct dvmi_rank_spawn s = { .ask = { id, ms },
				     .bytes = (uint32_t)bytes,
				     .n_argv = 2,
				     .n_env = 1,
				     .ranks = 3 };
	struct iovec iov[2] = { { &hdr, sizeof hdr }, { &s, sizeof s } };
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct msghdr m = { .msg_iov = iov,
			    .msg_iovlen = 2,
			    .msg_control = control,
			    .msg_controllen = sizeof control };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	int fd = memfd_create("spawn", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_int_equal(write(fd, strings, bytes), bytes);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof fd);
	memcpy(CMSG_DATA(c), &fd, sizeof fd);
	assert_int_equal(sendmsg(p->fd, &m, 0), sizeof hdr + sizeof s);
	close(fd);
}

#define SEALS (F_SEAL_WRITE | F_SEAL_SHRINK)

static const char strings[] = "prog\0arg\0A=b\0/dir\0node[1-2]:2\0ppr:1:node\0name";

static void reply_run(struct rig *r, uint64_t job)
{
	Pb__RunReply reply = PB__RUN_REPLY__INIT;

	reply.job = job;
	rig_reply(r, 0, DVMI_MSG_RUN, &reply);
}

static void a_spawn_is_a_run_of_the_job(void **state)
{
	struct rig *r = *state;
	struct peer p;
	Pb__RunRequest *req;
	Pb__News news = PB__NEWS__INIT;

	peer_start(r, 1, 2);
	peer_join(&p, r, 0, 1);
	ask_spawn(&p, 4, 0, strings, sizeof strings, SEALS);
	rig_expect_call(r, 0, DVMI_MSG_RUN);
	assert_int_equal(dvmi_pb_unpack(&pb__run_request__descriptor, r->nodes[0].call_body.data,
					r->nodes[0].call_body.len, &req),
			 0);
	assert_int_equal(req->spec->n_argv, 2);
	assert_string_equal(req->spec->argv[1], "arg");
	assert_string_equal(req->spec->wdir, "/dir");
	assert_string_equal(req->spec->name, "name");
	assert_int_equal(req->spec->n_hosts, 2);
	assert_int_equal(req->spec->hosts[1]->slots, 2);
	assert_int_equal(req->spec->map_by, PB__MAP_BY__MAP_PPR_NODE);
	assert_int_equal(req->spec->ranks, 3);
	assert_int_equal(req->spec->parent_rank, 1);
	assert_string_equal(req->spec->env[req->spec->n_env - 1], "A=b");
	dvmi_pb_free(req);
	reply_run(r, 20);
	rig_expect_call(r, 0, DVMI_MSG_JOB_RECORD);
	reply_record(r, PB__JOB_STATE__JOB_LAUNCHING, geteuid(), 0);
	news.kind = PB__NEWS__KIND__JOB;
	news.job = 20;
	news.state = PB__JOB_STATE__JOB_RUNNING;
	news.parent = RIG_JOB;
	rig_send(r, 0, DVMI_MSG_NEWS, &news);
	rig_expect_call(r, 0, DVMI_MSG_JOB_RECORD);
	reply_record(r, PB__JOB_STATE__JOB_RUNNING, geteuid(), 1);
	assert_int_equal(expect_answer(&p, 4, 0).job, 20);
	expect_foreign(r, PB__PEER_MESSAGE__KIND__WATCH, 77);
	peer_leave(&p);
}

static void a_spawn_that_fails_says_why(void **state)
{
	struct rig *r = *state;
	struct peer p;

	peer_start(r, 1, 1);
	peer_join(&p, r, 0, 0);
	ask_spawn(&p, 1, 0, strings, sizeof strings, SEALS);
	rig_expect_call(r, 0, DVMI_MSG_RUN);
	rig_reply_error(r, 0, -DVM_ENOSLOTS, "no room");
	expect_answer(&p, 1, -DVM_ENOSLOTS);
	expect_text(&p, "no room");
	ask_spawn(&p, 3, 0, strings, sizeof strings, SEALS);
	rig_expect_call(r, 0, DVMI_MSG_RUN);
	rig_reply_error(r, 0, -EAGAIN, "needs 3 slots, 1 free");
	expect_answer(&p, 3, -EBUSY);
	expect_text(&p, "needs 3 slots, 1 free: try again when a job has ended, or with "
			"DVM_SPAWN_OVERSUBSCRIBE");
	ask_spawn(&p, 2, 0, strings, sizeof strings, SEALS);
	rig_expect_call(r, 0, DVMI_MSG_RUN);
	reply_run(r, 20);
	rig_expect_call(r, 0, DVMI_MSG_JOB_RECORD);
	reply_record(r, PB__JOB_STATE__JOB_DONE, geteuid(), 0);
	expect_answer(&p, 2, -ENOENT);
	expect_text(&p, "node9: nonesuch: no such file");
	/* Late: its rank has its answer, and the child is not left behind. */
	ask_spawn(&p, 3, 50, strings, sizeof strings, SEALS);
	rig_expect_call(r, 0, DVMI_MSG_RUN);
	expect_answer(&p, 3, -ETIMEDOUT);
	reply_run(r, 20);
	rig_expect_call(r, 0, DVMI_MSG_SIGNAL);
	peer_leave(&p);
}

/* A child that is over before its spawner has the answer. */
static void the_end_of_a_short_child_comes_after_its_beginning(void **state)
{
	struct rig *r = *state;
	struct peer p;
	Pb__News news = PB__NEWS__INIT;

	peer_start(r, 1, 1);
	peer_join(&p, r, 0, 0);
	watch(r, &p, 3);
	ask_spawn(&p, 1, 0, strings, sizeof strings, SEALS);
	rig_expect_call(r, 0, DVMI_MSG_RUN);
	reply_run(r, 20);
	rig_expect_call(r, 0, DVMI_MSG_JOB_RECORD);
	news.kind = PB__NEWS__KIND__JOB;
	news.job = 20;
	news.state = PB__JOB_STATE__JOB_DONE;
	news.parent = RIG_JOB;
	rig_send(r, 0, DVMI_MSG_NEWS, &news);
	reply_record(r, PB__JOB_STATE__JOB_DONE, geteuid(), 1);
	rig_send(r, 0, DVMI_MSG_NEWS, &news);
	while (!peer_get(&p) || p.type == DVMI_RANK_CHANGED)
		uv_run(&r->loop, UV_RUN_ONCE);
	assert_int_equal(p.type, DVMI_RANK_ANSWER);
	assert_int_equal(expect_event(&p, DVMI_EVENT_JOB_ENDED).job, 20);
	/* Once. */
	ask_job(&p, DVMI_RANK_LINK, 2, RIG_JOB);
	while (!peer_get(&p))
		uv_run(&r->loop, UV_RUN_ONCE);
	assert_int_equal(p.type, DVMI_RANK_ANSWER);
	peer_leave(&p);
}

static void strings_that_are_none_are_refused(void **state)
{
	struct rig *r = *state;
	struct peer p;

	peer_start(r, 1, 1);
	peer_join(&p, r, 0, 0);
	ask_spawn(&p, 1, 0, strings, sizeof strings, F_SEAL_SHRINK); /* could still change */
	expect_answer(&p, 1, -EINVAL);
	ask_spawn(&p, 2, 0, strings, sizeof strings - 1, SEALS); /* no end */
	expect_answer(&p, 2, -EINVAL);
	ask_spawn(&p, 3, 0, strings, 9, SEALS); /* too few */
	expect_answer(&p, 3, -EINVAL);
	ask_spawn(&p, 4, 0, "a\0b\0c\0/\0\0\0", 11, SEALS); /* "c" is no NAME=value */
	expect_answer(&p, 4, -EINVAL);
	assert_int_equal(r->nodes[0].calls, 0);
	peer_leave(&p);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
	const struct CMUnitTest tests[] = {
		T(a_name_is_a_call_of_the_daemon),
		T(who_waits_for_a_name_asks_again_when_there_is_news),
		T(malformed_questions_are_answered),
		T(not_too_many_at_a_time),
		T(a_question_has_its_time),
		T(a_daemon_that_dies_is_asked_again_where_it_does_no_harm),
		T(a_linked_job_has_a_map),
		T(not_every_job_can_be_linked),
		T(addresses_go_from_job_to_job),
		T(who_watches_us_is_told),
		T(events_of_a_linked_job),
		T(the_end_of_a_child_is_for_all),
		T(hosts_come_and_go),
		T(who_does_not_read_misses_events),
		T(a_spawn_is_a_run_of_the_job),
		T(a_spawn_that_fails_says_why),
		T(the_end_of_a_short_child_comes_after_its_beginning),
		T(strings_that_are_none_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
