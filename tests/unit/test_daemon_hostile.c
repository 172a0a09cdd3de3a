/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The transport among those who mean ill or are broken: unknown and removed keys, tokens, other
 * versions, messages that break the protocol from a holder of a valid key, and TCP without ZeroMQ.
 * Whatever is done to it, the node must go on serving the peer that means well.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

#include "libdvm/base/rng.h"
#include "tests/unit/wire_fixture.h"

/* A ZeroMQ socket of its own, as an attacker would use one. */
struct raw {
	void *zmq, *socket;
};

static void raw_open(struct raw *r, int type)
{
	int none = 0;

	r->zmq = zmq_ctx_new();
	r->socket = zmq_socket(r->zmq, type);
	zmq_setsockopt(r->socket, ZMQ_LINGER, &none, sizeof none);
}

static void raw_keys(struct raw *r, const uint8_t *pk, const uint8_t *sk)
{
	if (pk)
		zmq_setsockopt(r->socket, ZMQ_CURVE_PUBLICKEY, pk, 32);
	zmq_setsockopt(r->socket, ZMQ_CURVE_SECRETKEY, sk, 32);
}

static void raw_connect(struct raw *r, const struct node *to, const uint8_t *pk, const uint8_t *sk)
{
	char name[64];

	raw_open(r, ZMQ_DEALER);
	raw_keys(r, pk, sk);
	zmq_setsockopt(r->socket, ZMQ_CURVE_SERVERKEY, to->pk, 32);
	snprintf(name, sizeof name, "tcp://%s:%u", to->address, to->port);
	assert_int_equal(zmq_connect(r->socket, name), 0);
}

static void raw_close(struct raw *r)
{
	zmq_close(r->socket);
	zmq_ctx_term(r->zmq);
}

static void raw_send(struct raw *r, const struct dvmi_envelope *env, const void *body, size_t len)
{
	uint8_t header[DVMI_ENVELOPE_BYTES];

	dvmi_envelope_encode(env, header);
	zmq_send(r->socket, header, sizeof header, ZMQ_SNDMORE);
	zmq_send(r->socket, body, len, 0);
}

static struct dvmi_envelope good_envelope(uint16_t type, uint32_t request)
{
	return (struct dvmi_envelope){
		.version = 1, .highest = 1, .type = type, .request = request, .view = 77
	};
}

struct raw_wait {
	struct raw *r;
	struct dvmi_envelope env;
	int rc; /* of decoding it */
};

static bool raw_received(void *arg)
{
	struct raw_wait *w = arg;
	uint8_t p[64];

	int n = zmq_recv(w->r->socket, p, sizeof p, ZMQ_DONTWAIT);
	if (n < 0)
		return false;
	w->rc = dvmi_envelope_decode(p, (size_t)n, &w->env);
	zmq_recv(w->r->socket, p, sizeof p, ZMQ_DONTWAIT);
	return true;
}

/* The node is well if it answers a fresh good peer. */
static void assert_well(struct node *a)
{
	struct node good;

	node_make(&good, 99);
	node_introduce(a, &good);
	assert_int_equal(ask(&good, a->id, DVMI_MSG_PROBE, PATIENCE).code, 0);
	dvmd_transport_peer_drop(a->t, 99);
	node_stop(&good);
}

static void an_unknown_key_is_refused(void **state)
{
	struct node a, b;

	node_make(&a, 1);
	node_make(&b, 2);
	node_knows(&b, &a);
	assert_int_equal(ask(&b, 1, DVMI_MSG_PROBE, PATIENCE).code, -DVM_EAUTH);
	assert_int_equal(a.messages, 0);
	assert_int_equal(node_stats(&a).refused, 1);
	/* At once a second time: held back here, so that a peer is not stormed. */
	uint64_t t0 = dvmi_clock_mono();
	assert_int_equal(ask(&b, 1, DVMI_MSG_PROBE, PATIENCE).code, -DVM_EAUTH);
	if (dvmi_clock_mono() - t0 < 50 * DVMI_MSEC)
		assert_int_equal(node_stats(&a).refused, 1);
	/* Known now: nothing of the refusal sticks. */
	node_knows(&a, &b);
	turn_for(120 * DVMI_MSEC);
	assert_int_equal(ask(&b, 1, DVMI_MSG_PROBE, PATIENCE).code, 0);
	node_stop(&a);
	node_stop(&b);
}

