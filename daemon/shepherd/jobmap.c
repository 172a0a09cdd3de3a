/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "daemon/shepherd/jobmap.h"

#define ALIGN  64 /* each array begins a cache line: doorbells are written, node_of is not */
static size_t aligned(size_t n)
{
	return (n + ALIGN - 1) & ~(size_t)(ALIGN - 1);
}

static void *at(const struct dvmi_jobmap *map, uint64_t off)
{
	return (uint8_t *)map + off;
}

static uint32_t *node_of(const struct dvmi_jobmap *map)
{
	return at(map, map->node_of_off);
}

size_t shep_jobmap_bytes(uint32_t size, uint32_t local, uint32_t nnodes)
{
	return aligned(sizeof(struct dvmi_jobmap)) + 3 * aligned(size * sizeof(uint32_t)) +
	       aligned(local * sizeof(uint32_t)) + aligned(nnodes * sizeof(uint32_t)) +
	       aligned(size);
}

static void lay_out(struct dvmi_jobmap *map, uint32_t doorbells)
{
	size_t per_rank = aligned(map->size * sizeof(uint32_t));
	uint64_t bells;

	map->node_of_off = aligned(sizeof *map);
	map->local_rank_off = map->node_of_off + per_rank;
	map->pid_off = map->local_rank_off + per_rank;
	bells = map->pid_off + per_rank;
	map->doorbell_off = doorbells ? bells : 0;
	map->node_id_of_off = bells + aligned(doorbells * sizeof(uint32_t));
	map->state_off = map->node_id_of_off + aligned(map->nnodes * sizeof(uint32_t));
}

static int fill_share(struct dvmi_jobmap *map, uint32_t node, const Pb__NodeShare *share)
{
	uint32_t *local = at(map, map->local_rank_off);

	for (size_t i = 0; i < share->n_ranks; i++) {
		uint32_t rank = share->ranks[i];
		if (rank >= map->size || node_of(map)[rank] != DVMI_RANK_NOBODY)
			return -EINVAL;
		node_of(map)[rank] = node;
		local[rank] = (uint32_t)i;
	}
	return 0;
}

static int fill(struct dvmi_jobmap *map, const Pb__Placement *p)
{
	uint32_t *ids = at(map, map->node_id_of_off);
	size_t placed = 0;

	memset(node_of(map), 0xff, map->size * sizeof(uint32_t));
	for (size_t i = 0; i < p->n_nodes; i++) {
		if (fill_share(map, (uint32_t)i, p->nodes[i]) < 0)
			return -EINVAL;
		ids[i] = p->nodes[i]->node;
		placed += p->nodes[i]->n_ranks;
	}
	return placed == map->size ? 0 : -EINVAL;
}

int shep_jobmap_build(struct dvmi_jobmap *map, const Pb__Launch *launch, size_t self,
		      uint32_t local_cores)
{
	const Pb__Placement *p = launch->placement;
	const Pb__NodeShare *mine = p->nodes[self];

	*map = (struct dvmi_jobmap){ .magic = DVMI_JOBMAP_MAGIC,
				     .version = DVMI_RANK_VERSION,
				     .size = p->ranks,
				     .nnodes = (uint32_t)p->n_nodes,
				     .node = (uint32_t)self,
				     .local_size = (uint32_t)mine->n_ranks,
				     .local_cores = local_cores ? local_cores : 1,
				     .job = launch->job,
				     .failure_timeout = launch->failure_timeout_ns,
				     .port_low = mine->port_low,
				     .port_high = mine->port_high };
	strncpy(map->interface, mine->address, sizeof map->interface - 1);
	strncpy(map->node_name, mine->name, sizeof map->node_name - 1);
	lay_out(map, map->local_size);
	return fill(map, p);
}

int shep_jobmap_build_linked(struct dvmi_jobmap *map, uint64_t job, const Pb__Placement *placement,
			     uint32_t node_id, const struct dvmi_jobmap *own)
{
	*map = *own; /* cores, ports and names are this node's */
	map->job = job;
	map->size = placement->ranks;
	map->nnodes = (uint32_t)placement->n_nodes;
	map->node = DVMI_RANK_NOBODY;
	map->local_size = 0;
	for (uint32_t i = 0; i < map->nnodes; i++)
		if (placement->nodes[i]->node == node_id) {
			map->node = i;
			map->local_size = (uint32_t)placement->nodes[i]->n_ranks;
		}
	lay_out(map, 0);
	return fill(map, placement);
}

int64_t shep_jobmap_node_of(const struct dvmi_jobmap *map, uint32_t rank)
{
	return rank < map->size ? (int64_t)node_of(map)[rank] : -EINVAL;
}

static _Atomic uint8_t *state_of(const struct dvmi_jobmap *map, uint32_t rank)
{
	return (_Atomic uint8_t *)at(map, map->state_off) + rank;
}

enum dvmi_rank_state shep_jobmap_state(const struct dvmi_jobmap *map, uint32_t rank)
{
	return rank < map->size ? atomic_load_explicit(state_of(map, rank), memory_order_relaxed)
				: DVMI_RANK_GONE;
}

bool shep_jobmap_mark(struct dvmi_jobmap *map, uint32_t rank, enum dvmi_rank_state state)
{
	if (shep_jobmap_state(map, rank) != DVMI_RANK_ALIVE || state == DVMI_RANK_ALIVE)
		return false;
	atomic_store_explicit(state_of(map, rank), (uint8_t)state, memory_order_release);
	return true;
}

static _Atomic uint32_t *pid_of(const struct dvmi_jobmap *map, uint32_t rank)
{
	return (_Atomic uint32_t *)at(map, map->pid_off) + rank;
}

void shep_jobmap_set_pid(struct dvmi_jobmap *map, uint32_t rank, uint32_t pid)
{
	if (rank < map->size)
		atomic_store_explicit(pid_of(map, rank), pid, memory_order_release);
}

uint32_t shep_jobmap_pid(const struct dvmi_jobmap *map, uint32_t rank)
{
	return rank < map->size ? atomic_load_explicit(pid_of(map, rank), memory_order_relaxed) : 0;
}

void shep_jobmap_ring(struct dvmi_jobmap *map, uint32_t local_rank)
{
	_Atomic uint32_t *bell = at(map, map->doorbell_off);

	if (local_rank < map->local_size)
		atomic_fetch_add_explicit(&bell[local_rank], 1, memory_order_release);
}
