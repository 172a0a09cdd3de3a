/* SPDX-License-Identifier: BSD-3-Clause */
/* An Ethernet switch in user space whose ports are the emulators' stream sockets. */
#ifndef TESTS_RIG_SWITCH_H
#define TESTS_RIG_SWITCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RIG_SWITCH_PORTS 64

struct rig_switch;

/* One switch without cables. 0 or -ENOMEM; the caller destroys it. One thread. */
int rig_switch_create(struct rig_switch **out);
void rig_switch_destroy(struct rig_switch *sw);

/* Plugs a stream socket into a free port, and takes it over. -EINVAL: no such port. */
int rig_switch_plug(struct rig_switch *sw, size_t port, int fd);

/* Pulls the cable: closes the socket, forgets what was queued and learned. */
void rig_switch_unplug(struct rig_switch *sw, size_t port);

/* Ports of different groups do not hear each other. All ports start in group 0. */
void rig_switch_group(struct rig_switch *sw, size_t port, unsigned int group);

/* The port's socket (-1: none) and whether it wants to be told when it can take more. */
int rig_switch_fd(const struct rig_switch *sw, size_t port);
bool rig_switch_backlog(const struct rig_switch *sw, size_t port);

/* To be called when the port's socket is readable, or writable with a backlog. Neither waits.
 * 0; -E: the port is of no use any more, unplug it. */
int rig_switch_receive(struct rig_switch *sw, size_t port);
int rig_switch_flush(struct rig_switch *sw, size_t port);

/* Sends every port that is not behind a frame that is for nobody (EtherType 0x88b5, IEEE 802). */
void rig_switch_nudge(struct rig_switch *sw);

#endif
