/* SPDX-License-Identifier: BSD-3-Clause */
/* The shared memory of a node's ranks, and the transport's table. */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "libdvm/net/heap.h"
#include "libdvm/net/shm_private.h"

#define PAGE	  4096u
#define EAGER_MAX (16u * 1024)
#define COPY_FROM (6u * 1024) /* from here on one copy by the kernel beats two of ours */
#define CHUNK	  (16u * 1024)

static size_t blocks_bytes(uint32_t n)
{
	return (n * sizeof(struct dvmi_shm_block) + PAGE - 1) / PAGE * PAGE;
}

void *dvmi_shm_map_pair(struct dvmi_shm *s, uint32_t src, uint32_t dst)
{
	size_t off = blocks_bytes(s->n) + ((size_t)src * s->n + dst) * DVMI_SHM_PAIR_BYTES;
	void *p = mmap(NULL, DVMI_SHM_PAIR_BYTES, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_NORESERVE, s->fd, (off_t)off);

	return p == MAP_FAILED ? NULL : p;
}

static int shm_flush(struct dvmi_tport *t)
{
	return 0; /* what is in shared memory stays there for the receiver */
}

static void shm_destroy(struct dvmi_tport *t)
{
	struct dvmi_shm *s = dvmi_shm_of(t);

	for (uint32_t i = 0; s->in && i < s->nin; i++) {
		munmap(s->in[i]->map, DVMI_SHM_PAIR_BYTES);
		free(s->in[i]);
	}
	for (uint32_t i = 0; s->out && i < s->n; i++)
		if (s->out[i]) {
			munmap(s->out[i]->map, DVMI_SHM_PAIR_BYTES);
			free(s->out[i]);
		}
	if (s->blocks)
		munmap(s->blocks, blocks_bytes(s->n));
	dvmi_bell_fini(&s->bell);
	free(s->in);
	free(s->in_of);
	free(s->reach);
	free(s->out);
	free(s);
}

static const struct dvmi_tport_ops shm_ops = {
	.size = sizeof shm_ops,
	.name = "shm",
	.send = dvmi_shm_send,
	.send_filled = dvmi_shm_send_filled,
	.progress = dvmi_shm_progress,
	.drain = dvmi_shm_drain,
	.arm = dvmi_shm_arm,
	.disarm = dvmi_shm_disarm,
	.flush = shm_flush,
	.destroy = shm_destroy,
	.peek = dvmi_shm_peek,
	.took = dvmi_shm_took,
	.reaches = dvmi_shm_reaches,
	.pull = dvmi_shm_pull,
	.push = dvmi_shm_push,
	.split = dvmi_shm_split,
};

static int map_blocks(struct dvmi_shm *s)
{
	size_t bytes = blocks_bytes(s->n);
	uint64_t pairs = (uint64_t)s->n * s->n * DVMI_SHM_PAIR_BYTES;
	int rc = dvmi_heap_size_file(s->fd, s->n, bytes + pairs);

	if (rc < 0)
		return rc;
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, 0);
	if (p == MAP_FAILED)
		return -errno;
	s->blocks = p;
	s->in = calloc(s->n, sizeof *s->in);
	s->in_of = calloc(s->n, sizeof *s->in_of);
	s->out = calloc(s->n, sizeof *s->out);
	s->reach = calloc(s->n, sizeof *s->reach);
	return s->in && s->in_of && s->out && s->reach ? 0 : -ENOMEM;
}

int dvmi_shm_create(struct dvmi_tport **out, const struct dvmi_shm_config *cfg)
{
	if (cfg->local_size > DVMI_SHM_RANKS_MAX || cfg->self >= cfg->local_size)
		return -EINVAL;
	struct dvmi_shm *s = calloc(1, sizeof *s);
	if (!s)
		return -ENOMEM;
	s->t = (struct dvmi_tport){
		.ops = &shm_ops,
		.packet_max = DVMI_SHM_PACKET_MAX,
		.eager_max = EAGER_MAX,
		.copy_from = COPY_FROM,
		.chunk = CHUNK,
		.sink = cfg->sink,
	};
	s->self = cfg->self;
	s->n = cfg->local_size;
	s->rank_of = cfg->rank_of;
	s->local_of = cfg->local_of;
	s->fd = cfg->fd;
	dvmi_bell_init(&s->bell, cfg->dir, cfg->self);
	int rc = map_blocks(s);
	if (rc < 0) {
		shm_destroy(&s->t);
		return rc;
	}
	s->fence = dvmi_shm_sleep_init() < 0;
	dvmi_shm_vm_init(s);
	*out = &s->t;
	return 0;
}
