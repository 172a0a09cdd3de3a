/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The places of a node's tasks, by banks of as many as share rings. A place is given once, so that no
 * rank ever means two tasks to somebody who knew the first: when few are left the master is asked
 * for another node of the world, whose places are the next bank. All are free again when no task
 * is left anywhere.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "daemon/pvm/agent.h"
#include "libdvm/src/handle.h"

#define ALIGN 64u
#define FEW   (PVMI_LOCAL_MAX / 4)

static size_t aligned(size_t n)
{
	return (n + ALIGN - 1) & ~(size_t)(ALIGN - 1);
}

static uint32_t world_size(const struct agent *a)
{
	return a->cap * PVMI_LOCAL_MAX;
}

/* ---- the map ---- */

static void *at(const struct pvm_bank *b, uint64_t off)
{
	return (uint8_t *)b->map + off;
}

static void lay_out(const struct agent *a, struct dvmi_jobmap *m)
{
	size_t per_rank = aligned(world_size(a) * sizeof(uint32_t));

	m->node_of_off = aligned(sizeof *m);
	m->local_rank_off = m->node_of_off + per_rank;
	m->pid_off = m->local_rank_off + per_rank;
	m->doorbell_off = m->pid_off + per_rank;
	m->node_id_of_off = m->doorbell_off + aligned(PVMI_LOCAL_MAX * sizeof(uint32_t));
	m->state_off = m->node_id_of_off + aligned(a->cap * sizeof(uint32_t));
}

static void fill(const struct agent *a, const struct pvm_bank *b)
{
	const struct dvmi_jobmap *own = a->d->map.map;
	struct dvmi_jobmap *m = b->map;

	*m = (struct dvmi_jobmap){ .magic = DVMI_JOBMAP_MAGIC,
				   .version = DVMI_RANK_VERSION,
				   .size = world_size(a),
				   .nnodes = a->cap,
				   .node = b->node,
				   .local_size = PVMI_LOCAL_MAX,
				   .local_cores = (uint32_t)get_nprocs(),
				   .job = a->key,
				   .port_low = own->port_low,
				   .port_high = own->port_high };
	memcpy(m->interface, own->interface, sizeof m->interface);
	memcpy(m->node_name, own->node_name, sizeof m->node_name);
	lay_out(a, m);
	uint32_t *node_of = at(b, m->node_of_off), *local = at(b, m->local_rank_off);
	for (uint32_t r = 0; r < m->size; r++) {
		node_of[r] = r / PVMI_LOCAL_MAX;
		local[r] = r % PVMI_LOCAL_MAX;
	}
}

/* A new map and new rings for B. 0 or -errno. */
static int begin(const struct agent *a, struct pvm_bank *b)
{
	size_t bytes = aligned(sizeof *b->map) + 3 * aligned(world_size(a) * sizeof(uint32_t)) +
		       aligned(PVMI_LOCAL_MAX * sizeof(uint32_t)) +
		       aligned(a->cap * sizeof(uint32_t)) + aligned(world_size(a));

	b->map_fd = memfd_create("dvm-pvm-map", MFD_CLOEXEC);
	b->rings_fd = memfd_create("dvm-pvm-rings", MFD_CLOEXEC);
	if (b->map_fd < 0 || b->rings_fd < 0 || ftruncate(b->map_fd, (off_t)bytes) < 0)
		return -errno;
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, b->map_fd, 0);
	if (p == MAP_FAILED)
		return -errno;
	b->map = p;
	b->map_bytes = bytes;
	fill(a, b);
	return 0;
}

static void drop_memory(struct pvm_bank *b)
{
	if (b->map)
		munmap(b->map, b->map_bytes);
	if (b->map_fd >= 0)
		close(b->map_fd);
	if (b->rings_fd >= 0)
		close(b->rings_fd);
	b->map = NULL;
	b->map_fd = b->rings_fd = -1;
}

/* ---- banks ---- */

static void free_bank(struct pvm_bank *b)
{
	drop_memory(b);
	free(b);
}

/* Those below USED were given by somebody before us. */
static void open_slots(struct pvm_bank *b, uint32_t used)
{
	for (uint32_t i = 0; i < PVMI_LOCAL_MAX; i++) {
		struct pvm_slot *s = &b->slots[i];
		s->bank = b;
		s->index = i;
		s->ctl.fd = s->pid_fd.fd = -1;
		s->state = i < used ? PVM_SLOT_OVER : PVM_SLOT_FREE;
		b->nfree += s->state == PVM_SLOT_FREE;
	}
}

int pvm_bank_add(struct agent *a, uint32_t node, uint32_t used)
{
	if (a->nbanks == PVM_BANKS_MAX || node >= a->cap)
		return -EINVAL;
	struct pvm_bank *b = calloc(1, sizeof *b);
	if (!b)
		return -ENOMEM;
	b->number = a->nbanks;
	b->node = node;
	b->map_fd = b->rings_fd = -1;
	open_slots(b, used);
	int rc = begin(a, b);
	if (rc < 0) {
		free_bank(b);
		return rc;
	}
	a->banks[a->nbanks++] = b;
	a->nfree += b->nfree;
	a->asked = false;
	return 0;
}

