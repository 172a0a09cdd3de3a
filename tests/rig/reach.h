/* SPDX-License-Identifier: BSD-3-Clause */
/* From here to the agent of an emulated host. */
#ifndef TESTS_RIG_REACH_H
#define TESTS_RIG_REACH_H

#include <stdbool.h>

/* Connects to the agent of the host whose directory is dir, trying for `wait` seconds; booting: the
 * host has just been switched on. A socket that the agent has greeted, which the caller closes;
 * -EHOSTDOWN: the host is off, -ETIMEDOUT: no answer, -EACCES: wrong secret, or another error. */
int rig_reach_host(const char *dir, double wait, bool booting);

/* The host's name. Borrowed from dir. */
const char *rig_reach_name(const char *dir);

/* Prints one line on standard error: why a host was not reached, or was lost (-E). */
void rig_reach_explain(const char *dir, int rc);

#endif
