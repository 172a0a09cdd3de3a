/* SPDX-License-Identifier: BSD-3-Clause */
/* One command run inside an emulated host for one client of the rig. */
#ifndef TESTS_RIG_SESSION_H
#define TESTS_RIG_SESSION_H

/* Serves one client (wire.h) that must know the token, until its command has ended and nothing
 * holds the command's output any more. Takes over sock. Meant for a process of its own: it waits
 * only for its own child. 0 or -E. */
int rig_session_serve(int sock, const char *token);

#endif
