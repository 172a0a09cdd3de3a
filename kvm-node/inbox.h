/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What other hosts say, for a thread of its own: it takes one message after the other, in the order in
 * which they came. So it may wait, which whoever brings them may not.
 */
#ifndef VMM_INBOX_H
#define VMM_INBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kvm-node/msg.h"

struct vmm_inbox; /* incomplete */

struct vmm_letter {
	struct vmm_letter *next; /* the inbox's */
	unsigned from;
	struct vmm_msg msg;
	size_t len; /* of text */
	uint8_t text[];
};

struct vmm_reader {
	const char *name; /* of the thread */
	bool first;	  /* it goes before those that compute, where it may */
	void (*read)(void *arg, const struct vmm_letter *l);
	void *arg;
};

/* -ENOMEM, -EAGAIN: there is no thread. */
int vmm_inbox_create(struct vmm_inbox **out, const struct vmm_reader *r);
/* What is in it is read first. NULL is accepted; nobody puts anything any more. */
void vmm_inbox_destroy(struct vmm_inbox *b);

/* A copy of N and of LEN bytes at TEXT. -ENOMEM. Any thread; waits for nobody. */
int vmm_inbox_put(struct vmm_inbox *b, unsigned from, const struct vmm_msg *n, const void *text,
		  size_t len);
/* Waits until all that was put before has been read. Any thread but the reader's. */
void vmm_inbox_settle(struct vmm_inbox *b);

#endif
