/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The transport between nodes over TCP sockets: one connection for each pair of ranks that talk.
 *
 * A packet that comes alone is written at once. Short packets that follow one another faster than
 * the kernel takes them are gathered and written together: when there are enough of them, at the
 * next progress, or, when the owner computes and calls no more, by a thread of the transport's
 * own after two milliseconds. That thread exists only in ranks that send so fast.
 */
#ifndef DVMI_NET_TCP_H
#define DVMI_NET_TCP_H

#include "libdvm/net/remote.h"

/* 0 or -ENOMEM. */
int dvmi_tcp_create(struct dvmi_tport **out, const struct dvmi_remote_config *cfg);

#endif
