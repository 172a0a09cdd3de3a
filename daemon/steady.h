/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The clock of the dates in the state: the wall clock as it was when this host's daemon first looked,
 * going on by itself since. Whoever sets the wall clock meanwhile moves no date, ends no job and starts
 * none. A restart of the daemon keeps it; a restart of the host, which no other clock survives, begins
 * anew from the wall clock.
 */
#ifndef DVMD_STEADY_H
#define DVMD_STEADY_H

#include <stdbool.h>
#include <stdint.h>

struct dvmd_steady {
	uint64_t offset; /* from the clock since boot, modulo 2^64 */
};

/* Kept in STATE_DIR/clock; where that cannot be, it holds as long as this process. */
void dvmd_steady_open(struct dvmd_steady *s, const char *state_dir);
uint64_t dvmd_steady_now(const struct dvmd_steady *s);
/* A date of the state as people read it today: moved by what the wall clock was set by. 0 stays 0. */
uint64_t dvmd_steady_shown(const struct dvmd_steady *s, uint64_t date);

/* Pure: the offset in TEXT, if that was written since the boot BOOT. */
bool dvmd_steady_parse(const char *text, const char *boot, uint64_t *offset);

#endif
