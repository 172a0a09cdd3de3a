/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Starting dvmd processes on this host, many at a time, and hearing how each fares.
 *
 * dvmd reports through a pipe: "ready" or "error: …", then becomes a daemon.
 */
#ifndef DVMD_CLI_START_H
#define DVMD_CLI_START_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/paths.h"
#include "dvm/error.h"

struct cli_start {
	const struct dvmd_paths *paths; /* names the machine and the node, too */
	const char *address;
	const char *config; /* file, or NULL */
	uint16_t port;
	uint32_t slots;	   /* 0: dvmd decides */
	uint64_t memory;   /* bytes jobs may use; 0: dvmd decides */
	const char *join;  /* "ADDR:PORT", or NULL: found */
	const char *token; /* with `join` */
};

/* One dvmd on its way. Of a failed cli_start() it must be freed, too. */
struct cli_started {
	char *name, *run;
	pid_t pid;
	int ready;    /* descriptor, -1 when it has spoken */
	int said;     /* memfd that is its stdout and stderr */
	char **again; /* arguments to be remembered once it runs; NULL: they are */
	bool up;
	char why[DVM_ERROR_TEXT_MAX]; /* where it is not */
	size_t got;		      /* bytes of its line in `why` */
};

/* Starts it; dvmd makes its directories itself. */
int cli_start(struct cli_started *out, const struct cli_start *how, dvm_error_t *err);
/* Starts a node as it was started before; its state says which machine it is of. */
int cli_start_again(struct cli_started *out, const struct dvmd_present *node, dvm_error_t *err);

/*
 * Waits until each of the N has said how it fares or DEADLINE (dvmi_clock_mono()) has come; then
 * `up` or `why` is set. PROGRESS may be NULL. Returns how many are up.
 */
size_t cli_start_wait(struct cli_started *v, size_t n, uint64_t deadline,
		      void (*progress)(size_t done, size_t all));
void cli_started_free(struct cli_started *s);

/* One line for each different reason, with the names it is true of: "node[2-4]: reason". */
struct cli;
void cli_start_report(const struct cli *c, const struct cli_started *v, size_t n);

#endif
