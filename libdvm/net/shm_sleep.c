/* SPDX-License-Identifier: BSD-3-Clause */
/* Sleeping until a packet or room comes, and waking others. */
#include <errno.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "libdvm/net/shm_private.h"

static int membarrier(int cmd)
{
	return (int)syscall(SYS_membarrier, cmd, 0, 0);
}

int dvmi_shm_sleep_init(void)
{
	return membarrier(MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED);
}

void dvmi_shm_wake(struct dvmi_shm *s, uint32_t local)
{
	if (atomic_exchange(&s->blocks[local].asleep, 0))
		dvmi_bell_ring(&s->bell, local);
}

void dvmi_shm_poke(struct dvmi_tport *t, uint32_t local)
{
	dvmi_shm_notice(dvmi_shm_of(t), local);
}

static void want_room(struct dvmi_shm *s, uint32_t wants)
{
	for (uint32_t i = 0; i < s->n; i++)
		if (s->out[i] && s->out[i]->blocked)
			atomic_store(&s->out[i]->tx.ctl->wants_room, wants);
}

/* What a record or a wake-up would have changed since the last look. */
static bool something_new(struct dvmi_shm *s)
{
	struct dvmi_shm_block *b = &s->blocks[s->self];
	struct dvmi_ring_rec rec;

	for (uint32_t w = 0; w < (s->n + 63) / 64; w++)
		if (atomic_load(&b->senders[w]) != s->seen[w])
			return true;
	for (uint32_t i = 0; i < s->nin; i++)
		if (!s->in[i]->broken && dvmi_ring_peek(&s->in[i]->rx, &rec) > 0)
			return true;
	for (uint32_t i = 0; i < s->n; i++)
		if (s->out[i] && s->out[i]->blocked &&
		    (dvmi_ring_refresh(&s->out[i]->tx, s->out[i]->tx.ncells / 4) &&
		     atomic_load(&s->out[i]->tx.ctl->bulk_tail) == s->out[i]->tx.bulk_pos))
			return true;
	return false;
}

void dvmi_shm_disarm(struct dvmi_tport *t)
{
	struct dvmi_shm *s = dvmi_shm_of(t);

	if (!s->armed)
		return;
	s->armed = false;
	atomic_store(&s->blocks[s->self].asleep, 0);
	want_room(s, 0);
	dvmi_bell_clear(&s->bell);
}

int dvmi_shm_arm(struct dvmi_tport *t, struct pollfd *fds, int n)
{
	struct dvmi_shm *s = dvmi_shm_of(t);
	int fd = n > 0 ? dvmi_bell_fd(&s->bell) : -EINVAL;

	s->armed = true;
	want_room(s, 1);
	atomic_store(&s->blocks[s->self].asleep, 1);
	bool sure = membarrier(MEMBARRIER_CMD_GLOBAL_EXPEDITED) == 0 && fd >= 0;
	if (something_new(s)) {
		dvmi_shm_disarm(t);
		return -EAGAIN;
	}
	if (!sure)
		return -ENOTSUP;
	fds[0] = (struct pollfd){ .fd = fd, .events = POLLIN };
	return 1;
}
