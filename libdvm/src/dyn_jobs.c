/* SPDX-License-Identifier: BSD-3-Clause */
/* Other jobs: started and ended. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "libdvm/base/buf.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/base/err.h"
#include "libdvm/src/ask.h"

_Static_assert((int)DVM_SPAWN_DETACHED == (int)DVMI_SPAWN_DETACHED &&
		       (int)DVM_SPAWN_OVERSUBSCRIBE == (int)DVMI_SPAWN_OVERSUBSCRIBE &&
		       (int)DVM_SPAWN_KEEP_GOING == (int)DVMI_SPAWN_KEEP_GOING &&
		       (int)DVM_SPAWN_NO_SLOTS == (int)DVMI_SPAWN_NO_SLOTS &&
		       (int)DVM_SPAWN_LENT == (int)DVMI_SPAWN_LENT,
	       "one numbering of flags");

uint64_t dvm_job_id(const dvm_t *d)
{
	return d ? d->dyn.job : 0;
}

uint64_t dvm_parent_job(const dvm_t *d, int *rank)
{
	if (!d || !d->dyn.parent_job)
		return 0;
	if (rank)
		*rank = (int)d->dyn.parent_rank;
	return d->dyn.parent_job;
}

/* ---- spawn ---- */

static int check_spawn(const dvm_t *d, const dvm_spawn_config_t *c, const uint64_t *job,
		       dvm_error_t *err)
{
	const uint32_t known =
		DVM_SPAWN_DETACHED | DVM_SPAWN_OVERSUBSCRIBE | DVM_SPAWN_KEEP_GOING |
		DVM_SPAWN_NO_SLOTS | DVM_SPAWN_LENT;

	if (!d || !c || !job)
		return dvmi_error_set(err, -EINVAL, "no handle, nothing to start, or no place for "
						    "the job's id");
	if (c->size < sizeof *c)
		return dvmi_error_set(err, -EINVAL, "config.size is %zu, not %zu", c->size,
				      sizeof *c);
	if (!c->argv || !c->argv[0] || !*c->argv[0])
		return dvmi_error_set(err, -EINVAL, "no program");
	if (c->wdir && c->wdir[0] != '/')
		return dvmi_error_set(err, -EINVAL, "the working directory must be absolute");
	if (c->flags & ~known)
		return dvmi_error_set(err, -EINVAL, "config.flags has unknown bits: %#x", c->flags);
	for (size_t i = 0; c->env && c->env[i]; i++)
		if (!strchr(c->env[i], '=') || c->env[i][0] == '=')
			return dvmi_error_set(err, -EINVAL, "\"%.64s\" is no NAME=value", c->env[i]);
	return 0;
}

static void put(struct dvmi_buf *b, const char *s)
{
	dvmi_buf_put(b, s, strlen(s) + 1);
}

static uint32_t put_list(struct dvmi_buf *b, const char *const *list)
{
	uint32_t n = 0;

	for (; list && list[n] && b->len <= DVMI_RANK_SPAWN_MAX; n++)
		put(b, list[n]);
	return n;
}

static int put_strings(struct dvmi_buf *b, const dvm_spawn_config_t *c, struct dvmi_rank_spawn *p)
{
	char here[PATH_MAX];

	if (!c->wdir && !getcwd(here, sizeof here))
		return -errno;
	p->n_argv = put_list(b, c->argv);
	p->n_env = put_list(b, c->env);
	put(b, c->wdir ? c->wdir : here);
	put(b, c->hosts ? c->hosts : "");
	put(b, c->map_by ? c->map_by : "");
	put(b, c->name ? c->name : "");
	if (b->err)
		return b->err;
	p->bytes = (uint32_t)b->len;
	return b->len > DVMI_RANK_SPAWN_MAX ? -E2BIG : 0;
}

/* A memfd that whoever gets it can rely on. */
static int seal_in_memory(const struct dvmi_buf *b)
{
	cleanup_fd int fd = memfd_create("dvm-spawn", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -errno;
	for (size_t at = 0; at < b->len;) {
		ssize_t n = write(fd, b->data + at, b->len - at);
		if (n < 0 && errno != EINTR)
			return -errno;
		at += n > 0 ? (size_t)n : 0;
	}
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW) < 0)
		return -errno;
	return take_fd(fd);
}

static int ask_spawn(dvm_t *d, struct dvmi_rank_spawn *p, const struct dvmi_buf *b, uint64_t *job,
		     dvm_error_t *err)
{
	cleanup_fd int fd = seal_in_memory(b);
	const struct dvmi_question q = {
		.type = DVMI_RANK_SPAWN, .head = p, .head_len = sizeof *p, .fd = fd
	};
	struct dvmi_ask a;

	if (fd < 0)
		return dvmi_error_code(err, fd, "cannot pass what to start");
	int rc = dvmi_ask(d, &a, &q, err);
	if (rc == 0)
		*job = a.job;
	return rc;
}

int dvm_job_spawn(dvm_t *d, const dvm_spawn_config_t *config, uint64_t *job, dvm_error_t *err)
{
	struct dvmi_buf b = { 0 };
	int rc = check_spawn(d, config, job, err);

	if (rc < 0)
		return rc;
	struct dvmi_rank_spawn p = { .ask.timeout_ms = config->timeout_ms,
				     .ranks = config->ranks,
				     .nodes = config->nodes,
				     .flags = config->flags };
	rc = put_strings(&b, config, &p);
	rc = rc < 0 ? dvmi_error_code(err, rc, "what to start") : ask_spawn(d, &p, &b, job, err);
	dvmi_buf_free(&b);
	return rc;
}

int dvm_job_cancel(dvm_t *d, uint64_t job, dvm_error_t *err)
{
	struct dvmi_rank_link p = { .job = job };
	const struct dvmi_question q = { .type = DVMI_RANK_CANCEL,
					 .head = &p,
					 .head_len = sizeof p };
	struct dvmi_ask a;

	if (!d || !job)
		return dvmi_error_set(err, -EINVAL, "no handle, or no job");
	return dvmi_ask(d, &a, &q, err);
}

/* ---- growing ---- */

int dvm_room(dvm_t *d, dvm_room_t *room, dvm_error_t *err)
{
	struct dvmi_rank_ask p = { 0 };
	const struct dvmi_question q = { .type = DVMI_RANK_ROOM, .head = &p, .head_len = sizeof p };
	struct dvmi_rank_room r;
	struct dvmi_ask a;

	if (!d || !room)
		return dvmi_error_set(err, -EINVAL, "no handle, or no place for the answer");
	if (room->size < sizeof *room)
		return dvmi_error_set(err, -EINVAL, "room.size is %zu, not %zu", room->size,
				      sizeof *room);
	int rc = dvmi_ask(d, &a, &q, err);
	if (rc < 0)
		return rc;
	if (a.len != sizeof r)
		return dvmi_error_set(err, -DVM_EPROTO, "the shepherd's answer is malformed");
	memcpy(&r, a.bytes, sizeof r);
	*room = (dvm_room_t){ .size = room->size,
			      .max = r.max,
			      .room = r.room,
			      .wanted_by = r.wanted_by,
			      .leave_ms = r.leave_ms };
	return 0;
}
