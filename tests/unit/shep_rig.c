/* SPDX-License-Identifier: BSD-3-Clause */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/sweep.h"
#include "libdvm/base/clock.h"
#include "tests/unit/cm.h"
#include "tests/unit/shep_rig.h"

#define PATIENCE (20 * DVMI_SEC)

/* ---- the launch ---- */

static char **strings(const char *const *from, size_t n)
{
	char **list = calloc(n + 1, sizeof *list);

	for (size_t i = 0; i < n; i++)
		list[i] = strdup(from[i]);
	return list;
}

static Pb__JobSpec *make_spec(const char *const *argv, uint32_t ranks)
{
	Pb__JobSpec *spec = malloc(sizeof *spec);
	char path[1024];
	const char *env[] = { path };

	pb__job_spec__init(spec);
	while (argv[spec->n_argv])
		spec->n_argv++;
	spec->argv = strings(argv, spec->n_argv);
	snprintf(path, sizeof path, "PATH=%s", getenv("PATH"));
	spec->env = strings(env, 1);
	spec->n_env = 1;
	spec->wdir = strdup("/");
	spec->umask = 022;
	spec->ranks = ranks;
	spec->uid = geteuid();
	spec->gid = getegid();
	spec->mpi = PB__MPI_KIND__MPI_NONE; /* ranks of MPI have tests of their own */
	return spec;
}

static Pb__NodeShare *make_share(size_t i, size_t nodes, uint32_t ranks)
{
	Pb__NodeShare *s = malloc(sizeof *s);
	char name[32];

	pb__node_share__init(s);
	snprintf(name, sizeof name, "node%zu", i);
	s->node = (uint32_t)i + 11;
	s->name = strdup(name);
	s->address = strdup("127.0.0.1");
	s->ranks = calloc(ranks, sizeof *s->ranks);
	for (uint32_t k = (uint32_t)i; k < ranks; k += (uint32_t)nodes)
		s->ranks[s->n_ranks++] = k;
	return s;
}

static Pb__Placement *make_placement(size_t nodes, uint32_t ranks)
{
	Pb__Placement *p = malloc(sizeof *p);

	pb__placement__init(p);
	p->ranks = ranks;
	p->nodes = calloc(nodes, sizeof *p->nodes);
	p->n_nodes = nodes;
	for (size_t i = 0; i < nodes; i++)
		p->nodes[i] = make_share(i, nodes, ranks);
	return p;
}

void rig_env(struct rig *r, const char *entry)
{
	Pb__JobSpec *spec = r->launch->spec;

	spec->env = realloc(spec->env, (spec->n_env + 1) * sizeof *spec->env);
	spec->env[spec->n_env++] = strdup(entry);
}

/* ---- messages ---- */

static void reply(struct rig_node *n, uint32_t request, int code)
{
	struct dvmi_envelope out = { .flags = DVMI_FLAG_REPLY, .request = request };
	Pb__Error error = PB__ERROR__INIT;
	char text[] = "not wanted";

	out.type = code ? DVMI_MSG_ERROR : DVMI_MSG_OK;
	error.code = code;
	error.text = text;
	if (code)
		dvmi_stream_send_pb(n->stream, out, &error);
	else
		dvmi_stream_send(n->stream, out, NULL, 0);
}

static void take_status(struct rig_node *n, Pb__JobStatus *st)
{
	assert_int_equal(st->job, RIG_JOB);
	assert_int_equal(st->node, n->id);
	if (n->status)
		assert_true(st->serial > n->status->serial);
	dvmi_pb_free(n->status);
	n->status = st;
	n->reports++;
}

static void take_hello(struct rig_node *n, const struct dvmi_envelope *env, const uint8_t *body,
		       size_t len)
{
	Pb__ShepherdHello *hello;

	assert_int_equal(dvmi_pb_unpack(&pb__shepherd_hello__descriptor, body, len, &hello), 0);
	assert_int_equal(hello->pid, n->pid);
	assert_int_equal(hello->cookie.len, 16);
	assert_memory_equal(hello->cookie.data, n->rig->cookie, 16);
	n->hellos++;
	if (!n->rig->refuse) {
		take_status(n, hello->status);
		hello->status = NULL;
		n->greeted = true;
	}
	dvmi_pb_free(hello);
	if (n->rig->hold_hello)
		n->unanswered = env->request;
	else
		reply(n, env->request, n->rig->refuse);
}

