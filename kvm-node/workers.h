/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threads for what blocks. They are started when there is something to do and nobody to do it, by
 * whoever hands it on, and are as shut in as that thread is. What they do is done when they say so
 * themselves: no other thread has to be woken for that.
 */
#ifndef VMM_WORKERS_H
#define VMM_WORKERS_H

struct vmm_workers;

struct vmm_task {
	void (*fn)(struct vmm_task *t); /* may free T */
	struct vmm_task *next;
};

/* At most MOST threads, called NAME. */
int vmm_workers_create(struct vmm_workers **out, const char *name, unsigned most);
/* What has been handed on is done first. Nobody hands anything on any more. NULL is allowed. */
void vmm_workers_destroy(struct vmm_workers *w);

/* T is done soon, in any order with others. -E…: there is no thread for it. Any thread. */
int vmm_workers_do(struct vmm_workers *w, struct vmm_task *t);

#endif
