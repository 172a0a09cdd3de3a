/* SPDX-License-Identifier: BSD-3-Clause */
/* The parts of a shepherd, their wiring, and the loop. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/shepherd/shepherd_private.h"
#include "libdvm/base/clock.h"
#include "libdvm/base/err.h"

/* ---- a rank's descriptors ---- */

static bool reads_stdin(const struct shep *s, uint32_t rank)
{
	const Pb__JobSpec *spec = s->c->launch->spec;

	/* Nobody is there to type for a detached job. */
	if (spec->detached || spec->stdin_to == PB__STDIN_TO__STDIN_NONE)
		return false;
	return spec->stdin_to == PB__STDIN_TO__STDIN_ALL || rank == 0;
}

static size_t count_readers(const struct shep *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->share->n_ranks; i++)
		n += reads_stdin(s, s->share->ranks[i]);
	return n;
}

static int open_stdin(struct shep *s, uint32_t rank)
{
	int fds[2];

	if (!reads_stdin(s, rank)) {
		int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
		return fd < 0 ? -errno : fd;
	}
	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	int rc = shep_input_add(s->input, fds[1]);
	if (rc < 0) {
		close(fds[0]);
		return rc;
	}
	return fds[0];
}

static int open_output(struct shep *s, uint32_t rank, uint32_t stream)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	int rc = shep_output_add(s->output, rank, stream, fds[0]);
	if (rc < 0) {
		close(fds[1]);
		return rc;
	}
	return fds[1];
}

static int on_stdio(uint32_t local, int fds[3], void *arg)
{
	struct shep *s = arg;
	uint32_t rank = s->share->ranks[local];

	fds[0] = open_stdin(s, rank);
	fds[1] = fds[0] < 0 ? -1 : open_output(s, rank, 1);
	fds[2] = fds[1] < 0 ? -1 : open_output(s, rank, 2);
	if (fds[2] >= 0)
		return 0;
	int rc = fds[0] < 0 ? fds[0] : fds[1] < 0 ? fds[1] : fds[2];
	for (int i = 0; i < 2; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	return rc;
}

/* ---- callbacks of the parts ---- */

static void on_note(const char *text, void *arg)
{
	shep_life_note(arg, text);
}

static void on_late(const char *text, void *arg)
{
	shep_life_late(arg, text);
}

static void on_launched(int code, const char *text, void *arg)
{
	shep_life_launched(arg, code, text);
}

static int send_output(const uint8_t *body, size_t len, void *arg)
{
	struct shep *s = arg;

	return shep_link_send(s->link, DVMI_MSG_OUTPUT, body, len);
}

static void on_output_ended(void *arg)
{
	/* The turn that follows looks at it. */
}

static void ack_input(uint64_t seq, void *arg)
{
	struct shep *s = arg;
	Pb__StdinAck ack = PB__STDIN_ACK__INIT;

	ack.job = s->c->launch->job;
	ack.node = s->share->node;
	ack.seq = seq;
	shep_link_send_pb(s->link, DVMI_MSG_STDIN_ACK, &ack);
}

static void on_sigchld(uv_signal_t *h, int sig)
{
	shep_life_reap(h->data);
}

static void on_sigterm(uv_signal_t *h, int sig)
{
	shep_life_end(h->data, 2 * DVMI_SEC, "the shepherd was told to end");
}

static void on_turn(uv_prepare_t *h)
{
	struct shep *s = h->data;

	shep_life_turn(s, dvmi_clock_mono());
	if (s->over)
		uv_stop(&s->loop);
}

/* ---- making ---- */

static void start_handles(struct shep *s)
{
	uv_prepare_init(&s->loop, &s->turn);
	uv_timer_init(&s->loop, &s->timer);
	uv_signal_init(&s->loop, &s->sigchld);
	uv_signal_init(&s->loop, &s->sigterm);
	uv_signal_init(&s->loop, &s->sigint);
	s->turn.data = s->timer.data = s;
	s->sigchld.data = s->sigterm.data = s->sigint.data = s;
	uv_prepare_start(&s->turn, on_turn);
	uv_signal_start(&s->sigchld, on_sigchld, SIGCHLD);
	uv_signal_start(&s->sigterm, on_sigterm, SIGTERM);
	uv_signal_start(&s->sigint, on_sigterm, SIGINT);
}

static int make_link(struct shep *s)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof path, "%s/client.sock", s->c->o.run_dir) >= (int)sizeof path)
		return -ENAMETOOLONG;
	return shep_link_create(&s->link, &s->loop, path, &shep_orders_ops, s);
}

static int make_output(struct shep *s)
{
	const struct shep_output_config config = {
		.loop = &s->loop,
		.job = s->c->launch->job,
		.node = s->share->node,
		.streams = 2 * s->share->n_ranks,
		.detached = s->c->launch->spec->detached,
		.spool_dir = s->c->setup->dir_fd,
		.spool_bound = s->c->o.spool_bound,
		.send = send_output,
		.ended = on_output_ended,
		.note = on_note,
		.arg = s,
	};

	return shep_output_create(&s->output, &config);
}

/* What there is in every case, so that a failure can be reported. */
static int make_core(struct shep *s)
{
	int rc = shep_ranks_init(&s->ranks, s->share);

	s->status.job = s->c->launch->job;
	s->status.node = s->share->node;
	s->status.phase = PB__SHARE_PHASE__SHARE_STARTING;
	s->ending.stuck_after = s->c->o.stuck_after;
	if (rc == 0)
		rc = make_output(s);
	if (rc == 0)
		rc = make_link(s);
	return rc;
}