void rig_answer(struct rig *r, size_t i)
{
	r->hold_hello = false;
	reply(&r->nodes[i], r->nodes[i].unanswered, 0);
}

static void take_chunk(struct rig *r, const Pb__Chunk *c)
{
	assert_true(c->rank < RIG_RANKS);
	assert_true(c->stream == 1 || c->stream == 2);
	assert_true(c->data.len > 0);
	assert_true(c->data.len <= 128 << 10);
	if (!c->partial && c->data.data[c->data.len - 1] != '\n')
		r->torn++;
	dvmi_buf_put(&r->out[c->rank][c->stream - 1], c->data.data, c->data.len);
}

void rig_ack(struct rig *r, size_t i)
{
	struct rig_node *n = &r->nodes[i];
	Pb__OutputAck ack = PB__OUTPUT_ACK__INIT;

	ack.job = RIG_JOB;
	ack.node = n->id;
	ack.seq = n->got;
	n->unacked = 0;
	rig_send(r, i, DVMI_MSG_OUTPUT_ACK, &ack);
}

static void take_output(struct rig_node *n, const uint8_t *body, size_t len)
{
	Pb__Output *out;

	assert_int_equal(dvmi_pb_unpack(&pb__output__descriptor, body, len, &out), 0);
	if (out->begin && out->seq > n->got) {
		n->begins++;
		n->got = out->seq - 1;
	}
	assert_true(out->seq <= n->got + 1); /* no gap */
	if (out->seq == n->got + 1) {
		n->got++;
		n->unacked += len;
		for (size_t i = 0; i < out->n_chunks; i++)
			take_chunk(n->rig, out->chunks[i]);
	} else {
		n->resent++;
	}
	dvmi_pb_free(out);
	if (!n->hold_acks)
		rig_ack(n->rig, (size_t)(n - n->rig->nodes));
}

static void take_stdin_ack(struct rig_node *n, const uint8_t *body, size_t len)
{
	Pb__StdinAck *ack;

	assert_int_equal(dvmi_pb_unpack(&pb__stdin_ack__descriptor, body, len, &ack), 0);
	assert_true(ack->seq >= n->stdin_acked);
	n->stdin_acked = ack->seq;
	dvmi_pb_free(ack);
}

static void take_peer(struct rig_node *n, const uint8_t *body, size_t len)
{
	struct rig *r = n->rig;
	Pb__PeerMessage *msg;

	assert_int_equal(dvmi_pb_unpack(&pb__peer_message__descriptor, body, len, &msg), 0);
	assert_int_equal(msg->from, n->id);
	if (msg->job != RIG_JOB) {
		dvmi_pb_free(n->foreign);
		n->foreign = msg;
		n->foreigners++;
		return;
	}
	r->peers++;
	for (size_t i = 0; i < r->n && !r->drop_peers; i++)
		if (&r->nodes[i] != n && (!msg->to || msg->to == r->nodes[i].id))
			rig_send(r, i, DVMI_MSG_PEER, msg);
	dvmi_pb_free(msg);
}

static void take_call(struct rig_node *n, const struct dvmi_envelope *env, const uint8_t *body,
		      size_t len)
{
	n->call = env->type;
	n->call_request = env->request;
	dvmi_buf_free(&n->call_body);
	dvmi_buf_put(&n->call_body, body, len);
	n->calls++;
}

static void on_message(struct dvmi_stream *s, const struct dvmi_envelope *env, const uint8_t *body,
		       size_t len, void *arg)
{
	struct rig_node *n = arg;
	Pb__JobStatus *st;

	if (!n->greeted)
		assert_int_equal(env->type, DVMI_MSG_SHEPHERD_HELLO);
	else if (env->request) {
		take_call(n, env, body, len);
		return;
	}
	switch (env->type) {
	case DVMI_MSG_SHEPHERD_HELLO:
		take_hello(n, env, body, len);
		break;
	case DVMI_MSG_JOB_STATUS:
		assert_int_equal(dvmi_pb_unpack(&pb__job_status__descriptor, body, len, &st), 0);
		take_status(n, st);
		break;
	case DVMI_MSG_OUTPUT:
		take_output(n, body, len);
		break;
	case DVMI_MSG_STDIN_ACK:
		take_stdin_ack(n, body, len);
		break;
	case DVMI_MSG_PEER:
		take_peer(n, body, len);
		break;
	default:
		fail_msg("message 0x%x", env->type);
	}
}

