/* SPDX-License-Identifier: BSD-3-Clause */
/* The transport of a rank to itself: a packet is handed to the sink at once. */
#ifndef DVMI_NET_SELF_H
#define DVMI_NET_SELF_H

#include "libdvm/net/tport.h"

/* 0 or -ENOMEM. */
int dvmi_self_create(struct dvmi_tport **out, struct dvmi_sink sink);

#endif