static void a_node_with_another_key_is_not_believed(void **state)
{
	struct node a, b, fake;

	node_make(&a, 1);
	node_make(&b, 2);
	node_introduce(&a, &b);
	fake = b;
	crypto_box_keypair(fake.pk, fake.sk);
	node_knows(&a, &fake);
	assert_int_equal(ask(&a, 2, DVMI_MSG_PROBE, PATIENCE).code, -DVM_EPEERLOST);
	assert_int_equal(b.messages, 0);
	node_stop(&a);
	node_stop(&b);
}

static void a_removed_key_is_cut(void **state)
{
	struct node a, b;

	node_make(&a, 1);
	node_make(&b, 2);
	node_introduce(&a, &b);
	assert_int_equal(ask(&b, 1, DVMI_MSG_PROBE, PATIENCE).code, 0);
	a.messages = 0;
	dvmd_transport_peer_drop(a.t, 2);
	assert_int_equal(dvmd_transport_send(a.t, 2, DVMI_MSG_SWIM, NULL, 0), -ENOENT);
	/* The connection stands; the first message by it ends it … */
	assert_int_equal(ask(&b, 1, DVMI_MSG_PROBE, PATIENCE).code, -DVM_EPEERLOST);
	/* … and there is no way back. */
	assert_int_equal(ask(&b, 1, DVMI_MSG_PROBE, PATIENCE).code, -DVM_EAUTH);
	assert_int_equal(a.messages, 0);
	assert_well(&a);
	node_stop(&a);
	node_stop(&b);
}

struct count {
	struct node *n;
	uint64_t malformed;
};

static bool counted(void *arg)
{
	struct count *c = arg;
	struct dvmd_transport_stats st = node_stats(c->n);

	return st.malformed >= c->malformed;
}

static bool refused(void *arg)
{
	return node_stats(arg).refused > 0;
}

static void a_token_may_only_join(void **state)
{
	struct count c = { .malformed = 3 };
	uint8_t pk[32], sk[32];
	struct node a;
	struct raw r;

	node_make(&a, 1);
	crypto_box_keypair(pk, sk);
	assert_int_equal(dvmd_transport_token_allow(a.t, pk), 0);
	raw_connect(&r, &a, pk, sk);
	struct dvmi_envelope env = good_envelope(DVMI_MSG_PROBE, 1);
	raw_send(&r, &env, "", 0);
	env = good_envelope(DVMI_MSG_LAUNCH, 0);
	raw_send(&r, &env, "x", 1);
	env = good_envelope(DVMI_MSG_JOIN, 0);
	void *big = calloc(1, 2u << 20);
	raw_send(&r, &env, big, 2u << 20);
	free(big);
	c.n = &a;
	assert_true(wait_until(counted, &c));
	assert_int_equal(a.messages, 0);

	struct raw_wait w = { .r = &r };
	env = good_envelope(DVMI_MSG_JOIN, 7);
	raw_send(&r, &env, "x", 1);
	assert_true(wait_until(raw_received, &w));
	assert_int_equal(w.env.request, 7);
	assert_true(a.from_token);
	assert_int_equal(a.from, 0);

	/* Used up: its connection dies with it. */
	dvmd_transport_token_drop(a.t, pk);
	a.messages = 0;
	raw_send(&r, &env, "x", 1);
	assert_true(wait_until(refused, &a));
	assert_int_equal(a.messages, 0);
	assert_well(&a);
	raw_close(&r);
	node_stop(&a);
}

