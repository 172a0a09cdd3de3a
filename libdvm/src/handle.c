/* SPDX-License-Identifier: BSD-3-Clause */
/* Opening and closing, and what a handle knows of its place. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "config.h"
#include "libdvm/base/clock.h"
#include "libdvm/base/err.h"
#include "libdvm/net/remote.h"
#include "libdvm/net/self.h"
#include "libdvm/net/shm.h"
#include "libdvm/net/wire.h"
#include "libdvm/src/coll.h"
#include "libdvm/src/coll_area.h"
#include "libdvm/src/accord.h"
#include "libdvm/src/link.h"
#include "libdvm/src/mem.h"
#include "libdvm/src/request.h"
#include "libdvm/src/rma_hook.h"
#include "libdvm/src/wait.h"

#define ANSWER_MS    30000
#define CLOSE_MAX_NS (10 * DVMI_SEC)

const char *dvm_version(void)
{
	return PACKAGE_VERSION;
}

static void log_to_hook(const struct dvmi_log_record *rec, void *arg)
{
	dvm_t *d = arg;

	d->log_fn(rec->level, rec->subsys, rec->text, d->log_arg);
}

static int check_config(const dvm_config_t *c, dvm_error_t *err)
{
	if (!c)
		return 0;
	if (c->size < sizeof *c)
		return dvmi_error_set(err, -EINVAL, "config.size is %zu, not %zu", c->size,
				      sizeof *c);
	if (c->flags & ~(uint32_t)(DVM_OPEN_THREADS | DVM_OPEN_PROGRESS))
		return dvmi_error_set(err, -EINVAL, "config.flags has unknown bits: %#x", c->flags);
	if (c->log_level < 0 || c->log_level > LOG_DEBUG)
		return dvmi_error_set(err, -EINVAL, "config.log_level is %d", c->log_level);
	return 0;
}

static int start_threads(struct dvmi_threads *t)
{
	t->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (t->kick < 0)
		return -errno;
	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->news, NULL);
	t->on = true;
	return 0;
}

static int configure(dvm_t *d, const dvm_config_t *c, dvm_error_t *err)
{
	if (c && c->log) {
		d->log_fn = c->log;
		d->log_arg = c->log_arg;
		d->log = (struct dvmi_log){ .level = c->log_level, .sink = log_to_hook, .arg = d };
	}
	bool threads = c && c->flags & (DVM_OPEN_THREADS | DVM_OPEN_PROGRESS);
	int rc = threads ? start_threads(&d->threads) : 0;
	return rc < 0 ? dvmi_error_code(err, rc, "cannot prepare for threads") : 0;
}

/* The shepherd's socket lies in the directory of the job. */
static int find_dir(dvm_t *d)
{
	const char *slash = strrchr(d->env.shepherd, '/');

	d->dir = strndup(d->env.shepherd, (size_t)(slash - d->env.shepherd));
	return d->dir ? 0 : -ENOMEM;
}

static int join_job(dvm_t *d, dvm_error_t *err)
{
	struct dvmi_ctl_welcome in;
	int rc = find_dir(d);

	if (rc < 0)
		return dvmi_error_code(err, rc, "cannot open");
	rc = dvmi_ctl_open(&d->ctl, d->env.shepherd, d->env.rank, ANSWER_MS, &in, err);
	if (rc < 0)
		return rc;
	d->rings_fd = in.rings_fd;
	d->key = in.w.key;
	d->dyn.job = in.w.job;
	d->dyn.parent_job = in.w.parent_job;
	d->dyn.parent_rank = in.w.parent_rank;
	d->dyn.node_id = in.w.node_id;
	rc = dvmi_jobmap_open(&d->map, in.map_fd, in.w.map_bytes, &d->env);
	close(in.map_fd);
	if (rc < 0)
		return dvmi_error_code(err, rc, "the shepherd's job map is not usable");
	d->cores = d->map.map->local_cores;
	d->node_name = d->map.map->node_name;
	return 0;
}

static int find_place(dvm_t *d, const struct dvmi_env *env, dvm_error_t *err)
{
	int rc = env ? 0 : dvmi_env_read(&d->env, err);

	if (rc < 0)
		return rc;
	if (env)
		d->env = *env;
	d->mates = d->env.local_size;
	if (d->env.shepherd)
		return join_job(d, err);
	static const char local[] = "localhost";
	char name[64] = "";
	d->cores = 1;
	d->dir = gethostname(name, sizeof name - 1) == 0 && name[0] ? strdup(name) : strdup(local);
	d->node_name = d->dir;
	return d->dir ? 0 : dvmi_error_code(err, -ENOMEM, "cannot open");
}

static struct dvmi_tport *route(void *arg, uint32_t peer)
{
	dvm_t *d = arg;

	if (peer == d->env.rank)
		return d->self;
	if (peer >= d->env.size)
		return dvmi_link_route(d, peer);
	if (d->map.node_of[peer] == d->env.node)
		return d->shm;
	dvmi_remote_likely(d->fab, peer);
	return d->fab;
}

