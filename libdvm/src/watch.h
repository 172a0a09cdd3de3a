/* SPDX-License-Identifier: BSD-3-Clause */
/* The descriptor behind dvm_fd(), for programs that wait in a loop of their own. */
#ifndef DVMI_SRC_WATCH_H
#define DVMI_SRC_WATCH_H

#include <stdbool.h>

#include "dvm/dvm.h"

#define DVMI_WATCH_FDS 16

struct dvmi_watch {
	int epoll; /* -1 until asked for */
	int kick;  /* eventfd: somebody has taken the news that epoll was to tell of */
	bool armed;
	uint32_t naps;		    /* since the last news */
	uint32_t seen;		     /* events that dvm_progress() has told of */
	int n, fds[DVMI_WATCH_FDS]; /* in epoll */
};

void dvmi_watch_init(struct dvmi_watch *w);
void dvmi_watch_fini(struct dvmi_watch *w);

/* A thread of ours has disarmed the transports: the loop must come by to arm them again. */
void dvmi_watch_taken(struct dvmi_watch *w);

#endif
