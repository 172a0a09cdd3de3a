/* SPDX-License-Identifier: BSD-3-Clause */
/* More nodes for a machine that is up: on this host, or on others through ssh. */
#ifndef DVMD_CLI_GROW_H
#define DVMD_CLI_GROW_H

#include "daemon/cli/cli.h"
#include "daemon/cli/start.h"

struct cli_grow {
	const char *machine, *prefix;
	unsigned first; /* number in the name and the address of the first one */
	unsigned n;
	unsigned d;	      /* see cli_net_loopback() */
	struct cli_start how; /* for all of them; paths, address, join and token are filled in */
	uint64_t deadline;    /* dvmi_clock_mono() */
};

/* Where a node of a machine that ends with its host lives. */
int cli_grow_paths(struct dvmd_paths *out, const char *machine, const char *name, dvm_error_t *err);

/* Starts them in parallel with one token. Exit status; failures have been reported by node. */
int cli_grow_here(struct cli *c, const struct cli_grow *g);

/* Runs `dvm join` on each of the N hosts through SSH, in parallel, and reports by host. */
int cli_grow_hosts(struct cli *c, const char *const *hosts, size_t n, const char *ssh,
		   const char *interface, uint64_t deadline);

/*
 * Waits until N nodes are up; *reply is the list then. -ETIMEDOUT with ERR naming those that are
 * not.
 */
int cli_grow_wait_up(struct cli *c, size_t n, uint64_t deadline, Pb__NodesReply **reply,
		     dvm_error_t *err);

/*
 * Waits until every node can reach every other: after a restart they are known as up at once, but
 * their connections are not there yet. Best effort until DEADLINE.
 */
void cli_grow_wait_reachable(struct cli *c, uint64_t deadline);

/* A token for USES nodes and where to join with it ("ADDR:PORT"), both malloc'ed. */
int cli_grow_token(struct cli *c, uint32_t uses, char **token, char **where, dvm_error_t *err);

#endif