static int open_shm(dvm_t *d)
{
	struct dvmi_shm_config cfg = {
		.fd = d->rings_fd,
		.self = d->env.local_rank,
		.local_size = d->env.local_size,
		.rank_of = d->map.rank_of,
		.local_of = d->map.local_of,
		.dir = d->dir,
		.sink = dvmi_p2p_sink(&d->p2p),
	};

	return dvmi_shm_create(&d->shm, &cfg);
}

static int publish(void *arg, const void *addr, size_t len)
{
	dvm_t *d = arg;

	return dvmi_ctl_send(&d->ctl, DVMI_RANK_PUBLISH, NULL, 0, addr, len);
}

static int lookup(void *arg, uint32_t peer)
{
	dvm_t *d = arg;
	struct dvmi_rank_peer p = { .rank = peer };

	return dvmi_ctl_send(&d->ctl, DVMI_RANK_LOOKUP, &p, sizeof p, NULL, 0);
}

static int open_fab(dvm_t *d)
{
	struct dvmi_remote_config cfg = {
		.interface = d->map.map->interface,
		.port_low = d->map.map->port_low,
		.port_high = d->map.map->port_high,
		.key = d->key,
		.self = d->env.rank,
		.size = d->env.size,
		.sink = dvmi_p2p_sink(&d->p2p),
		.log = &d->log,
		.publish = publish,
		.lookup = lookup,
		.arg = d,
	};

	return dvmi_remote_create(&d->fab, &cfg);
}

static int take_packet(void *arg, uint32_t src, const struct dvmi_pkt *pkt, const void *payload)
{
	if (pkt->kind == DVMI_PKT_AGREE)
		return dvmi_accord_packet(arg, src, pkt, payload);
	return dvmi_am_packet(arg, src, pkt, payload);
}

static void peer_down(void *arg, uint32_t peer)
{
	dvm_t *d = arg;

	if (peer >= d->env.size)
		return; /* of another job, which has messages only */
	dvmi_am_down(d, peer, d->p2p.peers[peer].down);
	dvmi_rma_down(d, peer);
	dvmi_accord_down(d, peer);
}

static int open_transports(dvm_t *d, dvm_error_t *err)
{
	int rc = dvmi_p2p_init(&d->p2p, d->env.rank, d->env.size, route, d);

	d->p2p.owner = (struct dvmi_p2p_owner){
		.anybody = dvmi_group_anybody,
		.revoke = dvmi_group_revoke,
		.packet = take_packet,
		.down = peer_down,
	};
	if (rc == 0)
		rc = dvmi_heap_create(&d->heap, d->rings_fd, d->env.local_rank, d->env.local_size);
	d->p2p.clock = dvmi_clock_mono;
	if (rc == 0)
		rc = dvmi_self_create(&d->self, dvmi_p2p_sink(&d->p2p));
	if (rc == 0 && d->env.local_size > 1)
		rc = open_shm(d);
	if (rc == 0 && d->env.size > d->env.local_size)
		rc = open_fab(d);
	if (rc == -EFBIG)
		return dvmi_error_set(err, rc, "the limit for the size of files (ulimit -f) is too "
				      "low for the shared memory of this node's ranks");
	if (rc < 0)
		return dvmi_error_code(err, rc, "cannot prepare for messages");
	d->world = (struct dvm_group){ .d = d, .rank = d->env.rank, .size = d->env.size };
	dvmi_rankmap_init(&d->world.map, d->env.size);
	dvmi_reqs_init(d);
	d->world.dests = d->world.map;
	snprintf(d->world.name, sizeof d->world.name, "world");
	/* Who left before we came is in the map, but no packet will tell of it. */
	d->leaving = d->map.map != NULL;
	return 0;
}

static void destroy(dvm_t *d)
{
	dvmi_seg_fini(d);
	dvmi_rma_fini(d);
	dvmi_groups_fini(d);
	dvmi_links_fini(d);
	dvmi_tport_destroy(d->fab);
	dvmi_tport_destroy(d->shm);
	dvmi_tport_destroy(d->self);
	dvmi_am_fini(d);
	dvmi_watch_fini(&d->watch);
	dvmi_p2p_fini(&d->p2p);
	dvmi_area_forget(d);
	dvmi_heap_destroy(d->heap);
	dvmi_jobmap_close(&d->map);
	dvmi_ctl_close(&d->ctl);
	if (d->rings_fd >= 0)
		close(d->rings_fd);
	if (d->threads.on) {
		close(d->threads.kick);
		pthread_cond_destroy(&d->threads.news);
		pthread_mutex_destroy(&d->threads.lock);
	}
	dvmi_reqs_destroy(d);
	free(d->user_ops);
	dvmi_events_free(d);
	free(d->dir);
	free(d);
}

