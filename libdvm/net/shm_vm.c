/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Copies from and to the memory of other ranks' processes. The kernel allows it between processes
 * of one user that may trace each other; where it does not (another user namespace, Yama, a process
 * that is not dumpable), the first attempt says so and is the last.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/uio.h>
#include <unistd.h>

#include "libdvm/net/shm_private.h"

#define CALL_MAX (UINT32_C(1) << 30) /* bytes of one system call, which takes less than 2^31 */

void dvmi_shm_vm_init(struct dvmi_shm *s)
{
	struct dvmi_shm_block *b = &s->blocks[s->self];

	if (getrandom(&s->cookie, sizeof s->cookie, GRND_NONBLOCK) != sizeof s->cookie)
		return; /* then nobody reaches us */
	b->cookie = s->cookie;
	b->cookie_at = (uint64_t)(uintptr_t)&s->cookie;
	atomic_store_explicit(&b->pid, (int32_t)getpid(), memory_order_release);
}

typedef ssize_t move_fn(pid_t pid, const struct iovec *here, unsigned long nhere,
			const struct iovec *there, unsigned long nthere, unsigned long flags);

/* A move may end early at the edge of a map; the next one then says why. */
static int move_all(move_fn *move, pid_t pid, void *here, uint64_t there, size_t len)
{
	while (len) {
		size_t n = len < CALL_MAX ? len : CALL_MAX;
		struct iovec h = { .iov_base = here, .iov_len = n };
		struct iovec t = { .iov_base = (void *)(uintptr_t)there, .iov_len = n };
		ssize_t got = move(pid, &h, 1, &t, 1, 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? -errno : -EFAULT;
		here = (uint8_t *)here + got;
		there += (uint64_t)got;
		len -= (size_t)got;
	}
	return 0;
}

/* The process of local rank LOCAL, if it is the one that we find there; 0 not known yet. */
static int32_t try_to_reach(const struct dvmi_shm_block *b)
{
	int32_t pid = atomic_load_explicit(&b->pid, memory_order_acquire);
	uint64_t found;

	if (pid <= 0)
		return 0;
	int rc = move_all(process_vm_readv, pid, &found, b->cookie_at, sizeof found);
	return rc == 0 && found == b->cookie ? pid : DVMI_SHM_OUT_OF_REACH;
}

bool dvmi_shm_reaches(struct dvmi_tport *t, uint32_t peer)
{
	struct dvmi_shm *s = dvmi_shm_of(t);
	uint32_t local = s->local_of[peer];

	if (__builtin_expect(!s->reach[local], 0))
		s->reach[local] = try_to_reach(&s->blocks[local]);
	return s->reach[local] > 0;
}

static int move_with(struct dvmi_tport *t, uint32_t peer, move_fn *move, void *here, uint64_t there,
		     size_t len)
{
	struct dvmi_shm *s = dvmi_shm_of(t);
	uint32_t local = s->local_of[peer];

	if (!dvmi_shm_reaches(t, peer))
		return -EPERM;
	int rc = move_all(move, s->reach[local], here, there, len);
	/* An address that cannot be copied says nothing about the next one. */
	if (rc < 0 && rc != -EFAULT)
		s->reach[local] = DVMI_SHM_OUT_OF_REACH;
	return rc;
}

int dvmi_shm_pull(struct dvmi_tport *t, uint32_t peer, void *to, uint64_t addr, size_t len)
{
	return move_with(t, peer, process_vm_readv, to, addr, len);
}

int dvmi_shm_push(struct dvmi_tport *t, uint32_t peer, uint64_t addr, const void *from, size_t len)
{
	return move_with(t, peer, process_vm_writev, (void *)(uintptr_t)from, addr, len);
}

struct dvmi_split *dvmi_shm_split(struct dvmi_tport *t, uint32_t peer, bool out, uint32_t slot)
{
	struct dvmi_shm *s = dvmi_shm_of(t);
	uint32_t local = s->local_of[peer];
	uint8_t *map = NULL;

	if (out && (s->out[local] || dvmi_shm_open_out(s, local)))
		map = s->out[local]->map;
	if (!out && s->in_of[local])
		map = s->in_of[local]->map;
	if (!map || slot >= DVMI_TPORT_SPLITS)
		return NULL;
	return (struct dvmi_split *)(void *)(map + DVMI_SHM_SPLIT_AT) + slot;
}
