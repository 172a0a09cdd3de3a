/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "libdvm/src/jobmap.h"

static bool array_fits(size_t bytes, uint64_t off, uint64_t n, uint64_t each)
{
	return off >= sizeof(struct dvmi_jobmap) && off % each == 0 && off <= bytes &&
	       n <= (bytes - off) / each;
}

static bool arrays_good(const struct dvmi_jobmap *m, size_t bytes)
{
	return m->magic == DVMI_JOBMAP_MAGIC && m->local_cores >= 1 &&
	       array_fits(bytes, m->node_of_off, m->size, 4) &&
	       array_fits(bytes, m->local_rank_off, m->size, 4) &&
	       array_fits(bytes, m->state_off, m->size, 1) &&
	       array_fits(bytes, m->node_id_of_off, m->nnodes, 4) &&
	       array_fits(bytes, m->pid_off, m->size, 4) &&
	       memchr(m->interface, 0, sizeof m->interface) &&
	       memchr(m->node_name, 0, sizeof m->node_name);
}

static bool header_good(const struct dvmi_jobmap *m, size_t bytes, const struct dvmi_env *env)
{
	return m->size == env->size && m->nnodes == env->nnodes && m->node == env->node &&
	       m->local_size == env->local_size && arrays_good(m, bytes) &&
	       array_fits(bytes, m->doorbell_off, m->local_size, 4);
}

static void point_into(struct dvmi_jobmap_view *v)
{
	const char *base = (const char *)v->map;

	v->node_of = (const uint32_t *)(const void *)(base + v->map->node_of_off);
	v->local_of = (const uint32_t *)(const void *)(base + v->map->local_rank_off);
	v->state = (const _Atomic uint8_t *)(const void *)(base + v->map->state_off);
	v->node_id_of = (const uint32_t *)(const void *)(base + v->map->node_id_of_off);
	v->pid = (const _Atomic uint32_t *)(const void *)(base + v->map->pid_off);
}

/* Every local rank must stand for exactly one rank of this node. */
static int index_local(struct dvmi_jobmap_view *v, const struct dvmi_env *env)
{
	uint32_t found = 0;

	v->rank_of = malloc(env->local_size * sizeof *v->rank_of);
	if (!v->rank_of)
		return -ENOMEM;
	memset(v->rank_of, 0xff, env->local_size * sizeof *v->rank_of);
	for (uint32_t r = 0; r < env->size; r++) {
		if (v->node_of[r] >= env->nnodes)
			return -DVM_EPROTO;
		if (v->node_of[r] != env->node)
			continue;
		if (v->local_of[r] >= env->local_size || v->rank_of[v->local_of[r]] != UINT32_MAX)
			return -DVM_EPROTO;
		v->rank_of[v->local_of[r]] = r;
		found++;
	}
	return found == env->local_size && v->rank_of[env->local_rank] == env->rank ? 0
										    : -DVM_EPROTO;
}

static int look_into(struct dvmi_jobmap_view *v, const struct dvmi_env *env)
{
	if (!header_good(v->map, v->bytes, env))
		return -DVM_EPROTO;
	point_into(v);
	v->doorbell = (const _Atomic uint32_t *)(const void *)((const char *)v->map +
							       v->map->doorbell_off) +
		      env->local_rank;
	return index_local(v, env);
}

static int map_file(struct dvmi_jobmap_view *v, int fd, size_t bytes)
{
	struct stat st;

	*v = (struct dvmi_jobmap_view){ .bytes = bytes };
	if (fstat(fd, &st) < 0)
		return -errno;
	if (bytes < sizeof *v->map || (uint64_t)st.st_size < bytes)
		return -DVM_EPROTO;
	void *p = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return -errno;
	v->map = p;
	return v->map->version == DVMI_RANK_VERSION ? 0 : -DVM_EVERSION;
}

int dvmi_jobmap_open(struct dvmi_jobmap_view *v, int fd, size_t bytes, const struct dvmi_env *env)
{
	int rc = map_file(v, fd, bytes);

	if (rc == 0)
		rc = look_into(v, env);
	if (rc < 0)
		dvmi_jobmap_close(v);
	return rc;
}

static int look_into_linked(struct dvmi_jobmap_view *v, uint64_t job)
{
	const struct dvmi_jobmap *m = v->map;

	if (!arrays_good(m, v->bytes) || m->job != job || m->size == 0 ||
	    (m->node >= m->nnodes && m->node != DVMI_RANK_NOBODY))
		return -DVM_EPROTO;
	point_into(v);
	for (uint32_t r = 0; r < m->size; r++)
		if (v->node_of[r] >= m->nnodes)
			return -DVM_EPROTO;
	return 0;
}

int dvmi_jobmap_open_linked(struct dvmi_jobmap_view *v, int fd, size_t bytes, uint64_t job)
{
	int rc = map_file(v, fd, bytes);

	if (rc == 0)
		rc = look_into_linked(v, job);
	if (rc < 0)
		dvmi_jobmap_close(v);
	return rc;
}

void dvmi_jobmap_close(struct dvmi_jobmap_view *v)
{
	if (v->map)
		munmap((void *)(uintptr_t)v->map, v->bytes);
	free(v->rank_of);
	*v = (struct dvmi_jobmap_view){ 0 };
}