int dvm_open(dvm_t **out, const dvm_config_t *config, dvm_error_t *err)
{
	return dvmi_open_at(out, config, NULL, err);
}

int dvmi_open_at(dvm_t **out, const dvm_config_t *config, const struct dvmi_env *env,
		 dvm_error_t *err)
{
	if (!out)
		return dvmi_error_set(err, -EINVAL, "no place for the handle");
	int rc = check_config(config, err);
	if (rc < 0)
		return rc;
	dvm_t *d = calloc(1, sizeof *d);
	if (!d)
		return dvmi_error_code(err, -ENOMEM, "cannot open");
	d->ctl.fd = d->rings_fd = -1;
	d->world.d = d; /* also where opening fails half-way */
	dvmi_am_init(&d->am);
	dvmi_watch_init(&d->watch);
	rc = configure(d, config, err);
	if (rc == 0)
		rc = find_place(d, env, err);
	if (rc == 0)
		rc = open_transports(d, err);
	if (rc == 0 && config && config->flags & DVM_OPEN_PROGRESS)
		rc = dvmi_helper_start(d, err);
	if (rc < 0) {
		destroy(d);
		return rc;
	}
	*out = d;
	return 0;
}

static bool all_sent(dvm_t *d)
{
	return !d->p2p.busy && !d->am.busy && !d->ndetached &&
	       (!d->shm || d->shm->ops->flush(d->shm) == 0) &&
	       (!d->fab || d->fab->ops->flush(d->fab) == 0) && dvmi_links_flushed(d);
}

/* Requests that nobody waited for end here: their buffers are the caller's again. */
static void abandon(dvm_t *d)
{
	for (struct dvm_req *r = d->reqs; r; r = r->next) {
		if (r->op.detached)
			continue;
		dvmi_task_destroy(r->task);
		r->task = NULL;
		dvmi_p2p_abandon(&d->p2p, &r->op);
	}
}

static int send_rest(dvm_t *d)
{
	struct dvmi_wait w = { 0 };
	uint64_t end = dvmi_clock_mono() + CLOSE_MAX_NS;

	while (!all_sent(d)) {
		if (d->broken)
			return d->broken;
		if (dvmi_clock_mono() > end)
			return -DVM_EPEERLOST;
		dvmi_wait_round(d, &w);
	}
	return 0;
}

int dvm_close(dvm_t *d)
{
	if (!d)
		return 0;
	dvmi_helper_stop(d);
	dvmi_enter(d);
	abandon(d);
	int rc = d->broken ? d->broken : send_rest(d);
	dvmi_leave(d);
	if (d->ctl.fd >= 0)
		dvmi_ctl_send(&d->ctl, DVMI_RANK_GOODBYE, NULL, 0, NULL, 0);
	destroy(d);
	return rc;
}

int dvm_rank(const dvm_t *d)
{
	return d ? (int)d->env.rank : -EINVAL;
}

int dvm_size(const dvm_t *d)
{
	return d ? (int)d->env.size : -EINVAL;
}

int dvm_node(const dvm_t *d)
{
	return d ? (int)d->env.node : -EINVAL;
}

int dvm_num_nodes(const dvm_t *d)
{
	return d ? (int)d->env.nnodes : -EINVAL;
}

int dvm_node_of(const dvm_t *d, int rank)
{
	if (!d || rank < 0 || (uint32_t)rank >= d->env.size)
		return -EINVAL;
	return d->map.map ? (int)d->map.node_of[rank] : 0;
}

const char *dvm_node_name(const dvm_t *d)
{
	return d ? d->node_name : NULL;
}

dvm_group_t *dvm_world(dvm_t *d)
{
	return d ? &d->world : NULL;
}

int dvm_peer_state(dvm_t *d, int rank)
{
	if (!d || rank < 0 || (uint32_t)rank >= d->env.size)
		return -EINVAL;
	if ((uint32_t)rank == d->env.rank)
		return DVM_ALIVE;
	dvmi_enter(d);
	dvmi_poll(d);
	int state = d->broken ? DVM_LOST : DVM_ALIVE;
	if (!d->broken && d->map.map) {
		uint8_t s = atomic_load_explicit(&d->map.state[rank], memory_order_acquire);
		state = s < DVM_LOST ? s : DVM_LOST;
	}
	dvmi_leave(d);
	return state;
}

int dvm_abort(dvm_t *d, int code, const char *text)
{
	if (!d || code < 1 || code > 255)
		return -EINVAL;
	if (!d->env.shepherd)
		return 0;
	struct dvmi_rank_peer p = { .rank = d->env.rank, .code = code };
	size_t len = text ? strnlen(text, DVMI_RANK_TEXT_MAX - 1) : 0;
	dvmi_enter(d);
	int rc = dvmi_ctl_send(&d->ctl, DVMI_RANK_ABORT, &p, sizeof p, text, len);
	dvmi_leave(d);
	return rc;
}
