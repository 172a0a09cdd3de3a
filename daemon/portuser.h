/* SPDX-License-Identifier: BSD-3-Clause */
/* Which process listens on a TCP port of this host: for the message that a port is taken. */
#ifndef DVMD_PORTUSER_H
#define DVMD_PORTUSER_H

#include <stddef.h>
#include <stdint.h>

/*
 * Writes "NAME (pid N)" of the process that listens on ADDRESS and PORT, or on the port of every
 * address, into OUT. -ENOENT where there is none, or none that we may look at.
 */
int dvmd_portuser_find(char *out, size_t size, const char *address, uint16_t port);

#endif
