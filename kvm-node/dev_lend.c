/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Devices of one of several hosts, whose queues go to the host that uses them. Whoever rings is given the
 * rings: its vCPUs have just written to them, so the pages are there. Who rings elsewhere has them called
 * back first, which takes a message there and one back, with the device's lock held: nothing that is done
 * there for it waits for that lock.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "kvm-node/dev_virtio.h"
#include "kvm-node/queues.h"
#include "kvm-node/virtq_away.h"
#include "libdvm/base/err.h"

#define LARGE (1u << 16) /* a buffer that is not kept */

struct bell {
	struct vmm_lend *l;
	unsigned queue;
	struct vmm_watch *watch;
};

struct vmm_lend {
	struct vmm_vdevice *d;
	struct vmm_queues *queues;
	uint32_t number;
	int fds[VMM_VDEV_QUEUES];
	struct bell bells[VMM_VDEV_QUEUES];
	_Atomic uint32_t signals; /* queues whose drivers are to be interrupted by us */
	_Atomic uint64_t lent, recalled;
};

/* ---- the device's lock is held ---- */

static void answer(void *waker, unsigned q)
{
	struct vmm_vdevice *d = waker;
	struct vmm_away *a = d->v->q[q].away;
	struct vmm_msg n = { .kind = VMM_MSG_USED, .op = (uint8_t)q, .code = d->lend->number };
	uint32_t data = 0;

	if (!a->answers.len)
		return;
	n.flag = d->v->message(d->v->transport, (int)q, &n.addr, &data);
	n.value = data;
	vmm_spread_queue(vmm_queues_spread(d->lend->queues), (unsigned)a->borrower, &n, a->answers.data,
			 a->answers.len);
	a->answers.len = 0;
	if (a->answers.cap > LARGE)
		dvmi_buf_free(&a->answers);
}

/* Then somebody has to look at them: we. */
static void recall(void *waker, unsigned q)
{
	struct vmm_vdevice *d = waker;
	struct vmm_virtq *vq = &d->v->q[q];
	uint64_t state = VMM_LOAN_BROKEN;

	answer(d, q);
	(void)vmm_spread_recall(vmm_queues_spread(d->lend->queues), (unsigned)vq->away->borrower,
				d->lend->number, q, &state);
	vmm_away_return(vq, state);
	d->lend->recalled++;
	vmm_vdev_kick(d->v, q);
}

static void lend(struct vmm_vdevice *d, unsigned host, unsigned q)
{
	struct vmm_msg n = { .kind = VMM_MSG_LEND, .op = (uint8_t)q, .code = d->lend->number };
	struct vmm_loan terms;

	vmm_away_lend(&d->v->q[q], host, &terms);
	terms.bell = d->bells_at + 4 * q;
	vmm_spread_queue(vmm_queues_spread(d->lend->queues), host, &n, &terms, sizeof terms);
	d->lend->lent++;
}

/* ---- from other hosts ---- */

/* Only who has the rings is listened to. */
static bool has_it(const struct vmm_lend *l, unsigned from, unsigned q)
{
	return q < l->d->v->type->nqueues && l->d->v->q[q].away->borrower == (int)from;
}

static void on_requests(void *arg, unsigned from, unsigned q, const void *bytes, size_t len)
{
	struct vmm_lend *l = arg;

	if (!has_it(l, from, q))
		return;
	(void)vmm_away_hear(l->d->v->q[q].away, bytes, len); /* what is bad is seen to in our turn */
	vmm_vdev_kick(l->d->v, q);
}

static void on_signal(void *arg, unsigned from, unsigned q, bool broken)
{
	struct vmm_lend *l = arg;

	if (!has_it(l, from, q))
		return;
	if (broken)
		vmm_away_set_bad(l->d->v->q[q].away);
	else
		atomic_fetch_or(&l->signals, 1u << q);
	vmm_vdev_kick(l->d->v, q);
}