static void renew_slots(struct pvm_bank *b)
{
	for (uint32_t i = 0; i < PVMI_LOCAL_MAX; i++) {
		struct pvm_slot *s = &b->slots[i];
		if (s->state != PVM_SLOT_OVER)
			continue;
		s->state = PVM_SLOT_FREE;
		s->tid = 0;
		s->addr_len = 0;
		s->wanted = false;
		b->nfree++;
	}
}

void pvm_banks_renew(struct agent *a)
{
	a->nfree = 0;
	for (uint32_t i = 0; i < a->nbanks; i++) {
		struct pvm_bank *b = a->banks[i];
		renew_slots(b);
		a->nfree += b->nfree;
		drop_memory(b);
		a->stop |= begin(a, b) < 0;
	}
}

void pvm_banks_close(struct agent *a)
{
	for (uint32_t i = 0; i < a->nbanks; i++)
		free_bank(a->banks[i]);
	a->nbanks = 0;
}

/* ---- places ---- */

uint32_t pvm_slot_rank(const struct pvm_slot *s)
{
	return s->bank->node * PVMI_LOCAL_MAX + s->index;
}

uint32_t pvm_slot_number(const struct pvm_slot *s)
{
	return s->bank->number * PVMI_LOCAL_MAX + s->index;
}

struct pvm_slot *pvm_slot_at(const struct agent *a, uint32_t number)
{
	const uint32_t bank = number / PVMI_LOCAL_MAX;

	return bank < a->nbanks ? &a->banks[bank]->slots[number % PVMI_LOCAL_MAX] : NULL;
}

struct pvm_slot *pvm_slot_of_rank(const struct agent *a, uint32_t rank)
{
	for (uint32_t i = 0; i < a->nbanks; i++)
		if (rank / PVMI_LOCAL_MAX == a->banks[i]->node)
			return &a->banks[i]->slots[rank % PVMI_LOCAL_MAX];
	return NULL;
}

struct pvm_slot *pvm_slot_of_tid(const struct agent *a, int tid)
{
	for (uint32_t i = 0; i < a->nbanks; i++) {
		struct pvm_bank *b = a->banks[i];
		for (uint32_t k = 0; b->ntaken && k < PVMI_LOCAL_MAX; k++)
			if (b->slots[k].state == PVM_SLOT_TAKEN && b->slots[k].tid == tid)
				return &b->slots[k];
	}
	return NULL;
}

/* Before the last is given: whoever comes next shall not have to wait. */
static void ask_for_more(struct agent *a)
{
	if (a->nfree > FEW || a->asked || a->nbanks == PVM_BANKS_MAX)
		return;
	a->asked = true;
	pvm_to_master(a, PVMI_A_NODE, 0, 0, NULL);
}

static struct pvm_slot *first_free(const struct agent *a)
{
	for (uint32_t i = 0; i < a->nbanks; i++) {
		struct pvm_bank *b = a->banks[i];
		for (uint32_t k = 0; b->nfree && k < PVMI_LOCAL_MAX; k++)
			if (b->slots[k].state == PVM_SLOT_FREE)
				return &b->slots[k];
	}
	return NULL;
}

struct pvm_slot *pvm_slot_take(struct agent *a, pid_t pid)
{
	struct pvm_slot *s = first_free(a);

	if (!s)
		return NULL;
	s->state = PVM_SLOT_TAKEN;
	s->tid = 0;
	s->bank->nfree--;
	s->bank->ntaken++;
	a->nfree--;
	a->ntasks++;
	pvm_slot_watch_pid(a, s, pid);
	ask_for_more(a);
	return s;
}

void pvm_slot_over(struct agent *a, struct pvm_slot *s)
{
	struct pvm_bank *b = s->bank;

	s->state = PVM_SLOT_OVER;
	a->ntasks--;
	b->ntaken--;
	if (!b->ntaken && !b->nfree)
		drop_memory(b);
}

void pvm_ring(const struct pvm_slot *s)
{
	_Atomic uint32_t *bells = at(s->bank, s->bank->map->doorbell_off);

	atomic_fetch_add_explicit(&bells[s->index], 1, memory_order_release);
}

void pvm_banks_gone(const struct agent *a, uint32_t rank, bool closed)
{
	for (uint32_t i = 0; i < a->nbanks; i++) {
		const struct pvm_bank *b = a->banks[i];
		if (!b->map)
			continue;
		_Atomic uint8_t *state = at(b, b->map->state_off);
		atomic_store_explicit(&state[rank], closed ? DVMI_RANK_CLOSED : DVMI_RANK_GONE,
				      memory_order_release);
	}
}