/* A member with a raw socket in its hands. */
static void make_insider(struct node *a, struct raw *r)
{
	struct node *insider = &(struct node){ .id = 66, .address = "127.0.7.66", .port = 1 };

	node_make(a, 1);
	crypto_box_keypair(insider->pk, insider->sk);
	node_knows(a, insider);
	raw_connect(r, a, insider->pk, insider->sk);
}

static void an_unknown_version_is_answered(void **state)
{
	struct dvmi_envelope env = good_envelope(DVMI_MSG_PROBE, 5);
	struct node a;
	struct raw r;
	struct raw_wait w = { .r = &r };

	make_insider(&a, &r);
	env.version = 9;
	env.highest = 12;
	env.flags = 0xffffffff; /* means something in that version, perhaps */
	raw_send(&r, &env, "a body of the future", 20);
	assert_true(wait_until(raw_received, &w));
	assert_int_equal(w.rc, 0);
	assert_int_equal(w.env.type, DVMI_MSG_VERSION);
	assert_int_equal(w.env.flags, DVMI_FLAG_REPLY);
	assert_int_equal(w.env.version, DVMI_ENVELOPE_VERSION);
	assert_int_equal(w.env.highest, DVMI_ENVELOPE_VERSION);
	assert_int_equal(a.messages, 0);
	assert_int_equal(node_stats(&a).bad_version, 1);
	assert_well(&a);
	raw_close(&r);
	node_stop(&a);
}

static void send_parts(struct raw *r, int n, size_t each)
{
	void *p = calloc(1, each + 1);

	for (int i = 0; i < n; i++)
		zmq_send(r->socket, p, each, i + 1 < n ? ZMQ_SNDMORE : 0);
	free(p);
}

static void malformed_messages_are_dropped(void **state)
{
	struct dvmi_envelope env = good_envelope(DVMI_MSG_PROBE, 1);
	struct count c = { 0 };
	uint8_t header[DVMI_ENVELOPE_BYTES];
	struct node a;
	struct raw r;

	make_insider(&a, &r);
	dvmi_envelope_encode(&env, header);
	/* Too few and too many parts; all sizes of a first part. */
	zmq_send(r.socket, header, sizeof header, 0);
	send_parts(&r, 1, 0);
	send_parts(&r, 3, 24);
	send_parts(&r, 1000, 1);
	for (size_t n = 0; n < 64; n++)
		if (n != DVMI_ENVELOPE_BYTES)
			send_parts(&r, 2, n);
	c.malformed = 4 + 63;
	/* Wrong magic, unknown flags, a reply, more replies. */
	header[0] ^= 1;
	zmq_send(r.socket, header, sizeof header, ZMQ_SNDMORE);
	zmq_send(r.socket, "", 0, 0);
	static const uint32_t flags[] = { 1, 2, 3, 4, 0x80000000 };
	for (size_t i = 0; i < 5; i++) {
		env.flags = flags[i];
		raw_send(&r, &env, "", 0);
	}
	c.malformed += 6;
	c.n = &a;
	assert_true(wait_until(counted, &c));
	assert_int_equal(a.messages, 0);
	assert_int_equal(node_stats(&a).malformed, c.malformed);

	/* The connection has survived, and so has the node. */
	struct raw_wait w = { .r = &r };
	env = good_envelope(DVMI_MSG_PROBE, 3);
	raw_send(&r, &env, "x", 1);
	assert_true(wait_until(raw_received, &w));
	assert_int_equal(w.env.request, 3);
	assert_well(&a);
	raw_close(&r);
	node_stop(&a);
}

