/* SPDX-License-Identifier: BSD-3-Clause */
/* Accepting, connecting, and jobs that meet their parents. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "dvm/coll.h"
#include "dvm/connect.h"
#include "libdvm/base/clock.h"
#include "libdvm/base/err.h"
#include "libdvm/src/connect.h"

#define PARENT_SERVICE "DVM_PARENT_SERVICE" /* under which the parent waits */
#define PARENT_MS      60000
#define NOBODY_CALLED  "the child has not called dvm_parent()"

static int check(const dvm_group_t *g, int root, dvm_group_t **out)
{
	if (!g || !out || root < 0 || (uint32_t)root >= g->size)
		return -EINVAL;
	return g->local || g->link ? -ENOTSUP : 0;
}

static bool is_root(const dvm_group_t *g, int root)
{
	return (uint32_t)root == g->rank;
}

static int make_door(dvm_t *d, struct dvmi_door *door, struct dvmi_door_sign *sign)
{
	dvmi_enter(d);
	int rc = dvmi_door_make(d, door, sign);
	dvmi_leave(d);
	return rc;
}

static void close_door(dvm_t *d, struct dvmi_door *door)
{
	dvmi_enter(d);
	dvmi_door_close(door);
	dvmi_leave(d);
}

/* The root's door, known under SERVICE; for CHILD alone, if that is not 0. */
static int put_up(dvm_t *d, const char *service, uint64_t child, struct dvmi_door *door,
		  dvm_error_t *err)
{
	struct dvmi_door_sign sign;
	int rc = make_door(d, door, &sign);

	if (rc == 0 && child) {
		dvmi_enter(d);
		rc = dvmi_door_expect(door, child);
		dvmi_leave(d);
	}
	if (rc < 0)
		return dvmi_error_code(err, rc,
				       child ? NOBODY_CALLED : "cannot listen for another job");
	return dvm_name_publish(d, service, &sign, sizeof sign, err);
}

static int accept_at(dvm_group_t *g, int root, const char *service, uint64_t child, int timeout_ms,
		     int code, dvm_group_t **out, dvm_error_t *err)
{
	uint64_t end =
		timeout_ms < 0 ? 0 : dvmi_clock_mono() + (uint64_t)timeout_ms * DVMI_MSEC + 1;
	struct dvmi_door door = { 0 };
	bool published = false;

	if (is_root(g, root) && code == 0) {
		code = put_up(g->d, service, child, &door, err);
		published = code == 0;
	}
	int rc = dvmi_meet(g, root, &door, true, code, end, out);
	if (published)
		dvm_name_unpublish(g->d, service, NULL);
	if (is_root(g, root))
		close_door(g->d, &door);
	if (rc < 0 && code == 0)
		dvmi_error_code(err, rc, child ? NOBODY_CALLED : "no other job has come through");
	return rc;
}

int dvm_accept(dvm_group_t *g, int root, const char *service, int timeout_ms, dvm_group_t **out,
	       dvm_error_t *err)
{
	int rc = check(g, root, out);

	if (rc == 0 && (timeout_ms < -1 || (is_root(g, root) && !service)))
		rc = -EINVAL;
	if (rc < 0)
		return dvmi_error_code(err, rc, "cannot accept");
	return accept_at(g, root, service, 0, timeout_ms, 0, out, err);
}

static int look_up(dvm_t *d, const char *service, uint32_t timeout_ms, struct dvmi_door *door,
		   dvm_error_t *err)
{
	struct dvmi_door_sign sign;
	size_t len;
	int rc = dvm_name_lookup(d, service, &sign, sizeof sign, &len, NULL, NULL, timeout_ms, err);

	if (rc == 0 && len != sizeof sign)
		rc = dvmi_error_set(err, -DVM_EPROTO, "nobody accepts under %s", service);
	if (rc < 0)
		return rc;
	dvmi_enter(d);
	rc = dvmi_door_find(d, door, &sign);
	dvmi_leave(d);
	return rc < 0 ? dvmi_error_code(err, rc, "cannot connect") : 0;
}

