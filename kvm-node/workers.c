/* SPDX-License-Identifier: BSD-3-Clause */
#include "kvm-node/workers.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define NAME_LEN 16

struct vmm_workers {
	char name[NAME_LEN];
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t some;
	struct vmm_task *first, **last;
	unsigned waiting; /* tasks nobody has taken */
	unsigned idle, n, most;
	bool ending;
	pthread_t thread[];
};

int vmm_workers_create(struct vmm_workers **out, const char *name, unsigned most)
{
	struct vmm_workers *w = calloc(1, sizeof *w + most * sizeof *w->thread);

	if (!w)
		return -ENOMEM;
	strncpy(w->name, name, sizeof w->name - 1);
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->some, NULL);
	w->last = &w->first;
	w->most = most;
	*out = w;
	return 0;
}

/* The next one, or NULL: it is over. Locked. */
static struct vmm_task *take(struct vmm_workers *w)
{
	while (!w->first && !w->ending) {
		w->idle++;
		pthread_cond_wait(&w->some, &w->lock);
		w->idle--;
	}
	struct vmm_task *t = w->first;
	if (t) {
		w->first = t->next;
		w->last = w->first ? w->last : &w->first;
		w->waiting--;
	}
	return t;
}

static void *work(void *arg)
{
	struct vmm_workers *w = arg;
	struct vmm_task *t;

	pthread_setname_np(pthread_self(), w->name);
	pthread_mutex_lock(&w->lock);
	while ((t = take(w)) != NULL) {
		pthread_mutex_unlock(&w->lock);
		t->fn(t);
		pthread_mutex_lock(&w->lock);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

/* Signals are for vCPUs. */
static int start_one(struct vmm_workers *w)
{
	sigset_t all, old;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	int rc = pthread_create(&w->thread[w->n], NULL, work, w);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	w->n += rc == 0;
	return -rc;
}

int vmm_workers_do(struct vmm_workers *w, struct vmm_task *t)
{
	int rc = 0;

	pthread_mutex_lock(&w->lock);
	if (w->idle <= w->waiting && w->n < w->most)
		rc = start_one(w);
	if (w->n) {
		rc = 0; /* those that are there will come to it */
		t->next = NULL;
		*w->last = t;
		w->last = &t->next;
		w->waiting++;
	}
	pthread_mutex_unlock(&w->lock);
	/* Who is woken does not wait for the lock first. */
	if (rc == 0)
		pthread_cond_signal(&w->some);
	return rc;
}

void vmm_workers_destroy(struct vmm_workers *w)
{
	if (!w)
		return;
	pthread_mutex_lock(&w->lock);
	w->ending = true;
	pthread_cond_broadcast(&w->some);
	pthread_mutex_unlock(&w->lock);
	for (unsigned i = 0; i < w->n; i++)
		pthread_join(w->thread[i], NULL);
	pthread_cond_destroy(&w->some);
	pthread_mutex_destroy(&w->lock);
	free(w);
}