static void oversized_bodies_are_dropped(void **state)
{
	struct dvmi_envelope env = good_envelope(DVMI_MSG_PROBE, 1);
	static uint8_t body[DVMI_BODY_MAX + 4096];
	struct count c = { .malformed = 1 };
	struct node a;
	struct raw r;

	make_insider(&a, &r);
	/* One byte too many is seen by us; more, by libzmq, which cuts the connection. */
	raw_send(&r, &env, body, DVMI_BODY_MAX + 1);
	c.n = &a;
	assert_true(wait_until(counted, &c));
	raw_send(&r, &env, body, sizeof body);
	assert_well(&a);
	turn_for(100 * DVMI_MSEC);
	assert_int_equal(a.messages, 1); /* of assert_well() */
	assert_int_equal(node_stats(&a).malformed, 1);
	raw_close(&r);
	node_stop(&a);
}

/* The name of a connection is the server's to give: a chosen one gets no answer. */
static void a_chosen_routing_id_takes_nobodys_place(void **state)
{
	struct dvmi_envelope env = good_envelope(DVMI_MSG_PROBE, 1);
	struct node a, *in = &(struct node){ .id = 66, .address = "127.0.7.66", .port = 1 };
	struct raw r;
	char name[64];

	node_make(&a, 1);
	crypto_box_keypair(in->pk, in->sk);
	node_knows(&a, in);
	raw_open(&r, ZMQ_DEALER);
	raw_keys(&r, in->pk, in->sk);
	zmq_setsockopt(r.socket, ZMQ_CURVE_SERVERKEY, a.pk, 32);
	zmq_setsockopt(r.socket, ZMQ_ROUTING_ID, "somebody else", 13);
	snprintf(name, sizeof name, "tcp://%s:%u", a.address, a.port);
	assert_int_equal(zmq_connect(r.socket, name), 0);
	raw_send(&r, &env, "", 0);
	struct count c = { .n = &a, .malformed = 1 };
	assert_true(wait_until(counted, &c));
	assert_int_equal(a.messages, 0);
	assert_well(&a);
	raw_close(&r);
	node_stop(&a);
}

/* A node that answers in ways of its own: a raw ROUTER behind a member's key. */
struct fake {
	struct raw r;
	struct node as;
	struct dvmi_envelope reply;
	int parts;
	bool echo_request;
};

static void fake_make(struct fake *f)
{
	char name[64];
	size_t len = sizeof name;
	int one = 1;

	*f = (struct fake){ .as = { .id = 2, .address = "127.0.7.2" }, .parts = 2 };
	f->reply = good_envelope(DVMI_MSG_OK, 0);
	f->reply.flags = DVMI_FLAG_REPLY;
	f->echo_request = true;
	crypto_box_keypair(f->as.pk, f->as.sk);
	raw_open(&f->r, ZMQ_ROUTER);
	zmq_setsockopt(f->r.socket, ZMQ_CURVE_SERVER, &one, sizeof one);
	raw_keys(&f->r, NULL, f->as.sk);
	assert_int_equal(zmq_bind(f->r.socket, "tcp://127.0.7.2:*"), 0);
	zmq_getsockopt(f->r.socket, ZMQ_LAST_ENDPOINT, name, &len);
	f->as.port = (uint16_t)atoi(strrchr(name, ':') + 1);
}

/* Serves one request, if there is one. */
static void fake_serve(struct fake *f)
{
	uint8_t id[16], p[64], header[DVMI_ENVELOPE_BYTES];
	struct dvmi_envelope env, reply = f->reply;

	int n = zmq_recv(f->r.socket, id, sizeof id, ZMQ_DONTWAIT);
	if (n < 0)
		return;
	zmq_recv(f->r.socket, p, sizeof p, 0);
	dvmi_envelope_decode(p, DVMI_ENVELOPE_BYTES, &env);
	zmq_recv(f->r.socket, p, sizeof p, 0);
	if (f->echo_request)
		reply.request = env.request;
	dvmi_envelope_encode(&reply, header);
	zmq_send(f->r.socket, id, (size_t)n, ZMQ_SNDMORE);
	zmq_send(f->r.socket, header, sizeof header, f->parts > 1 ? ZMQ_SNDMORE : 0);
	for (int i = 2; i <= f->parts; i++)
		zmq_send(f->r.socket, "body", 4, i < f->parts ? ZMQ_SNDMORE : 0);
}

