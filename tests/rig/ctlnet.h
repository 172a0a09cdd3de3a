/* SPDX-License-Identifier: BSD-3-Clause */
/* The emulated host's control line, kept out of sight of what is tested. */
#ifndef TESTS_RIG_CTLNET_H
#define TESTS_RIG_CTLNET_H

/* Moves interface ifname into a network namespace of its own, gives it address/24 there and
 * listens on the TCP port; the caller stays in its namespace, which no longer has the interface.
 * The listening socket (not blocking), or -E. Needs root; single-threaded callers only. */
int rig_ctlnet_listen(const char *ifname, const char *address, unsigned int port);

#endif
