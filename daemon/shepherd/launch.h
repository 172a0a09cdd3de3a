/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Starting the ranks: a batch per loop turn, so that orders are heard in between, until every
 * child has become its program, one could not, or the time for it is over.
 */
#ifndef SHEP_LAUNCH_H
#define SHEP_LAUNCH_H

#include <stdbool.h>
#include <sys/resource.h>
#include <uv.h>

#include "daemon/shepherd/affinity.h"
#include "daemon/shepherd/environ.h"
#include "daemon/shepherd/group.h"
#include "daemon/shepherd/ranks.h"
#include "libdvm/proto/pb.h"

struct shep_launch; /* incomplete */

struct shep_launch_config {
	uv_loop_t *loop;
	const Pb__Launch *launch;
	size_t self; /* index of our share in the placement */
	struct shep_ranks *ranks;
	struct shep_environ *environ;
	const struct shep_affinity *affinity;
	const struct shep_group *group;
	struct rlimit nofile;
	bool no_new_privs;
	unsigned long timer_slack; /* of the ranks, ns; 0: as ever */
	/* Opens the descriptors the local rank gets as 0, 1, 2; they are closed after its fork. */
	int (*stdio)(uint32_t local, int fds[3], void *arg);
	/* One more descriptor that the local rank inherits, closed after its fork; -1: none. */
	int (*extra_fd)(uint32_t local, void *arg);
	bool hold; /* nothing is started before shep_launch_go() */
	/* Something the user should hear; the launch goes on. */
	void (*note)(const char *text, void *arg);
	/* Once, when ranks are still missing after two seconds: what it waits for. */
	void (*late)(const char *text, void *arg);
	/* Once: 0, or why it failed. Ranks that were started are then the caller's to end. */
	void (*done)(int code, const char *text, void *arg);
	void *arg;
};

/* Everything pointed to must outlive the launch. Nothing is started before the loop runs. */
int shep_launch_create(struct shep_launch **out, const struct shep_launch_config *config);

/* Begins to start ranks; WHY not is told by a negative CODE. */
void shep_launch_go(struct shep_launch *l, int code, const char *why);

/* Starts no further ranks; `done` comes with -ECANCELED, unless it has come. */
void shep_launch_cancel(struct shep_launch *l);

/* Never calls back any more. NULL is allowed. */
void shep_launch_destroy(struct shep_launch *l);

#endif