struct fake_wait {
	struct fake *f;
	struct answer ans;
};

static bool fake_answered(void *arg)
{
	struct fake_wait *w = arg;

	fake_serve(w->f);
	return w->ans.calls > 0;
}

static int ask_fake(struct node *a, struct fake *f, uint64_t timeout)
{
	struct fake_wait w = { .f = f };
	uint64_t end = dvmi_clock_mono() + PATIENCE;

	/* It may be held back for a moment after the last one. */
	while (dvmd_transport_request(a->t, 2, DVMI_MSG_PROBE, "x", 1, timeout, on_answer, &w.ans) <
		       0 &&
	       dvmi_clock_mono() < end)
		turn_for(10 * DVMI_MSEC);
	assert_true(wait_until(fake_answered, &w));
	assert_int_equal(w.ans.calls, 1);
	return w.ans.code;
}

static void answers_that_break_the_protocol(void **state)
{
	struct fake f;
	struct node a;

	node_make(&a, 1);
	fake_make(&f);
	node_knows(&a, &f.as);
	assert_int_equal(ask_fake(&a, &f, PATIENCE), 0);

	struct dvmi_envelope good = f.reply;
	f.reply.version = 9;
	assert_int_equal(ask_fake(&a, &f, PATIENCE), -DVM_EVERSION);
	f.reply = good;
	f.reply.type = DVMI_MSG_VERSION;
	f.echo_request = false;
	assert_int_equal(ask_fake(&a, &f, PATIENCE), -DVM_EVERSION);
	f.echo_request = true;
	f.reply.type = DVMI_MSG_ERROR; /* whose body is no Error */
	assert_int_equal(ask_fake(&a, &f, PATIENCE), -DVM_EPROTO);
	f.reply = good;
	f.reply.flags = 0;
	assert_int_equal(ask_fake(&a, &f, PATIENCE), -DVM_EPROTO);
	f.reply.flags = DVMI_FLAG_ALL;
	assert_int_equal(ask_fake(&a, &f, PATIENCE), -DVM_EPROTO);
	f.reply = good;
	f.parts = 1;
	assert_int_equal(ask_fake(&a, &f, PATIENCE), -DVM_EPROTO);
	f.parts = 3;
	assert_int_equal(ask_fake(&a, &f, PATIENCE), -DVM_EPROTO);
	f.parts = 2;
	f.echo_request = false; /* an answer to something that was not asked */
	f.reply.request = 12345678;
	assert_int_equal(ask_fake(&a, &f, 200 * DVMI_MSEC), -ETIMEDOUT);
	f.echo_request = true;
	assert_int_equal(ask_fake(&a, &f, PATIENCE), 0);
	node_stop(&a);
	raw_close(&f.r);
}

#define GARBAGE 32
#define SLOW	GARBAGE

static bool all_closed(void *arg)
{
	int *fd = arg;

	for (int i = 0; i < GARBAGE; i++)
		if (!tcp_closed(fd[i]))
			return false;
	return true;
}