static bool on_rung(void *arg, unsigned from, uint64_t addr)
{
	struct vmm_lend *l = arg;
	struct vmm_vdev *v = l->d->v;
	uint32_t at = __atomic_load_n(&l->d->bells_at, __ATOMIC_RELAXED);
	unsigned q = (unsigned)(addr - at) / 4;

	if (!at || addr < at || addr - at >= 4ull * v->type->nqueues)
		return false;
	pthread_mutex_lock(&v->lock);
	bool theirs = v->q[q].away->borrower == (int)from; /* it looks at them when it gets them */
	if (!theirs && vmm_away_lent(&v->q[q]))
		recall(l->d, q);
	if (!theirs && vmm_vdev_running(v) && vmm_away_may_lend(&v->q[q]))
		lend(l->d, from, q);
	else if (!theirs)
		vmm_vdev_kick(v, q);
	pthread_mutex_unlock(&v->lock);
	return true;
}

/* ---- the loop ---- */

static void on_bell(void *arg, int events)
{
	const struct bell *b = arg;
	struct vmm_vdev *v = b->l->d->v;
	uint64_t rings;

	if (read(b->l->fds[b->queue], &rings, sizeof rings) != sizeof rings)
		return;
	pthread_mutex_lock(&v->lock);
	if (vmm_away_lent(&v->q[b->queue]))
		recall(b->l->d, b->queue);
	pthread_mutex_unlock(&v->lock);
	__atomic_fetch_or(&v->kicked, 1u << b->queue, __ATOMIC_SEQ_CST);
	vmm_vdev_run(v);
}

void vmm_lend_turn(struct vmm_vdevice *d)
{
	struct vmm_vdev *v = d->v;
	uint32_t signals = atomic_exchange(&d->lend->signals, 0);

	pthread_mutex_lock(&v->lock);
	for (unsigned q = 0; q < v->type->nqueues; q++) {
		if (signals & 1u << q)
			v->signal(v->transport, (int)q);
		if (!vmm_away_lent(&v->q[q]) || !vmm_away_bad(v->q[q].away))
			continue;
		recall(d, q);
		v->q[q].broken = true;
	}
	pthread_mutex_unlock(&v->lock);
}

/* ---- life ---- */

static int open_bell(struct vmm_lend *l, unsigned q)
{
	l->bells[q] = (struct bell){ .l = l, .queue = q };
	l->fds[q] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (l->fds[q] < 0)
		return -errno;
	int rc = vmm_away_create(&l->d->v->q[q]);
	return rc < 0 ? rc :
			vmm_watch_open(&l->bells[q].watch, l->d->bus->m->loop, l->fds[q], UV_READABLE,
				       on_bell, &l->bells[q]);
}

int vmm_lend_open(struct vmm_vdevice *d, dvm_error_t *err)
{
	struct vmm_lend *l = calloc(1, sizeof *l);
	int rc = 0;

	if (!l)
		return dvmi_error_code(err, -ENOMEM, "%s", d->name);
	d->lend = l;
	l->d = d;
	l->queues = d->bus->m->queues;
	for (unsigned q = 0; q < VMM_VDEV_QUEUES; q++)
		l->fds[q] = -1;
	for (unsigned q = 0; rc == 0 && q < d->v->type->nqueues; q++)
		rc = open_bell(l, q);
	if (rc == 0)
		rc = vmm_queues_add(l->queues, &(struct vmm_lender){ on_requests, on_signal, on_rung, l });
	if (rc < 0)
		return dvmi_error_code(err, rc, "%s: queues over hosts", d->name);
	l->number = (uint32_t)rc;
	d->bells = l->fds;
	d->v->answer = answer;
	d->v->recall = recall;
	return 0;
}

void vmm_lend_close(struct vmm_vdevice *d)
{
	struct vmm_lend *l = d->lend;

	if (!l)
		return;
	for (unsigned q = 0; q < VMM_VDEV_QUEUES; q++) {
		vmm_watch_close(l->bells[q].watch);
		if (l->fds[q] >= 0)
			close(l->fds[q]);
	}
	free(l);
	d->lend = NULL;
}

void vmm_lend_stat(const struct vmm_vdevice *d, struct dvmi_buf *out)
{
	if (d->lend)
		dvmi_buf_printf(out, ",\"lent\":%llu,\"recalled\":%llu",
				(unsigned long long)d->lend->lent,
				(unsigned long long)d->lend->recalled);
}