static int make_memory(struct shep *s)
{
	const Pb__Placement *p = s->c->launch->placement;
	int rc = shep_affinity_init(&s->affinity);

	s->node_ids = calloc(p->n_nodes, sizeof *s->node_ids);
	if (rc < 0 || !s->node_ids)
		return rc < 0 ? rc : -ENOMEM;
	for (size_t i = 0; i < p->n_nodes; i++)
		s->node_ids[i] = p->nodes[i]->node;
	rc = shep_jobmem_create(
		&s->mem, s->c->launch, s->c->self,
		shep_affinity_count(&s->affinity, s->share->cpus, s->share->n_cpus));
	return rc < 0 ? rc : shep_events_init(s);
}

static int make_server(struct shep *s)
{
	if (snprintf(s->socket_path, sizeof s->socket_path, "%s/shep.sock", s->c->setup->dir) >=
	    (int)sizeof s->socket_path)
		return -ENAMETOOLONG;
	const struct shep_server_config config = {
		.loop = &s->loop,
		.path = s->socket_path,
		.uid = geteuid(),
		.welcome = { .job = s->c->launch->job,
			     .key = s->c->launch->key,
			     .parent_job = s->c->launch->spec->parent_job,
			     .parent_rank = s->c->launch->spec->parent_rank,
			     .node_id = s->share->node },
		.mem = &s->mem,
		.ops = &shep_wire_server_ops,
		.arg = s,
	};
	return shep_server_create(&s->server, &config);
}

static int on_extra_fd(uint32_t local, void *arg)
{
	struct shep *s = arg;

	return shep_mpi_rank_fd(s->mpi, local);
}

static int make_launch(struct shep *s, bool hold)
{
	const struct shep_launch_config config = {
		.loop = &s->loop,
		.launch = s->c->launch,
		.self = s->c->self,
		.ranks = &s->ranks,
		.environ = s->environ,
		.affinity = &s->affinity,
		.group = s->c->group,
		.nofile = s->c->setup->nofile,
		.no_new_privs = s->c->setup->other_user,
		.timer_slack = shep_mpi_timer_slack(s->mpi),
		.stdio = on_stdio,
		.extra_fd = on_extra_fd,
		.hold = hold,
		.note = on_note,
		.late = on_late,
		.done = on_launched,
		.arg = s,
	};

	return shep_launch_create(&s->launch, &config);
}

/* Everything that ranks need, in the order in which one builds on the other. */
static int make_job(struct shep *s, dvm_error_t *err)
{
	static const struct {
		int (*make)(struct shep *s);
		const char *what;
	} steps[] = {
		{ make_memory, "the job map" },
		{ shep_wire_create_peers, "the address table" },
		{ make_server, "the ranks' socket" },
	};

	if (s->c->failed.code) {
		*err = s->c->failed;
		return err->code;
	}
	for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
		int rc = steps[i].make(s);
		if (rc < 0)
			return dvmi_error_code(err, rc, "%s", steps[i].what);
	}
	int rc = shep_environ_create(&s->environ, s->c->launch, s->c->self, s->socket_path);
	if (rc == 0)
		rc = shep_input_create(&s->input, &s->loop, count_readers(s), ack_input, s);
	if (rc == 0)
		rc = shep_wire_create_mpi(s);
	if (rc >= 0)
		rc = make_launch(s, rc == 1);
	return rc < 0 ? dvmi_error_code(err, rc, "starting the ranks") : 0;
}

static void unmake(struct shep *s)
{
	shep_launch_destroy(s->launch);
	shep_mpi_destroy(s->mpi);
	shep_server_destroy(s->server);
	shep_input_destroy(s->input);
	shep_output_destroy(s->output);
	shep_asks_free(s);
	shep_link_destroy(s->link);
	uv_close((uv_handle_t *)&s->turn, NULL);
	uv_close((uv_handle_t *)&s->timer, NULL);
	uv_close((uv_handle_t *)&s->sigchld, NULL);
	uv_close((uv_handle_t *)&s->sigterm, NULL);
	uv_close((uv_handle_t *)&s->sigint, NULL);
	uv_run(&s->loop, UV_RUN_DEFAULT);
	uv_loop_close(&s->loop);
	shep_links_free(s);
	shep_events_free(s);
	shep_peers_destroy(s->peers);
	shep_environ_destroy(s->environ);
	shep_jobmem_destroy(&s->mem);
	shep_affinity_free(&s->affinity);
	shep_ranks_free(&s->ranks);
	shep_status_free(&s->status);
	free(s->node_ids);
}

static void run(struct shep *s)
{
	dvm_error_t err = { 0 };

	s->launching = true;
	if (s->c->note)
		shep_life_note(s, s->c->note);
	if (make_job(s, &err) < 0)
		shep_life_launched(s, err.code, err.text);
	uv_run(&s->loop, UV_RUN_DEFAULT);
	/* A released job needs no last report; any other is left for the daemon to find. */
	if (s->released && s->c->setup->dir_fd >= 0)
		unlinkat(s->c->setup->dir_fd, "status", 0);
}

int shep_run(const struct shep_config *config)
{
	struct shep s = { .c = config,
			  .share = config->launch->placement->nodes[config->self],
			  .mem = { .map_fd = -1, .rings_fd = -1 } };
	int rc = uv_loop_init(&s.loop);

	if (rc < 0)
		return rc;
	start_handles(&s);
	rc = make_core(&s);
	if (rc == 0)
		run(&s);
	unmake(&s);
	return rc;
}