static void garbage_without_zeromq(void **state)
{
	static const char greeting[] = "\xff\0\0\0\0\0\0\0\1\x7f\3\1CURVE";
	int fd[GARBAGE];
	struct dvmi_rng rng;
	struct node a;

	signal(SIGPIPE, SIG_IGN);
	node_make(&a, 1);
	dvmi_rng_seed(&rng, 1);
	for (int i = 0; i < GARBAGE; i++) {
		uint8_t junk[2000] = { 0 };
		fd[i] = tcp_connect(&a);
		for (size_t k = 0; k < sizeof junk; k++)
			junk[k] = (uint8_t)dvmi_rng_next(&rng);
		if (i % 2) /* gets past the greeting, and then goes wrong */
			memcpy(junk, greeting, sizeof greeting);
		if (i % 4 == 3)
			memset(junk + 17, 0, 64 - 17);
		send(fd[i], junk, sizeof junk, MSG_NOSIGNAL);
		turn_for(DVMI_MSEC);
	}
	assert_int_equal(a.messages, 0);
	assert_well(&a);
	assert_true(wait_until(all_closed, fd));
	assert_int_equal(a.messages, 1);
	print_message("# %u of %u counted\n", (unsigned)node_stats(&a).handshakes, GARBAGE);
	assert_true(node_stats(&a).handshakes > 0);
	for (int i = 0; i < GARBAGE; i++)
		close(fd[i]);
	node_stop(&a);
}

/* Who connects and then dawdles holds a descriptor for a few seconds, and nobody up. */
static void slow_handshakes_are_cut(void **state)
{
	int fd[SLOW];
	struct node a;

	node_make(&a, 1);
	for (int i = 0; i < SLOW; i++) {
		fd[i] = tcp_connect(&a);
		send(fd[i], "\xff\0\0\0\0\0\0\0\1\x7f\3", (size_t)(i % 12), MSG_NOSIGNAL);
	}
	assert_well(&a);
	assert_true(wait_until(all_closed, fd));
	for (int i = 0; i < SLOW; i++)
		close(fd[i]);
	assert_well(&a);
	node_stop(&a);
}

/* Another process that, once told to, holds CONNECTIONS to N until it is killed. */
struct siege {
	pid_t pid;
	int go, ready;
};

static void prepare_siege(struct siege *s, const struct node *n, int connections)
{
	int go[2], ready[2];
	char byte;

	assert_int_equal(pipe(go) | pipe(ready), 0);
	s->pid = fork();
	if (s->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (read(go[0], &byte, 1) != 1)
			_exit(1);
		for (int i = 0; i < connections; i++)
			tcp_connect(n);
		_exit(write(ready[1], "x", 1) != 1 || pause());
	}
	close(go[0]);
	close(ready[1]);
	s->go = go[1];
	s->ready = ready[0];
}

static void lay_siege(struct siege *s)
{
	char byte;

	assert_int_equal(write(s->go, "x", 1), 1);
	assert_int_equal(read(s->ready, &byte, 1), 1);
}

static void end_siege(struct siege *s)
{
	kill(s->pid, SIGKILL);
	assert_int_equal(waitpid(s->pid, NULL, 0), s->pid);
	close(s->go);
	close(s->ready);
}

static void limit_descriptors(rlim_t n)
{
	struct rlimit r;

	getrlimit(RLIMIT_NOFILE, &r);
	r.rlim_cur = n;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &r), 0);
}

static bool exhausted(void *arg)
{
	int fd = dup(0);

	if (fd >= 0)
		close(fd);
	return fd < 0 && errno == EMFILE;
}

/* Whoever can connect can use up our descriptors; that must not end the node, nor its peers. */
static void running_out_of_descriptors_is_survived(void **state)
{
	struct rlimit old;
	struct siege s;
	struct node a = { .id = 1, .address = "127.0.0.1" }, b;

	/* An address that is the kernel's own choice, see daemon/zsock.h. */
	crypto_box_keypair(a.pk, a.sk);
	node_start(&a);
	node_make(&b, 2);
	node_introduce(&a, &b);
	assert_int_equal(ask(&b, 1, DVMI_MSG_PROBE, PATIENCE).code, 0);
	prepare_siege(&s, &a, 100);
	getrlimit(RLIMIT_NOFILE, &old);
	limit_descriptors((rlim_t)open_descriptors() + 10);
	lay_siege(&s);
	assert_true(wait_until(exhausted, NULL));
	for (int i = 0; i < 10; i++)
		assert_int_equal(ask(&b, 1, DVMI_MSG_PROBE, PATIENCE).code, 0);
	/* A connection that can perhaps not be made now is made later. */
	ask(&a, 2, DVMI_MSG_PROBE, 200 * DVMI_MSEC);
	end_siege(&s);
	limit_descriptors(old.rlim_cur);
	assert_well(&a);
	turn_for(120 * DVMI_MSEC);
	assert_int_equal(ask(&a, 2, DVMI_MSG_PROBE, PATIENCE).code, 0);
	node_stop(&a);
	node_stop(&b);
}