static void hang_up(struct rig_node *n)
{
	dvmi_stream_destroy(n->stream);
	n->stream = NULL;
	n->greeted = false;
}

static void on_closed(struct dvmi_stream *s, int code, void *arg)
{
	hang_up(arg);
}

static const struct dvmi_stream_ops stream_ops = { .message = on_message, .closed = on_closed };

static void on_listen(uv_poll_t *h, int status, int events)
{
	struct rig_node *n = h->data;
	int fd = accept4(n->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	hang_up(n);
	assert_int_equal(dvmi_stream_open(&n->stream, &n->rig->loop, fd, &stream_ops, n), 0);
}

void rig_daemon_returns(struct rig *r, size_t i)
{
	struct rig_node *n = &r->nodes[i];
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	snprintf(a.sun_path, sizeof a.sun_path, "%s/client.sock", n->dir);
	unlink(a.sun_path);
	n->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(n->listen_fd, (struct sockaddr *)&a, sizeof a), 0);
	assert_int_equal(listen(n->listen_fd, 8), 0);
	uv_poll_init(&r->loop, &n->listen, n->listen_fd);
	n->listen.data = n;
	uv_poll_start(&n->listen, UV_READABLE, on_listen);
}

void rig_daemon_dies(struct rig *r, size_t i)
{
	struct rig_node *n = &r->nodes[i];

	hang_up(n);
	if (n->listen_fd < 0)
		return;
	uv_close((uv_handle_t *)&n->listen, NULL);
	/* The handle is used again, so it has to be closed by then. */
	uv_run(&r->loop, UV_RUN_NOWAIT);
	close(n->listen_fd);
	n->listen_fd = -1;
}

/* ---- starting and ending ---- */

static void on_tick(uv_timer_t *h)
{
}

static void make_node(struct rig *r, size_t i)
{
	struct rig_node *n = &r->nodes[i];

	n->rig = r;
	n->id = r->launch->placement->nodes[i]->node;
	n->listen_fd = -1;
	snprintf(n->dir, sizeof n->dir, "%s/n%zu", r->base, i);
	assert_int_equal(mkdir(n->dir, 0755), 0);
	rig_daemon_returns(r, i);
}

void rig_init(struct rig *r, size_t nodes, uint32_t ranks, const char *const *argv)
{
	assert_non_null(getenv("DVM_BUILD")); /* make check sets it */
	memset(r, 0, sizeof *r);
	signal(SIGPIPE, SIG_IGN); /* as dvmd does: a shepherd may go at any time */
	assert_int_equal(uv_loop_init(&r->loop), 0);
	uv_timer_init(&r->loop, &r->tick);
	uv_timer_start(&r->tick, on_tick, 5, 5);
	strcpy(r->base, "/tmp/shep-XXXXXX");
	assert_non_null(mkdtemp(r->base));
	assert_int_equal(chmod(r->base, 0755), 0);
	memset(r->cookie, 0xa5, sizeof r->cookie);
	r->launch = malloc(sizeof *r->launch);
	pb__launch__init(r->launch);
	r->launch->job = RIG_JOB;
	r->launch->spec = make_spec(argv, ranks);
	r->launch->placement = make_placement(nodes, ranks);
	r->launch->key = 0x1234;
	r->launch->machine = strdup("rig");
	r->launch->launch_deadline_ns = 10 * DVMI_SEC;
	r->n = nodes;
	for (size_t i = 0; i < nodes; i++)
		make_node(r, i);
}

