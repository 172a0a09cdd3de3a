/* SPDX-License-Identifier: BSD-3-Clause */
#include "kvm-node/inbox.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "libdvm/base/thread.h"

struct vmm_inbox {
	struct vmm_reader reader;
	pthread_t thread;
	pthread_mutex_t lock; /* a leaf */
	pthread_cond_t news, done;
	bool stop;
	struct vmm_letter *head, **tail;
	/* How many, ever; changed under the lock. */
	_Atomic uint64_t n_put, n_read;
};

static struct vmm_letter *take(struct vmm_inbox *b)
{
	pthread_mutex_lock(&b->lock);
	while (!b->head && !b->stop)
		pthread_cond_wait(&b->news, &b->lock);
	struct vmm_letter *l = b->head;
	if (l) {
		b->head = l->next;
		if (!b->head)
			b->tail = &b->head;
	}
	pthread_mutex_unlock(&b->lock);
	return l;
}

static void have_read(struct vmm_inbox *b, struct vmm_letter *l)
{
	free(l);
	pthread_mutex_lock(&b->lock);
	atomic_fetch_add(&b->n_read, 1);
	pthread_cond_broadcast(&b->done);
	pthread_mutex_unlock(&b->lock);
}

static void *work(void *arg)
{
	struct vmm_inbox *b = arg;

	prctl(PR_SET_NAME, b->reader.name);
	if (b->reader.first)
		(void)dvmi_thread_go_first();
	for (struct vmm_letter *l; (l = take(b)); have_read(b, l))
		b->reader.read(b->reader.arg, l);
	return NULL;
}

int vmm_inbox_put(struct vmm_inbox *b, unsigned from, const struct vmm_msg *n, const void *text,
		  size_t len)
{
	struct vmm_letter *l = malloc(sizeof *l + len);

	if (!l)
		return -ENOMEM;
	*l = (struct vmm_letter){ .from = from, .msg = *n, .len = len };
	if (len)
		memcpy(l->text, text, len);
	pthread_mutex_lock(&b->lock);
	*b->tail = l;
	b->tail = &l->next;
	atomic_fetch_add(&b->n_put, 1);
	pthread_cond_signal(&b->news);
	pthread_mutex_unlock(&b->lock);
	return 0;
}

/* Mostly there is nothing, and a vCPU asks before each use of a device: then without the lock. */
void vmm_inbox_settle(struct vmm_inbox *b)
{
	uint64_t n = atomic_load(&b->n_put);

	if (atomic_load(&b->n_read) >= n)
		return;
	pthread_mutex_lock(&b->lock);
	while (atomic_load(&b->n_read) < n)
		pthread_cond_wait(&b->done, &b->lock);
	pthread_mutex_unlock(&b->lock);
}

static void forget(struct vmm_inbox *b)
{
	pthread_cond_destroy(&b->done);
	pthread_cond_destroy(&b->news);
	pthread_mutex_destroy(&b->lock);
	free(b);
}

int vmm_inbox_create(struct vmm_inbox **out, const struct vmm_reader *r)
{
	struct vmm_inbox *b = calloc(1, sizeof *b);

	if (!b)
		return -ENOMEM;
	b->reader = *r;
	b->tail = &b->head;
	pthread_mutex_init(&b->lock, NULL);
	pthread_cond_init(&b->news, NULL);
	pthread_cond_init(&b->done, NULL);
	int rc = -pthread_create(&b->thread, NULL, work, b);
	if (rc < 0)
		forget(b);
	else
		*out = b;
	return rc;
}

void vmm_inbox_destroy(struct vmm_inbox *b)
{
	if (!b)
		return;
	pthread_mutex_lock(&b->lock);
	b->stop = true;
	pthread_cond_signal(&b->news);
	pthread_mutex_unlock(&b->lock);
	pthread_join(b->thread, NULL);
	forget(b);
}
