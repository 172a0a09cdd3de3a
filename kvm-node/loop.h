/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The thread device back ends run on: descriptors, timers, and calls from other threads.
 *
 * A thin face of libuv. One loop has one thread. Everything here except vmm_loop_call*() and
 * vmm_loop_stop() is for that thread, or for any thread before vmm_loop_start(). Callbacks never
 * block. What is closed is not called again; its memory goes in a later turn.
 */
#ifndef VMM_LOOP_H
#define VMM_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct vmm_loop;  /* incomplete */
struct vmm_watch; /* incomplete */
struct vmm_timer; /* incomplete */

int vmm_loop_create(struct vmm_loop **out, const char *name);
/* Starts the thread; all signals are blocked in it. */
int vmm_loop_start(struct vmm_loop *l);
/* Ends and joins the thread, if there is one. Calls not yet made are dropped. */
void vmm_loop_stop(struct vmm_loop *l);
/* After vmm_loop_stop(): closes what is left. NULL is allowed. */
void vmm_loop_destroy(struct vmm_loop *l);

/* For handles of libuv's that have no face here. */
uv_loop_t *vmm_loop_uv(struct vmm_loop *l);

typedef void vmm_loop_fn(void *arg);

/* FN(ARG) soon on the loop's thread, in the order of the calls. Any thread. -ENOMEM. */
int vmm_loop_call(struct vmm_loop *l, vmm_loop_fn *fn, void *arg);
/* The same, and waits until it is done; on the loop's own thread at once. Not under a lock FN takes. */
int vmm_loop_call_wait(struct vmm_loop *l, vmm_loop_fn *fn, void *arg);

typedef void vmm_watch_fn(void *arg, int events);

/* FN when FD is readable or writable (UV_READABLE, UV_WRITABLE) or in error (events 0). */
int vmm_watch_open(struct vmm_watch **out, struct vmm_loop *l, int fd, int events,
		   vmm_watch_fn *fn, void *arg);
/* Changes what is watched for; 0: nothing for now. */
int vmm_watch_set(struct vmm_watch *w, int events);
void vmm_watch_close(struct vmm_watch *w); /* NULL is allowed; FD stays the caller's */

int vmm_timer_open(struct vmm_timer **out, struct vmm_loop *l, vmm_loop_fn *fn, void *arg);
/* FN at DEADLINE of dvmi_clock_mono(), rounded up to milliseconds; 0: not at all. Once. */
int vmm_timer_set(struct vmm_timer *t, uint64_t deadline);
void vmm_timer_close(struct vmm_timer *t);

#endif