static int launch_file(const struct rig *r)
{
	struct dvmi_buf b = { 0 };
	int fd = memfd_create("launch", 0);

	dvmi_buf_put(&b, r->cookie, sizeof r->cookie);
	dvmi_pb_pack(&b, r->launch);
	assert_int_equal(write(fd, b.data, b.len), b.len);
	dvmi_buf_free(&b);
	return fd;
}

static void exec_shepherd(const struct rig_node *n, int fd, const char *const *options)
{
	const char *argv[24] = { "dvm-shepherd", "--run-dir", n->dir, "--node-id" };
	char program[512], id[16];
	size_t argc = 4;

	snprintf(program, sizeof program, "%s/daemon/dvm-shepherd", getenv("DVM_BUILD"));
	snprintf(id, sizeof id, "%u", n->id);
	argv[argc++] = id;
	while (options && *options)
		argv[argc++] = *options++;
	dup2(fd, 3);
	execv(program, (char **)argv);
	perror(program);
	_exit(99);
}

void rig_start(struct rig *r, size_t i, const char *const *options)
{
	int fd = launch_file(r);

	r->nodes[i].pid = fork();
	assert_true(r->nodes[i].pid >= 0);
	if (r->nodes[i].pid == 0)
		exec_shepherd(&r->nodes[i], fd, options);
	close(fd);
}

static void reap(struct rig *r)
{
	for (size_t i = 0; i < r->n; i++)
		if (r->nodes[i].pid && waitpid(r->nodes[i].pid, &r->nodes[i].wait, WNOHANG) > 0)
			r->nodes[i].pid = 0;
}

void rig_run(struct rig *r, const char *what, rig_cond_fn *cond, void *arg)
{
	uint64_t end = dvmi_clock_mono() + PATIENCE;

	for (;;) {
		reap(r);
		if (cond(r, arg))
			return;
		if (dvmi_clock_mono() > end)
			fail_msg("waited too long for: %s", what);
		uv_run(&r->loop, UV_RUN_ONCE);
	}
}

bool rig_over(struct rig *r, void *arg)
{
	for (size_t i = 0; i < r->n; i++) {
		const Pb__JobStatus *st = r->nodes[i].status;
		if (!st ||
		    (st->phase != PB__SHARE_PHASE__SHARE_DONE &&
		     st->phase != PB__SHARE_PHASE__SHARE_FAILED) ||
		    r->nodes[i].got < st->output_seq)
			return false;
	}
	return true;
}

bool rig_running(struct rig *r, void *arg)
{
	for (size_t i = 0; i < r->n; i++)
		if (!r->nodes[i].status ||
		    r->nodes[i].status->phase == PB__SHARE_PHASE__SHARE_STARTING)
			return false;
	return true;
}

bool rig_exited(struct rig *r, void *arg)
{
	for (size_t i = 0; i < r->n; i++)
		if (r->nodes[i].pid)
			return false;
	return true;
}

void rig_send(struct rig *r, size_t i, uint16_t type, const void *msg)
{
	struct dvmi_envelope env = { .type = type };

	if (r->nodes[i].stream)
		dvmi_stream_send_pb(r->nodes[i].stream, env, msg);
}

void rig_signal(struct rig *r, int sig, bool end, uint64_t grace_ns)
{
	Pb__JobSignal msg = PB__JOB_SIGNAL__INIT;

	msg.job = RIG_JOB;
	msg.signal = sig;
	msg.end = end;
	msg.grace_ns = grace_ns;
	for (size_t i = 0; i < r->n; i++)
		rig_send(r, i, DVMI_MSG_JOB_KILL, &msg);
}

void rig_release(struct rig *r)
{
	Pb__JobRef ref = PB__JOB_REF__INIT;

	ref.job = RIG_JOB;
	for (size_t i = 0; i < r->n; i++)
		rig_send(r, i, DVMI_MSG_JOB_RELEASE, &ref);
}

void rig_stdin(struct rig *r, size_t i, uint64_t seq, const char *text, bool eof)
{
	Pb__Stdin msg = PB__STDIN__INIT;

	msg.job = RIG_JOB;
	msg.seq = seq;
	msg.data = (ProtobufCBinaryData){ .len = strlen(text), .data = (uint8_t *)text };
	msg.eof = eof;
	rig_send(r, i, DVMI_MSG_STDIN, &msg);
}