/* Connections stop being taken before the last descriptor is gone: the daemon has work to do. */
static void connections_leave_descriptors_for_others(void **state)
{
	struct rlimit old;
	struct siege s;
	struct node a;

	node_make(&a, 1);
	prepare_siege(&s, &a, 100);
	getrlimit(RLIMIT_NOFILE, &old);
	limit_descriptors(4 * (rlim_t)open_descriptors());
	lay_siege(&s);
	turn_for(300 * DVMI_MSEC);
	assert_false(exhausted(NULL));
	end_siege(&s);
	limit_descriptors(old.rlim_cur);
	assert_well(&a);
	node_stop(&a);
}

static struct answer join(struct node *b, const char *address, uint16_t port, const uint8_t *server,
			  const uint8_t *pk, const uint8_t *sk)
{
	struct answer ans = { 0 };

	int rc = dvmd_transport_join(b->t, address, port, server, pk, sk, "hello", 5, PATIENCE,
				     on_answer, &ans);
	assert_int_equal(ans.calls, 0);
	if (rc < 0) {
		ans.code = rc;
		return ans;
	}
	assert_true(wait_until(answered, &ans));
	assert_int_equal(ans.calls, 1);
	print_message("# %d: %s\n", ans.code, ans.text);
	return ans;
}

static void a_join_says_why_it_failed(void **state)
{
	uint8_t pk[32], sk[32], other[32], sink[32];
	struct node a, b;
	uint16_t port;

	node_make(&a, 1);
	node_make(&b, 2);
	crypto_box_keypair(pk, sk);
	crypto_box_keypair(other, sink);
	assert_int_equal(join(&b, a.address, a.port, a.pk, pk, sk).code, -DVM_EAUTH);
	assert_int_equal(dvmd_transport_token_allow(a.t, pk), 0);
	struct answer ans = join(&b, a.address, a.port, a.pk, pk, sk);
	assert_int_equal(ans.code, 0);
	assert_int_equal(ans.len, 5);
	assert_int_equal(a.last_type, DVMI_MSG_JOIN);
	/* The token of another machine. */
	assert_int_equal(join(&b, a.address, a.port, other, pk, sk).code, -DVM_EAUTH);
	assert_int_equal(join(&b, "not an address", 1, a.pk, pk, sk).code, -EINVAL);
	assert_int_equal(join(&b, "203.0.113.5", 1, a.pk, pk, sk).code, -ENETUNREACH);

	int fd = tcp_listener("127.0.7.3", &port);
	close(fd);
	assert_int_equal(join(&b, "127.0.7.3", port, a.pk, pk, sk).code, -ECONNREFUSED);
	assert_well(&a);
	node_stop(&a);
	node_stop(&b);
}

static void on_why(int code, const char *text, void *arg)
{
	on_answer(code, text, 0, NULL, 0, arg);
}

static int why(struct node *a, uint32_t id)
{
	struct answer ans = { 0 };

	int rc = dvmd_transport_why(a->t, id, PATIENCE, on_why, &ans);
	if (rc < 0)
		return rc;
	assert_true(wait_until(answered, &ans));
	assert_true(*ans.text);
	return ans.code;
}