int dvm_connect(dvm_group_t *g, int root, const char *service, uint32_t timeout_ms,
		dvm_group_t **out, dvm_error_t *err)
{
	struct dvmi_door door = { 0 };
	int rc = check(g, root, out);

	if (rc == 0 && (timeout_ms > 60000 || (is_root(g, root) && !service)))
		rc = -EINVAL;
	if (rc < 0)
		return dvmi_error_code(err, rc, "cannot connect");
	uint64_t end = dvmi_clock_mono() + PARENT_MS * DVMI_MSEC;
	int code = is_root(g, root) ? look_up(g->d, service, timeout_ms, &door, err) : 0;
	rc = dvmi_meet(g, root, &door, false, code, end, out);
	if (is_root(g, root))
		close_door(g->d, &door);
	if (rc < 0 && code == 0)
		dvmi_error_code(err, rc, "cannot connect");
	return rc;
}

/* ENV and one entry more; the caller frees the array. */
static const char **add_env(const char *const *env, const char *entry)
{
	size_t n = 0;

	while (env && env[n])
		n++;
	const char **all = calloc(n + 2, sizeof *all);
	if (!all)
		return NULL;
	if (n)
		memcpy(all, env, n * sizeof *all);
	all[n] = entry;
	return all;
}

/* Spawns, with a name in the child's environment under which this rank will wait. */
static int spawn(dvm_t *d, const dvm_spawn_config_t *config, char *service, size_t room,
		 uint64_t *job, dvm_error_t *err)
{
	dvm_spawn_config_t c;
	char entry[DVM_SERVICE_MAX + sizeof PARENT_SERVICE + 1];
	uint64_t nonce;

	if (!config || config->size < sizeof c)
		return dvmi_error_set(err, -EINVAL, "no configuration of what to spawn");
	if (getrandom(&nonce, sizeof nonce, 0) != sizeof nonce)
		return dvmi_error_code(err, -EIO, "cannot spawn");
	snprintf(service, room, ".parent.%" PRIu64 ".%016" PRIx64, dvm_job_id(d), nonce);
	snprintf(entry, sizeof entry, PARENT_SERVICE "=%s", service);
	c = *config;
	const char **env = add_env(config->env, entry);
	if (!env)
		return dvmi_error_code(err, -ENOMEM, "cannot spawn");
	c.env = env;
	int rc = dvm_job_spawn(d, &c, job, err);
	free(env);
	return rc;
}

int dvm_spawn(dvm_group_t *g, int root, const dvm_spawn_config_t *config, dvm_group_t **out,
	      dvm_error_t *err)
{
	char service[DVM_SERVICE_MAX];
	int rc = check(g, root, out), code = 0;
	uint64_t job = 0;

	if (rc < 0)
		return dvmi_error_code(err, rc, "cannot spawn");
	if (is_root(g, root))
		code = spawn(g->d, config, service, sizeof service, &job, err);
	rc = accept_at(g, root, service, job, PARENT_MS, code, out, err);
	if (rc < 0 && job)
		dvm_job_cancel(g->d, job, NULL);
	return rc;
}

int dvm_parent(dvm_t *d, dvm_group_t **out, dvm_error_t *err)
{
	const char *service = getenv(PARENT_SERVICE);

	if (!d || !out)
		return dvmi_error_set(err, -EINVAL, "no handle or no place for the group");
	if (!service || !dvm_parent_job(d, NULL))
		return dvmi_error_set(err, -ENOENT, "this job was not spawned by dvm_spawn()");
	return dvm_connect(dvm_world(d), 0, service, PARENT_MS, out, err);
}

int dvm_disconnect(dvm_group_t *g)
{
	if (!g || !g->link)
		return -EINVAL;
	int rc = dvm_barrier(g);
	int freed = dvm_group_free(g);
	return freed < 0 ? freed : rc;
}