const Pb__RankStatus *rig_rank(const struct rig *r, uint32_t rank)
{
	for (size_t i = 0; i < r->n; i++)
		for (size_t k = 0; r->nodes[i].status && k < r->nodes[i].status->n_ranks; k++)
			if (r->nodes[i].status->ranks[k]->rank == rank)
				return r->nodes[i].status->ranks[k];
	fail_msg("no status of rank %u", rank);
	return NULL;
}

const char *rig_text(struct rig *r, uint32_t rank, int stream)
{
	struct dvmi_buf *b = &r->out[rank][stream - 1];

	dvmi_buf_put_u8(b, 0);
	b->len--;
	return (const char *)b->data;
}

struct dvmd_place rig_place(const struct rig *r, size_t i)
{
	return (struct dvmd_place){ .run_dir = r->nodes[i].dir,
				    .machine = r->launch->machine,
				    .node = r->nodes[i].id,
				    .job = RIG_JOB };
}

static bool is_ours(const struct rig *r, pid_t pid)
{
	char path[64], block[65536];

	snprintf(path, sizeof path, "/proc/%d/environ", (int)pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, block, sizeof block) : -1;
	if (fd >= 0)
		close(fd);
	return pid > 0 && n > 0 && memmem(block, (size_t)n, r->base, strlen(r->base));
}

size_t rig_survivors(const struct rig *r)
{
	DIR *proc = opendir("/proc");
	const struct dirent *d;
	size_t n = 0;

	while ((d = readdir(proc)))
		n += is_ours(r, atoi(d->d_name));
	closedir(proc);
	return n;
}

static void end_node(struct rig *r, size_t i)
{
	struct rig_node *n = &r->nodes[i];
	struct dvmd_place place = rig_place(r, i);
	uint64_t end = dvmi_clock_mono() + PATIENCE;

	if (n->pid) {
		kill(n->pid, SIGKILL);
		waitpid(n->pid, NULL, 0);
	}
	while (dvmd_sweep_job(&place) > 0)
		assert_true(dvmi_clock_mono() < end);
	rig_daemon_dies(r, i);
	dvmi_pb_free(n->status);
}

void rig_end(struct rig *r)
{
	char command[64];

	for (size_t i = 0; i < r->n; i++)
		end_node(r, i);
	for (size_t i = 0; i < r->n; i++) {
		dvmi_buf_free(&r->nodes[i].call_body);
		dvmi_pb_free(r->nodes[i].foreign);
	}
	uv_close((uv_handle_t *)&r->tick, NULL);
	uv_run(&r->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&r->loop), 0);
	for (size_t i = 0; i < RIG_RANKS; i++) {
		dvmi_buf_free(&r->out[i][0]);
		dvmi_buf_free(&r->out[i][1]);
	}
	dvmi_pb_free(r->launch);
	snprintf(command, sizeof command, "rm -rf %s", r->base);
	assert_int_equal(system(command), 0);
}

/* ---- calls ---- */

struct call_wish {
	size_t i;
};

static bool has_called(struct rig *r, void *arg)
{
	return r->nodes[((struct call_wish *)arg)->i].call != 0;
}

void rig_expect_call(struct rig *r, size_t i, uint16_t type)
{
	struct call_wish w = { i };

	rig_run(r, "a call", has_called, &w);
	assert_int_equal(r->nodes[i].call, type);
	r->nodes[i].call = 0;
}

void rig_reply(struct rig *r, size_t i, uint16_t type, const void *msg)
{
	const struct dvmi_envelope env = { .type = type,
					   .flags = DVMI_FLAG_REPLY,
					   .request = r->nodes[i].call_request };

	if (msg)
		assert_int_equal(dvmi_stream_send_pb(r->nodes[i].stream, env, msg), 0);
	else
		assert_int_equal(dvmi_stream_send(r->nodes[i].stream, env, NULL, 0), 0);
}

void rig_reply_error(struct rig *r, size_t i, int code, const char *text)
{
	Pb__Error e = PB__ERROR__INIT;

	e.code = code;
	e.text = (char *)text;
	rig_reply(r, i, DVMI_MSG_ERROR, &e);
}