static void why_a_peer_cannot_be_reached(void **state)
{
	struct answer ans = { 0 };
	struct node a, b;

	node_make(&a, 1);
	node_make(&b, 2);
	node_knows(&a, &b);
	assert_int_equal(why(&a, 2), 0);
	assert_int_equal(why(&a, 3), -ENOENT);
	node_stop(&b);
	assert_int_equal(why(&a, 2), -ECONNREFUSED);
	int fd = tcp_listener(b.address, &b.port);
	node_knows(&a, &b);
	assert_int_equal(dvmd_transport_why(a.t, 2, PATIENCE, on_why, &ans), 0);
	node_stop(&a);
	assert_int_equal(ans.code, -ECANCELED);
	close(fd);
}

/* Something that is not dvm: a listener that says WORDS to each who comes, and perhaps hangs up. */
struct stranger {
	int listener, client;
	uint16_t port;
	const char *words;
	size_t len;
	bool hangs_up, done;
	struct answer ans;
};

static bool stranger_answered(void *arg)
{
	struct stranger *s = arg;
	int fd = accept(s->listener, NULL, NULL);

	if (fd >= 0) {
		send(fd, s->words, s->len, MSG_NOSIGNAL);
		if (s->hangs_up)
			close(fd);
		else
			s->client = fd;
	}
	return s->ans.calls > 0;
}

static int join_stranger(struct node *b, const char *words, size_t len, bool hangs_up)
{
	struct stranger s = { .words = words, .len = len, .hangs_up = hangs_up, .client = -1 };
	uint8_t pk[32], sk[32];

	crypto_box_keypair(pk, sk);
	s.listener = tcp_listener("127.0.7.3", &s.port);
	assert_int_equal(dvmd_transport_join(b->t, "127.0.7.3", s.port, pk, pk, sk, NULL, 0,
					     PATIENCE, on_answer, &s.ans),
			 0);
	uint64_t t0 = dvmi_clock_mono();
	assert_true(wait_until(stranger_answered, &s));
	assert_true(dvmi_clock_mono() - t0 < 8 * DVMI_SEC);
	print_message("# %d: %s\n", s.ans.code, s.ans.text);
	close(s.listener);
	if (s.client >= 0)
		close(s.client);
	return s.ans.code;
}

static void a_join_to_something_else(void **state)
{
	static const char null_greeting[64] = "\xff\0\0\0\0\0\0\0\1\x7f\3\1NULL";
	static const char old_greeting[] = "\xff\0\0\0\0\0\0\0\1\x7f\1\5";
	struct node b;

	node_make(&b, 2);
	assert_int_equal(join_stranger(&b, "SSH-2.0-x\r\n", 11, false), -DVM_EPROTO);
	assert_int_equal(join_stranger(&b, "HTTP/1.1 400 Bad Request\r\n", 26, true), -DVM_EPROTO);
	assert_int_equal(join_stranger(&b, "", 0, true), -DVM_EPROTO);
	assert_int_equal(join_stranger(&b, "", 0, false), -DVM_EPROTO);
	assert_int_equal(join_stranger(&b, null_greeting, 64, false), -DVM_EPROTO);
	assert_int_equal(join_stranger(&b, old_greeting, 12, false), -DVM_EPROTO);
	assert_int_equal(join_stranger(&b, null_greeting, 9, true), -DVM_EPROTO);
	node_stop(&b);
}

#define T(f) cmocka_unit_test_setup_teardown(f, wire_set_up, wire_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(an_unknown_key_is_refused),
		T(a_node_with_another_key_is_not_believed),
		T(a_removed_key_is_cut),
		T(a_token_may_only_join),
		T(an_unknown_version_is_answered),
		T(malformed_messages_are_dropped),
		T(oversized_bodies_are_dropped),
		T(a_chosen_routing_id_takes_nobodys_place),
		T(answers_that_break_the_protocol),
		T(garbage_without_zeromq),
		T(slow_handshakes_are_cut),
		T(running_out_of_descriptors_is_survived),
		T(connections_leave_descriptors_for_others),
		T(a_join_says_why_it_failed),
		T(a_join_to_something_else),
		T(why_a_peer_cannot_be_reached),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
